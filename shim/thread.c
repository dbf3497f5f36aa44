/*
 * A thread's sleep inside a call: the one place where the program's signal handlers run and where
 * it may be cancelled.
 *
 * No wake-up is lost between the last look and the system call: a handler that runs in between sets
 * the call's timeout to zero (signal.c), and cancellation is asynchronous for that while, as libc
 * itself does it around its own calls.
 */
#include "shim.h"

void thread_start(void)
{
    /* For good: a thread of the engine makes no calls for the program. */
    shim_in();
}

void thread_sleep_begin(struct timespec *timeout)
{
    struct shim_thread *self = &shim_self;
    int ignored;

    self->interrupted = false;
    self->restart = true;
    self->sleep = timeout;
    if (self->cancel_state == PTHREAD_CANCEL_ENABLE) {
        /* In this order: a thread that glibc cancels within pthread_setcancelstate() ends with NULL
         * instead of PTHREAD_CANCELED. */
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &ignored);
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &self->cancel_type);
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->waiting = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (self->pending)
        shim_deliver_pending();
}

void thread_cancelled(void *unused)
{
    shim_self.waiting = false;
    shim_self.inside = 0;
}

bool thread_sleep_end(void)
{
    struct shim_thread *self = &shim_self;
    int ignored;

    self->waiting = false;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (self->cancel_state == PTHREAD_CANCEL_ENABLE) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
        pthread_setcanceltype(self->cancel_type, &ignored);
    }
    self->sleep = NULL;
    return self->interrupted;
}
