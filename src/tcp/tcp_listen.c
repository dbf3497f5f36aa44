/*
 * LISTEN (RFC 9293 3.10.7.2) and the children on their way to accept().
 *
 * A SYN makes a child in SYN_RECEIVED, without owner, in the listener's SYN queue. The ACK of its
 * SYN moves it to the accept queue, if there is room: as in Linux, one more than backlog. If there
 * is none the ACK counts as lost; the SYN,ACK will be sent again and the peer answer again. While
 * the accept queue is full, new SYNs are dropped. While the SYN queue is full, they are answered
 * with cookies (tcp_cookie.c). What the peer sends to a child that waits is received as
 * usual; even a child that is reset while it waits is handed out, and its owner sees the error.
 *
 * TCP_DEFER_ACCEPT, as in Linux: the ACK alone is not enough, text must come. Meanwhile the child
 * stays where it is; its SYN,ACK is not sent again until the time is over, and then once more: who
 * answers that is let in without text.
 */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

static bool accept_full(const struct tcp_listener *l)
{
    return l->accept_len > l->backlog;
}

static bool syn_full(const struct tcp_listener *l)
{
    return l->syn_len >= u32_max(l->backlog + 1, TCP_SYN_QUEUE_MIN);
}

void tcp_syn_options(struct tcp_pcb *pcb, const struct tcp_options *opt)
{
    if (opt->has_mss && opt->mss)
        pcb->peer_mss = (uint16_t)u32_max(opt->mss, TCP_MIN_SEND_MSS); /* MUST-14 */
    if (pcb->conf.user_mss) /* TCP_MAXSEG: counts from the handshake on, as in Linux */
        pcb->peer_mss = (uint16_t)u32_min(pcb->peer_mss, pcb->conf.user_mss);
    pcb->wscale_ok = opt->has_wscale;
    if (opt->has_wscale)
        pcb->snd_wscale = (uint8_t)u32_min(opt->wscale, TCP_WSCALE_MAX); /* RFC 7323 2.3 */
    else
        pcb->snd_wscale = pcb->rcv_wscale = 0; /* 2.2: only if both sides sent it */
    pcb->sack_ok = opt->sack_permitted;
    pcb->ts_ok = opt->has_ts;
    if (opt->has_ts)
        pcb->ts_recent = opt->ts_val;
    tcp_mss_update(pcb);
}

int tcp_listen_address(struct tcp *tcp, struct tcp_pcb *child, const struct tcp_seg *seg)
{
    child->local = (struct endpoint){.addr = seg->pkt->dst, .port = seg->dst_port};
    child->remote = (struct endpoint){.addr = seg->pkt->src, .port = seg->src_port};
    return path_lookup(tcp->net, &child->remote.addr, &child->local.addr, child->conf.nif,
                       &child->path);
}

static struct tcp_pcb *child_new(struct tcp *tcp, struct tcp_pcb *listener,
                                 const struct tcp_seg *seg)
{
    struct tcp_pcb *child = tcp_pcb_new(tcp);

    if (!child) {
        tcp->stats.mem_drops++;
        return NULL;
    }
    tcp->current = child;
    child->conf = listener->conf;
    if (tcp_listen_address(tcp, child, seg) || tcp_port_get(tcp, child)) {
        tcp->stats.mem_drops++;
        tcp_pcb_free(tcp, child);
        return NULL;
    }
    child->port_locked = child->addr_locked = true; /* the listener's */
    child->passive = true;
    return child;
}

void tcp_listen_start(struct tcp *tcp, struct tcp_pcb *child, uint32_t irs,
                      const struct tcp_options *opt)
{
    child->irs = irs;
    child->rcv_nxt = child->rcv_adv = child->last_ack_sent = irs + 1;
    child->ts_offset = tcp_iss_ts_offset(tcp, &child->local, &child->remote);
    child->snd_una = child->iss;
    child->snd_nxt = child->iss + 1;
    tcp_rtt_init(child);
    tcp_window_init(tcp, child);
    tcp_mss_init(child);
    tcp_syn_options(child, opt);
    child->ts_recent_at_us = child->last_rx_us = tcp->net->now_us;
}

static void enqueue_child(struct tcp *tcp, struct tcp_pcb *listener, struct tcp_pcb *child,
                          const struct tcp_seg *seg)
{
    child->snd_wnd = child->snd_wnd_max = seg->wnd;
    child->snd_wl1 = seg->seq;
    tcp_set_state(tcp, child, TCP_SYN_RECEIVED);
    tcp_flow_insert(tcp, child);
    child->parent = listener;
    list_push(&listener->listener->syn_queue, &child->on_queue);
    listener->listener->syn_len++;
    tcp->stats.passive_opens++;
}

static void to_accept_queue(struct tcp_pcb *child)
{
    struct tcp_listener *l = child->parent->listener;

    list_remove(&child->on_queue);
    l->syn_len--;
    list_push(&l->accept_queue, &child->on_queue);
    l->accept_len++;
    child->accept_queued = true;
}

/* TCP_SAVE_SYN. A SYN that was answered with a cookie is not there any more; without memory it is
 * done without. */
static void save_syn(struct tcp *tcp, struct tcp_pcb *child, const struct ip_packet *pkt)
{
    size_t ip_bytes = (size_t)(pkt->ip_hdr[0] & 15) * 4;
    size_t tcp_bytes = (size_t)(pkt->payload[12] >> 4) * 4;

    child->saved_syn_bytes = (uint16_t)(ip_bytes + tcp_bytes); /* first: see tcp_repair.c */
    child->saved_syn = arena_alloc(tcp->net->arena, child->saved_syn_bytes);
    if (!child->saved_syn)
        return;
    memcpy(child->saved_syn, pkt->ip_hdr, ip_bytes);
    memcpy(child->saved_syn + ip_bytes, pkt->payload, tcp_bytes);
}

/* SYN: text in it is not acknowledged, and so comes again, unless it is Fast Open's. */
static void syn_input(struct tcp *tcp, struct tcp_pcb *listener, const struct tcp_seg *seg,
                      const struct tcp_pcb *time_wait)
{
    struct tcp_listener *l = listener->listener;
    struct tcp_pcb *child;
    bool fast;

    if (accept_full(l)) {
        tcp->stats.listen_overflows++;
        return;
    }
    /* What follows a connection in TIME_WAIT is nobody's flood, and a cookie could not promise it a
     * number beyond the old ones. */
    if (syn_full(l) && !time_wait) {
        tcp_cookie_reply(tcp, listener, seg);
        return;
    }
    child = child_new(tcp, listener, seg);
    if (!child)
        return;
    child->iss = tcp_iss_choose(tcp, &child->local, &child->remote);
    /* RFC 9293 MUST-12: beyond all numbers of the incarnation before. */
    if (time_wait && seq_le(child->iss, time_wait->snd_nxt + 65535))
        child->iss = time_wait->snd_nxt + 65536 + 1;
    tcp_listen_start(tcp, child, seg->seq, &seg->opt);
    if (listener->conf.save_syn)
        save_syn(tcp, child, seg->pkt);
    child->ecn = tcp_ecn_wanted(tcp, seg) ? TCP_ECN_OK : 0;
    fast = tcp_fastopen_syn(tcp, listener, child, seg);
    enqueue_child(tcp, listener, child, seg);
    if (fast) {
        tcp_fastopen_text(tcp, child, seg);
        to_accept_queue(child);
    }
    tcp_rtt_start(tcp, child, child->snd_nxt);
    child->rto_at_us = tcp->net->now_us + tcp_rtt_rto_us(child);
    tcp_timer_rexmt(tcp, child, child->rto_at_us);
    tcp_segment_syn(tcp, child);
    if (fast)
        tcp_ready(tcp, listener, POLLIN | POLLRDNORM);
}

/* The ACK of a SYN,ACK that was a cookie: the child comes into being now, at the point where its
 * handshake is completed. */
static void cookie_input(struct tcp *tcp, struct tcp_pcb *listener, struct tcp_seg *seg,
                         const struct tcp_options *opt, bool ecn)
{
    struct tcp_pcb *child;

    if (accept_full(listener->listener)) {
        tcp->stats.listen_overflows++;
        return;
    }
    child = child_new(tcp, listener, seg);
    if (!child)
        return;
    child->iss = seg->ack - 1;
    child->ecn = ecn ? TCP_ECN_OK : 0;
    child->conf.defer_accept = 0; /* there is no timer to end the waiting */
    tcp_listen_start(tcp, child, seg->seq - 1, opt);
    child->rcv_adv = child->rcv_nxt + u32_min(tcp_window_capacity(child), 65535);
    enqueue_child(tcp, listener, child, seg);
    tcp_input_flow(tcp, child, seg);
}

void tcp_listen_input(struct tcp *tcp, struct tcp_pcb *listener, struct tcp_seg *seg,
                      const struct tcp_pcb *time_wait)
{
    struct tcp_options opt;
    bool ecn;

    if (seg->flags & TCP_RST)
        return;                 /* first */
    if (seg->flags & TCP_ACK) { /* second */
        if (tcp_cookie_check(tcp, listener->listener, seg, &opt, &ecn))
            cookie_input(tcp, listener, seg, &opt, ecn);
        else
            tcp_reset_reply(tcp, seg);
        return;
    }
    if (seg->flags & TCP_SYN &&
        !(seg->flags & TCP_FIN)) /* SYN with FIN is nobody's honest segment */
        syn_input(tcp, listener, seg, time_wait);
}

bool tcp_listen_defers(const struct tcp_pcb *child, const struct tcp_seg *seg)
{
    return child->parent && !child->accept_queued &&
           child->retransmits < child->conf.defer_accept && !seg->len && !(seg->flags & TCP_FIN);
}

bool tcp_listen_complete(struct tcp *tcp, struct tcp_pcb *child)
{
    if (child->accept_queued)
        return true; /* Fast Open's are there already */
    if (accept_full(child->parent->listener)) {
        tcp->stats.listen_overflows++;
        return false;
    }
    to_accept_queue(child);
    return true;
}

void tcp_listen_unlink(struct tcp_pcb *child)
{
    list_remove(&child->on_queue);
    if (child->parent) {
        struct tcp_listener *l = child->parent->listener;
        if (child->accept_queued)
            l->accept_len--;
        else
            l->syn_len--;
    }
    child->parent = NULL;
    child->accept_queued = false;
}

void tcp_listen_stop(struct tcp *tcp, struct tcp_pcb *listener)
{
    struct tcp_listener *l = listener->listener;
    struct list *n;

    while ((n = list_first(&l->accept_queue))) {
        struct tcp_pcb *child = container_of(n, struct tcp_pcb, on_queue);
        tcp_listen_unlink(child);
        tcp_abort(tcp, child);
    }
    while ((n = list_first(&l->syn_queue))) {
        struct tcp_pcb *child = container_of(n, struct tcp_pcb, on_queue);
        tcp_listen_unlink(child);
        tcp_pcb_done(tcp, child, 0); /* its ACK will meet no listener, and a RST */
    }
    slab_free(&tcp->listeners, l);
    listener->listener = NULL;
}

int tcp_listen(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t backlog)
{
    struct tcp_listener *l;
    int err;

    if (pcb->state == TCP_LISTEN) {
        pcb->listener->backlog = backlog;
        return 0;
    }
    if (pcb->state != TCP_CLOSED)
        return -EINVAL;
    if (!pcb->port) {
        pcb->local.port = 0;
        err = tcp_port_pick(tcp, pcb, NULL);
        if (err)
            return err;
    } else if (tcp_port_conflict(tcp, pcb, &pcb->local)) {
        return -EADDRINUSE; /* somebody else came to listen since bind() */
    }
    l = slab_alloc(&tcp->listeners);
    if (!l)
        return -ENOMEM;
    tcp_pcb_forget(tcp, pcb);
    tcp_set_state(tcp, pcb, TCP_LISTEN);
    err = tcp_port_get(tcp, pcb);
    if (err) {
        tcp_set_state(tcp, pcb, TCP_CLOSED);
        slab_free(&tcp->listeners, l);
        return err;
    }
    list_init(&l->syn_queue);
    list_init(&l->accept_queue);
    l->backlog = backlog;
    l->pcb = pcb;
    pcb->listener = l;
    return 0;
}

bool tcp_can_accept(const struct tcp_pcb *listener)
{
    return listener->listener && !list_empty(&listener->listener->accept_queue);
}

struct tcp_pcb *tcp_accept(struct tcp *tcp, struct tcp_pcb *listener)
{
    struct tcp_pcb *child;

    if (!tcp_can_accept(listener))
        return NULL;
    child = container_of(listener->listener->accept_queue.next, struct tcp_pcb, on_queue);
    tcp_listen_unlink(child);
    return child;
}

uint32_t tcp_backlog_len(const struct tcp_pcb *listener)
{
    return listener->listener ? listener->listener->accept_len : 0;
}
