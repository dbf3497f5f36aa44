/* Unit tests of IP input. */
#include "test_net.h"

#include <stdlib.h>

static struct host h;

START_TEST(test_tcp_goes_up)
{
    host_start_ready(&h);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .ttl = 7, .tos = 9, .id = 3}, "0123456789", 10);
    ck_assert_uint_eq(h.tcp_packets, 1);
    ck_assert_uint_eq(h.tcp_packet->pkt.len, 10);
    ck_assert_mem_eq(h.tcp_packet->payload, "0123456789", 10);
    ck_assert(h.tcp_packet->pkt.nif == h.nif);
    ck_assert(h.tcp_packet->pkt.to != NULL);
    ck_assert_uint_eq(addr_get_v4(&h.tcp_packet->pkt.src), PEER);
    ck_assert_uint_eq(addr_get_v4(&h.tcp_packet->pkt.dst), US);
    ck_assert_uint_eq(h.tcp_packet->pkt.proto, 6);
    ck_assert_uint_eq(h.tcp_packet->pkt.ttl, 7);
    ck_assert_uint_eq(h.tcp_packet->pkt.tos, 9);
    ck_assert(!h.tcp_packet->pkt.broadcast && !h.tcp_packet->pkt.multicast);
    ck_assert(!h.tcp_packet->pkt.csum_good);
    ck_assert_uint_eq(h.tcp_packet->pkt.ip_hdr_bytes, 30);
    ck_assert_uint_eq(h.nif->stats.rx_frames, 1);
    ck_assert_uint_eq(h.nif->stats.rx_bytes, 44);
    host_end(&h);
}
END_TEST

/* What the link knows of the checksum and of super-frames goes up with the packet. */
START_TEST(test_link_knowledge)
{
    static uint8_t big[60000];
    struct in_ip ip = {.proto = 6, .flags = FRAME_CSUM_GOOD, .gso_size = 1448};

    host_start_ready(&h);
    host_input_ip(&h, &ip, big, sizeof(big));
    ck_assert(h.tcp_packet->pkt.csum_good);
    ck_assert_uint_eq(h.tcp_packet->pkt.gso_size, 1448);
    ck_assert_uint_eq(h.tcp_packet->pkt.len, sizeof(big));
    ip.flags = FRAME_CSUM_UNFINISHED;
    host_input_ip(&h, &ip, big, 100);
    ck_assert(h.tcp_packet->pkt.csum_good);
    ip.flags = 0;
    host_input_ip(&h, &ip, big, 100);
    ck_assert(!h.tcp_packet->pkt.csum_good);
    host_end(&h);
}
END_TEST

START_TEST(test_truncated)
{
    struct in_ip ip = {.proto = 6, .options = {1, 1, 1, 0}, .options_bytes = 4};
    const struct eth_hdr eth = {.dst = our_mac, .src = peer_mac, .type = ETHTYPE_IPV4};
    uint8_t p[100];
    size_t len;

    host_start_ready(&h);
    eth_emit(&eth, p);
    len = 14 + build_ip(&ip, "01234567890123456789", 20, p + 14);
    for (size_t i = 0; i < len; i++)
        host_input(&h, h.nif, p, i, 0, 0);
    ck_assert_uint_eq(h.tcp_packets, 0);
    ck_assert_uint_eq(h.nif->stats.rx_bad, len);
    host_input(&h, h.nif, p, len, 0, 0);
    ck_assert_uint_eq(h.tcp_packets, 1);
    memset(p + len, 0xee, sizeof(p) - len); /* padding is not payload */
    host_input(&h, h.nif, p, sizeof(p), 0, 0);
    ck_assert_uint_eq(h.tcp_packets, 2);
    ck_assert_uint_eq(h.tcp_packet->pkt.len, 20);
    host_end(&h);
}
END_TEST

/* Every bit of the header is covered by its checksum. */
START_TEST(test_header_corrupted)
{
    struct in_ip ip = {.proto = 6};
    uint8_t p[60];
    const struct eth_hdr eth = {.dst = our_mac, .src = peer_mac, .type = ETHTYPE_IPV4};
    size_t len;

    host_start_ready(&h);
    eth_emit(&eth, p);
    len = 14 + build_ip(&ip, "0123456789", 10, p + 14);
    for (size_t bit = 0; bit < 160; bit++) {
        p[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        host_input(&h, h.nif, p, len, 0, 0);
        p[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_eq(h.tcp_packets, 0);
    ck_assert_uint_eq(h.net->stats.ip_in_bad, 160);
    host_end(&h);
}
END_TEST

/* MUST-63 */
START_TEST(test_source)
{
    static const struct {
        uint32_t src;
        bool ok;
    } t[] = {
        {PEER, true},        {FAR, true},        {0x00000001, false},       {0x7f000001, false},
        {0x7fffffff, false}, {GROUP, false},     {0xf0000001, false},       {0xffffffff, false},
        {US, false},         {US + 0x50, false}, {SUBNET_BROADCAST, false}, {0xdfffffff, true},
        {0x80000000, true},
    };

    host_start_ready(&h);
    host_add_addr(&h, h.nif, US + 0x50, 24);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        h.tcp_packets = 0;
        host_input_ip(&h, &(struct in_ip){.proto = 6, .src = t[i].src}, "0123456789", 10);
        ck_assert_msg(h.tcp_packets == t[i].ok, "line %zu", i);
    }
    ck_assert_uint_eq(h.net->stats.ip_in_martian, 9);
    host_end(&h);
}
END_TEST

/* RFC 1122 3.2.1.3: 0.0.0.0 may send to all hosts, as a DHCP client does, and to nobody else. */
START_TEST(test_source_zero)
{
    static uint8_t p[40];
    uint8_t hdr[100];
    struct udp_pcb *pcb;
    const struct eth_hdr eth = {.dst = broadcast_mac, .src = peer_mac, .type = ETHTYPE_IPV4};

    host_start_ready(&h);
    pcb = host_udp(&h, 0, 67);
    for (int i = 0; i < 2; i++) {
        struct in_ip ip = {.proto = 17, .dst = i ? US : LIMITED_BROADCAST};
        size_t len = build_udp(0, 0, 68, 67, "x", 1, p), n;

        put_be16(p + 6, 0);
        eth_emit(&eth, hdr);
        if (i)
            memcpy(hdr, our_mac.b, 6);
        n = build_ip(&ip, p, len, hdr + 14);
        put_be32(hdr + 14 + 12, 0);
        put_be16(hdr + 14 + 10, 0);
        put_be16(hdr + 14 + 10, slow_checksum(0, 0, 0, hdr + 14, 20));
        host_input(&h, h.nif, hdr, 14 + n, 0, 0);
        ck_assert(udp_peek(pcb) != NULL);
        if (i == 0)
            udp_drop_first(h.udp, pcb);
        if (i == 0)
            host_input_udp(&h, &(struct in_ip){0}, 1, 67, "y", 1);
    }
    ck_assert_mem_eq(udp_peek(pcb)->data, "y", 1);
    udp_drop_first(h.udp, pcb);
    ck_assert(udp_peek(pcb) == NULL);
    host_end(&h);
}
END_TEST

START_TEST(test_destination)
{
    host_start_ready(&h);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .dst = PEER + 7}, "0123456789", 10);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .dst = FAR}, "0123456789", 10);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .dst = 0x7f000001}, "0123456789", 10);
    ck_assert_uint_eq(h.net->stats.ip_in_not_ours, 3);
    ck_assert_uint_eq(h.tcp_packets, 0);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* The weak host model: any of our addresses, on any interface (RFC 1122 3.3.4.2). */
START_TEST(test_weak_host)
{
    struct netif *second;

    host_start_ready(&h);
    second = host_add_netif(&h, 2, NETIF_ETHERNET, 1500);
    host_add_addr(&h, second, 0xc6336401, 24);
    host_input_ip(&h, &(struct in_ip){.proto = 6, .dst = 0xc6336401}, "0123456789", 10);
    ck_assert_uint_eq(h.tcp_packets, 1);
    ck_assert(h.tcp_packet->pkt.to->nif == second);
    ck_assert(h.tcp_packet->pkt.nif == h.nif);
    host_end(&h);
}
END_TEST

START_TEST(test_link_address)
{
    static const struct mac group = {{1, 0, 0x5e, 0, 1, 5}};
    struct in_ip ip = {.proto = 6};

    host_start_ready(&h);
    ip.link_dst = &other_mac;
    host_input_ip(&h, &ip, "0123456789", 10);
    ck_assert_uint_eq(h.nif->stats.rx_not_for_us, 1);
    /* RFC 1122 3.3.6: not by a link broadcast to a single host. */
    ip.link_dst = &broadcast_mac;
    host_input_ip(&h, &ip, "0123456789", 10);
    ip.link_dst = &group;
    host_input_ip(&h, &ip, "0123456789", 10);
    ck_assert_uint_eq(h.tcp_packets, 0);
    ip.link_dst = &our_mac;
    host_input_ip(&h, &ip, "0123456789", 10);
    ck_assert_uint_eq(h.tcp_packets, 1);
    host_end(&h);
}
END_TEST

START_TEST(test_frames_of_no_interest)
{
    uint8_t p[100] = {0};
    struct eth_hdr eth = {.dst = our_mac, .src = peer_mac, .type = ETHTYPE_IPV6};
    struct in_ip ip = {.proto = 6};
    size_t len;

    host_start_ready(&h);
    eth_emit(&eth, p);
    host_input(&h, h.nif, p, sizeof(p), 0, 0);
    ck_assert_uint_eq(h.nif->stats.rx_unknown_proto, 1);
    eth.src.b[0] = 3; /* nobody has a group address */
    eth.type = ETHTYPE_IPV4;
    eth_emit(&eth, p);
    host_input(&h, h.nif, p, sizeof(p), 0, 0);
    ck_assert_uint_eq(h.nif->stats.rx_bad, 1);
    /* Another VLAN is not ours; a priority tag (VLAN 0) is. */
    for (uint16_t tci = 0; tci < 2; tci++) {
        eth.src = peer_mac;
        eth.type = ETHTYPE_VLAN;
        eth_emit(&eth, p);
        put_be16(p + 14, (uint16_t)(0xe000 | tci));
        put_be16(p + 16, ETHTYPE_IPV4);
        len = build_ip(&ip, "0123456789", 10, p + 18);
        host_input(&h, h.nif, p, 18 + len, 0, 0);
        ck_assert_uint_eq(h.tcp_packets, 1);
    }
    ck_assert_uint_eq(h.nif->stats.rx_not_for_us, 1);
    host_end(&h);
}
END_TEST

/* RFC 1122 3.3.5 */
START_TEST(test_options)
{
    static const struct {
        uint8_t options[12];
        bool ok;
    } t[] = {
        {{1, 1, 1, 0}, true},
        {{0}, true},
        {{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}, true},    /* record route */
        {{148, 4, 0, 0}, true},                           /* router alert, RFC 2113 2.1 */
        {{99, 4, 1, 2, 0}, true},                         /* not known */
        {{131, 11, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0}, false}, /* loose source route */
        {{137, 7, 4, 1, 2, 3, 4, 0}, false},              /* strict */
        {{137, 7, 8, 1, 2, 3, 4, 0}, false},              /* used up: still refused */
        {{99, 0}, false},
        {{99, 1}, false},
        {{99, 13}, false},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 99}, false},
    };

    host_start_ready(&h);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct in_ip ip = {.proto = 6, .options_bytes = 12};

        memcpy(ip.options, t[i].options, 12);
        h.tcp_packets = 0;
        host_input_ip(&h, &ip, "0123456789", 10);
        ck_assert_msg(h.tcp_packets == t[i].ok, "line %zu", i);
        if (t[i].ok)
            ck_assert_mem_eq(h.tcp_packet->payload, "0123456789", 10);
    }
    ck_assert_uint_eq(h.net->stats.ip_in_options_bad, 7);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* RFC 1122 4.2.3.10: TCP hears nothing that came to a group (MUST-57). */
START_TEST(test_tcp_not_to_groups)
{
    static const uint32_t dst[] = {LIMITED_BROADCAST, SUBNET_BROADCAST, GROUP, 0xe0000001};

    host_start_ready(&h);
    for (size_t i = 0; i < 4; i++)
        host_input_ip(&h, &(struct in_ip){.proto = 6, .dst = dst[i], .link_dst = &broadcast_mac},
                      "0123456789", 10);
    ck_assert_uint_eq(h.tcp_packets, 0);
    ck_assert_uint_eq(h.net->stats.ip_in_not_ours, 0);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* RFC 1122 3.2.2.1 */
START_TEST(test_unknown_protocol)
{
    struct sent *s;

    host_start_ready(&h);
    host_know(&h, PEER, &peer_mac);
    host_input_ip(&h, &(struct in_ip){.proto = 132}, "0123456789", 10);
    s = host_take_ip(&h, 1);
    ck_assert_uint_eq(s->l4[0], ICMP_UNREACHABLE);
    ck_assert_uint_eq(s->l4[1], ICMP_UNREACH_PROTOCOL);
    free(s);
    host_input_ip(
        &h, &(struct in_ip){.proto = 132, .dst = SUBNET_BROADCAST, .link_dst = &broadcast_mac},
        "0123456789", 10);
    host_expect_nothing(&h);
    host_end(&h);
}
END_TEST

/* Other people's protocols on a borrowed address are the kernel's business. */
START_TEST(test_unknown_protocol_borrowed)
{
    host_start_borrowed(&h);
    host_know(&h, PEER, &peer_mac);
    host_input_ip(&h, &(struct in_ip){.proto = 132}, "0123456789", 10);
    host_expect_nothing(&h);
    host_input_ip(&h, &(struct in_ip){.proto = 6}, "0123456789", 10);
    ck_assert(h.tcp_packet->to_borrowed);
    host_end(&h);
}
END_TEST

START_TEST(test_bare_ip)
{
    struct in_ip ip = {.proto = 6};
    uint8_t p[60];
    size_t len;

    host_start(&h, 0);
    h.nif = host_add_netif(&h, 1, NETIF_IP, 1400);
    host_add_addr(&h, h.nif, US, 32);
    len = build_ip(&ip, "0123456789", 10, p);
    for (size_t i = 0; i < len; i++)
        host_input(&h, h.nif, p, i, 0, 0);
    ck_assert_uint_eq(h.tcp_packets, 0);
    host_input(&h, h.nif, p, len, 0, 0);
    ck_assert_uint_eq(h.tcp_packets, 1);
    host_end(&h);
}
END_TEST

TCase *test_net_ip_input(void)
{
    TCase *tc = tcase_create("ip_input");

    tcase_add_test(tc, test_tcp_goes_up);
    tcase_add_test(tc, test_link_knowledge);
    tcase_add_test(tc, test_truncated);
    tcase_add_test(tc, test_header_corrupted);
    tcase_add_test(tc, test_source);
    tcase_add_test(tc, test_source_zero);
    tcase_add_test(tc, test_destination);
    tcase_add_test(tc, test_weak_host);
    tcase_add_test(tc, test_link_address);
    tcase_add_test(tc, test_frames_of_no_interest);
    tcase_add_test(tc, test_options);
    tcase_add_test(tc, test_tcp_not_to_groups);
    tcase_add_test(tc, test_unknown_protocol);
    tcase_add_test(tc, test_unknown_protocol_borrowed);
    tcase_add_test(tc, test_bare_ip);
    return tc;
}
