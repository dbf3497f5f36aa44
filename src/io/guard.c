/*
 * Port guards.
 *
 * In host mode the kernel has our address too, and would answer for our ports: RST to a segment
 * that fits no socket of its own, ICMP port unreachable to such a datagram. A socket that is bound
 * to the port keeps it silent: what comes is given to that socket, whose filter drops it. For TCP
 * it must be in LISTEN, because a socket that is only bound is not found by segments. The same
 * socket keeps the port from everybody else.
 *
 * The filter is attached before the port is bound, so that nothing ever slips through.
 */
#include "io/guard.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"

/* "Keep 0 bytes": the packet is dropped without a sound. */
static int drop_everything(int fd)
{
    struct sock_filter ret_0 = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = &ret_0};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static void drop_nothing(int fd)
{
    int unused = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

int guard_bind(int fd, int type, struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int r = drop_everything(fd);

    if (r < 0)
        return r;
    if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
        (type == SOCK_STREAM && listen(fd, 1) < 0) ||
        getsockname(fd, (struct sockaddr *)addr, &len) < 0) {
        r = -errno;
        drop_nothing(fd);
    }
    return r;
}

int guard_open(int type, const struct sockaddr_in *addr)
{
    struct sockaddr_in copy = *addr;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = guard_bind(fd, type, &copy);
    if (r == 0)
        r = engine_fd_hide(fd);
    if (r < 0)
        close(fd);
    return r;
}
