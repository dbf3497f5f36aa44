/* Processes that share a stack: after fork, after exec, after death; and the last close. */
#include "test_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/engine_int.h"

/* fork() as libshim.so does it. */
static pid_t fork_stack(void)
{
    engine_fork_prepare();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        engine_fork_child();
        end_forked();
    } else {
        engine_fork_parent();
    }
    return pid;
}

static void echo(const struct end *e, int peer, char byte)
{
    char got = 0;
    end_send(e, &byte, 1);
    peer_recv(peer, &got, 1);
    ck_assert_int_eq(got, byte);
    peer_send(peer, &byte, 1);
    got = 0;
    end_recv(e, &got, 1);
    ck_assert_int_eq(got, byte);
}

static unsigned procs(void)
{
    struct stack *st = engine_enter();
    unsigned n = (unsigned)st->procs.live;
    engine_leave();
    return n;
}

/* Parent and child in turn, on connections of before and after. */
START_TEST(both_go_on)
{
    struct config c = own_config();
    int before, other, turn[2], back[2];
    char go;

    start(&c);
    struct end e = end_pair(&before), f = end_pair(&other);
    ck_assert_int_eq(pipe(turn), 0);
    ck_assert_int_eq(pipe(back), 0);
    pid_t pid = fork_stack();
    if (pid == 0) {
        ck_assert_int_lt(engine.lifeline, 0); /* the parent's, which no other may hold open */
        unsigned fds = lab_open_fds();
        ck_assert_int_eq(read(turn[0], &go, 1), 1);
        echo(&e, before, 'c');
        fds += engine.lifeline >= 0; /* its own, if there is a housekeeper */
        ck_assert_int_eq(engine_proc()->pid, getpid());
        ck_assert_uint_eq(procs(), 2);
        int own;
        struct end mine = end_pair(&own);
        for (int i = 0; i < 20; i++)
            echo(&mine, own, (char)i);
        end_drop(&mine);
        close(own);
        /* The parent's descriptors of the engine were given up for the child's own. */
        ck_assert_uint_eq(lab_open_fds(), fds);
        ck_assert_int_eq(write(back[1], "x", 1), 1);
        ck_assert_int_eq(read(turn[0], &go, 1), 1);
        echo(&e, before, 'd');
        lab_exit(0);
    }
    echo(&e, before, 'p');
    echo(&f, other, 'q');
    ck_assert_int_eq(write(turn[1], "x", 1), 1);
    ck_assert_int_eq(read(back[0], &go, 1), 1);
    echo(&e, before, 'r');
    ck_assert_int_eq(write(turn[1], "x", 1), 1);
    ck_assert_int_eq(lab_reap(pid), 0);
    echo(&e, before, 's');
    echo(&f, other, 't');
}
END_TEST

/* Each process waits for a connection of its own, and either may take the other's frames off the
 * ring: the doorbell. */
START_TEST(doorbell)
{
    struct config c = own_config();
    int mine, its;
    char got;

    c.busy_poll_us = _i ? 50 : 0;
    start(&c);
    struct end e = end_pair(&mine), f = end_pair(&its);
    pid_t pid = fork_stack();
    if (pid == 0) {
        for (;;) {
            ssize_t n = end_recv_some(&f, &got, 1);
            if (n == 0)
                lab_exit(0);
            end_send(&f, &got, 1);
        }
    }
    for (int i = 0; i < 200; i++) {
        peer_send(its, "x", 1);
        if (i % 2)
            peer_send(mine, "y", 1);
        peer_recv(its, &got, 1);
        ck_assert_int_eq(got, 'x');
        if (i % 2) {
            end_recv(&e, &got, 1);
            ck_assert_int_eq(got, 'y');
        }
    }
    /* The parent alone runs the stack now and then, and the child's thread is woken. */
    for (int i = 0; i < 100; i++) {
        peer_send(its, "x", 1);
        engine_run();
        peer_recv(its, &got, 1);
    }
    shutdown(its, SHUT_WR);
    ck_assert_int_eq(lab_reap(pid), 0);
    echo(&e, mine, 'z');
}
END_TEST

/* A child that does not touch the stack costs nothing, and disturbs nobody. */
START_TEST(child_that_does_nothing)
{
    struct config c = own_config();
    int peer;

    start(&c);
    struct end e = end_pair(&peer);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork_stack();
        if (pid == 0) {
            engine_fork_prepare(); /* a child's child */
            pid_t grandchild = fork();
            if (grandchild == 0) {
                engine_fork_child();
                lab_exit(7);
            }
            engine_fork_parent();
            ck_assert_int_eq(lab_reap(grandchild), 7);
            lab_exit(0);
        }
        ck_assert_int_eq(lab_reap(pid), 0);
    }
    ck_assert_uint_eq(procs(), 1);
    echo(&e, peer, 'x');
}
END_TEST

/* Killed in the middle of an entry: the next owner of the lock repairs the stack. */
START_TEST(death_inside)
{
    struct config c = own_config();
    int peer;

    c.log_level = LOG_LEVEL_OFF;
    start(&c);
    struct end e = end_pair(&peer);
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork_stack();
        if (pid == 0) {
            engine_enter();
            raise(SIGKILL);
        }
        ck_assert_int_eq(lab_reap(pid), 128 + SIGKILL);
        echo(&e, peer, 'x');
    }
}
END_TEST

/* A child in a sandbox, which may have no more descriptors, goes on with those it has. */
START_TEST(child_without_descriptors)
{
    const struct rlimit none = {0, 0};
    struct config c = own_config();
    int mine, its, done[2];
    char got;

    c.log_level = LOG_LEVEL_OFF;
    start(&c);
    struct end e = end_pair(&mine), f = end_pair(&its);
    ck_assert_int_eq(pipe(done), 0);
    pid_t pid = fork_stack();
    if (pid == 0) {
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        for (int i = 0; i < 20; i++)
            echo(&f, its, (char)i);
        ck_assert_int_eq(end_wait(&f, POLLIN, clock_now_us() + 10000), -ETIMEDOUT);
        ck_assert_int_eq(write(done[1], "x", 1), 1);
        ck_assert_int_eq(end_recv_some(&f, &got, 1), 0);
        lab_exit(0);
    }
    for (int i = 0; i < 50; i++)
        echo(&e, mine, (char)i);
    ck_assert_int_eq(read(done[0], &got, 1), 1);
    shutdown(its, SHUT_WR);
    ck_assert_int_eq(lab_reap(pid), 0);
    for (int i = 0; i < 50; i++)
        echo(&e, mine, (char)i);
}
END_TEST

/* ---- the last close ---- */

START_TEST(last_close)
{
    struct config c = own_config();
    int peer;

    start(&c);
    struct end e = end_pair(&peer);
    struct end u = end_open(SOCK_DGRAM), s = end_open(SOCK_STREAM);
    int copy = dup(u.fd);
    end_drop(&e);
    peer_expect_end(peer); /* its FIN */
    UNTIL(!end_lives(&e));
    end_drop(&s);
    end_drop(&u); /* but for the copy */
    UNTIL(!end_lives(&s));
    ck_assert(end_lives(&u));
    close(copy);
    UNTIL(!end_lives(&u));
}
END_TEST

/* Not the first holder's close counts, but the last one's, and death is as good as close. */
START_TEST(last_close_of_many)
{
    struct config c = own_config();
    int peer, hold[2];
    char got;

    start(&c);
    struct end e = end_pair(&peer);
    ck_assert_int_eq(pipe(hold), 0);
    pid_t pid = fork_stack();
    if (pid == 0) {
        close(hold[1]);
        ck_assert_int_eq(read(hold[0], &got, 1), 0);
        raise(SIGKILL);
    }
    end_drop(&e);
    struct end other = end_open(SOCK_DGRAM);
    end_drop(&other); /* its event comes after whatever e's might be */
    UNTIL(!end_lives(&other));
    ck_assert(end_lives(&e));
    close(hold[1]);
    peer_expect_end(peer);
    UNTIL(!end_lives(&e));
    ck_assert_int_eq(lab_reap(pid), 128 + SIGKILL);
}
END_TEST

/* More events than the queue holds: it is not the end. */
START_TEST(lost_events)
{
    struct config c = own_config();
    int tiny = 0, room = 100000;

    c.log_level = LOG_LEVEL_OFF;
    start(&c);
    ck_assert_int_eq(
        setsockopt(engine.fds[LOOP_CLOSED], SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
    engine_enter(); /* nobody reads them */
    for (int i = 0; i < 100; i++)
        close(socket(AF_INET, SOCK_DGRAM, 0));
    engine_leave();
    struct pollfd p = {.fd = engine.fds[LOOP_CLOSED], .events = POLLIN};
    UNTIL(poll(&p, 1, 0) == 0);
    ck_assert_int_eq(setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    struct end e = end_open(SOCK_DGRAM);
    end_drop(&e);
    UNTIL(!end_lives(&e));
}
END_TEST

/* ---- exec ---- */

#define HEIR_PORT 5999
enum { ARENA, RX, TX, SOCKET, PEER_END, LISTENER, HEIR_FDS };

static int heir_fds[HEIR_FDS];

/* The image after exec. */
START_TEST(heir)
{
    struct engine_heirloom h = {heir_fds[ARENA], heir_fds[RX], heir_fds[TX]};
    struct end e = {.fd = heir_fds[SOCKET]};
    socklen_t len = sizeof(e.cookie);
    char why[256];

    for (int i = ARENA; i <= TX; i++)
        engine_fd_adopt(heir_fds[i], true);
    int r = engine_join(&h, why, sizeof(why));
    ck_assert_msg(r == 0, "%s", why);
    ck_assert_int_eq(engine_join(&h, NULL, 0), 0);
    ck_assert_str_eq(engine_config()->interface, "veth0");
    ck_assert_uint_eq(procs(), 2); /* the image before exec has no record any more */
    ck_assert_int_eq(getsockopt(e.fd, SOL_SOCKET, SO_COOKIE, &e.cookie, &len), 0);
    struct stack *st = engine_enter();
    e.so = sock_by_cookie(st, e.cookie);
    engine_leave();
    ck_assert_ptr_nonnull(e.so);
    for (int i = 0; i < 20; i++)
        echo(&e, heir_fds[PEER_END], (char)i);
    struct end own = end_open(SOCK_STREAM);
    end_connect(&own, PEER_V4, HEIR_PORT);
    int peer = peer_accept(heir_fds[LISTENER]);
    for (int i = 0; i < 20; i++)
        echo(&own, peer, (char)i);
}
END_TEST

/* Its arguments are the descriptors. */
int heir_main(char **argv)
{
    Suite *s = suite_create("heir");
    TCase *tc = tcase_create("heir");
    for (int i = 0; i < HEIR_FDS; i++)
        heir_fds[i] = atoi(argv[i]);
    tcase_add_test(tc, heir);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_SILENT);
    int failed = srunner_ntests_failed(r);
    if (failed) {
        TestResult **results = srunner_failures(r);
        fprintf(stderr, "after exec: line %d: %s\n", tr_lno(results[0]), tr_msg(results[0]));
        free(results);
    }
    srunner_free(r);
    return failed;
}

static void exec_heir(const int fds[HEIR_FDS])
{
    char text[HEIR_FDS][16], *argv[HEIR_FDS + 3], name[] = "test_engine", what[] = "heir";
    argv[0] = name;
    argv[1] = what;
    argv[HEIR_FDS + 2] = NULL;
    for (int i = 0; i < HEIR_FDS; i++) {
        snprintf(text[i], sizeof(text[i]), "%d", fds[i]);
        argv[2 + i] = text[i];
        ck_assert_int_eq(fcntl(fds[i], F_SETFD, 0), 0);
    }
    execv("/proc/self/exe", argv);
    ck_abort_msg("exec: %s", strerror(errno));
}

START_TEST(stack_survives_exec)
{
    struct config c = own_config();
    struct engine_heirloom h;
    int peer;

    start(&c);
    struct end e = end_pair(&peer);
    int listener = lab_socket(PEER, SOCK_STREAM, HEIR_PORT);
    pid_t pid = fork_stack();
    if (pid == 0) {
        echo(&e, peer, 'x'); /* it has a record, and descriptors, which exec closes */
        ck_assert(engine_heirloom(&h));
        exec_heir((int[HEIR_FDS]){h.arena, h.rx, h.tx, e.fd, peer, listener});
    }
    ck_assert_int_eq(lab_reap(pid), 0);
    echo(&e, peer, 'y');
}
END_TEST

/* What is inherited may be something else. */
START_TEST(wrong_heirlooms)
{
    struct engine_heirloom h = {-1, -1, -1};
    struct arena_map map;
    char why[256];

    ck_assert_int_eq(engine_join(&h, why, sizeof(why)), -EBADF);
    ck_assert(!engine_running());
    /* Memory without a stack in it. */
    ck_assert_int_eq(arena_map_create(&map), 0);
    arena_init(map.base, map.size, 1 << 30);
    munmap(map.base, map.size);
    h.arena = engine_fd_hide(map.fd);
    ck_assert_int_eq(engine_join(&h, why, sizeof(why)), -EINVAL);
    ck_assert(!engine_running());
    ck_assert_ptr_nonnull(strstr(why, "no stack"));
    /* The stack starts afresh. */
    struct config c = own_config();
    start(&c);
}
END_TEST

TCase *test_engine_fork(void)
{
    TCase *tc = tcase_create("fork");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, both_go_on);
    tcase_add_loop_test(tc, doorbell, 0, 2);
    tcase_add_test(tc, child_that_does_nothing);
    tcase_add_test(tc, death_inside);
    tcase_add_test(tc, child_without_descriptors);
    tcase_add_test(tc, last_close);
    tcase_add_test(tc, last_close_of_many);
    tcase_add_test(tc, lost_events);
    tcase_add_test(tc, stack_survives_exec);
    tcase_add_test(tc, wrong_heirlooms);
    return tc;
}
