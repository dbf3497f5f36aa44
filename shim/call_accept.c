/*
 * accept(). The descriptor comes before the connection: when there is none left, the connection
 * stays in the queue, as in the kernel.
 */

#include "call.h"

/* Takes the first connection. Within an entry on so, and returns in one; so may be gone then. The
 * new descriptor or -errno. */
static int take(struct sock *so, struct sockaddr *addr, socklen_t *len, int flags)
{
    uint64_t cookie = so->cookie;
    struct stack *st = so->stack;
    struct sock *child;
    int domain = so->domain;

    engine_leave();
    int fd = real.socket(domain, SOCK_STREAM | flags, 0);
    int r = fd < 0 ? -errno : 0;
    uint64_t child_cookie = fd < 0 ? 0 : fd_kernel_cookie(fd);
    engine_enter();
    if (r < 0)
        return r;
    r = sock_by_cookie(st, cookie) == so ? sock_accept(so, child_cookie, shim_pid, &child) : -EBADF;
    if (r == 0) {
        child->nonblock = (flags & SOCK_NONBLOCK) != 0;
        r = fd_set_stack(fd, child);
        if (r < 0)
            sock_close(child);
        else if (addr && len) /* not getpeername(): the connection may be over already */
            sock_addr_put(child, tcp_remote(child->tcp), addr, len);
    }
    if (r < 0) {
        fd_clear(fd);
        real.close(fd);
        return r;
    }
    return fd;
}

static int accept_one(struct sock *so, struct sockaddr *addr, socklen_t *len, int flags)
{
    uint64_t deadline_us = 0;

    if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
        return -EINVAL;
    if (!so->tcp)
        return -EOPNOTSUPP;
    for (;;) {
        if (tcp_state(so->tcp) != TCP_LISTEN)
            return -EINVAL;
        if (tcp_can_accept(so->tcp)) {
            int r = take(so, addr, len, flags);
            if (r != -EAGAIN)
                return r;
            continue; /* somebody else was quicker */
        }
        if (so->nonblock)
            return -EAGAIN;
        if (!deadline_us)
            deadline_us = shim_deadline(so->rcvtimeo_us);
        int w = shim_block(so, POLLIN, deadline_us, !so->rcvtimeo_us);
        if (w < 0)
            return w;
    }
}

static int call_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (addr && (call_bad_address(addr, 1) || call_bad_address(len, 1)))
        return -EFAULT;
    if (addr && (int)*len < 0)
        return -EINVAL;
    pthread_testcancel();
    shim_in();
    struct sock *so = shim_enter(fd);
    int r = so ? 0 : shim_not_ours(fd);
    if (so) {
        r = accept_one(so, addr, len, flags);
        engine_leave();
    }
    shim_out();
    return r;
}

SHIM_EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    if (shim_ours(fd)) {
        int r = call_accept(fd, addr.__sockaddr__, len, 0);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.accept(fd, addr, len);
}

SHIM_EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
    if (shim_ours(fd)) {
        int r = call_accept(fd, addr.__sockaddr__, len, flags);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.accept4(fd, addr, len, flags);
}
