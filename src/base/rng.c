/*
 * Random numbers and SipHash.
 *
 * xoshiro256** (Blackman and Vigna) is quick and good for jitter, ports and simulations. It is
 * not a cipher: whoever sees enough of its output knows the rest. What an attacker must not
 * guess (ISS, RFC 6528; hash buckets) goes through SipHash-2-4 with a secret key. The
 * seed is spread over the state by splitmix64, so that close seeds give unrelated streams.
 */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

void rng_seed(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    /* The high half of a 32 x 32 bit product is below n; the products whose low half falls into
     * the first 2^32 mod n values are one too many for some results, and are drawn again. */
    uint32_t surplus = -n % n;
    uint64_t product;

    do
        product = (uint64_t)rng_u32(r) * n;
    while ((uint32_t)product < surplus);
    return (uint32_t)(product >> 32);
}

/* ---- SipHash-2-4 (Aumasson and Bernstein) ---- */

static uint64_t get_le32(const uint8_t *p)
{
    return p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static uint64_t get_le64(const uint8_t *p)
{
    return get_le32(p) | get_le32(p + 4) << 32;
}

static void sip_rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[0] = rotl(v[0], 32);
        v[2] += v[3];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[2] = rotl(v[2], 32);
    }
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t v[4] = {
        key->k0 ^ 0x736f6d6570736575u, /* "somepseudorandomlygeneratedbytes" */
        key->k1 ^ 0x646f72616e646f6du,
        key->k0 ^ 0x6c7967656e657261u,
        key->k1 ^ 0x7465646279746573u,
    };
    uint64_t last = (uint64_t)len << 56;

    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word = get_le64(p);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << 8 * i;
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
