/* RFC 6298. */
#include "test_tcp.h"

START_TEST(first_measurement)
{
    ck_assert_uint_eq(w.pcb->rto_us, 1000000); /* 2.1 */
    tcp_rtt_sample(w.pcb, 400000);             /* 2.2 */
    ck_assert_uint_eq(w.pcb->srtt_us, 400000);
    ck_assert_uint_eq(w.pcb->rttvar_us, 200000);
    ck_assert_uint_eq(w.pcb->rto_us, 400000 + 4 * 200000);
    ck_assert_uint_eq(w.pcb->min_rtt_us, UINT32_MAX); /* is told of exact ones only */
}
END_TEST

START_TEST(next_measurements)
{
    tcp_rtt_sample(w.pcb, 400000);
    tcp_rtt_sample(w.pcb, 800000); /* 2.3 */
    ck_assert_uint_eq(w.pcb->rttvar_us, (3 * 200000 + 400000) / 4);
    ck_assert_uint_eq(w.pcb->srtt_us, (7 * 400000 + 800000) / 8);
    tcp_rtt_sample(w.pcb, 100000);
}
END_TEST

/* The shortest of the last 150 to 300 s. */
START_TEST(minimum_is_forgotten)
{
    tcp_rtt_min(&w.tcp, w.pcb, 5000);
    tcp_rtt_min(&w.tcp, w.pcb, 20000);
    ck_assert_uint_eq(w.pcb->min_rtt_us, 5000);
    w.net.now_us += 160000000;
    tcp_rtt_min(&w.tcp, w.pcb, 30000);
    ck_assert_uint_eq(w.pcb->min_rtt_us, 5000);
    w.net.now_us += 160000000;
    tcp_rtt_min(&w.tcp, w.pcb, 40000);
    ck_assert_uint_eq(w.pcb->min_rtt_us, 30000);
    w.net.now_us += 310000000;
    tcp_rtt_min(&w.tcp, w.pcb, 50000);
    ck_assert_uint_eq(w.pcb->min_rtt_us, 50000);
    tcp_rtt_min(&w.tcp, w.pcb, 0);
    ck_assert_uint_eq(w.pcb->min_rtt_us, 1);
}
END_TEST

/* RFC 6298 2.4 */
START_TEST(bounds)
{
    for (int i = 0; i < 200; i++)
        tcp_rtt_sample(w.pcb, 100);
    ck_assert_uint_eq(w.pcb->rto_us, 100 + TCP_RTO_MIN_US);
    tcp_rtt_sample(w.pcb, 0); /* quicker than the clock */
    ck_assert_uint_gt(w.pcb->srtt_us, 0);
    for (int i = 0; i < 200; i++)
        tcp_rtt_sample(w.pcb, UINT64_MAX / 2);
    ck_assert_uint_eq(w.pcb->rto_us, TCP_RTO_MAX_US);
}
END_TEST

/* RFC 6298 5.5 */
START_TEST(backoff)
{
    tcp_rtt_sample(w.pcb, 100000); /* RTO 300 ms */
    for (int i = 0; i < 9; i++) {
        w.pcb->backoff = (uint8_t)i;
        ck_assert_uint_eq(tcp_rtt_rto_us(w.pcb), 300000u << i);
    }
    w.pcb->backoff = 9;
    ck_assert_uint_eq(tcp_rtt_rto_us(w.pcb), TCP_RTO_MAX_US);
    w.pcb->backoff = 255;
    ck_assert_uint_eq(tcp_rtt_rto_us(w.pcb), TCP_RTO_MAX_US);
    tcp_rtt_sample(w.pcb, 100000); /* section 5: a measurement ends it */
    ck_assert_uint_eq(w.pcb->backoff, 0);
}
END_TEST

START_TEST(one_segment_is_timed)
{
    struct tcp_seg seg = {.flags = TCP_ACK};

    tcp_rtt_start(&w.tcp, w.pcb, 1000);
    w.net.now_us += 5000;
    tcp_rtt_start(&w.tcp, w.pcb, 2000); /* one is under way */
    w.net.now_us += 5000;
    seg.ack = 999;
    tcp_rtt_ack(&w.tcp, w.pcb, &seg);
    ck_assert_uint_eq(w.pcb->srtt_us, 0);
    seg.ack = 1000;
    tcp_rtt_ack(&w.tcp, w.pcb, &seg);
    ck_assert_uint_eq(w.pcb->srtt_us, 10000);
    w.net.now_us += 100000;
    seg.ack = 2000;
    tcp_rtt_ack(&w.tcp, w.pcb, &seg);
    ck_assert_uint_eq(w.pcb->srtt_us, 10000);
}
END_TEST

/* RFC 6298 3 */
START_TEST(what_is_sent_again_is_not_timed)
{
    struct tcp_seg seg = {.flags = TCP_ACK, .ack = 1000};

    tcp_rtt_start(&w.tcp, w.pcb, 1000);
    tcp_rtt_cancel(w.pcb, 1000); /* from behind it: no matter */
    ck_assert(w.pcb->rtt_timing);
    tcp_rtt_cancel(w.pcb, 999);
    w.net.now_us += 10000;
    tcp_rtt_ack(&w.tcp, w.pcb, &seg);
    ck_assert_uint_eq(w.pcb->srtt_us, 0);
}
END_TEST

/* The peer answers the second transmission with the timestamp of the first: only its ACK was lost,
 * and nothing is known of the time. */
START_TEST(echo_of_the_first_transmission)
{
    struct tcp_seg seg = {.flags = TCP_ACK, .ack = 1000, .opt = {.has_ts = true}};

    w.pcb->ts_ok = true;
    w.pcb->retransmits = 1;
    seg.opt.ts_ecr = tcp_segment_ts_now(&w.tcp, w.pcb);
    w.net.now_us += 20000000;
    w.pcb->rexmt_ts = tcp_segment_ts_now(&w.tcp, w.pcb);
    w.net.now_us += 10000;
    tcp_rtt_ack(&w.tcp, w.pcb, &seg);
    ck_assert_uint_eq(w.pcb->srtt_us, 0);
    seg.opt.ts_ecr = w.pcb->rexmt_ts;
    tcp_rtt_ack(&w.tcp, w.pcb, &seg);
    ck_assert_uint_eq(w.pcb->srtt_us, 10000);
}
END_TEST

TCase *test_tcp_rtt(void)
{
    TCase *t = tcase_create("rtt");

    tcase_add_checked_fixture(t, world_open, world_close);
    tcase_add_test(t, first_measurement);
    tcase_add_test(t, next_measurements);
    tcase_add_test(t, minimum_is_forgotten);
    tcase_add_test(t, bounds);
    tcase_add_test(t, backoff);
    tcase_add_test(t, one_segment_is_timed);
    tcase_add_test(t, what_is_sent_again_is_not_timed);
    tcase_add_test(t, echo_of_the_first_transmission);
    return t;
}
