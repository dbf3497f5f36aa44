/*
 * BBR's state and what its two files share (tcp_cc_bbr.c, tcp_cc_bbr_model.c). Names are those of
 * draft-ietf-ccwg-bbr; volumes are bytes, rates bytes per second, gains percent.
 */
#ifndef SHIM_TCP_TCP_CC_BBR_H
#define SHIM_TCP_TCP_CC_BBR_H

#include "tcp/tcp_int.h"

#define BBR_INF        UINT64_MAX
#define BBR_RTT_INF    UINT32_MAX
#define BBR_BETA_PCT   70u /* of what is left after a loss */
#define BBR_LOSS_PCT   2u  /* BBRLossThresh */
#define BBR_GAIN_UNITY 100u

enum bbr_state {
    BBR_STARTUP,
    BBR_DRAIN,
    BBR_PROBE_BW_DOWN,
    BBR_PROBE_BW_CRUISE,
    BBR_PROBE_BW_REFILL,
    BBR_PROBE_BW_UP,
    BBR_PROBE_RTT,
};

enum bbr_ack_phase { /* what ACKs tell of while bandwidth is probed */
                     BBR_ACKS_INIT,
                     BBR_ACKS_REFILLING,
                     BBR_ACKS_PROBE_STARTING,
                     BBR_ACKS_PROBE_FEEDBACK,
                     BBR_ACKS_PROBE_STOPPING,
};

struct tcp_bbr {
    bool seen; /* by tcp_cc_bbr_repair() */
    uint8_t state, ack_phase;
    uint16_t pacing_gain, cwnd_gain;

    /* rounds: by what is delivered, not by the clock */
    uint64_t next_round_delivered, round_count;
    bool round_start;

    /* bandwidth */
    uint64_t max_bw, bw_lo, bw;
    uint64_t bw_filter[2]; /* the most of the last cycle of probing, and of this one */
    uint64_t full_bw;
    uint8_t full_bw_count;
    bool full_bw_now, full_bw_reached;

    /* round-trip time */
    uint32_t min_rtt_us, probe_rtt_min_us;
    uint64_t min_rtt_at_us, probe_rtt_min_at_us, probe_rtt_done_us; /* 0: not in it */
    bool probe_rtt_expired, probe_rtt_round_done, idle_restart;

    /* volume */
    uint64_t inflight_hi, inflight_lo, max_inflight;
    uint32_t prior_cwnd;
    uint64_t init_delivered;

    /* aggregation of ACKs: the most of the last rounds, and of those before them */
    uint64_t extra_acked[2], extra_acked_interval_us, extra_acked_delivered;
    uint64_t extra_acked_rounds;

    /* signals of the last round */
    uint64_t loss_round_delivered, bw_latest, inflight_latest;
    uint64_t round_delivered, round_lost; /* pcb's when it began */
    bool loss_round_start, loss_in_round;
    uint8_t loss_events; /* ACKs of this round that told of losses */
    /* what was lost, of how much, while cruising: of the last cycle of probing, and of this one */
    uint64_t floor_lost[2], floor_of[2];
    uint32_t peak_rtt_us[2]; /* the longest of the smoothed round trips of these */
    /* of this cycle, while cruising: the shortest of them, and what was lost of how much */
    uint32_t trough_rtt_us;
    uint64_t cruise_lost, cruise_of;
    uint8_t crowded; /* goes up with each cycle in which we cruised in somebody's queue, and lost */

    /* probing for bandwidth */
    uint64_t cycle_at_us, bw_probe_wait_us;
    uint64_t drain_us;                         /* DOWN takes no longer */
    uint64_t bw_probe_up_acks, probe_up_bytes; /* inflight_hi grows by a segment for so many */
    uint32_t rounds_since_probe;
    uint8_t bw_probe_up_rounds;
    bool bw_probe_samples;     /* what is acknowledged was sent while probing */
    uint64_t too_high;         /* with it: a loss says that this much in flight was too much */
    bool too_high_app_limited; /* ... in a sample that the program limited */

    uint8_t recovery; /* enum tcp_recovery at the last ACK */
    struct {
        uint64_t bw_lo, inflight_lo, inflight_hi;
    } undo;
};

static inline struct tcp_bbr *tcp_cc_bbr(const struct tcp_pcb *pcb)
{
    return (struct tcp_bbr *)(uintptr_t)pcb->cc[0];
}
bool tcp_cc_bbr_is_probe_bw(const struct tcp_bbr *b);
/* Does it send faster than the path is known to carry, so that losses are no news? */
bool tcp_cc_bbr_is_probing(const struct tcp_bbr *b);

/* ---- tcp_cc_bbr_model.c ---- */

uint32_t tcp_cc_bbr_min_cwnd(const struct tcp_pcb *pcb); /* BBRMinPipeCwnd */
/* bw bytes/s times the shortest round trip, times gain. */
uint64_t tcp_cc_bbr_bdp(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t bw,
                        uint32_t gain);
/* BBRInflight: the same with room for what is sent at once. */
uint64_t tcp_cc_bbr_inflight(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t bw,
                             uint32_t gain);
uint64_t tcp_cc_bbr_quantize(const struct tcp_pcb *pcb, const struct tcp_bbr *b, uint64_t inflight);
uint64_t tcp_cc_bbr_with_headroom(const struct tcp_pcb *pcb, const struct tcp_bbr *b);
uint64_t tcp_cc_bbr_target(const struct tcp_pcb *pcb, const struct tcp_bbr *b);
uint64_t tcp_cc_bbr_extra_acked(const struct tcp_bbr *b);
/* Has the volume that rs speaks of lost too much? */
bool tcp_cc_bbr_is_too_high(const struct tcp_pcb *pcb, const struct tcp_bbr *b,
                            const struct tcp_rate *rs);
/* Do losses now end the probing? Not when others took bandwidth from us since the last one, and
 * what is acknowledged was sent before this one. */
bool tcp_cc_bbr_is_judging(const struct tcp_bbr *b);
/* A cycle of probing is over: what was lost in the one before it counts no more. */
void tcp_cc_bbr_advance_losses(struct tcp_bbr *b);

void tcp_cc_bbr_start_round(const struct tcp_pcb *pcb, struct tcp_bbr *b);
void tcp_cc_bbr_reset_full_bw(struct tcp_bbr *b);
void tcp_cc_bbr_reset_signals(struct tcp_bbr *b);
void tcp_cc_bbr_reset_lower_bounds(struct tcp_bbr *b);
/* A cycle of probing is over: the bandwidth of the one before it counts no more. */
void tcp_cc_bbr_advance_max_bw(struct tcp_bbr *b);
/* What an ACK tells of bandwidth, losses, aggregation and round trips; before the state changes. */
void tcp_cc_bbr_update(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_bbr *b,
                       const struct tcp_rate *rs);
void tcp_cc_bbr_update_min_rtt(struct tcp *tcp, struct tcp_bbr *b, const struct tcp_rate *rs);
/* After the state has changed: the latest signals move on, and b->bw is what holds now. */
void tcp_cc_bbr_bound(struct tcp_bbr *b, const struct tcp_rate *rs);
/* r was lost. */
void tcp_cc_bbr_lost(struct tcp_pcb *pcb, const struct tcp_sent *r);

#endif
