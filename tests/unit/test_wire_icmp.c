/* ICMP messages. */
#include "wire/icmp.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

/* RFC 792 */
START_TEST(parses_echo)
{
    uint8_t p[] = {8, 0, 0, 0, 0x12, 0x34, 0x00, 0x07, 'p', 'i', 'n', 'g', '!'};
    struct icmp_hdr h;

    wire_fix_checksum(p, sizeof(p), 2);
    ck_assert_int_eq(icmp_parse(p, sizeof(p), &h), 0);
    ck_assert_uint_eq(h.type, ICMP_ECHO_REQUEST);
    ck_assert_uint_eq(h.code, 0);
    ck_assert_uint_eq(h.id, 0x1234);
    ck_assert_uint_eq(h.seq, 7);
}
END_TEST

/* RFC 1191 4 */
START_TEST(parses_fragmentation_needed)
{
    uint8_t p[36] = {3, 4, 0, 0, 0, 0, 0x05, 0x14};
    struct icmp_hdr h;

    wire_fix_checksum(p, sizeof(p), 2);
    ck_assert_int_eq(icmp_parse(p, sizeof(p), &h), 0);
    ck_assert_uint_eq(h.type, ICMP_UNREACHABLE);
    ck_assert_uint_eq(h.code, ICMP_UNREACH_FRAG_NEEDED);
    ck_assert_uint_eq(h.seq, 1300);
}
END_TEST

/* Below 8 bytes there is no message; above, one cut short has a wrong checksum. */
START_TEST(truncated)
{
    uint8_t whole[] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

    wire_fix_checksum(whole, sizeof(whole), 2);
    for (size_t len = 0; len < sizeof(whole); len++) {
        uint8_t *p = wire_exact(whole, len);
        struct icmp_hdr h;

        ck_assert_int_eq(icmp_parse(p, len, &h), len < 8 ? -EBADMSG : -EILSEQ);
        free(p);
    }
}
END_TEST

START_TEST(wrong_checksum)
{
    uint8_t p[16] = {8};

    wire_fix_checksum(p, sizeof(p), 2);
    for (size_t bit = 0; bit < sizeof(p) * 8; bit++) {
        struct icmp_hdr h;

        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(icmp_parse(p, sizeof(p), &h), -EILSEQ);
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

/* Bodies of odd length too, in place behind the header or elsewhere. */
START_TEST(round_trip)
{
    static const struct icmp_hdr h = {
        .type = ICMP_REDIRECT, .code = 1, .id = 0xc000, .seq = 0x02fe};

    for (size_t n = 0; n <= 70; n++) {
        uint8_t p[80], q[80], body[70];
        struct icmp_hdr back;

        for (size_t i = 0; i < n; i++)
            body[i] = (uint8_t)(i * 37 + n);
        memset(p, 0x5a, sizeof(p));
        ck_assert_uint_eq(icmp_emit(&h, body, n, p), ICMP_HDR_BYTES);
        ck_assert_uint_eq(p[ICMP_HDR_BYTES], 0x5a);
        memcpy(p + ICMP_HDR_BYTES, body, n);
        memcpy(q, p, sizeof(q));
        ck_assert_uint_eq(icmp_emit(&h, q + ICMP_HDR_BYTES, n, q), ICMP_HDR_BYTES);
        ck_assert_mem_eq(q, p, sizeof(q));
        ck_assert_uint_eq(wire_slow_checksum(p, ICMP_HDR_BYTES + n), 0);
        ck_assert_int_eq(icmp_parse(p, ICMP_HDR_BYTES + n, &back), 0);
        ck_assert_uint_eq(back.type, h.type);
        ck_assert_uint_eq(back.code, h.code);
        ck_assert_uint_eq(back.id, h.id);
        ck_assert_uint_eq(back.seq, h.seq);
    }
}
END_TEST

TCase *test_wire_icmp(void)
{
    TCase *t = tcase_create("icmp");

    tcase_add_test(t, parses_echo);
    tcase_add_test(t, parses_fragmentation_needed);
    tcase_add_test(t, truncated);
    tcase_add_test(t, wrong_checksum);
    tcase_add_test(t, round_trip);
    return t;
}
