/*
 * What the interposed calls keep for each thread, and the marks of being inside.
 *
 * While a thread is inside, every interposed call that it makes (ours, libev's, libc's) goes
 * straight to the kernel, thread cancellation is off, and signal handlers of the program are held
 * back: the handler that we installed in front of them (signal.c) blocks the signal and queues it
 * again, and shim_out() unblocks it. While a thread sleeps (thread_sleep_begin), handlers run at
 * once and the thread may be cancelled; it then holds nothing of the engine, so the handler may
 * call us, or leave by longjmp.
 *
 * errno: what the program had before shim_in() is there again after shim_out().
 */
#ifndef SHIM_THREAD_H
#define SHIM_THREAD_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct waiter;

struct shim_thread {
    int inside;             /* depth */
    int saved_errno;        /* of before the outermost shim_in() */
    int cancel_state;       /* of before the outermost shim_in() */
    int cancel_type;        /* of before the sleep */
    bool waiting;           /* inside, but holding nothing: handlers may run */
    bool interrupted;       /* a handler ran while waiting ... */
    bool restart;           /* ... and each of them was installed with SA_RESTART */
    bool pending;           /* signals were held back ... */
    uint64_t held;          /* ... these: bit sig - 1 */
    struct timespec *sleep; /* timeout of the sleep under way, which a handler cuts short */
    uint32_t word;          /* what the thread's waiters set; 0 while nothing happened */
    struct waiter *waiter;  /* of shim_block(), in the arena; kept from call to call */
};

extern __thread struct shim_thread shim_self __attribute__((tls_model("initial-exec")));

static inline bool shim_inside(void)
{
    return shim_self.inside > 0;
}

static inline void shim_in(void)
{
    if (shim_self.inside++ == 0) {
        shim_self.saved_errno = errno;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &shim_self.cancel_state);
    }
    __asm__ volatile("" ::: "memory");
}

/* Delivers what was held back: unblocks it. errno is kept. */
void shim_deliver_pending(void); /* signal.c */

static inline void shim_out(void)
{
    __asm__ volatile("" ::: "memory");
    if (shim_self.inside == 1) {
        int ignored;
        pthread_setcancelstate(shim_self.cancel_state, &ignored);
        errno = shim_self.saved_errno;
    }
    if (--shim_self.inside == 0 && shim_self.pending)
        shim_deliver_pending();
}

/* Around fork(), so that the child does not inherit a lock. */
void signal_fork_prepare(void);
void signal_fork_done(void);

/* The engine's hooks (io/engine.h). */
void thread_start(void);
void thread_sleep_begin(struct timespec *timeout);
bool thread_sleep_end(void);
/* For pthread_cleanup_push() around a sleep: the thread is being cancelled, and the program's
 * cleanup handlers run outside. */
void thread_cancelled(void *unused);

#endif
