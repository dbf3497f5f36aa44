/* SEND and RECEIVE (RFC 9293 3.10.2, 3.10.3), with the answers that Linux gives. */
#include <errno.h>

#include "tcp/tcp_int.h"

/* Queue this much, then give it to the network: it is still in the cache then. */
#define SEND_STEP_BYTES 65536u

static int take_error(struct tcp_pcb *pcb, int otherwise)
{
    int err = pcb->error ? pcb->error : otherwise;

    pcb->error = 0;
    return -err;
}

/* 0, or why nothing can be sent. */
static int send_check(struct tcp_pcb *pcb)
{
    if (pcb->state == TCP_SYN_SENT || (pcb->state == TCP_SYN_RECEIVED && !pcb->fast_child)) {
        if (pcb->error)
            return take_error(pcb, 0);
        if (pcb->shut & TCP_SHUT_WR)
            return -EPIPE;
        pcb->nospace = true;
        return -EAGAIN;
    }
    if (pcb->error || pcb->shut & TCP_SHUT_WR ||
        !(tcp_state_may_send(tcp_state(pcb)) || pcb->fast_child))
        return take_error(pcb, EPIPE);
    return 0;
}

/* The last byte queued is urgent (RFC 6093 3.1: the pointer stands behind it). */
static void mark_urgent(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint32_t nxt = pcb->snd_nxt;

    pcb->snd_urgent = true;
    pcb->snd_up = tcp_snd_end(pcb);
    tcp_output(tcp, pcb);
    if (pcb->snd_nxt == nxt) /* the news go even where the byte cannot (3.8.6.1) */
        tcp_segment_ack(tcp, pcb);
}

ssize_t tcp_send(struct tcp *tcp, struct tcp_pcb *pcb, const struct iovec *iov, size_t niov,
                 size_t skip, size_t len, int flags)
{
    size_t done = 0;
    int err = send_check(pcb);

    tcp->current = pcb;
    if (err)
        return err;
    while (done < len) {
        size_t want = len - done, room = tcp_sndbuf_room(pcb), got;
        if (want > room)
            want = room;
        if (want > SEND_STEP_BYTES)
            want = SEND_STEP_BYTES;
        got = want ? ring_append_iov(&pcb->snd, iov, niov, skip + done, want) : 0;
        if (got == 0)
            break;
        done += got;
        pcb->more = done < len || flags & TCP_IO_MORE;
        if (done < len || !(flags & TCP_IO_OOB))
            tcp_output(tcp, pcb);
    }
    tcp_mem_update(tcp, pcb);
    if (!tcp_sndbuf_writable(pcb))
        pcb->nospace = true;
    if (done == len) {
        if (len && flags & TCP_IO_OOB)
            mark_urgent(tcp, pcb);
        return (ssize_t)len;
    }
    pcb->more = false;
    pcb->nospace = true;
    if (done) {
        tcp_output(tcp, pcb);
        return (ssize_t)done;
    }
    /* With bytes queued, their ACK will make room; without, only the arena is to blame. */
    return ring_len(&pcb->snd) ? -EAGAIN : -ENOMEM;
}

/* How many of the bytes at `at` may be read in one piece before the urgent mark. *skip: the urgent
 * byte itself comes first and is not part of the stream. */
static uint64_t until_mark(const struct tcp_pcb *pcb, uint64_t at, bool any, bool *skip)
{
    uint64_t n = pcb->rcv.end - at;

    *skip = false;
    if (pcb->urgent == TCP_URGENT_NONE || pcb->urg_off < at || pcb->urg_off - at >= n)
        return n;
    if (pcb->urg_off > at)
        return pcb->urg_off - at;
    if (any)
        return 0; /* reading stops at the mark */
    *skip = !pcb->conf.oobinline;
    return *skip ? 1 : n;
}

/* What a reader is told when there is nothing to read. */
static ssize_t nothing_to_read(struct tcp_pcb *pcb)
{
    if (pcb->fin_rcvd)
        return 0;
    if (pcb->error)
        return take_error(pcb, 0);
    if (pcb->shut & TCP_SHUT_RD)
        return 0;
    return pcb->state == TCP_CLOSED ? -ENOTCONN : -EAGAIN;
}

static void consume(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t upto)
{
    ring_consume(&pcb->rcv, upto - pcb->rcv.start, tcp_receive_high(pcb));
    tcp_mem_update(tcp, pcb);
    if (pcb->urgent != TCP_URGENT_NONE && pcb->urg_off < pcb->rcv.start)
        pcb->urgent = TCP_URGENT_NONE;
    if (tcp_window_after_read(tcp, pcb))
        tcp_output_ack_defer(tcp, pcb);
    else
        tcp_receive_taken(tcp, pcb);
}

ssize_t tcp_recv(struct tcp *tcp, struct tcp_pcb *pcb, const struct iovec *iov, size_t niov,
                 size_t skip, size_t len, int flags, uint64_t peek_offset)
{
    uint64_t at = pcb->rcv.start;
    size_t copied = 0;

    tcp->current = pcb;
    if (pcb->state == TCP_LISTEN)
        return -ENOTCONN;
    if (flags & TCP_IO_OOB)
        return tcp_urgent_recv(pcb, iov, niov, skip, len, flags);
    if (flags & TCP_IO_PEEK)
        at = peek_offset < ring_len(&pcb->rcv) ? at + peek_offset : pcb->rcv.end;
    while (copied < len && at < pcb->rcv.end) {
        bool skip_urgent;
        uint64_t n = until_mark(pcb, at, copied > 0, &skip_urgent);
        if (n == 0)
            break;
        if (skip_urgent) {
            at++;
            continue;
        }
        if (n > len - copied)
            n = len - copied;
        if (!(flags & TCP_IO_TRUNC))
            n = ring_copy_out_iov(&pcb->rcv, at, n, iov, niov, skip + copied);
        if (n == 0)
            break;
        at += n;
        copied += n;
    }
    if (!(flags & TCP_IO_PEEK) && at > pcb->rcv.start)
        consume(tcp, pcb, at);
    if (copied || (len == 0 && at < pcb->rcv.end))
        return (ssize_t)copied;
    return nothing_to_read(pcb);
}
