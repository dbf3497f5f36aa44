/*
 * The receive calls. All meet in call_recv().
 *
 * How long a stream call waits: until SO_RCVLOWAT bytes are there, or all of them with MSG_WAITALL;
 * as tcp_recvmsg() of Linux does it, what has been taken is reported before any error.
 */
#include <string.h>

#include "call.h"
#include "deadline.h"
#include "process.h"

/* Bytes of an iovec, cut to what one call may move. -EINVAL, -EMSGSIZE. */
ssize_t call_iov_bytes(const struct iovec *iov, size_t niov)
{
    const size_t most = 0x7ffff000; /* MAX_RW_COUNT */
    size_t sum = 0;
    if (niov > IOV_MAX)
        return -EMSGSIZE;
    if (call_bad_address(iov, niov))
        return -EFAULT;
    for (size_t i = 0; i < niov; i++) {
        if ((ssize_t)iov[i].iov_len < 0)
            return -EINVAL;
        sum = iov[i].iov_len > most - sum ? most : sum + iov[i].iov_len;
    }
    return (ssize_t)sum;
}

bool call_bad_iov(const struct iovec *iov, size_t niov)
{
    for (size_t i = 0; i < niov; i++)
        if (call_bad_address(iov[i].iov_base, iov[i].iov_len))
            return true;
    return false;
}

bool call_error_waits(const struct sock *so)
{
    return so->tcp && tcp_peek_error(so->tcp) != 0;
}

/* Within an entry on so, and returns in one. */
static ssize_t receive(struct sock *so, struct msghdr *msg, size_t len, int flags)
{
    bool stream = so->type == SOCK_STREAM;
    size_t target = 1, done = 0;
    uint64_t deadline_us = 0;
    bool bad = !(stream && flags & MSG_TRUNC) && call_bad_iov(msg->msg_iov, msg->msg_iovlen);

    if (stream) {
        size_t lowat = tcp_config(so->tcp)->rcvlowat;
        target = (flags & MSG_WAITALL) || len < lowat ? len : lowat;
        if (target == 0)
            target = 1; /* even nothing is waited for */
    }
    for (;;) {
        if (done && call_error_waits(so))
            return (ssize_t)done;
        /* A bad address is of no concern before there is something to put there. */
        if (bad && sock_poll(so) & POLLIN)
            return done ? (ssize_t)done : -EFAULT;
        ssize_t r = sock_recvmsg(so, msg, done, flags);
        if (r >= 0) {
            bool end = r == 0;
            done += (size_t)r;
            if (!stream || end || done >= target || (flags & MSG_OOB))
                return (ssize_t)done;
            continue; /* what follows, the end perhaps, may be there already */
        }
        if (r != -EAGAIN)
            return done ? (ssize_t)done : r;
        if (so->nonblock || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
            return done ? (ssize_t)done : -EAGAIN;
        if (!deadline_us)
            deadline_us = shim_deadline(so->rcvtimeo_us);
        int w = shim_block(so, POLLIN | POLLRDHUP, deadline_us, done == 0 && !so->rcvtimeo_us);
        if (w < 0)
            return done ? (ssize_t)done : w;
    }
}

ssize_t call_recv(int fd, struct msghdr *msg, int flags)
{
    ssize_t len = call_iov_bytes(msg->msg_iov, msg->msg_iovlen);
    if (len < 0)
        return len;
    pthread_testcancel();
    shim_in();
    struct sock *so = shim_enter(fd);
    ssize_t r;
    if (so) {
        msg->msg_flags = 0;
        r = receive(so, msg, (size_t)len, flags);
        engine_leave();
    } else {
        r = shim_not_ours(fd);
    }
    shim_out();
    return r;
}

/* read() and its kin: nothing asked, nothing done. */
static ssize_t read_iov(int fd, const struct iovec *iov, int niov, int flags)
{
    if (niov < 0 || niov > IOV_MAX)
        return -EINVAL;
    ssize_t len = call_iov_bytes(iov, (size_t)niov);
    if (len <= 0)
        return len;
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)niov};
    return call_recv(fd, &msg, flags);
}

SHIM_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    if (shim_ours(fd)) {
        struct iovec iov = {buf, len};
        ssize_t r = read_iov(fd, &iov, 1, 0);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.read(fd, buf, len);
}

SHIM_EXPORT ssize_t readv(int fd, const struct iovec *iov, int niov)
{
    if (shim_ours(fd)) {
        ssize_t r = read_iov(fd, iov, niov, 0);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.readv(fd, iov, niov);
}

/* With an offset the kernel says ESPIPE; -1 means: as readv(). */
static ssize_t preadv2_any(int fd, const struct iovec *iov, int niov, off_t offset, int flags)
{
    if (offset == -1 && (flags & ~(RWF_HIPRI | RWF_NOWAIT)) == 0 && shim_ours(fd)) {
        ssize_t r = read_iov(fd, iov, niov, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    shim_need();
    return real.preadv2(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int niov, off_t offset, int flags)
{
    return preadv2_any(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int niov, off64_t offset, int flags)
{
    return preadv2_any(fd, iov, niov, offset, flags);
}

SHIM_EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    if (shim_ours(fd)) {
        struct iovec iov = {buf, len};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t r = call_recv(fd, &msg, flags);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.recv(fd, buf, len, flags);
}

ssize_t call_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                      socklen_t *addr_len)
{
    struct sockaddr_storage from;
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (addr && addr_len) {
        if (call_bad_address(addr, 1) || call_bad_address(addr_len, 1))
            return -EFAULT;
        if ((int)*addr_len < 0)
            return -EINVAL;
        msg.msg_name = &from;
        msg.msg_namelen = sizeof(from);
    }
    ssize_t r = call_recv(fd, &msg, flags);
    if (r >= 0 && msg.msg_name) {
        memcpy(addr, &from, *addr_len < msg.msg_namelen ? *addr_len : msg.msg_namelen);
        *addr_len = msg.msg_namelen;
    }
    return r;
}

SHIM_EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, __SOCKADDR_ARG addr,
                             socklen_t *addr_len)
{
    if (shim_ours(fd)) {
        ssize_t r = call_recvfrom(fd, buf, len, flags, addr.__sockaddr__, addr_len);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    return real.recvfrom(fd, buf, len, flags, addr, addr_len);
}

/* Descriptors that came with a message of the kernel's (SCM_RIGHTS) may be sockets of ours, or of a
 * stack that we have yet to join. */
static void look_for_rights(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        shim_in();
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            if (engine_running())
                fd_identify(fd);
            else
                fd_mark_inherited(fd);
        }
        shim_out();
    }
}

SHIM_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (shim_ours(fd) && !call_bad_address(msg, 1)) {
        ssize_t r = call_recv(fd, msg, flags);
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    ssize_t r = real.recvmsg(fd, msg, flags);
    if (r >= 0 && msg->msg_controllen && !shim_inside())
        look_for_rights(msg);
    return r;
}

/* The timeout is looked at between messages only, as in the kernel. */
static int call_recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags,
                         const struct timespec *timeout)
{
    if (timeout && !deadline_valid(timeout))
        return -EINVAL;
    uint64_t deadline_us = deadline_after(timeout);
    int count = 0;
    while ((unsigned)count < n) {
        ssize_t r = call_recv(fd, &vec[count].msg_hdr, flags & ~MSG_WAITFORONE);
        if (r < 0) {
            if (count > 0 && r != SHIM_KERNEL)
                break;
            return (int)r;
        }
        vec[count++].msg_len = (unsigned)r;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (deadline_passed(deadline_us))
            break;
    }
    return count;
}

SHIM_EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags,
                         struct timespec *timeout)
{
    if (shim_ours(fd) && !call_bad_address(vec, n)) {
        int r = call_recvmmsg(fd, vec, n < IOV_MAX ? n : IOV_MAX, flags, timeout);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    int count = real.recvmmsg(fd, vec, n, flags, timeout);
    if (count > 0 && !shim_inside())
        for (int i = 0; i < count; i++)
            look_for_rights(&vec[i].msg_hdr);
    return count;
}
