/*
 * What a call says in every state of a TCP: names, connect() and listen() at the wrong time, ports
 * in TIME_WAIT, the backlog, lingering, shutdown, urgent data.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call_cases.h"

#define PUPPET_PORT 16

static const struct sockaddr unspec = {.sa_family = AF_UNSPEC};

/* Says a line to the puppet. */
void puppet_say(int s, const char *format, ...)
{
    char line[200];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (write(s, line, (size_t)n) != n)
        printf("  the puppet does not listen\n");
}

int puppet(void)
{
    return peer(PUPPET_PORT);
}

static int tcp_nonblock(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static void linger(int s, int on, int seconds)
{
    struct linger l = {on, seconds};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static int state_of(int s)
{
    struct tcp_info ti;
    socklen_t len = sizeof(ti);
    memset(&ti, 0, sizeof(ti));
    return getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len) < 0 ? -errno : ti.tcpi_state;
}

/* Until it is in that state (of the kernel's numbers), at most two seconds. */
static int becomes(int s, int state)
{
    for (int ms = 0; ms < 2000 && state_of(s) != state; ms++)
        usleep(1000);
    return state_of(s);
}

static int inq(int s)
{
    int n = -1;
    return ioctl(s, SIOCINQ, &n) < 0 ? -errno : n;
}
static int outq(int s)
{
    int n = -1;
    return ioctl(s, SIOCOUTQ, &n) < 0 ? -errno : n;
}
static int at_mark(int s)
{
    int n = -1;
    return ioctl(s, SIOCATMARK, &n) < 0 ? -errno : n;
}
static int now(int s)
{
    struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
    return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static int own_port(int s)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    return getsockname(s, (struct sockaddr *)&a, &len) < 0 ? -errno : ntohs(a.sin_port);
}
static bool has_own_addr(int s)
{
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a);
    getsockname(s, (struct sockaddr *)&a, &len);
    return a.sin_addr.s_addr != 0;
}
static int peer_name(int s)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    return getpeername(s, (struct sockaddr *)&a, &len) < 0 ? -errno : ntohs(a.sin_port);
}

/* Everything that can be asked of a socket without changing it. */
#define ASK(s)                                                                                     \
    do {                                                                                           \
        R(now(s));                                                                                 \
        R(state_of(s));                                                                            \
        R(inq(s));                                                                                 \
        R(state_of(s) == TCP_CLOSE ? 0 : outq(s));                                                 \
        R(at_mark(s));                                                                             \
        R(own_port(s) > 0);                                                                        \
        R(has_own_addr(s));                                                                        \
        R(peer_name(s));                                                                           \
    } while (0)

/* Everything that can be tried without waiting. */
static void try_all(int s)
{
    char b[4];
    R(recv(s, b, 1, MSG_DONTWAIT));
    R(recv(s, b, 0, MSG_DONTWAIT));
    R(recv(s, b, 1, MSG_DONTWAIT | MSG_PEEK));
    R(recv(s, b, 1, MSG_DONTWAIT | MSG_OOB));
    R(recv(s, b, 1, MSG_DONTWAIT | MSG_ERRQUEUE));
    R(send(s, b, 0, MSG_DONTWAIT | MSG_NOSIGNAL));
    R(send(s, b, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
    R(send(s, b, 1, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB));
    R(accept4(s, NULL, NULL, SOCK_NONBLOCK));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
}

void call_state_each(void)
{
    int s = tcp();
    ASK(s);
    try_all(s);
    R(bind_to(s, own_ip, 4300));
    ASK(s);
    R(connect(s, &unspec, sizeof(unspec)));
    ASK(s);
    close(s);

    s = tcp_nonblock();
    R(conn_to(s, "192.0.2.77", 7)); /* SYN_SENT */
    ASK(s);
    try_all(s);
    R(listen(s, 1));
    R(bind_to(s, own_ip, 4300));
    R(conn_to(s, "192.0.2.77", 7));
    R(connect(s, &unspec, sizeof(unspec)));
    ASK(s);
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(conn_to(s, peer_ip, 7));
    R(wait_for(s, POLLOUT));
    R(conn_to(s, peer_ip, 7));
    close(s);

    s = tcp_nonblock();
    conn_to(s, "192.0.2.77", 7);
    R(shutdown(s, SHUT_RD));
    ASK(s);
    try_all(s);
    close(s);

    s = tcp_nonblock();
    bind_to(s, own_ip, 4301);
    R(listen(s, 0));
    ASK(s);
    try_all(s);
    R(conn_to(s, peer_ip, 7));
    R(shutdown(s, SHUT_WR));
    R(now(s));
    R(listen(s, -1));
    R(shutdown(s, SHUT_RDWR));
    ASK(s);
    try_all(s);
    R(listen(s, 1));
    ASK(s);
    R(connect(s, &unspec, sizeof(unspec)));
    ASK(s);
    R(conn_to(s, peer_ip, 9));
    close(s);

    s = peer(11); /* ESTABLISHED */
    R(fcntl(s, F_SETFL, O_NONBLOCK));
    R(now(s));
    R(state_of(s));
    try_all(s);
    R(listen(s, 1));
    R(conn_to(s, peer_ip, 11));
    R(shutdown(s, SHUT_RD));
    R(now(s));
    R(recv(s, &(char){0}, 1, 0));
    R(shutdown(s, SHUT_WR));
    R(becomes(s, TCP_FIN_WAIT2));
    R(shutdown(s, SHUT_WR));
    ASK(s);
    try_all(s);
    R(conn_to(s, peer_ip, 11));
    R(connect(s, &unspec, sizeof(unspec)));
    ASK(s);
    try_all(s);
    close(s);

    s = peer(8); /* CLOSE_WAIT: 1000 bytes and a FIN */
    R(becomes(s, TCP_CLOSE_WAIT));
    ASK(s);
    R(shutdown(s, SHUT_WR));
    R(becomes(s, TCP_CLOSE));
    ASK(s);
    char b[2000];
    R(recv(s, b, sizeof(b), 0));
    R(recv(s, b, sizeof(b), 0));
    try_all(s);
    R(shutdown(s, SHUT_RDWR));
    R(conn_to(s, peer_ip, 7));
    R(conn_to(s, peer_ip, 7));
    close(s);

    s = peer(10); /* reset */
    R(send(s, "x", 1, 0));
    R(wait_for(s, POLLIN));
    ASK(s);
    R(conn_to(s, peer_ip, 7));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    ASK(s);
    try_all(s);
    R(shutdown(s, SHUT_RD));
    R(listen(s, 1));
    close(s);

    s = puppet(); /* TIME_WAIT */
    R(shutdown(s, SHUT_WR));
    R(becomes(s, TCP_CLOSE));
    ASK(s);
    try_all(s);
    R(shutdown(s, SHUT_RDWR));
    close(s);
}

/* ---- ports ---- */

/* A connection from a port of ours, closed on this side first: the port is in TIME_WAIT. */
static void wait_out(int port)
{
    char c;
    int s = tcp();
    set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(s, own_ip, port));
    R(conn_to(s, peer_ip, PUPPET_PORT));
    R(shutdown(s, SHUT_WR));
    R(recv(s, &c, 1, 0));
    close(s);
}

void call_state_ports(void)
{
    wait_out(4310);
    int s = tcp(), t = tcp();
    R(bind_to(s, own_ip, 4310));
    R(bind_to(s, "0.0.0.0", 4310));
    R(set_int(s, SOL_SOCKET, SO_REUSEADDR, 1));
    R(bind_to(s, own_ip, 4310));
    R(conn_to(s, peer_ip, PUPPET_PORT)); /* the same four-tuple, at once */
    R(conn_to(s, peer_ip, 7));
    R(set_int(t, SOL_SOCKET, SO_REUSEADDR, 1));
    R(bind_to(t, own_ip, 4310));
    R(conn_to(t, peer_ip, 7));
    R(listen(t, 1));
    close(t);
    linger(s, 1, 0);
    close(s);
    s = tcp();
    set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(s, "0.0.0.0", 4310));
    R(listen(s, 1));
    t = tcp();
    set_int(t, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(t, own_ip, 4310));
    close(t);
    close(s);
    /* Two listeners with SO_REUSEPORT, and a third without. */
    s = tcp();
    t = tcp();
    int u = tcp();
    set_int(s, SOL_SOCKET, SO_REUSEPORT, 1);
    set_int(t, SOL_SOCKET, SO_REUSEPORT, 1);
    R(bind_to(s, own_ip, 4311));
    R(bind_to(t, own_ip, 4311));
    R(bind_to(u, own_ip, 4311));
    R(listen(s, 5));
    R(listen(t, 5));
    R(set_int(u, SOL_SOCKET, SO_REUSEPORT, 1));
    R(bind_to(u, own_ip, 4311));
    R(listen(u, 5));
    close(s);
    close(t);
    close(u);
    /* Bound to any address and to one. */
    s = tcp();
    t = tcp();
    R(bind_to(s, "0.0.0.0", 4312));
    R(bind_to(t, own_ip, 4312));
    set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    set_int(t, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(t, own_ip, 4312));
    R(listen(s, 1));
    R(listen(t, 1));
    close(s);
    R(listen(t, 1));
    close(t);
    /* A reset leaves nothing behind. */
    s = tcp();
    R(bind_to(s, own_ip, 4313));
    R(conn_to(s, peer_ip, 11));
    linger(s, 1, 0);
    R(close(s));
    s = tcp();
    R(bind_to(s, own_ip, 4313));
    R(conn_to(s, peer_ip, 11));
    linger(s, 1, 0);
    close(s);
}

/* ---- the backlog ---- */

/* How many of n connections to a listener get there. */
static void backlog(int n, int backlog)
{
    char text[10] = "";
    int control = puppet(), s = tcp_nonblock(), accepted = 0;
    set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(s, own_ip, 4320));
    R(listen(s, backlog));
    puppet_say(control, "K %s 4320 %d\n", own_ip, n);
    R(recv(control, text, sizeof(text) - 1, 0) > 0);
    printf("  backlog %d: %s of %d got there\n", backlog, text, n);
    struct tcp_info ti;
    socklen_t len = sizeof(ti);
    getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len);
    R(ti.tcpi_unacked);
    R(ti.tcpi_sacked);
    for (int c; (c = accept(s, NULL, NULL)) >= 0; accepted++)
        close(c);
    R(errno);
    R(accepted);
    close(s);
    close(control);
}

void call_state_backlog(void)
{
    backlog(3, 0);
    backlog(4, 1);
    backlog(3, 5);
    backlog(3, -1);
}

/* ---- urgent data ---- */

static void urgent_in(int inlined)
{
    char b[20] = "";
    int s = puppet();
    R(set_int(s, SOL_SOCKET, SO_OOBINLINE, inlined));
    R(recv(s, b, 1, MSG_OOB));
    puppet_say(s, "s 3 o s 2\n");
    R(wait_for(s, POLLPRI) & POLLPRI);
    for (int ms = 0; ms < 2000 && inq(s) < 3; ms++)
        usleep(1000);
    usleep(200000);
    R(inq(s));
    R(at_mark(s));
    R(recv(s, b, 2, 0));
    R(at_mark(s));
    R(recv(s, b, 1, MSG_OOB | MSG_PEEK));
    R(b[0]);
    R(recv(s, b, 1, MSG_OOB));
    R(recv(s, b, 1, MSG_OOB));
    R(now(s));
    R(recv(s, b, 20, 0));
    R(at_mark(s));
    R(sockatmark(s));
    R(inq(s));
    R(now(s));
    R(recv(s, b, 20, 0));
    R(b[0]);
    R(at_mark(s));
    R(recv(s, b, 1, MSG_OOB));
    R(recv(s, b, 20, MSG_DONTWAIT));
    /* A second urgent byte while the first one is not read. */
    puppet_say(s, "o s 1 o s 1\n");
    for (int ms = 0; ms < 2000 && inq(s) < 1; ms++)
        usleep(1000);
    usleep(200000);
    R(recv(s, b, 20, 0));
    R(recv(s, b, 20, MSG_DONTWAIT));
    R(at_mark(s));
    R(recv(s, b, 20, MSG_OOB));
    R(recv(s, b, 20, MSG_DONTWAIT));
    R(recv(s, b, 20, MSG_DONTWAIT));
    close(s);
}

void call_state_urgent(void)
{
    urgent_in(0);
    urgent_in(1);
}

/* ---- an interface that is not the stack's ---- */

void call_state_loopback(void)
{
    for (int kind = 0; kind < 2; kind++) {
        int s = kind ? udp() : tcp(), t = kind ? udp() : tcp(), index = 1;
        char b[10];
        R(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
        R(setsockopt(t, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)));
        R(opt_int(t, SOL_SOCKET, SO_BINDTOIFINDEX));
        R(bind_to(s, "127.0.0.1", 4350));
        R(kind ? 0 : listen(s, 1));
        R(conn_to(t, "127.0.0.1", 4350));
        R(send(t, "abc", 3, 0));
        int a = kind ? s : accept(s, NULL, NULL);
        R(recv(a, b, 10, 0));
        close(s);
        close(t);
        close(a);
        s = kind ? udp() : tcp();
        R(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "none", 5));
        R(conn_to(s, peer_ip, 7));
        close(s);
    }
}

/* ---- how much wakes a reader ---- */

void call_state_lowat(void)
{
    char b[100];
    int s = puppet();
    R(set_int(s, SOL_SOCKET, SO_RCVLOWAT, 10));
    puppet_say(s, "s 5\n");
    for (int ms = 0; ms < 2000 && inq(s) < 5; ms++)
        usleep(1000);
    R(now(s));
    R(recv(s, b, 100, MSG_DONTWAIT | MSG_PEEK));
    puppet_say(s, "d 50 s 5\n");
    R(poll(&(struct pollfd){.fd = s, .events = POLLIN}, 1, 5000));
    R(inq(s));
    R(recv(s, b, 100, 0));
    puppet_say(s, "s 4 d 100 s 12\n");
    R(recv(s, b, 100, 0)); /* waits for ten */
    puppet_say(s, "s 4 f\n");
    R(recv(s, b, 100, 0)); /* ... or for the end */
    R(now(s));
    R(recv(s, b, 100, 0));
    close(s);
    s = udp();
    R(set_int(s, SOL_SOCKET, SO_RCVLOWAT, 100));
    R(conn_to(s, peer_ip, 7));
    R(send(s, "abc", 3, 0));
    R(wait_for(s, POLLIN));
    R(recv(s, b, 100, 0));
    close(s);
}
