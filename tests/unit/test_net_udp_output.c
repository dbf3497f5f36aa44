/* Unit tests of UDP output. */
#include "test_net.h"

#include <errno.h>
#include <stdlib.h>

static struct host h;

static void start(void)
{
    host_start_ready(&h);
    host_know(&h, PEER, &peer_mac);
    host_know(&h, ROUTER, &other_mac);
}

START_TEST(test_datagram)
{
    struct udp_pcb *pcb;
    struct sent *s;

    start();
    pcb = udp_open(h.udp, NULL);
    pcb->ttl = 5;
    pcb->tos = 0x10;
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "hello", 5), 5); /* binds by itself */
    ck_assert_uint_ge(pcb->local.port, NET_PORT_LOW);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(get_be16(s->l4), pcb->local.port);
    ck_assert_uint_eq(get_be16(s->l4 + 2), 53);
    ck_assert_uint_eq(get_be16(s->l4 + 4), 13);
    ck_assert_uint_ne(get_be16(s->l4 + 6), 0);
    ck_assert_uint_eq(slow_checksum(US, PEER, 17, s->l4, s->l4_len), 0);
    ck_assert_mem_eq(s->l4 + 8, "hello", 5);
    ck_assert_uint_eq(s->ip.ttl, 5);
    ck_assert_uint_eq(s->ip.tos, 0x10);
    ck_assert(s->ip.df); /* WANT, and it fits */
    free(s);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "", 0), 0);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->l4_len, 8);
    free(s);
    ck_assert_uint_eq(h.net->stats.udp_out, 2);
    host_end(&h);
}
END_TEST

START_TEST(test_refused)
{
    static uint8_t data[65536];
    struct udp_pcb *pcb;
    struct endpoint far = ep(FAR, 53);

    start();
    pcb = host_udp(&h, 0, 7000);
    ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), -EDESTADDRREQ);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 0, "x", 1), -EINVAL);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, data, 65508), -EMSGSIZE);
    ck_assert_int_eq(host_udp_send(&h, pcb, SUBNET_BROADCAST, 53, "x", 1), -EACCES);
    ck_assert_int_eq(host_udp_send(&h, pcb, LIMITED_BROADCAST, 53, "x", 1), -EACCES);
    pcb->shut = UDP_SHUT_WR;
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -EPIPE);
    pcb->shut = 0;
    pcb->error = ECONNREFUSED;
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -ECONNREFUSED);
    ck_assert_int_eq(pcb->error, 0);
    host_expect_nothing(&h);
    /* Links that fail. */
    h.link_error = -ENOBUFS;
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), 1); /* hidden, as in Linux */
    pcb->recverr = true;
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -ENOBUFS);
    h.link_error = -EAGAIN;
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -EAGAIN);
    h.link_error = 0;
    ck_assert_int_eq(udp_connect(h.udp, pcb, &far), 0);
    netif_set_up(h.net, h.nif, false);
    ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), -ENETDOWN);
    ck_assert_int_eq(host_udp_send(&h, pcb, FAR, 53, "x", 1), -ENETDOWN);
    netif_remove(h.net, h.nif);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -EADDRNOTAVAIL);
    host_end(&h);
}
END_TEST

START_TEST(test_unreachable)
{
    struct udp_pcb *pcb;
    struct netif *nif;

    host_start(&h, 0);
    nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    pcb = udp_open(h.udp, NULL);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -ENETUNREACH);
    pcb->nif = nif;
    netif_remove(h.net, nif);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), -ENODEV);
    host_end(&h);
}
END_TEST

START_TEST(test_groups)
{
    struct udp_pcb *pcb;
    struct sent *s;

    start();
    pcb = host_udp(&h, 0, 7000);
    pcb->broadcast = true;
    ck_assert_int_eq(host_udp_send(&h, pcb, SUBNET_BROADCAST, 53, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert(mac_eq(&s->eth.dst, &broadcast_mac));
    ck_assert_uint_eq(s->ip.src, US);
    ck_assert_uint_eq(s->ip.ttl, 64);
    free(s);
    ck_assert_int_eq(host_udp_send(&h, pcb, GROUP, 53, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.ttl, 1); /* RFC 1112 6.1 */
    free(s);
    /* Bound to the group: sent from our address all the same. */
    pcb = host_udp(&h, GROUP, 7001);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.src, US);
    free(s);
    pcb = host_udp(&h, SUBNET_BROADCAST, 7002);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.src, US);
    free(s);
    host_end(&h);
}
END_TEST

/* From 0.0.0.0 to all hosts, before there is an address: DHCP. */
START_TEST(test_without_address)
{
    struct udp_pcb *pcb;
    struct sent *s;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    pcb = host_udp(&h, 0, 68);
    pcb->broadcast = true;
    pcb->nif = h.nif;
    ck_assert_int_eq(host_udp_send(&h, pcb, LIMITED_BROADCAST, 67, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.src, 0);
    ck_assert_uint_eq(slow_checksum(0xffffffff, 0, 17, s->l4, s->l4_len), 0); /* 0 + ~0 */
    free(s);
    host_input_udp(&h, &(struct in_ip){.dst = LIMITED_BROADCAST, .link_dst = &broadcast_mac}, 67,
                   68, "offer", 5);
    ck_assert(udp_peek(pcb) != NULL);
    host_end(&h);
}
END_TEST

/* IP_PKTINFO: source and interface of one datagram. */
START_TEST(test_source_override)
{
    struct udp_pcb *pcb;
    struct netif *second;
    struct endpoint peer = ep(PEER, 53);
    struct ip_addr src = addr_v4(US + 0x50), not_ours = addr_v4(FAR);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct sent *s;

    start();
    second = host_add_netif(&h, 2, NETIF_IP, 1500);
    host_add_addr(&h, h.nif, US + 0x50, 24);
    pcb = host_udp(&h, 0, 7000);
    host_forget_sent(&h);
    ck_assert_int_eq(udp_send(h.udp, pcb, &peer, &iov, 1, 1, &src, NULL), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.src, US + 0x50);
    ck_assert_uint_eq(slow_checksum(US + 0x50, PEER, 17, s->l4, s->l4_len), 0);
    free(s);
    ck_assert_int_eq(udp_send(h.udp, pcb, &peer, &iov, 1, 1, &not_ours, NULL), -ENETUNREACH);
    ck_assert_int_eq(udp_send(h.udp, pcb, &peer, &iov, 1, 1, NULL, second), 1);
    s = host_take_ip(&h, 17);
    ck_assert(s->nif == second);
    free(s);
    /* Also without naming the peer again. */
    ck_assert_int_eq(udp_connect(h.udp, pcb, &peer), 0);
    ck_assert_int_eq(udp_send(h.udp, pcb, NULL, &iov, 1, 1, &src, NULL), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.src, US + 0x50);
    free(s);
    ck_assert_int_eq(udp_send(h.udp, pcb, NULL, &iov, 1, 1, NULL, NULL), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.src, US);
    free(s);
    host_end(&h);
}
END_TEST

/* A connected socket may still send elsewhere. */
START_TEST(test_connected_sends_elsewhere)
{
    struct udp_pcb *pcb;
    struct endpoint peer = ep(PEER, 53);
    struct sent *s;

    start();
    pcb = host_udp(&h, 0, 7000);
    ck_assert_int_eq(udp_connect(h.udp, pcb, &peer), 0);
    ck_assert_int_eq(host_udp_send(&h, pcb, FAR, 54, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.dst, FAR);
    ck_assert_uint_eq(get_be16(s->l4 + 2), 54);
    free(s);
    ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), 1);
    s = host_take_ip(&h, 17);
    ck_assert_uint_eq(s->ip.dst, PEER);
    free(s);
    host_end(&h);
}
END_TEST

/* SO_BINDTODEVICE after connect(). */
START_TEST(test_bound_late)
{
    struct udp_pcb *pcb;
    struct netif *second;
    struct endpoint far = ep(FAR, 53);
    struct sent *s;

    start();
    second = host_add_netif(&h, 2, NETIF_IP, 1500);
    pcb = host_udp(&h, 0, 7000);
    ck_assert_int_eq(udp_connect(h.udp, pcb, &far), 0);
    for (int i = 0; i < 3; i++) {
        pcb->nif = i == 1 ? second : NULL;
        ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), 1);
        s = host_take_ip(&h, 17);
        ck_assert(s->nif == (i == 1 ? second : h.nif));
        ck_assert_uint_eq(s->ip.src, US);
        free(s);
    }
    host_end(&h);
}
END_TEST

/* Linux's IP_MTU_DISCOVER. The path to FAR takes 1000, the interface 1500. */
START_TEST(test_mtu_discover)
{
    static const struct {
        uint8_t mode;
        size_t payload;
        int err;
        unsigned packets;
        bool df;
    } t[] = {
        {0, 972, 0, 1, false},  {0, 973, 0, 2, false},
        {0, 5000, 0, 6, false}, {1, 972, 0, 1, true},
        {1, 973, 0, 2, false},  {1, 5000, 0, 6, false},
        {2, 972, 0, 1, true},   {2, 973, -EMSGSIZE, 0, false},
        {3, 1472, 0, 1, true},  {3, 1473, -EMSGSIZE, 0, false},
        {4, 1472, 0, 1, false}, {4, 1473, -EMSGSIZE, 0, false},
        {5, 1472, 0, 1, false}, {5, 1473, 0, 2, false},
    };
    static uint8_t data[5000];
    struct ip_addr far = addr_v4(FAR);
    struct udp_pcb *pcb;

    start();
    ck_assert_uint_eq(path_set_mtu(h.net, &far, 1000, 1500), 1000);
    pcb = host_udp(&h, 0, 7000);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ssize_t got;

        pcb->mtu_discover = t[i].mode;
        got = host_udp_send(&h, pcb, FAR, 53, data, t[i].payload);
        ck_assert_msg(got == (t[i].err ? t[i].err : (ssize_t)t[i].payload), "line %zu", i);
        ck_assert_msg(h.sent_count == t[i].packets, "line %zu", i);
        for (const struct sent *s = h.first; s; s = s->next)
            ck_assert_msg(s->ip.df == t[i].df, "line %zu", i);
        host_forget_sent(&h);
    }
    /* With IP_RECVERR the limit is told. */
    pcb->mtu_discover = 2;
    pcb->recverr = true;
    ck_assert_int_eq(host_udp_send(&h, pcb, FAR, 53, data, 2000), -EMSGSIZE);
    ck_assert(udp_peek_error(pcb) != NULL);
    ck_assert_uint_eq(udp_peek_error(pcb)->origin, UDP_ERROR_LOCAL);
    ck_assert_int_eq(udp_peek_error(pcb)->err, EMSGSIZE);
    ck_assert_uint_eq(udp_peek_error(pcb)->info, 1000);
    udp_drop_first_error(h.udp, pcb);
    ck_assert_int_eq(host_udp_send(&h, pcb, FAR, 53, data, 10), 10); /* no error is pending */
    host_end(&h);
}
END_TEST

/* More pieces than a frame holds, empty ones among them. */
START_TEST(test_many_pieces)
{
    static uint8_t data[1400];
    struct iovec iov[300];
    struct udp_pcb *pcb;
    struct endpoint peer = ep(PEER, 53);
    struct sent *s;
    size_t before;

    start();
    fill_pattern(data, sizeof(data), 5);
    pcb = host_udp(&h, 0, 7000);
    before = host_used(&h);
    for (size_t niov = 1; niov <= 300; niov++) {
        size_t at = 0;

        for (size_t i = 0; i < niov; i++) {
            iov[i].iov_base = data + at;
            iov[i].iov_len = i % 3 == 1 ? 0 : i % 7;
            at += iov[i].iov_len;
        }
        ck_assert_int_eq(udp_send(h.udp, pcb, &peer, iov, niov, at, NULL, NULL), (ssize_t)at);
        s = host_take_ip(&h, 17);
        ck_assert_uint_eq(s->l4_len, 8 + at);
        ck_assert_mem_eq(s->l4 + 8, data, at);
        ck_assert_uint_eq(slow_checksum(US, PEER, 17, s->l4, s->l4_len), 0);
        free(s);
        /* Less than the pieces hold. */
        if (at > 1) {
            ck_assert_int_eq(udp_send(h.udp, pcb, &peer, iov, niov, at - 1, NULL, NULL),
                             (ssize_t)at - 1);
            s = host_take_ip(&h, 17);
            ck_assert_uint_eq(s->l4_len, 8 + at - 1);
            free(s);
        }
    }
    ck_assert_uint_eq(host_used(&h), before);
    arena_fail_at(h.arena, 1);
    ck_assert_int_eq(udp_send(h.udp, pcb, &peer, iov, 300, 700, NULL, NULL), -ENOMEM);
    host_expect_nothing(&h);
    /* As many as a frame holds need no copy. */
    for (size_t i = 0; i < FRAME_BODY_MAX; i++)
        iov[i] = (struct iovec){data + i, 1};
    arena_fail_at(h.arena, 1);
    ck_assert_int_eq(udp_send(h.udp, pcb, &peer, iov, FRAME_BODY_MAX, FRAME_BODY_MAX, NULL, NULL),
                     FRAME_BODY_MAX);
    arena_fail_at(h.arena, 0);
    host_end(&h);
}
END_TEST

/* The largest datagram there is, from one host to another. */
START_TEST(test_largest)
{
    static uint8_t data[65507];
    static struct host b;
    struct udp_pcb *pcb, *server;

    start();
    host_start(&b, 0);
    b.nif = host_add_netif(&b, 1, NETIF_ETHERNET, 1500);
    b.nif->mac = peer_mac;
    host_add_addr(&b, b.nif, PEER, 24);
    server = host_udp(&b, PEER, 53);
    pcb = host_udp(&h, 0, 7000);
    fill_pattern(data, sizeof(data), 5);
    ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 53, data, sizeof(data)), sizeof(data));
    while (h.first) {
        struct sent *s = host_take(&h);

        host_input(&b, b.nif, s->data, s->len, 0, 0);
        free(s);
    }
    ck_assert(udp_peek(server) != NULL);
    ck_assert_uint_eq(udp_peek(server)->len, sizeof(data));
    ck_assert_mem_eq(udp_peek(server)->data, data, sizeof(data));
    host_end(&b);
    host_end(&h);
}
END_TEST

TCase *test_net_udp_output(void)
{
    TCase *tc = tcase_create("udp_output");

    tcase_add_test(tc, test_datagram);
    tcase_add_test(tc, test_refused);
    tcase_add_test(tc, test_unreachable);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_without_address);
    tcase_add_test(tc, test_source_override);
    tcase_add_test(tc, test_connected_sends_elsewhere);
    tcase_add_test(tc, test_bound_late);
    tcase_add_test(tc, test_mtu_discover);
    tcase_add_test(tc, test_many_pieces);
    tcase_add_test(tc, test_largest);
    return tc;
}
