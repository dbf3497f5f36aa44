/*
 * Neighbours: who has which link address. ARP for IPv4 (RFC 826, 1122 2.3.2, 5227); built so that
 * neighbour discovery of IPv6 uses the same table and states (RFC 4861 7.3).
 */
#ifndef SHIM_NET_NEIGHBOUR_H
#define SHIM_NET_NEIGHBOUR_H

#include "net/frame.h"
#include "net/netif.h"

enum neighbour_state {
    NEIGHBOUR_INCOMPLETE, /* asked, no answer yet; packets wait */
    NEIGHBOUR_REACHABLE,
    NEIGHBOUR_STALE,  /* usable, confirmed on next use */
    NEIGHBOUR_PROBE,  /* usable, being confirmed by unicast requests */
    NEIGHBOUR_FAILED, /* no answer; the next packet asks again */
};

/* Sends the IP packet in f to next_hop on nif, resolving it first if need be (the packet is copied
 * and waits; when too many wait, the oldest is dropped, as Linux does). When nobody answers, each
 * waiting packet becomes an EHOSTUNREACH to its transport. 0, -ENOBUFS (too much waits for too many
 * neighbours), -ENOMEM, and net_transmit()'s. */
int neighbour_output(struct net *net, struct netif *nif, const struct ip_addr *next_hop,
                     struct frame *f);
/* An ARP packet came in. */
void neighbour_arp_input(struct net *net, struct netif *nif, const uint8_t *p, size_t len);
/* A transport had forward progress through next_hop: it is alive (RFC 4861 7.3.1). */
void neighbour_confirm(struct net *net, struct netif *nif, const struct ip_addr *next_hop);

#endif
