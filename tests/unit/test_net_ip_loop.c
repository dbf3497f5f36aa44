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

/* Broadcasts go out and come back, whole and in fragments; groups do not. */
START_TEST(test_broadcast)
{
    static uint8_t data[3000];
    struct udp_pcb *pcb, *other;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    pcb->broadcast = true;
    other = host_udp(&h, 0, 7001);
    fill_pattern(data, sizeof(data), 1);
    for (size_t len = 100; len <= sizeof(data); len += 2900) {
        ck_assert_int_eq(host_udp_send(&h, pcb, SUBNET_BROADCAST, 7000, data, len), len);
        ck_assert_int_eq(host_udp_send(&h, pcb, LIMITED_BROADCAST, 7001, data, len), len);
        ck_assert_uint_eq(h.sent_count, len > 1500 ? 6 : 2);
        host_forget_sent(&h);
        host_poll(&h);
        ck_assert(udp_peek(pcb) != NULL && udp_peek(other) != NULL);
        ck_assert_uint_eq(udp_peek(pcb)->len, len);
        ck_assert_mem_eq(udp_peek(pcb)->data, data, len);
        ck_assert_uint_eq(addr_get_v4(&udp_peek(pcb)->dst), SUBNET_BROADCAST);
        ck_assert_uint_eq(addr_get_v4(&udp_peek(pcb)->src.addr), US);
        ck_assert_uint_eq(udp_peek(pcb)->ifindex, 1);
        ck_assert_uint_eq(addr_get_v4(&udp_peek(other)->dst), LIMITED_BROADCAST);
        udp_drop_first(h.udp, pcb);
        udp_drop_first(h.udp, other);
    }
    ck_assert_int_eq(host_udp_send(&h, pcb, GROUP, 7000, data, 1), 1);
    host_poll(&h);
    ck_assert(udp_peek(pcb) == NULL);
    /* Without memory for the copy it still goes out. */
    host_forget_sent(&h);
    arena_fail_at(h.arena, 1);
    ck_assert_int_eq(host_udp_send(&h, pcb, SUBNET_BROADCAST, 7000, data, 1), 1);
    host_poll(&h);
    ck_assert_uint_eq(h.sent_count, 1);
    ck_assert(udp_peek(pcb) == NULL);
    host_end(&h);
}
END_TEST

/* A super-frame stays one; an interface that goes away takes what waits with it. */
START_TEST(test_super_frame)
{
    static uint8_t body[20000];
    struct ip_addr us = addr_v4(US);
    struct ip_path path;
    const struct ip_tx tx = {.path = &path, .proto = 6, .ttl = 64, .df = true};

    host_start_ready(&h);
    ck_assert_int_eq(path_lookup(h.net, &us, &us, NULL, &path), 0);
    for (int i = 0; i < 2; i++) {
        struct frame f;

        frame_init(&f);
        frame_add(&f, body, sizeof(body));
        memset(frame_push(&f, 20), 0, 20);
        f.gso_size = 9000;
        ck_assert_int_eq(ip_output(h.net, &tx, &f, 16), 0);
        if (i == 1)
            netif_remove(h.net, h.nif);
        host_poll(&h);
        ck_assert_uint_eq(h.tcp_packets, 1);
    }
    ck_assert_uint_eq(h.tcp_packet->pkt.gso_size, 9000);
    ck_assert_uint_eq(h.tcp_packet->pkt.len, 20020);
    ck_assert(h.tcp_packet->pkt.csum_good);
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
    tcase_add_test(tc, test_broadcast);
    tcase_add_test(tc, test_super_frame);
    tcase_add_test(tc, test_undelivered_at_end);
    return tc;
}
