/*
 * The arena: all memory of a stack, in one mapping that the processes of a family share at the
 * same address (pointers inside it are plain pointers). The arena itself never calls the system:
 * the caller hands it the memory, sparse and zero-filled, and may punch out what
 * arena_next_idle() names.
 *
 * Two kinds of allocation:
 *  - slabs: objects of one type, with a bitmap of the living ones in each slab run, so that
 *    the free lists can be rebuilt and all living objects found after a process died inside;
 *  - sized blocks: power-of-two classes of 64 bytes to 2 KB and, above, runs of whole pages.
 */
#ifndef SHIM_BASE_ARENA_H
#define SHIM_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define ARENA_PAGE_BYTES 4096u
#define ARENA_MIN_BYTES  (1u << 20)

struct arena;

struct slab {
    struct arena *arena;
    struct list runs;     /* all runs, for iteration */
    struct list partial;  /* runs that have room */
    uint32_t obj_bytes;   /* rounded up to 16 */
    uint32_t per_run;     /* objects in one run of pages */
    uint32_t run_pages;   /* pages in one run */
    uint32_t first_bytes; /* where in the run the first object starts */
    uint32_t live;        /* living objects */
};

struct arena_stats {
    size_t size_bytes; /* the whole mapping */
    size_t used_bytes; /* handed out, pages of slabs and of small blocks counted whole */
    size_t peak_bytes;
    uint64_t failures; /* allocations that returned NULL */
    uint64_t misuses;  /* frees of what was not allocated: refused */
};

/*
 * arena_init formats mem, size bytes long (page-aligned, zero-filled, at least ARENA_MIN_BYTES), as
 * an arena; the arena's own bookkeeping sits at its start and is as sparse as the rest. limit_bytes
 * bounds used_bytes (0: the size alone). Returns mem as an arena.
 */
struct arena *arena_init(void *mem, size_t size, size_t limit_bytes);

/*
 * arena_alloc returns one block of at least size bytes (size > 0), 16-byte aligned, page-aligned
 * from ARENA_PAGE_BYTES on, with undefined content; NULL when the arena is full. The caller frees
 * it with arena_free() and the same size. Memory freed lately is handed out first, untouched memory
 * last. arena_zalloc does the same with the block filled with zeros.
 */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);
/*
 * arena_free takes back p (or nothing, when p is NULL), which arena_alloc(a, size) returned. What
 * was not allocated, or is already free, is left alone, logged, and counted in misuses.
 */
void arena_free(struct arena *a, void *p, size_t size);

/* One pointer for the owner: where in the arena everything starts. NULL at first. */
void arena_set_root(struct arena *a, void *root);
void *arena_root(const struct arena *a);

/* Prepares s (itself in the arena) for objects of obj_bytes. */
void slab_init(struct slab *s, struct arena *a, uint32_t obj_bytes);
/* A zero-filled object, 16-byte aligned, or NULL when the arena is full. */
void *slab_alloc(struct slab *s);
/* Misuse is treated as by arena_free(). */
void slab_free(struct slab *s, void *obj);
/*
 * The living object after prev (NULL: the first), run by run in address order within the run; NULL
 * at the end. The object prev may be freed once its successor is known. Objects allocated during
 * the walk may or may not be met.
 */
void *slab_next(const struct slab *s, const void *prev);

/*
 * After a process died inside the arena: arena_rebuild() makes the free lists anew from the page
 * table, then slab_rebuild() does so for each slab from the bitmaps. A block that was on
 * its way in or out at that moment may be lost, no other.
 */
void arena_rebuild(struct arena *a);
void slab_rebuild(struct slab *s);

struct arena_stats arena_stats(const struct arena *a);
/* Moves the bound on used_bytes (0: the size alone); what is in use already stays. */
void arena_set_limit(struct arena *a, size_t limit_bytes);

/*
 * The fail_at-th allocation (arena_alloc, arena_zalloc, slab_alloc) from now on, and only
 * that one, returns NULL; 0 turns it off. For tests of running out of memory.
 */
void arena_fail_at(struct arena *a, uint64_t fail_at);

/*
 * In a build with AddressSanitizer, reports any access to memory that is not allocated from a; on
 * must be false again before the memory is used for anything else. For tests in a single process:
 * each process has its own view of what may be accessed. Without AddressSanitizer it does nothing.
 */
void arena_watch(struct arena *a, bool on);

/*
 * Names a free page run whose memory has not been given back yet: *mem, *len and true, large runs
 * first, or false when there is none left. The run counts as given back afterwards, and must
 * read as zeros or as it was. A few pages (1 MB) freed last are kept for reuse and not named.
 */
bool arena_next_idle(struct arena *a, void **mem, size_t *len);

#endif
