/*
 * What programs get wrong: addresses that are none, lengths that cannot be; and what comes too
 * late: a connection that was reset before it was accepted.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "call_cases.h"

#define NOWHERE ((void *)8)

/* Compilers know which arguments must not be NULL, or are read. */
static void *volatile null, *volatile nowhere = NOWHERE;
static volatile int minus = -1;

void call_wrong_addresses(void)
{
    struct sockaddr_in a = at(peer_ip, 7);
    char b[10];
    for (int kind = 0; kind < 2; kind++) {
        int s = kind ? udp() : tcp();
        R(conn_to(s, peer_ip, 7));
        R(recv(s, null, 1, MSG_DONTWAIT));
        R(send(s, null, 1, 0));
        R(send(s, nowhere, 1, 0));
        R(sendmsg(s, null, 0));
        R(recvmsg(s, null, 0));
        R(sendmmsg(s, null, 1, 0));
        R(sendmmsg(s, nowhere, 1, 0));
        R(sendmmsg(s, null, 0, 0));
        R(recvmmsg(s, null, 1, MSG_DONTWAIT, NULL));
        R(recvmmsg(s, nowhere, 1, MSG_DONTWAIT, NULL));
        R(recvmmsg(s, null, 0, MSG_DONTWAIT, NULL));
        struct iovec iov = {b, 1};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = 64};
        R(sendmsg(s, &m, 0));
        m.msg_control = nowhere;
        R(sendmsg(s, &m, 0));
        m = (struct msghdr){.msg_iov = null, .msg_iovlen = 1};
        R(sendmsg(s, &m, 0));
        R(recvmsg(s, &m, MSG_DONTWAIT));
        R(readv(s, null, 1));
        R(writev(s, null, 1));
        R(readv(s, &iov, minus));
        R(writev(s, &iov, minus));
        R(preadv2(s, &iov, minus, -1, 0));
        R(preadv2(s, &iov, minus, -1, RWF_NOWAIT));
        R(pwritev2(s, &iov, minus, -1, 0));
        R(pwritev2(s, &iov, minus, -1, RWF_NOWAIT));
        iov.iov_len = 0;
        R(preadv2(s, &iov, 1, -1, RWF_NOWAIT));
        R(bind(s, null, sizeof(a)));
        R(connect(s, null, sizeof(a)));
        R(getsockname(s, null, &(socklen_t){16}));
        R(getpeername(s, (struct sockaddr *)&a, null));
        static const int names[] = {SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER,
                                    SO_REUSEADDR,     SO_RCVTIMEO,      SO_LINGER,
                                    SO_RCVBUF};
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
            R(setsockopt(s, SOL_SOCKET, names[i], null, 0));
            R(setsockopt(s, SOL_SOCKET, names[i], null, 3));
            R(setsockopt(s, SOL_SOCKET, names[i], null, sizeof(struct sock_fprog)));
            R(setsockopt(s, SOL_SOCKET, names[i], nowhere, 4));
            R(setsockopt(s, SOL_SOCKET, names[i], null, (socklen_t)-1));
        }
        close(s);
    }
}

/* recvmmsg() ends after the message with which its time was up; no time is too long. */
void call_wrong_times(void)
{
    static const struct timespec times[] = {{0, 0},
                                            {5, 0},
                                            {-1, 0},
                                            {0, -1},
                                            {0, 1000000000},
                                            {INT64_MAX / 1000000 + 1, 0},
                                            {INT64_MAX, 999999999}};
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        struct timespec t = times[i];
        struct mmsghdr mm[2] = {0};
        struct iovec iov[2];
        char b[2][10];
        int s = udp();
        R(conn_to(s, peer_ip, 7));
        for (int k = 0; k < 2; k++) {
            iov[k] = (struct iovec){b[k], sizeof(b[k])};
            mm[k].msg_hdr = (struct msghdr){.msg_iov = &iov[k], .msg_iovlen = 1};
            R(send(s, "abc", 3, 0));
        }
        R(recvmmsg(s, mm, 2, 0, &t));
        close(s);
    }
}

/* What was corked is lost when it becomes too much for one datagram. */
void call_wrong_cork(void)
{
    static char b[60000];
    struct sockaddr_in nobody = at(peer_ip, 9), echo = at(peer_ip, 7);
    int s = udp();
    R(set_int(s, SOL_UDP, UDP_CORK, 1));
    R(sendto(s, b, sizeof(b), 0, (struct sockaddr *)&nobody, sizeof(nobody)));
    R(sendto(s, b, sizeof(b), 0, (struct sockaddr *)&nobody, sizeof(nobody)));
    R(sendto(s, "abc", 3, 0, (struct sockaddr *)&echo, sizeof(echo)));
    R(set_int(s, SOL_UDP, UDP_CORK, 0));
    R(wait_for(s, POLLIN));
    R(recv(s, b, sizeof(b), 0));
    close(s);
}

/* The peer resets its connection while nobody has accepted it. */
void call_wrong_accept(void)
{
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a);
    char b[4];
    int control = puppet(), s = tcp();
    set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(s, own_ip, 4330));
    R(listen(s, 5));
    puppet_say(control, "k %s 4330 1 v z s 1\n", own_ip);
    R(recv(control, b, 1, 0));
    int c = accept(s, (struct sockaddr *)&a, &len);
    R(c >= 0);
    R(len);
    R(a.sin_addr.s_addr == at(peer_ip, 0).sin_addr.s_addr);
    R(a.sin_port != 0);
    R(wait_for(c, POLLIN));
    R(recv(c, b, 4, 0));
    R(recv(c, b, 4, 0));
    close(c);
    close(s);
    close(control);
}
