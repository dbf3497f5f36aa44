/*
 * Local ports: who is bound where, what clashes, which listener gets a SYN.
 *
 * tcp->ports holds one struct tcp_port for each local port in use. Its listeners are kept apart
 * from the rest, so that a busy server's connections do not stand in the way of finding its
 * listener.
 */
#include <errno.h>

#include "tcp/tcp_int.h"

#define TCP_LINGER_SILENCE_US 500000u

static struct tcp_port *port_find(const struct tcp *tcp, uint16_t port)
{
    /* The number itself is hash enough: the range is small and a bucket more or less is no attack.
     */
    for (struct hash_node *n = hash_first(&tcp->ports, port); n; n = hash_next(n, port)) {
        struct tcp_port *p = container_of(n, struct tcp_port, node);
        if (p->port == port)
            return p;
    }
    return NULL;
}

int tcp_port_get(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_port *p = port_find(tcp, pcb->local.port);

    if (!p) {
        p = slab_alloc(&tcp->port_slab);
        if (!p)
            return -ENOMEM;
        p->port = pcb->local.port;
        list_init(&p->listeners);
        list_init(&p->others);
        hash_insert(&tcp->ports, &p->node, p->port);
    }
    list_remove(&pcb->on_port);
    list_push(pcb->state == TCP_LISTEN ? &p->listeners : &p->others, &pcb->on_port);
    pcb->port = p;
    return 0;
}

void tcp_port_put(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_port *p = pcb->port;

    if (!p)
        return;
    pcb->port = NULL;
    tcp->port_ends++;
    list_remove(&pcb->on_port);
    if (!list_empty(&p->listeners) || !list_empty(&p->others))
        return;
    hash_remove(&tcp->ports, &p->node);
    slab_free(&tcp->port_slab, p);
}

enum tcp_port_use tcp_port_use(const struct tcp *tcp, uint16_t port)
{
    const struct tcp_port *p = port_find(tcp, port);
    enum tcp_port_use use = TCP_PORT_LINGERS;

    if (!p)
        return TCP_PORT_FREE;
    if (!list_empty(&p->listeners))
        return TCP_PORT_LISTENS;
    LIST_FOREACH (n, &p->others) {
        const struct tcp_pcb *pcb = container_of(n, struct tcp_pcb, on_port);
        if (!pcb->orphan || (pcb->state != TCP_TIME_WAIT && pcb->state != TCP_FIN_WAIT_2))
            return TCP_PORT_BUSY;
        if (pcb->state == TCP_FIN_WAIT_2 &&
            tcp->net->now_us - pcb->last_rx_us < TCP_LINGER_SILENCE_US)
            use = TCP_PORT_SETTLES;
    }
    return use;
}

/* ---- conflicts ---- */

/* Does a wildcard, of an AF_INET6 socket or not, take in what is sent to addr? 0.0.0.0 takes all
 * IPv4, :: everything, or without IPv4 (RFC 3493 5.3). */
static bool wildcard_takes(const struct tcp_pcb *pcb, const struct ip_addr *any,
                           const struct ip_addr *addr)
{
    if (!addr_is_any(any))
        return false;
    return addr_is_v4(addr) == addr_is_v4(any) || (!addr_is_v4(any) && !pcb->conf.v6only);
}

/* Is there something that both would take in: pcb bound to addr, and other where it is? */
static bool addrs_overlap(const struct tcp_pcb *pcb, const struct ip_addr *addr,
                          const struct tcp_pcb *other)
{
    return addr_eq(addr, &other->local.addr) || wildcard_takes(pcb, addr, &other->local.addr) ||
           wildcard_takes(other, &other->local.addr, addr);
}

/* Linux's rule: two bindings of one port clash when their interfaces and addresses overlap, unless
 * both sides said SO_REUSEADDR and the other does not listen, or both said SO_REUSEPORT. any_port:
 * the port is being chosen, so take one that is quite free. */
static bool clashes(const struct tcp_pcb *pcb, const struct tcp_pcb *other,
                    const struct ip_addr *addr, bool any_port)
{
    const struct tcp_config *a = &pcb->conf, *b = &other->conf;

    if (pcb == other || (a->nif && b->nif && a->nif != b->nif) || !addrs_overlap(pcb, addr, other))
        return false;
    if (any_port)
        return true;
    if (a->reuse_addr && b->reuse_addr && other->state != TCP_LISTEN)
        return false;
    return !(a->reuse_port && b->reuse_port);
}

static bool port_conflict(const struct tcp *tcp, const struct tcp_pcb *pcb,
                          const struct ip_addr *addr, uint16_t port, bool any_port)
{
    struct tcp_port *p = port_find(tcp, port);

    if (!p)
        return false;
    LIST_FOREACH (n, &p->listeners)
        if (clashes(pcb, container_of(n, struct tcp_pcb, on_port), addr, any_port))
            return true;
    LIST_FOREACH (n, &p->others)
        if (clashes(pcb, container_of(n, struct tcp_pcb, on_port), addr, any_port))
            return true;
    return false;
}

bool tcp_port_conflict(struct tcp *tcp, const struct tcp_pcb *pcb, const struct endpoint *local)
{
    return port_conflict(tcp, pcb, &local->addr, local->port, false);
}

/* ---- choice ---- */

struct pick {
    struct tcp *tcp;
    const struct tcp_pcb *pcb;
    const struct endpoint *remote;
};

static bool bind_in_use(void *arg, uint16_t port)
{
    const struct pick *p = arg;

    return port_conflict(p->tcp, p->pcb, &p->pcb->local.addr, port, true);
}

/* A port that connect() chose may be shared by connections to different places, one that somebody
 * bound may not. */
bool tcp_port_fits(struct tcp *tcp, const struct endpoint *local, const struct endpoint *remote)
{
    const struct tcp_port *bucket = port_find(tcp, local->port);
    const struct tcp_pcb *old;

    if (!bucket)
        return true;
    if (!list_empty(&bucket->listeners))
        return false;
    LIST_FOREACH (n, &bucket->others)
        if (container_of(n, struct tcp_pcb, on_port)->port_locked)
            return false;
    old = tcp_flow_find(tcp, local, remote);
    return !old || tcp_timewait_reusable(tcp, old);
}

static bool connect_in_use(void *arg, uint16_t port)
{
    const struct pick *p = arg;
    struct endpoint local = {.addr = p->pcb->local.addr, .port = port};

    return !tcp_port_fits(p->tcp, &local, p->remote);
}

int tcp_port_pick(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote)
{
    struct pick arg = {.tcp = tcp, .pcb = pcb, .remote = remote};
    uint16_t port = net_pick_port(tcp->net, &pcb->local, remote, NET_PORT_LOW, NET_PORT_HIGH,
                                  remote ? connect_in_use : bind_in_use, &arg);

    if (port == 0)
        return remote ? -EADDRNOTAVAIL : -EADDRINUSE;
    pcb->local.port = port;
    return 0;
}

/* ---- listeners ---- */

/* How well l fits a segment to addr that came in on nif: 0 not at all. As in Linux a socket of the
 * segment's own family comes before one that is dual-stack. */
static unsigned listener_score(const struct tcp_pcb *l, const struct netif *nif,
                               const struct ip_addr *addr)
{
    unsigned score = 1;

    if (addr_eq(&l->local.addr, addr))
        score += 4;
    else if (!wildcard_takes(l, &l->local.addr, addr))
        return 0;
    if (l->conf.nif == nif)
        score += 2;
    else if (l->conf.nif)
        return 0;
    if (l->conf.v6 != addr_is_v4(addr))
        score += 1;
    return score;
}

struct tcp_pcb *tcp_port_listener(struct tcp *tcp, const struct netif *nif,
                                  const struct endpoint *local, const struct endpoint *remote)
{
    struct tcp_port *p = port_find(tcp, local->port);
    struct tcp_pcb *best = NULL;
    unsigned best_score = 0;
    uint32_t equals = 0, choice;

    if (!p)
        return NULL;
    LIST_FOREACH (n, &p->listeners) {
        struct tcp_pcb *l = container_of(n, struct tcp_pcb, on_port);
        unsigned score = listener_score(l, nif, &local->addr);
        if (score > best_score) {
            best = l;
            best_score = score;
            equals = 1;
        } else if (score && score == best_score && l->conf.reuse_port && best->conf.reuse_port) {
            equals++;
        }
    }
    if (equals < 2)
        return best;
    /* SO_REUSEPORT: the flow decides which of the equals it is. */
    choice = (uint32_t)(tcp_flow_hash(tcp, local, remote) >> 32) % equals;
    LIST_FOREACH (n, &p->listeners) {
        struct tcp_pcb *l = container_of(n, struct tcp_pcb, on_port);
        if (listener_score(l, nif, &local->addr) == best_score && l->conf.reuse_port &&
            choice-- == 0)
            return l;
    }
    return best;
}
