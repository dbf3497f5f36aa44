/*
 * Connections with a plan: so many bytes each way, in pieces of random size, with pauses, half
 * closes, echoes and aborts. Both ends check every byte; a connection that the network cannot have
 * broken must end as planned.
 */
#include "sim.h"

#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT       7000
#define READING_US 60000000u /* the longest that a slow reader takes for all */
#define RELIEF_US  (1000ull * 1000000)

enum { CLIENT, SERVER };

enum ending {
    END_HALF_CLOSE, /* shutdown() when all is sent, close() at the peer's end of stream */
    END_CLOSE,      /* close() when all is sent and received */
    END_ABORT,      /* close() with a reset in the middle */
    END_UNREAD,     /* close() while data is unread */
};

struct plan {
    uint64_t bytes[2]; /* that each side sends */
    bool echo;         /* the server sends back what it gets */
    enum ending ending[2];
    uint64_t abort_at[2]; /* bytes received before END_ABORT and END_UNREAD */
    uint32_t send_max[2], recv_max[2];
    uint32_t pause_us[2]; /* the reader rests so long after each read */
};

struct stream {
    struct sim_task task;
    struct sock *so;
    struct conn *conn;
    int side;
    uint64_t sent, received;
    bool connecting, shut, eof, over;
    bool calm; /* what is sent to here should not take long */
    uint64_t over_us;
    uint64_t waiting_us; /* since when something is on its way to here; 0: nothing is */
    int error;
};

struct conn {
    struct plan plan;
    struct stream end[2];
    bool broken; /* one side aborted: the other may see an error */
};

struct listener {
    struct sim_task task;
    struct sock *so;
    struct conn *conns;
    unsigned nconns, accepted;
};

struct scene {
    struct listener listener;
    struct conn *conns;
    unsigned nconns;
    int sndbuf, rcvbuf; /* 0: default */
    bool nodelay, slow_acks, keepalive, lowat;
    bool fast, no_cookie;     /* TCP Fast Open */
    const char *cc;           /* congestion control */
    uint32_t max_pacing_rate; /* 0: none */
    int maxseg, clamp;
};

static void stream_over(struct stream *st, int error)
{
    struct sim *s = st->task.sim;
    struct conn *c = st->conn;
    if (error) {
        st->error = error;
        /* With Fast Open the other side may have gone before this one is connected. */
        bool told = c->broken && (error == ECONNRESET || error == EPIPE || error == ENOTCONN ||
                                  error == ECONNREFUSED);
        bool excused = s->net.lossy && (error == ETIMEDOUT || error == EHOSTUNREACH ||
                                        error == ECONNRESET || error == EPIPE);
        bool memory = s->net.arena_limit[0] || s->net.arena_limit[1];
        if (!told && !excused && !memory)
            sim_fail(s, "%s: unexpected error %s after %llu sent, %llu received",
                     st->side == CLIENT ? "client" : "server", strerrorname_np(error),
                     (unsigned long long)st->sent, (unsigned long long)st->received);
        c->broken = true;
    }
    st->over = true;
    st->over_us = s->wire.now_us;
    sim_task_end(&st->task);
    sock_close(st->so);
    st->so = NULL;
    sim_progress(s);
}

/* ECHO: what the server may send is what it has received. */
static uint64_t stream_goal(const struct stream *st)
{
    if (st->conn->plan.echo && st->side == SERVER)
        return st->received;
    return st->conn->plan.bytes[st->side];
}

/* Sends one piece. 1: something happened; 0: it would block, or there is nothing to send; -errno.
 */
static int stream_send(struct stream *st)
{
    struct sim *s = st->task.sim;
    const struct plan *p = &st->conn->plan;
    uint64_t goal = stream_goal(st);
    bool last_known = !p->echo || st->side == CLIENT || st->eof;
    if (st->sent == goal) {
        if (st->shut || !last_known || p->ending[st->side] != END_HALF_CLOSE)
            return 0;
        if (tcp_state(st->so->tcp) == TCP_SYN_SENT)
            return 0; /* it would take back what went with the SYN */
        int r = sock_shutdown(st->so, SHUT_WR);
        st->shut = true;
        return r < 0 ? r : 1;
    }
    size_t n = 1 + sim_below(s, p->send_max[st->side]), cut;
    if (n > goal - st->sent)
        n = (size_t)(goal - st->sent);
    cut = sim_below(s, (uint32_t)n + 1);
    struct iovec iov[2] = {{(void *)(uintptr_t)sim_bytes(st->sent), cut},
                           {(void *)(uintptr_t)sim_bytes(st->sent + cut), n - cut}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    if (sim_chance(s, 1)) { /* another congestion control from here on */
        static const char *const names[] = {"cubic", "reno", "bbr"};
        const char *name = names[sim_below(s, 3)];
        sock_setsockopt(st->so, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    }
    ssize_t r = sock_sendmsg(st->so, &msg, 0, sim_chance(s, 5) ? MSG_MORE : 0);
    if (r == -EAGAIN || r == -EINPROGRESS) /* with Fast Open the SYN may go without text */
        return 0;
    if (r < 0)
        return (int)r;
    if (r == 0 || (size_t)r > n)
        sim_fail(s, "send() of %zu bytes returned %zd", n, r);
    st->sent += (uint64_t)r;
    if (!st->conn->end[!st->side].waiting_us)
        st->conn->end[!st->side].waiting_us = s->wire.now_us;
    sim_progress(s);
    return 1;
}

/* How long bytes may be on their way where little is lost; 0: as long as it takes. Four timeouts in
 * a row for the same segment, each twice as long as the one before, are as good as never. */
static uint64_t stall_bound_us(const struct sim *s)
{
    uint64_t bound = 4000000;
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        const struct link_wire_impair *m = &s->net.impair[i];
        if (m->loss_ppm + m->corrupt_ppm > 10000 || m->burst_ppm || m->rate_bps || m->path_mtu ||
            s->net.arena_limit[i])
            return 0;
        bound += 20 * (m->delay_us + m->jitter_us + m->reorder_us + m->coalesce_us);
    }
    return bound;
}

/* Some of what was on its way to st has come. */
static void stream_came(struct stream *st)
{
    struct sim *s = st->task.sim;
    const struct stream *peer = &st->conn->end[!st->side];
    uint64_t bound = st->calm ? stall_bound_us(s) : 0, now = s->wire.now_us;
    if (bound && st->waiting_us && now - st->waiting_us > bound)
        sim_fail(s, "%s: nothing came for %llu us, %llu bytes are on their way",
                 st->side == CLIENT ? "client" : "server",
                 (unsigned long long)(now - st->waiting_us),
                 (unsigned long long)(peer->sent - st->received));
    st->waiting_us = peer->sent > st->received ? now : 0;
}

static void stream_verify(struct stream *st, const uint8_t *got, size_t n)
{
    struct sim *s = st->task.sim;
    if (memcmp(got, sim_bytes(st->received), n) != 0)
        sim_fail(s, "%s: wrong bytes near %llu", st->side == CLIENT ? "client" : "server",
                 (unsigned long long)st->received);
    const struct stream *peer = &st->conn->end[!st->side];
    if (st->received + n > peer->sent)
        sim_fail(s, "received more than was sent");
}

static int stream_recv(struct stream *st)
{
    static uint8_t buf[2][SIM_PATTERN_BYTES];
    struct sim *s = st->task.sim;
    const struct plan *p = &st->conn->plan;
    if (st->eof)
        return 0;
    size_t n = 1 + sim_below(s, p->recv_max[st->side]);
    size_t cut = sim_below(s, (uint32_t)n + 1);
    struct iovec iov[2] = {{buf[0], cut}, {buf[1], n - cut}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    bool peek = sim_chance(s, 10);
    ssize_t r = sock_recvmsg(st->so, &msg, 0, peek ? MSG_PEEK : 0);
    if (r == -EAGAIN)
        return 0;
    if (r < 0)
        return (int)r;
    if ((size_t)r > n)
        sim_fail(s, "recv() of %zu bytes returned %zd", n, r);
    stream_verify(st, buf[0], (size_t)r < cut ? (size_t)r : cut);
    if ((size_t)r > cut) {
        st->received += cut;
        stream_verify(st, buf[1], (size_t)r - cut);
        st->received -= cut;
    }
    if (peek)
        return 1;
    if (r == 0)
        st->eof = true;
    st->received += (uint64_t)r;
    stream_came(st);
    sim_progress(s);
    return 1;
}

/* Has the stream come to its planned end? */
static bool stream_is_done(struct stream *st)
{
    struct conn *c = st->conn;
    const struct plan *p = &c->plan;
    uint64_t expected = p->echo ? p->bytes[CLIENT] : p->bytes[!st->side];
    if (p->ending[st->side] <= END_CLOSE && tcp_state(st->so->tcp) == TCP_SYN_SENT)
        return false; /* close() would take back what went with the SYN */
    switch (p->ending[st->side]) {
    case END_HALF_CLOSE:
        return st->eof && st->shut;
    case END_CLOSE:
        return (st->received == expected || st->eof) && st->sent == stream_goal(st);
    case END_ABORT:
    case END_UNREAD:
        break;
    }
    if (!st->eof && st->received < p->abort_at[st->side])
        return false;
    if (p->ending[st->side] == END_ABORT) {
        struct linger l = {.l_onoff = 1};
        sock_setsockopt(st->so, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    }
    c->broken = true;
    return true;
}

static void stream_finish(struct stream *st)
{
    struct sim *s = st->task.sim;
    const struct stream *peer = &st->conn->end[!st->side];
    const struct plan *p = &st->conn->plan;
    bool graceful = p->ending[0] <= END_CLOSE && p->ending[1] <= END_CLOSE;
    if (graceful && !st->conn->broken && st->eof && st->received != peer->sent)
        sim_fail(s, "%s: end of stream after %llu of %llu bytes",
                 st->side == CLIENT ? "client" : "server", (unsigned long long)st->received,
                 (unsigned long long)peer->sent);
    stream_over(st, 0);
}

/* Goes as far as it can. Each turn sends or receives, in random order. */
static void stream_run(struct sim_task *t, uint32_t fired)
{
    struct stream *st = container_of(t, struct stream, task);
    struct sim *s = t->sim;
    (void)fired;
    if (st->connecting) {
        struct sockaddr_in to = sim_addr(s->host[1].addr, PORT);
        int r = sock_connect(st->so, (struct sockaddr *)&to, sizeof(to));
        if (r == -EALREADY)
            return;
        if (r < 0) {
            stream_over(st, -r);
            return;
        }
        st->connecting = false;
        sim_progress(s);
    }
    for (bool busy = true; busy;) {
        uint32_t pause = st->conn->plan.pause_us[st->side];
        int sent = stream_send(st);
        int got = sent < 0 || (pause && t->wake_us != TIMER_NEVER) ? 0 : stream_recv(st);
        if (sent < 0 || got < 0) {
            stream_over(st, sent < 0 ? -sent : -got);
            return;
        }
        if (stream_is_done(st)) {
            stream_finish(st);
            return;
        }
        if (got > 0 && pause)
            t->wake_us = s->wire.now_us + 1 + sim_below(s, pause);
        busy = sent > 0 || (got > 0 && !pause);
    }
}

static void set_int(struct sim *s, struct sock *so, int level, int name, int v)
{
    int r = sock_setsockopt(so, level, name, &v, sizeof(v));
    if (r < 0 && r != -ENOMEM)
        sim_fail(s, "setsockopt %d %d: %d", level, name, r);
}

static void scene_options(const struct scene *sc, struct sim *s, struct sock *so)
{
    if (sc->sndbuf)
        set_int(s, so, SOL_SOCKET, SO_SNDBUFFORCE, sc->sndbuf);
    if (sc->rcvbuf)
        set_int(s, so, SOL_SOCKET, SO_RCVBUFFORCE, sc->rcvbuf);
    if (sc->nodelay)
        set_int(s, so, IPPROTO_TCP, TCP_NODELAY, 1);
    if (sc->cc)
        sock_setsockopt(so, IPPROTO_TCP, TCP_CONGESTION, sc->cc, (socklen_t)strlen(sc->cc));
    if (sc->max_pacing_rate)
        sock_setsockopt(so, SOL_SOCKET, SO_MAX_PACING_RATE, &sc->max_pacing_rate,
                        sizeof(sc->max_pacing_rate));
    if (sc->slow_acks)
        set_int(s, so, IPPROTO_TCP, TCP_QUICKACK, 0);
    if (sc->maxseg)
        set_int(s, so, IPPROTO_TCP, TCP_MAXSEG, sc->maxseg);
    if (sc->clamp)
        set_int(s, so, IPPROTO_TCP, TCP_WINDOW_CLAMP, sc->clamp);
    if (sc->lowat)
        set_int(s, so, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4000);
    if (sc->keepalive) {
        set_int(s, so, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_int(s, so, IPPROTO_TCP, TCP_KEEPIDLE, 1);
        set_int(s, so, IPPROTO_TCP, TCP_KEEPINTVL, 1);
        set_int(s, so, IPPROTO_TCP, TCP_KEEPCNT, 20);
    }
}

/* Starts st on so; false: no memory, so is closed. */
static bool stream_start(struct stream *st, struct sim *s, struct sim_host *h, struct sock *so)
{
    sim_task_init(&st->task, s, h, stream_run);
    st->so = so;
    if (sim_task_watch(&st->task, so, POLLIN | POLLOUT | POLLRDHUP))
        return true;
    sim_task_end(&st->task);
    sock_close(so);
    st->so = NULL;
    st->over = true;
    return false;
}

static void listener_close(struct listener *l)
{
    sim_task_end(&l->task);
    sock_close(l->so);
    l->so = NULL;
}

static void listener_run(struct sim_task *t, uint32_t fired)
{
    struct listener *l = container_of(t, struct listener, task);
    struct sim *s = t->sim;
    (void)fired;
    for (;;) {
        struct sock *so;
        int r = sock_accept(l->so, s->next_cookie++, 0, &so);
        if (r == -EAGAIN)
            break;
        if (r == -ENOBUFS || r == -ENOMEM) {
            t->wake_us = s->wire.now_us + 100000;
            break;
        }
        if (r < 0)
            sim_fail(s, "accept: %d", r);
        so->nonblock = 1;
        sim_progress(s);
        /* The client's port says which plan it is. */
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        struct conn *c = NULL;
        if (sock_getpeername(so, (struct sockaddr *)&peer, &len) == 0) {
            for (unsigned i = 0; i < l->nconns && !c; i++)
                if (ntohs(peer.sin_port) == 10000 + i)
                    c = &l->conns[i];
        }
        if (!c || c->end[SERVER].task.sim) { /* reset meanwhile, or a second life of the port */
            sock_close(so);
            continue;
        }
        if (stream_start(&c->end[SERVER], s, &s->host[1], so))
            c->end[SERVER].task.wake_us = s->wire.now_us;
    }
}

static void plan_sizes(struct sim *s, struct plan *p)
{
    static const uint32_t sizes[] = {1, 3, 100, 1000, 1460, 4096, 16384, 60000};
    bool bad = s->net.lossy;
    for (int i = 0; i < 2; i++) {
        uint32_t most = sim_chance(s, 15)   ? (bad ? 60000 : 600000)
                        : sim_chance(s, 50) ? 20000
                                            : 300;
        p->bytes[i] = sim_chance(s, 15) ? 0 : sim_below(s, most + 1);
        p->send_max[i] = sizes[sim_below(s, 8)];
        p->recv_max[i] = sizes[sim_below(s, 8)];
        if (p->bytes[i] / p->send_max[i] > 5000)
            p->send_max[i] = 4096;
        p->pause_us[i] =
            sim_chance(s, 15) ? 1 + sim_below(s, sim_chance(s, 20) ? 3000000 : 20000) : 0;
    }
    /* A peer that has closed does not probe a shut window for ever. */
    for (int i = 0; i < 2; i++) {
        uint64_t reads = 1 + (p->bytes[0] + p->bytes[1]) / p->recv_max[i];
        if (p->pause_us[i] > READING_US / reads)
            p->pause_us[i] = (uint32_t)(READING_US / reads);
    }
}

static void plan_make(struct sim *s, struct plan *p)
{
    plan_sizes(s, p);
    p->echo = sim_chance(s, 30);
    for (int i = 0; i < 2; i++) {
        uint32_t how = sim_below(s, 100);
        p->ending[i] = how < 60   ? END_HALF_CLOSE
                       : how < 85 ? END_CLOSE
                       : how < 93 ? END_ABORT
                                  : END_UNREAD;
        uint64_t expected = p->bytes[p->echo ? CLIENT : !i];
        p->abort_at[i] = expected ? sim_below(s, (uint32_t)expected) : 0;
    }
    /* An echo ends when the client ends it; who waits for the end of stream needs a peer that gives
     * one. */
    if (p->echo) {
        p->ending[SERVER] = END_HALF_CLOSE;
        if (p->ending[CLIENT] == END_CLOSE && sim_chance(s, 50))
            p->ending[CLIENT] = END_HALF_CLOSE;
    }
}

static void scene_connect(struct scene *sc, struct sim *s, unsigned i)
{
    struct conn *c = &sc->conns[i];
    struct sim_host *h = &s->host[0];
    for (int side = 0; side < 2; side++) {
        c->end[side].conn = c;
        c->end[side].side = side;
        c->end[side].calm = !c->plan.pause_us[0] && !c->plan.pause_us[1] && !sc->max_pacing_rate;
    }
    link_wire_enter(h->port);
    struct sock *so = sim_socket(s, h, SOCK_STREAM);
    struct sockaddr_in from = sim_addr(0, (uint16_t)(10000 + i));
    if (so) {
        scene_options(sc, s, so);
        /* Who says nothing would never send the SYN. */
        if (sc->fast && c->plan.bytes[CLIENT])
            set_int(s, so, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
        if (sc->no_cookie)
            set_int(s, so, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
        int r = sock_bind(so, (struct sockaddr *)&from, sizeof(from));
        if (r == -ENOMEM || r == -ENOBUFS) {
            sock_close(so);
            so = NULL;
        } else if (r < 0) {
            sim_fail(s, "bind: %d", r);
        }
    }
    if (so && stream_start(&c->end[CLIENT], s, h, so)) {
        struct sockaddr_in to = sim_addr(s->host[1].addr, PORT);
        int r = sock_connect(so, (struct sockaddr *)&to, sizeof(to));
        if (r == -EINPROGRESS)
            c->end[CLIENT].connecting = true;
        else if (r == 0 && sc->fast) /* the SYN waits for the first bytes */
            c->end[CLIENT].task.wake_us = s->wire.now_us;
        else
            stream_over(&c->end[CLIENT], r < 0 ? -r : EINVAL);
    } else {
        c->end[CLIENT].over = true;
    }
    link_wire_leave(h->port);
}

static void scene_listen(struct scene *sc, struct sim *s)
{
    struct sim_host *h = &s->host[1];
    struct listener *l = &sc->listener;
    struct sockaddr_in at = sim_addr(0, PORT);
    l->conns = sc->conns;
    l->nconns = sc->nconns;
    link_wire_enter(h->port);
    l->so = sim_socket(s, h, SOCK_STREAM);
    if (!l->so || sock_bind(l->so, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        sock_listen(l->so, (int)sc->nconns) < 0)
        sim_fail(s, "cannot listen");
    scene_options(sc, s, l->so);
    if (sc->fast)
        set_int(s, l->so, IPPROTO_TCP, TCP_FASTOPEN, 5);
    if (sc->no_cookie)
        set_int(s, l->so, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
    sim_task_init(&l->task, s, h, listener_run);
    if (!sim_task_watch(&l->task, l->so, POLLIN))
        sim_fail(s, "cannot watch the listener");
    link_wire_leave(h->port);
}

/* May one end be gone for good without the other having been told? An orphan gives up, too (RFC
 * 1122 4.2.3.5). */
static bool conn_may_be_half_open(const struct sim *s, const struct conn *c)
{
    return c->broken || s->net.lossy;
}

/* A reset may be lost, and who only reads then waits for ever, as on any network (RFC 9293 3.5.1):
 * closes those whose peer is long gone, or never was, and who would wait for ever. True when there
 * are such. */
static bool scene_relieve(struct scene *sc, struct sim *s)
{
    bool any = false, idle = sim_is_idle(s);
    for (unsigned i = 0; i < sc->nconns; i++) {
        struct conn *c = &sc->conns[i];
        for (int side = 0; side < 2; side++) {
            struct stream *st = &c->end[side], *peer = &c->end[!side];
            if (!st->so || peer->so || !conn_may_be_half_open(s, c))
                continue;
            any = true;
            if (!idle && (!peer->over || s->wire.now_us - peer->over_us < RELIEF_US))
                continue;
            link_wire_enter(st->task.host->port);
            stream_over(st, 0);
            link_wire_leave(st->task.host->port);
        }
    }
    return any;
}

static bool scene_is_busy(const struct scene *sc)
{
    for (unsigned i = 0; i < sc->nconns; i++)
        if (sc->conns[i].end[CLIENT].so || sc->conns[i].end[SERVER].so)
            return true;
    return false;
}

static void scene_show(const struct scene *sc)
{
    for (unsigned i = 0; i < sc->nconns; i++) {
        for (int side = 0; side < 2; side++) {
            const struct stream *st = &sc->conns[i].end[side];
            if (!st->so)
                continue;
            fprintf(stderr,
                    "sim: %u %s: %s, sent %llu of %llu, received %llu, eof %d, shut %d, poll %#x, "
                    "error %d, unacked %llu, readable %llu, ending %d\n",
                    i, side == CLIENT ? "client" : "server", tcp_state_name(tcp_state(st->so->tcp)),
                    (unsigned long long)st->sent, (unsigned long long)stream_goal(st),
                    (unsigned long long)st->received, st->eof, st->shut, sock_poll(st->so),
                    tcp_peek_error(st->so->tcp), (unsigned long long)tcp_unacked_bytes(st->so->tcp),
                    (unsigned long long)tcp_readable_bytes(st->so->tcp),
                    sc->conns[i].plan.ending[side]);
        }
    }
}

/* Until only the listener is left. */
static void scene_wait(struct scene *sc, struct sim *s)
{
    while (scene_is_busy(sc)) {
        sim_run(s, s->wire.now_us + 10000000);
        if (!scene_relieve(sc, s) && scene_is_busy(sc) && sim_is_idle(s)) {
            scene_show(sc);
            sim_fail(s, "standstill: a connection is open and no timer runs");
        }
    }
}

void sim_run_streams(struct sim *s)
{
    static const int bufs[] = {0, 0, 0, 1, 2000, 8000, 60000, 1000000};
    static const char *const ccs[] = {NULL, NULL, "reno", "bbr", "bbr"};
    struct scene sc = {.nconns = sim_chance(s, 60) ? 1 : 1 + sim_below(s, 30)};
    sc.sndbuf = bufs[sim_below(s, 8)];
    sc.rcvbuf = bufs[sim_below(s, 8)];
    sc.nodelay = sim_chance(s, 30);
    sc.cc = ccs[sim_below(s, 5)];
    sc.max_pacing_rate = sim_chance(s, 10) ? 20000u << sim_below(s, 12) : 0;
    sc.slow_acks = sim_chance(s, 10);
    sc.keepalive = sim_chance(s, 10);
    sc.lowat = sim_chance(s, 10);
    sc.fast = sim_chance(s, 25);
    sc.no_cookie = sc.fast && sim_chance(s, 70);
    sc.maxseg = sim_chance(s, 10) ? 88 + (int)sim_below(s, 1400) : 0;
    sc.clamp = sim_chance(s, 10) ? 1152 + (int)sim_below(s, 60000) : 0;
    sc.conns = calloc(sc.nconns, sizeof(*sc.conns));
    scene_listen(&sc, s);
    for (unsigned i = 0; i < sc.nconns; i++) {
        plan_make(s, &sc.conns[i].plan);
        if (sc.nconns > 1)
            for (int side = 0; side < 2; side++)
                sc.conns[i].plan.bytes[side] /= sc.nconns,
                    sc.conns[i].plan.abort_at[side] /= sc.nconns;
        scene_connect(&sc, s, i);
        if (sim_chance(s, 30))
            sim_run(s, s->wire.now_us + sim_below(s, 50000));
    }
    scene_wait(&sc, s);
    link_wire_enter(s->host[1].port);
    listener_close(&sc.listener);
    link_wire_leave(s->host[1].port);
    sim_settle(s);
    free(sc.conns);
}
