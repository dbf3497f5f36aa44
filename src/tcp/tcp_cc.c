/*
 * Congestion control: what all algorithms share, and the table of them. An algorithm is one file
 * with one struct tcp_cc_ops; its own state is pcb->cc. The pcb holds the number of the algorithm,
 * for pointers to functions do not go into the arena.
 *
 * cwnd grows only while it is used, and shrinks when it is not (RFC 2861; RFC 7661 in spirit, as
 * Linux does): what was in flight lately is compared with it.
 */
#include <errno.h>

#include "tcp/tcp_int.h"

static const struct tcp_cc_ops *const table[TCP_CC_KINDS] = {
    [TCP_CC_NEWRENO] = &tcp_cc_newreno,
    [TCP_CC_CUBIC] = &tcp_cc_cubic,
    [TCP_CC_BBR] = &tcp_cc_bbr_ops,
};

const struct tcp_cc_ops *tcp_cc(const struct tcp_pcb *pcb)
{
    return table[pcb->conf.congestion < TCP_CC_KINDS ? pcb->conf.congestion : TCP_CC_NEWRENO];
}

int tcp_cc_by_name(const char *name)
{
    for (int i = 0; i < TCP_CC_KINDS; i++)
        if (strcmp(table[i]->name, name) == 0)
            return i;
    return -ENOENT;
}

const char *tcp_cc_name(int kind)
{
    return kind >= 0 && kind < TCP_CC_KINDS ? table[kind]->name : table[TCP_CC_NEWRENO]->name;
}

uint32_t tcp_cc_initial_window(uint32_t mss)
{
    /* RFC 6928 2: min (10 MSS, max (2 MSS, 14600)) */
    return u32_min(TCP_IW_SEGMENTS * mss, u32_max(2 * mss, 14600));
}

/* The algorithm begins, or takes over. False: it has no memory. */
static bool begin(struct tcp *tcp, struct tcp_pcb *pcb)
{
    memset(pcb->cc, 0, sizeof(pcb->cc));
    pcb->cwnd_acked = 0;
    pcb->pacing_rate = 0;
    tcp_cc_hystart_init(pcb);
    if (!tcp_cc(pcb)->init(tcp, pcb))
        return false;
    tcp_pace_init(pcb);
    return true;
}

void tcp_cc_release(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (tcp_cc(pcb)->release)
        tcp_cc(pcb)->release(tcp, pcb);
    memset(pcb->cc, 0, sizeof(pcb->cc)); /* the next algorithm must not take it for its own */
}

void tcp_cc_init(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->cwnd = tcp_cc_initial_window(pcb->snd_mss);
    if (pcb->retransmits > 1) /* RFC 6928 2: a SYN or SYN,ACK was lost more than once */
        pcb->cwnd = pcb->snd_mss;
    pcb->ssthresh = UINT32_MAX; /* RFC 5681 3.1: arbitrarily high */
    pcb->max_flight = pcb->cwnd_used = 0;
    pcb->max_flight_seq = pcb->snd_nxt;
    pcb->cwnd_full_us = tcp->net->now_us;
    if (!begin(tcp, pcb)) { /* better another one than no connection */
        pcb->conf.congestion = TCP_CC_CUBIC;
        begin(tcp, pcb);
    }
}

int tcp_set_congestion(struct tcp *tcp, struct tcp_pcb *pcb, int kind)
{
    uint8_t before = pcb->conf.congestion;

    if (kind < 0 || kind >= TCP_CC_KINDS)
        return -ENOENT;
    if (kind == before)
        return 0;
    tcp_cc_release(tcp, pcb);
    pcb->conf.congestion = (uint8_t)kind;
    /* cwnd and ssthresh stay: the path is the same. */
    if (!(tcp_state_sends(tcp_state(pcb)) || pcb->fast_child) || begin(tcp, pcb))
        return 0;
    pcb->conf.congestion = before == TCP_CC_BBR ? TCP_CC_CUBIC : before;
    begin(tcp, pcb);
    return -ENOMEM;
}

static bool is_used(const struct tcp_pcb *pcb)
{
    if (pcb->cwnd < pcb->ssthresh)
        return pcb->cwnd < 2 * (uint64_t)pcb->max_flight;
    return pcb->cwnd_limited;
}

/* RFC 2861 3.2 (RFC 7661 in spirit), as Linux: a window that the program, or the peer's window, has
 * not used for a round trip is halved towards what was used. ssthresh remembers what was reached.
 */
static void validate(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t used;
    uint64_t now = tcp->net->now_us;

    if (is_used(pcb)) {
        pcb->cwnd_used = 0;
        pcb->cwnd_full_us = now;
        return;
    }
    pcb->cwnd_used = u32_max(pcb->cwnd_used, tcp_flight(pcb));
    if (now - pcb->cwnd_full_us < pcb->rto_us || pcb->recovery != TCP_RECOVERY_NONE || pcb->nospace)
        return;
    used = u32_max(pcb->cwnd_used, tcp_cc_initial_window(pcb->snd_mss));
    if (used < pcb->cwnd) {
        pcb->ssthresh = u32_max(pcb->ssthresh, pcb->cwnd / 4 * 3);
        pcb->cwnd = pcb->cwnd - (pcb->cwnd - used) / 2;
    }
    pcb->cwnd_used = 0;
    pcb->cwnd_full_us = now;
}

void tcp_cc_sent(struct tcp *tcp, struct tcp_pcb *pcb, bool limited)
{
    uint32_t flight = tcp_flight(pcb);

    if (seq_ge(pcb->snd_una, pcb->max_flight_seq) || flight > pcb->max_flight) {
        pcb->max_flight = flight;
        pcb->max_flight_seq = pcb->snd_nxt;
        pcb->cwnd_limited = limited;
    } else if (limited) {
        pcb->cwnd_limited = true;
    }
    if (!tcp_cc(pcb)->control)
        validate(tcp, pcb);
}

void tcp_cc_rtt(struct tcp_pcb *pcb, uint32_t rtt_us)
{
    if (pcb->cwnd < pcb->ssthresh)
        tcp_cc_hystart_rtt(pcb, rtt_us);
}

void tcp_cc_ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    if (!is_used(pcb) || pcb->cwnd >= TCP_WINDOW_MAX)
        return;
    tcp_cc(pcb)->ack(tcp, pcb, acked);
}

uint32_t tcp_cc_slow_start(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    uint32_t grow = tcp_cc_hystart_growth(tcp, pcb, acked);

    if (pcb->ssthresh <= pcb->cwnd)
        return 0; /* HyStart++ has just ended it, and what this ACK brings is of the last round */
    if (grow < pcb->ssthresh - pcb->cwnd) {
        pcb->cwnd += grow;
        return 0;
    }
    acked = grow - (pcb->ssthresh - pcb->cwnd);
    pcb->cwnd = pcb->ssthresh;
    return acked;
}

void tcp_cc_restart(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t idle = tcp->net->now_us - pcb->last_tx_us, rto = pcb->rto_us;
    uint32_t rw = u32_min(tcp_cc_initial_window(pcb->snd_mss), pcb->cwnd);

    if (tcp_cc(pcb)->restart) {
        tcp_cc(pcb)->restart(tcp, pcb);
        return;
    }
    if (!pcb->last_tx_us || idle <= rto || pcb->cwnd <= rw)
        return;
    /* RFC 5681 4.1 has RW at once; halving for each RTO of silence comes to it too and is what
     * Linux does (RFC 2861). ssthresh remembers what was reached. */
    pcb->ssthresh = u32_max(pcb->ssthresh, pcb->cwnd / 4 * 3);
    while (idle > rto && pcb->cwnd > rw) {
        pcb->cwnd /= 2;
        idle -= rto;
    }
    pcb->cwnd = u32_max(pcb->cwnd, rw);
    pcb->last_tx_us = tcp->net->now_us;
    pcb->cwnd_limited = false;
    pcb->cwnd_used = 0;
    pcb->cwnd_full_us = tcp->net->now_us;
}
