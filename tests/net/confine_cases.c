/*
 * A program that locks itself into a sandbox once it is connected.
 *
 *   confine_cases peer PORT                     says back what it is told
 *   confine_cases echo ADDRESS PORT BYTES HOW   sends BYTES and reads them back, in a sandbox that
 *                                               kills for any call but the few listed here
 *
 * HOW: block (half of it is written, then read), poll, or fork: the child of a server does it, as
 * another user, with limits to descriptors and processes, and its parent waits for it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 65536u

__attribute__((noreturn)) static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in name_of(const char *address, const char *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, address, &name.sin_addr) != 1)
        fail(address);
    return name;
}

static void say_back(int fd)
{
    static char buf[CHUNK];
    ssize_t n;
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        for (ssize_t done = 0, r; done < n; done += r)
            if ((r = write(fd, buf + done, (size_t)(n - done))) < 0)
                fail("write");
    exit(0);
}

static int peer(const char *port)
{
    struct sockaddr_in name = name_of("0.0.0.0", port);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(listener, 5) < 0)
        fail("listen");
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            fail("accept");
        if (fork() == 0)
            say_back(fd);
        close(fd);
    }
}

/* What a program that reads and writes its sockets cannot do without. */
static void confine(void)
{
#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(ppoll),
        ALLOW(futex),
        ALLOW(exit_group),
#ifdef __SANITIZE_ADDRESS__
        ALLOW(sigaltstack), /* its own, before a function that does not return */
        ALLOW(munmap),
        ALLOW(mmap),
#endif
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        fail("prctl");
}

static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 4093);
}

__attribute__((noreturn)) static void say(const char *text)
{
    ssize_t done = write(STDOUT_FILENO, text, strlen(text));
    _exit(done < 0);
}

/* In the sandbox from here on: no stdio, no malloc. */
static size_t send_some(int fd, size_t at, size_t most)
{
    static char buf[CHUNK];
    size_t n = most < sizeof(buf) ? most : sizeof(buf);
    for (size_t i = 0; i < n; i++)
        buf[i] = byte_at(at + i);
    ssize_t r = write(fd, buf, n);
    if (r < 0 && errno != EAGAIN)
        say("write failed\n");
    return r < 0 ? 0 : (size_t)r;
}

static size_t receive_some(int fd, size_t at)
{
    static char buf[CHUNK];
    ssize_t r = read(fd, buf, sizeof(buf));
    if (r == 0)
        say("early end\n");
    if (r < 0 && errno != EAGAIN)
        say("read failed\n");
    for (ssize_t i = 0; i < r; i++)
        if (buf[i] != byte_at(at + (size_t)i))
            say("wrong bytes\n");
    return r < 0 ? 0 : (size_t)r;
}

static void echo_blocking(int fd, size_t bytes)
{
    for (size_t got = 0, sent = 0; got < bytes;) {
        size_t until = sent + CHUNK / 2 < bytes ? sent + CHUNK / 2 : bytes;
        while (sent < until)
            sent += send_some(fd, sent, until - sent);
        while (got < until)
            got += receive_some(fd, got);
    }
}

static void echo_polling(int fd, size_t bytes)
{
    const struct timespec long_time = {.tv_sec = 60};
    for (size_t got = 0, sent = 0; got < bytes;) {
        struct pollfd p = {.fd = fd, .events = sent < bytes ? POLLIN | POLLOUT : POLLIN};
        if (ppoll(&p, 1, &long_time, NULL) <= 0)
            say("ppoll failed\n");
        if (p.revents & POLLOUT)
            sent += send_some(fd, sent, bytes - sent);
        if (p.revents & POLLIN)
            got += receive_some(fd, got);
    }
}

/* As sshd's child does. */
static void lose_everything(void)
{
    const struct rlimit none = {0}, one = {1, 1};
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
        setrlimit(RLIMIT_FSIZE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &one) < 0 ||
        setrlimit(RLIMIT_NPROC, &none) < 0)
        fail("limits");
}

static int echo(const char *address, const char *port, size_t bytes, const char *how)
{
    struct sockaddr_in name = name_of(address, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), status;
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
        fail("connect");
    if (strcmp(how, "fork") == 0) {
        pid_t child = fork();
        if (child > 0)
            return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
        lose_everything();
    }
    if (strcmp(how, "block") != 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    confine();
    if (strcmp(how, "block") == 0)
        echo_blocking(fd, bytes);
    else
        echo_polling(fd, bytes);
    say("all of it\n");
}

int main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "peer") == 0)
        return peer(argv[2]);
    if (argc == 6 && strcmp(argv[1], "echo") == 0)
        return echo(argv[2], argv[3], strtoul(argv[4], NULL, 10), argv[5]);
    fprintf(stderr, "usage: see the head of the source\n");
    return 2;
}
