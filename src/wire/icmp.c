/*
 * ICMP messages: type, code, checksum, then one word whose meaning is the type's.
 *
 * The word is kept as two halves, id and seq, by its most frequent use. Elsewhere: "fragmentation
 * needed" has the next-hop MTU in seq (RFC 1191 4), a redirect its gateway's address in both,
 * "parameter problem" its pointer in the high byte of id (RFC 792).
 */
#include "wire/icmp.h"

#include <errno.h>

#include "wire/checksum.h"

int icmp_parse(const uint8_t *p, size_t len, struct icmp_hdr *out)
{
    if (len < ICMP_HDR_BYTES)
        return -EBADMSG;
    if (csum(p, len) != 0)
        return -EILSEQ;
    out->type = p[0];
    out->code = p[1];
    out->id = get_be16(p + 4);
    out->seq = get_be16(p + 6);
    return 0;
}

size_t icmp_emit(const struct icmp_hdr *h, const void *body, size_t body_bytes, uint8_t *p)
{
    struct csum c = {0};

    p[0] = h->type;
    p[1] = h->code;
    put_be16(p + 2, 0);
    put_be16(p + 4, h->id);
    put_be16(p + 6, h->seq);
    csum_add(&c, p, ICMP_HDR_BYTES);
    csum_add(&c, body, body_bytes);
    put_be16(p + 2, csum_finish(&c));
    return ICMP_HDR_BYTES;
}
