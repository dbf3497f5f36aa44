/* Hosts, time and the checks that hold in every scenario. */
#include "sim.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tcp/tcp_int.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

/* Longer than any timer lets a connection go on without success: R2 of RFC 9293 3.8.3 and a long
 * persist probe. */
#define STANDSTILL_US (1200ull * 1000000)

/* More than that at one time never ends. */
#define EVENTS_MAX 1000000u

bool sim_arena_shared;
uint8_t sim_pattern[SIM_PATTERN_BYTES * 2];

void sim_pattern_init(void)
{
    struct rng r;
    rng_seed(&r, 1);
    for (size_t i = 0; i < SIM_PATTERN_BYTES; i++)
        sim_pattern[i] = sim_pattern[SIM_PATTERN_BYTES + i] = (uint8_t)rng_u32(&r);
}

void sim_fail(const struct sim *s, const char *fmt, ...)
{
    char line[200];
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "sim: seed %llu at %llu us: ", (unsigned long long)s->seed,
            (unsigned long long)s->wire.now_us);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    sim_describe(s, line, sizeof(line));
    fprintf(stderr, "\nsim: %s\nsim: replay with SIM_SEED=%llu [SIM_TRACE=1]\n", line,
            (unsigned long long)s->seed);
    abort();
}

void sim_describe(const struct sim *s, char *out, size_t len)
{
    const struct sim_net *n = &s->net;
    int at =
        snprintf(out, len, "mtu %u gso %u csum %d;", n->mtu, n->gso_max_bytes, n->csum_offload);
    for (int i = 0; i < SIM_HOSTS && at > 0 && (size_t)at < len; i++) {
        const struct link_wire_impair *m = &n->impair[i];
        at += snprintf(
            out + at, len - (size_t)at,
            " [loss %u+%u dup %u reorder %u corrupt %u ppm, delay %llu+%llu us, %llu bit/s]",
            m->loss_ppm, m->burst_ppm, m->duplicate_ppm, m->reorder_ppm, m->corrupt_ppm,
            (unsigned long long)m->delay_us, (unsigned long long)m->jitter_us,
            (unsigned long long)m->rate_bps);
    }
}

uint32_t sim_below(struct sim *s, uint32_t n)
{
    return rng_below(&s->rng, n);
}

bool sim_chance(struct sim *s, uint32_t percent)
{
    return rng_below(&s->rng, 100) < percent;
}

void sim_progress(struct sim *s)
{
    s->progress_us = s->wire.now_us;
}

/* ---- the trace ---- */

static void trace_tcp(const struct ipv4_hdr *ip, const uint8_t *p, size_t len)
{
    struct tcp_hdr h;
    struct tcp_options o;
    char flags[40];
    if (tcp_parse(p, len, &h) < 0)
        return;
    tcp_options_parse(p + TCP_HDR_MIN, h.hdr_bytes - TCP_HDR_MIN, &o);
    printf("%u.%u > %u.%u %s seq %u ack %u wnd %u len %zu", ip->src & 255, h.src_port,
           ip->dst & 255, h.dst_port, tcp_flags_str(h.flags, flags), h.seq, h.ack, h.wnd,
           len - h.hdr_bytes);
    for (unsigned i = 0; i < o.sack_len; i++)
        printf(" sack %u-%u", o.sack[i].start, o.sack[i].end);
}

static bool trace_frame(void *arg, struct link_wire_port *from, const uint8_t *data, size_t len)
{
    struct eth_hdr eth;
    struct ipv4_hdr ip;
    (void)arg;
    printf("%12llu ", (unsigned long long)from->wire->now_us);
    if (eth_parse(data, len, &eth) < 0 ||
        ipv4_parse(data + eth.hdr_bytes, len - eth.hdr_bytes, &ip) < 0)
        printf("type %#x len %zu", eth.type, len);
    else if (ip.proto == IPPROTO_NUM_TCP)
        trace_tcp(&ip, data + eth.hdr_bytes + ip.hdr_bytes, (size_t)ip.total_bytes - ip.hdr_bytes);
    else
        printf("%u > %u proto %u len %u", ip.src & 255, ip.dst & 255, ip.proto, ip.total_bytes);
    printf("\n");
    return true;
}

/* ---- hosts ---- */

static int no_output(void *ctx, struct netif *nif, const struct frame *f)
{
    (void)ctx, (void)nif, (void)f;
    return 0;
}

static void host_init(struct sim *s, unsigned i)
{
    struct sim_host *h = &s->host[i];
    struct net_env nowhere = {.output = no_output};
    struct netif desc = {.index = 1,
                         .name = "eth0",
                         .type = NETIF_ETHERNET,
                         .mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}},
                         .mtu = s->net.mtu,
                         .gso_max_bytes = s->net.gso_max_bytes,
                         .csum_offload = s->net.csum_offload,
                         .up = true};
    h->addr = 0xc0000201 + i; /* 192.0.2.1 ... */
    h->mem = mmap(NULL, SIM_ARENA_BYTES, PROT_READ | PROT_WRITE,
                  (sim_arena_shared && i == 0 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS |
                      MAP_NORESERVE,
                  -1, 0);
    if (h->mem == MAP_FAILED)
        sim_fail(s, "no memory for an arena");
    h->arena = arena_init(h->mem, SIM_ARENA_BYTES, 0);
    h->st = stack_create(h->arena, s->seed * SIM_HOSTS + i);
    if (!h->st)
        sim_fail(s, "no stack");
    h->st->tcp.ecn = s->net.ecn[i];
    stack_enter(h->st, s->wire.now_us, &nowhere);
    struct netif *nif = netif_add(&h->st->net, &desc);
    h->proc = stack_proc_add(h->st, (int32_t)(100 + i));
    stack_leave(h->st);
    if (!nif || !h->proc)
        sim_fail(s, "no interface");
    h->port = link_wire_attach(&s->wire, h->st, nif, &s->net.impair[i]);
    struct ip_addr addr = addr_v4(h->addr);
    link_wire_enter(h->port);
    int r = netif_add_addr(&h->st->net, nif, &addr, 24, false, false);
    link_wire_leave(h->port);
    if (r < 0)
        sim_fail(s, "no address: %d", r);
    if (s->net.arena_limit[i])
        arena_set_limit(h->arena, arena_stats(h->arena).used_bytes + s->net.arena_limit[i]);
}

void sim_init(struct sim *s, uint64_t seed, const struct sim_net *net)
{
    s->seed = seed;
    s->net = *net;
    list_init(&s->tasks);
    link_wire_init(&s->wire, seed * 31 + 7, 1000000 + seed % 1000 * 997);
    if (s->trace)
        s->wire.filter = trace_frame;
    s->next_cookie = 1;
    s->progress_us = s->wire.now_us;
    for (unsigned i = 0; i < SIM_HOSTS; i++)
        host_init(s, i);
}

void sim_fini(struct sim *s)
{
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        struct sim_host *h = &s->host[i];
        struct stack *st = h->st;
        if (st->socks.live || st->tcp.pcbs.live || st->udp.pcbs.live || st->waiters.live)
            sim_fail(s, "host %u: %u sockets, %u TCP and %u UDP pcbs, %u waiters are left", i,
                     st->socks.live, st->tcp.pcbs.live, st->udp.pcbs.live, st->waiters.live);
        if (st->tcp.mem_bytes || st->tcp.orphans)
            sim_fail(s, "host %u: %llu bytes in rings, %u orphans are left", i,
                     (unsigned long long)st->tcp.mem_bytes, st->tcp.orphans);
        link_wire_enter(h->port);
        stack_proc_remove(st, h->proc);
        link_wire_leave(h->port);
        stack_destroy(st);
        struct arena_stats a = arena_stats(h->arena);
        if (a.used_bytes > s->leak_max || a.misuses)
            sim_fail(s, "host %u: %zu bytes leaked, %llu wrong frees", i, a.used_bytes,
                     (unsigned long long)a.misuses);
        munmap(h->mem, SIM_ARENA_BYTES);
    }
    link_wire_fini(&s->wire);
}

/* ---- tasks ---- */

void sim_task_init(struct sim_task *t, struct sim *s, struct sim_host *h,
                   void (*run)(struct sim_task *t, uint32_t fired))
{
    *t = (struct sim_task){.sim = s, .host = h, .wake_us = s->wire.now_us, .run = run};
    list_push(&s->tasks, &t->node);
}

bool sim_task_watch(struct sim_task *t, struct sock *so, uint32_t mask)
{
    t->waiter = sock_waiter_new(t->host->st);
    if (!t->waiter)
        return false;
    t->waiter->proc = t->host->proc;
    t->waiter->kind = WAITER_EPOLL;
    t->waiter->mask = mask;
    t->waiter->item = t;
    sock_wait_add(so, t->waiter);
    return true;
}

void sim_task_unwatch(struct sim_task *t)
{
    if (t->waiter)
        sock_waiter_free(t->host->st, t->waiter);
    t->waiter = NULL;
}

void sim_task_end(struct sim_task *t)
{
    sim_task_unwatch(t);
    list_remove(&t->node);
    t->wake_us = TIMER_NEVER;
}

static bool host_has_work(const struct sim *s, const struct sim_host *h)
{
    if (!list_empty(&h->proc->fired))
        return true;
    LIST_FOREACH (n, &s->tasks) {
        struct sim_task *t = container_of(n, struct sim_task, node);
        if (t->host == h && t->wake_us <= s->wire.now_us)
            return true;
    }
    return false;
}

/* Runs the tasks of h that were woken or are due. */
static void host_work(struct sim *s, struct sim_host *h)
{
    struct list *n;
    link_wire_enter(h->port);
    h->proc->doorbell = false;
    h->st->any_doorbell = false;
    while ((n = list_pop(&h->proc->fired))) {
        struct waiter *w = container_of(n, struct waiter, on_fired);
        struct sim_task *t = w->item;
        uint32_t fired = w->fired;
        w->fired = 0;
        t->run(t, fired);
    }
    for (bool again = true; again;) {
        again = false;
        LIST_FOREACH (m, &s->tasks) {
            struct sim_task *t = container_of(m, struct sim_task, node);
            if (t->host != h || t->wake_us > s->wire.now_us)
                continue;
            t->wake_us = TIMER_NEVER;
            t->run(t, 0);
            again = true;
            break; /* the list may have changed */
        }
    }
    link_wire_leave(h->port);
}

static uint64_t next_wake(const struct sim *s)
{
    uint64_t next = TIMER_NEVER;
    LIST_FOREACH (n, &s->tasks) {
        struct sim_task *t = container_of(n, struct sim_task, node);
        next = t->wake_us < next ? t->wake_us : next;
    }
    return next;
}

bool sim_is_idle(const struct sim *s)
{
    return next_wake(s) == TIMER_NEVER && link_wire_next(&s->wire) == TIMER_NEVER;
}

/* After each event. */
static void check(struct sim *s)
{
    sim_check(s);
    s->events = s->wire.now_us == s->event_us ? s->events + 1 : 0;
    s->event_us = s->wire.now_us;
    if (s->events > EVENTS_MAX)
        sim_fail(s, "time stands still");
    if (!list_empty(&s->tasks) && s->wire.now_us - s->progress_us > STANDSTILL_US)
        sim_fail(s, "standstill: nothing was reached since %llu us",
                 (unsigned long long)s->progress_us);
}

void sim_run(struct sim *s, uint64_t until_us)
{
    for (;;) {
        for (bool busy = true; busy;) {
            busy = false;
            for (unsigned i = 0; i < SIM_HOSTS; i++) {
                while (host_has_work(s, &s->host[i])) {
                    host_work(s, &s->host[i]);
                    check(s);
                    busy = true;
                }
            }
        }
        uint64_t wake = next_wake(s), limit = wake < until_us ? wake : until_us;
        if (!link_wire_step(&s->wire, limit) && limit != wake)
            return;
        check(s);
    }
}

void sim_settle(struct sim *s)
{
    if (!list_empty(&s->tasks))
        sim_fail(s, "standstill: a task is left and no timer runs");
    s->progress_us = s->wire.now_us;
    /* Retransmissions of orphans, FIN_WAIT_2, TIME_WAIT. */
    sim_run(s, s->wire.now_us + 4 * STANDSTILL_US);
}

/* ---- sockets ---- */

struct sock *sim_socket(struct sim *s, struct sim_host *h, int type)
{
    struct sock *so;
    if (sock_create(h->st, AF_INET, type, 0, s->next_cookie++, h->proc->pid, &so) < 0)
        return NULL;
    so->nonblock = 1;
    return so;
}

struct sockaddr_in sim_addr(uint32_t addr, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(addr)};
}
