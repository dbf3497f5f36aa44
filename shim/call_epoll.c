/*
 * epoll. An instance without sockets of ours is the kernel's alone; see epset.c for the others.
 */
#include "deadline.h"
#include "epset.h"
#include "io/loop.h"
#include "shim.h"

/* Notes a new instance, so that sockets of ours find their set under each of its descriptors. */
static int created(int epfd)
{
    if (epfd >= 0 && loop_creating) /* libev's own */
        return loop_new_fd(epfd);
    if (epfd < 0 || shim_inside())
        return epfd;
    shim_in();
    struct epset *set = epset_new();
    if (set && fd_set_epoll(epfd, set) < 0)
        epset_closed(set); /* it is made when it is needed */
    shim_out();
    return epfd;
}

SHIM_EXPORT int epoll_create(int size)
{
    shim_need();
    return created(real.epoll_create(size));
}

SHIM_EXPORT int epoll_create1(int flags)
{
    shim_need();
    return created(real.epoll_create1(flags));
}

/* ---- epoll_ctl ---- */

/* Is epfd an epoll instance? 0, or the errno that the kernel has for it. fd, which is never
 * registered there, is not harmed. */
static int ask_kernel(int epfd, int fd)
{
    return real.epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL) < 0 && errno != ENOENT ? -errno : 0;
}

/* The checks of the kernel, in its order, for a socket of ours. */
static int check_event(int op, const struct epoll_event *ev)
{
    if (op == EPOLL_CTL_DEL)
        return 0;
    if (!ev)
        return -EFAULT;
    if (!(ev->events & EPOLLEXCLUSIVE))
        return 0;
    uint32_t allowed =
        EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | (uint32_t)EPOLLEXCLUSIVE;
    if (op == EPOLL_CTL_MOD || (op == EPOLL_CTL_ADD && (ev->events & ~allowed)))
        return -EINVAL;
    return 0;
}

static int ctl_socket(int epfd, int op, int fd, const struct epoll_event *ev)
{
    if (op != EPOLL_CTL_DEL && !ev)
        return -EFAULT;
    struct epset *set = epset_get(epfd);
    if (!set) {
        int r = ask_kernel(epfd, fd);
        if (r < 0)
            return r;
        set = epset_make(epfd);
    }
    if (!set)
        return -ENOMEM;
    int r = check_event(op, ev);
    if (r == 0)
        r = epset_ctl(set, epfd, op, fd, ev);
    epset_put(set);
    return r;
}

/* fd is the kernel's: what follows from the kernel's having added it. */
static void kernel_added(int epfd, int fd)
{
    struct epset *set = epset_get(epfd);
    if (set) {
        epset_note_kernel(set);
        epset_put(set);
    }
    epset_watch(fd); /* an instance in an instance */
}

static int call_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
    if (fd_kind(epfd) == FD_PRIVATE || fd_kind(fd) == FD_PRIVATE)
        return -EBADF;
    if (fd_kind(fd) == FD_FOREIGN)
        return -EPERM; /* as for all that cannot be waited for */
    if (fd_kind(fd) == FD_STACK) {
        int r = ctl_socket(epfd, op, fd, ev);
        if (r != SHIM_KERNEL)
            return r;
    }
    if (real.epoll_ctl(epfd, op, fd, ev) < 0)
        return -errno;
    if (op == EPOLL_CTL_ADD)
        kernel_added(epfd, fd);
    return 0;
}

SHIM_EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
    shim_need();
    if (shim_inside())
        return real.epoll_ctl(epfd, op, fd, ev);
    /* Quick: no sockets of ours have anything to do with it. */
    enum fd_kind set_kind = fd_kind(epfd);
    if (fd_kind(fd) == FD_KERNEL &&
        (set_kind == FD_KERNEL || (set_kind == FD_EPOLL && op != EPOLL_CTL_ADD)))
        return real.epoll_ctl(epfd, op, fd, ev);
    shim_in();
    int r = call_ctl(epfd, op, fd, ev);
    shim_out();
    return (int)shim_ret(r);
}

/* ---- epoll_wait ---- */

/* The three calls that wait differ in how they give the timeout. */
struct wait_args {
    struct epoll_event *events;
    int max;
    enum { WAIT_PLAIN, WAIT_MASK, WAIT_TIMESPEC } kind;
    int timeout_ms;                 /* WAIT_PLAIN, WAIT_MASK */
    const struct timespec *timeout; /* WAIT_TIMESPEC */
    const sigset_t *mask;           /* not WAIT_PLAIN */
};

static int wait_kernel(int epfd, const struct wait_args *a)
{
    switch (a->kind) {
    case WAIT_PLAIN:
        return real.epoll_wait(epfd, a->events, a->max, a->timeout_ms);
    case WAIT_MASK:
        return real.epoll_pwait(epfd, a->events, a->max, a->timeout_ms, a->mask);
    case WAIT_TIMESPEC:
        return real.epoll_pwait2(epfd, a->events, a->max, a->timeout, a->mask);
    }
    return -1;
}

static uint64_t deadline_of(const struct wait_args *a)
{
    return a->kind == WAIT_TIMESPEC ? deadline_after(a->timeout) : deadline_after_ms(a->timeout_ms);
}

/* Are they what the kernel's would accept? What is not, is left to the kernel to refuse. */
static bool args_valid(const struct wait_args *a)
{
    if (a->max <= 0 || (size_t)a->max > INT_MAX / sizeof(*a->events) || !a->events)
        return false;
    const struct timespec *t = a->kind == WAIT_TIMESPEC ? a->timeout : NULL;
    return !t || deadline_valid(t);
}

/* The set holds sockets of ours. The result, -errno, or SHIM_KERNEL. */
static int wait_set(int epfd, const struct wait_args *a, uint64_t deadline_us)
{
    int r = SHIM_KERNEL;
    shim_in();
    struct epset *set = epset_get(epfd);
    if (set && epset_is_attached(set)) {
        r = epset_wait(set, epfd, a->events, a->max, deadline_us, a->mask);
    } else if (set) {
        epset_put(set);
    }
    shim_out();
    return r;
}

/* An instance that we know. */
static int wait_known(int epfd, struct epset *set, const struct wait_args *a)
{
    uint64_t deadline_us = deadline_of(a);
    epset_refresh();
    if (epset_plain_begin(set)) {
        int n = wait_kernel(epfd, a);
        if (!epset_plain_end(set, a->events, &n))
            return n;
    }
    int r = wait_set(epfd, a, deadline_us);
    return r == SHIM_KERNEL ? wait_kernel(epfd, a) : (int)shim_ret(r);
}

static int wait_any(int epfd, const struct wait_args *a)
{
    enum fd_kind kind = fd_kind(epfd);
    if (kind == FD_PRIVATE && !shim_inside())
        return (int)shim_ret(-EBADF);
    if (kind != FD_EPOLL || shim_inside() || !args_valid(a))
        return wait_kernel(epfd, a);
    struct epset *set = epset_peek(epfd);
    return set ? wait_known(epfd, set, a) : wait_kernel(epfd, a);
}

SHIM_EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
    struct wait_args a = {events, max, WAIT_PLAIN, .timeout_ms = timeout_ms};
    shim_need();
    return wait_any(epfd, &a);
}

SHIM_EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms,
                            const sigset_t *mask)
{
    struct wait_args a = {events, max, WAIT_MASK, .timeout_ms = timeout_ms, .mask = mask};
    shim_need();
    return wait_any(epfd, &a);
}

SHIM_EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max,
                             const struct timespec *timeout, const sigset_t *mask)
{
    struct wait_args a = {events, max, WAIT_TIMESPEC, .timeout = timeout, .mask = mask};
    shim_need();
    return wait_any(epfd, &a);
}
