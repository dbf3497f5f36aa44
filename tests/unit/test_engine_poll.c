/* engine_poll(): one wait for sockets of the stack and kernel descriptors. */
#include "test_engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"

#define MANY    200
#define THREADS 6
#define ROUNDS  40

static uint64_t soon(void)
{
    return clock_now_us() + 20000;
}

static uint64_t late(void)
{
    return clock_now_us() + PATIENCE_US;
}

static struct pollfd of_pipe(int pipes[2])
{
    ck_assert_int_eq(pipe(pipes), 0);
    return (struct pollfd){.fd = pipes[0], .events = POLLIN};
}

START_TEST(kernel_descriptors)
{
    struct config c = own_config();
    struct pollfd p[3];
    int pipes[2];
    uint32_t set = 1, never = 0;

    start(&c);
    p[0] = of_pipe(pipes);
    p[1] = (struct pollfd){.fd = -1, .events = POLLIN};
    p[2] = (struct pollfd){.fd = pipes[1], .events = POLLIN};
    ck_assert_int_eq(engine_poll(p, 3, &never, 0, NULL), 0);
    ck_assert_int_eq(engine_poll(p, 3, &never, soon(), NULL), 0);
    ck_assert_int_eq(engine_poll(p, 3, &set, TIMER_NEVER, NULL), 0);
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    ck_assert_int_eq(engine_poll(p, 3, &never, TIMER_NEVER, NULL), 1);
    ck_assert_int_eq(p[0].revents, POLLIN);
    ck_assert_int_eq(p[1].revents, 0);
    ck_assert_int_eq(p[2].revents, 0);
    ck_assert_int_eq(engine_poll(p, 3, &set, 0, NULL), 1); /* both are ready */
    p[2] = (struct pollfd){.fd = 9999, .events = POLLIN};
    ck_assert_int_eq(engine_poll(p, 3, &never, TIMER_NEVER, NULL), 2);
    ck_assert_int_eq(p[2].revents, POLLNVAL);
    close(pipes[1]);
    ck_assert_int_eq(engine_poll(p, 1, &never, TIMER_NEVER, NULL), 1);
    ck_assert_int_eq(p[0].revents, POLLIN | POLLHUP);
    /* None at all. */
    ck_assert_int_eq(engine_poll(NULL, 0, &never, soon(), NULL), 0);
    ck_assert_int_eq(engine_poll(NULL, 0, &set, TIMER_NEVER, NULL), 0);
}
END_TEST

START_TEST(many_descriptors)
{
    struct config c = own_config();
    struct pollfd p[MANY];
    int pipes[2];
    uint32_t never = 0;

    start(&c);
    for (int i = 0; i < MANY; i++)
        p[i] = of_pipe(pipes);
    ck_assert_int_eq(engine_poll(p, MANY, &never, soon(), NULL), 0);
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    ck_assert_int_eq(engine_poll(p, MANY, &never, TIMER_NEVER, NULL), 1);
    ck_assert_int_eq(p[MANY - 1].revents, POLLIN);
}
END_TEST

/* A socket of the stack becomes ready, and nothing of the kernel's does. */
START_TEST(socket_of_the_stack)
{
    struct config c = own_config();
    int peer, pipes[2];
    uint32_t *word;
    char got;

    start(&c);
    struct end e = end_pair(&peer);
    struct pollfd p = of_pipe(pipes);
    for (int i = 0; i < 100; i++) {
        struct waiter *w = end_waiter(&word);
        engine_enter();
        w->mask = POLLIN;
        sock_wait_add(e.so, w);
        engine_leave();
        peer_send(peer, "x", 1);
        ck_assert_int_eq(engine_poll(&p, 1, word, late(), NULL), 0);
        ck_assert_uint_eq(*word, 1);
        ck_assert_int_eq(end_try_recv(&e, &got, 1), 1);
    }
}
END_TEST

/* Threads that poll, threads that block, and the service thread, all on one stack. */
struct poller {
    pthread_t thread;
    struct end end;
    int peer, pipes[2];
    bool blocks;
};

static void *poller(void *arg)
{
    struct poller *s = arg;
    struct pollfd p = {.fd = s->pipes[0], .events = POLLIN};
    for (;;) {
        uint32_t *word;
        uint8_t got;
        ssize_t n = s->blocks ? end_recv_some(&s->end, &got, 1) : end_try_recv(&s->end, &got, 1);
        if (n == 0)
            return NULL;
        if (n == 1) {
            end_send(&s->end, &got, 1);
            continue;
        }
        ck_assert_int_eq(n, -EAGAIN);
        struct waiter *w = end_waiter(&word);
        engine_enter();
        w->mask = POLLIN;
        bool ready = sock_poll(s->end.so) & POLLIN;
        if (!ready)
            sock_wait_add(s->end.so, w);
        engine_leave();
        if (ready)
            continue;
        int r = engine_poll(&p, 1, word, late(), NULL);
        ck_assert_int_ge(r, 0);
        ck_assert(r == 1 || *word);
        if (r == 1) { /* the pipe is echoed too */
            ck_assert_int_eq(read(s->pipes[0], &got, 1), 1);
            end_send(&s->end, &got, 1);
        }
    }
}

START_TEST(many_threads)
{
    struct config c = own_config();
    struct poller s[THREADS];
    uint8_t byte, got;

    c.busy_poll_us = _i ? 50 : 0;
    start(&c);
    for (int i = 0; i < THREADS; i++) {
        s[i].end = end_pair(&s[i].peer);
        s[i].blocks = i % 3 == 2;
        ck_assert_int_eq(pipe(s[i].pipes), 0);
        ck_assert_int_eq(pthread_create(&s[i].thread, NULL, poller, &s[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        byte = (uint8_t)i;
        for (int k = 0; k < THREADS; k++) {
            if (s[k].blocks || (i + k) % 2)
                peer_send(s[k].peer, &byte, 1);
            else
                ck_assert_int_eq(write(s[k].pipes[1], &byte, 1), 1);
        }
        for (int k = 0; k < THREADS; k++) {
            peer_recv(s[k].peer, &got, 1);
            ck_assert_int_eq(got, byte);
        }
    }
    for (int k = 0; k < THREADS; k++) {
        close(s[k].peer);
        ck_assert_int_eq(pthread_join(s[k].thread, NULL), 0);
    }
}
END_TEST

/* ---- signals ---- */

static sigset_t blocked_but(int sig)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, sig);
    return set;
}

/* A signal that is blocked, but not for the time of the wait. */
START_TEST(signal_mask)
{
    struct config c = own_config();
    struct pollfd p;
    int pipes[2];
    uint32_t never = 0;
    sigset_t one, during = blocked_but(SIGUSR1);

    sleep_hooks();
    start(&c);
    p = of_pipe(pipes);
    sleep_catch(0);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &one, NULL), 0);
    for (nfds_t n = 0; n < 2; n++) {
        raise(SIGUSR1);
        ck_assert_int_eq(engine_poll(&p, n, &never, late(), &during), -EINTR);
        ck_assert_int_eq(engine_poll(&p, n, &never, soon(), &during), 0);
    }
}
END_TEST

START_TEST(signal_ends_the_wait)
{
    struct config c = own_config();
    struct pollfd p;
    int pipes[2];
    uint32_t never = 0;

    sleep_hooks();
    start(&c);
    p = of_pipe(pipes);
    sleep_catch(SA_RESTART); /* poll() is never started again */
    sleep_interrupter_start();
    ck_assert_int_eq(engine_poll(&p, 1, &never, late(), NULL), -EINTR);
    sleep_interrupter_join();
    ck_assert_int_eq(engine_poll(&p, 1, &never, soon(), NULL), 0);
}
END_TEST

/* ---- more sleepers than one page of slots ---- */

#define CROWD 300

static void *sleeper(void *arg)
{
    struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};
    uint32_t never = 0;
    ck_assert_int_eq(engine_poll(&p, 1, &never, late(), NULL), 1);
    return NULL;
}

START_TEST(crowd)
{
    struct config c = own_config();
    pthread_t t[CROWD];
    pthread_attr_t attr;
    int pipes[2], peer;
    char got;

    sleep_hooks();
    start(&c);
    ck_assert_int_eq(pipe(pipes), 0);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&t[i], &attr, sleeper, &pipes[0]), 0);
    UNTIL(sleep_count() >= CROWD);
    struct end e = end_pair(&peer);
    peer_send(peer, "x", 1);
    end_recv(&e, &got, 1);
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}
END_TEST

TCase *test_engine_poll(void)
{
    TCase *tc = tcase_create("poll");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, kernel_descriptors);
    tcase_add_test(tc, many_descriptors);
    tcase_add_test(tc, socket_of_the_stack);
    tcase_add_loop_test(tc, many_threads, 0, 2);
    tcase_add_test(tc, signal_mask);
    tcase_add_test(tc, signal_ends_the_wait);
    tcase_add_test(tc, crowd);
    return tc;
}
