/* Routes (RFC 1122 3.3.1): longest prefix first, then lowest metric. */
#ifndef SHIM_NET_ROUTE_H
#define SHIM_NET_ROUTE_H

#include "net/netif.h"

struct route {
    struct list node;
    struct ip_addr dst;
    uint8_t prefix_len;
    struct ip_addr gateway; /* any: the destination is on the link */
    struct ip_addr src;     /* preferred source; any: chosen from the interface */
    struct netif *nif;
    uint32_t metric;
    uint32_t mtu; /* 0: the interface's */
};

/*
 * Where packets to one destination go. A transport keeps one for each flow and asks path_refresh() before
 * use, which looks it up again only when something has changed (net->route_generation).
 */
struct ip_path {
    struct netif *nif; /* NULL: not looked up, or no route */
    struct ip_addr dst, src, next_hop;
    uint32_t mtu;
    uint32_t generation;
    bool broadcast, multicast; /* of dst */
};

/* Copies r into the table. 0, -EEXIST, -ENOMEM, -ENETUNREACH (the gateway is not on a link). */
int route_add(struct net *net, const struct route *r);
int route_remove(struct net *net, const struct route *r); /* 0, -ESRCH */

/* Looks up dst. src: the address that the flow is bound to, or any: then one is chosen. nif: the interface
 * the flow is bound to (SO_BINDTODEVICE), or NULL. 0 and *out; -ENETUNREACH without a route, -ENETDOWN when its
 * interface is down, -EADDRNOTAVAIL when there is no source address. */
int path_lookup(struct net *net, const struct ip_addr *dst, const struct ip_addr *src,
                struct netif *nif, struct ip_path *out);
/* Looks p up again if routes, addresses or path MTUs have changed since. Same errors. */
int path_refresh(struct net *net, struct ip_path *p);
/* A router said (RFC 1191) that packets to dst must not be larger than mtu (at least 68 is kept; 0: the plateau
 * below the packet's size, given in size). Remembered 10 minutes. */
void path_set_mtu(struct net *net, const struct ip_addr *dst, uint32_t mtu, uint32_t size);

#endif
