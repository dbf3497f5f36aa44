/* Against who guesses, and against one's own past: RFC 5961, RFC 1337, RFC 6191. What
 * script_input.c and script_close.c have of it already is not repeated. */
#include "script.h"

/* ---- RFC 5961 3.2: RST ---- */

/* Where the peer's RCV.NXT of ours would be if it had our ACKs with their SACK blocks: as Linux. */
SCRIPT(rst_behind_what_was_sacked, LISTEN(1), IN(.f = SYN, .mss = 1460, .sackok = true),
       OUT(.f = SYN | ACK, .ack = 1), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0),
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = RST, .seq = 201), STATE(TCP_CLOSED), ERROR(ECONNRESET))
SCRIPT(rst_inside_what_was_sacked, LISTEN(1), IN(.f = SYN, .mss = 1460, .sackok = true),
       OUT(.f = SYN | ACK, .ack = 1), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0),
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 1),
       IN(.f = RST, .seq = 200), OUT(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))
SCRIPT(rst_behind_text_without_sack, PASSIVE_OPEN, IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = RST, .seq = 201),
       OUT(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED))

/* ---- 5.2: the ACK of injected text ---- */

/* However large the window is that the peer had: nothing is acknowledged that is older than all. */
SCRIPT(ack_older_than_the_connection, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 1, .ack = (uint32_t)-1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 1),
       RECV_R(10, -EAGAIN), QUIET(MS(600)), IN(.f = ACK, .seq = 1, .ack = 0, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), RECV(10))
/* ... and once more than a window has been acknowledged, no more than that is believed. */
static void send_much(struct script *s)
{
    struct step send[] = {SEND(10000), END};

    for (uint32_t at = 1; at < 100001; at += 10000) {
        struct sseg ack = {.f = ACK, .seq = 1, .ack = at + 10000};

        script_steps(s, send);
        script_forget_out(s);
        script_in(s, &ack);
        script_forget_out(s);
    }
}
SCRIPT(ack_older_than_a_window, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .win = 65535),
       DO(send_much), IN(.f = ACK, .seq = 1, .ack = 100001 - 65535 - 1, .len = 10),
       OUT(.f = ACK, .seq = 100001, .ack = 1), RECV_R(10, -EAGAIN), QUIET(MS(600)),
       IN(.f = ACK, .seq = 1, .ack = 100001 - 65535, .len = 10),
       OUT_AT(MS(40), .f = ACK, .seq = 100001, .ack = 11), RECV(10))

/* ---- 7: the ACKs that are provoked ---- */

/* Challenges and the ACKs of segments without text share one limit for a connection, of 500 ms. */
SCRIPT(provoked_acks_share_a_limit, PASSIVE_OPEN, IN(.f = RST, .seq = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 0, .ack = 1), IN(.f = SYN, .seq = 5),
       IN(.f = ACK, .seq = 1, .ack = 99), IN_AT(MS(499), .f = ACK, .seq = 0, .ack = 1),
       IN_AT(MS(1), .f = ACK, .seq = 0, .ack = 1), OUT(.f = ACK, .seq = 1, .ack = 1))
/* Text is not what loops are made of: each is answered. */
SCRIPT(old_text_is_always_answered, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11), IN(.f = ACK, .seq = 1, .ack = 1, .len = 10),
       OUT(.f = ACK, .seq = 1, .ack = 11))
/* The limit for all is drawn anew each second, between 500 and 1499, so that nobody can count what
 * others have used of it (CVE-2016-5696). */
static void budgets(struct script *s)
{
    uint32_t first = 0, differ = 0;

    if (!s->pcb)
        return;
    for (int i = 0; i < 20; i++) {
        s->net->now_us += SEC(1);
        tcp_reset_challenge(s->tcp, s->pcb);
        script_assert(s, s->tcp->challenge_left + 1 >= 500 && s->tcp->challenge_left + 1 < 1500);
        if (i == 0)
            first = s->tcp->challenge_left;
        differ += s->tcp->challenge_left != first;
    }
    script_assert(s, differ >= 15);
    s->at_us = s->net->now_us;
    script_forget_out(s);
}
SCRIPT(challenge_budget_is_random, PASSIVE_OPEN, DO(budgets))

/* A SYN that comes again is answered again, but not to a flood of it. */
SCRIPT(syn_again_is_limited, LISTEN(1), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1), IN(.f = SYN, .mss = 1460),
       IN_AT(MS(499), .f = SYN, .mss = 1460), IN_AT(MS(1), .f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1))

/* ---- TIME_WAIT ---- */

#define TIME_WAIT_ACTIVE_TS                                                                        \
    CONNECT(0), OUT(.f = SYN), DO(reuse),                                                          \
        IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .ts = true, .ts_val = 500),           \
        OUT(.f = ACK, .seq = 1, .ack = 1), CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),         \
        IN_AT(MS(10), .f = FIN | ACK, .seq = 1, .ack = 2, .ts = true, .ts_val = 501),              \
        OUT(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT)
static uint32_t old_iss;
static void reuse(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->reuse_addr = true;
    old_iss = s->iss;
}
static void bind_again(struct script *s)
{
    s->pcb = tcp_open(s->tcp, s);
    if (!s->pcb)
        return;
    tcp_config(s->pcb)->congestion = TCP_CC_NEWRENO;
    tcp_config(s->pcb)->reuse_addr = true;
    script_assert(s, tcp_bind(s->tcp, s->pcb, &s->local) == 0);
}
static void iss_is_beyond(struct script *s)
{
    script_assert(s, seq_gt(s->iss, old_iss + 2 + 65535));
}
/* RFC 1337 F1: a RST, right or wrong, does not end it. */
SCRIPT(time_wait_is_not_assassinated, TIME_WAIT_ACTIVE_TS,
       IN(.f = RST, .seq = 2, .ts = true, .ts_val = 502), IN(.f = RST, .seq = 2),
       IN(.f = RST | ACK, .seq = 2, .ack = 2, .ts = true, .ts_val = 502), STATE(TCP_TIME_WAIT),
       QUIET(SEC(59)), PCBS(1), QUIET(SEC(1)), PCBS(0))
static void reusable(struct script *s, bool expected)
{
    struct list *n = list_first(&s->tcp->time_wait);

    script_assert(s, n && tcp_timewait_reusable(
                              s->tcp, container_of(n, struct tcp_pcb, on_queue)) == expected);
}
static void not_to_be_chosen(struct script *s)
{
    reusable(s, false);
}
static void may_be_chosen(struct script *s)
{
    reusable(s, true);
}
/* RFC 6191, the active side, as Linux: at once for who asks for this very port; as a port to choose
 * a second after the last timestamp (tcp_tw_reuse); with a number beyond all that were used (RFC
 * 9293 MUST-12). */
SCRIPT(time_wait_is_reused_by_connect, TIME_WAIT_ACTIVE_TS, DO(bind_again), DO(not_to_be_chosen),
       QUIET(SEC(1)), DO(not_to_be_chosen), QUIET(1), DO(may_be_chosen), CONNECT(0), OUT(.f = SYN),
       DO(iss_is_beyond), PCBS(1), IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1))
static void fits_elsewhere(struct script *s)
{
    struct endpoint elsewhere = s->peer;

    elsewhere.port++;
    script_assert(s, !tcp_port_fits(s->tcp, &s->local, &s->peer));
    script_assert(s, tcp_port_fits(s->tcp, &s->local, &elsewhere));
}
static void does_not_fit(struct script *s)
{
    struct endpoint elsewhere = s->peer;

    elsewhere.port++;
    script_assert(s, !tcp_port_fits(s->tcp, &s->local, &elsewhere));
}
static void bind_to(struct script *s)
{
    s->pcb = tcp_open(s->tcp, s);
    if (!s->pcb)
        return;
    tcp_config(s->pcb)->congestion = TCP_CC_NEWRENO;
    script_assert(s, tcp_bind_to(s->tcp, s->pcb, &s->local, &s->peer) == 0);
    script_assert(s, tcp_bind_to(s->tcp, s->pcb, &s->local, &s->peer) == -EINVAL);
}
/* The same for a port that the caller chooses as connect() would. It goes with the connection. */
SCRIPT(time_wait_is_reused_by_bind_to, DO(bind_to), CONNECT(0), OUT(.f = SYN), DO(reuse),
       DO(fits_elsewhere), IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .ts = true),
       OUT(.f = ACK, .seq = 1, .ack = 1), CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN_AT(MS(10), .f = FIN | ACK, .seq = 1, .ack = 2, .ts = true, .ts_val = 1),
       OUT(.f = ACK, .seq = 2, .ack = 2), STATE(TCP_TIME_WAIT), DO(fits_elsewhere), QUIET(SEC(1)),
       DO(fits_elsewhere), QUIET(1), DO(bind_to), CONNECT(0), OUT(.f = SYN), DO(iss_is_beyond),
       PCBS(1), DO(fits_elsewhere), IN_AT(MS(10), .f = RST | ACK, .ack = 1), ERROR(ECONNREFUSED),
       CLOSE, DO(bind_to))
/* What a program has bound is its own. */
SCRIPT(bound_port_does_not_fit, TIME_WAIT_ACTIVE_TS, DO(bind_again), QUIET(SEC(2)),
       DO(does_not_fit))
SCRIPT(time_wait_is_reused_at_once, TIME_WAIT_ACTIVE_TS, DO(bind_again), CONNECT(0), OUT(.f = SYN),
       DO(iss_is_beyond), PCBS(1), IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1))
/* Without timestamps nothing protects the next one. */
SCRIPT(time_wait_without_timestamps_is_not_reused, CONNECT(0), OUT(.f = SYN), DO(reuse),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1),
       CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1), IN(.f = FIN | ACK, .seq = 1, .ack = 2),
       OUT(.f = ACK, .seq = 2, .ack = 2), DO(bind_again), QUIET(SEC(10)), CONNECT(-EADDRNOTAVAIL))
/* What comes in TIME_WAIT moves the clock on that a new SYN must be ahead of (RFC 6191 2). */
SCRIPT(time_wait_remembers_the_latest_timestamp, LISTEN(1),
       IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 100), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 101), ACCEPT(0), CLOSE,
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = FIN | ACK, .seq = 1, .ack = 2, .ts = true, .ts_val = 102),
       OUT(.f = ACK, .seq = 2, .ack = 2),
       IN(.f = ACK, .seq = 2, .ack = 2, .ts = true, .ts_val = 200),
       IN(.f = SYN, .seq = 0, .mss = 1460, .ts = true, .ts_val = 150),
       OUT(.f = ACK, .seq = 2, .ack = 2), QUIET(MS(600)),
       IN(.f = SYN, .seq = 0, .mss = 1460, .ts = true, .ts_val = 201),
       OUT(.f = SYN | ACK, .ack = 1))
/* A timestamp equal to the last one says nothing: then the number decides. */
SCRIPT(time_wait_equal_timestamp, LISTEN(1), IN(.f = SYN, .mss = 1460, .ts = true, .ts_val = 100),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 101),
       ACCEPT(0), CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = FIN | ACK, .seq = 1, .ack = 2, .ts = true, .ts_val = 102),
       OUT(.f = ACK, .seq = 2, .ack = 2),
       IN(.f = SYN, .seq = 2, .mss = 1460, .ts = true, .ts_val = 102),
       OUT(.f = ACK, .seq = 2, .ack = 2),
       IN(.f = SYN, .seq = 3, .mss = 1460, .ts = true, .ts_val = 102),
       OUT(.f = SYN | ACK, .ack = 4))

Suite *attack_suite(void)
{
    Suite *s = suite_create("attack");
    TCase *t = tcase_create("attack");

    tcase_add_test(t, rst_behind_what_was_sacked);
    tcase_add_test(t, rst_inside_what_was_sacked);
    tcase_add_test(t, rst_behind_text_without_sack);
    tcase_add_test(t, ack_older_than_the_connection);
    tcase_add_test(t, ack_older_than_a_window);
    tcase_add_test(t, provoked_acks_share_a_limit);
    tcase_add_test(t, old_text_is_always_answered);
    tcase_add_test(t, challenge_budget_is_random);
    tcase_add_test(t, syn_again_is_limited);
    tcase_add_test(t, time_wait_is_not_assassinated);
    tcase_add_test(t, time_wait_is_reused_by_connect);
    tcase_add_test(t, time_wait_is_reused_at_once);
    tcase_add_test(t, time_wait_is_reused_by_bind_to);
    tcase_add_test(t, bound_port_does_not_fit);
    tcase_add_test(t, time_wait_without_timestamps_is_not_reused);
    tcase_add_test(t, time_wait_remembers_the_latest_timestamp);
    tcase_add_test(t, time_wait_equal_timestamp);
    suite_add_tcase(s, t);
    return s;
}
