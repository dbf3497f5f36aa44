/*
 * Giving up a stack that nobody uses.
 *
 * Programs make sockets to see what the system can do, and close them again. That starts a stack,
 * and then the program is handed sockets of another one: haproxy does so when it takes over from
 * its predecessor. There can be one stack only in a process; but nothing is lost with one in which
 * nothing is left and nothing ever happened: no sockets, no connections, no other process.
 *
 * Other threads could be on their way into it, and would not notice. So it is done only while there
 * are none.
 */
#include <sys/stat.h>
#include <time.h>

#include "io/engine_int.h"

#define LOOKS 100 /* 100 us apart */

/* The kernel counts a thread for a moment after it was joined. */
static bool has_one_thread(void)
{
    struct stat s = {.st_nlink = 0};

    for (int i = 0; i < LOOKS; i++) {
        /* A directory has a link from each directory in it, beside its own two. */
        if (stat("/proc/self/task", &s) < 0 || s.st_nlink == 3)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return s.st_nlink == 3;
}

static bool is_unused(const struct stack *st)
{
    return st->socks.live == 0 && st->waiters.live == 0 && st->procs.live == 1 &&
           !tcp_busy(&st->tcp) && engine.sh->keeper.number == 0;
}

bool engine_give_up(void)
{
    if (!engine.running || engine.stale || engine.confined || engine.attached)
        return false;
    bool paused = engine_service_pause(), alone = has_one_thread();
    engine_lock();
    bool unused = alone && is_unused(engine.st);
    if (unused)
        stack_proc_remove(engine.st, engine.proc);
    engine_unlock();
    if (!unused) {
        if (paused)
            engine_service_resume();
        return false;
    }
    engine.running = false;
    engine_wait_forget();
    engine_start_undo();
    return true;
}
