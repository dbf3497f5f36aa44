/* Unit tests of the wire formats. */
#include "test_wire.h"

#include <stdlib.h>
#include <string.h>

uint8_t *wire_exact(const void *p, size_t len)
{
    uint8_t *copy = malloc(len);

    ck_assert(copy != NULL || len == 0);
    if (len > 0)
        memcpy(copy, p, len);
    return copy;
}

uint32_t wire_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

uint16_t wire_slow_checksum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i += 2) {
        sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

void wire_fix_checksum(uint8_t *p, size_t len, size_t at)
{
    uint16_t sum;

    p[at] = p[at + 1] = 0;
    sum = wire_slow_checksum(p, len);
    p[at] = (uint8_t)(sum >> 8);
    p[at + 1] = (uint8_t)sum;
}

int main(void)
{
    Suite *s = suite_create("wire");
    SRunner *r;
    int failed;

    suite_add_tcase(s, test_wire_checksum());
    suite_add_tcase(s, test_wire_eth());
    suite_add_tcase(s, test_wire_arp());
    suite_add_tcase(s, test_wire_ipv4());
    suite_add_tcase(s, test_wire_icmp());
    suite_add_tcase(s, test_wire_udp());
    suite_add_tcase(s, test_wire_tcp());
    suite_add_tcase(s, test_wire_tcp_options());
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
