/* TCP_INFO in the layout of Linux's struct tcp_info. */
#include <linux/tcp.h>
#include <stddef.h>

#include "tcp/tcp_int.h"

#define TCP_TS_ALIGNED_BYTES 12u /* of the timestamps option, with its padding */
#define REORDERING           3u  /* segments, what is assumed (Linux's tcp_reordering) */

/* What newer kernels append (the headers' struct may end before it). */
struct info_more {
    uint32_t rcv_wnd, rehash;
    uint16_t total_rto, total_rto_recoveries;
    uint32_t total_rto_time;
    uint32_t received_ce;
    uint32_t delivered_bytes[3], received_bytes[3]; /* accurate ECN: not done */
    uint16_t accecn_fail_mode, accecn_opt_seen;
};
#define INFO_BYTES (offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(uint32_t))

/* Linux numbers the states in its own way (include/net/tcp_states.h), and shows none of TIME_WAIT:
 * by then its socket is closed. */
static const uint8_t linux_state[] = {
    [TCP_CLOSED] = 7,      [TCP_LISTEN] = 10,    [TCP_SYN_SENT] = 2,   [TCP_SYN_RECEIVED] = 3,
    [TCP_ESTABLISHED] = 1, [TCP_FIN_WAIT_1] = 4, [TCP_FIN_WAIT_2] = 5, [TCP_CLOSE_WAIT] = 8,
    [TCP_CLOSING] = 11,    [TCP_LAST_ACK] = 9,   [TCP_TIME_WAIT] = 7,
};

static uint8_t ca_state(const struct tcp_pcb *pcb)
{
    switch ((enum tcp_recovery)pcb->recovery) {
    case TCP_RECOVERY_NONE:
        return pcb->dup_acks || pcb->sacked_bytes ? TCP_CA_Disorder : TCP_CA_Open;
    case TCP_RECOVERY_CWR:
        return TCP_CA_CWR;
    case TCP_RECOVERY_FAST:
        return TCP_CA_Recovery;
    case TCP_RECOVERY_LOSS:
        return TCP_CA_Loss;
    }
    return TCP_CA_Open;
}

static uint32_t ms_since(const struct tcp *tcp, uint64_t at_us)
{
    return at_us ? (uint32_t)((tcp->net->now_us - at_us) / 1000) : 0;
}

/* What Linux expects the user to read in the first round trip. */
static uint32_t first_rcv_space(const struct tcp_pcb *pcb)
{
    return u32_min(10u * pcb->adv_mss, tcp_window_capacity(pcb));
}

static void fill_window(const struct tcp_pcb *pcb, struct tcp_info *i)
{
    uint32_t mss = u32_max(pcb->snd_mss, 1);

    i->tcpi_unacked = (tcp_flight(pcb) + mss - 1) / mss;
    i->tcpi_snd_ssthresh = pcb->ssthresh == UINT32_MAX ? 0x7fffffff : pcb->ssthresh / mss;
    i->tcpi_snd_cwnd = pcb->cwnd / mss;
    i->tcpi_rcv_ssthresh = tcp_window_capacity(pcb);
    i->tcpi_rcv_space = pcb->rcvq_space ? pcb->rcvq_space : first_rcv_space(pcb);
    i->tcpi_notsent_bytes = (uint32_t)tcp_unsent_bytes(pcb);
    i->tcpi_total_retrans = pcb->retrans_total;
    /* As Linux: with the SYN of an active open, and with FINs. */
    i->tcpi_bytes_acked = pcb->snd.start + (!pcb->passive && pcb->snd_una != pcb->iss) +
                          (pcb->fin_sent && seq_gt(pcb->snd_una, tcp_snd_end(pcb)));
    i->tcpi_bytes_received = pcb->rcv.end + pcb->fin_rcvd;
    i->tcpi_snd_wnd = pcb->snd_wnd;
    i->tcpi_pacing_rate = pcb->cwnd ? tcp_pace_rate(pcb) : 0;
    i->tcpi_delivery_rate = pcb->delivery_rate;
    i->tcpi_delivery_rate_app_limited = pcb->rate_app_limited & 1;
    i->tcpi_max_pacing_rate = pcb->conf.max_pacing_rate ? pcb->conf.max_pacing_rate : UINT64_MAX;
}

static void fill_recovery(const struct tcp_pcb *pcb, struct tcp_info *i)
{
    uint32_t mss = u32_max(pcb->snd_mss, 1);

    i->tcpi_sacked = pcb->sacked_segs;
    i->tcpi_lost = (pcb->lost_bytes + mss - 1) / mss;
    i->tcpi_retrans = (pcb->retrans_bytes + mss - 1) / mss;
    i->tcpi_reordering = u32_max(pcb->rack.reordering, REORDERING);
    i->tcpi_reord_seen = pcb->rack.reord_seen;
    i->tcpi_dsack_dups = pcb->dsacks;
    i->tcpi_delivered = pcb->delivered_segs + (pcb->snd_una != pcb->iss); /* the SYN too */
}

static void fill_counts(const struct tcp *tcp, const struct tcp_pcb *pcb, struct tcp_info *i)
{
    const struct tcp_counts *c = &pcb->counts;
    uint64_t us[TCP_BUSY_KINDS];

    memcpy(us, c->busy_us, sizeof(us));
    us[c->busy] += tcp->net->now_us - c->busy_since_us;
    i->tcpi_busy_time = us[TCP_BUSY] + us[TCP_BUSY_RWND] + us[TCP_BUSY_SNDBUF];
    i->tcpi_rwnd_limited = us[TCP_BUSY_RWND];
    i->tcpi_sndbuf_limited = us[TCP_BUSY_SNDBUF];
    i->tcpi_segs_in = c->segs_in;
    i->tcpi_segs_out = c->segs_out;
    i->tcpi_data_segs_in = c->data_segs_in;
    i->tcpi_data_segs_out = c->data_segs_out;
    i->tcpi_bytes_sent = c->bytes_sent;
    i->tcpi_bytes_retrans = c->bytes_retrans;
    i->tcpi_rcv_ooopack = c->ofo_segs;
    i->tcpi_delivered_ce = c->delivered_ce;
}

void tcp_info_sent(struct tcp_pcb *pcb, uint32_t seq, uint32_t len)
{
    struct tcp_counts *c = &pcb->counts;
    uint32_t segs = len > pcb->snd_mss ? (len + pcb->snd_mss - 1) / pcb->snd_mss : 1;

    if (pcb->passive && pcb->state == TCP_SYN_RECEIVED && len == 0)
        return; /* Linux's socket comes after its SYN,ACK */
    c->segs_out += segs;
    if (len == 0)
        return;
    c->data_segs_out += segs;
    c->bytes_sent += len;
    if (seq_lt(seq, pcb->snd_nxt))
        c->bytes_retrans += len;
}

void tcp_info_received(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t size = seg->pkt->gso_size;
    uint32_t segs = size && seg->len > size ? (seg->len + size - 1) / size : 1;

    pcb->counts.segs_in += segs;
    if (seg->len)
        pcb->counts.data_segs_in += segs;
    if ((seg->pkt->tos & IP_ECN_BITS) == IP_CE)
        pcb->counts.received_ce += segs;
}

void tcp_info_delivered(struct tcp_pcb *pcb, const struct tcp_seg *seg, uint32_t before)
{
    if (pcb->ecn & TCP_ECN_OK && (seg->flags & (TCP_ECE | TCP_SYN)) == TCP_ECE)
        pcb->counts.delivered_ce += pcb->delivered_segs - before;
}

void tcp_info_busy(struct tcp *tcp, struct tcp_pcb *pcb, enum tcp_busy busy)
{
    struct tcp_counts *c = &pcb->counts;

    if (busy == c->busy)
        return;
    c->busy_us[c->busy] += tcp->net->now_us - c->busy_since_us;
    c->busy_since_us = tcp->net->now_us;
    c->busy = busy;
}

void tcp_info_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_counts *c = &pcb->counts;

    if (!pcb->retransmits) {
        c->rto_recoveries++;
        c->rto_since_us = tcp->net->now_us;
    }
    c->rtos++;
}

void tcp_info_timeout_over(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_counts *c = &pcb->counts;

    if (!c->rto_since_us)
        return;
    c->rto_ms += (uint32_t)((tcp->net->now_us - c->rto_since_us) / 1000);
    c->rto_since_us = 0;
}

static void fill_more(const struct tcp *tcp, const struct tcp_pcb *pcb, struct info_more *m)
{
    const struct tcp_counts *c = &pcb->counts;

    m->rcv_wnd = tcp_rcv_wnd(pcb);
    m->received_ce = c->received_ce;
    m->total_rto = c->rtos;
    m->total_rto_recoveries = c->rto_recoveries;
    m->total_rto_time = c->rto_ms + ms_since(tcp, c->rto_since_us);
}

/* Copies what there is room for; how much. */
static size_t put_info(const struct tcp_info *i, const struct info_more *m, void *out, size_t len)
{
    size_t old = len < INFO_BYTES ? len : INFO_BYTES;
    size_t more = len - old < sizeof(*m) ? len - old : sizeof(*m);

    memcpy(out, i, old);
    if (more)
        memcpy((uint8_t *)out + old, m, more);
    return old + more;
}

size_t tcp_info_fill(const struct tcp *tcp, const struct tcp_pcb *pcb, void *info, size_t len)
{
    struct info_more more = {0};
    struct tcp_info i;

    memset(&i, 0, sizeof(i));
    i.tcpi_state = linux_state[pcb->state];
    if (pcb->state == TCP_LISTEN) { /* Linux shows the accept queue here */
        i.tcpi_unacked = pcb->listener->accept_len;
        i.tcpi_sacked = pcb->listener->backlog;
    } else {
        i.tcpi_ca_state = ca_state(pcb);
        i.tcpi_retransmits = pcb->retransmits;
        i.tcpi_probes = pcb->probes_out;
        i.tcpi_backoff = pcb->backoff;
        i.tcpi_options =
            (uint8_t)((pcb->ts_ok ? TCPI_OPT_TIMESTAMPS : 0) | (pcb->sack_ok ? TCPI_OPT_SACK : 0) |
                      (pcb->wscale_ok ? TCPI_OPT_WSCALE : 0) |
                      (pcb->ecn & TCP_ECN_OK ? TCPI_OPT_ECN : 0) |
                      (pcb->ecn & TCP_ECN_SEEN ? TCPI_OPT_ECN_SEEN : 0) |
                      (pcb->syn_text_acked ? TCPI_OPT_SYN_DATA : 0));
        i.tcpi_fastopen_client_fail = pcb->fast_fail & 3;
        i.tcpi_snd_wscale = pcb->snd_wscale & 15;
        i.tcpi_rcv_wscale = pcb->rcv_wscale & 15;
        i.tcpi_rto = (uint32_t)tcp_rtt_rto_us(pcb);
        i.tcpi_ato = tcp_delack_us(pcb);
        i.tcpi_snd_mss = tcp_mss(pcb);
        i.tcpi_rcv_mss = pcb->rcv_mss;
        i.tcpi_last_data_sent = ms_since(tcp, pcb->last_tx_us);
        i.tcpi_last_data_recv = ms_since(tcp, pcb->last_rx_data_us);
        i.tcpi_last_ack_recv = ms_since(tcp, pcb->last_rx_us);
        i.tcpi_pmtu = pcb->path.mtu;
        i.tcpi_rtt = pcb->srtt_us;
        i.tcpi_rttvar = pcb->rttvar_us;
        i.tcpi_min_rtt = pcb->min_rtt_us;
        i.tcpi_rcv_rtt = pcb->rcv_rtt_us;
        i.tcpi_advmss = pcb->adv_mss - (pcb->ts_ok ? TCP_TS_ALIGNED_BYTES : 0u);
        fill_window(pcb, &i);
        fill_recovery(pcb, &i);
        fill_counts(tcp, pcb, &i);
        fill_more(tcp, pcb, &more);
    }
    return put_info(&i, &more, info, len);
}
