/*
 * The door of an address: programs with the same SHIM_ADDRESS on the same interface are one host,
 * so they share one stack. The first makes it; its housekeeper lets the others in.
 */
#ifndef SHIM_IO_DOOR_H
#define SHIM_IO_DOOR_H

#include <stddef.h>

#include "io/engine.h"

/* Becomes the one who keeps the door of addr on interface ifindex: a hidden descriptor, listening.
 * -EADDRINUSE: somebody else does; or another -errno. */
int door_open(uint32_t ifindex, const struct ip_addr *addr);
/* Asks to be let in: 0 and the stack's descriptors, not hidden yet, the caller's. -ECONNREFUSED:
 * nobody is there any more; -EACCES: another user's stack; -EPROTO: another version's; -ETIMEDOUT;
 * or another -errno. */
int door_knock(uint32_t ifindex, const struct ip_addr *addr, struct engine_heirloom *h);
/* Lets those in who wait at the door; how many. */
int door_answer(int door, const struct engine_heirloom *h);

#endif
