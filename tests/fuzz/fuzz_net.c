/*
 * A configured IP layer with UDP sockets, fed with whole frames and the passing of time.
 *
 * The input is a row of steps, each a head of 4 bytes and what the head says:
 *
 *      kind, argument, length (2 bytes, big-endian), bytes
 *
 * A frame with STEP_MEND gets right checksums first, so that mutations reach what lies behind them.
 * Checked is that every frame sent is well formed and not larger than the MTU, that the queues'
 * accounts agree with the queues, and that in the end all memory comes back.
 */
#include "fuzz.h"

#include <sys/mman.h>

#include "net/net_int.h"
#include "udp/udp.h"
#include "wire/checksum.h"

enum step_kind {
    STEP_FRAME = 0,
    STEP_TIME = 1,  /* length milliseconds pass; no bytes follow */
    STEP_SEND = 2,  /* socket number argument sends the bytes */
    STEP_SHORT = 3, /* allocation number argument fails; no bytes follow */
    STEP_KIND_MASK = 3,
    STEP_MEND = 4,      /* STEP_FRAME: make the checksums right */
    STEP_OTHER_NIF = 8, /* it comes in by the interface without a link header */
    STEP_CSUM_GOOD = 16,
    STEP_SUPER = 32, /* a super-frame with segments of argument * 8 bytes */
};

#define FUZZ_ARENA_BYTES (8u << 20)
#define FUZZ_US          0xc0000202u /* 192.0.2.2 */
#define FUZZ_PEER        0xc0000201u
#define FUZZ_SOCKETS     4

struct fuzz_stack {
    struct net net;
    struct udp udp;
};

struct fuzz_host {
    struct fuzz_stack *s;
    struct netif *eth, *tun;
    struct udp_pcb *pcb[FUZZ_SOCKETS];
};

static void check_ip(const uint8_t *p, size_t len, const struct netif *nif, const struct frame *f)
{
    struct ipv4_hdr h;

    FUZZ_CHECK(ipv4_parse(p, len, &h) == 0);
    FUZZ_CHECK(h.total_bytes == frame_bytes(f) - (nif->type == NETIF_IP ? 0 : ETH_HDR_BYTES));
    FUZZ_CHECK(h.total_bytes <= nif->mtu);
    FUZZ_CHECK(!h.mf || h.total_bytes % 8 == 20 % 8);
}

static int fuzz_output(void *ctx, struct netif *nif, const struct frame *f)
{
    uint8_t p[2048];
    size_t len = frame_head_bytes(f);
    struct eth_hdr eth;

    FUZZ_CHECK(frame_bytes(f) <= sizeof(p));
    memcpy(p, f->head + f->head_at, len);
    for (uint8_t i = 0; i < f->nbody; i++) {
        memcpy(p + len, f->body[i].iov_base, f->body[i].iov_len);
        len += f->body[i].iov_len;
    }
    FUZZ_CHECK(f->csum_start == 0 && f->gso_size == 0);
    if (nif->type == NETIF_IP) {
        check_ip(p, len, nif, f);
        return 0;
    }
    FUZZ_CHECK(eth_parse(p, len, &eth) == 0);
    FUZZ_CHECK(mac_eq(&eth.src, &nif->mac) && !mac_eq(&eth.dst, &nif->mac));
    if (eth.type == ETHTYPE_ARP)
        FUZZ_CHECK(len == ETH_HDR_BYTES + ARP_BYTES);
    else
        check_ip(p + ETH_HDR_BYTES, len - ETH_HDR_BYTES, nif, f);
    return 0;
}

static void up_tcp_input(struct net *net, const struct ip_packet *pkt)
{
    uint8_t sum = 0;

    FUZZ_CHECK(pkt->to != NULL && pkt->proto == IPPROTO_NUM_TCP);
    for (size_t i = 0; i < pkt->len; i++) /* all of it can be read */
        sum ^= pkt->payload[i];
    FUZZ_CHECK(sum == 0 || pkt->len > 0);
}

static void up_udp_input(struct net *net, const struct ip_packet *pkt)
{
    udp_input(&container_of(net, struct fuzz_stack, net)->udp, pkt);
}

static void up_tcp_icmp_error(struct net *net, const struct icmp_error *e)
{
    FUZZ_CHECK(e->l4_len >= 8 && e->err > 0 && e->proto == IPPROTO_NUM_TCP);
}

static void up_udp_icmp_error(struct net *net, const struct icmp_error *e)
{
    FUZZ_CHECK(e->l4_len >= 8 && e->err > 0 && e->proto == IPPROTO_NUM_UDP);
    udp_icmp_error(&container_of(net, struct fuzz_stack, net)->udp, e);
}

static void up_sock_ready(struct net *net, void *owner, uint32_t mask)
{
    FUZZ_CHECK(owner != NULL && mask != 0);
}

static const struct net_upcalls upcalls = {
    .tcp_input = up_tcp_input,
    .udp_input = up_udp_input,
    .tcp_icmp_error = up_tcp_icmp_error,
    .udp_icmp_error = up_udp_icmp_error,
    .sock_ready = up_sock_ready,
};

static void host_start(struct fuzz_host *h, struct arena *a, const struct net_env *env)
{
    struct netif desc = {.index = 1,
                         .name = "eth",
                         .type = NETIF_ETHERNET,
                         .mac = {{2, 0, 0, 0, 0, 0x0b}},
                         .mtu = 1500,
                         .up = true};
    struct ip_addr us = addr_v4(FUZZ_US), tun = addr_v4(0xc6336402);
    struct endpoint at = {.addr = addr_any4()}, peer = {.addr = addr_v4(FUZZ_PEER), .port = 49152};
    struct route gw = {.dst = addr_any4(), .gateway = peer.addr, .src = addr_any4()};

    h->s = arena_zalloc(a, sizeof(*h->s));
    h->s->net.env = env;
    h->s->net.now_us = 1000 * US_PER_S;
    FUZZ_CHECK(net_init(&h->s->net, a, 1) == 0 && udp_init(&h->s->udp, &h->s->net) == 0);
    h->eth = netif_add(&h->s->net, &desc);
    desc.index = 2;
    desc.type = NETIF_IP;
    desc.mtu = 600;
    h->tun = netif_add(&h->s->net, &desc);
    FUZZ_CHECK(netif_add_addr(&h->s->net, h->eth, &us, 24, false, false) == 0);
    FUZZ_CHECK(netif_add_addr(&h->s->net, h->tun, &tun, 24, true, false) == 0);
    gw.nif = h->eth;
    FUZZ_CHECK(route_add(&h->s->net, &gw) == 0);
    for (int i = 0; i < FUZZ_SOCKETS; i++) {
        h->pcb[i] = udp_open(&h->s->udp, h);
        h->pcb[i]->reuse_port = true;
        h->pcb[i]->recverr = i == 1;
        h->pcb[i]->rcvbuf_bytes = 4096;
        at.port = i < 3 ? 53 : 54;
        FUZZ_CHECK(udp_bind(&h->s->udp, h->pcb[i], &at) == 0);
    }
    FUZZ_CHECK(udp_connect(&h->s->udp, h->pcb[2], &peer) == 0);
}

static void poll_timers(struct fuzz_host *h, uint64_t until_us)
{
    struct net *net = &h->s->net;
    struct timer *t;

    while (timers_next(&net->timers) <= until_us) {
        if (timers_next(&net->timers) > net->now_us)
            net->now_us = timers_next(&net->timers);
        while ((t = timers_pop_due(&net->timers, net->now_us)))
            net_timer(net, t);
    }
    net->now_us = until_us;
}

/* Makes the checksums of an IPv4 packet right, as far as its lengths make sense. */
static void mend(uint8_t *p, size_t len)
{
    size_t hdr = len ? (size_t)(p[0] & 15) * 4 : 0, at;
    struct csum c = {0};
    struct ip_addr src, dst;

    if (len < 20 || hdr < 20 || hdr > len)
        return;
    put_be16(p + 10, 0);
    put_be16(p + 10, csum(p, hdr));
    if (get_be16(p + 2) < len && get_be16(p + 2) >= hdr)
        len = get_be16(p + 2);
    at = p[9] == IPPROTO_NUM_ICMP ? 2 : p[9] == IPPROTO_NUM_UDP ? 6 : 16;
    if (get_be16(p + 6) & 0x3fff || len - hdr < at + 2)
        return;
    src = addr_v4(get_be32(p + 12));
    dst = addr_v4(get_be32(p + 16));
    put_be16(p + hdr + at, 0);
    if (p[9] != IPPROTO_NUM_ICMP)
        csum_add_pseudo(&c, &src, &dst, p[9], (uint32_t)(len - hdr));
    csum_add(&c, p + hdr, len - hdr);
    put_be16(p + hdr + at, csum_finish(&c));
}

static void step_frame(struct fuzz_host *h, uint8_t kind, uint8_t arg, const uint8_t *p, size_t len)
{
    struct netif *nif = kind & STEP_OTHER_NIF ? h->tun : h->eth;
    size_t link = nif->type == NETIF_IP ? 0 : ETH_HDR_BYTES;
    uint8_t *copy = malloc(len + 1);
    const struct frame_in in = {.data = copy,
                                .len = len,
                                .flags = kind & STEP_CSUM_GOOD ? FRAME_CSUM_GOOD : 0,
                                .gso_size = kind & STEP_SUPER ? (uint16_t)(arg * 8) : 0};

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, p, len);
    if (kind & STEP_MEND && len > link)
        mend(copy + link, len - link);
    net_input(&h->s->net, nif, &in);
    free(copy);
}

static void step_send(struct fuzz_host *h, uint8_t arg, const uint8_t *p, size_t len)
{
    const struct endpoint to[] = {
        {.addr = addr_v4(FUZZ_PEER), .port = 49152},
        {.addr = addr_v4(FUZZ_US), .port = 53}, /* ourselves */
        {.addr = addr_v4(0xcb007107), .port = 9},
        {.addr = addr_v4(0xc6336401), .port = 9}, /* by the other interface */
    };
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = len};

    udp_send(&h->s->udp, h->pcb[arg % FUZZ_SOCKETS], &to[arg / FUZZ_SOCKETS % 4], &iov, 1, len,
             NULL, NULL);
}

static void check_queues(struct fuzz_host *h)
{
    for (int i = 0; i < FUZZ_SOCKETS; i++) {
        struct udp_pcb *pcb = h->pcb[i];

        FUZZ_CHECK(pcb->queue_bytes <= pcb->rcvbuf_bytes + 70000);
        while (udp_peek(pcb))
            udp_drop_first(&h->s->udp, pcb);
        while (udp_peek_error(pcb))
            udp_drop_first_error(&h->s->udp, pcb);
        FUZZ_CHECK(pcb->queue_bytes == 0);
    }
}

static void run(struct fuzz_host *h, struct arena *a, const uint8_t *data, size_t len)
{
    for (size_t at = 0; len - at >= 4;) {
        uint8_t kind = data[at], arg = data[at + 1];
        size_t n = get_be16(data + at + 2);

        at += 4;
        switch (kind & STEP_KIND_MASK) {
        case STEP_TIME:
            poll_timers(h, h->s->net.now_us + n * 1000);
            continue;
        case STEP_SHORT:
            arena_fail_at(a, arg);
            continue;
        default:
            break;
        }
        if (n > len - at)
            n = len - at;
        if ((kind & STEP_KIND_MASK) == STEP_SEND)
            step_send(h, arg, data + at, n);
        else
            step_frame(h, kind, arg, data + at, n);
        at += n;
        poll_timers(h, h->s->net.now_us); /* what is due at once */
    }
}

FUZZ_TARGET(net)
{
    struct fuzz_host h = {0};
    const struct net_env env = {.up = &upcalls, .output = fuzz_output};
    void *mem =
        mmap(NULL, FUZZ_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct arena *a;
    size_t before;

    FUZZ_CHECK(mem != MAP_FAILED);
    a = arena_init(mem, FUZZ_ARENA_BYTES, 0);
    arena_watch(a, true);
    before = arena_stats(a).used_bytes;
    host_start(&h, a, &env);
    run(&h, a, data, len);
    arena_fail_at(a, 0);
    check_queues(&h);
    udp_fini(&h.s->udp);
    net_fini(&h.s->net);
    FUZZ_CHECK(h.s->net.timers.count == 0);
    arena_free(a, h.s, sizeof(*h.s));
    FUZZ_CHECK(arena_stats(a).used_bytes == before);
    FUZZ_CHECK(arena_stats(a).misuses == 0);
    arena_watch(a, false);
    munmap(mem, FUZZ_ARENA_BYTES);
    return 0;
}
