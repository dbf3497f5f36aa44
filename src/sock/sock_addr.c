/*
 * Between the program's sockaddr and our endpoint. The family is the socket's: a place for AF_INET6
 * is left in each switch.
 */
#include <errno.h>
#include <string.h>

#include "sock/sock_int.h"

bool sock_addr_family(const struct sockaddr *addr, socklen_t len, sa_family_t *family)
{
    if (len < sizeof(*family))
        return false;
    memcpy(family, addr, sizeof(*family));
    return true;
}

int sock_addr_get(const struct sock *so, const struct sockaddr *addr, socklen_t len,
                  struct endpoint *out)
{
    struct sockaddr_in in;
    if (so->domain != AF_INET)
        return -EAFNOSUPPORT;
    if (len < sizeof(in))
        return -EINVAL;
    memcpy(&in, addr, sizeof(in));
    if (in.sin_family != AF_INET)
        return -EAFNOSUPPORT;
    out->addr = addr_v4(ntohl(in.sin_addr.s_addr));
    out->port = ntohs(in.sin_port);
    return 0;
}

void sock_addr_put(const struct sock *so, const struct endpoint *e, struct sockaddr *addr,
                   socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};
    if (addr_is_v4(&e->addr))
        in.sin_addr.s_addr = htonl(addr_get_v4(&e->addr));
    socklen_t room = *len < sizeof(in) ? *len : (socklen_t)sizeof(in);
    if (room > 0)
        memcpy(addr, &in, room);
    *len = sizeof(in);
}
