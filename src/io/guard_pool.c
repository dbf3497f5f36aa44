/*
 * The pool of guarded ports.
 *
 * A guard costs some system calls, a message, and a while of the housekeeper's. A program that
 * makes many connections does not wait for that: the housekeeper makes guards for it in advance,
 * and guards whose connection has ended serve again.
 *
 *                                 ready: has never been used
 *      housekeeper --------------------------------------------> a connection
 *       ^  |                                                       |      ^
 *       |  | no use for REST_US                                    v      |
 *       |  +------------------- all claims of the address ---------+------+
 *       |                        looked at in turn, when there are many
 *       +-- KEEPER_FILL: few are ready, and one is wanted after another
 *
 * As in the kernel, a port that no program has bound may have connections to different places at
 * the same time, and one to the same place when the last is over, or in TIME_WAIT but protected by
 * timestamps (tcp_port_fits()). And as with a kernel that goes through its ports in turn, a port
 * comes back only after a great many others: to the peer it is a new incarnation, and some things
 * in between know no better than to wait.
 *
 * The numbers are chosen here, at random (as RFC 6056 has it), and among those where bind() looks
 * first (it leaves every second port to connect()). Asked for any port, the kernel would walk past
 * all that are taken. When it gets narrow there is no pool: each connection asks the kernel itself,
 * and has its answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "io/guard_int.h"

#define DEMAND_US     1000000u /* between two connections: not one after another any more */
#define BUSY_US       200000u  /* between two fills: the next is twice as large */
#define RETRY_US      100000u  /* after a fill that came to nothing */
#define BATCH_FIRST   4u
#define BATCH_MAX     64u
#define TRIES         4u    /* numbers drawn for each guard */
#define MANY          1024u /* at most: from then on, used ports are used again */
#define SKIPS         16u   /* connections without a look, after one in vain */
#define LOOKS         8u    /* at used ports, for one connection */
#define STEPS         512u  /* between them */
#define RANGE_FILE    "/proc/sys/net/ipv4/ip_local_port_range"
#define RESERVED_FILE "/proc/sys/net/ipv4/ip_local_reserved_ports"

/* ---- taking ---- */

static bool serves(const struct guard_claim *claim, uint32_t addr)
{
    return claim->claimed && !claim->chosen && !claim->dual && claim->pending == 0 &&
           claim->addr == addr;
}

static uint16_t find_ready(struct stack *st, struct guard_shared *g, uint32_t addr)
{
    for (uint32_t i = g->nready; i-- > 0;) {
        uint16_t port = g->ready[i];
        const struct guard_claim *claim = guard_find_claim(st, port);
        bool unused = claim != NULL && !claim->chosen && claim->pending == 0 &&
                      tcp_port_use(&st->tcp, port) == TCP_PORT_FREE;
        if (unused && claim->addr != addr)
            continue;
        g->ready[i] = g->ready[--g->nready];
        if (unused)
            return port;
    }
    return 0;
}

static uint16_t find_used(struct stack *st, struct guard_shared *g, uint32_t addr,
                          const struct endpoint *remote, unsigned looks, unsigned steps)
{
    struct endpoint local = {.addr = addr_v4(addr)};

    for (; steps > 0 && looks > 0; steps--) {
        local.port = ++g->cursor;
        const struct guard_claim *page = g->pages[local.port / GUARD_PAGE_PORTS];
        if (page == NULL) {
            g->cursor |= GUARD_PAGE_PORTS - 1;
        } else if (serves(&page[local.port % GUARD_PAGE_PORTS], addr)) {
            looks--;
            if (tcp_port_fits(&st->tcp, &local, remote))
                return local.port;
        }
    }
    return 0;
}

uint16_t guard_pool_take(struct stack *st, uint32_t addr, const struct endpoint *remote)
{
    struct guard_shared *g = guard_shared(st);
    uint64_t now_us = st->net.now_us;
    uint16_t port = 0;

    if (g == NULL || !keeper_is_there())
        return 0;
    bool demand = now_us - g->wanted_us < DEMAND_US;
    g->wanted_us = now_us;
    bool many = g->many > 0 && __atomic_load_n(&g->held, __ATOMIC_RELAXED) >= g->many;
    bool skip = g->skips > 0;
    if (many && !skip)
        port = find_used(st, g, addr, remote, LOOKS, STEPS);
    if (skip)
        g->skips--;
    if (port == 0) {
        port = find_ready(st, g, addr);
        if (port == 0 && skip && many)
            port = find_used(st, g, addr, remote, LOOKS, STEPS);
        else if (many && !skip)
            g->skips = SKIPS;
        if (demand && !g->asked && now_us >= g->retry_us && 2 * g->nready <= g->batch)
            g->asked = keeper_tell(KEEPER_FILL, addr, -1) == 0;
    }
    if (port != 0)
        guard_find_claim(st, port)->rested = false;
    return port;
}

uint16_t guard_pool_share(struct stack *st, uint32_t addr, const struct endpoint *remote)
{
    struct guard_shared *g = guard_shared(st);

    if (g == NULL || !keeper_is_there())
        return 0;
    uint16_t port = find_used(st, g, addr, remote, UINT16_MAX + 1, UINT16_MAX + 1);
    if (port != 0)
        guard_find_claim(st, port)->rested = false;
    return port;
}

/* ---- filling ---- */

/* The ports that connect() may choose; low 0: that is for the kernel to say. */
struct range {
    uint32_t low, width;
};

static ssize_t read_file(const char *path, char *text, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, n - 1);

    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len;
}

/* Where the administrator has set ports apart, the kernel alone chooses. */
static struct range read_range(void)
{
    struct range r = {0};
    uint32_t high;
    char text[64];

    if (read_file(RESERVED_FILE, text, sizeof(text)) < 0 || text[strspn(text, " \n")] != '\0' ||
        read_file(RANGE_FILE, text, sizeof(text)) <= 0 ||
        sscanf(text, "%u %u", &r.low, &high) != 2 || high > UINT16_MAX || high < r.low)
        return (struct range){0};
    r.width = high - r.low + 1;
    return r;
}

/* How many at once: more for who goes on asking. */
static unsigned batch_now(uint64_t now_us)
{
    static uint64_t last_us;
    static unsigned batch;

    batch = now_us - last_us < BUSY_US ? 2 * batch : BATCH_FIRST;
    if (batch > BATCH_MAX)
        batch = BATCH_MAX;
    last_us = now_us;
    return batch;
}

/* Numbers to try, at most n; those of the parity that connect() does without come first. How many.
 * Within an entry. */
static unsigned draw(struct stack *st, const struct range *r, uint16_t *ports, unsigned n)
{
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++) {
        uint32_t at = rng_below(&st->net.rng, r->width);
        if (i < n / 2 && (at | 1u) < r->width)
            at |= 1u;
        uint16_t port = (uint16_t)(r->low + at);
        if (guard_find_claim(st, port) == NULL)
            ports[found++] = port;
    }
    return found;
}

/* A guard that the housekeeper has made. Within an entry; false: it is not needed. */
static bool claim_for_pool(struct stack *st, uint32_t addr, uint16_t port, int fd,
                           bool (*hold)(uint16_t port, int fd))
{
    struct guard_shared *g = guard_shared(st);
    struct guard_claim *claim = guard_claim_at(st, port, true);

    if (claim == NULL || claim->claimed || g->nready >= GUARD_READY_MAX) {
        close(fd);
        return false;
    }
    if (!hold(port, fd))
        return false;
    *claim = (struct guard_claim){.addr = addr, .claimed = true, .guards = 1};
    g->ready[g->nready++] = port;
    return true;
}

unsigned guard_pool_fill(uint32_t addr, size_t room, bool (*hold)(uint16_t port, int fd))
{
    uint16_t candidates[BATCH_MAX * TRIES], ports[BATCH_MAX];
    int fds[BATCH_MAX];
    unsigned made = 0, opened = 0, at = 0;
    struct range range = read_range();
    struct stack *st = engine_enter();
    struct guard_shared *g = guard_shared(st);
    size_t held = g->held, most = range.width - range.width / 4;
    unsigned n = batch_now(st->net.now_us);

    if (most > room)
        most = room;
    if (held + n > most)
        n = held < most ? (unsigned)(most - held) : 0;
    g->many = range.width / 8 < MANY ? range.width / 8 + 1 : MANY;
    unsigned ncandidates = range.width > 0 ? draw(st, &range, candidates, n * TRIES) : 0;
    engine_leave();
    while (opened < n) {
        int fd = guard_open_plain(addr, candidates, ncandidates, &at);
        if (fd < 0)
            break;
        ports[opened] = candidates[at - 1];
        fds[opened++] = fd;
    }
    st = engine_enter();
    for (unsigned i = 0; i < opened; i++)
        made += claim_for_pool(st, addr, ports[i], fds[i], hold);
    g->asked = false;
    g->batch = n;
    g->retry_us = made > 0 ? 0 : st->net.now_us + RETRY_US;
    engine_leave();
    return made;
}
