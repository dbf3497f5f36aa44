/* Unit tests of who gets a datagram. */
#include "test_net.h"

static struct host h;

static struct udp_pcb *pcb_on(uint32_t addr, uint16_t port, struct netif *nif, bool reuse_port)
{
    struct udp_pcb *pcb = udp_open(h.udp, NULL);
    struct endpoint e = ep(addr, port);

    ck_assert(pcb != NULL);
    pcb->owner = pcb;
    pcb->nif = nif;
    pcb->reuse_addr = !reuse_port;
    pcb->reuse_port = reuse_port;
    ck_assert_int_eq(udp_bind(h.udp, pcb, &e), 0);
    return pcb;
}

static struct udp_pcb *connected_on(uint32_t addr, uint16_t port, uint32_t to, uint16_t to_port)
{
    struct udp_pcb *pcb = pcb_on(addr, port, NULL, false);
    struct endpoint e = ep(to, to_port);

    ck_assert_int_eq(udp_connect(h.udp, pcb, &e), 0);
    return pcb;
}

/* Who gets a datagram from src:sport to dst:7000 on nif. */
static struct udp_pcb *who(uint32_t src, uint16_t sport, uint32_t dst, struct netif *nif)
{
    const struct udp_flow flow = {.nif = nif, .src = ep(src, sport), .dst = ep(dst, 7000)};

    return udp_demux_find(h.udp, &flow);
}

START_TEST(test_best_match)
{
    struct udp_pcb *any, *addr, *bound, *addr_bound, *peer;
    struct netif *second;

    host_start_ready(&h);
    second = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, US + 0x50, 24);
    ck_assert(who(PEER, 1, US, h.nif) == NULL);
    any = pcb_on(0, 7000, NULL, false);
    ck_assert(who(PEER, 1, US, h.nif) == any);
    bound = pcb_on(0, 7000, h.nif, false);
    ck_assert(who(PEER, 1, US, h.nif) == bound);
    ck_assert(who(PEER, 1, US, second) == any);
    addr = pcb_on(US, 7000, NULL, false);
    ck_assert(who(PEER, 1, US, h.nif) == addr);
    ck_assert(who(PEER, 1, US + 0x50, h.nif) == bound);
    addr_bound = pcb_on(US, 7000, h.nif, false);
    ck_assert(who(PEER, 1, US, h.nif) == addr_bound);
    ck_assert(who(PEER, 1, US, second) == addr);
    peer = connected_on(0, 7000, PEER, 1);
    ck_assert(who(PEER, 1, US, h.nif) == peer);
    ck_assert(who(PEER, 2, US, h.nif) == addr_bound);
    ck_assert(who(PEER + 1, 1, US, h.nif) == addr_bound);
    ck_assert(who(PEER, 1, US + 0x50, h.nif) == bound);
    /* One that is bound to an interface and connected. */
    peer->nif = second;
    ck_assert(who(PEER, 1, US, h.nif) == addr_bound);
    ck_assert(who(PEER, 1, US, second) == peer);
    udp_close(h.udp, addr_bound);
    udp_close(h.udp, addr);
    ck_assert(who(PEER, 1, US, h.nif) == bound);
    host_end(&h);
}
END_TEST

/* Among equals the last one bound, as in Linux, whatever the hash table does with them. */
START_TEST(test_last_bound_wins)
{
    struct udp_pcb *pcb[50];

    host_start_ready(&h);
    for (int i = 0; i < 50; i++) {
        pcb[i] = pcb_on(0, 7000, NULL, false);
        ck_assert(who(PEER, 1, US, h.nif) == pcb[i]);
    }
    for (int i = 49; i > 0; i--) {
        udp_close(h.udp, pcb[i]);
        ck_assert(who(PEER, 1, US, h.nif) == pcb[i - 1]);
    }
    host_end(&h);
}
END_TEST

/* SO_REUSEPORT: every socket has its share; a flow stays; a new socket takes its share and no more.
 */
START_TEST(test_reuse_port)
{
    enum { SOCKETS = 8, FLOWS = 8000 };
    static struct udp_pcb *of[FLOWS];
    struct udp_pcb *pcb[SOCKETS + 1];
    unsigned count[SOCKETS] = {0}, moved = 0;

    host_start_ready(&h);
    for (int i = 0; i < SOCKETS; i++)
        pcb[i] = pcb_on(0, 7000, NULL, true);
    for (uint32_t f = 0; f < FLOWS; f++) {
        of[f] = who(FAR + f, 1000, US, h.nif);
        ck_assert(who(FAR + f, 1000, US, h.nif) == of[f]);
        for (int i = 0; i < SOCKETS; i++)
            count[i] += of[f] == pcb[i];
    }
    for (int i = 0; i < SOCKETS; i++) {
        ck_assert_uint_ge(count[i], FLOWS / SOCKETS * 8 / 10);
        ck_assert_uint_le(count[i], FLOWS / SOCKETS * 12 / 10);
    }
    pcb[SOCKETS] = pcb_on(0, 7000, NULL, true);
    for (uint32_t f = 0; f < FLOWS; f++) {
        struct udp_pcb *now = who(FAR + f, 1000, US, h.nif);

        ck_assert(now == of[f] || now == pcb[SOCKETS]);
        moved += now != of[f];
    }
    ck_assert_uint_ge(moved, FLOWS / (SOCKETS + 1) * 8 / 10);
    ck_assert_uint_le(moved, FLOWS / (SOCKETS + 1) * 12 / 10);
    host_end(&h);
}
END_TEST

/* Very many connected sockets on one port beside the server. */
START_TEST(test_many_connected)
{
    struct udp_pcb *server, *probe = NULL;

    host_start_ready(&h);
    server = pcb_on(0, 7000, NULL, false);
    for (uint32_t i = 0; i < 3000; i++) {
        struct udp_pcb *pcb = connected_on(0, 7000, FAR + i, (uint16_t)(1000 + i));

        if (i == 1234)
            probe = pcb;
    }
    ck_assert(who(FAR + 1234, 1000 + 1234, US, h.nif) == probe);
    ck_assert(who(FAR + 1234, 1000, US, h.nif) == server);
    host_end(&h);
}
END_TEST

/* Counts the sockets that get a datagram to a group. */
static unsigned group_count(uint32_t src, uint16_t sport, uint32_t dst, struct netif *nif)
{
    const struct udp_flow flow = {.nif = nif, .src = ep(src, sport), .dst = ep(dst, 7000)};
    unsigned n = 0;

    for (struct udp_pcb *p = udp_demux_next(h.udp, &flow, NULL); p;
         p = udp_demux_next(h.udp, &flow, p))
        n++;
    return n;
}

START_TEST(test_groups)
{
    struct netif *second;

    host_start_ready(&h);
    second = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    ck_assert_uint_eq(group_count(PEER, 1, GROUP, h.nif), 0);
    pcb_on(0, 7000, NULL, false);
    pcb_on(0, 7000, NULL, false);
    pcb_on(0, 7001, NULL, false);
    pcb_on(GROUP, 7000, NULL, false);
    pcb_on(US, 7000, NULL, false);
    pcb_on(0, 7000, h.nif, false);
    pcb_on(SUBNET_BROADCAST, 7000, NULL, false);
    ck_assert_uint_eq(group_count(PEER, 1, GROUP, h.nif), 4);
    ck_assert_uint_eq(group_count(PEER, 1, GROUP, second), 3);
    ck_assert_uint_eq(group_count(PEER, 1, GROUP + 1, h.nif), 3);
    ck_assert_uint_eq(group_count(PEER, 1, LIMITED_BROADCAST, h.nif), 3);
    ck_assert_uint_eq(group_count(PEER, 1, SUBNET_BROADCAST, h.nif), 4);
    connected_on(GROUP, 7000, PEER, 1); /* only from its peer */
    ck_assert_uint_eq(group_count(PEER, 1, GROUP, h.nif), 5);
    ck_assert_uint_eq(group_count(PEER, 2, GROUP, h.nif), 4);
    host_end(&h);
}
END_TEST

TCase *test_net_udp_demux(void)
{
    TCase *tc = tcase_create("udp_demux");

    tcase_add_test(tc, test_best_match);
    tcase_add_test(tc, test_last_bound_wins);
    tcase_add_test(tc, test_reuse_port);
    tcase_add_test(tc, test_many_connected);
    tcase_add_test(tc, test_groups);
    return tc;
}
