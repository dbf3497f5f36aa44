/*
 * Local addresses and ports.
 *
 * In host mode the kernel decides about ports: whatever binds a socket here binds the placeholder
 * first. That costs system calls, so it happens outside of the entry.
 */
#include <string.h>

#include "call.h"
#include "io/guard.h"
#include "port.h"

static bool is_bound(const struct sock *so)
{
    return so->tcp ? tcp_local(so->tcp)->port != 0 : so->udp->bound;
}

static bool is_connected(const struct sock *so)
{
    return so->tcp ? tcp_remote(so->tcp)->port != 0 : so->udp->connected;
}

/* Binds fd in the kernel and so in the stack; local->port 0: the kernel chooses. */
static int bind_both(int fd, struct sock *so, struct endpoint *local)
{
    uint64_t cookie = so->cookie;
    struct stack *st = so->stack;
    int type = so->type;

    /* After the stack has refused what the kernel had granted, the placeholder is bound already. */
    if (!so->port_guard || so->port_guard != local->port) {
        struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(local->port)};
        bool dual = !addr_is_v4(&local->addr);
        if (!dual)
            sin.sin_addr.s_addr = htonl(addr_get_v4(&local->addr));
        engine_leave();
        int r = guard_bind(fd, type, &sin, dual);
        engine_enter();
        /* What is left of earlier connections need not keep the port: the stack knows the rules. */
        if (r == -EADDRINUSE && type == SOCK_STREAM && guard_yield(local->port))
            r = guard_bind(fd, type, &sin, dual);
        if (sock_by_cookie(st, cookie) != so)
            return -EBADF;
        if (r < 0)
            return r;
        so->port_guard = local->port = ntohs(sin.sin_port);
    }
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    sock_addr_put(so, local, (struct sockaddr *)&name, &len);
    return sock_bind(so, (const struct sockaddr *)&name, len);
}

/* Must a socket that is bound to local be the kernel's? Of IPv6 we have no more than the dual-stack
 * wildcard. */
static bool is_kernel_local(struct sock *so, const struct ip_addr *local)
{
    if (addr_is_any(local))
        return !addr_is_v4(local) && sock_is_v6only(so);
    return !netif_find_addr(&so->stack->net, local) && engine_is_kernel_destination(local);
}

int port_bind(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    struct endpoint local;

    if (is_bound(so) || is_connected(so))
        return sock_bind(so, addr, len);
    int r = sock_bind_name(so, addr, len, &local);
    if (r < 0)
        return r;
    if (is_kernel_local(so, &local.addr))
        return SHIM_KERNEL;
    return engine_host_mode() ? bind_both(fd, so, &local) : sock_bind(so, addr, len);
}

int port_auto(int fd, struct sock *so, const struct ip_addr *dst)
{
    struct endpoint local = {.addr = so->domain == AF_INET6 ? addr_any6() : addr_any4()};

    if (is_bound(so))
        return 0;
    if (sock_is_v6only(so)) /* no IPv4 goes through it: sock_connect(), sock_sendmsg() say so */
        return dst ? 0 : SHIM_KERNEL;
    if (!engine_host_mode())
        return 0;
    if (dst && so->tcp) {
        struct ip_path path;
        struct ip_addr any = addr_any4();
        int r = path_lookup(&so->stack->net, dst, &any, tcp_config(so->tcp)->nif, &path);
        if (r < 0)
            return r;
        local.addr = path.src;
    }
    int r = bind_both(fd, so, &local);
    return r == -EADDRINUSE && dst ? -EADDRNOTAVAIL : r; /* connect()'s word for: no port left */
}

int port_destination(struct sock *so, const struct ip_addr *dst)
{
    if (!engine_is_kernel_destination(dst))
        return 0;
    /* What has talked to the network stays on it: the stack will say that there is no route. */
    return is_connected(so) ? 0 : SHIM_KERNEL;
}

int port_before_send(int fd, struct sock *so, const struct msghdr *msg)
{
    struct endpoint dst;

    if (so->udp->bound || !msg->msg_name ||
        sock_addr_get_dst(so, msg->msg_name, msg->msg_namelen, &dst) < 0)
        return 0;
    int r = port_destination(so, &dst.addr);
    return r ? r : port_auto(fd, so, &dst.addr);
}

/* The port that a kernel socket is bound to; 0: none. The form of all addresses begins alike. */
static int bound_port(int fd, in_port_t *port)
{
    struct sockaddr_storage now;
    struct sockaddr_in in;
    socklen_t len = sizeof(now);

    if (real.getsockname(fd, (struct sockaddr *)&now, &len) < 0)
        return -errno;
    memcpy(&in, &now, sizeof(in));
    *port = in.sin_port;
    return 0;
}

int port_unguard(int fd, int type, const struct sockaddr *addr, socklen_t len)
{
    in_port_t port = 0;
    int unused = 0;

    if (type == SOCK_STREAM) {
        /* Ends LISTEN; a port that bind() had been told stays bound. */
        const struct sockaddr none = {.sa_family = AF_UNSPEC};
        if (real.connect(fd, &none, sizeof(none)) < 0)
            return -errno;
        int r = bound_port(fd, &port);
        if (r < 0)
            return r;
        if (port == 0 && real.bind(fd, addr, len) < 0)
            return -errno;
    }
    if (real.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 &&
        errno != ENOENT)
        return -errno;
    return 0;
}

/* Is a name on the AF_INET6 socket fd about IPv4? */
static bool is_about_ipv4(int fd, const struct sockaddr *addr, socklen_t len, bool binds)
{
    struct sockaddr_in6 in6 = {0};
    int v6only = 0;
    socklen_t v6only_len = sizeof(v6only);

    if (call_bad_address(addr, len) || len < sizeof(struct sockaddr_in))
        return false;
    memcpy(&in6, addr, len < sizeof(in6) ? len : sizeof(in6));
    if (in6.sin6_family != AF_INET6)
        return in6.sin6_family == AF_INET && !binds;
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return true;
    return binds && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr) &&
           real.getsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &v6only, &v6only_len) == 0 && !v6only;
}

int port_refuse(int fd, const struct sockaddr *addr, socklen_t len, bool binds)
{
    int saved = errno, r = 0;

    shim_in();
    if (is_about_ipv4(fd, addr, len, binds)) {
        r = shim_start();
        if (r == 0)
            r = -EADDRNOTAVAIL; /* it starts by now: for a new socket */
        if (r == -ENOSYS)
            r = fd_set_kind(fd, FD_KERNEL);
    }
    shim_out();
    errno = saved;
    return r;
}
