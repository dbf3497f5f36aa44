/*
 * Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation; draft-ietf-ccwg-bbr 4.1): how
 * much was delivered between the sending of a frame and the ACK of it, over the time that took.
 *
 * Each record of tcp_sent.c remembers, from when it was sent, what had been delivered by then and
 * when. The rate is taken over the longer of two intervals, that of sending and that of the ACKs,
 * so that neither a burst of ours nor ACKs that come in a lump make it look faster than the path
 * is.
 *
 * While the program has nothing more to send, samples tell of the program and not of the path:
 * app_limited marks them until what is then in flight has been delivered.
 */
#include "tcp/tcp_int.h"

#define US_PER_S 1000000u

void tcp_rate_limit(struct tcp_pcb *pcb)
{
    uint64_t until = pcb->delivered + tcp_sent_pipe(pcb);

    pcb->app_limited = until ? until : 1;
}

void tcp_rate_output_done(struct tcp_pcb *pcb)
{
    if (tcp_unsent_bytes(pcb) < pcb->snd_mss && tcp_sent_pipe(pcb) < pcb->cwnd &&
        list_empty(&pcb->sent_lost))
        tcp_rate_limit(pcb);
}

void tcp_rate_acked(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a,
                    struct tcp_rate *rs)
{
    const struct tcp_sent *r = &a->newest;
    uint64_t send_us, ack_us, interval_us;

    *rs = (struct tcp_rate){.newly_acked = a->delivered, .newly_lost = a->lost};
    if (pcb->app_limited && pcb->delivered > pcb->app_limited)
        pcb->app_limited = 0;
    if (a->last_us)
        rs->rtt_us = u32_max((uint32_t)(tcp->net->now_us - a->last_us), 1);
    else if (a->sacked_us)
        rs->rtt_us = u32_max((uint32_t)(tcp->net->now_us - a->sacked_us), 1);
    if (!a->has_newest)
        return;
    rs->valid = true;
    rs->app_limited = r->flags & TCP_SENT_APP_LIMITED;
    rs->prior_delivered = r->delivered;
    rs->delivered = pcb->delivered - r->delivered;
    rs->tx_in_flight = r->tx_in_flight;
    rs->lost = pcb->lost_total - r->lost_at_send;
    send_us = r->xmit_us - r->first_sent_us;
    ack_us = pcb->delivered_us - r->delivered_us;
    interval_us = send_us > ack_us ? send_us : ack_us;
    /* Shorter than any round trip: ACKs of a lost and repeated frame, or a clock too coarse. */
    if (interval_us == 0 || interval_us < pcb->min_rtt_us)
        return;
    rs->delivery_rate = rs->delivered * US_PER_S / interval_us;
    if (!rs->app_limited || rs->delivery_rate >= pcb->delivery_rate) { /* for TCP_INFO, as Linux */
        pcb->delivery_rate = rs->delivery_rate;
        pcb->rate_app_limited = rs->app_limited;
    }
}
