/*
 * ARP packets, for IPv4 over Ethernet alone: 28 bytes, all of fixed place (RFC 826).
 *
 *      0         2         4    5    6    8       14       18       24       28
 *      | hw type | pr type | hl | pl | op |  sha  |  spa   |  tha   |  tpa   |
 *
 * Any operation is parsed; what to do with one that is neither request nor reply is the caller's
 * matter.
 */
#include "wire/arp.h"

#include <errno.h>

#define ARP_HRD_ETHERNET 1u
#define ARP_HLN          6u
#define ARP_PLN          4u

int arp_parse(const uint8_t *p, size_t len, struct arp *out)
{
    if (len < ARP_BYTES)
        return -EBADMSG;
    if (get_be16(p) != ARP_HRD_ETHERNET || get_be16(p + 2) != ETHTYPE_IPV4 || p[4] != ARP_HLN ||
        p[5] != ARP_PLN)
        return -EBADMSG;
    out->op = get_be16(p + 6);
    memcpy(out->sha.b, p + 8, 6);
    out->spa = get_be32(p + 14);
    memcpy(out->tha.b, p + 18, 6);
    out->tpa = get_be32(p + 24);
    return 0;
}

size_t arp_emit(const struct arp *a, uint8_t *p)
{
    put_be16(p, ARP_HRD_ETHERNET);
    put_be16(p + 2, ETHTYPE_IPV4);
    p[4] = ARP_HLN;
    p[5] = ARP_PLN;
    put_be16(p + 6, a->op);
    memcpy(p + 8, a->sha.b, 6);
    put_be32(p + 14, a->spa);
    memcpy(p + 18, a->tha.b, 6);
    put_be32(p + 24, a->tpa);
    return ARP_BYTES;
}
