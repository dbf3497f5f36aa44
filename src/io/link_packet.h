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

/* Opens the sockets on interface hif.
 * offload: try segmentation and checksum offload; *gso_max_bytes and *csum_offload say what came of
 * it. *out is malloc'd; freed by its close(). 0; -EPERM, -ENODEV, -ENOMEM, or another -errno. */
int link_packet_open(const struct hostnet_if *hif, bool offload, struct link_packet_shared *shared,
                     uint32_t *gso_max_bytes, bool *csum_offload, struct link **out);
/* Takes over sockets that another process of the family opened. */
int link_packet_attach(int rx_fd, int tx_fd, uint32_t ifindex, bool vnet,
                       struct link_packet_shared *shared, struct link **out);
/* Is a frame waiting? Looks at the ring only. */
bool link_packet_ready(const struct link *l);

#endif
