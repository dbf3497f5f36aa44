/*
 * Theory of operation of TCP here.
 *
 *   tcp_user.c, tcp_io.c     the calls of RFC 9293 3.10.1 to 3.10.6
 *   tcp_input.c              segment arrives: checks, demultiplexing, 3.10.7.4 in its order
 *     tcp_listen.c           LISTEN and its children (3.10.7.2); tcp_cookie.c: SYN cookies
 *     tcp_synsent.c          SYN_SENT (3.10.7.3); tcp_fastopen.c: text in the SYN, both sides
 *     tcp_ack.c              the ACK field, window, what it lets go
 *     tcp_receive.c          text and FIN; tcp_urgent.c: the urgent byte
 *     tcp_timewait.c         TIME_WAIT
 *     tcp_reset.c            RST in and out, challenge ACKs
 *   tcp_output.c             what to send and when; tcp_segment.c: how
 *   tcp_sent.c               what is in flight; tcp_sack.c: what of it has arrived
 *   tcp_rack.c, tcp_tlp.c    what of it is lost
 *   tcp_recover.c            what follows from that; tcp_undo.c: when it was not true
 *   tcp_retransmit.c         sending again; timeouts
 *   tcp_cc*.c                how fast, by what tcp_rate.c measures; tcp_pace.c: how evenly
 *   tcp_ecn.c                the network's marks
 *
 * An entry (a frame, a timer, a user call) does its work at once, but for two things that wait for
 * the end of the batch of frames, so that they are done once for many: the ACK of text that came in
 * order, and the sending of what ACKs made room for. Pcbs with such work are in tcp->ack_queue;
 * tcp_flush() empties it.
 *
 * This file: life of a pcb, its tables, its state.
 *
 * Tables: tcp->flows finds a connection by its four-tuple; tcp->ports has one record for each local
 * port in use, with the listeners there and everything else that is bound to it (tcp_port.c).
 * CLOSED pcbs are in neither, or in ports alone when the user bound them.
 */
#include <errno.h>
#include <poll.h>

#include "base/log.h"
#include "tcp/tcp_int.h"

#define BIT(state) (1u << (state))

/* Figure 5 of RFC 9293: the states that each one may change to. CLOSED is reached from everywhere
 * by abort, reset and timeout. The passive child goes from CLOSED to SYN_RECEIVED: it is LISTEN's
 * edge, for the listener itself stays. */
static const uint16_t edges[] = {
    [TCP_CLOSED] = BIT(TCP_LISTEN) | BIT(TCP_SYN_SENT) | BIT(TCP_SYN_RECEIVED),
    [TCP_LISTEN] = BIT(TCP_CLOSED),
    [TCP_SYN_SENT] = BIT(TCP_SYN_RECEIVED) | BIT(TCP_ESTABLISHED) | BIT(TCP_CLOSED),
    [TCP_SYN_RECEIVED] = BIT(TCP_ESTABLISHED) | BIT(TCP_FIN_WAIT_1) | BIT(TCP_CLOSED),
    [TCP_ESTABLISHED] = BIT(TCP_FIN_WAIT_1) | BIT(TCP_CLOSE_WAIT) | BIT(TCP_CLOSED),
    [TCP_FIN_WAIT_1] =
        BIT(TCP_FIN_WAIT_2) | BIT(TCP_CLOSING) | BIT(TCP_TIME_WAIT) | BIT(TCP_CLOSED),
    [TCP_FIN_WAIT_2] = BIT(TCP_TIME_WAIT) | BIT(TCP_CLOSED),
    [TCP_CLOSE_WAIT] = BIT(TCP_LAST_ACK) | BIT(TCP_CLOSED),
    [TCP_CLOSING] = BIT(TCP_TIME_WAIT) | BIT(TCP_CLOSED),
    [TCP_LAST_ACK] = BIT(TCP_CLOSED),
    [TCP_TIME_WAIT] = BIT(TCP_CLOSED),
};

static const char *const state_names[] = {
    [TCP_CLOSED] = "CLOSED",           [TCP_LISTEN] = "LISTEN",
    [TCP_SYN_SENT] = "SYN_SENT",       [TCP_SYN_RECEIVED] = "SYN_RECEIVED",
    [TCP_ESTABLISHED] = "ESTABLISHED", [TCP_FIN_WAIT_1] = "FIN_WAIT_1",
    [TCP_FIN_WAIT_2] = "FIN_WAIT_2",   [TCP_CLOSE_WAIT] = "CLOSE_WAIT",
    [TCP_CLOSING] = "CLOSING",         [TCP_LAST_ACK] = "LAST_ACK",
    [TCP_TIME_WAIT] = "TIME_WAIT",
};

const char *tcp_state_name(enum tcp_state s)
{
    return state_names[s];
}
enum tcp_state tcp_state(const struct tcp_pcb *pcb)
{
    return (enum tcp_state)pcb->state;
}
size_t tcp_pcb_bytes(void)
{
    return sizeof(struct tcp_pcb);
}

int tcp_init(struct tcp *tcp, struct net *net)
{
    tcp->net = net;
    tcp->congestion = TCP_CC_CUBIC;
    slab_init(&tcp->pcbs, net->arena, sizeof(struct tcp_pcb));
    slab_init(&tcp->port_slab, net->arena, sizeof(struct tcp_port));
    slab_init(&tcp->listeners, net->arena, sizeof(struct tcp_listener));
    slab_init(&tcp->bbrs, net->arena, (uint32_t)tcp_cc_bbr_bytes());
    tcp->ecn = TCP_ECN_ACCEPT;
    tcp->limits = (struct tcp_limits){.rcvbuf_default = TCP_RCVBUF_DEFAULT,
                                      .rcvbuf_max = TCP_RCVBUF_MAX,
                                      .sndbuf_default = TCP_SNDBUF_DEFAULT,
                                      .sndbuf_max = TCP_SNDBUF_MAX};
    list_init(&tcp->ack_queue);
    list_init(&tcp->time_wait);
    tcp->isn_key.k0 = rng_u64(&net->rng);
    tcp->isn_key.k1 = rng_u64(&net->rng);
    if (!hash_init(&tcp->flows, net->arena, 64))
        return -ENOMEM;
    if (!hash_init(&tcp->ports, net->arena, 64)) {
        hash_destroy(&tcp->flows);
        return -ENOMEM;
    }
    if (!tcp_sent_start(tcp) || tcp_fastopen_init(tcp) < 0) {
        tcp_sent_stop(tcp);
        hash_destroy(&tcp->flows);
        hash_destroy(&tcp->ports);
        return -ENOMEM;
    }
    return 0;
}

void tcp_fini(struct tcp *tcp)
{
    struct tcp_pcb *next;

    for (struct tcp_pcb *p = slab_next(&tcp->pcbs, NULL); p; p = next) {
        next = slab_next(&tcp->pcbs, p);
        if (p->parent) /* before its listener, which it leads to */
            tcp_pcb_free(tcp, p);
    }
    while ((next = slab_next(&tcp->pcbs, NULL)))
        tcp_pcb_free(tcp, next);
    tcp_fastopen_fini(tcp);
    hash_destroy(&tcp->flows);
    hash_destroy(&tcp->ports);
    tcp_sent_stop(tcp);
}

bool tcp_busy(const struct tcp *tcp)
{
    if (tcp->flows.count > 0)
        return true;
    /* One that a repair has doomed is CLOSED, but its peer does not know yet. */
    for (const struct tcp_pcb *p = slab_next(&tcp->pcbs, NULL); p; p = slab_next(&tcp->pcbs, p))
        if (p->doomed)
            return true;
    return false;
}

/* RFC 4022 tcpCurrEstab. */
static bool counts_as_established(enum tcp_state s)
{
    return s == TCP_ESTABLISHED || s == TCP_CLOSE_WAIT;
}

void tcp_set_state(struct tcp *tcp, struct tcp_pcb *pcb, enum tcp_state to)
{
    enum tcp_state from = tcp_state(pcb);
    const struct net_env *env = tcp->net->env;

    if (from == to)
        return;
    if (!(edges[from] & BIT(to))) {
        tcp->stats.illegal_edges++;
        log_error("tcp: illegal change of state from %s to %s", state_names[from], state_names[to]);
    }
    if (counts_as_established(from) && !counts_as_established(to)) {
        tcp->stats.curr_estab--;
        if (to == TCP_CLOSED)
            tcp->stats.estab_resets++;
    } else if (!counts_as_established(from) && counts_as_established(to)) {
        tcp->stats.curr_estab++;
    }
    if (to == TCP_CLOSED && (from == TCP_SYN_SENT || from == TCP_SYN_RECEIVED))
        tcp->stats.attempt_fails++;
    pcb->state = (uint8_t)to;
    if (to == TCP_TIME_WAIT || to == TCP_FIN_WAIT_2)
        tcp->port_ends++;
    if (env && env->trace) {
        struct trace_event ev = {.kind = TRACE_TCP_STATE,
                                 .now_us = tcp->net->now_us,
                                 .nif = pcb->path.nif,
                                 .local = pcb->local,
                                 .remote = pcb->remote,
                                 .from = state_names[from],
                                 .to = state_names[to]};
        env->trace(env->ctx, &ev);
    }
}

bool tcp_state_sends(enum tcp_state s)
{
    switch (s) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        return true;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
    case TCP_FIN_WAIT_2:
    case TCP_TIME_WAIT:
        return false;
    }
    return false;
}

bool tcp_state_may_send(enum tcp_state s)
{
    return s == TCP_ESTABLISHED || s == TCP_CLOSE_WAIT;
}

bool tcp_state_receives(enum tcp_state s)
{
    return s == TCP_ESTABLISHED || s == TCP_FIN_WAIT_1 || s == TCP_FIN_WAIT_2;
}

static const struct tcp_config defaults = {
    .keep_idle_ms = 7200000,
    .keep_intvl_ms = 75000,
    .keep_cnt = 9,
    .syn_retries = TCP_SYN_RETRIES,
    .ttl = IP_TTL_DEFAULT,
    .mtu_discover = PMTUDISC_WANT,
    .linger2_ms = 60000,
    .rto_min_us = TCP_RTO_MIN_US,
    .rto_max_ms = TCP_RTO_MAX_US / 1000,
    .delack_max_us = TCP_DELACK_MAX_US,
    .rcvlowat = 1,
};

struct tcp_pcb *tcp_pcb_new(struct tcp *tcp)
{
    struct tcp_pcb *pcb = slab_alloc(&tcp->pcbs);

    if (!pcb && !list_empty(&tcp->time_wait)) {
        /* A connection that is over makes room for a new one. */
        tcp->stats.time_wait_recycled++;
        tcp_pcb_done(tcp, container_of(tcp->time_wait.next, struct tcp_pcb, on_queue), 0);
        pcb = slab_alloc(&tcp->pcbs);
    }
    if (!pcb)
        return NULL;
    list_init(&pcb->on_port);
    list_init(&pcb->on_queue);
    list_init(&pcb->on_flush);
    timer_init(&pcb->rexmt, TCP_TIMER_REXMT);
    timer_init(&pcb->delack, TCP_TIMER_DELACK);
    timer_init(&pcb->slow, TCP_TIMER_SLOW);
    timer_init(&pcb->pace, TCP_TIMER_PACE);
    pcb->local.addr = pcb->remote.addr = addr_any4();
    pcb->conf = defaults;
    pcb->conf.sndbuf_bytes = tcp->limits.sndbuf_default;
    pcb->conf.rcvbuf_bytes = tcp->limits.rcvbuf_default;
    pcb->conf.congestion = tcp->congestion;
    ring_init(&pcb->snd, tcp->net->arena, 0);
    ring_init(&pcb->rcv, tcp->net->arena, 0);
    ranges_init(&pcb->ofo, tcp->net->arena, TCP_OFO_RANGES_MAX);
    tcp_sent_init(pcb);
    pcb->rexmt_at_us = pcb->delack_at_us = TIMER_NEVER;
    return pcb;
}

/* Everything of pcb that is not memory of its own: timers, lists, tables. */
static void detach(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp_fastopen_done(tcp, pcb, false);
    tcp_timer_stop_all(tcp, pcb);
    tcp_sent_clear(tcp, pcb);
    tcp_cc_release(tcp, pcb);
    list_remove(&pcb->on_flush);
    tcp_flow_remove(tcp, pcb);
}

static void drop_rings(struct tcp *tcp, struct tcp_pcb *pcb)
{
    ring_clear(&pcb->snd);
    ring_clear(&pcb->rcv);
    ranges_clear(&pcb->ofo);
    tcp_drop_saved_syn(tcp, pcb);
    tcp_mem_update(tcp, pcb);
}

void tcp_pcb_free(struct tcp *tcp, struct tcp_pcb *pcb)
{
    detach(tcp, pcb);
    tcp_listen_unlink(pcb);
    tcp_port_put(tcp, pcb);
    drop_rings(tcp, pcb);
    tcp_fastopen_release(tcp, pcb);
    if (pcb->listener)
        slab_free(&tcp->listeners, pcb->listener);
    if (pcb->orphan)
        tcp->orphans--;
    if (tcp->current == pcb)
        tcp->current = NULL;
    slab_free(&tcp->pcbs, pcb);
}

void tcp_pcb_forget(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_pcb old;

    detach(tcp, pcb);
    drop_rings(tcp, pcb);
    old = *pcb;
    /* What describes the connection lies behind mem_bytes; what describes the socket is put back.
     */
    memset((char *)pcb + offsetof(struct tcp_pcb, mem_bytes), 0,
           sizeof(*pcb) - offsetof(struct tcp_pcb, mem_bytes));
    pcb->state = old.state;
    pcb->error = old.error;
    pcb->port_locked = old.port_locked;
    pcb->addr_locked = old.addr_locked;
    pcb->orphan = old.orphan;
    memset(&pcb->path, 0, sizeof(pcb->path));
    ring_init(&pcb->snd, tcp->net->arena, 0);
    ring_init(&pcb->rcv, tcp->net->arena, 0);
    ranges_init(&pcb->ofo, tcp->net->arena, TCP_OFO_RANGES_MAX);
    tcp_sent_init(pcb);
    pcb->rexmt_at_us = pcb->delack_at_us = TIMER_NEVER;
}

void tcp_pcb_done(struct tcp *tcp, struct tcp_pcb *pcb, int err)
{
    tcp_set_state(tcp, pcb, TCP_CLOSED);
    if (!pcb->owner && !pcb->accept_queued) {
        tcp_pcb_free(tcp, pcb);
        return;
    }
    detach(tcp, pcb);
    if (!pcb->port_locked)
        tcp_port_put(tcp, pcb);
    /* What came in order can still be read. */
    ring_clear(&pcb->snd);
    ranges_clear(&pcb->ofo);
    tcp_mem_update(tcp, pcb);
    pcb->error = (uint8_t)err;
    pcb->shut = TCP_SHUT_BOTH;
    tcp_ready(tcp, pcb,
              POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLHUP |
                  (err ? POLLERR : 0u));
}

struct ip_addr tcp_any(const struct tcp_pcb *pcb)
{
    if (pcb->conf.v6)
        return addr_any6();
    return addr_any4();
}

void tcp_set_v6(struct tcp_pcb *pcb, bool v6)
{
    pcb->conf.v6 = v6;
    if (addr_is_any(&pcb->local.addr))
        pcb->local.addr = tcp_any(pcb);
    if (addr_is_any(&pcb->remote.addr))
        pcb->remote.addr = tcp_any(pcb);
}

struct tcp_pcb *tcp_open(struct tcp *tcp, void *owner)
{
    struct tcp_pcb *pcb = tcp_pcb_new(tcp);

    if (pcb)
        pcb->owner = owner;
    return pcb;
}

void tcp_set_owner(struct tcp_pcb *pcb, void *owner)
{
    pcb->owner = owner;
}

void *tcp_owner(const struct tcp_pcb *pcb)
{
    return pcb->owner;
}

void tcp_ready(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t mask)
{
    if (pcb->owner && mask)
        tcp->net->env->up->sock_ready(tcp->net, pcb->owner, mask);
}

void tcp_mem_update(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t now = ring_memory(&pcb->snd) + ring_memory(&pcb->rcv);

    tcp->mem_bytes += now - pcb->mem_bytes;
    pcb->mem_bytes = now;
}

/* ---- flows ---- */

uint64_t tcp_flow_hash(const struct tcp *tcp, const struct endpoint *local,
                       const struct endpoint *remote)
{
    uint8_t key[ENDPOINT_FLOW_BYTES];

    endpoint_flow(local, remote, key);
    return siphash(&tcp->net->key, key, sizeof(key));
}

static bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

struct tcp_pcb *tcp_flow_find(struct tcp *tcp, const struct endpoint *local,
                              const struct endpoint *remote)
{
    uint64_t hash;

    /* Segments of one flow come in rows. */
    if (tcp->last_flow && endpoint_eq(&tcp->last_flow->remote, remote) &&
        endpoint_eq(&tcp->last_flow->local, local))
        return tcp->last_flow;
    hash = tcp_flow_hash(tcp, local, remote);
    for (struct hash_node *n = hash_first(&tcp->flows, hash); n; n = hash_next(n, hash)) {
        struct tcp_pcb *pcb = container_of(n, struct tcp_pcb, by_flow);
        if (endpoint_eq(&pcb->local, local) && endpoint_eq(&pcb->remote, remote)) {
            tcp->last_flow = pcb;
            return pcb;
        }
    }
    return NULL;
}

void tcp_flow_insert(struct tcp *tcp, struct tcp_pcb *pcb)
{
    hash_insert(&tcp->flows, &pcb->by_flow, tcp_flow_hash(tcp, &pcb->local, &pcb->remote));
    pcb->hashed = true;
}

void tcp_flow_remove(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (!pcb->hashed)
        return;
    hash_remove(&tcp->flows, &pcb->by_flow);
    pcb->hashed = false;
    if (tcp->last_flow == pcb)
        tcp->last_flow = NULL;
}
