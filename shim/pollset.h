/*
 * Waiting on any mix of descriptors: what poll() and select() have in common. The caller is inside,
 * in no entry.
 */
#ifndef SHIM_POLLSET_H
#define SHIM_POLLSET_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Has fds a descriptor that the kernel's poll() cannot answer for? Quick, without a lock; also
 * prepares epoll descriptors among them for being looked at. The caller need not be inside. */
bool pollset_ours(const struct pollfd *fds, nfds_t n);

/*
 * As ppoll(), until deadline_us (0: looks once; TIMER_NEVER). kernel: room for n entries,
 * overwritten. exact: a descriptor counts as ready for its events alone, not also for POLLERR and
 * POLLHUP (select). The count of ready ones, with revents filled in all of fds; -errno: revents are
 * undefined.
 */
int pollset_wait(struct pollfd *fds, struct pollfd *kernel, nfds_t n, uint64_t deadline_us,
                 const sigset_t *mask, bool exact);

/* Memory for count pollfds: small when count fits, else mapped. pollset_free() afterwards. NULL: no
 * memory. */
struct pollfd *pollset_alloc(struct pollfd *small, nfds_t small_count, nfds_t count);
void pollset_free(struct pollfd *p, const struct pollfd *small, nfds_t count);

/* The thread ends: frees the waiters that an abandoned wait (longjmp, cancellation) left. */
void pollset_thread_end(void);
/* After fork(), in the child: they are its parent's. */
void pollset_forget(void);

#endif
