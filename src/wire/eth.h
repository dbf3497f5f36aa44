/* Ethernet II (RFC 894), with one 802.1Q tag understood on receipt. */
#ifndef SHIM_WIRE_ETH_H
#define SHIM_WIRE_ETH_H

#include "wire/wire.h"

#define ETH_HDR_BYTES 14u
#define ETHTYPE_IPV4  0x0800u
#define ETHTYPE_ARP   0x0806u
#define ETHTYPE_VLAN  0x8100u
#define ETHTYPE_IPV6  0x86ddu

struct mac {
    uint8_t b[6];
};

struct eth_hdr {
    struct mac dst, src;
    uint16_t type;      /* of the payload, behind a tag if there is one */
    uint16_t vlan;      /* VLAN identifier, 0 without a tag */
    uint16_t hdr_bytes; /* where the payload starts */
};

#define MAC_STR_MAX 18

/* -EBADMSG: shorter than the header, or than header and tag. A second tag stays: type ETHTYPE_VLAN.
 */
int eth_parse(const uint8_t *p, size_t len, struct eth_hdr *out);
/* Writes ETH_HDR_BYTES (no tag). */
size_t eth_emit(const struct eth_hdr *h, uint8_t *p);
bool mac_is_broadcast(const struct mac *m);
bool mac_is_multicast(const struct mac *m); /* the group bit, broadcast included */
bool mac_eq(const struct mac *a, const struct mac *b);
/* "02:00:00:00:00:01" into out (MAC_STR_MAX bytes); returns out. */
const char *mac_str(const struct mac *m, char *out);

#endif
