/*
 * Giving up privileges, and changing identities.
 *
 * Opening a packet socket needs CAP_NET_RAW, and many servers have given it up by the time they
 * make their first socket. The stack is not started for that reason: most of what gives up
 * privileges never makes one. What the stack will need the right for is opened beforehand
 * (engine_reserve()), and closed again if it turns out that the right is still there, or back.
 *
 * These calls concern every thread, and libc aborts the program if they succeed in one and fail in
 * another: which happens if the program has changed the rights of its own, as far as it knows its
 * only one. So the service thread is none of them (engine_service_pause()).
 *
 *      root                      setuid(33)                  seteuid(0)
 *      ----------------------------|-------------------------------|---------------------
 *      can open sockets itself     holds the reserve               can open them itself
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "process.h"
#include "shim.h"

bool privilege_is_held(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return real.syscall(SYS_capget, &head, data) == 0 && data[0].effective & 1u << CAP_NET_RAW;
}

bool privilege_survives_exec(void)
{
    if (!privilege_is_held())
        return false;
    return geteuid() == 0 ? prctl(PR_CAPBSET_READ, CAP_NET_RAW, 0, 0, 0) == 1
                          : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0) == 1;
}

/* process_lock() is held. */
static void reserve(void)
{
    int err = engine_running() || exec_is_heir() || !privilege_is_held() ? 0 : engine_reserve();
    if (err < 0) /* the first socket will complain */
        log_debug("nothing can be reserved: %s", strerrorname_np(-err));
}

void privilege_reserve_for_exec(void)
{
    if (shim_inside() || shim_is_vfork_child() || privilege_survives_exec())
        return;
    shim_in();
    process_lock();
    reserve();
    process_unlock();
    shim_out();
}

static bool paused; /* guarded by process_lock() */

/* Before a call that changes what the process is; drops: it may take the right away. True: end()
 * comes after it. */
static bool begin(bool drops)
{
    shim_need();
    if (shim_inside() || shim_is_vfork_child())
        return false;
    shim_in();
    if (drops)
        engine_settle();
    process_lock();
    paused = engine_service_pause();
    if (drops)
        reserve();
    return true;
}

/* After it, whatever came of it. */
static void end(void)
{
    if (paused)
        engine_service_resume();
    if (engine_reserve_is_held() && privilege_is_held())
        engine_reserve_release();
    process_unlock();
    shim_out();
}

#define CHANGING(drops, call)                                                                      \
    ({                                                                                             \
        bool changing_ours = begin(drops);                                                         \
        int changing_r = (call);                                                                   \
        int changing_errno = errno;                                                                \
        if (changing_ours)                                                                         \
            end();                                                                                 \
        if (changing_r < 0)                                                                        \
            errno = changing_errno;                                                                \
        changing_r;                                                                                \
    })

SHIM_EXPORT int setuid(uid_t uid)
{
    return CHANGING(true, real.setuid(uid));
}

SHIM_EXPORT int seteuid(uid_t euid)
{
    return CHANGING(true, real.seteuid(euid));
}

SHIM_EXPORT int setreuid(uid_t ruid, uid_t euid)
{
    return CHANGING(true, real.setreuid(ruid, euid));
}

SHIM_EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
    return CHANGING(true, real.setresuid(ruid, euid, suid));
}

SHIM_EXPORT int capset(cap_user_header_t head, const cap_user_data_t data)
{
    return CHANGING(true, real.capset(head, data));
}

/* By their numbers, for the calling thread alone. */
long privilege_syscall(long n, long a, long b, long c)
{
    return CHANGING(true, (int)real.syscall(n, a, b, c));
}

/* ---- users' groups, and name spaces: the right to open packet sockets does not depend on them
 * ---- */

SHIM_EXPORT int setgid(gid_t gid)
{
    return CHANGING(false, real.setgid(gid));
}

SHIM_EXPORT int setegid(gid_t egid)
{
    return CHANGING(false, real.setegid(egid));
}

SHIM_EXPORT int setregid(gid_t rgid, gid_t egid)
{
    return CHANGING(false, real.setregid(rgid, egid));
}

SHIM_EXPORT int setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
    return CHANGING(false, real.setresgid(rgid, egid, sgid));
}

SHIM_EXPORT int setgroups(size_t n, const gid_t *groups)
{
    return CHANGING(false, real.setgroups(n, groups));
}

/* libc's own calls its setgroups(). Looking the groups up may need sockets of the program. */
SHIM_EXPORT int initgroups(const char *user, gid_t group)
{
    int n = 64, r = -1;
    gid_t *groups = NULL, *more;

    do {
        more = realloc(groups, (size_t)n * sizeof(*groups));
        if (more)
            groups = more;
    } while (more && getgrouplist(user, group, groups, &n) < 0);
    if (more)
        do
            r = setgroups((size_t)n, groups); /* as many as the kernel takes */
        while (r < 0 && errno == EINVAL && --n > 0);
    free(groups);
    return r;
}

SHIM_EXPORT int unshare(int flags)
{
    return CHANGING(false, real.unshare(flags));
}

SHIM_EXPORT int setns(int fd, int type)
{
    return CHANGING(false, real.setns(fd, type));
}

/* ---- sandboxes ---- */

/* Is this a call that installs a filter? (One without a filter asks whether there are such.) */
static bool is_sandbox(long n, long a, long b, long c)
{
    if (n == SYS_prctl)
        return a == PR_SET_SECCOMP && (b == SECCOMP_MODE_STRICT || c);
    return n == SYS_seccomp &&
           (a == SECCOMP_SET_MODE_STRICT || (a == SECCOMP_SET_MODE_FILTER && c));
}

long privilege_sandbox(long n, long a, long b, long c, long d, long e)
{
    shim_need();
    if (!is_sandbox(n, a, b, c) || shim_inside() || !engine_running() || shim_is_vfork_child())
        return real.syscall(n, a, b, c, d, e);
    shim_in();
    engine_confine();
    long r = real.syscall(n, a, b, c, d, e);
    int error = errno;
    /* The number of a thread that will not have it, or of a new descriptor. */
    bool done = r == 0 || (r > 0 && n == SYS_seccomp && b & SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (!done)
        engine_unconfine();
    shim_out();
    if (r < 0)
        errno = error;
    return r;
}

SHIM_EXPORT int prctl(int option, ...)
{
    long v[4];
    va_list ap;
    va_start(ap, option);
    for (int i = 0; i < 4; i++)
        v[i] = va_arg(ap, long);
    va_end(ap);
    return (int)privilege_sandbox(SYS_prctl, option, v[0], v[1], v[2], v[3]);
}
