/*
 * The shim command:
 *
 *   shim run [-i INTERFACE] [-a ADDRESS/LENGTH] [-g GATEWAY] [-t TRACE] PROGRAM [ARGUMENT ...]
 *   shim ss [-t] [-u] [-l] [-n]
 */
#include <errno.h>
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

static int usage(FILE *to)
{
    fputs("usage: shim run [-i INTERFACE] [-a ADDRESS/LENGTH] [-g GATEWAY] [-t TRACE] PROGRAM "
          "[ARGUMENT ...]\n"
          "       shim ss [-tul]\n"
          "       shim -V\n",
          to);
    return to == stderr ? 2 : 0;
}

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
    while ((opt = getopt(argc, argv, "+i:a:g:t:")) != -1) {
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
        default:
            return usage(stderr);
        }
    }
    if (optind >= argc)
        return usage(stderr);
    const char *lib = library(path, sizeof(path));
    const char *before = getenv("LD_PRELOAD");
    if (access(lib, R_OK) < 0) {
        fprintf(stderr, "shim: %s: %s\n", lib, strerror(errno));
        return 1;
    }
    snprintf(preload, sizeof(preload), "%s%s%s", lib, before && *before ? ":" : "",
             before ? before : "");
    set("LD_PRELOAD", preload);
    execvp(argv[optind], argv + optind);
    int err = errno;
    fprintf(stderr, "shim: %s: %s\n", argv[optind], strerror(err));
    return err == ENOENT ? 127 : 126;
}

struct wanted {
    bool tcp, udp, listening;
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

static const char *endpoint_text(const struct endpoint *e, char *out, size_t n)
{
    char a[ADDR_STR_MAX];
    if (e->port == 0)
        snprintf(out, n, "%s:*", addr_str(&e->addr, a));
    else
        snprintf(out, n, "%s:%u", addr_str(&e->addr, a), e->port);
    return out;
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
           endpoint_text(&row->remote, remote, sizeof(remote)), row->state, owner);
}

static void print_stack(void *arg, struct stack *st)
{
    stack_list(st, print_row, arg);
}

static int ss(int argc, char **argv)
{
    struct wanted w = {.tcp = false};
    int opt;
    while ((opt = getopt(argc, argv, "tuln")) != -1) {
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
        case 'n':
            break; /* addresses are always numbers */
        default:
            return usage(stderr);
        }
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

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "run") == 0)
        return run(argc - 1, argv + 1);
    if (strcmp(argv[1], "ss") == 0)
        return ss(argc - 1, argv + 1);
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
        puts("shim (libshim) " PACKAGE_VERSION);
        return 0;
    }
    return usage(strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ? stdout : stderr);
}
