/*
 * Socket control blocks.
 *
 * A sock lies between a descriptor and a pcb. It is made with its pcb by socket() or accept() and
 * found again, in any process of the family, by the cookie of the kernel socket that stands behind
 * the descriptor. It keeps what the kernel keeps above its protocols: options, time-outs, what
 * connect() has reported so far, and who waits.
 *
 *      descriptor --cookie--> sock --tcp--> tcp_pcb   (owner points back)
 *                               |   \-udp-> udp_pcb   (owner points back)
 *                               \--waiters--> waiter, waiter, ...
 *
 * A sock dies with its last descriptor. Its TCP may live on without it.
 *
 * Waiting. A transport that becomes ready calls sock_ready() through net's upcalls; each waiter of
 * the socket that asked for it is marked and put on the fired list of its process, once. The
 * engine of that process drains the list after the entry: it wakes threads and tells epoll. Nothing
 * is woken from inside.
 */
#include <errno.h>
#include <poll.h>

#include "sock/sock_int.h"

int sock_init(struct stack *st)
{
    struct arena *a = st->net.arena;
    slab_init(&st->socks, a, sizeof(struct sock));
    slab_init(&st->rares, a, sizeof(struct sock_rare));
    slab_init(&st->waiters, a, sizeof(struct waiter));
    slab_init(&st->procs, a, sizeof(struct proc));
    return hash_init(&st->by_cookie, a, 64) ? 0 : -ENOMEM;
}

static void slab_empty(struct slab *s)
{
    for (void *o; (o = slab_next(s, NULL));)
        slab_free(s, o);
}

void sock_fini(struct stack *st)
{
    for (struct sock *so = NULL; (so = slab_next(&st->socks, so));)
        sock_opt_release(so);
    slab_empty(&st->socks);
    slab_empty(&st->waiters);
    slab_empty(&st->procs);
    hash_destroy(&st->by_cookie);
}

static uint64_t cookie_hash(const struct stack *st, uint64_t cookie)
{
    return siphash(&st->net.key, &cookie, sizeof(cookie));
}

struct sock *sock_by_cookie(struct stack *st, uint64_t cookie)
{
    uint64_t h = cookie_hash(st, cookie);
    for (struct hash_node *n = hash_first(&st->by_cookie, h); n; n = hash_next(n, h)) {
        struct sock *so = container_of(n, struct sock, by_cookie);
        if (so->cookie == cookie)
            return so;
    }
    return NULL;
}

void sock_insert(struct sock *so)
{
    hash_insert(&so->stack->by_cookie, &so->by_cookie, cookie_hash(so->stack, so->cookie));
}

/* A sock without a pcb, known by its cookie. */
static struct sock *sock_new(struct stack *st, int domain, int type, int protocol, uint64_t cookie,
                             int32_t pid)
{
    struct sock *so = slab_alloc(&st->socks);
    if (!so)
        return NULL;
    so->cookie = cookie;
    so->pid = pid;
    so->domain = (uint16_t)domain;
    so->type = (uint16_t)type;
    so->protocol = (uint16_t)protocol;
    list_init(&so->waiters);
    so->stack = st;
    sock_insert(so);
    return so;
}

static void sock_free(struct sock *so)
{
    struct stack *st = so->stack;
    sock_opt_release(so);
    hash_remove(&st->by_cookie, &so->by_cookie);
    slab_free(&st->socks, so);
    st->sock_frees++;
}

void sock_set_v6(struct sock *so, bool v6)
{
    so->domain = v6 ? AF_INET6 : AF_INET;
    if (so->tcp)
        tcp_set_v6(so->tcp, v6);
    else
        udp_set_v6(so->udp, v6);
}

int sock_create(struct stack *st, int domain, int type, int protocol, uint64_t cookie, int32_t pid,
                struct sock **out)
{
    if (domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    int own = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (protocol != 0 && protocol != own)
        return -EPROTONOSUPPORT;
    struct sock *so = sock_new(st, domain, type, own, cookie, pid);
    if (!so)
        return -ENOBUFS;
    if (type == SOCK_STREAM)
        so->tcp = tcp_open(&st->tcp, so);
    else
        so->udp = udp_open(&st->udp, so);
    if (!so->tcp && !so->udp) {
        sock_free(so);
        return -ENOBUFS;
    }
    sock_set_v6(so, domain == AF_INET6);
    sock_opt_init(so);
    *out = so;
    return 0;
}

int sock_accept(struct sock *so, uint64_t cookie, int32_t pid, struct sock **out)
{
    struct stack *st = so->stack;
    if (!so->tcp)
        return -EOPNOTSUPP;
    if (tcp_state(so->tcp) != TCP_LISTEN)
        return -EINVAL;
    if (!tcp_can_accept(so->tcp))
        return -EAGAIN;
    /* Everything that can fail comes before the connection leaves the queue. */
    struct sock *child = sock_new(st, so->domain, so->type, so->protocol, cookie, pid);
    if (!child)
        return -ENOBUFS;
    if (sock_opt_inherit(child, so) < 0) {
        sock_free(child);
        return -ENOBUFS;
    }
    child->tcp = tcp_accept(&st->tcp, so->tcp);
    if (!child->tcp) {
        sock_free(child);
        return -EAGAIN;
    }
    tcp_set_owner(child->tcp, child);
    child->conn = SOCK_CONNECTED;
    *out = child;
    return 0;
}

int64_t sock_linger_start(struct sock *so)
{
    if (!so->tcp || !sock_has(so, SOCK_BIT_LINGER) || so->linger_s <= 0)
        return 0;
    switch (tcp_state(so->tcp)) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_SYN_RECEIVED:
        /* Unread data make close() a reset (RFC 2525 2.17): nothing to wait for. */
        if (tcp_readable_bytes(so->tcp) > 0 || tcp_shutdown(&so->stack->tcp, so->tcp, SHUT_WR) < 0)
            return 0;
        break;
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        break;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_FIN_WAIT_2:
    case TCP_TIME_WAIT:
        return 0;
    }
    return sock_lingering(so) ? (int64_t)so->linger_s * 1000000 : 0;
}

bool sock_lingering(const struct sock *so)
{
    return so->tcp && !tcp_send_drained(so->tcp);
}

void sock_close(struct sock *so)
{
    struct stack *st = so->stack;
    sock_ready(so, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLNVAL);
    LIST_FOREACH_SAFE (n, &so->waiters) {
        struct waiter *w = container_of(n, struct waiter, on_sock);
        list_remove(&w->on_sock);
        w->sock = NULL;
    }
    if (so->tcp) {
        if (sock_has(so, SOCK_BIT_LINGER) && so->linger_s == 0)
            tcp_abort(&st->tcp, so->tcp);
        else
            tcp_close(&st->tcp, so->tcp);
        so->tcp = NULL;
    }
    if (so->udp) {
        udp_close(&st->udp, so->udp);
        so->udp = NULL;
    }
    sock_free(so);
}

uint32_t sock_poll(struct sock *so)
{
    if (so->tcp)
        return tcp_poll(so->tcp) | sock_error_poll(so);
    if (so->udp)
        return udp_poll(so->udp) | sock_error_poll(so);
    return POLLNVAL;
}

/* ---- waiters ---- */

struct waiter *sock_waiter_new(struct stack *st)
{
    struct waiter *w = slab_alloc(&st->waiters);
    if (w) {
        list_init(&w->on_sock);
        list_init(&w->on_fired);
    }
    return w;
}

void sock_waiter_free(struct stack *st, struct waiter *w)
{
    sock_wait_del(w);
    slab_free(&st->waiters, w);
}

void sock_wait_add(struct sock *so, struct waiter *w)
{
    w->sock = so;
    list_push(&so->waiters, &w->on_sock);
}

void sock_wait_del(struct waiter *w)
{
    list_remove(&w->on_sock);
    list_remove(&w->on_fired);
    w->sock = NULL;
}

/* True if w waited for any of this. */
static bool tell(struct sock *so, struct waiter *w, uint32_t mask)
{
    uint32_t came = mask & (w->mask | POLLERR | POLLHUP | POLLNVAL);
    if (!came)
        return false;
    w->fired |= came;
    if (list_empty(&w->on_fired))
        list_push(&w->proc->fired, &w->on_fired);
    w->proc->doorbell = true;
    so->stack->any_doorbell = true;
    return true;
}

void sock_ready(struct sock *so, uint32_t mask)
{
    bool exclusive = false;
    LIST_FOREACH (n, &so->waiters) {
        struct waiter *w = container_of(n, struct waiter, on_sock);
        if (w->exclusive)
            exclusive = true;
        else
            tell(so, w, mask);
    }
    if (!exclusive)
        return;
    /* In the order in which they came, as in the kernel's wait queue. The end of the socket is
     * news for all. */
    LIST_FOREACH (n, &so->waiters) {
        struct waiter *w = container_of(n, struct waiter, on_sock);
        if (w->exclusive && tell(so, w, mask) && !(mask & POLLNVAL) &&
            __atomic_load_n(&w->asleep, __ATOMIC_RELAXED))
            return;
    }
}
