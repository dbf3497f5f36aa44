/* What the unit tests of the wire formats share. */
#ifndef SHIM_TEST_WIRE_H
#define SHIM_TEST_WIRE_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

/* One test case a source file. */
TCase *test_wire_arp(void);
TCase *test_wire_checksum(void);
TCase *test_wire_eth(void);
TCase *test_wire_icmp(void);
TCase *test_wire_ipv4(void);
TCase *test_wire_tcp(void);
TCase *test_wire_tcp_options(void);
TCase *test_wire_udp(void);

/* A copy of exactly len bytes on the heap, so that a sanitizer sees a read beyond it; the caller
 * frees. */
uint8_t *wire_exact(const void *p, size_t len);
/* The next of a fixed series of numbers; *state is its seed. */
uint32_t wire_random(uint64_t *state);
/* Puts a right Internet checksum, computed apart from the code under test, at p + at. */
void wire_fix_checksum(uint8_t *p, size_t len, size_t at);
/* The checksum of len bytes by the letter of RFC 1071 1: word by word. */
uint16_t wire_slow_checksum(const uint8_t *p, size_t len);

#endif
