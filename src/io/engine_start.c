/*
 * How a process comes by a stack.
 *
 *   engine_start()     own-address mode: by the door of the stack that has the address already;
 *                      otherwise, and in host mode, it makes one: arena, link, addresses
 *   engine_join()      after exec: what the image before left behind
 *   engine_join_by()   by the door of the stack that a socket is of
 *   fork()             what the parent had, made anew (engine.c)
 *
 * Each ends in engine_process_open(): the record, the descriptors, the loop and the service thread
 * that no two processes share.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "io/door.h"
#include "io/engine_int.h"
#include "io/host_key.h"
#include "io/host_limits.h"
#include "io/locals.h"
#include "io/trace.h"

#define DOOR_TRIES 2000 /* a millisecond apart */

/* ---- a stack of one's own ---- */

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
    if (engine.door >= 0)
        engine.sh->kin = engine.kin;
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
    struct engine_heirloom h = {-1, -1, -1};
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

int engine_process_open(void)
{
    static void (*const callbacks[LOOP_SOURCES])(void) = {
        [LOOP_LINK] = engine_on_link,       [LOOP_TIMER] = engine_on_timer,
        [LOOP_DOORBELL] = engine_on_bell,   [LOOP_CLOSED] = engine_on_closed,
        [LOOP_HOSTNET] = engine_on_hostnet,
    };

    engine_lock();
    engine.proc = stack_proc_add(engine.st, getpid());
    engine_unlock();
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
    return engine_service_begin();
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
    engine_lock();
    if (!engine.sh->trace)
        engine.sh->trace = arena_zalloc(engine.st->net.arena, trace_memory_bytes());
    trace_share(engine.sh->trace);
    engine_unlock();
}

/* The process begins to run the stack. */
static int go(char *why, size_t why_bytes)
{
    engine.fds[LOOP_LINK] = engine.link->rx_fd;
    int err = engine_process_open();
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

void engine_process_close(void)
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

void engine_start_undo(void)
{
    engine_process_close();
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
    engine_lock();
    engine.proc =
        stack_proc_add(engine.st, getpid()); /* until engine_process_open() makes a full one */
    engine_unlock();
    if (!engine.proc)
        return -ENOMEM;
    err = open_link(c, why, why_bytes);
    if (err)
        return err;
    engine_lock();
    stack_proc_remove(engine.st, engine.proc);
    engine_unlock();
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
    engine_lock();
    engine.link->nif = netif_by_index(&engine.st->net, engine.sh->ifindex);
    engine_unlock();
    return 0;
}

static int join(const struct engine_heirloom *h, const struct config *c, char *why,
                size_t why_bytes)
{
    int err = attach(h, c, why, why_bytes);
    if (err)
        return err;
    engine_lock();
    remove_past_selves();
    engine_unlock();
    return go(why, why_bytes);
}

int engine_join(const struct engine_heirloom *h, char *why, size_t why_bytes)
{
    if (engine.running)
        return 0;
    int err = join(h, NULL, why, why_bytes);
    if (err && !engine.running)
        engine_start_undo();
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

/* With what was given to us at a door. */
static int join_as_guest(const struct engine_heirloom *given, const struct config *c, char *why,
                         size_t why_bytes)
{
    const struct engine_heirloom h = {engine_fd_take(given->arena), engine_fd_take(given->rx),
                                      engine_fd_take(given->tx)};
    int err = join(&h, c, why, why_bytes);
    if (err && !engine.link) {
        engine_fd_close(h.rx);
        engine_fd_close(h.tx);
    }
    if (err && engine.arena_fd < 0)
        engine_fd_close(h.arena);
    return err;
}

int engine_join_by(int fd, char *why, size_t why_bytes)
{
    struct engine_heirloom h;
    int err = engine.confined ? -ENOENT : door_find(fd, &h);
    if (err == -ENOENT)
        return err;
    if (err) {
        snprintf(why, why_bytes, "the stack of a socket that was received cannot be joined: %s",
                 strerrordesc_np(-err));
        return err;
    }
    if (engine.running && !engine_give_up()) {
        close(h.arena);
        close(h.rx);
        close(h.tx);
        snprintf(why, why_bytes, "a socket of another stack was received: it cannot be used here");
        return -EXDEV;
    }
    err = join_as_guest(&h, NULL, why, why_bytes);
    if (engine.running)
        engine_reserve_release();
    else
        engine_start_undo();
    return err;
}

/* ---- the first start ---- */

void engine_door_close(void)
{
    if (engine.door >= 0)
        engine_fd_close(engine.door);
    engine.door = -1;
}

/* Takes a door, or asks to be let in there: 1, 0 and *h, or -errno. */
static int open_or_knock(const struct door *door, uint64_t secret, struct engine_heirloom *h)
{
    int err = 0;
    for (int i = 0; i < DOOR_TRIES; i++) {
        engine.door = door_open(door);
        if (engine.door >= 0)
            return 1;
        err = engine.door == -EADDRINUSE ? door_knock(door, -1, secret, h) : engine.door;
        /* Once more, if its keeper is going, or many have come. */
        if (err != -ECONNREFUSED && err != -EAGAIN)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    engine.door = -1;
    return err;
}

/* Own-address mode: joins the stack that has the address already, or takes its door. 0 with a
 * stack, 1 without, or -errno. */
static int join_address(const struct config *c, char *why, size_t why_bytes)
{
    struct hostnet_if hif;
    struct engine_heirloom h;
    char addr[ADDR_STR_MAX];
    int err = hostnet_find(c, &hif, why, why_bytes);
    if (err)
        return err;
    struct door door = door_of_address(hif.index, &c->address);
    err = open_or_knock(&door, 0, &h);
    if (err < 0)
        snprintf(why, why_bytes, "the stack that has %s cannot be joined: %s",
                 addr_str(&c->address, addr), strerrordesc_np(-err));
    return err ? err : join_as_guest(&h, c, why, why_bytes);
}

void engine_set_kin(const struct engine_kin *kin)
{
    engine.kin = kin ? *kin : (struct engine_kin){0};
}

/* Host mode: the same with the stack of relatives, if there are any. When they do not let us in (as
 * another user's, for one), we have one of our own. */
static int join_kin(const struct config *c, char *why, size_t why_bytes)
{
    struct engine_heirloom h;
    if (!engine.kin.name)
        return 1;
    struct door door = door_of_kin(&engine.kin, c);
    int err = open_or_knock(&door, engine.kin.secret, &h);
    if (err == 0)
        return join_as_guest(&h, c, why, why_bytes);
    if (err < 0)
        log_debug("relatives have a stack that cannot be joined: %s", strerrorname_np(-err));
    return 1;
}

static int start(const struct config *c, char *why, size_t why_bytes)
{
    int err = c->own_address ? join_address(c, why, why_bytes) : join_kin(c, why, why_bytes);
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
        engine_start_undo();
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
    if (!err && (engine.sh->config.own_address || engine.sh->kin.name))
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
