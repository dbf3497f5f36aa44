/*
 * UDP: sending.
 *
 * How IP_MTU_DISCOVER maps to the IP layer, with Linux's meanings:
 *
 *      mode       DF              limit             larger than that
 *      DONT       never           path MTU          fragmented
 *      WANT       if it fits      path MTU          fragmented
 *      DO         always          path MTU          -EMSGSIZE
 *      PROBE      always          interface's MTU   -EMSGSIZE
 *      INTERFACE  never           interface's MTU   -EMSGSIZE
 *      OMIT       never           interface's MTU   fragmented
 */
#include "udp/udp_int.h"

#include <errno.h>
#include <netinet/in.h>

#include "wire/ipv4.h"
#include "wire/udp.h"

#define UDP_CSUM_OFFSET 6

/* Where a datagram to `to` goes; *path is the pcb's own or *fresh, looked up for this one. */
static int udp_route(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *to,
                     const struct ip_addr *src, struct netif *nif, struct ip_path *fresh,
                     struct ip_path **path)
{
    struct ip_addr from;
    int err;

    if (!to && !src && !nif) {
        *path = &pcb->path;
        if (pcb->path.bound == pcb->nif)
            return path_refresh(udp->net, &pcb->path);
        from = pcb->path.src; /* SO_BINDTODEVICE came after connect() */
        return path_lookup(udp->net, &pcb->remote.addr, &from, pcb->nif, &pcb->path);
    }
    if (!to)
        to = &pcb->remote;
    from = src ? *src : pcb->local.addr;
    if (addr_is_any(&from) || (!src && pcb->local_group)) /* the wildcard of the peer's family */
        from = addr_any_as(&to->addr);
    err = path_lookup(udp->net, &to->addr, &from, nif ? nif : pcb->nif, fresh);
    *path = fresh;
    return err;
}

/* Fills in what mtu_discover says for a packet of so many bytes. */
static int udp_fit(const struct udp_pcb *pcb, const struct ip_path *path, size_t bytes,
                   struct ip_tx *tx, uint32_t *mtu)
{
    bool refuse = false;

    *mtu = path->mtu;
    tx->df = tx->if_mtu = false;
    switch ((enum pmtudisc)pcb->mtu_discover) {
    case PMTUDISC_DONT:
        break;
    case PMTUDISC_WANT:
        tx->df = bytes <= path->mtu;
        break;
    case PMTUDISC_DO:
        tx->df = refuse = true;
        break;
    case PMTUDISC_PROBE:
        tx->df = tx->if_mtu = refuse = true;
        break;
    case PMTUDISC_INTERFACE:
        tx->if_mtu = refuse = true;
        break;
    case PMTUDISC_OMIT:
        tx->if_mtu = true;
        break;
    }
    if (tx->if_mtu && !path->local)
        *mtu = path->nif->mtu;
    return refuse && bytes > *mtu ? -EMSGSIZE : 0;
}

/* Points f's body at the len bytes of iov; more pieces than a frame holds are first copied
 * together, into *copy. */
static int udp_body(struct udp *udp, struct frame *f, const struct iovec *iov, size_t niov,
                    size_t len, void **copy)
{
    uint8_t *at;

    *copy = NULL;
    for (size_t i = 0, left = len; i < niov && left > 0; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;

        if (n == 0)
            continue;
        if (f->nbody == FRAME_BODY_MAX) {
            f->nbody = 0;
            f->body_bytes = 0;
            *copy = arena_alloc(udp->net->arena, len);
            if (!*copy)
                return -ENOMEM;
            break;
        }
        frame_add(f, iov[i].iov_base, n);
        left -= n;
    }
    if (!*copy)
        return 0;
    at = *copy;
    for (size_t i = 0, left = len; i < niov && left > 0; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;

        if (n)
            memcpy(at, iov[i].iov_base, n);
        at += n;
        left -= n;
    }
    frame_add(f, *copy, len);
    return 0;
}

/* What a datagram must pass before it has a route. */
static int udp_check(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *to, size_t len)
{
    if (len > UDP_PAYLOAD_MAX)
        return -EMSGSIZE;
    if (!to && !pcb->connected)
        return -EDESTADDRREQ;
    if ((to ? to : &pcb->remote)->port == 0)
        return -EINVAL;
    if (pcb->error) {
        int err = pcb->error;

        pcb->error = 0;
        return -err;
    }
    if (pcb->shut & UDP_SHUT_WR)
        return -EPIPE;
    if (!pcb->bound) {
        const struct endpoint any = {.addr = udp_any(pcb)};
        int err = udp_bind(udp, pcb, &any);

        return err == -EADDRINUSE ? -EAGAIN : err; /* no port left: as inet_autobind() */
    }
    return 0;
}

ssize_t udp_send(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *to,
                 const struct iovec *iov, size_t niov, size_t len, const struct ip_addr *src,
                 struct netif *nif)
{
    struct ip_tx tx = {.proto = IPPROTO_NUM_UDP, .tos = pcb->tos};
    struct udp_hdr h = {0};
    struct ip_path fresh;
    struct frame f;
    void *copy;
    uint32_t mtu;
    int err;

    err = udp_check(udp, pcb, to, len);
    if (err < 0)
        return err;
    err = udp_route(udp, pcb, to, src, nif, &fresh, &tx.path);
    if (err == -EADDRNOTAVAIL && src && !netif_find_addr(udp->net, src))
        return -ENETUNREACH; /* as Linux */
    if (err < 0)
        return err;
    if (tx.path->broadcast && !pcb->broadcast)
        return -EACCES;
    err = udp_fit(pcb, tx.path, IPV4_HDR_MIN + UDP_HDR_BYTES + len, &tx, &mtu);
    if (err < 0) {
        const struct udp_error local = {
            /* as Linux: the port is the peer's of a connected socket */
            .dst = {.addr = (to ? to : &pcb->remote)->addr, .port = pcb->remote.port},
            .arrived_us = udp->net->now_us,
            .err = EMSGSIZE,
            .origin = UDP_ERROR_LOCAL,
            .info = mtu};

        if (pcb->recverr)
            udp_push_error(udp, pcb, &local, NULL, 0);
        return err;
    }
    tx.ttl = tx.path->multicast ? pcb->mcast_ttl : pcb->ttl;
    frame_init(&f);
    err = udp_body(udp, &f, iov, niov, len, &copy);
    if (err < 0)
        return err;
    h.src_port = pcb->local.port;
    h.dst_port = to ? to->port : pcb->remote.port;
    h.len_bytes = (uint16_t)(UDP_HDR_BYTES + len);
    udp_emit(&h, frame_push(&f, UDP_HDR_BYTES));
    err = ip_output(udp->net, &tx, &f, UDP_CSUM_OFFSET);
    if (copy)
        arena_free(udp->net->arena, copy, len);
    if (err == -ENOBUFS && !pcb->recverr)
        err = 0;
    if (err < 0)
        return err;
    udp->net->stats.udp_out++;
    return (ssize_t)len;
}
