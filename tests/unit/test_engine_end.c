/* The stack under test, and its sockets as a program would use them (test_engine.h). */
#include "test_engine.h"

#include <errno.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"

/* ---- starting ---- */

struct config own_config(void)
{
    struct config c = {.interface = "veth0",
                       .own_address = true,
                       .address = addr_v4(OUR_V4),
                       .prefix_len = 24,
                       .log_level = LOG_LEVEL_ERROR,
                       .memory_bytes = 1ull << 30,
                       .offload = true};
    return c;
}

struct config host_config(void)
{
    struct config c = own_config();
    c.own_address = false;
    lab_addr(HOST, "veth0", OUR_V4, 24, true);
    return c;
}

void start(const struct config *c)
{
    char why[256] = "";
    int r = engine_start(c, why, sizeof(why));
    ck_assert_msg(r == 0, "engine_start: %s: %s", strerror(-r), why);
}

struct netif_stats nif_stats(void)
{
    engine_enter();
    struct netif_stats s = engine.link->nif->stats;
    engine_leave();
    return s;
}

/* ---- waiting ---- */

static __thread struct waiter *waiter;
static __thread uint32_t word;

void end_forked(void)
{
    waiter = NULL;
}

struct waiter *end_waiter(uint32_t **word_out)
{
    struct stack *st = engine_enter();
    if (!waiter) {
        waiter = sock_waiter_new(st);
        ck_assert_ptr_nonnull(waiter);
        waiter->proc = engine_proc();
        waiter->kind = WAITER_THREAD;
        waiter->futex_at = &word;
    }
    sock_wait_del(waiter);
    waiter->fired = 0;
    __atomic_store_n(&word, 0, __ATOMIC_RELAXED);
    engine_leave();
    *word_out = &word;
    return waiter;
}

int end_wait(const struct end *e, uint32_t mask, uint64_t deadline_us)
{
    uint32_t *unused;
    for (;;) {
        struct waiter *w = end_waiter(&unused);
        engine_enter();
        bool ready = sock_poll(e->so) & (mask | POLLERR | POLLHUP);
        if (!ready) {
            w->mask = mask;
            sock_wait_add(e->so, w);
        }
        engine_leave();
        if (ready)
            return 0;
        int r = engine_wait(&word, deadline_us);
        engine_enter();
        sock_wait_del(w);
        engine_leave();
        if (r < 0)
            return r;
    }
}

static void need(const struct end *e, uint32_t mask)
{
    int r = end_wait(e, mask, clock_now_us() + PATIENCE_US);
    ck_assert_msg(r == 0, "waiting for %#x: %s", mask, strerror(-r));
}

/* ---- sockets ---- */

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
    return cookie;
}

struct end end_open(int type)
{
    struct end e = {.fd = socket(AF_INET, type | SOCK_CLOEXEC, 0)};
    ck_assert_int_ge(e.fd, 0);
    e.cookie = cookie_of(e.fd);
    int one = 1;
    struct stack *st = engine_enter();
    int r = sock_create(st, AF_INET, type, 0, e.cookie, getpid(), &e.so);
    if (r == 0 && type == SOCK_STREAM)
        r = sock_setsockopt(e.so, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    engine_leave();
    ck_assert_int_eq(r, 0);
    return e;
}

bool end_lives(const struct end *e)
{
    struct stack *st = engine_enter();
    bool lives = sock_by_cookie(st, e->cookie) != NULL;
    engine_leave();
    return lives;
}

void end_drop(struct end *e)
{
    close(e->fd);
    e->fd = -1;
}

void end_bind(const struct end *e, uint16_t port)
{
    struct sockaddr_in name = lab_name(INADDR_ANY, port);
    engine_enter();
    int r = sock_bind(e->so, (struct sockaddr *)&name, sizeof(name));
    if (r == 0 && e->so->type == SOCK_STREAM)
        r = sock_listen(e->so, 64);
    engine_leave();
    ck_assert_int_eq(r, 0);
}

void end_connect(const struct end *e, uint32_t v4, uint16_t port)
{
    struct sockaddr_in name = lab_name(v4, port);
    int r;
    for (;;) {
        engine_enter();
        r = sock_connect(e->so, (struct sockaddr *)&name, sizeof(name));
        engine_leave();
        if (r != -EINPROGRESS && r != -EALREADY)
            break;
        need(e, POLLOUT);
    }
    ck_assert_msg(r == 0, "connect: %s", strerror(-r));
}

struct end end_accept(const struct end *e)
{
    struct end c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_ge(c.fd, 0);
    c.cookie = cookie_of(c.fd);
    need(e, POLLIN);
    engine_enter();
    int r = sock_accept(e->so, c.cookie, getpid(), &c.so);
    engine_leave();
    ck_assert_int_eq(r, 0);
    return c;
}

void end_send(const struct end *e, const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    for (size_t done = 0; done < len;) {
        engine_enter();
        ssize_t n = sock_sendmsg(e->so, &msg, done, MSG_NOSIGNAL);
        engine_leave();
        if (n == -EAGAIN) {
            need(e, POLLOUT);
            continue;
        }
        ck_assert_msg(n > 0, "send: %s", strerror((int)-n));
        done += (size_t)n;
    }
}

void end_send_to(const struct end *e, const void *data, size_t len, uint32_t v4, uint16_t port)
{
    struct sockaddr_in name = lab_name(v4, port);
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr msg = {
        .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1};
    engine_enter();
    ssize_t n = sock_sendmsg(e->so, &msg, 0, 0);
    engine_leave();
    ck_assert_int_eq(n, (ssize_t)len);
}

ssize_t end_try_recv(const struct end *e, void *data, size_t len)
{
    struct iovec iov = {data, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    engine_enter();
    ssize_t n = sock_recvmsg(e->so, &msg, 0, 0);
    engine_leave();
    return n;
}

ssize_t end_recv_some(const struct end *e, void *data, size_t len)
{
    for (;;) {
        ssize_t n = end_try_recv(e, data, len);
        if (n != -EAGAIN)
            return n;
        need(e, POLLIN);
    }
}

void end_recv(const struct end *e, void *data, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = end_recv_some(e, (char *)data + got, len - got);
        ck_assert_msg(n > 0, "recv: %s", n < 0 ? strerror((int)-n) : "end of stream");
        got += (size_t)n;
    }
}

struct end end_pair(int *peer)
{
    static uint16_t port = 5000;
    int listener = lab_socket(PEER, SOCK_STREAM, ++port);
    struct end e = end_open(SOCK_STREAM);
    end_connect(&e, PEER_V4, port);
    *peer = peer_accept(listener);
    close(listener);
    return e;
}

/* ---- data ---- */

static uint8_t pattern_at(uint64_t i)
{
    return (uint8_t)((i * 0x9e3779b97f4a7c15u) >> 56);
}

void pattern(uint8_t *out, uint64_t from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = pattern_at(from + i);
}

bool is_pattern(const uint8_t *data, uint64_t from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != pattern_at(from + i))
            return false;
    return true;
}
