/* bind, listen, shutdown, names, ioctl: in every state. */
#include "test_sock.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/time.h>

static int bind_raw(struct sock *so, sa_family_t family, uint32_t addr, socklen_t len)
{
    struct sockaddr_in in = sim_addr(addr, 0);
    in.sin_family = family;
    return IN(host_of(so), sock_bind(so, (struct sockaddr *)&in, len));
}

/* RFC 1122 4.2.3.7 */
START_TEST(bind_arguments)
{
    int type = _i ? SOCK_DGRAM : SOCK_STREAM;
    struct sock *so = t_socket(HOST_A, type);
    ck_assert_int_eq(bind_raw(so, AF_INET, 0, 0), -EINVAL);
    ck_assert_int_eq(bind_raw(so, AF_INET, 0, 15), -EINVAL);
    ck_assert_int_eq(bind_raw(so, AF_INET6, 0, 16), -EAFNOSUPPORT);
    ck_assert_int_eq(bind_raw(so, AF_UNSPEC, ADDR_A, 16), -EAFNOSUPPORT);
    ck_assert_int_eq(bind_raw(so, AF_INET, 0xcb007101, 16), -EADDRNOTAVAIL);
    ck_assert_int_eq(t_port(so), 0);
    ck_assert_int_eq(bind_raw(so, AF_UNSPEC, 0, 16), 0);
    ck_assert_int_ge(t_port(so), NET_PORT_LOW);
    ck_assert_int_eq(t_bind(so, 0, 99), -EINVAL);
    /* A wrong address is found before the second bind. */
    ck_assert_int_eq(t_bind(so, 0xcb007101, 99), -EADDRNOTAVAIL);
    t_close(so);
}
END_TEST

START_TEST(bind_conflicts)
{
    int type = _i ? SOCK_DGRAM : SOCK_STREAM;
    struct sock *one = t_socket(HOST_A, type), *two = t_socket(HOST_A, type);
    ck_assert_int_eq(t_bind(one, ADDR_A, 99), 0);
    ck_assert_int_eq(t_bind(two, ADDR_A, 99), -EADDRINUSE);
    ck_assert_int_eq(t_bind(two, 0, 99), -EADDRINUSE);
    ck_assert_int_eq(t_bind(two, ADDR_A, 98), 0);
    t_close(one);
    one = t_socket(HOST_A, type);
    ck_assert_int_eq(t_bind(one, 0, 99), 0);
    t_close(one);
    t_close(two);
}
END_TEST

START_TEST(bind_freely)
{
    int type = _i ? SOCK_DGRAM : SOCK_STREAM;
    struct sock *so = t_socket(HOST_A, type);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_FREEBIND, 1), 0);
    ck_assert_int_eq(t_bind(so, 0xcb007101, 99), 0);
    t_close(so);
}
END_TEST

START_TEST(bind_address_without_port)
{
    int type = _i ? SOCK_DGRAM : SOCK_STREAM;
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    struct sock *so = t_socket(HOST_A, type), *listener = t_listener(80);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1), 0);
    ck_assert_int_eq(t_bind(so, ADDR_A, 0), 0);
    ck_assert_int_eq(sock_getsockname(so, (struct sockaddr *)&in, &len), 0);
    ck_assert_uint_eq(ntohl(in.sin_addr.s_addr), ADDR_A);
    ck_assert_int_eq(in.sin_port, 0);
    ck_assert_int_eq(t_bind(so, ADDR_A, 0), -EINVAL);
    ck_assert_int_eq(t_connect(so, ADDR_B, 80), _i ? 0 : -EINPROGRESS);
    ck_assert_int_ne(t_port(so), 0);
    t_close(so);
    t_close(listener);
}
END_TEST

START_TEST(listening)
{
    struct sock *a, *b, *so = t_socket(HOST_A, SOCK_DGRAM), *listener = t_listener(80), *out;
    ck_assert_int_eq(t_listen(so, 1), -EOPNOTSUPP);
    ck_assert_int_eq(IN(HOST_A, sock_accept(so, 5000, 1, &out)), -EOPNOTSUPP);
    t_close(so);

    so = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(IN(HOST_A, sock_accept(so, 5000, 1, &out)), -EINVAL);
    ck_assert_int_eq(t_listen(so, -1), 0);
    ck_assert_int_eq(so->backlog, 4096);
    ck_assert_int_ge(t_port(so), NET_PORT_LOW);
    ck_assert_int_eq(t_listen(so, 3), 0); /* again: another backlog */
    ck_assert_int_eq(so->backlog, 3);
    ck_assert_ptr_null(t_accept(so));
    ck_assert_int_eq(t_connect(so, ADDR_B, 80), -EISCONN);
    t_close(so);

    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_listen(a, 1), -EINVAL);
    ck_assert_int_eq(t_listen(b, 1), -EINVAL);
    t_close(a);
    t_close(b);

    so = t_socket(HOST_B, SOCK_STREAM);
    t_set(so, SOL_SOCKET, SO_REUSEADDR, 1);
    ck_assert_int_eq(t_bind(so, 0, 80), -EADDRINUSE); /* somebody listens there */
    t_close(so);
    t_close(listener);
}
END_TEST

START_TEST(shutting_down)
{
    uint8_t buf[4];
    struct sock *a, *b, *listener = t_listener(80), *so = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_shutdown(so, 3), -EINVAL);
    ck_assert_int_eq(t_shutdown(so, -1), -EINVAL);
    ck_assert_int_eq(t_shutdown(so, SHUT_RDWR), -ENOTCONN);
    t_close(so);

    /* A connection attempt is given up. */
    so = t_socket(HOST_A, SOCK_STREAM);
    t_connect(so, ADDR_B, 80);
    ck_assert_int_eq(t_shutdown(so, SHUT_WR), 0);
    ck_assert_int_eq(tcp_state(so->tcp), TCP_CLOSED);
    ck_assert_int_eq(so->conn, SOCK_UNCONNECTED);
    t_close(so);
    run_us(1000000);

    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_shutdown(a, SHUT_WR), 0);
    run_us(50000);
    ck_assert_int_eq(t_send(a, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(t_recv(b, buf, 4, 0), 0);
    ck_assert_int_eq(t_send(b, "yes", 3, 0), 3);
    run_us(50000);
    ck_assert_int_eq(t_recv(a, buf, 4, 0), 3);
    ck_assert_int_eq(t_shutdown(a, SHUT_RD), 0);
    ck_assert_int_eq(t_recv(a, buf, 4, 0), 0);
    t_close(a);
    t_close(b);

    /* SHUT_WR leaves a listener alone, SHUT_RD ends it. */
    ck_assert_int_eq(t_shutdown(listener, SHUT_WR), 0);
    ck_assert_int_eq(t_get(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    ck_assert_int_eq(t_shutdown(listener, SHUT_RD), 0);
    ck_assert_int_eq(t_get(listener, SOL_SOCKET, SO_ACCEPTCONN), 0);
    /* What is left of its connections keeps the port busy. */
    ck_assert_int_eq(t_listen(listener, 1), -EADDRINUSE);
    run_us(200000000);
    ck_assert_int_eq(t_listen(listener, 1), 0);
    t_close(listener);
}
END_TEST

START_TEST(shutting_down_udp)
{
    uint8_t buf[4];
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    ck_assert_int_eq(t_shutdown(so, SHUT_RD), -ENOTCONN); /* and yet it is done */
    ck_assert_int_eq(t_recv(so, buf, 4, MSG_DONTWAIT), -EAGAIN);
    so->nonblock = 0;
    ck_assert_int_eq(t_recv(so, buf, 4, 0), 0); /* who would wait gets the end */
    ck_assert(t_poll(so) & POLLRDHUP);
    t_close(so);
    so = t_socket(HOST_A, SOCK_DGRAM);
    ck_assert_int_eq(t_connect(so, ADDR_B, 9), 0);
    ck_assert_int_eq(t_shutdown(so, SHUT_WR), 0);
    ck_assert_int_eq(t_send(so, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(t_shutdown(so, SHUT_RD), 0);
    ck_assert(t_poll(so) & POLLHUP);
    t_close(so);
}
END_TEST

START_TEST(names)
{
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    struct sock *a, *b, *listener = t_listener(80);
    ck_assert_int_eq(sock_getpeername(listener, (struct sockaddr *)&in, &len), -ENOTCONN);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(sock_getpeername(a, (struct sockaddr *)&in, &len), 0);
    ck_assert_uint_eq(ntohl(in.sin_addr.s_addr), ADDR_B);
    ck_assert_int_eq(ntohs(in.sin_port), 80);
    ck_assert_int_eq(sock_getsockname(b, (struct sockaddr *)&in, &len), 0);
    ck_assert_uint_eq(ntohl(in.sin_addr.s_addr), ADDR_B);
    /* A short buffer is filled as far as it goes; the length is the whole. */
    memset(&in, 0xee, sizeof(in));
    len = 4;
    ck_assert_int_eq(sock_getpeername(b, (struct sockaddr *)&in, &len), 0);
    ck_assert_int_eq(len, sizeof(in));
    ck_assert_int_eq(ntohs(in.sin_port), t_port(a));
    ck_assert_uint_eq(in.sin_addr.s_addr, 0xeeeeeeee);
    len = 0;
    ck_assert_int_eq(sock_getsockname(b, (struct sockaddr *)&in, &len), 0);
    ck_assert_int_eq(len, sizeof(in));
    len = (socklen_t)-1;
    ck_assert_int_eq(sock_getsockname(b, (struct sockaddr *)&in, &len), -EINVAL);
    ck_assert_int_eq(sock_getpeername(b, (struct sockaddr *)&in, &len), -EINVAL);
    /* A larger one is not written beyond the address. */
    len = 100;
    ck_assert_int_eq(sock_getsockname(b, (struct sockaddr *)&in, &len), 0);
    ck_assert_int_eq(len, sizeof(in));
    t_close(a);
    t_close(b);
    a = t_socket(HOST_A, SOCK_STREAM);
    t_connect(a, ADDR_B, 80);
    ck_assert_int_eq(sock_getpeername(a, (struct sockaddr *)&in, &len), -ENOTCONN);
    t_close(a);
    t_close(listener);
}
END_TEST

static int ioctl_int(struct sock *so, unsigned long request)
{
    int v = -1;
    int r = IN(host_of(so), sock_ioctl(so, request, &v));
    return r < 0 ? r : v;
}

START_TEST(ioctls)
{
    int on = 1;
    uint8_t buf[10];
    struct sock *a, *b, *listener = t_listener(80), *u = t_socket(HOST_B, SOCK_DGRAM);
    ck_assert_int_eq(ioctl_int(listener, SIOCINQ), -EINVAL);
    ck_assert_int_eq(ioctl_int(listener, SIOCOUTQ), -EINVAL);
    ck_assert_int_eq(ioctl_int(listener, 0x8913), -ENOTTY);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(ioctl_int(b, SIOCINQ), 0);
    t_send(a, "abcde", 5, 0);
    ck_assert_int_eq(ioctl_int(a, SIOCOUTQ), 5);
    ck_assert_int_eq(ioctl_int(a, SIOCOUTQNSD), 0);
    ck_assert_int_eq(ioctl_int(b, SIOCATMARK), 0);
    run_us(100000);
    ck_assert_int_eq(ioctl_int(b, SIOCINQ), 5);
    ck_assert_int_eq(ioctl_int(a, SIOCOUTQ), 0);
    ck_assert_int_eq(t_recv(b, buf, 2, 0), 2);
    ck_assert_int_eq(ioctl_int(b, FIONREAD), 3);
    t_recv(b, buf, 3, 0);
    t_send(a, "u", 1, MSG_OOB);
    run_us(100000);
    ck_assert_int_eq(ioctl_int(b, SIOCATMARK), 1);
    ck_assert_int_eq(IN(HOST_A, sock_ioctl(a, FIONBIO, &on)), 0);
    ck_assert_int_eq(a->nonblock, 1);
    on = 0;
    ck_assert_int_eq(IN(HOST_A, sock_ioctl(a, FIONBIO, &on)), 0);
    ck_assert_int_eq(a->nonblock, 0);
    t_close(a);
    t_close(b);
    t_close(listener);

    /* UDP: the first datagram's length, and when it came. */
    struct timeval tv;
    ck_assert_int_eq(t_bind(u, 0, 53), 0);
    a = t_socket(HOST_A, SOCK_DGRAM);
    t_sendto(a, "abc", 3, ADDR_B, 53);
    t_sendto(a, "abcd", 4, ADDR_B, 53);
    run_us(100000);
    ck_assert_int_eq(ioctl_int(u, SIOCINQ), 3);
    ck_assert_int_eq(ioctl_int(u, SIOCOUTQ), 0);
    ck_assert_int_eq(IN(HOST_B, sock_ioctl(u, SIOCGSTAMP_OLD, &tv)), -ENOENT);
    HOST_B->st->realtime_offset_us = 1700000000ll * 1000000;
    t_recv(u, buf, 10, 0);
    ck_assert_int_eq(IN(HOST_B, sock_ioctl(u, SIOCGSTAMP_OLD, &tv)), 0);
    ck_assert_int_ge(tv.tv_sec, 1700000000);
    t_close(a);
    t_close(u);
}
END_TEST

TCase *test_sock_call(void)
{
    TCase *tc = world_tcase("call");
    tcase_add_loop_test(tc, bind_arguments, 0, 2);
    tcase_add_loop_test(tc, bind_conflicts, 0, 2);
    tcase_add_loop_test(tc, bind_freely, 0, 2);
    tcase_add_loop_test(tc, bind_address_without_port, 0, 2);
    tcase_add_test(tc, listening);
    tcase_add_test(tc, shutting_down);
    tcase_add_test(tc, shutting_down_udp);
    tcase_add_test(tc, names);
    tcase_add_test(tc, ioctls);
    return tc;
}
