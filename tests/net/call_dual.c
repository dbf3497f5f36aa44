/*
 * AF_INET6 sockets: IPv4 through them in its mapped form, which is the stack's, and what is the
 * kernel's all the same (::1, IPV6_V6ONLY).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "call_cases.h"

static struct sockaddr_in6 at6(const char *ip, int port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    char mapped[64];
    snprintf(mapped, sizeof(mapped), "%s%s", strchr(ip, ':') ? "" : "::ffff:", ip);
    if (inet_pton(AF_INET6, mapped, &a.sin6_addr) != 1)
        printf("  %s is no address\n", mapped);
    return a;
}

static int tcp6(void)
{
    return socket(AF_INET6, SOCK_STREAM, 0);
}
static int udp6(void)
{
    return socket(AF_INET6, SOCK_DGRAM, 0);
}

static int bind6(int s, const char *ip, int port)
{
    struct sockaddr_in6 a = at6(ip, port);
    return bind(s, (struct sockaddr *)&a, sizeof(a));
}

static int bind4(int s, const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return bind(s, (struct sockaddr *)&a, sizeof(a));
}

static int conn6(int s, const char *ip, int port)
{
    struct sockaddr_in6 a = at6(ip, port);
    return connect(s, (struct sockaddr *)&a, sizeof(a));
}

static int conn4(int s, const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return connect(s, (struct sockaddr *)&a, sizeof(a));
}

static ssize_t send6(int s, const char *data, const char *ip, int port)
{
    struct sockaddr_in6 a = at6(ip, port);
    return sendto(s, data, strlen(data), 0, (struct sockaddr *)&a, sizeof(a));
}

/* A name as text. show_port: it is no ephemeral one. */
static void print_name(const char *what, int r, const struct sockaddr_storage *ss, socklen_t len,
                       int show_port)
{
    char text[64] = "";
    struct sockaddr_in6 a;
    memcpy(&a, ss, sizeof(a));
    if (r < 0) {
        printf("  %s: %s\n", what, err_name(errno));
        return;
    }
    if (a.sin6_family == AF_INET6)
        inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof(text));
    printf("  %s: family %d, %u bytes, %s, port %s, flow %u, scope %u\n", what, a.sin6_family, len,
           text,
           show_port     ? ""
           : a.sin6_port ? "some"
                         : "none",
           a.sin6_flowinfo, a.sin6_scope_id);
    if (show_port)
        printf("  port %u\n", ntohs(a.sin6_port));
}

static void print_local(int s, int show_port)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    memset(&ss, 0xee, sizeof(ss));
    int r = getsockname(s, (struct sockaddr *)&ss, &len);
    print_name("local", r, &ss, len, show_port);
}

static void print_peer(int s, int show_port)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    memset(&ss, 0xee, sizeof(ss));
    int r = getpeername(s, (struct sockaddr *)&ss, &len);
    print_name("peer", r, &ss, len, show_port);
}

static void print_cmsgs(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        printf("  cmsg %d %d:", c->cmsg_level, c->cmsg_type);
        for (size_t i = 0; i < c->cmsg_len - CMSG_LEN(0); i++)
            printf(" %02x", CMSG_DATA(c)[i]);
        printf("\n");
    }
}

/*
 * recvmsg() with everything that it fills in. It waits for a message, unless MSG_DONTWAIT says that
 * there is none.
 */
static void print_message(int s, int flags, int show_port)
{
    char data[100];
    union {
        struct cmsghdr head;
        char bytes[400];
    } control;
    struct sockaddr_storage from;
    struct iovec v = {data, sizeof(data)};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    memset(&from, 0xee, sizeof(from));
    if (!(flags & MSG_DONTWAIT))
        wait_for(s, flags & MSG_ERRQUEUE ? POLLERR : POLLIN);
    ssize_t n = recvmsg(s, &m, flags | MSG_DONTWAIT);
    printf("  message: %zd %s flags %#x\n", n, n < 0 ? err_name(errno) : "", (unsigned)m.msg_flags);
    if (n < 0)
        return;
    if (m.msg_namelen)
        print_name("from", 0, &from, m.msg_namelen, show_port);
    print_cmsgs(&m);
}

/* Has the peer connect, or send, to a port of ours. The connection that asks for it is IPv4. */
static int call_back(const char *kind, int port)
{
    char line[40];
    int s = tcp6();
    if (conn6(s, peer_ip, 14) < 0)
        printf("  asking for a call: %s\n", err_name(errno));
    int n = snprintf(line, sizeof(line), "%s %d", kind, port);
    if (send(s, line, (size_t)n, 0) != n)
        printf("  asking for a call: %s\n", err_name(errno));
    return s;
}

/* ---- streams ---- */

static void connecting(void)
{
    int s = tcp6();
    char b[10];
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    print_local(s, 1);
    print_peer(s, 1);
    R(conn6(s, peer_ip, 9));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    R(conn6(s, peer_ip, 7));
    R(conn6(s, peer_ip, 7));
    print_local(s, 0);
    print_peer(s, 1);
    R(send(s, "hello", 5, 0));
    R(recv(s, b, 5, MSG_WAITALL));
    R(memcmp(b, "hello", 5));
    R(opt_int(s, SOL_SOCKET, SO_DOMAIN));
    R(opt_int(s, SOL_IPV6, IPV6_MTU));
    R(opt_int(s, SOL_IPV6, IPV6_ADDRFORM));
    R(opt_int(s, SOL_IPV6, IPV6_UNICAST_HOPS));
    R(opt_int(s, IPPROTO_TCP, TCP_MAXSEG));
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 1));
    R(connect(s, &unspec, sizeof(unspec)));
    print_peer(s, 1);
    R(conn6(s, peer_ip, 7));
    R(set_int(s, SOL_IPV6, IPV6_ADDRFORM, AF_INET6));
    R(set_int(s, SOL_IPV6, IPV6_ADDRFORM, AF_INET));
    R(opt_int(s, SOL_SOCKET, SO_DOMAIN));
    print_peer(s, 1);
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 0));
    R(send(s, "again", 5, 0));
    R(recv(s, b, 5, MSG_WAITALL));
    close(s);
    s = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    R(conn6(s, peer_ip, 7));
    R(wait_for(s, POLLOUT));
    R(conn6(s, peer_ip, 7));
    R(conn6(s, peer_ip, 7));
    close(s);
    s = tcp6();
    struct sockaddr_in6 a = at6(peer_ip, 7);
    R(connect(s, (struct sockaddr *)&a, 23));
    R(conn4(s, peer_ip, 7));
    a.sin6_family = AF_INET;
    R(connect(s, (struct sockaddr *)&a, sizeof(a)));
    R(conn6(s, "::ffff:224.0.0.1", 7));
    R(conn6(s, "203.0.113.1", 7));
    a.sin6_family = AF_INET6;
    R(connect(s, (struct sockaddr *)&a, 24));
    close(s);
    s = tcp6();
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 1));
    R(conn6(s, peer_ip, 7));
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 0));
    R(conn6(s, peer_ip, 7));
    close(s);
    s = tcp6();
    R(bind6(s, own_ip, 4200));
    R(conn6(s, peer_ip, 7));
    print_local(s, 1);
    close(s);
}

/* listener serves; port is known to both sides. */
static void serve(int listener, int port)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char b[10];
    int ask = call_back("tcp", port);
    R(wait_for(listener, POLLIN));
    memset(&ss, 0xee, sizeof(ss));
    int s = accept(listener, (struct sockaddr *)&ss, &len);
    print_name("accepted", s, &ss, len, 0);
    print_local(s, 1);
    print_peer(s, 0);
    R(opt_int(s, SOL_SOCKET, SO_DOMAIN));
    R(opt_int(s, SOL_IPV6, IPV6_V6ONLY));
    R(opt_int(s, SOL_IPV6, IPV6_TCLASS));
    R(recv(s, b, 5, MSG_WAITALL));
    R(memcmp(b, "hello", 5));
    R(send(s, "answer", 6, 0));
    R(recv(s, b, 6, MSG_WAITALL));
    R(shutdown(s, SHUT_WR));
    R(recv(s, b, 1, 0));
    close(s);
    close(ask);
}

static void listening(void)
{
    int s = tcp6();
    R(set_int(s, SOL_SOCKET, SO_REUSEADDR, 1));
    R(set_int(s, SOL_IPV6, IPV6_TCLASS, 0x20));
    R(bind6(s, "::", 4100));
    print_local(s, 1);
    R(listen(s, 5));
    R(opt_int(s, SOL_SOCKET, SO_ACCEPTCONN));
    serve(s, 4100);
    close(s);
    s = tcp6();
    R(set_int(s, SOL_SOCKET, SO_REUSEADDR, 1));
    R(bind6(s, own_ip, 4101));
    print_local(s, 1);
    R(listen(s, 5));
    serve(s, 4101);
    close(s);
    s = tcp6();
    R(bind6(s, "::ffff:0.0.0.0", 4102));
    print_local(s, 1);
    R(listen(s, 5));
    serve(s, 4102);
    close(s);
    s = tcp6();
    R(listen(s, 5));
    print_local(s, 0);
    close(s);
}

/* ---- datagrams ---- */

static void datagrams(void)
{
    int s = udp6();
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7)};
    inet_pton(AF_INET, peer_ip, &in.sin_addr);
    print_local(s, 1);
    R(send6(s, "one", peer_ip, 7));
    print_local(s, 0);
    print_message(s, 0, 1);
    R(sendto(s, "two", 3, 0, (struct sockaddr *)&in, sizeof(in)));
    print_message(s, MSG_PEEK, 1);
    print_message(s, 0, 1);
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&in, 15));
    struct sockaddr_in6 a = at6(peer_ip, 7);
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, 23));
    a.sin6_family = AF_UNIX;
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
    a.sin6_family = AF_UNSPEC;
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
    R(send6(s, "x", peer_ip, 0));
    R(send6(s, "x", "192.0.2.255", 7));
    R(send6(s, "x", "203.0.113.5", 7));
    R(send(s, "x", 1, 0));
    R(conn6(s, peer_ip, 7));
    print_local(s, 0);
    print_peer(s, 1);
    R(send(s, "three", 5, 0));
    print_message(s, 0, 1);
    R(opt_int(s, SOL_IPV6, IPV6_MTU));
    R(conn4(s, peer_ip, 13));
    print_peer(s, 1);
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    R(connect(s, &unspec, sizeof(unspec)));
    print_peer(s, 1);
    R(conn6(s, peer_ip, 9));
    R(send(s, "x", 1, 0));
    R(wait_for(s, POLLIN));
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    close(s);
    s = udp6();
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 1));
    R(send6(s, "x", peer_ip, 7));
    R(sendto(s, "x", 1, 0, (struct sockaddr *)&in, sizeof(in)));
    R(conn6(s, peer_ip, 7));
    R(conn4(s, peer_ip, 7));
    close(s);
}

static void datagram_server(void)
{
    int s = udp6();
    R(set_int(s, SOL_IPV6, IPV6_RECVPKTINFO, 1));
    R(set_int(s, SOL_IPV6, IPV6_RECVHOPLIMIT, 1));
    R(set_int(s, SOL_IPV6, IPV6_RECVTCLASS, 1));
    R(set_int(s, SOL_IP, IP_RECVTTL, 1));
    R(bind6(s, "::", 4110));
    int ask = call_back("udp", 4110);
    print_message(s, 0, 1);
    close(ask);
    R(set_int(s, SOL_IP, IP_PKTINFO, 1));
    ask = call_back("udp", 4110);
    print_message(s, 0, 1);
    close(ask);
    close(s);
    s = udp6();
    R(bind6(s, own_ip, 4111));
    ask = call_back("udp", 4111);
    print_message(s, 0, 1);
    print_local(s, 1);
    close(ask);
    close(s);
}

static void datagram_control(void)
{
    int s = udp6();
    struct sockaddr_in6 to = at6(peer_ip, 7);
    struct in6_pktinfo info = {.ipi6_addr = at6(own_ip, 0).sin6_addr};
    int hops = 3;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(info)) + CMSG_SPACE(sizeof(hops))];
    } control;
    struct iovec v = {(char[]){"abc"}, 3};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof(to),
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    memset(&control, 0, sizeof(control));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(info)), SOL_IPV6, IPV6_PKTINFO};
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    c = CMSG_NXTHDR(&m, c);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(hops)), SOL_IPV6, IPV6_HOPLIMIT};
    memcpy(CMSG_DATA(c), &hops, sizeof(hops));
    R(sendmsg(s, &m, 0));
    print_message(s, 0, 1);
    info.ipi6_addr = at6("::", 0).sin6_addr;
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &info, sizeof(info));
    R(sendmsg(s, &m, 0));
    info.ipi6_addr = at6("2001:db8::1", 0).sin6_addr;
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &info, sizeof(info));
    R(sendmsg(s, &m, 0));
    close(s);
}

static void errors(void)
{
    int s = udp6();
    R(set_int(s, SOL_IPV6, IPV6_RECVERR, 1));
    R(send6(s, "one", peer_ip, 9));
    R(send6(s, "two", peer_ip, 7));
    print_message(s, 0, 1); /* the answer came behind the error, which is not reported */
    print_message(s, MSG_ERRQUEUE | MSG_DONTWAIT, 1);
    R(set_int(s, SOL_IP, IP_RECVERR, 1));
    R(send6(s, "one", peer_ip, 9));
    print_message(s, MSG_ERRQUEUE, 1);
    R(opt_int(s, SOL_SOCKET, SO_ERROR));
    close(s);
}

void call_dual(void)
{
    connecting();
    listening();
    datagrams();
    datagram_server();
    datagram_control();
    errors();
}

/* ---- who may be bound beside whom ---- */

struct side {
    const char *ip; /* with a colon: an AF_INET6 socket */
    int v6only;
};

static int open_side(const struct side *side, int type)
{
    int s = socket(strchr(side->ip, ':') ? AF_INET6 : AF_INET, type, 0);
    if (side->v6only && set_int(s, SOL_IPV6, IPV6_V6ONLY, 1) < 0)
        printf("  IPV6_V6ONLY: %s\n", err_name(errno));
    return s;
}

static int bind_side(int s, const struct side *side, int port)
{
    return strchr(side->ip, ':') ? bind6(s, side->ip, port) : bind4(s, side->ip, port);
}

static void beside(const struct side *a, const struct side *b, int type, int option, int listens,
                   int port)
{
    int s = open_side(a, type), t = open_side(b, type);
    if (option) {
        set_int(s, SOL_SOCKET, option, 1);
        set_int(t, SOL_SOCKET, option, 1);
    }
    int r = bind_side(s, a, port);
    if (r == 0 && listens)
        r = listen(s, 1);
    printf("  %s %s%s: %d, then %s%s", type == SOCK_STREAM ? "tcp" : "udp", a->ip,
           a->v6only ? " only" : "", r, b->ip, b->v6only ? " only" : "");
    r = bind_side(t, b, port);
    printf("%s: %d %s\n", option ? " reuse" : "", r, r < 0 ? err_name(errno) : "");
    close(t);
    close(s);
}

void call_dual_names(void)
{
    char mapped[64];
    snprintf(mapped, sizeof(mapped), "::ffff:%s", own_ip);
    const struct side sides[] = {{"::", 0},   {"::", 1},      {"::ffff:0.0.0.0", 0},
                                 {mapped, 0}, {"0.0.0.0", 0}, {own_ip, 0}};
    size_t n = sizeof(sides) / sizeof(*sides);
    int port = 4300;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            beside(&sides[i], &sides[j], SOCK_STREAM, 0, 1, port++);
            beside(&sides[i], &sides[j], SOCK_STREAM, SO_REUSEPORT, 1, port++);
            beside(&sides[i], &sides[j], SOCK_DGRAM, 0, 0, port++);
            beside(&sides[i], &sides[j], SOCK_DGRAM, SO_REUSEADDR, 0, port++);
        }
    }
    int s = tcp6();
    struct sockaddr_in6 a = at6(own_ip, 4201);
    R(bind(s, (struct sockaddr *)&a, 23));
    R(bind4(s, own_ip, 4201));
    a.sin6_family = AF_UNSPEC;
    R(bind(s, (struct sockaddr *)&a, sizeof(a)));
    a.sin6_family = AF_INET;
    R(bind(s, (struct sockaddr *)&a, sizeof(a)));
    R(bind6(s, "203.0.113.99", 4201));
    R(bind6(s, "ff02::1", 4201));
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 1));
    R(bind6(s, own_ip, 4201));
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 0));
    R(bind6(s, own_ip, 4201));
    R(bind6(s, own_ip, 4202));
    R(bind6(s, "2001:db8::1", 4202));
    R(set_int(s, SOL_IPV6, IPV6_V6ONLY, 1));
    socklen_t len = 7;
    memset(&a, 0xee, sizeof(a));
    R(getsockname(s, (struct sockaddr *)&a, &len));
    R(len);
    R(((unsigned char *)&a)[6]);
    R(((unsigned char *)&a)[7]);
    close(s);
    s = tcp6();
    R(bind6(s, "::", 0));
    print_local(s, 0);
    close(s);
}

/* ---- what is the kernel's ---- */

static void loopback_stream(const char *bind_to, const char *ip, int port, int v6only)
{
    int l = tcp6(), c = tcp6();
    char b[10];
    printf("  bind %s, connect to %s\n", bind_to, ip);
    if (v6only)
        R(set_int(l, SOL_IPV6, IPV6_V6ONLY, 1));
    R(set_int(l, SOL_SOCKET, SO_REUSEADDR, 1));
    R(set_int(l, SOL_SOCKET, SO_KEEPALIVE, 1));
    R(bind6(l, bind_to, port));
    R(opt_int(l, SOL_IPV6, IPV6_V6ONLY));
    print_local(l, 1);
    R(listen(l, 5));
    R(conn6(c, ip, port));
    int s = accept(l, NULL, NULL);
    R(s >= 0);
    print_local(s, 1);
    print_peer(s, 0);
    print_peer(c, 1);
    R(opt_int(s, SOL_SOCKET, SO_KEEPALIVE));
    R(send(c, "hello", 5, 0));
    R(recv(s, b, 5, MSG_WAITALL));
    close(s);
    close(c);
    close(l);
}

void call_dual_loopback(void)
{
    char b[10];
    loopback_stream("::1", "::1", 4500, 0);
    loopback_stream("::", "::1", 4501, 1);
    loopback_stream("127.0.0.1", "127.0.0.1", 4502, 0);
    int s = udp6(), t = udp6();
    R(bind6(s, "::1", 4503));
    R(send6(t, "x", "::1", 4503));
    print_message(s, 0, 0);
    close(t);
    t = udp6();
    R(conn6(t, "::1", 4503));
    R(send(t, "y", 1, 0));
    R(recv(s, b, 1, 0));
    close(t);
    close(s);
    s = tcp6();
    R(bind6(s, "2001:db8::1", 4504));
    R(conn6(s, "2001:db8::1", 4504));
    close(s);
    /* Refused, and used for something else then. */
    s = tcp6();
    R(conn6(s, "::1", 4505));
    close(s);
    s = tcp6();
    R(bind6(s, "::", 4506));
    R(conn6(s, "::1", 4505));
    close(s);
    s = socket(AF_INET6, SOCK_RAW, 255);
    R(s >= 0);
    close(s);
    R(socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
    R(socket(AF_INET6, SOCK_DGRAM, IPPROTO_TCP));
}
