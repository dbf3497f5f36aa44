/*
 * TCP: an accepted header is written back byte for byte, but for the reserved bits and the
 * checksum, which is left zero. The options behind it are read as the segment's receiver would.
 */
#include "wire/tcp.h"

#include "fuzz.h"
#include "wire/tcp_options.h"

FUZZ_TARGET(tcp)
{
    struct tcp_hdr h;
    struct tcp_options o;
    uint8_t p[TCP_HDR_MIN];
    char s[TCP_FLAGS_STR_MAX];

    if (tcp_parse(data, len, &h) != 0)
        return 0;
    FUZZ_CHECK(h.hdr_bytes >= TCP_HDR_MIN && h.hdr_bytes <= TCP_HDR_MAX && h.hdr_bytes <= len);
    FUZZ_CHECK(strlen(tcp_flags_str(h.flags, s)) < TCP_FLAGS_STR_MAX);
    (void)tcp_options_parse(data + TCP_HDR_MIN, h.hdr_bytes - TCP_HDR_MIN, &o);

    FUZZ_CHECK(tcp_emit(&h, p) == TCP_HDR_MIN);
    FUZZ_CHECK(memcmp(p, data, 12) == 0);
    FUZZ_CHECK(p[12] == (data[12] & 0xf0));
    FUZZ_CHECK(memcmp(p + 13, data + 13, 3) == 0);
    FUZZ_CHECK(get_be16(p + 16) == 0);
    FUZZ_CHECK(memcmp(p + 18, data + 18, 2) == 0);
    return 0;
}
