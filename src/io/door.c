/*
 * A door is a listening socket of the abstract AF_UNIX namespace, whose name holds what it is the
 * door of; the namespace is the network namespace's own, as the interface is. Binding the name is
 * what decides who makes the stack of an address.
 *
 *      outside                                 inside
 *      -------                                 ------
 *      connect                                 accept: a stranger? "not you"
 *      listens there a stranger? away
 *      request, with the socket shown --->     the cookie of the socket: of this stack?
 *      joins                          <---     "come in": arena and packet sockets; or "not here"
 *
 * Who comes in gets the arena, with all that it holds, and whoever lets us in could have put
 * anything there: so both sides look whether the other one is the same user's. There is more to it
 * for programs that were root's and have become another user's, while their housekeeper is still
 * root's: root may let anybody in, and who shows a socket may be any user whom the family has. A
 * cookie could be guessed or looked up, a socket cannot: so the socket itself is shown.
 *
 * The doors that there are can be seen in /proc/net/unix. The names of others may be in it, as many
 * as they like; so nobody is waited for before we know that he is ours.
 */
#include "io/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <config.h>

#include "io/engine_int.h"

#define PREFIX     "libshim-door-"
#define BACKLOG    1024
#define PATIENCE_S 5   /* for an answer; the housekeeper may be starting */
#define TRIES      100 /* at a door before which too many wait, a millisecond apart */
#define THINGS     3   /* descriptors in an answer */

enum verdict { DOOR_COME_IN, DOOR_NOT_YOU, DOOR_NOT_HERE };

struct request {
    uint64_t layout; /* of what lies in the arena */
    uint64_t secret;
};

struct answer {
    uint64_t layout;
    uint32_t verdict;
};

/* Differs between versions whose arenas differ. */
static uint64_t layout(void)
{
    return stack_layout() * 1009 + sizeof(struct engine_shared);
}

struct door door_of_address(uint32_t ifindex, const struct ip_addr *addr)
{
    char text[ADDR_STR_MAX];
    struct door d;

    d.len = unixsock_name(&d.name, PREFIX "%u-%s", ifindex, addr_str(addr, text));
    return d;
}

struct door door_of_stack(uint64_t id)
{
    struct door d;

    d.len = unixsock_name(&d.name, PREFIX "%016llx", (unsigned long long)id);
    return d;
}

/* What makes stacks differ. */
static uint32_t hash_of(const struct config *c)
{
    const uint64_t words[] = {c->mtu,     c->memory_bytes,         c->ecn,
                              c->offload, (uint32_t)c->congestion, c->busy_poll_us};
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < sizeof(c->interface); i++)
        h = (h ^ (uint8_t)c->interface[i]) * 16777619u;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        h = (h ^ (uint32_t)(words[i] ^ words[i] >> 32)) * 16777619u;
    return h;
}

struct door door_of_kin(const struct engine_kin *kin, const struct config *c)
{
    struct door d;

    d.len =
        unixsock_name(&d.name, PREFIX "%016llx-%08x", (unsigned long long)kin->name, hash_of(c));
    return d;
}

int door_open(const struct door *door)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = bind(fd, (const struct sockaddr *)&door->name, door->len) < 0 || listen(fd, BACKLOG) < 0
            ? -errno
            : engine_fd_hide(fd);
    if (r < 0)
        close(fd);
    return r;
}

/* Whose is the other end of this connection? -1: nobody's that we may know. */
static uid_t user_of(int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.uid : (uid_t)-1;
}

/* ---- outside ---- */

static int error_of_gone(int err)
{
    return err == ECONNRESET || err == EPIPE ? -ECONNREFUSED : -err;
}

static int send_request(int fd, int shown, uint64_t secret)
{
    struct request q = {layout(), secret};
    struct iovec iov = {&q, sizeof(q)};
    UNIXSOCK_CONTROL(1) control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (shown >= 0)
        unixsock_attach(&msg, control.bytes, &shown, 1);
    return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? error_of_gone(errno) : 0;
}

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
    bool reset = false;
    ssize_t n;

    /* Who is sent away may not be heard first: the answer is behind the error. */
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
        if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
            break;
        reset |= errno == ECONNRESET;
    } while (true);
    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : error_of_gone(errno);
    if (n == 0)
        return -ECONNREFUSED;
    bool taken = unixsock_take(&msg, fds, THINGS);
    if (n < (ssize_t)sizeof(a) || a.layout != layout()) {
        for (size_t i = 0; taken && i < THINGS; i++)
            close(fds[i]);
        return -EPROTO;
    }
    if (a.verdict == DOOR_NOT_HERE)
        return -ENOENT;
    if (a.verdict != DOOR_COME_IN || !taken)
        return -EACCES;
    *h = (struct engine_heirloom){fds[0], fds[1], fds[2]};
    return 0;
}

/* fd is connected, and does not block. */
static int ask(int fd, int shown, uint64_t secret, struct engine_heirloom *h)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};

    uid_t user = user_of(fd);
    if (user != geteuid() && user != 0)
        return -EACCES;
    if (fcntl(fd, F_SETFL, 0) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
    int r = send_request(fd, shown, secret);
    return r < 0 && r != -ECONNREFUSED ? r : read_answer(fd, h);
}

int door_knock(const struct door *door, int shown, uint64_t secret, struct engine_heirloom *h)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = connect(fd, (const struct sockaddr *)&door->name, door->len) < 0
            ? -errno
            : ask(fd, shown, secret, h);
    close(fd);
    return r;
}

/* All of a file of /proc, to be freed; NULL: it cannot be read. A line that is read later than
 * another could be missed, when sockets come and go meanwhile: our own do. */
static char *read_whole(const char *path)
{
    size_t room = 0, n = 0;
    char *text = NULL;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return NULL;
    do {
        if (room - n < 4096) {
            char *more = realloc(text, room = 2 * room + 16384);
            if (!more)
                break;
            text = more;
        }
        got = read(fd, text + n, room - n - 1);
        n += got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    close(fd);
    if (got == 0) {
        text[n] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

/* Is a line of /proc/net/unix about a door? */
static bool parse_door(const char *line, struct door *door)
{
    char name[sizeof(door->name.sun_path)];
    unsigned flags;

    if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s @%107s", &flags, name) != 2 ||
        !(flags & 1u << 16) /* listening */ || strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return false;
    door->len = unixsock_name(&door->name, "%s", name);
    return true;
}

/* Once at each door. -EAGAIN: one was not asked. */
static int find(int shown, struct engine_heirloom *h)
{
    char *text = read_whole("/proc/net/unix"), *rest = NULL;
    int r, result = -ENOENT;

    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && result != 0;
         line = strtok_r(NULL, "\n", &rest)) {
        struct door door;
        if (!parse_door(line, &door))
            continue;
        r = door_knock(&door, shown, 0, h);
        if (r == 0 || (r != -ENOENT && r != -ECONNREFUSED && result != -EAGAIN))
            result = r;
    }
    free(text);
    return result;
}

int door_find(int shown, struct engine_heirloom *h)
{
    int r = find(shown, h);

    for (int i = 1; r == -EAGAIN && i < TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        r = find(shown, h);
    }
    return r;
}

/* ---- inside ---- */

bool door_is_same_user(int visitor)
{
    return user_of(visitor) == geteuid();
}

int door_accept(int door, bool (*knows)(uid_t user))
{
    const struct answer no = {layout(), DOOR_NOT_YOU};
    int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return -errno;
    if (door_is_same_user(fd) || (knows && knows(user_of(fd))))
        return fd;
    if (send(fd, &no, sizeof(no), MSG_NOSIGNAL) < 0)
        log_debug("door: a stranger has gone");
    close(fd);
    return -EACCES;
}

int door_hear(int visitor, uint64_t *cookie, uint64_t *secret)
{
    struct request q = {0};
    struct iovec iov = {&q, sizeof(q)};
    UNIXSOCK_CONTROL(1) control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    socklen_t len = sizeof(*cookie);
    ssize_t n = recvmsg(visitor, &msg, MSG_CMSG_CLOEXEC);
    int shown;

    *cookie = 0;
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (unixsock_take(&msg, &shown, 1)) {
        if (getsockopt(shown, SOL_SOCKET, SO_COOKIE, cookie, &len) < 0)
            n = 0;
        close(shown);
    }
    *secret = q.secret;
    return n == (ssize_t)sizeof(q) ? 0 : -ECONNRESET;
}

void door_answer(int visitor, const struct engine_heirloom *h, bool welcome)
{
    const int fds[THINGS] = {h->arena, h->rx, h->tx};
    struct answer a = {layout(), welcome ? DOOR_COME_IN : DOOR_NOT_HERE};
    struct iovec iov = {&a, sizeof(a)};
    UNIXSOCK_CONTROL(THINGS) control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (welcome)
        unixsock_attach(&msg, control.bytes, fds, THINGS);
    if (sendmsg(visitor, &msg, MSG_NOSIGNAL) < 0)
        log_debug("door: nobody waits for the answer");
}
