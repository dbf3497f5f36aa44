/* Loss recovery with SACK: RFC 2018, RFC 2883, RFC 8985 (RACK-TLP), RFC 9937 (PRR). */
#include "script_segments.h"

#include <linux/tcp.h>

/* Round trip 10 ms: retransmission timeout 210 ms, probe after 22 ms. */
#define SACK_OPEN                                                                                  \
    LISTEN(8), IN(.f = SYN, .mss = 1460, .sackok = true),                                          \
        OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .sackok = true),                                \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0)

#define TEN_OUT          SACK_OPEN, SEND(14600), NINE, LAST_AT(0, 9)
#define TEN_OUT_AND_MORE SACK_OPEN, DO(large_sndbuf), SEND(100000), NINE, SEG(9)

static void expect_cwnd(struct script *s, uint32_t cwnd, uint32_t ssthresh)
{
    struct tcp_pcb *pcb = script_pcb(s);

    if (!s->lenient && (!pcb || pcb->cwnd != cwnd || pcb->ssthresh != ssthresh))
        ck_abort_msg("%s, line %d: cwnd %u, ssthresh %u, expected %u, %u", s->name, s->line,
                     pcb->cwnd, pcb->ssthresh, cwnd, ssthresh);
}
static void cwnd_halved(struct script *s)
{
    expect_cwnd(s, 7300, 7300);
}
static void cwnd_untouched(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd >= 14600 && s->pcb->ssthresh == UINT32_MAX);
}

static void cwnd_is_small(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->ssthresh == 2 * 1460 && s->pcb->cwnd <= 3 * 1460);
}

/* ---- RACK ---- */

/* RFC 8985 6.2 step 4: three SACKed segments and no reordering known: no window for it. */
SCRIPT(three_sacked_bring_the_hole, TEN_OUT, SACK(MS(10), 0, R(1, 4)), SEG(0), ACKED(MS(10), 10),
       DO(cwnd_halved), QUIET(SEC(1)))
/* Step 5: otherwise a quarter of the round trip is left for reordering. */
SCRIPT(one_sacked_waits_for_the_reordering_window, TEN_OUT, SACK(MS(10), 0, R(1, 2)), QUIET(2499),
       SEG_AT(1, 0), ACKED(MS(10), 10), QUIET(SEC(1)))
SCRIPT(reordering_within_the_window_costs_nothing, TEN_OUT, SACK(MS(10), 0, R(1, 3)),
       ACKED(MS(2), 10), QUIET(SEC(1)), DO(cwnd_untouched))
/* Each hole, also the last, without counting what lies behind it. */
SCRIPT(every_hole_at_once, TEN_OUT_AND_MORE, SACK(MS(10), 1, R(2, 3), R(4, 5), R(6, 10)), SEG(1),
       SEG(3), SEG(5), SEG(10), QUIET(MS(1)))
/* Blocks come in any order, are repeated, overlap. */
SCRIPT(blocks_in_any_order, TEN_OUT, SACK(MS(10), 0, R(6, 10), R(1, 2), R(3, 5)), SEG(0), SEG(2),
       SEG(5), SACK(MS(5), 0, R(3, 5), R(6, 10), R(1, 2)), QUIET(MS(1)), SACK(MS(5), 5, R(6, 10)),
       ACKED(MS(10), 10), QUIET(SEC(1)))

/* Step 4: without reordering there is no window in recovery, however few are SACKed. */
static void one_is_lost(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->lost_bytes == 1460 && s->pcb->sacked_segs == 1);
}
SCRIPT(no_window_in_recovery, TEN_OUT, SACK(MS(10), 0, R(1, 2)), SEG_AT(2500, 0),
       SACK(MS(1), 2, R(3, 4)), DO(one_is_lost))
/* ... which is never longer than a smoothed round trip. */
static void much_reordering(struct script *s)
{
    if (s->pcb)
        s->pcb->rack.reord_seen = 1, s->pcb->rack.mult = 40;
}
SCRIPT(window_of_a_round_trip_at_most, TEN_OUT, DO(much_reordering), SACK(MS(10), 0, R(1, 4)),
       QUIET(MS(10) - 1), SEG_AT(1, 0))
/* Step 4: one D-SACK a round makes it longer. */
static void times(struct script *s, uint8_t mult)
{
    script_assert(s, s->pcb && s->pcb->rack.mult == mult);
}
static void twice(struct script *s)
{
    times(s, 2);
}
static void thrice(struct script *s)
{
    times(s, 3);
}
static void few_copies(struct script *s)
{
    if (s->pcb)
        s->pcb->rack.reord_seen = 1, s->pcb->retrans_total = 10;
}
SCRIPT(one_dsack_a_round_counts, TEN_OUT, DO(few_copies), ACKED(MS(10), 5), SACK(0, 5, R(1, 2)),
       DO(twice), SACK(0, 5, R(2, 3)), DO(twice), ACKED(MS(1), 10), SACK(0, 10, R(3, 4)),
       DO(thrice))
/* On a wire shorter than a tick of the clock a segment is not sent, lost and sent again for ever
 * within that tick. */
SCRIPT(shorter_than_a_tick, TEN_OUT, SACK(0, 0, R(1, 4)), SEG_AT(1, 0), ACKED(0, 0), ACKED(0, 0),
       SACK(0, 0, R(1, 5)), QUIET(MS(1)))

/* RFC 8985 6.1, 6.2 step 2: a lost retransmission shows when what was sent after it arrives. */
SCRIPT(lost_retransmission, TEN_OUT_AND_MORE, SACK(MS(10), 0, R(1, 4)), SEG(0),
       SACK(MS(1), 0, R(1, 6)), SACK(MS(1), 0, R(1, 8)), SEG(10), SEG(11), SACK(MS(1), 0, R(1, 10)),
       SEG(12), SEG(13), SACK(MS(9), 0, R(1, 12)), SEG(0), SEG(14), SEG(15), QUIET(MS(1)))

/* RFC 8985 6.2 step 2: the echo of a timestamp from before it was sent again tells that its first
 * transmission has arrived, and nothing of what was sent before the second. */
static void rack_is_old(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->sacked_segs == 1 && !s->pcb->rack.xmit_us);
}
SCRIPT(echo_of_the_first_transmission_is_no_news, LISTEN(8),
       IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 1000, .sackok = true),
       OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1010), ACCEPT(0),
       SEND(4344), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1448),
       OUT(.f = ACK, .seq = 1449, .ack = 1, .len = 1448),
       OUT(.f = ACK | PSH, .seq = 2897, .ack = 1, .len = 1448),
       OUT_AT(MS(22), .f = ACK | PSH, .seq = 2897, .ack = 1, .len = 1448),
       IN_AT(MS(12), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1040, .ts_ecr = 10,
             .sack = {{2897, 4345}}, .nsack = 2),
       DO(rack_is_old))

/* Step 3: from the first reordering on the window is a quarter of the round trip always. */
static void reordering_is_known(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    script_assert(s, pcb && pcb->rack.reord_seen == 1 && pcb->rack.reordering == 3);
}
SCRIPT(known_reordering_is_waited_for, TEN_OUT_AND_MORE, SACK(MS(10), 0, R(1, 3)), SEG(10), SEG(11),
       ACKED(MS(1), 3), SEG(12), SEG(13), DO(reordering_is_known), SACK(MS(1), 3, R(4, 10)),
       SEG(14), SEG(15), SEG(16), SEG(17), SEG(18), SEG(19), SEG_AT(2500, 3))

/* One that came too late to be waited for was sent again; the D-SACK tells of the reordering. */
static void window_is_there(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->rack.reord_seen == 1 && s->pcb->rack.mult == 1 &&
                         tcp_rack_is_reordered(s->pcb));
}
#define LATE_ONE                                                                                   \
    TEN_OUT, SACK(MS(10), 0, R(1, 4)), SEG(0), ACKED(MS(1), 10), SACK(MS(9), 10, R(0, 1)),         \
        DO(window_is_there)
SCRIPT(dsack_tells_of_reordering, LATE_ONE, SACK(MS(1), 10, R(0, 1)), DO(window_is_there),
       QUIET(SEC(1)))

/* Step 4: further D-SACKs make the window longer, 16 recoveries without make it short again. */
static void window_is_longer(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->rack.mult == 2);
}
static void sixteen_recoveries(struct script *s)
{
    for (int i = 0; s->pcb && i < 15; i++)
        tcp_rack_left(s->pcb);
    window_is_longer(s);
    if (s->pcb)
        tcp_rack_left(s->pcb);
    script_assert(s, s->pcb && s->pcb->rack.mult == 1);
}
#define TEN_MORE                                                                                   \
    SEND(14600), SEG(10), SEG(11), SEG(12), SEG(13), SEG(14), SEG(15), SEG(16), SEG(17), SEG(18),  \
        LAST_AT(0, 19)
SCRIPT(dsack_makes_the_window_longer, LATE_ONE, TEN_MORE, SACK(MS(10), 10, R(11, 15)), QUIET(2499),
       SEG_AT(1, 10), ACKED(MS(1), 20), SACK(MS(9), 20, R(10, 11)), DO(window_is_longer),
       DO(sixteen_recoveries))
/* ... but not those of the tail loss probe. */
SCRIPT(dsack_of_the_probe_says_nothing_of_the_window, LATE_ONE, SEND(2920), SEG(10), LAST_AT(0, 11),
       LAST_AT(MS(22), 11), ACKED(MS(1), 12), SACK(MS(9), 12, R(11, 12)), DO(window_is_there))

/* Where segments come late, what is SACKed lets cwnd grow; elsewhere the cumulative ACK does. */
static void cwnd_has_grown(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd == 13 * 1460);
}
static void cwnd_has_not_grown(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd == 10 * 1460);
}
static void it_reorders(struct script *s)
{
    if (s->pcb)
        s->pcb->rack.reordering = 10, s->pcb->rack.reord_seen = 1;
}
SCRIPT(sacks_let_the_window_grow_where_segments_are_late, TEN_OUT, DO(it_reorders),
       SACK(MS(10), 0, R(1, 4)), DO(cwnd_has_grown), ACKED(MS(2), 10), QUIET(SEC(1)))
SCRIPT(sacks_do_not_let_it_grow_elsewhere, TEN_OUT, SACK(MS(10), 0, R(1, 3)),
       DO(cwnd_has_not_grown), ACKED(MS(2), 10), QUIET(SEC(1)))

/* A SACK measures as well as an ACK. */
static void shortest_is_5_ms(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->min_rtt_us == 5000);
}
SCRIPT(sack_measures_the_round_trip, TEN_OUT, SACK(MS(5), 0, R(1, 3)), DO(shortest_is_5_ms),
       SEG_AT(1250, 0), ACKED(MS(2), 10), QUIET(SEC(1)))

/* ---- what a block may say ---- */

SCRIPT(blocks_of_what_was_never_sent, TEN_OUT, SACK(MS(10), 0, R(8, 11)), SACK(0, 0, R(20, 30)),
       SACK(0, 0, R(5, 5)), SACK(0, 0, R(7, 5)), SACK(0, 0, R(0, 5)), QUIET(MS(11)),
       LAST_AT(MS(1), 9))
/* Not a whole segment is none: the peer's affair. */
SCRIPT(blocks_of_parts_of_segments, TEN_OUT, SACK(MS(10), 0, {S(1) + 100, S(2) + 100}),
       QUIET(MS(10)), LAST_AT(MS(2), 9))
SCRIPT(block_in_an_old_ack, TEN_OUT_AND_MORE, ACKED(MS(10), 2), SEG(10), SEG(11), SEG(12), SEG(13),
       SACK(0, 1, R(3, 6)), SEG(2), QUIET(MS(1)))

/* ---- PRR and limited transmit ---- */

/* Each SACKed segment lets a new one out before anything is lost (RFC 3042 in spirit). */
SCRIPT(sacks_keep_the_pipe_full, TEN_OUT_AND_MORE, SACK(MS(10), 0, R(1, 2)), SEG(10),
       SACK(MS(1), 0, R(1, 3)), SEG(11), SACK(MS(1), 0, R(1, 4)), SEG(0))

/* RFC 9937 6: from ten segments to five, one for each two that arrive, no pause and no burst. */
SCRIPT(prr_sends_one_for_two, TEN_OUT_AND_MORE, SACK(MS(10), 0, R(1, 4)), SEG(0),
       SACK(MS(1), 0, R(1, 5)), SEG(10), SACK(MS(1), 0, R(1, 6)), QUIET(MS(1)), SACK(0, 0, R(1, 7)),
       QUIET(MS(1)), SACK(0, 0, R(1, 8)), SEG(11), SACK(MS(1), 0, R(1, 9)), SEG(12),
       SACK(MS(1), 0, R(1, 10)), SEG(13), ACKED(MS(4), 10), SEG(14), DO(cwnd_halved))

/* RFC 9937 6: when so much is lost that less than ssthresh is under way, two for one as long as the
 * peer acknowledges and nothing more is lost (PRR-SSRB), and never less than what has arrived. */
SCRIPT(prr_grows_when_much_is_lost, TEN_OUT, SACK(MS(10), 0, R(7, 10)), SEG(0), SEG(1), SEG(2),
       SACK(MS(10), 1, R(7, 10)), SEG(3), SEG(4), SACK(0, 2, R(7, 10)), SEG(5), SEG(6),
       DO(cwnd_halved))

/* ---- timeout ---- */

/* A recovery was under way when it came: RFC 5682 does not look whether it was needed. */
static void still_lost(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->recovery == TCP_RECOVERY_LOSS);
}
SCRIPT(timeout_in_recovery_is_believed, TEN_OUT, SACK(MS(10), 0, R(1, 4)), SEG(0),
       SEG_AT(MS(210), 0), SACK(MS(10), 0, R(1, 5)), DO(still_lost))

/* What is SACKed is not sent again (RFC 2018 8 lets us, when the peer acknowledges in order). */
SCRIPT(timeout_leaves_what_is_sacked, TEN_OUT, SACK(MS(10), 0, R(1, 2)), SEG_AT(2500, 0),
       SEG_AT(MS(210), 0), ACKED(MS(10), 2), SEG(2), SEG(3))

/* RFC 8985 6.3: what was sent a moment ago is not lost yet. */
SCRIPT(timeout_leaves_what_is_young, SACK_OPEN, SEND(1460), LAST_AT(0, 0), LAST_AT(MS(80), 0),
       QUIET(MS(205)), SEND(1460), LAST_AT(0, 1), SEG_AT(MS(5), 0), ACKED(MS(10), 2), QUIET(SEC(1)))

/* RFC 2018 8: the peer has thrown away what it had SACKed: it acknowledges up to there only. */
SCRIPT(reneging, TEN_OUT, SACK(MS(10), 0, R(1, 10)), SEG(0), ACKED(MS(10), 1), SEG_AT(MS(10), 1),
       ACKED(MS(10), 2), SEG(2), SEG(3))

/* ---- tail loss probe ---- */

/* RFC 8985 7 */
SCRIPT(probe_is_the_last_segment, TEN_OUT, LAST_AT(MS(22), 9), SEG_AT(MS(210), 0))
SCRIPT(probe_is_new_if_it_can_be, TEN_OUT_AND_MORE, SEG_AT(MS(22), 10), SEG_AT(MS(210), 0))
/* RFC 8985 7.2: the last segment of a round trip may wait for a delayed ACK, 60 ms by guess ... */
SCRIPT(probe_of_a_single_segment, SACK_OPEN, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(80), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(420), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))
/* ... and as long as the timeout when a peer has shown that it delays them for longer. */
SCRIPT(probe_learns_of_slow_acks, SACK_OPEN, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(80), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       IN_AT(MS(9), .f = ACK, .seq = 1, .ack = 101),
       IN_AT(MS(1), .f = ACK, .seq = 1, .ack = 101, .sack = {{1, 101}}, .nsack = 2), SEND(100),
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 100),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 101, .ack = 1, .len = 100))
/* 7.4: the probe's SACK shows the lost tail. */
SCRIPT(probe_finds_a_lost_tail, TEN_OUT, ACKED(MS(10), 7), LAST_AT(MS(22), 9),
       SACK(MS(10), 7, R(9, 10)), SEG(7), SACK(MS(10), 8, R(9, 10)), SEG(8), ACKED(MS(10), 10),
       QUIET(SEC(1)))
/* 7.4.2: it repaired a loss, which shows when more is acknowledged: as after a recovery. */
SCRIPT(probe_repairs_a_loss, TEN_OUT, ACKED(MS(10), 9), LAST_AT(MS(80), 9), ACKED(MS(10), 10),
       SEND(1460), LAST_AT(0, 10), ACKED(MS(10), 11), DO(cwnd_is_small))
/* It repaired nothing: both arrived. */
SCRIPT(probe_was_not_needed, TEN_OUT, LAST_AT(MS(22), 9), ACKED(MS(1), 10),
       SACK(MS(10), 10, R(9, 10)), SEND(1460), LAST_AT(0, 10), ACKED(MS(10), 11),
       DO(cwnd_untouched))
/* The same of a peer that does not tell what came twice: its ACK comes twice. */
SCRIPT(probe_was_not_needed_without_dsack, TEN_OUT, LAST_AT(MS(22), 9), ACKED(MS(1), 10),
       ACKED(MS(10), 10), SEND(1460), LAST_AT(0, 10), ACKED(MS(10), 11), DO(cwnd_untouched))
/* One at a time; and none in recovery. */
SCRIPT(no_probe_in_recovery, TEN_OUT, SACK(MS(10), 0, R(1, 4)), SEG(0), QUIET(MS(209)),
       SEG_AT(MS(1), 0))

/* Nor after a timeout: the next one comes when it is due. */
SCRIPT(no_probe_after_a_timeout, TEN_OUT, LAST_AT(MS(22), 9), SEG_AT(MS(210), 0), ACKED(MS(10), 1),
       SEG(1), SEG(2), ACKED(MS(10), 2), SEG(3), SEG(4), QUIET(MS(205)))
/* RFC 8985 7.2: never later than the timeout. */
static void long_and_steady(struct script *s)
{
    if (!s->pcb)
        return;
    s->pcb->srtt_us = 400000;
    s->pcb->rttvar_us = 1000;
    s->pcb->rto_us = 600000;
}
SCRIPT(probe_comes_not_after_the_timeout, SACK_OPEN, DO(long_and_steady), SEND(2920), SEG(0),
       LAST_AT(0, 1), LAST_AT(MS(600), 1))

/* ---- super-frames ---- */

#define GSO_SETUP                                                                                  \
    {                                                                                              \
        .mtu = 1500, .gso_max_bytes = 65535                                                        \
    }
SCRIPT_SETUP(super_frame_is_split_by_sack, GSO_SETUP, SACK_OPEN, SEND(14600),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 14600, .gso = 1460),
             SACK(MS(10), 1, R(3, 5), R(6, 10)),
             OUT(.f = ACK, .seq = S(1), .ack = 1, .len = 2920, .gso = 1460), SEG(5),
             ACKED(MS(10), 10), QUIET(SEC(1)))
SCRIPT_SETUP(tail_of_a_super_frame_is_the_probe, GSO_SETUP, SACK_OPEN, SEND(14000),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 14000, .gso = 1460),
             OUT_AT(MS(22), .f = ACK | PSH, .seq = S(9), .ack = 1, .len = 860))

/* ---- what TCP_INFO says ---- */

static void info_in_recovery(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb || s->lenient)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    ck_assert_uint_eq(i.tcpi_ca_state, TCP_CA_Recovery);
    ck_assert_uint_eq(i.tcpi_unacked, 10);
    ck_assert_uint_eq(i.tcpi_sacked, 3);
    ck_assert_uint_eq(i.tcpi_lost, 1);
    ck_assert_uint_eq(i.tcpi_retrans, 1);
    ck_assert_uint_eq(i.tcpi_total_retrans, 1);
    ck_assert_uint_eq(i.tcpi_bytes_retrans, 1460);
    ck_assert_uint_eq(i.tcpi_bytes_sent, 16060);
    ck_assert_uint_eq(i.tcpi_delivered, 4); /* with the SYN, as Linux */
    ck_assert(i.tcpi_options & TCPI_OPT_SACK);
}
static void info_after_dsack(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb || s->lenient)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    ck_assert_uint_eq(i.tcpi_ca_state, TCP_CA_Open);
    ck_assert_uint_eq(i.tcpi_dsack_dups, 1);
    ck_assert_uint_eq(i.tcpi_reord_seen, 1);
    ck_assert_uint_eq(i.tcpi_reordering, 4);
    ck_assert_uint_eq(i.tcpi_delivered, 11);
    ck_assert_uint_eq(i.tcpi_lost, 0);
    ck_assert_uint_eq(i.tcpi_retrans, 0);
}
SCRIPT(info_tells_of_recovery, TEN_OUT, SACK(MS(10), 0, R(1, 4)), SEG(0), DO(info_in_recovery),
       ACKED(MS(10), 10), SACK(MS(1), 10, R(0, 1)), DO(info_after_dsack))

Suite *rack_suite(void)
{
    Suite *s = suite_create("rack");
    TCase *t = tcase_create("losses");

    tcase_add_test(t, three_sacked_bring_the_hole);
    tcase_add_test(t, one_sacked_waits_for_the_reordering_window);
    tcase_add_test(t, reordering_within_the_window_costs_nothing);
    tcase_add_test(t, every_hole_at_once);
    tcase_add_test(t, blocks_in_any_order);
    tcase_add_test(t, lost_retransmission);
    tcase_add_test(t, shorter_than_a_tick);
    tcase_add_test(t, no_window_in_recovery);
    tcase_add_test(t, window_of_a_round_trip_at_most);
    tcase_add_test(t, one_dsack_a_round_counts);
    tcase_add_test(t, echo_of_the_first_transmission_is_no_news);
    tcase_add_test(t, known_reordering_is_waited_for);
    tcase_add_test(t, dsack_tells_of_reordering);
    tcase_add_test(t, dsack_makes_the_window_longer);
    tcase_add_test(t, dsack_of_the_probe_says_nothing_of_the_window);
    tcase_add_test(t, sacks_let_the_window_grow_where_segments_are_late);
    tcase_add_test(t, sacks_do_not_let_it_grow_elsewhere);
    tcase_add_test(t, sack_measures_the_round_trip);
    suite_add_tcase(s, t);
    t = tcase_create("blocks");
    tcase_add_test(t, blocks_of_what_was_never_sent);
    tcase_add_test(t, blocks_of_parts_of_segments);
    tcase_add_test(t, block_in_an_old_ack);
    suite_add_tcase(s, t);
    t = tcase_create("rate reduction");
    tcase_add_test(t, sacks_keep_the_pipe_full);
    tcase_add_test(t, prr_sends_one_for_two);
    tcase_add_test(t, prr_grows_when_much_is_lost);
    suite_add_tcase(s, t);
    t = tcase_create("timeout with SACK");
    tcase_add_test(t, timeout_leaves_what_is_sacked);
    tcase_add_test(t, timeout_leaves_what_is_young);
    tcase_add_test(t, timeout_in_recovery_is_believed);
    tcase_add_test(t, reneging);
    suite_add_tcase(s, t);
    t = tcase_create("tail loss probe");
    tcase_add_test(t, probe_is_the_last_segment);
    tcase_add_test(t, probe_is_new_if_it_can_be);
    tcase_add_test(t, probe_of_a_single_segment);
    tcase_add_test(t, probe_learns_of_slow_acks);
    tcase_add_test(t, probe_finds_a_lost_tail);
    tcase_add_test(t, probe_repairs_a_loss);
    tcase_add_test(t, probe_was_not_needed);
    tcase_add_test(t, probe_was_not_needed_without_dsack);
    tcase_add_test(t, no_probe_in_recovery);
    tcase_add_test(t, no_probe_after_a_timeout);
    tcase_add_test(t, probe_comes_not_after_the_timeout);
    suite_add_tcase(s, t);
    t = tcase_create("super-frames with SACK");
    tcase_add_test(t, super_frame_is_split_by_sack);
    tcase_add_test(t, tail_of_a_super_frame_is_the_probe);
    suite_add_tcase(s, t);
    t = tcase_create("info of recovery");
    tcase_add_test(t, info_tells_of_recovery);
    suite_add_tcase(s, t);
    return s;
}
