/*
 * Sending again: what is marked as lost, in order, as far as cwnd allows; and the timer behind it
 * (RFC 6298 5, RFC 9293 3.8.1 to 3.8.3), and the persist timer.
 *
 * One timer, pcb->rexmt, serves the retransmission timeout (rto_at_us), RACK's reordering window
 * (reo_at_us) and the tail loss probe (pto_at_us), whichever is first; 0 is never. While nothing is
 * in flight it is the persist timer.
 *
 * Giving up (R2) is a matter of time, not of counts, as in Linux: the time that 15 retransmissions
 * from an RTO of 200 ms would take, 924.6 s; 8 of them, 102.2 s, for an orphan. TCP_USER_TIMEOUT
 * (RFC 5482) replaces it. It runs from when the unacknowledged segment was sent.
 */
#include <errno.h>

#include "tcp/tcp_int.h"

#define THIN_SEGMENTS   3u
#define THIN_RETRIES    6u
#define STARVED_BACKOFF 6u /* from 10 ms to 640 */

/* What follows r goes along, up to max bytes: what is lost too, in part if need be, and what is not
 * as far as it fits into a segment (as Linux: many small ones become one). */
static void collect(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r, uint32_t max)
{
    struct tcp_sent *n;

    while (!(r->flags & TCP_SENT_FIN) && (n = tcp_sent_next(pcb, r)) &&
           !(n->flags & (TCP_SENT_SACKED | TCP_SENT_RETRANS))) {
        bool lost = n->flags & TCP_SENT_LOST;
        uint32_t len = tcp_sent_len(r), fits = lost ? max : u32_min(max, pcb->snd_mss);
        uint32_t data = tcp_sent_len(n) - ((n->flags & TCP_SENT_FIN) != 0);
        if (len + data > fits && (!lost || len % pcb->snd_mss == 0 || len >= fits ||
                                  !tcp_sent_split(tcp, pcb, n, n->seq + (fits - len))))
            return;
        tcp_sent_join(tcp, pcb, r);
    }
}

/* Puts r on the wire. False: the link had no room. */
static bool put(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_sent *r, uint32_t data,
                bool fin)
{
    uint8_t flags = TCP_ACK;
    int err;

    if (data && r->seq + data == tcp_snd_end(pcb))
        flags |= TCP_PSH;
    if (fin)
        flags |= TCP_FIN;
    tcp_probe_resent(tcp, pcb, r->seq, data);
    if (r->seq == pcb->snd_una)
        pcb->rexmt_ts = tcp_segment_ts_now(tcp, pcb);
    err = tcp_segment_send(tcp, pcb, r->seq, data, flags);
    if (err == -ENOBUFS || err == -EAGAIN || err == -ENOMEM || err == -EMSGSIZE)
        return false;
    if (err)
        pcb->soft_error = (uint8_t)-err;
    tcp_undo_sent(pcb, data + fin, tcp_segment_ts_now(tcp, pcb));
    pcb->last_tx_us = tcp->net->now_us;
    return true;
}

/* Sends r, or its first max bytes, again. */
static bool resend(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r, uint32_t max)
{
    bool fin = r->flags & TCP_SENT_FIN;
    uint32_t data = tcp_sent_len(r) - fin;

    if (data > max) {
        fin = false;
        data = max;
        tcp_sent_split(tcp, pcb, r, r->seq + max); /* without memory it counts whole */
    } else {
        collect(tcp, pcb, r, max);
        fin = r->flags & TCP_SENT_FIN;
        data = tcp_sent_len(r) - fin;
    }
    if (!put(tcp, pcb, r, data, fin))
        return false;
    tcp->stats.retrans_segs++;
    tcp_sent_again(tcp, pcb, r);
    return true;
}

bool tcp_retransmit_one(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r)
{
    return resend(tcp, pcb, r, pcb->snd_mss);
}

void tcp_retransmit_head(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_sent *r = tcp_sent_first(pcb);

    tcp_mss_refresh(tcp, pcb);
    if (!r)
        return;
    if (tcp_sent_len(r) > pcb->snd_mss)
        tcp_sent_split(tcp, pcb, r, r->seq + pcb->snd_mss);
    tcp_sent_lose(pcb, r);
    resend(tcp, pcb, r, pcb->snd_mss);
}

void tcp_retransmit_resize(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t upto, uint32_t old_mss)
{
    pcb->cwnd = u32_max(pcb->cwnd / old_mss * pcb->snd_mss, pcb->snd_mss);
    tcp_recover_too_big(pcb, upto);
    tcp_output(tcp, pcb);
}

void tcp_retransmit_lost(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct list *n;

    while ((n = list_first(&pcb->sent_lost))) {
        struct tcp_sent *r = container_of(n, struct tcp_sent, by_time);
        uint32_t len = tcp_sent_len(r), pipe = tcp_sent_pipe(pcb), room;
        bool head = r->seq == pcb->snd_una;
        if (pipe >= pcb->cwnd)
            return;
        room = pcb->cwnd - pipe;
        if (room < u32_min(len, pcb->snd_mss))
            return;
        if (room > pcb->snd_mss)
            room -= room % pcb->snd_mss;
        if (tcp_pace_holds(tcp, pcb))
            return;
        room = u32_min(room, tcp_pace_frame_bytes(pcb, tcp_mss_frame_bytes(pcb)));
        if (!resend(tcp, pcb, r, room))
            return;
        tcp_pace_sent(tcp, pcb, u32_min(room, len));
        if (head && pcb->sack_ok) /* as Linux: what is waited for was sent just now */
            pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb);
    }
}

/* What the time from RTO to RTO, doubling from the first one, adds up to after n retransmissions.
 */
static uint64_t model_us(unsigned n, uint64_t rto)
{
    uint64_t total = 0;

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
    return model_us(pcb->orphan ? TCP_ORPHAN_RETRIES : TCP_RETRIES_2, TCP_RTO_MIN_US);
}

static void give_up(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->stats.abort_on_timeout++;
    tcp_fastopen_unanswered(tcp, pcb);
    tcp_pcb_done(tcp, pcb, pcb->soft_error ? pcb->soft_error : ETIMEDOUT);
}

static bool is_time_up(struct tcp *tcp, const struct tcp_pcb *pcb)
{
    uint64_t since = tcp->net->now_us - pcb->first_rexmt_us;

    if (pcb->state == TCP_SYN_SENT || pcb->state == TCP_SYN_RECEIVED) {
        unsigned max = pcb->conf.syn_retries; /* MUST-23 */
        if (pcb->parent && max == TCP_SYN_RETRIES)
            max = TCP_SYNACK_RETRIES;
        if (pcb->bare_acked) /* its time may be longer */
            max = u32_max(max, pcb->conf.defer_accept);
        if (pcb->conf.user_timeout_ms && since >= tcp_retransmit_r2_us(pcb))
            return true;
        /* Those a second apart come on top, but not in the time: as Linux. */
        if (pcb->state == TCP_SYN_SENT)
            return pcb->retransmits >= max + TCP_SYN_LINEAR ||
                   (!pcb->conf.user_timeout_ms && since >= model_us(max, TCP_RTO_INITIAL_US));
        return pcb->retransmits >= max;
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
    pcb->rto_at_us = at;
    tcp_timer_rexmt(tcp, pcb, at);
}

void tcp_retransmit_arm(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t at = pcb->rto_at_us;

    if (pcb->reo_at_us && pcb->reo_at_us < at)
        at = pcb->reo_at_us;
    if (pcb->pto_at_us && pcb->pto_at_us < at)
        at = pcb->pto_at_us;
    tcp_timer_rexmt(tcp, pcb, at);
}

void tcp_retransmit_timer(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = tcp->net->now_us;

    if (pcb->reo_at_us && pcb->reo_at_us <= now) {
        pcb->reo_at_us = 0;
        tcp_recover_reorder_timeout(tcp, pcb);
        tcp_retransmit_arm(tcp, pcb);
    } else if (pcb->pto_at_us && pcb->pto_at_us <= now) {
        tcp_tlp_send(tcp, pcb);
        tcp_retransmit_arm(tcp, pcb);
    } else {
        tcp_retransmit_timeout(tcp, pcb);
    }
}

/* TCP_THIN_LINEAR_TIMEOUTS: a stream of few segments, which seldom get duplicate ACKs, does not
 * back off at first. */
static bool is_thin(const struct tcp_pcb *pcb)
{
    return pcb->conf.thin_linear && pcb->state == TCP_ESTABLISHED &&
           pcb->retransmits <= THIN_RETRIES && pcb->ssthresh < UINT32_MAX &&
           tcp_flight(pcb) <= THIN_SEGMENTS * pcb->snd_mss;
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
    if (syn && pcb->bare_acked && pcb->retransmits + 1 < pcb->conf.defer_accept) {
        /* Silence, until the time of TCP_DEFER_ACCEPT is over. */
    } else if (syn) {
        tcp->stats.syn_retrans++;
        tcp->stats.retrans_segs++;
        pcb->retrans_total++;
        pcb->rexmt_ts = tcp_segment_ts_now(tcp, pcb);
        tcp_segment_syn(tcp, pcb);
    } else {
        tcp_recover_timeout(tcp, pcb);
        tcp_retransmit_lost(tcp, pcb);
    }
    tcp_info_timeout(tcp, pcb);
    if (pcb->retransmits < UINT8_MAX)
        pcb->retransmits++;
    /* SYNs as Linux since 6.5: the first ones a second apart */
    if (is_thin(pcb) || (pcb->state == TCP_SYN_SENT && pcb->retransmits <= TCP_SYN_LINEAR))
        pcb->backoff = 0;
    else if (pcb->backoff < 20)
        pcb->backoff++; /* RFC 6298 5.5 */
    rearm(tcp, pcb);
}

void tcp_retransmit_persist(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t before = pcb->snd_nxt;

    tcp_output(tcp, pcb);
    if (pcb->snd_nxt != before || !pcb->persist)
        return;
    if (pcb->starved) { /* that is our own trouble, not the peer's; one segment may find room */
        tcp_output_probe(tcp, pcb);
        if (!pcb->persist)
            return;
        if (pcb->backoff < STARVED_BACKOFF)
            pcb->backoff++;
        tcp_timer_rexmt(tcp, pcb,
                        tcp->net->now_us +
                            ((uint64_t)TCP_RESOURCE_US << u32_min(pcb->backoff, STARVED_BACKOFF)));
        return;
    }
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
