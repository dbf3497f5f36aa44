/*
 * Random calls on a handful of sockets of two hosts, in any order and any state. What they return
 * is only checked against what the call may return at all; the streams are checked byte by byte:
 * all of them carry the same pattern, so that it does not matter who is connected to whom.
 */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <poll.h>
#include <string.h>

#define SOCKS 12
#define PORTS 4

struct subject {
    struct sock *so;
    int type;
    uint64_t sent, received;
    bool urgent; /* sent some: the peer's count is off by what it missed */
};

struct caller {
    struct sim_task task;
    struct subject subject[SOCKS];
    uint32_t calls;
};

static void may(struct sim *s, const char *call, ssize_t r, const int *errs, size_t n)
{
    if (r >= 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (-r == errs[i])
            return;
    sim_fail(s, "%s returned %s", call, strerrorname_np((int)-r));
}
#define MAY(call, r, ...)                                                                          \
    may(s, call, r, (const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static uint16_t random_port(struct sim *s)
{
    return (uint16_t)(5000 + sim_below(s, PORTS));
}

static void call_open(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    *x = (struct subject){.type = sim_chance(s, 75) ? SOCK_STREAM : SOCK_DGRAM};
    x->so = sim_socket(s, c->task.host, x->type);
    int one = 1;
    if (x->so && sim_chance(s, 70))
        sock_setsockopt(x->so, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (x->so && sim_chance(s, 10))
        sock_setsockopt(x->so, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
}

static void call_close(struct caller *c, struct subject *x)
{
    struct linger l = {.l_onoff = 1, .l_linger = (int)sim_below(c->task.sim, 3)};
    if (sim_chance(c->task.sim, 20))
        sock_setsockopt(x->so, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    if (sim_chance(c->task.sim, 20))
        sock_linger_start(x->so);
    sock_close(x->so);
    x->so = NULL;
}

static void call_bind(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    struct sockaddr_in at = sim_addr(sim_chance(s, 50) ? 0 : c->task.host->addr,
                                     sim_chance(s, 20) ? 0 : random_port(s));
    int r = sock_bind(x->so, (struct sockaddr *)&at, sizeof(at));
    MAY("bind", r, EINVAL, EADDRINUSE, ENOMEM, ENOBUFS);
}

static void call_connect(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    /* Often the other host, sometimes nobody, sometimes this host itself. */
    uint32_t who = sim_below(s, 20);
    uint32_t dst = who == 0   ? 0xc00002fe
                   : who == 1 ? c->task.host->addr
                              : s->host[c->task.host == &s->host[0]].addr;
    struct sockaddr_in to = sim_addr(dst, random_port(s));
    if (sim_chance(s, 5))
        to.sin_family = AF_UNSPEC;
    int r = sock_connect(x->so, (struct sockaddr *)&to, sizeof(to));
    if (x->type == SOCK_DGRAM) {
        MAY("connect of UDP", r, EHOSTUNREACH, ENETUNREACH, EAGAIN, ENOMEM);
        return;
    }
    MAY("connect", r, EINPROGRESS, EALREADY, EISCONN, ECONNREFUSED, ECONNRESET, ECONNABORTED,
        ETIMEDOUT, EHOSTUNREACH, EADDRNOTAVAIL, EADDRINUSE, ENOMEM, ENOBUFS, EPIPE);
    if (r == -EINPROGRESS || (r == 0 && to.sin_family == AF_UNSPEC))
        x->sent = x->received = 0;
}

static void call_accept(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    struct sock *so;
    int r = sock_accept(x->so, s->next_cookie++, 1, &so);
    MAY("accept", r, EAGAIN, EINVAL, EOPNOTSUPP, ENOBUFS, ENOMEM);
    if (r < 0)
        return;
    so->nonblock = 1;
    for (unsigned i = 0; i < SOCKS; i++) {
        if (c->subject[i].so)
            continue;
        c->subject[i] = (struct subject){.so = so, .type = SOCK_STREAM};
        return;
    }
    sock_close(so);
}

static void call_send(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    size_t n = sim_below(s, sim_chance(s, 30) ? 60000 : 2000);
    struct sockaddr_in to = sim_addr(s->host[c->task.host == &s->host[0]].addr, random_port(s));
    struct iovec iov = {(void *)(uintptr_t)sim_bytes(x->type == SOCK_STREAM ? x->sent : 0), n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    bool named = sim_chance(s, 30);
    if (named) {
        msg.msg_name = &to;
        msg.msg_namelen = sizeof(to);
    }
    bool more = x->type == SOCK_STREAM && sim_chance(s, 10);
    ssize_t r = sock_sendmsg(x->so, &msg, 0, more ? MSG_MORE : 0);
    if (x->type == SOCK_DGRAM) {
        MAY("send of UDP", r, EDESTADDRREQ, EPIPE, EHOSTUNREACH, ECONNREFUSED, EAGAIN, EMSGSIZE,
            ENOBUFS, ENOMEM);
        return;
    }
    MAY("send", r, EAGAIN, EPIPE, ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM,
        ENOBUFS);
    if (r > 0)
        x->sent += (uint64_t)r;
}

static void call_recv(struct caller *c, struct subject *x)
{
    static uint8_t buf[SIM_PATTERN_BYTES];
    struct sim *s = c->task.sim;
    static const int kinds[] = {0, 0, 0, MSG_PEEK, MSG_TRUNC, MSG_PEEK | MSG_TRUNC};
    int flags = kinds[sim_below(s, 6)];
    struct iovec iov = {buf, sim_below(s, sizeof(buf))};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t r = sock_recvmsg(x->so, &msg, 0, flags);
    MAY("recv", r, EMSGSIZE, EAGAIN, ENOTCONN, ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH,
        EPIPE);
    if (r <= 0)
        return;
    uint64_t at = x->type == SOCK_STREAM ? x->received : 0;
    size_t n = (size_t)r < iov.iov_len ? (size_t)r : iov.iov_len;
    if (!(flags & MSG_TRUNC && x->type == SOCK_STREAM) && memcmp(buf, sim_bytes(at), n) != 0)
        sim_fail(s, "wrong bytes near %llu", (unsigned long long)at);
    if (x->type == SOCK_STREAM && !(flags & MSG_PEEK))
        x->received += (uint64_t)r;
}

static void call_option(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    static const int levels[] = {SOL_SOCKET, SOL_SOCKET, SOL_IP, IPPROTO_TCP, IPPROTO_UDP};
    int level = levels[sim_below(s, 5)], name = (int)sim_below(s, 84);
    uint8_t val[64];
    socklen_t len = sim_chance(s, 80) ? 4 : sim_below(s, sizeof(val));
    uint32_t v = sim_below(s, sim_chance(s, 50) ? 3 : 100000);
    /* Smaller buffers than these make the run long, not better; some change what datagrams are, or
     * what is peeked at. */
    bool skip = level == IPPROTO_UDP ||
                (level == SOL_SOCKET &&
                 (name == SO_SNDBUF || name == SO_RCVBUF || name == SO_MARK ||
                  name == SO_PEEK_OFF || name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX));
    memset(val, 0, sizeof(val));
    memcpy(val, &v, sizeof(v));
    if (sim_chance(s, 50)) {
        sock_getsockopt(x->so, level, name, val, &len);
        return;
    }
    if (level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE))
        memcpy(val, &(uint32_t){20000 + v}, sizeof(v));
    if (!skip)
        sock_setsockopt(x->so, level, name, val, len);
}

static void call_other(struct caller *c, struct subject *x)
{
    struct sim *s = c->task.sim;
    static const unsigned long requests[] = {0x541b, 0x5411, 0x8905, 0x894b, 0x8906};
    struct sockaddr_in name;
    socklen_t len = sim_below(s, sizeof(name) + 4);
    uint8_t arg[32] = {0};
    switch (sim_below(s, 6)) {
    case 0:
        MAY("shutdown", sock_shutdown(x->so, (int)sim_below(s, 3)), ENOTCONN);
        break;
    case 1:
        sock_getsockname(x->so, (struct sockaddr *)&name, &len);
        break;
    case 2:
        sock_getpeername(x->so, (struct sockaddr *)&name, &len);
        break;
    case 3:
        sock_poll(x->so);
        break;
    case 4:
        sock_ioctl(x->so, requests[sim_below(s, 5)], arg);
        break;
    case 5:
        MAY("listen", sock_listen(x->so, (int)sim_below(s, 5)), EINVAL, EOPNOTSUPP, EADDRINUSE,
            ENOMEM, ENOBUFS);
        break;
    }
}

static void one_call(struct caller *c)
{
    struct sim *s = c->task.sim;
    struct subject *x = &c->subject[sim_below(s, SOCKS)];
    uint32_t what = sim_below(s, 100);
    if (!x->so)
        call_open(c, x);
    else if (what < 6)
        call_close(c, x);
    else if (what < 16)
        call_bind(c, x);
    else if (what < 30)
        call_connect(c, x);
    else if (what < 40)
        MAY("listen", sock_listen(x->so, (int)sim_below(s, 5)), EINVAL, EOPNOTSUPP, EADDRINUSE,
            ENOMEM, ENOBUFS);
    else if (what < 50)
        call_accept(c, x);
    else if (what < 68)
        call_send(c, x);
    else if (what < 88)
        call_recv(c, x);
    else if (what < 94)
        call_option(c, x);
    else
        call_other(c, x);
}

static void caller_run(struct sim_task *t, uint32_t fired)
{
    struct caller *c = container_of(t, struct caller, task);
    struct sim *s = t->sim;
    (void)fired;
    for (uint32_t n = 1 + sim_below(s, 5); n > 0; n--)
        one_call(c);
    sim_progress(s);
    if (--c->calls > 0)
        t->wake_us = s->wire.now_us + 1 + sim_below(s, sim_chance(s, 5) ? 3000000 : 30000);
}

void sim_run_calls(struct sim *s)
{
    struct caller c[SIM_HOSTS] = {0};
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        sim_task_init(&c[i].task, s, &s->host[i], caller_run);
        c[i].calls = 50 + sim_below(s, 200);
    }
    while (c[0].calls || c[1].calls)
        sim_run(s, s->wire.now_us + 1000000);
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        link_wire_enter(s->host[i].port);
        for (unsigned k = 0; k < SOCKS; k++)
            if (c[i].subject[k].so)
                sock_close(c[i].subject[k].so);
        sim_task_end(&c[i].task);
        link_wire_leave(s->host[i].port);
    }
    sim_settle(s);
}
