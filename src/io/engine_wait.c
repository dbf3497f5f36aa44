/*
 * Sleeping, and being woken.
 *
 *   who sleeps                     on what                           woken by
 *   ----------                     -------                           --------
 *   a thread that is blocked on    its seat: ring, timer, bell,      a frame; its kick
 *   our sockets                    its own kick
 *   a thread in poll() with        its descriptors and its seat      any of them
 *   kernel descriptors too
 *   a thread in epoll_wait()       its own epoll instance, to which  a frame; the kernel's events
 *                                  ring, timer and bell were added
 *   a thread for which there is    its word (futex)                  whoever handled its frame
 *   no seat
 *   the service thread             ring, timer, bell, and what       a frame, if nobody above was
 *                                  is rarer                          there
 *
 * Ring, timer and bell are in each epoll instance with EPOLLEXCLUSIVE, in the service thread's
 * last: the kernel asks the instances in the order of registration, and stops at the first in which
 * a thread sleeps. So a thread that waits for data takes its frame off the ring itself, and the
 * service thread sleeps on; when no thread waits, it is woken. The events are level-triggered: a
 * frame that arrives while everybody is busy is found at the next wait.
 *
 * A thread of the program that is awake takes what has come when it makes its next call. So while
 * calls are being made, the service thread does not run beside them, frame by frame: it naps, and
 * looks every NAP_US. When a nap has passed without a call, it waits for frames again. It does not
 * nap either while it wakes threads that nobody else would wake (engine_service_leave).
 *
 * The program does not know of the service thread, and some calls show it: libc makes the calls
 * that change identities in every thread and aborts if the results differ, and others fail where
 * there is more than one thread. So around these the service thread ends, and a new one is as its
 * creator.
 *
 * Of a family, one service thread naps. The others, when a frame has woken them while calls are
 * being made, do not wait for frames for DEAF_US, unless the one that naps is found to be no more.
 *
 * In a family of processes a frame may wake one that it is not for, and this one rings the other's
 * doorbell. A service thread to which that happens goes behind the others in the kernel's order.
 *
 * A word is set before anybody is woken, and looked at between announcing oneself (seat.word) and
 * sleeping. What is announced is only a hint to the waker and never has to be undone: a thread that
 * left by siglongjmp costs a needless kick.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/engine_int.h"

#define SERVICE_STACK_BYTES (512u << 10)
#define EVENTS_MAX          8
#define NAP_US              500u
#define DEAF_US             20000u
/* Threads that wait for our sockets alone can do without a seat; one asleep in a seat is enough to
 * serve the link for all of them. */
#define SEATS_BLOCKED 32u

/* The word of this thread while it is awake in a wait: about to look at it itself. */
static __thread uint32_t *own_word __attribute__((tls_model("initial-exec")));

/* Threads asleep without a seat; more, once one has left by siglongjmp. */
static uint32_t on_futex;

bool engine_wake_word(uint32_t *word)
{
    if (word == own_word || engine_seat_kick(word))
        return false;
    if (__atomic_load_n(&on_futex, __ATOMIC_SEQ_CST) == 0)
        return false;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    return true;
}

void engine_wait_forget(void)
{
    own_word = NULL;
    on_futex = 0;
    engine_seats_forget();
}

/* ---- sleeping ---- */

/* Of a function whose thread may be cancelled in it: the frame that it then leaves behind is one
 * that AddressSanitizer knows nothing of. */
#define MAY_BE_CANCELLED __attribute__((no_sanitize("address")))

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

/* Does the event still ask for something to be run? A frame may have been taken by another thread
 * meanwhile; an error of the packet socket is to be cleared. */
static bool is_pending(const struct epoll_event *ev)
{
    if (ev->data.u64 == LOOP_LINK)
        return ev->events & EPOLLERR || link_packet_ready(engine.link);
    return ev->data.u64 != ENGINE_KICK;
}

/* Within an entry. */
static void run(const struct epoll_event *ev, int n)
{
    for (int i = 0; i < n; i++)
        if (is_pending(&ev[i]))
            loop_dispatch(engine.loop, (enum loop_source)ev[i].data.u64);
}

/* Runs what the events of a seat name. */
static void serve(const struct seat *seat, const struct epoll_event *ev, int n)
{
    bool pending = false;
    for (int i = 0; i < n; i++) {
        uint64_t count;
        pending |= is_pending(&ev[i]);
        if (ev[i].data.u64 == ENGINE_KICK && read(seat->kick, &count, sizeof(count)) < 0)
            continue; /* it was another's, who had this seat before */
    }
    if (!pending)
        return;
    engine_enter();
    run(ev, n);
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
        robust_relax();
    }
    return true;
}

/* A forked child makes itself what it needs. */
static void refresh(void)
{
    if (__atomic_load_n(&engine.stale, __ATOMIC_ACQUIRE)) {
        engine_enter();
        engine_leave();
    }
}

/* One sleep; seat NULL: on the word. True when a signal handler ran. */
MAY_BE_CANCELLED static bool sleep_once(struct seat *seat, uint32_t *word, uint64_t deadline_us,
                                        uint64_t now_us, const sigset_t *mask)
{
    struct epoll_event ev[EVENTS_MAX];
    struct timespec ts;
    long n = 0;

    set_timeout(&ts, deadline_us, now_us);
    if (seat)
        __atomic_store_n(&seat->word, word, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_add(&on_futex, 1, __ATOMIC_SEQ_CST);
    own_word = NULL; /* from here on it must be woken */
    uint32_t id;
    bool news = engine_sleeps(&id);
    sleep_begin(&ts);
    if (!is_set(word) && !news) {
        if (seat && engine.confined)
            n = engine_confined_sleep(seat, &ts, mask);
        else if (seat)
            n = syscall(SYS_epoll_pwait2, seat->epfd, ev, EVENTS_MAX, &ts, mask, _NSIG / 8);
        else
            syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
    }
    bool interrupted = sleep_end();
    engine_sleeps_no_more(id);
    own_word = word;
    if (news)
        engine_run();
    if (!seat)
        __atomic_fetch_sub(&on_futex, 1, __ATOMIC_RELAXED);
    /* A handler that waited for something itself took this seat, and gave it away again. */
    if (!seat || !engine_seat_is_own(seat))
        return interrupted;
    __atomic_store_n(&seat->word, NULL, __ATOMIC_RELAXED);
    if (engine.confined)
        engine_confined_serve(seat);
    else
        serve(seat, ev, (int)n);
    return interrupted;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int wait_masked(uint32_t *word, uint64_t deadline_us, const sigset_t *mask)
{
    struct seat *seat = NULL;
    bool interrupted = false;
    int err = 0;

    refresh();
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
        if (!seat)
            seat = engine_seat_take(mask ? UINT32_MAX : SEATS_BLOCKED);
        if (!seat && mask) { /* a mask can only be given to epoll_pwait2() */
            err = -ENOMEM;
            break;
        }
        if (engine.limping) {
            interrupted = sleep_once(seat, word, earlier(deadline_us, now + LIMP_US), now, mask);
            engine_run();
        } else {
            interrupted = sleep_once(seat, word, deadline_us, now, mask);
        }
    }
    own_word = NULL;
    if (seat && engine_seat_is_own(seat))
        engine_seat_release();
    return err;
}

int engine_wait(uint32_t *word, uint64_t deadline_us)
{
    return wait_masked(word, deadline_us, NULL);
}

/* ---- with kernel descriptors ---- */

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

/* What woke the seat: most often a frame, and then there is no need to ask. */
static void serve_seat(const struct seat *seat)
{
    struct epoll_event ev[EVENTS_MAX];
    if (engine.confined)
        engine_confined_serve(seat);
    else if (link_packet_ready(engine.link))
        engine_run();
    else
        serve(seat, ev, epoll_wait(seat->epfd, ev, EVENTS_MAX, 0));
}

/* all: room for fds and one more. */
MAY_BE_CANCELLED static int poll_mixed(struct pollfd *fds, nfds_t n, struct pollfd *all,
                                       struct seat *seat, uint32_t *word, uint64_t deadline_us,
                                       const sigset_t *mask)
{
    struct timespec ts;

    memcpy(all, fds, n * sizeof(*fds));
    all[n] = (struct pollfd){.fd = seat->epfd, .events = POLLIN};
    for (;;) {
        if (link_packet_ready(engine.link))
            engine_run();
        uint64_t now = clock_now_us();
        set_timeout(&ts, deadline_us, now);
        __atomic_store_n(&seat->word, word, __ATOMIC_SEQ_CST);
        uint32_t id;
        bool news = engine_sleeps(&id);
        sleep_begin(&ts);
        if (is_set(word) || news)
            ts = (struct timespec){0};
        long r = syscall(SYS_ppoll, all, n + 1, &ts, mask, _NSIG / 8);
        int err = r < 0 ? -errno : 0;
        bool interrupted = sleep_end();
        engine_sleeps_no_more(id);
        if (err)
            return err;
        if (news)
            engine_run();
        if (!engine_seat_is_own(seat)) /* see sleep_once() */
            return -EINTR;
        __atomic_store_n(&seat->word, NULL, __ATOMIC_RELAXED);
        if (all[n].revents)
            serve_seat(seat);
        int count = ready_of(fds, all, n);
        if (count || is_set(word))
            return count;
        if (interrupted)
            return -EINTR;
        if (now >= deadline_us)
            return 0;
    }
}

MAY_BE_CANCELLED int engine_poll(struct pollfd *fds, nfds_t n, uint32_t *word, uint64_t deadline_us,
                                 const sigset_t *sigmask)
{
    struct pollfd few[66], *all = few;
    size_t bytes = (n + 1) * sizeof(*all);

    if (n == 0) {
        int err = wait_masked(word, deadline_us, sigmask);
        return err == -ETIMEDOUT ? 0 : err;
    }
    refresh();
    struct seat *seat = engine_seat_take(UINT32_MAX);
    if (!seat)
        return -ENOMEM;
    if (bytes > sizeof(few))
        all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r = all == MAP_FAILED ? -ENOMEM : poll_mixed(fds, n, all, seat, word, deadline_us, sigmask);
    if (engine_seat_is_own(seat))
        engine_seat_release();
    if (all != few && all != MAP_FAILED)
        munmap(all, bytes);
    return r;
}

/* ---- the service thread ---- */

static uint32_t calls(void)
{
    return __atomic_load_n(&engine.sh->calls, __ATOMIC_RELAXED);
}

/* Runs what the events name. True when somebody was woken whom frames do not wake. */
static bool service_run(const struct epoll_event *ev, int n)
{
    if (n <= 0)
        return false;
    engine_service_enter();
    run(ev, n);
    return engine_service_leave();
}

/* The event of a frame among n; n: there is none. */
static int frame_in(const struct epoll_event *ev, int n)
{
    int i = 0;
    while (i < n && (ev[i].data.u64 != LOOP_LINK || ev[i].events & EPOLLERR))
        i++;
    return i;
}

static bool stop_service; /* it is to end */

/* Does the service thread of another process nap for us? If not, this one does. */
static bool is_another_napping(void)
{
    struct engine_shared *sh = engine.sh;
    uint64_t now_us = clock_now_us();
    uint64_t nap_us = __atomic_load_n(&sh->nap_us, __ATOMIC_RELAXED);

    if (__atomic_load_n(&sh->nap_by, __ATOMIC_RELAXED) != engine.proc->id && now_us < nap_us)
        return true;
    __atomic_store_n(&sh->nap_by, engine.proc->id, __ATOMIC_RELAXED);
    __atomic_store_n(&sh->nap_us, now_us + DEAF_US, __ATOMIC_RELAXED);
    return false;
}

enum service_state {
    SERVICE_LISTENS, /* to frames and everything else */
    SERVICE_NAPS,    /* looks at everything after each nap */
    SERVICE_IS_DEAF, /* to frames, until deaf_us */
};

/* Another process naps, or this one does. */
static enum service_state withdraw(void)
{
    if (!is_another_napping())
        return SERVICE_NAPS;
    engine_service_listen(false);
    return SERVICE_IS_DEAF;
}

/* How long to wait for events. */
static int service_timeout_ms(enum service_state state, uint64_t deaf_us)
{
    uint64_t now_us;

    switch (state) {
    case SERVICE_LISTENS:
        return -1;
    case SERVICE_NAPS:
        return 0;
    case SERVICE_IS_DEAF:
        now_us = clock_now_us();
        return now_us < deaf_us ? (int)((deaf_us - now_us) / 1000 + 1) : 0;
    }
    return 0;
}

static void *service(void *arg)
{
    const struct timespec nap = {.tv_nsec = NAP_US * 1000};
    struct epoll_event ev[EVENTS_MAX];
    enum service_state state = SERVICE_LISTENS;
    uint64_t deaf_us = 0;
    uint32_t before = calls();
    (void)arg;
    if (engine.hooks && engine.hooks->thread_start)
        engine.hooks->thread_start();
    engine_service_listen(true); /* the one before this may have ended deaf */
    for (;;) {
        if (state == SERVICE_NAPS)
            nanosleep(&nap, NULL);
        int n = epoll_wait(engine.service_epfd, ev, EVENTS_MAX, service_timeout_ms(state, deaf_us));
        if (__atomic_load_n(&stop_service, __ATOMIC_ACQUIRE))
            return NULL;
        int frame = frame_in(ev, n);
        if (state == SERVICE_IS_DEAF && clock_now_us() < deaf_us) {
            (void)service_run(ev, n);
            if (frame < n) /* engine_service_last() let it hear */
                engine_service_listen(false);
            continue;
        }
        bool called = calls() != before;
        bool withdraws = called && (state != SERVICE_LISTENS || frame < n);
        before = calls();
        if (called && state == SERVICE_NAPS && frame < n) /* is for those who call */
            ev[frame] = ev[--n];
        bool alone = service_run(ev, n) && state != SERVICE_NAPS;
        if (state == SERVICE_IS_DEAF)
            engine_service_listen(true);
        state = withdraws && !alone ? withdraw() : SERVICE_LISTENS;
        deaf_us = clock_now_us() + DEAF_US;
    }
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
    pthread_attr_setstacksize(&attr, SERVICE_STACK_BYTES);
    int err = pthread_create(&engine.service, &attr, service, NULL);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    engine.service_started = err == 0;
    return -err;
}

int engine_service_begin(void)
{
    int err = engine_service_start();
    if (err != -EAGAIN)
        return err;
    if (keeper_tell(KEEPER_CONFINED, engine.proc->id, -1) < 0)
        log_warn("no thread can be had: the stack runs while the program waits for it");
    return 0;
}

bool engine_service_pause(void)
{
    if (!engine.running || !engine.service_started ||
        __atomic_load_n(&engine.stale, __ATOMIC_ACQUIRE))
        return false;
    __atomic_store_n(&stop_service, true, __ATOMIC_RELEASE);
    bool told = engine_service_rouse(true);
    if (told) {
        pthread_join(engine.service, NULL);
        engine.service_started = false;
        engine_service_rouse(false);
    }
    stop_service = false;
    return told;
}

void engine_service_resume(void)
{
    int err = 0;
    if (engine.running && !__atomic_load_n(&engine.stale, __ATOMIC_ACQUIRE))
        err = engine_service_begin();
    if (err)
        log_warn("no thread serves the stack any more: %s", strerrorname_np(-err));
}
