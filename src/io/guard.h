/*
 * Port guards (host mode): the kernel keeps a port for us and drops what arrives there, because a kernel socket is
 * bound to it with a filter that drops everything and, for TCP, is in LISTEN.
 */
#ifndef SHIM_IO_GUARD_H
#define SHIM_IO_GUARD_H

#include <netinet/in.h>

/* Binds fd (a kernel socket of type SOCK_STREAM or SOCK_DGRAM, not bound) to *addr and guards the port; port 0: the kernel chooses,
 * and *addr holds the choice. 0 or bind()'s -errno (EADDRINUSE, EACCES, EADDRNOTAVAIL ...). */
int guard_bind(int fd, int type, struct sockaddr_in *addr);
/* A fresh guard socket for a port whose holder is gone. The descriptor, or -errno. */
int guard_open(int type, const struct sockaddr_in *addr);

#endif
