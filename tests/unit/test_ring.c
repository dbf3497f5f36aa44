#include <string.h>

#include "base/ring.h"
#include "base/rng.h"
#include "test_base.h"

#define CHUNK ((size_t)RING_CHUNK_BYTES)

static size_t used(const struct arena *a)
{
    return arena_stats(a).used_bytes;
}

/* The stream's byte at this offset, the same in every test. */
static uint8_t stream_byte(uint64_t offset)
{
    return (uint8_t)((offset * 0x9e3779b97f4a7c15u) >> 56);
}

static void fill(uint8_t *out, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = stream_byte(offset + i);
}

static void check(const uint8_t *got, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++)
        REQUIRE(got[i] == stream_byte(offset + i));
}

static uint8_t buf[1 << 20], out[1 << 20];

static void append(struct ring *r, size_t len)
{
    fill(buf, r->end, len);
    ck_assert_uint_eq(ring_append(r, buf, len), len);
}

static void read_all(const struct ring *r)
{
    memset(out, 0, ring_len(r));
    ring_copy_out(r, r->start, out, ring_len(r));
    check(out, r->start, ring_len(r));
}

START_TEST(memory_follows_content)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct ring r;

    ring_init(&r, a, 1000);
    ck_assert_uint_eq(ring_memory(&r), 0);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(ring_append(&r, buf, 0), 0);
    ck_assert_uint_eq(used(a), 0);
    append(&r, 1);
    ck_assert_uint_eq(r.held, 1);
    append(&r, CHUNK - 1001);
    ck_assert_uint_eq(r.held, 1);
    append(&r, 1);
    ck_assert_uint_eq(r.held, 2);
    ck_assert_uint_eq(ring_memory(&r), 2 * CHUNK + 64);
    read_all(&r);
    ring_consume(&r, CHUNK - 1000 - 1, r.end);
    ck_assert_uint_eq(r.held, 2);
    ring_consume(&r, 1, r.end);
    ck_assert_uint_eq(r.held, 1);
    ck_assert_uint_eq(ring_len(&r), 1);
    read_all(&r);
    ring_consume(&r, 1, r.end);
    ck_assert_uint_eq(ring_memory(&r), 0);
    ck_assert_uint_eq(used(a), 0);
    append(&r, 100 * CHUNK);
    ck_assert_uint_eq(r.held, 101);
    read_all(&r);
    ring_clear(&r);
    ck_assert_uint_eq(ring_len(&r), 0);
    ck_assert_uint_eq(r.start, 2 * CHUNK - (CHUNK - 1) + 100 * CHUNK);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

/* Bytes beyond a hole keep their chunks while the bytes before it are consumed; those in the hole
 * have none. */
START_TEST(out_of_order)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct ring r;
    uint64_t start = (1ull << 32) - 100, high = start + 20 * CHUNK + 500;

    ring_init(&r, a, start);
    fill(buf, high - 500, 500);
    ck_assert_uint_eq(ring_write_at(&r, high - 500, buf, 500), 500);
    ck_assert_uint_eq(ring_len(&r), 0);
    ck_assert_uint_le(r.held, 2);
    append(&r, 300);
    ring_consume(&r, 300, high);
    ck_assert_uint_ge(r.held, 1);
    fill(buf, r.end, (size_t)(high - r.end));
    ck_assert_uint_eq(ring_write_at(&r, r.end, buf, 20 * CHUNK - 300), 20 * CHUNK - 300);
    ring_advance(&r, high - r.end);
    read_all(&r);
    ck_assert_uint_eq(r.end, high);
    ring_consume(&r, ring_len(&r), high);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

START_TEST(truncate)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct ring r;

    ring_init(&r, a, 0);
    append(&r, 100);
    fill(buf, 3 * CHUNK, 5 * CHUNK);
    ck_assert_uint_eq(ring_write_at(&r, 3 * CHUNK, buf, 5 * CHUNK), 5 * CHUNK);
    ck_assert_uint_eq(r.held, 6);
    ring_truncate(&r, 4 * CHUNK + 1, 8 * CHUNK);
    ck_assert_uint_eq(r.held, 3);
    ring_truncate(&r, 4 * CHUNK + 1, 4 * CHUNK + 1);
    ck_assert_uint_eq(r.held, 3);
    ring_truncate(&r, 4 * CHUNK, 4 * CHUNK + 1);
    ck_assert_uint_eq(r.held, 2);
    ring_truncate(&r, 100, 4 * CHUNK);
    ck_assert_uint_eq(r.held, 1);
    read_all(&r);
    ring_consume(&r, 100, 100);
    ck_assert_uint_eq(used(a), 0);
    fill(buf, 500, 10);
    ring_write_at(&r, 500, buf, 10);
    ring_truncate(&r, 100, 510);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

START_TEST(iovecs)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct ring r;
    uint8_t *p = buf;
    struct iovec iov[6] = {{p, 10},       {NULL, 0}, {p + 10, 5000},
                           {p + 5010, 1}, {NULL, 0}, {p + 5011, 9000}};

    ring_init(&r, a, 7);
    fill(buf, 7 - 5, 14011); /* the skipped bytes come before the ring's start */
    ck_assert_uint_eq(ring_append_iov(&r, iov, 6, 5, SIZE_MAX), 14006);
    read_all(&r);
    ck_assert_uint_eq(ring_append_iov(&r, iov, 6, 14011, 100), 0);
    ck_assert_uint_eq(ring_append_iov(&r, iov, 6, 0, 0), 0);
    ring_clear(&r);

    ring_init(&r, a, 0);
    fill(buf, 0, 14011);
    ck_assert_uint_eq(ring_append_iov(&r, iov, 6, 0, 12), 12);
    ck_assert_uint_eq(ring_append_iov(&r, iov, 6, 12, 4999), 4999);
    ck_assert_uint_eq(ring_append_iov(&r, iov, 6, 5011, 20000), 9000);
    read_all(&r);

    uint8_t *o = out;
    struct iovec to[4] = {{o, 100}, {NULL, 0}, {o + 100, 4096}, {o + 4196, 20}};
    memset(out, 0, 14011);
    ck_assert_uint_eq(ring_copy_out_iov(&r, 50, 13000, to, 4, 50), 4166);
    check(out + 50, 50, 4166);
    ck_assert_uint_eq(out[49], 0);
    ck_assert_uint_eq(out[4216], 0);
    memset(out, 0, 14011);
    ck_assert_uint_eq(ring_copy_out_iov(&r, 50, 60, to, 4, 50), 60);
    check(out + 50, 50, 60);
    ck_assert_uint_eq(out[110], 0);
    ring_clear(&r);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

START_TEST(spans)
{
    struct arena *a = test_arena(8u << 20, 0);
    struct ring r;
    struct iovec iov[8];
    size_t covered;

    ring_init(&r, a, 4000);
    append(&r, 96); /* the first chunk; the next ones are not beside it */
    void *between = arena_alloc(a, CHUNK);
    append(&r, 3 * CHUNK);
    ck_assert_uint_eq(ring_spans(&r, 4010, 2 * CHUNK, iov, 8, &covered), 2);
    ck_assert_uint_eq(covered, 2 * CHUNK);
    ck_assert_uint_eq(iov[0].iov_len, 86);
    ck_assert_uint_eq(iov[1].iov_len, 2 * CHUNK - 86);
    check(iov[0].iov_base, 4010, 86);
    check(iov[1].iov_base, 4096, 2 * CHUNK - 86);
    ck_assert_uint_eq(ring_spans(&r, 4010, 2 * CHUNK, iov, 1, &covered), 1);
    ck_assert_uint_eq(covered, 86);
    ck_assert_uint_eq(ring_spans(&r, 4010, 0, iov, 8, &covered), 0);
    ck_assert_uint_eq(covered, 0);
    ck_assert_uint_eq(ring_spans(&r, 4010, 10, iov, 0, &covered), 0);
    ck_assert_uint_eq(covered, 0);
    ring_clear(&r);
    arena_free(a, between, CHUNK);
    test_arena_free(a);
}
END_TEST

/* Each allocation of a write fails once: what was written is told exactly, the rest can be written
 * later, and nothing is lost. */
START_TEST(failing_allocations)
{
    struct arena *a = test_arena(8u << 20, 0);

    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct ring r;
        ring_init(&r, a, 100);
        arena_fail_at(a, nth);
        fill(buf, 100, 9 * CHUNK);
        size_t first = ring_append(&r, buf, 9 * CHUNK);
        ck_assert_uint_eq(ring_len(&r), first);
        ck_assert(first < 9 * CHUNK || nth == 12);
        if (first == 0)
            ck_assert_uint_eq(ring_memory(&r), 0);
        ck_assert_uint_eq(ring_append(&r, buf + first, 9 * CHUNK - first), 9 * CHUNK - first);
        read_all(&r);
        ring_consume(&r, ring_len(&r), r.end);
        arena_fail_at(a, 0);
        ck_assert_uint_eq(used(a), 0);
    }

    /* The table cannot grow: what it covers is still written. */
    struct ring r;
    ring_init(&r, a, 0);
    append(&r, 1);
    arena_fail_at(a, 1);
    fill(buf, 1, 8 * CHUNK);
    ck_assert_uint_eq(ring_append(&r, buf, 8 * CHUNK), 8 * CHUNK - 1);
    read_all(&r);
    arena_fail_at(a, 1);
    ck_assert_uint_eq(ring_write_at(&r, 9 * CHUNK, buf, 10), 0);
    ck_assert_uint_eq(r.held, 8);
    ring_clear(&r);
    ck_assert_uint_eq(used(a), 0);
    test_arena_free(a);
}
END_TEST

/*
 * The model: a flat array of flags over the stream that says which bytes were written. Contents
 * are a function of the offset, so that a byte at a wrong place is seen.
 */
struct model {
    struct ring ring;
    uint64_t base, high;
    uint8_t written[1 << 20];
};

static uint32_t expected_chunks(const struct model *m)
{
    uint32_t n = 0;
    uint64_t chunk = m->ring.start / CHUNK;

    for (; chunk * CHUNK < m->high; chunk++) {
        uint64_t from = chunk * CHUNK, to = from + CHUNK;
        bool any = false;
        for (uint64_t o = from < m->base ? m->base : from; o < to && o < m->high && !any; o++)
            any = m->written[o - m->base];
        n += any;
    }
    return m->ring.start == m->high ? 0 : n;
}

static void model_write(struct model *m, struct rng *rng, size_t max)
{
    struct ring *r = &m->ring;
    size_t window = 60 * CHUNK, ahead = (size_t)(r->end - r->start);
    size_t gap = rng_below(rng, 3) ? 0 : rng_below(rng, 20 * CHUNK);
    size_t len = 1 + rng_below(rng, (uint32_t)max);
    uint64_t at = r->end + gap;

    if (ahead + gap + len > window || at + len - m->base > sizeof m->written)
        return;
    fill(buf, at, len);
    size_t n = ring_write_at(r, at, buf, len);
    REQUIRE(n <= len);
    memset(m->written + (at - m->base), 1, n);
    if (n > 0 && at + n > m->high)
        m->high = at + n;
    uint64_t end = r->end;
    while (end < m->high && m->written[end - m->base])
        end++;
    ring_advance(r, end - r->end);
}

static void model_read(struct model *m, struct rng *rng)
{
    struct ring *r = &m->ring;
    size_t len = (size_t)ring_len(r), covered, sum = 0;
    size_t at = len ? rng_below(rng, (uint32_t)len) : 0, n = len - at;
    struct iovec iov[80], to[3] = {{out, n / 3}, {out + n / 3, n / 5}, {out + n / 3 + n / 5, n}};

    ring_copy_out(r, r->start + at, out, n);
    check(out, r->start + at, n);
    memset(out, 0, n);
    REQUIRE(ring_copy_out_iov(r, r->start + at, n, to, 3, 0) == n);
    check(out, r->start + at, n);
    size_t count = ring_spans(r, r->start + at, n, iov, 80, &covered);
    REQUIRE(covered == n);
    for (size_t i = 0; i < count; i++) {
        check(iov[i].iov_base, r->start + at + sum, iov[i].iov_len);
        sum += iov[i].iov_len;
    }
    REQUIRE(sum == n);
}

static struct model model;

START_TEST(random_model)
{
    struct arena *a = test_arena(_i % 2 ? 8u << 20 : ARENA_MIN_BYTES, _i % 4 ? 0 : 30 * CHUNK);
    struct model *m = &model;
    struct rng rng;

    rng_seed(&rng, (uint64_t)_i);
    m->base = m->high = (uint64_t)rng_u32(&rng) << (_i % 3 * 16);
    ring_init(&m->ring, a, m->base);
    for (int step = 0; step < 1500; step++) {
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            if (rng_below(&rng, 10) == 0)
                arena_fail_at(a, 1 + rng_below(&rng, 4));
            model_write(m, &rng, _i % 5 ? 3000 : 30000);
            arena_fail_at(a, 0);
            break;
        case 2:
            model_read(m, &rng);
            break;
        default: {
            uint64_t len = ring_len(&m->ring);
            uint32_t n = rng_below(&rng, 2) ? (uint32_t)len : rng_below(&rng, (uint32_t)len + 1);
            ring_consume(&m->ring, n, m->high);
            if (m->ring.start == m->high) /* its last chunk has gone too */
                memset(m->written, 0, sizeof m->written);
        }
        }
        REQUIRE(m->ring.held == expected_chunks(m));
        REQUIRE(used(a) >= m->ring.held * CHUNK);
        REQUIRE(used(a) <= ring_memory(&m->ring) + CHUNK);
    }
    ck_assert_uint_gt(m->ring.end, m->base + 100000);
    if (_i % 3 == 0)
        ring_truncate(&m->ring, m->ring.end, m->high);
    if (_i % 3 == 0)
        ring_consume(&m->ring, ring_len(&m->ring), m->ring.end);
    else
        ring_clear(&m->ring);
    ck_assert_uint_eq(used(a), 0);
    ck_assert_uint_eq(arena_stats(a).misuses, 0);
    test_arena_free(a);
}
END_TEST

Suite *ring_suite(void)
{
    Suite *s = suite_create("ring");
    TCase *tc = tcase_create("ring");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, memory_follows_content);
    tcase_add_test(tc, out_of_order);
    tcase_add_test(tc, truncate);
    tcase_add_test(tc, iovecs);
    tcase_add_test(tc, spans);
    tcase_add_test(tc, failing_allocations);
    tcase_add_loop_test(tc, random_model, 0, 12);
    suite_add_tcase(s, tc);
    return s;
}
