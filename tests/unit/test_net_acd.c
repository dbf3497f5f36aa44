/* Unit tests of address conflict detection (RFC 5227). */
#include "test_net.h"

#include <errno.h>
#include <stdlib.h>

static struct host h;

/* A host whose address is being probed. */
static void start_probing(void)
{
    struct ip_addr us = addr_v4(US);

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &us, 24, false, true), 0);
}

static bool usable(void)
{
    struct ip_addr us = addr_v4(US);

    return netif_find_addr(h.net, &us) != NULL;
}

static void expect_arp(uint32_t spa, uint32_t tpa)
{
    struct sent *s = host_take_arp(&h, ARP_REQUEST);

    ck_assert(mac_eq(&s->eth.dst, &broadcast_mac));
    ck_assert_uint_eq(s->arp.spa, spa);
    ck_assert_uint_eq(s->arp.tpa, tpa);
    free(s);
}

static void claim(uint16_t op, uint32_t spa, uint32_t tpa)
{
    const struct arp a = {.op = op, .sha = other_mac, .spa = spa, .tpa = tpa};

    host_input_arp(&h, &broadcast_mac, &a);
}

START_TEST(test_probe_then_announce)
{
    struct ip_addr peer = addr_v4(PEER), any = addr_any4();
    struct ip_path path;
    uint64_t at[5];

    start_probing();
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(usable(), i >= 4);
        if (i < 4)
            ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), -EADDRNOTAVAIL);
        while (!h.first)
            host_pass(&h, 1000);
        at[i] = h.net->now_us;
        if (i < 3)
            expect_arp(0, US);
        else
            expect_arp(US, US);
        if (i >= 3)
            ck_assert(usable());
    }
    ck_assert_uint_le(at[0], 1001 * SECOND + 1000);
    for (int i = 1; i < 3; i++) {
        ck_assert_uint_ge(at[i] - at[i - 1], 1 * SECOND - 1000);
        ck_assert_uint_le(at[i] - at[i - 1], 2 * SECOND + 1000);
    }
    ck_assert_uint_ge(at[3] - at[2], 2 * SECOND - 1000);
    ck_assert_uint_ge(at[4] - at[3], 2 * SECOND - 1000);
    ck_assert_int_eq(path_lookup(h.net, &peer, &any, NULL, &path), 0);
    host_pass(&h, 100 * SECOND);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

START_TEST(test_without_probing)
{
    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, US, 24);
    ck_assert(usable());
    expect_arp(US, US);
    host_pass(&h, 2 * SECOND);
    expect_arp(US, US);
    host_pass(&h, 100 * SECOND);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* While it is probed the address neither answers nor receives. */
START_TEST(test_tentative_is_silent)
{
    const struct arp ask = {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = US};

    start_probing();
    host_input_arp(&h, &broadcast_mac, &ask);
    host_input_icmp(&h, &(struct in_ip){0}, ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
    host_expect_nothing(&h);
    ck_assert_uint_eq(h.net->stats.ip_in_not_ours, 1);
    host_end(&h);
}
END_TEST

/* 2.1.1: any packet from the address, or a probe for it by somebody else. _i: which. */
START_TEST(test_conflict_while_probing)
{
    start_probing();
    host_pass(&h, 2 * SECOND);
    host_forget_sent(&h);
    switch (_i) {
    case 0:
        claim(ARP_REPLY, US, PEER);
        break;
    case 1:
        claim(ARP_REQUEST, US, PEER);
        break;
    default:
        claim(ARP_REQUEST, 0, US);
        break;
    }
    ck_assert_uint_eq(h.net->stats.arp_conflicts, 1);
    claim(ARP_REQUEST, US, PEER); /* it is his now */
    ck_assert_uint_eq(h.net->stats.arp_conflicts, 1);
    host_pass(&h, 59 * SECOND);
    host_expect_nothing(&h);
    ck_assert(!usable());
    /* A minute later it is tried again; now nobody objects. */
    host_pass(&h, 3 * SECOND);
    expect_arp(0, US);
    host_pass(&h, 20 * SECOND);
    ck_assert(usable());
    host_end(&h);
}
END_TEST

/* Questions about the address, and probes for others, are no conflict. */
START_TEST(test_no_conflict_while_probing)
{
    start_probing();
    claim(ARP_REQUEST, PEER, US);
    claim(ARP_REQUEST, 0, PEER);
    claim(ARP_REPLY, PEER, US);
    ck_assert_uint_eq(h.net->stats.arp_conflicts, 0);
    host_pass(&h, 20 * SECOND);
    ck_assert(usable());
    host_end(&h);
}
END_TEST

/* RFC 5227 2.4 */
START_TEST(test_defend)
{
    host_start_ready(&h);
    claim(ARP_REQUEST, US, US);
    expect_arp(US, US);
    ck_assert(usable());
    host_pass(&h, 10 * SECOND);
    claim(ARP_REPLY, US, PEER);
    expect_arp(US, US);
    ck_assert(usable());
    ck_assert_uint_eq(h.net->stats.arp_conflicts, 2);
    host_end(&h);
}
END_TEST

START_TEST(test_give_up)
{
    struct udp_pcb *pcb;

    host_start_ready(&h);
    pcb = host_udp(&h, US, 7000);
    host_know(&h, PEER, &peer_mac);
    claim(ARP_REQUEST, US, US);
    expect_arp(US, US);
    host_pass(&h, 10 * SECOND - 1);
    claim(ARP_REQUEST, US, US);
    ck_assert(!usable());
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 9, "x", 1), -EADDRNOTAVAIL);
    host_input_udp(&h, &(struct in_ip){0}, 9, 7000, "x", 1);
    ck_assert(udp_peek(pcb) == NULL);
    host_expect_nothing(&h);
    host_pass(&h, 70 * SECOND);
    ck_assert(usable());
    host_forget_sent(&h);
    host_input_udp(&h, &(struct in_ip){0}, 9, 7000, "x", 1);
    ck_assert(udp_peek(pcb) != NULL);
    host_end(&h);
}
END_TEST

/* The claimant is not learnt as a neighbour while the address is ours. */
START_TEST(test_claimant_not_learnt)
{
    size_t before;

    host_start_ready(&h);
    before = host_used(&h);
    claim(ARP_REQUEST, US, US);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

START_TEST(test_down_and_up)
{
    start_probing();
    host_pass(&h, SECOND);
    netif_set_up(h.net, h.nif, false);
    host_forget_sent(&h);
    host_pass(&h, 20 * SECOND);
    host_expect_nothing(&h);
    ck_assert(!usable());
    netif_set_up(h.net, h.nif, true);
    host_pass(&h, 20 * SECOND);
    ck_assert(usable());
    host_forget_sent(&h);
    /* A valid one is announced when the link comes back, and usable at once. */
    netif_set_up(h.net, h.nif, false);
    netif_set_up(h.net, h.nif, true);
    ck_assert(usable());
    expect_arp(US, US);
    host_end(&h);
}
END_TEST

START_TEST(test_not_where_there_is_no_arp)
{
    struct ip_addr a = addr_v4(US), b = addr_v4(US + 0x100);
    struct netif *tun;

    host_start(&h, 0);
    tun = host_add_netif(&h, 1, NETIF_IP, 1400);
    h.nif = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    ck_assert_int_eq(netif_add_addr(h.net, tun, &a, 32, false, true), 0);
    ck_assert_int_eq(netif_add_addr(h.net, h.nif, &b, 24, true, true), 0);
    ck_assert(netif_find_addr(h.net, &a) != NULL);
    ck_assert(netif_find_addr(h.net, &b) != NULL);
    host_pass(&h, 20 * SECOND);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

START_TEST(test_removed_while_probing)
{
    struct ip_addr us = addr_v4(US);

    start_probing();
    host_pass(&h, 2 * SECOND);
    host_forget_sent(&h);
    netif_remove_addr(h.net, h.nif, &us);
    host_pass(&h, 20 * SECOND);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

TCase *test_net_acd(void)
{
    TCase *tc = tcase_create("acd");

    tcase_add_test(tc, test_probe_then_announce);
    tcase_add_test(tc, test_without_probing);
    tcase_add_test(tc, test_tentative_is_silent);
    tcase_add_loop_test(tc, test_conflict_while_probing, 0, 3);
    tcase_add_test(tc, test_no_conflict_while_probing);
    tcase_add_test(tc, test_defend);
    tcase_add_test(tc, test_give_up);
    tcase_add_test(tc, test_claimant_not_learnt);
    tcase_add_test(tc, test_down_and_up);
    tcase_add_test(tc, test_not_where_there_is_no_arp);
    tcase_add_test(tc, test_removed_while_probing);
    return tc;
}
