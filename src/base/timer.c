/*
 * Timer queue: a pairing heap.
 *
 * The root is the earliest timer. Each timer heads a list of children that are not earlier than
 * itself; siblings are linked by next and prev, and the prev of a first child is the parent.
 * Arming and moving to an earlier time cost O(1), taking out costs O(log n) amortised: the
 * children that lose their parent are joined in pairs, then the pairs from the last to the first.
 * A childless timer that moves to a later time, which is the usual life of a retransmission
 * timer, stays where it is.
 */
#include "base/timer.h"

#include <stddef.h>

/* Joins two heaps into one and returns its root. Neither root has siblings. */
static struct timer *heap_join(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline_us < a->deadline_us) {
        struct timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

static struct timer *heap_detach(struct timer *t)
{
    t->next = t->prev = NULL;
    return t;
}

/* Joins a list of siblings into one heap. */
static struct timer *heap_join_all(struct timer *first)
{
    struct timer *pairs = NULL; /* a stack, linked by next */
    struct timer *root = NULL;

    while (first) {
        struct timer *a = first;
        struct timer *b = a->next;
        first = b ? b->next : NULL;
        heap_detach(a);
        if (b)
            a = heap_join(a, heap_detach(b));
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct timer *a = pairs;
        pairs = a->next;
        root = heap_join(root, heap_detach(a));
    }
    return root;
}

/* Takes t with its children out of the heap whose root it is not. */
static void heap_cut(struct timer *t)
{
    if (t->prev->child == t)
        t->prev->child = t->next;
    else
        t->prev->next = t->next;
    if (t->next)
        t->next->prev = t->prev;
    heap_detach(t);
}

/* Takes t out; its children stay. */
static void heap_remove(struct timers *q, struct timer *t)
{
    struct timer *orphans = heap_join_all(t->child);

    t->child = NULL;
    if (t == q->root) {
        q->root = orphans;
    } else {
        heap_cut(t);
        q->root = heap_join(q->root, orphans);
    }
}

void timer_init(struct timer *t, uint16_t kind)
{
    *t = (struct timer){.kind = kind};
}

void timer_set(struct timers *q, struct timer *t, uint64_t deadline_us)
{
    if (!t->armed) {
        t->armed = true;
        q->count++;
    } else if (deadline_us >= t->deadline_us) {
        if (!t->child || deadline_us == t->deadline_us) {
            t->deadline_us = deadline_us;
            return;
        }
        heap_remove(q, t);
    } else if (t == q->root) {
        t->deadline_us = deadline_us;
        return;
    } else {
        heap_cut(t);
    }
    t->deadline_us = deadline_us;
    q->root = heap_join(q->root, t);
}

void timer_stop(struct timers *q, struct timer *t)
{
    if (!t->armed)
        return;
    heap_remove(q, t);
    t->armed = false;
    q->count--;
}

void timer_rescue(struct timers *q, struct timer *t)
{
    bool armed = t->armed;

    t->child = NULL;
    t->armed = false;
    heap_detach(t);
    if (armed)
        timer_set(q, t, t->deadline_us);
}

struct timer *timers_pop_due(struct timers *q, uint64_t now_us)
{
    struct timer *t = q->root;

    if (!t || t->deadline_us > now_us)
        return NULL;
    timer_stop(q, t);
    return t;
}
