/*
 * The host's network: which interface the stack uses, and what the kernel knows of it.
 *
 * The interface. A name that was given decides. Otherwise the default route does, as it says where
 * the world is; on a host without one, the first interface that somebody has configured.
 *
 * Nothing is kept here between two questions: the kernel's tables change at any time, and
 * hostnet_monitor_open()'s descriptor says when to ask again. hostnet_sync.c brings the stack's
 * tables in line.
 */
#include "io/hostnet.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/rtnl.h"

/* One link; unsupported: a kind whose frames the stack does not understand. */
struct link_seen {
    struct hostnet_if nif;
    uint16_t arphrd;
    bool unsupported;
};

/* ---- links ---- */

static bool link_type(uint16_t arphrd, enum netif_type *type)
{
    switch (arphrd) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        *type = NETIF_ETHERNET;
        return true;
    case ARPHRD_NONE: /* tun, WireGuard */
    case ARPHRD_RAWIP:
    case ARPHRD_PPP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
        *type = NETIF_IP;
        return true;
    default:
        return false;
    }
}

/* From an RTM_NEWLINK. */
static void link_decode(const struct nlmsghdr *nlh, struct link_seen *out)
{
    const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

    memset(out, 0, sizeof(*out));
    out->arphrd = ifi->ifi_type;
    out->unsupported = !link_type(ifi->ifi_type, &out->nif.type);
    out->nif.index = (uint32_t)ifi->ifi_index;
    out->nif.up = (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_RUNNING);
    out->nif.loopback = ifi->ifi_flags & IFF_LOOPBACK;
    RTNL_FOREACH (attr, nlh, sizeof(*ifi)) {
        size_t n = mnl_attr_get_payload_len(attr);

        switch (mnl_attr_get_type(attr)) {
        case IFLA_IFNAME:
            snprintf(out->nif.name, sizeof(out->nif.name), "%.*s", (int)n, mnl_attr_get_str(attr));
            break;
        case IFLA_MTU:
            if (n == sizeof(uint32_t))
                out->nif.mtu = mnl_attr_get_u32(attr);
            break;
        case IFLA_ADDRESS:
            if (n == sizeof(out->nif.mac.b))
                memcpy(out->nif.mac.b, mnl_attr_get_payload(attr), n);
            break;
        default:
            break;
        }
    }
    if (out->nif.mtu > UINT16_MAX) /* loopback's is 65,536: no IP packet is that long */
        out->nif.mtu = UINT16_MAX;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
    if (nlh->nlmsg_type == RTM_NEWLINK)
        link_decode(nlh, arg);
    return MNL_CB_OK;
}

/* By name, or with NULL by index. 0, -ENODEV, or netlink's -errno. */
static int link_get(const char *name, uint32_t index, struct link_seen *out)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES];
    struct nlmsghdr *nlh = rtnl_request(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

    if (name != NULL)
        mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    ifi->ifi_index = name != NULL ? 0 : (int)index;
    out->nif.index = 0;
    int r = rtnl_ask(nlh, on_link, out);
    return r == 0 && out->nif.index == 0 ? -ENODEV : r;
}

int hostnet_link(uint32_t index, struct hostnet_if *out)
{
    struct link_seen seen;
    int r = index == 0 ? -ENODEV : link_get(NULL, index, &seen);

    if (r == 0 && seen.unsupported)
        r = -ENODEV;
    if (r == 0)
        *out = seen.nif;
    return r;
}

/* ---- addresses ---- */

/* What is looked for among the kernel's IPv4 addresses. */
struct addr_search {
    uint32_t index;             /* on this interface */
    const struct ip_addr *addr; /* NULL: any address */
    bool found;
};

static void addr_search_start(void *arg)
{
    ((struct addr_search *)arg)->found = false;
}

static int on_addr(const struct nlmsghdr *nlh, void *arg)
{
    struct addr_search *search = arg;
    const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);

    if (nlh->nlmsg_type != RTM_NEWADDR || ifa->ifa_family != AF_INET)
        return MNL_CB_OK;
    if (search->addr == NULL) {
        search->found |= ifa->ifa_index == search->index;
        return MNL_CB_OK;
    }
    RTNL_FOREACH (attr, nlh, sizeof(*ifa)) {
        if (mnl_attr_get_type(attr) == IFA_LOCAL &&
            mnl_attr_get_payload_len(attr) == sizeof(uint32_t) &&
            memcmp(mnl_attr_get_payload(attr), search->addr->b + 12, 4) == 0)
            search->found = true;
    }
    return MNL_CB_OK;
}

/* 1, 0, or netlink's -errno. */
static int addr_search(struct addr_search *search)
{
    int r = rtnl_dump(RTM_GETADDR, AF_INET, sizeof(struct ifaddrmsg), addr_search_start, on_addr,
                      search);

    return r < 0 ? r : search->found;
}

/* ---- where the kernel would send ---- */

static int on_lookup(const struct nlmsghdr *nlh, void *arg)
{
    struct hostnet_way *way = arg;
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

    if (nlh->nlmsg_type != RTM_NEWROUTE)
        return MNL_CB_OK;
    way->local = rtm->rtm_type == RTN_LOCAL;
    RTNL_FOREACH (attr, nlh, sizeof(*rtm)) {
        if (mnl_attr_get_type(attr) == RTA_OIF &&
            mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
            way->index = mnl_attr_get_u32(attr);
    }
    return MNL_CB_OK;
}

int hostnet_lookup(const struct ip_addr *dst, struct hostnet_way *out)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES];
    struct nlmsghdr *nlh = rtnl_request(buf, RTM_GETROUTE, 0, sizeof(struct rtmsg));
    struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    bool v4 = addr_is_v4(dst);

    *out = (struct hostnet_way){0};
    rtm->rtm_family = v4 ? AF_INET : AF_INET6;
    rtm->rtm_dst_len = v4 ? 32 : 128;
    mnl_attr_put(nlh, RTA_DST, v4 ? 4 : 16, v4 ? dst->b + 12 : dst->b);
    return rtnl_ask(nlh, on_lookup, out);
}

bool hostnet_is_local(const struct ip_addr *addr)
{
    struct hostnet_way way;

    /* The table of local addresses is the first that the kernel asks. */
    return hostnet_lookup(addr, &way) == 0 && way.local;
}

/* ---- the choice ---- */

/* The default routes, best first; few hosts have more than two. */
#define DEFAULTS_MAX 8
struct defaults {
    size_t n;
    struct {
        uint32_t index, metric;
    } at[DEFAULTS_MAX];
};

static void defaults_start(void *arg)
{
    ((struct defaults *)arg)->n = 0;
}

static void defaults_insert(struct defaults *d, uint32_t index, uint32_t metric)
{
    size_t i = d->n;

    while (i > 0 && d->at[i - 1].metric > metric)
        i--;
    if (i == DEFAULTS_MAX)
        return;
    if (d->n < DEFAULTS_MAX)
        d->n++;
    memmove(&d->at[i + 1], &d->at[i], (d->n - i - 1) * sizeof(d->at[0]));
    d->at[i].index = index;
    d->at[i].metric = metric;
}

static int on_default(const struct nlmsghdr *nlh, void *arg)
{
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    uint32_t index = 0, metric = 0;

    if (nlh->nlmsg_type != RTM_NEWROUTE || rtm->rtm_table != RT_TABLE_MAIN ||
        rtm->rtm_type != RTN_UNICAST || rtm->rtm_dst_len != 0)
        return MNL_CB_OK;
    RTNL_FOREACH (attr, nlh, sizeof(*rtm)) {
        size_t n = mnl_attr_get_payload_len(attr);

        switch (mnl_attr_get_type(attr)) {
        case RTA_OIF:
            index = n == sizeof(index) ? mnl_attr_get_u32(attr) : 0;
            break;
        case RTA_PRIORITY:
            metric = n == sizeof(metric) ? mnl_attr_get_u32(attr) : 0;
            break;
        case RTA_MULTIPATH: /* several next hops: the first one's */
            if (n >= sizeof(struct rtnexthop))
                index =
                    (uint32_t)((const struct rtnexthop *)mnl_attr_get_payload(attr))->rtnh_ifindex;
            break;
        default:
            break;
        }
    }
    if (index != 0)
        defaults_insert(arg, index, metric);
    return MNL_CB_OK;
}

/* The interface of the best default route that is up. 0, -ENODEV, or netlink's -errno. */
static int find_default(struct link_seen *out)
{
    struct defaults defaults;
    int r = rtnl_dump(RTM_GETROUTE, AF_INET, sizeof(struct rtmsg), defaults_start, on_default,
                      &defaults);

    for (size_t i = 0; r == 0 && i < defaults.n; i++) {
        r = link_get(NULL, defaults.at[i].index, out);
        if (r == 0 && out->nif.up && !out->nif.loopback && !out->unsupported)
            return 0;
        if (r == -ENODEV)
            r = 0;
    }
    return r < 0 ? r : -ENODEV;
}

/* The first interface that is up, after a given one. */
struct link_walk {
    uint32_t after;
    struct link_seen found;
};

static void link_walk_start(void *arg)
{
    ((struct link_walk *)arg)->found.nif.index = 0;
}

static int on_link_walk(const struct nlmsghdr *nlh, void *arg)
{
    struct link_walk *walk = arg;
    struct link_seen seen;

    if (nlh->nlmsg_type != RTM_NEWLINK)
        return MNL_CB_OK;
    link_decode(nlh, &seen);
    if (seen.nif.index > walk->after && seen.nif.up && !seen.nif.loopback && !seen.unsupported &&
        (walk->found.nif.index == 0 || seen.nif.index < walk->found.nif.index))
        walk->found = seen;
    return MNL_CB_OK;
}

/* The first interface that is up and not loopback, and (with_addr) has an IPv4 address. 0, -ENODEV,
 * or netlink's -errno. */
static int find_first(bool with_addr, struct link_seen *out)
{
    struct link_walk walk = {0};

    for (;;) {
        int r = rtnl_dump(RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), link_walk_start,
                          on_link_walk, &walk);
        if (r < 0)
            return r;
        if (walk.found.nif.index == 0)
            return -ENODEV;
        r = with_addr ? addr_search(&(struct addr_search){.index = walk.found.nif.index}) : 1;
        if (r < 0)
            return r;
        if (r > 0) {
            *out = walk.found;
            return 0;
        }
        walk.after = walk.found.nif.index;
    }
}

static int find_unnamed(const struct config *c, struct link_seen *out)
{
    int r = find_default(out);

    if (r == -ENODEV)
        r = find_first(true, out);
    if (r == -ENODEV && c->own_address)
        r = find_first(false, out);
    return r;
}

static int find_named(const struct config *c, struct link_seen *out, char *why, size_t why_bytes)
{
    int r = link_get(c->interface, 0, out);

    if (r == -ENODEV)
        snprintf(why, why_bytes, "SHIM_INTERFACE=%s: there is no such interface", c->interface);
    if (r < 0)
        return r;
    if (out->unsupported) {
        snprintf(why, why_bytes,
                 "SHIM_INTERFACE=%s: neither Ethernet nor bare IP (hardware type %u)", c->interface,
                 out->arphrd);
        return -ENODEV;
    }
    if (!out->nif.up) {
        snprintf(why, why_bytes, "SHIM_INTERFACE=%s: the interface is down", c->interface);
        return -ENETDOWN;
    }
    return 0;
}

/* Do the kernel's addresses and c's go together? */
static int check_addrs(const struct config *c, const struct hostnet_if *nif, char *why,
                       size_t why_bytes)
{
    char text[ADDR_STR_MAX];
    int r;

    if (c->own_address) {
        r = addr_search(&(struct addr_search){.addr = &c->address});
        if (r > 0)
            snprintf(why, why_bytes,
                     "SHIM_ADDRESS=%s/%u is the kernel's: take an address that nobody has, or "
                     "leave SHIM_ADDRESS out to share the kernel's",
                     addr_str(&c->address, text), c->prefix_len);
        return r > 0 ? -EADDRINUSE : r;
    }
    r = addr_search(&(struct addr_search){.index = nif->index});
    if (r == 0)
        snprintf(why, why_bytes,
                 "interface %s has no IPv4 address to share: set SHIM_ADDRESS to give the stack "
                 "one of its own",
                 nif->name);
    return r == 0 ? -EADDRNOTAVAIL : r < 0 ? r : 0;
}

int hostnet_find(const struct config *c, struct hostnet_if *out, char *why, size_t why_bytes)
{
    struct link_seen seen;
    int r;

    if (why_bytes > 0)
        why[0] = '\0';
    if (c->interface[0] != '\0') {
        r = find_named(c, &seen, why, why_bytes);
    } else {
        r = find_unnamed(c, &seen);
        if (r == -ENODEV)
            snprintf(why, why_bytes,
                     "no interface is up and has an IPv4 address; SHIM_INTERFACE and SHIM_ADDRESS "
                     "can name both");
    }
    if (r == 0)
        r = check_addrs(c, &seen.nif, why, why_bytes);
    if (r == 0)
        *out = seen.nif;
    else if (why_bytes > 0 && why[0] == '\0')
        snprintf(why, why_bytes, "the kernel's interfaces cannot be read: %s", strerrordesc_np(-r));
    return r;
}

/* ---- changes ---- */

int hostnet_monitor_open(void)
{
    struct sockaddr_nl addr = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        int err = errno;
        close(fd);
        return -err;
    }
    return fd;
}

bool hostnet_monitor_drain(int fd)
{
    bool changed = false;

    /* Whatever the message says, the tables are read anew: its head is enough. */
    for (;;) {
        struct nlmsghdr head;
        struct sockaddr_nl from = {0};
        socklen_t from_bytes = sizeof(from);
        ssize_t n =
            recvfrom(fd, &head, sizeof(head), MSG_DONTWAIT, (struct sockaddr *)&from, &from_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == ENOBUFS) { /* messages were lost */
            changed = true;
            continue;
        }
        if (n < 0)
            return changed;
        if (from.nl_pid == 0)
            changed = true;
    }
}
