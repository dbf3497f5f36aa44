/* What the owner may ask: readiness, as Linux's tcp_poll() answers it, errors, amounts. */
#include <poll.h>

#include "tcp/tcp_int.h"

/* Enough to wake a reader: SO_RCVLOWAT; the urgent byte at the head does not count. */
static bool is_readable(const struct tcp_pcb *pcb)
{
    uint64_t target = u32_max(pcb->conf.rcvlowat, 1);

    if (tcp_at_mark(pcb) && !pcb->conf.oobinline)
        target++;
    return ring_len(&pcb->rcv) >= target;
}

uint32_t tcp_poll(const struct tcp_pcb *pcb)
{
    uint32_t mask = 0;

    if (pcb->state == TCP_LISTEN)
        return tcp_can_accept(pcb) ? POLLIN | POLLRDNORM : 0;
    if (pcb->shut == TCP_SHUT_BOTH || pcb->state == TCP_CLOSED)
        mask |= POLLHUP;
    if (pcb->shut & TCP_SHUT_RD)
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (pcb->fast_wait)
        mask |= POLLOUT | POLLWRNORM;
    if ((pcb->state != TCP_SYN_SENT && pcb->state != TCP_SYN_RECEIVED) || pcb->fast_child) {
        if (is_readable(pcb))
            mask |= POLLIN | POLLRDNORM;
        if (pcb->shut & TCP_SHUT_WR || tcp_sndbuf_writable(pcb))
            mask |= POLLOUT | POLLWRNORM;
        if (pcb->urgent == TCP_URGENT_VALID)
            mask |= POLLPRI;
    }
    if (pcb->error)
        mask |= POLLERR;
    return mask;
}

int tcp_take_error(struct tcp_pcb *pcb)
{
    int err = pcb->error;

    pcb->error = 0;
    return err;
}

int tcp_peek_error(const struct tcp_pcb *pcb)
{
    return pcb->error;
}

void tcp_set_error(struct tcp_pcb *pcb, int err)
{
    pcb->error = (uint8_t)err;
}

bool tcp_is_bound(const struct tcp_pcb *pcb)
{
    return pcb->port != NULL;
}

const struct endpoint *tcp_local(const struct tcp_pcb *pcb)
{
    return &pcb->local;
}
const struct endpoint *tcp_remote(const struct tcp_pcb *pcb)
{
    return &pcb->remote;
}

const uint8_t *tcp_saved_syn(const struct tcp_pcb *pcb, size_t *bytes)
{
    *bytes = pcb->saved_syn ? pcb->saved_syn_bytes : 0;
    return pcb->saved_syn;
}

void tcp_drop_saved_syn(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint8_t *syn = pcb->saved_syn;

    pcb->saved_syn = NULL;
    if (syn)
        arena_free(tcp->net->arena, syn, pcb->saved_syn_bytes);
}

uint64_t tcp_arrived_us(const struct tcp_pcb *pcb)
{
    return pcb->last_rx_data_us;
}

uint64_t tcp_readable_bytes(const struct tcp_pcb *pcb)
{
    /* Up to the urgent mark, as SIOCINQ of Linux. */
    if (!pcb->conf.oobinline && pcb->urgent != TCP_URGENT_NONE && pcb->urg_off >= pcb->rcv.start &&
        pcb->urg_off < pcb->rcv.end)
        return pcb->urg_off - pcb->rcv.start;
    return ring_len(&pcb->rcv);
}

uint64_t tcp_unacked_bytes(const struct tcp_pcb *pcb)
{
    return ring_len(&pcb->snd);
}

uint64_t tcp_unsent_bytes(const struct tcp_pcb *pcb)
{
    if (pcb->fin_sent || !tcp_may_output(pcb))
        return 0;
    return tcp_snd_end(pcb) - pcb->snd_nxt;
}

bool tcp_send_drained(const struct tcp_pcb *pcb)
{
    switch (tcp_state(pcb)) {
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_SYN_RECEIVED:
        return pcb->fin_sent && tcp_flight(pcb) == 0;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_FIN_WAIT_2:
    case TCP_TIME_WAIT:
        return true;
    }
    return true;
}

bool tcp_quickack(const struct tcp_pcb *pcb)
{
    return !pcb->pingpong;
}
