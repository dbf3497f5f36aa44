/* The trace's lines: every kind, and what is malformed. */
#include "test_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/trace.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"
#include "wire/udp.h"

#define A 0xc0000201u /* 192.0.2.1 */
#define B 0xc0000202u

static const struct netif ethernet = {.index = 1, .type = NETIF_ETHERNET, .mtu = 1500};
static const struct netif tun = {.index = 2, .type = NETIF_IP, .mtu = 1500};
static const struct mac mac_a = {{2, 0, 0, 0, 0, 1}}, mac_b = {{2, 0, 0, 0, 0, 2}};

/* A frame as bytes, in a block of its own size, so that a sanitizer sees each read beyond. */
struct bytes {
    uint8_t p[2048];
    size_t len;
};

static uint64_t clock_us = 1000000;
static char line[512];

static const char *format(const struct trace_event *ev)
{
    size_t n = trace_format(ev, line, sizeof(line));

    ck_assert_uint_eq(n, strlen(line));
    return line;
}

/* What comes after the time. */
static const char *said(const struct trace_event *ev)
{
    const char *s = format(ev);

    ck_assert_uint_gt(strlen(s), 14);
    ck_assert(s[5] == '.' && s[12] == ' ' && s[13] == ' ');
    return s + 14;
}

static const char *in_on(const struct netif *nif, const struct bytes *b, uint32_t flags)
{
    uint8_t *copy = malloc(b->len);
    struct frame_in in = {.data = copy, .len = b->len, .flags = flags};
    const struct trace_event ev = {
        .kind = TRACE_FRAME_IN, .now_us = clock_us, .nif = nif, .in = &in};

    if (b->len > 0)
        memcpy(copy, b->p, b->len);
    const char *s = said(&ev);
    free(copy);
    return s;
}

static const char *in(const struct bytes *b)
{
    return in_on(&ethernet, b, FRAME_CSUM_GOOD);
}

static void push(struct bytes *b, const void *p, size_t n)
{
    ck_assert_uint_le(b->len + n, sizeof(b->p));
    memcpy(b->p + b->len, p, n);
    b->len += n;
}

static struct bytes eth(uint16_t type)
{
    const struct eth_hdr h = {.dst = mac_b, .src = mac_a, .type = type};
    struct bytes b = {.len = 0};

    b.len = eth_emit(&h, b.p);
    return b;
}

static void push_ip(struct bytes *b, uint32_t src, uint32_t dst, uint8_t proto, size_t payload,
                    uint16_t offset, bool mf)
{
    const struct ipv4_hdr h = {.src = src,
                               .dst = dst,
                               .total_bytes = (uint16_t)(20 + payload),
                               .id = 77,
                               .ttl = 64,
                               .proto = proto,
                               .hdr_bytes = 20,
                               .frag_offset = offset,
                               .mf = mf};

    b->len += ipv4_emit(&h, b->p + b->len);
}

/* An Ethernet frame with a segment from src to dst. */
static struct bytes segment(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
                            uint8_t flags, uint32_t seq, uint32_t ack, const char *data)
{
    struct tcp_hdr h = {.src_port = sport,
                        .dst_port = dport,
                        .seq = seq,
                        .ack = ack,
                        .wnd = 502,
                        .flags = flags,
                        .hdr_bytes = 20};
    struct bytes b = eth(ETHTYPE_IPV4);

    push_ip(&b, src, dst, IPPROTO_NUM_TCP, 20 + strlen(data), 0, false);
    b.len += tcp_emit(&h, b.p + b.len);
    push(&b, data, strlen(data));
    return b;
}

static struct bytes datagram(const char *data, uint16_t len_bytes)
{
    struct udp_hdr h = {.src_port = 5353, .dst_port = 53, .len_bytes = len_bytes};
    struct bytes b = eth(ETHTYPE_IPV4);

    push_ip(&b, A, B, IPPROTO_NUM_UDP, 8 + strlen(data), 0, false);
    b.len += udp_emit(&h, b.p + b.len);
    push(&b, data, strlen(data));
    return b;
}

START_TEST(times)
{
    struct trace_event ev = {.kind = TRACE_NOTE, .now_us = 5000000, .note = "a note"};

    ck_assert_str_eq(format(&ev), "    0.000000             a note");
    ev.now_us += 87;
    ck_assert_str_eq(format(&ev), "    0.000087             a note");
    ev.now_us = 5000000 + 86400123456;
    ck_assert_str_eq(format(&ev), "86400.123456             a note");
    ev.now_us = 4000000; /* another process's clock reading, taken before */
    ck_assert_str_eq(format(&ev), "    0.000000             a note");
}
END_TEST

START_TEST(room)
{
    const struct trace_event ev = {.kind = TRACE_NOTE, .now_us = 1, .note = "a note"};

    for (size_t n = 0; n < 40; n++) {
        char *small = malloc(n);
        size_t len = trace_format(&ev, small, n);
        ck_assert_uint_eq(len, n == 0 ? 0 : n - 1 < 31 ? n - 1 : 31);
        if (n > 0)
            ck_assert_uint_eq(strlen(small), len);
        free(small);
    }
}
END_TEST

START_TEST(state)
{
    const struct trace_event ev = {.kind = TRACE_TCP_STATE,
                                   .now_us = 1,
                                   .local = {addr_v4(A), 40000},
                                   .remote = {addr_v4(B), 80},
                                   .from = "SYN_SENT",
                                   .to = "ESTABLISHED"};

    ck_assert_str_eq(said(&ev),
                     "           192.0.2.1:40000 > 192.0.2.2:80        SYN_SENT -> ESTABLISHED");
}
END_TEST

/* RFC 5227 2.3 */
START_TEST(arp)
{
    struct arp a = {.op = ARP_REQUEST, .sha = mac_a, .spa = A, .tpa = B};
    struct bytes b = eth(ETHTYPE_ARP);
    size_t at = b.len;

    b.len += arp_emit(&a, b.p + at);
    ck_assert_str_eq(in(&b), "in   ARP   who has 192.0.2.2? tell 192.0.2.1");
    a.spa = 0;
    arp_emit(&a, b.p + at);
    ck_assert_str_eq(in(&b), "in   ARP   does anybody have 192.0.2.2?");
    a.spa = B;
    arp_emit(&a, b.p + at);
    ck_assert_str_eq(in(&b), "in   ARP   192.0.2.2 is now at 02:00:00:00:00:01");
    a.op = ARP_REPLY;
    arp_emit(&a, b.p + at);
    ck_assert_str_eq(in(&b), "in   ARP   192.0.2.2 is at 02:00:00:00:00:01");
    a.op = 9;
    arp_emit(&a, b.p + at);
    ck_assert_str_eq(in(&b), "in   ARP   operation 9 from 192.0.2.2");
    b.len--;
    ck_assert_str_eq(in(&b), "in   ARP   malformed (27 bytes)");
}
END_TEST

START_TEST(tcp_connection)
{
    struct bytes b = segment(A, 40000, B, 80, TCP_SYN, 0xffffffff, 0, "");

    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.1:40000 > 192.0.2.2:80        SYN      "
                             "seq 0  win 502");
    b = segment(B, 80, A, 40000, TCP_SYN | TCP_ACK, 900, 0, "");
    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.2:80 > 192.0.2.1:40000        SYN,ACK  "
                             "seq 0  ack 1  win 502");
    /* Over the wrap of the sequence space. */
    b = segment(A, 40000, B, 80, TCP_PSH | TCP_ACK, 0, 901, "GET / HTTP/1.1\r\nHost: b\r\n");
    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.1:40000 > 192.0.2.2:80        PSH,ACK  "
                             "seq 1..26 (25)  ack 1  win 502  \"GET / HTTP/1.1\"");
    b = segment(B, 80, A, 40000, TCP_FIN | TCP_ACK, 901, 25, "");
    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.2:80 > 192.0.2.1:40000        FIN,ACK  "
                             "seq 1  ack 26  win 502");
    /* The same ends again: a new connection has new numbers, those of both sides. */
    b = segment(A, 40000, B, 80, TCP_SYN, 5000, 0, "");
    ck_assert_ptr_nonnull(strstr(in(&b), "SYN      seq 0  win"));
    b = segment(B, 80, A, 40000, TCP_SYN | TCP_ACK, 7000, 5001, "");
    ck_assert_ptr_nonnull(strstr(in(&b), "seq 0  ack 1  win"));
    b = segment(A, 40000, B, 80, TCP_ACK | TCP_URG, 5001, 7001, "!");
    ck_assert_ptr_nonnull(strstr(in(&b), "seq 1..2 (1)  ack 1  win 502  urg 0  \"!\""));
}
END_TEST

START_TEST(tcp_met_halfway)
{
    struct bytes b = segment(A, 40001, B, 80, TCP_ACK, 123456, 654321, "hello");

    ck_assert_ptr_nonnull(strstr(in(&b), "seq 1..6 (5)  ack 1  win 502  \"hello\""));
    b = segment(B, 80, A, 40001, TCP_ACK, 654321, 123461, "");
    ck_assert_ptr_nonnull(strstr(in(&b), "seq 1  ack 6  win"));
    b = segment(B, 80, A, 40002, TCP_RST, 99, 0, "");
    ck_assert_ptr_nonnull(strstr(in(&b), "RST      seq 0  win"));
}
END_TEST

/* What one process has learnt of a connection, another goes on with. */
START_TEST(shared_memory)
{
    struct bytes b = segment(A, 40010, B, 80, TCP_SYN, 5000, 0, "");
    void *shared = calloc(1, trace_memory_bytes());

    trace_share(shared);
    clock_us = 7000000;
    ck_assert_ptr_nonnull(strstr(in(&b), "SYN      seq 0  win"));
    trace_share(NULL);
    clock_us = 9000000;
    b = segment(A, 40010, B, 80, TCP_ACK, 5301, 800, "");
    ck_assert_ptr_nonnull(strstr(in(&b), "seq 1  ack 1  win"));
    trace_share(shared);
    ck_assert_ptr_nonnull(strstr(in(&b), "seq 301  ack 1  win"));
    ck_assert_ptr_nonnull(strstr(line, "    2.000000  in"));
    trace_share(NULL);
    free(shared);
}
END_TEST

START_TEST(tcp_many_flows)
{
    /* A connection that is in use is remembered among a few others, and the table never breaks. */
    struct bytes first = segment(A, 1, B, 80, TCP_SYN, 1000, 0, "");

    in(&first);
    for (uint16_t port = 2; port < 200; port++) {
        struct bytes b = segment(A, port, B, 80, TCP_SYN, port, 0, "");
        in(&b);
    }
    first = segment(A, 1, B, 80, TCP_ACK, 1011, 5, "");
    ck_assert_ptr_nonnull(strstr(in(&first), "seq 11  ack 1"));
    for (uint16_t port = 200; port < 20000; port++) {
        struct bytes b = segment(A, port, B, 80, TCP_SYN, port, 0, "");
        ck_assert_ptr_nonnull(strstr(in(&b), "seq 0  win"));
    }
}
END_TEST

START_TEST(tcp_options)
{
    struct tcp_options o = {.has_mss = true,
                            .mss = 1460,
                            .sack_permitted = true,
                            .has_ts = true,
                            .has_wscale = true,
                            .wscale = 7};
    struct tcp_hdr h = {.src_port = 40003, .dst_port = 80, .seq = 10, .flags = TCP_SYN};
    struct bytes b = eth(ETHTYPE_IPV4);
    uint8_t area[TCP_OPTIONS_MAX];
    size_t n = tcp_options_emit(&o, area);

    push_ip(&b, A, B, IPPROTO_NUM_TCP, 20 + n, 0, false);
    h.hdr_bytes = (uint8_t)(20 + n);
    b.len += tcp_emit(&h, b.p + b.len);
    push(&b, area, n);
    ck_assert_ptr_nonnull(strstr(in(&b), "  <mss 1460, sack ok, ts, wscale 7>"));
    b.p[b.len - n + 1] = 1; /* an option that is shorter than an option can be */
    ck_assert_ptr_nonnull(strstr(in(&b), "  <malformed>"));

    /* A SACK block counts from the start of what it acknowledges. */
    b = segment(B, 80, A, 40003, TCP_SYN | TCP_ACK, 500, 11, "");
    in(&b);
    o = (struct tcp_options){.has_ts = true, .sack_len = 1, .sack = {{1010, 2010}}};
    n = tcp_options_emit(&o, area);
    b = eth(ETHTYPE_IPV4);
    push_ip(&b, B, A, IPPROTO_NUM_TCP, 20 + n, 0, false);
    h = (struct tcp_hdr){.src_port = 80,
                         .dst_port = 40003,
                         .seq = 501,
                         .ack = 11,
                         .flags = TCP_ACK,
                         .hdr_bytes = (uint8_t)(20 + n)};
    b.len += tcp_emit(&h, b.p + b.len);
    push(&b, area, n);
    ck_assert_ptr_nonnull(strstr(in(&b), "seq 1  ack 1  win 0  <sack 1000..2000>"));
}
END_TEST

START_TEST(tcp_out)
{
    static uint8_t payload[4000] = "HTTP/1.1 200 OK\r\n";
    struct bytes b = segment(A, 40004, B, 80, TCP_ACK, 1, 1, "");
    struct frame f;
    const struct trace_event ev = {
        .kind = TRACE_FRAME_OUT, .now_us = 1, .nif = &ethernet, .out = &f};

    /* The same header, with a body in pieces and the length of the whole: a super-frame. */
    b.len = ETH_HDR_BYTES;
    push_ip(&b, A, B, IPPROTO_NUM_TCP, 20 + sizeof(payload), 0, false);
    b.len += 20;
    frame_init(&f);
    memcpy(frame_push(&f, b.len), b.p, b.len);
    frame_add(&f, payload, 5);
    frame_add(&f, payload + 5, sizeof(payload) - 5);
    f.gso_size = 1448;
    ck_assert_str_eq(said(&ev), "out  TCP   192.0.2.1:40004 > 192.0.2.2:80        ACK      seq "
                                "1..4001 (4000)  ack 1  win 502  in segments of 1448  \"HTTP/1.1 "
                                "200 OK\"");
}
END_TEST

START_TEST(tcp_malformed)
{
    struct bytes b = eth(ETHTYPE_IPV4);

    push_ip(&b, A, B, IPPROTO_NUM_TCP, 19, 0, false);
    b.len += 19;
    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.1 > 192.0.2.2  malformed (19 bytes)");
    b = segment(A, 1, B, 2, TCP_ACK, 0, 0, "");
    b.p[14 + 20 + 12] = 0x40; /* a header of 16 bytes */
    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.1 > 192.0.2.2  malformed (20 bytes)");
    b.p[14 + 20 + 12] = 0x60; /* longer than the segment */
    ck_assert_str_eq(in(&b), "in   TCP   192.0.2.1 > 192.0.2.2  malformed (20 bytes)");
}
END_TEST

START_TEST(checksums)
{
    struct bytes b = segment(A, 9, B, 80, TCP_ACK, 1, 1, "data");
    struct ip_addr src = addr_v4(A), dst = addr_v4(B);
    struct csum sum = {0};
    uint8_t *tcp = b.p + 34;

    ck_assert_ptr_nonnull(strstr(in_on(&ethernet, &b, 0), "  [wrong checksum]  \"data\""));
    ck_assert_ptr_null(strstr(in_on(&ethernet, &b, FRAME_CSUM_UNFINISHED), "checksum"));
    csum_add_pseudo(&sum, &src, &dst, IPPROTO_NUM_TCP, 24);
    csum_add(&sum, tcp, 24);
    put_be16(tcp + 16, csum_finish(&sum));
    ck_assert_ptr_null(strstr(in_on(&ethernet, &b, 0), "checksum"));
}
END_TEST

START_TEST(hints)
{
    struct {
        const char *data, *hint;
    } t[] = {
        {"PING\r\n", "  \"PING\""},
        {"x", "  \"x\""},
        {"a line that is longer than forty characters is cut",
         "  \"a line that is longer than forty charact\""},
        {"\r\n", NULL},
        {"\001\002\003\004", NULL},
        {"abc\001\002", NULL},              /* by chance */
        {"SSH-2.0-\001", "  \"SSH-2.0-\""}, /* hardly by chance */
        {"caf\303\251 au lait", NULL},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct bytes b = datagram(t[i].data, (uint16_t)(8 + strlen(t[i].data)));
        char want[160];
        snprintf(want, sizeof(want), "in   UDP   192.0.2.1:5353 > 192.0.2.2:53         (%zu)%s",
                 strlen(t[i].data), t[i].hint != NULL ? t[i].hint : "");
        ck_assert_str_eq(in(&b), want);
    }
}
END_TEST

START_TEST(udp)
{
    struct bytes b = datagram("0123456789", 13); /* the length field rules */

    ck_assert_str_eq(in(&b), "in   UDP   192.0.2.1:5353 > 192.0.2.2:53         (5)  \"01234\"");
    b = datagram("0123456789", 19);
    ck_assert_str_eq(in(&b), "in   UDP   192.0.2.1 > 192.0.2.2  malformed (18 bytes)");
    b = datagram("", 7);
    ck_assert_str_eq(in(&b), "in   UDP   192.0.2.1 > 192.0.2.2  malformed (8 bytes)");
}
END_TEST

/* Header, then the packet that the message is about. */
static struct bytes icmp_about(uint8_t type, uint8_t code, uint16_t id, uint16_t seq,
                               size_t quoted_bytes)
{
    struct bytes about = segment(B, 50000, A, 443, TCP_SYN, 1, 0, ""), b = eth(ETHTYPE_IPV4);
    const struct icmp_hdr h = {.type = type, .code = code, .id = id, .seq = seq};

    push_ip(&b, A, B, IPPROTO_NUM_ICMP, 8 + quoted_bytes, 0, false);
    b.len += icmp_emit(&h, about.p + 14, quoted_bytes, b.p + b.len);
    push(&b, about.p + 14, quoted_bytes);
    return b;
}

#define ICMP_LINE "in   ICMP  192.0.2.1 > 192.0.2.2                 "
#define QUOTED    "  for TCP 192.0.2.2:50000 > 192.0.2.1:443"

START_TEST(icmp)
{
    struct {
        uint8_t type, code;
        uint16_t id, seq;
        size_t quoted;
        const char *says;
    } t[] = {
        {ICMP_ECHO_REQUEST, 0, 5, 1, 20, "echo request  id 5  seq 1  (20)"},
        {ICMP_ECHO_REPLY, 0, 5, 1, 0, "echo reply  id 5  seq 1  (0)"},
        {ICMP_UNREACHABLE, 3, 0, 0, 28, "port unreachable" QUOTED},
        {ICMP_UNREACHABLE, 4, 0, 1400, 28, "fragmentation needed  mtu 1400" QUOTED},
        {ICMP_UNREACHABLE, 15, 0, 0, 28, "precedence too low" QUOTED},
        {ICMP_UNREACHABLE, 16, 0, 0, 28, "unreachable, code 16" QUOTED},
        {ICMP_UNREACHABLE, 1, 0, 0, 24, "host unreachable" QUOTED},
        {ICMP_UNREACHABLE, 1, 0, 0, 23, "host unreachable  for TCP 192.0.2.2 > 192.0.2.1"},
        {ICMP_UNREACHABLE, 1, 0, 0, 19, "host unreachable"},
        {ICMP_UNREACHABLE, 1, 0, 0, 0, "host unreachable"},
        {ICMP_SOURCE_QUENCH, 0, 0, 0, 28, "source quench" QUOTED},
        {ICMP_REDIRECT, 1, 0xc000, 0x02fe, 28, "redirect to 192.0.2.254" QUOTED},
        {ICMP_TIME_EXCEEDED, 0, 0, 0, 28, "time to live exceeded" QUOTED},
        {ICMP_TIME_EXCEEDED, 1, 0, 0, 28, "reassembly time exceeded" QUOTED},
        {ICMP_PARAMETER_PROBLEM, 0, 0x1400, 0, 28, "parameter problem at byte 20" QUOTED},
        {13, 0, 0, 0, 12, "type 13, code 0  (12)"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct bytes b = icmp_about(t[i].type, t[i].code, t[i].id, t[i].seq, t[i].quoted);
        char want[256];
        snprintf(want, sizeof(want), ICMP_LINE "%s", t[i].says);
        ck_assert_str_eq(in(&b), want);
    }
    struct bytes b = icmp_about(ICMP_UNREACHABLE, 3, 0, 0, 28);
    b.p[36] ^= 1;
    ck_assert_str_eq(in(&b), ICMP_LINE "port unreachable" QUOTED "  [wrong checksum]");
    b.p[14 + 20 + 8] = 0x4f; /* the quoted header says 60 bytes and has 28 */
    ck_assert_ptr_nonnull(strstr(in(&b), "for TCP 192.0.2.2 > 192.0.2.1"));
    b = eth(ETHTYPE_IPV4);
    push_ip(&b, A, B, IPPROTO_NUM_ICMP, 7, 0, false);
    b.len += 7;
    ck_assert_str_eq(in(&b), ICMP_LINE "malformed (7 bytes)");
}
END_TEST

START_TEST(ip)
{
    struct bytes b = eth(ETHTYPE_IPV4);

    push_ip(&b, A, B, IPPROTO_NUM_UDP, 16, 0, true);
    b.len += 16;
    ck_assert_str_eq(in(&b), "in   IP    192.0.2.1 > 192.0.2.2                 UDP fragment  id "
                             "77  0..16 (16)  more follow");
    b = eth(ETHTYPE_IPV4);
    push_ip(&b, A, B, IPPROTO_NUM_UDP, 10, 16, false);
    b.len += 10;
    ck_assert_str_eq(in(&b), "in   IP    192.0.2.1 > 192.0.2.2                 UDP fragment  id "
                             "77  16..26 (10)  last");
    b = eth(ETHTYPE_IPV4);
    push_ip(&b, A, B, 89, 10, 0, false);
    b.len += 10 + 4; /* and the padding of a short frame */
    ck_assert_str_eq(in(&b), "in   IP    192.0.2.1 > 192.0.2.2                 protocol 89  (10)");
    b.p[20] ^= 1; /* the header's checksum */
    ck_assert_str_eq(in(&b), "in   IP    malformed (34 bytes)");
    b.len = 14 + 19;
    ck_assert_str_eq(in(&b), "in   IP    malformed (19 bytes)");
}
END_TEST

START_TEST(others)
{
    struct bytes b = eth(ETHTYPE_IPV6);

    b.len += 60;
    ck_assert_str_eq(in(&b), "in   IPv6  (60)");
    b = eth(0x88cc);
    b.len += 46;
    ck_assert_str_eq(in(&b), "in   88cc  (46)");
    b.len = 13;
    ck_assert_str_eq(in(&b), "in   eth   malformed (13 bytes)");
    b.len = 0;
    ck_assert_str_eq(in(&b), "in   eth   malformed (0 bytes)");
    ck_assert_str_eq(in_on(&tun, &b, 0), "in   IP    malformed (0 bytes)");
    b.len = 0;
    push_ip(&b, A, B, 89, 0, 0, false);
    ck_assert_str_eq(in_on(&tun, &b, 0),
                     "in   IP    192.0.2.1 > 192.0.2.2                 protocol 89  (0)");
    b.p[0] = 0x60;
    ck_assert_str_eq(in_on(&tun, &b, 0), "in   IPv6  (20)");

    const uint8_t tag[] = {0x81, 0x00, 0x00, 0x05, 0x08, 0x06};
    b = eth(0);
    b.len = 12;
    push(&b, tag, sizeof(tag));
    const struct arp a = {.op = ARP_REQUEST, .spa = A, .tpa = B};
    b.len += arp_emit(&a, b.p + b.len);
    ck_assert_str_eq(in(&b), "in   ARP   vlan 5  who has 192.0.2.2? tell 192.0.2.1");
}
END_TEST

/* Any byte of any frame may be anything: the sanitizers watch. */
START_TEST(noise)
{
    uint64_t seed = 1;
    const struct bytes from[] = {
        segment(A, 40000, B, 80, TCP_ACK, 1, 1, "GET / HTTP/1.1\r\n"),
        datagram("0123456789", 18),
        icmp_about(ICMP_UNREACHABLE, 3, 0, 0, 28),
    };

    for (int i = 0; i < 3000; i++) {
        struct bytes b = from[i % 3];
        for (int j = 0; j < 3; j++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            b.p[12 + (seed >> 33) % (b.len - 12)] = (uint8_t)(seed >> 40);
        }
        b.len = (seed >> 20) % 4 == 0 ? (seed >> 45) % (b.len + 1) : b.len;
        /* The header's checksum is made right again, so that more than it is looked at. */
        if (b.len >= 34) {
            size_t hdr = (b.p[14] & 0xfu) * 4u;
            put_be16(b.p + 24, 0);
            if (hdr >= 20 && 14 + hdr <= b.len)
                put_be16(b.p + 24, csum(b.p + 14, hdr));
        }
        const char *s = in_on(i % 5 == 0 ? &tun : &ethernet, &b, 0);
        while (*s >= ' ' && *s <= '~')
            s++;
        ck_assert_int_eq(*s, '\0');
    }
}
END_TEST

TCase *test_io_trace(void)
{
    TCase *t = tcase_create("trace");

    tcase_add_test(t, times);
    tcase_add_test(t, room);
    tcase_add_test(t, state);
    tcase_add_test(t, arp);
    tcase_add_test(t, tcp_connection);
    tcase_add_test(t, tcp_met_halfway);
    tcase_add_test(t, shared_memory);
    tcase_add_test(t, tcp_many_flows);
    tcase_add_test(t, tcp_options);
    tcase_add_test(t, tcp_out);
    tcase_add_test(t, tcp_malformed);
    tcase_add_test(t, checksums);
    tcase_add_test(t, hints);
    tcase_add_test(t, udp);
    tcase_add_test(t, icmp);
    tcase_add_test(t, ip);
    tcase_add_test(t, others);
    tcase_add_test(t, noise);
    tcase_set_timeout(t, 60);
    return t;
}
