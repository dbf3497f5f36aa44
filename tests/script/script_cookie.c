/* SYN cookies (RFC 4987 3.6), used while a listener's SYN queue is full. */
#include "script.h"

static uint32_t cookie_ts; /* of the last SYN,ACK that was a cookie */

/* 256 SYNs of others fill the queue of a short backlog. */
static void fill(struct script *s)
{
    for (uint16_t i = 0; i < 256; i++) {
        struct sseg g = {.f = SYN, .mss = 1460, .sport = (uint16_t)(1000 + i)};

        script_in(s, &g);
        script_forget_out(s);
    }
}
#define FULL LISTEN(1), DO(fill), PCBS(257)

static void sent_one(struct script *s)
{
    script_assert(s, s->tcp->stats.cookies_sent == 1);
}
static void received_one(struct script *s)
{
    script_assert(s, s->tcp->stats.cookies_received == 1 && s->tcp->stats.cookies_failed == 0);
}
static void failed_one(struct script *s)
{
    script_assert(s, s->tcp->stats.cookies_received == 0 && s->tcp->stats.cookies_failed == 1);
}

/* Nothing is kept, nothing is sent again, and the MSS alone comes through without timestamps. */
SCRIPT(cookie_without_timestamps, FULL, IN(.f = SYN, .mss = 1000, .ws = 4, .sackok = true),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .opts = 4), PCBS(257), DO(sent_one),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1, .win = 3000), PCBS(258), DO(received_one),
       STATE(TCP_ESTABLISHED), ACCEPT(0), SEND(5000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 536, .opts = 0),
       OUT(.f = ACK, .seq = 537, .ack = 1, .len = 536),
       OUT(.f = ACK, .seq = 1073, .ack = 1, .len = 536),
       OUT(.f = ACK, .seq = 1609, .ack = 1, .len = 536),
       OUT(.f = ACK, .seq = 2145, .ack = 1, .len = 536))

/* ... and the rest with them. */
static void syn_with_options(struct script *s)
{
    struct sseg g = {.f = SYN, .mss = 1400, .ws = 8, .sackok = true, .ts = true, .ts_val = 55};
    const struct captured *c;

    script_in(s, &g);
    c = &s->out[s->out_head];
    script_assert(s, s->out_len == 1 && c->h.flags == (SYN | ACK) && c->opt.has_ts &&
                         c->opt.ts_ecr == 55 && c->opt.has_wscale && c->opt.wscale == 7 &&
                         c->opt.sack_permitted && c->opt.mss == 1460);
    cookie_ts = c->opt.ts_val;
    script_forget_out(s);
}
static void ack_with_echo(struct script *s)
{
    struct sseg g = {.f = ACK, .seq = 1, .ack = 1, .win = 500, .ts = true, .ts_val = 56};

    g.ts_ecr = cookie_ts - (uint32_t)(s->t0_us / 1000); /* no pcb: the script adds no offset */
    script_in(s, &g);
}
static void options_came(struct script *s)
{
    struct tcp_pcb *pcb = script_pcb(s);

    script_assert(s, pcb && pcb->snd_wscale == 7 && pcb->wscale_ok && pcb->sack_ok && pcb->ts_ok &&
                         pcb->snd_wnd == 500 << 7 && pcb->rcv_wscale == 7 && pcb->peer_mss == 1400);
}
SCRIPT(cookie_with_timestamps, FULL, DO(syn_with_options), PCBS(257), QUIET(MS(10)),
       DO(ack_with_echo), STATE(TCP_ESTABLISHED), DO(options_came), ACCEPT(0), SEND(100),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100, .ts = true, .ts_ecr = 56))

SCRIPT(cookie_acked_with_text, FULL, IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 100), OUT(.f = ACK, .seq = 1, .ack = 101),
       ACCEPT(0), RECV(100))

/* The ACK was lost: the first segment of text does as well. */
SCRIPT(cookie_acked_late, FULL, IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN_AT(MS(900), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 10, .win = 1000),
       OUT(.f = ACK, .seq = 1, .ack = 11), ACCEPT(0), RECV(10))

/* TCP_DEFER_ACCEPT would have nothing to wait with: who has answered a cookie is let in. */
static void defer(struct script *s)
{
    if (s->listener)
        tcp_config(s->listener)->defer_accept = 3;
}
SCRIPT(cookie_does_not_wait_for_text, FULL, DO(defer), IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED),
       ACCEPT(0))

SCRIPT(cookie_of_another_syn_is_reset, FULL, IN(.f = SYN, .mss = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 2, .ack = 1), OUT(.f = RST, .seq = 1),
       PCBS(257), DO(failed_one))

SCRIPT(cookie_that_is_none_is_reset, FULL, IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1),
       IN(.f = ACK, .seq = 1, .ack = 2), OUT(.f = RST, .seq = 2), PCBS(257), DO(failed_one))

/* Without a flood there is nothing to guess at. */
static void forge(struct script *s)
{
    struct sseg g = {.f = ACK, .seq = 1, .ack = 1};

    s->iss = tcp_cookie_make(s->tcp, &s->local, &s->peer, s->irs, 1460);
    script_in(s, &g);
    script_assert(s, s->out_len == 1 && s->out[s->out_head].h.flags == RST);
    script_assert(s, s->tcp->pcbs.live == 1 && s->tcp->stats.cookies_failed == 0);
    script_forget_out(s);
}
SCRIPT(cookie_is_no_good_without_a_flood, LISTEN(1), DO(forge))

/* The accept queue stays the limit: a full one loses the ACK. */
static void two_wait(struct script *s)
{
    for (uint16_t port = 2000; port < 2002; port++) {
        struct sseg syn = {.f = SYN, .mss = 1460, .sport = port};
        struct sseg ack = {.f = ACK, .seq = 1, .ack = 1, .sport = port};

        script_in(s, &syn);
        script_in(s, &ack);
        script_forget_out(s);
    }
}
static void take(struct script *s)
{
    struct tcp_pcb *child = s->listener ? tcp_accept(s->tcp, s->listener) : NULL;

    script_assert(s, child != NULL);
    if (!child)
        return;
    tcp_set_owner(child, s);
    tcp_abort(s->tcp, child);
    script_forget_out(s);
}
static void one_more(struct script *s)
{
    struct sseg ack = {.f = ACK, .seq = 1, .ack = 1, .sport = 1000};

    script_in(s, &ack);
}
SCRIPT(cookie_full_accept_queue, LISTEN(1), DO(two_wait), PCBS(3), IN(.f = SYN, .mss = 1460),
       DO(take), DO(fill), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1), PCBS(258),
       DO(one_more), IN(.f = ACK, .seq = 1, .ack = 1), PCBS(258), DO(take), PCBS(257),
       IN(.f = ACK, .seq = 1, .ack = 1), STATE(TCP_ESTABLISHED), PCBS(258))

Suite *cookie_suite(void)
{
    Suite *s = suite_create("cookie");
    TCase *t = tcase_create("cookie");

    tcase_add_test(t, cookie_without_timestamps);
    tcase_add_test(t, cookie_with_timestamps);
    tcase_add_test(t, cookie_acked_with_text);
    tcase_add_test(t, cookie_acked_late);
    tcase_add_test(t, cookie_does_not_wait_for_text);
    tcase_add_test(t, cookie_of_another_syn_is_reset);
    tcase_add_test(t, cookie_that_is_none_is_reset);
    tcase_add_test(t, cookie_is_no_good_without_a_flood);
    tcase_add_test(t, cookie_full_accept_queue);
    suite_add_tcase(s, t);
    return s;
}
