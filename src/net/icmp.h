/* ICMP: echo, errors out (rate-limited) and errors in (RFC 792, 1122 3.2.2, 1812 4.3.2.8). */
#ifndef SHIM_NET_ICMP_H
#define SHIM_NET_ICMP_H

#include "net/ip.h"
#include "wire/icmp.h"

/* An error about a packet of ours, as the transports see it. */
struct icmp_error {
    struct ip_addr from;     /* who sent it */
    struct ip_addr src, dst; /* of our packet */
    uint8_t proto;
    uint8_t ttl, tos; /* of the message, and the interface that it came in on */
    uint32_t ifindex;
    uint8_t type, code;
    int err;   /* the errno Linux gives for it: ECONNREFUSED, EHOSTUNREACH, EMSGSIZE ... */
    bool hard; /* RFC 1122 4.2.3.9: a hard error (still treated as soft by an established TCP) */
    uint32_t
        mtu; /* next-hop MTU of "fragmentation needed" as the router says, 0: it does not ... */
    uint32_t size;     /* ... and the size of the packet that was too big: for icmp_too_big() */
    const uint8_t *l4; /* the start of our transport header, at least 8 bytes */
    size_t l4_len;
};

void icmp_input(struct net *net, const struct ip_packet *pkt);
/* For transports that know the packet of e, a "fragmentation needed": believes what it says of the
 * path, for all flows to the destination. Returns path_set_mtu()'s value. */
uint32_t icmp_too_big(struct net *net, const struct icmp_error *e);
/* Sends an error about pkt, unless RFC 1122 3.2.2 forbids it, the rate limit is reached, or the
 * address it came to is borrowed. */
void icmp_send_error(struct net *net, const struct ip_packet *pkt, uint8_t type, uint8_t code);

#endif
