/*
 * The trace as text.
 *
 *     0.000000  out  ARP   who has 192.0.2.2? tell 192.0.2.1
 *     0.000087  in   ARP   192.0.2.2 is at 02:00:00:00:00:02
 *     0.000101  out  TCP   192.0.2.1:40000 > 192.0.2.2:80        SYN      seq 0  win 64240  <mss
 * 1460> 0.000150             192.0.2.1:40000 > 192.0.2.2:80        SYN_SENT -> ESTABLISHED
 *
 * Time counts from the first event. Sequence numbers count from the initial ones of their
 * connection, which a small table remembers; of a connection whose SYN was not seen, from where it
 * was met. Windows are as on the wire. What is remembered can lie in memory that the processes of a
 * family share (trace_share()): the housekeeper's lines then go on where the program's ended.
 *
 * Frames that come in may be anything: they are read through the checked parsers, and what cannot
 * be parsed is said to be malformed. Called within an entry, one thread at a time.
 */
#include "io/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"
#include "wire/udp.h"

#define HINT_MAX     40u  /* characters of a payload's first line */
#define HINT_MIN     8u   /* printable ones, if something unprintable follows */
#define COPIED_BYTES 512u /* of a frame that goes out: all headers and the hint */

/* ---- text ---- */

struct text {
    char *out;
    size_t n;  /* room, with the terminating zero */
    size_t at; /* length so far */
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(t->out + t->at, t->n - t->at, fmt, args);
    va_end(args);
    if (len > 0)
        t->at = (size_t)len < t->n - t->at ? t->at + (size_t)len : t->n - 1;
}

/* Up to this column, and two spaces at least. */
static void pad(struct text *t, size_t from, size_t width)
{
    size_t len = t->at - from;

    add(t, "%*s", (int)(len < width ? width - len + 2 : 2), "");
}

static const char *v4_str(uint32_t v4, char *out)
{
    struct ip_addr a = addr_v4(v4);

    return addr_str(&a, out);
}

#define FLOW_COLUMNS  36u
#define FLAGS_COLUMNS 7u

/* "192.0.2.1:40000 > 192.0.2.2:80"; without ports: -1. */
static void add_flow(struct text *t, const struct ip_addr *src, int src_port,
                     const struct ip_addr *dst, int dst_port)
{
    char s[ADDR_STR_MAX], d[ADDR_STR_MAX];

    addr_str(src, s);
    addr_str(dst, d);
    if (src_port < 0)
        add(t, "%s > %s", s, d);
    else
        add(t, "%s:%d > %s:%d", s, src_port, d, dst_port);
}

/* ---- frames ---- */

/* A stretch of a frame: len bytes, of which the first have are at hand. */
struct view {
    const uint8_t *p;
    size_t have, len;
};

static struct view view_after(const struct view *v, size_t n)
{
    struct view rest = {v->p, 0, 0};

    if (n <= v->len)
        rest.len = v->len - n;
    if (n <= v->have) {
        rest.p = v->p + n;
        rest.have = v->have - n;
    }
    return rest;
}

static struct view view_first(const struct view *v, size_t n)
{
    struct view first = *v;

    if (first.len > n)
        first.len = n;
    if (first.have > n)
        first.have = n;
    return first;
}

/* What is said of a frame beside its bytes. */
struct about {
    bool in;
    bool verify; /* all bytes are at hand, and their transport checksum should be right */
    uint16_t gso_size;
    uint16_t vlan;
};

/* The first line of a payload, if it is text. */
static void add_hint(struct text *t, const struct view *payload)
{
    size_t n = 0;

    while (n < payload->have && n < HINT_MAX && payload->p[n] >= ' ' && payload->p[n] <= '~')
        n++;
    bool whole =
        n == payload->have || n == HINT_MAX || payload->p[n] == '\r' || payload->p[n] == '\n';
    if (n > 0 && (whole || n >= HINT_MIN))
        add(t, "  \"%.*s\"", (int)n, (const char *)payload->p);
}

static void add_checksum(struct text *t, const struct about *about, const struct ipv4_hdr *ip,
                         const struct view *segment)
{
    struct ip_addr src = addr_v4(ip->src), dst = addr_v4(ip->dst);
    struct csum sum = {0};

    if (!about->verify)
        return;
    csum_add_pseudo(&sum, &src, &dst, ip->proto, (uint32_t)segment->len);
    csum_add(&sum, segment->p, segment->len);
    if (csum_finish(&sum) != 0)
        add(t, "  [wrong checksum]");
}

/* ---- TCP ---- */

/* Initial sequence numbers. Four flows share a row of the table; the one that was met longest ago
 * gives way. */
#define FLOW_ROWS 256u
#define FLOW_WAYS 4u

struct flow {
    uint8_t key[12]; /* addresses and ports, the lower end first */
    uint64_t used;   /* 0: free */
    uint32_t base[2];
    bool has_base[2]; /* of the lower end, of the higher one */
};

struct trace_memory {
    bool begun;
    uint64_t first_us;
    uint64_t flow_clock;
    struct flow flows[FLOW_ROWS][FLOW_WAYS];
};

static struct trace_memory own_memory;
static struct trace_memory *memory = &own_memory;

size_t trace_memory_bytes(void)
{
    return sizeof(struct trace_memory);
}

void trace_share(void *shared)
{
    memory = shared ? shared : &own_memory;
}

/* *higher: is the source the higher end? */
static struct flow *flow_of(const struct ipv4_hdr *ip, const struct tcp_hdr *tcp, int *higher)
{
    uint64_t src = (uint64_t)ip->src << 16 | tcp->src_port;
    uint64_t dst = (uint64_t)ip->dst << 16 | tcp->dst_port;
    uint64_t low = src < dst ? src : dst, high = src < dst ? dst : src;
    uint8_t key[12];
    struct flow *oldest, *row;

    *higher = src > dst;
    put_be32(key, (uint32_t)(low >> 16));
    put_be16(key + 4, (uint16_t)low);
    put_be32(key + 6, (uint32_t)(high >> 16));
    put_be16(key + 10, (uint16_t)high);
    row = memory->flows[((low * 31 + high) * 0x9e3779b97f4a7c15u >> 32) % FLOW_ROWS];
    oldest = row;
    for (size_t i = 0; i < FLOW_WAYS; i++) {
        if (row[i].used != 0 && memcmp(row[i].key, key, sizeof(key)) == 0) {
            row[i].used = ++memory->flow_clock;
            return &row[i];
        }
        if (row[i].used < oldest->used)
            oldest = &row[i];
    }
    memset(oldest, 0, sizeof(*oldest));
    memcpy(oldest->key, key, sizeof(key));
    oldest->used = ++memory->flow_clock;
    return oldest;
}

/* Notes the initial sequence numbers that the segment gives away. */
static void flow_learn(struct flow *f, int from, const struct tcp_hdr *tcp)
{
    if ((tcp->flags & TCP_SYN) && (!f->has_base[from] || f->base[from] != tcp->seq)) {
        f->base[from] = tcp->seq;
        f->has_base[from] = true;
        /* A new connection: the peer's old number is of no use. */
        f->has_base[!from] = false;
    }
    if (!f->has_base[from]) {
        f->base[from] = tcp->seq - (tcp->flags & TCP_RST ? 0 : 1);
        f->has_base[from] = true;
    }
    if ((tcp->flags & TCP_ACK) && !f->has_base[!from]) {
        f->base[!from] = tcp->ack - 1;
        f->has_base[!from] = true;
    }
}

static void add_tcp_options(struct text *t, const struct tcp_hdr *tcp, const struct view *area,
                            uint32_t ack_base)
{
    struct tcp_options o;
    const char *sep = "  <";
    bool syn = tcp->flags & TCP_SYN;

    memset(&o, 0, sizeof(o));
    bool malformed = tcp_options_parse(area->p, area->have, &o) < 0;
    if (o.has_mss) {
        add(t, "%smss %u", sep, o.mss);
        sep = ", ";
    }
    if (o.sack_permitted) {
        add(t, "%ssack ok", sep);
        sep = ", ";
    }
    if (o.has_ts && syn) {
        add(t, "%sts", sep);
        sep = ", ";
    }
    if (o.has_wscale) {
        add(t, "%swscale %u", sep, o.wscale);
        sep = ", ";
    }
    if (o.has_tfo) {
        add(t, "%sfast open", sep);
        sep = ", ";
    }
    for (unsigned i = 0; i < o.sack_len; i++) {
        add(t, "%ssack %u..%u", sep, o.sack[i].start - ack_base, o.sack[i].end - ack_base);
        sep = ", ";
    }
    if (malformed) {
        add(t, "%smalformed", sep);
        sep = ", ";
    }
    if (sep[0] == ',')
        add(t, ">");
}

static void format_tcp(struct text *t, const struct about *about, const struct ipv4_hdr *ip,
                       const struct view *segment)
{
    struct ip_addr src = addr_v4(ip->src), dst = addr_v4(ip->dst);
    char flags[TCP_FLAGS_STR_MAX];
    struct tcp_hdr tcp;
    size_t from = t->at;
    int higher;

    if (segment->have < TCP_HDR_MIN || tcp_parse(segment->p, segment->len, &tcp) < 0 ||
        tcp.hdr_bytes > segment->have) {
        add_flow(t, &src, -1, &dst, -1);
        add(t, "  malformed (%zu bytes)", segment->len);
        return;
    }
    add_flow(t, &src, tcp.src_port, &dst, tcp.dst_port);
    pad(t, from, FLOW_COLUMNS);
    from = t->at;
    add(t, "%s", tcp_flags_str(tcp.flags, flags));
    pad(t, from, FLAGS_COLUMNS);

    struct flow *f = flow_of(ip, &tcp, &higher);
    flow_learn(f, higher, &tcp);
    uint32_t seq = tcp.seq - f->base[higher];
    struct view payload = view_after(segment, tcp.hdr_bytes);
    struct view options = {segment->p + TCP_HDR_MIN, tcp.hdr_bytes - TCP_HDR_MIN,
                           tcp.hdr_bytes - TCP_HDR_MIN};

    add(t, "seq %u", seq);
    if (payload.len > 0)
        add(t, "..%u (%zu)", (uint32_t)(seq + payload.len), payload.len);
    if (tcp.flags & TCP_ACK)
        add(t, "  ack %u", tcp.ack - f->base[!higher]);
    add(t, "  win %u", tcp.wnd);
    if (tcp.flags & TCP_URG)
        add(t, "  urg %u", tcp.urg);
    add_tcp_options(t, &tcp, &options, f->base[!higher]);
    if (about->gso_size > 0 && payload.len > about->gso_size)
        add(t, "  in segments of %u", about->gso_size);
    add_checksum(t, about, ip, segment);
    add_hint(t, &payload);
}

/* ---- UDP ---- */

static void format_udp(struct text *t, const struct about *about, const struct ipv4_hdr *ip,
                       const struct view *datagram)
{
    struct ip_addr src = addr_v4(ip->src), dst = addr_v4(ip->dst);
    struct udp_hdr udp;
    size_t from = t->at;

    if (datagram->have < UDP_HDR_BYTES || udp_parse(datagram->p, datagram->len, &udp) < 0) {
        add_flow(t, &src, -1, &dst, -1);
        add(t, "  malformed (%zu bytes)", datagram->len);
        return;
    }
    struct view whole = view_first(datagram, udp.len_bytes);
    struct view payload = view_after(&whole, UDP_HDR_BYTES);

    add_flow(t, &src, udp.src_port, &dst, udp.dst_port);
    pad(t, from, FLOW_COLUMNS);
    add(t, "(%zu)", payload.len);
    if (udp.checksum != 0)
        add_checksum(t, about, ip, &whole);
    add_hint(t, &payload);
}

/* ---- ICMP ---- */

static const char *const unreachable[] = {
    [ICMP_UNREACH_NET] = "network unreachable",
    [ICMP_UNREACH_HOST] = "host unreachable",
    [ICMP_UNREACH_PROTOCOL] = "protocol unreachable",
    [ICMP_UNREACH_PORT] = "port unreachable",
    [ICMP_UNREACH_FRAG_NEEDED] = "fragmentation needed",
    [ICMP_UNREACH_SOURCE_ROUTE] = "source route failed",
    [ICMP_UNREACH_NET_UNKNOWN] = "network unknown",
    [ICMP_UNREACH_HOST_UNKNOWN] = "host unknown",
    [ICMP_UNREACH_ISOLATED] = "source host isolated",
    [ICMP_UNREACH_NET_PROHIBITED] = "network prohibited",
    [ICMP_UNREACH_HOST_PROHIBITED] = "host prohibited",
    [ICMP_UNREACH_NET_TOS] = "network unreachable for this type of service",
    [ICMP_UNREACH_HOST_TOS] = "host unreachable for this type of service",
    [ICMP_UNREACH_ADMIN_PROHIBITED] = "prohibited",
    [ICMP_UNREACH_PRECEDENCE] = "precedence violation",
    [ICMP_UNREACH_PRECEDENCE_CUTOFF] = "precedence too low",
};

/* The packet that an error is about: its header and eight bytes or more, usually cut off. */
static void add_quoted(struct text *t, const struct view *quoted)
{
    struct ip_addr src, dst;
    const uint8_t *p = quoted->p;

    if (quoted->have < IPV4_HDR_MIN || p[0] >> 4 != 4)
        return;
    size_t hdr_bytes = (p[0] & 0xfu) * 4u;
    src = addr_v4(get_be32(p + 12));
    dst = addr_v4(get_be32(p + 16));
    bool ports = (p[9] == IPPROTO_NUM_TCP || p[9] == IPPROTO_NUM_UDP) &&
                 hdr_bytes >= IPV4_HDR_MIN && hdr_bytes + 4 <= quoted->have;
    add(t, "  for ");
    if (p[9] == IPPROTO_NUM_TCP)
        add(t, "TCP ");
    else if (p[9] == IPPROTO_NUM_UDP)
        add(t, "UDP ");
    else if (p[9] == IPPROTO_NUM_ICMP)
        add(t, "ICMP ");
    add_flow(t, &src, ports ? get_be16(p + hdr_bytes) : -1, &dst,
             ports ? get_be16(p + hdr_bytes + 2) : -1);
}

static void format_icmp(struct text *t, const struct about *about, const struct ipv4_hdr *ip,
                        const struct view *message)
{
    struct ip_addr src = addr_v4(ip->src), dst = addr_v4(ip->dst);
    const uint8_t *p = message->p;
    size_t from = t->at;

    add_flow(t, &src, -1, &dst, -1);
    pad(t, from, FLOW_COLUMNS);
    if (message->have < ICMP_HDR_BYTES) {
        add(t, "malformed (%zu bytes)", message->len);
        return;
    }
    struct view body = view_after(message, ICMP_HDR_BYTES);
    unsigned id = get_be16(p + 4), seq = get_be16(p + 6);
    switch (p[0]) {
    case ICMP_ECHO_REQUEST:
        add(t, "echo request  id %u  seq %u  (%zu)", id, seq, body.len);
        break;
    case ICMP_ECHO_REPLY:
        add(t, "echo reply  id %u  seq %u  (%zu)", id, seq, body.len);
        break;
    case ICMP_UNREACHABLE:
        if (p[1] < sizeof(unreachable) / sizeof(unreachable[0]))
            add(t, "%s", unreachable[p[1]]);
        else
            add(t, "unreachable, code %u", p[1]);
        if (p[1] == ICMP_UNREACH_FRAG_NEEDED)
            add(t, "  mtu %u", seq);
        add_quoted(t, &body);
        break;
    case ICMP_SOURCE_QUENCH:
        add(t, "source quench");
        add_quoted(t, &body);
        break;
    case ICMP_REDIRECT: {
        char gateway[ADDR_STR_MAX];
        add(t, "redirect to %s", v4_str(get_be32(p + 4), gateway));
        add_quoted(t, &body);
        break;
    }
    case ICMP_TIME_EXCEEDED:
        add(t, p[1] == 0 ? "time to live exceeded" : "reassembly time exceeded");
        add_quoted(t, &body);
        break;
    case ICMP_PARAMETER_PROBLEM:
        add(t, "parameter problem at byte %u", p[4]);
        add_quoted(t, &body);
        break;
    default:
        add(t, "type %u, code %u  (%zu)", p[0], p[1], body.len);
        break;
    }
    if (about->in && message->have == message->len && csum(p, message->len) != 0)
        add(t, "  [wrong checksum]");
}

/* ---- IP, ARP and the frame ---- */

static const char *proto_name(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_NUM_TCP:
        return "TCP";
    case IPPROTO_NUM_UDP:
        return "UDP";
    case IPPROTO_NUM_ICMP:
        return "ICMP";
    default:
        return "IP";
    }
}

static void add_proto(struct text *t, const struct about *about, const char *name)
{
    add(t, "%-4s  ", name);
    if (about->vlan != 0)
        add(t, "vlan %u  ", about->vlan);
}

static void format_ipv4(struct text *t, const struct about *about, const struct view *packet)
{
    struct ipv4_hdr ip;
    int r = packet->have < IPV4_HDR_MIN ? -1 : ipv4_parse(packet->p, packet->len, &ip);

    if (r < 0 || ip.hdr_bytes > packet->have) {
        add_proto(t, about, "IP");
        add(t, "malformed (%zu bytes)", packet->len);
        return;
    }
    struct ip_addr src = addr_v4(ip.src), dst = addr_v4(ip.dst);
    struct view whole = view_first(packet, ip.total_bytes);
    struct view payload = view_after(&whole, ip.hdr_bytes);
    size_t from;

    add_proto(t, about, ip.mf || ip.frag_offset > 0 ? "IP" : proto_name(ip.proto));
    from = t->at;
    if (ip.mf || ip.frag_offset > 0) {
        add_flow(t, &src, -1, &dst, -1);
        pad(t, from, FLOW_COLUMNS);
        add(t, "%s fragment  id %u  %u..%zu (%zu)%s", proto_name(ip.proto), ip.id, ip.frag_offset,
            ip.frag_offset + payload.len, payload.len, ip.mf ? "  more follow" : "  last");
        return;
    }
    switch (ip.proto) {
    case IPPROTO_NUM_TCP:
        format_tcp(t, about, &ip, &payload);
        break;
    case IPPROTO_NUM_UDP:
        format_udp(t, about, &ip, &payload);
        break;
    case IPPROTO_NUM_ICMP:
        format_icmp(t, about, &ip, &payload);
        break;
    default:
        add_flow(t, &src, -1, &dst, -1);
        pad(t, from, FLOW_COLUMNS);
        add(t, "protocol %u  (%zu)", ip.proto, payload.len);
        break;
    }
}

static void format_arp(struct text *t, const struct about *about, const struct view *packet)
{
    char sender[ADDR_STR_MAX], target[ADDR_STR_MAX], mac[MAC_STR_MAX];
    struct arp arp;

    add_proto(t, about, "ARP");
    if (packet->have < ARP_BYTES || arp_parse(packet->p, packet->have, &arp) < 0) {
        add(t, "malformed (%zu bytes)", packet->len);
        return;
    }
    v4_str(arp.spa, sender);
    v4_str(arp.tpa, target);
    mac_str(&arp.sha, mac);
    if (arp.op == ARP_REPLY)
        add(t, "%s is at %s", sender, mac);
    else if (arp.op != ARP_REQUEST)
        add(t, "operation %u from %s", arp.op, sender);
    else if (arp.spa == 0) /* RFC 5227 2.1.1 */
        add(t, "does anybody have %s?", target);
    else if (arp.spa == arp.tpa) /* RFC 5227 2.3 */
        add(t, "%s is now at %s", sender, mac);
    else
        add(t, "who has %s? tell %s", target, sender);
}

static void format_packet(struct text *t, const struct about *about, uint16_t type,
                          const struct view *packet)
{
    char name[8];

    switch (type) {
    case ETHTYPE_IPV4:
        format_ipv4(t, about, packet);
        break;
    case ETHTYPE_ARP:
        format_arp(t, about, packet);
        break;
    case ETHTYPE_IPV6:
        add_proto(t, about, "IPv6");
        add(t, "(%zu)", packet->len);
        break;
    default:
        snprintf(name, sizeof(name), "%04x", type);
        add_proto(t, about, name);
        add(t, "(%zu)", packet->len);
        break;
    }
}

static void format_frame(struct text *t, struct about *about, enum netif_type type,
                         const struct view *frame)
{
    struct eth_hdr eth;
    struct view packet;

    switch (type) {
    case NETIF_ETHERNET:
        if (eth_parse(frame->p, frame->have, &eth) < 0) {
            add(t, "%-4s  malformed (%zu bytes)", "eth", frame->len);
            return;
        }
        about->vlan = eth.vlan;
        packet = view_after(frame, eth.hdr_bytes);
        format_packet(t, about, eth.type, &packet);
        return;
    case NETIF_IP:
        if (frame->have == 0)
            add(t, "%-4s  malformed (0 bytes)", "IP");
        else
            format_packet(t, about, frame->p[0] >> 4 == 6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4, frame);
        return;
    }
}

static void format_in(struct text *t, const struct trace_event *ev)
{
    struct about about = {
        .in = true,
        .verify = !(ev->in->flags & (FRAME_CSUM_GOOD | FRAME_CSUM_UNFINISHED)),
        .gso_size = ev->in->gso_size,
    };
    const struct view frame = {ev->in->data, ev->in->len, ev->in->len};

    add(t, "in   ");
    format_frame(t, &about, ev->nif->type, &frame);
}

static void format_out(struct text *t, const struct trace_event *ev)
{
    const struct frame *f = ev->out;
    struct about about = {.gso_size = f->gso_size};
    uint8_t copy[COPIED_BYTES] = {0};
    size_t n = frame_head_bytes(f);

    memcpy(copy, f->head + f->head_at, n);
    for (unsigned i = 0; i < f->nbody && n < sizeof(copy); i++) {
        size_t part = f->body[i].iov_len;
        if (part > sizeof(copy) - n)
            part = sizeof(copy) - n;
        memcpy(copy + n, f->body[i].iov_base, part);
        n += part;
    }
    const struct view frame = {copy, n, frame_bytes(f)};
    add(t, "out  ");
    format_frame(t, &about, ev->nif->type, &frame);
}

static void format_state(struct text *t, const struct trace_event *ev)
{
    size_t from;

    add(t, "%*s", 11, "");
    from = t->at;
    add_flow(t, &ev->local.addr, ev->local.port, &ev->remote.addr, ev->remote.port);
    pad(t, from, FLOW_COLUMNS);
    add(t, "%s -> %s", ev->from, ev->to);
}

size_t trace_format(const struct trace_event *ev, char *out, size_t n)
{
    struct text t = {out, n, 0};

    if (n == 0)
        return 0;
    if (!memory->begun) {
        memory->begun = true;
        memory->first_us = ev->now_us;
    }
    uint64_t us = ev->now_us > memory->first_us ? ev->now_us - memory->first_us : 0;
    add(&t, "%5llu.%06llu  ", (unsigned long long)(us / 1000000),
        (unsigned long long)(us % 1000000));
    switch (ev->kind) {
    case TRACE_FRAME_IN:
        format_in(&t, ev);
        break;
    case TRACE_FRAME_OUT:
        format_out(&t, ev);
        break;
    case TRACE_TCP_STATE:
        format_state(&t, ev);
        break;
    case TRACE_NOTE:
        add(&t, "%*s%s", 11, "", ev->note);
        break;
    }
    return t.at;
}
