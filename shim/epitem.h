/*
 * Items: the stack sockets that are registered in the epoll instances of this process, and the
 * lists of those that may be ready. Plain memory, mapped on demand and never given back, so that a
 * handle of an item that is gone is recognised as such.
 *
 * The caller holds the lock of the sets (epset.c) for everything here.
 */
#ifndef SHIM_EPITEM_H
#define SHIM_EPITEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/list.h"

struct epset;
struct waiter;

/* What of epoll_event.events is not a condition, but says how to report it. */
#define EPITEM_HOW_BITS ((uint32_t)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))

struct epitem {
    struct list ready;     /* in an epready; alone: not known to be ready */
    struct list of_set;    /* in the list of its set's items */
    struct epset *set;     /* NULL: free */
    struct waiter *waiter; /* in the arena; NULL: none in this process yet */
    uint64_t cookie;       /* of the open file description ... */
    int32_t fd;            /* ... and the number it was registered under: both are the key */
    uint32_t events;       /* EPOLL*; a spent EPOLLONESHOT leaves the how bits alone */
    uint64_t data;         /* the program's */
    uint32_t index, generation;
    uint32_t next; /* index of the next one with the same fd, or of the next free one */
};

/* A new item, in no list; NULL: no memory. The key must not be in use. */
struct epitem *epitem_new(struct epset *set, uint64_t cookie, int fd);
/* Frees it, in no ready list any more, and takes it out of its set's; its handles are void from
 * then on. */
void epitem_free(struct epitem *it);
/* NULL: set has no item with that key. */
struct epitem *epitem_find(const struct epset *set, uint64_t cookie, int fd);

/* A name for the item that can be kept where the item may go meanwhile (struct waiter's item). */
void *epitem_handle(const struct epitem *it);
struct epitem *epitem_of(void *handle); /* NULL: that item is gone */

/* Items that may be ready, in the order in which they are reported. */
struct epready {
    struct list items;
    uint32_t count;
};

void epready_init(struct epready *r);
/* Puts it at the end; false when it was in the list already. */
bool epready_push(struct epready *r, struct epitem *it);
void epready_drop(struct epready *r, struct epitem *it); /* harmless if it is not in the list */

/*
 * Reports up to max ready items to out, each at most once, by the rules of epoll_wait(2):
 * level-triggered ones go back to the end of the list, edge-triggered ones leave it, EPOLLONESHOT
 * is spent. What poll says is not ready leaves the list. poll(it): the conditions that hold now,
 * unmasked; the item is in no list meanwhile, and poll may free it, and then returns 0. spent(it):
 * called when EPOLLONESHOT was spent. The number reported.
 */
int epready_take(struct epready *r, struct epoll_event *out, int max,
                 uint32_t (*poll)(struct epitem *it), void (*spent)(struct epitem *it));
/* Removes what is not ready now: as poll() on an epoll descriptor looks at it. True if something is
 * ready. */
bool epready_check(struct epready *r, uint32_t (*poll)(struct epitem *it));

#endif
