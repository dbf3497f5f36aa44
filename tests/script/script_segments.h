/* What the scripts of loss recovery share: segments of 1,460 bytes, known by their numbers. */
#ifndef SCRIPT_SEGMENTS_H
#define SCRIPT_SEGMENTS_H

#include "script.h"

#define S(n)            ((uint32_t)(n)*1460 + 1) /* where the segment with number n begins */
#define SEG(n)          OUT(.f = ACK, .seq = S(n), .ack = 1, .len = 1460)
#define SEG_AT(t, n)    OUT_AT(t, .f = ACK, .seq = S(n), .ack = 1, .len = 1460)
#define LAST_AT(t, n)   OUT_AT(t, .f = ACK | PSH, .seq = S(n), .ack = 1, .len = 1460)
#define NINE            SEG(0), SEG(1), SEG(2), SEG(3), SEG(4), SEG(5), SEG(6), SEG(7), SEG(8)
#define ACKED(t, n)     IN_AT(t, .f = ACK, .seq = 1, .ack = S(n))
#define SACK(t, n, ...) /* the segments before n, and the ranges of segments */                    \
    IN_AT(t, .f = ACK, .seq = 1, .ack = S(n), .sack = {__VA_ARGS__},                               \
          .nsack = 1 + sizeof((const uint32_t[][2]){__VA_ARGS__}) / 8)
#define R(a, b)                                                                                    \
    {                                                                                              \
        S(a), S(b)                                                                                 \
    }

#endif
