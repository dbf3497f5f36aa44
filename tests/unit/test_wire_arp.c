/* ARP packets. */
#include "wire/arp.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

static const uint8_t request[ARP_BYTES] = {0,   1, 8, 0, 6, 4, 0, 1, 0x02, 0, 0,   0, 0, 0x0a,
                                           192, 0, 2, 1, 0, 0, 0, 0, 0,    0, 192, 0, 2, 2};

START_TEST(parses)
{
    static const struct mac sha = {{0x02, 0, 0, 0, 0, 0x0a}}, tha = {{0}};
    struct arp a;

    ck_assert_int_eq(arp_parse(request, sizeof(request), &a), 0);
    ck_assert_uint_eq(a.op, ARP_REQUEST);
    ck_assert(mac_eq(&a.sha, &sha));
    ck_assert(mac_eq(&a.tha, &tha));
    ck_assert_uint_eq(a.spa, 0xc0000201);
    ck_assert_uint_eq(a.tpa, 0xc0000202);
}
END_TEST

/* Frames are padded to 60 bytes, so more bytes than a packet's are the rule. */
START_TEST(padding)
{
    uint8_t p[46] = {0};
    struct arp a;

    memcpy(p, request, sizeof(request));
    ck_assert_int_eq(arp_parse(p, sizeof(p), &a), 0);
}
END_TEST

START_TEST(truncated)
{
    for (size_t len = 0; len < ARP_BYTES; len++) {
        uint8_t *p = wire_exact(request, len);
        struct arp a;

        ck_assert_int_eq(arp_parse(p, len, &a), -EBADMSG);
        free(p);
    }
}
END_TEST

/* Every other hardware type, protocol type and address length is refused. */
START_TEST(other_protocols)
{
    for (size_t at = 0; at < 6; at++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t p[ARP_BYTES];
            struct arp a;

            memcpy(p, request, sizeof(p));
            p[at] = (uint8_t)v;
            ck_assert_int_eq(arp_parse(p, sizeof(p), &a), v == request[at] ? 0 : -EBADMSG);
        }
    }
}
END_TEST

START_TEST(round_trip)
{
    uint8_t in[ARP_BYTES], out[ARP_BYTES + 1];
    struct arp a;

    memcpy(in, request, 6);
    for (size_t i = 6; i < ARP_BYTES; i++)
        in[i] = (uint8_t)(0xa0 + i);
    out[ARP_BYTES] = 0x5a;
    ck_assert_int_eq(arp_parse(in, sizeof(in), &a), 0);
    ck_assert_uint_eq(arp_emit(&a, out), ARP_BYTES);
    ck_assert_mem_eq(out, in, ARP_BYTES);
    ck_assert_uint_eq(out[ARP_BYTES], 0x5a);
}
END_TEST

TCase *test_wire_arp(void)
{
    TCase *t = tcase_create("arp");

    tcase_add_test(t, parses);
    tcase_add_test(t, padding);
    tcase_add_test(t, truncated);
    tcase_add_test(t, other_protocols);
    tcase_add_test(t, round_trip);
    return t;
}
