/*
 * The ends of the benchmarks, plain socket programs:
 *
 * - bench_net sink PORT: accepts once, reads to the end; prints bytes per second
 * - bench_net source IP PORT BYTES: connects, writes BYTES, waits for the peer's FIN; prints the
 * same
 * - bench_net pong PORT SIZE: accepts once, sends back each SIZE bytes
 * - bench_net ping IP PORT SIZE N: N round trips after N/10 to warm up; prints the mean in us
 * - bench_net epong ..., eping ...: the same, waiting in epoll_wait() instead of read()
 * - bench_net serve PORT PROCESSES SIZE: forks; each process accepts once, and does as epong
 * - bench_net ask IP PORT CONNECTIONS SIZE N: N requests after N/10 to warm up, one at a time on
 *   each of the connections; prints requests per second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static char buf[256 * 1024];
static int epfd = -1; /* where to wait before each read; -1: in read() itself */

static int listen_on(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 128) < 0)
        die("listen");
    return s;
}

static int accept_from(int s)
{
    int one = 1, c = accept(s, NULL, NULL);
    if (c < 0)
        die("accept");
    setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return c;
}

static int connect_to(const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    inet_pton(AF_INET, ip, &a.sin_addr);
    for (int i = 0; i < 100; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        if (s < 0)
            die("socket");
        if (connect(s, (struct sockaddr *)&a, sizeof(a)) == 0) {
            setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            return s;
        }
        close(s);
        if (errno != ECONNREFUSED)
            die("connect");
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    die("connect");
    return -1;
}

static void wait_in_epoll(int s)
{
    struct epoll_event ev = {.events = EPOLLIN};
    epfd = epoll_create1(0);
    if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, s, &ev) < 0)
        die("epoll");
}

static ssize_t read_some(int s, size_t at, size_t len)
{
    struct epoll_event ev;
    if (epfd >= 0 && epoll_wait(epfd, &ev, 1, -1) != 1)
        die("epoll_wait");
    return read(s, buf + at, len);
}

static void read_all(int s, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = read_some(s, got, len - got);
        if (n <= 0)
            die("read");
        got += (size_t)n;
    }
}

static void sink(int port)
{
    int c = accept_from(listen_on(port));
    double bytes = 0, start = now_s();
    ssize_t n;
    while ((n = read(c, buf, sizeof(buf))) > 0)
        bytes += (double)n;
    printf("%.0f\n", bytes / (now_s() - start));
}

static void source(const char *ip, int port, double bytes)
{
    int s = connect_to(ip, port);
    double start = now_s(), left = bytes;
    while (left > 0) {
        ssize_t n = write(s, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf));
        if (n < 0)
            die("write");
        left -= (double)n;
    }
    shutdown(s, SHUT_WR);
    while (read(s, buf, sizeof(buf)) > 0)
        ;
    printf("%.0f\n", bytes / (now_s() - start));
}

static void pong(int listener, size_t size, bool epoll)
{
    int c = accept_from(listener);
    ssize_t n;
    if (epoll)
        wait_in_epoll(c);
    while ((n = read_some(c, 0, size)) > 0)
        if (write(c, buf, (size_t)n) != n)
            die("write");
}

static void ping(const char *ip, int port, size_t size, int count, bool epoll)
{
    int s = connect_to(ip, port);
    if (epoll)
        wait_in_epoll(s);
    double start = 0;
    for (int i = -count / 10; i < count; i++) {
        if (i == 0)
            start = now_s();
        if (write(s, buf, size) != (ssize_t)size)
            die("write");
        read_all(s, size);
    }
    printf("%.3f\n", (now_s() - start) / count * 1e6);
}

static void serve(int port, int processes, size_t size)
{
    int listener = listen_on(port);
    for (int i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            pong(listener, size, true);
            exit(0);
        }
    }
    close(listener);
    while (wait(NULL) > 0)
        ;
}

static void ask(const char *ip, int port, int connections, size_t size, int count)
{
    struct epoll_event ev[64];
    size_t *got = calloc((size_t)connections, sizeof(*got));
    int *fds = calloc((size_t)connections, sizeof(*fds));
    if (!got || !fds || (epfd = epoll_create1(0)) < 0)
        die("epoll");
    for (int i = 0; i < connections; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        fds[i] = connect_to(ip, port);
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, fds[i], &e) < 0)
            die("epoll");
    }
    for (int i = 0; i < connections; i++)
        if (write(fds[i], buf, size) != (ssize_t)size)
            die("write");
    double start = 0;
    for (int done = -count / 10; done < count;) {
        int n = epoll_wait(epfd, ev, 64, 10000);
        if (n <= 0)
            die("epoll_wait");
        for (int k = 0; k < n; k++) {
            uint32_t i = ev[k].data.u32;
            ssize_t r = read(fds[i], buf, size - got[i]);
            if (r <= 0)
                die("read");
            got[i] += (size_t)r;
            if (got[i] < size)
                continue;
            got[i] = 0;
            if (done++ == 0)
                start = now_s();
            if (write(fds[i], buf, size) != (ssize_t)size)
                die("write");
        }
    }
    printf("%.0f\n", count / (now_s() - start));
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "sink") == 0)
        sink(atoi(argv[2]));
    else if (argc == 5 && strcmp(argv[1], "source") == 0)
        source(argv[2], atoi(argv[3]), strtod(argv[4], NULL));
    else if (argc == 4 && (strcmp(argv[1], "pong") == 0 || strcmp(argv[1], "epong") == 0))
        pong(listen_on(atoi(argv[2])), strtoul(argv[3], NULL, 10), argv[1][0] == 'e');
    else if (argc == 6 && (strcmp(argv[1], "ping") == 0 || strcmp(argv[1], "eping") == 0))
        ping(argv[2], atoi(argv[3]), strtoul(argv[4], NULL, 10), atoi(argv[5]), argv[1][0] == 'e');
    else if (argc == 5 && strcmp(argv[1], "serve") == 0)
        serve(atoi(argv[2]), atoi(argv[3]), strtoul(argv[4], NULL, 10));
    else if (argc == 7 && strcmp(argv[1], "ask") == 0)
        ask(argv[2], atoi(argv[3]), atoi(argv[4]), strtoul(argv[5], NULL, 10), atoi(argv[6]));
    else
        return 2;
    return 0;
}
