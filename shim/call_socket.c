/* Making sockets, binding them, and giving them back to the kernel. */
#include <netinet/in.h>

#include "call.h"
#include "epset.h"
#include "io/guard.h"
#include "port.h"

static bool stack_handles(int domain, int type, int protocol)
{
    type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    return (domain == AF_INET || domain == AF_INET6) &&
           ((type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP)) ||
            (type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP)));
}

/* Hangs a control block on the kernel socket fd. */
static int adopt(int fd, int domain, int type, int protocol)
{
    uint64_t cookie = fd_kernel_cookie(fd);
    int v6only = 0;
    socklen_t len = sizeof(v6only);
    struct sock *so;

    if (domain == AF_INET6) /* net.ipv6.bindv6only */
        real.getsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &v6only, &len);
    struct stack *st = engine_enter();
    int r = sock_create(st, domain, type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK), protocol, cookie,
                        shim_pid, &so);
    if (r == 0) {
        so->nonblock = (type & SOCK_NONBLOCK) != 0;
        r = v6only ? sock_setsockopt(so, SOL_IPV6, IPV6_V6ONLY, &v6only, len) : 0;
        if (r == 0)
            r = fd_set_stack(fd, so);
        if (r < 0)
            sock_close(so);
    }
    engine_leave();
    return r;
}

/* What a stack that does not start means for the new socket fd. Many programs make an AF_INET6
 * socket only to see whether there is IPv6: that goes well, and IPv4 is refused later. */
static int without_stack(int fd, int domain, int err)
{
    if (err == -ENOSYS)
        return 0;
    return domain == AF_INET6 ? fd_set_kind(fd, FD_IPV6) : err;
}

static int make(int domain, int type, int protocol)
{
    int fd = real.socket(domain, type, protocol);
    if (fd < 0)
        return -errno;
    fd_clear(fd); /* whatever the number was before, it was closed behind our back */
    int r = domain == AF_INET6 ? shim_start_quietly() : shim_start();
    if (r < 0)
        r = without_stack(fd, domain, r);
    else
        r = adopt(fd, domain, type, protocol);
    if (r == 0)
        return fd;
    real.close(fd);
    return r == -ENOMEM ? -ENOBUFS : r;
}

SHIM_EXPORT int socket(int domain, int type, int protocol)
{
    shim_need();
    if (!shim_inside() && stack_handles(domain, type, protocol)) {
        shim_in();
        int r = make(domain, type, protocol);
        shim_out();
        return (int)shim_ret(r);
    }
    int fd = real.socket(domain, type, protocol);
    if (fd >= 0 && !shim_inside())
        fd_clear(fd);
    return fd;
}

int shim_give_to_kernel(int fd)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof(local);

    engine_enter();
    struct sock *so = fd_sock(fd);
    if (!so) {
        engine_leave();
        return 0;
    }
    engine_leave();
    epset_give_to_kernel(fd);
    engine_enter();
    so = fd_sock(fd);
    if (!so) {
        engine_leave();
        return 0;
    }
    int type = so->type;
    bool guarded = so->port_guard != 0;
    uint64_t cookie = so->cookie;
    sock_getsockname(so, (struct sockaddr *)&local, &len);
    sock_close(so);
    engine_leave();

    for (int i = fd_next(0); i >= 0 && i < INT_MAX; i = fd_next(i + 1)) {
        struct fd_entry *e = fd_entry(i);
        if (e && e->kind == FD_STACK && e->cookie == cookie)
            fd_set_kind(i, FD_KERNEL);
    }
    return guarded ? guard_give_back(fd, type, (struct sockaddr *)&local, len) : 0;
}

ssize_t call_on_socket(int fd, int (*body)(int fd, struct sock *so, const void *arg, socklen_t n),
                       const void *arg, socklen_t n)
{
    shim_in();
    struct sock *so = shim_enter(fd);
    int r = so ? 0 : shim_not_ours(fd);
    if (so) {
        r = body(fd, so, arg, n);
        engine_leave();
        if (r == SHIM_KERNEL) {
            int given = shim_give_to_kernel(fd);
            if (given < 0)
                r = given;
        }
    }
    shim_out();
    return r;
}

static int body_bind(int fd, struct sock *so, const void *addr, socklen_t len)
{
    return port_bind(fd, so, addr, len);
}

SHIM_EXPORT int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    if (shim_ours(fd) && !call_bad_address(addr.__sockaddr__, len)) {
        ssize_t r = call_on_socket(fd, body_bind, addr.__sockaddr__, len);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    int refused = port_check(fd, addr.__sockaddr__, len, true);
    return refused < 0 ? (int)shim_ret(refused) : real.bind(fd, addr, len);
}

static int body_listen(int fd, struct sock *so, const void *unused, socklen_t backlog)
{
    if (so->tcp) {
        int r = port_auto(fd, so, NULL);
        if (r < 0)
            return r;
    }
    return sock_listen(so, (int)backlog);
}

SHIM_EXPORT int listen(int fd, int backlog)
{
    if (shim_ours(fd)) {
        ssize_t r = call_on_socket(fd, body_listen, NULL, (socklen_t)backlog);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.listen(fd, backlog);
}

static int body_shutdown(int fd, struct sock *so, const void *unused, socklen_t how)
{
    return sock_shutdown(so, (int)how);
}

SHIM_EXPORT int shutdown(int fd, int how)
{
    if (shim_ours(fd)) {
        ssize_t r = call_on_socket(fd, body_shutdown, NULL, (socklen_t)how);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.shutdown(fd, how);
}
