/*
 * Local addresses and ports.
 *
 * In host mode the kernel decides about ports: whatever binds a socket here binds the placeholder
 * first. That costs system calls, so it happens outside of the entry.
 */
#include <string.h>

#include "io/guard.h"
#include "port.h"

bool port_addr(const struct sockaddr *addr, socklen_t len, struct ip_addr *out)
{
    struct sockaddr_in in;
    if (!addr || len < sizeof(in))
        return false;
    memcpy(&in, addr, sizeof(in));
    *out = addr_v4(ntohl(in.sin_addr.s_addr));
    return in.sin_family == AF_INET;
}

static bool is_bound(const struct sock *so)
{
    return so->tcp ? tcp_local(so->tcp)->port != 0 : so->udp->bound;
}

static bool is_connected(const struct sock *so)
{
    return so->tcp ? tcp_remote(so->tcp)->port != 0 : so->udp->connected;
}

/* Binds fd in the kernel and so in the stack; sin->sin_port 0: the kernel chooses. */
static int bind_both(int fd, struct sock *so, struct sockaddr_in *sin)
{
    uint64_t cookie = so->cookie;
    struct stack *st = so->stack;
    int type = so->type;

    /* After the stack has refused what the kernel had granted, the placeholder is bound already. */
    if (!so->port_guard || so->port_guard != ntohs(sin->sin_port)) {
        engine_leave();
        int r = guard_bind(fd, type, sin);
        engine_enter();
        /* What is left of earlier connections need not keep the port: the stack knows the rules. */
        if (r == -EADDRINUSE && type == SOCK_STREAM && guard_yield(ntohs(sin->sin_port)))
            r = guard_bind(fd, type, sin);
        if (sock_by_cookie(st, cookie) != so)
            return -EBADF;
        if (r < 0)
            return r;
        so->port_guard = ntohs(sin->sin_port);
    }
    return sock_bind(so, (const struct sockaddr *)sin, sizeof(*sin));
}

int port_bind(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in sin;
    struct ip_addr a;

    if (!addr || len < sizeof(sin) || is_bound(so) || is_connected(so))
        return sock_bind(so, addr, len);
    memcpy(&sin, addr, sizeof(sin));
    bool any = sin.sin_addr.s_addr == htonl(INADDR_ANY);
    if (sin.sin_family != AF_INET && !(sin.sin_family == AF_UNSPEC && any))
        return -EAFNOSUPPORT;
    sin.sin_family = AF_INET;
    a = addr_v4(ntohl(sin.sin_addr.s_addr));
    if (!any && !netif_find_addr(&so->stack->net, &a) && engine_is_kernel_destination(&a))
        return SHIM_KERNEL;
    if (!engine_host_mode())
        return sock_bind(so, (const struct sockaddr *)&sin, sizeof(sin));
    return bind_both(fd, so, &sin);
}

int port_auto(int fd, struct sock *so, const struct ip_addr *dst)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};

    if (!engine_host_mode() || is_bound(so))
        return 0;
    if (dst && so->tcp) {
        struct ip_path path;
        struct ip_addr any = addr_any4();
        int r = path_lookup(&so->stack->net, dst, &any, tcp_config(so->tcp)->nif, &path);
        if (r < 0)
            return r;
        sin.sin_addr.s_addr = htonl(addr_get_v4(&path.src));
    }
    int r = bind_both(fd, so, &sin);
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
    struct ip_addr dst;
    bool named = port_addr(msg->msg_name, msg->msg_namelen, &dst);
    if (named && !so->udp->bound) {
        int r = port_destination(so, &dst);
        if (r)
            return r;
    }
    return named && !so->udp->bound ? port_auto(fd, so, &dst) : 0;
}

int port_unguard(int fd, int type, const struct sockaddr_in *addr)
{
    struct sockaddr_in now = {0};
    socklen_t len = sizeof(now);
    int unused = 0;

    if (type == SOCK_STREAM) {
        /* Ends LISTEN; a port that bind() had been told stays bound. */
        const struct sockaddr none = {.sa_family = AF_UNSPEC};
        if (real.connect(fd, &none, sizeof(none)) < 0)
            return -errno;
        if (real.getsockname(fd, (struct sockaddr *)&now, &len) < 0)
            return -errno;
        if (now.sin_port == 0 && real.bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
            return -errno;
    }
    if (real.setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 &&
        errno != ENOENT)
        return -errno;
    return 0;
}
