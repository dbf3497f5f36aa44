/*
 * Sending: checksum of the transport, IP header, fragmentation, and on to the neighbour.
 *
 * A frame that the link finishes (csum_offload, and every super-frame) leaves with the sum of the
 * pseudo-header in its checksum field and with csum_start and csum_offset set; any other is
 * finished here, over head and body where they lie.
 *
 * Identification (RFC 6864): a packet with DF is atomic, its ID means nothing and is 0. Others
 * count, so that two fragments of one flow in the network are not mistaken for one datagram: one
 * counter for each of a few hundred groups of flows, each flow at its own offset. The counters are
 * no secret worth having, but one counter for all flows would tell anybody how much we send to
 * others.
 */
#include "net/net_int.h"

#include <errno.h>

#include "wire/checksum.h"

static uint16_t ip_next_id(struct net *net, const struct ip_path *path, uint8_t proto)
{
    uint8_t key[33];
    uint64_t hash;

    memcpy(key, path->src.b, 16);
    memcpy(key + 16, path->dst.b, 16);
    key[32] = proto;
    hash = net_hash(net, key, sizeof(key));
    return (uint16_t)((hash >> 32) + net->ip_ids[hash % NET_IP_ID_COUNTERS]++);
}

/* Fills the checksum field in f's transport header. unfinished: the link will add up the rest. */
static void ip_put_checksum(const struct ip_tx *tx, struct frame *f, uint16_t csum_offset,
                            bool unfinished)
{
    uint8_t *field = frame_head(f) + csum_offset;
    struct csum c = {0};
    uint16_t sum;

    put_be16(field, 0);
    csum_add_pseudo(&c, &tx->path->src, &tx->path->dst, tx->proto, (uint32_t)frame_bytes(f));
    if (unfinished) {
        put_be16(field, csum_partial(&c));
        return;
    }
    csum_add(&c, frame_head(f), frame_head_bytes(f));
    csum_add_iov(&c, f->body, f->nbody);
    sum = csum_finish(&c);
    if (sum == 0 && tx->proto == IPPROTO_NUM_UDP)
        sum = 0xffff; /* RFC 768: zero means that there is none */
    put_be16(field, sum);
}

/* To whom on the link. */
static int ip_output_link(struct net *net, const struct ip_path *path, struct frame *f)
{
    struct mac group = {{0x01, 0x00, 0x5e}};
    uint32_t v4;

    net->stats.ip_out++;
    if (path->local)
        return ip_loop_output(net, path->nif, f);
    if (path->broadcast) /* our own sockets hear it too, as in Linux; if memory is short, they do
                            not */
        ip_loop_output(net, path->nif, f);
    if (path->nif->type == NETIF_IP)
        return net_transmit(net, path->nif, f);
    if (path->broadcast)
        return neighbour_transmit(net, path->nif, &neighbour_broadcast_mac, ETHTYPE_IPV4, f);
    if (!path->multicast)
        return neighbour_output(net, path->nif, &path->next_hop, f);
    v4 = addr_get_v4(&path->dst); /* RFC 1112 6.4 */
    group.b[3] = (uint8_t)(v4 >> 16 & 0x7f);
    group.b[4] = (uint8_t)(v4 >> 8);
    group.b[5] = (uint8_t)v4;
    return neighbour_transmit(net, path->nif, &group, ETHTYPE_IPV4, f);
}

/* Adds bytes [at, at + len) of in (its head and body as one) to out. */
static void ip_add_slice(struct frame *out, const struct frame *in, size_t at, size_t len)
{
    size_t head = frame_head_bytes(in);

    if (at < head) {
        size_t n = head - at < len ? head - at : len;

        memcpy(frame_push(out, n), in->head + in->head_at + at, n);
        at += n;
        len -= n;
    }
    at -= head;
    for (uint8_t i = 0; i < in->nbody && len > 0; i++) {
        const struct iovec *piece = &in->body[i];
        size_t n;

        if (at >= piece->iov_len) {
            at -= piece->iov_len;
            continue;
        }
        n = piece->iov_len - at < len ? piece->iov_len - at : len;
        frame_add(out, (const uint8_t *)piece->iov_base + at, n);
        at = 0;
        len -= n;
    }
}

/* RFC 791 2.3, 3.2. The first error stops it: without that fragment the others are of no use. */
static int ip_fragment(struct net *net, const struct ip_tx *tx, struct ipv4_hdr *h,
                       const struct frame *f, uint32_t mtu)
{
    size_t total = frame_bytes(f), most = (mtu - IPV4_HDR_MIN) & ~(size_t)7;

    for (size_t at = 0; at < total; at += most) {
        size_t n = total - at < most ? total - at : most;
        struct frame piece;
        int err;

        frame_init(&piece);
        ip_add_slice(&piece, f, at, n);
        h->frag_offset = (uint16_t)at;
        h->mf = at + n < total;
        h->total_bytes = (uint16_t)(IPV4_HDR_MIN + n);
        ipv4_emit(h, frame_push(&piece, IPV4_HDR_MIN));
        net->stats.ip_frag_out++;
        err = ip_output_link(net, tx->path, &piece);
        if (err < 0)
            return err;
    }
    return 0;
}

int ip_output(struct net *net, const struct ip_tx *tx, struct frame *f, uint16_t csum_offset)
{
    const struct ip_path *path = tx->path;
    size_t bytes = frame_bytes(f) + IPV4_HDR_MIN;
    struct ipv4_hdr h;
    uint32_t mtu;
    bool whole, df;
    int err;

    err = path_refresh(net, tx->path);
    if (err < 0) {
        net->stats.ip_out_no_route++;
        return err;
    }
    mtu = tx->if_mtu && !path->local ? path->nif->mtu : path->mtu;
    if (bytes > IPV4_MAX)
        return -EMSGSIZE;
    if (f->gso_size)
        whole = IPV4_HDR_MIN + frame_head_bytes(f) + f->gso_size <= mtu;
    else
        whole = bytes <= mtu;
    df = tx->df && !path->mtu_locked;
    if (!whole && (f->gso_size || df))
        return -EMSGSIZE;
    h = (struct ipv4_hdr){
        .src = addr_get_v4(&path->src),
        .dst = addr_get_v4(&path->dst),
        .total_bytes = (uint16_t)bytes,
        .tos = tx->tos,
        .ttl = tx->ttl,
        .proto = tx->proto,
        .hdr_bytes = IPV4_HDR_MIN,
        .df = df,
    };
    if (!h.df)
        h.id = ip_next_id(net, path, tx->proto);
    f->l4_bytes = (uint8_t)frame_head_bytes(f);
    if (csum_offset) {
        bool unfinished = whole && (f->gso_size || path->local || path->nif->csum_offload);

        ip_put_checksum(tx, f, csum_offset, unfinished);
        if (unfinished) {
            f->csum_start = IPV4_HDR_MIN;
            f->csum_offset = csum_offset;
        }
    }
    if (!whole)
        return ip_fragment(net, tx, &h, f, mtu);
    ipv4_emit(&h, frame_push(f, IPV4_HDR_MIN));
    return ip_output_link(net, path, f);
}
