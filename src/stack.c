/*
 * The whole stack: theory of operation
 *
 *      the io layer                                     the program's calls
 *        | stack_input   | stack_poll                     | sock_*
 *        v               v                                v
 *      net_input -> timers by layer                     sock -> tcp, udp -> ip_output
 *        |  upcalls: tcp_input, udp_input, *_icmp_error                        |
 *        '-> sock_ready -> waiters -> proc.fired                               v
 *                                                              env.output (a frame to the link)
 *
 * A stack is one object in an arena. Everything happens inside an entry, between stack_enter() and
 * stack_leave(): the caller has locked the stack, time stands still, and env leads to what
 * belongs to the calling process alone. ACKs that a batch of input makes due go out at its end.
 *
 * A process may die inside an entry. Then the next one to lock the stack calls stack_repair(),
 * which trusts only what dying cannot tear: the page table, the bitmaps of the slabs, and the
 * fields of objects that nobody was changing.
 */
#include "stack.h"

#include <config.h>

#include <netinet/in.h>
#include <string.h>

#include "base/log.h"

/* ---- upcalls ---- */

static struct stack *stack_of_net(struct net *net)
{
    return container_of(net, struct stack, net);
}

static void up_tcp_input(struct net *net, const struct ip_packet *pkt)
{
    tcp_input(&stack_of_net(net)->tcp, pkt);
}

static void up_udp_input(struct net *net, const struct ip_packet *pkt)
{
    udp_input(&stack_of_net(net)->udp, pkt);
}

static void up_tcp_icmp_error(struct net *net, const struct icmp_error *e)
{
    tcp_icmp_error(&stack_of_net(net)->tcp, e);
}

static void up_udp_icmp_error(struct net *net, const struct icmp_error *e)
{
    udp_icmp_error(&stack_of_net(net)->udp, e);
}

static void up_sock_ready(struct net *net, void *owner, uint32_t mask)
{
    (void)net;
    sock_ready(owner, mask);
}

static void up_sock_icmp(struct net *net, void *owner, const struct icmp_error *e)
{
    (void)net;
    sock_error_icmp(owner, e);
}

static const struct net_upcalls upcalls = {
    .tcp_input = up_tcp_input,
    .udp_input = up_udp_input,
    .tcp_icmp_error = up_tcp_icmp_error,
    .udp_icmp_error = up_udp_icmp_error,
    .sock_ready = up_sock_ready,
    .sock_icmp = up_sock_icmp,
};

/* ---- life ---- */

static const struct stack_limits default_limits = {
    .rmem_max = 212992,
    .wmem_max = 212992,
    .rmem_default = 212992,
    .wmem_default = 212992,
    .somaxconn = 4096,
};

uint64_t stack_layout(void)
{
    const size_t sizes[] = {
        sizeof(struct stack), sizeof(struct sock),    sizeof(struct waiter),
        sizeof(struct proc),  sizeof(struct udp_pcb), sizeof(struct netif),
        tcp_pcb_bytes(),      sizeof(struct slab),    sizeof(struct endpoint),
    };
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *v = PACKAGE_VERSION; *v; v++)
        h = (h ^ (uint8_t)*v) * 0x100000001b3u;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        h = (h ^ sizes[i]) * 0x100000001b3u;
    return h;
}

struct stack *stack_create(struct arena *a, uint64_t seed)
{
    struct stack *st = arena_zalloc(a, sizeof(*st));
    if (!st)
        return NULL;
    st->layout = stack_layout();
    st->limits = default_limits;
    st->next_proc_id = 1;
    if (net_init(&st->net, a, seed) < 0 || udp_init(&st->udp, &st->net) < 0 ||
        tcp_init(&st->tcp, &st->net) < 0 || sock_init(st) < 0)
        return NULL;
    arena_set_root(a, st);
    return st;
}

void stack_destroy(struct stack *st)
{
    struct arena *a = st->net.arena;
    sock_fini(st);
    udp_fini(&st->udp);
    tcp_fini(&st->tcp);
    net_fini(&st->net);
    arena_set_root(a, NULL);
    arena_free(a, st, sizeof(*st));
}

struct stack *stack_of(struct arena *a)
{
    struct stack *st = arena_root(a);
    return st && st->layout == stack_layout() ? st : NULL;
}

/* ---- entries ---- */

void stack_enter(struct stack *st, uint64_t now_us, struct net_env *env)
{
    env->up = &upcalls;
    st->net.env = env;
    if (now_us > st->net.now_us)
        st->net.now_us = now_us;
}

void stack_leave(struct stack *st)
{
    tcp_flush(&st->tcp);
    st->net.env = NULL;
}

void stack_input(struct stack *st, struct netif *nif, const struct frame_in *in)
{
    net_input(&st->net, nif, in);
}

void stack_poll(struct stack *st)
{
    struct timer *t;
    while ((t = timers_pop_due(&st->net.timers, st->net.now_us))) {
        switch ((enum timer_layer)(t->kind & TIMER_LAYER_MASK)) {
        case TIMER_LAYER_NET:
            net_timer(&st->net, t);
            break;
        case TIMER_LAYER_TCP:
            tcp_timer(&st->tcp, t);
            break;
        case TIMER_LAYER_UDP:
        case TIMER_LAYER_SOCK:
        case TIMER_LAYER_MASK:
            log_warn("stack: timer of kind %#x has no owner", t->kind);
            break;
        }
    }
}

uint64_t stack_next_deadline(const struct stack *st)
{
    return timers_next(&st->net.timers);
}

/* ---- processes ---- */

struct proc *stack_proc_add(struct stack *st, int32_t pid)
{
    struct proc *p = slab_alloc(&st->procs);
    if (!p)
        return NULL;
    list_init(&p->fired);
    p->pid = pid;
    p->id = st->next_proc_id++;
    return p;
}

void stack_proc_remove(struct stack *st, struct proc *p)
{
    struct waiter *next;
    for (struct waiter *w = slab_next(&st->waiters, NULL); w; w = next) {
        next = slab_next(&st->waiters, w);
        if (w->proc == p)
            sock_waiter_free(st, w);
    }
    slab_free(&st->procs, p);
}

void stack_ring_all(struct stack *st)
{
    for (struct proc *p = slab_next(&st->procs, NULL); p; p = slab_next(&st->procs, p))
        if (!list_empty(&p->fired))
            p->doorbell = st->any_doorbell = true;
}

/* ---- the netstat view ---- */

static void list_tcp(struct stack *st, void (*fn)(void *arg, const struct stack_row *row),
                     void *arg)
{
    struct tcp_pcb *next;
    for (struct tcp_pcb *p = slab_next(&st->tcp.pcbs, NULL); p; p = next) {
        next = slab_next(&st->tcp.pcbs, p);
        const struct sock *so = tcp_owner(p);
        bool listening = tcp_state(p) == TCP_LISTEN;
        struct stack_row row = {
            .proto = IPPROTO_TCP,
            .local = *tcp_local(p),
            .remote = *tcp_remote(p),
            .state = tcp_state_name(tcp_state(p)),
            .recv_q = listening ? tcp_backlog_len(p) : tcp_readable_bytes(p),
            .send_q = tcp_unacked_bytes(p),
        };
        if (so) {
            row.pid = so->pid;
            row.cookie = so->cookie;
            if (listening)
                row.send_q = (uint64_t)so->backlog;
        }
        fn(arg, &row);
    }
}

static void list_udp(struct stack *st, void (*fn)(void *arg, const struct stack_row *row),
                     void *arg)
{
    struct sock *next;
    for (struct sock *so = slab_next(&st->socks, NULL); so; so = next) {
        next = slab_next(&st->socks, so);
        if (!so->udp)
            continue;
        struct stack_row row = {
            .proto = IPPROTO_UDP,
            .local = so->udp->local,
            .remote = so->udp->remote,
            .state = "",
            .recv_q = so->udp->queue_bytes,
            .pid = so->pid,
            .cookie = so->cookie,
        };
        fn(arg, &row);
    }
}

void stack_list(struct stack *st, void (*fn)(void *arg, const struct stack_row *row), void *arg)
{
    list_tcp(st, fn, arg);
    list_udp(st, fn, arg);
}

/* ---- repair ---- */

void stack_repair(struct stack *st)
{
    log_warn("stack: a process died inside: repairing");
    st->net.env = NULL;
    arena_rebuild(st->net.arena);
    st->net.timers = (struct timers){0};
    net_repair(&st->net);
    udp_repair(&st->udp);
    tcp_repair(&st->tcp);
    sock_repair(st);
}
