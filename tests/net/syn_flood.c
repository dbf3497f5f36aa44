/*
 * A flood of SYNs whose sender is nobody: for the tests, inside their namespaces.
 *
 *   syn_flood ADDRESS PORT COUNT PER_SECOND
 *
 * Sources are of 198.51.100.0/24 (which nothing must route), with random ports and numbers from a
 * fixed seed. Every second SYN has all options, the others an MSS alone. Prints how many were sent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/rng.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

#define BATCH      64
#define SYN_MAX    (20 + TCP_HDR_MAX)
#define SOURCE_NET 0xc6336400u /* 198.51.100.0 */

static size_t make_syn(struct rng *rng, uint32_t dst, uint16_t port, bool plain, uint8_t *out)
{
    struct tcp_options opt = {.has_mss = true, .mss = 1460};
    struct tcp_hdr h = {.src_port = (uint16_t)(1024 + rng_below(rng, 64000)),
                        .dst_port = port,
                        .seq = rng_u32(rng),
                        .wnd = 64240,
                        .flags = TCP_SYN};
    struct ipv4_hdr ip = {.src = SOURCE_NET + 1 + rng_below(rng, 254),
                          .dst = dst,
                          .ttl = 64,
                          .proto = IPPROTO_NUM_TCP,
                          .hdr_bytes = 20,
                          .df = true};
    struct ip_addr src = addr_v4(ip.src), to = addr_v4(dst);
    struct csum sum = {0};
    size_t len;

    if (!plain) {
        opt.has_ts = opt.has_wscale = opt.sack_permitted = true;
        opt.wscale = 7;
        opt.ts_val = rng_u32(rng);
    }
    len = TCP_HDR_MIN + tcp_options_emit(&opt, out + 20 + TCP_HDR_MIN);
    h.hdr_bytes = (uint8_t)len;
    tcp_emit(&h, out + 20);
    csum_add_pseudo(&sum, &src, &to, IPPROTO_NUM_TCP, (uint32_t)len);
    csum_add(&sum, out + 20, len);
    put_be16(out + 20 + 16, csum_finish(&sum));
    ip.total_bytes = (uint16_t)(20 + len);
    ipv4_emit(&ip, out);
    return 20 + len;
}

/* Sends n SYNs at once; how many went. */
static int send_batch(int fd, struct rng *rng, const struct sockaddr_in *to, int n)
{
    static uint8_t bytes[BATCH][SYN_MAX];
    struct mmsghdr msgs[BATCH] = {0};
    struct iovec iov[BATCH];

    for (int i = 0; i < n; i++) {
        iov[i].iov_base = bytes[i];
        iov[i].iov_len =
            make_syn(rng, ntohl(to->sin_addr.s_addr), ntohs(to->sin_port), i & 1, bytes[i]);
        msgs[i].msg_hdr = (struct msghdr){.msg_name = (void *)(uintptr_t)to,
                                          .msg_namelen = sizeof(*to),
                                          .msg_iov = &iov[i],
                                          .msg_iovlen = 1};
    }
    return sendmmsg(fd, msgs, (unsigned)n, 0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    long count, rate, sent = 0;
    struct timespec next;
    struct rng rng;
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

    if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: syn_flood ADDRESS PORT COUNT PER_SECOND\n");
        return 2;
    }
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    count = atol(argv[3]);
    rate = atol(argv[4]);
    if (fd < 0 || count <= 0 || rate <= 0) {
        perror("syn_flood");
        return 1;
    }
    rng_seed(&rng, 1);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (sent < count) {
        int n = send_batch(fd, &rng, &to, count - sent < BATCH ? (int)(count - sent) : BATCH);

        if (n > 0)
            sent += n;
        next.tv_nsec += BATCH * (1000000000L / rate);
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("%ld\n", sent);
    return 0;
}
