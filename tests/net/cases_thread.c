/* epoll and poll with threads, signals and processes. */
#include <time.h>

#include "cases.h"

static void send_line(long s)
{
    tell((int)s, "s 1");
}

struct waiter_thread {
    pthread_t thread;
    int epfd;
    int timeout_ms;
    int n; /* what epoll_wait() returned */
    struct epoll_event ev;
};

static void *wait_in(void *arg)
{
    struct waiter_thread *w = arg;
    w->n = epoll_wait(w->epfd, &w->ev, 1, w->timeout_ms ? w->timeout_ms : LONG_MS);
    return NULL;
}

/* The set holds nothing, or a pipe only, when the thread falls asleep in it. */
static void socket_comes_later(void)
{
    int p[2];
    R(pipe(p));
    for (int with_pipe = 0; with_pipe < 2; with_pipe++) {
        struct waiter_thread w = {.epfd = epoll_create1(0)};
        if (with_pipe)
            R(add(w.epfd, p[0], EPOLLIN, 1));
        pthread_create(&w.thread, NULL, wait_in, &w);
        usleep(SHORT_MS * 1000);
        int s = puppet();
        settle(s);
        R(add(w.epfd, s, EPOLLIN, 2));
        tell(s, "d 20 s 1");
        pthread_join(w.thread, NULL);
        R(w.n);
        R(w.ev.data.u64);
        print_wait("still there", w.epfd, 8, 0);
        R(drain(s));
        print_wait("drained", w.epfd, 8, 0);
        if (with_pipe) {
            R(write(p[1], "x", 1));
            print_wait("the pipe", w.epfd, 8, 0);
        }
        close(s);
        close(w.epfd);
    }
    close(p[0]);
    close(p[1]);
}

static void several_wait(void)
{
    enum { N = 4 };
    struct waiter_thread w[N];
    int s[N], epfd = epoll_create1(0);
    for (int i = 0; i < N; i++) {
        s[i] = puppet();
        settle(s[i]);
        R(add(epfd, s[i], EPOLLIN | EPOLLET, (uint64_t)i));
    }
    for (int i = 0; i < N; i++) {
        w[i] = (struct waiter_thread){.epfd = epfd};
        pthread_create(&w[i].thread, NULL, wait_in, &w[i]);
    }
    usleep(SHORT_MS * 1000);
    for (int i = 0; i < N; i++)
        tell(s[i], "s 1");
    int seen = 0;
    for (int i = 0; i < N; i++) {
        pthread_join(w[i].thread, NULL);
        if (w[i].n == 1)
            seen += 1 << w[i].ev.data.u64;
    }
    R(seen);
    print_wait("each came to one", epfd, 8, 0);
    for (int i = 0; i < N; i++)
        close(s[i]);
    close(epfd);
}

/* Each thread sleeps in an instance of its own, and the listener is in all of them. */
static void exclusive_wakes_one(void)
{
    enum { N = 4 };
    struct waiter_thread w[N];
    int port, l = listener(&port), s = puppet();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            w[i] = (struct waiter_thread){.epfd = epoll_create1(0), .timeout_ms = 400};
            R(add(w[i].epfd, l, round ? EPOLLIN : EPOLLIN | EPOLLEXCLUSIVE, (uint64_t)i));
            pthread_create(&w[i].thread, NULL, wait_in, &w[i]);
        }
        usleep(SHORT_MS * 1000);
        tell(s, "k %s %d 1", own_ip, port);
        int woken = 0;
        for (int i = 0; i < N; i++) {
            pthread_join(w[i].thread, NULL);
            woken += w[i].n;
            close(w[i].epfd);
        }
        R(woken);
        close(accept(l, NULL, NULL));
    }
    close(l);
    close(s);
}

/* A level-triggered event that the first does not deal with comes to the next, too. */
static void level_wakes_on(void)
{
    struct waiter_thread w[2];
    int epfd = epoll_create1(0), s = puppet();
    settle(s);
    R(add(epfd, s, EPOLLIN, 7));
    for (int i = 0; i < 2; i++) {
        w[i] = (struct waiter_thread){.epfd = epfd};
        pthread_create(&w[i].thread, NULL, wait_in, &w[i]);
    }
    usleep(SHORT_MS * 1000);
    tell(s, "s 1");
    for (int i = 0; i < 2; i++) {
        pthread_join(w[i].thread, NULL);
        R(w[i].n);
        R(w[i].ev.data.u64);
    }
    close(s);
    close(epfd);
}

static int shared_epfd, shared_socket;

static void modify(long events)
{
    if (mod(shared_epfd, shared_socket, (unsigned)events, 9) < 0)
        printf("  mod: %s\n", err_name(errno));
}

static void changed_while_waiting(void)
{
    int s = puppet();
    settle(s);
    shared_epfd = epoll_create1(0);
    shared_socket = s;
    R(add(shared_epfd, s, EPOLLIN, 1));
    later(20, modify, EPOLLOUT);
    print_wait("modified", shared_epfd, 8, -1);
    later_join();
    modify(EPOLLIN | EPOLLONESHOT);
    later(20, send_line, s);
    print_wait("data", shared_epfd, 8, -1);
    later_join();
    print_wait("spent", shared_epfd, 8, 0);
    later(20, modify, EPOLLIN | EPOLLONESHOT);
    print_wait("armed again", shared_epfd, 8, -1);
    later_join();
    close(s);
    close(shared_epfd);
}

static void *cancelled_in_epoll(void *arg)
{
    struct epoll_event ev;
    epoll_wait((int)(long)arg, &ev, 1, -1);
    return NULL;
}

static void *cancelled_in_poll(void *arg)
{
    struct pollfd p[] = {{(int)(long)arg, POLLIN, 0}, {0, 0, 0}};
    poll(p, 2, -1);
    return NULL;
}

static void cancellation(void)
{
    int epfd = epoll_create1(0), s = puppet();
    void *result;
    pthread_t t;
    settle(s);
    R(add(epfd, s, EPOLLIN, 1));
    for (int i = 0; i < 2; i++) {
        pthread_create(&t, NULL, i ? cancelled_in_poll : cancelled_in_epoll,
                       (void *)(long)(i ? s : epfd));
        usleep(SHORT_MS * 1000);
        pthread_cancel(t);
        pthread_join(t, &result);
        R(result == PTHREAD_CANCELED);
    }
    tell(s, "s 1");
    print_wait("data", epfd, 8, -1);
    close(s);
    close(epfd);
}

static void alarm_in(int ms)
{
    struct itimerval it = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    setitimer(ITIMER_REAL, &it, NULL);
}

static void signals_in_epoll(void)
{
    int epfd = epoll_create1(0), s = puppet();
    struct epoll_event ev;
    sigset_t empty, blocked, old;
    settle(s);
    R(add(epfd, s, EPOLLIN, 1));
    static const int flags[] = {0, SA_RESTART};
    for (int i = 0; i < 2; i++) {
        count_signal(SIGALRM, flags[i]);
        alarm_in(20);
        print_wait("interrupted", epfd, 8, LONG_MS);
        R(signals);
    }
    sigemptyset(&empty);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    count_signal(SIGALRM, 0);
    raise(SIGALRM);
    print_wait("blocked", epfd, 8, SHORT_MS);
    R(signals);
    R(epoll_pwait(epfd, &ev, 1, 0, &empty));
    R(signals);
    R(epoll_pwait(epfd, &ev, 1, LONG_MS, &empty));
    R(signals);
    raise(SIGALRM);
    R(epoll_pwait2(epfd, &ev, 1, NULL, &empty));
    R(signals);
    alarm_in(20);
    R(epoll_pwait2(epfd, &ev, 1, &(struct timespec){9, 0}, &empty));
    R(signals);
    tell(s, "s 1");
    wait_for(s, POLLIN);
    raise(SIGALRM);
    R(epoll_pwait(epfd, &ev, 1, LONG_MS, &empty));
    R(signals);
    sigprocmask(SIG_SETMASK, &old, NULL);
    R(signals);
    close(s);
    close(epfd);
}

static sigjmp_buf out_of_it;
static int handler_epfd;

static void leave(int sig)
{
    (void)sig;
    siglongjmp(out_of_it, 1);
}

static void epoll_inside(int sig)
{
    (void)sig;
    struct epoll_event ev;
    printf("  in the handler: %d\n", epoll_wait(handler_epfd, &ev, 1, 20));
}

static void handlers_in_epoll(void)
{
    int epfd = epoll_create1(0), other = epoll_create1(0), s = puppet(), t = puppet();
    struct sigaction a = {.sa_handler = leave};
    settle(s);
    settle(t);
    R(add(epfd, s, EPOLLIN, 1));
    R(add(other, t, EPOLLIN, 1));
    sigaction(SIGALRM, &a, NULL);
    for (int i = 0; i < 3; i++) {
        alarm_in(20);
        if (sigsetjmp(out_of_it, 1) == 0)
            print_wait("not left?", i == 1 ? other : epfd, 8, -1);
        else
            printf("  left by siglongjmp\n");
    }
    tell(s, "d 20 s 1");
    print_wait("data", epfd, 8, -1);
    R(drain(s));
    a.sa_handler = epoll_inside;
    sigaction(SIGALRM, &a, NULL);
    handler_epfd = other;
    for (int i = 0; i < 2; i++) {
        alarm_in(20);
        print_wait("interrupted", epfd, 8, LONG_MS);
        handler_epfd = epfd;
    }
    tell(t, "d 20 s 1");
    print_wait("data", other, 8, -1);
    tell(s, "d 20 s 1");
    print_wait("data", epfd, 8, -1);
    close(s);
    close(t);
    close(epfd);
    close(other);
}

static void child_uses_it(void)
{
    int epfd = epoll_create1(0), s = puppet(), p[2], status;
    R(pipe(p));
    settle(s);
    R(add(epfd, s, EPOLLIN, 1));
    R(add(epfd, p[0], EPOLLIN, 2));
    print_wait("nothing", epfd, 8, 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        tell(s, "d 20 s 1");
        print_wait("child: data", epfd, 8, -1);
        R(drain(s));
        print_wait("child: drained", epfd, 8, 0);
        R(write(p[1], "x", 1));
        print_wait("child: the pipe", epfd, 8, -1);
        int t = puppet();
        R(add(epfd, t, EPOLLIN, 3));
        tell(t, "s 1");
        wait_for(t, POLLIN);
        print_wait("child: its own", epfd, 8, -1);
        R(close(epfd));
        fflush(stdout);
        _exit(0);
    }
    R(waitpid(pid, &status, 0) == pid);
    R(status);
    char b;
    R(read(p[0], &b, 1));
    tell(s, "d 20 s 1");
    print_wait("parent: data", epfd, 8, -1);
    pid = fork();
    if (pid == 0) {
        close(epfd);
        close(s);
        _exit(0);
    }
    R(waitpid(pid, &status, 0) == pid);
    print_wait("parent: still", epfd, 8, -1);
    close(s);
    close(epfd);
    close(p[0]);
    close(p[1]);
}

/* The thread's time-outs hold although frames for others keep waking the engine. */
static void timeouts(void)
{
    int epfd = epoll_create1(0), s = puppet(), noisy = puppet();
    settle(s);
    R(add(epfd, s, EPOLLIN, 1));
    tell(noisy, "d 5 s 1 d 5 s 1 d 5 s 1 d 5 s 1 d 5 s 1 d 5 s 1");
    long start = now_ms();
    print_wait("40 ms", epfd, 8, 40);
    long took = now_ms() - start;
    R(took >= 40 && took < 1000);
    struct pollfd p = {s, POLLIN, 0};
    tell(noisy, "d 5 s 1 d 5 s 1 d 5 s 1 d 5 s 1 d 5 s 1 d 5 s 1");
    start = now_ms();
    R(poll(&p, 1, 40));
    took = now_ms() - start;
    R(took >= 40 && took < 1000);
    start = now_ms();
    print_wait("at once", epfd, 8, 0);
    R(now_ms() - start < 30);
    close(s);
    close(noisy);
    close(epfd);
}

/* ---- many connections, several threads ---- */

enum { CONNECTIONS = 48, THREADS = 4, ROUNDS = 60, MESSAGE = 3000 };

struct talker {
    int s, epfd, rounds, got;
};

static struct talker talkers[CONNECTIONS];
static int talking, finished_event;
static bool rearm;

static char pattern(const struct talker *t, int at)
{
    return (char)(t->rounds * 7 + at);
}

static void speak(struct talker *t)
{
    char m[MESSAGE];
    for (int i = 0; i < MESSAGE; i++)
        m[i] = pattern(t, i);
    if (send(t->s, m, MESSAGE, 0) != MESSAGE)
        printf("  sending: %s\n", err_name(errno));
}

/* The socket is readable: takes what is there; after each whole message, says the next. */
static void listen_to(struct talker *t)
{
    char b[1000];
    ssize_t n;
    while ((n = recv(t->s, b, sizeof(b), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (b[i] != pattern(t, t->got + (int)i))
                printf("  a wrong byte\n");
        t->got += (int)n;
        if (t->got < MESSAGE)
            continue;
        t->got = 0;
        if (++t->rounds < ROUNDS) {
            speak(t);
            continue;
        }
        if (__atomic_sub_fetch(&talking, 1, __ATOMIC_SEQ_CST) == 0)
            eventfd_write(finished_event, 1);
        return;
    }
    if (n == 0 || errno != EAGAIN)
        printf("  receiving: %zd\n", n);
    if (rearm && mod(t->epfd, t->s, EPOLLIN | EPOLLET | EPOLLONESHOT, (uint64_t)(t - talkers)) < 0)
        printf("  mod: %s\n", err_name(errno));
}

static void *epoll_worker(void *arg)
{
    struct epoll_event ev[4];
    for (;;) {
        int n = epoll_wait((int)(long)arg, ev, 4, LONG_MS);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.u64 == CONNECTIONS)
                return NULL;
            listen_to(&talkers[ev[i].data.u64]);
        }
        if (n <= 0)
            return arg;
    }
}

static void *poll_worker(void *arg)
{
    struct pollfd p[CONNECTIONS / THREADS + 1];
    int first = (int)(long)arg * CONNECTIONS / THREADS, n = CONNECTIONS / THREADS;
    for (int i = 0; i < n; i++)
        p[i] = (struct pollfd){talkers[first + i].s, POLLIN, 0};
    p[n] = (struct pollfd){finished_event, POLLIN, 0};
    for (;;) {
        if (poll(p, (nfds_t)n + 1, LONG_MS) <= 0)
            return talkers;
        for (int i = 0; i < n; i++)
            if (p[i].revents)
                listen_to(&talkers[first + i]);
        if (p[n].revents)
            return NULL;
    }
}

/* how: 0 one instance for all threads, 1 one for each, 2 poll. */
static void talk(int how)
{
    pthread_t threads[THREADS];
    int epfd[THREADS];
    void *failed;
    talking = CONNECTIONS;
    rearm = how == 0;
    finished_event = eventfd(0, EFD_NONBLOCK);
    for (int i = 0; i < THREADS; i++) {
        epfd[i] = how == 0 && i > 0 ? epfd[0] : epoll_create1(0);
        if (how == 1 || i == 0)
            add(epfd[i], finished_event, EPOLLIN, CONNECTIONS);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        struct talker *t = &talkers[i];
        *t = (struct talker){.s = puppet(), .epfd = epfd[i * THREADS / CONNECTIONS]};
        tell(t->s, "x");
        if (how < 2)
            add(t->epfd, t->s, rearm ? EPOLLIN | EPOLLET | EPOLLONESHOT : EPOLLIN, (uint64_t)i);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, how == 2 ? poll_worker : epoll_worker,
                       (void *)(long)(how == 2 ? i : epfd[i]));
    for (int i = 0; i < CONNECTIONS; i++)
        speak(&talkers[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        R(failed != NULL);
    }
    R(talking);
    for (int i = 0; i < CONNECTIONS; i++)
        close(talkers[i].s);
    for (int i = 0; i < (how == 0 ? 1 : THREADS); i++)
        close(epfd[i]);
    close(finished_event);
}

static void one_set_for_all(void)
{
    talk(0);
}

static void a_set_for_each(void)
{
    talk(1);
}

static void poll_in_each(void)
{
    talk(2);
}

const struct named_case thread_cases[] = {
    {"threads: a socket comes later", socket_comes_later},
    {"threads: several wait", several_wait},
    {"threads: level-triggered", level_wakes_on},
    {"threads: exclusive", exclusive_wakes_one},
    {"threads: changed while waiting", changed_while_waiting},
    {"threads: cancellation", cancellation},
    {"threads: one set, many connections", one_set_for_all},
    {"threads: many sets, many connections", a_set_for_each},
    {"threads: poll, many connections", poll_in_each},
    {"epoll: signals", signals_in_epoll},
    {"epoll: in and out of handlers", handlers_in_epoll},
    {"epoll: fork", child_uses_it},
    {"epoll: timeouts", timeouts},
    {NULL, NULL},
};
