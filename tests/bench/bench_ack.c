/*
 * What an ACK costs the sender, alone: a TCP whose frames end in an array, and a receiver of a few
 * lines that answers each with an ACK (cumulative, with SACK blocks of the range that it fell into
 * and of the last one). Only the time inside the sender is counted. Rows: how many segments are in
 * flight; columns: which of them get lost. What an ACK costs must not grow with the segments in
 * flight.
 *
 * usage: bench_ack [SEGMENTS ...]
 */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tcp/tcp_int.h"
#include "wire/ipv4.h"

#define MSS         1448u
#define ARENA_BYTES (256u << 20)
#define DELAY_US    10000u /* one way */

/* Which segments get lost at their n-th transmission; `late`: do not get lost, but come so many
 * places later. */
struct pattern {
    const char *name;
    bool (*lost)(uint32_t segment, unsigned nth);
    uint32_t late; /* every eighth comes so much later */
};

struct flying {
    uint32_t segment;
    bool lost;
};

static struct net net;
static struct tcp tcp;
static struct net_env env;
static struct endpoint local, peer;
static struct tcp_pcb *pcb;
static uint32_t iss, irs = 1000, rcv_nxt, nsegments;
static const struct pattern *pattern;
static uint8_t *sent_times, *got; /* of each segment */
static struct flying *queue;      /* what is on its way */
static uint32_t queue_head, queue_len, queue_max;
static uint64_t acks;
static double spent_s;

/* ---- losses ---- */

static bool none(uint32_t segment, unsigned nth)
{
    return false;
}
static bool every_other(uint32_t segment, unsigned nth)
{
    return nth == 1 && segment % 2 == 0;
}
static bool every_other_and_again(uint32_t segment, unsigned nth)
{
    return (nth == 1 && segment % 2 == 0) || (nth == 2 && segment % 16 == 0);
}
static bool first_stays_lost(uint32_t segment, unsigned nth)
{
    return (nth == 1 && segment % 2 == 0) || (nth == 2 && segment == 0);
}
static bool one_burst(uint32_t segment, unsigned nth)
{
    return nth == 1 && segment < nsegments / 2;
}
static const struct pattern patterns[] = {
    {"no loss", none, 0},
    {"every other", every_other, 0},
    {"some twice", every_other_and_again, 0},
    {"the first twice", first_stays_lost, 0},
    {"half at once", one_burst, 0},
    {"reordered", none, 200},
};
#define PATTERNS (sizeof(patterns) / sizeof(*patterns))

/* ---- the wire ---- */

static int output(void *ctx, struct netif *nif, const struct frame *f)
{
    const uint8_t *ip = f->head + f->head_at;
    uint32_t seq = get_be32(ip + 24), len = 0;
    struct flying *q = &queue[(queue_head + queue_len) % queue_max];

    if (ip[33] & TCP_SYN)
        iss = seq;
    for (int i = 0; i < f->nbody; i++)
        len += (uint32_t)f->body[i].iov_len;
    if (!len || queue_len == queue_max)
        return 0;
    q->segment = (seq - iss - 1) / MSS;
    if (sent_times[q->segment] < 255)
        sent_times[q->segment]++;
    q->lost = pattern->lost(q->segment, sent_times[q->segment]);
    queue_len++;
    return 0;
}

static void ready(struct net *n, void *owner, uint32_t mask) {}
static void input(struct net *n, const struct ip_packet *pkt)
{
    tcp_input(&tcp, pkt);
}
static void icmp(struct net *n, const struct icmp_error *e) {}
static const struct net_upcalls upcalls = {.tcp_input = input,
                                           .udp_input = input,
                                           .tcp_icmp_error = icmp,
                                           .udp_icmp_error = icmp,
                                           .sock_ready = ready};

static void give(uint8_t flags, uint32_t ack, const struct tcp_options *opt)
{
    uint8_t l4[TCP_HDR_MIN + 40], ip_hdr[20] = {0x45};
    size_t opt_bytes = tcp_options_emit(opt, l4 + TCP_HDR_MIN);
    struct tcp_hdr h = {.src_port = peer.port,
                        .dst_port = local.port,
                        .seq = flags & TCP_SYN ? irs : irs + 1,
                        .ack = ack,
                        .wnd = 65535,
                        .flags = flags,
                        .hdr_bytes = (uint8_t)(TCP_HDR_MIN + opt_bytes)};
    struct ip_packet pkt = {.nif = container_of(net.netifs.next, struct netif, node),
                            .src = peer.addr,
                            .dst = local.addr,
                            .proto = IPPROTO_NUM_TCP,
                            .ttl = 64,
                            .payload = l4,
                            .len = h.hdr_bytes,
                            .ip_hdr = ip_hdr,
                            .ip_hdr_bytes = 20,
                            .csum_good = true};

    pkt.to = netif_find_addr(&net, &local.addr);
    tcp_emit(&h, l4);
    double t = now_s();
    tcp_input(&tcp, &pkt);
    tcp_flush(&tcp);
    spent_s += now_s() - t;
    acks++;
}

/* ---- the receiver ---- */

static uint32_t highest; /* segment that came */
static uint32_t *jump;   /* of a segment that came, at either end of its range: the other end */

/* The range around s, which came just now or is at the end of a range. */
static struct tcp_sack_block block_around(uint32_t s)
{
    uint32_t a = s > 0 && got[s - 1] ? jump[s - 1] : s;
    uint32_t b = s + 1 < nsegments && got[s + 1] ? jump[s + 1] : s;

    jump[a] = b;
    jump[b] = a;
    return (struct tcp_sack_block){iss + 1 + a * MSS, iss + 1 + (b + 1) * MSS};
}

static void add_block(struct tcp_options *opt, struct tcp_sack_block b)
{
    for (unsigned k = 0; k < opt->sack_len; k++)
        if (opt->sack[k].start == b.start)
            return;
    opt->sack[opt->sack_len++] = b;
}

static void arrive(uint32_t s)
{
    struct tcp_options opt = {0};
    struct tcp_sack_block b = block_around(s);

    got[s] = 1;
    highest = s > highest ? s : highest;
    while (rcv_nxt < nsegments && got[rcv_nxt])
        rcv_nxt++;
    if (s >= rcv_nxt)
        add_block(&opt, b);
    if (highest >= rcv_nxt) /* the other end of what is in flight */
        add_block(&opt, (struct tcp_sack_block){iss + 1 + jump[highest] * MSS,
                                                iss + 1 + (highest + 1) * MSS});
    give(TCP_ACK, iss + 1 + rcv_nxt * MSS, &opt);
}

/* ---- a run ---- */

static void run_timers(uint64_t until_us)
{
    while (timers_next(&net.timers) <= until_us) {
        struct timer *t;
        if (timers_next(&net.timers) > net.now_us)
            net.now_us = timers_next(&net.timers);
        t = timers_pop_due(&net.timers, net.now_us);
        double start = now_s();
        if ((t->kind & TIMER_LAYER_MASK) == TIMER_LAYER_TCP)
            tcp_timer(&tcp, t);
        else
            net_timer(&net, t);
        tcp_flush(&tcp);
        spent_s += now_s() - start;
    }
    if (net.now_us < until_us)
        net.now_us = until_us;
}

static struct flying take(void)
{
    uint32_t at = queue_head;

    /* Every eighth changes places with a later one. */
    if (pattern->late && queue[at].segment % 8 == 0 && queue_len > pattern->late &&
        sent_times[queue[at].segment] == 1) {
        struct flying f = queue[at], *other = &queue[(at + pattern->late) % queue_max];
        if (other->segment % 8) {
            queue[at] = *other;
            *other = f;
        }
    }
    struct flying f = queue[at];
    queue_head = (queue_head + 1) % queue_max;
    queue_len--;
    return f;
}

static void transfer(void)
{
    uint32_t round;

    while (rcv_nxt < nsegments) {
        run_timers(net.now_us + DELAY_US);
        round = queue_len;
        for (uint32_t i = 0; i < round; i++) {
            struct flying f = take();
            if (!f.lost)
                arrive(f.segment);
            if (i % 64 == 0)
                net.now_us += 50;
        }
    }
}

static void start(struct arena *arena)
{
    struct netif desc = {.index = 1, .name = "bench", .type = NETIF_IP, .mtu = 1500, .up = true};
    struct netif *nif;

    memset(&net, 0, sizeof(net));
    memset(&tcp, 0, sizeof(tcp));
    env = (struct net_env){.up = &upcalls, .output = output};
    if (net_init(&net, arena, 42) < 0)
        die("net_init");
    net.env = &env;
    net.now_us = 1000000000;
    if (tcp_init(&tcp, &net) < 0)
        die("tcp_init");
    nif = netif_add(&net, &desc);
    local = (struct endpoint){.addr = addr_v4(0xc0000201), .port = 40000};
    peer = (struct endpoint){.addr = addr_v4(0xc0000202), .port = 80};
    netif_add_addr(&net, nif, &local.addr, 24, false, false);
}

static void open_wide(void)
{
    static uint8_t text[65536];
    struct tcp_options opt = {
        .has_mss = true, .mss = MSS, .sack_permitted = true, .has_wscale = true, .wscale = 14};
    struct iovec iov = {text, sizeof(text)};

    pcb = tcp_open(&tcp, &tcp);
    tcp_config(pcb)->sndbuf_bytes = nsegments * MSS * 4;
    tcp_config(pcb)->sndbuf_locked = true;
    tcp_bind(&tcp, pcb, &local);
    tcp_connect(&tcp, pcb, &peer);
    run_timers(net.now_us + DELAY_US);
    give(TCP_SYN | TCP_ACK, iss + 1, &opt);
    pcb->cwnd = nsegments * MSS;
    for (uint32_t left = nsegments * MSS; left > 0;) {
        uint32_t n = u32_min(left, sizeof(text));
        ssize_t r = tcp_send(&tcp, pcb, &iov, 1, 0, n, 0);
        if (r <= 0)
            die("tcp_send");
        left -= (uint32_t)r;
    }
}

/* Nanoseconds of an ACK. */
static double measure(void *arena)
{
    madvise(arena, ARENA_BYTES, MADV_DONTNEED); /* an arena begins with zeros */
    start(arena_init(arena, ARENA_BYTES, 0));
    sent_times = calloc(nsegments + 1, 1);
    got = calloc(nsegments + 1, 1);
    queue_max = nsegments * 2;
    queue = calloc(queue_max, sizeof(*queue));
    queue_head = queue_len = rcv_nxt = 0;
    highest = 0;
    jump = calloc(nsegments + 1, sizeof(*jump));
    open_wide();
    acks = 0;
    spent_s = 0;
    transfer();
    double ns = spent_s * 1e9 / (double)acks;
    tcp_fini(&tcp);
    free(sent_times);
    free(got);
    free(jump);
    free(queue);
    return ns;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"100", "1000", "10000"};
    int rows = argc > 1 ? argc - 1 : 3;
    void *mem = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED)
        die("mmap");
    printf("%-18s", "ns an ACK");
    for (size_t k = 0; k < PATTERNS; k++)
        printf(" %15s", patterns[k].name);
    printf("\n");
    for (int i = 0; i < rows; i++) {
        nsegments = (uint32_t)atoi(argc > 1 ? argv[i + 1] : usual[i]);
        printf("%6u in flight  ", nsegments);
        for (size_t k = 0; k < PATTERNS; k++) {
            pattern = &patterns[k];
            printf(" %15.0f", measure(mem));
            fflush(stdout);
        }
        printf("\n");
    }
    return 0;
}
