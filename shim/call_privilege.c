/*
 * Giving up privileges.
 *
 * Opening a packet socket needs CAP_NET_RAW, and many servers have given it up by the time they
 * make their first socket. The stack is not started for that reason: most of what gives up
 * privileges never makes one. What the stack will need the right for is opened beforehand
 * (engine_reserve()), and closed again if it turns out that the right is still there, or back.
 *
 *      root                      setuid(33)                  seteuid(0)
 *      ----------------------------|-------------------------------|---------------------
 *      can open sockets itself     holds the reserve               can open them itself
 */
#include <linux/capability.h>
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

/* Before a call that may take the right away. */
static void before_drop(void)
{
    shim_need();
    if (shim_inside() || engine_running() || exec_is_heir() || shim_is_vfork_child())
        return;
    shim_in();
    process_lock();
    if (!engine_running() && privilege_is_held()) {
        int err = engine_reserve();
        if (err < 0) /* the first socket will complain */
            log_debug("nothing can be reserved: %s", strerrorname_np(-err));
    }
    process_unlock();
    shim_out();
}

void privilege_reserve_for_exec(void)
{
    if (!privilege_survives_exec())
        before_drop();
}

/* After it, whatever came of it. */
static void after_drop(void)
{
    if (shim_inside() || !engine_reserve_is_held() || shim_is_vfork_child())
        return;
    shim_in();
    process_lock();
    if (privilege_is_held())
        engine_reserve_release();
    process_unlock();
    shim_out();
}

#define DROPPING(call)                                                                             \
    ({                                                                                             \
        before_drop();                                                                             \
        int dropping_r = (call);                                                                   \
        int dropping_errno = errno;                                                                \
        after_drop();                                                                              \
        errno = dropping_errno;                                                                    \
        dropping_r;                                                                                \
    })

SHIM_EXPORT int setuid(uid_t uid)
{
    return DROPPING(real.setuid(uid));
}

SHIM_EXPORT int seteuid(uid_t euid)
{
    return DROPPING(real.seteuid(euid));
}

SHIM_EXPORT int setreuid(uid_t ruid, uid_t euid)
{
    return DROPPING(real.setreuid(ruid, euid));
}

SHIM_EXPORT int setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
    return DROPPING(real.setresuid(ruid, euid, suid));
}

SHIM_EXPORT int capset(cap_user_header_t head, const cap_user_data_t data)
{
    return DROPPING(real.capset(head, data));
}

/* By their numbers, for the calling thread alone. */
long privilege_syscall(long n, long a, long b, long c)
{
    return DROPPING((int)real.syscall(n, a, b, c));
}
