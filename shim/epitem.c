/*
 * The table of items.
 *
 * Items live in chunks that are never unmapped; a handle is an index and the generation of the item
 * that had it. The way from a key to its item goes by the descriptor's number: a two-level array of
 * chains, which are short, because a number is seldom registered twice (in several sets, or again
 * for another description after it was reused).
 */
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>

#include "epitem.h"

#define CHUNK_BITS 9 /* 512 items of 104 bytes: 13 pages */
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define CHUNKS     (1u << 16)
#define LEAF_BITS  10 /* one page of indices */
#define LEAF_SIZE  (1u << LEAF_BITS)
#define LEAVES     (((uint32_t)INT_MAX >> LEAF_BITS) + 1)

static struct epitem *chunks[CHUNKS];
static uint32_t *by_fd[LEAVES]; /* index of the first item with that number; 0: none */
static uint32_t used = 1;       /* items ever made, and index 0, which nobody gets */
static uint32_t free_first;     /* index; 0: none */

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static struct epitem *at(uint32_t index)
{
    return &chunks[index >> CHUNK_BITS][index & (CHUNK_SIZE - 1)];
}

/* The head of fd's chain; NULL: nothing of its neighbourhood was ever registered. */
static uint32_t *chain(int fd)
{
    uint32_t *leaf = by_fd[(uint32_t)fd >> LEAF_BITS];
    return leaf ? &leaf[(uint32_t)fd & (LEAF_SIZE - 1)] : NULL;
}

static uint32_t *chain_make(int fd)
{
    uint32_t **leaf = &by_fd[(uint32_t)fd >> LEAF_BITS];
    if (!*leaf)
        *leaf = map(LEAF_SIZE * sizeof(**leaf));
    return chain(fd);
}

static struct epitem *take_free(void)
{
    if (free_first) {
        struct epitem *it = at(free_first);
        free_first = it->next;
        return it;
    }
    uint32_t chunk = used >> CHUNK_BITS;
    if (chunk >= CHUNKS)
        return NULL;
    if (!chunks[chunk])
        chunks[chunk] = map(CHUNK_SIZE * sizeof(struct epitem));
    if (!chunks[chunk])
        return NULL;
    struct epitem *it = at(used);
    it->index = used++;
    it->generation = 1;
    return it;
}

struct epitem *epitem_new(struct epset *set, uint64_t cookie, int fd)
{
    uint32_t *head = chain_make(fd);
    struct epitem *it = head ? take_free() : NULL;
    if (!it)
        return NULL;
    list_init(&it->ready);
    list_init(&it->of_set);
    it->set = set;
    it->waiter = NULL;
    it->cookie = cookie;
    it->fd = fd;
    it->events = 0;
    it->data = 0;
    it->next = *head;
    *head = it->index;
    return it;
}

void epitem_free(struct epitem *it)
{
    uint32_t *p = chain(it->fd);
    while (*p != it->index)
        p = &at(*p)->next;
    *p = it->next;
    list_remove(&it->of_set);
    it->set = NULL;
    it->waiter = NULL;
    it->generation++;
    it->next = free_first;
    free_first = it->index;
}

struct epitem *epitem_find(const struct epset *set, uint64_t cookie, int fd)
{
    const uint32_t *head = chain(fd);
    for (uint32_t i = head ? *head : 0; i; i = at(i)->next) {
        struct epitem *it = at(i);
        if (it->set == set && it->cookie == cookie)
            return it;
    }
    return NULL;
}

void *epitem_handle(const struct epitem *it)
{
    return (void *)(uintptr_t)((uint64_t)it->generation << 32 | it->index);
}

struct epitem *epitem_of(void *handle)
{
    uint64_t h = (uint64_t)(uintptr_t)handle;
    uint32_t index = (uint32_t)h;
    if (index == 0 || index >= used)
        return NULL;
    struct epitem *it = at(index);
    return it->set && it->generation == (uint32_t)(h >> 32) ? it : NULL;
}

/* ---- ready lists ---- */

void epready_init(struct epready *r)
{
    list_init(&r->items);
    r->count = 0;
}

bool epready_push(struct epready *r, struct epitem *it)
{
    if (!list_empty(&it->ready))
        return false;
    list_push(&r->items, &it->ready);
    r->count++;
    return true;
}

void epready_drop(struct epready *r, struct epitem *it)
{
    if (list_empty(&it->ready))
        return;
    list_remove(&it->ready);
    r->count--;
}

static struct epitem *pop(struct epready *r)
{
    struct list *n = list_pop(&r->items);
    r->count--;
    return container_of(n, struct epitem, ready);
}

int epready_take(struct epready *r, struct epoll_event *out, int max,
                 uint32_t (*poll)(struct epitem *it), void (*spent)(struct epitem *it))
{
    int n = 0;
    for (uint32_t left = r->count; left > 0 && n < max; left--) {
        struct epitem *it = pop(r);
        uint32_t events = it->events;
        uint32_t now = poll(it) & events & ~EPITEM_HOW_BITS;
        if (!now)
            continue;
        out[n++] = (struct epoll_event){.events = now, .data.u64 = it->data};
        if (events & EPOLLONESHOT) {
            it->events &= EPITEM_HOW_BITS;
            spent(it);
        } else if (!(events & EPOLLET)) {
            epready_push(r, it);
        }
    }
    return n;
}

bool epready_check(struct epready *r, uint32_t (*poll)(struct epitem *it))
{
    while (r->count > 0) {
        struct epitem *it = pop(r);
        uint32_t events = it->events;
        if (!(poll(it) & events & ~EPITEM_HOW_BITS))
            continue;
        list_push_front(&r->items, &it->ready);
        r->count++;
        return true;
    }
    return false;
}
