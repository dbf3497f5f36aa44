/* Unit tests of interfaces and addresses. */
#include "test_net.h"

#include <errno.h>

static struct host h;

/* RFC 791 3.2 */
START_TEST(test_add_and_find)
{
    struct netif desc = {.index = 7, .name = "a", .mtu = 1500, .up = true};
    struct netif *nif;

    host_start(&h, 0);
    nif = netif_add(h.net, &desc);
    ck_assert(nif != NULL);
    ck_assert(netif_by_index(h.net, 7) == nif);
    ck_assert(netif_by_index(h.net, 8) == NULL);
    ck_assert(netif_add(h.net, &desc) == NULL); /* the index is taken */
    desc.index = 0;
    ck_assert(netif_add(h.net, &desc) == NULL);
    desc.index = 8;
    desc.mtu = 67;
    ck_assert(netif_add(h.net, &desc) == NULL);
    desc.mtu = 65536;
    ck_assert(netif_add(h.net, &desc) == NULL);
    desc.mtu = 68;
    ck_assert(netif_add(h.net, &desc) != NULL);
    ck_assert_int_eq(netif_set_mtu(h.net, nif, 67), -EINVAL);
    ck_assert_int_eq(netif_set_mtu(h.net, nif, 65536), -EINVAL);
    ck_assert_int_eq(netif_set_mtu(h.net, nif, 9000), 0);
    ck_assert_uint_eq(nif->mtu, 9000);
    host_end(&h);
}
END_TEST

/* Whoever holds a removed interface finds it down; added again it is the same one. */
START_TEST(test_remove_and_revive)
{
    struct ip_addr peer = addr_v4(PEER), any = addr_any4(), us = addr_v4(US);
    struct netif desc, *nif;
    struct ip_path path;

    host_start_ready(&h);
    nif = h.nif;
    desc = *nif;
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, nif, &path), 0);
    netif_remove(h.net, nif);
    ck_assert(netif_by_index(h.net, 1) == NULL);
    ck_assert(netif_find_addr(h.net, &us) == NULL);
    ck_assert(!nif->up);
    ck_assert_int_eq(path_refresh(h.net, &path), -ENODEV);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, nif, &path), -ENODEV);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), -ENETUNREACH);
    desc.name[1] = 'x';
    ck_assert(netif_add(h.net, &desc) != nif);
    netif_remove(h.net, netif_by_index(h.net, 1));
    desc.name[1] = '1';
    ck_assert(netif_add(h.net, &desc) == nif);
    host_add_addr(&h, nif, US, 24);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, nif, &path), 0);
    host_end(&h);
}
END_TEST

START_TEST(test_addresses)
{
    struct ip_addr a = addr_v4(US), b = addr_v4(US + 1), none = addr_v4(US + 2);

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    ck_assert(!netif_is_borrowed(h.nif));
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &a, 24, true, false), 0);
    ck_assert(netif_is_borrowed(h.nif));
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &a, 24, true, false), -EEXIST);
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &b, 33, false, false), -EINVAL);
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &b, 24, false, false), 0);
    ck_assert(!netif_is_borrowed(h.nif));
    ck_assert(netif_find_addr(h.net, &a)->borrowed);
    ck_assert(!netif_find_addr(h.net, &b)->borrowed);
    ck_assert(netif_find_addr(h.net, &none) == NULL);
    netif_remove_addr(h.net, h.nif, &none);
    netif_remove_addr(h.net, h.nif, &a);
    ck_assert(netif_find_addr(h.net, &a) == NULL);
    ck_assert(netif_find_addr(h.net, &b) != NULL);
    host_end(&h);
}
END_TEST

/* The subnet's route lives as long as one of its addresses. */
START_TEST(test_subnet_route)
{
    struct ip_addr a = addr_v4(US), b = addr_v4(US + 1), peer = addr_v4(PEER + 9),
                   any = addr_any4();
    struct ip_path path;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, US, 24);
    host_add_addr(&h, h.nif, US + 1, 24);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), US);
    netif_remove_addr(h.net, h.nif, &a);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), US + 1);
    netif_remove_addr(h.net, h.nif, &b);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), -ENETUNREACH);
    ck_assert(list_empty(&h.net->routes));
    host_end(&h);
}
END_TEST

/* A route that somebody else made for the subnet is not the address's to remove. */
START_TEST(test_subnet_route_of_others)
{
    struct ip_addr us = addr_v4(US), host = addr_v4(US + 0x50), peer = addr_v4(PEER);
    struct ip_addr any = addr_any4();
    struct route r = {.dst = us, .prefix_len = 24, .gateway = any, .src = any};
    struct ip_path path;
    uint32_t generation;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    r.nif = h.nif;
    ck_assert_int_eq(route_add(h.net, &r), 0);
    host_add_addr(&h, h.nif, US, 24);
    generation = h.net->route_generation;
    host_add_addr(&h, h.nif, US + 0x50, 32);                /* makes none */
    ck_assert_uint_ne(h.net->route_generation, generation); /* but may be a source */
    netif_remove_addr(h.net, h.nif, &us);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), 0);
    ck_assert_uint_eq(addr_get_v4(&path.src), US + 0x50);
    netif_remove_addr(h.net, h.nif, &host);
    ck_assert_int_eq(route_remove(h.net, &r), 0);
    host_end(&h);
}
END_TEST

/* RFC 3021 2.1 */
START_TEST(test_broadcast)
{
    static const struct {
        uint8_t prefix_len;
        uint32_t addr;
        bool is;
    } t[] = {
        {24, 0xffffffff, true},  {24, 0xc00002ff, true},  {24, 0xc00002fe, false},
        {24, 0xc0000200, false}, {24, 0xc00003ff, false}, {25, 0xc000027f, true},
        {25, 0xc00002ff, false}, {30, 0xc0000203, true},  {31, 0xc0000201, false},
        {32, 0xc0000201, false}, {8, 0xc0ffffff, true},   {1, 0xffffffff, true},
        {0, 0xffffffff, true},   {0, 0xfffffffe, false},  {32, 0xffffffff, true},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct ip_addr a = addr_v4(t[i].addr);

        host_start(&h, 0);
        h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
        host_add_addr(&h, h.nif, US, t[i].prefix_len);
        ck_assert_msg(netif_is_broadcast(h.nif, &a) == t[i].is, "line %zu", i);
        host_end(&h);
    }
}
END_TEST

START_TEST(test_no_memory)
{
    struct netif desc = {.index = 1, .name = "a", .mtu = 1500, .up = true};
    struct ip_addr us = addr_v4(US);
    struct netif *nif;
    uint64_t n;
    int err;

    host_start(&h, 0);
    arena_fail_at(h.arena, 1);
    ck_assert(netif_add(h.net, &desc) == NULL);
    nif = netif_add(h.net, &desc);
    ck_assert(nif != NULL);
    for (n = 1;; n++) {
        size_t before = host_used(&h);

        arena_fail_at(h.arena, n);
        err = netif_add_addr(h.net, nif, &us, 24, false, true);
        arena_fail_at(h.arena, 0);
        if (err == 0)
            break;
        ck_assert_int_eq(err, -ENOMEM);
        ck_assert(list_empty(&nif->addrs));
        ck_assert_uint_eq(host_used(&h), before);
    }
    ck_assert_uint_ge(n, 3); /* address and route */
    host_end(&h);
}
END_TEST

TCase *test_net_netif(void)
{
    TCase *tc = tcase_create("netif");

    tcase_add_test(tc, test_add_and_find);
    tcase_add_test(tc, test_remove_and_revive);
    tcase_add_test(tc, test_addresses);
    tcase_add_test(tc, test_subnet_route);
    tcase_add_test(tc, test_subnet_route_of_others);
    tcase_add_test(tc, test_broadcast);
    tcase_add_test(tc, test_no_memory);
    return tc;
}
