/* The descriptor table. */
#include <limits.h>

#include "test_shim.h"

START_TEST(unknown_numbers_are_the_kernels)
{
    shim_need();
    ck_assert_int_eq(fd_kind(0), FD_KERNEL);
    ck_assert_int_eq(fd_kind(-1), FD_KERNEL);
    ck_assert_int_eq(fd_kind(INT_MIN), FD_KERNEL);
    ck_assert_int_eq(fd_kind(INT_MAX), FD_KERNEL);
    ck_assert_ptr_null(fd_entry(-1));
    ck_assert_ptr_null(fd_entry(7));
    ck_assert_int_eq(fd_next(0), -1);
    fd_clear(7); /* harmless */
    ck_assert(!fd_is_alone(7));
}
END_TEST

START_TEST(kinds_are_set_and_cleared)
{
    shim_need();
    ck_assert_int_eq(fd_set_kind(1000, FD_PRIVATE), 0);
    ck_assert_int_eq(fd_set_kind(70000, FD_KERNEL), 0);
    ck_assert_int_eq(fd_set_kind(INT_MAX, FD_KERNEL), 0);
    ck_assert_int_eq(fd_kind(1000), FD_PRIVATE);
    ck_assert_int_eq(fd_next(0), 1000);
    ck_assert_int_eq(fd_next(1001), 70000);
    ck_assert_int_eq(fd_next(70001), INT_MAX);
    fd_clear(1000);
    ck_assert_int_eq(fd_kind(1000), FD_KERNEL);
    ck_assert_int_eq(fd_next(0), 70000);
}
END_TEST

START_TEST(copies_of_a_socket_form_a_ring)
{
    int fd = test_socket(SOCK_DGRAM, 0);
    ck_assert(fd_is_alone(fd));
    ck_assert_int_eq(fd_copy(fd, 100), 0);
    ck_assert_int_eq(fd_copy(100, 101), 0);
    ck_assert_int_eq(fd_kind(101), FD_STACK);
    ck_assert(!fd_is_alone(fd) && !fd_is_alone(100) && !fd_is_alone_here(101));
    fd_clear(100);
    ck_assert(!fd_is_alone(fd) && !fd_is_alone(101));
    fd_clear(fd);
    ck_assert(fd_is_alone(101));
    ck_assert_int_eq(fd_copy(5, 101), 0); /* a kernel descriptor takes its place */
    ck_assert_int_eq(fd_kind(101), FD_KERNEL);
}
END_TEST

START_TEST(a_copy_upon_itself_changes_nothing)
{
    int fd = test_socket(SOCK_DGRAM, 0);
    ck_assert_int_eq(fd_copy(fd, fd), 0);
    ck_assert_int_eq(fd_kind(fd), FD_STACK);
    ck_assert(fd_is_alone(fd));
}
END_TEST

START_TEST(a_shared_socket_is_never_alone)
{
    int fd = test_socket(SOCK_DGRAM, 0), other = test_socket(SOCK_DGRAM, 0);
    ck_assert_int_eq(fd_copy(fd, 100), 0);
    fd_mark_shared(100);
    fd_clear(100);
    ck_assert(!fd_is_alone(fd));
    ck_assert(fd_is_alone_here(fd));
    ck_assert(fd_is_alone(other));
    fd_mark_all_shared();
    ck_assert(!fd_is_alone(other));
}
END_TEST

START_TEST(the_cookie_finds_the_socket)
{
    int fd = test_socket(SOCK_DGRAM, 0), other = test_socket(SOCK_DGRAM, 0);
    engine_enter();
    struct sock *so = fd_sock(fd);
    ck_assert_ptr_nonnull(so);
    ck_assert_uint_eq(so->cookie, fd_kernel_cookie(fd));
    sock_close(fd_sock(other));
    ck_assert_ptr_null(fd_sock(other));
    ck_assert_ptr_eq(fd_sock(fd), so); /* others come and go */
    engine_leave();
    ck_assert_uint_eq(fd_kernel_cookie(0), 0);
}
END_TEST

START_TEST(a_number_replaced_behind_our_back_is_noticed)
{
    int fd = test_socket(SOCK_DGRAM, 0), pipes[2];
    char c = 'x';
    /* As when libc closes it inside itself, and the stack has heard of it. */
    engine_enter();
    sock_close(fd_sock(fd));
    engine_leave();
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(real.close(fd), 0);
    ck_assert_int_eq(real.fcntl(pipes[0], F_DUPFD, fd), fd);
    ck_assert_int_eq(write(pipes[1], &c, 1), 1);
    ck_assert_int_eq(read(fd, &c, 1), 1);
    ck_assert_int_eq(fd_kind(fd), FD_KERNEL);
}
END_TEST

Suite *shim_fd_suite(void)
{
    Suite *s = suite_create("shim fd");
    TCase *tc = tcase_create("fd");
    tcase_add_test(tc, unknown_numbers_are_the_kernels);
    tcase_add_test(tc, kinds_are_set_and_cleared);
    tcase_add_test(tc, copies_of_a_socket_form_a_ring);
    tcase_add_test(tc, a_copy_upon_itself_changes_nothing);
    tcase_add_test(tc, a_shared_socket_is_never_alone);
    tcase_add_test(tc, the_cookie_finds_the_socket);
    tcase_add_test(tc, a_number_replaced_behind_our_back_is_noticed);
    suite_add_tcase(s, tc);
    return s;
}
