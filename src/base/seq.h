/* TCP sequence numbers: arithmetic modulo 2^32 (RFC 9293 3.4). */
#ifndef SHIM_BASE_SEQ_H
#define SHIM_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

/* The signed distance from b to a; meaningful while they are less than 2^31 apart. */
static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}
static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return seq_diff(a, b) < 0;
}
static inline bool seq_le(uint32_t a, uint32_t b)
{
    return seq_diff(a, b) <= 0;
}
static inline bool seq_gt(uint32_t a, uint32_t b)
{
    return seq_diff(a, b) > 0;
}
static inline bool seq_ge(uint32_t a, uint32_t b)
{
    return seq_diff(a, b) >= 0;
}
static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_gt(a, b) ? a : b;
}
static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? a : b;
}

/* Is s inside the window that starts at first and is len long? */
static inline bool seq_in(uint32_t s, uint32_t first, uint32_t len)
{
    return s - first < len;
}

#endif
