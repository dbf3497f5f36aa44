/* The scoreboard (tcp_sent.c, tcp_sack.c) against a model that keeps a mark for each byte. */
#include "test_tcp.h"

#define MSS   100u
#define BYTES 4096u /* the model's window */

enum mark { NEVER, SENT, SACKED };

static struct {
    uint8_t at[BYTES]; /* enum mark, by sequence number modulo BYTES */
    uint32_t una, nxt;
} model;
static struct rng dice;

static void start_at(uint32_t seq)
{
    world_open();
    w.pcb->snd_mss = MSS;
    w.pcb->sack_ok = true;
    w.pcb->state = TCP_ESTABLISHED;
    w.pcb->iss = seq - 1;
    w.pcb->snd_una = w.pcb->snd_nxt = seq;
    w.pcb->snd_wnd_max = BYTES;
    w.pcb->min_rtt_us = 1000;
    tcp_recover_init(w.pcb);
    memset(&model, 0, sizeof(model));
    model.una = model.nxt = seq;
}

static void end(void)
{
    tcp_sent_clear(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.tcp.sents.live, w.tcp.sents_kept);
    w.pcb->state = TCP_CLOSED;
    world_close();
}

static void check(void)
{
    const char *wrong = tcp_sent_check(w.pcb);

    ck_assert_msg(!wrong, "%s", wrong);
}

static bool put(uint32_t len)
{
    uint32_t end = w.pcb->snd_nxt + len;

    if (!tcp_sent_reserve(&w.tcp, w.pcb))
        return false;
    tcp_sent_add(&w.tcp, w.pcb, end, false);
    for (; model.nxt != end; model.nxt++)
        model.at[model.nxt % BYTES] = SENT;
    w.pcb->snd_nxt = end;
    check();
    return true;
}

static struct tcp_acked input(uint32_t ack, const struct tcp_sack_block *b, unsigned n)
{
    struct tcp_seg seg = {.ack = ack, .opt = {.sack_len = (uint8_t)n}};
    struct tcp_acked a;

    for (unsigned i = 0; i < n; i++)
        seg.opt.sack[i] = b[i];
    tcp_recover_seen(w.pcb, &seg, &a);
    tcp_sack_input(&w.tcp, w.pcb, &a);
    if (seq_gt(ack, w.pcb->snd_una)) {
        w.pcb->snd_una = ack;
        tcp_sent_acked(&w.tcp, w.pcb, &a);
    }
    for (; seq_lt(model.una, ack); model.una++)
        model.at[model.una % BYTES] = NEVER;
    check();
    return a;
}

static uint32_t sack(uint32_t start, uint32_t end)
{
    const struct tcp_sack_block b = {start, end};
    struct tcp_acked a = input(w.pcb->snd_una, &b, 1);

    return a.delivered;
}

static unsigned records(void)
{
    unsigned n = 0;

    LIST_FOREACH (r, &w.pcb->sent_seq)
        n++;
    return n;
}

/* Every start is also tried across the wrap of the number circle. */
static const uint32_t starts[] = {5000, 0xffffff9c, 0xfffffe00, 0x7fffff00};

START_TEST(split_and_join)
{
    uint32_t s = starts[_i];

    start_at(s);
    put(10 * MSS);
    ck_assert_uint_eq(records(), 1);
    ck_assert_uint_eq(sack(s + 3 * MSS, s + 5 * MSS), 2 * MSS);
    ck_assert_uint_eq(records(), 3);
    ck_assert_uint_eq(sack(s + 3 * MSS, s + 5 * MSS), 0); /* old news */
    ck_assert_uint_eq(sack(s + 6 * MSS, s + 10 * MSS), 4 * MSS);
    ck_assert_uint_eq(records(), 4);
    ck_assert_uint_eq(w.pcb->sacked_segs, 6);
    ck_assert_uint_eq(sack(s + 2 * MSS, s + 9 * MSS), 2 * MSS); /* closes the gap */
    ck_assert_uint_eq(records(), 2);
    ck_assert_uint_eq(w.pcb->sacked_bytes, 8 * MSS);
    ck_assert_uint_eq(tcp_sent_pipe(w.pcb), 2 * MSS);
    input(s + 10 * MSS, NULL, 0);
    ck_assert_uint_eq(records(), 0);
    ck_assert_uint_eq(w.pcb->delivered, 10 * MSS);
    end();
}
END_TEST

START_TEST(edges_inside_segments)
{
    uint32_t s = starts[_i];

    start_at(s);
    put(5 * MSS + 30);
    ck_assert_uint_eq(sack(s + 1, s + MSS), 0);
    ck_assert_uint_eq(sack(s + MSS + 50, s + 3 * MSS + 50), MSS);
    ck_assert_uint_eq(sack(s + 4 * MSS, s + 5 * MSS + 30), MSS + 30); /* the short one at the end */
    ck_assert_uint_eq(sack(s + 5 * MSS + 30, s + 6 * MSS), 0);
    input(s + 50, NULL, 0); /* acknowledged in the middle of a segment */
    ck_assert_uint_eq(w.pcb->delivered, 2 * MSS + 30 + 50);
    end();
}
END_TEST

/* RFC 6675: the pipe is what is neither SACKed nor lost, and what was sent again. */
START_TEST(marks_and_sums)
{
    uint32_t s = starts[_i];
    struct tcp_sent *r;

    start_at(s);
    for (int i = 0; i < 5; i++)
        put(MSS);
    r = tcp_sent_find(w.pcb, s + 2 * MSS + 5);
    ck_assert_uint_eq(r->seq, s + 2 * MSS);
    tcp_sent_lose(w.pcb, r);
    tcp_sent_lose(w.pcb, r); /* twice is once */
    check();
    ck_assert_uint_eq(w.pcb->lost_total, MSS);
    ck_assert_uint_eq(tcp_sent_pipe(w.pcb), 4 * MSS);
    tcp_sent_again(&w.tcp, w.pcb, r);
    check();
    ck_assert_uint_eq(tcp_sent_pipe(w.pcb), 5 * MSS);
    tcp_sent_lose(w.pcb, r); /* and lost again */
    check();
    ck_assert_uint_eq(w.pcb->lost_total, 2 * MSS);
    tcp_sent_lose(w.pcb, tcp_sent_first(w.pcb));
    ck_assert_ptr_eq(w.pcb->sent_lost.next, &tcp_sent_first(w.pcb)->by_time); /* by number */
    ck_assert_uint_eq(sack(s + 2 * MSS, s + 3 * MSS), MSS);
    ck_assert_uint_eq(w.pcb->lost_bytes, MSS);
    ck_assert_uint_eq(w.pcb->retrans_bytes, 0);
    end();
}
END_TEST

/* RFC 8985 6: the order of transmission is kept, whatever is taken out and put back. */
START_TEST(order_of_time)
{
    struct tcp_sent *r;

    start_at(5000);
    for (int i = 0; i < 6; i++) {
        put(MSS);
        w.net.now_us += 10;
    }
    r = tcp_sent_find(w.pcb, 5000 + 2 * MSS);
    tcp_sent_lose(w.pcb, r);
    tcp_sent_mark(w.pcb, r, 0, TCP_SENT_LOST); /* it was not */
    check();
    ck_assert_ptr_eq(w.pcb->sent_time.next->next->next, &r->by_time);
    tcp_sent_again(&w.tcp, w.pcb, r);
    check();
    ck_assert_ptr_eq(w.pcb->sent_time.prev, &r->by_time);
    end();
}
END_TEST

/* All that was thought lost goes back to its time. */
START_TEST(nothing_is_lost)
{
    struct tcp_sent *r, *sixth;

    start_at(5000);
    for (int i = 0; i < 20; i++) {
        put(MSS);
        w.net.now_us += i % 3;
    }
    for (r = tcp_sent_first(w.pcb); r; r = tcp_sent_next(w.pcb, r))
        if ((r->seq - 5000) / MSS % 4 != 1)
            tcp_sent_lose(w.pcb, r);
    sixth = tcp_sent_find(w.pcb, 5000 + 6 * MSS);
    tcp_sent_again(&w.tcp, w.pcb, sixth);
    check();
    tcp_sent_unlose(w.pcb);
    check();
    ck_assert(list_empty(&w.pcb->sent_lost));
    ck_assert_uint_eq(w.pcb->lost_bytes, 0);
    ck_assert_uint_eq(w.pcb->retrans_bytes, MSS);
    ck_assert_ptr_eq(w.pcb->sent_time.prev, &sixth->by_time);
    end();
}
END_TEST

/* Without memory for a record the last one grows, if it is as it was; else nothing goes. */
START_TEST(no_memory_for_a_record)
{
    start_at(5000);
    arena_fail_at(w.arena, 1);
    ck_assert(put(MSS)); /* the very first has a reserve */
    input(5000 + MSS, NULL, 0);
    end();
    start_at(5000);
    tcp_sent_stop(&w.tcp);
    arena_fail_at(w.arena, 1);
    ck_assert(!put(MSS));
    ck_assert(put(MSS));
    arena_fail_at(w.arena, 1);
    ck_assert(put(2 * MSS));
    ck_assert_uint_eq(records(), 1);
    ck_assert_uint_eq(tcp_sent_first(w.pcb)->segs, 3);
    ck_assert(tcp_sent_first(w.pcb)->flags & TCP_SENT_NO_TIME);
    tcp_sent_lose(w.pcb, tcp_sent_first(w.pcb));
    arena_fail_at(w.arena, 1);
    ck_assert(!put(MSS));
    arena_fail_at(w.arena, 1); /* a split that fails leaves things as they were */
    ck_assert_uint_eq(sack(5000 + MSS, 5000 + 2 * MSS), 0);
    ck_assert_uint_eq(records(), 1);
    ck_assert_uint_eq(sack(5000 + MSS, 5000 + 2 * MSS), MSS);
    end();
}
END_TEST

/* ---- at random, against the model ---- */

static void random_block(struct tcp_sack_block *b)
{
    uint32_t flight = model.nxt - model.una;

    b->start = model.una + MSS / 2 + rng_below(&dice, flight);
    b->end = b->start + rng_below(&dice, 6 * MSS);
    if (rng_below(&dice, 4)) { /* mostly whole segments */
        b->start -= (b->start - 5000) % MSS;
        b->end -= (b->end - 5000) % MSS;
    }
}

/* SACKed bytes never are more than what the blocks said, nor ever lose their mark. */
static void note_block(const struct tcp_sack_block *b, uint32_t ack)
{
    if (!seq_lt(b->start, b->end) || !seq_gt(b->start, seq_max(model.una, ack)) ||
        seq_gt(b->end, model.nxt))
        return;
    for (uint32_t q = b->start; q != b->end; q++)
        model.at[q % BYTES] = SACKED;
}

static void compare(void)
{
    bool same = true; /* an assertion for each byte would take long */

    LIST_FOREACH (n, &w.pcb->sent_seq) {
        const struct tcp_sent *r = container_of(n, struct tcp_sent, by_seq);
        for (uint32_t q = r->seq; q != r->end && r->flags & TCP_SENT_SACKED; q++)
            same = same && model.at[q % BYTES] == SACKED;
    }
    ck_assert_msg(same, "a byte counts as SACKed that is not");
    ck_assert_uint_eq(w.pcb->snd_una, model.una);
    ck_assert_uint_eq(w.pcb->snd_nxt, model.nxt);
}

static void random_step(void)
{
    uint32_t flight = model.nxt - model.una;
    struct tcp_sack_block b[3];
    struct tcp_sent *r;

    w.net.now_us += rng_below(&dice, 50);
    switch (rng_below(&dice, 6)) {
    case 0:
    case 1:
        if (flight + 8 * MSS < BYTES)
            put(MSS * (1 + rng_below(&dice, 7)) + (rng_below(&dice, 5) ? 0 : 30));
        break;
    case 2:
    case 3:
        for (int i = 0; flight && i < 3; i++) {
            random_block(&b[i]);
            note_block(&b[i], model.una);
        }
        if (flight)
            input(model.una, b, 3);
        break;
    case 4:
        if (flight)
            input(model.una + rng_below(&dice, u32_min(flight, 5 * MSS) + 1), NULL, 0);
        break;
    case 5:
        r = flight ? tcp_sent_find(w.pcb, model.una + rng_below(&dice, flight)) : NULL;
        if (r && !(r->flags & TCP_SENT_SACKED)) {
            if (!(r->flags & TCP_SENT_LOST) || rng_below(&dice, 2))
                tcp_sent_lose(w.pcb, r);
            else if (!(r->flags & TCP_SENT_RETRANS))
                tcp_sent_again(&w.tcp, w.pcb, r);
        }
        check();
        break;
    }
    compare();
}

START_TEST(random_life)
{
    rng_seed(&dice, (uint64_t)_i + 1);
    start_at(starts[_i % 4]);
    for (int i = 0; i < 3000; i++) {
        if (_i >= 4) /* memory fails now and then */
            arena_fail_at(w.arena, 1 + rng_below(&dice, 8));
        random_step();
    }
    arena_fail_at(w.arena, 0);
    end();
}
END_TEST

/* A SACK costs what it brings, however long the window: 40,000 segments, each SACKed by itself. */
START_TEST(large_window)
{
    start_at(0xfff00000);
    w.pcb->snd_wnd_max = 40000 * MSS;
    for (int i = 0; i < 40000; i++) {
        ck_assert(tcp_sent_reserve(&w.tcp, w.pcb));
        tcp_sent_add(&w.tcp, w.pcb, w.pcb->snd_nxt + MSS, false);
        w.pcb->snd_nxt += MSS;
    }
    for (uint32_t i = 2; i < 40000; i += 2) { /* every other one */
        struct tcp_seg seg = {.ack = w.pcb->snd_una, .opt = {.sack_len = 1}};
        struct tcp_acked a;
        seg.opt.sack[0].start = w.pcb->snd_una + i * MSS;
        seg.opt.sack[0].end = seg.opt.sack[0].start + MSS;
        tcp_recover_seen(w.pcb, &seg, &a);
        tcp_sack_input(&w.tcp, w.pcb, &a);
        ck_assert_uint_eq(a.delivered, MSS);
    }
    check();
    ck_assert_uint_eq(w.pcb->sacked_segs, 19999);
    end();
}
END_TEST

TCase *test_tcp_sent(void)
{
    TCase *t = tcase_create("sent");

    tcase_add_loop_test(t, split_and_join, 0, 4);
    tcase_add_loop_test(t, edges_inside_segments, 0, 4);
    tcase_add_loop_test(t, marks_and_sums, 0, 4);
    tcase_add_test(t, order_of_time);
    tcase_add_test(t, nothing_is_lost);
    tcase_add_test(t, no_memory_for_a_record);
    tcase_add_loop_test(t, random_life, 0, 8);
    tcase_add_test(t, large_window);
    return t;
}
