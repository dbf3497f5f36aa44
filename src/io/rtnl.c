/*
 * rtnetlink: a question, and the messages of its answer.
 *
 * libmnl builds and takes apart the messages; its sockets are not used, because they are malloc'd,
 * and this code may run in a thread that was interrupted inside malloc. The answer is read in
 * pieces into a buffer on the stack: the kernel fits the messages of a dump to the buffer that the
 * reader offers, from 8 KB on.
 */
#include "io/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 8192u
#define DUMP_TRIES   5

struct nlmsghdr *rtnl_request(void *buf, int type, int flags, size_t body_bytes)
{
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

    nlh->nlmsg_type = (uint16_t)type;
    nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    nlh->nlmsg_seq = 1;
    mnl_nlmsg_put_extra_header(nlh, body_bytes);
    return nlh;
}

/* One piece of the answer. 1: more is to come; 0: that was the last; or -errno. */
static int read_piece(int fd, uint32_t seq, mnl_cb_t fn, void *arg)
{
    _Alignas(struct nlmsghdr) char buf[ANSWER_BYTES];
    struct sockaddr_nl from = {0};
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    do
        n = recvmsg(fd, &msg, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (msg.msg_flags & MSG_TRUNC)
        return -EMSGSIZE;
    if (from.nl_pid != 0) /* not the kernel: any process may write to our socket */
        return 1;
    int r = mnl_cb_run(buf, (size_t)n, seq, 0, fn, arg);
    if (r < 0)
        return errno == EINTR ? -EAGAIN : -errno; /* libmnl's word for NLM_F_DUMP_INTR */
    return r == MNL_CB_STOP ? 0 : 1;
}

int rtnl_ask(struct nlmsghdr *request, mnl_cb_t fn, void *arg)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int r = 1;

    if (fd < 0)
        return -errno;
    if (sendto(fd, request, request->nlmsg_len, 0, (const struct sockaddr *)&kernel,
               sizeof(kernel)) < 0)
        r = -errno;
    while (r > 0)
        r = read_piece(fd, request->nlmsg_seq, fn, arg);
    close(fd);
    return r;
}

int rtnl_dump(int type, int family, size_t body_bytes, void (*start)(void *arg), mnl_cb_t fn,
              void *arg)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES];
    int r = -EAGAIN;

    for (int i = 0; i < DUMP_TRIES && r == -EAGAIN; i++) {
        struct nlmsghdr *nlh = rtnl_request(buf, type, NLM_F_DUMP, body_bytes);

        /* The family is the first byte of all of rtnetlink's bodies. */
        *(uint8_t *)mnl_nlmsg_get_payload(nlh) = (uint8_t)family;
        start(arg);
        r = rtnl_ask(nlh, fn, arg);
    }
    return r;
}
