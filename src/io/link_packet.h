/* The AF_PACKET link: whole frames from and to an interface. */
#ifndef SHIM_IO_LINK_PACKET_H
#define SHIM_IO_LINK_PACKET_H

#include "io/hostnet.h"
#include "io/link.h"

/* What the processes that share a link's sockets share of it; in the arena. */
struct link_packet_shared {
    uint32_t next_slot;     /* of the receive ring: the one that the kernel fills next */
    uint32_t statistics_in; /* frames until the kernel's drop counter is read again */
};

/* Makes the two sockets of a link, and nothing more: what needs the right to. They receive nothing
 * yet. 0 or -errno. */
int link_packet_sockets(int *rx_fd, int *tx_fd);
/* Opens the link on interface hif, with sockets of its own, or with those two that
 * link_packet_sockets() made (otherwise NULL; after an error they are still the caller's).
 * offload: try segmentation and checksum offload; *gso_max_bytes and *csum_offload say what came of
 * it. *out is malloc'd; freed by its close(). 0; -EPERM, -ENODEV, -ENOMEM, or another -errno. */
int link_packet_open(const struct hostnet_if *hif, bool offload, struct link_packet_shared *shared,
                     const int *sockets, uint32_t *gso_max_bytes, bool *csum_offload,
                     struct link **out);
/* From now on nobody who gets hold of the sockets can see more with them than the stack does. */
void link_packet_seal(const struct link *l);
/* Takes over sockets that another process of the family opened. */
int link_packet_attach(int rx_fd, int tx_fd, uint32_t ifindex, bool vnet,
                       struct link_packet_shared *shared, struct link **out);
/* Is a frame waiting? Looks at the ring only. */
bool link_packet_ready(const struct link *l);

#endif
