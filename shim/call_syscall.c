/*
 * syscall(): programs and libraries (libuv for one) also make socket calls by their numbers.
 *
 * A system call that we do not interpose must not see a frame of ours: vfork() and a clone() that
 * shares the memory return twice, on whatever stack. So the entry is a few instructions that either
 * jump on to libc's syscall(), or, for the numbers in ours[] and for what is a fork, to a C
 * function with the same arguments.
 */
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "process.h"
#include "shim.h"

#define OURS_MAX 512

__attribute__((visibility("hidden"))) extern const uint8_t shim_syscall_ours[OURS_MAX];
const uint8_t shim_syscall_ours[OURS_MAX] = {
    [SYS_read] = 1,         [SYS_write] = 1,        [SYS_readv] = 1,      [SYS_writev] = 1,
    [SYS_close] = 1,        [SYS_close_range] = 1,  [SYS_socket] = 1,     [SYS_bind] = 1,
    [SYS_listen] = 1,       [SYS_accept4] = 1,      [SYS_connect] = 1,    [SYS_shutdown] = 1,
    [SYS_getsockname] = 1,  [SYS_getpeername] = 1,  [SYS_getsockopt] = 1, [SYS_setsockopt] = 1,
    [SYS_sendto] = 1,       [SYS_sendmsg] = 1,      [SYS_sendmmsg] = 1,   [SYS_recvfrom] = 1,
    [SYS_recvmsg] = 1,      [SYS_recvmmsg] = 1,     [SYS_epoll_ctl] = 1,  [SYS_epoll_create1] = 1,
    [SYS_dup] = 1,          [SYS_dup3] = 1,         [SYS_fcntl] = 1,      [SYS_ioctl] = 1,
    [SYS_sendfile] = 1,     [SYS_splice] = 1,       [SYS_ppoll] = 1,      [SYS_pselect6] = 1,
    [SYS_epoll_pwait] = 1,  [SYS_epoll_pwait2] = 1, [SYS_setuid] = 1,     [SYS_setreuid] = 1,
    [SYS_setresuid] = 1,    [SYS_capset] = 1,       [SYS_prctl] = 1,      [SYS_seccomp] = 1,
#ifdef SYS_accept
    [SYS_accept] = 1,
#endif
#ifdef SYS_dup2
    [SYS_dup2] = 1,
#endif
#ifdef SYS_poll
    [SYS_poll] = 1,
#endif
#ifdef SYS_epoll_wait
    [SYS_epoll_wait] = 1,
#endif
#ifdef SYS_epoll_create
    [SYS_epoll_create] = 1,
#endif
#ifdef SYS_select
    [SYS_select] = 1,
#endif
};

/* Its sixth argument: the mask and its size. */
static long call_pselect6(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
                          const long *mask)
{
    return pselect(nfds, r, w, e, timeout, mask ? (const sigset_t *)mask[0] : NULL);
}

/* Those that wait, and those that give up rights. */
static long rare_syscall(long n, long a, long b, long c, long d, long e, long f)
{
    int fd = (int)a;
    switch (n) {
    case SYS_setuid:
    case SYS_setreuid:
    case SYS_setresuid:
    case SYS_capset:
        return privilege_syscall(n, a, b, c);
    case SYS_prctl:
    case SYS_seccomp:
        return privilege_sandbox(n, a, b, c, d, e);
    case SYS_clone:
    case SYS_clone3:
#ifdef SYS_fork
    case SYS_fork:
#endif
        return process_fork_syscall(n, a, b, c, d, e);
    case SYS_epoll_create1:
        return epoll_create1(fd);
    case SYS_epoll_ctl:
        return epoll_ctl(fd, (int)b, (int)c, (struct epoll_event *)d);
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
        return epoll_wait(fd, (struct epoll_event *)b, (int)c, (int)d);
#endif
    case SYS_epoll_pwait:
        return epoll_pwait(fd, (struct epoll_event *)b, (int)c, (int)d, (const sigset_t *)e);
    case SYS_epoll_pwait2:
        return epoll_pwait2(fd, (struct epoll_event *)b, (int)c, (const struct timespec *)d,
                            (const sigset_t *)e);
    case SYS_ppoll:
        return ppoll((struct pollfd *)a, (nfds_t)b, (const struct timespec *)c,
                     (const sigset_t *)d);
    case SYS_pselect6:
        return call_pselect6(fd, (fd_set *)b, (fd_set *)c, (fd_set *)d, (const struct timespec *)e,
                             (const long *)f);
#ifdef SYS_epoll_create
    case SYS_epoll_create:
        return epoll_create(fd);
#endif
#ifdef SYS_select
    case SYS_select:
        return select(fd, (fd_set *)b, (fd_set *)c, (fd_set *)d, (struct timeval *)e);
#endif
#ifdef SYS_poll
    case SYS_poll:
        return poll((struct pollfd *)a, (nfds_t)b, (int)c);
#endif
    default:
        return real.syscall(n, a, b, c, d, e, f);
    }
}

/* The call behind a number, with libc's convention for errors. */
__attribute__((visibility("hidden"))) long shim_syscall(long n, long a, long b, long c, long d,
                                                        long e, long f);
long shim_syscall(long n, long a, long b, long c, long d, long e, long f)
{
    int fd = (int)a;
    if (shim_inside()) /* our own, which must reach the kernel as they are */
        return real.syscall(n, a, b, c, d, e, f);
    switch (n) {
    case SYS_read:
        return read(fd, (void *)b, (size_t)c);
    case SYS_write:
        return write(fd, (const void *)b, (size_t)c);
    case SYS_readv:
        return readv(fd, (const struct iovec *)b, (int)c);
    case SYS_writev:
        return writev(fd, (const struct iovec *)b, (int)c);
    case SYS_close:
        return close(fd);
    case SYS_close_range:
        return close_range((unsigned)a, (unsigned)b, (int)c);
    case SYS_socket:
        return socket(fd, (int)b, (int)c);
    case SYS_bind:
        return bind(fd, (const struct sockaddr *)b, (socklen_t)c);
    case SYS_listen:
        return listen(fd, (int)b);
#ifdef SYS_accept
    case SYS_accept:
        return accept(fd, (struct sockaddr *)b, (socklen_t *)c);
#endif
    case SYS_accept4:
        return accept4(fd, (struct sockaddr *)b, (socklen_t *)c, (int)d);
    case SYS_connect:
        return connect(fd, (const struct sockaddr *)b, (socklen_t)c);
    case SYS_shutdown:
        return shutdown(fd, (int)b);
    case SYS_getsockname:
        return getsockname(fd, (struct sockaddr *)b, (socklen_t *)c);
    case SYS_getpeername:
        return getpeername(fd, (struct sockaddr *)b, (socklen_t *)c);
    case SYS_getsockopt:
        return getsockopt(fd, (int)b, (int)c, (void *)d, (socklen_t *)e);
    case SYS_setsockopt:
        return setsockopt(fd, (int)b, (int)c, (const void *)d, (socklen_t)e);
    case SYS_sendto:
        return sendto(fd, (const void *)b, (size_t)c, (int)d, (const struct sockaddr *)e,
                      (socklen_t)f);
    case SYS_sendmsg:
        return sendmsg(fd, (const struct msghdr *)b, (int)c);
    case SYS_sendmmsg:
        return sendmmsg(fd, (struct mmsghdr *)b, (unsigned)c, (int)d);
    case SYS_recvfrom:
        return recvfrom(fd, (void *)b, (size_t)c, (int)d, (struct sockaddr *)e, (socklen_t *)f);
    case SYS_recvmsg:
        return recvmsg(fd, (struct msghdr *)b, (int)c);
    case SYS_recvmmsg:
        return recvmmsg(fd, (struct mmsghdr *)b, (unsigned)c, (int)d, (struct timespec *)e);
    case SYS_dup:
        return dup(fd);
#ifdef SYS_dup2
    case SYS_dup2:
        return dup2(fd, (int)b);
#endif
    case SYS_dup3:
        return dup3(fd, (int)b, (int)c);
    case SYS_fcntl:
        return fcntl(fd, (int)b, c);
    case SYS_ioctl:
        return ioctl(fd, (unsigned long)b, (void *)c);
    case SYS_sendfile:
        return sendfile(fd, (int)b, (off_t *)c, (size_t)d);
    case SYS_splice:
        return splice(fd, (off64_t *)b, (int)c, (off64_t *)d, (size_t)e, (unsigned)f);
    default:
        return rare_syscall(n, a, b, c, d, e, f);
    }
}

/* Where a number that is not in ours[] goes on. (Before real_init(): finds libc's.) */
__attribute__((visibility("hidden"))) void *shim_syscall_next(long n, long a, long b);
void *shim_syscall_next(long n, long a, long b)
{
    if (!real.syscall)
        shim_init();
    bool ours = process_syscall_forks(n, a, b);
    return ours ? (void *)(uintptr_t)shim_syscall : (void *)(uintptr_t)real.syscall;
}

#ifdef __x86_64__
/* Not a naked function: the compiler would save a variadic one's registers all the same. */
__asm__(".text\n\t"
        ".globl syscall\n\t"
        ".type syscall, @function\n"
        "syscall:\n\t"
        ".cfi_startproc\n\t"
        "cmpq $512, %rdi\n\t"
        "jae 1f\n\t"
        "leaq shim_syscall_ours(%rip), %rax\n\t"
        "cmpb $0, (%rax,%rdi)\n\t"
        "jne shim_syscall\n"
        "1:\n\t"
        "pushq %rdi\n\tpushq %rsi\n\tpushq %rdx\n\tpushq %rcx\n\tpushq %r8\n\tpushq %r9\n\t"
        "subq $8, %rsp\n\t" /* aligned for the call */
        ".cfi_def_cfa_offset 64\n\t"
        "call shim_syscall_next\n\t"
        "addq $8, %rsp\n\t"
        "popq %r9\n\tpopq %r8\n\tpopq %rcx\n\tpopq %rdx\n\tpopq %rsi\n\tpopq %rdi\n\t"
        ".cfi_def_cfa_offset 8\n\t"
        "jmp *%rax\n\t"
        ".cfi_endproc\n\t"
        ".size syscall, . - syscall");
#else
#include <stdarg.h>
SHIM_EXPORT long syscall(long n, ...)
{
    long v[6];
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < 6; i++)
        v[i] = va_arg(ap, long);
    va_end(ap);
    if (n >= 0 && n < OURS_MAX && shim_syscall_ours[n])
        return shim_syscall(n, v[0], v[1], v[2], v[3], v[4], v[5]);
    return ((__typeof__(real.syscall))shim_syscall_next(n, v[0], v[1]))(n, v[0], v[1], v[2], v[3],
                                                                        v[4], v[5]);
}
#endif
