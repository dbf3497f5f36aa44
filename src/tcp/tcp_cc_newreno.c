/*
 * Slow start and congestion avoidance (RFC 5681 3.1) with appropriate byte counting (RFC 3465).
 *
 * Slow start counts every byte that an ACK covers (Linux's choice; RFC 5681's limit of one SMSS an
 * ACK would punish peers that answer a whole batch with one ACK).
 */
#include "tcp/tcp_int.h"

static bool init(struct tcp *tcp, struct tcp_pcb *pcb)
{
    return true;
}

static void ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    if (pcb->cwnd < pcb->ssthresh)
        acked = tcp_cc_slow_start(tcp, pcb, acked);
    /* RFC 3465 2.1: one SMSS for each cwnd of bytes. */
    pcb->cwnd_acked += acked;
    while (pcb->cwnd_acked >= pcb->cwnd) {
        pcb->cwnd_acked -= pcb->cwnd;
        pcb->cwnd += pcb->snd_mss;
    }
}

static uint32_t ssthresh(struct tcp *tcp, struct tcp_pcb *pcb)
{
    /* RFC 5681 (4). cwnd bounds it, for what limited transmit sent does not count (3.2 (2)). */
    uint32_t flight = u32_min(tcp_flight(pcb), pcb->cwnd);

    return u32_max(flight / 2, 2u * pcb->snd_mss);
}

const struct tcp_cc_ops tcp_cc_newreno = {
    .name = "reno",
    .init = init,
    .ack = ack,
    .ssthresh = ssthresh,
};
