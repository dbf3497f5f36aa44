/*
 * What to send, and when.
 *
 * New data goes out as long as the peer's window and cwnd have room, in frames as large as the link
 * cuts for us. A segment that is not full goes only when it is worth it (RFC 9293 3.8.6.2.1): it
 * empties the queue and Nagle's algorithm, in Minshall's form, lets it (no other small one is
 * unacknowledged), or it fills half of the largest window that the peer ever had. What neither goes
 * nor has anything in flight whose ACK would move things on is left to the persist timer: with a
 * closed window it probes (3.8.6.1), with an open one it sends anyway (the override timeout).
 *
 * Zero-window probes carry no byte beyond the window, but a sequence number below it, as Linux's
 * do: the peer must answer with an ACK all the same, and nothing needs to be taken back.
 */
#include <errno.h>

#include "tcp/tcp_int.h"

static bool more_follows(const struct tcp_pcb *pcb)
{
    return pcb->conf.cork || pcb->more;
}

/* May a segment that is not full go out? */
static bool nagle_lets(const struct tcp_pcb *pcb)
{
    if (pcb->fin_queued || pcb->snd_urgent)
        return true; /* the last one, and urgent ones, always */
    if (more_follows(pcb))
        return false;
    if (pcb->conf.nodelay) /* MUST-17 */
        return true;
    return !(tcp_flight(pcb) && seq_gt(pcb->snd_sml, pcb->snd_una)); /* SHLD-7 */
}

/* How much of what is unsent goes out now; room: the peer's window and cwnd. 0: hold it back. */
static uint32_t amount(const struct tcp_pcb *pcb, uint32_t unsent, uint32_t wnd_room,
                       uint32_t cwnd_room)
{
    uint32_t avail = u32_min(unsent, u32_min(wnd_room, cwnd_room));
    uint32_t tail = avail % pcb->snd_mss;

    if (tail == 0)
        return avail;
    if (avail == unsent)
        return nagle_lets(pcb) ? avail : avail - tail;
    if (avail > tail)
        return avail - tail;
    /* RFC 9293 3.8.6.2.1 (3): the peer's buffer is small. */
    if (avail == wnd_room && avail >= pcb->snd_wnd_max / 2)
        return avail;
    return 0;
}

static uint32_t window_room(const struct tcp_pcb *pcb)
{
    uint32_t end = pcb->snd_una + pcb->snd_wnd;

    return seq_gt(end, pcb->snd_nxt) ? end - pcb->snd_nxt : 0;
}

static uint32_t cwnd_room(const struct tcp_pcb *pcb)
{
    uint32_t pipe = tcp_sent_pipe(pcb), cwnd = pcb->cwnd;

    /* RFC 3042: each of the first two duplicate ACKs lets one more segment out. SACK blocks do so
     * by making the pipe shorter. */
    if (pcb->recovery == TCP_RECOVERY_NONE && !pcb->sack_ok)
        cwnd += u32_min(pcb->dup_acks, 2) * pcb->snd_mss;
    return cwnd > pipe ? cwnd - pipe : 0;
}

/* Bookkeeping for len bytes (and flags) sent at snd_nxt for the first time. */
static void sent_new(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t len, uint8_t flags)
{
    uint32_t end = pcb->snd_nxt + len + ((flags & TCP_FIN) != 0);
    uint64_t now = tcp->net->now_us;

    if (len % pcb->snd_mss)
        pcb->snd_sml = pcb->snd_nxt + len;
    tcp_sent_add(tcp, pcb, end, flags & TCP_FIN);
    /* An answer that follows a request closely: from now on wait for it to carry the ACK. */
    if (len && pcb->last_rx_data_us && now - pcb->last_rx_data_us < TCP_DELACK_US)
        pcb->pingpong = true;
    pcb->snd_nxt = end;
    pcb->last_tx_us = now;
}

/* The link or the way to it failed with err: true when it is the frame's loss only. */
static bool send_failed(struct tcp *tcp, struct tcp_pcb *pcb, int err)
{
    switch (-err) {
    case ENOBUFS:
    case EAGAIN:
    case ENOMEM:
        return false; /* no room now: keep it */
    case EMSGSIZE:
        tcp_mss_refresh(tcp, pcb); /* the path became narrower */
        return false;
    default:
        pcb->soft_error = (uint8_t)-err;
        return true; /* as lost on the way */
    }
}

/* Sends one frame of n bytes at snd_nxt; more: the user said that more follows. False: stop. */
static bool send_frame(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t n, bool more)
{
    bool last = pcb->snd_nxt + n == tcp_snd_end(pcb);
    uint8_t flags = TCP_ACK;
    uint16_t mss = pcb->snd_mss;
    int err;

    if (last && n && !more)
        flags |= TCP_PSH; /* RFC 9293 3.9.1: the end of what was queued */
    if (last && pcb->fin_queued && window_room(pcb) > n)
        flags |= TCP_FIN;
    if (!tcp_sent_reserve(tcp, pcb))
        return false;
    err = tcp_segment_send(tcp, pcb, pcb->snd_nxt, n, flags);
    if (err && !send_failed(tcp, pcb, err))
        return pcb->snd_mss < mss; /* at once again if it was the size */
    if (flags & TCP_FIN)
        pcb->fin_sent = true;
    sent_new(tcp, pcb, n, flags);
    tcp_pace_sent(tcp, pcb, n);
    return true;
}

/* A segment larger than the path was found to carry (tcp_probe.c). *wait: nothing else goes now.
 * False: stop. */
static bool send_probe(struct tcp *tcp, struct tcp_pcb *pcb, bool *wait)
{
    uint32_t n = tcp_probe_due(tcp, pcb, (uint32_t)tcp_unsent_bytes(pcb), window_room(pcb),
                               cwnd_room(pcb), wait);
    uint16_t mss = pcb->snd_mss;
    uint32_t before = pcb->snd_nxt;
    bool ok;

    if (n == 0)
        return true;
    pcb->snd_mss = (uint16_t)n; /* in one segment */
    ok = send_frame(tcp, pcb, n, more_follows(pcb));
    pcb->snd_mss = mss;
    if (pcb->snd_nxt != before)
        tcp_probe_sent(pcb, before, n);
    else
        tcp_mss_update(pcb);
    return ok;
}

static bool fin_due(const struct tcp_pcb *pcb)
{
    return pcb->fin_queued && !pcb->fin_sent && pcb->snd_nxt == tcp_snd_end(pcb) &&
           window_room(pcb);
}

/* Something is queued, nothing is in flight, and nothing went: the persist timer takes care of it.
 */
static void arm_persist(struct tcp *tcp, struct tcp_pcb *pcb, bool no_room)
{
    uint64_t wait = no_room ? TCP_RESOURCE_US : tcp_rtt_rto_us(pcb);

    if (pcb->persist && pcb->rexmt_at_us != TIMER_NEVER)
        return;
    if (!pcb->persist)
        pcb->probes_out = 0;
    pcb->persist = true;
    tcp_timer_rexmt(tcp, pcb, tcp->net->now_us + wait);
}

/* sent: something new has gone. */
static void arm_timers(struct tcp *tcp, struct tcp_pcb *pcb, bool sent, bool no_room)
{
    if (tcp_flight(pcb)) {
        if (pcb->persist || !pcb->rto_at_us) { /* RFC 6298 5.1 */
            if (pcb->persist)
                pcb->backoff = 0;
            pcb->persist = false;
            pcb->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(pcb);
        }
        if (sent)
            tcp_tlp_schedule(tcp, pcb);
        tcp_retransmit_arm(tcp, pcb);
    } else if (tcp_unsent_bytes(pcb) || (pcb->fin_queued && !pcb->fin_sent)) {
        if (tcp_pace_holds(tcp, pcb))
            return; /* its timer goes on */
        arm_persist(tcp, pcb, no_room);
    } else {
        if (pcb->persist)
            pcb->backoff = 0;
        pcb->persist = false;
        tcp_timer_rexmt(tcp, pcb, TIMER_NEVER);
    }
}

/* What the sender waits for now. */
static enum tcp_busy busy_with(const struct tcp_pcb *pcb)
{
    uint32_t unsent = (uint32_t)tcp_unsent_bytes(pcb), room = window_room(pcb);

    if (unsent && room < u32_min(unsent, pcb->snd_mss) && room <= cwnd_room(pcb))
        return TCP_BUSY_RWND;
    if (!unsent && pcb->nospace && cwnd_room(pcb))
        return TCP_BUSY_SNDBUF;
    return unsent || tcp_flight(pcb) ? TCP_BUSY : TCP_BUSY_NOT;
}

/* Sends new data; false: the link, or memory, had no room. limited: more did not go for cwnd. */
static bool send_new(struct tcp *tcp, struct tcp_pcb *pcb, bool *limited)
{
    bool ok = true, wait = false;

    if (pcb->probe_low)
        ok = send_probe(tcp, pcb, &wait);
    while (ok && !wait) {
        uint32_t unsent = (uint32_t)tcp_unsent_bytes(pcb), n;
        if (unsent == 0)
            break;
        n = amount(pcb, unsent, window_room(pcb), cwnd_room(pcb));
        if (n == 0) {
            *limited =
                cwnd_room(pcb) < u32_min(unsent, pcb->snd_mss) && window_room(pcb) > cwnd_room(pcb);
            break;
        }
        if (tcp_pace_holds(tcp, pcb))
            break;
        n = u32_min(n, tcp_pace_frame_bytes(pcb, tcp_mss_frame_bytes(pcb)));
        ok = send_frame(tcp, pcb, n, more_follows(pcb));
    }
    if (ok && fin_due(pcb)) /* it takes a place in the window as bytes do */
        ok = send_frame(tcp, pcb, 0, false);
    return ok;
}

void tcp_output(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t before = pcb->snd_nxt;
    bool limited = false, ok;

    pcb->output_due = false;
    if (!tcp_may_output(pcb))
        return;
    tcp_mss_refresh(tcp, pcb);
    if (pcb->frto != TCP_FRTO_NEW)
        tcp_retransmit_lost(tcp, pcb);
    if (tcp_flight(pcb) == 0)
        tcp_cc_restart(tcp, pcb);
    ok = send_new(tcp, pcb, &limited);
    if (pcb->frto == TCP_FRTO_NEW) { /* RFC 5682 2.1 step 2 b: if there is nothing new, go on */
        pcb->frto = pcb->snd_nxt != before ? TCP_FRTO_ON : TCP_FRTO_OFF;
        if (pcb->frto == TCP_FRTO_OFF)
            tcp_retransmit_lost(tcp, pcb);
    }
    tcp_sent_release(tcp, pcb);
    pcb->starved = !ok;
    tcp_cc_sent(tcp, pcb, limited);
    tcp_rate_output_done(pcb);
    if (!pcb->fast_child) /* the SYN,ACK's timer runs */
        arm_timers(tcp, pcb, pcb->snd_nxt != before, !ok);
    tcp_info_busy(tcp, pcb, busy_with(pcb));
    tcp_sndbuf_tell(tcp, pcb);
}

void tcp_push(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool cork = pcb->conf.cork;

    tcp->current = pcb;
    pcb->conf.cork = pcb->more = false;
    tcp_output(tcp, pcb);
    pcb->conf.cork = cork;
}

bool tcp_output_one(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t n = u32_min((uint32_t)tcp_unsent_bytes(pcb), pcb->snd_mss), before = pcb->snd_nxt;

    if (n == 0 || window_room(pcb) < n)
        return false;
    send_frame(tcp, pcb, n, more_follows(pcb));
    tcp_sent_release(tcp, pcb);
    return pcb->snd_nxt != before;
}

void tcp_output_probe(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t unsent = (uint32_t)tcp_unsent_bytes(pcb);
    uint32_t n = u32_min(u32_min(unsent, window_room(pcb)), pcb->snd_mss);

    if (n) {
        if (send_frame(tcp, pcb, n, false)) /* nothing did follow */
            arm_timers(tcp, pcb, true, false);
        tcp_sent_release(tcp, pcb);
        return;
    }
    tcp->stats.zero_window_probes++;
    tcp_segment_probe(tcp, pcb);
}

/* ---- the end of a batch ---- */

static void defer(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (list_empty(&pcb->on_flush))
        list_push(&tcp->ack_queue, &pcb->on_flush);
}

void tcp_output_defer(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->output_due = true;
    defer(tcp, pcb);
}

void tcp_output_ack_defer(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->ack_now = true;
    defer(tcp, pcb);
}

void tcp_flush(struct tcp *tcp)
{
    struct list *n;

    while ((n = list_pop(&tcp->ack_queue))) {
        struct tcp_pcb *pcb = container_of(n, struct tcp_pcb, on_flush);
        tcp->current = pcb;
        if (pcb->output_due)
            tcp_output(tcp, pcb);
        if (pcb->ack_now) /* nothing went that could have carried it */
            tcp_segment_ack(tcp, pcb);
        pcb->ack_now = false;
    }
    tcp->current = NULL;
}
