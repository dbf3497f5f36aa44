/*
 * The IPv4 header.
 *
 * Parsing holds what RFC 1122 3.2.1 asks of every datagram before anything else looks at it:
 * version, the two lengths against each other and against the bytes that came, and the checksum.
 * The option area is copied unread; ipv4_options_ok() judges it, for the few datagrams that have
 * one. Whether a fragment reaches beyond 65535 bytes is reassembly's question.
 */
#include "wire/ipv4.h"

#include <errno.h>

#include "wire/checksum.h"

#define IPV4_VERSION  4u
#define IPV4_DF       0x4000u
#define IPV4_MF       0x2000u
#define IPV4_OFF_MASK 0x1fffu

enum ipv4_option {
    IPV4_OPT_END = 0,
    IPV4_OPT_NOP = 1,
    IPV4_OPT_RECORD_ROUTE = 7,
    IPV4_OPT_TIMESTAMP = 68,
    IPV4_OPT_LSRR = 131,
    IPV4_OPT_SSRR = 137,
    IPV4_OPT_ROUTER_ALERT = 148,
};

int ipv4_parse(const uint8_t *p, size_t len, struct ipv4_hdr *out)
{
    size_t hdr_bytes, total_bytes;
    uint16_t frag;

    if (len < IPV4_HDR_MIN || p[0] >> 4 != IPV4_VERSION) /* RFC 1122 3.2.1.1 */
        return -EBADMSG;
    hdr_bytes = (size_t)(p[0] & 0x0f) * 4;
    total_bytes = get_be16(p + 2);
    if (hdr_bytes < IPV4_HDR_MIN || hdr_bytes > total_bytes || total_bytes > len)
        return -EBADMSG;
    if (csum(p, hdr_bytes) != 0) /* RFC 1122 3.2.1.2 */
        return -EILSEQ;

    out->hdr_bytes = (uint8_t)hdr_bytes;
    out->tos = p[1];
    out->total_bytes = (uint16_t)total_bytes;
    out->id = get_be16(p + 4);
    frag = get_be16(p + 6);
    out->df = frag & IPV4_DF;
    out->mf = frag & IPV4_MF;
    out->frag_offset = (uint16_t)((frag & IPV4_OFF_MASK) * 8);
    out->ttl = p[8];
    out->proto = p[9];
    out->src = get_be32(p + 12);
    out->dst = get_be32(p + 16);
    memset(out->options, 0, sizeof(out->options));
    memcpy(out->options, p + IPV4_HDR_MIN, hdr_bytes - IPV4_HDR_MIN);
    return 0;
}

size_t ipv4_emit(const struct ipv4_hdr *h, uint8_t *p)
{
    p[0] = (uint8_t)(IPV4_VERSION << 4 | h->hdr_bytes / 4);
    p[1] = h->tos;
    put_be16(p + 2, h->total_bytes);
    put_be16(p + 4, h->id);
    put_be16(p + 6, (uint16_t)((h->df ? IPV4_DF : 0) | (h->mf ? IPV4_MF : 0) | h->frag_offset / 8));
    p[8] = h->ttl;
    p[9] = h->proto;
    put_be16(p + 10, 0);
    put_be32(p + 12, h->src);
    put_be32(p + 16, h->dst);
    memcpy(p + IPV4_HDR_MIN, h->options, h->hdr_bytes - IPV4_HDR_MIN);
    put_be16(p + 10, csum(p, h->hdr_bytes));
    return h->hdr_bytes;
}

/* One option of more than a byte; o points at its type, size bytes are its own (RFC 791 3.1). */
static bool option_ok(const uint8_t *o, size_t size)
{
    switch (o[0]) {
    case IPV4_OPT_LSRR:
    case IPV4_OPT_SSRR:
    case IPV4_OPT_RECORD_ROUTE:
        /* The pointer counts from 1 and lies behind itself; past the end: no room left. Else a
         * whole address must fit. */
        return size >= 3 && o[2] >= 4 && (o[2] > size || o[2] + 3u <= size);
    case IPV4_OPT_TIMESTAMP:
        return size >= 4 && o[2] >= 5;
    case IPV4_OPT_ROUTER_ALERT: /* RFC 2113 2.1 */
        return size == 4;
    default: /* not known: skipped, RFC 1122 3.2.1.8 */
        return true;
    }
}

bool ipv4_options_ok(const uint8_t *opt, size_t len, bool *source_route)
{
    *source_route = false;
    for (size_t i = 0; i < len && opt[i] != IPV4_OPT_END;) {
        size_t size;

        if (opt[i] == IPV4_OPT_NOP) {
            i++;
            continue;
        }
        if (len - i < 2)
            return false;
        size = opt[i + 1];
        if (size < 2 || size > len - i || !option_ok(opt + i, size))
            return false;
        if (opt[i] == IPV4_OPT_LSRR || opt[i] == IPV4_OPT_SSRR) {
            if (*source_route) /* at most once in a datagram, RFC 791 3.1 */
                return false;
            *source_route = true;
        }
        i += size;
    }
    return true;
}
