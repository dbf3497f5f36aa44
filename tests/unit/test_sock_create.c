/* Making, finding, accepting and closing sockets. */
#include "test_sock.h"

START_TEST(kinds)
{
    struct sock *so;
    struct {
        int domain, type, protocol, want;
    } t[] = {
        {AF_INET, SOCK_STREAM, 0, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, 0},
        {AF_INET, SOCK_DGRAM, 0, 0},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDP, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_DGRAM, IPPROTO_TCP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_DGRAM, IPPROTO_ICMP, -EPROTONOSUPPORT},
        {AF_INET, SOCK_SEQPACKET, 0, -ESOCKTNOSUPPORT},
        {AF_UNIX, SOCK_STREAM, 0, -EAFNOSUPPORT},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        int r =
            IN(HOST_A, sock_create(HOST_A->st, t[i].domain, t[i].type, t[i].protocol, 77, 3, &so));
        ck_assert_int_eq(r, t[i].want);
        if (r < 0)
            continue;
        ck_assert_int_eq(so->protocol, t[i].type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP);
        ck_assert_int_eq(so->pid, 3);
        t_close(so);
    }
}
END_TEST

START_TEST(found_by_cookie)
{
    struct sock *so[300];
    for (unsigned i = 0; i < 300; i++)
        ck_assert_int_eq(IN(HOST_A, sock_create(HOST_A->st, AF_INET, SOCK_DGRAM, 0,
                                                1000 + i * 7919ull, 3, &so[i])),
                         0);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_ptr_eq(sock_by_cookie(HOST_A->st, 1000 + i * 7919ull), so[i]);
    ck_assert_ptr_null(sock_by_cookie(HOST_A->st, 999));
    for (unsigned i = 0; i < 300; i += 2)
        t_close(so[i]);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_ptr_eq(sock_by_cookie(HOST_A->st, 1000 + i * 7919ull), i % 2 ? so[i] : NULL);
    for (unsigned i = 1; i < 300; i += 2)
        t_close(so[i]);
}
END_TEST

/* RFC 1349 */
START_TEST(accept_inherits)
{
    struct linger l = {.l_onoff = 1, .l_linger = 5}, got;
    struct timeval tv = {.tv_sec = 3, .tv_usec = 500000}, tv_got;
    socklen_t len = sizeof(got), tv_len = sizeof(tv_got);
    char name[16] = "";
    socklen_t name_len = sizeof(name);
    struct sock *a, *b, *listener = t_listener(80);
    IN(HOST_B, sock_setsockopt(listener, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    t_set(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    t_set(listener, SOL_SOCKET, SO_OOBINLINE, 1);
    t_set(listener, SOL_SOCKET, SO_PRIORITY, 4);
    t_set(listener, SOL_SOCKET, SO_RCVBUF, 30000);
    t_set(listener, SOL_IP, IP_TTL, 33);
    t_set(listener, SOL_IP, IP_TOS, 0x10);
    t_set(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    t_set(listener, IPPROTO_TCP, TCP_KEEPIDLE, 44);
    t_set(listener, IPPROTO_TCP, TCP_SAVE_SYN, 1);
    IN(HOST_B, sock_setsockopt(listener, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    IN(HOST_B, sock_setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    listener->nonblock = 1;
    a = t_socket(HOST_A, SOCK_STREAM);
    t_connect(a, ADDR_B, 80);
    run_us(50000);
    b = t_accept(listener);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(b->nonblock, 0);
    ck_assert_int_eq(b->pid, 7);
    ck_assert_int_eq(b->conn, SOCK_CONNECTED);
    IN(HOST_B, sock_getsockopt(b, IPPROTO_TCP, TCP_CONGESTION, name, &name_len));
    ck_assert_str_eq(name, "reno");
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_OOBINLINE), 1);
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_PRIORITY), 6); /* IP_TOS came after it */
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_RCVBUF), 60000);
    ck_assert_int_eq(t_get(b, SOL_IP, IP_TTL), 33);
    ck_assert_int_eq(t_get(b, SOL_IP, IP_TOS), 0x10);
    ck_assert_int_eq(t_get(b, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(t_get(b, IPPROTO_TCP, TCP_KEEPIDLE), 44);
    ck_assert_int_eq(t_get(b, IPPROTO_TCP, TCP_SAVE_SYN), 1);
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_ACCEPTCONN), 0);
    ck_assert_int_eq(t_get(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    sock_getsockopt(b, SOL_SOCKET, SO_LINGER, &got, &len);
    ck_assert_mem_eq(&got, &l, sizeof(l));
    sock_getsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv_got, &tv_len);
    ck_assert_mem_eq(&tv_got, &tv, sizeof(tv));
    t_close(listener);
    t_close(a);
    t_close(b);
}
END_TEST

START_TEST(close_states)
{
    struct sock *a, *b, *listener = t_listener(80);
    uint8_t buf[10];
    struct linger now = {.l_onoff = 1};

    /* A FIN is an end of stream. */
    t_pair(listener, &a, &b);
    t_close(a);
    run_us(50000);
    ck_assert_int_eq(t_recv(b, buf, 10, 0), 0);
    t_close(b);

    /* SO_LINGER with zero resets. */
    t_pair(listener, &a, &b);
    IN(HOST_A, sock_setsockopt(a, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
    t_close(a);
    run_us(50000);
    ck_assert_int_eq(t_recv(b, buf, 10, 0), -ECONNRESET);
    t_close(b);

    /* So do unread data (RFC 2525 2.17). */
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_send(b, "x", 1, 0), 1);
    run_us(50000);
    t_close(a);
    run_us(50000);
    ck_assert_int_eq(t_recv(b, buf, 10, 0), -ECONNRESET);
    t_close(b);

    /* A listener takes what it has not accepted with it. */
    a = t_socket(HOST_A, SOCK_STREAM);
    t_connect(a, ADDR_B, 80);
    run_us(50000);
    t_close(listener);
    run_us(50000);
    ck_assert_int_eq(t_recv(a, buf, 10, 0), -ECONNRESET);
    t_close(a);
}
END_TEST

START_TEST(linger_waits)
{
    struct sock *a, *b, *listener = t_listener(80);
    struct linger l = {.l_onoff = 1, .l_linger = 20};
    static uint8_t data[300000], buf[300000];

    t_pair(listener, &a, &b);
    ck_assert_int_eq(IN(HOST_A, sock_linger_start(a)), 0); /* the option is not set */
    IN(HOST_A, sock_setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    t_set(b, SOL_SOCKET, SO_RCVBUF, 10000);
    while (t_send(a, data, sizeof(data), 0) > 0)
        ;
    ck_assert_int_eq(IN(HOST_A, sock_linger_start(a)), 20000000);
    ck_assert(sock_lingering(a));
    ck_assert_int_eq(IN(HOST_A, sock_linger_start(a)), 20000000);
    for (int i = 0; i < 100; i++) {
        t_recv(b, buf, sizeof(buf), 0);
        run_us(100000);
    }
    ck_assert(!sock_lingering(a));
    t_close(a);
    t_close(b);

    /* Unread data are a reset, at once. */
    t_pair(listener, &a, &b);
    IN(HOST_A, sock_setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    t_send(b, "x", 1, 0);
    t_send(a, "x", 1, 0);
    run_us(50000);
    ck_assert_int_eq(IN(HOST_A, sock_linger_start(a)), 0);
    t_close(a);
    t_close(b);

    a = t_socket(HOST_A, SOCK_DGRAM);
    IN(HOST_A, sock_setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    ck_assert_int_eq(IN(HOST_A, sock_linger_start(a)), 0);
    t_close(a);
    t_close(listener);
}
END_TEST

TCase *test_sock_create(void)
{
    TCase *tc = world_tcase("create");
    tcase_add_test(tc, kinds);
    tcase_add_test(tc, found_by_cookie);
    tcase_add_test(tc, accept_inherits);
    tcase_add_test(tc, close_states);
    tcase_add_test(tc, linger_waits);
    return tc;
}
