/* The clocks. Both are read through the vDSO: no system call. */
#include "io/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t clock_realtime_us(void)
{
    return (int64_t)read_us(CLOCK_REALTIME);
}

uint64_t clock_now_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}
