#include "io/unixsock.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

socklen_t unixsock_name(struct sockaddr_un *un, const char *format, ...)
{
    const size_t room = sizeof(un->sun_path) - 1;
    va_list args;
    int n;

    *un = (struct sockaddr_un){.sun_family = AF_UNIX};
    va_start(args, format);
    n = vsnprintf(un->sun_path + 1, room, format, args);
    va_end(args);
    if ((size_t)n >= room)
        n = (int)room - 1;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

void unixsock_attach(struct msghdr *msg, void *control, const int *fds, size_t n)
{
    struct cmsghdr *c;

    msg->msg_control = control;
    msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}

bool unixsock_take(struct msghdr *msg, int *fds, size_t n)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
            c->cmsg_len != CMSG_LEN(n * sizeof(int)))
            continue;
        memcpy(fds, CMSG_DATA(c), n * sizeof(int));
        return true;
    }
    return false;
}
