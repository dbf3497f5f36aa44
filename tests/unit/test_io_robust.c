/* The lock of a family, whose owners are killed. */
#include "test_io.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/robust.h"

#define WAITERS 0x80000000u /* in the word: the kernel's FUTEX_WAITERS */

static struct robust *shared;

static void setup(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    ck_assert_int_eq(robust_init(shared), 0);
}

static void teardown(void)
{
    munmap(shared, sizeof(*shared));
}

static uint32_t *word(void)
{
    return (uint32_t *)(void *)&shared->mutex; /* glibc's futex is its first member */
}

static uint32_t word_now(void)
{
    return __atomic_load_n(word(), __ATOMIC_SEQ_CST);
}

/* A process that takes the lock and keeps it. */
static pid_t start_owner(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)robust_lock(shared);
        for (;;)
            pause();
    }
    while (word_now() == 0)
        sched_yield();
    return pid;
}

static void kill_it(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static bool is_asleep(pid_t pid)
{
    char path[32], state = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%*d %*s %c", &state), 1);
    fclose(f);
    return state == 'S';
}

/* A process that waits for the lock; its status is 1 when the lock says that an owner died. */
static pid_t start_waiter(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(robust_lock(shared) ? 1 : 0);
    while (!(word_now() & WAITERS) || !is_asleep(pid))
        sched_yield();
    return pid;
}

static int status_of(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(nobody_died)
{
    ck_assert(!robust_lock(shared));
    robust_unlock(shared);
    ck_assert_int_eq(robust_lock_within(shared, 0), 0);
    ck_assert(!shared->torn);
    robust_unlock(shared);
}
END_TEST

START_TEST(owner_died)
{
    kill_it(start_owner());
    ck_assert(robust_lock(shared));
    robust_unlock(shared);
    ck_assert_msg(robust_lock(shared), "said until it is repaired");
    robust_mended(shared);
    robust_unlock(shared);
    ck_assert(!robust_lock(shared));
    robust_unlock(shared);
}
END_TEST

START_TEST(owner_died_over_the_repair)
{
    kill_it(start_owner());
    kill_it(start_owner());
    ck_assert(robust_lock(shared));
    robust_unlock(shared);
}
END_TEST

START_TEST(looker_on_leaves_the_repair_to_others)
{
    pid_t owner = start_owner();

    ck_assert_int_eq(robust_lock_within(shared, 1000), -ETIMEDOUT);
    kill_it(owner);
    ck_assert_int_eq(robust_lock_within(shared, 1000), 0);
    ck_assert(shared->torn);
    robust_unlock(shared);
    ck_assert(robust_lock(shared));
    robust_unlock(shared);
}
END_TEST

/* Two threads of one process have the lock in turn, and a third party waits. The thread that was
 * woken would have said in the word that there is another one; it was killed before. */
START_TEST(nobody_is_left_to_wake_the_waiter)
{
    pid_t owner = start_owner(), waiter = start_waiter();

    __atomic_and_fetch(word(), ~WAITERS, __ATOMIC_SEQ_CST);
    kill_it(owner);
    ck_assert_int_eq(status_of(waiter), 1);
}
END_TEST

TCase *test_io_robust(void)
{
    TCase *tc = tcase_create("robust");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nobody_died);
    tcase_add_test(tc, owner_died);
    tcase_add_test(tc, owner_died_over_the_repair);
    tcase_add_test(tc, looker_on_leaves_the_repair_to_others);
    tcase_add_test(tc, nobody_is_left_to_wake_the_waiter);
    return tc;
}
