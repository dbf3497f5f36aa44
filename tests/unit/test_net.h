/*
 * What the unit tests of net and udp share: a host whose link ends in the test. Frames that it
 * sends are kept in a list; frames are built here, apart from the code under test, and put in; time
 * is a number.
 */
#ifndef SHIM_TEST_NET_H
#define SHIM_TEST_NET_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net_int.h"
#include "udp/udp_int.h"
#include "wire/udp.h"

/* One test case a source file. */
TCase *test_net_acd(void);
TCase *test_net_icmp(void);
TCase *test_net_ip_input(void);
TCase *test_net_ip_loop(void);
TCase *test_net_ip_output(void);
TCase *test_net_memory(void);
TCase *test_net_neighbour(void);
TCase *test_net_net(void);
TCase *test_net_netif(void);
TCase *test_net_path(void);
TCase *test_net_reassembly(void);
TCase *test_net_repair(void);
TCase *test_net_route(void);
TCase *test_net_udp(void);
TCase *test_net_udp_demux(void);
TCase *test_net_udp_input(void);
TCase *test_net_udp_output(void);

/* A frame that the host sent. */
struct sent {
    struct sent *next;
    struct netif *nif;
    uint16_t gso_size, csum_start, csum_offset;
    uint8_t l4_bytes;
    size_t len;
    /* Decoded, as far as it goes; l4 points at what follows the IP header. */
    struct eth_hdr eth;
    struct arp arp;
    struct ipv4_hdr ip;
    const uint8_t *l4;
    size_t l4_len;
    uint8_t data[];
};

/* What an upcall brought. */
struct got_packet {
    struct ip_packet pkt;
    bool to_borrowed;
    uint8_t payload[65536];
};

struct got_error {
    struct icmp_error e;
    uint8_t l4[65536];
};

/* net and udp, as in the arena. */
struct test_stack {
    struct net net;
    struct udp udp;
};

struct host {
    void *mem;
    size_t mem_bytes, fresh_bytes;
    struct arena *arena;
    struct test_stack *stack;
    struct net *net;
    struct udp *udp;
    struct net_env env;
    struct netif *nif; /* the first one */
    struct sent *first, **last;
    unsigned sent_count;
    int link_error; /* what the link answers */
    unsigned tcp_packets, tcp_errors, ready;
    struct got_packet *tcp_packet;
    struct got_error *tcp_error;
    void *ready_owner;
    uint32_t ready_mask;
    void (*on_tcp_error)(struct host *h);
    unsigned traced_in, traced_out;
};

#define SECOND 1000000ull

#define US                0xc0000201u /* 192.0.2.1, us, on 192.0.2.0/24 */
#define PEER              0xc0000202u /* 192.0.2.2, a neighbour */
#define ROUTER            0xc00002feu /* 192.0.2.254 */
#define FAR               0xcb007107u /* 203.0.113.7, behind the router */
#define SUBNET_BROADCAST  0xc00002ffu
#define LIMITED_BROADCAST 0xffffffffu
#define GROUP             0xe0000105u /* 224.0.1.5 */

extern const struct mac our_mac, peer_mac, other_mac, broadcast_mac;

/* A host without interfaces, at time 1000 s. arena_bytes 0: plenty. */
void host_start(struct host *h, size_t arena_bytes);
/* With h->nif: Ethernet, MTU 1500, up, 192.0.2.1/24 (announced already, and the announcement
 * forgotten), and a default route by ROUTER. */
void host_start_ready(struct host *h);
/* The same on a borrowed address. */
void host_start_borrowed(struct host *h);
/* Ends the stack and checks that it gave all memory back. */
void host_end(struct host *h);
struct netif *host_add_netif(struct host *h, uint32_t index, enum netif_type type, uint32_t mtu);
void host_add_addr(struct host *h, struct netif *nif, uint32_t v4, uint8_t prefix_len);
void host_add_default_route(struct host *h, uint32_t gateway, struct netif *nif);
/* Lets time pass, running timers as they come due. */
void host_pass(struct host *h, uint64_t us);
/* Runs what is due now. */
void host_poll(struct host *h);
/* Bytes of the arena in use. */
size_t host_used(const struct host *h);

/* The oldest frame sent and not yet taken; the caller frees it with free(). Fails without one. */
struct sent *host_take(struct host *h);
struct sent *host_take_arp(struct host *h, uint16_t op);
struct sent *host_take_ip(struct host *h, uint8_t proto);
void host_expect_nothing(const struct host *h);
void host_forget_sent(struct host *h);

/* Puts a frame in, in a heap block of just its size. */
void host_input(struct host *h, struct netif *nif, const void *frame, size_t len, uint32_t flags,
                uint16_t gso_size);
void host_input_arp(struct host *h, const struct mac *dst, const struct arp *a);
/* spa is at sha, in answer to US. */
void host_input_arp_reply(struct host *h, uint32_t spa, const struct mac *sha);
/* Makes the neighbour known, as if it had asked for us. */
void host_know(struct host *h, uint32_t v4, const struct mac *mac);

/* A packet to put in. Zero fields have the usual meaning: see host_input_ip(). */
struct in_ip {
    uint32_t src, dst; /* 0: PEER, US */
    uint8_t proto, ttl, tos;
    uint16_t id;
    uint16_t frag_offset;
    bool mf, df;
    const struct mac *link_dst; /* NULL: our_mac */
    uint32_t flags;
    uint16_t gso_size;
    uint8_t options[40];
    uint8_t options_bytes;
    struct netif *nif; /* NULL: h->nif */
};
/* Builds the whole packet (with IP header) to out; its length. */
size_t build_ip(const struct in_ip *ip, const void *payload, size_t len, uint8_t *out);
void host_input_ip(struct host *h, const struct in_ip *ip, const void *payload, size_t len);
/* UDP header and data with checksum; src and dst as in in_ip. */
size_t build_udp(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, const void *data,
                 size_t len, uint8_t *out);
void host_input_udp(struct host *h, const struct in_ip *ip, uint16_t sport, uint16_t dport,
                    const void *data, size_t len);
/* An ICMP message from PEER (or ip->src) with the quote behind its header. */
void host_input_icmp(struct host *h, const struct in_ip *ip, uint8_t type, uint8_t code,
                     uint16_t id, uint16_t seq, const void *body, size_t len);

/* The checksum by the letter of RFC 1071, 0 when right; src 0: no pseudo-header. */
uint16_t slow_checksum(uint32_t src, uint32_t dst, uint8_t proto, const uint8_t *p, size_t len);
/* The next of a fixed series. */
uint32_t test_random(uint64_t *state);
/* Byte i of the data that the tests send around. */
void fill_pattern(uint8_t *p, size_t len, uint32_t seed);

struct endpoint ep(uint32_t v4, uint16_t port);
/* A pcb that is its own owner. */
struct udp_pcb *host_udp(struct host *h, uint32_t local, uint16_t port);
ssize_t host_udp_send(struct host *h, struct udp_pcb *pcb, uint32_t to, uint16_t port,
                      const void *data, size_t len);
/* Sends payload as proto from US to dst by ip_output() with defaults; its answer. */
int host_ip_send(struct host *h, uint32_t dst, uint8_t proto, const void *payload, size_t len,
                 bool df);

#endif
