/* ARP (RFC 826): packets out, and what packets in teach (neighbour.c keeps it). */
#include "net/net_int.h"

void neighbour_arp_send(struct net *net, struct netif *nif, uint16_t op, const struct mac *dst,
                        uint32_t spa, const struct mac *tha, uint32_t tpa)
{
    struct arp arp = {.op = op, .sha = nif->mac, .spa = spa, .tpa = tpa};
    struct frame f;

    if (tha)
        arp.tha = *tha;
    frame_init(&f);
    arp_emit(&arp, frame_push(&f, ARP_BYTES));
    if (op == ARP_REQUEST)
        net->stats.arp_requests_out++;
    else
        net->stats.arp_replies_out++;
    neighbour_transmit(net, nif, dst, ETHTYPE_ARP, &f);
}

static bool arp_sane(const struct netif *nif, const struct arp *a)
{
    static const struct mac zero;
    struct ip_addr spa = addr_v4(a->spa), tpa = addr_v4(a->tpa);

    if (a->op != ARP_REQUEST && a->op != ARP_REPLY)
        return false;
    if (mac_is_multicast(&a->sha) || mac_eq(&a->sha, &zero))
        return false;
    /* RFC 5227 2.1.1: 0 as sender is a probe. */
    if (a->spa == 0)
        return a->op == ARP_REQUEST;
    return !addr_is_multicast(&spa) && !addr_is_loopback(&spa) && !addr_is_multicast(&tpa) &&
           !addr_is_loopback(&tpa) && !netif_is_broadcast(nif, &spa);
}

void neighbour_arp_input(struct net *net, struct netif *nif, const uint8_t *p, size_t len)
{
    struct arp a;
    struct ip_addr spa, tpa;
    const struct netif_addr *to;
    bool ours;

    net->stats.arp_in++;
    if (nif->type != NETIF_ETHERNET || arp_parse(p, len, &a) < 0 || !arp_sane(nif, &a)) {
        net->stats.arp_in_bad++;
        return;
    }
    /* From this host: in host mode the kernel's own, which share our MAC. */
    if (mac_eq(&a.sha, &nif->mac) || acd_input(net, nif, &a))
        return;
    spa = addr_v4(a.spa);
    tpa = addr_v4(a.tpa);
    to = netif_find_addr(net, &tpa);
    if (to && to->nif != nif)
        to = NULL;
    ours = to && !to->borrowed;
    /* RFC 826: a known sender is updated in any case, a new one is entered when it asks for us (in
     * host mode the kernel is asked, and its neighbours are many). */
    if (a.spa != 0)
        neighbour_learn(net, nif, &spa, &a.sha, a.op == ARP_REPLY && to,
                        a.op == ARP_REQUEST && ours);
    if (a.op == ARP_REQUEST && ours)
        neighbour_arp_send(net, nif, ARP_REPLY, &a.sha, a.tpa, &a.sha, a.spa);
}
