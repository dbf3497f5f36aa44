/* States, tables, memory. */
#include "test_tcp.h"

#define STATES (TCP_TIME_WAIT + 1)

/* RFC 9293 Figure 5, and CLOSED from everywhere. */
static const bool legal[STATES][STATES] = {
    [TCP_CLOSED] = {[TCP_LISTEN] = true, [TCP_SYN_SENT] = true, [TCP_SYN_RECEIVED] = true},
    [TCP_LISTEN] = {[TCP_CLOSED] = true},
    [TCP_SYN_SENT] = {[TCP_CLOSED] = true, [TCP_SYN_RECEIVED] = true, [TCP_ESTABLISHED] = true},
    [TCP_SYN_RECEIVED] = {[TCP_CLOSED] = true, [TCP_ESTABLISHED] = true, [TCP_FIN_WAIT_1] = true},
    [TCP_ESTABLISHED] = {[TCP_CLOSED] = true, [TCP_FIN_WAIT_1] = true, [TCP_CLOSE_WAIT] = true},
    [TCP_FIN_WAIT_1] = {[TCP_CLOSED] = true,
                        [TCP_FIN_WAIT_2] = true,
                        [TCP_CLOSING] = true,
                        [TCP_TIME_WAIT] = true},
    [TCP_FIN_WAIT_2] = {[TCP_CLOSED] = true, [TCP_TIME_WAIT] = true},
    [TCP_CLOSE_WAIT] = {[TCP_CLOSED] = true, [TCP_LAST_ACK] = true},
    [TCP_CLOSING] = {[TCP_CLOSED] = true, [TCP_TIME_WAIT] = true},
    [TCP_LAST_ACK] = {[TCP_CLOSED] = true},
    [TCP_TIME_WAIT] = {[TCP_CLOSED] = true},
};

/* RFC 9293 3.3.2 */
START_TEST(legal_edges)
{
    for (int from = 0; from < STATES; from++) {
        for (int to = 0; to < STATES; to++) {
            uint64_t before = w.tcp.stats.illegal_edges;
            w.pcb->state = (uint8_t)from;
            w.tcp.stats.curr_estab = 1;
            tcp_set_state(&w.tcp, w.pcb, (enum tcp_state)to);
            ck_assert_uint_eq(w.pcb->state, (unsigned)to);
            ck_assert_msg((w.tcp.stats.illegal_edges == before) == (legal[from][to] || from == to),
                          "%s to %s", tcp_state_name((enum tcp_state)from),
                          tcp_state_name((enum tcp_state)to));
        }
    }
    w.pcb->state = TCP_CLOSED;
}
END_TEST

static unsigned traced;
static const char *last_from, *last_to;
static void trace(void *ctx, const struct trace_event *ev)
{
    ck_assert_int_eq(ev->kind, TRACE_TCP_STATE);
    ck_assert_uint_eq(ev->local.port, 80);
    ck_assert_uint_eq(ev->now_us, w.net.now_us);
    last_from = ev->from;
    last_to = ev->to;
    traced++;
}

START_TEST(changes_are_traced)
{
    const struct net_env *before = w.net.env;
    struct net_env env = {.up = before->up, .output = before->output, .trace = trace};

    w.net.env = &env;
    tcp_set_state(&w.tcp, w.pcb, TCP_SYN_SENT);
    ck_assert_uint_eq(traced, 1);
    ck_assert_str_eq(last_from, "CLOSED");
    ck_assert_str_eq(last_to, "SYN_SENT");
    tcp_set_state(&w.tcp, w.pcb, TCP_SYN_SENT); /* no change */
    ck_assert_uint_eq(traced, 1);
    w.net.env = before;
}
END_TEST

START_TEST(idle_connection_is_small)
{
    struct ring none;

    ck_assert_uint_le(tcp_pcb_bytes(), 1536);
    ring_init(&none, w.arena, 0);
    ck_assert_uint_eq(ring_memory(&none), 0);
}
END_TEST

START_TEST(flows_are_found)
{
    struct endpoint other = w.pcb->remote;

    ck_assert_ptr_null(tcp_flow_find(&w.tcp, &w.pcb->local, &other));
    tcp_flow_insert(&w.tcp, w.pcb);
    ck_assert_ptr_eq(tcp_flow_find(&w.tcp, &w.pcb->local, &other), w.pcb);
    ck_assert_ptr_null(tcp_flow_find(&w.tcp, &other, &w.pcb->local));
    other.port++;
    ck_assert_ptr_null(tcp_flow_find(&w.tcp, &w.pcb->local, &other));
    tcp_flow_remove(&w.tcp, w.pcb);
    tcp_flow_remove(&w.tcp, w.pcb); /* twice is no harm */
    ck_assert_ptr_null(tcp_flow_find(&w.tcp, &w.pcb->local, &w.pcb->remote));
}
END_TEST

/* Without memory a connection in TIME_WAIT gives way, the oldest first. */
START_TEST(time_wait_gives_way)
{
    struct tcp_pcb *old[4], *p;
    unsigned n = 0;

    for (uint16_t i = 0; i < 4; i++) {
        old[i] = tcp_open(&w.tcp, &w);
        old[i]->state = TCP_FIN_WAIT_2;
        old[i]->orphan = true;
        old[i]->owner = NULL;
        w.tcp.orphans++;
        old[i]->local = w.pcb->local;
        old[i]->remote = w.pcb->remote;
        old[i]->remote.port = (uint16_t)(i + 1);
        tcp_flow_insert(&w.tcp, old[i]);
        tcp_timewait_enter(&w.tcp, old[i]);
    }
    arena_set_limit(w.arena, arena_stats(w.arena).used_bytes); /* not a page more */
    while (w.tcp.stats.time_wait_recycled == 0 && n < 100) {
        ck_assert_ptr_nonnull(p = tcp_open(&w.tcp, &w)); /* leaked into the arena, which goes */
        n++;
    }
    ck_assert_ptr_eq(p, old[0]);
    ck_assert_ptr_eq(tcp_open(&w.tcp, &w), old[1]);
    ck_assert_ptr_eq(tcp_open(&w.tcp, &w), old[2]);
    ck_assert_ptr_eq(tcp_open(&w.tcp, &w), old[3]);
    ck_assert_ptr_null(tcp_open(&w.tcp, &w));
    ck_assert_uint_eq(w.tcp.orphans, 0);
    for (struct tcp_pcb *pcb = slab_next(&w.tcp.pcbs, NULL), *next; pcb; pcb = next) {
        next = slab_next(&w.tcp.pcbs, pcb);
        if (pcb != w.pcb)
            tcp_close(&w.tcp, pcb);
    }
}
END_TEST

TCase *test_tcp_pcb(void)
{
    TCase *t = tcase_create("pcb");

    tcase_add_checked_fixture(t, world_open, world_close);
    tcase_add_test(t, legal_edges);
    tcase_add_test(t, changes_are_traced);
    tcase_add_test(t, idle_connection_is_small);
    tcase_add_test(t, flows_are_found);
    tcase_add_test(t, time_wait_gives_way);
    return t;
}
