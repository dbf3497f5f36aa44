/*
 * Two whole stacks and what programs do with them, from bytes: each byte is a call on one of a few
 * sockets, a step in time, or the fate of a frame on its way (delivered, lost, twice, or with bytes
 * changed behind the checksums' back). At the end everything is closed, time passes, and no memory
 * may be left.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "fuzz.h"
#include "stack.h"

#define HOSTS       2
#define SOCKS       6
#define FRAMES      32
#define FRAME_BYTES 2048
#define ARENA_BYTES (2u << 20)
#define SETTLE_US   (4000ull * 1000000)
#define SETTLE_MAX  20000

struct wire_frame {
    size_t len;
    uint8_t data[FRAME_BYTES];
};

struct host {
    struct arena *arena;
    struct stack *st;
    struct netif *nif;
    struct net_env env;
    struct proc *proc;
    struct sock *so[SOCKS];
    struct waiter *w[SOCKS];
    struct wire_frame out[FRAMES]; /* sent, not yet delivered */
    unsigned nout;
};

struct run {
    const uint8_t *data;
    size_t len;
    struct host host[HOSTS];
    uint64_t now_us, next_cookie;
};

static struct run run;
static uint8_t arenas[HOSTS][ARENA_BYTES] __attribute__((aligned(4096)));

static uint8_t take(void)
{
    if (run.len == 0)
        return 0;
    run.len--;
    return *run.data++;
}

static uint32_t take32(void)
{
    uint32_t v = take();
    v = v << 8 | take();
    v = v << 8 | take();
    return v << 8 | take();
}

static int output(void *ctx, struct netif *nif, const struct frame *f)
{
    struct host *h = ctx;
    struct wire_frame *w = &h->out[h->nout];
    size_t head = frame_head_bytes(f);
    (void)nif;
    if (h->nout == FRAMES || frame_bytes(f) > FRAME_BYTES)
        return -ENOBUFS;
    FUZZ_CHECK(f->csum_start == 0 && f->gso_size == 0); /* this link offered neither */
    h->nout++;
    w->len = frame_bytes(f);
    memcpy(w->data, f->head + f->head_at, head);
    for (unsigned i = 0; i < f->nbody; i++) {
        memcpy(w->data + head, f->body[i].iov_base, f->body[i].iov_len);
        head += f->body[i].iov_len;
    }
    return 0;
}

static void enter(struct host *h)
{
    stack_enter(h->st, run.now_us, &h->env);
}
static void leave(struct host *h)
{
    stack_leave(h->st);
}

static void host_start(unsigned i)
{
    struct host *h = &run.host[i];
    struct netif desc = {.index = 1,
                         .name = "eth0",
                         .type = NETIF_ETHERNET,
                         .mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}},
                         .mtu = 1500,
                         .up = true};
    struct ip_addr addr = addr_v4(0xc0000201 + i);
    memset(arenas[i], 0, ARENA_BYTES);
    h->arena = arena_init(arenas[i], ARENA_BYTES, 0);
    h->st = stack_create(h->arena, i);
    h->env = (struct net_env){.output = output, .ctx = h};
    FUZZ_CHECK(h->st);
    enter(h);
    h->nif = netif_add(&h->st->net, &desc);
    h->proc = stack_proc_add(h->st, 1);
    FUZZ_CHECK(h->nif && h->proc);
    FUZZ_CHECK(netif_add_addr(&h->st->net, h->nif, &addr, 24, false, false) == 0);
    leave(h);
}

/* ---- frames ---- */

enum fate { DELIVER, LOSE, TWICE, CHANGE, RAW, FATES };

static void deliver(struct host *to, const struct wire_frame *f, uint32_t flags)
{
    struct frame_in in = {.data = f->data, .len = f->len, .flags = flags};
    enter(to);
    stack_input(to->st, to->nif, &in);
    leave(to);
}

/* A few bytes get other values; the checksums are not looked at. */
static void change(struct wire_frame *f)
{
    for (unsigned n = take() % 4 + 1; n > 0; n--) {
        size_t at = take() | (take() & 7u) << 8;
        if (at < f->len)
            f->data[at] = take();
    }
    if (take() % 8 == 0)
        f->len = take() < f->len ? f->len - take() % f->len : f->len;
    if (f->len >= 34) { /* the header's checksum, over 20 bytes */
        uint32_t sum = 0;
        f->data[24] = f->data[25] = 0;
        for (unsigned i = 14; i < 34; i += 2)
            sum += get_be16(f->data + i);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        put_be16(f->data + 24, (uint16_t)~sum);
    }
}

static void frame_of(struct host *h)
{
    static struct wire_frame f;
    struct host *to = h == &run.host[0] ? &run.host[1] : &run.host[0];
    enum fate fate = (enum fate)(take() % FATES);
    if (fate == RAW) {
        f.len = take() | (take() & 3u) << 8;
        for (size_t i = 0; i < f.len; i++)
            f.data[i] = take();
        deliver(to, &f, FRAME_CSUM_UNFINISHED);
        return;
    }
    if (h->nout == 0)
        return;
    unsigned which = take() % 4 == 0 ? take() % h->nout : 0; /* sometimes out of order */
    f = h->out[which];
    h->nout--;
    memmove(&h->out[which], &h->out[which + 1], (h->nout - which) * sizeof(f));
    if (fate == LOSE)
        return;
    if (fate == CHANGE)
        change(&f);
    deliver(to, &f, fate == CHANGE ? FRAME_CSUM_UNFINISHED : 0);
    if (fate == TWICE)
        deliver(to, &f, 0);
}

static void everything_arrives(void)
{
    for (unsigned rounds = 0; rounds < 200; rounds++) {
        for (unsigned i = 0; i < HOSTS; i++) {
            struct host *h = &run.host[i];
            unsigned n = h->nout;
            static struct wire_frame f[FRAMES];
            memcpy(f, h->out, n * sizeof(*f));
            h->nout = 0;
            for (unsigned k = 0; k < n; k++)
                deliver(&run.host[!i], &f[k], 0);
        }
        if (run.host[0].nout + run.host[1].nout == 0)
            return;
    }
}

/* Time passes; timers run. */
static void pass(uint64_t us)
{
    run.now_us += us;
    for (unsigned i = 0; i < HOSTS; i++) {
        enter(&run.host[i]);
        stack_poll(run.host[i].st);
        leave(&run.host[i]);
    }
}

/* ---- calls ---- */

static struct sockaddr_in address(void)
{
    uint8_t b = take();
    static const uint32_t hosts[] = {0xc0000201, 0xc0000202, 0,          0xc00002ff,
                                     0xe0000001, 0x7f000001, 0xc00002c8, 0x08080808};
    return (struct sockaddr_in){.sin_family = b & 0x80 ? take() : AF_INET,
                                .sin_port = htons((uint16_t)(b >> 4 & 3 ? 100 + (b >> 4 & 3) : 0)),
                                .sin_addr.s_addr = htonl(hosts[b & 7])};
}

static void call_new(struct host *h, unsigned i)
{
    uint8_t b = take();
    if (sock_create(h->st, AF_INET, b & 1 ? SOCK_STREAM : SOCK_DGRAM, 0, ++run.next_cookie, 1,
                    &h->so[i]) < 0) {
        h->so[i] = NULL;
        return;
    }
    h->so[i]->nonblock = 1;
    h->w[i] = b & 2 ? sock_waiter_new(h->st) : NULL;
    if (!h->w[i])
        return;
    h->w[i]->proc = h->proc;
    h->w[i]->mask = b;
    sock_wait_add(h->so[i], h->w[i]);
}

static void call_close(struct host *h, unsigned i)
{
    sock_close(h->so[i]);
    h->so[i] = NULL;
    if (h->w[i])
        sock_waiter_free(h->st, h->w[i]);
    h->w[i] = NULL;
}

static void call_accept(struct host *h, unsigned i)
{
    struct sock *so;
    if (sock_accept(h->so[i], ++run.next_cookie, 1, &so) < 0)
        return;
    for (unsigned k = 0; k < SOCKS; k++) {
        if (!h->so[k]) {
            h->so[k] = so;
            so->nonblock = 1;
            return;
        }
    }
    sock_close(so);
}

static void call_send(struct sock *so)
{
    static uint8_t data[8192], control[64];
    struct sockaddr_in to = address();
    struct iovec iov[2] = {{data, take() * 16u}, {data, take()}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    uint8_t how = take();
    if (how & 1) {
        msg.msg_name = &to;
        msg.msg_namelen = how & 2 ? sizeof(to) : take();
    }
    if (how & 4) {
        msg.msg_control = control;
        msg.msg_controllen = take() % sizeof(control);
        for (unsigned i = 0; i < msg.msg_controllen; i++)
            control[i] = take();
    }
    sock_sendmsg(so, &msg, take() % 8 == 0 ? 1 : 0, (int)(how & 8 ? take32() : 0));
}

static void call_recv(struct sock *so)
{
    static uint8_t buf[8192], control[256];
    struct sockaddr_in from;
    struct iovec iov = {buf, take() * 32u};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = take() % (sizeof(from) + 1),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = take()};
    size_t room = msg.msg_controllen;
    ssize_t n = sock_recvmsg(so, &msg, 0, (int)(take() & 1 ? take32() : 0));
    FUZZ_CHECK(n < 0 || msg.msg_controllen <= room);
}

static void call_option(struct sock *so)
{
    static const int levels[] = {SOL_SOCKET, SOL_IP, IPPROTO_TCP, IPPROTO_UDP, SOL_IPV6};
    uint8_t val[64], how = take();
    socklen_t len = how & 1 ? 4 : take() % sizeof(val);
    int level = levels[how >> 4 & 3], name = take() % 128;
    for (unsigned i = 0; i < len; i++)
        val[i] = take();
    if (how & 2) {
        sock_setsockopt(so, level, name, val, len);
        return;
    }
    socklen_t room = len;
    if (sock_getsockopt(so, level, name, val, &len) == 0)
        FUZZ_CHECK(len <= room);
}

enum call { NEW, CLOSE, BIND, CONNECT, LISTEN, ACCEPT, SEND, RECV, SHUT, OPTION, NAMES, CALLS };

static void call(struct host *h, enum call what)
{
    unsigned i = take() % SOCKS;
    struct sock *so = h->so[i];
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    if (!so)
        what = NEW;
    else if (what == NEW)
        what = SEND;
    enter(h);
    switch (what) {
    case NEW:
        call_new(h, i);
        break;
    case CLOSE:
        call_close(h, i);
        break;
    case BIND:
        a = address();
        sock_bind(so, (struct sockaddr *)&a, take() % 8 ? sizeof(a) : take() % sizeof(a));
        break;
    case CONNECT:
        a = address();
        sock_connect(so, (struct sockaddr *)&a, take() % 8 ? sizeof(a) : take() % sizeof(a));
        break;
    case LISTEN:
        sock_listen(so, (int8_t)take());
        break;
    case ACCEPT:
        call_accept(h, i);
        break;
    case SEND:
        call_send(so);
        break;
    case RECV:
        call_recv(so);
        break;
    case SHUT:
        sock_shutdown(so, take() % 4);
        sock_poll(so);
        break;
    case OPTION:
        call_option(so);
        break;
    case NAMES:
        len = take() % (sizeof(a) + 1);
        sock_getsockname(so, (struct sockaddr *)&a, &len);
        len = take() % (sizeof(a) + 1);
        sock_getpeername(so, (struct sockaddr *)&a, &len);
        break;
    case CALLS:
        break;
    }
    leave(h);
}

static void finish(void)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        struct host *h = &run.host[i];
        enter(h);
        arena_fail_at(h->arena, 0);
        for (unsigned k = 0; k < SOCKS; k++)
            if (h->so[k])
                call_close(h, k);
        leave(h);
    }
    uint64_t end = run.now_us + SETTLE_US;
    for (unsigned n = 0; n < SETTLE_MAX && run.now_us < end; n++) {
        everything_arrives();
        uint64_t next = stack_next_deadline(run.host[0].st),
                 b = stack_next_deadline(run.host[1].st);
        next = b < next ? b : next;
        if (next == TIMER_NEVER)
            break;
        pass(next > run.now_us ? next - run.now_us : 1);
    }
    for (unsigned i = 0; i < HOSTS; i++) {
        struct stack *st = run.host[i].st;
        FUZZ_CHECK(st->socks.live == 0 && st->tcp.pcbs.live == 0 && st->udp.pcbs.live == 0);
        FUZZ_CHECK(st->tcp.mem_bytes == 0 && st->tcp.orphans == 0);
        FUZZ_CHECK(st->tcp.stats.illegal_edges == 0);
        enter(&run.host[i]);
        stack_proc_remove(st, run.host[i].proc);
        leave(&run.host[i]);
        stack_destroy(st);
        FUZZ_CHECK(arena_stats(run.host[i].arena).used_bytes == 0);
        FUZZ_CHECK(arena_stats(run.host[i].arena).misuses == 0);
    }
}

FUZZ_TARGET(stack)
{
    memset(&run, 0, sizeof(run));
    run.data = data;
    run.len = len;
    run.now_us = 1000000;
    for (unsigned i = 0; i < HOSTS; i++)
        host_start(i);
    while (run.len > 0) {
        uint8_t op = take();
        struct host *h = &run.host[op & 1];
        op >>= 1;
        if (op < 70)
            call(h, (enum call)(op % CALLS));
        else if (op < 90)
            frame_of(h);
        else if (op < 110)
            everything_arrives();
        else if (op < 125)
            pass(1ull << (take() % 28));
        else
            arena_fail_at(h->arena, take());
    }
    finish();
    return 0;
}
