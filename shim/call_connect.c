/*
 * connect().
 *
 * As in Linux: a blocking call that its SO_SNDTIMEO ends says EINPROGRESS, a further call meanwhile
 * EALREADY, and each of them waits again on a blocking socket.
 */
#include "call.h"
#include "port.h"

/* Within an entry on so, and returns in one. */
static int start(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    struct endpoint dst;
    if (so->conn == SOCK_UNCONNECTED && sock_addr_get_dst(so, addr, len, &dst) == 0) {
        int r = port_destination(so, &dst.addr);
        if (r == 0 && (so->tcp ? tcp_state(so->tcp) == TCP_CLOSED : true))
            r = port_auto(fd, so, &dst);
        if (r)
            return r;
    }
    return sock_connect(so, addr, len);
}

static int body_connect(int fd, struct sock *so, const void *addr, socklen_t len)
{
    int first = start(fd, so, addr, len);
    int r = first;
    uint64_t deadline_us = 0;

    while ((r == -EINPROGRESS || r == -EALREADY) && !so->nonblock) {
        if (!deadline_us)
            deadline_us = shim_deadline(so->sndtimeo_us);
        int w = shim_block(so, POLLOUT, deadline_us, !so->sndtimeo_us);
        if (w < 0)
            return w == -EAGAIN ? first : w;
        r = sock_connect(so, addr, len);
    }
    return r;
}

SHIM_EXPORT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    if (shim_ours(fd) && !call_bad_address(addr.__sockaddr__, len)) {
        pthread_testcancel();
        ssize_t r = call_on_socket(fd, body_connect, addr.__sockaddr__, len);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    int refused = port_check(fd, addr.__sockaddr__, len, false);
    return refused < 0 ? (int)shim_ret(refused) : real.connect(fd, addr, len);
}
