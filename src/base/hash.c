/*
 * Hash table that grows a little at a time.
 *
 * When there are as many nodes as buckets, a table of twice the buckets is put beside the old one,
 * and each insertion moves a few buckets over: those below `moved` are in the new table, the others
 * still in the old one, so that at any time all nodes of one hash are in one chain. Old bucket b
 * splits into the new buckets b and b + old size, which are written only then: the
 * new table needs no clearing. The move ends long before the new table is full.
 */
#include "base/hash.h"

#include <stdatomic.h>
#include <string.h>

#define MOVE_BUCKETS 4 /* moved over by one insertion */

static size_t table_bytes(uint64_t mask)
{
    return (mask + 1) * sizeof(struct hash_node *);
}

static struct hash_node **chain_of(const struct hash *h, uint64_t hash)
{
    if (h->old && (hash & h->old_mask) >= h->moved)
        return &h->old[hash & h->old_mask];
    return &h->buckets[hash & h->mask];
}

bool hash_init(struct hash *h, struct arena *a, uint32_t initial)
{
    *h = (struct hash){.arena = a, .mask = initial - 1};
    h->buckets = arena_zalloc(a, table_bytes(h->mask));
    return h->buckets != NULL;
}

/* Frees the old table. */
static void drop_old(struct hash *h)
{
    struct hash_node **old = h->old;

    h->old = NULL;
    if (old != h->buckets) /* unless a process died when it was about to grow */
        arena_free(h->arena, old, table_bytes(h->old_mask));
}

void hash_destroy(struct hash *h)
{
    drop_old(h);
    arena_free(h->arena, h->buckets, table_bytes(h->mask));
    *h = (struct hash){0};
}

void hash_reset(struct hash *h)
{
    drop_old(h);
    memset(h->buckets, 0, table_bytes(h->mask));
    h->count = 0;
}

/* Moves the nodes of one old bucket over, in their order. */
static void move_bucket(struct hash *h)
{
    uint64_t b = h->moved;
    struct hash_node **low = &h->buckets[b], **high = &h->buckets[b + h->old_mask + 1];

    for (struct hash_node *n = h->old[b]; n; n = n->next) {
        struct hash_node ***tail = (n->hash & h->mask) == b ? &low : &high;
        **tail = n;
        *tail = &n->next;
    }
    *low = *high = NULL;
    h->moved++;
}

static void grow(struct hash *h)
{
    uint64_t mask = h->mask * 2 + 1;
    struct hash_node **buckets = arena_alloc(h->arena, table_bytes(mask));

    if (!buckets)
        return;
    /* For hash_reset(): the mask is never larger than the table. */
    h->old_mask = h->mask;
    h->moved = 0;
    h->old = h->buckets;
    atomic_signal_fence(memory_order_seq_cst);
    h->buckets = buckets;
    atomic_signal_fence(memory_order_seq_cst);
    h->mask = mask;
}

void hash_insert(struct hash *h, struct hash_node *n, uint64_t hash)
{
    for (int i = 0; h->old && i < MOVE_BUCKETS; i++) {
        move_bucket(h);
        if (h->moved > h->old_mask)
            drop_old(h);
    }
    struct hash_node **chain = chain_of(h, hash);
    n->hash = hash;
    n->next = *chain;
    *chain = n;
    h->count++;
    /* When the arena was full, try again after a while. */
    if (!h->old && h->count > h->mask && (h->count & h->mask >> 3) == 0)
        grow(h);
}

void hash_remove(struct hash *h, struct hash_node *n)
{
    struct hash_node **at = chain_of(h, n->hash);

    while (*at && *at != n)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = n->next;
    n->next = NULL;
    h->count--;
}

static struct hash_node *skip_to(struct hash_node *n, uint64_t hash)
{
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

struct hash_node *hash_first(const struct hash *h, uint64_t hash)
{
    return skip_to(*chain_of(h, hash), hash);
}

struct hash_node *hash_next(const struct hash_node *n, uint64_t hash)
{
    return skip_to(n->next, hash);
}

/* The first node of the chains from b on, of the old table then of the new one. */
static struct hash_node *walk_from(const struct hash *h, bool in_old, uint64_t b)
{
    if (in_old) {
        for (; b <= h->old_mask; b++)
            if (h->old[b])
                return h->old[b];
        b = 0;
    }
    for (; b <= h->mask; b++)
        if ((!h->old || (b & h->old_mask) < h->moved) && h->buckets[b])
            return h->buckets[b];
    return NULL;
}

struct hash_node *hash_walk(const struct hash *h, const struct hash_node *prev)
{
    if (!prev)
        return walk_from(h, h->old != NULL, h->old ? h->moved : 0);
    if (prev->next)
        return prev->next;
    bool in_old = h->old && (prev->hash & h->old_mask) >= h->moved;
    return walk_from(h, in_old, (prev->hash & (in_old ? h->old_mask : h->mask)) + 1);
}
