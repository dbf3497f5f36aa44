/* Frames on their way in and out of the stack. */
#ifndef SHIM_NET_FRAME_H
#define SHIM_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/*
 * A frame that goes out. Headers are pushed in front of one another into head, innermost first; the
 * body is a list of pieces that belong to somebody else (send ring, user memory) and are only
 * borrowed for the duration of the call that the frame is passed to. It lives on its maker's stack.
 */
#define FRAME_HEAD_BYTES 192u
#define FRAME_BODY_MAX   24u

struct frame {
    uint16_t head_at;    /* the headers are head[head_at .. FRAME_HEAD_BYTES) */
    uint16_t gso_size;   /* payload bytes of each TCP segment cut from this frame; 0: one segment */
    uint16_t csum_start; /* offset from the frame's first byte of the transport header whose
                            checksum is still to be finished by the device ... */
    uint16_t csum_offset; /* ... and of the checksum field in it; both 0: finished */
    uint8_t l4_bytes;     /* length of the transport header, for segmentation */
    uint8_t nbody;
    uint32_t body_bytes;
    struct iovec body[FRAME_BODY_MAX];
    uint8_t head[FRAME_HEAD_BYTES];
};

static inline void frame_init(struct frame *f)
{
    f->head_at = FRAME_HEAD_BYTES;
    f->gso_size = f->csum_start = f->csum_offset = 0;
    f->l4_bytes = f->nbody = 0;
    f->body_bytes = 0;
}
/* Makes room for n bytes in front of the headers so far. All headers together fit in
 * FRAME_HEAD_BYTES. */
static inline uint8_t *frame_push(struct frame *f, size_t n)
{
    f->head_at = (uint16_t)(f->head_at - n);
    return f->head + f->head_at;
}
static inline uint8_t *frame_head(struct frame *f)
{
    return f->head + f->head_at;
}
static inline size_t frame_head_bytes(const struct frame *f)
{
    return FRAME_HEAD_BYTES - f->head_at;
}
static inline size_t frame_bytes(const struct frame *f)
{
    return frame_head_bytes(f) + f->body_bytes;
}
/* Adds a piece; at most FRAME_BODY_MAX of them. */
static inline void frame_add(struct frame *f, const void *data, size_t len)
{
    f->body[f->nbody].iov_base = (void *)(uintptr_t)data;
    f->body[f->nbody++].iov_len = len;
    f->body_bytes += (uint32_t)len;
}

/* What the link knows of a frame that came in. */
enum frame_in_flag {
    FRAME_CSUM_GOOD = 1,       /* the transport checksum was verified by the device */
    FRAME_CSUM_UNFINISHED = 2, /* from a local sender that left it to the device: do not verify */
};

/* data is borrowed for the duration of the call. */
struct frame_in {
    const uint8_t *data;
    size_t len;
    uint32_t flags;    /* enum frame_in_flag */
    uint16_t gso_size; /* payload of each segment of a super-frame; 0: not one, or unknown */
};

#endif
