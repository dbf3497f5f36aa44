/* TCP Fast Open (RFC 7413). */
#include "script.h"

/* ---- client ---- */

/* A connection that asks for a cookie, gets it and ends; the next one finds it. */
#define GET_COOKIE                                                                                 \
    FAST(100, 0), OUT(.f = SYN, .tfo = 1),                                                         \
        IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .tfo = 2),                            \
        OUT(.f = ACK, .seq = 1, .ack = 1), ABORT, OUT(.f = RST | ACK, .seq = 1, .ack = 1),         \
        QUIET(MS(1))
#define FAILED(why) (s->pcb && s->pcb->fast_fail == (why))

static void no_cookie_was_there(struct script *s)
{
    script_assert(s, FAILED(TCP_FASTOPEN_FAIL_COOKIE));
}
static void text_was_not_acked(struct script *s)
{
    script_assert(s, FAILED(TCP_FASTOPEN_FAIL_NOT_ACKED) && !s->pcb->syn_text_acked);
}
static void syn_was_sent_again(struct script *s)
{
    script_assert(s, FAILED(TCP_FASTOPEN_FAIL_RETRANSMITTED) && !s->pcb->syn_text_acked);
}
static void text_was_acked(struct script *s)
{
    script_assert(s, FAILED(0) && s->pcb->syn_text_acked);
}

/* 4.1.1 */
SCRIPT(fast_request, FAST(100, 0), OUT(.f = SYN, .tfo = 1, .mss = 1460, .ts = true),
       STATE(TCP_SYN_SENT), DO(no_cookie_was_there),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .tfo = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))

/* 4.2: text in the SYN, acknowledged with it */
SCRIPT(fast_text, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100, .mss = 1460),
       STATE(TCP_SYN_SENT), SEND_R(10, -EAGAIN),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 101, .mss = 1460), OUT(.f = ACK, .seq = 101, .ack = 1),
       STATE(TCP_ESTABLISHED), DO(text_was_acked), SEND(50),
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 50))

/* No more than a segment of the size that the peer took before, with room for all options. */
/* RFC 7413 4.1.3 */
SCRIPT(fast_text_is_bounded, GET_COOKIE, FAST(5000, 1420), OUT(.f = SYN, .tfo = 2, .len = 1420),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1421, .mss = 1460),
       OUT(.f = ACK, .seq = 1421, .ack = 1), DO(text_was_acked))

/* 4.2.2: what is not acknowledged goes again, at once */
SCRIPT(fast_text_refused, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .tfo = 2),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), DO(text_was_not_acked), SEND(50),
       QUIET(MS(1)), IN_AT(MS(9), .f = ACK, .seq = 1, .ack = 101),
       OUT(.f = ACK | PSH, .seq = 101, .ack = 1, .len = 50))
SCRIPT(fast_text_taken_in_part, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 41, .mss = 1460),
       OUT(.f = ACK | PSH, .seq = 41, .ack = 1, .len = 60), DO(text_was_acked))

/* 4.1.3: a SYN that is sent again is plain; if only that one came through, Fast Open pauses. */
#define LOST_WITH_TEXT                                                                             \
    FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),                                           \
        OUT_AT(SEC(1), .f = SYN, .len = 0, .opts = 20),                                            \
        IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460),                                      \
        OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), DO(syn_was_sent_again),               \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 101), ABORT,                                      \
        OUT(.f = RST | ACK, .seq = 101, .ack = 1)
#define PAUSES FAST(100, 0), OUT(.f = SYN, .len = 0, .opts = 20), ABORT
SCRIPT(fast_syn_lost, GET_COOKIE, LOST_WITH_TEXT, QUIET(SEC(30)), PAUSES, QUIET(SEC(40)),
       FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100))
/* ... the second time for twice as long. */
SCRIPT(fast_syn_lost_again, GET_COOKIE, LOST_WITH_TEXT, QUIET(SEC(60)), LOST_WITH_TEXT,
       QUIET(SEC(100)), PAUSES, QUIET(SEC(20)), FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100))
/* ... not when the first one's answer came late, or the peer still gives cookies. */
SCRIPT(fast_syn_ack_late, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       OUT_AT(SEC(1), .f = SYN, .len = 0), IN(.f = SYN | ACK, .ack = 101, .mss = 1460),
       OUT(.f = ACK, .seq = 101, .ack = 1), ABORT, OUT(.f = RST | ACK, .seq = 101, .ack = 1),
       FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100))
static void give_up_soon(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->syn_retries = 1;
}
SCRIPT(fast_peer_is_dead, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       DO(give_up_soon), OUT_AT(SEC(1), .f = SYN, .opts = 20), OUT_AT(SEC(1), .f = SYN),
       QUIET(SEC(1)), STATE(TCP_CLOSED), ERROR(ETIMEDOUT), FAST(100, 0), OUT(.f = SYN, .opts = 20))

SCRIPT(fast_refused, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       IN(.f = RST | ACK, .ack = 101), STATE(TCP_CLOSED), ERROR(ECONNREFUSED))
SCRIPT(fast_ack_beyond_the_text_is_reset, GET_COOKIE, FAST(100, 100),
       OUT(.f = SYN, .tfo = 2, .len = 100), IN(.f = SYN | ACK, .ack = 102, .mss = 1460),
       OUT(.f = RST, .seq = 102), STATE(TCP_SYN_SENT))
SCRIPT(fast_syn_ack_with_text, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       IN(.f = SYN | ACK, .ack = 101, .mss = 1460, .len = 20), OUT(.f = ACK, .seq = 101, .ack = 21),
       RECV(20))
SCRIPT(fast_simultaneous, GET_COOKIE, FAST(100, 100), OUT(.f = SYN, .tfo = 2, .len = 100),
       IN_AT(MS(5), .f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(5), .f = SYN | ACK, .ack = 1, .mss = 1460), STATE(TCP_ESTABLISHED),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100))
SCRIPT(fast_unsolicited_cookie_is_ignored, CONNECT(0), OUT(.f = SYN, .opts = 20),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .tfo = 2),
       OUT(.f = ACK, .seq = 1, .ack = 1), ABORT, OUT(.f = RST | ACK, .seq = 1, .ack = 1),
       FAST(100, 0), OUT(.f = SYN, .tfo = 1))
static void without_cookie(struct script *s)
{
    struct step fast[] = {CONNECT(0), END};

    script_steps(s, fast);
    if (s->pcb) {
        tcp_disconnect(s->tcp, s->pcb);
        tcp_take_error(s->pcb);
        tcp_config(s->pcb)->fastopen_no_cookie = true;
    }
    script_forget_out(s);
}
SCRIPT(fast_without_cookie, DO(without_cookie), FAST(100, 100),
       OUT(.f = SYN, .len = 100, .opts = 20), IN(.f = SYN | ACK, .ack = 101, .mss = 1460),
       OUT(.f = ACK, .seq = 101, .ack = 1), DO(text_was_acked))
static void wait_only(struct script *s)
{
    s->pcb = tcp_open(s->tcp, s);
    if (s->pcb)
        script_assert(s, tcp_fastopen_connect(s->tcp, s->pcb, &s->peer) == 0);
}
SCRIPT(fast_closed_while_it_waits, GET_COOKIE, DO(wait_only), STATE(TCP_SYN_SENT), CLOSE, PCBS(0))

/* The cache forgets who was not used for longest. */
static void many_peers(struct script *s)
{
    for (uint32_t i = 0; i < 1100 && !s->lenient; i++) {
        struct endpoint to = {.addr = addr_v4(0xc0000203 + i % 200), .port = 80};
        struct tcp_pcb *pcb = tcp_open(s->tcp, s);
        struct tcp_seg seg = {.flags = TCP_SYN | TCP_ACK};

        script_assert(s, tcp_fastopen_connect(s->tcp, pcb, &to) == 0);
        pcb->remote.addr = addr_v4(0xc6336400 + i); /* as many as it takes, without a route */
        pcb->fast_syn = TCP_FASTOPEN_REQUEST;
        pcb->fast_wait = false;
        seg.ack = pcb->snd_una = pcb->iss + 1;
        seg.opt.has_tfo = true;
        seg.opt.tfo_len = 8;
        tcp_fastopen_answered(s->tcp, pcb, &seg);
        pcb->remote.addr = to.addr;
        tcp_abort(s->tcp, pcb);
        script_forget_out(s);
    }
    script_assert(s, s->tcp->fastopen_cache.count == 1024);
}
SCRIPT(fast_cache_is_bounded, GET_COOKIE, DO(many_peers), FAST(100, 0), OUT(.f = SYN, .tfo = 1))

/* ---- server ---- */

static void queue_of_two(struct script *s)
{
    if (s->listener)
        tcp_fastopen_listen(s->tcp, s->listener, 2);
}
#define FAST_LISTEN LISTEN(8), DO(queue_of_two)

SCRIPT(fast_cookie_is_given, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 1),
       OUT(.f = SYN | ACK, .ack = 1, .tfo = 2), ACCEPT(-EAGAIN),
       OUT_AT(SEC(1), .f = SYN | ACK, .ack = 1, .opts = 4), IN(.f = ACK, .seq = 1, .ack = 1),
       ACCEPT(0))
SCRIPT(fast_no_queue_no_cookie, LISTEN(8), IN(.f = SYN, .mss = 1460, .tfo = 1),
       OUT(.f = SYN | ACK, .ack = 1, .opts = 4))

/* 4.2.2: the text is there before the handshake is done, and may be answered. */
SCRIPT(fast_accept, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101, .opts = 4), EVENTS(POLLIN | POLLRDNORM, 0), ACCEPT(0),
       STATE(TCP_SYN_RECEIVED), POLLS(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM), RECV(100),
       SEND(2000), OUT(.f = ACK, .seq = 1, .ack = 101, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 1461, .ack = 101, .len = 540), QUIET(MS(1)),
       IN_AT(MS(9), .f = ACK, .seq = 101, .ack = 1461), STATE(TCP_ESTABLISHED),
       IN(.f = ACK, .seq = 101, .ack = 2001), SEND(10),
       OUT(.f = ACK | PSH, .seq = 2001, .ack = 101, .len = 10))
/* The ACK of the SYN,ACK alone: what was sent since is retransmitted from now on. */
SCRIPT(fast_answer_lost, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0), RECV(100), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 10),
       IN_AT(MS(10), .f = ACK, .seq = 101, .ack = 1), STATE(TCP_ESTABLISHED),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 101, .len = 10))
SCRIPT(fast_syn_ack_lost, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0), OUT_AT(SEC(1), .f = SYN | ACK, .ack = 101),
       IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 101),
       IN(.f = ACK, .seq = 101, .ack = 1), STATE(TCP_ESTABLISHED), RECV(100))
/* RFC 7413 4.1.2 */
/* A SYN with text that is not taken, twice: its text must not pass for a SYN in the window. */
SCRIPT(fast_syn_twice, LISTEN(8), IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 1), PCBS(2), IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), ACCEPT(0), RECV(100))
SCRIPT(fast_wrong_cookie, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 3, .len = 100),
       OUT(.f = SYN | ACK, .ack = 1, .tfo = 2), ACCEPT(-EAGAIN),
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 101),
       ACCEPT(0), RECV(100))
SCRIPT(fast_reset_before_the_handshake, FAST_LISTEN,
       IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100), OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0),
       IN(.f = RST, .seq = 101), STATE(TCP_CLOSED), RECV(100), RECV_R(1, -ECONNRESET))
SCRIPT(fast_never_finished, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0), OUT_AT(SEC(1), .f = SYN | ACK, .ack = 101),
       OUT_AT(SEC(2), .f = SYN | ACK, .ack = 101), OUT_AT(SEC(4), .f = SYN | ACK, .ack = 101),
       OUT_AT(SEC(8), .f = SYN | ACK, .ack = 101), OUT_AT(SEC(16), .f = SYN | ACK, .ack = 101),
       OUT_AT(SEC(32), .f = SYN | ACK, .ack = 101), QUIET(SEC(64)), STATE(TCP_CLOSED), RECV(100),
       RECV_R(1, -ETIMEDOUT))
SCRIPT(fast_closed_early, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0), RECV(100), SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 101, .len = 10), CLOSE,
       IN(.f = ACK, .seq = 101, .ack = 11), OUT(.f = FIN | ACK, .seq = 11, .ack = 101))
SCRIPT(fast_other_syn_is_challenged, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0), IN(.f = SYN, .seq = 500, .mss = 1460),
       OUT(.f = ACK, .seq = 1, .ack = 101), STATE(TCP_SYN_RECEIVED))
static void close_listener(struct script *s)
{
    if (s->listener)
        tcp_close(s->tcp, s->listener);
    s->listener = NULL;
}
SCRIPT(fast_listener_goes_first, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), ACCEPT(0), DO(close_listener),
       IN(.f = ACK, .seq = 101, .ack = 1), STATE(TCP_ESTABLISHED))
SCRIPT(fast_listener_resets_children, FAST_LISTEN, IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 101), CLOSE, OUT(.f = RST | ACK, .seq = 1, .ack = 101), PCBS(0))

/* 5.1: the queue is bounded; resets count in it for a while. */
#define FAST_SYN(p, a)                                                                             \
    IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 10, .sport = (p)),                                  \
        OUT(.f = SYN | ACK, .ack = (a), .sport = (p))
SCRIPT(fast_queue_is_bounded, FAST_LISTEN, FAST_SYN(1001, 11), FAST_SYN(1002, 11),
       FAST_SYN(1003, 1), IN(.f = ACK, .seq = 11, .ack = 1, .sport = 1001), FAST_SYN(1004, 11),
       FAST_SYN(1005, 1))
SCRIPT(fast_resets_count, FAST_LISTEN, FAST_SYN(1001, 11), IN(.f = RST, .seq = 11, .sport = 1001),
       FAST_SYN(1002, 11), IN(.f = RST, .seq = 11, .sport = 1002), FAST_SYN(1003, 1),
       IN(.f = RST, .seq = 1, .sport = 1003), QUIET(SEC(121)), FAST_SYN(1004, 11))

static void two_keys(struct script *s)
{
    static const uint8_t keys[32] = "0123456789abcdefABCDEFGHIJKLMNO";
    uint8_t a[8], b[8];

    if (!s->listener || tcp_fastopen_keys(s->tcp, s->listener, keys, 2) < 0)
        return;
    tcp_fastopen_cookie(s->tcp, s->listener->fastopen, 0, &s->local.addr, &s->peer.addr, a);
    tcp_fastopen_cookie(s->tcp, s->listener->fastopen, 1, &s->local.addr, &s->peer.addr, b);
    script_assert(s, memcmp(a, b, 8) != 0);
}
static void stack_key_is_second(struct script *s)
{
    uint8_t keys[32] = "0123456789abcdef";
    struct siphash_key key = tcp_fastopen_key(s->tcp);

    put_be32(keys + 16, (uint32_t)(key.k0 >> 32));
    put_be32(keys + 20, (uint32_t)key.k0);
    put_be32(keys + 24, (uint32_t)(key.k1 >> 32));
    put_be32(keys + 28, (uint32_t)key.k1);
    if (s->listener)
        tcp_fastopen_keys(s->tcp, s->listener, keys, 2);
}
SCRIPT(fast_other_keys, FAST_LISTEN, DO(two_keys), IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100),
       OUT(.f = SYN | ACK, .ack = 1, .opts = 16))
/* The second key is still good; the answer brings a cookie of the first. */
SCRIPT(fast_second_key, FAST_LISTEN, DO(stack_key_is_second),
       IN(.f = SYN, .mss = 1460, .tfo = 2, .len = 100), OUT(.f = SYN | ACK, .ack = 101, .opts = 16),
       ACCEPT(0), RECV(100))

Suite *fastopen_suite(void)
{
    Suite *s = suite_create("fastopen");
    TCase *t = tcase_create("client");

    tcase_add_test(t, fast_request);
    tcase_add_test(t, fast_text);
    tcase_add_test(t, fast_text_is_bounded);
    tcase_add_test(t, fast_text_refused);
    tcase_add_test(t, fast_text_taken_in_part);
    tcase_add_test(t, fast_syn_lost);
    tcase_add_test(t, fast_syn_lost_again);
    tcase_add_test(t, fast_syn_ack_late);
    tcase_add_test(t, fast_peer_is_dead);
    tcase_add_test(t, fast_refused);
    tcase_add_test(t, fast_ack_beyond_the_text_is_reset);
    tcase_add_test(t, fast_syn_ack_with_text);
    tcase_add_test(t, fast_simultaneous);
    tcase_add_test(t, fast_unsolicited_cookie_is_ignored);
    tcase_add_test(t, fast_without_cookie);
    tcase_add_test(t, fast_closed_while_it_waits);
    tcase_add_test(t, fast_cache_is_bounded);
    suite_add_tcase(s, t);
    t = tcase_create("server");
    tcase_add_test(t, fast_cookie_is_given);
    tcase_add_test(t, fast_no_queue_no_cookie);
    tcase_add_test(t, fast_accept);
    tcase_add_test(t, fast_answer_lost);
    tcase_add_test(t, fast_syn_ack_lost);
    tcase_add_test(t, fast_syn_twice);
    tcase_add_test(t, fast_wrong_cookie);
    tcase_add_test(t, fast_reset_before_the_handshake);
    tcase_add_test(t, fast_never_finished);
    tcase_add_test(t, fast_closed_early);
    tcase_add_test(t, fast_other_syn_is_challenged);
    tcase_add_test(t, fast_listener_goes_first);
    tcase_add_test(t, fast_listener_resets_children);
    tcase_add_test(t, fast_queue_is_bounded);
    tcase_add_test(t, fast_resets_count);
    tcase_add_test(t, fast_other_keys);
    tcase_add_test(t, fast_second_key);
    suite_add_tcase(s, t);
    return s;
}
