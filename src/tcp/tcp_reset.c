/*
 * Resets (RFC 9293 3.5.2, 3.5.3) and the answers to segments that look like an attack (RFC 5961).
 *
 * A challenge ACK tells a peer that really lost its state what our state is, so that its next RST
 * is exact; a blind attacker learns nothing from it. They are limited to one each half second on a
 * connection, and in total by a budget that is drawn anew each second at random, for a fixed one
 * could be counted from outside (RFC 5961 7, CVE-2016-5696).
 */
#include <errno.h>

#include "tcp/tcp_int.h"
#include "wire/ipv4.h"

void tcp_reset_reply(struct tcp *tcp, const struct tcp_seg *seg)
{
    const struct ip_packet *pkt = seg->pkt;
    struct tcp_hdr h = {.src_port = seg->dst_port,
                        .dst_port = seg->src_port,
                        .flags = TCP_RST,
                        .hdr_bytes = TCP_HDR_MIN};
    struct ip_path path = {0};
    struct ip_tx tx = {.path = &path, .proto = IPPROTO_NUM_TCP, .ttl = IP_TTL_DEFAULT, .df = true};
    struct frame f;

    if (seg->flags & TCP_RST)
        return; /* RFC 9293 3.10.7.1: never a RST for a RST */
    if (seg->flags & TCP_ACK) {
        h.seq = seg->ack;
    } else {
        h.ack = seg->seq + tcp_seg_len(seg);
        h.flags |= TCP_ACK;
    }
    if (path_lookup(tcp->net, &pkt->src, &pkt->dst, NULL, &path))
        return;
    frame_init(&f);
    f.l4_bytes = TCP_HDR_MIN;
    tcp_emit(&h, frame_push(&f, TCP_HDR_MIN));
    tcp->stats.out_segs++;
    tcp->stats.out_rsts++;
    ip_output(tcp->net, &tx, &f, 16);
}

void tcp_reset_send(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t end = pcb->snd_una + pcb->snd_wnd;

    /* The peer takes a RST at its RCV.NXT only: beyond its window it would be no use. */
    tcp_segment_send(tcp, pcb, seq_lt(end, pcb->snd_nxt) ? end : pcb->snd_nxt, 0,
                     TCP_RST | TCP_ACK);
}

void tcp_reset_input(struct tcp *tcp, struct tcp_pcb *pcb)
{
    switch (tcp_state(pcb)) {
    case TCP_SYN_SENT:
        tcp_pcb_done(tcp, pcb, ECONNREFUSED);
        return;
    case TCP_SYN_RECEIVED: /* a passive child just goes: its listener is in LISTEN still */
        if (pcb->fast_child) {
            tcp_fastopen_done(tcp, pcb, true);
            tcp_pcb_done(tcp, pcb, ECONNRESET); /* somebody may have it already */
            return;
        }
        tcp_pcb_done(tcp, pcb, ECONNREFUSED);
        return;
    case TCP_CLOSE_WAIT:
        tcp_pcb_done(tcp, pcb, EPIPE); /* as Linux: the peer had no more to say */
        return;
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        tcp_pcb_done(tcp, pcb, ECONNRESET);
        return;
    case TCP_TIME_WAIT:
        tcp_pcb_done(tcp, pcb, 0);
        return;
    case TCP_CLOSED:
    case TCP_LISTEN:
        return;
    }
}

bool tcp_reset_limit_ok(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = tcp->net->now_us;

    if (pcb->last_invalid_ack_us && now - pcb->last_invalid_ack_us < TCP_INVALID_ACK_US)
        return false;
    pcb->last_invalid_ack_us = now ? now : 1;
    return true;
}

void tcp_reset_challenge(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = tcp->net->now_us;

    if (!tcp_reset_limit_ok(tcp, pcb))
        return;
    if (tcp->challenge_window_us == 0 || now - tcp->challenge_window_us >= 1000000) {
        tcp->challenge_window_us = now ? now : 1;
        tcp->challenge_left =
            TCP_CHALLENGE_PER_SECOND / 2 + rng_below(&tcp->net->rng, TCP_CHALLENGE_PER_SECOND);
    }
    if (tcp->challenge_left == 0)
        return;
    tcp->challenge_left--;
    tcp->stats.challenge_acks++;
    tcp_segment_ack(tcp, pcb);
}

void tcp_reset_dup_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if ((seg->len == 0 || seg->flags & TCP_SYN) && !tcp_reset_limit_ok(tcp, pcb))
        return;
    if (seg->len && seq_le(seg->seq + seg->len, pcb->rcv_nxt))
        tcp_sack_duplicate(pcb, seg->seq, seg->seq + seg->len);
    tcp_segment_ack(tcp, pcb);
}
