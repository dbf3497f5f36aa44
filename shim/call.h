/*
 * The bodies that several interposed calls share. The caller is not inside. Each returns the
 * result, -errno, or SHIM_KERNEL: make the real call.
 */
#ifndef SHIM_CALL_H
#define SHIM_CALL_H

#include "shim.h"

/* Every receive call comes down to this. msg's fields are filled as recvmsg() does. */
ssize_t call_recv(int fd, struct msghdr *msg, int flags);
/* recvfrom(), for those who have no struct msghdr. */
ssize_t call_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
                      socklen_t *addr_len);
/* Every send call. Delivers SIGPIPE. */
ssize_t call_send(int fd, const struct msghdr *msg, int flags);
/* The frame of a call on one socket: body runs within an entry, which it may leave and take again,
 * and gets arg and n. When body asks for the kernel (SHIM_KERNEL) the socket is turned into a plain
 * one first. */
ssize_t call_on_socket(int fd, int (*body)(int fd, struct sock *so, const void *arg, socklen_t n),
                       const void *arg, socklen_t n);
ssize_t call_setsockopt(int fd, int level, int name, const void *val, socklen_t len);

/*
 * Is p no address of the program's for certain (with n bytes to be used there)? Null pointers and
 * the like cost no more than this to become EFAULT, as from the kernel; what is merely not mapped
 * is found out by a SIGSEGV.
 */
static inline bool call_bad_address(const void *p, size_t n)
{
    const uintptr_t lowest = 65536; /* vm.mmap_min_addr */
    return n > 0 && ((uintptr_t)p < lowest || (intptr_t)p < 0);
}
bool call_bad_iov(const struct iovec *iov, size_t niov);
/* Bytes of an iovec, cut to what one call may move. -EINVAL, -EMSGSIZE, -EFAULT. */
ssize_t call_iov_bytes(const struct iovec *iov, size_t niov);
/* Does a pending error wait for the next call, after partial progress? Within an entry. */
bool call_error_waits(const struct sock *so);

#endif
