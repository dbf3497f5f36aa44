/*
 * Between the program's sockaddr and our endpoint. The form is the socket's: an AF_INET6 socket has
 * IPv4 addresses as ::ffff:a.b.c.d (RFC 3493 3.7), which is how struct ip_addr holds them anyway.
 */
#include <errno.h>
#include <string.h>

#include "sock/sock_int.h"

#define IN6_BYTES_MIN 24 /* sockaddr_in6 of RFC 2133, which had no scope yet */

bool sock_addr_family(const struct sockaddr *addr, socklen_t len, sa_family_t *family)
{
    if (len < sizeof(*family))
        return false;
    memcpy(family, addr, sizeof(*family));
    return true;
}

static int get_in(const struct sockaddr *addr, socklen_t len, struct endpoint *out)
{
    struct sockaddr_in in;
    if (len < sizeof(in))
        return -EINVAL;
    memcpy(&in, addr, sizeof(in));
    if (in.sin_family != AF_INET)
        return -EAFNOSUPPORT;
    out->addr = addr_v4(ntohl(in.sin_addr.s_addr));
    out->port = ntohs(in.sin_port);
    return 0;
}

static int get_in6(const struct sockaddr *addr, socklen_t len, struct endpoint *out)
{
    struct sockaddr_in6 in6 = {0};
    if (len < IN6_BYTES_MIN)
        return -EINVAL;
    memcpy(&in6, addr, len < sizeof(in6) ? len : sizeof(in6));
    if (in6.sin6_family != AF_INET6)
        return -EAFNOSUPPORT;
    memcpy(out->addr.b, &in6.sin6_addr, sizeof(out->addr.b));
    out->port = ntohs(in6.sin6_port);
    return 0;
}

int sock_addr_get(const struct sock *so, const struct sockaddr *addr, socklen_t len,
                  struct endpoint *out)
{
    return so->domain == AF_INET6 ? get_in6(addr, len, out) : get_in(addr, len, out);
}

int sock_addr_get_dst(const struct sock *so, const struct sockaddr *addr, socklen_t len,
                      struct endpoint *out)
{
    sa_family_t family;
    if (so->udp && sock_addr_family(addr, len, &family) && family == AF_INET)
        return get_in(addr, len, out);
    return sock_addr_get(so, addr, len, out);
}

static void put(const void *name, socklen_t name_bytes, struct sockaddr *addr, socklen_t *len)
{
    socklen_t room = *len < name_bytes ? *len : name_bytes;
    if (room > 0)
        memcpy(addr, name, room);
    *len = name_bytes;
}

void sock_addr_put(const struct sock *so, const struct endpoint *e, struct sockaddr *addr,
                   socklen_t *len)
{
    if (so->domain == AF_INET6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
        memcpy(&in6.sin6_addr, e->addr.b, sizeof(e->addr.b));
        put(&in6, sizeof(in6), addr, len);
        return;
    }
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};
    if (addr_is_v4(&e->addr))
        in.sin_addr.s_addr = htonl(addr_get_v4(&e->addr));
    put(&in, sizeof(in), addr, len);
}
