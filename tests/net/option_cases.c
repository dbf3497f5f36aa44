/*
 * Every socket option, set and got in every way, on the kernel's sockets and on ours without a
 * network: what both answer must be the same. What is known to differ, and why, stands in the table
 * below; an option that this kernel does not have is passed over.
 *
 * Prints TAP.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack.h"

#define ARENA_BYTES (16u << 20)

struct level {
    int level, names;
    const char *name;
};
static const struct level levels[] = {
    {SOL_SOCKET, 90, "SOL_SOCKET"}, {SOL_IP, 56, "SOL_IP"},     {IPPROTO_TCP, 50, "SOL_TCP"},
    {IPPROTO_UDP, 110, "SOL_UDP"},  {SOL_IPV6, 80, "SOL_IPV6"}, {999, 3, "no level"},
};

/* type 0: both. */
struct known {
    int type, level, name;
    const char *why;
};
static const struct known known[] = {
    {0, SOL_SOCKET, 7, "SO_SNDBUF depends on the host's wmem_max"},
    {0, SOL_SOCKET, 8, "SO_RCVBUF depends on the host's rmem_max"},
    {0, SOL_SOCKET, 18, "SO_RCVLOWAT's cap depends on the host's tcp_rmem"},
    {0, SOL_SOCKET, 20, "time is not rounded to the kernel's ticks"},
    {0, SOL_SOCKET, 21, "time is not rounded to the kernel's ticks"},
    {0, SOL_SOCKET, 66, "time is not rounded to the kernel's ticks"},
    {0, SOL_SOCKET, 67, "time is not rounded to the kernel's ticks"},
    {0, SOL_SOCKET, 25, "interfaces"},
    {0, SOL_SOCKET, 26, "filters cannot be attached"},
    {0, SOL_SOCKET, 37, "flags of the running kernel"},
    {0, SOL_SOCKET, 65, "flags of the running kernel"},
    {0, SOL_SOCKET, 50, "filters cannot be attached"},
    {0, SOL_SOCKET, 51, "filters cannot be attached"},
    {0, SOL_SOCKET, 52, "filters cannot be attached"},
    {0, SOL_SOCKET, 55, "SO_MEMINFO: the kernel's own accounts"},
    {0, SOL_SOCKET, 57, "SO_COOKIE"},
    {0, SOL_SOCKET, 62, "SO_BINDTOIFINDEX: an interface that does not exist is refused"},
    {0, SOL_SOCKET, 68, "filters cannot be attached"},
    {0, SOL_SOCKET, 71, "SO_NETNS_COOKIE: the kernel's to answer"},
    {0, SOL_SOCKET, 76, "SO_PASSPIDFD: AF_UNIX"},
    {0, SOL_SOCKET, 77, "SO_PEERPIDFD: AF_UNIX"},
    {0, SOL_SOCKET, 78, "device memory"},
    {0, SOL_SOCKET, 80, "device memory"},
    {0, SOL_SOCKET, 83, "SO_PASSRIGHTS: AF_UNIX"},
    {0, SOL_IP, 32, "IP_MULTICAST_IF: interfaces"},
    {0, SOL_IP, 36, "IP_DROP_MEMBERSHIP: interfaces"},
    {0, SOL_IP, 16, "IPsec"},
    {0, SOL_IP, 17, "IPsec"},
    {0, SOL_IP, 37, "source filters"},
    {0, SOL_IP, 38, "source filters"},
    {0, SOL_IP, 39, "source filters"},
    {0, SOL_IP, 40, "source filters"},
    {0, SOL_IP, 41, "source filters"},
    {0, SOL_IP, 43, "source filters"},
    {0, SOL_IP, 44, "source filters"},
    {0, SOL_IP, 46, "source filters"},
    {0, SOL_IP, 47, "source filters"},
    {0, SOL_IP, 48, "source filters"},
    {0, IPPROTO_TCP, 13, "TCP_CONGESTION: which ones there are"},
    {0, IPPROTO_TCP, 11, "TCP_INFO: other numbers"},
    {0, IPPROTO_TCP, 19, "repair mode is refused"},
    {0, IPPROTO_TCP, 24, "TCP_TIMESTAMP: another clock"},
    {0, IPPROTO_TCP, 26, "TCP_CC_INFO: of the congestion control"},
    {0, IPPROTO_TCP, 35, "TCP_ZEROCOPY_RECEIVE"},
    {0, IPPROTO_TCP, 38, "TCP-AO"},
    {0, IPPROTO_TCP, 39, "TCP-AO"},
    {0, IPPROTO_TCP, 40, "TCP-AO"},
    {0, IPPROTO_TCP, 41, "TCP-AO"},
    {0, IPPROTO_TCP, 42, "TCP-AO"},
    {0, IPPROTO_TCP, 44, "TCP_RTO_MAX_MS: not rounded to the kernel's ticks"},
    {0, IPPROTO_TCP, 45, "TCP_RTO_MIN_US: not rounded to the kernel's ticks"},
    {0, IPPROTO_TCP, 46, "TCP_DELACK_MAX_US: not rounded to the kernel's ticks"},
    {0, IPPROTO_UDP, 10, "UDP-Lite"},
    {0, IPPROTO_UDP, 11, "UDP-Lite"},
    {0, IPPROTO_UDP, 100, "UDP_ENCAP"},
};

static struct stack *st;
static int domain;
static unsigned tests, failures;
static uint64_t cookie;

static const char *why_known(int type, int level, int name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i].level == level && known[i].name == name &&
            (known[i].type == 0 || known[i].type == type))
            return known[i].why;
    return NULL;
}

/* A pair of sockets that are to behave alike. */
struct both {
    int fd;
    struct sock *so;
};

static struct both open_both(int type)
{
    struct both b = {.fd = socket(domain, type, 0)};
    if (b.fd < 0 || sock_create(st, domain, type, 0, ++cookie, 1, &b.so) < 0) {
        printf("Bail out! no socket\n");
        exit(1);
    }
    return b;
}

static void close_both(struct both *b)
{
    close(b->fd);
    sock_close(b->so);
}

/* An answer in words. */
static void answer(char *out, size_t room, int r, const uint8_t *val, socklen_t len)
{
    if (r < 0) {
        snprintf(out, room, "%s", strerrorname_np(-r));
        return;
    }
    int at = snprintf(out, room, "%u:", len);
    for (socklen_t i = 0; i < len && i < 40; i++)
        at += snprintf(out + at, room - (size_t)at, "%02x", val[i]);
}

static bool get_same(struct both *b, int level, int name, socklen_t room, char *kernel, char *ours)
{
    uint8_t v[2][64];
    socklen_t n[2] = {room, room};
    memset(v, 0xee, sizeof(v));
    int r = getsockopt(b->fd, level, name, v[0], &n[0]);
    answer(kernel, 200, r < 0 ? -errno : 0, v[0], n[0]);
    r = sock_getsockopt(b->so, level, name, v[1], &n[1]);
    answer(ours, 200, r, v[1], n[1]);
    return strcmp(kernel, ours) == 0;
}

static bool set_same(struct both *b, int level, int name, const void *val, socklen_t len,
                     char *kernel, char *ours)
{
    int r = setsockopt(b->fd, level, name, val, len);
    answer(kernel, 200, r < 0 ? -errno : 0, NULL, 0);
    answer(ours, 200, sock_setsockopt(b->so, level, name, val, len), NULL, 0);
    return strcmp(kernel, ours) == 0;
}

static void complain(const char *what, long value, const char *kernel, const char *ours)
{
    printf("# %s %ld: the kernel says %s, we say %s\n", what, value, kernel, ours);
}

/* Does the running kernel know this option at all? */
static bool kernel_has(int type, int level, int name)
{
    uint8_t v[64] = {0};
    socklen_t n = sizeof(v);
    int fd = socket(domain, type, 0);
    bool got = getsockopt(fd, level, name, v, &n) == 0 || errno != ENOPROTOOPT;
    bool set = setsockopt(fd, level, name, v, 4) == 0 || errno != ENOPROTOOPT;
    close(fd);
    return got || set;
}

static bool we_have(int type, int level, int name)
{
    uint8_t v[64] = {0};
    socklen_t n = sizeof(v);
    struct both b = open_both(type);
    bool got = sock_getsockopt(b.so, level, name, v, &n) != -ENOPROTOOPT;
    bool set = sock_setsockopt(b.so, level, name, v, 4) != -ENOPROTOOPT;
    close_both(&b);
    return got || set;
}

static void compare(int type, const struct level *l, int name)
{
    static const int values[] = {-1,  0,   1,   2,    3,     5,     88,   127,
                                 128, 255, 256, 1000, 32767, 40000, 70000};
    static const socklen_t rooms[] = {64, 16, 8, 4, 2, 1, 0, (socklen_t)-1};
    char kernel[200], ours[200];
    bool ok = true;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
        struct both b = open_both(type);
        if (!get_same(&b, l->level, name, rooms[i], kernel, ours)) {
            complain("get with room for", (int)rooms[i], kernel, ours);
            ok = false;
        }
        close_both(&b);
    }
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        struct both b = open_both(type);
        if (!set_same(&b, l->level, name, &values[i], sizeof(int), kernel, ours)) {
            complain("set", values[i], kernel, ours);
            ok = false;
        } else if (!get_same(&b, l->level, name, 64, kernel, ours)) {
            complain("get after set", values[i], kernel, ours);
            ok = false;
        }
        close_both(&b);
    }
    for (socklen_t len = 0; len <= 40; len++) {
        uint8_t val[40] = {0};
        struct both b = open_both(type);
        if (!set_same(&b, l->level, name, val, len, kernel, ours)) {
            complain("set zeros of length", (long)len, kernel, ours);
            ok = false;
        }
        close_both(&b);
    }
    printf("%s %u - option %d of %s on %s%s\n", ok ? "ok" : "not ok", ++tests, name, l->name,
           type == SOCK_STREAM ? "TCP" : "UDP", domain == AF_INET6 ? " (AF_INET6)" : "");
    failures += !ok;
}

/* What we do not know of the options of IPv6 is left to the kernel's socket. */
static bool is_left_to_kernel(int type, int level, int name)
{
    return domain == AF_INET6 && level == SOL_IPV6 && !we_have(type, level, name);
}

static void compare_all(int type)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        const struct level *l = &levels[i];
        for (int name = 0; name <= l->names; name++) {
            if (why_known(type, l->level, name) || is_left_to_kernel(type, l->level, name))
                continue;
            if (kernel_has(type, l->level, name) || !we_have(type, l->level, name))
                compare(type, l, name);
        }
    }
}

int main(void)
{
    static const int domains[] = {AF_INET, AF_INET6};
    struct net_env env = {0};
    void *mem = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    st = stack_create(arena_init(mem, ARENA_BYTES, 0), 1);
    stack_enter(st, 1000000, &env);
    for (size_t i = 0; i < 2; i++) {
        domain = domains[i];
        compare_all(SOCK_STREAM);
        compare_all(SOCK_DGRAM);
    }
    stack_leave(st);
    printf("1..%u\n", tests);
    return failures ? 1 : 0;
}
