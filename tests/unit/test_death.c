/*
 * A process may die at any instruction inside the arena. These tests run a script in a child that
 * is traced one instruction at a time. Whenever shared memory has changed, the parent does what the
 * next owner would do (rebuild), checks that all is well, puts the memory back as it was and
 * lets the child go on.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/ring.h"
#include "base/rng.h"
#include "base/timer.h"
#include "test_base.h"

#define PAGE    ((size_t)ARENA_PAGE_BYTES)
#define ITEMS   12
#define STEPS   60
#define OBJ     500
#define CONTROL 4096u
#define WORLD   (CONTROL + ARENA_MIN_BYTES)
#define WATCHED (CONTROL + 64 * ARENA_PAGE_BYTES) /* the scripts stay within */

enum state { NONE, ALLOCATING, LIVE, FREEING };

struct item {
    enum state state;
    size_t size; /* 0: an object of the slab */
    char *mem;
    struct timer timer;
    struct hash_node node;
};

/* All that parent and child share; the arena follows at CONTROL. */
struct world {
    struct arena *arena;
    struct slab *slab;
    uint64_t seed;
    size_t base_bytes; /* what the test itself uses of the arena */
    struct item items[ITEMS];
    struct timers timers;
    struct hash hash;
    struct ring ring;
    volatile bool started;
};

static struct world *w;
static char seen[WATCHED]; /* the memory as the child left it */

static void world_init(void)
{
    ck_assert_uint_le(sizeof *w, CONTROL);
    w = mmap(NULL, WORLD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(w, MAP_FAILED);
    w->arena = arena_init((char *)w + CONTROL, ARENA_MIN_BYTES, 0);
    w->slab = arena_alloc(w->arena, sizeof *w->slab);
    slab_init(w->slab, w->arena, OBJ);
    w->base_bytes = arena_stats(w->arena).used_bytes;
}

/* Runs script in a child and verify() in each state of memory that its death could leave behind.
 * Returns the number of these states. */
static unsigned die_everywhere(void (*script)(void), void (*verify)(void))
{
    unsigned states = 0;
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        w->started = true;
        script();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
    for (;;) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        REQUIRE(waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status))
            break;
        REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
        if (!w->started || memcmp(seen, w, WATCHED) == 0)
            continue;
        memcpy(seen, w, WATCHED);
        verify();
        memcpy(w, seen, WATCHED);
        states++;
    }
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    return states;
}

/* ---- the arena and a slab ---- */

static size_t bytes_of(const struct item *item)
{
    return item->size ? item->size : OBJ;
}

static void do_alloc(int i, size_t size)
{
    struct item *item = &w->items[i];

    item->size = size;
    item->state = ALLOCATING;
    item->mem = size ? arena_alloc(w->arena, size) : slab_alloc(w->slab);
    if (item->mem + bytes_of(item) > (char *)w + WATCHED)
        _exit(1);
    memset(item->mem, i + 1, 32);
    memset(item->mem + bytes_of(item) - 32, i + 1, 32);
    item->state = LIVE;
}

static void do_free(int i)
{
    struct item *item = &w->items[i];

    item->state = FREEING;
    if (item->size)
        arena_free(w->arena, item->mem, item->size);
    else
        slab_free(w->slab, item->mem);
    item->state = NONE;
}

/* Random but for a fixed seed; blocks and pages are often split, merged and used for something
 * else. */
static void arena_script(void)
{
    static const size_t sizes[] = {PAGE, PAGE, 2 * PAGE, 3 * PAGE, 7 * PAGE, 64,
                                   200,  2000, 2000,     0,        0,        0};
    struct rng rng;

    rng_seed(&rng, w->seed);
    for (int step = 0; step < STEPS; step++) {
        int i = (int)rng_below(&rng, ITEMS);
        if (w->items[i].state == LIVE)
            do_free(i);
        else
            do_alloc(i, sizes[rng_below(&rng, sizeof sizes / sizeof *sizes)]);
    }
    for (int i = 0; i < ITEMS; i++)
        if (w->items[i].state == LIVE)
            do_free(i);
}

/* All free memory can be had, page by page. */
static void check_free_memory(void)
{
    struct arena_stats stats = arena_stats(w->arena);
    size_t pages = 0;

    while (arena_alloc(w->arena, PAGE))
        pages++;
    REQUIRE(stats.used_bytes / PAGE + pages <= stats.size_bytes / PAGE);
    REQUIRE(stats.used_bytes / PAGE + pages >= stats.size_bytes / PAGE - 3);
}

static void check_item(const struct item *item)
{
    for (int k = 0; k < 32; k++) {
        REQUIRE(item->mem[k] == item - w->items + 1);
        REQUIRE(item->mem[bytes_of(item) - 32 + (size_t)k] == item - w->items + 1);
    }
}

/* Takes all memory there is and writes on it. */
static void spoil_free_memory(void)
{
    static const size_t sizes[] = {64, 200, 2000, PAGE};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (char *p; (p = arena_alloc(w->arena, sizes[i])) != NULL;)
            memset(p, 0xff, 64);
}

/* An object that its owner does not know yet was filled with zeros first. */
static void check_new_object(const char *obj)
{
    int filler = 0;

    for (int i = 0; i < ITEMS; i++) {
        if (w->items[i].state == LIVE && w->items[i].mem == obj)
            return;
        if (w->items[i].state == FREEING)
            return;
        if (w->items[i].state == ALLOCATING)
            filler = i + 1;
    }
    for (int k = 0; k < OBJ; k++)
        REQUIRE(obj[k] == 0 || obj[k] == filler);
}

static void arena_verify(void)
{
    unsigned objects = 0, living = 0, in_flight = 0;
    size_t lost = 0;

    arena_rebuild(w->arena);
    spoil_free_memory();
    for (int i = 0; i < ITEMS; i++)
        if (w->items[i].state == LIVE)
            check_item(&w->items[i]);

    memcpy(w, seen, WATCHED);
    arena_rebuild(w->arena);
    slab_rebuild(w->slab);
    for (void *obj = slab_next(w->slab, NULL); obj; obj = slab_next(w->slab, obj)) {
        check_new_object(obj);
        objects++;
    }
    for (int i = 0; i < ITEMS; i++) {
        const struct item *item = &w->items[i];
        bool moving = item->state == ALLOCATING || item->state == FREEING;
        if (moving)
            lost = (bytes_of(item) + PAGE - 1) / PAGE * PAGE;
        living += item->state == LIVE && !item->size;
        in_flight += moving && !item->size;
        if (item->state == LIVE && item->size)
            arena_free(w->arena, item->mem, item->size);
    }
    REQUIRE(objects == w->slab->live);
    REQUIRE(objects >= living && objects <= living + in_flight);
    for (void *obj = slab_next(w->slab, NULL), *next; obj; obj = next) {
        next = slab_next(w->slab, obj);
        slab_free(w->slab, obj);
    }
    struct arena_stats stats = arena_stats(w->arena);
    REQUIRE(stats.misuses == 0);
    REQUIRE(stats.used_bytes >= w->base_bytes);
    REQUIRE(stats.used_bytes <= w->base_bytes + lost);
    check_free_memory();
}

START_TEST(death_in_the_arena)
{
    world_init();
    w->seed = (uint64_t)_i;
    ck_assert_uint_gt(die_everywhere(arena_script, arena_verify), 300);
    ck_assert_uint_eq(arena_stats(w->arena).used_bytes, w->base_bytes);
}
END_TEST

/* ---- timers ---- */

static void timer_script(void)
{
    for (uint64_t i = 0; i < 12; i++)
        timer_set(&w->timers, &w->items[i].timer, 100 + i * 37 % 12);
    timer_set(&w->timers, &w->items[3].timer, 50);
    timer_set(&w->timers, &w->items[0].timer, 300);
    timers_pop_due(&w->timers, 102);
    for (uint64_t i = 0; i < 6; i++)
        timer_stop(&w->timers, &w->items[i * 2].timer);
    while (timers_pop_due(&w->timers, TIMER_NEVER))
        ;
}

static void timer_verify(void)
{
    uint32_t armed = 0;
    uint64_t last = 0;
    struct timer *t;

    w->timers = (struct timers){0};
    for (int i = 0; i < ITEMS; i++) {
        armed += timer_armed(&w->items[i].timer);
        timer_rescue(&w->timers, &w->items[i].timer);
    }
    REQUIRE(w->timers.count == armed);
    for (; (t = timers_pop_due(&w->timers, TIMER_NEVER)) != NULL; armed--) {
        REQUIRE(t->deadline_us >= last);
        last = t->deadline_us;
    }
    REQUIRE(armed == 0);
}

START_TEST(death_among_timers)
{
    world_init();
    for (int i = 0; i < ITEMS; i++)
        timer_init(&w->items[i].timer, 0);
    ck_assert_uint_gt(die_everywhere(timer_script, timer_verify), 100);
}
END_TEST

/* ---- hash ---- */

static void hash_script(void)
{
    for (uint64_t i = 0; i < ITEMS; i++) {
        hash_insert(&w->hash, &w->items[i].node, i * 0x9e3779b97f4a7c15u >> 7);
        w->items[i].state = LIVE;
    }
    for (uint64_t i = 0; i < ITEMS; i += 3) {
        w->items[i].state = NONE;
        hash_remove(&w->hash, &w->items[i].node);
    }
}

static void hash_verify(void)
{
    uint64_t living = 0, met = 0;

    arena_rebuild(w->arena);
    hash_reset(&w->hash);
    for (uint64_t i = 0; i < ITEMS; i++) {
        if (w->items[i].state != LIVE)
            continue;
        hash_insert(&w->hash, &w->items[i].node, w->items[i].node.hash);
        living++;
    }
    for (uint64_t i = 0; i < ITEMS; i++) {
        struct hash_node *n = hash_first(&w->hash, i * 0x9e3779b97f4a7c15u >> 7);
        REQUIRE(n == (w->items[i].state == LIVE ? &w->items[i].node : NULL));
    }
    for (struct hash_node *n = hash_walk(&w->hash, NULL); n; n = hash_walk(&w->hash, n))
        met++;
    REQUIRE(met == living && w->hash.count == living);
    hash_destroy(&w->hash);
    struct arena_stats stats = arena_stats(w->arena);
    REQUIRE(stats.misuses <= 1); /* the mask may be that of the table before */
    REQUIRE(stats.used_bytes <= w->base_bytes + 2 * PAGE);
    check_free_memory();
}

START_TEST(death_in_a_hash_table)
{
    world_init();
    ck_assert(hash_init(&w->hash, w->arena, 4));
    ck_assert_uint_gt(die_everywhere(hash_script, hash_verify), 100);
}
END_TEST

/* ---- ring ---- */

static void ring_script(void)
{
    static const char data[3000] = {1, 2, 3};

    for (int i = 0; i < 8; i++)
        ring_append(&w->ring, data, sizeof data);
    ring_write_at(&w->ring, w->ring.end + 20000, data, sizeof data); /* the table grows */
    ring_consume(&w->ring, 9000, w->ring.end + 20000 + sizeof data);
    ring_truncate(&w->ring, w->ring.end, w->ring.end + 20000 + sizeof data);
    ring_consume(&w->ring, ring_len(&w->ring), w->ring.end);
}

static void ring_verify(void)
{
    arena_rebuild(w->arena);
    ring_clear(&w->ring);
    struct arena_stats stats = arena_stats(w->arena);
    REQUIRE(stats.misuses <= 1); /* the length may be that of the table before */
    /* One chunk may be lost, and a table each of two sizes. */
    REQUIRE(stats.used_bytes <= w->base_bytes + 3 * PAGE);
    check_free_memory();
}

START_TEST(death_in_a_ring)
{
    world_init();
    ring_init(&w->ring, w->arena, 0);
    ck_assert_uint_gt(die_everywhere(ring_script, ring_verify), 100);
    ck_assert_uint_eq(arena_stats(w->arena).used_bytes, w->base_bytes);
}
END_TEST

Suite *death_suite(void)
{
    Suite *s = suite_create("death");
    TCase *tc = tcase_create("death");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, death_in_the_arena, 0, 2);
    tcase_add_test(tc, death_among_timers);
    tcase_add_test(tc, death_in_a_hash_table);
    tcase_add_test(tc, death_in_a_ring);
    suite_add_tcase(s, tc);
    return s;
}
