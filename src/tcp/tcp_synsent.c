/* SYN_SENT (RFC 9293 3.10.7.3), and the way into ESTABLISHED. */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

#define DEFER_ACK_US 200000u

void tcp_established(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    bool retried = pcb->retransmits > 0;

    pcb->snd_una = pcb->iss + 1; /* text behind the SYN is tcp_ack_input()'s, or Fast Open's: */
    if (pcb->fast_syn != TCP_FASTOPEN_NONE)
        tcp_fastopen_answered(tcp, pcb, seg);
    if (!pcb->fast_child)
        pcb->snd_sml = pcb->snd_una;
    tcp_rtt_ack(tcp, pcb, seg);
    if (retried && !pcb->srtt_us)
        pcb->rto_us = TCP_RTO_FALLBACK_US; /* RFC 6298 5.7 */
    pcb->rto_at_us = 0;
    tcp_timer_rexmt(tcp, pcb, TIMER_NEVER);
    tcp_set_state(tcp, pcb, TCP_ESTABLISHED);
    /* 3.10.7.4, fifth: the window of a SYN is never scaled (RFC 7323 2.2). */
    pcb->snd_wnd = seg->flags & TCP_SYN ? seg->wnd : seg->wnd << pcb->snd_wscale;
    pcb->snd_wnd_max = u32_max(pcb->snd_wnd_max, pcb->snd_wnd);
    pcb->snd_wl1 = seg->seq;
    tcp_mss_update(pcb);
    if (!pcb->fast_child) {
        tcp_recover_init(pcb);
        tcp_cc_init(tcp, pcb);
        tcp_sndbuf_tune(tcp, pcb);
    }
    tcp_fastopen_done(tcp, pcb, false);
    tcp_info_timeout_over(tcp, pcb);
    pcb->retransmits = pcb->backoff = 0;
    pcb->first_rexmt_us = 0;
    pcb->quickacks = TCP_QUICKACKS;
    if (tcp_flight(pcb)) { /* the answer to a fast open */
        pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb);
        tcp_retransmit_arm(tcp, pcb);
    }
    tcp_keepalive_arm(tcp, pcb);
    if (pcb->fin_queued || pcb->shut & TCP_SHUT_WR)
        tcp_user_send_fin(tcp, pcb); /* closed during a simultaneous or fast open */
    else if (tcp_unsent_bytes(pcb))
        tcp_output_defer(tcp, pcb);
    if (pcb->owner)
        tcp_ready(tcp, pcb, POLLOUT | POLLWRNORM);
    else if (pcb->parent)
        tcp_ready(tcp, pcb->parent, POLLIN | POLLRDNORM);
}

/* First and second: ACK and RST. */
static bool check_ack_rst(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    bool ack = seg->flags & TCP_ACK;

    if (ack && (seq_le(seg->ack, pcb->iss) || seq_gt(seg->ack, pcb->snd_nxt))) {
        tcp_reset_reply(tcp, seg);
        return false;
    }
    if (seg->flags & TCP_RST) {
        if (ack) /* RFC 5961 3.2: only one that knows our number */
            tcp_reset_input(tcp, pcb);
        return false;
    }
    return true;
}

bool tcp_synsent_input(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    if (!check_ack_rst(tcp, pcb, seg))
        return false;
    if (!(seg->flags & TCP_SYN))
        return false;    /* fifth */
    pcb->irs = seg->seq; /* fourth */
    pcb->rcv_nxt = pcb->rcv_adv = pcb->last_ack_sent = seg->seq + 1;
    pcb->peer_mss = TCP_DEFAULT_MSS; /* it may have been remembered for Fast Open */
    pcb->fast_wait = false;
    tcp_ecn_answered(pcb, seg);
    tcp_syn_options(pcb, &seg->opt);
    pcb->rcv_adv = pcb->rcv_nxt + u32_min(tcp_window_capacity(pcb), 65535);
    pcb->ts_recent_at_us = pcb->last_rx_us = tcp->net->now_us;
    pcb->soft_error = 0;
    if (seg->flags & TCP_ACK) {
        tcp_established(tcp, pcb, seg);
        /* As Linux: who has TCP_DEFER_ACCEPT here will soon say something that carries the ACK. */
        if (pcb->conf.defer_accept && !seg->len)
            tcp_timer_delack(tcp, pcb, tcp->net->now_us + DEFER_ACK_US);
        else
            tcp_output_ack_defer(tcp, pcb);
        seg->flags &= (uint8_t)~TCP_SYN;
        seg->seq++;
        return seg->len || seg->flags & TCP_FIN;
    }
    /* Simultaneous open (3.5, Figure 7). Text comes again after the handshake. */
    pcb->snd_wnd = pcb->snd_wnd_max = seg->wnd;
    pcb->snd_wl1 = seg->seq;
    tcp_set_state(tcp, pcb, TCP_SYN_RECEIVED);
    tcp_rtt_cancel(pcb, pcb->iss);
    tcp_timer_rexmt(tcp, pcb, tcp->net->now_us + tcp_rtt_rto_us(pcb));
    tcp_segment_syn(tcp, pcb);
    return false;
}
