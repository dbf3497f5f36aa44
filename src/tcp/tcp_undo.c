/*
 * Taking back a reduction of the window that was not needed: nothing had been lost, it was only
 * late. Three ways to know:
 *
 *   Eifel (RFC 3522)    the ACK echoes a timestamp from before the first retransmission
 *   D-SACK (RFC 3708)   the peer has received twice all that was sent again
 *   F-RTO (RFC 5682)    after a timeout something arrived that was never sent again
 *                       (tcp_recover.c)
 *
 * cwnd and ssthresh are then what they were before (RFC 4015 3.2, without its burst limit), through
 * the congestion control's undo() if it has one.
 */
#include "tcp/tcp_int.h"

void tcp_undo_begin(struct tcp_pcb *pcb)
{
    pcb->undo = (struct tcp_undo){.on = true,
                                  .start = pcb->snd_una,
                                  .cwnd = pcb->cwnd,
                                  .ssthresh = pcb->ssthresh,
                                  .bytes = pcb->retrans_bytes,
                                  .sent = pcb->retrans_bytes != 0};
}

void tcp_undo_sent(struct tcp_pcb *pcb, uint32_t len, uint32_t ts)
{
    if (!pcb->undo.on)
        return;
    pcb->undo.bytes += len;
    pcb->undo.sent = true;
    if (!pcb->undo.has_ts) {
        pcb->undo.has_ts = true;
        pcb->undo.ts = ts;
    }
}

void tcp_undo_dsack(struct tcp_pcb *pcb, uint32_t start, uint32_t end)
{
    if (pcb->undo.on && seq_gt(end, pcb->undo.start))
        pcb->undo.bytes -= u32_min(pcb->undo.bytes, end - start);
}

bool tcp_undo_by_dsack(const struct tcp_pcb *pcb)
{
    return pcb->undo.on && pcb->undo.sent && pcb->undo.bytes == 0;
}

/* RFC 3522 3.2 step 5 */
bool tcp_undo_by_echo(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return pcb->undo.on && pcb->undo.has_ts && pcb->ts_ok && seg->opt.has_ts &&
           seq_lt(seg->opt.ts_ecr, pcb->undo.ts);
}

bool tcp_undo_may(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return tcp_undo_by_dsack(pcb) || tcp_undo_by_echo(pcb, seg);
}

void tcp_undo(struct tcp *tcp, struct tcp_pcb *pcb, bool all)
{
    const struct tcp_cc_ops *cc = tcp_cc(pcb);

    if (all)
        tcp_sent_unlose(pcb);
    if (cc->undo)
        cc->undo(tcp, pcb);
    else
        pcb->cwnd = u32_max(pcb->cwnd, pcb->undo.cwnd);
    pcb->ssthresh = u32_max(pcb->ssthresh, pcb->undo.ssthresh);
    pcb->cwnd_acked = 0;
    pcb->undo.on = false;
    tcp->stats.spurious++;
}
