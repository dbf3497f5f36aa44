/*
 * Sending and receiving. All of send(), sendto(), write(), sendmsg() ... come in as
 * one msghdr, and go out as bytes of a stream or as datagrams.
 *
 * A datagram may be put together from several calls (MSG_MORE, UDP_CORK): it waits in a ring that
 * belongs to the socket, with the address of the first call. Or one call may carry several
 * (UDP_SEGMENT): it is cut here.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "sock/sock_msg.h"

#ifndef MSG_PROBE
#define MSG_PROBE 0x10
#endif

#define IOV_PIECES_MAX   1024        /* UIO_MAXIOV */
#define IO_BYTES_MAX     0x7ffff000u /* what one call moves at most, MAX_RW_COUNT */
#define UDP_SEGMENTS_MAX 128

/* The length of all of iov; -EMSGSIZE for too many pieces, -EINVAL for a negative length. */
static ssize_t iov_bytes(const struct iovec *iov, size_t niov)
{
    size_t n = 0;
    if (niov > IOV_PIECES_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < niov; i++) {
        if ((ssize_t)iov[i].iov_len < 0)
            return -EINVAL;
        size_t left = IO_BYTES_MAX - n;
        n += iov[i].iov_len < left ? iov[i].iov_len : left;
    }
    return (ssize_t)n;
}

/* ---- TCP ---- */

/*
 * connect() and send() in one (RFC 7413 3): MSG_FASTOPEN, or the first send after connect() with
 * TCP_FASTOPEN_CONNECT. As in Linux, who does not wait gets the number of bytes that went with the
 * SYN, or EINPROGRESS when there were none; who waits does so until there is a connection, and then
 * sends the rest. Bytes sent so far; 0: go on as usual.
 */
static ssize_t send_fastopen(struct sock *so, const struct msghdr *msg, size_t len, int flags)
{
    struct tcp *tcp = &so->stack->tcp;
    bool wait = !so->nonblock && !(flags & MSG_DONTWAIT), opening;
    ssize_t r = -EALREADY;
    sa_family_t family;

    if (flags & MSG_FASTOPEN && msg->msg_name) {
        if (!sock_addr_family(msg->msg_name, msg->msg_namelen, &family))
            return -EINVAL;
        if (family == AF_UNSPEC)
            return -EOPNOTSUPP;
    }
    if (so->conn == SOCK_CONNECTED) /* perhaps while somebody waited for it */
        return tcp_fastopen_pending(so->tcp) ? (ssize_t)tcp_fastopen_take(so->tcp) : -EISCONN;
    if (so->conn == SOCK_UNCONNECTED) {
        if (!msg->msg_name)
            return -EINVAL;
        r = sock_connect_fast(so, msg->msg_name, msg->msg_namelen);
        if (r < 0)
            return r;
    }
    if (tcp_fastopen_waits(so->tcp)) {
        tcp_fastopen_send(tcp, so->tcp, msg->msg_iov, msg->msg_iovlen, len);
        r = -EINPROGRESS;
    }
    opening = tcp_state(so->tcp) == TCP_SYN_SENT || tcp_state(so->tcp) == TCP_SYN_RECEIVED;
    if (opening && wait)
        return -EAGAIN;
    if (!opening)
        r = sock_connect_outcome(so);
    if (r == 0 || r == -EINPROGRESS) {
        uint32_t n = tcp_fastopen_take(so->tcp);
        return n ? (ssize_t)n : r;
    }
    return r;
}

/* MSG_ZEROCOPY: the bytes are copied, as the kernel does where the path is not for it, and so the
 * user may have them back at once. Calls are numbered; what was not asked for yet is told of
 * together. */
static void zerocopy_done(struct sock *so)
{
    so->rare->zerocopy_next++;
    sock_ready(so, POLLERR);
}

static ssize_t recv_zerocopy(struct sock *so, struct msghdr *msg)
{
    struct sock_cmsg_out out;
    msg->msg_flags = MSG_ERRQUEUE;
    msg->msg_namelen = 0;
    sock_cmsg_start(&out, msg);
    sock_cmsg_put_zerocopy(&out, so, so->rare->zerocopy_first, so->rare->zerocopy_next - 1);
    sock_cmsg_end(&out);
    so->rare->zerocopy_first = so->rare->zerocopy_next;
    return 0;
}

static ssize_t send_tcp(struct sock *so, const struct msghdr *msg, size_t skip, size_t len,
                        int flags)
{
    struct sock_cmsg_in in;
    int io = 0;
    if (skip == 0 && (flags & MSG_FASTOPEN || tcp_fastopen_pending(so->tcp))) {
        ssize_t r = send_fastopen(so, msg, len, flags);
        if (r)
            return r;
    }
    switch (tcp_state(so->tcp)) {
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT: {
        int err = tcp_take_error(so->tcp);
        return err ? -err : -EPIPE;
    }
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
        break;
    }
    if (msg->msg_controllen > 0 && sock_cmsg_get(so, msg, &in) < 0)
        return -EINVAL;
    if (flags & MSG_MORE)
        io |= TCP_IO_MORE;
    if (flags & MSG_OOB)
        io |= TCP_IO_OOB;
    bool zerocopy = flags & MSG_ZEROCOPY && sock_has(so, SOCK_BIT_ZEROCOPY);
    if (zerocopy && len > 0 && !sock_rare(so))
        return -ENOBUFS;
    ssize_t n = tcp_send(&so->stack->tcp, so->tcp, msg->msg_iov, msg->msg_iovlen, skip, len, io);
    if (zerocopy && n > 0 && skip == 0)
        zerocopy_done(so);
    return n;
}

static ssize_t recv_tcp(struct sock *so, struct msghdr *msg, size_t skip, size_t len, int flags)
{
    struct sock_cmsg_out out;
    uint64_t peek = so->peek_offset == SOCK_PEEK_OFF ? 0 : so->peek_offset;
    int io = 0;
    if (flags & MSG_PEEK)
        io |= TCP_IO_PEEK;
    if (flags & MSG_OOB)
        io |= TCP_IO_OOB;
    if (flags & MSG_TRUNC)
        io |= TCP_IO_TRUNC;
    /* A peek that is continued goes on behind what it has seen; SO_PEEK_OFF has counted that. */
    if (so->peek_offset == SOCK_PEEK_OFF)
        peek = skip;
    ssize_t n = tcp_recv(&so->stack->tcp, so->tcp, msg->msg_iov, msg->msg_iovlen, skip, len, io,
                         flags & MSG_PEEK ? peek : 0);
    if (n < 0)
        return n;
    if (so->peek_offset != SOCK_PEEK_OFF && !(flags & MSG_OOB)) {
        if (flags & MSG_PEEK)
            so->peek_offset += (uint64_t)n;
        else
            so->peek_offset -= (uint64_t)n < peek ? (uint64_t)n : peek;
    }
    msg->msg_flags = (flags & MSG_CMSG_CLOEXEC) | (flags & MSG_OOB && n > 0 ? MSG_OOB : 0);
    msg->msg_namelen = 0;
    sock_cmsg_start(&out, msg);
    sock_cmsg_put_stream(&out, so);
    sock_cmsg_end(&out);
    return n;
}

/* ---- UDP: sending ---- */

/* What one datagram, or one call's worth of them, is sent with. */
struct udp_how {
    struct endpoint to;
    bool has_to;
    struct sock_cmsg_in cmsg;
};

/* The first sequence of n pieces of iov that holds len bytes after skip. */
static size_t iov_slice(const struct iovec *iov, size_t niov, size_t skip, size_t len,
                        struct iovec *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < niov && len > 0 && n < max; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        size_t part = iov[i].iov_len - skip;
        part = part < len ? part : len;
        out[n].iov_base = (char *)iov[i].iov_base + skip;
        out[n++].iov_len = part;
        len -= part;
        skip = 0;
    }
    return n;
}

/* Where a datagram goes out when nothing but its destination says so: IP_MULTICAST_IF,
 * IP_UNICAST_IF. */
static void udp_default_if(struct sock *so, const struct ip_addr *dst, struct sock_cmsg_in *in)
{
    uint32_t index;
    if (in->nif || so->udp->nif || !so->rare)
        return;
    if (addr_is_multicast(dst)) {
        index = (uint32_t)so->rare->value[SOCK_SLOT_MCAST_IF];
        if (!in->has_src && addr_is_v4(&so->rare->mcast_src) &&
            !addr_is_any(&so->rare->mcast_src)) {
            in->src = so->rare->mcast_src;
            in->has_src = true;
        }
    } else {
        index = ntohl((uint32_t)so->rare->value[SOCK_SLOT_UNICAST_IF]);
    }
    if (index)
        in->nif = netif_by_index(&so->stack->net, index);
}

/* Sends one datagram with how; the pcb's own TTL and TOS are back in place afterwards. */
static ssize_t udp_send_one(struct sock *so, const struct udp_how *how, const struct iovec *iov,
                            size_t niov, size_t len)
{
    struct udp_pcb *p = so->udp;
    uint8_t ttl = p->ttl, mcast_ttl = p->mcast_ttl, tos = p->tos;
    if (how->cmsg.ttl >= 0)
        p->ttl = p->mcast_ttl = (uint8_t)how->cmsg.ttl;
    if (how->cmsg.tos >= 0)
        p->tos = (uint8_t)how->cmsg.tos;
    ssize_t n = udp_send(&so->stack->udp, p, how->has_to ? &how->to : NULL, iov, niov, len,
                         how->cmsg.has_src ? &how->cmsg.src : NULL, how->cmsg.nif);
    p->ttl = ttl;
    p->mcast_ttl = mcast_ttl;
    p->tos = tos;
    return n;
}

/* UDP_SEGMENT: many datagrams of one size, the last one perhaps shorter. */
static ssize_t udp_send_segments(struct sock *so, const struct udp_how *how,
                                 const struct msghdr *msg, size_t len)
{
    struct iovec piece[64];
    size_t size = how->cmsg.segment;
    if (len > size * UDP_SEGMENTS_MAX)
        return -EINVAL;
    for (size_t at = 0; at < len; at += size) {
        size_t n = len - at < size ? len - at : size;
        size_t pieces = iov_slice(msg->msg_iov, msg->msg_iovlen, at, n, piece, 64);
        size_t have = 0;
        for (size_t i = 0; i < pieces; i++)
            have += piece[i].iov_len;
        ssize_t r = have < n ? -EMSGSIZE : udp_send_one(so, how, piece, pieces, n);
        if (r < 0)
            return at > 0 ? (ssize_t)at : r;
    }
    return (ssize_t)len;
}

int sock_msg_uncork(struct sock *so)
{
    struct sock_rare *r = so->rare;
    struct iovec piece[20]; /* 64 KB lie in at most 17 chunks */
    if (!r || !r->corked)
        return 0;
    size_t len = (size_t)ring_len(&r->cork), covered;
    size_t n = ring_spans(&r->cork, r->cork.start, len, piece, 20, &covered);
    struct udp_how how = {.to = r->cork_to, .has_to = r->cork_to.port != 0};
    how.cmsg.ttl = how.cmsg.tos = -1;
    udp_default_if(so, how.has_to ? &how.to.addr : &so->udp->remote.addr, &how.cmsg);
    ssize_t sent = udp_send_one(so, &how, piece, n, covered);
    r->corked = false;
    ring_clear(&r->cork);
    return sent < 0 ? (int)sent : 0;
}

/* Adds to the datagram that is being put together. */
static ssize_t udp_cork(struct sock *so, const struct udp_how *how, const struct msghdr *msg,
                        size_t len, bool more)
{
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    if (!r->corked) {
        if (!how->has_to && !so->udp->connected)
            return -EDESTADDRREQ;
        r->cork_to = how->has_to ? how->to : (struct endpoint){.port = 0};
        r->corked = true;
    }
    bool fits = ring_len(&r->cork) + len <= UDP_PAYLOAD_MAX;
    if (!fits || ring_append_iov(&r->cork, msg->msg_iov, msg->msg_iovlen, 0, len) < len) {
        ring_clear(&r->cork); /* all that was to be one datagram is lost */
        r->corked = false;
        return fits ? -ENOBUFS : -EMSGSIZE;
    }
    int err = more ? 0 : sock_msg_uncork(so);
    return err < 0 ? err : (ssize_t)len;
}

/* The address of a message. What the kernel says to one that is none differs with the family. */
static int udp_name(struct sock *so, const struct msghdr *msg, sa_family_t family,
                    struct endpoint *to)
{
    int r = sock_addr_get_dst(so, msg->msg_name, msg->msg_namelen, to);
    if (so->domain == AF_INET6) {
        if (r < 0)
            return -EINVAL;
        return sock_is_v6only(so) && addr_is_v4(&to->addr) ? -ENETUNREACH : 0;
    }
    if (r == -EAFNOSUPPORT && family == AF_UNSPEC) {
        struct sockaddr_in in; /* the kernel takes it for AF_INET */
        memcpy(&in, msg->msg_name, sizeof(in));
        in.sin_family = AF_INET;
        r = sock_addr_get(so, (struct sockaddr *)&in, sizeof(in), to);
    }
    return r;
}

static int udp_destination(struct sock *so, const struct msghdr *msg, struct udp_how *how)
{
    sa_family_t family = AF_UNSPEC;
    if (msg->msg_name && !sock_addr_family(msg->msg_name, msg->msg_namelen, &family))
        return -EINVAL;
    how->has_to = msg->msg_name && !(so->domain == AF_INET6 && family == AF_UNSPEC);
    if (!how->has_to)
        return so->udp->connected ? 0 : -EDESTADDRREQ;
    int r = udp_name(so, msg, family, &how->to);
    if (r < 0)
        return r;
    return how->to.port == 0 ? -EINVAL : 0;
}

static ssize_t send_udp(struct sock *so, const struct msghdr *msg, size_t len, int flags)
{
    struct udp_how how;
    bool more = flags & MSG_MORE || sock_has(so, SOCK_BIT_CORK);
    if (len > UINT16_MAX)
        return -EMSGSIZE;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    memset(&how, 0, sizeof(how));
    if (so->rare && so->rare->corked)
        return udp_cork(so, &how, msg, len, more);
    int r = udp_destination(so, msg, &how);
    if (r == 0)
        r = sock_cmsg_get(so, msg, &how.cmsg);
    if (r == 0)
        r = sock_bind_late(so);
    if (r < 0)
        return r;
    if (flags & MSG_PROBE && len == 0)
        return 0;
    udp_default_if(so, how.has_to ? &how.to.addr : &so->udp->remote.addr, &how.cmsg);
    if (more)
        return udp_cork(so, &how, msg, len, more);
    if (how.cmsg.segment == 0)
        how.cmsg.segment = (uint16_t)sock_value(so, SOCK_SLOT_UDP_SEGMENT);
    if (how.cmsg.segment != 0 && len > how.cmsg.segment)
        return udp_send_segments(so, &how, msg, len);
    return udp_send_one(so, &how, msg->msg_iov, msg->msg_iovlen, len);
}

/* ---- UDP: receiving ---- */

static void copy_to_iov(const uint8_t *data, size_t len, const struct msghdr *msg)
{
    for (size_t i = 0; i < msg->msg_iovlen && len > 0; i++) {
        size_t n = msg->msg_iov[i].iov_len < len ? msg->msg_iov[i].iov_len : len;
        if (n > 0)
            memcpy(msg->msg_iov[i].iov_base, data, n);
        data += n;
        len -= n;
    }
}

static void put_name(const struct sock *so, const struct endpoint *e, struct msghdr *msg)
{
    if (msg->msg_name)
        sock_addr_put(so, e, msg->msg_name, &msg->msg_namelen);
    else
        msg->msg_namelen = 0;
}

/* MSG_ERRQUEUE: the first entry of the error queue, with the datagram it is about. */
static ssize_t recv_error(struct sock *so, struct msghdr *msg, size_t len)
{
    struct sock_cmsg_out out;
    struct udp_error *e = sock_error_first(so);
    if (!e)
        return sock_error_zerocopy(so) ? recv_zerocopy(so, msg) : -EAGAIN;
    size_t n = e->len < len ? e->len : len;
    msg->msg_flags = MSG_ERRQUEUE | (n < e->len ? MSG_TRUNC : 0);
    copy_to_iov(e->data, n, msg);
    put_name(so, &e->dst, msg);
    sock_cmsg_start(&out, msg);
    sock_cmsg_put_error(&out, so, e);
    sock_cmsg_end(&out);
    sock_error_drop(so);
    return (ssize_t)n;
}

/* The datagram that a peek at *offset bytes into the queue meets; *offset becomes that within it.
 */
static struct udp_dgram *peek_dgram(struct sock *so, uint64_t *offset)
{
    LIST_FOREACH (n, &so->udp->queue) {
        struct udp_dgram *d = container_of(n, struct udp_dgram, node);
        if (*offset < d->len || (*offset == 0 && d->len == 0))
            return d;
        *offset -= d->len;
    }
    return NULL;
}

static ssize_t recv_none(struct sock *so, int flags)
{
    int err = so->udp->error;
    so->udp->error = 0;
    if (err)
        return -err;
    /* Who would wait on a socket that is shut down gets the end instead. */
    bool wait = !so->nonblock && !(flags & MSG_DONTWAIT);
    return wait && so->udp->shut & UDP_SHUT_RD ? 0 : -EAGAIN;
}

static ssize_t recv_udp(struct sock *so, struct msghdr *msg, size_t len, int flags)
{
    struct sock_cmsg_out out;
    bool peek = flags & MSG_PEEK;
    uint64_t at = peek && so->peek_offset != SOCK_PEEK_OFF ? so->peek_offset : 0;
    struct udp_dgram *d = so->udp->error ? NULL : peek_dgram(so, &at);
    if (!d)
        return recv_none(so, flags);
    size_t left = d->len - (size_t)at, n = left < len ? left : len;
    msg->msg_flags = (flags & MSG_CMSG_CLOEXEC) | (n < left ? MSG_TRUNC : 0);
    copy_to_iov(d->data + at, n, msg);
    so->last_arrived_us = d->arrived_us;
    put_name(so, &d->src, msg);
    sock_cmsg_start(&out, msg);
    sock_cmsg_put_dgram(&out, so, d);
    sock_cmsg_end(&out);
    size_t full = d->len;
    if (so->peek_offset != SOCK_PEEK_OFF) {
        if (peek)
            so->peek_offset += n;
        else
            so->peek_offset -= full < so->peek_offset ? full : so->peek_offset;
    }
    if (!peek)
        udp_drop_first(&so->stack->udp, so->udp);
    return (ssize_t)(flags & MSG_TRUNC ? full : n);
}

/* ---- the two calls ---- */

ssize_t sock_sendmsg(struct sock *so, const struct msghdr *msg, size_t skip, int flags)
{
    ssize_t len = iov_bytes(msg->msg_iov, msg->msg_iovlen);
    if (len < 0)
        return len;
    if (msg->msg_name && (int)msg->msg_namelen < 0)
        return -EINVAL;
    if (so->udp)
        return send_udp(so, msg, (size_t)len, flags);
    return send_tcp(so, msg, skip, (size_t)len - skip, flags);
}

ssize_t sock_recvmsg(struct sock *so, struct msghdr *msg, size_t skip, int flags)
{
    ssize_t len = iov_bytes(msg->msg_iov, msg->msg_iovlen);
    if (len < 0)
        return len;
    if (flags & MSG_ERRQUEUE)
        return recv_error(so, msg, (size_t)len);
    if (so->udp)
        return recv_udp(so, msg, (size_t)len, flags);
    return recv_tcp(so, msg, skip, (size_t)len - skip, flags);
}
