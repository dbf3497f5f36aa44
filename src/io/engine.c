/*
 * Theory of operation
 *
 *   the program's threads      engine                              kernel
 *   ---------------------      ------                              ------
 *   send(), recv() ...  --->   engine_enter(): lock, clock
 *                              sock_...(): the stack works  --->   sendmsg() on the packet socket
 *                              engine_leave(): timer, unlock,
 *                              wake
 *   blocked in recv()   --->   engine_wait(): sleeps        --->   epoll on the ring
 *                              drains the ring in an entry  <---   a frame is in the ring
 *   computing                  the service thread sleeps    --->   epoll on the ring
 *                              and drains it when nobody    <---   a frame is in the ring
 *                              else does
 *
 * Everything that the stack does happens between engine_enter() and engine_leave(), one thread of
 * one process at a time. What must happen after the lock was given back (waking threads, ringing
 * other processes) is collected before, from the list of fired waiters, and done then.
 *
 * A call of the program takes what is in the ring before it does its own work, as the kernel's soft
 * interrupts would have done by then: so a thread that does not wait finds what has come, too, and
 * the service thread need not run beside it (engine_wait.c).
 *
 * The deadline timer is a timerfd. Arming it costs a system call, so it is only moved when the
 * stack's next deadline is earlier than what it is set to; when it goes off too early it is simply
 * set again. Of a family, one process is woken for a deadline: who finds that another has armed for
 * it sets his own timer LATER_US later, in case that one is no more, or stopped.
 */
#include "io/engine.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/engine_int.h"
#include "io/locals.h"

#define LINK_BUDGET       256  /* frames in one entry, so that others get the lock */
#define CALL_BUDGET       32   /* frames that a call takes off the ring on its way */
#define TRIM_EVERY        4096 /* entries between giving back idle memory */
#define TRIM_RUNS         64
#define WAKE_BATCH        64
#define LATER_US          50000u
#define REALTIME_EVERY_US 10000 /* how long a look at the wall clock is good */

struct engine engine = {
    .fds = {-1, -1, -1, -1, -1}, .service_epfd = -1, .arena_fd = -1, .lifeline = -1, .door = -1};

void engine_set_hooks(const struct engine_hooks *hooks)
{
    engine.hooks = hooks;
}
void engine_set_epoll_notify(bool (*fn)(void *item, uint32_t fired))
{
    engine.epoll_notify = fn;
}

void engine_set_signal_notify(void (*fn)(void *item, uint64_t cookie, uint32_t fired))
{
    engine.signal_notify = fn;
}
bool engine_running(void)
{
    return engine.running;
}
const struct config *engine_config(void)
{
    return &engine.sh->config;
}
bool engine_host_mode(void)
{
    return !engine.sh->config.own_address;
}
size_t engine_map_bytes(void)
{
    return engine.map.size;
}
struct proc *engine_proc(void)
{
    return engine.proc;
}

bool engine_is_kernel_destination(const struct ip_addr *dst)
{
    if (!addr_is_v4(dst) || addr_is_loopback(dst) || addr_is_any(dst))
        return true; /* IPv6 is not on our wire yet */
    return engine_host_mode() && locals_has(dst, engine.fds[LOOP_HOSTNET]);
}

/* ---- the entry ---- */

static void lock_any(void)
{
    if (robust_lock(&engine.sh->lock)) {
        engine.sh->closed_lost = true; /* one may have been read, and not carried out */
        stack_repair(engine.st);
        robust_mended(&engine.sh->lock);
    }
}

void engine_unlock(void)
{
    robust_unlock(&engine.sh->lock);
}

void engine_lock(void)
{
    for (;;) {
        lock_any();
        uint32_t frozen = __atomic_load_n(&engine.frozen, __ATOMIC_RELAXED);
        if (!frozen || pthread_equal(engine.frozen_by, pthread_self()))
            return;
        engine_unlock();
        syscall(SYS_futex, &engine.frozen, FUTEX_WAIT_PRIVATE, frozen, NULL, NULL, 0);
    }
}

void engine_freeze(void)
{
    if (!engine.running || engine.stale)
        return;
    engine_lock();
    engine.frozen_by = pthread_self();
    __atomic_store_n(&engine.frozen, 1, __ATOMIC_RELAXED);
    engine_unlock();
}

void engine_thaw(void)
{
    if (!__atomic_load_n(&engine.frozen, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&engine.frozen, 0, __ATOMIC_RELEASE);
    syscall(SYS_futex, &engine.frozen, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void renew(void);

struct stack *engine_service_enter(void)
{
    if (__atomic_load_n(&engine.stale, __ATOMIC_ACQUIRE))
        renew();
    engine_lock();
    if (engine.loop)
        __atomic_store_n(&engine.sh->entries, engine.sh->entries + 1, __ATOMIC_RELAXED);
    uint64_t now_us = clock_now_us();
    if (now_us >= engine.st->realtime_due_us) {
        engine.st->realtime_offset_us = clock_realtime_us() - (int64_t)now_us;
        engine.st->realtime_due_us = now_us + REALTIME_EVERY_US;
    }
    stack_enter(engine.st, now_us, &engine.env);
    return engine.st;
}

struct stack *engine_enter(void)
{
    struct stack *st = engine_service_enter();
    if (engine.running) {
        uint32_t *calls = &engine.sh->calls;
        __atomic_store_n(calls, *calls + 1, __ATOMIC_RELAXED);
        if (link_packet_ready(engine.link))
            (void)engine.link->ops->receive(engine.link, st, CALL_BUDGET);
    }
    return st;
}

/* When this process is to be woken for the deadline. */
static uint64_t share_deadline(uint64_t deadline_us)
{
    struct engine_shared *sh = engine.sh;
    bool others = sh->armed_by != engine.proc->id && sh->armed_us <= deadline_us &&
                  sh->armed_us + LATER_US > engine.st->net.now_us;

    if (others)
        return deadline_us + LATER_US;
    sh->armed_by = engine.proc->id;
    sh->armed_us = deadline_us;
    return deadline_us;
}

static void arm(uint64_t deadline_us)
{
    struct itimerspec it = {0};
    if (engine.confined) {
        engine_confined_arm(deadline_us);
        return;
    }
    if (deadline_us >= engine.armed_us || engine.fds[LOOP_TIMER] < 0)
        return;
    deadline_us = share_deadline(deadline_us);
    if (deadline_us >= engine.armed_us)
        return;
    it.it_value.tv_sec = (time_t)(deadline_us / 1000000);
    it.it_value.tv_nsec = (long)(deadline_us % 1000000 * 1000);
    if (deadline_us == 0) /* zero would disarm it */
        it.it_value.tv_nsec = 1;
    if (timerfd_settime(engine.fds[LOOP_TIMER], TFD_TIMER_ABSTIME, &it, NULL) == 0)
        engine.armed_us = deadline_us;
}

/* The waiters of this process that fired, taken off their list. */
struct wakes {
    size_t n;
    struct wake {
        uint32_t *word; /* a thread's */
        void *item;     /* or an epoll item; or of WAITER_SIGNAL, with the socket's cookie */
        uint64_t cookie;
        bool signal;
        uint32_t fired;
    } w[WAKE_BATCH];
};

static bool collect(struct wakes *wakes)
{
    struct list *node;
    wakes->n = 0;
    while (wakes->n < WAKE_BATCH && (node = list_pop(&engine.proc->fired))) {
        struct waiter *w = container_of(node, struct waiter, on_fired);
        struct wake *k = &wakes->w[wakes->n++];
        k->word = w->kind == WAITER_THREAD ? w->futex_at : NULL;
        if (k->word) /* now: without the lock, the thread and its word may be gone */
            __atomic_store_n(k->word, 1, __ATOMIC_SEQ_CST);
        k->item = w->item;
        k->fired = w->fired;
        k->signal = w->kind == WAITER_SIGNAL;
        k->cookie = w->sock ? w->sock->cookie : 0;
        w->fired = 0;
        if (k->signal && !w->sock)
            sock_waiter_free(engine.st, w);
    }
    bool more = !list_empty(&engine.proc->fired);
    if (!more)
        __atomic_store_n(&engine.proc->doorbell, false, __ATOMIC_SEQ_CST);
    return more;
}

/* True when somebody was woken whom a frame would not have woken. */
static bool wake(const struct wakes *wakes)
{
    bool needed = false;
    for (size_t i = 0; i < wakes->n; i++) {
        const struct wake *k = &wakes->w[i];
        if (k->word)
            needed |= engine_wake_word(k->word);
        else if (k->signal && engine.signal_notify)
            engine.signal_notify(k->item, k->cookie, k->fired);
        else if (engine.epoll_notify && k->item)
            needed |= engine.epoll_notify(k->item, k->fired);
    }
    return needed;
}

/* *rang: the bells of other processes were rung. */
static bool leave(bool *rang)
{
    struct wakes wakes;
    struct bells bells;

    stack_leave(engine.st);
    arm(stack_next_deadline(engine.st));
    if (engine.confined && engine.st->any_doorbell)
        engine_confined_nudge();
    *rang = engine.st->any_doorbell && !engine.confined && engine_bells_collect(&bells);
    if (engine.loop) /* the housekeeper has none, and sees for itself */
        guard_tell_ends(engine.st);
    if (!engine.confined && ++engine.tick >= TRIM_EVERY) {
        engine.tick = 0;
        arena_map_trim(engine.st->net.arena, TRIM_RUNS);
    }
    bool more = collect(&wakes);
    engine_unlock();
    bool needed = wake(&wakes);
    if (*rang)
        engine_bells_ring(&bells);
    while (more) {
        engine_lock();
        more = collect(&wakes);
        engine_unlock();
        needed |= wake(&wakes);
    }
    return needed;
}

void engine_leave(void)
{
    bool rang;
    (void)leave(&rang);
}

bool engine_service_leave(void)
{
    bool rang, needed = leave(&rang);
    if (rang)
        engine_service_last();
    return needed;
}

/* ---- the loop's callbacks, within an entry ---- */

void engine_on_link(void)
{
    /* When more is waiting than the budget, others get the lock first: the ring stays readable. */
    (void)engine.link->ops->receive(engine.link, engine.st, LINK_BUDGET);
}

void engine_on_timer(void)
{
    uint64_t count;
    if (read(engine.fds[LOOP_TIMER], &count, sizeof(count)) > 0) {
        engine.armed_us = TIMER_NEVER;
        if (engine.sh->armed_by == engine.proc->id)
            engine.sh->armed_us = TIMER_NEVER;
    }
    stack_poll(engine.st);
}

void engine_on_hostnet(void)
{
    struct hostnet_if hif;
    locals_forget();
    if (!hostnet_monitor_drain(engine.fds[LOOP_HOSTNET]))
        return;
    struct netif *nif = engine.link->nif;
    bool up = hostnet_link(engine.sh->ifindex, &hif) == 0 && hif.up;
    if (up) {
        uint32_t mtu = engine.sh->config.mtu;
        nif->mac = hif.mac;
        mtu = mtu && mtu < hif.mtu ? mtu : hif.mtu;
        if (mtu != nif->mtu)
            (void)netif_set_mtu(&engine.st->net, nif, mtu);
    }
    if (up != nif->up)
        netif_set_up(&engine.st->net, nif, up);
    if (up && engine_host_mode())
        hostnet_sync(engine.st, nif);
}

void engine_run(void)
{
    bool link = link_packet_ready(engine.link); /* before the entry takes frames in */
    struct stack *st = engine_enter();
    bool timer = engine.armed_us <= st->net.now_us;
    if (!engine.loop || engine.confined) { /* see limp() */
        engine_on_link();
        stack_poll(st);
    } else {
        if (link_packet_ready(engine.link))
            loop_dispatch(engine.loop, LOOP_LINK);
        if (timer)
            loop_dispatch(engine.loop, LOOP_TIMER);
        /* Else the bell; or what came while nobody slept, and brought no bell; or something rarer.
         */
        if (!link && !timer && !engine_bell_heard() && !engine.proc->doorbell)
            loop_run(engine.loop);
    }
    engine_leave();
}

/* ---- fork ---- */

static pthread_mutex_t renewing = PTHREAD_MUTEX_INITIALIZER;

void engine_fork_prepare(void)
{
    pthread_mutex_lock(&renewing);
    if (engine.running && !engine.stale)
        engine_lock();
}

void engine_fork_parent(void)
{
    if (engine.running && !engine.stale)
        engine_unlock();
    pthread_mutex_unlock(&renewing);
}

void engine_fork_child(void)
{
    /* The lock belongs to the parent. Everything else is made anew when the child first needs it;
     * most children exec. */
    engine.frozen = 0; /* only the forking thread is left */
    if (engine.running) {
        engine.stale = true;
        engine_fd_close(engine.lifeline); /* the parent's */
        engine.lifeline = -1;
    }
    pthread_mutex_unlock(&renewing);
}

/*
 * The child cannot have descriptors or a thread of its own (a sandbox took the right to them away).
 * It goes on without: its threads look at the ring and the timers whenever they wait, every
 * LIMP_US.
 */
static void limp(int err, int parents_bell)
{
    log_error("the stack goes on slowly in a child of fork(): %s", strerrordesc_np(-err));
    engine_process_close();
    engine.fds[LOOP_DOORBELL] = parents_bell; /* to ring others with */
    engine.armed_us = TIMER_NEVER;
    engine.limping = true;
}

/* In a child of fork(), when it first uses the stack. */
static void renew(void)
{
    pthread_mutex_lock(&renewing);
    if (engine.stale) {
        int parents_bell = engine.fds[LOOP_DOORBELL];
        engine.fds[LOOP_DOORBELL] = -1;
        engine_wait_forget();
        engine_process_close();
        engine.service_started = engine.limping = false;
        int err = engine_process_open();
        if (err)
            limp(err, parents_bell);
        else
            engine_fd_close(parents_bell);
        __atomic_store_n(&engine.stale, false, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&renewing);
}
