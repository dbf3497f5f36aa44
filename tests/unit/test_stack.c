/* The stack as a whole: entries, time, the view of its sockets. */
#include "test_sock.h"

START_TEST(entries)
{
    struct stack *st = HOST_A->st;
    struct net_env env = {0};
    ck_assert_ptr_eq(stack_of(HOST_A->arena), st);
    ck_assert_ptr_null(st->net.env);
    uint64_t now = st->net.now_us;
    stack_enter(st, now + 5, &env);
    ck_assert_ptr_eq(st->net.env, &env);
    ck_assert_ptr_nonnull(env.up);
    ck_assert_uint_eq(st->net.now_us, now + 5);
    stack_leave(st);
    ck_assert_ptr_null(st->net.env);
    stack_enter(st, now, &env); /* time does not go back */
    ck_assert_uint_eq(st->net.now_us, now + 5);
    stack_leave(st);
    world.wire.now_us = now + 5;
}
END_TEST

START_TEST(layout_of_another_version)
{
    struct stack *st = HOST_A->st;
    st->layout++;
    ck_assert_ptr_null(stack_of(HOST_A->arena));
    st->layout--;
    ck_assert_ptr_eq(stack_of(HOST_A->arena), st);
}
END_TEST

START_TEST(deadlines)
{
    struct sock *a = t_socket(HOST_A, SOCK_STREAM);
    run_us(60000000); /* nothing is left to do */
    ck_assert_uint_eq(stack_next_deadline(HOST_A->st), TIMER_NEVER);
    t_connect(a, 0xc00002fe, 80);
    ck_assert_uint_ne(stack_next_deadline(HOST_A->st), TIMER_NEVER);
    t_close(a);
}
END_TEST

#define ROWS 16
struct view {
    struct stack_row row[ROWS];
    unsigned n;
};

static void take_row(void *arg, const struct stack_row *row)
{
    struct view *v = arg;
    ck_assert_uint_lt(v->n, ROWS);
    v->row[v->n++] = *row;
}

static const struct stack_row *row_of(const struct view *v, const char *state)
{
    for (unsigned i = 0; i < v->n; i++)
        if (strcmp(v->row[i].state, state) == 0)
            return &v->row[i];
    ck_abort_msg("no row in state %s", state);
    return NULL;
}

START_TEST(listed)
{
    struct view v = {0};
    struct sock *a, *b, *l = t_listener(80), *u = t_socket(HOST_B, SOCK_DGRAM), *waiting;
    t_bind(u, 0, 53);
    t_pair(l, &a, &b);
    t_send(a, "abc", 3, 0);
    waiting = t_socket(HOST_A, SOCK_STREAM);
    t_connect(waiting, ADDR_B, 80);
    run_us(100000);
    stack_list(HOST_B->st, take_row, &v);
    ck_assert_uint_eq(v.n, 4);
    const struct stack_row *r = row_of(&v, "LISTEN");
    ck_assert_uint_eq(r->local.port, 80);
    ck_assert_uint_eq(r->recv_q, 1); /* not accepted yet */
    ck_assert_uint_eq(r->send_q, 10);
    ck_assert_uint_eq(r->cookie, l->cookie);
    ck_assert_int_eq(r->pid, 101);
    unsigned established = 0;
    for (unsigned i = 0; i < v.n; i++) {
        if (strcmp(v.row[i].state, "ESTABLISHED") != 0)
            continue;
        established++;
        if (v.row[i].cookie == b->cookie) {
            ck_assert_uint_eq(v.row[i].recv_q, 3);
            ck_assert_int_eq(v.row[i].pid, 7);
            ck_assert_uint_eq(v.row[i].remote.port, t_port(a));
        } else {
            ck_assert_int_eq(v.row[i].pid, 0); /* nobody's yet */
        }
    }
    ck_assert_uint_eq(established, 2);
    r = row_of(&v, "");
    ck_assert_int_eq(r->proto, IPPROTO_UDP);
    ck_assert_uint_eq(r->local.port, 53);
    /* TIME_WAIT has no socket any more. */
    t_close(waiting);
    t_recv(b, &v, 3, 0);
    t_close(a);
    run_us(50000);
    t_close(b);
    run_us(50000);
    v.n = 0;
    stack_list(HOST_A->st, take_row, &v);
    r = row_of(&v, "TIME_WAIT");
    ck_assert_int_eq(r->pid, 0);
    ck_assert_uint_eq(r->cookie, 0);
    t_close(l);
    t_close(u);
}
END_TEST

START_TEST(no_memory_to_start)
{
    static uint8_t mem[1 << 20] __attribute__((aligned(4096)));
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        memset(mem, 0, sizeof(mem));
        struct arena *a = arena_init(mem, sizeof(mem), 0);
        arena_fail_at(a, n);
        struct stack *st = stack_create(a, 1);
        failed = arena_stats(a).failures > 0;
        ck_assert_int_eq(st == NULL, failed);
        ck_assert_ptr_eq(arena_root(a), st);
        if (st)
            stack_destroy(st);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

TCase *test_stack(void)
{
    TCase *tc = world_tcase("stack");
    tcase_add_test(tc, entries);
    tcase_add_test(tc, layout_of_another_version);
    tcase_add_test(tc, deadlines);
    tcase_add_test(tc, listed);
    tcase_add_test(tc, no_memory_to_start);
    return tc;
}
