/*
 * Loss recovery: what an ACK does to the window, and what is sent again.
 *
 *                 something is lost                    a timeout
 *   NONE ------------------------------> FAST      any -----------> LOSS
 *     | <------ recover is acknowledged -- |                          |
 *     | <------ recover is acknowledged, or nothing was lost ---------+
 *     |
 *     +-- the network says that it is congested --> CWR --> NONE
 *
 * With SACK, RACK (tcp_rack.c) says what is lost, the tail loss probe (tcp_tlp.c) finds out about
 * tails, and in FAST and CWR proportional rate reduction (RFC 9937) leads cwnd to ssthresh, clocked
 * by what is delivered. In LOSS the window grows again from one segment, and F-RTO (RFC 5682) looks
 * whether the timeout was needed.
 *
 * Without SACK three duplicate ACKs bring the first segment again and each partial ACK the next
 * (RFC 5681 3.2, RFC 6582, with the limited transmit of RFC 3042 in tcp_output.c).
 *
 * recover is one past the highest sequence number sent when the loss was seen.
 */
#include "tcp/tcp_int.h"

#define DUP_ACK_THRESHOLD 3
#define BY_SEQ(n)         container_of(n, struct tcp_sent, by_seq)

void tcp_recover_init(struct tcp_pcb *pcb)
{
    pcb->recover = pcb->iss;
    pcb->recovery = TCP_RECOVERY_NONE;
    pcb->frto = TCP_FRTO_OFF;
    pcb->undo.on = pcb->tlp_on = pcb->tlp_patient = false;
    pcb->rto_at_us = pcb->reo_at_us = pcb->pto_at_us = 0;
    tcp_rack_init(pcb);
}

void tcp_recover_seen(struct tcp_pcb *pcb, const struct tcp_seg *seg, struct tcp_acked *a)
{
    memset(a, 0, offsetof(struct tcp_acked, newest));
    a->seg = seg;
    a->prior_una = pcb->snd_una;
    a->prior_fack = pcb->rack.fack;
    a->prior_pipe = tcp_sent_pipe(pcb);
}

/* ---- proportional rate reduction (RFC 9937) ---- */

static void prr_begin(struct tcp_pcb *pcb, uint32_t delivered)
{
    uint32_t fs = tcp_flight(pcb) - pcb->sacked_bytes + delivered;

    pcb->prr_delivered = pcb->prr_out = 0;
    pcb->prr_flight = u32_max(fs, pcb->snd_mss); /* RecoverFS */
}

static void prr(struct tcp_pcb *pcb, uint32_t delivered, bool safe)
{
    uint32_t pipe = tcp_sent_pipe(pcb);
    int64_t out;

    if (delivered == 0)
        return;
    pcb->prr_delivered += delivered;
    if (pipe > pcb->ssthresh) {
        out = (int64_t)(((uint64_t)pcb->prr_delivered * pcb->ssthresh + pcb->prr_flight - 1) /
                        pcb->prr_flight) -
              pcb->prr_out;
    } else {
        out = (int64_t)pcb->prr_delivered - pcb->prr_out; /* PRR-CRB */
        if (out < (int64_t)delivered)
            out = delivered;
        if (safe)
            out += pcb->snd_mss; /* PRR-SSRB: SND.UNA moves, and no new loss */
        if (out > (int64_t)pcb->ssthresh - pipe)
            out = (int64_t)pcb->ssthresh - pipe;
    }
    if (pcb->prr_out == 0 && out < (int64_t)pcb->snd_mss)
        out = pcb->snd_mss; /* the first one goes at once */
    pcb->cwnd = u32_max(pipe + (out > 0 ? (uint32_t)out : 0), pcb->snd_mss);
}

/* ---- in and out of recovery ---- */

static void reduce(struct tcp *tcp, struct tcp_pcb *pcb, enum tcp_recovery to, uint32_t delivered)
{
    /* A window is reduced once for all that happens in it. */
    if (pcb->recovery == TCP_RECOVERY_NONE || pcb->recovery == TCP_RECOVERY_LOSS) {
        tcp_undo_begin(pcb);
        pcb->undo.on = pcb->undo.fast = to == TCP_RECOVERY_FAST;
        pcb->ssthresh = tcp_cc(pcb)->ssthresh(tcp, pcb);
        tcp_ecn_reduced(pcb);
        pcb->cwnd_acked = 0;
        prr_begin(pcb, delivered);
    }
    pcb->recover = pcb->snd_nxt;
    pcb->recovery = (uint8_t)to;
    pcb->tlp_on = false;
    pcb->frto = TCP_FRTO_OFF;
    pcb->pto_at_us = 0;
}

void tcp_recover_reduce(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->recovery == TCP_RECOVERY_NONE)
        reduce(tcp, pcb, TCP_RECOVERY_CWR, 0);
}

static void enter_fast(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t delivered)
{
    tcp->stats.fast_retransmits++;
    if (!pcb->first_rexmt_us)
        pcb->first_rexmt_us = tcp->net->now_us;
    reduce(tcp, pcb, TCP_RECOVERY_FAST, delivered);
    pcb->partial_seen = false;
}

/* The reduction was without need. */
static void take_back(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a, bool all)
{
    if (pcb->undo.fast && pcb->sack_ok)
        tcp_rack_late(pcb, a);
    tcp_undo(tcp, pcb, all);
}

/* All that was in flight when the trouble was seen has arrived. */
static void leave(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    enum tcp_recovery from = (enum tcp_recovery)pcb->recovery;

    pcb->recovery = TCP_RECOVERY_NONE;
    pcb->frto = TCP_FRTO_OFF;
    if (from != TCP_RECOVERY_CWR && tcp_undo_may(pcb, a->seg)) {
        take_back(tcp, pcb, a, from == TCP_RECOVERY_LOSS);
    } else if (from == TCP_RECOVERY_FAST && !pcb->sack_ok) {
        /* RFC 6582 3.2 step 3, against a burst */
        pcb->cwnd = u32_min(pcb->ssthresh, u32_max(tcp_flight(pcb), pcb->snd_mss) + pcb->snd_mss);
    } else if (from != TCP_RECOVERY_LOSS && !tcp_cc(pcb)->control) {
        pcb->cwnd = pcb->ssthresh;
    }
    pcb->cwnd_acked = 0;
    if (from != TCP_RECOVERY_CWR)
        tcp_rack_left(pcb);
}

/* ---- after a timeout ---- */

static void spurious_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp_undo(tcp, pcb, true);
    pcb->recovery = TCP_RECOVERY_NONE;
    pcb->frto = TCP_FRTO_OFF;
}

/* RFC 5682 3.1 and, without SACK, 2.1; the steps as it numbers them. */
static void loss_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    if (a->acked && tcp_undo_may(pcb, a->seg)) {
        spurious_timeout(tcp, pcb);
        return;
    }
    if (pcb->frto == TCP_FRTO_OFF)
        return;
    /* 3 b: without SACK only if nothing of what was acknowledged had been sent again. */
    if (a->orig_delivered && (pcb->sack_ok || !a->again_acked)) {
        spurious_timeout(tcp, pcb);
        return;
    }
    if (seq_gt(pcb->snd_nxt, pcb->recover)) {
        if (a->sacked || a->dup)
            pcb->frto = TCP_FRTO_OFF; /* 3 a: the losses are real */
    } else if (a->acked && seq_lt(pcb->snd_una, pcb->recover)) {
        pcb->recover = pcb->snd_nxt;
        pcb->frto = TCP_FRTO_NEW; /* 2 b: new data, not old, if there are any */
    }
}

void tcp_recover_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    const struct tcp_sent *head = tcp_sent_first(pcb);
    bool reneged = head && head->flags & TCP_SENT_SACKED;
    bool fresh = pcb->recovery == TCP_RECOVERY_NONE;

    /* RFC 5681 3.1: once a window, and held while the same segment times out again. */
    if (fresh || seq_ge(pcb->snd_una, pcb->recover) ||
        (pcb->recovery == TCP_RECOVERY_LOSS && pcb->retransmits == 0)) {
        tcp_undo_begin(pcb);
        pcb->ssthresh = tcp_cc(pcb)->ssthresh(tcp, pcb);
        tcp_ecn_reduced(pcb);
    }
    /* RFC 8985 6.3: the first one, and all that RACK would take for lost. RFC 2018 8: what was
     * SACKed is believed no more when the peer did not acknowledge the SACKed beginning. */
    LIST_FOREACH (n, &pcb->sent_seq) {
        struct tcp_sent *r = BY_SEQ(n);
        if (r->flags & TCP_SENT_SACKED) {
            if (reneged)
                tcp_sent_mark(pcb, r, TCP_SENT_LOST, TCP_SENT_SACKED);
            continue;
        }
        if (n->prev == &pcb->sent_seq || reneged || !pcb->sack_ok || tcp_rack_is_due(tcp, pcb, r))
            tcp_sent_lose(pcb, r);
    }
    pcb->cwnd = tcp_sent_pipe(pcb) + pcb->snd_mss; /* LW, beside what is not taken for lost */
    pcb->cwnd_acked = 0;
    pcb->recover = pcb->snd_nxt; /* RFC 6582 3.2 step 4 */
    pcb->recovery = TCP_RECOVERY_LOSS;
    pcb->frto = fresh || pcb->retransmits ? TCP_FRTO_ON : TCP_FRTO_OFF;
    pcb->tlp_on = false;
    pcb->reo_at_us = pcb->pto_at_us = 0;
    pcb->dup_acks = 0;
}

void tcp_recover_too_big(struct tcp_pcb *pcb, uint32_t upto)
{
    LIST_FOREACH (n, &pcb->sent_seq) {
        struct tcp_sent *r = BY_SEQ(n);
        if (seq_lt(r->seq, upto) && !(r->flags & TCP_SENT_SACKED) && r->mss > pcb->snd_mss &&
            tcp_sent_len(r) > pcb->snd_mss)
            tcp_sent_lose(pcb, r);
    }
    if (list_empty(&pcb->sent_lost))
        return;
    pcb->recover = upto;
    pcb->recovery = TCP_RECOVERY_LOSS;
    pcb->frto = TCP_FRTO_OFF;
    pcb->undo.on = pcb->tlp_on = false;
    pcb->reo_at_us = pcb->pto_at_us = 0;
    pcb->dup_acks = 0;
}

/* ---- with SACK ---- */

/* Nothing is lost but the probe of a larger MSS (RFC 4821 7.5)? */
static bool only_probe_lost(struct tcp *tcp, struct tcp_pcb *pcb)
{
    const struct tcp_sent *r = tcp_sent_first(pcb);

    return pcb->probe_start != pcb->probe_end && r && r->flags & TCP_SENT_LOST &&
           r->seq == pcb->probe_start && r->end == pcb->probe_end &&
           pcb->lost_bytes == tcp_sent_len(r) && tcp_probe_lost(tcp, pcb);
}

static void reorder_seen(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    bool again = tcp_rack_detect(tcp, pcb);

    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_NONE:
    case TCP_RECOVERY_CWR:
        if (pcb->lost_bytes && !only_probe_lost(tcp, pcb))
            enter_fast(tcp, pcb, a ? a->delivered : 0);
        break;
    case TCP_RECOVERY_LOSS: /* a retransmission was lost: that is no longer the timeout's matter */
        if (again)
            enter_fast(tcp, pcb, a ? a->delivered : 0);
        break;
    case TCP_RECOVERY_FAST:
        break;
    }
}

void tcp_recover_reorder_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    enum tcp_recovery before = (enum tcp_recovery)pcb->recovery;

    reorder_seen(tcp, pcb, NULL);
    if (pcb->recovery == TCP_RECOVERY_FAST && before != TCP_RECOVERY_FAST && !tcp_cc(pcb)->control)
        prr(pcb, 1, false);
    tcp_output(tcp, pcb);
}

static void sack_ack(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    uint64_t lost = pcb->lost_total;

    if (a->dsack)
        tcp_rack_dsack(pcb, a);
    tcp_tlp_ack(tcp, pcb, a);
    if (pcb->recovery != TCP_RECOVERY_NONE && seq_ge(pcb->snd_una, pcb->recover))
        leave(tcp, pcb, a);
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_LOSS:
        loss_ack(tcp, pcb, a);
        break;
    case TCP_RECOVERY_FAST: /* RFC 4015 3: a partial ACK can tell it too */
        if (tcp_undo_by_dsack(pcb) || (a->acked && tcp_undo_by_echo(pcb, a->seg))) {
            take_back(tcp, pcb, a, true);
            pcb->recovery = TCP_RECOVERY_NONE;
        }
        break;
    case TCP_RECOVERY_NONE:
    case TCP_RECOVERY_CWR: /* D-SACKs may come when all is over */
        if (tcp_undo_by_dsack(pcb))
            take_back(tcp, pcb, a, false);
        break;
    }
    reorder_seen(tcp, pcb, a);
    a->lost = (uint32_t)(pcb->lost_total - lost);
}

/* ---- without ---- */

static void reno_dup_ack(struct tcp *tcp, struct tcp_pcb *pcb)
{
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_LOSS:
    case TCP_RECOVERY_CWR:
        return;
    case TCP_RECOVERY_FAST: /* RFC 5681 3.2 (4): a segment has left the network */
        if (pcb->cwnd < TCP_WINDOW_MAX)
            pcb->cwnd += pcb->snd_mss;
        break;
    case TCP_RECOVERY_NONE:
        if (pcb->dup_acks < DUP_ACK_THRESHOLD || tcp_probe_lost(tcp, pcb))
            break;
        /* RFC 6582 3.2 step 1: not again for losses of a window that has been dealt with. */
        if (!seq_gt(pcb->snd_una, pcb->recover))
            break;
        enter_fast(tcp, pcb, 0); /* step 2 */
        tcp_retransmit_head(tcp, pcb);
        pcb->cwnd = pcb->ssthresh + DUP_ACK_THRESHOLD * pcb->snd_mss; /* step 3 */
        pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb);
        break;
    }
    tcp_output_defer(tcp, pcb);
}

static void reno_partial_ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    tcp_retransmit_head(tcp, pcb);
    pcb->cwnd = pcb->cwnd > acked + pcb->snd_mss ? pcb->cwnd - acked : pcb->snd_mss;
    if (acked >= pcb->snd_mss)
        pcb->cwnd += pcb->snd_mss;
    if (!pcb->partial_seen) /* only for the first: many losses in a window end in a timeout */
        pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb);
    pcb->partial_seen = true;
}

static void reno_ack(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    if (a->acked == 0) {
        if (a->dup)
            reno_dup_ack(tcp, pcb);
        if (pcb->recovery == TCP_RECOVERY_LOSS)
            loss_ack(tcp, pcb, a);
        return;
    }
    if (pcb->recovery != TCP_RECOVERY_NONE && seq_ge(pcb->snd_una, pcb->recover)) {
        leave(tcp, pcb, a);
        return;
    }
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_NONE:
    case TCP_RECOVERY_CWR:
        break;
    case TCP_RECOVERY_FAST:
        if (tcp_undo_by_echo(pcb, a->seg)) {
            tcp_undo(tcp, pcb, true);
            pcb->recovery = TCP_RECOVERY_NONE;
        } else {
            reno_partial_ack(tcp, pcb, a->acked);
        }
        break;
    case TCP_RECOVERY_LOSS:
        loss_ack(tcp, pcb, a);
        break;
    }
}

/* ---- the window ---- */

static void control(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a,
                    enum tcp_recovery before)
{
    const struct tcp_cc_ops *cc = tcp_cc(pcb);

    struct tcp_rate rs;

    tcp_rate_acked(tcp, pcb, a, &rs);
    if (cc->control) {
        cc->control(tcp, pcb, &rs);
        return;
    }
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_FAST:
        if (pcb->sack_ok)
            prr(pcb, a->delivered, a->acked && !a->lost);
        break;
    case TCP_RECOVERY_CWR:
        prr(pcb, a->delivered, a->acked && !a->lost);
        break;
    case TCP_RECOVERY_NONE:
    case TCP_RECOVERY_LOSS:
        /* On a path that reorders, much of what arrives is SACKed first (as Linux). */
        if ((!a->acked && !tcp_rack_is_reordered(pcb)) || !a->delivered ||
            (before == TCP_RECOVERY_FAST && !pcb->sack_ok))
            break;
        /* RFC 3465 2.3: after a timeout an ACK may cover much that was never lost. */
        if (before == TCP_RECOVERY_LOSS && !pcb->sack_ok)
            tcp_cc_ack(tcp, pcb, u32_min(a->acked, pcb->snd_mss));
        else
            tcp_cc_ack(tcp, pcb, a->delivered);
        break;
    }
}

void tcp_recover_ack(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    enum tcp_recovery before = (enum tcp_recovery)pcb->recovery;

    if (a->acked) {
        pcb->dup_acks = 0;
    } else if (a->dup) {
        tcp->stats.dup_acks_in++;
        if (pcb->dup_acks < UINT8_MAX)
            pcb->dup_acks++;
    }
    if (pcb->sack_ok)
        sack_ack(tcp, pcb, a);
    else
        reno_ack(tcp, pcb, a);
    control(tcp, pcb, a, before);
}
