/* UDP: datagrams and ICMP errors that come in. */
#include "udp/udp_int.h"

#include <errno.h>
#include <poll.h>

#include "wire/checksum.h"
#include "wire/udp.h"

static void udp_queue(struct udp *udp, struct udp_pcb *pcb, const struct ip_packet *pkt,
                      const struct udp_flow *flow, const uint8_t *data, uint32_t len)
{
    size_t bytes = sizeof(struct udp_dgram) + len;
    struct udp_dgram *d = NULL;

    if (pcb->queue_bytes <= pcb->rcvbuf_bytes)
        d = arena_alloc(udp->net->arena, bytes);
    if (!d) {
        pcb->drops++;
        udp->net->stats.udp_in_full++;
        return;
    }
    d->src = flow->src;
    d->dst = pkt->dst;
    d->ifindex = pkt->nif->index;
    d->arrived_us = udp->net->now_us;
    d->len = len;
    d->ttl = pkt->ttl;
    d->tos = pkt->tos;
    memcpy(d->data, data, len);
    list_push(&pcb->queue, &d->node);
    pcb->queue_bytes += udp_block_bytes(bytes);
}

/* A super-frame (UDP segmentation) holds several datagrams of gso_size; the last may be shorter. */
static void udp_deliver(struct udp *udp, struct udp_pcb *pcb, const struct ip_packet *pkt,
                        const struct udp_flow *flow, const uint8_t *data, size_t len)
{
    size_t each = pkt->gso_size && pkt->gso_size < len ? pkt->gso_size : len;
    size_t at = 0;

    do {
        size_t n = len - at < each ? len - at : each;

        udp->net->stats.udp_in++;
        udp_queue(udp, pcb, pkt, flow, data + at, (uint32_t)n);
        at += n;
    } while (at < len);
    if (!list_empty(&pcb->queue))
        udp->net->env->up->sock_ready(udp->net, pcb->owner, POLLIN | POLLRDNORM);
}

static bool udp_checksum_ok(const struct ip_packet *pkt, const struct udp_hdr *h)
{
    struct csum c = {0};

    if (pkt->csum_good || h->checksum == 0) /* RFC 768: 0 is none */
        return true;
    csum_add_pseudo(&c, &pkt->src, &pkt->dst, pkt->proto, h->len_bytes);
    csum_add(&c, pkt->payload, h->len_bytes);
    return csum_finish(&c) == 0;
}

void udp_input(struct udp *udp, const struct ip_packet *pkt)
{
    struct udp_flow flow = {.nif = pkt->nif};
    struct udp_pcb *pcb;
    struct udp_hdr h;
    const uint8_t *data = pkt->payload + UDP_HDR_BYTES;

    if (udp_parse(pkt->payload, pkt->len, &h) < 0) {
        udp->net->stats.udp_in_bad++;
        return;
    }
    flow.src = (struct endpoint){.addr = pkt->src, .port = h.src_port};
    flow.dst = (struct endpoint){.addr = pkt->dst, .port = h.dst_port};
    pcb = pkt->to ? udp_demux_find(udp, &flow) : udp_demux_next(udp, &flow, NULL);
    /* In host mode most datagrams are other people's: they cost a look-up and no checksum. */
    if (!pcb && (!pkt->to || pkt->to->borrowed)) {
        udp->net->stats.udp_in_no_port++;
        return;
    }
    if (!udp_checksum_ok(pkt, &h)) { /* RFC 1122 4.1.3.4 */
        udp->net->stats.udp_in_bad++;
        return;
    }
    if (!pcb) { /* RFC 1122 4.1.3.1 */
        udp->net->stats.udp_in_no_port++;
        icmp_send_error(udp->net, pkt, ICMP_UNREACHABLE, ICMP_UNREACH_PORT);
        return;
    }
    if (pkt->to) {
        udp_deliver(udp, pcb, pkt, &flow, data, h.len_bytes - UDP_HDR_BYTES);
        return;
    }
    for (; pcb; pcb = udp_demux_next(udp, &flow, pcb))
        udp_deliver(udp, pcb, pkt, &flow, data, h.len_bytes - UDP_HDR_BYTES);
}

void udp_push_error(struct udp *udp, struct udp_pcb *pcb, const struct udp_error *e,
                    const void *data, size_t len)
{
    size_t bytes = sizeof(*e) + len;
    struct udp_error *copy = NULL;

    if (pcb->queue_bytes + udp_block_bytes(bytes) < pcb->rcvbuf_bytes)
        copy = arena_alloc(udp->net->arena, bytes);
    if (!copy)
        return;
    *copy = *e;
    copy->block_bytes = (uint32_t)bytes;
    copy->len = (uint32_t)len;
    if (len)
        memcpy(copy->data, data, len);
    list_push(&pcb->errors, &copy->node);
    pcb->queue_bytes += udp_block_bytes(bytes);
}

void udp_error_init(struct udp_error *e, const struct icmp_error *icmp, uint64_t now_us)
{
    *e = (struct udp_error){
        .dst.addr = icmp->dst,
        .from = icmp->from,
        .to = icmp->src,
        .ifindex = icmp->ifindex,
        .ttl = icmp->ttl,
        .tos = icmp->tos,
        .arrived_us = now_us,
        .err = icmp->err,
        .origin = UDP_ERROR_ICMP,
        .type = icmp->type,
        .code = icmp->code,
        .info = icmp->mtu,
    };
}

/* RFC 1122 4.1.3.3, by the rules of Linux's __udp4_lib_err(). */
void udp_icmp_error(struct udp *udp, const struct icmp_error *e)
{
    struct udp_flow flow;
    struct udp_pcb *pcb;
    bool hard = e->hard;

    if (e->l4_len < UDP_HDR_BYTES)
        return;
    flow = (struct udp_flow){
        .src = {.addr = e->dst, .port = get_be16(e->l4 + 2)},
        .dst = {.addr = e->src, .port = get_be16(e->l4)},
    };
    pcb = udp_demux_find(udp, &flow);
    if (!pcb)
        return;
    if (e->err == EMSGSIZE) {
        if (pcb->mtu_discover < PMTUDISC_INTERFACE)
            icmp_too_big(udp->net, e); /* RFC 1191 6.2 */
        if (pcb->mtu_discover == PMTUDISC_DONT)
            return;
        hard = true;
    }
    if (pcb->recverr) {
        struct udp_error queued;

        udp_error_init(&queued, e, udp->net->now_us);
        queued.dst = flow.src;
        udp_push_error(udp, pcb, &queued, e->l4 + UDP_HDR_BYTES, e->l4_len - UDP_HDR_BYTES);
    } else if (!hard || !pcb->connected) {
        return;
    }
    pcb->error = e->err;
    udp->net->env->up->sock_ready(udp->net, pcb->owner, POLLERR | POLLIN | POLLOUT);
}
