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
#include <string.h>
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

static bool is_v6(int fd)
{
    int domain = AF_INET;
    socklen_t len = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET6;
}

/* The same as bind() and getsockname() on an AF_INET6 socket. */
static int bind_mapped(int fd, struct sockaddr_in *addr, bool dual)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = addr->sin_port};
    struct ip_addr mapped = addr_v4(ntohl(addr->sin_addr.s_addr));
    socklen_t len = sizeof(in6);

    if (!dual)
        memcpy(&in6.sin6_addr, mapped.b, sizeof(mapped.b));
    if (bind(fd, (const struct sockaddr *)&in6, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&in6, &len) < 0)
        return -errno;
    addr->sin_port = in6.sin6_port;
    return 0;
}

static int bind_port(int fd, struct sockaddr_in *addr, bool dual)
{
    socklen_t len = sizeof(*addr);

    if (is_v6(fd))
        return bind_mapped(fd, addr, dual);
    if (bind(fd, (const struct sockaddr *)addr, len) < 0 ||
        getsockname(fd, (struct sockaddr *)addr, &len) < 0)
        return -errno;
    return 0;
}

int guard_bind(int fd, int type, struct sockaddr_in *addr, bool dual)
{
    int r = drop_everything(fd);

    if (r < 0)
        return r;
    r = bind_port(fd, addr, dual);
    if (r == 0 && type == SOCK_STREAM && listen(fd, 1) < 0)
        r = -errno;
    if (r < 0)
        drop_nothing(fd);
    return r;
}

int guard_open(int type, const struct sockaddr_in *addr)
{
    struct sockaddr_in copy = *addr;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0)
        return -errno;
    r = guard_bind(fd, type, &copy, false);
    if (r == 0)
        r = engine_fd_hide(fd);
    if (r < 0)
        close(fd);
    return r;
}
