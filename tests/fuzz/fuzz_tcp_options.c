/*
 * TCP options: what was read, whole area or not, fits when written and reads back the same; only
 * SACK blocks may fall off the end. What was written once is written the same again.
 */
#include "wire/tcp_options.h"

#include "fuzz.h"

static void check_ranges(const struct tcp_options *o)
{
    FUZZ_CHECK(!o->has_mss || o->mss > 0);
    FUZZ_CHECK(o->wscale <= TCP_WSCALE_MAX);
    FUZZ_CHECK(o->sack_len <= TCP_SACK_MAX);
    FUZZ_CHECK(o->tfo_len <= sizeof(o->tfo_cookie) && o->tfo_len % 2 == 0);
}

static void check_same(const struct tcp_options *a, const struct tcp_options *b)
{
    FUZZ_CHECK(a->has_mss == b->has_mss && a->mss == b->mss);
    FUZZ_CHECK(a->has_wscale == b->has_wscale && a->wscale == b->wscale);
    FUZZ_CHECK(a->has_ts == b->has_ts && a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr);
    FUZZ_CHECK(a->sack_permitted == b->sack_permitted);
    FUZZ_CHECK(a->has_tfo == b->has_tfo && a->tfo_len == b->tfo_len);
    FUZZ_CHECK(memcmp(a->tfo_cookie, b->tfo_cookie, a->tfo_len) == 0);
}

FUZZ_TARGET(tcp_options)
{
    struct tcp_options o, back;
    uint8_t first[TCP_OPTIONS_MAX], second[TCP_OPTIONS_MAX];
    size_t n;

    /* A segment has at most 40 bytes of options; a parser that is given more must still stay
     * inside. */
    (void)tcp_options_parse(data, len, &o);
    check_ranges(&o);
    n = tcp_options_emit(&o, first);
    FUZZ_CHECK(n <= TCP_OPTIONS_MAX && n % 4 == 0);
    FUZZ_CHECK(tcp_options_parse(first, n, &back) == 0);
    check_same(&o, &back);
    FUZZ_CHECK(back.sack_len <= o.sack_len);
    FUZZ_CHECK(memcmp(back.sack, o.sack, back.sack_len * sizeof(o.sack[0])) == 0);
    FUZZ_CHECK(tcp_options_emit(&back, second) == n);
    FUZZ_CHECK(memcmp(first, second, n) == 0);
    return 0;
}
