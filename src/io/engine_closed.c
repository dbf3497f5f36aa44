/*
 * Last close. The kernel tells, on a netlink socket, the cookie of every TCP and UDP socket that is
 * destroyed: when the last descriptor of a placeholder is gone, in whichever process and for
 * whatever reason, its control block is closed.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine_int.h"

#define CLOSED_QUEUE_BYTES (4 << 20)

static uint32_t group(int g)
{
    return 1u << (g - 1);
}

int engine_closed_open(void)
{
    struct sockaddr_nl nl = {
        .nl_family = AF_NETLINK,
        .nl_groups = group(SKNLGRP_INET_TCP_DESTROY) | group(SKNLGRP_INET_UDP_DESTROY) |
                     group(SKNLGRP_INET6_TCP_DESTROY) | group(SKNLGRP_INET6_UDP_DESTROY),
    };
    int size = CLOSED_QUEUE_BYTES;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(fd, (struct sockaddr *)&nl, sizeof(nl)) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return engine_fd_take(fd);
}

static void on_message(struct nlmsghdr *h)
{
    const struct inet_diag_msg *m = NLMSG_DATA(h);
    if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
        return;
    uint64_t cookie = m->id.idiag_cookie[0] | (uint64_t)m->id.idiag_cookie[1] << 32;
    struct sock *so = sock_by_cookie(engine.st, cookie);
    if (so) {
        uint16_t port = so->tcp ? tcp_local(so->tcp)->port : 0;
        log_debug("the last descriptor of socket %llu is gone", (unsigned long long)cookie);
        sock_close(so);
        (void)guard_closed(engine.st, port, false);
    }
}

void engine_on_closed(void)
{
    _Alignas(struct nlmsghdr) char buf[8192];
    ssize_t n;

    while ((n = recv(engine.fds[LOOP_CLOSED], buf, sizeof(buf), 0)) != 0) {
        if (n < 0 && errno == ENOBUFS) {
            log_warn("last-close events were lost");
            engine.sh->closed_lost = true;
            continue;
        }
        if (n < 0)
            return;
        int left = (int)n;
        for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left))
            on_message(h);
    }
}
