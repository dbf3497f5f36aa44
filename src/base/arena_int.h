/* The inside of the arena, shared by arena.c and slab.c alone. */
#ifndef SHIM_BASE_ARENA_INT_H
#define SHIM_BASE_ARENA_INT_H

#include <stdatomic.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include "base/arena.h"

enum page_kind {
    PAGE_FRESH,     /* never handed out */
    PAGE_FREE,      /* first page of a free run */
    PAGE_FREE_TAIL, /* last page of a free run of two or more */
    PAGE_CACHED,    /* a single free page kept for the next one who asks */
    PAGE_RUN,       /* first page of a run in use */
    PAGE_RUN_TAIL,  /* last page of a run in use of two or more */
    PAGE_BLOCKS,    /* cut into blocks of one class */
    PAGE_SLAB,      /* first page of a slab run */
    PAGE_SLAB_REST, /* another page of a slab run */
};

/* One entry of the page table. Indices count pages from the start of the arena; 0, which is the
 * arena's own first page, stands for none. */
struct page {
    uint64_t map;        /* PAGE_BLOCKS: a bit for each free block */
    uint32_t next, prev; /* neighbours in the bin, in the cache or among pages with free blocks */
    uint32_t pages;      /* length of the run; PAGE_SLAB_REST: pages back to the first */
    uint8_t kind;        /* enum page_kind */
    uint8_t block_class; /* PAGE_BLOCKS */
    bool dirty;          /* PAGE_FREE: not given back to the system since it was used */
};

#define ARENA_CLASSES     6    /* 64, 128, ... 2048 bytes */
#define ARENA_CACHE_PAGES 256u /* single free pages kept at hand */
#define ARENA_BINS        128

struct arena_bins {
    uint64_t map[ARENA_BINS / 64]; /* a bit for each bin that is not empty */
    uint32_t head[ARENA_BINS];
};

struct arena {
    char *base; /* the arena's own address */
    size_t size_bytes;
    void *root;
    struct page *table;
    uint32_t pages, first, top; /* all, the first usable, the first never handed out */
    uint32_t used, peak, limit; /* in pages */
    uint64_t failures, misuses;
    uint64_t fail_at; /* counts down; 0: off */
    bool watched;     /* arena_watch() is on */
    uint32_t cache, cache_len;
    uint32_t partial[ARENA_CLASSES]; /* pages with free blocks */
    struct arena_bins free[2];       /* runs given back, runs dirty */
};

/* A store before this call is not moved behind it by the compiler: what a dying process leaves
 * behind is a prefix of the stores in the order written. */
static inline void arena_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* With arena_watch(): from now on nobody, or anybody, may access this memory. */
static inline void arena_hide(const struct arena *a, const void *p, size_t len)
{
#ifdef ARENA_ASAN
    if (a->watched)
        __asan_poison_memory_region(p, len);
#endif
}

static inline void arena_show(const struct arena *a, const void *p, size_t len)
{
#ifdef ARENA_ASAN
    if (a->watched)
        __asan_unpoison_memory_region(p, len);
#endif
}

static inline void *arena_page_mem(const struct arena *a, uint32_t page)
{
    return a->base + (size_t)page * ARENA_PAGE_BYTES;
}

/* The page that p lies in, or 0 when p is not in memory handed out so far. */
static inline uint32_t arena_page_of(const struct arena *a, const void *p)
{
    uintptr_t off = (uintptr_t)p - (uintptr_t)a->base;
    uint32_t page = off < a->size_bytes ? (uint32_t)(off / ARENA_PAGE_BYTES) : 0;
    return page >= a->first && page < a->top ? page : 0;
}

/* Is this the allocation that arena_fail_at() chose? Counts it. */
bool arena_fails_now(struct arena *a);
/* A run of n pages, marked PAGE_RUN, or 0 when there is none. */
uint32_t arena_take(struct arena *a, uint32_t n);
/* Gives back the run of n pages that starts at page, whatever its kind. */
void arena_give(struct arena *a, uint32_t page, uint32_t n);
/* Notes that what stands at p was to be freed and is not allocated. */
void arena_misuse(struct arena *a, const void *p, const char *what);

#endif
