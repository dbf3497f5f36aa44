/* getsockname() and getpeername(). */
#include "call.h"

typedef int name_fn(struct sock *so, struct sockaddr *addr, socklen_t *len);

static int call_name(int fd, name_fn *name, struct sockaddr *addr, socklen_t *len)
{
    shim_in();
    struct sock *so = shim_enter(fd);
    int r = so ? 0 : shim_not_ours(fd);
    if (so) {
        bool bad = call_bad_address(addr, 1) || call_bad_address(len, 1);
        r = bad ? -EFAULT : name(so, addr, len);
        engine_leave();
    }
    shim_out();
    return r;
}

SHIM_EXPORT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    if (shim_ours(fd)) {
        int r = call_name(fd, sock_getsockname, addr.__sockaddr__, len);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.getsockname(fd, addr, len);
}

SHIM_EXPORT int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    if (shim_ours(fd)) {
        int r = call_name(fd, sock_getpeername, addr.__sockaddr__, len);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.getpeername(fd, addr, len);
}
