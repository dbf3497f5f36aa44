/* Control messages, both ways. */
#include "test_sock.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <sys/time.h>

static struct sock *rx, *tx;

static void setup(void)
{
    world_setup();
    rx = t_socket(HOST_A, SOCK_DGRAM);
    tx = t_socket(HOST_B, SOCK_DGRAM);
    ck_assert_int_eq(t_bind(rx, 0, 53), 0);
    ck_assert_int_eq(t_bind(tx, 0, 54), 0);
    HOST_A->st->realtime_offset_us = 1700000000ll * 1000000;
}

static void teardown(void)
{
    t_close(rx);
    t_close(tx);
    world_teardown();
}

static char control[512];

/* Receives one datagram with room for control messages; the msghdr as filled in. */
static struct msghdr receive(size_t room)
{
    static char buf[100];
    static struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = room};
    msg.msg_control = room ? control : NULL;
    memset(control, 0xee, sizeof(control));
    ck_assert_int_ge(IN(HOST_A, sock_recvmsg(rx, &msg, 0, 0)), 0);
    return msg;
}

static const void *find(struct msghdr *msg, int level, int type, size_t len)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != level || c->cmsg_type != type)
            continue;
        ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(len));
        return CMSG_DATA(c);
    }
    ck_abort_msg("no control message %d, %d", level, type);
    return NULL;
}

static void give(void)
{
    ck_assert_int_eq(t_sendto(tx, "x", 1, ADDR_A, 53), 1);
    run_us(100000);
}

START_TEST(received)
{
    int v;
    struct in_pktinfo info;
    struct sockaddr_in dst;
    struct timeval tv;
    give();
    struct msghdr msg = receive(sizeof(control));
    ck_assert_uint_eq(msg.msg_controllen, 0);
    t_set(rx, SOL_IP, IP_PKTINFO, 1);
    t_set(rx, SOL_IP, IP_RECVTTL, 1);
    t_set(rx, SOL_IP, IP_RECVTOS, 1);
    t_set(rx, SOL_IP, IP_RECVORIGDSTADDR, 1);
    t_set(rx, SOL_SOCKET, SO_TIMESTAMP, 1);
    t_set(tx, SOL_IP, IP_TOS, 0x28);
    t_set(tx, SOL_IP, IP_TTL, 5);
    give();
    msg = receive(sizeof(control));
    ck_assert_int_eq(msg.msg_flags, 0);
    memcpy(&v, find(&msg, SOL_IP, IP_TTL, sizeof(v)), sizeof(v));
    ck_assert_int_eq(v, 5);
    ck_assert_int_eq(*(const uint8_t *)find(&msg, SOL_IP, IP_TOS, 1), 0x28);
    memcpy(&info, find(&msg, SOL_IP, IP_PKTINFO, sizeof(info)), sizeof(info));
    ck_assert_int_eq(info.ipi_ifindex, 1);
    ck_assert_uint_eq(ntohl(info.ipi_addr.s_addr), ADDR_A);
    ck_assert_uint_eq(ntohl(info.ipi_spec_dst.s_addr), ADDR_A);
    memcpy(&dst, find(&msg, SOL_IP, IP_ORIGDSTADDR, sizeof(dst)), sizeof(dst));
    ck_assert_int_eq(ntohs(dst.sin_port), 53);
    memcpy(&tv, find(&msg, SOL_SOCKET, SO_TIMESTAMP, sizeof(tv)), sizeof(tv));
    ck_assert_int_ge(tv.tv_sec, 1700000000);
}
END_TEST

START_TEST(broadcast_info)
{
    struct in_pktinfo info;
    t_set(rx, SOL_IP, IP_PKTINFO, 1);
    t_set(tx, SOL_SOCKET, SO_BROADCAST, 1);
    ck_assert_int_eq(t_sendto(tx, "x", 1, 0xc00002ff, 53), 1);
    run_us(100000);
    struct msghdr msg = receive(sizeof(control));
    memcpy(&info, find(&msg, SOL_IP, IP_PKTINFO, sizeof(info)), sizeof(info));
    ck_assert_uint_eq(ntohl(info.ipi_addr.s_addr), 0xc00002ff);
    ck_assert_uint_eq(ntohl(info.ipi_spec_dst.s_addr), ADDR_A);
}
END_TEST

START_TEST(timestamps)
{
    struct timespec ts, three[3];
    t_set(rx, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    give();
    struct msghdr msg = receive(sizeof(control));
    memcpy(&ts, find(&msg, SOL_SOCKET, SO_TIMESTAMPNS, sizeof(ts)), sizeof(ts));
    ck_assert_int_ge(ts.tv_sec, 1700000000);
    t_set(rx, SOL_SOCKET, SO_TIMESTAMP_NEW, 1);
    give();
    msg = receive(sizeof(control));
    find(&msg, SOL_SOCKET, SO_TIMESTAMP_NEW, 16);
    t_set(rx, SOL_SOCKET, SO_TIMESTAMP_NEW, 0);
    t_set(rx, SOL_SOCKET, SO_TIMESTAMPING,
          SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
    give();
    msg = receive(sizeof(control));
    memcpy(three, find(&msg, SOL_SOCKET, SO_TIMESTAMPING, sizeof(three)), sizeof(three));
    ck_assert_int_ge(three[0].tv_sec, 1700000000);
    ck_assert_int_eq(three[2].tv_sec, 0);
}
END_TEST

START_TEST(cut)
{
    t_set(rx, SOL_IP, IP_PKTINFO, 1);
    t_set(rx, SOL_IP, IP_RECVTTL, 1);
    give();
    struct msghdr msg = receive(0);
    ck_assert_int_eq(msg.msg_flags, MSG_CTRUNC);
    ck_assert_uint_eq(msg.msg_controllen, 0);
    give();
    msg = receive(sizeof(struct cmsghdr) - 1);
    ck_assert_int_eq(msg.msg_flags, MSG_CTRUNC);
    ck_assert_uint_eq(msg.msg_controllen, 0);
    give();
    msg = receive(CMSG_LEN(5)); /* a part of the first one */
    ck_assert_int_eq(msg.msg_flags, MSG_CTRUNC);
    ck_assert_uint_eq(CMSG_FIRSTHDR(&msg)->cmsg_len, CMSG_LEN(5));
    ck_assert_uint_eq(msg.msg_controllen, CMSG_LEN(5));
    ck_assert_int_eq(control[CMSG_LEN(5)], (char)0xee);
    give();
    msg = receive(CMSG_SPACE(sizeof(struct in_pktinfo)));
    ck_assert_int_eq(msg.msg_flags, MSG_CTRUNC); /* the second one is missing */
    ck_assert_uint_eq(msg.msg_controllen, CMSG_SPACE(sizeof(struct in_pktinfo)));
}
END_TEST

/* Sends with one control message. */
static ssize_t send_with(int level, int type, const void *data, size_t len)
{
    struct sockaddr_in to = sim_addr(ADDR_A, 53);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct msghdr msg = {.msg_name = &to,
                         .msg_namelen = sizeof(to),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = CMSG_SPACE(len)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
    memcpy(CMSG_DATA(c), data, len);
    return IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0));
}

START_TEST(sent)
{
    int v = 7, zero = 0, big = 256;
    uint8_t tos = 0x1c;
    struct in_pktinfo info = {.ipi_ifindex = 1, .ipi_spec_dst.s_addr = htonl(ADDR_B)};
    t_set(rx, SOL_IP, IP_RECVTTL, 1);
    t_set(rx, SOL_IP, IP_RECVTOS, 1);
    ck_assert_int_eq(send_with(SOL_IP, IP_TTL, &v, sizeof(v)), 1);
    run_us(100000);
    struct msghdr msg = receive(sizeof(control));
    memcpy(&v, find(&msg, SOL_IP, IP_TTL, sizeof(v)), sizeof(v));
    ck_assert_int_eq(v, 7);
    ck_assert_int_eq(send_with(SOL_IP, IP_TOS, &tos, 1), 1);
    run_us(100000);
    msg = receive(sizeof(control));
    ck_assert_int_eq(*(const uint8_t *)find(&msg, SOL_IP, IP_TOS, 1), 0x1c);
    memcpy(&v, find(&msg, SOL_IP, IP_TTL, sizeof(v)), sizeof(v));
    ck_assert_int_eq(v, 64); /* for that one only */
    ck_assert_int_eq(send_with(SOL_IP, IP_PKTINFO, &info, sizeof(info)), 1);
    ck_assert_int_eq(send_with(SOL_IP, IP_PKTINFO, &info, 4), -EINVAL);
    info.ipi_ifindex = 9;
    ck_assert_int_eq(send_with(SOL_IP, IP_PKTINFO, &info, sizeof(info)), -ENODEV);
    ck_assert_int_eq(send_with(SOL_IP, IP_TTL, &zero, sizeof(zero)), -EINVAL);
    ck_assert_int_eq(send_with(SOL_IP, IP_TTL, &big, sizeof(big)), -EINVAL);
    ck_assert_int_eq(send_with(SOL_IP, IP_TOS, &big, sizeof(big)), -EINVAL);
    ck_assert_int_eq(send_with(SOL_IP, IP_TOS, &big, 2), -EINVAL);
    ck_assert_int_eq(send_with(SOL_IP, 250, &v, sizeof(v)), -EINVAL);
    ck_assert_int_eq(send_with(SOL_SOCKET, 250, &v, sizeof(v)), -EINVAL);
    ck_assert_int_eq(send_with(SOL_SOCKET, SCM_RIGHTS, &v, sizeof(v)), 1);
    ck_assert_int_eq(send_with(SOL_SOCKET, SO_MARK, &v, sizeof(v)), 1);
    ck_assert_int_eq(send_with(12345, 1, &v, sizeof(v)), 1); /* another protocol's */
}
END_TEST

START_TEST(sent_malformed)
{
    struct sockaddr_in to = sim_addr(ADDR_A, 53);
    struct cmsghdr c = {.cmsg_level = SOL_IP, .cmsg_type = IP_TTL, .cmsg_len = sizeof(c) - 1};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_control = &c, .msg_controllen = sizeof(c)};
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EINVAL);
    c.cmsg_len = sizeof(c) + 1;
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EINVAL);
    c.cmsg_len = (size_t)-1;
    ck_assert_int_eq(IN(HOST_B, sock_sendmsg(tx, &msg, 0, 0)), -EINVAL);
}
END_TEST

START_TEST(error_queue)
{
    char buf[16] = "";
    struct sockaddr_in name;
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_name = &name,
                         .msg_namelen = sizeof(name),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct {
        struct sock_extended_err ee;
        struct sockaddr_in offender;
    } e;
    t_set(tx, SOL_IP, IP_RECVERR, 1);
    ck_assert_int_eq(t_sendto(tx, "hello", 5, ADDR_A, 99), 5);
    run_us(100000);
    ck_assert(t_poll(tx) & POLLERR);
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(tx, &msg, 0, MSG_ERRQUEUE)), 5);
    ck_assert_str_eq(buf, "hello");
    ck_assert_int_eq(msg.msg_flags, MSG_ERRQUEUE);
    ck_assert_int_eq(ntohs(name.sin_port), 99);
    memcpy(&e, find(&msg, SOL_IP, IP_RECVERR, sizeof(e)), sizeof(e));
    ck_assert_int_eq((int)e.ee.ee_errno, ECONNREFUSED);
    ck_assert_int_eq(e.ee.ee_origin, SO_EE_ORIGIN_ICMP);
    ck_assert_int_eq(e.ee.ee_type, 3);
    ck_assert_int_eq(e.ee.ee_code, 3);
    ck_assert_uint_eq(ntohl(e.offender.sin_addr.s_addr), ADDR_A);
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(tx, &msg, 0, MSG_ERRQUEUE)), -EAGAIN);
}
END_TEST

/* ICMP errors about a SYN: the queue of a TCP. */
START_TEST(error_queue_of_tcp)
{
    static const uint8_t quote[8] = {1, 2, 3, 4};
    struct icmp_error e = {.from = addr_v4(ADDR_B),
                           .src = addr_v4(ADDR_A),
                           .dst = addr_v4(ADDR_B),
                           .type = ICMP_UNREACHABLE,
                           .code = ICMP_UNREACH_HOST,
                           .err = EHOSTUNREACH,
                           .l4 = quote,
                           .l4_len = sizeof(quote)};
    struct sock *s = t_socket(HOST_A, SOCK_STREAM);
    uint8_t data[20];
    struct iovec iov = {data, 5};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    struct sock_extended_err ee;

    arena_fail_at(HOST_A->st->net.arena, 1); /* without memory there is none */
    IN(HOST_A, (sock_error_icmp(s, &e), 0));
    ck_assert_uint_eq(t_poll(s) & POLLERR, 0);
    arena_fail_at(HOST_A->st->net.arena, 0);
    for (unsigned i = 0; i < 100; i++) { /* there is an end to it */
        e.err = i == 1 ? ECONNREFUSED : EHOSTUNREACH;
        IN(HOST_A, (sock_error_icmp(s, &e), 0));
    }
    ck_assert_uint_eq(t_poll(s) & (POLLERR | POLLPRI), POLLERR);
    ck_assert_int_eq(t_set(s, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1), 0);
    ck_assert_uint_eq(t_poll(s) & (POLLERR | POLLPRI), POLLERR | POLLPRI);
    msg.msg_controllen = sizeof(control);
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(s, &msg, 0, MSG_ERRQUEUE)), 5);
    ck_assert_int_eq(msg.msg_flags, MSG_ERRQUEUE | MSG_TRUNC);
    ck_assert_mem_eq(data, quote, 5);
    memcpy(&ee, find(&msg, SOL_IP, IP_RECVERR, sizeof(ee) + sizeof(struct sockaddr_in)),
           sizeof(ee));
    ck_assert_uint_eq(ee.ee_errno, EHOSTUNREACH);
    ck_assert_uint_eq(ee.ee_origin, SO_EE_ORIGIN_ICMP);
    ck_assert_int_eq(t_get(s, SOL_SOCKET, SO_ERROR), ECONNREFUSED); /* the next one's */
    ck_assert_int_eq(t_set(s, SOL_IP, IP_RECVERR, 0), 0);
    ck_assert_uint_eq(t_poll(s) & POLLERR, 0);
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(s, &msg, 0, MSG_ERRQUEUE)), -EAGAIN);
    IN(HOST_A, (sock_error_icmp(s, &e), 0)); /* close() frees it */
    t_close(s);
}
END_TEST

START_TEST(stream_inq)
{
    int v;
    char buf[2];
    struct iovec iov = {buf, 2};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_set(b, IPPROTO_TCP, TCP_INQ, 1), 0);
    t_send(a, "abcdef", 6, 0);
    run_us(100000);
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(b, &msg, 0, 0)), 2);
    memcpy(&v, find(&msg, IPPROTO_TCP, TCP_CM_INQ, sizeof(v)), sizeof(v));
    ck_assert_int_eq(v, 4);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

/* When the text came: as the kernel's stamp of the segment. */
START_TEST(stream_timestamp)
{
    struct timeval tv;
    char buf[8];
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    HOST_B->st->realtime_offset_us = 1700000000ll * 1000000;
    ck_assert_int_eq(t_set(b, SOL_SOCKET, SO_TIMESTAMP, 1), 0);
    t_send(a, "abc", 3, 0);
    run_us(100000);
    uint64_t later_us = HOST_B->st->net.now_us;
    ck_assert_int_eq(IN(HOST_B, sock_recvmsg(b, &msg, 0, 0)), 3);
    memcpy(&tv, find(&msg, SOL_SOCKET, SO_TIMESTAMP, sizeof(tv)), sizeof(tv));
    ck_assert_int_ge(tv.tv_sec, 1700000000);
    ck_assert_int_le(tv.tv_sec, 1700000000 + (time_t)(later_us / 1000000));
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

/* What MSG_ERRQUEUE says of sends with MSG_ZEROCOPY: which calls, and that they were copied. */
static void expect_zerocopy(struct sock *so, uint32_t first, uint32_t last)
{
    struct {
        struct sock_extended_err ee;
        struct sockaddr_in nobody;
    } e;
    struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
    ck_assert(sock_poll(so) & POLLERR);
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(so, &msg, 0, MSG_ERRQUEUE)), 0);
    ck_assert_int_eq(msg.msg_flags, MSG_ERRQUEUE);
    memcpy(&e, find(&msg, SOL_IP, IP_RECVERR, sizeof(e)), sizeof(e));
    ck_assert_uint_eq(e.ee.ee_errno, 0);
    ck_assert_uint_eq(e.ee.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    ck_assert_uint_eq(e.ee.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
    ck_assert_uint_eq(e.ee.ee_info, first);
    ck_assert_uint_eq(e.ee.ee_data, last);
    ck_assert(!(sock_poll(so) & POLLERR));
    ck_assert_int_eq(IN(HOST_A, sock_recvmsg(so, &msg, 0, MSG_ERRQUEUE)), -EAGAIN);
}

START_TEST(zerocopy)
{
    struct sock *a, *b, *listener = t_listener(80);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_send(a, "abc", 3, MSG_ZEROCOPY), 3); /* not asked for: as if not there */
    ck_assert(!(sock_poll(a) & POLLERR));
    ck_assert_int_eq(t_set(a, SOL_SOCKET, SO_ZEROCOPY, 1), 0);
    ck_assert_int_eq(t_send(a, "abc", 3, 0), 3);
    ck_assert_int_eq(t_send(a, "abc", 3, MSG_ZEROCOPY), 3);
    expect_zerocopy(a, 0, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(t_send(a, "abc", 3, MSG_ZEROCOPY), 3);
    expect_zerocopy(a, 1, 3);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

TCase *test_sock_cmsg(void)
{
    TCase *tc = tcase_create("cmsg");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, received);
    tcase_add_test(tc, broadcast_info);
    tcase_add_test(tc, timestamps);
    tcase_add_test(tc, cut);
    tcase_add_test(tc, sent);
    tcase_add_test(tc, sent_malformed);
    tcase_add_test(tc, error_queue);
    tcase_add_test(tc, error_queue_of_tcp);
    tcase_add_test(tc, stream_inq);
    tcase_add_test(tc, stream_timestamp);
    tcase_add_test(tc, zerocopy);
    return tc;
}
