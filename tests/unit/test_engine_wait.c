/* Threads that wait for sockets of the stack. */
#include "test_engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/engine_int.h"

#define THREADS 8
#define ROUNDS  40

static pthread_t thread(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, fn, arg), 0);
    return t;
}

static struct config config_of(int i)
{
    struct config c = own_config();
    c.busy_poll_us = i ? 50 : 0;
    return c;
}

static uint64_t soon(void)
{
    return clock_now_us() + 20000;
}

/* ---- one thread ---- */

START_TEST(nothing_to_wait_for)
{
    struct config c = config_of(_i);
    uint32_t set = 1, never = 0;

    start(&c);
    ck_assert_int_eq(engine_wait(&set, 0), 0);
    ck_assert_int_eq(engine_wait(&set, TIMER_NEVER), 0);
    ck_assert_int_eq(engine_wait(&never, 0), -ETIMEDOUT);
    uint64_t deadline = soon();
    ck_assert_int_eq(engine_wait(&never, deadline), -ETIMEDOUT);
    ck_assert_uint_ge(clock_now_us(), deadline);
}
END_TEST

/* The stack runs while a thread waits, whatever for. */
START_TEST(data_comes)
{
    struct config c = config_of(_i);
    int peer;
    char got[2];

    start(&c);
    struct end e = end_pair(&peer);
    ck_assert_int_eq(end_wait(&e, POLLIN, soon()), -ETIMEDOUT);
    for (int i = 0; i < 200; i++) {
        end_send(&e, "a", 1);
        peer_recv(peer, got, 1);
        peer_send(peer, "b", 1);
        end_recv(&e, got, 1);
        ck_assert_int_eq(got[0], 'b');
    }
    ck_assert_int_eq(end_wait(&e, POLLIN, soon()), -ETIMEDOUT);
    close(peer);
    ck_assert_int_eq(end_recv_some(&e, got, 1), 0);
}
END_TEST

START_TEST(signal_ends_the_wait)
{
    struct config c = own_config();
    uint32_t never = 0;

    sleep_hooks();
    start(&c);
    sleep_catch(0);
    sleep_interrupter_start();
    ck_assert_int_eq(engine_wait(&never, clock_now_us() + PATIENCE_US), -EINTR);
    sleep_interrupter_join();
    /* The next one is not affected. */
    ck_assert_int_eq(engine_wait(&never, soon()), -ETIMEDOUT);
}
END_TEST

/* What has come counts more than that a signal came too. */
START_TEST(data_and_signal)
{
    struct config c = own_config();
    int peer;
    uint32_t *word;

    sleep_hooks();
    start(&c);
    sleep_catch(0);
    struct end e = end_pair(&peer);
    struct waiter *w = end_waiter(&word);
    engine_enter();
    w->mask = POLLIN;
    sock_wait_add(e.so, w);
    engine_leave();
    peer_send(peer, "x", 1);
    UNTIL(__atomic_load_n(word, __ATOMIC_SEQ_CST)); /* the service thread took it */
    raise(SIGUSR1);
    ck_assert_int_eq(engine_wait(word, clock_now_us() + PATIENCE_US), 0);
}
END_TEST

/* Out of the sleep by siglongjmp, again and again: nothing is left behind that would keep others
 * from being woken. */
START_TEST(left_by_longjmp)
{
    struct config c = own_config();
    uint32_t never = 0;
    volatile int times = 0;
    int peer, pipes[2];
    char got;

    sleep_hooks();
    start(&c);
    struct end e = end_pair(&peer);
    ck_assert_int_eq(pipe(pipes), 0);
    sleep_catch_and_leave();
    if (sigsetjmp(sleep_away, 1) == 0 || (sleep_interrupter_join(), ++times < 10)) {
        sleep_interrupter_start();
        if (times % 2) {
            engine_wait(&never, TIMER_NEVER);
        } else {
            struct pollfd p = {.fd = pipes[0], .events = POLLIN};
            engine_poll(&p, 1, &never, TIMER_NEVER, NULL);
        }
        ck_abort_msg("the wait came back");
    }
    ck_assert_int_eq(times, 10);
    for (int i = 0; i < 50; i++) {
        end_send(&e, "a", 1);
        peer_recv(peer, &got, 1);
        peer_send(peer, "b", 1);
        end_recv(&e, &got, 1);
    }
}
END_TEST

/* ---- many threads ---- */

struct worker {
    pthread_t thread;
    struct end end;
    int peer;
    unsigned seen; /* atomic */
};

/* Answers each byte with the next one. */
static void *answer(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        uint8_t got;
        ssize_t n = end_recv_some(&w->end, &got, 1);
        if (n == 0)
            return NULL;
        ck_assert_int_eq(n, 1);
        got++;
        end_send(&w->end, &got, 1);
        __atomic_fetch_add(&w->seen, 1, __ATOMIC_SEQ_CST);
    }
}

static void workers_start(struct worker *w, int n)
{
    for (int i = 0; i < n; i++) {
        w[i] = (struct worker){.peer = -1};
        w[i].end = end_pair(&w[i].peer);
        w[i].thread = thread(answer, &w[i]);
    }
}

static void worker_end(struct worker *w)
{
    close(w->peer);
    ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
}

static void ask(const struct worker *w, uint8_t byte)
{
    uint8_t got;
    peer_send(w->peer, &byte, 1);
    peer_recv(w->peer, &got, 1);
    ck_assert_int_eq(got, (uint8_t)(byte + 1));
}

/* Each thread waits for its own socket; one leads, whichever it is. */
START_TEST(many_threads)
{
    struct config c = config_of(_i);
    struct worker w[THREADS];
    uint64_t random = 1;

    start(&c);
    workers_start(w, THREADS);
    for (int i = 0; i < ROUNDS * THREADS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        ask(&w[(random >> 33) % THREADS], (uint8_t)i);
    }
    /* All at once. */
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t byte = (uint8_t)i, got;
        for (int k = 0; k < THREADS; k++)
            peer_send(w[k].peer, &byte, 1);
        for (int k = 0; k < THREADS; k++)
            peer_recv(w[k].peer, &got, 1);
    }
    /* Whoever led goes away: the others are served as before. */
    for (int i = 0; i < THREADS; i++) {
        worker_end(&w[i]);
        for (int k = i + 1; k < THREADS; k++)
            ask(&w[k], (uint8_t)k);
    }
}
END_TEST

/* Both ends are in this process: what one thread sends wakes the other. */
START_TEST(threads_wake_each_other)
{
    struct config c = config_of(_i);
    struct worker w = {.peer = -1};
    uint8_t byte;

    start(&c);
    struct end listener = end_open(SOCK_STREAM), e = end_open(SOCK_STREAM);
    end_bind(&listener, 7000);
    end_connect(&e, OUR_V4, 7000);
    w.end = end_accept(&listener);
    w.thread = thread(answer, &w);
    for (int i = 0; i < 200; i++) {
        byte = (uint8_t)i;
        end_send(&e, &byte, 1);
        end_recv(&e, &byte, 1);
        ck_assert_int_eq(byte, (uint8_t)(i + 1));
    }
    end_drop(&e);
    ck_assert_int_eq(pthread_join(w.thread, NULL), 0);
}
END_TEST

/* Nobody waits in the engine: the service thread answers for the stack. */
START_TEST(service_thread)
{
    struct config c = config_of(_i);
    int peer;
    uint8_t data[20000], got[20000];

    start(&c);
    struct end e = end_pair(&peer);
    pattern(data, 0, sizeof(data));
    peer_send(peer, data, sizeof(data));
    UNTIL((engine_enter(), engine_leave(), tcp_readable_bytes(e.so->tcp) == sizeof(data)));
    ck_assert_int_eq(end_try_recv(&e, got, sizeof(got)), sizeof(got));
    ck_assert(is_pattern(got, 0, sizeof(got)));
    /* Timers too: the delayed ACK that lets the peer's kernel forget what it sent. */
    shutdown(peer, SHUT_WR);
    UNTIL((engine_enter(), engine_leave(), tcp_state(e.so->tcp) == TCP_CLOSE_WAIT));
}
END_TEST

/* A call takes in what has come: here nobody else can, but for the housekeeper, who stands by. */
START_TEST(calls_take_frames_in)
{
    struct config c = own_config();
    int peer;
    char got;

    start(&c);
    struct end e = end_pair(&peer);
    engine_freeze();
    for (int i = 0; i < 50; i++) {
        peer_send(peer, "x", 1);
        UNTIL(link_packet_ready(engine.link) || tcp_readable_bytes(e.so->tcp) > 0);
        ck_assert_int_eq(end_try_recv(&e, &got, 1), 1);
    }
    engine_thaw();
}
END_TEST

/* A thread that makes one call after the other, and never waits, keeps the service thread from
 * frames, but not from timers. */
START_TEST(calls_without_end)
{
    struct config c = own_config();
    uint64_t deadline = clock_now_us() + PATIENCE_US;
    int peer;

    start(&c);
    struct end e = end_pair(&peer);
    lab_link(PEER, "veth0", false);
    end_send(&e, "x", 1); /* lost */
    for (uint64_t again = 0; again == 0;) {
        engine_enter();
        again = engine.st->tcp.stats.retrans_segs + engine.st->tcp.stats.timeouts;
        engine_leave();
        ck_assert_uint_lt(clock_now_us(), deadline);
    }
}
END_TEST

/* ---- more wakes than one batch holds ---- */

#define CROWD 200

static void *crowd(void *arg)
{
    struct end *e = arg;
    char got;
    ck_assert_int_eq(end_recv_some(e, &got, 1), 0);
    return NULL;
}

START_TEST(crowd_of_threads)
{
    struct config c = own_config();
    pthread_t t[CROWD];
    int peer;

    sleep_hooks();
    start(&c);
    struct end e = end_pair(&peer);
    sleep_count_reset();
    for (int i = 0; i < CROWD; i++)
        t[i] = thread(crowd, &e);
    UNTIL(sleep_count() >= CROWD);
    shutdown(peer, SHUT_WR); /* one event for all */
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}
END_TEST

static unsigned notified; /* atomic */
static uint32_t notified_bits;

static bool on_notify(void *item, uint32_t fired)
{
    ck_assert_ptr_eq(item, &notified);
    __atomic_fetch_or(&notified_bits, fired, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&notified, 1, __ATOMIC_SEQ_CST);
    return false;
}

static void epoll_waiter(const struct end *e, uint32_t mask)
{
    struct stack *st = engine_enter();
    struct waiter *w = sock_waiter_new(st);
    ck_assert_ptr_nonnull(w);
    w->proc = engine_proc();
    w->kind = WAITER_EPOLL;
    w->item = &notified;
    w->mask = mask;
    sock_wait_add(e->so, w);
    engine_leave();
}

START_TEST(crowd_of_items)
{
    struct config c = own_config();
    int peer;

    engine_set_epoll_notify(on_notify);
    start(&c);
    struct end e = end_pair(&peer);
    for (int i = 0; i < CROWD; i++)
        epoll_waiter(&e, POLLIN);
    peer_send(peer, "x", 1);
    UNTIL(__atomic_load_n(&notified, __ATOMIC_SEQ_CST) == CROWD);
    ck_assert_uint_ne(notified_bits & POLLIN, 0);
    ck_assert_uint_eq(notified_bits & POLLOUT, 0);
}
END_TEST

/* ---- the program's own epoll instance ---- */

START_TEST(epoll_instance)
{
    struct config c = own_config();
    struct epoll_event ev[4];
    int peer, pipes[2];
    char got;

    start(&c);
    struct end e = end_pair(&peer);
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_eq(engine_epoll_attach(epfd), 0);
    ck_assert_int_eq(engine_epoll_attach(epfd), 0); /* of no further effect */
    ck_assert_int_eq(engine_epoll_attach(-1), -EBADF);
    ck_assert_int_eq(pipe(pipes), 0);
    struct epoll_event own = {.events = EPOLLIN, .data.u64 = 1};
    ck_assert_int_eq(epoll_ctl(epfd, EPOLL_CTL_ADD, pipes[0], &own), 0);

    for (int i = 0; i < 50; i++) {
        /* The engine's input wakes who waits there, and is the waiter's to handle. Or the service
         * thread was quicker. */
        peer_send(peer, "x", 1);
        ssize_t n;
        while ((n = end_try_recv(&e, &got, 1)) == -EAGAIN) {
            int k = epoll_wait(epfd, ev, 4, 10);
            ck_assert_int_ge(k, 0);
            for (int j = 0; j < k; j++)
                ck_assert_uint_eq(ev[j].data.u64, ENGINE_EPOLL_TAG);
            if (k > 0)
                engine_run();
        }
        ck_assert_int_eq(n, 1);
    }
    engine_run(); /* when there is nothing to do */
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    UNTIL((engine_run(), epoll_wait(epfd, ev, 4, 0) == 1 && ev[0].data.u64 == 1));
    engine_epoll_detach(epfd);
    peer_send(peer, "x", 1);
    end_recv(&e, &got, 1);
    ck_assert_int_eq(epoll_wait(epfd, ev, 4, 0), 1);
    ck_assert_uint_eq(ev[0].data.u64, 1);
}
END_TEST

TCase *test_engine_wait(void)
{
    TCase *tc = tcase_create("wait");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_loop_test(tc, nothing_to_wait_for, 0, 2);
    tcase_add_loop_test(tc, data_comes, 0, 2);
    tcase_add_test(tc, signal_ends_the_wait);
    tcase_add_test(tc, data_and_signal);
    tcase_add_test(tc, left_by_longjmp);
    tcase_add_loop_test(tc, many_threads, 0, 2);
    tcase_add_loop_test(tc, threads_wake_each_other, 0, 2);
    tcase_add_loop_test(tc, service_thread, 0, 2);
    tcase_add_test(tc, calls_take_frames_in);
    tcase_add_test(tc, calls_without_end);
    tcase_add_test(tc, crowd_of_threads);
    tcase_add_test(tc, crowd_of_items);
    tcase_add_test(tc, epoll_instance);
    return tc;
}
