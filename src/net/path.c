/*
 * Paths: where the packets of a flow go, and how large they may be.
 *
 * A flow keeps a struct ip_path. It stays right while net->route_generation stands still; routes,
 * addresses, interfaces and path MTUs all raise it, and path_refresh() then looks the path up
 * again, keeping the source address that the flow has by now.
 *
 * Path MTUs (RFC 1191) are kept by destination for ten minutes (6.3), then forgotten, so that a
 * larger one is found again. All live equally long, so one list in order of expiry and one timer
 * serve; the table is bounded, and when it is full the oldest makes room.
 */
#include "net/net_int.h"

#include <errno.h>

#define PATH_MTUS_MAX 8192u

struct path_mtu {
    struct hash_node by_dst;
    struct list node; /* in order of expiry */
    struct ip_addr dst;
    uint32_t mtu;
    bool locked;
    uint64_t expires_us;
};

struct path_mtus {
    struct slab slab;
    struct hash by_dst;
    struct list oldest_first;
    struct timer timer;
};

int path_init(struct net *net)
{
    struct path_mtus *ms = arena_zalloc(net->arena, sizeof(*ms));

    if (!ms)
        return -ENOMEM;
    if (!hash_init(&ms->by_dst, net->arena, 16)) {
        arena_free(net->arena, ms, sizeof(*ms));
        return -ENOMEM;
    }
    slab_init(&ms->slab, net->arena, sizeof(struct path_mtu));
    list_init(&ms->oldest_first);
    timer_init(&ms->timer, NET_TIMER_PATH_MTU);
    net->path_mtus = ms;
    return 0;
}

static void path_mtu_free(struct path_mtus *ms, struct path_mtu *m)
{
    hash_remove(&ms->by_dst, &m->by_dst);
    list_remove(&m->node);
    slab_free(&ms->slab, m);
}

static struct path_mtu *path_mtu_oldest(struct path_mtus *ms)
{
    struct list *node = list_first(&ms->oldest_first);

    return node ? container_of(node, struct path_mtu, node) : NULL;
}

void path_fini(struct net *net)
{
    struct path_mtus *ms = net->path_mtus;
    struct path_mtu *m;

    if (!ms)
        return;
    while ((m = path_mtu_oldest(ms)))
        path_mtu_free(ms, m);
    timer_stop(&net->timers, &ms->timer);
    hash_destroy(&ms->by_dst);
    arena_free(net->arena, ms, sizeof(*ms));
    net->path_mtus = NULL;
}

/* Path MTUs are only a memory of messages: they come again. */
void path_repair(struct net *net)
{
    struct path_mtus *ms = net->path_mtus;

    slab_rebuild(&ms->slab);
    for (struct path_mtu *m = slab_next(&ms->slab, NULL), *next; m; m = next) {
        next = slab_next(&ms->slab, m);
        slab_free(&ms->slab, m);
    }
    hash_reset(&ms->by_dst);
    list_init(&ms->oldest_first);
    timer_init(&ms->timer, NET_TIMER_PATH_MTU);
}

static struct path_mtu *path_mtu_find(struct net *net, const struct ip_addr *dst)
{
    struct path_mtus *ms = net->path_mtus;
    uint64_t hash;

    if (ms->by_dst.count == 0)
        return NULL;
    hash = net_hash(net, dst, sizeof(*dst));
    for (struct hash_node *n = hash_first(&ms->by_dst, hash); n; n = hash_next(n, hash)) {
        struct path_mtu *m = container_of(n, struct path_mtu, by_dst);

        if (addr_eq(&m->dst, dst))
            return m;
    }
    return NULL;
}

void path_mtu_timer(struct net *net)
{
    struct path_mtus *ms = net->path_mtus;
    struct path_mtu *m;

    while ((m = path_mtu_oldest(ms)) && m->expires_us <= net->now_us) {
        path_mtu_free(ms, m);
        net_routes_changed(net);
    }
    if (m)
        timer_set(&net->timers, &ms->timer, m->expires_us);
}

/* RFC 1191 7.1: the sizes of links there are, for routers that do not say theirs. */
static uint32_t path_mtu_plateau(uint32_t size)
{
    static const uint32_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};

    for (size_t i = 0; i < sizeof(plateau) / sizeof(plateau[0]); i++) {
        if (plateau[i] < size)
            return plateau[i];
    }
    return 68;
}

static struct path_mtu *path_mtu_new(struct net *net, const struct ip_addr *dst)
{
    struct path_mtus *ms = net->path_mtus;
    struct path_mtu *m;

    if (ms->by_dst.count >= PATH_MTUS_MAX)
        path_mtu_free(ms, path_mtu_oldest(ms));
    m = slab_alloc(&ms->slab);
    if (!m && path_mtu_oldest(ms)) {
        path_mtu_free(ms, path_mtu_oldest(ms));
        m = slab_alloc(&ms->slab);
    }
    if (!m)
        return NULL;
    m->dst = *dst;
    list_init(&m->node);
    hash_insert(&ms->by_dst, &m->by_dst, net_hash(net, dst, sizeof(*dst)));
    return m;
}

uint32_t path_set_mtu(struct net *net, const struct ip_addr *dst, uint32_t mtu, uint32_t size)
{
    struct path_mtus *ms = net->path_mtus;
    struct path_mtu *m = path_mtu_find(net, dst);
    struct ip_path path;
    struct ip_addr any = addr_any_as(dst);
    bool locked = false;

    if (mtu == 0)
        mtu = path_mtu_plateau(size);
    if (mtu < PATH_MTU_MIN) {
        mtu = PATH_MTU_MIN;
        locked = true;
    }
    if (path_lookup(net, dst, &any, NULL, &path) < 0 || path.local)
        return 0;
    /* RFC 1191 3: a message never raises the estimate. */
    if (mtu > path.mtu || (mtu == path.mtu && (path.mtu_locked || !locked)))
        return m ? path.mtu : 0;
    if (!m)
        m = path_mtu_new(net, dst);
    if (!m)
        return mtu; /* no memory: this flow alone learns of it */
    m->mtu = mtu;
    m->locked = locked;
    m->expires_us = net->now_us + PATH_MTU_LIFETIME_US;
    list_remove(&m->node);
    list_push(&ms->oldest_first, &m->node);
    if (!timer_armed(&ms->timer))
        timer_set(&net->timers, &ms->timer, path_mtu_oldest(ms)->expires_us);
    net_routes_changed(net);
    return mtu;
}

/* The route's part of a lookup: interface, next hop and the source that the route prefers. */
static int path_route(struct net *net, struct ip_path *p, struct ip_addr *route_src,
                      uint32_t *route_mtu)
{
    const struct route *r = route_find(net, &p->dst, p->bound);

    if (!r) {
        if (!p->bound || !addr_is_v4(&p->dst)) /* of IPv6 nothing is ever on the link */
            return -ENETUNREACH;
        p->nif = p->bound;
        p->next_hop = p->dst;
        return 0;
    }
    switch (r->type) {
    case ROUTE_UNICAST:
        break;
    case ROUTE_UNREACHABLE:
        return -EHOSTUNREACH;
    case ROUTE_PROHIBIT:
        return -EACCES;
    case ROUTE_BLACKHOLE:
        return -EINVAL;
    }
    p->nif = r->nif;
    p->next_hop = addr_is_any(&r->gateway) ? p->dst : r->gateway;
    *route_src = r->src;
    *route_mtu = r->mtu;
    return 0;
}

/* RFC 1122 3.3.4.3: the source that the route names, else an address on the subnet of the next hop,
 * else of the interface, else of the stack. */
static int path_source(struct net *net, struct ip_path *p, const struct ip_addr *route_src)
{
    const struct netif_addr *a;

    if (!addr_is_any(route_src) && netif_find_addr(net, route_src)) {
        p->src = *route_src;
        return 0;
    }
    a = netif_pick_addr(p->nif, &p->next_hop);
    if (!a && p->bound && (p->broadcast || p->multicast))
        return 0; /* from 0.0.0.0 */
    LIST_FOREACH (node, &net->netifs) {
        if (!a)
            a = netif_pick_addr(container_of(node, struct netif, node), &p->next_hop);
    }
    if (!a)
        return -EADDRNOTAVAIL;
    p->src = a->addr;
    return 0;
}

static int path_find(struct net *net, struct ip_path *p)
{
    struct ip_addr route_src = p->src;
    const struct netif_addr *own = netif_find_addr(net, &p->dst);
    const struct path_mtu *known;
    uint32_t route_mtu = 0;
    int err;

    p->local = own;
    p->multicast = addr_is_multicast(&p->dst);
    if (own) {
        p->nif = own->nif;
        p->next_hop = p->dst;
        p->mtu = IPV4_MAX;
        if (addr_is_any(&p->src))
            p->src = p->dst;
        return 0;
    }
    err = path_route(net, p, &route_src, &route_mtu);
    if (err < 0)
        return err;
    if (!p->nif->up)
        return -ENETDOWN;
    p->broadcast = netif_is_broadcast(p->nif, &p->dst);
    if (p->broadcast || p->multicast)
        p->next_hop = p->dst; /* never by way of a gateway */
    p->mtu = p->nif->mtu;
    if (route_mtu && route_mtu < p->mtu)
        p->mtu = route_mtu;
    known = path_mtu_find(net, &p->dst);
    if (known && known->mtu <= p->mtu) {
        p->mtu = known->mtu;
        p->mtu_locked = known->locked;
    }
    if (p->mtu < PATH_MTU_WHOLE)
        p->mtu_locked = true;
    return addr_is_any(&p->src) ? path_source(net, p, &route_src) : 0;
}

int path_lookup(struct net *net, const struct ip_addr *dst, const struct ip_addr *src,
                struct netif *nif, struct ip_path *out)
{
    int err;

    *out = (struct ip_path){.dst = *dst, .src = *src, .bound = nif};
    if (nif && nif->gone)
        return -ENODEV;
    if (addr_is_any(dst))
        return -ENETUNREACH;
    if (!addr_is_any(src) && !netif_find_addr(net, src))
        return -EADDRNOTAVAIL;
    err = path_find(net, out);
    if (err < 0) {
        out->nif = NULL;
        out->src = *src;
        return err;
    }
    out->generation = net->route_generation;
    return 0;
}

int path_refresh(struct net *net, struct ip_path *p)
{
    struct ip_path old = *p;

    if (p->nif && p->generation == net->route_generation)
        return 0;
    return path_lookup(net, &old.dst, &old.src, old.bound, p);
}
