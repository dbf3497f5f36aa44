#include "test_shim.h"

#include <stdlib.h>
#include <string.h>

int test_socket(int type, uint16_t port)
{
    int fd = socket(AF_INET, type, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_kind(fd), FD_STACK);
    if (port) {
        struct sockaddr_in name = fake_name(FAKE_ADDRESS, port);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    }
    return fd;
}

void test_tcp_pair(int fds[2])
{
    int listener = test_socket(SOCK_STREAM, 80);
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 80);
    ck_assert_int_eq(listen(listener, 1), 0);
    fds[0] = test_socket(SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&name, sizeof(name)), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_msg(fds[1] >= 0, "accept: %s", strerror(errno));
    ck_assert_int_eq(close(listener), 0);
}

int main(void)
{
    SRunner *runner = srunner_create(shim_fd_suite());
    srunner_add_suite(runner, shim_signal_suite());
    srunner_add_suite(runner, shim_call_suite());
    srunner_add_suite(runner, shim_block_suite());
    srunner_add_suite(runner, shim_process_suite());
    srunner_add_suite(runner, shim_epitem_suite());
    srunner_add_suite(runner, shim_ready_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
