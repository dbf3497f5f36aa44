/*
 * setsockopt() and getsockopt(): the machinery. What there is stands in one const table a level
 * (sock_opt_socket.c, sock_opt_ip.c, sock_opt_ipv6.c, sock_opt_tcp.c): name, the sockets that have
 * it, where its value lives, its range, and functions for those that are more than a number.
 *
 * Lengths follow the kernel. A value set must be a whole int, at SOL_IP also a single byte (or,
 * where min_len allows, nothing); a value got is cut to the room there is, and SOL_IP hands out a
 * single byte to those who have no room for an int.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/ip.h>
#include <string.h>

#include "sock/sock_int.h"

int sock_opt_int(const void *val)
{
    int v;
    memcpy(&v, val, sizeof(v));
    return v;
}

int sock_opt_put(const void *data, size_t n, void *val, socklen_t *len)
{
    if (*len > n)
        *len = (socklen_t)n;
    if (*len > 0)
        memcpy(val, data, *len);
    return 0;
}

int sock_opt_put_int(int v, void *val, socklen_t *len)
{
    return sock_opt_put(&v, sizeof(v), val, len);
}

/* ---- where values live ---- */

static const int32_t slot_defaults[SOCK_SLOTS] = {
    [SOCK_SLOT_RCVLOWAT] = 1,
    [SOCK_SLOT_INCOMING_CPU] = -1,
    [SOCK_SLOT_TXREHASH] = 1,
    [SOCK_SLOT_MTU_DISCOVER] = IP_PMTUDISC_WANT,
    [SOCK_SLOT_MCAST_TTL] = 1,
    [SOCK_SLOT_LINGER2_S] = 60,
    [SOCK_SLOT_HOPS6] = -1,
    [SOCK_SLOT_MCAST_HOPS6] = 1,
    [SOCK_SLOT_MTU_DISCOVER6] = IPV6_PMTUDISC_WANT,
};

struct sock_rare *sock_rare(struct sock *so)
{
    struct stack *st = so->stack;
    if (so->rare)
        return so->rare;
    struct sock_rare *r = slab_alloc(&st->rares);
    if (!r)
        return NULL;
    memcpy(r->value, slot_defaults, sizeof(r->value));
    r->value[SOCK_SLOT_SNDBUF] = (int32_t)st->limits.wmem_default;
    r->pacing_rate = UINT64_MAX;
    list_init(&r->groups);
    list_init(&r->errors);
    ring_init(&r->cork, st->net.arena, 0);
    r->so = so;
    so->rare = r; /* last: sock_repair() */
    return r;
}

int32_t sock_value(const struct sock *so, enum sock_slot slot)
{
    if (so->rare)
        return so->rare->value[slot];
    if (slot == SOCK_SLOT_SNDBUF)
        return (int32_t)so->stack->limits.wmem_default;
    return slot_defaults[slot];
}

void sock_opt_init(struct sock *so)
{
    so->ttl = -1;
    so->peek_offset = SOCK_PEEK_OFF;
    sock_set_bit(so, SOCK_BIT_MCAST_LOOP, true);
    sock_set_bit(so, SOCK_BIT_MCAST_ALL, so->domain == AF_INET); /* as the kernel */
    sock_set_bit(so, SOCK_BIT_MCAST_LOOP6, true);
    sock_set_bit(so, SOCK_BIT_MCAST_ALL6, true);
    if (so->udp)
        so->udp->rcvbuf_bytes = so->stack->limits.rmem_default;
    sock_opt_apply(so);
}

void sock_opt_release(struct sock *so)
{
    struct stack *st = so->stack;
    struct sock_rare *r = so->rare;
    if (!r)
        return;
    sock_error_purge(so);
    so->rare = NULL; /* first: sock_repair() */
    LIST_FOREACH_SAFE (n, &r->groups) {
        struct sock_group *g = container_of(n, struct sock_group, node);
        list_remove(n);
        arena_free(st->net.arena, g, sizeof(*g));
    }
    ring_clear(&r->cork);
    slab_free(&st->rares, r);
}

int sock_opt_inherit(struct sock *so, const struct sock *listener)
{
    so->ttl = listener->ttl;
    so->tos = listener->tos;
    so->linger_s = listener->linger_s;
    so->rcvtimeo_us = listener->rcvtimeo_us;
    so->sndtimeo_us = listener->sndtimeo_us;
    so->priority = listener->priority;
    so->mark = listener->mark;
    so->options = listener->options;
    so->peek_offset = listener->peek_offset;
    if (!listener->rare)
        return 0;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    memcpy(r->value, listener->rare->value, sizeof(r->value));
    r->value[SOCK_SLOT_FASTOPEN_QLEN] = 0;
    r->pacing_rate = listener->rare->pacing_rate;
    r->ip_options_bytes = listener->rare->ip_options_bytes;
    memcpy(r->ip_options, listener->rare->ip_options, sizeof(r->ip_options));
    return 0;
}

static void apply_tcp(struct sock *so)
{
    struct tcp_config *c = tcp_config(so->tcp);
    c->nodelay = sock_has(so, SOCK_BIT_NODELAY);
    c->cork = sock_has(so, SOCK_BIT_CORK);
    c->thin_linear = sock_has(so, SOCK_BIT_THIN_LINEAR);
    c->keepalive = sock_has(so, SOCK_BIT_KEEPALIVE);
    c->oobinline = sock_has(so, SOCK_BIT_OOBINLINE);
    c->reuse_addr = sock_has(so, SOCK_BIT_REUSEADDR);
    c->reuse_port = sock_has(so, SOCK_BIT_REUSEPORT);
    c->freebind = sock_has(so, SOCK_BIT_FREEBIND) || sock_has(so, SOCK_BIT_TRANSPARENT);
    c->v6only = sock_is_v6only(so);
    c->ttl = so->ttl < 0 ? IP_TTL_DEFAULT : (uint8_t)so->ttl;
    c->tos = so->tos;
    c->save_syn = sock_value(so, SOCK_SLOT_SAVE_SYN) != 0;
    c->min_ttl = (uint8_t)sock_value(so, SOCK_SLOT_MIN_TTL);
    c->recverr = sock_has(so, SOCK_BIT_RECVERR);
    c->mtu_discover = (uint8_t)sock_value(so, SOCK_SLOT_MTU_DISCOVER);
    tcp_config_changed(&so->stack->tcp, so->tcp);
}

static void apply_udp(struct sock *so)
{
    struct udp_pcb *p = so->udp;
    p->broadcast = sock_has(so, SOCK_BIT_BROADCAST);
    p->reuse_addr = sock_has(so, SOCK_BIT_REUSEADDR);
    p->reuse_port = sock_has(so, SOCK_BIT_REUSEPORT);
    p->freebind = sock_has(so, SOCK_BIT_FREEBIND) || sock_has(so, SOCK_BIT_TRANSPARENT);
    p->v6only = sock_is_v6only(so);
    p->recverr = sock_has(so, SOCK_BIT_RECVERR);
    p->ttl = so->ttl < 0 ? IP_TTL_DEFAULT : (uint8_t)so->ttl;
    p->tos = so->tos;
    p->mcast_ttl = (uint8_t)sock_value(so, SOCK_SLOT_MCAST_TTL);
    p->mtu_discover = (uint8_t)sock_value(so, SOCK_SLOT_MTU_DISCOVER);
}

void sock_opt_apply(struct sock *so)
{
    if (so->tcp)
        apply_tcp(so);
    else if (so->udp)
        apply_udp(so);
}

/* ---- numbers in struct tcp_config ---- */

static void config_set(struct sock *so, const struct sock_opt *opt, int v)
{
    char *field = (char *)tcp_config(so->tcp) + opt->offset;
    uint32_t scaled = (uint32_t)v * opt->scale;
    uint8_t u8 = (uint8_t)scaled;
    uint16_t u16 = (uint16_t)scaled;
    if (opt->width == sizeof(u8))
        memcpy(field, &u8, sizeof(u8));
    else if (opt->width == sizeof(u16))
        memcpy(field, &u16, sizeof(u16));
    else
        memcpy(field, &scaled, sizeof(scaled));
}

static int config_get(const struct sock *so, const struct sock_opt *opt)
{
    const char *field = (const char *)tcp_config(so->tcp) + opt->offset;
    uint32_t u32 = 0;
    uint16_t u16 = 0;
    uint8_t u8 = 0;
    if (opt->width == sizeof(u8)) {
        memcpy(&u8, field, sizeof(u8));
        u32 = u8;
    } else if (opt->width == sizeof(u16)) {
        memcpy(&u16, field, sizeof(u16));
        u32 = u16;
    } else {
        memcpy(&u32, field, sizeof(u32));
    }
    return (int)(u32 / opt->scale);
}

/* ---- the calls ---- */

/* The table of a level as this socket sees it; NULL: it has none. */
static const struct sock_opt *opt_table(const struct sock *so, int level)
{
    switch (level) {
    case SOL_SOCKET:
        return sock_opt_socket;
    case SOL_IP:
        return sock_opt_ip;
    case SOL_IPV6:
        return so->domain == AF_INET6 ? sock_opt_ipv6 : NULL;
    case IPPROTO_TCP:
        return so->tcp ? sock_opt_tcp : NULL;
    case IPPROTO_UDP:
        return so->udp ? sock_opt_udp : NULL;
    default:
        return NULL;
    }
}

static const struct sock_opt *opt_find(const struct sock *so, const struct sock_opt *table,
                                       int name)
{
    for (const struct sock_opt *o = table; o->on; o++) {
        if (o->name == name && o->on & (so->tcp ? OPT_TCP : OPT_UDP))
            return o;
    }
    return NULL;
}

static int opt_set_number(struct sock *so, const struct sock_opt *opt, int v)
{
    struct sock_rare *r;
    if (v < opt->min || v > opt->max)
        return -EINVAL;
    switch ((enum sock_opt_kind)opt->kind) {
    case OPT_BIT:
        sock_set_bit(so, (enum sock_bit)opt->at, v != 0);
        break;
    case OPT_SLOT:
        r = sock_rare(so);
        if (!r)
            return -ENOMEM;
        r->value[opt->at] = v;
        break;
    case OPT_CONFIG:
        config_set(so, opt, v);
        break;
    case OPT_FN:
    case OPT_BYTES:
        return -ENOPROTOOPT;
    }
    sock_opt_apply(so);
    return 0;
}

int sock_setsockopt(struct sock *so, int level, int name, const void *val, socklen_t len)
{
    if ((int)len < 0)
        return -EINVAL;
    const struct sock_opt *table = opt_table(so, level);
    if (!table)
        return -ENOPROTOOPT;
    const struct sock_opt *opt = opt_find(so, table, name);
    bool bytes = opt && opt->kind == OPT_BYTES;
    size_t least = level == SOL_IP || level == SOL_IPV6 ? 0 : sizeof(int);
    if (len < (bytes ? opt->min_len : least))
        return -EINVAL;
    if (!opt || ((opt->kind == OPT_FN || bytes) && !opt->set))
        return -ENOPROTOOPT;
    if (len < opt->min_len)
        return -EINVAL;
    int v = 0;
    if (len >= sizeof(int))
        v = sock_opt_int(val);
    else if (len > 0 && level == SOL_IP && !bytes)
        v = *(const uint8_t *)val;
    if (opt->set)
        return opt->set(so, opt, bytes ? val : &v, len);
    return opt_set_number(so, opt, v);
}

int sock_getsockopt(struct sock *so, int level, int name, void *val, socklen_t *len)
{
    const struct sock_opt *table = opt_table(so, level);
    if (!table)
        return -EOPNOTSUPP;
    if ((int)*len < 0 && level != SOL_IPV6)
        return -EINVAL; /* there the kernel takes it for a very large one */
    const struct sock_opt *opt = opt_find(so, table, name);
    if (!opt)
        return -ENOPROTOOPT;
    if (opt->get)
        return opt->get(so, opt, val, len);
    int v = 0;
    switch ((enum sock_opt_kind)opt->kind) {
    case OPT_BIT:
        v = sock_has(so, (enum sock_bit)opt->at);
        break;
    case OPT_SLOT:
        v = sock_value(so, (enum sock_slot)opt->at);
        break;
    case OPT_CONFIG:
        v = config_get(so, opt);
        break;
    case OPT_FN:
    case OPT_BYTES:
        return -ENOPROTOOPT;
    }
    if (level == SOL_IP)
        return sock_opt_put_ip(v, val, len);
    return sock_opt_put_int(v, val, len);
}
