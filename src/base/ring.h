/*
 * Byte ring: a window of a byte stream, kept in page-sized chunks of the arena that exist only
 * where there are bytes. An empty ring holds no memory.
 *
 * Positions are absolute 64-bit stream offsets, so nothing wraps within the life of a connection.
 * [start, end) is the in-order content; the receive side may also write beyond end
 * (ring_write_at) and move end later (ring_advance), which is how out-of-order bytes find
 * their place.
 */
#ifndef SHIM_BASE_RING_H
#define SHIM_BASE_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"

#define RING_CHUNK_BYTES 4096u

struct ring {
    struct arena *arena;
    uint64_t start, end; /* stream offsets of the first byte held and after the last one in order */
    void **chunks; /* power-of-two table, indexed by (offset / chunk) & mask; NULL when empty */
    uint32_t table_len;
    uint32_t held; /* chunks that exist, for memory accounting */
};

void ring_init(struct ring *r, struct arena *a, uint64_t offset);
/* Frees every chunk; the ring is empty at r->end. */
void ring_clear(struct ring *r);
static inline uint64_t ring_len(const struct ring *r)
{
    return r->end - r->start;
}
/* Bytes of arena memory that the ring holds. */
size_t ring_memory(const struct ring *r);

/* Appends len bytes at end. Returns the number appended, less than len only when the arena is
 * full. */
size_t ring_append(struct ring *r, const void *data, size_t len);
/* Appends up to len bytes taken from iov (niov entries, skipping the first skip bytes). */
size_t ring_append_iov(struct ring *r, const struct iovec *iov, size_t niov, size_t skip,
                       size_t len);
/* Writes len bytes at the absolute offset at >= start, beyond end allowed; end does not move.
 * Returns the number written (less only when the arena is full). */
size_t ring_write_at(struct ring *r, uint64_t at, const void *data, size_t len);
/* Moves end forward by n over bytes that ring_write_at has put there. */
void ring_advance(struct ring *r, uint64_t n);
/* Drops n bytes from the start and frees the chunks that held only them; chunks that hold bytes
 * beyond end (written by ring_write_at) stay. high is the highest offset written so far
 * (>= end). */
void ring_consume(struct ring *r, uint64_t n, uint64_t high);
/* Forgets what was written at offset at (>= end) and beyond, up to high, and frees the chunks that
 * held only that. */
void ring_truncate(struct ring *r, uint64_t at, uint64_t high);
/* Copies len bytes at offset at (inside what was written) to dst. */
void ring_copy_out(const struct ring *r, uint64_t at, void *dst, size_t len);
/* Copies up to len bytes from offset at into iov after its first skip bytes; returns the count. */
size_t ring_copy_out_iov(const struct ring *r, uint64_t at, size_t len, const struct iovec *iov,
                         size_t niov, size_t skip);
/* Describes len bytes at offset at as at most max pieces without copying; returns the number of
 * pieces, and in *covered how many bytes they cover. Chunks that lie side by side make one piece.
 * The pieces are valid until the ring changes. */
size_t ring_spans(const struct ring *r, uint64_t at, size_t len, struct iovec *out, size_t max,
                  size_t *covered);

#endif
