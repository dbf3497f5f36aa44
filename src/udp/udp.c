/*
 * UDP: the pcbs and what their owner does with them.
 *
 * A pcb is unbound, bound, or bound and connected:
 *
 *      udp_open --> unbound --bind, send--> bound --connect--> connected
 *                      ^                      ^                    |
 *                      +------- port chosen --+-- port locked -----+ disconnect
 *
 * A bound pcb stands in two tables (udp_demux.c). udp_input.c fills its queue, udp_output.c sends.
 * Errors that ICMP reports wait in pcb->error until somebody takes them, as sk_err in Linux.
 */
#include "udp/udp_int.h"

#include <errno.h>
#include <poll.h>

int udp_init(struct udp *udp, struct net *net)
{
    udp->net = net;
    slab_init(&udp->pcbs, net->arena, sizeof(struct udp_pcb));
    if (!hash_init(&udp->ports, net->arena, 16))
        return -ENOMEM;
    if (!hash_init(&udp->demux, net->arena, 16)) {
        hash_destroy(&udp->ports);
        return -ENOMEM;
    }
    return 0;
}

void udp_fini(struct udp *udp)
{
    struct udp_pcb *pcb;

    while ((pcb = slab_next(&udp->pcbs, NULL)))
        udp_close(udp, pcb);
    hash_destroy(&udp->ports);
    hash_destroy(&udp->demux);
}

struct ip_addr udp_any(const struct udp_pcb *pcb)
{
    if (pcb->v6)
        return addr_any6();
    return addr_any4();
}

uint32_t udp_block_bytes(size_t bytes)
{
    size_t block = 64; /* base/arena.h */

    if (bytes > 2048)
        return (uint32_t)((bytes + ARENA_PAGE_BYTES - 1) & ~(size_t)(ARENA_PAGE_BYTES - 1));
    while (block < bytes)
        block *= 2;
    return (uint32_t)block;
}

struct udp_pcb *udp_open(struct udp *udp, void *owner)
{
    struct udp_pcb *pcb = slab_alloc(&udp->pcbs);

    if (!pcb)
        return NULL;
    pcb->owner = owner;
    pcb->local.addr = pcb->remote.addr = addr_any4();
    list_init(&pcb->queue);
    list_init(&pcb->errors);
    pcb->rcvbuf_bytes = UDP_RCVBUF_DEFAULT;
    pcb->ttl = IP_TTL_DEFAULT;
    pcb->mcast_ttl = 1;
    pcb->mtu_discover = PMTUDISC_WANT;
    return pcb;
}

void udp_set_v6(struct udp_pcb *pcb, bool v6)
{
    pcb->v6 = v6;
    if (pcb->bound)
        return;
    pcb->local.addr = pcb->remote.addr = udp_any(pcb);
}

void udp_close(struct udp *udp, struct udp_pcb *pcb)
{
    while (udp_peek(pcb))
        udp_drop_first(udp, pcb);
    while (udp_peek_error(pcb))
        udp_drop_first_error(udp, pcb);
    if (pcb->bound)
        udp_demux_remove(udp, pcb);
    slab_free(&udp->pcbs, pcb);
}

/* Keeps what can be reached from the list's head, mends the way back and counts the memory. */
static void udp_repair_queue(struct udp_pcb *pcb)
{
    struct list *prev = &pcb->queue;

    for (struct list *n = pcb->queue.next; n != &pcb->queue; n = n->next) {
        const struct udp_dgram *d = container_of(n, struct udp_dgram, node);

        pcb->queue_bytes += udp_block_bytes(sizeof(*d) + d->len);
        n->prev = prev;
        prev = n;
    }
    pcb->queue.prev = prev;
    prev = &pcb->errors;
    for (struct list *n = pcb->errors.next; n != &pcb->errors; n = n->next) {
        pcb->queue_bytes += udp_block_bytes(container_of(n, struct udp_error, node)->block_bytes);
        n->prev = prev;
        prev = n;
    }
    pcb->errors.prev = prev;
}

void udp_repair(struct udp *udp)
{
    slab_rebuild(&udp->pcbs);
    hash_reset(&udp->ports);
    hash_reset(&udp->demux);
    for (struct udp_pcb *pcb = slab_next(&udp->pcbs, NULL), *next; pcb; pcb = next) {
        next = slab_next(&udp->pcbs, pcb);
        if (!pcb->errors.next) { /* the owner died in udp_open() */
            slab_free(&udp->pcbs, pcb);
            continue;
        }
        pcb->queue_bytes = 0;
        udp_repair_queue(pcb);
        if (pcb->local.port)
            udp_demux_insert(udp, pcb);
    }
}

/* Is addr a broadcast or multicast address? */
static bool udp_addr_is_group(struct udp *udp, const struct ip_addr *addr)
{
    if (addr_is_multicast(addr) || addr_is_broadcast(addr))
        return true;
    LIST_FOREACH (node, &udp->net->netifs) {
        if (netif_is_broadcast(container_of(node, struct netif, node), addr))
            return true;
    }
    return false;
}

/* May a socket be bound to addr? Linux lets it be any, ours, or a group. */
static bool udp_addr_bindable(struct udp *udp, const struct udp_pcb *pcb,
                              const struct ip_addr *addr)
{
    return addr_is_any(addr) || pcb->freebind || netif_find_addr(udp->net, addr) ||
           udp_addr_is_group(udp, addr);
}

struct udp_pick {
    struct udp *udp;
    struct udp_pcb *pcb;
    struct endpoint local;
};

static bool udp_pick_in_use(void *arg, uint16_t port)
{
    struct udp_pick *pick = arg;

    pick->local.port = port;
    return udp_demux_in_use(pick->udp, pick->pcb, &pick->local);
}

int udp_bind(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *local)
{
    struct udp_pick pick = {.udp = udp, .pcb = pcb, .local = *local};

    if (pcb->bound)
        return -EINVAL;
    if (!udp_addr_bindable(udp, pcb, &local->addr))
        return -EADDRNOTAVAIL;
    if (local->port == 0) {
        uint16_t port = net_pick_port(udp->net, local, NULL, NET_PORT_LOW, NET_PORT_HIGH,
                                      udp_pick_in_use, &pick);

        if (port == 0)
            return -EADDRINUSE;
        pick.local.port = port;
    } else if (udp_demux_in_use(udp, pcb, local)) {
        return -EADDRINUSE;
    }
    pcb->local = pick.local;
    pcb->addr_locked = !addr_is_any(&local->addr);
    pcb->port_locked = local->port != 0;
    pcb->local_group = udp_addr_is_group(udp, &local->addr);
    pcb->rr_seq = udp->next_seq++;
    udp_demux_insert(udp, pcb);
    return 0;
}

int udp_connect(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *remote)
{
    struct ip_addr src = pcb->local.addr;
    struct ip_path path;
    int err;

    if (!pcb->bound) {
        const struct endpoint any = {.addr = udp_any(pcb)};

        err = udp_bind(udp, pcb, &any);
        if (err < 0)
            return err == -EADDRINUSE ? -EAGAIN : err; /* no port left: as inet_autobind() */
    }
    if (pcb->local_group || addr_is_any(&src)) /* the wildcard of the peer's family */
        src = addr_any_as(&remote->addr);
    err = path_lookup(udp->net, &remote->addr, &src, pcb->nif, &path);
    if (err < 0)
        return err;
    if (path.broadcast && !pcb->broadcast)
        return -EACCES;
    udp_demux_remove(udp, pcb);
    pcb->path = path;
    pcb->remote = *remote;
    pcb->connected = true;
    if (addr_is_any(&pcb->local.addr))
        pcb->local.addr = path.src;
    udp_demux_insert(udp, pcb);
    return 0;
}

void udp_disconnect(struct udp *udp, struct udp_pcb *pcb)
{
    if (!pcb->bound)
        return;
    udp_demux_remove(udp, pcb);
    pcb->connected = false;
    pcb->remote = (struct endpoint){.addr = udp_any(pcb)};
    pcb->path = (struct ip_path){0};
    if (!pcb->addr_locked)
        pcb->local.addr = udp_any(pcb);
    if (pcb->port_locked)
        udp_demux_insert(udp, pcb);
    else
        pcb->local.port = 0;
}

struct udp_dgram *udp_peek(struct udp_pcb *pcb)
{
    struct list *node = list_first(&pcb->queue);

    return node ? container_of(node, struct udp_dgram, node) : NULL;
}

void udp_drop_first(struct udp *udp, struct udp_pcb *pcb)
{
    struct udp_dgram *d = udp_peek(pcb);
    size_t bytes;

    if (!d)
        return;
    bytes = sizeof(*d) + d->len;
    list_remove(&d->node);
    pcb->queue_bytes -= udp_block_bytes(bytes);
    arena_free(udp->net->arena, d, bytes);
}

struct udp_error *udp_peek_error(struct udp_pcb *pcb)
{
    struct list *node = list_first(&pcb->errors);

    return node ? container_of(node, struct udp_error, node) : NULL;
}

void udp_drop_first_error(struct udp *udp, struct udp_pcb *pcb)
{
    struct udp_error *e = udp_peek_error(pcb);
    const struct udp_error *next;
    bool icmp;

    if (!e)
        return;
    icmp = e->origin == UDP_ERROR_ICMP;
    list_remove(&e->node);
    pcb->queue_bytes -= udp_block_bytes(e->block_bytes);
    arena_free(udp->net->arena, e, e->block_bytes);
    /* Linux's sock_dequeue_err_skb() */
    next = udp_peek_error(pcb);
    if (next && next->origin == UDP_ERROR_ICMP)
        pcb->error = next->err;
    else if (icmp)
        pcb->error = 0;
}

/* Linux's datagram_poll(). */
uint32_t udp_poll(const struct udp_pcb *pcb)
{
    uint32_t mask = POLLOUT | POLLWRNORM | POLLWRBAND; /* as Linux's datagram_poll() */

    if (pcb->error || !list_empty(&pcb->errors))
        mask |= POLLERR;
    if (!list_empty(&pcb->queue))
        mask |= POLLIN | POLLRDNORM;
    if (pcb->shut & UDP_SHUT_RD)
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if ((pcb->shut & UDP_SHUT_RD) && (pcb->shut & UDP_SHUT_WR))
        mask |= POLLHUP;
    return mask;
}
