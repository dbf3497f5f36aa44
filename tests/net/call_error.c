/*
 * The error queue (IP_RECVERR, MSG_ERRQUEUE), and control messages: what comes with a datagram, and
 * what goes with one.
 *
 * The peer complains of what is sent to 198.51.100.1 and so on: complain.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "call_cases.h"

static int now(int s)
{
    struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT | POLLPRI};
    return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static void print_in(const char *what, const struct sockaddr *sa)
{
    char text[INET6_ADDRSTRLEN] = "";
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    memcpy(&in, sa, sizeof(in));
    memcpy(&in6, sa, sizeof(in6));
    if (sa->sa_family == AF_INET)
        printf(" %s %s:%d", what, inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text)),
               ntohs(in.sin_port));
    else if (sa->sa_family == AF_INET6)
        printf(" %s [%s]:%d", what, inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text)),
               ntohs(in6.sin6_port));
    else
        printf(" %s family %d", what, sa->sa_family);
}

/* What c holds of a struct of max bytes at *out, from its byte at on; the rest is 0. */
static void take(const struct cmsghdr *c, size_t at, void *out, size_t max)
{
    size_t n = c->cmsg_len - CMSG_LEN(0);

    n = n > at ? n - at : 0;
    memset(out, 0, max);
    memcpy(out, CMSG_DATA(c) + at, n < max ? n : max);
}

static void print_error(const struct cmsghdr *c)
{
    struct sock_extended_err ee;
    struct sockaddr_in6 offender;

    take(c, 0, &ee, sizeof(ee));
    take(c, sizeof(ee), &offender, sizeof(offender));
    printf(" %s origin %d type %d code %d info %u data %u", err_name((int)ee.ee_errno),
           ee.ee_origin, ee.ee_type, ee.ee_code, ee.ee_info, ee.ee_data);
    print_in("by", (struct sockaddr *)&offender);
}

static bool is_soon(time_t sec)
{
    return sec > time(NULL) - 100 && sec < time(NULL) + 100;
}

static void print_cmsg(const struct cmsghdr *c)
{
    size_t n = c->cmsg_len - CMSG_LEN(0);
    struct timeval tv;
    struct in_pktinfo info;
    struct sockaddr_in in;
    printf("    cmsg %d %d, %zu bytes:", c->cmsg_level, c->cmsg_type, n);
    if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
        (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
        print_error(c);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type != SO_RXQ_OVFL) {
        take(c, 0, &tv, sizeof(tv));
        printf(" %s", n < sizeof(tv) ? "cut" : is_soon(tv.tv_sec) ? "now" : "another time");
    } else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
        take(c, 0, &info, sizeof(info));
        printf(" %s", inet_ntoa(info.ipi_addr));
        printf(" %s %d", inet_ntoa(info.ipi_spec_dst), info.ipi_ifindex);
    } else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_ORIGDSTADDR) {
        take(c, 0, &in, sizeof(in));
        printf(" %s:%d", inet_ntoa(in.sin_addr), ntohs(in.sin_port));
    } else {
        for (size_t i = 0; i < n && i < 32; i++)
            printf(" %02x", CMSG_DATA(c)[i]);
    }
    printf("\n");
}

/* One message, in words. */
static void show_room(int s, int flags, size_t room, size_t control)
{
    uint8_t data[3000];
    _Alignas(struct cmsghdr) char cmsg[1024];
    struct sockaddr_storage from = {0};
    struct iovec v = {data, room};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = cmsg,
                       .msg_controllen = control};
    ssize_t n = recvmsg(s, &m, flags | MSG_DONTWAIT);
    if (n < 0) {
        printf("  recvmsg: %s\n", err_name(errno));
        return;
    }
    printf("  recvmsg: %zd bytes, flags %x, %u bytes of name, %zu of control", n, m.msg_flags,
           m.msg_namelen, m.msg_controllen);
    if (m.msg_namelen)
        print_in("from", (struct sockaddr *)&from);
    printf("\n");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        print_cmsg(c);
}
static void show(int s, int flags)
{
    show_room(s, flags, 3000, 1024);
}

static int send_to(int s, const char *ip, int port, size_t n)
{
    static char data[3000];
    struct sockaddr_in a = at(ip, port);
    ssize_t r = sendto(s, data, n, 0, (struct sockaddr *)&a, sizeof(a));
    return r < 0 ? -errno : (int)r;
}

/* The pending error, once it is there. */
static int error_comes(int s)
{
    int err = 0;
    for (int ms = 0; ms < 5000 && !err; ms++) {
        usleep(1000);
        err = opt_int(s, SOL_SOCKET, SO_ERROR);
    }
    return err;
}

static void udp_unconnected(void)
{
    int s = udp();
    R(set_int(s, SOL_IP, IP_RECVERR, 1));
    R(now(s));
    R(send_to(s, peer_ip, 9, 10));
    R(wait_for(s, POLLIN) & POLLERR);
    R(now(s));
    show(s, MSG_ERRQUEUE);
    R(now(s));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    show(s, MSG_ERRQUEUE);
    R(send_to(s, peer_ip, 9, 1400));
    R(wait_for(s, POLLIN) & POLLERR);
    R(send_to(s, peer_ip, 7, 5)); /* the pending error comes first */
    R(now(s));
    R(send_to(s, peer_ip, 7, 5));
    show(s, MSG_ERRQUEUE | MSG_PEEK);
    show_room(s, MSG_ERRQUEUE, 20, 1024);
    R(wait_for(s, POLLIN) & POLLIN);
    show(s, 0);
    R(send_to(s, "198.51.100.1", 7, 10));
    R(wait_for(s, POLLPRI) & POLLERR);
    R(send_to(s, "198.51.100.2", 7, 10));
    R(send_to(s, "198.51.100.2", 7, 10));
    R(error_comes(s));
    show_room(s, MSG_ERRQUEUE, 0, 1024);
    R(now(s));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(now(s));
    show_room(s, MSG_ERRQUEUE, 100, 20);
    show_room(s, MSG_ERRQUEUE, 100, 0);
    R(now(s));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    /* Traceroute. */
    R(set_int(s, SOL_IP, IP_TTL, 1));
    R(send_to(s, "198.51.100.4", 33434, 10));
    R(wait_for(s, POLLPRI) & POLLERR);
    show(s, MSG_ERRQUEUE);
    /* Too large. */
    R(set_int(s, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
    R(send_to(s, peer_ip, 7, 2000));
    R(now(s));
    show(s, MSG_ERRQUEUE);
    R(now(s));
    /* What waits when it is switched off. */
    R(send_to(s, peer_ip, 9, 10));
    R(wait_for(s, POLLPRI) & POLLERR);
    R(set_int(s, SOL_IP, IP_RECVERR, 0));
    show(s, MSG_ERRQUEUE);
    R(now(s));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(send_to(s, peer_ip, 9, 10));
    usleep(20000);
    R(now(s));
    close(s);
}

static void udp_connected(void)
{
    char b[100];
    int s = udp();
    R(conn_to(s, peer_ip, 9));
    R(set_int(s, SOL_IP, IP_RECVERR, 1));
    R(set_int(s, SOL_IP, IP_RECVTTL, 1));
    R(set_int(s, SOL_IP, IP_RECVTOS, 1));
    R(set_int(s, SOL_IP, IP_PKTINFO, 1));
    R(set_int(s, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1));
    R(send(s, "abc", 3, 0));
    R(wait_for(s, POLLIN) & POLLERR);
    R(now(s));
    show(s, MSG_ERRQUEUE);
    R(now(s));
    R(send(s, "abc", 3, 0));
    R(wait_for(s, POLLIN) & POLLERR);
    R(recv(s, b, 100, MSG_DONTWAIT));
    R(recv(s, b, 100, MSG_DONTWAIT));
    R(now(s));
    show(s, MSG_ERRQUEUE);
    close(s);
    s = udp();
    R(conn_to(s, "198.51.100.1", 7)); /* soft: nobody hears of it */
    R(send(s, "abc", 3, 0));
    usleep(20000);
    R(now(s));
    R(conn_to(s, "198.51.100.2", 7)); /* hard */
    R(send(s, "abc", 3, 0));
    R(wait_for(s, POLLIN) & POLLERR);
    show(s, 0);
    R(now(s));
    close(s);
}

static void udp_dual(void)
{
    int s = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    inet_pton(AF_INET6, "::ffff:192.0.2.2", &a.sin6_addr);
    R(set_int(s, SOL_IPV6, IPV6_RECVERR, 1));
    R(sendto(s, "abc", 3, 0, (struct sockaddr *)&a, sizeof(a)));
    usleep(300000); /* IPv4 asks for the other one */
    R(now(s));
    R(set_int(s, SOL_IP, IP_RECVERR, 1));
    R(sendto(s, "abc", 3, 0, (struct sockaddr *)&a, sizeof(a)));
    R(wait_for(s, POLLIN) & POLLERR);
    show(s, MSG_ERRQUEUE);
    close(s);
}

void call_error_udp(void)
{
    udp_unconnected();
    udp_connected();
    udp_dual();
}

void call_error_tcp(void)
{
    char b[10];
    for (int recverr = 0; recverr <= 1; recverr++) {
        int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        R(set_int(s, SOL_IP, IP_RECVERR, recverr));
        R(conn_to(s, "198.51.100.1", 7));
        R(wait_for(s, POLLOUT));
        show(s, MSG_ERRQUEUE);
        R(now(s));
        R(opt_int(s, SOL_SOCKET, SO_ERROR));
        show(s, MSG_ERRQUEUE);
        close(s);
        s = tcp();
        R(set_int(s, SOL_IP, IP_RECVERR, recverr));
        R(conn_to(s, "198.51.100.2", 7));
        show(s, MSG_ERRQUEUE);
        R(now(s));
        R(set_int(s, SOL_IP, IP_TTL, 1));
        R(conn_to(s, "198.51.100.4", 7));
        show(s, MSG_ERRQUEUE);
        R(set_int(s, SOL_IP, IP_TTL, 64));
        R(conn_to(s, peer_ip, 9)); /* a RST is no ICMP message */
        show(s, MSG_ERRQUEUE);
        R(conn_to(s, peer_ip, 7));
        R(send(s, "x", 1, 0));
        R(recv(s, b, 10, 0));
        show(s, MSG_ERRQUEUE);
        close(s);
    }
}

/* MSG_ZEROCOPY: who may have his bytes back. */
void call_error_zerocopy(void)
{
    static char b[20000];
    int s = peer(12);
    R(send(s, b, sizeof(b), MSG_ZEROCOPY)); /* without the option it is nothing */
    show(s, MSG_ERRQUEUE);
    R(set_int(s, SOL_SOCKET, SO_ZEROCOPY, 1));
    R(send(s, b, sizeof(b), MSG_ZEROCOPY));
    R(wait_for(s, POLLPRI) & POLLERR);
    show(s, MSG_ERRQUEUE);
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    for (int i = 0; i < 3; i++)
        R(send(s, b, 1000, MSG_ZEROCOPY));
    usleep(300000);
    show(s, MSG_ERRQUEUE);
    show(s, MSG_ERRQUEUE);
    R(send(s, b, 0, MSG_ZEROCOPY));
    show(s, MSG_ERRQUEUE);
    close(s);
}

/* ---- what comes with a datagram ---- */

static void with(int s, int level, int name, int v)
{
    R(set_int(s, level, name, v));
    R(send(s, "abc", 3, 0));
    R(wait_for(s, POLLIN) & POLLIN);
    show(s, 0);
}

void call_error_cmsg_in(void)
{
    /* The kernel begins to stamp what comes in some time after the first one asked for it. */
    int s = udp(), other = udp();
    set_int(other, SOL_SOCKET, SO_TIMESTAMP, 1);
    usleep(200000);
    bind_to(s, own_ip, 4330);
    conn_to(s, peer_ip, 7);
    with(s, SOL_SOCKET, SO_TIMESTAMP, 1);
    with(s, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    with(s, SOL_SOCKET, SO_TIMESTAMP, 0);
    with(s, SOL_SOCKET, SO_TIMESTAMP_NEW, 1);
    with(s, SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1);
    with(s, SOL_SOCKET, SO_TIMESTAMPNS_NEW, 0);
    with(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE);
    with(s, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
    with(s, SOL_SOCKET, SO_TIMESTAMPING_NEW,
         SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
    with(s, SOL_SOCKET, SO_TIMESTAMP, 1);
    with(s, SOL_SOCKET, SO_TIMESTAMPING, 0);
    with(s, SOL_SOCKET, SO_TIMESTAMP, 0);
    with(s, SOL_IP, IP_RECVTTL, 1);
    with(s, SOL_IP, IP_RECVTOS, 1);
    with(s, SOL_IP, IP_PKTINFO, 1);
    with(s, SOL_IP, IP_RECVORIGDSTADDR, 1);
    with(s, SOL_IP, IP_RECVOPTS, 1);
    with(s, SOL_IP, IP_RETOPTS, 1);
    with(s, SOL_IP, IP_CHECKSUM, 1);
    with(s, SOL_IP, IP_RECVFRAGSIZE, 1);
    with(s, SOL_SOCKET, SO_RXQ_OVFL, 1);
    with(s, SOL_SOCKET, SO_TIMESTAMP, 1);
    R(send(s, "abcdef", 6, 0));
    R(send(s, "abcdef", 6, 0));
    usleep(300000);
    show_room(s, MSG_PEEK, 3, 30);
    show_room(s, MSG_PEEK | MSG_TRUNC, 3, 60);
    show_room(s, 0, 6, 17);
    show_room(s, 0, 6, 15);
    close(s);
    close(other);
}

/* ---- what goes with one ---- */

/* Sends a datagram with one control message; the puppet says what it came with. */
static void sent_with(int s, int level, int type, const void *data, size_t len)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(64)] = {0};
    struct sockaddr_in a = at(peer_ip, 16);
    struct iovec v = {(char[]){"h"}, 1};
    struct msghdr m = {.msg_name = &a,
                       .msg_namelen = sizeof(a),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(len)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    char text[100] = "";
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    ssize_t n = sendmsg(s, &m, 0);
    if (n < 0) {
        printf("  sendmsg with %d %d of %zu: %s\n", level, type, len, err_name(errno));
        return;
    }
    wait_for(s, POLLIN);
    n = recv(s, text, sizeof(text) - 1, MSG_DONTWAIT);
    printf("  sendmsg with %d %d of %zu: %s\n", level, type, len, n < 0 ? err_name(errno) : text);
}
static void sent_with_int(int s, int level, int type, int v)
{
    sent_with(s, level, type, &v, sizeof(v));
}

void call_error_cmsg_out(void)
{
    static const int ttls[] = {0, 1, 5, 255, 256, -1}, toses[] = {0, 4, 0xb8, 255, 256, -1};
    struct in_pktinfo info = {0};
    uint8_t byte = 0x10;
    int s = udp();
    bind_to(s, "0.0.0.0", 4331);
    R(set_int(s, SOL_IP, IP_TTL, 77));
    R(set_int(s, SOL_IP, IP_TOS, 0x20));
    for (int i = 0; i < 6; i++)
        sent_with_int(s, SOL_IP, IP_TTL, ttls[i]);
    for (int i = 0; i < 6; i++)
        sent_with_int(s, SOL_IP, IP_TOS, toses[i]);
    sent_with(s, SOL_IP, IP_TOS, &byte, 1);
    sent_with(s, SOL_IP, IP_TTL, &byte, 1);
    sent_with(s, SOL_IP, IP_PKTINFO, &info, sizeof(info));
    sent_with(s, SOL_IP, IP_PKTINFO, &info, sizeof(info) - 1);
    inet_pton(AF_INET, own_ip, &info.ipi_spec_dst);
    sent_with(s, SOL_IP, IP_PKTINFO, &info, sizeof(info));
    inet_pton(AF_INET, "203.0.113.7", &info.ipi_spec_dst);
    sent_with(s, SOL_IP, IP_PKTINFO, &info, sizeof(info));
    info = (struct in_pktinfo){.ipi_ifindex = 4711};
    sent_with(s, SOL_IP, IP_PKTINFO, &info, sizeof(info));
    sent_with_int(s, SOL_SOCKET, SO_MARK, 5);
    sent_with_int(s, SOL_SOCKET, SO_PRIORITY, 3);
    sent_with_int(s, SOL_SOCKET, SO_PRIORITY, 100);
    sent_with_int(s, SOL_SOCKET, SO_TIMESTAMPING, 0);
    sent_with_int(s, SOL_SOCKET, SO_TIMESTAMPING, -1);
    sent_with_int(s, SOL_SOCKET, SO_KEEPALIVE, 1);
    sent_with_int(s, SOL_IP, IP_RECVERR, 1);
    sent_with_int(s, SOL_IP, 52, 17);
    sent_with_int(s, IPPROTO_UDP, 103, 1000);
    sent_with_int(s, IPPROTO_TCP, 1, 1);
    sent_with_int(s, SOL_IPV6, IPV6_HOPLIMIT, 5);
    sent_with_int(s, 4711, 1, 1);
    close(s);
    s = tcp();
    conn_to(s, peer_ip, 7);
    sent_with_int(s, SOL_SOCKET, SO_MARK, 5);
    sent_with_int(s, SOL_SOCKET, SO_KEEPALIVE, 1);
    sent_with_int(s, SOL_IP, IP_TTL, 3);
    close(s);
}
