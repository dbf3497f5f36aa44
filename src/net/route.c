/*
 * The routing table: a hash of prefixes, and how many routes there are of each prefix length. A
 * lookup asks for the destination cut to each length in use, longest first, and takes the lowest
 * metric among the routes of the first length that has one it can use (RFC 1122 3.3.1, RFC
 * 1812 5.2.4.3). Few lengths are in use at any one host, however many routes there are.
 *
 * Flows do not come here for each packet: they keep a struct ip_path (path.c).
 */
#include "net/net_int.h"

#include <errno.h>

#define V4_MAPPED_BITS 96u

static uint8_t prefix_bits_max(const struct ip_addr *a)
{
    return addr_is_v4(a) ? 32 : 128;
}

/* The count of prefix bits within the 128 of an ip_addr. */
static uint32_t prefix_bits(const struct route *r)
{
    return r->prefix_len + (addr_is_v4(&r->dst) ? V4_MAPPED_BITS : 0);
}

static struct ip_addr prefix_cut(const struct ip_addr *a, uint32_t bits)
{
    struct ip_addr out = *a;

    for (uint32_t i = bits / 8; i < sizeof(out.b); i++)
        out.b[i] = i == bits / 8 ? (uint8_t)(out.b[i] & (0xff00u >> bits % 8)) : 0;
    return out;
}

static uint64_t prefix_hash(const struct net *net, const struct ip_addr *prefix, uint32_t bits)
{
    uint8_t key[17];

    memcpy(key, prefix->b, 16);
    key[16] = (uint8_t)bits;
    return net_hash(net, key, sizeof(key));
}

int route_init(struct net *net)
{
    slab_init(&net->route_slab, net->arena, sizeof(struct route));
    return hash_init(&net->routes_by_prefix, net->arena, 16) ? 0 : -ENOMEM;
}

void route_repair(struct net *net)
{
    slab_rebuild(&net->route_slab);
    list_init(&net->routes);
    hash_reset(&net->routes_by_prefix);
    memset(net->routes_of_len, 0, sizeof(net->routes_of_len));
    for (struct route *r = slab_next(&net->route_slab, NULL), *next; r; r = next) {
        next = slab_next(&net->route_slab, r);
        if (!r->nif || r->nif->gone || r->prefix_len > prefix_bits_max(&r->dst)) {
            slab_free(&net->route_slab, r);
            continue;
        }
        list_push(&net->routes, &r->node);
        hash_insert(&net->routes_by_prefix, &r->by_prefix,
                    prefix_hash(net, &r->dst, prefix_bits(r)));
        net->routes_of_len[prefix_bits(r)]++;
    }
}

static void route_free(struct net *net, struct route *r)
{
    net->routes_of_len[prefix_bits(r)]--;
    list_remove(&r->node);
    hash_remove(&net->routes_by_prefix, &r->by_prefix);
    slab_free(&net->route_slab, r);
    net_routes_changed(net);
}

void route_fini(struct net *net)
{
    /* The routes went with their interfaces. */
    if (net->routes_by_prefix.arena)
        hash_destroy(&net->routes_by_prefix);
}

/* Is gateway on the link of nif: within one of its subnets, or on a route without a gateway? */
static bool gateway_on_link(struct net *net, const struct ip_addr *gateway, struct netif *nif)
{
    const struct route *r;

    LIST_FOREACH (node, &nif->addrs) {
        const struct netif_addr *a = container_of(node, struct netif_addr, node);

        if (addr_in_prefix(gateway, &a->addr, a->prefix_len))
            return true;
    }
    r = route_find(net, gateway, nif);
    return r && addr_is_any(&r->gateway);
}

/* The entry with r's key; dst is already cut. */
static struct route *route_same(struct net *net, const struct route *r, uint64_t hash)
{
    for (struct hash_node *n = hash_first(&net->routes_by_prefix, hash); n;
         n = hash_next(n, hash)) {
        struct route *other = container_of(n, struct route, by_prefix);

        if (addr_eq(&other->dst, &r->dst) && other->prefix_len == r->prefix_len &&
            other->metric == r->metric && other->nif == r->nif &&
            addr_eq(&other->gateway, &r->gateway))
            return other;
    }
    return NULL;
}

int route_add(struct net *net, const struct route *r)
{
    struct route *copy, cut = *r;
    uint32_t bits;
    uint64_t hash;

    if (r->prefix_len > prefix_bits_max(&r->dst))
        return -EINVAL;
    bits = prefix_bits(r);
    cut.dst = prefix_cut(&r->dst, bits);
    hash = prefix_hash(net, &cut.dst, bits);
    if (route_same(net, &cut, hash))
        return -EEXIST;
    if (!addr_is_any(&r->gateway) && !gateway_on_link(net, &r->gateway, r->nif))
        return -ENETUNREACH;
    copy = slab_alloc(&net->route_slab);
    if (!copy)
        return -ENOMEM;
    *copy = cut;
    list_push(&net->routes, &copy->node);
    hash_insert(&net->routes_by_prefix, &copy->by_prefix, hash);
    net->routes_of_len[bits]++;
    net_routes_changed(net);
    return 0;
}

int route_remove(struct net *net, const struct route *r)
{
    struct route *found, cut = *r;

    if (r->prefix_len > prefix_bits_max(&r->dst))
        return -ESRCH;
    cut.dst = prefix_cut(&r->dst, prefix_bits(r));
    found = route_same(net, &cut, prefix_hash(net, &cut.dst, prefix_bits(r)));
    if (!found)
        return -ESRCH;
    route_free(net, found);
    return 0;
}

void route_remove_of_addr(struct net *net, const struct route *r)
{
    struct route *found, cut = *r;

    cut.dst = prefix_cut(&r->dst, prefix_bits(r));
    found = route_same(net, &cut, prefix_hash(net, &cut.dst, prefix_bits(r)));
    if (found && found->of_addr)
        route_free(net, found);
}

void route_forget_netif(struct net *net, const struct netif *nif)
{
    LIST_FOREACH_SAFE (node, &net->routes) {
        struct route *r = container_of(node, struct route, node);

        if (r->nif == nif)
            route_free(net, r);
    }
}

/* Is a better than b (may be NULL)? One whose interface is up is, then the lower metric. */
static bool route_better(const struct route *a, const struct route *b)
{
    if (!b || a->nif->up != b->nif->up)
        return !b || a->nif->up;
    return a->metric < b->metric;
}

struct route *route_find(struct net *net, const struct ip_addr *dst, const struct netif *only)
{
    uint32_t least = addr_is_v4(dst) ? V4_MAPPED_BITS : 0;
    struct route *down = NULL;

    for (uint32_t bits = 128; bits + 1 > least; bits--) {
        struct ip_addr prefix;
        struct route *best = NULL;
        uint64_t hash;

        if (net->routes_of_len[bits] == 0) {
            if (bits == 0)
                break;
            continue;
        }
        prefix = prefix_cut(dst, bits);
        hash = prefix_hash(net, &prefix, bits);
        for (struct hash_node *n = hash_first(&net->routes_by_prefix, hash); n;
             n = hash_next(n, hash)) {
            struct route *r = container_of(n, struct route, by_prefix);

            if (prefix_bits(r) == bits && addr_eq(&r->dst, &prefix) && (!only || r->nif == only) &&
                route_better(r, best))
                best = r;
        }
        if (best && best->nif->up)
            return best;
        if (best && !down)
            down = best;
        if (bits == 0)
            break;
    }
    return down;
}
