/* The Internet checksum (RFC 1071). */
#ifndef SHIM_WIRE_CHECKSUM_H
#define SHIM_WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/addr.h"

/* A running sum, started as {0}; any alignment, pieces of any length: odd says that an odd number
 * of bytes came so far. sum is in no particular byte order: csum_finish() and csum_partial() read
 * it. */
struct csum {
    uint64_t sum;
    uint8_t odd;
};

void csum_add(struct csum *c, const void *data, size_t len);
void csum_add_iov(struct csum *c, const struct iovec *iov, size_t niov);
/* Pseudo-header of src, dst, protocol and the length of transport header and payload (RFC 9293 3.1,
 * RFC 768; RFC 8200 8.1 for IPv6). It may come before, between or after the pieces. */
void csum_add_pseudo(struct csum *c, const struct ip_addr *src, const struct ip_addr *dst,
                     uint8_t proto, uint32_t len);
/* Folded and complemented: the value of the checksum field, host order. Over data that hold their
 * checksum (and their pseudo-header) it is 0 when that is right. UDP sends 0xffff for 0 (RFC 768).
 */
uint16_t csum_finish(const struct csum *c);
/* Folded, not complemented: what a device that finishes the checksum wants in the field. */
uint16_t csum_partial(const struct csum *c);
/* csum_finish() over one buffer: 0 when a header that holds its checksum is right. */
uint16_t csum(const void *data, size_t len);

#endif
