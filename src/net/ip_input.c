/*
 * Receiving: from the frame to the transport.
 *
 * Each step drops what is wrong and counts it; nothing is answered that is not for us. Order of the
 * checks: link address, IPv4 header (wire), options, source (martians), destination, reassembly,
 * protocol.
 */
#include "net/net_int.h"

void net_input(struct net *net, struct netif *nif, const struct frame_in *in)
{
    struct ip_rx rx = {.flags = in->flags, .gso_size = in->gso_size};
    struct eth_hdr eth;

    if (net->env->trace) {
        const struct trace_event ev = {
            .kind = TRACE_FRAME_IN, .now_us = net->now_us, .nif = nif, .in = in};

        net->env->trace(net->env->ctx, &ev);
    }
    nif->stats.rx_frames++;
    nif->stats.rx_bytes += in->len;
    if (nif->type == NETIF_IP) {
        rx.data = in->data;
        rx.len = in->len;
        ip_input(net, nif, &rx);
        return;
    }
    if (eth_parse(in->data, in->len, &eth) < 0 || mac_is_multicast(&eth.src)) {
        nif->stats.rx_bad++;
        return;
    }
    rx.link_group = mac_is_multicast(&eth.dst);
    if (eth.vlan != 0 || (!rx.link_group && !mac_eq(&eth.dst, &nif->mac))) {
        nif->stats.rx_not_for_us++;
        return;
    }
    rx.data = in->data + eth.hdr_bytes;
    rx.len = in->len - eth.hdr_bytes;
    if (eth.type == ETHTYPE_IPV4)
        ip_input(net, nif, &rx);
    else if (eth.type == ETHTYPE_ARP)
        neighbour_arp_input(net, nif, rx.data, rx.len);
    else
        nif->stats.rx_unknown_proto++;
}

/* RFC 1122 3.2.1.3: sources that no packet from the outside has. */
static bool ip_source_martian(struct net *net, const struct netif *nif, const struct ip_packet *pkt,
                              bool from_self)
{
    const struct ip_addr *src = &pkt->src;
    uint32_t v4 = addr_get_v4(src);

    if (v4 == 0) /* a host that has no address yet, RFC 1122 3.2.1.3 (a) */
        return !addr_is_broadcast(&pkt->dst);
    if (v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 28 >= 14) /* 0/8, 127/8, class D and E */
        return true;
    if (netif_is_broadcast(nif, src))
        return true;
    return !from_self && netif_find_addr(net, src);
}

/* Fills in whom pkt is for. False: not us. */
static bool ip_classify(struct net *net, const struct netif *nif, struct ip_packet *pkt,
                        bool link_group)
{
    pkt->to = netif_find_addr(net, &pkt->dst);
    if (pkt->to)
        return !link_group; /* RFC 1122 3.3.6 */
    pkt->broadcast = netif_is_broadcast(nif, &pkt->dst);
    pkt->multicast = addr_is_multicast(&pkt->dst);
    return pkt->broadcast || pkt->multicast;
}

static void ip_deliver(struct net *net, const struct ip_packet *pkt)
{
    const struct net_upcalls *up = net->env->up;

    switch (pkt->proto) {
    case IPPROTO_NUM_TCP:
        if (pkt->to) /* RFC 9293 MUST-57, RFC 1122 4.2.3.10: never to a group */
            up->tcp_input(net, pkt);
        break;
    case IPPROTO_NUM_UDP:
        up->udp_input(net, pkt);
        break;
    case IPPROTO_NUM_ICMP:
        icmp_input(net, pkt);
        break;
    default:
        net->stats.ip_in_unknown_proto++;
        icmp_send_error(net, pkt, ICMP_UNREACHABLE, ICMP_UNREACH_PROTOCOL); /* RFC 1122 3.2.2.1 */
        break;
    }
}

void ip_input(struct net *net, struct netif *nif, const struct ip_rx *rx)
{
    struct ip_packet pkt = {.nif = nif};
    struct ipv4_hdr h;
    bool source_route;

    net->stats.ip_in++;
    if (ipv4_parse(rx->data, rx->len, &h) < 0) {
        net->stats.ip_in_bad++;
        nif->stats.rx_bad++;
        return;
    }
    /* Source routes are refused: RFC 1122 3.3.5 lets a host do so, and they serve attacks alone. */
    if (h.hdr_bytes > IPV4_HDR_MIN &&
        (!ipv4_options_ok(h.options, h.hdr_bytes - IPV4_HDR_MIN, &source_route) || source_route)) {
        net->stats.ip_in_options_bad++;
        return;
    }
    pkt.src = addr_v4(h.src);
    pkt.dst = addr_v4(h.dst);
    if (ip_source_martian(net, nif, &pkt, rx->from_self)) {
        net->stats.ip_in_martian++;
        return;
    }
    if (!ip_classify(net, nif, &pkt, rx->link_group)) {
        net->stats.ip_in_not_ours++;
        nif->stats.rx_not_for_us++;
        return;
    }
    pkt.payload = rx->data + h.hdr_bytes;
    pkt.len = (size_t)h.total_bytes - h.hdr_bytes;
    pkt.proto = h.proto;
    pkt.ttl = h.ttl;
    pkt.tos = h.tos;
    pkt.ip_hdr = rx->data;
    pkt.ip_hdr_bytes = h.total_bytes;
    if (h.mf || h.frag_offset) {
        struct reassembly_whole whole;

        if (reassembly_input(net, &pkt, &h, &whole)) {
            ip_deliver(net, &whole.pkt);
            reassembly_done(net, &whole);
        }
        return;
    }
    pkt.csum_good = rx->flags & (FRAME_CSUM_GOOD | FRAME_CSUM_UNFINISHED);
    pkt.gso_size = rx->gso_size;
    ip_deliver(net, &pkt);
}
