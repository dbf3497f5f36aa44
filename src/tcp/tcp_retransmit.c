/*
 * Retransmission by timeout (RFC 6298 5, RFC 9293 3.8.1 to 3.8.3), and the persist timer.
 *
 * After a timeout everything up to recover counts as lost and is sent again in order as cwnd, grown
 * from one segment, allows: high_rxt says how far that has come. ACKs that jump, because the peer
 * had kept what came out of order, take high_rxt along.
 *
 * Giving up (R2) is a matter of time, not of counts, as in Linux: the time that 15 retransmissions
 * from an RTO of 200 ms would take, 924.6 s; 8 of them, 102.2 s, for an orphan. TCP_USER_TIMEOUT
 * (RFC 5482) replaces it. It runs from when the unacknowledged segment was sent.
 */
#include <errno.h>

#include "tcp/tcp_int.h"

uint32_t tcp_retransmit_sent_end(const struct tcp_pcb *pcb)
{
    return pcb->fin_sent ? pcb->snd_nxt - 1 : pcb->snd_nxt;
}

/* Sends at most max bytes from seq on again, with the FIN if it is reached. Returns the sequence
 * number behind them; seq itself when the link had no room. */
static uint32_t resend(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t seq, uint32_t max)
{
    uint32_t end = tcp_retransmit_sent_end(pcb);
    uint32_t n = u32_min(end - seq, max);
    uint8_t flags = TCP_ACK;
    int err;

    if (n && seq + n == tcp_snd_end(pcb))
        flags |= TCP_PSH;
    if (pcb->fin_sent && seq + n == end)
        flags |= TCP_FIN;
    tcp_rtt_cancel(pcb, seq);
    tcp_probe_resent(tcp, pcb, seq, n);
    if (seq == pcb->snd_una)
        pcb->rexmt_ts = tcp_segment_ts_now(tcp, pcb);
    err = tcp_segment_send(tcp, pcb, seq, n, flags);
    if (err == -ENOBUFS || err == -EAGAIN || err == -ENOMEM || err == -EMSGSIZE)
        return seq;
    if (err)
        pcb->soft_error = (uint8_t)-err;
    tcp->stats.retrans_segs++;
    pcb->retrans_total++;
    pcb->last_tx_us = tcp->net->now_us;
    return seq + n + ((flags & TCP_FIN) != 0);
}

void tcp_retransmit_head(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp_mss_refresh(tcp, pcb);
    if (tcp_flight(pcb))
        resend(tcp, pcb, pcb->snd_una, pcb->snd_mss);
}

void tcp_retransmit_resize(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t upto, uint32_t old_mss)
{
    pcb->cwnd = u32_max(pcb->cwnd / old_mss * pcb->snd_mss, pcb->snd_mss);
    pcb->recover = upto;
    pcb->high_rxt = pcb->snd_una;
    pcb->recovery = TCP_RECOVERY_LOSS;
    pcb->dup_acks = 0;
    tcp_output(tcp, pcb);
}

void tcp_retransmit_lost(struct tcp *tcp, struct tcp_pcb *pcb)
{
    while (seq_lt(pcb->high_rxt, pcb->recover)) {
        uint32_t left = pcb->recover - pcb->high_rxt, pipe = tcp_recover_pipe(pcb), room, next;
        if (pipe >= pcb->cwnd)
            return;
        room = pcb->cwnd - pipe;
        if (room < u32_min(left, pcb->snd_mss))
            return;
        if (room > pcb->snd_mss)
            room -= room % pcb->snd_mss;
        next =
            resend(tcp, pcb, pcb->high_rxt, u32_min(u32_min(room, left), tcp_mss_frame_bytes(pcb)));
        if (next == pcb->high_rxt)
            return;
        pcb->high_rxt = next;
    }
}

/* What the time from RTO to RTO, doubling, adds up to after n retransmissions. */
static uint64_t model_us(unsigned n)
{
    uint64_t total = 0, rto = TCP_RTO_MIN_US;

    for (unsigned i = 0; i <= n; i++) {
        total += rto;
        rto = rto * 2 < TCP_RTO_MAX_US ? rto * 2 : TCP_RTO_MAX_US;
    }
    return total;
}

uint64_t tcp_retransmit_r2_us(const struct tcp_pcb *pcb)
{
    if (pcb->conf.user_timeout_ms)
        return (uint64_t)pcb->conf.user_timeout_ms * 1000;
    return model_us(pcb->orphan ? TCP_ORPHAN_RETRIES : TCP_RETRIES_2);
}

static void give_up(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->stats.abort_on_timeout++;
    tcp_pcb_done(tcp, pcb, pcb->soft_error ? pcb->soft_error : ETIMEDOUT);
}

static bool is_time_up(struct tcp *tcp, const struct tcp_pcb *pcb)
{
    uint64_t since = tcp->net->now_us - pcb->first_rexmt_us;

    if (pcb->state == TCP_SYN_SENT || pcb->state == TCP_SYN_RECEIVED) {
        unsigned max = pcb->parent ? TCP_SYNACK_RETRIES : pcb->conf.syn_retries; /* MUST-23 */
        return pcb->retransmits >= max ||
               (pcb->conf.user_timeout_ms && since >= tcp_retransmit_r2_us(pcb));
    }
    return since >= tcp_retransmit_r2_us(pcb);
}

/* The next timeout, but not later than the user timeout. */
static void rearm(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t at = tcp->net->now_us + tcp_rtt_rto_us(pcb);

    if (pcb->conf.user_timeout_ms && pcb->first_rexmt_us) {
        uint64_t end = pcb->first_rexmt_us + tcp_retransmit_r2_us(pcb);
        if (end < at)
            at = end > tcp->net->now_us ? end : tcp->net->now_us + 1;
    }
    tcp_timer_rexmt(tcp, pcb, at);
}

void tcp_retransmit_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool syn = pcb->state == TCP_SYN_SENT || pcb->state == TCP_SYN_RECEIVED;

    if (!syn && (!tcp_state_sends(tcp_state(pcb)) || !tcp_flight(pcb)))
        return;
    if (!pcb->first_rexmt_us)
        pcb->first_rexmt_us = tcp->net->now_us - tcp_rtt_rto_us(pcb);
    if (is_time_up(tcp, pcb)) {
        give_up(tcp, pcb);
        return;
    }
    tcp->stats.timeouts++;
    if (pcb->retransmits == TCP_RETRIES_1)
        pcb->path.generation = 0; /* RFC 9293 3.8.3 (a): the route may be dead */
    tcp_rtt_cancel(pcb, pcb->snd_una);
    tcp_mss_refresh(tcp, pcb);
    tcp_probe_blackhole(tcp, pcb);
    if (syn) {
        tcp->stats.syn_retrans++;
        tcp->stats.retrans_segs++;
        pcb->retrans_total++;
        pcb->rexmt_ts = tcp_segment_ts_now(tcp, pcb);
        tcp_segment_syn(tcp, pcb);
    } else {
        tcp_recover_timeout(tcp, pcb);
        tcp_retransmit_lost(tcp, pcb);
    }
    if (pcb->retransmits < UINT8_MAX)
        pcb->retransmits++;
    if (pcb->backoff < 20)
        pcb->backoff++; /* RFC 6298 5.5 */
    rearm(tcp, pcb);
}

void tcp_retransmit_persist(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t before = pcb->snd_nxt;

    tcp_output(tcp, pcb);
    if (pcb->snd_nxt != before || !pcb->persist)
        return;
    if (!pcb->probes_out)
        pcb->first_rexmt_us = tcp->net->now_us;
    /* MUST-37: never while the peer answers, for that sets probes_out back; but an orphan has
     * nobody to wait for it. */
    if (pcb->probes_out >= TCP_RETRIES_2 || (pcb->orphan && pcb->backoff >= TCP_ORPHAN_RETRIES) ||
        (pcb->conf.user_timeout_ms && pcb->probes_out &&
         tcp->net->now_us - pcb->first_rexmt_us >= tcp_retransmit_r2_us(pcb))) {
        give_up(tcp, pcb);
        return;
    }
    tcp_output_probe(tcp, pcb);
    if (!pcb->persist)
        return; /* the window was open, and data went */
    pcb->probes_out++;
    if (pcb->backoff < 20)
        pcb->backoff++; /* RFC 9293 3.8.6.1 SHLD-30 */
    rearm(tcp, pcb);
}
