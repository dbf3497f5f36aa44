/*
 * The ACK field (RFC 9293 3.10.7.4, fifth): what it acknowledges, the window that comes with it,
 * and the changes of state that an acknowledged SYN or FIN brings.
 */
#include <errno.h>
#include <poll.h>

#include "net/neighbour.h"
#include "tcp/tcp_int.h"

#define CONFIRM_EVERY_US 1000000u

/* SND.WND from a segment that is not older than the last one used. */
static void window_update(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (!(seq_lt(pcb->snd_wl1, seg->seq) ||
          (pcb->snd_wl1 == seg->seq && seq_le(pcb->snd_wl2, seg->ack))))
        return;
    pcb->snd_wnd = (uint32_t)seg->wnd << pcb->snd_wscale;
    pcb->snd_wl1 = seg->seq;
    pcb->snd_wl2 = seg->ack;
    pcb->snd_wnd_max = u32_max(pcb->snd_wnd_max, pcb->snd_wnd);
}

/* RFC 5681 2. */
static bool is_duplicate(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return seg->ack == pcb->snd_una && tcp_flight(pcb) && seg->len == 0 &&
           !(seg->flags & (TCP_SYN | TCP_FIN)) &&
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

static void rexmt_restart(struct tcp *tcp, struct tcp_pcb *pcb, bool handled)
{
    if (tcp_flight(pcb) == 0) {
        tcp_timer_rexmt(tcp, pcb, TIMER_NEVER); /* RFC 6298 5.2 */
        pcb->persist = false;
    } else if (!handled) {
        tcp_timer_rexmt(tcp, pcb, tcp->net->now_us + tcp_rtt_rto_us(pcb)); /* 5.3 */
    }
}

/* SND.UNA < SEG.ACK =< SND.NXT. Returns whether our FIN is acknowledged by it. */
static bool new_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t acked = seg->ack - pcb->snd_una;
    bool fin = pcb->fin_sent && seg->ack == pcb->snd_nxt;
    enum tcp_recovery before = (enum tcp_recovery)pcb->recovery;

    tcp_rtt_ack(tcp, pcb, seg);
    pcb->snd_una = seg->ack;
    ring_consume(&pcb->snd, acked - fin, pcb->snd.end);
    tcp_mem_update(tcp, pcb);
    tcp_probe_acked(tcp, pcb);
    if (pcb->snd_urgent && seq_ge(pcb->snd_una, pcb->snd_up))
        pcb->snd_urgent = false;
    pcb->first_rexmt_us = 0;
    pcb->retransmits = 0;
    pcb->soft_error = 0;
    if (!tcp_recover_new_ack(tcp, pcb, acked)) {
        /* RFC 3465 2.3: after a timeout an ACK may cover much that was never lost. */
        if (before == TCP_RECOVERY_LOSS)
            acked = u32_min(acked, pcb->snd_mss);
        tcp_cc_ack(tcp, pcb, acked);
    }
    rexmt_restart(tcp, pcb, before == TCP_RECOVERY_FAST && pcb->recovery == TCP_RECOVERY_FAST);
    confirm_neighbour(tcp, pcb);
    if (pcb->cwnd_limited || pcb->nospace)
        tcp_sndbuf_tune(tcp, pcb);
    tcp_sndbuf_tell(tcp, pcb);
    return fin;
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
    if (pcb->parent && !tcp_listen_complete(tcp, pcb))
        return false;
    tcp_established(tcp, pcb, seg);
    return true;
}

bool tcp_ack_input(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    bool dup, fin = false;

    if (pcb->state == TCP_SYN_RECEIVED)
        return complete_handshake(tcp, pcb, seg);
    /* RFC 5961 5.2; and what was never sent (3.10.7.4) */
    if (seq_gt(seg->ack, pcb->snd_nxt) || seq_lt(seg->ack, pcb->snd_una - pcb->snd_wnd_max)) {
        tcp_reset_challenge(tcp, pcb);
        return false;
    }
    pcb->probes_out = 0; /* the peer lives */
    if (seq_lt(seg->ack, pcb->snd_una))
        return true; /* old, but its text may be new */
    dup = is_duplicate(pcb, seg);
    window_update(pcb, seg);
    if (seg->ack != pcb->snd_una)
        fin = new_ack(tcp, pcb, seg);
    else if (dup)
        tcp_recover_dup_ack(tcp, pcb);
    if (fin && !fin_acked(tcp, pcb))
        return false;
    if (tcp_unsent_bytes(pcb) || (pcb->fin_queued && !pcb->fin_sent) ||
        pcb->recovery == TCP_RECOVERY_LOSS)
        tcp_output_defer(tcp, pcb);
    return true;
}
