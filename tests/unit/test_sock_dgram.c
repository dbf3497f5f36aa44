/* Sending and receiving on UDP sockets. */
#include "test_sock.h"

#include <linux/udp.h>

/* A receives on port 53, B sends from 54. */
static struct sock *rx, *tx;

static void setup(void)
{
    world_setup();
    rx = t_socket(HOST_A, SOCK_DGRAM);
    tx = t_socket(HOST_B, SOCK_DGRAM);
    ck_assert_int_eq(t_bind(rx, 0, 53), 0);
    ck_assert_int_eq(t_bind(tx, 0, 54), 0);
}

static void teardown(void)
{
    t_close(rx);
    t_close(tx);
    world_teardown();
}

static void give(const char *s)
{
    ck_assert_int_eq(t_sendto(tx, s, strlen(s), ADDR_A, 53), (int)strlen(s));
    run_us(100000);
}

START_TEST(destinations)
{
    struct sockaddr_in to = sim_addr(ADDR_A, 53);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1};
    char buf[4];
    ck_assert_int_eq(t_send(tx, "x", 1, 0), -EDESTADDRREQ);
    ck_assert_int_eq(t_sendto(tx, "x", 1, ADDR_A, 0), -EINVAL);
    ck_assert_int_eq(t_sendto(tx, "x", 1, 0x08080808, 53), -ENETUNREACH);
    ck_assert_int_eq(t_sendto(tx, "x", 1, 0xc00002ff, 53), -EACCES);
    msg.msg_namelen = 15;
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EINVAL);
    msg.msg_namelen = 1;
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EINVAL);
    msg.msg_namelen = (socklen_t)-1;
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EINVAL);
    msg.msg_namelen = sizeof(to);
    to.sin_family = AF_INET6;
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EAFNOSUPPORT);
    to.sin_family = AF_UNSPEC; /* taken for AF_INET */
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), 1);
    ck_assert_int_eq(t_send(tx, "x", 1, MSG_OOB), -EOPNOTSUPP);
    /* Connected: another destination for once. */
    ck_assert_int_eq(t_connect(tx, ADDR_A, 99), 0);
    give("y");
    run_us(100000);
    ck_assert_int_eq(t_recv(rx, buf, 4, 0), 1);
    ck_assert_int_eq(t_recv(rx, buf, 4, 0), 1);
    t_set(tx, SOL_SOCKET, SO_BROADCAST, 1);
    ck_assert_int_eq(t_sendto(tx, "x", 1, 0xc00002ff, 53), 1);
}
END_TEST

START_TEST(lengths)
{
    static uint8_t big[70000], buf[70000];
    ck_assert_int_eq(t_sendto(tx, big, 65536, ADDR_A, 53), -EMSGSIZE);
    ck_assert_int_eq(t_sendto(tx, big, 65508, ADDR_A, 53), -EMSGSIZE);
    ck_assert_int_eq(t_sendto(tx, big, 65507, ADDR_A, 53), 65507);
    ck_assert_int_eq(t_sendto(tx, big, 0, ADDR_A, 53), 0);
    run_us(1000000);
    ck_assert_int_eq(t_recv(rx, buf, sizeof(buf), 0), 65507);
    ck_assert(t_poll(rx) & POLLIN);
    ck_assert_int_eq(t_recv(rx, buf, sizeof(buf), 0), 0);
    ck_assert(!(t_poll(rx) & POLLIN));
    ck_assert_int_eq(t_recv(rx, buf, sizeof(buf), 0), -EAGAIN);
}
END_TEST

START_TEST(names_and_truncation)
{
    char buf[8] = "";
    struct sockaddr_in from;
    struct iovec iov = {buf, 3};
    struct msghdr msg = {.msg_name = &from, .msg_namelen = 5, .msg_iov = &iov, .msg_iovlen = 1};
    give("abcdef");
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(rx, &msg, 0, MSG_PEEK)), 3);
    ck_assert_int_eq(msg.msg_flags, MSG_TRUNC);
    ck_assert_int_eq(msg.msg_namelen, sizeof(from));
    ck_assert_int_eq(ntohs(from.sin_port), 54);
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(rx, &msg, 0, MSG_TRUNC | MSG_CMSG_CLOEXEC)), 6);
    ck_assert_int_eq(msg.msg_flags, MSG_TRUNC | MSG_CMSG_CLOEXEC);
    ck_assert_uint_eq(ntohl(from.sin_addr.s_addr), ADDR_B);
    ck_assert_str_eq(buf, "abc");
    give("x");
    msg.msg_name = NULL;
    msg.msg_namelen = 7;
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(rx, &msg, 0, 0)), 1);
    ck_assert_int_eq(msg.msg_namelen, 0);
}
END_TEST

START_TEST(peek_offset)
{
    char buf[8];
    give("abcdef");
    give("gh");
    ck_assert_int_eq(t_set(rx, SOL_SOCKET, SO_PEEK_OFF, 2), 0);
    ck_assert_int_eq(t_recv(rx, buf, 3, MSG_PEEK), 3);
    ck_assert_mem_eq(buf, "cde", 3);
    ck_assert_int_eq(t_recv(rx, buf, 8, MSG_PEEK), 1);
    ck_assert_int_eq(t_recv(rx, buf, 8, MSG_PEEK), 2); /* the next datagram */
    ck_assert_mem_eq(buf, "gh", 2);
    ck_assert_int_eq(t_recv(rx, buf, 8, MSG_PEEK), -EAGAIN);
    ck_assert_int_eq(t_recv(rx, buf, 8, 0), 6);
    ck_assert_int_eq(t_get(rx, SOL_SOCKET, SO_PEEK_OFF), 2);
    ck_assert_int_eq(t_recv(rx, buf, 8, 0), 2);
    ck_assert_int_eq(t_get(rx, SOL_SOCKET, SO_PEEK_OFF), 0);
}
END_TEST

START_TEST(corked)
{
    static uint8_t big[60000];
    char buf[32];
    struct sockaddr_in to = sim_addr(ADDR_A, 53), elsewhere = sim_addr(ADDR_A, 77);
    struct iovec iov = {(void *)(uintptr_t) "abc", 3};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1};
    ck_assert_int_eq(t_send(tx, "x", 1, MSG_MORE), -EDESTADDRREQ);
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, MSG_MORE)), 3);
    run_us(100000);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), -EAGAIN);
    msg.msg_name = &elsewhere; /* the first call's destination stays */
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, MSG_MORE)), 3);
    ck_assert_int_eq(t_send(tx, "de", 2, 0), 2);
    run_us(100000);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 8);
    ck_assert_mem_eq(buf, "abcabcde", 8);
    /* UDP_CORK */
    ck_assert_int_eq(t_set(tx, IPPROTO_UDP, UDP_CORK, 1), 0);
    give("12");
    give("34");
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), -EAGAIN);
    ck_assert_int_eq(t_sendto(tx, big, sizeof(big), ADDR_A, 53), sizeof(big));
    ck_assert_int_eq(t_set(tx, IPPROTO_UDP, UDP_CORK, 0), 0);
    run_us(1000000);
    ck_assert_int_eq(t_recv(rx, buf, 32, MSG_TRUNC), 60004);
    ck_assert_mem_eq(buf, "1234", 4);
    /* What is still corked at the end goes with the socket. */
    t_send(tx, "zz", 2, MSG_MORE);
}
END_TEST

/* As in Linux what was corked is lost then; it was sent after all, and to the old destination. */
START_TEST(corking_too_much_loses_it_all)
{
    static uint8_t big[60000];
    char buf[32];
    ck_assert_int_eq(t_set(tx, IPPROTO_UDP, UDP_CORK, 1), 0);
    ck_assert_int_eq(t_sendto(tx, big, sizeof(big), ADDR_A, 77), sizeof(big));
    ck_assert_int_eq(t_sendto(tx, big, sizeof(big), ADDR_A, 77), -EMSGSIZE);
    ck_assert_int_eq(t_sendto(tx, "new", 3, ADDR_A, 53), 3);
    ck_assert_int_eq(t_set(tx, IPPROTO_UDP, UDP_CORK, 0), 0);
    run_us(100000);
    ck_assert_int_eq(t_recv(rx, buf, 32, MSG_TRUNC), 3);
    ck_assert_mem_eq(buf, "new", 3);
}
END_TEST

START_TEST(segmented)
{
    char buf[32], control[CMSG_SPACE(2)] = {0};
    struct sockaddr_in to = sim_addr(ADDR_A, 53);
    struct iovec iov[2] = {{(void *)(uintptr_t) "0123456", 7}, {(void *)(uintptr_t) "789", 3}};
    struct msghdr msg = {.msg_name = &to,
                         .msg_namelen = sizeof(to),
                         .msg_iov = iov,
                         .msg_iovlen = 2,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    uint16_t size = 4;
    *c = (struct cmsghdr){
        .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(2)};
    memcpy(CMSG_DATA(c), &size, 2);
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), 10);
    run_us(100000);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 4);
    ck_assert_mem_eq(buf, "0123", 4);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 4);
    ck_assert_mem_eq(buf, "4567", 4);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 2);
    ck_assert_int_eq(t_set(tx, IPPROTO_UDP, UDP_SEGMENT, 3), 0);
    give("abcdefgh");
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 3);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 3);
    ck_assert_int_eq(t_recv(rx, buf, 32, 0), 2);
    static uint8_t big[400];
    t_set(tx, IPPROTO_UDP, UDP_SEGMENT, 1);
    ck_assert_int_eq(t_sendto(tx, big, 129, ADDR_A, 53), -EINVAL);
}
END_TEST

START_TEST(overflow_is_counted)
{
    static uint8_t data[1000], buf[1000];
    t_set(rx, SOL_SOCKET, SO_RCVBUF, 4000);
    for (int i = 0; i < 50; i++)
        t_sendto(tx, data, sizeof(data), ADDR_A, 53);
    run_us(100000);
    int n = 0;
    while (t_recv(rx, buf, sizeof(buf), 0) > 0)
        n++;
    ck_assert_int_gt(n, 2);
    ck_assert_int_lt(n, 20);
    ck_assert_int_eq((int)rx->udp->drops, 50 - n);
}
END_TEST

TCase *test_sock_dgram(void)
{
    TCase *tc = tcase_create("dgram");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, destinations);
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, names_and_truncation);
    tcase_add_test(tc, peek_offset);
    tcase_add_test(tc, corked);
    tcase_add_test(tc, corking_too_much_loses_it_all);
    tcase_add_test(tc, segmented);
    tcase_add_test(tc, overflow_is_counted);
    return tc;
}
