/*
 * The arena: theory of operation
 *
 *    +--------+------------------+---------------------------------+--------------------+
 *    | struct | page table:      | runs in use and free runs,      | fresh: never       |
 *    | arena  | one entry a page | end to end                      | touched            |
 *    +--------+------------------+---------------------------------+--------------------+
 *    0                           first                             top            pages
 *
 * Everything is known of a page from its entry in the page table; free memory itself holds
 * nothing, so that it can be given back to the system. The table is as sparse as the arena: the
 * entries beyond top have not been written, and an entry inside a run means nothing, except for
 * the last, which says whether the run is free (boundary tag). So a run that is freed finds
 * both neighbours at once and merges with those that are free.
 *
 * Free runs hang in bins by length: one bin for each length below 16, then four for each power of
 * two. A bitmap finds the first bin that surely serves. There are two sets of bins: dirty runs
 * are taken first, since their memory is there already; runs given back to the system
 * (arena_next_idle) next; then a single free page kept in the cache may complete a longer run;
 * fresh pages last.
 *
 * Single pages are the chunks of the byte rings: most of the traffic. The last few freed
 * are kept unmerged in a stack, so that the common pair of free and alloc costs a few stores.
 *
 * Blocks below a page come from pages cut into blocks of one class, with a bitmap of the free
 * ones in the table entry. A page without living blocks is freed at once.
 *
 * A process may die at any instruction. Walking the runs from first to top must work all the
 * same: each change of the runs' shape is published by one store (of a length, of a kind, or of
 * top), after the entries that it uncovers were written. arena_rebuild() relies on that and on
 * nothing else: lists, tails and counters are made anew.
 */
#include "base/arena.h"

#include <string.h>

#include "base/arena_int.h"
#include "base/log.h"

#define BLOCK_MIN_SHIFT 6 /* the smallest block: 64 bytes */
#define BIN_TRIES       8 /* runs looked at in a bin that may or may not serve */

static unsigned log2_floor(uint32_t n)
{
    return 31u - (unsigned)__builtin_clz(n);
}

static uint32_t pages_for(size_t bytes)
{
    size_t n = bytes / ARENA_PAGE_BYTES + (bytes % ARENA_PAGE_BYTES != 0);
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* ---- bins ---- */

/* The bin that holds runs of n pages. */
static unsigned bin_of(uint32_t n)
{
    if (n < 16)
        return n;
    unsigned lg = log2_floor(n);
    return 16 + (lg - 4) * 4 + (n >> (lg - 2) & 3);
}

/* The first bin whose runs all have n pages or more. */
static unsigned bin_serving(uint32_t n)
{
    unsigned exact = n < 16 || (n & ((1u << (log2_floor(n) - 2)) - 1)) == 0;
    return bin_of(n) + !exact;
}

static void bin_insert(struct arena *a, uint32_t page)
{
    struct page *p = &a->table[page];
    struct arena_bins *bins = &a->free[p->dirty];
    unsigned bin = bin_of(p->pages);

    p->prev = 0;
    p->next = bins->head[bin];
    if (p->next)
        a->table[p->next].prev = page;
    bins->head[bin] = page;
    bins->map[bin / 64] |= 1ull << bin % 64;
}

static void bin_remove(struct arena *a, uint32_t page)
{
    const struct page *p = &a->table[page];
    struct arena_bins *bins = &a->free[p->dirty];
    unsigned bin = bin_of(p->pages);

    if (p->next)
        a->table[p->next].prev = p->prev;
    if (p->prev) {
        a->table[p->prev].next = p->next;
        return;
    }
    bins->head[bin] = p->next;
    if (!p->next)
        bins->map[bin / 64] &= ~(1ull << bin % 64);
}

/* A free run of n pages or more, or 0. Looks at no more than tries runs of the bin of just that
 * length, whose runs may be shorter. */
static uint32_t bin_find(const struct arena *a, const struct arena_bins *bins, uint32_t n,
                         uint32_t tries)
{
    unsigned bin = bin_serving(n);

    if (bin != bin_of(n)) {
        uint32_t page = bins->head[bin - 1];
        for (; page && tries > 0; tries--, page = a->table[page].next)
            if (a->table[page].pages >= n)
                return page;
    }
    for (unsigned word = bin / 64; word < ARENA_BINS / 64; word++) {
        uint64_t map = bins->map[word];
        if (word == bin / 64)
            map &= ~0ull << bin % 64;
        if (map)
            return bins->head[word * 64 + (unsigned)__builtin_ctzll(map)];
    }
    return 0;
}

/* ---- runs of pages ---- */

/* Marks both ends of a run. The kind of its first page, which publishes it, is stored last. */
static void run_mark(struct arena *a, uint32_t page, uint32_t n, enum page_kind kind,
                     enum page_kind tail)
{
    if (n > 1) {
        a->table[page + n - 1].pages = n;
        a->table[page + n - 1].kind = (uint8_t)tail;
    }
    a->table[page].pages = n;
    arena_order();
    a->table[page].kind = (uint8_t)kind;
}

/* The first page of the free run that ends just before page, or 0. */
static uint32_t free_run_before(const struct arena *a, uint32_t page)
{
    if (page == a->first)
        return 0;
    const struct page *last = &a->table[page - 1];
    if (last->kind == PAGE_FREE && last->pages == 1)
        return page - 1;
    return last->kind == PAGE_FREE_TAIL ? page - last->pages : 0;
}

/* Merges the free run at page, which is in no bin, with its free neighbours; puts the whole in its
 * bin and returns its first page. */
static uint32_t run_merge(struct arena *a, uint32_t page)
{
    uint32_t after = page + a->table[page].pages;
    uint32_t before = free_run_before(a, page);

    if (after < a->top && a->table[after].kind == PAGE_FREE) {
        bin_remove(a, after);
        a->table[page].dirty |= a->table[after].dirty;
        a->table[page].pages += a->table[after].pages;
    }
    if (before) {
        bin_remove(a, before);
        a->table[before].dirty |= a->table[page].dirty;
        a->table[before].pages += a->table[page].pages;
        page = before;
    }
    run_mark(a, page, a->table[page].pages, PAGE_FREE, PAGE_FREE_TAIL);
    bin_insert(a, page);
    return page;
}

static void run_release(struct arena *a, uint32_t page, uint32_t n)
{
    a->table[page].dirty = true;
    run_mark(a, page, n, PAGE_FREE, PAGE_FREE_TAIL);
    run_merge(a, page);
}

/* Takes the first n pages of the free run at page out of its bin; the rest goes back. */
static void run_carve(struct arena *a, uint32_t page, uint32_t n)
{
    uint32_t rest = a->table[page].pages - n;

    bin_remove(a, page);
    if (rest > 0) {
        a->table[page + n].dirty = a->table[page].dirty;
        run_mark(a, page + n, rest, PAGE_FREE, PAGE_FREE_TAIL);
        arena_order();
        a->table[page].pages = n;
        bin_insert(a, page + n);
    }
    arena_order();
    run_mark(a, page, n, PAGE_RUN, PAGE_RUN_TAIL);
}

/* Makes the last run before top, if it is free, n pages long with fresh ones; 0 when there are not
 * enough. */
static uint32_t run_grow(struct arena *a, uint32_t n)
{
    uint32_t page = a->top;
    uint32_t before = free_run_before(a, page);
    uint32_t have = before ? a->table[before].pages : 0;

    if (have >= n)
        return before;
    uint32_t need = n - have;
    if (need > a->pages - a->top)
        return 0;
    a->table[page].dirty = false;
    run_mark(a, page, need, PAGE_FREE, PAGE_FREE_TAIL);
    arena_order();
    a->top += need;
    return run_merge(a, page);
}

static uint32_t cache_pop(struct arena *a)
{
    uint32_t page = a->cache;
    a->cache = a->table[page].next;
    a->cache_len--;
    return page;
}

static void cache_flush(struct arena *a)
{
    while (a->cache)
        run_release(a, cache_pop(a), 1);
}

static uint32_t run_find(struct arena *a, uint32_t n, uint32_t tries)
{
    uint32_t page = bin_find(a, &a->free[true], n, tries);
    if (!page)
        page = bin_find(a, &a->free[false], n, tries);
    return page ? page : run_grow(a, n);
}

uint32_t arena_take(struct arena *a, uint32_t n)
{
    uint32_t page;

    if (a->used >= a->limit || n > a->limit - a->used)
        return 0;
    if (n == 1 && a->cache) {
        page = cache_pop(a);
        a->table[page].kind = PAGE_RUN;
    } else {
        page = run_find(a, n, BIN_TRIES);
        if (!page) {
            cache_flush(a);
            page = run_find(a, n, UINT32_MAX);
        }
        if (!page)
            return 0;
        run_carve(a, page, n);
    }
    a->used += n;
    if (a->used > a->peak)
        a->peak = a->used;
    return page;
}

void arena_give(struct arena *a, uint32_t page, uint32_t n)
{
    arena_hide(a, arena_page_mem(a, page), (size_t)n * ARENA_PAGE_BYTES);
    a->used -= n;
    if (n > 1 || a->cache_len >= ARENA_CACHE_PAGES) {
        run_release(a, page, n);
        return;
    }
    a->table[page].kind = PAGE_CACHED;
    a->table[page].next = a->cache;
    a->cache = page;
    a->cache_len++;
}

/* ---- blocks of less than a page ---- */

static unsigned class_of(size_t size)
{
    uint32_t max = size > 1 ? (uint32_t)size - 1 : 1;
    unsigned lg = log2_floor(max) + 1;
    return lg > BLOCK_MIN_SHIFT ? lg - BLOCK_MIN_SHIFT : 0;
}

/* The map of a page of this class with no block in use. */
static uint64_t class_map(unsigned class)
{
    return ~0ull >> (64 - (ARENA_PAGE_BYTES >> (BLOCK_MIN_SHIFT + class)));
}

static void partial_insert(struct arena *a, uint32_t page)
{
    struct page *p = &a->table[page];
    uint32_t *head = &a->partial[p->block_class];

    p->prev = 0;
    p->next = *head;
    if (p->next)
        a->table[p->next].prev = page;
    *head = page;
}

static void partial_remove(struct arena *a, uint32_t page)
{
    const struct page *p = &a->table[page];

    if (p->next)
        a->table[p->next].prev = p->prev;
    if (p->prev)
        a->table[p->prev].next = p->next;
    else
        a->partial[p->block_class] = p->next;
}

static void *block_alloc(struct arena *a, unsigned class)
{
    uint32_t page = a->partial[class];

    if (!page) {
        page = arena_take(a, 1);
        if (!page)
            return NULL;
        a->table[page].block_class = (uint8_t) class;
        a->table[page].map = class_map(class);
        arena_order();
        a->table[page].kind = PAGE_BLOCKS;
        partial_insert(a, page);
        arena_hide(a, arena_page_mem(a, page), ARENA_PAGE_BYTES);
    }
    struct page *p = &a->table[page];
    unsigned block = (unsigned)__builtin_ctzll(p->map);
    p->map &= p->map - 1;
    if (!p->map)
        partial_remove(a, page);
    return (char *)arena_page_mem(a, page) + ((size_t)block << (BLOCK_MIN_SHIFT + class));
}

/* False when there is no such living block. */
static bool block_free(struct arena *a, uint32_t page, const void *mem, unsigned class)
{
    struct page *p = &a->table[page];
    size_t off = (uintptr_t)mem % ARENA_PAGE_BYTES;
    uint64_t bit = 1ull << (off >> (BLOCK_MIN_SHIFT + class));

    if (p->kind != PAGE_BLOCKS || p->block_class != class || (p->map & bit) ||
        off & (((size_t)1 << (BLOCK_MIN_SHIFT + class)) - 1))
        return false;
    if (!p->map)
        partial_insert(a, page);
    p->map |= bit;
    arena_hide(a, mem, (size_t)1 << (BLOCK_MIN_SHIFT + class));
    if (p->map == class_map(class)) {
        partial_remove(a, page);
        arena_give(a, page, 1);
    }
    return true;
}

/* ---- the public face ---- */

struct arena *arena_init(void *mem, size_t size, size_t limit_bytes)
{
    struct arena *a = mem;
    size_t table_off = (sizeof *a + 63) & ~(size_t)63;

    a->base = mem;
    a->size_bytes = size;
    a->pages = pages_for(size - size % ARENA_PAGE_BYTES);
    a->table = (struct page *)(void *)(a->base + table_off);
    a->first = pages_for(table_off + a->pages * sizeof(struct page));
    a->top = a->first;
    arena_set_limit(a, limit_bytes);
    return a;
}

void arena_set_limit(struct arena *a, size_t limit_bytes)
{
    a->limit = limit_bytes ? pages_for(limit_bytes - limit_bytes % ARENA_PAGE_BYTES) : a->pages;
}

void arena_set_root(struct arena *a, void *root)
{
    a->root = root;
}

void *arena_root(const struct arena *a)
{
    return a->root;
}

bool arena_fails_now(struct arena *a)
{
    if (!a->fail_at || --a->fail_at > 0)
        return false;
    a->failures++;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *mem = NULL;

    if (arena_fails_now(a))
        return NULL;
    if (size <= ARENA_PAGE_BYTES / 2) {
        mem = block_alloc(a, class_of(size));
    } else {
        uint32_t page = arena_take(a, pages_for(size));
        if (page)
            mem = arena_page_mem(a, page);
    }
    if (mem)
        arena_show(a, mem, size);
    else
        a->failures++;
    return mem;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    const char *fresh = arena_page_mem(a, a->top);
    char *mem = arena_alloc(a, size);

    if (mem && mem < fresh) /* what was never handed out reads as zeros */
        memset(mem, 0, size);
    return mem;
}

void arena_misuse(struct arena *a, const void *p, const char *what)
{
    a->misuses++;
    log_error("arena: %s of %p, which is not allocated so", what, p);
}

void arena_free(struct arena *a, void *p, size_t size)
{
    if (!p)
        return;
    uint32_t page = arena_page_of(a, p);
    bool ok = false;

    if (page && size <= ARENA_PAGE_BYTES / 2) {
        ok = block_free(a, page, p, class_of(size));
    } else if (page) {
        ok = a->table[page].kind == PAGE_RUN && a->table[page].pages == pages_for(size) &&
             p == arena_page_mem(a, page);
        if (ok)
            arena_give(a, page, a->table[page].pages);
    }
    if (!ok)
        arena_misuse(a, p, "free");
}

void arena_rebuild(struct arena *a)
{
    uint32_t free_run = 0; /* the free run that ends just before page, in no bin yet */

    memset(a->free, 0, sizeof a->free);
    memset(a->partial, 0, sizeof a->partial);
    a->cache = a->cache_len = a->used = 0;
    for (uint32_t page = a->first, n; page < a->top; page += n) {
        struct page *p = &a->table[page];
        if (p->pages == 0)
            p->pages = 1;
        n = p->pages;
        if (p->kind == PAGE_BLOCKS && p->map == class_map(p->block_class))
            p->kind = PAGE_FREE;
        if (p->kind == PAGE_FREE || p->kind == PAGE_CACHED) {
            p->dirty = true;
            p->kind = PAGE_FREE;
            if (free_run)
                a->table[free_run].pages += n;
            else
                free_run = page;
            continue;
        }
        if (free_run)
            run_mark(a, free_run, page - free_run, PAGE_FREE, PAGE_FREE_TAIL);
        if (free_run)
            bin_insert(a, free_run);
        free_run = 0;
        a->used += n;
        if (p->kind == PAGE_BLOCKS && p->map)
            partial_insert(a, page);
        if (p->kind == PAGE_RUN)
            run_mark(a, page, n, PAGE_RUN, PAGE_RUN_TAIL);
    }
    if (free_run) {
        run_mark(a, free_run, a->top - free_run, PAGE_FREE, PAGE_FREE_TAIL);
        bin_insert(a, free_run);
    }
}

struct arena_stats arena_stats(const struct arena *a)
{
    return (struct arena_stats){
        .size_bytes = a->size_bytes,
        .used_bytes = (size_t)a->used * ARENA_PAGE_BYTES,
        .peak_bytes = (size_t)a->peak * ARENA_PAGE_BYTES,
        .failures = a->failures,
        .misuses = a->misuses,
    };
}

void arena_fail_at(struct arena *a, uint64_t fail_at)
{
    a->fail_at = fail_at;
}

void arena_watch(struct arena *a, bool on)
{
    if (!on)
        arena_show(a, arena_page_mem(a, a->first), (size_t)(a->top - a->first) * ARENA_PAGE_BYTES);
    a->watched = on;
}

bool arena_next_idle(struct arena *a, void **mem, size_t *len)
{
    const struct arena_bins *bins = &a->free[true];

    for (unsigned word = ARENA_BINS / 64; word-- > 0;) {
        if (!bins->map[word])
            continue;
        uint32_t page = bins->head[word * 64 + 63 - (unsigned)__builtin_clzll(bins->map[word])];
        bin_remove(a, page);
        a->table[page].dirty = false;
        bin_insert(a, page);
        *mem = arena_page_mem(a, page);
        *len = (size_t)a->table[page].pages * ARENA_PAGE_BYTES;
        return true;
    }
    return false;
}
