/*
 * Packets to an address of the stack itself, and our own copies of broadcasts. They are copied and
 * wait for a timer that is due at once, because the receiving side must not run inside the sending
 * one. They go up without checksums, uncut.
 */
#include "net/net_int.h"

#include <errno.h>

#define LOOP_BYTES_MAX (8u << 20)

struct loop_packet {
    struct list node;
    struct netif *nif;
    uint32_t block_bytes, len;
    uint16_t gso_size;
    uint8_t data[];
};

int ip_loop_output(struct net *net, struct netif *nif, const struct frame *f)
{
    size_t len = frame_bytes(f), block_bytes = sizeof(struct loop_packet) + len;
    struct loop_packet *p;
    uint8_t *at;

    if (net->loop_bytes + block_bytes > LOOP_BYTES_MAX) {
        net->stats.ip_loop_full++;
        return -ENOBUFS;
    }
    p = arena_alloc(net->arena, block_bytes);
    if (!p)
        return -ENOMEM;
    p->nif = nif;
    p->block_bytes = (uint32_t)block_bytes;
    p->len = (uint32_t)len;
    p->gso_size = f->gso_size;
    memcpy(p->data, f->head + f->head_at, frame_head_bytes(f));
    at = p->data + frame_head_bytes(f);
    for (uint8_t i = 0; i < f->nbody; i++) {
        memcpy(at, f->body[i].iov_base, f->body[i].iov_len);
        at += f->body[i].iov_len;
    }
    list_push(&net->loop, &p->node);
    net->loop_bytes += p->block_bytes;
    timer_set(&net->timers, &net->loop_timer, net->now_us);
    return 0;
}

static void ip_loop_free(struct net *net, struct loop_packet *p)
{
    net->loop_bytes -= p->block_bytes;
    arena_free(net->arena, p, p->block_bytes);
}

void ip_loop_timer(struct net *net)
{
    struct list now, *node;

    /* What these packets cause to be sent comes in the next round. */
    list_init(&now);
    while ((node = list_pop(&net->loop)))
        list_push(&now, node);
    while ((node = list_pop(&now))) {
        struct loop_packet *p = container_of(node, struct loop_packet, node);
        const struct ip_rx rx = {.data = p->data,
                                 .len = p->len,
                                 .flags = FRAME_CSUM_GOOD,
                                 .gso_size = p->gso_size,
                                 .from_self = true};

        if (!p->nif->gone)
            ip_input(net, p->nif, &rx);
        ip_loop_free(net, p);
    }
}

void ip_loop_repair(struct net *net)
{
    while (!list_empty(&net->loop)) {
        struct loop_packet *p = container_of(net->loop.next, struct loop_packet, node);

        net->loop.next = p->node.next; /* the way back may be broken */
        arena_free(net->arena, p, p->block_bytes);
    }
    list_init(&net->loop);
    net->loop_bytes = 0;
    timer_init(&net->loop_timer, NET_TIMER_LOOP);
}

void ip_loop_fini(struct net *net)
{
    struct list *node;

    while ((node = list_pop(&net->loop)))
        ip_loop_free(net, container_of(node, struct loop_packet, node));
    timer_stop(&net->timers, &net->loop_timer);
}
