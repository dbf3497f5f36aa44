/* UDP: an accepted header is written back byte for byte. */
#include "wire/udp.h"

#include "fuzz.h"

FUZZ_TARGET(udp)
{
    struct udp_hdr h;
    uint8_t p[UDP_HDR_BYTES];

    if (udp_parse(data, len, &h) != 0)
        return 0;
    FUZZ_CHECK(h.len_bytes >= UDP_HDR_BYTES && h.len_bytes <= len);
    FUZZ_CHECK(udp_emit(&h, p) == UDP_HDR_BYTES);
    FUZZ_CHECK(memcmp(p, data, UDP_HDR_BYTES) == 0);
    return 0;
}
