/*
 * Options of SOL_IPV6 (ipv6(7), RFC 3493 5, RFC 3542) on AF_INET6 sockets.
 *
 * IPv4 through such a socket obeys SOL_IP, as in the kernel; of the options here only IPV6_V6ONLY,
 * IPV6_RECVPKTINFO, IPV6_FREEBIND, IPV6_TRANSPARENT, IPV6_MTU and IPV6_ADDRFORM concern it. The
 * others are kept, for IPv6 and for the socket that accept() makes. What is not in the table
 * (extension headers, flow labels, multicast and anycast membership) is left to the placeholder.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "sock/sock_int.h"

#define IPV6_MTU_MIN      1280 /* RFC 8200 5 */
#define IPV6_ECN_MASK     3
#define IPV6_HOPS_DEFAULT IP_TTL_DEFAULT

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

static int set_slot(struct sock *so, const struct sock_opt *opt, int v)
{
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[opt->at] = v;
    sock_opt_apply(so);
    return 0;
}

static int set_v6only(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    if (sock_has_port(so))
        return -EINVAL;
    sock_set_bit(so, SOCK_BIT_V6ONLY, sock_opt_int(val) != 0);
    sock_opt_apply(so);
    return 0;
}

static int get_v6only(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(sock_is_v6only(so), val, len);
}

static int get_hops(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    int v = sock_value(so, SOCK_SLOT_HOPS6);
    return sock_opt_put_int(v < 0 ? IPV6_HOPS_DEFAULT : v, val, len);
}

static int set_hops(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (v < -1 || v > UINT8_MAX)
        return -EINVAL;
    return set_slot(so, opt, v);
}

static int set_mcast_hops(struct sock *so, const struct sock_opt *opt, const void *val,
                          socklen_t len)
{
    int v = sock_opt_int(val);
    if (so->tcp)
        return -ENOPROTOOPT;
    if (len < sizeof(v) || v < -1 || v > UINT8_MAX)
        return -EINVAL;
    return set_slot(so, opt, v < 0 ? 1 : v);
}

static int get_slot(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(sock_value(so, (enum sock_slot)opt->at), val, len);
}

static int set_tclass(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (v < -1 || v > UINT8_MAX)
        return -EINVAL;
    if (v < 0)
        v = 0;   /* RFC 3542 6.5 */
    if (so->tcp) /* the ECN bits of a TCP are TCP's own */
        v = (v & ~IPV6_ECN_MASK) | (sock_value(so, SOCK_SLOT_TCLASS) & IPV6_ECN_MASK);
    return set_slot(so, opt, v);
}

static int set_mtu(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    return v != 0 && v < IPV6_MTU_MIN ? -EINVAL : 0;
}

static int get_mtu(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    int mtu = sock_path_mtu(so);
    return mtu < 0 ? mtu : sock_opt_put_int(mtu, val, len);
}

/* Connected, in the sense of the kernel's sk_state. */
static bool is_established(const struct sock *so)
{
    return so->tcp ? tcp_state(so->tcp) == TCP_ESTABLISHED : so->udp->connected;
}

/* A socket whose peer has an IPv4 address can become an AF_INET one, for a program that is to be
 * given it and does not know AF_INET6. */
static int set_addrform(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    if (sock_opt_int(val) != AF_INET)
        return -EINVAL;
    if (!is_established(so))
        return -ENOTCONN;
    if (sock_is_v6only(so) ||
        !addr_is_v4(so->tcp ? &tcp_remote(so->tcp)->addr : &so->udp->remote.addr))
        return -EADDRNOTAVAIL;
    sock_set_v6(so, false);
    return 0;
}

static int get_addrform(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return is_established(so) ? sock_opt_put_int(so->domain, val, len) : -ENOTCONN;
}

#define BIT(name, bit)                                                                             \
    {                                                                                              \
        name, OPT_BOTH, OPT_BIT, bit, .min_len = 4, .min = INT_MIN, .max = INT_MAX                 \
    }
#define FN(name, slot, set_fn, get_fn)                                                             \
    {                                                                                              \
        name, OPT_BOTH, OPT_FN, slot, .min_len = 4, .set = set_fn, .get = get_fn                   \
    }

const struct sock_opt sock_opt_ipv6[] = {
    FN(IPV6_ADDRFORM, 0, set_addrform, get_addrform),
    FN(IPV6_V6ONLY, 0, set_v6only, get_v6only),
    BIT(IPV6_RECVPKTINFO, SOCK_BIT_PKTINFO6),
    BIT(IPV6_FREEBIND, SOCK_BIT_FREEBIND),
    BIT(IPV6_TRANSPARENT, SOCK_BIT_TRANSPARENT),
    FN(IPV6_MTU, 0, set_mtu, get_mtu),
    /* Of IPv6 alone: kept. */
    FN(IPV6_UNICAST_HOPS, SOCK_SLOT_HOPS6, set_hops, get_hops),
    {IPV6_MULTICAST_HOPS, OPT_BOTH, OPT_FN, SOCK_SLOT_MCAST_HOPS6, .set = set_mcast_hops,
     .get = get_slot},
    {IPV6_MULTICAST_LOOP, OPT_BOTH, OPT_BIT, SOCK_BIT_MCAST_LOOP6, .min_len = 4, .max = 1},
    BIT(IPV6_MULTICAST_ALL, SOCK_BIT_MCAST_ALL6),
    FN(IPV6_TCLASS, SOCK_SLOT_TCLASS, set_tclass, get_slot),
    {IPV6_MTU_DISCOVER, OPT_BOTH, OPT_SLOT, SOCK_SLOT_MTU_DISCOVER6, .min_len = 4, .max = 5},
    {IPV6_DONTFRAG, OPT_BOTH, OPT_BIT, SOCK_BIT_DONTFRAG, .min = INT_MIN, .max = INT_MAX},
    BIT(IPV6_RECVERR, SOCK_BIT_RECVERR6),
    BIT(IPV6_RECVHOPLIMIT, SOCK_BIT_RECVHOPLIMIT),
    BIT(IPV6_RECVTCLASS, SOCK_BIT_RECVTCLASS),
    BIT(IPV6_RECVORIGDSTADDR, SOCK_BIT_ORIGDSTADDR6),
    {0},
};
