/*
 * close().
 *
 * The control block goes when the last descriptor of its description does. When that is certainly
 * ours, it goes at once; otherwise the kernel tells the engine when the placeholder has lost its
 * last reference, in whichever process.
 */
#include "epset.h"
#include "io/guard.h"
#include "shim.h"

/* SO_LINGER with a time: waits until the peer has everything, as the kernel does in close(). Within
 * an entry, and returns in one. */
static void linger(struct sock *so)
{
    int64_t timeout_us = sock_linger_start(so);
    if (timeout_us <= 0)
        return;
    uint64_t deadline_us = shim_deadline(timeout_us);
    while (sock_lingering(so) && shim_block(so, POLLOUT | POLLHUP, deadline_us, false) == 0)
        ;
}

void fd_release(int fd)
{
    if (fd_is_unknown_heritage(fd)) { /* nobody else's close waits for ours */
        fd_clear(fd);
        return;
    }
    if (fd_kind(fd) == FD_STACK && fd_is_alone(fd)) {
        int wait = -1;
        engine_enter();
        struct sock *so = fd_sock(fd);
        if (so)
            linger(so);
        so = fd_sock(fd);
        if (so) {
            struct stack *st = so->stack;
            uint16_t port = so->tcp && tcp_is_bound(so->tcp) ? tcp_local(so->tcp)->port : 0;
            sock_close(so);
            wait = guard_closed(st, port, true);
        }
        engine_leave();
        guard_wait(wait);
    }
    struct epset *set = NULL;
    if (fd_kind(fd) == FD_EPOLL && fd_is_alone_here(fd))
        set = epset_peek(fd);
    fd_clear(fd);
    if (set)
        epset_closed(set);
}

static int close_real(int fd)
{
    return real.close(fd) < 0 ? -errno : 0;
}

int fd_close(int fd)
{
    switch (fd_is_unknown_heritage(fd) ? FD_INHERITED : fd_kind(fd)) {
    case FD_UNKNOWN:
    case FD_INHERITED: /* not worth a look: others have it, too, or the kernel tells the family */
    case FD_KERNEL:
    case FD_IPV6:
    case FD_FOREIGN:
        break;
    case FD_PRIVATE:
        return shim_inside() ? close_real(fd) : -EBADF;
    case FD_STACK:
    case FD_EPOLL:
        if (shim_inside() || shim_is_vfork_child())
            return close_real(fd);
        shim_in();
        fd_release(fd);
        int r = close_real(fd);
        shim_out();
        return r;
    }
    if (fd_entry(fd) && !shim_is_vfork_child())
        fd_clear(fd);
    return close_real(fd);
}
