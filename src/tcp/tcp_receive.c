/*
 * Text and FIN (RFC 9293 3.10.7.4, seventh and eighth).
 *
 * Text is trimmed to the window and written into the receive ring at its place. What is in order
 * moves rcv_nxt; what is not is remembered in the list of ranges (ofo) and joined when the gap
 * before it closes. Only what was really stored moves rcv_nxt: when the arena is full, the rest
 * counts as lost.
 *
 * ACKs (RFC 9293 3.8.6.3, RFC 5681 4.2): a duplicate at once for each segment out of order; at the
 * end of the batch for every second full segment, for one that closes a gap, and for the first ones
 * of a connection, when the peer is in slow start; otherwise with the answer or, whichever comes
 * first, after 40 ms, or less when full segments had come faster than that. A peer that has pushed
 * may have no window, or no leave of Nagle's, to send more: once the user has read everything, no
 * answer will come later than at once.
 */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

uint64_t tcp_receive_high(const struct tcp_pcb *pcb)
{
    return pcb->ofo.len ? pcb->ofo.r[pcb->ofo.len - 1].end : pcb->rcv.end;
}

/* Cuts off what was received before and what lies beyond the window. A FIN behind text that was cut
 * goes with it; a FIN that only just does not fit stays, for it needs no room. */
static void trim(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    if (seq_lt(seg->seq, pcb->rcv_nxt)) {
        uint32_t old = u32_min(pcb->rcv_nxt - seg->seq, seg->len);
        tcp_sack_duplicate(pcb, seg->seq, seg->seq + old);
        seg->seq += old;
        seg->data += old;
        seg->len -= old;
    }
    if (seq_gt(seg->seq + seg->len, pcb->rcv_adv)) {
        seg->len = seq_gt(pcb->rcv_adv, seg->seq) ? pcb->rcv_adv - seg->seq : 0;
        seg->flags &= (uint8_t)~TCP_FIN;
        pcb->ack_now = true;
    }
}

/* What a full segment of the peer's is, from the largest seen. */
static void measure_rcv_mss(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t size = seg->pkt->gso_size ? seg->pkt->gso_size : seg->len;

    if (size > pcb->rcv_mss)
        pcb->rcv_mss = (uint16_t)u32_min(size, pcb->adv_mss);
}

static void delay_ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t wait_us)
{
    wait_us = u32_min(wait_us, tcp_delack_us(pcb));
    if (pcb->delack_at_us > tcp->net->now_us + wait_us)
        tcp_timer_delack(tcp, pcb, tcp->net->now_us + wait_us);
}

/* As Linux: a segment with PSH is the end of a write, and so is one that is not full. */
static void note_pushed(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (seg->len < pcb->rcv_mss)
        pcb->pushed = (uint8_t)u32_max(pcb->pushed, TCP_PUSHED_SMALL);
    else if (seg->flags & TCP_PSH)
        pcb->pushed = TCP_PUSHED_FULL;
}

void tcp_receive_taken(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->pushed == TCP_PUSHED_NOT || pcb->pingpong || tcp_readable_bytes(pcb) ||
        pcb->last_ack_sent == pcb->rcv_nxt)
        return;
    if (pcb->pushed == TCP_PUSHED_FULL)
        tcp_output_ack_defer(tcp, pcb);
    else
        delay_ack(tcp, pcb, TCP_DELACK_MIN_US);
}

/* How long a second segment may be waited for. Those of one flight follow each other; what ends it
 * would be waited for until the next one comes, a round trip later. With fewer than four segments a
 * round trip the peer has no window to send the second one in. */
static uint32_t ack_wait_us(const struct tcp_pcb *pcb, const struct tcp_seg *seg, uint64_t gap_us)
{
    uint64_t wait = pcb->rcv_rtt_us / 8;

    if (pcb->pingpong || seg->len < pcb->rcv_mss || !pcb->rcv_rtt_us)
        return TCP_DELACK_US;
    if (gap_us < pcb->rcv_rtt_us / 4)
        wait = u64_max(wait, 2 * gap_us);
    return (uint32_t)u64_min(u64_max(wait, TCP_DELACK_MIN_US), TCP_DELACK_US);
}

static void ack_due(struct tcp *tcp, struct tcp_pcb *pcb, bool gap_closed, uint32_t wait_us)
{
    uint32_t unacked = pcb->rcv_nxt - pcb->last_ack_sent;

    if (gap_closed || unacked > pcb->rcv_mss || (pcb->quickacks && !pcb->pingpong))
        tcp_output_ack_defer(tcp, pcb);
    else
        delay_ack(tcp, pcb, wait_us);
}

/* After a silence the peer is in slow start again. */
static void note_arrival(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = tcp->net->now_us;

    if (pcb->last_rx_data_us && now - pcb->last_rx_data_us > pcb->rto_us)
        pcb->quickacks = TCP_QUICKACKS;
    pcb->last_rx_data_us = now;
}

/* Writes text in order. When memory is short, what lies behind a gap makes room for it. */
static size_t store(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    size_t n = ring_write_at(&pcb->rcv, pcb->rcv.end, seg->data, seg->len);

    if (n < seg->len && pcb->ofo.len) {
        tcp->stats.ofo_dropped += pcb->ofo.len;
        ring_truncate(&pcb->rcv, pcb->rcv.end + n, tcp_receive_high(pcb));
        ranges_clear(&pcb->ofo);
        pcb->rcv_fin_early = false;
        n += ring_write_at(&pcb->rcv, pcb->rcv.end + n, seg->data + n, seg->len - n);
    }
    return n;
}

static void in_order(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    size_t stored = store(tcp, pcb, seg);
    uint64_t before = pcb->rcv.end, joined, gap_us = tcp->net->now_us - pcb->last_rx_data_us;

    if (stored < seg->len) {
        tcp->stats.mem_drops++;
        seg->flags &= (uint8_t)~TCP_FIN;
        tcp_output_ack_defer(tcp, pcb);
    }
    if (stored == 0)
        return;
    ring_advance(&pcb->rcv, stored);
    joined = ranges_end_of(&pcb->ofo, pcb->rcv.end);
    if (pcb->ofo.len) {
        if (joined > pcb->rcv.end)
            ring_advance(&pcb->rcv, joined - pcb->rcv.end);
        ranges_drop_below(&pcb->ofo, pcb->rcv.end);
    }
    pcb->rcv_nxt += (uint32_t)(pcb->rcv.end - before);
    tcp_mem_update(tcp, pcb);
    measure_rcv_mss(pcb, seg);
    note_pushed(pcb, seg);
    note_arrival(tcp, pcb);
    tcp_window_measure(tcp, pcb, seg);
    ack_due(tcp, pcb, pcb->rcv.end - before > stored || pcb->ofo.len || pcb->ack_now,
            ack_wait_us(pcb, seg, gap_us));
    if (pcb->urgent == TCP_URGENT_NOT_YET)
        tcp_urgent_arrived(tcp, pcb);
    if (tcp_readable_bytes(pcb) >= u32_max(pcb->conf.rcvlowat, 1))
        tcp_ready(tcp, pcb, POLLIN | POLLRDNORM);
}

static void out_of_order(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint64_t at = tcp_rcv_off(pcb, seg->seq), high = tcp_receive_high(pcb);
    pcb->counts.ofo_segs += seg->len > 0;
    size_t stored = seg->len ? ring_write_at(&pcb->rcv, at, seg->data, seg->len) : 0;

    if (stored && ranges_contain(&pcb->ofo, at, at + stored))
        tcp_sack_duplicate(pcb, seg->seq, seg->seq + (uint32_t)stored);
    if (stored && ranges_add(&pcb->ofo, at, at + stored)) {
        tcp_sack_arrived(pcb, seg->seq);
        tcp->stats.ofo_queued++;
    } else if (seg->len) {
        tcp->stats.ofo_dropped++;
        if (stored && at + stored > high)
            ring_truncate(&pcb->rcv, high, at + stored);
        stored = 0;
    }
    tcp_mem_update(tcp, pcb);
    if (seg->flags & TCP_FIN && stored == seg->len) {
        pcb->rcv_fin_early = true;
        pcb->rcv_fin = seg->seq + seg->len;
    }
    pcb->quickacks = u32_max(pcb->quickacks, 2) & 0xff;
    tcp_segment_ack(tcp, pcb); /* RFC 5681 4.2: each one, at once */
}

/* Eighth: the peer has no more to say. May not free pcb: TIME_WAIT does that later. */
static void fin_input(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool closing = pcb->state != TCP_ESTABLISHED;

    pcb->rcv_nxt++;
    pcb->fin_rcvd = true;
    pcb->rcv_fin_early = false;
    pcb->shut |= TCP_SHUT_RD;
    ranges_clear(&pcb->ofo);
    switch (tcp_state(pcb)) {
    case TCP_ESTABLISHED:
        tcp_set_state(tcp, pcb, TCP_CLOSE_WAIT);
        break;
    case TCP_FIN_WAIT_1: /* our FIN is not acknowledged, or this were FIN_WAIT_2 */
        tcp_set_state(tcp, pcb, TCP_CLOSING);
        break;
    case TCP_FIN_WAIT_2:
        tcp_timewait_enter(tcp, pcb);
        break;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        break;
    }
    /* In CLOSE_WAIT the owner's own FIN likely follows and carries the ACK (as Linux: 40 ms for
     * it). */
    if (closing || pcb->ack_now)
        tcp_output_ack_defer(tcp, pcb);
    else
        delay_ack(tcp, pcb, TCP_DELACK_US);
    tcp_ready(tcp, pcb,
              POLLIN | POLLRDNORM | POLLRDHUP | (pcb->shut == TCP_SHUT_BOTH ? POLLHUP : 0u));
}

/* Text came for somebody who will not read it (RFC 9293 3.6, RFC 2525 2.17): tell the peer. */
static bool abort_on_data(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (pcb->state == TCP_ESTABLISHED || !(pcb->shut & TCP_SHUT_RD) ||
        !seq_gt(seg->seq + seg->len, pcb->rcv_nxt))
        return false;
    tcp->stats.abort_on_data++;
    tcp_reset_send(tcp, pcb);
    tcp_pcb_done(tcp, pcb, ECONNRESET);
    return true;
}

void tcp_receive(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    if (!tcp_state_receives(tcp_state(pcb)) || abort_on_data(tcp, pcb, seg))
        return;
    if (seg->len) {
        trim(pcb, seg);
        if (seg->len == 0 && !(seg->flags & TCP_FIN)) {
            tcp_output_ack_defer(tcp, pcb); /* the window is closed: say so again */
            return;
        }
        tcp_ecn_text(tcp, pcb, seg);
    }
    if (seg->seq != pcb->rcv_nxt) {
        out_of_order(tcp, pcb, seg);
        return;
    }
    if (seg->len)
        in_order(tcp, pcb, seg);
    if (seg->flags & TCP_FIN || (pcb->rcv_fin_early && pcb->rcv_fin == pcb->rcv_nxt))
        fin_input(tcp, pcb);
}
