/* RFC 5681, RFC 3465, RFC 6928. */
#include "test_tcp.h"

#define MSS 1000u

static void start(void)
{
    world_open();
    w.pcb->snd_mss = MSS;
    tcp_cc_init(&w.tcp, w.pcb);
}

/* As if cwnd were full. */
static void ack(uint32_t bytes)
{
    w.pcb->snd_nxt = w.pcb->snd_una + w.pcb->cwnd;
    tcp_cc_sent(w.pcb, true);
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
    tcp_cc_sent(w.pcb, false);
    tcp_cc_ack(&w.tcp, w.pcb, 4 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 10 * MSS);
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

TCase *test_tcp_cc(void)
{
    TCase *t = tcase_create("cc");

    tcase_add_checked_fixture(t, start, world_close);
    tcase_add_test(t, initial_window);
    tcase_add_test(t, slow_start_counts_bytes);
    tcase_add_test(t, avoidance_adds_a_segment_a_window);
    tcase_add_test(t, slow_start_stops_at_ssthresh);
    tcase_add_test(t, unused_window_stays);
    tcase_add_test(t, loss_halves_what_is_in_flight);
    tcase_add_test(t, window_does_not_overflow);
    tcase_add_test(t, names);
    return t;
}
