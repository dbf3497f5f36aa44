/*
 * The arena: all memory of a stack, in one mapping that the processes of a family share at the
 * same address (pointers inside it are plain pointers). The arena itself never calls the system:
 * the caller hands it the memory, sparse and zero-filled, and may punch out what
 * arena_next_idle() names.
 *
 * Two kinds of allocation:
 *  - slabs: objects of one type, with a bitmap of the living ones in each slab page, so that
 *    the free lists can be rebuilt and all living objects found after a process died inside;
 *  - sized blocks: power-of-two classes of 64 bytes to 32 KB and, above, runs of pages.
 */
#ifndef SHIM_BASE_ARENA_H
#define SHIM_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_PAGE_BYTES 4096u

struct arena;

struct slab {
    struct arena *arena;
    uint32_t obj_bytes;   /* rounded up to 16 */
    uint32_t per_page;    /* objects in one slab page run */
    uint32_t run_pages;   /* pages in one run */
    uint32_t live;        /* living objects */
    void *runs;           /* all runs, for iteration and rebuilding */
    void *partial;        /* runs that have room */
};

struct arena_stats {
    size_t size_bytes;   /* the whole mapping */
    size_t used_bytes;   /* handed out, slab pages counted whole */
    size_t peak_bytes;
    uint64_t failures;   /* allocations that returned NULL */
};

/* Formats mem, size bytes long (page-aligned, zero-filled, at least 1 MB), as an arena; the arena's own
 * bookkeeping sits at its start. limit_bytes bounds used_bytes (0: the size alone). */
struct arena *arena_init(void *mem, size_t size, size_t limit_bytes);

/* One block of at least size bytes (1 .. size of the arena), 16-byte aligned and (page-aligned from
 * ARENA_PAGE_BYTES on), with undefined content; NULL when the arena is full. The caller frees it with
 * arena_free() and the same size. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);
void arena_free(struct arena *a, void *p, size_t size);

/* Prepares s (itself in the arena) for objects of obj_bytes. */
void slab_init(struct slab *s, struct arena *a, uint32_t obj_bytes);
/* A zero-filled object, or NULL when the arena is full. */
void *slab_alloc(struct slab *s);
void slab_free(struct slab *s, void *obj);
/* The living object after prev (NULL: the first), in address order of the runs' list; NULL at the
 * end. The object prev may be freed once its successor is known. */
void *slab_next(const struct slab *s, const void *prev);
/* Rebuilds the lists of runs from the bitmaps, after a process died inside the arena. */
void slab_rebuild(struct slab *s);

struct arena_stats arena_stats(const struct arena *a);

/* The fail_at-th allocation from now on, and only that one, returns NULL; 0 turns it off. For tests
 * of running out of memory. */
void arena_fail_at(struct arena *a, uint64_t fail_at);

/* Names free page runs whose memory has not been given back yet: *mem, *len and true, or
 * false when there is none left. The run counts as given back afterwards, and must read as zeros or as it
 * was. */
bool arena_next_idle(struct arena *a, void **mem, size_t *len);

#endif
