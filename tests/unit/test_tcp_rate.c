/* Delivery-rate samples, and BBR's model of the path. */
#include "tcp/tcp_cc_bbr.h"
#include "test_tcp.h"

#define MSS 1000u

static struct tcp_acked acked;
static struct tcp_rate rs;

static void start(void)
{
    world_open();
    w.pcb->snd_mss = MSS;
    w.pcb->srtt_us = 100000;
    w.pcb->min_rtt_us = 40000;
    w.pcb->conf.congestion = TCP_CC_BBR;
    tcp_cc_init(&w.tcp, w.pcb);
    memset(&acked, 0, sizeof(acked));
    memset(&rs, 0, sizeof(rs));
}

static void finish(void)
{
    tcp_cc_release(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.tcp.bbrs.live, 0);
    world_close();
}

static struct tcp_bbr *model(void)
{
    return tcp_cc_bbr(w.pcb);
}

/* A frame sent at sent_us, when `before` had been delivered at before_us; 100,000 bytes since. */
static void ack_of(uint64_t sent_us, uint64_t first_sent_us, uint64_t before_us)
{
    acked.has_newest = true;
    acked.delivered = 10 * MSS;
    acked.last_us = sent_us;
    acked.newest = (struct tcp_sent){.xmit_us = sent_us,
                                     .first_sent_us = first_sent_us,
                                     .delivered = 50000,
                                     .delivered_us = before_us,
                                     .tx_in_flight = 90000,
                                     .lost_at_send = 3000};
    w.pcb->delivered = 150000;
    w.pcb->delivered_us = w.net.now_us;
    w.pcb->lost_total = 5000;
    tcp_rate_acked(&w.tcp, w.pcb, &acked, &rs);
}

START_TEST(rate_over_the_longer_interval)
{
    uint64_t now = w.net.now_us;

    ack_of(now - 50000, now - 70000, now - 100000); /* sent in 20 ms, acknowledged in 100 ms */
    ck_assert(rs.valid);
    ck_assert_uint_eq(rs.delivered, 100000);
    ck_assert_uint_eq(rs.delivery_rate, 1000000);
    ck_assert_uint_eq(rs.rtt_us, 50000);
    ck_assert_uint_eq(rs.prior_delivered, 50000);
    ck_assert_uint_eq(rs.lost, 2000);
    ck_assert_uint_eq(rs.tx_in_flight, 90000);
    ck_assert_uint_eq(rs.newly_acked, 10 * MSS);
    ack_of(now - 50000, now - 250000, now - 100000); /* sent in 200 ms */
    ck_assert_uint_eq(rs.delivery_rate, 500000);
}
END_TEST

START_TEST(no_rate_from_less_than_a_round_trip)
{
    uint64_t now = w.net.now_us;

    ack_of(now - 30000, now - 30000, now - 39999);
    ck_assert(rs.valid);
    ck_assert_uint_eq(rs.delivery_rate, 0);
    acked.has_newest = false;
    tcp_rate_acked(&w.tcp, w.pcb, &acked, &rs);
    ck_assert(!rs.valid);
    ck_assert_uint_eq(rs.newly_acked, 10 * MSS);
}
END_TEST

/* What was sent again for nothing is acknowledged for its first transmission: no sample of it. */
START_TEST(no_sample_of_an_earlier_transmission)
{
    struct tcp_sent r = {.end = MSS, .segs = 1, .flags = TCP_SENT_EVER};

    r.xmit_us = w.net.now_us - 39999;
    tcp_sent_delivered(&w.tcp, w.pcb, &r, &acked);
    ck_assert(!acked.has_newest);
    r.xmit_us = w.net.now_us - 40000;
    tcp_sent_delivered(&w.tcp, w.pcb, &r, &acked);
    ck_assert(acked.has_newest);
    ck_assert_uint_eq(acked.delivered, 2 * MSS);
}
END_TEST

START_TEST(application_limited)
{
    uint64_t now = w.net.now_us;

    w.pcb->delivered = 1000;
    w.pcb->snd_nxt = w.pcb->snd_una + 5000;
    tcp_rate_output_done(w.pcb);
    ck_assert_uint_eq(w.pcb->app_limited, 6000);
    w.pcb->snd_nxt = w.pcb->snd_una;
    w.pcb->delivered = 6000;
    tcp_rate_acked(&w.tcp, w.pcb, &acked, &rs);
    ck_assert_uint_eq(w.pcb->app_limited, 6000); /* beyond, not at it */
    w.pcb->delivered = 6001;
    tcp_rate_acked(&w.tcp, w.pcb, &acked, &rs);
    ck_assert_uint_eq(w.pcb->app_limited, 0);
    /* A full window is no sign of it. */
    w.pcb->snd_nxt = w.pcb->snd_una + w.pcb->cwnd;
    tcp_rate_output_done(w.pcb);
    ck_assert_uint_eq(w.pcb->app_limited, 0);
    w.pcb->snd_nxt = w.pcb->snd_una;
    /* For TCP_INFO a limited sample counts only if it is higher. */
    ack_of(now - 50000, now - 70000, now - 100000);
    acked.newest.flags = TCP_SENT_APP_LIMITED;
    acked.newest.delivered_us = now - 200000;
    tcp_rate_acked(&w.tcp, w.pcb, &acked, &rs);
    ck_assert(rs.app_limited);
    ck_assert_uint_eq(w.pcb->delivery_rate, 1000000);
    ck_assert(!w.pcb->rate_app_limited);
}
END_TEST

/* draft-ietf-ccwg-bbr 5.2.1: 2.77 windows a round trip. */
START_TEST(starts_up)
{
    ck_assert_uint_eq(model()->state, BBR_STARTUP);
    ck_assert(w.pcb->paced);
    ck_assert_uint_eq(w.pcb->pacing_rate, 10 * MSS * 10 * 277 / 100);
    ck_assert_uint_eq(model()->min_rtt_us, 100000);
}
END_TEST

START_TEST(product_of_rate_and_delay)
{
    ck_assert_uint_eq(tcp_cc_bbr_bdp(w.pcb, model(), 1000000, 100), 100000);
    ck_assert_uint_eq(tcp_cc_bbr_bdp(w.pcb, model(), 1000000, 225), 225000);
    ck_assert_uint_eq(tcp_cc_bbr_bdp(w.pcb, model(), 0, 100), 10 * MSS); /* IW */
    ck_assert_uint_eq(tcp_cc_bbr_inflight(w.pcb, model(), 10, 100), 3 * 2 * MSS);
    /* 100 Gbit/s, 100 ms */
    ck_assert_uint_eq(tcp_cc_bbr_bdp(w.pcb, model(), 12500000000, 100), 1250000000);
    ck_assert_uint_eq(tcp_cc_bbr_with_headroom(w.pcb, model()), BBR_INF);
    model()->inflight_hi = 100000;
    ck_assert_uint_eq(tcp_cc_bbr_with_headroom(w.pcb, model()), 85000);
    model()->inflight_hi = 4500;
    ck_assert_uint_eq(tcp_cc_bbr_with_headroom(w.pcb, model()), 4 * MSS);
}
END_TEST

/* 2 %, and two standard deviations of what chance makes of it. */
START_TEST(too_much_is_lost)
{
    static const struct {
        uint32_t segments, lost;
    } most[] = {{4, 0}, {10, 1}, {100, 4}, {1000, 28}, {10000, 228}};

    for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
        rs.tx_in_flight = most[i].segments * MSS;
        rs.lost = (uint64_t)most[i].lost * MSS;
        ck_assert(!tcp_cc_bbr_is_too_high(w.pcb, model(), &rs));
        rs.lost += MSS;
        ck_assert(tcp_cc_bbr_is_too_high(w.pcb, model(), &rs));
    }
}
END_TEST

/* A round of 1000 segments while cruising. */
static void cruise(uint32_t segments_lost)
{
    w.pcb->lost_total += segments_lost * MSS;
    model()->loss_in_round = segments_lost != 0;
    w.pcb->delivered += (1000 - segments_lost) * MSS;
    rs = (struct tcp_rate){
        .valid = true, .delivery_rate = 1000000, .prior_delivered = w.pcb->delivered};
    tcp_cc_bbr_update(&w.tcp, w.pcb, model(), &rs);
    tcp_cc_bbr_bound(model(), &rs);
}

/* How many segments of 1000 may be lost. */
static uint32_t allowed(void)
{
    uint32_t n = 0;

    rs = (struct tcp_rate){.tx_in_flight = 1000 * MSS};
    while (n < 1000 && !tcp_cc_bbr_is_too_high(w.pcb, model(), &rs)) {
        n++;
        rs.lost = (uint64_t)n * MSS;
    }
    return n ? n - 1 : 0;
}

/* What a link loses that has no queue is not counted: p is 2 % beyond it, at most 7 %. */
START_TEST(a_floor_of_loss)
{
    model()->state = BBR_PROBE_BW_CRUISE;
    model()->min_rtt_us = w.pcb->srtt_us = 40000;
    ck_assert_uint_eq(allowed(), 28);
    cruise(25);
    cruise(100); /* too many: bounds sink, and only what was allowed is learned */
    ck_assert_uint_ne(model()->inflight_lo, BBR_INF);
    tcp_cc_bbr_reset_lower_bounds(model());
    for (int i = 0; i < 20; i++)
        cruise(30);
    ck_assert_uint_eq(model()->inflight_lo, BBR_INF);
    ck_assert_uint_ge(allowed(), 62);
    ck_assert_uint_le(allowed(), 65); /* 50 + 2 sqrt(50) */
    tcp_cc_bbr_advance_losses(model());
    ck_assert_uint_ge(allowed(), 62);
    tcp_cc_bbr_advance_losses(model()); /* two cycles later it is forgotten */
    ck_assert_uint_eq(allowed(), 28);
    for (int i = 0; i < 200; i++)
        cruise(200);
    ck_assert_uint_eq(allowed(), 86); /* 70 + 2 sqrt(70) */
}
END_TEST

/* While a queue is seen, it may be that which overflows; and other states cause losses themselves.
 */
START_TEST(no_floor_beside_a_queue)
{
    model()->state = BBR_PROBE_BW_CRUISE;
    model()->min_rtt_us = 40000;
    w.pcb->srtt_us = 80000; /* a full queue */
    cruise(25);
    w.pcb->srtt_us = 45001;
    for (int i = 0; i < 20; i++)
        cruise(25);
    ck_assert_uint_eq(allowed(), 28);
    w.pcb->srtt_us = 45000;
    model()->state = BBR_PROBE_BW_DOWN;
    cruise(25);
    ck_assert_uint_eq(allowed(), 28);
    model()->state = BBR_PROBE_BW_CRUISE;
    cruise(25);
    ck_assert_uint_gt(allowed(), 50);
}
END_TEST

/* The shortest round trip is met again: it need not be probed for. */
START_TEST(a_round_trip_met_again)
{
    model()->probe_rtt_min_us = model()->min_rtt_us = 64000;
    for (int again = 1; again >= 0; again--) {
        model()->probe_rtt_min_at_us = w.net.now_us;
        w.net.now_us += 4000000;
        rs = (struct tcp_rate){.rtt_us = again ? 65000 : 65001};
        tcp_cc_bbr_update_min_rtt(&w.tcp, model(), &rs);
        w.net.now_us += 1500000;
        rs.rtt_us = 0;
        tcp_cc_bbr_update_min_rtt(&w.tcp, model(), &rs);
        ck_assert_uint_eq(model()->probe_rtt_expired, !again);
        ck_assert_uint_eq(model()->min_rtt_us, 64000);
    }
}
END_TEST

/* ACKs that come in lumps (5.5.9), and those that are a little faster than the bandwidth that is
 * believed in, for long: these are none. */
START_TEST(lumps_of_acks)
{
    model()->bw = 1000000;
    w.pcb->cwnd = 1000 * MSS;
    rs = (struct tcp_rate){.newly_acked = 50 * MSS};
    for (int i = 0; i < 40; i++) {
        tcp_cc_bbr_update(&w.tcp, w.pcb, model(), &rs);
        w.net.now_us += 50000;
    }
    ck_assert_uint_eq(tcp_cc_bbr_extra_acked(model()), 50 * MSS);
    rs.newly_acked = 1010;
    model()->extra_acked[1] = 0;
    for (int i = 0; i < 10000; i++) {
        tcp_cc_bbr_update(&w.tcp, w.pcb, model(), &rs);
        w.net.now_us += 1000;
    }
    ck_assert_uint_le(tcp_cc_bbr_extra_acked(model()), 12 * MSS);
}
END_TEST

/* Three rounds without a quarter more (5.3.1.2). */
START_TEST(pipe_is_full)
{
    static const uint64_t rates[] = {100000, 126000, 160000, 190000, 195000, 199000};

    for (int i = 0; i < 6; i++) {
        ck_assert(!model()->full_bw_reached);
        w.pcb->delivered += 100000;
        rs = (struct tcp_rate){.valid = true,
                               .delivery_rate = rates[i],
                               .prior_delivered = w.pcb->delivered - 100000,
                               .delivered = 100000,
                               .newly_acked = 100000};
        tcp_cc(w.pcb)->control(&w.tcp, w.pcb, &rs);
    }
    ck_assert(model()->full_bw_reached);
    ck_assert_uint_eq(model()->max_bw, 199000);
    ck_assert_uint_ne(model()->state, BBR_STARTUP);
}
END_TEST

/* A round with many losses outside of probing; one with few does not count. */
START_TEST(losses_lower_the_short_term)
{
    struct tcp_sent r = {.tx_in_flight = 100 * MSS, .end = MSS};

    model()->state = BBR_PROBE_BW_CRUISE;
    model()->max_bw = model()->bw_filter[0] = 1000000;
    w.pcb->cwnd = 200 * MSS;
    for (int few = 1; few >= 0; few--) {
        w.pcb->lost_total += (few ? 2u : 20u) * MSS;
        tcp_cc_bbr_lost(w.pcb, &r);
        w.pcb->delivered += 100 * MSS;
        rs = (struct tcp_rate){.valid = true,
                               .delivery_rate = 600000,
                               .prior_delivered = w.pcb->delivered,
                               .delivered = 80 * MSS};
        tcp_cc_bbr_update(&w.tcp, w.pcb, model(), &rs);
        tcp_cc_bbr_bound(model(), &rs);
        ck_assert_uint_eq(model()->bw, few ? 1000000 : 700000); /* beta */
    }
    ck_assert_uint_eq(model()->inflight_lo, 140 * MSS);
}
END_TEST

/* A loss while probing says how much in flight was too much: as far as 2 % allow. */
START_TEST(losses_bound_the_long_term)
{
    struct tcp_sent r = {.tx_in_flight = 100 * MSS, .end = MSS};

    model()->state = BBR_PROBE_BW_UP;
    model()->full_bw_reached = true;
    model()->bw = model()->max_bw = 100000;
    w.pcb->lost_total = 10 * MSS;
    tcp_cc_bbr_lost(w.pcb, &r);
    ck_assert_uint_eq(model()->too_high, 0); /* these were sent before */
    model()->bw_probe_samples = true;
    tcp_cc_bbr_lost(w.pcb, &r);
    ck_assert_uint_eq(model()->too_high, 99 * MSS);
    tcp_cc(w.pcb)->control(&w.tcp, w.pcb, &rs);
    ck_assert_uint_eq(model()->inflight_hi, 99 * MSS);
    ck_assert_uint_ne(model()->state, BBR_PROBE_BW_UP);
    ck_assert(!model()->bw_probe_samples);
    /* It was none: the congestion was only thought. */
    model()->undo.inflight_hi = 150 * MSS;
    tcp_cc(w.pcb)->undo(&w.tcp, w.pcb);
    ck_assert_uint_eq(model()->inflight_hi, 150 * MSS);
}
END_TEST

/* Who has lost a tenth of the bandwidth to others is judged by what it sent while probing. */
START_TEST(the_outrun_are_judged_later)
{
    model()->bw_probe_samples = true;
    model()->ack_phase = BBR_ACKS_PROBE_STARTING;
    model()->bw_filter[0] = 1000000;
    model()->bw_filter[1] = 900000;
    ck_assert(tcp_cc_bbr_is_judging(model()));
    model()->bw_filter[1] = 899999;
    ck_assert(!tcp_cc_bbr_is_judging(model()));
    model()->ack_phase = BBR_ACKS_PROBE_FEEDBACK;
    ck_assert(tcp_cc_bbr_is_judging(model()));
    model()->bw_probe_samples = false;
    ck_assert(!tcp_cc_bbr_is_judging(model()));
    model()->inflight_hi = 100000; /* and they leave nothing to others but a segment */
    ck_assert_uint_eq(tcp_cc_bbr_with_headroom(w.pcb, model()), 99000);
    model()->bw_filter[1] = 900000;
    ck_assert_uint_eq(tcp_cc_bbr_with_headroom(w.pcb, model()), 85000);
}
END_TEST

START_TEST(without_memory_another_one)
{
    tcp_cc_release(&w.tcp, w.pcb);
    arena_fail_at(w.arena, 1);
    for (int i = 0; i < 64 && tcp_cc(w.pcb)->control; i++) { /* until the slab is full */
        w.pcb->cc[0] = 0;
        tcp_cc_init(&w.tcp, w.pcb);
    }
    arena_fail_at(w.arena, 0);
    ck_assert_str_eq(tcp_cc(w.pcb)->name, "cubic");
    ck_assert_uint_eq(w.pcb->cwnd, 10 * MSS);
    for (void *b; (b = slab_next(&w.tcp.bbrs, NULL));)
        slab_free(&w.tcp.bbrs, b);
}
END_TEST

TCase *test_tcp_rate(void)
{
    TCase *t = tcase_create("rate");

    tcase_add_checked_fixture(t, start, finish);
    tcase_add_test(t, rate_over_the_longer_interval);
    tcase_add_test(t, no_rate_from_less_than_a_round_trip);
    tcase_add_test(t, no_sample_of_an_earlier_transmission);
    tcase_add_test(t, application_limited);
    tcase_add_test(t, starts_up);
    tcase_add_test(t, product_of_rate_and_delay);
    tcase_add_test(t, too_much_is_lost);
    tcase_add_test(t, a_floor_of_loss);
    tcase_add_test(t, no_floor_beside_a_queue);
    tcase_add_test(t, a_round_trip_met_again);
    tcase_add_test(t, lumps_of_acks);
    tcase_add_test(t, pipe_is_full);
    tcase_add_test(t, losses_lower_the_short_term);
    tcase_add_test(t, losses_bound_the_long_term);
    tcase_add_test(t, the_outrun_are_judged_later);
    tcase_add_test(t, without_memory_another_one);
    return t;
}
