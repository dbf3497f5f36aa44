/*
 * What the kernel knows of an interface: its link, addresses and routes, read with rtnetlink
 * (libmnl). Host mode borrows all of it; own-address mode only the link.
 */
#ifndef SHIM_IO_HOSTNET_H
#define SHIM_IO_HOSTNET_H

#include "io/config.h"
#include "stack.h"

struct hostnet_if {
    uint32_t index;
    char name[16];
    enum netif_type type;
    struct mac mac;
    uint32_t mtu;
    bool up; /* IFF_UP and IFF_RUNNING */
    bool loopback;
};

/* The interface that c asks for, by config.h's rule. 0; -ENODEV, -ENETDOWN (named, but down),
 * -EADDRNOTAVAIL (host mode, and it has no IPv4 address), -EADDRINUSE (own-address mode, and the
 * kernel has that address), each with one line in why; or netlink's -errno. */
int hostnet_find(const struct config *c, struct hostnet_if *out, char *why, size_t why_bytes);
/* The present state of an interface. 0, -ENODEV. */
int hostnet_link(uint32_t index, struct hostnet_if *out);
/* Brings nif's borrowed addresses and its routes in line with the kernel's (main table, this
 * interface). Within an entry. 0 or -errno. */
int hostnet_sync(struct stack *st, struct netif *nif);
/* Where the kernel itself would send to dst. */
struct hostnet_way {
    bool local;     /* to this host */
    uint32_t index; /* the interface it leaves by */
};
/* 0, -ENETUNREACH (no route), or another -errno. */
int hostnet_lookup(const struct ip_addr *dst, struct hostnet_way *out);
/* All addresses of the kernel, on any interface: is addr one of them? */
bool hostnet_is_local(const struct ip_addr *addr);

/* A non-blocking descriptor that becomes readable when links, addresses or routes change; or
 * -errno. */
int hostnet_monitor_open(void);
/* Reads what is there; true when something (also a lost message) asks for a refresh. */
bool hostnet_monitor_drain(int fd);

#endif
