/*
 * TCP Fast Open against the kernel and against the stack: prints what calls return, and what
 * TCP_INFO says. test_fastopen.sh compares the outputs.
 *
 * usage: fast_cases server ADDRESS PORT    echoes, with a queue for Fast Open, until it is ended
 *        fast_cases client ADDRESS PORT SILENT    SILENT: an address that nobody has
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_TCP
#define SOL_TCP 6
#endif

static struct sockaddr_in server, silent;

static struct sockaddr_in at(const char *ip, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

static void say(const char *what, long r)
{
    printf("%s = %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : "");
    fflush(stdout);
}
#define SAY(call) say(#call, (long)(call))

static int events(int s, short want)
{
    struct pollfd p = {.fd = s, .events = want};
    int r = poll(&p, 1, 10000);
    return r <= 0 ? r : p.revents;
}

static void info(int s)
{
    struct tcp_info i;
    socklen_t len = sizeof(i);

    memset(&i, 0, sizeof(i));
    getsockopt(s, SOL_TCP, TCP_INFO, &i, &len);
    printf("  text with the SYN: %s; why not: %d\n",
           i.tcpi_options & TCPI_OPT_SYN_DATA ? "yes" : "no", i.tcpi_fastopen_client_fail);
}

/* Reads n bytes back. */
static long back(int s, size_t n)
{
    static char buf[100000];
    size_t got = 0;

    while (got < n && events(s, POLLIN) > 0) {
        ssize_t r = recv(s, buf, sizeof(buf), 0);
        if (r <= 0)
            return r;
        got += (size_t)r;
    }
    return (long)got;
}

static int tcp(int flags)
{
    return socket(AF_INET, SOCK_STREAM | flags, 0);
}

static ssize_t fast(int s, const struct sockaddr_in *to, size_t n)
{
    static char buf[100000];
    return sendto(s, buf, n, MSG_FASTOPEN, (const struct sockaddr *)to, sizeof(*to));
}

static int conn(int s, const struct sockaddr_in *to)
{
    return connect(s, (const struct sockaddr *)to, sizeof(*to));
}

static int on(int s, int name, int v)
{
    return setsockopt(s, SOL_TCP, name, &v, sizeof(v));
}

static void wrong_calls(void)
{
    struct sockaddr_in none = {.sin_family = AF_UNSPEC};
    int s = tcp(0);

    puts("-- wrong calls");
    SAY(send(s, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL));
    SAY(sendto(s, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&none, sizeof(none)));
    SAY(sendto(s, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&server, 1));
    SAY(on(s, TCP_FASTOPEN_CONNECT, 2));
    SAY(on(s, TCP_FASTOPEN_CONNECT, 1));
    SAY(on(s, TCP_FASTOPEN, -1));
    close(s);
    s = tcp(SOCK_NONBLOCK);
    SAY(fast(s, &silent, 10));
    SAY(fast(s, &silent, 10));
    SAY(send(s, "x", 1, MSG_NOSIGNAL));
    close(s);
}

static void first_time(void)
{
    int s = tcp(SOCK_NONBLOCK);

    puts("-- without a cookie");
    SAY(fast(s, &server, 100));
    SAY(events(s, POLLOUT));
    SAY(send(s, "0123456789", 10, 0));
    SAY(back(s, 10));
    info(s);
    SAY(fast(s, &server, 10));
    close(s);
}

static void with_cookie(void)
{
    int s = tcp(SOCK_NONBLOCK);

    puts("-- with a cookie, not waiting");
    SAY(fast(s, &server, 100));
    SAY(events(s, POLLOUT));
    SAY(back(s, 100));
    info(s);
    close(s);
    s = tcp(0);
    puts("-- waiting");
    SAY(fast(s, &server, 100));
    SAY(back(s, 100));
    info(s);
    close(s);
    s = tcp(0);
    puts("-- more than a segment");
    SAY(fast(s, &server, 50000));
    SAY(back(s, 50000));
    info(s);
    close(s);
    s = tcp(0);
    puts("-- nothing");
    SAY(fast(s, &server, 0));
    SAY(send(s, "0123456789", 10, 0));
    SAY(back(s, 10));
    close(s);
}

static void by_connect(void)
{
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    int s = tcp(0);

    puts("-- TCP_FASTOPEN_CONNECT");
    SAY(on(s, TCP_FASTOPEN_CONNECT, 1));
    SAY(conn(s, &server));
    SAY(getpeername(s, (struct sockaddr *)&name, &len));
    SAY(events(s, POLLOUT | POLLIN));
    SAY(write(s, "0123456789", 10));
    SAY(back(s, 10));
    SAY(getpeername(s, (struct sockaddr *)&name, &len));
    info(s);
    SAY(conn(s, &server));
    close(s);
    s = tcp(SOCK_NONBLOCK);
    puts("-- not waiting");
    SAY(on(s, TCP_FASTOPEN_CONNECT, 1));
    SAY(conn(s, &server));
    SAY(conn(s, &server));
    SAY(write(s, "0123456789", 10));
    SAY(events(s, POLLOUT));
    SAY(back(s, 10));
    info(s);
    close(s);
    s = tcp(0);
    puts("-- closed before anything was said");
    SAY(on(s, TCP_FASTOPEN_CONNECT, 1));
    SAY(conn(s, &server));
    SAY(shutdown(s, SHUT_RDWR));
    SAY(close(s));
}

static void refused(void)
{
    struct sockaddr_in nobody = server;
    int s = tcp(0);

    puts("-- refused");
    nobody.sin_port = htons(9);
    SAY(fast(s, &nobody, 10));
    SAY(on(s, TCP_FASTOPEN_CONNECT, 1));
    close(s);
    s = tcp(SOCK_NONBLOCK);
    SAY(fast(s, &nobody, 10));
    SAY(events(s, POLLOUT | POLLIN));
    SAY(recv(s, &nobody, 1, 0));
    close(s);
}

static int serve(void)
{
    int l = tcp(0), s;
    char buf[65536];

    on(l, TCP_FASTOPEN, 5);
    if (setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) ||
        bind(l, (struct sockaddr *)&server, sizeof(server)) || listen(l, 10)) {
        perror("server");
        return 1;
    }
    while ((s = accept(l, NULL, NULL)) >= 0) {
        ssize_t n;

        while ((n = read(s, buf, sizeof(buf))) > 0 && write(s, buf, (size_t)n) == n)
            ;
        info(s);
        fflush(stdout);
        close(s);
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    server = at(argv[2], argv[3]);
    if (strcmp(argv[1], "server") == 0)
        return serve();
    silent = at(argv[4], argv[3]);
    wrong_calls();
    first_time();
    with_cookie();
    by_connect();
    refused();
    return 0;
}
