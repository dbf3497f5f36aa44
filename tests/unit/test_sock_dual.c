/*
 * AF_INET6 sockets that carry IPv4 (RFC 3493 3.7, 5.3; RFC 4291 2.5.5.2). Servers are on B, clients
 * on A; what a test leaves open is closed for it.
 */
#include "test_sock.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <stdio.h>

#define A "::ffff:192.0.2.1"
#define B "::ffff:192.0.2.2"

static struct sock *opened[300];
static size_t nopened;

static void close_all(void)
{
    while (nopened > 0)
        t_close(opened[--nopened]);
    world_teardown();
}

static struct sock *keep(struct sock *so)
{
    ck_assert_ptr_nonnull(so);
    ck_assert_uint_lt(nopened, sizeof(opened) / sizeof(*opened));
    return opened[nopened++] = so;
}

static struct sock *open_socket(struct sim_host *h, int domain, int type)
{
    struct sock *so = NULL;
    ck_assert_int_eq(IN(h, sock_create(h->st, domain, type, 0, world.next_cookie++, 1, &so)), 0);
    so->nonblock = 1;
    return keep(so);
}

static void turn(void)
{
    run_us(100000);
}

/* Of an address as text. */
static struct sockaddr_in6 name6(const char *addr, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    ck_assert_int_eq(inet_pton(AF_INET6, addr, &in6.sin6_addr), 1);
    return in6;
}

static int bind6(struct sock *so, const char *addr, uint16_t port)
{
    struct sockaddr_in6 in6 = name6(addr, port);
    return IN(host_of(so), sock_bind(so, (struct sockaddr *)&in6, sizeof(in6)));
}

static int connect6(struct sock *so, const char *addr, uint16_t port)
{
    struct sockaddr_in6 in6 = name6(addr, port);
    return IN(host_of(so), sock_connect(so, (struct sockaddr *)&in6, sizeof(in6)));
}

static int connect_none(struct sock *so)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    return IN(host_of(so), sock_connect(so, &none, sizeof(none)));
}

static const char *text(int r, const struct sockaddr_storage *ss, socklen_t len)
{
    static char out[80];
    char addr[64];
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
    const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
    if (r < 0) {
        snprintf(out, sizeof(out), "%d", r);
    } else if (ss->ss_family == AF_INET6) {
        ck_assert_uint_eq(len, sizeof(*in6));
        inet_ntop(AF_INET6, &in6->sin6_addr, addr, sizeof(addr));
        snprintf(out, sizeof(out), "[%s]:%u", addr, ntohs(in6->sin6_port));
    } else {
        ck_assert_uint_eq(len, sizeof(*in));
        inet_ntop(AF_INET, &in->sin_addr, addr, sizeof(addr));
        snprintf(out, sizeof(out), "%s:%u", addr, ntohs(in->sin_port));
    }
    return out;
}

/* "[address]:port" or "address:port", or an error's number. */
static const char *local_name(struct sock *so)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    int r = sock_getsockname(so, (struct sockaddr *)&ss, &len);
    return text(r, &ss, len);
}

static const char *peer_name(struct sock *so)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    int r = sock_getpeername(so, (struct sockaddr *)&ss, &len);
    return text(r, &ss, len);
}

/* On B. */
static struct sock *bound6(int type, const char *addr, uint16_t port)
{
    struct sock *so = open_socket(HOST_B, AF_INET6, type);
    ck_assert_int_eq(bind6(so, addr, port), 0);
    return so;
}

START_TEST(names)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (int i = 0; i < 2; i++) {
        struct sock *so = open_socket(HOST_A, AF_INET6, types[i]);
        ck_assert_str_eq(local_name(so), "[::]:0");
        ck_assert_int_eq(sock_getpeername(so, NULL, &(socklen_t){0}), -ENOTCONN);
        ck_assert_str_eq(local_name(bound6(types[i], "::", 80)), "[::]:80");
        ck_assert_str_eq(local_name(bound6(types[i], "::ffff:0.0.0.0", 81)), "[::ffff:0.0.0.0]:81");
        so = bound6(types[i], B, 82);
        ck_assert_str_eq(local_name(so), "[" B "]:82");
        struct sockaddr_in6 in6;
        socklen_t len = 6;
        memset(&in6, 0xee, sizeof(in6));
        ck_assert_int_eq(sock_getsockname(so, (struct sockaddr *)&in6, &len), 0);
        ck_assert_uint_eq(len, sizeof(in6));
        ck_assert_uint_eq(in6.sin6_flowinfo, 0xeeee0000);
        len = sizeof(in6);
        ck_assert_int_eq(sock_getsockname(so, (struct sockaddr *)&in6, &len), 0);
        ck_assert_uint_eq(in6.sin6_flowinfo, 0);
        ck_assert_uint_eq(in6.sin6_scope_id, 0);
    }
}
END_TEST

/* One socket bound to [::] serves clients of both kinds of socket. */
START_TEST(stream_server)
{
    struct sock *listener = bound6(SOCK_STREAM, "::", 80);
    struct sock *client4 = open_socket(HOST_A, AF_INET, SOCK_STREAM);
    struct sock *client6 = open_socket(HOST_A, AF_INET6, SOCK_STREAM);
    ck_assert_int_eq(t_listen(listener, 5), 0);
    ck_assert_int_eq(t_bind(client4, ADDR_A, 5000), 0);
    ck_assert_int_eq(bind6(client6, "::", 6000), 0);
    ck_assert_int_eq(t_connect(client4, ADDR_B, 80), -EINPROGRESS);
    ck_assert_int_eq(connect6(client6, B, 80), -EINPROGRESS);
    turn();
    ck_assert_int_eq(t_connect(client4, ADDR_B, 80), 0);
    ck_assert_int_eq(connect6(client6, B, 80), 0);
    ck_assert_int_eq(connect6(client6, B, 80), -EISCONN);
    ck_assert_str_eq(local_name(client6), "[" A "]:6000");
    ck_assert_str_eq(peer_name(client6), "[" B "]:80");
    for (uint16_t i = 0; i < 2; i++) {
        struct sock *so = keep(t_accept(listener));
        ck_assert_str_eq(local_name(so), "[" B "]:80");
        ck_assert_str_eq(peer_name(so), i ? "[" A "]:6000" : "[" A "]:5000");
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_DOMAIN), AF_INET6);
    }
    ck_assert_str_eq(peer_name(client4), "192.0.2.2:80");
    /* Dissolved: the port that bind() gave stays, and its address is the wildcard again. */
    ck_assert_int_eq(connect_none(client6), 0);
    ck_assert_str_eq(local_name(client6), "[::]:6000");
}
END_TEST

START_TEST(a_failed_connection_leaves_the_wildcard)
{
    struct sock *so = open_socket(HOST_A, AF_INET6, SOCK_STREAM);
    ck_assert_int_eq(connect6(so, B, 81), -EINPROGRESS);
    turn();
    ck_assert_int_eq(connect6(so, B, 81), -ECONNREFUSED);
    ck_assert_int_eq(memcmp(local_name(so), "[::]:", 5), 0); /* and the port that it had */
    ck_assert_int_eq(connect6(so, "2001:db8::1", 81), -ENETUNREACH);
    ck_assert_int_eq(memcmp(local_name(so), "[::]:", 5), 0);
}
END_TEST

static ssize_t send_to(struct sock *so, const void *name, socklen_t len)
{
    struct iovec iov = {(void *)(uintptr_t) "abc", 3};
    struct msghdr msg = {
        .msg_name = (void *)(uintptr_t)name, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1};
    return IN(host_of(so), sock_sendmsg(so, &msg, 0, 0));
}

/* Takes a datagram, with its control messages in control. */
static struct msghdr receive(struct sock *so, struct sockaddr_storage *from, void *control,
                             size_t control_bytes)
{
    char buf[8];
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_name = from,
                         .msg_namelen = sizeof(*from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = control_bytes};
    ck_assert_int_eq(IN(host_of(so), sock_recvmsg(so, &msg, 0, 0)), 3);
    ck_assert_mem_eq(buf, "abc", 3);
    return msg;
}

START_TEST(datagrams)
{
    struct sock *server = bound6(SOCK_DGRAM, "::", 53);
    struct sock *client4 = open_socket(HOST_A, AF_INET, SOCK_DGRAM);
    struct sock *client6 = open_socket(HOST_A, AF_INET6, SOCK_DGRAM);
    struct sockaddr_in to4 = sim_addr(ADDR_B, 53);
    struct sockaddr_in6 to6 = name6(B, 53), v6 = name6("2001:db8::1", 53);
    struct sockaddr_storage from;
    ck_assert_int_eq(t_bind(client4, ADDR_A, 5000), 0);
    ck_assert_int_eq(send_to(client4, &to4, sizeof(to4)), 3);
    ck_assert_int_eq(send_to(client6, &to6, sizeof(to6)), 3);
    ck_assert_int_eq(send_to(client6, &to4, sizeof(to4)), 3); /* Linux takes it */
    ck_assert_int_eq(send_to(client6, &to6, 24), 3);          /* without a scope: RFC 2133 */
    ck_assert_int_eq(send_to(client6, &to6, 23), -EINVAL);
    ck_assert_int_eq(send_to(client6, &to4, 15), -EINVAL);
    ck_assert_int_eq(send_to(client6, &v6, sizeof(v6)), -ENETUNREACH);
    v6.sin6_family = AF_UNIX;
    ck_assert_int_eq(send_to(client6, &v6, sizeof(v6)), -EINVAL);
    v6.sin6_family = AF_UNSPEC;
    ck_assert_int_eq(send_to(client6, &v6, sizeof(v6)), -EDESTADDRREQ);
    turn();
    struct msghdr msg = receive(server, &from, NULL, 0);
    ck_assert_uint_eq(msg.msg_namelen, sizeof(struct sockaddr_in6));
    struct sockaddr_in6 want = name6(A, 5000);
    ck_assert_mem_eq(&from, &want, sizeof(want));
    for (int i = 0; i < 3; i++)
        receive(server, &from, NULL, 0);
    /* An answer to where it came from. */
    ck_assert_int_eq(send_to(server, &want, sizeof(want)), 3);
    turn();
    msg = receive(client4, &from, NULL, 0);
    ck_assert_uint_eq(msg.msg_namelen, sizeof(struct sockaddr_in));
    ck_assert_mem_eq(&from, &to4, sizeof(to4));
}
END_TEST

START_TEST(connected_datagrams)
{
    struct sock *so = bound6(SOCK_DGRAM, "::", 5000);
    ck_assert_int_eq(connect6(so, A, 53), 0);
    ck_assert_str_eq(local_name(so), "[" B "]:5000");
    ck_assert_str_eq(peer_name(so), "[" A "]:53");
    ck_assert_int_eq(t_connect(so, ADDR_A, 54), 0);
    ck_assert_str_eq(peer_name(so), "[" A "]:54");
    ck_assert_int_eq(connect_none(so), 0);
    ck_assert_str_eq(local_name(so), "[::]:5000");
    ck_assert_int_eq(connect6(so, "2001:db8::1", 53), -ENETUNREACH);
    /* A port that connect() chose goes with the peer. */
    so = open_socket(HOST_B, AF_INET6, SOCK_DGRAM);
    ck_assert_int_eq(connect6(so, A, 53), 0);
    ck_assert_int_eq(connect_none(so), 0);
    ck_assert_str_eq(local_name(so), "[::]:0");
}
END_TEST

START_TEST(what_cannot_be_bound)
{
    struct sock *so = open_socket(HOST_B, AF_INET6, SOCK_STREAM);
    struct sockaddr_in6 in6 = name6("::", 80);
    struct sockaddr_in in = sim_addr(ADDR_B, 80);
    ck_assert_int_eq(IN(host_of(so), sock_bind(so, (struct sockaddr *)&in6, 23)), -EINVAL);
    ck_assert_int_eq(IN(host_of(so), sock_bind(so, (struct sockaddr *)&in, sizeof(in))), -EINVAL);
    in6.sin6_family = AF_UNSPEC;
    ck_assert_int_eq(IN(host_of(so), sock_bind(so, (struct sockaddr *)&in6, sizeof(in6))),
                     -EAFNOSUPPORT);
    in6.sin6_family = AF_INET;
    ck_assert_int_eq(IN(host_of(so), sock_bind(so, (struct sockaddr *)&in6, sizeof(in6))),
                     -EAFNOSUPPORT);
    struct sock *dgram = open_socket(HOST_B, AF_INET6, SOCK_DGRAM);
    ck_assert_int_eq(IN(host_of(dgram), sock_bind(dgram, (struct sockaddr *)&in6, sizeof(in6))),
                     -EAFNOSUPPORT);
    ck_assert_int_eq(bind6(so, "2001:db8::1", 80), -EADDRNOTAVAIL);
    ck_assert_int_eq(bind6(so, "::ffff:198.51.100.1", 80), -EADDRNOTAVAIL);
    ck_assert_int_eq(bind6(so, "ff02::1", 80), -EINVAL);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_V6ONLY, 1), 0);
    ck_assert_int_eq(bind6(so, B, 80), -EINVAL);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_V6ONLY, 0), 0);
    ck_assert_int_eq(bind6(so, B, 80), 0);
    ck_assert_int_eq(bind6(so, B, 80), -EINVAL);
    ck_assert_int_eq(bind6(so, "2001:db8::1", 80), -EINVAL);
}
END_TEST

START_TEST(what_cannot_be_connected)
{
    struct sock *so = open_socket(HOST_A, AF_INET6, SOCK_STREAM);
    struct sock *dgram = open_socket(HOST_A, AF_INET6, SOCK_DGRAM);
    struct sockaddr_in6 in6 = name6(B, 80);
    ck_assert_int_eq(IN(host_of(so), sock_connect(so, (struct sockaddr *)&in6, 23)), -EINVAL);
    ck_assert_int_eq(IN(host_of(dgram), sock_connect(dgram, (struct sockaddr *)&in6, 23)), -EINVAL);
    ck_assert_int_eq(t_connect(so, ADDR_B, 80), -EINVAL);
    in6.sin6_family = AF_INET;
    ck_assert_int_eq(IN(host_of(so), sock_connect(so, (struct sockaddr *)&in6, sizeof(in6))),
                     -EAFNOSUPPORT);
    ck_assert_int_eq(connect6(so, "::ffff:224.0.0.1", 80), -ENETUNREACH);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_V6ONLY, 1), 0);
    ck_assert_int_eq(connect6(so, B, 80), -ENETUNREACH);
    ck_assert_int_eq(t_set(dgram, SOL_IPV6, IPV6_V6ONLY, 1), 0);
    ck_assert_int_eq(connect6(dgram, B, 80), -ENETUNREACH);
    ck_assert_int_eq(t_connect(dgram, ADDR_B, 80), -EAFNOSUPPORT);
    in6.sin6_family = AF_INET6;
    ck_assert_int_eq(send_to(dgram, &in6, sizeof(in6)), -ENETUNREACH);
    ck_assert_int_eq(connect6(open_socket(HOST_A, AF_INET, SOCK_STREAM), B, 80), -EAFNOSUPPORT);
}
END_TEST

/* Who may be bound beside whom: Linux's ipv6_rcv_saddr_equal(). */
static const struct {
    const char *a, *b; /* with a dot only: an AF_INET socket */
    bool a_only, b_only;
    bool clash;
} pairs[] = {
    {"::", "::", false, false, true},
    {"::", "0.0.0.0", false, false, true},
    {"0.0.0.0", "::", false, false, true},
    {"::", "192.0.2.1", false, false, true},
    {"192.0.2.1", "::", false, false, true},
    {"::", A, false, false, true},
    {A, "::", false, false, true},
    {A, "192.0.2.1", false, false, true},
    {"::ffff:0.0.0.0", "192.0.2.1", false, false, true},
    {"::ffff:0.0.0.0", "0.0.0.0", false, false, true},
    {"::ffff:0.0.0.0", "::", false, false, true},
    {"::", "0.0.0.0", true, false, false},
    {"0.0.0.0", "::", false, true, false},
    {"192.0.2.1", "::", false, true, false},
    {"::", A, true, false, false},
    {"::ffff:0.0.0.0", "::", false, true, false},
    {"::", "::", true, false, true},
    {"::", "::", false, true, true},
    {"::", "::", true, true, true},
};

static struct sock *for_addr(int type, const char *addr, bool only)
{
    struct sock *so = open_socket(HOST_A, strchr(addr, ':') ? AF_INET6 : AF_INET, type);
    if (only)
        ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_V6ONLY, 1), 0);
    return so;
}

static int bind_to(struct sock *so, const char *addr, uint16_t port)
{
    struct ip_addr a;
    if (strchr(addr, ':'))
        return bind6(so, addr, port);
    ck_assert(addr_parse(addr, &a));
    return t_bind(so, addr_get_v4(&a), port);
}

START_TEST(conflicts)
{
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        for (int udp = 0; udp < 2; udp++) {
            int type = udp ? SOCK_DGRAM : SOCK_STREAM;
            uint16_t port = (uint16_t)(1000 + i);
            struct sock *a = for_addr(type, pairs[i].a, pairs[i].a_only);
            struct sock *b = for_addr(type, pairs[i].b, pairs[i].b_only);
            ck_assert_int_eq(bind_to(a, pairs[i].a, port), 0);
            int r = bind_to(b, pairs[i].b, port);
            ck_assert_msg(r == (pairs[i].clash ? -EADDRINUSE : 0), "%s beside %s (%s): %d",
                          pairs[i].b, pairs[i].a, udp ? "udp" : "tcp", r);
            /* With SO_REUSEPORT on both everything goes. */
            ck_assert_int_eq(t_set(a, SOL_SOCKET, SO_REUSEPORT, 1), 0);
            if (r < 0) {
                ck_assert_int_eq(t_set(b, SOL_SOCKET, SO_REUSEPORT, 1), 0);
                ck_assert_int_eq(bind_to(b, pairs[i].b, port), 0);
            }
        }
    }
}
END_TEST

START_TEST(v6only_takes_no_ipv4)
{
    struct sock *listener = open_socket(HOST_B, AF_INET6, SOCK_STREAM);
    struct sock *dgram = open_socket(HOST_B, AF_INET6, SOCK_DGRAM);
    struct sock *client = open_socket(HOST_A, AF_INET, SOCK_STREAM);
    struct sockaddr_in to = sim_addr(ADDR_B, 80);
    ck_assert_int_eq(t_set(listener, SOL_IPV6, IPV6_V6ONLY, 1), 0);
    ck_assert_int_eq(t_set(dgram, SOL_IPV6, IPV6_V6ONLY, 1), 0);
    ck_assert_int_eq(bind6(listener, "::", 80), 0);
    ck_assert_int_eq(bind6(dgram, "::", 80), 0);
    ck_assert_int_eq(t_listen(listener, 5), 0);
    ck_assert_int_eq(t_connect(client, ADDR_B, 80), -EINPROGRESS);
    ck_assert_int_eq(send_to(open_socket(HOST_A, AF_INET, SOCK_DGRAM), &to, sizeof(to)), 3);
    turn();
    ck_assert_int_eq(t_connect(client, ADDR_B, 80), -ECONNREFUSED);
    ck_assert_uint_eq(t_poll(dgram) & POLLIN, 0);
}
END_TEST

/* Of two listeners on a wildcard the one of the segment's own family wins. */
START_TEST(preference)
{
    for (int first = 0; first < 2; first++) {
        uint16_t port = (uint16_t)(80 + first);
        struct sock *l[2];
        for (int i = 0; i < 2; i++) {
            bool v6 = i == first;
            l[v6] = open_socket(HOST_B, v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
            ck_assert_int_eq(t_set(l[v6], SOL_SOCKET, SO_REUSEPORT, 1), 0);
            ck_assert_int_eq(bind_to(l[v6], v6 ? "::" : "0.0.0.0", port), 0);
            ck_assert_int_eq(t_listen(l[v6], 5), 0);
        }
        struct sock *client = open_socket(HOST_A, AF_INET6, SOCK_STREAM);
        ck_assert_int_eq(connect6(client, B, port), -EINPROGRESS);
        turn();
        ck_assert(t_poll(l[0]) & POLLIN);
        ck_assert(!(t_poll(l[1]) & POLLIN));
    }
}
END_TEST

/* RFC 3542 6.5 */
START_TEST(options)
{
    static const struct {
        int name, initial, low, high; /* low - 1 and high + 1 are refused; low > high: a switch */
    } table[] = {
        {IPV6_V6ONLY, 0, 1, 0},          {IPV6_RECVPKTINFO, 0, 1, 0},
        {IPV6_FREEBIND, 0, 1, 0},        {IPV6_TRANSPARENT, 0, 1, 0},
        {IPV6_RECVERR, 0, 1, 0},         {IPV6_RECVHOPLIMIT, 0, 1, 0},
        {IPV6_RECVTCLASS, 0, 1, 0},      {IPV6_MULTICAST_LOOP, 1, 0, 1},
        {IPV6_UNICAST_HOPS, 64, 0, 255}, {IPV6_TCLASS, 0, 0, 255},
        {IPV6_MTU_DISCOVER, 1, 0, 5},    {IPV6_MULTICAST_HOPS, 1, 0, 255},
    };
    struct sock *so = open_socket(HOST_A, AF_INET6, SOCK_DGRAM),
                *in = open_socket(HOST_A, AF_INET, SOCK_DGRAM);
    char c = 1;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        int name = table[i].name;
        ck_assert_int_eq(t_get(so, SOL_IPV6, name), table[i].initial);
        ck_assert_int_eq(IN(host_of(so), sock_setsockopt(so, SOL_IPV6, name, &c, 1)), -EINVAL);
        ck_assert_int_eq(t_set(in, SOL_IPV6, name, 1), -ENOPROTOOPT);
        ck_assert_int_eq(t_get(in, SOL_IPV6, name), -EOPNOTSUPP);
        if (table[i].low > table[i].high) {
            ck_assert_int_eq(t_set(so, SOL_IPV6, name, -7), 0);
            ck_assert_int_eq(t_get(so, SOL_IPV6, name), 1);
            ck_assert_int_eq(t_set(so, SOL_IPV6, name, 0), 0);
            ck_assert_int_eq(t_get(so, SOL_IPV6, name), 0);
            continue;
        }
        ck_assert_int_eq(t_set(so, SOL_IPV6, name, table[i].high), 0);
        ck_assert_int_eq(t_set(so, SOL_IPV6, name, table[i].high + 1), -EINVAL);
        ck_assert_int_eq(t_set(so, SOL_IPV6, name, table[i].low - 2), -EINVAL);
        ck_assert_int_eq(t_get(so, SOL_IPV6, name), table[i].high);
        ck_assert_int_eq(t_set(so, SOL_IPV6, name, table[i].low), 0);
        ck_assert_int_eq(t_get(so, SOL_IPV6, name), table[i].low);
    }
    ck_assert_int_eq(t_set(so, SOL_IPV6, 9999, 1), -ENOPROTOOPT); /* the placeholder's */
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_UNICAST_HOPS, -1), 0);
    ck_assert_int_eq(t_get(so, SOL_IPV6, IPV6_UNICAST_HOPS), 64);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_TTL, 3), 0);
    ck_assert_int_eq(t_get(so, SOL_IP, IP_TTL), 3);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_DOMAIN), AF_INET6);
    ck_assert_int_eq(bind6(so, "::", 80), 0);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_V6ONLY, 1), -EINVAL);
    struct sock *tcp = open_socket(HOST_A, AF_INET6, SOCK_STREAM);
    ck_assert_int_eq(t_set(tcp, SOL_IPV6, IPV6_MULTICAST_HOPS, 1), -ENOPROTOOPT);
    ck_assert_int_eq(t_set(tcp, SOL_IPV6, IPV6_TCLASS, 0x17), 0);
    ck_assert_int_eq(t_get(tcp, SOL_IPV6, IPV6_TCLASS), 0x14);
}
END_TEST

/* RFC 8200 5 */
START_TEST(mtu_and_addrform)
{
    struct sock *so = open_socket(HOST_A, AF_INET6, SOCK_DGRAM);
    ck_assert_int_eq(t_get(so, SOL_IPV6, IPV6_MTU), -ENOTCONN);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_MTU, 1279), -EINVAL);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_MTU, 1280), 0);
    ck_assert_int_eq(t_get(so, SOL_IPV6, IPV6_ADDRFORM), -ENOTCONN);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_ADDRFORM, AF_INET), -ENOTCONN);
    ck_assert_int_eq(connect6(so, "::ffff:192.0.2.9", 53), 0);
    ck_assert_int_eq(t_get(so, SOL_IPV6, IPV6_MTU), 1500);
    ck_assert_int_eq(t_get(so, SOL_IPV6, IPV6_ADDRFORM), AF_INET6);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_ADDRFORM, AF_INET6), -EINVAL);
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_ADDRFORM, AF_INET), 0);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_DOMAIN), AF_INET);
    ck_assert_str_eq(peer_name(so), "192.0.2.9:53");
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_ADDRFORM, AF_INET), -ENOPROTOOPT);
    ck_assert_int_eq(connect_none(so), 0);
    ck_assert_str_eq(local_name(so), "0.0.0.0:0");
}
END_TEST

START_TEST(packet_info)
{
    struct sock *server = bound6(SOCK_DGRAM, "::", 53),
                *client = open_socket(HOST_A, AF_INET6, SOCK_DGRAM);
    struct sockaddr_in6 to = name6(B, 53);
    struct sockaddr_storage from;
    _Alignas(struct cmsghdr) char control[256];
    struct in6_pktinfo info;
    ck_assert_int_eq(t_set(server, SOL_IPV6, IPV6_RECVPKTINFO, 1), 0);
    ck_assert_int_eq(t_set(server, SOL_IPV6, IPV6_RECVHOPLIMIT, 1), 0); /* of IPv6 alone */
    ck_assert_int_eq(t_set(server, SOL_IP, IP_RECVTTL, 1), 0);
    ck_assert_int_eq(send_to(client, &to, sizeof(to)), 3);
    turn();
    struct msghdr msg = receive(server, &from, control, sizeof(control));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    ck_assert_int_eq(c->cmsg_level, SOL_IPV6);
    ck_assert_int_eq(c->cmsg_type, IPV6_PKTINFO);
    ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(sizeof(info)));
    memcpy(&info, CMSG_DATA(c), sizeof(info));
    ck_assert_mem_eq(&info.ipi6_addr, &to.sin6_addr, 16);
    ck_assert_uint_eq(info.ipi6_ifindex, 1);
    c = CMSG_NXTHDR(&msg, c);
    ck_assert_int_eq(c->cmsg_level, SOL_IP);
    ck_assert_int_eq(c->cmsg_type, IP_TTL);
    ck_assert_ptr_null(CMSG_NXTHDR(&msg, c));

    /* The same goes back as it came. */
    struct iovec iov = {(void *)(uintptr_t) "abc", 3};
    struct msghdr back = {.msg_name = &from,
                          .msg_namelen = sizeof(struct sockaddr_in6),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = CMSG_SPACE(sizeof(info))};
    ck_assert_int_eq(IN(host_of(server), sock_sendmsg(server, &back, 0, 0)), 3);
    c = CMSG_FIRSTHDR(&back);
    info.ipi6_addr = name6("2001:db8::1", 0).sin6_addr;
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    ck_assert_int_eq(IN(host_of(server), sock_sendmsg(server, &back, 0, 0)), -EINVAL);
    info.ipi6_addr = name6("::ffff:198.51.100.1", 0).sin6_addr;
    memcpy(CMSG_DATA(c), &info, sizeof(info));
    ck_assert_int_lt(IN(host_of(server), sock_sendmsg(server, &back, 0, 0)), 0);
    c->cmsg_type = IPV6_HOPLIMIT; /* of IPv6: not looked at */
    ck_assert_int_eq(IN(host_of(server), sock_sendmsg(server, &back, 0, 0)), 3);
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(info)) - 1;
    ck_assert_int_eq(IN(host_of(server), sock_sendmsg(server, &back, 0, 0)), -EINVAL);
}
END_TEST

START_TEST(error_queue)
{
    struct sock *so = open_socket(HOST_A, AF_INET6, SOCK_DGRAM);
    struct sockaddr_in6 to = name6(B, 99), from, offender;
    _Alignas(struct cmsghdr) char control[256];
    struct sock_extended_err ee;
    struct iovec iov = {NULL, 0};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof(from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    /* What IPv4 sends back is SOL_IP's affair, and reported in the form of AF_INET6. */
    ck_assert_int_eq(t_set(so, SOL_IPV6, IPV6_RECVERR, 1), 0);
    ck_assert_int_eq(send_to(so, &to, sizeof(to)), 3);
    turn();
    ck_assert_int_eq(IN(host_of(so), sock_recvmsg(so, &msg, 0, MSG_ERRQUEUE)), -EAGAIN);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_RECVERR, 1), 0);
    ck_assert_int_eq(send_to(so, &to, sizeof(to)), 3);
    turn();
    ck_assert_int_eq(IN(host_of(so), sock_recvmsg(so, &msg, 0, MSG_ERRQUEUE)), 0);
    ck_assert_uint_eq(msg.msg_namelen, sizeof(from));
    ck_assert_mem_eq(&from, &to, sizeof(to));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    ck_assert_int_eq(c->cmsg_level, SOL_IPV6);
    ck_assert_int_eq(c->cmsg_type, IPV6_RECVERR);
    ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(sizeof(ee) + sizeof(offender)));
    memcpy(&ee, CMSG_DATA(c), sizeof(ee));
    memcpy(&offender, CMSG_DATA(c) + sizeof(ee), sizeof(offender));
    ck_assert_uint_eq(ee.ee_errno, ECONNREFUSED);
    struct sockaddr_in6 want = name6(B, 0);
    ck_assert_mem_eq(&offender, &want, sizeof(want));
}
END_TEST

/* Memory runs out at each place in turn; nothing breaks, and what fails says so. */
START_TEST(no_memory)
{
    for (uint32_t n = 1; n < 6; n++) {
        struct sock *so = NULL;
        arena_fail_at(HOST_A->arena, n);
        int r = IN(HOST_A, sock_create(HOST_A->st, AF_INET6, SOCK_STREAM, 0, 1000 + n, 1, &so));
        ck_assert(r == 0 || r == -ENOBUFS);
        if (r == 0) {
            r = t_set(keep(so), SOL_IPV6, IPV6_UNICAST_HOPS, 3);
            ck_assert(r == 0 || r == -ENOMEM);
            ck_assert_int_eq(t_get(so, SOL_IPV6, IPV6_UNICAST_HOPS), r == 0 ? 3 : 64);
        }
    }
    arena_fail_at(HOST_A->arena, 0);
}
END_TEST

TCase *test_sock_dual(void)
{
    TCase *tc = tcase_create("dual stack");
    tcase_add_checked_fixture(tc, world_setup, close_all);
    tcase_add_test(tc, names);
    tcase_add_test(tc, stream_server);
    tcase_add_test(tc, a_failed_connection_leaves_the_wildcard);
    tcase_add_test(tc, datagrams);
    tcase_add_test(tc, connected_datagrams);
    tcase_add_test(tc, what_cannot_be_bound);
    tcase_add_test(tc, what_cannot_be_connected);
    tcase_add_test(tc, conflicts);
    tcase_add_test(tc, v6only_takes_no_ipv4);
    tcase_add_test(tc, preference);
    tcase_add_test(tc, options);
    tcase_add_test(tc, mtu_and_addrform);
    tcase_add_test(tc, packet_info);
    tcase_add_test(tc, error_queue);
    tcase_add_test(tc, no_memory);
    return tc;
}
