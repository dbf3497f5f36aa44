/* What the calls answer: errors, addresses, ports, TCP_INFO. Linux is the measure. */
#include "script.h"

#include <linux/tcp.h>

static struct endpoint at(uint32_t addr, uint16_t port)
{
    return (struct endpoint){.addr = addr_v4(addr), .port = port};
}
#define ANY   0u
#define OURS  0xc0000201u /* 192.0.2.1 */
#define PEER  0xc0000202u
#define OTHER 0xc0000205u
#define BCAST 0xc00002ffu

static struct tcp_pcb *open_one(struct script *s)
{
    struct tcp_pcb *pcb = tcp_open(s->tcp, s);

    if (pcb)
        return pcb;
    script_assert(s, pcb != NULL);
    arena_fail_at(s->arena, 0); /* the failure has been had */
    return tcp_open(s->tcp, s);
}
static int bind_to(struct script *s, struct tcp_pcb *pcb, uint32_t addr, uint16_t port)
{
    struct endpoint e = at(addr, port);

    return tcp_bind(s->tcp, pcb, &e);
}
static int connect_to(struct script *s, struct tcp_pcb *pcb, uint32_t addr, uint16_t port)
{
    struct endpoint e = at(addr, port);

    return tcp_connect(s->tcp, pcb, &e);
}
#define IS(expr, value) script_assert(s, (expr) == (value))

static void fresh(struct script *s)
{
    struct tcp_pcb *pcb = open_one(s);
    uint8_t b;
    struct iovec iov = {&b, 1};

    IS(tcp_state(pcb), TCP_CLOSED);
    IS(tcp_poll(pcb), POLLHUP | POLLOUT | POLLWRNORM);
    IS(tcp_send(s->tcp, pcb, &iov, 1, 0, 1, 0), -EPIPE);
    IS(tcp_recv(s->tcp, pcb, &iov, 1, 0, 1, 0, 0), -ENOTCONN);
    IS(tcp_shutdown(s->tcp, pcb, SHUT_WR), -ENOTCONN);
    IS(tcp_local(pcb)->port, 0);
    IS(tcp_remote(pcb)->port, 0);
    IS(tcp_mss(pcb), 536u);
    IS(tcp_owner(pcb), (void *)s);
    IS(tcp_busy(s->tcp), false);
    tcp_close(s->tcp, pcb);
}
SCRIPT(fresh_socket, DO(fresh), PCBS(0))

static void binding(struct script *s)
{
    struct tcp_pcb *a = open_one(s), *b = open_one(s);

    IS(bind_to(s, a, OTHER, 1000), -EADDRNOTAVAIL);
    IS(bind_to(s, a, OURS, 1000), 0);
    IS(bind_to(s, a, OURS, 1001), -EINVAL);
    IS(bind_to(s, b, OURS, 1000), -EADDRINUSE);
    IS(bind_to(s, b, ANY, 1000), -EADDRINUSE);
    IS(bind_to(s, b, ANY, 1001), 0);
    tcp_close(s->tcp, a);
    tcp_close(s->tcp, b);
}
SCRIPT(bind_rules, DO(binding), PCBS(0))

static void binding_with_reuse(struct script *s)
{
    struct tcp_pcb *a = open_one(s), *b = open_one(s), *c = open_one(s);

    tcp_config(a)->reuse_addr = tcp_config(b)->reuse_addr = tcp_config(c)->reuse_addr = true;
    IS(bind_to(s, a, OURS, 1000), 0);
    IS(bind_to(s, b, ANY, 1000), 0);
    IS(tcp_listen(s->tcp, a, 1), 0);
    IS(tcp_listen(s->tcp, b, 1), -EADDRINUSE); /* not beside a listener */
    IS(bind_to(s, c, OURS, 1000), -EADDRINUSE);
    tcp_close(s->tcp, a);
    IS(tcp_listen(s->tcp, b, 1), 0);
    tcp_close(s->tcp, b);
    tcp_close(s->tcp, c);
}
SCRIPT(bind_rules_of_reuse_addr, DO(binding_with_reuse), PCBS(0))

static void binding_with_reuse_port(struct script *s)
{
    struct tcp_pcb *a = open_one(s), *b = open_one(s), *c = open_one(s);
    struct endpoint here = at(OURS, 1000);
    unsigned to_a = 0;

    tcp_config(a)->reuse_port = tcp_config(b)->reuse_port = true;
    IS(bind_to(s, a, ANY, 1000), 0);
    IS(tcp_listen(s->tcp, a, 1), 0);
    IS(bind_to(s, b, ANY, 1000), 0);
    IS(tcp_listen(s->tcp, b, 1), 0);
    IS(bind_to(s, c, ANY, 1000), -EADDRINUSE);
    for (uint16_t i = 0; i < 1000; i++) {
        struct endpoint from = at(PEER, (uint16_t)(2000 + i));
        struct tcp_pcb *l = tcp_port_listener(s->tcp, s->nif, &here, &from);
        script_assert(s, l == a || l == b);
        script_assert(s, l == tcp_port_listener(s->tcp, s->nif, &here, &from));
        to_a += l == a;
    }
    script_assert(s, to_a > 400 && to_a < 600); /* half of them each */
    tcp_close(s->tcp, a);
    tcp_close(s->tcp, b);
    tcp_close(s->tcp, c);
}
SCRIPT(reuse_port_shares_connections, DO(binding_with_reuse_port), PCBS(0))

static void best_listener(struct script *s)
{
    struct tcp_pcb *any = open_one(s), *exact = open_one(s), *device = open_one(s);
    struct endpoint here = at(OURS, 1000), elsewhere = at(OTHER, 1000), from = at(PEER, 5);
    struct endpoint other_port = at(OURS, 1001);

    tcp_config(any)->reuse_port = tcp_config(exact)->reuse_port = tcp_config(device)->reuse_port =
        true;
    IS(bind_to(s, any, ANY, 1000), 0);
    IS(tcp_listen(s->tcp, any, 1), 0);
    IS(tcp_port_listener(s->tcp, s->nif, &here, &from), any);
    tcp_config(device)->nif = s->nif;
    IS(bind_to(s, device, ANY, 1000), 0);
    IS(tcp_listen(s->tcp, device, 1), 0);
    IS(tcp_port_listener(s->tcp, s->nif, &here, &from), device);
    IS(bind_to(s, exact, OURS, 1000), 0);
    IS(tcp_listen(s->tcp, exact, 1), 0);
    IS(tcp_port_listener(s->tcp, s->nif, &here, &from), exact);
    IS(tcp_port_listener(s->tcp, s->nif, &elsewhere, &from), device);
    IS(tcp_port_listener(s->tcp, NULL, &elsewhere, &from), any);
    IS(tcp_port_listener(s->tcp, s->nif, &other_port, &from), (struct tcp_pcb *)NULL);
    tcp_close(s->tcp, any);
    tcp_close(s->tcp, exact);
    tcp_close(s->tcp, device);
}
SCRIPT(most_specific_listener_is_chosen, DO(best_listener), PCBS(0))

static void ports(struct script *s)
{
    struct tcp_pcb *a = open_one(s), *b = open_one(s);

    IS(bind_to(s, a, ANY, 0), 0);
    script_assert(s, tcp_local(a)->port >= NET_PORT_LOW && tcp_local(a)->port <= NET_PORT_HIGH);
    IS(tcp_listen(s->tcp, b, 1), 0); /* binds itself */
    script_assert(s,
                  tcp_local(b)->port >= NET_PORT_LOW && tcp_local(b)->port != tcp_local(a)->port);
    tcp_close(s->tcp, a);
    tcp_close(s->tcp, b);
}
SCRIPT(ports_are_chosen, DO(ports), PCBS(0))

static void connecting(struct script *s)
{
    struct tcp_pcb *a = open_one(s), *b = open_one(s), *l = open_one(s);

    IS(connect_to(s, a, BCAST, 80), -ENETUNREACH);
    IS(connect_to(s, a, 0xe0000001, 80), -ENETUNREACH);
    IS(connect_to(s, a, 0xcb007101, 80), -ENETUNREACH); /* no route */
    IS(tcp_local(a)->port, 0);
    IS(connect_to(s, a, PEER, 80), 0);
    script_assert(s, tcp_local(a)->port >= NET_PORT_LOW);
    script_assert(s, s->lenient || addr_get_v4(&tcp_local(a)->addr) == OURS);
    IS(tcp_busy(s->tcp), true);
    tcp_config(b)->reuse_addr = tcp_config(a)->reuse_addr = true;
    IS(bind_to(s, b, OURS, tcp_local(a)->port), 0);
    IS(connect_to(s, b, PEER, 80), -EADDRNOTAVAIL); /* this four-tuple is taken */
    IS(connect_to(s, b, PEER, 81), 0);
    IS(tcp_listen(s->tcp, b, 1), -EINVAL);
    IS(bind_to(s, l, ANY, 99), 0);
    IS(tcp_listen(s->tcp, l, 1), 0);
    IS(connect_to(s, l, PEER, 80), -EISCONN);
    IS(tcp_recv(s->tcp, l, NULL, 0, 0, 0, 0, 0), -ENOTCONN);
    IS(tcp_send(s->tcp, l, NULL, 0, 0, 1, 0), -EPIPE);
    tcp_close(s->tcp, a);
    tcp_close(s->tcp, b);
    tcp_close(s->tcp, l);
    script_forget_out(s);
}
/* MUST-46 */
SCRIPT(connect_rules, DO(connecting), PCBS(0))

static void many_connects(struct script *s)
{
    static struct tcp_pcb *pcbs[600];
    struct endpoint to = at(PEER, 80);

    for (size_t i = 0; i < 600; i++) {
        pcbs[i] = open_one(s);
        script_assert(s, tcp_connect(s->tcp, pcbs[i], &to) == 0);
        for (size_t k = 0; k < i; k++)
            script_assert(s, tcp_local(pcbs[i])->port != tcp_local(pcbs[k])->port);
        script_forget_out(s);
    }
    for (size_t i = 0; i < 600; i++)
        tcp_close(s->tcp, pcbs[i]);
}
SCRIPT(ephemeral_ports_differ, DO(many_connects), PCBS(0))

static void device(struct script *s)
{
    struct netif desc = {.index = 2, .name = "other", .type = NETIF_IP, .mtu = 1500, .up = true};
    struct netif *other = netif_add(s->net, &desc);

    if (s->listener && other)
        tcp_config(s->listener)->nif = other;
}
SCRIPT(listener_of_another_device, LISTEN(1), DO(device), IN(.f = SYN, .mss = 1460),
       OUT(.f = RST | ACK, .ack = 1))

static void info(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    IS(i.tcpi_state, 1);
    IS(i.tcpi_ca_state, TCP_CA_Open);
    IS(i.tcpi_rtt, 10000u);
    IS(i.tcpi_rttvar, 5000u);
    IS(i.tcpi_rto, 210000u);
    IS(i.tcpi_snd_mss, 1460u);
    IS(i.tcpi_advmss, 1460u);
    IS(i.tcpi_pmtu, 1500u);
    IS(i.tcpi_snd_cwnd, 10u);
    IS(i.tcpi_unacked, 3u);
    IS(i.tcpi_notsent_bytes, 0u);
    IS(i.tcpi_bytes_sent, 4000u);
    IS(i.tcpi_bytes_acked, 0u);
    IS(i.tcpi_options, 0);
    IS(i.tcpi_segs_in, 1u);  /* the SYN is the listener's */
    IS(i.tcpi_segs_out, 3u); /* and so is the SYN,ACK */
    IS(i.tcpi_data_segs_in, 0u);
    IS(i.tcpi_data_segs_out, 3u);
    IS(i.tcpi_bytes_retrans, 0u);
    IS(i.tcpi_reordering, 3u);
    IS(i.tcpi_max_pacing_rate, UINT64_MAX);
    IS(i.tcpi_busy_time, 0u);
    memset(&i, 0xee, sizeof(i));
    tcp_info_fill(s->tcp, s->pcb, &i, 2);
    IS(i.tcpi_retransmits, 0xee); /* no more than asked for */
}
SCRIPT(tcp_info_of_a_connection, PASSIVE_OPEN, SEND(4000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1080), DO(info))

static void times_info(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    IS(i.tcpi_last_data_recv, 50u);
    IS(i.tcpi_last_ack_recv, 50u);
    IS(i.tcpi_last_data_sent, 20u);
    IS(i.tcpi_min_rtt, 10000u);
}
SCRIPT(tcp_info_of_times, PASSIVE_OPEN, IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), QUIET(MS(30)), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 10), QUIET(MS(20)), DO(times_info))

/* Where the time of a sender went: 10 ms for the network, 100 ms for the peer's window, 30 ms for
 * the user's small buffer. */
static void small_sndbuf(struct script *s)
{
    if (!s->pcb)
        return;
    tcp_config(s->pcb)->sndbuf_bytes = 4500;
    tcp_config(s->pcb)->sndbuf_locked = true;
}
static void busy_info(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    IS(i.tcpi_busy_time, 140000u);
    IS(i.tcpi_rwnd_limited, 100000u);
    IS(i.tcpi_sndbuf_limited, 30000u);
    IS(i.tcpi_bytes_sent, 5000u);
    IS(i.tcpi_snd_wnd, 65535u);
}
SCRIPT(tcp_info_of_what_takes_time, PASSIVE_OPEN, SEND(1000),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1000),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1001, .win = -1), SEND(1000), QUIET(MS(100)),
       IN(.f = ACK, .seq = 1, .ack = 1001), OUT(.f = ACK | PSH, .seq = 1001, .ack = 1, .len = 1000),
       IN(.f = ACK, .seq = 1, .ack = 2001), QUIET(MS(50)), DO(small_sndbuf), SEND_R(5000, 3000),
       OUT(.f = ACK, .seq = 2001, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 3461, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 4921, .ack = 1, .len = 80),
       IN_AT(MS(30), .f = ACK, .seq = 1, .ack = 5001), DO(busy_info))

/* What came in, in order and not. */
static void input_info(struct script *s)
{
    struct tcp_info i;

    if (!s->pcb)
        return;
    tcp_info_fill(s->tcp, s->pcb, &i, sizeof(i));
    IS(i.tcpi_segs_in, 4u);
    IS(i.tcpi_data_segs_in, 3u);
    IS(i.tcpi_rcv_ooopack, 1u);
    IS(i.tcpi_bytes_received, 300u);
}
SCRIPT(tcp_info_of_what_came, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), IN(.f = ACK, .seq = 201, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 301), DO(input_info))

/* TCP_THIN_LINEAR_TIMEOUTS: six timeouts without backoff. */
static void thin(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->thin_linear = true;
}
#define THIN_OUT(t) OUT_AT(t, .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100)
SCRIPT(thin_streams_do_not_back_off, PASSIVE_OPEN, DO(thin), SEND(100), THIN_OUT(0),
       THIN_OUT(MS(210)), THIN_OUT(MS(210)), THIN_OUT(MS(210)), THIN_OUT(MS(210)),
       THIN_OUT(MS(210)), THIN_OUT(MS(210)), THIN_OUT(MS(210)), THIN_OUT(MS(420)),
       THIN_OUT(MS(840)))

/* TCP_MAXSEG counts when the connection is made; later it only says what it says. */
static void maxseg_500(struct script *s)
{
    if (s->pcb) {
        tcp_config(s->pcb)->user_mss = 500;
        tcp_config_changed(s->tcp, s->pcb);
    }
}
SCRIPT(maxseg_of_a_connection_is_too_late, PASSIVE_OPEN, DO(maxseg_500), SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460))

static void listener_info(struct script *s)
{
    struct tcp_info i;

    if (!s->listener)
        return;
    tcp_info_fill(s->tcp, s->listener, &i, sizeof(i));
    IS(i.tcpi_state, 10);
    IS(i.tcpi_unacked, 1u);
    IS(i.tcpi_sacked, 5u);
    IS(tcp_backlog_len(s->listener), 1u);
}
SCRIPT(tcp_info_of_a_listener, LISTEN(5), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1), DO(listener_info))

static void amounts(struct script *s)
{
    if (!s->pcb)
        return;
    IS(tcp_unacked_bytes(s->pcb), 2000u);
    IS(tcp_unsent_bytes(s->pcb), 540u);
    IS(tcp_readable_bytes(s->pcb), 0u);
    IS(tcp_send_drained(s->pcb), false);
}
static void amounts_after(struct script *s)
{
    if (!s->pcb)
        return;
    IS(tcp_unacked_bytes(s->pcb), 0u);
    IS(tcp_unsent_bytes(s->pcb), 0u);
    IS(tcp_send_drained(s->pcb), true);
}
SCRIPT(amounts_of_bytes, LISTEN(1), IN(.f = SYN, .mss = 1460, .win = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1, .win = 1460), ACCEPT(0),
       SEND(2000), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460), DO(amounts), SHUTDOWN(SHUT_WR),
       IN(.f = ACK, .seq = 1, .ack = 1461),
       OUT(.f = FIN | ACK | PSH, .seq = 1461, .ack = 1, .len = 540),
       IN(.f = ACK, .seq = 1, .ack = 2002), DO(amounts_after))

static void names(struct script *s)
{
    IS(strcmp(tcp_state_name(TCP_ESTABLISHED), "ESTABLISHED"), 0);
    IS(strcmp(tcp_state_name(TCP_FIN_WAIT_2), "FIN_WAIT_2"), 0);
    IS(strcmp(tcp_cc_name(tcp_cc_by_name("reno")), "reno"), 0);
    IS(tcp_cc_by_name("nonesuch"), -ENOENT);
}
/* RFC 9293 3.10.6 */
SCRIPT(names_of_things, DO(names))

static void recycled(struct script *s)
{
    script_assert(s, s->tcp->stats.time_waits == 1);
}
SCRIPT(statistics, PASSIVE_OPEN, CLOSE, OUT(.f = FIN | ACK, .seq = 1, .ack = 1),
       IN(.f = FIN | ACK, .seq = 1, .ack = 2), OUT(.f = ACK, .seq = 2, .ack = 2), DO(recycled))

Suite *user_suite(void)
{
    Suite *s = suite_create("user");
    TCase *t = tcase_create("calls");

    tcase_add_test(t, fresh_socket);
    tcase_add_test(t, bind_rules);
    tcase_add_test(t, bind_rules_of_reuse_addr);
    tcase_add_test(t, reuse_port_shares_connections);
    tcase_add_test(t, most_specific_listener_is_chosen);
    tcase_add_test(t, ports_are_chosen);
    tcase_add_test(t, connect_rules);
    tcase_add_test(t, ephemeral_ports_differ);
    tcase_add_test(t, listener_of_another_device);
    suite_add_tcase(s, t);
    t = tcase_create("questions");
    tcase_add_test(t, tcp_info_of_a_connection);
    tcase_add_test(t, tcp_info_of_what_takes_time);
    tcase_add_test(t, tcp_info_of_times);
    tcase_add_test(t, tcp_info_of_what_came);
    tcase_add_test(t, thin_streams_do_not_back_off);
    tcase_add_test(t, maxseg_of_a_connection_is_too_late);
    tcase_add_test(t, tcp_info_of_a_listener);
    tcase_add_test(t, amounts_of_bytes);
    tcase_add_test(t, names_of_things);
    tcase_add_test(t, statistics);
    suite_add_tcase(s, t);
    return s;
}
