/* RFC 5681, RFC 3465, RFC 6928. */
#include <math.h>

#include "test_tcp.h"

#define MSS 1000u

static void start(void)
{
    world_open();
    w.pcb->snd_mss = MSS;
    w.pcb->conf.congestion = TCP_CC_NEWRENO;
    tcp_cc_init(&w.tcp, w.pcb);
}

static void start_cubic(void)
{
    world_open();
    w.pcb->snd_mss = MSS;
    w.pcb->conf.congestion = TCP_CC_CUBIC;
    w.pcb->srtt_us = 100000;
    w.pcb->rto_us = 300000;
    tcp_cc_init(&w.tcp, w.pcb);
}

/* As if cwnd were full. */
static void ack(uint32_t bytes)
{
    w.pcb->snd_nxt = w.pcb->snd_una + w.pcb->cwnd;
    tcp_cc_sent(&w.tcp, w.pcb, true);
    tcp_cc_ack(&w.tcp, w.pcb, bytes);
}

START_TEST(initial_window)
{
    ck_assert_uint_eq(tcp_cc_initial_window(536), 5360); /* RFC 6928 2 */
    ck_assert_uint_eq(tcp_cc_initial_window(1460), 14600);
    ck_assert_uint_eq(tcp_cc_initial_window(2000), 14600);
    ck_assert_uint_eq(tcp_cc_initial_window(8960), 17920);
    ck_assert_uint_eq(w.pcb->cwnd, 10 * MSS);
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
}
END_TEST

START_TEST(slow_start_counts_bytes)
{
    ack(MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 11 * MSS);
    ack(5 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 16 * MSS);
    ack(1); /* an ACK for a byte opens it by a byte: no reward for dividing ACKs */
    ck_assert_uint_eq(w.pcb->cwnd, 16 * MSS + 1);
}
END_TEST

/* RFC 3465 2.1 */
START_TEST(avoidance_adds_a_segment_a_window)
{
    w.pcb->ssthresh = 10 * MSS;
    for (int i = 0; i < 9; i++)
        ack(MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 10 * MSS);
    ack(MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 11 * MSS);
    ack(11 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 12 * MSS);
}
END_TEST

START_TEST(slow_start_stops_at_ssthresh)
{
    w.pcb->ssthresh = 12 * MSS;
    ack(10 * MSS); /* 2 in slow start, 8 of the next 12 */
    ck_assert_uint_eq(w.pcb->cwnd, 12 * MSS);
    ack(4 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 13 * MSS);
}
END_TEST

START_TEST(unused_window_stays)
{
    w.pcb->snd_nxt = w.pcb->snd_una + 4 * MSS;
    tcp_cc_sent(&w.tcp, w.pcb, false);
    tcp_cc_ack(&w.tcp, w.pcb, 4 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 10 * MSS);
}
END_TEST

/* The window is full of `used` bytes, or not. */
static void fly(uint32_t used)
{
    w.pcb->snd_una = w.pcb->snd_nxt;
    w.pcb->snd_nxt += used;
    tcp_cc_sent(&w.tcp, w.pcb, used >= w.pcb->cwnd);
}

/* RFC 2861 3.2: each retransmission timeout in which less than half was used takes half of the
 * difference away; ssthresh stays where slow start shall end. */
/* RFC 7661 */
START_TEST(window_that_is_not_used_shrinks)
{
    w.pcb->cwnd = 100 * MSS;
    w.pcb->ssthresh = 50 * MSS;
    fly(100 * MSS);
    for (int i = 0; i < 9; i++) {
        w.net.now_us += w.pcb->rto_us / 10;
        fly(20 * MSS);
        ck_assert_uint_eq(w.pcb->cwnd, 100 * MSS);
    }
    w.net.now_us += w.pcb->rto_us / 10;
    fly(10 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 60 * MSS); /* 20 were used at most */
    ck_assert_uint_eq(w.pcb->ssthresh, 75 * MSS);
    fly(10 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 60 * MSS);
    for (int i = 0; i < 10; i++) {
        w.net.now_us += w.pcb->rto_us;
        fly(1 * MSS);
    }
    ck_assert_uint_ge(w.pcb->cwnd, 10 * MSS); /* never below the initial window */
    ck_assert_uint_le(w.pcb->cwnd, 11 * MSS);
}
END_TEST

START_TEST(window_that_is_used_stays)
{
    w.pcb->cwnd = w.pcb->ssthresh = 100 * MSS;
    for (int i = 0; i < 20; i++) {
        fly(100 * MSS);
        w.net.now_us += w.pcb->rto_us * 3 / 4;
        fly(2 * MSS); /* a pause shorter than a timeout */
    }
    ck_assert_uint_eq(w.pcb->cwnd, 100 * MSS);
    /* Nor does one shrink that waits for the program's own buffer. */
    w.pcb->nospace = true;
    for (int i = 0; i < 5; i++) {
        w.net.now_us += w.pcb->rto_us;
        fly(2 * MSS);
    }
    ck_assert_uint_eq(w.pcb->cwnd, 100 * MSS);
}
END_TEST

START_TEST(switching_keeps_the_window)
{
    w.pcb->cwnd = 30 * MSS;
    w.pcb->ssthresh = 20 * MSS;
    w.pcb->cwnd_acked = 29 * MSS;
    w.pcb->cc[0] = 12345;
    w.pcb->state = TCP_ESTABLISHED;
    ck_assert_int_eq(tcp_set_congestion(&w.tcp, w.pcb, TCP_CC_CUBIC), 0);
    ck_assert_str_eq(tcp_cc(w.pcb)->name, "cubic");
    ck_assert_uint_eq(w.pcb->cwnd, 30 * MSS);
    ck_assert_uint_eq(w.pcb->ssthresh, 20 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd_acked, 0);
    ck_assert_uint_eq(w.pcb->cc[0], 0);
    w.pcb->cc[0] = 12345;
    tcp_set_congestion(&w.tcp, w.pcb, TCP_CC_CUBIC); /* the same: nothing happens */
    ck_assert_uint_eq(w.pcb->cc[0], 12345);
    ck_assert_int_eq(tcp_set_congestion(&w.tcp, w.pcb, 200), -2); /* -ENOENT */
    ck_assert_int_eq(tcp_set_congestion(&w.tcp, w.pcb, -2), -2);
    ck_assert_str_eq(tcp_cc(w.pcb)->name, "cubic");
    w.pcb->state = TCP_CLOSED;
}
END_TEST

/* CUBIC's own was taken for BBR's when the connection no longer sent. */
START_TEST(switching_after_the_end_leaves_nothing_behind)
{
    uint8_t info[64];

    w.pcb->conf.congestion = TCP_CC_CUBIC;
    w.pcb->cc[0] = 12345;
    w.pcb->state = TCP_FIN_WAIT_2;
    ck_assert_int_eq(tcp_set_congestion(&w.tcp, w.pcb, TCP_CC_BBR), 0);
    ck_assert_uint_eq(w.pcb->cc[0], 0);
    ck_assert_uint_eq(tcp_cc_info(w.pcb, info, sizeof(info)), 0);
    w.pcb->state = TCP_CLOSED;
}
END_TEST

START_TEST(the_stack_has_a_default)
{
    struct tcp_pcb *pcb;

    w.tcp.congestion = TCP_CC_NEWRENO;
    pcb = tcp_open(&w.tcp, &w);
    ck_assert_str_eq(tcp_cc(pcb)->name, "reno");
    tcp_close(&w.tcp, pcb);
}
END_TEST

START_TEST(loss_halves_what_is_in_flight)
{
    w.pcb->snd_nxt = w.pcb->snd_una + 8 * MSS;
    ck_assert_uint_eq(tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb), 4 * MSS);
    w.pcb->snd_nxt = w.pcb->snd_una + 3 * MSS; /* two at least */
    ck_assert_uint_eq(tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb), 2 * MSS);
    w.pcb->snd_nxt = w.pcb->snd_una + 12 * MSS; /* two of them by limited transmit */
    ck_assert_uint_eq(tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb), 5 * MSS);
}
END_TEST

START_TEST(window_does_not_overflow)
{
    w.pcb->cwnd = TCP_WINDOW_MAX;
    ack(UINT32_MAX / 2);
    ck_assert_uint_eq(w.pcb->cwnd, TCP_WINDOW_MAX);
}
END_TEST

START_TEST(names)
{
    ck_assert_int_eq(tcp_cc_by_name("reno"), TCP_CC_NEWRENO);
    ck_assert_int_eq(tcp_cc_by_name(""), -2); /* -ENOENT */
    for (int i = 0; i < TCP_CC_KINDS; i++)
        ck_assert_int_eq(tcp_cc_by_name(tcp_cc_name(i)), i);
    w.pcb->conf.congestion = 200; /* nonsense in the arena is no jump into nowhere */
    ck_assert_ptr_nonnull(tcp_cc(w.pcb));
}
END_TEST

/* A loss with cwnd at segments * MSS, and the recovery that follows. */
static void lose_at(uint32_t segments)
{
    w.pcb->cwnd = segments * MSS;
    w.pcb->snd_nxt = w.pcb->snd_una + w.pcb->cwnd;
    w.pcb->cwnd_limited = true;
    w.pcb->ssthresh = tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb);
    w.pcb->cwnd = w.pcb->ssthresh;
}

/* Round trips of 100 ms in which everything is acknowledged, in pieces. */
static void pass(uint32_t round_trips)
{
    while (round_trips--) {
        uint32_t left = w.pcb->cwnd;
        for (int i = 0; i < 10; i++) {
            w.net.now_us += 10000;
            ack(i < 9 ? left / 10 : left - left / 10 * 9);
        }
    }
}

static double cubic_at(double w_max, double t_s)
{
    double k = cbrt(w_max * 0.3 / 0.4);
    return 0.4 * pow(t_s - k, 3) + w_max;
}

/* RFC 9438 4.2, 4.4 to 4.6: K is 10.9 s for a window of 1,750 segments. */
START_TEST(cubic_follows_the_curve)
{
    lose_at(1750);
    ck_assert_uint_eq(w.pcb->cwnd, 1225 * MSS);
    for (int second = 1; second <= 20; second++) {
        pass(10);
        double want = cubic_at(1750, second + 0.1), got = (double)w.pcb->cwnd / MSS;
        ck_assert_msg(got <= want + 1 && got > want * 0.97 - 1,
                      "at %d s: %.1f segments, the curve has %.1f", second, got, want);
    }
}
END_TEST

/* RFC 9438 4.7 */
START_TEST(cubic_converges_fast)
{
    lose_at(1000); /* w_max 1000; then a loss before it is reached: w_max 0.85 * 800 */
    lose_at(800);
    pass(1);
    w.pcb->cwnd = 680 * MSS;
    uint32_t before = w.pcb->cwnd;
    pass(60); /* around t = K = 5.5 s the curve is flat at 680 */
    ck_assert_uint_ge(w.pcb->cwnd, before);
    ck_assert_uint_le(w.pcb->cwnd, 690 * MSS);
}
END_TEST

/* RFC 9438 4.3: where Reno would be faster, cwnd is what Reno would have: 9/17 of a segment a round
 * trip up to the 20 that it had (11.3 round trips), a whole one from there on. */
START_TEST(cubic_is_not_slower_than_reno)
{
    lose_at(20);
    ck_assert_uint_eq(w.pcb->cwnd, 14 * MSS);
    pass(17);
    ck_assert_uint_ge(w.pcb->cwnd, 24 * MSS);
    ck_assert_uint_le(w.pcb->cwnd, 26 * MSS);
}
END_TEST

/* RFC 9438 5.8 */
START_TEST(cubic_does_not_grow_by_waiting)
{
    lose_at(1750);
    pass(10);
    uint32_t before = w.pcb->cwnd;
    w.net.now_us += 60000000;
    pass(1);
    ck_assert_uint_ge(w.pcb->cwnd, before);
    ck_assert_uint_lt(w.pcb->cwnd, before + before / 10);
}
END_TEST

/* RFC 9438 4.9.1, 4.9.2: a loss that was none leaves the curve as it was. */
START_TEST(cubic_goes_on_after_a_loss_that_was_none)
{
    lose_at(1750);
    pass(50);
    tcp_undo_begin(w.pcb);
    lose_at(w.pcb->cwnd / MSS);
    ck_assert_uint_lt(w.pcb->cwnd, 1250 * MSS);
    w.net.now_us += 100000;
    tcp_undo(&w.tcp, w.pcb, false);
    for (int second = 6; second <= 20; second++) {
        pass(10);
        double want = cubic_at(1750, second + 0.2), got = (double)w.pcb->cwnd / MSS;
        ck_assert_msg(got <= want + 1 && got > want * 0.97 - 1,
                      "at %d s: %.1f segments, the curve has %.1f", second, got, want);
    }
}
END_TEST

/* RFC 9438 4.6: not of a window that was not used; and two segments at least. */
START_TEST(cubic_reduces_what_was_used)
{
    w.pcb->cwnd = 100 * MSS;
    w.pcb->snd_nxt = w.pcb->snd_una + 20 * MSS;
    w.pcb->cwnd_limited = true;
    ck_assert_uint_eq(tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb), 70 * MSS);
    w.pcb->cwnd_limited = false;
    ck_assert_uint_eq(tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb), 14 * MSS);
    w.pcb->snd_nxt = w.pcb->snd_una + 2 * MSS;
    ck_assert_uint_eq(tcp_cc(w.pcb)->ssthresh(&w.tcp, w.pcb), 2 * MSS);
}
END_TEST

TCase *test_tcp_cc_cubic(void)
{
    TCase *t = tcase_create("cubic");

    tcase_add_checked_fixture(t, start_cubic, world_close);
    tcase_add_test(t, cubic_follows_the_curve);
    tcase_add_test(t, cubic_converges_fast);
    tcase_add_test(t, cubic_is_not_slower_than_reno);
    tcase_add_test(t, cubic_does_not_grow_by_waiting);
    tcase_add_test(t, cubic_goes_on_after_a_loss_that_was_none);
    tcase_add_test(t, cubic_reduces_what_was_used);
    return t;
}

TCase *test_tcp_cc(void)
{
    TCase *t = tcase_create("cc");

    tcase_add_checked_fixture(t, start, world_close);
    tcase_add_test(t, initial_window);
    tcase_add_test(t, slow_start_counts_bytes);
    tcase_add_test(t, avoidance_adds_a_segment_a_window);
    tcase_add_test(t, slow_start_stops_at_ssthresh);
    tcase_add_test(t, unused_window_stays);
    tcase_add_test(t, window_that_is_not_used_shrinks);
    tcase_add_test(t, window_that_is_used_stays);
    tcase_add_test(t, switching_keeps_the_window);
    tcase_add_test(t, switching_after_the_end_leaves_nothing_behind);
    tcase_add_test(t, the_stack_has_a_default);
    tcase_add_test(t, loss_halves_what_is_in_flight);
    tcase_add_test(t, window_does_not_overflow);
    tcase_add_test(t, names);
    return t;
}
