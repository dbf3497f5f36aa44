/*
 * What the interposed calls keep for each thread, and the marks of being inside.
 *
 * While a thread is inside, every interposed call that it makes (ours, libev's, libc's) goes straight to the kernel,
 * and signal handlers of the program are held back: the handler that we installed in front of them (signal.c)
 * queues the signal, and shim_out() delivers it. While a thread waits (shim_wait_begin), handlers run at once;
 * before one runs, everything the thread holds in the engine has been given up, so the handler may call us, or leave by longjmp.
 */
#ifndef SHIM_THREAD_H
#define SHIM_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct shim_thread {
    int inside;             /* depth */
    bool waiting;           /* inside, but holding nothing: handlers may run */
    bool interrupted;       /* a handler ran while waiting ... */
    bool restart;           /* ... and each of them was installed with SA_RESTART */
    bool pending;           /* signals were held back */
    uint32_t word;          /* what the thread's waiters set; 0 while nothing happened */
};

extern __thread struct shim_thread shim_self __attribute__((tls_model("initial-exec")));

static inline bool shim_inside(void) { return shim_self.inside > 0; }
static inline void shim_in(void)
{
    shim_self.inside++;
    __asm__ volatile("" ::: "memory");
}
void shim_deliver_pending(void); /* signal.c */
static inline void shim_out(void)
{
    __asm__ volatile("" ::: "memory");
    if (--shim_self.inside == 0 && shim_self.pending)
        shim_deliver_pending();
}

#endif
