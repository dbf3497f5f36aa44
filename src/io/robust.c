/*
 * A robust mutex, and one thing more: whoever waits looks again by himself.
 *
 * The kernel wakes one waiter of a robust futex whose owner died, if the word says that somebody
 * waits. That is not enough when a whole process is killed:
 *
 *      owner A, thread 1     B (the same process)     C (another process)
 *      holds the lock        sleeps                   sleeps              word: A, and waiters
 *      unlocks: wakes B                                                   word: 0
 *      locks again           (woken, not yet back)    sleeps              word: A
 *      killed                killed                   sleeps              word: A's death
 *
 * It was B's part to say in the word that C still waits. So nobody sleeps longer than LOOK_US.
 */
#include "io/robust.h"

#include <errno.h>
#include <time.h>

#include "io/clock.h"

#define LOOK_US 50000u
/* The lock is held for a few microseconds: as long as it takes to go to sleep and be woken. */
#define SPINS      20
#define SPIN_LOOPS 20

int robust_init(struct robust *r)
{
    pthread_mutexattr_t a;
    int err;

    r->torn = false;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    err = pthread_mutex_init(&r->mutex, &a);
    pthread_mutexattr_destroy(&a);
    return -err;
}

void robust_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* What pthread_mutex_trylock() returns in the end. */
static int spin(struct robust *r)
{
    int err = pthread_mutex_trylock(&r->mutex);

    for (int i = 0; err == EBUSY && i < SPINS; i++) {
        for (int k = 0; k < SPIN_LOOPS; k++)
            robust_relax();
        err = pthread_mutex_trylock(&r->mutex);
    }
    return err;
}

/* What pthread_mutex_lock() returns, but for ETIMEDOUT at until_us. */
static int lock_until(struct robust *r, uint64_t until_us)
{
    int err = spin(r);

    if (err != EBUSY)
        return err;
    do {
        uint64_t look_us = clock_now_us() + LOOK_US;
        if (look_us > until_us)
            look_us = until_us;
        const struct timespec ts = {(time_t)(look_us / 1000000), (long)(look_us % 1000000 * 1000)};
        err = pthread_mutex_clocklock(&r->mutex, CLOCK_MONOTONIC, &ts);
    } while (err == ETIMEDOUT && clock_now_us() < until_us);
    return err;
}

static int lock_and_note(struct robust *r, uint64_t until_us)
{
    int err = lock_until(r, until_us);

    if (err == EOWNERDEAD) {
        r->torn = true;
        err = pthread_mutex_consistent(&r->mutex);
    }
    return -err;
}

bool robust_lock(struct robust *r)
{
    (void)lock_and_note(r, UINT64_MAX);
    return r->torn;
}

int robust_lock_within(struct robust *r, uint64_t us)
{
    return lock_and_note(r, clock_now_us() + us);
}

void robust_mended(struct robust *r)
{
    r->torn = false;
}

void robust_unlock(struct robust *r)
{
    pthread_mutex_unlock(&r->mutex);
}
