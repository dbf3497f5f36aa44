/*
 * struct net: what all protocols of a stack share. It lives in the arena.
 *
 * Time is frozen for one entry (now_us). What belongs to the calling process alone (functions, the
 * link) is reached through env, which stack_enter() sets and stack_leave() clears: nothing of it
 * stays in the arena.
 */
#ifndef SHIM_NET_NET_H
#define SHIM_NET_NET_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/timer.h"
#include "net/frame.h"
#include "net/icmp.h"
#include "net/ip.h"
#include "net/netif.h"
#include "net/route.h"

/* The high byte of a timer's kind says which layer runs it. */
enum timer_layer {
    TIMER_LAYER_NET = 0x0100,
    TIMER_LAYER_UDP = 0x0200,
    TIMER_LAYER_TCP = 0x0300,
    TIMER_LAYER_SOCK = 0x0400,
    TIMER_LAYER_MASK = 0xff00,
};

/* What net asks of the layers above; one const table in stack.c. */
struct net_upcalls {
    void (*tcp_input)(struct net *net, const struct ip_packet *pkt);
    void (*udp_input)(struct net *net, const struct ip_packet *pkt);
    void (*tcp_icmp_error)(struct net *net, const struct icmp_error *e);
    void (*udp_icmp_error)(struct net *net, const struct icmp_error *e);
    /* What a transport tells the socket that owns a pcb: it may have become ready (mask of POLL*),
     * or TCP let go of it. */
    void (*sock_ready)(struct net *net, void *owner, uint32_t mask);
    /* For the error queue of a TCP's socket; may be NULL. */
    void (*sock_icmp)(struct net *net, void *owner, const struct icmp_error *e);
};

/* Events for the trace; the pointers are borrowed for the call. */
enum trace_kind { TRACE_FRAME_IN, TRACE_FRAME_OUT, TRACE_TCP_STATE, TRACE_NOTE };

struct trace_event {
    enum trace_kind kind;
    uint64_t now_us;
    const struct netif *nif;
    const struct frame_in *in;     /* TRACE_FRAME_IN */
    const struct frame *out;       /* TRACE_FRAME_OUT, with its link header */
    struct endpoint local, remote; /* TRACE_TCP_STATE */
    const char *from, *to;         /* its states' names */
    const char *note;              /* TRACE_NOTE: free text */
};

struct net_env {
    const struct net_upcalls *up;
    /* Sends a frame with its link header. 0, -ENOBUFS or -EAGAIN (no room: the frame is lost),
     * -ENETDOWN, or another -errno. */
    int (*output)(void *ctx, struct netif *nif, const struct frame *f);
    void (*trace)(void *ctx, const struct trace_event *ev); /* NULL: off */
    /* Is this TCP port of a borrowed address ours alone, so that the host is silent there? NULL:
     * none is. */
    bool (*guards)(void *ctx, const struct endpoint *local);
    void *ctx;
};

struct net_stats {
    uint64_t ip_in, ip_in_bad, ip_in_options_bad, ip_in_not_ours, ip_in_unknown_proto;
    uint64_t ip_out, ip_out_no_route, ip_frag_out, ip_frag_in, ip_reasm_ok, ip_reasm_fail;
    uint64_t ip_in_martian, ip_loop_full;
    uint64_t arp_in, arp_in_bad, arp_requests_out, arp_replies_out, arp_conflicts;
    uint64_t icmp_in, icmp_in_bad, icmp_out, icmp_out_limited;
    uint64_t udp_in, udp_in_bad, udp_in_no_port, udp_in_full, udp_out;
};

struct neighbours;
struct reassembly;
struct path_mtus;

#define NET_PORT_COUNTERS  256u
#define NET_IP_ID_COUNTERS 256u

struct net {
    struct arena *arena;
    const struct net_env *env;
    uint64_t now_us;
    struct timers timers;
    struct rng rng;
    struct siphash_key key; /* for hash tables */
    struct slab netif_slab, addr_slab, route_slab;
    struct list netifs;
    struct list netifs_gone; /* removed, but others may still point at them (netif_remove) */
    struct hash addrs;       /* of struct netif_addr, all interfaces, by address */
    struct list routes;      /* all, in no order */
    struct hash routes_by_prefix;
    uint32_t routes_of_len[129]; /* how many routes have a prefix of so many bits (IPv4: 96 more) */
    uint32_t route_generation;   /* from 1; rises when routes, addresses or path MTUs change */
    struct neighbours *neighbours;
    struct reassembly *reassembly;
    struct path_mtus *path_mtus;
    struct list loop; /* packets to ourselves, net/ip_loop.c's own */
    uint32_t loop_bytes;
    struct timer loop_timer;
    uint64_t icmp_tokens; /* rate limit, net/icmp.c's own */
    uint64_t icmp_tokens_at_us;
    uint16_t port_counters[NET_PORT_COUNTERS]; /* RFC 6056 3.3.4 */
    uint16_t ip_ids[NET_IP_ID_COUNTERS];       /* RFC 6864 4.2 */
    struct net_stats stats;
};

/* Prepares net (zero-filled, in the arena). 0 or -ENOMEM. */
int net_init(struct net *net, struct arena *a, uint64_t seed);
/* Frees everything that net holds. No transport may use it any more. */
void net_fini(struct net *net);
/* After a process died inside an entry, with the arena rebuilt and net->timers emptied: makes
 * lists, tables and timers anew. Interfaces, addresses and routes stay; what can come again
 * (neighbours and the packets that wait for them, path MTUs, fragments) is dropped. */
void net_repair(struct net *net);
/* Runs a timer of TIMER_LAYER_NET that came due. */
void net_timer(struct net *net, struct timer *t);
/* Hands f to the link, traced and counted. The errors of net_env.output. */
int net_transmit(struct net *net, struct netif *nif, const struct frame *f);
/*
 * Picks an ephemeral port from [low, high]; in_use says whether a candidate is taken. With remote:
 * for a flow to it (RFC 6056 3.3.4, algorithm 4: a hash of the flow plus a counter, so that the
 * ports to one peer do not come back soon). Without (NULL): at random (3.3.1, algorithm 1). The
 * port, or 0 when all are taken.
 */
uint16_t net_pick_port(struct net *net, const struct endpoint *local, const struct endpoint *remote,
                       uint16_t low, uint16_t high, bool (*in_use)(void *arg, uint16_t port),
                       void *arg);

#define NET_PORT_LOW  32768
#define NET_PORT_HIGH 60999

#endif
