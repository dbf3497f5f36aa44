/*
 * The Internet checksum.
 *
 * The ones' complement sum of 16-bit words is a sum modulo 2^16 - 1. That number divides 2^64 - 1,
 * so words of 64 bits are added with an end-around carry and folded only at the end (RFC 1071 2
 * (C)). For the same reason the sum is kept in the machine's own byte order and turned once, in the
 * result (RFC 1071 2 (B)), and a piece that starts at an odd offset is put right by rotating its
 * sum by 8 bits, which swaps the bytes of every 16-bit word.
 *
 * There are two zeros. A sum is 0 only when every byte is 0, otherwise a multiple of 2^16 - 1 folds
 * to 0xffff. So csum_finish() gives 0xffff for no data and 0 for data that sum to the other zero.
 * UDP, where 0 in the field says "no checksum", sends 0xffff instead (RFC 768): that is left to the
 * caller.
 */
#include "wire/checksum.h"

static uint64_t add_carry(uint64_t a, uint64_t b)
{
    uint64_t s = a + b;

    return s + (s < b);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

static uint64_t load32(const uint8_t *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

static uint64_t load16(const uint8_t *p)
{
    uint16_t w;

    memcpy(&w, p, sizeof(w));
    return w;
}

/* The sum of a piece that starts at an even offset, in the machine's byte order. */
static uint64_t sum_piece(const uint8_t *p, size_t len)
{
    uint64_t s = 0;

    if (len >= 32) { /* four sums that do not wait for each other's carry */
        uint64_t s1 = 0, s2 = 0, s3 = 0;

        for (; len >= 32; p += 32, len -= 32) {
            s = add_carry(s, load64(p));
            s1 = add_carry(s1, load64(p + 8));
            s2 = add_carry(s2, load64(p + 16));
            s3 = add_carry(s3, load64(p + 24));
        }
        s = add_carry(add_carry(s, s1), add_carry(s2, s3));
    }
    for (; len >= 8; p += 8, len -= 8)
        s = add_carry(s, load64(p));
    if (len & 4) {
        s = add_carry(s, load32(p));
        p += 4;
    }
    if (len & 2) {
        s = add_carry(s, load16(p));
        p += 2;
    }
    if (len & 1) /* the last byte is the high half of a word that a zero fills up */
        s = add_carry(s, load16((const uint8_t[2]){p[0], 0}));
    return s;
}

void csum_add(struct csum *c, const void *data, size_t len)
{
    uint64_t s = sum_piece(data, len);

    if (c->odd)
        s = s << 8 | s >> 56;
    c->sum = add_carry(c->sum, s);
    c->odd ^= len & 1;
}

void csum_add_iov(struct csum *c, const struct iovec *iov, size_t niov)
{
    for (size_t i = 0; i < niov; i++)
        csum_add(c, iov[i].iov_base, iov[i].iov_len);
}

void csum_add_pseudo(struct csum *c, const struct ip_addr *src, const struct ip_addr *dst,
                     uint8_t proto, uint32_t len)
{
    uint8_t h[40];
    size_t n;

    if (addr_is_v4(src) && addr_is_v4(dst)) {
        memcpy(h, src->b + 12, 4);
        memcpy(h + 4, dst->b + 12, 4);
        put_be32(h + 8, (uint32_t)proto << 16 | (len & 0xffff));
        n = 12;
    } else {
        memcpy(h, src->b, 16);
        memcpy(h + 16, dst->b, 16);
        put_be32(h + 32, len);
        put_be32(h + 36, proto);
        n = 40;
    }
    c->sum = add_carry(c->sum, sum_piece(h, n));
}

uint16_t csum_partial(const struct csum *c)
{
    uint64_t s = c->sum;
    uint8_t b[2];
    uint16_t folded;

    s = (s >> 32) + (s & 0xffffffff);
    s = (s >> 32) + (s & 0xffffffff);
    s = (s >> 16) + (s & 0xffff);
    s = (s >> 16) + (s & 0xffff);
    folded = (uint16_t)((s >> 16) + s);
    memcpy(b, &folded, sizeof(b));
    return get_be16(b);
}

uint16_t csum_finish(const struct csum *c)
{
    return (uint16_t)~csum_partial(c);
}

uint16_t csum(const void *data, size_t len)
{
    struct csum c = {0};

    csum_add(&c, data, len);
    return csum_finish(&c);
}
