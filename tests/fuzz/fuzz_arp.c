/* ARP: an accepted packet is written back byte for byte. */
#include "wire/arp.h"

#include "fuzz.h"

FUZZ_TARGET(arp)
{
    struct arp a;
    uint8_t p[ARP_BYTES];

    if (arp_parse(data, len, &a) != 0)
        return 0;
    FUZZ_CHECK(len >= ARP_BYTES);
    FUZZ_CHECK(arp_emit(&a, p) == ARP_BYTES);
    FUZZ_CHECK(memcmp(p, data, ARP_BYTES) == 0);
    return 0;
}
