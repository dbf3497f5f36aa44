/* Routes (RFC 1122 3.3.1): longest prefix first, then lowest metric. */
#ifndef SHIM_NET_ROUTE_H
#define SHIM_NET_ROUTE_H

#include "net/netif.h"

enum route_type {
    ROUTE_UNICAST,
    ROUTE_UNREACHABLE, /* packets are refused: -EHOSTUNREACH */
    ROUTE_PROHIBIT,    /* -EACCES */
    ROUTE_BLACKHOLE,   /* -EINVAL, as in Linux */
};

struct route {
    struct list node; /* the table's own */
    struct hash_node by_prefix;
    struct ip_addr dst;
    uint8_t prefix_len;
    struct ip_addr gateway; /* any: the destination is on the link */
    struct ip_addr src;     /* preferred source; any: chosen from the interface */
    struct netif *nif;
    uint32_t metric;
    uint32_t mtu; /* 0: the interface's */
    enum route_type type;
    bool of_addr; /* made by netif_add_addr() */
};

/*
 * Where packets to one destination go. A transport keeps one for each flow and asks path_refresh()
 * before use, which looks it up again only when something has changed (net->route_generation).
 */
struct ip_path {
    struct netif *nif; /* NULL: not looked up, or no route */
    struct ip_addr dst, src, next_hop;
    uint32_t mtu;
    uint32_t generation;       /* 0: not looked up */
    struct netif *bound;       /* the flow may use this interface alone; NULL: any */
    bool broadcast, multicast; /* of dst */
    bool local;                /* dst is an address of the stack itself */
    /* A router asked for less than PATH_MTU_MIN, or the interface carries less than PATH_MTU_WHOLE:
     * packets go without DF. */
    bool mtu_locked;
};

/* IP_MTU_DISCOVER: what a socket does about path MTUs. Linux's values; the C library may not know
 * all of them. */
enum pmtudisc {
    PMTUDISC_DONT = 0,
    PMTUDISC_WANT = 1,
    PMTUDISC_DO = 2,
    PMTUDISC_PROBE = 3,
    PMTUDISC_INTERFACE = 4, /* what routers say is not believed */
    PMTUDISC_OMIT = 5,
};

/* Smaller path MTUs than this are not believed (a forged ICMP message would make us send tiny
 * packets, RFC 5927 7); routers may fragment instead. As Linux's min_pmtu. */
#define PATH_MTU_MIN 552u
/* TCP's least segments (48 bytes, options among them, and two headers) fit into this. An interface
 * may carry less (RFC 791 3.2: 68 bytes): then they go in fragments. */
#define PATH_MTU_WHOLE       88u
#define PATH_MTU_LIFETIME_US (600ull * 1000000)

/* Copies r into the table. 0, -EEXIST (same destination, metric, gateway and interface), -ENOMEM,
 * -EINVAL (prefix length), -ENETUNREACH (the gateway is not on the interface's link). */
int route_add(struct net *net, const struct route *r);
int route_remove(struct net *net, const struct route *r); /* 0, -ESRCH */

/* Looks up dst. src: the address that the flow is bound to, or any: then one is chosen. nif: the
 * interface the flow is bound to (SO_BINDTODEVICE), or NULL; a destination without a route is then
 * taken to be on its link, and broadcast and multicast may leave it from 0.0.0.0 (DHCP), both as
 * Linux does. 0 and *out; -ENETUNREACH without a route, the error of its type (enum route_type),
 * -ENETDOWN when its interface is down, -ENODEV when it is gone, -EADDRNOTAVAIL when there is no
 * source address or src is not ours. After an error path_refresh(out) tries again. */
int path_lookup(struct net *net, const struct ip_addr *dst, const struct ip_addr *src,
                struct netif *nif, struct ip_path *out);
/* Looks p up again if routes, addresses or path MTUs have changed since. Same errors. */
int path_refresh(struct net *net, struct ip_path *p);
/* A router said (RFC 1191) that packets to dst must not be larger than mtu (at least PATH_MTU_MIN
 * is kept; 0: the plateau below the packet's size, given in size). Remembered 10 minutes. Returns
 * the path MTU now in force, or 0 when nothing is known of dst and mtu does not lower it. */
uint32_t path_set_mtu(struct net *net, const struct ip_addr *dst, uint32_t mtu, uint32_t size);

#endif
