/* Options of SOL_IP (ip(7)). */
#include <errno.h>
#include <limits.h>
#include <netinet/ip.h>
#include <string.h>

#include "sock/sock_int.h"
#include "wire/ipv4.h"

#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

#define IP_ECN_MASK 3

int sock_opt_put_ip(int v, void *val, socklen_t *len)
{
    if (*len > 0 && *len < sizeof(v) && v >= 0 && v <= UINT8_MAX) {
        *(uint8_t *)val = (uint8_t)v;
        *len = 1;
        return 0;
    }
    return sock_opt_put_int(v, val, len);
}

static int get_ip_zero(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_ip(0, val, len);
}

static int set_raw_only(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    return -EINVAL;
}

/* ---- header fields ---- */

static int set_tos(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    /* The priority that goes with bits 1 to 4 of a type of service (RFC 1349), as in tc-prio(8). */
    static const uint8_t prio[16] = {0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4};
    uint8_t tos = (uint8_t)sock_opt_int(val);
    /* The ECN bits of a TCP are TCP's own. */
    if (so->tcp)
        tos = (uint8_t)((tos & ~IP_ECN_MASK) | (so->tos & IP_ECN_MASK));
    if (tos != so->tos)
        so->priority = prio[tos >> 1 & 15];
    so->tos = tos;
    sock_opt_apply(so);
    return 0;
}

static int get_tos(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_ip(so->tos, val, len);
}

static int set_ttl(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (v != -1 && (v < 1 || v > UINT8_MAX))
        return -EINVAL;
    so->ttl = (int16_t)v;
    sock_opt_apply(so);
    return 0;
}

static int get_ttl(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_ip(so->ttl < 0 ? IP_TTL_DEFAULT : so->ttl, val, len);
}

/* What stands behind the end of the option list is made zero (RFC 791 3.1). */
static void options_end(uint8_t *opt, size_t len)
{
    size_t i = 0;
    while (i < len && opt[i] != 0)
        i += opt[i] == 1 ? 1 : opt[i + 1]; /* ipv4_options_ok() has seen the lengths */
    if (i < len)
        memset(opt + i, 0, len - i);
}

/* IP_OPTIONS: checked and kept; not sent yet. */
static int set_options(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    uint8_t bytes[40] = {0};
    bool source_route;
    if (len > sizeof(bytes))
        return -EINVAL;
    if (len > 0)
        memcpy(bytes, val, len);
    size_t n = (len + 3) & ~(size_t)3;
    if (!ipv4_options_ok(bytes, n, &source_route))
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    options_end(bytes, n);
    memcpy(r->ip_options, bytes, sizeof(bytes));
    r->ip_options_bytes = (uint8_t)n;
    return 0;
}

static int get_options(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    if (!so->rare) {
        *len = 0;
        return 0;
    }
    return sock_opt_put(so->rare->ip_options, so->rare->ip_options_bytes, val, len);
}

/* IP_RECVERR: what was queued goes when it is switched off. */
static int set_recverr(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    bool on = sock_opt_int(val) != 0;
    sock_set_bit(so, (enum sock_bit)opt->at, on);
    sock_opt_apply(so);
    if (!on)
        sock_error_purge(so);
    return 0;
}

int sock_path_mtu(const struct sock *so)
{
    struct ip_path path;
    const struct endpoint *local = so->tcp ? tcp_local(so->tcp) : &so->udp->local;
    const struct endpoint *remote = so->tcp ? tcp_remote(so->tcp) : &so->udp->remote;
    if (so->tcp ? remote->port == 0 : !so->udp->connected)
        return -ENOTCONN;
    if (path_lookup(&so->stack->net, &remote->addr, &local->addr, NULL, &path) < 0)
        return -ENOTCONN;
    return (int)path.mtu;
}

static int get_mtu(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    int mtu = sock_path_mtu(so);
    return mtu < 0 ? mtu : sock_opt_put_ip(mtu, val, len);
}

static int set_port_range(struct sock *so, const struct sock_opt *opt, const void *val,
                          socklen_t len)
{
    uint32_t v = (uint32_t)sock_opt_int(val);
    uint16_t low = (uint16_t)v, high = (uint16_t)(v >> 16);
    if (len != sizeof(v) || (low != 0 && high != 0 && low > high))
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_PORT_RANGE] = (int32_t)v;
    return 0;
}

static int get_number(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    const struct endpoint *local = so->tcp ? tcp_local(so->tcp) : &so->udp->local;
    return sock_opt_put_ip(local->port, val, len);
}

static int get_pktoptions(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    if (!so->tcp)
        return -ENOPROTOOPT;
    *len = 0;
    return 0;
}

/* ---- multicast ---- */

static int set_mcast_ttl(struct sock *so, const struct sock_opt *opt, const void *val,
                         socklen_t len)
{
    int v = sock_opt_int(val);
    if (so->tcp)
        return -EINVAL;
    if (v == -1)
        v = 1;
    struct sock_rare *r = v < 0 || v > UINT8_MAX ? NULL : sock_rare(so);
    if (!r)
        return v < 0 || v > UINT8_MAX ? -EINVAL : -ENOMEM;
    r->value[SOCK_SLOT_MCAST_TTL] = v;
    sock_opt_apply(so);
    return 0;
}

static uint32_t ifindex_of_addr(struct sock *so, const struct ip_addr *addr)
{
    const struct netif_addr *a = netif_find_addr(&so->stack->net, addr);
    return a ? a->nif->index : 0;
}

static int set_mcast_if(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    struct ip_mreqn m = {0};
    if (so->tcp || len < sizeof(m.imr_address))
        return -EINVAL;
    if (len >= sizeof(struct ip_mreq))
        memcpy(&m, val, len < sizeof(m) ? len : sizeof(m));
    else
        memcpy(&m.imr_address, val, sizeof(m.imr_address));
    struct ip_addr src = addr_v4(ntohl(m.imr_address.s_addr));
    uint32_t index = (uint32_t)m.imr_ifindex;
    if (index == 0 && !addr_is_any(&src)) {
        index = ifindex_of_addr(so, &src);
        if (index == 0)
            return -EADDRNOTAVAIL;
    } else if (index != 0 && !netif_by_index(&so->stack->net, index)) {
        return -EADDRNOTAVAIL;
    }
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_MCAST_IF] = (int32_t)index;
    r->mcast_src = src;
    return 0;
}

static int get_mcast_if(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    struct in_addr in = {0};
    if (so->rare && addr_is_v4(&so->rare->mcast_src))
        in.s_addr = htonl(addr_get_v4(&so->rare->mcast_src));
    return sock_opt_put(&in, sizeof(in), val, len);
}

static int set_unicast_if(struct sock *so, const struct sock_opt *opt, const void *val,
                          socklen_t len)
{
    uint32_t index = ntohl((uint32_t)sock_opt_int(val));
    if (len != sizeof(index))
        return -EINVAL;
    if (index != 0 && !netif_by_index(&so->stack->net, index))
        return -EADDRNOTAVAIL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_UNICAST_IF] = sock_opt_int(val);
    return 0;
}

static int set_membership(struct sock *so, const struct sock_opt *opt, const void *val,
                          socklen_t len)
{
    struct ip_mreqn m = {0};
    if (so->tcp)
        return -EPROTO;
    if (len < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(&m, val, len < sizeof(m) ? sizeof(struct ip_mreq) : sizeof(m));
    struct ip_addr group = addr_v4(ntohl(m.imr_multiaddr.s_addr));
    struct ip_addr local = addr_v4(ntohl(m.imr_address.s_addr));
    if (opt->name == IP_ADD_MEMBERSHIP)
        return sock_group_join(so, &group, &local, (uint32_t)m.imr_ifindex);
    return sock_group_leave(so, &group, &local, (uint32_t)m.imr_ifindex);
}

static int set_group(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    struct group_req g;
    struct sockaddr_in in;
    if (len < sizeof(g))
        return -EINVAL;
    memcpy(&g, val, sizeof(g));
    memcpy(&in, &g.gr_group, sizeof(in));
    if (in.sin_family != AF_INET)
        return -EINVAL;
    struct ip_addr group = addr_v4(ntohl(in.sin_addr.s_addr)), any = addr_any4();
    if (opt->name == MCAST_JOIN_GROUP)
        return sock_group_join(so, &group, &any, g.gr_interface);
    return sock_group_leave(so, &group, &any, g.gr_interface);
}

#define BIT(name, bit, n)                                                                          \
    {                                                                                              \
        name, OPT_BOTH, OPT_BIT, bit, .min_len = n, .min = INT_MIN, .max = INT_MAX                 \
    }
#define FN(name, n, set_fn, get_fn)                                                                \
    {                                                                                              \
        name, OPT_BOTH, OPT_FN, .min_len = n, .set = set_fn, .get = get_fn                         \
    }
#define BYTES(name, set_fn, get_fn)                                                                \
    {                                                                                              \
        name, OPT_BOTH, OPT_BYTES, .set = set_fn, .get = get_fn                                    \
    }

/* "kept" and "later": see sock_opt_socket.c. */
const struct sock_opt sock_opt_ip[] = {
    FN(IP_TOS, 0, set_tos, get_tos),
    FN(IP_TTL, 1, set_ttl, get_ttl),
    FN(IP_HDRINCL, 0, NULL, get_ip_zero),
    FN(IP_NODEFRAG, 0, NULL, get_ip_zero),
    FN(IP_ROUTER_ALERT, 0, set_raw_only, get_ip_zero),
    BYTES(IP_OPTIONS, set_options, get_options), /* kept, later */
    BIT(IP_RECVOPTS, SOCK_BIT_RECVOPTS, 0),      /* kept, later */
    BIT(IP_RETOPTS, SOCK_BIT_RETOPTS, 0),        /* kept, later */
    BIT(IP_PKTINFO, SOCK_BIT_PKTINFO, 0),
    BYTES(IP_PKTOPTIONS, NULL, get_pktoptions),
    {IP_MTU_DISCOVER, OPT_BOTH, OPT_SLOT, SOCK_SLOT_MTU_DISCOVER, .min = 0, .max = 5},
    {IP_RECVERR, OPT_BOTH, OPT_BIT, SOCK_BIT_RECVERR, .set = set_recverr},
    {IP_RECVERR_RFC4884, OPT_BOTH, OPT_BIT, SOCK_BIT_RECVERR_RFC4884, .min = 0,
     .max = 1}, /* kept */
    BIT(IP_RECVTTL, SOCK_BIT_RECVTTL, 0),
    BIT(IP_RECVTOS, SOCK_BIT_RECVTOS, 0),
    FN(IP_MTU, 0, NULL, get_mtu),
    BIT(IP_FREEBIND, SOCK_BIT_FREEBIND, 1),
    BIT(IP_PASSSEC, SOCK_BIT_PASSSEC, 0), /* kept */
    BIT(IP_TRANSPARENT, SOCK_BIT_TRANSPARENT, 1),
    BIT(IP_RECVORIGDSTADDR, SOCK_BIT_ORIGDSTADDR, 0),
    {IP_MINTTL, OPT_BOTH, OPT_SLOT, SOCK_SLOT_MIN_TTL, .min_len = 1, .min = 0,
     .max = 255},                           /* UDP: kept, as the kernel */
    BIT(IP_CHECKSUM, SOCK_BIT_CHECKSUM, 0), /* kept */
    BIT(IP_BIND_ADDRESS_NO_PORT, SOCK_BIT_BIND_NO_PORT, 0),
    {IP_RECVFRAGSIZE, OPT_UDP, OPT_BIT, SOCK_BIT_RECVFRAGSIZE, .min = INT_MIN,
     .max = INT_MAX}, /* kept */
    {IP_RECVFRAGSIZE, OPT_TCP, OPT_FN, .set = set_raw_only, .get = get_ip_zero},
    BYTES(IP_MULTICAST_IF, set_mcast_if, get_mcast_if),
    {IP_MULTICAST_TTL, OPT_BOTH, OPT_SLOT, SOCK_SLOT_MCAST_TTL, .min_len = 1, .set = set_mcast_ttl},
    BIT(IP_MULTICAST_LOOP, SOCK_BIT_MCAST_LOOP, 1), /* kept, later: with group membership */
    {IP_MULTICAST_ALL, OPT_BOTH, OPT_BIT, SOCK_BIT_MCAST_ALL, .min_len = 1, .min = 0, .max = 1},
    BYTES(IP_ADD_MEMBERSHIP, set_membership, NULL), /* kept, later: IGMP and filtering */
    BYTES(IP_DROP_MEMBERSHIP, set_membership, NULL),
    BYTES(MCAST_JOIN_GROUP, set_group, NULL),
    BYTES(MCAST_LEAVE_GROUP, set_group, NULL),
    {IP_UNICAST_IF, OPT_BOTH, OPT_SLOT, SOCK_SLOT_UNICAST_IF, .set = set_unicast_if},
    {IP_LOCAL_PORT_RANGE, OPT_BOTH, OPT_SLOT, SOCK_SLOT_PORT_RANGE,
     .set = set_port_range}, /* kept,
                                later */
    FN(IP_PROTOCOL, 0, NULL, get_number),
    {0},
};
