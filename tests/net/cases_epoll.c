/* epoll, in one thread. */
#include "cases.h"

#define ANY (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP)

static void errors(void)
{
    int ep = epoll_create1(0), s = tcp(), u = udp(), file = open("/dev/null", O_RDONLY), p[2];
    struct epoll_event ev = {.events = EPOLLIN};
    R(pipe(p));
    R(epoll_create1(12345));
    R(epoll_create(0));
    R(add(ep, 990, EPOLLIN, 0));
    R(add(990, s, EPOLLIN, 0));
    R(add(s, s, EPOLLIN, 0));
    R(add(s, u, EPOLLIN, 0));
    R(add(p[0], s, EPOLLIN, 0));
    R(add(ep, ep, EPOLLIN, 0));
    R(add(ep, file, EPOLLIN, 0));
    R(del(ep, s));
    R(mod(ep, s, EPOLLIN, 0));
    R(epoll_ctl(ep, 77, s, &ev));
    R(epoll_ctl(ep, EPOLL_CTL_ADD, s, NULL));
    R(add(ep, s, EPOLLIN, 1));
    R(add(ep, s, EPOLLOUT, 2));
    R(epoll_ctl(ep, 77, s, &ev));
    R(epoll_ctl(ep, EPOLL_CTL_MOD, s, NULL));
    R(mod(ep, s, EPOLLIN, 2));
    R(mod(ep, u, EPOLLIN, 2));
    R(del(ep, u));
    R(del(ep, s));
    R(del(ep, s));
    R(add(ep, s, EPOLLIN | EPOLLEXCLUSIVE, 1));
    R(mod(ep, s, EPOLLIN, 1));
    R(mod(ep, s, EPOLLIN | EPOLLEXCLUSIVE, 1));
    R(del(ep, s));
    R(add(ep, s, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, 1));
    R(del(ep, s));
    R(add(ep, s, EPOLLIN | EPOLLRDHUP | EPOLLEXCLUSIVE, 1));
    R(add(ep, s, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE, 1));
    R(epoll_wait(ep, &ev, 0, 0));
    volatile int negative = -1; /* out of the compiler's sight */
    R(epoll_wait(ep, &ev, negative, 0));
    R(epoll_wait(s, &ev, 1, 0));
    R(epoll_wait(990, &ev, 1, 0));
    R(add(ep, u, EPOLLIN | EPOLLWAKEUP, 5));
    print_wait("nothing", ep, 8, 0);
    R(epoll_pwait2(ep, &ev, 1, &(struct timespec){0, 1000000000}, NULL));
    R(epoll_pwait2(ep, &ev, 1, &(struct timespec){-1, 0}, NULL));
    R(epoll_pwait2(ep, &ev, 1, &(struct timespec){0, 20000000}, NULL));
    close(ep);
    close(s);
    close(u);
    close(file);
    close(p[0]);
    close(p[1]);
}

static void level(void)
{
    int ep = epoll_create1(0), s = puppet(), t = puppet();
    settle(s);
    R(add(ep, s, EPOLLIN, 1));
    R(add(ep, t, EPOLLIN | EPOLLOUT, 2));
    print_wait("room", ep, 8, -1);
    print_wait("again", ep, 8, 0);
    R(mod(ep, t, EPOLLIN, 22));
    print_wait("not asked for", ep, 8, 0);
    long start = now_ms();
    print_wait("after a while", ep, 8, SHORT_MS);
    R(now_ms() - start >= SHORT_MS);
    tell(s, "d 20 s 5");
    print_wait("data", ep, 8, -1);
    print_wait("still", ep, 8, -1);
    tell(t, "s 5");
    wait_for(t, POLLIN);
    print_wait("both", ep, 8, -1);
    print_wait("one at a time", ep, 1, -1);
    R(drain(s));
    print_wait("the other", ep, 8, -1);
    R(del(ep, t));
    print_wait("deleted", ep, 8, 0);
    R(add(ep, t, 0, 3));
    print_wait("without events", ep, 8, 0);
    tell(t, "r");
    wait_for(t, POLLERR);
    print_wait("error all the same", ep, 8, -1);
    close(t);
    print_wait("closed", ep, 8, 0);
    close(s);
    close(ep);
}

static void edge(void)
{
    int ep = epoll_create1(0), s = puppet();
    settle(s);
    R(add(ep, s, ANY | EPOLLET, 1));
    print_wait("room at once", ep, 8, 0);
    print_wait("only once", ep, 8, 0);
    tell(s, "s 5");
    print_wait("data", ep, 8, -1);
    settle(s);
    print_wait("only once", ep, 8, SHORT_MS);
    tell(s, "s 5");
    wait_for(s, POLLIN);
    print_wait("more data, though readable", ep, 8, -1);
    settle(s);
    print_wait("only once", ep, 8, SHORT_MS);
    R(drain(s));
    print_wait("drained", ep, 8, 0);
    tell(s, "s 5");
    print_wait("data again", ep, 8, -1);
    settle(s);
    R(mod(ep, s, EPOLLIN | EPOLLET, 2));
    print_wait("modified: once more", ep, 8, 0);
    print_wait("only once", ep, 8, 0);
    R(mod(ep, s, EPOLLIN, 3));
    print_wait("level", ep, 8, 0);
    print_wait("level", ep, 8, 0);
    R(mod(ep, s, ANY | EPOLLET, 4));
    print_wait("edge", ep, 8, 0);
    print_wait("edge", ep, 8, 0);
    tell(s, "f");
    print_wait("FIN", ep, 8, -1);
    settle(s);
    print_wait("only once", ep, 8, SHORT_MS);
    R(drain(s));
    print_wait("end of file read", ep, 8, 0);
    R(shutdown(s, SHUT_WR));
    wait_for(s, POLLHUP);
    usleep(SHORT_MS * 1000);
    print_wait("shut", ep, 8, -1);
    print_wait("only once", ep, 8, SHORT_MS);
    close(s);

    s = puppet();
    R(add(ep, s, EPOLLOUT | EPOLLET, 5));
    print_wait("room", ep, 8, 0);
    tell(s, "s 100");
    wait_for(s, POLLIN);
    settle(s);
    print_wait("data that was not asked for", ep, 8, 0);
    tell(s, "r");
    wait_for(s, POLLERR);
    print_wait("reset", ep, 8, -1);
    print_wait("only once", ep, 8, 0);
    close(s);
    close(ep);
}

/* The event of an edge-triggered EPOLLOUT comes when there is room again, and only then. */
static void edge_room(void)
{
    static char block[65536];
    int port, ep = epoll_create1(0), l = listener(&port), s = puppet();
    tell(s, "k %s %d 1", own_ip, port);
    int c = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    R(c >= 0);
    R(add(ep, c, EPOLLOUT | EPOLLET, 1));
    print_wait("room", ep, 8, -1);
    print_wait("only once", ep, 8, SHORT_MS);
    /* The puppet reads only when it is told to. */
    struct epoll_event ev;
    long sum = 0;
    for (int quiet = 0; quiet < 100; quiet++) {
        for (ssize_t n; (n = send(c, block, sizeof(block), 0)) > 0; quiet = 0)
            sum += n;
        usleep(2000);
    }
    R(sum > 50000);
    while (epoll_wait(ep, &ev, 1, 0) > 0)
        ;
    print_wait("full", ep, 8, SHORT_MS);
    tell(s, "e %ld", sum);
    print_wait("room again", ep, 8, -1);
    R(send(c, block, 1, 0));
    close(c);
    close(l);
    close(s);
    close(ep);
}

static void oneshot(void)
{
    int ep = epoll_create1(0), s = puppet();
    settle(s);
    R(add(ep, s, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1));
    print_wait("room", ep, 8, -1);
    print_wait("spent", ep, 8, 0);
    tell(s, "s 5");
    wait_for(s, POLLIN);
    print_wait("spent", ep, 8, 0);
    R(mod(ep, s, EPOLLIN | EPOLLONESHOT, 2));
    print_wait("armed again", ep, 8, -1);
    print_wait("spent", ep, 8, 0);
    R(drain(s));
    R(mod(ep, s, EPOLLIN | EPOLLONESHOT | EPOLLET, 3));
    print_wait("armed", ep, 8, SHORT_MS);
    tell(s, "s 5");
    print_wait("data", ep, 8, -1);
    tell(s, "r");
    wait_for(s, POLLERR);
    print_wait("spent: no error either", ep, 8, SHORT_MS);
    R(mod(ep, s, EPOLLONESHOT, 4));
    print_wait("armed for nothing", ep, 8, -1);
    print_wait("spent", ep, 8, 0);
    R(add(ep, s, EPOLLIN, 5));
    close(s);
    close(ep);
}

static void exclusive(void)
{
    int a = epoll_create1(0), b = epoll_create1(0), s = puppet();
    settle(s);
    R(add(a, s, EPOLLIN | EPOLLEXCLUSIVE, 1));
    R(add(b, s, EPOLLIN | EPOLLEXCLUSIVE, 2));
    tell(s, "s 1");
    wait_for(s, POLLIN);
    /* Nobody sleeps: each finds it when it looks. */
    print_wait("one", a, 8, -1);
    print_wait("other", b, 8, -1);
    R(drain(s));
    print_wait("one", a, 8, 0);
    print_wait("other", b, 8, 0);
    R(del(a, s));
    R(del(b, s));
    close(a);
    close(b);
    close(s);
}

static void connecting(void)
{
    int ep = epoll_create1(0), s = tcp_nonblock();
    R(add(ep, s, ANY, 1));
    print_wait("unconnected", ep, 8, 0);
    R(conn_to(s, peer_ip, 9));
    print_wait("connected", ep, 8, -1);
    R(so_error(s));
    close(s);
    s = tcp_nonblock();
    R(add(ep, s, ANY | EPOLLET, 2));
    print_wait("unconnected", ep, 8, 0);
    print_wait("unconnected", ep, 8, 0);
    R(conn_to(s, peer_ip, 9));
    print_wait("connected", ep, 8, -1);
    print_wait("connected", ep, 8, SHORT_MS);
    close(s);
    s = tcp_nonblock();
    R(conn_to(s, peer_ip, 4444));
    R(add(ep, s, EPOLLIN, 3));
    wait_for(s, POLLERR);
    print_wait("refused", ep, 8, -1);
    R(so_error(s));
    print_wait("refused", ep, 8, 0);
    close(s);
    close(ep);
}

static void accepting(void)
{
    int port, ep = epoll_create1(0), l = listener(&port), s = puppet();
    fcntl(l, F_SETFL, O_NONBLOCK);
    R(add(ep, l, EPOLLIN | EPOLLET, 1));
    print_wait("nobody", ep, 8, 0);
    tell(s, "k %s %d 1", own_ip, port);
    print_wait("one", ep, 8, -1);
    print_wait("only once", ep, 8, SHORT_MS);
    tell(s, "k %s %d 1", own_ip, port);
    print_wait("another", ep, 8, -1);
    for (int i = 0; i < 2; i++) {
        int c = accept4(l, NULL, NULL, SOCK_NONBLOCK);
        R(c >= 0);
        R(add(ep, c, EPOLLIN | EPOLLOUT | EPOLLET, 10 + (uint64_t)i));
    }
    R(accept(l, NULL, NULL));
    print_wait("both", ep, 8, -1);
    print_wait("none", ep, 8, 0);
    R(mod(ep, l, EPOLLIN, 2));
    tell(s, "k %s %d 1", own_ip, port);
    print_wait("level", ep, 8, -1);
    print_wait("level", ep, 8, -1);
    int c = accept(l, NULL, NULL);
    R(c >= 0);
    print_wait("none", ep, 8, 0);
    close(c);
    close(l);
    close(s);
    close(ep);
}

static void datagrams(void)
{
    int ep = epoll_create1(0), u = udp();
    R(conn_to(u, peer_ip, 9));
    R(add(ep, u, EPOLLIN | EPOLLET, 1));
    print_wait("nothing", ep, 8, 0);
    tell(u, "s 10");
    print_wait("one", ep, 8, -1);
    print_wait("only once", ep, 8, SHORT_MS);
    tell(u, "s 10");
    print_wait("another", ep, 8, -1);
    R(drain(u));
    R(mod(ep, u, EPOLLIN | EPOLLOUT | EPOLLET, 2));
    print_wait("room", ep, 8, -1);
    tell(u, "s 10");
    wait_for(u, POLLIN);
    usleep(1000);
    print_wait("data", ep, 8, -1);
    close(u);
    u = udp();
    R(conn_to(u, peer_ip, 4444));
    R(add(ep, u, EPOLLIN, 3));
    R(send(u, "x", 1, 0));
    print_wait("refused", ep, 8, -1);
    R(recv(u, NULL, 0, MSG_DONTWAIT));
    print_wait("error taken", ep, 8, 0);
    close(u);
    close(ep);
}

static void duplicates(void)
{
    int ep = epoll_create1(0), s = puppet();
    settle(s);
    R(add(ep, s, EPOLLIN, 1));
    int d = dup(s);
    R(add(ep, d, EPOLLIN, 2));
    R(add(ep, d, EPOLLIN, 2));
    tell(s, "s 1");
    wait_for(s, POLLIN);
    print_wait("both", ep, 8, -1);
    close(s);
    print_wait("the number is gone, the description is not", ep, 8, -1);
    R(del(ep, s));
    R(mod(ep, s, EPOLLIN, 5));
    R(del(ep, d));
    R(del(ep, d));
    print_wait("the old number's", ep, 8, -1);
    int t = puppet(); /* under the number of s */
    R(t == s);
    R(del(ep, t));
    R(add(ep, t, EPOLLIN, 3));
    tell(t, "s 1");
    wait_for(t, POLLIN);
    print_wait("two with one number", ep, 8, -1);
    R(del(ep, t));
    print_wait("the old number's", ep, 8, -1);
    close(d);
    print_wait("the description is gone", ep, 8, 0);
    close(t);

    s = puppet();
    R(add(ep, s, EPOLLOUT, 6));
    int e = dup(ep);
    R(close(ep));
    print_wait("through a copy", e, 8, 0);
    R(add(e, s, EPOLLOUT, 7));
    R(mod(e, s, EPOLLOUT, 7));
    print_wait("through a copy", e, 8, 0);
    R(dup2(e, ep));
    R(close(e));
    print_wait("through the next", ep, 8, 0);
    R(close(ep));
    print_wait("closed", ep, 8, 0);
    close(s);
}

static void mixed(void)
{
    int ep = epoll_create1(0), s = puppet(), t = puppet(), p[2], e = eventfd(0, 0);
    R(pipe(p));
    settle(s);
    R(add(ep, p[0], EPOLLIN, 1));
    R(add(ep, s, EPOLLIN, 2));
    R(add(ep, e, EPOLLIN | EPOLLET, 3));
    R(add(ep, t, EPOLLIN | EPOLLET, 4));
    print_wait("nothing", ep, 8, SHORT_MS);
    R(write(p[1], "x", 1));
    print_wait("pipe", ep, 8, -1);
    tell(s, "s 1");
    wait_for(s, POLLIN);
    print_wait("pipe and socket", ep, 8, -1);
    R(eventfd_write(e, 1));
    tell(t, "s 1");
    wait_for(t, POLLIN);
    print_wait("all", ep, 8, -1);
    print_wait("the level ones", ep, 8, -1);
    /* With room for one, each gets its turn. */
    bool seen[5] = {false};
    struct epoll_event ev;
    for (int i = 0; i < 20; i++)
        if (epoll_wait(ep, &ev, 1, -1) == 1)
            seen[ev.data.u64] = true;
    R(seen[1] && seen[2] && !seen[3] && !seen[4]);
    char b;
    R(read(p[0], &b, 1));
    R(drain(s));
    print_wait("none", ep, 8, 0);
    R(del(ep, p[0]));
    R(add(ep, p[1], EPOLLOUT, 5));
    print_wait("the other end", ep, 8, -1);
    close(p[0]);
    print_wait("broken", ep, 8, -1);
    close(p[1]);
    tell(s, "d 20 s 1");
    print_wait("socket, later", ep, 8, -1);
    close(s);
    close(t);
    close(e);
    close(ep);
}

/* More sockets ready than the program has room for: each is reported, none twice before all. */
static void turns(void)
{
    enum { N = 12 };
    int ep = epoll_create1(0), s[N], count[N] = {0};
    struct epoll_event ev[5];
    for (int i = 0; i < N; i++) {
        s[i] = puppet();
        tell(s[i], "s 1");
        wait_for(s[i], POLLIN);
        add(ep, s[i], EPOLLIN, (uint64_t)i);
    }
    int total = 0;
    while (total < 10 * N) {
        int n = epoll_wait(ep, ev, 5, -1);
        total += n;
        for (int i = 0; i < n; i++)
            count[ev[i].data.u64]++;
    }
    int least = total, most = 0;
    for (int i = 0; i < N; i++) {
        least = count[i] < least ? count[i] : least;
        most = count[i] > most ? count[i] : most;
        close(s[i]);
    }
    R(total);
    R(most - least);
    close(ep);
}

static void nested(void)
{
    int in = epoll_create1(0), out = epoll_create1(0), third = epoll_create1(0), s = puppet();
    settle(s);
    struct pollfd p = {in, POLLIN, 0};
    fd_set set;
    R(add(out, in, EPOLLIN, 100));
    R(add(third, out, EPOLLIN, 200));
    R(add(in, out, EPOLLIN, 1));
    R(add(in, s, EPOLLIN, 1));
    print_wait("outer, nothing", out, 8, SHORT_MS);
    R(poll(&p, 1, 0));
    tell(s, "d 20 s 1");
    print_wait("outer", out, 8, -1);
    print_wait("third", third, 8, -1);
    R(poll(&p, 1, 0));
    R(p.revents);
    FD_ZERO(&set);
    FD_SET(in, &set);
    R(select(in + 1, &set, NULL, NULL, NULL));
    print_wait("inner", in, 8, -1);
    print_wait("outer again", out, 8, -1);
    R(drain(s));
    print_wait("outer, drained", out, 8, 0);
    R(poll(&p, 1, 0));
    print_wait("inner, drained", in, 8, 0);
    R(mod(out, in, EPOLLIN | EPOLLET, 101));
    print_wait("edge, nothing", out, 8, 0);
    tell(s, "s 1");
    print_wait("edge", out, 8, -1);
    print_wait("edge, once", out, 8, SHORT_MS);
    tell(s, "s 1");
    print_wait("edge, again", out, 8, -1);
    R(drain(s));
    tell(s, "d 20 s 1");
    R(poll(&p, 1, -1));
    R(p.revents);
    close(s);
    R(poll(&p, 1, 0));
    s = puppet();
    settle(s);
    R(add(in, s, EPOLLIN, 2));
    tell(s, "d 20 s 1");
    FD_SET(in, &set);
    R(select(in + 1, &set, NULL, NULL, NULL));
    close(in);
    close(out);
    close(third);
    close(s);
}

/* The instance is watched before it has any socket. */
static void nested_before(void)
{
    int in = epoll_create1(0), out = epoll_create1(0), s = puppet();
    R(add(out, in, EPOLLIN, 1));
    R(add(in, s, EPOLLOUT, 2));
    print_wait("outer", out, 8, -1);
    print_wait("inner", in, 8, -1);
    R(mod(in, s, EPOLLIN, 3));
    print_wait("outer", out, 8, 0);
    tell(s, "d 20 s 1");
    print_wait("outer", out, 8, -1);
    close(s);
    print_wait("outer", out, 8, 0);
    close(in);
    close(out);
}

static void loopback(void)
{
    int ep = epoll_create1(0), l = tcp(), s = tcp_nonblock();
    struct sockaddr_in a = at("127.0.0.1", 0);
    socklen_t len = sizeof(a);
    R(add(ep, l, EPOLLIN, 1));
    R(add(ep, s, EPOLLOUT, 2));
    print_wait("new", ep, 8, 0);
    R(bind(l, (struct sockaddr *)&a, sizeof(a)));
    R(listen(l, 5));
    R(getsockname(l, (struct sockaddr *)&a, &len));
    R(mod(ep, s, EPOLLIN | EPOLLET, 3));
    R(conn_to(s, "127.0.0.1", ntohs(a.sin_port)));
    print_wait("listener", ep, 8, -1);
    int c = accept(l, NULL, NULL);
    R(c >= 0);
    R(write(c, "x", 1));
    print_wait("client", ep, 8, -1);
    R(del(ep, l));
    R(del(ep, s));
    R(del(ep, s));
    close(c);
    close(s);
    close(l);
    close(ep);
}

const struct named_case epoll_cases[] = {
    {"epoll: errors", errors},
    {"epoll: level", level},
    {"epoll: edge", edge},
    {"epoll: edge and room to send", edge_room},
    {"epoll: oneshot", oneshot},
    {"epoll: exclusive", exclusive},
    {"epoll: connecting", connecting},
    {"epoll: accepting", accepting},
    {"epoll: datagrams", datagrams},
    {"epoll: dup", duplicates},
    {"epoll: mixed descriptors", mixed},
    {"epoll: turns", turns},
    {"epoll: nested", nested},
    {"epoll: nested before its first socket", nested_before},
    {"epoll: loopback", loopback},
    {NULL, NULL},
};
