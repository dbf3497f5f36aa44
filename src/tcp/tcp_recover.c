/*
 * Loss recovery without selective acknowledgements: fast retransmit, fast recovery (RFC 5681 3.2)
 * with NewReno's treatment of partial ACKs (RFC 6582), limited transmit (RFC 3042, in
 * tcp_output.c), and what a timeout does to cwnd (RFC 5681 3.1).
 *
 * recover is one past the highest sequence number sent when the loss was seen.
 */
#include "tcp/tcp_int.h"

#define DUP_ACK_THRESHOLD 3

uint32_t tcp_recover_pipe(const struct tcp_pcb *pcb)
{
    uint32_t pipe;

    if (pcb->recovery != TCP_RECOVERY_LOSS)
        return tcp_flight(pcb);
    /* What was sent before the timeout is gone, except for what was sent again. */
    pipe = pcb->high_rxt - pcb->snd_una;
    if (seq_gt(pcb->snd_nxt, pcb->recover))
        pipe += pcb->snd_nxt - seq_max(pcb->recover, pcb->snd_una);
    return pipe;
}

static void enter_fast(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->stats.fast_retransmits++;
    pcb->ssthresh = tcp_cc(pcb)->ssthresh(tcp, pcb); /* RFC 6582 3.2 step 2 */
    pcb->recover = pcb->snd_nxt;
    pcb->recovery = TCP_RECOVERY_FAST;
    pcb->partial_seen = false;
    if (!pcb->first_rexmt_us)
        pcb->first_rexmt_us = tcp->net->now_us;
    tcp_retransmit_head(tcp, pcb);
    pcb->cwnd = pcb->ssthresh + DUP_ACK_THRESHOLD * pcb->snd_mss; /* step 3 */
    tcp_timer_rexmt(tcp, pcb, tcp->net->now_us + tcp_rtt_rto_us(pcb));
}

void tcp_recover_dup_ack(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->stats.dup_acks_in++;
    if (pcb->dup_acks < UINT8_MAX)
        pcb->dup_acks++;
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_LOSS:
        return;
    case TCP_RECOVERY_FAST: /* RFC 5681 3.2 (4): a segment has left the network */
        if (pcb->cwnd < TCP_WINDOW_MAX)
            pcb->cwnd += pcb->snd_mss;
        break;
    case TCP_RECOVERY_NONE:
        if (pcb->dup_acks < DUP_ACK_THRESHOLD || tcp_probe_lost(tcp, pcb))
            break;
        /* RFC 6582 3.2 step 1: not again for losses of a window that has been dealt with. */
        if (seq_gt(pcb->snd_una, pcb->recover))
            enter_fast(tcp, pcb);
        break;
    }
    tcp_output_defer(tcp, pcb);
}

/* RFC 6582 3.2 step 3: all that was in flight when the loss was seen has arrived. */
static void leave_fast(struct tcp_pcb *pcb)
{
    uint32_t flight = u32_max(tcp_flight(pcb), pcb->snd_mss);

    pcb->recovery = TCP_RECOVERY_NONE;
    pcb->cwnd = u32_min(pcb->ssthresh, flight + pcb->snd_mss);
    pcb->cwnd_acked = 0;
}

static void partial_ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    tcp_retransmit_head(tcp, pcb);
    pcb->cwnd = pcb->cwnd > acked + pcb->snd_mss ? pcb->cwnd - acked : pcb->snd_mss;
    if (acked >= pcb->snd_mss)
        pcb->cwnd += pcb->snd_mss;
    if (!pcb->partial_seen) /* only for the first: many losses in a window end in a timeout */
        tcp_timer_rexmt(tcp, pcb, tcp->net->now_us + tcp_rtt_rto_us(pcb));
    pcb->partial_seen = true;
}

bool tcp_recover_new_ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    pcb->dup_acks = 0;
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_NONE:
        return false;
    case TCP_RECOVERY_FAST:
        if (seq_ge(pcb->snd_una, pcb->recover))
            leave_fast(pcb);
        else
            partial_ack(tcp, pcb, acked);
        return true;
    case TCP_RECOVERY_LOSS:
        pcb->high_rxt = seq_max(pcb->high_rxt, pcb->snd_una);
        if (seq_ge(pcb->snd_una, pcb->recover))
            pcb->recovery = TCP_RECOVERY_NONE;
        return false; /* slow start goes on */
    }
    return false;
}

void tcp_recover_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    /* RFC 5681 3.1: held while the same segment times out again. */
    if (pcb->retransmits == 0)
        pcb->ssthresh = tcp_cc(pcb)->ssthresh(tcp, pcb);
    pcb->cwnd = pcb->snd_mss; /* LW */
    pcb->cwnd_acked = 0;
    pcb->recover = pcb->snd_nxt; /* RFC 6582 3.2 step 4 */
    pcb->high_rxt = pcb->snd_una;
    pcb->recovery = TCP_RECOVERY_LOSS;
    pcb->dup_acks = 0;
}
