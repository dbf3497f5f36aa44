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
 * set again.
 */
#include "io/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/door.h"
#include "io/engine_int.h"
#include "io/host_key.h"
#include "io/host_limits.h"
#include "io/locals.h"
#include "io/trace.h"

#define LINK_BUDGET       256  /* frames in one entry, so that others get the lock */
#define CALL_BUDGET       32   /* frames that a call takes off the ring on its way */
#define TRIM_EVERY        4096 /* entries between giving back idle memory */
#define TRIM_RUNS         64
#define WAKE_BATCH        64
#define REALTIME_EVERY_US 10000 /* how long a look at the wall clock is good */
#define DOOR_TRIES        2000  /* a millisecond apart */

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

static void unlock(void)
{
    robust_unlock(&engine.sh->lock);
}

/* The lock, for a thread that may go on: while the process is frozen, the freezing one alone. */
static void lock(void)
{
    for (;;) {
        lock_any();
        uint32_t frozen = __atomic_load_n(&engine.frozen, __ATOMIC_RELAXED);
        if (!frozen || pthread_equal(engine.frozen_by, pthread_self()))
            return;
        unlock();
        syscall(SYS_futex, &engine.frozen, FUTEX_WAIT_PRIVATE, frozen, NULL, NULL, 0);
    }
}

void engine_freeze(void)
{
    if (!engine.running || engine.stale)
        return;
    lock();
    engine.frozen_by = pthread_self();
    __atomic_store_n(&engine.frozen, 1, __ATOMIC_RELAXED);
    unlock();
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
    lock();
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

static void arm(uint64_t deadline_us)
{
    struct itimerspec it = {0};
    if (engine.confined) {
        engine_confined_arm(deadline_us);
        return;
    }
    if (deadline_us >= engine.armed_us || engine.fds[LOOP_TIMER] < 0)
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
        engine.proc->doorbell = false;
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
    if (!engine.confined && ++engine.tick >= TRIM_EVERY) {
        engine.tick = 0;
        arena_map_trim(engine.st->net.arena, TRIM_RUNS);
    }
    bool more = collect(&wakes);
    unlock();
    bool needed = wake(&wakes);
    if (*rang)
        engine_bells_ring(&bells);
    while (more) {
        lock();
        more = collect(&wakes);
        unlock();
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
    if (read(engine.fds[LOOP_TIMER], &count, sizeof(count)) > 0)
        engine.armed_us = TIMER_NEVER;
    stack_poll(engine.st);
}

static void on_hostnet(void)
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
        if (!link && !timer) /* something rarer: ask */
            loop_run(engine.loop);
    }
    engine_leave();
}

/* ---- start ---- */

static int net_output(void *ctx, struct netif *nif, const struct frame *f)
{
    (void)ctx;
    (void)nif;
    return engine.link->ops->output(engine.link, f);
}

static bool net_guards(void *ctx, const struct endpoint *local)
{
    (void)ctx;
    return guard_holds(engine.st, local);
}

static int make_stack(const struct config *c)
{
    struct engine_heirloom h;
    uint64_t seed;
    bool reserved = engine.of_reserve && engine_reserve_get(&h);
    int err = reserved ? arena_map_format(&engine.map, h.arena) : arena_map_create(&engine.map);
    if (err)
        return err;
    engine.arena_fd = reserved ? h.arena : engine_fd_take(engine.map.fd);
    if (engine.arena_fd < 0)
        return engine.arena_fd;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return -EIO;
    struct arena *a = arena_init(engine.map.base, engine.map.size, c->memory_bytes);
    engine.st = stack_create(a, seed);
    if (!engine.st)
        return -ENOMEM;
    host_limits_read(HOST_LIMITS_DIR, engine.st);
    host_key_get(HOST_KEY_PATH, &engine.st->tcp.isn_key);
    engine.st->tcp.ecn = c->ecn;
    if (c->congestion >= 0)
        engine.st->tcp.congestion = (uint8_t)c->congestion;
    engine.sh = arena_zalloc(a, sizeof(*engine.sh));
    if (!engine.sh)
        return -ENOMEM;
    engine.st->io = engine.sh;
    engine.sh->config = *c;
    struct keeper_shared *k = &engine.sh->keeper;
    if (getrandom(&engine.sh->id, sizeof(engine.sh->id), 0) != sizeof(engine.sh->id) ||
        getrandom(k->secret, sizeof(k->secret), 0) != sizeof(k->secret))
        return -EIO;
    return robust_init(&engine.sh->lock);
}

static int add_own_address(struct netif *nif, const struct config *c)
{
    struct net *net = &engine.st->net;
    int err = netif_add_addr(net, nif, &c->address, c->prefix_len, false, false);
    if (err || !c->has_gateway)
        return err;
    struct route r = {.dst = addr_any4(), .gateway = c->gateway, .src = c->address, .nif = nif};
    return route_add(net, &r);
}

/* The interface: its link, and its place in the stack. */
static int open_link(const struct config *c, char *why, size_t why_bytes)
{
    struct hostnet_if hif;
    struct netif desc = {.up = true};
    struct engine_heirloom h;
    int err = hostnet_find(c, &hif, why, why_bytes);
    if (err)
        return err;
    bool reserved = engine.of_reserve && engine_reserve_get(&h);
    const int sockets[] = {h.rx, h.tx};
    err = link_packet_open(&hif, c->offload, &engine.sh->packet, reserved ? sockets : NULL,
                           &desc.gso_max_bytes, &desc.csum_offload, &engine.link);
    if (err) {
        snprintf(why, why_bytes, "a packet socket on %s cannot be opened: %s%s", hif.name,
                 strerrordesc_np(-err),
                 err == -EPERM ? " (libshim needs root, or the capability CAP_NET_RAW)" : "");
        return err;
    }
    engine.sh->vnet = desc.csum_offload;
    engine.sh->ifindex = hif.index;
    desc.index = hif.index;
    desc.type = hif.type;
    desc.mac = hif.mac;
    desc.mtu = c->mtu && c->mtu < hif.mtu ? c->mtu : hif.mtu;
    memcpy(desc.name, hif.name, sizeof(desc.name));

    engine_enter();
    struct netif *nif = netif_add(&engine.st->net, &desc);
    engine.link->nif = nif;
    if (!nif)
        err = -ENOMEM;
    else
        err = c->own_address ? add_own_address(nif, c) : hostnet_sync(engine.st, nif);
    engine_leave();
    if (err)
        snprintf(why, why_bytes, "%s cannot be used: %s", hif.name, strerrordesc_np(-err));
    return err;
}

/* The descriptors of this process, its loop and its record. */
static int open_process(void)
{
    static void (*const callbacks[LOOP_SOURCES])(void) = {
        [LOOP_LINK] = engine_on_link,     [LOOP_TIMER] = engine_on_timer,
        [LOOP_DOORBELL] = engine_on_bell, [LOOP_CLOSED] = engine_on_closed,
        [LOOP_HOSTNET] = on_hostnet,
    };

    lock();
    engine.proc = stack_proc_add(engine.st, getpid());
    unlock();
    if (!engine.proc)
        return -ENOMEM;
    engine.armed_us = TIMER_NEVER;
    engine.fds[LOOP_TIMER] =
        engine_fd_take(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    engine.fds[LOOP_DOORBELL] = engine_bell_open();
    engine.fds[LOOP_CLOSED] = engine_closed_open();
    engine.fds[LOOP_HOSTNET] = hostnet_monitor_open();
    locals_forget();
    if (engine.fds[LOOP_HOSTNET] >= 0)
        engine.fds[LOOP_HOSTNET] = engine_fd_take(engine.fds[LOOP_HOSTNET]);
    for (int s = 0; s < LOOP_SOURCES; s++) {
        if (engine.fds[s] >= 0)
            continue;
        if (s != LOOP_CLOSED || engine.fds[s] == -EMFILE)
            return engine.fds[s];
        log_warn("no last-close events (%s): sockets of killed processes linger",
                 strerrorname_np(-engine.fds[LOOP_CLOSED]));
    }
    int err = engine_service_open();
    if (err)
        return err;
    engine.loop = loop_new();
    if (!engine.loop)
        return -ENOMEM;
    for (int s = 0; s < LOOP_SOURCES; s++)
        if (engine.fds[s] >= 0)
            loop_watch(engine.loop, (enum loop_source)s, engine.fds[s], callbacks[s]);
    keeper_hello();
    return engine_service_start();
}

static void log_line(enum log_level level, const char *line)
{
    (void)level;
    dprintf(STDERR_FILENO, "libshim: %s\n", line);
}

/* What is outside of the arena and needs no stack. */
static int prepare(const struct config *c, char *why, size_t why_bytes)
{
    log_to(log_line, c->log_level);
    engine.armed_us = 0; /* no timer yet: engine_leave() must not arm one */
    engine.env = (struct net_env){.output = net_output, .guards = net_guards};
    if (!c->trace[0])
        return 0;
    int fd = trace_open(c->trace);
    if (fd < 0) {
        snprintf(why, why_bytes, "SHIM_TRACE=%s cannot be written: %s", c->trace,
                 strerrordesc_np(-fd));
        return fd;
    }
    engine.env.trace = trace_event;
    return 0;
}

/* The family's trace goes on where its others have got to. */
static void share_trace(void)
{
    if (!engine.env.trace)
        return;
    lock();
    if (!engine.sh->trace)
        engine.sh->trace = arena_zalloc(engine.st->net.arena, trace_memory_bytes());
    trace_share(engine.sh->trace);
    unlock();
}

/* The process begins to run the stack. */
static int go(char *why, size_t why_bytes)
{
    engine.fds[LOOP_LINK] = engine.link->rx_fd;
    int err = open_process();
    if (err) {
        snprintf(why, why_bytes, "the engine cannot start: %s", strerrordesc_np(-err));
        return err;
    }
    engine.running = true;
    /* Timers that were set while there was no timerfd, such as announcements. */
    engine_enter();
    engine_leave();
    return 0;
}

/* What open_process() opened, but for the record in the arena. */
static void close_process(void)
{
    if (engine.loop)
        loop_free(engine.loop);
    engine.loop = NULL;
    engine_fd_close(engine.service_epfd);
    engine.service_epfd = -1;
    for (int s = 0; s < LOOP_SOURCES; s++) {
        if (s == LOOP_LINK)
            continue;
        engine_fd_close(engine.fds[s]);
        engine.fds[s] = -1;
    }
}

/* After a failed start, so that the next one finds everything as before. */
static void undo_start(void)
{
    close_process();
    engine.fds[LOOP_LINK] = -1;
    trace_close();
    struct engine_heirloom h;
    bool reserved = engine_reserve_get(&h) && h.arena == engine.arena_fd;
    if (engine.link && reserved) /* it is kept, for another try */
        engine.link->rx_fd = engine.link->tx_fd = -1;
    if (engine.link)
        engine.link->ops->close(engine.link);
    trace_share(NULL);
    if (engine.map.base)
        munmap(engine.map.base, engine.map.size);
    if (engine.arena_fd >= 0 && !reserved)
        engine_fd_close(engine.arena_fd);
    engine.link = NULL;
    engine.map.base = NULL;
    engine.arena_fd = -1;
    engine_door_close();
    engine.st = NULL;
    engine.sh = NULL;
    engine.proc = NULL;
}

static int start_fresh(const struct config *c, char *why, size_t why_bytes)
{
    int err = make_stack(c);
    if (err) {
        snprintf(why, why_bytes, "the stack's memory cannot be mapped: %s", strerrordesc_np(-err));
        return err;
    }
    share_trace();
    lock();
    engine.proc = stack_proc_add(engine.st, getpid()); /* until open_process() makes a full one */
    unlock();
    if (!engine.proc)
        return -ENOMEM;
    err = open_link(c, why, why_bytes);
    if (err)
        return err;
    lock();
    stack_proc_remove(engine.st, engine.proc);
    unlock();
    err = go(why, why_bytes);
    if (!err) {
        link_packet_seal(engine.link);
        (void)fcntl(engine.arena_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    }
    return err;
}

/* ---- joining a stack: after exec, or by its door ---- */

/* The records of this process's images before exec: their threads are gone. */
static void remove_past_selves(void)
{
    struct proc *p, *next;
    for (p = slab_next(&engine.st->procs, NULL); p; p = next) {
        next = slab_next(&engine.st->procs, p);
        if (p->pid == getpid())
            stack_proc_remove(engine.st, p);
    }
}

/* Maps and opens what is named in h, without a record, a loop or a thread. c: whose log and trace;
 * NULL: the family's. */
static int attach(const struct engine_heirloom *h, const struct config *c, char *why,
                  size_t why_bytes)
{
    int err = arena_map_attach(&engine.map, h->arena);
    if (err) {
        snprintf(why, why_bytes, "the stack's memory cannot be mapped: %s", strerrordesc_np(-err));
        return err;
    }
    engine.arena_fd = h->arena;
    engine.st = stack_of(engine.map.base);
    engine.sh = engine.st ? engine.st->io : NULL;
    if (!engine.sh) {
        snprintf(why, why_bytes,
                 "what was inherited is no stack, or one of another version of libshim");
        return -EINVAL;
    }
    err = prepare(c ? c : &engine.sh->config, why, why_bytes);
    if (err)
        return err;
    share_trace();
    err = link_packet_attach(h->rx, h->tx, engine.sh->ifindex, engine.sh->vnet, &engine.sh->packet,
                             &engine.link);
    if (err) {
        snprintf(why, why_bytes, "the link cannot be taken over: %s", strerrordesc_np(-err));
        return err;
    }
    lock();
    engine.link->nif = netif_by_index(&engine.st->net, engine.sh->ifindex);
    unlock();
    return 0;
}

static int join(const struct engine_heirloom *h, const struct config *c, char *why,
                size_t why_bytes)
{
    int err = attach(h, c, why, why_bytes);
    if (err)
        return err;
    lock();
    remove_past_selves();
    unlock();
    return go(why, why_bytes);
}

int engine_join(const struct engine_heirloom *h, char *why, size_t why_bytes)
{
    if (engine.running)
        return 0;
    int err = join(h, NULL, why, why_bytes);
    if (err && !engine.running)
        undo_start();
    return err;
}

int engine_join_as_keeper(const struct engine_heirloom *h, int closed_fd, int bell_fd, char *why,
                          size_t why_bytes)
{
    static struct proc self = {.id = UINT32_MAX}; /* never on any list */
    int err = attach(h, NULL, why, why_bytes);
    if (err)
        return err;
    list_init(&self.fired);
    engine.proc = &self;
    engine.fds[LOOP_LINK] = engine.link->rx_fd;
    engine.fds[LOOP_CLOSED] = closed_fd;
    engine.fds[LOOP_DOORBELL] = bell_fd;
    engine.running = true;
    return 0;
}

/* ---- the first start ---- */

void engine_door_close(void)
{
    if (engine.door >= 0)
        engine_fd_close(engine.door);
    engine.door = -1;
}

/* Own-address mode: joins the stack that has the address already, or takes its door. 0 with a
 * stack, 1 without, or -errno. */
static int join_or_open_door(const struct config *c, char *why, size_t why_bytes)
{
    struct hostnet_if hif;
    struct engine_heirloom h;
    char addr[ADDR_STR_MAX];
    int err = hostnet_find(c, &hif, why, why_bytes);
    if (err)
        return err;
    for (int i = 0; i < DOOR_TRIES; i++) {
        engine.door = door_open(hif.index, &c->address);
        if (engine.door >= 0)
            return 1;
        err = engine.door == -EADDRINUSE ? door_knock(hif.index, &c->address, &h) : engine.door;
        if (err != -ECONNREFUSED) /* else its keeper is going: once more */
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    engine.door = -1;
    if (err) {
        snprintf(why, why_bytes, "the stack that has %s cannot be joined: %s",
                 addr_str(&c->address, addr), strerrordesc_np(-err));
        return err;
    }
    h = (struct engine_heirloom){engine_fd_hide(h.arena), engine_fd_hide(h.rx),
                                 engine_fd_hide(h.tx)};
    return join(&h, c, why, why_bytes);
}

static int start(const struct config *c, char *why, size_t why_bytes)
{
    int err = c->own_address ? join_or_open_door(c, why, why_bytes) : 1;
    if (err > 0) {
        err = prepare(c, why, why_bytes);
        if (!err)
            err = start_fresh(c, why, why_bytes);
    }
    return err;
}

/* With what was reserved, if anything was. */
static int start_with_reserve(const struct config *c, char *why, size_t why_bytes)
{
    struct engine_heirloom h;
    int to_make = engine_reserve_lock(&h);
    engine.of_reserve = to_make == 1;
    int err = to_make ? start(c, why, why_bytes) : join(&h, NULL, why, why_bytes);
    engine.of_reserve = false;
    if (err && !engine.running)
        undo_start();
    if (to_make >= 0)
        engine_reserve_unlock(&h);
    return err;
}

int engine_start(const struct config *c, char *why, size_t why_bytes)
{
    if (engine.running)
        return 0;
    int err = start_with_reserve(c, why, why_bytes);
    struct engine_heirloom h;
    if (engine.running && engine_reserve_get(&h) && h.arena == engine.arena_fd)
        engine_reserve_forget();
    else if (engine.running)
        engine_reserve_release(); /* there was a stack to be joined */
    if (!err && engine.sh->config.own_address)
        (void)keeper_start();
    return err;
}

bool engine_heirloom(struct engine_heirloom *h)
{
    if (!engine.running)
        return engine_reserve_get(h);
    *h = (struct engine_heirloom){engine.arena_fd, engine.link->rx_fd, engine.link->tx_fd};
    return true;
}

/* ---- fork ---- */

static pthread_mutex_t renewing = PTHREAD_MUTEX_INITIALIZER;

void engine_fork_prepare(void)
{
    pthread_mutex_lock(&renewing);
    if (engine.running && !engine.stale)
        lock();
}

void engine_fork_parent(void)
{
    if (engine.running && !engine.stale)
        unlock();
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
    close_process();
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
        close_process();
        engine.service_started = engine.limping = false;
        int err = open_process();
        if (err)
            limp(err, parents_bell);
        else
            engine_fd_close(parents_bell);
        __atomic_store_n(&engine.stale, false, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&renewing);
}
