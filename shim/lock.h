/*
 * A small lock for what belongs to this process alone. Its holder is inside (thread.h), so no
 * signal handler of the program meets it half-way; fork() takes it first and gives it back on both
 * sides.
 */
#ifndef SHIM_LOCK_H
#define SHIM_LOCK_H

#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct lock {
    uint32_t word; /* 0 free, 1 held, 2 held and somebody may sleep */
};

static inline void lock_take(struct lock *l)
{
    uint32_t was = 0;
    if (__atomic_compare_exchange_n(&l->word, &was, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static inline void lock_give(struct lock *l)
{
    if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
