/* Timers: RFC 6298, RFC 9293 3.8.1, 3.8.3, 3.8.4, 3.8.6.1, RFC 5482. */
#include "script.h"

static struct tcp_config *conf(struct script *s)
{
    static struct tcp_config nobody;

    return s->pcb ? tcp_config(s->pcb) : &nobody;
}

#define DATA(after_us) OUT_AT(after_us, .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100)

/* ---- retransmission ---- */

/* RFC 6298 5.1, 5.4, 5.5 */
SCRIPT(timeout_doubles, PASSIVE_OPEN, SEND(100), DATA(0), DATA(MS(210)), DATA(MS(420)),
       DATA(MS(840)), DATA(MS(1680)), IN(.f = ACK, .seq = 1, .ack = 101), QUIET(SEC(10)))

#define TEN_TIMEOUTS                                                                               \
    DATA(MS(210)), DATA(MS(420)), DATA(MS(840)), DATA(MS(1680)), DATA(MS(3360)), DATA(MS(6720)),   \
        DATA(MS(13440)), DATA(MS(26880)), DATA(MS(53760)), DATA(MS(107520))
SCRIPT(giving_up_after_924_s, PASSIVE_OPEN, SEND(100), DATA(0), TEN_TIMEOUTS, DATA(SEC(120)),
       DATA(SEC(120)), DATA(SEC(120)), DATA(SEC(120)), DATA(SEC(120)), EVENTS(0, 0xffff),
       QUIET(SEC(120) - 1), STATE(TCP_ESTABLISHED), QUIET(1), STATE(TCP_CLOSED),
       EVENTS(POLLERR | POLLHUP | POLLIN | POLLOUT, 0xffff), ERROR(ETIMEDOUT))

SCRIPT(timer_starts_over_with_each_new_ack, PASSIVE_OPEN, SEND(2920),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1461),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460))

/* TCP_RTO_MIN_US, TCP_RTO_MAX_MS, TCP_DELACK_MAX_US. */
static void short_timeouts(struct script *s)
{
    conf(s)->rto_min_us = 20000;
    conf(s)->rto_max_ms = 1000;
    conf(s)->delack_max_us = 5000;
}
static void no_quickack(struct script *s)
{
    if (s->pcb)
        tcp_set_quickack(s->tcp, s->pcb, false);
}
static void counted_timeouts(struct script *s)
{
    uint8_t info[300];
    uint16_t count[2];
    uint32_t ms;

    if (!s->pcb || s->lenient)
        return;
    ck_assert_uint_eq(tcp_info_fill(s->tcp, s->pcb, info, sizeof(info)), 280);
    memcpy(count, info + 240, sizeof(count)); /* tcpi_total_rto, tcpi_total_rto_recoveries */
    memcpy(&ms, info + 244, sizeof(ms));      /* tcpi_total_rto_time */
    ck_assert_uint_eq(count[0], 7);
    ck_assert_uint_eq(count[1], 1);
    ck_assert_uint_eq(ms, 2950);
}
#define AGAIN(after_us) OUT_AT(after_us, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 100)
SCRIPT(timeouts_can_be_shorter, PASSIVE_OPEN, DO(short_timeouts), SEND(100), DATA(0),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 101), SEND(100), AGAIN(0), AGAIN(MS(30)),
       AGAIN(MS(60)), AGAIN(MS(120)), AGAIN(MS(240)), AGAIN(MS(480)), AGAIN(MS(960)), AGAIN(SEC(1)),
       IN_AT(MS(90), .f = ACK, .seq = 1, .ack = 201), DO(counted_timeouts), DO(no_quickack),
       IN(.f = ACK, .seq = 1, .ack = 201, .len = 10),
       OUT_AT(MS(5), .f = ACK, .seq = 201, .ack = 11))

/* RFC 6298 5.2 */
SCRIPT(timer_stops_when_all_is_acknowledged, PASSIVE_OPEN, SEND(100), DATA(0),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 101), QUIET(SEC(1000)))

/* Karn: what was sent twice is not measured, and the doubled timeout stays. */
SCRIPT(timeout_stays_doubled_until_a_measurement, PASSIVE_OPEN, SEND(100), DATA(0), DATA(MS(210)),
       IN_AT(MS(200), .f = ACK, .seq = 1, .ack = 101), SEND(10),
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 10),
       OUT_AT(MS(420), .f = ACK | PSH, .seq = 101, .ack = 1, .len = 10),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 111), SEND(10),
       OUT(.f = ACK | PSH, .seq = 111, .ack = 1, .len = 10),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 121), SEND(10),
       OUT(.f = ACK | PSH, .seq = 121, .ack = 1, .len = 10),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 121, .ack = 1, .len = 10))

#define TS_OPEN                                                                                    \
    LISTEN(1), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 1000),                              \
        OUT(.f = SYN | ACK, .ack = 1),                                                             \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1010), ACCEPT(0)
/* RFC 7323 4 */
SCRIPT(timestamps_measure_what_was_sent_again, TS_OPEN, SEND(100), DATA(0), DATA(MS(210)),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 101, .ts = true, .ts_val = 1100, .ts_ecr = 220),
       SEND(10), OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 10),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 101, .ack = 1, .len = 10))

SCRIPT(variance_lengthens_the_timeout, PASSIVE_OPEN, SEND(100), DATA(0),
       IN_AT(MS(200), .f = ACK, .seq = 1, .ack = 101), SEND(10), /* SRTT 33.75, RTTVAR 51.25 ms */
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 10),
       OUT_AT(33750 + 4 * 51250, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 10))

static void user_timeout_5_s(struct script *s)
{
    conf(s)->user_timeout_ms = 5000;
}
SCRIPT(user_timeout, PASSIVE_OPEN, DO(user_timeout_5_s), SEND(100), DATA(0), DATA(MS(210)),
       DATA(MS(420)), DATA(MS(840)), DATA(MS(1680)), QUIET(MS(1850) - 1), STATE(TCP_ESTABLISHED),
       QUIET(1), STATE(TCP_CLOSED), ERROR(ETIMEDOUT))
SCRIPT(user_timeout_of_a_syn, CONNECT(0), OUT(.f = SYN), DO(user_timeout_5_s),
       OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(1), .f = SYN),
       OUT_AT(SEC(1), .f = SYN), QUIET(SEC(1)), STATE(TCP_CLOSED), ERROR(ETIMEDOUT))

static void user_timeout_1000_s(struct script *s)
{
    conf(s)->user_timeout_ms = 1000000;
}
SCRIPT(user_timeout_may_be_long, PASSIVE_OPEN, DO(user_timeout_1000_s), SEND(100), DATA(0),
       TEN_TIMEOUTS, DATA(SEC(120)), DATA(SEC(120)), DATA(SEC(120)), DATA(SEC(120)), DATA(SEC(120)),
       DATA(SEC(120)), QUIET(MS(65170)), STATE(TCP_CLOSED), ERROR(ETIMEDOUT))

/* ---- closed window ---- */

#define PROBE(after_us) OUT_AT(after_us, .f = ACK, .seq = 0, .ack = 1)
#define ANSWER          IN(.f = ACK, .seq = 1, .ack = 1, .win = -1)
#define CLOSED_WINDOW   PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .win = -1), SEND(100)

/* SHLD-30 */
SCRIPT(closed_window_is_probed, CLOSED_WINDOW, PROBE(MS(210)), ANSWER, PROBE(MS(420)), ANSWER,
       PROBE(MS(840)), ANSWER, PROBE(MS(1680)), ANSWER,
       IN_AT(MS(100), .f = ACK, .seq = 1, .ack = 1, .win = 1000), DATA(0),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 101), QUIET(SEC(10)))

#define EIGHT_PROBES                                                                               \
    PROBE(MS(210)), ANSWER, PROBE(MS(420)), ANSWER, PROBE(MS(840)), ANSWER, PROBE(MS(1680)),       \
        ANSWER, PROBE(MS(3360)), ANSWER, PROBE(MS(6720)), ANSWER, PROBE(MS(13440)), ANSWER,        \
        PROBE(MS(26880)), ANSWER
#define FOUR_SLOW_PROBES                                                                           \
    PROBE(SEC(120)), ANSWER, PROBE(SEC(120)), ANSWER, PROBE(SEC(120)), ANSWER, PROBE(SEC(120)),    \
        ANSWER
/* MUST-37: for ever, as long as the peer answers. */
SCRIPT(probing_goes_on_while_the_peer_answers, CLOSED_WINDOW, EIGHT_PROBES, PROBE(MS(53760)),
       ANSWER, PROBE(MS(107520)), ANSWER, FOUR_SLOW_PROBES, FOUR_SLOW_PROBES, FOUR_SLOW_PROBES,
       STATE(TCP_ESTABLISHED))
SCRIPT(probing_ends_when_nobody_answers, CLOSED_WINDOW, PROBE(MS(210)), PROBE(MS(420)),
       PROBE(MS(840)), PROBE(MS(1680)), PROBE(MS(3360)), PROBE(MS(6720)), PROBE(MS(13440)),
       PROBE(MS(26880)), PROBE(MS(53760)), PROBE(MS(107520)), PROBE(SEC(120)), PROBE(SEC(120)),
       PROBE(SEC(120)), PROBE(SEC(120)), PROBE(SEC(120)), QUIET(SEC(120)), STATE(TCP_CLOSED),
       ERROR(ETIMEDOUT))
SCRIPT(orphan_does_not_probe_for_ever, CLOSED_WINDOW, CLOSE, EIGHT_PROBES, PCBS(2),
       QUIET(MS(53760)), PCBS(1))
SCRIPT(user_timeout_ends_probing, CLOSED_WINDOW, DO(user_timeout_5_s), PROBE(MS(210)),
       PROBE(MS(420)), PROBE(MS(840)), PROBE(MS(1680)), QUIET(MS(2060)), STATE(TCP_CLOSED),
       ERROR(ETIMEDOUT))
SCRIPT(fin_waits_for_the_window, CLOSED_WINDOW, CLOSE, PROBE(MS(210)),
       IN(.f = ACK, .seq = 1, .ack = 1, .win = 101),
       OUT(.f = FIN | ACK | PSH, .seq = 1, .ack = 1, .len = 100))

/* ---- keepalive ---- */

static void keepalive_on(struct script *s)
{
    conf(s)->keepalive = true;
    if (s->pcb)
        tcp_config_changed(s->tcp, s->pcb);
}
static void keepalive_quick(struct script *s)
{
    conf(s)->keep_idle_ms = 10000;
    conf(s)->keep_intvl_ms = 2000;
    conf(s)->keep_cnt = 3;
    keepalive_on(s);
}
/* MUST-25 */
SCRIPT(no_keepalive_unless_asked_for, PASSIVE_OPEN, QUIET(SEC(86400)), STATE(TCP_ESTABLISHED))
/* MUST-28 */
SCRIPT(keepalive_after_two_hours, PASSIVE_OPEN, DO(keepalive_on), PROBE(SEC(7200)),
       IN(.f = ACK, .seq = 1, .ack = 1), PROBE(SEC(7200)), PROBE(SEC(75)),
       IN(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))
/* MUST-26 */
SCRIPT(keepalive_gives_up, PASSIVE_OPEN, DO(keepalive_quick), PROBE(SEC(10)), PROBE(SEC(2)),
       PROBE(SEC(2)), OUT_AT(SEC(2), .f = RST | ACK, .seq = 1, .ack = 1), STATE(TCP_CLOSED),
       ERROR(ETIMEDOUT))
SCRIPT(keepalive_is_put_off_by_traffic, PASSIVE_OPEN, DO(keepalive_quick),
       IN_AT(SEC(6), .f = ACK, .seq = 1, .ack = 1, .len = 1), OUT(.f = ACK, .seq = 1, .ack = 2),
       OUT_AT(SEC(10), .f = ACK, .seq = 0, .ack = 2))
SCRIPT(keepalive_waits_while_data_are_in_flight, PASSIVE_OPEN, DO(keepalive_quick), QUIET(SEC(9)),
       SEND(100), DATA(0), DATA(MS(210)), DATA(MS(420)), DATA(MS(840)),
       IN(.f = ACK, .seq = 1, .ack = 101), OUT_AT(SEC(10), .f = ACK, .seq = 100, .ack = 1))
static void user_timeout_12_s(struct script *s)
{
    conf(s)->user_timeout_ms = 12000;
}
/* RFC 5482 4.2 */
SCRIPT(user_timeout_overrides_the_count, PASSIVE_OPEN, DO(user_timeout_12_s), DO(keepalive_quick),
       PROBE(SEC(10)), OUT_AT(SEC(2), .f = RST | ACK, .seq = 1, .ack = 1), STATE(TCP_CLOSED),
       ERROR(ETIMEDOUT))
SCRIPT(keepalive_probe_in_is_answered, PASSIVE_OPEN, IN_AT(SEC(10), .f = ACK, .seq = 0, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN_AT(SEC(10), .f = ACK, .seq = 0, .ack = 1, .len = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1))
static void listener_keepalive(struct script *s)
{
    if (s->listener) {
        tcp_config(s->listener)->keepalive = true;
        tcp_config(s->listener)->keep_idle_ms = 10000;
    }
}
SCRIPT(keepalive_is_inherited, LISTEN(1), DO(listener_keepalive), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(0), PROBE(SEC(10)))

Suite *timer_suite(void)
{
    Suite *s = suite_create("timer");
    TCase *t = tcase_create("retransmission");

    tcase_add_test(t, timeout_doubles);
    tcase_add_test(t, timeouts_can_be_shorter);
    tcase_add_test(t, giving_up_after_924_s);
    tcase_add_test(t, timer_starts_over_with_each_new_ack);
    tcase_add_test(t, timer_stops_when_all_is_acknowledged);
    tcase_add_test(t, timeout_stays_doubled_until_a_measurement);
    tcase_add_test(t, timestamps_measure_what_was_sent_again);
    tcase_add_test(t, variance_lengthens_the_timeout);
    tcase_add_test(t, user_timeout);
    tcase_add_test(t, user_timeout_of_a_syn);
    tcase_add_test(t, user_timeout_may_be_long);
    suite_add_tcase(s, t);
    t = tcase_create("persist");
    tcase_add_test(t, closed_window_is_probed);
    tcase_add_test(t, probing_goes_on_while_the_peer_answers);
    tcase_add_test(t, probing_ends_when_nobody_answers);
    tcase_add_test(t, orphan_does_not_probe_for_ever);
    tcase_add_test(t, user_timeout_ends_probing);
    tcase_add_test(t, fin_waits_for_the_window);
    suite_add_tcase(s, t);
    t = tcase_create("keepalive");
    tcase_add_test(t, no_keepalive_unless_asked_for);
    tcase_add_test(t, keepalive_after_two_hours);
    tcase_add_test(t, keepalive_gives_up);
    tcase_add_test(t, keepalive_is_put_off_by_traffic);
    tcase_add_test(t, keepalive_waits_while_data_are_in_flight);
    tcase_add_test(t, user_timeout_overrides_the_count);
    tcase_add_test(t, keepalive_probe_in_is_answered);
    tcase_add_test(t, keepalive_is_inherited);
    suite_add_tcase(s, t);
    return s;
}
