/* Signals of sockets: F_SETOWN, F_SETSIG, O_ASYNC. */
#ifndef SHIM_SIGIO_H
#define SHIM_SIGIO_H

#include <stdbool.h>
#include <stdint.h>

struct sock;

/* Does this process want signals of so? Within an entry. */
bool sigio_is_watched(struct sock *so);
/* The owner or O_ASYNC of fd, a socket of ours, was changed at the placeholder. Not inside. */
void sigio_changed(int fd);
/* For the engine: so with this cookie (0: it is closed), known here as item, has become ready. */
void sigio_notify(void *item, uint64_t cookie, uint32_t fired);

#endif
