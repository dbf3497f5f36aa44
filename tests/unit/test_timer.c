#include "base/list.h"
#include "base/rng.h"
#include "base/timer.h"
#include "test_base.h"

#define TIMERS 200

START_TEST(basics)
{
    struct timers q = {0};
    struct timer a, b;

    timer_init(&a, 7);
    timer_init(&b, 8);
    ck_assert(!timer_armed(&a));
    ck_assert_uint_eq(timers_next(&q), TIMER_NEVER);
    ck_assert_ptr_null(timers_pop_due(&q, TIMER_NEVER));
    timer_stop(&q, &a);
    timer_set(&q, &a, 100);
    timer_set(&q, &b, 50);
    ck_assert(timer_armed(&a));
    ck_assert_uint_eq(q.count, 2);
    ck_assert_uint_eq(timers_next(&q), 50);
    ck_assert_ptr_null(timers_pop_due(&q, 49));
    ck_assert_ptr_eq(timers_pop_due(&q, 50), &b);
    ck_assert(!timer_armed(&b));
    ck_assert_uint_eq(b.kind, 8);
    timer_stop(&q, &a);
    timer_stop(&q, &a);
    ck_assert_uint_eq(q.count, 0);
    ck_assert_uint_eq(timers_next(&q), TIMER_NEVER);
}
END_TEST

/* The model: deadline of each timer, TIMER_NEVER when not armed. */
static uint64_t model_min(const uint64_t *model)
{
    uint64_t min = TIMER_NEVER;
    for (int i = 0; i < TIMERS; i++)
        if (model[i] < min)
            min = model[i];
    return min;
}

static void pop_and_compare(struct timers *q, struct timer *timers, uint64_t *model, uint64_t now)
{
    struct timer *t;
    uint64_t last = 0;

    while ((t = timers_pop_due(q, now)) != NULL) {
        REQUIRE(t->deadline_us == model[t - timers]);
        REQUIRE(t->deadline_us >= last);
        REQUIRE(t->deadline_us == model_min(model));
        last = t->deadline_us;
        model[t - timers] = TIMER_NEVER;
    }
    REQUIRE(model_min(model) == TIMER_NEVER || model_min(model) > now);
}

static void random_history(uint64_t seed, bool rescue)
{
    struct rng r;
    struct timers q = {0};
    struct timer timers[TIMERS];
    uint64_t model[TIMERS], now = 0;

    rng_seed(&r, seed);
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], (uint16_t)i);
        model[i] = TIMER_NEVER;
    }
    for (int step = 0; step < 4000; step++) {
        uint32_t i = rng_below(&r, TIMERS), what = rng_below(&r, 10);
        if (what < 7) {
            model[i] = now + rng_below(&r, rng_below(&r, 2) ? 10 : 100000);
            timer_set(&q, &timers[i], model[i]);
        } else if (what < 8) {
            model[i] = TIMER_NEVER;
            timer_stop(&q, &timers[i]);
        } else if (what < 9) {
            now += rng_below(&r, 500);
            pop_and_compare(&q, timers, model, now);
        } else if (rescue) {
            q = (struct timers){0};
            for (int k = 0; k < TIMERS; k++)
                timer_rescue(&q, &timers[k]);
        }
        uint32_t armed = 0;
        for (int k = 0; k < TIMERS; k++) {
            armed += model[k] != TIMER_NEVER;
            REQUIRE(timer_armed(&timers[k]) == (model[k] != TIMER_NEVER));
        }
        REQUIRE(q.count == armed);
        REQUIRE(timers_next(&q) == model_min(model));
    }
    pop_and_compare(&q, timers, model, TIMER_NEVER - 1);
    ck_assert_uint_eq(q.count, 0);
    ck_assert_ptr_null(q.root);
}

START_TEST(random_histories)
{
    random_history((uint64_t)_i, false);
}
END_TEST

START_TEST(random_histories_with_rescue)
{
    random_history((uint64_t)_i + 100, true);
}
END_TEST

/* A million siblings: taking out must not recurse. */
START_TEST(many)
{
    struct timers q = {0};
    uint32_t n = 1000000;
    struct timer *timers = arena_alloc(test_arena(256u << 20, 0), n * sizeof *timers);

    for (uint32_t i = 0; i < n; i++) {
        timer_init(&timers[i], 0);
        timer_set(&q, &timers[i], 1 + (uint64_t)i * 7919 % n);
    }
    for (uint32_t i = 0; i < n; i++)
        REQUIRE(timers_pop_due(&q, TIMER_NEVER)->deadline_us == 1 + i);
    ck_assert_ptr_null(q.root);
}
END_TEST

Suite *timer_suite(void)
{
    Suite *s = suite_create("timer");
    TCase *tc = tcase_create("timer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, basics);
    tcase_add_loop_test(tc, random_histories, 0, 10);
    tcase_add_loop_test(tc, random_histories_with_rescue, 0, 5);
    tcase_add_test(tc, many);
    suite_add_tcase(s, tc);
    return s;
}
