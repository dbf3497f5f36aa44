/* Receiving: order, ACKs, windows, what the reader gets. RFC 9293 3.8.6, RFC 5681 4.2. */
#include "script.h"

static void no_quickacks(struct script *s)
{
    if (script_pcb(s))
        script_pcb(s)->quickacks = 0;
}
#define QUIET_OPEN PASSIVE_OPEN, DO(no_quickacks)

/* ---- ACKs ---- */

SCRIPT(first_segments_are_acknowledged_at_once, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 11),
       IN(.f = ACK, .seq = 11, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 21))

/* RFC 9293 3.8.6.3 */
SCRIPT(ack_is_delayed_40_ms, QUIET_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 101), QUIET(SEC(1)))

SCRIPT(second_full_segment_is_acknowledged_at_once, QUIET_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       IN_AT(MS(1), .f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 2921), IN(.f = ACK, .seq = 2921, .ack = 1, .len = 1460),
       OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 4381))

/* The end of a write, and all of it was read: the peer may wait for the ACK. */
SCRIPT(what_was_pushed_is_acknowledged_when_it_is_read, QUIET_OPEN,
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), QUIET(MS(1)), RECV(1460),
       OUT(.f = ACK, .seq = 1, .ack = 1461), QUIET(SEC(1)))
SCRIPT(what_was_pushed_is_not_acknowledged_before_all_is_read, QUIET_OPEN,
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), QUIET(MS(1)), RECV(1459),
       OUT_AT(MS(39), .f = ACK, .seq = 1, .ack = 1461))
SCRIPT(what_was_not_pushed_is_not_acknowledged_when_it_is_read, QUIET_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1460), RECV(1460),
       OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 1461))
/* A question gets a millisecond for its answer. */
SCRIPT(small_segment_is_acknowledged_soon_after_it_is_read, QUIET_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100), QUIET(MS(5)), RECV(100),
       OUT_AT(MS(1), .f = ACK, .seq = 1, .ack = 101), QUIET(SEC(1)))
SCRIPT(quick_answer_carries_the_ack, QUIET_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       RECV(100), QUIET(999), SEND(50), OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 50),
       QUIET(MS(100)))

/* The last one of a flight is not kept waiting for the first one of the next. */
static void rtt_of_20_ms(struct script *s)
{
    if (script_pcb(s))
        script_pcb(s)->rcv_rtt_us = 20000;
}
#define FULL_AT(t, n) IN_AT(t, .f = ACK, .seq = (n)*1460 + 1, .ack = 1, .len = 1460)
#define ACK_OF(n)     .f = ACK, .seq = 1, .ack = (n)*1460 + 1
SCRIPT(end_of_a_flight_is_acknowledged, QUIET_OPEN, FULL_AT(0, 0), FULL_AT(MS(1), 1),
       OUT(ACK_OF(2)), DO(rtt_of_20_ms), FULL_AT(MS(1), 2), OUT_AT(2500, ACK_OF(3)),
       FULL_AT(MS(17), 3), OUT_AT(2500, ACK_OF(4)), FULL_AT(500, 4), OUT_AT(MS(6), ACK_OF(5)),
       QUIET(SEC(1)))

SCRIPT(ack_rides_on_the_answer, QUIET_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       QUIET(MS(10)), SEND(50), OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 50),
       QUIET(MS(100)))

SCRIPT(dialogue_delays_acks, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), RECV(100), SEND(50),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 50),
       IN_AT(MS(10), .f = ACK, .seq = 101, .ack = 51, .len = 100), QUIET(MS(39)), SEND(50),
       OUT(.f = ACK | PSH, .seq = 51, .ack = 201, .len = 50))

SCRIPT(dialogue_is_over_when_no_answer_comes, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 101), SEND(50),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 50),
       IN_AT(MS(10), .f = ACK, .seq = 101, .ack = 51, .len = 100),
       OUT_AT(MS(40), .f = ACK, .seq = 51, .ack = 201),
       IN(.f = ACK, .seq = 201, .ack = 51, .len = 100), OUT(.f = ACK, .seq = 51, .ack = 301))

SCRIPT(quick_again_after_a_silence, QUIET_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 101),
       IN_AT(SEC(2), .f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 201))

static void quickack_option(struct script *s)
{
    if (!s->pcb)
        return;
    tcp_set_quickack(s->tcp, s->pcb, true);
}
SCRIPT(quickack_sends_what_is_due, QUIET_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       QUIET(MS(1)), DO(quickack_option), OUT(.f = ACK, .seq = 1, .ack = 101),
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 201))

static void batch_of_five(struct script *s)
{
    /* As stack_input() five times before stack_leave(). */
    for (uint32_t i = 0; i < 5; i++) {
        struct sseg g = {.f = ACK, .seq = 1 + i * 1000, .ack = 1, .len = 1000};
        script_in_unflushed(s, &g);
    }
}
SCRIPT(one_ack_for_a_batch, PASSIVE_OPEN, DO(batch_of_five), OUT(.f = ACK, .seq = 1, .ack = 5001))

SCRIPT(super_frame_in_is_taken_whole, QUIET_OPEN,
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 60000, .gso = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 60001), RECV(60000),
       OUT(.f = ACK, .seq = 1, .ack = 60001, .win = 65535))
SCRIPT(super_frame_of_unknown_segments, QUIET_OPEN,
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 20000), OUT(.f = ACK, .seq = 1, .ack = 20001),
       RECV(20000))

/* ---- order ---- */

SCRIPT(each_segment_out_of_order_is_answered, QUIET_OPEN,
       IN(.f = ACK, .seq = 1001, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 2001, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 1),
       RECV_R(1, -EAGAIN), POLLS(POLLOUT | POLLWRNORM),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 3001),
       RECV(3000))

SCRIPT(batch_out_of_order_gets_duplicate_acks_each, QUIET_OPEN, EVENTS(0, 0xffff),
       IN(.f = ACK, .seq = 2001, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 1),
       EVENTS(0, 0), IN(.f = ACK, .seq = 2001, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1))

SCRIPT(segment_that_fills_a_part_of_a_gap_is_answered_at_once, QUIET_OPEN,
       IN(.f = ACK, .seq = 2001, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 1001),
       IN(.f = ACK, .seq = 1001, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 3001),
       RECV(3000))

SCRIPT(many_gaps, QUIET_OPEN, IN(.f = ACK, .seq = 801, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 401, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 601, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 201, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1, .len = 200),
       OUT(.f = ACK, .seq = 1, .ack = 301), IN(.f = ACK, .seq = 250, .ack = 1, .len = 600),
       OUT(.f = ACK, .seq = 1, .ack = 901), RECV(900))

SCRIPT(out_of_order_over_what_came_already, QUIET_OPEN,
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 300), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 51, .ack = 1, .len = 400), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 60), OUT(.f = ACK, .seq = 1, .ack = 451), RECV(450))

static void ofo_is_gone(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    script_assert(s, pcb && pcb->ofo.len == 0 && pcb->rcv.held == 0);
}
SCRIPT(nothing_is_kept_after_order_returns, QUIET_OPEN,
       IN(.f = ACK, .seq = 5001, .ack = 1, .len = 5000), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 5000), OUT(.f = ACK, .seq = 1, .ack = 10001),
       RECV(10000), DO(ofo_is_gone))

/* ---- windows ---- */

static void small_rcvbuf(struct script *s)
{
    if (s->listener) {
        tcp_config(s->listener)->rcvbuf_bytes = 8000;
        tcp_config(s->listener)->rcvbuf_locked = true;
    }
}
#define SMALL_OPEN                                                                                 \
    LISTEN(1), DO(small_rcvbuf), IN(.f = SYN, .mss = 1000),                                        \
        OUT(.f = SYN | ACK, .ack = 1, .win = 2920), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1),   \
        ACCEPT(0)

SCRIPT(window_closes_and_opens, SMALL_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = 3000),
       IN(.f = ACK, .seq = 1001, .ack = 1, .len = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 2001, .win = 2000),
       IN(.f = ACK, .seq = 2001, .ack = 1, .len = 2000),
       OUT(.f = ACK, .seq = 1, .ack = 4001, .win = -1), QUIET(SEC(1)), RECV(2000),
       OUT(.f = ACK, .seq = 1, .ack = 4001, .win = 2000), RECV(2000),
       OUT(.f = ACK, .seq = 1, .ack = 4001, .win = 4000))

/* RFC 9293 3.8.6.2.2: the window opens by a segment or half the buffer, no less. */
SCRIPT(window_does_not_open_by_a_little, SMALL_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = 3000),
       IN(.f = ACK, .seq = 1001, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 2001),
       IN(.f = ACK, .seq = 2001, .ack = 1, .len = 1000), OUT(.f = ACK, .seq = 1, .ack = 3001),
       IN(.f = ACK, .seq = 3001, .ack = 1, .len = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 4001, .win = -1), RECV(500),
       IN(.f = ACK, .seq = 4000, .ack = 1), OUT(.f = ACK, .seq = 1, .ack = 4001, .win = -1),
       RECV(499), QUIET(MS(10)), RECV(1), OUT(.f = ACK, .seq = 1, .ack = 4001, .win = 1000))

SCRIPT(window_update_only_when_it_doubles, SMALL_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = 3000), RECV(1000), QUIET(SEC(1)))

static void shrink_rcvbuf(struct script *s)
{
    if (s->pcb) {
        tcp_config(s->pcb)->rcvbuf_bytes = 1000;
        tcp_config(s->pcb)->rcvbuf_locked = true;
        tcp_config_changed(s->tcp, s->pcb);
    }
}
SCRIPT(window_never_shrinks, SMALL_OPEN, DO(shrink_rcvbuf),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 20), OUT(.f = ACK, .seq = 1, .ack = 21, .win = 2900),
       IN(.f = ACK, .seq = 21, .ack = 1, .len = 2900),
       OUT(.f = ACK, .seq = 1, .ack = 2921, .win = -1))

static void scaled_small_rcvbuf(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    if (!pcb)
        return;
    pcb->conf.rcvbuf_bytes = 200000;
    pcb->conf.rcvbuf_locked = true;
}
SCRIPT(scaled_window, LISTEN(1), IN(.f = SYN, .mss = 1460, .ws = 1),
       OUT(.f = SYN | ACK, .ack = 1, .ws = 8, .win = 64240),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0), DO(scaled_small_rcvbuf),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = 99000 >> 7), RECV(1000))

static void buffer_has_grown(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    script_assert(s, pcb && pcb->conf.rcvbuf_bytes > TCP_RCVBUF_DEFAULT);
}
static void buffer_has_not_grown(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    script_assert(s, pcb && pcb->conf.rcvbuf_bytes == TCP_RCVBUF_DEFAULT);
}
static void stream_500_kb(struct script *s)
{
    /* 10 ms round trips of 50,000 bytes, read at once. */
    for (uint32_t i = 0; i < 10; i++) {
        static uint8_t bytes[60000];
        struct iovec iov = {bytes, sizeof(bytes)};
        struct sseg g = {.f = ACK,
                         .seq = 1 + i * 50000,
                         .ack = 1,
                         .len = 50000,
                         .ts = true,
                         .ts_val = 2000 + i,
                         .ts_ecr = 10 * i};
        s->net->now_us += MS(10);
        script_in(s, &g);
        if (s->pcb)
            tcp_recv(s->tcp, s->pcb, &iov, 1, 0, sizeof(bytes), 0, 0);
        tcp_flush(s->tcp);
        script_forget_out(s);
    }
    s->at_us = s->net->now_us;
}
#define TS_OPEN                                                                                    \
    LISTEN(1), IN(.f = SYN, .mss = 1460, .ws = 8, .ts = true, .ts_val = 1000),                     \
        OUT(.f = SYN | ACK, .ack = 1),                                                             \
        IN(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1001), ACCEPT(0)
SCRIPT(receive_buffer_follows_the_reader, TS_OPEN, DO(stream_500_kb), DO(buffer_has_grown))
static void lock_rcvbuf(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->rcvbuf_locked = true;
}
SCRIPT(receive_buffer_of_the_user_stays, TS_OPEN, DO(lock_rcvbuf), DO(stream_500_kb),
       DO(buffer_has_not_grown))

/* ---- reading ---- */

/* RFC 9293 3.10.3 */
SCRIPT(read_in_pieces, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), RECV(1), RECV(9), RECV_R(1000, 90), RECV_R(1, -EAGAIN))
SCRIPT(peek_leaves_the_bytes, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), RECV_F(50, TCP_IO_PEEK), RECV_F(100, TCP_IO_PEEK),
       RECV(100))
SCRIPT(trunc_drops_the_bytes, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), RECV_F(60, TCP_IO_TRUNC), RECV(40))
SCRIPT(read_nothing, PASSIVE_OPEN, RECV_R(0, -EAGAIN), IN(.f = ACK, .seq = 1, .ack = 1, .len = 1),
       OUT(.f = ACK, .seq = 1, .ack = 2), RECV_R(0, 0), RECV(1))
static void peek_at_30(struct script *s)
{
    uint8_t b[10];
    struct iovec iov = {b, 10};

    if (!s->pcb)
        return;
    script_assert(s, tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 10, TCP_IO_PEEK, 30) == 10);
    script_assert(s, b[0] == script_pattern(30));
    script_assert(s, tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 10, TCP_IO_PEEK, 95) == 5);
    script_assert(s, tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 10, TCP_IO_PEEK, 100) == -EAGAIN);
}
SCRIPT(peek_at_an_offset, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), DO(peek_at_30), RECV(100))

static void lowat_100(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->rcvlowat = 100;
}
SCRIPT(low_water_mark, PASSIVE_OPEN, DO(lowat_100), EVENTS(0, 0xffff),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 99), OUT(.f = ACK, .seq = 1, .ack = 100),
       EVENTS(0, 0), POLLS(POLLOUT | POLLWRNORM), IN(.f = ACK, .seq = 100, .ack = 1, .len = 1),
       OUT(.f = ACK, .seq = 1, .ack = 101), EVENTS(POLLIN | POLLRDNORM, 0),
       POLLS(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM), RECV(100))
SCRIPT(each_arrival_is_told, PASSIVE_OPEN, EVENTS(0, 0xffff),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1), OUT(.f = ACK, .seq = 1, .ack = 2),
       EVENTS(POLLIN | POLLRDNORM, 0), IN(.f = ACK, .seq = 2, .ack = 1, .len = 1),
       OUT(.f = ACK, .seq = 1, .ack = 3), EVENTS(POLLIN | POLLRDNORM, 0))

Suite *data_suite(void)
{
    Suite *s = suite_create("data");
    TCase *t = tcase_create("acks");

    tcase_add_test(t, first_segments_are_acknowledged_at_once);
    tcase_add_test(t, ack_is_delayed_40_ms);
    tcase_add_test(t, second_full_segment_is_acknowledged_at_once);
    tcase_add_test(t, what_was_pushed_is_acknowledged_when_it_is_read);
    tcase_add_test(t, what_was_pushed_is_not_acknowledged_before_all_is_read);
    tcase_add_test(t, what_was_not_pushed_is_not_acknowledged_when_it_is_read);
    tcase_add_test(t, small_segment_is_acknowledged_soon_after_it_is_read);
    tcase_add_test(t, quick_answer_carries_the_ack);
    tcase_add_test(t, end_of_a_flight_is_acknowledged);
    tcase_add_test(t, ack_rides_on_the_answer);
    tcase_add_test(t, dialogue_delays_acks);
    tcase_add_test(t, dialogue_is_over_when_no_answer_comes);
    tcase_add_test(t, quick_again_after_a_silence);
    tcase_add_test(t, quickack_sends_what_is_due);
    tcase_add_test(t, one_ack_for_a_batch);
    tcase_add_test(t, super_frame_in_is_taken_whole);
    tcase_add_test(t, super_frame_of_unknown_segments);
    suite_add_tcase(s, t);
    t = tcase_create("order");
    tcase_add_test(t, each_segment_out_of_order_is_answered);
    tcase_add_test(t, batch_out_of_order_gets_duplicate_acks_each);
    tcase_add_test(t, segment_that_fills_a_part_of_a_gap_is_answered_at_once);
    tcase_add_test(t, many_gaps);
    tcase_add_test(t, out_of_order_over_what_came_already);
    tcase_add_test(t, nothing_is_kept_after_order_returns);
    suite_add_tcase(s, t);
    t = tcase_create("windows");
    tcase_add_test(t, window_closes_and_opens);
    tcase_add_test(t, window_does_not_open_by_a_little);
    tcase_add_test(t, window_update_only_when_it_doubles);
    tcase_add_test(t, window_never_shrinks);
    tcase_add_test(t, scaled_window);
    tcase_add_test(t, receive_buffer_follows_the_reader);
    tcase_add_test(t, receive_buffer_of_the_user_stays);
    suite_add_tcase(s, t);
    t = tcase_create("reading");
    tcase_add_test(t, read_in_pieces);
    tcase_add_test(t, peek_leaves_the_bytes);
    tcase_add_test(t, trunc_drops_the_bytes);
    tcase_add_test(t, read_nothing);
    tcase_add_test(t, peek_at_an_offset);
    tcase_add_test(t, low_water_mark);
    tcase_add_test(t, each_arrival_is_told);
    suite_add_tcase(s, t);
    return s;
}
