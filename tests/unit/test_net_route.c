/* Unit tests of the routing table. */
#include "test_net.h"

#include <errno.h>

static struct host h;

static struct route route_to(uint32_t dst, uint8_t prefix_len, uint32_t gateway, uint32_t metric)
{
    return (struct route){.dst = addr_v4(dst),
                          .prefix_len = prefix_len,
                          .gateway = addr_v4(gateway),
                          .src = addr_any4(),
                          .nif = h.nif,
                          .metric = metric};
}

static int add(uint32_t dst, uint8_t prefix_len, uint32_t gateway, uint32_t metric)
{
    struct route r = route_to(dst, prefix_len, gateway, metric);

    return route_add(h.net, &r);
}

static int del(uint32_t dst, uint8_t prefix_len, uint32_t gateway, uint32_t metric)
{
    struct route r = route_to(dst, prefix_len, gateway, metric);

    return route_remove(h.net, &r);
}

/* The next hop to dst; 0: no route. */
static uint32_t next_hop(uint32_t dst)
{
    struct ip_addr to = addr_v4(dst), any = addr_any4();
    struct ip_path path;

    return path_lookup(h.net, &to, &any, NULL, &path) == 0 ? addr_get_v4(&path.next_hop) : 0;
}

/* RFC 1122 3.3.1, RFC 1812 5.2.4.3 */
START_TEST(test_longest_prefix)
{
    host_start_ready(&h);
    ck_assert_int_eq(add(0x0a000000, 8, PEER, 0), 0);
    ck_assert_int_eq(add(0x0a010000, 16, PEER + 1, 500), 0); /* longer wins over metric */
    ck_assert_int_eq(add(0x0a010203, 32, PEER + 2, 0), 0);
    ck_assert_uint_eq(next_hop(0x0a020304), PEER);
    ck_assert_uint_eq(next_hop(0x0a01ffff), PEER + 1);
    ck_assert_uint_eq(next_hop(0x0a010203), PEER + 2);
    ck_assert_uint_eq(next_hop(0x0a010204), PEER + 1);
    ck_assert_uint_eq(next_hop(0x0b000000), ROUTER);
    ck_assert_uint_eq(next_hop(PEER), PEER);
    host_end(&h);
}
END_TEST

START_TEST(test_metric)
{
    host_start_ready(&h);
    ck_assert_int_eq(add(0x0a000000, 8, PEER, 20), 0);
    ck_assert_int_eq(add(0x0a000000, 8, PEER + 1, 10), 0);
    ck_assert_int_eq(add(0x0a000000, 8, PEER + 2, 30), 0);
    ck_assert_uint_eq(next_hop(0x0a000001), PEER + 1);
    ck_assert_int_eq(del(0x0a000000, 8, PEER + 1, 10), 0);
    ck_assert_uint_eq(next_hop(0x0a000001), PEER);
    ck_assert_int_eq(del(0x0a000000, 8, PEER, 20), 0);
    ck_assert_uint_eq(next_hop(0x0a000001), PEER + 2);
    ck_assert_int_eq(del(0x0a000000, 8, PEER + 2, 30), 0);
    ck_assert_uint_eq(next_hop(0x0a000001), ROUTER);
    host_end(&h);
}
END_TEST

START_TEST(test_add_remove_errors)
{
    host_start_ready(&h);
    ck_assert_int_eq(add(0x0a000000, 8, PEER, 0), 0);
    ck_assert_int_eq(add(0x0a123456, 8, PEER, 0), -EEXIST); /* host bits do not count */
    ck_assert_int_eq(add(0x0a000000, 33, PEER, 0), -EINVAL);
    ck_assert_int_eq(add(0x0b000000, 8, FAR, 0), -ENETUNREACH);
    ck_assert_int_eq(del(0x0a000000, 9, PEER, 0), -ESRCH);
    ck_assert_int_eq(del(0x0a000000, 33, PEER, 0), -ESRCH);
    ck_assert_int_eq(del(0x0a000000, 8, PEER, 1), -ESRCH);
    ck_assert_int_eq(del(0x0a123456, 8, PEER, 0), 0);
    ck_assert_int_eq(del(0x0a000000, 8, PEER, 0), -ESRCH);
    /* A gateway may be on the link by a route. */
    ck_assert_int_eq(add(FAR, 32, 0, 0), 0);
    ck_assert_int_eq(add(0x0b000000, 8, FAR, 0), 0);
    ck_assert_uint_eq(next_hop(0x0b000001), FAR);
    host_end(&h);
}
END_TEST

START_TEST(test_every_prefix_length)
{
    host_start_ready(&h);
    for (uint8_t len = 1; len <= 32; len++)
        ck_assert_int_eq(add(0x0a555555, len, PEER + len, 0), 0);
    for (uint8_t len = 32; len >= 1; len--) {
        ck_assert_uint_eq(next_hop(0x0a555555), PEER + len);
        /* One bit off at this length: the next shorter one. */
        ck_assert_uint_eq(next_hop(0x0a555555 ^ 1u << (32 - len)),
                          len > 1 ? PEER + len - 1 : ROUTER);
        ck_assert_int_eq(del(0x0a555555, len, PEER + len, 0), 0);
    }
    host_end(&h);
}
END_TEST

/* Many routes: found as fast, and all memory comes back. */
START_TEST(test_many)
{
    size_t before;

    host_start_ready(&h);
    ck_assert_int_eq(add(0x0a000000, 24, PEER, 0), 0);
    ck_assert_int_eq(del(0x0a000000, 24, PEER, 0), 0);
    before = h.net->route_slab.live;
    for (uint32_t i = 0; i < 20000; i++)
        ck_assert_int_eq(add(0x0a000000 + (i << 8), 24, PEER + i % 100, 0), 0);
    for (uint32_t i = 0; i < 20000; i++)
        ck_assert_uint_eq(next_hop(0x0a000007 + (i << 8)), PEER + i % 100);
    for (uint32_t i = 0; i < 20000; i++)
        ck_assert_int_eq(del(0x0a000000 + (i << 8), 24, PEER + i % 100, 0), 0);
    ck_assert_uint_eq(h.net->route_slab.live, before);
    host_end(&h);
}
END_TEST

START_TEST(test_interface_down)
{
    struct netif *second;
    struct route r;
    struct ip_addr to = addr_v4(FAR), any = addr_any4();
    struct ip_path path;

    host_start_ready(&h);
    second = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    host_add_addr(&h, second, 0xc6336401, 24); /* 198.51.100.1 */
    r = route_to(0, 0, 0xc63364fe, 100);
    r.nif = second;
    ck_assert_int_eq(route_add(h.net, &r), 0);
    ck_assert_uint_eq(next_hop(FAR), ROUTER);
    netif_set_up(h.net, h.nif, false);
    ck_assert_uint_eq(next_hop(FAR), 0xc63364fe);
    netif_set_up(h.net, second, false);
    ck_assert_int_eq(path_lookup(h.net, &to, &any, NULL, &path), -ENETDOWN);
    netif_set_up(h.net, h.nif, true);
    ck_assert_uint_eq(next_hop(FAR), ROUTER);
    netif_remove(h.net, h.nif);
    ck_assert_int_eq(path_lookup(h.net, &to, &any, NULL, &path), -ENETDOWN);
    netif_set_up(h.net, second, true);
    ck_assert_uint_eq(next_hop(FAR), 0xc63364fe);
    host_end(&h);
}
END_TEST

START_TEST(test_types)
{
    static const int errs[] = {0, -EHOSTUNREACH, -EACCES, -EINVAL};
    struct ip_addr any = addr_any4();
    struct ip_path path;

    host_start_ready(&h);
    for (uint32_t type = ROUTE_UNICAST; type <= ROUTE_BLACKHOLE; type++) {
        struct route r = route_to(0x0a000000 + (type << 16), 16, PEER, 0);
        struct ip_addr to = addr_v4(0x0a000001 + (type << 16));

        r.type = type;
        ck_assert_int_eq(route_add(h.net, &r), 0);
        ck_assert_int_eq(path_lookup(h.net, &to, &any, NULL, &path), errs[type]);
        ck_assert_int_eq(path_refresh(h.net, &path), errs[type]);
    }
    host_end(&h);
}
END_TEST

/* The table keeps both families. */
START_TEST(test_ipv6)
{
    struct route r = {.nif = NULL};
    struct ip_addr dst;

    host_start_ready(&h);
    r.nif = h.nif;
    ck_assert(addr_parse("2001:db8::1", &dst));
    ck_assert(route_find(h.net, &dst, NULL) == NULL);
    r.metric = 1;
    ck_assert_int_eq(route_add(h.net, &r), 0); /* ::/0 */
    ck_assert(addr_parse("2001:db8::", &r.dst));
    r.prefix_len = 32;
    r.metric = 2;
    ck_assert_int_eq(route_add(h.net, &r), 0);
    r.prefix_len = 128;
    r.metric = 3;
    ck_assert_int_eq(route_add(h.net, &r), 0);
    r.prefix_len = 129;
    ck_assert_int_eq(route_add(h.net, &r), -EINVAL);
    ck_assert_uint_eq(route_find(h.net, &dst, NULL)->metric, 2);
    ck_assert(addr_parse("2001:db8::", &dst));
    ck_assert_uint_eq(route_find(h.net, &dst, NULL)->metric, 3);
    ck_assert(addr_parse("2001:db9::", &dst));
    ck_assert_uint_eq(route_find(h.net, &dst, NULL)->metric, 1);
    dst = addr_v4(FAR);
    ck_assert_uint_eq(route_find(h.net, &dst, NULL)->metric, 0); /* the default route of IPv4 */
    ck_assert_int_eq(del(0, 0, ROUTER, 0), 0);
    ck_assert(route_find(h.net, &dst, NULL) == NULL); /* ::/0 is none */
    host_end(&h);
}
END_TEST

START_TEST(test_no_memory)
{
    host_start_ready(&h);
    for (uint32_t i = 0;; i++) {
        arena_fail_at(h.arena, 1);
        if (add(0x0a000000 + (i << 8), 24, PEER, 0) == -ENOMEM)
            break;
        ck_assert_uint_lt(i, 1000);
    }
    arena_fail_at(h.arena, 0);
    ck_assert_uint_eq(next_hop(0x0aff0001), ROUTER);
    host_end(&h);
}
END_TEST

TCase *test_net_route(void)
{
    TCase *tc = tcase_create("route");

    tcase_add_test(tc, test_longest_prefix);
    tcase_add_test(tc, test_metric);
    tcase_add_test(tc, test_add_remove_errors);
    tcase_add_test(tc, test_every_prefix_length);
    tcase_add_test(tc, test_many);
    tcase_add_test(tc, test_interface_down);
    tcase_add_test(tc, test_types);
    tcase_add_test(tc, test_ipv6);
    tcase_add_test(tc, test_no_memory);
    return tc;
}
