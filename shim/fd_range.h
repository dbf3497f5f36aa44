/* Ranges of descriptor numbers with gaps: for close_range(), which must leave out the engine's own.
 */
#ifndef SHIM_FD_RANGE_H
#define SHIM_FD_RANGE_H

#include <limits.h>
#include <stdbool.h>

struct fd_range {
    unsigned first, last; /* what is left; nothing when first > last */
    bool done;
};

/*
 * The next piece [*from, *to] of r without the numbers that gap() names: gap(n) is the first one >=
 * n, or -1. False when nothing is left.
 */
static inline bool fd_range_next(struct fd_range *r, int (*gap)(int n), unsigned *from,
                                 unsigned *to)
{
    while (!r->done && r->first <= r->last) {
        int g = r->first <= INT_MAX ? gap((int)r->first) : -1;
        *from = r->first;
        if (g < 0 || (unsigned)g > r->last) {
            *to = r->last;
            r->done = true;
            return true;
        }
        r->first = (unsigned)g + 1;
        if ((unsigned)g > *from) {
            *to = (unsigned)g - 1;
            return true;
        }
    }
    return false;
}

#endif
