/*
 * TCP (RFC 9293): the user calls that the socket layer makes, and the entries for segments, timers
 * and ICMP. All calls are non-blocking. What a pcb holds inside is in tcp_int.h.
 *
 * Life of a pcb: tcp_open() makes it for an owner (the socket). tcp_close() and tcp_abort() take it
 * away from the owner: from then on the pcb belongs to TCP, which frees it when it reaches CLOSED
 * (after TIME_WAIT). A pcb that is reset or times out while it has an owner stays, in CLOSED with
 * an error, until the owner closes it.
 */
#ifndef SHIM_TCP_TCP_H
#define SHIM_TCP_TCP_H

#include "base/hash.h"
#include "net/net.h"

enum tcp_state { /* RFC 9293 3.3.2 */
                 TCP_CLOSED,
                 TCP_LISTEN,
                 TCP_SYN_SENT,
                 TCP_SYN_RECEIVED,
                 TCP_ESTABLISHED,
                 TCP_FIN_WAIT_1,
                 TCP_FIN_WAIT_2,
                 TCP_CLOSE_WAIT,
                 TCP_CLOSING,
                 TCP_LAST_ACK,
                 TCP_TIME_WAIT,
};

struct tcp_pcb;

enum tcp_ecn_mode { /* as Linux's tcp_ecn */
                    TCP_ECN_OFF,
                    TCP_ECN_ON,     /* asks for it, and grants it */
                    TCP_ECN_ACCEPT, /* only grants it: the default */
};

/* Counters, named after RFC 4022 and Linux's TcpExt where they have a name. */
struct tcp_stats {
    uint64_t active_opens, passive_opens, attempt_fails, estab_resets;
    uint64_t in_segs, in_errs, out_segs, retrans_segs, out_rsts;
    uint64_t curr_estab;
    uint64_t fast_retransmits, timeouts, spurious, loss_probes, sack_reneged;
    uint64_t challenge_acks, paws_dropped, out_of_window, ofo_queued, ofo_dropped;
    uint64_t ecn_ce, ecn_echoes;
    uint64_t fastopen_active, fastopen_active_fail, fastopen_passive, fastopen_passive_fail;
    uint64_t fastopen_overflows;
    uint64_t cookies_sent, cookies_received, cookies_failed;
    uint64_t listen_overflows, syn_retrans, zero_window_probes, keepalive_probes;
    uint64_t delayed_acks, dup_acks_in, time_waits, time_wait_recycled;
    uint64_t abort_on_close, abort_on_data, abort_on_timeout, mem_drops;
    uint64_t illegal_edges; /* state changes that RFC 9293 does not have: always 0 */
};

/* What buffers start with, and how far autotuning goes: Linux's tcp_rmem and tcp_wmem. And its
 * tcp_abort_on_overflow: who finds no room in the accept queue is reset. */
struct tcp_limits {
    uint32_t rcvbuf_default, rcvbuf_max, sndbuf_default, sndbuf_max;
    bool abort_on_overflow;
};

struct tcp {
    struct net *net;
    struct tcp_limits limits;   /* the io layer may overwrite the defaults */
    struct slab pcbs;           /* all pcbs; slab_next() walks them */
    struct slab port_slab;      /* struct tcp_port */
    struct slab listeners;      /* struct tcp_listener */
    struct slab bbrs;           /* struct tcp_bbr */
    struct slab sents;          /* struct tcp_sent */
    struct list sents_reserve;  /* of them, for when there is no memory */
    uint32_t sents_kept;        /* the length of that */
    struct tcp_pcb *last_flow;  /* found last in flows */
    struct hash flows;          /* by both endpoints: everything but CLOSED and LISTEN */
    struct hash ports;          /* struct tcp_port, by local port: everything bound */
    struct list time_wait;      /* pcbs in TIME_WAIT without an owner, the oldest first */
    struct list ack_queue;      /* pcbs whose ACK waits for the end of the batch (tcp_flush) */
    struct tcp_pcb *current;    /* was touched last; NULL between entries */
    struct siphash_key isn_key; /* RFC 6528; the caller may set the host's before the first use */
    struct slab fastopens, fastopen_peers; /* tcp_fastopen.c's own */
    struct hash fastopen_cache;
    struct list fastopen_lru;
    uint64_t challenge_window_us; /* RFC 5961 7: challenge ACK budget */
    uint32_t challenge_left;
    uint8_t congestion; /* enum tcp_cc_kind of new pcbs */
    uint8_t ecn;        /* enum tcp_ecn_mode */
    uint32_t orphans;   /* pcbs without an owner */
    uint32_t port_ends; /* grows when something ends for which tcp_port_use() may say less */
    uint64_t mem_bytes; /* memory of all send and receive rings */
    struct tcp_stats stats;
};

/* What setsockopt sets, for a pcb; a listener's are inherited by its children. */
struct tcp_config {
    uint32_t sndbuf_bytes, rcvbuf_bytes; /* limits as Linux keeps them (already doubled) */
    bool sndbuf_locked, rcvbuf_locked;   /* set by the user: no autotuning */
    bool nodelay, cork, keepalive, oobinline, reuse_addr, reuse_port, freebind;
    bool thin_linear; /* TCP_THIN_LINEAR_TIMEOUTS */
    bool v6;          /* of an AF_INET6 socket: its wildcard is :: (tcp_set_v6()) ... */
    bool v6only;      /* ... which takes no IPv4 in (IPV6_V6ONLY) */
    bool fastopen_no_cookie;
    uint32_t keep_idle_ms, keep_intvl_ms; /* defaults 7,200,000 and 75,000 */
    uint8_t keep_cnt;                     /* default 9 */
    uint8_t syn_retries;                  /* default 6; a listener's SYN,ACKs then have 5 */
    uint8_t defer_accept;                 /* TCP_DEFER_ACCEPT, as a number of SYN,ACKs; 0: off */
    uint8_t ttl, tos;
    uint8_t min_ttl;      /* IP_MINTTL: what came from further away is not looked at (RFC 5082) */
    uint8_t mtu_discover; /* enum pmtudisc */
    bool recverr;         /* IP_RECVERR: ICMP errors are told of at once */
    bool save_syn;        /* TCP_SAVE_SYN: a listener keeps the headers of SYNs */
    uint16_t user_mss;    /* TCP_MAXSEG, 0: none */
    uint32_t user_timeout_ms;         /* RFC 5482, TCP_USER_TIMEOUT; 0: default */
    uint32_t linger2_ms;              /* FIN_WAIT_2 without owner; default 60,000; 0: none */
    uint32_t rto_min_us, rto_max_ms;  /* TCP_RTO_MIN_US, TCP_RTO_MAX_MS; 200,000 and 120,000 */
    uint32_t delack_max_us;           /* TCP_DELACK_MAX_US; default 200,000 */
    uint32_t rcvlowat, notsent_lowat; /* bytes; notsent_lowat 0: no limit */
    uint32_t window_clamp;
    uint64_t max_pacing_rate; /* bytes/s, SO_MAX_PACING_RATE; 0: none; set by tcp_set_pacing() */
    uint8_t congestion;       /* enum tcp_cc_kind, tcp_int.h; set by tcp_set_congestion() */
    struct netif *nif;        /* SO_BINDTODEVICE, or NULL */
};

int tcp_init(struct tcp *tcp, struct net *net); /* 0, -ENOMEM */
void tcp_fini(struct tcp *tcp);                 /* frees everything, without a word to anybody */

/* ---- user calls (RFC 9293 3.10.1 to 3.10.6) ---- */

/* A closed pcb with the default configuration; NULL: no memory. */
struct tcp_pcb *tcp_open(struct tcp *tcp, void *owner);
/* Is it an AF_INET6 socket's? Its wildcard is :: then. To be told right after tcp_open(), or when
 * there is a connection; children take after their listener. */
void tcp_set_v6(struct tcp_pcb *pcb, bool v6);
/* Who is told of readiness; NULL is not allowed (see tcp_close). */
void tcp_set_owner(struct tcp_pcb *pcb, void *owner);
void *tcp_owner(const struct tcp_pcb *pcb); /* NULL: none any more, or none yet */
struct tcp_config *tcp_config(struct tcp_pcb *pcb);
/* Tells the pcb that its configuration was changed (timers are re-armed, output is tried). */
void tcp_config_changed(struct tcp *tcp, struct tcp_pcb *pcb);

/* What is queued goes out as if there were neither TCP_CORK nor MSG_MORE. */
void tcp_push(struct tcp *tcp, struct tcp_pcb *pcb);

/* Port 0 chooses one. 0; -EINVAL (bound already), -EADDRINUSE by Linux's rules for SO_REUSEADDR and
 * SO_REUSEPORT, -EADDRNOTAVAIL (not an address of the stack; allowed with freebind). */
int tcp_bind(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *local);
/* Gives pcb, for a connection to remote that is to follow, this very endpoint, as connect() would
 * have chosen it: the port may have connections to other places, and is let go when this one has
 * ended. 0, -EINVAL (bound already), -EADDRINUSE (not tcp_port_fits()), -ENOMEM. */
int tcp_bind_to(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *local,
                const struct endpoint *remote);
/* Binds if need be and sends the SYN. 0: on its way (the owner reports EINPROGRESS or waits);
 * -EISCONN (also when listening), -EALREADY, -EADDRNOTAVAIL (no port left, or the four-tuple is
 * taken), -ENETUNREACH (also for broadcast and multicast), -ENOMEM, and path_lookup()'s: all as
 * Linux. */
int tcp_connect(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote);
/* TCP Fast Open (RFC 7413). tcp_fastopen_connect() is tcp_connect() without the SYN: pcb is then in
 * SYN_SENT, and waits for tcp_fastopen_send(), which sends the SYN with as many bytes of iov as may
 * go with it, and returns their number: 0 without a cookie (or, with conf.fastopen_no_cookie, when
 * the peer does not deserve it). tcp_fastopen_ready(): would there be any? tcp_fastopen_take():
 * their number once more, for a caller who waited for the connection; then 0. */
int tcp_fastopen_connect(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote);
bool tcp_fastopen_waits(const struct tcp_pcb *pcb);
bool tcp_fastopen_pending(const struct tcp_pcb *pcb); /* it waits, or there is something to take */
bool tcp_fastopen_ready(struct tcp *tcp, struct tcp_pcb *pcb);
size_t tcp_fastopen_send(struct tcp *tcp, struct tcp_pcb *pcb, const struct iovec *iov, size_t niov,
                         size_t len);
uint32_t tcp_fastopen_take(struct tcp_pcb *pcb);
/* TCP_FASTOPEN: takes text from SYNs, for at most so many children at a time; 0: none. -ENOMEM. */
int tcp_fastopen_listen(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t most);
/* TCP_FASTOPEN_KEY: one or two keys of 16 bytes; the first makes cookies, both are good. -ENOMEM.
 */
int tcp_fastopen_keys(struct tcp *tcp, struct tcp_pcb *pcb, const uint8_t *bytes, unsigned nkeys);
/* LISTEN with backlog (0 or more; already limited by the caller to somaxconn); again on a listener:
 * changes the backlog. 0, -EADDRINUSE, -EINVAL (connected). Binds to a chosen port if not bound, as
 * Linux. */
int tcp_listen(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t backlog);
/* The first complete connection, taken out of the accept queue, owner not yet set; NULL when there
 * is none. The caller sets the owner at once. */
struct tcp_pcb *tcp_accept(struct tcp *tcp, struct tcp_pcb *listener);
bool tcp_can_accept(const struct tcp_pcb *listener);

enum tcp_io_flag { TCP_IO_PEEK = 1, TCP_IO_OOB = 2, TCP_IO_MORE = 4, TCP_IO_TRUNC = 8 };
/* Queues up to len bytes of iov (after skip) and sends what may go (TCP_IO_MORE: as MSG_MORE;
 * TCP_IO_OOB: urgent). Bytes taken (> 0, or 0 for len 0); -EAGAIN (no room), -EPIPE (shut down,
 * closed or never connected), -ENOMEM, or the pending error, which is then cleared. In SYN_SENT and
 * SYN_RECEIVED: -EAGAIN. */
ssize_t tcp_send(struct tcp *tcp, struct tcp_pcb *pcb, const struct iovec *iov, size_t niov,
                 size_t skip, size_t len, int flags);
/* Takes up to len bytes to iov (after skip). Bytes; 0: end of stream; -EAGAIN, -ENOTCONN, -EINVAL
 * (OOB without urgent byte), or the pending error, cleared. TCP_IO_PEEK leaves them; TCP_IO_TRUNC
 * discards them without copying. peek_offset: where a peek starts. Stops at the urgent mark as
 * Linux does. */
ssize_t tcp_recv(struct tcp *tcp, struct tcp_pcb *pcb, const struct iovec *iov, size_t niov,
                 size_t skip, size_t len, int flags, uint64_t peek_offset);
/* SHUT_RD, SHUT_WR, SHUT_RDWR. 0, -ENOTCONN. On a listener SHUT_RD stops listening (Linux). */
int tcp_shutdown(struct tcp *tcp, struct tcp_pcb *pcb, int how);
/* The owner lets go: FIN after what is queued; RST when unread data is lost (RFC 2525 2.17); a
 * listener's children not yet accepted are reset. The pcb must not be used by the owner afterwards.
 */
void tcp_close(struct tcp *tcp, struct tcp_pcb *pcb);
/* The owner lets go with RST (SO_LINGER with 0). */
void tcp_abort(struct tcp *tcp, struct tcp_pcb *pcb);
/* The address that pcb was bound to was not the user's choice: the next connection may have another
 * one. */
void tcp_addr_unlock(struct tcp_pcb *pcb);
/* connect(AF_UNSPEC): back to CLOSED with a RST if there was a connection; the pcb stays with its
 * owner. */
void tcp_disconnect(struct tcp *tcp, struct tcp_pcb *pcb);

/* TCP_QUICKACK: ACKs go out at once, until answers carry them again (on), or are delayed (off). Not
 * a lasting setting, as in Linux. */
void tcp_set_quickack(struct tcp *tcp, struct tcp_pcb *pcb, bool on);
bool tcp_quickack(const struct tcp_pcb *pcb);

/* ---- what the owner may ask ---- */

enum tcp_state tcp_state(const struct tcp_pcb *pcb);
const char *tcp_state_name(enum tcp_state s);                 /* "ESTABLISHED", "FIN_WAIT_1", ... */
/* Has it a port? One that it had, for a connection that is over, is still in tcp_local(), as
 * getsockname() tells it, but is not its own any more. */
bool tcp_is_bound(const struct tcp_pcb *pcb);
const struct endpoint *tcp_local(const struct tcp_pcb *pcb);
const struct endpoint *tcp_remote(const struct tcp_pcb *pcb); /* port 0: no peer */
/* POLL* bits, as Linux's tcp_poll(). */
uint32_t tcp_poll(const struct tcp_pcb *pcb);
/* The pending error (positive errno) and clears it; 0: none. */
int tcp_take_error(struct tcp_pcb *pcb);
int tcp_peek_error(const struct tcp_pcb *pcb);
void tcp_set_error(struct tcp_pcb *pcb, int err); /* makes another one pending; 0: none */
/* IP and TCP header of the SYN that made pcb, NULL if they were not kept (TCP_SAVED_SYN); *bytes:
 * how much. Borrowed until tcp_drop_saved_syn(). */
const uint8_t *tcp_saved_syn(const struct tcp_pcb *pcb, size_t *bytes);
void tcp_drop_saved_syn(struct tcp *tcp, struct tcp_pcb *pcb);
/* When text came last; 0: none did. */
uint64_t tcp_arrived_us(const struct tcp_pcb *pcb);
uint64_t tcp_readable_bytes(const struct tcp_pcb *pcb); /* SIOCINQ */
uint64_t tcp_unacked_bytes(
    const struct tcp_pcb *pcb); /* SIOCOUTQ: unsent and unacknowledged, FIN not counted */
uint64_t tcp_unsent_bytes(const struct tcp_pcb *pcb); /* SIOCOUTQNSD */
bool tcp_at_mark(const struct tcp_pcb *pcb);          /* SIOCATMARK */
bool tcp_send_drained(const struct tcp_pcb *pcb); /* all data and FIN acknowledged: for SO_LINGER */

/* How a local port is in use. */
enum tcp_port_use {
    TCP_PORT_FREE,
    TCP_PORT_LINGERS, /* by connections that nobody has and that have nothing to send: in TIME_WAIT,
                         or in FIN_WAIT_2 with a peer that has been silent for half a second
                       */
    TCP_PORT_SETTLES, /* the same, but the half second is not over yet */
    TCP_PORT_BUSY,
    TCP_PORT_LISTENS,
};
enum tcp_port_use tcp_port_use(const struct tcp *tcp, uint16_t port);
/* May connect() choose this local endpoint for a connection to remote? */
bool tcp_port_fits(struct tcp *tcp, const struct endpoint *local, const struct endpoint *remote);

/* TCP_WINDOW_CLAMP: the largest window that it offers; 0: it is up to the connection to come. */
uint32_t tcp_window_clamp(const struct tcp_pcb *pcb);
uint32_t tcp_backlog_len(const struct tcp_pcb *listener);
uint32_t tcp_mss(const struct tcp_pcb *pcb); /* current send MSS; 536 before a connection */
size_t tcp_pcb_bytes(void);                  /* memory of one idle pcb */
/* Fills Linux's struct tcp_info (linux/tcp.h), up to len bytes; how many there were. */
size_t tcp_info_fill(const struct tcp *tcp, const struct tcp_pcb *pcb, void *info, size_t len);
/* Names of the congestion controls, for TCP_CONGESTION. -ENOENT for an unknown name. */
int tcp_cc_by_name(const char *name);
const char *tcp_cc_name(int kind);
/* What TCP_CC_INFO tells (union tcp_cc_info of linux/inet_diag.h), up to room bytes; returns how
 * many. */
size_t tcp_cc_info(const struct tcp_pcb *pcb, void *info, size_t room);
/* From now on pcb's congestion control is kind, of tcp_cc_by_name(). 0, -ENOMEM, -ENOENT. */
int tcp_set_congestion(struct tcp *tcp, struct tcp_pcb *pcb, int kind);
/* The limit on the rate of sending, bytes per second; 0: none. */
void tcp_set_pacing(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t max_rate);

/* ---- entries from below ---- */

void tcp_input(struct tcp *tcp, const struct ip_packet *pkt);
void tcp_icmp_error(struct tcp *tcp, const struct icmp_error *e);
void tcp_timer(struct tcp *tcp, struct timer *t); /* a timer of TIMER_LAYER_TCP came due */
/* End of a batch of input: sends the ACKs that the batch made due (one for many segments). */
void tcp_flush(struct tcp *tcp);
/* Does TCP still have something to finish that needs the wire (anything not CLOSED or LISTEN)? */
bool tcp_busy(const struct tcp *tcp);
/* After a process died inside an entry, when net's timers and the slabs of the arena are in order
 * again: builds the tables anew and resets the connection that was being changed, at the next
 * tcp_timer(). */
void tcp_repair(struct tcp *tcp);

#endif
