/*
 * TCP Fast Open (RFC 7413): text in the SYN.
 *
 * Client. A cookie that a server gave once lets text go with the SYN. Cookies are kept for each
 * pair of addresses, at most 1024 of them, the one used longest ago going first. Without one the
 * SYN asks for one. What the SYN,ACK does not acknowledge of the text counts as never sent, and
 * follows at once. The option, and text, are on the first SYN only: one that is sent again is plain
 * (4.2.1). When it looks as if the option or the text got the SYN lost, Fast Open is not tried with
 * this peer again for a time that doubles from a minute on (4.1.3).
 *
 * Server. A listener that was given a queue for it (TCP_FASTOPEN) hands out cookies, keyed hashes
 * of both addresses, and takes text that comes with one: the child goes to the accept queue at
 * once, in SYN_RECEIVED, and may be read from and written to. Such children are counted until their
 * handshake is done, and no more than the queue's length are taken (5.1); those that a RST ended
 * count on for a minute or two, for that is what a victim of forged SYNs answers with.
 */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

#define COOKIE_BYTES   8u
#define PEERS_MAX      1024u
#define LOSS_PAUSE_US  60000000u
#define LOSS_SHIFT_MAX 10u
#define RST_PERIOD_US  60000000u

/* What is known of a server. */
struct tcp_fastopen_peer {
    struct hash_node node;
    struct list on_lru; /* tcp->fastopen_lru, used longest ago first */
    struct ip_addr local, remote;
    uint64_t lost_at_us;
    uint16_t mss; /* of its SYN,ACK; 0: unknown */
    uint8_t losses;
    uint8_t len; /* of its cookie; 0: none yet */
    uint8_t cookie[16];
};

/* Of a listener; children that it has made hold on to it. */
struct tcp_fastopen {
    uint32_t refs; /* the listener and the children */
    uint32_t most; /* length of the queue; 0: off */
    uint32_t len;  /* children whose handshake is not done */
    uint32_t resets[2];
    uint64_t period;            /* RST_PERIOD_US that resets[0] counts; [1]: the one before */
    uint8_t nkeys;              /* 0: the stack's own */
    struct siphash_key keys[2]; /* the second is still good */
};

int tcp_fastopen_init(struct tcp *tcp)
{
    slab_init(&tcp->fastopens, tcp->net->arena, sizeof(struct tcp_fastopen));
    slab_init(&tcp->fastopen_peers, tcp->net->arena, sizeof(struct tcp_fastopen_peer));
    list_init(&tcp->fastopen_lru);
    return hash_init(&tcp->fastopen_cache, tcp->net->arena, 16) ? 0 : -ENOMEM;
}

void tcp_fastopen_fini(struct tcp *tcp)
{
    struct list *n;

    while ((n = list_pop(&tcp->fastopen_lru)))
        slab_free(&tcp->fastopen_peers, container_of(n, struct tcp_fastopen_peer, on_lru));
    hash_destroy(&tcp->fastopen_cache);
}

/* ---- the client's cache ---- */

static uint64_t peer_hash(const struct tcp *tcp, const struct tcp_pcb *pcb)
{
    uint8_t key[32];

    memcpy(key, pcb->local.addr.b, 16);
    memcpy(key + 16, pcb->remote.addr.b, 16);
    return siphash(&tcp->net->key, key, sizeof(key));
}

static struct tcp_fastopen_peer *peer_find(struct tcp *tcp, const struct tcp_pcb *pcb)
{
    uint64_t hash = peer_hash(tcp, pcb);

    for (struct hash_node *n = hash_first(&tcp->fastopen_cache, hash); n; n = hash_next(n, hash)) {
        struct tcp_fastopen_peer *p = container_of(n, struct tcp_fastopen_peer, node);

        if (addr_eq(&p->local, &pcb->local.addr) && addr_eq(&p->remote, &pcb->remote.addr)) {
            list_remove(&p->on_lru);
            list_push(&tcp->fastopen_lru, &p->on_lru);
            return p;
        }
    }
    return NULL;
}

/* The same, made if there is none; NULL: no memory, and no harm. */
static struct tcp_fastopen_peer *peer_get(struct tcp *tcp, const struct tcp_pcb *pcb)
{
    struct tcp_fastopen_peer *p = peer_find(tcp, pcb);
    bool full = tcp->fastopen_cache.count >= PEERS_MAX;

    if (p)
        return p;
    if (full) {
        p = container_of(list_pop(&tcp->fastopen_lru), struct tcp_fastopen_peer, on_lru);
        hash_remove(&tcp->fastopen_cache, &p->node);
        memset(p, 0, sizeof(*p));
    } else {
        p = slab_alloc(&tcp->fastopen_peers);
        if (!p)
            return NULL;
    }
    p->local = pcb->local.addr;
    p->remote = pcb->remote.addr;
    list_init(&p->on_lru);
    list_push(&tcp->fastopen_lru, &p->on_lru);
    hash_insert(&tcp->fastopen_cache, &p->node, peer_hash(tcp, pcb));
    return p;
}

static void note_loss(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_fastopen_peer *p = peer_get(tcp, pcb);

    if (!p)
        return;
    p->lost_at_us = tcp->net->now_us;
    if (p->losses < LOSS_SHIFT_MAX)
        p->losses++;
}

/* ---- client ---- */

/* What the SYN of pcb will try. */
static enum tcp_fastopen_syn choose(struct tcp *tcp, const struct tcp_pcb *pcb)
{
    const struct tcp_fastopen_peer *p = peer_find(tcp, pcb);

    if (p && p->losses &&
        tcp->net->now_us - p->lost_at_us < (uint64_t)LOSS_PAUSE_US << (p->losses - 1))
        return TCP_FASTOPEN_NONE;
    if (pcb->conf.fastopen_no_cookie)
        return TCP_FASTOPEN_BARE;
    return p && p->len ? TCP_FASTOPEN_COOKIE : TCP_FASTOPEN_REQUEST;
}

bool tcp_fastopen_waits(const struct tcp_pcb *pcb)
{
    return pcb->fast_wait;
}

bool tcp_fastopen_pending(const struct tcp_pcb *pcb)
{
    return pcb->fast_wait || pcb->fast_taken;
}

bool tcp_fastopen_ready(struct tcp *tcp, struct tcp_pcb *pcb)
{
    enum tcp_fastopen_syn syn = choose(tcp, pcb);

    return syn == TCP_FASTOPEN_COOKIE || syn == TCP_FASTOPEN_BARE;
}

uint32_t tcp_fastopen_take(struct tcp_pcb *pcb)
{
    uint32_t n = pcb->fast_taken;

    pcb->fast_taken = 0;
    return n;
}

size_t tcp_fastopen_send(struct tcp *tcp, struct tcp_pcb *pcb, const struct iovec *iov, size_t niov,
                         size_t len)
{
    const struct tcp_fastopen_peer *p;
    uint32_t room;

    tcp->current = pcb;
    pcb->fast_wait = false;
    pcb->fast_syn = (uint8_t)choose(tcp, pcb);
    if (pcb->fast_syn == TCP_FASTOPEN_COOKIE || pcb->fast_syn == TCP_FASTOPEN_BARE) {
        p = peer_find(tcp, pcb);
        if (p && p->mss) /* RFC 7413 4.1.3: the MSS that it told before */
            pcb->peer_mss = p->mss;
        tcp_mss_update(pcb);
        room = pcb->snd_mss > TCP_OPTIONS_MAX ? pcb->snd_mss - TCP_OPTIONS_MAX : 0;
        room = u32_min(room, tcp_sndbuf_free(pcb));
        pcb->syn_text = (uint16_t)ring_append_iov(&pcb->snd, iov, niov, 0, len < room ? len : room);
        tcp_mem_update(tcp, pcb);
        tcp->stats.fastopen_active += pcb->syn_text > 0;
    } else {
        pcb->fast_fail = TCP_FASTOPEN_FAIL_COOKIE;
    }
    pcb->fast_taken = pcb->syn_text;
    tcp_user_start(tcp, pcb);
    return pcb->syn_text;
}

void tcp_fastopen_option(struct tcp *tcp, const struct tcp_pcb *pcb, struct tcp_options *opt)
{
    const struct tcp_fastopen_peer *p;

    if (pcb->first_rexmt_us)
        return; /* it is sent again */
    if (pcb->state == TCP_SYN_RECEIVED) {
        if (!pcb->fast_reply)
            return;
        opt->has_tfo = true;
        opt->tfo_len = COOKIE_BYTES;
        tcp_fastopen_cookie(tcp, pcb->parent ? pcb->parent->fastopen : NULL, 0, &pcb->local.addr,
                            &pcb->remote.addr, opt->tfo_cookie);
        return;
    }
    switch ((enum tcp_fastopen_syn)pcb->fast_syn) {
    case TCP_FASTOPEN_NONE:
    case TCP_FASTOPEN_BARE:
        return;
    case TCP_FASTOPEN_REQUEST:
        opt->has_tfo = true;
        return;
    case TCP_FASTOPEN_COOKIE:
        p = peer_find(tcp, pcb);
        if (!p)
            return;
        opt->has_tfo = true;
        opt->tfo_len = p->len;
        memcpy(opt->tfo_cookie, p->cookie, p->len);
        return;
    }
}

void tcp_fastopen_answered(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t acked = seg->ack - pcb->snd_una;
    bool told = seg->flags & TCP_SYN && seg->opt.has_tfo && seg->opt.tfo_len;
    struct tcp_fastopen_peer *p;

    if (pcb->fast_syn == TCP_FASTOPEN_NONE)
        return;
    if (pcb->retransmits && pcb->syn_text && !acked && !told) {
        /* Only the plain SYN has come through: something on the way does not like the other. */
        note_loss(tcp, pcb);
    } else if (pcb->fast_syn != TCP_FASTOPEN_BARE && (told || acked)) {
        p = peer_get(tcp, pcb);
        if (p && told) {
            p->len = seg->opt.tfo_len;
            memcpy(p->cookie, seg->opt.tfo_cookie, p->len);
        }
        if (p) {
            p->mss = pcb->peer_mss;
            p->losses = 0;
        }
    }
    pcb->syn_text_acked = acked > 0;
    if (pcb->syn_text && !acked) {
        tcp->stats.fastopen_active_fail++;
        pcb->fast_fail =
            pcb->retransmits ? TCP_FASTOPEN_FAIL_RETRANSMITTED : TCP_FASTOPEN_FAIL_NOT_ACKED;
    }
    ring_consume(&pcb->snd, acked, pcb->snd.end);
    tcp_mem_update(tcp, pcb);
    pcb->snd_una = pcb->snd_nxt = seg->ack; /* the rest was never sent */
    pcb->syn_text = 0;
}

void tcp_fastopen_unanswered(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->state == TCP_SYN_SENT && pcb->fast_syn != TCP_FASTOPEN_NONE)
        note_loss(tcp, pcb);
}

/* ---- listener ---- */

static struct tcp_fastopen *listener_state(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (!pcb->fastopen) {
        pcb->fastopen = slab_alloc(&tcp->fastopens);
        if (pcb->fastopen)
            pcb->fastopen->refs = 1;
    }
    return pcb->fastopen;
}

static void unref(struct tcp *tcp, struct tcp_fastopen *f)
{
    if (--f->refs == 0)
        slab_free(&tcp->fastopens, f);
}

int tcp_fastopen_listen(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t most)
{
    struct tcp_fastopen *f = listener_state(tcp, pcb);

    if (!f)
        return -ENOMEM;
    f->most = most;
    return 0;
}

int tcp_fastopen_keys(struct tcp *tcp, struct tcp_pcb *pcb, const uint8_t *bytes, unsigned nkeys)
{
    struct tcp_fastopen *f = listener_state(tcp, pcb);

    if (!f)
        return -ENOMEM;
    for (unsigned i = 0; i < nkeys; i++) {
        const uint8_t *b = bytes + 16 * (size_t)i;

        f->keys[i].k0 = (uint64_t)get_be32(b) << 32 | get_be32(b + 4);
        f->keys[i].k1 = (uint64_t)get_be32(b + 8) << 32 | get_be32(b + 12);
    }
    f->nkeys = (uint8_t)nkeys;
    return 0;
}

/* The listener (or its child) lets go of what it shared. */
void tcp_fastopen_release(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_fastopen *f;

    tcp_fastopen_done(tcp, pcb, false);
    f = pcb->fastopen;
    pcb->fastopen = NULL;
    if (f)
        unref(tcp, f);
}

/* Of the secret that the stacks of a host share: cookies outlive the program that gave them. */
struct siphash_key tcp_fastopen_key(const struct tcp *tcp)
{
    static const char half[2][16] = {"fast open key, 0", "fast open key, 1"};

    return (struct siphash_key){.k0 = siphash(&tcp->isn_key, half[0], sizeof(half[0])),
                                .k1 = siphash(&tcp->isn_key, half[1], sizeof(half[1]))};
}

void tcp_fastopen_cookie(const struct tcp *tcp, const struct tcp_fastopen *f, unsigned which,
                         const struct ip_addr *local, const struct ip_addr *remote, uint8_t *out)
{
    struct siphash_key key = f && f->nkeys ? f->keys[which] : tcp_fastopen_key(tcp);
    uint8_t in[32];
    uint64_t hash;

    memcpy(in, remote->b, 16);
    memcpy(in + 16, local->b, 16);
    hash = siphash(&key, in, sizeof(in));
    put_be32(out, (uint32_t)(hash >> 32));
    put_be32(out + 4, (uint32_t)hash);
}

/* RFC 7413 4.1.2. */
static bool cookie_good(const struct tcp *tcp, const struct tcp_fastopen *f,
                        const struct tcp_seg *seg)
{
    uint8_t want[COOKIE_BYTES];

    if (!seg->opt.has_tfo || seg->opt.tfo_len != COOKIE_BYTES)
        return false;
    for (unsigned i = 0; i < (f->nkeys ? f->nkeys : 1u); i++) {
        tcp_fastopen_cookie(tcp, f, i, &seg->pkt->dst, &seg->pkt->src, want);
        if (memcmp(want, seg->opt.tfo_cookie, COOKIE_BYTES) == 0)
            return true;
    }
    return false;
}

static void turn_period(const struct tcp *tcp, struct tcp_fastopen *f)
{
    uint64_t now = tcp->net->now_us / RST_PERIOD_US;

    if (now == f->period)
        return;
    f->resets[1] = now == f->period + 1 ? f->resets[0] : 0;
    f->resets[0] = 0;
    f->period = now;
}

static bool has_room(const struct tcp *tcp, struct tcp_fastopen *f)
{
    turn_period(tcp, f);
    return (uint64_t)f->len + f->resets[0] + f->resets[1] < f->most;
}

bool tcp_fastopen_syn(struct tcp *tcp, struct tcp_pcb *listener, struct tcp_pcb *child,
                      const struct tcp_seg *seg)
{
    struct tcp_fastopen *f = listener->fastopen;
    bool free = listener->conf.fastopen_no_cookie && seg->len;

    if (!f || !f->most || !(seg->opt.has_tfo || free))
        return false;
    if (!has_room(tcp, f)) {
        tcp->stats.fastopen_overflows++;
        return false;
    }
    if (!free && !cookie_good(tcp, f, seg)) {
        tcp->stats.fastopen_passive_fail += seg->opt.tfo_len > 0;
        child->fast_reply = true;
        return false;
    }
    child->fastopen = f;
    child->fast_child = true;
    f->refs++;
    f->len++;
    tcp->stats.fastopen_passive++;
    /* With the second key it was good, but a new one is due. */
    if (!free && f->nkeys > 1) {
        uint8_t first[COOKIE_BYTES];

        tcp_fastopen_cookie(tcp, f, 0, &child->local.addr, &child->remote.addr, first);
        child->fast_reply = memcmp(first, seg->opt.tfo_cookie, COOKIE_BYTES) != 0;
    }
    return true;
}

void tcp_fastopen_text(struct tcp *tcp, struct tcp_pcb *child, const struct tcp_seg *seg)
{
    uint32_t n = u32_min(seg->len, tcp_window_capacity(child));

    tcp_recover_init(child);
    tcp_cc_init(tcp, child);
    tcp_sndbuf_tune(tcp, child);
    child->snd_sml = child->snd_una;
    n = (uint32_t)ring_write_at(&child->rcv, 0, seg->data, n);
    if (!n)
        return;
    ring_advance(&child->rcv, n);
    child->rcv_nxt += n;
    child->rcv_adv = child->rcv_nxt;
    child->syn_text_acked = true;
    child->last_rx_data_us = tcp->net->now_us;
    tcp_mem_update(tcp, child);
}

void tcp_fastopen_done(struct tcp *tcp, struct tcp_pcb *child, bool reset)
{
    struct tcp_fastopen *f = child->fastopen;

    if (!child->fast_child)
        return;
    child->fast_child = false;
    child->fastopen = NULL;
    f->len--;
    if (reset) {
        turn_period(tcp, f);
        f->resets[0]++;
    }
    unref(tcp, f);
}

void tcp_fastopen_repair(struct tcp *tcp)
{
    struct tcp_fastopen_peer *next_peer;
    struct tcp_fastopen *next;

    slab_rebuild(&tcp->fastopens);
    slab_rebuild(&tcp->fastopen_peers);
    hash_reset(&tcp->fastopen_cache);
    list_init(&tcp->fastopen_lru);
    for (struct tcp_fastopen_peer *p = slab_next(&tcp->fastopen_peers, NULL); p; p = next_peer) {
        next_peer = slab_next(&tcp->fastopen_peers, p);
        slab_free(&tcp->fastopen_peers, p); /* it can be asked for again */
    }
    for (struct tcp_fastopen *f = slab_next(&tcp->fastopens, NULL); f; f = next) {
        next = slab_next(&tcp->fastopens, f);
        f->refs = f->len = 0;
    }
    for (struct tcp_pcb *pcb = slab_next(&tcp->pcbs, NULL); pcb; pcb = slab_next(&tcp->pcbs, pcb)) {
        if (!pcb->fastopen)
            continue;
        pcb->fastopen->refs++;
        pcb->fastopen->len += pcb->fast_child;
    }
    for (struct tcp_fastopen *f = slab_next(&tcp->fastopens, NULL); f; f = next) {
        next = slab_next(&tcp->fastopens, f);
        if (!f->refs)
            slab_free(&tcp->fastopens, f);
    }
}
