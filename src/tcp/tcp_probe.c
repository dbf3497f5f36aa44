/*
 * Paths that lose large segments without a word (RFC 2923 2.1, RFC 4821).
 *
 * Where no router says "fragmentation needed", or a firewall keeps it from us, only large segments
 * are lost: the handshake succeeds, then nothing arrives. So when a segment has timed out
 * BLACKHOLE_TIMEOUTS times in a row, size is suspected: the MSS sinks to BASE_MSS, and with every
 * further timeout to half of what was sent, down to LEAST_MSS. probe_low says what it has sunk to,
 * and that a search is on.
 *
 * Once things move again, the search goes up (RFC 4821 7): a probe is one segment of new data that
 * is larger than probe_low; enough data follows it to show its loss. First what the path ought to
 * carry is tried, for the outage may have had another reason; then the middle between what passes
 * and what does not, until they are SEARCH_BYTES apart. After PATH_MTU_LIFETIME_US it starts anew.
 * A lost probe says nothing about congestion (RFC 4821 7.5): it is sent again as smaller segments.
 */
#include "tcp/tcp_int.h"

#define BLACKHOLE_TIMEOUTS 2u    /* the one after so many does it */
#define BASE_MSS           1024u /* RFC 4821 7.2: eff_pmtu of 1024 passes nearly everywhere */
#define LEAST_MSS          512u  /* with headers PATH_MTU_MIN */
#define SEARCH_BYTES       8u
#define FOLLOWING          4u /* segments behind a probe, for their ACKs to show its loss */

static bool in_flight(const struct tcp_pcb *pcb)
{
    return pcb->probe_start != pcb->probe_end;
}

static uint32_t option_bytes(const struct tcp_pcb *pcb)
{
    return pcb->ts_ok ? TCP_TS_BYTES : 0;
}

uint32_t tcp_probe_clamp(struct tcp_pcb *pcb, uint32_t mss)
{
    if (pcb->probe_low == 0)
        return mss;
    if (pcb->probe_low < mss)
        return pcb->probe_low;
    pcb->probe_low = pcb->probe_high = 0; /* nothing to search for any more */
    pcb->probe_start = pcb->probe_end;
    return mss;
}

void tcp_probe_blackhole(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t size = u32_min(tcp_flight(pcb), pcb->snd_mss) + option_bytes(pcb);
    uint32_t low = size > BASE_MSS ? BASE_MSS : u32_max(size / 2, LEAST_MSS);

    if (pcb->retransmits < BLACKHOLE_TIMEOUTS || !tcp_state_sends(tcp_state(pcb)) || low >= size)
        return;
    pcb->probe_start = pcb->probe_end;
    pcb->probe_low = (uint16_t)low;
    pcb->probe_high = 0;
    pcb->probe_at_us = tcp->net->now_us;
    tcp_mss_update(pcb);
}

/* The size to try next, options included; 0: the search is over. */
static uint32_t next_size(const struct tcp_pcb *pcb)
{
    uint32_t most = tcp_mss_most(pcb);

    if (pcb->probe_high == 0 || pcb->probe_high > most)
        return most;
    if (pcb->probe_high <= pcb->probe_low + SEARCH_BYTES)
        return 0;
    return ((uint32_t)pcb->probe_low + pcb->probe_high) / 2;
}

uint32_t tcp_probe_due(const struct tcp *tcp, const struct tcp_pcb *pcb, uint32_t unsent,
                       uint32_t wnd_room, uint32_t cwnd_room, bool *wait)
{
    uint32_t n = next_size(pcb), all;

    *wait = false;
    if (n == 0 || in_flight(pcb) || pcb->recovery != TCP_RECOVERY_NONE || pcb->dup_acks ||
        tcp->net->now_us < pcb->probe_at_us)
        return 0;
    n -= option_bytes(pcb);
    all = n + FOLLOWING * pcb->snd_mss;
    if (unsent < all || pcb->snd_wnd < all || pcb->cwnd < all)
        return 0;
    *wait = wnd_room < all || cwnd_room < n;
    return *wait ? 0 : n;
}

void tcp_probe_sent(struct tcp_pcb *pcb, uint32_t seq, uint32_t len)
{
    pcb->probe_start = seq;
    pcb->probe_end = seq + len;
}

/* The search is over when there is nothing left between the bounds: until the path may have
 * changed. */
static void settle(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->probe_start = pcb->probe_end;
    if (next_size(pcb))
        return;
    pcb->probe_high = 0;
    pcb->probe_at_us = tcp->net->now_us + PATH_MTU_LIFETIME_US;
}

void tcp_probe_acked(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (!in_flight(pcb) || seq_lt(pcb->snd_una, pcb->probe_end))
        return;
    pcb->probe_low = (uint16_t)(pcb->probe_end - pcb->probe_start + option_bytes(pcb));
    settle(tcp, pcb);
    tcp_mss_update(pcb);
}

static void failed(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->probe_high = (uint16_t)(pcb->probe_end - pcb->probe_start + option_bytes(pcb));
    settle(tcp, pcb);
}

void tcp_probe_resent(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t seq, uint32_t len)
{
    if (in_flight(pcb) && seq_lt(seq, pcb->probe_end) && seq_gt(seq + len, pcb->probe_start))
        failed(tcp, pcb);
}

bool tcp_probe_lost(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t end = pcb->probe_end;

    if (!in_flight(pcb) || pcb->snd_una != pcb->probe_start)
        return false;
    failed(tcp, pcb);
    tcp_retransmit_resize(tcp, pcb, end, pcb->snd_mss);
    return true;
}
