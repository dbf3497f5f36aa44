/* Pacing: when frames leave, and how large they are. */
#include "script.h"

static void large(struct script *s)
{
    if (!s->pcb)
        return;
    tcp_config(s->pcb)->sndbuf_bytes = 2000000;
    tcp_config(s->pcb)->sndbuf_locked = true;
}
/* A segment of 1460 bytes each millisecond, or each tenth of one. */
static void a_segment_a_ms(struct script *s)
{
    if (s->pcb)
        tcp_set_pacing(s->tcp, s->pcb, 1460000);
}
static void ten_segments_a_ms(struct script *s)
{
    if (!s->pcb)
        return;
    s->pcb->cwnd = 100 * 1460;
    tcp_set_pacing(s->tcp, s->pcb, 14600000);
}
/* The rate is then what cwnd and the round trip come to: 10
 * segments, doubled in slow start, in 10 ms. */
static void far_away(struct script *s)
{
    if (s->pcb)
        tcp_set_pacing(s->tcp, s->pcb, UINT64_MAX);
}
static void no_limit(struct script *s)
{
    if (s->pcb)
        tcp_set_pacing(s->tcp, s->pcb, 0);
}
static void listener_paces(struct script *s)
{
    if (s->listener)
        tcp_config(s->listener)->max_pacing_rate = 1460000;
}

/* A millisecond's worth may go at once, and no more after a pause. */
SCRIPT(segments_leave_at_the_rate, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms), SEND(5840),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT_AT(MS(1), .f = ACK, .seq = 2921, .ack = 1, .len = 1460),
       OUT_AT(MS(1), .f = ACK | PSH, .seq = 4381, .ack = 1, .len = 1460),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 5841), QUIET(MS(100)), SEND(4380),
       OUT(.f = ACK, .seq = 5841, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 7301, .ack = 1, .len = 1460),
       OUT_AT(MS(1), .f = ACK | PSH, .seq = 8761, .ack = 1, .len = 1460))

/* What ACKs make room for waits for its time too. */
SCRIPT(acks_do_not_hurry_it, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms), SEND(5840),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460), IN(.f = ACK, .seq = 1, .ack = 1461),
       IN(.f = ACK, .seq = 1, .ack = 2921),
       OUT_AT(MS(1), .f = ACK, .seq = 2921, .ack = 1, .len = 1460),
       OUT_AT(MS(1), .f = ACK | PSH, .seq = 4381, .ack = 1, .len = 1460))

/* With nothing in flight the pace timer goes on alone: no probe, no retransmission timeout. */
SCRIPT(nothing_in_flight, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms), SEND(4380),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460), IN(.f = ACK, .seq = 1, .ack = 2921),
       OUT_AT(MS(1), .f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 4381), QUIET(SEC(2)))

SCRIPT(the_limit_can_be_taken_away, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms), SEND(5840),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460), DO(no_limit),
       OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 4381, .ack = 1, .len = 1460))

SCRIPT(children_take_after_the_listener, LISTEN(8), DO(listener_paces), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1),
       ACCEPT(0), SEND(4380), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT_AT(MS(1), .f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460))

SCRIPT(fin_follows_in_time, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms), SEND(4380),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460), SHUTDOWN(TCP_SHUT_WR),
       OUT_AT(MS(1), .f = ACK | PSH | FIN, .seq = 2921, .ack = 1, .len = 1460))

/* A connection that is reset while output waits leaves no timer behind. */
SCRIPT(reset_while_waiting, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms), SEND(4380),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460), IN(.f = RST | ACK, .seq = 1, .ack = 1),
       ERROR(ECONNRESET), QUIET(SEC(1)))

#define GSO_SETUP                                                                                  \
    {                                                                                              \
        .mtu = 1500, .gso_max_bytes = 65535                                                        \
    }

/* Frames hold a millisecond's worth, and two segments when that is less. */
SCRIPT_SETUP(frames_of_a_millisecond, GSO_SETUP, PASSIVE_OPEN, DO(large), DO(ten_segments_a_ms),
             SEND(43800), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 14600, .gso = 1460),
             OUT(.f = ACK, .seq = 14601, .ack = 1, .len = 14600, .gso = 1460),
             OUT_AT(MS(1), .f = ACK | PSH, .seq = 29201, .ack = 1, .len = 14600, .gso = 1460))
SCRIPT_SETUP(twice_the_window_a_round_trip, GSO_SETUP, PASSIVE_OPEN, DO(large), DO(far_away),
             SEND(8760), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 2920, .gso = 1460),
             OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 2920, .gso = 1460),
             OUT_AT(MS(1), .f = ACK | PSH, .seq = 5841, .ack = 1, .len = 2920, .gso = 1460))
SCRIPT_SETUP(frames_of_two_segments, GSO_SETUP, PASSIVE_OPEN, DO(large), DO(a_segment_a_ms),
             SEND(8760), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 2920, .gso = 1460),
             OUT_AT(MS(1), .f = ACK, .seq = 2921, .ack = 1, .len = 2920, .gso = 1460),
             OUT_AT(MS(2), .f = ACK | PSH, .seq = 5841, .ack = 1, .len = 2920, .gso = 1460))

Suite *pace_suite(void)
{
    Suite *s = suite_create("pace");
    TCase *t = tcase_create("pace");

    tcase_add_test(t, segments_leave_at_the_rate);
    tcase_add_test(t, acks_do_not_hurry_it);
    tcase_add_test(t, nothing_in_flight);
    tcase_add_test(t, the_limit_can_be_taken_away);
    tcase_add_test(t, children_take_after_the_listener);
    tcase_add_test(t, fin_follows_in_time);
    tcase_add_test(t, reset_while_waiting);
    tcase_add_test(t, frames_of_a_millisecond);
    tcase_add_test(t, twice_the_window_a_round_trip);
    tcase_add_test(t, frames_of_two_segments);
    suite_add_tcase(s, t);
    return s;
}
