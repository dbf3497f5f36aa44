/* Unit tests of the IP layer and of UDP: what they share. */
#include "test_net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const struct mac our_mac = {{2, 0, 0, 0, 0, 1}};
const struct mac peer_mac = {{2, 0, 0, 0, 0, 2}};
const struct mac other_mac = {{2, 0, 0, 0, 0, 3}};
const struct mac broadcast_mac = {{255, 255, 255, 255, 255, 255}};

#define ARENA_BYTES (64u << 20)

/* ---- the host's surroundings ---- */

static struct host *host_of(struct net *net)
{
    return net->env->ctx;
}

static void sent_decode(struct sent *s)
{
    const uint8_t *p = s->data;
    size_t len = s->len;

    if (s->nif->type == NETIF_ETHERNET) {
        ck_assert_int_eq(eth_parse(p, len, &s->eth), 0);
        ck_assert(mac_eq(&s->eth.src, &s->nif->mac));
        p += ETH_HDR_BYTES;
        len -= ETH_HDR_BYTES;
        if (s->eth.type == ETHTYPE_ARP) {
            ck_assert_uint_eq(len, ARP_BYTES);
            ck_assert_int_eq(arp_parse(p, len, &s->arp), 0);
            return;
        }
        ck_assert_uint_eq(s->eth.type, ETHTYPE_IPV4);
    }
    ck_assert_int_eq(ipv4_parse(p, len, &s->ip), 0);
    ck_assert_uint_eq(s->ip.total_bytes, len);
    s->l4 = p + s->ip.hdr_bytes;
    s->l4_len = len - s->ip.hdr_bytes;
}

static int link_output(void *ctx, struct netif *nif, const struct frame *f)
{
    struct host *h = ctx;
    struct sent *s;
    uint8_t *at;

    if (h->link_error)
        return h->link_error;
    s = calloc(1, sizeof(*s) + frame_bytes(f));
    ck_assert(s != NULL);
    s->nif = nif;
    s->gso_size = f->gso_size;
    s->csum_start = f->csum_start;
    s->csum_offset = f->csum_offset;
    s->l4_bytes = f->l4_bytes;
    s->len = frame_bytes(f);
    memcpy(s->data, f->head + f->head_at, frame_head_bytes(f));
    at = s->data + frame_head_bytes(f);
    ck_assert_uint_le(f->nbody, FRAME_BODY_MAX);
    for (uint8_t i = 0; i < f->nbody; i++) {
        ck_assert_uint_gt(f->body[i].iov_len, 0);
        memcpy(at, f->body[i].iov_base, f->body[i].iov_len);
        at += f->body[i].iov_len;
    }
    sent_decode(s);
    *h->last = s;
    h->last = &s->next;
    h->sent_count++;
    return 0;
}

static void trace(void *ctx, const struct trace_event *ev)
{
    struct host *h = ctx;

    ck_assert_uint_eq(ev->now_us, h->net->now_us);
    if (ev->kind == TRACE_FRAME_IN)
        h->traced_in++;
    else if (ev->kind == TRACE_FRAME_OUT)
        h->traced_out++;
}

static void up_tcp_input(struct net *net, const struct ip_packet *pkt)
{
    struct host *h = host_of(net);

    h->tcp_packets++;
    h->tcp_packet->pkt = *pkt;
    h->tcp_packet->to_borrowed = pkt->to && pkt->to->borrowed;
    memcpy(h->tcp_packet->payload, pkt->payload, pkt->len);
    h->tcp_packet->pkt.payload = h->tcp_packet->payload;
}

static void up_tcp_icmp_error(struct net *net, const struct icmp_error *e)
{
    struct host *h = host_of(net);

    h->tcp_errors++;
    h->tcp_error->e = *e;
    ck_assert_uint_ge(e->l4_len, 8);
    memcpy(h->tcp_error->l4, e->l4, e->l4_len);
    h->tcp_error->e.l4 = h->tcp_error->l4;
    if (h->on_tcp_error)
        h->on_tcp_error(h);
}

static void up_udp_input(struct net *net, const struct ip_packet *pkt)
{
    udp_input(&container_of(net, struct test_stack, net)->udp, pkt);
}

static void up_udp_icmp_error(struct net *net, const struct icmp_error *e)
{
    udp_icmp_error(&container_of(net, struct test_stack, net)->udp, e);
}

static void up_sock_ready(struct net *net, void *owner, uint32_t mask)
{
    struct host *h = host_of(net);

    ck_assert_uint_ne(mask, 0);
    h->ready++;
    h->ready_owner = owner;
    h->ready_mask = mask;
}

static const struct net_upcalls upcalls = {
    .tcp_input = up_tcp_input,
    .udp_input = up_udp_input,
    .tcp_icmp_error = up_tcp_icmp_error,
    .udp_icmp_error = up_udp_icmp_error,
    .sock_ready = up_sock_ready,
};

/* ---- the host ---- */

void host_start(struct host *h, size_t arena_bytes)
{
    memset(h, 0, sizeof(*h));
    h->mem_bytes = arena_bytes ? arena_bytes : ARENA_BYTES;
    h->mem = mmap(NULL, h->mem_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert(h->mem != MAP_FAILED);
    h->arena = arena_init(h->mem, h->mem_bytes, 0);
    arena_watch(h->arena, true);
    ck_assert(h->arena != NULL);
    h->fresh_bytes = host_used(h);
    h->tcp_packet = calloc(1, sizeof(*h->tcp_packet));
    h->tcp_error = calloc(1, sizeof(*h->tcp_error));
    h->last = &h->first;
    h->stack = arena_zalloc(h->arena, sizeof(*h->stack));
    ck_assert(h->stack != NULL && h->tcp_packet != NULL && h->tcp_error != NULL);
    h->net = &h->stack->net;
    h->udp = &h->stack->udp;
    h->env = (struct net_env){.up = &upcalls, .output = link_output, .trace = trace, .ctx = h};
    h->net->env = &h->env;
    h->net->now_us = 1000 * SECOND;
    ck_assert_int_eq(net_init(h->net, h->arena, 42), 0);
    ck_assert_int_eq(udp_init(h->udp, h->net), 0);
}

void host_start_ready(struct host *h)
{
    host_start(h, 0);
    h->nif = host_add_netif(h, 1, NETIF_ETHERNET, 1500);
    host_add_addr(h, h->nif, US, 24);
    host_add_default_route(h, ROUTER, h->nif);
    host_pass(h, 10 * SECOND);
    host_forget_sent(h);
}

void host_start_borrowed(struct host *h)
{
    struct ip_addr us = addr_v4(US);

    host_start(h, 0);
    h->nif = host_add_netif(h, 1, NETIF_ETHERNET, 1500);
    ck_assert_int_eq(netif_add_addr(h->net, h->nif, &us, 24, true, false), 0);
    host_add_default_route(h, ROUTER, h->nif);
    host_pass(h, 10 * SECOND);
    host_expect_nothing(h);
}

size_t host_used(const struct host *h)
{
    return arena_stats(h->arena).used_bytes;
}

void host_end(struct host *h)
{
    host_forget_sent(h);
    udp_fini(h->udp);
    net_fini(h->net);
    ck_assert_uint_eq(h->net->timers.count, 0);
    arena_free(h->arena, h->stack, sizeof(*h->stack));
    ck_assert_uint_eq(host_used(h), h->fresh_bytes);
    arena_watch(h->arena, false);
    munmap(h->mem, h->mem_bytes);
    free(h->tcp_packet);
    free(h->tcp_error);
}

struct netif *host_add_netif(struct host *h, uint32_t index, enum netif_type type, uint32_t mtu)
{
    struct netif desc = {.index = index, .type = type, .mac = our_mac, .mtu = mtu, .up = true};
    struct netif *nif;

    desc.name[0] = 't';
    desc.name[1] = (char)('0' + index);
    desc.mac.b[4] = (uint8_t)(index - 1);
    nif = netif_add(h->net, &desc);
    ck_assert(nif != NULL);
    return nif;
}

void host_add_addr(struct host *h, struct netif *nif, uint32_t v4, uint8_t prefix_len)
{
    struct ip_addr a = addr_v4(v4);

    ck_assert_int_eq(netif_add_addr(h->net, nif, &a, prefix_len, false, false), 0);
}

void host_add_default_route(struct host *h, uint32_t gateway, struct netif *nif)
{
    const struct route r = {
        .dst = addr_any4(), .gateway = addr_v4(gateway), .src = addr_any4(), .nif = nif};

    ck_assert_int_eq(route_add(h->net, &r), 0);
}

void host_poll(struct host *h)
{
    struct timer *t;

    while ((t = timers_pop_due(&h->net->timers, h->net->now_us))) {
        ck_assert_uint_eq(t->kind & TIMER_LAYER_MASK, TIMER_LAYER_NET);
        net_timer(h->net, t);
    }
}

void host_pass(struct host *h, uint64_t us)
{
    uint64_t end = h->net->now_us + us;

    while (timers_next(&h->net->timers) <= end) {
        if (timers_next(&h->net->timers) > h->net->now_us)
            h->net->now_us = timers_next(&h->net->timers);
        host_poll(h);
    }
    h->net->now_us = end;
}

/* ---- frames out ---- */

struct sent *host_take(struct host *h)
{
    struct sent *s = h->first;

    ck_assert_msg(s != NULL, "nothing was sent");
    h->first = s->next;
    if (!h->first)
        h->last = &h->first;
    h->sent_count--;
    return s;
}

struct sent *host_take_arp(struct host *h, uint16_t op)
{
    struct sent *s = host_take(h);

    ck_assert_uint_eq(s->eth.type, ETHTYPE_ARP);
    ck_assert_uint_eq(s->arp.op, op);
    return s;
}

struct sent *host_take_ip(struct host *h, uint8_t proto)
{
    struct sent *s = host_take(h);

    ck_assert_msg(s->l4 != NULL, "not an IP packet");
    ck_assert_uint_eq(s->ip.proto, proto);
    return s;
}

void host_expect_nothing(const struct host *h)
{
    ck_assert_msg(h->first == NULL, "%u frames were sent", h->sent_count);
}

void host_forget_sent(struct host *h)
{
    while (h->first)
        free(host_take(h));
}

/* ---- frames in ---- */

void host_input(struct host *h, struct netif *nif, const void *frame, size_t len, uint32_t flags,
                uint16_t gso_size)
{
    uint8_t *copy = malloc(len ? len : 1);
    const struct frame_in in = {.data = copy, .len = len, .flags = flags, .gso_size = gso_size};

    ck_assert(copy != NULL);
    if (len)
        memcpy(copy, frame, len);
    net_input(h->net, nif, &in);
    free(copy);
}

void host_input_arp(struct host *h, const struct mac *dst, const struct arp *a)
{
    const struct eth_hdr eth = {.dst = *dst, .src = a->sha, .type = ETHTYPE_ARP};
    uint8_t p[60] = {0};

    eth_emit(&eth, p);
    arp_emit(a, p + ETH_HDR_BYTES);
    host_input(h, h->nif, p, sizeof(p), 0, 0);
}

void host_input_arp_reply(struct host *h, uint32_t spa, const struct mac *sha)
{
    const struct arp a = {.op = ARP_REPLY, .sha = *sha, .spa = spa, .tha = our_mac, .tpa = US};

    host_input_arp(h, &our_mac, &a);
}

void host_know(struct host *h, uint32_t v4, const struct mac *mac)
{
    struct ip_addr addr = addr_v4(v4);

    neighbour_learn(h->net, h->nif, &addr, mac, false, true);
    neighbour_confirm(h->net, h->nif, &addr);
}

uint16_t slow_checksum(uint32_t src, uint32_t dst, uint8_t proto, const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    if (src)
        sum = (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + proto + (uint32_t)len;
    for (size_t i = 0; i < len; i += 2) {
        sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

size_t build_ip(const struct in_ip *ip, const void *payload, size_t len, uint8_t *out)
{
    size_t hdr = 20 + (size_t)ip->options_bytes;
    uint16_t sum;

    memset(out, 0, hdr);
    out[0] = (uint8_t)(0x40 | hdr / 4);
    out[1] = ip->tos;
    put_be16(out + 2, (uint16_t)(hdr + len));
    put_be16(out + 4, ip->id);
    put_be16(out + 6,
             (uint16_t)((ip->df ? 0x4000 : 0) | (ip->mf ? 0x2000 : 0) | ip->frag_offset / 8));
    out[8] = ip->ttl ? ip->ttl : 64;
    out[9] = ip->proto;
    put_be32(out + 12, ip->src ? ip->src : PEER);
    put_be32(out + 16, ip->dst ? ip->dst : US);
    memcpy(out + 20, ip->options, ip->options_bytes);
    sum = slow_checksum(0, 0, 0, out, hdr);
    put_be16(out + 10, sum);
    if (len)
        memcpy(out + hdr, payload, len);
    return hdr + len;
}

void host_input_ip(struct host *h, const struct in_ip *ip, const void *payload, size_t len)
{
    static uint8_t p[ETH_HDR_BYTES + 65536 + 64];
    const struct netif *nif = ip->nif ? ip->nif : h->nif;
    const struct eth_hdr eth = {
        .dst = ip->link_dst ? *ip->link_dst : nif->mac, .src = peer_mac, .type = ETHTYPE_IPV4};
    size_t at = nif->type == NETIF_ETHERNET ? eth_emit(&eth, p) : 0;

    at += build_ip(ip, payload, len, p + at);
    host_input(h, ip->nif ? ip->nif : h->nif, p, at, ip->flags, ip->gso_size);
}

size_t build_udp(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, const void *data,
                 size_t len, uint8_t *out)
{
    uint16_t sum;

    put_be16(out, sport);
    put_be16(out + 2, dport);
    put_be16(out + 4, (uint16_t)(8 + len));
    put_be16(out + 6, 0);
    if (len)
        memcpy(out + 8, data, len);
    sum = slow_checksum(src, dst, 17, out, 8 + len);
    put_be16(out + 6, sum ? sum : 0xffff);
    return 8 + len;
}

void host_input_udp(struct host *h, const struct in_ip *ip, uint16_t sport, uint16_t dport,
                    const void *data, size_t len)
{
    static uint8_t p[65536];
    struct in_ip with = *ip;

    with.proto = 17;
    len = build_udp(ip->src ? ip->src : PEER, ip->dst ? ip->dst : US, sport, dport, data, len, p);
    host_input_ip(h, &with, p, len);
}

void host_input_icmp(struct host *h, const struct in_ip *ip, uint8_t type, uint8_t code,
                     uint16_t id, uint16_t seq, const void *body, size_t len)
{
    static uint8_t p[65536];
    struct in_ip with = *ip;

    with.proto = 1;
    p[0] = type;
    p[1] = code;
    put_be16(p + 2, 0);
    put_be16(p + 4, id);
    put_be16(p + 6, seq);
    if (len)
        memcpy(p + 8, body, len);
    put_be16(p + 2, slow_checksum(0, 0, 0, p, 8 + len));
    host_input_ip(h, &with, p, 8 + len);
}

/* ---- small things ---- */

uint32_t test_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

void fill_pattern(uint8_t *p, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

struct endpoint ep(uint32_t v4, uint16_t port)
{
    return (struct endpoint){.addr = addr_v4(v4), .port = port};
}

struct udp_pcb *host_udp(struct host *h, uint32_t local, uint16_t port)
{
    struct udp_pcb *pcb = udp_open(h->udp, NULL);
    struct endpoint at = ep(local, port);

    ck_assert(pcb != NULL);
    pcb->owner = pcb;
    ck_assert_int_eq(udp_bind(h->udp, pcb, &at), 0);
    return pcb;
}

ssize_t host_udp_send(struct host *h, struct udp_pcb *pcb, uint32_t to, uint16_t port,
                      const void *data, size_t len)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct endpoint e = ep(to, port);

    return udp_send(h->udp, pcb, to ? &e : NULL, &iov, 1, len, NULL, NULL);
}

int host_ip_send(struct host *h, uint32_t dst, uint8_t proto, const void *payload, size_t len,
                 bool df)
{
    struct ip_addr to = addr_v4(dst), any = addr_any4();
    struct ip_path path;
    struct ip_tx tx = {.path = &path, .proto = proto, .ttl = 64, .df = df};
    struct frame f;
    int err = path_lookup(h->net, &to, &any, NULL, &path);

    if (err < 0)
        return err;
    frame_init(&f);
    if (len)
        frame_add(&f, payload, len);
    return ip_output(h->net, &tx, &f, 0);
}

static TCase *(*const tests[])(void) = {
    test_net_net,       test_net_netif,      test_net_route,     test_net_path,
    test_net_neighbour, test_net_acd,        test_net_ip_output, test_net_ip_loop,
    test_net_ip_input,  test_net_reassembly, test_net_icmp,      test_net_udp,
    test_net_udp_demux, test_net_udp_output, test_net_udp_input, test_net_memory,
    test_net_repair,
};

int main(void)
{
    Suite *s = suite_create("net");
    SRunner *r;
    int failed;

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        TCase *tc = tests[i]();

        tcase_set_timeout(tc, 60); /* for sanitizers on a busy machine */
        suite_add_tcase(s, tc);
    }
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
