/*
 * Options: values, ranges, lengths, and what they do. tests/net/option_cases.c asks the kernel the
 * same; here stands what must hold on any machine.
 */
#include "test_sock.h"

#include <limits.h>
#include <linux/net_tstamp.h>
#include <linux/udp.h>
#include <net/if.h>
#include <sys/time.h>

static int set_len(struct sock *so, int level, int name, const void *val, socklen_t len)
{
    return IN(host_of(so), sock_setsockopt(so, level, name, val, len));
}

static int get_len(struct sock *so, int level, int name, void *val, socklen_t *len)
{
    return IN(host_of(so), sock_getsockopt(so, level, name, val, len));
}

enum { TCP = 1, UDP = 2, BOTH = 3 };

static const struct {
    int on, level, name;
    int initial;
    int in, out; /* set to, then read as; out INT_MIN: EINVAL */
    int bad;     /* refused with EINVAL; INT_MIN: none is */
} numbers[] = {
    {BOTH, SOL_SOCKET, SO_REUSEADDR, 0, 5, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_REUSEPORT, 0, 5, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_KEEPALIVE, 0, 5, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_BROADCAST, 0, 5, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_OOBINLINE, 0, 5, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_DONTROUTE, 0, -1, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_NO_CHECK, 0, 1, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_PRIORITY, 0, 6, 6, INT_MIN},
    {BOTH, SOL_SOCKET, SO_MARK, 0, 77, 77, INT_MIN},
    {BOTH, SOL_SOCKET, SO_BSDCOMPAT, 0, 1, 0, INT_MIN},
    {BOTH, SOL_SOCKET, SO_BUSY_POLL, 0, 50, 50, -1},
    {BOTH, SOL_SOCKET, SO_INCOMING_CPU, -1, 1, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_ZEROCOPY, 0, 1, 1, 2},
    {BOTH, SOL_SOCKET, SO_RCVLOWAT, 1, 0, 1, INT_MIN},
    {BOTH, SOL_SOCKET, SO_RCVLOWAT, 1, 1000, 1000, INT_MIN},
    {BOTH, SOL_SOCKET, SO_BUF_LOCK, 0, 3, 3, 4},
    {BOTH, SOL_IP, IP_TTL, 64, 255, 255, 256},
    {BOTH, SOL_IP, IP_TTL, 64, -1, 64, 0},
    {UDP, SOL_IP, IP_TOS, 0, 0x13, 0x13, INT_MIN},
    {TCP, SOL_IP, IP_TOS, 0, 0x13, 0x10, INT_MIN}, /* the ECN bits are TCP's own */
    {BOTH, SOL_IP, IP_MTU_DISCOVER, 1, 5, 5, 6},
    {BOTH, SOL_IP, IP_MTU_DISCOVER, 1, 0, 0, -1},
    {BOTH, SOL_IP, IP_MINTTL, 0, 9, 9, 256},
    {BOTH, SOL_IP, IP_MULTICAST_ALL, 1, 0, 0, 2},
    {BOTH, SOL_IP, IP_MULTICAST_LOOP, 1, 0, 0, INT_MIN},
    {UDP, SOL_IP, IP_MULTICAST_TTL, 1, 5, 5, 256},
    {UDP, SOL_IP, IP_MULTICAST_TTL, 1, -1, 1, -2},
    {TCP, SOL_IP, IP_MULTICAST_TTL, 1, 5, INT_MIN, 5},
    {TCP, IPPROTO_TCP, TCP_NODELAY, 0, 9, 1, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_CORK, 0, 9, 1, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_MAXSEG, 536, 1000, 1000, 87},
    {TCP, IPPROTO_TCP, TCP_MAXSEG, 536, 0, 536, 32768},
    {TCP, IPPROTO_TCP, TCP_KEEPIDLE, 7200, 32767, 32767, 32768},
    {TCP, IPPROTO_TCP, TCP_KEEPINTVL, 75, 1, 1, 0},
    {TCP, IPPROTO_TCP, TCP_KEEPCNT, 9, 127, 127, 128},
    {TCP, IPPROTO_TCP, TCP_SYNCNT, 6, 127, 127, 0},
    {TCP, IPPROTO_TCP, TCP_LINGER2, 60, 500, 120, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_LINGER2, 60, -5, -1, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 2, 3, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 70000, 29887, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 1, 1152, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 30000, 30000, -1},
    {TCP, IPPROTO_TCP, TCP_FASTOPEN, 0, 99999, 4096, -1},
    {TCP, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 1, 1, 2},
    {TCP, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1, 5000, 5000, INT_MIN},
    {TCP, IPPROTO_TCP, TCP_INQ, 0, 1, 1, 2},
    {TCP, IPPROTO_TCP, TCP_SAVE_SYN, 0, 2, 2, 3},
    {TCP, IPPROTO_TCP, TCP_THIN_DUPACK, 0, 1, 0, 2},
    {UDP, IPPROTO_UDP, UDP_SEGMENT, 0, 1400, 1400, 65536},
    {UDP, IPPROTO_UDP, UDP_GRO, 0, 1, 1, INT_MIN},
};

START_TEST(number)
{
    for (int on = TCP; on <= UDP; on++) {
        if (!(numbers[_i].on & on))
            continue;
        struct sock *so = t_socket(HOST_A, on == TCP ? SOCK_STREAM : SOCK_DGRAM);
        int level = numbers[_i].level, name = numbers[_i].name, out = numbers[_i].out;
        if (name != TCP_NOTSENT_LOWAT || level != IPPROTO_TCP)
            ck_assert_int_eq(t_get(so, level, name), numbers[_i].initial);
        ck_assert_int_eq(t_set(so, level, name, numbers[_i].in), out == INT_MIN ? -EINVAL : 0);
        if (out != INT_MIN)
            ck_assert_int_eq(t_get(so, level, name), out);
        if (numbers[_i].bad != INT_MIN)
            ck_assert_int_eq(t_set(so, level, name, numbers[_i].bad), -EINVAL);
        t_close(so);
    }
}
END_TEST

START_TEST(read_only)
{
    struct sock *so = t_socket(HOST_A, SOCK_STREAM), *u = t_socket(HOST_A, SOCK_DGRAM);
    static const int names[] = {SO_TYPE,     SO_ERROR,      SO_PROTOCOL,
                                SO_DOMAIN,   SO_ACCEPTCONN, SO_INCOMING_NAPI_ID,
                                SO_SNDLOWAT, SO_PEERNAME,   SO_COOKIE};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        ck_assert_int_eq(t_set(so, SOL_SOCKET, names[i], 1), -ENOPROTOOPT);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    ck_assert_int_eq(t_get(u, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    ck_assert_int_eq(t_get(u, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_DOMAIN), AF_INET);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_SNDLOWAT), 1);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_PEERNAME), -ENOTCONN);
    t_close(so);
    t_close(u);
}
END_TEST

START_TEST(unknown)
{
    struct sock *so = t_socket(HOST_A, SOCK_STREAM), *u = t_socket(HOST_A, SOCK_DGRAM);
    int v = 1;
    ck_assert_int_eq(t_set(so, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, 9999), -ENOPROTOOPT);
    ck_assert_int_eq(set_len(so, SOL_SOCKET, 9999, &v, 2), -EINVAL); /* the length comes first */
    ck_assert_int_eq(set_len(so, SOL_IP, 9999, &v, 2), -ENOPROTOOPT);
    ck_assert_int_eq(t_set(so, SOL_IPV6, 26, 1), -ENOPROTOOPT);
    ck_assert_int_eq(t_get(so, SOL_IPV6, 26), -EOPNOTSUPP);
    ck_assert_int_eq(t_set(u, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
    ck_assert_int_eq(t_get(u, IPPROTO_TCP, TCP_NODELAY), -EOPNOTSUPP);
    ck_assert_int_eq(t_set(so, IPPROTO_UDP, UDP_CORK, 1), -ENOPROTOOPT);
    t_close(so);
    t_close(u);
}
END_TEST

START_TEST(lengths)
{
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    uint8_t v[16];
    int one = 1;
    socklen_t len;
    ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_KEEPALIVE, &one, 3), -EINVAL);
    ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_KEEPALIVE, &one, (socklen_t)-1), -EINVAL);
    ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_KEEPALIVE, &(long){1}, 8), 0);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_TOS, &(uint8_t){0x20}, 1), 0); /* a byte will do */
    ck_assert_int_eq(t_get(so, SOL_IP, IP_TOS), 0x20);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_TOS, NULL, 0), 0);
    ck_assert_int_eq(t_get(so, SOL_IP, IP_TOS), 0);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_TTL, NULL, 0), -EINVAL);
    memset(v, 0xee, sizeof(v));
    len = 2;
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_KEEPALIVE, v, &len), 0);
    ck_assert_int_eq(len, 2);
    ck_assert_mem_eq(v, "\x01\x00\xee", 3);
    len = 2;
    ck_assert_int_eq(get_len(so, SOL_IP, IP_TTL, v, &len), 0); /* a byte, not half an int */
    ck_assert_int_eq(len, 1);
    ck_assert_int_eq(v[0], 64);
    len = 0;
    ck_assert_int_eq(get_len(so, SOL_IP, IP_TTL, v, &len), 0);
    ck_assert_int_eq(len, 0);
    len = (socklen_t)-1;
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_KEEPALIVE, v, &len), -EINVAL);
    len = 16;
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_KEEPALIVE, v, &len), 0);
    ck_assert_int_eq(len, 4);
    len = 7;
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_COOKIE, v, &len), -EINVAL);
    len = 8;
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_COOKIE, v, &len), 0);
    ck_assert_mem_eq(v, &so->cookie, 8);
    t_close(so);
}
END_TEST

START_TEST(buffers)
{
    for (int i = 0; i < 2; i++) {
        struct sock *so = t_socket(HOST_A, i ? SOCK_DGRAM : SOCK_STREAM);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_SNDBUF), i ? 212992 : 16384);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_RCVBUF), i ? 212992 : 131072);
        t_set(so, SOL_SOCKET, SO_SNDBUF, 0);
        t_set(so, SOL_SOCKET, SO_RCVBUF, 0);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_SNDBUF), 4608);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_RCVBUF), 2304);
        t_set(so, SOL_SOCKET, SO_SNDBUF, 50000);
        t_set(so, SOL_SOCKET, SO_RCVBUF, 50000);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_SNDBUF), 100000);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_RCVBUF), 100000);
        t_set(so, SOL_SOCKET, SO_SNDBUF, -1); /* a very large one: the cap */
        t_set(so, SOL_SOCKET, SO_RCVBUF, 1000000);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_SNDBUF), 425984);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_RCVBUF), 425984);
        t_set(so, SOL_SOCKET, SO_SNDBUFFORCE, 1000000);
        t_set(so, SOL_SOCKET, SO_RCVBUFFORCE, 1000000);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_SNDBUF), 2000000);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_RCVBUF), 2000000);
        t_set(so, SOL_SOCKET, SO_RCVBUFFORCE, -1);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_RCVBUF), 2304);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_BUF_LOCK), 3);
        t_close(so);
    }
}
END_TEST

START_TEST(time_limits)
{
    struct timeval tv = {.tv_sec = 2, .tv_usec = 3}, got;
    socklen_t len;
    static const int names[] = {SO_RCVTIMEO_OLD, SO_SNDTIMEO_OLD, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW};
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    for (int i = 0; i < 4; i++) {
        int64_t *us = i % 2 ? &so->sndtimeo_us : &so->rcvtimeo_us;
        *us = 0;
        ck_assert_int_eq(set_len(so, SOL_SOCKET, names[i], &tv, sizeof(tv)), 0);
        ck_assert_int_eq(*us, 2000003);
        len = sizeof(got);
        ck_assert_int_eq(get_len(so, SOL_SOCKET, names[i], &got, &len), 0);
        ck_assert_mem_eq(&got, &tv, sizeof(tv));
        ck_assert_int_eq(set_len(so, SOL_SOCKET, names[i], &tv, sizeof(tv) - 1), -EINVAL);
        got = (struct timeval){.tv_usec = 1000000};
        ck_assert_int_eq(set_len(so, SOL_SOCKET, names[i], &got, sizeof(got)), -EDOM);
        got = (struct timeval){.tv_sec = -1};
        ck_assert_int_eq(set_len(so, SOL_SOCKET, names[i], &got, sizeof(got)), 0);
        ck_assert_int_eq(*us, -1);
        got = (struct timeval){0};
        ck_assert_int_eq(set_len(so, SOL_SOCKET, names[i], &got, sizeof(got)), 0);
        ck_assert_int_eq(*us, 0);
    }
    t_close(so);
}
END_TEST

START_TEST(devices)
{
    char name[IFNAMSIZ] = "";
    socklen_t len = sizeof(name);
    for (int i = 0; i < 2; i++) {
        struct sock *so = t_socket(HOST_A, i ? SOCK_DGRAM : SOCK_STREAM);
        len = sizeof(name);
        ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
        ck_assert_int_eq(len, 0);
        ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_BINDTODEVICE, "eth9", 4), -ENODEV);
        ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4), 0);
        len = sizeof(name);
        ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
        ck_assert_str_eq(name, "eth0");
        ck_assert_int_eq(len, 5);
        len = 5;
        ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_BINDTODEVICE, name, &len), -EINVAL);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_BINDTOIFINDEX), 1);
        ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_BINDTODEVICE, "", 0), 0);
        ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_BINDTOIFINDEX), 0);
        ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_BINDTOIFINDEX, 1), 0);
        ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_BINDTOIFINDEX, 8), -ENODEV);
        ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_BINDTOIFINDEX, -1), -EINVAL);
        t_close(so);
    }
}
END_TEST

START_TEST(strings)
{
    char name[20] = "";
    socklen_t len = sizeof(name);
    uint8_t key[32] = {1, 2, 3};
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    ck_assert_int_eq(get_len(so, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    ck_assert_str_eq(name, "reno");
    ck_assert_int_eq(len, 16);
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7), -ENOENT);
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), 0);
    len = sizeof(name);
    ck_assert_int_eq(get_len(so, IPPROTO_TCP, TCP_CC_INFO, name, &len), 0);
    ck_assert_int_eq(len, 0); /* there is no connection yet */
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_ULP, "tls", 3), -ENOENT);
    len = sizeof(name);
    ck_assert_int_eq(get_len(so, IPPROTO_TCP, TCP_ULP, name, &len), 0);
    ck_assert_int_eq(len, 0);
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 15), -EINVAL);
    ck_assert_int_eq(set_len(so, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 16), 0);
    len = sizeof(name);
    ck_assert_int_eq(get_len(so, IPPROTO_TCP, TCP_FASTOPEN_KEY, name, &len), 0);
    ck_assert_int_eq(len, 16);
    ck_assert_mem_eq(name, key, 16);
    t_close(so);
}
END_TEST

START_TEST(structures)
{
    struct linger l = {.l_onoff = 1, .l_linger = 9}, got;
    unsigned long rate = 5000000000ul, rate_got;
    uint32_t mem[9];
    socklen_t len = sizeof(got);
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_LINGER, &l, 7), -EINVAL);
    ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_LINGER, &l, 8), 0);
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_LINGER, &got, &len), 0);
    ck_assert_mem_eq(&got, &l, sizeof(l));
    l.l_onoff = 0;
    l.l_linger = 1;
    set_len(so, SOL_SOCKET, SO_LINGER, &l, 8);
    get_len(so, SOL_SOCKET, SO_LINGER, &got, &len);
    ck_assert_int_eq(got.l_onoff, 0);
    ck_assert_int_eq(got.l_linger, 9); /* the seconds stay */
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_MAX_PACING_RATE), -1);
    ck_assert_int_eq(set_len(so, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
    len = sizeof(rate_got);
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_MAX_PACING_RATE, &rate_got, &len), 0);
    ck_assert_uint_eq(rate_got, rate);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_MAX_PACING_RATE), -1); /* more than an int tells */
    ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_MAX_PACING_RATE, 1000), 0);
    ck_assert_int_eq(t_get(so, SOL_SOCKET, SO_MAX_PACING_RATE), 1000);
    len = sizeof(mem);
    ck_assert_int_eq(get_len(so, SOL_SOCKET, SO_MEMINFO, mem, &len), 0);
    ck_assert_int_eq(len, 36);
    ck_assert_uint_eq(mem[1], 131072);
    ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_MASK + 1), -EINVAL);
    t_close(so);
}
END_TEST

START_TEST(stamps_exclude_each_other)
{
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    static const int names[] = {SO_TIMESTAMP_OLD, SO_TIMESTAMPNS_OLD, SO_TIMESTAMP_NEW,
                                SO_TIMESTAMPNS_NEW};
    for (int i = 0; i < 4; i++) {
        t_set(so, SOL_SOCKET, names[i], 1);
        for (int k = 0; k < 4; k++)
            ck_assert_int_eq(t_get(so, SOL_SOCKET, names[k]), i == k);
    }
    t_set(so, SOL_SOCKET, SO_TIMESTAMP_OLD, 0);
    for (int k = 0; k < 4; k++)
        ck_assert_int_eq(t_get(so, SOL_SOCKET, names[k]), 0);
    t_close(so);
}
END_TEST

START_TEST(states)
{
    struct sock *a, *b, *listener = t_listener(80);
    struct tcp_info info;
    struct sockaddr_in name;
    socklen_t len = sizeof(info);
    ck_assert_int_eq(t_get(listener, SOL_IP, IP_MTU), -ENOTCONN);
    ck_assert_int_eq(t_set(listener, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1), -EINVAL);
    ck_assert_int_eq(t_set(listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1), 0);
    ck_assert_int_eq(t_set(listener, IPPROTO_TCP, TCP_FASTOPEN, 5), 0);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(t_get(a, SOL_IP, IP_MTU), 1500);
    ck_assert_int_eq(t_get(a, IPPROTO_TCP, TCP_MAXSEG), 1448);
    ck_assert_int_eq(t_set(a, IPPROTO_TCP, TCP_FASTOPEN, 5), -EINVAL);
    ck_assert_int_eq(t_set(a, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), -EINVAL);
    ck_assert_int_eq(get_len(a, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    ck_assert_int_eq(info.tcpi_state, 1); /* the kernel's TCP_ESTABLISHED */
    len = 1;
    ck_assert_int_eq(get_len(a, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    ck_assert_int_eq(len, 1);
    len = sizeof(name);
    ck_assert_int_eq(get_len(b, SOL_SOCKET, SO_PEERNAME, &name, &len), 0);
    ck_assert_int_eq(ntohs(name.sin_port), t_port(a));
    len = 100;
    ck_assert_int_eq(get_len(b, SOL_SOCKET, SO_PEERNAME, &name, &len), -EINVAL);
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

/* RFC 1112 7.1 */
START_TEST(groups)
{
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM), *tcp = t_socket(HOST_A, SOCK_STREAM);
    struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xe0000105),
                         .imr_address.s_addr = htonl(ADDR_A)};
    struct group_req g = {.gr_interface = 1};
    ck_assert_int_eq(set_len(tcp, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)), -EPROTO);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_ADD_MEMBERSHIP, &m, 7), -EINVAL);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_DROP_MEMBERSHIP, &m, 8), -EADDRNOTAVAIL);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_ADD_MEMBERSHIP, &m, 8), 0);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_ADD_MEMBERSHIP, &m, 12), -EADDRINUSE);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_DROP_MEMBERSHIP, &m, 8), 0);
    m.imr_ifindex = 9;
    ck_assert_int_eq(set_len(so, SOL_IP, IP_ADD_MEMBERSHIP, &m, 12), -ENODEV);
    m.imr_multiaddr.s_addr = htonl(ADDR_B);
    m.imr_ifindex = 1;
    ck_assert_int_eq(set_len(so, SOL_IP, IP_ADD_MEMBERSHIP, &m, 12), -EINVAL);
    memcpy(&g.gr_group,
           &(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xe0000106)},
           sizeof(struct sockaddr_in));
    ck_assert_int_eq(set_len(so, SOL_IP, MCAST_JOIN_GROUP, &g, sizeof(g)), 0);
    ck_assert_int_eq(set_len(so, SOL_IP, MCAST_LEAVE_GROUP, &g, sizeof(g)), 0);
    ck_assert_int_eq(set_len(so, SOL_IP, MCAST_LEAVE_GROUP, &g, sizeof(g)), -EADDRNOTAVAIL);
    ck_assert_int_eq(set_len(so, SOL_IP, MCAST_JOIN_GROUP, &g, sizeof(g)), 0); /* goes with so */
    t_close(so);
    t_close(tcp);
}
END_TEST

START_TEST(multicast_interface)
{
    struct in_addr in = {htonl(ADDR_A)}, got;
    socklen_t len = sizeof(got);
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM), *rx = t_socket(HOST_B, SOCK_DGRAM);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_MULTICAST_IF, &in, 3), -EINVAL);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_MULTICAST_IF, (int)htonl(0xcb007101)), -EADDRNOTAVAIL);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_MULTICAST_IF, &in, sizeof(in)), 0);
    ck_assert_int_eq(get_len(so, SOL_IP, IP_MULTICAST_IF, &got, &len), 0);
    ck_assert_uint_eq(got.s_addr, in.s_addr);
    ck_assert_int_eq(t_sendto(so, "x", 1, 0xe0000105, 99), 1);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_UNICAST_IF, (int)htonl(1)), 0);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_UNICAST_IF, (int)htonl(7)), -EADDRNOTAVAIL);
    ck_assert_int_eq(t_bind(rx, 0, 98), 0);
    ck_assert_int_eq(t_sendto(so, "x", 1, ADDR_B, 98), 1);
    run_us(100000);
    ck_assert_int_eq(t_recv(rx, &got, 1, 0), 1);
    t_close(so);
    t_close(rx);
}
END_TEST

START_TEST(ip_options)
{
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    uint8_t opt[4] = {7, 3, 4, 0}, out[40], end[8] = {0, 9, 9, 9, 9, 9, 9, 9}, bad[2] = {7, 9};
    socklen_t len = sizeof(out);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_OPTIONS, opt, 3), 0);
    ck_assert_int_eq(get_len(so, SOL_IP, IP_OPTIONS, out, &len), 0);
    ck_assert_int_eq(len, 4);
    ck_assert_mem_eq(out, opt, 4);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_OPTIONS, bad, 2), -EINVAL);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_OPTIONS, out, 41), -EINVAL);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_OPTIONS, end, 8), 0);
    len = sizeof(out);
    get_len(so, SOL_IP, IP_OPTIONS, out, &len);
    ck_assert_mem_eq(out, "\0\0\0\0\0\0\0\0", 8);
    ck_assert_int_eq(set_len(so, SOL_IP, IP_OPTIONS, NULL, 0), 0);
    len = sizeof(out);
    get_len(so, SOL_IP, IP_OPTIONS, out, &len);
    ck_assert_int_eq(len, 0);
    t_close(so);
}
END_TEST

START_TEST(refused)
{
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_PASSCRED, 1), -EOPNOTSUPP);
    ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_DETACH_FILTER, 0), -ENOENT);
    ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_LOCK_FILTER, 1), 0);
    ck_assert_int_eq(t_set(so, SOL_SOCKET, SO_LOCK_FILTER, 0), -EPERM);
    ck_assert_int_eq(t_set(so, IPPROTO_TCP, TCP_REPAIR, 1), -EPERM);
    ck_assert_int_eq(t_set(so, IPPROTO_TCP, TCP_MD5SIG, 1), -EINVAL);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_HDRINCL, 1), -ENOPROTOOPT);
    ck_assert_int_eq(t_set(so, SOL_IP, IP_ROUTER_ALERT, 1), -EINVAL);
    t_close(so);
}
END_TEST

START_TEST(saved_syn)
{
    uint8_t syn[100];
    socklen_t len = 20;
    struct sock *a, *b, *listener = t_listener(80);
    ck_assert_int_eq(t_set(listener, IPPROTO_TCP, TCP_SAVE_SYN, 1), 0);
    t_pair(listener, &a, &b);
    ck_assert_int_eq(IN(HOST_B, sock_getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len)),
                     -EINVAL);
    ck_assert_uint_eq(len, 60); /* so much room it takes */
    len = sizeof(syn);
    ck_assert_int_eq(IN(HOST_B, sock_getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len)), 0);
    ck_assert_uint_eq(len, 60);
    ck_assert_uint_eq(syn[0], 0x45);
    ck_assert_uint_eq(syn[9], IPPROTO_TCP);
    ck_assert_uint_eq(syn[22] << 8 | syn[23], 80);
    ck_assert_uint_eq(syn[33] & 0x3f, 2); /* SYN */
    len = sizeof(syn);                    /* once */
    ck_assert_int_eq(IN(HOST_B, sock_getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len)), 0);
    ck_assert_uint_eq(len, 0);
    t_close(a);
    t_close(b);
    t_pair(listener, &a, &b); /* freed with the connection, too */
    t_close(a);
    t_close(b);
    t_close(listener);
}
END_TEST

TCase *test_sock_opt(void)
{
    TCase *tc = world_tcase("opt");
    tcase_add_loop_test(tc, number, 0, sizeof(numbers) / sizeof(*numbers));
    tcase_add_test(tc, read_only);
    tcase_add_test(tc, unknown);
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, buffers);
    tcase_add_test(tc, time_limits);
    tcase_add_test(tc, devices);
    tcase_add_test(tc, strings);
    tcase_add_test(tc, structures);
    tcase_add_test(tc, stamps_exclude_each_other);
    tcase_add_test(tc, states);
    tcase_add_test(tc, groups);
    tcase_add_test(tc, multicast_interface);
    tcase_add_test(tc, ip_options);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, saved_syn);
    return tc;
}
