/*
 * Doors: where a process that has no stack is let into one that runs. The housekeeper keeps it.
 *
 * Own-address mode: programs with the same SHIM_ADDRESS on the same interface are one host, so they
 * share one stack. The first makes it, the others knock at the door of the address.
 *
 * Host mode: relatives (shim/kin.h) share a stack in the same way.
 *
 * Any mode: a process that was handed a socket of a stack has to find that stack. It shows the
 * socket at the doors that there are.
 */
#ifndef SHIM_IO_DOOR_H
#define SHIM_IO_DOOR_H

#include <stddef.h>

#include "io/engine.h"
#include "io/unixsock.h"

struct door {
    struct sockaddr_un name;
    socklen_t len;
};

/* The door of an address on an interface; and that of a stack by itself. */
struct door door_of_address(uint32_t ifindex, const struct ip_addr *addr);
struct door door_of_stack(uint64_t id);
/* The door of relatives, if they have the same configuration. */
struct door door_of_kin(const struct engine_kin *kin, const struct config *c);

/* Becomes the one who keeps this door: a hidden descriptor, listening. -EADDRINUSE: somebody else
 * does; or another -errno. */
int door_open(const struct door *door);

/* ---- outside ---- */

/*
 * Asks to be let in, showing the socket shown (-1: none), or with the secret of relatives (0:
 * none). 0 and the stack's descriptors, not hidden yet, the caller's. -ECONNREFUSED: nobody is
 * there any more; -EAGAIN: too many wait; -EACCES: it is another user's; -ENOENT: the socket is not
 * of this stack; -EPROTO: another version's; -ETIMEDOUT; or another -errno.
 */
int door_knock(const struct door *door, int shown, uint64_t secret, struct engine_heirloom *h);
/* Looks for the stack that the socket shown is of, at all doors of the network namespace. 0 as
 * door_knock(); -ENOENT: there is none; or why one that may be it did not let us in. */
int door_find(int shown, struct engine_heirloom *h);

/* ---- inside ---- */

/* Who waits at the door: a descriptor, not hidden; -EACCES: another user, of whom knows() says no
 * (NULL: always), and who was sent away; -EAGAIN: nobody; or another -errno. */
int door_accept(int door, bool (*knows)(uid_t user));
/* Is the visitor the same user's? */
bool door_is_same_user(int visitor);
/* What the visitor says, when his descriptor is readable: 0, and the cookie of the socket that he
 * shows (0: none), and the secret that he knows (0: none); -EAGAIN: nothing yet; or another -errno:
 * he is gone. */
int door_hear(int visitor, uint64_t *cookie, uint64_t *secret);
/* Lets him in, or does not, because what he shows is nothing of this stack. */
void door_answer(int visitor, const struct engine_heirloom *h, bool welcome);

#endif
