/* What the two sides of the housekeeper share. */
#ifndef SHIM_IO_KEEPER_INT_H
#define SHIM_IO_KEEPER_INT_H

#include <sys/socket.h>
#include <sys/un.h>

#include "io/engine_int.h"
#include "io/keeper.h"

/* A datagram to the housekeeper; a descriptor may travel with it. */
struct keeper_message {
    uint64_t secret[2];
    uint32_t word; /* enum keeper_word */
    uint32_t value;
};

/* What it is started with, at these numbers. */
enum keeper_fd {
    KEEPER_FD_ARENA = 3,
    KEEPER_FD_RX,
    KEEPER_FD_TX,
    KEEPER_FD_CLOSED,
    KEEPER_FD_MAIL,
    KEEPER_FD_DOOR,
    KEEPER_FD_END
};

#define KEEPER_NAME "shim-keeper"

#if defined(__x86_64__)
#define KEEPER_INTERP "/lib64/ld-linux-x86-64.so.2"
#elif defined(__aarch64__)
#define KEEPER_INTERP "/lib/ld-linux-aarch64.so.1"
#endif

/* The abstract name of the family's housekeeper. */
socklen_t keeper_name(struct sockaddr_un *un);

/* ---- keeper_guards.c: the guards that it holds ---- */

/* How many there are. */
size_t keeper_guards_held(void);
/* No process is left that could use the ports of the pool; or there is one. */
void keeper_guards_alone(bool yes);
/* Holds fd, which is the table's from now on, as a guard of port. False: out of memory. */
bool keeper_guards_add(uint16_t port, int fd);
/* Looks at the guards of one port: are they still needed? Within an entry. */
void keeper_guards_look(struct stack *st, uint16_t port, uint64_t now_us);
/* Something has ended: all are to be looked at, soon, or at once. */
void keeper_guards_hurry(uint64_t now_us, bool at_once);
/* Looks at those whose time has come, a few at a time. Within an entry; true: there are more. */
bool keeper_guards_sweep(struct stack *st, uint64_t now_us);
/* When to sweep next; TIMER_NEVER: there are none. */
uint64_t keeper_guards_deadline(void);

#endif
