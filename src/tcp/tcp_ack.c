/*
 * The ACK field (RFC 9293 3.10.7.4, fifth): what it acknowledges, the window that comes with it,
 * and the changes of state that an acknowledged SYN or FIN brings.
 */
#include <errno.h>
#include <poll.h>

#include "net/neighbour.h"
#include "tcp/tcp_int.h"

#define CONFIRM_EVERY_US 1000000u
#define RENEGING_WAIT_US 10000u

/* SND.WND, from a segment that is not older than the last one used (RFC 9293 3.10.7.4; SND.WL2 is
 * never beyond SND.UNA, so nothing is left of it here). An ACK that moves SND.UNA is news in any
 * case, as in Linux, also when it comes with text that is sent again: the window is counted from
 * SND.UNA, and what an earlier ACK told would reach too far. */
static void window_update(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t wnd = (uint32_t)seg->wnd << pcb->snd_wscale;

    if (!seq_gt(seg->ack, pcb->snd_una) && seq_lt(seg->seq, pcb->snd_wl1))
        return;
    pcb->snd_wnd = wnd;
    pcb->snd_wl1 = seg->seq;
    pcb->snd_wnd_max = u32_max(pcb->snd_wnd_max, pcb->snd_wnd);
}

/* RFC 5681 2, but for what is in flight. */
static bool is_pure(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return seg->ack == pcb->snd_una && seg->len == 0 && !(seg->flags & (TCP_SYN | TCP_FIN)) &&
           (uint32_t)seg->wnd << pcb->snd_wscale == pcb->snd_wnd;
}

/* The next hop carries our segments: it is alive (RFC 4861 7.3.1). */
static void confirm_neighbour(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = tcp->net->now_us;

    if (!pcb->path.nif || now - pcb->confirmed_us < CONFIRM_EVERY_US)
        return;
    pcb->confirmed_us = now;
    neighbour_confirm(tcp->net, pcb->path.nif, &pcb->path.next_hop);
}

/* SND.UNA < SEG.ACK =< SND.NXT. Returns whether our FIN is acknowledged by it. */
static bool new_ack(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    const struct tcp_seg *seg = a->seg;
    bool fin = pcb->fin_sent && seg->ack == pcb->snd_nxt;

    a->acked = seg->ack - pcb->snd_una;
    pcb->snd_una = seg->ack;
    tcp_sent_acked(tcp, pcb, a);
    ring_consume(&pcb->snd, a->acked - fin, pcb->snd.end);
    tcp_mem_update(tcp, pcb);
    tcp_probe_acked(tcp, pcb);
    if (!tcp_flight(pcb))
        tcp_info_busy(tcp, pcb, TCP_BUSY_NOT);
    if (pcb->snd_urgent && seq_ge(pcb->snd_una, pcb->snd_up))
        pcb->snd_urgent = false;
    pcb->first_rexmt_us = 0;
    tcp_info_timeout_over(tcp, pcb);
    pcb->retransmits = 0;
    pcb->soft_error = 0;
    confirm_neighbour(tcp, pcb);
    return fin;
}

/* The timer after an ACK of something new. */
static void rexmt_restart(struct tcp *tcp, struct tcp_pcb *pcb, enum tcp_recovery before)
{
    if (tcp_flight(pcb) == 0) {
        pcb->rto_at_us = pcb->reo_at_us = pcb->pto_at_us = 0; /* RFC 6298 5.2 */
        tcp_timer_rexmt(tcp, pcb, TIMER_NEVER);
        pcb->persist = false;
        return;
    }
    /* 5.3; without SACK not for every partial ACK (RFC 6582 3.2, tcp_recover.c) */
    if (pcb->sack_ok || before != TCP_RECOVERY_FAST || pcb->recovery != TCP_RECOVERY_FAST)
        pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb);
    tcp_tlp_schedule(tcp, pcb);
    /* RFC 2018 8: what was SACKed is forgotten by the peer: wait no longer than it takes to be
     * sure, as Linux. */
    if (tcp_sent_first(pcb)->flags & TCP_SENT_SACKED) {
        uint64_t soon = tcp->net->now_us + u32_max(pcb->srtt_us / 2, RENEGING_WAIT_US);
        pcb->rto_at_us = soon < pcb->rto_at_us ? soon : pcb->rto_at_us;
    }
}

/* What the ACK does to recovery, window, timers and buffer. */
static void acked(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    enum tcp_recovery before = (enum tcp_recovery)pcb->recovery;

    tcp_rtt_acked(tcp, pcb, a);
    tcp_recover_ack(tcp, pcb, a);
    if (a->acked)
        rexmt_restart(tcp, pcb, before);
    if (tcp_flight(pcb))
        tcp_retransmit_arm(tcp, pcb);
    if (a->acked) {
        if (pcb->cwnd_limited || pcb->nospace)
            tcp_sndbuf_tune(tcp, pcb);
        tcp_sndbuf_tell(tcp, pcb);
    }
    if (tcp_unsent_bytes(pcb) || (pcb->fin_queued && !pcb->fin_sent) ||
        !list_empty(&pcb->sent_lost))
        tcp_output_defer(tcp, pcb);
}

/* Our FIN is acknowledged. False: the connection is over. */
static bool fin_acked(struct tcp *tcp, struct tcp_pcb *pcb)
{
    switch (tcp_state(pcb)) {
    case TCP_FIN_WAIT_1:
        tcp_set_state(tcp, pcb, TCP_FIN_WAIT_2);
        if (pcb->orphan && !pcb->conf.linger2_ms) {
            tcp_pcb_done(tcp, pcb, 0);
            return false;
        }
        tcp_keepalive_arm(tcp, pcb);
        tcp_ready(tcp, pcb, POLLOUT | POLLWRNORM); /* for who lingers */
        return true;
    case TCP_CLOSING:
        tcp_timewait_enter(tcp, pcb);
        tcp_ready(tcp, pcb, POLLOUT | POLLWRNORM);
        return false;
    case TCP_LAST_ACK:
        tcp_pcb_done(tcp, pcb, 0);
        return false;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSE_WAIT:
    case TCP_TIME_WAIT:
        return true;
    }
    return true;
}

/* In SYN_RECEIVED the ACK is the handshake's last. */
static bool complete_handshake(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (seq_le(seg->ack, pcb->snd_una) || seq_gt(seg->ack, pcb->snd_nxt)) {
        tcp_reset_reply(tcp, seg);
        return false;
    }
    if (tcp_listen_defers(pcb, seg)) {
        pcb->bare_acked = true;
        return false;
    }
    if (pcb->parent && !tcp_listen_complete(tcp, pcb)) {
        if (tcp->limits.abort_on_overflow) {
            tcp_reset_send(tcp, pcb);
            tcp_pcb_done(tcp, pcb, 0);
        }
        return false;
    }
    tcp_established(tcp, pcb, seg);
    return true;
}

bool tcp_ack_input(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    struct tcp_acked a;
    bool fin = false;
    uint32_t oldest, delivered = pcb->delivered_segs;

    if (pcb->state == TCP_SYN_RECEIVED) {
        if (!complete_handshake(tcp, pcb, seg))
            return false;
        if (seg->ack == pcb->snd_una)
            return true;
        /* It acknowledges text too, which Fast Open let go before. */
    }
    /* RFC 5961 5.2, where nothing older than the connection counts, as in Linux; and what was never
     * sent (3.10.7.4) */
    oldest = pcb->snd_una -
             (pcb->snd.start < pcb->snd_wnd_max ? (uint32_t)pcb->snd.start + 1 : pcb->snd_wnd_max);
    if (seq_gt(seg->ack, pcb->snd_nxt) || seq_lt(seg->ack, oldest)) {
        tcp_reset_challenge(tcp, pcb);
        return false;
    }
    pcb->probes_out = 0; /* the peer lives */
    tcp_ecn_ack(tcp, pcb, seg);
    tcp_recover_seen(pcb, seg, &a);
    if (seq_ge(seg->ack, pcb->snd_una)) {
        a.pure = is_pure(pcb, seg);
        a.dup = a.pure && tcp_flight(pcb);
        window_update(pcb, seg);
    }
    if (pcb->sack_ok && seg->opt.sack_len && tcp_state_sends(tcp_state(pcb)))
        tcp_sack_input(tcp, pcb, &a); /* an old ACK may bring news too */
    if (seq_gt(seg->ack, pcb->snd_una))
        fin = new_ack(tcp, pcb, &a);
    acked(tcp, pcb, &a);
    tcp_info_delivered(pcb, seg, delivered);
    return !fin || fin_acked(tcp, pcb);
}
