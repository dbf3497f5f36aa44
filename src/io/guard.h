/*
 * Port guards (host mode): the kernel keeps a port for us and drops what arrives there, because a
 * kernel socket is bound to it with a filter that drops everything and, for TCP, is in LISTEN.
 */
#ifndef SHIM_IO_GUARD_H
#define SHIM_IO_GUARD_H

#include <netinet/in.h>

#include "stack.h"

/* Binds fd (a kernel socket of type SOCK_STREAM or SOCK_DGRAM, AF_INET or AF_INET6, not bound) to
 * *addr and guards the port; port 0: the kernel chooses, and *addr holds the choice. dual: of an
 * AF_INET6 socket *addr, which is INADDR_ANY, stands for ::, all addresses of both families. 0 or
 * bind()'s -errno (EADDRINUSE, EACCES, EADDRNOTAVAIL ...). */
int guard_bind(int fd, int type, struct sockaddr_in *addr, bool dual);
/* A fresh guard socket for a port whose holder is gone. The descriptor, or -errno. */
int guard_open(int type, const struct sockaddr_in *addr);

/*
 * Guards that outlive their sockets. All within an entry.
 *
 * The placeholder fd, which guards port, is about to be closed: if TCP still uses the port, a copy
 * stays behind, hidden. 0 or -errno (no descriptor left; the kernel may then answer for what is
 * left of the connections).
 */
int guard_keep(struct stack *st, int fd, uint16_t port);
/* Lets go of what was kept for port, so that it can be bound again (SO_REUSEADDR); false: there was
 * nothing. */
bool guard_yield(uint16_t port);
/* Lets go of guards whose ports TCP uses no more; a few at a time. */
void guard_sweep(const struct stack *st);
/* In a child of fork(): the parent keeps them. */
void guard_forget(void);

#endif
