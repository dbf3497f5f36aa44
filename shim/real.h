/*
 * The real calls behind the interposed ones, generated from calls.def: real.socket(...). The types
 * are those of libc's headers, so that a body whose signature differs from libc's does not compile.
 */
#ifndef SHIM_REAL_H
#define SHIM_REAL_H

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* libc has these, but its headers declare them only for older standards or for _FORTIFY_SOURCE. */
extern __sighandler_t bsd_signal(int sig, __sighandler_t handler);
extern int __close(int fd);
extern int __dup2(int oldfd, int newfd);
extern int __fcntl(int fd, int cmd, ...);
extern FILE *_IO_fdopen(int fd, const char *mode);
extern int __dprintf_chk(int fd, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
extern int __vdprintf_chk(int fd, int flag, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));
extern int __vsnprintf_chk(char *text, size_t len, int flag, size_t bytes, const char *format,
                           va_list ap) __attribute__((format(printf, 5, 0)));
extern int capset(cap_user_header_t head, const cap_user_data_t data);
extern ssize_t __read_chk(int fd, void *buf, size_t len, size_t bytes);
extern ssize_t __recv_chk(int fd, void *buf, size_t len, size_t bytes, int flags);
extern ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t bytes, int flags,
                              __SOCKADDR_ARG addr, socklen_t *addr_len);
extern int __poll(struct pollfd *fds, nfds_t n, int timeout_ms);
extern int __select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout);
extern int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t bytes);
extern int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                       const sigset_t *mask, size_t bytes);

/* Some of the calls are deprecated: programs use them all the same. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct real_calls {
#define CALL(name) __typeof__(name) *name;
#include "calls.def"
#undef CALL
};

extern struct real_calls real;

/* Looks them all up; one that this libc lacks stays NULL. */
void real_init(void);

#endif
