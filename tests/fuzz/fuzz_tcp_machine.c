/*
 * TCP as a whole: a listener and a connection of its own, driven by segments, user calls, the
 * passing of time and failures.
 *
 * The input is a row of steps of 8 bytes. Segments are described relative to where the connection
 * stands, for numbers at random would all be outside of the windows:
 *
 *      segment: 0, flags, base of seq | base of ack << 4, length / 32, window / 256, seq delta / 8,
 *               ack delta / 8, options (MSS, scale with SACK, timestamps, an old timestamp, urgent,
 * gso, other flow) call:    1, which, -, amount / 64 ... time:    2, milliseconds (2 bytes) * 8
 * trouble: 3, which, argument
 *
 * After each step the variables of every pcb must agree with each other, what went out must keep to
 * the windows, and every byte read or sent must be the one that belongs there. In the end
 * everything can be closed, and all memory comes back.
 */
#include "fuzz.h"

#include <errno.h>
#include <sys/mman.h>

#include "tcp/tcp_int.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

#define FUZZ_ARENA_BYTES (4u << 20)
#define FUZZ_US          0xc0000202u
#define FUZZ_PEER        0xc0000201u
#define FUZZ_STEP_BYTES  8
#define FUZZ_STEPS_MAX   400
#define FUZZ_IRS         0xfffffe00u

enum { STEP_SEGMENT, STEP_CALL, STEP_TIME, STEP_TROUBLE, STEP_KINDS };
enum {
    OPTION_MSS = 1,
    OPTION_SCALE = 2,
    OPTION_TS = 4,
    OPTION_OLD_TS = 8,
    OPTION_URGENT = 16,
    OPTION_GSO = 32,
    OPTION_NO_ACK_BIT = 64,
    OPTION_OTHER_FLOW = 128,
};

struct machine {
    struct arena *arena;
    struct net *net;
    struct tcp *tcp;
    struct netif *nif;
    struct net_env env;
    struct tcp_pcb *listener, *active, *accepted;
    int link_error;
};
static struct machine *m; /* of the call that is running */

/* The byte that belongs at a sequence number. */
static uint8_t byte_at(uint32_t seq)
{
    return (uint8_t)(seq ^ seq >> 8 ^ seq >> 17);
}

/* ---- what goes out ---- */

static void check_segment(const struct tcp_hdr *h, const uint8_t *text, uint32_t len,
                          const struct frame *f)
{
    struct endpoint local = {.addr = addr_v4(FUZZ_US), .port = h->src_port};
    struct endpoint peer = {.addr = addr_v4(FUZZ_PEER), .port = h->dst_port};
    struct tcp_pcb *pcb = tcp_flow_find(m->tcp, &local, &peer);

    if (!pcb) { /* a RST for nobody, or of one that has just gone */
        FUZZ_CHECK(len == 0 && h->flags & TCP_RST);
        return;
    }
    FUZZ_CHECK(len == 0 || f->gso_size || len <= pcb->snd_mss);
    FUZZ_CHECK(!f->gso_size || (f->gso_size == pcb->snd_mss && len > f->gso_size));
    FUZZ_CHECK(len == 0 || seq_le(h->seq + len, tcp_snd_end(pcb)));
    /* Nothing beyond the largest window that the peer ever offered. */
    FUZZ_CHECK(len == 0 || seq_le(h->seq + len, pcb->snd_una + pcb->snd_wnd_max));
    FUZZ_CHECK(h->flags & TCP_ACK || pcb->state == TCP_SYN_SENT || h->flags & TCP_RST);
    if (h->flags & TCP_ACK && !(h->flags & TCP_RST))
        FUZZ_CHECK(h->ack == pcb->rcv_nxt);
    for (uint32_t i = 0; i < len; i++)
        FUZZ_CHECK(text[i] == byte_at(h->seq + i));
}

static int machine_output(void *ctx, struct netif *nif, const struct frame *f)
{
    static uint8_t p[70000];
    size_t len = frame_head_bytes(f);
    struct ipv4_hdr ip;
    struct tcp_hdr h;

    if (m->link_error)
        return m->link_error;
    memcpy(p, f->head + f->head_at, len);
    for (uint8_t i = 0; i < f->nbody; i++) {
        memcpy(p + len, f->body[i].iov_base, f->body[i].iov_len);
        len += f->body[i].iov_len;
    }
    FUZZ_CHECK(ipv4_parse(p, len, &ip) == 0 && ip.total_bytes == len);
    if (ip.proto != IPPROTO_NUM_TCP)
        return 0;
    FUZZ_CHECK(tcp_parse(p + ip.hdr_bytes, len - ip.hdr_bytes, &h) == 0);
    FUZZ_CHECK(f->gso_size || len <= nif->mtu);
    check_segment(&h, p + ip.hdr_bytes + h.hdr_bytes, (uint32_t)(len - ip.hdr_bytes - h.hdr_bytes),
                  f);
    return 0;
}

static void up_tcp_input(struct net *net, const struct ip_packet *pkt)
{
    tcp_input(m->tcp, pkt);
}
static void up_tcp_icmp_error(struct net *net, const struct icmp_error *e)
{
    tcp_icmp_error(m->tcp, e);
}
static void up_udp_input(struct net *net, const struct ip_packet *pkt) {}
static void up_udp_icmp_error(struct net *net, const struct icmp_error *e) {}
static void up_sock_ready(struct net *net, void *owner, uint32_t mask)
{
    FUZZ_CHECK(owner == m && mask != 0);
}

static const struct net_upcalls upcalls = {
    .tcp_input = up_tcp_input,
    .udp_input = up_udp_input,
    .tcp_icmp_error = up_tcp_icmp_error,
    .udp_icmp_error = up_udp_icmp_error,
    .sock_ready = up_sock_ready,
};

/* ---- what must hold ---- */

static void check_ranges(const struct tcp_pcb *pcb)
{
    uint64_t last = pcb->rcv.end;

    for (uint32_t i = 0; i < pcb->ofo.len; i++) {
        FUZZ_CHECK(pcb->ofo.r[i].start > last && pcb->ofo.r[i].end > pcb->ofo.r[i].start);
        last = pcb->ofo.r[i].end;
    }
}

static void check_pcb(const struct tcp_pcb *pcb)
{
    uint32_t sent_end = pcb->fin_sent ? pcb->snd_nxt - 1 : pcb->snd_nxt;

    if (pcb->state == TCP_CLOSED || pcb->state == TCP_LISTEN) {
        FUZZ_CHECK(!pcb->hashed && !timer_armed(&pcb->rexmt) && !timer_armed(&pcb->delack));
        return;
    }
    FUZZ_CHECK(pcb->hashed);
    FUZZ_CHECK(seq_le(pcb->snd_una, pcb->snd_nxt));
    FUZZ_CHECK(pcb->state == TCP_SYN_SENT ||
               pcb->rcv_nxt == pcb->irs + 1 + (uint32_t)pcb->rcv.end + pcb->fin_rcvd);
    FUZZ_CHECK(pcb->snd_mss >= TCP_MIN_SEND_MSS - TCP_TS_BYTES);
    check_ranges(pcb);
    if (!tcp_state_sends(tcp_state(pcb)))
        return;
    FUZZ_CHECK(seq_le(sent_end, tcp_snd_end(pcb)));
    FUZZ_CHECK(pcb->snd.start == tcp_snd_off(pcb, pcb->snd_una) || pcb->fin_sent);
    FUZZ_CHECK(pcb->cwnd >= pcb->snd_mss || pcb->cwnd >= TCP_MIN_SEND_MSS - TCP_TS_BYTES);
    FUZZ_CHECK(pcb->rto_us >= TCP_RTO_MIN_US && pcb->rto_us <= TCP_RTO_MAX_US);
    /* Whatever is in flight or waits is looked after by a timer. */
    if (tcp_flight(pcb) || tcp_unsent_bytes(pcb) || (pcb->fin_queued && !pcb->fin_sent))
        FUZZ_CHECK(pcb->rexmt_at_us != TIMER_NEVER && timer_armed(&pcb->rexmt));
    FUZZ_CHECK(!tcp_sent_check(pcb));
}

static void check_all(void)
{
    uint64_t mem = 0, established = 0;
    uint32_t orphans = 0;

    tcp_flush(m->tcp);
    FUZZ_CHECK(list_empty(&m->tcp->ack_queue));
    for (struct tcp_pcb *pcb = slab_next(&m->tcp->pcbs, NULL); pcb;
         pcb = slab_next(&m->tcp->pcbs, pcb)) {
        check_pcb(pcb);
        FUZZ_CHECK(pcb->mem_bytes == ring_memory(&pcb->snd) + ring_memory(&pcb->rcv));
        mem += pcb->mem_bytes;
        orphans += pcb->orphan;
        established += pcb->state == TCP_ESTABLISHED || pcb->state == TCP_CLOSE_WAIT;
        FUZZ_CHECK(pcb->owner || pcb->orphan || pcb->parent);
        tcp_poll(pcb);
    }
    FUZZ_CHECK(mem == m->tcp->mem_bytes);
    FUZZ_CHECK(orphans == m->tcp->orphans);
    FUZZ_CHECK(established == m->tcp->stats.curr_estab);
    FUZZ_CHECK(m->tcp->stats.illegal_edges == 0);
}

/* ---- steps ---- */

static struct endpoint local_of(bool other)
{
    return (struct endpoint){.addr = addr_v4(FUZZ_US), .port = other ? 1025 : 80};
}
static struct endpoint peer_of(bool other)
{
    return (struct endpoint){.addr = addr_v4(FUZZ_PEER), .port = other ? 7 : 40000};
}

static uint32_t choose_seq(const struct tcp_pcb *pcb, const uint8_t *b)
{
    uint32_t delta = (uint32_t)b[5] * 8;

    if (!pcb || pcb->state == TCP_SYN_SENT)
        return FUZZ_IRS + (b[2] & 15 ? delta : 0);
    switch (b[2] & 15) {
    case 0:
        return pcb->rcv_nxt;
    case 1:
        return pcb->rcv_nxt + delta;
    case 2:
        return pcb->rcv_nxt - delta;
    case 3:
        return pcb->rcv_adv - delta;
    case 4:
        return pcb->irs;
    case 5:
        return pcb->rcv_nxt + (delta << 20);
    default:
        return pcb->rcv_nxt + b[2] % 3 - 1;
    }
}

static uint32_t choose_ack(const struct tcp_pcb *pcb, const uint8_t *b)
{
    uint32_t delta = (uint32_t)b[6] * 8;

    if (!pcb)
        return delta;
    switch (b[2] >> 4) {
    case 0:
        return pcb->snd_nxt;
    case 1:
        return pcb->snd_una;
    case 2:
        return pcb->snd_una + delta;
    case 3:
        return pcb->snd_una - delta;
    case 4:
        return pcb->snd_nxt + 1;
    default:
        return pcb->snd_nxt - delta;
    }
}

static void inject(uint8_t *packet, size_t l4_bytes, uint8_t proto, uint16_t gso)
{
    struct ipv4_hdr ip = {.src = FUZZ_PEER,
                          .dst = FUZZ_US,
                          .total_bytes = (uint16_t)(20 + l4_bytes),
                          .ttl = 64,
                          .proto = proto,
                          .hdr_bytes = 20};
    struct frame_in in = {.data = packet, .len = 20 + l4_bytes, .gso_size = gso};

    ipv4_emit(&ip, packet);
    net_input(m->net, m->nif, &in);
}

/* SACK permitted on a SYN, and blocks near SND.UNA on everything else: right ones and wrong ones.
 */
static void add_sack(const struct tcp_pcb *pcb, const uint8_t *b, struct tcp_options *opt)
{
    uint32_t una = pcb ? pcb->snd_una : 0;

    opt->sack_permitted = b[1] & TCP_SYN;
    if (b[1] & TCP_SYN)
        return;
    opt->has_wscale = false;
    opt->sack_len = (uint8_t)(1 + b[4] % 3);
    opt->sack[0] = (struct tcp_sack_block){una + b[5] * 40u, una + b[5] * 40u + b[6] * 40u};
    opt->sack[1] = (struct tcp_sack_block){una + b[4] * 100u, una + b[4] * 100u + b[3] * 10u};
    opt->sack[2] = (struct tcp_sack_block){una - b[6], una + b[5]};
}

static void step_segment(const uint8_t *b)
{
    static uint8_t packet[20 + TCP_HDR_MAX + 255 * 32];
    bool other = b[7] & OPTION_OTHER_FLOW;
    struct endpoint local = local_of(other), peer = peer_of(other);
    struct tcp_pcb *pcb = tcp_flow_find(m->tcp, &local, &peer);
    struct tcp_options opt = {.has_mss = b[7] & OPTION_MSS,
                              .mss = (uint16_t)(b[6] * 8),
                              .has_wscale = b[7] & OPTION_SCALE,
                              .wscale = b[5] & 15,
                              .has_ts = b[7] & OPTION_TS,
                              .ts_val = (uint32_t)(m->net->now_us / 1000) -
                                        (b[7] & OPTION_OLD_TS ? 5000 : 0),
                              .ts_ecr = pcb ? tcp_segment_ts_now(m->tcp, pcb) - b[6] : 0};
    uint8_t *l4 = packet + 20;
    if (b[7] & OPTION_SCALE)
        add_sack(pcb, b, &opt);
    size_t opt_bytes = b[7] & 7 ? tcp_options_emit(&opt, l4 + TCP_HDR_MIN) : 0;
    struct tcp_hdr h = {.src_port = peer.port,
                        .dst_port = local.port,
                        .seq = choose_seq(pcb, b),
                        .ack = choose_ack(pcb, b),
                        .wnd = (uint16_t)(b[4] * 256),
                        .urg = b[7] & OPTION_URGENT ? (uint16_t)(b[5] * 4) : 0,
                        .flags = (uint8_t)(b[1] ^ (b[7] & OPTION_NO_ACK_BIT ? 0 : TCP_ACK)),
                        .hdr_bytes = (uint8_t)(TCP_HDR_MIN + opt_bytes)};
    size_t len = h.hdr_bytes + b[3] * 32u;
    struct csum sum = {0};

    if (b[7] & OPTION_URGENT)
        h.flags |= TCP_URG;
    tcp_emit(&h, l4);
    for (uint32_t i = 0; i < b[3] * 32u; i++)
        l4[h.hdr_bytes + i] = byte_at(h.seq + i + ((h.flags & TCP_SYN) != 0));
    csum_add_pseudo(&sum, &peer.addr, &local.addr, IPPROTO_NUM_TCP, (uint32_t)len);
    csum_add(&sum, l4, len);
    put_be16(l4 + 16, csum_finish(&sum));
    inject(packet, len, IPPROTO_NUM_TCP, b[7] & OPTION_GSO ? 1000 : 0);
}

static void call_send(struct tcp_pcb *pcb, size_t len, int flags)
{
    static uint8_t bytes[255 * 64];
    struct iovec iov = {bytes, len};
    uint32_t seq = tcp_snd_end(pcb);
    ssize_t n;

    for (uint32_t i = 0; i < len; i++)
        bytes[i] = byte_at(seq + i);
    n = tcp_send(m->tcp, pcb, &iov, 1, 0, len, flags);
    FUZZ_CHECK(n <= (ssize_t)len && (n != 0 || len == 0));
}

static void call_recv(struct tcp_pcb *pcb, size_t len, int flags)
{
    static uint8_t bytes[255 * 64];
    struct iovec iov = {bytes, len};
    bool exact = pcb->urgent == TCP_URGENT_NONE && !(flags & (TCP_IO_OOB | TCP_IO_TRUNC));
    uint32_t seq = pcb->irs + 1 + (uint32_t)pcb->rcv.start;
    ssize_t n = tcp_recv(m->tcp, pcb, &iov, 1, 0, len, flags, 0);

    FUZZ_CHECK(n <= (ssize_t)len);
    for (ssize_t i = 0; exact && i < n; i++)
        FUZZ_CHECK(bytes[i] == byte_at(seq + (uint32_t)i));
}

static void call_open(bool active)
{
    struct tcp_pcb **pcb = active ? &m->active : &m->listener;
    struct endpoint local = local_of(active), peer = peer_of(active);

    if (!*pcb)
        *pcb = tcp_open(m->tcp, m);
    if (!*pcb)
        return;
    tcp_config(*pcb)->reuse_addr = true;
    if (tcp_local(*pcb)->port == 0 && tcp_bind(m->tcp, *pcb, &local))
        return;
    if (active)
        tcp_connect(m->tcp, *pcb, &peer);
    else
        tcp_listen(m->tcp, *pcb, 2);
}

static void call_accept(void)
{
    struct tcp_pcb *child = m->listener ? tcp_accept(m->tcp, m->listener) : NULL;

    if (!child)
        return;
    tcp_set_owner(child, m);
    if (m->accepted)
        tcp_close(m->tcp, m->accepted);
    m->accepted = child;
}

static void call_configure(struct tcp_pcb *pcb, const uint8_t *b)
{
    struct tcp_config *c = tcp_config(pcb);

    c->nodelay = b[3] & 1;
    c->cork = b[3] & 2;
    c->keepalive = b[3] & 4;
    c->oobinline = b[3] & 8;
    c->user_timeout_ms = b[3] & 16 ? 3000 : 0;
    c->user_mss = b[3] & 32 ? 200 : 0;
    c->rcvbuf_locked = c->sndbuf_locked = b[3] & 64;
    if (b[3] & 64)
        c->rcvbuf_bytes = c->sndbuf_bytes = (uint32_t)(b[4] + 1) * 100;
    c->linger2_ms = b[5] * 100u;
    tcp_config_changed(m->tcp, pcb);
}

static void step_call(const uint8_t *b)
{
    struct tcp_pcb **which = b[1] & 0x80 ? &m->active : &m->accepted;
    struct tcp_pcb *pcb = *which;

    switch (b[1] & 15) {
    case 0:
        call_open(true);
        return;
    case 1:
        call_open(false);
        return;
    case 2:
        call_accept();
        return;
    case 3:
        if (m->listener)
            tcp_close(m->tcp, m->listener);
        m->listener = NULL;
        return;
    default:
        break;
    }
    if (!pcb)
        return;
    switch (b[1] & 15) {
    case 4:
    case 5:
        call_send(pcb, b[3] * 64u, 0);
        return;
    case 6:
        call_send(pcb, b[3], b[4] & (TCP_IO_OOB | TCP_IO_MORE));
        return;
    case 7:
    case 8:
        call_recv(pcb, b[3] * 64u, 0);
        return;
    case 9:
        call_recv(pcb, b[3] * 64u, b[4] & (TCP_IO_PEEK | TCP_IO_OOB | TCP_IO_TRUNC));
        return;
    case 10:
        tcp_shutdown(m->tcp, pcb, b[3] % 3);
        return;
    case 11:
        *which = NULL;
        tcp_close(m->tcp, pcb);
        return;
    case 12:
        *which = NULL;
        tcp_abort(m->tcp, pcb);
        return;
    case 13:
        tcp_disconnect(m->tcp, pcb);
        return;
    case 14:
        call_configure(pcb, b);
        return;
    default:
        tcp_set_quickack(m->tcp, pcb, b[3] & 1);
        return;
    }
}

/* Runs what is due, in the order of time, as often as a step may ask for it. */
static void pass_time(uint64_t us)
{
    uint64_t until = m->net->now_us + us;

    for (int i = 0; i < 2000; i++) {
        uint64_t next = timers_next(&m->net->timers);
        struct timer *t;
        if (next > until)
            break;
        if (next > m->net->now_us)
            m->net->now_us = next;
        t = timers_pop_due(&m->net->timers, m->net->now_us);
        if ((t->kind & TIMER_LAYER_MASK) == TIMER_LAYER_TCP)
            tcp_timer(m->tcp, t);
        else
            net_timer(m->net, t);
        tcp_flush(m->tcp);
    }
    if (m->net->now_us < until)
        m->net->now_us = until;
}

static void trouble_icmp(const uint8_t *b)
{
    uint8_t packet[20 + 8 + 28] = {0}, *quote = packet + 28;
    bool other = b[7] & OPTION_OTHER_FLOW;
    struct endpoint local = local_of(other), peer = peer_of(other);
    struct tcp_pcb *pcb = tcp_flow_find(m->tcp, &local, &peer);
    struct ipv4_hdr ip = {.src = FUZZ_US,
                          .dst = FUZZ_PEER,
                          .total_bytes = 1500,
                          .ttl = 60,
                          .proto = IPPROTO_NUM_TCP,
                          .hdr_bytes = 20};
    struct icmp_hdr h = {.type = b[2] & 1 ? ICMP_TIME_EXCEEDED : ICMP_UNREACHABLE,
                         .code = b[3] % 16,
                         .seq = (uint16_t)(b[4] * 8)};

    ipv4_emit(&ip, quote);
    put_be16(quote + 20, local.port);
    put_be16(quote + 22, peer.port);
    put_be32(quote + 24, (pcb ? pcb->snd_una : 0) + b[5]);
    icmp_emit(&h, quote, 28, packet + 20);
    inject(packet, 36, IPPROTO_NUM_ICMP, 0);
}

static void step_trouble(const uint8_t *b)
{
    static const int errors[] = {0, -ENOBUFS, -ENETDOWN, -EAGAIN};

    switch (b[1] & 3) {
    case 0:
        m->link_error = errors[b[2] & 3];
        return;
    case 1:
        arena_fail_at(m->arena, b[2] % 16);
        return;
    case 2:
        trouble_icmp(b);
        return;
    default:
        netif_set_mtu(m->net, m->nif, 576 + b[2] * 8u);
        return;
    }
}

/* ---- a run ---- */

static void machine_start(struct machine *machine, void *mem, bool gso)
{
    struct netif desc = {.index = 1,
                         .name = "fuzz",
                         .type = NETIF_IP,
                         .mtu = 1500,
                         .gso_max_bytes = gso ? 65535 : 0,
                         .up = true};
    struct ip_addr us = addr_v4(FUZZ_US);

    memset(machine, 0, sizeof(*machine));
    m = machine;
    m->arena = arena_init(mem, FUZZ_ARENA_BYTES, 0);
    arena_watch(m->arena, true);
    m->env = (struct net_env){.up = &upcalls, .output = machine_output};
    m->net = arena_zalloc(m->arena, sizeof(*m->net));
    m->tcp = arena_zalloc(m->arena, sizeof(*m->tcp));
    m->net->env = &m->env;
    m->net->now_us = 1000000000;
    FUZZ_CHECK(net_init(m->net, m->arena, 1) == 0 && tcp_init(m->tcp, m->net) == 0);
    m->nif = netif_add(m->net, &desc);
    FUZZ_CHECK(netif_add_addr(m->net, m->nif, &us, 24, false, false) == 0);
    call_open(false);
}

static void machine_end(void)
{
    arena_fail_at(m->arena, 0);
    m->link_error = 0;
    if (m->active)
        tcp_close(m->tcp, m->active);
    if (m->accepted)
        tcp_close(m->tcp, m->accepted);
    if (m->listener)
        tcp_close(m->tcp, m->listener);
    tcp_flush(m->tcp);
    pass_time(4000ull * 1000000);
    FUZZ_CHECK(m->tcp->pcbs.live == 0 && m->tcp->port_slab.live == 0 &&
               m->tcp->listeners.live == 0);
    FUZZ_CHECK(m->tcp->flows.count == 0 && m->tcp->ports.count == 0);
    FUZZ_CHECK(m->tcp->mem_bytes == 0 && m->tcp->orphans == 0);
    arena_watch(m->arena, false);
}

FUZZ_TARGET(tcp_machine)
{
    struct machine machine;
    void *mem;

    if (len < 1)
        return 0;
    mem = mmap(NULL, FUZZ_ARENA_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FUZZ_CHECK(mem != MAP_FAILED);
    machine_start(&machine, mem, data[0] & 1);
    data++;
    len--;
    for (int i = 0; i < FUZZ_STEPS_MAX && len >= FUZZ_STEP_BYTES; i++) {
        switch (data[0] % STEP_KINDS) {
        case STEP_SEGMENT:
            step_segment(data);
            break;
        case STEP_CALL:
            step_call(data);
            break;
        case STEP_TIME:
            pass_time((uint64_t)get_be16(data + 1) * 8000);
            break;
        default:
            step_trouble(data);
            break;
        }
        check_all();
        data += FUZZ_STEP_BYTES;
        len -= FUZZ_STEP_BYTES;
    }
    machine_end();
    munmap(mem, FUZZ_ARENA_BYTES);
    return 0;
}
