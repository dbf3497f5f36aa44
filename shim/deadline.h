/* When the calls with a timeout give up, on the clock of clock_now_us(): 0 means at once,
 * TIMER_NEVER never. */
#ifndef SHIM_DEADLINE_H
#define SHIM_DEADLINE_H

#include <stdbool.h>
#include <time.h>

#include "base/timer.h"
#include "io/clock.h"

static inline bool deadline_valid(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

/* Of a valid timespec, rounded up; NULL: never. */
static inline uint64_t deadline_after(const struct timespec *t)
{
    if (!t)
        return TIMER_NEVER;
    if (t->tv_sec == 0 && t->tv_nsec == 0)
        return 0;
    if (t->tv_sec >= INT64_MAX / 1000000 / 2)
        return TIMER_NEVER;
    return clock_now_us() + (uint64_t)t->tv_sec * 1000000 + ((uint64_t)t->tv_nsec + 999) / 1000 + 1;
}

/* Of poll()'s and epoll_wait()'s milliseconds. */
static inline uint64_t deadline_after_ms(int ms)
{
    if (ms < 0)
        return TIMER_NEVER;
    return ms == 0 ? 0 : clock_now_us() + (uint64_t)ms * 1000 + 1;
}

static inline bool deadline_passed(uint64_t deadline_us)
{
    return deadline_us == 0 || (deadline_us != TIMER_NEVER && clock_now_us() >= deadline_us);
}

/* What is left until then; not for TIMER_NEVER. */
static inline uint64_t deadline_left_us(uint64_t deadline_us)
{
    uint64_t now = deadline_us ? clock_now_us() : 0;
    return deadline_us > now ? deadline_us - now : 0;
}

#endif
