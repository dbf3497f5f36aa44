/*
 * What _FORTIFY_SOURCE makes of the receive calls: bytes is the size of the buffer. libc ends the
 * program when it is too small: that is left to it.
 */
#include "shim.h"

SHIM_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t bytes)
{
    if (len <= bytes && shim_ours(fd))
        return read(fd, buf, len);
    shim_need();
    return real.__read_chk(fd, buf, len, bytes);
}

SHIM_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t bytes, int flags)
{
    if (len <= bytes && shim_ours(fd))
        return recv(fd, buf, len, flags);
    shim_need();
    return real.__recv_chk(fd, buf, len, bytes, flags);
}

SHIM_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t bytes, int flags,
                                   __SOCKADDR_ARG addr, socklen_t *addr_len)
{
    if (len <= bytes && shim_ours(fd))
        return recvfrom(fd, buf, len, flags, addr, addr_len);
    shim_need();
    return real.__recvfrom_chk(fd, buf, len, bytes, flags, addr, addr_len);
}
