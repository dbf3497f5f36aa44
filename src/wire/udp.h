/* UDP header (RFC 768). */
#ifndef SHIM_WIRE_UDP_H
#define SHIM_WIRE_UDP_H

#include "wire/wire.h"

#define UDP_HDR_BYTES 8u

struct udp_hdr {
    uint16_t src_port, dst_port;
    uint16_t len_bytes; /* header and payload; 8 .. the bytes given */
    uint16_t checksum;  /* as on the wire; 0: none */
};

/* -EBADMSG: shorter than the header, or len_bytes out of its range. */
int udp_parse(const uint8_t *p, size_t len, struct udp_hdr *out);
size_t udp_emit(const struct udp_hdr *h, uint8_t *p);

#endif
