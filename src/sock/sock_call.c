/*
 * The calls about names and connections: bind, connect, listen, shutdown, getsockname,
 * getpeername, ioctl.
 *
 * connect() on TCP has a state of its own beside the TCP's, because its outcome is reported once:
 *
 *      UNCONNECTED --connect: SYN sent, EINPROGRESS--> CONNECTING --connect: EALREADY--> (same)
 *      CONNECTING  --connect, TCP is established: 0--> CONNECTED  --connect: EISCONN--> (same)
 *      CONNECTING  --connect, TCP failed: its error--> UNCONNECTED (may be tried again)
 *      any         --connect AF_UNSPEC-------------->  UNCONNECTED
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "sock/sock_int.h"

/* Tells everybody who waits that the state was changed by a call. */
static void sock_changed(struct sock *so)
{
    sock_ready(so, sock_poll(so));
}

static int sock_bind_pcb(struct sock *so, const struct endpoint *local)
{
    if (so->tcp)
        return tcp_bind(&so->stack->tcp, so->tcp, local);
    return udp_bind(&so->stack->udp, so->udp, local);
}

int sock_bind_late(struct sock *so)
{
    if (!so->rare || !so->rare->late_bind)
        return 0;
    struct endpoint local = {.addr = so->rare->late_addr};
    int r = sock_bind_pcb(so, &local);
    if (r == 0)
        so->rare->late_bind = false;
    return r;
}

static bool sock_is_bound(const struct sock *so)
{
    if (so->rare && so->rare->late_bind)
        return true;
    return so->tcp ? tcp_is_bound(so->tcp) : so->udp->bound;
}

/* Can it not be bound any more? */
static bool sock_is_taken(const struct sock *so)
{
    return sock_is_bound(so) || (so->tcp && tcp_state(so->tcp) != TCP_CLOSED);
}

/* May a socket be bound to addr? (ip(7); RFC 1122 4.2.3.7) */
static bool sock_may_bind(const struct sock *so, const struct ip_addr *addr)
{
    struct net *net = &so->stack->net;
    if (addr_is_any(addr) || addr_is_multicast(addr) || addr_is_broadcast(addr))
        return true;
    if (sock_has(so, SOCK_BIT_FREEBIND) || sock_has(so, SOCK_BIT_TRANSPARENT))
        return true;
    if (netif_find_addr(net, addr))
        return true;
    LIST_FOREACH (n, &net->netifs) {
        if (netif_is_broadcast(container_of(n, struct netif, node), addr))
            return true;
    }
    return false;
}

bool sock_has_port(const struct sock *so)
{
    return so->tcp ? tcp_is_bound(so->tcp) : so->udp->local.port != 0;
}

bool sock_is_v6only(const struct sock *so)
{
    return sock_has(so, SOCK_BIT_V6ONLY);
}

int sock_bind_name(struct sock *so, const struct sockaddr *addr, socklen_t len,
                   struct endpoint *local)
{
    int r = sock_addr_get(so, addr, len, local);
    if (r == -EAFNOSUPPORT && so->domain == AF_INET) {
        /* The kernel takes AF_UNSPEC for AF_INET when the address is the wildcard. */
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof(in));
        if (in.sin_family != AF_UNSPEC || in.sin_addr.s_addr != htonl(INADDR_ANY))
            return r;
        local->addr = addr_any4();
        local->port = ntohs(in.sin_port);
        return 0;
    }
    if (r < 0 || so->domain == AF_INET)
        return r;
    if (so->tcp && !addr_is_v4(&local->addr) && addr_is_multicast(&local->addr))
        return -EINVAL;
    if (sock_is_taken(so))
        return -EINVAL;
    return addr_is_v4(&local->addr) && sock_is_v6only(so) ? -EINVAL : 0;
}

int sock_bind(struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    struct endpoint local;
    int r = sock_bind_name(so, addr, len, &local);
    if (r < 0)
        return r;
    if (!sock_may_bind(so, &local.addr))
        return -EADDRNOTAVAIL;
    if (sock_is_taken(so))
        return -EINVAL;
    if (local.port == 0 && sock_has(so, SOCK_BIT_BIND_NO_PORT)) {
        struct sock_rare *rare = sock_rare(so);
        if (!rare)
            return -ENOMEM;
        rare->late_addr = local.addr;
        rare->late_bind = true;
        return 0;
    }
    return sock_bind_pcb(so, &local);
}

/* ---- connect ---- */

static int sock_disconnect(struct sock *so)
{
    if (so->tcp) {
        tcp_disconnect(&so->stack->tcp, so->tcp);
        so->conn = SOCK_UNCONNECTED;
    } else {
        udp_disconnect(&so->stack->udp, so->udp);
    }
    sock_changed(so);
    return 0;
}

static int sock_connect_start(struct sock *so, const struct sockaddr *addr, socklen_t len,
                              int (*connect)(struct tcp *tcp, struct tcp_pcb *pcb,
                                             const struct endpoint *remote))
{
    struct endpoint remote;
    if (tcp_state(so->tcp) != TCP_CLOSED)
        return -EISCONN; /* listening */
    int r = sock_addr_get_dst(so, addr, len, &remote);
    if (r == 0 && sock_is_v6only(so) && addr_is_v4(&remote.addr))
        r = -ENETUNREACH;
    if (r == 0)
        r = sock_bind_late(so);
    if (r == 0)
        r = connect(&so->stack->tcp, so->tcp, &remote);
    if (r < 0)
        return r;
    so->conn = SOCK_CONNECTING;
    return 0;
}

int sock_connect_fast(struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    return sock_connect_start(so, addr, len, tcp_fastopen_connect);
}

/* TCP_FASTOPEN_CONNECT: with a cookie at hand the SYN waits for the first send. */
static int sock_connect_first(struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    struct tcp *tcp = &so->stack->tcp;
    int r;
    if (!sock_has(so, SOCK_BIT_FASTOPEN_CONNECT)) {
        r = sock_connect_start(so, addr, len, tcp_connect);
        return r < 0 ? r : -EINPROGRESS;
    }
    r = sock_connect_fast(so, addr, len);
    if (r < 0 || tcp_fastopen_ready(tcp, so->tcp))
        return r;
    tcp_fastopen_send(tcp, so->tcp, NULL, 0, 0); /* asks for one */
    return -EINPROGRESS;
}

int sock_connect_outcome(struct sock *so)
{
    enum tcp_state state = tcp_state(so->tcp);
    if (state == TCP_SYN_SENT || state == TCP_SYN_RECEIVED)
        return -EALREADY;
    if (state != TCP_CLOSED) {
        so->conn = SOCK_CONNECTED;
        return 0;
    }
    /* It failed. Who asked already got its error (SO_ERROR) meets ECONNABORTED, as in the kernel.
     */
    int err = tcp_take_error(so->tcp);
    sock_disconnect(so);
    return err ? -err : -ECONNABORTED;
}

static int sock_connect_tcp(struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    switch ((enum sock_conn)so->conn) {
    case SOCK_CONNECTED:
        return -EISCONN;
    case SOCK_UNCONNECTED:
        return sock_connect_first(so, addr, len);
    case SOCK_CONNECTING:
        break;
    }
    if (tcp_fastopen_waits(so->tcp))
        return -EISCONN;
    return sock_connect_outcome(so);
}

static int sock_connect_udp(struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    struct endpoint remote;
    int r = sock_bind_late(so);
    if (r < 0)
        return -EAGAIN; /* as the kernel's inet_autobind() */
    r = sock_addr_get_dst(so, addr, len, &remote);
    if (r < 0)
        return r;
    if (sock_is_v6only(so) && addr_is_v4(&remote.addr)) {
        sa_family_t family = AF_INET6;
        (void)sock_addr_family(addr, len, &family);
        return family == AF_INET ? -EAFNOSUPPORT : -ENETUNREACH;
    }
    return udp_connect(&so->stack->udp, so->udp, &remote);
}

int sock_connect(struct sock *so, const struct sockaddr *addr, socklen_t len)
{
    sa_family_t family;
    if (!sock_addr_family(addr, len, &family))
        return -EINVAL;
    if (family == AF_UNSPEC)
        return sock_disconnect(so);
    return so->tcp ? sock_connect_tcp(so, addr, len) : sock_connect_udp(so, addr, len);
}

int sock_listen(struct sock *so, int backlog)
{
    if (!so->tcp)
        return -EOPNOTSUPP;
    if (so->conn != SOCK_UNCONNECTED)
        return -EINVAL;
    enum tcp_state state = tcp_state(so->tcp);
    if (state != TCP_CLOSED && state != TCP_LISTEN)
        return -EINVAL;
    int r = sock_bind_late(so);
    if (r < 0)
        return r;
    /* A negative backlog is a very large one. */
    uint32_t limit = so->stack->limits.somaxconn;
    uint32_t n = (uint32_t)backlog < limit ? (uint32_t)backlog : limit;
    r = tcp_listen(&so->stack->tcp, so->tcp, n);
    if (r == 0)
        so->backlog = (int32_t)n;
    return r;
}

/* ---- shutdown ---- */

static int sock_shutdown_udp(struct sock *so, int how)
{
    static const uint8_t bits[] = {[SHUT_RD] = 1, [SHUT_WR] = 2, [SHUT_RDWR] = 3};
    so->udp->shut |= bits[how];
    /* Recorded all the same: who polls an unconnected socket sees POLLHUP. */
    return so->udp->connected ? 0 : -ENOTCONN;
}

static int sock_shutdown_tcp(struct sock *so, int how)
{
    enum tcp_state state = tcp_state(so->tcp);
    if (so->conn == SOCK_CONNECTING && state != TCP_SYN_SENT && state != TCP_SYN_RECEIVED &&
        state != TCP_CLOSED)
        so->conn = SOCK_CONNECTED;
    switch (state) {
    case TCP_LISTEN:
        if (how == SHUT_WR)
            return 0;
        return tcp_shutdown(&so->stack->tcp, so->tcp, how);
    case TCP_SYN_SENT:
        /* Gives up the attempt, whatever direction is named. */
        return sock_disconnect(so);
    case TCP_CLOSED:
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        break;
    }
    return tcp_shutdown(&so->stack->tcp, so->tcp, how);
}

int sock_shutdown(struct sock *so, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    int r = so->tcp ? sock_shutdown_tcp(so, how) : sock_shutdown_udp(so, how);
    sock_changed(so);
    return r;
}

/* ---- names ---- */

int sock_getsockname(struct sock *so, struct sockaddr *addr, socklen_t *len)
{
    if ((int)*len < 0)
        return -EINVAL;
    struct endpoint local = so->tcp ? *tcp_local(so->tcp) : so->udp->local;
    if (so->rare && so->rare->late_bind)
        local.addr = so->rare->late_addr;
    sock_addr_put(so, &local, addr, len);
    return 0;
}

/* Is there a peer in the sense of getpeername()? */
static bool sock_has_peer(const struct sock *so)
{
    if (!so->tcp)
        return so->udp->connected && so->udp->remote.port != 0;
    enum tcp_state state = tcp_state(so->tcp);
    return state != TCP_CLOSED && state != TCP_SYN_SENT && state != TCP_TIME_WAIT &&
           tcp_remote(so->tcp)->port != 0;
}

int sock_getpeername(struct sock *so, struct sockaddr *addr, socklen_t *len)
{
    if (!sock_has_peer(so))
        return -ENOTCONN;
    if ((int)*len < 0)
        return -EINVAL;
    sock_addr_put(so, so->tcp ? tcp_remote(so->tcp) : &so->udp->remote, addr, len);
    return 0;
}

/* ---- ioctl ---- */

static int sock_ioctl_tcp(struct sock *so, unsigned long request, int *value)
{
    enum tcp_state state = tcp_state(so->tcp);
    bool listening = state == TCP_LISTEN;
    bool opening = state == TCP_SYN_SENT || state == TCP_SYN_RECEIVED;
    switch (request) {
    case SIOCINQ:
        *value = (int)tcp_readable_bytes(so->tcp);
        break;
    case SIOCOUTQ:
        *value = opening ? 0 : (int)tcp_unacked_bytes(so->tcp);
        break;
    case SIOCOUTQNSD:
        *value = opening ? 0 : (int)tcp_unsent_bytes(so->tcp);
        break;
    case SIOCATMARK:
        *value = tcp_at_mark(so->tcp);
        return 0;
    default:
        return -ENOTTY;
    }
    return listening ? -EINVAL : 0;
}

static int sock_ioctl_udp(struct sock *so, unsigned long request, int *value)
{
    struct udp_dgram *d;
    switch (request) {
    case SIOCINQ:
        d = udp_peek(so->udp);
        *value = d ? (int)d->len : 0;
        return 0;
    case SIOCOUTQ:
        *value = 0; /* datagrams are handed to the link at once */
        return 0;
    default:
        return -ENOTTY;
    }
}

static int sock_ioctl_stamp(struct sock *so, unsigned long request, void *arg)
{
    if (so->last_arrived_us == 0)
        return -ENOENT;
    int64_t us = (int64_t)so->last_arrived_us + so->stack->realtime_offset_us;
    struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    if (request == SIOCGSTAMP_OLD || request == SIOCGSTAMP_NEW)
        memcpy(arg, &tv, sizeof(tv));
    else
        memcpy(arg, &ts, sizeof(ts));
    return 0;
}

int sock_ioctl(struct sock *so, unsigned long request, void *arg)
{
    int value = 0, r;
    switch (request) {
    case FIONBIO:
        memcpy(&value, arg, sizeof(value));
        so->nonblock = value != 0;
        return 0;
    case SIOCGSTAMP_OLD:
    case SIOCGSTAMP_NEW:
    case SIOCGSTAMPNS_OLD:
    case SIOCGSTAMPNS_NEW:
        return sock_ioctl_stamp(so, request, arg);
    default:
        r = so->tcp ? sock_ioctl_tcp(so, request, &value) : sock_ioctl_udp(so, request, &value);
        if (r == 0)
            memcpy(arg, &value, sizeof(value));
        return r;
    }
}
