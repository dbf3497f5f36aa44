/*
 * Sleeping, and being woken.
 *
 *   who sleeps                     on what                             woken by
 *   ----------                     -------                             --------
 *   the leader: one thread that    leader_epfd: ring, timer, bell,     a frame; leader_kick
 *   is blocked on our sockets      leader_kick
 *   other threads blocked on       their word (futex)                  FUTEX_WAKE by whoever
 *   our sockets                                                        handled their frame
 *   a thread in poll() with        its descriptors, leader_epfd,       any of them; its kick
 *   kernel descriptors too         a kick of its own
 *   a thread in epoll_wait()       its own epoll instance, to which    a frame; the kernel's events
 *                                  ring, timer and bell were added
 *   the service thread             service_epfd: everything            a frame, if nobody above was
 * there
 *
 * Ring, timer and bell are in each epoll instance with EPOLLEXCLUSIVE, in the service thread's
 * last: the kernel asks the instances in the order of registration, and stops at the first in which
 * a thread sleeps. So a thread that waits for data takes its frame off the ring itself, and the
 * service thread sleeps on; when no thread waits, it is woken. The events are level-triggered: a
 * frame that arrives while everybody is busy is found at the next wait.
 *
 * A word is set before anybody is woken, and looked at between announcing oneself and sleeping.
 * What is announced (leader_word, a sleeper's word) is only a hint to the waker and never has to be
 * undone: a thread that left by siglongjmp costs a needless kick.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/engine_int.h"

#define SERVICE_STACK_BYTES (512u << 10)
#define EVENTS_MAX          8
#define KICK                LOOP_SOURCES /* behind the loop's sources, in an event's data */

static __thread uint32_t *own_word; /* of this thread, while it is in a wait */

/* ---- sleepers of engine_poll() ---- */

struct sleepers {
    struct sleeper s[250];
    struct sleepers *next;
};
static struct sleepers *_Atomic sleepers;

static struct sleepers *sleepers_add(void)
{
    struct sleepers *c =
        mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < sizeof(c->s) / sizeof(*c->s); i++)
        c->s[i].kick = -1;
    c->next = atomic_load(&sleepers);
    while (!atomic_compare_exchange_weak(&sleepers, &c->next, c))
        ;
    return c;
}

/* A free slot, or the one that a wait left by siglongjmp still holds. NULL: out of memory. */
static struct sleeper *sleeper_take(uint32_t *word)
{
    for (;;) {
        for (struct sleepers *c = atomic_load(&sleepers); c; c = c->next) {
            for (size_t i = 0; i < sizeof(c->s) / sizeof(*c->s); i++) {
                struct sleeper *s = &c->s[i];
                uint32_t *expected = NULL;
                if (!__atomic_compare_exchange_n(&s->word, &expected, word, false, __ATOMIC_SEQ_CST,
                                                 __ATOMIC_RELAXED) &&
                    expected != word)
                    continue;
                if (s->kick < 0)
                    s->kick = engine_fd_hide(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
                return s;
            }
        }
        if (!sleepers_add())
            return NULL;
    }
}

static void sleeper_release(struct sleeper *s)
{
    __atomic_store_n(&s->word, NULL, __ATOMIC_RELEASE);
}

static void kick(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));
    (void)n; /* full: it is readable anyway */
}

static void drain(int fd)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));
    (void)n;
}

void engine_wake_word(uint32_t *word)
{
    if (word == own_word) /* it is this very thread, about to look */
        return;
    if (__atomic_load_n(&engine.leader_word, __ATOMIC_SEQ_CST) == word) {
        kick(engine.leader_kick);
        return;
    }
    for (struct sleepers *c = atomic_load(&sleepers); c; c = c->next) {
        for (size_t i = 0; i < sizeof(c->s) / sizeof(*c->s); i++) {
            if (__atomic_load_n(&c->s[i].word, __ATOMIC_SEQ_CST) == word) {
                kick(c->s[i].kick);
                return;
            }
        }
    }
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void engine_wait_forget_sleepers(void)
{
    own_word = NULL;
    engine.leader_word = NULL;
    for (struct sleepers *c = atomic_load(&sleepers); c; c = c->next) {
        for (size_t i = 0; i < sizeof(c->s) / sizeof(*c->s); i++) {
            c->s[i].word = NULL;
            if (c->s[i].kick >= 0) { /* shared with the parent: not ours to read */
                engine_fd_close(c->s[i].kick);
                c->s[i].kick = -1;
            }
        }
    }
}

/* ---- epoll instances ---- */

/* libev's and the kernel's readiness of the sources that any waiting thread may serve. */
static int add_sources(int epfd, bool tagged)
{
    static const enum loop_source sources[] = {LOOP_LINK, LOOP_TIMER, LOOP_DOORBELL};
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        struct epoll_event ev = {
            .events = EPOLLIN | EPOLLEXCLUSIVE,
            .data.u64 = tagged ? ENGINE_EPOLL_TAG : (uint64_t)sources[i],
        };
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, engine.fds[sources[i]], &ev) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static void remove_sources(int epfd)
{
    static const enum loop_source sources[] = {LOOP_LINK, LOOP_TIMER, LOOP_DOORBELL};
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
        epoll_ctl(epfd, EPOLL_CTL_DEL, engine.fds[sources[i]], NULL);
}

static int add_plain(int epfd, int fd, uint64_t data)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};
    if (fd < 0)
        return 0;
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int engine_wait_open(void)
{
    engine.leader_kick = engine_fd_hide(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    engine.leader_epfd = engine_fd_hide(epoll_create1(EPOLL_CLOEXEC));
    engine.service_epfd = engine_fd_hide(epoll_create1(EPOLL_CLOEXEC));
    if (engine.leader_kick < 0 || engine.leader_epfd < 0 || engine.service_epfd < 0)
        return -EMFILE;
    int err = add_sources(engine.leader_epfd, false);
    if (!err)
        err = add_plain(engine.leader_epfd, engine.leader_kick, KICK);
    if (!err)
        err = add_sources(engine.service_epfd, false);
    if (!err)
        err = add_plain(engine.service_epfd, engine.fds[LOOP_CLOSED], LOOP_CLOSED);
    if (!err)
        err = add_plain(engine.service_epfd, engine.fds[LOOP_HOSTNET], LOOP_HOSTNET);
    return err;
}

void engine_wait_close(void)
{
    engine_fd_close(engine.leader_epfd);
    engine_fd_close(engine.service_epfd);
    engine_fd_close(engine.leader_kick);
}

int engine_epoll_attach(int epfd)
{
    int err = add_sources(epfd, true);
    if (err)
        return err;
    /* The service thread stays the last that the kernel asks. */
    remove_sources(engine.service_epfd);
    return add_sources(engine.service_epfd, false);
}

void engine_epoll_detach(int epfd)
{
    remove_sources(epfd);
}

/* ---- sleeping ---- */

static void set_timeout(struct timespec *ts, uint64_t deadline_us, uint64_t now_us)
{
    uint64_t left = deadline_us - now_us;
    if (deadline_us == TIMER_NEVER)
        *ts = (struct timespec){.tv_sec = INT_MAX};
    else if (deadline_us <= now_us)
        *ts = (struct timespec){0};
    else
        *ts = (struct timespec){(time_t)(left / 1000000), (long)(left % 1000000 * 1000)};
}

static void sleep_begin(struct timespec *ts)
{
    if (engine.hooks)
        engine.hooks->sleep_begin(ts);
}

static bool sleep_end(void)
{
    return engine.hooks && engine.hooks->sleep_end();
}

/* Runs what the events of leader_epfd or service_epfd name. */
static void serve(const struct epoll_event *ev, int n)
{
    if (n <= 0)
        return;
    engine_enter();
    for (int i = 0; i < n; i++) {
        if (ev[i].data.u64 == KICK)
            drain(engine.leader_kick);
        else
            loop_dispatch(engine.loop, (enum loop_source)ev[i].data.u64);
    }
    engine_leave();
}

static bool is_set(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST) != 0;
}

/* Looks for frames for a while before sleeping (SHIM_BUSY_POLL). True when one came. */
static bool busy_poll(const uint32_t *word, uint64_t deadline_us)
{
    uint32_t us = engine.sh->config.busy_poll_us;
    if (!us)
        return false;
    uint64_t now = clock_now_us(), end = now + us;
    if (end > deadline_us)
        end = deadline_us;
    while (!link_packet_ready(engine.link) && !is_set(word)) {
        if (clock_now_us() >= end)
            return false;
        __builtin_ia32_pause();
    }
    return true;
}

static bool lead(uint32_t *word)
{
    uint32_t *expected = NULL;
    return __atomic_compare_exchange_n(&engine.leader_word, &expected, word, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED) ||
           expected == word;
}

static void lead_no_more(uint32_t *word)
{
    __atomic_compare_exchange_n(&engine.leader_word, &word, NULL, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_RELAXED);
}

/* One sleep. Sets *interrupted when a signal handler ran. */
static void sleep_once(uint32_t *word, bool leader, uint64_t deadline_us, uint64_t now_us,
                       const sigset_t *mask, bool *interrupted)
{
    struct epoll_event ev[EVENTS_MAX];
    struct timespec ts;
    long n = 0;

    set_timeout(&ts, deadline_us, now_us);
    sleep_begin(&ts);
    if (!is_set(word)) {
        if (leader)
            n = syscall(SYS_epoll_pwait2, engine.leader_epfd, ev, EVENTS_MAX, &ts, mask, _NSIG / 8);
        else
            syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
    }
    *interrupted = sleep_end();
    if (leader)
        serve(ev, (int)n);
}

static int wait_masked(uint32_t *word, uint64_t deadline_us, const sigset_t *mask)
{
    int err = 0;
    bool interrupted = false;

    if (engine.stale) {
        engine_enter();
        engine_leave();
    }
    own_word = word;
    while (!is_set(word)) {
        uint64_t now = clock_now_us();
        if (interrupted) {
            err = -EINTR;
            break;
        }
        if (link_packet_ready(engine.link) || busy_poll(word, deadline_us)) {
            engine_run();
            if (is_set(word) || now < deadline_us)
                continue;
        }
        if (now >= deadline_us) {
            err = -ETIMEDOUT;
            break;
        }
        /* A mask of the caller's can only be given to epoll_pwait: such a thread leads, whoever
         * else does. */
        bool leader = lead(word) || mask;
        own_word = NULL; /* from here on it must be woken */
        sleep_once(word, leader, deadline_us, now, mask, &interrupted);
        own_word = word;
    }
    own_word = NULL;
    lead_no_more(word);
    return err;
}

int engine_wait(uint32_t *word, uint64_t deadline_us)
{
    return wait_masked(word, deadline_us, NULL);
}

/* Counts what ppoll() found among the caller's n, and hands the revents over. */
static int ready_of(struct pollfd *fds, const struct pollfd *all, nfds_t n)
{
    int count = 0;
    for (nfds_t i = 0; i < n; i++) {
        fds[i].revents = all[i].revents;
        count += all[i].revents != 0;
    }
    return count;
}

static int poll_mixed(struct pollfd *fds, nfds_t n, struct pollfd *all, struct sleeper *self,
                      uint64_t deadline_us, const sigset_t *mask)
{
    struct epoll_event ev[EVENTS_MAX];
    struct timespec ts;
    bool interrupted = false;

    memcpy(all, fds, n * sizeof(*fds));
    all[n] = (struct pollfd){.fd = engine.leader_epfd, .events = POLLIN};
    all[n + 1] = (struct pollfd){.fd = self->kick, .events = POLLIN};
    for (;;) {
        uint64_t now = clock_now_us();
        if (link_packet_ready(engine.link))
            engine_run();
        set_timeout(&ts, is_set(self->word) ? 0 : deadline_us, now);
        sleep_begin(&ts);
        if (is_set(self->word))
            ts = (struct timespec){0};
        long r = syscall(SYS_ppoll, all, n + 2, &ts, mask, _NSIG / 8);
        int err = r < 0 ? -errno : 0;
        interrupted = sleep_end();
        if (err && err != -EINTR)
            return err;
        if (err)
            return -EINTR;
        if (all[n + 1].revents)
            drain(self->kick);
        if (all[n].revents)
            serve(ev, epoll_wait(engine.leader_epfd, ev, EVENTS_MAX, 0));
        int count = ready_of(fds, all, n);
        if (count || is_set(self->word))
            return count;
        if (interrupted)
            return -EINTR;
        if (now >= deadline_us)
            return 0;
    }
}

int engine_poll(struct pollfd *fds, nfds_t n, uint32_t *word, uint64_t deadline_us,
                const sigset_t *sigmask)
{
    struct pollfd few[66], *all = few;
    size_t bytes = (n + 2) * sizeof(*all);

    if (n == 0) {
        int err = wait_masked(word, deadline_us, sigmask);
        return err == -ETIMEDOUT ? 0 : err;
    }
    if (engine.stale) {
        engine_enter();
        engine_leave();
    }
    struct sleeper *self = sleeper_take(word);
    if (!self || self->kick < 0)
        return -ENOMEM;
    if (n + 2 > sizeof(few) / sizeof(*few)) {
        all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED) {
            sleeper_release(self);
            return -ENOMEM;
        }
    }
    int r = poll_mixed(fds, n, all, self, deadline_us, sigmask);
    sleeper_release(self);
    if (all != few)
        munmap(all, bytes);
    return r;
}

/* ---- the service thread ---- */

static void *service(void *arg)
{
    struct epoll_event ev[EVENTS_MAX];
    (void)arg;
    if (engine.hooks && engine.hooks->thread_start)
        engine.hooks->thread_start();
    for (;;)
        serve(ev, epoll_wait(engine.service_epfd, ev, EVENTS_MAX, -1));
    return NULL;
}

int engine_service_start(void)
{
    sigset_t all, old;
    pthread_attr_t attr;

    if (engine.service_started)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, SERVICE_STACK_BYTES);
    int err = pthread_create(&engine.service, &attr, service, NULL);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    engine.service_started = err == 0;
    return -err;
}
