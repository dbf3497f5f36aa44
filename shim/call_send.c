/*
 * The send calls. All meet in call_send().
 *
 * A blocking stream call waits until all is queued; what was queued is reported before any error,
 * and SIGPIPE comes only with EPIPE.
 */
#include <sys/syscall.h>

#include "call.h"
#include "io/keeper.h"
#include "port.h"

/* As the kernel does it: to this thread, from this process. Held back until shim_out(). */
static void raise_sigpipe(void)
{
    siginfo_t info = {.si_signo = SIGPIPE, .si_code = SI_USER};
    info.si_pid = getpid();
    info.si_uid = getuid();
    syscall(SYS_rt_tgsigqueueinfo, info.si_pid, syscall(SYS_gettid), SIGPIPE, &info);
}

/* Within an entry on so, and returns in one. */
static ssize_t transmit(struct sock *so, const struct msghdr *msg, size_t len, int flags)
{
    bool stream = so->type == SOCK_STREAM;
    size_t done = 0;
    uint64_t deadline_us = 0;

    for (;;) {
        if (done && call_error_waits(so))
            return (ssize_t)done;
        ssize_t r = sock_sendmsg(so, msg, done, flags);
        if (r >= 0) {
            done += (size_t)r;
            if (!stream || r == 0 || done >= len)
                return (ssize_t)done;
            continue;
        }
        if (r != -EAGAIN)
            return done ? (ssize_t)done : r;
        if (so->nonblock || (flags & MSG_DONTWAIT))
            return done ? (ssize_t)done : -EAGAIN;
        if (!deadline_us)
            deadline_us = shim_deadline(so->sndtimeo_us);
        int w = shim_block(so, POLLOUT, deadline_us, done == 0 && !so->sndtimeo_us);
        if (w < 0)
            return done ? (ssize_t)done : w;
    }
}

ssize_t call_send(int fd, const struct msghdr *msg, int flags)
{
    ssize_t len = call_iov_bytes(msg->msg_iov, msg->msg_iovlen);
    if (len < 0)
        return len;
    if (call_bad_iov(msg->msg_iov, msg->msg_iovlen) ||
        call_bad_address(msg->msg_name, msg->msg_name ? msg->msg_namelen : 0) ||
        call_bad_address(msg->msg_control, msg->msg_controllen))
        return -EFAULT;
    pthread_testcancel();
    shim_in();
    struct sock *so = shim_enter(fd);
    ssize_t r = so ? 0 : shim_not_ours(fd);
    if (so) {
        /* These bind the socket: a datagram, and the text that goes with a SYN. */
        if (so->udp || (flags & MSG_FASTOPEN && so->conn == SOCK_UNCONNECTED))
            r = port_before_send(fd, so, msg);
        if (r == 0)
            r = transmit(so, msg, (size_t)len, flags);
        bool sigpipe = r == -EPIPE && so->type == SOCK_STREAM && !(flags & MSG_NOSIGNAL);
        engine_leave();
        if (sigpipe)
            raise_sigpipe();
        if (r == SHIM_KERNEL)
            r = shim_give_to_kernel(fd) < 0 ? -EADDRNOTAVAIL : SHIM_KERNEL;
    }
    shim_out();
    return r;
}

/* write() and its kin: nothing to send on a stream is nothing done; an empty datagram is one. */
static ssize_t write_iov(int fd, const struct iovec *iov, int niov, int flags)
{
    if (niov < 0 || niov > IOV_MAX)
        return -EINVAL;
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)niov};
    return call_send(fd, &msg, flags);
}

SHIM_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    if (shim_ours(fd)) {
        struct iovec iov = {(void *)(uintptr_t)buf, len};
        ssize_t r = write_iov(fd, &iov, 1, 0);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.write(fd, buf, len);
}

SHIM_EXPORT ssize_t writev(int fd, const struct iovec *iov, int niov)
{
    if (shim_ours(fd)) {
        ssize_t r = write_iov(fd, iov, niov, 0);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.writev(fd, iov, niov);
}

/* With an offset the kernel says ESPIPE; -1 means: as writev(). */
static ssize_t pwritev2_any(int fd, const struct iovec *iov, int niov, off_t offset, int flags)
{
    if (offset == -1 && (flags & ~(RWF_HIPRI | RWF_NOWAIT)) == 0 && shim_ours(fd)) {
        ssize_t r = write_iov(fd, iov, niov, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    shim_need();
    return real.pwritev2(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int niov, off_t offset, int flags)
{
    return pwritev2_any(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int niov, off64_t offset,
                                int flags)
{
    return pwritev2_any(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    if (shim_ours(fd)) {
        struct iovec iov = {(void *)(uintptr_t)buf, len};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t r = call_send(fd, &msg, flags);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.send(fd, buf, len, flags);
}

SHIM_EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
                           __CONST_SOCKADDR_ARG addr, socklen_t addr_len)
{
    if (shim_ours(fd)) {
        struct iovec iov = {(void *)(uintptr_t)buf, len};
        struct msghdr msg = {.msg_name = (void *)(uintptr_t)addr.__sockaddr__,
                             .msg_namelen = addr.__sockaddr__ ? addr_len : 0,
                             .msg_iov = &iov,
                             .msg_iovlen = 1};
        ssize_t r = call_send(fd, &msg, flags);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    int refused = port_check(fd, addr.__sockaddr__, addr_len, false);
    return refused < 0 ? shim_ret(refused) : real.sendto(fd, buf, len, flags, addr, addr_len);
}

/* A message of the kernel's carries descriptors away: sockets of ours among them are no longer held
 * by us alone, and who gets them may have to find our stack by its housekeeper. */
static void note_rights(const struct msghdr *msg)
{
    struct msghdr m = *msg;
    const char *end = (const char *)m.msg_control + m.msg_controllen;
    if (call_bad_address(m.msg_control, m.msg_controllen))
        return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_len < CMSG_LEN(0) || c->cmsg_len > (size_t)(end - (const char *)c))
            return; /* the kernel refuses it */
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        shim_in();
        for (size_t i = 0; i < n; i++) {
            int fd;
            __builtin_memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            if (fd_kind(fd) == FD_STACK)
                (void)keeper_start();
            fd_mark_shared(fd);
        }
        shim_out();
    }
}

/* port_check() for a message. */
static int check_message(int fd, const struct msghdr *msg)
{
    if (call_bad_address(msg, 1))
        return 0; /* the kernel's to say */
    return port_check(fd, msg->msg_name, msg->msg_namelen, false);
}

SHIM_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (shim_ours(fd) && !call_bad_address(msg, 1)) {
        ssize_t r = call_send(fd, msg, flags);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    if (!call_bad_address(msg, 1) && !shim_inside() && msg->msg_controllen && engine_running())
        note_rights(msg);
    int refused = check_message(fd, msg);
    return refused < 0 ? shim_ret(refused) : real.sendmsg(fd, msg, flags);
}

static int call_sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
    int count = 0;
    while ((unsigned)count < n) {
        ssize_t r = call_send(fd, &vec[count].msg_hdr, flags);
        if (r < 0 && (count == 0 || r == SHIM_KERNEL))
            return (int)r;
        if (r < 0)
            break;
        vec[count++].msg_len = (unsigned)r;
    }
    return count;
}

SHIM_EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
    if (shim_ours(fd) && !call_bad_address(vec, n)) {
        int r = call_sendmmsg(fd, vec, n < IOV_MAX ? n : IOV_MAX, flags);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    if (!call_bad_address(vec, n) && !shim_inside() && engine_running())
        for (unsigned i = 0; i < n; i++)
            if (vec[i].msg_hdr.msg_controllen)
                note_rights(&vec[i].msg_hdr);
    for (unsigned i = 0; i < n && fd_kind(fd) == FD_IPV6; i++) {
        int refused = check_message(fd, &vec[i].msg_hdr);
        if (refused < 0 && i == 0)
            return (int)shim_ret(refused);
        if (refused < 0)
            n = i;
    }
    return real.sendmmsg(fd, vec, n, flags);
}
