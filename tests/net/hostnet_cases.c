/*
 * Asks io/hostnet.h, for test_hostnet.sh.
 *
 *   hostnet_cases find             the interface that the SHIM_* variables choose
 *   hostnet_cases link IFNAME      its state
 *   hostnet_cases way ADDRESS      where the kernel would send it
 *   hostnet_cases tables IFNAME    the stack's addresses and routes after hostnet_sync()
 *   hostnet_cases follow IFNAME    the same, and again after each change; until standard input ends
 *   hostnet_cases locals           for each address in standard input: is it local, and is it still
 * when asked again; for the word drain, reads what the monitor has
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/hostnet.h"
#include "io/locals.h"

#define ARENA_BYTES (64u << 20)

static struct stack *st;
static struct netif *nif;

static int drop(void *ctx, struct netif *out, const struct frame *f)
{
    return 0;
}

static struct net_env env = {.output = drop};

static void print_if(const struct hostnet_if *i)
{
    char mac[MAC_STR_MAX];

    printf("%s %s %s mtu %u%s%s\n", i->name, i->type == NETIF_ETHERNET ? "ethernet" : "ip",
           mac_str(&i->mac, mac), i->mtu, i->up ? " up" : " down", i->loopback ? " loopback" : "");
}

static int failed(int err, const char *why)
{
    printf("%s %s\n", strerrorname_np(-err), why);
    return 1;
}

static int find(void)
{
    struct hostnet_if found;
    struct config c;
    char why[256];
    int r = config_load(&c, why, sizeof(why));

    if (r == 0)
        r = hostnet_find(&c, &found, why, sizeof(why));
    if (r < 0)
        return failed(r, why);
    print_if(&found);
    return 0;
}

static int show_link(const char *name)
{
    struct hostnet_if found;
    int r = hostnet_link(if_nametoindex(name), &found);

    if (r < 0)
        return failed(r, "");
    print_if(&found);
    return 0;
}

static int way(const char *text)
{
    char name[IF_NAMESIZE] = "nowhere";
    struct hostnet_way w;
    struct ip_addr addr;

    if (!addr_parse(text, &addr))
        return 2;
    int r = hostnet_lookup(&addr, &w);
    if (r < 0)
        return failed(r, hostnet_is_local(&addr) ? "local" : "");
    if_indextoname(w.index, name);
    printf("%s%s\n", name, w.local ? " local" : "");
    return w.local == hostnet_is_local(&addr) ? 0 : 2;
}

static void print_tables(void)
{
    char a[ADDR_STR_MAX], b[ADDR_STR_MAX], c[ADDR_STR_MAX];

    LIST_FOREACH (node, &nif->addrs) {
        const struct netif_addr *addr = container_of(node, struct netif_addr, node);
        printf("address %s/%u%s\n", addr_str(&addr->addr, a), addr->prefix_len,
               addr->borrowed ? "" : " own");
    }
    LIST_FOREACH (node, &st->net.routes) {
        const struct route *r = container_of(node, struct route, node);
        printf("route %s/%u", addr_str(&r->dst, a), r->prefix_len);
        if (!addr_is_any(&r->gateway))
            printf(" via %s", addr_str(&r->gateway, b));
        if (!addr_is_any(&r->src) && !r->of_addr)
            printf(" src %s", addr_str(&r->src, c));
        if (r->metric)
            printf(" metric %u", r->metric);
        if (r->mtu)
            printf(" mtu %u", r->mtu);
        printf("%s\n", r->of_addr ? " of address" : "");
    }
}

static int sync_now(void)
{
    stack_enter(st, clock_now_us(), &env);
    uint32_t before = st->net.route_generation;
    int r = hostnet_sync(st, nif);
    bool changed = st->net.route_generation != before;
    stack_leave(st);
    if (r < 0)
        return failed(r, "");
    print_tables();
    printf("%s\n", changed ? "changed" : "the same");
    fflush(stdout);
    return 0;
}

static int start(const char *name)
{
    struct netif desc = {.index = if_nametoindex(name), .mtu = 1500, .up = true};
    void *mem = aligned_alloc(ARENA_PAGE_BYTES, ARENA_BYTES);

    if (mem == NULL || desc.index == 0)
        return 2;
    memset(mem, 0, ARENA_BYTES);
    snprintf(desc.name, sizeof(desc.name), "%s", name);
    st = stack_create(arena_init(mem, ARENA_BYTES, 0), 1);
    if (st == NULL)
        return 2;
    stack_enter(st, clock_now_us(), &env);
    nif = netif_add(&st->net, &desc);
    /* An address that the stack has for itself is none of hostnet_sync()'s business. */
    struct ip_addr own = addr_v4(0xcb007109);
    netif_add_addr(&st->net, nif, &own, 32, false, false);
    stack_leave(st);
    return sync_now();
}

static int follow(void)
{
    int fd = hostnet_monitor_open();

    if (fd < 0)
        return failed(fd, "monitor");
    sync_now(); /* what happened before the monitor was there; a second time changes nothing */
    for (;;) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        if (poll(fds, 2, 60000) <= 0 || fds[1].revents)
            return 0;
        if (hostnet_monitor_drain(fd) && sync_now() != 0)
            return 1;
    }
}

static int locals(void)
{
    char word[64];
    struct ip_addr addr;
    int fd = hostnet_monitor_open();

    if (fd < 0)
        return failed(fd, "monitor");
    while (scanf("%63s", word) == 1) {
        if (addr_parse(word, &addr)) {
            const char *first = locals_has(&addr, fd) ? "local" : "remote";
            printf("%s %s\n", first, locals_has(&addr, fd) ? "local" : "remote");
        } else {
            locals_forget();
            printf("%s\n", hostnet_monitor_drain(fd) ? "changed" : "the same");
        }
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "find") == 0)
        return find();
    if (strcmp(what, "locals") == 0)
        return locals();
    if (argc > 2 && strcmp(what, "link") == 0)
        return show_link(argv[2]);
    if (argc > 2 && strcmp(what, "way") == 0)
        return way(argv[2]);
    if (argc > 2 && strcmp(what, "tables") == 0)
        return start(argv[2]);
    if (argc > 2 && strcmp(what, "follow") == 0)
        return start(argv[2]) || follow();
    fprintf(stderr, "usage: hostnet_cases find | link IF | way ADDRESS | tables IF | follow IF\n");
    return 2;
}
