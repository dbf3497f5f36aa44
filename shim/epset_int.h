/* What epset.c (the sets and their items) and epset_wait.c (waiting) share. */
#ifndef SHIM_EPSET_INT_H
#define SHIM_EPSET_INT_H

#include "epitem.h"
#include "epset.h"
#include "lock.h"
#include "shim.h"

/* Data of the descriptors in an instance of ours (beside ENGINE_EPOLL_TAG), and of our eventfd in
 * the program's. */
#define EPSET_TAG_PROGRAM 0x5348494d45500001ull
#define EPSET_TAG_WAKE    0x5348494d45500002ull
#define EPSET_TAG_OUTER   0x5348494d45500003ull

struct epset {
    struct list items; /* of struct epitem */
    struct epready ready;
    struct list node; /* all sets that are in use, or the free ones */
    int wait_fd;      /* the instance that is slept in; -1: no socket was ever added */
    int wake_fd;      /* eventfd in wait_fd, edge-triggered */
    int outer_fd;     /* eventfd in the program's instance; -1: nobody looks from outside */
    uint32_t epoch;   /* the process's (fork) that the waiters and descriptors belong to */
    uint32_t item_count;
    uint32_t holds;      /* epset_get() */
    uint32_t exclusives; /* items with EPOLLEXCLUSIVE */
    uint32_t waiting;    /* threads in epset_wait() that have found nothing at their first look */
    uint32_t sleepers;   /* threads asleep in wait_fd */
    int32_t
        plain; /* threads asleep in the program's instance itself; atomic, survives epset_free() */
    uint64_t kicked_us; /* when they were told to come out of there; 0: not now */
    bool open;          /* the program has a descriptor of it */
    bool has_kernel;    /* kernel descriptors were added */
    bool kernel_first;  /* ours filled the last result: it is the kernel's turn */
    bool woken;         /* wake_fd was written since a sleeper last came out */
    bool watched;       /* epset_watch() */
    bool raised;        /* outer_fd is readable */
};

/* Guards everything of all sets and items but what says atomic. Taken after the stack's lock, never
 * before it. */
extern struct lock epset_lock;
extern uint32_t epset_epoch; /* of this process */

/* Opens an entry and takes epset_lock; the other way round. */
struct stack *epset_enter(void);
void epset_leave(void);

/* poll for epready_take(): the conditions of a living item; frees one whose socket is gone. */
uint32_t epset_poll_item(struct epitem *it);
/* spent for epready_take(). */
void epset_spent_item(struct epitem *it);

/* A thread begins to wait in the set, or ends: counts it, and tells the sockets that have events
 * for one of several waiters. The lock is held, here and below. */
void epset_waits(struct epset *set);
void epset_waits_no_more(struct epset *set);
/* Something is ready, or still is: wakes one sleeper if there is any. The lock is held, here and
 * below. */
void epset_wake(struct epset *set);
/* Makes outer_fd what it should be. news: something became ready just now (an edge for who looks
 * edge-triggered). */
void epset_settle_outer(struct epset *set, bool news);
/* It was seen to be readable: is that still wanted? Also clears what another process (fork) raised.
 */
void epset_seen_outer(struct epset *set);
/* This thread's mark is void. */
void epset_wait_forget(void);

#endif
