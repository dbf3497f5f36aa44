/*
 * TIME_WAIT (RFC 9293 3.6.1): 2 MSL in which the peer's FIN can be acknowledged once more and old
 * segments die out. A pcb here has no rings.
 *
 * A new SYN of the same flow may end it early when it cannot be an old one (RFC 9293 MUST-12 ff.,
 * RFC 6191): its timestamp is newer than any that was seen, or without timestamps its sequence
 * number is beyond the old connection's.
 */
#include "tcp/tcp_int.h"

void tcp_timewait_enter(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->stats.time_waits++;
    tcp_timer_stop_all(tcp, pcb);
    tcp_cc_release(tcp, pcb);
    tcp_set_state(tcp, pcb, TCP_TIME_WAIT);
    ring_clear(&pcb->snd);
    ranges_clear(&pcb->ofo);
    tcp_mem_update(tcp, pcb);
    if (pcb->orphan)
        list_push(&tcp->time_wait, &pcb->on_queue);
    tcp_keepalive_arm(tcp, pcb);
}

/* RFC 6191 2. */
static bool may_reopen(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return false;
    if (pcb->ts_ok && seg->opt.has_ts && seg->opt.ts_val != pcb->ts_recent)
        return seq_gt(seg->opt.ts_val, pcb->ts_recent);
    return seq_gt(seg->seq, pcb->rcv_nxt);
}

static bool reopen(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    struct tcp_pcb *listener = tcp_port_listener(tcp, seg->pkt->nif, &pcb->local, &pcb->remote);

    if (!listener)
        return false;
    tcp_flow_remove(tcp, pcb);
    list_remove(&pcb->on_queue); /* not to be recycled while it is looked at */
    tcp_listen_input(tcp, listener, seg, pcb);
    tcp_pcb_done(tcp, pcb, 0);
    return true;
}

void tcp_timewait_input(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    uint32_t len = tcp_seg_len(seg);
    bool old_ts = pcb->ts_ok && seg->opt.has_ts && seq_lt(seg->opt.ts_val, pcb->ts_recent);

    if (may_reopen(pcb, seg) && reopen(tcp, pcb, seg))
        return;
    if (seg->flags & TCP_RST) {
        /* RFC 5961 3.2 here too; RFC 1337 would rather ignore it, but Linux does not by default. */
        if (seg->seq == pcb->rcv_nxt && !old_ts)
            tcp_pcb_done(tcp, pcb, 0);
        return;
    }
    if (len == 0 && seg->seq == pcb->rcv_nxt && !old_ts)
        return; /* an ACK that changes nothing */
    if (seg->flags & TCP_FIN && seg->seq + len == pcb->rcv_nxt && !old_ts)
        tcp_keepalive_arm(tcp, pcb); /* 3.10.7.4, eighth: the FIN again; 2 MSL start over */
    tcp_reset_dup_ack(tcp, pcb, seg);
}
