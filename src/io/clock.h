/* The clock: microseconds of CLOCK_MONOTONIC, the same in every process of the machine. */
#ifndef SHIM_IO_CLOCK_H
#define SHIM_IO_CLOCK_H

#include <stdint.h>

uint64_t clock_now_us(void);
/* Microseconds of CLOCK_REALTIME. */
int64_t clock_realtime_us(void);

#endif
