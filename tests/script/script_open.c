/* Opening a connection: RFC 9293 3.5, 3.10.7.1 to 3.10.7.3. */
#include "script.h"

/* ---- active ---- */

/* RFC 9293 SHLD-5 */
SCRIPT(syn_carries_all_options, CONNECT(0),
       OUT(.f = SYN, .mss = 1460, .ws = 8, .ts = true, .win = 64240, .opts = 20),
       STATE(TCP_SYN_SENT))

/* RFC 9293 3.10.1, MUST-14 */
SCRIPT(active_open, CONNECT(0), OUT(.f = SYN), POLLS(0),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1),
       STATE(TCP_ESTABLISHED), EVENTS(POLLOUT | POLLWRNORM, 0), POLLS(POLLOUT | POLLWRNORM))

/* RFC 7323 2.2, 3.2 */
SCRIPT(active_open_with_options, CONNECT(0), OUT(.f = SYN, .ts = true),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1400, .ws = 4, .ts = true, .ts_val = 777,
             .ts_ecr = 0, .win = 1388),
       OUT(.f = ACK, .seq = 1, .ack = 1, .win = 512, .ts = true, .ts_ecr = 777, .opts = 12),
       /* the SYN's window is not scaled: 1388 bytes, the ACK's is: 11104 */
       SEND(2000), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1388), /* 1400 - 12 */
       QUIET(MS(1)), IN(.f = ACK, .seq = 1, .ack = 1, .win = 1388, .ts = true, .ts_val = 778),
       OUT(.f = ACK | PSH, .seq = 1389, .ack = 1, .len = 612))

/* RFC 6298 2.1, RFC 9293 MUST-23; the first ones as Linux. */
#define FOUR_SYNS                                                                                  \
    OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(1), .f = SYN),                  \
        OUT_AT(SEC(1), .f = SYN)
SCRIPT(syn_is_sent_four_and_six_times_again, CONNECT(0), OUT(.f = SYN), FOUR_SYNS,
       OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(2), .f = SYN), OUT_AT(SEC(4), .f = SYN),
       OUT_AT(SEC(8), .f = SYN), OUT_AT(SEC(16), .f = SYN), OUT_AT(SEC(32), .f = SYN),
       QUIET(SEC(63)), STATE(TCP_SYN_SENT), QUIET(SEC(1)), STATE(TCP_CLOSED),
       EVENTS(POLLERR | POLLHUP | POLLIN | POLLOUT, POLLRDNORM | POLLWRNORM | POLLRDHUP),
       ERROR(ETIMEDOUT))

static void two_syn_retries(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->syn_retries = 2;
}
/* As Linux: no longer than two would take that double their distance, 1 + 2 + 4 s. */
SCRIPT(syn_retries_option, CONNECT(0), OUT(.f = SYN), DO(two_syn_retries), FOUR_SYNS,
       OUT_AT(SEC(1), .f = SYN), QUIET(SEC(2) - 1), STATE(TCP_SYN_SENT), QUIET(1),
       STATE(TCP_CLOSED), ERROR(ETIMEDOUT))
static void one_syn_retry(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->syn_retries = 1;
}
SCRIPT(syn_retries_option_of_one, CONNECT(0), OUT(.f = SYN), DO(one_syn_retry),
       OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(1), .f = SYN), QUIET(SEC(1)), STATE(TCP_CLOSED),
       ERROR(ETIMEDOUT))
static void three_syn_retries(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->syn_retries = 3;
}
SCRIPT(syn_retries_option_of_three, CONNECT(0), OUT(.f = SYN), DO(three_syn_retries), FOUR_SYNS,
       OUT_AT(SEC(1), .f = SYN), OUT_AT(SEC(2), .f = SYN), OUT_AT(SEC(4), .f = SYN),
       QUIET(SEC(8) - 1), STATE(TCP_SYN_SENT), QUIET(1), STATE(TCP_CLOSED), ERROR(ETIMEDOUT))

SCRIPT(connection_refused, CONNECT(0), OUT(.f = SYN), IN(.f = RST | ACK, .ack = 1),
       STATE(TCP_CLOSED), EVENTS(POLLERR | POLLHUP, 0xffff), ERROR(ECONNREFUSED))

SCRIPT(connect_again_after_refusal, CONNECT(0), OUT(.f = SYN), IN(.f = RST | ACK, .ack = 1),
       ERROR(ECONNREFUSED), CONNECT(0), OUT(.f = SYN), IN(.f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10))

/* RFC 5961 3.2 */
SCRIPT(rst_without_our_number_is_ignored_in_syn_sent, CONNECT(0), OUT(.f = SYN), IN(.f = RST),
       IN(.f = RST | ACK, .ack = 0), IN(.f = RST | ACK, .ack = 2), STATE(TCP_SYN_SENT))

SCRIPT(wrong_ack_in_syn_sent_is_reset, CONNECT(0), OUT(.f = SYN), IN(.f = SYN | ACK, .ack = 0),
       OUT(.f = RST, .seq = 0), IN(.f = ACK, .ack = 2), OUT(.f = RST, .seq = 2),
       STATE(TCP_SYN_SENT))

SCRIPT(ack_without_syn_is_dropped_in_syn_sent, CONNECT(0), OUT(.f = SYN), IN(.f = ACK, .ack = 1),
       STATE(TCP_SYN_SENT))

SCRIPT(syn_ack_with_text, CONNECT(0), OUT(.f = SYN),
       IN_AT(MS(10), .f = SYN | ACK | PSH, .ack = 1, .mss = 1460, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), RECV(10))

SCRIPT(syn_ack_with_text_and_fin, CONNECT(0), OUT(.f = SYN),
       IN_AT(MS(10), .f = SYN | ACK | FIN, .ack = 1, .mss = 1460, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 12), STATE(TCP_CLOSE_WAIT), RECV(10), RECV_EOF)

SCRIPT(connect_twice, CONNECT(0), OUT(.f = SYN), CONNECT(-EALREADY),
       IN(.f = SYN | ACK, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1),
       CONNECT(-EISCONN))

/* RFC 6298 5.7 */
SCRIPT(rto_is_3_s_after_a_lost_syn, CONNECT(0), OUT(.f = SYN), OUT_AT(SEC(1), .f = SYN),
       IN(.f = SYN | ACK, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(SEC(3), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))

SCRIPT(a_timestamp_measures_in_spite_of_a_lost_syn, CONNECT(0), OUT(.f = SYN),
       OUT_AT(SEC(1), .f = SYN),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .ts = true, .ts_ecr = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))

SCRIPT(one_segment_after_two_lost_syns, CONNECT(0), OUT(.f = SYN), OUT_AT(SEC(1), .f = SYN),
       OUT_AT(SEC(1), .f = SYN), IN(.f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(5000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460))

/* ---- MSS ---- */

/* RFC 9293 MUST-15 */
SCRIPT(no_mss_option_means_536, CONNECT(0), OUT(.f = SYN), IN(.f = SYN | ACK, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(600), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 536),
       OUT(.f = ACK | PSH, .seq = 537, .ack = 1, .len = 64))

SCRIPT(absurd_mss_option, CONNECT(0), OUT(.f = SYN), IN(.f = SYN | ACK, .ack = 1, .mss = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(60), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 48),
       OUT(.f = ACK | PSH, .seq = 49, .ack = 1, .len = 12))

/* RFC 9293 3.7.1 */
SCRIPT(peer_mss_larger_than_path, CONNECT(0), OUT(.f = SYN),
       IN(.f = SYN | ACK, .ack = 1, .mss = 8960), OUT(.f = ACK, .seq = 1, .ack = 1), SEND(1461),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1))

static void user_mss_1000(struct script *s)
{
    if (s->listener)
        tcp_config(s->listener)->user_mss = 1000;
}
SCRIPT(user_mss_bounds_both_ways, LISTEN(1), DO(user_mss_1000), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1000), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1),
       ACCEPT(0), SEND(1100), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1000),
       OUT(.f = ACK | PSH, .seq = 1001, .ack = 1, .len = 100))

SCRIPT_SETUP(jumbo_mtu, {.mtu = 9000}, CONNECT(0), OUT(.f = SYN, .mss = 8960),
             IN(.f = SYN | ACK, .ack = 1, .mss = 8960), OUT(.f = ACK, .seq = 1, .ack = 1),
             SEND(9000), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 8960),
             OUT(.f = ACK | PSH, .seq = 8961, .ack = 1, .len = 40))

/* ---- simultaneous ---- */

SCRIPT(simultaneous_open, CONNECT(0), OUT(.f = SYN), IN_AT(MS(5), .f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460), STATE(TCP_SYN_RECEIVED),
       IN_AT(MS(5), .f = SYN | ACK, .ack = 1, .mss = 1460), STATE(TCP_ESTABLISHED),
       EVENTS(POLLOUT | POLLWRNORM, 0), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10))

SCRIPT(simultaneous_open_ended_by_an_ack, CONNECT(0), OUT(.f = SYN),
       IN_AT(MS(5), .f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(5), .f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))

SCRIPT(simultaneous_open_syn_ack_is_sent_again, CONNECT(0), OUT(.f = SYN),
       IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1), OUT_AT(SEC(2), .f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))

SCRIPT(simultaneous_open_refused, CONNECT(0), OUT(.f = SYN), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = RST, .seq = 1), STATE(TCP_CLOSED),
       ERROR(ECONNREFUSED))

SCRIPT(simultaneous_open_closed_meanwhile, CONNECT(0), OUT(.f = SYN), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), CLOSE, STATE(TCP_SYN_RECEIVED),
       IN(.f = ACK, .seq = 1, .ack = 1), OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       STATE(TCP_FIN_WAIT_1))

/* Each side answers with what the other offered: here no window scale and no SACK. */
SCRIPT(simultaneous_open_with_options, CONNECT(0), OUT(.f = SYN, .ws = 8, .ts = true),
       IN_AT(MS(5), .f = SYN, .mss = 1400, .ts = true, .ts_val = 70, .win = 1000),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .ts = true, .ts_ecr = 70, .opts = 16),
       IN_AT(MS(5), .f = SYN | ACK, .ack = 1, .mss = 1400, .ts = true, .ts_val = 75, .win = 1000),
       STATE(TCP_ESTABLISHED), SEND(2000), /* the window was not scaled */
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1000, .ts = true, .ts_ecr = 75))
SCRIPT(simultaneous_open_with_all_options, CONNECT(0), OUT(.f = SYN, .ws = 8, .ts = true),
       IN_AT(MS(5), .f = SYN, .mss = 1400, .ws = 4, .sackok = true, .ts = true, .ts_val = 70),
       OUT(.f = SYN | ACK, .ack = 1, .ws = 8, .sackok = true, .ts = true, .ts_ecr = 70, .opts = 20),
       IN_AT(MS(5), .f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 75, .win = 200),
       STATE(TCP_ESTABLISHED), SEND(2000), /* 200 << 3 */
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1388, .ts = true, .ts_ecr = 75), QUIET(MS(1)))

/* RFC 9293 3.10.2 */
SCRIPT(send_before_the_connection, CONNECT(0), OUT(.f = SYN), SEND_R(10, -EAGAIN),
       RECV_R(10, -EAGAIN), IN(.f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10))

/* RFC 9293 3.10.4 */
SCRIPT(close_in_syn_sent, CONNECT(0), OUT(.f = SYN), CLOSE, PCBS(0),
       IN(.f = SYN | ACK, .ack = 1, .mss = 1460), OUT(.f = RST, .seq = 1))

/* ---- passive ---- */

SCRIPT(passive_open, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .opts = 4, .win = 64240), STATE(TCP_SYN_RECEIVED),
       ACCEPT(-EAGAIN), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), EVENTS(POLLIN | POLLRDNORM, 0),
       STATE(TCP_ESTABLISHED), ACCEPT(0), POLLS(POLLOUT | POLLWRNORM))

SCRIPT(passive_open_with_options, LISTEN(1),
       IN(.f = SYN, .mss = 1400, .ws = 3, .ts = true, .ts_val = 55),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .ws = 8, .ts = true, .ts_ecr = 55, .opts = 20),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .win = 500, .ts = true, .ts_val = 65,
             .ts_ecr = 0),
       ACCEPT(0), SEND(2500), /* 500 << 2 */
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1388, .ts = true, .ts_ecr = 65, .win = 512))

SCRIPT(data_with_the_last_ack, LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(10), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), ACCEPT(0), RECV(100))

SCRIPT(fin_with_the_last_ack, LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(10), .f = ACK | FIN, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 102), ACCEPT(0), STATE(TCP_CLOSE_WAIT), RECV(100), RECV_EOF)

SCRIPT(syn_text_is_not_acknowledged, LISTEN(1), IN(.f = SYN, .mss = 1460, .len = 5),
       OUT(.f = SYN | ACK, .ack = 1))

SCRIPT(syn_ack_is_sent_five_times_again, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1),
       OUT_AT(SEC(2), .f = SYN | ACK, .ack = 1), OUT_AT(SEC(4), .f = SYN | ACK, .ack = 1),
       OUT_AT(SEC(8), .f = SYN | ACK, .ack = 1), OUT_AT(SEC(16), .f = SYN | ACK, .ack = 1), PCBS(2),
       QUIET(SEC(32)), PCBS(1))

SCRIPT(syn_again_gets_syn_ack_again, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN_AT(MS(500), .f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), PCBS(2))

SCRIPT(other_syn_in_syn_received_returns_to_listen, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = SYN, .seq = 100, .mss = 1460), PCBS(1),
       IN(.f = SYN, .seq = 0, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1))

SCRIPT(wrong_ack_in_syn_received_is_reset, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 0), OUT(.f = RST, .seq = 0),
       IN(.f = ACK, .seq = 1, .ack = 2), OUT(.f = RST, .seq = 2), STATE(TCP_SYN_RECEIVED),
       IN(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))

SCRIPT(rst_in_syn_received, LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = RST, .seq = 2), OUT(.f = ACK, .seq = 1, .ack = 1), PCBS(2), IN(.f = RST, .seq = 1),
       PCBS(1))

/* RFC 9293 3.10.7.2 */
SCRIPT(listen_ignores_what_is_no_syn, LISTEN(1), IN(.f = RST), IN(.f = FIN), IN(.f = 0, .len = 5),
       IN(.f = SYN | FIN), IN(.f = ACK | RST, .ack = 5), PCBS(1), IN(.f = ACK, .seq = 7, .ack = 99),
       OUT(.f = RST, .seq = 99), IN(.f = SYN | ACK, .seq = 7, .ack = 98), OUT(.f = RST, .seq = 98))

/* ---- nobody there ---- */

/* RFC 9293 3.5.2 */
SCRIPT(closed_port_answers_with_rst, IN(.f = SYN, .seq = 0), OUT(.f = RST | ACK, .ack = 1),
       IN(.f = SYN, .seq = 0, .len = 10), OUT(.f = RST | ACK, .ack = 11),
       IN(.f = 0, .seq = 3, .len = 5), OUT(.f = RST | ACK, .ack = 8),
       IN(.f = ACK, .seq = 3, .ack = 1234), OUT(.f = RST, .seq = 1234), IN(.f = RST, .seq = 3),
       IN(.f = RST | ACK, .seq = 3, .ack = 5))

SCRIPT_SETUP(closed_port_of_a_borrowed_address_is_silent, {.borrowed = true}, IN(.f = SYN),
             IN(.f = ACK, .seq = 1, .ack = 1))

SCRIPT_SETUP(guarded_port_of_a_borrowed_address_answers, {.guarded = true}, IN(.f = SYN, .seq = 0),
             OUT(.f = RST | ACK, .ack = 1), IN(.f = ACK, .seq = 3, .ack = 1234),
             OUT(.f = RST, .seq = 1234), IN(.f = RST, .seq = 3))

SCRIPT_SETUP(listener_on_a_borrowed_address, {.borrowed = true}, PASSIVE_OPEN,
             STATE(TCP_ESTABLISHED))

/* RFC 9293 MUST-3 */
SCRIPT(wrong_checksum_is_dropped, LISTEN(1), IN(.f = SYN, .mss = 1460, .bad_csum = true), PCBS(1),
       IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1))

static void new_network(struct script *s)
{
    /* The address goes away: no way to the peer any more. */
    netif_remove_addr(s->net, s->nif, &s->local.addr);
}
SCRIPT(no_route_for_the_answer, LISTEN(1), DO(new_network), PCBS(1))

Suite *open_suite(void)
{
    Suite *s = suite_create("open");
    TCase *t = tcase_create("active");

    tcase_add_test(t, syn_carries_all_options);
    tcase_add_test(t, active_open);
    tcase_add_test(t, active_open_with_options);
    tcase_add_test(t, syn_is_sent_four_and_six_times_again);
    tcase_add_test(t, syn_retries_option);
    tcase_add_test(t, syn_retries_option_of_one);
    tcase_add_test(t, syn_retries_option_of_three);
    tcase_add_test(t, connection_refused);
    tcase_add_test(t, connect_again_after_refusal);
    tcase_add_test(t, rst_without_our_number_is_ignored_in_syn_sent);
    tcase_add_test(t, wrong_ack_in_syn_sent_is_reset);
    tcase_add_test(t, ack_without_syn_is_dropped_in_syn_sent);
    tcase_add_test(t, syn_ack_with_text);
    tcase_add_test(t, syn_ack_with_text_and_fin);
    tcase_add_test(t, connect_twice);
    tcase_add_test(t, rto_is_3_s_after_a_lost_syn);
    tcase_add_test(t, a_timestamp_measures_in_spite_of_a_lost_syn);
    tcase_add_test(t, one_segment_after_two_lost_syns);
    tcase_add_test(t, close_in_syn_sent);
    tcase_add_test(t, send_before_the_connection);
    suite_add_tcase(s, t);
    t = tcase_create("mss");
    tcase_add_test(t, no_mss_option_means_536);
    tcase_add_test(t, absurd_mss_option);
    tcase_add_test(t, peer_mss_larger_than_path);
    tcase_add_test(t, user_mss_bounds_both_ways);
    tcase_add_test(t, jumbo_mtu);
    suite_add_tcase(s, t);
    t = tcase_create("simultaneous");
    tcase_add_test(t, simultaneous_open);
    tcase_add_test(t, simultaneous_open_ended_by_an_ack);
    tcase_add_test(t, simultaneous_open_with_options);
    tcase_add_test(t, simultaneous_open_with_all_options);
    tcase_add_test(t, simultaneous_open_syn_ack_is_sent_again);
    tcase_add_test(t, simultaneous_open_refused);
    tcase_add_test(t, simultaneous_open_closed_meanwhile);
    suite_add_tcase(s, t);
    t = tcase_create("passive");
    tcase_add_test(t, passive_open);
    tcase_add_test(t, passive_open_with_options);
    tcase_add_test(t, data_with_the_last_ack);
    tcase_add_test(t, fin_with_the_last_ack);
    tcase_add_test(t, syn_text_is_not_acknowledged);
    tcase_add_test(t, syn_ack_is_sent_five_times_again);
    tcase_add_test(t, syn_again_gets_syn_ack_again);
    tcase_add_test(t, other_syn_in_syn_received_returns_to_listen);
    tcase_add_test(t, wrong_ack_in_syn_received_is_reset);
    tcase_add_test(t, rst_in_syn_received);
    tcase_add_test(t, listen_ignores_what_is_no_syn);
    suite_add_tcase(s, t);
    t = tcase_create("closed");
    tcase_add_test(t, closed_port_answers_with_rst);
    tcase_add_test(t, closed_port_of_a_borrowed_address_is_silent);
    tcase_add_test(t, guarded_port_of_a_borrowed_address_answers);
    tcase_add_test(t, listener_on_a_borrowed_address);
    tcase_add_test(t, wrong_checksum_is_dropped);
    tcase_add_test(t, no_route_for_the_answer);
    suite_add_tcase(s, t);
    return s;
}
