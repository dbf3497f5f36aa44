/*
 * Waiting in an epoll instance that holds sockets of ours (epset.c has the picture).
 *
 * One round: take what is ready of ours; if something was, add what the kernel has; otherwise sleep
 * in W. What W reports never reaches the program: it says where to look (P), or that the engine has
 * to run.
 *
 * A thread that sleeps may never come back from there: its signal handler leaves by longjmp, or it
 * is cancelled. So what it leaves behind in the set (a hold, a place among the sleepers) stands in
 * a variable of the thread, and is taken back by the thread's next wait, or by its end. If that
 * next wait is one in a handler that does return, the interrupted one finds its mark gone, and ends
 * with EINTR, as it would have anyway, without touching the set again.
 *
 * Threads that sleep in P itself, because the set had no socket of ours yet, are counted in the
 * same manner (plain). With its first socket, the set fetches them out (epset.c, kicked_us).
 */
#include "deadline.h"
#include "epset_int.h"
#include "process.h"

/* W holds P, the wake eventfd and the engine's few descriptors. */
#define WAIT_EVENTS 8
/* After that, whoever is still counted as asleep in P is taken for lost (longjmp out of
 * epoll_wait). */
#define KICK_US 1000000

static __thread struct {
    struct epset *set; /* that this thread sleeps in; NULL: in none */
    bool plain;
} here __attribute__((tls_model("initial-exec")));

/* ---- marks of this thread ---- */

/* Takes back what the mark stands for. The caller is inside. */
static void unmark(void)
{
    struct epset *set = here.set;
    here.set = NULL;
    if (!set)
        return;
    if (here.plain) {
        __atomic_fetch_sub(&set->plain, 1, __ATOMIC_SEQ_CST);
        return;
    }
    lock_take(&epset_lock);
    set->sleepers--;
    set->woken = false;
    epset_waits_no_more(set);
    if (set->ready.count > 0)
        epset_wake(set); /* perhaps it was this thread that had been woken for it */
    lock_give(&epset_lock);
    epset_put(set);
}

void epset_thread_end(void)
{
    unmark();
}
void epset_wait_forget(void)
{
    here.set = NULL;
}

/* ---- looking and sleeping ---- */

enum { SAW_PROGRAM = 1, SAW_ENGINE = 2, SAW_READY = 4, SAW_WAKE = 8 };

static int saw(const struct epoll_event *ev, int n)
{
    int what = 0;
    for (int i = 0; i < n; i++) {
        if (ev[i].data.u64 == EPSET_TAG_PROGRAM)
            what |= SAW_PROGRAM;
        else if (ev[i].data.u64 == ENGINE_EPOLL_TAG)
            what |= SAW_ENGINE;
        else if (ev[i].data.u64 == EPSET_TAG_WAKE)
            what |= SAW_WAKE;
    }
    return what;
}

/* A thread that was awake took the edge of the wake eventfd, which was for a sleeper: again. */
static void pass_on_wake(struct epset *set)
{
    lock_take(&epset_lock);
    set->woken = false;
    if (set->ready.count > 0)
        epset_wake(set);
    lock_give(&epset_lock);
}

/* What W has now: a mask of SAW bits. */
static int look(struct epset *set)
{
    struct epoll_event ev[WAIT_EVENTS];
    int n = real.epoll_wait(set->wait_fd, ev, WAIT_EVENTS, 0);
    int what = n < 0 ? 0 : saw(ev, n);
    if (what & SAW_WAKE)
        pass_on_wake(set);
    if (engine_is_rung())
        what |= SAW_ENGINE;
    return what;
}

/* A cancellation point. Cancelled, it leaves frames behind that AddressSanitizer knows nothing of.
 */
__attribute__((no_sanitize("address"))) static long sleep_until(int wait_fd, struct epoll_event *ev,
                                                                uint64_t deadline_us,
                                                                const sigset_t *mask,
                                                                bool *interrupted)
{
    uint64_t now = clock_now_us();
    uint64_t left = deadline_us > now ? deadline_us - now : 0;
    struct timespec timeout = {.tv_sec = INT_MAX};
    if (deadline_us != TIMER_NEVER && left / 1000000 < INT_MAX)
        timeout = (struct timespec){(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
    long n;
    pthread_cleanup_push(thread_cancelled, NULL);
    thread_sleep_begin(&timeout);
    n = syscall(SYS_epoll_pwait2, wait_fd, ev, WAIT_EVENTS, &timeout, mask, _NSIG / 8);
    n = n < 0 ? -errno : n;
    *interrupted = thread_sleep_end();
    pthread_cleanup_pop(0);
    return n;
}

/* One call of epset_wait(). */
struct wait {
    struct epset *set;
    int epfd;
    struct epoll_event *out;
    int max;
    uint64_t deadline_us;
    const sigset_t *mask;
    bool counted; /* among set->waiting */
    bool lost;    /* the mark was taken back, and with it the hold of set */
};

/* Sleeps in W. A mask of SAW bits, 0 at the deadline; -EINTR. */
static int sleep_in(struct wait *w)
{
    struct epset *set = w->set;
    struct epoll_event ev[WAIT_EVENTS];
    bool interrupted;

    if (here.set)
        unmark();
    process_watch_thread();
    lock_take(&epset_lock);
    if (set->ready.count > 0) {
        lock_give(&epset_lock);
        return SAW_READY;
    }
    if (!w->counted)
        epset_waits(set);
    w->counted = true;
    set->sleepers++;
    here.plain = false;
    here.set = set;
    lock_give(&epset_lock);

    uint32_t id;
    bool news = engine_sleeps(&id);
    long n = sleep_until(set->wait_fd, ev, news ? 0 : w->deadline_us, w->mask, &interrupted);
    engine_sleeps_no_more(id);
    if (here.set != set) {
        w->lost = true;
        return -EINTR;
    }
    lock_take(&epset_lock);
    here.set = NULL;
    set->sleepers--;
    set->woken = false;
    lock_give(&epset_lock);
    if (interrupted || n < 0)
        return -EINTR;
    if (news)
        return saw(ev, (int)n) | SAW_READY | SAW_ENGINE;
    return n == 0 ? 0 : saw(ev, (int)n) | SAW_READY;
}

/* ---- events ---- */

/* What is ready of ours. */
static int take_ready(struct epset *set, struct epoll_event *out, int max)
{
    if (__atomic_load_n(&set->ready.count, __ATOMIC_RELAXED) == 0 || max == 0)
        return 0;
    epset_enter();
    int n = epready_take(&set->ready, out, max, epset_poll_item, epset_spent_item);
    if (set->ready.count > 0)
        epset_wake(set); /* as the kernel: the next thread looks, too */
    epset_settle_outer(set, false);
    epset_leave();
    return n;
}

/* Takes the outer eventfd's event out of ev; true if it was there. */
static bool strip(struct epoll_event *ev, int *n)
{
    int kept = 0;
    for (int i = 0; i < *n; i++)
        if (ev[i].data.u64 != EPSET_TAG_OUTER)
            ev[kept++] = ev[i];
    bool found = kept < *n;
    *n = kept;
    return found;
}

/* The outer eventfd was seen from inside. */
static void settle_seen(struct epset *set)
{
    lock_take(&epset_lock);
    if (set->kicked_us != 0 && clock_now_us() - set->kicked_us > KICK_US)
        __atomic_store_n(&set->plain, 0, __ATOMIC_SEQ_CST);
    epset_seen_outer(set);
    lock_give(&epset_lock);
}

/* The kernel's events in P. Their number, or -errno. */
static int take_kernel(struct epset *set, int epfd, struct epoll_event *out, int max)
{
    if (max == 0)
        return 0;
    int n = real.epoll_wait(epfd, out, max, 0);
    if (n < 0)
        return -errno;
    bool full = n == max;
    if (set->outer_fd < 0 || !strip(out, &n))
        return n;
    settle_seen(set);
    if (full && n < max) { /* it took the place of an event of the program's */
        int more = real.epoll_wait(epfd, out + n, max - n, 0);
        if (more > 0 && strip(out + n, &more))
            settle_seen(set);
        n += more > 0 ? more : 0;
    }
    return n;
}

/* One look at both sides. The number of events, or -errno. */
static int take_both(struct wait *w)
{
    struct epset *set = w->set;
    int n = 0;
    bool kernel_first = set->kernel_first;
    if (kernel_first) {
        set->kernel_first = false;
        n = take_kernel(set, w->epfd, w->out, w->max);
        if (n < 0)
            return n;
    }
    n += take_ready(set, w->out + n, w->max - n);
    if (n == 0 || !set->has_kernel)
        return n;
    if (n == w->max || kernel_first) {
        set->kernel_first = !kernel_first;
        return n;
    }
    int what = look(set);
    if (what & SAW_PROGRAM) {
        int more = take_kernel(set, w->epfd, w->out + n, w->max - n);
        n += more > 0 ? more : 0;
    }
    if (what & SAW_ENGINE)
        engine_run();
    return n;
}

/* The number of events, or -errno. */
static int wait_round(struct wait *w)
{
    bool last = w->deadline_us == 0;
    for (;;) {
        int n = take_both(w);
        if (n != 0)
            return n;
        int what = last ? look(w->set) : sleep_in(w);
        if (w->lost)
            return what;
        if (what < 0) { /* as in the kernel, events go before signals */
            n = take_ready(w->set, w->out, w->max);
            return n > 0 ? n : what;
        }
        if (what & SAW_ENGINE)
            engine_run();
        if (what & SAW_PROGRAM) {
            n = take_kernel(w->set, w->epfd, w->out, w->max);
            if (n < 0)
                return n;
        }
        if (n > 0 || last)
            return n + take_ready(w->set, w->out + n, w->max - n);
        last = what == 0 || deadline_passed(w->deadline_us);
    }
}

int epset_wait(struct epset *set, int epfd, struct epoll_event *out, int max, uint64_t deadline_us,
               const sigset_t *mask)
{
    struct wait w = {set, epfd, out, max, deadline_us, mask, false, false};
    int n = wait_round(&w);
    if (w.lost)
        return n;
    if (w.counted) {
        lock_take(&epset_lock);
        epset_waits_no_more(set);
        lock_give(&epset_lock);
    }
    epset_put(set);
    return n;
}

/* ---- in the program's own instance ---- */

bool epset_plain_begin(struct epset *set)
{
    if (here.set) {
        shim_in();
        unmark();
        shim_out();
    }
    here.plain = true;
    here.set = set;
    __atomic_fetch_add(&set->plain, 1, __ATOMIC_SEQ_CST);
    if (!epset_is_attached(set))
        return true;
    here.set = NULL;
    __atomic_fetch_sub(&set->plain, 1, __ATOMIC_SEQ_CST);
    return false;
}

bool epset_plain_end(struct epset *set, struct epoll_event *ev, int *n)
{
    if (here.set == set) {
        here.set = NULL;
        __atomic_fetch_sub(&set->plain, 1, __ATOMIC_SEQ_CST);
    }
    if (!epset_is_attached(set))
        return false;
    int saved = errno;
    shim_in();
    bool found = *n > 0 && strip(ev, n);
    lock_take(&epset_lock);
    epset_settle_outer(set, false);
    lock_give(&epset_lock);
    shim_out();
    errno = saved;
    return found && *n == 0;
}
