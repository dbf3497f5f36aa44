/* SYN cookies (RFC 4987 3.6). */
#include "test_tcp.h"

#define IRS    0x12345678u
#define PERIOD UINT64_C(64000000)

static uint32_t make(uint32_t mss)
{
    return tcp_cookie_make(&w.tcp, &w.pcb->local, &w.pcb->remote, IRS, mss);
}
static uint32_t check(uint32_t cookie)
{
    return tcp_cookie_mss(&w.tcp, &w.pcb->local, &w.pcb->remote, IRS, cookie);
}

START_TEST(cookie_keeps_an_mss_not_above_the_peer_s)
{
    static const uint32_t mss[][2] = {{1, 48},      {48, 48},     {535, 48},    {536, 536},
                                      {1219, 536},  {1220, 1220}, {1300, 1220}, {1360, 1360},
                                      {1400, 1400}, {1440, 1440}, {1452, 1440}, {1460, 1460},
                                      {8959, 1460}, {8960, 8960}, {65535, 8960}};

    for (size_t i = 0; i < sizeof(mss) / sizeof(mss[0]); i++)
        ck_assert_uint_eq(check(make(mss[i][0])), mss[i][1]);
}
END_TEST

START_TEST(cookie_is_good_for_its_flow_only)
{
    uint32_t cookie = make(1460);
    struct endpoint local = w.pcb->local, remote = w.pcb->remote;

    ck_assert_uint_eq(tcp_cookie_mss(&w.tcp, &local, &remote, IRS + 1, cookie), 0);
    local.port++;
    ck_assert_uint_eq(tcp_cookie_mss(&w.tcp, &local, &remote, IRS, cookie), 0);
    local.port--;
    remote.port++;
    ck_assert_uint_eq(tcp_cookie_mss(&w.tcp, &local, &remote, IRS, cookie), 0);
    remote.port--;
    remote.addr = addr_v4(0xc0000203);
    ck_assert_uint_eq(tcp_cookie_mss(&w.tcp, &local, &remote, IRS, cookie), 0);
    w.tcp.isn_key.k1++;
    ck_assert_uint_eq(check(cookie), 0);
    w.tcp.isn_key.k1--;
    ck_assert_uint_eq(check(cookie), 1460);
}
END_TEST

START_TEST(cookie_cannot_be_changed)
{
    uint32_t cookie = make(1460);

    for (unsigned bit = 0; bit < 32; bit++)
        ck_assert_uint_eq(check(cookie ^ 1u << bit), 0);
    ck_assert_uint_eq(check(cookie + 1), 0);
}
END_TEST

/* Of 32 bits only 2 periods times 8 sizes are good: of 2,000,000 random numbers hardly one. */
START_TEST(cookie_cannot_be_guessed)
{
    struct rng rng;
    unsigned hits = 0;

    rng_seed(&rng, 7);
    for (int i = 0; i < 2000000; i++)
        hits += check(rng_u32(&rng)) != 0;
    ck_assert_uint_le(hits, 1);
}
END_TEST

START_TEST(cookie_ages)
{
    uint32_t cookie;

    w.net.now_us = 100 * PERIOD; /* a period begins */
    cookie = make(1460);
    w.net.now_us += 2 * PERIOD - 1;
    ck_assert_uint_eq(check(cookie), 1460);
    w.net.now_us += 1;
    ck_assert_uint_eq(check(cookie), 0);
    for (int i = 0; i < 12; i++) { /* also when the low bits of the period come round again */
        w.net.now_us += PERIOD;
        ck_assert_uint_eq(check(cookie), 0);
    }
    w.net.now_us = 101 * PERIOD - 1; /* made at the end of one, it lives through the next */
    cookie = make(536);
    w.net.now_us = 102 * PERIOD - 1;
    ck_assert_uint_eq(check(cookie), 536);
    w.net.now_us = 102 * PERIOD;
    ck_assert_uint_eq(check(cookie), 0);
}
END_TEST

START_TEST(cookie_differs_from_period_to_period)
{
    uint32_t a = make(1460), b;

    w.net.now_us += PERIOD;
    b = make(1460);
    ck_assert_uint_ne(a & 0x7ffffff, b & 0x7ffffff);
    w.net.now_us = 0; /* right after the start there is no period before */
    ck_assert_uint_eq(check(make(1460)), 1460);
    ck_assert_uint_eq(check(a), 0);
}
END_TEST

START_TEST(cookie_timestamp_carries_the_options)
{
    for (uint32_t clock = 0xffffffc0; clock != 0x80; clock++) {
        for (unsigned n = 0; n < 64; n++) {
            struct tcp_options in = {.has_ts = true}, out = {.has_mss = true};
            uint32_t ts;

            in.has_wscale = (n & 15) != 15;
            in.wscale = in.has_wscale ? n & 15 : 0;
            in.sack_permitted = n & 16;
            ts = tcp_cookie_ts(clock, &in, n & 32);
            ck_assert(seq_le(ts, clock) && clock - ts < 64);
            ck_assert(tcp_cookie_ts_options(ts, &out) == ((n & 32) != 0));
            ck_assert_uint_eq(out.has_wscale, in.has_wscale);
            ck_assert_uint_eq(out.wscale, in.wscale);
            ck_assert_uint_eq(out.sack_permitted, in.sack_permitted);
        }
    }
}
END_TEST

TCase *test_tcp_cookie(void)
{
    TCase *t = tcase_create("cookie");

    tcase_add_checked_fixture(t, world_open, world_close);
    tcase_add_test(t, cookie_keeps_an_mss_not_above_the_peer_s);
    tcase_add_test(t, cookie_is_good_for_its_flow_only);
    tcase_add_test(t, cookie_cannot_be_changed);
    tcase_add_test(t, cookie_cannot_be_guessed);
    tcase_add_test(t, cookie_ages);
    tcase_add_test(t, cookie_differs_from_period_to_period);
    tcase_add_test(t, cookie_timestamp_carries_the_options);
    return t;
}
