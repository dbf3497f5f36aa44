/*
 * Datagrams both ways: each carries its number and its length, and what arrives is checked to be
 * one of those sent, whole. On a network that loses nothing all arrive, once, in order.
 */
#include "sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#define PORT      9000
#define HEAD      8
#define MAX_BYTES 20000

struct talker {
    struct sim_task task;
    struct sock *so;
    struct talker *peer;
    uint32_t to_send, sent, received;
    uint32_t last_number; /* the highest number seen */
    uint32_t gap_us, max_bytes;
    bool connected;
};

static bool is_perfect(const struct sim *s)
{
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        const struct link_wire_impair *m = &s->net.impair[i];
        if (m->loss_ppm || m->burst_ppm || m->duplicate_ppm || m->reorder_ppm || m->corrupt_ppm ||
            m->rate_bps || m->path_mtu || s->net.arena_limit[i])
            return false;
    }
    return true;
}

static void talker_send(struct talker *t)
{
    struct sim *s = t->task.sim;
    uint8_t head[HEAD];
    uint32_t n = sim_below(s, t->max_bytes);
    put_be32(head, ++t->sent);
    put_be32(head + 4, n);
    struct iovec iov[2] = {{head, HEAD}, {(void *)(uintptr_t)sim_bytes(t->sent), n}};
    struct sockaddr_in to = sim_addr(t->peer->task.host->addr, PORT);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    if (!t->connected) {
        msg.msg_name = &to;
        msg.msg_namelen = sizeof(to);
    }
    ssize_t r = sock_sendmsg(t->so, &msg, 0, 0);
    if (r == (ssize_t)(HEAD + n)) {
        sim_progress(s);
        return;
    }
    bool memory = s->net.arena_limit[0] || s->net.arena_limit[1];
    if (r == -EHOSTUNREACH || r == -EAGAIN || r == -EMSGSIZE ||
        (memory && (r == -ENOMEM || r == -ENOBUFS)))
        return;
    sim_fail(s, "sendmsg of a datagram: %zd", r);
}

/* The control messages: IP_PKTINFO and IP_RECVTTL were asked for. */
static void talker_cmsgs(struct talker *t, struct msghdr *msg)
{
    struct sim *s = t->task.sim;
    bool info = false, ttl = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        struct in_pktinfo p;
        int v;
        if (c->cmsg_type == IP_PKTINFO) {
            memcpy(&p, CMSG_DATA(c), sizeof(p));
            info = p.ipi_ifindex == 1 && ntohl(p.ipi_addr.s_addr) == t->task.host->addr;
        } else if (c->cmsg_type == IP_TTL) {
            memcpy(&v, CMSG_DATA(c), sizeof(v));
            ttl = v == 64;
        }
    }
    if (!info || !ttl)
        sim_fail(s, "control messages of a datagram are missing or wrong");
}

static bool talker_recv(struct talker *t)
{
    static uint8_t buf[HEAD + MAX_BYTES];
    struct sim *s = t->task.sim;
    struct sockaddr_in from;
    char control[128];
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof(from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t r = sock_recvmsg(t->so, &msg, 0, 0);
    if (r == -EAGAIN)
        return false;
    if (r == -EHOSTUNREACH || r == -ECONNREFUSED || r == -EMSGSIZE)
        return true;
    if (r < HEAD || msg.msg_flags)
        sim_fail(s, "recvmsg of a datagram: %zd, flags %#x", r, (unsigned)msg.msg_flags);
    uint32_t number = get_be32(buf), n = get_be32(buf + 4);
    if (r != (ssize_t)(HEAD + n) || memcmp(buf + HEAD, sim_bytes(number), n) != 0)
        sim_fail(s, "datagram %u of %u bytes is not as it was sent", number, n);
    if (ntohl(from.sin_addr.s_addr) != t->peer->task.host->addr || ntohs(from.sin_port) != PORT)
        sim_fail(s, "datagram %u has another source", number);
    if (is_perfect(s) && number != t->last_number + 1)
        sim_fail(s, "datagram %u came after %u", number, t->last_number);
    talker_cmsgs(t, &msg);
    t->last_number = number;
    t->received++;
    sim_progress(s);
    return true;
}

static void talker_run(struct sim_task *task, uint32_t fired)
{
    struct talker *t = container_of(task, struct talker, task);
    struct sim *s = task->sim;
    while (talker_recv(t))
        ;
    if (fired & POLLIN)
        return;
    if (t->sent < t->to_send) {
        talker_send(t);
        /* What waits for the neighbour to be found is bounded: the first one goes ahead alone. */
        uint32_t gap_us = t->sent == 1 ? 3000000 : 1 + sim_below(s, t->gap_us);
        task->wake_us = s->wire.now_us + gap_us;
    }
}

static void talker_open(struct talker *t, struct talker *peer, struct sim *s, unsigned host)
{
    struct sim_host *h = &s->host[host];
    struct sockaddr_in at = sim_addr(sim_chance(s, 50) ? h->addr : 0, PORT);
    struct sockaddr_in to = sim_addr(s->host[!host].addr, PORT);
    int one = 1;
    t->peer = peer;
    t->to_send = sim_below(s, 100);
    t->gap_us = 1 + sim_below(s, 20000);
    t->max_bytes = sim_chance(s, 30) ? MAX_BYTES : 1 + sim_below(s, 1400);
    /* Two fragments of one datagram may be damaged so that the checksum does not see it. */
    uint32_t whole = s->net.mtu - 28 - HEAD;
    if (s->net.impair[host].corrupt_ppm && t->max_bytes > whole)
        t->max_bytes = whole;
    sim_task_init(&t->task, s, h, talker_run);
    link_wire_enter(h->port);
    t->so = sim_socket(s, h, SOCK_DGRAM);
    if (!t->so || sock_bind(t->so, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        !sim_task_watch(&t->task, t->so, POLLIN) ||
        sock_setsockopt(t->so, SOL_IP, IP_PKTINFO, &one, sizeof(one)) < 0 ||
        sock_setsockopt(t->so, SOL_IP, IP_RECVTTL, &one, sizeof(one)) < 0)
        sim_fail(s, "cannot open a datagram socket");
    t->connected = sim_chance(s, 50);
    if (t->connected && sock_connect(t->so, (struct sockaddr *)&to, sizeof(to)) < 0)
        sim_fail(s, "cannot connect a datagram socket");
    link_wire_leave(h->port);
}

void sim_run_udp(struct sim *s)
{
    struct talker t[2] = {0};
    for (unsigned i = 0; i < 2; i++)
        talker_open(&t[i], &t[!i], s, i);
    sim_run(s, s->wire.now_us + 60000000);
    for (unsigned i = 0; i < 2; i++) {
        if (is_perfect(s) && t[i].received != t[!i].sent)
            sim_fail(s, "%u of %u datagrams arrived", t[i].received, t[!i].sent);
        link_wire_enter(t[i].task.host->port);
        sim_task_end(&t[i].task);
        sock_close(t[i].so);
        link_wire_leave(t[i].task.host->port);
    }
    sim_settle(s);
}
