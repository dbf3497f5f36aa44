/* TCP headers. */
#include "wire/tcp.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

/* 24 bytes of header, 3 of payload; PSH and ACK; the reserved bits are set. */
static const uint8_t segment[27] = {0xc0, 0x01, 0x01, 0xbb, 0x89, 0xab, 0xcd, 0xef, 0xfe,
                                    0xdc, 0xba, 0x98, 0x6f, 0x18, 0xfa, 0xf0, 0xbe, 0xef,
                                    0x12, 0x34, 1,    1,    1,    0,    'a',  'b',  'c'};

/* RFC 9293 3.1 */
START_TEST(parses)
{
    struct tcp_hdr h;

    ck_assert_int_eq(tcp_parse(segment, sizeof(segment), &h), 0);
    ck_assert_uint_eq(h.src_port, 0xc001);
    ck_assert_uint_eq(h.dst_port, 443);
    ck_assert_uint_eq(h.seq, 0x89abcdef);
    ck_assert_uint_eq(h.ack, 0xfedcba98);
    ck_assert_uint_eq(h.hdr_bytes, 24);
    ck_assert_uint_eq(h.flags, TCP_PSH | TCP_ACK);
    ck_assert_uint_eq(h.wnd, 0xfaf0);
    ck_assert_uint_eq(h.urg, 0x1234);
}
END_TEST

/* A segment may end with its header, not within it. */
START_TEST(truncated)
{
    for (size_t len = 0; len <= sizeof(segment); len++) {
        uint8_t *p = wire_exact(segment, len);
        struct tcp_hdr h;

        ck_assert_int_eq(tcp_parse(p, len, &h), len < 24 ? -EBADMSG : 0);
        free(p);
    }
}
END_TEST

START_TEST(every_data_offset)
{
    for (unsigned offset = 0; offset < 16; offset++) {
        for (size_t len = 20; len <= 64; len++) {
            uint8_t p[64] = {[12] = (uint8_t)(offset << 4)};
            struct tcp_hdr h;
            bool good = offset >= 5 && offset * 4 <= len;

            ck_assert_int_eq(tcp_parse(p, len, &h), good ? 0 : -EBADMSG);
            if (good)
                ck_assert_uint_eq(h.hdr_bytes, offset * 4);
        }
    }
}
END_TEST

START_TEST(round_trip)
{
    struct tcp_hdr h;
    uint8_t want[TCP_HDR_MIN], p[TCP_HDR_MIN + 1];

    memcpy(want, segment, TCP_HDR_MIN);
    want[12] &= 0xf0;
    want[16] = want[17] = 0;
    memset(p, 0x5a, sizeof(p));
    ck_assert_int_eq(tcp_parse(segment, sizeof(segment), &h), 0);
    ck_assert_uint_eq(tcp_emit(&h, p), TCP_HDR_MIN);
    ck_assert_mem_eq(p, want, TCP_HDR_MIN);
    ck_assert_uint_eq(p[TCP_HDR_MIN], 0x5a);
}
END_TEST

START_TEST(every_flag)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        struct tcp_hdr h = {.hdr_bytes = TCP_HDR_MIN, .flags = (uint8_t)flags}, back;
        uint8_t p[TCP_HDR_MIN];

        tcp_emit(&h, p);
        ck_assert_int_eq(tcp_parse(p, sizeof(p), &back), 0);
        ck_assert_uint_eq(back.flags, flags);
    }
}
END_TEST

START_TEST(flag_names)
{
    char s[TCP_FLAGS_STR_MAX];

    ck_assert_str_eq(tcp_flags_str(0, s), "none");
    ck_assert_str_eq(tcp_flags_str(TCP_SYN, s), "SYN");
    ck_assert_str_eq(tcp_flags_str(TCP_SYN | TCP_ACK, s), "SYN,ACK");
    ck_assert_str_eq(tcp_flags_str(TCP_FIN | TCP_PSH | TCP_ACK, s), "FIN,PSH,ACK");
    ck_assert_str_eq(tcp_flags_str(0xff, s), "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR");
}
END_TEST

TCase *test_wire_tcp(void)
{
    TCase *t = tcase_create("tcp");

    tcase_add_test(t, parses);
    tcase_add_test(t, truncated);
    tcase_add_test(t, every_data_offset);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, every_flag);
    tcase_add_test(t, flag_names);
    return t;
}
