/*
 * Making segments: header, options and, straight from the send ring, the text. What goes out with
 * an ACK also settles whatever ACK was due.
 */
#include <errno.h>

#include "tcp/tcp_int.h"
#include "wire/ipv4.h"

#define TCP_CSUM_OFFSET 16u

uint32_t tcp_segment_ts_now(const struct tcp *tcp, const struct tcp_pcb *pcb)
{
    return (uint32_t)(tcp->net->now_us / 1000) + pcb->ts_offset; /* RFC 7323 5.4: 1 ms a tick */
}

/* The options of a segment of ours. */
static size_t emit_options(struct tcp *tcp, const struct tcp_pcb *pcb, uint8_t flags, bool text,
                           uint8_t *out)
{
    bool reply = flags & TCP_ACK;
    uint32_t ts_ecr = reply ? pcb->ts_recent : 0; /* RFC 7323 3.2 */
    struct tcp_options opt;

    if (!(flags & TCP_SYN)) {
        if (tcp_sack_has_report(pcb) && !text && (flags & (TCP_ACK | TCP_RST)) == TCP_ACK) {
            opt = (struct tcp_options){.has_ts = pcb->ts_ok, .ts_ecr = ts_ecr};
            opt.ts_val = tcp_segment_ts_now(tcp, pcb);
            tcp_sack_report(pcb, &opt);
            return tcp_options_emit(&opt, out);
        }
        if (!pcb->ts_ok)
            return 0;
        return tcp_options_emit_ts(tcp_segment_ts_now(tcp, pcb), ts_ecr, out);
    }
    opt = (struct tcp_options){
        .has_mss = true, /* RFC 9293 SHLD-5 */
        .mss = pcb->adv_mss,
        /* A reply has only what was offered (RFC 7323 2.2, 3.2). */
        .has_wscale = !reply || pcb->wscale_ok,
        .wscale = pcb->rcv_wscale,
        .has_ts = !reply || pcb->ts_ok,
        .sack_permitted = !reply || pcb->sack_ok, /* RFC 2018 2 */
        .ts_val = tcp_segment_ts_now(tcp, pcb),
        .ts_ecr = ts_ecr,
    };
    tcp_fastopen_option(tcp, pcb, &opt);
    return tcp_options_emit(&opt, out);
}

/* Whatever ACK was due has gone out. */
static void ack_settled(struct tcp_pcb *pcb)
{
    pcb->last_ack_sent = pcb->rcv_nxt;
    pcb->ack_now = false;
    pcb->delack_at_us = TIMER_NEVER;
    pcb->dsack_start = pcb->dsack_end;
    pcb->pushed = TCP_PUSHED_NOT;
    if (pcb->quickacks)
        pcb->quickacks--;
}

static void set_urgent(const struct tcp_pcb *pcb, struct tcp_hdr *h)
{
    uint32_t ahead = pcb->snd_up - h->seq;

    if (!pcb->snd_urgent || h->flags & (TCP_SYN | TCP_RST) || !seq_gt(pcb->snd_up, h->seq))
        return;
    h->flags |= TCP_URG;
    h->urg = (uint16_t)u32_min(ahead, 65535); /* RFC 9293 3.8.5 */
}

int tcp_segment_send(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t seq, uint32_t len,
                     uint8_t flags)
{
    uint8_t options[TCP_OPTIONS_MAX];
    size_t options_bytes = emit_options(tcp, pcb, flags, len > 0, options), covered = 0;
    struct tcp_hdr h = {.src_port = pcb->local.port,
                        .dst_port = pcb->remote.port,
                        .seq = seq,
                        .hdr_bytes = (uint8_t)(TCP_HDR_MIN + options_bytes)};
    struct ip_tx tx = {.path = &pcb->path,
                       .proto = IPPROTO_NUM_TCP,
                       .ttl = pcb->conf.ttl,
                       .tos = tcp_ecn_send(pcb, seq, len, &flags),
                       .df = tcp_mss_discovers(pcb)};
    struct frame f;
    uint8_t *p;
    int err = path_refresh(tcp->net, &pcb->path);

    if (err)
        return err;
    frame_init(&f);
    if (len) {
        f.nbody = (uint8_t)ring_spans(&pcb->snd, tcp_snd_off(pcb, seq + (flags & TCP_SYN ? 1 : 0)),
                                      len, f.body, FRAME_BODY_MAX, &covered);
        f.body_bytes = (uint32_t)covered;
        if (covered < len)
            return -EFAULT; /* the caller asked for what is not there */
        if (len > pcb->snd_mss)
            f.gso_size = pcb->snd_mss;
    }
    h.flags = flags;
    if (flags & TCP_ACK)
        h.ack = pcb->rcv_nxt;
    if (!(flags & TCP_RST))
        h.wnd = tcp_window_advertise(pcb, flags & TCP_SYN);
    set_urgent(pcb, &h);
    f.l4_bytes = h.hdr_bytes;
    p = frame_push(&f, h.hdr_bytes);
    tcp_emit(&h, p);
    if (options_bytes)
        memcpy(p + TCP_HDR_MIN, options, options_bytes);
    if (flags & TCP_ACK)
        ack_settled(pcb);
    tcp->stats.out_segs++;
    tcp_info_sent(pcb, seq, len);
    if (flags & TCP_RST)
        tcp->stats.out_rsts++;
    return ip_output(tcp->net, &tx, &f, TCP_CSUM_OFFSET);
}

int tcp_segment_ack(struct tcp *tcp, struct tcp_pcb *pcb)
{
    return tcp_segment_send(tcp, pcb, pcb->snd_nxt, 0, TCP_ACK);
}

int tcp_segment_syn(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint8_t flags = pcb->state == TCP_SYN_RECEIVED ? TCP_SYN | TCP_ACK : TCP_SYN;
    uint32_t text = flags == TCP_SYN && !pcb->first_rexmt_us ? pcb->syn_text : 0;

    return tcp_segment_send(tcp, pcb, pcb->iss, text, flags);
}

int tcp_segment_probe(struct tcp *tcp, struct tcp_pcb *pcb)
{
    return tcp_segment_send(tcp, pcb, pcb->snd_una - 1, 0, TCP_ACK);
}
