/*
 * The ends of the benchmarks over bad cables, plain socket programs. CC is a congestion control for
 * TCP_CONGESTION, or "-" for the default.
 *
 *   bench_flow sink PORT SECONDS       accepts once, reads for SECONDS; prints bits per second
 *   bench_flow source IP PORT CC       connects and writes until the other end has had enough
 *   bench_flow serve PORT BYTES N CC   answers N connections with BYTES each, several at a time
 *   bench_flow fetch IP PORT BYTES N   makes N such connections, several at a time; prints the
 *                                      median and the 99th percentile of their times, milliseconds
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define THREADS 8

static char junk[64 * 1024];

static int new_socket(const char *cc)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        die("socket");
    if (strcmp(cc, "-") != 0 &&
        setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)) < 0)
        die(cc);
    return s;
}

static int listen_on(const char *port, const char *cc)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int one = 1, s = new_socket(cc);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 64) < 0)
        die("listen");
    return s;
}

static int connect_to(const char *ip, const char *port, const char *cc)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int s = new_socket(cc);
    inet_pton(AF_INET, ip, &a.sin_addr);
    if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0)
        die("connect");
    return s;
}

static void sink(const char *port, double seconds)
{
    int l = listen_on(port, "-"), c = accept(l, NULL, NULL);
    double bits = 0, start = now_s(), left = seconds;
    if (c < 0)
        die("accept");
    for (; left > 0; left = seconds - (now_s() - start)) {
        struct pollfd p = {.fd = c, .events = POLLIN};
        ssize_t n;
        if (poll(&p, 1, (int)(left * 1000) + 1) <= 0)
            continue;
        n = recv(c, junk, sizeof(junk), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0)
            bits += (double)n * 8;
    }
    printf("%.0f\n", bits / (now_s() - start));
}

static void source(const char *ip, const char *port, const char *cc)
{
    int s = connect_to(ip, port, cc);
    while (write(s, junk, sizeof(junk)) > 0)
        ;
}

/* ---- many short ones ---- */

static struct {
    int listener;
    const char *ip, *port;
    size_t bytes;
    int count;
    atomic_int next;
    double *ms;
} many;

static void *serve_some(void *arg)
{
    while (atomic_fetch_add(&many.next, 1) < many.count) {
        int c = accept(many.listener, NULL, NULL);
        if (c < 0)
            die("accept");
        for (size_t left = many.bytes; left;) {
            ssize_t n = write(c, junk, left);
            if (n <= 0)
                break;
            left -= (size_t)n;
        }
        shutdown(c, SHUT_WR);
        while (read(c, &(char){0}, 1) > 0)
            ;
        close(c);
    }
    return NULL;
}

static void *fetch_some(void *arg)
{
    char buf[16384];
    int i;
    while ((i = atomic_fetch_add(&many.next, 1)) < many.count) {
        double start = now_s();
        int s = connect_to(many.ip, many.port, "-");
        size_t got = 0;
        ssize_t n;
        while ((n = read(s, buf, sizeof(buf))) > 0)
            got += (size_t)n;
        if (got != many.bytes)
            die("short answer");
        many.ms[i] = (now_s() - start) * 1000;
        close(s);
    }
    return NULL;
}

static void run_threads(void *(*fn)(void *))
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, fn, NULL))
            die("pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fetch(void)
{
    many.ms = calloc((size_t)many.count, sizeof(*many.ms));
    if (!many.ms)
        die("calloc");
    run_threads(fetch_some);
    qsort(many.ms, (size_t)many.count, sizeof(*many.ms), by_value);
    printf("%.1f %.1f\n", many.ms[many.count / 2], many.ms[many.count * 99 / 100]);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "sink") == 0) {
        sink(argv[2], strtod(argv[3], NULL));
    } else if (argc == 5 && strcmp(argv[1], "source") == 0) {
        source(argv[2], argv[3], argv[4]);
    } else if (argc == 6 && strcmp(argv[1], "serve") == 0) {
        many.bytes = strtoul(argv[3], NULL, 10);
        many.count = atoi(argv[4]);
        many.listener = listen_on(argv[2], argv[5]);
        run_threads(serve_some);
    } else if (argc == 6 && strcmp(argv[1], "fetch") == 0) {
        many.ip = argv[2];
        many.port = argv[3];
        many.bytes = strtoul(argv[4], NULL, 10);
        many.count = atoi(argv[5]);
        fetch();
    } else {
        return 2;
    }
    return 0;
}
