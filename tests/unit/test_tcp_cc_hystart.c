/* HyStart++ (RFC 9406). */
#include "test_tcp.h"

#define MSS 1000u

static void start(void)
{
    world_open();
    w.pcb->snd_mss = MSS;
    w.pcb->conf.congestion = TCP_CC_CUBIC;
    tcp_cc_init(&w.tcp, w.pcb);
}

/* A round trip in which cwnd is used; samples ACKs of rtt_us each bring it all. */
static void round_trip(uint32_t rtt_us, uint32_t samples)
{
    uint32_t piece = w.pcb->cwnd / samples, left;

    w.pcb->snd_nxt = w.pcb->snd_una + w.pcb->cwnd;
    tcp_cc_sent(&w.tcp, w.pcb, true);
    left = tcp_flight(w.pcb);
    for (uint32_t i = 0; i < samples; i++) {
        uint32_t n = i + 1 < samples ? piece : left;
        tcp_cc_rtt(w.pcb, rtt_us);
        w.pcb->snd_una += n;
        left -= n;
        tcp_cc_ack(&w.tcp, w.pcb, n);
    }
}

/* Growth of cwnd in a round, in percent. */
static uint32_t growth(uint32_t rtt_us, uint32_t samples)
{
    uint32_t before = w.pcb->cwnd;

    round_trip(rtt_us, samples);
    return (w.pcb->cwnd - before) * 100 / before;
}

START_TEST(steady_round_trips_double)
{
    for (int i = 0; i < 8; i++)
        ck_assert_uint_eq(growth(100000, 10), 100);
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
}
END_TEST

/* RFC 9406 4.2: with 100 ms the threshold is 12.5 ms. */
START_TEST(longer_round_trips_end_it)
{
    round_trip(100000, 10);
    round_trip(100000, 10);
    ck_assert_uint_eq(growth(112400, 10), 100);
    round_trip(100000, 10);
    ck_assert_uint_lt(growth(114000, 20), 70); /* seen after the eighth sample: 7 + 13/4 of 20 */
    ck_assert(w.pcb->hystart.css);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
        uint32_t g = growth(115000, 10);
        ck_assert_uint_ge(g, 24);
        ck_assert_uint_le(g, 25);
    }
    round_trip(115000, 10);
    ck_assert_uint_ne(w.pcb->ssthresh, UINT32_MAX);
    ck_assert_uint_le(w.pcb->ssthresh, w.pcb->cwnd);
    ck_assert_uint_le(growth(115000, 10), 15); /* congestion avoidance, of CUBIC */
}
END_TEST

START_TEST(noise_does_not_end_it)
{
    round_trip(100000, 10);
    round_trip(100000, 10);
    round_trip(120000, 20);
    ck_assert(w.pcb->hystart.css);
    ck_assert_uint_lt(growth(119999, 8), 100); /* shorter than what made it careful */
    ck_assert(!w.pcb->hystart.css);
    ck_assert_uint_eq(growth(119999, 10), 100);
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
}
END_TEST

START_TEST(few_samples_say_nothing)
{
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_uint_eq(growth(100000 + i * 50000, 7), 100);
}
END_TEST

/* Round trips of rtt_us, in which the ACKs follow each other after gap_us. */
static void train(uint32_t rtt_us, uint32_t gap_us, uint32_t samples)
{
    w.pcb->min_rtt_us = rtt_us;
    w.pcb->snd_nxt = w.pcb->snd_una + w.pcb->cwnd;
    tcp_cc_sent(&w.tcp, w.pcb, true);
    w.net.now_us += rtt_us;
    for (uint32_t i = 0; i < samples; i++) {
        w.net.now_us += i ? gap_us : 0;
        w.pcb->snd_una += MSS;
        tcp_cc_ack(&w.tcp, w.pcb, MSS);
    }
}

/* The ACKs of a window come for more than half of a round trip: the next one fills the path. */
START_TEST(a_long_train_of_acks_ends_it)
{
    train(20000, 1000, 10);
    ck_assert_uint_eq(w.pcb->cwnd, 20 * MSS);
    train(20000, 1000, 11); /* the eleventh comes 10 ms after the first, which began the round */
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
    w.net.now_us += 1000;
    w.pcb->snd_una += MSS;
    tcp_cc_ack(&w.tcp, w.pcb, MSS);
    ck_assert_uint_eq(w.pcb->ssthresh, 31 * MSS);
    ck_assert_uint_eq(w.pcb->cwnd, 31 * MSS);
}
END_TEST

START_TEST(gaps_end_a_train)
{
    train(20000, 1000, 10);
    train(20000, 2001, 20);
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
    ck_assert_uint_eq(w.pcb->cwnd, 40 * MSS);
}
END_TEST

/* One that is paced is spread over the round trip anyway. */
START_TEST(pacing_makes_trains)
{
    w.pcb->paced = true;
    train(20000, 1000, 10);
    train(20000, 1000, 20);
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
    train(20000, 1000, 22);
    ck_assert_uint_eq(w.pcb->ssthresh, 61 * MSS);
}
END_TEST

START_TEST(short_paths_have_no_trains)
{
    for (int i = 0; i < 4; i++)
        train(3999, 1000, w.pcb->cwnd / MSS);
    ck_assert_uint_eq(w.pcb->ssthresh, UINT32_MAX);
}
END_TEST

/* The threshold lies between 4 and 16 ms. */
START_TEST(thresholds_are_bounded)
{
    round_trip(1000, 10);
    round_trip(4900, 10);
    ck_assert(!w.pcb->hystart.css);
    round_trip(8900, 10);
    ck_assert(w.pcb->hystart.css);
    tcp_cc_init(&w.tcp, w.pcb);
    round_trip(1000000, 10);
    round_trip(1015900, 10);
    ck_assert(!w.pcb->hystart.css);
    round_trip(1031900, 10);
    ck_assert(w.pcb->hystart.css);
}
END_TEST

/* 4.3: once ssthresh is known, slow start is as it was (RFC 9406 4.3). */
START_TEST(only_the_first_slow_start)
{
    round_trip(100000, 10);
    w.pcb->ssthresh = 200 * MSS;
    round_trip(150000, 10);
    ck_assert_uint_eq(growth(200000, 10), 100);
    ck_assert_uint_eq(w.pcb->ssthresh, 200 * MSS);
}
END_TEST

TCase *test_tcp_cc_hystart(void)
{
    TCase *t = tcase_create("hystart");

    tcase_add_checked_fixture(t, start, world_close);
    tcase_add_test(t, steady_round_trips_double);
    tcase_add_test(t, longer_round_trips_end_it);
    tcase_add_test(t, noise_does_not_end_it);
    tcase_add_test(t, few_samples_say_nothing);
    tcase_add_test(t, a_long_train_of_acks_ends_it);
    tcase_add_test(t, gaps_end_a_train);
    tcase_add_test(t, pacing_makes_trains);
    tcase_add_test(t, short_paths_have_no_trains);
    tcase_add_test(t, thresholds_are_bounded);
    tcase_add_test(t, only_the_first_slow_start);
    return t;
}
