/*
 * Port guards.
 *
 * In host mode the kernel has our address too, and would answer for our ports: RST to a segment
 * that fits no socket of its own, ICMP port unreachable to such a datagram. A socket that is bound
 * to the port keeps it silent: what comes is given to that socket, whose filter drops it. For TCP
 * it must be in LISTEN, because a socket that is only bound is not found by segments. The same
 * socket keeps the port from everybody else. The filter is attached before the port is bound, so
 * that nothing ever slips through.
 *
 * UDP ends with its descriptor, so the placeholder itself is the guard. TCP goes on after close(),
 * exit and kill -9, and its guard must be there without a gap: one segment of the peer in between,
 * and the kernel's RST ends the connection. So a TCP guard is a socket of its own, which this
 * process makes (it has the rights, and gets the error) and gives to the housekeeper at once. The
 * claim says so to the family:
 *
 *     bind(), connect()                close(), the end of TIME_WAIT ...
 *     -----------------                --------------------------------
 *     guard_bind: claimed, pending     guard_closed: "look at this port"
 *     the stack binds its socket       housekeeper: not pending, and not in use: no claim, then no
 * guard guard_settled: no more pending
 *
 * A port that the program chose is given up as soon as nothing is left to be sent on it and no FIN
 * is likely to come any more, so that a server can be started again: a kernel socket in TIME_WAIT
 * does not stand in the way of SO_REUSEADDR, a guard would. What the kernel then says to a late
 * segment ends nothing that is not over. A port that the kernel chose is kept until TIME_WAIT has
 * ended.
 *
 * Where there is no housekeeper, the placeholder guards TCP too, as long as it is open.
 */
#include "io/guard.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/engine_int.h"
#include "io/guard_int.h"
#include "io/keeper.h"
#include "io/unixsock.h"

#define WAIT_MS      100      /* for the housekeeper's answer: it takes some tens of microseconds */
#define LAST_WAIT_US 1500000u /* for the last connections of another stack */
#define TELL_TRIES   5000     /* a millisecond apart, while its queue is full */

/* ---- guard sockets ---- */

static bool is_v6(int fd)
{
    int domain = AF_INET;
    socklen_t len = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET6;
}

/* Of every peer with an address like name (any, of its family) segments are to be signed with key;
 * without a key no more. */
static int set_key(int fd, const struct sockaddr_storage *name, const uint8_t *key, uint16_t bytes)
{
    struct tcp_md5sig sig = {.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX, .tcpm_keylen = bytes};

    memcpy(&sig.tcpm_addr, name, sizeof(*name));
    memcpy(sig.tcpm_key, key, bytes);
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &sig, sizeof(sig)) < 0 ? -errno : 0;
}

/* A TCP socket takes what is signed (RFC 2385) with a key that nobody has, and drops all else
 * without a sound; or, with on false, ends that. */
static int demand_signatures(int fd, bool on)
{
    const struct sockaddr_in6 mapped = {.sin6_family = AF_INET6,
                                        .sin6_addr.s6_addr = {[10] = 0xff, [11] = 0xff}};
    struct sockaddr_storage any = {.ss_family = AF_INET};
    uint8_t key[16] = {0};
    uint16_t bytes = on ? sizeof(key) : 0;
    int r;

    if (on && getrandom(key, sizeof(key), 0) != sizeof(key))
        return -EIO;
    if (!is_v6(fd))
        return set_key(fd, &any, key, bytes);
    any.ss_family = AF_INET6;
    r = set_key(fd, &any, key, bytes);
    if (r < 0)
        return r;
    memcpy(&any, &mapped, sizeof(mapped));
    return set_key(fd, &any, key, bytes);
}

/* "Keep 0 bytes": the packet is dropped without a sound. Linux since 6.18 keeps filters on TCP
 * sockets to those who have CAP_NET_ADMIN. */
static int drop_everything(int fd)
{
    struct sock_filter ret_0 = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = &ret_0};

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        return 0;
    int err = -errno;
    return err == -EPERM && demand_signatures(fd, true) == 0 ? 0 : err;
}

static int drop_nothing(int fd)
{
    int unused = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0) {
        if (errno != ENOENT)
            return -errno;
        (void)demand_signatures(fd, false); /* not if it is for datagrams, or has no key */
    }
    return 0;
}

bool guard_drops_all(int fd)
{
    struct sock_filter first;
    socklen_t len = 1; /* in instructions */

    return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &first, &len) == 0 && len == 1 &&
           first.code == (BPF_RET | BPF_K) && first.k == 0;
}

/* The same as bind() and getsockname() on an AF_INET6 socket. */
static int bind_mapped(int fd, struct sockaddr_in *addr, bool dual)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = addr->sin_port};
    struct ip_addr mapped = addr_v4(ntohl(addr->sin_addr.s_addr));
    socklen_t len = sizeof(in6);

    if (!dual)
        memcpy(&in6.sin6_addr, mapped.b, sizeof(mapped.b));
    if (bind(fd, (const struct sockaddr *)&in6, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&in6, &len) < 0)
        return -errno;
    addr->sin_port = in6.sin6_port;
    return 0;
}

static int bind_port(int fd, bool v6, struct sockaddr_in *addr, bool dual)
{
    socklen_t len = sizeof(*addr);

    if (v6)
        return bind_mapped(fd, addr, dual);
    if (bind(fd, (const struct sockaddr *)addr, len) < 0 ||
        getsockname(fd, (struct sockaddr *)addr, &len) < 0)
        return -errno;
    return 0;
}

/* fd itself becomes the guard. */
static int bind_guard(int fd, bool v6, int type, struct sockaddr_in *addr, bool dual)
{
    int r = drop_everything(fd);

    if (r < 0)
        return r;
    r = bind_port(fd, v6, addr, dual);
    if (r == 0 && type == SOCK_STREAM && listen(fd, 1) < 0)
        r = -errno;
    if (r < 0)
        (void)drop_nothing(fd);
    return r;
}

/* A socket that can be the guard of a port. */
static int guard_socket(int type, bool dual)
{
    int fd = socket(dual ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0), no = 0;

    if (fd >= 0 && dual)
        (void)setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    return fd < 0 ? -errno : fd;
}

int guard_open(int type, const struct sockaddr_in *addr, bool dual)
{
    struct sockaddr_in copy = *addr;
    int fd = guard_socket(type, dual);
    int r;

    if (fd < 0)
        return fd;
    r = bind_guard(fd, dual, type, &copy, dual);
    if (r == 0)
        r = engine_fd_hide(fd);
    if (r < 0)
        close(fd);
    return r;
}

int guard_open_plain(uint32_t addr, const uint16_t *ports, unsigned n, unsigned *at)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(addr)};
    int fd = guard_socket(SOCK_STREAM, false), r;

    if (fd < 0)
        return fd;
    /* The other way round: of a filter the kernel makes a program, which takes longer than all
     * else. */
    r = demand_signatures(fd, true) == 0 ? 0 : drop_everything(fd);
    bool bound = false;
    while (r == 0 && !bound) {
        if (*at >= n) {
            r = -ENOSPC;
            break;
        }
        in.sin_port = htons(ports[(*at)++]);
        bound = bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0;
        if (!bound && errno != EADDRINUSE && errno != EACCES)
            r = -errno;
    }
    if (r == 0 && listen(fd, 1) < 0)
        r = -errno;
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* What the program set on its socket and bind() looks at. */
static void copy_options(int from, int to)
{
    static const struct {
        int level, name;
    } options[] = {
        {SOL_SOCKET, SO_REUSEADDR},
        {SOL_SOCKET, SO_REUSEPORT},
        {SOL_SOCKET, SO_BINDTODEVICE},
        {SOL_IP, IP_FREEBIND},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        char value[16];
        socklen_t len = sizeof(value);
        if (getsockopt(from, options[i].level, options[i].name, value, &len) == 0 && len > 0)
            (void)setsockopt(to, options[i].level, options[i].name, value, len);
    }
}

/* ---- claims ---- */

struct guard_shared *guard_shared(struct stack *st)
{
    struct engine_shared *sh = st->io;

    return sh != NULL ? &sh->guards : NULL;
}

struct guard_claim *guard_claim_at(struct stack *st, uint16_t port, bool make)
{
    struct guard_shared *g = guard_shared(st);
    struct guard_claim **page;

    if (g == NULL)
        return NULL;
    page = &g->pages[port / GUARD_PAGE_PORTS];
    if (*page == NULL && make)
        *page = arena_zalloc(st->net.arena, GUARD_PAGE_PORTS * sizeof(**page));
    return *page != NULL ? *page + port % GUARD_PAGE_PORTS : NULL;
}

struct guard_claim *guard_find_claim(struct stack *st, uint16_t port)
{
    struct guard_claim *claim = guard_claim_at(st, port, false);

    return claim != NULL && claim->claimed ? claim : NULL;
}

bool guard_holds(struct stack *st, const struct endpoint *local)
{
    const struct guard_claim *claim = guard_find_claim(st, local->port);

    return claim != NULL && (claim->addr == 0 || claim->addr == addr_get_v4(&local->addr));
}

static bool claim_covers(const struct guard_claim *claim, const struct sockaddr_in *addr, bool dual)
{
    if (dual)
        return claim->dual;
    return claim->addr == 0 || claim->addr == ntohl(addr->sin_addr.s_addr);
}

/* Is the port guarded already? Then it is ours to bind. need_cover: for this address. */
static bool claim_again(const struct sockaddr_in *addr, bool dual, bool need_cover)
{
    struct stack *st = engine_enter();
    struct guard_claim *claim = guard_find_claim(st, ntohs(addr->sin_port));
    bool again = claim != NULL && (!need_cover || claim_covers(claim, addr, dual));

    if (again) {
        claim->pending++;
        claim->chosen = true;
    }
    engine_leave();
    return again;
}

static int claim_new(const struct sockaddr_in *addr, bool dual, bool chosen)
{
    struct stack *st = engine_enter();
    struct guard_claim *claim = guard_claim_at(st, ntohs(addr->sin_port), true);

    if (claim != NULL) {
        /* Several addresses of one port: as if it were all of them; the kernel has agreed to each.
         */
        if (!claim->claimed)
            claim->addr = ntohl(addr->sin_addr.s_addr);
        claim->claimed = true;
        claim->dual |= dual;
        claim->chosen = chosen;
        claim->guards++;
        claim->pending++;
    }
    engine_leave();
    return claim != NULL ? 0 : -ENOBUFS;
}

/* The guard has not come to the housekeeper. */
static void unclaim(uint16_t port)
{
    struct stack *st = engine_enter();
    struct guard_claim *claim = guard_find_claim(st, port);

    if (claim != NULL) {
        guard_settled(st, port);
        claim->guards -= claim->guards > 0;
        claim->claimed = claim->guards > 0;
    }
    engine_leave();
}

void guard_settled(struct stack *st, uint16_t port)
{
    struct guard_claim *claim = guard_find_claim(st, port);

    if (claim != NULL && claim->pending > 0)
        claim->pending--;
}

bool guard_is_idle(struct stack *st, const struct guard_claim *claim, uint16_t port)
{
    if (claim->pending > 0)
        return false;
    switch (tcp_port_use(&st->tcp, port)) {
    case TCP_PORT_FREE:
        return true;
    case TCP_PORT_LINGERS:
        return claim->chosen;
    case TCP_PORT_SETTLES:
    case TCP_PORT_BUSY:
    case TCP_PORT_LISTENS:
        return false;
    }
    return false;
}

/* ---- binding ---- */

/* Gives the guard to the housekeeper. 0 or -errno. */
static int hand_over(int fd, uint16_t port)
{
    int r = keeper_tell(KEEPER_GUARD, port, fd);

    for (int i = 0; r < 0 && i < TELL_TRIES; i++) {
        if (r == -ECONNREFUSED && keeper_start() < 0)
            return r;
        if (r != -ECONNREFUSED)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        r = keeper_tell(KEEPER_GUARD, port, fd);
    }
    return r;
}

static bool is_set(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 && value != 0;
}

socklen_t guard_marker_name(uint16_t port, struct sockaddr_un *un)
{
    return unixsock_name(un, "libshim-port-%u", port);
}

/* Does another stack's housekeeper have the port, for its last connections? */
static bool is_marked(uint16_t port)
{
    struct sockaddr_un un;
    socklen_t len = guard_marker_name(port, &un);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool marked = fd >= 0 && connect(fd, (struct sockaddr *)&un, len) == 0;

    if (fd >= 0)
        close(fd);
    return marked;
}

/* A guard of its own for the TCP placeholder fd. */
static int bind_apart(int fd, struct sockaddr_in *addr, bool dual)
{
    bool chosen = addr->sin_port != 0;
    uint64_t deadline_us = clock_now_us() + LAST_WAIT_US;
    int guard, r;

    if (chosen && claim_again(addr, dual, true))
        return 0;
    guard = guard_socket(SOCK_STREAM, dual);
    if (guard < 0)
        return guard;
    if (chosen)
        copy_options(fd, guard);
    r = bind_guard(guard, dual, SOCK_STREAM, addr, dual);
    while (r == -EADDRINUSE && is_set(fd, SO_REUSEADDR) && is_marked(ntohs(addr->sin_port)) &&
           clock_now_us() < deadline_us) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        r = bind_guard(guard, dual, SOCK_STREAM, addr, dual);
    }
    if (r == 0)
        r = claim_new(addr, dual, chosen);
    if (r == 0) {
        r = hand_over(guard, ntohs(addr->sin_port));
        if (r < 0)
            unclaim(ntohs(addr->sin_port));
    }
    close(guard);
    /* What stands in the way is perhaps our own guard, of another address. */
    if (r == -EADDRINUSE && is_set(fd, SO_REUSEADDR) && claim_again(addr, dual, false))
        r = 0;
    return r;
}

int guard_bind(int fd, int type, struct sockaddr_in *addr, bool dual)
{
    if (type == SOCK_STREAM && keeper_start() == 0)
        return bind_apart(fd, addr, dual);
    return bind_guard(fd, is_v6(fd), type, addr, dual);
}

/* ---- letting go ---- */

int guard_closed(struct stack *st, uint16_t port, bool wait)
{
    const struct guard_claim *claim = guard_find_claim(st, port);

    if (claim == NULL || !claim->chosen || tcp_port_use(&st->tcp, port) == TCP_PORT_LISTENS)
        return -1;
    int done = wait && guard_is_idle(st, claim, port) ? eventfd(0, EFD_CLOEXEC) : -1;
    if (keeper_tell(KEEPER_LOOK, port, done) < 0 && done >= 0) {
        close(done);
        done = -1;
    }
    return done;
}

void guard_tell_ends(struct stack *st)
{
    struct guard_shared *g = guard_shared(st);

    if (g->told || g->ends == st->tcp.port_ends || __atomic_load_n(&g->held, __ATOMIC_RELAXED) == 0)
        return;
    g->told = keeper_tell(KEEPER_LOOK, 0, -1) == 0;
}

void guard_wait(int fd)
{
    struct pollfd done = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    (void)poll(&done, 1, WAIT_MS);
    close(fd);
}

/* The port in a name of either family, network order: the two begin alike. */
static in_port_t port_in(const struct sockaddr_storage *name)
{
    struct sockaddr_in in;

    memcpy(&in, name, sizeof(in));
    return in.sin_port;
}

int guard_give_back(int fd, int type, const struct sockaddr *addr, socklen_t len)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage name = {0};
    socklen_t name_len = sizeof(name);

    if (type == SOCK_STREAM) {
        memcpy(&name, addr, len < sizeof(name) ? len : sizeof(name));
        struct stack *st = engine_enter();
        int done = guard_closed(st, ntohs(port_in(&name)), true);
        engine_leave();
        guard_wait(done);
        /* If it is the guard itself: ends LISTEN; a port that bind() was told stays bound. */
        if (connect(fd, &none, sizeof(none)) < 0 ||
            getsockname(fd, (struct sockaddr *)&name, &name_len) < 0)
            return -errno;
        if (port_in(&name) == 0 && bind(fd, addr, len) < 0)
            return -errno;
    }
    return drop_nothing(fd);
}

/* ---- after the death of a housekeeper ---- */

void guard_restore(struct stack *st, bool tidy, bool (*hold)(uint16_t port, int fd))
{
    bool more = true;

    for (uint32_t port = 1; port <= UINT16_MAX && more; port++) {
        struct guard_claim *claim = guard_find_claim(st, (uint16_t)port);
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

        if (claim == NULL)
            continue;
        if (tidy && !claim->chosen && guard_is_idle(st, claim, (uint16_t)port)) {
            *claim = (struct guard_claim){0};
            continue;
        }
        addr.sin_addr.s_addr = htonl(claim->addr);
        int fd = guard_open(SOCK_STREAM, &addr, claim->dual);
        if (fd >= 0)
            more = hold((uint16_t)port, fd);
    }
}
