/* What the tests of base/ share. */
#ifndef TEST_BASE_H
#define TEST_BASE_H

#include <check.h>

#include "base/arena.h"

/* An assertion for inner loops: those of Check cost a system call each, also when they hold. */
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond))                                                                               \
            ck_abort_msg("%s", #cond);                                                             \
    } while (0)

/* A fresh arena in sparse memory; freed by test_arena_free(). */
struct arena *test_arena(size_t size, size_t limit_bytes);
void test_arena_free(struct arena *a);

Suite *addr_suite(void);
Suite *arena_suite(void);
Suite *death_suite(void);
Suite *hash_suite(void);
Suite *list_suite(void);
Suite *log_suite(void);
Suite *ranges_suite(void);
Suite *ring_suite(void);
Suite *rng_suite(void);
Suite *slab_suite(void);
Suite *timer_suite(void);

#endif
