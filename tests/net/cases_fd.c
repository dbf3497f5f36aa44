/* Calls on descriptors: close and its kin, dup, fcntl, ioctl. */
#include <linux/close_range.h>
#include <linux/sockios.h>

#include "cases.h"

static void works(int s)
{
    char b[4];
    tell(s, "s 4");
    R(recv(s, b, sizeof(b), MSG_WAITALL));
}

static void duplicating(void)
{
    int s = puppet();
    int d = dup(s);
    R(d == s + 1);
    works(d);
    R(close(s));
    works(d);
    R(dup2(d, s));
    works(s);
    R(dup2(d, d));
    R(dup3(d, d, 0));
    R(dup3(d, 60, O_CLOEXEC));
    R(fcntl(60, F_GETFD));
    R(dup3(d, 61, 12345));
    R(fcntl(d, F_DUPFD, 70));
    R(fcntl(d, F_DUPFD_CLOEXEC, 70));
    R(fcntl(71, F_GETFD));
    R(fcntl(d, F_DUPFD, -1));
    works(71);
    /* Putting something else in its place. */
    R(dup2(0, 71));
    R(send(71, "x", 1, 0));
    works(70);
    int t = puppet();
    R(dup2(t, 70));
    works(70);
    works(60);
    R(close(60));
    R(close(d));
    works(s);
    R(close(s));
    R(send(s, "x", 1, 0));
    works(t);
    R(close(t));
    works(70);
    R(close(70));
    R(close(70));
    R(close(71));
    R(dup(900));
    R(dup2(900, 80));
    R(dup2(0, -1));
    R(dup2(0, 1 << 30));
    R(close(-1));
}

/* The last copy decides when the peer sees the end. */
static void last_close(void)
{
    int port, l = listener(&port), s = puppet();
    tell(s, "k %s %d 1", own_ip, port);
    int c = accept(l, NULL, NULL), d = dup(c);
    R(close(c));
    R(shutdown(l, SHUT_RDWR));
    R(wait_for(d, POLLOUT));
    R(close(d));
    R(close(l));
    R(close(s));
}

static void ranges(void)
{
    int s = puppet(), a, b, c;
    R(dup2(s, 100));
    R(dup2(s, 101));
    R(dup2(s, 110));
    R(close_range(200, 100, 0));
    R(close_range(100, 105, 999));
    R(close_range(100, 105, CLOSE_RANGE_CLOEXEC));
    R(fcntl(100, F_GETFD));
    R(fcntl(110, F_GETFD));
    works(101);
    R(close_range(100, 105, 0));
    R(fcntl(100, F_GETFD));
    R(send(101, "x", 1, 0));
    works(110);
    works(s);
    R(close_range(3, ~0u, 0));
    R(send(110, "x", 1, 0));
    a = puppet();
    R(a);
    works(a);
    b = epoll_create1(0);
    R(b);
    R(add(b, a, EPOLLOUT, 1));
    closefrom(3);
    R(fcntl(a, F_GETFD));
    print_wait("closed", b, 8, 0);
    c = puppet();
    R(c);
    works(c);
    R(close_range(0, 2, CLOSE_RANGE_CLOEXEC));
    R(fcntl(1, F_SETFD, 0));
    R(close(c));
    /* As a daemon does it. */
    for (int fd = 3; fd < 8192; fd++)
        if (close(fd) == 0)
            printf("  %d was open\n", fd);
    c = puppet();
    works(c);
    R(close(c));
}

/* dup2() of a descriptor to any free number below the limit works. */
static void all_numbers(void)
{
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    int s = puppet(), bad = 0, limit = (int)lim.rlim_cur < 4096 ? (int)lim.rlim_cur : 4096;
    for (int fd = 3; fd < limit; fd++)
        if (fd != s && dup2(s, fd) != fd)
            bad++;
    R(bad);
    works(limit - 1);
    for (int fd = 3; fd < limit; fd++)
        if (fd != s && close(fd) != 0)
            bad++;
    R(bad);
    works(s);
    R(close(s));
}

static void flags(void)
{
    int s = puppet(), v = -1;
    char b[8];
    R((fcntl(s, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == O_RDWR);
    R(fcntl(s, F_SETFL, O_NONBLOCK));
    R(!!(fcntl(s, F_GETFL) & O_NONBLOCK));
    R(recv(s, b, 1, 0));
    int d = dup(s);
    R(fcntl(d, F_SETFL, 0));
    R(!!(fcntl(s, F_GETFL) & O_NONBLOCK));
    tell(s, "d 20 s 1");
    R(recv(s, b, 1, 0));
    v = 1;
    R(ioctl(d, FIONBIO, &v));
    R(!!(fcntl(s, F_GETFL) & O_NONBLOCK));
    R(recv(s, b, 1, 0));
    v = 0;
    R(ioctl(s, FIONBIO, &v));
    R(!!(fcntl(s, F_GETFL) & O_NONBLOCK));
    R(fcntl(s, F_SETFD, FD_CLOEXEC));
    R(fcntl(s, F_GETFD));
    R(fcntl(d, F_GETFD));
    R(ioctl(d, FIOCLEX));
    R(fcntl(d, F_GETFD));
    R(ioctl(d, FIONCLEX));
    R(fcntl(d, F_GETFD));
    R(fcntl(s, F_SETOWN, getpid()));
    R(fcntl(s, F_GETOWN) == getpid());
    R(fcntl(s, 12345, 0));
    R(fcntl(900, F_GETFL));
    close(d);
    close(s);
}

static void ioctls(void)
{
    int s = puppet(), u = udp(), v = -1;
    tell(s, "s 100");
    wait_for(s, POLLIN);
    R(ioctl(s, FIONREAD, &v));
    R(v);
    settle(s);
    R(ioctl(s, SIOCOUTQ, &v));
    R(v);
    R(ioctl(s, SIOCOUTQNSD, &v));
    R(v);
    R(ioctl(s, SIOCATMARK, &v));
    R(v);
    R(ioctl(s, 0x1234567, &v));
    R(ioctl(s, TIOCGWINSZ, &v));
    R(ioctl(s, FIONREAD, NULL));
    R(isatty(s));
    R(conn_to(u, peer_ip, 9));
    tell(u, "s 33");
    tell(u, "s 44");
    wait_for(u, POLLIN);
    R(ioctl(u, FIONREAD, &v));
    R(v);
    R(ioctl(u, SIOCATMARK, &v));
    int l = tcp();
    R(ioctl(l, FIONREAD, &v));
    R(v);
    R(listen(l, 1));
    R(ioctl(l, FIONREAD, &v));
    R(ioctl(l, SIOCOUTQ, &v));
    R(ioctl(900, FIONREAD, &v));
    R(ioctl(-1, FIONREAD, &v));
    close(l);
    close(u);
    close(s);
}

const struct named_case fd_cases[] = {
    {"descriptors: dup", duplicating},
    {"descriptors: last close", last_close},
    {"descriptors: ranges", ranges},
    {"descriptors: every number", all_numbers},
    {"descriptors: flags", flags},
    {"descriptors: ioctl", ioctls},
    {NULL, NULL},
};
