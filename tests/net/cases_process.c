/*
 * The life of processes that hold sockets: fork, vfork, exec, spawn, exit and kill. What the peer
 * sees of it counts too: the puppet is asked how a connection ended.
 */
#include <grp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cases.h"

static char self[] = "/proc/self/exe";

/* A connection about whose end the puppet can be asked by its name. */
static int watched(const char *name)
{
    int s = puppet();
    tell(s, "t %s", name);
    char c = 0;
    if (recv(s, &c, 1, 0) != 1)
        printf("  %s is not watched\n", name);
    return s;
}

/* How did it end, and with how many bytes? */
static void print_end(const char *name)
{
    char buf[64] = "";
    int s = puppet();
    tell(s, "? %s", name);
    ssize_t n = recv(s, buf, sizeof(buf) - 1, MSG_WAITALL);
    buf[n > 0 ? n : 0] = 0;
    printf("  %s: %s\n", name, buf);
    fflush(stdout);
    close(s);
}

static void send_much(int s, size_t bytes)
{
    static char data[65536];
    while (bytes > 0) {
        ssize_t n = send(s, data, bytes < sizeof(data) ? bytes : sizeof(data), 0);
        if (n <= 0)
            break;
        bytes -= (size_t)n;
    }
}

/* Runs this program again, as a helper (see process_helper()); -1 for stdin: as it is. */
static pid_t start_helper(int in, const char *what, const char *name)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (in >= 0) {
            dup2(in, 0);
            dup2(in, 1);
        }
        execl(self, "helper", peer_ip, own_ip, "@", what, name, (char *)NULL);
        _exit(99);
    }
    return pid;
}

static int end_of(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/* ---- the helper: what the program does when it is started as "... @ WHAT NAME" ---- */

static int echo_stdin(void)
{
    char buf[256];
    ssize_t n;
    while ((n = read(0, buf, sizeof(buf))) > 0)
        if (write(1, buf, (size_t)n) != n)
            return 1;
    return 0;
}

int process_helper(const char *what, const char *name)
{
    if (strcmp(what, "echo") == 0)
        return echo_stdin();
    int s = watched(name);
    send_much(s, 1000000);
    if (strcmp(what, "return") == 0)
        return 0;
    if (strcmp(what, "_exit") == 0)
        _exit(0);
    if (strcmp(what, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(what, "exec") == 0) {
        fcntl(s, F_SETFD, FD_CLOEXEC);
        execl("/bin/cat", "cat", (char *)NULL); /* until stdin ends */
    }
    return 1;
}

/* ---- the cases ---- */

static void ends(void)
{
    static const char *const ways[] = {"return", "_exit", "kill"};
    for (int i = 0; i < 3; i++) {
        R(end_of(start_helper(-1, ways[i], ways[i])));
        print_end(ways[i]);
    }
}

/* Close-on-exec ends a connection although the process lives on. */
static void cloexec(void)
{
    int p[2];
    R(pipe2(p, O_CLOEXEC));
    pid_t pid = start_helper(p[0], "exec", "exec");
    close(p[0]);
    print_end("exec");
    close(p[1]);
    R(end_of(pid));
}

static void forked(void)
{
    char buf[16];
    int s = watched("forked");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        send_much(s, 1000);
        close(s);
        _exit(7);
    }
    R(end_of(pid) >> 8);
    send_much(s, 1000); /* the child's close() has not ended it */
    R(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    R(close(s)); /* but this does not end it either, while the child is there */
    int other = puppet();
    tell(other, "! forked");
    R(recv(other, buf, 5, MSG_WAITALL));
    printf("  %.5s\n", buf);
    R(kill(pid, SIGKILL));
    R(end_of(pid));
    print_end("forked");
    close(other);
}

/* Forks that libc knows nothing of; in one of them the child has a network and process numbers of
 * its own. */
static int cloned_child(void *arg)
{
    if (setgroups(0, NULL) < 0)
        return 1;
    send_much(dup(*(int *)arg), 1000);
    return 7;
}

static void cloned(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    const uint64_t args[8] = {[4] = SIGCHLD};
    for (int way = 0; way < 4; way++) {
        int s = watched("cloned");
        pid_t pid = -1;
        fflush(stdout);
        if (way == 0)
            pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        else if (way == 1)
            pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWPID | CLONE_NEWNET, 0, 0, 0, 0);
        else if (way == 2)
            pid = (pid_t)syscall(SYS_clone3, args, sizeof(args));
        else
            pid = clone(cloned_child, stack + sizeof(stack), SIGCHLD, &s);
        if (pid == 0)
            _exit(cloned_child(&s));
        R(end_of(pid) >> 8);
        send_much(s, 1000);
        R(close(s));
        print_end("cloned");
    }
}

/* Pre-forking: children accept on the parent's listener. */
static void preforked(void)
{
    enum { CHILDREN = 3 };
    int port, l = listener(&port);
    pid_t pid[CHILDREN];
    fflush(stdout);
    for (int i = 0; i < CHILDREN; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            int c = accept(l, NULL, NULL);
            char b;
            _exit(c >= 0 && send(c, "hello", 5, 0) == 5 && recv(c, &b, 1, 0) >= 0 ? 0 : 1);
        }
    }
    close(l);
    int s = puppet();
    tell(s, "k %s %d %d", own_ip, port, CHILDREN);
    tell(s, "E 5");
    for (int i = 0; i < CHILDREN; i++)
        R(end_of(pid[i]));
    close(s);
}

/* The puppet speaks to another image of this program, over its stdin and stdout. */
static void print_echo(int s)
{
    char buf[8] = "";
    R(recv(s, buf, 4, MSG_WAITALL));
    printf("  %s\n", buf);
    fflush(stdout);
}

static void inherited(void)
{
    int port, l = listener(&port), ctl = puppet();
    for (int way = 0; way < 3; way++) {
        tell(ctl, "k %s %d 1", own_ip, port);
        int c = accept(l, NULL, NULL);
        fflush(stdout);
        pid_t pid = -1;
        char *const argv[] = {self,          (char *)(uintptr_t)peer_ip, (char *)(uintptr_t)own_ip,
                              (char[]){"@"}, (char[]){"echo"},           (char[]){"-"},
                              NULL};
        if (way == 0) {
            pid = start_helper(c, "echo", "-");
        } else if (way == 1) {
            pid = vfork();
            if (pid == 0) {
                dup2(c, 0);
                dup2(c, 1);
                close(c);
                execv(self, argv);
                _exit(99);
            }
        } else {
            posix_spawn_file_actions_t fa;
            posix_spawn_file_actions_init(&fa);
            posix_spawn_file_actions_adddup2(&fa, c, 0);
            posix_spawn_file_actions_adddup2(&fa, c, 1);
            R(posix_spawn(&pid, self, &fa, NULL, argv, environ));
            posix_spawn_file_actions_destroy(&fa);
        }
        R(close(c));
        tell(ctl, "p abcd g 4 z"); /* prints abcd, gets 4 bytes and shows them, ends it */
        print_echo(ctl);
        R(end_of(pid));
    }
    close(l);
    close(ctl);
}

/* A server that limits its memory, and what it executes. */
static void print_limit(void)
{
    struct rlimit lim = {0};
    R(getrlimit(RLIMIT_AS, &lim));
    printf("  %llu %llu\n", (unsigned long long)lim.rlim_cur, (unsigned long long)lim.rlim_max);
    R(prlimit(0, RLIMIT_AS, NULL, &lim));
    printf("  %llu %llu\n", (unsigned long long)lim.rlim_cur, (unsigned long long)lim.rlim_max);
    for (size_t mb = 64; mb <= 1024; mb *= 16) {
        void *p = mmap(NULL, mb << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        printf("  %zu MB: %s\n", mb, p == MAP_FAILED ? strerrorname_np(errno) : "mapped");
        if (p != MAP_FAILED)
            munmap(p, mb << 20);
    }
}

static void limited(void)
{
    int port, l = listener(&port), ctl = puppet();
    tell(ctl, "k %s %d 1", own_ip, port);
    int c = accept(l, NULL, NULL);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit lim = {512 << 20, 600 << 20};
        print_limit();
        R(setrlimit(RLIMIT_AS, &lim));
        print_limit();
        _exit(end_of(start_helper(c, "echo", "-")));
    }
    close(c);
    tell(ctl, "p abcd g 4 z");
    print_echo(ctl);
    R(end_of(pid));
    close(ctl);
    close(l);
}

static void failed_exec(void)
{
    int s = watched("failed");
    R(execl("/nonexistent/program", "program", (char *)NULL));
    R(execlp("no-such-program-anywhere", "program", (char *)NULL));
    pid_t pid = 0;
    char *const argv[] = {self, NULL};
    R(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, argv, environ));
    pid = vfork();
    if (pid == 0) {
        execl("/nonexistent/program", "program", (char *)NULL);
        _exit(5);
    }
    R(end_of(pid) >> 8);
    R(system("exit 3") >> 8);
    R(send(s, "x", 1, 0));
    R(fcntl(s, F_GETFD));
    R(close(s));
    print_end("failed");
}

/* A descriptor goes to another process of the family by way of the kernel. */
static void passed(void)
{
    int pair[2], s = watched("passed");
    char c = 'x';
    struct iovec iov = {&c, 1};
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.buf,
                       .msg_controllen = sizeof(control.buf)};
    R(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int got;
        close(s);
        if (recvmsg(pair[1], &m, 0) != 1)
            _exit(1);
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
        send_much(got, 1000);
        _exit(0);
    }
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &s, sizeof(s));
    R(sendmsg(pair[0], &m, 0));
    R(close(s));
    R(end_of(pid));
    print_end("passed");
    close(pair[0]);
    close(pair[1]);
}

static void daemonized(void)
{
    int p[2], s = watched("daemon");
    char c = 0;
    R(pipe(p));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (daemon(0, 0) == 0) {
            send_much(s, 1000);
            c = 'd';
        }
        _exit(write(p[1], &c, 1) == 1 ? 0 : 1);
    }
    R(end_of(pid));
    R(read(p[0], &c, 1));
    R(c);
    R(close(s));
    print_end("daemon");
    close(p[0]);
    close(p[1]);
}

const struct named_case process_cases[] = {
    {"process: how it ends", ends},
    {"process: close-on-exec", cloexec},
    {"process: fork", forked},
    {"process: clone", cloned},
    {"process: pre-fork", preforked},
    {"process: inherited by exec", inherited},
    {"process: RLIMIT_AS", limited},
    {"process: failed exec", failed_exec},
    {"process: passed on", passed},
    {"process: daemon", daemonized},
    {NULL, NULL},
};
