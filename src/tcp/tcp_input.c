/*
 * Segment arrives (RFC 9293 3.10.7): checks, demultiplexing, and for the synchronized states the
 * steps of 3.10.7.4 in their order. Each step is a function that returns false when the segment
 * goes no further.
 */
#include <errno.h>

#include "tcp/tcp_int.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"

#define LATE_TICKS 64u /* of the peer's clock: a millisecond each, or more */

/* ---- from bytes to a segment ---- */

static bool checksum_ok(const struct ip_packet *pkt)
{
    struct csum c = {0};

    if (pkt->csum_good)
        return true;
    csum_add_pseudo(&c, &pkt->src, &pkt->dst, IPPROTO_NUM_TCP, (uint32_t)pkt->len);
    csum_add(&c, pkt->payload, pkt->len);
    return csum_finish(&c) == 0; /* MUST-3 */
}

static bool decode(const struct ip_packet *pkt, struct tcp_seg *seg)
{
    struct tcp_hdr h;

    if (tcp_parse(pkt->payload, pkt->len, &h) || !checksum_ok(pkt))
        return false;
    seg->pkt = pkt;
    seg->seq = h.seq;
    seg->ack = h.ack;
    seg->wnd = h.wnd;
    seg->urg = h.urg;
    seg->src_port = h.src_port;
    seg->dst_port = h.dst_port;
    seg->flags = h.flags;
    seg->data = pkt->payload + h.hdr_bytes;
    seg->len = (uint32_t)(pkt->len - h.hdr_bytes);
    memset(&seg->opt, 0, sizeof(seg->opt));
    if (h.hdr_bytes >
        TCP_HDR_MIN) /* a malformed option ends the list; the segment stands (MUST-7) */
        tcp_options_parse(pkt->payload + TCP_HDR_MIN, h.hdr_bytes - TCP_HDR_MIN, &seg->opt);
    return true;
}

/* Neither end may be a group, and the source must be somebody (RFC 9293 MUST-57, MUST-63). */
static bool addresses_ok(const struct ip_packet *pkt)
{
    return !pkt->broadcast && !pkt->multicast && !addr_is_multicast(&pkt->src) &&
           !addr_is_broadcast(&pkt->src) && !addr_is_any(&pkt->src) &&
           !(pkt->nif && netif_is_broadcast(pkt->nif, &pkt->src));
}

/* ---- the steps of 3.10.7.4 ---- */

/* New text, a little older than what was sent again to fill a hole before it and has overtaken it:
 * late, not old. R1 of RFC 7323 5.3 would drop it, and the sender take that for one more loss.
 * What is left of an earlier turn of the sequence numbers is older than that by far. */
static bool is_only_late(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return seg->len && seq_ge(seg->seq, pcb->rcv_nxt) &&
           pcb->ts_recent - seg->opt.ts_val <= LATE_TICKS;
}

/* RFC 7323 5.3 R1 to R3, and 3.2: once agreed on, timestamps are in every segment. But a peer that
 * has begun anew knows of no agreement: its SYN is answered (RFC 5961 4.2). */
static bool paws_ok(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (!pcb->ts_ok || seg->flags & TCP_RST)
        return true;
    if (!seg->opt.has_ts) {
        if (seg->flags & TCP_SYN)
            return true;
        tcp->stats.paws_dropped++;
        return false;
    }
    if (seq_ge(seg->opt.ts_val, pcb->ts_recent) || is_only_late(pcb, seg))
        return true;
    if (tcp->net->now_us - pcb->ts_recent_at_us > TCP_PAWS_IDLE_US)
        return true; /* 5.5: too old to compare with */
    tcp->stats.paws_dropped++;
    tcp_reset_dup_ack(tcp, pcb, seg);
    return false;
}

static void ts_update(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    /* RFC 7323 4.3 (2), with Last.ACK.sent instead of RCV.NXT: echo the oldest unacknowledged. */
    if (!pcb->ts_ok || !seg->opt.has_ts || seq_gt(seg->seq, pcb->last_ack_sent))
        return;
    if (seq_lt(seg->opt.ts_val, pcb->ts_recent) &&
        tcp->net->now_us - pcb->ts_recent_at_us <= TCP_PAWS_IDLE_US)
        return;
    pcb->ts_recent = seg->opt.ts_val;
    pcb->ts_recent_at_us = tcp->net->now_us;
}

/*
 * First: the sequence number (Table 6). Wider in two points, as Linux is: an empty segment may
 * stand at the window's right edge, where a sender that has filled the window stands; and with a
 * closed window a segment at RCV.NXT may carry ACK, RST and URG whatever its length ("special
 * allowance").
 */
static bool is_acceptable(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t wnd = tcp_rcv_wnd(pcb), len = tcp_seg_len(seg);

    if (wnd == 0)
        return seg->seq == pcb->rcv_nxt;
    if (len == 0)
        return seq_ge(seg->seq, pcb->rcv_nxt) && seq_le(seg->seq, pcb->rcv_nxt + wnd);
    return seq_lt(seg->seq, pcb->rcv_nxt + wnd) && seq_gt(seg->seq + len, pcb->rcv_nxt);
}

/* A simultaneous open crossed: the peer's SYN,ACK brings the SYN that we know and the ACK that we
 * wait for. */
static bool is_crossed_syn_ack(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    return pcb->state == TCP_SYN_RECEIVED && !pcb->parent &&
           (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK) &&
           seg->seq == pcb->irs && seq_gt(seg->ack, pcb->iss) && seq_le(seg->ack, pcb->snd_nxt);
}

static bool check_sequence(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (pcb->state == TCP_SYN_RECEIVED && (seg->flags & (TCP_SYN | TCP_RST)) == TCP_SYN &&
        seg->seq == pcb->irs) {
        /* The SYN again, perhaps with text that would make it acceptable: our SYN,ACK was lost, and
         * an ACK alone would not do. Limited, for anybody can send it in the peer's name. */
        if (tcp_reset_limit_ok(tcp, pcb))
            tcp_segment_syn(tcp, pcb);
        return false;
    }
    if (is_acceptable(pcb, seg))
        return true;
    tcp->stats.out_of_window++;
    if (seg->flags & TCP_RST) {
        /* A peer that has sent its FIN may be reset from in front of it. */
        if (pcb->fin_rcvd && seg->seq == pcb->rcv_nxt - 1)
            tcp_reset_input(tcp, pcb);
        return false;
    }
    tcp_reset_dup_ack(tcp, pcb, seg);
    return false;
}

/* Does a RST stand where the peer's own RCV.NXT of ours would have it: behind all that we have told
 * of by SACK? As Linux. */
static bool is_behind_sacked(const struct tcp_pcb *pcb, uint32_t seq)
{
    return pcb->sack_ok && pcb->ofo.len && seq == pcb->irs + 1 + (uint32_t)tcp_receive_high(pcb);
}

/* Second: RST (RFC 5961 3.2). */
static bool check_rst(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (!(seg->flags & TCP_RST))
        return true;
    if (seg->seq == pcb->rcv_nxt || is_behind_sacked(pcb, seg->seq))
        tcp_reset_input(tcp, pcb);
    else
        tcp_reset_challenge(tcp, pcb);
    return false;
}

/* Fourth: SYN (RFC 5961 4.2). The third step, security and compartment, is IP's matter of old. */
static bool check_syn(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (!(seg->flags & TCP_SYN))
        return true;
    if (pcb->state == TCP_SYN_RECEIVED && pcb->parent && !pcb->fast_child) {
        tcp_pcb_done(tcp, pcb, 0); /* 3.10.7.4, fourth: a passive open goes back to LISTEN */
        return false;
    }
    tcp_reset_challenge(tcp, pcb);
    return false;
}

static void input_synchronized(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    if (is_crossed_syn_ack(pcb, seg)) {
        seg->flags &= (uint8_t)~TCP_SYN;
        seg->seq++;
    }
    if (!paws_ok(tcp, pcb, seg) || !check_sequence(tcp, pcb, seg) || !check_rst(tcp, pcb, seg) ||
        !check_syn(tcp, pcb, seg))
        return;
    if (!(seg->flags & TCP_ACK))
        return; /* fifth */
    pcb->last_rx_us = tcp->net->now_us;
    if (!tcp_ack_input(tcp, pcb, seg))
        return;
    ts_update(tcp, pcb, seg);
    if (seg->flags & TCP_URG)
        tcp_urgent_input(tcp, pcb, seg); /* sixth */
    if (seg->len || seg->flags & TCP_FIN)
        tcp_receive(tcp, pcb, seg); /* seventh, eighth */
}

/* ---- entry ---- */

void tcp_input_flow(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg)
{
    switch (tcp_state(pcb)) {
    case TCP_SYN_SENT:
        if (tcp_synsent_input(tcp, pcb, seg))
            tcp_receive(tcp, pcb, seg);
        return;
    case TCP_TIME_WAIT:
        tcp_timewait_input(tcp, pcb, seg);
        return;
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        input_synchronized(tcp, pcb, seg);
        return;
    case TCP_CLOSED: /* neither is in the table of flows */
    case TCP_LISTEN:
        return;
    }
}

/* Is it up to us to answer a segment of no connection? On a borrowed address the host does that,
 * but for the ports that it leaves to us. */
static bool is_ours_to_refuse(const struct tcp *tcp, const struct ip_packet *pkt,
                              const struct endpoint *local)
{
    const struct net_env *env = tcp->net->env;

    if (!pkt->to || !pkt->to->borrowed)
        return true;
    return env->guards && env->guards(env->ctx, local);
}

void tcp_input(struct tcp *tcp, const struct ip_packet *pkt)
{
    struct tcp_seg seg;
    struct endpoint local, remote;
    struct tcp_pcb *pcb;

    tcp->stats.in_segs++;
    if (!addresses_ok(pkt) || !decode(pkt, &seg)) {
        tcp->stats.in_errs++;
        return;
    }
    local = (struct endpoint){.addr = pkt->dst, .port = seg.dst_port};
    remote = (struct endpoint){.addr = pkt->src, .port = seg.src_port};
    pcb = tcp_flow_find(tcp, &local, &remote);
    if (pcb && pcb->conf.nif && pkt->nif != pcb->conf.nif)
        pcb = NULL; /* SO_BINDTODEVICE */
    if (pcb) {
        if (pkt->ttl < pcb->conf.min_ttl)
            return; /* RFC 5082 3 */
        tcp->current = pcb;
        tcp_info_received(pcb, &seg);
        tcp_input_flow(tcp, pcb, &seg);
        return;
    }
    pcb = tcp_port_listener(tcp, pkt->nif, &local, &remote);
    if (pcb && pkt->ttl < pcb->conf.min_ttl)
        return;
    if (pcb)
        tcp_listen_input(tcp, pcb, &seg, NULL);
    else if (is_ours_to_refuse(tcp, pkt, &local))
        tcp_reset_reply(tcp, &seg);
}
