/*
 * Kept guards. A connection outlives its descriptor (FIN_WAIT, TIME_WAIT ...), and the connections
 * of a listener outlive that: the placeholder that guards their port is closed, and the kernel
 * would answer for them. So its guard is moved to a hidden descriptor, until TCP uses the port no
 * more. Nobody tells when that happens: a few guards are looked at whenever a timer of the stack
 * runs, which the end of TIME_WAIT always is.
 *
 * The list is the process's own, and guarded by the stack's lock.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "io/guard.h"

#define SWEEP_AT_ONCE 64u

struct kept {
    int fd;
    uint16_t port;
};

static struct kept *kept;
static size_t nkept, kept_room, sweep_at;

/* Room for one more; mapped, because close() may be called by a signal handler. */
static bool reserve(void)
{
    if (nkept < kept_room)
        return true;
    size_t bytes = kept_room * sizeof(*kept), more = bytes ? 2 * bytes : ARENA_PAGE_BYTES;
    void *p = bytes ? mremap(kept, bytes, more, MREMAP_MAYMOVE)
                    : mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    kept = p;
    kept_room = more / sizeof(*kept);
    return true;
}

static void let_go(size_t i)
{
    engine_fd_close(kept[i].fd);
    kept[i] = kept[--nkept];
}

int guard_keep(struct stack *st, int fd, uint16_t port)
{
    if (!tcp_port_used(&st->tcp, port))
        return 0;
    if (!reserve())
        return -ENOMEM;
    int copy = dup(fd);
    int hidden = copy < 0 ? -errno : engine_fd_hide(copy);
    if (hidden < 0) {
        if (copy >= 0)
            close(copy);
        return hidden;
    }
    kept[nkept++] = (struct kept){.fd = hidden, .port = port};
    return 0;
}

bool guard_yield(uint16_t port)
{
    size_t before = nkept;
    for (size_t i = nkept; i-- > 0;)
        if (kept[i].port == port)
            let_go(i);
    return nkept < before;
}

void guard_sweep(const struct stack *st)
{
    size_t looks = nkept < SWEEP_AT_ONCE ? nkept : SWEEP_AT_ONCE;
    while (looks-- > 0 && nkept > 0) {
        if (sweep_at >= nkept)
            sweep_at = 0;
        if (tcp_port_used(&st->tcp, kept[sweep_at].port))
            sweep_at++;
        else
            let_go(sweep_at);
    }
}

void guard_forget(void)
{
    while (nkept > 0)
        let_go(nkept - 1);
}
