/*
 * Round-trip time and retransmission timeout (RFC 6298), in microseconds.
 *
 * Every ACK, and every SACK, of something that was sent once gives a sample, exactly, from the
 * record of it (tcp_sent.c); what was sent again gives none (Karn's algorithm). When an ACK covers
 * only segments that were sent again, the echoed timestamp tells which transmission it answers (RFC
 * 7323 4), though to the millisecond only.
 *
 * Deviations, both Linux's: the lower bound applies to the variance term instead of to the whole
 * (RTO = SRTT + max(200 ms, 4 RTTVAR)) and is 200 ms, not 1 s (RFC 6298 2.4).
 */
#include "tcp/tcp_int.h"

#define MIN_RTT_WINDOW_US 300000000u /* Linux's tcp_min_rtt_wlen */

static uint64_t rto_most_us(const struct tcp_pcb *pcb)
{
    return (uint64_t)pcb->conf.rto_max_ms * 1000;
}

static void set_rto(struct tcp_pcb *pcb)
{
    uint64_t rto = (uint64_t)pcb->srtt_us + u32_max(pcb->conf.rto_min_us, 4 * pcb->rttvar_us);

    pcb->rto_us = (uint32_t)u64_min(rto, rto_most_us(pcb)); /* 2.5 */
}

void tcp_rtt_init(struct tcp_pcb *pcb)
{
    pcb->srtt_us = pcb->rttvar_us = 0;
    pcb->min_rtt_us = pcb->min_rtt_now_us = pcb->min_rtt_before_us = UINT32_MAX;
    pcb->min_rtt_at_us = 0;
    pcb->rto_us = TCP_RTO_INITIAL_US; /* 2.1 */
    pcb->rtt_timing = false;
}

void tcp_rtt_sample(struct tcp_pcb *pcb, uint64_t rtt_us)
{
    uint32_t r = rtt_us < TCP_RTO_MAX_US ? (uint32_t)rtt_us : TCP_RTO_MAX_US;

    if (r == 0)
        r = 1;               /* srtt_us of 0 means none */
    if (pcb->srtt_us == 0) { /* 2.2 */
        pcb->srtt_us = r;
        pcb->rttvar_us = r / 2;
    } else { /* 2.3, alpha 1/8, beta 1/4 */
        uint32_t delta = pcb->srtt_us > r ? pcb->srtt_us - r : r - pcb->srtt_us;
        pcb->rttvar_us = (uint32_t)((3 * (uint64_t)pcb->rttvar_us + delta) / 4);
        pcb->srtt_us = u32_max(1, (uint32_t)((7 * (uint64_t)pcb->srtt_us + r) / 8));
    }
    set_rto(pcb);
    pcb->backoff = 0; /* 5, last paragraph: a new measurement ends the backoff */
}

void tcp_rtt_min(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t rtt_us)
{
    uint64_t now = tcp->net->now_us;
    uint32_t r = rtt_us < 1 ? 1 : rtt_us < UINT32_MAX ? (uint32_t)rtt_us : UINT32_MAX - 1;

    if (now - pcb->min_rtt_at_us >= MIN_RTT_WINDOW_US) {
        pcb->min_rtt_before_us = UINT32_MAX;
        pcb->min_rtt_now_us = r;
        pcb->min_rtt_at_us = now;
    } else if (now - pcb->min_rtt_at_us >= MIN_RTT_WINDOW_US / 2) {
        pcb->min_rtt_before_us = pcb->min_rtt_now_us;
        pcb->min_rtt_now_us = r;
        pcb->min_rtt_at_us = now;
    }
    pcb->min_rtt_now_us = u32_min(pcb->min_rtt_now_us, r);
    pcb->min_rtt_us = u32_min(pcb->min_rtt_now_us, pcb->min_rtt_before_us);
}

void tcp_rtt_start(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t end)
{
    if (pcb->rtt_timing)
        return;
    pcb->rtt_timing = true;
    pcb->rtt_seq = end;
    pcb->rtt_at_us = tcp->net->now_us;
}

void tcp_rtt_cancel(struct tcp_pcb *pcb, uint32_t seq)
{
    if (pcb->rtt_timing && seq_lt(seq, pcb->rtt_seq))
        pcb->rtt_timing = false; /* RFC 6298 3 */
}

/* An echo from before we sent again may mean that only the ACK was lost: then the peer answers the
 * second segment with the first one's timestamp, and the time between is ours, not the network's.
 */
static void from_echo(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (!pcb->ts_ok || !seg->opt.has_ts ||
        (pcb->recovery == TCP_RECOVERY_NONE && !pcb->retransmits))
        return;
    if (seq_ge(seg->opt.ts_ecr, pcb->rexmt_ts)) {
        uint32_t ms = u32_max(1, tcp_segment_ts_now(tcp, pcb) - seg->opt.ts_ecr);
        tcp_rtt_sample(pcb, (uint64_t)ms * 1000);
    }
}

void tcp_rtt_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (pcb->rtt_timing && seq_ge(seg->ack, pcb->rtt_seq)) {
        pcb->rtt_timing = false;
        tcp_rtt_sample(pcb, tcp->net->now_us - pcb->rtt_at_us);
        tcp_rtt_min(tcp, pcb, tcp->net->now_us - pcb->rtt_at_us);
        tcp_cc_rtt(pcb, (uint32_t)(tcp->net->now_us - pcb->rtt_at_us));
        return;
    }
    from_echo(tcp, pcb, seg);
}

void tcp_rtt_acked(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    uint64_t now = tcp->net->now_us, from = a->sacked_us, last = a->sacked_last_us;

    /* What waited at the peer for a hole to be filled says nothing. */
    if (a->first_us && !a->again_acked)
        from = a->first_us;
    if (!from) {
        if (a->acked)
            from_echo(tcp, pcb, a->seg);
        return;
    }
    tcp_rtt_sample(pcb, now - from);
    /* What was SACKed waited for nothing. */
    if (!last && !a->again_acked)
        last = a->last_us;
    if (last) {
        tcp_rtt_min(tcp, pcb, now - last);
        tcp_cc_rtt(pcb, (uint32_t)(now - last));
    }
}

uint64_t tcp_rtt_rto_us(const struct tcp_pcb *pcb)
{
    uint64_t rto = (uint64_t)pcb->rto_us << (pcb->backoff < 20 ? pcb->backoff : 20); /* 5.5 */

    return u64_min(rto, rto_most_us(pcb));
}
