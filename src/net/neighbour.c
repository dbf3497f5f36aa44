/*
 * The neighbour cache.
 *
 *                 packet to send              answer
 *      (no entry) --------------> INCOMPLETE ---------> REACHABLE
 *          ^ 60 s unused           |    ^                |    ^
 *          |             3 requests|    | packet         |    | answer, or a transport
 *          |             unanswered|    |  not confirmed |    | made progress
 *          |                       v    |  for 15..45 s  v    |
 *          +--------------------- FAILED <-- PROBE <--- STALE-+
 *                                       3 lost   5 s after use
 *
 * The states are those of RFC 4861 7.3.2, as Linux uses them for ARP too; the wait before probing
 * (its DELAY) is a STALE entry with its timer armed. REACHABLE ends without a timer: whether the
 * confirmation is too old is looked at when the entry is used, so an idle neighbour costs nothing.
 *
 * Requests go out once a second for each neighbour (RFC 1122 2.3.2.1), three times. Packets wait
 * meanwhile, bounded for each neighbour and for all together. When nobody answers, each packet that
 * waits becomes an ICMP "host unreachable" as if from ourselves, so its socket learns (RFC 1122
 * 2.4).
 *
 * The table is bounded: unused entries go after a minute, and when it is full the oldest of those
 * goes that only asked for us, or, if there is none, the one that was used least recently. So a
 * flood of requests does not displace those that we talk to.
 */
#include "net/net_int.h"

#include <errno.h>

#define NEIGHBOURS_MAX        8192u
#define RETRANS_US            (1 * US_PER_S)  /* RFC 4861 10: RETRANS_TIMER */
#define SOLICITS_MAX          3               /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define DELAY_US              (5 * US_PER_S)  /* DELAY_FIRST_PROBE_TIME */
#define REACHABLE_BASE_US     (30 * US_PER_S) /* REACHABLE_TIME, times 0.5 .. 1.5 */
#define GC_INTERVAL_US        (30 * US_PER_S)
#define GC_STALE_US           (60 * US_PER_S) /* Linux's gc_stale_time */
#define LOCK_US               (1 * US_PER_S) /* Linux's locktime: the first of two answers counts */
#define USED_GRAIN_US         (1 * US_PER_S) /* the order of use is kept this coarsely */
#define QUEUE_BYTES_MAX       212992u        /* Linux's unres_qlen_bytes */
#define TOTAL_QUEUE_BYTES_MAX (4u << 20)
#define EVICT_LOOK_MAX        32

const struct mac neighbour_broadcast_mac = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct neighbour {
    struct hash_node by_addr;
    struct list lru;
    bool used; /* we have sent to it; else it is only known because it asked for us */
    struct netif *nif;
    struct ip_addr addr;
    struct ip_addr src; /* from which to ask: the source of the last packet */
    struct mac mac;
    enum neighbour_state state;
    uint8_t tries;
    struct timer timer;
    uint32_t reachable_us;
    uint64_t used_at_us, updated_at_us, confirmed_at_us;
    struct list queue; /* of struct waiting */
    uint32_t queue_bytes;
};

/* A packet that waits. csum_start counts from its IP header. */
struct waiting {
    struct list node;
    uint32_t block_bytes, body_bytes;
    uint16_t head_bytes, gso_size, csum_start, csum_offset;
    uint8_t l4_bytes;
    uint8_t data[];
};

struct neighbours {
    struct slab slab;
    struct hash by_addr;
    struct list learnt, used; /* oldest first; least recently used first */
    struct timer gc;
    size_t queue_bytes;
};

int neighbour_init(struct net *net)
{
    struct neighbours *ns = arena_zalloc(net->arena, sizeof(*ns));

    if (!ns)
        return -ENOMEM;
    if (!hash_init(&ns->by_addr, net->arena, 16)) {
        arena_free(net->arena, ns, sizeof(*ns));
        return -ENOMEM;
    }
    slab_init(&ns->slab, net->arena, sizeof(struct neighbour));
    list_init(&ns->learnt);
    list_init(&ns->used);
    timer_init(&ns->gc, NET_TIMER_NEIGHBOURS);
    net->neighbours = ns;
    return 0;
}

/* ---- packets that wait ---- */

static struct waiting *waiting_pop(struct net *net, struct neighbour *n)
{
    struct list *node = list_pop(&n->queue);
    struct waiting *w;

    if (!node)
        return NULL;
    w = container_of(node, struct waiting, node);
    n->queue_bytes -= w->block_bytes;
    net->neighbours->queue_bytes -= w->block_bytes;
    return w;
}

static void waiting_free(struct net *net, struct waiting *w)
{
    arena_free(net->arena, w, w->block_bytes);
}

static int waiting_push(struct net *net, struct neighbour *n, const struct frame *f)
{
    size_t block_bytes = sizeof(struct waiting) + frame_bytes(f);
    struct waiting *w;
    uint8_t *at;

    while (n->queue_bytes && n->queue_bytes + block_bytes > QUEUE_BYTES_MAX)
        waiting_free(net, waiting_pop(net, n));
    if (net->neighbours->queue_bytes + block_bytes > TOTAL_QUEUE_BYTES_MAX)
        return -ENOBUFS;
    w = arena_alloc(net->arena, block_bytes);
    if (!w)
        return -ENOMEM;
    w->block_bytes = (uint32_t)block_bytes;
    w->body_bytes = f->body_bytes;
    w->head_bytes = (uint16_t)frame_head_bytes(f);
    w->gso_size = f->gso_size;
    w->csum_start = f->csum_start;
    w->csum_offset = f->csum_offset;
    w->l4_bytes = f->l4_bytes;
    memcpy(w->data, f->head + f->head_at, w->head_bytes);
    at = w->data + w->head_bytes;
    for (uint8_t i = 0; i < f->nbody; i++) {
        memcpy(at, f->body[i].iov_base, f->body[i].iov_len);
        at += f->body[i].iov_len;
    }
    list_push(&n->queue, &w->node);
    n->queue_bytes += w->block_bytes;
    net->neighbours->queue_bytes += block_bytes;
    return 0;
}

static void waiting_send(struct net *net, struct neighbour *n, const struct waiting *w)
{
    struct frame f;

    frame_init(&f);
    memcpy(frame_push(&f, w->head_bytes), w->data, w->head_bytes);
    if (w->body_bytes)
        frame_add(&f, w->data + w->head_bytes, w->body_bytes);
    f.gso_size = w->gso_size;
    f.csum_start = w->csum_start;
    f.csum_offset = w->csum_offset;
    f.l4_bytes = w->l4_bytes;
    neighbour_transmit(net, n->nif, &n->mac, ETHTYPE_IPV4, &f);
}

static void neighbour_flush(struct net *net, struct neighbour *n)
{
    struct waiting *w;

    while ((w = waiting_pop(net, n))) {
        waiting_send(net, n, w);
        waiting_free(net, w);
    }
}

/* ---- entries ---- */

static void neighbour_free(struct net *net, struct neighbour *n)
{
    struct neighbours *ns = net->neighbours;
    struct waiting *w;

    while ((w = waiting_pop(net, n)))
        waiting_free(net, w);
    timer_stop(&net->timers, &n->timer);
    hash_remove(&ns->by_addr, &n->by_addr);
    list_remove(&n->lru);
    slab_free(&ns->slab, n);
}

void neighbour_fini(struct net *net)
{
    struct neighbours *ns = net->neighbours;

    if (!ns)
        return;
    /* The entries went with their interfaces. */
    timer_stop(&net->timers, &ns->gc);
    hash_destroy(&ns->by_addr);
    arena_free(net->arena, ns, sizeof(*ns));
    net->neighbours = NULL;
}

/* Everything is forgotten: it is asked for again when it is needed. */
void neighbour_repair(struct net *net)
{
    struct neighbours *ns = net->neighbours;

    slab_rebuild(&ns->slab);
    for (struct neighbour *n = slab_next(&ns->slab, NULL), *next; n; n = next) {
        next = slab_next(&ns->slab, n);
        while (n->queue.next && !list_empty(&n->queue)) {
            struct waiting *w = container_of(n->queue.next, struct waiting, node);

            n->queue.next = w->node.next; /* the way back may be broken */
            waiting_free(net, w);
        }
        slab_free(&ns->slab, n);
    }
    hash_reset(&ns->by_addr);
    list_init(&ns->learnt);
    list_init(&ns->used);
    ns->queue_bytes = 0;
    timer_init(&ns->gc, NET_TIMER_NEIGHBOURS);
}

static void forget_in(struct net *net, struct list *entries, const struct netif *nif)
{
    LIST_FOREACH_SAFE (node, entries) {
        struct neighbour *n = container_of(node, struct neighbour, lru);

        if (n->nif == nif)
            neighbour_free(net, n);
    }
}

void neighbour_forget_netif(struct net *net, const struct netif *nif)
{
    forget_in(net, &net->neighbours->learnt, nif);
    forget_in(net, &net->neighbours->used, nif);
}

static uint64_t neighbour_hash(const struct net *net, const struct netif *nif,
                               const struct ip_addr *addr)
{
    uint8_t key[20];

    memcpy(key, addr->b, 16);
    put_be32(key + 16, nif->index);
    return net_hash(net, key, sizeof(key));
}

static struct neighbour *neighbour_find(struct net *net, const struct netif *nif,
                                        const struct ip_addr *addr)
{
    const struct hash *by_addr = &net->neighbours->by_addr;
    uint64_t hash = neighbour_hash(net, nif, addr);

    for (struct hash_node *node = hash_first(by_addr, hash); node; node = hash_next(node, hash)) {
        struct neighbour *n = container_of(node, struct neighbour, by_addr);

        if (n->nif == nif && addr_eq(&n->addr, addr))
            return n;
    }
    return NULL;
}

/* Frees the entry that is missed least, if possible one without waiting packets. */
static bool neighbour_evict(struct net *net)
{
    struct neighbours *ns = net->neighbours;
    struct list *from = list_empty(&ns->learnt) ? &ns->used : &ns->learnt;
    struct list *victim = list_first(from);
    unsigned looked_at = 0;

    if (!victim)
        return false;
    LIST_FOREACH (node, from) {
        if (container_of(node, struct neighbour, lru)->state != NEIGHBOUR_INCOMPLETE) {
            victim = node;
            break;
        }
        if (++looked_at == EVICT_LOOK_MAX)
            break;
    }
    neighbour_free(net, container_of(victim, struct neighbour, lru));
    return true;
}

/* An INCOMPLETE entry that has not asked yet. used: for a packet of ours, not because somebody
 * asked for us. */
static struct neighbour *neighbour_new(struct net *net, struct netif *nif,
                                       const struct ip_addr *addr, bool used)
{
    struct neighbours *ns = net->neighbours;
    struct neighbour *n = NULL;

    if (ns->by_addr.count < NEIGHBOURS_MAX)
        n = slab_alloc(&ns->slab);
    if (!n && neighbour_evict(net))
        n = slab_alloc(&ns->slab);
    if (!n)
        return NULL;
    n->nif = nif;
    n->addr = *addr;
    n->state = NEIGHBOUR_INCOMPLETE;
    n->used_at_us = net->now_us;
    timer_init(&n->timer, NET_TIMER_NEIGHBOUR);
    list_init(&n->queue);
    n->used = used;
    list_push(used ? &ns->used : &ns->learnt, &n->lru);
    hash_insert(&ns->by_addr, &n->by_addr, neighbour_hash(net, nif, addr));
    if (!timer_armed(&ns->gc))
        timer_set(&net->timers, &ns->gc, net->now_us + GC_INTERVAL_US);
    return n;
}

/* When anything was last heard of n, or sent to it. */
static uint64_t neighbour_alive_us(const struct neighbour *n)
{
    uint64_t us = n->used_at_us;

    if (us < n->confirmed_at_us)
        us = n->confirmed_at_us;
    return us < n->updated_at_us ? n->updated_at_us : us;
}

static void gc_in(struct net *net, struct list *entries)
{
    LIST_FOREACH_SAFE (node, entries) {
        struct neighbour *n = container_of(node, struct neighbour, lru);

        if (list_empty(&n->queue) && net->now_us - neighbour_alive_us(n) >= GC_STALE_US)
            neighbour_free(net, n);
    }
}

void neighbour_gc(struct net *net)
{
    struct neighbours *ns = net->neighbours;

    gc_in(net, &ns->learnt);
    gc_in(net, &ns->used);
    if (ns->by_addr.count > 0)
        timer_set(&net->timers, &ns->gc, net->now_us + GC_INTERVAL_US);
}

/* ---- the state machine ---- */

/* Asks: everybody while the address is unknown, the neighbour itself to confirm it. */
static void neighbour_ask(struct net *net, struct neighbour *n)
{
    bool known = n->state == NEIGHBOUR_PROBE;
    const struct netif_addr *a = netif_find_addr(net, &n->src);
    uint32_t spa =
        0; /* without an address: as a probe (RFC 5227 1.1); it is answered all the same */

    if (!a)
        a = netif_pick_addr(n->nif, &n->addr);
    if (a)
        spa = addr_get_v4(&a->addr);
    n->tries++;
    timer_set(&net->timers, &n->timer, net->now_us + RETRANS_US);
    neighbour_arp_send(net, n->nif, ARP_REQUEST, known ? &n->mac : &neighbour_broadcast_mac, spa,
                       NULL, addr_get_v4(&n->addr));
}

/* Nobody answered: the packets that wait come back to their sockets as errors. */
static void neighbour_fail(struct net *net, struct neighbour *n)
{
    struct list lost, *node;
    struct waiting *w;

    n->state = NEIGHBOUR_FAILED;
    list_init(&lost);
    while ((w = waiting_pop(net, n)))
        list_push(&lost, &w->node);
    /* The sockets may send again at once, and n may be gone after that. */
    while ((node = list_pop(&lost))) {
        struct icmp_error e = {.type = ICMP_UNREACHABLE, .code = ICMP_UNREACH_HOST};

        w = container_of(node, struct waiting, node);
        if (icmp_error_read(w->data, w->head_bytes + w->body_bytes, &e) == 0) {
            e.from = e.src;
            e.err = EHOSTUNREACH;
            icmp_error_deliver(net, &e);
        }
        waiting_free(net, w);
    }
}

void neighbour_timer(struct net *net, struct timer *t)
{
    struct neighbour *n = container_of(t, struct neighbour, timer);

    switch (n->state) {
    case NEIGHBOUR_STALE:
        n->state = NEIGHBOUR_PROBE;
        n->tries = 0;
        neighbour_ask(net, n);
        break;
    case NEIGHBOUR_INCOMPLETE:
    case NEIGHBOUR_PROBE:
        if (n->tries < SOLICITS_MAX)
            neighbour_ask(net, n);
        else
            neighbour_fail(net, n);
        break;
    case NEIGHBOUR_REACHABLE:
    case NEIGHBOUR_FAILED:
        break;
    }
}

static void neighbour_reachable(struct net *net, struct neighbour *n)
{
    if (n->state != NEIGHBOUR_REACHABLE) /* RFC 4861 6.3.2 */
        n->reachable_us =
            (uint32_t)(REACHABLE_BASE_US / 2) + rng_below(&net->rng, REACHABLE_BASE_US);
    n->state = NEIGHBOUR_REACHABLE;
    n->confirmed_at_us = net->now_us;
    timer_stop(&net->timers, &n->timer);
}

void neighbour_confirm(struct net *net, struct netif *nif, const struct ip_addr *next_hop)
{
    struct neighbour *n = neighbour_find(net, nif, next_hop);

    if (!n)
        return;
    switch (n->state) {
    case NEIGHBOUR_REACHABLE:
    case NEIGHBOUR_STALE:
    case NEIGHBOUR_PROBE:
        neighbour_reachable(net, n);
        break;
    case NEIGHBOUR_INCOMPLETE:
    case NEIGHBOUR_FAILED:
        break;
    }
}

void neighbour_learn(struct net *net, struct netif *nif, const struct ip_addr *addr,
                     const struct mac *mac, bool answer, bool create)
{
    struct neighbour *n = neighbour_find(net, nif, addr);
    bool known = false, changed;

    if (!n && create)
        n = neighbour_new(net, nif, addr, false);
    if (!n)
        return;
    switch (n->state) {
    case NEIGHBOUR_INCOMPLETE:
    case NEIGHBOUR_FAILED:
        break;
    case NEIGHBOUR_REACHABLE:
    case NEIGHBOUR_STALE:
    case NEIGHBOUR_PROBE:
        known = true;
        break;
    }
    changed = !known || !mac_eq(&n->mac, mac);
    if (known && changed && net->now_us - n->updated_at_us < LOCK_US)
        return;
    if (changed) {
        n->mac = *mac;
        n->updated_at_us = net->now_us;
    }
    /* Only an answer to a question shows that our packets reach it (RFC 4861 7.3.1). */
    answer = answer && (n->state == NEIGHBOUR_INCOMPLETE || n->state == NEIGHBOUR_PROBE);
    if (answer) {
        neighbour_reachable(net, n);
    } else if (changed) {
        n->state = NEIGHBOUR_STALE;
        timer_stop(&net->timers, &n->timer);
    }
    neighbour_flush(net, n);
}

/* Begins to ask for n anew. If it has failed, the last request is a second old by now: no flood
 * (RFC 1122 2.3.2.1). */
static void neighbour_solicit(struct net *net, struct neighbour *n)
{
    n->state = NEIGHBOUR_INCOMPLETE;
    n->tries = 0;
    neighbour_ask(net, n);
}

static void neighbour_used(struct net *net, struct neighbour *n)
{
    if (!n->used || net->now_us - n->used_at_us >= USED_GRAIN_US) {
        list_remove(&n->lru);
        list_push(&net->neighbours->used, &n->lru);
        n->used = true;
        n->used_at_us = net->now_us;
    }
}

int neighbour_transmit(struct net *net, struct netif *nif, const struct mac *dst, uint16_t type,
                       struct frame *f)
{
    const struct eth_hdr eth = {.dst = *dst, .src = nif->mac, .type = type};

    eth_emit(&eth, frame_push(f, ETH_HDR_BYTES));
    if (f->csum_offset)
        f->csum_start = (uint16_t)(f->csum_start + ETH_HDR_BYTES);
    return net_transmit(net, nif, f);
}

int neighbour_output(struct net *net, struct netif *nif, const struct ip_addr *next_hop,
                     struct frame *f)
{
    struct neighbour *n = neighbour_find(net, nif, next_hop);
    int err;

    if (!n)
        n = neighbour_new(net, nif, next_hop, true);
    if (!n)
        return -ENOMEM;
    neighbour_used(net, n);
    switch (n->state) {
    case NEIGHBOUR_REACHABLE:
        if (net->now_us - n->confirmed_at_us < n->reachable_us)
            break;
        n->state = NEIGHBOUR_STALE;
        __attribute__((fallthrough));
    case NEIGHBOUR_STALE:
        n->src = addr_v4(get_be32(frame_head(f) + 12));
        if (!timer_armed(&n->timer))
            timer_set(&net->timers, &n->timer, net->now_us + DELAY_US);
        break;
    case NEIGHBOUR_PROBE:
        break;
    case NEIGHBOUR_INCOMPLETE:
    case NEIGHBOUR_FAILED:
        n->src = addr_v4(get_be32(frame_head(f) + 12));
        err = waiting_push(net, n, f);
        if (err == 0 && !timer_armed(&n->timer))
            neighbour_solicit(net, n);
        return err;
    }
    return neighbour_transmit(net, nif, &n->mac, ETHTYPE_IPV4, f);
}
