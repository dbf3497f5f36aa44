/* Which addresses are this host's own, remembered: each connect(2) and sendto(2) asks. */
#ifndef SHIM_IO_LOCALS_H
#define SHIM_IO_LOCALS_H

#include "base/addr.h"

/* Is the IPv4 address addr one of the kernel's? monitor: hostnet_monitor_open()'s descriptor. Any
 * thread may ask at any time, and a signal handler too. */
bool locals_has(const struct ip_addr *addr, int monitor);
/* To be called before what the monitor has to say is read. */
void locals_forget(void);

#endif
