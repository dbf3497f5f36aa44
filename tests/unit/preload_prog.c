/*
 * An ordinary program, run by test_preload.sh with libshim.so in front of libc: what does not
 * concern the stack must work as if it were not there. Prints what does not; exit status 0:
 * nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deep_module.h"

static int failures;
static const char self[] = "/proc/self/exe";

#define OK(expr)                                                                                   \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if (!(expr)) {                                                                             \
            printf("line %d: %s (%s)\n", __LINE__, #expr, strerror(errno));                        \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static void unix_sockets(void)
{
    int s[2], passed = -1;
    char c = 'u', buf[CMSG_SPACE(sizeof(int))] = "";
    struct iovec iov = {&c, 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &s[0], sizeof(int));
    OK(sendmsg(s[0], &m, 0) == 1);
    OK(recvmsg(s[1], &m, 0) == 1);
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
    OK(write(passed, "again", 5) == 5 && read(s[1], buf, 8) == 5);
    OK(close(passed) == 0 && close(s[0]) == 0);
    OK(read(s[1], buf, 1) == 0);
    OK(close(s[1]) == 0 && close(s[1]) == -1 && errno == EBADF);
}

static void files(void)
{
    char buf[8];
    int p[2], fd = open("/dev/null", O_RDWR);
    struct pollfd pfd;
    OK(fd >= 0 && read(fd, buf, 8) == 0 && write(fd, buf, 8) == 8);
    OK(recv(fd, buf, 8, 0) == -1 && errno == ENOTSOCK);
    OK(dup2(fd, 100) == 100 && fcntl(100, F_GETFD) == 0 && close(100) == 0 && close(fd) == 0);
    OK(pipe(p) == 0 && write(p[1], "pipe", 4) == 4);
    pfd = (struct pollfd){p[0], POLLIN, 0};
    OK(poll(&pfd, 1, -1) == 1 && read(p[0], buf, 8) == 4);
    OK(recv(-1, buf, 8, 0) == -1 && errno == EBADF);
    OK(close(p[0]) == 0 && close(p[1]) == 0);
}

static void *echo_once(void *arg)
{
    char buf[64];
    int c = accept(*(int *)arg, NULL, NULL);
    ssize_t n = recv(c, buf, sizeof(buf), 0);
    if (n > 0)
        send(c, buf, (size_t)n, 0);
    close(c);
    return NULL;
}

/* The program falls back to the kernel, by whose loopback it speaks to itself. */
static void loopback(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    struct epoll_event ev = {.events = EPOLLIN};
    char buf[8];
    pthread_t t;
    int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
    int ep = epoll_create1(0);
    OK(l >= 0 && s >= 0);
    OK(bind(l, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(l, 1) == 0);
    OK(getsockname(l, (struct sockaddr *)&a, &len) == 0);
    OK(pthread_create(&t, NULL, echo_once, &l) == 0);
    OK(connect(s, (struct sockaddr *)&a, sizeof(a)) == 0);
    OK(epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev) == 0);
    OK(send(s, "hello", 5, 0) == 5);
    OK(epoll_wait(ep, &ev, 1, -1) == 1 && recv(s, buf, 8, 0) == 5);
    OK(recv(s, buf, 8, 0) == 0);
    OK(pthread_join(t, NULL) == 0);
    OK(close(s) == 0 && close(l) == 0 && close(ep) == 0);
}

static volatile sig_atomic_t signals;

static void count(int sig)
{
    (void)sig;
    signals++;
}

static void processes(void)
{
    struct sigaction act = {.sa_handler = count}, old;
    char *argv[] = {(char[]){"again"}, (char[]){"exit"}, (char[]){"4"}, NULL};
    int status;
    pid_t pid;
    OK(sigaction(SIGUSR1, &act, NULL) == 0 && sigaction(SIGUSR1, NULL, &old) == 0);
    OK(old.sa_handler == count && raise(SIGUSR1) == 0 && signals == 1);
    OK((pid = fork()) >= 0);
    if (pid == 0)
        _exit(raise(SIGUSR1) == 0 && signals == 2 ? 3 : 1);
    OK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
    OK((pid = vfork()) >= 0);
    if (pid == 0) {
        execv(self, argv);
        _exit(1);
    }
    OK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4);
    OK(posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0);
    OK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4);
    OK(execl("/nonexistent", "x", (char *)NULL) == -1 && errno == ENOENT);
    unsetenv("LD_PRELOAD"); /* a shell cannot load the library when that needs a sanitizer */
    OK(WEXITSTATUS(system("exit 5")) == 5);
}

static void look_up(void *lib, const char *name, void *pointer)
{
    void *call = lib ? dlsym(lib, name) : NULL;
    OK(call != NULL);
    memcpy(pointer, &call, sizeof(call)); /* POSIX: the representations are the same */
}

/* The library's calls come by libshim, and its own RUNPATH holds for what it opens. (A sanitizer's
 * dlopen() is in between: libc takes that for the caller.) */
static int deeply_bound(const char *file)
{
    void *lib = dlopen(file, RTLD_NOW | RTLD_DEEPBIND);
    __typeof__(deep_socket) *deep_socket_of;
    __typeof__(deep_open) *deep_open_of;
    look_up(lib, "deep_socket", &deep_socket_of);
    look_up(lib, "deep_open", &deep_open_of);
    if (failures > 0)
        return 1;
    OK(deep_socket_of() == -1 && errno == ENODEV);
#ifndef __SANITIZE_ADDRESS__
    OK(deep_open_of("deep_again.so") == lib);
#endif
    OK(deep_open_of("nonesuch.so") == NULL && strstr(dlerror(), "nonesuch.so"));
    return failures != 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "deep") == 0)
        return deeply_bound(argv[2]);
    if (argc > 2)
        return atoi(argv[2]);
    if (argc > 1) { /* the error, twice */
        for (int i = 0; i < 2; i++)
            printf("%d ", socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0);
        return 0;
    }
    unix_sockets();
    files();
    loopback();
    processes();
    return failures != 0;
}
