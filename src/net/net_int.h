/* What the files of net/ share among themselves. */
#ifndef SHIM_NET_NET_INT_H
#define SHIM_NET_NET_INT_H

#include "net/neighbour.h"
#include "net/net.h"
#include "wire/arp.h"
#include "wire/ipv4.h"

#define US_PER_S 1000000ull

/* Timers of TIMER_LAYER_NET. */
enum net_timer {
    NET_TIMER_ADDR = TIMER_LAYER_NET | 1, /* struct netif_addr: conflict detection */
    NET_TIMER_NEIGHBOUR,                  /* struct neighbour */
    NET_TIMER_NEIGHBOURS,                 /* struct neighbours: garbage */
    NET_TIMER_REASSEMBLY,                 /* struct reassembly_entry */
    NET_TIMER_PATH_MTU,                   /* struct path_mtus */
    NET_TIMER_LOOP,                       /* struct net */
};

/* ---- net.c ---- */

/* Routes, addresses or path MTUs have changed: cached paths are looked up again. */
void net_routes_changed(struct net *net);
static inline uint64_t net_hash(const struct net *net, const void *key, size_t len)
{
    return siphash(&net->key, key, len);
}

/* ---- netif.c ---- */

int netif_init(struct net *net); /* 0, -ENOMEM */
void netif_fini(struct net *net);
void netif_repair(struct net *net);
/* The first valid address of nif, preferably on the subnet of near (may be NULL); NULL: none. */
struct netif_addr *netif_pick_addr(const struct netif *nif, const struct ip_addr *near);

/* ---- route.c ---- */

int route_init(struct net *net); /* 0, -ENOMEM */
void route_fini(struct net *net);
void route_repair(struct net *net);
/* The best route to dst whose interface is up (only: and is this one); a route over an interface
 * that is down if there is no other; NULL: none. */
struct route *route_find(struct net *net, const struct ip_addr *dst, const struct netif *only);
/* Takes out the route that netif_add_addr() made for the subnet of r. */
void route_remove_of_addr(struct net *net, const struct route *r);
void route_forget_netif(struct net *net, const struct netif *nif);

/* ---- path.c ---- */

int path_init(struct net *net); /* 0, -ENOMEM */
void path_fini(struct net *net);
void path_repair(struct net *net);
void path_mtu_timer(struct net *net);

/* ---- neighbour.c, neighbour_arp.c ---- */

struct neighbour;

int neighbour_init(struct net *net); /* 0, -ENOMEM */
void neighbour_fini(struct net *net);
void neighbour_repair(struct net *net);
void neighbour_timer(struct net *net, struct timer *t);
void neighbour_gc(struct net *net);
void neighbour_forget_netif(struct net *net, const struct netif *nif);
/* What an ARP packet says of its sender: addr is at mac. Updates the entry, if there is one or
 * create is set. answer: it answers a question of ours. */
void neighbour_learn(struct net *net, struct netif *nif, const struct ip_addr *addr,
                     const struct mac *mac, bool answer, bool create);
/* Puts the link header in front of f and sends it. net_transmit()'s errors. */
int neighbour_transmit(struct net *net, struct netif *nif, const struct mac *dst, uint16_t type,
                       struct frame *f);
/* One ARP packet from nif's own MAC. dst: link destination; tha: NULL for a request. */
void neighbour_arp_send(struct net *net, struct netif *nif, uint16_t op, const struct mac *dst,
                        uint32_t spa, const struct mac *tha, uint32_t tpa);
extern const struct mac neighbour_broadcast_mac;

/* ---- acd.c: address conflict detection (RFC 5227) ---- */

/* Begins to probe a (tentative), or to announce it (valid). */
void acd_start(struct net *net, struct netif_addr *a);
/* The same after net_repair(), when the timer is lost: a valid address is not announced again. */
void acd_resume(struct net *net, struct netif_addr *a);
void acd_timer(struct net *net, struct netif_addr *a);
/* Judges an ARP packet by another host. True when it claims an address of ours: nothing must be
 * learnt from it. */
bool acd_input(struct net *net, struct netif *nif, const struct arp *arp);

/* ---- reassembly.c ---- */

int reassembly_init(struct net *net); /* 0, -ENOMEM */
void reassembly_fini(struct net *net);
void reassembly_repair(struct net *net);
/* Takes the fragment pkt, whose header is h. When it completes a datagram: true, and *whole
 * describes that datagram, in a block that the caller gives back with reassembly_done(). */
struct reassembly_whole {
    void *block;
    size_t block_bytes;
    struct ip_packet pkt;
};
bool reassembly_input(struct net *net, const struct ip_packet *pkt, const struct ipv4_hdr *h,
                      struct reassembly_whole *whole);
void reassembly_done(struct net *net, struct reassembly_whole *whole);
void reassembly_timer(struct net *net, struct timer *t);
void reassembly_forget_netif(struct net *net, const struct netif *nif);

/* ---- ip_input.c ---- */

/* A packet (with its IP header) from the link or from ourselves. link_group: it came to a broadcast
 * or multicast link address. */
struct ip_rx {
    const uint8_t *data;
    size_t len;
    uint32_t flags; /* enum frame_in_flag */
    uint16_t gso_size;
    bool link_group;
    bool from_self;
};
void ip_input(struct net *net, struct netif *nif, const struct ip_rx *rx);

/* ---- ip_loop.c: packets to ourselves ---- */

int ip_loop_output(struct net *net, struct netif *nif,
                   const struct frame *f); /* 0, -ENOBUFS, -ENOMEM */
void ip_loop_timer(struct net *net);
void ip_loop_fini(struct net *net);
void ip_loop_repair(struct net *net);

/* ---- icmp.c ---- */

/* Reads the beginning of a packet of ours, quoted by an ICMP error or found in a queue: fills src,
 * dst, proto, size and l4 of *e. 0 or -EBADMSG (malformed, too short, or not a first fragment). */
int icmp_error_read(const uint8_t *p, size_t len, struct icmp_error *e);
/* Hands e to the transport of e->proto. */
void icmp_error_deliver(struct net *net, const struct icmp_error *e);

#endif
