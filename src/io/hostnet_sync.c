/*
 * Host mode: the stack's addresses and routes follow the kernel's.
 *
 * First the kernel's table is read into a list of what is wanted, then the stack's is compared with
 * it: what the stack has and nobody wants goes, what is wanted and missing comes. What is right
 * already is not touched, so that flows keep their paths. The list has a hash index, because a
 * router's table has a million entries; its memory is mapped, not malloc'd (see rtnl.c).
 *
 * Only the main table counts, and of it what leaves by this interface. A route that asks for more
 * than a destination (a type of service, a policy rule) is left out.
 */
#include "io/hostnet.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>

#include "io/rtnl.h"

#define WANTS_FIRST 256u /* entries; twice as many with each growth */

/* An address, or a route. All addresses in host order. */
struct want {
    uint32_t dst, gateway, metric; /* these and prefix_len are the key */
    uint32_t src, mtu;
    uint8_t prefix_len;
    bool there; /* the stack has it */
};

struct wants {
    uint32_t index; /* the interface */
    size_t n, cap;
    struct want *items; /* in the kernel's order */
    uint32_t *slots;    /* 2 * cap: place in items + 1, or 0; open addressing */
};

/* ---- the list ---- */

static size_t wants_bytes(size_t cap)
{
    return cap * sizeof(struct want) + 2 * cap * sizeof(uint32_t);
}

static void wants_free(struct wants *w)
{
    if (w->items != NULL)
        munmap(w->items, wants_bytes(w->cap));
    w->items = NULL;
    w->n = w->cap = 0;
}

static uint32_t want_hash(const struct want *a)
{
    uint64_t h = ((uint64_t)a->dst << 32 | a->gateway) * 0x9e3779b97f4a7c15u;

    h = (h ^ h >> 29 ^ (uint64_t)a->metric << 8 ^ a->prefix_len) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)(h >> 32);
}

/* The slot that holds an entry of a's key, or the free one where it belongs. */
static uint32_t *want_slot(const struct wants *w, const struct want *a)
{
    size_t mask = 2 * w->cap - 1;
    size_t i = want_hash(a) & mask;

    for (;; i = (i + 1) & mask) {
        const struct want *b;

        if (w->slots[i] == 0)
            return &w->slots[i];
        b = &w->items[w->slots[i] - 1];
        if (a->dst == b->dst && a->gateway == b->gateway && a->metric == b->metric &&
            a->prefix_len == b->prefix_len)
            return &w->slots[i];
    }
}

static struct want *wants_find(const struct wants *w, const struct want *key)
{
    uint32_t at = w->n > 0 ? *want_slot(w, key) : 0;

    return at > 0 ? &w->items[at - 1] : NULL;
}

static bool wants_grow(struct wants *w)
{
    struct wants bigger = {.index = w->index, .cap = w->cap > 0 ? 2 * w->cap : WANTS_FIRST};
    void *mem = mmap(NULL, wants_bytes(bigger.cap), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED)
        return false;
    bigger.items = mem;
    bigger.slots = (uint32_t *)(void *)(bigger.items + bigger.cap);
    for (; bigger.n < w->n; bigger.n++) {
        bigger.items[bigger.n] = w->items[bigger.n];
        *want_slot(&bigger, &bigger.items[bigger.n]) = (uint32_t)bigger.n + 1;
    }
    wants_free(w);
    *w = bigger;
    return true;
}

/* Of two with the same key the first counts. False: no memory. */
static bool wants_add(struct wants *w, const struct want *a)
{
    uint32_t *slot;

    if (w->n == w->cap && !wants_grow(w))
        return false;
    slot = want_slot(w, a);
    if (*slot == 0) {
        w->items[w->n] = *a;
        *slot = (uint32_t)++w->n;
    }
    return true;
}

static void wants_start(void *arg)
{
    wants_free(arg);
}

/* ---- what the kernel has ---- */

/* The value of an attribute that holds an IPv4 address. */
static uint32_t attr_v4(const struct nlattr *attr)
{
    return mnl_attr_get_payload_len(attr) == 4 ? get_be32(mnl_attr_get_payload(attr)) : 0;
}

static uint32_t attr_u32(const struct nlattr *attr)
{
    return mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

static int add_or_fail(struct wants *w, const struct want *a)
{
    if (wants_add(w, a))
        return MNL_CB_OK;
    errno = ENOMEM;
    return MNL_CB_ERROR;
}

static int on_addr(const struct nlmsghdr *nlh, void *arg)
{
    struct wants *w = arg;
    const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
    struct want a = {.prefix_len = ifa->ifa_prefixlen};
    uint32_t peer = 0;

    if (nlh->nlmsg_type != RTM_NEWADDR || ifa->ifa_family != AF_INET || ifa->ifa_index != w->index)
        return MNL_CB_OK;
    RTNL_FOREACH (attr, nlh, sizeof(*ifa)) {
        if (mnl_attr_get_type(attr) == IFA_LOCAL)
            a.dst = attr_v4(attr);
        if (mnl_attr_get_type(attr) == IFA_ADDRESS)
            peer = attr_v4(attr);
    }
    if (a.dst == 0)
        return MNL_CB_OK;
    /* Point to point: the prefix is the peer's, and the kernel's table has a route to it. */
    if (peer != 0 && peer != a.dst)
        a.prefix_len = 32;
    return add_or_fail(w, &a);
}

/* The next hop by our interface, of several; false: none that lives. */
static bool pick_nexthop(const struct nlattr *multipath, uint32_t index, struct want *a,
                         uint32_t *flags)
{
    const uint8_t *p = mnl_attr_get_payload(multipath);
    size_t left = mnl_attr_get_payload_len(multipath);
    struct rtnexthop hop;

    while (left >= sizeof(hop)) {
        memcpy(&hop, p, sizeof(hop));
        if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
            return false;
        if ((uint32_t)hop.rtnh_ifindex == index &&
            !(hop.rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))) {
            RTNL_FOREACH_IN (attr, p + sizeof(hop), hop.rtnh_len - sizeof(hop)) {
                if (mnl_attr_get_type(attr) == RTA_GATEWAY)
                    a->gateway = attr_v4(attr);
                if (mnl_attr_get_type(attr) == RTA_VIA)
                    return false;
            }
            *flags = hop.rtnh_flags;
            return true;
        }
        size_t step = RTNH_ALIGN(hop.rtnh_len);
        if (step > left)
            return false;
        p += step;
        left -= step;
    }
    return false;
}

static uint32_t metrics_mtu(const struct nlattr *metrics)
{
    uint32_t mtu = 0;

    RTNL_FOREACH_IN (attr, mnl_attr_get_payload(metrics), mnl_attr_get_payload_len(metrics)) {
        if (mnl_attr_get_type(attr) == RTAX_MTU)
            mtu = attr_u32(attr);
    }
    return mtu;
}

/* A route of the main table by this interface into *a; false: another kind. */
static bool route_decode(const struct nlmsghdr *nlh, uint32_t index, struct want *a,
                         uint32_t *flags)
{
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    uint32_t table = rtm->rtm_table;
    bool ours = false, via_other_family = false;

    if (rtm->rtm_family != AF_INET || rtm->rtm_type != RTN_UNICAST || rtm->rtm_tos != 0 ||
        (rtm->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD | RTNH_F_LINKDOWN)))
        return false;
    *a = (struct want){.prefix_len = rtm->rtm_dst_len};
    *flags = rtm->rtm_flags;
    RTNL_FOREACH (attr, nlh, sizeof(*rtm)) {
        switch (mnl_attr_get_type(attr)) {
        case RTA_TABLE:
            table = attr_u32(attr);
            break;
        case RTA_DST:
            a->dst = attr_v4(attr);
            break;
        case RTA_GATEWAY:
            a->gateway = attr_v4(attr);
            break;
        case RTA_VIA: /* an IPv6 gateway */
            via_other_family = true;
            break;
        case RTA_OIF:
            ours = attr_u32(attr) == index;
            break;
        case RTA_MULTIPATH:
            ours = pick_nexthop(attr, index, a, flags);
            break;
        case RTA_PREFSRC:
            a->src = attr_v4(attr);
            break;
        case RTA_PRIORITY:
            a->metric = attr_u32(attr);
            break;
        case RTA_METRICS:
            a->mtu = metrics_mtu(attr);
            break;
        default:
            break;
        }
    }
    return ours && !via_other_family && table == RT_TABLE_MAIN;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
    struct wants *w = arg;
    struct want a;
    uint32_t flags;

    if (nlh->nlmsg_type != RTM_NEWROUTE || !route_decode(nlh, w->index, &a, &flags))
        return MNL_CB_OK;
    /* A gateway that is on the link though no route says so. */
    if ((flags & RTNH_F_ONLINK) && a.gateway != 0) {
        struct want hop = {.dst = a.gateway, .prefix_len = 32, .metric = a.metric};
        if (!wants_add(w, &hop)) {
            errno = ENOMEM;
            return MNL_CB_ERROR;
        }
    }
    return add_or_fail(w, &a);
}

/* ---- the stack's side ---- */

static int sync_addrs(struct net *net, struct netif *nif, struct wants *w)
{
    int r = rtnl_dump(RTM_GETADDR, AF_INET, sizeof(struct ifaddrmsg), wants_start, on_addr, w);

    if (r < 0)
        return r;
    LIST_FOREACH_SAFE (node, &nif->addrs) {
        const struct netif_addr *a = container_of(node, struct netif_addr, node);
        struct want key = {.dst = addr_get_v4(&a->addr), .prefix_len = a->prefix_len};
        struct want *want;

        if (!a->borrowed || !addr_is_v4(&a->addr))
            continue;
        want = wants_find(w, &key);
        if (want != NULL) {
            want->there = true;
        } else {
            struct ip_addr gone = a->addr;
            netif_remove_addr(net, nif, &gone);
        }
    }
    for (size_t i = 0; i < w->n; i++) {
        struct ip_addr addr = addr_v4(w->items[i].dst);

        if (w->items[i].there)
            continue;
        /* -EEXIST: the kernel has it with two lengths; the first stays. */
        int err = netif_add_addr(net, nif, &addr, w->items[i].prefix_len, true, false);
        if (err < 0 && err != -EEXIST)
            r = err;
    }
    return r;
}

static struct route route_of(const struct want *a, struct netif *nif)
{
    return (struct route){
        .dst = addr_v4(a->dst),
        .prefix_len = a->prefix_len,
        .gateway = addr_v4(a->gateway),
        .src = addr_v4(a->src),
        .nif = nif,
        .metric = a->metric,
        .mtu = a->mtu,
    };
}

static void drop_routes(struct net *net, struct netif *nif, struct wants *w)
{
    LIST_FOREACH_SAFE (node, &net->routes) {
        const struct route *have = container_of(node, struct route, node);
        struct want *want;

        if (have->nif != nif || have->of_addr || !addr_is_v4(&have->dst))
            continue;
        want = wants_find(w, &(struct want){.dst = addr_get_v4(&have->dst),
                                            .gateway = addr_get_v4(&have->gateway),
                                            .metric = have->metric,
                                            .prefix_len = have->prefix_len});
        if (want != NULL && want->mtu == have->mtu && want->src == addr_get_v4(&have->src)) {
            want->there = true;
        } else {
            struct route gone = *have;
            route_remove(net, &gone);
        }
    }
}

static int add_routes(struct net *net, struct netif *nif, struct wants *w)
{
    int r = 0;

    /* Those to the link first: gateways must lie on it. */
    for (int with_gateway = 0; with_gateway <= 1; with_gateway++) {
        for (size_t i = 0; i < w->n; i++) {
            const struct want *a = &w->items[i];

            if (a->there || (a->gateway != 0) != with_gateway)
                continue;
            struct route route = route_of(a, nif);
            int err = route_add(net, &route);
            /* -EEXIST: made with the address. -ENETUNREACH: its gateway is on another link. */
            if (err < 0 && err != -EEXIST && err != -ENETUNREACH)
                r = err;
        }
    }
    return r;
}

static int sync_routes(struct net *net, struct netif *nif, struct wants *w)
{
    int r = rtnl_dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), wants_start, on_route, w);

    if (r < 0)
        return r;
    /* A preferred source that the stack does not have (an address of another interface) would make
     * the route useless. */
    for (size_t i = 0; i < w->n; i++) {
        struct ip_addr src = addr_v4(w->items[i].src);
        if (netif_find_addr(net, &src) == NULL)
            w->items[i].src = 0;
    }
    drop_routes(net, nif, w);
    return add_routes(net, nif, w);
}

int hostnet_sync(struct stack *st, struct netif *nif)
{
    struct wants w = {.index = nif->index};
    int r = sync_addrs(&st->net, nif, &w);

    if (r == 0)
        r = sync_routes(&st->net, nif, &w);
    wants_free(&w);
    return r;
}
