/* TCP header (RFC 9293 3.1). */
#ifndef SHIM_WIRE_TCP_H
#define SHIM_WIRE_TCP_H

#include "wire/wire.h"

#define TCP_HDR_MIN 20u
#define TCP_HDR_MAX 60u

enum tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

struct tcp_hdr {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint16_t wnd; /* as on the wire, unscaled */
    uint16_t urg;
    uint8_t flags;     /* enum tcp_flag */
    uint8_t hdr_bytes; /* 20 .. 60 */
};

/* -EBADMSG: shorter than its header, or a data offset below 5. Reserved bits are ignored. */
int tcp_parse(const uint8_t *p, size_t len, struct tcp_hdr *out);
/* Writes the fixed 20 bytes, checksum zero; options behind them are the caller's. */
size_t tcp_emit(const struct tcp_hdr *h, uint8_t *p);

#define TCP_FLAGS_STR_MAX 40

/* "SYN", "SYN,ACK", "FIN,PSH,ACK" ... or "none" into out (TCP_FLAGS_STR_MAX bytes);
 * returns out. */
const char *tcp_flags_str(uint8_t flags, char *out);

#endif
