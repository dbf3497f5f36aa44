/*
 * Congestion control on whole paths, in virtual time: a bottleneck, a queue, a delay and losses
 * between two hosts, and what of the rate arrives. Everything follows from a seed, so the figures
 * are the same every time.
 *
 *   CC_TRACE=1 shows what the sender thinks every 50 ms.
 */
#include <check.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "stack.h"
#include "tcp/tcp_cc_bbr.h"

#define PORT      80
#define MBIT      1000000u
#define MSEC      1000u
#define SEC       1000000u
#define FLOWS_MAX 6
#define TRACE_US  50000u

struct path {
    uint32_t mbit, rtt_ms, queue_bytes; /* queue_bytes 0: as much as the path holds */
    uint32_t loss_ppm, reorder_ppm;
    uint64_t jitter_us;
};

struct flow {
    struct sim_task tx, rx;
    struct sock *snd, *rcv;
    uint64_t received, limit; /* limit: bytes; 0: without end */
    uint64_t sent, done_us;
    bool pause;
};

static struct sim world;
static struct flow flows[FLOWS_MAX];
static struct sim_host *const a = &world.host[0], *const b = &world.host[1];

static void run_us(uint64_t us)
{
    sim_run(&world, world.wire.now_us + us);
}

static void open_path(const struct path *p)
{
    uint32_t bdp = p->mbit * MBIT / 8 / 1000 * p->rtt_ms;
    struct sim_net net = {.mtu = 1500, .gso_max_bytes = 65000, .csum_offload = true};

    net.impair[0] = (struct link_wire_impair){.delay_us = p->rtt_ms * MSEC / 2,
                                              .queue_bytes = p->queue_bytes ? p->queue_bytes : bdp,
                                              .loss_ppm = p->loss_ppm,
                                              .reorder_ppm = p->reorder_ppm,
                                              .reorder_us = 5 * MSEC,
                                              .jitter_us = p->jitter_us};
    net.impair[1] = (struct link_wire_impair){.delay_us = p->rtt_ms * MSEC / 2};
    memset(&world, 0, sizeof(world));
    memset(flows, 0, sizeof(flows));
    sim_pattern_init();
    rng_seed(&world.rng, 1);
    sim_init(&world, 1, &net);
    run_us(5 * SEC); /* announcements */
    a->port->impair.rate_bps = (uint64_t)p->mbit * MBIT;
}

static void send_more(struct sim_task *t, uint32_t fired)
{
    struct flow *f = container_of(t, struct flow, tx);

    (void)fired;
    for (;;) {
        size_t n = 16384;
        if (f->pause || (f->limit && f->sent == f->limit))
            return;
        if (f->limit && n > f->limit - f->sent)
            n = (size_t)(f->limit - f->sent);
        struct iovec iov = {(void *)(uintptr_t)sim_bytes(f->sent), n};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t r = sock_sendmsg(f->snd, &msg, 0, 0);
        if (r <= 0)
            return;
        f->sent += (uint64_t)r;
    }
}

static void receive(struct sim_task *t, uint32_t fired)
{
    static uint8_t buf[32768]; /* less than the pattern */
    struct flow *f = container_of(t, struct flow, rx);
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t r;

    (void)fired;
    while ((r = sock_recvmsg(f->rcv, &msg, 0, 0)) > 0) {
        ck_assert_int_eq(memcmp(buf, sim_bytes(f->received), (size_t)r), 0);
        f->received += (uint64_t)r;
        sim_progress(t->sim);
    }
    if (f->limit && f->received == f->limit && !f->done_us)
        f->done_us = world.wire.now_us;
}

/* A connection from a to b with congestion control cc. */
static void open_flow(struct flow *f, uint16_t port, const char *cc)
{
    struct sockaddr_in at = sim_addr(0, port), to = sim_addr(b->addr, port);
    struct sock *l;

    link_wire_enter(b->port);
    l = sim_socket(&world, b, SOCK_STREAM);
    ck_assert_int_eq(sock_bind(l, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(sock_listen(l, 5), 0);
    link_wire_leave(b->port);
    link_wire_enter(a->port);
    f->snd = sim_socket(&world, a, SOCK_STREAM);
    ck_assert_int_eq(
        sock_setsockopt(f->snd, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)), 0);
    sock_connect(f->snd, (struct sockaddr *)&to, sizeof(to));
    link_wire_leave(a->port);
    for (int i = 0; i < 100 && !f->rcv; i++) {
        run_us(100 * MSEC);
        link_wire_enter(b->port);
        sock_accept(l, world.next_cookie++, 1, &f->rcv);
        link_wire_leave(b->port);
    }
    ck_assert_ptr_nonnull(f->rcv);
    f->rcv->nonblock = 1;
    link_wire_enter(b->port);
    sock_close(l);
    sim_task_init(&f->rx, &world, b, receive);
    ck_assert(sim_task_watch(&f->rx, f->rcv, POLLIN));
    link_wire_leave(b->port);
    link_wire_enter(a->port);
    sim_task_init(&f->tx, &world, a, send_more);
    ck_assert(sim_task_watch(&f->tx, f->snd, POLLOUT));
    f->tx.wake_us = world.wire.now_us;
    link_wire_leave(a->port);
}

static void close_flow(struct flow *f)
{
    struct linger l = {.l_onoff = 1};

    link_wire_enter(a->port);
    sim_task_end(&f->tx);
    sock_setsockopt(f->snd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    sock_close(f->snd);
    link_wire_leave(a->port);
    link_wire_enter(b->port);
    sim_task_end(&f->rx);
    sock_close(f->rcv);
    link_wire_leave(b->port);
}

static void close_path(void)
{
    for (int i = 0; i < FLOWS_MAX; i++)
        if (flows[i].snd)
            close_flow(&flows[i]);
    sim_settle(&world);
    sim_fini(&world);
}

static void trace(const struct flow *f)
{
    static const char *const names[] = {"startup", "drain", "down", "cruise",
                                        "refill",  "up",    "rtt"};
    const struct tcp_pcb *p = f->snd->tcp;
    const struct tcp_bbr *m = p->conf.congestion == TCP_CC_BBR ? tcp_cc_bbr(p) : NULL;

    printf("%8.3f got %10llu cwnd %4u ssthresh %4d pipe %4u srtt %6u min %6u rec %u rate %6.2f "
           "pace %6.2f lost %llu",
           (double)world.wire.now_us / SEC, (unsigned long long)f->received, p->cwnd / p->snd_mss,
           p->ssthresh == UINT32_MAX ? -1 : (int)(p->ssthresh / p->snd_mss),
           tcp_sent_pipe(p) / p->snd_mss, p->srtt_us, p->min_rtt_us, p->recovery,
           (double)p->delivery_rate * 8 / MBIT, (double)p->pacing_rate * 8 / MBIT,
           (unsigned long long)p->lost_total / p->snd_mss);
    if (p->ssthresh == UINT32_MAX)
        printf(" css %d rounds %u samples %u last %u cur %u", p->hystart.css, p->hystart.css_rounds,
               p->hystart.samples, p->hystart.last_min_us, p->hystart.cur_min_us);
    if (m)
        printf(" %s max %6.2f lo %6.2f hi %4lld inlo %4lld extra %llu", names[m->state],
               (double)m->max_bw * 8 / MBIT, m->bw_lo == BBR_INF ? -1 : (double)m->bw_lo * 8 / MBIT,
               m->inflight_hi == BBR_INF ? -1 : (long long)m->inflight_hi / p->snd_mss,
               m->inflight_lo == BBR_INF ? -1 : (long long)m->inflight_lo / p->snd_mss,
               (unsigned long long)tcp_cc_bbr_extra_acked(m) / p->snd_mss);
    printf("\n");
}

static void run_flow(struct flow *f, uint64_t us)
{
    if (!getenv("CC_TRACE")) {
        run_us(us);
        return;
    }
    for (; us >= TRACE_US; us -= TRACE_US) {
        run_us(TRACE_US);
        trace(f);
    }
}

/* Mbit/s of one flow in the time from `from` to `to` after its start. */
static double rate(const struct path *p, const char *cc, uint64_t from_us, uint64_t to_us)
{
    uint64_t before;
    double mbit;

    open_path(p);
    open_flow(&flows[0], PORT, cc);
    run_flow(&flows[0], from_us);
    before = flows[0].received;
    run_flow(&flows[0], to_us - from_us);
    mbit = (double)(flows[0].received - before) * 8 / (double)(to_us - from_us);
    if (getenv("CC_TRACE"))
        printf("%s: %.2f Mbit/s\n", cc, mbit);
    close_path();
    return mbit;
}

#define FAST       (&(struct path){.mbit = 50, .rtt_ms = 20})
#define LOSSY(ppm) (&(struct path){.mbit = 50, .rtt_ms = 20, .loss_ppm = (ppm)})

/* Two flows through one bottleneck for a time; what each got, in Mbit/s of its second half. */
static void share(const struct path *p, const char *cc0, const char *cc1, uint64_t us,
                  double mbit[2])
{
    uint64_t before[2];

    open_path(p);
    open_flow(&flows[0], PORT, cc0);
    open_flow(&flows[1], PORT + 1, cc1);
    run_flow(&flows[0], us / 2);
    for (int i = 0; i < 2; i++)
        before[i] = flows[i].received;
    run_flow(&flows[0], us / 2);
    for (int i = 0; i < 2; i++)
        mbit[i] = (double)(flows[i].received - before[i]) * 16 / (double)us;
    close_path();
}

static double jain(const double *m, int n)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < n; i++) {
        sum += m[i];
        squares += m[i] * m[i];
    }
    return sum * sum / (n * squares);
}

/* n flows of one kind through one bottleneck for a time; of its second half, what they got
 * together, in Mbit/s, how alike (Jain), and what per cent of it was lost. */
static void crowd(const struct path *p, const char *cc, int n, uint64_t us, double out[3])
{
    uint64_t before[FLOWS_MAX], lost_before = 0, lost = 0;
    double mbit[FLOWS_MAX];

    open_path(p);
    for (int i = 0; i < n; i++)
        open_flow(&flows[i], (uint16_t)(PORT + i), cc);
    run_flow(&flows[0], us / 2);
    for (int i = 0; i < n; i++) {
        before[i] = flows[i].received;
        lost_before += flows[i].snd->tcp->lost_total;
    }
    run_flow(&flows[0], us / 2);
    out[0] = 0;
    for (int i = 0; i < n; i++) {
        mbit[i] = (double)(flows[i].received - before[i]) * 16 / (double)us;
        out[0] += mbit[i];
        lost += flows[i].snd->tcp->lost_total;
    }
    out[1] = jain(mbit, n);
    out[2] = (double)(lost - lost_before) * 8 / MBIT / (out[0] * (double)us / 2 / SEC) * 100;
    close_path();
}

static void at_least(const char *what, double got, double want)
{
    ck_assert_msg(got >= want, "%s: %.2f, wanted at least %.2f", what, got, want);
}
static void at_most(const char *what, double got, double want)
{
    ck_assert_msg(got <= want, "%s: %.2f, wanted at most %.2f", what, got, want);
}
static struct tcp_pcb *sender(void)
{
    return flows[0].snd->tcp;
}

/* Of 50 Mbit/s on the wire 47.7 are payload. */
START_TEST(everyone_fills_a_clean_path)
{
    at_least("bbr", rate(FAST, "bbr", 0, 10 * SEC), 44);
    at_least("cubic", rate(FAST, "cubic", 0, 10 * SEC), 46);
    at_least("reno", rate(FAST, "reno", 0, 10 * SEC), 46);
    struct path far = {.mbit = 100, .rtt_ms = 100}, slow = {.mbit = 1, .rtt_ms = 50};
    at_least("bbr, far", rate(&far, "bbr", 2 * SEC, 8 * SEC), 85);
    at_least("cubic, far", rate(&far, "cubic", 2 * SEC, 8 * SEC), 85);
    at_least("bbr, slow", rate(&slow, "bbr", 0, 20 * SEC), 0.93);
    at_least("cubic, slow", rate(&slow, "cubic", 0, 20 * SEC), 0.93);
}
END_TEST

START_TEST(bbr_endures_random_loss)
{
    at_least("0.1 %", rate(LOSSY(1000), "bbr", 0, 20 * SEC), 45);
    at_least("1 %", rate(LOSSY(10000), "bbr", 0, 20 * SEC), 43);
    at_least("3 %", rate(LOSSY(30000), "bbr", 0, 20 * SEC), 44);
}
END_TEST

/* RFC 9438 5.2 and the square root of the loss. */
START_TEST(cubic_under_random_loss)
{
    at_least("0.1 %", rate(LOSSY(1000), "cubic", 0, 20 * SEC), 20);
    at_least("1 %", rate(LOSSY(10000), "cubic", 0, 20 * SEC), 6);
    at_least("3 %", rate(LOSSY(30000), "cubic", 0, 20 * SEC), 3);
}
END_TEST

/* Frames that come late are not lost, and cwnd is not cut for them for long. */
START_TEST(reordering)
{
    struct path p = {.mbit = 50, .rtt_ms = 20, .reorder_ppm = 50000};

    at_least("bbr", rate(&p, "bbr", 0, 10 * SEC), 44);
    at_least("cubic", rate(&p, "cubic", 0, 10 * SEC), 40);
}
END_TEST

START_TEST(bbr_needs_little_queue)
{
    struct path shallow = {.mbit = 50, .rtt_ms = 20, .queue_bytes = 15000};

    open_path(&shallow);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 20 * SEC);
    at_least("Mbit/s", (double)flows[0].received * 8 / 20e6, 42);
    at_most("% lost", (double)sender()->lost_total * 100 / (double)flows[0].received, 1);
    close_path();
}
END_TEST

START_TEST(bbr_leaves_a_deep_queue_empty)
{
    struct path deep = {.mbit = 50, .rtt_ms = 20, .queue_bytes = 2000000};
    double sum = 0;

    open_path(&deep);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 2 * SEC);
    for (int i = 0; i < 200; i++) {
        run_flow(&flows[0], 50 * MSEC);
        sum += sender()->srtt_us;
    }
    at_most("mean round trip, ms", sum / 200 / 1000, 26);
    ck_assert_uint_le(tcp_cc_bbr(sender())->min_rtt_us, 21000);
    ck_assert_uint_eq(sender()->lost_total, 0);
    close_path();
}
END_TEST

/* Nobody learns to live with the losses that others of its kind cause. */
START_TEST(crowds)
{
    struct path shallow = {.mbit = 50, .rtt_ms = 20, .queue_bytes = 62500};
    struct path tiny = {.mbit = 50, .rtt_ms = 20, .queue_bytes = 15000};
    struct path deep = {.mbit = 50, .rtt_ms = 20, .queue_bytes = 1000000};
    double got[3];

    crowd(&shallow, "bbr", 4, 40 * SEC, got);
    at_least("four, Mbit/s", got[0], 45);
    at_least("four, Jain", got[1], 0.9);
    at_most("four, % lost", got[2], 6);
    crowd(&tiny, "bbr", 4, 40 * SEC, got);
    at_least("four without a queue, Jain", got[1], 0.9);
    at_most("four without a queue, % lost", got[2], 4.5);
    crowd(&deep, "bbr", 6, 60 * SEC, got);
    at_least("six and a deep queue, Jain", got[1], 0.8);
    crowd(LOSSY(20000), "bbr", 2, 40 * SEC, got);
    at_least("two and losses, Mbit/s", got[0], 44);
    at_least("two and losses, Jain", got[1], 0.9);
}
END_TEST

/* A queue that DOWN does not empty is somebody else's (here it is none at all: the way has become
 * longer, and the shortest round trip of before still counts). */
START_TEST(bbr_does_not_wait_for_others_to_leave)
{
    uint64_t before;

    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 500 * MSEC);
    a->port->impair.delay_us += 15 * MSEC;
    run_flow(&flows[0], 2500 * MSEC); /* until after an UP */
    before = flows[0].received;
    run_flow(&flows[0], 1500 * MSEC);
    at_least("Mbit/s", (double)(flows[0].received - before) * 8 / 1.5e6, 44);
    close_path();
}
END_TEST

/* The queue is empty by itself: no PROBE_RTT, which would halve the rate for 200 ms. */
START_TEST(bbr_alone_need_not_probe_round_trips)
{
    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    for (int i = 0; i < 1000; i++) {
        run_flow(&flows[0], 20 * MSEC);
        ck_assert_int_ne(tcp_cc_bbr(sender())->state, BBR_PROBE_RTT);
    }
    close_path();
}
END_TEST

/* Makes a flow of BBR one of its first version: it heeds no loss, has up to two products of rate
 * and round trip in flight, and probes for bandwidth in one of eight round trips. */
static struct sim_task rival;
static struct tcp_bbr *rival_bbr;
static uint64_t rival_filter_us;

static void act_as_first_version(struct sim_task *t, uint32_t fired)
{
    static const uint8_t cycle[8] = {125, 75, 100, 100, 100, 100, 100, 100};
    struct tcp_bbr *m = rival_bbr;
    uint64_t now = world.wire.now_us;

    (void)fired;
    t->wake_us = now + MSEC;
    m->bw_lo = m->inflight_lo = m->inflight_hi = BBR_INF;
    if (!tcp_cc_bbr_is_probe_bw(m))
        return;
    m->state = BBR_PROBE_BW_CRUISE;
    m->cycle_at_us = now;
    m->rounds_since_probe = 0;
    m->pacing_gain = cycle[now / m->min_rtt_us % 8];
    if (now - rival_filter_us < 200 * MSEC) /* five round trips with a full queue */
        return;
    rival_filter_us = now;
    tcp_cc_bbr_advance_max_bw(m);
}

/* A flow that ignores loss takes most of the bottleneck, but not nearly all. */
START_TEST(bbr_beside_its_first_version)
{
    uint64_t before[2];
    double mbit[2];

    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    rival_bbr = tcp_cc_bbr(flows[0].snd->tcp);
    rival_filter_us = 0;
    link_wire_enter(a->port);
    sim_task_init(&rival, &world, a, act_as_first_version);
    rival.wake_us = world.wire.now_us;
    link_wire_leave(a->port);
    open_flow(&flows[1], PORT + 1, "bbr");
    run_flow(&flows[1], 10 * SEC);
    for (int i = 0; i < 2; i++)
        before[i] = flows[i].received;
    run_flow(&flows[1], 50 * SEC);
    for (int i = 0; i < 2; i++)
        mbit[i] = (double)(flows[i].received - before[i]) * 8 / (50.0 * SEC);
    at_least("Mbit/s", mbit[0] + mbit[1], 46);
    at_least("Jain", jain(mbit, 2), 0.95);
    link_wire_enter(a->port);
    sim_task_end(&rival);
    link_wire_leave(a->port);
    close_path();
}
END_TEST

START_TEST(flows_share)
{
    struct path p = {.mbit = 50, .rtt_ms = 20};
    double m[2];

    share(&p, "bbr", "bbr", 30 * SEC, m);
    at_least("bbr and bbr", jain(m, 2), 0.9);
    share(&p, "cubic", "cubic", 40 * SEC, m);
    at_least("cubic and cubic", jain(m, 2), 0.9);
    share(&p, "cubic", "bbr", 40 * SEC, m);
    at_least("cubic beside bbr, Mbit/s", m[0], 8);
    at_least("bbr beside cubic, Mbit/s", m[1], 8);
}
END_TEST

/* A fifth of all frames lost, both ways, others late, twice, or with wrong bits. */
static void through_anything(const char *cc, uint64_t bytes, uint64_t most_us)
{
    struct path p = {.mbit = 1000, .rtt_ms = 2, .loss_ppm = 200000, .reorder_ppm = 10000};
    struct flow *f = &flows[0];
    uint64_t begin;

    open_path(&p);
    open_flow(f, PORT, cc);
    f->limit = bytes;
    a->port->impair.duplicate_ppm = a->port->impair.corrupt_ppm = 10000;
    b->port->impair = a->port->impair;
    begin = world.wire.now_us;
    while (!f->done_us && world.wire.now_us < begin + most_us)
        run_flow(f, 1 * SEC);
    ck_assert_uint_eq(f->received, bytes);
    a->port->impair.loss_ppm = b->port->impair.loss_ppm = 0; /* for the end */
    close_path();
}

START_TEST(a_hundred_megabytes_at_a_fifth_lost)
{
    through_anything("bbr", 100000000, 60 * SEC);
    /* A loss a window is what sets their rate: a few segments a second, as with any kernel. */
    through_anything("cubic", 1000000, 900 * SEC);
    through_anything("reno", 1000000, 900 * SEC);
}
END_TEST

/* The model follows the path: a fifth of the rate, and all of it again. */
START_TEST(bbr_follows_the_rate)
{
    uint64_t before;

    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 5 * SEC);
    a->port->impair.rate_bps = 10 * MBIT;
    run_flow(&flows[0], 14 * SEC); /* some cycles of probing; one falls to PROBE_RTT */
    at_most("max_bw, Mbit/s", (double)tcp_cc_bbr(sender())->max_bw * 8 / MBIT, 12);
    before = flows[0].received;
    run_flow(&flows[0], 2 * SEC);
    at_least("Mbit/s", (double)(flows[0].received - before) * 8 / 2e6, 8.5);
    a->port->impair.rate_bps = 50 * MBIT;
    run_flow(&flows[0], 15 * SEC);
    before = flows[0].received;
    run_flow(&flows[0], 2 * SEC);
    at_least("Mbit/s again", (double)(flows[0].received - before) * 8 / 2e6, 40);
    close_path();
}
END_TEST

/* A longer way is noticed when the shortest round trip has grown old. */
START_TEST(bbr_follows_the_delay)
{
    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 3 * SEC);
    ck_assert_uint_le(tcp_cc_bbr(sender())->min_rtt_us, 21000);
    b->port->impair.delay_us += 40 * MSEC;
    run_flow(&flows[0], 15 * SEC);
    ck_assert_uint_ge(tcp_cc_bbr(sender())->min_rtt_us, 55000);
    ck_assert_uint_le(tcp_cc_bbr(sender())->min_rtt_us, 75000);
    close_path();
}
END_TEST

/* A pause neither makes the model forget nor ends in a burst. */
START_TEST(bbr_comes_back_from_idle)
{
    uint64_t before, lost;

    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 4 * SEC);
    flows[0].pause = true;
    run_flow(&flows[0], 3 * SEC);
    lost = sender()->lost_total;
    before = flows[0].received;
    flows[0].pause = false;
    flows[0].tx.wake_us = world.wire.now_us;
    run_flow(&flows[0], 1 * SEC);
    at_least("Mbit/s", (double)(flows[0].received - before) * 8 / 1e6, 38);
    at_most("segments lost, by probing", (double)(sender()->lost_total - lost) / 1448, 20);
    close_path();
}
END_TEST

/* RFC 9406: slow start ends before a deep queue is full; the five careful rounds still treble it.
 */
START_TEST(hystart_saves_the_queue)
{
    struct path p = {.mbit = 50, .rtt_ms = 20, .queue_bytes = 2000000};

    open_path(&p);
    open_flow(&flows[0], PORT, "cubic");
    run_flow(&flows[0], 2 * SEC);
    ck_assert_uint_ne(sender()->ssthresh, UINT32_MAX);
    ck_assert_uint_eq(sender()->lost_total, 0);
    at_least("Mbit/s", (double)flows[0].received * 8 / 2e6, 38);
    close_path();
}
END_TEST

START_TEST(delivery_rate_is_the_path_s)
{
    open_path(FAST);
    open_flow(&flows[0], PORT, "cubic");
    run_flow(&flows[0], 3 * SEC);
    at_least("Mbit/s", (double)sender()->delivery_rate * 8 / MBIT, 42);
    at_most("Mbit/s", (double)sender()->delivery_rate * 8 / MBIT, 48.5);
    ck_assert(!sender()->rate_app_limited);
    close_path();
}
END_TEST

/* What ss and others show (linux/inet_diag.h). */
START_TEST(bbr_tells_of_itself)
{
    uint32_t info[16];
    socklen_t len = sizeof(info);

    open_path(FAST);
    open_flow(&flows[0], PORT, "bbr");
    run_flow(&flows[0], 3 * SEC);
    link_wire_enter(a->port);
    ck_assert_int_eq(sock_getsockopt(flows[0].snd, IPPROTO_TCP, TCP_CC_INFO, info, &len), 0);
    link_wire_leave(a->port);
    ck_assert_uint_eq(len, 20);
    at_least("Mbit/s", (double)info[0] * 8 / MBIT, 45);
    at_most("Mbit/s", (double)info[0] * 8 / MBIT, 49);
    ck_assert_uint_eq(info[1], 0);
    ck_assert_uint_ge(info[2], 20000);
    ck_assert_uint_le(info[2], 22000);
    ck_assert_uint_ge(info[4], 512); /* 2 */
    close_path();
}
END_TEST

START_TEST(pacing_limit)
{
    static const char *const ccs[] = {"cubic", "bbr"};
    uint32_t bytes_per_s = 1000000;

    for (int i = 0; i < 2; i++) {
        open_path(FAST);
        open_flow(&flows[0], PORT, ccs[i]);
        link_wire_enter(a->port);
        sock_setsockopt(flows[0].snd, SOL_SOCKET, SO_MAX_PACING_RATE, &bytes_per_s,
                        sizeof(bytes_per_s));
        link_wire_leave(a->port);
        uint64_t before = flows[0].received;
        run_flow(&flows[0], 5 * SEC);
        at_least(ccs[i], (double)(flows[0].received - before) / 5e6, 0.93);
        at_most(ccs[i], (double)(flows[0].received - before) / 5e6, 1.06);
        close_path();
    }
}
END_TEST

START_TEST(changing_horses)
{
    static const char *const ccs[] = {"bbr", "cubic", "bbr", "reno", "bbr"};
    uint64_t before = 0;

    open_path(LOSSY(10000));
    open_flow(&flows[0], PORT, "cubic");
    for (int i = 0; i < 5; i++) {
        run_flow(&flows[0], 3 * SEC);
        link_wire_enter(a->port);
        ck_assert_int_eq(sock_setsockopt(flows[0].snd, IPPROTO_TCP, TCP_CONGESTION, ccs[i],
                                         (socklen_t)strlen(ccs[i])),
                         0);
        link_wire_leave(a->port);
    }
    before = flows[0].received;
    run_flow(&flows[0], 4 * SEC);
    at_least("Mbit/s, in the end with bbr", (double)(flows[0].received - before) * 8 / 4e6, 38);
    close_path();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("congestion control");
    TCase *t = tcase_create("paths");
    SRunner *r;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, everyone_fills_a_clean_path);
    tcase_add_test(t, bbr_endures_random_loss);
    tcase_add_test(t, cubic_under_random_loss);
    tcase_add_test(t, reordering);
    tcase_add_test(t, bbr_needs_little_queue);
    tcase_add_test(t, bbr_leaves_a_deep_queue_empty);
    tcase_add_test(t, flows_share);
    tcase_add_test(t, bbr_beside_its_first_version);
    tcase_add_test(t, crowds);
    tcase_add_test(t, bbr_does_not_wait_for_others_to_leave);
    tcase_add_test(t, bbr_alone_need_not_probe_round_trips);
    tcase_add_test(t, a_hundred_megabytes_at_a_fifth_lost);
    tcase_add_test(t, bbr_follows_the_rate);
    tcase_add_test(t, bbr_follows_the_delay);
    tcase_add_test(t, bbr_comes_back_from_idle);
    tcase_add_test(t, hystart_saves_the_queue);
    tcase_add_test(t, delivery_rate_is_the_path_s);
    tcase_add_test(t, bbr_tells_of_itself);
    tcase_add_test(t, pacing_limit);
    tcase_add_test(t, changing_horses);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
