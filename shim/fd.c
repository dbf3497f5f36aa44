/*
 * The descriptor table.
 *
 * Readers take no lock: an entry's kind is stored last and cleared first, and whoever uses its
 * socket checks the cookie under the stack's lock. Writers hold a spin lock for the few
 * instructions that they need; they are always inside, so a signal handler never finds the lock
 * held by its own thread.
 */
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>

#include "io/guard.h"
#include "process.h"
#include "shim.h"

#define FD_LEAVES (((uint32_t)INT_MAX >> FD_LEAF_BITS) + 1)

struct fd_entry *fd_leaves[FD_LEAVES]; /* 16 MB that nobody touches */
static uint32_t leaves_used;           /* how far down there is anything */

static bool table_lock;
static struct stack *stack; /* that the process's sockets belong to */

static void lock_table(void)
{
    while (__atomic_test_and_set(&table_lock, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void unlock_table(void)
{
    __atomic_clear(&table_lock, __ATOMIC_RELEASE);
}

void fd_fork_prepare(void)
{
    lock_table();
}
void fd_fork_done(void)
{
    unlock_table();
}

struct fd_entry *fd_entry(int fd)
{
    if (fd < 0)
        return NULL;
    struct fd_entry *leaf =
        __atomic_load_n(&fd_leaves[(uint32_t)fd >> FD_LEAF_BITS], __ATOMIC_ACQUIRE);
    if (!leaf)
        return NULL;
    struct fd_entry *e = &leaf[fd & (FD_LEAF_SIZE - 1)];
    return __atomic_load_n(&e->kind, __ATOMIC_ACQUIRE) == FD_UNKNOWN ? NULL : e;
}

int fd_next(int from)
{
    uint32_t end = __atomic_load_n(&leaves_used, __ATOMIC_ACQUIRE) << FD_LEAF_BITS;
    for (uint32_t i = from < 0 ? 0 : (uint32_t)from; i < end; i++) {
        struct fd_entry *leaf = __atomic_load_n(&fd_leaves[i >> FD_LEAF_BITS], __ATOMIC_ACQUIRE);
        if (!leaf)
            i |= FD_LEAF_SIZE - 1;
        else if (leaf[i & (FD_LEAF_SIZE - 1)].kind != FD_UNKNOWN)
            return (int)i;
    }
    return -1;
}

/* The place of fd's entry, mapped if need be; NULL: no memory. */
static struct fd_entry *entry_make(int fd)
{
    struct fd_entry **at = &fd_leaves[(uint32_t)fd >> FD_LEAF_BITS];
    struct fd_entry *leaf = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    if (!leaf) {
        size_t bytes = FD_LEAF_SIZE * sizeof(*leaf);
        void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mem == MAP_FAILED)
            return NULL;
        if (__atomic_compare_exchange_n(at, &leaf, (struct fd_entry *)mem, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            leaf = mem;
        else
            munmap(mem, bytes);
        uint32_t used = __atomic_load_n(&leaves_used, __ATOMIC_RELAXED);
        uint32_t need = ((uint32_t)fd >> FD_LEAF_BITS) + 1;
        while (used < need && !__atomic_compare_exchange_n(&leaves_used, &used, need, true,
                                                           __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            ;
    }
    return &leaf[fd & (FD_LEAF_SIZE - 1)];
}

/* Takes fd out of the ring of its description. The table is locked. */
static void ring_leave(int fd, struct fd_entry *e)
{
    int prev = e->next_same;
    for (struct fd_entry *p = fd_entry(prev); p && p->next_same != fd; p = fd_entry(prev))
        prev = p->next_same;
    struct fd_entry *p = fd_entry(prev);
    if (p)
        p->next_same = e->next_same;
    e->next_same = fd;
}

static bool has_ring(const struct fd_entry *e)
{
    return e->kind == FD_STACK || e->kind == FD_EPOLL;
}

/* Empties e, which stays locked. */
static void entry_reset(int fd, struct fd_entry *e)
{
    if (has_ring(e))
        ring_leave(fd, e);
    __atomic_store_n(&e->kind, FD_UNKNOWN, __ATOMIC_RELEASE);
    e->shared = 0;
    e->cookie = 0;
    e->sock = NULL;
    e->next_same = fd;
}

/* Starts to fill fd's entry: emptied and locked. NULL: no memory, not locked. */
static struct fd_entry *entry_open(int fd)
{
    struct fd_entry *e = entry_make(fd);
    if (!e)
        return NULL;
    lock_table();
    entry_reset(fd, e);
    return e;
}

static int entry_commit(struct fd_entry *e, enum fd_kind kind)
{
    __atomic_store_n(&e->kind, kind, __ATOMIC_RELEASE);
    unlock_table();
    return 0;
}

int fd_set_stack(int fd, struct sock *so)
{
    struct fd_entry *e = entry_open(fd);
    if (!e)
        return -ENOMEM;
    stack = so->stack;
    e->cookie = so->cookie;
    e->sock = so;
    e->frees = stack->sock_frees;
    return entry_commit(e, FD_STACK);
}

int fd_set_epoll(int fd, struct epset *set)
{
    struct fd_entry *e = entry_open(fd);
    if (!e)
        return -ENOMEM;
    e->epset = set;
    return entry_commit(e, FD_EPOLL);
}

int fd_set_kind(int fd, enum fd_kind kind)
{
    struct fd_entry *e = entry_open(fd);
    if (!e)
        return -ENOMEM;
    return entry_commit(e, kind);
}

void fd_clear(int fd)
{
    struct fd_entry *e = fd_entry(fd);
    if (!e)
        return;
    lock_table();
    entry_reset(fd, e);
    unlock_table();
}

int fd_copy(int oldfd, int newfd)
{
    struct fd_entry *old = fd_entry(oldfd);
    if (old && (old->kind == FD_IPV6 || old->kind == FD_FOREIGN))
        return fd_set_kind(newfd, (enum fd_kind)old->kind);
    if (!old || !has_ring(old)) {
        fd_clear(newfd);
        return 0;
    }
    if (oldfd == newfd)
        return 0;
    struct fd_entry *e = entry_open(newfd);
    if (!e)
        return -ENOMEM;
    e->shared = old->shared;
    e->cookie = old->cookie;
    e->sock = old->sock;
    e->frees = old->frees;
    e->next_same = old->next_same;
    old->next_same = newfd;
    return entry_commit(e, (enum fd_kind)old->kind);
}

bool fd_is_alone_here(int fd)
{
    struct fd_entry *e = fd_entry(fd);
    return e && e->next_same == fd;
}

bool fd_is_alone(int fd)
{
    struct fd_entry *e = fd_entry(fd);
    return e && !e->shared && e->next_same == fd;
}

void fd_mark_shared(int fd)
{
    struct fd_entry *e = fd_entry(fd);
    if (!e || !has_ring(e))
        return;
    lock_table();
    int at = fd;
    do {
        e->shared = 1;
        at = e->next_same;
        e = fd_entry(at);
    } while (e && at != fd);
    unlock_table();
}

void fd_mark_all_shared(void)
{
    for (int fd = fd_next(0); fd >= 0 && fd < INT_MAX; fd = fd_next(fd + 1)) {
        struct fd_entry *e = fd_entry(fd);
        if (e && has_ring(e))
            e->shared = 1;
    }
}

uint64_t fd_kernel_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    int saved = errno;
    if (real.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
        cookie = 0;
    errno = saved;
    return cookie;
}

struct sock *fd_sock(int fd)
{
    struct fd_entry *e = fd_entry(fd);
    if (!e || e->kind != FD_STACK)
        return NULL;
    if (e->frees != stack->sock_frees) {
        e->sock = sock_by_cookie(stack, e->cookie);
        e->frees = stack->sock_frees;
    }
    return e->sock;
}

/* Another descriptor of this process that has this cookie, or -1. */
static int find_same(int fd, uint64_t cookie)
{
    for (int i = fd_next(0); i >= 0 && i < INT_MAX; i = fd_next(i + 1)) {
        struct fd_entry *e = fd_entry(i);
        if (i != fd && e && e->kind == FD_STACK && e->cookie == cookie)
            return i;
    }
    return -1;
}

static bool is_inet_socket(int fd)
{
    int domain = 0, saved = errno;
    socklen_t len = sizeof(domain);
    bool yes = real.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
               (domain == AF_INET || domain == AF_INET6);
    errno = saved;
    return yes;
}

bool fd_may_be_placeholder(int fd)
{
    struct sockaddr_in6 name = {0}; /* has its port where sockaddr_in has it */
    socklen_t len = sizeof(name);
    int saved = errno;
    bool may = real.getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
               (name.sin6_port == 0 || guard_drops_all(fd));
    errno = saved;
    return may;
}

/* Is it a socket of our stack? Then fd is known as such from now on. */
static bool recognize(int fd, uint64_t cookie)
{
    int same = find_same(fd, cookie);
    struct stack *st = engine_enter();
    struct sock *so = sock_by_cookie(st, cookie);
    bool known = so && (same >= 0 ? fd_copy(same, fd) : fd_set_stack(fd, so)) == 0;
    engine_leave();
    if (known)
        fd_mark_shared(fd); /* we do not know who else came by it */
    return known;
}

enum fd_kind fd_identify(int fd)
{
    fd_clear(fd);
    uint64_t cookie = is_inet_socket(fd) ? fd_kernel_cookie(fd) : 0;
    if (cookie == 0)
        return FD_KERNEL;
    if ((engine_running() || (exec_is_heir() && shim_start() == 0)) && recognize(fd, cookie))
        return FD_STACK;
    if (!fd_may_be_placeholder(fd))
        return FD_KERNEL;
    int r = shim_join_by(fd);
    if (r == 0)
        return recognize(fd, cookie) ? FD_STACK : FD_KERNEL;
    /* Elsewhere a datagram socket would be silent for ever. */
    if (r != -EXDEV && !guard_drops_all(fd))
        return FD_KERNEL;
    fd_set_kind(fd, FD_FOREIGN);
    return FD_FOREIGN;
}

void fd_mark_inherited(int fd)
{
    if (is_inet_socket(fd))
        fd_set_kind(fd, FD_INHERITED);
}

bool fd_is_unknown_heritage(int fd)
{
    const struct fd_entry *e = fd_entry(fd);
    return e && e->kind == FD_INHERITED;
}

enum fd_kind fd_ask(int fd)
{
    shim_need();
    struct fd_entry *e = fd_entry(fd);
    if (!e || e->kind != FD_INHERITED)
        return e ? (enum fd_kind)e->kind : FD_KERNEL;
    if (shim_inside() || shim_is_vfork_child())
        return FD_KERNEL;
    shim_in();
    enum fd_kind kind = fd_identify(fd);
    shim_out();
    return kind;
}
