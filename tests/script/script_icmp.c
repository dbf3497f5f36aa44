/* ICMP errors: RFC 9293 3.9.2.2, RFC 5927, RFC 1191. */
#include "script.h"

static void host_unreachable(struct script *s)
{
    script_icmp(s, 0, ICMP_UNREACHABLE, ICMP_UNREACH_HOST, 0);
}
static void port_unreachable(struct script *s)
{
    script_icmp(s, 0, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 0);
}
static void protocol_unreachable(struct script *s)
{
    script_icmp(s, 0, ICMP_UNREACHABLE, ICMP_UNREACH_PROTOCOL, 0);
}
static void port_unreachable_of_another(struct script *s)
{
    script_icmp(s, 1, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 0);
    script_icmp(s, (uint32_t)-1, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 0);
}
SCRIPT(hard_error_ends_a_connection_being_opened, CONNECT(0), OUT(.f = SYN), DO(port_unreachable),
       STATE(TCP_CLOSED), EVENTS(POLLERR | POLLHUP, 0xffff), ERROR(ECONNREFUSED))
SCRIPT(hard_error_names_its_reason, CONNECT(0), OUT(.f = SYN), DO(protocol_unreachable),
       ERROR(ENOPROTOOPT))
/* RFC 5461 4.1 */
SCRIPT(soft_error_ends_a_connection_being_opened, CONNECT(0), OUT(.f = SYN), DO(host_unreachable),
       STATE(TCP_CLOSED), ERROR(EHOSTUNREACH))
/* RFC 5927 4.1 */
SCRIPT(error_about_another_number_is_ignored, CONNECT(0), OUT(.f = SYN),
       DO(port_unreachable_of_another), STATE(TCP_SYN_SENT))
static void port_unreachable_for_data(struct script *s)
{
    script_icmp(s, 1, ICMP_UNREACHABLE, ICMP_UNREACH_PORT, 0);
}
static void user_timeout_1_s(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->user_timeout_ms = 1000;
}
/* RFC 1122 4.2.3.9 */
SCRIPT(established_connection_survives_a_hard_error, PASSIVE_OPEN, DO(user_timeout_1_s), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), DO(port_unreachable_for_data),
       STATE(TCP_ESTABLISHED), ERROR(0),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT_AT(MS(420), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), QUIET(MS(370)),
       STATE(TCP_CLOSED), ERROR(ECONNREFUSED))
/* With IP_RECVERR the user hears of it at once, and the connection goes on. */
static void tell_errors(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->recverr = true;
}
SCRIPT(established_connection_tells_of_errors, PASSIVE_OPEN, DO(tell_errors), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), EVENTS(0, 0xffff),
       DO(port_unreachable_for_data), EVENTS(POLLERR, 0), STATE(TCP_ESTABLISHED),
       ERROR(ECONNREFUSED), OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       IN(.f = ACK, .seq = 1, .ack = 101), ERROR(0))
SCRIPT(error_is_forgotten_when_it_works, PASSIVE_OPEN, DO(user_timeout_1_s), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), DO(port_unreachable_for_data),
       IN(.f = ACK, .seq = 1, .ack = 101), SEND(1),
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 1),
       OUT_AT(208750, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 1),
       OUT_AT(2 * 208750, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 1),
       QUIET(1000000 - 3 * 208750), ERROR(ETIMEDOUT))
SCRIPT(error_about_what_was_acknowledged_is_ignored, PASSIVE_OPEN, DO(user_timeout_1_s), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), IN(.f = ACK, .seq = 1, .ack = 101),
       DO(port_unreachable_for_data), SEND(1),
       OUT_AT(0, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 1),
       OUT_AT(208750, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 1),
       OUT_AT(2 * 208750, .f = ACK | PSH, .seq = 101, .ack = 1, .len = 1),
       QUIET(1000000 - 3 * 208750), ERROR(ETIMEDOUT))
SCRIPT(child_dies_of_a_hard_error, LISTEN(1), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), DO(port_unreachable), PCBS(1))

/* ---- path MTU ---- */

static void too_big_1000(struct script *s)
{
    script_icmp(s, 1, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, 1000);
}
static void too_big_old(struct script *s)
{
    script_icmp(s, 100000, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, 1000);
}
/* RFC 1191 6.5 */
SCRIPT(path_mtu_makes_smaller_segments_at_once, PASSIVE_OPEN, SEND(2920),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460), DO(too_big_1000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 960),
       OUT(.f = ACK, .seq = 961, .ack = 1, .len = 960),
       OUT(.f = ACK, .seq = 1921, .ack = 1, .len = 960),
       OUT(.f = ACK | PSH, .seq = 2881, .ack = 1, .len = 40),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 2921), SEND(1000),
       OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 960),
       OUT(.f = ACK | PSH, .seq = 3881, .ack = 1, .len = 40))
SCRIPT(path_mtu_is_remembered_for_others, PASSIVE_OPEN, SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), DO(too_big_1000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 960),
       OUT(.f = ACK | PSH, .seq = 961, .ack = 1, .len = 500), ABORT,
       OUT(.f = RST | ACK, .seq = 1461, .ack = 1), IN(.f = SYN, .seq = 5000, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 5001, .mss = 1460))
/* RFC 5927 7.2: nothing of ours is quoted, or it would have passed. */
SCRIPT(path_mtu_of_a_stranger_is_not_believed, PASSIVE_OPEN, DO(too_big_old), SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), DO(too_big_old),
       IN(.f = ACK, .seq = 1, .ack = 1461), DO(too_big_1000), SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460))
static void path_shrinks(struct script *s)
{
    path_set_mtu(s->net, &s->peer.addr, 1000, 1500);
}
SCRIPT(path_mtu_changes_in_idle_connections_too, PASSIVE_OPEN, DO(path_shrinks), SEND(1460),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 960),
       OUT(.f = ACK | PSH, .seq = 961, .ack = 1, .len = 500))
/* RFC 1191 6.3 */
SCRIPT(path_mtu_is_tried_again_after_10_minutes, PASSIVE_OPEN, DO(path_shrinks), SEND(1460),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 960),
       OUT(.f = ACK | PSH, .seq = 961, .ack = 1, .len = 500), IN(.f = ACK, .seq = 1, .ack = 1461),
       QUIET(SEC(601)), SEND(1460), OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460))
static void too_big_1(struct script *s)
{
    script_icmp(s, 1, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, 1);
}
/* Tiny segments would be an attack (RFC 5927 7): not below 552, and routers may cut these. */
static void last_may_be_cut(struct script *s)
{
    script_assert(s, !s->out[(s->out_head + CAPTURED_MAX - 1) % CAPTURED_MAX].df);
}
SCRIPT(path_mtu_has_a_floor, PASSIVE_OPEN, SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), DO(too_big_1),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 512),
       OUT(.f = ACK, .seq = 513, .ack = 1, .len = 512),
       OUT(.f = ACK | PSH, .seq = 1025, .ack = 1, .len = 436), DO(last_may_be_cut))
/* A message of an old router names no size: the next one that links are known to have (RFC
 * 1191 7.1).
 */
static void too_big_0(struct script *s)
{
    script_icmp(s, 1, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, 0);
}
SCRIPT(path_mtu_of_an_old_router, PASSIVE_OPEN, SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), DO(too_big_0),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1452),
       OUT(.f = ACK | PSH, .seq = 1453, .ack = 1, .len = 8))
/* It is no sign of congestion: as many segments as before are let out. */
static void too_big_for_10_segments(struct script *s)
{
    too_big_1000(s);
    script_forget_out(s);
    script_assert(s, script_pcb(s)->cwnd == 10u * 960);
    script_assert(s, script_pcb(s)->ssthresh == UINT32_MAX);
}
SCRIPT(path_mtu_costs_no_window, PASSIVE_OPEN, SEND(14600),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 5841, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 7301, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 8761, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 10221, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 11681, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 13141, .ack = 1, .len = 1460), DO(too_big_for_10_segments),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 14601), DO(script_forget_out),
       STATE(TCP_ESTABLISHED))
static void without_discovery(struct script *s)
{
    if (script_pcb(s))
        tcp_config(script_pcb(s))->mtu_discover = PMTUDISC_DONT;
}
SCRIPT(without_discovery_routers_may_cut, PASSIVE_OPEN, DO(without_discovery), SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), DO(last_may_be_cut), DO(too_big_1000),
       SEND(1460), OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460))
#define GSO_SETUP                                                                                  \
    {                                                                                              \
        .mtu = 1500, .gso_max_bytes = 65535                                                        \
    }
SCRIPT_SETUP(path_mtu_and_super_frames, GSO_SETUP, PASSIVE_OPEN, SEND(2920),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 2920, .gso = 1460), DO(too_big_1000),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 2920, .gso = 960))

static void mtu_down(struct script *s)
{
    netif_set_mtu(s->net, s->nif, 1000);
}
SCRIPT(interface_mtu_sinks, PASSIVE_OPEN, SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), DO(mtu_down),
       OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 960),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 961),
       OUT(.f = ACK | PSH, .seq = 961, .ack = 1, .len = 500))

Suite *icmp_suite(void)
{
    Suite *s = suite_create("icmp");
    TCase *t = tcase_create("errors");

    tcase_add_test(t, hard_error_ends_a_connection_being_opened);
    tcase_add_test(t, hard_error_names_its_reason);
    tcase_add_test(t, soft_error_ends_a_connection_being_opened);
    tcase_add_test(t, error_about_another_number_is_ignored);
    tcase_add_test(t, error_is_forgotten_when_it_works);
    tcase_add_test(t, established_connection_survives_a_hard_error);
    tcase_add_test(t, established_connection_tells_of_errors);
    tcase_add_test(t, error_about_what_was_acknowledged_is_ignored);
    tcase_add_test(t, child_dies_of_a_hard_error);
    suite_add_tcase(s, t);
    t = tcase_create("path mtu");
    tcase_add_test(t, path_mtu_makes_smaller_segments_at_once);
    tcase_add_test(t, path_mtu_is_remembered_for_others);
    tcase_add_test(t, path_mtu_of_a_stranger_is_not_believed);
    tcase_add_test(t, path_mtu_has_a_floor);
    tcase_add_test(t, path_mtu_of_an_old_router);
    tcase_add_test(t, path_mtu_costs_no_window);
    tcase_add_test(t, without_discovery_routers_may_cut);
    tcase_add_test(t, path_mtu_changes_in_idle_connections_too);
    tcase_add_test(t, path_mtu_is_tried_again_after_10_minutes);
    tcase_add_test(t, path_mtu_and_super_frames);
    tcase_add_test(t, interface_mtu_sinks);
    suite_add_tcase(s, t);
    return s;
}
