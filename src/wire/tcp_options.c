/*
 * TCP options.
 *
 * Parsing walks the area once. A length that cannot be (below 2, or beyond the area) ends the walk
 * with an error, since nothing behind it can be trusted; an option that is whole but of another
 * length than its kind has is skipped like an unknown one. The segment itself stays acceptable
 * either way.
 *
 * Emission keeps every option on a 4-byte boundary, the timestamps' two words too, filling up with
 * NOPs:
 *
 *      SYN       MSS 4 | SACK permitted 2 + timestamps 10 | NOP + window scale 3 | Fast Open ..20
 *      data      NOP NOP timestamps 10 | NOP NOP SACK 2 + 8 n
 *
 * All of the first line together are 40 bytes. SACK blocks get the room that the others leave: 3
 * beside timestamps, 4 without (RFC 2018 3).
 */
#include "wire/tcp_options.h"

#include <errno.h>

enum tcp_option {
    TCP_OPT_END = 0,
    TCP_OPT_NOP = 1,
    TCP_OPT_MSS = 2,
    TCP_OPT_WSCALE = 3,
    TCP_OPT_SACK_PERMITTED = 4,
    TCP_OPT_SACK = 5,
    TCP_OPT_TIMESTAMPS = 8,
    TCP_OPT_FAST_OPEN = 34,
};

#define MSS_BYTES            4u
#define WSCALE_BYTES         3u
#define SACK_PERMITTED_BYTES 2u
#define TIMESTAMPS_BYTES     10u
#define SACK_BASE_BYTES      2u
#define SACK_BLOCK_BYTES     8u
#define FAST_OPEN_BASE_BYTES 2u
#define COOKIE_MIN           4u
#define COOKIE_MAX           16u

static void parse_sack(const uint8_t *o, size_t size, struct tcp_options *out)
{
    size_t n = (size - SACK_BASE_BYTES) / SACK_BLOCK_BYTES;

    if (n == 0 || n > TCP_SACK_MAX || size != SACK_BASE_BYTES + n * SACK_BLOCK_BYTES)
        return;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *b = o + SACK_BASE_BYTES + i * SACK_BLOCK_BYTES;

        out->sack[i].start = get_be32(b);
        out->sack[i].end = get_be32(b + 4);
    }
    out->sack_len = (uint8_t)n;
}

/* RFC 7413 4.1.1: a cookie is 4 to 16 bytes and even; none: a request for one. */
static void parse_fast_open(const uint8_t *o, size_t size, struct tcp_options *out)
{
    size_t n = size - FAST_OPEN_BASE_BYTES;

    if (n != 0 && (n < COOKIE_MIN || n > COOKIE_MAX || n % 2 != 0))
        return;
    out->has_tfo = true;
    out->tfo_len = (uint8_t)n;
    memcpy(out->tfo_cookie, o + FAST_OPEN_BASE_BYTES, n);
}

/* One whole option of size >= 2 bytes. A repeated option replaces the one before. */
static void parse_option(const uint8_t *o, size_t size, struct tcp_options *out)
{
    switch (o[0]) {
    case TCP_OPT_MSS:
        /* Zero would stop the connection: as if the option were not there. */
        if (size == MSS_BYTES && get_be16(o + 2) != 0) {
            out->has_mss = true;
            out->mss = get_be16(o + 2);
        }
        break;
    case TCP_OPT_WSCALE:
        if (size == WSCALE_BYTES) {
            out->has_wscale = true;
            /* RFC 7323 2.3: a larger shift count is taken as 14. */
            out->wscale = o[2] < TCP_WSCALE_MAX ? o[2] : TCP_WSCALE_MAX;
        }
        break;
    case TCP_OPT_SACK_PERMITTED:
        out->sack_permitted = out->sack_permitted || size == SACK_PERMITTED_BYTES;
        break;
    case TCP_OPT_SACK:
        parse_sack(o, size, out);
        break;
    case TCP_OPT_TIMESTAMPS:
        if (size == TIMESTAMPS_BYTES) {
            out->has_ts = true;
            out->ts_val = get_be32(o + 2);
            out->ts_ecr = get_be32(o + 6);
        }
        break;
    case TCP_OPT_FAST_OPEN:
        parse_fast_open(o, size, out);
        break;
    default: /* RFC 9293 3.1, MUST-6 */
        break;
    }
}

int tcp_options_parse(const uint8_t *p, size_t len, struct tcp_options *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < len && p[i] != TCP_OPT_END;) {
        if (p[i] == TCP_OPT_NOP) {
            i++;
            continue;
        }
        /* RFC 9293 3.1, MUST-7: an illegal length is survived. */
        if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
            return -EBADMSG;
        parse_option(p + i, p[i + 1], out);
        i += p[i + 1];
    }
    return 0;
}

static uint8_t *emit_head(uint8_t *p, enum tcp_option kind, size_t size)
{
    p[0] = (uint8_t)kind;
    p[1] = (uint8_t)size;
    return p + 2;
}

static uint8_t *emit_nops(uint8_t *p, size_t n)
{
    memset(p, TCP_OPT_NOP, n);
    return p + n;
}

/* In front of timestamps the permission takes the place of two NOPs. */
static uint8_t *emit_sack_permitted_and_ts(const struct tcp_options *o, uint8_t *p)
{
    if (!o->sack_permitted || !o->has_ts)
        p = emit_nops(p, 2);
    if (o->sack_permitted)
        p = emit_head(p, TCP_OPT_SACK_PERMITTED, SACK_PERMITTED_BYTES);
    if (o->has_ts) {
        p = emit_head(p, TCP_OPT_TIMESTAMPS, TIMESTAMPS_BYTES);
        put_be32(p, o->ts_val);
        put_be32(p + 4, o->ts_ecr);
        p += 8;
    }
    return p;
}

static uint8_t *emit_fast_open(const struct tcp_options *o, uint8_t *p)
{
    size_t size = FAST_OPEN_BASE_BYTES + o->tfo_len;

    p = emit_head(p, TCP_OPT_FAST_OPEN, size);
    memcpy(p, o->tfo_cookie, o->tfo_len);
    return emit_nops(p + o->tfo_len, -size & 3);
}

static uint8_t *emit_sack(const struct tcp_options *o, size_t room, uint8_t *p)
{
    size_t n = o->sack_len;

    if (room < 2 + SACK_BASE_BYTES + SACK_BLOCK_BYTES)
        return p;
    if (n > (room - 2 - SACK_BASE_BYTES) / SACK_BLOCK_BYTES)
        n = (room - 2 - SACK_BASE_BYTES) / SACK_BLOCK_BYTES;
    p = emit_nops(p, 2);
    p = emit_head(p, TCP_OPT_SACK, SACK_BASE_BYTES + n * SACK_BLOCK_BYTES);
    for (size_t i = 0; i < n; i++, p += SACK_BLOCK_BYTES) {
        put_be32(p, o->sack[i].start);
        put_be32(p + 4, o->sack[i].end);
    }
    return p;
}

size_t tcp_options_emit(const struct tcp_options *o, uint8_t *p)
{
    uint8_t *q = p;

    if (o->has_mss) {
        q = emit_head(q, TCP_OPT_MSS, MSS_BYTES);
        put_be16(q, o->mss);
        q += 2;
    }
    if (o->sack_permitted || o->has_ts)
        q = emit_sack_permitted_and_ts(o, q);
    if (o->has_wscale) {
        q = emit_nops(q, 1);
        q = emit_head(q, TCP_OPT_WSCALE, WSCALE_BYTES);
        *q++ = o->wscale;
    }
    if (o->has_tfo)
        q = emit_fast_open(o, q);
    if (o->sack_len > 0)
        q = emit_sack(o, TCP_OPTIONS_MAX - (size_t)(q - p), q);
    return (size_t)(q - p);
}

size_t tcp_options_emit_ts(uint32_t ts_val, uint32_t ts_ecr, uint8_t *p)
{
    uint8_t *q = emit_head(emit_nops(p, 2), TCP_OPT_TIMESTAMPS, TIMESTAMPS_BYTES);

    put_be32(q, ts_val);
    put_be32(q + 4, ts_ecr);
    return TCP_OPTIONS_TS_BYTES;
}
