/*
 * Slabs: objects of one type in runs of pages.
 *
 * A run starts with its header and a bitmap of the living objects, then come the objects:
 *
 *    | struct slab_run | used[] | object | object | ... |
 *
 * The page table leads from an object to its run. The bitmap is the truth: a bit is set after
 * the object was filled with zeros and cleared before anything else happens when it is freed.
 * The lists and counters only save time, and slab_rebuild() makes them anew. A run without
 * living objects goes back to the arena at once.
 */
#include <string.h>

#include "base/arena_int.h"
#include "base/log.h"

struct slab_run {
    struct slab *slab;
    struct list all;     /* in slab->runs */
    struct list partial; /* in slab->partial while there is room */
    uint32_t live;
    uint32_t page;
    uint64_t used[]; /* a bit for each living object */
};

#define WASTE_PART 8  /* a run may waste one part in so many, */
#define RUN_PAGES  16 /* unless more pages than these over the least would be needed */

static uint32_t words_for(uint32_t objects)
{
    return (objects + 63) / 64;
}

static size_t header_bytes(uint32_t objects)
{
    return (sizeof(struct slab_run) + words_for(objects) * sizeof(uint64_t) + 15) & ~(size_t)15;
}

/* How many objects fit into a run of this many bytes. */
static uint32_t fitting(size_t bytes, uint32_t obj_bytes)
{
    uint32_t n = (uint32_t)((bytes - header_bytes(1)) / obj_bytes);
    while (n > 0 && header_bytes(n) + (size_t)n * obj_bytes > bytes)
        n--;
    return n;
}

void slab_init(struct slab *s, struct arena *a, uint32_t obj_bytes)
{
    memset(s, 0, sizeof *s);
    s->arena = a;
    list_init(&s->runs);
    list_init(&s->partial);
    s->obj_bytes = obj_bytes ? (obj_bytes + 15) & ~15u : 16;

    size_t least = header_bytes(1) + s->obj_bytes;
    s->run_pages = (uint32_t)((least + ARENA_PAGE_BYTES - 1) / ARENA_PAGE_BYTES);
    for (uint32_t max = s->run_pages + RUN_PAGES;; s->run_pages++) {
        size_t bytes = (size_t)s->run_pages * ARENA_PAGE_BYTES;
        s->per_run = fitting(bytes, s->obj_bytes);
        size_t waste = bytes - (size_t)s->per_run * s->obj_bytes;
        if (waste * WASTE_PART <= bytes || s->run_pages == max)
            break;
    }
    s->first_bytes = (uint32_t)header_bytes(s->per_run);
}

static void *run_object(const struct slab_run *run, uint32_t i)
{
    const struct slab *s = run->slab;
    return (char *)arena_page_mem(s->arena, run->page) + s->first_bytes + (size_t)i * s->obj_bytes;
}

/* The run of s that obj lies in, or NULL. */
static struct slab_run *run_of(const struct slab *s, const void *obj)
{
    const struct arena *a = s->arena;
    uint32_t page = arena_page_of(a, obj);

    if (page && a->table[page].kind == PAGE_SLAB_REST)
        page -= a->table[page].pages;
    if (!page || a->table[page].kind != PAGE_SLAB)
        return NULL;
    struct slab_run *run = arena_page_mem(a, page);
    return run->slab == s ? run : NULL;
}

static struct slab_run *run_new(struct slab *s)
{
    struct arena *a = s->arena;
    uint32_t page = arena_take(a, s->run_pages);
    if (!page)
        return NULL;

    struct slab_run *run = arena_page_mem(a, page);
    arena_hide(a, run, (size_t)s->run_pages * ARENA_PAGE_BYTES);
    arena_show(a, run, s->first_bytes);
    memset(run, 0, s->first_bytes);
    run->slab = s;
    run->page = page;
    for (uint32_t i = 1; i < s->run_pages; i++) {
        a->table[page + i].pages = i;
        a->table[page + i].kind = PAGE_SLAB_REST;
    }
    arena_order();
    a->table[page].kind = PAGE_SLAB;
    list_push_front(&s->runs, &run->all);
    list_push_front(&s->partial, &run->partial);
    return run;
}

static void run_delete(struct slab *s, struct slab_run *run)
{
    list_remove(&run->all);
    list_remove(&run->partial);
    arena_give(s->arena, run->page, s->run_pages);
}

void *slab_alloc(struct slab *s)
{
    if (arena_fails_now(s->arena))
        return NULL;
    struct list *room = list_first(&s->partial);
    struct slab_run *run = room ? container_of(room, struct slab_run, partial) : run_new(s);
    if (!run) {
        s->arena->failures++;
        return NULL;
    }
    uint32_t word = 0;
    while (run->used[word] == UINT64_MAX)
        word++;
    uint32_t bit = (uint32_t)__builtin_ctzll(~run->used[word]);
    void *obj = run_object(run, word * 64 + bit);
    arena_show(s->arena, obj, s->obj_bytes);
    memset(obj, 0, s->obj_bytes);
    arena_order();
    run->used[word] |= 1ull << bit;
    if (++run->live == s->per_run)
        list_remove(&run->partial);
    s->live++;
    return obj;
}

void slab_free(struct slab *s, void *obj)
{
    if (!obj)
        return;
    struct slab_run *run = run_of(s, obj);
    size_t off = run ? (size_t)((uintptr_t)obj - (uintptr_t)run_object(run, 0)) : 0;
    size_t i = off / s->obj_bytes;

    if (!run || i >= s->per_run || off % s->obj_bytes || !(run->used[i / 64] >> i % 64 & 1)) {
        arena_misuse(s->arena, obj, "slab_free");
        return;
    }
    run->used[i / 64] &= ~(1ull << i % 64);
    arena_order();
    arena_hide(s->arena, obj, s->obj_bytes);
    s->live--;
    if (run->live-- == s->per_run)
        list_push_front(&s->partial, &run->partial);
    if (run->live == 0)
        run_delete(s, run);
}

/* The first living object of the run from number i on, or NULL. */
static void *run_next(const struct slab_run *run, uint32_t i)
{
    uint32_t words = words_for(run->slab->per_run);

    for (uint32_t word = i / 64; word < words; word++) {
        uint64_t used = run->used[word];
        if (word == i / 64)
            used &= ~0ull << i % 64;
        if (used)
            return run_object(run, word * 64 + (uint32_t)__builtin_ctzll(used));
    }
    return NULL;
}

void *slab_next(const struct slab *s, const void *prev)
{
    const struct list *at = &s->runs;

    if (prev) {
        const struct slab_run *run = run_of(s, prev);
        if (!run)
            return NULL;
        size_t off = (uintptr_t)prev - (uintptr_t)run_object(run, 0);
        void *obj = run_next(run, (uint32_t)(off / s->obj_bytes) + 1);
        if (obj)
            return obj;
        at = &run->all;
    }
    for (struct list *l = at->next; l != &s->runs; l = l->next) {
        void *obj = run_next(container_of(l, struct slab_run, all), 0);
        if (obj)
            return obj;
    }
    return NULL;
}

void slab_rebuild(struct slab *s)
{
    struct arena *a = s->arena;

    struct list empty; /* given back after the walk, since that changes the page table */

    list_init(&s->runs);
    list_init(&s->partial);
    list_init(&empty);
    s->live = 0;
    for (uint32_t page = a->first, n; page < a->top; page += n) {
        n = a->table[page].pages;
        struct slab_run *run = arena_page_mem(a, page);
        if (a->table[page].kind != PAGE_SLAB || run->slab != s)
            continue;
        run->live = 0;
        for (uint32_t word = 0; word < words_for(s->per_run); word++)
            run->live += (uint32_t)__builtin_popcountll(run->used[word]);
        s->live += run->live;
        list_push(run->live > 0 ? &s->runs : &empty, &run->all);
        list_init(&run->partial);
        if (run->live > 0 && run->live < s->per_run)
            list_push(&s->partial, &run->partial);
    }
    while (!list_empty(&empty))
        run_delete(s, container_of(empty.next, struct slab_run, all));
}
