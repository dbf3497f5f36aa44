/*
 * Programs that end in all kinds of ways, and their peer; for test_exit.sh.
 *
 *   sink PORT            accepts one connection, waits for the end of standard input, reads the
 *                        connection to its end and prints "BYTES END": END is EOF or an error
 *   send ADDRESS PORT BYTES HOW
 *                        sends, then ends: HOW is exit, _exit, return, or forever (until killed)
 *   stuff ADDRESS PORT   sends until there is no more room for a while, prints how many bytes were
 *                        taken, and kills itself
 *   serve PORT TIMES BYTES
 *                        accepts TIMES connections, one after the other, sends BYTES to each, and
 *                        exits with the last one open
 *   read ADDRESS PORT    connects, reads to the end, and prints as sink does
 *   children ADDRESS PORT
 *                        connects, has one child, and prints what it hears of children
 *   orphan ADDRESS PORT  connects and forks; the parent kills itself; the child sends 1,000 bytes
 *                        once standard input ends
 *   handover ADDRESS PORT PROGRAM ...
 *                        connects, and executes PROGRAM, without libshim, with the socket as
 *                        descriptor 9
 *   twice ADDRESS PORT PORT2
 *                        connects; when a line comes in, connects to PORT2 too, sends one byte on
 *                        each, and ends
 *   listen PORT          listens, closes, and listens again; prints OK or the error, twice
 *
 * What is sent is a pattern, whose byte at offset n follows from n; bytes that are not it are
 * counted as "corrupt".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FULL_MS 500
#define LIFE_S  40 /* no process of these outlives it, whatever happens */

static uint8_t buf[65536];

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(const char *address, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, address, &a.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        die("connect");
    return fd;
}

static int try_listen(const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 5) < 0) {
        int err = errno;
        close(fd);
        return -err;
    }
    return fd;
}

static int must_listen(const char *port)
{
    int fd = try_listen(port);

    if (fd < 0) {
        errno = -fd;
        die("listen");
    }
    return fd;
}

/* Reads the pattern to its end and says how that was. */
static int drain(int fd)
{
    uint64_t at = 0;
    ssize_t n;
    int corrupt = 0;

    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            corrupt |= buf[i] != pattern(at + (uint64_t)i);
        at += (uint64_t)n;
    }
    const char *end = n == 0 ? "EOF" : strerrorname_np(errno);
    if (corrupt)
        printf("corrupt %s\n", end);
    else
        printf("%llu %s\n", (unsigned long long)at, end);
    return 0;
}

static uint64_t send_pattern(int fd, uint64_t at, uint64_t end)
{
    while (at < end) {
        size_t len = end - at < sizeof(buf) ? (size_t)(end - at) : sizeof(buf);
        for (size_t i = 0; i < len; i++)
            buf[i] = pattern(at + i);
        for (size_t done = 0; done < len;) {
            ssize_t n = send(fd, buf + done, len - done, 0);
            if (n < 0)
                die("send");
            done += (size_t)n;
        }
        at += len;
    }
    return at;
}

static int send_and_end(int fd, uint64_t bytes, const char *how)
{
    if (strcmp(how, "forever") == 0)
        bytes = UINT64_MAX;
    send_pattern(fd, 0, bytes);
    if (strcmp(how, "exit") == 0)
        exit(0);
    if (strcmp(how, "_exit") == 0)
        _exit(0);
    return 0;
}

/* Nothing is in flight then, and no frame wakes a thread: it is not killed inside the stack. */
static int stuff(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    uint64_t at = 0;

    while (poll(&p, 1, FULL_MS) == 1) {
        for (size_t i = 0; i < sizeof(buf); i++)
            buf[i] = pattern(at + i);
        ssize_t n = send(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            die("send");
        at += n > 0 ? (uint64_t)n : 0;
    }
    printf("%llu\n", (unsigned long long)at);
    fflush(stdout);
    return kill(getpid(), SIGKILL);
}

static int sink(const char *port)
{
    int listener = must_listen(port), fd = accept(listener, NULL, NULL);
    char c;

    if (fd < 0)
        die("accept");
    close(listener);
    while (read(0, &c, 1) > 0)
        continue;
    return drain(fd);
}

static int serve(const char *port, int times, uint64_t bytes)
{
    int listener = must_listen(port);

    printf("listening\n");
    fflush(stdout);
    while (times-- > 0) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("accept");
        send_pattern(fd, 0, bytes);
        if (times > 0)
            close(fd);
    }
    return 0;
}

static volatile sig_atomic_t signals;

static void on_child(int sig)
{
    signals = signals + 1;
}

static int children(int fd)
{
    struct sigaction sa = {.sa_handler = on_child};
    int mine = 0, strangers = 0;
    sigset_t chld, old;

    sigaction(SIGCHLD, &sa, NULL);
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, &old);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    while (signals == 0)
        sigsuspend(&old);
    for (pid_t pid; (pid = waitpid(-1, NULL, __WALL)) > 0;) {
        if (pid == child)
            mine++;
        else
            strangers++;
    }
    printf("%d own, %d strange, %d signals, %s\n", mine, strangers, (int)signals,
           strerrorname_np(errno));
    close(fd);
    return 0;
}

static int orphan(int fd)
{
    char c;

    fflush(stdout);
    if (fork() > 0)
        kill(getpid(), SIGKILL);
    alarm(LIFE_S);
    while (read(0, &c, 1) > 0)
        continue;
    send_pattern(fd, 0, 1000);
    return 0;
}

static int handover(int fd, char **argv)
{
    if (dup2(fd, 9) < 0)
        die("dup2");
    close(fd);
    unsetenv("LD_PRELOAD");
    execvp(argv[0], argv);
    die(argv[0]);
    return 1;
}

static int twice(char **argv)
{
    int fd = dial(argv[0], argv[1]), fd2;
    char c;

    printf("connected\n");
    fflush(stdout);
    if (read(0, &c, 1) != 1)
        return 1;
    fd2 = dial(argv[0], argv[2]);
    send_pattern(fd, 0, 1);
    send_pattern(fd2, 0, 1);
    return 0;
}

static int listen_again(const char *port)
{
    for (int i = 0; i < 2; i++) {
        int fd = try_listen(port);
        printf("%s\n", fd < 0 ? strerrorname_np(-fd) : "OK");
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";

    alarm(LIFE_S);
    if (strcmp(what, "sink") == 0)
        return sink(argv[2]);
    if (strcmp(what, "listen") == 0)
        return listen_again(argv[2]);
    if (argc == 5 && strcmp(what, "serve") == 0)
        return serve(argv[2], atoi(argv[3]), strtoull(argv[4], NULL, 10));
    if (argc == 6 && strcmp(what, "send") == 0)
        return send_and_end(dial(argv[2], argv[3]), strtoull(argv[4], NULL, 10), argv[5]);
    if (argc == 4 && strcmp(what, "stuff") == 0)
        return stuff(dial(argv[2], argv[3]));
    if (argc == 4 && strcmp(what, "read") == 0)
        return drain(dial(argv[2], argv[3]));
    if (argc == 4 && strcmp(what, "children") == 0)
        return children(dial(argv[2], argv[3]));
    if (argc == 4 && strcmp(what, "orphan") == 0)
        return orphan(dial(argv[2], argv[3]));
    if (argc == 5 && strcmp(what, "twice") == 0)
        return twice(argv + 2);
    if (argc > 4 && strcmp(what, "handover") == 0)
        return handover(dial(argv[2], argv[3]), argv + 4);
    fprintf(stderr, "usage: see the head of exit_cases.c\n");
    return 2;
}
