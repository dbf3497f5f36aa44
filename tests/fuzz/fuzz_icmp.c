/* ICMP: an accepted message's header is written back byte for byte, but for the checksum's second
 * zero. */
#include "wire/icmp.h"

#include "fuzz.h"
#include "wire/checksum.h"

static void check_message(const uint8_t *data, size_t len)
{
    struct icmp_hdr h;
    uint8_t p[ICMP_HDR_BYTES];
    struct csum c = {0};

    if (icmp_parse(data, len, &h) != 0)
        return;
    FUZZ_CHECK(len >= ICMP_HDR_BYTES);
    FUZZ_CHECK(icmp_emit(&h, data + ICMP_HDR_BYTES, len - ICMP_HDR_BYTES, p) == ICMP_HDR_BYTES);
    FUZZ_CHECK(memcmp(p, data, 2) == 0 && memcmp(p + 4, data + 4, 4) == 0);
    csum_add(&c, p, ICMP_HDR_BYTES);
    csum_add(&c, data + ICMP_HDR_BYTES, len - ICMP_HDR_BYTES);
    FUZZ_CHECK(csum_finish(&c) == 0);
}

FUZZ_TARGET(icmp)
{
    uint8_t *p;

    check_message(data, len);
    if (len < ICMP_HDR_BYTES)
        return 0;

    /* Again, past the checksum: now every message is accepted. */
    p = malloc(len);
    if (p == NULL)
        return 0;
    memcpy(p, data, len);
    put_be16(p + 2, 0);
    put_be16(p + 2, csum(p, len));
    FUZZ_CHECK(csum(p, len) == 0 || get_be16(p + 2) == 0xffff);
    check_message(p, len);
    free(p);
    return 0;
}
