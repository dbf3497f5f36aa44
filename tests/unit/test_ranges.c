#include <string.h>

#include "base/ranges.h"
#include "base/rng.h"
#include "test_base.h"

#define SPACE 400

static size_t used(const struct arena *a)
{
    return arena_stats(a).used_bytes;
}

START_TEST(add_merges)
{
    struct arena *a = test_arena(4u << 20, 0);
    struct ranges rs;

    ranges_init(&rs, a, 100);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(ranges_total(&rs), 0);
    ck_assert_uint_eq(ranges_end_of(&rs, 5), 5);
    ck_assert(!ranges_contain(&rs, 5, 6));
    ck_assert(ranges_contain(&rs, 5, 5));
    ck_assert(ranges_add(&rs, 10, 20));
    ck_assert(ranges_add(&rs, 30, 40));
    ck_assert_uint_eq(rs.len, 2);
    ck_assert_uint_eq(ranges_end_of(&rs, 9), 9);
    ck_assert_uint_eq(ranges_end_of(&rs, 10), 20);
    ck_assert_uint_eq(ranges_end_of(&rs, 19), 20);
    ck_assert_uint_eq(ranges_end_of(&rs, 20), 20);
    ck_assert(ranges_add(&rs, 20, 30)); /* touches both */
    ck_assert_uint_eq(rs.len, 1);
    ck_assert_uint_eq(ranges_end_of(&rs, 10), 40);
    ck_assert_uint_eq(ranges_total(&rs), 30);
    ck_assert(ranges_add(&rs, 0, 1ull << 40));
    ck_assert_uint_eq(rs.len, 1);
    ck_assert_uint_eq(rs.r[0].start, 0);
    ranges_drop_below(&rs, 1ull << 40);
    ck_assert_uint_eq(rs.len, 0);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

START_TEST(max_is_kept)
{
    struct arena *a = test_arena(4u << 20, 0);
    struct ranges rs;

    ranges_init(&rs, a, 3);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert(ranges_add(&rs, 10 * i, 10 * i + 5));
    ck_assert(!ranges_add(&rs, 30, 35));
    ck_assert(!ranges_add(&rs, 6, 9));
    ck_assert(!ranges_remove(&rs, 12, 13)); /* would split */
    ck_assert_uint_eq(rs.len, 3);
    ck_assert_uint_eq(ranges_total(&rs), 15);
    ck_assert(ranges_contain(&rs, 10, 15));
    ck_assert(ranges_add(&rs, 5, 10)); /* closes a gap */
    ck_assert_uint_eq(rs.len, 2);
    ck_assert(ranges_remove(&rs, 12, 13));
    ck_assert_uint_eq(rs.len, 3);
    ranges_clear(&rs);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

START_TEST(failing_allocations)
{
    struct arena *a = test_arena(4u << 20, 0);
    struct ranges rs;

    ranges_init(&rs, a, 100);
    arena_fail_at(a, 1);
    ck_assert(!ranges_add(&rs, 1, 2));
    ck_assert_uint_eq(rs.len, 0);
    for (uint64_t i = 0; i < 4; i++)
        ck_assert(ranges_add(&rs, 10 * i, 10 * i + 5));
    arena_fail_at(a, 1);
    ck_assert(!ranges_add(&rs, 40, 45));
    arena_fail_at(a, 1);
    ck_assert(!ranges_remove(&rs, 12, 13));
    ck_assert_uint_eq(rs.len, 4);
    ck_assert_uint_eq(ranges_total(&rs), 20);
    arena_fail_at(a, 1);
    ck_assert(ranges_remove(&rs, 10, 13)); /* needs no room */
    ck_assert(ranges_add(&rs, 5, 8));
    arena_fail_at(a, 0);
    ck_assert_uint_eq(ranges_total(&rs), 20);
    ranges_clear(&rs);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

/* The list must be what the flags say: sorted, disjoint, not touching. */
static void compare(const struct ranges *rs, const bool *flags, uint64_t base)
{
    uint32_t n = 0;
    uint64_t total = 0, end = 0;

    for (uint64_t i = 0; i < SPACE; i++) {
        total += flags[i];
        if (flags[i] && (i == 0 || !flags[i - 1])) {
            REQUIRE(n < rs->len);
            REQUIRE(rs->r[n].start == base + i);
            for (end = i; end < SPACE && flags[end]; end++)
                ;
            REQUIRE(rs->r[n].end == base + end);
            n++;
        }
        REQUIRE(ranges_end_of(rs, base + i) == base + (flags[i] ? end : i));
        REQUIRE(ranges_contain(rs, base + i, base + i + 3) == (flags[i] && end >= i + 3));
    }
    REQUIRE(n == rs->len);
    REQUIRE(total == ranges_total(rs));
    REQUIRE((rs->r == NULL) == (rs->len == 0));
}

static uint32_t count(const bool *flags)
{
    uint32_t n = 0;
    for (int i = 0; i < SPACE; i++)
        n += flags[i] && (i == 0 || !flags[i - 1]);
    return n;
}

START_TEST(random_model)
{
    struct arena *a = test_arena(4u << 20, 0);
    struct ranges rs;
    struct rng rng;
    bool flags[SPACE] = {0}, wanted[SPACE];
    uint64_t base;
    uint32_t refused = 0;

    rng_seed(&rng, (uint64_t)_i);
    base = rng_u64(&rng) >> 2;
    ranges_init(&rs, a, 25);
    for (int step = 0; step < 3000; step++) {
        uint32_t start = rng_below(&rng, SPACE), what = rng_below(&rng, 20);
        uint32_t len = 1 + rng_below(&rng, what % 4 ? 6 : 60);
        uint32_t end = start + len < SPACE ? start + len : SPACE;
        bool ok = true;

        memcpy(wanted, flags, sizeof flags);
        if (what == 0) {
            start /= 8;
            memset(wanted, 0, start);
            ranges_drop_below(&rs, base + start);
        } else if (what < 8) {
            memset(wanted + start, 0, end - start);
            ok = ranges_remove(&rs, base + start, base + end);
        } else {
            memset(wanted + start, 1, end - start);
            ok = ranges_add(&rs, base + start, base + end);
        }
        REQUIRE(ok == (count(wanted) <= 25));
        if (ok)
            memcpy(flags, wanted, sizeof flags);
        refused += !ok;
        compare(&rs, flags, base);
    }
    ck_assert_uint_gt(refused, 0);
    ranges_drop_below(&rs, base + SPACE);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

Suite *ranges_suite(void)
{
    Suite *s = suite_create("ranges");
    TCase *tc = tcase_create("ranges");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, add_merges);
    tcase_add_test(tc, max_is_kept);
    tcase_add_test(tc, failing_allocations);
    tcase_add_loop_test(tc, random_model, 0, 6);
    suite_add_tcase(s, tc);
    return s;
}
