/* The stacks that run on this machine, seen from outside: for the netstat view. */
#ifndef SHIM_IO_FAMILY_H
#define SHIM_IO_FAMILY_H

#include <sys/types.h>

#include "stack.h"

/*
 * Visits every running stack whose processes the caller may look into (its own, or all for root).
 * For each, fn is called within an entry. A stack is passed over that is held longer than a second,
 * that nobody has repaired yet, or that is of another version of the library. The number visited,
 * or -errno when /proc cannot be read.
 */
int family_each(void (*fn)(void *arg, struct stack *st), void *arg);
/* Has any process but this one the arena with this inode open? */
bool family_has_process(ino_t arena);

#endif
