/* Unit tests of the neighbour cache and of ARP. */
#include "test_net.h"

#include <errno.h>
#include <stdlib.h>

static struct host h;

/* A packet to dst of len bytes whose first ones are ports; its answer. */
static int send_numbered(uint32_t dst, uint8_t number, size_t len)
{
    static uint8_t p[65000];

    memset(p, number, len);
    return host_ip_send(&h, dst, 6, p, len, false);
}

static unsigned count_sent(uint16_t ethtype)
{
    unsigned n = 0;

    for (const struct sent *s = h.first; s; s = s->next)
        n += s->eth.type == ethtype;
    return n;
}

static void expect_request(uint32_t target, const struct mac *dst)
{
    struct sent *s = host_take_arp(&h, ARP_REQUEST);

    ck_assert(mac_eq(&s->eth.dst, dst));
    ck_assert(mac_eq(&s->arp.sha, &our_mac));
    ck_assert_uint_eq(s->arp.spa, US);
    ck_assert_uint_eq(s->arp.tpa, target);
    free(s);
}

static void expect_packet(uint8_t number, const struct mac *dst)
{
    struct sent *s = host_take_ip(&h, 6);

    ck_assert(mac_eq(&s->eth.dst, dst));
    ck_assert_uint_eq(s->l4[0], number);
    free(s);
}

START_TEST(test_resolve)
{
    host_start_ready(&h);
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_request(PEER, &broadcast_mac);
    ck_assert_int_eq(send_numbered(PEER, 2, 1000), 0);
    host_expect_nothing(&h);
    host_input_arp_reply(&h, PEER, &peer_mac);
    expect_packet(1, &peer_mac);
    expect_packet(2, &peer_mac);
    ck_assert_int_eq(send_numbered(PEER, 3, 20), 0);
    expect_packet(3, &peer_mac);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

START_TEST(test_resolve_gateway)
{
    host_start_ready(&h);
    ck_assert_int_eq(send_numbered(FAR, 1, 20), 0);
    expect_request(ROUTER, &broadcast_mac);
    host_input_arp_reply(&h, ROUTER, &other_mac);
    expect_packet(1, &other_mac);
    host_end(&h);
}
END_TEST

/* RFC 1122 2.4 */
START_TEST(test_no_answer)
{
    uint8_t p[100] = {0x12, 0x34, 0x56, 0x78};

    host_start_ready(&h);
    ck_assert_int_eq(host_ip_send(&h, PEER, 6, p, sizeof(p), false), 0);
    ck_assert_int_eq(host_ip_send(&h, PEER, 6, p, sizeof(p), false), 0);
    h.net->stats.arp_requests_out = 0;
    for (int i = 0; i < 3; i++) {
        expect_request(PEER, &broadcast_mac);
        host_expect_nothing(&h);
        ck_assert_uint_eq(h.tcp_errors, 0);
        host_pass(&h, 1 * SECOND);
    }
    ck_assert_uint_eq(h.net->stats.arp_requests_out, 2);
    host_expect_nothing(&h);
    ck_assert_uint_eq(h.tcp_errors, 2);
    ck_assert_int_eq(h.tcp_error->e.err, EHOSTUNREACH);
    ck_assert(!h.tcp_error->e.hard);
    ck_assert_uint_eq(h.tcp_error->e.type, ICMP_UNREACHABLE);
    ck_assert_uint_eq(h.tcp_error->e.code, ICMP_UNREACH_HOST);
    ck_assert_uint_eq(addr_get_v4(&h.tcp_error->e.src), US);
    ck_assert_uint_eq(addr_get_v4(&h.tcp_error->e.dst), PEER);
    ck_assert_uint_eq(h.tcp_error->e.l4_len, sizeof(p));
    ck_assert_mem_eq(h.tcp_error->l4, p, sizeof(p));
    /* The next packet tries again. */
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_request(PEER, &broadcast_mac);
    host_input_arp_reply(&h, PEER, &peer_mac);
    expect_packet(1, &peer_mac);
    host_end(&h);
}
END_TEST

static void resend(struct host *host)
{
    ck_assert_int_eq(send_numbered(PEER, 9, 40), 0);
}

/* The transport sends again from within the report: that packet waits for the next round. */
START_TEST(test_resend_from_error)
{
    host_start_ready(&h);
    h.on_tcp_error = resend;
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    host_pass(&h, 3 * SECOND);
    ck_assert_uint_eq(h.tcp_errors, 1);
    host_pass(&h, 3 * SECOND);
    ck_assert_uint_eq(h.tcp_errors, 2);
    host_forget_sent(&h);
    host_input_arp_reply(&h, PEER, &peer_mac);
    expect_packet(9, &peer_mac);
    host_end(&h);
}
END_TEST

/* RFC 1122 2.3.2.1: at most one request a second to one destination, however much is sent. */
/* RFC 4861 10 */
START_TEST(test_request_rate)
{
    host_start_ready(&h);
    for (int i = 0; i < 600; i++) {
        send_numbered(PEER, 1, 20);
        host_pass(&h, SECOND / 10);
    }
    ck_assert_uint_le(count_sent(ETHTYPE_ARP), 61);
    ck_assert_uint_ge(count_sent(ETHTYPE_ARP), 55);
    host_end(&h);
}
END_TEST

/* The oldest waiting packets give way. */
START_TEST(test_queue_bounded)
{
    unsigned n;
    uint8_t first;

    host_start_ready(&h);
    for (unsigned i = 0; i < 250; i++)
        ck_assert_int_eq(send_numbered(PEER, (uint8_t)i, 1400), 0);
    host_forget_sent(&h);
    host_input_arp_reply(&h, PEER, &peer_mac);
    n = h.sent_count;
    ck_assert_uint_ge(n, 100);
    ck_assert_uint_le(n, 212992 / 1420);
    first = (uint8_t)(250 - n);
    for (unsigned i = 0; i < n; i++)
        expect_packet((uint8_t)(first + i), &peer_mac);
    host_end(&h);
}
END_TEST

/* Many neighbours that do not answer cannot take all memory. */
START_TEST(test_all_queues_bounded)
{
    size_t before;
    int err = 0;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, 0x0a000001, 8);
    before = host_used(&h);
    for (uint32_t i = 0; i < 10000 && err == 0; i++)
        err = send_numbered(0x0a000100 + i, 1, 1400);
    ck_assert_int_eq(err, -ENOBUFS);
    ck_assert_uint_le(host_used(&h) - before, 16u << 20);
    host_forget_sent(&h);
    host_pass(&h, 4 * SECOND);
    ck_assert_uint_ge(h.tcp_errors, 2000);
    host_pass(&h, 120 * SECOND);
    ck_assert_uint_le(host_used(&h), before + 65536); /* the hash table does not shrink */
    host_end(&h);
}
END_TEST

/* The bound is on what waits, not on what has waited. */
START_TEST(test_queues_empty_again)
{
    host_start_ready(&h);
    for (int i = 0; i < 40; i++) {
        for (int n = 0; n < 140; n++)
            ck_assert_int_eq(send_numbered(PEER, 1, 1400), 0);
        if (i % 2) {
            host_input_arp_reply(&h, PEER, &peer_mac);
            ck_assert_uint_ge(h.sent_count, 140);
            host_pass(&h, 200 * SECOND); /* forgotten */
        } else {
            host_pass(&h, 4 * SECOND); /* given up */
        }
        host_forget_sent(&h);
    }
    host_end(&h);
}
END_TEST

/* Asked with the address that the packet comes from. */
START_TEST(test_asking_address)
{
    struct ip_addr to = addr_v4(PEER), src = addr_v4(US + 0x50);
    struct ip_path path;
    const struct ip_tx tx = {.path = &path, .proto = 6, .ttl = 64};
    struct sent *s;

    host_start_ready(&h);
    host_add_addr(&h, h.nif, US + 0x50, 24);
    host_pass(&h, 5 * SECOND);
    host_forget_sent(&h);
    ck_assert_int_eq(path_lookup(h.net, &to, &src, NULL, &path), 0);
    for (int i = 0; i < 2; i++) {
        struct frame f;

        frame_init(&f);
        ck_assert_int_eq(ip_output(h.net, &tx, &f, 0), 0);
        if (i == 1) { /* stale by now: asked by unicast, after the delay */
            free(host_take_ip(&h, 6));
            host_pass(&h, 5 * SECOND);
        }
        s = host_take_arp(&h, ARP_REQUEST);
        ck_assert_uint_eq(s->arp.spa, US + 0x50);
        ck_assert(mac_eq(&s->eth.dst, i ? &peer_mac : &broadcast_mac));
        free(s);
        if (i == 0) {
            host_input_arp_reply(&h, PEER, &peer_mac);
            host_pass(&h, 46 * SECOND);
            host_forget_sent(&h);
            send_numbered(PEER, 1, 20); /* from the other one */
            host_forget_sent(&h);
        }
    }
    host_end(&h);
}
END_TEST

/* An interface without an address asks as a probe does (RFC 5227 1.1). */
START_TEST(test_asking_without_address)
{
    struct ip_addr to = addr_v4(PEER);
    struct sent *s;
    struct frame f;
    struct netif *bare;

    host_start_ready(&h);
    bare = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    frame_init(&f);
    memset(frame_push(&f, 20), 0, 20);
    ck_assert_int_eq(neighbour_output(h.net, bare, &to, &f), 0);
    s = host_take_arp(&h, ARP_REQUEST);
    ck_assert(s->nif == bare);
    ck_assert_uint_eq(s->arp.spa, 0);
    free(s);
    host_end(&h);
}
END_TEST

/* A super-frame with an unfinished checksum keeps what the link must know while it waits. */
START_TEST(test_waiting_super_frame)
{
    static uint8_t body[20000];
    struct ip_addr to = addr_v4(PEER), any = addr_any4();
    struct ip_path path;
    struct ip_tx tx = {.path = &path, .proto = 6, .ttl = 64, .df = true};
    struct frame f;
    struct sent *s;

    host_start_ready(&h);
    h.nif->gso_max_bytes = 60000;
    h.nif->csum_offload = true;
    fill_pattern(body, sizeof(body), 3);
    ck_assert_int_eq(path_lookup(h.net, &to, &any, NULL, &path), 0);
    frame_init(&f);
    frame_add(&f, body, 7000);
    frame_add(&f, body + 7000, 13000);
    memset(frame_push(&f, 32), 0xaa, 32);
    f.gso_size = 1448;
    ck_assert_int_eq(ip_output(h.net, &tx, &f, 16), 0);
    expect_request(PEER, &broadcast_mac);
    host_input_arp_reply(&h, PEER, &peer_mac);
    s = host_take_ip(&h, 6);
    ck_assert_uint_eq(s->gso_size, 1448);
    ck_assert_uint_eq(s->csum_start, 14 + 20);
    ck_assert_uint_eq(s->csum_offset, 16);
    ck_assert_uint_eq(s->l4_bytes, 32);
    ck_assert_uint_eq(s->l4_len, 32 + sizeof(body));
    ck_assert_mem_eq(s->l4 + 32, body, sizeof(body));
    free(s);
    host_end(&h);
}
END_TEST

/* Makes PEER reachable by an answer. */
static void make_reachable(void)
{
    ck_assert_int_eq(send_numbered(PEER, 0, 20), 0);
    host_input_arp_reply(&h, PEER, &peer_mac);
    host_forget_sent(&h);
}

/* Sends every second for so long; the number of requests seen. */
static unsigned send_for(unsigned seconds)
{
    unsigned n;

    host_forget_sent(&h);
    for (unsigned i = 0; i < seconds; i++) {
        send_numbered(PEER, 1, 20);
        host_pass(&h, SECOND);
    }
    n = count_sent(ETHTYPE_ARP);
    return n;
}

/* RFC 4861 6.3.2, 7.3.2 */
START_TEST(test_confirmed_by_unicast)
{
    host_start_ready(&h);
    make_reachable();
    ck_assert_uint_eq(send_for(15), 0);
    host_pass(&h, 31 * SECOND); /* at most 45 s in all: now stale */
    host_forget_sent(&h);
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_packet(1, &peer_mac);
    host_pass(&h, 5 * SECOND - 1);
    host_expect_nothing(&h);
    host_pass(&h, 1);
    expect_request(PEER, &peer_mac);
    ck_assert_int_eq(send_numbered(PEER, 2, 20), 0);
    expect_packet(2, &peer_mac);
    host_input_arp_reply(&h, PEER, &peer_mac);
    host_pass(&h, 10 * SECOND);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

START_TEST(test_dies_while_probed)
{
    host_start_ready(&h);
    make_reachable();
    host_pass(&h, 46 * SECOND);
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_packet(1, &peer_mac);
    host_pass(&h, 5 * SECOND);
    for (int i = 0; i < 3; i++) {
        expect_request(PEER, &peer_mac);
        host_pass(&h, SECOND);
    }
    host_expect_nothing(&h);
    /* From now on anybody is asked. */
    ck_assert_int_eq(send_numbered(PEER, 2, 20), 0);
    expect_request(PEER, &broadcast_mac);
    host_input_arp_reply(&h, PEER, &other_mac);
    expect_packet(2, &other_mac);
    host_end(&h);
}
END_TEST

/* RFC 4861 7.3.1 */
START_TEST(test_confirmed_by_transport)
{
    struct ip_addr peer = addr_v4(PEER), nobody = addr_v4(PEER + 1);

    host_start_ready(&h);
    neighbour_confirm(h.net, h.nif, &peer); /* not known: nothing */
    make_reachable();
    for (int i = 0; i < 30; i++) {
        ck_assert_uint_eq(send_for(10), 0);
        neighbour_confirm(h.net, h.nif, &peer);
    }
    ck_assert_int_eq(send_numbered(PEER + 1, 1, 20), 0);
    neighbour_confirm(h.net, h.nif, &nobody); /* not resolved: no reason to believe it */
    host_forget_sent(&h);
    ck_assert_int_eq(send_numbered(PEER + 1, 1, 20), 0);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* Without use an entry goes after a minute or so, and its memory with it. */
START_TEST(test_unused_is_forgotten)
{
    size_t before;

    host_start_ready(&h);
    before = host_used(&h);
    make_reachable();
    ck_assert_uint_gt(host_used(&h), before);
    host_pass(&h, 100 * SECOND);
    ck_assert_uint_eq(host_used(&h), before);
    ck_assert_int_eq(send_numbered(PEER, 0, 20), 0);
    expect_request(PEER, &broadcast_mac);
    host_end(&h);
}
END_TEST

START_TEST(test_request_answered_and_learnt)
{
    const struct arp ask = {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = US};
    struct sent *s;

    host_start_ready(&h);
    host_input_arp(&h, &broadcast_mac, &ask);
    s = host_take_arp(&h, ARP_REPLY);
    ck_assert(mac_eq(&s->eth.dst, &peer_mac));
    ck_assert(mac_eq(&s->arp.sha, &our_mac));
    ck_assert(mac_eq(&s->arp.tha, &peer_mac));
    ck_assert_uint_eq(s->arp.spa, US);
    ck_assert_uint_eq(s->arp.tpa, PEER);
    ck_assert_uint_eq(h.net->stats.arp_replies_out, 1);
    free(s);
    /* RFC 826: the asker is known now, but not confirmed. */
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_packet(1, &peer_mac);
    host_pass(&h, 5 * SECOND);
    expect_request(PEER, &peer_mac);
    host_end(&h);
}
END_TEST

/* RFC 5227 2.1.1: a probe for our address is answered, its sender has no address to learn. */
START_TEST(test_probe_answered)
{
    const struct arp ask = {.op = ARP_REQUEST, .sha = peer_mac, .spa = 0, .tpa = US};
    struct sent *s;
    size_t before;

    host_start_ready(&h);
    before = host_used(&h);
    host_input_arp(&h, &broadcast_mac, &ask);
    s = host_take_arp(&h, ARP_REPLY);
    ck_assert_uint_eq(s->arp.spa, US);
    ck_assert_uint_eq(s->arp.tpa, 0);
    free(s);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

/* Of what is not addressed to us nothing new is learnt: replies, requests to others, announcements.
 */
START_TEST(test_not_learnt)
{
    const struct arp said[] = {
        {.op = ARP_REPLY, .sha = peer_mac, .spa = PEER, .tha = our_mac, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = PEER + 1},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = PEER},
        {.op = ARP_REPLY, .sha = peer_mac, .spa = PEER, .tha = broadcast_mac, .tpa = PEER},
    };
    size_t before;

    host_start_ready(&h);
    before = host_used(&h);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        host_input_arp(&h, &our_mac, &said[i]);
    host_expect_nothing(&h);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

/* Who is known is updated by any ARP packet of his, but not twice in a second. */
START_TEST(test_gratuitous_update)
{
    const struct arp moved = {.op = ARP_REQUEST, .sha = other_mac, .spa = PEER, .tpa = PEER};

    host_start_ready(&h);
    make_reachable();
    host_input_arp(&h, &broadcast_mac, &moved);
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_packet(1, &peer_mac); /* too soon after the answer */
    host_pass(&h, SECOND);
    host_input_arp(&h, &broadcast_mac, &moved);
    ck_assert_int_eq(send_numbered(PEER, 2, 20), 0);
    expect_packet(2, &other_mac);
    host_pass(&h, 5 * SECOND);
    expect_request(PEER, &other_mac); /* a claim, not a proof */
    host_end(&h);
}
END_TEST

/* While we ask, a claim in a packet that is no answer is used, as Linux does, but is not proof. */
START_TEST(test_claim_ends_waiting)
{
    const struct arp claim = {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = PEER + 9};

    host_start_ready(&h);
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    host_forget_sent(&h);
    host_input_arp(&h, &broadcast_mac, &claim);
    expect_packet(1, &peer_mac);
    host_end(&h);
}
END_TEST

START_TEST(test_borrowed_is_silent)
{
    const struct arp ask[] = {
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = 0, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = US, .tpa = US},
        {.op = ARP_REPLY, .sha = peer_mac, .spa = US, .tpa = PEER},
    };
    size_t before;

    host_start_borrowed(&h);
    before = host_used(&h);
    for (size_t i = 0; i < sizeof(ask) / sizeof(ask[0]); i++)
        host_input_arp(&h, &broadcast_mac, &ask[i]);
    host_pass(&h, 100 * SECOND);
    host_expect_nothing(&h);
    ck_assert_uint_eq(host_used(&h), before);
    /* We ask with the borrowed address, and learn from the answer. */
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_request(PEER, &broadcast_mac);
    host_input_arp_reply(&h, PEER, &peer_mac);
    expect_packet(1, &peer_mac);
    host_end(&h);
}
END_TEST

/* The kernel's own ARP packets, which share our MAC, teach nothing. */
START_TEST(test_own_mac_ignored)
{
    const struct arp own[] = {
        {.op = ARP_REQUEST, .sha = our_mac, .spa = US, .tpa = PEER},
        {.op = ARP_REQUEST, .sha = our_mac, .spa = US, .tpa = US},
        {.op = ARP_REQUEST, .sha = our_mac, .spa = PEER, .tpa = US},
    };

    host_start_ready(&h);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        host_input_arp(&h, &broadcast_mac, &own[i]);
    host_expect_nothing(&h);
    ck_assert_uint_eq(h.net->stats.arp_conflicts, 0);
    host_end(&h);
}
END_TEST

/* A flood of requests fills a bounded table, and does not displace whom we talk to. */
START_TEST(test_table_bounded)
{
    size_t full;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, 0x0a000001, 8);
    host_forget_sent(&h);
    ck_assert_int_eq(send_numbered(0x0a000002, 0, 20), 0);
    host_know(&h, 0x0a000002, &peer_mac);
    host_forget_sent(&h);
    for (uint32_t i = 0; i < 30000; i++) {
        const struct arp ask = {
            .op = ARP_REQUEST, .sha = other_mac, .spa = 0x0a010000 + i, .tpa = 0x0a000001};

        host_input_arp(&h, &our_mac, &ask);
        free(host_take_arp(&h, ARP_REPLY));
        if (i == 9000)
            full = host_used(&h);
    }
    ck_assert_uint_le(host_used(&h), full);
    ck_assert_int_eq(send_numbered(0x0a000002, 5, 20), 0);
    expect_packet(5, &peer_mac);
    /* Of the others the last ones are known. */
    ck_assert_int_eq(send_numbered(0x0a010000 + 29999, 6, 20), 0);
    expect_packet(6, &other_mac);
    ck_assert_int_eq(send_numbered(0x0a010000 + 29999 - 8000, 7, 20), 0);
    expect_packet(7, &other_mac);
    ck_assert_int_eq(send_numbered(0x0a010000, 8, 20), 0);
    free(host_take_arp(&h, ARP_REQUEST));
    host_pass(&h, 200 * SECOND);
    host_end(&h);
}
END_TEST

/* A full table of neighbours that are being asked for makes room too. */
START_TEST(test_table_full_of_incomplete)
{
    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, 0x0a000001, 8);
    for (uint32_t i = 0; i < 9000; i++)
        ck_assert_int_eq(send_numbered(0x0a010000 + i, 1, 20), 0);
    host_forget_sent(&h);
    ck_assert_int_eq(send_numbered(0x0a000003, 1, 20), 0);
    free(host_take_arp(&h, ARP_REQUEST));
    host_pass(&h, 4 * SECOND);
    ck_assert_uint_eq(h.tcp_errors, 8192);
    host_end(&h);
}
END_TEST

/* Before an entry with waiting packets an older one without goes, even if it was used later. */
START_TEST(test_eviction_spares_waiting)
{
    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(&h, h.nif, 0x0a000001, 8);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_int_eq(send_numbered(0x0a010000 + i, 1, 20), 0);
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_int_eq(send_numbered(0x0a020000 + i, 1, 20), 0);
        host_know(&h, 0x0a020000 + i, &peer_mac);
    }
    for (uint32_t i = 0; i < 8192 - 5; i++)
        ck_assert_int_eq(send_numbered(0x0a030000 + i, 1, 20), 0);
    host_forget_sent(&h);
    host_pass(&h, 4 * SECOND);
    ck_assert_uint_eq(h.tcp_errors, 8192);
    host_end(&h);
}
END_TEST

START_TEST(test_hostile_arp)
{
    static const struct mac zero;
    const struct arp bad[] = {
        {.op = 0, .sha = peer_mac, .spa = PEER, .tpa = US},
        {.op = 3, .sha = peer_mac, .spa = PEER, .tpa = US},
        {.op = 9, .sha = peer_mac, .spa = PEER, .tpa = US},
        {.op = ARP_REQUEST, .sha = broadcast_mac, .spa = PEER, .tpa = US},
        {.op = ARP_REQUEST, .sha = {{1, 0, 0x5e, 0, 0, 1}}, .spa = PEER, .tpa = US},
        {.op = ARP_REQUEST, .sha = zero, .spa = PEER, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = LIMITED_BROADCAST, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = SUBNET_BROADCAST, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = GROUP, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = 0x7f000001, .tpa = US},
        {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = 0x7f000001},
        {.op = ARP_REPLY, .sha = peer_mac, .spa = 0, .tpa = US},
    };
    size_t before;

    host_start_ready(&h);
    before = host_used(&h);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        host_input_arp(&h, &broadcast_mac, &bad[i]);
    /* A group as sender does not even come so far. */
    ck_assert_uint_eq(h.net->stats.arp_in_bad + h.nif->stats.rx_bad, sizeof(bad) / sizeof(bad[0]));
    host_expect_nothing(&h);
    ck_assert_uint_eq(host_used(&h), before);
    host_end(&h);
}
END_TEST

START_TEST(test_truncated_arp)
{
    const struct arp ask = {.op = ARP_REQUEST, .sha = peer_mac, .spa = PEER, .tpa = US};
    const struct eth_hdr eth = {.dst = broadcast_mac, .src = peer_mac, .type = ETHTYPE_ARP};
    uint8_t p[42];

    host_start_ready(&h);
    eth_emit(&eth, p);
    arp_emit(&ask, p + 14);
    for (size_t len = 0; len < sizeof(p); len++)
        host_input(&h, h.nif, p, len, 0, 0);
    host_expect_nothing(&h);
    host_input(&h, h.nif, p, sizeof(p), 0, 0);
    free(host_take_arp(&h, ARP_REPLY));
    host_end(&h);
}
END_TEST

START_TEST(test_interface_down_forgets)
{
    host_start_ready(&h);
    make_reachable();
    ck_assert_int_eq(send_numbered(PEER + 1, 1, 20), 0);
    host_forget_sent(&h);
    netif_set_up(h.net, h.nif, false);
    host_pass(&h, 10 * SECOND);
    host_expect_nothing(&h);
    ck_assert_int_eq(send_numbered(PEER, 1, 20), -ENETDOWN);
    netif_set_up(h.net, h.nif, true);
    host_pass(&h, 10 * SECOND);
    host_forget_sent(&h); /* announcements */
    ck_assert_int_eq(send_numbered(PEER, 1, 20), 0);
    expect_request(PEER, &broadcast_mac);
    host_end(&h);
}
END_TEST

/* A packet that waits when its interface goes away is lost, with its memory. */
START_TEST(test_interface_removed)
{
    host_start_ready(&h);
    make_reachable();
    ck_assert_int_eq(send_numbered(PEER + 1, 1, 20), 0);
    netif_remove(h.net, h.nif);
    host_pass(&h, 10 * SECOND);
    ck_assert_uint_eq(h.tcp_errors, 0);
    host_end(&h);
}
END_TEST

TCase *test_net_neighbour(void)
{
    TCase *tc = tcase_create("neighbour");

    tcase_add_test(tc, test_resolve);
    tcase_add_test(tc, test_resolve_gateway);
    tcase_add_test(tc, test_no_answer);
    tcase_add_test(tc, test_resend_from_error);
    tcase_add_test(tc, test_request_rate);
    tcase_add_test(tc, test_queue_bounded);
    tcase_add_test(tc, test_all_queues_bounded);
    tcase_add_test(tc, test_queues_empty_again);
    tcase_add_test(tc, test_asking_address);
    tcase_add_test(tc, test_asking_without_address);
    tcase_add_test(tc, test_waiting_super_frame);
    tcase_add_test(tc, test_confirmed_by_unicast);
    tcase_add_test(tc, test_dies_while_probed);
    tcase_add_test(tc, test_confirmed_by_transport);
    tcase_add_test(tc, test_unused_is_forgotten);
    tcase_add_test(tc, test_request_answered_and_learnt);
    tcase_add_test(tc, test_probe_answered);
    tcase_add_test(tc, test_not_learnt);
    tcase_add_test(tc, test_gratuitous_update);
    tcase_add_test(tc, test_claim_ends_waiting);
    tcase_add_test(tc, test_borrowed_is_silent);
    tcase_add_test(tc, test_own_mac_ignored);
    tcase_add_test(tc, test_table_bounded);
    tcase_add_test(tc, test_table_full_of_incomplete);
    tcase_add_test(tc, test_eviction_spares_waiting);
    tcase_add_test(tc, test_hostile_arp);
    tcase_add_test(tc, test_truncated_arp);
    tcase_add_test(tc, test_interface_down_forgets);
    tcase_add_test(tc, test_interface_removed);
    return tc;
}
