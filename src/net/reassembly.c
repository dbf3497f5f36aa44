/*
 * Reassembly (RFC 791 3.2, RFC 1122 3.3.2).
 *
 * The fragments of a datagram (same source, destination, protocol and identification) wait in a
 * list sorted by offset, each in a block of its own. When the last one is known and no hole is
 * left, they are copied behind the first one's header into one block, which goes up.
 *
 * Hostile fragments:
 *  - memory is bounded for all datagrams together; when it runs out the oldest datagram goes;
 *  - fragments that overlap spoil the datagram (RFC 5722 4), and so do two ends, bytes behind the
 *    end, and more than 65535 bytes. A spoilt datagram gives its memory back at once but its
 *    entry stays until its time is over, so that later fragments do not begin it anew;
 *  - an exact copy of a fragment is tolerated: networks do duplicate packets;
 *  - the number of fragments is bounded by what a link with the least MTU (68) would make.
 *
 * A datagram is given up after 30 s; if its first fragment came, the sender is told.
 */
#include "net/net_int.h"

#include <errno.h>

#define REASSEMBLY_TIMEOUT_US    (30 * US_PER_S) /* as Linux; RFC 1122 3.3.2 says 60 to 120 s */
#define REASSEMBLY_BYTES_MAX     (4u << 20)
#define REASSEMBLY_FRAGMENTS_MAX (IPV4_MAX / 48u + 1)

struct fragment {
    struct list node; /* in order of offset */
    uint32_t block_bytes;
    uint32_t at, len; /* of the datagram's payload */
    uint8_t data[];
};

struct reassembly_entry {
    struct hash_node by_key;
    struct list node; /* oldest first */
    struct timer timer;
    struct ip_addr src, dst;
    struct netif *nif; /* where the first one came in */
    struct list fragments;
    uint32_t count, bytes; /* fragments, and the sum of their len */
    uint32_t total;        /* length of the payload; 0: the last one has not come */
    uint16_t id;
    uint8_t proto;
    uint8_t ttl, tos; /* of the first fragment */
    uint8_t ecn_seen; /* bit n: codepoint n was seen */
    bool spoilt;
    uint8_t hdr_bytes; /* 0: the first fragment has not come */
    uint8_t hdr[IPV4_HDR_MAX];
};

struct reassembly {
    struct slab entries;
    struct hash by_key;
    struct list oldest_first;
    size_t bytes; /* memory of entries and fragments */
};

int reassembly_init(struct net *net)
{
    struct reassembly *ra = arena_zalloc(net->arena, sizeof(*ra));

    if (!ra)
        return -ENOMEM;
    if (!hash_init(&ra->by_key, net->arena, 16)) {
        arena_free(net->arena, ra, sizeof(*ra));
        return -ENOMEM;
    }
    slab_init(&ra->entries, net->arena, sizeof(struct reassembly_entry));
    list_init(&ra->oldest_first);
    net->reassembly = ra;
    return 0;
}

static void entry_drop_fragments(struct net *net, struct reassembly_entry *e)
{
    struct list *node;

    while ((node = list_pop(&e->fragments))) {
        struct fragment *f = container_of(node, struct fragment, node);

        net->reassembly->bytes -= f->block_bytes;
        arena_free(net->arena, f, f->block_bytes);
    }
    e->count = e->bytes = 0;
}

static void entry_free(struct net *net, struct reassembly_entry *e)
{
    struct reassembly *ra = net->reassembly;

    entry_drop_fragments(net, e);
    timer_stop(&net->timers, &e->timer);
    hash_remove(&ra->by_key, &e->by_key);
    list_remove(&e->node);
    ra->bytes -= sizeof(*e);
    slab_free(&ra->entries, e);
}

static struct reassembly_entry *entry_oldest(struct reassembly *ra)
{
    struct list *node = list_first(&ra->oldest_first);

    return node ? container_of(node, struct reassembly_entry, node) : NULL;
}

void reassembly_fini(struct net *net)
{
    struct reassembly *ra = net->reassembly;

    if (!ra)
        return;
    /* The entries went with their interfaces. */
    hash_destroy(&ra->by_key);
    arena_free(net->arena, ra, sizeof(*ra));
    net->reassembly = NULL;
}

/* Datagrams in pieces are lost, as if by the network. */
void reassembly_repair(struct net *net)
{
    struct reassembly *ra = net->reassembly;

    slab_rebuild(&ra->entries);
    for (struct reassembly_entry *e = slab_next(&ra->entries, NULL), *next; e; e = next) {
        next = slab_next(&ra->entries, e);
        while (e->fragments.next && !list_empty(&e->fragments)) {
            struct fragment *f = container_of(e->fragments.next, struct fragment, node);

            e->fragments.next = f->node.next; /* the way back may be broken */
            arena_free(net->arena, f, f->block_bytes);
        }
        slab_free(&ra->entries, e);
    }
    hash_reset(&ra->by_key);
    list_init(&ra->oldest_first);
    ra->bytes = 0;
}

void reassembly_forget_netif(struct net *net, const struct netif *nif)
{
    LIST_FOREACH_SAFE (node, &net->reassembly->oldest_first) {
        struct reassembly_entry *e = container_of(node, struct reassembly_entry, node);

        if (e->nif == nif)
            entry_free(net, e);
    }
}

static uint64_t entry_hash(const struct net *net, const struct ip_packet *pkt, uint16_t id)
{
    uint8_t key[35];

    memcpy(key, pkt->src.b, 16);
    memcpy(key + 16, pkt->dst.b, 16);
    key[32] = pkt->proto;
    put_be16(key + 33, id);
    return net_hash(net, key, sizeof(key));
}

static struct reassembly_entry *entry_find(struct net *net, const struct ip_packet *pkt,
                                           uint16_t id, uint64_t hash)
{
    const struct hash *by_key = &net->reassembly->by_key;

    for (struct hash_node *n = hash_first(by_key, hash); n; n = hash_next(n, hash)) {
        struct reassembly_entry *e = container_of(n, struct reassembly_entry, by_key);

        if (e->id == id && e->proto == pkt->proto && addr_eq(&e->src, &pkt->src) &&
            addr_eq(&e->dst, &pkt->dst))
            return e;
    }
    return NULL;
}

static struct reassembly_entry *entry_new(struct net *net, const struct ip_packet *pkt, uint16_t id,
                                          uint64_t hash)
{
    struct reassembly *ra = net->reassembly;
    struct reassembly_entry *e = slab_alloc(&ra->entries);

    if (!e)
        return NULL;
    e->src = pkt->src;
    e->dst = pkt->dst;
    e->proto = pkt->proto;
    e->id = id;
    e->nif = pkt->nif;
    list_init(&e->fragments);
    list_push(&ra->oldest_first, &e->node);
    hash_insert(&ra->by_key, &e->by_key, hash);
    timer_init(&e->timer, NET_TIMER_REASSEMBLY);
    timer_set(&net->timers, &e->timer, net->now_us + REASSEMBLY_TIMEOUT_US);
    ra->bytes += sizeof(*e);
    return e;
}

static void entry_spoil(struct net *net, struct reassembly_entry *e)
{
    entry_drop_fragments(net, e);
    e->spoilt = true;
    net->stats.ip_reasm_fail++;
}

enum fragment_fit { FRAGMENT_FITS, FRAGMENT_DUPLICATE, FRAGMENT_SPOILS };

/* Where a fragment of len bytes at offset at belongs: *after is the list node to put it behind. */
static enum fragment_fit entry_place(struct reassembly_entry *e, uint32_t at, uint32_t len,
                                     const uint8_t *data, struct list **after)
{
    struct list *node;

    /* From the end, because most fragments come in order. */
    for (node = e->fragments.prev; node != &e->fragments; node = node->prev) {
        const struct fragment *f = container_of(node, struct fragment, node);

        if (f->at + f->len <= at)
            break;
        if (f->at == at && f->len == len && memcmp(f->data, data, len) == 0)
            return FRAGMENT_DUPLICATE;
        if (f->at < at + len)
            return FRAGMENT_SPOILS; /* RFC 5722 4 */
    }
    *after = node;
    return FRAGMENT_FITS;
}

/* Does a fragment that ends at end (last: the datagram's end) agree with what is known of the
 * length? */
static bool entry_end_ok(const struct reassembly_entry *e, uint32_t end, bool last)
{
    const struct fragment *f;

    if (e->total)
        return last ? end == e->total : end <= e->total;
    if (!last || list_empty(&e->fragments))
        return true;
    f = container_of(e->fragments.prev, struct fragment, node);
    return f->at + f->len <= end;
}

/* Makes room for more bytes by giving up the oldest datagrams, but not keep. */
static bool reassembly_make_room(struct net *net, size_t more, const struct reassembly_entry *keep)
{
    struct reassembly *ra = net->reassembly;

    while (ra->bytes + more > REASSEMBLY_BYTES_MAX) {
        struct reassembly_entry *e = entry_oldest(ra);

        if (e && e == keep) {
            if (e->node.next == &ra->oldest_first)
                return false;
            e = container_of(e->node.next, struct reassembly_entry, node);
        }
        if (!e)
            return false;
        net->stats.ip_reasm_fail++;
        entry_free(net, e);
    }
    return true;
}

/* Keeps a copy behind after. False: no memory. */
static bool entry_add(struct net *net, struct reassembly_entry *e, const struct ip_packet *pkt,
                      uint32_t at, struct list *after)
{
    size_t block_bytes = sizeof(struct fragment) + pkt->len;
    struct fragment *f = arena_alloc(net->arena, block_bytes);

    if (!f)
        return false;
    f->block_bytes = (uint32_t)block_bytes;
    f->at = at;
    f->len = (uint32_t)pkt->len;
    memcpy(f->data, pkt->payload, pkt->len);
    list_insert_before(after->next, &f->node);
    e->count++;
    e->bytes += f->len;
    net->reassembly->bytes += block_bytes;
    return true;
}

/*
 * RFC 3168 5.3: congestion experienced by one fragment is the datagram's; fragments with and
 * without ECN do not belong together. The codepoint, or -1.
 */
static int entry_ecn(const struct reassembly_entry *e)
{
    enum { NOT_ECT = 1 << 0, CE = 1 << 3 };

    if (e->ecn_seen == NOT_ECT)
        return 0;
    if (e->ecn_seen & NOT_ECT)
        return -ENOMEM;
    return e->ecn_seen & CE ? 3 : e->tos & 3;
}

/* All is there: puts it together. */
static bool entry_finish(struct net *net, struct reassembly_entry *e, struct ip_packet *pkt,
                         struct reassembly_whole *whole)
{
    size_t bytes = (size_t)e->hdr_bytes + e->total;
    int ecn = entry_ecn(e);
    uint8_t *p;

    if (ecn < 0 || bytes > IPV4_MAX)
        return false;
    p = arena_alloc(net->arena, bytes);
    if (!p)
        return false;
    memcpy(p, e->hdr, e->hdr_bytes);
    LIST_FOREACH (node, &e->fragments) {
        const struct fragment *f = container_of(node, struct fragment, node);

        memcpy(p + e->hdr_bytes + f->at, f->data, f->len);
    }
    whole->block = p;
    whole->block_bytes = bytes;
    whole->pkt = *pkt;
    whole->pkt.payload = p + e->hdr_bytes;
    whole->pkt.len = e->total;
    whole->pkt.ttl = e->ttl;
    whole->pkt.tos = (uint8_t)((e->tos & ~3) | ecn);
    whole->pkt.ip_hdr = p;
    whole->pkt.ip_hdr_bytes = bytes;
    return true;
}

/* A fragment that agrees with the entry: keeps it. True: the datagram is complete. */
static bool entry_accept(struct net *net, struct reassembly_entry *e, const struct ip_packet *pkt,
                         const struct ipv4_hdr *h)
{
    uint32_t at = h->frag_offset, end = at + (uint32_t)pkt->len;
    struct list *after = NULL;

    if (!entry_end_ok(e, end, !h->mf)) {
        entry_spoil(net, e);
        return false;
    }
    switch (entry_place(e, at, (uint32_t)pkt->len, pkt->payload, &after)) {
    case FRAGMENT_FITS:
        break;
    case FRAGMENT_DUPLICATE:
        return false;
    case FRAGMENT_SPOILS:
        entry_spoil(net, e);
        return false;
    }
    if (e->count >= REASSEMBLY_FRAGMENTS_MAX) {
        entry_spoil(net, e);
        return false;
    }
    if (!reassembly_make_room(net, sizeof(struct fragment) + pkt->len, e) ||
        !entry_add(net, e, pkt, at, after)) {
        net->stats.ip_reasm_fail++;
        return false; /* lost, as if by the network */
    }
    e->ecn_seen |= (uint8_t)(1 << (pkt->tos & 3));
    if (!h->mf)
        e->total = end;
    if (at == 0) {
        e->hdr_bytes = h->hdr_bytes;
        memcpy(e->hdr, pkt->ip_hdr, h->hdr_bytes);
        e->ttl = pkt->ttl;
        e->tos = pkt->tos;
    }
    return e->total && e->bytes == e->total;
}

bool reassembly_input(struct net *net, const struct ip_packet *pkt, const struct ipv4_hdr *h,
                      struct reassembly_whole *whole)
{
    uint64_t hash = entry_hash(net, pkt, h->id);
    struct reassembly_entry *e;
    struct ip_packet last = *pkt;
    bool done;

    net->stats.ip_frag_in++;
    /* RFC 791 3.2: all but the last are cut at multiples of 8 bytes. */
    if (pkt->len == 0 || (h->mf && pkt->len % 8 != 0) ||
        h->frag_offset + pkt->len > IPV4_MAX - IPV4_HDR_MIN) {
        net->stats.ip_in_bad++;
        return false;
    }
    e = entry_find(net, pkt, h->id, hash);
    if (!e) {
        if (!reassembly_make_room(net, sizeof(*e), NULL) ||
            !(e = entry_new(net, pkt, h->id, hash))) {
            net->stats.ip_reasm_fail++;
            return false;
        }
    }
    if (e->spoilt || !entry_accept(net, e, pkt, h))
        return false;
    done = entry_finish(net, e, &last, whole);
    if (done)
        net->stats.ip_reasm_ok++;
    else
        net->stats.ip_reasm_fail++;
    entry_free(net, e);
    return done;
}

void reassembly_done(struct net *net, struct reassembly_whole *whole)
{
    arena_free(net->arena, whole->block, whole->block_bytes);
}

/* RFC 1122 3.3.2: time exceeded, with the beginning of the first fragment. */
static void entry_report_timeout(struct net *net, const struct reassembly_entry *e)
{
    const struct fragment *first;
    uint8_t quote[IPV4_HDR_MAX + 8];
    struct ip_packet pkt = {
        .nif = e->nif,
        .to = netif_find_addr(net, &e->dst),
        .src = e->src,
        .dst = e->dst,
        .proto = e->proto,
    };

    if (e->hdr_bytes == 0 || list_empty(&e->fragments))
        return;
    first = container_of(e->fragments.next, struct fragment, node);
    memcpy(quote, e->hdr, e->hdr_bytes);
    memcpy(quote + e->hdr_bytes, first->data, first->len < 8 ? first->len : 8);
    pkt.payload = first->data;
    pkt.len = first->len;
    pkt.ip_hdr = quote;
    pkt.ip_hdr_bytes = (size_t)e->hdr_bytes + (first->len < 8 ? first->len : 8);
    icmp_send_error(net, &pkt, ICMP_TIME_EXCEEDED, 1);
}

void reassembly_timer(struct net *net, struct timer *t)
{
    struct reassembly_entry *e = container_of(t, struct reassembly_entry, timer);

    if (!e->spoilt) {
        net->stats.ip_reasm_fail++;
        entry_report_timeout(net, e);
    }
    entry_free(net, e);
}
