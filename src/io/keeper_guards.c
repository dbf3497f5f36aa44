/*
 * The housekeeper's guards: kernel sockets that keep TCP ports silent, until the stack uses them no
 * more.
 *
 * Nobody tells when a connection's last trace is gone, so the guards are looked at from time to
 * time: soon after a hint (KEEPER_LOOK), later and later when it was in vain. A guard goes only
 * when its claim does.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/guard.h"
#include "io/keeper_int.h"

#define LOOK_FIRST_US  1000u
#define LOOK_NEW_US    1000000u
#define LOOK_MAX_US    4000000u
#define LOOK_CHOSEN_US 100000u /* at most, for a port that the program chose and has left */
#define LOOKS_IN_ENTRY 256u

struct guard {
    int fd;
    int marker; /* guard_marker_name(), while the program has left the port; -1 */
    uint16_t port;
    bool was_pending;
    uint32_t interval_us;
    uint64_t look_at_us;
};

static struct guard *guards;
static size_t nguards, room;
static uint64_t next_look_us = TIMER_NEVER;

static void schedule(struct guard *g, uint64_t at_us)
{
    g->look_at_us = at_us;
    if (at_us < next_look_us)
        next_look_us = at_us;
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
    guards[nguards] =
        (struct guard){.fd = fd, .marker = -1, .port = port, .interval_us = LOOK_NEW_US};
    schedule(&guards[nguards++], clock_now_us() + LOOK_NEW_US);
    return true;
}

/* The guard at i goes; another takes its place in the table. */
static void drop(size_t i)
{
    close(guards[i].fd);
    if (guards[i].marker >= 0)
        close(guards[i].marker);
    guards[i] = guards[--nguards];
}

/* The claim, and all its guards, go. */
static void release(struct guard_claim *claim, uint16_t port)
{
    claim->claimed = claim->dual = false;
    claim->guards = 0;
    for (size_t i = nguards; i-- > 0;) {
        if (guards[i].port == port)
            drop(i);
    }
}

void keeper_guards_look(struct stack *st, uint16_t port, uint64_t now_us)
{
    struct guard_claim *claim = guard_find_claim(st, port);

    if (claim == NULL)
        return;
    if (guard_is_idle(st, claim, port)) {
        release(claim, port);
        return;
    }
    for (size_t i = 0; i < nguards; i++) {
        if (guards[i].port == port) {
            guards[i].interval_us = LOOK_FIRST_US;
            schedule(&guards[i], now_us + LOOK_FIRST_US);
        }
    }
}

static int open_marker(uint16_t port)
{
    struct sockaddr_un un;
    socklen_t len = guard_marker_name(port, &un);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&un, len) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
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
    if (guard_is_idle(st, claim, g->port)) {
        if (claim->guards > 1) {
            release(claim, g->port);
        } else {
            claim->claimed = claim->dual = false;
            claim->guards = 0;
            drop(i);
        }
        return false;
    }
    /* Who had it pending for so long has died over it. */
    bool pending = claim->pending > 0 && g->interval_us >= LOOK_NEW_US;
    if (pending && g->was_pending)
        claim->pending = 0;
    g->was_pending = pending;
    uint32_t most_us = LOOK_MAX_US;
    if (claim->chosen && tcp_port_use(&st->tcp, g->port) != TCP_PORT_LISTENS) {
        most_us = LOOK_CHOSEN_US;
        if (g->marker < 0)
            g->marker = open_marker(g->port);
    } else if (g->marker >= 0) {
        close(g->marker);
        g->marker = -1;
    }
    g->interval_us = g->interval_us < most_us / 2 ? 2 * g->interval_us : most_us;
    schedule(g, now_us + g->interval_us);
    return true;
}

void keeper_guards_hurry(uint64_t now_us)
{
    for (size_t i = 0; i < nguards; i++) {
        guards[i].interval_us = LOOK_FIRST_US;
        schedule(&guards[i], now_us);
    }
}

bool keeper_guards_sweep(struct stack *st, uint64_t now_us)
{
    size_t looks = 0;

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
    return next_look_us;
}
