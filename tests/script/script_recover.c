/* Loss: RFC 5681 3.2, RFC 6582, RFC 3042, RFC 6298 with RFC 5681 3.1. */
#include "script.h"

#define SEG(at)   OUT(.f = ACK, .seq = (at), .ack = 1, .len = 1460)
#define DUP(at)   IN(.f = ACK, .seq = 1, .ack = (at))
#define ACKED(at) IN_AT(MS(10), .f = ACK, .seq = 1, .ack = (at))
/* Ten segments are out, the last one ends the queue. */
#define TEN_OUT                                                                                    \
    PASSIVE_OPEN, SEND(14600), SEG(1), SEG(1461), SEG(2921), SEG(4381), SEG(5841), SEG(7301),      \
        SEG(8761), SEG(10221), SEG(11681),                                                         \
        OUT(.f = ACK | PSH, .seq = 13141, .ack = 1, .len = 1460)
/* As above, and there is more. */
#define TEN_OUT_AND_MORE                                                                           \
    PASSIVE_OPEN, DO(large_sndbuf), SEND(100000), SEG(1), SEG(1461), SEG(2921), SEG(4381),         \
        SEG(5841), SEG(7301), SEG(8761), SEG(10221), SEG(11681), SEG(13141)

static void expect_cwnd(struct script *s, uint32_t cwnd, uint32_t ssthresh)
{
    struct tcp_pcb *pcb = script_pcb(s);

    if (!s->lenient && (!pcb || pcb->cwnd != cwnd || pcb->ssthresh != ssthresh))
        ck_abort_msg("%s, line %d: cwnd %u, ssthresh %u, expected %u, %u", s->name, s->line,
                     pcb->cwnd, pcb->ssthresh, cwnd, ssthresh);
}

/* ---- fast retransmit ---- */

static void in_fast_recovery(struct script *s)
{
    expect_cwnd(s, 6570 + 3 * 1460, 6570);
}
static void after_fast_recovery(struct script *s)
{
    expect_cwnd(s, 2 * 1460, 6570);
}
SCRIPT(three_duplicates_bring_the_segment_again, TEN_OUT, ACKED(1461), DUP(1461), DUP(1461),
       QUIET(MS(1)), DUP(1461), SEG(1461), DO(in_fast_recovery), ACKED(14601),
       DO(after_fast_recovery), QUIET(SEC(1)))

SCRIPT(two_duplicates_do_not, TEN_OUT, ACKED(1461), DUP(1461), DUP(1461), ACKED(14601),
       QUIET(SEC(1)))

/* RFC 5681 2 */
SCRIPT(text_makes_no_duplicate, TEN_OUT, ACKED(1461),
       IN(.f = ACK, .seq = 1, .ack = 1461, .len = 10), OUT(.f = ACK, .seq = 14601, .ack = 11),
       IN(.f = ACK, .seq = 11, .ack = 1461, .len = 10), OUT(.f = ACK, .seq = 14601, .ack = 21),
       IN(.f = ACK, .seq = 21, .ack = 1461, .len = 10), OUT(.f = ACK, .seq = 14601, .ack = 31),
       QUIET(MS(100)))
SCRIPT(another_window_makes_no_duplicate, TEN_OUT, ACKED(1461),
       IN(.f = ACK, .seq = 1, .ack = 1461, .win = 60000),
       IN(.f = ACK, .seq = 1, .ack = 1461, .win = 50000),
       IN(.f = ACK, .seq = 1, .ack = 1461, .win = 40000), QUIET(MS(100)))
SCRIPT(nothing_in_flight_makes_no_duplicate, PASSIVE_OPEN, DUP(1), DUP(1), DUP(1), DUP(1),
       QUIET(SEC(1)))

SCRIPT(partial_ack_brings_the_next_hole, TEN_OUT, ACKED(1461), DUP(1461), DUP(1461), DUP(1461),
       SEG(1461), ACKED(4381), SEG(4381), ACKED(7301), SEG(7301), ACKED(14601), QUIET(SEC(1)))

/* Of the partial ACKs only the first restarts the timer (RFC 6582 3.2). */
SCRIPT(only_the_first_partial_ack_restarts_the_timer, TEN_OUT, ACKED(1461), DUP(1461), DUP(1461),
       DUP(1461), SEG(1461), ACKED(4381), SEG(4381), ACKED(7301), SEG(7301),
       OUT_AT(MS(200), .f = ACK, .seq = 7301, .ack = 1, .len = 1460))

SCRIPT(limited_transmit_and_inflation, TEN_OUT_AND_MORE, ACKED(1461), SEG(14601), SEG(16061),
       DUP(1461), SEG(17521), DUP(1461), SEG(18981), DUP(1461), SEG(1461),
       /* cwnd 8030 + 3, 18980 in flight: the sixth duplicate more lets one out */
       DUP(1461), DUP(1461), DUP(1461), DUP(1461), DUP(1461), QUIET(MS(1)), DUP(1461), SEG(20441))

static void duplicates_in_a_batch(struct script *s)
{
    for (int i = 0; i < 5; i++) {
        struct sseg g = {.f = ACK, .seq = 1, .ack = 1461};
        script_in_unflushed(s, &g);
    }
}
SCRIPT(duplicates_in_a_batch_count_each, TEN_OUT, ACKED(1461), DO(duplicates_in_a_batch), SEG(1461),
       QUIET(MS(1)))

/* ---- timeout ---- */

static void after_timeout(struct script *s)
{
    expect_cwnd(s, 1460, 7300);
}
/* RFC 3465 2.3 */
SCRIPT(all_is_sent_again_in_slow_start, TEN_OUT,
       OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460), DO(after_timeout), ACKED(1461),
       SEG(1461), SEG(2921), ACKED(4381), SEG(4381), SEG(5841), SEG(7301), ACKED(8761), SEG(8761),
       SEG(10221), SEG(11681), OUT(.f = ACK | PSH, .seq = 13141, .ack = 1, .len = 1460),
       ACKED(14601), QUIET(SEC(1)))

SCRIPT(what_the_peer_has_is_not_sent_again, TEN_OUT,
       OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460), ACKED(13141),
       OUT(.f = ACK | PSH, .seq = 13141, .ack = 1, .len = 1460), ACKED(14601), QUIET(SEC(1)))

SCRIPT(ssthresh_is_held_when_the_same_segment_times_out_again, TEN_OUT,
       OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT_AT(MS(420), .f = ACK, .seq = 1, .ack = 1, .len = 1460), DO(after_timeout))

/* RFC 6582 4.1: duplicates that the second transmission itself makes are no new loss. */
SCRIPT(no_fast_retransmit_after_a_timeout, TEN_OUT,
       OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460), DUP(1), DUP(1), DUP(1), DUP(1),
       QUIET(MS(100)), ACKED(14601), DUP(14601), DUP(14601), DUP(14601))

SCRIPT(new_data_after_what_was_lost, TEN_OUT_AND_MORE,
       OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460), ACKED(14601), SEG(14601),
       SEG(16061), ACKED(17521), SEG(17521), SEG(18981), SEG(20441), SEG(21901))

SCRIPT(timeout_in_fast_recovery, TEN_OUT, ACKED(1461), DUP(1461), DUP(1461), DUP(1461), SEG(1461),
       OUT_AT(MS(210), .f = ACK, .seq = 1461, .ack = 1, .len = 1460), ACKED(14601), QUIET(SEC(1)))

SCRIPT(lost_fin_is_sent_with_its_data, PASSIVE_OPEN, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), CLOSE,
       OUT(.f = FIN | ACK, .seq = 101, .ack = 1), DUP(1), DUP(1), DUP(1),
       OUT(.f = FIN | ACK | PSH, .seq = 1, .ack = 1, .len = 100), ACKED(102), STATE(TCP_FIN_WAIT_2))

Suite *recover_suite(void)
{
    Suite *s = suite_create("recover");
    TCase *t = tcase_create("fast");

    tcase_add_test(t, three_duplicates_bring_the_segment_again);
    tcase_add_test(t, two_duplicates_do_not);
    tcase_add_test(t, text_makes_no_duplicate);
    tcase_add_test(t, another_window_makes_no_duplicate);
    tcase_add_test(t, nothing_in_flight_makes_no_duplicate);
    tcase_add_test(t, partial_ack_brings_the_next_hole);
    tcase_add_test(t, only_the_first_partial_ack_restarts_the_timer);
    tcase_add_test(t, limited_transmit_and_inflation);
    tcase_add_test(t, duplicates_in_a_batch_count_each);
    suite_add_tcase(s, t);
    t = tcase_create("timeout");
    tcase_add_test(t, all_is_sent_again_in_slow_start);
    tcase_add_test(t, what_the_peer_has_is_not_sent_again);
    tcase_add_test(t, ssthresh_is_held_when_the_same_segment_times_out_again);
    tcase_add_test(t, no_fast_retransmit_after_a_timeout);
    tcase_add_test(t, new_data_after_what_was_lost);
    tcase_add_test(t, timeout_in_fast_recovery);
    tcase_add_test(t, lost_fin_is_sent_with_its_data);
    suite_add_tcase(s, t);
    return s;
}
