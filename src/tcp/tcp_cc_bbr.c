/*
 * BBR, version 3 (draft-ietf-ccwg-bbr): sends at the rate at which the path delivers, with about
 * twice the product of rate and round-trip time in flight at most. tcp_cc_bbr_model.c measures;
 * here is what to do about it.
 *
 *   STARTUP --> DRAIN --> PROBE_BW: DOWN --> CRUISE --> REFILL --> UP --+
 *      ^                            ^                                   |
 *      |                            +-----------------------------------+
 *      +--- PROBE_RTT, 200 ms of little in flight when the shortest round trip is 5 s old
 *
 *   state    pacing  cwnd   until
 *   STARTUP    2.77  2      three rounds without a quarter more, or too many losses
 *   DRAIN      0.35  2      no more in flight than the path holds
 *   DOWN       0.90  2      the same, and some room left for others; or what UP queued is gone
 *   CRUISE     1     2      2 to 3 s, or as many rounds as Reno would need to come back
 *   REFILL     1     2      one round
 *   UP         1.25  2.25   no more comes, or too many losses
 *
 * The model sees every ACK (control()) and every loss (lost()). Many losses outside of probing
 * lower short-term bounds; there is no halving and no proportional rate reduction. ECN is not
 * heeded. The state is large, so that it is an object of its own, which only connections with BBR
 * have.
 *
 * Beside flows that keep the queue full whatever is lost, BBR's first version above all, four of
 * the draft's rules give way for good, and are left here. DOWN would wait for a queue that others
 * fill again at once, at 0.9 until the next probing: it takes no longer than its own queue. A flow
 * that has just been outrun (a tenth less bandwidth in this cycle than in the last) would end each
 * UP at its first ACKs, for losses of what REFILL sent, and leave 15 % of inflight_hi to those who
 * outran it: such a flow is judged by what it sent while probing, and leaves nothing. And who is
 * crowded for long does not yield to each loss between probings (tcp_cc_bbr_model.c).
 */
#include <linux/inet_diag.h>

#include "tcp/tcp_cc_bbr.h"

#define STARTUP_PACING_PCT 277u
#define MARGIN_PCT         1u /* a little less than what the path delivers: queues drain */
#define PROBE_WAIT_US      2000000u
#define PROBE_WAIT_MORE_US 1000000u
#define RENO_ROUNDS_MAX    63u
#define UP_ROUNDS_MAX      30u
#define DRAIN_PCT          250u /* the time in which 0.9 drains what 1.25 has queued */
#define PROBE_RTT_US       200000u
#define RTT_ASSUMED_US     1000u

static const struct {
    uint16_t pacing, cwnd;
} gains[] = {
    [BBR_STARTUP] = {STARTUP_PACING_PCT, 200},
    [BBR_DRAIN] = {35, 200},
    [BBR_PROBE_BW_DOWN] = {90, 200},
    [BBR_PROBE_BW_CRUISE] = {100, 200},
    [BBR_PROBE_BW_REFILL] = {100, 200},
    [BBR_PROBE_BW_UP] = {125, 225},
    [BBR_PROBE_RTT] = {100, 50},
};

bool tcp_cc_bbr_is_probe_bw(const struct tcp_bbr *b)
{
    switch ((enum bbr_state)b->state) {
    case BBR_PROBE_BW_DOWN:
    case BBR_PROBE_BW_CRUISE:
    case BBR_PROBE_BW_REFILL:
    case BBR_PROBE_BW_UP:
        return true;
    case BBR_STARTUP:
    case BBR_DRAIN:
    case BBR_PROBE_RTT:
        return false;
    }
    return false;
}

bool tcp_cc_bbr_is_probing(const struct tcp_bbr *b)
{
    return b->state == BBR_STARTUP || b->state == BBR_PROBE_BW_REFILL ||
           b->state == BBR_PROBE_BW_UP;
}

static void enter(struct tcp_bbr *b, enum bbr_state s)
{
    b->state = (uint8_t)s;
    b->pacing_gain = gains[s].pacing;
    b->cwnd_gain = gains[s].cwnd;
}

/* ---- the phases of PROBE_BW ---- */

static void start_down(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    tcp_cc_bbr_reset_signals(b);
    tcp_cc_bbr_advance_losses(b);
    b->drain_us = pcb->srtt_us;
    if (b->state == BBR_PROBE_BW_UP)
        b->drain_us += (tcp->net->now_us - b->cycle_at_us) * DRAIN_PCT / 100;
    b->probe_up_bytes = BBR_INF;
    /* Flows that began together shall not probe together. */
    b->rounds_since_probe = rng_below(&tcp->net->rng, 2);
    b->bw_probe_wait_us = PROBE_WAIT_US + rng_below(&tcp->net->rng, PROBE_WAIT_MORE_US);
    b->cycle_at_us = tcp->net->now_us;
    b->ack_phase = BBR_ACKS_PROBE_STOPPING;
    tcp_cc_bbr_start_round(pcb, b);
    enter(b, BBR_PROBE_BW_DOWN);
}

static void start_refill(struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    tcp_cc_bbr_reset_lower_bounds(b);
    b->bw_probe_up_rounds = 0;
    b->bw_probe_up_acks = 0;
    b->ack_phase = BBR_ACKS_REFILLING;
    tcp_cc_bbr_start_round(pcb, b);
    enter(b, BBR_PROBE_BW_REFILL);
}

/* inflight_hi grows by 1, 2, 4 ... segments a round. */
static void raise_slope(struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    uint32_t segments = 1u << b->bw_probe_up_rounds;

    if (b->bw_probe_up_rounds < UP_ROUNDS_MAX)
        b->bw_probe_up_rounds++;
    b->probe_up_bytes = u64_max(pcb->cwnd / segments, 1);
}

static void start_up(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b,
                     const struct tcp_rate *rs)
{
    b->ack_phase = BBR_ACKS_PROBE_STARTING;
    tcp_cc_bbr_start_round(pcb, b);
    tcp_cc_bbr_reset_full_bw(b);
    b->full_bw = rs->delivery_rate;
    b->cycle_at_us = tcp->net->now_us;
    enter(b, BBR_PROBE_BW_UP);
    raise_slope(pcb, b);
}

static bool is_time_to_probe(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    uint64_t reno_rounds = tcp_cc_bbr_target(pcb, b) / pcb->snd_mss;

    if (tcp->net->now_us - b->cycle_at_us <= b->bw_probe_wait_us &&
        b->rounds_since_probe < u64_min(reno_rounds, RENO_ROUNDS_MAX))
        return false;
    start_refill(pcb, b);
    return true;
}

static bool is_time_to_cruise(struct tcp *tcp, const struct tcp_pcb *pcb, const struct tcp_bbr *b)
{
    uint32_t inflight = tcp_sent_pipe(pcb);

    if (tcp->net->now_us - b->cycle_at_us > b->drain_us)
        return true; /* what is still in the queue is not ours */
    return inflight <= tcp_cc_bbr_with_headroom(pcb, b) &&
           inflight <= tcp_cc_bbr_inflight(pcb, b, b->max_bw, BBR_GAIN_UNITY);
}

static bool is_time_to_go_down(const struct tcp_pcb *pcb, struct tcp_bbr *b,
                               const struct tcp_rate *rs)
{
    if (pcb->cwnd_limited && pcb->cwnd >= b->inflight_hi) {
        /* It is our own bound that holds bandwidth down: it has to grow first. */
        tcp_cc_bbr_reset_full_bw(b);
        b->full_bw = rs->delivery_rate;
        return false;
    }
    return b->full_bw_now;
}

/* ---- the long-term bound ---- */

static void too_high(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b, uint64_t inflight,
                     bool app_limited)
{
    b->bw_probe_samples = false; /* once a probing */
    if (!app_limited)
        b->inflight_hi = u64_max(inflight, tcp_cc_bbr_target(pcb, b) / 100 * BBR_BETA_PCT);
    if (b->state == BBR_PROBE_BW_UP)
        start_down(tcp, pcb, b);
}

static void probe_upward(struct tcp_pcb *pcb, struct tcp_bbr *b, const struct tcp_rate *rs)
{
    uint64_t segments;

    if (!pcb->cwnd_limited || pcb->cwnd < b->inflight_hi)
        return;
    b->bw_probe_up_acks += rs->newly_acked;
    segments = b->bw_probe_up_acks / b->probe_up_bytes;
    if (segments) {
        b->bw_probe_up_acks -= segments * b->probe_up_bytes;
        b->inflight_hi += segments * pcb->snd_mss;
    }
    if (b->round_start)
        raise_slope(pcb, b);
}

static void adapt_long_term(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b,
                            const struct tcp_rate *rs)
{
    if (b->round_start && b->ack_phase == BBR_ACKS_PROBE_STARTING)
        b->ack_phase = BBR_ACKS_PROBE_FEEDBACK; /* what comes now was sent faster */
    if (b->round_start && b->ack_phase == BBR_ACKS_PROBE_STOPPING) {
        b->bw_probe_samples = false;
        b->ack_phase = BBR_ACKS_INIT;
        if (tcp_cc_bbr_is_probe_bw(b) && !rs->app_limited)
            tcp_cc_bbr_advance_max_bw(b);
    }
    if (b->too_high || (rs->valid && tcp_cc_bbr_is_too_high(pcb, b, rs))) {
        bool by_loss = b->too_high != 0;
        uint64_t inflight = by_loss ? b->too_high : rs->tx_in_flight;
        b->too_high = 0;
        if (tcp_cc_bbr_is_judging(b))
            too_high(tcp, pcb, b, inflight, by_loss ? b->too_high_app_limited : rs->app_limited);
        return;
    }
    if (b->inflight_hi == BBR_INF)
        return;
    if (rs->valid)
        b->inflight_hi = u64_max(b->inflight_hi, rs->tx_in_flight);
    if (b->state == BBR_PROBE_BW_UP)
        probe_upward(pcb, b, rs);
}

/* ---- from state to state ---- */

static void update_cycle(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b,
                         const struct tcp_rate *rs)
{
    if (!b->full_bw_reached)
        return;
    adapt_long_term(tcp, pcb, b, rs);
    switch ((enum bbr_state)b->state) {
    case BBR_PROBE_BW_DOWN:
        if (!is_time_to_probe(tcp, pcb, b) && is_time_to_cruise(tcp, pcb, b))
            enter(b, BBR_PROBE_BW_CRUISE);
        break;
    case BBR_PROBE_BW_CRUISE:
        is_time_to_probe(tcp, pcb, b);
        break;
    case BBR_PROBE_BW_REFILL:
        if (b->round_start) {
            b->bw_probe_samples = true;
            start_up(tcp, pcb, b, rs);
        }
        break;
    case BBR_PROBE_BW_UP:
        if (is_time_to_go_down(pcb, b, rs))
            start_down(tcp, pcb, b);
        break;
    case BBR_STARTUP:
    case BBR_DRAIN:
    case BBR_PROBE_RTT:
        break;
    }
}

static void check_startup_and_drain(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    if (b->state == BBR_STARTUP && b->full_bw_reached)
        enter(b, BBR_DRAIN);
    if (b->state == BBR_DRAIN &&
        tcp_sent_pipe(pcb) <= tcp_cc_bbr_inflight(pcb, b, b->max_bw, BBR_GAIN_UNITY))
        start_down(tcp, pcb, b);
}

static void save_cwnd(struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    bool whole = (b->recovery == TCP_RECOVERY_NONE || b->recovery == TCP_RECOVERY_CWR) &&
                 b->state != BBR_PROBE_RTT;

    b->prior_cwnd = whole ? pcb->cwnd : u32_max(b->prior_cwnd, pcb->cwnd);
}

static void check_probe_rtt_done(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    if (!b->probe_rtt_done_us || tcp->net->now_us <= b->probe_rtt_done_us)
        return;
    b->probe_rtt_min_at_us = tcp->net->now_us; /* the next one in so and so long */
    pcb->cwnd = u32_max(pcb->cwnd, b->prior_cwnd);
    tcp_cc_bbr_reset_lower_bounds(b);
    if (b->full_bw_reached) {
        start_down(tcp, pcb, b);
        enter(b, BBR_PROBE_BW_CRUISE);
    } else {
        enter(b, BBR_STARTUP);
    }
}

static uint32_t probe_rtt_cwnd(const struct tcp_pcb *pcb, const struct tcp_bbr *b)
{
    uint64_t half = tcp_cc_bbr_bdp(pcb, b, b->bw, gains[BBR_PROBE_RTT].cwnd);

    return (uint32_t)u64_min(u64_max(half, tcp_cc_bbr_min_cwnd(pcb)), TCP_WINDOW_MAX);
}

static void check_probe_rtt(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b,
                            const struct tcp_rate *rs)
{
    if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
        save_cwnd(pcb, b);
        enter(b, BBR_PROBE_RTT);
        b->probe_rtt_done_us = 0;
        b->ack_phase = BBR_ACKS_PROBE_STOPPING;
        tcp_cc_bbr_start_round(pcb, b);
    }
    if (b->state == BBR_PROBE_RTT) {
        tcp_rate_limit(pcb); /* these samples say little about bandwidth */
        if (!b->probe_rtt_done_us) {
            if (tcp_sent_pipe(pcb) <= probe_rtt_cwnd(pcb, b)) {
                b->probe_rtt_done_us = tcp->net->now_us + PROBE_RTT_US;
                b->probe_rtt_round_done = false;
                tcp_cc_bbr_start_round(pcb, b);
            }
        } else {
            b->probe_rtt_round_done |= b->round_start;
            if (b->probe_rtt_round_done)
                check_probe_rtt_done(tcp, pcb, b);
        }
    }
    if (rs->newly_acked)
        b->idle_restart = false;
}

/* ---- what follows: rate and window ---- */

static void set_pacing(struct tcp_pcb *pcb, const struct tcp_bbr *b, uint32_t gain)
{
    uint64_t rate = b->bw * gain / 100 * (100 - MARGIN_PCT) / 100;

    if (rate && (b->full_bw_reached || rate > pcb->pacing_rate))
        pcb->pacing_rate = rate;
}

/* Inside what the model knows of the path, but never less than the three frames that keep the pipe
 * full, which are a few milliseconds of the rate. The draft's four segments are too few where
 * chance alone loses many: sooner or later a whole flight is lost, in recovery no probe goes out,
 * and each time the retransmission timeout is waited for (at 20 % loss eighty times slower). */
static uint64_t bound_for_model(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t cwnd)
{
    uint64_t cap = BBR_INF;

    if (b->state == BBR_PROBE_RTT || b->state == BBR_PROBE_BW_CRUISE)
        cap = tcp_cc_bbr_with_headroom(pcb, b);
    else if (tcp_cc_bbr_is_probe_bw(b))
        cap = b->inflight_hi;
    cap = u64_min(cap, b->inflight_lo);
    if (b->state == BBR_PROBE_RTT)
        cap = u64_max(cap, tcp_cc_bbr_min_cwnd(pcb));
    else
        cap = u64_max(cap, tcp_cc_bbr_quantize(pcb, b, 0));
    return u64_min(cwnd, cap);
}

static void set_cwnd(struct tcp_pcb *pcb, struct tcp_bbr *b, const struct tcp_rate *rs)
{
    uint64_t cwnd = pcb->cwnd;
    uint64_t most = tcp_cc_bbr_bdp(pcb, b, b->bw, b->cwnd_gain) + tcp_cc_bbr_extra_acked(b);

    b->max_inflight = tcp_cc_bbr_quantize(pcb, b, most);
    if (b->full_bw_reached)
        cwnd = u64_min(cwnd + rs->newly_acked, b->max_inflight);
    else if (cwnd < b->max_inflight ||
             pcb->delivered - b->init_delivered < tcp_cc_initial_window(pcb->snd_mss))
        cwnd += rs->newly_acked;
    cwnd = u64_max(cwnd, tcp_cc_bbr_min_cwnd(pcb));
    if (b->state == BBR_PROBE_RTT)
        cwnd = u64_min(cwnd, probe_rtt_cwnd(pcb, b));
    cwnd = bound_for_model(pcb, b, cwnd);
    pcb->cwnd = (uint32_t)u64_min(cwnd, TCP_WINDOW_MAX);
}

static bool is_recovering(uint8_t recovery)
{
    return recovery == TCP_RECOVERY_FAST || recovery == TCP_RECOVERY_LOSS;
}

static void control(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_rate *rs)
{
    struct tcp_bbr *b = tcp_cc_bbr(pcb);

    if (!b)
        return;
    if (is_recovering(b->recovery) && !is_recovering(pcb->recovery))
        pcb->cwnd = u32_max(pcb->cwnd, b->prior_cwnd);
    b->recovery = pcb->recovery;
    tcp_cc_bbr_update(tcp, pcb, b, rs);
    check_startup_and_drain(tcp, pcb, b);
    update_cycle(tcp, pcb, b, rs);
    tcp_cc_bbr_update_min_rtt(tcp, b, rs);
    check_probe_rtt(tcp, pcb, b, rs);
    tcp_cc_bbr_bound(b, rs);
    set_pacing(pcb, b, b->pacing_gain);
    set_cwnd(pcb, b, rs);
}

/* ---- the other hooks ---- */

static void release(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_bbr *b = tcp_cc_bbr(pcb);

    pcb->cc[0] = 0;
    if (b)
        slab_free(&tcp->bbrs, b);
}

static bool init(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_bbr *b = slab_alloc(&tcp->bbrs);
    uint64_t now = tcp->net->now_us;

    if (!b)
        return false;
    b->min_rtt_us = pcb->srtt_us ? pcb->srtt_us : BBR_RTT_INF;
    b->probe_rtt_min_us = b->min_rtt_us;
    b->min_rtt_at_us = b->probe_rtt_min_at_us = now;
    b->extra_acked_interval_us = now;
    b->inflight_hi = BBR_INF;
    b->undo.bw_lo = b->undo.inflight_lo = b->undo.inflight_hi = 0;
    b->recovery = pcb->recovery;
    b->init_delivered = b->next_round_delivered = b->loss_round_delivered = pcb->delivered;
    b->prior_cwnd = pcb->cwnd;
    b->round_lost = pcb->lost_total;
    b->round_delivered = pcb->delivered;
    tcp_cc_bbr_reset_lower_bounds(b);
    enter(b, BBR_STARTUP);
    pcb->pacing_rate = (uint64_t)pcb->cwnd * 1000000 /
                       (pcb->srtt_us ? pcb->srtt_us : RTT_ASSUMED_US) * STARTUP_PACING_PCT / 100;
    pcb->cc[0] = (uintptr_t)b;
    return true;
}

/* There is no threshold: only cwnd is remembered. */
static uint32_t ssthresh(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_bbr *b = tcp_cc_bbr(pcb);

    if (b) {
        save_cwnd(pcb, b);
        b->undo.bw_lo = b->bw_lo;
        b->undo.inflight_lo = b->inflight_lo;
        b->undo.inflight_hi = b->inflight_hi;
    }
    return u32_max(pcb->cwnd, 2u * pcb->snd_mss);
}

static void undo(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_bbr *b = tcp_cc_bbr(pcb);

    if (!b)
        return;
    pcb->cwnd = u32_max(pcb->cwnd, b->prior_cwnd);
    tcp_cc_bbr_reset_full_bw(b);
    b->loss_in_round = false;
    b->too_high = 0;
    b->bw_lo = u64_max(b->bw_lo, b->undo.bw_lo);
    b->inflight_lo = u64_max(b->inflight_lo, b->undo.inflight_lo);
    b->inflight_hi = u64_max(b->inflight_hi, b->undo.inflight_hi);
}

/* Nothing was in flight: no burst to catch up with what was not sent. */
static void restart(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_bbr *b = tcp_cc_bbr(pcb);

    if (!b || !pcb->app_limited)
        return;
    b->idle_restart = true;
    b->extra_acked_interval_us = tcp->net->now_us;
    b->extra_acked_delivered = 0;
    if (tcp_cc_bbr_is_probe_bw(b))
        set_pacing(pcb, b, BBR_GAIN_UNITY);
    else if (b->state == BBR_PROBE_RTT)
        check_probe_rtt_done(tcp, pcb, b);
}

void tcp_cc_bbr_repair(struct tcp *tcp)
{
    struct tcp_bbr *next;

    slab_rebuild(&tcp->bbrs);
    for (struct tcp_bbr *b = slab_next(&tcp->bbrs, NULL); b; b = slab_next(&tcp->bbrs, b))
        b->seen = false;
    for (struct tcp_pcb *pcb = slab_next(&tcp->pcbs, NULL); pcb; pcb = slab_next(&tcp->pcbs, pcb))
        if (pcb->conf.congestion == TCP_CC_BBR && tcp_cc_bbr(pcb))
            tcp_cc_bbr(pcb)->seen = true;
    for (struct tcp_bbr *b = slab_next(&tcp->bbrs, NULL); b; b = next) {
        next = slab_next(&tcp->bbrs, b);
        if (!b->seen)
            slab_free(&tcp->bbrs, b);
    }
}

size_t tcp_cc_info(const struct tcp_pcb *pcb, void *info, size_t room)
{
    const struct tcp_bbr *b = pcb->conf.congestion == TCP_CC_BBR ? tcp_cc_bbr(pcb) : NULL;
    struct tcp_bbr_info i;

    if (!b)
        return 0;
    i = (struct tcp_bbr_info){.bbr_bw_lo = (uint32_t)b->bw,
                              .bbr_bw_hi = (uint32_t)(b->bw >> 32),
                              .bbr_min_rtt = b->min_rtt_us,
                              .bbr_pacing_gain = b->pacing_gain * 256u / 100,
                              .bbr_cwnd_gain = b->cwnd_gain * 256u / 100};
    room = room < sizeof(i) ? room : sizeof(i);
    memcpy(info, &i, room);
    return room;
}

size_t tcp_cc_bbr_bytes(void)
{
    return sizeof(struct tcp_bbr);
}

const struct tcp_cc_ops tcp_cc_bbr_ops = {
    .name = "bbr",
    .init = init,
    .release = release,
    .ssthresh = ssthresh,
    .undo = undo,
    .control = control,
    .lost = tcp_cc_bbr_lost,
    .restart = restart,
    .paces = true,
};
