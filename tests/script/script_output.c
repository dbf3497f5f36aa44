/* What is sent and when: RFC 9293 3.7, 3.8.6.2.1, Nagle, windows, congestion window, super-frames.
 */
#include "script.h"

static struct tcp_config *conf(struct script *s)
{
    static struct tcp_config nobody;

    return s->pcb ? tcp_config(s->pcb) : &nobody;
}
static void changed(struct script *s)
{
    if (s->pcb)
        tcp_config_changed(s->tcp, s->pcb);
}
static void nodelay(struct script *s)
{
    conf(s)->nodelay = true;
    changed(s);
}
static void cork(struct script *s)
{
    conf(s)->cork = true;
    changed(s);
}
static void uncork(struct script *s)
{
    conf(s)->cork = false;
    changed(s);
}

/* The peer offers w bytes. */
#define OPEN_WND(w)                                                                                \
    LISTEN(1), IN(.f = SYN, .mss = 1460, .win = (w)), OUT(.f = SYN | ACK, .ack = 1),               \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .win = (w)), ACCEPT(0)

/* ---- segments ---- */

SCRIPT(small_write_goes_at_once, PASSIVE_OPEN, SEND(1),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1))
SCRIPT(full_segments_without_push, PASSIVE_OPEN, SEND(4000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1080))
/* RFC 9293 3.9.1 */
SCRIPT(push_at_the_end_of_full_segments, PASSIVE_OPEN, SEND(2920),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460))
SCRIPT(send_nothing, PASSIVE_OPEN, SEND_R(0, 0), QUIET(SEC(1)))

/* ---- Nagle ---- */

/* SHLD-7 */
SCRIPT(nagle_holds_the_second_small_one, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND(10), SEND(10), QUIET(MS(20)),
       IN(.f = ACK, .seq = 1, .ack = 11), OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 20))
SCRIPT(nagle_lets_full_segments_go, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND(1400), SEND(100),
       OUT(.f = ACK, .seq = 11, .ack = 1, .len = 1460), QUIET(MS(20)),
       IN(.f = ACK, .seq = 1, .ack = 11), OUT(.f = ACK | PSH, .seq = 1471, .ack = 1, .len = 40))
/* Minshall: a tail may follow full segments in flight, for no small one is among them. */
SCRIPT(nagle_lets_the_tail_of_a_large_write_go, PASSIVE_OPEN, SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 10), SEND(10), QUIET(MS(20)))
/* MUST-17 */
SCRIPT(nodelay_sends_all, PASSIVE_OPEN, DO(nodelay), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND(10),
       OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 10))
SCRIPT(nodelay_releases_what_was_held, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND(10), DO(nodelay),
       OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 10))

SCRIPT(cork_holds_small_ones, PASSIVE_OPEN, DO(cork), SEND(10), SEND(1500),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460), QUIET(MS(20)), DO(uncork),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 50))
/* TCP_NODELAY lets what waits under the cork go, but not what comes after it. */
static void push(struct script *s)
{
    conf(s)->nodelay = true;
    if (s->pcb)
        tcp_push(s->tcp, s->pcb);
}
SCRIPT(nodelay_empties_the_bottle, PASSIVE_OPEN, DO(cork), SEND(10), QUIET(MS(20)), DO(push),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND(10), QUIET(MS(20)), DO(uncork),
       OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 10))
SCRIPT(cork_holds_at_most_200_ms, PASSIVE_OPEN, DO(cork), SEND(10), QUIET(MS(200)),
       OUT_AT(MS(10), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 10))
SCRIPT(cork_and_nodelay, PASSIVE_OPEN, DO(nodelay), DO(cork), SEND(10), QUIET(MS(20)), DO(uncork),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10))
SCRIPT(more_holds_small_ones, PASSIVE_OPEN, SEND_F(10, TCP_IO_MORE), SEND_F(10, TCP_IO_MORE),
       QUIET(MS(20)), SEND(10), OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 30))
SCRIPT(close_releases_what_more_held, PASSIVE_OPEN, SEND_F(10, TCP_IO_MORE), CLOSE,
       OUT(.f = FIN | ACK | PSH, .seq = 1, .ack = 1, .len = 10))
SCRIPT(fin_is_not_held_by_nagle, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND(10), CLOSE,
       OUT(.f = FIN | ACK | PSH, .seq = 11, .ack = 1, .len = 10))

/* ---- the peer's window ---- */

SCRIPT(window_is_a_limit, OPEN_WND(3000), SEND(10000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460), QUIET(MS(50)),
       IN(.f = ACK, .seq = 1, .ack = 1461, .win = 3000),
       OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 1460))
SCRIPT(window_opens_by_an_update, OPEN_WND(1460), SEND(4000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       IN(.f = ACK, .seq = 1, .ack = 1, .win = 2920),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460))
/* 3.8.6.2.1: not a silly little piece of what is queued ... */
SCRIPT(sender_avoids_silly_windows, OPEN_WND(4000), SEND(10000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       IN(.f = ACK, .seq = 1, .ack = 2921, .win = 500), QUIET(MS(100)),
       IN(.f = ACK, .seq = 1, .ack = 2921, .win = 1460),
       OUT(.f = ACK, .seq = 2921, .ack = 1, .len = 1460))
/* ... unless it is half of all that the peer can take ... */
SCRIPT(sender_fills_a_small_buffer, OPEN_WND(600), SEND(10000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 600),
       IN(.f = ACK, .seq = 1, .ack = 601, .win = 299), QUIET(MS(50)),
       IN(.f = ACK, .seq = 1, .ack = 601, .win = 300),
       OUT(.f = ACK, .seq = 601, .ack = 1, .len = 300))
/* ... or the time is over. */
SCRIPT(silly_window_is_overridden, OPEN_WND(4000), SEND(10000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       IN(.f = ACK, .seq = 1, .ack = 2921, .win = 500),
       OUT_AT(208750, .f = ACK, .seq = 2921, .ack = 1, .len = 500))
SCRIPT(shrunk_window, OPEN_WND(5840), SEND(4380), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460),
       IN(.f = ACK, .seq = 1, .ack = 1, .win = 1000), SEND(1460), QUIET(MS(50)),
       IN(.f = ACK, .seq = 1, .ack = 4381, .win = 5840),
       OUT(.f = ACK | PSH, .seq = 4381, .ack = 1, .len = 1460))

/* A window that comes with text sent again counts too when its ACK is news: 1,000 bytes behind the
 * ACK, not the 2,920 that were told before. RFC 9293 3.10.7.4 */
SCRIPT(window_with_text_sent_again, OPEN_WND(2920), SEND(10000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       IN(.f = ACK, .seq = 1001, .ack = 1, .len = 1000, .win = 2920),
       OUT(.f = ACK, .seq = 2921, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 2921, .len = 1000, .win = 1000),
       OUT(.f = ACK, .seq = 2921, .ack = 2001), QUIET(MS(50)),
       IN(.f = ACK, .seq = 2001, .ack = 2921, .win = 1460),
       OUT(.f = ACK, .seq = 2921, .ack = 2001, .len = 1460))
/* But an old one with an old ACK does not. */
SCRIPT(window_of_an_old_segment, OPEN_WND(2920), SEND(10000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       IN(.f = ACK, .seq = 1001, .ack = 2921, .len = 1000, .win = 1000),
       OUT(.f = ACK, .seq = 2921, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 2921, .len = 1000, .win = 2920),
       OUT(.f = ACK, .seq = 2921, .ack = 2001), QUIET(MS(50)))

/* ---- congestion window ---- */

#define TEN_SEGMENTS(from) TEN_SEGMENTS_F(from, ACK)
/* The last one has flags last. */
#define TEN_SEGMENTS_F(from, last)                                                                 \
    OUT(.f = ACK, .seq = (from), .ack = 1, .len = 1460),                                           \
        OUT(.f = ACK, .seq = (from) + 1460, .ack = 1, .len = 1460),                                \
        OUT(.f = ACK, .seq = (from) + 2920, .ack = 1, .len = 1460),                                \
        OUT(.f = ACK, .seq = (from) + 4380, .ack = 1, .len = 1460),                                \
        OUT(.f = ACK, .seq = (from) + 5840, .ack = 1, .len = 1460),                                \
        OUT(.f = ACK, .seq = (from) + 7300, .ack = 1, .len = 1460),                                \
        OUT(.f = ACK, .seq = (from) + 8760, .ack = 1, .len = 1460),                                \
        OUT(.f = ACK, .seq = (from) + 10220, .ack = 1, .len = 1460),                               \
        OUT(.f = ACK, .seq = (from) + 11680, .ack = 1, .len = 1460),                               \
        OUT(.f = (last), .seq = (from) + 13140, .ack = 1, .len = 1460)

SCRIPT(initial_window_is_ten, PASSIVE_OPEN, DO(large_sndbuf), SEND(40000), TEN_SEGMENTS(1),
       QUIET(MS(100)))
SCRIPT(slow_start, PASSIVE_OPEN, DO(large_sndbuf), SEND(100000), TEN_SEGMENTS(1),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 2921),
       OUT(.f = ACK, .seq = 14601, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 16061, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 17521, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 18981, .ack = 1, .len = 1460))

static void ssthresh_10(struct script *s)
{
    if (s->pcb)
        s->pcb->ssthresh = 14600;
}
static void cwnd_is_11(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd == 11 * 1460);
}
SCRIPT(congestion_avoidance, PASSIVE_OPEN, DO(large_sndbuf), DO(ssthresh_10), SEND(100000),
       TEN_SEGMENTS(1), IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 7301),
       OUT(.f = ACK, .seq = 14601, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 16061, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 17521, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 18981, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 20441, .ack = 1, .len = 1460),
       IN_AT(MS(1), .f = ACK, .seq = 1, .ack = 14601),
       OUT(.f = ACK, .seq = 21901, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 23361, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 24821, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 26281, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 27741, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 29201, .ack = 1, .len = 1460), DO(cwnd_is_11))

static void cwnd_is_10(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd == 10 * 1460);
}
SCRIPT(unused_window_does_not_grow, PASSIVE_OPEN, SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1461), SEND(1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 2921), DO(cwnd_is_10))

static void cwnd_100(struct script *s)
{
    if (s->pcb)
        s->pcb->cwnd = 100 * 1460;
}
static void cwnd_is_25(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->cwnd == 25 * 1460 && s->pcb->ssthresh >= 75 * 1460);
}
/* RFC 5681 4.1: two retransmission timeouts of silence. */
SCRIPT(restart_after_idle, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 11), DO(cwnd_100), QUIET(MS(500)), SEND(10),
       OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 10), DO(cwnd_is_25))
SCRIPT(restart_goes_down_to_the_initial_window, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 11), DO(cwnd_100), QUIET(SEC(60)), SEND(10),
       OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 10), DO(cwnd_is_10))

/* ---- super-frames ---- */

#define GSO_SETUP                                                                                  \
    {                                                                                              \
        .mtu = 1500, .gso_max_bytes = 65535                                                        \
    }

SCRIPT_SETUP(super_frame, GSO_SETUP, PASSIVE_OPEN, SEND(4000),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 4000, .gso = 1460))
SCRIPT_SETUP(super_frame_keeps_to_cwnd, GSO_SETUP, PASSIVE_OPEN, DO(large_sndbuf), SEND(100000),
             OUT(.f = ACK, .seq = 1, .ack = 1, .len = 14600, .gso = 1460),
             IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 14601),
             OUT(.f = ACK, .seq = 14601, .ack = 1, .len = 29200, .gso = 1460))
SCRIPT_SETUP(super_frame_keeps_to_the_window, GSO_SETUP, OPEN_WND(5000), SEND(10000),
             OUT(.f = ACK, .seq = 1, .ack = 1, .len = 4380, .gso = 1460), QUIET(MS(50)))
SCRIPT_SETUP(super_frame_of_64_kb, GSO_SETUP, PASSIVE_OPEN, DO(large_sndbuf), DO(cwnd_100),
             SEND(100000), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 64240, .gso = 1460),
             QUIET(MS(50)))
SCRIPT_SETUP(one_segment_is_no_super_frame, GSO_SETUP, PASSIVE_OPEN, SEND(1460),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 1460))
#define GSO_4_SETUP                                                                                \
    {                                                                                              \
        .mtu = 1500, .gso_max_bytes = 6000                                                         \
    }
SCRIPT_SETUP(super_frame_keeps_to_the_link, GSO_4_SETUP, PASSIVE_OPEN, SEND(8000),
             OUT(.f = ACK, .seq = 1, .ack = 1, .len = 5840, .gso = 1460),
             OUT(.f = ACK | PSH, .seq = 5841, .ack = 1, .len = 2160, .gso = 1460))
SCRIPT_SETUP(super_frame_with_fin, GSO_SETUP, OPEN_WND(1460), SEND(4000),
             OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460), CLOSE,
             IN(.f = ACK, .seq = 1, .ack = 1461),
             OUT(.f = FIN | ACK | PSH, .seq = 1461, .ack = 1, .len = 2540, .gso = 1460))
SCRIPT_SETUP(super_frame_sent_again_after_a_timeout, GSO_SETUP, PASSIVE_OPEN, SEND(4000),
             OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 4000, .gso = 1460),
             OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460),
             IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1461),
             OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 2540, .gso = 1460))

/* ---- the send buffer ---- */

static void small_sndbuf(struct script *s)
{
    conf(s)->sndbuf_bytes = 4500;
    conf(s)->sndbuf_locked = true;
}
SCRIPT(full_send_buffer, PASSIVE_OPEN, DO(small_sndbuf), EVENTS(0, 0xffff), SEND_R(5000, 3000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 2921, .ack = 1, .len = 80), SEND_R(1, -EAGAIN), POLLS(0),
       IN(.f = ACK, .seq = 1, .ack = 501), EVENTS(0, 0), POLLS(0),
       IN(.f = ACK, .seq = 1, .ack = 1001), EVENTS(POLLOUT | POLLWRNORM, 0),
       POLLS(POLLOUT | POLLWRNORM), SEND_R(5000, 1000))

static void notsent_1000(struct script *s)
{
    conf(s)->notsent_lowat = 1000;
}
SCRIPT(notsent_low_water_mark, OPEN_WND(1460), DO(notsent_1000), SEND_R(3000, 2920),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460), SEND_R(80, -EAGAIN), POLLS(0),
       EVENTS(0, 0xffff), IN(.f = ACK, .seq = 1, .ack = 1461, .win = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 1460), POLLS(POLLOUT | POLLWRNORM),
       EVENTS(POLLOUT | POLLWRNORM, 0))

static void sndbuf_has_grown(struct script *s)
{
    script_assert(s, s->pcb && s->pcb->conf.sndbuf_bytes >= 6 * 20 * 1460);
}
SCRIPT(send_buffer_follows_cwnd, PASSIVE_OPEN, SEND_R(100000, 58400), TEN_SEGMENTS(1),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 14601), TEN_SEGMENTS(14601), TEN_SEGMENTS(29201),
       DO(sndbuf_has_grown), SEND_R(100000, 73000))

/* ---- the link ---- */

static void link_full(struct script *s)
{
    s->link_error = -ENOBUFS;
}
static void link_ok(struct script *s)
{
    s->link_error = 0;
}
static void link_down(struct script *s)
{
    s->link_error = -ENETDOWN;
}
SCRIPT(full_link_keeps_data_for_later, PASSIVE_OPEN, DO(link_full), SEND(100), QUIET(MS(5)),
       DO(link_ok), OUT_AT(MS(5), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))
SCRIPT(dead_link_is_like_loss, PASSIVE_OPEN, DO(link_down), SEND(100), QUIET(MS(100)), DO(link_ok),
       OUT_AT(MS(110), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))

static void ttl_tos(struct script *s)
{
    conf(s)->ttl = 7;
    conf(s)->tos = 0x10;
}
static void ttl_tos_out(struct script *s)
{
    const struct captured *c = &s->out[s->out_head];

    script_assert(s, s->out_len && c->ttl == 7 && c->tos == 0x10 && c->df);
    s->out_len = 0;
}
static void send_10(struct script *s)
{
    uint8_t b[10];
    struct iovec iov = {b, 10};

    for (size_t i = 0; i < 10; i++)
        b[i] = script_pattern(i);
    if (s->pcb)
        tcp_send(s->tcp, s->pcb, &iov, 1, 0, 10, 0);
    ttl_tos_out(s);
}
SCRIPT(ttl_and_tos_options, PASSIVE_OPEN, DO(ttl_tos), DO(send_10))

Suite *output_suite(void)
{
    Suite *s = suite_create("output");
    TCase *t = tcase_create("segments");

    tcase_add_test(t, small_write_goes_at_once);
    tcase_add_test(t, full_segments_without_push);
    tcase_add_test(t, push_at_the_end_of_full_segments);
    tcase_add_test(t, send_nothing);
    tcase_add_test(t, ttl_and_tos_options);
    suite_add_tcase(s, t);
    t = tcase_create("nagle");
    tcase_add_test(t, nagle_holds_the_second_small_one);
    tcase_add_test(t, nagle_lets_full_segments_go);
    tcase_add_test(t, nagle_lets_the_tail_of_a_large_write_go);
    tcase_add_test(t, nodelay_sends_all);
    tcase_add_test(t, nodelay_releases_what_was_held);
    tcase_add_test(t, cork_holds_small_ones);
    tcase_add_test(t, cork_holds_at_most_200_ms);
    tcase_add_test(t, nodelay_empties_the_bottle);
    tcase_add_test(t, cork_and_nodelay);
    tcase_add_test(t, more_holds_small_ones);
    tcase_add_test(t, close_releases_what_more_held);
    tcase_add_test(t, fin_is_not_held_by_nagle);
    suite_add_tcase(s, t);
    t = tcase_create("window");
    tcase_add_test(t, window_is_a_limit);
    tcase_add_test(t, window_opens_by_an_update);
    tcase_add_test(t, sender_avoids_silly_windows);
    tcase_add_test(t, sender_fills_a_small_buffer);
    tcase_add_test(t, silly_window_is_overridden);
    tcase_add_test(t, shrunk_window);
    tcase_add_test(t, window_with_text_sent_again);
    tcase_add_test(t, window_of_an_old_segment);
    suite_add_tcase(s, t);
    t = tcase_create("cwnd");
    tcase_add_test(t, initial_window_is_ten);
    tcase_add_test(t, slow_start);
    tcase_add_test(t, congestion_avoidance);
    tcase_add_test(t, unused_window_does_not_grow);
    tcase_add_test(t, restart_after_idle);
    tcase_add_test(t, restart_goes_down_to_the_initial_window);
    suite_add_tcase(s, t);
    t = tcase_create("super-frames");
    tcase_add_test(t, super_frame);
    tcase_add_test(t, super_frame_keeps_to_cwnd);
    tcase_add_test(t, super_frame_keeps_to_the_window);
    tcase_add_test(t, super_frame_of_64_kb);
    tcase_add_test(t, one_segment_is_no_super_frame);
    tcase_add_test(t, super_frame_keeps_to_the_link);
    tcase_add_test(t, super_frame_with_fin);
    tcase_add_test(t, super_frame_sent_again_after_a_timeout);
    suite_add_tcase(s, t);
    t = tcase_create("send buffer");
    tcase_add_test(t, full_send_buffer);
    tcase_add_test(t, notsent_low_water_mark);
    tcase_add_test(t, send_buffer_follows_cwnd);
    suite_add_tcase(s, t);
    t = tcase_create("link");
    tcase_add_test(t, full_link_keeps_data_for_later);
    tcase_add_test(t, dead_link_is_like_loss);
    suite_add_tcase(s, t);
    return s;
}
