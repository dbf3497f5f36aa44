/*
 * Tail loss probe (RFC 8985 7): when nothing was heard for two round trips, one more segment goes
 * out, new or the last one again, so that its ACK tells of lost tails long before the
 * retransmission timeout would, and without its price.
 *
 * The ACK of a single segment may be delayed. Peers hold it for 40 ms, or 50, and Linux for up to a
 * round trip, all of which fits in what is waited for at first; those that hold it for longer are
 * known after one probe that they did not need, and then have the 200 ms that Linux waits always.
 */
#include "tcp/tcp_int.h"

#define TIMEOUT_MIN_US 2000u  /* the grain of the clock of RFC 8985 7.2, as Linux */
#define ACK_DELAY_US   60000u /* TLP.max_ack_delay */

/* 7.2: not in recovery, and not while something is SACKed. */
static bool is_wanted(const struct tcp_pcb *pcb)
{
    return pcb->sack_ok && !pcb->tlp_on && !list_empty(&pcb->sent_seq) && !pcb->sacked_bytes &&
           (pcb->recovery == TCP_RECOVERY_NONE || pcb->recovery == TCP_RECOVERY_CWR);
}

void tcp_tlp_schedule(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t pto = TCP_RTO_INITIAL_US;

    pcb->pto_at_us = 0;
    if (!is_wanted(pcb))
        return;
    if (pcb->srtt_us) { /* TLP_calc_PTO() */
        pto = 2 * (uint64_t)pcb->srtt_us;
        if (tcp_flight(pcb) <= pcb->snd_mss)
            pto += pcb->tlp_patient ? TCP_RTO_MIN_US : ACK_DELAY_US;
        else
            pto += TIMEOUT_MIN_US;
    }
    pcb->pto_at_us = tcp->net->now_us + pto;
    if (pcb->rto_at_us && pcb->pto_at_us > pcb->rto_at_us)
        pcb->pto_at_us = pcb->rto_at_us;
}

/* The last segment again. */
static bool send_last(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_sent *r = tcp_sent_last(pcb), *tail;
    uint32_t fin = (r->flags & TCP_SENT_FIN) != 0, data = tcp_sent_len(r) - fin;

    if (r->flags & (TCP_SENT_SACKED | TCP_SENT_RETRANS))
        return false;
    if (data > pcb->snd_mss) {
        uint32_t part = data % pcb->snd_mss;
        tail = tcp_sent_split(tcp, pcb, r, r->end - fin - (part ? part : pcb->snd_mss));
        if (!tail)
            return false;
        r = tail;
    }
    return tcp_retransmit_one(tcp, pcb, r);
}

void tcp_tlp_send(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t before = pcb->snd_nxt;
    bool again = false;

    pcb->pto_at_us = 0;
    if (is_wanted(pcb)) { /* TLP_send_probe() */
        if (!tcp_output_one(tcp, pcb))
            again = send_last(tcp, pcb);
        if (again || pcb->snd_nxt != before) {
            pcb->tlp_on = true;
            pcb->tlp_again = again;
            pcb->tlp_end = pcb->snd_nxt;
            tcp->stats.loss_probes++;
        }
    }
    pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb); /* 7.3 */
}

void tcp_tlp_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    uint32_t ack = a->seg->ack;

    if (!pcb->tlp_on || seq_lt(ack, pcb->tlp_end))
        return;
    /* TLP_process_ack(): a new segment that was acknowledged repaired nothing; a second one that
     * the peer had already, neither. */
    if (!pcb->tlp_again || a->dsack_tlp) {
        pcb->tlp_patient = pcb->tlp_patient || a->dsack_tlp;
        pcb->tlp_on = false;
    } else if (seq_gt(ack, pcb->tlp_end)) {
        /* The probe repaired a loss: 7.4.2, as after a recovery. */
        pcb->tlp_on = false;
        if (pcb->recovery == TCP_RECOVERY_NONE) {
            pcb->ssthresh = tcp_cc(pcb)->ssthresh(tcp, pcb);
            tcp_ecn_reduced(pcb);
            pcb->cwnd = u32_min(pcb->cwnd, pcb->ssthresh);
            pcb->cwnd_acked = 0;
            pcb->undo.on = false; /* it was about an earlier reduction */
        }
    } else if (a->pure && !a->sacked) {
        pcb->tlp_on = false; /* both arrived, and the peer has no D-SACK */
        pcb->tlp_patient = true;
    }
}
