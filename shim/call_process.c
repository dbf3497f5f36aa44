/*
 * The life of the process.
 *
 * fork: through pthread_atfork(), which libc's own forks (daemon, forkpty) observe too; _Fork()
 * does not, so it is interposed; nor does clone(), by its name or its number, which is a fork if
 * the memory is not shared. Children of vfork() run in our memory: whoever changes the descriptor
 * table asks shim_is_vfork_child() first. What spawns through vfork inside libc (posix_spawn,
 * system, popen) leaves descriptors behind in the child: sockets count as shared from then on.
 */
#include <linux/futex.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "epset.h"
#include "kin.h"
#include "pollset.h"
#include "process.h"
#include "shim.h"
#include "streams.h"

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t thread_key;

void process_lock(void)
{
    pthread_mutex_lock(&start_lock);
}
void process_unlock(void)
{
    pthread_mutex_unlock(&start_lock);
}

void process_fd_private(int fd, bool is_private)
{
    if (is_private)
        fd_set_kind(fd, FD_PRIVATE);
    else
        fd_clear(fd);
}

/* ---- threads ---- */

static void thread_ends(void *unused)
{
    if (!engine_running())
        return;
    shim_in();
    epset_thread_end();
    pollset_thread_end();
    engine_thread_end();
    struct waiter *w = shim_self.waiter;
    if (w) {
        struct stack *st = engine_enter();
        sock_waiter_free(st, w);
        shim_self.waiter = NULL;
        engine_leave();
    }
    shim_out();
}

void process_watch_thread(void)
{
    pthread_setspecific(thread_key, &shim_self);
}

/* ---- fork ---- */

static bool forking_engine;

static void fork_prepare(void)
{
    shim_in();
    process_lock();
    kin_forks();
    forking_engine = engine_running();
    if (forking_engine) {
        fd_mark_all_shared();
        engine_fork_prepare();
    }
    epset_fork_prepare();
    fd_fork_prepare();
    signal_fork_prepare();
}

/* The tables of this process can be used again. */
static void fork_tables_done(void)
{
    signal_fork_done();
    fd_fork_done();
}

static void fork_done(void)
{
    process_unlock();
    shim_out();
}

static void fork_parent(void)
{
    epset_fork_parent();
    fork_tables_done();
    if (forking_engine)
        engine_fork_parent();
    fork_done();
}

static void fork_child(void)
{
    shim_pid = getpid();
    shim_self.waiter = NULL; /* it is the parent's */
    kin_forked();
    pollset_forget();
    epset_fork_child();
    streams_fork_child();
    fork_tables_done();
    if (forking_engine) /* closes a descriptor */
        engine_fork_child();
    fork_done();
}

void process_init(void)
{
    pthread_key_create(&thread_key, thread_ends);
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static pid_t forked(pid_t pid)
{
    int saved = errno;
    if (pid == 0)
        fork_child();
    else
        fork_parent();
    errno = saved;
    return pid;
}

SHIM_EXPORT pid_t _Fork(void)
{
    shim_need();
    if (shim_inside())
        return real._Fork();
    fork_prepare();
    return forked(real._Fork());
}

/* Is it a fork with these flags? (Who has libc's thread variables elsewhere is on his own.) */
static bool flags_fork(uint64_t flags)
{
    return !(flags & (CLONE_VM | CLONE_SETTLS));
}

bool process_syscall_forks(long n, long a, long b)
{
    switch (n) {
#ifdef SYS_fork
    case SYS_fork:
        return true;
#endif
    case SYS_clone:
        return flags_fork((uint64_t)a) && b == 0;
    case SYS_clone3: {
        const struct clone_args *args = (const void *)(uintptr_t)a;
        return (size_t)b >= CLONE_ARGS_SIZE_VER0 && args && flags_fork(args->flags) && !args->stack;
    }
    default:
        return false;
    }
}

/* What libc's own forks do for the thread of the child, and a bare clone() leaves undone: its
 * number, which goes into the locks that it takes, and the list of those that others can repair. */
struct bare {
    int *tid;
    struct robust_list_head *robust;
    size_t robust_bytes;
    int home;    /* the network namespace, if the child gets another one */
    bool paused; /* the engine's thread: libc would look for it in the child */
};

static void bare_service(struct bare *b, bool runs)
{
    shim_in();
    process_lock();
    if (!runs)
        b->paused = engine_service_pause();
    else if (b->paused)
        engine_service_resume();
    process_unlock();
    shim_out();
}

static void bare_prepare(struct bare *b, uint64_t flags)
{
    bool moves = flags & CLONE_NEWNET && engine_running();
    b->home = moves ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
    if (real.prctl(PR_GET_TID_ADDRESS, &b->tid) < 0)
        b->tid = NULL;
    if (real.syscall(SYS_get_robust_list, 0, &b->robust, &b->robust_bytes) < 0)
        b->robust = NULL;
    bare_service(b, false);
    fork_prepare();
}

static void bare_child(const struct bare *b)
{
    if (b->tid)
        *b->tid = gettid();
    if (!b->robust)
        return;
    b->robust->list.next = &b->robust->list;
    b->robust->list_op_pending = NULL;
    real.syscall(SYS_set_robust_list, b->robust, b->robust_bytes);
}

/* A child in a network namespace of its own keeps the stack that it had. What it needs of the
 * kernel for that (bells, events) is to be had at home only. */
static void settle_at_home(int home)
{
    int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    shim_in();
    if (here >= 0 && real.setns(home, CLONE_NEWNET) == 0) {
        engine_settle();
        real.setns(here, CLONE_NEWNET);
    }
    shim_out();
    if (here >= 0)
        real.close(here);
}

static pid_t bare_done(struct bare *b, pid_t pid)
{
    int saved = errno;
    forked(pid);
    if (pid != 0)
        bare_service(b, true);
    if (pid == 0 && b->home >= 0)
        settle_at_home(b->home);
    if (b->home >= 0)
        real.close(b->home);
    errno = saved;
    return pid;
}

static uint64_t syscall_flags(long n, long a)
{
    if (n == SYS_clone3)
        return ((const struct clone_args *)(uintptr_t)a)->flags;
    return n == SYS_clone ? (uint64_t)a : 0;
}

long process_fork_syscall(long n, long a, long b, long c, long d, long e)
{
    struct bare bare;
    bare_prepare(&bare, syscall_flags(n, a));
    pid_t pid = (pid_t)real.syscall(n, a, b, c, d, e);
    if (pid == 0)
        bare_child(&bare);
    return bare_done(&bare, pid);
}

/* What the child of clone() begins with. */
struct begin {
    int (*fn)(void *arg);
    void *arg;
    struct bare bare;
};

static int cloned(void *arg)
{
    struct begin *b = arg;
    bare_child(&b->bare);
    bare_done(&b->bare, 0);
    /* libc would end this thread only, and there may be the engine's. */
    _exit(b->fn(b->arg));
}

SHIM_EXPORT int clone(int (*fn)(void *arg), void *stack, int flags, void *arg, ...)
{
    struct begin b = {.fn = fn, .arg = arg};
    void *more[3];
    va_list ap;
    va_start(ap, arg);
    for (int i = 0; i < 3; i++)
        more[i] = va_arg(ap, void *);
    va_end(ap);
    shim_need();
    if (shim_inside() || !flags_fork((uint64_t)flags))
        return real.clone(fn, stack, flags, arg, more[0], more[1], more[2]);
    bare_prepare(&b.bare, (uint64_t)flags);
    return bare_done(&b.bare,
                     real.clone(fn ? cloned : NULL, stack, flags, &b, more[0], more[1], more[2]));
}

/* ---- libc's own spawning: the child holds what is not close-on-exec (the rest is in call_exec.c)
 * ---- */

static void before_spawn(void)
{
    shim_need();
    if (!shim_inside() && engine_running())
        fd_mark_all_shared();
}

SHIM_EXPORT int system(const char *command)
{
    before_spawn();
    return real.system(command);
}

SHIM_EXPORT FILE *popen(const char *command, const char *mode)
{
    before_spawn();
    return real.popen(command, mode);
}

/* ---- the end ---- */

static void leave_engine(void)
{
    if (shim_inside() || !engine_running() || shim_is_vfork_child())
        return;
    shim_in();
    engine_exit();
    engine_freeze();
    shim_out();
}

__attribute__((destructor)) static void process_exit(void)
{
    if (engine_running())
        streams_flush();
    leave_engine();
}

SHIM_EXPORT void _exit(int status)
{
    shim_need();
    leave_engine();
    real._exit(status);
    __builtin_unreachable();
}

SHIM_EXPORT void _Exit(int status)
{
    shim_need();
    leave_engine();
    real._Exit(status);
    __builtin_unreachable();
}
