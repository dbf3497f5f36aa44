/* poll, ppoll, select, pselect. */
#include "cases.h"

static void show(const char *what, struct pollfd *p, int n, int r)
{
    printf("  %s: %d %s", what, r, r < 0 ? err_name(errno) : "");
    for (int i = 0; i < n; i++)
        printf(" %s", bits((unsigned short)p[i].revents));
    printf("\n");
    fflush(stdout);
}

/* poll() on one descriptor for everything. */
static void look(const char *what, int s, int timeout_ms)
{
    struct pollfd p = {s, -1 & ~POLLNVAL, 0};
    errno = 0;
    int r = poll(&p, 1, timeout_ms);
    show(what, &p, 1, r);
}

static void states(void)
{
    int port, s = tcp(), u = udp(), l = listener(&port);
    look("unconnected", s, 0);
    look("unconnected datagram", u, 0);
    look("listening", l, 0);
    close(l);
    look("closed", l, 0);
    look("no descriptor", 900, 0);
    close(s);
    close(u);

    s = puppet();
    settle(s);
    look("connected", s, 0);
    tell(s, "s 5");
    R(wait_for(s, POLLIN));
    look("with data", s, 0);
    R(drain(s));
    look("drained", s, 0);
    tell(s, "f");
    wait_for(s, POLLRDHUP);
    look("after the peer's FIN", s, 0);
    R(drain(s));
    look("end of file read", s, 0);
    R(shutdown(s, SHUT_WR));
    look("both ways shut", s, LONG_MS);
    close(s);

    s = puppet();
    R(shutdown(s, SHUT_RD));
    settle(s);
    look("shut for reading", s, 0);
    close(s);
    s = puppet();
    R(shutdown(s, SHUT_WR));
    wait_for(s, POLLRDHUP);
    look("shut for writing, the peer closed", s, LONG_MS);
    close(s);

    s = puppet();
    tell(s, "r");
    wait_for(s, POLLERR);
    look("reset", s, 0);
    R(so_error(s));
    look("reset, error taken", s, 0);
    R(drain(s));
    close(s);
    s = puppet();
    tell(s, "s 3 d 30 r");
    wait_for(s, POLLERR);
    look("reset behind data", s, 0);
    R(drain(s));
    R(drain(s));
    look("reset, error taken by recv", s, 0);
    close(s);

    s = tcp_nonblock();
    R(conn_to(s, peer_ip, 4444));
    wait_for(s, POLLERR);
    look("refused", s, LONG_MS);
    R(so_error(s));
    look("refused, error taken", s, 0);
    close(s);
    s = tcp_nonblock();
    R(conn_to(s, peer_ip, 9));
    look("connecting", s, LONG_MS);
    R(so_error(s));
    close(s);

    u = udp();
    R(conn_to(u, peer_ip, 9));
    tell(u, "s 100");
    wait_for(u, POLLIN);
    look("datagram", u, 0);
    R(drain(u));
    look("datagram read", u, 0);
    R(shutdown(u, SHUT_RD));
    look("datagram, shut", u, 0);
    close(u);
    u = udp();
    R(conn_to(u, peer_ip, 4444));
    R(send(u, "x", 1, 0));
    wait_for(u, 0);
    look("datagram refused", u, 0);
    R(so_error(u));
    look("datagram refused, error taken", u, 0);
    close(u);
}

static void listening(void)
{
    int port, l = listener(&port), s = puppet();
    tell(s, "k %s %d 2", own_ip, port);
    R(wait_for(l, POLLIN));
    for (int i = 0; i < 2; i++) {
        wait_for(l, POLLIN);
        look("a connection waits", l, 0);
        int c = accept(l, NULL, NULL);
        R(c >= 0);
        look("accepted", c, 0);
        close(c);
    }
    look("none waits", l, 0);
    R(shutdown(l, SHUT_RD));
    look("not listening any more", l, 0);
    close(l);
    close(s);
}

static void urgent(void)
{
    int s = puppet();
    char b;
    tell(s, "s 2 o");
    wait_for(s, POLLPRI);
    look("urgent", s, 0);
    R(recv(s, &b, 1, MSG_OOB));
    look("urgent byte read", s, 0);
    R(drain(s));
    look("and the rest", s, 0);
    close(s);
}

static void masks(void)
{
    int s = puppet();
    tell(s, "s 1 f");
    wait_for(s, POLLRDHUP);
    static const short one[] = {0,          POLLIN,     POLLPRI,    POLLOUT, POLLRDNORM,
                                POLLRDBAND, POLLWRNORM, POLLWRBAND, POLLMSG, POLLRDHUP};
    for (size_t i = 0; i < sizeof(one) / sizeof(*one); i++) {
        struct pollfd p = {s, one[i], 77};
        int r = poll(&p, 1, 0);
        show(bits((unsigned)one[i]), &p, 1, r);
    }
    close(s);
}

static void write_one(long fd)
{
    uint64_t one = 1;
    if (write((int)fd, &one, sizeof(one)) < 0)
        printf("  write: %s\n", err_name(errno));
}

static void mixed(void)
{
    int p[2], e = eventfd(0, EFD_NONBLOCK), s = puppet(), u = udp(), k = -1, sv[2];
    R(pipe(p));
    R(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
    settle(s);
    struct pollfd f[] = {{p[0], POLLIN, 0}, {s, POLLIN, 0},  {e, POLLIN, 0},    {-7, POLLIN, 0},
                         {u, POLLIN, 0},    {k, POLLOUT, 0}, {sv[0], POLLIN, 0}};
    const int n = sizeof(f) / sizeof(*f);
    errno = 0;
    show("nothing, at once", f, n, poll(f, (nfds_t)n, 0));
    long start = now_ms();
    show("nothing, after a while", f, n, poll(f, (nfds_t)n, SHORT_MS));
    R(now_ms() - start >= SHORT_MS);
    later(20, write_one, p[1]);
    show("the pipe", f, n, poll(f, (nfds_t)n, -1));
    tell(s, "s 1");
    wait_for(s, POLLIN);
    show("pipe and socket", f, n, poll(f, (nfds_t)n, -1));
    f[1].events = POLLOUT | POLLIN;
    write_one(e);
    show("pipe, socket, event", f, n, poll(f, (nfds_t)n, 0));
    f[5].fd = 950;
    show("and one that is not open", f, n, poll(f, (nfds_t)n, LONG_MS));
    f[5].fd = -1;
    f[1].events = POLLIN;
    later_join();
    char b[64];
    R(read(p[0], b, sizeof(b)));
    R(read(e, b, sizeof(b)));
    R(drain(s));
    settle(s);
    tell(s, "d 30 s 1");
    show("the socket, later", f, n, poll(f, (nfds_t)n, -1));
    R(drain(s));
    R(shutdown(sv[1], SHUT_WR));
    show("the local one", f, n, poll(f, (nfds_t)n, -1));
    struct pollfd twice[] = {{s, POLLIN, 0}, {s, POLLOUT, 0}, {s, 0, 0}, {p[1], POLLOUT, 0}};
    show("one three times", twice, 4, poll(twice, 4, -1));
    R(poll(NULL, 0, 10));
    close(p[0]);
    close(p[1]);
    close(sv[0]);
    close(sv[1]);
    close(e);
    close(u);
    close(s);
}

static void many(void)
{
    enum { PAIRS = 150 };
    struct pollfd f[2 * PAIRS];
    int s[3], p[PAIRS][2];
    for (int i = 0; i < 3; i++)
        s[i] = puppet();
    for (int i = 0; i < PAIRS; i++) {
        if (pipe(p[i]) < 0)
            printf("  pipe: %s\n", err_name(errno));
        f[2 * i] = (struct pollfd){p[i][0], POLLIN, 0};
        f[2 * i + 1] = (struct pollfd){s[i % 3], POLLIN, 0};
    }
    R(poll(f, 2 * PAIRS, SHORT_MS));
    write_one(p[PAIRS - 1][1]);
    R(poll(f, 2 * PAIRS, -1));
    R(f[2 * PAIRS - 2].revents);
    tell(s[1], "s 1");
    wait_for(s[1], POLLIN);
    R(poll(f, 2 * PAIRS, -1));
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    struct pollfd *big = calloc(lim.rlim_cur + 1, sizeof(*big));
    for (rlim_t i = 0; i <= lim.rlim_cur; i++)
        big[i].fd = -1;
    big[0] = f[3];
    R(poll(big, lim.rlim_cur + 1, 0));
    R(poll(big, lim.rlim_cur, 0));
    free(big);
    for (int i = 0; i < PAIRS; i++) {
        close(p[i][0]);
        close(p[i][1]);
    }
    for (int i = 0; i < 3; i++)
        close(s[i]);
}

static void show_sets(const char *what, int r, int n, fd_set *in, fd_set *out, fd_set *ex)
{
    printf("  %s: %d %s", what, r, r < 0 ? err_name(errno) : "");
    for (int i = 0; i < n; i++)
        if (FD_ISSET(i, in) || FD_ISSET(i, out) || FD_ISSET(i, ex))
            printf(" %s%s%s", FD_ISSET(i, in) ? "r" : "", FD_ISSET(i, out) ? "w" : "",
                   FD_ISSET(i, ex) ? "e" : "");
    printf("\n");
    fflush(stdout);
}

/* select() on s and p for everything. */
static void look_sets(const char *what, int s, int p, struct timeval *tv)
{
    fd_set in, out, ex;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&ex);
    FD_SET(s, &in);
    FD_SET(s, &out);
    FD_SET(s, &ex);
    FD_SET(p, &in);
    int n = (s > p ? s : p) + 1;
    errno = 0;
    int r = select(n, &in, &out, &ex, tv);
    show_sets(what, r, n, &in, &out, &ex);
}

static void selecting(void)
{
    struct timeval none = {0, 0}, tv;
    int p[2], s = puppet();
    fd_set in, out, ex;
    R(pipe(p));
    look_sets("connected", s, p[0], &none);
    tell(s, "s 1");
    wait_for(s, POLLIN);
    look_sets("data", s, p[0], NULL);
    write_one(p[1]);
    look_sets("data in both", s, p[0], NULL);
    R(drain(s));
    tell(s, "o");
    wait_for(s, POLLPRI);
    look_sets("urgent", s, p[0], &none);
    R(drain(s));
    tell(s, "f");
    wait_for(s, POLLRDHUP);
    look_sets("end of file", s, p[0], &none);
    close(s);

    s = puppet();
    tell(s, "r");
    wait_for(s, POLLERR);
    look_sets("reset", s, p[0], &none);
    FD_ZERO(&ex);
    FD_SET(s, &ex);
    none = (struct timeval){0, 20000};
    R(select(s + 1, NULL, NULL, &ex, &none));
    R(FD_ISSET(s, &ex));
    close(s);
    s = puppet();
    close(p[1]);
    look_sets("a closed one", s, p[1], &none);
    R(pipe(p));

    FD_ZERO(&in);
    FD_SET(s, &in);
    tv = (struct timeval){0, 50000};
    long start = now_ms();
    R(select(s + 1, &in, NULL, NULL, &tv));
    R(now_ms() - start >= 50);
    R(FD_ISSET(s, &in));
    R(tv.tv_sec);
    R(tv.tv_usec);
    tell(s, "d 30 s 1");
    FD_SET(s, &in);
    tv = (struct timeval){9, 1500000};
    R(select(s + 1, &in, NULL, NULL, &tv));
    R(FD_ISSET(s, &in));
    R(tv.tv_sec == 10 && tv.tv_usec > 0 && tv.tv_usec < 475000);
    tv = (struct timeval){-1, 0};
    R(select(s + 1, &in, NULL, NULL, &tv));
    R(select(-1, &in, NULL, NULL, NULL));
    R(select(s, &in, NULL, NULL, &(struct timeval){0, 0}));
    R(FD_ISSET(s, &in));
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(s, &in);
    FD_SET(s, &out);
    R(select(s + 1, &in, &out, NULL, NULL));
    close(p[0]);
    close(p[1]);
    close(s);
}

/* Sets of descriptors larger than FD_SETSIZE. */
static void large_sets(void)
{
    struct rlimit lim, old;
    getrlimit(RLIMIT_NOFILE, &old);
    lim = old;
    lim.rlim_cur = 4096;
    R(setrlimit(RLIMIT_NOFILE, &lim));
    int s = puppet(), p[2], high = 3000, high_pipe = 3500;
    R(pipe(p));
    R(dup2(s, high));
    R(dup2(p[0], high_pipe));
    close(s);
    unsigned long in[4096 / 64] = {0}, out[4096 / 64] = {0};
    in[high / 64] |= 1ul << high % 64;
    in[high_pipe / 64] |= 1ul << high_pipe % 64;
    out[high / 64] |= 1ul << high % 64;
    R(select(high_pipe + 1, (fd_set *)in, (fd_set *)out, NULL, NULL));
    R(in[high / 64] != 0);
    R(out[high / 64] == 1ul << high % 64);
    tell(high, "s 1");
    wait_for(high, POLLIN);
    write_one(p[1]);
    in[high / 64] |= 1ul << high % 64;
    in[high_pipe / 64] |= 1ul << high_pipe % 64;
    R(select(high_pipe + 1, (fd_set *)in, NULL, NULL, NULL));
    R(in[high / 64] == 1ul << high % 64 && in[high_pipe / 64] == 1ul << high_pipe % 64);
    close(high);
    close(high_pipe);
    close(p[0]);
    close(p[1]);
    setrlimit(RLIMIT_NOFILE, &old);
}

static void alarm_in(int ms)
{
    struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &it, NULL);
}

static void interrupted(void)
{
    int s = puppet();
    sigset_t blocked, empty, old;
    struct pollfd p = {s, POLLIN, 55};
    fd_set in;
    struct timeval tv;
    static const int flags[] = {0, SA_RESTART};
    settle(s);
    for (int i = 0; i < 2; i++) {
        count_signal(SIGALRM, flags[i]);
        alarm_in(30);
        R(poll(&p, 1, LONG_MS));
        R(p.revents);
        R(signals);
        alarm_in(30);
        FD_ZERO(&in);
        FD_SET(s, &in);
        tv = (struct timeval){8, 0};
        R(select(s + 1, &in, NULL, NULL, &tv));
        R(signals);
        R(FD_ISSET(s, &in));
        R(tv.tv_sec);
    }
    /* The mask is changed for the call alone, and no signal is lost between the two. */
    sigemptyset(&empty);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    count_signal(SIGALRM, 0);
    raise(SIGALRM);
    R(signals);
    struct timespec ts = {5, 0};
    R(ppoll(&p, 1, &ts, &empty));
    R(signals);
    R(ts.tv_sec);
    raise(SIGALRM);
    FD_SET(s, &in);
    R(pselect(s + 1, &in, NULL, NULL, &ts, &empty));
    R(signals);
    alarm_in(30);
    ts = (struct timespec){0, 60000000};
    R(ppoll(&p, 1, &ts, NULL));
    R(signals);
    R(ppoll(&p, 1, NULL, &empty));
    R(signals);
    tell(s, "s 1");
    wait_for(s, POLLIN);
    raise(SIGALRM);
    R(ppoll(&p, 1, &ts, &empty));
    R(signals);
    sigprocmask(SIG_SETMASK, &old, NULL);
    R(signals);
    ts.tv_nsec = 1000000000;
    R(ppoll(&p, 1, &ts, NULL));
    ts = (struct timespec){-1, 0};
    R(pselect(s + 1, &in, NULL, NULL, &ts, NULL));
    close(s);
}

static sigjmp_buf out_of_it;
static int handler_socket;

static void leave(int sig)
{
    (void)sig;
    siglongjmp(out_of_it, 1);
}

static void poll_inside(int sig)
{
    (void)sig;
    struct pollfd p = {handler_socket, POLLIN, 0};
    int r = poll(&p, 1, 20);
    printf("  in the handler: %d %s\n", r, bits((unsigned short)p.revents));
    signals++;
}

static void handlers(void)
{
    int s = puppet(), t = puppet(), p[2];
    R(pipe(p));
    struct pollfd f[] = {{s, POLLIN, 0}, {t, POLLIN, 0}, {p[0], POLLIN, 0}};
    struct sigaction a = {.sa_handler = leave};
    sigaction(SIGALRM, &a, NULL);
    for (int i = 0; i < 3; i++) {
        alarm_in(20);
        if (sigsetjmp(out_of_it, 1) == 0)
            R(poll(f, 3 - (nfds_t)i % 2, -1));
        else
            printf("  left by siglongjmp\n");
    }
    R(poll(f, 3, 0));
    tell(s, "s 1");
    R(poll(f, 3, LONG_MS));
    R(drain(s));
    handler_socket = t;
    a.sa_handler = poll_inside;
    sigaction(SIGALRM, &a, NULL);
    signals = 0;
    settle(s);
    alarm_in(20);
    R(poll(f, 3, LONG_MS));
    tell(t, "s 1");
    wait_for(t, POLLIN);
    R(raise(SIGALRM));
    R(poll(f, 3, LONG_MS));
    R(signals);
    close(s);
    close(t);
    close(p[0]);
    close(p[1]);
}

const struct named_case poll_cases[] = {
    {"poll: states", states},
    {"poll: listening", listening},
    {"poll: urgent data", urgent},
    {"poll: masks", masks},
    {"poll: mixed descriptors", mixed},
    {"poll: many descriptors", many},
    {"select", selecting},
    {"select: beyond FD_SETSIZE", large_sets},
    {"poll and select: signals", interrupted},
    {"poll: in and out of handlers", handlers},
    {NULL, NULL},
};
