/*
 * The housekeeper: a process beside a family's own, which finishes what they leave unfinished when
 * they are gone. It is libshim.so itself, executed (keeper_run.c has the theory of operation). This
 * is how the family's processes speak to it.
 */
#ifndef SHIM_IO_KEEPER_H
#define SHIM_IO_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

enum keeper_state { KEEPER_NONE, KEEPER_STARTING, KEEPER_RUNNING, KEEPER_FAILED };

/* In the arena, part of struct engine_shared. */
struct keeper_shared {
    uint64_t secret[2]; /* who knows it belongs to the family */
    uint32_t starts;    /* in a row that came to nothing */
    uint32_t state;     /* enum keeper_state; changed within an entry, read anywhere */
    uint32_t number;    /* of housekeepers that the family has had */
    uint64_t armed_us;  /* what it will wake for by itself, while there are confined processes */
};

/* What a message is about, and what travels with it. */
enum keeper_word {
    KEEPER_HELLO,    /* a process runs the stack from now on: its proc.id; its lifeline */
    KEEPER_GUARD,    /* hold this guard: its port; the guard */
    KEEPER_CONFINED, /* this process, its proc.id, does not run the stack any more, but uses it */
    KEEPER_FILL,     /* make guards of this address (IPv4, host order) in advance */
    KEEPER_LOOK, /* the guards of this port (0: any) may be of no use any more; an eventfd to write
                    to when done, or nothing */
};

/* Is there one? Cheap. */
static inline bool keeper_is_running(const struct keeper_shared *k)
{
    return __atomic_load_n(&k->state, __ATOMIC_ACQUIRE) == KEEPER_RUNNING;
}
/* Is there one, or can there be none? Then keeper_start() has nothing to do. Cheap. */
bool keeper_is_settled(void);
/* Is there one that this process has spoken to, and does it live? Costs a system call. */
bool keeper_is_there(void);
/* Starts one if there is none. Not within an entry. 0; -ECHILD when it cannot be started (tried
 * once a family: the reason was logged). */
int keeper_start(void);
/* Tells it something; fd (-1: none) stays the caller's. Within an entry or not. 0; -ECONNREFUSED:
 * it is gone (and will be started again by the next keeper_start()), or another -errno. */
int keeper_tell(enum keeper_word word, uint32_t value, int fd);
/* Tells it that this process runs the stack, if there is one; it knows, from then on, when the
 * process ends or executes another image. Within an entry or not. */
void keeper_hello(void);
/* The same, if the housekeeper is another than the one that was told last. */
void keeper_hello_again(void);

/* The housekeeper's process: fds is the value of KEEPER_VARIABLE. Returns when there is nothing
 * left to do: an exit status. */
#define KEEPER_VARIABLE "SHIM_INTERNAL_KEEPER"
int keeper_main(const char *fds);

#endif
