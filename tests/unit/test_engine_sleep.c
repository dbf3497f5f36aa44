/* Hooks and signals as libshim.so has them (test_engine.h). */
#include "test_engine.h"

#include <pthread.h>
#include <signal.h>

static __thread struct timespec *asleep;
static __thread bool interrupted;
static unsigned sleeps, met; /* atomic */
sigjmp_buf sleep_away;

static void sleep_begin(struct timespec *timeout)
{
    interrupted = false;
    asleep = timeout;
    __atomic_fetch_add(&sleeps, 1, __ATOMIC_SEQ_CST);
}

static bool sleep_end(void)
{
    asleep = NULL;
    return interrupted;
}

void sleep_hooks(void)
{
    static const struct engine_hooks hooks = {.sleep_begin = sleep_begin, .sleep_end = sleep_end};
    engine_set_hooks(&hooks);
}

unsigned sleep_count(void)
{
    return __atomic_load_n(&sleeps, __ATOMIC_SEQ_CST);
}

void sleep_count_reset(void)
{
    __atomic_store_n(&sleeps, 0, __ATOMIC_SEQ_CST);
}

/* ---- handlers ---- */

static void on_signal(int sig)
{
    if (!asleep)
        return;
    interrupted = true;
    *asleep = (struct timespec){0};
    __atomic_fetch_add(&met, 1, __ATOMIC_SEQ_CST);
}

static void on_signal_leave(int sig)
{
    if (!asleep)
        return;
    asleep = NULL;
    __atomic_fetch_add(&met, 1, __ATOMIC_SEQ_CST);
    siglongjmp(sleep_away, 1);
}

static void catch_with(void (*handler)(int), int flags)
{
    struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
    ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
}

void sleep_catch(int flags)
{
    catch_with(on_signal, flags);
}

void sleep_catch_and_leave(void)
{
    catch_with(on_signal_leave, 0);
}

/* ---- the sender ---- */

static pthread_t interrupter, target;

static void *interrupt(void *arg)
{
    while (__atomic_load_n(&met, __ATOMIC_SEQ_CST) == 0) {
        pthread_kill(target, SIGUSR1);
        poll(NULL, 0, 1);
    }
    return NULL;
}

void sleep_interrupter_start(void)
{
    target = pthread_self();
    __atomic_store_n(&met, 0, __ATOMIC_SEQ_CST);
    ck_assert_int_eq(pthread_create(&interrupter, NULL, interrupt, NULL), 0);
}

void sleep_interrupter_join(void)
{
    ck_assert_int_eq(pthread_join(interrupter, NULL), 0);
}
