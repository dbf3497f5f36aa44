/* Windows and buffers: RFC 9293 3.8.6, RFC 7323 2. */
#include "test_tcp.h"

static void buffer(uint32_t bytes)
{
    w.pcb->conf.rcvbuf_bytes = 2 * bytes;
    w.pcb->conf.rcvbuf_locked = true;
}

START_TEST(window_scale_fits_the_buffer)
{
    tcp_window_init(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.pcb->rcv_wscale, 7); /* for 6 MB */
    buffer(30000);
    tcp_window_init(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.pcb->rcv_wscale, 0);
    buffer(0x7fffffff);
    tcp_window_init(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.pcb->rcv_wscale, TCP_WSCALE_MAX);
    w.pcb->conf.window_clamp = 100000;
    tcp_window_init(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.pcb->rcv_wscale, 1);
}
END_TEST

/* RFC 7323 2.2 */
START_TEST(syn_window_is_whole_segments)
{
    w.pcb->rcv_wscale = 7;
    ck_assert_uint_eq(tcp_window_advertise(w.pcb, true), 44 * 1460);
    ck_assert_uint_eq(w.pcb->rcv_adv, 44 * 1460);
    buffer(1000); /* smaller than a segment */
    w.pcb->rcv_adv = 0;
    ck_assert_uint_eq(tcp_window_advertise(w.pcb, true), 1000);
}
END_TEST

/* The right edge never moves left (SHLD-14), whatever the scale rounds off. */
START_TEST(right_edge_never_moves_left)
{
    uint32_t edge = 0;

    buffer(100000);
    w.pcb->rcv_wscale = 7;
    w.pcb->rcv_mss = 1460;
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t field = tcp_window_advertise(w.pcb, false);
        ck_assert_uint_ge(w.pcb->rcv_adv, edge);
        ck_assert_uint_le(w.pcb->rcv_adv, 100000 + 127); /* nor beyond the buffer */
        ck_assert_uint_le(field << 7, 100000);
        edge = w.pcb->rcv_adv;
        w.pcb->rcv_nxt++; /* bytes come one by one, nobody reads */
        w.pcb->rcv.end++;
    }
    ck_assert_uint_eq(tcp_window_advertise(w.pcb, false), 0);
    w.pcb->rcv.end = 0;
}
END_TEST

START_TEST(window_opens_in_segments)
{
    buffer(10000);
    w.pcb->rcv_mss = 1000;
    w.pcb->rcv.end = 10000;
    ck_assert_uint_eq(tcp_window_select(w.pcb), 0);
    w.pcb->rcv.start = 999;
    ck_assert_uint_eq(tcp_window_select(w.pcb), 0);
    w.pcb->rcv.start = 1000;
    ck_assert_uint_eq(tcp_window_select(w.pcb), 1000);
    buffer(600); /* half of a small buffer */
    w.pcb->rcv.start = 9699;
    ck_assert_uint_eq(tcp_window_select(w.pcb), 0);
    w.pcb->rcv.start = 9700;
    ck_assert_uint_eq(tcp_window_select(w.pcb), 300);
    w.pcb->rcv.start = w.pcb->rcv.end = 0;
}
END_TEST

START_TEST(largest_window)
{
    buffer(0x7fffffff);
    w.pcb->rcv_wscale = TCP_WSCALE_MAX;
    ck_assert_uint_eq(tcp_window_advertise(w.pcb, false), 65535);
    ck_assert_uint_eq(w.pcb->rcv_adv, TCP_WINDOW_MAX);
}
END_TEST

/* A sender in slow start and a user who reads all: twice as much each round trip. Returns the round
 * trip after which the window would have held the sender back, or 0. */
static unsigned held_back_after(unsigned rounds)
{
    uint64_t sent = 10 * 1460;

    w.net.now_us = 1000000;
    w.pcb->rcv_rtt_us = 100000;
    w.pcb->adv_mss = w.pcb->rcv_mss = 1460;
    w.pcb->rcv_wscale = 7;
    for (unsigned i = 1; i <= rounds; i++) {
        if (sent > tcp_window_capacity(w.pcb))
            return i;
        w.pcb->rcv.start = w.pcb->rcv.end += sent;
        tcp_window_after_read(&w.tcp, w.pcb);
        w.net.now_us += 100000;
        if (sent < 2000000)
            sent *= 2;
    }
    return 0;
}

START_TEST(window_is_always_ahead_of_slow_start)
{
    ck_assert_uint_eq(held_back_after(30), 0);
    ck_assert_uint_gt(tcp_window_capacity(w.pcb), 3900000);
    ck_assert_uint_le(w.pcb->conf.rcvbuf_bytes, TCP_RCVBUF_MAX);
    w.pcb->rcv.start = w.pcb->rcv.end = 0;
}
END_TEST

/* SO_RCVBUF: the user has decided. */
START_TEST(window_of_the_user_stays)
{
    buffer(30000);
    ck_assert_uint_eq(held_back_after(30), 3);
    ck_assert_uint_eq(w.pcb->conf.rcvbuf_bytes, 60000);
    ck_assert_uint_eq(tcp_window_capacity(w.pcb), 30000);
    w.pcb->conf.window_clamp = 10000; /* TCP_WINDOW_CLAMP */
    ck_assert_uint_eq(tcp_window_capacity(w.pcb), 10000);
    w.pcb->rcv.start = w.pcb->rcv.end = 0;
}
END_TEST

START_TEST(writable_when_a_third_is_free)
{
    w.pcb->conf.sndbuf_bytes = 4500; /* of which 3000 for bytes */
    ck_assert(tcp_sndbuf_writable(w.pcb));
    w.pcb->snd.end = 2000;
    ck_assert(tcp_sndbuf_writable(w.pcb));
    w.pcb->snd.end = 2001;
    ck_assert(!tcp_sndbuf_writable(w.pcb));
    ck_assert_uint_eq(tcp_sndbuf_free(w.pcb), 999);
    w.pcb->snd.end = 4000; /* the user has made it smaller since */
    ck_assert_uint_eq(tcp_sndbuf_free(w.pcb), 0);
    w.pcb->snd.end = 0;
}
END_TEST

/* RFC 6691, RFC 9293 MUST-16 */
START_TEST(mss_of_a_path)
{
    ck_assert_uint_eq(w.pcb->adv_mss, 1460);
    ck_assert_uint_eq(w.pcb->snd_mss, 536);
    w.pcb->peer_mss = 9000;
    tcp_mss_update(w.pcb);
    ck_assert_uint_eq(w.pcb->snd_mss, 1460);
    w.pcb->ts_ok = true;
    tcp_mss_update(w.pcb);
    ck_assert_uint_eq(w.pcb->snd_mss, 1448);
    w.pcb->conf.user_mss = 500;
    tcp_syn_options(w.pcb, &(struct tcp_options){.has_mss = true, .mss = 1460, .has_ts = true});
    ck_assert_uint_eq(w.pcb->snd_mss, 488);
    w.pcb->path.mtu = 10;
    tcp_mss_update(w.pcb);
    ck_assert_uint_eq(w.pcb->snd_mss, TCP_MIN_SEND_MSS - TCP_TS_BYTES);
}
END_TEST

START_TEST(super_frames)
{
    w.pcb->snd_mss = 1448;
    ck_assert_uint_eq(tcp_mss_frame_bytes(w.pcb), 1448); /* a link that cannot cut */
    w.nif->gso_max_bytes = 65536;
    ck_assert_uint_eq(tcp_mss_frame_bytes(w.pcb), 45 * 1448);
    w.nif->gso_max_bytes = 3000;
    ck_assert_uint_eq(tcp_mss_frame_bytes(w.pcb), 2 * 1448);
    w.nif->gso_max_bytes = 1000;
    ck_assert_uint_eq(tcp_mss_frame_bytes(w.pcb), 1448);
}
END_TEST

TCase *test_tcp_window(void)
{
    TCase *t = tcase_create("window");

    tcase_add_checked_fixture(t, world_open, world_close);
    tcase_add_test(t, window_scale_fits_the_buffer);
    tcase_add_test(t, syn_window_is_whole_segments);
    tcase_add_test(t, right_edge_never_moves_left);
    tcase_add_test(t, window_opens_in_segments);
    tcase_add_test(t, largest_window);
    tcase_add_test(t, window_is_always_ahead_of_slow_start);
    tcase_add_test(t, window_of_the_user_stays);
    tcase_add_test(t, writable_when_a_third_is_free);
    tcase_add_test(t, mss_of_a_path);
    tcase_add_test(t, super_frames);
    return t;
}
