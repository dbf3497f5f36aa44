/* The script engine: see script.h. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

/* Runs something of the stack's, watched if somebody watches. */
#define STACK(s, call)                                                                             \
    do {                                                                                           \
        if ((s)->watch)                                                                            \
            (s)->watch(true);                                                                      \
        call;                                                                                      \
        if ((s)->watch)                                                                            \
            (s)->watch(false);                                                                     \
    } while (0)

#define ARENA_BYTES    (32u << 20)
#define FAILURES_TRIED 60

static const uint32_t start_numbers[][2] = {
    /* our ISS, the peer's */
    {1000000, 5000000},
    {0xffffffff, 0xffffffff}, /* the SYN is the last number of the circle */
    {0xfffffffe, 0x7fffffff},
    {0xffffff00, 0xfffffe00}, /* data cross it */
    {0x7ffffff0, 0x80000000}, /* the other side, where signed arithmetic turns */
};

#define mismatch(s, ...)                                                                           \
    do {                                                                                           \
        char what_[400];                                                                           \
        snprintf(what_, sizeof(what_), __VA_ARGS__);                                               \
        if (!(s)->lenient)                                                                         \
            ck_abort_msg("%s, line %d (iss %u): %s", (s)->name, (s)->line, (s)->iss, what_);       \
    } while (0)

uint8_t script_pattern(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8) * 7 + 3);
}

/* ---- what goes out ---- */

uint32_t script_iss(const struct script *s, uint16_t port)
{
    for (size_t i = 0; i < 8; i++)
        if (port && s->others[i].port == port)
            return s->others[i].iss;
    return s->iss;
}

static void note_iss(struct script *s, uint16_t port, uint32_t iss)
{
    if (port == s->peer.port) {
        s->iss = iss;
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        if (s->others[i].port == port || s->others[i].port == 0) {
            s->others[i].port = port;
            s->others[i].iss = iss;
            return;
        }
    }
}

static int capture_frame(struct script *s, struct netif *nif, const struct frame *f)
{
    static uint8_t bytes[70000];
    size_t len = f->head_at < FRAME_HEAD_BYTES ? FRAME_HEAD_BYTES - f->head_at : 0, head = len;
    struct ipv4_hdr ip;
    struct captured *c;
    struct csum sum = {0};

    if (s->link_error)
        return s->link_error;
    memcpy(bytes, f->head + f->head_at, len);
    for (int i = 0; i < f->nbody; i++) {
        memcpy(bytes + len, f->body[i].iov_base, f->body[i].iov_len);
        len += f->body[i].iov_len;
    }
    ck_assert_int_eq(ipv4_parse(bytes, len, &ip), 0);
    ck_assert_uint_eq(ip.total_bytes, len);
    if (ip.proto != IPPROTO_NUM_TCP)
        return 0;
    ck_assert_uint_lt(s->out_len, CAPTURED_MAX);
    c = &s->out[(s->out_head + s->out_len++) % CAPTURED_MAX];
    memset(c, 0, sizeof(*c));
    s->out_total++;
    ck_assert_int_eq(tcp_parse(bytes + ip.hdr_bytes, len - ip.hdr_bytes, &c->h), 0);
    c->opt_bytes = c->h.hdr_bytes - TCP_HDR_MIN;
    ck_assert_int_eq(tcp_options_parse(bytes + ip.hdr_bytes + TCP_HDR_MIN, c->opt_bytes, &c->opt),
                     0);
    ck_assert_uint_eq(head, ip.hdr_bytes + (size_t)c->h.hdr_bytes);
    if (!f->csum_start) {
        csum_add_pseudo(&sum, &s->local.addr, &s->peer.addr, IPPROTO_NUM_TCP,
                        (uint32_t)(len - ip.hdr_bytes));
        csum_add(&sum, bytes + ip.hdr_bytes, len - ip.hdr_bytes);
        ck_assert_uint_eq(csum_finish(&sum), 0);
    }
    c->len = (uint32_t)(len - head);
    c->gso = f->gso_size;
    if (c->len > 1 && f->gso_size) /* a super-frame is more than one segment, each of which fits */
        ck_assert_uint_gt(c->len, f->gso_size);
    ck_assert_uint_le(head + (f->gso_size ? f->gso_size : c->len), nif->mtu);
    c->at_us = s->net->now_us;
    c->ttl = ip.ttl;
    c->tos = ip.tos;
    c->df = ip.df;
    if (c->h.flags & TCP_SYN)
        note_iss(s, c->h.dst_port, c->h.seq);
    for (uint32_t i = 0; i < c->len; i++)
        if (bytes[head + i] !=
            script_pattern(
                (uint32_t)(c->h.seq + i - script_iss(s, c->h.dst_port) - !(c->h.flags & TCP_SYN))))
            mismatch(s, "byte %u of the segment at %u is wrong", i, c->h.seq - s->iss);
    return 0;
}

static bool guard_all(void *ctx, const struct endpoint *local)
{
    return true;
}

static int capture(void *ctx, struct netif *nif, const struct frame *f)
{
    struct script *s = ctx;
    int err;

    if (s->watch)
        s->watch(false);
    err = capture_frame(s, nif, f);
    if (s->watch)
        s->watch(true);
    return err;
}

static struct captured *first_out(struct script *s)
{
    return s->out_len ? &s->out[s->out_head] : NULL;
}

static void drop_out(struct script *s)
{
    s->out_head = (s->out_head + 1) % CAPTURED_MAX;
    s->out_len--;
}

static const char *describe(struct script *s, const struct captured *c)
{
    static char text[160];
    char flags[40];

    snprintf(text, sizeof(text), "%s seq %u ack %u len %u wnd %u opts %zu at %+.3f ms",
             tcp_flags_str(c->h.flags, flags), c->h.seq - script_iss(s, c->h.dst_port),
             c->h.ack - s->irs, c->len, c->h.wnd, c->opt_bytes,
             ((double)c->at_us - (double)s->at_us) / 1000);
    return text;
}

/* ---- what comes in ---- */

static void upcall_tcp_input(struct net *net, const struct ip_packet *pkt);
static void upcall_icmp_error(struct net *net, const struct icmp_error *e);
static struct script *running; /* the upcalls get no context */

static void upcall_tcp_input(struct net *net, const struct ip_packet *pkt)
{
    tcp_input(running->tcp, pkt);
}
static void upcall_icmp_error(struct net *net, const struct icmp_error *e)
{
    tcp_icmp_error(running->tcp, e);
}
static void upcall_udp_input(struct net *net, const struct ip_packet *pkt) {}
static void upcall_udp_icmp_error(struct net *net, const struct icmp_error *e) {}
static void upcall_sock_ready(struct net *net, void *owner, uint32_t mask)
{
    ck_assert_ptr_eq(owner, running);
    running->events |= mask;
}

static const struct net_upcalls upcalls = {
    .tcp_input = upcall_tcp_input,
    .udp_input = upcall_udp_input,
    .tcp_icmp_error = upcall_icmp_error,
    .udp_icmp_error = upcall_udp_icmp_error,
    .sock_ready = upcall_sock_ready,
};

static void inject_ip(struct script *s, uint8_t *packet, size_t l4_bytes, uint8_t proto,
                      uint16_t gso, uint8_t tos)
{
    struct ipv4_hdr ip = {.src = addr_get_v4(&s->peer.addr),
                          .dst = addr_get_v4(&s->local.addr),
                          .total_bytes = (uint16_t)(20 + l4_bytes),
                          .ttl = 64,
                          .tos = tos,
                          .proto = proto,
                          .hdr_bytes = 20,
                          .df = true};
    uint8_t *exact = malloc(20 + l4_bytes); /* so that the sanitizer sees every byte too far */
    struct frame_in in = {.data = exact, .len = 20 + l4_bytes, .gso_size = gso};

    ipv4_emit(&ip, packet);
    memcpy(exact, packet, 20 + l4_bytes);
    STACK(s, net_input(s->net, s->nif, &in));
    free(exact);
}

static uint32_t ts_base(const struct script *s)
{
    struct tcp_pcb *pcb = script_pcb((struct script *)(uintptr_t)s);

    return (uint32_t)(s->t0_us / 1000) + (pcb ? pcb->ts_offset : 0);
}

static size_t emit_options(struct script *s, const struct sseg *g, struct tcp_options *opt,
                           uint8_t *out)
{
    tcp_fastopen_cookie(s->tcp, NULL, 0, &s->local.addr, &s->peer.addr, opt->tfo_cookie);
    opt->tfo_cookie[3] ^= g->tfo == 3;
    return tcp_options_emit(opt, out);
}

void script_in_unflushed(struct script *s, const struct sseg *g)
{
    static uint8_t packet[70000];
    uint8_t *l4 = packet + 20;
    struct tcp_options opt = {.has_mss = g->mss != 0,
                              .sack_permitted = g->sackok,
                              .mss = g->mss,
                              .has_wscale = g->ws != 0,
                              .wscale = (uint8_t)(g->ws ? g->ws - 1 : 0),
                              .has_ts = g->ts,
                              .ts_val = g->ts_val,
                              .ts_ecr = g->f & ACK ? ts_base(s) + g->ts_ecr : 0,
                              .has_tfo = g->tfo != 0,
                              .tfo_len = g->tfo > 1 ? 8 : 0};
    for (; g->nsack && opt.sack_len < g->nsack - 1; opt.sack_len++) {
        opt.sack[opt.sack_len].start = script_iss(s, g->sport) + g->sack[opt.sack_len].start;
        opt.sack[opt.sack_len].end = script_iss(s, g->sport) + g->sack[opt.sack_len].end;
    }
    size_t opt_bytes = emit_options(s, g, &opt, l4 + TCP_HDR_MIN);
    struct tcp_hdr h = {.src_port = g->sport ? g->sport : s->peer.port,
                        .dst_port = s->local.port,
                        .seq = s->irs + g->seq,
                        .ack = g->f & ACK ? script_iss(s, g->sport) + g->ack : 0,
                        .wnd = (uint16_t)(g->win == 0  ? PEER_WND
                                          : g->win < 0 ? 0
                                                       : (uint32_t)g->win),
                        .urg = g->urg,
                        .flags = g->f,
                        .hdr_bytes = (uint8_t)(TCP_HDR_MIN + opt_bytes)};
    size_t len = h.hdr_bytes + g->len;
    struct csum sum = {0};

    if (!(opt.has_mss || opt.has_wscale || opt.has_ts || opt.has_tfo || opt.sack_len))
        h.hdr_bytes = TCP_HDR_MIN, len = TCP_HDR_MIN + g->len;
    tcp_emit(&h, l4);
    for (uint32_t i = 0; i < g->len; i++)
        l4[h.hdr_bytes + i] = script_pattern((uint32_t)(g->seq + i - !(g->f & SYN)));
    csum_add_pseudo(&sum, &s->peer.addr, &s->local.addr, IPPROTO_NUM_TCP, (uint32_t)len);
    csum_add(&sum, l4, len);
    put_be16(l4 + 16, (uint16_t)(csum_finish(&sum) + g->bad_csum));
    inject_ip(s, packet, len, IPPROTO_NUM_TCP, g->gso, g->ect);
}

void script_in(struct script *s, const struct sseg *g)
{
    script_in_unflushed(s, g);
    STACK(s, tcp_flush(s->tcp));
}

void script_forget_out(struct script *s)
{
    s->out_len = 0;
}

void script_icmp(struct script *s, uint32_t seq, uint8_t type, uint8_t code, uint16_t mtu)
{
    uint8_t packet[20 + 8 + 28] = {0}, *quote = packet + 28;
    struct ipv4_hdr ip = {.src = addr_get_v4(&s->local.addr),
                          .dst = addr_get_v4(&s->peer.addr),
                          .total_bytes = 1500,
                          .ttl = 60,
                          .proto = IPPROTO_NUM_TCP,
                          .hdr_bytes = 20,
                          .df = true};
    struct icmp_hdr h = {.type = type, .code = code, .seq = mtu};

    ipv4_emit(&ip, quote);
    put_be16(quote + 20, s->local.port);
    put_be16(quote + 22, s->peer.port);
    put_be32(quote + 24, s->iss + seq);
    icmp_emit(&h, quote, 28, packet + 20);
    inject_ip(s, packet, 36, IPPROTO_NUM_ICMP, 0, 0);
    STACK(s, tcp_flush(s->tcp));
}

/* ---- time ---- */

/* Runs timers up to `until`, or stops behind the first one that makes a segment go out. */
static void run_until(struct script *s, uint64_t until)
{
    while (s->out_len == 0) {
        uint64_t next = timers_next(&s->net->timers);
        struct timer *t;
        if (next > until)
            break;
        if (next > s->net->now_us)
            s->net->now_us = next;
        t = timers_pop_due(&s->net->timers, s->net->now_us);
        if ((t->kind & TIMER_LAYER_MASK) == TIMER_LAYER_TCP)
            STACK(s, tcp_timer(s->tcp, t));
        else
            net_timer(s->net, t);
        STACK(s, tcp_flush(s->tcp));
    }
    if (s->out_len == 0 && s->net->now_us < until)
        s->net->now_us = until;
}

static void expect_quiet(struct script *s, uint64_t until)
{
    for (;;) {
        run_until(s, until);
        if (!s->out_len)
            break;
        mismatch(s, "unexpected: %s", describe(s, first_out(s)));
        drop_out(s);
    }
}

/* ---- steps ---- */

struct tcp_pcb *script_pcb(struct script *s)
{
    struct tcp_pcb *pcb = s->pcb;

    if (pcb)
        return pcb;
    return tcp_flow_find(s->tcp, &s->local, &s->peer);
}

static void compare_sack(struct script *s, const struct sseg *want, const struct captured *c)
{
    if (want->sackok && !c->opt.sack_permitted)
        mismatch(s, "%s: SACK permitted expected", describe(s, c));
    for (size_t i = 0; i < 3 && want->sack[i].end; i++) {
        struct tcp_sack_block b = c->opt.sack[i];
        if (i >= c->opt.sack_len || b.start != s->irs + want->sack[i].start ||
            b.end != s->irs + want->sack[i].end)
            mismatch(s, "%s: SACK block %zu is %u..%u, expected %u..%u", describe(s, c), i,
                     b.start - s->irs, b.end - s->irs, want->sack[i].start, want->sack[i].end);
    }
    if (want->nsack && c->opt.sack_len != want->nsack - 1)
        mismatch(s, "%s: %u SACK blocks, expected %u", describe(s, c), c->opt.sack_len,
                 want->nsack - 1);
}

static void compare_options(struct script *s, const struct sseg *want, const struct captured *c)
{
    compare_sack(s, want, c);
    if (want->opts && c->opt_bytes != want->opts)
        mismatch(s, "%s: %u bytes of options expected", describe(s, c), want->opts);
    if (want->tfo && (!c->opt.has_tfo || c->opt.tfo_len != (want->tfo > 1 ? 8 : 0)))
        mismatch(s, "no such Fast Open option in %s", describe(s, c));
    if (want->tfo == 2) {
        uint8_t cookie[8];
        tcp_fastopen_cookie(s->tcp, NULL, 0, &s->local.addr, &s->peer.addr, cookie);
        if (memcmp(cookie, c->opt.tfo_cookie, 8) != 0)
            mismatch(s, "another cookie");
    }
    if (want->mss && (!c->opt.has_mss || c->opt.mss != want->mss))
        mismatch(s, "MSS option %u instead of %u", c->opt.mss, want->mss);
    if (want->ws && (!c->opt.has_wscale || c->opt.wscale + 1 != want->ws))
        mismatch(s, "window scale %u instead of %u", c->opt.wscale, want->ws - 1);
    if (want->ts && !c->opt.has_ts)
        mismatch(s, "no timestamps in %s", describe(s, c));
    if (want->ts && c->opt.ts_val != ts_base(s) + (uint32_t)((c->at_us - s->t0_us) / 1000))
        mismatch(s, "timestamp %u instead of %u", c->opt.ts_val - ts_base(s),
                 (uint32_t)((c->at_us - s->t0_us) / 1000));
    if (want->ts && c->opt.ts_ecr != want->ts_ecr)
        mismatch(s, "timestamp echo %u instead of %u", c->opt.ts_ecr, want->ts_ecr);
}

static void compare(struct script *s, const struct sseg *want, const struct captured *c,
                    uint64_t at_us)
{
    char flags[40];
    uint32_t win = want->win < 0 ? 0 : (uint32_t)want->win;

    if (c->at_us != at_us)
        mismatch(s, "%s, expected at %+.3f ms", describe(s, c),
                 ((double)at_us - (double)s->at_us) / 1000);
    if (c->h.flags != want->f)
        mismatch(s, "%s, expected %s", describe(s, c), tcp_flags_str(want->f, flags));
    /* A RST that answers a segment without ACK has sequence number 0 (RFC 9293 3.10.7.1). */
    if (c->h.seq - script_iss(s, c->h.dst_port) != want->seq &&
        !(want->f == (RST | ACK) && c->h.seq == 0))
        mismatch(s, "%s, expected seq %u", describe(s, c), want->seq);
    if (want->f & ACK && c->h.ack - s->irs != want->ack)
        mismatch(s, "%s, expected ack %u", describe(s, c), want->ack);
    if (c->len != want->len)
        mismatch(s, "%s, expected len %u", describe(s, c), want->len);
    if (want->win && c->h.wnd != win)
        mismatch(s, "%s, expected wnd %u", describe(s, c), win);
    if (c->h.urg != want->urg)
        mismatch(s, "%s: urgent pointer %u, expected %u", describe(s, c), c->h.urg, want->urg);
    if (want->ect && (c->tos & 3) + 1 != want->ect)
        mismatch(s, "%s: ECN field %u, expected %u", describe(s, c), c->tos & 3, want->ect - 1);
    if (c->gso != want->gso)
        mismatch(s, "%s: segments of %u, expected %u", describe(s, c), c->gso, want->gso);
    if (c->h.dst_port != (want->sport ? want->sport : s->peer.port))
        mismatch(s, "%s: to port %u", describe(s, c), c->h.dst_port);
    compare_options(s, want, c);
}

static void step_out(struct script *s, const struct step *st)
{
    uint64_t at = s->at_us + st->after;

    run_until(s, at);
    if (!s->out_len) {
        char flags[40];
        mismatch(s, "nothing goes out; expected %s seq %u ack %u len %u",
                 tcp_flags_str(st->s.f, flags), st->s.seq, st->s.ack, st->s.len);
        return;
    }
    if (!s->lenient)
        compare(s, &st->s, first_out(s), at);
    drop_out(s);
}

static void step_send(struct script *s, const struct step *st)
{
    static uint8_t bytes[8 << 20];
    struct iovec iov[2];
    int64_t got, want = st->ret ? st->ret : st->n;

    if (!s->pcb)
        return;
    ck_assert_uint_le((size_t)st->n, sizeof(bytes));
    for (int64_t i = 0; i < st->n; i++)
        bytes[i] = script_pattern(s->sent + (uint64_t)i);
    iov[0] = (struct iovec){bytes, (size_t)st->n / 3}; /* in two pieces */
    iov[1] = (struct iovec){bytes + st->n / 3, (size_t)(st->n - st->n / 3)};
    STACK(s, got = tcp_send(s->tcp, s->pcb, iov, 2, 0, (size_t)st->n, st->flags));
    if (got != want)
        mismatch(s, "send returned %ld, expected %ld", (long)got, (long)want);
    if (got > 0)
        s->sent += (uint64_t)got;
}

static void step_recv(struct script *s, const struct step *st)
{
    static uint8_t bytes[8 << 20];
    struct iovec iov[2];
    int64_t got, want = st->kind == STEP_EOF ? 0 : st->ret ? st->ret : st->n;
    int64_t n = st->kind == STEP_EOF ? 100 : st->n;

    if (!s->pcb)
        return;
    ck_assert_uint_le((size_t)n, sizeof(bytes));
    iov[0] = (struct iovec){bytes, (size_t)n / 4};
    iov[1] = (struct iovec){bytes + n / 4, (size_t)(n - n / 4)};
    STACK(s, got = tcp_recv(s->tcp, s->pcb, iov, 2, 0, (size_t)n, st->flags, 0));
    if (got != want)
        mismatch(s, "recv returned %ld, expected %ld", (long)got, (long)want);
    for (int64_t i = 0; i < got && !(st->flags & (TCP_IO_OOB | TCP_IO_TRUNC)); i++)
        if (bytes[i] != script_pattern(s->received + (uint64_t)i))
            mismatch(s, "byte %ld received is wrong", (long)i);
    if (got > 0 && !(st->flags & (TCP_IO_PEEK | TCP_IO_OOB)))
        s->received += (uint64_t)got;
}

static struct tcp_pcb *open_pcb(struct script *s)
{
    struct tcp_pcb *pcb;
    int err;

    STACK(s, pcb = tcp_open(s->tcp, s));
    if (pcb) /* what the scripts know by heart; CUBIC has tests of its own */
        tcp_config(pcb)->congestion = TCP_CC_NEWRENO;
    if (!pcb)
        return NULL;
    STACK(s, err = tcp_bind(s->tcp, pcb, &s->local));
    if (err) {
        mismatch(s, "bind");
        tcp_close(s->tcp, pcb);
        return NULL;
    }
    return pcb;
}

static void step_listen(struct script *s, const struct step *st)
{
    int err;

    if (!s->listener)
        s->listener = open_pcb(s);
    if (!s->listener)
        return;
    STACK(s, err = tcp_listen(s->tcp, s->listener, (uint32_t)st->n));
    if (err)
        mismatch(s, "listen returned %d", err);
}

static void step_connect(struct script *s, const struct step *st)
{
    int err;

    if (!s->pcb)
        s->pcb = open_pcb(s);
    if (!s->pcb)
        return;
    STACK(s, err = tcp_connect(s->tcp, s->pcb, &s->peer));
    if (err != st->ret)
        mismatch(s, "connect returned %d, expected %ld", err, (long)st->ret);
}

static void step_fast(struct script *s, const struct step *st)
{
    static uint8_t bytes[65536];
    struct iovec iov = {bytes, (size_t)st->n};
    size_t took;
    int err = 0;

    if (!s->pcb)
        s->pcb = open_pcb(s);
    if (!s->pcb)
        return;
    for (int64_t i = 0; i < st->n; i++)
        bytes[i] = script_pattern((uint64_t)i);
    STACK(s, err = tcp_fastopen_connect(s->tcp, s->pcb, &s->peer));
    if (err) {
        mismatch(s, "connect returned %d", err);
        return;
    }
    script_assert(s, tcp_fastopen_waits(s->pcb) && tcp_poll(s->pcb) == (POLLOUT | POLLWRNORM));
    script_assert(s, tcp_fastopen_ready(s->tcp, s->pcb) == (st->ret > 0));
    STACK(s, took = tcp_fastopen_send(s->tcp, s->pcb, &iov, 1, iov.iov_len));
    if (took != (size_t)st->ret)
        mismatch(s, "%zu bytes went with the SYN, expected %ld", took, (long)st->ret);
    script_assert(s, tcp_fastopen_take(s->pcb) == took && tcp_fastopen_take(s->pcb) == 0);
    s->sent = took;
}

static void step_accept(struct script *s, const struct step *st)
{
    struct tcp_pcb *child = s->listener ? tcp_accept(s->tcp, s->listener) : NULL;

    if ((child == NULL) != (st->ret != 0))
        mismatch(s, "accept gave %s", child ? "a connection" : "none");
    if (!child)
        return;
    if (s->pcb) {
        if (!s->lenient)
            mismatch(s, "the script has a connection already");
        tcp_abort(s->tcp, child);
        return;
    }
    tcp_set_owner(child, s);
    s->pcb = child;
}

static void step_look(struct script *s, const struct step *st)
{
    struct tcp_pcb *pcb = script_pcb(s);
    uint32_t now;

    if (s->lenient)
        return;
    switch (st->kind) {
    case STEP_STATE:
        now = pcb ? tcp_state(pcb) : TCP_CLOSED;
        if (now != st->n)
            mismatch(s, "state %s, expected %s", tcp_state_name((enum tcp_state)now),
                     tcp_state_name((enum tcp_state)st->n));
        break;
    case STEP_POLL:
        now = tcp_poll(pcb ? pcb : s->listener);
        if (now != st->n)
            mismatch(s, "poll says %#x, expected %#lx", now, (long)st->n);
        break;
    case STEP_EVENTS:
        if ((s->events & st->n) != st->n || s->events & ~(st->n | st->n2))
            mismatch(s, "events %#x, expected %#lx", s->events, (long)st->n);
        s->events = 0;
        break;
    case STEP_ERROR:
        now = pcb ? (uint32_t)tcp_take_error(pcb) : 0;
        if (now != st->n)
            mismatch(s, "error %u, expected %ld", now, (long)st->n);
        break;
    case STEP_PCBS:
        if (s->tcp->pcbs.live != st->n)
            mismatch(s, "%u pcbs, expected %ld", s->tcp->pcbs.live, (long)st->n);
        break;
    case STEP_END:
    case STEP_IN:
    case STEP_OUT:
    case STEP_QUIET:
    case STEP_LISTEN:
    case STEP_CONNECT:
    case STEP_FAST:
    case STEP_ACCEPT:
    case STEP_SEND:
    case STEP_RECV:
    case STEP_EOF:
    case STEP_SHUTDOWN:
    case STEP_CLOSE:
    case STEP_ABORT:
    case STEP_DISCONNECT:
    case STEP_DO:
        break;
    }
}

/* The calls that take the pcb away, or change it without more ado. */
static void step_end_of(struct script *s, const struct step *st)
{
    struct tcp_pcb *pcb = s->pcb ? s->pcb : s->listener;
    int err;

    if (!pcb)
        return;
    if (st->kind == STEP_CLOSE || st->kind == STEP_ABORT) {
        if (pcb == s->listener)
            s->listener = NULL;
        else
            s->pcb = NULL;
    }
    if (st->kind == STEP_CLOSE) {
        STACK(s, tcp_close(s->tcp, pcb));
    } else if (st->kind == STEP_ABORT) {
        STACK(s, tcp_abort(s->tcp, pcb));
    } else if (st->kind == STEP_DISCONNECT) {
        STACK(s, tcp_disconnect(s->tcp, pcb));
    } else {
        STACK(s, err = tcp_shutdown(s->tcp, pcb, (int)st->n));
        if (err != st->ret)
            mismatch(s, "shutdown returned %d, expected %ld", err, (long)st->ret);
    }
}

/* Steps that only look may stand between what happens and what goes out. */
static bool is_look(enum step_kind kind)
{
    return kind >= STEP_STATE && kind <= STEP_PCBS;
}

static void run_step(struct script *s, const struct step *st)
{
    s->line = st->line;
    if (st->kind != STEP_OUT && !is_look(st->kind))
        expect_quiet(s, s->at_us + st->after);
    switch (st->kind) {
    case STEP_OUT:
        step_out(s, st);
        break;
    case STEP_IN:
        script_in(s, &st->s);
        break;
    case STEP_LISTEN:
        step_listen(s, st);
        break;
    case STEP_CONNECT:
        step_connect(s, st);
        break;
    case STEP_FAST:
        step_fast(s, st);
        break;
    case STEP_ACCEPT:
        step_accept(s, st);
        break;
    case STEP_SEND:
        step_send(s, st);
        break;
    case STEP_RECV:
    case STEP_EOF:
        step_recv(s, st);
        break;
    case STEP_SHUTDOWN:
    case STEP_CLOSE:
    case STEP_ABORT:
    case STEP_DISCONNECT:
        step_end_of(s, st);
        break;
    case STEP_STATE:
    case STEP_POLL:
    case STEP_EVENTS:
    case STEP_ERROR:
    case STEP_PCBS:
        step_look(s, st);
        break;
    case STEP_DO:
        st->fn(s);
        break;
    case STEP_QUIET:
    case STEP_END:
        break;
    }
    STACK(s, tcp_flush(s->tcp));
    s->at_us += st->after;
    if (s->lenient && s->at_us < s->net->now_us)
        s->at_us = s->net->now_us;
}

/* ---- a run ---- */

/* Chooses the time so that our ISS becomes iss: the clock of RFC 6528 is all that varies in it. */
static void choose_iss(struct script *s, uint32_t iss)
{
    uint32_t now_iss;

    s->net->now_us = SEC(1000);
    now_iss = tcp_iss_choose(s->tcp, &s->local, &s->peer);
    s->net->now_us += (uint64_t)(uint32_t)(iss - now_iss) * 4;
}

static void setup_run(struct script *s, const struct script_setup *setup)
{
    struct netif desc = {.index = 1,
                         .name = "test",
                         .type = NETIF_IP,
                         .mtu = setup->mtu ? setup->mtu : 1500,
                         .gso_max_bytes = setup->gso_max_bytes,
                         .up = true};

    s->env = (struct net_env){.up = &upcalls, .output = capture, .ctx = s};
    if (setup->guarded)
        s->env.guards = guard_all;
    s->net = arena_zalloc(s->arena, sizeof(*s->net));
    s->tcp = arena_zalloc(s->arena, sizeof(*s->tcp));
    ck_assert_int_eq(net_init(s->net, s->arena, 42), 0);
    s->net->env = &s->env;
    ck_assert_int_eq(tcp_init(s->tcp, s->net), 0);
    s->nif = netif_add(s->net, &desc);
    s->local = (struct endpoint){.addr = addr_v4(0xc0000201), .port = LOCAL_PORT}; /* 192.0.2.1 */
    s->peer = (struct endpoint){.addr = addr_v4(0xc0000202), .port = PEER_PORT};
    ck_assert_int_eq(netif_add_addr(s->net, s->nif, &s->local.addr, 24,
                                    setup->borrowed || setup->guarded, false),
                     0);
}

/* Everything ends, and nothing is left. */
static void teardown_run(struct script *s)
{
    const struct tcp_pcb *left;

    if (s->pcb)
        tcp_abort(s->tcp, s->pcb);
    if (s->listener)
        tcp_close(s->tcp, s->listener);
    s->pcb = s->listener = NULL;
    STACK(s, tcp_flush(s->tcp));
    s->lenient = true;
    expect_quiet(s, s->net->now_us + SEC(4000));
    left = slab_next(&s->tcp->pcbs, NULL);
    if (left)
        ck_abort_msg("%s: a pcb is left in %s%s%s%s", s->name, tcp_state_name(tcp_state(left)),
                     left->owner ? ", with owner" : "", left->orphan ? ", orphan" : "",
                     left->parent ? ", child" : "");
    ck_assert_uint_eq(s->tcp->flows.count, 0);
    ck_assert_uint_eq(s->tcp->ports.count, 0);
    ck_assert_uint_eq(s->tcp->port_slab.live, 0);
    ck_assert_uint_eq(s->tcp->listeners.live, 0);
    ck_assert_uint_eq(s->tcp->bbrs.live, 0);
    ck_assert_uint_eq(s->tcp->orphans, 0);
    ck_assert_uint_eq(s->tcp->mem_bytes, 0);
    ck_assert_uint_eq(s->tcp->stats.curr_estab, 0); /* RFC 4022 tcpCurrEstab */
    ck_assert_uint_eq(s->tcp->stats.illegal_edges, 0);
    ck_assert(list_empty(&s->tcp->ack_queue));
    ck_assert(list_empty(&s->tcp->time_wait));
}

void script_begin(struct script *s, void *mem, size_t bytes)
{
    const struct script_setup setup = {.mtu = 1500};
    const char *name = s->name;

    memset(s, 0, sizeof(*s));
    s->name = name;
    s->arena = arena_init(mem, bytes, 0);
    running = s;
    setup_run(s, &setup);
    s->iss = start_numbers[0][0];
    s->irs = start_numbers[0][1];
    choose_iss(s, s->iss);
    s->t0_us = s->at_us = s->net->now_us;
}

void script_steps(struct script *s, const struct step *steps)
{
    for (const struct step *st = steps; st->kind != STEP_END; st++)
        run_step(s, st);
}

void script_survive(struct script *s)
{
    struct tcp_pcb *next;

    for (struct tcp_pcb *pcb = slab_next(&s->tcp->pcbs, NULL); pcb; pcb = next) {
        next = slab_next(&s->tcp->pcbs, pcb);
        /* An abort may free others, but only children of a listener: begin again behind it. */
        if (!pcb->owner)
            continue;
        if (tcp_state(pcb) == TCP_LISTEN)
            next = NULL;
        tcp_abort(s->tcp, pcb);
        if (!next)
            next = slab_next(&s->tcp->pcbs, NULL);
    }
    s->pcb = s->listener = NULL;
    s->out_len = 0;
    teardown_run(s);
    s->lenient = false;
}

static void run_once(struct script *s, const struct step *steps, const uint32_t start[2],
                     const struct script_setup *setup, uint64_t fail_at)
{
    void *mem = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const char *name = s->name;

    ck_assert_ptr_ne(mem, MAP_FAILED);
    memset(s, 0, sizeof(*s));
    s->name = name;
    s->arena = arena_init(mem, ARENA_BYTES, 0);
    arena_watch(s->arena, true);
    s->lenient = fail_at != 0;
    running = s;
    setup_run(s, setup);
    s->iss = start[0];
    s->irs = start[1];
    choose_iss(s, start[0]);
    s->t0_us = s->at_us = s->net->now_us;
    arena_fail_at(s->arena, fail_at);
    for (const struct step *st = steps; st->kind != STEP_END; st++)
        run_step(s, st);
    expect_quiet(s, s->at_us);
    arena_fail_at(s->arena, 0);
    teardown_run(s);
    arena_watch(s->arena, false);
    munmap(mem, ARENA_BYTES);
}

void script_run(const char *name, const struct step *steps, const struct script_setup *setup)
{
    static struct script s;

    s.name = name;
    for (size_t i = 0; i < sizeof(start_numbers) / sizeof(start_numbers[0]); i++)
        run_once(&s, steps, start_numbers[i], setup, 0);
    for (uint64_t n = 1; n <= FAILURES_TRIED; n++)
        run_once(&s, steps, start_numbers[n % 5], setup, n);
}
