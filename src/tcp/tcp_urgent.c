/*
 * Urgent data (RFC 9293 3.8.5, RFC 6093), with the meaning that sockets give it, which is Linux's:
 * one urgent byte, the one before the urgent pointer; it makes a mark in the stream at which
 * reading stops; without SO_OOBINLINE it is left out of the stream and read with MSG_OOB.
 *
 * The byte stays in the receive ring; urg_off says where.
 */
#include <errno.h>
#include <poll.h>

#include "tcp/tcp_int.h"

void tcp_urgent_input(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
    uint32_t seq = seg->seq + seg->urg - 1; /* RFC 6093 3.1: the pointer is behind the byte */
    uint64_t off = tcp_rcv_off(pcb, seq);

    if (!seg->urg || !tcp_state_receives(tcp_state(pcb)) || seq_lt(seq, pcb->rcv_nxt))
        return; /* old news */
    if (pcb->urgent != TCP_URGENT_NONE) {
        if (off <= pcb->urg_off)
            return;
        /* The mark moves on. The byte before it that nobody took is lost, as in Linux. */
        if (pcb->urg_off == pcb->rcv.start && !pcb->conf.oobinline && ring_len(&pcb->rcv))
            ring_consume(&pcb->rcv, 1, tcp_receive_high(pcb));
    }
    pcb->urgent = TCP_URGENT_NOT_YET;
    pcb->urg_off = off;
    tcp_ready(tcp, pcb, POLLPRI);
}

void tcp_urgent_arrived(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->urg_off >= pcb->rcv.end)
        return;
    pcb->urgent = TCP_URGENT_VALID;
    tcp_ready(tcp, pcb, POLLPRI);
}

ssize_t tcp_urgent_recv(struct tcp_pcb *pcb, const struct iovec *iov, size_t niov, size_t skip,
                        size_t len, int flags)
{
    if (pcb->conf.oobinline || pcb->urgent == TCP_URGENT_NONE || pcb->urgent == TCP_URGENT_READ)
        return -EINVAL;
    if (pcb->state == TCP_CLOSED && !pcb->fin_rcvd)
        return -ENOTCONN;
    if (pcb->urgent == TCP_URGENT_VALID) {
        if (!(flags & TCP_IO_PEEK))
            pcb->urgent = TCP_URGENT_READ;
        return len ? (ssize_t)ring_copy_out_iov(&pcb->rcv, pcb->urg_off, 1, iov, niov, skip) : 0;
    }
    if (pcb->state == TCP_CLOSED || pcb->shut & TCP_SHUT_RD)
        return 0;
    return -EAGAIN;
}

bool tcp_at_mark(const struct tcp_pcb *pcb)
{
    return pcb->urgent != TCP_URGENT_NONE && pcb->urg_off == pcb->rcv.start;
}
