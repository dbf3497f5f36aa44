/*
 * The timers of a pcb. Four, for most of what RFC 9293 needs excludes each other:
 *
 *   rexmt    retransmission (RFC 6298, RFC 8985), or persist while nothing is in flight but
 *            something is queued
 *   delack   delayed ACK
 *   slow     keepalive; for an orphan in FIN_WAIT_2 its end; in TIME_WAIT 2 MSL (tcp_keepalive.c)
 *
 * The first two are moved with nearly every segment, so they are lazy: the pcb remembers when it
 * wants to be called, and the timer itself is only ever moved to an earlier time. When it comes due
 * too early, it is armed again for what is wanted by then.
 */
#include "tcp/tcp_int.h"

static void lazy_set(struct tcp *tcp, struct timer *t, uint64_t *want, uint64_t deadline_us)
{
    *want = deadline_us;
    if (deadline_us == TIMER_NEVER || (timer_armed(t) && t->deadline_us <= deadline_us))
        return;
    timer_set(&tcp->net->timers, t, deadline_us);
}

/* The timer came due: is it wanted now? */
static bool lazy_due(struct tcp *tcp, struct timer *t, uint64_t *want)
{
    if (*want > tcp->net->now_us) {
        lazy_set(tcp, t, want, *want);
        return false;
    }
    *want = TIMER_NEVER;
    return true;
}

void tcp_timer_rexmt(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t deadline_us)
{
    lazy_set(tcp, &pcb->rexmt, &pcb->rexmt_at_us, deadline_us);
}

void tcp_timer_delack(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t deadline_us)
{
    lazy_set(tcp, &pcb->delack, &pcb->delack_at_us, deadline_us);
}

void tcp_timer_stop_all(struct tcp *tcp, struct tcp_pcb *pcb)
{
    timer_stop(&tcp->net->timers, &pcb->rexmt);
    timer_stop(&tcp->net->timers, &pcb->delack);
    timer_stop(&tcp->net->timers, &pcb->slow);
    timer_stop(&tcp->net->timers, &pcb->pace);
    pcb->rexmt_at_us = pcb->delack_at_us = TIMER_NEVER;
}

static void delack_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    /* No answer came to carry it: this is no dialogue. */
    pcb->pingpong = false;
    tcp->stats.delayed_acks++;
    tcp_segment_ack(tcp, pcb);
}

void tcp_timer(struct tcp *tcp, struct timer *t)
{
    struct tcp_pcb *pcb;

    switch ((enum tcp_timer_kind)t->kind) {
    case TCP_TIMER_REXMT:
        pcb = container_of(t, struct tcp_pcb, rexmt);
        tcp->current = pcb;
        if (!lazy_due(tcp, t, &pcb->rexmt_at_us))
            return;
        if (pcb->persist)
            tcp_retransmit_persist(tcp, pcb);
        else
            tcp_retransmit_timer(tcp, pcb);
        return;
    case TCP_TIMER_DELACK:
        pcb = container_of(t, struct tcp_pcb, delack);
        tcp->current = pcb;
        if (lazy_due(tcp, t, &pcb->delack_at_us))
            delack_timeout(tcp, pcb);
        return;
    case TCP_TIMER_SLOW:
        pcb = container_of(t, struct tcp_pcb, slow);
        tcp->current = pcb;
        tcp_keepalive_timeout(tcp, pcb);
        return;
    case TCP_TIMER_PACE:
        pcb = container_of(t, struct tcp_pcb, pace);
        tcp->current = pcb;
        tcp_output(tcp, pcb);
        return;
    }
}
