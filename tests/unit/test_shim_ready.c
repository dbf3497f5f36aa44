/* epoll, poll, select and the descriptor calls, on a stack that talks to itself. Against the kernel
 * they are compared in tests/net. */
#include "test_shim.h"

#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "epset_int.h"

static int add(int epfd, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
}

/* epoll_wait() for one event: its conditions, 0 for none. */
static uint32_t wait_one(int epfd, int timeout_ms, uint64_t data)
{
    struct epoll_event ev;
    int n = epoll_wait(epfd, &ev, 1, timeout_ms);
    ck_assert_int_ge(n, 0);
    if (n == 0)
        return 0;
    ck_assert_uint_eq(ev.data.u64, data);
    return ev.events;
}

static unsigned waiters(void)
{
    unsigned n = engine_enter()->waiters.live;
    engine_leave();
    return n;
}

START_TEST(level_and_edge)
{
    int pair[2], ep = epoll_create1(0);
    char c;
    test_tcp_pair(pair);
    ck_assert_int_eq(add(ep, pair[0], EPOLLIN, 1), 0);
    ck_assert_uint_eq(wait_one(ep, 0, 0), 0);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_uint_eq(wait_one(ep, -1, 1), EPOLLIN);
    ck_assert_uint_eq(wait_one(ep, -1, 1), EPOLLIN);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 2};
    ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_MOD, pair[0], &ev), 0);
    ck_assert_uint_eq(wait_one(ep, 0, 2), EPOLLIN);
    ck_assert_uint_eq(wait_one(ep, 0, 2), 0);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_uint_eq(wait_one(ep, 0, 2), EPOLLIN);
    ck_assert_int_eq(recv(pair[0], &c, 1, 0), 1);
    ck_assert_uint_eq(wait_one(ep, 0, 2), 0);
}
END_TEST

START_TEST(what_is_closed_is_forgotten)
{
    int pair[2], ep = epoll_create1(0);
    test_tcp_pair(pair);
    unsigned before = waiters();
    ck_assert_int_eq(add(ep, pair[0], EPOLLOUT, 1), 0);
    ck_assert_int_eq(add(ep, pair[1], EPOLLOUT, 1), 0);
    ck_assert_uint_eq(waiters(), before + 2);
    ck_assert_int_eq(close(pair[0]), 0);
    ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_DEL, pair[1], NULL), 0);
    ck_assert_uint_eq(wait_one(ep, 0, 0), 0);
    ck_assert_uint_eq(waiters(), before);
    ck_assert_int_eq(add(ep, pair[1], EPOLLOUT, 1), 0);
    int copy = dup(ep);
    ck_assert_int_eq(close(ep), 0);
    ck_assert_uint_ne(wait_one(copy, 0, 1), 0);
    ck_assert_int_eq(close(copy), 0);
    ck_assert_uint_eq(waiters(), before);
    ck_assert_int_eq(fd_next(FAKE_HIDDEN), -1);
}
END_TEST

START_TEST(no_memory_is_an_error_and_leaves_nothing)
{
    int pair[2], ep = epoll_create1(0), failures = 0;
    test_tcp_pair(pair);
    struct pollfd p = {pair[0], POLLIN, 0};
    /* Everything of a slab's page is handed out first. */
    for (unsigned nth = 1; nth < 400; nth++) {
        struct stack *st = engine_enter();
        unsigned before = st->waiters.live;
        arena_fail_at(st->net.arena, 1);
        engine_leave();
        int fd = dup(pair[0]);
        if (add(ep, fd, EPOLLIN, 1) < 0) {
            ck_assert_int_eq(errno, ENOMEM);
            ck_assert_uint_eq(waiters(), before);
            failures++;
            ck_assert_int_eq(poll(&p, 1, 1), 0); /* the failure was used up */
        }
        if (fd > FAKE_HIDDEN - 20)
            break;
    }
    engine_enter();
    engine_leave();
    ck_assert_int_gt(failures, 0);
    ck_assert_uint_eq(wait_one(ep, 0, 0), 0);
}
END_TEST

START_TEST(hidden_descriptors_are_not_open)
{
    int s = test_socket(SOCK_DGRAM, 0), ep = epoll_create1(0);
    ck_assert_int_eq(add(ep, s, EPOLLIN, 1), 0);
    int hidden = fd_next(FAKE_HIDDEN);
    ck_assert_int_ge(hidden, FAKE_HIDDEN);
    struct epoll_event ev;
    struct pollfd p = {hidden, POLLIN, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(hidden, &set);
    struct timeval now = {0};
    ck_assert_int_eq(close(hidden), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert(dup(hidden) == -1 && errno == EBADF);
    ck_assert(dup2(hidden, 7) == -1 && errno == EBADF);
    ck_assert(dup2(0, hidden) == -1 && errno == EBADF);
    ck_assert(dup3(0, hidden, O_CLOEXEC) == -1 && errno == EBADF);
    ck_assert(fcntl(hidden, F_GETFD) == -1 && errno == EBADF);
    ck_assert(ioctl(hidden, FIONREAD, &ev) == -1 && errno == EBADF);
    ck_assert(epoll_ctl(ep, EPOLL_CTL_DEL, hidden, NULL) == -1 && errno == EBADF);
    ck_assert(epoll_wait(hidden, &ev, 1, 0) == -1 && errno == EBADF);
    ck_assert(read(hidden, &ev, 1) == -1 && errno == EBADF);
    ck_assert(fdopen(hidden, "r") == NULL && errno == EBADF);
    ck_assert(sendfile(hidden, 0, NULL, 1) == -1 && errno == EBADF);
    ck_assert_int_eq(poll(&p, 1, -1), 1);
    ck_assert_int_eq(p.revents, POLLNVAL);
    ck_assert(select(hidden + 1, &set, NULL, NULL, &now) == -1 && errno == EBADF);
    ck_assert_int_eq(close_range(100, ~0u, 0), 0);
    ck_assert_int_ge(real.fcntl(hidden, F_GETFD), 0); /* it is, for us */
}
END_TEST

START_TEST(ranges_close_our_sockets)
{
    int pair[2], other = test_socket(SOCK_DGRAM, 9);
    test_tcp_pair(pair);
    int low = pair[0] < pair[1] ? pair[0] : pair[1];
    int copy = fcntl(other, F_DUPFD, 300);
    ck_assert_int_eq(copy, 300);
    ck_assert_int_eq(close_range((unsigned)low, 299, 0), 0);
    struct stack *st = engine_enter();
    ck_assert_uint_eq(st->socks.live, 1);
    engine_leave();
    ck_assert_int_eq(fd_kind(pair[0]), FD_KERNEL);
    ck_assert_int_eq(fd_kind(copy), FD_STACK);
    closefrom(other);
    st = engine_enter();
    ck_assert_uint_eq(st->socks.live, 0);
    engine_leave();
    ck_assert(close_range(5, 4, 0) == -1 && errno == EINVAL);
    ck_assert(close_range(4, 5, 0x1000) == -1 && errno == EINVAL);
}
END_TEST

START_TEST(dup2_replaces)
{
    int a = test_socket(SOCK_DGRAM, 9), b = test_socket(SOCK_DGRAM, 10);
    ck_assert(dup2(499, a) == -1 && errno == EBADF);
    ck_assert_int_eq(fd_kind(a), FD_STACK); /* unharmed */
    struct stack *st = engine_enter();
    ck_assert_uint_eq(st->socks.live, 2);
    engine_leave();
    ck_assert_int_eq(dup2(b, a), a);
    st = engine_enter();
    ck_assert_uint_eq(st->socks.live, 1);
    engine_leave();
    ck_assert_int_eq(close(b), 0);
    st = engine_enter();
    ck_assert_uint_eq(st->socks.live, 1);
    ck_assert_ptr_nonnull(fd_sock(a));
    engine_leave();
}
END_TEST

START_TEST(poll_waits_on_both_kinds)
{
    int pair[2], pipes[2];
    test_tcp_pair(pair);
    ck_assert_int_eq(pipe(pipes), 0);
    unsigned before = waiters();
    struct pollfd p[] = {{pair[0], POLLIN, 9}, {pipes[0], POLLIN, 9}, {-1, POLLIN, 9}};
    ck_assert_int_eq(poll(p, 3, 5), 0);
    ck_assert(p[0].revents == 0 && p[1].revents == 0 && p[2].revents == 0);
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    ck_assert_int_eq(poll(p, 3, -1), 1);
    ck_assert(p[0].revents == 0 && p[1].revents == POLLIN);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_int_eq(poll(p, 3, -1), 2);
    ck_assert(p[0].revents == POLLIN && p[1].revents == POLLIN);
    ck_assert_uint_eq(waiters(), before);
}
END_TEST

static int wake_fd;

static void *wake(void *unused)
{
    return send(wake_fd, "x", 1, 0) == 1 ? &wake_fd : NULL;
}

START_TEST(another_thread_makes_it_ready)
{
    int pair[2], pipes[2], ep = epoll_create1(0);
    pthread_t thread;
    void *done;
    char c;
    test_tcp_pair(pair);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(add(ep, pair[0], EPOLLIN, 1), 0);
    struct pollfd p[] = {{pair[0], POLLIN, 0}, {pipes[0], POLLIN, 0}};
    wake_fd = pair[1];
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, wake, NULL), 0);
        if (i == 0)
            ck_assert_uint_eq(wait_one(ep, -1, 1), EPOLLIN);
        else
            ck_assert_int_eq(poll(p, (nfds_t)i, -1), 1);
        ck_assert_int_eq(pthread_join(thread, &done), 0);
        ck_assert_ptr_nonnull(done);
        ck_assert_int_eq(recv(pair[0], &c, 1, 0), 1);
    }
}
END_TEST

static sigjmp_buf out_of_it;

static void leave(int sig)
{
    siglongjmp(out_of_it, 1);
}

START_TEST(a_wait_left_by_longjmp_leaves_nothing)
{
    int pair[2], ep = epoll_create1(0);
    test_tcp_pair(pair);
    ck_assert_int_eq(add(ep, pair[0], EPOLLIN, 1), 0);
    struct pollfd p = {pair[0], POLLIN, 0};
    unsigned before = waiters();
    signal(SIGALRM, leave);
    for (volatile int i = 0; i < 4; i++) {
        struct itimerval soon = {.it_value.tv_usec = 2000};
        setitimer(ITIMER_REAL, &soon, NULL);
        if (sigsetjmp(out_of_it, 1) == 0) {
            if (i % 2)
                poll(&p, 1, -1);
            else
                wait_one(ep, -1, 1);
            ck_abort_msg("it came back");
        }
    }
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_uint_eq(wait_one(ep, 1, 0), 0);
    ck_assert_uint_eq(waiters(), before);
    ck_assert_int_eq(close(ep), 0);
    ck_assert_int_eq(fd_next(FAKE_HIDDEN), -1); /* nobody is counted as asleep in it */
}
END_TEST

static void *wait_for_one(void *ep)
{
    struct epoll_event ev;
    return epoll_wait(*(int *)ep, &ev, 1, -1) == 1 ? ep : NULL;
}

/* Until so many threads are counted as asleep in ep. */
static void until_asleep(int ep, uint32_t sleepers)
{
    struct epset *set = epset_get(ep);
    for (bool yet = false; !yet; sched_yield()) {
        lock_take(&epset_lock);
        yet = set->sleepers == sleepers;
        lock_give(&epset_lock);
    }
    epset_put(set);
}

static sem_t left, finish;

/* Sleeps in ep, is taken out by a signal, and stays counted as asleep: its next wait would tell. */
static void *sleep_and_leave(void *ep)
{
    if (sigsetjmp(out_of_it, 1) == 0)
        wait_for_one(ep);
    sem_post(&left);
    sem_wait(&finish);
    return NULL;
}

/* The wake-up that is meant for a sleeper may be taken by a thread that is awake and looks. */
START_TEST(a_wake_taken_by_another_is_no_excuse)
{
    int pair[2], pipes[2], ep = epoll_create1(0);
    struct epoll_event ev[2];
    pthread_t thread, gone;
    void *done;
    test_tcp_pair(pair);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(add(ep, pair[0], EPOLLIN | EPOLLET, 1), 0);
    ck_assert_int_eq(add(ep, pipes[0], EPOLLIN, 2), 0);
    sem_init(&left, 0, 0);
    sem_init(&finish, 0, 0);
    signal(SIGALRM, leave);
    ck_assert_int_eq(pthread_create(&gone, NULL, sleep_and_leave, &ep), 0);
    until_asleep(ep, 1);
    pthread_kill(gone, SIGALRM);
    sem_wait(&left);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_int_eq(epoll_wait(ep, ev, 2, 0), 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_one, &ep), 0);
    until_asleep(ep, 2);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_int_eq(pthread_join(thread, &done), 0);
    ck_assert_ptr_eq(done, &ep);
    sem_post(&finish);
    ck_assert_int_eq(pthread_join(gone, NULL), 0);
}
END_TEST

START_TEST(an_instance_is_readable_from_outside)
{
    int pair[2], in = epoll_create1(0), out = epoll_create1(0);
    char c;
    test_tcp_pair(pair);
    ck_assert_int_eq(add(in, pair[0], EPOLLIN, 1), 0);
    ck_assert_int_eq(add(out, in, EPOLLIN, 2), 0);
    struct pollfd p = {in, POLLIN, 0};
    ck_assert_uint_eq(wait_one(out, 0, 2), 0);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_int_eq(send(pair[1], "x", 1, 0), 1);
    ck_assert_uint_eq(wait_one(out, -1, 2), EPOLLIN);
    ck_assert_int_eq(poll(&p, 1, -1), 1);
    ck_assert_int_eq(recv(pair[0], &c, 1, 0), 1);
    ck_assert_uint_eq(wait_one(out, 0, 2), 0);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
}
END_TEST

/* Without numbers for the descriptors of its copy, a child's epoll_ctl() was a SIGSEGV. */
START_TEST(a_forked_set_without_descriptors)
{
    int pair[2], ep = epoll_create1(0), status = -1;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.u64 = 2};
    struct rlimit all, none;
    test_tcp_pair(pair);
    ck_assert_int_eq(add(ep, pair[0], EPOLLIN, 1), 0);
    getrlimit(RLIMIT_NOFILE, &all);
    none = (struct rlimit){3, all.rlim_max};
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_NOFILE, &none);
        epoll_ctl(ep, EPOLL_CTL_MOD, pair[0], &ev);
        setrlimit(RLIMIT_NOFILE, &all);
        bool ok = epoll_ctl(ep, EPOLL_CTL_MOD, pair[0], &ev) == 0;
        real._exit(ok && wait_one(ep, -1, 2) == EPOLLOUT ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(both_sides_get_their_turn)
{
    int pair[2], pipes[2], ep = epoll_create1(0), seen[3] = {0};
    test_tcp_pair(pair);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(add(ep, pair[0], EPOLLOUT, 1), 0);
    ck_assert_int_eq(add(ep, pipes[1], EPOLLOUT, 2), 0);
    for (int i = 0; i < 10; i++) {
        struct epoll_event ev;
        ck_assert_int_eq(epoll_wait(ep, &ev, 1, -1), 1);
        seen[ev.data.u64]++;
    }
    ck_assert_int_ge(seen[1], 3);
    ck_assert_int_ge(seen[2], 3);
}
END_TEST

Suite *shim_ready_suite(void)
{
    Suite *s = suite_create("shim ready");
    TCase *t = tcase_create("ready");
    tcase_add_test(t, level_and_edge);
    tcase_add_test(t, what_is_closed_is_forgotten);
    tcase_add_test(t, no_memory_is_an_error_and_leaves_nothing);
    tcase_add_test(t, hidden_descriptors_are_not_open);
    tcase_add_test(t, ranges_close_our_sockets);
    tcase_add_test(t, dup2_replaces);
    tcase_add_test(t, poll_waits_on_both_kinds);
    tcase_add_test(t, another_thread_makes_it_ready);
    tcase_add_test(t, a_wait_left_by_longjmp_leaves_nothing);
    tcase_add_test(t, a_wake_taken_by_another_is_no_excuse);
    tcase_add_test(t, an_instance_is_readable_from_outside);
    tcase_add_test(t, a_forked_set_without_descriptors);
    tcase_add_test(t, both_sides_get_their_turn);
    suite_add_tcase(s, t);
    return s;
}
