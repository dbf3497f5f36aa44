/*
 * Checksum: however the bytes are cut, the sum is that of 16-bit words added one by one. The first
 * byte says how many cuts there are, the next ones how long each piece is.
 */
#include "wire/checksum.h"

#include "fuzz.h"

static uint16_t slow(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

FUZZ_TARGET(checksum)
{
    struct csum c = {0};
    size_t cuts, at = 0;

    if (len == 0)
        return 0;
    cuts = data[0] < len ? data[0] : len - 1;
    for (size_t i = 0; i < cuts; i++) {
        size_t n = data[1 + i] < len - at ? data[1 + i] : len - at;

        csum_add(&c, data + at, n);
        at += n;
    }
    csum_add(&c, data + at, len - at);
    FUZZ_CHECK(c.odd == len % 2);
    FUZZ_CHECK(csum_finish(&c) == slow(data, len));
    FUZZ_CHECK(csum(data, len) == slow(data, len));
    FUZZ_CHECK(csum_partial(&c) + csum_finish(&c) == 0xffff);
    return 0;
}
