/* Unit tests of reassembly. */
#include "test_net.h"

#include <stdlib.h>

static struct host h;
static uint8_t whole[65535];

/* Puts in bytes [at, at + len) of a datagram of protocol 6. */
static void piece(uint16_t id, size_t at, size_t len, bool more)
{
    const struct in_ip ip = {
        .proto = 6, .id = id, .frag_offset = (uint16_t)at, .mf = more, .tos = 8, .ttl = 33};

    host_input_ip(&h, &ip, whole + at, len);
}

static void start(void)
{
    host_start_ready(&h);
    fill_pattern(whole, sizeof(whole), 1);
}

static void expect_whole(size_t len)
{
    ck_assert_uint_eq(h.tcp_packets, 1);
    ck_assert_uint_eq(h.tcp_packet->pkt.len, len);
    ck_assert_mem_eq(h.tcp_packet->payload, whole, len);
    h.tcp_packets = 0;
}

START_TEST(test_in_order)
{
    size_t before;

    start();
    before = host_used(&h);
    piece(1, 0, 1480, true);
    piece(1, 1480, 1480, true);
    ck_assert_uint_eq(h.tcp_packets, 0);
    piece(1, 2960, 7, false);
    expect_whole(2967);
    ck_assert(h.tcp_packet->pkt.to != NULL && h.tcp_packet->pkt.nif == h.nif);
    ck_assert_uint_eq(h.tcp_packet->pkt.ttl, 33);
    ck_assert_uint_eq(h.tcp_packet->pkt.tos, 8);
    ck_assert(!h.tcp_packet->pkt.csum_good);
    ck_assert_uint_eq(h.net->stats.ip_reasm_ok, 1);
    ck_assert_uint_eq(h.net->stats.ip_frag_in, 3);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

/* In every order of five pieces, with one of them twice. */
START_TEST(test_every_order)
{
    start();
    for (unsigned perm = 0; perm < 120; perm++) {
        unsigned left[] = {0, 1, 2, 3, 4}, n = 5, p = perm;

        while (n > 0) {
            unsigned pick = p % n, i = left[pick];

            p /= n;
            piece((uint16_t)perm, i * 800, i == 4 ? 5 : 800, i != 4);
            if (n == 3)
                piece((uint16_t)perm, i * 800, i == 4 ? 5 : 800, i != 4);
            memmove(left + pick, left + pick + 1, (4 - pick) * sizeof(left[0]));
            n--;
        }
        expect_whole(3205);
    }
    host_end(&h);
}
END_TEST

START_TEST(test_interleaved)
{
    start();
    for (uint16_t id = 0; id < 100; id++)
        piece(id, 800, 100, false);
    ck_assert_uint_eq(h.tcp_packets, 0);
    for (uint16_t id = 0; id < 100; id++) {
        piece(id, 0, 800, true);
        expect_whole(900);
    }
    host_end(&h);
}
END_TEST

/* Same identification, but another source, destination or protocol: another datagram. */
START_TEST(test_key)
{
    struct in_ip ip = {.proto = 6, .id = 1, .mf = true};

    start();
    host_add_addr(&h, h.nif, US + 0x50, 24);
    host_input_ip(&h, &ip, whole, 800);
    ip = (struct in_ip){.proto = 6, .id = 1, .frag_offset = 800, .src = FAR};
    host_input_ip(&h, &ip, whole + 800, 8);
    ip = (struct in_ip){.proto = 6, .id = 1, .frag_offset = 800, .dst = US + 0x50};
    host_input_ip(&h, &ip, whole + 800, 8);
    ip = (struct in_ip){.proto = 17, .id = 1, .frag_offset = 800};
    host_input_ip(&h, &ip, whole + 800, 8);
    ip = (struct in_ip){.proto = 6, .id = 2, .frag_offset = 800};
    host_input_ip(&h, &ip, whole + 800, 8);
    ck_assert_uint_eq(h.tcp_packets, 0);
    piece(1, 800, 8, false);
    expect_whole(808);
    host_end(&h);
}
END_TEST

START_TEST(test_largest)
{
    const size_t total = 65535 - 20;

    start();
    for (size_t at = 0; at < total; at += 1480)
        piece(1, at, total - at < 1480 ? total - at : 1480, at + 1480 < total);
    expect_whole(total);
    /* As a link with the least MTU cuts it, backwards. */
    for (size_t at = (total - 1) / 48 * 48; at > 0; at -= 48)
        piece(2, at, total - at < 48 ? total - at : 48, at + 48 < total);
    piece(2, 0, 48, true);
    expect_whole(total);
    host_end(&h);
}
END_TEST

/* A header with options in front leaves less room: too large in all is dropped. */
START_TEST(test_too_large)
{
    struct in_ip ip = {
        .proto = 6, .id = 1, .mf = true, .options = {1, 1, 1, 1}, .options_bytes = 4};

    start();
    host_input_ip(&h, &ip, whole, 48000);
    piece(1, 48000, 65515 - 48000, false);
    ck_assert_uint_eq(h.tcp_packets, 0);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 1);
    /* A fragment that ends beyond 65535. */
    ip = (struct in_ip){.proto = 6, .id = 2, .frag_offset = 65528};
    host_input_ip(&h, &ip, whole, 100);
    ck_assert_uint_eq(h.net->stats.ip_in_bad, 1);
    ck_assert_uint_eq(h.net->timers.count, 0);
    host_end(&h);
}
END_TEST

START_TEST(test_malformed)
{
    start();
    piece(1, 0, 0, true);
    piece(1, 800, 0, false);
    piece(1, 0, 801, true);
    piece(1, 0, 7, true);
    ck_assert_uint_eq(h.net->stats.ip_in_bad, 4);
    ck_assert_uint_eq(h.net->timers.count, 0);
    host_end(&h);
}
END_TEST

/* RFC 5722 4: whatever overlaps spoils the datagram, and what comes later does not mend it. */
START_TEST(test_overlap)
{
    static const struct {
        uint16_t at, len;
        bool more;
    } t[] = {
        {0, 808, true},    {792, 800, true}, {800, 808, true}, {800, 792, true},
        {1592, 800, true}, {8, 8, true},     {0, 2400, true},  {808, 8, true},
        {800, 800, false}, {1600, 8, false}, {2400, 8, true},  {3208, 8, true},
    };

    start();
    for (uint16_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        size_t used;

        piece(i, 0, 800, true);
        piece(i, 800, 800, true);
        piece(i, 2400, 800, false);
        used = host_used(&h);
        piece(i, t[i].at, t[i].len, t[i].more);
        ck_assert_uint_eq(h.net->stats.ip_reasm_fail, i + 1u);
        ck_assert_uint_lt(host_used(&h), used); /* given back at once */
        piece(i, 1600, 800, true);
        piece(i, 0, 800, true);
        piece(i, 800, 800, true);
        piece(i, 1600, 800, true);
        piece(i, 2400, 800, false);
        ck_assert_msg(h.tcp_packets == 0, "line %u", i);
    }
    host_pass(&h, 30 * SECOND);
    host_expect_nothing(&h);
    /* Now the identification is free again. */
    piece(0, 0, 800, true);
    piece(0, 800, 8, false);
    expect_whole(808);
    host_end(&h);
}
END_TEST

/* A copy with other content is no copy. */
START_TEST(test_false_duplicate)
{
    start();
    piece(1, 0, 800, true);
    whole[5] ^= 1;
    piece(1, 0, 800, true);
    piece(1, 800, 8, false);
    ck_assert_uint_eq(h.tcp_packets, 0);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 1);
    host_end(&h);
}
END_TEST

/* The end that was announced binds, whatever comes first. */
START_TEST(test_end_disagrees)
{
    start();
    piece(1, 1600, 8, true);
    piece(1, 800, 8, false); /* ends before what is there */
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 1);
    piece(2, 800, 8, false);
    piece(2, 1600, 8, false);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 2);
    piece(3, 800, 8, false);
    piece(3, 808, 8, true);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 3);
    host_end(&h);
}
END_TEST

START_TEST(test_timeout)
{
    struct sent *s;
    size_t before;
    uint8_t quote[28];

    start();
    host_know(&h, PEER, &peer_mac);
    before = host_used(&h);
    piece(0x1234, 0, 800, true);
    piece(0x1234, 1600, 800, false);
    host_pass(&h, 15 * SECOND);
    piece(0x1234, 2400, 8, false); /* another end */
    host_pass(&h, 15 * SECOND);
    host_expect_nothing(&h); /* spoilt: no report */
    piece(0x1234, 0, 800, true);
    host_pass(&h, 20 * SECOND);
    piece(0x1234, 1600, 800, false);
    host_know(&h, PEER, &peer_mac);
    host_pass(&h, 10 * SECOND - 1);
    host_expect_nothing(&h);
    host_pass(&h, 1); /* 30 s from the first fragment, not from the last */
    s = host_take_ip(&h, 1);
    ck_assert_uint_eq(s->l4[0], ICMP_TIME_EXCEEDED);
    ck_assert_uint_eq(s->l4[1], 1);
    ck_assert_uint_eq(s->ip.dst, PEER);
    ck_assert_uint_eq(s->ip.src, US);
    ck_assert_uint_eq(slow_checksum(0, 0, 0, s->l4, s->l4_len), 0);
    ck_assert_uint_eq(s->l4_len, 8 + 28);
    memcpy(quote, s->l4 + 8, 28);
    ck_assert_uint_eq(get_be16(quote + 4), 0x1234);
    ck_assert_uint_eq(slow_checksum(0, 0, 0, quote, 20), 0); /* as it came */
    ck_assert_mem_eq(quote + 20, whole, 8);
    free(s);
    host_pass(&h, 100 * SECOND);
    host_expect_nothing(&h);
    ck_assert_uint_le(host_used(&h), before);
    host_end(&h);
}
END_TEST

/* RFC 1122 3.3.2: without the first fragment the sender cannot make sense of a report. */
START_TEST(test_timeout_silent)
{
    start();
    host_know(&h, PEER, &peer_mac);
    piece(1, 800, 800, true);
    host_pass(&h, 31 * SECOND);
    host_expect_nothing(&h);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 1);
    host_end(&h);
    host_start_borrowed(&h);
    host_know(&h, PEER, &peer_mac);
    piece(1, 0, 800, true);
    host_pass(&h, 31 * SECOND);
    host_expect_nothing(&h); /* the kernel reports it */
    host_end(&h);
}
END_TEST

/* RFC 1122 3.2.2: of an ICMP error in pieces nothing is reported, of a question it is. */
START_TEST(test_timeout_of_icmp)
{
    struct in_ip ip = {.proto = 1, .id = 1, .mf = true};

    start();
    for (int i = 0; i < 2; i++) {
        host_know(&h, PEER, &peer_mac);
        whole[0] = i ? ICMP_ECHO_REQUEST : ICMP_UNREACHABLE;
        host_input_ip(&h, &ip, whole, 800);
        host_pass(&h, 31 * SECOND);
        ck_assert_uint_eq(h.sent_count, i);
    }
    host_end(&h);
}
END_TEST

/* A flood of first fragments: memory is bounded, the newest survive. */
START_TEST(test_memory_bounded)
{
    size_t before, most = 0;

    start();
    before = host_used(&h);
    for (uint32_t i = 0; i < 20000; i++) {
        struct in_ip ip = {.proto = 6, .id = 1, .mf = true, .src = 0x0a000000 + i};

        host_input_ip(&h, &ip, whole, 1480);
        if (host_used(&h) > most)
            most = host_used(&h);
    }
    ck_assert_uint_le(most - before, 12u << 20);
    ck_assert_uint_ge(h.net->stats.ip_reasm_fail, 10000);
    for (uint32_t i = 19000; i < 20000; i++) {
        struct in_ip ip = {.proto = 6, .id = 1, .frag_offset = 1480, .src = 0x0a000000 + i};

        h.tcp_packets = 0;
        host_input_ip(&h, &ip, whole + 1480, 100);
        expect_whole(1580);
    }
    host_pass(&h, 31 * SECOND);
    ck_assert_uint_le(host_used(&h), before + 65536); /* but for neighbours */
    host_end(&h);
}
END_TEST

/* The first fragments of other datagrams, n of them or until one is given up; how many. */
static uint32_t fill(uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n && h.net->stats.ip_reasm_fail == 0; i++) {
        struct in_ip ip = {.proto = 6, .id = 1, .mf = true, .src = 0x0a000000 + i};

        host_input_ip(&h, &ip, whole, 1480);
    }
    return i;
}

/* The oldest datagram, growing while memory is full, does not displace itself. */
START_TEST(test_oldest_grows)
{
    uint32_t full;

    start();
    piece(1, 0, 800, true);
    full = fill(10000);
    ck_assert_uint_lt(full, 10000);
    piece(1, 800, 8, false); /* the oldest was given up */
    ck_assert_uint_eq(h.tcp_packets, 0);
    host_end(&h);
    start();
    piece(1, 0, 800, true);
    ck_assert_uint_eq(fill(full - 1), full - 1);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 0);
    piece(1, 800, 1480, true);
    piece(1, 2280, 1480, true);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 1);
    piece(1, 3760, 8, false);
    expect_whole(3768);
    host_end(&h);
}
END_TEST

/* One datagram in very many pieces is bounded as well. */
START_TEST(test_many_pieces)
{
    start();
    for (size_t at = 8; at < 65000; at += 16)
        piece(1, at, 8, true);
    ck_assert_uint_eq(h.net->stats.ip_reasm_fail, 1);
    host_end(&h);
}
END_TEST

/* RFC 3168 5.3 */
START_TEST(test_ecn)
{
    static const struct {
        uint8_t first, second;
        int want; /* -1: dropped */
    } t[] = {
        {0, 0, 0}, {1, 1, 1}, {2, 2, 2},  {3, 3, 3},  {2, 3, 3},  {3, 2, 3},  {1, 3, 3},
        {3, 1, 3}, {2, 1, 2}, {0, 3, -1}, {3, 0, -1}, {0, 2, -1}, {1, 0, -1},
    };

    start();
    for (uint16_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct in_ip ip = {.proto = 6, .id = i, .mf = true, .tos = 0x20 | t[i].first};

        h.tcp_packets = 0;
        host_input_ip(&h, &ip, whole, 800);
        ip = (struct in_ip){.proto = 6, .id = i, .frag_offset = 800, .tos = 0x40 | t[i].second};
        host_input_ip(&h, &ip, whole + 800, 8);
        ck_assert_msg(h.tcp_packets == (t[i].want >= 0), "line %u", i);
        if (t[i].want >= 0)
            ck_assert_int_eq(h.tcp_packet->pkt.tos, 0x20 | t[i].want);
    }
    host_end(&h);
}
END_TEST

/* The first fragment's options are the datagram's. */
START_TEST(test_options)
{
    struct in_ip ip = {
        .proto = 132, .id = 1, .mf = true, .options = {1, 1, 1, 0}, .options_bytes = 4};
    struct sent *s;

    start();
    host_know(&h, PEER, &peer_mac);
    host_input_ip(&h, &(struct in_ip){.proto = 132, .id = 1, .frag_offset = 800}, whole + 800, 8);
    host_input_ip(&h, &ip, whole, 800);
    s = host_take_ip(&h, 1); /* protocol unreachable, quoting it */
    ck_assert_uint_eq(s->l4[8], 0x46);
    ck_assert_mem_eq(s->l4 + 8 + 24, whole, 100);
    free(s);
    host_end(&h);
}
END_TEST

START_TEST(test_interface_removed)
{
    start();
    piece(1, 0, 800, true);
    netif_remove(h.net, h.nif);
    ck_assert_uint_eq(h.net->timers.count, 0);
    host_end(&h);
}
END_TEST

/* Whichever allocation fails: the datagram is lost or whole, never wrong, and nothing leaks. */
START_TEST(test_no_memory)
{
    start();
    for (uint64_t n = 1; n < 12; n++) {
        size_t before = host_used(&h);

        arena_fail_at(h.arena, n);
        for (size_t i = 0; i < 4; i++)
            piece((uint16_t)n, i * 800, 800, i != 3);
        if (h.tcp_packets)
            expect_whole(3200);
        arena_fail_at(h.arena, 0);
        host_pass(&h, 31 * SECOND);
        host_forget_sent(&h);
        host_pass(&h, 200 * SECOND);
        host_forget_sent(&h);
        ck_assert_uint_eq(host_used(&h), before);
    }
    host_end(&h);
}
END_TEST

TCase *test_net_reassembly(void)
{
    TCase *tc = tcase_create("reassembly");

    tcase_add_test(tc, test_in_order);
    tcase_add_test(tc, test_every_order);
    tcase_add_test(tc, test_interleaved);
    tcase_add_test(tc, test_key);
    tcase_add_test(tc, test_largest);
    tcase_add_test(tc, test_too_large);
    tcase_add_test(tc, test_malformed);
    tcase_add_test(tc, test_overlap);
    tcase_add_test(tc, test_false_duplicate);
    tcase_add_test(tc, test_end_disagrees);
    tcase_add_test(tc, test_timeout);
    tcase_add_test(tc, test_timeout_silent);
    tcase_add_test(tc, test_timeout_of_icmp);
    tcase_add_test(tc, test_memory_bounded);
    tcase_add_test(tc, test_oldest_grows);
    tcase_add_test(tc, test_many_pieces);
    tcase_add_test(tc, test_ecn);
    tcase_add_test(tc, test_options);
    tcase_add_test(tc, test_interface_removed);
    tcase_add_test(tc, test_no_memory);
    return tc;
}
