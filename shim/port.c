/*
 * Local addresses and ports.
 *
 * In host mode the kernel decides about ports: whatever binds a socket here binds the placeholder
 * first. That costs system calls, so it happens outside of the entry.
 */
#include <string.h>

#include "call.h"
#include "io/guard.h"
#include "io/keeper.h"
#include "port.h"

static bool is_bound(const struct sock *so)
{
    return so->tcp ? tcp_is_bound(so->tcp) : so->udp->bound;
}

static bool is_connected(const struct sock *so)
{
    return so->tcp ? tcp_remote(so->tcp)->port != 0 : so->udp->connected;
}

static int bind_stack(struct sock *so, const struct endpoint *local)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);

    sock_addr_put(so, local, (struct sockaddr *)&name, &len);
    return sock_bind(so, (const struct sockaddr *)&name, len);
}

/* Binds fd in the kernel and so in the stack; local->port 0: the kernel chooses. */
static int bind_both(int fd, struct sock *so, struct endpoint *local)
{
    uint64_t cookie = so->cookie;
    struct stack *st = so->stack;
    int type = so->type;
    bool dual = !addr_is_v4(&local->addr);
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(local->port)};

    /* After the stack has refused what the kernel had granted, the placeholder is bound already. */
    if (so->port_guard && so->port_guard == local->port)
        return bind_stack(so, local);
    if (!dual)
        sin.sin_addr.s_addr = htonl(addr_get_v4(&local->addr));
    engine_leave();
    int r = guard_bind(fd, type, &sin, dual);
    engine_enter();
    bool alive = sock_by_cookie(st, cookie) == so;
    if (r < 0)
        return alive ? r : -EBADF;
    local->port = ntohs(sin.sin_port);
    r = alive ? bind_stack(so, local) : -EBADF;
    bool apart = type == SOCK_STREAM && guard_find_claim(st, local->port);
    if (alive)
        so->port_guard = r < 0 && apart ? 0 : local->port;
    if (apart)
        guard_settled(st, local->port);
    if (apart && r < 0)
        (void)guard_closed(st, local->port, false);
    return r;
}

/* Must a socket that is bound to local be the kernel's? Of IPv6 we have no more than the dual-stack
 * wildcard. */
static bool is_kernel_local(struct sock *so, const struct ip_addr *local)
{
    if (addr_is_any(local))
        return !addr_is_v4(local) && sock_is_v6only(so);
    return !netif_find_addr(&so->stack->net, local) && engine_is_kernel_destination(local);
}

/* Has the housekeeper started before the first connection or listener. */
static int need_keeper(struct sock *so)
{
    uint64_t cookie = so->cookie;
    struct stack *st = so->stack;

    if (!so->tcp || keeper_is_settled())
        return 0;
    engine_leave();
    (void)keeper_start();
    engine_enter();
    return sock_by_cookie(st, cookie) == so ? 0 : -EBADF;
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

/* Binds so, for a connection to dst, to a port that take() knows to be guarded already. -ENOSPC:
 * there is none. */
static int bind_from_pool(struct sock *so, const struct ip_addr *addr, const struct endpoint *dst,
                          uint16_t (*take)(struct stack *st, uint32_t addr,
                                           const struct endpoint *remote))
{
    struct endpoint local = {.addr = *addr};

    if (so->port_guard || dst->port == 0 || !addr_is_v4(addr))
        return -ENOSPC;
    local.port = take(so->stack, addr_get_v4(addr), dst);
    return local.port ? tcp_bind_to(&so->stack->tcp, so->tcp, &local, dst) : -ENOSPC;
}

int port_auto(int fd, struct sock *so, const struct endpoint *dst)
{
    struct endpoint local = {.addr = so->domain == AF_INET6 ? addr_any6() : addr_any4()};
    int err = need_keeper(so);

    if (err || is_bound(so))
        return err;
    if (sock_is_v6only(so)) /* no IPv4 goes through it: sock_connect(), sock_sendmsg() say so */
        return dst ? 0 : SHIM_KERNEL;
    if (!engine_host_mode())
        return 0;
    if (dst && so->tcp) {
        struct ip_path path;
        struct ip_addr any = addr_any4();
        int r = path_lookup(&so->stack->net, &dst->addr, &any, tcp_config(so->tcp)->nif, &path);
        if (r < 0)
            return r;
        r = bind_from_pool(so, &path.src, dst, guard_pool_take);
        if (r != -ENOSPC)
            return r;
        local.addr = path.src;
    }
    int r = bind_both(fd, so, &local);
    if (r == -EADDRINUSE && dst && so->tcp) {
        if (bind_from_pool(so, &local.addr, dst, guard_pool_share) == 0)
            return 0;
    }
    if (r == 0 && so->tcp)
        tcp_addr_unlock(so->tcp);
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

    if (is_bound(so) || !msg->msg_name ||
        sock_addr_get_dst(so, msg->msg_name, msg->msg_namelen, &dst) < 0)
        return 0;
    int r = port_destination(so, &dst.addr);
    return r ? r : port_auto(fd, so, &dst);
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
