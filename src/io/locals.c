/*
 * The memory of local addresses.
 *
 * An answer of the kernel's holds until addresses or routes change, which the monitor's socket
 * tells. So before an answer is taken from memory that socket is looked at, which is one system
 * call instead of the five of a question. Whoever reads the socket raises the generation first:
 * answers of the one before are not believed any more.
 *
 * A slot is one word, so that nobody has to lock: generation, answer, address.
 */
#include "io/locals.h"

#include <errno.h>
#include <poll.h>

#include "base/bytes.h"
#include "io/hostnet.h"

#define SLOTS      64u
#define LOCAL      (UINT64_C(1) << 32)
#define GENERATION 33 /* the generation begins at this bit */

static uint64_t slots[SLOTS];
static uint32_t generation = 1; /* of the empty slots: 0 */

void locals_forget(void)
{
    if (__atomic_add_fetch(&generation, 1, __ATOMIC_SEQ_CST) >> (64 - GENERATION))
        __atomic_store_n(&generation, 1, __ATOMIC_SEQ_CST);
}

/* poll() and not recv(): that would take away the error that tells of lost messages. */
static bool is_quiet(int monitor)
{
    struct pollfd p = {.fd = monitor, .events = POLLIN};
    int saved = errno;
    bool quiet = poll(&p, 1, 0) == 0;

    errno = saved;
    return quiet;
}

bool locals_has(const struct ip_addr *addr, int monitor)
{
    uint32_t v4 = get_be32(addr->b + 12);
    uint64_t *slot = &slots[(v4 ^ v4 >> 8 ^ v4 >> 16) % SLOTS];
    uint64_t now = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
    uint64_t seen = __atomic_load_n(slot, __ATOMIC_SEQ_CST);

    if (seen >> GENERATION == now && (uint32_t)seen == v4 && is_quiet(monitor))
        return seen & LOCAL;
    bool local = hostnet_is_local(addr);
    __atomic_store_n(slot, now << GENERATION | (local ? LOCAL : 0) | v4, __ATOMIC_SEQ_CST);
    return local;
}
