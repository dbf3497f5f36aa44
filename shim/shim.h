/* The shim as a whole: initialisation, the real calls, the frame of each interposed call, errno at
 * the edge. */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <errno.h>
#include <sys/types.h>

#include "fd.h"
#include "io/engine.h"
#include "real.h"
#include "thread.h"
#include "wait.h"

#define SHIM_EXPORT __attribute__((visibility("default")))

/* What the body of an interposed call returns when the real call is to be made after all. No errno.
 */
#define SHIM_KERNEL (-4096)

/* Looks up the real calls (constructor, or the first interposed call before it). Idempotent,
 * async-signal-safe after the first. */
void shim_init(void);
/* Before a real call whose wrapper did not ask fd_kind(). */
static inline void shim_need(void)
{
    if (__builtin_expect(!shim_ready, 0))
        shim_init();
}
/* Starts the stack if it is not running yet. 0, or -errno after one line on stderr (once). The
 * caller is inside. With SHIM_FALLBACK=kernel: -ENOSYS means: use the kernel's socket. */
int shim_start(void);
int shim_start_quietly(void); /* the same without the line */
/* Joins the stack that the socket fd is of (engine_join_by()): 0 or -errno, after one line on
 * stderr (once) unless it is -ENOENT. The caller is inside. */
int shim_join_by(int fd);
/* Does this process run in the memory of another one (a child of vfork, before it execs)? A system
 * call. */
bool shim_is_vfork_child(void);
extern pid_t shim_pid; /* the process whose memory this is */

/* -errno to -1 and errno; anything else is passed through. errno is untouched on success. */
static inline ssize_t shim_ret(ssize_t r)
{
    if (r >= 0)
        return r;
    errno = (int)-r;
    return -1;
}

/*
 * The frame of an interposed call on a descriptor:
 *
 *     if (shim_ours(fd)) {
 *         int r = call_listen(fd, backlog); // shim_in(), shim_enter(), ..., shim_out()
 *         if (r != SHIM_KERNEL)
 *             return (int)shim_ret(r);
 *     }
 *     return real.listen(fd, backlog);
 */

/* Quick: is fd a socket of ours (or one that the body then refuses)? */
static inline bool shim_ours(int fd)
{
    return fd_kind(fd) >= FD_STACK && !shim_inside();
}
/* Opens an entry for the socket behind fd. NULL, without an entry: the body returns
 * shim_not_ours(fd). The caller is inside. */
struct sock *shim_enter(int fd);
/* -EBADF for one of the engine's own, -EOPNOTSUPP for one of another stack; SHIM_KERNEL for all
 * others. */
int shim_not_ours(int fd);

/* Turns a socket of ours into the plain kernel socket behind it (loopback destination): options
 * were set on both all along. Within no entry; the caller is inside. 0, or -errno of the kernel
 * when a bound one could not be made free of its guard. */
int shim_give_to_kernel(int fd);

#endif
