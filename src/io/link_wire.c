/*
 * The wire: theory of operation
 *
 *     stack A --output--> cut, finish --> rate and queue --> impairments --.
 *                                                                          v
 *     stack B <--stack_input-- all frames due at one time, one entry <-- heap by time
 *
 * Time is virtual. link_wire_step() goes to the next event, whichever comes first: an arrival or
 * the deadline of a stack. All that happens to one stack at one moment happens in one entry: frames
 * in their order, then timers, then what the batch made due.
 *
 * Frames are copied into the heap. Unicast frames go to the port that has the address, all others
 * to every port but the sender's.
 */
#include "io/link_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

#define QUEUE_BYTES_DEFAULT (256u << 10)
#define CORRUPT_BITS        15 /* a longer run may cancel out in a ones' complement sum */

struct link_wire_frame {
    uint64_t at_us, order;
    struct link_wire_port *to;
    size_t len;
    uint32_t flags; /* enum frame_in_flag */
    uint16_t gso_size;
    uint8_t data[];
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- heap ---- */

static bool before(const struct link_wire_frame *a, const struct link_wire_frame *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_push(struct link_wire *w, struct link_wire_frame *f)
{
    if (w->nheap == w->heap_room) {
        w->heap_room = w->heap_room ? w->heap_room * 2 : 64;
        w->heap = must(realloc(w->heap, w->heap_room * sizeof(*w->heap)));
    }
    size_t i = w->nheap++;
    for (; i > 0 && before(f, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = f;
}

static struct link_wire_frame *heap_pop(struct link_wire *w)
{
    struct link_wire_frame *top = w->heap[0], *last = w->heap[--w->nheap];
    size_t i = 0;
    for (size_t child; (child = i * 2 + 1) < w->nheap; i = child) {
        if (child + 1 < w->nheap && before(w->heap[child + 1], w->heap[child]))
            child++;
        if (!before(w->heap[child], last))
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

/* ---- life ---- */

void link_wire_init(struct link_wire *w, uint64_t seed, uint64_t start_us)
{
    memset(w, 0, sizeof(*w));
    w->now_us = start_us;
    rng_seed(&w->rng, seed);
}

void link_wire_fini(struct link_wire *w)
{
    for (size_t i = 0; i < w->nheap; i++)
        free(w->heap[i]);
    for (size_t i = 0; i < w->nports; i++)
        free(w->ports[i]);
    free(w->heap);
    free(w->ports);
    memset(w, 0, sizeof(*w));
}

/* ---- one frame, finished and of its final size ---- */

static bool chance(struct link_wire *w, uint32_t ppm)
{
    return ppm > 0 && rng_below(&w->rng, 1000000) < ppm;
}

static uint64_t upto(struct link_wire *w, uint64_t us)
{
    return us ? rng_below(&w->rng, (uint32_t)(us < UINT32_MAX ? us + 1 : UINT32_MAX)) : 0;
}

static void arrive(struct link_wire_port *to, const struct link_wire_frame *f, uint64_t at_us)
{
    struct link_wire *w = to->wire;
    struct link_wire_frame *copy = must(malloc(sizeof(*copy) + f->len));
    memcpy(copy, f, sizeof(*copy) + f->len);
    copy->to = to;
    copy->at_us = at_us;
    copy->order = w->next_order++;
    heap_push(w, copy);
}

static void broadcast(struct link_wire_port *from, const struct link_wire_frame *f, uint64_t at_us)
{
    struct link_wire *w = from->wire;
    struct eth_hdr eth;
    bool parsed = eth_parse(f->data, f->len, &eth) == 0;
    for (size_t i = 0; i < w->nports; i++) {
        struct link_wire_port *to = w->ports[i];
        if (to == from)
            continue;
        if (!parsed || mac_is_multicast(&eth.dst) || mac_eq(&eth.dst, &to->link.nif->mac))
            arrive(to, f, at_us);
    }
}

static bool lost(struct link_wire_port *p)
{
    struct link_wire *w = p->wire;
    if (p->burst_left > 0) {
        p->burst_left--;
        return true;
    }
    if (chance(w, p->impair.burst_ppm)) {
        p->burst_left = p->impair.burst_frames;
        return true;
    }
    return chance(w, p->impair.loss_ppm);
}

/* Flips a run of bits of an IP packet. The link header and ARP carry no checksum of their own on
 * this wire, so they stay as they are. */
static void corrupt(struct link_wire_port *p, struct link_wire_frame *f)
{
    struct link_wire *w = p->wire;
    struct eth_hdr eth;
    if (f->flags & FRAME_CSUM_UNFINISHED || eth_parse(f->data, f->len, &eth) < 0 ||
        eth.type == ETHTYPE_ARP || f->len <= eth.hdr_bytes)
        return;
    uint32_t bits = (uint32_t)(f->len - eth.hdr_bytes) * 8;
    uint32_t first = rng_below(&w->rng, bits), n = 1 + rng_below(&w->rng, CORRUPT_BITS);
    for (uint32_t i = first; i < first + n && i < bits; i++) {
        bool ends = i == first || i == first + n - 1;
        if (ends || rng_below(&w->rng, 2))
            f->data[eth.hdr_bytes + i / 8] ^= (uint8_t)(0x80 >> i % 8);
    }
    p->stats.corrupted++;
}

/* Marks an ECN-capable packet as having met congestion. */
static void mark(struct link_wire_port *p, struct link_wire_frame *f)
{
    struct eth_hdr eth;
    struct ipv4_hdr ip;
    if (eth_parse(f->data, f->len, &eth) < 0 || eth.type != ETHTYPE_IPV4 ||
        ipv4_parse(f->data + eth.hdr_bytes, f->len - eth.hdr_bytes, &ip) < 0 ||
        ip.hdr_bytes != IPV4_HDR_MIN || !(ip.tos & 3) || (ip.tos & 3) == 3)
        return;
    ip.tos |= 3;
    ipv4_emit(&ip, f->data + eth.hdr_bytes);
    p->stats.marked++;
}

/* When the frame has left the port; TIMER_NEVER: the queue is full. */
static uint64_t queue(struct link_wire_port *p, size_t len)
{
    struct link_wire *w = p->wire;
    const struct link_wire_impair *im = &p->impair;
    if (!im->rate_bps)
        return w->now_us;
    if (p->busy_until_us < w->now_us)
        p->busy_until_us = w->now_us;
    uint64_t waiting = (p->busy_until_us - w->now_us) * im->rate_bps / 8000000;
    if (waiting + len > (im->queue_bytes ? im->queue_bytes : QUEUE_BYTES_DEFAULT))
        return TIMER_NEVER;
    p->busy_until_us += (len * 8000000 + im->rate_bps - 1) / im->rate_bps;
    return p->busy_until_us;
}

/* The router's answer to a packet that is too large (RFC 1191 4), sent to p itself. */
static void refuse(struct link_wire_port *p, const struct link_wire_frame *f,
                   const struct ipv4_hdr *ip)
{
    const uint8_t *packet = f->data + ETH_HDR_BYTES;
    size_t quoted = ip->hdr_bytes + 8u;
    size_t len = ETH_HDR_BYTES + IPV4_HDR_MIN + ICMP_HDR_BYTES + quoted;
    struct link_wire_frame *answer = must(calloc(1, sizeof(*answer) + len));
    struct eth_hdr eth = {.src = p->link.nif->mac, .dst = p->link.nif->mac, .type = ETHTYPE_IPV4};
    struct ipv4_hdr back = {.src = ip->dst,
                            .dst = ip->src,
                            .total_bytes = (uint16_t)(len - ETH_HDR_BYTES),
                            .ttl = 60,
                            .proto = IPPROTO_NUM_ICMP,
                            .hdr_bytes = IPV4_HDR_MIN};
    struct icmp_hdr icmp = {.type = ICMP_UNREACHABLE,
                            .code = ICMP_UNREACH_FRAG_NEEDED,
                            .seq = (uint16_t)p->impair.path_mtu};
    uint8_t *out = answer->data;

    answer->len = len;
    eth.src.b[5] ^= 0x80; /* the router's */
    out += eth_emit(&eth, out);
    out += ipv4_emit(&back, out);
    out += icmp_emit(&icmp, packet, quoted, out);
    memcpy(out, packet, quoted);
    arrive(p, answer, p->wire->now_us + p->impair.delay_us);
    free(answer);
    p->stats.too_big++;
}

/* Does the router on the way take the packet? */
static bool routed(struct link_wire_port *p, const struct link_wire_frame *f)
{
    struct ipv4_hdr ip;

    if (!p->impair.path_mtu || f->len <= ETH_HDR_BYTES + p->impair.path_mtu || f->gso_size ||
        ipv4_parse(f->data + ETH_HDR_BYTES, f->len - ETH_HDR_BYTES, &ip) < 0 || !ip.df ||
        ip.total_bytes <= p->impair.path_mtu)
        return true;
    if (p->impair.path_silent)
        p->stats.too_big++;
    else
        refuse(p, f, &ip);
    return false;
}

static int transmit(struct link_wire_port *p, struct link_wire_frame *f)
{
    struct link_wire *w = p->wire;
    const struct link_wire_impair *im = &p->impair;
    p->stats.sent++;
    p->stats.sent_bytes += f->len;
    if (w->filter && !w->filter(w->arg, p, f->data, f->len)) {
        p->stats.dropped++;
        return 0;
    }
    uint64_t at = queue(p, f->len);
    if (at == TIMER_NEVER) {
        p->stats.dropped++;
        return im->queue_refuses ? -ENOBUFS : 0;
    }
    if (lost(p)) {
        p->stats.dropped++;
        return 0;
    }
    if (!routed(p, f))
        return 0;
    at += im->delay_us + upto(w, im->jitter_us);
    if (at < p->last_at_us)
        at = p->last_at_us;
    p->last_at_us = at;
    if (chance(w, im->reorder_ppm)) {
        at += upto(w, im->reorder_us);
        p->stats.reordered++;
    }
    if (im->coalesce_us)
        at += im->coalesce_us - at % im->coalesce_us;
    if (chance(w, im->mark_ppm))
        mark(p, f);
    if (chance(w, im->duplicate_ppm)) {
        broadcast(p, f, at + upto(w, im->delay_us));
        p->stats.duplicated++;
    }
    if (chance(w, im->corrupt_ppm))
        corrupt(p, f);
    broadcast(p, f, at);
    return 0;
}

/* ---- super-frames and unfinished checksums: what a device does ---- */

/* Finishes the transport checksum of the IPv4 packet in f: over all from start on, of which the
 * pseudo-header's sum is already in the field. */
static void finish(struct link_wire_frame *f, size_t start, size_t offset)
{
    uint16_t sum = csum(f->data + start, f->len - start);
    put_be16(f->data + start + offset, sum ? sum : 0xffff);
    f->flags &= ~(uint32_t)FRAME_CSUM_UNFINISHED;
}

/* Sends the segment of super that starts at payload byte at. */
static int send_segment(struct link_wire_port *p, const struct link_wire_frame *super,
                        const struct frame *of, size_t at, size_t len, unsigned number)
{
    size_t l4 = of->csum_start, head = l4 + of->l4_bytes;
    bool first = at == 0, last = head + at + len == super->len;
    struct link_wire_frame *f = must(malloc(sizeof(*f) + head + len));
    struct ipv4_hdr ip;
    struct csum c = {0};
    *f = (struct link_wire_frame){.len = head + len};
    memcpy(f->data, super->data, head);
    memcpy(f->data + head, super->data + head + at, len);
    if (ipv4_parse(super->data + ETH_HDR_BYTES, super->len - ETH_HDR_BYTES, &ip) < 0)
        abort();
    ip.total_bytes = (uint16_t)(f->len - ETH_HDR_BYTES);
    ip.id = (uint16_t)(ip.id + number);
    ipv4_emit(&ip, f->data + ETH_HDR_BYTES);
    put_be32(f->data + l4 + 4, get_be32(f->data + l4 + 4) + (uint32_t)at);
    if (!last)
        f->data[l4 + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (!first)
        f->data[l4 + 13] &= (uint8_t)~TCP_CWR;
    put_be16(f->data + l4 + of->csum_offset, 0);
    struct ip_addr src = addr_v4(ip.src), dst = addr_v4(ip.dst);
    csum_add_pseudo(&c, &src, &dst, ip.proto, (uint32_t)(f->len - l4));
    csum_add(&c, f->data + l4, f->len - l4);
    put_be16(f->data + l4 + of->csum_offset, csum_finish(&c));
    int r = transmit(p, f);
    free(f);
    return r;
}

/* -ENOBUFS only when nothing of it was sent, for then the sender takes it for lost. */
static int send_cut(struct link_wire_port *p, const struct link_wire_frame *super,
                    const struct frame *of)
{
    size_t payload = super->len - of->csum_start - of->l4_bytes, at = 0;
    for (unsigned i = 0; at < payload; i++) {
        size_t n = payload - at < of->gso_size ? payload - at : of->gso_size;
        int r = send_segment(p, super, of, at, n, i);
        if (r < 0)
            return i > 0 ? 0 : r;
        at += n;
    }
    return 0;
}

static int wire_output(struct link *l, const struct frame *f)
{
    struct link_wire_port *p = container_of(l, struct link_wire_port, link);
    size_t len = frame_bytes(f), at = frame_head_bytes(f);
    struct link_wire_frame *copy = must(malloc(sizeof(*copy) + len));
    int r;
    *copy = (struct link_wire_frame){.len = len, .gso_size = f->gso_size};
    memcpy(copy->data, f->head + f->head_at, at);
    for (unsigned i = 0; i < f->nbody; i++) {
        memcpy(copy->data + at, f->body[i].iov_base, f->body[i].iov_len);
        at += f->body[i].iov_len;
    }
    if (f->csum_start)
        copy->flags = FRAME_CSUM_UNFINISHED;
    if (f->csum_start && !p->impair.whole && !f->gso_size)
        finish(copy, f->csum_start, f->csum_offset);
    if (f->gso_size && !p->impair.whole)
        r = send_cut(p, copy, f);
    else
        r = transmit(p, copy);
    free(copy);
    return r;
}

static const struct link_ops wire_ops = {.name = "wire", .output = wire_output};

static int env_output(void *ctx, struct netif *nif, const struct frame *f)
{
    struct link_wire_port *p = ctx;
    return nif == p->link.nif ? p->link.ops->output(&p->link, f) : -ENETDOWN;
}

struct link_wire_port *link_wire_attach(struct link_wire *w, struct stack *st, struct netif *nif,
                                        const struct link_wire_impair *impair)
{
    struct link_wire_port *p = must(calloc(1, sizeof(*p)));
    p->link = (struct link){.ops = &wire_ops, .nif = nif, .rx_fd = -1, .tx_fd = -1};
    p->wire = w;
    p->stack = st;
    p->env = (struct net_env){.output = env_output, .ctx = p};
    p->impair = *impair;
    w->ports = must(realloc(w->ports, (w->nports + 1) * sizeof(struct link_wire_port *)));
    w->ports[w->nports++] = p;
    return p;
}

void link_wire_inject(struct link_wire_port *p, const void *data, size_t len)
{
    struct link_wire_frame *f = must(malloc(sizeof(*f) + len));
    *f = (struct link_wire_frame){.len = len};
    memcpy(f->data, data, len);
    broadcast(p, f, p->wire->now_us + p->impair.delay_us);
    free(f);
}

/* ---- time ---- */

struct stack *link_wire_enter(struct link_wire_port *p)
{
    stack_enter(p->stack, p->wire->now_us, &p->env);
    return p->stack;
}

void link_wire_leave(struct link_wire_port *p)
{
    stack_leave(p->stack);
}

uint64_t link_wire_next(const struct link_wire *w)
{
    uint64_t next = w->nheap > 0 ? w->heap[0]->at_us : TIMER_NEVER;
    for (size_t i = 0; i < w->nports; i++) {
        uint64_t t = stack_next_deadline(w->ports[i]->stack);
        next = t < next ? t : next;
    }
    return next;
}

static void deliver(struct link_wire_port *p, struct link_wire_frame *f)
{
    struct frame_in in = {
        .data = f->data, .len = f->len, .flags = f->flags, .gso_size = f->gso_size};
    stack_input(p->stack, p->link.nif, &in);
    p->stats.delivered++;
}

bool link_wire_step(struct link_wire *w, uint64_t until_us)
{
    uint64_t next = link_wire_next(w);
    if (next > until_us || next == TIMER_NEVER) {
        if (until_us != TIMER_NEVER && until_us > w->now_us)
            w->now_us = until_us;
        return false;
    }
    if (next > w->now_us)
        w->now_us = next;
    w->events++;
    while (w->nheap > 0 && w->heap[0]->at_us <= w->now_us) {
        struct link_wire_port *p = w->heap[0]->to;
        link_wire_enter(p);
        while (w->nheap > 0 && w->heap[0]->at_us <= w->now_us && w->heap[0]->to == p) {
            struct link_wire_frame *f = heap_pop(w);
            deliver(p, f);
            free(f);
        }
        link_wire_leave(p);
    }
    for (size_t i = 0; i < w->nports; i++) {
        struct link_wire_port *p = w->ports[i];
        if (stack_next_deadline(p->stack) > w->now_us)
            continue;
        link_wire_enter(p);
        stack_poll(p->stack);
        link_wire_leave(p);
    }
    if (w->after)
        w->after(w->arg, w);
    return true;
}

void link_wire_run(struct link_wire *w, uint64_t until_us)
{
    while (link_wire_step(w, until_us))
        ;
}
