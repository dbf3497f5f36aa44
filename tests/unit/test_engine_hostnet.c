/* What is read of the kernel's interfaces, addresses and routes. */
#include "test_engine.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"

#define NET1 0xc6336400u /* 198.51.100.0 */
#define NET2 0xcb007100u /* 203.0.113.0 */

/* The interface that hostnet_find() chooses, or the error's name. */
static const char *found(const struct config *c)
{
    static char name[32];
    struct hostnet_if hif;
    char why[256];
    int r = hostnet_find(c, &hif, why, sizeof(why));
    if (r < 0)
        ck_assert_msg(why[0] != '\0', "nothing is said about %s", strerrorname_np(-r));
    strcpy(name, r < 0 ? strerrorname_np(-r) : hif.name);
    return name;
}

static void wait_up(const char *name)
{
    struct hostnet_if hif;
    UNTIL(hostnet_link(if_nametoindex(name), &hif) == 0 && hif.up);
}

static void wait_down(const char *name)
{
    struct hostnet_if hif;
    UNTIL(hostnet_link(if_nametoindex(name), &hif) == 0 && !hif.up);
}

/* A second and a third link beside veth0. */
static void more_links(void)
{
    for (int i = 1; i <= 2; i++) {
        const char *name = i == 1 ? "veth1" : "veth2";
        lab_veth(name, name);
        lab_link(PEER, name, true);
        lab_link(HOST, name, true);
        wait_up(name);
    }
}

START_TEST(choice_of_the_interface)
{
    struct config none = {.interface = ""}, named = {.interface = "veth1"},
                  own = {.own_address = true, .address = addr_v4(NET1 + 7), .prefix_len = 24};

    ck_assert_str_eq(found(&none), "ENODEV"); /* nobody has an address */
    ck_assert_str_eq(found(&own), "veth0");
    ck_assert_str_eq(found(&named), "ENODEV");
    more_links();
    ck_assert_str_eq(found(&named), "EADDRNOTAVAIL");
    lab_addr(HOST, "veth2", NET2 + 1, 24, true);
    ck_assert_str_eq(found(&none), "veth2"); /* the first with an address ... */
    lab_addr(HOST, "veth1", NET1 + 1, 24, true);
    ck_assert_str_eq(found(&none), "veth1");
    ck_assert_str_eq(found(&named), "veth1");
    lab_route(HOST, 0, 0, NET2 + 2, NULL, 50, true); /* ... but a default route comes first */
    ck_assert_str_eq(found(&none), "veth2");
    lab_route(HOST, 0, 0, NET1 + 2, NULL, 20, true); /* a better one */
    ck_assert_str_eq(found(&none), "veth1");
    lab_link(PEER, "veth1", false); /* without carrier it does not count */
    wait_down("veth1");
    ck_assert_str_eq(found(&none), "veth2");
    ck_assert_str_eq(found(&named), "ENETDOWN");
    /* Of ten routes the best are looked at. */
    for (uint32_t i = 0; i < 10; i++)
        lab_route(HOST, 0, 0, NET2 + 3, NULL, 100 - i, true);
    ck_assert_str_eq(found(&none), "veth2");
    own.address = addr_v4(NET2 + 1);
    ck_assert_str_eq(found(&own), "EADDRINUSE");
    own.address = addr_v4(NET2 + 9);
    strcpy(own.interface, "lo");
    ck_assert_str_eq(found(&own), "lo"); /* if one insists */
}
END_TEST

START_TEST(state_of_a_link)
{
    struct hostnet_if hif;
    uint32_t index = if_nametoindex("veth0");

    ck_assert_int_eq(hostnet_link(index, &hif), 0);
    ck_assert_uint_eq(hif.index, index);
    ck_assert_str_eq(hif.name, "veth0");
    ck_assert_int_eq(hif.type, NETIF_ETHERNET);
    ck_assert_uint_eq(hif.mtu, 1500);
    ck_assert(hif.up && !hif.loopback);
    ck_assert_mem_eq(hif.mac.b, "\2\0\0\0\0\1", 6);
    ck_assert_int_eq(hostnet_link(if_nametoindex("lo"), &hif), 0);
    ck_assert_uint_eq(hif.mtu, 65535); /* no packet is longer */
    ck_assert(hif.loopback);
    ck_assert_int_eq(hostnet_link(0, &hif), -ENODEV);
    ck_assert_int_eq(hostnet_link(12345, &hif), -ENODEV);
    if (lab_has_tun()) {
        int tun = lab_tun("tun0");
        ck_assert_int_eq(hostnet_link(if_nametoindex("tun0"), &hif), 0);
        ck_assert_int_eq(hif.type, NETIF_IP);
        close(tun);
    }
}
END_TEST

START_TEST(ways)
{
    struct hostnet_way way;
    struct ip_addr a;

    more_links();
    lab_addr(HOST, "veth0", OUR_V4, 24, true);
    lab_addr(HOST, "veth1", NET1 + 1, 24, true);
    lab_route(HOST, NET2, 24, NET1 + 2, NULL, 0, true);
    a = addr_v4(PEER_V4);
    ck_assert_int_eq(hostnet_lookup(&a, &way), 0);
    ck_assert(!way.local);
    ck_assert_uint_eq(way.index, if_nametoindex("veth0"));
    a = addr_v4(NET2 + 1);
    ck_assert_int_eq(hostnet_lookup(&a, &way), 0);
    ck_assert_uint_eq(way.index, if_nametoindex("veth1"));
    a = addr_v4(NET1 + 1);
    ck_assert(hostnet_is_local(&a));
    a = addr_v4(NET1 + 3);
    ck_assert(!hostnet_is_local(&a));
    a = addr_v4(0x08080808);
    ck_assert_int_eq(hostnet_lookup(&a, &way), -ENETUNREACH);
    ck_assert(!hostnet_is_local(&a));
    ck_assert(addr_parse("::1", &a));
    (void)hostnet_lookup(&a, &way); /* of a family that may be off */
}
END_TEST

START_TEST(monitor)
{
    int fd = hostnet_monitor_open();
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_int_ge(fd, 0);
    UNTIL(!hostnet_monitor_drain(fd)); /* the echo of how the laboratory was made */
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    lab_addr(HOST, "veth0", OUR_V4, 24, true);
    ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
    ck_assert(hostnet_monitor_drain(fd));
    ck_assert(!hostnet_monitor_drain(fd));
    /* More messages than there is room for: something has changed, that much is known. */
    int tiny = 0;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
    for (uint32_t i = 0; i < 50; i++)
        lab_addr(HOST, "veth0", NET1 + i, 24, true);
    ck_assert(hostnet_monitor_drain(fd));
    ck_assert(!hostnet_monitor_drain(fd));
    close(fd);
}
END_TEST

/* ---- the tables ---- */

static uint32_t routes(uint32_t *with_gateway)
{
    struct stack *st = engine_enter();
    uint32_t n = 0;
    *with_gateway = 0;
    LIST_FOREACH (node, &st->net.routes) {
        const struct route *r = container_of(node, struct route, node);
        n++;
        *with_gateway += !addr_is_any(&r->gateway);
    }
    engine_leave();
    return n;
}

#define MANY 700u

START_TEST(many_routes)
{
    struct config c = host_config();
    uint32_t gateways;

    more_links();
    lab_addr(HOST, "veth1", NET1 + 1, 24, true);
    lab_addr(HOST, "veth0", 0xc0000205, 24, true);
    lab_addr(HOST, "veth0", 0xc0000205, 25, true); /* the same once more, in a smaller net */
    for (uint32_t i = 0; i < MANY; i++)
        lab_route(HOST, 0x0a000000 + (i << 8), 24, PEER_V4 + i % 100, NULL, 0, true);
    lab_route(HOST, NET2, 24, NET1 + 2, NULL, 0, true); /* by another interface */
    lab_route(HOST, 0x0b000000, 24, 0, "veth0", 7, true);
    start(&c);
    ck_assert_uint_ge(routes(&gateways), MANY + 2);
    ck_assert_uint_eq(gateways, MANY);
    lab_route(HOST, 0x0a000000, 24, PEER_V4, NULL, 0, false);
    UNTIL((routes(&gateways), gateways == MANY - 1));
    lab_route(HOST, 0x0a000000, 24, PEER_V4 + 1, NULL, 0, true);
    UNTIL((routes(&gateways), gateways == MANY));
}
END_TEST

TCase *test_engine_hostnet(void)
{
    TCase *tc = tcase_create("hostnet");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, choice_of_the_interface);
    tcase_add_test(tc, state_of_a_link);
    tcase_add_test(tc, ways);
    tcase_add_test(tc, monitor);
    tcase_add_test(tc, many_routes);
    return tc;
}
