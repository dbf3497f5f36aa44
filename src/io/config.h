/* Configuration from the SHIM_* environment variables (libshim(7)). */
#ifndef SHIM_IO_CONFIG_H
#define SHIM_IO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"

struct config {
    char interface[16]; /* SHIM_INTERFACE; "": the one of the default route, else the first that is
                           up and has an IPv4 address and is not loopback */
    bool own_address;   /* SHIM_ADDRESS=192.0.2.7/24 was given; else host mode */
    struct ip_addr address;
    uint8_t prefix_len;
    bool has_gateway;
    struct ip_addr gateway;   /* SHIM_GATEWAY (own-address mode) */
    uint32_t mtu;             /* SHIM_MTU; 0: the interface's */
    bool fallback_kernel;     /* SHIM_FALLBACK=kernel */
    enum log_level log_level; /* SHIM_LOG=off|error|warn|info|debug; default error */
    char trace[256];          /* SHIM_TRACE=FILE or "stderr"; "": off */
    uint32_t busy_poll_us;    /* SHIM_BUSY_POLL */
    uint64_t memory_bytes; /* SHIM_MEMORY, limit of the arena's use, suffixes K M G; default 4G */
    uint8_t ecn;           /* SHIM_ECN=0|1|2: enum tcp_ecn_mode; default 2 */
    bool offload; /* SHIM_OFFLOAD=on|off: segmentation and checksum offload on the link; default on
                   */
    int congestion; /* SHIM_CONGESTION: a number of tcp_cc_by_name(); negative: TCP's default */
};

/* Reads the environment. 0, or -EINVAL with one line in why (names the variable, what it holds, and
 * what would be right). Contradictions (a gateway without an address, one outside the prefix ...)
 * and unknown SHIM_* names are errors too. */
int config_load(struct config *c, char *why, size_t why_bytes);

#endif
