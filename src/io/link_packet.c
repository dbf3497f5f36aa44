/*
 * Theory of operation
 *
 * Receiving: one packet socket with a TPACKET_V2 ring of small slots. A frame that fits lies in its
 * slot and is read in place. A larger one (a super-frame of a local sender with segmentation
 * offload, up to 64 KB and a little) is cut off in its slot, but PACKET_COPY_THRESH makes the
 * kernel also queue it whole on the socket; the slot's TP_STATUS_COPY says so, and slots and queue
 * are in the same order, so one recv() a flagged slot fetches it. Small slots keep the ring at 2
 * MB; V2 hands each frame over at once (V3's blocks come on a millisecond timer).
 *
 * Sending: a second packet socket that receives nothing. With PACKET_VNET_HDR each frame goes with
 * a description of what is left to the device: a TCP super-frame to cut (gso_size), a transport
 * checksum to finish. It never blocks: a frame for which there is no room is lost, and counted, as
 * on any wire.
 *
 *          slot n-1        slot n          slot n+1
 *      ... | kernel's | ours: read here | ours | kernel's ...         next_slot (in the arena) = n
 *
 * The ring's mapping and the sockets are shared by the processes of a family; the position is in
 * the arena, under the stack's lock.
 */
#include "io/link_packet.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"

#define SLOT_BYTES       2048u
#define SLOTS            1024u
#define BLOCK_BYTES      65536u
#define FRAME_MAX_BYTES  (65536u + 256u)
#define COPY_QUEUE_BYTES (8 << 20)
#define SEND_QUEUE_BYTES (4 << 20)
#define STATISTICS_EVERY 1024u
/* Taken in at once, so that it is still in the cache when the program reads it. */
#define BUDGET_BYTES (256u << 10)
/* IPv4's total length less its header and the longest TCP header. */
#define GSO_MAX_BYTES (65535u - 20u - 60u)

struct link_packet {
    struct link link;
    struct link_packet_shared *shared;
    uint32_t ifindex;
    bool vnet;
    uint8_t *ring;
    uint8_t *large; /* where frames larger than a slot are fetched to */
};

static struct link_packet *of(const struct link *l)
{
    return (struct link_packet *)(uintptr_t)((uintptr_t)l - offsetof(struct link_packet, link));
}

static struct tpacket2_hdr *slot_at(const struct link_packet *p, uint32_t n)
{
    return (struct tpacket2_hdr *)(void *)(p->ring + (size_t)n * SLOT_BYTES);
}

bool link_packet_ready(const struct link *l)
{
    const struct link_packet *p = of(l);
    uint32_t n = __atomic_load_n(&p->shared->next_slot, __ATOMIC_RELAXED);
    return __atomic_load_n(&slot_at(p, n)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

/* What the kernel dropped for want of room since it was last asked. */
static void read_statistics(struct link_packet *p)
{
    struct tpacket_stats s;
    socklen_t len = sizeof(s);
    if (!p->link.plain && getsockopt(p->link.rx_fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
        p->link.nif->stats.rx_dropped += s.tp_drops;
}

static void receive_slot(struct link_packet *p, struct stack *st, const struct tpacket2_hdr *h)
{
    const uint8_t *slot = (const uint8_t *)h;
    struct frame_in in = {.data = slot + h->tp_mac, .len = h->tp_snaplen};
    uint32_t status = h->tp_status;

    if (status & TP_STATUS_CSUMNOTREADY)
        in.flags |= FRAME_CSUM_UNFINISHED;
    else if (status & TP_STATUS_CSUM_VALID)
        in.flags |= FRAME_CSUM_GOOD;
    if (status & TP_STATUS_COPY) {
        ssize_t n = p->link.plain
                        ? read(p->link.rx_fd, p->large, FRAME_MAX_BYTES)
                        : recv(p->link.rx_fd, p->large, FRAME_MAX_BYTES, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 || n > (ssize_t)FRAME_MAX_BYTES) {
            p->link.nif->stats.rx_dropped++;
            return;
        }
        in.data = p->large;
        in.len = (size_t)n;
    } else if (h->tp_len > h->tp_snaplen) { /* cut off, and there was no room for a copy */
        p->link.nif->stats.rx_dropped++;
        return;
    }
    if (status & TP_STATUS_VLAN_VALID) { /* belongs to the VLAN's own interface */
        p->link.nif->stats.rx_not_for_us++;
        return;
    }
    stack_input(st, p->link.nif, &in);
}

/* An interface that goes down leaves an error on its sockets, and a socket with an error counts as
 * readable: without this, who waits for frames would not sleep any more. */
static void clear_error(const struct link *l)
{
    int err;
    socklen_t len = sizeof(err);
    (void)getsockopt(l->rx_fd, SOL_SOCKET, SO_ERROR, &err, &len);
}

static int packet_receive(struct link *l, struct stack *st, int budget)
{
    struct link_packet *p = of(l);
    size_t bytes = 0;
    int n = 0;

    while (n < budget && bytes < BUDGET_BYTES) {
        struct tpacket2_hdr *h = slot_at(p, p->shared->next_slot);
        uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
        if (!(status & TP_STATUS_USER))
            break;
        bytes += h->tp_len;
        receive_slot(p, st, h);
        p->shared->next_slot = (p->shared->next_slot + 1) % SLOTS;
        __atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        n++;
        if (status & TP_STATUS_LOSING || p->shared->statistics_in-- == 0) {
            p->shared->statistics_in = STATISTICS_EVERY;
            read_statistics(p);
        }
    }
    if (n == 0 && !l->plain)
        clear_error(l);
    return n;
}

static struct virtio_net_hdr vnet_of(const struct frame *f)
{
    struct virtio_net_hdr v = {.gso_type = VIRTIO_NET_HDR_GSO_NONE};
    if (f->csum_offset) {
        v.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        v.csum_start = f->csum_start;
        v.csum_offset = f->csum_offset;
    }
    if (f->gso_size) {
        v.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        v.gso_size = f->gso_size;
        v.hdr_len = (uint16_t)frame_head_bytes(f);
    }
    return v;
}

/* All of msg by one write(), from one place. */
static int write_out(struct link_packet *p, const struct msghdr *msg)
{
    size_t bytes = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        const struct iovec *v = &msg->msg_iov[i];
        if (v->iov_len > FRAME_MAX_BYTES - bytes)
            return -EMSGSIZE;
        memcpy(p->large + bytes, v->iov_base, v->iov_len);
        bytes += v->iov_len;
    }
    return write(p->link.tx_fd, p->large, bytes) < 0 ? -errno : 0;
}

static int packet_output(struct link *l, const struct frame *f)
{
    struct link_packet *p = of(l);
    struct virtio_net_hdr vnet;
    struct iovec iov[FRAME_BODY_MAX + 2];
    size_t n = 0;
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_ifindex = (int)p->ifindex,
        .sll_protocol = htons(ETH_P_IP),
    };
    struct msghdr msg = {.msg_iov = iov};

    if (p->vnet) {
        vnet = vnet_of(f);
        iov[n++] = (struct iovec){&vnet, sizeof(vnet)};
    }
    iov[n++] = (struct iovec){(void *)(uintptr_t)(f->head + f->head_at), frame_head_bytes(f)};
    memcpy(iov + n, f->body, f->nbody * sizeof(*iov));
    msg.msg_iovlen = n + f->nbody;
    if (l->nif->type == NETIF_IP) { /* nothing in the frame tells the device what it is */
        msg.msg_name = &to;
        msg.msg_namelen = sizeof(to);
    }
    if (l->plain && !msg.msg_name)
        return write_out(p, &msg);
    ssize_t sent = sendmsg(l->tx_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == ENETDOWN) /* perhaps left over from a time when it was down */
        sent = sendmsg(l->tx_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : 0;
}

static void packet_close(struct link *l)
{
    struct link_packet *p = of(l);
    if (p->ring)
        munmap(p->ring, (size_t)SLOT_BYTES * SLOTS);
    engine_fd_close(l->rx_fd);
    engine_fd_close(l->tx_fd);
    free(p->large);
    free(p);
}

static const struct link_ops packet_ops = {"packet", packet_receive, packet_output, packet_close};

static int set_opt(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Only IPv4 and ARP, and nothing that is for another host (the interface may be promiscuous). */
static int attach_filter(int fd, bool ip_link)
{
    struct sock_filter ether[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PACKET_OTHERHOST, 4, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_filter ip[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = {sizeof(ether) / sizeof(*ether), ether};
    if (ip_link)
        prog = (struct sock_fprog){sizeof(ip) / sizeof(*ip), ip};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int bind_to(int fd, uint32_t ifindex, int protocol)
{
    struct sockaddr_ll ll = {
        .sll_family = AF_PACKET,
        .sll_ifindex = (int)ifindex,
        .sll_protocol = htons((uint16_t)protocol),
    };
    return bind(fd, (struct sockaddr *)&ll, sizeof(ll)) < 0 ? -errno : 0;
}

static int map_ring(struct link_packet *p)
{
    p->ring = mmap(NULL, (size_t)SLOT_BYTES * SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED,
                   p->link.rx_fd, 0);
    if (p->ring == MAP_FAILED) {
        p->ring = NULL;
        return -errno;
    }
    p->large = malloc(FRAME_MAX_BYTES);
    return p->large ? 0 : -ENOMEM;
}

/* The receiving socket's ring, filter and place. */
static int set_up_rx(struct link_packet *p, bool ip_link)
{
    struct tpacket_req none = {0};
    struct tpacket_req req = {
        .tp_block_size = BLOCK_BYTES,
        .tp_block_nr = SLOTS / (BLOCK_BYTES / SLOT_BYTES),
        .tp_frame_size = SLOT_BYTES,
        .tp_frame_nr = SLOTS,
    };
    int fd = p->link.rx_fd;
    int err = set_opt(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
    if (err == -EBUSY) { /* it was made before, and has a ring from an attempt that failed */
        (void)setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof(none)); /* takes long */
        err = set_opt(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
    }
    if (!err)
        err = set_opt(fd, SOL_PACKET, PACKET_COPY_THRESH, 1);
    if (!err)
        err = attach_filter(fd, ip_link);
    if (!err && setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
        err = -errno;
    if (!err)
        err = map_ring(p);
    if (err)
        return err;
    /* Without this it works less well; older kernels may refuse it. */
    (void)set_opt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    return bind_to(fd, p->ifindex, ETH_P_ALL);
}

static int set_up_tx(struct link_packet *p, bool offload)
{
    int fd = p->link.tx_fd;
    p->vnet = offload && set_opt(fd, SOL_PACKET, PACKET_VNET_HDR, 1) == 0;
    return bind_to(fd, p->ifindex, 0);
}

/* Protocol 0 until all is set: nothing comes in before the filter stands. */
static int open_socket(void)
{
    return engine_fd_take(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/* forced: SO_RCVBUFFORCE, for which lesser rights may not do. */
static void set_queue(int fd, int forced, int plain, int bytes)
{
    if (set_opt(fd, SOL_SOCKET, forced, bytes) < 0)
        (void)set_opt(fd, SOL_SOCKET, plain, bytes);
}

int link_packet_sockets(int *rx_fd, int *tx_fd)
{
    *tx_fd = -1;
    *rx_fd = open_socket();
    if (*rx_fd < 0)
        return *rx_fd;
    *tx_fd = open_socket();
    if (*tx_fd < 0) {
        engine_fd_close(*rx_fd);
        return *tx_fd;
    }
    set_queue(*rx_fd, SO_RCVBUFFORCE, SO_RCVBUF, COPY_QUEUE_BYTES);
    set_queue(*tx_fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_QUEUE_BYTES);
    return 0;
}

void link_packet_seal(const struct link *l)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog prog = {1, &nothing};
    (void)setsockopt(l->tx_fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
    (void)set_opt(l->tx_fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
    (void)set_opt(l->rx_fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

static struct link_packet *make(uint32_t ifindex, struct link_packet_shared *shared)
{
    struct link_packet *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->link = (struct link){.ops = &packet_ops, .rx_fd = -1, .tx_fd = -1};
    p->ifindex = ifindex;
    p->shared = shared;
    return p;
}

int link_packet_open(const struct hostnet_if *hif, bool offload, struct link_packet_shared *shared,
                     const int *sockets, uint32_t *gso_max_bytes, bool *csum_offload,
                     struct link **out)
{
    struct link_packet *p = make(hif->index, shared);
    int err = 0;
    if (!p)
        return -ENOMEM;
    shared->next_slot = 0;
    shared->statistics_in = STATISTICS_EVERY;
    if (sockets) {
        p->link.rx_fd = sockets[0];
        p->link.tx_fd = sockets[1];
    } else {
        err = link_packet_sockets(&p->link.rx_fd, &p->link.tx_fd);
        if (err)
            p->link.rx_fd = p->link.tx_fd = -1;
    }
    if (!err)
        err = set_up_rx(p, hif->type == NETIF_IP);
    if (!err)
        err = set_up_tx(p, offload);
    if (err) {
        if (sockets)
            p->link.rx_fd = p->link.tx_fd = -1;
        packet_close(&p->link);
        return err;
    }
    *gso_max_bytes = p->vnet ? GSO_MAX_BYTES : 0;
    *csum_offload = p->vnet;
    *out = &p->link;
    return 0;
}

int link_packet_attach(int rx_fd, int tx_fd, uint32_t ifindex, bool vnet,
                       struct link_packet_shared *shared, struct link **out)
{
    struct link_packet *p = make(ifindex, shared);
    if (!p)
        return -ENOMEM;
    p->link.rx_fd = rx_fd;
    p->link.tx_fd = tx_fd;
    p->vnet = vnet;
    int err = map_ring(p);
    if (err) {
        p->link.rx_fd = p->link.tx_fd = -1; /* still the caller's */
        packet_close(&p->link);
        return err;
    }
    *out = &p->link;
    return 0;
}
