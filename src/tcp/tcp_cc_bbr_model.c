/*
 * BBR's model of the path: how fast it delivers (max_bw, with bw_lo while losses say that there is
 * less), how long it takes (min_rtt), how much may be in flight (inflight_hi in the long term,
 * inflight_lo in the short one), and how much is acknowledged in lumps (extra_acked).
 *
 * The short-term bounds sink once a round in which too much was lost, except while bandwidth is
 * probed, and are forgotten when the next probing begins. The long-term bound is what was in flight
 * when too much of it was lost, and grows while probing shows that there is room.
 *
 * Too much is more than 2 %, beyond what chance makes of 2 %: two standard deviations. Here the
 * draft is left: it takes every loss for the short term and the bare 2 % for the long one. But of
 * 100 segments on a link that loses each hundredth, three are lost in every twelfth flight, and
 * bounds that only sink between probings then follow the luck down. Queues that overflow lose
 * many at once and are seen as before.
 *
 * A link may lose more than 2 % by itself. What is lost while we cruise, with no queue in sight, is
 * such a floor, which going slower does not lower: the 2 % are counted from there (up to 5 %, for a
 * policer without a queue looks the same). With a queue in sight nothing is learned, or several
 * flows would each take the losses that they cause each other for the link's, and the one that is
 * used to most would push the others out (four flows: Jain's index 0.5 instead of 0.97).
 *
 * Unless the queue is somebody else's for good. Flows that ignore loss, BBR's first version above
 * all, keep it full whatever we do, and overrun it every few round trips; who yields each time, and
 * waits for the next probing to come back, is left with a third of what is his. So when the queue
 * has not sunk below one half in three cycles of cruising, though we lost more than 1 % there, we
 * bear 7 % of losses, and 3 % while we probe. CUBIC does not look like that (it loses little), and
 * two flows of our kind do not; four with a short queue can, and then lose more (5.5 instead of
 * 3.3 %), but much more if all of them bore 7 % while they probe (10 %).
 *
 * A shortest round trip that is met again, within 1/64, is as good as one that was probed for:
 * PROBE_RTT is put off. A flow that empties its queue by itself then never halves its window.
 */
#include "tcp/tcp_cc_bbr.h"

#define US_PER_S                1000000u
#define MIN_PIPE_SEGMENTS       4u
#define HEADROOM_PCT            15u
#define FULL_BW_PCT             125u /* growth that shows that there is more */
#define FULL_BW_COUNT           3u   /* rounds without it */
#define EXTRA_ACKED_ROUNDS      5u   /* each of two halves of the window of 10 */
#define EXTRA_ACKED_US          1000000u
#define PROBE_RTT_INTERVAL_US   5000000u
#define MIN_RTT_FILTER_US       10000000u
#define SAME_RTT                64u /* parts of it by which it may differ */
#define KEPT_PCT                90u
#define STARTUP_FULL_LOSS_COUNT 6u
#define QUANTUM_MAX             65536u
#define LOSS_DEVIATIONS         2u
#define UNIT                    10000u /* of shares lost */
#define FLOOR_MAX               (UNIT / 100 * 5)
#define FLOOR_SEGMENTS          200u
#define QUEUE_SEEN              8u
#define CROWD_LOSS_PCT          1u
#define CROWD_PROBING           (UNIT / 100)
#define CROWDED                 3u /* cycles */
#define CROWDED_MAX             (CROWDED + 1)

static uint64_t percent(uint64_t v, uint32_t p)
{
    return v == BBR_INF ? BBR_INF : v / 100 * p + v % 100 * p / 100;
}

uint32_t tcp_cc_bbr_min_cwnd(const struct tcp_pcb *pcb)
{
    return MIN_PIPE_SEGMENTS * pcb->snd_mss;
}

uint64_t tcp_cc_bbr_bdp(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t bw,
                        uint32_t gain)
{
    if (b->min_rtt_us == BBR_RTT_INF || bw == 0)
        return tcp_cc_initial_window(pcb->snd_mss);
    return percent(bw * b->min_rtt_us / US_PER_S, gain);
}

uint64_t tcp_cc_bbr_quantize(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t inflight)
{
    /* Three frames keep the pipe full: one at each end, one on the way. */
    uint64_t budget = 3 * (uint64_t)tcp_pace_frame_bytes(pcb, QUANTUM_MAX);

    inflight = u64_max(inflight, budget);
    inflight = u64_max(inflight, tcp_cc_bbr_min_cwnd(pcb));
    if (b->state == BBR_PROBE_BW_UP)
        inflight += 2u * pcb->snd_mss;
    return inflight;
}

uint64_t tcp_cc_bbr_inflight(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t bw,
                             uint32_t gain)
{
    return tcp_cc_bbr_quantize(pcb, b, tcp_cc_bbr_bdp(pcb, b, bw, gain));
}

/* Have others taken bandwidth from us since the last probing? */
static bool is_outrun(const struct tcp_bbr *b)
{
    return b->bw_filter[1] < percent(b->bw_filter[0], KEPT_PCT);
}

uint64_t tcp_cc_bbr_with_headroom(const struct tcp_pcb *pcb, const struct tcp_bbr *b)
{
    uint64_t headroom, least = tcp_cc_bbr_min_cwnd(pcb);

    if (b->inflight_hi == BBR_INF)
        return BBR_INF;
    headroom =
        is_outrun(b) ? pcb->snd_mss : u64_max(percent(b->inflight_hi, HEADROOM_PCT), pcb->snd_mss);
    if (b->inflight_hi < headroom + least)
        return least;
    return b->inflight_hi - headroom;
}

uint64_t tcp_cc_bbr_target(const struct tcp_pcb *pcb, const struct tcp_bbr *b)
{
    return u64_min(tcp_cc_bbr_bdp(pcb, b, b->bw, BBR_GAIN_UNITY), pcb->cwnd);
}

/* ---- losses that are too many ---- */

/* What is lost whatever we do, in parts of UNIT. */
static uint64_t floor_loss(const struct tcp_pcb *pcb, const struct tcp_bbr *b)
{
    uint64_t of = b->floor_of[0] + b->floor_of[1], lost = b->floor_lost[0] + b->floor_lost[1];

    if (b->crowded >= CROWDED) /* to yield is no use */
        return tcp_cc_bbr_is_probing(b) ? CROWD_PROBING : FLOOR_MAX;
    if (of < (uint64_t)FLOOR_SEGMENTS * pcb->snd_mss)
        return 0;
    return u64_min(lost * UNIT / of, FLOOR_MAX);
}

/* With n segments of which `lost` are lost, and p = 0.02 and the floor: lost > p n + 2 sqrt(p n).
 */
static bool is_too_much(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t lost_bytes,
                        uint64_t of_bytes)
{
    uint64_t lost = (lost_bytes + pcb->snd_mss - 1) / pcb->snd_mss * UNIT;
    uint64_t n = (of_bytes + pcb->snd_mss - 1) / pcb->snd_mss;
    uint64_t expected = n * (UNIT / 100 * BBR_LOSS_PCT + floor_loss(pcb, b)), beyond;

    if (lost <= expected)
        return false;
    beyond = lost - expected;
    return beyond > LOSS_DEVIATIONS * LOSS_DEVIATIONS * UNIT * expected / beyond;
}

/* Round trips are longer than the shortest by more than an eighth of what a full queue adds, which
 * was seen when bandwidth was probed. */
static bool is_queue_seen(const struct tcp_pcb *pcb, const struct tcp_bbr *b)
{
    uint32_t peak_us = u32_max(b->peak_rtt_us[0], b->peak_rtt_us[1]);

    return pcb->srtt_us > b->min_rtt_us &&
           (uint64_t)(pcb->srtt_us - b->min_rtt_us) * QUEUE_SEEN > peak_us - b->min_rtt_us;
}

/* A round of cruising is over, and this was lost of so much. */
static void update_crowd(const struct tcp_pcb *pcb, struct tcp_bbr *b, uint64_t lost, uint64_t of)
{
    b->trough_rtt_us = b->cruise_of ? u32_min(b->trough_rtt_us, pcb->srtt_us) : pcb->srtt_us;
    b->cruise_lost += lost;
    b->cruise_of += of;
}

/* The queue was never less than half full though we cruised, and we lost more than chance does. */
static bool was_crowded(const struct tcp_bbr *b)
{
    uint32_t peak_us = u32_max(b->peak_rtt_us[0], b->peak_rtt_us[1]);

    return b->trough_rtt_us > b->min_rtt_us &&
           (uint64_t)(b->trough_rtt_us - b->min_rtt_us) * 2 > peak_us - b->min_rtt_us &&
           b->cruise_lost * 100 > b->cruise_of * CROWD_LOSS_PCT;
}

/* A round is over. What is lost while we cruise and no queue is in sight is lost whatever we do. */
static void update_floor(const struct tcp_pcb *pcb, struct tcp_bbr *b, uint64_t lost, uint64_t of,
                         bool too_much)
{
    b->peak_rtt_us[1] = u32_max(b->peak_rtt_us[1], pcb->srtt_us);
    if (b->state != BBR_PROBE_BW_CRUISE)
        return;
    update_crowd(pcb, b, lost, of);
    if (is_queue_seen(pcb, b))
        return;
    if (too_much) /* news, not the floor: as much as is allowed */
        lost = of * (UNIT / 100 * BBR_LOSS_PCT + floor_loss(pcb, b)) / UNIT;
    b->floor_lost[1] += lost;
    b->floor_of[1] += of;
}

void tcp_cc_bbr_advance_losses(struct tcp_bbr *b)
{
    if (b->cruise_of && was_crowded(b))
        b->crowded += b->crowded < CROWDED_MAX;
    else if (b->cruise_of)
        b->crowded -= b->crowded > 0;
    b->cruise_lost = b->cruise_of = 0;
    b->peak_rtt_us[0] = b->peak_rtt_us[1];
    b->floor_lost[0] = b->floor_lost[1];
    b->floor_of[0] = b->floor_of[1];
    b->peak_rtt_us[1] = 0;
    b->floor_lost[1] = b->floor_of[1] = 0;
}

bool tcp_cc_bbr_is_too_high(const struct tcp_pcb *pcb, const struct tcp_bbr *b,
                            const struct tcp_rate *rs)
{
    return rs->tx_in_flight && is_too_much(pcb, b, rs->lost, rs->tx_in_flight);
}

bool tcp_cc_bbr_is_judging(const struct tcp_bbr *b)
{
    return b->bw_probe_samples && !(b->ack_phase == BBR_ACKS_PROBE_STARTING && is_outrun(b));
}

/* ---- rounds and signals ---- */

void tcp_cc_bbr_start_round(const struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    b->next_round_delivered = pcb->delivered;
}

static void update_round(const struct tcp_pcb *pcb, struct tcp_bbr *b, const struct tcp_rate *rs)
{
    b->round_start = false;
    if (!rs->valid || rs->prior_delivered < b->next_round_delivered)
        return;
    tcp_cc_bbr_start_round(pcb, b);
    b->round_count++;
    b->rounds_since_probe++;
    b->round_start = true;
}

void tcp_cc_bbr_reset_signals(struct tcp_bbr *b)
{
    b->loss_in_round = false;
    b->bw_latest = b->inflight_latest = 0;
}

void tcp_cc_bbr_reset_lower_bounds(struct tcp_bbr *b)
{
    b->bw_lo = b->inflight_lo = BBR_INF;
}

static void update_latest(const struct tcp_pcb *pcb, struct tcp_bbr *b, const struct tcp_rate *rs)
{
    b->loss_round_start = false;
    if (!rs->valid)
        return;
    b->bw_latest = u64_max(b->bw_latest, rs->delivery_rate);
    b->inflight_latest = u64_max(b->inflight_latest, rs->delivered);
    if (rs->prior_delivered >= b->loss_round_delivered) {
        b->loss_round_delivered = pcb->delivered;
        b->loss_round_start = true;
    }
}

static void update_max_bw(struct tcp_bbr *b, const struct tcp_rate *rs)
{
    if (!rs->delivery_rate || (rs->app_limited && rs->delivery_rate < b->max_bw))
        return;
    b->bw_filter[1] = u64_max(b->bw_filter[1], rs->delivery_rate);
    b->max_bw = u64_max(b->bw_filter[0], b->bw_filter[1]);
}

void tcp_cc_bbr_advance_max_bw(struct tcp_bbr *b)
{
    if (!b->bw_filter[1])
        return; /* nothing was measured: keep what there is */
    b->bw_filter[0] = b->bw_filter[1];
    b->bw_filter[1] = 0;
    b->max_bw = b->bw_filter[0];
}

/* Once a round of many losses: the short-term bounds follow what got through, but not too fast. */
static void adapt_lower_bounds(const struct tcp_pcb *pcb, struct tcp_bbr *b)
{
    uint64_t lost = pcb->lost_total - b->round_lost;
    uint64_t of = lost + pcb->delivered - b->round_delivered;
    bool too_much = b->loss_in_round && is_too_much(pcb, b, lost, of);

    update_floor(pcb, b, lost, of, too_much);
    if (tcp_cc_bbr_is_probing(b) || !too_much)
        return;
    if (b->bw_lo == BBR_INF)
        b->bw_lo = b->max_bw;
    if (b->inflight_lo == BBR_INF)
        b->inflight_lo = pcb->cwnd;
    b->bw_lo = u64_max(b->bw_latest, percent(b->bw_lo, BBR_BETA_PCT));
    b->inflight_lo = u64_max(b->inflight_latest, percent(b->inflight_lo, BBR_BETA_PCT));
}

/* ---- aggregation of ACKs ---- */

uint64_t tcp_cc_bbr_extra_acked(const struct tcp_bbr *b)
{
    return u64_max(b->extra_acked[0], b->extra_acked[1]);
}

static void update_aggregation(struct tcp *tcp, const struct tcp_pcb *pcb, struct tcp_bbr *b,
                               const struct tcp_rate *rs)
{
    uint64_t now = tcp->net->now_us, expected, extra;

    if (!rs->newly_acked || !b->bw)
        return;
    if (b->round_start &&
        ++b->extra_acked_rounds >= (b->full_bw_reached ? EXTRA_ACKED_ROUNDS : 1u)) {
        b->extra_acked_rounds = 0;
        b->extra_acked[0] = b->extra_acked[1];
        b->extra_acked[1] = 0;
    }
    expected = b->bw * u64_min(now - b->extra_acked_interval_us, EXTRA_ACKED_US) / US_PER_S;
    /* What takes longer is no lump, but a bandwidth that was taken for a little less than it is. */
    if (b->extra_acked_delivered <= expected ||
        now - b->extra_acked_interval_us >= EXTRA_ACKED_US) {
        b->extra_acked_delivered = 0;
        b->extra_acked_interval_us = now;
        expected = 0;
    }
    b->extra_acked_delivered += rs->newly_acked;
    extra = b->extra_acked_delivered - u64_min(expected, b->extra_acked_delivered);
    extra = u64_min(extra, pcb->cwnd);
    b->extra_acked[1] = u64_max(b->extra_acked[1], extra);
}

/* ---- is the pipe full? ---- */

void tcp_cc_bbr_reset_full_bw(struct tcp_bbr *b)
{
    b->full_bw = 0;
    b->full_bw_count = 0;
    b->full_bw_now = false;
}

static void check_full_bw(struct tcp_bbr *b, const struct tcp_rate *rs)
{
    if (b->full_bw_now || !rs->valid || rs->app_limited)
        return;
    if (rs->delivery_rate >= percent(b->full_bw, FULL_BW_PCT) && rs->delivery_rate) {
        tcp_cc_bbr_reset_full_bw(b);
        b->full_bw = rs->delivery_rate;
        return;
    }
    if (!b->round_start)
        return;
    if (b->full_bw_count < UINT8_MAX)
        b->full_bw_count++;
    b->full_bw_now = b->full_bw_count >= FULL_BW_COUNT;
    b->full_bw_reached |= b->full_bw_now;
}

/* Startup also ends when a whole round of it lost a lot, in several places. */
static void check_startup_loss(const struct tcp_pcb *pcb, struct tcp_bbr *b,
                               const struct tcp_rate *rs)
{
    if (rs->newly_lost && b->loss_events < UINT8_MAX)
        b->loss_events++;
    if (b->state == BBR_STARTUP && b->loss_round_start &&
        b->loss_events >= STARTUP_FULL_LOSS_COUNT && pcb->recovery == TCP_RECOVERY_FAST &&
        tcp_cc_bbr_is_too_high(pcb, b, rs)) {
        b->full_bw_reached = true;
        b->inflight_hi =
            u64_max(tcp_cc_bbr_bdp(pcb, b, b->max_bw, BBR_GAIN_UNITY), b->inflight_latest);
    }
    if (b->loss_round_start)
        b->loss_events = 0;
}

void tcp_cc_bbr_update(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b,
                       const struct tcp_rate *rs)
{
    update_latest(pcb, b, rs);
    update_round(pcb, b, rs);
    update_max_bw(b, rs);
    if (b->loss_round_start) {
        adapt_lower_bounds(pcb, b);
        b->loss_in_round = false;
        b->round_lost = pcb->lost_total;
        b->round_delivered = pcb->delivered;
    }
    update_aggregation(tcp, pcb, b, rs);
    check_full_bw(b, rs);
    check_startup_loss(pcb, b, rs);
}

void tcp_cc_bbr_bound(struct tcp_bbr *b, const struct tcp_rate *rs)
{
    if (b->loss_round_start) {
        b->bw_latest = rs->delivery_rate;
        b->inflight_latest = rs->delivered;
    }
    b->bw = u64_min(b->max_bw, b->bw_lo);
}

/* ---- round trips ---- */

void tcp_cc_bbr_update_min_rtt(struct tcp *tcp, struct tcp_bbr *b, const struct tcp_rate *rs)
{
    uint64_t now = tcp->net->now_us;

    b->probe_rtt_expired = now > b->probe_rtt_min_at_us + PROBE_RTT_INTERVAL_US;
    if (rs->rtt_us && (rs->rtt_us < b->probe_rtt_min_us || b->probe_rtt_expired)) {
        b->probe_rtt_min_us = rs->rtt_us;
        b->probe_rtt_min_at_us = now;
    } else if (rs->rtt_us && rs->rtt_us - b->probe_rtt_min_us <= b->probe_rtt_min_us / SAME_RTT) {
        b->probe_rtt_min_at_us = now;
    }
    if (b->probe_rtt_min_us < b->min_rtt_us || now > b->min_rtt_at_us + MIN_RTT_FILTER_US) {
        b->min_rtt_us = b->probe_rtt_min_us;
        b->min_rtt_at_us = b->probe_rtt_min_at_us;
    }
}

/* ---- losses ---- */

/* How much was in flight before r when the part of it that was lost passed the threshold. */
static uint64_t inflight_at_loss(const struct tcp_rate *rs, uint32_t size)
{
    uint64_t inflight_prev = rs->tx_in_flight > size ? rs->tx_in_flight - size : 0;
    uint64_t lost_prev = rs->lost > size ? rs->lost - size : 0;
    uint64_t allowed = inflight_prev * BBR_LOSS_PCT;

    if (allowed <= lost_prev * 100)
        return inflight_prev;
    return inflight_prev + (allowed - lost_prev * 100) / (100 - BBR_LOSS_PCT);
}

void tcp_cc_bbr_lost(struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    struct tcp_bbr *b = tcp_cc_bbr(pcb);
    struct tcp_rate rs = {.tx_in_flight = r->tx_in_flight,
                          .lost = pcb->lost_total - r->lost_at_send,
                          .app_limited = r->flags & TCP_SENT_APP_LIMITED};

    if (!b)
        return;
    if (!b->loss_in_round)
        b->loss_round_delivered = pcb->delivered;
    b->loss_in_round = true;
    if (!tcp_cc_bbr_is_judging(b) || b->too_high || !tcp_cc_bbr_is_too_high(pcb, b, &rs))
        return;
    /* The next ACK carries it out (tcp_cc_bbr.c). */
    b->too_high = u64_max(inflight_at_loss(&rs, tcp_sent_len(r)), 1);
    b->too_high_app_limited = rs.app_limited;
}
