/*
 * HyStart++ (RFC 9406): leaves slow start when round trips become longer, before the queue at the
 * bottleneck overflows.
 *
 * Rounds are windows: a round ends when more than what was sent at its beginning is acknowledged.
 * The shortest round-trip time of a round is compared with that of the round before:
 *
 *   slow start ---- longer ----> CSS (grows at a quarter of the speed)
 *       ^                         |   |
 *       +---- shorter again ------+   +---- 5 rounds ----> congestion avoidance (ssthresh = cwnd)
 *
 * Where the queue is short, it overflows in the very round that makes it longer. So the other test
 * of HyStart, which Linux has too, is made beside this one: ACKs of one window that follow each
 * other without a gap for half of the shortest round trip say that the bottleneck is busy for so
 * long, and the next window, which is twice as large, keeps it busy for a whole one. That ends slow
 * start at once. On short paths, where every ACK follows the one before closely, it says nothing.
 *
 * It guards the initial slow start only, while ssthresh is not known (RFC 9406 4.3). The limit L of
 * 4.2 is left out, as Linux does: peers that answer a whole batch with one ACK would be punished,
 * and bursts of a wrong size are the pacer's business.
 */
#include "tcp/tcp_int.h"

/* RFC 9406 4.3 */
#define MIN_RTT_THRESH_US  4000u
#define MAX_RTT_THRESH_US  16000u
#define MIN_RTT_DIVISOR    8u
#define N_RTT_SAMPLE       8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS         5u
/* as Linux */
#define TRAIN_GAP_US    2000u
#define TRAIN_CWND_SEGS 16u
#define TRAIN_RTT_US    (2 * TRAIN_GAP_US)

void tcp_cc_hystart_init(struct tcp_pcb *pcb)
{
    pcb->hystart = (struct tcp_hystart){.last_min_us = UINT32_MAX,
                                        .cur_min_us = UINT32_MAX,
                                        .css_base_us = UINT32_MAX,
                                        .round_end = pcb->snd_nxt};
}

void tcp_cc_hystart_rtt(struct tcp_pcb *pcb, uint32_t rtt_us)
{
    pcb->hystart.rtt_us = rtt_us;
}

static void count_sample(struct tcp_hystart *h)
{
    if (!h->rtt_us)
        return;
    h->cur_min_us = u32_min(h->cur_min_us, h->rtt_us);
    h->rtt_us = 0;
    if (h->samples < N_RTT_SAMPLE)
        h->samples++;
}

/* Has this round seen enough, and what does it say? */
static void judge(struct tcp_hystart *h)
{
    uint32_t thresh;

    if (h->samples < N_RTT_SAMPLE)
        return;
    if (h->css) {
        if (h->cur_min_us < h->css_base_us) { /* it was noise */
            h->css = false;
            h->css_base_us = UINT32_MAX;
        }
        return;
    }
    if (h->last_min_us == UINT32_MAX)
        return;
    thresh =
        u32_max(MIN_RTT_THRESH_US, u32_min(h->last_min_us / MIN_RTT_DIVISOR, MAX_RTT_THRESH_US));
    if (h->cur_min_us >= h->last_min_us + thresh) {
        h->css = true;
        h->css_base_us = h->cur_min_us;
        h->css_rounds = 0;
    }
}

/* The ACKs of this round so far, one of which came just now. */
static void watch_train(const struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_hystart *h)
{
    uint32_t now = (uint32_t)tcp->net->now_us, rtt_us = pcb->min_rtt_us;

    if (!h->train)
        return;
    h->train = now - h->train_us <= TRAIN_GAP_US;
    h->train_us = now;
    if (!h->train || pcb->cwnd < TRAIN_CWND_SEGS * pcb->snd_mss || rtt_us < TRAIN_RTT_US ||
        rtt_us == UINT32_MAX)
        return;
    if (now - h->round_us > (pcb->paced ? rtt_us : rtt_us / 2)) /* pacing spreads them anyway */
        pcb->ssthresh = pcb->cwnd;
}

static void next_round(const struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_hystart *h)
{
    h->train = true;
    h->round_us = h->train_us = (uint32_t)tcp->net->now_us;
    h->last_min_us = h->cur_min_us;
    h->cur_min_us = UINT32_MAX;
    h->samples = 0;
    h->round_end = pcb->snd_nxt;
    if (h->css && ++h->css_rounds >= CSS_ROUNDS)
        pcb->ssthresh = pcb->cwnd;
}

uint32_t tcp_cc_hystart_growth(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    struct tcp_hystart *h = &pcb->hystart;

    if (pcb->ssthresh != UINT32_MAX)
        return acked;
    /* Beyond, not at it: what ends a round was sent in the next one, so that one has an end too. */
    if (seq_gt(pcb->snd_una, h->round_end))
        next_round(tcp, pcb, h);
    watch_train(tcp, pcb, h);
    count_sample(h);
    judge(h);
    if (!h->css)
        return acked;
    /* 4.2: bytes that the division leaves over count the next time. */
    acked += h->css_rest;
    h->css_rest = (uint8_t)(acked % CSS_GROWTH_DIVISOR);
    return acked / CSS_GROWTH_DIVISOR;
}
