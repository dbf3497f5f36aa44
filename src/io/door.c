/*
 * The door is a listening socket of the abstract AF_UNIX namespace, whose name holds interface and
 * address; the namespace is the network namespace's own, as the interface is. Binding the name is
 * what decides who makes the stack. Who comes in gets the arena, with all that it holds, so only
 * the same user may.
 */
#include "io/door.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <config.h>

#include "io/engine_int.h"
#include "io/unixsock.h"

#define BACKLOG    64
#define PATIENCE_S 5 /* for an answer; the housekeeper may be starting */
#define THINGS     3 /* descriptors in an answer */

enum verdict { DOOR_COME_IN, DOOR_NOT_YOU };

struct answer {
    uint64_t layout; /* of what lies in the arena */
    uint32_t verdict;
};

/* Differs between versions whose arenas differ. */
static uint64_t layout(void)
{
    return stack_layout() * 1009 + sizeof(struct engine_shared);
}

static socklen_t door_name(uint32_t ifindex, const struct ip_addr *addr, struct sockaddr_un *un)
{
    char text[ADDR_STR_MAX];

    return unixsock_name(un, "libshim-host-%u-%s", ifindex, addr_str(addr, text));
}

int door_open(uint32_t ifindex, const struct ip_addr *addr)
{
    struct sockaddr_un un;
    socklen_t len = door_name(ifindex, addr, &un);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = bind(fd, (struct sockaddr *)&un, len) < 0 || listen(fd, BACKLOG) < 0 ? -errno
                                                                             : engine_fd_hide(fd);
    if (r < 0)
        close(fd);
    return r;
}

/* ---- outside ---- */

static int read_answer(int fd, struct engine_heirloom *h)
{
    struct answer a = {0};
    struct iovec iov = {&a, sizeof(a)};
    int fds[THINGS];
    UNIXSOCK_CONTROL(THINGS) control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : errno == ECONNRESET ? -ECONNREFUSED : -errno;
    if (n == 0)
        return -ECONNREFUSED;
    if (n < (ssize_t)sizeof(a) || a.layout != layout())
        return -EPROTO;
    if (a.verdict != DOOR_COME_IN || !unixsock_take(&msg, fds, THINGS))
        return -EACCES;
    *h = (struct engine_heirloom){fds[0], fds[1], fds[2]};
    return 0;
}

int door_knock(uint32_t ifindex, const struct ip_addr *addr, struct engine_heirloom *h)
{
    struct sockaddr_un un;
    socklen_t len = door_name(ifindex, addr, &un);
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    r = connect(fd, (struct sockaddr *)&un, len) < 0 ? -errno : read_answer(fd, h);
    close(fd);
    return r;
}

/* ---- inside ---- */

static void send_answer(int fd, const struct engine_heirloom *h)
{
    const int fds[THINGS] = {h->arena, h->rx, h->tx};
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof(peer);
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;
    bool same = known && peer.uid == geteuid();
    struct answer a = {layout(), same ? DOOR_COME_IN : DOOR_NOT_YOU};
    struct iovec iov = {&a, sizeof(a)};
    UNIXSOCK_CONTROL(THINGS) control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (same)
        unixsock_attach(&msg, control.bytes, fds, THINGS);
    if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("door: nobody waits for the answer");
}

int door_answer(int door, const struct engine_heirloom *h)
{
    int n = 0, fd;

    while ((fd = accept4(door, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        send_answer(fd, h);
        close(fd);
        n++;
    }
    return n;
}
