/* IPv4 headers and their options. */
#include "wire/ipv4.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

/* 192.0.2.1 to 198.51.100.2, UDP, 4 bytes of payload, don't fragment. */
static const uint8_t datagram[24] = {0x45, 0xb8, 0, 24, 0x12, 0x34, 0x40, 0, 64,  17,  0,   0,
                                     192,  0,    2, 1,  198,  51,   100,  2, 'd', 'a', 't', 'a'};

static void make(uint8_t *p)
{
    memcpy(p, datagram, sizeof(datagram));
    wire_fix_checksum(p, 20, 10);
}

START_TEST(parses)
{
    uint8_t p[24];
    struct ipv4_hdr h;

    make(p);
    ck_assert_int_eq(ipv4_parse(p, sizeof(p), &h), 0);
    ck_assert_uint_eq(h.src, 0xc0000201);
    ck_assert_uint_eq(h.dst, 0xc6336402);
    ck_assert_uint_eq(h.total_bytes, 24);
    ck_assert_uint_eq(h.id, 0x1234);
    ck_assert_uint_eq(h.frag_offset, 0);
    ck_assert_uint_eq(h.tos, 0xb8);
    ck_assert_uint_eq(h.ttl, 64);
    ck_assert_uint_eq(h.proto, IPPROTO_NUM_UDP);
    ck_assert_uint_eq(h.hdr_bytes, 20);
    ck_assert(h.df);
    ck_assert(!h.mf);
}
END_TEST

START_TEST(fragment_fields)
{
    static const struct {
        uint16_t field;
        bool df, mf;
        uint16_t offset;
    } cases[] = {
        {0x0000, false, false, 0},     {0x2000, false, true, 0},    {0x4000, true, false, 0},
        {0x1fff, false, false, 65528}, {0x20b9, false, true, 1480}, {0x7fff, true, true, 65528},
        {0x8000, false, false, 0}, /* the reserved bit says nothing */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t p[24], out[20];
        struct ipv4_hdr h;

        make(p);
        put_be16(p + 6, cases[i].field);
        wire_fix_checksum(p, 20, 10);
        ck_assert_int_eq(ipv4_parse(p, sizeof(p), &h), 0);
        ck_assert_uint_eq(h.df, cases[i].df);
        ck_assert_uint_eq(h.mf, cases[i].mf);
        ck_assert_uint_eq(h.frag_offset, cases[i].offset);
        ck_assert_uint_eq(ipv4_emit(&h, out), 20);
        ck_assert_uint_eq(get_be16(out + 6), cases[i].field & 0x7fff);
    }
}
END_TEST

START_TEST(truncated)
{
    uint8_t whole[24];

    make(whole);
    for (size_t len = 0; len < sizeof(whole); len++) {
        uint8_t *p = wire_exact(whole, len);
        struct ipv4_hdr h;

        ck_assert_int_eq(ipv4_parse(p, len, &h), -EBADMSG);
        free(p);
    }
}
END_TEST

START_TEST(trailing_padding)
{
    uint8_t p[46] = {0};
    struct ipv4_hdr h;

    make(p);
    ck_assert_int_eq(ipv4_parse(p, sizeof(p), &h), 0);
    ck_assert_uint_eq(h.total_bytes, 24);
}
END_TEST

/* All versions, header lengths and total lengths over 24 bytes, each with its right checksum. */
/* RFC 1122 3.2.1.1 */
START_TEST(hostile_lengths)
{
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned total = 0; total <= 0xffff; total += total < 80 ? 1 : 251) {
            unsigned hdr = (first & 15) * 4;
            bool good = first >> 4 == 4 && hdr >= 20 && hdr <= total && total <= sizeof(datagram);
            uint8_t *p = wire_exact(datagram, sizeof(datagram));
            struct ipv4_hdr h;

            p[0] = (uint8_t)first;
            put_be16(p + 2, (uint16_t)total);
            wire_fix_checksum(p, hdr >= 20 && hdr <= 24 ? hdr : 20, 10);
            ck_assert_int_eq(ipv4_parse(p, sizeof(datagram), &h), good ? 0 : -EBADMSG);
            free(p);
        }
    }
}
END_TEST

/* RFC 1122 3.2.1.2 */
START_TEST(wrong_checksum)
{
    uint8_t p[24];

    make(p);
    for (size_t bit = 64; bit < 160; bit++) { /* from the TTL on: no length among them */
        struct ipv4_hdr h;

        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(ipv4_parse(p, sizeof(p), &h), -EILSEQ);
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    p[22] ^= 1; /* the payload is not covered */
    ck_assert_int_eq(ipv4_parse(p, sizeof(p), &(struct ipv4_hdr){0}), 0);
}
END_TEST

START_TEST(round_trip)
{
    uint64_t seed = 4;

    for (uint8_t hdr_bytes = IPV4_HDR_MIN; hdr_bytes <= IPV4_HDR_MAX; hdr_bytes += 4) {
        uint8_t in[IPV4_HDR_MAX + 3], out[IPV4_HDR_MAX + 1];
        struct ipv4_hdr h;

        for (size_t i = 0; i < sizeof(in); i++)
            in[i] = (uint8_t)wire_random(&seed);
        in[0] = (uint8_t)(0x40 | hdr_bytes / 4);
        put_be16(in + 2, (uint16_t)(hdr_bytes + 3));
        in[6] &= 0x7f;
        wire_fix_checksum(in, hdr_bytes, 10);
        memset(out, 0x5a, sizeof(out));
        ck_assert_int_eq(ipv4_parse(in, sizeof(in), &h), 0);
        ck_assert_uint_eq(h.hdr_bytes, hdr_bytes);
        ck_assert_mem_eq(h.options, in + 20, hdr_bytes - 20u);
        ck_assert_uint_eq(ipv4_emit(&h, out), hdr_bytes);
        ck_assert_mem_eq(out, in, hdr_bytes);
        ck_assert_uint_eq(out[hdr_bytes], 0x5a);
    }
}
END_TEST

static const struct option_case {
    const char *bytes;
    size_t len;
    bool ok, source_route;
} option_cases[] = {
    {"", 0, true, false},
    {"\x01\x01\x01\x00", 4, true, false},
    {"\x00\x83\x01\x00", 4, true, false},                  /* behind the end: anything */
    {"\x83\x07\x04\xc0\x00\x02\x01\x00", 8, true, true},   /* loose source route */
    {"\x89\x07\x04\xc0\x00\x02\x01\x00", 8, true, true},   /* strict source route */
    {"\x83\x03\x04\x00", 4, true, true},                   /* an empty one */
    {"\x83\x07\x08\xc0\x00\x02\x01\x00", 8, true, true},   /* a used-up one */
    {"\x83\x07\x03\xc0\x00\x02\x01\x00", 8, false, false}, /* pointer below 4 */
    {"\x83\x07\x05\xc0\x00\x02\x01\x00", 8, false, false}, /* no whole address left */
    {"\x83\x02\x01\x01", 4, false, false},                 /* no room for the pointer */
    {"\x83\x03\x04\x89\x03\x04\x01\x01", 8, false, true},  /* two source routes */
    {"\x07\x07\x04\x00\x00\x00\x00\x00", 8, true, false},  /* record route */
    {"\x07\x07\x00\x00\x00\x00\x00\x00", 8, false, false}, /* its pointer below 4 */
    {"\x44\x08\x05\x00\x00\x00\x00\x00", 8, true, false},  /* timestamp */
    {"\x44\x08\x04\x00\x00\x00\x00\x00", 8, false, false}, /* its pointer below 5 */
    {"\x44\x03\x05\x00", 4, false, false},                 /* shorter than its own head */
    {"\x94\x04\x00\x00", 4, true, false},                  /* router alert */
    {"\x94\x05\x00\x00\x00", 5, false, false},             /* of another length */
    {"\x1e\x04\x00\x00", 4, true, false},                  /* unknown: skipped */
    {"\x1e\x00\x00\x00", 4, false, false},                 /* length 0: would not end */
    {"\x1e\x01\x00\x00", 4, false, false},                 /* length 1 */
    {"\x01\x1e\x04\x00", 4, false, false},                 /* one beyond the area */
    {"\x1e\xff\x00\x00", 4, false, false},                 /* far beyond the area */
    {"\x01\x01\x01\x1e", 4, false, false},                 /* a type and no length */
};

/* RFC 791 3.1, RFC 1122 3.2.1.8 */
START_TEST(options)
{
    const struct option_case *c = &option_cases[_i];
    uint8_t *p = wire_exact(c->bytes, c->len);
    bool source_route = !c->source_route;

    ck_assert_int_eq(ipv4_options_ok(p, c->len, &source_route), c->ok);
    ck_assert_int_eq(source_route, c->source_route);
    free(p);
}
END_TEST

TCase *test_wire_ipv4(void)
{
    TCase *t = tcase_create("ipv4");

    tcase_add_test(t, parses);
    tcase_add_test(t, fragment_fields);
    tcase_add_test(t, truncated);
    tcase_add_test(t, trailing_padding);
    tcase_add_test(t, hostile_lengths);
    tcase_add_test(t, wrong_checksum);
    tcase_add_test(t, round_trip);
    tcase_add_loop_test(t, options, 0, sizeof(option_cases) / sizeof(option_cases[0]));
    return t;
}
