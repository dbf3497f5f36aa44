/*
 * The whole stack, as its caller sees it. A stack lies in an arena; it knows frames, sockets and
 * time, and calls nothing of the system. One entry at a time: the caller holds its own lock between
 * stack_enter() and stack_leave().
 */
#ifndef SHIM_STACK_H
#define SHIM_STACK_H

#include "sock/sock.h"

/* Makes a stack in a fresh arena, and makes it the arena's root. seed: from which all its
 * randomness comes. NULL: no memory. */
struct stack *stack_create(struct arena *a, uint64_t seed);
/* Frees st with everything that belongs to it; sockets that are left are closed without a word.
 * Outside of entries. */
void stack_destroy(struct stack *st);
/* How this version of the library lays a stack out in memory, as far as its sizes tell. */
uint64_t stack_layout(void);
/* The stack of an arena that somebody else made; NULL: there is none, or it was made by a version
 * of the library that has it otherwise in memory. */
struct stack *stack_of(struct arena *a);

/* Opens an entry at now_us (monotonic, never less than at the last entry); env stays the caller's
 * and must live until stack_leave(). env->up is filled in by stack_enter. */
void stack_enter(struct stack *st, uint64_t now_us, struct net_env *env);
/* Ends the entry: sends what the batch made due (ACKs). */
void stack_leave(struct stack *st);

/* Within an entry: */
void stack_input(struct stack *st, struct netif *nif, const struct frame_in *in);
void stack_poll(struct stack *st); /* runs every timer that is due */
uint64_t stack_next_deadline(
    const struct stack *st); /* microseconds, or TIMER_NEVER; also outside of entries */
/* Lists the control blocks for the netstat view: calls fn for each, TIME_WAIT and not yet accepted
 * ones (without a socket) included. */
struct stack_row {
    uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP */
    struct endpoint local, remote;
    const char *state; /* "ESTABLISHED", ...; "" for UDP */
    uint64_t recv_q, send_q;
    int32_t pid; /* 0: no socket any more */
    uint64_t cookie;
};
void stack_list(struct stack *st, void (*fn)(void *arg, const struct stack_row *row), void *arg);

/* Registers a process; NULL: no memory. */
struct proc *stack_proc_add(struct stack *st, int32_t pid);
/* The process is gone: its waiters are freed. Its sockets stay (others may hold them). */
void stack_proc_remove(struct stack *st, struct proc *p);
/* Every process with waiters that fired is to be told: one that was to tell it may have died over
 * it. */
void stack_ring_all(struct stack *st);

/* After a process died inside an entry: closes the entry, resets what was being changed, rebuilds
 * lists and free lists from the slabs. */
void stack_repair(struct stack *st);

#endif
