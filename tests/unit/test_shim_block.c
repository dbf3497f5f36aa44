/* Calls that block: signals, timeouts, longjmp, cancellation. */
#include <setjmp.h>
#include <string.h>
#include <sys/time.h>

#include "test_shim.h"

static volatile sig_atomic_t ticks;
static int sender = -1; /* what the handler sends on */
static sigjmp_buf jump;

static void tick(int sig)
{
    ticks++;
}

/* After some ticks, sends the datagram that the interrupted call waits for. */
static void tick_and_send(int sig)
{
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 7);
    if (++ticks == 3)
        sendto(sender, "x", 1, 0, (struct sockaddr *)&name, sizeof(name));
}

static void leave(int sig)
{
    siglongjmp(jump, 1);
}

/* SIGALRM again and again, so that one of them finds the thread asleep. */
static void tick_with(void (*handler)(int), int flags)
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
    struct itimerval every = {{0, 2000}, {0, 2000}};
    ticks = 0;
    ck_assert_int_eq(sigaction(SIGALRM, &act, NULL), 0);
    setitimer(ITIMER_REAL, &every, NULL); /* last: the handler may leave by siglongjmp */
}

static void tick_no_more(void)
{
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
}

static void set_timeout(int fd, int option, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)), 0);
}

START_TEST(a_handler_without_restart_ends_it)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    tick_with(tick, 0);
    ck_assert_int_eq(recv(fd, &c, 1, 0), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_gt(ticks, 0);
}
END_TEST

START_TEST(a_handler_with_restart_does_not)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    sender = test_socket(SOCK_DGRAM, 0);
    tick_with(tick_and_send, SA_RESTART);
    errno = 0;
    ck_assert_int_eq(recv(fd, &c, 1, 0), 1);
    ck_assert_int_eq(errno, 0);
    ck_assert_int_ge(ticks, 3);
}
END_TEST

START_TEST(with_a_timeout_restart_does_not_count)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    set_timeout(fd, SO_RCVTIMEO, 3600 * 1000);
    tick_with(tick, SA_RESTART);
    ck_assert_int_eq(recv(fd, &c, 1, 0), -1);
    ck_assert_int_eq(errno, EINTR);
}
END_TEST

START_TEST(a_timeout_is_eagain)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    set_timeout(fd, SO_RCVTIMEO, 1);
    ck_assert_int_eq(recv(fd, &c, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(longjmp_leaves_all_usable)
{
    volatile int rounds = 0, wrong = 0;
    char c;
    int fd = test_socket(SOCK_DGRAM, 7), other = test_socket(SOCK_DGRAM, 8);
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 7);
    /* The handler may jump from anywhere in here: only recv() must stand that, not check's macros.
     */
    if (sigsetjmp(jump, 1) == 0)
        tick_with(leave, 0);
    else
        rounds++;
    if (rounds < 5 && !wrong) {
        wrong = shim_inside() || shim_self.waiting;
        recv(rounds % 2 ? fd : other, &c, 1, 0);
        wrong = 1; /* nothing was sent */
    }
    tick_no_more();
    ck_assert_int_eq(wrong, 0);
    ck_assert(!shim_inside());
    ck_assert_int_eq(sendto(other, "y", 1, 0, (struct sockaddr *)&name, sizeof(name)), 1);
    ck_assert_int_eq(recv(fd, &c, 1, 0), 1);
    ck_assert_int_eq(c, 'y');
    engine_enter();
    ck_assert_uint_le(fd_sock(fd)->stack->waiters.live,
                      1); /* kept for the next time, not one each */
    engine_leave();
    set_timeout(other, SO_RCVTIMEO, 1);
    ck_assert_int_eq(recv(other, &c, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

static int cleaned_outside;

static void cleanup(void *arg)
{
    cleaned_outside = !shim_inside();
}

/* Cancellation leaves frames behind that AddressSanitizer knows nothing of. */
__attribute__((no_sanitize("address"))) static void *receive_for_ever(void *arg)
{
    char c;
    pthread_cleanup_push(cleanup, NULL);
    recv(*(int *)arg, &c, 1, 0);
    pthread_cleanup_pop(0);
    return NULL;
}

START_TEST(a_blocked_thread_can_be_cancelled)
{
    pthread_t thread;
    void *result;
    int fd = test_socket(SOCK_DGRAM, 7);
    ck_assert_int_eq(pthread_create(&thread, NULL, receive_for_ever, &fd), 0);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
    ck_assert_int_eq(cleaned_outside, 1);
    struct stack *st = engine_enter();
    ck_assert_uint_eq(st->waiters.live, 0);
    engine_leave();
}
END_TEST

static pthread_barrier_t gate;

__attribute__((no_sanitize("address"))) static void *receive_after_gate(void *arg)
{
    struct msghdr msg = {0}; /* recv() would have one in a frame that AddressSanitizer minds */
    pthread_barrier_wait(&gate);
    pthread_barrier_wait(&gate);
    recvmsg(*(int *)arg, &msg, 0);
    return NULL;
}

START_TEST(a_cancelled_thread_that_blocks_ends_as_cancelled)
{
    pthread_t thread;
    void *result;
    int fd = test_socket(SOCK_DGRAM, 7);
    pthread_barrier_init(&gate, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, receive_after_gate, &fd), 0);
    pthread_barrier_wait(&gate);
    ck_assert_int_eq(pthread_cancel(thread), 0); /* before it sleeps */
    pthread_barrier_wait(&gate);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}
END_TEST

static void *receive_one(void *arg)
{
    char c = 0;
    ssize_t r = recv(*(int *)arg, &c, 1, 0);
    return r == 1 && c == 'z' ? arg : NULL;
}

START_TEST(another_thread_wakes_it)
{
    pthread_t thread;
    void *result;
    int fd = test_socket(SOCK_DGRAM, 7), other = test_socket(SOCK_DGRAM, 0);
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 7);
    ck_assert_int_eq(pthread_create(&thread, NULL, receive_one, &fd), 0);
    ck_assert_int_eq(sendto(other, "z", 1, 0, (struct sockaddr *)&name, sizeof(name)), 1);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, &fd);
}
END_TEST

START_TEST(a_handler_may_use_sockets)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    sender = test_socket(SOCK_DGRAM, 0);
    tick_with(tick_and_send, 0);
    /* Each EINTR may come from any tick; the third has sent. */
    while (recv(fd, &c, 1, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(c, 'x');
}
END_TEST

START_TEST(sending_waits_for_room)
{
    static char data[1 << 20];
    int fds[2];
    test_tcp_pair(fds);
    set_timeout(fds[0], SO_SNDTIMEO, 1);
    ssize_t sent = send(fds[0], data, sizeof(data), 0), more = 1;
    ck_assert_int_gt(sent, 0);
    while (more > 0) /* until neither end takes any more */
        more = send(fds[0], data, sizeof(data), 0);
    ck_assert_int_eq(errno, EAGAIN);
    do /* a late ACK may have made room meanwhile */
        more = send(fds[0], data, 1, MSG_DONTWAIT);
    while (more > 0);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(waitall_waits_for_all)
{
    char buf[8];
    int fds[2];
    test_tcp_pair(fds);
    set_timeout(fds[1], SO_RCVTIMEO, 1);
    ck_assert_int_eq(send(fds[0], "abc", 3, 0), 3);
    ck_assert_int_eq(recv(fds[1], buf, 8, MSG_PEEK), 3);
    ck_assert_int_eq(recv(fds[1], buf, 8, MSG_WAITALL), 3); /* the timeout ends it: what there is */
    ck_assert_int_eq(recv(fds[1], buf, 8, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(send(fds[0], "abcdefgh", 8, 0), 8);
    ck_assert_int_eq(recv(fds[1], buf, 8, MSG_WAITALL), 8);
}
END_TEST

START_TEST(waitall_sees_the_end_that_is_there)
{
    char buf[8];
    int fds[2];
    test_tcp_pair(fds);
    ck_assert_int_eq(send(fds[0], "abc", 3, 0), 3);
    ck_assert_int_eq(close(fds[0]), 0);
    ck_assert_int_eq(recv(fds[1], buf, 8, MSG_WAITALL), 3);
    ck_assert_int_eq(recv(fds[1], buf, 8, MSG_WAITALL), 0);
}
END_TEST

START_TEST(closing_wakes_who_waits)
{
    char c;
    int fds[2];
    test_tcp_pair(fds);
    ck_assert_int_eq(close(fds[0]), 0);
    ck_assert_int_eq(recv(fds[1], &c, 1, 0), 0);
}
END_TEST

Suite *shim_block_suite(void)
{
    Suite *s = suite_create("shim block");
    TCase *tc = tcase_create("block");
    tcase_add_test(tc, a_handler_without_restart_ends_it);
    tcase_add_test(tc, a_handler_with_restart_does_not);
    tcase_add_test(tc, with_a_timeout_restart_does_not_count);
    tcase_add_test(tc, a_timeout_is_eagain);
    tcase_add_test(tc, longjmp_leaves_all_usable);
    tcase_add_test(tc, a_blocked_thread_can_be_cancelled);
    tcase_add_test(tc, a_cancelled_thread_that_blocks_ends_as_cancelled);
    tcase_add_test(tc, another_thread_wakes_it);
    tcase_add_test(tc, a_handler_may_use_sockets);
    tcase_add_test(tc, sending_waits_for_room);
    tcase_add_test(tc, waitall_waits_for_all);
    tcase_add_test(tc, waitall_sees_the_end_that_is_there);
    tcase_add_test(tc, closing_wakes_who_waits);
    suite_add_tcase(s, tc);
    return s;
}
