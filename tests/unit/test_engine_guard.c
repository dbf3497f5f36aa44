/*
 * The guards of TCP ports in host mode, and how the housekeeper comes to give them up. The test
 * plays the housekeeper: it has its socket, and calls what it would call, at times of its own.
 */
#include "test_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "io/guard.h"
#include "io/keeper_int.h"
#include "io/unixsock.h"

#define SECOND_US 1000000u

#define REST_US 4000000u /* keeper_guards.c */

static int mail;        /* the housekeeper's */
static int lifeline[2]; /* to it, from it */

/* A stack that takes the test for its housekeeper. */
static void start_guarded(void)
{
    struct config c = host_config();
    struct sockaddr_un un;

    start(&c);
    socklen_t len = keeper_name(&un);
    mail = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(mail, (struct sockaddr *)&un, len), 0);
    engine.sh->keeper.state = KEEPER_RUNNING;
    engine.greeted = engine.sh->keeper.number;
    ck_assert_int_eq(pipe(lifeline), 0);
    engine.lifeline = lifeline[1];
}

/* The next message, which is there already; *fd: what came with it, or -1. */
static struct keeper_message mail_take(int *fd)
{
    struct keeper_message m;
    struct iovec iov = {&m, sizeof(m)};
    UNIXSOCK_CONTROL(1) control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};

    ck_assert_int_eq(recvmsg(mail, &msg, MSG_DONTWAIT), sizeof(m));
    *fd = -1;
    (void)unixsock_take(&msg, fd, 1);
    return m;
}

static bool mail_is_empty(void)
{
    char c;
    return recv(mail, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

static void mail_drop(void)
{
    char c;
    while (recv(mail, &c, 1, MSG_DONTWAIT) >= 0)
        continue;
}

static bool has_claim(uint16_t port)
{
    struct stack *st = engine_enter();
    bool has = guard_find_claim(st, port) != NULL;
    engine_leave();
    return has;
}

/* What another program gets when it wants the port. */
static int kernel_bind(uint16_t port)
{
    struct sockaddr_in name = lab_name(OUR_V4, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int r = bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* As bind() of the program does it, up to the stack's part: the port, 0: the kernel's choice, is
 * guarded by us, in whose table *guard is, and pending. */
static uint16_t grant(const struct end *e, uint16_t port, int *guard)
{
    struct sockaddr_in name = lab_name(OUR_V4, port);

    ck_assert_int_eq(guard_bind(e->fd, SOCK_STREAM, &name, false), 0);
    struct keeper_message m = mail_take(guard);
    port = ntohs(name.sin_port);
    ck_assert_uint_eq(m.word, KEEPER_GUARD);
    ck_assert_uint_eq(m.value, port);
    ck_assert_int_ge(*guard, 0);
    ck_assert(keeper_guards_add(port, *guard));
    return port;
}

/* The stack's part. */
static void settle(const struct end *e, uint16_t port)
{
    struct sockaddr_in name = lab_name(OUR_V4, port);
    struct stack *st = engine_enter();
    ck_assert_int_eq(sock_bind(e->so, (struct sockaddr *)&name, sizeof(name)), 0);
    guard_settled(st, port);
    engine_leave();
}

/* Lets go of it as close() does. */
static void let_go(const struct end *e, uint16_t port)
{
    struct stack *st = engine_enter();
    sock_close(e->so);
    ck_assert_int_eq(guard_closed(st, port, false), -1);
    engine_leave();
}

/* Looks at the guards as at that time; when to look next. */
static uint64_t sweep(uint64_t now_us)
{
    struct stack *st = engine_enter();
    ck_assert(!keeper_guards_sweep(st, now_us));
    engine_leave();
    return keeper_guards_deadline();
}

static void look(uint16_t port, uint64_t now_us)
{
    struct stack *st = engine_enter();
    keeper_guards_look(st, port, now_us);
    engine_leave();
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* A port in use is not looked at until something has ended; and of that one is told once. */
START_TEST(ports_in_use_cost_nothing)
{
    int guard, unused;

    start_guarded();
    struct end e = end_open(SOCK_STREAM);
    uint16_t port = grant(&e, 0, &guard);
    settle(&e, port);
    uint64_t at_us = keeper_guards_deadline();
    ck_assert_uint_ge(at_us, SECOND_US);
    ck_assert_uint_eq(sweep(at_us), TIMER_NEVER);
    ck_assert(is_open(guard) && mail_is_empty());
    let_go(&e, port);
    struct keeper_message m = mail_take(&unused);
    ck_assert_uint_eq(m.word, KEEPER_LOOK);
    ck_assert_uint_eq(m.value, 0);
    engine_enter();
    engine.st->tcp.port_ends++;
    engine_leave();
    ck_assert(mail_is_empty());
    /* What is asked for does not move away by being asked for again. */
    keeper_guards_hurry(at_us, false);
    keeper_guards_hurry(at_us + 5, false);
    ck_assert_uint_eq(keeper_guards_deadline(), at_us + SECOND_US);
    ck_assert_uint_eq(sweep(at_us + SECOND_US - 1), at_us + SECOND_US);
    ck_assert(is_open(guard));
    /* It rests for a while, whatever else happens; then it goes. */
    at_us += SECOND_US;
    ck_assert_uint_eq(sweep(at_us), at_us + REST_US);
    keeper_guards_hurry(at_us + 1, true);
    ck_assert_uint_eq(sweep(at_us + 1), at_us + REST_US);
    ck_assert(is_open(guard) && has_claim(port));
    ck_assert_int_eq(kernel_bind(port), -EADDRINUSE);
    ck_assert_uint_eq(sweep(at_us + REST_US), TIMER_NEVER);
    ck_assert(!is_open(guard) && !has_claim(port));
    ck_assert_int_eq(kernel_bind(port), 0);
    /* Nothing is guarded: nobody is told. */
    engine_enter();
    engine.st->tcp.port_ends++;
    engine_leave();
    ck_assert(mail_is_empty());
    /* Looked at since: the next end is told. */
    e = end_open(SOCK_STREAM);
    port = grant(&e, 0, &guard);
    settle(&e, port);
    mail_take(&unused); /* of the end before */
    keeper_guards_hurry(at_us, true);
    ck_assert_uint_eq(sweep(at_us), TIMER_NEVER);
    ck_assert(mail_is_empty());
    let_go(&e, port);
    ck_assert_uint_eq(mail_take(&unused).word, KEEPER_LOOK);
}
END_TEST

/* A port that the program chose: others wait for it, so it is quicker. */
START_TEST(chosen_ports_are_given_up_soon)
{
    int guard, unused;

    start_guarded();
    struct end e = end_open(SOCK_STREAM);
    ck_assert_uint_eq(grant(&e, 7000, &guard), 7000);
    settle(&e, 7000);
    uint64_t at_us = keeper_guards_deadline();
    ck_assert_uint_eq(sweep(at_us), TIMER_NEVER);
    /* Closed, but something goes on there: a marker stands until it has ended. */
    struct end other = end_open(SOCK_STREAM);
    engine_enter();
    int one = 1;
    sock_setsockopt(e.so, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    sock_setsockopt(other.so, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    engine_leave();
    settle(&other, 7000);
    keeper_guards_hurry(at_us, false); /* of an end that does not matter */
    let_go(&e, 7000);
    ck_assert_uint_eq(mail_take(&unused).value, 7000);
    look(7000, at_us);
    ck_assert(is_open(guard));
    uint64_t next_us = keeper_guards_deadline();
    ck_assert_uint_gt(next_us, at_us);
    ck_assert_uint_lt(next_us, at_us + SECOND_US / 10);
    engine_enter();
    sock_close(other.so);
    engine_leave();
    ck_assert_uint_eq(sweep(next_us), TIMER_NEVER);
    ck_assert(!is_open(guard) && !has_claim(7000));
    ck_assert_int_eq(kernel_bind(7000), 0);
    /* Idle when it is closed: at the first look. */
    mail_drop();
    e = end_open(SOCK_STREAM);
    grant(&e, 7000, &guard);
    settle(&e, 7000);
    let_go(&e, 7000);
    look(7000, at_us);
    ck_assert(!is_open(guard) && !has_claim(7000));
}
END_TEST

/* Who has asked for a port and then died does not keep it. */
START_TEST(pending_binds_expire)
{
    int guard;

    start_guarded();
    struct end e = end_open(SOCK_STREAM);
    uint16_t port = grant(&e, 0, &guard);
    uint64_t at_us = keeper_guards_deadline(), next_us = sweep(at_us);
    ck_assert_uint_eq(next_us, at_us + SECOND_US);
    /* Looks in between, for other reasons, do not prolong it. */
    keeper_guards_hurry(at_us + SECOND_US / 2, true);
    ck_assert_uint_eq(sweep(at_us + SECOND_US / 2), next_us);
    ck_assert(is_open(guard) && has_claim(port));
    ck_assert_uint_eq(sweep(next_us), next_us);
    ck_assert_uint_eq(sweep(next_us), next_us + REST_US);
    keeper_guards_alone(true);
    keeper_guards_hurry(next_us, true);
    ck_assert_uint_eq(sweep(next_us), TIMER_NEVER);
    ck_assert(!is_open(guard) && !has_claim(port));
}
END_TEST

/* ---- the pool ---- */

static struct endpoint to(uint32_t v4, uint16_t port)
{
    return (struct endpoint){.addr = addr_v4(v4), .port = port};
}

static uint16_t take(uint32_t addr, uint16_t remote_port)
{
    struct endpoint remote = to(PEER_V4, remote_port);
    struct stack *st = engine_enter();
    uint16_t port = guard_pool_take(st, addr, &remote);
    engine_leave();
    return port;
}

/* As connect() does it. */
static uint16_t take_and_bind(const struct end *e, uint16_t remote_port)
{
    struct endpoint local = to(OUR_V4, 0), remote = to(PEER_V4, remote_port);
    struct stack *st = engine_enter();
    local.port = guard_pool_take(st, OUR_V4, &remote);
    if (local.port != 0)
        ck_assert_int_eq(tcp_bind_to(&st->tcp, e->so->tcp, &local, &remote), 0);
    engine_leave();
    return local.port;
}

/* A port that was used before: one take does not look at all ports, a few do. */
#define TAKES 8

static uint16_t take_used(uint16_t remote_port)
{
    uint16_t port = 0;
    for (int i = 0; i < TAKES && port == 0; i++)
        port = take(OUR_V4, remote_port);
    return port;
}

static uint16_t take_used_and_bind(const struct end *e, uint16_t remote_port)
{
    uint16_t port = 0;
    for (int i = 0; i < TAKES && port == 0; i++)
        port = take_and_bind(e, remote_port);
    return port;
}

static unsigned fill(void)
{
    return guard_pool_fill(OUR_V4, 1000, keeper_guards_add);
}

static struct guard_shared *shared(void)
{
    return &engine.sh->guards;
}

/* The housekeeper is asked for guards when one connection comes after another. */
START_TEST(pool_is_filled_on_demand)
{
    int unused;

    start_guarded();
    ck_assert_uint_eq(take(OUR_V4, 5000), 0);
    ck_assert(mail_is_empty());
    /* The second, in time. */
    struct endpoint remote = to(PEER_V4, 5000);
    struct stack *st = engine_enter();
    shared()->wanted_us = st->net.now_us;
    ck_assert_uint_eq(guard_pool_take(st, OUR_V4, &remote), 0);
    engine_leave();
    struct keeper_message m = mail_take(&unused);
    ck_assert_uint_eq(m.word, KEEPER_FILL);
    ck_assert_uint_eq(m.value, OUR_V4);
    /* Asked once, until it is done. */
    st = engine_enter();
    shared()->wanted_us = st->net.now_us;
    ck_assert_uint_eq(guard_pool_take(st, OUR_V4, &remote), 0);
    engine_leave();
    ck_assert(mail_is_empty());
    unsigned n = fill();
    ck_assert_uint_gt(n, 0);
    ck_assert(!shared()->asked);
    ck_assert_uint_eq(keeper_guards_held(), n);
}
END_TEST

START_TEST(pool_is_taken_from)
{
    uint16_t ports[64];
    unsigned n, neighbours = 0;

    start_guarded();
    n = fill();
    ck_assert(n > 0 && n <= 64);
    ck_assert_uint_eq(take(PEER_V4, 5000), 0); /* another address, whose are none */
    for (unsigned i = 0; i < n; i++) {
        ports[i] = take(OUR_V4, 5000);
        ck_assert_uint_gt(ports[i], 0);
        ck_assert(has_claim(ports[i]));
        ck_assert_int_eq(kernel_bind(ports[i]), -EADDRINUSE);
        for (unsigned k = 0; k < i; k++)
            ck_assert_uint_ne(ports[k], ports[i]);
        neighbours += i > 0 && abs(ports[i] - ports[i - 1]) <= 4;
    }
    ck_assert_uint_le(neighbours, n / 2); /* RFC 6056 3.3.1: nobody can tell the next one */
    ck_assert_uint_eq(take(OUR_V4, 5000), 0);
    /* Nobody is left to use them: they go at once. */
    keeper_guards_alone(true);
    keeper_guards_hurry(0, true);
    ck_assert_uint_eq(sweep(1), TIMER_NEVER);
    ck_assert_uint_eq(keeper_guards_held(), 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(!has_claim(ports[i]));
        ck_assert_int_eq(kernel_bind(ports[i]), 0);
    }
}
END_TEST

/* What has come to serve for something else, or is given up meanwhile, is not taken. */
START_TEST(pool_looks_at_what_it_has)
{
    start_guarded();
    unsigned n = fill();
    ck_assert_uint_ge(n, 4);
    uint16_t bound = shared()->ready[n - 1], chosen = shared()->ready[n - 2],
             pending = shared()->ready[n - 3], good = shared()->ready[n - 4];
    struct end e = end_open(SOCK_STREAM);
    settle(&e, bound);
    struct stack *st = engine_enter();
    guard_find_claim(st, chosen)->chosen = true;
    guard_find_claim(st, pending)->pending = 1;
    engine_leave();
    ck_assert_uint_eq(take(OUR_V4, 5000), good);
    while (shared()->nready > 0) {
        uint16_t gone = shared()->ready[shared()->nready - 1];
        st = engine_enter();
        guard_find_claim(st, gone)->claimed = false;
        engine_leave();
        ck_assert_uint_eq(take(OUR_V4, 5000), 0);
    }
    /* Without a housekeeper nothing is silent any more. */
    ck_assert_uint_gt(fill(), 0);
    close(lifeline[0]);
    ck_assert_uint_eq(take(OUR_V4, 5000), 0);
}
END_TEST

/* When there are many guards, each serves again: for another place at once, for the same when the
 * connection is over. */
START_TEST(pool_is_used_again)
{
    int a = lab_socket(PEER, SOCK_STREAM, 5000), b = lab_socket(PEER, SOCK_STREAM, 5001), peer = -1;
    struct end e[64];
    uint16_t port = 0;
    unsigned n;

    start_guarded();
    n = fill();
    shared()->nready = 0;
    ck_assert_uint_eq(take_used(5000), 0); /* it is not many yet */
    shared()->many = n;
    for (unsigned i = 0; i < n; i++) {
        e[i] = end_open(SOCK_STREAM);
        port = take_used_and_bind(&e[i], 5000);
        ck_assert_uint_gt(port, 0);
        end_connect(&e[i], PEER_V4, 5000);
        peer = peer_accept(a);
    }
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(take_used(5000), 0);
    struct end other = end_open(SOCK_STREAM);
    struct endpoint elsewhere = to(PEER_V4, 5001), here = to(PEER_V4, 5000);
    struct stack *st = engine_enter();
    ck_assert_uint_eq(guard_pool_share(st, OUR_V4, &here), 0);
    ck_assert_uint_gt(guard_pool_share(st, OUR_V4, &elsewhere), 0); /* in one go */
    engine_leave();
    ck_assert_uint_gt(take_used_and_bind(&other, 5001), 0);
    end_connect(&other, PEER_V4, 5001);
    close(peer_accept(b));
    /* The peer of the last has ended it, and so do we: it is free again. */
    char c;
    close(peer);
    ck_assert_int_eq(end_recv_some(&e[n - 1], &c, 1), 0);
    engine_enter();
    sock_close(e[n - 1].so);
    engine_leave();
    uint16_t again = 0;
    UNTIL((again = take(OUR_V4, 5000)) != 0);
    ck_assert_uint_eq(again, port);
}
END_TEST

static unsigned restored;

static bool count_restored(uint16_t port, int fd)
{
    restored++;
    return true;
}

/* After the death of a housekeeper only what is in use is guarded again. */
START_TEST(pool_ends_with_its_housekeeper)
{
    start_guarded();
    unsigned n = fill();
    ck_assert_uint_ge(n, 2);
    struct end e = end_open(SOCK_STREAM);
    uint16_t used = take_and_bind(&e, 5000), idle = take(OUR_V4, 5000);
    while (keeper_guards_held() > 0) { /* it dies */
        struct stack *st = engine_enter();
        struct guard_shared kept = *shared();
        memset(shared()->pages, 0, sizeof(shared()->pages));
        keeper_guards_hurry(0, true);
        (void)keeper_guards_sweep(st, 1);
        memcpy(shared()->pages, kept.pages, sizeof(kept.pages));
        engine_leave();
    }
    struct stack *st = engine_enter();
    guard_restore(st, true, count_restored);
    engine_leave();
    ck_assert_uint_eq(restored, 1);
    ck_assert(has_claim(used) && !has_claim(idle));
    ck_assert_int_eq(kernel_bind(used), -EADDRINUSE);
    ck_assert_int_eq(kernel_bind(idle), 0);
}
END_TEST

TCase *test_engine_guard(void)
{
    TCase *tc = tcase_create("guard");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, ports_in_use_cost_nothing);
    tcase_add_test(tc, chosen_ports_are_given_up_soon);
    tcase_add_test(tc, pending_binds_expire);
    tcase_add_test(tc, pool_is_filled_on_demand);
    tcase_add_test(tc, pool_is_taken_from);
    tcase_add_test(tc, pool_looks_at_what_it_has);
    tcase_add_test(tc, pool_is_used_again);
    tcase_add_test(tc, pool_ends_with_its_housekeeper);
    return tc;
}
