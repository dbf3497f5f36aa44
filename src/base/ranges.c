/*
 * Ranges: a sorted array of disjoint ranges that do not touch, found by bisection. The array
 * doubles as needed, and is freed with the last range. A connection without loss never has one.
 */
#include "base/ranges.h"

#include <string.h>

#define CAP_LEAST 4 /* one small block of the arena */

void ranges_init(struct ranges *rs, struct arena *a, uint32_t max)
{
    *rs = (struct ranges){.arena = a, .max = max};
}

void ranges_clear(struct ranges *rs)
{
    struct range *r = rs->r;
    uint32_t cap = rs->cap;

    rs->len = rs->cap = 0;
    rs->r = NULL;
    arena_free(rs->arena, r, cap * sizeof *r);
}

/* The number of ranges that end before offset. */
static uint32_t ends_before(const struct ranges *rs, uint64_t offset)
{
    uint32_t low = 0, high = rs->len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (rs->r[mid].end < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Takes out the ranges first up to, not including, last. */
static void cut(struct ranges *rs, uint32_t first, uint32_t last)
{
    if (first == last)
        return;
    memmove(rs->r + first, rs->r + last, (rs->len - last) * sizeof *rs->r);
    rs->len -= last - first;
    if (rs->len == 0)
        ranges_clear(rs);
}

/* Makes room for one more range at place i. */
static bool open_slot(struct ranges *rs, uint32_t i)
{
    if (rs->len >= rs->max)
        return false;
    if (rs->len == rs->cap) {
        uint32_t cap = rs->cap ? rs->cap * 2 : CAP_LEAST;
        struct range *r = arena_alloc(rs->arena, cap * sizeof *r);
        if (!r)
            return false;
        if (rs->len > 0)
            memcpy(r, rs->r, rs->len * sizeof *r);
        arena_free(rs->arena, rs->r, rs->cap * sizeof *r);
        rs->r = r;
        rs->cap = cap;
    }
    memmove(rs->r + i + 1, rs->r + i, (rs->len - i) * sizeof *rs->r);
    rs->len++;
    return true;
}

bool ranges_add(struct ranges *rs, uint64_t start, uint64_t end)
{
    uint32_t first = ends_before(rs, start), last = first;

    while (last < rs->len && rs->r[last].start <= end)
        last++;
    if (first == last) {
        if (!open_slot(rs, first))
            return false;
    } else {
        if (rs->r[first].start < start)
            start = rs->r[first].start;
        if (rs->r[last - 1].end > end)
            end = rs->r[last - 1].end;
        cut(rs, first + 1, last);
    }
    rs->r[first] = (struct range){start, end};
    return true;
}

void ranges_drop_below(struct ranges *rs, uint64_t offset)
{
    uint32_t first = ends_before(rs, offset);

    if (first < rs->len && rs->r[first].end == offset)
        first++;
    if (first < rs->len && rs->r[first].start < offset)
        rs->r[first].start = offset;
    cut(rs, 0, first);
}

bool ranges_remove(struct ranges *rs, uint64_t start, uint64_t end)
{
    uint32_t first = ends_before(rs, start), last;

    if (start >= end)
        return true;
    if (first < rs->len && rs->r[first].start < start) {
        uint64_t old_end = rs->r[first].end;
        if (old_end > end) {
            if (!open_slot(rs, first))
                return false;
            rs->r[first + 1].start = end;
        }
        rs->r[first].end = start;
        if (old_end > end)
            return true;
        first++;
    }
    for (last = first; last < rs->len && rs->r[last].end <= end; last++)
        ;
    if (last < rs->len && rs->r[last].start < end)
        rs->r[last].start = end;
    cut(rs, first, last);
    return true;
}

/* The range that covers offset, or NULL. */
static const struct range *covering(const struct ranges *rs, uint64_t offset)
{
    uint32_t i = ends_before(rs, offset);

    if (i < rs->len && rs->r[i].end == offset)
        i++;
    return i < rs->len && rs->r[i].start <= offset ? &rs->r[i] : NULL;
}

uint64_t ranges_end_of(const struct ranges *rs, uint64_t offset)
{
    const struct range *r = covering(rs, offset);
    return r ? r->end : offset;
}

bool ranges_contain(const struct ranges *rs, uint64_t start, uint64_t end)
{
    return start >= end || ranges_end_of(rs, start) >= end;
}

uint64_t ranges_total(const struct ranges *rs)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < rs->len; i++)
        total += rs->r[i].end - rs->r[i].start;
    return total;
}
