/* What the tables of calls have in common. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "call_cases.h"

const char *peer_ip, *own_ip;

const char *err_name(int e)
{
    const char *n = strerrorname_np(e);
    return n ? n : "?";
}

struct sockaddr_in at(const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

int conn_to(int s, const char *ip, int port)
{
    struct sockaddr_in a = at(ip, port);
    return connect(s, (struct sockaddr *)&a, sizeof(a));
}

int bind_to(int s, const char *ip, int port)
{
    struct sockaddr_in a = at(ip, port);
    return bind(s, (struct sockaddr *)&a, sizeof(a));
}

int tcp(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
int udp(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0);
}
int peer(int port)
{
    int s = tcp();
    if (conn_to(s, peer_ip, port) < 0)
        printf("  connect to %d: %s\n", port, err_name(errno));
    return s;
}

/* The kernel ends a connection in steps, and poll() may look between them: the error is there, the
 * end is not yet. */
static bool half_ended(int s, short revents)
{
    return opt_int(s, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && (revents & POLLERR) &&
           !(revents & POLLHUP);
}

int wait_for(int s, short events)
{
    struct pollfd p = {.fd = s, .events = events};
    int r = poll(&p, 1, 20000);
    for (int ms = 0; r > 0 && half_ended(s, p.revents) && ms < 1000; ms++) {
        usleep(1000);
        r = poll(&p, 1, 0);
    }
    return r <= 0 ? r : p.revents;
}

int opt_int(int s, int level, int name)
{
    int v = -12345;
    socklen_t len = sizeof(v);
    if (getsockopt(s, level, name, &v, &len) < 0)
        return -errno;
    return v;
}

int set_int(int s, int level, int name, int v)
{
    return setsockopt(s, level, name, &v, sizeof(v));
}

int call_main(int argc, char **argv, const struct call_case *cases, size_t n)
{
    if (argc < 3)
        return 2;
    peer_ip = argv[1];
    own_ip = argv[2];
    for (size_t i = 0; i < n; i++) {
        if (argc > 3 && strcmp(argv[3], cases[i].name) != 0)
            continue;
        printf("%s\n", cases[i].name);
        cases[i].run();
    }
    return 0;
}
