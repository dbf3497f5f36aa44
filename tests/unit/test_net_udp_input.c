/* Unit tests of UDP input: datagrams and ICMP errors. */
#include "test_net.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static struct host h;

START_TEST(test_datagram)
{
    struct udp_pcb *pcb;
    struct udp_dgram *d;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    host_pass(&h, 5 * SECOND);
    host_input_udp(&h, &(struct in_ip){.ttl = 9, .tos = 4}, 1234, 7000, "hello", 5);
    d = udp_peek(pcb);
    ck_assert(d != NULL && udp_peek(pcb) == d);
    ck_assert_uint_eq(addr_get_v4(&d->src.addr), PEER);
    ck_assert_uint_eq(d->src.port, 1234);
    ck_assert_uint_eq(addr_get_v4(&d->dst), US);
    ck_assert_uint_eq(d->ifindex, 1);
    ck_assert_uint_eq(d->arrived_us, h.net->now_us);
    ck_assert_uint_eq(d->ttl, 9);
    ck_assert_uint_eq(d->tos, 4);
    ck_assert_uint_eq(d->len, 5);
    ck_assert_mem_eq(d->data, "hello", 5);
    ck_assert_uint_eq(h.net->stats.udp_in, 1);
    host_end(&h);
}
END_TEST

/* RFC 1122 4.1.3.4 */
START_TEST(test_checksum)
{
    struct udp_pcb *pcb;
    uint8_t p[20];
    size_t len;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    len = build_udp(PEER, US, 1, 7000, "hello", 5, p);
    for (size_t bit = 0; bit < len * 8; bit++) {
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        host_input_ip(&h, &(struct in_ip){.proto = 17}, p, len);
        p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert(udp_peek(pcb) == NULL);
    /* Of the corrupted ports and lengths too nothing is answered: the checksum comes first. */
    host_expect_nothing(&h);
    put_be16(p + 6, 0); /* none */
    host_input_ip(&h, &(struct in_ip){.proto = 17}, p, len);
    ck_assert(udp_peek(pcb) != NULL);
    udp_drop_first(h.udp, pcb);
    put_be16(p + 6, 0x1234); /* wrong, but the link says it is right, or yet to be made */
    host_input_ip(&h, &(struct in_ip){.proto = 17, .flags = FRAME_CSUM_GOOD}, p, len);
    ck_assert(udp_peek(pcb) != NULL);
    udp_drop_first(h.udp, pcb);
    host_input_ip(&h, &(struct in_ip){.proto = 17, .flags = FRAME_CSUM_UNFINISHED}, p, len);
    ck_assert(udp_peek(pcb) != NULL);
    udp_drop_first(h.udp, pcb);
    ck_assert_uint_eq(h.net->stats.udp_in, 3);
    h.net->stats.udp_in_bad = 0;
    host_input_ip(&h, &(struct in_ip){.proto = 17}, p, len);
    ck_assert(udp_peek(pcb) == NULL);
    ck_assert_uint_eq(h.net->stats.udp_in_bad, 1);
    host_end(&h);
}
END_TEST

START_TEST(test_lengths)
{
    struct udp_pcb *pcb;
    uint8_t p[40];

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    build_udp(PEER, US, 1, 7000, "0123456789", 10, p);
    for (size_t len = 0; len < 18; len++)
        host_input_ip(&h, &(struct in_ip){.proto = 17}, p, len);
    ck_assert_uint_eq(h.net->stats.udp_in_bad, 18);
    for (uint16_t claimed = 0; claimed < 8; claimed++) {
        put_be16(p + 4, claimed);
        put_be16(p + 6, 0);
        host_input_ip(&h, &(struct in_ip){.proto = 17}, p, 18);
    }
    ck_assert_uint_eq(h.net->stats.udp_in_bad, 26);
    ck_assert(udp_peek(pcb) == NULL);
    build_udp(PEER, US, 1, 7000, "0123456789", 10, p);
    memset(p + 18, 0xee, 22);
    host_input_ip(&h, &(struct in_ip){.proto = 17}, p, 40); /* IP carries more: padding */
    ck_assert_uint_eq(udp_peek(pcb)->len, 10);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* RFC 1122 4.1.3.1 */
START_TEST(test_no_port)
{
    struct sent *s;

    host_start_ready(&h);
    host_know(&h, PEER, &peer_mac);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    s = host_take_ip(&h, 1);
    ck_assert_uint_eq(s->l4[0], ICMP_UNREACHABLE);
    ck_assert_uint_eq(s->l4[1], ICMP_UNREACH_PORT);
    ck_assert_uint_eq(get_be16(s->l4 + 8 + 20 + 2), 7000);
    free(s);
    host_input_udp(&h, &(struct in_ip){.dst = SUBNET_BROADCAST, .link_dst = &broadcast_mac}, 1,
                   7000, "x", 1);
    host_input_udp(&h, &(struct in_ip){.dst = GROUP, .link_dst = &broadcast_mac}, 1, 7000, "x", 1);
    host_expect_nothing(&h);
    ck_assert_uint_eq(h.net->stats.udp_in_no_port, 3);
    host_end(&h);
    host_start_borrowed(&h);
    host_know(&h, PEER, &peer_mac);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    host_expect_nothing(&h); /* somebody else's port */
    host_end(&h);
}
END_TEST

START_TEST(test_groups)
{
    struct udp_pcb *a, *b, *other;

    host_start_ready(&h);
    a = udp_open(h.udp, NULL);
    b = udp_open(h.udp, NULL);
    a->reuse_addr = b->reuse_addr = true;
    a->owner = a;
    b->owner = b;
    ck_assert_int_eq(udp_bind(h.udp, a, &(struct endpoint){addr_any4(), 7000}), 0);
    ck_assert_int_eq(udp_bind(h.udp, b, &(struct endpoint){addr_any4(), 7000}), 0);
    other = host_udp(&h, US, 7001);
    for (int i = 0; i < 3; i++) {
        static const uint32_t dst[] = {LIMITED_BROADCAST, SUBNET_BROADCAST, GROUP};
        const struct in_ip ip = {.dst = dst[i], .link_dst = &broadcast_mac};

        host_input_udp(&h, &ip, 1, 7000, "x", 1);
        ck_assert(udp_peek(a) != NULL && udp_peek(b) != NULL);
        ck_assert_uint_eq(addr_get_v4(&udp_peek(a)->dst), dst[i]);
        udp_drop_first(h.udp, a);
        udp_drop_first(h.udp, b);
        host_input_udp(&h, &ip, 1, 7001, "x", 1);
        ck_assert(udp_peek(other) == NULL); /* bound to our address alone */
    }
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert((udp_peek(a) != NULL) != (udp_peek(b) != NULL)); /* to us: one of them */
    host_end(&h);
}
END_TEST

START_TEST(test_queue_limit)
{
    static uint8_t data[10000];
    struct udp_pcb *pcb;
    unsigned n = 0;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    pcb->rcvbuf_bytes = 50000;
    for (int i = 0; i < 100; i++)
        host_input_udp(&h, &(struct in_ip){0}, 1, 7000, data, 1000);
    while (udp_peek(pcb)) {
        n++;
        udp_drop_first(h.udp, pcb);
    }
    ck_assert_uint_ge(n, 24);
    ck_assert_uint_le(n, 49);
    ck_assert_uint_eq(pcb->queue_bytes, 0);
    ck_assert_uint_eq(pcb->drops, 100 - n);
    ck_assert_uint_eq(h.net->stats.udp_in_full, 100 - n);
    /* Small ones cost more than their bytes. */
    for (n = 0; n < 10000 && pcb->queue_bytes <= pcb->rcvbuf_bytes; n++)
        host_input_udp(&h, &(struct in_ip){0}, 1, 7000, data, 1);
    ck_assert_uint_le(n, 50000 / 64 + 1);
    while (udp_peek(pcb))
        udp_drop_first(h.udp, pcb);
    /* As much as the arena's blocks take. */
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, data, 10000);
    ck_assert_uint_eq(pcb->queue_bytes, 3 * ARENA_PAGE_BYTES);
    udp_drop_first(h.udp, pcb);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, data, 2048 - sizeof(struct udp_dgram));
    ck_assert_uint_eq(pcb->queue_bytes, 2048);
    udp_drop_first(h.udp, pcb);
    /* However small the buffer is, one datagram fits. */
    pcb->rcvbuf_bytes = 1;
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, data, 10000);
    ck_assert(udp_peek(pcb) != NULL);
    host_end(&h);
}
END_TEST

/* Datagrams wait in order. */
START_TEST(test_order)
{
    struct udp_pcb *pcb;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    for (uint8_t i = 0; i < 200; i++)
        host_input_udp(&h, &(struct in_ip){0}, 1, 7000, &i, 1);
    for (uint8_t i = 0; i < 200; i++) {
        ck_assert_uint_eq(udp_peek(pcb)->data[0], i);
        udp_drop_first(h.udp, pcb);
    }
    host_end(&h);
}
END_TEST

START_TEST(test_fragmented)
{
    static uint8_t data[65507], p[65536];
    struct udp_pcb *pcb;
    size_t len;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    fill_pattern(data, sizeof(data), 2);
    for (int corrupt = 0; corrupt < 2; corrupt++) {
        len = build_udp(PEER, US, 1, 7000, data, sizeof(data), p);
        p[5000] ^= (uint8_t)corrupt;
        for (size_t at = 0; at < len; at += 1480) {
            size_t n = len - at < 1480 ? len - at : 1480;
            const struct in_ip ip = {.proto = 17,
                                     .id = (uint16_t)corrupt,
                                     .frag_offset = (uint16_t)at,
                                     .mf = at + n < len,
                                     /* says nothing of the whole */
                                     .flags = FRAME_CSUM_GOOD};

            host_input_ip(&h, &ip, p + at, n);
        }
        ck_assert((udp_peek(pcb) != NULL) == !corrupt);
        if (!corrupt) {
            ck_assert_uint_eq(udp_peek(pcb)->len, sizeof(data));
            ck_assert_mem_eq(udp_peek(pcb)->data, data, sizeof(data));
            udp_drop_first(h.udp, pcb);
        }
    }
    host_end(&h);
}
END_TEST

/* A super-frame of a local sender: several datagrams behind one header. */
START_TEST(test_super_frame)
{
    static uint8_t data[3500];
    struct udp_pcb *pcb;
    const struct in_ip ip = {.flags = FRAME_CSUM_UNFINISHED, .gso_size = 1000};

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    fill_pattern(data, sizeof(data), 1);
    host_input_udp(&h, &ip, 1, 7000, data, sizeof(data));
    for (size_t at = 0; at < sizeof(data); at += 1000) {
        ck_assert_uint_eq(udp_peek(pcb)->len, at == 3000 ? 500 : 1000);
        ck_assert_mem_eq(udp_peek(pcb)->data, data + at, udp_peek(pcb)->len);
        udp_drop_first(h.udp, pcb);
    }
    ck_assert(udp_peek(pcb) == NULL);
    ck_assert_uint_eq(h.ready, 1);
    host_end(&h);
}
END_TEST

START_TEST(test_no_memory)
{
    struct udp_pcb *pcb;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    arena_fail_at(h.arena, 1);
    host_input_udp(&h, &(struct in_ip){0}, 1, 7000, "x", 1);
    ck_assert(udp_peek(pcb) == NULL);
    ck_assert_uint_eq(pcb->drops, 1);
    ck_assert_uint_eq(h.ready, 0);
    ck_assert_uint_eq(pcb->queue_bytes, 0);
    host_end(&h);
}
END_TEST

/* ---- errors ---- */

/* An ICMP error of this type about a datagram from port to FAR:53. */
static void complain(uint16_t port, uint8_t type, uint8_t code, uint16_t mtu)
{
    uint8_t dgram[40], q[100];
    const struct in_ip ip = {.src = US, .dst = FAR, .proto = 17};
    size_t len = build_udp(US, FAR, port, 53, "question", 8, dgram);

    len = build_ip(&ip, dgram, len, q);
    put_be16(q + 2, 1500); /* as if it were the beginning of a large one */
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, type, code, 0, mtu, q, len);
}

static struct udp_pcb *connected(void)
{
    struct udp_pcb *pcb = host_udp(&h, 0, 0);
    struct endpoint far = ep(FAR, 53);

    ck_assert_int_eq(udp_connect(h.udp, pcb, &far), 0);
    return pcb;
}

/* RFC 1122 4.1.3.3 and Linux: connected sockets learn of hard errors, others of none. */
START_TEST(test_error)
{
    struct udp_pcb *pcb, *loose;

    host_start_ready(&h);
    pcb = connected();
    loose = host_udp(&h, 0, 7000);
    complain(7000, 3, 3, 0);
    ck_assert_int_eq(loose->error, 0);
    complain(pcb->local.port, 3, 1, 0); /* soft */
    complain(pcb->local.port, 11, 0, 0);
    ck_assert_int_eq(pcb->error, 0);
    ck_assert_uint_eq(h.ready, 0);
    complain(pcb->local.port, 3, 3, 0);
    ck_assert_int_eq(pcb->error, ECONNREFUSED);
    ck_assert_uint_eq(h.ready, 1);
    ck_assert(h.ready_mask & POLLERR);
    /* The next call reports it, and it is gone. */
    ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), -ECONNREFUSED);
    ck_assert_int_eq(host_udp_send(&h, pcb, 0, 0, "x", 1), 1);
    complain(pcb->local.port, 3, 13, 0);
    ck_assert_int_eq(pcb->error, EHOSTUNREACH);
    complain(pcb->local.port, 12, 0, 0);
    ck_assert_int_eq(pcb->error, EPROTO);
    complain((uint16_t)(pcb->local.port + 1), 3, 3, 0); /* nobody's */
    host_end(&h);
}
END_TEST

/* Only the peer's own flow: not an error about another destination. */
START_TEST(test_error_of_other_flow)
{
    struct udp_pcb *pcb;
    struct endpoint peer = ep(PEER, 53);

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 0);
    ck_assert_int_eq(udp_connect(h.udp, pcb, &peer), 0);
    complain(pcb->local.port, 3, 3, 0);
    ck_assert_int_eq(pcb->error, 0);
    host_end(&h);
}
END_TEST

/* RFC 1191 6.2 */
START_TEST(test_error_mtu)
{
    struct udp_pcb *pcb;

    host_start_ready(&h);
    pcb = connected();
    complain(pcb->local.port, 3, 4, 1400);
    ck_assert_int_eq(pcb->error, EMSGSIZE); /* told even though it is soft */
    pcb->error = 0;
    pcb->mtu_discover = 0; /* DONT: fragmented from now on, nothing to tell */
    complain(pcb->local.port, 3, 4, 1300);
    ck_assert_int_eq(pcb->error, 0);
    ck_assert_int_eq(path_refresh(h.net, &pcb->path), 0);
    ck_assert_uint_eq(pcb->path.mtu, 1300);
    pcb->mtu_discover = PMTUDISC_OMIT; /* routers are not believed, but heard */
    complain(pcb->local.port, 3, 4, 1200);
    ck_assert_int_eq(pcb->error, EMSGSIZE);
    ck_assert_int_eq(path_refresh(h.net, &pcb->path), 0);
    ck_assert_uint_eq(pcb->path.mtu, 1300);
    complain((uint16_t)(pcb->local.port + 1), 3, 4, 1200); /* nobody sent it (RFC 5927 7.2) */
    ck_assert_int_eq(path_refresh(h.net, &pcb->path), 0);
    ck_assert_uint_eq(pcb->path.mtu, 1300);
    host_end(&h);
}
END_TEST

/* IP_RECVERR: all errors, for unconnected sockets too, with what was quoted. */
START_TEST(test_error_queue)
{
    struct udp_pcb *pcb;
    struct udp_error *e;

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 7000);
    pcb->recverr = true;
    complain(7000, 3, 1, 0);
    complain(7000, 3, 4, 1400);
    ck_assert(udp_poll(pcb) & POLLERR);
    ck_assert_int_eq(pcb->error, EMSGSIZE);
    e = udp_peek_error(pcb);
    ck_assert_int_eq(e->err, EHOSTUNREACH);
    ck_assert_uint_eq(e->origin, UDP_ERROR_ICMP);
    ck_assert_uint_eq(e->type, 3);
    ck_assert_uint_eq(e->code, 1);
    ck_assert_uint_eq(addr_get_v4(&e->from), ROUTER);
    ck_assert_uint_eq(addr_get_v4(&e->dst.addr), FAR);
    ck_assert_uint_eq(e->dst.port, 53);
    ck_assert_uint_eq(e->len, 8);
    ck_assert_mem_eq(e->data, "question", 8);
    ck_assert_uint_eq(e->info, 0);
    udp_drop_first_error(h.udp, pcb);
    ck_assert_int_eq(pcb->error, EMSGSIZE);
    ck_assert_uint_eq(udp_peek_error(pcb)->info, 1400);
    udp_drop_first_error(h.udp, pcb);
    ck_assert_int_eq(pcb->error, 0);
    ck_assert(udp_peek_error(pcb) == NULL);
    udp_drop_first_error(h.udp, pcb); /* harmless */
    ck_assert_uint_eq(pcb->queue_bytes, 0);
    /* Bounded by the receive buffer. */
    pcb->rcvbuf_bytes = 1000;
    for (int i = 0; i < 100; i++)
        complain(7000, 3, 1, 0);
    ck_assert_uint_le(pcb->queue_bytes, 1000);
    host_end(&h);
}
END_TEST

/* A neighbour that does not answer: told with IP_RECVERR, as Linux, else not. */
START_TEST(test_unreachable_neighbour)
{
    struct udp_pcb *plain, *curious;
    struct endpoint peer = ep(PEER, 9);

    host_start_ready(&h);
    plain = host_udp(&h, 0, 7000);
    curious = host_udp(&h, 0, 7001);
    curious->recverr = true;
    ck_assert_int_eq(udp_connect(h.udp, plain, &peer), 0);
    ck_assert_int_eq(host_udp_send(&h, plain, 0, 0, "abc", 3), 3);
    ck_assert_int_eq(host_udp_send(&h, curious, PEER, 9, "abc", 3), 3);
    host_pass(&h, 3 * SECOND);
    ck_assert_int_eq(plain->error, 0);
    ck_assert_int_eq(curious->error, EHOSTUNREACH);
    ck_assert(udp_peek_error(curious) != NULL);
    ck_assert_uint_eq(addr_get_v4(&udp_peek_error(curious)->from), US);
    ck_assert_uint_eq(udp_peek_error(curious)->len, 3);
    ck_assert_mem_eq(udp_peek_error(curious)->data, "abc", 3);
    host_end(&h);
}
END_TEST

TCase *test_net_udp_input(void)
{
    TCase *tc = tcase_create("udp_input");

    tcase_add_test(tc, test_datagram);
    tcase_add_test(tc, test_checksum);
    tcase_add_test(tc, test_lengths);
    tcase_add_test(tc, test_no_port);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_queue_limit);
    tcase_add_test(tc, test_order);
    tcase_add_test(tc, test_fragmented);
    tcase_add_test(tc, test_super_frame);
    tcase_add_test(tc, test_no_memory);
    tcase_add_test(tc, test_error);
    tcase_add_test(tc, test_error_of_other_flow);
    tcase_add_test(tc, test_error_mtu);
    tcase_add_test(tc, test_error_queue);
    tcase_add_test(tc, test_unreachable_neighbour);
    return tc;
}
