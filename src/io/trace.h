/* SHIM_TRACE: a readable line for each frame and each change of a connection's state. */
#ifndef SHIM_IO_TRACE_H
#define SHIM_IO_TRACE_H

#include "net/net.h"

/* path: a file, to be made or appended to, or "stderr". The descriptor, or -errno. */
int trace_open(const char *path);
void trace_close(void); /* harmless when it is not open */
/* net_env.trace: ctx is not used. One write() to the descriptor of trace_open() a line. */
void trace_event(void *ctx, const struct trace_event *ev);
/* The same as text without writing it, at most n bytes with the terminating zero; returns the
 * length. For tests. */
size_t trace_format(const struct trace_event *ev, char *out, size_t n);
/* What the lines count from: the time of the first event, and the initial sequence numbers. shared:
 * zero-filled memory of trace_memory_bytes() that all processes with the same trace use, guarded by
 * their lock; NULL: this process's own, as at first. */
size_t trace_memory_bytes(void);
void trace_share(void *shared);

#endif
