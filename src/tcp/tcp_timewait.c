/*
 * TIME_WAIT (RFC 9293 3.6.1): 2 MSL in which the peer's FIN can be acknowledged once more and old
 * segments die out. A pcb here has no rings.
 *
 * A new SYN of the same flow may end it early when it cannot be an old one (RFC 9293 MUST-12 ff.,
 * RFC 6191): its timestamp is newer than any that was seen, or without timestamps its sequence
 * number is beyond the old connection's. So may a connection of our own that wants the flow, with
 * timestamps: at once when the user bound it to that very port, as Linux; as a port to choose when
 * their clock has moved on for certain, as Linux with tcp_tw_reuse.
 *
 * A RST does not end it (RFC 1337, F1): it may be an old one, or forged, and the next incarnation
 * would meet what TIME_WAIT is there to keep away.
 */
#include "tcp/tcp_int.h"

#define REUSE_AFTER_US 1000000u /* more than a tick of the timestamps' clock */

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

bool tcp_timewait_yields(const struct tcp_pcb *pcb)
{
    return pcb->state == TCP_TIME_WAIT && pcb->orphan && pcb->ts_ok;
}

bool tcp_timewait_reusable(const struct tcp *tcp, const struct tcp_pcb *pcb)
{
    return tcp_timewait_yields(pcb) && tcp->net->now_us - pcb->ts_recent_at_us > REUSE_AFTER_US;
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
    if (seg->flags & TCP_RST)
        return;
    if (seg->opt.has_ts && pcb->ts_ok && !old_ts && seg->seq == pcb->rcv_nxt) {
        pcb->ts_recent = seg->opt.ts_val;
        pcb->ts_recent_at_us = tcp->net->now_us;
    }
    if (len == 0 && seg->seq == pcb->rcv_nxt && !old_ts)
        return; /* an ACK that changes nothing */
    if (seg->flags & TCP_FIN && seg->seq + len == pcb->rcv_nxt && !old_ts)
        tcp_keepalive_arm(tcp, pcb); /* 3.10.7.4, eighth: the FIN again; 2 MSL start over */
    tcp_reset_dup_ack(tcp, pcb, seg);
}
