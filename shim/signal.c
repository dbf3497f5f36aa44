/*
 * Signals.
 *
 * Each handler that the program installs has our trampoline in front of it. What it does depends on
 * where the thread is:
 *
 *   outside           the handler runs, as if we were not there
 *   inside            the signal is queued again for this thread and blocked on return (in the
 * context that the kernel restores); shim_out() unblocks it: the kernel keeps order, siginfo and
 * sa_mask for us inside, asleep    the thread holds nothing: the handler runs at once, as if
 * outside; if it comes back, the call learns that it was interrupted, and whether it may be
 * restarted
 *
 * Faults (SIGSEGV and its kin, raised by the kernel for what this thread does) are never held back.
 *
 * What the program asked for is kept in a table; old actions are reported from it where the kernel
 * has our trampoline, and otherwise as the kernel has them, so that actions set behind our back
 * (libc inside itself, a child of vfork) are reported truthfully too. A child of vfork shares our
 * table but not the kernel's actions: it installs its handlers directly.
 */
#include <sched.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "shim.h"

#define SIGNALS 65

typedef void handler_fn(int sig, siginfo_t *info, void *context);

struct action {
    uint32_t version; /* odd while it is being written */
    int flags;
    handler_fn *handler;
};

static struct action actions[SIGNALS];
static sigset_t interrupting; /* siginterrupt(): signal() installs these without SA_RESTART */
static bool actions_lock;

static bool is_function(const struct sigaction *act)
{
    return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN && act->sa_handler != SIG_HOLD;
}

static struct action action_read(int sig)
{
    const struct action *at = &actions[sig];
    struct action a;
    do {
        a.version = __atomic_load_n(&at->version, __ATOMIC_ACQUIRE);
        a.flags = __atomic_load_n(&at->flags, __ATOMIC_RELAXED);
        a.handler = __atomic_load_n(&at->handler, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((a.version & 1) || a.version != __atomic_load_n(&at->version, __ATOMIC_RELAXED));
    return a;
}

static void action_write(int sig, handler_fn *handler, int flags)
{
    struct action *at = &actions[sig];
    uint32_t version = at->version;
    __atomic_store_n(&at->version, version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&at->flags, flags, __ATOMIC_RELAXED);
    __atomic_store_n(&at->handler, handler, __ATOMIC_RELAXED);
    __atomic_store_n(&at->version, version + 2, __ATOMIC_RELEASE);
}

/* ---- delivery ---- */

static bool is_fault(int sig, const siginfo_t *info)
{
    return info->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
                                 sig == SIGILL || sig == SIGTRAP || sig == SIGSYS);
}

static long queue_again(int sig, siginfo_t *info)
{
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), sig, info);
}

/* Later: blocks the signal for the interrupted context, and has the kernel keep it. */
static void hold_back(int sig, siginfo_t *info, ucontext_t *context)
{
    int saved = errno;
    uint64_t bit = 1ull << (sig - 1);
    sigaddset(&context->uc_sigmask, sig);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, sizeof(bit)); /* SA_NODEFER did not */
    shim_self.held |= bit;
    shim_self.pending = true;
    if (queue_again(sig, info) < 0) /* RLIMIT_SIGPENDING: the signal at least, if not its siginfo */
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
    errno = saved;
}

void shim_deliver_pending(void)
{
    uint64_t held = shim_self.held;
    int saved = errno;
    shim_self.held = 0;
    shim_self.pending = false;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &held, NULL, sizeof(held));
    errno = saved;
}

/* SA_RESETHAND: ours, so that a signal that is held back does not meet the default action. */
static void reset_to_default(int sig)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    int saved = errno;
    real.sigaction(sig, &dfl, NULL);
    errno = saved;
}

/* A handler that runs outside may itself interrupt the last steps of run_asleep(). */
static void run_outside(const struct action *a, int sig, siginfo_t *info, void *context)
{
    bool waiting = shim_self.waiting;
    shim_self.waiting = false;
    a->handler(sig, info, context);
    shim_self.waiting = waiting;
}

/*
 * Asleep in a call of ours: outside for the handler; and should it never come back, outside for
 * good. At each step a further handler may run, and finds the thread either outside or asleep.
 */
static void run_asleep(const struct action *a, int sig, siginfo_t *info, void *context)
{
    struct shim_thread *self = &shim_self;
    struct shim_thread saved = *self;
    int ignored;

    self->inside = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->waiting = false;
    if (saved.cancel_state == PTHREAD_CANCEL_ENABLE)
        pthread_setcanceltype(saved.cancel_type, &ignored);

    a->handler(sig, info, context);

    if (saved.cancel_state == PTHREAD_CANCEL_ENABLE)
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &ignored);
    self->saved_errno = saved.saved_errno;
    self->cancel_state = saved.cancel_state;
    self->cancel_type = saved.cancel_type;
    self->sleep = saved.sleep;
    self->interrupted = true;
    self->restart = saved.restart && (a->flags & SA_RESTART);
    *saved.sleep = (struct timespec){0};
    self->waiting = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->inside = saved.inside;
}

static void trampoline(int sig, siginfo_t *info, void *context)
{
    struct shim_thread *self = &shim_self;
    if (self->inside && !self->waiting && !is_fault(sig, info)) {
        hold_back(sig, info, context);
        return;
    }
    struct action a = action_read(sig);
    if (!a.handler)
        return;
    if (a.flags & (int)SA_RESETHAND)
        reset_to_default(sig);
    if (is_fault(sig, info))
        a.handler(sig, info, context);
    else if (!self->inside)
        run_outside(&a, sig, info, context);
    else
        run_asleep(&a, sig, info, context);
}

/* ---- the calls ---- */

static void lock_actions(uint64_t *mask)
{
    uint64_t all = ~0ull;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, mask, sizeof(all));
    while (__atomic_test_and_set(&actions_lock, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void unlock_actions(const uint64_t *mask)
{
    __atomic_clear(&actions_lock, __ATOMIC_RELEASE);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, NULL, sizeof(*mask));
}

static uint64_t fork_mask;

void signal_fork_prepare(void)
{
    lock_actions(&fork_mask);
}
void signal_fork_done(void)
{
    unlock_actions(&fork_mask);
}

static int set_action(int sig, const struct sigaction *act, struct sigaction *old)
{
    shim_need();
    if (sig <= 0 || sig >= SIGNALS || shim_inside())
        return real.sigaction(sig, act, old);

    bool ours = act && is_function(act) && !shim_is_vfork_child();
    struct sigaction install, was;
    uint64_t mask;

    if (act)
        install = *act;
    lock_actions(&mask);
    struct action before = action_read(sig);
    if (ours) {
        action_write(sig, act->sa_sigaction, act->sa_flags);
        install.sa_sigaction = trampoline;
        install.sa_flags = (act->sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
    }
    int r = real.sigaction(sig, act ? &install : NULL, &was);
    if (r < 0 && ours)
        action_write(sig, before.handler, before.flags);
    unlock_actions(&mask);
    if (r < 0)
        return r;
    if (was.sa_sigaction == trampoline) {
        int emulated = SA_SIGINFO | (int)SA_RESETHAND;
        was.sa_sigaction = before.handler;
        was.sa_flags = (was.sa_flags & ~emulated) | (before.flags & emulated);
    }
    if (old)
        *old = was;
    return 0;
}

SHIM_EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    return set_action(sig, act, old);
}

/* signal() in all its ages. The old handler, or SIG_ERR. */
static __sighandler_t set_handler(int sig, __sighandler_t handler, int flags, bool block_itself)
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;
    if (handler == SIG_ERR || sig <= 0 || sig >= SIGNALS) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (block_itself)
        sigaddset(&act.sa_mask, sig);
    return set_action(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

static __sighandler_t set_bsd(int sig, __sighandler_t handler)
{
    return set_handler(sig, handler, sigismember(&interrupting, sig) == 1 ? 0 : SA_RESTART, true);
}

SHIM_EXPORT __sighandler_t signal(int sig, __sighandler_t handler)
{
    return set_bsd(sig, handler);
}
SHIM_EXPORT __sighandler_t bsd_signal(int sig, __sighandler_t handler)
{
    return set_bsd(sig, handler);
}
SHIM_EXPORT __sighandler_t ssignal(int sig, __sighandler_t handler)
{
    return set_bsd(sig, handler);
}

SHIM_EXPORT __sighandler_t __sysv_signal(int sig, __sighandler_t handler)
{
    return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER, false);
}
SHIM_EXPORT __sighandler_t sysv_signal(int sig, __sighandler_t handler)
{
    return __sysv_signal(sig, handler);
}

SHIM_EXPORT int siginterrupt(int sig, int interrupt)
{
    struct sigaction act;
    if (set_action(sig, NULL, &act) < 0)
        return -1;
    if (interrupt) {
        sigaddset(&interrupting, sig);
        act.sa_flags &= ~SA_RESTART;
    } else {
        sigdelset(&interrupting, sig);
        act.sa_flags |= SA_RESTART;
    }
    return set_action(sig, &act, NULL);
}

SHIM_EXPORT int sigignore(int sig)
{
    struct sigaction act = {.sa_handler = SIG_IGN};
    return set_action(sig, &act, NULL);
}

/* System V: sets the handler and the signal's bit in the mask in one. SIG_HOLD in the result: it
 * was blocked. */
SHIM_EXPORT __sighandler_t sigset(int sig, __sighandler_t handler)
{
    sigset_t one, mask;
    struct sigaction old;

    sigemptyset(&one);
    if (sigaddset(&one, sig) < 0)
        return SIG_ERR;
    if (handler == SIG_HOLD) {
        if (pthread_sigmask(SIG_BLOCK, &one, &mask) != 0 || set_action(sig, NULL, &old) < 0)
            return SIG_ERR;
        return sigismember(&mask, sig) ? SIG_HOLD : old.sa_handler;
    }
    __sighandler_t before = set_handler(sig, handler, 0, false);
    if (before == SIG_ERR || pthread_sigmask(SIG_UNBLOCK, &one, &mask) != 0)
        return SIG_ERR;
    return sigismember(&mask, sig) ? SIG_HOLD : before;
}
