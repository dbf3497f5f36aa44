/* Whole scenarios while the arena is short: nothing crashes, nothing leaks, and work goes on after.
 */
#include "test_net.h"

#include <errno.h>
#include <stdlib.h>

static struct host h;

/* Everything once: addresses, routes, ARP, fragments both ways, errors, queues, to ourselves. */
static void scenario(void)
{
    static uint8_t big[4000];
    struct ip_addr us = addr_v4(US), far = addr_v4(FAR);
    struct netif desc = {.index = 1, .name = "t1", .mac = our_mac, .mtu = 1500, .up = true};
    struct endpoint at = ep(0, 7000), peer = ep(PEER, 53);
    struct route gw = {.dst = addr_any4(), .gateway = addr_v4(ROUTER), .src = addr_any4()};
    struct udp_pcb *pcb, *other;
    struct iovec pieces[40];

    h.nif = netif_add(h.net, &desc);
    if (!h.nif)
        return;
    netif_add_addr(h.net, h.nif, &us, 24, false, false);
    gw.nif = h.nif;
    route_add(h.net, &gw);
    pcb = udp_open(h.udp, &h);
    other = udp_open(h.udp, &h);
    for (size_t i = 0; i < 40; i++)
        pieces[i] = (struct iovec){big + i * 100, 100};
    if (pcb) {
        pcb->recverr = true;
        udp_bind(h.udp, pcb, &at);
        host_udp_send(&h, pcb, PEER, 53, big, 1000);
        udp_send(h.udp, pcb, &peer, pieces, 40, 4000, NULL, NULL);
        host_udp_send(&h, pcb, US, 7000, big, 3000);
        host_udp_send(&h, pcb, FAR, 53, big, sizeof(big));
    }
    host_poll(&h);
    host_input_arp_reply(&h, PEER, &peer_mac);
    if (other)
        udp_connect(h.udp, other, &peer);
    host_input_udp(&h, &(struct in_ip){0}, 53, 7000, big, 500);
    host_input_udp(&h, &(struct in_ip){0}, 53, 9999, big, 500);
    host_input_icmp(&h, &(struct in_ip){0}, ICMP_ECHO_REQUEST, 0, 1, 1, big, 100);
    for (size_t i = 0; i < 3; i++)
        host_input_ip(
            &h,
            &(struct in_ip){.proto = 6, .id = 1, .frag_offset = (uint16_t)(i * 800), .mf = i != 2},
            big, 800);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .id = 2, .mf = true}, big, 800);
    path_set_mtu(h.net, &far, 1400, 1500);
    host_pass(&h, 3 * SECOND); /* FAR's router does not answer: errors to the sockets */
    if (other) {
        udp_disconnect(h.udp, other);
        udp_close(h.udp, other);
    }
    if (pcb)
        udp_close(h.udp, pcb);
    netif_remove_addr(h.net, h.nif, &us);
    netif_remove(h.net, h.nif);
}

/* Lets everything run out that holds memory for a time. */
static void settle(void)
{
    host_pass(&h, 700 * SECOND);
    host_forget_sent(&h);
}

START_TEST(test_nth_allocation_fails)
{
    uint64_t n, failed;
    size_t after;

    host_start(&h, 0);
    scenario();
    settle();
    after = host_used(&h);
    for (n = 1;; n++) {
        uint64_t before = arena_stats(h.arena).failures;

        arena_fail_at(h.arena, n);
        scenario();
        arena_fail_at(h.arena, 0);
        failed = arena_stats(h.arena).failures - before;
        settle();
        ck_assert_uint_eq(host_used(&h), after);
        if (failed == 0)
            break;
    }
    ck_assert_uint_ge(n, 20);
    /* And with plenty again it is as ever. */
    h.net->stats = (struct net_stats){0};
    scenario();
    ck_assert_uint_eq(h.net->stats.ip_reasm_ok, 1);
    settle();
    host_end(&h);
}
END_TEST

/* Every second, third ... allocation fails. */
START_TEST(test_every_nth_allocation_fails)
{
    size_t after;

    host_start(&h, 0);
    scenario();
    settle();
    after = host_used(&h);
    for (uint64_t n = 1; n < 200; n++) {
        /* Another one fails as soon as one has failed. */
        for (int round = 0; round < 3; round++) {
            arena_fail_at(h.arena, n % 7 + (uint64_t)round);
            scenario();
        }
        arena_fail_at(h.arena, 0);
    }
    settle();
    ck_assert_uint_eq(host_used(&h), after);
    host_end(&h);
}
END_TEST

/* An arena that is really full, at every size. */
START_TEST(test_full_arena)
{
    host_start(&h, 2u << 20);
    for (uint64_t round = 0; round < 60; round++) {
        void *hog[600];
        unsigned hogs = 0;
        size_t after;

        scenario();
        settle();
        after = host_used(&h);
        while (hogs < 600 && (hog[hogs] = arena_alloc(h.arena, 4096)) != NULL)
            hogs++;
        for (unsigned i = 0; i < round && hogs > 0; i++)
            arena_free(h.arena, hog[--hogs], 4096);
        scenario();
        settle();
        while (hogs > 0)
            arena_free(h.arena, hog[--hogs], 4096);
        ck_assert_uint_eq(host_used(&h), after);
    }
    host_end(&h);
}
END_TEST

/* Random frames and calls, with memory running out now and then: no crash, no leak. */
START_TEST(test_any_input)
{
    static uint8_t p[2000], data[3000];
    uint64_t state = 1234 + (uint64_t)_i;
    struct udp_pcb *pcb[4];

    host_start_ready(&h);
    for (uint16_t i = 0; i < 4; i++)
        pcb[i] = host_udp(&h, i % 2 ? US : 0, (uint16_t)(7000 + i));
    for (int step = 0; step < 20000; step++) {
        uint32_t r = test_random(&state);
        struct in_ip ip = {.proto = (uint8_t)(r >> 8 & 1 ? 17 : 6),
                           .id = r >> 9 & 3,
                           .frag_offset = (uint16_t)((r >> 11 & 7) * 8),
                           .mf = r >> 14 & 1,
                           .src = PEER + (r >> 15 & 3)};
        size_t len = (r >> 17 & 63) + 8;

        if (r % 50 == 0)
            arena_fail_at(h.arena, 1 + r % 3);
        switch (r % 8) {
        case 0:
            host_input_ip(&h, &ip, data, len & ~(size_t)7);
            break;
        case 1:
            host_input_udp(&h, &(struct in_ip){.src = ip.src}, 1, (uint16_t)(7000 + r % 6), data,
                           len);
            break;
        case 2:
            host_udp_send(&h, pcb[r >> 20 & 3], ip.src, 53, data, (r >> 5) % 3000);
            break;
        case 3: { /* a good frame with a few bytes changed */
            const struct eth_hdr eth = {.dst = our_mac, .src = peer_mac, .type = ETHTYPE_IPV4};

            eth_emit(&eth, p);
            len = 14 + build_ip(&ip, data, len, p + 14);
            p[test_random(&state) % len] ^= (uint8_t)(1 << (r >> 27 & 7));
            host_input(&h, h.nif, p, len, 0, 0);
            break;
        }
        case 4: {
            const struct arp a = {.op = 1 + (r >> 9 & 1),
                                  .sha = r >> 10 & 1 ? peer_mac : other_mac,
                                  .spa = ip.src,
                                  .tpa = US};

            host_input_arp(&h, &our_mac, &a);
            break;
        }
        case 5:
            for (size_t i = 0; i < len; i++)
                p[i] = (uint8_t)test_random(&state);
            host_input(&h, h.nif, p, len, 0, 0);
            break;
        case 6:
            host_pass(&h, r >> 10 & 0xfffff);
            break;
        default:
            udp_drop_first(h.udp, pcb[r >> 20 & 3]);
            udp_drop_first_error(h.udp, pcb[r >> 20 & 3]);
            break;
        }
        if (step % 100 == 0)
            host_forget_sent(&h);
    }
    arena_fail_at(h.arena, 0);
    host_end(&h);
}
END_TEST

TCase *test_net_memory(void)
{
    TCase *tc = tcase_create("memory");

    tcase_add_test(tc, test_nth_allocation_fails);
    tcase_add_test(tc, test_every_nth_allocation_fails);
    tcase_add_test(tc, test_full_arena);
    tcase_add_loop_test(tc, test_any_input, 0, 4);
    return tc;
}
