/*
 * Buffers and the windows made of them.
 *
 * Receive window (RFC 9293 3.8.6). Half of rcvbuf_bytes is offered to the peer, as Linux does: the
 * other half stands for overhead. Linux learns that large flows have less of it; here five eighths
 * of what autotuning adds are offered. The right edge never moves left (SHLD-14), and
 * moves right only by a segment or half the buffer at least (3.8.6.2.2, receiver's silly window
 * avoidance).
 *
 * Unless the user fixed its size, the receive buffer follows the connection: once a round trip it
 * is asked how much the user read during it, and room is made for twice that and more, so that the
 * window never is what holds the sender back ("dynamic right-sizing", as Linux). The round trip is
 * measured by the receiver: by echoed timestamps, or by how long a window full of data takes.
 *
 * Send buffer: two thirds of sndbuf_bytes hold bytes, as many as Linux's hold of full segments. It
 * follows cwnd, with room for four of them: one in flight, one to fill the next round trip from, as
 * cwnd may double meanwhile.
 */
#include <poll.h>

#include "tcp/tcp_int.h"

static bool is_tuned(const struct tcp_pcb *pcb)
{
    return !pcb->conf.rcvbuf_locked && pcb->conf.rcvbuf_bytes > TCP_RCVBUF_DEFAULT;
}

/* The rcvbuf_bytes of which autotuning offers so many bytes. */
static uint64_t rcvbuf_for(uint64_t window)
{
    uint64_t base = TCP_RCVBUF_DEFAULT / 2;

    return window <= base ? 2 * window : TCP_RCVBUF_DEFAULT + (window - base) * 8 / 5;
}

uint32_t tcp_window_capacity(const struct tcp_pcb *pcb)
{
    uint32_t cap = pcb->conf.rcvbuf_bytes / 2;

    if (is_tuned(pcb))
        cap += (pcb->conf.rcvbuf_bytes - TCP_RCVBUF_DEFAULT) / 8;
    if (pcb->conf.window_clamp)
        cap = u32_min(cap, pcb->conf.window_clamp);
    return u32_min(cap, TCP_WINDOW_MAX);
}

uint32_t tcp_window_clamp(const struct tcp_pcb *pcb)
{
    bool open = pcb->state != TCP_CLOSED && pcb->state != TCP_LISTEN;

    return pcb->conf.window_clamp || !open ? pcb->conf.window_clamp : tcp_window_capacity(pcb);
}

void tcp_window_init(const struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t most = pcb->conf.rcvbuf_locked ? 0 : tcp->limits.rcvbuf_max;
    uint32_t space = u32_max(pcb->conf.rcvbuf_bytes, most);

    if (pcb->conf.window_clamp)
        space = u32_min(space, pcb->conf.window_clamp);
    pcb->rcv_wscale = 0; /* RFC 7323 2.3 */
    while (space > 65535 && pcb->rcv_wscale < TCP_WSCALE_MAX) {
        space >>= 1;
        pcb->rcv_wscale++;
    }
}

uint32_t tcp_window_select(const struct tcp_pcb *pcb)
{
    uint32_t cap = tcp_window_capacity(pcb), cur = tcp_rcv_wnd(pcb);
    uint64_t used = ring_len(&pcb->rcv);
    uint32_t room = used < cap ? cap - (uint32_t)used : 0;
    uint32_t unit = 1u << pcb->rcv_wscale;

    if (room >= cur + u32_min(cap / 2, pcb->rcv_mss))
        return room & ~(unit - 1);
    /* What is offered already stays; the wire can only say multiples of the scale's unit: round up
     * if that is true. */
    if (room >= ((cur + unit - 1) & ~(unit - 1)))
        cur = (cur + unit - 1) & ~(unit - 1);
    return cur;
}

uint16_t tcp_window_advertise(struct tcp_pcb *pcb, bool syn)
{
    uint32_t wnd = tcp_window_select(pcb), field;

    if (syn) { /* RFC 7323 2.2: never scaled */
        uint32_t mss = pcb->adv_mss;
        field = u32_min(tcp_window_capacity(pcb), 65535);
        if (field > mss)
            field -= field % mss;
        wnd = field;
    } else {
        field = u32_min(wnd >> pcb->rcv_wscale, 65535);
        wnd = field << pcb->rcv_wscale;
    }
    pcb->rcv_adv = seq_max(pcb->rcv_adv, pcb->rcv_nxt + wnd);
    return (uint16_t)field;
}

/* ---- receive buffer autotuning ---- */

static void rcv_rtt_sample(struct tcp_pcb *pcb, uint64_t rtt_us)
{
    uint32_t r = rtt_us > 60000000 ? 60000000 : u32_max(1, (uint32_t)rtt_us);

    if (pcb->rcv_rtt_us == 0)
        pcb->rcv_rtt_us = r;
    else if (r < pcb->rcv_rtt_us)
        pcb->rcv_rtt_us = r; /* longer ones hold waiting of the sender */
    else
        pcb->rcv_rtt_us += (r - pcb->rcv_rtt_us) / 8;
}

void tcp_window_measure(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint64_t now = tcp->net->now_us;

    if (pcb->conf.rcvbuf_locked)
        return;
    if (pcb->ts_ok && seg->opt.has_ts && seg->len >= pcb->rcv_mss &&
        seg->opt.ts_ecr != pcb->rcv_rtt_ecr) { /* each echo once: later ones hold waiting too */
        uint32_t ms = tcp_segment_ts_now(tcp, pcb) - seg->opt.ts_ecr;
        pcb->rcv_rtt_ecr = seg->opt.ts_ecr;
        if (ms < 60000)
            rcv_rtt_sample(pcb, ms ? (uint64_t)ms * 1000 : 1000);
    }
    if (pcb->rcv_rtt_at_us && seq_lt(pcb->rcv_nxt, pcb->rcv_rtt_seq))
        return;
    if (pcb->rcv_rtt_at_us)
        rcv_rtt_sample(pcb, now - pcb->rcv_rtt_at_us);
    pcb->rcv_rtt_at_us = now;
    pcb->rcv_rtt_seq = pcb->rcv_adv;
}

static void rcvbuf_tune(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = tcp->net->now_us, copied, want;

    if (pcb->conf.rcvbuf_locked || !pcb->rcv_rtt_us)
        return;
    if (pcb->rcvq_at_us == 0) {
        pcb->rcvq_at_us = now;
        pcb->rcvq_off = pcb->rcv.start;
        pcb->rcvq_space = u32_min(tcp_window_capacity(pcb), TCP_IW_SEGMENTS * pcb->adv_mss);
        return;
    }
    if (now - pcb->rcvq_at_us < pcb->rcv_rtt_us)
        return;
    copied = pcb->rcv.start - pcb->rcvq_off;
    pcb->rcvq_at_us = now;
    pcb->rcvq_off = pcb->rcv.start;
    if (copied <= pcb->rcvq_space)
        return;
    /* Twice what was read, for the sender may double its window each round trip, and more while it
     * grows. */
    want = 2 * copied + 16u * pcb->adv_mss;
    want += 2 * want * (copied - pcb->rcvq_space) / pcb->rcvq_space;
    pcb->rcvq_space = copied < UINT32_MAX ? (uint32_t)copied : UINT32_MAX;
    want = rcvbuf_for(want);
    if (want > tcp->limits.rcvbuf_max)
        want = tcp->limits.rcvbuf_max;
    if (want > pcb->conf.rcvbuf_bytes &&
        tcp->mem_bytes < arena_stats(tcp->net->arena).size_bytes / 4)
        pcb->conf.rcvbuf_bytes = (uint32_t)want;
}

bool tcp_window_after_read(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t cur = tcp_rcv_wnd(pcb), wnd;

    rcvbuf_tune(tcp, pcb);
    if (!tcp_state_receives(tcp_state(pcb)) || pcb->fin_rcvd)
        return false;
    wnd = tcp_window_select(pcb);
    /* A sender that still has half its window need not be told; ACKs will. */
    return wnd && wnd >= 2 * (uint64_t)cur;
}

/* ---- send buffer ---- */

uint32_t tcp_sndbuf_free(const struct tcp_pcb *pcb)
{
    uint32_t cap = pcb->conf.sndbuf_bytes - pcb->conf.sndbuf_bytes / 3;
    uint64_t used = ring_len(&pcb->snd);

    return used < cap ? cap - (uint32_t)used : 0;
}

uint32_t tcp_sndbuf_room(const struct tcp_pcb *pcb)
{
    uint32_t room = tcp_sndbuf_free(pcb);

    if (!pcb->conf.notsent_lowat)
        return room;
    /* As Linux: a whole frame as long as the mark is not reached. */
    if (tcp_unsent_bytes(pcb) >= pcb->conf.notsent_lowat)
        return 0;
    return u32_min(room, tcp_mss_frame_bytes(pcb));
}

bool tcp_sndbuf_writable(const struct tcp_pcb *pcb)
{
    /* Linux: a third of the buffer is free, and not too much is unsent (TCP_NOTSENT_LOWAT). */
    return tcp_sndbuf_free(pcb) >= ring_len(&pcb->snd) / 2 && tcp_sndbuf_free(pcb) &&
           (!pcb->conf.notsent_lowat || tcp_unsent_bytes(pcb) < pcb->conf.notsent_lowat);
}

void tcp_sndbuf_tune(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t want = 6 * (uint64_t)u32_max(pcb->cwnd, TCP_IW_SEGMENTS * pcb->snd_mss);

    if (pcb->conf.sndbuf_locked)
        return;
    if (want > tcp->limits.sndbuf_max)
        want = tcp->limits.sndbuf_max;
    if (want > pcb->conf.sndbuf_bytes &&
        tcp->mem_bytes < arena_stats(tcp->net->arena).size_bytes / 4)
        pcb->conf.sndbuf_bytes = (uint32_t)want;
}

void tcp_sndbuf_tell(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (!pcb->nospace || pcb->shut & TCP_SHUT_WR || !tcp_sndbuf_writable(pcb))
        return;
    pcb->nospace = false;
    tcp_ready(tcp, pcb, POLLOUT | POLLWRNORM);
}
