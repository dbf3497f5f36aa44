/*
 * Port guards (host mode): the kernel keeps a port for us and drops what arrives there, because a
 * kernel socket is bound to it with a filter that drops everything and, for TCP, is in LISTEN.
 */
#ifndef SHIM_IO_GUARD_H
#define SHIM_IO_GUARD_H

#include <netinet/in.h>
#include <sys/un.h>

#include "stack.h"

/*
 * Has *addr bound and guarded in the kernel, for the placeholder fd of type SOCK_STREAM or
 * SOCK_DGRAM; port 0: the kernel chooses, and *addr holds the choice. Not within an entry. 0 or
 * bind()'s -errno (EADDRINUSE, EACCES, EADDRNOTAVAIL ...). A TCP port that the family guards
 * already is granted without asking: the stack knows the rules between its own. After 0, and the
 * stack's own bind, the caller says guard_settled(). fd is of AF_INET or AF_INET6; dual: *addr,
 * which is INADDR_ANY, stands for ::, all addresses of both families.
 */
int guard_bind(int fd, int type, struct sockaddr_in *addr, bool dual);
/* The stack has bound a TCP socket to port, or will not. Within an entry. */
void guard_settled(struct stack *st, uint16_t port);
/*
 * A TCP socket on port was closed. Within an entry. When the port may be free now, returns a
 * descriptor to give to guard_wait() outside of the entry, so that others can have the port by the
 * time that close() returns; -1: nothing to wait for. wait false: does not care.
 */
int guard_closed(struct stack *st, uint16_t port, bool wait);
void guard_wait(int fd);
/* Binds fd to addr as a plain kernel socket, after guard_bind() on it, and after the stack has let
 * go of it. Not within an entry. 0 or -errno. */
int guard_give_back(int fd, int type, const struct sockaddr *addr, socklen_t len);
/* Is this kernel socket one that drops everything by its filter, as guards do? */
bool guard_drops_all(int fd);
/* A fresh guard socket. The descriptor, or -errno. */
int guard_open(int type, const struct sockaddr_in *addr, bool dual);

/* While a port that a program chose waits for its last connections, this abstract AF_UNIX name
 * exists: who wants the port for another stack may wait for it. */
socklen_t guard_marker_name(uint16_t port, struct sockaddr_un *un);

/*
 * Claims: which TCP ports the housekeeper guards for the family; in the arena, part of struct
 * engine_shared. A claim and its guard are made by guard_bind(), and taken away by the housekeeper
 * alone. All within an entry.
 */
struct guard_claim {
    uint32_t addr;    /* IPv4, host order; 0: any address */
    uint16_t guards;  /* how many: one for each address, or for each socket with SO_REUSEPORT */
    uint16_t pending; /* binds that the kernel has granted and the stack has not seen yet */
    bool claimed;
    bool dual;   /* IPv6 too */
    bool chosen; /* by the program: given up as early as can be */
    bool rested; /* of no use since the housekeeper looked last */
};
#define GUARD_PAGE_PORTS 256u
#define GUARD_READY_MAX  256u
struct guard_shared {
    struct guard_claim *pages[65536 / GUARD_PAGE_PORTS];
    uint32_t held; /* guards that the housekeeper has */
    uint32_t ends; /* tcp.port_ends when it looked last */
    bool told;     /* it knows that there have been more */
    /* guard_pool.c */
    uint16_t ready[GUARD_READY_MAX]; /* the last come first */
    uint32_t nready;
    uint16_t cursor;    /* where it looked last for one that was used before */
    uint32_t skips;     /* for how many connections not to look there, if others are ready */
    uint32_t many;      /* guards from which on these are used again; 0: not known yet */
    uint32_t batch;     /* how many the housekeeper made last */
    uint64_t wanted_us; /* the last take */
    uint64_t retry_us;  /* it is of no use to ask for more before */
    bool asked;         /* the housekeeper is about to make some */
};

struct guard_claim *guard_find_claim(struct stack *st, uint16_t port); /* NULL: none */
/* Can the guard of this port go? */
bool guard_is_idle(struct stack *st, const struct guard_claim *claim, uint16_t port);

/* At the end of an entry: is something of the stack over, so that guards may be of no use? Then the
 * housekeeper is told, if it does not know. */
void guard_tell_ends(struct stack *st);

/*
 * The pool: guarded ports for connect(), of which nobody asks for one in particular (guard_pool.c).
 * Takes a port of addr (IPv4, host order) for a connection to remote, to be bound in the same entry
 * by tcp_bind_to(); 0: there is none at hand.
 */
uint16_t guard_pool_take(struct stack *st, uint32_t addr, const struct endpoint *remote);
/* The same when there are no more ports: looks at all that are guarded for one whose connections go
 * to other places. */
uint16_t guard_pool_share(struct stack *st, uint32_t addr, const struct endpoint *remote);
/* The housekeeper's side: guards more ports of addr, and hands each guard to hold(), which owns it
 * then; room: how many it can hold altogether. Not within an entry. How many. */
unsigned guard_pool_fill(uint32_t addr, size_t room, bool (*hold)(uint16_t port, int fd));

/* Does the family guard this port of this address? */
bool guard_holds(struct stack *st, const struct endpoint *local);

/* After the death of a housekeeper: opens the guards of all claims again, and hands each to hold(),
 * which owns it then and says false when it has had enough. One that is held by somebody is left
 * out. tidy: there is no housekeeper yet, and claims that are of no use end. */
void guard_restore(struct stack *st, bool tidy, bool (*hold)(uint16_t port, int fd));

#endif
