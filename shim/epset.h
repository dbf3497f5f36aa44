/*
 * The stack's side of an epoll instance: the sockets of ours that are registered in it. epset.c
 * says how both sides come together. The caller is inside, in no entry, for everything here.
 */
#ifndef SHIM_EPSET_H
#define SHIM_EPSET_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct epset;

/* A set for a new epoll descriptor, to be put into the table with fd_set_epoll(); NULL: no memory.
 */
struct epset *epset_new(void);
/* The last descriptor of the instance in this process is gone, and forgotten by the table. */
void epset_closed(struct epset *set);

/* The set behind epfd, without a hold and without a lock: good for epset_is_attached() and
 * epset_plain_begin(). NULL: there is none. */
struct epset *epset_peek(int epfd);
/* Was ever a socket of ours added to it? Then threads wait with epset_wait(). */
bool epset_is_attached(const struct epset *set);
/* The set behind epfd, held for the caller until epset_put(); NULL: there is none. */
struct epset *epset_get(int epfd);
/* The same, made if there is none: for an epoll descriptor that was not seen before. NULL: no
 * memory. */
struct epset *epset_make(int epfd);
void epset_put(struct epset *set);

/* epoll_ctl() for fd, a socket of ours, on the set of epfd. 0; -EEXIST, -ENOENT, -EINVAL (op;
 * EPOLLEXCLUSIVE cannot be modified), -ENOMEM, -EMFILE and the like (no descriptors for the first
 * socket of a set), -EBADF, SHIM_KERNEL (fd is the kernel's by now). */
int epset_ctl(struct epset *set, int epfd, int op, int fd, const struct epoll_event *ev);
/* A kernel descriptor was added to the instance. */
void epset_note_kernel(struct epset *set);

/*
 * epoll_pwait() on the set and on epfd, until deadline_us (TIMER_NEVER: none; 0: looks once). Takes
 * over the hold of epset_get(). The number of events; -EINTR.
 */
int epset_wait(struct epset *set, int epfd, struct epoll_event *out, int max, uint64_t deadline_us,
               const sigset_t *mask);
/* epoll_pwait() on an instance that holds none of our sockets yet, in the kernel alone: between the
 * two, epset_wait() may become necessary because another thread adds one: then end is true (only
 * the kernel's events are in ev, their number is n). */
bool epset_plain_begin(struct epset *set);
bool epset_plain_end(struct epset *set, struct epoll_event *ev, int *n);

/* The instance behind epfd is going to be looked at from outside, by poll(), select() or another
 * epoll instance: from now on it is readable for the kernel, too, while sockets of ours in it are
 * ready. The caller need not be inside. True when it holds any. */
bool epset_watch(int epfd);
/* Brings that up to date for all such instances: before somebody looks. The caller need not be
 * inside. */
void epset_refresh(void);

/* fd, a socket of ours, is about to become the kernel's: so do its registrations, under all of its
 * numbers. */
void epset_give_to_kernel(int fd);

/* Around fork(). */
void epset_fork_prepare(void);
void epset_fork_parent(void);
void epset_fork_child(void);
/* The thread ends: takes back what an abandoned wait (longjmp, cancellation) left. */
void epset_thread_end(void);

#endif
