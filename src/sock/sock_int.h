/* What the files of sock/ share. */
#ifndef SHIM_SOCK_SOCK_INT_H
#define SHIM_SOCK_SOCK_INT_H

#include "base/ring.h"
#include "sock/sock.h"

/* The options that are on or off: bits of sock.options. */
enum sock_bit {
    SOCK_BIT_DEBUG,
    SOCK_BIT_DONTROUTE,
    SOCK_BIT_BROADCAST,
    SOCK_BIT_REUSEADDR,
    SOCK_BIT_REUSEPORT,
    SOCK_BIT_KEEPALIVE,
    SOCK_BIT_OOBINLINE,
    SOCK_BIT_NO_CHECK,
    SOCK_BIT_LINGER,
    SOCK_BIT_TIMESTAMP,     /* a timestamp in a control message ... */
    SOCK_BIT_TIMESTAMP_NS,  /* ... in nanoseconds ... */
    SOCK_BIT_TIMESTAMP_NEW, /* ... in the layout with 64-bit time */
    SOCK_BIT_RXQ_OVFL,
    SOCK_BIT_WIFI_STATUS,
    SOCK_BIT_NOFCS,
    SOCK_BIT_LOCK_FILTER,
    SOCK_BIT_SELECT_ERR_QUEUE,
    SOCK_BIT_PREFER_BUSY_POLL,
    SOCK_BIT_ZEROCOPY,
    SOCK_BIT_RCVMARK,
    SOCK_BIT_RCVPRIORITY,
    SOCK_BIT_PKTINFO,
    SOCK_BIT_RECVTTL,
    SOCK_BIT_RECVTOS,
    SOCK_BIT_RECVOPTS,
    SOCK_BIT_RETOPTS,
    SOCK_BIT_PASSSEC,
    SOCK_BIT_ORIGDSTADDR,
    SOCK_BIT_RECVFRAGSIZE,
    SOCK_BIT_CHECKSUM,
    SOCK_BIT_RECVERR,
    SOCK_BIT_RECVERR_RFC4884,
    SOCK_BIT_FREEBIND,
    SOCK_BIT_TRANSPARENT,
    SOCK_BIT_BIND_NO_PORT,
    SOCK_BIT_MCAST_LOOP,
    SOCK_BIT_MCAST_ALL,
    SOCK_BIT_NODELAY,
    SOCK_BIT_CORK, /* TCP_CORK, UDP_CORK */
    SOCK_BIT_THIN_LINEAR,
    SOCK_BIT_FASTOPEN_CONNECT,
    SOCK_BIT_FASTOPEN_NO_COOKIE,
    SOCK_BIT_INQ,
    SOCK_BIT_NO_CHECK6_TX,
    SOCK_BIT_NO_CHECK6_RX,
    SOCK_BIT_GRO,
    SOCK_BIT_V6ONLY,
    SOCK_BIT_PKTINFO6,
    SOCK_BIT_RECVHOPLIMIT,
    SOCK_BIT_RECVTCLASS,
    SOCK_BIT_ORIGDSTADDR6,
    SOCK_BIT_RECVERR6,
    SOCK_BIT_DONTFRAG,
    SOCK_BIT_MCAST_LOOP6,
    SOCK_BIT_MCAST_ALL6,
};

static inline bool sock_has(const struct sock *so, enum sock_bit bit)
{
    return so->options >> bit & 1;
}
static inline void sock_set_bit(struct sock *so, enum sock_bit bit, bool on)
{
    so->options = on ? so->options | 1ull << bit : so->options & ~(1ull << bit);
}

/* The options with a number that few sockets set; sock_rare.value[] once one of them is set. */
enum sock_slot {
    SOCK_SLOT_SNDBUF, /* UDP: nothing waits in a send buffer, the number is only kept */
    SOCK_SLOT_RCVLOWAT,
    SOCK_SLOT_BUSY_POLL_US,
    SOCK_SLOT_BUSY_POLL_BUDGET,
    SOCK_SLOT_INCOMING_CPU,
    SOCK_SLOT_TXREHASH,
    SOCK_SLOT_BUF_LOCK,
    SOCK_SLOT_TIMESTAMPING,
    SOCK_SLOT_TIMESTAMPING_PHC,
    SOCK_SLOT_TXTIME_CLOCK,
    SOCK_SLOT_TXTIME_FLAGS,
    SOCK_SLOT_MIN_TTL,
    SOCK_SLOT_MTU_DISCOVER,
    SOCK_SLOT_PORT_RANGE,
    SOCK_SLOT_UNICAST_IF,
    SOCK_SLOT_MCAST_IF,
    SOCK_SLOT_MCAST_TTL,
    SOCK_SLOT_LINGER2_S,
    SOCK_SLOT_DEFER_RETRANS,
    SOCK_SLOT_FASTOPEN_QLEN,
    SOCK_SLOT_SAVE_SYN,
    SOCK_SLOT_TX_DELAY,
    SOCK_SLOT_UDP_SEGMENT,
    SOCK_SLOT_HOPS6,
    SOCK_SLOT_MCAST_HOPS6,
    SOCK_SLOT_TCLASS,
    SOCK_SLOT_MTU_DISCOVER6,
    SOCK_SLOTS,
};

/* A multicast group that the socket has joined. */
struct sock_group {
    struct list node;
    struct ip_addr group;
    uint32_t ifindex;
};

struct sock_rare {
    struct sock *so; /* whose it is */
    int32_t value[SOCK_SLOTS];
    uint64_t pacing_rate;     /* SO_MAX_PACING_RATE; ~0: none */
    struct ip_addr mcast_src; /* IP_MULTICAST_IF's address; any: the interface's own */
    struct list groups;       /* of struct sock_group */
    struct ip_addr late_addr; /* bound without a port (IP_BIND_ADDRESS_NO_PORT) ... */
    bool late_bind;           /* ... and still waiting for it */
    uint8_t ip_options_bytes;
    uint8_t ip_options[40];
    uint8_t fastopen_key_bytes;
    uint8_t fastopen_key[32];
    struct ring cork;        /* UDP: the datagram being put together ... */
    struct endpoint cork_to; /* ... and where it goes; port 0: nothing is being put together */
    bool corked;
    uint32_t zerocopy_first, zerocopy_next; /* sends with MSG_ZEROCOPY that were not told of */
    struct list errors;                     /* TCP: of struct udp_error ... */
    uint32_t nerrors;                       /* ... and how many */
};

/* Makes so known by its cookie. */
void sock_insert(struct sock *so);
/* so->rare, made on first use with every option's default; NULL: no memory. */
struct sock_rare *sock_rare(struct sock *so);
/* The value of an option that lives in a slot; its default while so->rare is NULL. */
int32_t sock_value(const struct sock *so, enum sock_slot slot);

/* Carries so's options over to its pcb. */
void sock_opt_apply(struct sock *so);
/* Makes it an AF_INET6 socket, or an AF_INET one: a new one, or a connected one (IPV6_ADDRFORM). */
void sock_set_v6(struct sock *so, bool v6);
/* Is it bound to a port, by bind() or otherwise? */
bool sock_has_port(const struct sock *so);
/* The options of a new socket. */
void sock_opt_init(struct sock *so);
/* Frees so->rare with what hangs on it. */
void sock_opt_release(struct sock *so);
/* What an accepted socket inherits from its listener. 0, -ENOMEM. */
int sock_opt_inherit(struct sock *so, const struct sock *listener);

/* connect() without the SYN, which waits for the first bytes (tcp_fastopen_connect()). 0 or
 * -errno. */
int sock_connect_fast(struct sock *so, const struct sockaddr *addr, socklen_t len);

/* What a connect() under way has come to: 0, -EALREADY, or why it failed. */
int sock_connect_outcome(struct sock *so);

/* IP_BIND_ADDRESS_NO_PORT: gives a socket that was bound without a port its port. 0 or tcp_bind()'s
 * errors. */
int sock_bind_late(struct sock *so);

/* ---- options: sock_opt.c, one table a level ---- */

enum sock_opt_kind {
    OPT_BIT,    /* on or off, in sock.options */
    OPT_SLOT,   /* a number in sock_rare.value[] */
    OPT_CONFIG, /* a number in struct tcp_config */
    OPT_FN,     /* a number with functions of its own; no function: -ENOPROTOOPT that way */
    OPT_BYTES,  /* the same for what is not a number: any length reaches set */
};

enum { OPT_TCP = 1, OPT_UDP = 2, OPT_BOTH = 3 };

struct sock_opt {
    int name;
    uint8_t on;       /* sockets that have it; -ENOPROTOOPT on the others */
    uint8_t kind;     /* enum sock_opt_kind */
    uint8_t at;       /* OPT_BIT: enum sock_bit; OPT_SLOT: enum sock_slot */
    uint8_t width;    /* OPT_CONFIG: bytes of the field */
    uint16_t offset;  /* OPT_CONFIG: of the field */
    uint16_t scale;   /* OPT_CONFIG: field = value * scale */
    uint8_t min_len;  /* shortest value; numbers outside SOL_IP are a whole int anyway */
    int32_t min, max; /* of a number without a set function; outside: -EINVAL */
    /* val: of a number the int decoded, len its bytes as given; of OPT_BYTES the bytes. */
    int (*set)(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len);
    int (*get)(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len);
};

extern const struct sock_opt sock_opt_socket[], sock_opt_ip[], sock_opt_ipv6[], sock_opt_tcp[],
    sock_opt_udp[];

/* An int from the head of val (len >= sizeof(int)). */
int sock_opt_int(const void *val);
/* Returns n bytes of data cut to *len; *len becomes what was copied. Always 0. */
int sock_opt_put(const void *data, size_t n, void *val, socklen_t *len);
int sock_opt_put_int(int v, void *val, socklen_t *len);
/* The same with SOL_IP's single byte when there is no room for an int. */
int sock_opt_put_ip(int v, void *val, socklen_t *len);
/* The MTU of the path to the peer, or -ENOTCONN. */
int sock_path_mtu(const struct sock *so);

/* ---- messages and multicast ---- */

/* UDP: sends the datagram that MSG_MORE or UDP_CORK kept back, if there is one. 0 or udp_send()'s
 * errors. */
int sock_msg_uncork(struct sock *so);
/* ---- the error queue: sock_error.c ---- */

/* The first entry, borrowed; NULL: there is none. The call after it takes it away. */
struct udp_error *sock_error_first(const struct sock *so);
void sock_error_drop(struct sock *so);
/* Are there notes of MSG_ZEROCOPY? */
bool sock_error_zerocopy(const struct sock *so);
/* POLL* bits of what waits in the queue. */
uint32_t sock_error_poll(const struct sock *so);
/* Empties the queue; the pending error stays. */
void sock_error_purge(struct sock *so);

/* Joins and leaves (IP_ADD_MEMBERSHIP and its kin). -EADDRINUSE, -EADDRNOTAVAIL, -ENODEV, -EINVAL,
 * -ENOBUFS. */
int sock_group_join(struct sock *so, const struct ip_addr *group, const struct ip_addr *local,
                    uint32_t ifindex);
int sock_group_leave(struct sock *so, const struct ip_addr *group, const struct ip_addr *local,
                     uint32_t ifindex);

#endif
