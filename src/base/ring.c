/*
 * Byte ring: theory of operation
 *
 * The stream is cut into chunks at multiples of RING_CHUNK_BYTES. The chunk of an offset hangs in
 * slot (offset / RING_CHUNK_BYTES) mod table_len of the table, so that a chunk keeps its
 * memory and its slot while the window moves over it. The table covers the table_len
 * chunks from that of start on; it doubles when something is written beyond, and is freed with
 * the last chunk when the ring runs empty.
 *
 *          start          end                        high
 *      |     v############v|      |  ####|######      |     #: bytes, chunks exist there only
 *
 * A slot is cleared before its chunk is freed: a process that dies in between loses a chunk and
 * does no other harm.
 */
#include "base/ring.h"

#include <string.h>

#define TABLE_LEAST 8u /* slots: one small block of the arena */

static uint64_t chunk_of(uint64_t offset)
{
    return offset / RING_CHUNK_BYTES;
}

static void **slot(const struct ring *r, uint64_t chunk)
{
    return &r->chunks[chunk & (r->table_len - 1)];
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The bytes from offset to the end of its chunk, but not more than len. */
static size_t piece_len(uint64_t offset, size_t len)
{
    return min_size(len, RING_CHUNK_BYTES - (size_t)(offset % RING_CHUNK_BYTES));
}

void ring_init(struct ring *r, struct arena *a, uint64_t offset)
{
    *r = (struct ring){.arena = a, .start = offset, .end = offset};
}

static void free_chunk(struct ring *r, void **at)
{
    void *chunk = *at;

    if (!chunk)
        return;
    *at = NULL;
    r->held--;
    arena_free(r->arena, chunk, RING_CHUNK_BYTES);
}

/* Frees the chunks from first up to, not including, last. */
static void free_chunks(struct ring *r, uint64_t first, uint64_t last)
{
    if (last - first > r->table_len)
        last = first + r->table_len;
    for (; first < last && r->held > 0; first++)
        free_chunk(r, slot(r, first));
}

/* Frees the table if it holds no chunk. */
static void free_table(struct ring *r)
{
    void **chunks = r->chunks;
    uint32_t len = r->table_len;

    if (r->held > 0)
        return;
    r->chunks = NULL;
    r->table_len = 0; /* also when it was cleared by a process that died just before */
    arena_free(r->arena, chunks, len * sizeof *chunks);
}

static void free_all(struct ring *r)
{
    free_chunks(r, 0, r->table_len);
    free_table(r);
}

void ring_clear(struct ring *r)
{
    r->start = r->end;
    free_all(r);
}

size_t ring_memory(const struct ring *r)
{
    return (size_t)r->held * RING_CHUNK_BYTES + r->table_len * sizeof *r->chunks;
}

/* Makes the table longer, so that it has at least len slots; false when the arena is full. */
static bool table_grow(struct ring *r, uint64_t len)
{
    uint64_t new_len = r->table_len ? r->table_len : TABLE_LEAST;

    while (new_len < len)
        new_len *= 2;
    if (new_len > UINT32_MAX)
        return false;
    void **chunks = arena_zalloc(r->arena, new_len * sizeof *chunks);
    if (!chunks)
        return false;
    uint64_t first = chunk_of(r->start);
    for (uint64_t chunk = first; chunk < first + r->table_len; chunk++)
        chunks[chunk & (new_len - 1)] = *slot(r, chunk);
    void **old = r->chunks;
    uint32_t old_len = r->table_len;
    r->chunks = chunks;
    r->table_len = (uint32_t)new_len;
    arena_free(r->arena, old, old_len * sizeof *old);
    return true;
}

/* How many of the len bytes at offset at the table can hold, after growing as far as it can. */
static size_t table_cover(struct ring *r, uint64_t at, size_t len)
{
    uint64_t first = chunk_of(r->start);
    uint64_t need = chunk_of(at + len - 1) - first + 1;

    if (need <= r->table_len || table_grow(r, need))
        return len;
    uint64_t limit = (first + r->table_len) * RING_CHUNK_BYTES;
    return at < limit ? (size_t)(limit - at) : 0;
}

size_t ring_write_at(struct ring *r, uint64_t at, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t done = 0;

    if (len == 0)
        return 0;
    len = table_cover(r, at, len);
    while (done < len) {
        void **chunk = slot(r, chunk_of(at + done));
        if (!*chunk) {
            *chunk = arena_alloc(r->arena, RING_CHUNK_BYTES);
            if (!*chunk)
                break;
            r->held++;
        }
        size_t n = piece_len(at + done, len - done);
        memcpy((uint8_t *)*chunk + (at + done) % RING_CHUNK_BYTES, from + done, n);
        done += n;
    }
    free_table(r);
    return done;
}

size_t ring_append(struct ring *r, const void *data, size_t len)
{
    size_t done = ring_write_at(r, r->end, data, len);
    r->end += done;
    return done;
}

/* A place in an array of iovecs. */
struct cursor {
    const struct iovec *iov;
    size_t niov, skip;
};

/* Takes the next piece of at most len bytes; its length is 0 at the end only. */
static struct iovec cursor_next(struct cursor *c, size_t len)
{
    while (c->niov > 0 && c->skip >= c->iov->iov_len) {
        c->skip -= c->iov->iov_len;
        c->iov++;
        c->niov--;
    }
    if (c->niov == 0 || len == 0)
        return (struct iovec){0};
    struct iovec piece = {(uint8_t *)c->iov->iov_base + c->skip,
                          min_size(len, c->iov->iov_len - c->skip)};
    c->skip += piece.iov_len;
    return piece;
}

size_t ring_append_iov(struct ring *r, const struct iovec *iov, size_t niov, size_t skip,
                       size_t len)
{
    struct cursor from = {iov, niov, skip};
    size_t done = 0;

    for (;;) {
        struct iovec piece = cursor_next(&from, len - done);
        size_t n = ring_append(r, piece.iov_base, piece.iov_len);
        done += n;
        if (n == 0 || n < piece.iov_len)
            return done;
    }
}

void ring_advance(struct ring *r, uint64_t n)
{
    r->end += n;
}

void ring_consume(struct ring *r, uint64_t n, uint64_t high)
{
    uint64_t first = chunk_of(r->start);

    r->start += n;
    if (r->start == high)
        free_all(r);
    else
        free_chunks(r, first, chunk_of(r->start));
}

void ring_truncate(struct ring *r, uint64_t at, uint64_t high)
{
    if (at >= high)
        return;
    if (at == r->start)
        free_all(r);
    else
        free_chunks(r, chunk_of(at - 1) + 1, chunk_of(high - 1) + 1);
}

void ring_copy_out(const struct ring *r, uint64_t at, void *dst, size_t len)
{
    uint8_t *to = dst;

    while (len > 0) {
        size_t n = piece_len(at, len);
        memcpy(to, (const uint8_t *)*slot(r, chunk_of(at)) + at % RING_CHUNK_BYTES, n);
        to += n;
        at += n;
        len -= n;
    }
}

size_t ring_copy_out_iov(const struct ring *r, uint64_t at, size_t len, const struct iovec *iov,
                         size_t niov, size_t skip)
{
    struct cursor to = {iov, niov, skip};
    size_t done = 0;

    for (;;) {
        struct iovec piece = cursor_next(&to, len - done);
        if (piece.iov_len == 0)
            return done;
        ring_copy_out(r, at + done, piece.iov_base, piece.iov_len);
        done += piece.iov_len;
    }
}

size_t ring_spans(const struct ring *r, uint64_t at, size_t len, struct iovec *out, size_t max,
                  size_t *covered)
{
    size_t count = 0, done = 0;

    while (done < len) {
        uint8_t *p = (uint8_t *)*slot(r, chunk_of(at + done)) + (at + done) % RING_CHUNK_BYTES;
        size_t n = piece_len(at + done, len - done);
        if (count > 0 && p == (uint8_t *)out[count - 1].iov_base + out[count - 1].iov_len) {
            out[count - 1].iov_len += n;
        } else {
            if (count == max)
                break;
            out[count++] = (struct iovec){p, n};
        }
        done += n;
    }
    *covered = done;
    return count;
}
