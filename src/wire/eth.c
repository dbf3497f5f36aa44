/*
 * Ethernet II frames.
 *
 * A frame may carry one 802.1Q tag, which moves the payload by 4 bytes; the kernel as a rule takes
 * it off before the stack sees the frame. A second tag is left in place: the frame then has type
 * ETHTYPE_VLAN, which no protocol above asks for. A type below 0x0600 is an IEEE 802.3 length and
 * is likewise handed up as it is (RFC 1122 2.3.3 wants RFC 894 frames only).
 */
#include "wire/eth.h"

#include <errno.h>
#include <stdio.h>

#define VLAN_TAG_BYTES 4u
#define VLAN_ID_MASK   0x0fffu

int eth_parse(const uint8_t *p, size_t len, struct eth_hdr *out)
{
    if (len < ETH_HDR_BYTES)
        return -EBADMSG;
    memcpy(out->dst.b, p, 6);
    memcpy(out->src.b, p + 6, 6);
    out->type = get_be16(p + 12);
    out->vlan = 0;
    out->hdr_bytes = ETH_HDR_BYTES;
    if (out->type == ETHTYPE_VLAN) {
        if (len < ETH_HDR_BYTES + VLAN_TAG_BYTES)
            return -EBADMSG;
        out->vlan = get_be16(p + 14) & VLAN_ID_MASK;
        out->type = get_be16(p + 16);
        out->hdr_bytes += VLAN_TAG_BYTES;
    }
    return 0;
}

size_t eth_emit(const struct eth_hdr *h, uint8_t *p)
{
    memcpy(p, h->dst.b, 6);
    memcpy(p + 6, h->src.b, 6);
    put_be16(p + 12, h->type);
    return ETH_HDR_BYTES;
}

bool mac_is_broadcast(const struct mac *m)
{
    static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

    return mac_eq(m, &broadcast);
}

bool mac_is_multicast(const struct mac *m)
{
    return m->b[0] & 1;
}

bool mac_eq(const struct mac *a, const struct mac *b)
{
    return memcmp(a->b, b->b, 6) == 0;
}

const char *mac_str(const struct mac *m, char *out)
{
    snprintf(out, MAC_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2], m->b[3],
             m->b[4], m->b[5]);
    return out;
}
