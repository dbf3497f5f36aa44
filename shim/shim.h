/* The shim as a whole: initialisation, the real calls, errno at the edge. */
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

/* Looks up the real calls (constructor, or the first interposed call before it). Idempotent, async-signal-safe after the first. */
void shim_init(void);
/* Starts the stack if it is not running yet. 0, or -errno after one line on stderr (once). The caller is inside. With SHIM_FALLBACK=kernel:
 * -ENOSYS means: use the kernel's socket. */
int shim_start(void);

/* -errno to -1 and errno; anything else is passed through. errno is untouched on success. */
static inline ssize_t shim_ret(ssize_t r)
{
    if (r >= 0)
        return r;
    errno = (int)-r;
    return -1;
}

/* Turns a socket of ours into the plain kernel socket behind it (loopback destination): options were set on both all along.
 * Within no entry; the caller is inside. */
void shim_give_to_kernel(int fd);

#endif
