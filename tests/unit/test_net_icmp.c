/* Unit tests of ICMP. */
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

START_TEST(test_echo)
{
    static uint8_t data[1472];
    struct sent *s;

    start();
    fill_pattern(data, sizeof(data), 9);
    for (size_t len = 0; len <= sizeof(data); len += 92) {
        host_input_icmp(&h, &(struct in_ip){.tos = 0x10}, ICMP_ECHO_REQUEST, 0, 0x1234, 0x5678,
                        data, len);
        s = host_take_ip(&h, 1);
        ck_assert_uint_eq(s->ip.src, US);
        ck_assert_uint_eq(s->ip.dst, PEER);
        ck_assert_uint_eq(s->ip.tos, 0x10);
        ck_assert_uint_eq(s->l4[0], ICMP_ECHO_REPLY);
        ck_assert_uint_eq(s->l4[1], 0);
        ck_assert_uint_eq(get_be16(s->l4 + 4), 0x1234);
        ck_assert_uint_eq(get_be16(s->l4 + 6), 0x5678);
        ck_assert_uint_eq(s->l4_len, 8 + len);
        ck_assert_mem_eq(s->l4 + 8, data, len);
        ck_assert_uint_eq(slow_checksum(0, 0, 0, s->l4, s->l4_len), 0);
        free(s);
    }
    host_end(&h);
}
END_TEST

/* A large one comes in fragments and goes out in fragments. */
START_TEST(test_echo_large)
{
    static uint8_t msg[8 + 4000];
    struct sent *s;
    size_t got = 0;

    start();
    fill_pattern(msg + 8, 4000, 1);
    msg[0] = ICMP_ECHO_REQUEST;
    put_be16(msg + 2, slow_checksum(0, 0, 0, msg, sizeof(msg)));
    for (size_t at = 0; at < sizeof(msg); at += 1480) {
        size_t n = sizeof(msg) - at < 1480 ? sizeof(msg) - at : 1480;
        const struct in_ip ip = {
            .proto = 1, .id = 5, .frag_offset = (uint16_t)at, .mf = at + n < sizeof(msg)};

        host_input_ip(&h, &ip, msg + at, n);
    }
    ck_assert_uint_eq(h.sent_count, 3);
    while (h.first) {
        s = host_take_ip(&h, 1);
        ck_assert_uint_eq(s->ip.frag_offset, got);
        ck_assert_mem_eq(s->l4 + (got ? 0 : 8), msg + got + (got ? 0 : 8),
                         s->l4_len - (got ? 0 : 8));
        got += s->l4_len;
        free(s);
    }
    ck_assert_uint_eq(got, sizeof(msg));
    host_end(&h);
}
END_TEST

/* RFC 1122 3.2.2.6 */
START_TEST(test_echo_not_answered)
{
    uint8_t bad[8] = {ICMP_ECHO_REQUEST, 0, 1, 2, 3, 4, 5, 6};

    start();
    host_input_icmp(&h, &(struct in_ip){.dst = SUBNET_BROADCAST, .link_dst = &broadcast_mac},
                    ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
    host_input_icmp(&h, &(struct in_ip){.dst = GROUP, .link_dst = &broadcast_mac},
                    ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
    host_input_ip(&h, &(struct in_ip){.proto = 1}, bad, sizeof(bad)); /* checksum */
    for (size_t len = 0; len < 8; len++)
        host_input_ip(&h, &(struct in_ip){.proto = 1}, bad, len);
    ck_assert_uint_eq(h.net->stats.icmp_in, 11);
    ck_assert_uint_eq(h.net->stats.icmp_in_bad, 9);
    host_expect_nothing(&h);
    host_end(&h);
    host_start_borrowed(&h);
    host_know(&h, PEER, &peer_mac);
    host_input_icmp(&h, &(struct in_ip){0}, ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
    host_expect_nothing(&h); /* the kernel answers */
    host_end(&h);
}
END_TEST

/* ---- errors in ---- */

/* A packet of ours as a router quotes it: header (TTL and so checksum changed) and some payload. */
static size_t quote(uint8_t *out, const struct in_ip *ip, size_t payload, uint16_t total)
{
    uint8_t l4[100];

    fill_pattern(l4, payload, 0x30);
    build_ip(ip, l4, payload, out);
    if (total)
        put_be16(out + 2, total);
    out[8] = 1;
    return 20 + payload;
}

static const struct in_ip our_tcp = {.src = US, .dst = FAR, .proto = 6, .df = true};

/* RFC 1122 3.2.2.2, RFC 6633 3 */
START_TEST(test_error_mapping)
{
    static const struct {
        uint8_t type, code;
        int err; /* 0: not reported */
        bool hard;
    } t[] = {
        {3, 0, ENETUNREACH, false},
        {3, 1, EHOSTUNREACH, false},
        {3, 2, ENOPROTOOPT, true},
        {3, 3, ECONNREFUSED, true},
        {3, 4, EMSGSIZE, false},
        {3, 5, EOPNOTSUPP, false},
        {3, 6, ENETUNREACH, true},
        {3, 7, EHOSTDOWN, true},
        {3, 8, ENONET, true},
        {3, 9, ENETUNREACH, true},
        {3, 10, EHOSTUNREACH, true},
        {3, 11, ENETUNREACH, false},
        {3, 12, EHOSTUNREACH, false},
        {3, 13, EHOSTUNREACH, true},
        {3, 14, EHOSTUNREACH, true},
        {3, 15, EHOSTUNREACH, true},
        {3, 16, 0, false},
        {3, 255, 0, false},
        {4, 0, 0, false},
        {5, 0, 0, false},
        {5, 1, 0, false},
        {11, 0, EHOSTUNREACH, false},
        {11, 1, EHOSTUNREACH, false},
        {12, 0, EPROTO, true},
        {0, 0, 0, false},
        {13, 0, 0, false},
        {255, 3, 0, false},
    };
    uint8_t q[100];
    size_t len;

    start();
    len = quote(q, &our_tcp, 8, 1500);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        h.tcp_errors = 0;
        host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, t[i].type, t[i].code, 0, 0, q, len);
        ck_assert_msg(h.tcp_errors == (t[i].err != 0), "line %zu", i);
        if (!t[i].err)
            continue;
        ck_assert_msg(h.tcp_error->e.err == t[i].err, "line %zu", i);
        ck_assert_msg(h.tcp_error->e.hard == t[i].hard, "line %zu", i);
        ck_assert_uint_eq(h.tcp_error->e.type, t[i].type);
        ck_assert_uint_eq(h.tcp_error->e.code, t[i].code);
        ck_assert_uint_eq(h.tcp_error->e.proto, 6);
        ck_assert_uint_eq(addr_get_v4(&h.tcp_error->e.from), ROUTER);
        ck_assert_uint_eq(addr_get_v4(&h.tcp_error->e.src), US);
        ck_assert_uint_eq(addr_get_v4(&h.tcp_error->e.dst), FAR);
        ck_assert_uint_eq(h.tcp_error->e.l4_len, 8);
        ck_assert_mem_eq(h.tcp_error->l4, q + 20, 8);
    }
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* Errors reach the transports on a borrowed address as well. */
START_TEST(test_error_borrowed)
{
    uint8_t q[100];
    size_t len;

    host_start_borrowed(&h);
    len = quote(q, &our_tcp, 8, 1500);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 1, 0, 0, q, len);
    ck_assert_uint_eq(h.tcp_errors, 1);
    host_end(&h);
}
END_TEST

START_TEST(test_error_not_about_us)
{
    struct in_ip ip;
    uint8_t q[100];
    size_t len;

    start();
    ip = our_tcp;
    ip.src = PEER + 3; /* not our packet */
    len = quote(q, &ip, 8, 0);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    ip = our_tcp;
    ip.dst = SUBNET_BROADCAST;
    len = quote(q, &ip, 8, 0);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    ip.dst = GROUP;
    len = quote(q, &ip, 8, 0);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    ip = our_tcp;
    ip.frag_offset = 8; /* no ports in there */
    len = quote(q, &ip, 8, 0);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    ip = our_tcp;
    ip.proto = 1; /* no transport of ours */
    len = quote(q, &ip, 8, 0);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    len = quote(q, &our_tcp, 8, 0);
    host_input_icmp(
        &h, &(struct in_ip){.src = ROUTER, .dst = SUBNET_BROADCAST, .link_dst = &broadcast_mac}, 3,
        3, 0, 0, q, len);
    ck_assert_uint_eq(h.tcp_errors, 0);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

START_TEST(test_error_truncated)
{
    uint8_t q[100];
    size_t len;

    start();
    len = quote(q, &our_tcp, 8, 0);
    for (size_t i = 0; i < len; i++)
        host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, i);
    q[0] = 0x65; /* another version */
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    q[0] = 0x44; /* a header of 16 bytes */
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    q[0] = 0x4f; /* of 60, but they are not there */
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 3, 0, 0, q, len);
    ck_assert_uint_eq(h.tcp_errors, 0);
    ck_assert_uint_eq(h.net->stats.icmp_in_bad, len + 3);
    host_end(&h);
}
END_TEST

START_TEST(test_fragmentation_needed)
{
    struct ip_addr far = addr_v4(FAR), any = addr_any4();
    struct ip_path path;
    uint8_t q[100];
    size_t len;

    start();
    len = quote(q, &our_tcp, 8, 1500);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 4, 0, 1400, q, len);
    ck_assert_uint_eq(h.tcp_error->e.mtu, 1400);
    ck_assert_uint_eq(h.tcp_error->e.size, 1500);
    ck_assert_int_eq(path_lookup(h.net, &far, &any, NULL, &path), 0);
    ck_assert_uint_eq(path.mtu, 1500); /* not believed before the transport knows the packet */
    ck_assert_uint_eq(icmp_too_big(h.net, &h.tcp_error->e), 1400);
    ck_assert_int_eq(path_refresh(h.net, &path), 0);
    ck_assert_uint_eq(path.mtu, 1400);
    /* An old router: no MTU in the message. */
    len = quote(q, &our_tcp, 8, 1400);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 4, 0, 0, q, len);
    ck_assert_uint_eq(icmp_too_big(h.net, &h.tcp_error->e), 1006);
    /* Late: about a packet sent before. */
    len = quote(q, &our_tcp, 8, 1500);
    host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 4, 0, 1400, q, len);
    ck_assert_uint_eq(icmp_too_big(h.net, &h.tcp_error->e), 1006);
    /* Absurd: no limit at all. */
    {
        struct in_ip other = our_tcp;

        other.dst = FAR + 1;
        len = quote(q, &other, 8, 1500);
        host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 4, 0, 9000, q, len);
        ck_assert_uint_eq(icmp_too_big(h.net, &h.tcp_error->e), 0);
        /* The packet was smaller than what is said not to have let it through (RFC 5927 7.2). */
        len = quote(q, &other, 8, 1000);
        host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 4, 0, 1200, q, len);
        ck_assert_uint_eq(icmp_too_big(h.net, &h.tcp_error->e), 0);
        len = quote(q, &other, 8, 1500);
        host_input_icmp(&h, &(struct in_ip){.src = ROUTER}, 3, 4, 0, 1, q, len);
        ck_assert_uint_eq(icmp_too_big(h.net, &h.tcp_error->e), PATH_MTU_MIN);
    }
    host_end(&h);
}
END_TEST

/* ---- errors out ---- */

START_TEST(test_error_out)
{
    static uint8_t big[1400];
    struct sent *s;
    uint8_t ip_as_sent[1500];
    struct in_ip ip = {
        .proto = 132, .tos = 0xff, .id = 77, .options = {1, 1, 1, 0}, .options_bytes = 4};

    start();
    fill_pattern(big, sizeof(big), 3);
    build_ip(&ip, big, sizeof(big), ip_as_sent);
    host_input_ip(&h, &ip, big, sizeof(big));
    s = host_take_ip(&h, 1);
    ck_assert_uint_eq(s->ip.tos, 0xc0);        /* RFC 1812 4.3.2.5 */
    ck_assert_uint_eq(s->ip.total_bytes, 576); /* RFC 1812 4.3.2.3 */
    ck_assert_uint_eq(s->ip.src, US);
    ck_assert_uint_eq(s->ip.dst, PEER);
    ck_assert_uint_eq(get_be32(s->l4 + 4), 0);
    ck_assert_mem_eq(s->l4 + 8, ip_as_sent, 548);
    ck_assert_uint_eq(slow_checksum(0, 0, 0, s->l4, s->l4_len), 0);
    free(s);
    host_input_ip(&h, &ip, big, 3); /* less than 8 bytes: all there are */
    s = host_take_ip(&h, 1);
    ck_assert_uint_eq(s->l4_len, 8 + 24 + 3);
    free(s);
    host_end(&h);
}
END_TEST

/* RFC 1122 3.2.2: about what no error may be sent. */
START_TEST(test_error_out_forbidden)
{
    struct netif_addr *to;
    struct ip_addr us = addr_v4(US);
    struct ip_packet pkt = {.proto = 17, .payload = (const uint8_t *)"01234567", .len = 8};
    uint8_t icmp[8] = {0};

    start();
    to = netif_find_addr(h.net, &us);
    pkt.nif = h.nif;
    pkt.to = to;
    pkt.src = addr_v4(PEER);
    pkt.dst = us;
    pkt.ip_hdr = pkt.payload;
    pkt.ip_hdr_bytes = 8;
    icmp_send_error(h.net, &pkt, 3, 3);
    ck_assert_uint_eq(h.sent_count, 1);
    pkt.broadcast = true;
    icmp_send_error(h.net, &pkt, 3, 3);
    pkt.broadcast = false;
    pkt.multicast = true;
    icmp_send_error(h.net, &pkt, 3, 3);
    pkt.multicast = false;
    pkt.to = NULL;
    icmp_send_error(h.net, &pkt, 3, 3);
    pkt.to = to;
    pkt.src = addr_any4();
    icmp_send_error(h.net, &pkt, 3, 3);
    pkt.src = addr_v4(SUBNET_BROADCAST);
    icmp_send_error(h.net, &pkt, 3, 3);
    pkt.src = addr_v4(PEER);
    pkt.proto = 1;
    pkt.payload = icmp;
    for (unsigned type = 0; type < 256; type++) {
        icmp[0] = (uint8_t)type;
        if (type != ICMP_ECHO_REPLY && type != ICMP_ECHO_REQUEST)
            icmp_send_error(h.net, &pkt, 3, 3);
    }
    pkt.len = 0;
    icmp_send_error(h.net, &pkt, 3, 3);
    ck_assert_uint_eq(h.sent_count, 1);
    pkt.len = 8;
    icmp[0] = ICMP_ECHO_REQUEST;
    icmp_send_error(h.net, &pkt, 11, 1); /* a question is no error */
    ck_assert_uint_eq(h.sent_count, 2);
    to->borrowed = true;
    icmp_send_error(h.net, &pkt, 11, 1);
    ck_assert_uint_eq(h.sent_count, 2);
    host_end(&h);
}
END_TEST

/* RFC 1812 4.3.2.8 */
START_TEST(test_rate_limit)
{
    unsigned burst;

    start();
    for (int i = 0; i < 1000; i++)
        host_input_ip(&h, &(struct in_ip){.proto = 132}, "01234567", 8);
    burst = h.sent_count;
    ck_assert_uint_eq(burst, 50);
    ck_assert_uint_eq(h.net->stats.icmp_out_limited, 950);
    host_pass(&h, 10000); /* ten more tokens */
    for (int i = 0; i < 100; i++)
        host_input_ip(&h, &(struct in_ip){.proto = 132}, "01234567", 8);
    ck_assert_uint_eq(h.sent_count, burst + 10);
    for (int i = 0; i < 10000; i++) { /* 2 s of one every 0.2 ms: 1000 a second come through */
        host_pass(&h, 200);
        host_input_ip(&h, &(struct in_ip){.proto = 132}, "01234567", 8);
    }
    ck_assert_uint_ge(h.sent_count, burst + 10 + 1990);
    ck_assert_uint_le(h.sent_count, burst + 10 + 2010);
    host_pass(&h, 100 * SECOND);
    host_know(&h, PEER, &peer_mac);
    host_forget_sent(&h);
    for (int i = 0; i < 1000; i++)
        host_input_ip(&h, &(struct in_ip){.proto = 132}, "01234567", 8);
    ck_assert_uint_eq(h.sent_count, 50); /* the bucket holds no more */
    /* Nor when it is filled up in two steps. */
    host_pass(&h, 40000);
    host_input_ip(&h, &(struct in_ip){.proto = 132}, "01234567", 8);
    host_pass(&h, 40000);
    for (int i = 0; i < 1000; i++)
        host_input_ip(&h, &(struct in_ip){.proto = 132}, "01234567", 8);
    ck_assert_uint_eq(h.sent_count, 50 + 1 + 50);
    host_end(&h);
}
END_TEST

TCase *test_net_icmp(void)
{
    TCase *tc = tcase_create("icmp");

    tcase_add_test(tc, test_echo);
    tcase_add_test(tc, test_echo_large);
    tcase_add_test(tc, test_echo_not_answered);
    tcase_add_test(tc, test_error_mapping);
    tcase_add_test(tc, test_error_borrowed);
    tcase_add_test(tc, test_error_not_about_us);
    tcase_add_test(tc, test_error_truncated);
    tcase_add_test(tc, test_fragmentation_needed);
    tcase_add_test(tc, test_error_out);
    tcase_add_test(tc, test_error_out_forbidden);
    tcase_add_test(tc, test_rate_limit);
    return tc;
}
