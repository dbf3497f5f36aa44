/*
 * The housekeeper's guards: kernel sockets that keep TCP ports silent, until the stack uses them no
 * more.
 *
 * A guard is looked at when there is a reason to:
 *
 *   a second after it came            whoever made it has a connection by then, or never will
 *   its port was closed               KEEPER_LOOK: somebody may wait for the port
 *   something ended in the stack      tcp.port_ends is not what it was. Who runs the stack tells of
 *                                     it (guard_tell_ends()), and then all guards are looked at,
 *                                     after a while, so that it is one look for many ends
 *   a process ended                   all guards, at once
 *
 * Between these nothing is looked at, and no time is waited for, with three exceptions: a bind that
 * is pending; a connection on a port that a program chose, which has only to be silent for a while
 * (TCP_PORT_SETTLES); and a port that no program chose, which stays guarded for REST_US after its
 * use: it may be wanted again (guard_pool.c). A guard goes only when its claim does.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/guard.h"
#include "io/keeper_int.h"

#define LOOK_NEW_US    1000000u
#define PENDING_US     1000000u /* who takes longer to bind has died over it */
#define SETTLE_US      100000u
#define REST_US        4000000u
#define HURRY_US       1000000u /* from an end to the look at all */
#define HURRY_LEFT_US  10000u   /* the same, while a port that a program chose waits to be free */
#define LOOKS_IN_ENTRY 256u

struct guard {
    int fd;
    int marker; /* guard_marker_name(), while the program has left the port; -1 */
    uint16_t port;
    uint64_t pending_us;    /* since when, as far as seen; 0: not */
    uint64_t rest_until_us; /* while the claim says so */
    uint64_t look_at_us;
};

static struct guard *guards;
static size_t nguards, room;
static size_t markers;
static bool is_alone;
static uint64_t next_look_us = TIMER_NEVER;
static uint64_t hurry_at_us = TIMER_NEVER; /* then all are looked at */

static void schedule(struct guard *g, uint64_t at_us)
{
    g->look_at_us = at_us;
    if (at_us < next_look_us)
        next_look_us = at_us;
}

/* Who runs the stack need not tell of ends while there are none. */
static void tell_number(void)
{
    __atomic_store_n(&engine.sh->guards.held, (uint32_t)nguards, __ATOMIC_RELAXED);
}

size_t keeper_guards_held(void)
{
    return nguards;
}

void keeper_guards_alone(bool yes)
{
    is_alone = yes;
}

bool keeper_guards_add(uint16_t port, int fd)
{
    if (nguards == room) {
        size_t more = room > 0 ? 2 * room : 64;
        struct guard *p = realloc(guards, more * sizeof(*p));
        if (p == NULL) {
            close(fd);
            return false;
        }
        guards = p;
        room = more;
    }
    guards[nguards] = (struct guard){.fd = fd, .marker = -1, .port = port};
    schedule(&guards[nguards++], clock_now_us() + LOOK_NEW_US);
    tell_number();
    return true;
}

/* A port that a program chose and has left has a marker. */
static void mark(struct guard *g, bool left)
{
    struct sockaddr_un un;

    if (left == (g->marker >= 0))
        return;
    if (!left) {
        close(g->marker);
        g->marker = -1;
        markers--;
        return;
    }
    socklen_t len = guard_marker_name(g->port, &un);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&un, len) < 0) {
        close(fd);
        fd = -1;
    }
    g->marker = fd;
    markers += fd >= 0;
}

/* The guard at i goes; another takes its place in the table. */
static void drop(size_t i)
{
    close(guards[i].fd);
    mark(&guards[i], false);
    guards[i] = guards[--nguards];
    tell_number();
}

/* The claim goes, and all its guards, of which one is at i. */
static void release(struct guard_claim *claim, size_t i)
{
    uint16_t port = guards[i].port;
    bool several = claim->guards > 1;

    claim->claimed = claim->dual = claim->rested = false;
    claim->guards = 0;
    drop(i);
    for (i = nguards; several && i-- > 0;) {
        if (guards[i].port == port)
            drop(i);
    }
}

/* A port without use. False: its guards are gone. */
static bool look_at_idle(struct guard_claim *claim, size_t i, uint64_t now_us)
{
    struct guard *g = &guards[i];

    if (!claim->rested)
        g->rest_until_us = now_us + REST_US;
    if (claim->chosen || is_alone || now_us >= g->rest_until_us) {
        release(claim, i);
        return false;
    }
    claim->rested = true;
    schedule(g, g->rest_until_us);
    return true;
}

/* The stack has not seen yet what was granted. */
static void look_at_pending(struct guard *g, struct guard_claim *claim, uint64_t now_us)
{
    if (g->pending_us == 0)
        g->pending_us = now_us;
    if (now_us - g->pending_us < PENDING_US) {
        schedule(g, g->pending_us + PENDING_US);
    } else {
        claim->pending = 0;
        schedule(g, now_us); /* once more, without it */
    }
}

/* False: guards are gone, and others have moved in the table. */
static bool look_at(struct stack *st, size_t i, uint64_t now_us)
{
    struct guard *g = &guards[i];
    struct guard_claim *claim = guard_find_claim(st, g->port);

    if (claim == NULL) {
        drop(i);
        return false;
    }
    if (guard_is_idle(st, claim, g->port))
        return look_at_idle(claim, i, now_us);
    claim->rested = false;
    g->look_at_us = TIMER_NEVER;
    if (claim->pending > 0)
        look_at_pending(g, claim, now_us);
    else
        g->pending_us = 0;
    enum tcp_port_use use = tcp_port_use(&st->tcp, g->port);
    mark(g, claim->chosen && use != TCP_PORT_LISTENS);
    if (claim->chosen && use == TCP_PORT_SETTLES)
        schedule(g, now_us + SETTLE_US);
    return true;
}

void keeper_guards_look(struct stack *st, uint16_t port, uint64_t now_us)
{
    for (size_t i = 0; i < nguards; i++) {
        if (guards[i].port == port && !look_at(st, i, now_us))
            return;
    }
    if (hurry_at_us != TIMER_NEVER)
        keeper_guards_hurry(now_us, false); /* there may be a marker now */
}

void keeper_guards_hurry(uint64_t now_us, bool at_once)
{
    uint64_t at_us = now_us + (at_once ? 0 : markers > 0 ? HURRY_LEFT_US : HURRY_US);

    if (at_us < hurry_at_us)
        hurry_at_us = at_us;
}

/* Ends up to now are seen in the looks that follow; those to come are to be told of. */
static void begin_hurry(struct stack *st, uint64_t now_us)
{
    struct guard_shared *shared = &engine.sh->guards;

    shared->told = false;
    shared->ends = st->tcp.port_ends;
    hurry_at_us = TIMER_NEVER;
    for (size_t i = 0; i < nguards; i++)
        guards[i].look_at_us = now_us;
}

bool keeper_guards_sweep(struct stack *st, uint64_t now_us)
{
    size_t looks = 0;

    if (hurry_at_us <= now_us)
        begin_hurry(st, now_us);
    next_look_us = TIMER_NEVER;
    for (size_t i = 0; i < nguards;) {
        if (guards[i].look_at_us > now_us) {
            schedule(&guards[i], guards[i].look_at_us);
            i++;
        } else if (looks++ == LOOKS_IN_ENTRY) {
            next_look_us = now_us;
            return true;
        } else if (look_at(st, i, now_us)) {
            i++;
        }
    }
    return false;
}

uint64_t keeper_guards_deadline(void)
{
    return next_look_us < hurry_at_us ? next_look_us : hurry_at_us;
}
