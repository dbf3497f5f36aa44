/*
 * The guards of TCP ports in host mode, and how the housekeeper comes to give them up. The test
 * plays the housekeeper: it has its socket, and calls what it would call, at times of its own.
 */
#include "test_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "io/guard.h"
#include "io/keeper_int.h"
#include "io/unixsock.h"

#define SECOND_US 1000000u

static int mail; /* the housekeeper's */

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
    ck_assert_uint_eq(sweep(at_us + SECOND_US), TIMER_NEVER);
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
    next_us = sweep(next_us);
    ck_assert_uint_eq(sweep(next_us), TIMER_NEVER);
    ck_assert(!is_open(guard) && !has_claim(port));
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
    return tc;
}
