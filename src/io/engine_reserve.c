/*
 * The reserve: what a process keeps when it gives up the right to open packet sockets before it has
 * a stack, so that it can have one later.
 *
 * It is a stack that is not made yet: the two packet sockets, which receive nothing so far, and an
 * empty memfd for the arena. All of it is a few system calls and no memory, for most of those who
 * give up their rights never open a socket.
 *
 * The children of the process have the same reserve, and packet sockets can serve one stack only.
 * So the first that needs a stack makes it in the memfd, and seals that; the others join it, as a
 * new image after exec would. A lock on the file keeps two from making it at the same time; it ends
 * with the process that holds it, and what that one had begun is begun anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/engine_int.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static struct engine_heirloom reserve = {-1, -1, -1};

bool engine_reserve_is_held(void)
{
    return reserve.arena >= 0;
}

void engine_reserve_adopt(const struct engine_heirloom *h)
{
    reserve = *h;
}

/* The memfd is sealed when the stack in it is complete. */
static bool is_made(int arena)
{
    int seals = fcntl(arena, F_GET_SEALS);
    return seals < 0 || seals & F_SEAL_SHRINK;
}

bool engine_is_unmade(const struct engine_heirloom *h)
{
    return !is_made(h->arena);
}

int engine_reserve(void)
{
    struct engine_heirloom h;
    if (engine.running || engine_reserve_is_held())
        return 0;
    int err = link_packet_sockets(&h.rx, &h.tx);
    if (err)
        return err;
    h.arena = arena_map_open();
    if (h.arena >= 0)
        h.arena = engine_fd_take(h.arena);
    if (h.arena < 0) {
        engine_fd_close(h.rx);
        engine_fd_close(h.tx);
        return h.arena;
    }
    reserve = h;
    return 0;
}

void engine_reserve_release(void)
{
    if (!engine_reserve_is_held())
        return;
    engine_fd_close(reserve.arena);
    engine_fd_close(reserve.rx);
    engine_fd_close(reserve.tx);
    engine_reserve_forget();
}

void engine_reserve_forget(void)
{
    reserve = (struct engine_heirloom){-1, -1, -1};
}

bool engine_reserve_get(struct engine_heirloom *h)
{
    *h = reserve;
    return engine_reserve_is_held();
}

/* The network namespace of a socket; 0: the kernel does not tell. */
static uint64_t netns_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

/* Is it of the namespace that we are in? */
static bool is_of_here(const struct engine_heirloom *h)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool here = netns_of(fd) == netns_of(h->rx);
    close(fd);
    return here;
}

static int lock_file(int fd, short type)
{
    struct flock whole = {.l_type = type, .l_whence = SEEK_SET};
    int r;
    do
        r = fcntl(fd, F_SETLKW, &whole);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int engine_reserve_lock(struct engine_heirloom *h)
{
    if (!engine_reserve_get(h) || !is_of_here(h))
        return -ENOENT;
    int err = lock_file(h->arena, F_WRLCK);
    if (err)
        return err;
    return is_made(h->arena) ? 0 : 1;
}

void engine_reserve_unlock(const struct engine_heirloom *h)
{
    (void)lock_file(h->arena, F_UNLCK);
}
