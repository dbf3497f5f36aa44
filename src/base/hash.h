/*
 * Intrusive chained hash table in the arena that grows a few buckets at a time, so that no single
 * insertion pays for all. The user computes the hash (siphash) and compares the nodes.
 */
#ifndef SHIM_BASE_HASH_H
#define SHIM_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash {
    struct arena *arena;
    struct hash_node **buckets, **old; /* old: being moved over */
    uint64_t mask, old_mask, moved;
    uint64_t count;
};

/* False when the arena is full. initial is a power of two. */
bool hash_init(struct hash *h, struct arena *a, uint32_t initial);
void hash_destroy(struct hash *h);
/* Forgets all nodes without looking at them, to insert the living ones anew after a process died
 * while changing the table. */
void hash_reset(struct hash *h);
/* Puts n before the other nodes of this hash. Never fails: a table that cannot grow gets longer
 * chains. */
void hash_insert(struct hash *h, struct hash_node *n, uint64_t hash);
/* Takes n out; n must be in the table. */
void hash_remove(struct hash *h, struct hash_node *n);
/* The first node with this hash, then the following ones, the last inserted first: the caller
 * compares keys. */
struct hash_node *hash_first(const struct hash *h, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *n, uint64_t hash);
/* Any node after prev (NULL: first) for walking the whole table; nothing may be inserted meanwhile.
 * The node prev may be removed once its successor is known. */
struct hash_node *hash_walk(const struct hash *h, const struct hash_node *prev);

#endif
