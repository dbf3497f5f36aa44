/*
 * One table of socket calls, run against the kernel and against the stack: prints every return
 * value and errno, and what the calls filled in. test_calls.sh runs it twice and compares the
 * outputs, which therefore hold nothing that may differ (no ephemeral ports, no times).
 *
 * usage: call_cases PEER OWN     (addresses; PEER runs peer.py)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "call_cases.h"

static volatile sig_atomic_t pipes, alarms;

static void creation(void)
{
    R(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    R(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    R(socket(AF_INET, SOCK_SEQPACKET, 0));
    R(socket(AF_INET, 77, 0));
    R(socket(9999, SOCK_STREAM, 0));
    int s = tcp();
    R(s);
    R(close(s));
    R(close(s));
    R(tcp() == s);
    R(fcntl(s, F_GETFD));
    R(fcntl(s, F_GETFL) & O_NONBLOCK);
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    R(fcntl(s, F_GETFD));
    R(!!(fcntl(s, F_GETFL) & O_NONBLOCK));
    R(opt_int(s, SOL_SOCKET, SO_TYPE));
    R(opt_int(s, SOL_SOCKET, SO_DOMAIN));
    R(opt_int(s, SOL_SOCKET, SO_PROTOCOL));
    R(opt_int(s, SOL_SOCKET, SO_ACCEPTCONN));
    struct stat st;
    R(fstat(s, &st));
    R(S_ISSOCK(st.st_mode));
    R(lseek(s, 0, SEEK_CUR));
    close(s);
}

static void unconnected_stream(void)
{
    int s = tcp();
    char b[8];
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    R(recv(s, b, sizeof(b), 0));
    signal(SIGPIPE, SIG_IGN);
    R(send(s, "x", 1, 0));
    R(send(s, "x", 1, MSG_NOSIGNAL));
    R(write(s, "x", 1));
    R(read(s, b, sizeof(b)));
    R(getpeername(s, (struct sockaddr *)&a, &len));
    R(getsockname(s, (struct sockaddr *)&a, &len));
    R(len);
    R(a.sin_family);
    R(a.sin_port);
    R(a.sin_addr.s_addr);
    R(shutdown(s, SHUT_WR));
    R(shutdown(s, 7));
    R(accept(s, NULL, NULL));
    R(wait_for(s, POLLIN | POLLOUT));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    close(s);
    R(recv(-1, b, 1, 0));
    R(send(9999, b, 1, 0));
    int p[2];
    R(pipe(p));
    R(recv(p[0], b, 1, 0));
    R(connect(p[0], (struct sockaddr *)&a, sizeof(a)));
    R(listen(p[0], 1));
    close(p[0]);
    close(p[1]);
}

static void binding(void)
{
    int s = tcp(), t = tcp();
    struct sockaddr_in a = at(own_ip, 4001);
    socklen_t len = sizeof(a);
    R(bind(s, (struct sockaddr *)&a, 4));
    R(bind(s, (struct sockaddr *)&a, sizeof(a)));
    R(bind(s, (struct sockaddr *)&a, sizeof(a)));
    R(bind_to(t, own_ip, 4001));
    R(bind_to(t, "0.0.0.0", 4001));
    R(bind_to(t, "203.0.113.99", 4002));
    a.sin_family = AF_INET6;
    R(bind(t, (struct sockaddr *)&a, sizeof(a)));
    R(getsockname(s, (struct sockaddr *)&a, &len));
    R(ntohs(a.sin_port));
    R(strcmp(inet_ntoa(a.sin_addr), own_ip));
    len = 3;
    memset(&a, 0xee, sizeof(a));
    R(getsockname(s, (struct sockaddr *)&a, &len));
    R(len);
    R(((uint8_t *)&a)[3]);
    len = (socklen_t)-1;
    R(getsockname(s, (struct sockaddr *)&a, &len));
    R(set_int(t, SOL_SOCKET, SO_REUSEADDR, 1));
    R(bind_to(t, own_ip, 4001));
    R(set_int(s, SOL_SOCKET, SO_REUSEADDR, 1));
    R(bind_to(t, own_ip, 4001));
    R(listen(s, 5));
    R(listen(t, 5));
    R(listen(s, 1));
    R(opt_int(s, SOL_SOCKET, SO_ACCEPTCONN));
    close(s);
    close(t);
    s = udp();
    t = udp();
    R(bind_to(s, own_ip, 4003));
    R(bind_to(t, own_ip, 4003));
    R(set_int(s, SOL_SOCKET, SO_REUSEPORT, 1));
    R(set_int(t, SOL_SOCKET, SO_REUSEPORT, 1));
    R(bind_to(t, own_ip, 4003));
    R(listen(s, 1));
    R(accept(s, NULL, NULL));
    close(s);
    close(t);
    /* Both REUSEPORT before the bind. */
    s = udp();
    t = udp();
    set_int(s, SOL_SOCKET, SO_REUSEPORT, 1);
    set_int(t, SOL_SOCKET, SO_REUSEPORT, 1);
    R(bind_to(s, own_ip, 4004));
    R(bind_to(t, own_ip, 4004));
    close(s);
    close(t);
    /* TCP and UDP share no ports. */
    s = udp();
    t = tcp();
    R(bind_to(s, own_ip, 4005));
    R(bind_to(t, own_ip, 4005));
    close(s);
    close(t);
    s = tcp();
    R(bind_to(s, own_ip, 0));
    len = sizeof(a);
    getsockname(s, (struct sockaddr *)&a, &len);
    R(a.sin_port != 0);
    close(s);
}

static void connecting(void)
{
    int s = tcp();
    struct sockaddr_in a = at(peer_ip, 7), b;
    socklen_t len = sizeof(b);
    R(connect(s, (struct sockaddr *)&a, 3));
    R(conn_to(s, peer_ip, 9));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(conn_to(s, peer_ip, 7));
    R(conn_to(s, peer_ip, 7));
    R(getpeername(s, (struct sockaddr *)&b, &len));
    R(memcmp(&a, &b, sizeof(a)));
    len = sizeof(b);
    R(getsockname(s, (struct sockaddr *)&b, &len));
    R(strcmp(inet_ntoa(b.sin_addr), own_ip));
    R(b.sin_port != 0);
    R(listen(s, 1));
    R(bind_to(s, own_ip, 4010));
    R(accept(s, NULL, NULL));
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    R(connect(s, &unspec, sizeof(unspec)));
    R(getpeername(s, (struct sockaddr *)&b, &len));
    R(conn_to(s, peer_ip, 7));
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    R(conn_to(s, peer_ip, 7));
    R(wait_for(s, POLLOUT));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(conn_to(s, peer_ip, 7));
    R(conn_to(s, peer_ip, 7));
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    R(conn_to(s, peer_ip, 9));
    R(wait_for(s, POLLOUT));
    R(wait_for(s, POLLIN));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(conn_to(s, peer_ip, 9));
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    R(conn_to(s, peer_ip, 9));
    R(wait_for(s, POLLOUT));
    R(conn_to(s, peer_ip, 9));
    R(send(s, "x", 1, MSG_NOSIGNAL));
    close(s);
    s = tcp();
    R(conn_to(s, "255.255.255.255", 7));
    R(conn_to(s, "224.0.0.1", 7));
    R(conn_to(s, "203.0.113.1", 7));
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    R(conn_to(s, "192.0.2.77", 7));
    R(conn_to(s, "192.0.2.77", 7));
    char c;
    R(recv(s, &c, 1, 0));
    R(send(s, &c, 1, MSG_NOSIGNAL));
    R(wait_for(s, POLLOUT));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    close(s);
}

static void stream_data(void)
{
    int s = peer(7);
    char b[5000];
    R(send(s, "hello world", 11, 0));
    R(wait_for(s, POLLIN));
    R(recv(s, b, 5, MSG_PEEK));
    R(recv(s, b, 5, 0));
    R(memcmp(b, "hello", 5));
    R(recv(s, b, sizeof(b), MSG_DONTWAIT));
    R(recv(s, b, sizeof(b), MSG_DONTWAIT));
    R(send(s, b, 0, 0));
    R(recv(s, b, 0, MSG_DONTWAIT));
    memset(b, 'a', sizeof(b));
    R(send(s, b, 5000, 0));
    R(recv(s, b, 5000, MSG_WAITALL));
    R(write(s, b, 10));
    R(recv(s, b, 10, MSG_WAITALL | MSG_PEEK));
    int n = -1;
    R(ioctl(s, FIONREAD, &n));
    R(n);
    R(recv(s, b, 4, MSG_TRUNC));
    R(read(s, b, 6));
    struct iovec v[3] = {{b, 3}, {b + 3, 0}, {b + 3, 4}};
    R(writev(s, v, 3));
    R(recv(s, b, 7, MSG_WAITALL));
    R(send(s, "1234567", 7, MSG_MORE));
    R(send(s, "8", 1, 0));
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
    wait_for(s, POLLIN);
    R(recv(s, b, 1, 0));
    R(recvmsg(s, &m, MSG_WAITALL));
    R(m.msg_flags);
    struct sockaddr_in a = at(peer_ip, 7);
    socklen_t len = sizeof(a);
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
    memset(&a, 0, sizeof(a));
    R(recvfrom(s, b, 1, MSG_WAITALL, (struct sockaddr *)&a, &len));
    R(len);
    R(ioctl(s, SIOCOUTQ, &n));
    R(wait_for(s, POLLIN | POLLOUT | POLLRDHUP));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(shutdown(s, SHUT_WR));
    R(send(s, "x", 1, MSG_NOSIGNAL));
    R(wait_for(s, POLLIN));
    R(recv(s, b, 1, 0));
    R(recv(s, b, 1, 0));
    R(wait_for(s, POLLIN | POLLOUT | POLLRDHUP));
    R(shutdown(s, SHUT_RDWR));
    R(shutdown(s, SHUT_RD));
    close(s);
    s = peer(8);
    R(recv(s, b, 1000, MSG_WAITALL));
    R(recv(s, b, 1000, MSG_WAITALL));
    R(recv(s, b, 1000, MSG_DONTWAIT));
    R(send(s, "x", 1, MSG_NOSIGNAL));
    close(s);
    s = peer(12);
    for (int i = 0; i < 100; i++)
        if (send(s, b, sizeof(b), 0) != sizeof(b))
            printf("  short send\n");
    R(shutdown(s, SHUT_WR));
    ssize_t r = recv(s, b, 7, MSG_WAITALL);
    R(r);
    R(memcmp(b, "500000\n", 7));
    close(s);
}

static void on_pipe(int sig)
{
    (void)sig;
    pipes++;
}

static void reset_and_pipe(void)
{
    char b[10];
    signal(SIGPIPE, on_pipe);
    pipes = 0;
    int s = peer(10);
    R(send(s, "x", 1, 0));
    R(wait_for(s, POLLIN));
    R(wait_for(s, POLLIN | POLLOUT | POLLRDHUP));
    R(recv(s, b, 1, 0));
    R(recv(s, b, 1, 0));
    R(send(s, "x", 1, 0));
    R(pipes);
    R(send(s, "x", 1, MSG_NOSIGNAL));
    R(pipes);
    R(write(s, "x", 1));
    R(pipes);
    R(getpeername(s, &(struct sockaddr){0}, &(socklen_t){sizeof(struct sockaddr)}));
    R(shutdown(s, SHUT_RDWR));
    close(s);
    s = peer(10);
    R(send(s, "x", 1, 0));
    R(wait_for(s, POLLIN));
    R(send(s, "x", 1, 0));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(send(s, "x", 1, 0));
    R(pipes);
    close(s);
    signal(SIGPIPE, SIG_IGN);
}

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

static void set_alarm(int ms, int flags)
{
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
    sigaction(SIGALRM, &sa, NULL);
    struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &it, NULL);
}

static void timeouts_and_signals(void)
{
    char b[10];
    int s = peer(11);
    struct timeval tv = {0, 50000}, got;
    socklen_t len = sizeof(got);
    R(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    R(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
    R(got.tv_sec);
    R(recv(s, b, 1, 0));
    tv.tv_usec = 2000000;
    R(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    tv = (struct timeval){5, 0};
    R(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    alarms = 0;
    set_alarm(50, SA_RESTART);
    R(recv(s, b, 1, 0)); /* with a timeout: EINTR even so */
    R(alarms);
    tv = (struct timeval){0, 0};
    R(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
    set_alarm(50, 0);
    R(recv(s, b, 1, 0));
    R(alarms);
    set_alarm(50, 0);
    R(wait_for(s, POLLIN));
    R(alarms);
    R(recv(s, b, 1, MSG_DONTWAIT));
    R(fcntl(s, F_SETFL, O_NONBLOCK));
    R(recv(s, b, 1, 0));
    int off = 0;
    R(ioctl(s, FIONBIO, &off));
    R(fcntl(s, F_GETFL) & O_NONBLOCK);
    int t = dup(s);
    R(fcntl(t, F_SETFL, fcntl(t, F_GETFL) | O_NONBLOCK));
    R(recv(s, b, 1, 0));
    close(s);
    R(send(t, "x", 1, 0));
    R(recv(t, b, 1, 0));
    close(t);
    s = tcp();
    bind_to(s, own_ip, 4020);
    listen(s, 1);
    set_alarm(50, 0);
    R(accept(s, NULL, NULL));
    tv = (struct timeval){0, 50000};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    R(accept(s, NULL, NULL));
    R(poll(&(struct pollfd){.fd = s, .events = POLLOUT}, 1, 50)); /* nothing comes of it */
    R(recv(s, b, 1, 0));
    R(send(s, b, 1, MSG_NOSIGNAL));
    R(conn_to(s, peer_ip, 7));
    R(shutdown(s, SHUT_RD));
    R(accept(s, NULL, NULL));
    close(s);
}

static void datagrams(void)
{
    int s = udp();
    char b[70000];
    struct sockaddr_in a = at(peer_ip, 7), from;
    socklen_t len = sizeof(from);
    memset(b, 'z', sizeof(b));
    R(send(s, b, 1, 0));
    R(recv(s, b, 1, MSG_DONTWAIT));
    R(sendto(s, b, 10, 0, (struct sockaddr *)&a, 3));
    R(sendto(s, b, 10, 0, (struct sockaddr *)&a, sizeof(a)));
    R(wait_for(s, POLLIN));
    R(recvfrom(s, b, 4, MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&from, &len));
    R(memcmp(&a, &from, sizeof(a)));
    int n;
    R(ioctl(s, FIONREAD, &n));
    R(n);
    struct iovec v = {b, 4};
    struct msghdr m = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &v, .msg_iovlen = 1};
    R(recvmsg(s, &m, 0));
    R(m.msg_flags == MSG_TRUNC);
    R(m.msg_namelen);
    R(recvmsg(s, &m, MSG_DONTWAIT));
    R(sendto(s, b, 0, 0, (struct sockaddr *)&a, sizeof(a)));
    R(wait_for(s, POLLIN));
    R(recv(s, b, 10, 0));
    R(sendto(s, b, 65507, 0, (struct sockaddr *)&a, sizeof(a)));
    R(recv(s, b, sizeof(b), 0));
    R(sendto(s, b, 65508, 0, (struct sockaddr *)&a, sizeof(a)));
    R(sendto(s, b, 70000, 0, (struct sockaddr *)&a, sizeof(a)));
    a.sin_port = htons(13);
    R(sendto(s, b, 1, 0, (struct sockaddr *)&a, sizeof(a)));
    R(recv(s, b, 2000, MSG_TRUNC));
    R(conn_to(s, peer_ip, 7));
    R(send(s, "abc", 3, 0));
    R(recv(s, b, 10, 0));
    R(getpeername(s, (struct sockaddr *)&from, &len));
    R(sendto(s, b, 1, 0, (struct sockaddr *)&a, sizeof(a)));
    R(recv(s, b, 100, MSG_DONTWAIT));
    R(conn_to(s, peer_ip, 9));
    R(send(s, "x", 1, 0));
    R(wait_for(s, POLLIN));
    R(recv(s, b, 10, 0));
    R(recv(s, b, 10, MSG_DONTWAIT));
    R(send(s, "x", 1, 0));
    R(wait_for(s, POLLIN));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    R(connect(s, &unspec, sizeof(unspec)));
    R(send(s, "x", 1, 0));
    R(getpeername(s, (struct sockaddr *)&from, &len));
    a = at("192.0.2.255", 7);
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
    R(set_int(s, SOL_SOCKET, SO_BROADCAST, 1));
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
    a = at("203.0.113.5", 7);
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
    R(shutdown(s, SHUT_WR));
    close(s); /* an answer to the broadcast may come any moment */
    s = udp();
    conn_to(s, peer_ip, 7);
    R(shutdown(s, SHUT_WR));
    R(send(s, "x", 1, MSG_NOSIGNAL));
    R(shutdown(s, SHUT_RD));
    R(recv(s, b, 1, 0));
    close(s);
    s = udp();
    struct mmsghdr mm[3];
    struct iovec vv[3];
    memset(mm, 0, sizeof(mm));
    a = at(peer_ip, 7);
    for (int i = 0; i < 3; i++) {
        vv[i] = (struct iovec){b + i * 100, (size_t)(10 + i)};
        mm[i].msg_hdr = (struct msghdr){
            .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &vv[i], .msg_iovlen = 1};
    }
    R(sendmmsg(s, mm, 3, 0));
    R(mm[2].msg_len);
    for (int i = 0; i < 3; i++)
        vv[i].iov_len = 100;
    R(recvmmsg(s, mm, 3, 0, NULL));
    R(mm[0].msg_len);
    R(mm[2].msg_len);
    R(recvmmsg(s, mm, 3, MSG_DONTWAIT, NULL));
    close(s);
}

static void options(void)
{
    static const struct {
        int level, name;
        const char *text;
    } ints[] = {
#define O(l, n) {l, n, #n}
        O(SOL_SOCKET, SO_REUSEADDR),
        O(SOL_SOCKET, SO_REUSEPORT),
        O(SOL_SOCKET, SO_KEEPALIVE),
        O(SOL_SOCKET, SO_BROADCAST),
        O(SOL_SOCKET, SO_OOBINLINE),
        O(SOL_SOCKET, SO_RCVLOWAT),
        O(SOL_SOCKET, SO_PRIORITY),
        O(SOL_SOCKET, SO_DONTROUTE),
        O(SOL_SOCKET, SO_TIMESTAMP),
        O(SOL_SOCKET, SO_NO_CHECK),
        O(SOL_SOCKET, SO_SNDLOWAT),
        O(IPPROTO_IP, IP_TOS),
        O(IPPROTO_IP, IP_TTL),
        O(IPPROTO_IP, IP_MTU_DISCOVER),
        O(IPPROTO_IP, IP_PKTINFO),
        O(IPPROTO_IP, IP_RECVTTL),
        O(IPPROTO_IP, IP_RECVTOS),
        O(IPPROTO_IP, IP_RECVERR),
        O(IPPROTO_IP, IP_MULTICAST_TTL),
        O(IPPROTO_IP, IP_MULTICAST_LOOP),
        O(IPPROTO_TCP, TCP_NODELAY),
        O(IPPROTO_TCP, TCP_CORK),
        O(IPPROTO_TCP, TCP_KEEPIDLE),
        O(IPPROTO_TCP, TCP_KEEPINTVL),
        O(IPPROTO_TCP, TCP_KEEPCNT),
        O(IPPROTO_TCP, TCP_SYNCNT),
        O(IPPROTO_TCP, TCP_LINGER2),
        O(IPPROTO_TCP, TCP_DEFER_ACCEPT),
        O(IPPROTO_TCP, TCP_WINDOW_CLAMP),
        O(IPPROTO_TCP, TCP_QUICKACK),
        O(IPPROTO_TCP, TCP_USER_TIMEOUT),
        O(IPPROTO_TCP, TCP_MAXSEG),
        O(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
#undef O
    };
    static const int values[] = {1, 0, 2, 3, -1, 100, 1000000};
    int (*const make[])(void) = {tcp, udp};
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < sizeof(ints) / sizeof(*ints); i++) {
            int s = make[kind]();
            printf("  %s %s: default %d;", kind ? "udp" : "tcp", ints[i].text,
                   opt_int(s, ints[i].level, ints[i].name));
            for (size_t j = 0; j < sizeof(values) / sizeof(*values); j++) {
                errno = 0;
                int r = set_int(s, ints[i].level, ints[i].name, values[j]);
                printf(" %d:%s", values[j], r < 0 ? err_name(errno) : "ok");
                printf("=%d", opt_int(s, ints[i].level, ints[i].name));
            }
            printf("\n");
            close(s);
        }
    }
    int s = tcp();
    R(set_int(s, SOL_SOCKET, SO_RCVBUF, 100000));
    R(opt_int(s, SOL_SOCKET, SO_RCVBUF));
    R(set_int(s, SOL_SOCKET, SO_RCVBUF, 1));
    R(opt_int(s, SOL_SOCKET, SO_RCVBUF));
    R(set_int(s, SOL_SOCKET, SO_SNDBUF, 1));
    R(opt_int(s, SOL_SOCKET, SO_SNDBUF));
    R(set_int(s, SOL_SOCKET, SO_SNDBUF, 50000));
    R(opt_int(s, SOL_SOCKET, SO_SNDBUF));
    char c = 1;
    R(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &c, 1));
    R(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &c, 1));
    R(setsockopt(s, IPPROTO_IP, IP_TOS, &c, 1));
    R(setsockopt(s, SOL_SOCKET, 9999, &c, 1));
    R(set_int(s, SOL_SOCKET, 9999, 1));
    R(set_int(s, IPPROTO_TCP, 9999, 1));
    R(set_int(s, 9999, 1, 1));
    R(opt_int(s, SOL_SOCKET, 9999));
    R(opt_int(s, IPPROTO_TCP, 9999));
    R(opt_int(s, IPPROTO_IP, 9999));
    struct linger l = {1, 5};
    socklen_t len = sizeof(l);
    R(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    l.l_linger = 0;
    R(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &len));
    R(l.l_linger);
    R(len);
    R(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 4));
    int v = 0;
    len = 2;
    R(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &len));
    R(len);
    len = 100;
    char big[100];
    R(getsockopt(s, SOL_SOCKET, SO_TYPE, big, &len));
    R(len);
    R(set_int(s, SOL_SOCKET, SO_TYPE, 1));
    R(set_int(s, SOL_SOCKET, SO_ERROR, 1));
    R(set_int(s, SOL_SOCKET, SO_ACCEPTCONN, 1));
    R(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8));
    R(setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
    len = sizeof(big);
    memset(big, 0, sizeof(big));
    R(getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, big, &len));
    R(strcmp(big, "reno"));
    R(len);
    struct tcp_info ti;
    len = sizeof(ti);
    R(getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len));
    R(ti.tcpi_state);
    R(opt_int(s, IPPROTO_IP, IP_MTU));
    close(s);
    s = peer(7);
    len = sizeof(ti);
    R(getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len));
    R(ti.tcpi_state);
    R(ti.tcpi_options & TCPI_OPT_TIMESTAMPS);
    R(ti.tcpi_snd_mss);
    R(opt_int(s, IPPROTO_TCP, TCP_MAXSEG));
    R(opt_int(s, IPPROTO_IP, IP_MTU));
    R(opt_int(s, IPPROTO_IP, IP_TTL));
    close(s);
}

static void lingering(void)
{
    int s = peer(12);
    struct linger l = {1, 0};
    R(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    R(close(s));
    s = peer(12);
    l.l_linger = 5;
    R(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
    R(send(s, "abc", 3, 0));
    R(close(s));
}

static void descriptors(void)
{
    int s = peer(7), t = -1;
    char b[10];
    R(dup2(s, 40));
    R(close(s));
    R(send(40, "abc", 3, 0));
    R(recv(40, b, 3, MSG_WAITALL));
    R(dup3(40, 40, 0));
    R(dup2(40, 40));
    R(dup3(40, 41, O_CLOEXEC));
    R(fcntl(41, F_GETFD));
    R(close(40));
    R(write(41, "xy", 2));
    R(recv(41, b, 2, MSG_WAITALL));
    R(fcntl(41, F_DUPFD, 50));
    R(fcntl(41, F_DUPFD_CLOEXEC, 50));
    R(fcntl(51, F_GETFD));
    R(close_range(41, 50, 0));
    R(write(51, "z", 1));
    R(read(51, b, 10));
    R(dup2(51, 52));
    R(dup2(0, 52));
    R(write(51, "z", 1));
    R(read(51, b, 10));
    R(close(51));
    R(write(51, "z", 1));
    R(close(52));
    s = tcp();
    R(close_range(3, ~0U, 0));
    t = tcp();
    R(t == s);
    R(conn_to(t, peer_ip, 7));
    R(send(t, "still", 5, 0));
    R(recv(t, b, 5, MSG_WAITALL));
    close(t);
    R(dup(999));
    R(dup2(999, 5));
}

static void urgent(void)
{
    int s = peer(11);
    char b[4];
    int mark = -1;
    R(send(s, "u", 1, MSG_OOB));
    R(recv(s, b, 1, MSG_OOB));
    R(ioctl(s, SIOCATMARK, &mark));
    R(mark);
    close(s);
}

int main(int argc, char **argv)
{
    static const struct call_case cases[] = {
        {"creation", creation},
        {"unconnected stream", unconnected_stream},
        {"binding", binding},
        {"connecting", connecting},
        {"stream data", stream_data},
        {"reset and SIGPIPE", reset_and_pipe},
        {"timeouts and signals", timeouts_and_signals},
        {"datagrams", datagrams},
        {"options", options},
        {"linger", lingering},
        {"urgent data", urgent},
        {"descriptors", descriptors},
        {"dual stack", call_dual},
        {"dual stack names", call_dual_names},
        {"dual stack and loopback", call_dual_loopback},
    };
    return call_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}
