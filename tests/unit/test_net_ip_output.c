/* Unit tests of IP output. */
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

/* Sends head (made up, with room for a checksum at csum_offset) and a body in pieces. */
static int output(uint32_t dst, uint8_t proto, size_t head, const uint8_t *body, size_t body_bytes,
                  size_t piece, struct ip_tx *tx, uint16_t gso_size, uint16_t csum_offset)
{
    struct ip_addr to = addr_v4(dst), any = addr_any4();
    struct ip_path path;
    struct frame f;
    int err = path_lookup(h.net, &to, &any, NULL, &path);

    if (err < 0)
        return err;
    tx->path = &path;
    tx->proto = proto;
    frame_init(&f);
    for (size_t at = 0; at < body_bytes; at += piece)
        frame_add(&f, body + at, body_bytes - at < piece ? body_bytes - at : piece);
    fill_pattern(frame_push(&f, head), head, 99);
    f.gso_size = gso_size;
    return ip_output(h.net, tx, &f, csum_offset);
}

/* The bytes that output() makes of head. */
static void expect_head(const uint8_t *p, size_t head, uint16_t csum_offset)
{
    uint8_t want[64];

    fill_pattern(want, head, 99);
    for (size_t i = 0; i < head; i++) {
        if (i != csum_offset && i != csum_offset + 1u)
            ck_assert_uint_eq(p[i], want[i]);
    }
}

START_TEST(test_header)
{
    struct ip_tx tx = {.ttl = 17, .tos = 0x2e, .df = true};
    struct sent *s;

    start();
    ck_assert_int_eq(output(PEER, 253, 20, (const uint8_t *)"abc", 3, 3, &tx, 0, 0), 0);
    s = host_take_ip(&h, 253);
    ck_assert(mac_eq(&s->eth.dst, &peer_mac));
    ck_assert_uint_eq(s->ip.src, US);
    ck_assert_uint_eq(s->ip.dst, PEER);
    ck_assert_uint_eq(s->ip.ttl, 17);
    ck_assert_uint_eq(s->ip.tos, 0x2e);
    ck_assert_uint_eq(s->ip.id, 0); /* RFC 6864 4.1: atomic */
    ck_assert(s->ip.df && !s->ip.mf);
    ck_assert_uint_eq(s->ip.frag_offset, 0);
    ck_assert_uint_eq(s->ip.hdr_bytes, 20);
    ck_assert_uint_eq(s->len, 14 + 20 + 23);
    ck_assert_mem_eq(s->l4 + 20, "abc", 3);
    ck_assert_uint_eq(s->csum_start, 0);
    ck_assert_uint_eq(s->csum_offset, 0);
    free(s);
    ck_assert_int_eq(output(FAR, 253, 20, NULL, 0, 1, &tx, 0, 0), 0);
    s = host_take_ip(&h, 253);
    ck_assert(mac_eq(&s->eth.dst, &other_mac));
    ck_assert_uint_eq(s->ip.dst, FAR);
    free(s);
    host_end(&h);
}
END_TEST

/* In software, over head and body in pieces of every size, odd ones too. */
START_TEST(test_checksum)
{
    static uint8_t body[1300];
    struct ip_tx tx = {.ttl = 64, .df = true};

    start();
    fill_pattern(body, sizeof(body), 5);
    for (size_t len = 0; len <= sizeof(body); len += 13) {
        size_t piece = len / 20 + 1;
        struct sent *s;

        ck_assert_int_eq(output(PEER, 6, 32, body, len, piece, &tx, 0, 16), 0);
        s = host_take_ip(&h, 6);
        ck_assert_uint_eq(s->l4_len, 32 + len);
        ck_assert_uint_eq(slow_checksum(US, PEER, 6, s->l4, s->l4_len), 0);
        ck_assert_uint_eq(s->csum_offset, 0);
        ck_assert_uint_eq(s->l4_bytes, 32);
        expect_head(s->l4, 32, 16);
        free(s);
    }
    host_end(&h);
}
END_TEST

/* RFC 768: a UDP checksum that comes out as 0 is sent as 0xffff; TCP's is sent as it is. */
START_TEST(test_checksum_zero)
{
    struct ip_tx tx = {.ttl = 64};
    uint8_t body[2];
    struct sent *s;
    uint16_t sum;

    start();
    for (int proto = 6; proto <= 17; proto += 11) {
        uint8_t l4[22];

        fill_pattern(l4, 20, 99);
        put_be16(l4 + 6, 0);
        put_be16(l4 + 20, 0);
        sum = slow_checksum(US, PEER, (uint8_t)proto, l4, sizeof(l4));
        put_be16(body, sum); /* makes the sum of all 0xffff */
        ck_assert_int_eq(output(PEER, (uint8_t)proto, 20, body, 2, 2, &tx, 0, 6), 0);
        s = host_take_ip(&h, (uint8_t)proto);
        ck_assert_uint_eq(get_be16(s->l4 + 6), proto == 17 ? 0xffff : 0);
        free(s);
    }
    host_end(&h);
}
END_TEST

START_TEST(test_checksum_offload)
{
    uint8_t body[100];
    struct ip_tx tx = {.ttl = 64, .df = true};
    struct sent *s;

    start();
    h.nif->csum_offload = true;
    fill_pattern(body, sizeof(body), 1);
    ck_assert_int_eq(output(PEER, 6, 20, body, sizeof(body), 40, &tx, 0, 16), 0);
    s = host_take_ip(&h, 6);
    ck_assert_uint_eq(s->csum_start, 14 + 20);
    ck_assert_uint_eq(s->csum_offset, 16);
    /* What the device does: sums from csum_start on, pseudo-header included already. */
    put_be16(s->data + 14 + 20 + 16, slow_checksum(0, 0, 0, s->l4, s->l4_len));
    ck_assert_uint_eq(slow_checksum(US, PEER, 6, s->l4, s->l4_len), 0);
    free(s);
    host_end(&h);
}
END_TEST

START_TEST(test_super_frame)
{
    static uint8_t body[60000];
    struct ip_tx tx = {.ttl = 64, .df = true};
    struct sent *s;

    start();
    h.nif->gso_max_bytes = 65000;
    fill_pattern(body, sizeof(body), 1);
    ck_assert_int_eq(output(PEER, 6, 32, body, sizeof(body), 4096, &tx, 1448, 16), 0);
    s = host_take_ip(&h, 6);
    ck_assert_uint_eq(s->gso_size, 1448);
    ck_assert_uint_eq(s->l4_bytes, 32);
    ck_assert_uint_eq(s->csum_offset, 16); /* the device does them all */
    ck_assert_uint_eq(s->ip.total_bytes, 20 + 32 + sizeof(body));
    ck_assert_mem_eq(s->l4 + 32, body, sizeof(body));
    free(s);
    /* A segment that does not fit the path. */
    ck_assert_int_eq(output(PEER, 6, 32, body, sizeof(body), 4096, &tx, 1449, 16), -EMSGSIZE);
    /* Larger than an IP packet can be. */
    {
        static uint8_t big[65500];

        ck_assert_int_eq(output(PEER, 6, 32, big, sizeof(big), 4096, &tx, 1448, 16), -EMSGSIZE);
    }
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

START_TEST(test_dont_fragment)
{
    static uint8_t body[1500];
    struct ip_tx tx = {.ttl = 64, .df = true};

    start();
    ck_assert_int_eq(output(PEER, 17, 8, body, 1472, 1472, &tx, 0, 6), 0);
    ck_assert_int_eq(output(PEER, 17, 8, body, 1473, 1473, &tx, 0, 6), -EMSGSIZE);
    ck_assert_uint_eq(h.sent_count, 1);
    host_end(&h);
}
END_TEST

/* Takes fragments until the last, checks their shape, and puts the payload together; its length. */
static size_t take_fragments(uint8_t *out, uint32_t mtu, unsigned *count)
{
    size_t at = 0;
    uint16_t id = 0;
    bool more = true;

    for (*count = 0; more; ++*count) {
        struct sent *s = host_take_ip(&h, 17);

        ck_assert_uint_eq(s->ip.frag_offset, at);
        ck_assert_uint_le(s->ip.total_bytes, mtu);
        ck_assert(!s->ip.df);
        if (*count == 0)
            id = s->ip.id;
        ck_assert_uint_eq(s->ip.id, id);
        more = s->ip.mf;
        if (more)
            ck_assert_uint_eq(s->l4_len % 8, 0);
        memcpy(out + at, s->l4, s->l4_len);
        at += s->l4_len;
        ck_assert_uint_eq(s->csum_offset, 0);
        free(s);
    }
    return at;
}

/* RFC 791 2.3, 3.2 */
START_TEST(test_fragment)
{
    static const size_t mtus[] = {68, 576, 1500, 1503, 9000};
    static const size_t lens[] = {49, 1473, 1500, 2952, 2953, 20000, 65507};
    static uint8_t body[65507], got[65536];
    struct ip_tx tx = {.ttl = 64};

    start();
    fill_pattern(body, sizeof(body), 7);
    for (size_t m = 0; m < sizeof(mtus) / sizeof(mtus[0]); m++) {
        ck_assert_int_eq(netif_set_mtu(h.net, h.nif, (uint32_t)mtus[m]), 0);
        h.nif->csum_offload = m % 2; /* fragments are always finished here */
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            size_t len = lens[i];
            unsigned count;

            if (len + 28 <= mtus[m])
                continue;
            ck_assert_int_eq(output(PEER, 17, 8, body, len, len / 23 + 1, &tx, 0, 6), 0);
            ck_assert_uint_eq(take_fragments(got, (uint32_t)mtus[m], &count), len + 8);
            ck_assert_uint_eq(count,
                              (len + 8 + (mtus[m] - 20) / 8 * 8 - 1) / ((mtus[m] - 20) / 8 * 8));
            ck_assert_mem_eq(got + 8, body, len);
            ck_assert_uint_eq(slow_checksum(US, PEER, 17, got, len + 8), 0);
            host_expect_nothing(&h);
        }
    }
    ck_assert_int_eq(output(PEER, 17, 8, body, 65507, 65507, &tx, 0, 6), 0);
    host_end(&h);
}
END_TEST

/* A long transport header is cut like anything else. */
START_TEST(test_fragment_cuts_head)
{
    static uint8_t body[10], got[200];
    struct ip_tx tx = {.ttl = 64};
    unsigned count;

    start();
    ck_assert_int_eq(netif_set_mtu(h.net, h.nif, 68), 0);
    ck_assert_int_eq(output(PEER, 17, 60, body, sizeof(body), 3, &tx, 0, 6), 0);
    ck_assert_uint_eq(take_fragments(got, 68, &count), 70);
    ck_assert_uint_eq(count, 2);
    expect_head(got, 60, 6);
    host_end(&h);
}
END_TEST

/* On an interface that does not carry TCP's least segments, DF would stop them for ever. */
START_TEST(test_fragment_instead_of_df)
{
    static uint8_t body[48], got[200];
    struct ip_tx tx = {.ttl = 64, .df = true};
    unsigned count;

    start();
    ck_assert_int_eq(netif_set_mtu(h.net, h.nif, PATH_MTU_WHOLE), 0);
    ck_assert_int_eq(output(PEER, 17, 20, body, 48, 48, &tx, 0, 6), 0);
    struct sent *s = host_take_ip(&h, 17);
    ck_assert(s->ip.df && !s->ip.mf);
    free(s);
    ck_assert_int_eq(output(PEER, 17, 21, body, 48, 48, &tx, 0, 6), -EMSGSIZE);
    ck_assert_int_eq(netif_set_mtu(h.net, h.nif, PATH_MTU_WHOLE - 1), 0);
    ck_assert_int_eq(output(PEER, 17, 20, body, 48, 48, &tx, 0, 6), 0);
    ck_assert_uint_eq(take_fragments(got, PATH_MTU_WHOLE - 1, &count), 68);
    ck_assert_uint_eq(count, 2);
    host_end(&h);
}
END_TEST

START_TEST(test_fragment_stops_at_error)
{
    static uint8_t body[10000];
    struct ip_tx tx = {.ttl = 64};

    start();
    h.link_error = -ENOBUFS;
    ck_assert_int_eq(output(PEER, 17, 8, body, sizeof(body), 1000, &tx, 0, 6), -ENOBUFS);
    ck_assert_uint_eq(h.nif->stats.tx_busy, 1);
    host_end(&h);
}
END_TEST

START_TEST(test_interface_mtu)
{
    static uint8_t body[1472];
    struct ip_addr far = addr_v4(FAR);
    struct ip_tx tx = {.ttl = 64, .df = true};

    start();
    ck_assert_uint_eq(path_set_mtu(h.net, &far, 1000, 1500), 1000);
    ck_assert_int_eq(output(FAR, 17, 8, body, sizeof(body), 1000, &tx, 0, 6), -EMSGSIZE);
    tx.if_mtu = true;
    ck_assert_int_eq(output(FAR, 17, 8, body, sizeof(body), 1000, &tx, 0, 6), 0);
    host_end(&h);
}
END_TEST

/* RFC 6864 4.2: the IDs of one flow do not come again soon; other flows' are no guide to them. */
START_TEST(test_identification)
{
    static uint8_t seen[65536];
    struct ip_tx tx = {.ttl = 64};
    uint16_t last = 0;
    unsigned consecutive = 0;

    start();
    for (unsigned i = 0; i < 20000; i++) {
        struct sent *s;

        ck_assert_int_eq(output(PEER, 17, 8, NULL, 0, 1, &tx, 0, 6), 0);
        s = host_take_ip(&h, 17);
        ck_assert_uint_eq(seen[s->ip.id]++, 0);
        free(s);
    }
    for (uint32_t i = 0; i < 100; i++) {
        struct sent *s;

        ck_assert_int_eq(output(FAR + i, 17, 8, NULL, 0, 1, &tx, 0, 6), 0);
        s = host_take_ip(&h, 17);
        consecutive += (uint16_t)(s->ip.id - last) == 1;
        last = s->ip.id;
        free(s);
    }
    ck_assert_uint_le(consecutive, 3);
    host_end(&h);
}
END_TEST

/* RFC 1112 6.4 */
START_TEST(test_groups)
{
    static const struct {
        uint32_t dst;
        struct mac mac;
    } t[] = {
        {LIMITED_BROADCAST, {{255, 255, 255, 255, 255, 255}}},
        {SUBNET_BROADCAST, {{255, 255, 255, 255, 255, 255}}},
        {0xe0000001, {{1, 0, 0x5e, 0, 0, 1}}},
        {0xefffffff, {{1, 0, 0x5e, 0x7f, 0xff, 0xff}}},
        {0xe0810203, {{1, 0, 0x5e, 1, 2, 3}}},
    };
    struct ip_tx tx = {.ttl = 64};

    start();
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct sent *s;

        ck_assert_int_eq(output(t[i].dst, 17, 8, NULL, 0, 1, &tx, 0, 6), 0);
        s = host_take_ip(&h, 17);
        ck_assert(mac_eq(&s->eth.dst, &t[i].mac));
        ck_assert_uint_eq(s->ip.dst, t[i].dst);
        free(s);
    }
    host_end(&h);
}
END_TEST

START_TEST(test_bare_ip)
{
    struct ip_tx tx = {.ttl = 64};
    struct sent *s;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_IP, 1400);
    host_add_addr(&h, h.nif, US, 24);
    h.nif->csum_offload = true;
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t dst[] = {PEER, SUBNET_BROADCAST, GROUP};
        struct netif *bound = h.nif;
        struct ip_addr to = addr_v4(dst[i]), any = addr_any4();
        struct ip_path path;
        struct frame f;

        ck_assert_int_eq(path_lookup(h.net, &to, &any, bound, &path), 0);
        tx.path = &path;
        tx.proto = 17;
        frame_init(&f);
        memset(frame_push(&f, 8), 0, 8);
        ck_assert_int_eq(ip_output(h.net, &tx, &f, 6), 0);
        s = host_take_ip(&h, 17);
        ck_assert_uint_eq(s->len, 28);
        ck_assert_uint_eq(s->csum_start, 20);
        ck_assert_uint_eq(s->csum_offset, 6);
        free(s);
    }
    host_end(&h);
}
END_TEST

START_TEST(test_route_gone)
{
    struct ip_addr far = addr_v4(FAR), any = addr_any4();
    struct ip_path path;
    const struct ip_tx tx = {.path = &path, .proto = 6, .ttl = 64};
    struct frame f;

    start();
    ck_assert_int_eq(path_lookup(h.net, &far, &any, NULL, &path), 0);
    netif_remove(h.net, h.nif);
    frame_init(&f);
    ck_assert_int_eq(ip_output(h.net, &tx, &f, 0), -EADDRNOTAVAIL);
    ck_assert_uint_eq(h.net->stats.ip_out_no_route, 1);
    host_end(&h);
}
END_TEST

TCase *test_net_ip_output(void)
{
    TCase *tc = tcase_create("ip_output");

    tcase_add_test(tc, test_header);
    tcase_add_test(tc, test_checksum);
    tcase_add_test(tc, test_checksum_zero);
    tcase_add_test(tc, test_checksum_offload);
    tcase_add_test(tc, test_super_frame);
    tcase_add_test(tc, test_dont_fragment);
    tcase_add_test(tc, test_fragment);
    tcase_add_test(tc, test_fragment_cuts_head);
    tcase_add_test(tc, test_fragment_stops_at_error);
    tcase_add_test(tc, test_fragment_instead_of_df);
    tcase_add_test(tc, test_interface_mtu);
    tcase_add_test(tc, test_identification);
    tcase_add_test(tc, test_groups);
    tcase_add_test(tc, test_bare_ip);
    tcase_add_test(tc, test_route_gone);
    return tc;
}
