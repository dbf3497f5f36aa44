/* RFC 6528. */
#include "test_tcp.h"

static const struct endpoint *local(void)
{
    return &w.pcb->local;
}

/* RFC 9293 3.4.1, MUST-8 */
START_TEST(iss_rises_with_time)
{
    uint32_t a = tcp_iss_choose(&w.tcp, local(), &w.pcb->remote);

    ck_assert_uint_eq(tcp_iss_choose(&w.tcp, local(), &w.pcb->remote), a);
    w.net.now_us += 4;
    ck_assert_uint_eq(tcp_iss_choose(&w.tcp, local(), &w.pcb->remote), a + 1);
    w.net.now_us += 1000000;
    ck_assert_uint_eq(tcp_iss_choose(&w.tcp, local(), &w.pcb->remote), a + 250001);
}
END_TEST

START_TEST(iss_of_other_flows_tells_nothing)
{
    struct endpoint other = w.pcb->remote;
    uint32_t seen[64], a = tcp_iss_choose(&w.tcp, local(), &other);

    for (uint16_t i = 0; i < 64; i++) {
        other.port = (uint16_t)(w.pcb->remote.port + 1 + i);
        seen[i] = tcp_iss_choose(&w.tcp, local(), &other);
        ck_assert_uint_gt(seen[i] - a + 1000000, 2000000); /* nowhere near */
        for (uint16_t k = 0; k < i; k++)
            ck_assert_uint_ne(seen[i], seen[k]);
    }
}
END_TEST

/* RFC 9293 3.4.1, MUST-9 */
START_TEST(iss_depends_on_the_secret)
{
    uint32_t a = tcp_iss_choose(&w.tcp, local(), &w.pcb->remote);

    w.tcp.isn_key.k0++;
    ck_assert_uint_ne(tcp_iss_choose(&w.tcp, local(), &w.pcb->remote), a);
}
END_TEST

/* RFC 7323 5.4, 7.1 */
START_TEST(timestamp_offset_is_the_flow_s)
{
    struct endpoint other = w.pcb->remote;
    uint32_t a = tcp_iss_ts_offset(&w.tcp, local(), &other);

    w.net.now_us += 123456789;
    ck_assert_uint_eq(tcp_iss_ts_offset(&w.tcp, local(), &other), a);
    other.port++;
    ck_assert_uint_ne(tcp_iss_ts_offset(&w.tcp, local(), &other), a);
    ck_assert_uint_ne(
        tcp_iss_choose(&w.tcp, local(), &w.pcb->remote) - (uint32_t)(w.net.now_us / 4), a);
}
END_TEST

TCase *test_tcp_iss(void)
{
    TCase *t = tcase_create("iss");

    tcase_add_checked_fixture(t, world_open, world_close);
    tcase_add_test(t, iss_rises_with_time);
    tcase_add_test(t, iss_of_other_flows_tells_nothing);
    tcase_add_test(t, iss_depends_on_the_secret);
    tcase_add_test(t, timestamp_offset_is_the_flow_s);
    return t;
}
