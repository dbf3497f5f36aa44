/*
 * Epoll with sockets of ours.
 *
 * The program's epoll descriptor is the kernel's, and kernel descriptors are registered in it by
 * the kernel. Sockets of ours are items of a set that belongs to this process; an item has a waiter
 * in its socket's list. When the socket becomes ready, the engine calls notify() after the entry,
 * and the item goes to the set's ready list. As in the kernel, being in that list only means that
 * the item is worth a look: epset_wait() asks sock_poll() for the truth.
 *
 *     program's instance P <------- wait instance W -------> the engine's descriptors
 *       |        |                        |
 *     kernel   outer eventfd          wake eventfd
 *   descriptors
 *
 * With the first socket of ours, a set gets W, in which threads sleep in place of P: what wakes
 * them is a kernel event in P, input for the engine, or another thread that has put something into
 * the ready list while they slept and writes to the wake eventfd. P itself stays free of the
 * engine: who looks at it from outside (poll, select, an epoll instance that P is nested in) sees
 * the kernel's events, and those of ours by way of the outer eventfd, which is made when somebody
 * is known to look, and is readable while the ready list is not empty. The same eventfd fetches
 * threads out of P that went to sleep there before the set had any socket of ours.
 *
 * Keys. An item is registered under the open file description (the placeholder's cookie) and the
 * descriptor's number, as in the kernel: it outlives that number while other descriptors of the
 * description exist in any process. When the last one goes, sock_close() detaches the waiter, and
 * the item is swept up when the ready list is looked at.
 *
 * Locks: the stack's lock (engine_enter), then epset_lock, then the descriptor table's. notify() is
 * called with none of them. A waiter is touched with the stack's lock held; everything of sets and
 * items with epset_lock.
 *
 * fork(). P is shared by both processes, the set is copied. The child makes itself a new W and new
 * waiters when it first uses the descriptor. From the fork on both see all events of their common
 * sockets, where in the kernel each would go to one of them; and what either changes with
 * epoll_ctl() about sockets of ours concerns itself alone.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "epset_int.h"
#include "io/clock.h"

#define SETS_PER_MAP 64

struct lock epset_lock;
uint32_t epset_epoch = 1;

static struct list sets = {&sets, &sets};
static struct list free_sets = {&free_sets, &free_sets};
static struct stack *stack; /* the same as long as the process lives */
static int raised_sets;     /* atomic */

struct stack *epset_enter(void)
{
    stack = engine_enter();
    lock_take(&epset_lock);
    return stack;
}

void epset_leave(void)
{
    lock_give(&epset_lock);
    engine_leave();
}

/* ---- sets ---- */

/* Memory of sets is never given back: a stale pointer still points to a set. */
static struct epset *set_take_free(void)
{
    if (list_empty(&free_sets)) {
        struct epset *s = mmap(NULL, SETS_PER_MAP * sizeof(*s), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s == MAP_FAILED)
            return NULL;
        for (unsigned i = 0; i < SETS_PER_MAP; i++)
            list_push(&free_sets, &s[i].node);
    }
    return container_of(list_pop(&free_sets), struct epset, node);
}

struct epset *epset_new(void)
{
    lock_take(&epset_lock);
    struct epset *set = set_take_free();
    if (set) {
        int32_t plain = __atomic_load_n(&set->plain, __ATOMIC_RELAXED);
        *set = (struct epset){.wait_fd = -1,
                              .wake_fd = -1,
                              .outer_fd = -1,
                              .epoch = epset_epoch,
                              .plain = plain,
                              .open = true};
        list_init(&set->items);
        epready_init(&set->ready);
        list_push(&sets, &set->node);
    }
    lock_give(&epset_lock);
    return set;
}

static void hidden_close(int fd)
{
    if (fd >= 0)
        engine_fd_close(fd);
}

/* Frees an item. In an entry when it has a waiter. */
static void item_drop(struct epitem *it)
{
    struct epset *set = it->set;
    epready_drop(&set->ready, it);
    if (it->waiter)
        sock_waiter_free(stack, it->waiter);
    if (it->events & EPOLLEXCLUSIVE)
        set->exclusives--;
    set->item_count--;
    epitem_free(it);
}

/* Nobody has it any more: neither the program nor a thread in epset_wait(). */
static void set_free(struct epset *set)
{
    if (set->raised)
        __atomic_fetch_sub(&raised_sets, 1, __ATOMIC_RELAXED);
    hidden_close(set->wait_fd);
    hidden_close(set->wake_fd);
    hidden_close(set->outer_fd);
    list_remove(&set->node);
    list_push(&free_sets, &set->node);
}

/* The program's last descriptor and the last thread in it are gone. */
static void set_finish(struct epset *set)
{
    /* A set that fork() copied and this process never used: its waiters are its parent's. */
    bool own = set->epoch == epset_epoch;
    bool entry = own && set->item_count > 0;
    if (entry)
        epset_enter();
    else
        lock_take(&epset_lock);
    LIST_FOREACH_SAFE (n, &set->items) {
        struct epitem *it = container_of(n, struct epitem, of_set);
        if (!own)
            it->waiter = NULL;
        item_drop(it);
    }
    set_free(set);
    if (entry)
        epset_leave();
    else
        lock_give(&epset_lock);
}

void epset_closed(struct epset *set)
{
    lock_take(&epset_lock);
    set->open = false;
    bool last = set->holds == 0;
    lock_give(&epset_lock);
    if (last)
        set_finish(set);
}

void epset_put(struct epset *set)
{
    lock_take(&epset_lock);
    bool last = --set->holds == 0 && !set->open;
    lock_give(&epset_lock);
    if (last)
        set_finish(set);
}

/* The set in epfd's entry of the table, as it is at this moment. */
static struct epset *set_of(int epfd)
{
    const struct fd_entry *e = fd_entry(epfd);
    if (!e || __atomic_load_n(&e->kind, __ATOMIC_ACQUIRE) != FD_EPOLL)
        return NULL;
    struct epset *set = __atomic_load_n(&e->epset, __ATOMIC_ACQUIRE);
    /* The entry may have been refilled meanwhile: then the pointer may be something else. */
    return __atomic_load_n(&e->kind, __ATOMIC_ACQUIRE) == FD_EPOLL ? set : NULL;
}

struct epset *epset_peek(int epfd)
{
    return set_of(epfd);
}

bool epset_is_attached(const struct epset *set)
{
    return __atomic_load_n(&set->wait_fd, __ATOMIC_SEQ_CST) >= 0;
}

/* Gives the item a waiter on its socket. In an entry. 0 or -ENOMEM. */
static int item_watch(struct epitem *it, struct sock *so)
{
    struct waiter *w = sock_waiter_new(so->stack);
    if (!w)
        return -ENOMEM;
    w->proc = engine_proc();
    w->kind = WAITER_EPOLL;
    w->item = epitem_handle(it);
    w->mask = it->events & ~EPITEM_HOW_BITS;
    w->exclusive = (it->events & EPOLLEXCLUSIVE) != 0;
    w->asleep = it->set->waiting > 0;
    it->waiter = w;
    sock_wait_add(so, w);
    return 0;
}

/* ---- hidden descriptors ---- */

/* Takes fd (-1: errno says why not) out of the program's sight. */
static int hide(int fd)
{
    if (fd < 0)
        return -errno;
    int hidden = engine_fd_hide(fd);
    if (hidden < 0)
        real.close(fd);
    return hidden;
}

static int watch_fd(int epfd, int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event ev = {.events = events, .data.u64 = tag};
    return real.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* Gives the set its outer eventfd, in the program's instance. */
static int outer_make(struct epset *set, int epfd)
{
    engine_always_ring();
    if (__atomic_load_n(&set->outer_fd, __ATOMIC_ACQUIRE) >= 0)
        return 0;
    int fd = hide(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd < 0)
        return fd;
    int r = watch_fd(epfd, fd, EPOLLIN, EPSET_TAG_OUTER);
    lock_take(&epset_lock);
    if (r == 0 && set->outer_fd < 0) {
        __atomic_store_n(&set->outer_fd, fd, __ATOMIC_RELEASE);
        fd = -1;
    }
    epset_settle_outer(set, false);
    lock_give(&epset_lock);
    hidden_close(fd);
    return r;
}

static bool notify(void *item, uint32_t fired);

/* Gives the set an instance to sleep in, with its first socket. 0 or -errno. */
static int attach(struct epset *set, int epfd)
{
    if (epset_is_attached(set))
        return 0;
    engine_set_epoll_notify(notify);
    engine_enter(); /* a forked child's engine makes its descriptors when it is first entered */
    engine_leave();
    int wake = hide(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    int wait = hide(real.epoll_create1(EPOLL_CLOEXEC));
    int r = wake < 0 ? wake : wait < 0 ? wait : 0;
    if (r == 0)
        r = watch_fd(wait, epfd, EPOLLIN, EPSET_TAG_PROGRAM);
    if (r == 0)
        r = watch_fd(wait, wake, EPOLLIN | EPOLLET, EPSET_TAG_WAKE);
    if (r == 0)
        r = engine_epoll_attach(wait);
    lock_take(&epset_lock);
    bool first = r == 0 && set->wait_fd < 0;
    if (first) {
        set->wake_fd = wake;
        __atomic_store_n(&set->wait_fd, wait, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&set->plain, __ATOMIC_SEQ_CST) > 0)
            set->kicked_us = clock_now_us();
    }
    bool outer = first && (set->watched || set->kicked_us != 0);
    lock_give(&epset_lock);
    if (!first) {
        hidden_close(wake);
        hidden_close(wait);
    }
    return outer ? outer_make(set, epfd) : r;
}

/* Tells the sockets whether a thread waits for their exclusive events. There are few such items. */
static void tell_asleep(struct epset *set, bool asleep)
{
    uint32_t left = set->exclusives;
    LIST_FOREACH (n, &set->items) {
        struct epitem *it = container_of(n, struct epitem, of_set);
        if (left == 0)
            return;
        if (!(it->events & EPOLLEXCLUSIVE) || !it->waiter)
            continue;
        __atomic_store_n(&it->waiter->asleep, asleep, __ATOMIC_RELAXED);
        left--;
    }
}

void epset_waits(struct epset *set)
{
    if (set->waiting++ == 0 && set->exclusives > 0)
        tell_asleep(set, true);
}

void epset_waits_no_more(struct epset *set)
{
    if (--set->waiting == 0 && set->exclusives > 0)
        tell_asleep(set, false);
}

void epset_wake(struct epset *set)
{
    uint64_t one = 1;
    if (set->sleepers == 0 || set->woken)
        return;
    set->woken = true;
    if (real.write(set->wake_fd, &one, sizeof(one)) < 0)
        return; /* EAGAIN: the counter is full, so it was an edge long ago, and W has it */
}

void epset_settle_outer(struct epset *set, bool news)
{
    uint64_t count = 1;
    if (set->kicked_us != 0 && __atomic_load_n(&set->plain, __ATOMIC_SEQ_CST) <= 0)
        set->kicked_us = 0;
    bool want = set->kicked_us != 0 || (set->watched && set->ready.count > 0);
    if (set->outer_fd < 0)
        return;
    ssize_t r = 0;
    if (want && (!set->raised || news))
        r = real.write(set->outer_fd, &count, sizeof(count));
    else if (!want && set->raised)
        r = real.read(set->outer_fd, &count, sizeof(count));
    if (r < 0)
        return; /* EAGAIN: it is so already */
    __atomic_fetch_add(&raised_sets, (int)want - (int)set->raised, __ATOMIC_RELAXED);
    set->raised = want;
}

void epset_seen_outer(struct epset *set)
{
    uint64_t count;
    epset_settle_outer(set, false);
    if (!set->raised && real.read(set->outer_fd, &count, sizeof(count)) < 0)
        return; /* EAGAIN: it was not readable any more */
}

/* ---- finding sets ---- */

/* After fork(): takes from the copied set what is its parent's, within the lock. */
static void disown(struct epset *set)
{
    int wait = set->wait_fd, wake = set->wake_fd;
    set->epoch = epset_epoch;
    set->wait_fd = set->wake_fd = -1;
    set->sleepers = set->waiting = 0;
    set->woken = false;
    set->kicked_us = 0;
    LIST_FOREACH (n, &set->items) {
        struct epitem *it = container_of(n, struct epitem, of_set);
        epready_drop(&set->ready, it);
        it->waiter = NULL;
    }
    hidden_close(wait);
    hidden_close(wake);
}

/* After fork(): makes the set this process's own. When there is no descriptor for it now, the next
 * call on the set tries again. */
static void adopt(struct epset *set, int epfd)
{
    if (attach(set, epfd) < 0)
        return;
    epset_enter();
    LIST_FOREACH_SAFE (n, &set->items) {
        struct epitem *it = container_of(n, struct epitem, of_set);
        struct sock *so = it->waiter ? NULL : sock_by_cookie(stack, it->cookie);
        if (so && item_watch(it, so) == 0)
            epready_push(&set->ready, it); /* whatever came since the fork */
        else if (!it->waiter)
            item_drop(it);
    }
    epset_leave();
}

struct epset *epset_get(int epfd)
{
    lock_take(&epset_lock);
    struct epset *set = set_of(epfd);
    if (set)
        set->holds++;
    if (set && set->epoch != epset_epoch)
        disown(set);
    bool bare = set && set->item_count > 0 && set->wait_fd < 0;
    lock_give(&epset_lock);
    if (bare)
        adopt(set, epfd);
    return set;
}

struct epset *epset_make(int epfd)
{
    struct epset *set = epset_get(epfd);
    if (set)
        return set;
    set = epset_new();
    if (!set)
        return NULL;
    set->has_kernel = true; /* as far as we know */
    if (fd_set_epoll(epfd, set) < 0) {
        epset_closed(set);
        return NULL;
    }
    return epset_get(epfd);
}

void epset_note_kernel(struct epset *set)
{
    set->has_kernel = true;
}

/* ---- items ---- */

uint32_t epset_poll_item(struct epitem *it)
{
    struct sock *so = it->waiter ? it->waiter->sock : NULL;
    if (so)
        return sock_poll(so);
    item_drop(it);
    return 0;
}

void epset_spent_item(struct epitem *it)
{
    it->waiter->mask = 0;
}

/* The socket became ready, after the entry. The item may be gone. True: whoever looks at the set
 * from outside sees it. */
static bool notify(void *item, uint32_t fired)
{
    bool outside = false;
    lock_take(&epset_lock);
    struct epitem *it = epitem_of(item);
    if (it && it->set->epoch == epset_epoch) {
        struct epset *set = it->set;
        if (fired & POLLNVAL) { /* closed: to be swept up; nobody is told */
            epready_push(&set->ready, it);
        } else if (fired & it->events & ~EPITEM_HOW_BITS) {
            epready_push(&set->ready, it);
            epset_wake(set);
            epset_settle_outer(set, true);
            outside = set->raised;
        }
    }
    lock_give(&epset_lock);
    return outside;
}

/* After a change of what it waits for: is it ready already? */
static void item_look(struct epitem *it, struct sock *so)
{
    struct epset *set = it->set;
    if (!(sock_poll(so) & it->events & ~EPITEM_HOW_BITS))
        return;
    epready_push(&set->ready, it);
    epset_wake(set);
    epset_settle_outer(set, true);
}

/* Within both locks. */
static int item_add(struct epset *set, struct sock *so, int fd, const struct epoll_event *ev)
{
    if (epitem_find(set, so->cookie, fd))
        return -EEXIST;
    struct epitem *it = epitem_new(set, so->cookie, fd);
    if (!it)
        return -ENOMEM;
    it->events = ev->events | EPOLLERR | EPOLLHUP;
    it->data = ev->data.u64;
    /* The exclusive ones in front, where they are found soon. */
    if (ev->events & EPOLLEXCLUSIVE) {
        set->exclusives++;
        list_push_front(&set->items, &it->of_set);
    } else {
        list_push(&set->items, &it->of_set);
    }
    set->item_count++;
    if (item_watch(it, so) < 0) {
        item_drop(it);
        return -ENOMEM;
    }
    item_look(it, so);
    return 0;
}

static int item_mod(struct epset *set, struct sock *so, int fd, const struct epoll_event *ev)
{
    struct epitem *it = epitem_find(set, so->cookie, fd);
    if (!it)
        return -ENOENT;
    if (it->events & EPOLLEXCLUSIVE)
        return -EINVAL;
    it->events = ev->events | EPOLLERR | EPOLLHUP;
    it->data = ev->data.u64;
    if (it->waiter)
        it->waiter->mask = it->events & ~EPITEM_HOW_BITS;
    else if (item_watch(it, so) < 0) /* fork() copied the item, and adopt() could not go on */
        return -ENOMEM;
    item_look(it, so);
    return 0;
}

static int item_del(struct epset *set, struct sock *so, int fd)
{
    struct epitem *it = epitem_find(set, so->cookie, fd);
    if (!it)
        return -ENOENT;
    item_drop(it);
    return 0;
}

int epset_ctl(struct epset *set, int epfd, int op, int fd, const struct epoll_event *ev)
{
    int r = op == EPOLL_CTL_ADD ? attach(set, epfd) : 0;
    if (r < 0)
        return r;
    struct sock *so = shim_enter(fd);
    if (!so)
        return shim_not_ours(fd);
    stack = so->stack;
    lock_take(&epset_lock);
    switch (op) {
    case EPOLL_CTL_ADD:
        r = item_add(set, so, fd, ev);
        break;
    case EPOLL_CTL_MOD:
        r = item_mod(set, so, fd, ev);
        break;
    case EPOLL_CTL_DEL:
        r = item_del(set, so, fd);
        break;
    default:
        r = -EINVAL;
        break;
    }
    epset_leave();
    return r;
}

/* A descriptor of the program's for set, or -1. */
static int descriptor_of(const struct epset *set)
{
    for (int fd = fd_next(0); fd >= 0 && fd < INT_MAX; fd = fd_next(fd + 1))
        if (set_of(fd) == set)
            return fd;
    return -1;
}

/* The registrations of one number of the description. Within both locks. */
static void give_number(int fd, uint64_t cookie)
{
    LIST_FOREACH (n, &sets) {
        struct epset *set = container_of(n, struct epset, node);
        struct epitem *it = set->epoch == epset_epoch ? epitem_find(set, cookie, fd) : NULL;
        if (!it)
            continue;
        struct epoll_event ev = {.events = it->events, .data.u64 = it->data};
        int epfd = descriptor_of(set);
        item_drop(it);
        set->has_kernel = true;
        if (epfd < 0 || real.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
            log_warn("epoll: descriptor %d could not be handed to the kernel", fd);
    }
}

void epset_give_to_kernel(int fd)
{
    const struct fd_entry *e = fd_entry(fd);
    epset_enter();
    for (int at = fd; e && e->kind == FD_STACK;) {
        give_number(at, e->cookie);
        at = e->next_same;
        e = at == fd ? NULL : fd_entry(at);
    }
    epset_leave();
}

/* ---- seen from outside ---- */

bool epset_watch(int epfd)
{
    struct epset *set = epset_peek(epfd);
    if (!set)
        return false;
    if (__atomic_load_n(&set->watched, __ATOMIC_RELAXED) && set->epoch == epset_epoch)
        return epset_is_attached(set);
    shim_in();
    set = epset_get(epfd);
    bool attached = false;
    if (set) {
        lock_take(&epset_lock);
        __atomic_store_n(&set->watched, true, __ATOMIC_RELAXED);
        attached = set->wait_fd >= 0;
        lock_give(&epset_lock);
        if (attached)
            outer_make(set, epfd);
        epset_put(set);
    }
    shim_out();
    return attached;
}

void epset_refresh(void)
{
    if (__atomic_load_n(&raised_sets, __ATOMIC_RELAXED) == 0)
        return;
    shim_in();
    epset_enter();
    LIST_FOREACH (n, &sets) {
        struct epset *set = container_of(n, struct epset, node);
        if (!set->raised || set->epoch != epset_epoch)
            continue;
        epready_check(&set->ready, epset_poll_item);
        epset_settle_outer(set, false);
    }
    epset_leave();
    shim_out();
}

/* ---- fork ---- */

void epset_fork_prepare(void)
{
    lock_take(&epset_lock);
}
void epset_fork_parent(void)
{
    lock_give(&epset_lock);
}

void epset_fork_child(void)
{
    epset_epoch++;
    epset_wait_forget();
    LIST_FOREACH (n, &sets) {
        struct epset *set = container_of(n, struct epset, node);
        set->holds = 0; /* of threads that this process does not have */
        set->plain = 0;
    }
    lock_give(&epset_lock);
}
