/* Control messages, for sock_msg.c. */
#ifndef SHIM_SOCK_SOCK_MSG_H
#define SHIM_SOCK_SOCK_MSG_H

#include "sock/sock_int.h"

/* Control messages being written to msg_control. */
struct sock_cmsg_out {
    struct msghdr *msg;
    uint8_t *at;
    size_t room;
};

void sock_cmsg_start(struct sock_cmsg_out *out, struct msghdr *msg);
void sock_cmsg_put(struct sock_cmsg_out *out, int level, int type, const void *data, size_t len);
/* Sets msg_controllen to what was written. */
void sock_cmsg_end(struct sock_cmsg_out *out);
/* What the socket's options ask for with a datagram, an error, bytes of a stream. */
void sock_cmsg_put_dgram(struct sock_cmsg_out *out, struct sock *so, const struct udp_dgram *d);
void sock_cmsg_put_error(struct sock_cmsg_out *out, const struct sock *so,
                         const struct udp_error *e);
/* MSG_ZEROCOPY: the calls from first to last are done. */
void sock_cmsg_put_zerocopy(struct sock_cmsg_out *out, const struct sock *so, uint32_t first,
                            uint32_t last);
void sock_cmsg_put_stream(struct sock_cmsg_out *out, const struct sock *so);

/* What control messages ask for one datagram. */
struct sock_cmsg_in {
    struct netif *nif;
    struct ip_addr src;
    bool has_src;
    int16_t ttl, tos; /* -1: the socket's */
    uint16_t segment; /* UDP_SEGMENT; 0: none */
};

/* 0; -EINVAL for what is malformed or unknown, -ENODEV. */
int sock_cmsg_get(struct sock *so, const struct msghdr *msg, struct sock_cmsg_in *in);

#endif
