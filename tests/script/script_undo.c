/* Reductions of the window that were not needed: RFC 3522, RFC 3708, RFC 4015, RFC 5682. */
#include "script_segments.h"

#define OPEN(...)                                                                                  \
    LISTEN(8), IN(.f = SYN, .mss = 1460, __VA_ARGS__), OUT(.f = SYN | ACK, .ack = 1, .mss = 1460), \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0)

#define FEW  SEND(14600), NINE, LAST_AT(0, 9)
#define MANY DO(large_sndbuf), SEND(100000), NINE, SEG(9)

static void is_reduced(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd <= 7300 && s->pcb->ssthresh == 7300);
}
static void is_as_before(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd >= 14600 && s->pcb->ssthresh == UINT32_MAX);
    script_assert(s, s->pcb && s->pcb->recovery == TCP_RECOVERY_NONE && !s->pcb->lost_bytes);
    script_assert(s, s->tcp->stats.spurious == 1);
}

static void is_not_as_before(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->ssthresh != UINT32_MAX && s->tcp->stats.spurious == 0);
}

/* ---- D-SACK ---- */

SCRIPT(dsack_after_recovery, OPEN(.sackok = true), FEW, SACK(MS(10), 0, R(1, 4)), SEG(0),
       ACKED(MS(1), 10), DO(is_reduced), SACK(MS(9), 10, R(0, 1)), DO(is_as_before))
SCRIPT(dsack_in_recovery, OPEN(.sackok = true), FEW, SACK(MS(10), 0, R(1, 4)), SEG(0),
       ACKED(MS(1), 6), SACK(MS(9), 6, R(0, 1)), DO(is_as_before), ACKED(MS(1), 10))
/* All that was sent again must be told of. */
SCRIPT(dsack_of_one_of_two, OPEN(.sackok = true), FEW, SACK(MS(10), 0, R(2, 6)), SEG(0),
       SACK(0, 0, R(2, 8)), SEG(1), ACKED(MS(1), 10), SACK(MS(9), 10, R(0, 1)), DO(is_reduced),
       SACK(MS(1), 10, R(1, 2)), DO(is_as_before))
/* Copies that the network made say nothing. */
SCRIPT(dsack_of_what_was_never_sent_again, OPEN(.sackok = true), FEW, ACKED(MS(10), 2),
       SACK(0, 2, R(0, 1)), SACK(0, 2, R(1, 2)), SACK(MS(1), 2, R(3, 6)), SEG(2), ACKED(MS(1), 10),
       SACK(0, 10, R(0, 1)), DO(is_not_as_before))
/* Nor does what was sent again before, in another recovery. */
SCRIPT(dsack_of_an_earlier_recovery, OPEN(.sackok = true), FEW, SACK(MS(10), 0, R(1, 4)), SEG(0),
       ACKED(MS(11), 10), SEND(5840), SEG(10), SEG(11), SEG(12), LAST_AT(0, 13),
       SACK(MS(10), 10, R(11, 14)), SEG(10), SACK(MS(1), 10, R(0, 1), R(11, 14)),
       DO(is_not_as_before))

/* ---- Eifel ---- */

#define T(n)          ((uint32_t)(n)*1448 + 1)
#define TSEG_AT(t, n) OUT_AT(t, .f = ACK, .seq = T(n), .ack = 1, .len = 1448)
#define TSEG(n)       TSEG_AT(0, n)
#define TACK(t, n, echo)                                                                           \
    IN_AT(t, .f = ACK, .seq = 1, .ack = T(n), .ts = true, .ts_val = 2000, .ts_ecr = (echo))
#define TFEW                                                                                       \
    LISTEN(8), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 1000),                              \
        OUT(.f = SYN | ACK, .ack = 1),                                                             \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1010), ACCEPT(0),        \
        SEND(14480), TSEG(0), TSEG(1), TSEG(2), TSEG(3), TSEG(4), TSEG(5), TSEG(6), TSEG(7),       \
        TSEG(8), OUT(.f = ACK | PSH, .seq = T(9), .ack = 1, .len = 1448)

static void eifel_as_before(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd >= 14480 && s->pcb->ssthresh == UINT32_MAX);
    script_assert(s, s->pcb && s->pcb->recovery == TCP_RECOVERY_NONE && !s->pcb->lost_bytes);
}
/* RFC 3522 3.2, RFC 4015 3.2: the segments went at 10 ms, the first one again at 30 and 220. */
SCRIPT(eifel_after_a_timeout, TFEW, TSEG_AT(MS(210), 0), TACK(MS(10), 1, 10), DO(eifel_as_before),
       QUIET(MS(200)))
SCRIPT(eifel_sees_a_real_loss, TFEW, TSEG_AT(MS(210), 0), TACK(MS(10), 1, 220), TSEG(1), TSEG(2),
       DO(is_not_as_before))
/* RFC 4015 3 */
SCRIPT(eifel_in_fast_recovery, TFEW, TACK(MS(10), 0, 10), TACK(0, 0, 10), TACK(MS(10), 0, 10),
       TSEG(0), TACK(MS(1), 10, 10), DO(eifel_as_before), QUIET(SEC(1)))

/* With SACK: a partial ACK too, and it shows that the path reorders. */
static void is_late_not_lost(struct script *s)
{
    eifel_as_before(s);
    script_assert(s, s->pcb->rack.reord_seen == 1 && s->pcb->rack.reordering == 4);
}
#define TS_AND_SACK                                                                                \
    LISTEN(8), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 1000, .sackok = true),              \
        OUT(.f = SYN | ACK, .ack = 1),                                                             \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1010), ACCEPT(0),        \
        SEND(14480), TSEG(0), TSEG(1), TSEG(2), TSEG(3), TSEG(4), TSEG(5), TSEG(6), TSEG(7),       \
        TSEG(8), OUT(.f = ACK | PSH, .seq = T(9), .ack = 1, .len = 1448)
#define T_SACKED(t)                                                                                \
    IN_AT(t, .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 2000, .ts_ecr = 10,               \
          .sack = {{T(1), T(4)}}, .nsack = 2)
SCRIPT(eifel_tells_of_reordering, TS_AND_SACK, T_SACKED(MS(10)), TSEG(0), TACK(MS(1), 4, 10),
       DO(is_late_not_lost), TACK(MS(1), 10, 10), QUIET(SEC(1)))

/* ---- F-RTO (RFC 5682 3.1, 2.1) ---- */

/* A probe goes at 22 ms, the timeout comes 210 ms after it. */
#define TIMEOUT OPEN(.sackok = true), MANY, SEG_AT(MS(22), 10), SEG_AT(MS(210), 0)

/* Step 3 b: the next ACK is for what was sent once. */
SCRIPT(frto_finds_a_spurious_timeout, TIMEOUT, ACKED(MS(10), 1), SEG(11), SEG(12), ACKED(MS(1), 2),
       DO(is_as_before), QUIET(MS(1)))
/* Step 3 a: it tells of a hole. */
SCRIPT(frto_finds_a_real_one, TIMEOUT, ACKED(MS(10), 1), SEG(11), SEG(12),
       SACK(MS(10), 1, R(11, 12)), SEG(1), DO(is_not_as_before))
/* Step 2 b: nothing new to be sent. */
SCRIPT(frto_without_new_data, OPEN(.sackok = true), FEW, LAST_AT(MS(22), 9), SEG_AT(MS(210), 0),
       ACKED(MS(10), 1), SEG(1), SEG(2), DO(is_not_as_before))
/* A SACK of what was sent once is as good. */
SCRIPT(frto_by_sack, TIMEOUT, SACK(MS(10), 0, R(1, 2)), DO(is_as_before))
SCRIPT(frto_without_sack, OPEN(), MANY, SEG_AT(MS(210), 0), ACKED(MS(10), 1), SEG(10), SEG(11),
       ACKED(MS(1), 2), SEG(12), DO(is_as_before), QUIET(MS(1)))
SCRIPT(frto_without_sack_finds_a_real_one, OPEN(), MANY, SEG_AT(MS(210), 0), ACKED(MS(10), 1),
       SEG(10), SEG(11), ACKED(MS(1), 1), DO(is_not_as_before), ACKED(MS(9), 1), ACKED(0, 3),
       SEG(3))

Suite *undo_suite(void)
{
    Suite *s = suite_create("undo");
    TCase *t = tcase_create("dsack");

    tcase_add_test(t, dsack_after_recovery);
    tcase_add_test(t, dsack_in_recovery);
    tcase_add_test(t, dsack_of_one_of_two);
    tcase_add_test(t, dsack_of_what_was_never_sent_again);
    tcase_add_test(t, dsack_of_an_earlier_recovery);
    suite_add_tcase(s, t);
    t = tcase_create("eifel");
    tcase_add_test(t, eifel_after_a_timeout);
    tcase_add_test(t, eifel_sees_a_real_loss);
    tcase_add_test(t, eifel_in_fast_recovery);
    tcase_add_test(t, eifel_tells_of_reordering);
    suite_add_tcase(s, t);
    t = tcase_create("f-rto");
    tcase_add_test(t, frto_finds_a_spurious_timeout);
    tcase_add_test(t, frto_finds_a_real_one);
    tcase_add_test(t, frto_without_new_data);
    tcase_add_test(t, frto_by_sack);
    tcase_add_test(t, frto_without_sack);
    tcase_add_test(t, frto_without_sack_finds_a_real_one);
    suite_add_tcase(s, t);
    return s;
}
