/*
 * Selective acknowledgement, the receiver's half: which bytes beyond rcv_nxt have arrived (RFC
 * 2018), and which arrived twice (D-SACK, RFC 2883).
 *
 * The first block names the range that the latest segment fell into, the following ones those of
 * the segments before it (RFC 2018 4), so that each range is told several times even when ACKs are
 * lost. They go on ACKs without text only: text needs the room.
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
