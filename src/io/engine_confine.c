/*
 * Confined processes: those that have locked themselves into a sandbox (seccomp).
 *
 * The filter was written for the program's own calls. It may forbid the stack's, and its answer to
 * a forbidden one is often death. What hardly any filter can forbid is what a program needs that
 * reads and writes its sockets: read(), write(), ppoll(), futex(). So from then on the process
 * makes no other call for the stack:
 *
 *      what                        otherwise                 confined
 *      ----                        ---------                 --------
 *      a frame goes out            sendmsg() from its parts  write() of a copy
 *      a frame comes in            the ring                  the ring
 *      a thread sleeps             epoll_pwait2() on a seat  ppoll() on a seat made before
 *      the deadline timer          timerfd_settime()         a byte in the lifeline: the
 *      other processes' bells      sendto()                  housekeeper sees to both
 *      nobody waits: frames        the service thread        another process, or the housekeeper
 *
 * A filter is for one thread. A service thread beside it would be free of it, and what has taken
 * over the program in spite of the sandbox could have it do what it likes. So it is ended.
 *
 * Several descriptors more than the program's own in ppoll() would be too many where the sandbox
 * has set RLIMIT_NOFILE to what the program needs; the seat's epoll instance is one, and takes the
 * place of a socket of the stack.
 */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/engine_int.h"

void engine_settle(void)
{
    if (!engine.running || engine.confined || !__atomic_load_n(&engine.stale, __ATOMIC_ACQUIRE))
        return;
    engine_enter();
    engine_leave();
    engine_seats_make();
}

void engine_confine(void)
{
    if (!engine.running || engine.confined)
        return;
    (void)keeper_start();
    engine_enter();
    engine_leave();
    engine_seats_make();
    (void)keeper_tell(KEEPER_CONFINED, engine.proc->id, -1);
    (void)engine_service_pause();
    engine.link->plain = true;
    engine.confined = true;
}

void engine_unconfine(void)
{
    if (!engine.running || !engine.confined)
        return;
    engine.confined = engine.link->plain = false;
    engine.armed_us = TIMER_NEVER;
    engine_enter();
    engine_leave();
    (void)engine_service_start();
    keeper_hello();
}

void engine_confined_nudge(void)
{
    ssize_t done = engine.lifeline < 0 ? 0 : write(engine.lifeline, "", 1);
    (void)done; /* full: it will be read anyway */
}

void engine_confined_arm(uint64_t deadline_us)
{
    struct keeper_shared *k = &engine.sh->keeper;
    if (deadline_us >= k->armed_us)
        return;
    k->armed_us = deadline_us;
    engine_confined_nudge();
}

long engine_confined_sleep(const struct seat *seat, struct timespec *timeout, const sigset_t *mask)
{
    struct pollfd p = {.fd = seat->epfd, .events = POLLIN};
    return syscall(SYS_ppoll, &p, 1, timeout, mask, _NSIG / 8);
}

void engine_confined_serve(const struct seat *seat)
{
    uint64_t count;
    char c;
    ssize_t done = read(seat->kick, &count, sizeof(count));
    (void)done;
    while (read(engine.fds[LOOP_DOORBELL], &c, 1) >= 0)
        ;
    engine_run(); /* what was rung for is on the list that engine_leave() looks at */
}
