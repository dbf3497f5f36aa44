/*
 * exec: the new image goes on with the stack of the old one.
 *
 * The descriptors of the stack (arena and link) stay open across exec, and an environment variable
 * names them. The new image hides them before its program sees them (exec_init()), but joins the
 * stack only when it meets an inherited internet socket, or makes one: most images are helpers that
 * never do. An image that never did passes the inheritance on when it executes another one.
 *
 * Who has the packet sockets can read and write frames, and who has the arena can spoil it for the
 * whole family. So what is executed gets them if it inherits a socket of the stack, which is worth
 * nothing without; or if it will load us, who close them at the next exec, and could open packet
 * sockets itself. After root was given up, other images get them only where SHIM_HAND_DOWN=on says
 * so.
 *
 * A process without a stack may have been handed a socket of one, and executes another image before
 * it has looked. That one is told to look at what it inherits. An image that is told nothing,
 * because libc itself has executed it (system(), popen()) or what it was told of has been closed,
 * looks at its first descriptors: a socket leads to the stack by itself (engine_join_by()).
 *
 * A program that hands a socket to another one with an environment of its own making (inetd and its
 * kin do) has dropped LD_PRELOAD without meaning it: the socket would be dead. It is put back.
 *
 * All of it may run in a child of vfork(), whose memory is its parent's: it changes descriptor
 * flags, which are the child's own, and builds the environment on its stack. What the parent learns
 * is that its sockets are shared from now on.
 */
#include <alloca.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

#include "kin.h"
#include "process.h"
#include "shim.h"

#define NAME     "LIBSHIM_STACK="
#define NAME_LEN (sizeof(NAME) - 1)

#define ASK     "ask" /* instead of a stack: there may be a socket of one */
#define LOOK_AT 64    /* descriptors, when nothing was said */

static struct engine_heirloom inherited = {-1, -1, -1};
static bool has_inherited;
static bool hand_down; /* SHIM_HAND_DOWN=on, when we were loaded */
static char
    preload[PATH_MAX]; /* LD_PRELOAD=..., when we were loaded; "": not by that, or too long */
static const char *library = "libshim"; /* its name in such a list */

/* ---- the new image ---- */

/* Are these what their name says? The variable may be older than the descriptors. */
static bool is_heirloom(const struct engine_heirloom *h)
{
    char path[40], target[40];
    int domain = 0;
    socklen_t len = sizeof(domain);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", h->arena);
    ssize_t n = readlink(path, target, sizeof(target));
    return n >= 14 && memcmp(target, "/memfd:libshim", 14) == 0 &&
           real.getsockopt(h->rx, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           domain == AF_PACKET &&
           real.getsockopt(h->tx, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_PACKET;
}

/* Which descriptors came with exec? */
static void note_inherited(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;
    has_inherited = true;
    while (dir && (e = readdir(dir)))
        if (e->d_name[0] != '.' && fd_kind(atoi(e->d_name)) == FD_KERNEL)
            fd_mark_inherited(atoi(e->d_name));
    if (dir)
        closedir(dir);
}

/* Nothing was said: libc may have made us by itself (system(), popen()), or what it was said in was
 * lost. Most often there is no such socket. */
static void note_few_inherited(void)
{
    /* Loaded after libc, we are asked nothing, and have no calls of our own. */
    for (int fd = 0; fd < LOOK_AT && real.getsockopt; fd++) {
        if (fd_kind(fd) == FD_KERNEL)
            fd_mark_inherited(fd);
        has_inherited |= fd_is_unknown_heritage(fd);
    }
}

static void remember_preload(void)
{
    const char *list = getenv("LD_PRELOAD");
    if (list && snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", list) >= (int)sizeof(preload))
        preload[0] = 0;
}

static void note_library(void)
{
    Dl_info info;
    const char *slash =
        dladdr((void *)(uintptr_t)exec_init, &info) ? strrchr(info.dli_fname, '/') : NULL;
    if (slash)
        library = slash + 1;
}

void exec_init(void)
{
    const char *value = getenv("LIBSHIM_STACK"), *wish = getenv("SHIM_HAND_DOWN");
    struct engine_heirloom h;
    hand_down = wish && strcmp(wish, "on") == 0;
    remember_preload();
    note_library();
    kin_init();
    bool asked = value && strcmp(value, ASK) == 0;
    bool named = value && sscanf(value, "%d,%d,%d", &h.arena, &h.rx, &h.tx) == 3;
    unsetenv("LIBSHIM_STACK");
    if (!named || !is_heirloom(&h)) {
        if (asked)
            note_inherited();
        else
            note_few_inherited();
        return;
    }
    const int fds[] = {h.arena, h.rx, h.tx};
    for (size_t i = 0; i < 3; i++) {
        real.fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        engine_fd_adopt(fds[i], true);
    }
    if (engine_is_unmade(&h)) {
        engine_reserve_adopt(&h);
        return;
    }
    inherited = h;
    note_inherited();
}

bool exec_has_inherited(void)
{
    return has_inherited;
}

bool exec_is_heir(void)
{
    return inherited.arena >= 0;
}

int exec_join(char *why, size_t why_bytes)
{
    struct engine_heirloom h = inherited;
    inherited.arena = -1;
    return engine_join(&h, why, why_bytes);
}

/* ---- the old image ---- */

/* Will the next image inherit fd, and is it an internet socket? */
static bool is_passed_on(int fd)
{
    int domain = 0, flags = real.fcntl(fd, F_GETFD);
    socklen_t len = sizeof(domain);
    return flags >= 0 && !(flags & FD_CLOEXEC) &&
           real.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

/* spawns: the descriptors of the next image are still to be arranged, nobody knows how. */
static bool passes_socket_on(bool spawns)
{
    /* What a child of vfork() has put in place is not in the table. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (is_passed_on(fd))
            return true;
    for (int fd = fd_next(0); fd >= 0 && fd < INT_MAX; fd = fd_next(fd + 1)) {
        const struct fd_entry *e = fd_entry(fd);
        if (e && (e->kind == FD_STACK || e->kind == FD_INHERITED) && (spawns || is_passed_on(fd)))
            return true;
    }
    return false;
}

/* Does the next image come by a socket of which nobody knows whether a stack is behind it? */
static bool passes_unknown_on(bool spawns)
{
    for (int fd = fd_next(0); fd >= 0 && fd < INT_MAX; fd = fd_next(fd + 1))
        if (fd_is_unknown_heritage(fd) && (spawns || is_passed_on(fd)) && fd_may_be_placeholder(fd))
            return true;
    return false;
}

/* What envp says; NULL: nothing. */
static const char *preload_of(char *const envp[])
{
    for (size_t i = 0; envp && envp[i]; i++)
        if (strncmp(envp[i], "LD_PRELOAD=", 11) == 0)
            return envp[i] + 11;
    return NULL;
}

static bool will_load_us(char *const envp[])
{
    const char *list = preload_of(envp);
    return (list && strstr(list, library)) || access("/etc/ld.so.preload", F_OK) == 0;
}

static bool may_have_any(char *const envp[])
{
    return will_load_us(envp) && (hand_down || privilege_survives_exec());
}

static bool may_have_it(char *const envp[], bool spawns)
{
    int saved = errno;
    bool may = passes_socket_on(spawns) || may_have_any(envp);
    errno = saved;
    return may;
}

/* What the next image is told; false: there is no stack to go on with, or not for that image. */
static bool heirloom(struct engine_heirloom *h, char *const envp[], bool spawns)
{
    if (shim_inside())
        return false;
    if (hand_down && will_load_us(envp)) /* the right may go no sooner than now */
        privilege_reserve_for_exec();
    if (!engine_heirloom(h))
        *h = inherited;
    return h->arena >= 0 && may_have_it(envp, spawns);
}

static void keep_open(const struct engine_heirloom *h, bool yes)
{
    int saved = errno;
    real.fcntl(h->arena, F_SETFD, yes ? 0 : FD_CLOEXEC);
    real.fcntl(h->rx, F_SETFD, yes ? 0 : FD_CLOEXEC);
    real.fcntl(h->tx, F_SETFD, yes ? 0 : FD_CLOEXEC);
    errno = saved;
}

static size_t count(char *const strings[])
{
    size_t n = 0;
    while (strings && strings[n])
        n++;
    return n;
}

/* What is said to the next image beside what the program says. */
struct notes {
    struct engine_heirloom stack;
    bool has_stack; /* one is handed down */
    bool ask;       /* it is to ask for the stacks of its sockets */
    bool kin;       /* it is to share the stack that we may have later */
    char text[64];  /* our variables */
    char kin_text[KIN_TEXT_BYTES];
};

static bool is_kin(struct notes *n, char *const envp[], bool spawns)
{
    if (engine_running() || exec_is_heir() || !kin_tell(n->kin_text, sizeof(n->kin_text), spawns))
        return false;
    int saved = errno;
    bool is = may_have_any(envp);
    errno = saved;
    return is;
}

/* spawns: in posix_spawn(); arranges: with descriptors to be arranged. False: nothing. */
static bool take_notes(struct notes *n, char *const envp[], bool spawns, bool arranges)
{
    *n = (struct notes){.has_stack = false};
    if (shim_inside())
        return false;
    n->has_stack = heirloom(&n->stack, envp, arranges);
    n->ask = !n->has_stack && passes_unknown_on(arranges);
    n->kin = !n->has_stack && is_kin(n, envp, spawns);
    return n->has_stack || n->ask || n->kin;
}

/* Fills out (room for NOTES_MAX more than envp has) with envp, our variables, and LD_PRELOAD if it
 * is missing and needed. h: the stack, if one is handed down. */
#define NOTES_MAX 4
static void make_env(char **out, char *const envp[], struct notes *n,
                     const struct engine_heirloom *h, bool arranges)
{
    size_t i = 0;
    for (size_t from = 0; envp && envp[from]; from++)
        if (strncmp(envp[from], NAME, NAME_LEN) != 0 && !kin_is_variable(envp[from]))
            out[i++] = envp[from];
    if (n->has_stack)
        snprintf(n->text, sizeof(n->text), NAME "%d,%d,%d", h->arena, h->rx, h->tx);
    else
        snprintf(n->text, sizeof(n->text), NAME ASK);
    if (n->has_stack || n->ask)
        out[i++] = n->text;
    if (n->kin)
        out[i++] = n->kin_text;
    if (!preload_of(envp) && preload[0] && passes_socket_on(arranges))
        out[i++] = preload;
    out[i] = NULL;
}

/* One of the ways to execute: a path, a name to be searched for, or a descriptor. */
struct image {
    enum { BY_PATH, BY_SEARCH, BY_FD, BY_FD_PATH } by;
    const char *path;
    int fd, flags;
    char *const *argv;
};

static int execute_real(const struct image *im, char *const envp[])
{
    switch (im->by) {
    case BY_PATH:
        return real.execve(im->path, im->argv, envp);
    case BY_SEARCH:
        return real.execvpe(im->path, im->argv, envp);
    case BY_FD:
        return real.fexecve(im->fd, im->argv, envp);
    case BY_FD_PATH:
        return real.execveat(im->fd, im->path, im->argv, envp, im->flags);
    }
    return -1;
}

/* In a child of vfork(): what is marked is the parent's, and stays so after exec. h NULL: nothing
 * is handed down. */
static int execute_vforked(const struct image *im, char *const envp[],
                           const struct engine_heirloom *h)
{
    fd_mark_all_shared();
    if (h)
        keep_open(h, true);
    int r = execute_real(im, envp);
    if (h)
        keep_open(h, false);
    return r;
}

/* The process's own threads end now, unless it fails. h NULL: nothing is handed down. */
static int execute_last(const struct image *im, char *const envp[], const struct engine_heirloom *h)
{
    /* Not inside while it executes: signals that were held back would stay blocked in the new
     * image. */
    shim_in();
    engine_freeze();
    shim_out();
    if (h)
        keep_open(h, true);
    int r = execute_real(im, envp);
    if (h)
        keep_open(h, false);
    engine_thaw();
    return r;
}

static int execute(const struct image *im, char *const envp[])
{
    struct notes n;
    shim_need();
    if (!take_notes(&n, envp, false, false)) {
        bool last = engine_running() && !shim_inside() && !shim_is_vfork_child();
        return last ? execute_last(im, envp, NULL) : execute_real(im, envp);
    }
    const struct engine_heirloom *given = n.has_stack ? &n.stack : NULL;
    char **env = alloca((count(envp) + NOTES_MAX + 1) * sizeof(*env));
    make_env(env, envp, &n, given, false);
    return shim_is_vfork_child() ? execute_vforked(im, env, given) : execute_last(im, env, given);
}

SHIM_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    return execute(&(struct image){.by = BY_PATH, .path = path, .argv = argv}, envp);
}

SHIM_EXPORT int execv(const char *path, char *const argv[])
{
    return execute(&(struct image){.by = BY_PATH, .path = path, .argv = argv}, environ);
}

SHIM_EXPORT int execvp(const char *file, char *const argv[])
{
    return execute(&(struct image){.by = BY_SEARCH, .path = file, .argv = argv}, environ);
}

SHIM_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return execute(&(struct image){.by = BY_SEARCH, .path = file, .argv = argv}, envp);
}

SHIM_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    return execute(&(struct image){.by = BY_FD, .fd = fd, .argv = argv}, envp);
}

SHIM_EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[],
                         int flags)
{
    const struct image im = {
        .by = BY_FD_PATH, .fd = fd, .path = path, .flags = flags, .argv = argv};
    return execute(&im, envp);
}

/* The list of a variadic call, first included, as a vector on the caller's stack; the last argument
 * read is the closing NULL. */
#define GATHER(argv, first, ap)                                                                    \
    do {                                                                                           \
        va_list counting;                                                                          \
        size_t gather_n = 1;                                                                       \
        va_copy(counting, ap);                                                                     \
        while (va_arg(counting, char *))                                                           \
            gather_n++;                                                                            \
        va_end(counting);                                                                          \
        (argv) = alloca((gather_n + 1) * sizeof(char *));                                          \
        (argv)[0] = (char *)(uintptr_t)(first);                                                    \
        for (size_t gather_i = 1; gather_i <= gather_n; gather_i++)                                \
            (argv)[gather_i] = va_arg(ap, char *);                                                 \
    } while (0)

SHIM_EXPORT int execl(const char *path, const char *arg, ...)
{
    char **argv;
    va_list ap;
    va_start(ap, arg);
    GATHER(argv, arg, ap);
    va_end(ap);
    return execv(path, argv);
}

SHIM_EXPORT int execlp(const char *file, const char *arg, ...)
{
    char **argv;
    va_list ap;
    va_start(ap, arg);
    GATHER(argv, arg, ap);
    va_end(ap);
    return execvp(file, argv);
}

SHIM_EXPORT int execle(const char *path, const char *arg, ...)
{
    char **argv;
    va_list ap;
    va_start(ap, arg);
    GATHER(argv, arg, ap);
    char *const *envp = va_arg(ap, char *const *);
    va_end(ap);
    return execve(path, argv, envp);
}

/* ---- spawn: fork and exec in one, inside libc ---- */

typedef __typeof__(posix_spawn) spawn_fn;

/* Copies that every child inherits, for the moment of the spawn. False: no descriptor left. */
static bool copy_heirloom(const struct engine_heirloom *h, struct engine_heirloom *copy)
{
    copy->arena = real.fcntl(h->arena, F_DUPFD, h->arena);
    copy->rx = real.fcntl(h->rx, F_DUPFD, h->arena);
    copy->tx = real.fcntl(h->tx, F_DUPFD, h->arena);
    return copy->arena >= 0 && copy->rx >= 0 && copy->tx >= 0;
}

static void close_heirloom(const struct engine_heirloom *copy)
{
    if (copy->arena >= 0)
        real.close(copy->arena);
    if (copy->rx >= 0)
        real.close(copy->rx);
    if (copy->tx >= 0)
        real.close(copy->tx);
}

static int spawn(spawn_fn *fn, pid_t *pid, const char *path,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                 char *const argv[], char *const envp[])
{
    struct engine_heirloom copy = {-1, -1, -1};
    struct notes n;
    if (!take_notes(&n, envp, true, actions != NULL))
        return fn(pid, path, actions, attr, argv, envp);
    shim_in();
    if (engine_running())
        fd_mark_all_shared();
    char **env = alloca((count(envp) + NOTES_MAX + 1) * sizeof(*env));
    bool copied = !n.has_stack || copy_heirloom(&n.stack, &copy);
    make_env(env, envp, &n, &copy, actions != NULL);
    int err = fn(pid, path, actions, attr, argv, copied ? env : envp);
    close_heirloom(&copy);
    shim_out();
    return err;
}

SHIM_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                            const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    shim_need();
    return spawn(real.posix_spawn, pid, path, actions, attr, argv, envp);
}

SHIM_EXPORT int posix_spawnp(pid_t *pid, const char *file,
                             const posix_spawn_file_actions_t *actions,
                             const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
    shim_need();
    return spawn(real.posix_spawnp, pid, file, actions, attr, argv, envp);
}
