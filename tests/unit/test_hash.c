#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"
#include "test_base.h"

struct item {
    struct hash_node node;
    uint32_t key;
    bool in, met;
};

static size_t used(const struct arena *a)
{
    return arena_stats(a).used_bytes;
}

/* Few bits for some keys, so that different keys share a hash. */
static uint64_t hash_of(uint32_t key, bool poor)
{
    static const struct siphash_key secret = {1, 2};
    if (poor)
        key %= 50;
    return siphash(&secret, &key, sizeof key);
}

static struct item *find(const struct hash *h, uint32_t key, bool poor)
{
    uint64_t hash = hash_of(key, poor);
    struct hash_node *n = hash_first(h, hash);

    for (; n; n = hash_next(n, hash)) {
        struct item *item = container_of(n, struct item, node);
        REQUIRE(n->hash == hash);
        if (item->key == key)
            return item;
    }
    return NULL;
}

static void check_walk(const struct hash *h, struct item *items, uint32_t n)
{
    uint64_t met = 0, in = 0;

    for (uint32_t i = 0; i < n; i++)
        items[i].met = false;
    for (struct hash_node *node = hash_walk(h, NULL); node; node = hash_walk(h, node)) {
        struct item *item = container_of(node, struct item, node);
        REQUIRE(item->in && !item->met);
        item->met = true;
        met++;
    }
    for (uint32_t i = 0; i < n; i++)
        in += items[i].in;
    ck_assert_uint_eq(met, in);
    ck_assert_uint_eq(h->count, in);
}

START_TEST(random_model)
{
    enum { ITEMS = 3000 };
    static struct item items[ITEMS];
    struct arena *a = test_arena(8u << 20, 0);
    struct hash h;
    struct rng rng;
    bool poor = _i == 1;

    rng_seed(&rng, (uint64_t)_i);
    ck_assert(hash_init(&h, a, _i == 2 ? 1 : 16));
    for (uint32_t i = 0; i < ITEMS; i++)
        items[i].key = i;
    for (int step = 0; step < 40000; step++) {
        uint32_t i =
            rng_below(&rng, 100 + (uint32_t)step / 12 < ITEMS ? 100 + (uint32_t)step / 12 : ITEMS);
        struct item *item = &items[i];
        REQUIRE(find(&h, i, poor) == (item->in ? item : NULL));
        if (item->in)
            hash_remove(&h, &item->node);
        else
            hash_insert(&h, &item->node, hash_of(i, poor));
        item->in = !item->in;
        if (step % 500 == 0)
            check_walk(&h, items, ITEMS);
        if (_i == 3 && step % 5000 == 4999) {
            hash_reset(&h);
            ck_assert_ptr_null(hash_walk(&h, NULL));
            for (uint32_t k = 0; k < ITEMS; k++)
                if (items[k].in)
                    hash_insert(&h, &items[k].node, hash_of(k, poor));
        }
    }
    check_walk(&h, items, ITEMS);
    for (struct hash_node *n = hash_walk(&h, NULL), *next; n; n = next) {
        next = hash_walk(&h, n);
        hash_remove(&h, n);
    }
    ck_assert_uint_eq(h.count, 0);
    hash_destroy(&h);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(arena_stats(a).misuses, 0);
    test_arena_free(a);
}
END_TEST

/* At every size, in the middle of every move, each node is found. */
START_TEST(growth)
{
    enum { ITEMS = 1100 };
    static struct item items[ITEMS];
    struct arena *a = test_arena(8u << 20, 0);
    struct hash h;
    bool moving = false;

    ck_assert(hash_init(&h, a, 4));
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i].key = i;
        items[i].in = true;
        hash_insert(&h, &items[i].node, hash_of(i, false));
        moving |= h.old != NULL;
        for (uint32_t k = 0; k <= i; k++)
            REQUIRE(find(&h, k, false) == &items[k]);
        REQUIRE(!find(&h, i + 1, false));
        REQUIRE(h.count <= 2 * (h.mask + 1));
        if (i % 50 == 0)
            check_walk(&h, items, ITEMS);
    }
    ck_assert(moving);
    ck_assert_uint_ge(h.mask + 1, 1024);
    hash_destroy(&h);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

/* The last inserted comes first, also after the chain was moved. */
START_TEST(order_of_equal_hashes)
{
    static struct item items[200];
    struct arena *a = test_arena(8u << 20, 0);
    struct hash h;

    ck_assert(hash_init(&h, a, 8));
    for (uint32_t i = 0; i < 200; i++) {
        bool same = i % 10 == 0;
        hash_insert(&h, &items[i].node, same ? 77 : hash_of(i, false));
        uint32_t expect = i - i % 10;
        for (struct hash_node *n = hash_first(&h, 77); n; n = hash_next(n, 77), expect -= 10)
            REQUIRE(n == &items[expect].node);
        REQUIRE(expect == (uint32_t)-10);
    }
    hash_destroy(&h);
    test_arena_free(a);
}
END_TEST

START_TEST(cannot_grow)
{
    static struct item items[400];
    struct arena *a = test_arena(8u << 20, 0);
    struct hash h;

    arena_fail_at(a, 1);
    ck_assert(!hash_init(&h, a, 16));
    ck_assert(hash_init(&h, a, 16));
    arena_set_limit(a, 1);
    for (uint32_t i = 0; i < 200; i++) {
        items[i].key = i;
        hash_insert(&h, &items[i].node, hash_of(i, false));
    }
    ck_assert_uint_gt(arena_stats(a).failures, 1);
    for (uint32_t i = 0; i < 200; i++)
        ck_assert_ptr_eq(find(&h, i, false), &items[i]);
    arena_set_limit(a, 0);
    for (uint32_t i = 200; i < 400; i++) {
        items[i].key = i;
        hash_insert(&h, &items[i].node, hash_of(i, false));
    }
    ck_assert_uint_ge(h.mask + 1, 128); /* it made up for it */
    for (uint32_t i = 0; i < 400; i++)
        ck_assert_ptr_eq(find(&h, i, false), &items[i]);
    hash_destroy(&h);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

Suite *hash_suite(void)
{
    Suite *s = suite_create("hash");
    TCase *tc = tcase_create("hash");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, random_model, 0, 4);
    tcase_add_test(tc, growth);
    tcase_add_test(tc, order_of_equal_hashes);
    tcase_add_test(tc, cannot_grow);
    suite_add_tcase(s, tc);
    return s;
}
