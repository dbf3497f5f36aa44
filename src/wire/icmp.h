/* ICMP (RFC 792, RFC 1191 for the next-hop MTU). */
#ifndef SHIM_WIRE_ICMP_H
#define SHIM_WIRE_ICMP_H

#include "wire/wire.h"

#define ICMP_HDR_BYTES 8u

enum icmp_type {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACHABLE = 3,
    ICMP_SOURCE_QUENCH = 4,
    ICMP_REDIRECT = 5,
    ICMP_ECHO_REQUEST = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP_PARAMETER_PROBLEM = 12,
};

enum icmp_unreachable {
    ICMP_UNREACH_NET = 0,
    ICMP_UNREACH_HOST = 1,
    ICMP_UNREACH_PROTOCOL = 2,
    ICMP_UNREACH_PORT = 3,
    ICMP_UNREACH_FRAG_NEEDED = 4,
    ICMP_UNREACH_SOURCE_ROUTE = 5,
    ICMP_UNREACH_NET_UNKNOWN = 6,
    ICMP_UNREACH_HOST_UNKNOWN = 7,
    ICMP_UNREACH_ISOLATED = 8,
    ICMP_UNREACH_NET_PROHIBITED = 9,
    ICMP_UNREACH_HOST_PROHIBITED = 10,
    ICMP_UNREACH_NET_TOS = 11,
    ICMP_UNREACH_HOST_TOS = 12,
    ICMP_UNREACH_ADMIN_PROHIBITED = 13,
    ICMP_UNREACH_PRECEDENCE = 14,
    ICMP_UNREACH_PRECEDENCE_CUTOFF = 15,
};

struct icmp_hdr {
    uint8_t type, code;
    uint16_t id, seq; /* echo; for "fragmentation needed", seq is the next-hop MTU (RFC 1191 4) */
};

/* len is the whole message; checks its checksum: -EBADMSG, or -EILSEQ for a wrong one. */
int icmp_parse(const uint8_t *p, size_t len, struct icmp_hdr *out);
/* Writes the 8-byte header with a checksum over itself and body, which is only read and may already
 * stand at p + 8. */
size_t icmp_emit(const struct icmp_hdr *h, const void *body, size_t body_bytes, uint8_t *p);

#endif
