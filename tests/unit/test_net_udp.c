/* Unit tests of UDP pcbs: binding, connecting, readiness. */
#include "test_net.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static struct host h;

static struct udp_pcb *open_pcb(void)
{
    struct udp_pcb *pcb = udp_open(h.udp, NULL);

    ck_assert(pcb != NULL);
    pcb->owner = pcb;
    return pcb;
}

static int bind_to(struct udp_pcb *pcb, uint32_t addr, uint16_t port)
{
    struct endpoint e = ep(addr, port);

    return udp_bind(h.udp, pcb, &e);
}

static int connect_to(struct udp_pcb *pcb, uint32_t addr, uint16_t port)
{
    struct endpoint e = ep(addr, port);

    return udp_connect(h.udp, pcb, &e);
}

START_TEST(test_open_close)
{
    size_t before;
    struct udp_pcb *pcb;

    host_start_ready(&h);
    before = host_used(&h);
    pcb = open_pcb();
    ck_assert_uint_eq(pcb->local.port, 0);
    ck_assert_uint_eq(pcb->remote.port, 0);
    ck_assert_uint_eq(pcb->ttl, 64);
    ck_assert_uint_eq(pcb->mcast_ttl, 1);
    ck_assert_uint_eq(udp_poll(pcb), POLLOUT | POLLWRNORM | POLLWRBAND);
    udp_close(h.udp, pcb);
    ck_assert_uint_eq(host_used(&h), before);
    arena_fail_at(h.arena, 1);
    ck_assert(udp_open(h.udp, NULL) == NULL);
    host_end(&h);
}
END_TEST

START_TEST(test_bind_addresses)
{
    static const struct {
        uint32_t addr;
        int err;
    } t[] = {
        {0, 0},
        {US, 0},
        {GROUP, 0},
        {LIMITED_BROADCAST, 0},
        {SUBNET_BROADCAST, 0},
        {PEER, -EADDRNOTAVAIL},
        {FAR, -EADDRNOTAVAIL},
        {0x7f000001, -EADDRNOTAVAIL},
    };

    host_start_ready(&h);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct udp_pcb *pcb = open_pcb();

        ck_assert_int_eq(bind_to(pcb, t[i].addr, 7000), t[i].err);
        ck_assert_int_eq(bind_to(pcb, t[i].addr, 7001), t[i].err ? t[i].err : -EINVAL);
        udp_close(h.udp, pcb);
    }
    /* IP_FREEBIND: bound to what is not there, but nothing is sent from it. */
    {
        struct udp_pcb *pcb = open_pcb();

        pcb->freebind = true;
        ck_assert_int_eq(bind_to(pcb, US + 0x50, 7000), 0);
        ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 9, "x", 1), -EADDRNOTAVAIL);
        host_add_addr(&h, h.nif, US + 0x50, 24);
        ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 9, "x", 1), 1);
        host_input_udp(&h, &(struct in_ip){.dst = US + 0x50}, 1, 7000, "x", 1);
        ck_assert(udp_peek(pcb) != NULL);
    }
    host_end(&h);
}
END_TEST

/* Linux's rules: what a second socket may be bound to beside a first. */
START_TEST(test_bind_conflicts)
{
    enum { ADDR = 1, PORT = 2 };
    static const struct {
        uint32_t first;
        unsigned first_reuse;
        int first_nif;
        uint32_t second;
        unsigned second_reuse;
        int second_nif;
        bool conflict;
    } t[] = {
        {0, 0, 0, 0, 0, 0, true},
        {US, 0, 0, US, 0, 0, true},
        {0, 0, 0, US, 0, 0, true},
        {US, 0, 0, 0, 0, 0, true},
        {US, 0, 0, US + 0x50, 0, 0, false},
        {0, ADDR, 0, 0, 0, 0, true},
        {0, 0, 0, 0, ADDR, 0, true},
        {0, ADDR, 0, 0, ADDR, 0, false},
        {US, ADDR, 0, 0, ADDR, 0, false},
        {0, PORT, 0, 0, PORT, 0, false},
        {0, PORT, 0, 0, ADDR, 0, true},
        {0, ADDR, 0, 0, PORT, 0, true},
        {0, PORT, 0, 0, ADDR | PORT, 0, false},
        {0, 0, 1, 0, 0, 2, false},
        {0, 0, 1, 0, 0, 1, true},
        {0, 0, 0, 0, 0, 1, true},
        {0, 0, 1, 0, 0, 0, true},
        {GROUP, 0, 0, US, 0, 0, false},
        {GROUP, 0, 0, GROUP, 0, 0, true},
    };
    struct netif *nifs[3] = {NULL};

    host_start_ready(&h);
    host_add_addr(&h, h.nif, US + 0x50, 24);
    nifs[1] = h.nif;
    nifs[2] = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct udp_pcb *a = open_pcb(), *b = open_pcb();

        a->reuse_addr = t[i].first_reuse & ADDR;
        a->reuse_port = t[i].first_reuse & PORT;
        a->nif = nifs[t[i].first_nif];
        b->reuse_addr = t[i].second_reuse & ADDR;
        b->reuse_port = t[i].second_reuse & PORT;
        b->nif = nifs[t[i].second_nif];
        ck_assert_int_eq(bind_to(a, t[i].first, 7000), 0);
        ck_assert_msg(bind_to(b, t[i].second, 7000) == (t[i].conflict ? -EADDRINUSE : 0),
                      "line %zu", i);
        if (t[i].conflict)
            ck_assert_int_eq(bind_to(b, t[i].second, 7001), 0);
        udp_close(h.udp, a);
        udp_close(h.udp, b);
    }
    host_end(&h);
}
END_TEST

/* The wildcards of both families on one port. */
START_TEST(test_bind_families)
{
    struct endpoint any6 = {.port = 7000};
    struct udp_pcb *a, *b;

    host_start_ready(&h);
    a = open_pcb();
    a->v6 = true;
    b = open_pcb();
    ck_assert_int_eq(udp_bind(h.udp, a, &any6), 0);
    ck_assert_int_eq(bind_to(b, 0, 7000), -EADDRINUSE);
    ck_assert_int_eq(bind_to(b, US, 7000), -EADDRINUSE);
    udp_close(h.udp, a);
    a = open_pcb();
    a->v6 = a->v6only = true;
    ck_assert_int_eq(udp_bind(h.udp, a, &any6), 0);
    ck_assert_int_eq(bind_to(b, 0, 7000), 0);
    /* A v6only socket hears no IPv4; one that is not does. */
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert(udp_peek(b) != NULL && udp_peek(a) == NULL);
    udp_close(h.udp, b);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert(udp_peek(a) == NULL);
    a->v6only = false;
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert(udp_peek(a) != NULL);
    host_end(&h);
}
END_TEST

START_TEST(test_ephemeral)
{
    static uint8_t seen[65536];

    host_start_ready(&h);
    for (unsigned i = NET_PORT_LOW; i <= NET_PORT_HIGH; i++) {
        struct udp_pcb *pcb = open_pcb();

        ck_assert_int_eq(bind_to(pcb, 0, 0), 0);
        ck_assert_uint_ge(pcb->local.port, NET_PORT_LOW);
        ck_assert_uint_le(pcb->local.port, NET_PORT_HIGH);
        ck_assert_uint_eq(seen[pcb->local.port]++, 0);
    }
    {
        struct udp_pcb *pcb = open_pcb();

        ck_assert_int_eq(bind_to(pcb, 0, 0), -EADDRINUSE);
        ck_assert_int_eq(connect_to(pcb, PEER, 9), -EAGAIN);
        ck_assert_int_eq(host_udp_send(&h, pcb, PEER, 9, "x", 1), -EAGAIN);
        ck_assert_int_eq(bind_to(pcb, 0, 7000), 0);
    }
    host_end(&h);
}
END_TEST

START_TEST(test_connect)
{
    struct udp_pcb *pcb;

    host_start_ready(&h);
    pcb = open_pcb();
    ck_assert_int_eq(connect_to(pcb, FAR, 53), 0);
    ck_assert(pcb->connected && pcb->bound);
    ck_assert_uint_eq(addr_get_v4(&pcb->local.addr), US);
    ck_assert_uint_ne(pcb->local.port, 0);
    ck_assert_uint_eq(addr_get_v4(&pcb->remote.addr), FAR);
    ck_assert_uint_eq(pcb->remote.port, 53);
    /* Another peer; a failure leaves things as they are. */
    ck_assert_int_eq(connect_to(pcb, PEER, 54), 0);
    ck_assert_int_eq(connect_to(pcb, SUBNET_BROADCAST, 54), -EACCES);
    ck_assert_int_eq(connect_to(pcb, 0, 54), -ENETUNREACH);
    ck_assert_uint_eq(addr_get_v4(&pcb->remote.addr), PEER);
    host_input_udp(&h, &(struct in_ip){0}, 54, pcb->local.port, "x", 1);
    ck_assert(udp_peek(pcb) != NULL);
    pcb->broadcast = true;
    ck_assert_int_eq(connect_to(pcb, SUBNET_BROADCAST, 54), 0);
    host_end(&h);
}
END_TEST

START_TEST(test_disconnect)
{
    struct udp_pcb *pcb;

    host_start_ready(&h);
    /* Port and address chosen by connect(): both go. */
    pcb = open_pcb();
    ck_assert_int_eq(connect_to(pcb, FAR, 53), 0);
    udp_disconnect(h.udp, pcb);
    ck_assert(!pcb->connected && !pcb->bound);
    ck_assert_uint_eq(pcb->local.port, 0);
    ck_assert(addr_is_any(&pcb->local.addr));
    ck_assert_uint_eq(pcb->remote.port, 0);
    ck_assert(addr_is_any(&pcb->remote.addr));
    ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), -EDESTADDRREQ);
    udp_disconnect(h.udp, pcb);
    /* Port chosen by the user. */
    ck_assert_int_eq(bind_to(pcb, 0, 7000), 0);
    ck_assert_int_eq(connect_to(pcb, FAR, 53), 0);
    ck_assert_uint_eq(addr_get_v4(&pcb->local.addr), US);
    udp_disconnect(h.udp, pcb);
    ck_assert(pcb->bound);
    ck_assert_uint_eq(pcb->local.port, 7000);
    ck_assert(addr_is_any(&pcb->local.addr));
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert(udp_peek(pcb) != NULL);
    udp_close(h.udp, pcb);
    /* Both. */
    pcb = open_pcb();
    ck_assert_int_eq(bind_to(pcb, US, 7000), 0);
    ck_assert_int_eq(connect_to(pcb, FAR, 53), 0);
    udp_disconnect(h.udp, pcb);
    ck_assert_uint_eq(addr_get_v4(&pcb->local.addr), US);
    ck_assert_uint_eq(pcb->local.port, 7000);
    host_end(&h);
}
END_TEST

START_TEST(test_poll)
{
    struct udp_pcb *pcb;
    const uint32_t out = POLLOUT | POLLWRNORM | POLLWRBAND, in = POLLIN | POLLRDNORM;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "", 0);
    ck_assert_uint_eq(h.ready, 1);
    ck_assert(h.ready_owner == pcb);
    ck_assert_uint_eq(h.ready_mask, in);
    ck_assert_uint_eq(udp_poll(pcb), in | out);
    ck_assert_uint_eq(udp_peek(pcb)->len, 0);
    udp_drop_first(h.udp, pcb);
    udp_drop_first(h.udp, pcb); /* harmless */
    ck_assert_uint_eq(udp_poll(pcb), out);
    pcb->error = ECONNREFUSED;
    ck_assert_uint_eq(udp_poll(pcb), out | POLLERR);
    pcb->error = 0;
    pcb->shut = UDP_SHUT_WR;
    ck_assert_uint_eq(udp_poll(pcb), out);
    pcb->shut = UDP_SHUT_RD;
    ck_assert_uint_eq(udp_poll(pcb), in | out | POLLRDHUP);
    pcb->shut = UDP_SHUT_RD | UDP_SHUT_WR;
    ck_assert_uint_eq(udp_poll(pcb), in | out | POLLRDHUP | POLLHUP);
    host_end(&h);
}
END_TEST

/* Closing with datagrams and errors in the queues. */
START_TEST(test_close_full)
{
    struct udp_pcb *pcb;
    size_t before;
    const struct udp_error e = {.err = 1, .origin = UDP_ERROR_ICMP};

    host_start_ready(&h);
    before = host_used(&h);
    pcb = host_udp(&h, 0, 7000);
    for (int i = 0; i < 100; i++) {
        host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "0123456789", 10);
        udp_push_error(h.udp, pcb, &e, "abc", 3);
    }
    udp_close(h.udp, pcb);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

TCase *test_net_udp(void)
{
    TCase *tc = tcase_create("udp");

    tcase_add_test(tc, test_open_close);
    tcase_add_test(tc, test_bind_addresses);
    tcase_add_test(tc, test_bind_conflicts);
    tcase_add_test(tc, test_bind_families);
    tcase_add_test(tc, test_ephemeral);
    tcase_add_test(tc, test_connect);
    tcase_add_test(tc, test_disconnect);
    tcase_add_test(tc, test_poll);
    tcase_add_test(tc, test_close_full);
    return tc;
}
