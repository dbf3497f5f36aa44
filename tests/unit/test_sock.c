#include "test_sock.h"

#include <stdlib.h>

struct sim world;

void world_setup(void)
{
    static const struct sim_net net = {.mtu = 1500,
                                       .impair = {{.delay_us = 1000}, {.delay_us = 1000}}};
    memset(&world, 0, sizeof(world));
    sim_pattern_init();
    rng_seed(&world.rng, 1);
    sim_init(&world, 1, &net);
    run_us(5000000); /* announcements */
}

void world_teardown(void)
{
    sim_settle(&world);
    sim_fini(&world);
}

TCase *world_tcase(const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, world_setup, world_teardown);
    return tc;
}

struct sim_host *host_of(const struct sock *so)
{
    return so->stack == HOST_A->st ? HOST_A : HOST_B;
}

void run_us(uint64_t us)
{
    sim_run(&world, world.wire.now_us + us);
}

struct sock *t_socket(struct sim_host *h, int type)
{
    struct sock *so = IN(h, sim_socket(&world, h, type));
    ck_assert_ptr_nonnull(so);
    return so;
}

void t_close(struct sock *so)
{
    struct sim_host *h = host_of(so);
    link_wire_enter(h->port);
    sock_close(so);
    link_wire_leave(h->port);
}

int t_bind(struct sock *so, uint32_t addr, uint16_t port)
{
    struct sockaddr_in in = sim_addr(addr, port);
    return IN(host_of(so), sock_bind(so, (struct sockaddr *)&in, sizeof(in)));
}

int t_connect(struct sock *so, uint32_t addr, uint16_t port)
{
    struct sockaddr_in in = sim_addr(addr, port);
    return IN(host_of(so), sock_connect(so, (struct sockaddr *)&in, sizeof(in)));
}

int t_listen(struct sock *so, int backlog)
{
    return IN(host_of(so), sock_listen(so, backlog));
}

struct sock *t_accept(struct sock *so)
{
    struct sock *out = NULL;
    int r = IN(host_of(so), sock_accept(so, world.next_cookie++, 7, &out));
    ck_assert_int_eq(r, out ? 0 : -EAGAIN);
    return out;
}

int t_shutdown(struct sock *so, int how)
{
    return IN(host_of(so), sock_shutdown(so, how));
}

ssize_t t_send(struct sock *so, const void *data, size_t len, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return IN(host_of(so), sock_sendmsg(so, &msg, 0, flags));
}

ssize_t t_sendto(struct sock *so, const void *data, size_t len, uint32_t addr, uint16_t port)
{
    struct sockaddr_in in = sim_addr(addr, port);
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr msg = {
        .msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &iov, .msg_iovlen = 1};
    return IN(host_of(so), sock_sendmsg(so, &msg, 0, 0));
}

ssize_t t_recv(struct sock *so, void *data, size_t len, int flags)
{
    struct iovec iov = {data, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return IN(host_of(so), sock_recvmsg(so, &msg, 0, flags));
}

int t_set(struct sock *so, int level, int name, int v)
{
    return IN(host_of(so), sock_setsockopt(so, level, name, &v, sizeof(v)));
}

int t_get(struct sock *so, int level, int name)
{
    int v = 0;
    socklen_t len = sizeof(v);
    int r = IN(host_of(so), sock_getsockopt(so, level, name, &v, &len));
    return r < 0 ? r : v;
}

uint32_t t_poll(struct sock *so)
{
    return IN(host_of(so), sock_poll(so));
}

uint16_t t_port(struct sock *so)
{
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    ck_assert_int_eq(sock_getsockname(so, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

struct sock *t_listener(uint16_t port)
{
    struct sock *so = t_socket(HOST_B, SOCK_STREAM);
    ck_assert_int_eq(t_bind(so, 0, port), 0);
    ck_assert_int_eq(t_listen(so, 10), 0);
    return so;
}

void t_pair(struct sock *listener, struct sock **a, struct sock **b)
{
    *a = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_connect(*a, ADDR_B, t_port(listener)), -EINPROGRESS);
    run_us(100000);
    ck_assert_int_eq(t_connect(*a, ADDR_B, t_port(listener)), 0);
    *b = t_accept(listener);
    ck_assert_ptr_nonnull(*b);
    (*b)->nonblock = 1;
}

int main(void)
{
    Suite *s = suite_create("sock");
    suite_add_tcase(s, test_sock_create());
    suite_add_tcase(s, test_sock_call());
    suite_add_tcase(s, test_sock_connect());
    suite_add_tcase(s, test_sock_stream());
    suite_add_tcase(s, test_sock_dgram());
    suite_add_tcase(s, test_sock_cmsg());
    suite_add_tcase(s, test_sock_dual());
    suite_add_tcase(s, test_sock_opt());
    suite_add_tcase(s, test_sock_wait());
    suite_add_tcase(s, test_sock_memory());
    suite_add_tcase(s, test_stack());
    suite_add_tcase(s, test_stack_repair());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
