#include "fake_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/keeper.h"

#define ARENA_BYTES (64u << 20)
#define WAKES       64

int fake_start_result;
unsigned fake_entries;

static const struct engine_hooks *hooks;
static struct config config;
static struct stack *stack;
static struct proc *proc;
static bool (*notify)(void *item, uint32_t fired);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int drop(void *ctx, struct netif *nif, const struct frame *f)
{
    return 0;
}
static struct net_env env = {.output = drop};

struct sockaddr_in fake_name(uint32_t addr, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr), .sin_port = htons(port)};
}

void engine_set_hooks(const struct engine_hooks *h)
{
    hooks = h;
}
bool engine_running(void)
{
    return stack != NULL;
}
const struct config *engine_config(void)
{
    return &config;
}
size_t engine_map_bytes(void)
{
    return 0;
}
bool engine_host_mode(void)
{
    return false;
}
struct proc *engine_proc(void)
{
    return proc;
}
bool engine_is_kernel_destination(const struct ip_addr *dst)
{
    return !addr_is_v4(dst) || addr_is_loopback(dst);
}

/* No housekeeper. */
int keeper_start(void)
{
    return -ECHILD;
}
bool keeper_is_settled(void)
{
    return true;
}
bool keeper_is_there(void)
{
    return false;
}
int keeper_tell(enum keeper_word word, uint32_t value, int fd)
{
    return -ECONNREFUSED;
}

int engine_start(const struct config *c, char *why, size_t why_bytes)
{
    if (fake_start_result < 0) {
        snprintf(why, why_bytes, "told to fail");
        return fake_start_result;
    }
    config = *c;
    void *mem = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct stack *st = mem == MAP_FAILED ? NULL : stack_create(arena_init(mem, ARENA_BYTES, 0), 1);
    if (!st)
        return -ENOMEM;
    const struct netif nif = {
        .index = 1, .name = "fake0", .type = NETIF_IP, .mtu = 1500, .up = true};
    const struct ip_addr own = addr_v4(FAKE_ADDRESS);
    proc = stack_proc_add(st, getpid());
    stack_enter(st, clock_now_us(), &env);
    netif_add_addr(&st->net, netif_add(&st->net, &nif), &own, 24, false, false);
    stack_leave(st);
    stack = st;
    return 0;
}

struct stack *engine_enter(void)
{
    pthread_mutex_lock(&lock);
    fake_entries++;
    stack_enter(stack, clock_now_us(), &env);
    return stack;
}

void engine_leave(void)
{
    struct waiter fired[WAKES];
    size_t n = 0;
    struct list *node;

    stack_leave(stack);
    /* What we send to ourselves arrives by a timer that is due at once. */
    while (stack_next_deadline(stack) <= clock_now_us()) {
        stack_enter(stack, clock_now_us(), &env);
        stack_poll(stack);
        stack_leave(stack);
    }
    while (n < WAKES && (node = list_pop(&proc->fired))) {
        struct waiter *w = container_of(node, struct waiter, on_fired);
        fired[n++] = *w;
        w->fired = 0;
        if (w->kind == WAITER_THREAD)
            __atomic_store_n(w->futex_at, 1, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < n; i++) {
        if (fired[i].kind == WAITER_EPOLL)
            notify(fired[i].item, fired[i].fired);
        else
            syscall(SYS_futex, fired[i].futex_at, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
}

void engine_run(void)
{
    stack_poll(engine_enter());
    engine_leave();
}

/* A thread that is cancelled leaves a frame behind that AddressSanitizer knows nothing of. */
__attribute__((no_sanitize("address"))) int engine_wait(uint32_t *word, uint64_t deadline_us)
{
    while (!__atomic_load_n(word, __ATOMIC_SEQ_CST)) {
        uint64_t now = clock_now_us(), until = stack_next_deadline(stack);
        if (now >= deadline_us)
            return -ETIMEDOUT;
        if (until > deadline_us)
            until = deadline_us;
        if (until <= now) {
            engine_run();
            continue;
        }
        struct timespec ts = {INT_MAX, 0};
        if (until != TIMER_NEVER)
            ts = (struct timespec){(time_t)((until - now) / 1000000),
                                   (long)((until - now) % 1000000 * 1000)};
        hooks->sleep_begin(&ts);
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
        if (hooks->sleep_end())
            return -EINTR;
    }
    return 0;
}

int engine_poll(struct pollfd *fds, nfds_t n, uint32_t *word, uint64_t deadline_us,
                const sigset_t *sigmask)
{
    /* In slices: nothing but the word tells when a socket is ready. */
    for (;;) {
        struct timespec slice = {.tv_nsec = 1000000};
        hooks->sleep_begin(&slice);
        int r = (int)syscall(SYS_ppoll, fds, n, &slice, sigmask, _NSIG / 8);
        int error = errno;
        bool interrupted = hooks->sleep_end();
        if (r < 0)
            return -error;
        if (r > 0 || __atomic_load_n(word, __ATOMIC_SEQ_CST))
            return r;
        if (interrupted)
            return -EINTR;
        if (clock_now_us() >= deadline_us)
            return 0;
        engine_run();
    }
}

int engine_epoll_attach(int epfd)
{
    return 0;
}
void engine_epoll_detach(int epfd) {}
void engine_set_signal_notify(void (*fn)(void *item, uint64_t cookie, uint32_t fired)) {}
void engine_set_epoll_notify(bool (*fn)(void *item, uint32_t fired))
{
    notify = fn;
}
int engine_fd_hide(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FAKE_HIDDEN);
    close(fd);
    if (high >= 0)
        hooks->fd_private(high, true);
    return high < 0 ? -errno : high;
}
void engine_fd_close(int fd)
{
    hooks->fd_private(fd, false);
    close(fd);
}
bool engine_fd_is_private(int fd)
{
    return fd >= FAKE_HIDDEN;
}
void engine_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}
void engine_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}
void engine_fork_child(void)
{
    pthread_mutex_init(&lock, NULL);
}
bool engine_heirloom(struct engine_heirloom *h)
{
    return false;
}
bool engine_is_unmade(const struct engine_heirloom *h)
{
    return false;
}
int engine_reserve(void)
{
    return 0;
}
void engine_reserve_release(void) {}
void engine_settle(void) {}
void engine_confine(void) {}
void engine_unconfine(void) {}
void engine_reserve_adopt(const struct engine_heirloom *h) {}
bool engine_reserve_is_held(void)
{
    return false;
}
int engine_join(const struct engine_heirloom *h, char *why, size_t why_bytes)
{
    return -ENOSYS;
}
void engine_set_kin(const struct engine_kin *kin) {}
int engine_join_by(int fd, char *why, size_t why_bytes)
{
    return -ENOENT;
}
void engine_thread_end(void) {}
bool engine_sleeps(uint32_t *id)
{
    *id = 0;
    return false;
}
void engine_sleeps_no_more(uint32_t id) {}
bool engine_is_rung(void)
{
    return false;
}
void engine_always_ring(void) {}
void engine_fd_adopt(int fd, bool is_private) {}
void engine_freeze(void) {}
void engine_thaw(void) {}
void engine_exit(void) {}

bool engine_service_pause(void)
{
    return false;
}
void engine_service_resume(void) {}
