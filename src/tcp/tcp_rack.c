/*
 * RACK (RFC 8985 6): a segment is lost when one that was sent later has arrived, and the time that
 * reordering may take (the reordering window) has passed as well. It takes SACK, and sees lost
 * retransmissions and lost tails that counting duplicate ACKs does not see.
 *
 * The reordering window is 0 until reordering was seen, once three segments were SACKed or recovery
 * has begun; then a quarter of the shortest round trip, and more with each round in which D-SACKs
 * tell that it was too short (6.2 step 4). A segment that comes later than three others is sent
 * again before it is seen to be late (step 3 looks at what was sent once only); that it was late
 * and not lost tells the echoed timestamp, or the D-SACK, that takes the recovery back
 * (tcp_undo.c).
 */
#include "tcp/tcp_int.h"

#define DUP_THRESH     3u /* RFC 8985 6.2 step 4 */
#define PERSIST_ROUNDS 16u
#define REO_MULT_MAX   255u
#define LOOK_AHEAD     16u /* records under suspicion whose time is looked at */
#define BY_TIME(n)     container_of(n, struct tcp_sent, by_time)

void tcp_rack_init(struct tcp_pcb *pcb)
{
    pcb->rack = (struct tcp_rack){.fack = pcb->snd_una, .mult = 1};
}

/* RFC 8985 6.1, RACK_sent_after(): was r sent before what RACK.xmit_ts and RACK.end_seq name? */
static bool is_before(const struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    if (r->xmit_us != pcb->rack.xmit_us)
        return r->xmit_us < pcb->rack.xmit_us;
    return seq_lt(r->end, pcb->rack.end_seq);
}

/* 6.2 step 2: what was sent again may be acknowledged for its first transmission. */
static bool is_ambiguous(struct tcp *tcp, const struct tcp_pcb *pcb, const struct tcp_sent *r,
                         const struct tcp_acked *a)
{
    if (!(r->flags & TCP_SENT_EVER))
        return false;
    if (pcb->ts_ok && a->seg->opt.has_ts &&
        seq_lt(a->seg->opt.ts_ecr, (uint32_t)(r->xmit_us / 1000) + pcb->ts_offset))
        return true;
    return tcp->net->now_us - r->xmit_us < pcb->min_rtt_us;
}

/* 6.2 step 3. */
static void detect_reordering(struct tcp_pcb *pcb, const struct tcp_sent *r,
                              const struct tcp_acked *a)
{
    uint32_t by;

    if (seq_lt(r->end, a->prior_fack) && !(r->flags & TCP_SENT_EVER)) {
        by = (a->prior_fack - r->seq + pcb->snd_mss - 1) / u32_max(pcb->snd_mss, 1);
        pcb->rack.reordering = u32_max(pcb->rack.reordering, by);
        pcb->rack.reord_seen++;
    }
    pcb->rack.fack = seq_max(pcb->rack.fack, r->end);
}

void tcp_rack_delivered(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_sent *r,
                        const struct tcp_acked *a)
{
    if (!pcb->sack_ok)
        return;
    detect_reordering(pcb, r, a);
    if (r->flags & TCP_SENT_NO_TIME || is_ambiguous(tcp, pcb, r, a))
        return;
    /* Not 0: what was sent again a moment ago would be lost in the very same one. */
    pcb->rack.rtt_us = u32_max(1, (uint32_t)(tcp->net->now_us - r->xmit_us));
    if (!is_before(pcb, r)) {
        pcb->rack.xmit_us = r->xmit_us;
        pcb->rack.end_seq = r->end;
    }
}

void tcp_rack_late(struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    struct tcp_rack *k = &pcb->rack;
    uint32_t by = DUP_THRESH + 1, mss = u32_max(pcb->snd_mss, 1);

    if (a->acked && seq_gt(a->prior_fack, a->prior_una))
        by = u32_max(by, (a->prior_fack - a->prior_una + mss - 1) / mss);
    k->reordering = u32_max(k->reordering, by);
    if (k->reord_seen++)
        return;
    /* What was sent again so far was so without a window: D-SACKs of that do not lengthen it. */
    k->dsack_round_on = true;
    k->dsack_round = pcb->snd_nxt;
}

bool tcp_rack_is_reordered(const struct tcp_pcb *pcb)
{
    return pcb->rack.reordering > DUP_THRESH;
}

/* 6.2 step 4, RACK_update_reo_wnd(); as Linux, only while there is a window to be too short, and
 * not for what the tail loss probe sent. */
void tcp_rack_dsack(struct tcp_pcb *pcb, const struct tcp_acked *a)
{
    struct tcp_rack *k = &pcb->rack;

    if (!k->reord_seen || a->dsack_tlp)
        return;
    if (k->dsack_round_on && seq_ge(pcb->snd_una, k->dsack_round))
        k->dsack_round_on = false;
    if (k->dsack_round_on)
        return;
    k->dsack_round_on = true;
    k->dsack_round = pcb->snd_nxt;
    k->persist = PERSIST_ROUNDS;
    if (k->mult < REO_MULT_MAX)
        k->mult++;
}

void tcp_rack_left(struct tcp_pcb *pcb)
{
    if (pcb->rack.persist && --pcb->rack.persist == 0)
        pcb->rack.mult = 1;
}

uint32_t tcp_rack_reo_wnd_us(const struct tcp_pcb *pcb)
{
    bool recovers = pcb->recovery == TCP_RECOVERY_FAST || pcb->recovery == TCP_RECOVERY_LOSS;
    uint64_t wnd;

    if (!pcb->rack.reord_seen && (recovers || pcb->sacked_segs >= DUP_THRESH))
        return 0;
    if (pcb->min_rtt_us == UINT32_MAX)
        return 0;
    wnd = (uint64_t)pcb->rack.mult * pcb->min_rtt_us / 4;
    return wnd < pcb->srtt_us ? (uint32_t)wnd : pcb->srtt_us;
}

bool tcp_rack_is_due(struct tcp *tcp, const struct tcp_pcb *pcb, const struct tcp_sent *r)
{
    return r->xmit_us + pcb->rack.rtt_us + tcp_rack_reo_wnd_us(pcb) <= tcp->net->now_us;
}

/* 6.2 step 5, RACK_detect_loss(). */
bool tcp_rack_detect(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t wait_us = (uint64_t)pcb->rack.rtt_us + tcp_rack_reo_wnd_us(pcb),
             now = tcp->net->now_us;
    bool again = false;
    unsigned waiting = 0;

    pcb->reo_at_us = 0;
    LIST_FOREACH_SAFE (n, &pcb->sent_time) {
        struct tcp_sent *r = BY_TIME(n);
        if (!is_before(pcb, r))
            break; /* nor are those behind it */
        if (r->xmit_us + wait_us <= now) {
            again = again || r->flags & TCP_SENT_RETRANS;
            tcp_sent_lose(pcb, r);
        } else if (++waiting < LOOK_AHEAD) {
            pcb->reo_at_us = r->xmit_us + wait_us;
        } else { /* the last one is somewhere before what was delivered */
            pcb->reo_at_us = pcb->rack.xmit_us + wait_us;
            break;
        }
    }
    return again;
}
