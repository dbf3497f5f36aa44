/*
 * What holds after every event, whatever the scenario: of each connection on its own, of the sums
 * that a stack keeps, and of both ends of a connection together.
 */
#include "sim.h"

#include <poll.h>

#include "tcp/tcp_int.h"

/* The first of a row of checks that does not hold, in words. */
#define HOLDS(cond, what)                                                                          \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return what;                                                                           \
    } while (0)

static bool is_open(const struct tcp_pcb *p)
{
    return p->state != TCP_CLOSED && p->state != TCP_LISTEN;
}

static bool is_handshake(const struct tcp_pcb *p)
{
    return p->state == TCP_SYN_SENT || p->state == TCP_SYN_RECEIVED;
}

/* RFC 9293 3.3.1, 3.4: SND.UNA =< SND.NXT; what is unacknowledged is in the ring, what is in the
 * ring may be unsent. */
static const char *send_space(const struct tcp_pcb *p)
{
    bool fin_acked = p->fin_sent && p->snd_una == p->snd_nxt && seq_gt(p->snd_una, tcp_snd_end(p));

    HOLDS(seq_le(p->snd_una, p->snd_nxt), "SND.UNA is beyond SND.NXT");
    if (is_handshake(p) && !p->fast_child)
        return NULL; /* the SYN itself is unacknowledged */
    if (!tcp_state_sends(tcp_state(p)) && p->state != TCP_FIN_WAIT_2 && !p->fast_child)
        return NULL;
    HOLDS(seq_le(p->snd_nxt, tcp_snd_end(p) + p->fin_sent), "SND.NXT is beyond what was queued");
    if (p->fast_child)
        return NULL;
    HOLDS(tcp_snd_off(p, p->snd_una - fin_acked) == p->snd.start,
          "the send ring does not begin at SND.UNA");
    HOLDS(!p->fin_sent || p->snd_nxt == tcp_snd_end(p) + 1, "a FIN with text behind it");
    HOLDS(p->sacked_bytes + p->lost_bytes <= tcp_flight(p), "more marked than in flight");
    HOLDS(p->cwnd >= 1, "no congestion window");
    HOLDS(p->snd_mss >= TCP_MIN_SEND_MSS - TCP_TS_BYTES, "a tiny MSS");
    return NULL;
}

/* What was received is in the ring up to RCV.NXT, and beyond it only inside the window. */
static const char *receive_space(const struct tcp_pcb *p)
{
    uint64_t end = p->rcv.end;

    if (!is_open(p) || p->state == TCP_SYN_SENT)
        return NULL;
    HOLDS(p->rcv_nxt == p->irs + 1 + (uint32_t)p->rcv.end + p->fin_rcvd,
          "the receive ring does not end at RCV.NXT");
    HOLDS(seq_le(p->last_ack_sent, p->rcv_nxt), "acknowledged what was not received");
    for (uint32_t i = 0; i < p->ofo.len; i++) {
        HOLDS(p->ofo.r[i].start > end && p->ofo.r[i].end > p->ofo.r[i].start,
              "ranges out of order that touch");
        end = p->ofo.r[i].end;
    }
    HOLDS(!p->ofo.len || end <= tcp_rcv_off(p, p->rcv_adv), "stored beyond the window");
    return NULL;
}

/* Nothing may wait for ever: who has something to do has a timer for it. */
static const char *timers(const struct tcp_pcb *p, uint64_t now_us)
{
    bool queued = tcp_unsent_bytes(p) || (p->fin_queued && !p->fin_sent);

    if (tcp_sent_first(p))
        HOLDS(p->rto_at_us && timer_armed(&p->rexmt) &&
                  p->rexmt.deadline_us <= now_us + TCP_RTO_MAX_US,
              "no timer watches over what is in flight");
    if (is_handshake(p) && !p->fast_wait)
        HOLDS(timer_armed(&p->rexmt), "no timer watches over the handshake");
    if (tcp_state_sends(tcp_state(p)) && queued && !tcp_flight(p))
        HOLDS(timer_armed(&p->rexmt) || timer_armed(&p->pace),
              "no timer watches over what cannot be sent yet");
    if (tcp_state_receives(tcp_state(p)) && p->rcv_nxt != p->last_ack_sent)
        HOLDS(timer_armed(&p->delack) || !list_empty(&p->on_flush), "an ACK is owed for ever");
    if (p->state == TCP_TIME_WAIT || (p->state == TCP_FIN_WAIT_2 && p->orphan))
        HOLDS(timer_armed(&p->slow), "no timer ends the connection");
    return NULL;
}

static const char *listener(const struct tcp_pcb *p)
{
    const struct tcp_listener *l = p->listener;
    uint32_t waiting = 0, complete = 0;

    if (p->state != TCP_LISTEN)
        return NULL;
    LIST_FOREACH (n, &l->syn_queue)
        waiting++;
    LIST_FOREACH (n, &l->accept_queue)
        complete++;
    HOLDS(waiting == l->syn_len && complete == l->accept_len, "queues of a listener miscounted");
    return NULL;
}

/* Nobody sends what the other end has no window for (RFC 9293 3.8.6). With frames whose wrong bits
 * the checksum may miss, a window may be misread. */
static const char *both_ends(struct sim *s, unsigned host, const struct tcp_pcb *p)
{
    const struct tcp_pcb *q;

    if (!tcp_state_sends(tcp_state(p)) || s->net.impair[!host].corrupt_ppm)
        return NULL;
    q = tcp_flow_find(&s->host[!host].st->tcp, &p->remote, &p->local);
    if (!q || q == p || !is_open(q) || q->state == TCP_SYN_SENT || q->irs != p->iss ||
        q->iss != p->irs)
        return NULL;
    HOLDS(seq_le(p->snd_nxt, q->rcv_adv + p->fin_sent), "sent beyond the window of the other end");
    return NULL;
}

/* The window that was offered is never taken back (RFC 9293 3.8.6, SHLD-14). And who has sent more,
 * had a window for it. */
static const char *windows(struct sim *s, unsigned host, const struct tcp_pcb *p)
{
    struct sim_edge *e = &s->edge[host][((uintptr_t)p >> 6) % SIM_EDGES], before = *e;
    bool known = e->pcb == p && e->iss == p->iss && e->irs == p->irs;

    if (!is_open(p) || p->state == TCP_SYN_SENT) {
        e->pcb = NULL;
        return NULL;
    }
    *e = (struct sim_edge){
        .pcb = p, .iss = p->iss, .irs = p->irs, .rcv_adv = p->rcv_adv, .snd_nxt = p->snd_nxt};
    HOLDS(!known || seq_ge(p->rcv_adv, before.rcv_adv), "the window was taken back");
    return known && p->snd_nxt == before.snd_nxt ? NULL : both_ends(s, host, p);
}

/* The sums of a stack agree with its connections. */
struct sums {
    uint64_t mem, estab, orphans;
};

static void add(struct sums *sum, const struct tcp_pcb *p)
{
    sum->mem += p->mem_bytes;
    sum->estab += p->state == TCP_ESTABLISHED || p->state == TCP_CLOSE_WAIT;
    sum->orphans += p->orphan;
}

static const char *sums(const struct tcp *tcp, const struct sums *sum)
{
    HOLDS(sum->mem == tcp->mem_bytes, "memory that is not accounted");
    HOLDS(sum->estab == tcp->stats.curr_estab, "established connections miscounted");
    HOLDS(sum->orphans == tcp->orphans, "orphans miscounted");
    return NULL;
}

static const char *memory(const struct tcp_pcb *p)
{
    HOLDS(p->mem_bytes == ring_memory(&p->snd) + ring_memory(&p->rcv),
          "memory of a connection that is not accounted");
    return NULL;
}

static void check_pcb(struct sim *s, unsigned host, const struct tcp_pcb *p)
{
    const char *wrong = tcp_sent_check(p);

    wrong = wrong ? wrong : send_space(p);
    wrong = wrong ? wrong : receive_space(p);
    wrong = wrong ? wrong : timers(p, s->wire.now_us);
    wrong = wrong ? wrong : listener(p);
    wrong = wrong ? wrong : memory(p);
    wrong = wrong ? wrong : windows(s, host, p);
    if (wrong)
        sim_fail(s, "host %u, port %u, %s: %s", host, p->local.port, tcp_state_name(tcp_state(p)),
                 wrong);
}

void sim_check(struct sim *s)
{
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        const struct tcp *tcp = &s->host[i].st->tcp;
        struct sums sum = {0};
        const char *wrong;

        if (arena_stats(s->host[i].arena).misuses)
            sim_fail(s, "host %u: memory freed that was not allocated", i);
        if (tcp->stats.illegal_edges)
            sim_fail(s, "host %u: an illegal change of state", i);
        for (struct tcp_pcb *p = slab_next(&tcp->pcbs, NULL); p; p = slab_next(&tcp->pcbs, p)) {
            check_pcb(s, i, p);
            add(&sum, p);
        }
        wrong = sums(tcp, &sum);
        if (wrong)
            sim_fail(s, "host %u: %s", i, wrong);
    }
}
