/* What the files of udp/ share among themselves. */
#ifndef SHIM_UDP_UDP_INT_H
#define SHIM_UDP_UDP_INT_H

#include "udp/udp.h"

/* A datagram, as the demultiplexer sees it. nif NULL: any (for ICMP errors). */
struct udp_flow {
    const struct netif *nif;
    struct endpoint src, dst;
};

/* ---- udp.c ---- */

/* The pcb's wildcard address. */
struct ip_addr udp_any(const struct udp_pcb *pcb);
/* The memory that a block of so many bytes takes, for SO_RCVBUF. */
uint32_t udp_block_bytes(size_t bytes);

/* ---- udp_demux.c ---- */

/* Puts a pcb, whose local and remote ends are set, into the tables. */
void udp_demux_insert(struct udp *udp, struct udp_pcb *pcb);
void udp_demux_remove(struct udp *udp, struct udp_pcb *pcb);
/* May pcb not be bound to local, because of another? */
bool udp_demux_in_use(const struct udp *udp, const struct udp_pcb *pcb,
                      const struct endpoint *local);
/* The pcb that gets a datagram for one of our own addresses; NULL: none. */
struct udp_pcb *udp_demux_find(const struct udp *udp, const struct udp_flow *flow);
/* The pcb after prev (NULL: the first) that gets a datagram to a broadcast or multicast address. */
struct udp_pcb *udp_demux_next(const struct udp *udp, const struct udp_flow *flow,
                               const struct udp_pcb *prev);

/* ---- udp_input.c ---- */

/* Queues an error for MSG_ERRQUEUE; lost when there is no room. e->node, block_bytes and data are
 * filled in here. */
void udp_push_error(struct udp *udp, struct udp_pcb *pcb, const struct udp_error *e,
                    const void *data, size_t len);

#endif
