/* Closing: RFC 9293 3.6, Figure 5, and what the states behind ESTABLISHED do with segments. */
#include "script.h"

#define FIN_WAIT_2_OPEN                                                                            \
    PASSIVE_OPEN, SHUTDOWN(SHUT_WR), OUT(.f = FIN | ACK, .seq = 1, .ack = 1),                      \
        IN(.f = ACK, .seq = 1, .ack = 2), STATE(TCP_FIN_WAIT_2)
/* Next is seq 2, ack 2. Nobody owns it. */
#define TIME_WAIT_OPEN                                                                             \
    PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),                                  \
        IN(.f = FIN | ACK, .seq = 1, .ack = 2), OUT(.f = ACK, .seq = 2, .ack = 2),                 \
        STATE(TCP_TIME_WAIT)
#define CLOSE_WAIT_OPEN                                                                            \
    PASSIVE_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 1),                                          \
        OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 2), STATE(TCP_CLOSE_WAIT)

/* ---- the ways through Figure 5 ---- */

/* RFC 9293 3.6.1 */
SCRIPT(active_close, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       STATE(TCP_FIN_WAIT_1), IN(.f = ACK, .seq = 1, .ack = 2), STATE(TCP_FIN_WAIT_2),
       IN(.f = FIN | ACK, .seq = 1, .ack = 2), OUT(.f = ACK, .seq = 2, .ack = 2),
       STATE(TCP_TIME_WAIT), QUIET(SEC(60) - 1), PCBS(2), QUIET(1), PCBS(1))

SCRIPT(fin_wait_1_straight_to_time_wait, TIME_WAIT_OPEN)

SCRIPT(passive_close, PASSIVE_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 1),
       EVENTS(POLLIN | POLLRDNORM | POLLRDHUP, 0), STATE(TCP_CLOSE_WAIT), RECV_EOF,
       POLLS(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM), CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 2), STATE(TCP_LAST_ACK),
       IN(.f = ACK, .seq = 2, .ack = 2), PCBS(1))

SCRIPT(simultaneous_close, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = FIN | ACK, .seq = 1, .ack = 1), OUT(.f = ACK, .seq = 2, .ack = 2),
       STATE(TCP_CLOSING), IN(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT), QUIET(SEC(60)),
       PCBS(1))

SCRIPT(half_close, PASSIVE_OPEN, SHUTDOWN(SHUT_WR), OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       SEND_R(1, -EPIPE), IN(.f = ACK, .seq = 1, .ack = 2),
       IN(.f = ACK, .seq = 1, .ack = 2, .len = 700), OUT(.f = ACK, .seq = 2, .ack = 701),
       POLLS(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM), RECV(700),
       IN(.f = FIN | ACK, .seq = 701, .ack = 2), OUT(.f = ACK, .seq = 2, .ack = 702),
       STATE(TCP_TIME_WAIT), RECV_EOF,
       POLLS(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLHUP), CLOSE,
       QUIET(SEC(60)), PCBS(1))

SCRIPT(sending_goes_on_in_close_wait, CLOSE_WAIT_OPEN, SEND(3000),
       OUT(.f = ACK, .seq = 1, .ack = 2, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 2, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 2921, .ack = 2, .len = 80), IN(.f = ACK, .seq = 2, .ack = 3001),
       CLOSE, OUT(.f = FIN | ACK, .seq = 3001, .ack = 2), IN(.f = ACK, .seq = 2, .ack = 3002),
       PCBS(1))

SCRIPT(owner_stays_until_time_wait_is_over, FIN_WAIT_2_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 2),
       OUT(.f = ACK, .seq = 2, .ack = 2), QUIET(SEC(60)), STATE(TCP_CLOSED), ERROR(0), RECV_EOF)

/* ---- what a guard of the port goes by ---- */

static uint32_t ends_before;

static void port_is_busy(struct script *s)
{
    ends_before = s->tcp->port_ends;
    script_assert(s, tcp_port_use(s->tcp, s->local.port) == TCP_PORT_BUSY);
}

/* And somebody is told to look. */
static void port_settles(struct script *s)
{
    script_assert(s, tcp_port_use(s->tcp, s->local.port) == TCP_PORT_SETTLES);
    script_assert(s, s->tcp->port_ends != ends_before);
    ends_before = s->tcp->port_ends;
}

static void port_lingers(struct script *s)
{
    script_assert(s, tcp_port_use(s->tcp, s->local.port) == TCP_PORT_LINGERS);
}

static void port_is_free(struct script *s)
{
    script_assert(s, tcp_port_use(s->tcp, s->local.port) == TCP_PORT_FREE);
    script_assert(s, s->tcp->port_ends != ends_before);
}

SCRIPT(port_after_close, ACTIVE_OPEN, DO(port_is_busy), CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1), DO(port_is_busy), IN(.f = ACK, .seq = 1, .ack = 2),
       STATE(TCP_FIN_WAIT_2), DO(port_settles), QUIET(MS(500)), DO(port_lingers),
       IN(.f = FIN | ACK, .seq = 1, .ack = 2), OUT(.f = ACK, .seq = 2, .ack = 2),
       STATE(TCP_TIME_WAIT), DO(port_lingers), QUIET(SEC(60)), PCBS(0), DO(port_is_free))

/* ---- FIN ---- */

SCRIPT(fin_waits_behind_data, PASSIVE_OPEN, SEND(2000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 540), CLOSE,
       OUT(.f = FIN | ACK, .seq = 2001, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 2001),
       STATE(TCP_FIN_WAIT_1), IN(.f = ACK, .seq = 1, .ack = 2002), STATE(TCP_FIN_WAIT_2))

SCRIPT(fin_goes_with_the_last_data, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .win = 1460),
       ACCEPT(0), SEND(2000), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460), CLOSE,
       IN(.f = ACK, .seq = 1, .ack = 1461, .win = 1460),
       OUT(.f = FIN | ACK | PSH, .seq = 1461, .ack = 1, .len = 540))

SCRIPT(fin_does_not_exceed_the_window, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .win = 1000),
       ACCEPT(0), SEND(1000), OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1000), CLOSE,
       STATE(TCP_FIN_WAIT_1), IN(.f = ACK, .seq = 1, .ack = 1001, .win = -1), QUIET(MS(100)),
       IN(.f = ACK, .seq = 1, .ack = 1001, .win = 1), OUT(.f = FIN | ACK, .seq = 1001, .ack = 1))

SCRIPT(fin_is_sent_again, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(210), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(420), .f = FIN | ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 2),
       STATE(TCP_FIN_WAIT_2))

SCRIPT(data_and_fin_are_sent_again, PASSIVE_OPEN, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), CLOSE,
       OUT(.f = FIN | ACK, .seq = 101, .ack = 1),
       OUT_AT(MS(210), .f = FIN | ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       IN(.f = ACK, .seq = 1, .ack = 101), OUT_AT(MS(420), .f = FIN | ACK, .seq = 101, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 102), STATE(TCP_FIN_WAIT_2))

SCRIPT(fin_with_data_in, PASSIVE_OPEN, IN(.f = FIN | ACK | PSH, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 12), RECV(10), RECV_EOF, STATE(TCP_CLOSE_WAIT))

SCRIPT(fin_again_is_acknowledged_again, CLOSE_WAIT_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 2), STATE(TCP_CLOSE_WAIT))

SCRIPT(fin_out_of_order, PASSIVE_OPEN, IN(.f = FIN | ACK, .seq = 101, .ack = 1),
       OUT(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100), STATE(TCP_CLOSE_WAIT),
       OUT(.f = ACK, .seq = 1, .ack = 102), RECV(100), RECV_EOF)

SCRIPT(fin_out_of_order_with_text, PASSIVE_OPEN,
       IN(.f = FIN | ACK, .seq = 101, .ack = 1, .len = 50), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100), STATE(TCP_CLOSE_WAIT),
       OUT(.f = ACK, .seq = 1, .ack = 152), RECV(150), RECV_EOF)

SCRIPT(text_behind_a_fin_is_not_taken, CLOSE_WAIT_OPEN, IN(.f = ACK, .seq = 2, .ack = 1, .len = 10),
       RECV_EOF)

SCRIPT(ack_of_fin_is_delayed_for_the_answer, PASSIVE_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 1),
       QUIET(MS(10)), SEND(10), OUT(.f = ACK | PSH, .seq = 1, .ack = 2, .len = 10), QUIET(MS(50)))

/* ---- RST on close: RFC 2525 2.17 ---- */

/* RFC 2525 2.17 */
SCRIPT(close_with_unread_data_resets, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), CLOSE, OUT(.f = RST | ACK, .seq = 1, .ack = 11), PCBS(1))

SCRIPT(close_with_unread_data_in_close_wait_resets, PASSIVE_OPEN,
       IN(.f = FIN | ACK, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 12), CLOSE,
       OUT(.f = RST | ACK, .seq = 1, .ack = 12), PCBS(1))

SCRIPT(data_after_close_reset, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 2, .len = 10), OUT(.f = RST | ACK, .seq = 2, .ack = 1),
       PCBS(1))

SCRIPT(data_after_close_reset_before_our_fin_is_acknowledged, PASSIVE_OPEN, CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = RST | ACK, .seq = 2, .ack = 1), PCBS(1))

SCRIPT(data_after_shutdown_of_both_resets, PASSIVE_OPEN, SHUTDOWN(SHUT_RDWR),
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1), RECV_EOF,
       IN(.f = ACK, .seq = 1, .ack = 2, .len = 10), OUT(.f = RST | ACK, .seq = 2, .ack = 1),
       ERROR(ECONNRESET))

SCRIPT(data_after_shutdown_of_reading_is_kept, PASSIVE_OPEN, SHUTDOWN(SHUT_RD), RECV_EOF,
       POLLS(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 11), RECV(10),
       RECV_EOF)

/* ---- abort ---- */

/* RFC 9293 3.10.5 */
SCRIPT(abort_established, PASSIVE_OPEN, ABORT, OUT(.f = RST | ACK, .seq = 1, .ack = 1), PCBS(1))
SCRIPT(abort_with_data_in_flight, PASSIVE_OPEN, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), ABORT,
       OUT(.f = RST | ACK, .seq = 101, .ack = 1), PCBS(1))
SCRIPT(abort_syn_sent, CONNECT(0), OUT(.f = SYN), ABORT, PCBS(0))
SCRIPT(abort_syn_received, CONNECT(0), OUT(.f = SYN), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), ABORT, OUT(.f = RST | ACK, .seq = 1, .ack = 1), PCBS(0))
SCRIPT(abort_fin_wait_2, FIN_WAIT_2_OPEN, ABORT, OUT(.f = RST | ACK, .seq = 2, .ack = 1), PCBS(1))
SCRIPT(abort_close_wait, CLOSE_WAIT_OPEN, ABORT, OUT(.f = RST | ACK, .seq = 1, .ack = 2), PCBS(1))
SCRIPT(abort_last_ack_is_silent, CLOSE_WAIT_OPEN, SHUTDOWN(SHUT_WR),
       OUT(.f = FIN | ACK, .seq = 1, .ack = 2), STATE(TCP_LAST_ACK), ABORT, PCBS(1))
SCRIPT(abort_time_wait_is_silent, FIN_WAIT_2_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 2),
       OUT(.f = ACK, .seq = 2, .ack = 2), ABORT, PCBS(1))

SCRIPT(disconnect_established, PASSIVE_OPEN, DISCONNECT, OUT(.f = RST | ACK, .seq = 1, .ack = 1),
       STATE(TCP_CLOSED), ERROR(ECONNRESET), POLLS(POLLHUP | POLLOUT | POLLWRNORM))
SCRIPT(disconnect_syn_sent, CONNECT(0), OUT(.f = SYN), DISCONNECT, STATE(TCP_CLOSED),
       ERROR(ECONNRESET), CONNECT(0), OUT(.f = SYN))
SCRIPT(disconnect_listener, LISTEN(1), DISCONNECT, IN(.f = SYN), OUT(.f = RST | ACK, .ack = 1),
       LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1))

/* ---- RST in, state by state ---- */

/* RFC 9293 3.5.3 */
SCRIPT(rst_established, PASSIVE_OPEN, EVENTS(0, 0xffff), IN(.f = RST, .seq = 1), STATE(TCP_CLOSED),
       EVENTS(POLLIN | POLLOUT | POLLERR | POLLHUP, POLLRDNORM | POLLWRNORM | POLLRDHUP),
       POLLS(POLLIN | POLLRDNORM | POLLRDHUP | POLLOUT | POLLWRNORM | POLLHUP | POLLERR),
       ERROR(ECONNRESET), RECV_EOF, SEND_R(1, -EPIPE))
SCRIPT(rst_is_seen_by_recv, PASSIVE_OPEN, IN(.f = RST, .seq = 1), RECV_R(1, -ECONNRESET), RECV_EOF)
SCRIPT(rst_is_seen_by_send, PASSIVE_OPEN, IN(.f = RST, .seq = 1), SEND_R(1, -ECONNRESET),
       SEND_R(1, -EPIPE))
SCRIPT(rst_leaves_what_was_received, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), IN(.f = RST, .seq = 11), RECV(10),
       RECV_R(1, -ECONNRESET), RECV_EOF)
SCRIPT(rst_close_wait_is_epipe, CLOSE_WAIT_OPEN, IN(.f = RST, .seq = 2), ERROR(EPIPE))
SCRIPT(rst_fin_wait_1, PASSIVE_OPEN, SHUTDOWN(SHUT_WR), OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = RST, .seq = 1), STATE(TCP_CLOSED), ERROR(ECONNRESET))
SCRIPT(rst_fin_wait_2, FIN_WAIT_2_OPEN, IN(.f = RST, .seq = 1), STATE(TCP_CLOSED),
       ERROR(ECONNRESET))
SCRIPT(rst_orphan, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = RST, .seq = 1), PCBS(1))
SCRIPT(rst_last_ack, CLOSE_WAIT_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 2),
       IN(.f = RST, .seq = 2), PCBS(1))
SCRIPT(rst_closing, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = FIN | ACK, .seq = 1, .ack = 1), OUT(.f = ACK, .seq = 2, .ack = 2),
       IN(.f = RST, .seq = 2), PCBS(1))
SCRIPT(rst_from_in_front_of_the_fin, CLOSE_WAIT_OPEN, IN(.f = RST, .seq = 1), ERROR(EPIPE))

/* ---- TIME_WAIT ---- */

SCRIPT(time_wait_acknowledges_the_fin_again, TIME_WAIT_OPEN,
       IN_AT(SEC(30), .f = FIN | ACK, .seq = 1, .ack = 2), OUT(.f = ACK, .seq = 2, .ack = 2),
       QUIET(SEC(60) - 1), PCBS(2), QUIET(1), PCBS(1))
/* RFC 1337, F1 */
SCRIPT(time_wait_survives_rst, TIME_WAIT_OPEN, IN(.f = RST, .seq = 1), IN(.f = RST, .seq = 3),
       IN(.f = RST, .seq = 2), PCBS(2), STATE(TCP_TIME_WAIT))
SCRIPT(time_wait_answers_old_data, TIME_WAIT_OPEN, IN(.f = ACK, .seq = 1, .ack = 2, .len = 5),
       OUT(.f = ACK, .seq = 2, .ack = 2), IN(.f = ACK, .seq = 2, .ack = 2))
SCRIPT(time_wait_answers_an_old_syn, TIME_WAIT_OPEN, IN(.f = SYN, .seq = 0),
       OUT(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT))

static uint32_t old_iss;
static void remember_iss(struct script *s)
{
    old_iss = s->iss;
}
static void iss_is_beyond(struct script *s)
{
    script_assert(s, seq_gt(s->iss, old_iss + 65536));
}
/* RFC 9293 MUST-12 */
SCRIPT(time_wait_gives_way_to_a_newer_syn, TIME_WAIT_OPEN, DO(remember_iss),
       IN(.f = SYN, .seq = 3, .mss = 1460), OUT(.f = SYN | ACK, .ack = 4), DO(iss_is_beyond),
       PCBS(2), STATE(TCP_SYN_RECEIVED))

#define TIME_WAIT_TS                                                                               \
    LISTEN(1), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 100),                               \
        OUT(.f = SYN | ACK, .ack = 1),                                                             \
        IN(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 101), ACCEPT(0), CLOSE,             \
        OUT(.f = FIN | ACK, .seq = 1, .ack = 1),                                                   \
        IN(.f = FIN | ACK, .seq = 1, .ack = 2, .ts = true, .ts_val = 102),                         \
        OUT(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT)
SCRIPT(time_wait_gives_way_to_a_newer_timestamp, TIME_WAIT_TS,
       IN(.f = SYN, .seq = 0, .mss = 1460, .ts = true, .ts_val = 103),
       OUT(.f = SYN | ACK, .ack = 1), STATE(TCP_SYN_RECEIVED))
SCRIPT(time_wait_keeps_off_an_older_timestamp, TIME_WAIT_TS,
       IN(.f = SYN, .seq = 500, .mss = 1460, .ts = true, .ts_val = 99),
       OUT(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT))
SCRIPT(time_wait_ignores_an_old_rst, TIME_WAIT_TS, IN(.f = RST, .seq = 2, .ts = true, .ts_val = 50),
       PCBS(2))

static void close_listener(struct script *s)
{
    if (s->listener)
        tcp_close(s->tcp, s->listener);
    s->listener = NULL;
}
SCRIPT(time_wait_without_listener_answers_syn, TIME_WAIT_OPEN, DO(close_listener),
       IN(.f = SYN, .seq = 3), OUT(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT))

static void rings_are_empty(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    script_assert(s, pcb && pcb->snd.held == 0 && pcb->rcv.held == 0 && pcb->ofo.cap == 0);
}
SCRIPT(time_wait_holds_no_buffers, PASSIVE_OPEN, SEND(5000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 4381, .ack = 1, .len = 620), CLOSE,
       OUT(.f = FIN | ACK, .seq = 5001, .ack = 1), IN(.f = FIN | ACK, .seq = 1, .ack = 5002),
       OUT(.f = ACK, .seq = 5002, .ack = 2), STATE(TCP_TIME_WAIT), DO(rings_are_empty))

/* ---- orphans ---- */

SCRIPT(orphan_in_fin_wait_2_ends_after_60_s, PASSIVE_OPEN, CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 2),
       QUIET(SEC(60) - 1), PCBS(2), QUIET(1), PCBS(1))

static void linger2_5_s(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->linger2_ms = 5000;
}
static void linger2_none(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->linger2_ms = 0;
}
SCRIPT(linger2_option, PASSIVE_OPEN, DO(linger2_5_s), CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 2), QUIET(SEC(5)),
       PCBS(1))
SCRIPT(linger2_none_option, PASSIVE_OPEN, DO(linger2_none), CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 2), PCBS(1))
SCRIPT(linger2_none_in_fin_wait_2, FIN_WAIT_2_OPEN, DO(linger2_none), CLOSE,
       OUT(.f = RST | ACK, .seq = 2, .ack = 1), PCBS(1))
SCRIPT(fin_wait_2_with_owner_stays, FIN_WAIT_2_OPEN, QUIET(SEC(36000)), STATE(TCP_FIN_WAIT_2),
       CLOSE, QUIET(SEC(60)), PCBS(1))

SCRIPT(orphan_gives_up_after_102_s, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(210), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(420), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(840), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(1680), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(3360), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(6720), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(13440), .f = FIN | ACK, .seq = 1, .ack = 1),
       OUT_AT(MS(26880), .f = FIN | ACK, .seq = 1, .ack = 1), PCBS(2), QUIET(MS(53760)), PCBS(1))

Suite *close_suite(void)
{
    Suite *s = suite_create("close");
    TCase *t = tcase_create("ways");

    tcase_add_test(t, active_close);
    tcase_add_test(t, fin_wait_1_straight_to_time_wait);
    tcase_add_test(t, passive_close);
    tcase_add_test(t, simultaneous_close);
    tcase_add_test(t, half_close);
    tcase_add_test(t, sending_goes_on_in_close_wait);
    tcase_add_test(t, owner_stays_until_time_wait_is_over);
    suite_add_tcase(s, t);
    t = tcase_create("fin");
    tcase_add_test(t, port_after_close);
    tcase_add_test(t, fin_waits_behind_data);
    tcase_add_test(t, fin_goes_with_the_last_data);
    tcase_add_test(t, fin_does_not_exceed_the_window);
    tcase_add_test(t, fin_is_sent_again);
    tcase_add_test(t, data_and_fin_are_sent_again);
    tcase_add_test(t, fin_with_data_in);
    tcase_add_test(t, fin_again_is_acknowledged_again);
    tcase_add_test(t, fin_out_of_order);
    tcase_add_test(t, fin_out_of_order_with_text);
    tcase_add_test(t, text_behind_a_fin_is_not_taken);
    tcase_add_test(t, ack_of_fin_is_delayed_for_the_answer);
    suite_add_tcase(s, t);
    t = tcase_create("rst out");
    tcase_add_test(t, close_with_unread_data_resets);
    tcase_add_test(t, close_with_unread_data_in_close_wait_resets);
    tcase_add_test(t, data_after_close_reset);
    tcase_add_test(t, data_after_close_reset_before_our_fin_is_acknowledged);
    tcase_add_test(t, data_after_shutdown_of_both_resets);
    tcase_add_test(t, data_after_shutdown_of_reading_is_kept);
    tcase_add_test(t, abort_established);
    tcase_add_test(t, abort_with_data_in_flight);
    tcase_add_test(t, abort_syn_sent);
    tcase_add_test(t, abort_syn_received);
    tcase_add_test(t, abort_fin_wait_2);
    tcase_add_test(t, abort_close_wait);
    tcase_add_test(t, abort_last_ack_is_silent);
    tcase_add_test(t, abort_time_wait_is_silent);
    tcase_add_test(t, disconnect_established);
    tcase_add_test(t, disconnect_syn_sent);
    tcase_add_test(t, disconnect_listener);
    suite_add_tcase(s, t);
    t = tcase_create("rst in");
    tcase_add_test(t, rst_established);
    tcase_add_test(t, rst_is_seen_by_recv);
    tcase_add_test(t, rst_is_seen_by_send);
    tcase_add_test(t, rst_leaves_what_was_received);
    tcase_add_test(t, rst_close_wait_is_epipe);
    tcase_add_test(t, rst_fin_wait_1);
    tcase_add_test(t, rst_fin_wait_2);
    tcase_add_test(t, rst_orphan);
    tcase_add_test(t, rst_last_ack);
    tcase_add_test(t, rst_closing);
    tcase_add_test(t, rst_from_in_front_of_the_fin);
    suite_add_tcase(s, t);
    t = tcase_create("time wait");
    tcase_add_test(t, time_wait_acknowledges_the_fin_again);
    tcase_add_test(t, time_wait_survives_rst);
    tcase_add_test(t, time_wait_answers_old_data);
    tcase_add_test(t, time_wait_answers_an_old_syn);
    tcase_add_test(t, time_wait_gives_way_to_a_newer_syn);
    tcase_add_test(t, time_wait_gives_way_to_a_newer_timestamp);
    tcase_add_test(t, time_wait_keeps_off_an_older_timestamp);
    tcase_add_test(t, time_wait_ignores_an_old_rst);
    tcase_add_test(t, time_wait_without_listener_answers_syn);
    tcase_add_test(t, time_wait_holds_no_buffers);
    suite_add_tcase(s, t);
    t = tcase_create("orphans");
    tcase_add_test(t, orphan_in_fin_wait_2_ends_after_60_s);
    tcase_add_test(t, linger2_option);
    tcase_add_test(t, linger2_none_option);
    tcase_add_test(t, linger2_none_in_fin_wait_2);
    tcase_add_test(t, fin_wait_2_with_owner_stays);
    tcase_add_test(t, orphan_gives_up_after_102_s);
    suite_add_tcase(s, t);
    return s;
}
