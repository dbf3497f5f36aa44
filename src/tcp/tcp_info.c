/* TCP_INFO in the layout of Linux's struct tcp_info. */
#include <linux/tcp.h>

#include "tcp/tcp_int.h"

/* Linux numbers the states in its own way (include/net/tcp_states.h). */
static const uint8_t linux_state[] = {
    [TCP_CLOSED] = 7,      [TCP_LISTEN] = 10,    [TCP_SYN_SENT] = 2,   [TCP_SYN_RECEIVED] = 3,
    [TCP_ESTABLISHED] = 1, [TCP_FIN_WAIT_1] = 4, [TCP_FIN_WAIT_2] = 5, [TCP_CLOSE_WAIT] = 8,
    [TCP_CLOSING] = 11,    [TCP_LAST_ACK] = 9,   [TCP_TIME_WAIT] = 6,
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

static void fill_window(const struct tcp_pcb *pcb, struct tcp_info *i)
{
    uint32_t mss = u32_max(pcb->snd_mss, 1);

    i->tcpi_unacked = (tcp_flight(pcb) + mss - 1) / mss;
    i->tcpi_snd_ssthresh = pcb->ssthresh == UINT32_MAX ? 0x7fffffff : pcb->ssthresh / mss;
    i->tcpi_snd_cwnd = pcb->cwnd / mss;
    i->tcpi_rcv_ssthresh = tcp_window_capacity(pcb);
    i->tcpi_rcv_space = pcb->rcvq_space;
    i->tcpi_notsent_bytes = (uint32_t)tcp_unsent_bytes(pcb);
    i->tcpi_total_retrans = pcb->retrans_total;
    i->tcpi_bytes_acked = pcb->snd.start;
    i->tcpi_bytes_received = pcb->rcv.end;
    i->tcpi_bytes_sent = pcb->snd.start + tcp_flight(pcb);
    i->tcpi_snd_wnd = pcb->snd_wnd;
}

void tcp_info_fill(const struct tcp *tcp, const struct tcp_pcb *pcb, void *info, size_t len)
{
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
        i.tcpi_options = (uint8_t)((pcb->ts_ok ? TCPI_OPT_TIMESTAMPS : 0) |
                                   (pcb->wscale_ok ? TCPI_OPT_WSCALE : 0) |
                                   (pcb->syn_text_acked ? TCPI_OPT_SYN_DATA : 0));
        i.tcpi_fastopen_client_fail = pcb->fast_fail & 3;
        i.tcpi_snd_wscale = pcb->snd_wscale & 15;
        i.tcpi_rcv_wscale = pcb->rcv_wscale & 15;
        i.tcpi_rto = (uint32_t)tcp_rtt_rto_us(pcb);
        i.tcpi_ato = TCP_DELACK_US;
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
        i.tcpi_advmss = pcb->adv_mss;
        fill_window(pcb, &i);
    }
    memcpy(info, &i, len < sizeof(i) ? len : sizeof(i));
}
