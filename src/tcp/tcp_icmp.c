/*
 * ICMP errors about our segments (RFC 9293 3.9.2.2, RFC 5927).
 *
 * Anybody can send them, so one counts only if the sequence number it quotes is in flight (RFC
 * 5927 4.1). A connection that is not yet established dies of it, as in Linux, also of one that RFC
 * 1122 4.2.3.9 calls soft: a user who connects to a dead host wants to hear of it (RFC 5461 4.1).
 * Later errors are only kept as the reason to name if the connection times out, or with IP_RECVERR
 * told to the user, whose connection goes on.
 *
 * "Fragmentation needed" (RFC 1191) is believed on the same condition, and only if it names less
 * than the segment it quotes (RFC 5927 7.2); never below PATH_MTU_MIN.
 */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

/* RFC 1191 6.5: the path carries less than we thought: smaller segments, and the lost ones again at
 * once. The others to the same place hear of it by their path, when they send next. */
static void too_big(struct tcp *tcp, struct tcp_pcb *pcb, const struct icmp_error *e)
{
    uint32_t old = pcb->snd_mss, mtu;

    if (!tcp_mss_discovers(pcb)) /* sent without DF, it was not dropped */
        return;
    mtu = icmp_too_big(tcp->net, e);
    if (path_refresh(tcp->net, &pcb->path))
        return;
    if (mtu && mtu < pcb->path.mtu)
        pcb->path.mtu = mtu; /* there was no memory to remember it for all */
    tcp_mss_update(pcb);
    if (pcb->snd_mss >= old || !tcp_state_sends(tcp_state(pcb)) || !tcp_flight(pcb))
        return;
    tcp_retransmit_resize(tcp, pcb, pcb->snd_nxt, old);
}

void tcp_icmp_error(struct tcp *tcp, const struct icmp_error *e)
{
    struct endpoint local = {.addr = e->src}, remote = {.addr = e->dst};
    struct tcp_pcb *pcb;
    uint32_t seq;

    if (e->l4_len < 8)
        return;
    local.port = get_be16(e->l4);
    remote.port = get_be16(e->l4 + 2);
    seq = get_be32(e->l4 + 4);
    pcb = tcp_flow_find(tcp, &local, &remote);
    if (!pcb || pcb->state == TCP_TIME_WAIT || e->ttl < pcb->conf.min_ttl ||
        !seq_in(seq, pcb->snd_una, tcp_flight(pcb)))
        return;
    tcp->current = pcb;
    if (e->err == EMSGSIZE) {
        too_big(tcp, pcb, e);
        return;
    }
    switch (tcp_state(pcb)) {
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
        if (e->type != ICMP_SOURCE_QUENCH) {
            if (pcb->owner && tcp->net->env->up->sock_icmp)
                tcp->net->env->up->sock_icmp(tcp->net, pcb->owner, e);
            tcp_pcb_done(tcp, pcb, e->err);
            return;
        }
        break;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        break;
    }
    if (e->type == ICMP_SOURCE_QUENCH) /* RFC 6633 */
        return;
    if (pcb->conf.recverr && pcb->owner) {
        pcb->error = (uint8_t)e->err;
        tcp_ready(tcp, pcb, POLLERR);
    } else {
        pcb->soft_error = (uint8_t)e->err;
    }
}
