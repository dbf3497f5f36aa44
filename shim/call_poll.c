/*
 * poll and select.
 */
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "deadline.h"
#include "pollset.h"
#include "shim.h"

#define SMALL 64 /* pollfds on the stack */

/* ---- poll ---- */

/* More than the process may have open is EINVAL. */
static bool too_many(nfds_t n)
{
    struct rlimit limit;
    return n > 1024 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && n > limit.rlim_cur;
}

/* For fds among which some are ours. 0 or more, or -errno. */
static int call_poll(struct pollfd *fds, nfds_t n, uint64_t deadline_us, const sigset_t *mask)
{
    struct pollfd small[SMALL];
    if (too_many(n))
        return -EINVAL;
    shim_in();
    struct pollfd *kernel = pollset_alloc(small, SMALL, n);
    int r = kernel ? pollset_wait(fds, kernel, n, deadline_us, mask, false) : -ENOMEM;
    if (kernel)
        pollset_free(kernel, small, n);
    if (r < 0)
        for (nfds_t i = 0; i < n; i++)
            fds[i].revents = 0; /* the kernel writes them in any case */
    shim_out();
    return r;
}

/* Not const: poll()'s declaration says that it only writes to fds, and gcc believes it. */
static bool poll_ours(struct pollfd *fds, nfds_t n)
{
    shim_need();
    return fds && !shim_inside() && pollset_ours(fds, n);
}

SHIM_EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    if (!poll_ours(fds, n))
        return real.poll(fds, n, timeout_ms);
    return (int)shim_ret(call_poll(fds, n, deadline_after_ms(timeout_ms), NULL));
}

SHIM_EXPORT int __poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return poll(fds, n, timeout_ms);
}

SHIM_EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                      const sigset_t *mask)
{
    if ((timeout && !deadline_valid(timeout)) || !poll_ours(fds, n))
        return real.ppoll(fds, n, timeout, mask);
    return (int)shim_ret(call_poll(fds, n, deadline_after(timeout), mask));
}

/* _FORTIFY_SOURCE: bytes is the size of fds; libc ends the program when it is too small. */
SHIM_EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t bytes)
{
    if (bytes / sizeof(*fds) < n || !poll_ours(fds, n))
        return real.__poll_chk(fds, n, timeout_ms, bytes);
    return poll(fds, n, timeout_ms);
}

SHIM_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                            const sigset_t *mask, size_t bytes)
{
    if (bytes / sizeof(*fds) < n || !poll_ours(fds, n))
        return real.__ppoll_chk(fds, n, timeout, mask, bytes);
    return ppoll(fds, n, timeout, mask);
}

/* ---- select ---- */

/* The three sets as arrays of words, of any length: nothing here knows FD_SETSIZE. */
#define WORD_BITS (8 * (int)sizeof(unsigned long))

struct sets {
    unsigned long *set[3]; /* read, write, except; NULL: not given */
    int nfds;
};

/* What each of the sets waits for: the kernel's definition. */
static const uint32_t set_events[3] = {
    POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
    POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
    POLLPRI,
};

static struct sets sets_of(int nfds, fd_set *r, fd_set *w, fd_set *e)
{
    return (struct sets){
        {(unsigned long *)(void *)r, (unsigned long *)(void *)w, (unsigned long *)(void *)e}, nfds};
}

/* The events that fd is waited for; 0: it is in no set. */
static uint32_t sets_events(const struct sets *s, int fd)
{
    uint32_t events = 0;
    for (int i = 0; i < 3; i++)
        if (s->set[i] && s->set[i][fd / WORD_BITS] >> (fd % WORD_BITS) & 1)
            events |= set_events[i];
    return events;
}

/* The first descriptor from fd on that is in a set, or -1. */
static int sets_next(const struct sets *s, int fd)
{
    while (fd < s->nfds) {
        unsigned long word = 0;
        for (int i = 0; i < 3; i++)
            word |= s->set[i] ? s->set[i][fd / WORD_BITS] : 0;
        word &= ~0ul << (fd % WORD_BITS);
        if (word) {
            fd = fd / WORD_BITS * WORD_BITS + __builtin_ctzl(word);
            return fd < s->nfds ? fd : -1;
        }
        fd = (fd / WORD_BITS + 1) * WORD_BITS;
    }
    return -1;
}

/* Is any of them ours? *count: how many descriptors there are. */
static bool sets_ours(const struct sets *s, nfds_t *count)
{
    bool ours = false;
    *count = 0;
    for (int fd = sets_next(s, 0); fd >= 0; fd = sets_next(s, fd + 1)) {
        struct pollfd p = {.fd = fd};
        ours |= pollset_ours(&p, 1);
        ++*count;
    }
    return ours;
}

/* Writes the result to the sets; the number of bits, or -EBADF. */
static int sets_report(const struct sets *s, const struct pollfd *fds, nfds_t n)
{
    /* Of each set's events, one that no other set has: was the descriptor in it? */
    static const uint32_t mark[3] = {POLLRDNORM, POLLWRNORM, POLLPRI};
    size_t words = ((size_t)s->nfds + WORD_BITS - 1) / WORD_BITS;
    int bits = 0;
    for (nfds_t k = 0; k < n; k++)
        if (fds[k].revents & POLLNVAL)
            return -EBADF;
    for (int i = 0; i < 3; i++) {
        if (!s->set[i])
            continue;
        memset(s->set[i], 0, words * sizeof(*s->set[i]));
        for (nfds_t k = 0; k < n; k++) {
            uint32_t events = (uint16_t)fds[k].events, revents = (uint16_t)fds[k].revents;
            if (!(events & mark[i]) || !(revents & set_events[i]))
                continue;
            s->set[i][fds[k].fd / WORD_BITS] |= 1ul << (fds[k].fd % WORD_BITS);
            bits++;
        }
    }
    return bits;
}

/* For sets of count descriptors, among which some are ours. 0 or more, or -errno. */
static int call_select(const struct sets *s, nfds_t count, uint64_t deadline_us,
                       const sigset_t *mask)
{
    struct pollfd small[2 * SMALL];
    shim_in();
    int r = -ENOMEM;
    struct pollfd *fds = pollset_alloc(small, 2 * SMALL, 2 * count);
    if (fds) {
        nfds_t n = 0;
        for (int fd = sets_next(s, 0); fd >= 0 && n < count; fd = sets_next(s, fd + 1))
            fds[n++] = (struct pollfd){.fd = fd, .events = (short)sets_events(s, fd)};
        r = pollset_wait(fds, fds + count, n, deadline_us, mask, true);
        if (r >= 0)
            r = sets_report(s, fds, n);
        pollset_free(fds, small, 2 * count);
    }
    shim_out();
    return r;
}

SHIM_EXPORT int select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
    struct sets s = sets_of(nfds, r, w, e);
    nfds_t count;

    shim_need();
    if (shim_inside() || nfds < 0 || (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)) ||
        !sets_ours(&s, &count))
        return real.select(nfds, r, w, e, timeout);

    struct timespec t = {0};
    if (timeout)
        t = (struct timespec){timeout->tv_sec + timeout->tv_usec / 1000000,
                              timeout->tv_usec % 1000000 * 1000};
    uint64_t deadline_us = deadline_after(timeout ? &t : NULL);
    int n = call_select(&s, count, deadline_us, NULL);
    if (timeout && deadline_us != TIMER_NEVER) { /* Linux: what is left */
        uint64_t left_us = deadline_left_us(deadline_us);
        timeout->tv_sec = (time_t)(left_us / 1000000);
        timeout->tv_usec = (suseconds_t)(left_us % 1000000);
    }
    return (int)shim_ret(n);
}

SHIM_EXPORT int __select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
    return select(nfds, r, w, e, timeout);
}

SHIM_EXPORT int pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
                        const sigset_t *mask)
{
    struct sets s = sets_of(nfds, r, w, e);
    nfds_t count;

    shim_need();
    if (shim_inside() || nfds < 0 || (timeout && !deadline_valid(timeout)) ||
        !sets_ours(&s, &count))
        return real.pselect(nfds, r, w, e, timeout, mask);
    return (int)shim_ret(call_select(&s, count, deadline_after(timeout), mask));
}
