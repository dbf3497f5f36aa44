/*
 * Interfaces and their addresses.
 *
 * Every address stands in the list of its interface and, by its value, in net->addrs, which each
 * packet that comes in is looked up in. A tentative address (RFC 5227) is in both, but nothing uses
 * it before it is valid.
 *
 * The weak host model (RFC 1122 3.3.4.2), as Linux: a packet for any address of the stack is
 * accepted on any interface. ARP is strict: it answers on the interface of the address.
 */
#include "net/net_int.h"

#include <errno.h>

#define NETIF_MTU_MIN 68u /* RFC 791 3.2 */

int netif_init(struct net *net)
{
    slab_init(&net->netif_slab, net->arena, sizeof(struct netif));
    slab_init(&net->addr_slab, net->arena, sizeof(struct netif_addr));
    return hash_init(&net->addrs, net->arena, 16) ? 0 : -ENOMEM;
}

void netif_fini(struct net *net)
{
    struct list *node;

    while ((node = list_first(&net->netifs)))
        netif_remove(net, container_of(node, struct netif, node));
    while ((node = list_pop(&net->netifs_gone)))
        slab_free(&net->netif_slab, container_of(node, struct netif, node));
    if (net->addrs.arena)
        hash_destroy(&net->addrs);
}

/* Lists and table are made anew from the slabs. An object whose owner died before it was filled in
 * is freed. */
void netif_repair(struct net *net)
{
    struct netif_addr *a, *next;

    slab_rebuild(&net->netif_slab);
    slab_rebuild(&net->addr_slab);
    list_init(&net->netifs);
    list_init(&net->netifs_gone);
    hash_reset(&net->addrs);
    for (struct netif *nif = slab_next(&net->netif_slab, NULL), *after; nif; nif = after) {
        after = slab_next(&net->netif_slab, nif);
        if (nif->index == 0) {
            slab_free(&net->netif_slab, nif);
            continue;
        }
        list_init(&nif->addrs);
        list_push(nif->gone ? &net->netifs_gone : &net->netifs, &nif->node);
    }
    for (a = slab_next(&net->addr_slab, NULL); a; a = next) {
        next = slab_next(&net->addr_slab, a);
        if (!a->nif || a->nif->gone) {
            slab_free(&net->addr_slab, a);
            continue;
        }
        timer_init(&a->timer, NET_TIMER_ADDR);
        list_push(&a->nif->addrs, &a->node);
        hash_insert(&net->addrs, &a->by_addr, net_hash(net, &a->addr, sizeof(a->addr)));
        acd_resume(net, a);
    }
}

/* A removed interface of the same index and name, taken off the list of those. */
static struct netif *netif_revive(struct net *net, const struct netif *desc)
{
    LIST_FOREACH (node, &net->netifs_gone) {
        struct netif *nif = container_of(node, struct netif, node);

        if (nif->index == desc->index && memcmp(nif->name, desc->name, sizeof(nif->name)) == 0) {
            list_remove(node);
            return nif;
        }
    }
    return NULL;
}

struct netif *netif_add(struct net *net, const struct netif *desc)
{
    struct netif *nif;

    if (desc->index == 0 || netif_by_index(net, desc->index) || desc->mtu < NETIF_MTU_MIN ||
        desc->mtu > IPV4_MAX)
        return NULL;
    nif = netif_revive(net, desc);
    if (!nif)
        nif = slab_alloc(&net->netif_slab);
    if (!nif)
        return NULL;
    *nif = *desc;
    nif->gone = false;
    list_init(&nif->addrs);
    memset(&nif->stats, 0, sizeof(nif->stats));
    list_push(&net->netifs, &nif->node);
    net_routes_changed(net);
    return nif;
}

static void netif_free_addr(struct net *net, struct netif_addr *a)
{
    timer_stop(&net->timers, &a->timer);
    hash_remove(&net->addrs, &a->by_addr);
    list_remove(&a->node);
    slab_free(&net->addr_slab, a);
}

void netif_remove(struct net *net, struct netif *nif)
{
    struct list *node;

    nif->up = false;
    nif->gone = true;
    route_forget_netif(net, nif);
    neighbour_forget_netif(net, nif);
    reassembly_forget_netif(net, nif);
    while ((node = list_first(&nif->addrs)))
        netif_free_addr(net, container_of(node, struct netif_addr, node));
    list_remove(&nif->node);
    list_push(&net->netifs_gone, &nif->node);
    net_routes_changed(net);
}

struct netif *netif_by_index(struct net *net, uint32_t index)
{
    LIST_FOREACH (node, &net->netifs) {
        struct netif *nif = container_of(node, struct netif, node);

        if (nif->index == index)
            return nif;
    }
    return NULL;
}

void netif_set_up(struct net *net, struct netif *nif, bool up)
{
    if (nif->up == up)
        return;
    nif->up = up;
    net_routes_changed(net);
    if (!up) {
        neighbour_forget_netif(net, nif);
        return;
    }
    LIST_FOREACH (node, &nif->addrs) {
        acd_start(net, container_of(node, struct netif_addr, node));
    }
}

int netif_set_mtu(struct net *net, struct netif *nif, uint32_t mtu)
{
    if (mtu < NETIF_MTU_MIN || mtu > IPV4_MAX)
        return -EINVAL;
    nif->mtu = mtu;
    net_routes_changed(net);
    return 0;
}

static struct netif_addr *netif_addr_on(const struct netif *nif, const struct ip_addr *addr)
{
    LIST_FOREACH (node, &nif->addrs) {
        struct netif_addr *a = container_of(node, struct netif_addr, node);

        if (addr_eq(&a->addr, addr))
            return a;
    }
    return NULL;
}

static uint8_t addr_bits(const struct ip_addr *addr)
{
    return addr_is_v4(addr) ? 32 : 128;
}

/* The route to the subnet of a. Two addresses may share one. */
static int netif_add_subnet(struct net *net, const struct netif_addr *a)
{
    const struct route r = {
        .dst = a->addr,
        .prefix_len = a->prefix_len,
        .gateway = addr_any_as(&a->addr),
        .src = a->addr,
        .nif = a->nif,
        .of_addr = true,
    };
    int err;

    if (a->prefix_len >= addr_bits(&a->addr))
        return 0;
    err = route_add(net, &r);
    return err == -EEXIST ? 0 : err;
}

int netif_add_addr(struct net *net, struct netif *nif, const struct ip_addr *addr,
                   uint8_t prefix_len, bool borrowed, bool probe)
{
    struct netif_addr *a;
    int err;

    if (prefix_len > addr_bits(addr))
        return -EINVAL;
    if (netif_addr_on(nif, addr))
        return -EEXIST;
    a = slab_alloc(&net->addr_slab);
    if (!a)
        return -ENOMEM;
    a->addr = *addr;
    a->prefix_len = prefix_len;
    a->borrowed = borrowed;
    a->nif = nif;
    a->state = probe && !borrowed && nif->type == NETIF_ETHERNET ? ADDR_TENTATIVE : ADDR_VALID;
    timer_init(&a->timer, NET_TIMER_ADDR);
    err = netif_add_subnet(net, a);
    if (err < 0) {
        slab_free(&net->addr_slab, a);
        return err;
    }
    list_push(&nif->addrs, &a->node);
    hash_insert(&net->addrs, &a->by_addr, net_hash(net, addr, sizeof(*addr)));
    net_routes_changed(net);
    acd_start(net, a);
    return 0;
}

void netif_remove_addr(struct net *net, struct netif *nif, const struct ip_addr *addr)
{
    struct netif_addr *a = netif_addr_on(nif, addr);
    struct ip_addr any = addr_any_as(addr);
    struct route subnet;

    if (!a)
        return;
    subnet = (struct route){.dst = *addr, .prefix_len = a->prefix_len, .gateway = any, .nif = nif};
    netif_free_addr(net, a);
    route_remove_of_addr(net, &subnet);
    /* Another address may need the same subnet; if memory is short now its route is lost. */
    LIST_FOREACH (node, &nif->addrs) {
        netif_add_subnet(net, container_of(node, struct netif_addr, node));
    }
    net_routes_changed(net);
}

struct netif_addr *netif_find_addr(struct net *net, const struct ip_addr *addr)
{
    uint64_t hash = net_hash(net, addr, sizeof(*addr));

    for (struct hash_node *n = hash_first(&net->addrs, hash); n; n = hash_next(n, hash)) {
        struct netif_addr *a = container_of(n, struct netif_addr, by_addr);

        if (a->state == ADDR_VALID && addr_eq(&a->addr, addr))
            return a;
    }
    return NULL;
}

struct netif_addr *netif_pick_addr(const struct netif *nif, const struct ip_addr *near)
{
    struct netif_addr *first = NULL;

    LIST_FOREACH (node, &nif->addrs) {
        struct netif_addr *a = container_of(node, struct netif_addr, node);

        if (a->state != ADDR_VALID)
            continue;
        if (near && addr_is_v4(near) != addr_is_v4(&a->addr))
            continue;
        if (!near || addr_in_prefix(near, &a->addr, a->prefix_len))
            return a;
        if (!first)
            first = a;
    }
    return first;
}

bool netif_is_broadcast(const struct netif *nif, const struct ip_addr *addr)
{
    uint32_t v4;

    if (!addr_is_v4(addr))
        return false;
    if (addr_is_broadcast(addr))
        return true;
    v4 = addr_get_v4(addr);
    LIST_FOREACH (node, &nif->addrs) {
        const struct netif_addr *a = container_of(node, struct netif_addr, node);

        /* RFC 3021 2.1: a 31-bit prefix has no broadcast address. */
        if (a->prefix_len < 31 && addr_in_prefix(addr, &a->addr, a->prefix_len) &&
            (v4 | (UINT32_MAX << 1 << (31 - a->prefix_len))) == UINT32_MAX)
            return true;
    }
    return false;
}

bool netif_is_borrowed(const struct netif *nif)
{
    LIST_FOREACH (node, &nif->addrs) {
        if (!container_of(node, struct netif_addr, node)->borrowed)
            return false;
    }
    return !list_empty(&nif->addrs);
}
