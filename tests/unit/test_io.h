/* Unit tests of the outside: what of it is pure. */
#ifndef TEST_IO_H
#define TEST_IO_H

#include <check.h>

TCase *test_io_config(void);
TCase *test_io_door(void);
TCase *test_io_host_key(void);
TCase *test_io_host_limits(void);
TCase *test_io_robust(void);
TCase *test_io_trace(void);

#endif
