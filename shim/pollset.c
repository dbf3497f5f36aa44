/*
 * One wait on stack sockets and kernel descriptors.
 *
 * Each stack socket gets a waiter; all of a thread's waiters set the same word (shim_self.word).
 * The thread then sleeps once, in the kernel, in engine_poll(): on the kernel descriptors and on
 * the engine's own, which it runs meanwhile. It comes back when a kernel descriptor is ready, when
 * the word was set, or at the deadline, and looks at everything again.
 *
 * The waiters hang on the thread, not on its stack: a handler may leave the wait by longjmp, or the
 * thread may be cancelled in it. What is left over is freed by the thread's next wait, or at its
 * end. When that next wait is one of a handler that returns, the interrupted one finds its waiters
 * gone and ends with EINTR.
 *
 * Waiters are touched with the stack's lock held; the list of them is the thread's alone.
 */
#include <sys/mman.h>

#include "deadline.h"
#include "epset.h"
#include "pollset.h"
#include "process.h"
#include "shim.h"

/* Events of an entry of the kernel's array whose fd is -1, because it is not for the kernel: what
 * it is. */
enum { NOTHING, SOCKET, BAD };

static __thread struct waiter *held
    __attribute__((tls_model("initial-exec"))); /* chained by item */

/* ---- waiters ---- */

/* In an entry. */
static void waiters_free(struct stack *st)
{
    while (held) {
        struct waiter *w = held;
        held = w->item;
        sock_waiter_free(st, w);
    }
}

static int waiter_add(struct stack *st, struct sock *so, uint32_t mask)
{
    struct waiter *w = sock_waiter_new(st);
    if (!w)
        return -ENOMEM;
    w->proc = engine_proc();
    w->kind = WAITER_THREAD;
    w->mask = mask;
    w->futex_at = &shim_self.word;
    w->item = held;
    held = w;
    sock_wait_add(so, w);
    return 0;
}

void pollset_thread_end(void)
{
    if (!held)
        return;
    struct stack *st = engine_enter();
    waiters_free(st);
    engine_leave();
}

void pollset_forget(void)
{
    held = NULL;
}

/* ---- looking ---- */

bool pollset_ours(const struct pollfd *fds, nfds_t n)
{
    bool ours = false;
    for (nfds_t i = 0; i < n; i++) {
        enum fd_kind kind = fd_kind(fds[i].fd);
        if (kind == FD_EPOLL)
            ours |= epset_watch(fds[i].fd);
        else
            ours |= kind == FD_STACK || kind == FD_PRIVATE;
    }
    return ours;
}

/* Divides fds: kernel gets what is the kernel's. The number of those. */
static nfds_t divide(const struct pollfd *fds, struct pollfd *kernel, nfds_t n)
{
    nfds_t count = 0;
    for (nfds_t i = 0; i < n; i++) {
        enum fd_kind kind = fd_kind(fds[i].fd);
        kernel[i] = fds[i];
        kernel[i].revents = 0;
        if (kind == FD_STACK || kind == FD_PRIVATE) {
            kernel[i].fd = -1;
            kernel[i].events = kind == FD_STACK ? SOCKET : BAD;
        } else if (fds[i].fd < 0) {
            kernel[i].events = NOTHING;
        } else {
            count++;
        }
    }
    return count;
}

/* One wait. */
struct wait {
    struct pollfd *fds, *kernel;
    nfds_t n;
    nfds_t kernels; /* how many of them are the kernel's */
    bool exact;
};

static bool is_ours(const struct wait *w, nfds_t i)
{
    return w->kernel[i].fd < 0 && w->kernel[i].events != NOTHING;
}

/* The conditions that make fds[i] ready. */
static uint32_t wanted(const struct wait *w, nfds_t i)
{
    uint32_t events = (uint16_t)w->fds[i].events;
    return w->exact ? events : events | POLLERR | POLLHUP;
}

/* Fills the revents of what is ours; the count of ready ones. In an entry. *stale: a descriptor
 * whose socket is not in the table any more, or -1. */
static int look_ours(struct wait *w, int *stale)
{
    int ready = 0;
    *stale = -1;
    for (nfds_t i = 0; i < w->n; i++) {
        w->fds[i].revents = 0;
        if (!is_ours(w, i))
            continue;
        struct sock *so = w->kernel[i].events == SOCKET ? fd_sock(w->fds[i].fd) : NULL;
        if (!so && w->kernel[i].events == SOCKET)
            *stale = w->fds[i].fd;
        w->fds[i].revents = (short)(so ? sock_poll(so) & wanted(w, i) : POLLNVAL);
        ready += w->fds[i].revents != 0;
    }
    return ready;
}

/* Gives each socket of ours a waiter. In an entry. 0 or -ENOMEM. */
static int arm(struct stack *st, const struct wait *w)
{
    int r = 0;
    for (nfds_t i = 0; i < w->n && r == 0; i++) {
        struct sock *so = is_ours(w, i) ? fd_sock(w->fds[i].fd) : NULL;
        if (so)
            r = waiter_add(st, so, wanted(w, i));
    }
    return r;
}

/* The count of ready ones of ours. When there is none, arms each of them, unless that has been
 * done. -ENOMEM. */
static int look(struct wait *w, bool may_arm)
{
    for (;;) {
        int stale;
        struct stack *st = engine_enter();
        __atomic_store_n(&shim_self.word, 0, __ATOMIC_RELAXED);
        int ready = look_ours(w, &stale);
        if (stale >= 0)
            waiters_free(st);
        else if (ready == 0 && may_arm && !held)
            ready = arm(st, w);
        engine_leave();
        if (stale < 0)
            return ready;
        /* Closed or given to the kernel by another thread, or replaced behind our back. */
        fd_identify(stale);
        w->kernels = divide(w->fds, w->kernel, w->n);
    }
}

/* Adds what the kernel said; the count of ready ones. An entry that is ready for nothing that was
 * asked for (exact) is not polled again: it would be so for ever. */
static int merge(struct wait *w)
{
    int ready = 0;
    for (nfds_t i = 0; i < w->n; i++) {
        struct pollfd *k = &w->kernel[i];
        if (k->fd < 0)
            continue;
        uint32_t now = (uint16_t)k->revents;
        if (w->exact)
            now &= wanted(w, i) | POLLNVAL;
        w->fds[i].revents = (short)now;
        ready += now != 0;
        if (k->revents && !now) {
            k->fd = -1;
            k->events = NOTHING;
        }
    }
    return ready;
}

static int poll_now(struct wait *w)
{
    if (w->kernels == 0)
        return 0;
    epset_refresh();
    return real.poll(w->kernel, w->n, 0) < 0 ? -errno : 0;
}

/* A cancellation point. Cancelled, it leaves frames behind that AddressSanitizer knows nothing of.
 */
__attribute__((no_sanitize("address"))) static int sleep_until(struct wait *w, uint64_t deadline_us,
                                                               const sigset_t *mask)
{
    int r;
    pthread_cleanup_push(thread_cancelled, NULL);
    r = engine_poll(w->kernel, w->kernels ? w->n : 0, &shim_self.word, deadline_us, mask);
    pthread_cleanup_pop(0);
    return r;
}

static int wait_round(struct wait *w, uint64_t deadline_us, const sigset_t *mask)
{
    int ready = look(w, deadline_us != 0);
    if (ready == 0 && deadline_us == 0) {
        engine_run();
        ready = look(w, false);
    }
    for (;;) {
        if (ready < 0)
            return ready;
        bool last = ready > 0 || deadline_passed(deadline_us);
        int r = last ? poll_now(w) : sleep_until(w, deadline_us, mask);
        if (r < 0)
            return r;
        if (!last)
            ready = look(w, true);
        if (ready >= 0)
            ready += merge(w);
        if (last || ready > 0)
            return ready;
    }
}

int pollset_wait(struct pollfd *fds, struct pollfd *kernel, nfds_t n, uint64_t deadline_us,
                 const sigset_t *mask, bool exact)
{
    struct wait w = {fds, kernel, n, divide(fds, kernel, n), exact};
    pollset_thread_end(); /* of an abandoned wait */
    process_watch_thread();
    int r = wait_round(&w, deadline_us, mask);
    pollset_thread_end();
    return r;
}

/* ---- memory ---- */

struct pollfd *pollset_alloc(struct pollfd *small, nfds_t small_count, nfds_t count)
{
    if (count <= small_count)
        return small;
    if (count > SIZE_MAX / sizeof(*small))
        return NULL;
    void *p = mmap(NULL, count * sizeof(*small), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void pollset_free(struct pollfd *p, const struct pollfd *small, nfds_t count)
{
    if (p != small)
        munmap(p, count * sizeof(*p));
}
