/*
 * A short ordered list of disjoint ranges [start, end) of 64-bit stream offsets: what has arrived
 * out of order. Touching ranges are merged. It allocates from the arena only when there is a range.
 */
#ifndef SHIM_BASE_RANGES_H
#define SHIM_BASE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct range {
    uint64_t start, end;
};

struct ranges {
    struct arena *arena;
    struct range *r;
    uint32_t len, cap, max; /* max: more ranges than this are refused */
};

void ranges_init(struct ranges *rs, struct arena *a, uint32_t max);
void ranges_clear(struct ranges *rs);
/* Adds [start, end), start < end. False when the list would exceed max or the arena is full; the
 * list is then unchanged. */
bool ranges_add(struct ranges *rs, uint64_t start, uint64_t end);
/* Takes away everything below offset. */
void ranges_drop_below(struct ranges *rs, uint64_t offset);
/* Takes [start, end) out, splitting ranges; false when that needs a slot that cannot be had. */
bool ranges_remove(struct ranges *rs, uint64_t start, uint64_t end);
/* The end of the range that covers offset, or offset itself when none does. */
uint64_t ranges_end_of(const struct ranges *rs, uint64_t offset);
bool ranges_contain(const struct ranges *rs, uint64_t start, uint64_t end);
uint64_t ranges_total(const struct ranges *rs);

#endif
