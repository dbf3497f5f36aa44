/*
 * Doorbells. A waiter that fires may belong to another process of the family: it is put on that
 * process's list in the arena, and the process is told by an empty datagram to a socket of the
 * abstract AF_UNIX namespace whose name any member can make up: the family's id and the process's.
 *
 * A process in which no thread sleeps is not rung: it looks at its list (proc.doorbell stays set)
 * at its next entry, and before it sleeps. A thread counts itself among the sleepers before that
 * look, and who rings looks for sleepers after the flag is set: one of them sees the other. A
 * thread that leaves its sleep by siglongjmp, or dies, stays counted: a needless ring is all that
 * comes of it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "io/unixsock.h"

socklen_t engine_bell_name(uint32_t id, struct sockaddr_un *un)
{
    return unixsock_name(un, "libshim-%016llx-%u", (unsigned long long)engine.sh->id, id);
}

int engine_bell_open(void)
{
    struct sockaddr_un un;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    socklen_t len = engine_bell_name(engine.proc->id, &un);
    if (bind(fd, (struct sockaddr *)&un, len) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return engine_fd_take(fd);
}

bool engine_bell_heard(void)
{
    char c;
    /* One ring: if there are more, which is rare, the descriptor stays readable. */
    if (recv(engine.fds[LOOP_DOORBELL], &c, 1, 0) < 0)
        return false;
    /* What fired is on the list that engine_leave() looks at. */
    keeper_hello_again();
    return true;
}

void engine_on_bell(void)
{
    (void)engine_bell_heard();
}

bool engine_is_rung(void)
{
    return __atomic_load_n(&engine.proc->doorbell, __ATOMIC_SEQ_CST);
}

void engine_always_ring(void)
{
    __atomic_store_n(&engine.proc->always_ring, true, __ATOMIC_SEQ_CST);
}

bool engine_sleeps(uint32_t *id)
{
    *id = engine.proc->id;
    __atomic_fetch_add(&engine.proc->sleepers, 1, __ATOMIC_SEQ_CST);
    return engine_is_rung();
}

void engine_sleeps_no_more(uint32_t id)
{
    /* In a child of fork(), made by a handler: it was its parent that slept. */
    if (!__atomic_load_n(&engine.stale, __ATOMIC_ACQUIRE) && engine.proc->id == id)
        __atomic_fetch_sub(&engine.proc->sleepers, 1, __ATOMIC_SEQ_CST);
}

/* Will p not look by itself? */
static bool must_be_rung(const struct proc *p)
{
    return p->ring_once || __atomic_load_n(&p->always_ring, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&p->sleepers, __ATOMIC_SEQ_CST) > 0;
}

bool engine_bells_collect(struct bells *bells)
{
    struct stack *st = engine.st;
    bells->n = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* between proc.doorbell and proc.sleepers */
    for (struct proc *p = slab_next(&st->procs, NULL); p; p = slab_next(&st->procs, p)) {
        if (!p->doorbell || p == engine.proc || !must_be_rung(p))
            continue;
        if (bells->n == BELLS_MAX)
            return true;
        p->doorbell = p->ring_once = false;
        bells->id[bells->n++] = p->id;
    }
    st->any_doorbell = false;
    return bells->n > 0;
}

void engine_bells_ring(const struct bells *bells)
{
    struct sockaddr_un un;
    for (uint32_t i = 0; i < bells->n; i++) {
        socklen_t len = engine_bell_name(bells->id[i], &un);
        (void)sendto(engine.fds[LOOP_DOORBELL], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (struct sockaddr *)&un, len);
    }
}
