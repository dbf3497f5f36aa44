/* A network interface of the stack and its addresses. */
#ifndef SHIM_NET_NETIF_H
#define SHIM_NET_NETIF_H

#include "base/addr.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/timer.h"
#include "wire/eth.h"

struct net;

enum netif_type {
    NETIF_ETHERNET,
    NETIF_IP, /* bare IP packets: tun, WireGuard */
};

struct netif_stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t rx_dropped; /* by the link: ring overflow */
    uint64_t rx_bad;     /* malformed, truncated, wrong checksum */
    uint64_t rx_not_for_us, rx_unknown_proto;
    uint64_t tx_busy; /* the link had no room (ENOBUFS, EAGAIN): lost */
    uint64_t tx_errors;
};

struct netif {
    struct list node; /* in net->netifs */
    uint32_t index;   /* the kernel's interface index, or the test's own number; > 0, unique */
    char name[16];
    enum netif_type type;
    struct mac mac;
    uint32_t mtu;           /* bytes of an IP packet; 68 .. 65535 */
    uint32_t gso_max_bytes; /* largest TCP payload in one super-frame; 0: the link cannot segment */
    bool csum_offload;      /* the link finishes transport checksums */
    bool up;                /* carrier and administrative state */
    bool gone;              /* netif_remove() took it away */
    struct list addrs;      /* of struct netif_addr */
    struct netif_stats stats;
};

enum netif_addr_state {
    ADDR_TENTATIVE, /* being probed (RFC 5227 2.1): not used yet */
    ADDR_VALID,
    ADDR_CONFLICT, /* lost to another host (RFC 5227 2.4) */
};

struct netif_addr {
    struct list node; /* in nif->addrs */
    struct hash_node by_addr;
    struct ip_addr addr;
    uint8_t prefix_len;
    /* The kernel owns this address too (host mode): it answers ARP, echo requests and ports that
     * are not ours; we stay silent there. */
    bool borrowed;
    enum netif_addr_state state;
    struct netif *nif;
    struct timer timer;      /* probe, announce */
    uint8_t tries;           /* probes or announcements sent */
    uint64_t defended_at_us; /* last defence, 0: never */
};

/* Copies the description (everything but lists and stats) and makes the interface known; NULL when
 * the arena is full, the index is 0 or taken, or the MTU is out of its range. */
struct netif *netif_add(struct net *net, const struct netif *desc);
/* Takes the interface, its addresses, routes and neighbours away. nif itself stays readable, down
 * and unknown, because sockets may be bound to it (SO_BINDTODEVICE): path_lookup() then answers
 * -ENODEV. It comes to life again when an interface of the same index and name is added. */
void netif_remove(struct net *net, struct netif *nif);
struct netif *netif_by_index(struct net *net, uint32_t index);
/* Going down forgets the neighbours; coming up announces the addresses again. Addresses are not
 * probed again then (RFC 5227 2.1 would have it), because connections outlive a pulled cable. */
void netif_set_up(struct net *net, struct netif *nif, bool up);
/* 0, -EINVAL. */
int netif_set_mtu(struct net *net, struct netif *nif, uint32_t mtu);

/* Gives nif an address and its on-link route; a not-borrowed one is announced (gratuitous ARP) and,
 * with probe, first probed for a conflict (RFC 5227). 0, -EEXIST, -ENOMEM. */
int netif_add_addr(struct net *net, struct netif *nif, const struct ip_addr *addr,
                   uint8_t prefix_len, bool borrowed, bool probe);
void netif_remove_addr(struct net *net, struct netif *nif, const struct ip_addr *addr);
/* The address record if addr is one of the stack's own valid ones (any interface); NULL otherwise.
 */
struct netif_addr *netif_find_addr(struct net *net, const struct ip_addr *addr);
/* Is addr a broadcast address on nif (limited, or directed to one of its subnets)? */
bool netif_is_broadcast(const struct netif *nif, const struct ip_addr *addr);
/* True when nif has addresses and the kernel owns them all. */
bool netif_is_borrowed(const struct netif *nif);

#endif
