/*
 * Signals of sockets (fcntl(2): F_SETOWN, F_SETSIG, O_ASYNC): SIGURG for urgent data, SIGIO or
 * another for readiness.
 *
 * The placeholder keeps the owner, the signal and the flag, and so F_GETOWN and its kin are the
 * kernel's business. While there is an owner, the socket has a waiter of the process that named it;
 * the engine calls sigio_notify() when it fired, and whom the placeholder names gets the signal.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"
#include "sigio.h"

#define ANY_EVENT (POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLERR | POLLHUP)

static struct waiter *find(struct sock *so)
{
    LIST_FOREACH (n, &so->waiters) {
        struct waiter *w = container_of(n, struct waiter, on_sock);
        if (w->kind == WAITER_SIGNAL && w->proc == engine_proc())
            return w;
    }
    return NULL;
}

bool sigio_is_watched(struct sock *so)
{
    return find(so) != NULL;
}

static bool owner_of(int fd, struct f_owner_ex *owner)
{
    return real.fcntl(fd, F_GETOWN_EX, owner) == 0 && owner->pid != 0;
}

/* What events a signal is wanted for, by the placeholder. */
static uint32_t wanted(int fd)
{
    struct f_owner_ex owner;
    if (!owner_of(fd, &owner))
        return 0;
    return real.fcntl(fd, F_GETFL) & O_ASYNC ? ANY_EVENT : POLLPRI;
}

/* Without memory there are no signals. */
static void watch(struct sock *so, int fd, uint32_t mask)
{
    struct waiter *w = find(so);
    if (!mask) {
        if (w)
            sock_waiter_free(so->stack, w);
        return;
    }
    if (!w) {
        w = sock_waiter_new(so->stack);
        if (!w)
            return;
        engine_always_ring();
        w->kind = WAITER_SIGNAL;
        w->proc = engine_proc();
        sock_wait_add(so, w);
    }
    w->mask = mask;
    w->item = (void *)(intptr_t)fd;
}

void sigio_changed(int fd)
{
    int saved = errno;
    uint32_t mask = wanted(fd);

    engine_set_signal_notify(sigio_notify);
    shim_in();
    struct sock *so = shim_enter(fd);
    if (so) {
        watch(so, fd, mask);
        engine_leave();
    }
    shim_out();
    errno = saved;
}

static long queue(const struct f_owner_ex *owner, int sig, siginfo_t *info)
{
    if (owner->type == F_OWNER_TID)
        return syscall(SYS_rt_tgsigqueueinfo, getpid(), owner->pid, sig, info);
    return syscall(SYS_rt_sigqueueinfo, owner->pid, sig, info);
}

/* As the kernel's, with or without siginfo. The kernel lets a thread say the codes of F_SETSIG to
 * itself only: others say SI_SIGIO. */
static void send_signal(const struct f_owner_ex *owner, int sig, siginfo_t *info)
{
    if (info && owner->type != F_OWNER_PGRP) {
        if (queue(owner, sig, info) == 0)
            return;
        info->si_code = SI_SIGIO;
        if (queue(owner, sig, info) == 0)
            return;
    }
    if (owner->type == F_OWNER_TID)
        syscall(SYS_tkill, owner->pid, sig);
    else
        syscall(SYS_kill, owner->type == F_OWNER_PGRP ? -owner->pid : owner->pid, sig);
}

void sigio_notify(void *item, uint64_t cookie, uint32_t fired)
{
    /* The kernel's si_code, and the events that si_band names. */
    static const struct {
        uint32_t bits;
        int code;
        long band;
    } reasons[] = {
        {POLLPRI, POLL_PRI, POLLPRI | POLLRDBAND},
        {POLLIN | POLLRDHUP, POLL_IN, POLLIN | POLLRDNORM},
        {POLLOUT, POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND},
        {POLLERR, POLL_ERR, POLLERR},
        {POLLHUP, POLL_HUP, POLLHUP | POLLERR},
    };
    int fd = (int)(intptr_t)item, saved = errno;
    struct f_owner_ex owner;

    /* The number may be another's by now. */
    if (cookie && fd_kernel_cookie(fd) == cookie && owner_of(fd, &owner)) {
        int sig = real.fcntl(fd, F_GETFL) & O_ASYNC ? real.fcntl(fd, F_GETSIG) : -1;
        if (fired & POLLPRI)
            send_signal(&owner, SIGURG, NULL);
        for (size_t i = 0; sig > 0 && i < sizeof(reasons) / sizeof(*reasons); i++) {
            siginfo_t info;
            if (!(fired & reasons[i].bits))
                continue;
            memset(&info, 0, sizeof(info));
            info.si_signo = sig;
            info.si_code = reasons[i].code;
            info.si_band = reasons[i].band;
            info.si_fd = fd;
            send_signal(&owner, sig, &info);
        }
        if (sig == 0)
            send_signal(&owner, SIGIO, NULL);
    }
    errno = saved;
}
