/* IP addresses: kinds, prefixes and text. */
#include "base/addr.h"

#include <arpa/inet.h>

static const struct ip_addr any6;

bool addr_is_any(const struct ip_addr *a)
{
    return addr_is_v4(a) ? addr_get_v4(a) == 0 : addr_eq(a, &any6);
}

bool addr_is_loopback(const struct ip_addr *a)
{
    static const struct ip_addr loopback6 = {{[15] = 1}};

    return addr_is_v4(a) ? addr_get_v4(a) >> 24 == 127 : addr_eq(a, &loopback6);
}

bool addr_is_multicast(const struct ip_addr *a)
{
    return addr_is_v4(a) ? addr_get_v4(a) >> 28 == 0xe : a->b[0] == 0xff;
}

bool addr_is_broadcast(const struct ip_addr *a)
{
    return addr_is_v4(a) && addr_get_v4(a) == UINT32_MAX;
}

bool addr_in_prefix(const struct ip_addr *a, const struct ip_addr *net, uint8_t prefix_len)
{
    unsigned bits = prefix_len + (addr_is_v4(a) ? 96u : 0u);

    if (addr_is_v4(a) != addr_is_v4(net))
        return false;
    if (bits > 128)
        bits = 128;
    if (memcmp(a->b, net->b, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (a->b[bits / 8] ^ net->b[bits / 8]) >> (8 - bits % 8) == 0;
}

const char *addr_str(const struct ip_addr *a, char *out)
{
    if (addr_is_v4(a))
        inet_ntop(AF_INET, a->b + 12, out, ADDR_STR_MAX);
    else
        inet_ntop(AF_INET6, a->b, out, ADDR_STR_MAX);
    return out;
}

bool addr_parse(const char *s, struct ip_addr *out)
{
    struct ip_addr a = addr_any4();

    if (inet_pton(AF_INET, s, a.b + 12) != 1 && inet_pton(AF_INET6, s, a.b) != 1)
        return false;
    *out = a;
    return true;
}
