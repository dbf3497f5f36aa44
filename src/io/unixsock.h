/* AF_UNIX sockets between the processes of a host: their names, and descriptors in messages. */
#ifndef SHIM_IO_UNIXSOCK_H
#define SHIM_IO_UNIXSOCK_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Makes a name of the abstract namespace, in the way of printf(); its length. One that is longer
 * than a name can be is cut off. */
socklen_t unixsock_name(struct sockaddr_un *un, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for n descriptors in a message. */
#define UNIXSOCK_CONTROL(n)                                                                        \
    union {                                                                                        \
        struct cmsghdr align;                                                                      \
        char bytes[CMSG_SPACE((n) * sizeof(int))];                                                 \
    }
/* Puts n descriptors into msg; control: the bytes of an UNIXSOCK_CONTROL(n) full of zeros. */
void unixsock_attach(struct msghdr *msg, void *control, const int *fds, size_t n);
/* Takes the n descriptors out of a received msg, now the caller's; false, and none is taken, when
 * they are not as many. */
bool unixsock_take(struct msghdr *msg, int *fds, size_t n);

#endif
