/*
 * Short connections, plain socket programs:
 *
 *   bench_conn serve PORT                  answers each request of each connection, until killed
 *   bench_conn connect IP PORT N T WHO     N connections, made by T threads: connect, a request and
 *                                          its answer, close; WHO closes first: "client" or
 *                                          "server". Prints connections per second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define EVENTS_MAX    256
#define THREADS_MAX   64
#define REQUEST_BYTES 80
#define ANSWER_BYTES  240

/* ---- the server ---- */

static void watch(int epfd, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
        die("epoll_ctl");
}

static void serve_one(int c)
{
    static const char answer[ANSWER_BYTES];
    char request[REQUEST_BYTES];
    ssize_t n = read(c, request, sizeof(request));

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(c);
        return;
    }
    if (write(c, answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        die("write");
    if (request[0] == 's')
        close(c);
}

static void serve(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epfd = epoll_create1(0);
    struct epoll_event ev[EVENTS_MAX];

    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1024) < 0)
        die("listen");
    watch(epfd, s);
    for (;;) {
        int n = epoll_wait(epfd, ev, EVENTS_MAX, -1), c;
        for (int i = 0; i < n; i++) {
            if (ev[i].data.fd != s) {
                serve_one(ev[i].data.fd);
                continue;
            }
            while ((c = accept4(s, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                watch(epfd, c);
        }
    }
}

/* ---- the client ---- */

static struct sockaddr_in peer;
static char request[REQUEST_BYTES];
static int to_make; /* by each thread */

static void read_all(int s, size_t bytes)
{
    char buf[ANSWER_BYTES];

    while (bytes > 0) {
        ssize_t n = read(s, buf, bytes);
        if (n <= 0)
            die("read");
        bytes -= (size_t)n;
    }
}

static void connect_once(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    char c;

    if (s < 0)
        die("socket");
    if (connect(s, (struct sockaddr *)&peer, sizeof(peer)) < 0)
        die("connect");
    if (write(s, request, sizeof(request)) != (ssize_t)sizeof(request))
        die("write");
    read_all(s, ANSWER_BYTES);
    if (request[0] == 's' && read(s, &c, 1) != 0)
        die("end");
    close(s);
}

static void *run(void *unused)
{
    for (int i = 0; i < to_make; i++)
        connect_once();
    return unused;
}

/* By so many threads, of which this is one. */
static void connect_all(int count, int nthreads)
{
    pthread_t threads[THREADS_MAX];

    to_make = count / nthreads;
    for (int i = 1; i < nthreads; i++) {
        errno = pthread_create(&threads[i], NULL, run, NULL);
        if (errno != 0)
            die("pthread_create");
    }
    run(NULL);
    for (int i = 1; i < nthreads; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        serve(atoi(argv[2]));
    } else if (argc == 7 && strcmp(argv[1], "connect") == 0) {
        int count = atoi(argv[4]), nthreads = atoi(argv[5]);
        if (nthreads < 1 || nthreads > THREADS_MAX)
            nthreads = 1;
        peer =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
        inet_pton(AF_INET, argv[2], &peer.sin_addr);
        request[0] = argv[6][0];
        connect_all(count / 10 + nthreads, nthreads); /* warms up */
        double start = now_s();
        connect_all(count, nthreads);
        printf("%.1f\n", count / (now_s() - start));
    } else {
        fprintf(stderr, "usage: see the head of tests/bench/bench_conn.c\n");
        return 2;
    }
    return 0;
}
