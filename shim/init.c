/*
 * Initialisation.
 *
 * Two steps. Loading the library only looks up the real calls and hangs hooks into fork and exit:
 * LD_PRELOAD leaks into every helper that a program runs. The stack itself starts at the first inet
 * socket (shim_start()).
 *
 * shim_init() is called by the constructor, but constructors of other libraries may run, and call
 * us, before it: every wrapper comes by fd_kind() or shim_need(), which call it.
 */
#include <sched.h>
#include <string.h>

#include "process.h"
#include "shim.h"
#include "streams.h"

__thread struct shim_thread shim_self __attribute__((tls_model("initial-exec")));

bool shim_ready;
pid_t shim_pid;

static const struct engine_hooks hooks = {
    .thread_start = thread_start,
    .sleep_begin = thread_sleep_begin,
    .sleep_end = thread_sleep_end,
    .fd_private = process_fd_private,
};

/* Takes over what came with exec. Once; not before there is an environment (a sanitizer's runtime
 * calls us before libc has one): then the constructor does it. */
static void inherit(void)
{
    static bool done;
    if (done || !environ)
        return;
    done = true;
    shim_in();
    exec_init();
    shim_out();
    if (!exec_has_inherited())
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        streams_follow(fd);
}

__attribute__((constructor)) static void loaded(void)
{
    int saved = errno;
    shim_init();
    inherit();
    errno = saved;
}

void shim_init(void)
{
    static int state; /* 0: not begun, 1: under way, 2: done */
    static pid_t by;  /* thread that does it */
    int none = 0;

    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 2)
        return;
    pid_t tid = gettid(); /* not syscall(): that is ours */
    if (!__atomic_compare_exchange_n(&state, &none, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        /* dlsym() may allocate, and a replaced malloc may call us again: then real has what was
         * found so far. */
        while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 1 &&
               __atomic_load_n(&by, __ATOMIC_RELAXED) != tid)
            sched_yield();
        return;
    }
    __atomic_store_n(&by, tid, __ATOMIC_RELAXED);
    int saved = errno;
    real_init();
    shim_in();
    shim_pid = getpid();
    engine_set_hooks(&hooks);
    process_init();
    shim_ready = true;
    __atomic_store_n(&state, 2, __ATOMIC_RELEASE);
    shim_out();
    inherit();
    errno = saved;
}

bool shim_is_vfork_child(void)
{
    return getpid() != shim_pid;
}

/* One line, without stdio: the program may have closed or replaced stderr's FILE. */
static void complain(const char *why)
{
    static bool told;
    if (__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
        return;
    struct iovec line[] = {{(void *)(uintptr_t) "libshim: ", 9},
                           {(void *)(uintptr_t)why, strlen(why)},
                           {(void *)(uintptr_t) "\n", 1}};
    if (real.writev(STDERR_FILENO, line, 3) < 0)
        return;
}

/* A stack that we were handed a socket of is to be ours. process_lock() is held. */
static bool join_for_received(char *why, size_t why_bytes)
{
    for (int fd = fd_next(0); fd >= 0 && fd < INT_MAX; fd = fd_next(fd + 1))
        if (fd_is_unknown_heritage(fd) && fd_may_be_placeholder(fd) &&
            engine_join_by(fd, why, why_bytes) == 0)
            return true;
    return false;
}

static int start(char *why, size_t why_bytes)
{
    struct config c;

    process_lock();
    int r = 0;
    if (engine_running()) {
        r = 0;
    } else if (exec_is_heir()) {
        r = exec_join(why, why_bytes);
    } else if (!join_for_received(why, why_bytes)) {
        r = config_load(&c, why, why_bytes);
        if (r == 0) {
            r = engine_start(&c, why, why_bytes);
            if (r < 0 && c.fallback_kernel)
                r = -ENOSYS;
        }
    }
    process_unlock();
    return r;
}

int shim_start(void)
{
    char why[256] = "";
    int r = engine_running() ? 0 : start(why, sizeof(why));
    if (r < 0 && r != -ENOSYS)
        complain(why);
    return r;
}

int shim_start_quietly(void)
{
    char why[256];
    return engine_running() ? 0 : start(why, sizeof(why));
}

int shim_join_by(int fd)
{
    char why[256] = "";
    process_lock();
    int r = engine_join_by(fd, why, sizeof(why));
    process_unlock();
    if (r < 0 && r != -ENOENT)
        complain(why);
    return r;
}

struct sock *shim_enter(int fd)
{
    while (fd_kind(fd) == FD_STACK) {
        engine_enter();
        struct sock *so = fd_sock(fd);
        if (so)
            return so;
        engine_leave();
        if (fd_kind(fd) == FD_STACK)
            fd_identify(fd);
    }
    return NULL;
}

int shim_not_ours(int fd)
{
    enum fd_kind kind = fd_kind(fd);
    return kind == FD_PRIVATE ? -EBADF : kind == FD_FOREIGN ? -EOPNOTSUPP : SHIM_KERNEL;
}
