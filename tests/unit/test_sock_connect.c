/* connect(): what it answers, when, and once. */
#include "test_sock.h"

static int connect_raw(struct sock *so, sa_family_t family, uint32_t addr, socklen_t len)
{
    struct sockaddr_in in = sim_addr(addr, 80);
    in.sin_family = family;
    return IN(host_of(so), sock_connect(so, (struct sockaddr *)&in, len));
}

START_TEST(arguments)
{
    int type = _i ? SOCK_DGRAM : SOCK_STREAM;
    struct sock *so = t_socket(HOST_A, type);
    ck_assert_int_eq(connect_raw(so, AF_INET, ADDR_B, 0), -EINVAL);
    ck_assert_int_eq(connect_raw(so, AF_INET, ADDR_B, 1), -EINVAL);
    ck_assert_int_eq(connect_raw(so, AF_INET, ADDR_B, 15), -EINVAL);
    ck_assert_int_eq(connect_raw(so, AF_INET6, ADDR_B, 16), -EAFNOSUPPORT);
    ck_assert_int_eq(connect_raw(so, AF_INET, 0x08080808, 16), -ENETUNREACH);
    ck_assert_int_eq(connect_raw(so, AF_UNSPEC, 0, 2), 0);
    ck_assert_int_eq(connect_raw(so, AF_INET, ADDR_B, 100), _i ? 0 : -EINPROGRESS);
    t_close(so);
}
END_TEST

START_TEST(succeeds_once)
{
    struct sock *listener = t_listener(80), *a = t_socket(HOST_A, SOCK_STREAM), *b;
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EINPROGRESS);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EALREADY);
    ck_assert(!(t_poll(a) & POLLOUT));
    run_us(100000);
    ck_assert(t_poll(a) & POLLOUT);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), 0);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EISCONN);
    /* A wrong family is not looked at any more. */
    ck_assert_int_eq(connect_raw(a, AF_INET6, ADDR_B, 16), -EISCONN);
    b = t_accept(listener);
    ck_assert_int_eq(t_connect(b, ADDR_A, 80), -EISCONN);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(works_unasked)
{
    struct sock *listener = t_listener(80), *a = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EINPROGRESS);
    run_us(100000);
    ck_assert_int_eq(t_get(a, SOL_SOCKET, SO_ERROR), 0);
    ck_assert_int_eq(t_send(a, "x", 1, 0), 1);
    t_close(a);
    run_us(100000);
    t_close(t_accept(listener));
    t_close(listener);
}
END_TEST

START_TEST(refused)
{
    struct sock *a = t_socket(HOST_A, SOCK_STREAM), *listener;
    ck_assert_int_eq(t_connect(a, ADDR_B, 81), -EINPROGRESS);
    run_us(100000);
    ck_assert(t_poll(a) & POLLERR);
    ck_assert(t_poll(a) & POLLHUP);
    ck_assert_int_eq(t_connect(a, ADDR_B, 81), -ECONNREFUSED);
    /* It may be tried again. */
    ck_assert_int_eq(t_connect(a, ADDR_B, 81), -EINPROGRESS);
    run_us(100000);
    ck_assert_int_eq(t_get(a, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    ck_assert_int_eq(t_get(a, SOL_SOCKET, SO_ERROR), 0);
    /* The error was taken; the attempt is still over. */
    ck_assert_int_eq(t_connect(a, ADDR_B, 81), -ECONNABORTED);
    listener = t_listener(81);
    ck_assert_int_eq(t_connect(a, ADDR_B, 81), -EINPROGRESS);
    run_us(100000);
    ck_assert_int_eq(t_connect(a, ADDR_B, 81), 0);
    t_close(a);
    t_close(listener);
}
END_TEST

START_TEST(refused_is_sent_too)
{
    uint8_t buf[4];
    struct sock *a = t_socket(HOST_A, SOCK_STREAM);
    t_connect(a, ADDR_B, 81);
    ck_assert_int_eq(t_recv(a, buf, 4, 0), -EAGAIN);
    ck_assert_int_eq(t_send(a, "x", 1, 0), -EAGAIN);
    run_us(100000);
    ck_assert_int_eq(t_send(a, "x", 1, 0), -ECONNREFUSED);
    ck_assert_int_eq(t_send(a, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(t_recv(a, buf, 4, 0), 0);
    t_close(a);
}
END_TEST

START_TEST(nobody_there)
{
    struct sock *a = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_connect(a, 0xc00002fe, 80), -EINPROGRESS);
    run_us(10000000);
    ck_assert_int_eq(t_connect(a, 0xc00002fe, 80), -EHOSTUNREACH);
    t_close(a);
}
END_TEST

static bool drop_tcp(void *arg, struct link_wire_port *from, const uint8_t *data, size_t len)
{
    return len < 24 || data[12] != 8 || data[13] != 0 || data[23] != IPPROTO_TCP;
}

START_TEST(times_out)
{
    struct sock *a = t_socket(HOST_A, SOCK_STREAM);
    world.wire.filter = drop_tcp;
    t_set(a, IPPROTO_TCP, TCP_SYNCNT, 2);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EINPROGRESS);
    run_us(6900000);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EALREADY);
    run_us(200000); /* 1 + 2 + 4 s, as Linux */
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -ETIMEDOUT);
    t_close(a);
}
END_TEST

START_TEST(dissolved)
{
    struct sock *listener = t_listener(80), *a, *b;
    uint8_t buf[4];
    t_pair(listener, &a, &b);
    ck_assert_int_eq(connect_raw(a, AF_UNSPEC, 0, 16), 0);
    ck_assert_int_eq(tcp_state(a->tcp), TCP_CLOSED);
    run_us(100000);
    ck_assert_int_eq(t_recv(b, buf, 4, 0), -ECONNRESET);
    /* And again. */
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), -EINPROGRESS);
    run_us(100000);
    ck_assert_int_eq(t_connect(a, ADDR_B, 80), 0);
    t_close(a);
    t_close(b);
    /* A listener becomes a plain socket with its port. */
    ck_assert_int_eq(connect_raw(listener, AF_UNSPEC, 0, 16), 0);
    ck_assert_int_eq(t_port(listener), 80);
    ck_assert_int_eq(t_get(listener, SOL_SOCKET, SO_ACCEPTCONN), 0);
    t_close(listener);
}
END_TEST

START_TEST(datagrams)
{
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    struct sock *u = t_socket(HOST_A, SOCK_DGRAM);
    ck_assert_int_eq(sock_getpeername(u, (struct sockaddr *)&in, &len), -ENOTCONN);
    ck_assert_int_eq(t_connect(u, ADDR_B, 9), 0);
    ck_assert_int_ne(t_port(u), 0);
    ck_assert_int_eq(sock_getpeername(u, (struct sockaddr *)&in, &len), 0);
    ck_assert_int_eq(ntohs(in.sin_port), 9);
    ck_assert_int_eq(t_connect(u, ADDR_B, 10), 0); /* another peer */
    ck_assert_int_eq(t_get(u, SOL_IP, IP_MTU), 1500);
    ck_assert_int_eq(connect_raw(u, AF_UNSPEC, 0, 16), 0);
    ck_assert_int_eq(sock_getpeername(u, (struct sockaddr *)&in, &len), -ENOTCONN);
    ck_assert_int_eq(t_port(u), 0);
    ck_assert_int_eq(t_send(u, "x", 1, 0), -EDESTADDRREQ);
    ck_assert_int_eq(t_connect(u, 0xc00002ff, 9), -EACCES);
    t_set(u, SOL_SOCKET, SO_BROADCAST, 1);
    ck_assert_int_eq(t_connect(u, 0xc00002ff, 9), 0);
    t_close(u);
}
END_TEST

START_TEST(datagram_refused)
{
    uint8_t buf[4];
    struct sock *u = t_socket(HOST_A, SOCK_DGRAM);
    t_connect(u, ADDR_B, 9);
    ck_assert_int_eq(t_send(u, "x", 1, 0), 1);
    run_us(100000);
    ck_assert(t_poll(u) & POLLERR);
    ck_assert_int_eq(t_recv(u, buf, 4, 0), -ECONNREFUSED);
    ck_assert_int_eq(t_recv(u, buf, 4, 0), -EAGAIN);
    t_send(u, "x", 1, 0);
    run_us(100000);
    ck_assert_int_eq(t_send(u, "x", 1, 0), -ECONNREFUSED);
    run_us(100000);
    t_send(u, "x", 1, 0);
    run_us(100000);
    ck_assert_int_eq(t_get(u, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    ck_assert_int_eq(t_get(u, SOL_SOCKET, SO_ERROR), 0);
    t_close(u);
}
END_TEST

TCase *test_sock_connect(void)
{
    TCase *tc = world_tcase("connect");
    tcase_add_loop_test(tc, arguments, 0, 2);
    tcase_add_test(tc, succeeds_once);
    tcase_add_test(tc, works_unasked);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, refused_is_sent_too);
    tcase_add_test(tc, nobody_there);
    tcase_add_test(tc, times_out);
    tcase_add_test(tc, dissolved);
    tcase_add_test(tc, datagrams);
    tcase_add_test(tc, datagram_refused);
    return tc;
}
