/*
 * Multicast groups that a socket has joined (RFC 1112 7.1). They are remembered with the rules of
 * the kernel; telling routers (IGMP) and filtering by them is a later capability.
 */
#include <errno.h>

#include "sock/sock_int.h"

/* The interface meant by an address of ours or an index; by neither: where the route to group goes.
 * 0: none. */
static uint32_t group_ifindex(struct sock *so, const struct ip_addr *group,
                              const struct ip_addr *local, uint32_t ifindex)
{
    struct net *net = &so->stack->net;
    if (ifindex != 0)
        return netif_by_index(net, ifindex) ? ifindex : 0;
    if (!addr_is_any(local)) {
        const struct netif_addr *a = netif_find_addr(net, local);
        return a ? a->nif->index : 0;
    }
    struct ip_path path;
    struct ip_addr any = addr_any4();
    if (path_lookup(net, group, &any, NULL, &path) == 0)
        return path.nif->index;
    return 0;
}

/* ifindex 0: on any interface. */
static struct sock_group *group_find(struct sock *so, const struct ip_addr *group, uint32_t ifindex)
{
    if (!so->rare)
        return NULL;
    LIST_FOREACH (n, &so->rare->groups) {
        struct sock_group *g = container_of(n, struct sock_group, node);
        if (addr_eq(&g->group, group) && (ifindex == 0 || g->ifindex == ifindex))
            return g;
    }
    return NULL;
}

int sock_group_join(struct sock *so, const struct ip_addr *group, const struct ip_addr *local,
                    uint32_t ifindex)
{
    if (!addr_is_multicast(group))
        return -EINVAL;
    ifindex = group_ifindex(so, group, local, ifindex);
    if (ifindex == 0)
        return -ENODEV;
    if (group_find(so, group, ifindex))
        return -EADDRINUSE;
    struct sock_rare *r = sock_rare(so);
    struct sock_group *g = r ? arena_alloc(so->stack->net.arena, sizeof(*g)) : NULL;
    if (!g)
        return -ENOBUFS;
    g->group = *group;
    g->ifindex = ifindex;
    list_push(&r->groups, &g->node);
    return 0;
}

int sock_group_leave(struct sock *so, const struct ip_addr *group, const struct ip_addr *local,
                     uint32_t ifindex)
{
    bool named = ifindex != 0 || !addr_is_any(local);
    uint32_t at = group_ifindex(so, group, local, ifindex);
    if (at == 0)
        return named ? -EADDRNOTAVAIL : -ENODEV;
    struct sock_group *g = group_find(so, group, named ? at : 0);
    if (!g)
        return -EADDRNOTAVAIL;
    list_remove(&g->node);
    arena_free(so->stack->net.arena, g, sizeof(*g));
    return 0;
}
