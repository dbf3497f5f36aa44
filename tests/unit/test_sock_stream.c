/* Sending and receiving on TCP sockets. */
#include "test_sock.h"

START_TEST(unconnected)
{
    uint8_t buf[4];
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_send(so, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(t_recv(so, buf, 4, 0), -ENOTCONN);
    ck_assert_int_eq(t_recv(so, buf, 4, MSG_ERRQUEUE), -EAGAIN);
    ck_assert_uint_eq(t_poll(so) & (POLLHUP | POLLOUT | POLLIN), POLLHUP | POLLOUT);
    ck_assert_int_eq(t_listen(so, 1), 0);
    ck_assert_int_eq(t_send(so, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(t_recv(so, buf, 4, 0), -ENOTCONN);
    ck_assert_uint_eq(t_poll(so), 0);
    t_close(so);
}
END_TEST

START_TEST(pieces_and_skip)
{
    uint8_t buf[2][8] = {{0}};
    struct sock *a, *b, *listener = t_listener(80);
    struct sockaddr_in nobody = sim_addr(0xcb007105, 5), from;
    struct iovec out[3] = {
        {(void *)(uintptr_t) "abc", 3}, {NULL, 0}, {(void *)(uintptr_t) "defg", 4}};
    struct iovec in[2] = {{buf[0], 2}, {buf[1], 8}};
    /* The address is ignored on a connected TCP, as the kernel does. */
    struct msghdr msg = {
        .msg_name = &nobody, .msg_namelen = sizeof(nobody), .msg_iov = out, .msg_iovlen = 3};
    t_pair(listener, &a, &b);
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 2, 0)), 5);
    run_us(100000);
    msg = (struct msghdr){
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = in, .msg_iovlen = 2};
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(b, &msg, 1, 0)), 5);
    ck_assert_int_eq(msg.msg_namelen, 0);
    ck_assert_int_eq(msg.msg_flags, 0);
    ck_assert_mem_eq(buf[0] + 1, "c", 1);
    ck_assert_mem_eq(buf[1], "defg", 4);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(bad_pieces)
{
    struct sock *a, *b, *listener = t_listener(80);
    static struct iovec iov[1025];
    struct iovec negative = {iov, (size_t)-1};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1025};
    t_pair(listener, &a, &b);
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 0, 0)), -EMSGSIZE);
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(a, &msg, 0, 0)), -EMSGSIZE);
    msg.msg_iov = &negative;
    msg.msg_iovlen = 1;
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 0, 0)), -EINVAL);
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(a, &msg, 0, 0)), -EINVAL);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(peek_and_trunc)
{
    uint8_t buf[16] = {0};
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    t_send(a, "0123456789", 10, 0);
    run_us(100000);
    ck_assert_int_eq(t_recv(b, buf, 4, MSG_PEEK), 4);
    ck_assert_int_eq(t_recv(b, buf, 4, MSG_PEEK), 4);
    ck_assert_mem_eq(buf, "0123", 4);
    /* MSG_TRUNC throws away without touching the buffer. */
    memset(buf, 'x', sizeof(buf));
    ck_assert_int_eq(t_recv(b, buf, 3, MSG_TRUNC), 3);
    ck_assert_mem_eq(buf, "xxx", 3);
    ck_assert_int_eq(t_recv(b, buf, 3, 0), 3);
    ck_assert_mem_eq(buf, "345", 3);
    /* SO_PEEK_OFF walks on with each peek and back with each read. */
    ck_assert_int_eq(t_set(b, SOL_SOCKET, SO_PEEK_OFF, 1), 0);
    ck_assert_int_eq(t_recv(b, buf, 2, MSG_PEEK), 2);
    ck_assert_mem_eq(buf, "78", 2);
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_PEEK_OFF), 3);
    ck_assert_int_eq(t_recv(b, buf, 2, 0), 2);
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_PEEK_OFF), 1);
    ck_assert_int_eq(t_recv(b, buf, 9, MSG_PEEK), 1);
    ck_assert_mem_eq(buf, "9", 1);
    ck_assert_int_eq(t_recv(b, buf, 9, MSG_PEEK), -EAGAIN);
    ck_assert_int_eq(t_set(b, SOL_SOCKET, SO_PEEK_OFF, -1), 0);
    ck_assert_int_eq(t_recv(b, buf, 9, 0), 2);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

/* With MSG_WAITALL or SO_RCVLOWAT a peek goes on when more has come. SO_PEEK_OFF had counted what
 * it has seen already. */
START_TEST(a_peek_with_an_offset_goes_on_where_it_was)
{
    uint8_t buf[8] = {0};
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_set(b, SOL_SOCKET, SO_PEEK_OFF, 1), 0);
    t_send(a, "0123", 4, 0);
    run_us(100000);
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(b, &msg, 0, MSG_PEEK)), 3);
    t_send(a, "45678", 5, 0);
    run_us(100000);
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(b, &msg, 3, MSG_PEEK)), 5);
    ck_assert_mem_eq(buf, "12345678", 8);
    ck_assert_int_eq(t_get(b, SOL_SOCKET, SO_PEEK_OFF), 9);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(no_bytes)
{
    uint8_t buf[4];
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_send(a, buf, 0, 0), 0);
    /* A read of nothing waits for something all the same. */
    ck_assert_int_eq(t_recv(b, buf, 0, 0), -EAGAIN);
    t_send(a, "x", 1, 0);
    run_us(100000);
    ck_assert_int_eq(t_recv(b, buf, 0, 0), 0);
    ck_assert_int_eq(t_recv(b, buf, 4, 0), 1);
    t_close(a);
    run_us(100000);
    ck_assert_int_eq(t_recv(b, buf, 0, 0), 0);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(urgent)
{
    uint8_t buf[8];
    struct sock *a, *b, *listener = t_listener(80);
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_recv(b, buf, 1, MSG_OOB), -EINVAL);
    ck_assert_int_eq(t_send(a, "abU", 3, MSG_OOB), 3);
    t_send(a, "cd", 2, 0);
    run_us(100000);
    ck_assert(t_poll(b) & POLLPRI);
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(b, &msg, 0, MSG_OOB)), 1);
    ck_assert_int_eq(buf[0], 'U');
    ck_assert_int_eq(msg.msg_flags, MSG_OOB);
    ck_assert_int_eq(t_recv(b, buf, 8, 0), 2); /* up to the mark */
    ck_assert_int_eq(t_recv(b, buf, 8, 0), 2);
    ck_assert_mem_eq(buf, "cd", 2);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

START_TEST(reset_is_told_once)
{
    uint8_t buf[8];
    struct linger l = {.l_onoff = 1};
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    IN(HOST_A, sock_setsockopt(a, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    t_close(a);
    run_us(100000);
    ck_assert(t_poll(b) & POLLERR);
    ck_assert_int_eq(t_send(b, "x", 1, 0), -ECONNRESET);
    ck_assert_int_eq(t_send(b, "x", 1, 0), -EPIPE);
    ck_assert_int_eq(t_recv(b, buf, 8, 0), 0);
    ck_assert_int_eq(t_shutdown(b, SHUT_WR), -ENOTCONN);
    t_close(b);
    t_close(listener);
}
END_TEST

/* RFC 7413 3 */
START_TEST(fast_open_flag)
{
    uint8_t buf[8];
    struct sock *listener = t_listener(80), *a = t_socket(HOST_A, SOCK_STREAM), *b;
    struct sockaddr_in to = sim_addr(ADDR_B, 80);
    struct iovec iov = {(void *)(uintptr_t) "hello", 5};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1};
    ck_assert_int_eq(t_send(a, "x", 1, MSG_FASTOPEN), -EINVAL); /* no address */
    /* Without a cookie: a plain connect. Who does not block is told so ... */
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 0, MSG_FASTOPEN)), -EINPROGRESS);
    /* ... who does comes back until it is sent. */
    a->nonblock = 0;
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 0, MSG_FASTOPEN)), -EAGAIN);
    run_us(100000);
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 0, MSG_FASTOPEN)), 5);
    ck_assert_int_eq(IN(HOST_A, sock_sendmsg(a, &msg, 0, MSG_FASTOPEN)), -EISCONN);
    run_us(100000);
    b = t_accept(listener);
    ck_assert_int_eq(t_recv(b, buf, 8, 0), 5);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

TCase *test_sock_stream(void)
{
    TCase *tc = world_tcase("stream");
    tcase_add_test(tc, unconnected);
    tcase_add_test(tc, pieces_and_skip);
    tcase_add_test(tc, bad_pieces);
    tcase_add_test(tc, peek_and_trunc);
    tcase_add_test(tc, a_peek_with_an_offset_goes_on_where_it_was);
    tcase_add_test(tc, no_bytes);
    tcase_add_test(tc, urgent);
    tcase_add_test(tc, reset_is_told_once);
    tcase_add_test(tc, fast_open_flag);
    return tc;
}
