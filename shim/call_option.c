/*
 * Socket options. The stack's answer counts; what is set is also set on the placeholder, so that
 * the kernel's socket is right when the descriptor is given to it, and so that SO_REUSEADDR and
 * SO_REUSEPORT hold for the guard of a port.
 */
#include "call.h"

/* Options that would break the guard of a port, if the placeholder had them. */
static bool spoils_guard(int level, int name)
{
    return level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF ||
                                   name == SO_DETACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF ||
                                   name == SO_ATTACH_REUSEPORT_EBPF || name == SO_LOCK_FILTER);
}

/* A new socket that is bound to an interface which is not the stack's can only be the kernel's. */
static bool is_of_another_device(const struct sock *so, int level, int name, int refused, ssize_t r)
{
    bool device = level == SOL_SOCKET && (name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX);
    bool unused =
        so->tcp ? tcp_state(so->tcp) == TCP_CLOSED && !tcp_is_bound(so->tcp) : !so->udp->bound;
    return device && unused && refused == 0 && r == -ENODEV;
}

/* What the kernel says to it for the placeholder: 0 or -errno. */
static int set_placeholder(int fd, int level, int name, const void *val, socklen_t len)
{
    if (!spoils_guard(level, name))
        return real.setsockopt(fd, level, name, val, len) < 0 ? -errno : 0;
    return (int)len >= (int)sizeof(int) && call_bad_address(val, len) ? -EFAULT : 0;
}

ssize_t call_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
    shim_in();
    struct sock *so = shim_enter(fd);
    ssize_t r = so ? 0 : shim_not_ours(fd);
    if (so) {
        /* Whether the program has the privilege for it, the kernel knows. */
        int refused = set_placeholder(fd, level, name, val, len);
        r = refused;
        if (r != -EPERM && r != -EACCES && r != -EFAULT)
            r = sock_setsockopt(so, level, name, val, len);
        /* Of IPv6 alone: kept by the placeholder. What else the stack does not have is refused for
         * the kernel's reason first. */
        if (r == -ENOPROTOOPT && (refused || (level == SOL_IPV6 && so->domain == AF_INET6)))
            r = refused;
        bool give = is_of_another_device(so, level, name, refused, r);
        engine_leave();
        if (give)
            r = shim_give_to_kernel(fd);
    }
    shim_out();
    return r;
}

SHIM_EXPORT int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
    if (shim_ours(fd)) {
        ssize_t r = call_setsockopt(fd, level, name, val, len);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.setsockopt(fd, level, name, val, len);
}

/* What the stack does not know of, the placeholder may. */
static ssize_t call_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
    if (call_bad_address(len, 1) || call_bad_address(val, *len))
        return SHIM_KERNEL; /* EFAULT */
    shim_in();
    struct sock *so = shim_enter(fd);
    ssize_t r = so ? 0 : shim_not_ours(fd);
    if (so) {
        r = sock_getsockopt(so, level, name, val, len);
        engine_leave();
        if (r == -ENOPROTOOPT)
            r = SHIM_KERNEL;
    }
    shim_out();
    return r;
}

SHIM_EXPORT int getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
    if (shim_ours(fd)) {
        ssize_t r = call_getsockopt(fd, level, name, val, len);
        if (r != SHIM_KERNEL)
            return (int)shim_ret(r);
    }
    return real.getsockopt(fd, level, name, val, len);
}

SHIM_EXPORT int sockatmark(int fd)
{
    if (shim_ours(fd)) {
        int at_mark = 0;
        shim_in();
        struct sock *so = shim_enter(fd);
        ssize_t r = so ? sock_ioctl(so, SIOCATMARK, &at_mark) : shim_not_ours(fd);
        if (so)
            engine_leave();
        shim_out();
        if (r != SHIM_KERNEL)
            return r < 0 ? (int)shim_ret(r) : at_mark;
    }
    return real.sockatmark(fd);
}
