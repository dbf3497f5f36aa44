/* TCP options: what is read, what is survived, what is written. */
#include "wire/tcp_options.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

#define NOP2 "\x01\x01"
#define MSS  "\x02\x04\x05\xb4"
#define TS   "\x08\x0a\x00\x00\x30\x39\xfe\xdc\xba\x98"

#define EXPECT_EMIT(o, str) expect_emit(o, str, sizeof(str) - 1)

/* Parses a copy that ends where the area ends. */
static int parse(const void *bytes, size_t len, struct tcp_options *o)
{
    uint8_t *p = wire_exact(bytes, len);
    int rc;

    memset(o, 0xa5, sizeof(*o));
    rc = tcp_options_parse(p, len, o);
    free(p);
    return rc;
}

#define PARSE(str, o) parse(str, sizeof(str) - 1, o)

static void expect_emit(const struct tcp_options *o, const void *want, size_t len)
{
    uint8_t p[TCP_OPTIONS_MAX + 1];

    memset(p, 0x5a, sizeof(p));
    ck_assert_uint_eq(tcp_options_emit(o, p), len);
    ck_assert_mem_eq(p, want, len);
    ck_assert_uint_eq(p[len], 0x5a);
}

/* The options of a Linux SYN. */
static const uint8_t linux_syn[20] = {2, 4,    5,    0xb4, 4,    2,    8, 10, 0, 0,
                                      1, 0xc8, 0xde, 0xad, 0xbe, 0xef, 1, 3,  3, 7};

START_TEST(parses_linux_syn)
{
    struct tcp_options o;

    ck_assert_int_eq(parse(linux_syn, sizeof(linux_syn), &o), 0);
    ck_assert(o.has_mss && o.sack_permitted && o.has_ts && o.has_wscale && !o.has_tfo);
    ck_assert_uint_eq(o.mss, 1460);
    ck_assert_uint_eq(o.ts_val, 456);
    ck_assert_uint_eq(o.ts_ecr, 0xdeadbeef);
    ck_assert_uint_eq(o.wscale, 7);
    ck_assert_uint_eq(o.sack_len, 0);
    EXPECT_EMIT(&o, "\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x01\xc8\xde\xad\xbe\xef\x01\x03\x03"
                    "\x07");
}
END_TEST

START_TEST(empty)
{
    struct tcp_options o;

    ck_assert_int_eq(tcp_options_parse(NULL, 0, &o), 0);
    ck_assert(!o.has_mss && !o.sack_permitted && !o.has_ts && !o.has_wscale && !o.has_tfo);
    ck_assert_uint_eq(o.sack_len, 0);
    expect_emit(&o, "", 0);
}
END_TEST

/* Cut anywhere, what stands before the cut is read, and a cut inside an option is told. */
START_TEST(truncated)
{
    for (size_t len = 0; len < sizeof(linux_syn); len++) {
        struct tcp_options o;
        bool between = len == 0 || len == 4 || len == 6 || len == 16 || len == 17;

        ck_assert_int_eq(parse(linux_syn, len, &o), between ? 0 : -EBADMSG);
        ck_assert_int_eq(o.has_mss, len >= 4);
        ck_assert_int_eq(o.sack_permitted, len >= 6);
        ck_assert_int_eq(o.has_ts, len >= 16);
        ck_assert(!o.has_wscale);
    }
}
END_TEST

/* Every kind with every length: no read beyond the area, an error exactly when the length cannot
 * be. */
START_TEST(hostile_lengths)
{
    for (unsigned kind = 2; kind < 256; kind++) {
        for (unsigned size = 0; size < 256; size++) {
            uint8_t area[TCP_OPTIONS_MAX];
            struct tcp_options o;

            memset(area, 1, sizeof(area));
            memcpy(area, MSS, 4);
            area[4] = (uint8_t)kind;
            area[5] = (uint8_t)size;
            ck_assert_int_eq(parse(area, sizeof(area), &o), size < 2 || size > 36 ? -EBADMSG : 0);
            ck_assert(o.has_mss);
            ck_assert_uint_le(o.sack_len, TCP_SACK_MAX);
            ck_assert_uint_le(o.tfo_len, sizeof(o.tfo_cookie));
            ck_assert_uint_le(o.wscale, TCP_WSCALE_MAX);
            ck_assert_int_eq(o.has_wscale, kind == 3 && size == 3);
            ck_assert_int_eq(o.sack_permitted, kind == 4 && size == 2);
            ck_assert_int_eq(o.has_ts, kind == 8 && size == 10);
            ck_assert_uint_eq(o.sack_len, kind != 5    ? 0u
                                          : size == 10 ? 1u
                                          : size == 18 ? 2u
                                          : size == 26 ? 3u
                                          : size == 34 ? 4u
                                                       : 0u);
            ck_assert_int_eq(
                o.has_tfo, kind == 34 && (size == 2 || (size >= 6 && size <= 18 && size % 2 == 0)));
        }
    }
}
END_TEST

/* An option of a wrong length is passed over, those behind it count (RFC 9293 MUST-7). */
START_TEST(wrong_length_is_skipped)
{
    struct tcp_options o;

    ck_assert_int_eq(PARSE("\x02\x03\x05\x03\x04\x01\x01\x08\x02" MSS "\x04\x02", &o), 0);
    ck_assert(o.has_mss && o.sack_permitted && !o.has_wscale && !o.has_ts);
    ck_assert_uint_eq(o.mss, 1460);
}
END_TEST

/* RFC 9293 MUST-6 */
START_TEST(unknown_is_skipped)
{
    struct tcp_options o;

    ck_assert_int_eq(PARSE("\xfd\x06\xf9\x89\x01\x02\x1e\x02" MSS, &o), 0);
    ck_assert(o.has_mss);
}
END_TEST

START_TEST(end_of_list)
{
    struct tcp_options o;

    ck_assert_int_eq(PARSE("\x01\x00\x02\x00" MSS, &o), 0);
    ck_assert(!o.has_mss);
}
END_TEST

START_TEST(mss_of_zero_is_none)
{
    struct tcp_options o;

    ck_assert_int_eq(PARSE("\x02\x04\x00\x00", &o), 0);
    ck_assert(!o.has_mss);
    ck_assert_int_eq(PARSE("\x02\x04\x00\x01", &o), 0);
    ck_assert(o.has_mss);
    ck_assert_uint_eq(o.mss, 1);
}
END_TEST

/* RFC 7323 2.3. */
START_TEST(shift_count_above_14)
{
    struct tcp_options o;

    for (unsigned shift = 0; shift < 256; shift++) {
        uint8_t p[] = {3, 3, (uint8_t)shift};

        ck_assert_int_eq(parse(p, sizeof(p), &o), 0);
        ck_assert(o.has_wscale);
        ck_assert_uint_eq(o.wscale, shift < 14 ? shift : 14);
    }
}
END_TEST

static void put_blocks(struct tcp_options *o, uint8_t n)
{
    o->sack_len = n;
    for (uint32_t i = 0; i < n; i++)
        o->sack[i] = (struct tcp_sack_block){0xfffffff0 + i * 0x20, 0xfffffff8 + i * 0x20};
}

START_TEST(sack_blocks)
{
    for (uint8_t n = 0; n <= TCP_SACK_MAX; n++) {
        struct tcp_options o = {0}, back;
        uint8_t p[TCP_OPTIONS_MAX];
        size_t len;

        put_blocks(&o, n);
        len = tcp_options_emit(&o, p);
        ck_assert_uint_eq(len, n == 0 ? 0 : 4 + 8u * n);
        ck_assert_int_eq(parse(p, len, &back), 0);
        ck_assert_uint_eq(back.sack_len, n);
        ck_assert_mem_eq(back.sack, o.sack, n * sizeof(o.sack[0]));
    }
}
END_TEST

/* No segment has room for a fifth block, but the parser may be given a longer area. */
START_TEST(five_sack_blocks)
{
    uint8_t p[2 + 5 * 8] = {5, sizeof(p)};
    struct tcp_options o;

    ck_assert_int_eq(parse(p, sizeof(p), &o), 0);
    ck_assert_uint_eq(o.sack_len, 0);
}
END_TEST

/* RFC 2018 3: three blocks fit beside timestamps. The first, newest ones stay. */
START_TEST(sack_beside_timestamps)
{
    struct tcp_options o = {.has_ts = true, .ts_val = 12345, .ts_ecr = 0xfedcba98}, back;
    uint8_t p[TCP_OPTIONS_MAX];
    size_t len;

    put_blocks(&o, 1);
    EXPECT_EMIT(&o, NOP2 TS NOP2 "\x05\x0a\xff\xff\xff\xf0\xff\xff\xff\xf8");
    put_blocks(&o, 4);
    len = tcp_options_emit(&o, p);
    ck_assert_uint_eq(len, 40);
    ck_assert_int_eq(parse(p, len, &back), 0);
    ck_assert_uint_eq(back.sack_len, 3);
    ck_assert_mem_eq(back.sack, o.sack, 3 * sizeof(o.sack[0]));
}
END_TEST

START_TEST(repeated_sack_replaces)
{
    struct tcp_options o;

    ck_assert_int_eq(PARSE("\x05\x12\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04"
                           "\x05\x0a\0\0\0\x05\0\0\0\x06",
                           &o),
                     0);
    ck_assert_uint_eq(o.sack_len, 1);
    ck_assert_uint_eq(o.sack[0].start, 5);
    ck_assert_uint_eq(o.sack[0].end, 6);
}
END_TEST

START_TEST(emits_in_the_order_of_linux)
{
    struct tcp_options o = {.has_ts = true, .ts_val = 12345, .ts_ecr = 0xfedcba98};

    EXPECT_EMIT(&o, NOP2 TS);
    o.sack_permitted = true;
    EXPECT_EMIT(&o, "\x04\x02" TS);
    o.has_wscale = true;
    o.wscale = 14;
    EXPECT_EMIT(&o, "\x04\x02" TS "\x01\x03\x03\x0e");
    o.has_mss = true;
    o.mss = 1460;
    EXPECT_EMIT(&o, MSS "\x04\x02" TS "\x01\x03\x03\x0e");
    o.has_ts = false;
    EXPECT_EMIT(&o, MSS NOP2 "\x04\x02\x01\x03\x03\x0e");
}
END_TEST

START_TEST(timestamps_alone)
{
    struct tcp_options o = {.has_ts = true, .ts_val = 0x01020304, .ts_ecr = 0xf1f2f3f4};
    uint8_t general[TCP_OPTIONS_MAX], quick[TCP_OPTIONS_MAX];

    ck_assert_uint_eq(tcp_options_emit(&o, general), TCP_OPTIONS_TS_BYTES);
    ck_assert_uint_eq(tcp_options_emit_ts(o.ts_val, o.ts_ecr, quick), TCP_OPTIONS_TS_BYTES);
    ck_assert_mem_eq(general, quick, TCP_OPTIONS_TS_BYTES);
}
END_TEST

/* RFC 7413 4.1.1 */
START_TEST(fast_open)
{
    struct tcp_options o = {.has_tfo = true}, back;

    EXPECT_EMIT(&o, "\x22\x02" NOP2);
    ck_assert_int_eq(PARSE("\x22\x02\x01\x01", &back), 0);
    ck_assert(back.has_tfo);
    ck_assert_uint_eq(back.tfo_len, 0);
    memcpy(o.tfo_cookie, "0123456789abcdef", 16);
    o.tfo_len = 8;
    EXPECT_EMIT(&o, "\x22\x0a"
                    "01234567" NOP2);
    o.tfo_len = 6;
    EXPECT_EMIT(&o, "\x22\x08"
                    "012345");
    ck_assert_int_eq(PARSE("\x22\x08"
                           "012345",
                           &back),
                     0);
    ck_assert_uint_eq(back.tfo_len, 6);
    ck_assert_mem_eq(back.tfo_cookie, "012345", 6);
}
END_TEST

/* Every combination is a multiple of 4, within 40 bytes, and reads back as it was; only SACK blocks
 * give way. */
START_TEST(every_combination)
{
    for (unsigned bits = 0; bits < 32; bits++) {
        for (uint8_t blocks = 0; blocks <= TCP_SACK_MAX; blocks++) {
            for (uint8_t cookie = 0; cookie <= 16; cookie = (uint8_t)(cookie ? cookie + 2 : 4)) {
                struct tcp_options o = {.has_mss = bits & 1,
                                        .has_wscale = bits & 2,
                                        .has_ts = bits & 4,
                                        .sack_permitted = bits & 8,
                                        .has_tfo = bits & 16,
                                        .mss = 1234,
                                        .wscale = 9,
                                        .ts_val = 0x01020304,
                                        .ts_ecr = 0x05060708,
                                        .tfo_len = cookie};
                struct tcp_options back;
                uint8_t p[TCP_OPTIONS_MAX];
                size_t len;

                put_blocks(&o, blocks);
                memset(o.tfo_cookie, 0xc0, cookie);
                len = tcp_options_emit(&o, p);
                ck_assert_uint_eq(len % 4, 0);
                ck_assert_uint_le(len, TCP_OPTIONS_MAX);
                ck_assert_int_eq(parse(p, len, &back), 0);
                ck_assert_uint_eq(back.has_mss, o.has_mss);
                ck_assert_uint_eq(back.mss, o.has_mss ? o.mss : 0);
                ck_assert_uint_eq(back.has_wscale, o.has_wscale);
                ck_assert_uint_eq(back.wscale, o.has_wscale ? o.wscale : 0);
                ck_assert_uint_eq(back.has_ts, o.has_ts);
                ck_assert_uint_eq(back.ts_val, o.has_ts ? o.ts_val : 0);
                ck_assert_uint_eq(back.ts_ecr, o.has_ts ? o.ts_ecr : 0);
                ck_assert_uint_eq(back.sack_permitted, o.sack_permitted);
                ck_assert_uint_eq(back.has_tfo, o.has_tfo);
                ck_assert_uint_eq(back.tfo_len, o.has_tfo ? cookie : 0);
                ck_assert_mem_eq(back.tfo_cookie, o.tfo_cookie, back.tfo_len);
                ck_assert_uint_le(back.sack_len, blocks);
                ck_assert(back.sack_len == blocks ||
                          len + (back.sack_len ? 8 : 12) > TCP_OPTIONS_MAX);
                ck_assert_mem_eq(back.sack, o.sack, back.sack_len * sizeof(o.sack[0]));
            }
        }
    }
}
END_TEST

TCase *test_wire_tcp_options(void)
{
    TCase *t = tcase_create("tcp_options");

    tcase_add_test(t, parses_linux_syn);
    tcase_add_test(t, empty);
    tcase_add_test(t, truncated);
    tcase_add_test(t, hostile_lengths);
    tcase_add_test(t, wrong_length_is_skipped);
    tcase_add_test(t, unknown_is_skipped);
    tcase_add_test(t, end_of_list);
    tcase_add_test(t, mss_of_zero_is_none);
    tcase_add_test(t, shift_count_above_14);
    tcase_add_test(t, sack_blocks);
    tcase_add_test(t, five_sack_blocks);
    tcase_add_test(t, sack_beside_timestamps);
    tcase_add_test(t, repeated_sack_replaces);
    tcase_add_test(t, emits_in_the_order_of_linux);
    tcase_add_test(t, timestamps_alone);
    tcase_add_test(t, fast_open);
    tcase_add_test(t, every_combination);
    return t;
}
