/*
 * The descriptor table of the process: what stands behind each number. Two levels, mapped on demand, read without a lock: one load
 * tells that a descriptor is not ours. No malloc: these calls run in signal handlers.
 *
 * Identity is the placeholder's cookie; the pointer to the control block is a shortcut that is checked against it
 * under the stack's lock.
 */
#ifndef SHIM_FD_H
#define SHIM_FD_H

#include <stdint.h>

#include "stack.h"

enum fd_kind {
    FD_UNKNOWN, /* never met: a kernel descriptor, unless sockets may have been inherited */
    FD_KERNEL,
    FD_STACK,   /* a socket of ours */
    FD_EPOLL,   /* an epoll instance that holds sockets of ours */
    FD_PRIVATE, /* the engine's own: the program sees EBADF */
};

struct epset;

struct fd_entry {
    uint32_t kind;      /* enum fd_kind */
    uint32_t shared;    /* somebody else may hold the same description: fork, SCM_RIGHTS */
    uint64_t cookie;    /* FD_STACK */
    struct sock *sock;  /* FD_STACK: shortcut */
    struct epset *epset; /* FD_EPOLL */
};

/* What is fd? Asks the kernel for the cookie of an unknown one when the stack was inherited. FD_KERNEL for negative numbers. */
enum fd_kind fd_kind(int fd);
/* The entry of fd, or NULL when nothing is known of it. */
struct fd_entry *fd_entry(int fd);
/* 0 or -ENOMEM. */
int fd_set_stack(int fd, struct sock *so);
int fd_set_epoll(int fd, struct epset *set);
int fd_set_kind(int fd, enum fd_kind kind);
/* Forgets fd (closed, or about to be replaced). */
void fd_clear(int fd);
/* newfd becomes what oldfd is. */
int fd_copy(int oldfd, int newfd);
/* How many descriptors of this process have that cookie. */
unsigned fd_count_cookie(uint64_t cookie);
/* Marks every stack socket as shared (before a fork). */
void fd_mark_all_shared(void);

/* The socket behind fd, within an entry (after engine_enter): checks the cookie. NULL: it is gone (EBADF). */
struct sock *fd_sock(int fd);

/* SO_COOKIE of any kernel socket; 0 when it has none (not a socket). Goes straight to the kernel. */
uint64_t fd_kernel_cookie(int fd);

/* close() of a descriptor of any kind, with all that follows from it: 0 or -errno. */
int fd_close(int fd);

#endif
