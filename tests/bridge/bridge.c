/*
 * A bad cable: joins two interfaces and does to the frames what bad networks do, from a seed, so
 * that a run can be repeated. Each direction has its own dice and its own queue.
 *
 *   bridge [-s SEED] [-d DELAY_MS] [-j JITTER_MS] [-l LOSS_%] [-r REORDER_%] [-R BY_MS] [-u
 * DUPLICATE_%]
 *          [-c CORRUPT_%] [-e MARK_%] [-b RATE_MBIT] [-q QUEUE_BYTES] IF1 IF2
 *
 * A frame first passes the dice of loss, duplication and corruption, then waits in a queue of
 * QUEUE_BYTES (drop-tail) for its turn at RATE_MBIT, then travels DELAY_MS (one way) plus up to
 * JITTER_MS; REORDER_% of the frames travel BY_MS longer, and are overtaken. MARK_% of the
 * ECN-capable IPv4 packets are marked as having met congestion (RFC 3168). Without jitter and
 * reordering frames keep their order.
 *
 * The interfaces must not be handed super-frames (ethtool -K ... tso off gso off gro off at both
 * ends of each cable): a frame of more than 2 KB is refused and counted. Says "ready" when it
 * forwards; prints what it did when it is ended by SIGTERM or SIGINT.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"

#define FRAME_MAX     2048u
#define LINK_OVERHEAD 24u /* preamble, FCS, gap: what a frame takes on a wire beside its bytes */

struct impairment {
    double loss, reorder, duplicate, corrupt, mark; /* 0 .. 1 */
    uint64_t delay_ns, jitter_ns, reorder_by_ns;
    double bytes_per_ns; /* 0: no limit */
    uint64_t queue_bytes;
};

struct held {
    uint64_t due_ns, order;
    uint32_t len;
    uint8_t data[FRAME_MAX];
};

/* One direction. */
struct lane {
    int from, to;
    struct rng rng;
    struct held **heap; /* by due_ns, then order */
    size_t count, room;
    uint64_t order;
    uint64_t free_at_ns; /* when the rate-limited wire has sent all that is queued */
    uint64_t last_due_ns;
    uint64_t in, out, lost, queue_drops, duplicated, corrupted, reordered, marked, too_big, busy;
};

static volatile sig_atomic_t done;
static void on_signal(int sig)
{
    (void)sig;
    done = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "bridge: %s: %s\n", what, strerror(errno));
    exit(1);
}

static bool chance(struct lane *l, double p)
{
    return p > 0 && (double)(rng_u64(&l->rng) >> 11) * 0x1p-53 < p;
}

/* ---- the heap of frames under way ---- */

static bool earlier(const struct held *a, const struct held *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void push(struct lane *l, struct held *h)
{
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 256;
        l->heap = realloc(l->heap, l->room * sizeof(*l->heap));
        if (!l->heap)
            die("realloc");
    }
    size_t i = l->count++;
    for (; i && earlier(h, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
        l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = h;
}

static struct held *pop(struct lane *l)
{
    struct held *top = l->heap[0], *last = l->heap[--l->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->count)
            break;
        if (child + 1 < l->count && earlier(l->heap[child + 1], l->heap[child]))
            child++;
        if (!earlier(l->heap[child], last))
            break;
        l->heap[i] = l->heap[child];
        i = child;
    }
    if (l->count)
        l->heap[i] = last;
    return top;
}

/* ---- a frame's fate ---- */

/* RFC 3168 5: ECT becomes CE; the header's checksum follows (RFC 1624). */
static void mark(struct lane *l, uint8_t *data)
{
    uint8_t *ip = data + ETH_HLEN;
    uint32_t sum;

    if (data[12] != 8 || data[13] != 0 || (ip[1] & 3) == 0 || (ip[1] & 3) == 3)
        return;
    sum = (uint32_t)(uint16_t) ~(ip[10] << 8 | ip[11]) + (uint16_t) ~(ip[0] << 8 | ip[1]);
    ip[1] |= 3;
    sum += (uint32_t)(ip[0] << 8 | ip[1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    l->marked++;
}

static void send_off(struct lane *l, const struct impairment *im, const uint8_t *data, uint32_t len,
                     uint64_t now)
{
    uint64_t start = l->free_at_ns > now ? l->free_at_ns : now, due;
    if (im->bytes_per_ns > 0) {
        double queued = (double)(start - now) * im->bytes_per_ns;
        if (queued + len > (double)im->queue_bytes) {
            l->queue_drops++;
            return;
        }
        start += (uint64_t)((len + LINK_OVERHEAD) / im->bytes_per_ns);
        l->free_at_ns = start;
    }
    due = start + im->delay_ns;
    if (im->jitter_ns)
        due += rng_u64(&l->rng) % im->jitter_ns;
    if (chance(l, im->reorder)) {
        due += im->reorder_by_ns;
        l->reordered++;
    }
    struct held *h = malloc(sizeof(*h));
    if (!h)
        die("malloc");
    h->due_ns = due;
    h->order = l->order++;
    h->len = len;
    memcpy(h->data, data, len);
    if (chance(l, im->corrupt)) {
        /* Behind the link header: one that lies there would only misdirect it. */
        uint32_t at = ETH_HLEN + rng_below(&l->rng, len - ETH_HLEN);
        h->data[at] ^= (uint8_t)(1u << rng_below(&l->rng, 8));
        l->corrupted++;
    }
    if (im->mark > 0 && len >= ETH_HLEN + 20 && chance(l, im->mark))
        mark(l, h->data);
    push(l, h);
}

static void arrive(struct lane *l, const struct impairment *im, const uint8_t *data, uint32_t len,
                   uint64_t now)
{
    l->in++;
    if (len > FRAME_MAX || len <= ETH_HLEN) {
        l->too_big++;
        return;
    }
    /* ARP is spared: what is tested is the transport. */
    if (data[12] == 8 && data[13] == 6) {
        static const struct impairment clean = {0};
        send_off(l, &clean, data, len, now);
        return;
    }
    if (chance(l, im->loss)) {
        l->lost++;
        return;
    }
    send_off(l, im, data, len, now);
    if (chance(l, im->duplicate)) {
        l->duplicated++;
        send_off(l, im, data, len, now);
    }
}

static void take_in(struct lane *l, const struct impairment *im)
{
    uint8_t buf[FRAME_MAX + 1];
    ssize_t n;
    while ((n = recv(l->from, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC)) > 0)
        arrive(l, im, buf, (uint32_t)n, now_ns());
}

static void deliver(struct lane *l, uint64_t now)
{
    while (l->count && l->heap[0]->due_ns <= now) {
        struct held *h = pop(l);
        if (send(l->to, h->data, h->len, MSG_DONTWAIT) < 0)
            l->busy++;
        else
            l->out++;
        free(h);
    }
}

static int open_interface(const char *name)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
    int one = 1, big = 16 << 20;
    ll.sll_ifindex = (int)if_nametoindex(name);
    if (!ll.sll_ifindex)
        die(name);
    promisc.mr_ifindex = ll.sll_ifindex;
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) < 0)
        die(name);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
    if (bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
        die(name);
    return fd;
}

static void report(const char *from, const char *to, const struct lane *l)
{
    printf("%s to %s: in %llu, out %llu, lost %llu, queue full %llu, duplicated %llu, corrupted "
           "%llu, reordered %llu, marked %llu, "
           "refused %llu, busy %llu\n",
           from, to, (unsigned long long)l->in, (unsigned long long)l->out,
           (unsigned long long)l->lost, (unsigned long long)l->queue_drops,
           (unsigned long long)l->duplicated, (unsigned long long)l->corrupted,
           (unsigned long long)l->reordered, (unsigned long long)l->marked,
           (unsigned long long)l->too_big, (unsigned long long)l->busy);
}

static uint64_t ms(const char *text)
{
    return (uint64_t)(strtod(text, NULL) * 1e6);
}
static double percent(const char *text)
{
    return strtod(text, NULL) / 100;
}

static uint64_t options(int argc, char **argv, struct impairment *im)
{
    uint64_t seed = 1;
    int opt;
    while ((opt = getopt(argc, argv, "s:d:j:l:r:R:u:c:e:b:q:")) != -1) {
        switch (opt) {
        case 's':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            im->delay_ns = ms(optarg);
            break;
        case 'j':
            im->jitter_ns = ms(optarg);
            break;
        case 'l':
            im->loss = percent(optarg);
            break;
        case 'r':
            im->reorder = percent(optarg);
            break;
        case 'R':
            im->reorder_by_ns = ms(optarg);
            break;
        case 'u':
            im->duplicate = percent(optarg);
            break;
        case 'c':
            im->corrupt = percent(optarg);
            break;
        case 'e':
            im->mark = percent(optarg);
            break;
        case 'b':
            im->bytes_per_ns = strtod(optarg, NULL) / 8000;
            break;
        case 'q':
            im->queue_bytes = strtoull(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    return seed;
}

int main(int argc, char **argv)
{
    struct impairment im = {.queue_bytes = 1 << 20, .reorder_by_ns = 5000000};
    uint64_t seed = options(argc, argv, &im);
    struct lane lanes[2] = {{0}, {0}};
    struct sigaction stop = {.sa_handler = on_signal};

    if (argc - optind != 2) {
        fputs("usage: bridge [OPTION ...] IF1 IF2\n", stderr);
        return 2;
    }
    int a = open_interface(argv[optind]), b = open_interface(argv[optind + 1]);
    lanes[0].from = lanes[1].to = a;
    lanes[0].to = lanes[1].from = b;
    rng_seed(&lanes[0].rng, seed);
    rng_seed(&lanes[1].rng, seed + 1);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    prctl(PR_SET_TIMERSLACK, 1000);

    int epfd = epoll_create1(0);
    for (int i = 0; i < 2; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, lanes[i].from, &ev) < 0)
            die("epoll_ctl");
    }
    puts("ready");
    fflush(stdout);
    while (!done) {
        struct epoll_event ev[2];
        struct timespec ts = {1, 0};
        uint64_t now = now_ns();
        for (int i = 0; i < 2; i++) {
            if (!lanes[i].count)
                continue;
            uint64_t due = lanes[i].heap[0]->due_ns, left = due > now ? due - now : 0;
            if (left < (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec)
                ts = (struct timespec){(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        }
        int n = epoll_pwait2(epfd, ev, 2, &ts, NULL);
        for (int i = 0; i < n; i++)
            take_in(&lanes[ev[i].data.u32], &im);
        now = now_ns();
        deliver(&lanes[0], now);
        deliver(&lanes[1], now);
    }
    report(argv[optind], argv[optind + 1], &lanes[0]);
    report(argv[optind + 1], argv[optind], &lanes[1]);
    return 0;
}
