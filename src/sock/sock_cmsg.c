/*
 * Control messages (cmsg(3)), both ways. What does not fit is cut and marked with MSG_CTRUNC, as
 * the kernel's put_cmsg() does; what is sent must be well formed, or nothing is sent.
 */
#include <errno.h>
#include <limits.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/time.h>

#include "sock/sock_msg.h"

#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

void sock_cmsg_start(struct sock_cmsg_out *out, struct msghdr *msg)
{
    out->msg = msg;
    out->at = msg->msg_control;
    out->room = msg->msg_control ? msg->msg_controllen : 0;
}

void sock_cmsg_end(struct sock_cmsg_out *out)
{
    if (out->msg->msg_control)
        out->msg->msg_controllen = (size_t)(out->at - (uint8_t *)out->msg->msg_control);
    else
        out->msg->msg_controllen = 0;
}

void sock_cmsg_put(struct sock_cmsg_out *out, int level, int type, const void *data, size_t len)
{
    struct cmsghdr h = {.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
    if (out->room < sizeof(h)) {
        out->msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    if (out->room < h.cmsg_len) {
        out->msg->msg_flags |= MSG_CTRUNC;
        h.cmsg_len = out->room;
    }
    memcpy(out->at, &h, sizeof(h));
    memcpy(out->at + CMSG_LEN(0), data, h.cmsg_len - CMSG_LEN(0));
    size_t space = CMSG_SPACE(len) < out->room ? CMSG_SPACE(len) : out->room;
    out->at += space;
    out->room -= space;
}

static void put_int(struct sock_cmsg_out *out, int level, int type, int v)
{
    sock_cmsg_put(out, level, type, &v, sizeof(v));
}

/* ---- what is received ---- */

static void put_timestamp(struct sock_cmsg_out *out, const struct sock *so, uint64_t arrived_us)
{
    int64_t us = (int64_t)arrived_us + so->stack->realtime_offset_us;
    bool new = sock_has(so, SOCK_BIT_TIMESTAMP_NEW);
    struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    struct timespec ts[3] = {{.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}};
    uint32_t want = (uint32_t)sock_value(so, SOCK_SLOT_TIMESTAMPING);

    if (sock_has(so, SOCK_BIT_TIMESTAMP)) {
        if (sock_has(so, SOCK_BIT_TIMESTAMP_NS))
            sock_cmsg_put(out, SOL_SOCKET, new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD, ts,
                          sizeof(ts[0]));
        else
            sock_cmsg_put(out, SOL_SOCKET, new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, &tv,
                          sizeof(tv));
    }
    if (want & SOF_TIMESTAMPING_SOFTWARE && want & SOF_TIMESTAMPING_RX_SOFTWARE)
        sock_cmsg_put(out, SOL_SOCKET, new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD, ts,
                      sizeof(ts));
}

static void put_pktinfo(struct sock_cmsg_out *out, struct sock *so, const struct udp_dgram *d)
{
    struct in_pktinfo info = {.ipi_ifindex = (int)d->ifindex};
    const struct ip_addr *spec = &d->dst;
    struct ip_path path;
    struct ip_addr any = addr_any4();

    info.ipi_addr.s_addr = htonl(addr_get_v4(&d->dst));
    /* Our own address that an answer would come from: not a group, not a broadcast address. */
    if (!netif_find_addr(&so->stack->net, spec) &&
        path_lookup(&so->stack->net, &d->src.addr, &any, NULL, &path) == 0)
        spec = &path.src;
    info.ipi_spec_dst.s_addr = htonl(addr_get_v4(spec));
    sock_cmsg_put(out, SOL_IP, IP_PKTINFO, &info, sizeof(info));
}

/* IPV6_PKTINFO of a datagram of IPv4: its mapped destination. */
static void put_pktinfo6(struct sock_cmsg_out *out, const struct udp_dgram *d)
{
    struct in6_pktinfo info = {.ipi6_ifindex = d->ifindex};
    memcpy(&info.ipi6_addr, d->dst.b, sizeof(d->dst.b));
    sock_cmsg_put(out, SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

void sock_cmsg_put_dgram(struct sock_cmsg_out *out, struct sock *so, const struct udp_dgram *d)
{
    put_timestamp(out, so, d->arrived_us);
    if (sock_has(so, SOCK_BIT_RXQ_OVFL) && so->udp->drops) {
        uint32_t drops = (uint32_t)so->udp->drops;
        sock_cmsg_put(out, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops));
    }
    if (sock_has(so, SOCK_BIT_RCVMARK)) {
        uint32_t mark = 0;
        sock_cmsg_put(out, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
    }
    if (so->domain == AF_INET6 && sock_has(so, SOCK_BIT_PKTINFO6))
        put_pktinfo6(out, d);
    if (sock_has(so, SOCK_BIT_PKTINFO))
        put_pktinfo(out, so, d);
    if (sock_has(so, SOCK_BIT_RECVTTL))
        put_int(out, SOL_IP, IP_TTL, d->ttl);
    if (sock_has(so, SOCK_BIT_RECVTOS))
        sock_cmsg_put(out, SOL_IP, IP_TOS, &d->tos, sizeof(d->tos));
    if (sock_has(so, SOCK_BIT_ORIGDSTADDR)) {
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_port = htons(so->udp->local.port),
                                 .sin_addr.s_addr = htonl(addr_get_v4(&d->dst))};
        sock_cmsg_put(out, SOL_IP, IP_ORIGDSTADDR, &in, sizeof(in));
    }
}

/* What came with the ICMP message. Of its route nothing is known. */
static void put_icmp(struct sock_cmsg_out *out, const struct sock *so, const struct udp_error *e)
{
    struct in_pktinfo info = {.ipi_ifindex = (int)e->ifindex,
                              .ipi_addr.s_addr = htonl(addr_get_v4(&e->to))};
    if (sock_has(so, SOCK_BIT_PKTINFO))
        sock_cmsg_put(out, SOL_IP, IP_PKTINFO, &info, sizeof(info));
    if (sock_has(so, SOCK_BIT_RECVTTL))
        put_int(out, SOL_IP, IP_TTL, e->ttl);
    if (sock_has(so, SOCK_BIT_RECVTOS))
        sock_cmsg_put(out, SOL_IP, IP_TOS, &e->tos, sizeof(e->tos));
}

/* IP_RECVERR, or IPV6_RECVERR for an AF_INET6 socket, whatever the datagram was. */
void sock_cmsg_put_error(struct sock_cmsg_out *out, const struct sock *so,
                         const struct udp_error *e)
{
    bool v6 = so->domain == AF_INET6;
    struct {
        struct sock_extended_err ee;
        union {
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } offender;
    } body = {.ee = {.ee_errno = (uint32_t)e->err,
                     .ee_origin = e->origin,
                     .ee_type = e->type,
                     .ee_code = e->code,
                     .ee_info = e->info}};
    socklen_t len = v6 ? sizeof(body.offender.in6) : sizeof(body.offender.in);
    size_t full = sizeof(body.ee) + len;
    put_timestamp(out, so, e->arrived_us);
    if (e->origin == UDP_ERROR_ICMP && !v6)
        put_icmp(out, so, e);
    if (e->origin == UDP_ERROR_ICMP)
        sock_addr_put(so, &(struct endpoint){.addr = e->from}, (struct sockaddr *)&body.offender,
                      &len);
    sock_cmsg_put(out, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &body, full);
}

void sock_cmsg_put_zerocopy(struct sock_cmsg_out *out, const struct sock *so, uint32_t first,
                            uint32_t last)
{
    bool v6 = so->domain == AF_INET6;
    struct {
        struct sock_extended_err ee;
        struct sockaddr_in6 nobody;
    } body = {.ee = {.ee_origin = SO_EE_ORIGIN_ZEROCOPY,
                     .ee_code = SO_EE_CODE_ZEROCOPY_COPIED,
                     .ee_info = first,
                     .ee_data = last}};
    size_t full = sizeof(body.ee) + (v6 ? sizeof(body.nobody) : sizeof(struct sockaddr_in));
    sock_cmsg_put(out, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &body, full);
}

void sock_cmsg_put_stream(struct sock_cmsg_out *out, const struct sock *so)
{
    if (tcp_arrived_us(so->tcp))
        put_timestamp(out, so, tcp_arrived_us(so->tcp));
    if (sock_has(so, SOCK_BIT_INQ))
        put_int(out, IPPROTO_TCP, TCP_CM_INQ, (int)tcp_readable_bytes(so->tcp));
}

/* ---- what is sent ---- */

#define STAMPING_OF_SENDS                                                                          \
    (SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |     \
     SOF_TIMESTAMPING_TX_ACK)

/* SOL_SOCKET: marks, priorities and times are accepted; rights and credentials are of AF_UNIX and
 * ignored. */
static int get_socket_level(const struct cmsghdr *c)
{
    uint32_t flags;
    switch (c->cmsg_type) {
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
        if (c->cmsg_len != CMSG_LEN(sizeof(flags)))
            return -EINVAL;
        memcpy(&flags, CMSG_DATA(c), sizeof(flags));
        return flags & ~(uint32_t)STAMPING_OF_SENDS ? -EINVAL : 0;
    case SO_MARK:
    case SO_PRIORITY:
        return c->cmsg_len == CMSG_LEN(sizeof(uint32_t)) ? 0 : -EINVAL;
    case SCM_TXTIME:
        return c->cmsg_len == CMSG_LEN(sizeof(uint64_t)) ? 0 : -EINVAL;
    case SCM_RIGHTS:
    case SCM_CREDENTIALS:
        return 0;
    default:
        return -EINVAL;
    }
}

/* The datagram is to leave by this interface (0: any) and from src (the wildcard: any). */
static int want_pktinfo(struct sock *so, uint32_t ifindex, const struct ip_addr *src,
                        struct sock_cmsg_in *in)
{
    if (ifindex != 0) {
        in->nif = netif_by_index(&so->stack->net, ifindex);
        if (!in->nif)
            return -ENODEV;
    }
    if (!addr_is_any(src)) {
        in->src = *src;
        in->has_src = true;
    }
    return 0;
}

static int get_pktinfo(struct sock *so, const struct cmsghdr *c, struct sock_cmsg_in *in)
{
    struct in_pktinfo info;
    if (c->cmsg_len != CMSG_LEN(sizeof(info)))
        return -EINVAL;
    memcpy(&info, CMSG_DATA(c), sizeof(info));
    struct ip_addr src = addr_v4(ntohl(info.ipi_spec_dst.s_addr));
    return want_pktinfo(so, (uint32_t)info.ipi_ifindex, &src, in);
}

static int get_ip_level(struct sock *so, const struct cmsghdr *c, struct sock_cmsg_in *in)
{
    int v;
    switch (c->cmsg_type) {
    case IP_PKTINFO:
        return get_pktinfo(so, c, in);
    case IP_TTL:
        if (c->cmsg_len != CMSG_LEN(sizeof(v)))
            return -EINVAL;
        memcpy(&v, CMSG_DATA(c), sizeof(v));
        if (v < 1 || v > UINT8_MAX)
            return -EINVAL;
        in->ttl = (int16_t)v;
        return 0;
    case IP_TOS:
        if (c->cmsg_len == CMSG_LEN(sizeof(v)))
            memcpy(&v, CMSG_DATA(c), sizeof(v));
        else if (c->cmsg_len == CMSG_LEN(1))
            v = *CMSG_DATA(c);
        else
            return -EINVAL;
        if (v < 0 || v > UINT8_MAX)
            return -EINVAL;
        in->tos = (int16_t)v;
        return 0;
    case IP_PROTOCOL: /* of raw sockets; checked and ignored */
        if (c->cmsg_len != CMSG_LEN(sizeof(v)))
            return -EINVAL;
        memcpy(&v, CMSG_DATA(c), sizeof(v));
        return v < 1 || v > UINT8_MAX ? -EINVAL : 0;
    case IP_RETOPTS: /* IP options are not sent yet */
        return c->cmsg_len <= CMSG_LEN(40) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

/* IPV6_PKTINFO, all that IPv4 from an AF_INET6 socket obeys; the rest is of IPv6 and ignored. */
static int get_ipv6_level(struct sock *so, const struct cmsghdr *c, struct sock_cmsg_in *in)
{
    struct in6_pktinfo info;
    struct ip_addr src;
    if (c->cmsg_type != IPV6_PKTINFO)
        return 0;
    if (c->cmsg_len < CMSG_LEN(sizeof(info)))
        return -EINVAL;
    memcpy(&info, CMSG_DATA(c), sizeof(info));
    memcpy(src.b, &info.ipi6_addr, sizeof(src.b));
    if (!addr_is_v4(&src))
        return -EINVAL;
    return want_pktinfo(so, info.ipi6_ifindex, &src, in);
}

static int get_udp_level(const struct cmsghdr *c, struct sock_cmsg_in *in)
{
    if (c->cmsg_type != UDP_SEGMENT || c->cmsg_len != CMSG_LEN(sizeof(in->segment)))
        return -EINVAL;
    memcpy(&in->segment, CMSG_DATA(c), sizeof(in->segment));
    return 0;
}

int sock_cmsg_get(struct sock *so, const struct msghdr *msg, struct sock_cmsg_in *in)
{
    struct msghdr m = *msg; /* CMSG_NXTHDR wants it writable */
    *in = (struct sock_cmsg_in){.ttl = -1, .tos = -1};
    if (!msg->msg_control)
        return 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        int r = 0;
        size_t left = (size_t)((char *)m.msg_control + m.msg_controllen - (char *)c);
        if (c->cmsg_len < sizeof(*c) || c->cmsg_len > left)
            return -EINVAL;
        if (c->cmsg_level == SOL_SOCKET)
            r = get_socket_level(c);
        else if (c->cmsg_level == SOL_IP && so->udp)
            r = get_ip_level(so, c, in);
        else if (c->cmsg_level == SOL_IPV6 && so->udp && so->domain == AF_INET6)
            r = get_ipv6_level(so, c, in);
        else if (c->cmsg_level == IPPROTO_UDP && so->udp)
            r = get_udp_level(c, in);
        if (r < 0)
            return r;
    }
    return 0;
}
