/*
 * UDP (RFC 768, 1122 4.1): pcbs, demultiplexing and datagram queues. The socket layer owns each pcb
 * and gives it its options.
 */
#ifndef SHIM_UDP_UDP_H
#define SHIM_UDP_UDP_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/hash.h"
#include "base/list.h"
#include "net/net.h"

/* A datagram that waits in a receive queue. */
struct udp_dgram {
    struct list node;
    struct endpoint src;
    struct ip_addr dst; /* as in its header, for IP_PKTINFO */
    uint32_t ifindex;
    uint64_t arrived_us;
    uint32_t len;
    uint8_t ttl, tos;
    uint8_t data[];
};

/* What an ICMP message, or we ourselves, said of a datagram that was sent (IP_RECVERR,
 * MSG_ERRQUEUE). */
enum udp_error_origin { UDP_ERROR_LOCAL = 1, UDP_ERROR_ICMP = 2 }; /* as SO_EE_ORIGIN_* */

struct udp_error {
    struct list node;
    struct endpoint dst; /* to whom the datagram went */
    struct ip_addr from; /* who complains */
    struct ip_addr to;   /* to which address of ours, with the next three */
    uint32_t ifindex;
    uint8_t ttl, tos;
    uint64_t arrived_us;
    int err;                    /* positive errno */
    uint8_t origin, type, code; /* enum udp_error_origin; of the ICMP message */
    uint32_t info;              /* next-hop MTU for EMSGSIZE, else 0 */
    uint32_t block_bytes;
    uint32_t len; /* what was quoted of the payload */
    uint8_t data[];
};

struct udp_pcb {
    struct hash_node by_port;  /* all bound pcbs, keyed by local port */
    struct hash_node by_demux; /* all bound pcbs, keyed by the flow, or by local address and port */
    void *owner;               /* struct sock; not touched here */
    struct endpoint local, remote; /* port 0: not bound / not connected */
    struct netif *nif;             /* SO_BINDTODEVICE, or NULL */
    struct ip_path path;           /* of a connected pcb */
    struct list queue;             /* of struct udp_dgram */
    struct list errors;            /* of struct udp_error, with recverr */
    uint32_t queue_bytes;          /* memory of queue and errors */
    uint32_t rcvbuf_bytes;         /* limit for queue_bytes; one may go beyond it, as in Linux */
    int error;                     /* pending, positive errno; cleared by who reports it */
    uint8_t ttl, mcast_ttl, tos;
    uint8_t shut;         /* UDP_SHUT_* */
    uint8_t mtu_discover; /* enum pmtudisc (udp_output.c) */
    bool bound, connected, broadcast, reuse_addr, reuse_port, v6only, recverr;
    bool v6;                       /* an AF_INET6 socket: its wildcard is :: */
    bool addr_locked, port_locked; /* chosen by the user in udp_bind(): kept by udp_disconnect() */
    bool local_group;              /* bound to a broadcast or multicast address: no source */
    bool freebind;                 /* IP_FREEBIND: may be bound to an address that is not there */
    uint64_t drops;
    uint32_t rr_seq; /* order of binding: the last one wins, SO_REUSEPORT spreads by it */
};

/* udp_pcb.shut */
enum { UDP_SHUT_RD = 1, UDP_SHUT_WR = 2 };

struct udp {
    struct net *net;
    struct slab pcbs;
    struct hash ports, demux;
    uint32_t next_seq;
};

#define UDP_PAYLOAD_MAX    65507u
#define UDP_RCVBUF_DEFAULT 212992u

int udp_init(struct udp *udp, struct net *net); /* 0, -ENOMEM */
void udp_fini(struct udp *udp);                 /* frees everything; no pcb may be used any more */
/* After a process died inside an entry (net_repair()): makes tables and queues anew. */
void udp_repair(struct udp *udp);
struct udp_pcb *udp_open(struct udp *udp, void *owner); /* NULL: no memory */
/* Is it an AF_INET6 socket's? Its wildcard is :: then. To be told right after udp_open(), or when
 * it is connected. */
void udp_set_v6(struct udp_pcb *pcb, bool v6);
void udp_close(struct udp *udp, struct udp_pcb *pcb); /* frees it and its queue */
/* Binds to local; port 0 picks one (RFC 6056). 0; -EADDRINUSE by Linux's rules for
 * SO_REUSEADDR/SO_REUSEPORT; -EADDRNOTAVAIL for an address that is neither the stack's nor any,
 * broadcast or multicast, unless freebind; -EINVAL if bound. */
int udp_bind(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *local);
/* Sets the peer (binding first if need be). 0; -EACCES for broadcast without the option;
 * path_lookup()'s. */
int udp_connect(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *remote);
/* connect(AF_UNSPEC): forgets the peer, and the port if connect() had chosen it. */
void udp_disconnect(struct udp *udp, struct udp_pcb *pcb);
/* Sends one datagram of len bytes in iov to `to` (NULL: the peer). src (may be NULL) and nif
 * override the source address and interface for this one (IP_PKTINFO). Returns len; -EDESTADDRREQ,
 * -EMSGSIZE (> 65507, or DF and larger than the path), -EACCES, -EINVAL (port 0), -EPIPE (shut),
 * -EAGAIN (the link has no room now), -ENOMEM, the errors of udp_bind() and path_lookup(). A
 * pending error is reported first, and cleared. -ENOBUFS of the link is hidden, as in Linux, unless
 * recverr. */
ssize_t udp_send(struct udp *udp, struct udp_pcb *pcb, const struct endpoint *to,
                 const struct iovec *iov, size_t niov, size_t len, const struct ip_addr *src,
                 struct netif *nif);
/* The first datagram, left in the queue; NULL when there is none. */
struct udp_dgram *udp_peek(struct udp_pcb *pcb);
/* Takes the first datagram out and frees it. */
void udp_drop_first(struct udp *udp, struct udp_pcb *pcb);
/* The same two for the error queue (MSG_ERRQUEUE); the pending error follows it, as in Linux. */
struct udp_error *udp_peek_error(struct udp_pcb *pcb);
void udp_drop_first_error(struct udp *udp, struct udp_pcb *pcb);
/* An entry about what icmp says, without its data; the port of dst is left to the caller. */
void udp_error_init(struct udp_error *e, const struct icmp_error *icmp, uint64_t now_us);
/* Readiness as POLL* bits. */
uint32_t udp_poll(const struct udp_pcb *pcb);

void udp_input(struct udp *udp, const struct ip_packet *pkt);
void udp_icmp_error(struct udp *udp, const struct icmp_error *e);

#endif
