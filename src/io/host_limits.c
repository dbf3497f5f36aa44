/*
 * The host's limits for sockets (socket(7), tcp(7)): what its administrator has set for the
 * kernel's sockets is meant for programs, and so for the sockets that a program has here.
 */
#include "io/host_limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define BYTES_LEAST 2048u
#define BYTES_MOST  (1u << 30)

/* Up to three numbers of a file; how many there were. */
static int read_numbers(const char *dir, const char *name, uint64_t n[3])
{
    char path[256], text[128];
    int fd, found;
    ssize_t len;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    found = sscanf(text, "%lu %lu %lu", &n[0], &n[1], &n[2]);
    return found > 0 ? found : 0;
}

static bool is_size(uint64_t n)
{
    return n >= BYTES_LEAST && n <= BYTES_MOST;
}

static void size(const char *dir, const char *name, uint32_t *out)
{
    uint64_t n[3];

    if (read_numbers(dir, name, n) > 0 && is_size(n[0]))
        *out = (uint32_t)n[0];
}

/* tcp_rmem, tcp_wmem: least, default, most. */
static void sizes(const char *dir, const char *name, uint32_t *usual, uint32_t *most)
{
    uint64_t n[3];

    if (read_numbers(dir, name, n) != 3 || !is_size(n[1]) || !is_size(n[2]) || n[1] > n[2])
        return;
    *usual = (uint32_t)n[1];
    *most = (uint32_t)n[2];
}

void host_limits_read(const char *dir, struct stack *st)
{
    uint64_t n[3];

    size(dir, "core/rmem_max", &st->limits.rmem_max);
    size(dir, "core/wmem_max", &st->limits.wmem_max);
    size(dir, "core/rmem_default", &st->limits.rmem_default);
    size(dir, "core/wmem_default", &st->limits.wmem_default);
    if (read_numbers(dir, "core/somaxconn", n) > 0 && n[0] > 0 && n[0] <= UINT16_MAX)
        st->limits.somaxconn = (uint32_t)n[0];
    if (read_numbers(dir, "ipv4/tcp_abort_on_overflow", n) > 0)
        st->tcp.limits.abort_on_overflow = n[0] != 0;
    sizes(dir, "ipv4/tcp_rmem", &st->tcp.limits.rcvbuf_default, &st->tcp.limits.rcvbuf_max);
    sizes(dir, "ipv4/tcp_wmem", &st->tcp.limits.sndbuf_default, &st->tcp.limits.sndbuf_max);
}
