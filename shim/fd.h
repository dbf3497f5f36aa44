/*
 * The descriptor table of the process: what stands behind each number. Two levels, mapped on
 * demand, read without a lock: one load tells that a descriptor is not ours. No malloc: these calls
 * run in signal handlers.
 *
 * Identity is the placeholder's cookie; the pointer to the control block is a shortcut, good under
 * the stack's lock while no control block was freed since it was looked up.
 *
 * Descriptors of one description within this process (dup) form a ring. A vfork() child runs in our
 * memory with a descriptor table of its own: everything here that changes the table does nothing
 * there.
 */
#ifndef SHIM_FD_H
#define SHIM_FD_H

#include <limits.h>
#include <stdint.h>

#include "stack.h"

enum fd_kind {
    FD_UNKNOWN,   /* never met: a kernel descriptor */
    FD_INHERITED, /* an internet socket that we came by: perhaps one of ours */
    FD_KERNEL,
    FD_IPV6,    /* an AF_INET6 socket of the kernel's, because the stack did not start: no IPv4 */
    FD_EPOLL,   /* an epoll instance that holds sockets of ours */
    FD_STACK,   /* a socket of ours; those from here on see no call of the kernel's (shim_ours()) */
    FD_FOREIGN, /* a socket of a stack that is not this process's: the program sees EOPNOTSUPP */
    FD_PRIVATE, /* the engine's own: the program sees EBADF */
};

struct epset;

struct fd_entry {
    uint32_t kind;   /* enum fd_kind */
    uint32_t shared; /* somebody else may hold the same description: fork, SCM_RIGHTS */
    uint64_t cookie; /* FD_STACK */
    union {
        struct sock *sock;   /* FD_STACK: shortcut */
        struct epset *epset; /* FD_EPOLL */
    };
    int32_t next_same; /* FD_STACK, FD_EPOLL: the next descriptor of the same description; itself
                          when alone */
    uint32_t frees;    /* FD_STACK: stack->sock_frees when sock was looked up */
};

#define FD_LEAF_BITS 10
#define FD_LEAF_SIZE (1 << FD_LEAF_BITS)

/* fd.c's own, here for fd_kind(). */
extern struct fd_entry *fd_leaves[];
extern bool shim_ready; /* init.c */
enum fd_kind fd_ask(int fd);

/* What is fd? Never FD_UNKNOWN or FD_INHERITED: an inherited socket is looked up now. FD_KERNEL for
 * negative numbers. */
static inline enum fd_kind fd_kind(int fd)
{
    struct fd_entry *leaf = NULL;
    if (fd >= 0)
        leaf = __atomic_load_n(&fd_leaves[(uint32_t)fd >> FD_LEAF_BITS], __ATOMIC_ACQUIRE);
    uint32_t kind = FD_UNKNOWN;
    if (leaf)
        kind = __atomic_load_n(&leaf[fd & (FD_LEAF_SIZE - 1)].kind, __ATOMIC_ACQUIRE);
    if (kind == FD_UNKNOWN)
        return __builtin_expect(shim_ready, 1) ? FD_KERNEL : fd_ask(fd);
    return kind == FD_INHERITED ? fd_ask(fd) : (enum fd_kind)kind;
}

/* The entry of fd, or NULL when nothing is known of it. */
struct fd_entry *fd_entry(int fd);
/* The first number >= from of which something is known (kind not FD_UNKNOWN), or -1. For
 * close_range and its kin. */
int fd_next(int from);
/* 0 or -ENOMEM. */
int fd_set_stack(int fd, struct sock *so);
int fd_set_epoll(int fd, struct epset *set);
int fd_set_kind(int fd, enum fd_kind kind);
/* Forgets fd (closed, or about to be replaced). */
void fd_clear(int fd);
/* newfd becomes what oldfd is. 0 or -ENOMEM. */
int fd_copy(int oldfd, int newfd);
/* Is fd the only descriptor anywhere of its description, as far as we know for certain? */
bool fd_is_alone(int fd);
/* Is it the only one in this process? */
bool fd_is_alone_here(int fd);
/* Marks fd, or every stack socket, as held by somebody else too (SCM_RIGHTS; fork, spawn). */
void fd_mark_shared(int fd);
void fd_mark_all_shared(void);
/* The descriptor was, or may have been, received from elsewhere (SCM_RIGHTS, pidfd_getfd, a number
 * that something replaced behind our back): asks the kernel what it is. A process without a stack
 * joins that of a socket which it has been given. The caller is inside, not in an entry. */
enum fd_kind fd_identify(int fd);

/* Notes a descriptor from before exec, or one that was received, that may be a socket of ours: it
 * is looked at when it is first used. */
void fd_mark_inherited(int fd);
/* Is it one that was noted, and not looked at since? */
bool fd_is_unknown_heritage(int fd);
/* Could a stack be behind this internet socket of the kernel's? Its placeholders are bound to
 * nothing, or drop everything (io/guard.h). */
bool fd_may_be_placeholder(int fd);

/* The socket behind fd, within an entry (after engine_enter): checks the cookie. NULL: it is gone,
 * or not ours. */
struct sock *fd_sock(int fd);

/* SO_COOKIE of any kernel socket; 0 when it has none (not a socket). Goes straight to the kernel.
 */
uint64_t fd_kernel_cookie(int fd);

/* close() of a descriptor of any kind, with all that follows from it: 0 or -errno. The caller need
 * not be inside. */
int fd_close(int fd); /* fd_close.c */
/* What close() does for us, without closing the number: for a number that is about to be replaced
 * (dup2). The entry is forgotten. The caller is inside. */
void fd_release(int fd);

/* Around fork(), so that the child does not inherit a lock. */
void fd_fork_prepare(void);
void fd_fork_done(void);

#endif
