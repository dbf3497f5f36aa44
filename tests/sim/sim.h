/*
 * The simulation: hosts, each with an arena and a stack of its own, on one wire in memory. Programs
 * on the hosts ("peers") are woken by waiters, as threads and epoll are, so that a wake-up that is
 * not given shows as a standstill.
 *
 * Everything follows from one seed: SIM_SEED=n replays scenario n, SIM_TRACE=1 shows its frames.
 */
#ifndef SHIM_TESTS_SIM_H
#define SHIM_TESTS_SIM_H

#include "io/link_wire.h"

#define SIM_HOSTS 2

struct sim;

/* What the scenario wants of the network and the hosts. */
struct sim_net {
    struct link_wire_impair impair[SIM_HOSTS]; /* of what each host sends */
    uint32_t mtu;
    uint32_t gso_max_bytes;
    bool csum_offload;
    uint8_t ecn[SIM_HOSTS];        /* enum tcp_ecn_mode */
    size_t arena_limit[SIM_HOSTS]; /* 0: none */
    bool lossy;                    /* so bad that connections may end in an error */
};

struct sim_host {
    void *mem;
    struct arena *arena;
    struct stack *st;
    struct link_wire_port *port;
    struct proc *proc;
    uint32_t addr; /* host order */
};

/* Something that runs on a host: embedded in what it belongs to. */
struct sim_task {
    struct list node; /* in sim.tasks */
    struct sim *sim;
    struct sim_host *host;
    struct waiter *waiter; /* its item is the task; NULL: it waits for no socket */
    uint64_t wake_us;      /* run at this time too; TIMER_NEVER: not */
    void (*run)(struct sim_task *t, uint32_t fired); /* within an entry of its host */
};

#define SIM_EDGES 1024

/* What a connection had offered and sent when it was looked at last. */
struct sim_edge {
    const void *pcb; /* NULL: nothing is known */
    uint32_t iss, irs, rcv_adv, snd_nxt;
};

struct sim {
    uint64_t seed;
    struct sim_net net;
    struct link_wire wire;
    struct sim_host host[SIM_HOSTS];
    struct rng rng; /* of the programs; the wire and the stacks have their own */
    struct list tasks;
    uint64_t next_cookie;
    uint64_t event_us; /* when the last event was, and how many there were by then */
    uint32_t events;
    uint64_t progress_us; /* the last time that somebody got somewhere */
    bool trace;
    struct sim_edge edge[SIM_HOSTS][SIM_EDGES]; /* by the pcb's address */
    size_t leak_max; /* bytes that may be lost without complaint, in each arena */
};

/* The first host's arena is shared with the children of this process. */
extern bool sim_arena_shared;

#define SIM_ARENA_BYTES (256u << 20)

void sim_init(struct sim *s, uint64_t seed, const struct sim_net *net);
/* Checks that nothing is left: sockets, pcbs, memory. Then frees everything. */
void sim_fini(struct sim *s);
/* Runs until nothing happens any more or until_us. */
void sim_run(struct sim *s, uint64_t until_us);
/* What holds after every event (sim_check.c). */
void sim_check(struct sim *s);
/* Will nothing happen any more by itself? */
bool sim_is_idle(const struct sim *s);
/* Waits for sockets and TIME_WAIT to be over. */
void sim_settle(struct sim *s);
/* One line about the scenario's network. */
void sim_describe(const struct sim *s, char *out, size_t len);

/* Ends the program with a message and how to replay. */
void sim_fail(const struct sim *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

uint32_t sim_below(struct sim *s, uint32_t n);
bool sim_chance(struct sim *s, uint32_t percent);
/* Somebody got somewhere: the watch for standstills starts again. */
void sim_progress(struct sim *s);

/* A new socket on h, within an entry; NULL: no memory. */
struct sock *sim_socket(struct sim *s, struct sim_host *h, int type);
struct sockaddr_in sim_addr(uint32_t addr, uint16_t port);
void sim_task_init(struct sim_task *t, struct sim *s, struct sim_host *h,
                   void (*run)(struct sim_task *t, uint32_t fired));
/* Lets t wait for so; false: no memory. */
bool sim_task_watch(struct sim_task *t, struct sock *so, uint32_t mask);
/* Within an entry: no longer waits for its socket. */
void sim_task_unwatch(struct sim_task *t);
void sim_task_end(struct sim_task *t);

/* The bytes of every stream: a table that repeats after a prime number of bytes. */
#define SIM_PATTERN_BYTES 65521u
extern uint8_t sim_pattern[SIM_PATTERN_BYTES * 2];
void sim_pattern_init(void);
/* len bytes of the stream from offset on; len <= SIM_PATTERN_BYTES. */
static inline const uint8_t *sim_bytes(uint64_t offset)
{
    return sim_pattern + offset % SIM_PATTERN_BYTES;
}

/* ---- scenarios ---- */

void sim_run_streams(struct sim *s); /* sim_stream.c: connections with plans */
void sim_run_udp(struct sim *s);     /* sim_udp.c */
void sim_run_calls(struct sim *s);   /* sim_calls.c: random calls */

#endif
