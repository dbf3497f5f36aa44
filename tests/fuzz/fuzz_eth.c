/* Ethernet: the addresses and the type of any accepted frame survive an emit. */
#include "wire/eth.h"

#include "fuzz.h"

FUZZ_TARGET(eth)
{
    struct eth_hdr h, back;
    uint8_t p[ETH_HDR_BYTES];
    char s[MAC_STR_MAX];

    if (eth_parse(data, len, &h) != 0) {
        FUZZ_CHECK(len < 18);
        return 0;
    }
    FUZZ_CHECK(h.hdr_bytes == 14 || h.hdr_bytes == 18);
    FUZZ_CHECK(h.hdr_bytes <= len);
    FUZZ_CHECK(h.vlan < 4096);
    FUZZ_CHECK(h.type == get_be16(data + h.hdr_bytes - 2));
    FUZZ_CHECK(strlen(mac_str(&h.dst, s)) == 17);
    FUZZ_CHECK(!mac_is_broadcast(&h.dst) || mac_is_multicast(&h.dst));

    FUZZ_CHECK(eth_emit(&h, p) == ETH_HDR_BYTES);
    FUZZ_CHECK(memcmp(p, data, 12) == 0);
    if (h.type == ETHTYPE_VLAN) /* a second tag, which an untagged header cannot say */
        return 0;
    FUZZ_CHECK(eth_parse(p, sizeof(p), &back) == 0);
    FUZZ_CHECK(mac_eq(&back.dst, &h.dst) && mac_eq(&back.src, &h.src));
    FUZZ_CHECK(back.type == h.type && back.vlan == 0 && back.hdr_bytes == ETH_HDR_BYTES);
    return 0;
}
