/*
 * IPv4 address conflict detection (RFC 5227), for addresses that are ours alone.
 *
 *                probes unanswered                     conflict twice in 10 s
 *      TENTATIVE -------------------> VALID (announce) ----------------------> CONFLICT
 *          ^  \                                                              ^   |
 *          |   \____ somebody has it, or probes for it too _________________/    |
 *          +------------------------- after 60 s -------------------------------+
 *
 * A valid address is defended once in 10 s by an announcement (2.4 (b)); another conflict within
 * that time gives it up. A lost address is probed again a minute later and comes back when it is
 * free, so that a passing disturbance does not silence the stack for ever.
 *
 * netif_addr.tries counts probes while tentative and announcements while valid.
 */
#include "net/net_int.h"

#include "base/log.h"

/* RFC 5227 1.1 */
#define PROBE_WAIT_US          (1 * US_PER_S)
#define PROBE_NUM              3
#define PROBE_MIN_US           (1 * US_PER_S)
#define PROBE_MAX_US           (2 * US_PER_S)
#define ANNOUNCE_WAIT_US       (2 * US_PER_S)
#define ANNOUNCE_NUM           2
#define ANNOUNCE_INTERVAL_US   (2 * US_PER_S)
#define RATE_LIMIT_INTERVAL_US (60 * US_PER_S)
#define DEFEND_INTERVAL_US     (10 * US_PER_S)

static bool acd_applies(const struct netif_addr *a)
{
    return !a->borrowed && a->nif->type == NETIF_ETHERNET && addr_is_v4(&a->addr);
}

static void acd_set_timer(struct net *net, struct netif_addr *a, uint64_t wait_us)
{
    timer_set(&net->timers, &a->timer, net->now_us + wait_us);
}

static void acd_announce(struct net *net, struct netif_addr *a)
{
    uint32_t v4 = addr_get_v4(&a->addr);

    neighbour_arp_send(net, a->nif, ARP_REQUEST, &neighbour_broadcast_mac, v4, NULL, v4);
}

static void acd_announce_step(struct net *net, struct netif_addr *a)
{
    acd_announce(net, a);
    if (++a->tries < ANNOUNCE_NUM)
        acd_set_timer(net, a, ANNOUNCE_INTERVAL_US);
}

void acd_start(struct net *net, struct netif_addr *a)
{
    if (!acd_applies(a) || !a->nif->up)
        return;
    a->tries = 0;
    switch (a->state) {
    case ADDR_TENTATIVE:
        acd_set_timer(net, a, rng_below(&net->rng, PROBE_WAIT_US + 1));
        break;
    case ADDR_VALID:
        acd_announce_step(net, a);
        break;
    case ADDR_CONFLICT:
        acd_set_timer(net, a, RATE_LIMIT_INTERVAL_US);
        break;
    }
}

void acd_resume(struct net *net, struct netif_addr *a)
{
    switch (a->state) {
    case ADDR_TENTATIVE:
    case ADDR_CONFLICT:
        acd_start(net, a);
        break;
    case ADDR_VALID: /* announced already, or nearly so */
        break;
    }
}

/* RFC 5227 2.1.1 */
static void acd_probe_step(struct net *net, struct netif_addr *a)
{
    if (a->tries == PROBE_NUM) {
        a->state = ADDR_VALID;
        net_routes_changed(net);
        acd_start(net, a);
        return;
    }
    neighbour_arp_send(net, a->nif, ARP_REQUEST, &neighbour_broadcast_mac, 0, NULL,
                       addr_get_v4(&a->addr));
    a->tries++;
    if (a->tries == PROBE_NUM)
        acd_set_timer(net, a, ANNOUNCE_WAIT_US);
    else
        acd_set_timer(net, a, PROBE_MIN_US + rng_below(&net->rng, PROBE_MAX_US - PROBE_MIN_US + 1));
}

void acd_timer(struct net *net, struct netif_addr *a)
{
    if (!a->nif->up)
        return; /* acd_start() when it comes up */
    switch (a->state) {
    case ADDR_TENTATIVE:
        acd_probe_step(net, a);
        break;
    case ADDR_VALID:
        acd_announce_step(net, a);
        break;
    case ADDR_CONFLICT:
        a->state = ADDR_TENTATIVE;
        acd_start(net, a);
        break;
    }
}

static void acd_give_up(struct net *net, struct netif_addr *a, const struct mac *other)
{
    char addr[ADDR_STR_MAX], mac[MAC_STR_MAX];

    log_error("%s: address %s is used by %s: given up", a->nif->name, addr_str(&a->addr, addr),
              mac_str(other, mac));
    a->state = ADDR_CONFLICT;
    net_routes_changed(net);
    acd_start(net, a);
}

/* RFC 5227 2.4 */
static void acd_defend(struct net *net, struct netif_addr *a, const struct mac *other)
{
    char addr[ADDR_STR_MAX], mac[MAC_STR_MAX];

    net->stats.arp_conflicts++;
    if (a->defended_at_us != 0 && net->now_us - a->defended_at_us < DEFEND_INTERVAL_US) {
        acd_give_up(net, a, other);
        return;
    }
    log_warn("%s: %s claims our address %s: defended", a->nif->name, mac_str(other, mac),
             addr_str(&a->addr, addr));
    a->defended_at_us = net->now_us;
    acd_announce(net, a);
}

bool acd_input(struct net *net, struct netif *nif, const struct arp *arp)
{
    LIST_FOREACH (node, &nif->addrs) {
        struct netif_addr *a = container_of(node, struct netif_addr, node);
        uint32_t v4;

        if (!addr_is_v4(&a->addr))
            continue;
        v4 = addr_get_v4(&a->addr);
        switch (a->state) {
        case ADDR_TENTATIVE:
            /* 2.1.1: somebody has it, or probes for it at the same time. */
            if (arp->spa == v4 || (arp->spa == 0 && arp->tpa == v4 && arp->op == ARP_REQUEST)) {
                net->stats.arp_conflicts++;
                acd_give_up(net, a, &arp->sha);
                return true;
            }
            break;
        case ADDR_VALID:
            if (arp->spa != v4)
                break;
            if (!a->borrowed) /* else the kernel defends it */
                acd_defend(net, a, &arp->sha);
            return true;
        case ADDR_CONFLICT:
            break;
        }
    }
    return false;
}
