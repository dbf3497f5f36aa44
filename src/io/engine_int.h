/* What the engine's files share: one struct engine a process. */
#ifndef SHIM_IO_ENGINE_INT_H
#define SHIM_IO_ENGINE_INT_H

#include <pthread.h>
#include <sys/un.h>

#include "io/arena_map.h"
#include "io/engine.h"
#include "io/guard.h"
#include "io/hostnet.h"
#include "io/keeper.h"
#include "io/link_packet.h"
#include "io/loop.h"
#include "io/robust.h"

/* In the arena (stack->io): what the processes of a family share beside the stack. */
struct engine_shared {
    struct robust lock; /* guards the stack and all of this */
    uint64_t id;        /* of the family, random: names the doorbells */
    struct link_packet_shared packet;
    struct keeper_shared keeper;
    struct guard_shared guards;
    struct config config;
    void *trace;           /* trace_share()'s; NULL: nobody traces */
    struct engine_kin kin; /* whose stack it is, too; {0}: nobody's */
    uint32_t ifindex;
    bool vnet;
    bool closed_lost; /* last-close events were lost */
    uint32_t entries; /* that were not the housekeeper's */
    uint32_t calls;   /* entries that were not a service thread's, in all processes */
    /* Hints, by the proc.id of whom they are of, who may have died since: whose timer goes off for
     * all, and when; whose service thread naps for all, and until when it will have looked. */
    uint32_t armed_by, nap_by;
    uint64_t armed_us, nap_us;
};

/* Where a thread sleeps (engine_seat.c). */
struct seat {
    uint32_t *word; /* of the thread that sleeps here, for those who wake it; NULL: nobody */
    int epfd;       /* ring, timer, bell and the kick; -1: not made yet */
    int kick;       /* an eventfd, read by the thread whose seat it is */
    bool taken;
};

struct engine {
    bool running;
    bool of_reserve; /* being made of the reserve, whose own the descriptors are until it runs */
    uint32_t frozen; /* 1: of this process, only the thread frozen_by may enter (a futex) */
    pthread_t frozen_by;
    bool stale;    /* forked: all that is below belongs to the parent and is to be made anew */
    bool confined; /* in a sandbox: see engine_confine.c */
    bool attached; /* the engine's descriptors were in an epoll instance of the program's */
    bool limping;  /* forked, and there was nothing to make it of */
    struct engine_kin kin; /* {0}: none */
    const struct engine_hooks *hooks;
    struct arena_map map;
    struct stack *st;
    struct engine_shared *sh;
    struct link *link;
    struct net_env env;
    struct proc *proc;
    struct loop *loop;
    int fds[LOOP_SOURCES]; /* rx ring, timerfd, doorbell, last-close events, rtnetlink; -1: none */
    int service_epfd;      /* the service thread sleeps here */
    int arena_fd;
    int lifeline;      /* a pipe's end: it breaks when this process ends or executes; -1 */
    uint32_t greeted;  /* keeper_shared.number of the housekeeper that has the other end */
    int door;          /* until the housekeeper has it (own-address mode); -1: none */
    int tick;          /* entries since idle memory was last given back */
    uint64_t armed_us; /* what the timerfd is set to; TIMER_NEVER: not */
    pthread_t service;
    bool service_started;
    bool (*epoll_notify)(void *item, uint32_t fired);
    void (*signal_notify)(void *item, uint64_t cookie, uint32_t fired);
};

extern struct engine engine;

/* ---- engine.c ---- */
/* An entry of the service thread: not a call of the program. The second is true when it woke
 * somebody whom a frame would not have woken. */
struct stack *engine_service_enter(void);
bool engine_service_leave(void);
/* The lock, for a thread that may go on: while the process is frozen, the freezing one alone. */
void engine_lock(void);
void engine_unlock(void);
/* Drains the link; the callbacks of the loop. Within an entry. */
void engine_on_link(void);
void engine_on_timer(void);
void engine_on_hostnet(void);

/* ---- engine_start.c ---- */
/* The record, the descriptors, the loop and the service thread of this process. 0 or -errno. */
int engine_process_open(void);
/* What engine_process_open() opened, but for the record in the arena. */
void engine_process_close(void);
/* The housekeeper's way in: it has no record among the family's processes, no loop and no thread,
 * and its timers are its own matter. closed_fd: last-close events, or -1; bell_fd: any AF_UNIX
 * datagram socket to ring others from. */
int engine_join_as_keeper(const struct engine_heirloom *h, int closed_fd, int bell_fd, char *why,
                          size_t why_bytes);

/* After a failed start, or when the stack is given up: the next start finds everything as before.
 */
void engine_start_undo(void);

void engine_door_close(void);

/* ---- engine_give_up.c ---- */
/* Ends a stack in which nothing is left that anybody could miss, as if it had never been started.
 * False: it is in use. Not within an entry. */
bool engine_give_up(void);

/* ---- engine_wait.c ---- */
#define LIMP_US 2000u
/* *word was set: wakes the thread that sleeps on it, if one does. Does not touch the word. True
 * when there may be one that sleeps on nothing else. */
bool engine_wake_word(uint32_t *word);
int engine_service_start(void);
/* The same; where the process may have no thread more (RLIMIT_NPROC), the housekeeper serves in its
 * place, if there is one. */
int engine_service_begin(void);
void engine_wait_forget(void); /* in a forked child: the other threads are gone */

/* ---- engine_seat.c ---- */
#define ENGINE_KICK LOOP_SOURCES /* behind the loop's sources, in an event's data */
/* This thread's seat: a free one among the first max, held until engine_seat_release(). NULL: none
 * is free, or no memory or descriptor for one. */
struct seat *engine_seat_take(uint32_t max);
/* Has a few seats ready to be taken, as far as possible. */
void engine_seats_make(void);
bool engine_seat_is_own(const struct seat *s);
void engine_seat_release(void);
/* Wakes the thread that sleeps in a seat for word; false: there is none. */
bool engine_seat_kick(const uint32_t *word);
void engine_seats_forget(void); /* in a forked child */
int engine_service_open(void);  /* engine.service_epfd; 0 or -errno */
/* The service thread waits for frames, or not, beside its other sources. */
void engine_service_listen(bool on);
/* Wakes the service thread for good, or ends that. Needs no descriptor. False: no way. */
bool engine_service_rouse(bool on);
/* The service thread becomes the last that the kernel asks, in all processes. 0 or -errno. */
int engine_service_last(void);

/* ---- engine_confine.c ---- */
/* Has somebody else see to the stack soon: its timers, other processes' bells. */
void engine_confined_nudge(void);
/* The deadline of the stack is this: is anybody awake for it? Within an entry. */
void engine_confined_arm(uint64_t deadline_us);
/* epoll_pwait() on the seat, of which no more is told than that there is something. */
long engine_confined_sleep(const struct seat *seat, struct timespec *timeout, const sigset_t *mask);
/* What the seat may have woken for: its kick, the bell, frames. */
void engine_confined_serve(const struct seat *seat);

/* ---- engine_reserve.c ---- */
/* The reserve, if any. */
bool engine_reserve_get(struct engine_heirloom *h);
/* The descriptors are the running stack's from now on. */
void engine_reserve_forget(void);
/* Before a stack is made of the reserve: 1 if it is still to be made, 0 if another process has
 * made it. -ENOENT: there is none, or none that is of any use here; or another -errno. After the
 * first two, engine_reserve_unlock() ends what this begins. */
int engine_reserve_lock(struct engine_heirloom *h);
void engine_reserve_unlock(const struct engine_heirloom *h);

/* ---- engine_closed.c: last-close events ---- */
int engine_closed_open(void); /* descriptor or -errno */
void engine_on_closed(void);

/* ---- engine_bell.c: doorbells between the processes of a family ---- */
int engine_bell_open(void); /* descriptor or -errno */
socklen_t engine_bell_name(uint32_t id,
                           struct sockaddr_un *un); /* of the process with this proc.id */
void engine_on_bell(void);
/* Has anybody rung? Takes note of it. */
bool engine_bell_heard(void);
#define BELLS_MAX 64u
struct bells {
    uint32_t n;
    uint32_t id[BELLS_MAX]; /* of processes */
};
/* Within an entry: the other processes whose waiters fired; true if there are any. To be rung when
 * the lock was given back, which those who are woken want first of all. */
bool engine_bells_collect(struct bells *bells);
void engine_bells_ring(const struct bells *bells);

#endif
