/*
 * Selective acknowledgement. The receiver's half: which bytes beyond rcv_nxt have arrived (RFC
 * 2018), and which arrived twice (D-SACK, RFC 2883).
 *
 * The first block names the range that the latest segment fell into, the following ones those of
 * the segments before it (RFC 2018 4), so that each range is told several times even when ACKs are
 * lost. They go on ACKs without text only: text needs the room.
 *
 * The sender's half: the blocks that come in mark records of what is in flight (tcp_sent.c). Where
 * a block begins or ends inside a record, the record is split, at the bounds of its segments only:
 * what does not fill a segment counts as not SACKed, so that a peer cannot make us keep a record
 * for each byte.
 */
#include "tcp/tcp_int.h"

void tcp_sack_arrived(struct tcp_pcb *pcb, uint32_t seq)
{
    memmove(pcb->sack_recent + 1, pcb->sack_recent,
            sizeof(pcb->sack_recent) - sizeof(*pcb->sack_recent));
    pcb->sack_recent[0] = seq;
}

void tcp_sack_duplicate(struct tcp_pcb *pcb, uint32_t start, uint32_t end)
{
    pcb->dsack_start = start;
    pcb->dsack_end = end;
}

static struct tcp_sack_block block_of(const struct tcp_pcb *pcb, const struct range *r)
{
    uint32_t base = pcb->irs + 1;

    return (struct tcp_sack_block){base + (uint32_t)r->start, base + (uint32_t)r->end};
}

/* Adds b behind the first `from` blocks (the D-SACK), if it is not there yet. */
static void add(struct tcp_options *opt, uint8_t from, struct tcp_sack_block b)
{
    for (uint8_t i = from; i < opt->sack_len; i++)
        if (opt->sack[i].start == b.start)
            return;
    if (opt->sack_len < TCP_SACK_MAX)
        opt->sack[opt->sack_len++] = b;
}

void tcp_sack_report(const struct tcp_pcb *pcb, struct tcp_options *opt)
{
    uint8_t first = 0;

    if (pcb->dsack_start != pcb->dsack_end) { /* RFC 2883 4: always the first block */
        opt->sack[0] = (struct tcp_sack_block){pcb->dsack_start, pcb->dsack_end};
        opt->sack_len = first = 1;
    }
    for (size_t i = 0; i < sizeof(pcb->sack_recent) / sizeof(*pcb->sack_recent); i++) {
        uint64_t at = tcp_rcv_off(pcb, pcb->sack_recent[i]);
        for (uint32_t k = 0; k < pcb->ofo.len; k++)
            if (at >= pcb->ofo.r[k].start && at < pcb->ofo.r[k].end)
                add(opt, first, block_of(pcb, &pcb->ofo.r[k]));
    }
    for (uint32_t k = pcb->ofo.len; k > 0 && opt->sack_len < TCP_SACK_MAX; k--)
        add(opt, first, block_of(pcb, &pcb->ofo.r[k - 1]));
}

/* ---- the sender's half ---- */

/* r, or the part of it in [start, end), is SACKed; NULL when that is no segment of it. */
static struct tcp_sent *cut_out(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r,
                                uint32_t start, uint32_t end)
{
    if (seq_gt(start, r->seq)) {
        uint32_t at = (start - r->seq + r->mss - 1) / r->mss * r->mss;
        if (at >= tcp_sent_len(r))
            return NULL;
        r = tcp_sent_split(tcp, pcb, r, r->seq + at);
        if (!r)
            return NULL;
    }
    if (seq_lt(end, r->end)) {
        int32_t at = seq_diff(end, r->seq) / (int32_t)r->mss * (int32_t)r->mss;
        if (at <= 0 || !tcp_sent_split(tcp, pcb, r, r->seq + (uint32_t)at))
            return NULL;
    }
    return r;
}

/* Marks r, and makes one of it and what is SACKed beside it. Returns the record that it is in. */
static struct tcp_sent *mark(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r,
                             struct tcp_acked *a)
{
    struct tcp_sent *n;

    if (!(r->flags & (TCP_SENT_EVER | TCP_SENT_NO_TIME))) {
        if (!a->sacked_us)
            a->sacked_us = r->xmit_us;
        a->sacked_last_us = r->xmit_us;
    }
    tcp_sent_delivered(tcp, pcb, r, a);
    tcp_sent_mark(pcb, r, TCP_SENT_SACKED, TCP_SENT_LOST | TCP_SENT_RETRANS);
    a->sacked = true;
    if ((n = tcp_sent_next(pcb, r)) && n->flags & TCP_SENT_SACKED)
        tcp_sent_join(tcp, pcb, r);
    if ((n = tcp_sent_prev(pcb, r)) && n->flags & TCP_SENT_SACKED) {
        tcp_sent_join(tcp, pcb, n);
        r = n;
    }
    pcb->sent_hint = r;
    return r;
}

static void mark_block(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_sack_block *b,
                       struct tcp_acked *a)
{
    struct tcp_sent *r = tcp_sent_find(pcb, b->start);

    while (r && seq_lt(r->seq, b->end)) {
        if (!(r->flags & TCP_SENT_SACKED)) {
            struct tcp_sent *cut = cut_out(tcp, pcb, r, b->start, b->end);
            if (cut)
                r = mark(tcp, pcb, cut, a);
        }
        r = tcp_sent_next(pcb, r);
    }
}

/* RFC 2883 4: the first block is of something that came twice when it lies below the
 * acknowledgement, or inside the second block. */
static bool is_dsack(const struct tcp_options *opt, uint32_t ack)
{
    const struct tcp_sack_block *b = opt->sack;

    return seq_le(b[0].end, ack) ||
           (opt->sack_len > 1 && seq_ge(b[0].start, b[1].start) && seq_le(b[0].end, b[1].end));
}

static void dsack(struct tcp_pcb *pcb, const struct tcp_sack_block *b, struct tcp_acked *a)
{
    uint32_t len = b->end - b->start;

    if (!seq_lt(b->start, b->end) || len > pcb->snd_wnd_max || seq_gt(b->end, pcb->snd_nxt))
        return;
    a->dsack_segs = len > pcb->snd_mss ? (len + pcb->snd_mss - 1) / pcb->snd_mss : 1;
    pcb->dsacks += a->dsack_segs;
    if (pcb->dsacks > pcb->retrans_total)
        return; /* more than we ever sent again: the network makes copies (as Linux) */
    a->dsack = true;
    a->dsack_tlp = pcb->tlp_on && pcb->tlp_again && b->end == pcb->tlp_end;
    tcp_undo_dsack(pcb, b->start, b->end);
}

void tcp_sack_input(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a)
{
    const struct tcp_options *opt = &a->seg->opt;
    uint32_t una = seq_max(pcb->snd_una, a->seg->ack);
    struct tcp_sack_block b[TCP_SACK_MAX];
    unsigned first = is_dsack(opt, a->seg->ack), n = 0;

    if (first)
        dsack(pcb, &opt->sack[0], a);
    for (unsigned i = first; i < opt->sack_len; i++) { /* by sequence number */
        unsigned k = n;
        if (!seq_lt(opt->sack[i].start, opt->sack[i].end) || !seq_gt(opt->sack[i].start, una) ||
            seq_gt(opt->sack[i].end, pcb->snd_nxt))
            continue; /* old, or never sent */
        for (; k > 0 && seq_gt(b[k - 1].start, opt->sack[i].start); k--)
            b[k] = b[k - 1];
        b[k] = opt->sack[i];
        n++;
    }
    for (unsigned i = 0; i < n; i++)
        mark_block(tcp, pcb, &b[i], a);
}
