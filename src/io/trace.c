/*
 * The trace: where its lines go. What they look like is trace_format.c's matter.
 *
 * A line is one write(), so that the processes of a family can share a file. The trace must not
 * hold up the stack: the descriptor is opened non-blocking, and a line that does not fit into a
 * full pipe is lost.
 */
#include "io/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/engine.h"

#define LINE_BYTES 512u

static int trace_fd = -1;

/* Standard error, opened anew: O_NONBLOCK is then the trace's alone. A socket, or another user's
 * terminal, cannot be opened again: a duplicate must do. */
static int open_stderr(void)
{
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", STDERR_FILENO);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd >= 0 ? fd : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
}

int trace_open(const char *path)
{
    int fd =
        strcmp(path, "stderr") == 0
            ? open_stderr()
            : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);

    trace_fd = engine_fd_take(fd);
    return trace_fd;
}

void trace_close(void)
{
    engine_fd_close(trace_fd);
    trace_fd = -1;
}

void trace_event(void *ctx, const struct trace_event *ev)
{
    char line[LINE_BYTES];
    struct pollfd room = {.fd = trace_fd, .events = POLLOUT};
    size_t n;

    if (trace_fd < 0)
        return;
    n = trace_format(ev, line, sizeof(line) - 1);
    line[n++] = '\n';
    /* The duplicate may block. */
    if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) && write(trace_fd, line, n) < 0)
        return;
}
