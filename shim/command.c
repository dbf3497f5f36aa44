/* The shim command: shim run, shim ss (usage below, shim(1)). */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "io/family.h"

#ifndef SHIM_LIBDIR
#define SHIM_LIBDIR "/usr/local/lib"
#endif

static const char usage_text[] =
    "usage: shim run [-i INTERFACE] [-a ADDRESS/LENGTH] [-g GATEWAY] [-t TRACE]\n"
    "                PROGRAM [ARGUMENT ...]\n"
    "       shim ss [-lnstu]\n"
    "       shim --help | --version\n"
    "\n"
    "shim run runs PROGRAM on a TCP/IP stack of its own.\n"
    "  -i INTERFACE       the interface (SHIM_INTERFACE)\n"
    "  -a ADDRESS/LENGTH  an address of the stack's own (SHIM_ADDRESS)\n"
    "  -g GATEWAY         its default gateway (SHIM_GATEWAY)\n"
    "  -t TRACE           a file for the trace, or \"stderr\" (SHIM_TRACE)\n"
    "\n"
    "shim ss lists the sockets of all such stacks.\n"
    "  -t  TCP        -l  of TCP, only those in LISTEN\n"
    "  -u  UDP        -s  the stacks instead: their interfaces, with counters\n";

/* To stderr it is for a wrong use, of which the first paragraph reminds. */
static int usage(FILE *to)
{
    const char *end = strstr(usage_text, "\n\n");
    fprintf(to, "%.*s", to == stderr ? (int)(end + 1 - usage_text) : (int)sizeof(usage_text),
            usage_text);
    return to == stderr ? 2 : 0;
}

/* The options that are for each of the commands. */
static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* libshim.so beside this program in a build tree, or where it is installed. */
static const char *library(char *out, size_t n)
{
    ssize_t len = readlink("/proc/self/exe", out, n - 1);
    if (len > 0) {
        out[len] = '\0';
        for (int up = 0; up < 2; up++) {
            char *slash = strrchr(out, '/');
            if (slash)
                *slash = '\0';
        }
        size_t used = strlen(out);
        static const char *const places[] = {"/.libs/libshim.so", "/lib/libshim.so"};
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
            snprintf(out + used, n - used, "%s", places[i]);
            if (access(out, R_OK) == 0)
                return out;
        }
    }
    return SHIM_LIBDIR "/libshim.so";
}

static void set(const char *name, const char *value)
{
    if (setenv(name, value, 1) < 0) {
        perror("shim");
        exit(1);
    }
}

static int run(int argc, char **argv)
{
    char path[4096], preload[8192];
    int opt;
    while ((opt = getopt_long(argc, argv, "+hi:a:g:t:", long_options, NULL)) != -1) {
        switch (opt) {
        case 'i':
            set("SHIM_INTERFACE", optarg);
            break;
        case 'a':
            set("SHIM_ADDRESS", optarg);
            break;
        case 'g':
            set("SHIM_GATEWAY", optarg);
            break;
        case 't':
            set("SHIM_TRACE", optarg);
            break;
        case 'h':
            return usage(stdout);
        default:
            return usage(stderr);
        }
    }
    if (optind >= argc) {
        fputs("shim run: no program is given\n", stderr);
        return usage(stderr);
    }
    const char *lib = library(path, sizeof(path));
    const char *before = getenv("LD_PRELOAD");
    if (access(lib, R_OK) < 0) {
        fprintf(stderr, "shim: %s: %s\n", lib, strerror(errno));
        return 1;
    }
    /* Behind what is there already: a sanitizer's library wants to be the first. */
    snprintf(preload, sizeof(preload), "%s%s%s", before ? before : "", before && *before ? ":" : "",
             lib);
    set("LD_PRELOAD", preload);
    execvp(argv[optind], argv + optind);
    int err = errno;
    fprintf(stderr, "shim: %s: %s\n", argv[optind], strerror(err));
    return err == ENOENT ? 127 : 126;
}

struct wanted {
    bool tcp, udp, listening, stacks;
    size_t rows;
};

/* The name of the program behind a pid, from /proc. */
static const char *program_of(int32_t pid, char *out, size_t n)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (f) {
        if (fgets(out, (int)n, f))
            out[strcspn(out, "\n")] = '\0';
        fclose(f);
    }
    return out;
}

/* As 192.0.2.1:80, [::]:80 or, without a port, 0.0.0.0:*. */
static const char *endpoint_text(const struct endpoint *e, char *out, size_t n)
{
    char a[ADDR_STR_MAX], port[8] = "*";
    if (e->port)
        snprintf(port, sizeof(port), "%u", e->port);
    snprintf(out, n, addr_is_v4(&e->addr) ? "%s:%s" : "[%s]:%s", addr_str(&e->addr, a), port);
    return out;
}

/* UDP has the two states that ss(8) gives it, with the names of TCP's. */
static const char *state_text(const struct stack_row *row)
{
    if (row->proto == IPPROTO_TCP)
        return row->state;
    return row->remote.port ? "ESTABLISHED" : "UNCONNECTED";
}

static void print_row(void *arg, const struct stack_row *row)
{
    struct wanted *w = arg;
    char local[64], remote[64], name[32] = "", owner[64] = "-";
    bool tcp = row->proto == IPPROTO_TCP;
    if (!(tcp ? w->tcp : w->udp))
        return;
    if (w->listening && tcp && strcmp(row->state, "LISTEN") != 0)
        return;
    if (row->pid)
        snprintf(owner, sizeof(owner), "%d/%s", row->pid, program_of(row->pid, name, sizeof(name)));
    if (w->rows++ == 0)
        printf("%-5s %7s %7s  %-22s %-22s %-12s %s\n", "Proto", "Recv-Q", "Send-Q", "Local address",
               "Peer address", "State", "PID/Program");
    printf("%-5s %7llu %7llu  %-22s %-22s %-12s %s\n", tcp ? "tcp" : "udp",
           (unsigned long long)row->recv_q, (unsigned long long)row->send_q,
           endpoint_text(&row->local, local, sizeof(local)),
           endpoint_text(&row->remote, remote, sizeof(remote)), state_text(row), owner);
}

/* The processes of a stack that are still there, as 123/name,124/name. */
static void print_processes(struct stack *st)
{
    const char *sep = "";
    char name[32];
    for (struct proc *p = slab_next(&st->procs, NULL); p; p = slab_next(&st->procs, p)) {
        if (*program_of(p->pid, name, sizeof(name)) == '\0')
            continue;
        printf("%s%d/%s", sep, p->pid, name);
        sep = ",";
    }
    puts(*sep ? "" : "processes that have ended; it finishes their connections");
}

static void print_interface(const struct netif *nif)
{
    const struct netif_stats *s = &nif->stats;
    char a[ADDR_STR_MAX];
    printf("  %s: %s, MTU %u, %s", nif->name, nif->type == NETIF_IP ? "bare IP" : "Ethernet",
           nif->mtu, nif->up ? "up" : "down");
    LIST_FOREACH (node, &nif->addrs) {
        const struct netif_addr *addr = container_of(node, struct netif_addr, node);
        printf(", %s/%u%s", addr_str(&addr->addr, a), addr->prefix_len,
               addr->borrowed ? "" : " of its own");
    }
    printf("\n    received %" PRIu64 " frames, %" PRIu64 " bytes; lost %" PRIu64 ", bad %" PRIu64
           ", not for us %" PRIu64 "\n",
           s->rx_frames, s->rx_bytes, s->rx_dropped, s->rx_bad, s->rx_not_for_us);
    printf("    sent %" PRIu64 " frames, %" PRIu64 " bytes; no room for %" PRIu64
           ", failed %" PRIu64 "\n",
           s->tx_frames, s->tx_bytes, s->tx_busy, s->tx_errors);
}

static void print_stack(void *arg, struct stack *st)
{
    const struct wanted *w = arg;
    if (!w->stacks) {
        stack_list(st, print_row, arg);
        return;
    }
    fputs("Stack of ", stdout);
    print_processes(st);
    LIST_FOREACH (node, &st->net.netifs)
        print_interface(container_of(node, struct netif, node));
}

static int ss(int argc, char **argv)
{
    struct wanted w = {.tcp = false};
    int opt;
    while ((opt = getopt_long(argc, argv, "hlnstu", long_options, NULL)) != -1) {
        switch (opt) {
        case 't':
            w.tcp = true;
            break;
        case 'u':
            w.udp = true;
            break;
        case 'l':
            w.listening = true;
            break;
        case 's':
            w.stacks = true;
            break;
        case 'n':
            break; /* addresses are always numbers */
        case 'h':
            return usage(stdout);
        default:
            return usage(stderr);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "shim ss: %s: there are no arguments\n", argv[optind]);
        return usage(stderr);
    }
    if (!w.tcp && !w.udp)
        w.tcp = w.udp = true;
    int n = family_each(print_stack, &w);
    if (n < 0) {
        fprintf(stderr, "shim: /proc: %s\n", strerror(-n));
        return 1;
    }
    return 0;
}

/* What was printed may not have reached its file. */
static int flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    perror("shim");
    return 1;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "run") == 0) {
        argv[1] = (char[]){"shim run"}; /* who complains of wrong options */
        return flushed(run(argc - 1, argv + 1));
    }
    if (strcmp(what, "ss") == 0) {
        argv[1] = (char[]){"shim ss"};
        return flushed(ss(argc - 1, argv + 1));
    }
    if (strcmp(what, "-V") == 0 || strcmp(what, "--version") == 0) {
        puts("shim (libshim) " PACKAGE_VERSION);
        return flushed(0);
    }
    if (strcmp(what, "-h") == 0 || strcmp(what, "--help") == 0)
        return flushed(usage(stdout));
    if (argc > 1)
        fprintf(stderr, "shim: %s: there is no such command\n", what);
    return usage(stderr);
}
