/* Blocking, for the calls that block on one socket. */
#ifndef SHIM_WAIT_H
#define SHIM_WAIT_H

#include "stack.h"

/*
 * Waits until so is ready for anything in mask (POLL*; errors always count), for at most until
 * deadline_us (TIMER_NEVER: no limit). Called within an entry that has just found so not ready, and
 * returns within a new one. restartable: the call has no timeout, so a handler with SA_RESTART does
 * not end it. A cancellation point. 0: look again; -EAGAIN at the deadline; -EINTR; -EBADF when the
 * socket was closed meanwhile (so is not to be used); -ENOMEM.
 */
int shim_block(struct sock *so, uint32_t mask, uint64_t deadline_us, bool restartable);

/* The same for the socket behind fd, outside of an entry; returns at once when it is ready already.
 */
int shim_wait(int fd, uint32_t mask, uint64_t deadline_us, bool restartable);

/* When a call that starts to block now with this timeout (SO_RCVTIMEO; 0: none; negative: at once)
 * gives up. */
uint64_t shim_deadline(int64_t timeout_us);

#endif
