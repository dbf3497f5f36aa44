/* The SYN queue and the accept queue. Where the RFCs are silent, Linux is the measure. */
#include "script.h"

#define A 40001
#define B 40002
#define C 40003
#define SYN_FROM(p)                                                                                \
    IN(.f = SYN, .mss = 1460, .sport = (p)), OUT(.f = SYN | ACK, .ack = 1, .sport = (p))
#define ACK_FROM(p) IN(.f = ACK, .seq = 1, .ack = 1, .sport = (p))

static void take(struct script *s, uint16_t port, bool there)
{
    struct tcp_pcb *child = s->listener ? tcp_accept(s->tcp, s->listener) : NULL;

    script_assert(s, (child != NULL) == there);
    if (!child)
        return;
    script_assert(s, tcp_remote(child)->port == port);
    tcp_set_owner(child, s);
    tcp_abort(s->tcp, child);
    script_forget_out(s);
}
static void take_a(struct script *s)
{
    take(s, A, true);
}
static void take_b(struct script *s)
{
    take(s, B, true);
}
static void take_c(struct script *s)
{
    take(s, C, true);
}
static void take_none(struct script *s)
{
    take(s, 0, false);
}

SCRIPT(first_come_first_accepted, LISTEN(5), SYN_FROM(A), SYN_FROM(B), SYN_FROM(C), ACK_FROM(B),
       ACK_FROM(A), ACK_FROM(C), POLLS(POLLIN | POLLRDNORM), DO(take_b), DO(take_a), DO(take_c),
       DO(take_none), POLLS(0))

/* The accept queue holds one more than backlog; then SYNs are dropped. */
SCRIPT(full_accept_queue_drops_syns, LISTEN(1), SYN_FROM(A), ACK_FROM(A), SYN_FROM(B), ACK_FROM(B),
       IN(.f = SYN, .mss = 1460, .sport = C), PCBS(3), DO(take_a),
       IN_AT(SEC(1), .f = SYN, .mss = 1460, .sport = C), OUT(.f = SYN | ACK, .ack = 1, .sport = C))

SCRIPT(backlog_of_nothing_takes_one, LISTEN(0), SYN_FROM(A), ACK_FROM(A),
       IN(.f = SYN, .mss = 1460, .sport = B), DO(take_a))

SCRIPT(full_accept_queue_loses_the_last_ack, LISTEN(0), SYN_FROM(A), SYN_FROM(B), ACK_FROM(A),
       ACK_FROM(B), DO(take_a), DO(take_none), OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1, .sport = B),
       ACK_FROM(B), DO(take_b))

/* tcp_abort_on_overflow: the last ACK is answered with a RST. */
static void abort_on_overflow(struct script *s)
{
    s->tcp->limits.abort_on_overflow = true;
}
SCRIPT(full_accept_queue_may_reset, LISTEN(0), DO(abort_on_overflow), SYN_FROM(A), SYN_FROM(B),
       ACK_FROM(A), ACK_FROM(B), OUT(.f = RST | ACK, .seq = 1, .ack = 1, .sport = B), PCBS(2),
       DO(take_a), DO(take_none))

SCRIPT(backlog_can_be_changed, LISTEN(0), SYN_FROM(A), ACK_FROM(A),
       IN(.f = SYN, .mss = 1460, .sport = B), LISTEN(2), SYN_FROM(B))

static void flood(struct script *s)
{
    for (uint16_t i = 0; i < 300; i++) {
        struct sseg g = {.f = SYN, .mss = 1460, .sport = (uint16_t)(1000 + i)};
        script_in(s, &g);
        script_assert(s, s->out_len == 1); /* beyond 256 it is a cookie */
        script_forget_out(s);
    }
}
SCRIPT(syn_queue_is_bounded, LISTEN(1), DO(flood), PCBS(257))
SCRIPT(long_backlog_has_a_long_syn_queue, LISTEN(1000), DO(take_none))

SCRIPT(data_before_accept, LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), ACCEPT(0),
       POLLS(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM), RECV(100))
SCRIPT(fin_before_accept, LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), IN(.f = FIN | ACK, .seq = 1, .ack = 1), ACCEPT(0),
       STATE(TCP_CLOSE_WAIT), RECV_EOF, OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 2))
SCRIPT(rst_before_accept_is_handed_out, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1), IN(.f = RST, .seq = 1),
       PCBS(2), ACCEPT(0), STATE(TCP_CLOSED), RECV_R(1, -ECONNRESET))

SCRIPT(closing_resets_what_was_not_accepted, LISTEN(5), SYN_FROM(A), ACK_FROM(A), SYN_FROM(B),
       CLOSE, OUT(.f = RST | ACK, .seq = 1, .ack = 1, .sport = A), PCBS(0), ACK_FROM(B),
       OUT(.f = RST, .seq = 1, .sport = B))
SCRIPT(shutdown_stops_listening, LISTEN(5), SYN_FROM(A), ACK_FROM(A), SHUTDOWN(SHUT_RD),
       OUT(.f = RST | ACK, .seq = 1, .ack = 1, .sport = A), IN(.f = SYN),
       OUT(.f = RST | ACK, .ack = 1), POLLS(POLLHUP | POLLOUT | POLLWRNORM))
SCRIPT(shutdown_of_writing_does_not_stop_listening, LISTEN(5), SHUTDOWN(SHUT_WR), SYN_FROM(A))
SCRIPT(closing_leaves_what_was_accepted, PASSIVE_OPEN, STATE(TCP_ESTABLISHED), SYN_FROM(A),
       DO(take_none), SEND(1), OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1))

/* ---- TCP_DEFER_ACCEPT ---- */

static void defer(struct script *s, uint8_t n)
{
    if (s->listener)
        tcp_config(s->listener)->defer_accept = n;
}
static void defer_1(struct script *s)
{
    defer(s, 1);
}
static void defer_3(struct script *s)
{
    defer(s, 3);
}
static void defer_7(struct script *s)
{
    defer(s, 7);
}
#define DEFER(n)   LISTEN(5), DO(defer_##n), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1)
#define SILENT_ACK IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(-EAGAIN), STATE(TCP_SYN_RECEIVED)

/* The ACK alone is not enough; with text it is. */
SCRIPT(defer_waits_for_text, DEFER(3), SILENT_ACK, QUIET(MS(500)),
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 11),
       EVENTS(POLLIN | POLLRDNORM, 0), ACCEPT(0), RECV(10))
SCRIPT(defer_takes_a_fin, DEFER(3), IN(.f = ACK | FIN, .seq = 1, .ack = 1),
       OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 2), ACCEPT(0), RECV_EOF)
/* When its time is over (1 s, 3 s, then 7 s) the SYN,ACK goes once more, and who answers is in. */
SCRIPT(defer_ends, DEFER(3), SILENT_ACK, OUT_AT(SEC(7), .f = SYN | ACK, .ack = 1),
       STATE(TCP_SYN_RECEIVED), IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(0), STATE(TCP_ESTABLISHED))
SCRIPT(defer_of_one, DEFER(1), SILENT_ACK, OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(0))
SCRIPT(defer_and_never_a_word, DEFER(1), SILENT_ACK, OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1),
       OUT_AT(SEC(2), .f = SYN | ACK, .ack = 1), OUT_AT(SEC(4), .f = SYN | ACK, .ack = 1),
       OUT_AT(SEC(8), .f = SYN | ACK, .ack = 1), OUT_AT(SEC(16), .f = SYN | ACK, .ack = 1),
       QUIET(SEC(32)), PCBS(1))
/* Longer than SYN,ACKs are sent otherwise. */
SCRIPT(defer_long, DEFER(7), SILENT_ACK, OUT_AT(SEC(127), .f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(0))
SCRIPT(defer_without_an_ack_is_as_ever, DEFER(3), OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1),
       OUT_AT(SEC(2), .f = SYN | ACK, .ack = 1), OUT_AT(SEC(4), .f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(0))
SCRIPT(defer_is_reset, DEFER(3), SILENT_ACK, IN(.f = RST, .seq = 1), PCBS(1))
/* On the side that connects it delays the ACK, for the text that will carry it. */
static void defer_here(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->defer_accept = 1;
}
SCRIPT(defer_of_the_client, CONNECT(0), OUT(.f = SYN), DO(defer_here),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460), QUIET(MS(50)), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10))
SCRIPT(defer_of_a_silent_client, CONNECT(0), OUT(.f = SYN), DO(defer_here),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT_AT(MS(200), .f = ACK, .seq = 1, .ack = 1))

/* TCP_SYNCNT of a listener is about its SYN,ACKs. */
static void two_syn_acks(struct script *s)
{
    if (s->listener)
        tcp_config(s->listener)->syn_retries = 1;
}
SCRIPT(syncnt_of_a_listener, LISTEN(1), DO(two_syn_acks), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1), QUIET(SEC(2)),
       PCBS(1))

static void listener_options(struct script *s)
{
    if (!s->listener)
        return;
    tcp_config(s->listener)->nodelay = true;
    tcp_config(s->listener)->ttl = 33;
    tcp_config(s->listener)->user_timeout_ms = 4711;
}
static void child_options(struct script *s)
{
    script_assert(s, s->pcb && tcp_config(s->pcb)->nodelay && tcp_config(s->pcb)->ttl == 33 &&
                         tcp_config(s->pcb)->user_timeout_ms == 4711);
}
SCRIPT(options_are_inherited, LISTEN(1), DO(listener_options), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1), ACCEPT(0),
       DO(child_options))

Suite *listen_suite(void)
{
    Suite *s = suite_create("listen");
    TCase *t = tcase_create("queues");

    tcase_add_test(t, first_come_first_accepted);
    tcase_add_test(t, full_accept_queue_drops_syns);
    tcase_add_test(t, backlog_of_nothing_takes_one);
    tcase_add_test(t, full_accept_queue_loses_the_last_ack);
    tcase_add_test(t, full_accept_queue_may_reset);
    tcase_add_test(t, backlog_can_be_changed);
    tcase_add_test(t, syn_queue_is_bounded);
    tcase_add_test(t, long_backlog_has_a_long_syn_queue);
    tcase_add_test(t, data_before_accept);
    tcase_add_test(t, fin_before_accept);
    tcase_add_test(t, rst_before_accept_is_handed_out);
    tcase_add_test(t, options_are_inherited);
    tcase_add_test(t, syncnt_of_a_listener);
    suite_add_tcase(s, t);
    t = tcase_create("defer");
    tcase_add_test(t, defer_waits_for_text);
    tcase_add_test(t, defer_takes_a_fin);
    tcase_add_test(t, defer_ends);
    tcase_add_test(t, defer_of_one);
    tcase_add_test(t, defer_and_never_a_word);
    tcase_add_test(t, defer_long);
    tcase_add_test(t, defer_without_an_ack_is_as_ever);
    tcase_add_test(t, defer_is_reset);
    tcase_add_test(t, defer_of_the_client);
    tcase_add_test(t, defer_of_a_silent_client);
    suite_add_tcase(s, t);
    t = tcase_create("end");
    tcase_add_test(t, closing_resets_what_was_not_accepted);
    tcase_add_test(t, shutdown_stops_listening);
    tcase_add_test(t, shutdown_of_writing_does_not_stop_listening);
    tcase_add_test(t, closing_leaves_what_was_accepted);
    suite_add_tcase(s, t);
    return s;
}
