/*
 * TCP options: MSS (RFC 9293 3.7.1), window scale and timestamps (RFC 7323), SACK (RFC 2018), Fast
 * Open (RFC 7413). Unknown options are skipped, and so are known ones of a wrong length; a length
 * that cannot be ends the parse. No segment need be rejected for an option (RFC 9293 3.1, MUST-6
 * and MUST-7).
 */
#ifndef SHIM_WIRE_TCP_OPTIONS_H
#define SHIM_WIRE_TCP_OPTIONS_H

#include "wire/wire.h"

#define TCP_OPTIONS_MAX 40u
#define TCP_SACK_MAX    4u
#define TCP_WSCALE_MAX  14u

struct tcp_sack_block {
    uint32_t start, end;
};

struct tcp_options {
    bool has_mss, has_wscale, has_ts, sack_permitted, has_tfo;
    uint16_t mss;
    uint8_t wscale;
    uint32_t ts_val, ts_ecr;
    uint8_t sack_len; /* blocks in use */
    struct tcp_sack_block sack[TCP_SACK_MAX];
    uint8_t tfo_len; /* cookie length; 0: a request */
    uint8_t tfo_cookie[16];
};

/* p, len: the option area (hdr_bytes - 20). Returns 0, or -EBADMSG when an option's length is below
 * 2 or beyond the area: what came before it is in *out all the same. A shift count above
 * TCP_WSCALE_MAX is read as that (RFC 7323 2.3), an MSS of 0 as none. Whether an option may stand
 * in this segment (MSS, window scale, SACK permitted, Fast Open: SYN only) is for the caller to
 * judge. */
int tcp_options_parse(const uint8_t *p, size_t len, struct tcp_options *out);
/* Writes at most TCP_OPTIONS_MAX bytes, padded with NOPs to a multiple of 4, in the order that
 * Linux uses (MSS, SACK permitted, timestamps, window scale, Fast Open; timestamps then SACK blocks
 * on data). SACK blocks that no longer fit are left out: the last ones. Returns the length. */
size_t tcp_options_emit(const struct tcp_options *o, uint8_t *p);
/* The same for the options that nearly every segment has, timestamps alone. Returns
 * TCP_OPTIONS_TS_BYTES.
 */
#define TCP_OPTIONS_TS_BYTES 12u
size_t tcp_options_emit_ts(uint32_t ts_val, uint32_t ts_ecr, uint8_t *p);

#endif
