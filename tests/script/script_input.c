/* Which segments are taken: RFC 9293 3.10.7.4 first to fifth, RFC 5961, RFC 7323. */
#include "script.h"

static void no_quickacks(struct script *s)
{
    if (script_pcb(s))
        script_pcb(s)->quickacks = 0;
}

/* ---- sequence number ---- */

SCRIPT(segment_below_the_window_is_acknowledged, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 101),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 101), RECV(100),
       RECV_R(1, -EAGAIN))

SCRIPT(segment_beyond_the_window_is_acknowledged, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 1 + 65535, .ack = 1, .len = 1), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 200000, .ack = 1, .len = 1), OUT(.f = ACK, .seq = 1, .ack = 1),
       RECV_R(1, -EAGAIN))

SCRIPT(overlap_on_the_left_is_cut, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), IN(.f = ACK, .seq = 51, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 151), RECV(150))

SCRIPT(overlap_on_the_right_is_cut, PASSIVE_OPEN,
       IN(.f = ACK | FIN, .seq = 64001, .ack = 1, .len = 1400), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 64000),
       OUT(.f = ACK, .seq = 1, .ack = 64241, .win = 1295), STATE(TCP_ESTABLISHED), RECV(64240),
       OUT(.f = ACK, .seq = 1, .ack = 64241, .win = 65535))

static void small_rcvbuf(struct script *s)
{
    if (s->listener) {
        tcp_config(s->listener)->rcvbuf_bytes = 2000;
        tcp_config(s->listener)->rcvbuf_locked = true;
    }
}
#define SMALL_OPEN                                                                                 \
    LISTEN(1), DO(small_rcvbuf), IN(.f = SYN, .mss = 1460),                                        \
        OUT(.f = SYN | ACK, .ack = 1, .win = 1000), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1),   \
        ACCEPT(0)
#define CLOSED_WINDOW                                                                              \
    SMALL_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 1000),                                     \
        OUT(.f = ACK, .seq = 1, .ack = 1001, .win = -1)

SCRIPT(segment_that_covers_the_whole_window, SMALL_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 11, .win = 990),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 1400),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = -1), RECV(1000),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = 1000))

SCRIPT(closed_window_takes_acks, CLOSED_WINDOW, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1001, .len = 10), IN(.f = ACK, .seq = 1001, .ack = 11),
       QUIET(SEC(1)))

SCRIPT(closed_window_takes_acks_with_text, CLOSED_WINDOW, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1001, .len = 10),
       IN(.f = ACK, .seq = 1001, .ack = 11, .len = 1),
       OUT(.f = ACK, .seq = 11, .ack = 1001, .win = -1), QUIET(SEC(1)), RECV(1000),
       OUT(.f = ACK, .seq = 11, .ack = 1001))

SCRIPT(closed_window_takes_rst, CLOSED_WINDOW, IN(.f = RST, .seq = 1001), STATE(TCP_CLOSED))
SCRIPT(closed_window_takes_fin, CLOSED_WINDOW, IN(.f = FIN | ACK, .seq = 1001, .ack = 1),
       STATE(TCP_CLOSE_WAIT), OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 1002))
SCRIPT(closed_window_answers_probes, CLOSED_WINDOW, IN_AT(SEC(1), .f = ACK, .seq = 1000, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = -1),
       IN_AT(SEC(1), .f = ACK, .seq = 1001, .ack = 1, .len = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1001, .win = -1))

SCRIPT(empty_segment_at_the_right_edge_counts, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), IN(.f = ACK, .seq = 65536, .ack = 11),
       QUIET(SEC(1)))

/* ---- RST: RFC 5961 3 ---- */

SCRIPT(rst_at_rcv_nxt, PASSIVE_OPEN, IN(.f = RST, .seq = 1), STATE(TCP_CLOSED))
/* RFC 5961 3.2 */
SCRIPT(rst_in_the_window_is_challenged, PASSIVE_OPEN, IN(.f = RST, .seq = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED), IN(.f = RST, .seq = 1),
       STATE(TCP_CLOSED))
SCRIPT(rst_outside_of_the_window_is_dropped, PASSIVE_OPEN, IN(.f = RST, .seq = 70000),
       IN(.f = RST, .seq = 0), STATE(TCP_ESTABLISHED))

/* ---- SYN: RFC 5961 4 ---- */

/* RFC 5961 4.2 */
SCRIPT(syn_in_the_window_is_challenged, PASSIVE_OPEN, IN(.f = SYN, .seq = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))
SCRIPT(syn_outside_of_the_window_is_challenged, PASSIVE_OPEN, IN(.f = SYN, .seq = 500000),
       OUT(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))
SCRIPT(syn_with_rst_is_a_rst, PASSIVE_OPEN, IN(.f = SYN | RST, .seq = 1), STATE(TCP_CLOSED))
SCRIPT(syn_ack_again_is_acknowledged, ACTIVE_OPEN, IN(.f = SYN | ACK, .seq = 0, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1))

/* A peer that has crashed and opens anew: 3.5.1, Figure 9 */
SCRIPT(half_open_connection_is_found, PASSIVE_OPEN, IN(.f = SYN, .seq = 300, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = RST, .seq = 1), STATE(TCP_CLOSED), CLOSE,
       IN_AT(SEC(1), .f = SYN, .seq = 300, .mss = 1460), OUT(.f = SYN | ACK, .ack = 301))

/* ---- challenge ACKs are limited: RFC 5961 7 ---- */

SCRIPT(challenge_once_each_half_second, PASSIVE_OPEN, IN(.f = RST, .seq = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = RST, .seq = 3), IN(.f = SYN, .seq = 4),
       IN_AT(MS(499), .f = RST, .seq = 2), IN_AT(MS(1), .f = RST, .seq = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1))

static void no_challenges_left(struct script *s)
{
    s->tcp->challenge_window_us = s->net->now_us;
    s->tcp->challenge_left = 0;
}
SCRIPT(challenges_in_all_are_limited, PASSIVE_OPEN, DO(no_challenges_left), IN(.f = RST, .seq = 2),
       IN_AT(MS(999), .f = RST, .seq = 2), IN_AT(MS(500), .f = RST, .seq = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1))

SCRIPT(empty_segments_out_of_window_are_answered_once_each_half_second, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 0, .ack = 1), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 0, .ack = 1), IN_AT(MS(500), .f = ACK, .seq = 0, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1))

/* ---- ACK: RFC 5961 5 ---- */

SCRIPT(ack_of_what_was_not_sent, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 2, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 1), RECV_R(1, -EAGAIN), STATE(TCP_ESTABLISHED))
/* RFC 5961 5.2 */
SCRIPT(ack_far_too_old, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = (uint32_t)-100000, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 1), RECV_R(1, -EAGAIN))
SCRIPT(ack_a_little_old_carries_text, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), IN(.f = ACK, .seq = 1, .ack = 11),
       IN(.f = ACK, .seq = 1, .ack = 5, .len = 10), OUT(.f = ACK, .seq = 11, .ack = 11), RECV(10))
SCRIPT(no_ack_bit_is_dropped, PASSIVE_OPEN, IN(.f = 0, .seq = 1, .len = 10), RECV_R(1, -EAGAIN))
SCRIPT(old_window_is_not_taken, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), IN(.f = ACK, .seq = 11, .ack = 1, .win = 5000),
       IN(.f = ACK, .seq = 1, .ack = 1, .win = -1), OUT(.f = ACK, .seq = 1, .ack = 11), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 11, .len = 100))

/* ---- timestamps and PAWS: RFC 7323 ---- */

#define TS_OPEN                                                                                    \
    LISTEN(1), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 1000),                              \
        OUT(.f = SYN | ACK, .ack = 1, .ts = true, .ts_ecr = 1000),                                 \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 1010), ACCEPT(0)

/* RFC 7323 5.4 */
SCRIPT(timestamps_are_echoed, TS_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 1020),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 1020), SEND(5),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 11, .len = 5, .ts = true, .ts_ecr = 1020))

/* RFC 7323 4.3 */
SCRIPT(delayed_ack_echoes_the_first_timestamp, TS_OPEN, DO(no_quickacks),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 1020),
       IN_AT(MS(5), .f = ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .ts_val = 1025),
       OUT_AT(MS(35), .f = ACK, .seq = 1, .ack = 21, .ts = true, .ts_ecr = 1020))

SCRIPT(segment_out_of_order_does_not_change_the_echo, TS_OPEN,
       IN(.f = ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .ts_val = 1020),
       OUT(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_ecr = 1010),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 1030),
       OUT(.f = ACK, .seq = 1, .ack = 21, .ts = true, .ts_ecr = 1030))

/* RFC 7323 5.3 */
SCRIPT(paws_drops_old_timestamps, TS_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 945),
       OUT(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_ecr = 1010), RECV_R(1, -EAGAIN))
/* What is sent again to fill a hole may overtake what is behind the hole. */
SCRIPT(paws_takes_what_is_only_late, TS_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 1100),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 1100),
       IN(.f = ACK, .seq = 21, .ack = 1, .len = 10, .ts = true, .ts_val = 1036),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 1100),
       IN(.f = ACK, .seq = 31, .ack = 1, .len = 10, .ts = true, .ts_val = 1035),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 1100),
       IN(.f = ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .ts_val = 1036),
       OUT(.f = ACK, .seq = 1, .ack = 31, .ts = true, .ts_ecr = 1100))
SCRIPT(paws_lets_rst_through, TS_OPEN, IN(.f = RST, .seq = 1, .ts = true, .ts_val = 1),
       STATE(TCP_CLOSED))
/* RFC 7323 5.5 */
SCRIPT(paws_forgets_after_24_days, TS_OPEN,
       IN_AT(SEC(24 * 86400 + 1), .f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 5),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 5))
SCRIPT(timestamps_wrap, LISTEN(1), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 0xfffffff0),
       OUT(.f = SYN | ACK, .ack = 1, .ts = true, .ts_ecr = 0xfffffff0),
       IN(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 0xffffffff), ACCEPT(0),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .ts_val = 3),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 3),
       IN(.f = ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .ts_val = 0xffffffa0),
       OUT(.f = ACK, .seq = 1, .ack = 11, .ts = true, .ts_ecr = 3))
/* RFC 7323 3.2 */
SCRIPT(segment_without_timestamps_is_dropped, TS_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       RECV_R(1, -EAGAIN), IN(.f = RST, .seq = 1), STATE(TCP_CLOSED))
/* RFC 5961 4.2: a peer that forgot the connection resets it with what the challenge tells it. */
SCRIPT(syn_without_timestamps_is_challenged, TS_OPEN, IN(.f = SYN, .seq = 70000000, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_ecr = 1010), IN(.f = RST, .seq = 1),
       STATE(TCP_CLOSED))

/* RFC 5082 3: IP_MINTTL. Everything here comes with a TTL of 64. */
static void min_ttl(struct script *s, uint8_t ttl)
{
    if (s->pcb)
        tcp_config(s->pcb)->min_ttl = ttl;
    if (s->listener)
        tcp_config(s->listener)->min_ttl = ttl;
}
static void min_ttl_64(struct script *s)
{
    min_ttl(s, 64);
}
static void min_ttl_65(struct script *s)
{
    min_ttl(s, 65);
}
static void icmp_from_afar(struct script *s)
{
    script_icmp(s, 0, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 0);
}
SCRIPT(from_too_far_away, PASSIVE_OPEN, DO(min_ttl_65), IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       IN(.f = RST, .seq = 1), STATE(TCP_ESTABLISHED), DO(min_ttl_64),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 11), RECV(10))
SCRIPT(listener_does_not_answer_far_away, LISTEN(1), DO(min_ttl_65), IN(.f = SYN, .mss = 1460),
       PCBS(1), DO(min_ttl_64), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1))
SCRIPT(icmp_from_too_far_away, CONNECT(0), OUT(.f = SYN), DO(min_ttl_65), DO(icmp_from_afar),
       STATE(TCP_SYN_SENT), DO(min_ttl_64), DO(icmp_from_afar), STATE(TCP_CLOSED))

Suite *input_suite(void)
{
    Suite *s = suite_create("input");
    TCase *t = tcase_create("sequence");

    tcase_add_test(t, segment_below_the_window_is_acknowledged);
    tcase_add_test(t, segment_beyond_the_window_is_acknowledged);
    tcase_add_test(t, overlap_on_the_left_is_cut);
    tcase_add_test(t, overlap_on_the_right_is_cut);
    tcase_add_test(t, segment_that_covers_the_whole_window);
    tcase_add_test(t, closed_window_takes_acks);
    tcase_add_test(t, closed_window_takes_acks_with_text);
    tcase_add_test(t, closed_window_takes_rst);
    tcase_add_test(t, closed_window_takes_fin);
    tcase_add_test(t, closed_window_answers_probes);
    tcase_add_test(t, empty_segment_at_the_right_edge_counts);
    suite_add_tcase(s, t);
    t = tcase_create("rfc 5961");
    tcase_add_test(t, rst_at_rcv_nxt);
    tcase_add_test(t, rst_in_the_window_is_challenged);
    tcase_add_test(t, rst_outside_of_the_window_is_dropped);
    tcase_add_test(t, syn_in_the_window_is_challenged);
    tcase_add_test(t, syn_outside_of_the_window_is_challenged);
    tcase_add_test(t, syn_with_rst_is_a_rst);
    tcase_add_test(t, syn_ack_again_is_acknowledged);
    tcase_add_test(t, half_open_connection_is_found);
    tcase_add_test(t, challenge_once_each_half_second);
    tcase_add_test(t, challenges_in_all_are_limited);
    tcase_add_test(t, empty_segments_out_of_window_are_answered_once_each_half_second);
    tcase_add_test(t, ack_of_what_was_not_sent);
    tcase_add_test(t, ack_far_too_old);
    tcase_add_test(t, ack_a_little_old_carries_text);
    tcase_add_test(t, no_ack_bit_is_dropped);
    tcase_add_test(t, old_window_is_not_taken);
    suite_add_tcase(s, t);
    t = tcase_create("timestamps");
    tcase_add_test(t, timestamps_are_echoed);
    tcase_add_test(t, delayed_ack_echoes_the_first_timestamp);
    tcase_add_test(t, segment_out_of_order_does_not_change_the_echo);
    tcase_add_test(t, paws_drops_old_timestamps);
    tcase_add_test(t, paws_takes_what_is_only_late);
    tcase_add_test(t, paws_lets_rst_through);
    tcase_add_test(t, paws_forgets_after_24_days);
    tcase_add_test(t, timestamps_wrap);
    tcase_add_test(t, segment_without_timestamps_is_dropped);
    tcase_add_test(t, syn_without_timestamps_is_challenged);
    tcase_add_test(t, from_too_far_away);
    tcase_add_test(t, listener_does_not_answer_far_away);
    tcase_add_test(t, icmp_from_too_far_away);
    suite_add_tcase(s, t);
    return s;
}
