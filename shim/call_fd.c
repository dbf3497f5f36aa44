/*
 * The calls on descriptors as such: close and its kin, dup, fcntl, ioctl.
 *
 * The kernel does the work, on the placeholder. What we add is that our table follows, and that the
 * engine's own descriptors are not open for the program: it can neither close nor copy them. Nor
 * can it put another one in their place: dup2() to such a number is EBADF, as it is for any number
 * above RLIMIT_NOFILE, where they are kept if the limits allow it.
 */
#include <linux/close_range.h>
#include <stdarg.h>

#include "fd_range.h"
#include "shim.h"
#include "sigio.h"
#include "streams.h"

/* ---- close ---- */

SHIM_EXPORT int close(int fd)
{
    shim_need();
    return (int)shim_ret(fd_close(fd));
}

SHIM_EXPORT int __close(int fd)
{
    return close(fd);
}

static int next_private(int from)
{
    int fd = fd_next(from);
    while (fd >= 0 && fd_kind(fd) != FD_PRIVATE)
        fd = fd < INT_MAX ? fd_next(fd + 1) : -1;
    return fd;
}

/* What closing [first, last] means for our table. */
static void release_range(unsigned first, unsigned last)
{
    int fd = fd_next((int)first);
    while (fd >= 0 && (unsigned)fd <= last) {
        if (fd_is_unknown_heritage(fd) || fd_kind(fd) != FD_PRIVATE)
            fd_release(fd);
        fd = fd < INT_MAX ? fd_next(fd + 1) : -1;
    }
}

static int call_close_range(unsigned first, unsigned last, int flags)
{
    struct fd_range r = {.first = first, .last = last};
    unsigned from, to;

    if (first <= INT_MAX && !(flags & CLOSE_RANGE_CLOEXEC) && !shim_is_vfork_child())
        release_range(first, last);
    while (fd_range_next(&r, next_private, &from, &to))
        if (real.close_range(from, to, flags) < 0)
            return -errno;
    return 0;
}

SHIM_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    const unsigned known = CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC;

    shim_need();
    if (shim_inside() || first > last || ((unsigned)flags & ~known))
        return real.close_range(first, last, flags);
    shim_in();
    int r = call_close_range(first, last, flags);
    shim_out();
    return (int)shim_ret(r);
}

SHIM_EXPORT void closefrom(int low)
{
    unsigned first = low > 0 ? (unsigned)low : 0;

    shim_need();
    if (shim_inside()) {
        real.closefrom(low);
        return;
    }
    if (close_range(first, UINT_MAX, 0) == 0)
        return;
    /* A kernel without close_range() */
    int saved = errno;
    for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
        close((int)fd);
    errno = saved;
}

/* ---- dup ---- */

static bool is_private(int fd)
{
    return fd_kind(fd) == FD_PRIVATE && !shim_inside();
}

/* newfd has become a copy of oldfd in the kernel: newfd, or -1. */
static int copied(int oldfd, int newfd)
{
    if (newfd < 0 || shim_inside())
        return newfd;
    shim_in();
    int r = shim_is_vfork_child() ? 0 : fd_copy(oldfd, newfd);
    if (r < 0)
        real.close(newfd);
    shim_out();
    if (r < 0)
        return (int)shim_ret(r);
    if (newfd <= STDERR_FILENO && !shim_is_vfork_child())
        streams_follow(newfd);
    return newfd;
}

SHIM_EXPORT int dup(int fd)
{
    shim_need();
    if (is_private(fd))
        return (int)shim_ret(-EBADF);
    return copied(fd, real.dup(fd));
}

/* What newfd was is closed by the kernel: the table's part of that, if it is going to happen. */
static int replace(int oldfd, int newfd)
{
    if (is_private(oldfd) || is_private(newfd))
        return -EBADF;
    if (shim_inside())
        return 0;
    enum fd_kind kind = fd_kind(newfd);
    if (kind != FD_STACK && kind != FD_EPOLL)
        return 0;
    if (real.fcntl(oldfd, F_GETFD) < 0)
        return -errno;
    shim_in();
    if (!shim_is_vfork_child())
        fd_release(newfd);
    shim_out();
    return 0;
}

SHIM_EXPORT int dup2(int oldfd, int newfd)
{
    shim_need();
    if (oldfd == newfd && !is_private(oldfd))
        return real.dup2(oldfd, newfd);
    int r = replace(oldfd, newfd);
    return r < 0 ? (int)shim_ret(r) : copied(oldfd, real.dup2(oldfd, newfd));
}

SHIM_EXPORT int __dup2(int oldfd, int newfd)
{
    return dup2(oldfd, newfd);
}

SHIM_EXPORT int dup3(int oldfd, int newfd, int flags)
{
    shim_need();
    if (oldfd == newfd || (flags & ~O_CLOEXEC))
        return real.dup3(oldfd, newfd, flags);
    int r = replace(oldfd, newfd);
    return r < 0 ? (int)shim_ret(r) : copied(oldfd, real.dup3(oldfd, newfd, flags));
}

/* ---- fcntl ---- */

/* The socket behind fd blocks or not; sends signals or not. */
static void flags_changed(int fd, int flags)
{
    bool async = flags & O_ASYNC;
    shim_in();
    struct sock *so = shim_enter(fd);
    if (so) {
        so->nonblock = (flags & O_NONBLOCK) != 0;
        async = async || sigio_is_watched(so);
        engine_leave();
    }
    shim_out();
    if (async)
        sigio_changed(fd);
}

static int fcntl_any(int fd, int cmd, void *arg)
{
    shim_need();
    if (is_private(fd))
        return (int)shim_ret(-EBADF);
    int r = real.fcntl(fd, cmd, arg);
    if (r < 0 || shim_inside())
        return r;
    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return copied(fd, r);
    case F_SETFL:
        if (fd_kind(fd) == FD_STACK)
            flags_changed(fd, (int)(uintptr_t)arg);
        return r;
    case F_SETOWN:
    case F_SETOWN_EX:
        if (fd_kind(fd) == FD_STACK)
            sigio_changed(fd);
        return r;
    default:
        return r;
    }
}

/* Whatever the command takes (nothing, an int, a pointer) comes as a word. */
SHIM_EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    return fcntl_any(fd, cmd, arg);
}

SHIM_EXPORT int fcntl64(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    return fcntl_any(fd, cmd, arg);
}

SHIM_EXPORT int __fcntl(int fd, int cmd, ...)
{
    va_list ap;
    va_start(ap, cmd);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    return fcntl_any(fd, cmd, arg);
}

/* ---- ioctl ---- */

/* What is not a matter of sockets (interfaces, routes, FIOCLEX) is asked of the kernel, on the
 * placeholder. */
static int call_ioctl(int fd, unsigned long request, void *arg)
{
    uint64_t scratch[4];
    if (request == FIONBIO && real.ioctl(fd, request, arg) < 0)
        return -errno; /* F_GETFL tells it, too */
    shim_in();
    struct sock *so = shim_enter(fd);
    int r = so ? sock_ioctl(so, request, arg ? arg : scratch) : shim_not_ours(fd);
    if (so)
        engine_leave();
    shim_out();
    if (r == -ENOTTY)
        return SHIM_KERNEL;
    return r == 0 && !arg ? -EFAULT : r;
}

/* Those that say who gets signals, and whether, are the placeholder's. */
static int ioctl_signals(int fd, unsigned long request, void *arg)
{
    int r = real.ioctl(fd, request, arg);
    if (r == 0 && !shim_inside())
        sigio_changed(fd);
    return r;
}

SHIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    if ((request == FIOASYNC || request == FIOSETOWN || request == SIOCSPGRP) &&
        fd_kind(fd) == FD_STACK)
        return ioctl_signals(fd, request, arg);
    if (shim_ours(fd)) {
        int r = call_ioctl(fd, request, arg);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.ioctl(fd, request, arg);
}
