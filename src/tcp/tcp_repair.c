/*
 * After a process died inside an entry: the tables, lists and counters are built anew from the
 * pcbs, each of which says itself where it belongs.
 *
 * tcp->current is the pcb that was last being worked on. What it holds may be half done, so it is
 * reset: it is CLOSED with an error at once, and its slow timer, which is due at once too, sends
 * the RST and tells the owner, for here nothing can be sent. The RST may miss: the process may have
 * died after it had sent a segment and before it had counted it. So a probe follows, whose answer
 * tells where the peer is and draws an exact RST (tcp_input()); and, as either may be lost, both
 * are sent a few times. So long the pcb keeps its port. Every other pcb was left whole by whoever
 * worked on it before. Children that waited to be accepted may change their order.
 */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

#define RESET_TRIES    4u
#define RESET_FIRST_US 200000u /* then twice as long, each time */

/* The process died before it had made this pcb anybody's, or after it had begun to free it. */
static bool is_stray(const struct tcp_pcb *pcb)
{
    if (pcb->owner || pcb->doomed)
        return false;
    if (pcb->state == TCP_CLOSED)
        return !(pcb->parent && pcb->accept_queued);
    return !pcb->orphan && !pcb->parent;
}

/* Of the rings of a pcb that was being changed nothing is certain but that they can be cleared; its
 * records go too, and with them what its timers were for. */
static void clear_memory(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->snd.arena)
        ring_clear(&pcb->snd);
    if (pcb->rcv.arena)
        ring_clear(&pcb->rcv);
    if (pcb->ofo.arena)
        ranges_clear(&pcb->ofo);
    ring_init(&pcb->snd, tcp->net->arena, 0);
    ring_init(&pcb->rcv, tcp->net->arena, 0);
    ranges_init(&pcb->ofo, tcp->net->arena, TCP_OFO_RANGES_MAX);
    tcp_sent_init(pcb);                  /* tcp_sent_repair() frees the records */
    memset(pcb->cc, 0, sizeof(pcb->cc)); /* and tcp_cc_bbr_repair() what there was here */
    pcb->rexmt_at_us = pcb->delack_at_us = TIMER_NEVER;
    pcb->rto_at_us = pcb->reo_at_us = pcb->pto_at_us = 0;
}

static void doom(struct tcp *tcp, struct tcp_pcb *pcb)
{
    clear_memory(tcp, pcb);
    pcb->reset_due = tcp_user_needs_reset(pcb);
    pcb->probes_out = 0;
    pcb->doomed = true;
    pcb->state = TCP_CLOSED;
    pcb->error = ECONNRESET;
    pcb->shut = TCP_SHUT_BOTH;
    pcb->hashed = pcb->ack_now = pcb->output_due = pcb->fast_child = pcb->fast_wait = false;
    if (!pcb->accept_queued)
        pcb->parent = NULL;
}

void tcp_repair_finish(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool owned = pcb->owner || pcb->accept_queued;
    uint8_t tries = pcb->probes_out;

    if (owned && tries == 0)
        tcp_ready(tcp, pcb, tcp_poll(pcb));
    if (pcb->reset_due && tries < RESET_TRIES) {
        tcp_reset_send(tcp, pcb);
        tcp_segment_probe(tcp, pcb);
        pcb->probes_out++;
        timer_set(&tcp->net->timers, &pcb->slow,
                  tcp->net->now_us + ((uint64_t)RESET_FIRST_US << tries));
        return;
    }
    pcb->doomed = false;
    if (!owned)
        tcp_pcb_free(tcp, pcb);
}

static void drop_ports(struct tcp *tcp)
{
    struct tcp_port *next;

    hash_reset(&tcp->ports);
    for (struct tcp_port *p = slab_next(&tcp->port_slab, NULL); p; p = next) {
        next = slab_next(&tcp->port_slab, p);
        slab_free(&tcp->port_slab, p);
    }
}

/* Listeners with empty queues; those that nobody has are freed. */
static void repair_listeners(struct tcp *tcp)
{
    struct tcp_listener *next;

    for (struct tcp_listener *l = slab_next(&tcp->listeners, NULL); l; l = next) {
        next = slab_next(&tcp->listeners, l);
        if (!l->pcb || l->pcb->listener != l || l->pcb->state != TCP_LISTEN || is_stray(l->pcb)) {
            if (l->pcb && l->pcb->listener == l)
                l->pcb->listener = NULL;
            slab_free(&tcp->listeners, l);
            continue;
        }
        list_init(&l->syn_queue);
        list_init(&l->accept_queue);
        l->syn_len = l->accept_len = 0;
    }
}

static void join_queue(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->parent) {
        struct tcp_listener *l = pcb->parent->listener;
        list_push(pcb->accept_queued ? &l->accept_queue : &l->syn_queue, &pcb->on_queue);
        if (pcb->accept_queued)
            l->accept_len++;
        else
            l->syn_len++;
    } else if (pcb->orphan && pcb->state == TCP_TIME_WAIT) {
        list_push(&tcp->time_wait, &pcb->on_queue);
    }
}

static void rearm(struct tcp *tcp, struct tcp_pcb *pcb)
{
    timer_init(&pcb->rexmt, TCP_TIMER_REXMT);
    timer_init(&pcb->delack, TCP_TIMER_DELACK);
    timer_init(&pcb->slow, TCP_TIMER_SLOW);
    timer_init(&pcb->pace, TCP_TIMER_PACE);
    tcp_timer_rexmt(tcp, pcb, pcb->rexmt_at_us);
    tcp_timer_delack(tcp, pcb, pcb->delack_at_us);
    tcp_keepalive_arm(tcp, pcb);
    if (pcb->doomed)
        timer_set(&tcp->net->timers, &pcb->slow, tcp->net->now_us);
    else if (pcb->paced)
        timer_set(&tcp->net->timers, &pcb->pace, tcp->net->now_us);
}

static void repair_pcb(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool bound = pcb->port != NULL && (pcb->state != TCP_CLOSED || pcb->port_locked);
    bool hashed = pcb->hashed;

    list_init(&pcb->on_port);
    list_init(&pcb->on_queue);
    list_init(&pcb->on_flush);
    pcb->port = NULL;
    pcb->hashed = false;
    if (bound)
        tcp_port_get(tcp, pcb); /* without memory it goes on unbound */
    if (hashed)
        tcp_flow_insert(tcp, pcb);
    join_queue(tcp, pcb);
    rearm(tcp, pcb);
    if (pcb->orphan)
        tcp->orphans++;
    if (pcb->state == TCP_ESTABLISHED || pcb->state == TCP_CLOSE_WAIT)
        tcp->stats.curr_estab++;
    pcb->mem_bytes = 0;
    tcp_mem_update(tcp, pcb);
    if (pcb->ack_now || pcb->output_due)
        list_push(&tcp->ack_queue, &pcb->on_flush);
}

/* Decides what becomes of pcb, while all the others still are where they were. */
static void judge(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (!pcb->parent)
        pcb->accept_queued = false; /* it was being taken out of the queue */
    if (pcb->state == TCP_LISTEN && !pcb->listener)
        pcb->state = TCP_CLOSED; /* tcp_listen() or tcp_close() did not come to its end */
    if (pcb->parent && !pcb->parent->listener) {
        pcb->accept_queued = false;
        doom(tcp, pcb);
    } else if (pcb == tcp->current && pcb->state != TCP_LISTEN && pcb->state != TCP_CLOSED &&
               !is_stray(pcb)) {
        doom(tcp, pcb);
    } else if (is_stray(pcb) && pcb->state != TCP_SYN_RECEIVED && tcp_user_needs_reset(pcb)) {
        doom(tcp, pcb); /* let go by one, not yet taken by another: the peer must hear of it */
    } else if (pcb == tcp->current && !is_stray(pcb)) {
        clear_memory(tcp, pcb); /* its connection was over, or being forgotten */
    }
}

void tcp_repair(struct tcp *tcp)
{
    struct tcp_pcb *next;

    slab_rebuild(&tcp->pcbs);
    slab_rebuild(&tcp->port_slab);
    slab_rebuild(&tcp->listeners);
    hash_reset(&tcp->flows);
    tcp->last_flow = NULL;
    list_init(&tcp->ack_queue);
    list_init(&tcp->time_wait);
    drop_ports(tcp);
    repair_listeners(tcp);
    tcp->orphans = 0;
    tcp->mem_bytes = 0;
    tcp->stats.curr_estab = 0;
    for (struct tcp_pcb *pcb = slab_next(&tcp->pcbs, NULL); pcb; pcb = slab_next(&tcp->pcbs, pcb))
        judge(tcp, pcb);
    tcp_sent_repair(tcp);
    for (struct tcp_pcb *pcb = slab_next(&tcp->pcbs, NULL); pcb; pcb = next) {
        next = slab_next(&tcp->pcbs, pcb);
        if (is_stray(pcb)) {
            clear_memory(tcp, pcb);
            slab_free(&tcp->pcbs, pcb);
        } else {
            repair_pcb(tcp, pcb);
        }
    }
    tcp_fastopen_repair(tcp);
    tcp_cc_bbr_repair(tcp);
    tcp->current = NULL;
}
