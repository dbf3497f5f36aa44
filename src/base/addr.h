/*
 * An IP address of either family: 16 bytes in network order, IPv4 in its IPv4-mapped form
 * (::ffff:a.b.c.d, RFC 4291 2.5.5.2). Comparison, hashing and copying need not ask the family.
 */
#ifndef SHIM_BASE_ADDR_H
#define SHIM_BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct ip_addr {
    uint8_t b[16];
};

/* An end of a transport flow. port in host order. */
struct endpoint {
    struct ip_addr addr;
    uint16_t port;
};

#define ENDPOINT_FLOW_BYTES 36
/* The two ends of a flow as bytes without gaps, to be hashed. */
static inline void endpoint_flow(const struct endpoint *local, const struct endpoint *remote,
                                 uint8_t out[ENDPOINT_FLOW_BYTES])
{
    memcpy(out, local->addr.b, 16);
    memcpy(out + 16, remote->addr.b, 16);
    put_be16(out + 32, local->port);
    put_be16(out + 34, remote->port);
}

#define ADDR_STR_MAX 48 /* with a terminating zero */

/* v4 in host order. */
static inline struct ip_addr addr_v4(uint32_t v4)
{
    struct ip_addr a = {{[10] = 0xff, [11] = 0xff}};
    put_be32(a.b + 12, v4);
    return a;
}
/* The wildcard of the IPv4 family, 0.0.0.0. */
static inline struct ip_addr addr_any4(void)
{
    return addr_v4(0);
}
/* The wildcard of the IPv6 family, ::. */
static inline struct ip_addr addr_any6(void)
{
    return (struct ip_addr){{0}};
}
static inline bool addr_is_v4(const struct ip_addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a->b, mapped, 12) == 0;
}
/* Host order; a must be an IPv4 address. */
static inline uint32_t addr_get_v4(const struct ip_addr *a)
{
    return get_be32(a->b + 12);
}
/* The wildcard of the family of a. */
static inline struct ip_addr addr_any_as(const struct ip_addr *a)
{
    if (addr_is_v4(a))
        return addr_any4();
    return addr_any6();
}
static inline bool addr_eq(const struct ip_addr *a, const struct ip_addr *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}
/* 0.0.0.0 or ::. */
bool addr_is_any(const struct ip_addr *a);
/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct ip_addr *a);
/* 224.0.0.0/4 or ff00::/8. */
bool addr_is_multicast(const struct ip_addr *a);
/* 255.255.255.255. */
bool addr_is_broadcast(const struct ip_addr *a);
/* Do the first prefix_len bits agree? prefix_len counts in a's own family: 0..32 for IPv4, 0..128
 * for IPv6; false when the families differ. */
bool addr_in_prefix(const struct ip_addr *a, const struct ip_addr *net, uint8_t prefix_len);
/* "192.0.2.1", or RFC 5952 form: "2001:db8::1" into out (ADDR_STR_MAX bytes); returns out. */
const char *addr_str(const struct ip_addr *a, char *out);
/* The inverse; false, and *out untouched, when s is not an address in full. "::ffff:192.0.2.1" is
 * the IPv4 address. */
bool addr_parse(const char *s, struct ip_addr *out);

#endif
