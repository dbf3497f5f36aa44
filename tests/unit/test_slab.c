#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "test_base.h"

#define MAX_OBJECTS 600

static size_t used(const struct arena *a)
{
    return arena_stats(a).used_bytes;
}

static struct slab *new_slab(struct arena *a, uint32_t obj_bytes)
{
    struct slab *s = arena_alloc(a, sizeof *s);
    slab_init(s, a, obj_bytes);
    return s;
}

static uint32_t count(const struct slab *s)
{
    uint32_t n = 0;
    for (void *obj = slab_next(s, NULL); obj; obj = slab_next(s, obj))
        n++;
    return n;
}

START_TEST(geometry)
{
    struct arena *a = test_arena(16u << 20, 0);

    for (uint32_t bytes = 1; bytes < 70000; bytes += 1 + bytes / 13) {
        struct slab s;
        slab_init(&s, a, bytes);
        ck_assert_uint_ge(s.obj_bytes, bytes);
        ck_assert_uint_eq(s.obj_bytes % 16, 0);
        ck_assert_uint_ge(s.per_run, 1);
        size_t run = (size_t)s.run_pages * ARENA_PAGE_BYTES;
        ck_assert_uint_le(s.first_bytes + (size_t)s.per_run * s.obj_bytes, run);
        ck_assert_uint_le((run - (size_t)s.per_run * s.obj_bytes) * 8, run);
    }
    test_arena_free(a);
}
END_TEST

static void check_living(const struct slab *s, char *const *objects, const uint8_t *fill)
{
    uint32_t living = 0, met = 0;

    for (int i = 0; i < MAX_OBJECTS; i++) {
        if (!objects[i])
            continue;
        living++;
        for (uint32_t k = 0; k < s->obj_bytes; k += 8)
            REQUIRE((uint8_t)objects[i][k] == fill[i]);
    }
    for (const char *obj = slab_next(s, NULL); obj; obj = slab_next(s, obj)) {
        int i = 0;
        while (i < MAX_OBJECTS && objects[i] != obj)
            i++;
        REQUIRE(i < MAX_OBJECTS);
        met++;
    }
    ck_assert_uint_eq(met, living);
    ck_assert_uint_eq(s->live, living);
}

/* Random alloc and free against a plain array, with rebuilding in between. */
START_TEST(random_model)
{
    static const uint32_t sizes[] = {1, 40, 256, 1000, 1500, 5000};
    struct arena *a = test_arena(32u << 20, 0);
    struct slab *s = new_slab(a, sizes[_i]);
    size_t base = used(a);
    char *objects[MAX_OBJECTS] = {0};
    uint8_t fill[MAX_OBJECTS];
    struct rng r;

    rng_seed(&r, (uint64_t)_i);
    for (int step = 0; step < 20000; step++) {
        uint32_t i = rng_below(&r, step / 5000 % 2 ? 40 : MAX_OBJECTS);
        if (objects[i]) {
            slab_free(s, objects[i]);
            objects[i] = NULL;
        } else {
            objects[i] = slab_alloc(s);
            REQUIRE(objects[i] && (uintptr_t)objects[i] % 16 == 0);
            for (uint32_t k = 0; k < s->obj_bytes; k++)
                REQUIRE(objects[i][k] == 0);
            fill[i] = (uint8_t)(1 + rng_below(&r, 255));
            memset(objects[i], fill[i], s->obj_bytes);
        }
        if (step % 1000 == 999) {
            arena_rebuild(a);
            slab_rebuild(s);
        }
        if (step % 500 == 499)
            check_living(s, objects, fill);
    }
    for (int i = 0; i < MAX_OBJECTS; i++)
        slab_free(s, objects[i]);
    ck_assert_uint_eq(s->live, 0);
    ck_assert_ptr_null(slab_next(s, NULL));
    ck_assert_uint_eq(used(a), base);
    ck_assert_uint_eq(arena_stats(a).misuses, 0);
    test_arena_free(a);
}
END_TEST

START_TEST(free_while_walking)
{
    struct arena *a = test_arena(4u << 20, 0);
    struct slab *s = new_slab(a, 700);
    size_t base = used(a);
    uint32_t n = 0;

    for (int i = 0; i < 200; i++)
        ck_assert_ptr_nonnull(slab_alloc(s));
    ck_assert_uint_eq(count(s), 200);
    for (void *obj = slab_next(s, NULL), *next; obj; obj = next, n++) {
        next = slab_next(s, obj);
        slab_free(s, obj);
    }
    ck_assert_uint_eq(n, 200);
    ck_assert_uint_eq(used(a), base);
    test_arena_free(a);
}
END_TEST

START_TEST(exhaustion)
{
    struct arena *a = test_arena(ARENA_MIN_BYTES, 0);
    struct slab *s = new_slab(a, 1000), *other = new_slab(a, 3000);
    uint32_t n = 0;

    arena_fail_at(a, 2);
    ck_assert_ptr_nonnull(slab_alloc(s));
    ck_assert_ptr_null(slab_alloc(s));
    ck_assert_ptr_nonnull(slab_alloc(s));
    ck_assert_uint_eq(arena_stats(a).failures, 1);
    while (slab_alloc(s))
        n++;
    ck_assert_uint_gt(n, 900);
    ck_assert_uint_eq(arena_stats(a).failures, 2);
    ck_assert_uint_eq(count(s), n + 2);
    ck_assert_ptr_null(slab_alloc(other));
    ck_assert_ptr_null(slab_next(other, NULL));
    for (void *obj = slab_next(s, NULL), *next; obj; obj = next) {
        next = slab_next(s, obj);
        slab_free(s, obj);
    }
    ck_assert_ptr_nonnull(slab_alloc(other));
    test_arena_free(a);
}
END_TEST

/* What a process leaves that died between the stores of an allocation or a free: lists and counters
 * are wrong, the bitmaps are right. */
START_TEST(rebuild_repairs_lists)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct slab *s = new_slab(a, 500), *t = new_slab(a, 1200);
    void *kept[100], *block = arena_alloc(a, 100), *run = arena_alloc(a, 3 * ARENA_PAGE_BYTES);
    size_t live;

    for (int i = 0; i < 100; i++) {
        kept[i] = slab_alloc(s);
        ck_assert_ptr_nonnull(slab_alloc(t));
    }
    for (int i = 0; i < 100; i += 2)
        slab_free(s, kept[i]);
    live = used(a);
    memset(&s->runs, 0x55, sizeof s->runs);
    memset(&s->partial, 0x55, sizeof s->partial);
    memset(&t->runs, 0x55, sizeof t->runs);
    s->live = t->live = 12345;
    arena_rebuild(a);
    slab_rebuild(s);
    slab_rebuild(t);
    ck_assert_uint_eq(s->live, 50);
    ck_assert_uint_eq(t->live, 100);
    ck_assert_uint_eq(count(s), 50);
    ck_assert_uint_eq(count(t), 100);
    ck_assert_uint_eq(used(a), live);
    for (int i = 1; i < 100; i += 2)
        slab_free(s, kept[i]);
    for (void *obj = slab_next(t, NULL), *next; obj; obj = next) {
        next = slab_next(t, obj);
        slab_free(t, obj);
    }
    arena_free(a, block, 100);
    arena_free(a, run, 3 * ARENA_PAGE_BYTES);
    arena_free(a, s, sizeof *s);
    arena_free(a, t, sizeof *t);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(arena_stats(a).misuses, 0);
    test_arena_free(a);
}
END_TEST

START_TEST(misuse_is_refused)
{
    struct arena *a = test_arena(4u << 20, 0);
    struct slab *s = new_slab(a, 100), *other = new_slab(a, 100);
    char *obj = slab_alloc(s), *second = slab_alloc(s), *foreign = slab_alloc(other);
    int outside;

    slab_free(s, NULL);
    slab_free(s, &outside);
    slab_free(s, obj + 16);
    slab_free(s, foreign);
    slab_free(s, second + s->obj_bytes);
    slab_free(s, (char *)((uintptr_t)obj & ~(uintptr_t)4095));
    arena_free(a, obj, 4096);
    arena_free(a, obj, 64);
    ck_assert_uint_eq(arena_stats(a).misuses, 7);
    slab_free(s, obj);
    slab_free(s, obj);
    ck_assert_uint_eq(arena_stats(a).misuses, 8);
    ck_assert_uint_eq(s->live, 1);
    ck_assert_uint_eq(other->live, 1);
    test_arena_free(a);
}
END_TEST

Suite *slab_suite(void)
{
    Suite *s = suite_create("slab");
    TCase *tc = tcase_create("slab");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, geometry);
    tcase_add_loop_test(tc, random_model, 0, 6);
    tcase_add_test(tc, free_while_walking);
    tcase_add_test(tc, exhaustion);
    tcase_add_test(tc, rebuild_repairs_lists);
    tcase_add_test(tc, misuse_is_refused);
    suite_add_tcase(s, tc);
    return s;
}
