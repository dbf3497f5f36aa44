/* The IP layer: input, output, fragmentation (RFC 791, 1122). */
#ifndef SHIM_NET_IP_H
#define SHIM_NET_IP_H

#include "net/frame.h"
#include "net/netif.h"
#include "net/route.h"

/* A packet for one of our addresses, reassembled, as the transports see it. Borrowed for the call.
 */
struct ip_packet {
    struct netif *nif;     /* it came in here */
    struct netif_addr *to; /* the address it is for; NULL for broadcast and multicast */
    struct ip_addr src, dst;
    const uint8_t *payload;
    size_t len;
    uint8_t proto, ttl, tos;
    bool broadcast, multicast; /* by dst or by the link's address */
    bool csum_good;            /* the transport checksum need not be verified */
    uint16_t gso_size;         /* of a super-frame; 0: unknown or none */
    const uint8_t *ip_hdr; /* header and at least the first 8 bytes behind it, for ICMP errors */
    size_t ip_hdr_bytes;
};

/* How to send. */
struct ip_tx {
    struct ip_path *path;
    uint8_t proto, ttl, tos;
    bool df;     /* do not fragment: a packet larger than the path's MTU is -EMSGSIZE */
    bool if_mtu; /* the interface's MTU counts, not the path's (IP_PMTUDISC_PROBE, _INTERFACE) */
};

#define IP_TTL_DEFAULT 64

/* A frame from nif: Ethernet or bare IP by its type. Never fails: what is wrong is counted and
 * dropped. */
void net_input(struct net *net, struct netif *nif, const struct frame_in *in);

/*
 * Sends f, whose head is the transport header and body the payload, along tx->path. For TCP and UDP
 * the checksum is made here: csum_offset says where its field is in the transport header (already
 * pushed); or 0 for none. A super-frame (f->gso_size) goes through uncut; otherwise a packet larger
 * than the MTU is fragmented unless tx->df. Packets wait, copied, while the neighbour is being
 * resolved. 0; -EMSGSIZE; -EHOSTUNREACH (neighbour known dead); -ENOBUFS, -ENETDOWN (the link);
 * -ENOMEM; and path_refresh()'s.
 */
int ip_output(struct net *net, const struct ip_tx *tx, struct frame *f, uint16_t csum_offset);

#endif
