/*
 * The UDP header (RFC 768). The length field may be smaller than the bytes that came, which are
 * then padding, never larger. The checksum covers a pseudo-header and the payload and is the
 * caller's.
 */
#include "wire/udp.h"

#include <errno.h>

int udp_parse(const uint8_t *p, size_t len, struct udp_hdr *out)
{
    if (len < UDP_HDR_BYTES)
        return -EBADMSG;
    out->src_port = get_be16(p);
    out->dst_port = get_be16(p + 2);
    out->len_bytes = get_be16(p + 4);
    out->checksum = get_be16(p + 6);
    if (out->len_bytes < UDP_HDR_BYTES || out->len_bytes > len)
        return -EBADMSG;
    return 0;
}

size_t udp_emit(const struct udp_hdr *h, uint8_t *p)
{
    put_be16(p, h->src_port);
    put_be16(p + 2, h->dst_port);
    put_be16(p + 4, h->len_bytes);
    put_be16(p + 6, h->checksum);
    return UDP_HDR_BYTES;
}
