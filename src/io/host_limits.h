/* The host's limits for sockets, which hold for ours too. */
#ifndef SHIM_IO_HOST_LIMITS_H
#define SHIM_IO_HOST_LIMITS_H

#include "stack.h"

#define HOST_LIMITS_DIR "/proc/sys/net"

/*
 * Overwrites the limits of st by what stands below dir: core/{r,w}mem_{max,default},
 * core/somaxconn, ipv4/tcp_{r,w}mem, ipv4/tcp_abort_on_overflow. What is not there, not readable or
 * absurd is passed over.
 */
void host_limits_read(const char *dir, struct stack *st);

#endif
