/* Unit tests of paths: source selection, groups, bound interfaces, path MTU. */
#include "test_net.h"

#include <errno.h>
#include <stdlib.h>

static struct host h;

static int look_up(uint32_t dst, uint32_t src, struct netif *nif, struct ip_path *path)
{
    struct ip_addr to = addr_v4(dst), from = addr_v4(src);

    return path_lookup(h.net, &to, &from, nif, path);
}

static uint32_t mtu_to(uint32_t dst)
{
    struct ip_path path;

    ck_assert_int_eq(look_up(dst, 0, NULL, &path), 0);
    return path.mtu;
}

static uint32_t told(uint32_t dst, uint32_t mtu, uint32_t size)
{
    struct ip_addr to = addr_v4(dst);

    return path_set_mtu(h.net, &to, mtu, size);
}

/* RFC 1122 3.3.4.3 */
START_TEST(test_source)
{
    struct ip_path path;
    struct netif *second;
    struct route r = {.dst = addr_v4(0x0a000000),
                      .prefix_len = 8,
                      .gateway = addr_v4(ROUTER),
                      .src = addr_v4(US + 0x20)};

    host_start_ready(&h);
    r.nif = h.nif;
    host_add_addr(&h, h.nif, 0xc6336401, 24);
    host_add_addr(&h, h.nif, US + 0x20, 24);
    ck_assert_int_eq(look_up(PEER, 0, NULL, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), US);
    ck_assert_int_eq(look_up(0xc6336409, 0, NULL, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), 0xc6336401);
    ck_assert_int_eq(look_up(FAR, 0, NULL, &path), 0); /* on the gateway's subnet */
    ck_assert_uint_eq(addr_get_v4(&path.src), US);
    ck_assert_int_eq(route_add(h.net, &r), 0);
    ck_assert_int_eq(look_up(0x0a000001, 0, NULL, &path), 0); /* the route's own */
    ck_assert_uint_eq(addr_get_v4(&path.src), US + 0x20);
    ck_assert_int_eq(look_up(PEER, 0xc6336401, NULL, &path), 0); /* the flow's own */
    ck_assert_uint_eq(addr_get_v4(&path.src), 0xc6336401);
    ck_assert_int_eq(look_up(PEER, FAR, NULL, &path), -EADDRNOTAVAIL);
    /* An interface without an address borrows one of another (unnumbered). */
    second = host_add_netif(&h, 2, NETIF_IP, 1400);
    r = (struct route){.dst = addr_v4(0x0b000000),
                       .prefix_len = 8,
                       .gateway = addr_any4(),
                       .src = addr_any4(),
                       .nif = second};
    ck_assert_int_eq(route_add(h.net, &r), 0);
    ck_assert_int_eq(look_up(0x0b000001, 0, NULL, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), US);
    ck_assert(path.nif == second);
    ck_assert_uint_eq(path.mtu, 1400);
    host_end(&h);
}
END_TEST

START_TEST(test_no_address)
{
    struct ip_path path;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    ck_assert_int_eq(look_up(PEER, 0, NULL, &path), -ENETUNREACH);
    ck_assert_int_eq(look_up(PEER, 0, h.nif, &path), -EADDRNOTAVAIL);
    ck_assert_int_eq(look_up(LIMITED_BROADCAST, 0, NULL, &path), -ENETUNREACH);
    /* As a DHCP client sends. */
    ck_assert_int_eq(look_up(LIMITED_BROADCAST, 0, h.nif, &path), 0);
    ck_assert(path.broadcast && addr_is_any(&path.src));
    ck_assert_int_eq(look_up(0, 0, h.nif, &path), -ENETUNREACH);
    host_end(&h);
}
END_TEST

START_TEST(test_groups)
{
    struct ip_path path;

    host_start_ready(&h);
    ck_assert_int_eq(look_up(LIMITED_BROADCAST, 0, NULL, &path), 0);
    ck_assert(path.broadcast && !path.multicast);
    ck_assert_uint_eq(addr_get_v4(&path.next_hop), LIMITED_BROADCAST);
    ck_assert_int_eq(look_up(SUBNET_BROADCAST, 0, NULL, &path), 0);
    ck_assert(path.broadcast);
    ck_assert_int_eq(look_up(GROUP, 0, NULL, &path), 0);
    ck_assert(path.multicast && !path.broadcast);
    ck_assert_uint_eq(addr_get_v4(&path.next_hop), GROUP);
    ck_assert_int_eq(look_up(PEER, 0, NULL, &path), 0);
    ck_assert(!path.multicast && !path.broadcast && !path.local);
    host_end(&h);
}
END_TEST

START_TEST(test_bound_interface)
{
    struct netif *second;
    struct ip_path path;

    host_start_ready(&h);
    second = host_add_netif(&h, 2, NETIF_ETHERNET, 1400);
    host_add_addr(&h, second, 0xc6336401, 24);
    ck_assert_int_eq(look_up(FAR, 0, NULL, &path), 0);
    ck_assert(path.nif == h.nif);
    ck_assert_int_eq(look_up(FAR, 0, second, &path), 0); /* no route there: on the link, as Linux */
    ck_assert(path.nif == second);
    ck_assert_uint_eq(addr_get_v4(&path.next_hop), FAR);
    ck_assert_uint_eq(addr_get_v4(&path.src), 0xc6336401);
    /* A refresh keeps to the interface. */
    net_routes_changed(h.net);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert(path.nif == second);
    netif_set_up(h.net, second, false);
    ck_assert_int_eq(path_refresh(h.net, &path), -ENETDOWN);
    netif_set_up(h.net, second, true);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    host_end(&h);
}
END_TEST

/* An IPv6 group, of a socket that is bound to an interface: it had a path, and an IPv4 packet to
 * some of its bytes went out. */
START_TEST(test_no_path_to_an_ipv6_group)
{
    struct ip_path path;
    struct ip_addr group = {.b = {0xff, 0x02, [15] = 1}}, any = addr_any_as(&group);

    host_start_ready(&h);
    ck_assert(!addr_is_v4(&group) && addr_is_multicast(&group));
    ck_assert_int_eq(path_lookup(h.net, &group, &any, h.nif, &path), -ENETUNREACH);
    host_end(&h);
}
END_TEST

/* A flow keeps its source whatever becomes of the routes, and notices when it loses it. */
START_TEST(test_refresh)
{
    struct ip_path path;
    struct ip_addr us = addr_v4(US);
    const struct route r = {
        .dst = addr_v4(FAR), .prefix_len = 32, .gateway = addr_v4(PEER), .src = addr_any4()};
    struct route via = r;

    host_start_ready(&h);
    via.nif = h.nif;
    ck_assert_int_eq(look_up(FAR, 0, NULL, &path), 0);
    ck_assert_int_eq(route_add(h.net, &via), 0);
    ck_assert_uint_eq(addr_get_v4(&path.next_hop), ROUTER);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.next_hop), PEER);
    path.next_hop = addr_v4(PEER + 1); /* stays as long as nothing changes */
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.next_hop), PEER + 1);
    ck_assert_uint_eq(addr_get_v4(&path.src), US);
    host_add_addr(&h, h.nif, US + 0x20, 24);
    netif_remove_addr(h.net, h.nif, &us);
    ck_assert_int_eq(path_refresh(h.net, &path), -EADDRNOTAVAIL);
    ck_assert(path.nif == NULL);
    host_add_addr(&h, h.nif, US, 24);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), US);
    host_end(&h);
}
END_TEST

START_TEST(test_path_mtu)
{
    struct ip_path path;

    host_start_ready(&h);
    ck_assert_int_eq(look_up(FAR, 0, NULL, &path), 0);
    ck_assert_uint_eq(path.mtu, 1500);
    ck_assert_uint_eq(told(FAR, 1400, 1500), 1400);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert_uint_eq(path.mtu, 1400);
    ck_assert_uint_eq(mtu_to(FAR + 1), 1500);
    ck_assert_uint_eq(told(FAR, 1450, 1500), 1400); /* never raised, RFC 1191 3 */
    ck_assert_uint_eq(told(FAR, 1300, 1400), 1300);
    ck_assert_uint_eq(mtu_to(FAR), 1300);
    ck_assert_uint_eq(told(FAR + 1, 1500, 1500), 0);
    ck_assert_uint_eq(told(FAR + 1, 9000, 9000), 0);
    ck_assert_uint_eq(told(US, 1000, 1500), 0); /* to ourselves */
    host_end(&h);
}
END_TEST

/* RFC 1191 6.3: forgotten after ten minutes since it was last lowered. */
START_TEST(test_path_mtu_expires)
{
    size_t before;

    host_start_ready(&h);
    before = host_used(&h);
    ck_assert_uint_eq(told(FAR, 1400, 1500), 1400);
    host_pass(&h, 300 * SECOND);
    ck_assert_uint_eq(told(FAR + 1, 1400, 1500), 1400);
    ck_assert_uint_eq(told(FAR + 2, 1400, 1500), 1400);
    host_pass(&h, 200 * SECOND);
    ck_assert_uint_eq(told(FAR + 1, 1200, 1400), 1200);
    host_pass(&h, 100 * SECOND);
    ck_assert_uint_eq(mtu_to(FAR), 1500);
    ck_assert_uint_eq(mtu_to(FAR + 1), 1200);
    host_pass(&h, 300 * SECOND);
    ck_assert_uint_eq(mtu_to(FAR + 2), 1500);
    ck_assert_uint_eq(mtu_to(FAR + 1), 1200);
    host_pass(&h, 200 * SECOND);
    ck_assert_uint_eq(mtu_to(FAR + 1), 1500);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

/* RFC 1191 7.1: old routers say 0; then the next plateau below the packet that did not fit. */
START_TEST(test_path_mtu_plateau)
{
    static const uint32_t size_mtu[][2] = {{1500, 1492}, {1492, 1006}, {1007, 1006}};

    host_start_ready(&h);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(told(FAR + i, 0, size_mtu[i][0]), size_mtu[i][1]);
    host_end(&h);
}
END_TEST

/* Too small to be true: packets of PATH_MTU_MIN, which routers may fragment. */
START_TEST(test_path_mtu_floor)
{
    struct ip_path path;
    struct ip_addr to = addr_v4(FAR);
    const struct ip_tx tx = {.path = &path, .proto = 6, .ttl = 64, .df = true};
    static uint8_t p[532];
    struct frame f;
    struct sent *s;

    host_start_ready(&h);
    host_know(&h, ROUTER, &peer_mac);
    ck_assert_uint_eq(told(FAR, 68, 1500), PATH_MTU_MIN);
    ck_assert_int_eq(look_up(FAR, 0, NULL, &path), 0);
    ck_assert_uint_eq(path.mtu, PATH_MTU_MIN);
    ck_assert(path.mtu_locked);
    frame_init(&f);
    frame_add(&f, p, sizeof(p));
    ck_assert_int_eq(ip_output(h.net, &tx, &f, 0), 0);
    s = host_take_ip(&h, 6);
    ck_assert(!s->ip.df);
    host_forget_sent(&h);
    free(s);
    ck_assert_uint_eq(told(FAR + 1, 0, 100), PATH_MTU_MIN);
    /* Exactly at the floor, first believed, then not. */
    to = addr_v4(FAR + 2);
    ck_assert_uint_eq(path_set_mtu(h.net, &to, PATH_MTU_MIN, 1500), PATH_MTU_MIN);
    ck_assert_int_eq(look_up(FAR + 2, 0, NULL, &path), 0);
    ck_assert(!path.mtu_locked);
    ck_assert_uint_eq(path_set_mtu(h.net, &to, 500, 1500), PATH_MTU_MIN);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert(path.mtu_locked);
    host_end(&h);
}
END_TEST

/* The table is bounded; the newest is always kept. */
START_TEST(test_path_mtu_bounded)
{
    size_t full = 0;

    host_start_ready(&h);
    for (uint32_t i = 0; i < 30000; i++) {
        ck_assert_uint_eq(told(0x0a000000 + i, 1400, 1500), 1400);
        if (i == 9000)
            full = host_used(&h);
        host_pass(&h, 1000);
    }
    ck_assert_uint_le(host_used(&h), full);
    ck_assert_uint_eq(mtu_to(0x0a000000 + 29999), 1400);
    ck_assert_uint_eq(mtu_to(0x0a000000), 1500);
    host_end(&h);
}
END_TEST

START_TEST(test_route_mtu)
{
    struct route r = {.dst = addr_v4(0x0a000000),
                      .prefix_len = 8,
                      .gateway = addr_v4(ROUTER),
                      .src = addr_any4(),
                      .mtu = 1280};

    host_start_ready(&h);
    r.nif = h.nif;
    ck_assert_int_eq(route_add(h.net, &r), 0);
    ck_assert_uint_eq(mtu_to(0x0a000001), 1280);
    ck_assert_uint_eq(told(0x0a000001, 1400, 1500), 0);
    ck_assert_uint_eq(mtu_to(0x0a000001), 1280);
    ck_assert_int_eq(netif_set_mtu(h.net, h.nif, 1000), 0);
    ck_assert_uint_eq(mtu_to(0x0a000001), 1000);
    host_end(&h);
}
END_TEST

/* Without memory the transport still learns the MTU of the message. */
START_TEST(test_path_mtu_no_memory)
{
    host_start_ready(&h);
    arena_fail_at(h.arena, 1);
    ck_assert_uint_eq(told(FAR, 1400, 1500), 1400);
    ck_assert_uint_eq(mtu_to(FAR), 1500);
    ck_assert_uint_eq(told(FAR, 1400, 1500), 1400);
    ck_assert_uint_eq(mtu_to(FAR), 1400);
    /* The oldest makes room. */
    ck_assert_uint_eq(told(FAR + 1, 1400, 1500), 1400);
    arena_fail_at(h.arena, 1);
    ck_assert_uint_eq(told(FAR + 2, 1400, 1500), 1400);
    ck_assert_uint_eq(mtu_to(FAR), 1500);
    ck_assert_uint_eq(mtu_to(FAR + 1), 1400);
    ck_assert_uint_eq(mtu_to(FAR + 2), 1400);
    host_end(&h);
}
END_TEST

TCase *test_net_path(void)
{
    TCase *tc = tcase_create("path");

    tcase_add_test(tc, test_source);
    tcase_add_test(tc, test_no_address);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_bound_interface);
    tcase_add_test(tc, test_no_path_to_an_ipv6_group);
    tcase_add_test(tc, test_refresh);
    tcase_add_test(tc, test_path_mtu);
    tcase_add_test(tc, test_path_mtu_expires);
    tcase_add_test(tc, test_path_mtu_plateau);
    tcase_add_test(tc, test_path_mtu_floor);
    tcase_add_test(tc, test_path_mtu_bounded);
    tcase_add_test(tc, test_route_mtu);
    tcase_add_test(tc, test_path_mtu_no_memory);
    return tc;
}
