/*
 * Local addresses and ports: which calls are the kernel's (loopback), and, in host mode, the port
 * that the kernel keeps for us behind each bound socket (io/guard.h).
 *
 * All are called within an entry on so, the socket behind fd, and return in one. SHIM_KERNEL: the
 * socket is to be given to the kernel (shim_give_to_kernel()), and the call made there.
 */
#ifndef SHIM_PORT_H
#define SHIM_PORT_H

#include "shim.h"

/* bind(). */
int port_bind(int fd, struct sock *so, const struct sockaddr *addr, socklen_t len);
/* Gives an unbound socket a port before connect() to dst, or listen() (NULL). 0, -errno,
 * SHIM_KERNEL. */
int port_auto(int fd, struct sock *so, const struct endpoint *dst);
/* May the connection, or the datagrams, to this destination be ours? 0, SHIM_KERNEL. */
int port_destination(struct sock *so, const struct ip_addr *dst);
/* Before a datagram is sent: gives a socket that has no port one, and looks where the message goes.
 */
int port_before_send(int fd, struct sock *so, const struct msghdr *msg);
/* A call about addr on a socket of kind FD_IPV6: 0, or -errno, after one line on stderr, if it is
 * about IPv4. binds: bind(), where the wildcard is, too. The caller is not inside. */
int port_refuse(int fd, const struct sockaddr *addr, socklen_t len, bool binds);
/* The same for any descriptor. */
static inline int port_check(int fd, const struct sockaddr *addr, socklen_t len, bool binds)
{
    bool check = fd_kind(fd) == FD_IPV6 && !shim_inside();
    return __builtin_expect(check, 0) ? port_refuse(fd, addr, len, binds) : 0;
}

#endif
