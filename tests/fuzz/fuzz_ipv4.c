/*
 * IPv4: an accepted header is written back byte for byte, but for the reserved flag and for the
 * second zero of the checksum. The option judge gets the options and, as an area of its own, the
 * raw input.
 */
#include "wire/ipv4.h"

#include "fuzz.h"
#include "wire/checksum.h"

static void check_options(const uint8_t *opt, size_t len)
{
    bool source_route;

    if (!ipv4_options_ok(opt, len, &source_route))
        return;
    FUZZ_CHECK(!source_route || memchr(opt, 131, len) != NULL || memchr(opt, 137, len) != NULL);
}

static void check_header(const uint8_t *data, size_t len)
{
    struct ipv4_hdr h;
    uint8_t p[IPV4_HDR_MAX];

    if (ipv4_parse(data, len, &h) != 0)
        return;
    FUZZ_CHECK(h.hdr_bytes >= IPV4_HDR_MIN && h.hdr_bytes <= IPV4_HDR_MAX);
    FUZZ_CHECK(h.hdr_bytes <= h.total_bytes && h.total_bytes <= len);
    check_options(h.options, h.hdr_bytes - IPV4_HDR_MIN);
    FUZZ_CHECK(ipv4_emit(&h, p) == h.hdr_bytes);
    FUZZ_CHECK(csum(p, h.hdr_bytes) == 0);
    p[6] |= data[6] & 0x80;
    FUZZ_CHECK(memcmp(p, data, 10) == 0);
    FUZZ_CHECK(memcmp(p + 12, data + 12, h.hdr_bytes - 12u) == 0);
}

FUZZ_TARGET(ipv4)
{
    size_t hdr_bytes;
    uint8_t *p;

    check_options(data, len);
    check_header(data, len);
    if (len < IPV4_HDR_MIN)
        return 0;

    /* Again, past the checksum. */
    hdr_bytes = (size_t)(data[0] & 15) * 4;
    if (hdr_bytes > len)
        hdr_bytes = IPV4_HDR_MIN;
    p = malloc(len);
    if (p == NULL)
        return 0;
    memcpy(p, data, len);
    put_be16(p + 10, 0);
    put_be16(p + 10, csum(p, hdr_bytes));
    check_header(p, len);
    free(p);
    return 0;
}
