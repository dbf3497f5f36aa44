/* IPv4 header (RFC 791). */
#ifndef SHIM_WIRE_IPV4_H
#define SHIM_WIRE_IPV4_H

#include "wire/wire.h"

#define IPV4_HDR_MIN 20u
#define IPV4_HDR_MAX 60u
#define IPV4_MAX     65535u

#define IPPROTO_NUM_ICMP 1u
#define IPPROTO_NUM_TCP  6u
#define IPPROTO_NUM_UDP  17u

struct ipv4_hdr {
    uint32_t src, dst;
    uint16_t total_bytes; /* header and payload */
    uint16_t id;
    uint16_t frag_offset; /* in bytes */
    uint8_t tos;          /* DSCP and ECN */
    uint8_t ttl;
    uint8_t proto;
    uint8_t hdr_bytes; /* 20 .. 60 */
    bool df, mf;
    uint8_t options[40]; /* hdr_bytes - 20 of them */
};

/* Checks version, lengths against len (total_bytes <= len; trailing padding is allowed) and the
 * header checksum: -EBADMSG, or -EILSEQ for a wrong checksum. */
int ipv4_parse(const uint8_t *p, size_t len, struct ipv4_hdr *out);
/* Writes hdr_bytes (a multiple of 4) with the checksum. frag_offset is a multiple of 8. */
size_t ipv4_emit(const struct ipv4_hdr *h, uint8_t *p);

/* Is the option area well formed (RFC 791 3.1, RFC 1122 3.2.1.8)? Unknown options are.
 * source_route: a loose or strict source route was met before the end or the first mistake. */
bool ipv4_options_ok(const uint8_t *opt, size_t len, bool *source_route);

#endif
