/* UDP headers. */
#include "wire/udp.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

static const uint8_t datagram[] = {0x30, 0x39, 0x00, 0x35, 0, 12, 0xbe, 0xef, 'd', 'a', 't', 'a'};

START_TEST(parses)
{
    struct udp_hdr h;

    ck_assert_int_eq(udp_parse(datagram, sizeof(datagram), &h), 0);
    ck_assert_uint_eq(h.src_port, 12345);
    ck_assert_uint_eq(h.dst_port, 53);
    ck_assert_uint_eq(h.len_bytes, 12);
    ck_assert_uint_eq(h.checksum, 0xbeef);
}
END_TEST

START_TEST(truncated)
{
    for (size_t len = 0; len < sizeof(datagram); len++) {
        uint8_t *p = wire_exact(datagram, len);
        struct udp_hdr h;

        ck_assert_int_eq(udp_parse(p, len, &h), -EBADMSG);
        free(p);
    }
}
END_TEST

/* Every value of the length field, over every number of bytes. */
START_TEST(hostile_lengths)
{
    for (size_t len = 8; len <= sizeof(datagram); len++) {
        for (unsigned field = 0; field <= 0xffff; field++) {
            uint8_t p[sizeof(datagram)];
            struct udp_hdr h;

            memcpy(p, datagram, sizeof(p));
            put_be16(p + 4, (uint16_t)field);
            ck_assert_int_eq(udp_parse(p, len, &h), field >= 8 && field <= len ? 0 : -EBADMSG);
        }
    }
}
END_TEST

START_TEST(round_trip)
{
    struct udp_hdr h;
    uint8_t p[UDP_HDR_BYTES + 1];

    p[UDP_HDR_BYTES] = 0x5a;
    ck_assert_int_eq(udp_parse(datagram, sizeof(datagram), &h), 0);
    ck_assert_uint_eq(udp_emit(&h, p), UDP_HDR_BYTES);
    ck_assert_mem_eq(p, datagram, UDP_HDR_BYTES);
    ck_assert_uint_eq(p[UDP_HDR_BYTES], 0x5a);
}
END_TEST

TCase *test_wire_udp(void)
{
    TCase *t = tcase_create("udp");

    tcase_add_test(t, parses);
    tcase_add_test(t, truncated);
    tcase_add_test(t, hostile_lengths);
    tcase_add_test(t, round_trip);
    return t;
}
