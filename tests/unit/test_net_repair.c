/* Unit tests of what is done after a process died inside the stack. */
#include "test_net.h"

#include <stdlib.h>

static struct host h;

/* Wrecks what cannot be relied on: lists' ways back, list heads, tables, timers; then repairs. */
static void die_and_repair(void)
{
    LIST_FOREACH_SAFE (node, &h.net->netifs) {
        struct netif *nif = container_of(node, struct netif, node);

        nif->addrs.next = nif->addrs.prev = NULL;
        node->prev = NULL;
    }
    h.net->netifs.next = NULL;
    h.net->routes.prev = NULL;
    h.net->addrs.count = 77;
    memset(h.net->routes_of_len, 0xff, sizeof(h.net->routes_of_len));
    h.net->timers = (struct timers){0};
    arena_rebuild(h.arena);
    net_repair(h.net);
    udp_repair(h.udp);
}

START_TEST(test_everything_works_on)
{
    struct udp_pcb *server, *client;
    struct endpoint peer = ep(PEER, 53);
    struct netif *removed;
    struct sent *s;

    host_start_ready(&h);
    removed = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    netif_remove(h.net, removed);
    host_know(&h, PEER, &peer_mac);
    server = host_udp(&h, 0, 7000);
    client = host_udp(&h, 0, 0);
    ck_assert_int_eq(udp_connect(h.udp, client, &peer), 0);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "one", 3);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "two", 3);
    server->queue.next->prev = NULL;
    for (int i = 0; i < 2; i++) {
        const struct udp_error e = {.err = 1 + i, .origin = UDP_ERROR_ICMP};

        udp_push_error(h.udp, server, &e, "abc", 3);
    }
    server->errors.next->prev = NULL;
    die_and_repair();
    ck_assert(netif_by_index(h.net, 1) == h.nif);
    ck_assert(netif_by_index(h.net, 2) == NULL);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "six", 3); /* behind the others */
    for (int i = 0; i < 3; i++) {
        static const char *const said[] = {"one", "two", "six"};

        ck_assert_mem_eq(udp_peek(server)->data, said[i], 3);
        udp_drop_first(h.udp, server);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(udp_peek_error(server)->err, 1 + i);
        udp_drop_first_error(h.udp, server);
    }
    ck_assert_uint_eq(server->queue_bytes, 0);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert(udp_peek(server) != NULL);
    host_input_udp(&h, &(struct in_ip){0}, 53, client->local.port, "x", 1);
    ck_assert(udp_peek(client) != NULL);
    /* The neighbour is asked for again. */
    ck_assert_int_eq(host_udp_send(&h, client, 0, 0, "x", 1), 1);
    free(host_take_arp(&h, ARP_REQUEST));
    host_input_arp_reply(&h, PEER, &peer_mac);
    s = host_take_ip(&h, 17);
    free(s);
    ck_assert_int_eq(host_udp_send(&h, server, FAR, 53, "x", 1), 1);
    s = host_take_arp(&h, ARP_REQUEST); /* by the router, as before */
    ck_assert_uint_eq(s->arp.tpa, ROUTER);
    free(s);
    host_end(&h);
}
END_TEST

/* What waited is gone, with its memory and its timers. */
START_TEST(test_caches_are_dropped)
{
    static uint8_t data[1000];
    struct ip_addr far = addr_v4(FAR);
    struct udp_pcb *pcb;

    host_start_ready(&h);
    pcb = host_udp(&h, US, 7000);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, data, sizeof(data)), sizeof(data));
        ck_assert_int_eq(host_udp_send(&h, pcb, US, 7000, data, sizeof(data)), sizeof(data));
        host_input_ip(&h, &(struct in_ip){.proto = 6, .id = (uint16_t)i, .mf = true}, data, 800);
    }
    ck_assert_uint_eq(path_set_mtu(h.net, &far, 1400, 1500), 1400);
    host_forget_sent(&h);
    die_and_repair();
    ck_assert_uint_eq(h.net->timers.count, 0);
    host_pass(&h, 1000 * SECOND);
    host_expect_nothing(&h);
    ck_assert(udp_peek(pcb) == NULL);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .id = 1, .frag_offset = 800}, data, 8);
    ck_assert_uint_eq(h.tcp_packets, 0);
    for (unsigned n = 0; n < 3; n++)
        ck_assert_int_eq(host_udp_send(&h, pcb, US, 7000, data, 1), 1);
    host_poll(&h);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert(udp_peek(pcb) != NULL);
        udp_drop_first(h.udp, pcb);
    }
    host_end(&h);
}
END_TEST

/* Probing goes on. */
START_TEST(test_tentative_address)
{
    struct ip_addr us = addr_v4(US);

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &us, 24, false, true), 0);
    host_pass(&h, 2 * SECOND);
    die_and_repair();
    ck_assert(netif_find_addr(h.net, &us) == NULL);
    host_pass(&h, 10 * SECOND);
    ck_assert(netif_find_addr(h.net, &us) != NULL);
    host_end(&h);
}
END_TEST

/* Objects that were handed out but not yet filled in. */
START_TEST(test_half_made)
{
    size_t before;

    host_start_ready(&h);
    before =
        h.net->netif_slab.live + h.net->addr_slab.live + h.net->route_slab.live + h.udp->pcbs.live;
    ck_assert(slab_alloc(&h.net->netif_slab) && slab_alloc(&h.net->addr_slab) &&
              slab_alloc(&h.net->route_slab) && slab_alloc(&h.udp->pcbs));
    die_and_repair();
    ck_assert_uint_eq(before, h.net->netif_slab.live + h.net->addr_slab.live +
                                  h.net->route_slab.live + h.udp->pcbs.live);
    host_end(&h);
}
END_TEST

TCase *test_net_repair(void)
{
    TCase *tc = tcase_create("repair");

    tcase_add_test(tc, test_everything_works_on);
    tcase_add_test(tc, test_caches_are_dropped);
    tcase_add_test(tc, test_tentative_address);
    tcase_add_test(tc, test_half_made);
    return tc;
}
