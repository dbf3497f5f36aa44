/*
 * Holds and tries ports, for test_guard.sh.
 *
 *   guard_cases hold tcp|udp ADDRESS PORT   guards it, prints the port, until standard input ends
 *   guard_cases bind tcp|udp ADDRESS PORT [reuseaddr|reuseport]   tries to have it; prints the
 * error's name, or OK guard_cases send ADDRESS PORT   sends a datagram and waits a second for an
 * answer; prints it, or the error's name
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"
#include "io/guard.h"

static struct sockaddr_in address(char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};

    if (inet_pton(AF_INET, argv[0], &a.sin_addr) != 1)
        exit(2);
    return a;
}

static int type_of(const char *name)
{
    return strcmp(name, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
}

static int print(int r)
{
    printf("%s\n", r < 0 ? strerrorname_np(-r) : "OK");
    fflush(stdout);
    return 0;
}

static int hold(char **argv)
{
    int type = type_of(argv[0]);
    struct sockaddr_in a = address(argv + 1), again = a;
    int fd = socket(AF_INET, type, 0);
    int r = guard_bind(fd, type, &a, false);
    char c;

    if (r < 0)
        return print(r);
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    /* The port is kept, and a failure leaves the socket as it was: it can have another port. */
    fd = socket(AF_INET, type, 0);
    again.sin_port = a.sin_port;
    print(guard_bind(fd, type, &again, false));
    again.sin_port = 0;
    print(guard_bind(fd, type, &again, false));
    close(fd);
    print(guard_open(type, &a, false));
    a.sin_port = 0;
    fd = guard_open(type, &a, false);
    print(fd);
    print(engine_fd_is_private(fd) ? 0 : -EBADF);
    while (read(0, &c, 1) > 0)
        continue;
    return 0;
}

static int try_bind(char **argv)
{
    struct sockaddr_in a = address(argv + 1);
    int fd = socket(AF_INET, type_of(argv[0]), 0), one = 1;

    if (argv[3] != NULL)
        setsockopt(fd, SOL_SOCKET, strcmp(argv[3], "reuseaddr") == 0 ? SO_REUSEADDR : SO_REUSEPORT,
                   &one, sizeof(one));
    return print(bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0);
}

static int send_one(char **argv)
{
    struct sockaddr_in a = address(argv);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;

    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || send(fd, "?", 1, 0) < 0)
        return print(-errno);
    if (poll(&p, 1, 1000) == 0)
        return print(-ETIMEDOUT);
    return print(recv(fd, &c, 1, 0) < 0 ? -errno : 0);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "hold") == 0)
        return hold(argv + 2);
    if (argc >= 5 && strcmp(argv[1], "bind") == 0)
        return try_bind(argv + 2);
    if (argc == 4 && strcmp(argv[1], "send") == 0)
        return send_one(argv + 2);
    fprintf(stderr, "usage: guard_cases hold|bind tcp|udp ADDRESS PORT; send ADDRESS PORT\n");
    return 2;
}
