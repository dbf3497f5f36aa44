#include "base/addr.h"
#include "test_base.h"

static struct ip_addr parse(const char *s)
{
    struct ip_addr a = addr_any4();
    ck_assert_msg(addr_parse(s, &a), "%s", s);
    return a;
}

START_TEST(text_forms)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8::1", "2001:db8::1"},                  /* RFC 5952 4.3 */
        {"2001:0db8::0001", "2001:db8::1"},              /* RFC 5952 4.1 */
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},       /* RFC 5952 4.2.1 */
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* RFC 5952 4.2.2 */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},         /* RFC 5952 4.2.3 */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},   /* RFC 5952 4.2.3 */
        {"fe80:0:0:0:0:0:0:0", "fe80::"},
        {"::ffff:192.0.2.33", "192.0.2.33"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[ADDR_STR_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip_addr a = parse(cases[i].in);
        ck_assert_ptr_eq(addr_str(&a, text), text);
        ck_assert_str_eq(text, cases[i].out);
        struct ip_addr again = parse(text);
        ck_assert(addr_eq(&a, &again));
    }
}
END_TEST

START_TEST(not_addresses)
{
    static const char *const cases[] = {
        "",          "1.2.3",        "1.2.3.4.5", "1.2.3.256",    "1.2.3.4 ", " 1.2.3.4",
        "1.2.3.4/8", "2001:db8:",    ":::",       "1::2::3",      "g::",      "12345::",
        "host",      "fe80::1%eth0", "0x7f.1",    "127.0.0.1:80",
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip_addr a = addr_v4(7);
        ck_assert_msg(!addr_parse(cases[i], &a), "%s", cases[i]);
        ck_assert_uint_eq(addr_get_v4(&a), 7);
    }
}
END_TEST

START_TEST(kinds)
{
    static const struct {
        const char *text;
        bool v4, any, loopback, multicast, broadcast;
    } cases[] = {
        {"0.0.0.0", true, true, false, false, false},
        {"0.0.0.1", true, false, false, false, false},
        {"127.0.0.1", true, false, true, false, false},
        {"127.255.255.255", true, false, true, false, false},
        {"126.255.255.255", true, false, false, false, false},
        {"223.255.255.255", true, false, false, false, false},
        {"224.0.0.1", true, false, false, true, false},
        {"239.255.255.255", true, false, false, true, false},
        {"240.0.0.1", true, false, false, false, false},
        {"255.255.255.255", true, false, false, false, true},
        {"::", false, true, false, false, false},
        {"::1", false, false, true, false, false},
        {"::2", false, false, false, false, false},
        {"ff02::1", false, false, false, true, false},
        {"fe80::1", false, false, false, false, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip_addr a = parse(cases[i].text);
        ck_assert_msg(addr_is_v4(&a) == cases[i].v4, "%s", cases[i].text);
        ck_assert_msg(addr_is_any(&a) == cases[i].any, "%s", cases[i].text);
        ck_assert_msg(addr_is_loopback(&a) == cases[i].loopback, "%s", cases[i].text);
        ck_assert_msg(addr_is_multicast(&a) == cases[i].multicast, "%s", cases[i].text);
        ck_assert_msg(addr_is_broadcast(&a) == cases[i].broadcast, "%s", cases[i].text);
    }
    struct ip_addr any4 = addr_any4(), any6 = parse("::");
    ck_assert(!addr_eq(&any4, &any6));
}
END_TEST

START_TEST(prefixes)
{
    static const struct {
        const char *addr, *net;
        uint8_t prefix_len;
        bool inside;
    } cases[] = {
        {"192.0.2.1", "192.0.2.0", 24, true},
        {"192.0.3.1", "192.0.2.0", 24, false},
        {"192.0.3.1", "192.0.2.0", 23, true},
        {"192.0.4.1", "192.0.2.0", 23, false},
        {"198.51.100.1", "192.0.2.0", 0, true},
        {"192.0.2.1", "192.0.2.1", 32, true},
        {"192.0.2.1", "192.0.2.0", 32, false},
        {"192.0.2.1", "192.0.2.0", 31, true},
        {"192.0.2.1", "::", 0, false},
        {"::1", "0.0.0.0", 0, false},
        {"2001:db8::1", "2001:db8::", 32, true},
        {"2001:db9::1", "2001:db8::", 32, false},
        {"2001:db9::1", "2001:db8::", 31, true},
        {"2001:db8::1", "2001:db8::", 128, false},
        {"2001:db8::1", "2001:db8::1", 128, true},
        {"2001:db8::1", "::", 0, true},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip_addr a = parse(cases[i].addr), net = parse(cases[i].net);
        ck_assert_msg(addr_in_prefix(&a, &net, cases[i].prefix_len) == cases[i].inside, "%s %s/%d",
                      cases[i].addr, cases[i].net, cases[i].prefix_len);
    }
}
END_TEST

Suite *addr_suite(void)
{
    Suite *s = suite_create("addr");
    TCase *tc = tcase_create("addr");
    tcase_add_test(tc, text_forms);
    tcase_add_test(tc, not_addresses);
    tcase_add_test(tc, kinds);
    tcase_add_test(tc, prefixes);
    suite_add_tcase(s, tc);
    return s;
}
