/* What the files of the guards share. */
#ifndef SHIM_IO_GUARD_INT_H
#define SHIM_IO_GUARD_INT_H

#include "io/guard.h"

struct guard_shared *guard_shared(struct stack *st); /* NULL: there is none */
/* The place of a claim; NULL: it was never claimed (make: out of memory). */
struct guard_claim *guard_claim_at(struct stack *st, uint16_t port, bool make);
/* A guard of the first free one among the n TCP ports of addr (IPv4, host order) from ports[*at],
 * for which no program asked options; *at: behind those that were tried. The descriptor; -ENOSPC:
 * none is free; or another -errno. */
int guard_open_plain(uint32_t addr, const uint16_t *ports, unsigned n, unsigned *at);

#endif
