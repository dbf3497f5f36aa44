/* Intrusive doubly linked circular list. A node that is in no list points at itself. */
#ifndef SHIM_BASE_LIST_H
#define SHIM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push(struct list *l, struct list *node)
{
    list_insert_before(l, node);
}
static inline void list_push_front(struct list *l, struct list *node)
{
    list_insert_before(l->next, node);
}

/* Takes the node out of its list, if it is in one. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_first(const struct list *l)
{
    return list_empty(l) ? NULL : l->next;
}

static inline struct list *list_pop(struct list *l)
{
    struct list *n = list_first(l);
    if (n)
        list_remove(n);
    return n;
}

#define LIST_FOREACH(n, l) for (struct list *n = (l)->next; n != (l); n = n->next)
/* The body may remove n (but not n's successor). */
#define LIST_FOREACH_SAFE(n, l)                                                                    \
    for (struct list *n = (l)->next, *n##_next = n->next; n != (l);                                \
         n = n##_next, n##_next = n->next)

#endif
