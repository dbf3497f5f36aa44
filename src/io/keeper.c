/*
 * The housekeeper, seen from the family's processes: how it is started, and told things.
 *
 * Starting. The program must notice nothing of it: no child that its wait() reports, no SIGCHLD, no
 * copy of its memory, no delay to speak of. So a first child shares the memory (as vfork's does)
 * and sends no signal when it ends; it makes a second one, which executes libshim.so, and ends: the
 * second is then nobody's child. The calling thread is stopped meanwhile, with all signals blocked.
 *
 *      program ---clone---> first ---clone---> second ---execve---> housekeeper
 *      (waits)              (waits, ends)      (sets up its descriptors)
 *
 * Telling. Datagrams to a socket of the abstract AF_UNIX namespace, sent from the process's
 * doorbell. The socket is made before the housekeeper is started, so that nothing has to wait for
 * it. Anybody may write to it, so each message holds a secret from the arena.
 */
#include "io/keeper.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/door.h"
#include "io/keeper_int.h"
#include "io/unixsock.h"

#define STACK_BYTES (64u << 10) /* of each child until it executes */
#define STARTS_MAX  3u          /* in a row, without one that came up */
#define WAIT_MS     1000        /* for a start that another thread began */
#define PATH_BYTES  4096u

socklen_t keeper_name(struct sockaddr_un *un)
{
    return unixsock_name(un, "libshim-%016llx-keeper", (unsigned long long)engine.sh->id);
}

/* ---- telling ---- */

int keeper_tell(enum keeper_word word, uint32_t value, int fd)
{
    struct keeper_shared *k = &engine.sh->keeper;
    struct keeper_message m = {{k->secret[0], k->secret[1]}, word, value};
    struct iovec iov = {&m, sizeof(m)};
    struct sockaddr_un to;
    UNIXSOCK_CONTROL(1) control = {0};
    struct msghdr msg = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};

    if (engine.confined)
        return -EPERM;
    msg.msg_namelen = keeper_name(&to);
    if (fd >= 0)
        unixsock_attach(&msg, control.bytes, &fd, 1);
    if (sendmsg(engine.fds[LOOP_DOORBELL], &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    int err = -errno;
    if (err == -ECONNREFUSED) {
        uint32_t running = KEEPER_RUNNING;
        __atomic_compare_exchange_n(&k->state, &running, KEEPER_NONE, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED);
    }
    return err;
}

/* A new lifeline: the other end's descriptor, or -1. */
static int open_lifeline(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    int hidden = engine_fd_take(ends[1]);
    if (hidden < 0) {
        close(ends[0]);
        return -1;
    }
    engine_fd_close(engine.lifeline);
    engine.lifeline = hidden;
    return ends[0];
}

/* Without a lifeline the end is seen, but not another image. */
static int introduce_self(void)
{
    int end = open_lifeline();

    if (end < 0)
        end = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int err = keeper_tell(KEEPER_HELLO, engine.proc->id, end);
    engine.greeted = engine.sh->keeper.number;
    if (end >= 0)
        close(end);
    return err;
}

void keeper_hello(void)
{
    if (keeper_is_running(&engine.sh->keeper))
        (void)introduce_self();
}

void keeper_hello_again(void)
{
    if (engine.greeted != engine.sh->keeper.number)
        keeper_hello();
}

bool keeper_is_there(void)
{
    struct pollfd broken = {.fd = engine.lifeline};
    struct keeper_shared *k = &engine.sh->keeper;

    return keeper_is_running(k) && !engine.confined && engine.lifeline >= 0 &&
           engine.greeted == k->number && poll(&broken, 1, 0) == 0;
}

/* ---- starting ---- */

/* Everything that the children need; made before, because they share the memory. */
struct plan {
    char path[PATH_BYTES]; /* of libshim.so */
    char variable[64], libraries[PATH_BYTES];
    char *envp[3];
    int fds[KEEPER_FD_END]; /* which descriptor goes to which number */
    char *stack;            /* of the second child */
    int error;              /* positive errno of what went wrong in one of them */
};

/* A system call and nothing else: libc's functions may be our own, whose tables are the parent's.
 * The result or -errno. */
static long sys(long n, long a, long b, long c, long d)
{
#if defined(__x86_64__)
    long r;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return r;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
#error "how does a program make a system call here?"
#endif
}

static void reset_signals(void)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } by_default = {0};
    uint64_t none = 0;

    for (int sig = 1; sig <= 64; sig++)
        sys(SYS_rt_sigaction, sig, (long)&by_default, 0, sizeof(none));
    sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof(none));
}

/* The second child. Returns only when it failed. */
__attribute__((no_sanitize("address"))) static int second_child(void *arg)
{
    struct plan *p = arg;
    char *direct[] = {(char[]){KEEPER_NAME}, NULL};
    char *loaded[] = {(char[]){KEEPER_INTERP}, (char[]){"--argv0"}, (char[]){KEEPER_NAME}, p->path,
                      NULL};

    for (int n = KEEPER_FD_ARENA; n < KEEPER_FD_END; n++) {
        long r = sys(SYS_dup3, p->fds[n], n, 0, 0);
        if (r < 0) {
            p->error = (int)-r;
            return 1;
        }
    }
    sys(SYS_close_range, KEEPER_FD_END, ~0u, 0, 0);
    int null = (int)sys(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR, 0);
    for (int n = 0; n < 3 && null >= 0; n++)
        sys(SYS_dup3, null, n, 0, 0);
    if (null > 2)
        sys(SYS_close, null, 0, 0, 0);
    sys(SYS_setsid, 0, 0, 0, 0);
    reset_signals();
    sys(SYS_execve, (long)p->path, (long)direct, (long)p->envp, 0);
    /* Without the right to execute it the loader still can; but it would fail where nobody sees. */
    long readable = sys(SYS_openat, AT_FDCWD, (long)p->path, O_RDONLY | O_CLOEXEC, 0);
    if (readable < 0) {
        p->error = (int)-readable;
        return 1;
    }
    p->error = (int)-sys(SYS_execve, (long)KEEPER_INTERP, (long)loaded, (long)p->envp, 0);
    return 1;
}

__attribute__((no_sanitize("address"))) static int first_child(void *arg)
{
    struct plan *p = arg;

    if (clone(second_child, p->stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, p) < 0)
        p->error = errno;
    return 0;
}

/* The absolute path of the file that this code came from. */
static bool find_library(char *path, size_t n)
{
    char line[PATH_BYTES + 128];
    Dl_info info;
    uintptr_t here = (uintptr_t)find_library, from, to;
    bool found = false;

    if (dladdr((void *)here, &info) != 0 && info.dli_fname[0] == '/' &&
        (size_t)snprintf(path, n, "%s", info.dli_fname) < n)
        return true;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL) {
        const char *file = strchr(line, '/');
        if (file != NULL && sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= here && here < to) {
            snprintf(path, n, "%.*s", (int)strcspn(file, "\n"), file);
            found = true;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return found;
}

/* The children, with their stacks at mem. 0 or -errno. */
static int run_plan(struct plan *p, char *mem)
{
    sigset_t all, before;

    p->stack = mem + STACK_BYTES;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(first_child, mem + STACK_BYTES, CLONE_VM | CLONE_VFORK, p);
    int err = pid < 0 ? errno : 0;
    while (pid > 0 && waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
        continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -(err != 0 ? err : p->error);
}

/* The socket that it will read; messages wait there until it does. */
static int open_mail(void)
{
    struct sockaddr_un un;
    socklen_t len = keeper_name(&un);
    int fd = engine_fd_take(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

    if (fd >= 0 && bind(fd, (struct sockaddr *)&un, len) < 0) {
        int err = errno;
        engine_fd_close(fd);
        return -err;
    }
    return fd;
}

/* A guard of a port that the last housekeeper held. */
static bool send_guard(uint16_t port, int fd)
{
    int err = keeper_tell(KEEPER_GUARD, port, fd);

    engine_fd_close(fd);
    return err == 0; /* if its queue is full, it does the rest itself */
}

/* The first messages: who runs the stack, and, if this is not the family's first housekeeper, what
 * to guard. */
static int introduce(void)
{
    int err = introduce_self();

    if (err == 0) {
        struct stack *st = engine_enter();
        guard_restore(st, true, send_guard);
        engine_leave();
    }
    return err;
}

/* Those who were there before tell a new housekeeper of themselves when their doorbell rings. */
static void ring_all(void)
{
    struct stack *st = engine_enter();

    for (struct proc *p = slab_next(&st->procs, NULL); p != NULL; p = slab_next(&st->procs, p))
        p->doorbell = p->ring_once = st->any_doorbell = true;
    engine_leave();
}

/* The door that engine_start() has opened; after the death of a housekeeper, a new one. */
static bool open_door(void)
{
    const struct config *c = &engine.sh->config;
    struct door door = c->own_address        ? door_of_address(engine.sh->ifindex, &c->address)
                       : engine.sh->kin.name ? door_of_kin(&engine.sh->kin, c)
                                             : door_of_stack(engine.sh->id);

    if (engine.door < 0)
        engine.door = door_open(&door);
    return engine.door >= 0;
}

static int spawn(void)
{
    const char *libraries = getenv("LD_LIBRARY_PATH");
    size_t bytes = sizeof(struct plan) + 2 * STACK_BYTES;
    char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct plan *p = (struct plan *)(void *)(mem + 2 * STACK_BYTES);
    int mail, err = -ENOENT;

    if (mem == MAP_FAILED)
        return -errno;
    mail = open_mail();
    if (mail < 0) {
        munmap(mem, bytes);
        return mail;
    }
    const int fds[KEEPER_FD_END] = {
        [KEEPER_FD_ARENA] = engine.arena_fd,
        [KEEPER_FD_RX] = engine.link->rx_fd,
        [KEEPER_FD_TX] = engine.link->tx_fd,
        [KEEPER_FD_CLOSED] = engine.fds[LOOP_CLOSED] >= 0 ? engine.fds[LOOP_CLOSED] : mail,
        [KEEPER_FD_MAIL] = mail,
        [KEEPER_FD_DOOR] = open_door() ? engine.door : mail,
    };
    memcpy(p->fds, fds, sizeof(fds));
    /* What there is not is the mail once more. */
    snprintf(p->variable, sizeof(p->variable), KEEPER_VARIABLE "=%d,%d,%d,%d,%d,%d",
             KEEPER_FD_ARENA, KEEPER_FD_RX, KEEPER_FD_TX,
             fds[KEEPER_FD_CLOSED] != mail ? KEEPER_FD_CLOSED : KEEPER_FD_MAIL, KEEPER_FD_MAIL,
             fds[KEEPER_FD_DOOR] != mail ? KEEPER_FD_DOOR : KEEPER_FD_MAIL);
    p->envp[0] = p->variable;
    if (libraries != NULL &&
        (size_t)snprintf(p->libraries, sizeof(p->libraries), "LD_LIBRARY_PATH=%s", libraries) <
            sizeof(p->libraries))
        p->envp[1] = p->libraries;
    if (find_library(p->path, sizeof(p->path))) {
        err = introduce();
        if (err == 0)
            err = run_plan(p, mem);
    }
    engine_fd_close(mail);
    engine_door_close();
    munmap(mem, bytes);
    return err;
}

/* Somebody else is at it: waits until it is done. */
static int await_other(struct keeper_shared *k)
{
    for (int ms = 0; ms < WAIT_MS; ms++) {
        if (__atomic_load_n(&k->state, __ATOMIC_ACQUIRE) != KEEPER_STARTING)
            return keeper_is_running(k) ? 0 : -ECHILD;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    /* It died over it. */
    __atomic_store_n(&k->state, KEEPER_NONE, __ATOMIC_RELEASE);
    return -ECHILD;
}

bool keeper_is_settled(void)
{
    uint32_t state = __atomic_load_n(&engine.sh->keeper.state, __ATOMIC_ACQUIRE);

    return state == KEEPER_RUNNING || state == KEEPER_FAILED;
}

int keeper_start(void)
{
    uint32_t none = KEEPER_NONE;

    if (!engine.running || engine.confined)
        return -ECHILD;
    struct keeper_shared *k = &engine.sh->keeper;
    if (keeper_is_running(k))
        return 0;
    engine_enter(); /* a child of fork() that has not used the stack yet needs its own doorbell */
    engine_leave();
    if (!__atomic_compare_exchange_n(&k->state, &none, KEEPER_STARTING, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return none == KEEPER_STARTING ? await_other(k) : none == KEEPER_RUNNING ? 0 : -ECHILD;
    k->number++;
    int err = ++k->starts > STARTS_MAX ? -ECHILD : spawn();
    if (err < 0)
        log_warn("the housekeeper cannot be started (%s): connections end with their process",
                 strerrorname_np(-err));
    __atomic_store_n(&k->state, err < 0 ? KEEPER_FAILED : KEEPER_RUNNING, __ATOMIC_RELEASE);
    if (err == 0 && k->number > 1)
        ring_all();
    return err < 0 ? -ECHILD : 0;
}
