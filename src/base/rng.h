/* Seeded random numbers (xoshiro256**) and SipHash-2-4, the keyed hash for tables and RFC 6528. */
#ifndef SHIM_BASE_RNG_H
#define SHIM_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
static inline uint32_t rng_u32(struct rng *r)
{
    return (uint32_t)(rng_u64(r) >> 32);
}
/* Uniform in [0, n), n > 0, without bias. */
uint32_t rng_below(struct rng *r, uint32_t n);

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
