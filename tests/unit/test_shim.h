#ifndef TEST_SHIM_H
#define TEST_SHIM_H

#include <check.h>

#include "fake_engine.h"
#include "shim.h"

Suite *shim_block_suite(void);
Suite *shim_call_suite(void);
Suite *shim_epitem_suite(void);
Suite *shim_fd_suite(void);
Suite *shim_ready_suite(void);
Suite *shim_process_suite(void);
Suite *shim_signal_suite(void);

/* A socket of the stack; bound to FAKE_ADDRESS and the port unless that is 0. */
int test_socket(int type, uint16_t port);
/* Two ends of a TCP connection within the stack. */
void test_tcp_pair(int fds[2]);

#endif
