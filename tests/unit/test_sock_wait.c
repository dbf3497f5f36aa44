/* Waiters: who is fired, for what, how often. */
#include "test_sock.h"

static struct waiter *watch(struct sock *so, uint32_t mask, enum waiter_kind kind, uint32_t *word)
{
    struct waiter *w = IN(host_of(so), sock_waiter_new(so->stack));
    ck_assert_ptr_nonnull(w);
    w->proc = host_of(so)->proc;
    w->mask = mask;
    w->kind = kind;
    w->futex_at = word;
    sock_wait_add(so, w);
    return w;
}

static unsigned fired_count(struct sim_host *h)
{
    unsigned n = 0;
    LIST_FOREACH (at, &h->proc->fired)
        n++;
    return n;
}

/* As the engine does after an entry, but without telling anybody. */
static void drain(struct sim_host *h)
{
    struct list *n;
    while ((n = list_pop(&h->proc->fired)))
        container_of(n, struct waiter, on_fired)->fired = 0;
    h->proc->doorbell = h->st->any_doorbell = false;
}

/* The frames of a while, without the tasks that sim_run() would wake. */
static void wire_us(uint64_t us)
{
    link_wire_run(&world.wire, world.wire.now_us + us);
}

START_TEST(fires_once_for_its_mask)
{
    uint32_t word = 0;
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    drain(HOST_B);
    struct waiter *in = watch(b, POLLIN, WAITER_THREAD, &word);
    struct waiter *pri = watch(b, POLLPRI, WAITER_EPOLL, NULL);
    t_send(a, "x", 1, 0);
    wire_us(50000);
    t_send(a, "y", 1, 0);
    wire_us(50000);
    ck_assert_uint_eq(fired_count(HOST_B), 1);
    ck_assert_ptr_eq(list_first(&HOST_B->proc->fired), &in->on_fired);
    ck_assert_uint_eq(in->fired & POLLIN, POLLIN);
    ck_assert_uint_eq(word, 0); /* the engine's to set, in its own process */
    ck_assert(HOST_B->proc->doorbell);
    ck_assert(HOST_B->st->any_doorbell);
    ck_assert_uint_eq(pri->fired, 0);
    drain(HOST_B);
    t_send(a, "z", 1, 0); /* and again after it was drained */
    wire_us(50000);
    ck_assert_uint_eq(fired_count(HOST_B), 1);
    sock_waiter_free(HOST_B->st, in);
    ck_assert_uint_eq(fired_count(HOST_B), 0);
    sock_waiter_free(HOST_B->st, pri);
    drain(HOST_B);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

/* A process that was about to ring died: the bells of those that had waiters fired ring again. */
START_TEST(rings_again_after_a_death)
{
    uint32_t word = 0;
    struct sock *a, *b, *listener = t_listener(80);
    struct proc *idle = stack_proc_add(HOST_B->st, 99);
    t_pair(listener, &a, &b);
    drain(HOST_B);
    struct waiter *in = watch(b, POLLIN, WAITER_THREAD, &word);
    t_send(a, "x", 1, 0);
    wire_us(50000);
    HOST_B->proc->doorbell = HOST_B->st->any_doorbell = false;
    stack_ring_all(HOST_B->st);
    ck_assert(HOST_B->proc->doorbell);
    ck_assert(HOST_B->st->any_doorbell);
    ck_assert(!idle->doorbell);
    drain(HOST_B);
    stack_ring_all(HOST_B->st);
    ck_assert(!HOST_B->st->any_doorbell);
    sock_waiter_free(HOST_B->st, in);
    stack_proc_remove(HOST_B->st, idle);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(errors_always_count)
{
    struct linger l = {.l_onoff = 1};
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    drain(HOST_B);
    struct waiter *w = watch(b, 0, WAITER_EPOLL, NULL);
    IN(HOST_A, sock_setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    t_close(a);
    wire_us(50000);
    ck_assert(w->fired & POLLHUP);
    ck_assert(w->fired & POLLERR);
    sock_waiter_free(HOST_B->st, w);
    drain(HOST_B);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(close_detaches)
{
    uint32_t word = 0;
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    struct waiter *w = watch(so, POLLIN, WAITER_THREAD, &word);
    struct waiter *v = watch(so, POLLOUT, WAITER_EPOLL, NULL);
    t_close(so);
    ck_assert_ptr_null(w->sock);
    ck_assert_ptr_null(v->sock);
    ck_assert_uint_eq(fired_count(HOST_A), 2);
    ck_assert(w->fired & POLLNVAL);
    sock_wait_del(w); /* harmless, also twice */
    sock_wait_del(w);
    sock_waiter_free(HOST_A->st, w);
    sock_waiter_free(HOST_A->st, v);
    drain(HOST_A);
}
END_TEST

START_TEST(events)
{
    struct sock *a, *b, *listener = t_listener(80);
    struct waiter *w = watch(listener, POLLIN, WAITER_EPOLL, NULL), *v;
    static uint8_t data[100000];
    /* accept */
    a = t_socket(HOST_A, SOCK_STREAM);
    v = watch(a, POLLOUT, WAITER_EPOLL, NULL);
    t_connect(a, ADDR_B, 80);
    wire_us(50000);
    ck_assert(w->fired & POLLIN);
    ck_assert(v->fired & POLLOUT); /* connected */
    drain(HOST_A);
    sock_waiter_free(HOST_B->st, w);
    drain(HOST_B);
    b = t_accept(listener);
    /* room to send */
    while (t_send(a, data, sizeof(data), 0) > 0)
        wire_us(50000);
    drain(HOST_A);
    while (t_recv(b, data, sizeof(data), 0) > 0)
        wire_us(50000);
    ck_assert(v->fired & POLLOUT);
    sock_waiter_free(HOST_A->st, v);
    drain(HOST_A);
    /* the peer's end, and our own shutdown */
    w = watch(b, POLLRDHUP, WAITER_EPOLL, NULL);
    v = watch(a, POLLRDHUP, WAITER_EPOLL, NULL);
    t_shutdown(a, SHUT_WR);
    wire_us(50000);
    ck_assert(w->fired & POLLRDHUP);
    ck_assert(!(v->fired & POLLRDHUP));
    t_shutdown(a, SHUT_RD);
    ck_assert(v->fired & POLLRDHUP);
    sock_waiter_free(HOST_A->st, v);
    sock_waiter_free(HOST_B->st, w);
    drain(HOST_A);
    drain(HOST_B);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(process_gone)
{
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    struct proc *p = IN(HOST_A, stack_proc_add(HOST_A->st, 55));
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_ne(p->id, HOST_A->proc->id);
    struct waiter *mine = watch(so, POLLIN, WAITER_EPOLL, NULL);
    struct waiter *other = watch(so, POLLIN, WAITER_EPOLL, NULL);
    other->proc = p;
    IN(HOST_A, (sock_ready(so, POLLIN), 0));
    link_wire_enter(HOST_A->port);
    stack_proc_remove(HOST_A->st, p);
    link_wire_leave(HOST_A->port);
    ck_assert_uint_eq(HOST_A->st->waiters.live, 1);
    ck_assert_ptr_eq(mine->sock, so);
    ck_assert(!list_empty(&so->waiters));
    sock_waiter_free(HOST_A->st, mine);
    drain(HOST_A);
    t_close(so);
}
END_TEST

START_TEST(exclusive_ones_up_to_a_sleeper)
{
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    drain(HOST_A);
    struct waiter *w[5];
    for (int i = 0; i < 5; i++) {
        w[i] = watch(so, i == 1 ? POLLPRI : POLLIN, WAITER_EPOLL, NULL);
        w[i]->exclusive = i < 4; /* the last one is not */
    }
    w[1]->asleep = w[2]->asleep = w[3]->asleep = true;
    IN(HOST_A, (sock_ready(so, POLLIN), 0));
    ck_assert_uint_eq(w[4]->fired, POLLIN);
    ck_assert_uint_eq(w[0]->fired, POLLIN); /* awake: it will look by itself */
    ck_assert_uint_eq(w[1]->fired, 0);      /* not for it */
    ck_assert_uint_eq(w[2]->fired, POLLIN);
    ck_assert_uint_eq(w[3]->fired, 0);
    drain(HOST_A);
    w[2]->asleep = w[3]->asleep = false;
    IN(HOST_A, (sock_ready(so, POLLIN), 0));
    ck_assert_uint_eq(fired_count(HOST_A), 4); /* nobody sleeps: all that wait for it */
    drain(HOST_A);
    w[0]->asleep = true;
    t_close(so);
    ck_assert_uint_eq(fired_count(HOST_A), 5);
    for (int i = 0; i < 5; i++)
        IN(HOST_A, (sock_waiter_free(HOST_A->st, w[i]), 0));
    drain(HOST_A);
}
END_TEST

TCase *test_sock_wait(void)
{
    TCase *tc = world_tcase("wait");
    tcase_add_test(tc, fires_once_for_its_mask);
    tcase_add_test(tc, rings_again_after_a_death);
    tcase_add_test(tc, errors_always_count);
    tcase_add_test(tc, close_detaches);
    tcase_add_test(tc, events);
    tcase_add_test(tc, process_gone);
    tcase_add_test(tc, exclusive_ones_up_to_a_sleeper);
    return tc;
}
