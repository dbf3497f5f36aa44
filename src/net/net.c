/*
 * struct net: start, end, timers, transmission, ephemeral ports.
 *
 * The IP layer is split like this (arrows: packets):
 *
 *      net_input --> ip_input --> reassembly --> icmp, and by upcall udp, tcp
 *         |             ^
 *         v             | ip_loop (packets to ourselves)
 *      neighbour_arp    |
 *         |             |
 *      neighbour <-- ip_output <-- icmp, udp, tcp
 *         |             |
 *         v             +-- path, route (where to), netif (from which address)
 *      net_transmit --> the link
 *
 * All memory comes from the arena: records from slabs, packets that wait as sized blocks. What can
 * be lost without harm (neighbours, path MTUs, fragments, waiting packets) is bounded, and thrown
 * away when memory is short; what cannot (interfaces, addresses, routes) is the caller's to size.
 */
#include "net/net_int.h"

#include <errno.h>

int net_init(struct net *net, struct arena *a, uint64_t seed)
{
    net->arena = a;
    rng_seed(&net->rng, seed);
    net->key.k0 = rng_u64(&net->rng);
    net->key.k1 = rng_u64(&net->rng);
    net->route_generation = 1;
    list_init(&net->netifs);
    list_init(&net->netifs_gone);
    list_init(&net->routes);
    list_init(&net->loop);
    timer_init(&net->loop_timer, NET_TIMER_LOOP);
    for (size_t i = 0; i < NET_PORT_COUNTERS; i++)
        net->port_counters[i] = (uint16_t)rng_u32(&net->rng);
    for (size_t i = 0; i < NET_IP_ID_COUNTERS; i++)
        net->ip_ids[i] = (uint16_t)rng_u32(&net->rng);
    if (netif_init(net) < 0 || route_init(net) < 0 || path_init(net) < 0 ||
        neighbour_init(net) < 0 || reassembly_init(net) < 0) {
        net_fini(net);
        return -ENOMEM;
    }
    return 0;
}

void net_fini(struct net *net)
{
    ip_loop_fini(net);
    netif_fini(net); /* takes what hangs on interfaces with it */
    reassembly_fini(net);
    neighbour_fini(net);
    path_fini(net);
    route_fini(net);
}

void net_repair(struct net *net)
{
    netif_repair(net);
    route_repair(net);
    path_repair(net);
    neighbour_repair(net);
    reassembly_repair(net);
    ip_loop_repair(net);
    net_routes_changed(net);
}

void net_routes_changed(struct net *net)
{
    if (++net->route_generation == 0) /* 0 means: not looked up */
        net->route_generation = 1;
}

void net_timer(struct net *net, struct timer *t)
{
    switch ((enum net_timer)t->kind) {
    case NET_TIMER_ADDR:
        acd_timer(net, container_of(t, struct netif_addr, timer));
        break;
    case NET_TIMER_NEIGHBOUR:
        neighbour_timer(net, t);
        break;
    case NET_TIMER_NEIGHBOURS:
        neighbour_gc(net);
        break;
    case NET_TIMER_REASSEMBLY:
        reassembly_timer(net, t);
        break;
    case NET_TIMER_PATH_MTU:
        path_mtu_timer(net);
        break;
    case NET_TIMER_LOOP:
        ip_loop_timer(net);
        break;
    }
}

int net_transmit(struct net *net, struct netif *nif, const struct frame *f)
{
    const struct net_env *env = net->env;
    int err;

    if (!nif->up)
        return -ENETDOWN;
    if (env->trace) {
        const struct trace_event ev = {
            .kind = TRACE_FRAME_OUT, .now_us = net->now_us, .nif = nif, .out = f};

        env->trace(env->ctx, &ev);
    }
    err = env->output(env->ctx, nif, f);
    if (err == 0) {
        nif->stats.tx_frames++;
        nif->stats.tx_bytes += frame_bytes(f);
    } else if (err == -ENOBUFS || err == -EAGAIN) {
        nif->stats.tx_busy++;
    } else {
        nif->stats.tx_errors++;
    }
    return err;
}

/* RFC 6056 3.3.4: the first hash spreads the flows over the range and hides them from one another,
 * the second chooses the counter, so that a peer sees only the count of flows that share it. */
uint16_t net_pick_port(struct net *net, const struct endpoint *local, const struct endpoint *remote,
                       uint16_t low, uint16_t high, bool (*in_use)(void *arg, uint16_t port),
                       void *arg)
{
    uint32_t count = (uint32_t)high - low + 1, at;
    uint16_t *counter = NULL;

    if (high < low)
        return 0;
    if (remote) {
        uint8_t key[34];
        uint64_t hash;

        memcpy(key, local->addr.b, 16);
        memcpy(key + 16, remote->addr.b, 16);
        put_be16(key + 32, remote->port);
        hash = net_hash(net, key, sizeof(key));
        counter = &net->port_counters[hash % NET_PORT_COUNTERS];
        at = (uint32_t)(hash >> 32) % count + *counter;
    } else {
        at = rng_below(&net->rng, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t port = (uint16_t)(low + (at + i) % count);

        if (!in_use(arg, port)) {
            if (counter)
                *counter = (uint16_t)(*counter + i + 1);
            return port;
        }
    }
    return 0;
}
