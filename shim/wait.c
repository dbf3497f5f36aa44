/*
 * Blocking on one socket.
 *
 * The waiter lies in the arena and is kept by its thread from call to call: a call that is left by
 * siglongjmp leaves it in a socket's list, where the thread's next wait, or its end, finds it. It
 * is put in the list within the entry that found the socket not ready, so no wake-up is lost.
 */
#include "io/clock.h"
#include "process.h"
#include "shim.h"

/* The thread's waiter, in no list. NULL: no memory. Within an entry. */
static struct waiter *waiter_get(struct stack *st)
{
    struct shim_thread *self = &shim_self;
    struct waiter *w = self->waiter;
    if (w) {
        sock_wait_del(w);
        return w;
    }
    w = sock_waiter_new(st);
    if (!w)
        return NULL;
    w->proc = engine_proc();
    w->kind = WAITER_THREAD;
    w->futex_at = &self->word;
    self->waiter = w;
    process_watch_thread();
    return w;
}

static int wait_cancellable(uint64_t deadline_us)
{
    int r;
    pthread_cleanup_push(thread_cancelled, NULL);
    r = engine_wait(&shim_self.word, deadline_us);
    pthread_cleanup_pop(0);
    return r;
}

int shim_block(struct sock *so, uint32_t mask, uint64_t deadline_us, bool restartable)
{
    struct shim_thread *self = &shim_self;
    uint64_t cookie = so->cookie;
    struct stack *st = so->stack;
    struct waiter *w = waiter_get(st);

    if (!w)
        return -ENOMEM;
    w->mask = mask;
    w->fired = 0;
    __atomic_store_n(&self->word, 0, __ATOMIC_RELAXED);
    sock_wait_add(so, w);
    engine_leave();
    int r = wait_cancellable(deadline_us);
    engine_enter();
    /* A handler that ran meanwhile may have waited for another socket with the same waiter; or
     * forked, and this is the child: the waiter is the parent's. */
    bool mine = self->waiter == w;
    bool alive = (mine && w->sock == so) || sock_by_cookie(st, cookie) == so;
    if (mine)
        sock_wait_del(w);
    if (!alive)
        return -EBADF;
    if (r == -ETIMEDOUT)
        return -EAGAIN;
    if (r == -EINTR && restartable && self->interrupted && self->restart)
        return 0;
    return r;
}

int shim_wait(int fd, uint32_t mask, uint64_t deadline_us, bool restartable)
{
    struct sock *so = shim_enter(fd);
    if (!so)
        return -EBADF;
    int r = 0;
    while (r == 0 && !(sock_poll(so) & (mask | POLLERR | POLLHUP)))
        r = shim_block(so, mask, deadline_us, restartable);
    engine_leave();
    return r;
}

uint64_t shim_deadline(int64_t timeout_us)
{
    if (timeout_us == 0)
        return TIMER_NEVER;
    return clock_now_us() + (timeout_us > 0 ? (uint64_t)timeout_us : 0);
}
