/*
 * Sockets: the control block behind each descriptor, and the socket calls, non-blocking, returning
 * -errno as the kernel's own would. The blocking, the descriptors and the signals are shim/'s.
 */
#ifndef SHIM_SOCK_SOCK_H
#define SHIM_SOCK_SOCK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "tcp/tcp.h"
#include "udp/udp.h"

struct stack;
struct sock_rare; /* options that few sockets set; sock_int.h */

/* What connect() has done so far, as the kernel's socket_state: not the state of the TCP. */
enum sock_conn { SOCK_UNCONNECTED, SOCK_CONNECTING, SOCK_CONNECTED };

struct sock {
    struct hash_node by_cookie; /* key: the placeholder's SO_COOKIE */
    uint64_t cookie;
    struct stack *stack;
    struct tcp_pcb *tcp; /* SOCK_STREAM; NULL only after it was closed */
    struct udp_pcb *udp; /* SOCK_DGRAM */
    struct list waiters; /* of struct waiter */
    int32_t pid;         /* who made it, for the netstat view */
    uint16_t domain;     /* AF_INET, AF_INET6 */
    uint16_t type;       /* SOCK_STREAM, SOCK_DGRAM */
    uint16_t protocol;
    uint16_t port_guard; /* host mode: the kernel holds this port for us; 0: none (shim's own) */
    uint8_t nonblock;    /* O_NONBLOCK, as set by fcntl and ioctl: of the open file description */
    uint8_t conn;        /* enum sock_conn */
    int16_t ttl;         /* IP_TTL; -1: the default */
    uint8_t tos;
    int32_t linger_s; /* SO_LINGER's seconds, meaningful with its bit in options */
    int64_t rcvtimeo_us,
        sndtimeo_us; /* 0: none; -1: at once (the kernel's meaning of a negative timeval) */
    int32_t backlog;
    uint32_t priority, mark;
    uint64_t options;         /* enum sock_bit */
    uint64_t peek_offset;     /* SO_PEEK_OFF; SOCK_PEEK_OFF: off */
    uint64_t last_arrived_us; /* of the last datagram received, for SIOCGSTAMP; 0: none */
    struct sock_rare *rare;   /* NULL: all of them have their defaults */
};

#define SOCK_PEEK_OFF UINT64_MAX

/*
 * Somebody waits for readiness. A waiter lies in the arena, belongs to one process, and is in the
 * list of its socket; when the socket becomes ready for anything in mask, it is also put on the
 * process's list of fired waiters (once), which the engine drains after the entry.
 */
/* WAITER_SIGNAL is freed by the engine when its socket is closed. */
enum waiter_kind { WAITER_THREAD, WAITER_EPOLL, WAITER_SIGNAL };

struct proc;

struct waiter {
    struct list on_sock, on_fired;
    struct sock *sock;
    struct proc *proc;
    uint32_t mask;  /* POLL* bits waited for; POLLERR and POLLHUP always count */
    uint32_t fired; /* bits that came since the engine last collected it */
    uint32_t kind;  /* enum waiter_kind */
    /* Of several that are exclusive, those up to the first whose owner sleeps are told, and no
     * more (EPOLLEXCLUSIVE). The owner keeps asleep; it may do so without the lock. */
    bool exclusive, asleep;
    void *item; /* the owner's own pointer, meaningful in its process only */
    /* WAITER_THREAD: the word that the engine of that process sets, under the lock, and wakes
     * (several waiters of one poll share one). */
    uint32_t *futex_at;
};

/* A process of the family. */
struct proc {
    struct list fired; /* of struct waiter */
    int32_t pid;
    uint32_t id;         /* unique in the stack, never reused: names its doorbell */
    uint64_t start_time; /* of the pid, against reuse; io's own */
    bool doorbell;       /* something was put on fired since it was last drained */
    bool always_ring;    /* io's own: somebody in it waits where no sleeper is counted */
    bool ring_once;      /* io's own: it is to be rung even if nobody sleeps there */
    uint32_t sleepers;   /* io's own: threads that may be asleep; kept without the lock */
    bool dead;
};

/* What the host's sysctls of these names say; the io layer may overwrite the defaults. */
struct stack_limits {
    uint32_t rmem_max, wmem_max; /* net.core: cap of SO_RCVBUF and SO_SNDBUF before doubling */
    uint32_t rmem_default, wmem_default; /* net.core: of a UDP socket */
    uint32_t somaxconn;                  /* net.core: cap of listen()'s backlog */
};

/* The state of a whole stack, in the arena. Its entries are in stack.h. */
struct stack {
    uint64_t layout; /* of the library that made it (stack_of); stays the first */
    struct net net;
    struct udp udp;
    struct tcp tcp;
    struct slab socks, rares, waiters, procs;
    struct hash by_cookie;
    struct stack_limits limits;
    int64_t
        realtime_offset_us; /* wall clock minus net.now_us, for timestamps; kept by the io layer */
    uint64_t realtime_due_us; /* when the io layer is to look at the wall clock again */
    uint32_t sock_frees;      /* counts the sockets freed: how long a pointer to one may be kept */
    uint32_t next_proc_id;
    bool any_doorbell; /* some proc.doorbell is set */
    void *io;          /* a place in the arena for the io layer's shared state */
};

/* Prepares st's tables of sockets, waiters and processes. 0 or -ENOMEM. */
int sock_init(struct stack *st);
/* Frees them, and what is in them; the pcbs are left to their protocols. */
void sock_fini(struct stack *st);
/* After a process died inside an entry, with the protocols repaired (stack_repair()). */
void sock_repair(struct stack *st);

/* A new socket for the placeholder with this cookie. domain AF_INET or AF_INET6, type SOCK_STREAM
 * or SOCK_DGRAM (without flags), protocol 0, IPPROTO_TCP or IPPROTO_UDP matching. 0 and *out;
 * -ENOBUFS, -EPROTONOSUPPORT, -EAFNOSUPPORT. */
int sock_create(struct stack *st, int domain, int type, int protocol, uint64_t cookie, int32_t pid,
                struct sock **out);
struct sock *sock_by_cookie(struct stack *st, uint64_t cookie); /* NULL: not ours */
/*
 * SO_LINGER with a time: how long close() should wait, in microseconds, for sock_lingering() to
 * become false before it calls sock_close(); begins the close (FIN behind what is queued). 0: no
 * need to wait, nothing was done.
 */
int64_t sock_linger_start(struct sock *so);
bool sock_lingering(const struct sock *so);
/* The last descriptor is gone: closes as close() does (SO_LINGER with zero: RST), wakes all waiters
 * (they are detached: waiter.sock becomes NULL), frees so. */
void sock_close(struct sock *so);

/* What bind() would bind so to: 0 and *local, or the error that it finds before it looks whether
 * the address is the stack's. */
int sock_bind_name(struct sock *so, const struct sockaddr *addr, socklen_t len,
                   struct endpoint *local);
int sock_bind(struct sock *so, const struct sockaddr *addr, socklen_t len);
/* The address family AF_UNSPEC dissolves the association. 0: connected (UDP); -EINPROGRESS: TCP's
 * SYN is on its way: wait for POLLOUT, then ask again: 0, the error, -EALREADY (still going on),
 * -EISCONN. The kernel's answers for everything else. */
int sock_connect(struct sock *so, const struct sockaddr *addr, socklen_t len);
int sock_listen(struct sock *so, int backlog);
/* The first connection as a new socket for the placeholder with this cookie. 0, -EAGAIN, -EINVAL
 * (not listening), -ECONNABORTED is not made, -EOPNOTSUPP, -ENOBUFS. */
int sock_accept(struct sock *so, uint64_t cookie, int32_t pid, struct sock **out);
/* MSG_* flags: MSG_OOB MSG_MORE MSG_NOSIGNAL MSG_DONTROUTE MSG_CONFIRM MSG_EOR; unknown ones are
 * ignored as the kernel does. skip: bytes of the iov sent by an earlier round of the same call.
 * Control data: IP_PKTINFO, IP_TTL, IP_TOS. Bytes, or -EAGAIN and the kernel's errors (-EPIPE:
 * SIGPIPE is the caller's business). */
ssize_t sock_sendmsg(struct sock *so, const struct msghdr *msg, size_t skip, int flags);
/* MSG_PEEK MSG_TRUNC MSG_OOB MSG_ERRQUEUE(-EAGAIN) and cmsgs (IP_PKTINFO, IP_RECVTTL, IP_RECVTOS,
 * SO_TIMESTAMP[NS], IP_RECVORIGDSTADDR); fills msg_name, msg_namelen, msg_controllen, msg_flags.
 * skip: as above. */
ssize_t sock_recvmsg(struct sock *so, struct msghdr *msg, size_t skip, int flags);
int sock_shutdown(struct sock *so, int how);
int sock_getsockname(struct sock *so, struct sockaddr *addr, socklen_t *len);
int sock_getpeername(struct sock *so, struct sockaddr *addr, socklen_t *len);
/*
 * Options and their values as the kernel has them, errors included. What needs a privilege
 * (SO_MARK, SO_RCVBUFFORCE ...) is allowed here: the placeholder's answer decides that. A value
 * that the stack does not act on yet is kept and returned.
 */
int sock_setsockopt(struct sock *so, int level, int name, const void *val, socklen_t len);
int sock_getsockopt(struct sock *so, int level, int name, void *val, socklen_t *len);
/* SIOCINQ/FIONREAD, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK, FIONBIO, SIOCGSTAMP...; -ENOTTY: not a
 * socket matter: ask the kernel. */
int sock_ioctl(struct sock *so, unsigned long request, void *arg);
/* What poll() would report now, unmasked. */
uint32_t sock_poll(struct sock *so);

/* sockaddr of the socket's family -> endpoint. -EINVAL (too short for the family), -EAFNOSUPPORT.
 */
int sock_addr_get(const struct sock *so, const struct sockaddr *addr, socklen_t len,
                  struct endpoint *out);
/* The same for where datagrams or a connection are to go: as in Linux, datagrams of an AF_INET6
 * socket may have an AF_INET destination. */
int sock_addr_get_dst(const struct sock *so, const struct sockaddr *addr, socklen_t len,
                      struct endpoint *out);
/* endpoint -> sockaddr of the socket's family, cut to *len; *len becomes the full length, as the
 * kernel reports it. */
void sock_addr_put(const struct sock *so, const struct endpoint *e, struct sockaddr *addr,
                   socklen_t *len);
/* The family of addr; false when len has no room for one. */
bool sock_addr_family(const struct sockaddr *addr, socklen_t len, sa_family_t *family);
/* IPV6_V6ONLY. */
bool sock_is_v6only(const struct sock *so);

/* Puts w (filled: proc, mask, kind, item, futex_at) in so's list. It does not fire for what is
 * ready already: ask sock_poll() after. */
void sock_wait_add(struct sock *so, struct waiter *w);
/* Takes w out of its socket's and its process's lists; harmless if it is in none. */
void sock_wait_del(struct waiter *w);
struct waiter *sock_waiter_new(struct stack *st);          /* NULL: no memory */
void sock_waiter_free(struct stack *st, struct waiter *w); /* detaches it first */

/* From net's upcall: owner may have become ready for mask. */
void sock_ready(struct sock *so, uint32_t mask);
/* An ICMP error about the SYN of a TCP, for MSG_ERRQUEUE; without memory it is not queued. */
void sock_error_icmp(struct sock *so, const struct icmp_error *icmp);

#endif
