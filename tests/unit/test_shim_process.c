/* fork, vfork and the end of threads. */
#include <sys/wait.h>

#include "test_shim.h"

static int wait_for(pid_t pid)
{
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(fork_shares_the_sockets)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 7);
    ck_assert(fd_is_alone(fd));
    pid_t pid = fork();
    if (pid == 0) {
        int ok = shim_pid == getpid() && fd_kind(fd) == FD_STACK &&
                 sendto(fd, "c", 1, 0, (struct sockaddr *)&name, sizeof(name)) == 1 &&
                 close(fd) == 0;
        real._exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(wait_for(pid), 0);
    ck_assert(!fd_is_alone(fd));
    ck_assert_int_eq(recv(fd, &c, 1, 0), 1); /* the child's close() has not closed it here */
    ck_assert(!shim_inside());
}
END_TEST

START_TEST(bare_fork_shares_them_too)
{
    int fd = test_socket(SOCK_DGRAM, 7);
    pid_t pid = _Fork();
    if (pid == 0)
        real._exit(shim_pid == getpid() && !shim_inside() && fd_kind(fd) == FD_STACK ? 0 : 1);
    ck_assert_int_eq(wait_for(pid), 0);
    ck_assert(!fd_is_alone(fd));
}
END_TEST

START_TEST(a_child_of_vfork_closes_its_own_copy)
{
    char c;
    int fd = test_socket(SOCK_DGRAM, 7);
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 7);
    pid_t pid = vfork();
    if (pid == 0)
        real._exit(close(fd) == 0 ? 0 : 1);
    ck_assert_int_eq(wait_for(pid), 0);
    ck_assert_int_eq(fd_kind(fd), FD_STACK);
    ck_assert_int_eq(sendto(fd, "v", 1, 0, (struct sockaddr *)&name, sizeof(name)), 1);
    ck_assert_int_eq(recv(fd, &c, 1, 0), 1);
}
END_TEST

START_TEST(spawning_marks_sockets_as_shared)
{
    int fd = test_socket(SOCK_DGRAM, 7);
    ck_assert_int_eq(system("exit 3") >> 8, 3);
    ck_assert(!fd_is_alone(fd));
}
END_TEST

static void *wait_once(void *arg)
{
    char c;
    recv(*(int *)arg, &c, 1, 0);
    return NULL;
}

START_TEST(a_thread_takes_its_waiter_with_it)
{
    pthread_t thread;
    struct timeval tv = {0, 1000};
    int fd = test_socket(SOCK_DGRAM, 7);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_once, &fd), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    struct stack *st = engine_enter();
    ck_assert_uint_eq(st->waiters.live, 0);
    engine_leave();
}
END_TEST

Suite *shim_process_suite(void)
{
    Suite *s = suite_create("shim process");
    TCase *tc = tcase_create("process");
    tcase_add_test(tc, fork_shares_the_sockets);
    tcase_add_test(tc, bare_fork_shares_them_too);
    tcase_add_test(tc, a_child_of_vfork_closes_its_own_copy);
    tcase_add_test(tc, spawning_marks_sockets_as_shared);
    tcase_add_test(tc, a_thread_takes_its_waiter_with_it);
    suite_add_tcase(s, tc);
    return s;
}
