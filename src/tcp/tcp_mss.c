/*
 * How large segments are (RFC 9293 3.7.1, RFC 6691).
 *
 * adv_mss is what our MSS option says: the interface's MTU without the fixed headers. snd_mss is
 * the payload of a full segment that we send: the smaller of what the peer takes and what the path
 * carries, less the options that every segment has (MUST-16).
 */
#include "tcp/tcp_int.h"

static uint32_t header_bytes(const struct tcp_pcb *pcb)
{
    return TCP_HDR_MIN + (addr_is_v4(&pcb->remote.addr) ? 20u : 40u);
}

static uint32_t clamp_user(const struct tcp_pcb *pcb, uint32_t mss)
{
    return pcb->conf.user_mss ? u32_min(mss, pcb->conf.user_mss) : mss;
}

void tcp_mss_init(struct tcp_pcb *pcb)
{
    uint32_t mtu = pcb->path.nif ? pcb->path.nif->mtu : TCP_DEFAULT_MSS + header_bytes(pcb);
    uint32_t hdr = header_bytes(pcb);
    uint32_t mss = mtu > hdr + TCP_MIN_SEND_MSS ? mtu - hdr : TCP_MIN_SEND_MSS;

    pcb->adv_mss = (uint16_t)u32_min(clamp_user(pcb, mss), 65535 - hdr);
    pcb->peer_mss = TCP_DEFAULT_MSS; /* MUST-15 */
    pcb->rcv_mss = (uint16_t)u32_min(TCP_DEFAULT_MSS, pcb->adv_mss);
    tcp_mss_update(pcb);
}

uint32_t tcp_mss_most(const struct tcp_pcb *pcb)
{
    uint32_t hdr = header_bytes(pcb);
    uint32_t path_mss = pcb->path.mtu > hdr ? pcb->path.mtu - hdr : TCP_MIN_SEND_MSS;
    uint32_t mss = u32_min(pcb->peer_mss, path_mss);

    return u32_max(mss, TCP_MIN_SEND_MSS);
}

void tcp_mss_update(struct tcp_pcb *pcb)
{
    uint32_t mss = tcp_probe_clamp(pcb, tcp_mss_most(pcb));

    if (pcb->ts_ok)
        mss -= TCP_TS_BYTES;
    pcb->snd_mss = (uint16_t)mss;
}

bool tcp_mss_discovers(const struct tcp_pcb *pcb)
{
    switch ((enum pmtudisc)pcb->conf.mtu_discover) {
    case PMTUDISC_WANT: /* RFC 1191 6 */
    case PMTUDISC_DO:
        return true;
    case PMTUDISC_DONT:
    case PMTUDISC_PROBE: /* for datagrams only, as in Linux */
    case PMTUDISC_INTERFACE:
    case PMTUDISC_OMIT:
        return false;
    }
    return true;
}

void tcp_mss_refresh(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (path_refresh(tcp->net, &pcb->path) == 0)
        tcp_mss_update(pcb);
}

uint32_t tcp_mss_frame_bytes(const struct tcp_pcb *pcb)
{
    const struct netif *nif = pcb->path.nif;
    uint32_t mss = pcb->snd_mss, max;

    if (!nif || !nif->gso_max_bytes || pcb->snd_urgent ||
        pcb->ecn & TCP_ECN_REDUCED) /* CWR stands in one segment only */
        return mss;                 /* the urgent pointer of each segment is its own */
    if (pcb->path.mtu < PATH_MTU_WHOLE)
        return mss; /* each goes in fragments */
    max = u32_min(nif->gso_max_bytes, 65535 - 40 - TCP_HDR_MAX);
    /* Pieces of a super-frame lie in one chunk of the ring each. */
    max = u32_min(max, (FRAME_BODY_MAX - 1) * RING_CHUNK_BYTES);
    return max > mss ? max - max % mss : mss;
}

uint32_t tcp_mss(const struct tcp_pcb *pcb)
{
    return pcb->snd_mss ? pcb->snd_mss : clamp_user(pcb, TCP_DEFAULT_MSS);
}
