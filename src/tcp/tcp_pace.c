/*
 * Pacing: frames leave no faster than a rate, so that a window does not arrive at the bottleneck's
 * queue as one burst.
 *
 * pace_at_ns is when the next frame may leave. A frame moves it on by its size divided by the rate,
 * from where it was, not from now, so that a late wake-up costs nothing; but what was not used
 * cannot be saved for more than CREDIT_NS, or the end of a pause would be a burst. Output that has
 * to wait arms the pace timer, which calls tcp_output() again. Frames hold about a millisecond of
 * the rate.
 *
 * It is on (pcb->paced) for algorithms that set pcb->pacing_rate themselves, and for the others
 * when the user sets a limit (SO_MAX_PACING_RATE): then the rate is what cwnd and the round trip
 * come to, a good deal more in slow start and a little more after it, as in Linux. Off, it costs
 * one test.
 */
#include "tcp/tcp_int.h"

#define NS_PER_US   1000u
#define NS_PER_S    1000000000u
#define CREDIT_NS   1000000u
#define BURST_US    1000u /* of the rate, in one frame ... */
#define BURST_SEGS  2u    /* ... but so many segments at least */
#define SS_PERCENT  200u  /* Linux's tcp_pacing_ss_ratio and tcp_pacing_ca_ratio */
#define CA_PERCENT  120u
#define LONGEST_NS  60000000000u /* one frame does not block the way for longer */
#define RTT_ASSUMED 1000u        /* us, before there is a sample */

uint64_t tcp_pace_rate(const struct tcp_pcb *pcb)
{
    uint64_t rate = pcb->pacing_rate, max = pcb->conf.max_pacing_rate;

    if (!rate) {
        uint32_t percent = pcb->cwnd < pcb->ssthresh / 2 ? SS_PERCENT : CA_PERCENT;
        uint32_t rtt_us = pcb->srtt_us ? pcb->srtt_us : RTT_ASSUMED;
        uint64_t bytes = u32_max(pcb->cwnd, tcp_flight(pcb));
        rate = bytes * percent * (NS_PER_S / NS_PER_US) / 100 / rtt_us;
    }
    if (max && rate > max)
        rate = max;
    return rate ? rate : 1;
}

void tcp_pace_init(struct tcp_pcb *pcb)
{
    pcb->paced = pcb->conf.max_pacing_rate != 0 || tcp_cc(pcb)->paces;
    if (!pcb->paced)
        pcb->pace_at_ns = 0;
}

void tcp_set_pacing(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t max_rate)
{
    pcb->conf.max_pacing_rate = max_rate;
    if (!pcb->cwnd)
        return; /* no connection yet */
    tcp_pace_init(pcb);
    /* What was waiting may wait too long by the new rate. */
    pcb->pace_at_ns = 0;
    tcp_output(tcp, pcb);
}

bool tcp_pace_holds(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t at_us = pcb->pace_at_ns / NS_PER_US;

    if (!pcb->paced || at_us <= tcp->net->now_us)
        return false;
    if (!timer_armed(&pcb->pace) || pcb->pace.deadline_us > at_us)
        timer_set(&tcp->net->timers, &pcb->pace, at_us);
    return true;
}

uint32_t tcp_pace_frame_bytes(const struct tcp_pcb *pcb, uint32_t max)
{
    uint32_t mss = pcb->snd_mss;
    uint64_t burst;

    if (!pcb->paced)
        return max;
    burst = tcp_pace_rate(pcb) / (NS_PER_S / NS_PER_US / BURST_US);
    burst -= burst % mss;
    if (burst < (uint64_t)BURST_SEGS * mss)
        burst = (uint64_t)BURST_SEGS * mss;
    return burst < max ? (uint32_t)burst : max;
}

void tcp_pace_sent(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t bytes)
{
    uint64_t now_ns, earliest, takes;

    if (!pcb->paced || !bytes)
        return;
    now_ns = tcp->net->now_us * NS_PER_US;
    earliest = now_ns > CREDIT_NS ? now_ns - CREDIT_NS : 0;
    takes = (uint64_t)bytes * NS_PER_S / tcp_pace_rate(pcb);
    if (takes > LONGEST_NS)
        takes = LONGEST_NS;
    if (pcb->pace_at_ns < earliest)
        pcb->pace_at_ns = earliest;
    pcb->pace_at_ns += takes;
}
