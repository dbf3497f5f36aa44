/*
 * The wire: an Ethernet segment in memory that joins stacks, in virtual time, with every
 * impairment that a real network has. All chance comes from one seed, so that what happened once
 * happens again.
 *
 * Used by tests and the simulation; it makes no system call but malloc.
 */
#ifndef SHIM_IO_LINK_WIRE_H
#define SHIM_IO_LINK_WIRE_H

#include "base/rng.h"
#include "io/link.h"

/* What happens to the frames that one port sends, in this order. Chances are in millionths. */
struct link_wire_impair {
    uint64_t rate_bps;    /* bits a second; 0: no limit */
    uint32_t queue_bytes; /* frames beyond so many waiting bytes are dropped; 0: 256 KB */
    bool queue_refuses;   /* ... and the sender is told so with -ENOBUFS */
    uint64_t delay_us;
    uint64_t jitter_us;    /* up to so much more, without changing the order */
    uint32_t loss_ppm;     /* single frames */
    uint32_t burst_ppm;    /* chance that a burst of losses starts ... */
    uint32_t burst_frames; /* ... of so many frames */
    uint32_t corrupt_ppm;  /* a run of up to 15 bits of the IP packet is flipped, which every
                              checksum sees */
    uint32_t mark_ppm;     /* ECN-capable packets are marked: congestion experienced (RFC 3168) */
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm; /* held back for up to reorder_us, so that later frames overtake */
    uint64_t reorder_us;
    uint64_t coalesce_us; /* arrivals happen at multiples of this only: batches */
    uint32_t path_mtu; /* a router on the way takes no larger IP packets: those that may not be cut
                          are answered with ICMP (RFC 1191), the others pass; 0: none */
    bool path_silent;  /* ... but the router, or a firewall before it, keeps quiet about it */
    bool whole;        /* super-frames arrive whole and unfinished, as over veth; otherwise cut and
                          finished */
};

struct link_wire_stats {
    uint64_t sent, sent_bytes; /* segments of super-frames count each */
    uint64_t delivered;
    uint64_t dropped; /* by loss, burst, filter and queue */
    uint64_t corrupted, duplicated, reordered, marked;
    uint64_t too_big; /* not let through by the router of path_mtu */
};

struct link_wire_frame;

struct link_wire_port {
    struct link link; /* link.nif: what the stack sends through */
    struct link_wire *wire;
    struct stack *stack;
    struct net_env env;
    struct link_wire_impair impair;
    struct link_wire_stats stats;
    uint64_t busy_until_us; /* rate: when what waits will have left */
    uint64_t last_at_us;    /* jitter keeps the order */
    uint32_t burst_left;
};

struct link_wire {
    uint64_t now_us;
    struct rng rng;
    struct link_wire_port **ports;
    size_t nports;
    struct link_wire_frame **heap; /* by time, then by order of sending */
    size_t nheap, heap_room;
    uint64_t next_order;
    uint64_t events; /* steps taken */
    /* Looks at each frame before the impairments; false: it is lost. NULL: all pass. */
    bool (*filter)(void *arg, struct link_wire_port *from, const uint8_t *data, size_t len);
    /* Called after each step, outside of entries. NULL: nothing. */
    void (*after)(void *arg, struct link_wire *w);
    void *arg;
};

/* Starts at start_us. Aborts when there is no memory, as all of this file: it serves tests. */
void link_wire_init(struct link_wire *w, uint64_t seed, uint64_t start_us);
/* Frees the ports and the frames under way; the stacks are their owners'. */
void link_wire_fini(struct link_wire *w);
/* Joins st's interface nif to the wire. The port belongs to the wire. */
struct link_wire_port *link_wire_attach(struct link_wire *w, struct stack *st, struct netif *nif,
                                        const struct link_wire_impair *impair);

/* Opens an entry of the port's stack at the wire's time, and closes it. */
struct stack *link_wire_enter(struct link_wire_port *p);
void link_wire_leave(struct link_wire_port *p);

/* When something will happen next: a frame arrives or a stack has a deadline; TIMER_NEVER: nothing
 * will. */
uint64_t link_wire_next(const struct link_wire *w);
/* Goes to that time and lets it happen. False when nothing would, or it lies after until_us: then
 * the time becomes until_us (unless that is TIMER_NEVER). */
bool link_wire_step(struct link_wire *w, uint64_t until_us);
/* Steps until until_us. */
void link_wire_run(struct link_wire *w, uint64_t until_us);
/* Puts a frame on the wire by hand, as if p had sent it, without impairment but for the delay. */
void link_wire_inject(struct link_wire_port *p, const void *data, size_t len);

#endif
