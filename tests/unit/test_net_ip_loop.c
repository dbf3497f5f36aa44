/* Unit tests of packets to ourselves. */
#include "test_net.h"

#include <errno.h>

static struct host h;

START_TEST(test_udp_to_self)
{
    struct udp_pcb *server, *client;

    host_start_ready(&h);
    server = host_udp(&h, US, 7000);
    client = host_udp(&h, 0, 0);
    ck_assert_int_eq(host_udp_send(&h, client, US, 7000, "hello", 5), 5);
    ck_assert(udp_peek(server) == NULL); /* not from within the call */
    host_poll(&h);
    ck_assert(udp_peek(server) != NULL);
    ck_assert_uint_eq(udp_peek(server)->len, 5);
    ck_assert_mem_eq(udp_peek(server)->data, "hello", 5);
    ck_assert_uint_eq(addr_get_v4(&udp_peek(server)->src.addr), US);
    ck_assert_uint_eq(udp_peek(server)->src.port, client->local.port);
    /* No port there: the error comes back the same way. */
    ck_assert_int_eq(udp_connect(h.udp, client, &(struct endpoint){addr_v4(US), 7001}), 0);
    ck_assert_int_eq(host_udp_send(&h, client, 0, 0, "x", 1), 1);
    host_poll(&h);
    ck_assert_int_eq(client->error, ECONNREFUSED);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* One datagram of the full size goes whole, whatever the MTU. */
START_TEST(test_big)
{
    static uint8_t data[65507];
    struct udp_pcb *server;

    host_start_ready(&h);
    server = host_udp(&h, US, 7000);
    fill_pattern(data, sizeof(data), 1);
    ck_assert_int_eq(host_udp_send(&h, server, US, 7000, data, sizeof(data)), sizeof(data));
    host_poll(&h);
    ck_assert(udp_peek(server) != NULL);
    ck_assert_uint_eq(udp_peek(server)->len, sizeof(data));
    ck_assert_mem_eq(udp_peek(server)->data, data, sizeof(data));
    ck_assert_uint_eq(h.net->stats.ip_frag_out, 0);
    host_end(&h);
}
END_TEST

START_TEST(test_bounded)
{
    static uint8_t data[60000];
    struct udp_pcb *server;
    size_t before;
    unsigned n = 0;
    struct ip_addr us = addr_v4(US);

    host_start_ready(&h);
    server = host_udp(&h, US, 7000);
    server->recverr = true; /* so that -ENOBUFS is not hidden */
    before = host_used(&h);
    while (host_udp_send(&h, server, US, 7000, data, sizeof(data)) > 0)
        n++;
    ck_assert_uint_ge(n, 100);
    ck_assert_uint_le(n, 200);
    ck_assert_int_eq(host_udp_send(&h, server, US, 7000, data, sizeof(data)), -ENOBUFS);
    ck_assert_uint_ge(h.net->stats.ip_loop_full, 2);
    netif_remove_addr(h.net, h.nif, &us); /* now they are for nobody */
    host_poll(&h);
    ck_assert(udp_peek(server) == NULL);
    ck_assert_uint_le(host_used(&h), before);
    host_end(&h);
}
END_TEST

/* A packet from ourselves with our source is fine; the same from outside is not. */
START_TEST(test_own_source)
{
    struct udp_pcb *server;

    host_start_ready(&h);
    server = host_udp(&h, US, 7000);
    host_input_udp(&h, &(struct in_ip){.src = US}, 7000, 7000, "x", 1);
    ck_assert(udp_peek(server) == NULL);
    ck_assert_uint_eq(h.net->stats.ip_in_martian, 1);
    host_end(&h);
}
END_TEST

START_TEST(test_undelivered_at_end)
{
    struct udp_pcb *server;

    host_start_ready(&h);
    server = host_udp(&h, US, 7000);
    ck_assert_int_eq(host_udp_send(&h, server, US, 7000, "x", 1), 1);
    host_end(&h);
}
END_TEST

TCase *test_net_ip_loop(void)
{
    TCase *tc = tcase_create("ip_loop");

    tcase_add_test(tc, test_udp_to_self);
    tcase_add_test(tc, test_big);
    tcase_add_test(tc, test_bounded);
    tcase_add_test(tc, test_own_source);
    tcase_add_test(tc, test_undelivered_at_end);
    return tc;
}
