/* Blocking, for the calls that block on one socket. */
#ifndef SHIM_WAIT_H
#define SHIM_WAIT_H

#include "stack.h"

/*
 * Waits until the socket behind fd is ready for anything in mask (POLL*; errors always count), for at most until deadline_us
 * (TIMER_NEVER: no limit). The caller is inside, but not in an entry. restartable: the call has no
 * timeout, so a handler with SA_RESTART does not end it.
 * 0; -EAGAIN at the deadline; -EINTR; -EBADF when the socket was closed meanwhile.
 */
int shim_wait(int fd, uint32_t mask, uint64_t deadline_us, bool restartable);

#endif
