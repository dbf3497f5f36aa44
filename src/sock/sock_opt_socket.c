/* Options of SOL_SOCKET (socket(7)). */
#include <errno.h>
#include <limits.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <string.h>
#include <sys/time.h>

#include "sock/sock_int.h"

/* The smallest buffers that the kernel grants: a full segment with its bookkeeping, twice to send.
 */
#define SOCK_MIN_RCVBUF 2304
#define SOCK_MIN_SNDBUF 4608
/* Half of what TCP may autotune a receive buffer to: cap of SO_RCVLOWAT. */
#define SOCK_RCVLOWAT_MAX (6291456 / 2)

#define SOCK_BPF_EXTENSIONS 64
#define SOCK_RCVPRIORITY    82 /* SO_RCVPRIORITY of newer headers */

static int set_nothing(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    return 0;
}

static int get_zero(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(0, val, len);
}

static int get_one(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(1, val, len);
}

static int get_type(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(so->type, val, len);
}

static int get_domain(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(so->domain, val, len);
}

static int get_protocol(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(so->protocol, val, len);
}

static int get_accepting(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(so->tcp && tcp_state(so->tcp) == TCP_LISTEN, val, len);
}

/* SO_ERROR: the pending error, which is then no longer pending. */
static int get_error(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    int err;
    if (so->tcp) {
        err = tcp_take_error(so->tcp);
    } else {
        err = so->udp->error;
        so->udp->error = 0;
    }
    return sock_opt_put_int(err, val, len);
}

/* ---- buffers ---- */

/* Doubled, as the kernel does to pay for its bookkeeping, and at least min. */
static uint32_t buf_bytes(int v, uint32_t cap, int min)
{
    uint32_t n = (uint32_t)v < cap ? (uint32_t)v : cap;
    if (n > INT_MAX / 2)
        n = INT_MAX / 2;
    return (int)(n * 2) > min ? n * 2 : (uint32_t)min;
}

/* Which buffers are fixed by the user: SO_BUF_LOCK's bits. */
static int buf_lock(const struct sock *so)
{
    if (!so->tcp)
        return sock_value(so, SOCK_SLOT_BUF_LOCK);
    const struct tcp_config *c = tcp_config(so->tcp);
    return (c->sndbuf_locked ? SOCK_SNDBUF_LOCK : 0) | (c->rcvbuf_locked ? SOCK_RCVBUF_LOCK : 0);
}

static int buf_set_lock(struct sock *so, int bits)
{
    if (so->tcp) {
        tcp_config(so->tcp)->sndbuf_locked = bits & SOCK_SNDBUF_LOCK;
        tcp_config(so->tcp)->rcvbuf_locked = bits & SOCK_RCVBUF_LOCK;
        return 0;
    }
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_BUF_LOCK] = bits;
    return 0;
}

static int set_buf_lock(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int bits = sock_opt_int(val);
    return bits & ~SOCK_BUF_LOCK_MASK ? -EINVAL : buf_set_lock(so, bits);
}

static int get_buf_lock(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(buf_lock(so), val, len);
}

static int set_sndbuf(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    uint32_t cap = so->stack->limits.wmem_max;
    if (opt->name == SO_SNDBUFFORCE) {
        cap = INT_MAX;
        v = v < 0 ? 0 : v;
    }
    uint32_t bytes = buf_bytes(v, cap, SOCK_MIN_SNDBUF);
    int r = buf_set_lock(so, buf_lock(so) | SOCK_SNDBUF_LOCK);
    if (r < 0)
        return r;
    if (!so->tcp) {
        so->rare->value[SOCK_SLOT_SNDBUF] = (int32_t)bytes;
        return 0;
    }
    tcp_config(so->tcp)->sndbuf_bytes = bytes;
    tcp_config_changed(&so->stack->tcp, so->tcp);
    sock_ready(so, sock_poll(so));
    return 0;
}

static int get_sndbuf(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    int v = so->tcp ? (int)tcp_config(so->tcp)->sndbuf_bytes : sock_value(so, SOCK_SLOT_SNDBUF);
    return sock_opt_put_int(v, val, len);
}

static int set_rcvbuf(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    uint32_t cap = so->stack->limits.rmem_max;
    if (opt->name == SO_RCVBUFFORCE) {
        cap = INT_MAX;
        v = v < 0 ? 0 : v;
    }
    uint32_t bytes = buf_bytes(v, cap, SOCK_MIN_RCVBUF);
    int r = buf_set_lock(so, buf_lock(so) | SOCK_RCVBUF_LOCK);
    if (r < 0)
        return r;
    if (so->udp) {
        so->udp->rcvbuf_bytes = bytes;
        return 0;
    }
    tcp_config(so->tcp)->rcvbuf_bytes = bytes;
    tcp_config_changed(&so->stack->tcp, so->tcp);
    return 0;
}

static int get_rcvbuf(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    uint32_t v = so->tcp ? tcp_config(so->tcp)->rcvbuf_bytes : so->udp->rcvbuf_bytes;
    return sock_opt_put_int((int)v, val, len);
}

static int set_rcvlowat(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (v < 0)
        v = INT_MAX;
    if (so->tcp) {
        struct tcp_config *c = tcp_config(so->tcp);
        int cap = c->rcvbuf_locked ? (int)(c->rcvbuf_bytes / 2) : SOCK_RCVLOWAT_MAX;
        v = v < cap ? v : cap;
        c->rcvlowat = v ? (uint32_t)v : 1;
        tcp_config_changed(&so->stack->tcp, so->tcp);
        sock_ready(so, sock_poll(so));
        return 0;
    }
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_RCVLOWAT] = v ? v : 1;
    return 0;
}

static int get_rcvlowat(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    int v = so->tcp ? (int)tcp_config(so->tcp)->rcvlowat : sock_value(so, SOCK_SLOT_RCVLOWAT);
    return sock_opt_put_int(v, val, len);
}

/* SO_MEMINFO: the nine words of the kernel's sk_meminfo. */
static int get_meminfo(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    uint32_t w[9] = {0};
    if (so->tcp) {
        w[0] = (uint32_t)tcp_readable_bytes(so->tcp);
        w[1] = tcp_config(so->tcp)->rcvbuf_bytes;
        w[3] = tcp_config(so->tcp)->sndbuf_bytes;
        w[5] = (uint32_t)tcp_unacked_bytes(so->tcp);
    } else {
        w[0] = so->udp->queue_bytes;
        w[1] = so->udp->rcvbuf_bytes;
        w[3] = (uint32_t)sock_value(so, SOCK_SLOT_SNDBUF);
        w[8] = (uint32_t)so->udp->drops;
    }
    return sock_opt_put(w, sizeof(w), val, len);
}

/* ---- time ---- */

static int set_linger(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    struct linger l;
    if (len < sizeof(l))
        return -EINVAL;
    memcpy(&l, val, sizeof(l));
    sock_set_bit(so, SOCK_BIT_LINGER, l.l_onoff != 0);
    if (l.l_onoff)
        so->linger_s = l.l_linger < 0 ? INT_MAX : l.l_linger;
    return 0;
}

static int get_linger(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    struct linger l = {.l_onoff = sock_has(so, SOCK_BIT_LINGER), .l_linger = so->linger_s};
    return sock_opt_put(&l, sizeof(l), val, len);
}

/* A time in the old layout (longs) or the new one (64 bits); the same where long has 64. */
struct timeval_old {
    long sec, usec;
};
struct timeval_new {
    int64_t sec, usec;
};
union timeval_any {
    struct timeval_old old;
    struct timeval_new new;
};

static bool is_old_timeval(int name)
{
    return name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD;
}

static size_t timeval_bytes(int name)
{
    static const size_t bytes[] = {sizeof(struct timeval_new), sizeof(struct timeval_old)};
    return bytes[is_old_timeval(name)];
}

static int64_t *timeo_of(struct sock *so, int name)
{
    bool rcv = name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW;
    return rcv ? &so->rcvtimeo_us : &so->sndtimeo_us;
}

static int set_timeo(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    union timeval_any any;
    bool old = is_old_timeval(opt->name);
    size_t want = timeval_bytes(opt->name);
    if (len < want)
        return -EINVAL;
    memcpy(&any, val, want);
    int64_t sec = old ? any.old.sec : any.new.sec, usec = old ? any.old.usec : any.new.usec;
    if (usec < 0 || usec >= 1000000)
        return -EDOM;
    int64_t *us = timeo_of(so, opt->name);
    if (sec < 0)
        *us = -1;
    else if (sec > INT64_MAX / 1000000 - 1)
        *us = 0;
    else
        *us = sec * 1000000 + usec;
    return 0;
}

static int get_timeo(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    union timeval_any any;
    int64_t us = *timeo_of(so, opt->name);
    if (us < 0)
        us = 0;
    if (is_old_timeval(opt->name))
        any.old = (struct timeval_old){.sec = (long)(us / 1000000), .usec = (long)(us % 1000000)};
    else
        any.new = (struct timeval_new){.sec = us / 1000000, .usec = us % 1000000};
    return sock_opt_put(&any, timeval_bytes(opt->name), val, len);
}

static bool stamp_is_ns(int name)
{
    return name == SO_TIMESTAMPNS_OLD || name == SO_TIMESTAMPNS_NEW;
}
static bool stamp_is_new(int name)
{
    return name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW;
}

static int set_timestamp(struct sock *so, const struct sock_opt *opt, const void *val,
                         socklen_t len)
{
    bool on = sock_opt_int(val) != 0;
    sock_set_bit(so, SOCK_BIT_TIMESTAMP, on);
    sock_set_bit(so, SOCK_BIT_TIMESTAMP_NS, on && stamp_is_ns(opt->name));
    if (on)
        sock_set_bit(so, SOCK_BIT_TIMESTAMP_NEW, stamp_is_new(opt->name));
    return 0;
}

static int get_timestamp(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    bool v = sock_has(so, SOCK_BIT_TIMESTAMP) &&
             sock_has(so, SOCK_BIT_TIMESTAMP_NS) == stamp_is_ns(opt->name) &&
             sock_has(so, SOCK_BIT_TIMESTAMP_NEW) == stamp_is_new(opt->name);
    return sock_opt_put_int(v, val, len);
}

struct stamping {
    int flags, bind_phc;
};

/* SO_TIMESTAMPING: software receive stamps are made, the rest is kept only. */
static int set_timestamping(struct sock *so, const struct sock_opt *opt, const void *val,
                            socklen_t len)
{
    struct stamping s = {.flags = sock_opt_int(val)};
    if (len == sizeof(s))
        memcpy(&s, val, sizeof(s));
    if (s.flags & ~SOF_TIMESTAMPING_MASK)
        return -EINVAL;
    if (s.flags & SOF_TIMESTAMPING_OPT_STATS && !(s.flags & SOF_TIMESTAMPING_OPT_TSONLY))
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_TIMESTAMPING] = s.flags;
    r->value[SOCK_SLOT_TIMESTAMPING_PHC] = s.bind_phc;
    sock_set_bit(so, SOCK_BIT_TIMESTAMP_NEW, opt->name == SO_TIMESTAMPING_NEW);
    return 0;
}

static int get_timestamping(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    struct stamping s = {.flags = sock_value(so, SOCK_SLOT_TIMESTAMPING),
                         .bind_phc = sock_value(so, SOCK_SLOT_TIMESTAMPING_PHC)};
    return sock_opt_put(&s, sizeof(s), val, len);
}

struct txtime {
    int32_t clock;
    uint32_t flags;
};

static int set_txtime(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    struct txtime t;
    if (len != sizeof(t))
        return -EINVAL;
    memcpy(&t, val, sizeof(t));
    if (t.flags & ~(uint32_t)SOF_TXTIME_FLAGS_MASK)
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_TXTIME_CLOCK] = t.clock;
    r->value[SOCK_SLOT_TXTIME_FLAGS] = (int32_t)t.flags;
    return 0;
}

static int get_txtime(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    struct txtime t = {.clock = sock_value(so, SOCK_SLOT_TXTIME_CLOCK),
                       .flags = (uint32_t)sock_value(so, SOCK_SLOT_TXTIME_FLAGS)};
    return sock_opt_put(&t, sizeof(t), val, len);
}

/* ---- interface ---- */

static struct netif **bound_nif(struct sock *so)
{
    return so->tcp ? &tcp_config(so->tcp)->nif : &so->udp->nif;
}

static int set_device(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    char name[IFNAMSIZ] = "";
    if (len > 0)
        memcpy(name, val, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
    if (name[0] == '\0') {
        *bound_nif(so) = NULL;
        return 0;
    }
    LIST_FOREACH (n, &so->stack->net.netifs) {
        struct netif *nif = container_of(n, struct netif, node);
        if (strncmp(nif->name, name, sizeof(nif->name)) == 0) {
            *bound_nif(so) = nif;
            return 0;
        }
    }
    return -ENODEV;
}

static int get_device(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    char name[IFNAMSIZ] = "";
    const struct netif *nif = *bound_nif(so);
    if (!nif) {
        *len = 0;
        return 0;
    }
    if (*len < IFNAMSIZ)
        return -EINVAL;
    memcpy(name, nif->name, sizeof(nif->name));
    name[sizeof(name) - 1] = '\0';
    return sock_opt_put(name, strlen(name) + 1, val, len);
}

static int set_ifindex(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int index = sock_opt_int(val);
    if (index < 0)
        return -EINVAL;
    struct netif *nif = index ? netif_by_index(&so->stack->net, (uint32_t)index) : NULL;
    if (index && !nif)
        return -ENODEV;
    *bound_nif(so) = nif;
    return 0;
}

static int get_ifindex(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    const struct netif *nif = *bound_nif(so);
    return sock_opt_put_int(nif ? (int)nif->index : 0, val, len);
}

/* ---- one word each ---- */

static int set_priority(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    so->priority = (uint32_t)sock_opt_int(val);
    return 0;
}

static int get_priority(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int((int)so->priority, val, len);
}

static int set_mark(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    so->mark = (uint32_t)sock_opt_int(val);
    return 0;
}

static int get_mark(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int((int)so->mark, val, len);
}

static int set_peek_off(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    so->peek_offset = v < 0 ? SOCK_PEEK_OFF : (uint64_t)v;
    return 0;
}

static int get_peek_off(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(so->peek_offset == SOCK_PEEK_OFF ? -1 : (int)so->peek_offset, val, len);
}

/* SO_MAX_PACING_RATE: an unsigned int or, with room for one, an unsigned long. */
static int set_pacing(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    unsigned long rate;
    unsigned int v = (unsigned int)sock_opt_int(val);
    if (len >= sizeof(rate))
        memcpy(&rate, val, sizeof(rate));
    else
        rate = v == ~0u ? ~0ul : v;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->pacing_rate = rate;
    if (so->tcp) /* 0 is no limit either, as in the kernel */
        tcp_set_pacing(&so->stack->tcp, so->tcp, rate == ~0ul ? 0 : rate);
    return 0;
}

static int get_pacing(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    unsigned long rate = so->rare ? (unsigned long)so->rare->pacing_rate : ~0ul;
    if (*len >= sizeof(rate))
        return sock_opt_put(&rate, sizeof(rate), val, len);
    return sock_opt_put_int(rate > ~0u ? -1 : (int)rate, val, len);
}

static int get_cookie(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    if (*len < sizeof(so->cookie))
        return -EINVAL;
    return sock_opt_put(&so->cookie, sizeof(so->cookie), val, len);
}

/* SO_PEERNAME: getpeername() that wants the whole address. */
static int get_peername(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    if (sock_getpeername(so, (struct sockaddr *)&ss, &n) < 0)
        return -ENOTCONN;
    if (n < *len)
        return -EINVAL;
    return sock_opt_put(&ss, n, val, len);
}

/* SO_PEERCRED: nobody in particular. */
static int get_peercred(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    struct ucred cred = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    return sock_opt_put(&cred, sizeof(cred), val, len);
}

static int get_no_data(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return -ENODATA;
}

static int get_bpf_extensions(struct sock *so, const struct sock_opt *opt, void *val,
                              socklen_t *len)
{
    return sock_opt_put_int(SOCK_BPF_EXTENSIONS, val, len);
}

/* SO_PASSCRED, SO_PASSSEC: of AF_UNIX. */
static int set_unsupported(struct sock *so, const struct sock_opt *opt, const void *val,
                           socklen_t len)
{
    return -EOPNOTSUPP;
}

static int get_unsupported(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return -EOPNOTSUPP;
}

/* Filters are not run; so none can be attached, and there is none to take off or to show. */
static int set_no_filter(struct sock *so, const struct sock_opt *opt, const void *val,
                         socklen_t len)
{
    return -ENOENT;
}

static int get_nothing(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    *len = 0;
    return 0;
}

static int set_lock_filter(struct sock *so, const struct sock_opt *opt, const void *val,
                           socklen_t len)
{
    bool on = sock_opt_int(val) != 0;
    if (sock_has(so, SOCK_BIT_LOCK_FILTER) && !on)
        return -EPERM;
    sock_set_bit(so, SOCK_BIT_LOCK_FILTER, on);
    return 0;
}

static int set_reserve_mem(struct sock *so, const struct sock_opt *opt, const void *val,
                           socklen_t len)
{
    return sock_opt_int(val) < 0 ? -EINVAL : -EOPNOTSUPP;
}

static int set_budget(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    struct sock_rare *r = v < 0 || v > UINT16_MAX ? NULL : sock_rare(so);
    if (!r)
        return v < 0 || v > UINT16_MAX ? -EINVAL : -ENOMEM;
    r->value[SOCK_SLOT_BUSY_POLL_BUDGET] = v;
    return 0;
}

static int set_txrehash(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (!so->tcp)
        return -EOPNOTSUPP;
    if (v < -1 || v > 1)
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_TXREHASH] = v == -1 ? 1 : v;
    return 0;
}

static int get_txrehash(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    if (!so->tcp)
        return -EOPNOTSUPP;
    return sock_opt_put_int(sock_value(so, SOCK_SLOT_TXREHASH), val, len);
}

#define BIT(name, bit)                                                                             \
    {                                                                                              \
        name, OPT_BOTH, OPT_BIT, bit, .min = INT_MIN, .max = INT_MAX                               \
    }
#define SLOT(name, slot, lo, hi)                                                                   \
    {                                                                                              \
        name, OPT_BOTH, OPT_SLOT, slot, .min = lo, .max = hi                                       \
    }
#define FN(name, set_fn, get_fn)                                                                   \
    {                                                                                              \
        name, OPT_BOTH, OPT_FN, .set = set_fn, .get = get_fn                                       \
    }
#define BYTES(name, set_fn, get_fn, n)                                                             \
    {                                                                                              \
        name, OPT_BOTH, OPT_BYTES, .min_len = n, .set = set_fn, .get = get_fn                      \
    }

/*
 * "kept": the value is stored and returned, and nothing acts on it. For most of them the stack has
 * nothing that they could change (hardware queues, filters, the kernel's own memory accounting);
 * those of a capability to come are marked "later".
 */
const struct sock_opt sock_opt_socket[] = {
    BIT(SO_DEBUG, SOCK_BIT_DEBUG), /* kept */
    BIT(SO_REUSEADDR, SOCK_BIT_REUSEADDR),
    BIT(SO_REUSEPORT, SOCK_BIT_REUSEPORT),
    FN(SO_TYPE, NULL, get_type),
    FN(SO_ERROR, NULL, get_error),
    BIT(SO_DONTROUTE, SOCK_BIT_DONTROUTE), /* kept, later */
    BIT(SO_BROADCAST, SOCK_BIT_BROADCAST),
    FN(SO_SNDBUF, set_sndbuf, get_sndbuf),
    FN(SO_RCVBUF, set_rcvbuf, get_rcvbuf),
    FN(SO_SNDBUFFORCE, set_sndbuf, NULL),
    FN(SO_RCVBUFFORCE, set_rcvbuf, NULL),
    BIT(SO_KEEPALIVE, SOCK_BIT_KEEPALIVE),
    BIT(SO_OOBINLINE, SOCK_BIT_OOBINLINE),
    BIT(SO_NO_CHECK, SOCK_BIT_NO_CHECK),         /* kept: checksums are always sent */
    FN(SO_PRIORITY, set_priority, get_priority), /* kept */
    BYTES(SO_LINGER, set_linger, get_linger, 4),
    FN(SO_BSDCOMPAT, set_nothing, get_zero),
    FN(SO_PASSCRED, set_unsupported, get_unsupported),
    FN(SO_PASSSEC, set_unsupported, get_unsupported),
    BYTES(SO_PEERCRED, NULL, get_peercred, 4),
    FN(SO_RCVLOWAT, set_rcvlowat, get_rcvlowat),
    FN(SO_SNDLOWAT, NULL, get_one),
    BYTES(SO_RCVTIMEO_OLD, set_timeo, get_timeo, 4),
    BYTES(SO_SNDTIMEO_OLD, set_timeo, get_timeo, 4),
    BYTES(SO_RCVTIMEO_NEW, set_timeo, get_timeo, 4),
    BYTES(SO_SNDTIMEO_NEW, set_timeo, get_timeo, 4),
    BYTES(SO_BINDTODEVICE, set_device, get_device, 0),
    FN(SO_BINDTOIFINDEX, set_ifindex, get_ifindex),
    BYTES(SO_GET_FILTER, NULL, get_nothing, 4),
    FN(SO_DETACH_FILTER, set_no_filter, NULL),
    FN(SO_DETACH_REUSEPORT_BPF, set_no_filter, NULL),
    {SO_LOCK_FILTER, OPT_BOTH, OPT_BIT, SOCK_BIT_LOCK_FILTER, .set = set_lock_filter},
    BYTES(SO_PEERNAME, NULL, get_peername, 4),
    FN(SO_TIMESTAMP_OLD, set_timestamp, get_timestamp),
    FN(SO_TIMESTAMP_NEW, set_timestamp, get_timestamp),
    FN(SO_TIMESTAMPNS_OLD, set_timestamp, get_timestamp),
    FN(SO_TIMESTAMPNS_NEW, set_timestamp, get_timestamp),
    BYTES(SO_TIMESTAMPING_OLD, set_timestamping, get_timestamping, 4), /* transmit stamps: later */
    BYTES(SO_TIMESTAMPING_NEW, set_timestamping, get_timestamping, 4),
    FN(SO_ACCEPTCONN, NULL, get_accepting),
    FN(SO_PROTOCOL, NULL, get_protocol),
    FN(SO_DOMAIN, NULL, get_domain),
    FN(SO_MARK, set_mark, get_mark), /* kept: our routes know no marks */
    BIT(SO_RCVMARK, SOCK_BIT_RCVMARK),
    BIT(SOCK_RCVPRIORITY, SOCK_BIT_RCVPRIORITY), /* kept */
    BIT(SO_RXQ_OVFL, SOCK_BIT_RXQ_OVFL),
    BIT(SO_WIFI_STATUS, SOCK_BIT_WIFI_STATUS), /* kept */
    FN(SO_PEEK_OFF, set_peek_off, get_peek_off),
    BIT(SO_NOFCS, SOCK_BIT_NOFCS), /* kept */
    BIT(SO_SELECT_ERR_QUEUE, SOCK_BIT_SELECT_ERR_QUEUE),
    SLOT(SO_BUSY_POLL, SOCK_SLOT_BUSY_POLL_US, 0, INT_MAX), /* kept, later */
    BIT(SO_PREFER_BUSY_POLL, SOCK_BIT_PREFER_BUSY_POLL),    /* kept */
    FN(SO_BUSY_POLL_BUDGET, set_budget, NULL),              /* kept */
    BYTES(SO_MAX_PACING_RATE, set_pacing, get_pacing, 4),
    FN(SO_BPF_EXTENSIONS, NULL, get_bpf_extensions),
    SLOT(SO_INCOMING_CPU, SOCK_SLOT_INCOMING_CPU, INT_MIN, INT_MAX), /* kept */
    FN(SO_INCOMING_NAPI_ID, NULL, get_zero),
    FN(SO_CNX_ADVICE, set_nothing, NULL),
    BYTES(SO_MEMINFO, NULL, get_meminfo, 4),
    BYTES(SO_COOKIE, NULL, get_cookie, 4),
    FN(SO_PEERGROUPS, NULL, get_no_data),
    {SO_ZEROCOPY, OPT_BOTH, OPT_BIT, SOCK_BIT_ZEROCOPY, .min = 0, .max = 1},
    BYTES(SO_TXTIME, set_txtime, get_txtime, 4), /* kept, later */
    FN(SO_BUF_LOCK, set_buf_lock, get_buf_lock),
    FN(SO_RESERVE_MEM, set_reserve_mem, get_zero),
    FN(SO_TXREHASH, set_txrehash, get_txrehash), /* kept */
    {0},
};
