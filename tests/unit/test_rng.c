#include "base/rng.h"
#include "test_base.h"

/* From the authors' paper on SipHash, appendix A, and their reference test vectors: key 00..0f,
 * input 00 01 02 ... of each length. */
START_TEST(siphash_vectors)
{
    static const struct siphash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
        {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u},
    };
    uint8_t in[16];

    for (uint8_t i = 0; i < sizeof in; i++)
        in[i] = i;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(siphash(&key, in, cases[i].len), cases[i].hash);
}
END_TEST

START_TEST(siphash_depends_on_key_and_data)
{
    struct siphash_key key = {1, 2}, other0 = {3, 2}, other1 = {1, 3};
    uint8_t in[13] = {0}, flipped[13] = {0};

    flipped[12] = 1;
    ck_assert_uint_ne(siphash(&key, in, 13), siphash(&other0, in, 13));
    ck_assert_uint_ne(siphash(&key, in, 13), siphash(&other1, in, 13));
    ck_assert_uint_ne(siphash(&key, in, 13), siphash(&key, flipped, 13));
    ck_assert_uint_ne(siphash(&key, in, 13), siphash(&key, in, 12));
}
END_TEST

/* The state {1, 2, 3, 4} gives these first numbers by the published recurrence:
 * rotl(s1 * 5, 7) * 9 = 2 * 5 * 128 * 9 for the first. */
START_TEST(xoshiro_vector)
{
    struct rng r = {{1, 2, 3, 4}};

    ck_assert_uint_eq(rng_u64(&r), 11520);
    ck_assert_uint_eq(rng_u64(&r), 0);
    ck_assert_uint_eq(rng_u64(&r), 1509978240);
    ck_assert_uint_eq(rng_u64(&r), 1215971899390074240u);
}
END_TEST

START_TEST(seeds)
{
    struct rng a, b, c;

    rng_seed(&a, 1);
    rng_seed(&b, 1);
    rng_seed(&c, 2);
    ck_assert_uint_eq(a.s[0], 0x910a2dec89025cc1u); /* splitmix64 from 1 */
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_u64(&a);
        ck_assert_uint_eq(x, rng_u64(&b));
        ck_assert_uint_ne(x, rng_u64(&c));
    }
}
END_TEST

START_TEST(below)
{
    struct rng r;
    unsigned count[7] = {0};

    rng_seed(&r, 42);
    for (int i = 0; i < 70000; i++) {
        uint32_t x = rng_below(&r, 7);
        REQUIRE(x < 7);
        count[x]++;
    }
    for (int i = 0; i < 7; i++) { /* expected 10000, deviation about 93 */
        ck_assert_uint_gt(count[i], 9500);
        ck_assert_uint_lt(count[i], 10500);
    }
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(rng_below(&r, 1), 0);
    /* Three quarters of the numbers are in the lower three quarters only without bias. */
    unsigned low = 0;
    for (int i = 0; i < 30000; i++)
        low += rng_below(&r, 0xc0000000u) < 0x60000000u;
    ck_assert_uint_gt(low, 14500);
    ck_assert_uint_lt(low, 15500);
}
END_TEST

Suite *rng_suite(void)
{
    Suite *s = suite_create("rng");
    TCase *tc = tcase_create("rng");
    tcase_add_test(tc, siphash_vectors);
    tcase_add_test(tc, siphash_depends_on_key_and_data);
    tcase_add_test(tc, xoshiro_vector);
    tcase_add_test(tc, seeds);
    tcase_add_test(tc, below);
    suite_add_tcase(s, tc);
    return s;
}
