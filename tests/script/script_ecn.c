/* Explicit congestion notification (RFC 3168 6.1). */
#include "script.h"

#include <linux/tcp.h>

/* The ECN field of the IP header: as it comes in; and as it is expected to go out. */
enum { ECT1 = 1, ECT0 = 2, CE = 3, OUT_PLAIN = 1, OUT_ECT0 = 3 };

static void ask(struct script *s)
{
    s->tcp->ecn = TCP_ECN_ON;
}
static void off(struct script *s)
{
    s->tcp->ecn = TCP_ECN_OFF;
}
#define ECN_PASSIVE                                                                                \
    LISTEN(8), IN(.f = SYN | ECE | CWR, .mss = 1460),                                              \
        OUT(.f = SYN | ACK | ECE, .ack = 1, .ect = OUT_PLAIN),                                     \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0)
#define ECN_ACTIVE                                                                                 \
    DO(ask), CONNECT(0), OUT(.f = SYN | ECE | CWR, .ect = OUT_PLAIN),                              \
        IN_AT(MS(10), .f = SYN | ACK | ECE, .ack = 1, .mss = 1460),                                \
        OUT(.f = ACK, .seq = 1, .ack = 1, .ect = OUT_PLAIN)

/* ---- 6.1.1: agreeing on it ---- */

static void agreed(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->ecn & TCP_ECN_OK);
}
static void not_agreed(struct script *s)
{
    script_assert(s, s->pcb && !(s->pcb->ecn & TCP_ECN_OK));
}
SCRIPT(ecn_is_not_asked_for_by_default, CONNECT(0), OUT(.f = SYN),
       IN(.f = SYN | ACK | ECE, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1),
       DO(not_agreed), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .ect = OUT_PLAIN))
SCRIPT(ecn_granted_by_default, ECN_PASSIVE, DO(agreed), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .ect = OUT_ECT0))
SCRIPT(ecn_off, LISTEN(8), DO(off), IN(.f = SYN | ECE | CWR, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0),
       DO(not_agreed))
SCRIPT(ecn_asked_and_granted, ECN_ACTIVE, DO(agreed), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .ect = OUT_ECT0))
SCRIPT(ecn_asked_and_refused, DO(ask), CONNECT(0), OUT(.f = SYN | ECE | CWR),
       IN(.f = SYN | ACK, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1), DO(not_agreed))
/* A host that only reflects the reserved bits does not know ECN. */
SCRIPT(ecn_reflected, DO(ask), CONNECT(0), OUT(.f = SYN | ECE | CWR),
       IN(.f = SYN | ACK | ECE | CWR, .ack = 1, .mss = 1460), OUT(.f = ACK, .seq = 1, .ack = 1),
       DO(not_agreed))
SCRIPT(ecn_half_asked, LISTEN(8), IN(.f = SYN | ECE, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0), DO(not_agreed))
SCRIPT(ecn_syn_with_ect, LISTEN(8), IN(.f = SYN | ECE | CWR, .mss = 1460, .ect = ECT0),
       OUT(.f = SYN | ACK, .ack = 1))
/* 6.1.1.1 */
SCRIPT(ecn_syn_lost, DO(ask), CONNECT(0), OUT(.f = SYN | ECE | CWR), OUT_AT(SEC(1), .f = SYN),
       OUT_AT(SEC(1), .f = SYN), IN(.f = SYN | ACK, .ack = 1, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 1), DO(not_agreed))
SCRIPT(ecn_syn_ack_again, LISTEN(8), IN(.f = SYN | ECE | CWR, .mss = 1460),
       OUT(.f = SYN | ACK | ECE, .ack = 1), OUT_AT(SEC(1), .f = SYN | ACK | ECE, .ack = 1))
SCRIPT(ecn_simultaneous, DO(ask), CONNECT(0), OUT(.f = SYN | ECE | CWR),
       IN_AT(MS(5), .f = SYN | ECE | CWR, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(5), .f = SYN | ACK, .ack = 1, .mss = 1460), STATE(TCP_ESTABLISHED), DO(not_agreed))

/* ---- 6.1.2, 6.1.4 to 6.1.6: the sender ---- */

SCRIPT(ecn_only_new_text_is_marked, ECN_PASSIVE, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100, .ect = OUT_ECT0),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100, .ect = OUT_PLAIN),
       IN_AT(MS(10), .f = ACK | PSH, .seq = 1, .ack = 101, .len = 10),
       OUT(.f = ACK, .seq = 101, .ack = 11, .ect = OUT_PLAIN))
SCRIPT(ecn_a_fin_alone_is_not_marked, ECN_PASSIVE, SHUTDOWN(SHUT_WR),
       OUT(.f = FIN | ACK, .seq = 1, .ack = 1, .ect = OUT_PLAIN))
SCRIPT(ecn_a_window_probe_is_not_marked, ECN_PASSIVE, IN(.f = ACK, .seq = 1, .ack = 1, .win = -1),
       SEND(10), OUT_AT(MS(210), .f = ACK, .seq = 0, .ack = 1, .ect = OUT_PLAIN))

static uint32_t cwnd_before;
static void note_cwnd(struct script *s)
{
    if (s->pcb)
        cwnd_before = s->pcb->cwnd;
}
static void halved(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->ssthresh <= cwnd_before / 2 + 1460 &&
                         s->pcb->ssthresh >= 2 * 1460);
}
static void not_halved(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd >= cwnd_before);
}
static uint32_t reduced_to;
static void note_reduced(struct script *s)
{
    if (s->pcb)
        reduced_to = s->pcb->ssthresh;
}
static void not_reduced_again(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->ssthresh == reduced_to && s->tcp->stats.ecn_echoes == 3);
}
#define FULL(at) OUT(.f = ACK, .seq = (at), .ack = 1, .len = 1460, .ect = OUT_ECT0)
/* ECE halves the window once for all that is in flight, and CWR goes with the next new segment. */
SCRIPT(ecn_echo_reduces_once, ECN_PASSIVE, SEND(7300), FULL(1), FULL(1461), FULL(2921), FULL(4381),
       OUT(.f = ACK | PSH, .seq = 5841, .ack = 1, .len = 1460, .ect = OUT_ECT0), DO(note_cwnd),
       QUIET(MS(10)), IN(.f = ACK | ECE, .seq = 1, .ack = 2921), DO(halved), DO(note_reduced),
       IN(.f = ACK | ECE, .seq = 1, .ack = 4381), IN(.f = ACK | ECE, .seq = 1, .ack = 7301),
       DO(not_reduced_again), SEND(100),
       OUT(.f = ACK | PSH | CWR, .seq = 7301, .ack = 1, .len = 100, .ect = OUT_ECT0),
       IN(.f = ACK, .seq = 1, .ack = 7401), SEND(100),
       OUT(.f = ACK | PSH, .seq = 7401, .ack = 1, .len = 100, .ect = OUT_ECT0))
/* A loss in the window for which ECE has come does not halve it again. */
SCRIPT(ecn_echo_and_loss_reduce_once, LISTEN(8),
       IN(.f = SYN | ECE | CWR, .mss = 1460, .sackok = true), OUT(.f = SYN | ACK | ECE, .ack = 1),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0), SEND(7300), FULL(1), FULL(1461),
       FULL(2921), FULL(4381),
       OUT(.f = ACK | PSH, .seq = 5841, .ack = 1, .len = 1460, .ect = OUT_ECT0), DO(note_cwnd),
       QUIET(MS(10)), IN(.f = ACK | ECE, .seq = 1, .ack = 1461), DO(halved), DO(note_reduced),
       IN(.f = ACK | ECE, .seq = 1, .ack = 1461, .sack = {{2921, 7301}}, .nsack = 2),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460, .ect = OUT_PLAIN),
       IN_AT(MS(10), .f = ACK | ECE, .seq = 1, .ack = 7301), DO(not_reduced_again))
/* A timeout is a reduction too. The retransmission itself carries neither ECT nor CWR. */
SCRIPT(ecn_cwr_after_a_timeout, ECN_PASSIVE, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100, .ect = OUT_ECT0),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100, .ect = OUT_PLAIN),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 101), SEND(100),
       OUT(.f = ACK | PSH | CWR, .seq = 101, .ack = 1, .len = 100, .ect = OUT_ECT0))
SCRIPT(ecn_echo_without_agreement, PASSIVE_OPEN, SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), DO(note_cwnd),
       IN_AT(MS(10), .f = ACK | ECE, .seq = 1, .ack = 101), DO(not_halved), SEND(10),
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 10))
SCRIPT_SETUP(ecn_cwr_is_in_one_segment, {.gso_max_bytes = 65536}, ECN_PASSIVE, SEND(2920),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 2920, .gso = 1460, .ect = OUT_ECT0),
             QUIET(MS(10)), IN(.f = ACK | ECE, .seq = 1, .ack = 1461),
             IN(.f = ACK, .seq = 1, .ack = 2921), SEND(4380),
             OUT(.f = ACK | CWR, .seq = 2921, .ack = 1, .len = 1460, .ect = OUT_ECT0),
             OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 1460, .ect = OUT_ECT0))

/* ---- 6.1.3: the receiver ---- */

SCRIPT(ecn_echo_until_cwr, ECN_PASSIVE,
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .ect = ECT0),
       OUT(.f = ACK, .seq = 1, .ack = 11),
       IN(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 10, .ect = CE),
       OUT(.f = ACK | ECE, .seq = 1, .ack = 21, .ect = OUT_PLAIN),
       IN(.f = ACK | PSH, .seq = 21, .ack = 1, .len = 10, .ect = ECT0),
       OUT(.f = ACK | ECE, .seq = 1, .ack = 31), SEND(5),
       OUT(.f = ACK | PSH | ECE, .seq = 1, .ack = 31, .len = 5, .ect = OUT_ECT0),
       IN(.f = ACK | PSH | CWR, .seq = 31, .ack = 6, .len = 10, .ect = ECT0),
       OUT(.f = ACK, .seq = 6, .ack = 41))
/* CE on the very segment that says CWR is news again. */
SCRIPT(ecn_ce_with_cwr, ECN_PASSIVE, IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ect = CE),
       OUT(.f = ACK | ECE, .seq = 1, .ack = 11),
       IN(.f = ACK | CWR, .seq = 11, .ack = 1, .len = 10, .ect = CE),
       OUT(.f = ACK | ECE, .seq = 1, .ack = 21))
SCRIPT(ecn_ce_out_of_order, ECN_PASSIVE, IN(.f = ACK, .seq = 11, .ack = 1, .len = 10, .ect = CE),
       OUT(.f = ACK | ECE, .seq = 1, .ack = 1))
SCRIPT(ecn_ce_on_a_pure_ack_is_nothing, ECN_PASSIVE, IN(.f = ACK, .seq = 1, .ack = 1, .ect = CE),
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .ect = ECT0),
       OUT(.f = ACK, .seq = 1, .ack = 11))
SCRIPT(ecn_ce_without_agreement, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ect = CE), OUT(.f = ACK, .seq = 1, .ack = 11))
static void seen(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->ecn & TCP_ECN_SEEN);
}
SCRIPT(ecn_seen, ECN_PASSIVE, DO(agreed), IN(.f = ACK, .seq = 1, .ack = 1, .len = 10, .ect = ECT1),
       OUT(.f = ACK, .seq = 1, .ack = 11), DO(seen))

/* TCP_INFO: what the network marked, of what was sent and of what came. */
static void marks_are_counted(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    script_assert(s, i.tcpi_delivered == 4 && i.tcpi_delivered_ce == 2);
    script_assert(s, s->pcb->counts.received_ce == 2 && i.tcpi_options & TCPI_OPT_ECN);
}
SCRIPT(ecn_tcp_info, ECN_PASSIVE, SEND(4380), FULL(1), FULL(1461),
       OUT(.f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460, .ect = OUT_ECT0),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1461), IN(.f = ACK | ECE, .seq = 1, .ack = 4381),
       IN(.f = ACK | PSH, .seq = 1, .ack = 4381, .len = 10, .ect = CE),
       OUT(.f = ACK | ECE, .seq = 4381, .ack = 11), IN(.f = ACK, .seq = 11, .ack = 4381, .ect = CE),
       IN(.f = ACK | PSH, .seq = 11, .ack = 4381, .len = 10, .ect = ECT0),
       OUT(.f = ACK | ECE, .seq = 4381, .ack = 21), DO(marks_are_counted))

Suite *ecn_suite(void)
{
    Suite *s = suite_create("ecn");
    TCase *t = tcase_create("ecn");

    tcase_add_test(t, ecn_is_not_asked_for_by_default);
    tcase_add_test(t, ecn_granted_by_default);
    tcase_add_test(t, ecn_off);
    tcase_add_test(t, ecn_asked_and_granted);
    tcase_add_test(t, ecn_asked_and_refused);
    tcase_add_test(t, ecn_reflected);
    tcase_add_test(t, ecn_half_asked);
    tcase_add_test(t, ecn_syn_with_ect);
    tcase_add_test(t, ecn_syn_lost);
    tcase_add_test(t, ecn_syn_ack_again);
    tcase_add_test(t, ecn_simultaneous);
    tcase_add_test(t, ecn_only_new_text_is_marked);
    tcase_add_test(t, ecn_a_fin_alone_is_not_marked);
    tcase_add_test(t, ecn_a_window_probe_is_not_marked);
    tcase_add_test(t, ecn_echo_reduces_once);
    tcase_add_test(t, ecn_echo_and_loss_reduce_once);
    tcase_add_test(t, ecn_cwr_after_a_timeout);
    tcase_add_test(t, ecn_echo_without_agreement);
    tcase_add_test(t, ecn_cwr_is_in_one_segment);
    tcase_add_test(t, ecn_echo_until_cwr);
    tcase_add_test(t, ecn_ce_with_cwr);
    tcase_add_test(t, ecn_ce_out_of_order);
    tcase_add_test(t, ecn_ce_on_a_pure_ack_is_nothing);
    tcase_add_test(t, ecn_ce_without_agreement);
    tcase_add_test(t, ecn_seen);
    tcase_add_test(t, ecn_tcp_info);
    suite_add_tcase(s, t);
    return s;
}
