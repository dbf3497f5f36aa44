/*
 * The fixed part of the TCP header (RFC 9293 3.1). Options have their own file; the checksum covers
 * a pseudo-header and the payload and is the caller's, on both ways. Reserved bits are sent as zero
 * and not looked at on receipt.
 */
#include "wire/tcp.h"

#include <errno.h>

int tcp_parse(const uint8_t *p, size_t len, struct tcp_hdr *out)
{
    size_t hdr_bytes;

    if (len < TCP_HDR_MIN)
        return -EBADMSG;
    hdr_bytes = (size_t)(p[12] >> 4) * 4;
    if (hdr_bytes < TCP_HDR_MIN || hdr_bytes > len)
        return -EBADMSG;
    out->src_port = get_be16(p);
    out->dst_port = get_be16(p + 2);
    out->seq = get_be32(p + 4);
    out->ack = get_be32(p + 8);
    out->hdr_bytes = (uint8_t)hdr_bytes;
    out->flags = p[13];
    out->wnd = get_be16(p + 14);
    out->urg = get_be16(p + 18);
    return 0;
}

size_t tcp_emit(const struct tcp_hdr *h, uint8_t *p)
{
    put_be16(p, h->src_port);
    put_be16(p + 2, h->dst_port);
    put_be32(p + 4, h->seq);
    put_be32(p + 8, h->ack);
    p[12] = (uint8_t)(h->hdr_bytes / 4 << 4);
    p[13] = h->flags;
    put_be16(p + 14, h->wnd);
    put_be16(p + 16, 0);
    put_be16(p + 18, h->urg);
    return TCP_HDR_MIN;
}

const char *tcp_flags_str(uint8_t flags, char *out)
{
    static const char name[8][4] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    char *end = out;

    if (flags == 0)
        return strcpy(out, "none");
    for (unsigned i = 0; i < 8; i++) {
        if (!(flags & 1u << i))
            continue;
        if (end != out)
            *end++ = ',';
        memcpy(end, name[i], sizeof(name[i]));
        end += 3;
    }
    return out;
}
