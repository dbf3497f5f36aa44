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
    tcase_add_test(t, backlog_can_be_changed);
    tcase_add_test(t, syn_queue_is_bounded);
    tcase_add_test(t, long_backlog_has_a_long_syn_queue);
    tcase_add_test(t, data_before_accept);
    tcase_add_test(t, fin_before_accept);
    tcase_add_test(t, rst_before_accept_is_handed_out);
    tcase_add_test(t, options_are_inherited);
    suite_add_tcase(s, t);
    t = tcase_create("end");
    tcase_add_test(t, closing_resets_what_was_not_accepted);
    tcase_add_test(t, shutdown_stops_listening);
    tcase_add_test(t, shutdown_of_writing_does_not_stop_listening);
    tcase_add_test(t, closing_leaves_what_was_accepted);
    suite_add_tcase(s, t);
    return s;
}
