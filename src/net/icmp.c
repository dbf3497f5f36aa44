/*
 * ICMP for IPv4: answers echo requests, sends errors about what came for us in vain, and turns
 * errors about our own packets into errnos for the transports.
 *
 * On a borrowed address (host mode) the kernel does all of the sending; we only listen.
 *
 * Redirects (type 5) are ignored, though RFC 1122 3.2.2.2 would have a host obey them: anybody on
 * the link can forge them, the routers that send them forward the packet as well, and in host mode
 * the routes are the kernel's. Source quench (type 4) is ignored as RFC 6633 3 demands.
 */
#include "net/net_int.h"

#include <errno.h>

/* RFC 1812 4.3.2.3: as much of the packet as fits in 576 bytes. */
#define ICMP_QUOTE_MAX (576u - IPV4_HDR_MIN - ICMP_HDR_BYTES)
/* RFC 1812 4.3.2.5: errors go with precedence "internetwork control". */
#define ICMP_TOS 0xc0u
/* RFC 1812 4.3.2.8, with the numbers of Linux's icmp_msgs_per_sec and icmp_msgs_burst. */
#define ICMP_PER_S 1000u
#define ICMP_BURST 50u

/* ---- errors in ---- */

/* What Linux makes of the codes of "destination unreachable" (its icmp_err_convert). */
static const struct {
    int err;
    bool hard;
} icmp_unreach_errno[] = {
    [ICMP_UNREACH_NET] = {ENETUNREACH, false},
    [ICMP_UNREACH_HOST] = {EHOSTUNREACH, false},
    [ICMP_UNREACH_PROTOCOL] = {ENOPROTOOPT, true},
    [ICMP_UNREACH_PORT] = {ECONNREFUSED, true},
    [ICMP_UNREACH_FRAG_NEEDED] = {EMSGSIZE, false},
    [ICMP_UNREACH_SOURCE_ROUTE] = {EOPNOTSUPP, false},
    [ICMP_UNREACH_NET_UNKNOWN] = {ENETUNREACH, true},
    [ICMP_UNREACH_HOST_UNKNOWN] = {EHOSTDOWN, true},
    [ICMP_UNREACH_ISOLATED] = {ENONET, true},
    [ICMP_UNREACH_NET_PROHIBITED] = {ENETUNREACH, true},
    [ICMP_UNREACH_HOST_PROHIBITED] = {EHOSTUNREACH, true},
    [ICMP_UNREACH_NET_TOS] = {ENETUNREACH, false},
    [ICMP_UNREACH_HOST_TOS] = {EHOSTUNREACH, false},
    [ICMP_UNREACH_ADMIN_PROHIBITED] = {EHOSTUNREACH, true},
    [ICMP_UNREACH_PRECEDENCE] = {EHOSTUNREACH, true},
    [ICMP_UNREACH_PRECEDENCE_CUTOFF] = {EHOSTUNREACH, true},
};

int icmp_error_read(const uint8_t *p, size_t len, struct icmp_error *e)
{
    size_t hdr_bytes;

    /* Not ipv4_parse(): the quote is cut short, and routers have changed TTL and checksum. */
    if (len < IPV4_HDR_MIN || p[0] >> 4 != 4)
        return -EBADMSG;
    hdr_bytes = (size_t)(p[0] & 0x0f) * 4;
    if (hdr_bytes < IPV4_HDR_MIN || len < hdr_bytes + 8)
        return -EBADMSG;
    if (get_be16(p + 6) & 0x1fff) /* no transport header in it */
        return -EBADMSG;
    e->size = get_be16(p + 2);
    e->proto = p[9];
    e->src = addr_v4(get_be32(p + 12));
    e->dst = addr_v4(get_be32(p + 16));
    e->l4 = p + hdr_bytes;
    e->l4_len = len - hdr_bytes;
    return 0;
}

void icmp_error_deliver(struct net *net, const struct icmp_error *e)
{
    if (e->proto == IPPROTO_NUM_TCP)
        net->env->up->tcp_icmp_error(net, e);
    else if (e->proto == IPPROTO_NUM_UDP)
        net->env->up->udp_icmp_error(net, e);
}

/* Fills in e->err and e->hard; false: nothing for the transports. */
static bool icmp_classify(struct icmp_error *e)
{
    switch ((enum icmp_type)e->type) {
    case ICMP_UNREACHABLE:
        if (e->code >= sizeof(icmp_unreach_errno) / sizeof(icmp_unreach_errno[0]))
            return false;
        e->err = icmp_unreach_errno[e->code].err;
        e->hard = icmp_unreach_errno[e->code].hard;
        return true;
    case ICMP_TIME_EXCEEDED:
        e->err = EHOSTUNREACH;
        return true;
    case ICMP_PARAMETER_PROBLEM:
        e->err = EPROTO;
        e->hard = true;
        return true;
    case ICMP_ECHO_REPLY:
    case ICMP_SOURCE_QUENCH:
    case ICMP_REDIRECT:
    case ICMP_ECHO_REQUEST:
        break;
    }
    return false;
}

static void icmp_error_input(struct net *net, const struct ip_packet *pkt, const struct icmp_hdr *h)
{
    struct icmp_error e = {.from = pkt->src,
                           .type = h->type,
                           .code = h->code,
                           .ttl = pkt->ttl,
                           .tos = pkt->tos,
                           .ifindex = pkt->nif->index};

    if (icmp_error_read(pkt->payload + ICMP_HDR_BYTES, pkt->len - ICMP_HDR_BYTES, &e) < 0) {
        net->stats.icmp_in_bad++;
        return;
    }
    /* It must be about a packet of ours, and nobody may complain of a broadcast (RFC 1122 3.2.2).
     */
    if (!icmp_classify(&e) || !netif_find_addr(net, &e.src) || addr_is_multicast(&e.dst) ||
        netif_is_broadcast(pkt->nif, &e.dst))
        return;
    if (e.type == ICMP_UNREACHABLE && e.code == ICMP_UNREACH_FRAG_NEEDED)
        e.mtu = h->seq; /* believed when the transport knows the packet (RFC 5927 7.2) */
    icmp_error_deliver(net, &e);
}

uint32_t icmp_too_big(struct net *net, const struct icmp_error *e)
{
    if (e->mtu >= e->size) /* RFC 5927 7.2: it would have passed there */
        return 0;
    return path_set_mtu(net, &e->dst, e->mtu, e->size);
}

/* ---- echo ---- */

static void icmp_send(struct net *net, const struct ip_addr *src, const struct ip_addr *dst,
                      const struct icmp_hdr *h, uint8_t tos, const void *body, size_t body_bytes)
{
    struct ip_path path;
    const struct ip_tx tx = {
        .path = &path, .proto = IPPROTO_NUM_ICMP, .ttl = IP_TTL_DEFAULT, .tos = tos};
    struct frame f;

    if (path_lookup(net, dst, src, NULL, &path) < 0 || path.broadcast || path.multicast)
        return;
    frame_init(&f);
    icmp_emit(h, body, body_bytes, frame_push(&f, ICMP_HDR_BYTES));
    if (body_bytes)
        frame_add(&f, body, body_bytes);
    if (ip_output(net, &tx, &f, 0) == 0)
        net->stats.icmp_out++;
}

void icmp_input(struct net *net, const struct ip_packet *pkt)
{
    struct icmp_hdr h;

    net->stats.icmp_in++;
    if (icmp_parse(pkt->payload, pkt->len, &h) < 0) {
        net->stats.icmp_in_bad++;
        return;
    }
    if (!pkt->to) /* RFC 1122 3.2.2.6 leaves broadcast pings to us: no, as Linux */
        return;
    if (h.type != ICMP_ECHO_REQUEST) {
        icmp_error_input(net, pkt, &h);
        return;
    }
    if (pkt->to->borrowed)
        return;
    h.type = ICMP_ECHO_REPLY;
    h.code = 0;
    icmp_send(net, &pkt->dst, &pkt->src, &h, pkt->tos, pkt->payload + ICMP_HDR_BYTES,
              pkt->len - ICMP_HDR_BYTES);
}

/* ---- errors out ---- */

/* A token for an error, from a bucket of ICMP_BURST that fills with ICMP_PER_S. */
static bool icmp_take_token(struct net *net)
{
    uint64_t passed_us = net->now_us - net->icmp_tokens_at_us;
    uint64_t more = passed_us * ICMP_PER_S / US_PER_S;

    if (more >= ICMP_BURST) {
        net->icmp_tokens = ICMP_BURST;
        net->icmp_tokens_at_us = net->now_us;
    } else if (more > 0) {
        net->icmp_tokens += more;
        net->icmp_tokens_at_us += more * US_PER_S / ICMP_PER_S;
        if (net->icmp_tokens > ICMP_BURST)
            net->icmp_tokens = ICMP_BURST;
    }
    if (net->icmp_tokens == 0)
        return false;
    net->icmp_tokens--;
    return true;
}

/* RFC 1122 3.2.2: about what an error may be sent. */
static bool icmp_may_complain(const struct ip_packet *pkt)
{
    if (!pkt->to || pkt->to->borrowed || pkt->broadcast || pkt->multicast)
        return false;
    if (addr_get_v4(&pkt->src) == 0)
        return false;
    if (pkt->proto != IPPROTO_NUM_ICMP)
        return true;
    if (pkt->len < 1)
        return false;
    return pkt->payload[0] == ICMP_ECHO_REQUEST || pkt->payload[0] == ICMP_ECHO_REPLY;
}

void icmp_send_error(struct net *net, const struct ip_packet *pkt, uint8_t type, uint8_t code)
{
    const struct icmp_hdr h = {.type = type, .code = code};
    size_t quote = pkt->ip_hdr_bytes < ICMP_QUOTE_MAX ? pkt->ip_hdr_bytes : ICMP_QUOTE_MAX;

    if (!icmp_may_complain(pkt))
        return;
    if (!icmp_take_token(net)) {
        net->stats.icmp_out_limited++;
        return;
    }
    icmp_send(net, &pkt->dst, &pkt->src, &h, ICMP_TOS, pkt->ip_hdr, quote);
}
