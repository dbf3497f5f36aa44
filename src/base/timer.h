/*
 * Timer queue: an intrusive pairing heap of deadlines, exact to the microsecond, that never
 * allocates. A timer says what it is by a kind (no function pointers in the arena); whoever calls
 * timers_pop_due() switches on it and finds the object with container_of().
 */
#ifndef SHIM_BASE_TIMER_H
#define SHIM_BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

struct timer {
    uint64_t deadline_us;
    struct timer *child, *next, *prev; /* prev: parent for the first child */
    uint16_t kind;
    bool armed;
};

/* All zeros is an empty queue. */
struct timers {
    struct timer *root;
    uint32_t count;
};

void timer_init(struct timer *t, uint16_t kind);
/* Arms, or moves, t to deadline_us. */
void timer_set(struct timers *q, struct timer *t, uint64_t deadline_us);
void timer_stop(struct timers *q, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return t->armed;
}
/* The earliest deadline, or TIMER_NEVER. */
static inline uint64_t timers_next(const struct timers *q)
{
    return q->root ? q->root->deadline_us : TIMER_NEVER;
}
/* Puts t, if it is armed, into the fresh queue q and forgets its old place: to make a queue anew
 * after a process died while changing it. */
void timer_rescue(struct timers *q, struct timer *t);
/* Takes out and returns the earliest timer with deadline_us <= now_us, or NULL. Equal deadlines
 * come in the order of no promise, but the same order for the same history. */
struct timer *timers_pop_due(struct timers *q, uint64_t now_us);

#endif
