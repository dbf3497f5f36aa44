/*
 * Waiting for readiness and working on descriptors, against the kernel and against the stack:
 * prints what the calls return (cases.h). test_poll_epoll.sh runs it twice and compares.
 *
 * usage: poll_epoll_cases PEER OWN [CASE]     addresses; PEER runs puppet.py
 */
#include <linux/sockios.h>
#include <stdarg.h>
#include <time.h>

#include "cases.h"

const char *peer_ip, *own_ip;
volatile sig_atomic_t signals;

const char *err_name(int e)
{
    const char *n = strerrorname_np(e);
    return n ? n : "?";
}

const char *bits(unsigned mask)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {EPOLLIN, "IN"},         {EPOLLPRI, "PRI"},       {EPOLLOUT, "OUT"},
        {EPOLLERR, "ERR"},       {EPOLLHUP, "HUP"},       {POLLNVAL, "NVAL"},
        {EPOLLRDNORM, "RDNORM"}, {EPOLLRDBAND, "RDBAND"}, {EPOLLWRNORM, "WRNORM"},
        {EPOLLWRBAND, "WRBAND"}, {EPOLLMSG, "MSG"},       {EPOLLRDHUP, "RDHUP"},
    };
    static char text[8][128];
    static int turn;
    char *t = text[turn++ % 8];
    t[0] = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!(mask & names[i].bit))
            continue;
        if (t[0])
            strcat(t, "|");
        strcat(t, names[i].name);
        mask &= ~names[i].bit;
    }
    if (mask)
        snprintf(t + strlen(t), 32, "|0x%x", mask);
    return t[0] ? t : "0";
}

struct sockaddr_in at(const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

int tcp(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

int udp(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0);
}

int tcp_nonblock(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

int conn_to(int s, const char *ip, int port)
{
    struct sockaddr_in a = at(ip, port);
    return connect(s, (struct sockaddr *)&a, sizeof(a));
}

int puppet(void)
{
    int s = tcp();
    if (conn_to(s, peer_ip, 9) < 0)
        printf("  the puppet: %s\n", err_name(errno));
    return s;
}

void tell(int s, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    line[n++] = '\n';
    if (send(s, line, (size_t)n, MSG_NOSIGNAL) != n)
        printf("  telling the puppet: %s\n", err_name(errno));
}

int listener(int *port)
{
    int s = tcp();
    struct sockaddr_in a = at(own_ip, 0);
    socklen_t len = sizeof(a);
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 64) < 0)
        printf("  listening: %s\n", err_name(errno));
    getsockname(s, (struct sockaddr *)&a, &len);
    *port = ntohs(a.sin_port);
    return s;
}

int so_error(int s)
{
    int v = -1;
    socklen_t len = sizeof(v);
    getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &len);
    return v;
}

long drain(int s)
{
    char buf[4096];
    long sum = 0;
    for (;;) {
        ssize_t n = recv(s, buf, sizeof(buf), MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 && errno != EAGAIN ? -errno : sum;
        sum += n;
    }
}

unsigned wait_for(int s, int events)
{
    struct pollfd p = {.fd = s, .events = (short)events};
    int r = poll(&p, 1, LONG_MS), type = 0;
    socklen_t len = sizeof(type);
    getsockopt(s, SOL_SOCKET, SO_TYPE, &type, &len);
    /* The kernel ends a connection in steps, and poll() may look between them: the error is there,
     * the end is not yet. */
    for (int ms = 0; r > 0 && type == SOCK_STREAM && (p.revents & POLLERR) &&
                     !(p.revents & POLLHUP) && ms < 1000;
         ms++) {
        usleep(1000);
        r = poll(&p, 1, 0);
    }
    return r > 0 ? (unsigned short)p.revents : 0;
}

void settle(int s)
{
    int left = 1;
    for (long end = now_ms() + LONG_MS; left && now_ms() < end; usleep(1000))
        if (ioctl(s, SIOCOUTQ, &left) < 0)
            return;
}

long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_signal(int sig)
{
    (void)sig;
    signals++;
}

void count_signal(int sig, int flags)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = flags};
    signals = 0;
    sigaction(sig, &a, NULL);
}

static struct later {
    pthread_t thread;
    int ms;
    void (*fn)(long arg);
    long arg;
} laters[16];
static int later_count;

static void *later_run(void *arg)
{
    const struct later *l = arg;
    usleep((useconds_t)l->ms * 1000);
    l->fn(l->arg);
    return NULL;
}

void later(int ms, void (*fn)(long arg), long arg)
{
    struct later *l = &laters[later_count++];
    *l = (struct later){.ms = ms, .fn = fn, .arg = arg};
    pthread_create(&l->thread, NULL, later_run, l);
}

void later_join(void)
{
    while (later_count > 0)
        pthread_join(laters[--later_count].thread, NULL);
}

static int by_data(const void *a, const void *b)
{
    uint64_t x = ((const struct epoll_event *)a)->data.u64;
    uint64_t y = ((const struct epoll_event *)b)->data.u64;
    return x < y ? -1 : x > y;
}

void print_wait(const char *what, int epfd, int max, int timeout_ms)
{
    struct epoll_event ev[64];
    errno = 0;
    int n = epoll_wait(epfd, ev, max, timeout_ms);
    printf("  %s: %d %s", what, n, n < 0 ? err_name(errno) : "");
    if (n > 0)
        qsort(ev, (size_t)n, sizeof(*ev), by_data);
    for (int i = 0; i < n; i++)
        printf(" %llu:%s", (unsigned long long)ev[i].data.u64, bits(ev[i].events));
    printf("\n");
    fflush(stdout);
}

int add(int epfd, int fd, unsigned events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
}

int mod(int epfd, int fd, unsigned events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};
    return epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &ev);
}

int del(int epfd, int fd)
{
    return epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
}

static void run(const struct named_case *c, const char *only)
{
    for (; c->name; c++) {
        if (only && strcmp(only, c->name) != 0)
            continue;
        printf("%s\n", c->name);
        fflush(stdout);
        c->run();
        later_join();
    }
}

static void list(const struct named_case *c)
{
    for (; c->name; c++)
        printf("%s\n", c->name);
}

int main(int argc, char **argv)
{
    static const struct named_case *const all[] = {poll_cases, epoll_cases, thread_cases,
                                                   fd_cases,   data_cases,  process_cases};
    if (argc == 2) /* --stdio: an image of its own for the case of that name */
        return printf("n\nfrom another image") < 0;
    if (argc == 6 && strcmp(argv[3], "@") == 0) {
        peer_ip = argv[1];
        own_ip = argv[2];
        return process_helper(argv[4], argv[5]);
    }
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (argc < 3) { /* the names of the cases */
            list(all[i]);
            continue;
        }
        peer_ip = argv[1];
        own_ip = argv[2];
        run(all[i], argc > 3 ? argv[3] : NULL);
    }
    return 0;
}
