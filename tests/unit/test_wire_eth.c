/* Ethernet headers. */
#include "wire/eth.h"

#include <errno.h>
#include <stdlib.h>

#include "test_wire.h"

static const uint8_t plain[] = {0x02, 0, 0, 0, 0, 0x0b, 0x02, 0, 0, 0, 0, 0x0a, 0x08, 0x00};
static const uint8_t tagged[] = {0x02, 0, 0,    0,    0,    0x0b, 0x02, 0,    0,
                                 0,    0, 0x0a, 0x81, 0x00, 0xe1, 0x23, 0x86, 0xdd};

/* RFC 894 */
START_TEST(parses_plain)
{
    struct eth_hdr h;

    ck_assert_int_eq(eth_parse(plain, sizeof(plain), &h), 0);
    ck_assert_mem_eq(h.dst.b, plain, 6);
    ck_assert_mem_eq(h.src.b, plain + 6, 6);
    ck_assert_uint_eq(h.type, ETHTYPE_IPV4);
    ck_assert_uint_eq(h.vlan, 0);
    ck_assert_uint_eq(h.hdr_bytes, 14);
}
END_TEST

/* A length in place of the type, as IEEE 802.3 has it, is no type that anybody knows (RFC
 * 1122 2.3.3).
 */
START_TEST(length_is_no_type)
{
    uint8_t frame[sizeof(plain)];
    struct eth_hdr h;

    memcpy(frame, plain, sizeof(frame));
    put_be16(frame + 12, 0x0026);
    ck_assert_int_eq(eth_parse(frame, sizeof(frame), &h), 0);
    ck_assert_uint_eq(h.type, 0x0026);
    ck_assert_uint_eq(h.hdr_bytes, 14);
}
END_TEST

/* The priority bits of the tag are no part of the identifier. */
START_TEST(parses_tagged)
{
    struct eth_hdr h;

    ck_assert_int_eq(eth_parse(tagged, sizeof(tagged), &h), 0);
    ck_assert_uint_eq(h.type, ETHTYPE_IPV6);
    ck_assert_uint_eq(h.vlan, 0x123);
    ck_assert_uint_eq(h.hdr_bytes, 18);
}
END_TEST

START_TEST(second_tag_is_left)
{
    uint8_t p[22];
    struct eth_hdr h;

    memcpy(p, tagged, sizeof(tagged));
    memcpy(p + 16, tagged + 12, 6);
    ck_assert_int_eq(eth_parse(p, sizeof(p), &h), 0);
    ck_assert_uint_eq(h.type, ETHTYPE_VLAN);
    ck_assert_uint_eq(h.hdr_bytes, 18);
}
END_TEST

static void truncations(const uint8_t *frame, size_t whole)
{
    for (size_t len = 0; len < whole; len++) {
        uint8_t *p = wire_exact(frame, len);
        struct eth_hdr h;

        ck_assert_int_eq(eth_parse(p, len, &h), -EBADMSG);
        free(p);
    }
}

START_TEST(truncated)
{
    truncations(plain, sizeof(plain));
    truncations(tagged, sizeof(tagged));
}
END_TEST

START_TEST(round_trip)
{
    struct eth_hdr h;
    uint8_t p[ETH_HDR_BYTES + 1];

    p[ETH_HDR_BYTES] = 0x5a;
    ck_assert_int_eq(eth_parse(plain, sizeof(plain), &h), 0);
    ck_assert_uint_eq(eth_emit(&h, p), ETH_HDR_BYTES);
    ck_assert_mem_eq(p, plain, ETH_HDR_BYTES);
    ck_assert_uint_eq(p[ETH_HDR_BYTES], 0x5a);
}
END_TEST

START_TEST(mac_predicates)
{
    static const struct mac broadcast = {{255, 255, 255, 255, 255, 255}};
    static const struct mac group = {{0x01, 0x00, 0x5e, 0, 0, 1}};
    static const struct mac one = {{0x02, 0, 0, 0, 0, 1}}, two = {{0x02, 0, 0, 0, 0, 2}};
    char s[MAC_STR_MAX];

    ck_assert(mac_is_broadcast(&broadcast));
    ck_assert(mac_is_multicast(&broadcast));
    ck_assert(!mac_is_broadcast(&group));
    ck_assert(mac_is_multicast(&group));
    ck_assert(!mac_is_multicast(&one));
    ck_assert(mac_eq(&one, &one));
    ck_assert(!mac_eq(&one, &two));
    ck_assert_str_eq(mac_str(&group, s), "01:00:5e:00:00:01");
}
END_TEST

TCase *test_wire_eth(void)
{
    TCase *t = tcase_create("eth");

    tcase_add_test(t, parses_plain);
    tcase_add_test(t, length_is_no_type);
    tcase_add_test(t, parses_tagged);
    tcase_add_test(t, second_tag_is_left);
    tcase_add_test(t, truncated);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, mac_predicates);
    return t;
}
