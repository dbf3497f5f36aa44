/* ARP for IPv4 over Ethernet (RFC 826). */
#ifndef SHIM_WIRE_ARP_H
#define SHIM_WIRE_ARP_H

#include "wire/eth.h"

#define ARP_BYTES   28u
#define ARP_REQUEST 1u
#define ARP_REPLY   2u

struct arp {
    uint16_t op;
    struct mac sha, tha; /* sender's and target's hardware address */
    uint32_t spa, tpa;   /* sender's and target's protocol address */
};

/* -EBADMSG also for another hardware or protocol type or length. */
int arp_parse(const uint8_t *p, size_t len, struct arp *out);
size_t arp_emit(const struct arp *a, uint8_t *p);

#endif
