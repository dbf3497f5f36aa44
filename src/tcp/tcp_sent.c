/*
 * The scoreboard: a record for each frame that is not yet acknowledged.
 *
 *   pcb->sent_seq    all of them by sequence number, from SND.UNA to SND.NXT without gaps
 *   pcb->sent_time   those under way, the one sent last at the end, of those sent at once the one
 *                    with the highest number: the order in which RACK looks for losses (RFC 8985
 *                    6.2 step 5)
 *   pcb->sent_lost   those lost and not sent again since, by sequence number: what is sent next
 *
 * What is SACKed is in neither of the last two. Neighbours that are SACKed become one record, so
 * that the number of records is that of frames under way and of holes, and a SACK block costs no
 * more than its news. pcb->sent_hint and sent_hint_2 remember two places where blocks were: the
 * next one is near one of them, or near an end.
 *
 * Memory. A record is taken from the slab before a frame is sent. When there is none, the frame is
 * entered in the last record, if that was never touched; or it gets one of a few that all
 * connections have in reserve, for one whose data have filled the memory must be able to send them;
 * otherwise it is not sent now. A split that finds no memory is left out: then less is known than
 * could be, and the timeout makes up for it.
 */
#include "tcp/tcp_int.h"

#define BY_SEQ(n)  container_of(n, struct tcp_sent, by_seq)
#define BY_TIME(n) container_of(n, struct tcp_sent, by_time)
#define RESERVE    16u

void tcp_sent_init(struct tcp_pcb *pcb)
{
    list_init(&pcb->sent_seq);
    list_init(&pcb->sent_time);
    list_init(&pcb->sent_lost);
    pcb->sent_hint = pcb->sent_hint_2 = pcb->sent_spare = NULL;
    pcb->sacked_bytes = pcb->sacked_segs = pcb->lost_bytes = pcb->retrans_bytes = 0;
}

struct tcp_sent *tcp_sent_first(const struct tcp_pcb *pcb)
{
    return list_empty(&pcb->sent_seq) ? NULL : BY_SEQ(pcb->sent_seq.next);
}

struct tcp_sent *tcp_sent_last(const struct tcp_pcb *pcb)
{
    return list_empty(&pcb->sent_seq) ? NULL : BY_SEQ(pcb->sent_seq.prev);
}

struct tcp_sent *tcp_sent_next(const struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    return r->by_seq.next == &pcb->sent_seq ? NULL : BY_SEQ(r->by_seq.next);
}

struct tcp_sent *tcp_sent_prev(const struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    return r->by_seq.prev == &pcb->sent_seq ? NULL : BY_SEQ(r->by_seq.prev);
}

static uint32_t segs_of(uint32_t len, uint32_t mss)
{
    return len > mss && mss ? (len + mss - 1) / mss : 1;
}

uint32_t tcp_sent_pipe(const struct tcp_pcb *pcb)
{
    return tcp_flight(pcb) - pcb->sacked_bytes - pcb->lost_bytes + pcb->retrans_bytes;
}

/* ---- counters and lists follow the flags ---- */

static void uncount(struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    uint32_t len = tcp_sent_len(r);

    if (r->flags & TCP_SENT_SACKED) {
        pcb->sacked_bytes -= len;
        pcb->sacked_segs -= r->segs;
    }
    if (r->flags & TCP_SENT_LOST)
        pcb->lost_bytes -= len;
    if (r->flags & TCP_SENT_RETRANS)
        pcb->retrans_bytes -= len;
}

static void count(struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    uint32_t len = tcp_sent_len(r);

    if (r->flags & TCP_SENT_SACKED) {
        pcb->sacked_bytes += len;
        pcb->sacked_segs += r->segs;
    }
    if (r->flags & TCP_SENT_LOST)
        pcb->lost_bytes += len;
    if (r->flags & TCP_SENT_RETRANS)
        pcb->retrans_bytes += len;
}

/* Which list: 0 none, 1 sent_time, 2 sent_lost. */
static int list_of(uint8_t flags)
{
    if (flags & TCP_SENT_SACKED)
        return 0;
    return (flags & (TCP_SENT_LOST | TCP_SENT_RETRANS)) == TCP_SENT_LOST ? 2 : 1;
}

/* Into sent_lost, which is in the order of sequence numbers. Most come at one of its ends; for the
 * others a neighbour is sought on both sides, where most are lost too. */
static void list_as_lost(struct tcp_pcb *pcb, struct tcp_sent *r)
{
    struct list *lost = &pcb->sent_lost;
    struct tcp_sent *before = r, *behind = r;

    if (list_empty(lost) || seq_lt(BY_TIME(lost->prev)->seq, r->seq)) {
        list_push(lost, &r->by_time);
        return;
    }
    if (seq_gt(BY_TIME(lost->next)->seq, r->seq)) {
        list_insert_before(lost->next, &r->by_time);
        return;
    }
    /* Both ends of the list are on either side of r, so both searches end. */
    do {
        before = tcp_sent_prev(pcb, before);
        behind = tcp_sent_next(pcb, behind);
    } while (list_of(before->flags) != 2 && list_of(behind->flags) != 2);
    if (list_of(before->flags) == 2)
        list_insert_before(before->by_time.next, &r->by_time);
    else
        list_insert_before(&behind->by_time, &r->by_time);
}

/* The order of sent_time: RFC 8985 6.1, RACK_sent_after(). */
static bool is_later(const struct tcp_sent *a, const struct tcp_sent *b)
{
    return a->xmit_us > b->xmit_us || (a->xmit_us == b->xmit_us && seq_gt(a->seq, b->seq));
}

/* Into sent_time by its old time of transmission, from `from` on, a place in it that is not too
 * late: what was thought lost is older than the rest. */
static void list_by_time(struct tcp_pcb *pcb, struct list *from, struct tcp_sent *r)
{
    struct list *at = from->next;

    while (at != &pcb->sent_time && is_later(r, BY_TIME(at)))
        at = at->next;
    list_insert_before(at, &r->by_time);
}

/* Into sent_time: r was sent just now. */
static void list_as_latest(struct tcp_pcb *pcb, struct tcp_sent *r)
{
    struct list *at = &pcb->sent_time;

    while (at->prev != &pcb->sent_time && is_later(BY_TIME(at->prev), r))
        at = at->prev;
    list_insert_before(at, &r->by_time);
}

void tcp_sent_mark(struct tcp_pcb *pcb, struct tcp_sent *r, uint8_t set, uint8_t clear)
{
    int before = list_of(r->flags), after;

    uncount(pcb, r);
    r->flags = (uint8_t)((r->flags & ~clear) | set);
    count(pcb, r);
    after = list_of(r->flags);
    if (before == after)
        return;
    list_remove(&r->by_time);
    if (after == 1)
        list_by_time(pcb, &pcb->sent_time, r);
    else if (after == 2)
        list_as_lost(pcb, r);
}

void tcp_sent_lose(struct tcp_pcb *pcb, struct tcp_sent *r)
{
    if (list_of(r->flags) == 2)
        return;
    pcb->lost_total += tcp_sent_len(r);
    tcp_sent_mark(pcb, r, TCP_SENT_LOST, TCP_SENT_RETRANS);
    if (tcp_cc(pcb)->lost)
        tcp_cc(pcb)->lost(pcb, r);
}

void tcp_sent_unlose(struct tcp_pcb *pcb)
{
    struct list *at = &pcb->sent_time; /* where the one before went: most follow it at once */

    LIST_FOREACH (n, &pcb->sent_seq) {
        struct tcp_sent *r = BY_SEQ(n);
        if (!(r->flags & TCP_SENT_LOST))
            continue;
        uncount(pcb, r);
        r->flags &= (uint8_t)~TCP_SENT_LOST;
        count(pcb, r);
        if (r->flags & TCP_SENT_RETRANS)
            continue; /* is there already */
        list_remove(&r->by_time);
        if (at != &pcb->sent_time && is_later(BY_TIME(at), r))
            at = &pcb->sent_time;
        list_by_time(pcb, at, r);
        at = &r->by_time;
    }
}

/* ---- coming and going ---- */

/* draft-ietf-ccwg-bbr 4.1.2.2: what a sample of the delivery rate needs to know of the sending. */
static void stamp(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r, bool idle)
{
    uint64_t now = tcp->net->now_us;

    if (idle)
        pcb->first_sent_us = pcb->delivered_us = now;
    r->xmit_us = now;
    r->first_sent_us = pcb->first_sent_us;
    r->delivered = pcb->delivered;
    r->delivered_us = pcb->delivered_us;
    r->lost_at_send = pcb->lost_total;
    if (pcb->app_limited)
        r->flags |= TCP_SENT_APP_LIMITED;
    else
        r->flags &= (uint8_t)~TCP_SENT_APP_LIMITED;
}

/* r belongs to nobody any more. */
static void give_back(struct tcp *tcp, struct tcp_sent *r)
{
    if (!r || tcp->sents_kept >= RESERVE) {
        slab_free(&tcp->sents, r);
        return;
    }
    memset(r, 0, sizeof(*r));
    list_init(&r->by_time);
    list_push(&tcp->sents_reserve, &r->by_seq);
    tcp->sents_kept++;
}

static struct tcp_sent *take_reserve(struct tcp *tcp)
{
    struct list *n = list_pop(&tcp->sents_reserve);

    if (!n)
        return NULL;
    tcp->sents_kept--;
    return BY_SEQ(n);
}

bool tcp_sent_start(struct tcp *tcp)
{
    struct tcp_sent *r;

    slab_init(&tcp->sents, tcp->net->arena, sizeof(struct tcp_sent));
    list_init(&tcp->sents_reserve);
    tcp->sents_kept = 0;
    while (tcp->sents_kept < RESERVE) {
        r = slab_alloc(&tcp->sents);
        if (!r)
            return false;
        give_back(tcp, r);
    }
    return true;
}

void tcp_sent_stop(struct tcp *tcp)
{
    struct tcp_sent *r;

    while ((r = take_reserve(tcp)))
        slab_free(&tcp->sents, r);
}

bool tcp_sent_reserve(struct tcp *tcp, struct tcp_pcb *pcb)
{
    const struct tcp_sent *last = tcp_sent_last(pcb);

    if (!pcb->sent_spare)
        pcb->sent_spare = slab_alloc(&tcp->sents);
    if (pcb->sent_spare)
        return true;
    if (last && !(last->flags & ~(TCP_SENT_NO_TIME | TCP_SENT_APP_LIMITED)))
        return true; /* will be extended */
    pcb->sent_spare = take_reserve(tcp);
    return pcb->sent_spare;
}

void tcp_sent_release(struct tcp *tcp, struct tcp_pcb *pcb)
{
    give_back(tcp, pcb->sent_spare);
    pcb->sent_spare = NULL;
}

void tcp_sent_add(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t end, bool fin)
{
    bool idle = tcp_sent_pipe(pcb) == 0;
    struct tcp_sent *r = pcb->sent_spare;
    uint32_t len = end - pcb->snd_nxt;

    pcb->sent_spare = NULL;
    if (r) {
        r->seq = pcb->snd_nxt;
        r->mss = pcb->snd_mss;
        list_init(&r->by_time);
        list_push(&pcb->sent_seq, &r->by_seq);
    } else {
        r = tcp_sent_last(pcb);
        r->flags |= TCP_SENT_NO_TIME;
        list_remove(&r->by_time);
    }
    r->end = end;
    r->segs += segs_of(len, pcb->snd_mss);
    if (fin)
        r->flags |= TCP_SENT_FIN;
    stamp(tcp, pcb, r, idle);
    r->tx_in_flight = tcp_sent_pipe(pcb) + len;
    list_as_latest(pcb, r);
    pcb->prr_out += len;
}

void tcp_sent_again(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r)
{
    stamp(tcp, pcb, r, tcp_sent_pipe(pcb) == 0);
    r->mss = pcb->snd_mss;
    uncount(pcb, r);
    r->segs = segs_of(tcp_sent_len(r), r->mss);
    r->flags |= TCP_SENT_RETRANS | TCP_SENT_EVER;
    count(pcb, r);
    if (r->retrans < UINT8_MAX)
        r->retrans++;
    list_remove(&r->by_time);
    list_as_latest(pcb, r);
    r->tx_in_flight = tcp_sent_pipe(pcb);
    pcb->prr_out += tcp_sent_len(r);
    pcb->retrans_total += r->segs;
}

/* Takes r, which is counted no more, out. */
static void drop(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r)
{
    if (pcb->sent_hint == r)
        pcb->sent_hint = NULL;
    if (pcb->sent_hint_2 == r)
        pcb->sent_hint_2 = NULL;
    list_remove(&r->by_time);
    list_remove(&r->by_seq);
    give_back(tcp, r);
}

void tcp_sent_clear(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_sent *r;

    while ((r = tcp_sent_first(pcb)))
        drop(tcp, pcb, r);
    tcp_sent_release(tcp, pcb);
    tcp_sent_init(pcb);
}

static uint32_t distance(const struct tcp_sent *r, uint32_t seq)
{
    if (!r)
        return UINT32_MAX;
    return seq_gt(r->seq, seq) ? r->seq - seq : seq - r->seq;
}

/* Of the records that are at hand, the one nearest to seq. The hint that was of use becomes the
 * first one, which follows; the other one stays where it is: the blocks of an ACK often lie at two
 * places. */
static struct tcp_sent *near(struct tcp_pcb *pcb, uint32_t seq)
{
    struct tcp_sent *best = pcb->sent_hint, *other = pcb->sent_hint_2;
    struct tcp_sent *first = tcp_sent_first(pcb), *last = tcp_sent_last(pcb);

    if (distance(other, seq) < distance(best, seq)) {
        pcb->sent_hint = other;
        pcb->sent_hint_2 = best;
        best = other;
    }
    if (distance(first, seq) < distance(best, seq) || distance(last, seq) < distance(best, seq)) {
        pcb->sent_hint_2 = best;
        best = distance(first, seq) < distance(last, seq) ? first : last;
    }
    return best;
}

struct tcp_sent *tcp_sent_find(struct tcp_pcb *pcb, uint32_t seq)
{
    struct tcp_sent *r = near(pcb, seq);

    if (!r || seq_lt(seq, pcb->snd_una) || seq_ge(seq, pcb->snd_nxt))
        return NULL;
    while (r && seq_gt(r->seq, seq))
        r = tcp_sent_prev(pcb, r);
    while (r && seq_le(r->end, seq))
        r = tcp_sent_next(pcb, r);
    if (r)
        pcb->sent_hint = r;
    return r;
}

struct tcp_sent *tcp_sent_split(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r,
                                uint32_t at)
{
    struct tcp_sent *n = slab_alloc(&tcp->sents);

    if (!n)
        return NULL;
    uncount(pcb, r);
    *n = *r;
    list_init(&n->by_seq);
    list_init(&n->by_time);
    list_insert_before(r->by_seq.next, &n->by_seq);
    if (!(r->flags & TCP_SENT_SACKED))
        list_insert_before(r->by_time.next, &n->by_time);
    n->seq = r->end = at;
    n->segs = segs_of(tcp_sent_len(n), n->mss);
    r->segs = segs_of(tcp_sent_len(r), r->mss);
    r->flags &= (uint8_t)~TCP_SENT_FIN;
    count(pcb, r);
    count(pcb, n);
    return n;
}

void tcp_sent_join(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r)
{
    struct tcp_sent *n = tcp_sent_next(pcb, r);

    uncount(pcb, r);
    uncount(pcb, n);
    r->end = n->end;
    r->segs += n->segs;
    r->flags |= n->flags & (TCP_SENT_FIN | TCP_SENT_EVER | TCP_SENT_NO_TIME);
    if (n->retrans > r->retrans)
        r->retrans = n->retrans;
    drop(tcp, pcb, n);
    count(pcb, r);
}

/* ---- what an ACK delivers ---- */

static void note_newest(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_sent *r,
                        struct tcp_acked *a)
{
    if (r->flags & TCP_SENT_NO_TIME)
        return;
    /* Sooner than any round trip: it was sent again for nothing, and its first transmission, of
     * which nothing is remembered, has arrived. A sample from it would end rounds too early. */
    if (r->flags & TCP_SENT_EVER && tcp->net->now_us - r->xmit_us < pcb->min_rtt_us)
        return;
    if (a->has_newest && (r->xmit_us < a->newest.xmit_us ||
                          (r->xmit_us == a->newest.xmit_us && seq_lt(r->end, a->newest.end))))
        return;
    a->has_newest = true;
    a->newest = *r;
    pcb->first_sent_us = r->xmit_us;
}

void tcp_sent_delivered(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r,
                        struct tcp_acked *a)
{
    uint32_t len = tcp_sent_len(r);

    pcb->delivered += len;
    pcb->delivered_segs += r->segs;
    pcb->delivered_us = tcp->net->now_us;
    a->delivered += len;
    if (!(r->flags & TCP_SENT_EVER) && seq_le(r->end, pcb->recover))
        a->orig_delivered = true;
    note_newest(tcp, pcb, r, a);
    tcp_rack_delivered(tcp, pcb, r, a);
}

/* r, or what of it lies below SND.UNA, is acknowledged. */
static void acked_one(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r, struct tcp_acked *a)
{
    if (r->flags & TCP_SENT_SACKED)
        return;
    if (r->flags & TCP_SENT_EVER) {
        a->again_acked = true;
    } else if (!(r->flags & TCP_SENT_NO_TIME)) {
        if (!a->first_us)
            a->first_us = r->xmit_us;
        a->last_us = r->xmit_us;
    }
    tcp_sent_delivered(tcp, pcb, r, a);
}

void tcp_sent_acked(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    struct tcp_sent *r, rest;

    while ((r = tcp_sent_first(pcb)) && seq_le(r->end, pcb->snd_una)) {
        acked_one(tcp, pcb, r, a);
        uncount(pcb, r);
        drop(tcp, pcb, r);
    }
    if (!r || seq_ge(r->seq, pcb->snd_una))
        return;
    uncount(pcb, r); /* a part of r; what is left of it stays as it is */
    rest = *r;
    r->end = pcb->snd_una;
    r->segs = segs_of(tcp_sent_len(r), r->mss);
    r->flags &= (uint8_t)~TCP_SENT_FIN;
    acked_one(tcp, pcb, r, a);
    r->seq = pcb->snd_una;
    r->end = rest.end;
    r->flags = rest.flags;
    r->segs = segs_of(tcp_sent_len(r), r->mss);
    count(pcb, r);
}

/* ---- checks and repair ---- */

static const char *check_lists(const struct tcp_pcb *pcb, uint32_t in_time, uint32_t in_lost)
{
    const struct tcp_sent *last = NULL;

    LIST_FOREACH (n, &pcb->sent_time) {
        const struct tcp_sent *r = BY_TIME(n);
        if (list_of(r->flags) != 1 || (last && is_later(last, r)))
            return "the list by time";
        last = r;
        in_time--;
    }
    last = NULL;
    LIST_FOREACH (n, &pcb->sent_lost) {
        const struct tcp_sent *r = BY_TIME(n);
        if (list_of(r->flags) != 2 || (last && seq_ge(last->seq, r->seq)))
            return "the list of what is lost";
        last = r;
        in_lost--;
    }
    return in_time || in_lost ? "a record in no list" : NULL;
}

const char *tcp_sent_check(const struct tcp_pcb *pcb)
{
    struct tcp_pcb sum = {.snd_una = pcb->snd_una};
    uint32_t at = pcb->snd_una, in_time = 0, in_lost = 0;

    if (!tcp_state_sends(tcp_state(pcb)))
        return list_empty(&pcb->sent_seq) || pcb->fast_child ? NULL
                                                             : "records where nothing is in flight";
    LIST_FOREACH (n, &pcb->sent_seq) {
        const struct tcp_sent *r = BY_SEQ(n);
        if (r->seq != at || !seq_gt(r->end, r->seq) || !r->segs)
            return "a gap between records";
        if (r->flags & TCP_SENT_SACKED && r->flags & (TCP_SENT_LOST | TCP_SENT_RETRANS))
            return "flags that exclude each other";
        at = r->end;
        count(&sum, r);
        in_time += list_of(r->flags) == 1;
        in_lost += list_of(r->flags) == 2;
    }
    if (at != pcb->snd_nxt)
        return "records do not reach to SND.NXT";
    if (sum.sacked_bytes != pcb->sacked_bytes || sum.sacked_segs != pcb->sacked_segs ||
        sum.lost_bytes != pcb->lost_bytes || sum.retrans_bytes != pcb->retrans_bytes)
        return "the sums of bytes";
    if (pcb->sent_spare)
        return "a record kept in reserve";
    return check_lists(pcb, in_time, in_lost);
}

void tcp_sent_repair(struct tcp *tcp)
{
    struct tcp_sent *next;

    slab_rebuild(&tcp->sents);
    list_init(&tcp->sents_reserve);
    tcp->sents_kept = 0;
    for (struct tcp_sent *r = slab_next(&tcp->sents, NULL); r; r = slab_next(&tcp->sents, r))
        r->flags &= (uint8_t)~TCP_SENT_SEEN;
    for (struct tcp_pcb *pcb = slab_next(&tcp->pcbs, NULL); pcb; pcb = slab_next(&tcp->pcbs, pcb)) {
        pcb->sent_spare = NULL;
        if (!pcb->sent_seq.next) /* the process died while making it */
            tcp_sent_init(pcb);
        LIST_FOREACH (n, &pcb->sent_seq)
            BY_SEQ(n)->flags |= TCP_SENT_SEEN;
    }
    for (struct tcp_sent *r = slab_next(&tcp->sents, NULL); r; r = next) {
        next = slab_next(&tcp->sents, r);
        if (r->flags & TCP_SENT_SEEN)
            r->flags &= (uint8_t)~TCP_SENT_SEEN;
        else
            give_back(tcp, r);
    }
}
