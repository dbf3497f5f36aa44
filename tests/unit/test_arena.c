#include <string.h>
#include <sys/mman.h>

#include "base/arena_int.h"
#include "base/rng.h"
#include "test_base.h"

#define PAGE        ((size_t)ARENA_PAGE_BYTES)
#define CACHE_PAGES 256 /* single pages that are kept for reuse */

static size_t used(const struct arena *a)
{
    return arena_stats(a).used_bytes;
}

static void give_back(void *mem, size_t len)
{
    ck_assert_int_eq(madvise(mem, len, MADV_DONTNEED), 0);
}

/* The pages that one allocation can have at most. */
static size_t largest(struct arena *a)
{
    size_t low = 0, high = arena_stats(a).size_bytes / PAGE;
    while (low < high) {
        size_t mid = (low + high + 1) / 2;
        void *p = arena_alloc(a, mid * PAGE);
        if (p) {
            arena_free(a, p, mid * PAGE);
            low = mid;
        } else {
            high = mid - 1;
        }
    }
    return low;
}

START_TEST(alignment_and_classes)
{
    struct arena *a = test_arena(4u << 20, 0);

    for (size_t size = 1; size < 40000; size += 1 + size / 9) {
        char *p = arena_alloc(a, size), *q = arena_zalloc(a, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_ptr_nonnull(q);
        ck_assert_uint_eq((uintptr_t)p % (size >= PAGE ? PAGE : 16), 0);
        ck_assert(p + size <= q || q + size <= p);
        memset(p, 1, size);
        for (size_t i = 0; i < size; i++)
            REQUIRE(q[i] == 0);
        memset(q, 2, size);
        arena_free(a, p, size);
        arena_free(a, q, size);
        ck_assert_uint_eq(used(a), 0);
    }
    ck_assert_uint_eq(arena_stats(a).misuses, 0);
    ck_assert_ptr_null(arena_root(a));
    arena_set_root(a, a);
    ck_assert_ptr_eq(arena_root(a), a);
    test_arena_free(a);
}
END_TEST

START_TEST(blocks_share_a_page)
{
    struct arena *a = test_arena(4u << 20, 0);
    char *p[65];

    for (int i = 0; i < 64; i++)
        p[i] = arena_alloc(a, 64);
    ck_assert_uint_eq(used(a), PAGE);
    p[64] = arena_alloc(a, 33);
    ck_assert_uint_eq(used(a), 2 * PAGE);
    arena_free(a, p[10], 64);
    arena_free(a, p[64], 33);
    ck_assert_uint_eq(used(a), PAGE);
    ck_assert_ptr_eq(arena_alloc(a, 60), p[10]);
    ck_assert_ptr_nonnull(arena_alloc(a, 65));
    ck_assert_uint_eq(used(a), 2 * PAGE);
    ck_assert_uint_eq(arena_stats(a).peak_bytes, 2 * PAGE);
    test_arena_free(a);
}
END_TEST

START_TEST(freed_page_is_reused_first)
{
    struct arena *a = test_arena(4u << 20, 0);
    void *p = arena_alloc(a, PAGE), *q = arena_alloc(a, PAGE), *r = arena_alloc(a, 2 * PAGE);

    arena_free(a, p, PAGE);
    arena_free(a, q, PAGE);
    ck_assert_ptr_eq(arena_alloc(a, PAGE), q);
    ck_assert_ptr_eq(arena_alloc(a, PAGE), p);
    arena_free(a, r, 2 * PAGE);
    ck_assert_ptr_eq(arena_alloc(a, 2 * PAGE), r);
    test_arena_free(a);
}
END_TEST

/* Free neighbours on either side become one run, whatever the order. */
START_TEST(coalescing)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct arena *a = test_arena(8u << 20, 0);
    char *run[3];

    for (int i = 0; i < 3; i++)
        run[i] = arena_alloc(a, (size_t)(i + 2) * PAGE);
    void *stop = arena_alloc(a, PAGE);
    for (int i = 0; i < 3; i++)
        arena_free(a, run[orders[_i][i]], (size_t)(orders[_i][i] + 2) * PAGE);
    ck_assert_ptr_eq(arena_alloc(a, 9 * PAGE), run[0]);
    ck_assert_uint_eq(used(a), 10 * PAGE);
    ck_assert_ptr_nonnull(stop);
    test_arena_free(a);
}
END_TEST

/* A free run at the end of what was touched is made longer instead of left behind. */
START_TEST(last_run_grows)
{
    struct arena *a = test_arena(8u << 20, 0);
    char *p = arena_alloc(a, 5 * PAGE), *q = arena_alloc(a, 3 * PAGE);

    arena_free(a, q, 3 * PAGE);
    ck_assert_ptr_eq(arena_alloc(a, 20 * PAGE), p + 5 * PAGE);
    test_arena_free(a);
}
END_TEST

/* A run that is not among the first of its bin is found when it is the last before fresh memory. */
START_TEST(last_run_serves)
{
    struct arena *a = test_arena(8u << 20, 0);
    char *run[10];

    for (int i = 0; i < 10; i++) {
        run[i] = arena_alloc(a, (i < 9 ? 17 : 19) * PAGE);
        if (i < 9)
            ck_assert_ptr_nonnull(arena_alloc(a, PAGE)); /* keeps them apart */
    }
    for (int i = 10; i-- > 0;)
        arena_free(a, run[i], (i < 9 ? 17 : 19) * PAGE);
    ck_assert_ptr_eq(arena_alloc(a, 19 * PAGE), run[9]);
    ck_assert_ptr_eq(arena_alloc(a, 17 * PAGE), run[0]);
    test_arena_free(a);
}
END_TEST

START_TEST(whole_arena)
{
    struct arena *a = test_arena(8u << 20, 0);
    size_t all = largest(a);
    void *p[3000];
    size_t n = 0;

    ck_assert_uint_gt(all, 2000);
    ck_assert_uint_lt(all, 2048);
    while ((p[n] = arena_alloc(a, PAGE)) != NULL)
        n++;
    ck_assert_uint_eq(n, all);
    ck_assert_uint_eq(used(a), all * PAGE);
    for (size_t i = 0; i < n; i += 2)
        arena_free(a, p[i], PAGE);
    ck_assert_uint_eq(largest(a), 1);
    for (size_t i = 1; i < n; i += 2)
        arena_free(a, p[i], PAGE);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(largest(a), all);
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX - PAGE));
    test_arena_free(a);
}
END_TEST

START_TEST(limit)
{
    struct arena *a = test_arena(8u << 20, 100 * PAGE);
    void *p = arena_alloc(a, 99 * PAGE), *q = arena_alloc(a, 2000);

    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_nonnull(arena_alloc(a, 2000));
    ck_assert_ptr_null(arena_alloc(a, PAGE));
    ck_assert_ptr_null(arena_alloc(a, 1));
    ck_assert_uint_eq(arena_stats(a).failures, 2);
    arena_set_limit(a, 101 * PAGE);
    ck_assert_ptr_nonnull(arena_alloc(a, PAGE));
    arena_set_limit(a, 50 * PAGE);
    ck_assert_ptr_null(arena_alloc(a, PAGE));
    arena_free(a, p, 99 * PAGE);
    ck_assert_ptr_nonnull(arena_alloc(a, 48 * PAGE));
    ck_assert_ptr_null(arena_alloc(a, PAGE));
    test_arena_free(a);
}
END_TEST

START_TEST(fail_at)
{
    struct arena *a = test_arena(8u << 20, 0);

    arena_fail_at(a, 3);
    ck_assert_ptr_nonnull(arena_alloc(a, 10));
    ck_assert_ptr_nonnull(arena_zalloc(a, PAGE));
    ck_assert_ptr_null(arena_zalloc(a, 10));
    ck_assert_ptr_nonnull(arena_alloc(a, 10));
    arena_fail_at(a, 1);
    arena_fail_at(a, 0);
    ck_assert_ptr_nonnull(arena_alloc(a, 10));
    ck_assert_uint_eq(arena_stats(a).failures, 1);
    test_arena_free(a);
}
END_TEST

START_TEST(misuse_is_refused)
{
    struct arena *a = test_arena(8u << 20, 0);
    char *run = arena_alloc(a, 4 * PAGE), *block = arena_alloc(a, 128),
         *page = arena_alloc(a, PAGE);
    uint64_t bad = 0;
    int outside;

    arena_free(a, NULL, 128);
    arena_free(a, &outside, 128), bad++;
    arena_free(a, a, PAGE), bad++;
    arena_free(a, run, 3 * PAGE), bad++;
    arena_free(a, run + PAGE, 3 * PAGE), bad++;
    arena_free(a, run + 3 * PAGE, PAGE), bad++;
    arena_free(a, run, 128), bad++;
    arena_free(a, block, 64), bad++;
    arena_free(a, block + 16, 128), bad++;
    arena_free(a, block + 128, 128), bad++;
    arena_free(a, block, PAGE), bad++;
    arena_free(a, page + 1, PAGE), bad++;
    arena_free(a, page + 100 * PAGE, PAGE), bad++;
    ck_assert_uint_eq(arena_stats(a).misuses, bad);
    arena_free(a, run, 4 * PAGE);
    arena_free(a, run, 4 * PAGE), bad++;
    arena_free(a, page, PAGE);
    arena_free(a, page, PAGE), bad++;
    arena_free(a, block, 128);
    arena_free(a, block, 128), bad++;
    ck_assert_uint_eq(arena_stats(a).misuses, bad);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

/* Idle runs are named once, do not overlap what lives, and need naming again after use. */
START_TEST(idle_runs)
{
    struct arena *a = test_arena(64u << 20, 0);
    char *big = arena_alloc(a, 1000 * PAGE), *live = arena_alloc(a, PAGE), *mem2;
    char *small = arena_alloc(a, 10 * PAGE);
    void *mem;
    size_t len;

    memset(live, 7, PAGE);
    ck_assert(!arena_next_idle(a, &mem, &len));
    arena_free(a, small, 10 * PAGE);
    arena_free(a, big, 1000 * PAGE);
    ck_assert(arena_next_idle(a, &mem, &len));
    ck_assert_ptr_eq(mem, big);
    ck_assert_uint_eq(len, 1000 * PAGE);
    give_back(mem, len);
    ck_assert(arena_next_idle(a, &mem, &len));
    ck_assert_ptr_eq(mem, small);
    ck_assert_uint_eq(len, 10 * PAGE);
    give_back(mem, len);
    ck_assert(!arena_next_idle(a, &mem, &len));
    for (size_t i = 0; i < PAGE; i++)
        REQUIRE(live[i] == 7);

    /* Dirty memory is handed out before memory given back. */
    mem2 = arena_alloc(a, 20 * PAGE);
    void *mem3 = arena_alloc(a, 20 * PAGE);
    arena_free(a, mem2, 20 * PAGE);
    ck_assert(arena_next_idle(a, &mem, &len));
    ck_assert(!arena_next_idle(a, &mem, &len));
    arena_free(a, mem3, 20 * PAGE);
    ck_assert(arena_next_idle(a, &mem, &len));
    ck_assert_ptr_eq(mem, big);
    ck_assert_uint_eq(len, 1000 * PAGE);
    test_arena_free(a);
}
END_TEST

START_TEST(cached_pages_are_not_idle)
{
    struct arena *a = test_arena(64u << 20, 0);
    void *p[CACHE_PAGES + 20], *mem;
    size_t len, idle = 0;

    for (int i = 0; i < CACHE_PAGES + 20; i++)
        p[i] = arena_alloc(a, PAGE);
    for (int i = 0; i < CACHE_PAGES; i++)
        arena_free(a, p[i], PAGE);
    ck_assert(!arena_next_idle(a, &mem, &len));
    for (int i = CACHE_PAGES; i < CACHE_PAGES + 20; i++)
        arena_free(a, p[i], PAGE);
    while (arena_next_idle(a, &mem, &len))
        idle += len;
    ck_assert_uint_eq(idle, 20 * PAGE);
    test_arena_free(a);
}
END_TEST

/* 64 GB of address space: what is touched does not grow with it. */
START_TEST(sparse)
{
    size_t size = (size_t)64 << 30, resident = 0;
    struct arena *a = test_arena(size, 0);
    static unsigned char in_core[((size_t)1 << 30) / 4096];
    void *p, *huge;

    arena_watch(a, false); /* its own book-keeping is in proportion */
    p = arena_alloc(a, PAGE);
    huge = arena_alloc(a, (size_t)40 << 30);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(huge);
    arena_free(a, huge, (size_t)40 << 30);
    ck_assert_int_eq(mincore(a, (size_t)1 << 30, in_core), 0);
    for (size_t i = 0; i < sizeof in_core; i++)
        resident += in_core[i] & 1;
    ck_assert_uint_lt(resident, 16);
    test_arena_free(a);
}
END_TEST

#ifdef ARENA_ASAN
static const int watched = 1;
static int hidden(const char *p)
{
    return __asan_address_is_poisoned(p);
}
#else
static const int watched = 0;
static int hidden(const char *p)
{
    return 0;
}
#endif

/* In a build with AddressSanitizer, what is not allocated may not be touched. */
START_TEST(watch)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct slab s;
    char *block = arena_alloc(a, 100), *run = arena_alloc(a, 3 * PAGE), *obj, *second;

    slab_init(&s, a, 40);
    obj = slab_alloc(&s);
    second = slab_alloc(&s);
    ck_assert_int_eq(hidden(block), 0);
    ck_assert_int_eq(hidden(block + 99), 0);
    ck_assert_int_eq(hidden(block + 100), watched);
    ck_assert_int_eq(hidden(obj + s.obj_bytes - 1), 0);
    ck_assert_int_eq(hidden(second + s.obj_bytes), watched);
    ck_assert_int_eq(hidden(run + 3 * PAGE - 1), 0);
    slab_free(&s, obj);
    ck_assert_int_eq(hidden(obj), watched);
    ck_assert_int_eq(hidden(second), 0);
    arena_free(a, block, 100);
    arena_free(a, run, 3 * PAGE);
    ck_assert_int_eq(hidden(block), watched);
    ck_assert_int_eq(hidden(run), watched);
    ck_assert_int_eq(hidden(run + 3 * PAGE - 1), watched);
    ck_assert_ptr_eq(slab_alloc(&s), obj);
    ck_assert_int_eq(hidden(obj), 0);
    arena_watch(a, false);
    ck_assert_int_eq(hidden(block), 0);
    ck_assert_int_eq(hidden(run), 0);
    test_arena_free(a);
}
END_TEST

struct block {
    unsigned char *mem;
    size_t size;
    unsigned char fill;
};

static size_t random_size(struct rng *r)
{
    switch (rng_below(r, 8)) {
    case 0:
    case 1:
        return 1 + rng_below(r, 2500);
    case 2:
        return 1 + rng_below(r, 40 * PAGE);
    case 3:
        return PAGE * (1 + rng_below(r, 4));
    default:
        return PAGE;
    }
}

static void check_block(const struct block *b)
{
    for (size_t i = 0; i < b->size; i += i % 64 == 0 ? 63 : 1)
        REQUIRE(b->mem[i] == b->fill);
    REQUIRE(b->mem[b->size - 1] == b->fill);
}

/* Random allocations in an arena that is often full: contents stay, nothing overlaps, nothing is
 * lost; also through rebuilding and giving back. */
START_TEST(random_model)
{
    enum { BLOCKS = 600 };
    struct arena *a = test_arena(4u << 20, 0);
    struct block blocks[BLOCKS] = {0};
    size_t all = largest(a), len, refused = 0;
    struct rng r;
    void *mem;

    rng_seed(&r, (uint64_t)_i);
    for (int step = 0; step < 30000; step++) {
        struct block *b = &blocks[rng_below(&r, BLOCKS)];
        if (b->mem) {
            check_block(b);
            arena_free(a, b->mem, b->size);
            b->mem = NULL;
        } else {
            b->size = random_size(&r);
            b->fill = (unsigned char)rng_below(&r, 256);
            bool zero = rng_below(&r, 2);
            b->mem = zero ? arena_zalloc(a, b->size) : arena_alloc(a, b->size);
            refused += !b->mem;
            for (size_t i = 0; b->mem && zero && i < b->size; i += 7)
                REQUIRE(b->mem[i] == 0);
            if (b->mem)
                memset(b->mem, b->fill, b->size);
        }
        if (_i % 2 && rng_below(&r, 1000) == 0) {
            size_t before = used(a);
            arena_rebuild(a);
            ck_assert_uint_eq(used(a), before);
        }
        if (rng_below(&r, 500) == 0)
            while (arena_next_idle(a, &mem, &len))
                give_back(mem, len);
    }
    ck_assert_uint_gt(refused, 0);
    for (int i = 0; i < BLOCKS; i++) {
        if (!blocks[i].mem)
            continue;
        check_block(&blocks[i]);
        arena_free(a, blocks[i].mem, blocks[i].size);
    }
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(arena_stats(a).misuses, 0);
    ck_assert_uint_eq(largest(a), all);
    arena_rebuild(a);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(largest(a), all);
    test_arena_free(a);
}
END_TEST

Suite *arena_suite(void)
{
    Suite *s = suite_create("arena");
    TCase *tc = tcase_create("arena");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, alignment_and_classes);
    tcase_add_test(tc, blocks_share_a_page);
    tcase_add_test(tc, freed_page_is_reused_first);
    tcase_add_loop_test(tc, coalescing, 0, 6);
    tcase_add_test(tc, last_run_grows);
    tcase_add_test(tc, last_run_serves);
    tcase_add_test(tc, whole_arena);
    tcase_add_test(tc, limit);
    tcase_add_test(tc, fail_at);
    tcase_add_test(tc, misuse_is_refused);
    tcase_add_test(tc, idle_runs);
    tcase_add_test(tc, cached_pages_are_not_idle);
    tcase_add_test(tc, sparse);
    tcase_add_test(tc, watch);
    tcase_add_loop_test(tc, random_model, 0, 8);
    suite_add_tcase(s, tc);
    return s;
}
