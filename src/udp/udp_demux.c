/*
 * Which pcb gets a datagram, and which may be bound where.
 *
 * Every bound pcb stands in two tables: udp->ports, by local port alone, for binding and for
 * groups; and udp->demux, by the whole flow when it is connected, by local address and port when it
 * is not. So finding one among a hundred thousand connected pcbs on one port is one look-up, as is
 * finding the server that serves the rest.
 *
 * The order of preference is Linux's (its compute_score()): the connected one, then one bound to
 * the address, then one bound to the wildcard; among equals one that is bound to the interface,
 * then the one that was bound last. Among equals with SO_REUSEPORT the flow decides, by rendezvous
 * hashing: each pcb gets a number from the flow and from itself, and the greatest wins. When a pcb
 * comes or goes, only the flows move that come to it or leave it.
 */
#include "udp/udp_int.h"

static uint64_t hash_port(const struct udp *udp, uint16_t port)
{
    uint8_t key[2];

    put_be16(key, port);
    return siphash(&udp->net->key, key, sizeof(key));
}

static uint64_t hash_local(const struct udp *udp, const struct ip_addr *addr, uint16_t port)
{
    uint8_t key[18];

    memcpy(key, addr->b, 16);
    put_be16(key + 16, port);
    return siphash(&udp->net->key, key, sizeof(key));
}

static uint64_t hash_flow(const struct udp *udp, const struct endpoint *local,
                          const struct endpoint *remote)
{
    uint8_t key[ENDPOINT_FLOW_BYTES];

    endpoint_flow(local, remote, key);
    return siphash(&udp->net->key, key, sizeof(key));
}

/* Is the pcb in udp->demux by its flow? Not before it has an address of its own. */
static bool by_flow(const struct udp_pcb *pcb)
{
    return pcb->connected && !addr_is_any(&pcb->local.addr);
}

void udp_demux_insert(struct udp *udp, struct udp_pcb *pcb)
{
    uint64_t hash = by_flow(pcb) ? hash_flow(udp, &pcb->local, &pcb->remote)
                                 : hash_local(udp, &pcb->local.addr, pcb->local.port);

    hash_insert(&udp->ports, &pcb->by_port, hash_port(udp, pcb->local.port));
    hash_insert(&udp->demux, &pcb->by_demux, hash);
    pcb->bound = true;
}

void udp_demux_remove(struct udp *udp, struct udp_pcb *pcb)
{
    hash_remove(&udp->ports, &pcb->by_port);
    hash_remove(&udp->demux, &pcb->by_demux);
    pcb->bound = false;
}

/* Would a socket bound to a get a datagram to some address that one bound to b gets too? */
static bool locals_overlap(const struct udp_pcb *pa, const struct ip_addr *a,
                           const struct udp_pcb *pb, const struct ip_addr *b)
{
    bool a_any = addr_is_any(a), b_any = addr_is_any(b);

    if (addr_eq(a, b))
        return true;
    if (!a_any && !b_any)
        return false;
    /* :: takes IPv4 in unless v6only; 0.0.0.0 takes nothing else. */
    if (addr_is_v4(a) == addr_is_v4(b))
        return true;
    return (a_any && !addr_is_v4(a) && !pa->v6only) || (b_any && !addr_is_v4(b) && !pb->v6only);
}

bool udp_demux_in_use(const struct udp *udp, const struct udp_pcb *pcb,
                      const struct endpoint *local)
{
    uint64_t hash = hash_port(udp, local->port);

    for (struct hash_node *n = hash_first(&udp->ports, hash); n; n = hash_next(n, hash)) {
        const struct udp_pcb *other = container_of(n, struct udp_pcb, by_port);

        if (other == pcb || other->local.port != local->port)
            continue;
        if (pcb->nif && other->nif && pcb->nif != other->nif)
            continue;
        if ((pcb->reuse_addr && other->reuse_addr) || (pcb->reuse_port && other->reuse_port))
            continue;
        if (locals_overlap(pcb, &local->addr, other, &other->local.addr))
            return true;
    }
    return false;
}

static bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

/* Does the pcb, whose local address fits, take the flow otherwise? */
static bool pcb_takes(const struct udp_pcb *pcb, const struct udp_flow *flow)
{
    if (pcb->nif && flow->nif && pcb->nif != flow->nif)
        return false;
    return !pcb->connected || endpoint_eq(&pcb->remote, &flow->src);
}

static uint32_t pcb_score(const struct udp_pcb *pcb)
{
    return (pcb->connected ? 2 : 0) + (pcb->nif ? 1 : 0);
}

/* The weight of the pcb for a flow (splitmix64's finisher). */
static uint64_t pcb_weight(const struct udp_pcb *pcb, uint64_t flow_hash)
{
    uint64_t z = flow_hash + pcb->rr_seq * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Is a to be preferred to b, which takes the flow as well? */
static bool pcb_better(const struct udp_pcb *a, const struct udp_pcb *b, uint64_t flow_hash)
{
    if (pcb_score(a) != pcb_score(b))
        return pcb_score(a) > pcb_score(b);
    if (a->reuse_port && b->reuse_port)
        return pcb_weight(a, flow_hash) > pcb_weight(b, flow_hash);
    return (int32_t)(a->rr_seq - b->rr_seq) > 0;
}

/* The best of those that stand in demux under hash with this local end. */
static struct udp_pcb *find_local(const struct udp *udp, const struct udp_flow *flow,
                                  const struct ip_addr *local, uint64_t hash, uint64_t flow_hash)
{
    struct udp_pcb *best = NULL;

    for (struct hash_node *n = hash_first(&udp->demux, hash); n; n = hash_next(n, hash)) {
        struct udp_pcb *pcb = container_of(n, struct udp_pcb, by_demux);

        if (pcb->local.port != flow->dst.port || !addr_eq(&pcb->local.addr, local) ||
            !pcb_takes(pcb, flow))
            continue;
        if (!addr_is_v4(local) && addr_is_v4(&flow->dst.addr) && pcb->v6only)
            continue;
        if (!best || pcb_better(pcb, best, flow_hash))
            best = pcb;
    }
    return best;
}

struct udp_pcb *udp_demux_find(const struct udp *udp, const struct udp_flow *flow)
{
    const struct ip_addr any4 = addr_any4(), any6 = {{0}};
    uint64_t flow_hash = hash_flow(udp, &flow->dst, &flow->src);
    struct udp_pcb *pcb;

    pcb = find_local(udp, flow, &flow->dst.addr, flow_hash, flow_hash);
    if (!pcb)
        pcb = find_local(udp, flow, &flow->dst.addr,
                         hash_local(udp, &flow->dst.addr, flow->dst.port), flow_hash);
    if (!pcb && addr_is_v4(&flow->dst.addr))
        pcb = find_local(udp, flow, &any4, hash_local(udp, &any4, flow->dst.port), flow_hash);
    if (!pcb)
        pcb = find_local(udp, flow, &any6, hash_local(udp, &any6, flow->dst.port), flow_hash);
    return pcb;
}

struct udp_pcb *udp_demux_next(const struct udp *udp, const struct udp_flow *flow,
                               const struct udp_pcb *prev)
{
    uint64_t hash = hash_port(udp, flow->dst.port);
    struct hash_node *n = prev ? hash_next(&prev->by_port, hash) : hash_first(&udp->ports, hash);

    for (; n; n = hash_next(n, hash)) {
        struct udp_pcb *pcb = container_of(n, struct udp_pcb, by_port);
        bool any = addr_is_any(&pcb->local.addr);

        if (pcb->local.port != flow->dst.port || !pcb_takes(pcb, flow))
            continue;
        if (any && addr_is_v4(&flow->dst.addr) && !addr_is_v4(&pcb->local.addr) && pcb->v6only)
            continue;
        if (any || addr_eq(&pcb->local.addr, &flow->dst.addr))
            return pcb;
    }
    return NULL;
}
