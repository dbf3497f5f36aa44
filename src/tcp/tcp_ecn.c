/*
 * Explicit congestion notification (RFC 3168 6.1): a router marks what it would rather have
 * dropped.
 *
 * Agreed on by the SYN (ECE and CWR) and the SYN,ACK (ECE). Then new data go out as ECT(0), but
 * nothing else does: neither pure ACKs nor anything that is sent again or probes (6.1.4 to 6.1.6).
 * A receiver that meets CE says ECE in every ACK until the sender says CWR; the sender who hears
 * ECE takes its window back once a round trip (tcp_recover.c), and says CWR with the next new
 * segment, as it does after every reduction.
 *
 * A SYN that gets lost may have been lost for its asking: it is sent again without (6.1.1.1). SYNs
 * that carry an ECN codepoint in the IP header are not ECN's, as in Linux.
 */
#include "tcp/tcp_int.h"

void tcp_ecn_ask(const struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (tcp->ecn == TCP_ECN_ON)
        pcb->ecn |= TCP_ECN_ASKED;
}

bool tcp_ecn_wanted(const struct tcp *tcp, const struct tcp_seg *seg)
{
    return tcp->ecn != TCP_ECN_OFF && (seg->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR) &&
           (seg->pkt->tos & IP_ECN_BITS) == IP_NOT_ECT;
}

void tcp_ecn_answered(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint8_t bits = seg->flags & (TCP_SYN | TCP_ACK | TCP_ECE | TCP_CWR);

    if (pcb->ecn & TCP_ECN_ASKED && bits == (TCP_SYN | TCP_ACK | TCP_ECE))
        pcb->ecn |= TCP_ECN_OK;
    pcb->ecn &= (uint8_t)~TCP_ECN_ASKED;
}

uint8_t tcp_ecn_send(struct tcp_pcb *pcb, uint32_t seq, uint32_t len, uint8_t *flags)
{
    uint8_t tos = pcb->conf.tos & (uint8_t)~IP_ECN_BITS;

    if (*flags & TCP_SYN) {
        if (*flags & TCP_ACK)
            *flags |= pcb->ecn & TCP_ECN_OK ? TCP_ECE : 0;
        else if (pcb->ecn & TCP_ECN_ASKED && !pcb->first_rexmt_us)
            *flags |= TCP_ECE | TCP_CWR;
        return tos;
    }
    if (!(pcb->ecn & TCP_ECN_OK) || *flags & TCP_RST)
        return tos;
    if (pcb->ecn & TCP_ECN_ECHO)
        *flags |= TCP_ECE;
    if (!len || seq_lt(seq, pcb->snd_nxt))
        return tos;
    if (pcb->ecn & TCP_ECN_REDUCED)
        *flags |= TCP_CWR;
    pcb->ecn &= (uint8_t)~TCP_ECN_REDUCED;
    return tos | IP_ECT_0;
}

void tcp_ecn_text(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint8_t mark = seg->pkt->tos & IP_ECN_BITS;

    if (!(pcb->ecn & TCP_ECN_OK))
        return;
    if (seg->flags & TCP_CWR) {
        pcb->ecn &= (uint8_t)~TCP_ECN_ECHO; /* 6.1.3 */
        tcp_output_ack_defer(tcp, pcb);     /* its window may be very small by now */
    }
    if (mark != IP_NOT_ECT)
        pcb->ecn |= TCP_ECN_SEEN;
    else if (pcb->ecn & TCP_ECN_SEEN) /* it is sent again, then: tell quickly, as Linux */
        pcb->quickacks = (uint8_t)u32_max(pcb->quickacks, 2);
    if (mark != IP_CE)
        return;
    if (!(pcb->ecn & TCP_ECN_ECHO))
        pcb->quickacks = (uint8_t)u32_max(pcb->quickacks, 2);
    pcb->ecn |= TCP_ECN_ECHO;
    tcp->stats.ecn_ce++;
}

void tcp_ecn_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    if (!(pcb->ecn & TCP_ECN_OK) || (seg->flags & (TCP_ECE | TCP_SYN)) != TCP_ECE)
        return;
    tcp->stats.ecn_echoes++;
    if (tcp_flight(pcb))
        tcp_recover_reduce(tcp, pcb);
}
