/* Unit tests of struct net: start, end, trace, ephemeral ports. */
#include "test_net.h"

#include <errno.h>
#include <stdlib.h>

static struct host h;

/* Whichever allocation fails, starting says so and leaves nothing behind. */
START_TEST(test_start_without_memory)
{
    size_t before;
    uint64_t n;
    int err = -ENOMEM;

    host_start(&h, 0);
    for (n = 1; err != 0; n++) {
        uint64_t failed;
        struct test_stack *s = arena_zalloc(h.arena, sizeof(*s));

        ck_assert(s != NULL);
        before = host_used(&h);
        failed = arena_stats(h.arena).failures;
        arena_fail_at(h.arena, n);
        err = net_init(&s->net, h.arena, 1);
        if (err == 0) {
            err = udp_init(&s->udp, &s->net);
            if (err == 0)
                udp_fini(&s->udp);
            net_fini(&s->net);
        }
        arena_fail_at(h.arena, 0);
        ck_assert_int_eq(err, arena_stats(h.arena).failures > failed ? -ENOMEM : 0);
        ck_assert_uint_eq(host_used(&h), before);
        arena_free(h.arena, s, sizeof(*s));
    }
    ck_assert_uint_ge(n, 8);
    host_end(&h);
}
END_TEST

START_TEST(test_trace)
{
    host_start_ready(&h);
    host_know(&h, PEER, &peer_mac);
    h.traced_in = h.traced_out = 0;
    host_input_icmp(&h, &(struct in_ip){0}, ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
    ck_assert_uint_eq(h.traced_in, 1);
    ck_assert_uint_eq(h.traced_out, 1);
    h.env.trace = NULL;
    host_input_icmp(&h, &(struct in_ip){0}, ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
    ck_assert_uint_eq(h.sent_count, 2);
    host_end(&h);
}
END_TEST

START_TEST(test_transmit_errors)
{
    static const int answer[] = {-ENOBUFS, -EAGAIN, -EIO};

    host_start_ready(&h);
    host_know(&h, PEER, &peer_mac);
    for (size_t i = 0; i < 3; i++) {
        h.link_error = answer[i];
        ck_assert_int_eq(host_ip_send(&h, PEER, 6, "12345678", 8, false), answer[i]);
        ck_assert_uint_eq(h.nif->stats.tx_busy, i < 2 ? i + 1 : 2);
    }
    ck_assert_uint_eq(h.nif->stats.tx_busy, 2);
    ck_assert_uint_eq(h.nif->stats.tx_errors, 1);
    ck_assert_uint_eq(h.nif->stats.tx_frames, 2); /* the announcements */
    h.link_error = 0;
    h.nif->up = false;
    {
        struct frame f;

        frame_init(&f);
        ck_assert_int_eq(net_transmit(h.net, h.nif, &f), -ENETDOWN);
    }
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

static bool never(void *arg, uint16_t port)
{
    return false;
}

static bool always(void *arg, uint16_t port)
{
    ++*(unsigned *)arg;
    return true;
}

static bool all_but(void *arg, uint16_t port)
{
    return port != *(uint16_t *)arg;
}

/* To one peer each port comes once before any comes again (RFC 6056 3.3.4). */
START_TEST(test_port_of_flow)
{
    struct endpoint us = ep(US, 0), peer = ep(PEER, 80);
    static uint8_t seen[65536];

    host_start(&h, 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t port = net_pick_port(h.net, &us, &peer, 40000, 40999, never, NULL);

        ck_assert_uint_ge(port, 40000);
        ck_assert_uint_le(port, 40999);
        ck_assert_uint_eq(seen[port]++, 0);
    }
    host_end(&h);
}
END_TEST

/* Flows to different peers start at different places: nobody sees how many connections we make. */
START_TEST(test_port_of_other_flows)
{
    struct endpoint us = ep(US, 0);
    unsigned near = 0;
    uint16_t last = 0;

    host_start(&h, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct endpoint peer = ep(FAR + i, 80);
        uint16_t port = net_pick_port(h.net, &us, &peer, NET_PORT_LOW, NET_PORT_HIGH, never, NULL);

        near += (uint16_t)(port - last + 50) < 100;
        last = port;
    }
    ck_assert_uint_le(near, 30);
    host_end(&h);
}
END_TEST

/* Without a peer: at random over the whole range. */
START_TEST(test_port_at_random)
{
    struct endpoint us = ep(US, 0);
    unsigned low = 0, high = 0;

    host_start(&h, 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint16_t port = net_pick_port(h.net, &us, NULL, NET_PORT_LOW, NET_PORT_HIGH, never, NULL);

        ck_assert_uint_ge(port, NET_PORT_LOW);
        ck_assert_uint_le(port, NET_PORT_HIGH);
        low += port < NET_PORT_LOW + 7000;
        high += port > NET_PORT_HIGH - 7000;
    }
    ck_assert_uint_ge(low, 150);
    ck_assert_uint_ge(high, 150);
    host_end(&h);
}
END_TEST

START_TEST(test_port_exhausted)
{
    struct endpoint us = ep(US, 0), peer = ep(PEER, 80);
    unsigned asked = 0;
    uint16_t left = 40123;

    host_start(&h, 0);
    ck_assert_uint_eq(net_pick_port(h.net, &us, &peer, 40000, 40999, always, &asked), 0);
    ck_assert_uint_eq(asked, 1000);
    ck_assert_uint_eq(net_pick_port(h.net, &us, NULL, 40000, 40999, always, &asked), 0);
    ck_assert_uint_eq(asked, 2000);
    ck_assert_uint_eq(net_pick_port(h.net, &us, &peer, 40000, 40999, all_but, &left), left);
    ck_assert_uint_eq(net_pick_port(h.net, &us, NULL, 40000, 40999, all_but, &left), left);
    ck_assert_uint_eq(net_pick_port(h.net, &us, &peer, 7, 7, never, NULL), 7);
    ck_assert_uint_eq(net_pick_port(h.net, &us, &peer, 8, 7, never, NULL), 0);
    ck_assert_uint_ne(net_pick_port(h.net, &us, &peer, 1, 65535, never, NULL), 0);
    host_end(&h);
}
END_TEST

TCase *test_net_net(void)
{
    TCase *tc = tcase_create("net");

    tcase_add_test(tc, test_start_without_memory);
    tcase_add_test(tc, test_trace);
    tcase_add_test(tc, test_transmit_errors);
    tcase_add_test(tc, test_port_of_flow);
    tcase_add_test(tc, test_port_of_other_flows);
    tcase_add_test(tc, test_port_at_random);
    tcase_add_test(tc, test_port_exhausted);
    return tc;
}
