/*
 * User calls that make, change and end a connection (RFC 9293 3.10.1, 3.10.4, 3.10.5); LISTEN's are
 * in tcp_listen.c, SEND and RECEIVE in tcp_io.c.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "tcp/tcp_int.h"

/* ---- bind, connect ---- */

int tcp_bind(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *local)
{
    struct endpoint old = pcb->local;
    bool any = addr_is_any(&local->addr);
    int err;

    if (pcb->state != TCP_CLOSED || pcb->port)
        return -EINVAL;
    if (!any && !pcb->conf.freebind && !netif_find_addr(tcp->net, &local->addr))
        return -EADDRNOTAVAIL;
    pcb->local = *local;
    err = 0;
    if (local->port == 0)
        err = tcp_port_pick(tcp, pcb, NULL);
    else if (tcp_port_conflict(tcp, pcb, local))
        err = -EADDRINUSE;
    if (!err)
        err = tcp_port_get(tcp, pcb);
    if (err) {
        pcb->local = old;
        return err;
    }
    pcb->addr_locked = !any;
    pcb->port_locked = local->port != 0;
    return 0;
}

int tcp_bind_to(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *local,
                const struct endpoint *remote)
{
    struct endpoint old = pcb->local;
    int err;

    if (pcb->state != TCP_CLOSED || pcb->port)
        return -EINVAL;
    if (!tcp_port_fits(tcp, local, remote))
        return -EADDRINUSE;
    pcb->local = *local;
    err = tcp_port_get(tcp, pcb);
    if (err)
        pcb->local = old;
    pcb->addr_locked = pcb->port_locked = false;
    return err;
}

/* The way there, our address and our port. */
static int connect_local(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote)
{
    struct ip_addr src;
    int err;

    if (!pcb->port && !pcb->addr_locked)
        pcb->local.addr = tcp_any(pcb);
    src = pcb->local.addr;
    if (addr_is_any(&src))
        src = addr_any_as(&remote->addr);
    err = path_lookup(tcp->net, &remote->addr, &src, pcb->conf.nif, &pcb->path);
    if (err)
        return err;
    if (pcb->path.broadcast || pcb->path.multicast)
        return -ENETUNREACH; /* RFC 9293 MUST-46 */
    pcb->local.addr = pcb->path.src;
    if (pcb->port) {
        const struct tcp_pcb *old = tcp_flow_find(tcp, &pcb->local, remote);

        return old && !tcp_timewait_yields(old) ? -EADDRNOTAVAIL : 0;
    }
    err = tcp_port_pick(tcp, pcb, remote);
    return err ? err : tcp_port_get(tcp, pcb);
}

static void prepare(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct tcp_pcb *old = tcp_flow_find(tcp, &pcb->local, &pcb->remote);

    pcb->iss = tcp_iss_choose(tcp, &pcb->local, &pcb->remote);
    if (old) { /* in TIME_WAIT, and gives way: RFC 9293 MUST-12, beyond all its numbers */
        if (seq_le(pcb->iss, old->snd_nxt + 65535))
            pcb->iss = old->snd_nxt + 65536 + 1;
        tcp_pcb_done(tcp, old, 0);
        tcp->current = pcb;
    }
    pcb->ts_offset = tcp_iss_ts_offset(tcp, &pcb->local, &pcb->remote);
    pcb->snd_una = pcb->iss;
    pcb->snd_nxt = pcb->iss + 1;
    tcp_rtt_init(pcb);
    tcp_window_init(tcp, pcb);
    tcp_mss_init(pcb);
    tcp_set_state(tcp, pcb, TCP_SYN_SENT);
    tcp_flow_insert(tcp, pcb);
}

void tcp_user_start(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->stats.active_opens++;
    tcp_ecn_ask(tcp, pcb);
    pcb->snd_nxt = pcb->iss + 1 + pcb->syn_text;
    tcp_rtt_start(tcp, pcb, pcb->iss + 1);
    tcp_timer_rexmt(tcp, pcb, tcp->net->now_us + tcp_rtt_rto_us(pcb));
    tcp_segment_syn(tcp, pcb);
}

/* tcp_connect() up to the SYN. */
static int connect_quietly(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote)
{
    struct endpoint local = pcb->local;
    int err;

    tcp->current = pcb;
    if (pcb->state == TCP_SYN_SENT || pcb->state == TCP_SYN_RECEIVED)
        return -EALREADY;
    if (pcb->state != TCP_CLOSED)
        return -EISCONN;
    tcp_pcb_forget(tcp, pcb);
    pcb->error = 0;
    err = connect_local(tcp, pcb, remote);
    if (err) {
        pcb->local = local;
        memset(&pcb->path, 0, sizeof(pcb->path));
        return err;
    }
    pcb->remote = *remote;
    prepare(tcp, pcb);
    return 0;
}

int tcp_connect(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote)
{
    int err = connect_quietly(tcp, pcb, remote);

    if (!err)
        tcp_user_start(tcp, pcb);
    return err;
}

int tcp_fastopen_connect(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote)
{
    int err = connect_quietly(tcp, pcb, remote);

    if (!err)
        pcb->fast_wait = true;
    return err;
}

/* ---- shutdown, close, abort ---- */

void tcp_user_send_fin(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->shut |= TCP_SHUT_WR;
    switch (tcp_state(pcb)) {
    case TCP_ESTABLISHED:
        tcp_set_state(tcp, pcb, TCP_FIN_WAIT_1);
        break;
    case TCP_CLOSE_WAIT:
        tcp_set_state(tcp, pcb, TCP_LAST_ACK);
        break;
    case TCP_SYN_RECEIVED: /* a simultaneous open: 3.10.4 lets it wait for ESTABLISHED */
        return;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        return;
    }
    pcb->fin_queued = true;
    pcb->more = false;
    tcp_output(tcp, pcb);
}

int tcp_shutdown(struct tcp *tcp, struct tcp_pcb *pcb, int how)
{
    uint8_t mask = (uint8_t)(how + 1); /* SHUT_RD, SHUT_WR, SHUT_RDWR are 0, 1, 2 */

    tcp->current = pcb;
    switch (tcp_state(pcb)) {
    case TCP_CLOSED:
    case TCP_TIME_WAIT: /* of Linux's socket nothing is left by then */
        pcb->shut |= mask;
        return -ENOTCONN;
    case TCP_LISTEN:
        if (mask & TCP_SHUT_RD)
            tcp_disconnect(tcp, pcb);
        return 0;
    case TCP_SYN_SENT:
        tcp_disconnect(tcp, pcb);
        return 0;
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        break;
    }
    pcb->shut |= mask;
    if (mask & TCP_SHUT_WR)
        tcp_user_send_fin(tcp, pcb);
    tcp_ready(tcp, pcb, tcp_poll(pcb));
    return 0;
}

bool tcp_user_needs_reset(const struct tcp_pcb *pcb)
{
    switch (tcp_state(pcb)) {
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_FIN_WAIT_1:
    case TCP_FIN_WAIT_2:
    case TCP_CLOSE_WAIT:
        return true;
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        return !pcb->fin_sent; /* data are lost */
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_TIME_WAIT:
        return false;
    }
    return false;
}

static void abandon(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->state == TCP_LISTEN)
        tcp_listen_stop(tcp, pcb);
    if (tcp_user_needs_reset(pcb))
        tcp_reset_send(tcp, pcb);
}

void tcp_abort(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->current = pcb;
    pcb->owner = NULL;
    if (pcb->doomed) /* tcp_repair_finish() frees it */
        return;
    abandon(tcp, pcb);
    tcp_pcb_done(tcp, pcb, 0);
}

/* The connection goes on without its owner. */
static void make_orphan(struct tcp *tcp, struct tcp_pcb *pcb)
{
    pcb->orphan = true;
    tcp->orphans++;
    pcb->shut = TCP_SHUT_BOTH;
    ring_clear(&pcb->rcv);
    ranges_clear(&pcb->ofo);
    tcp_mem_update(tcp, pcb);
    switch (tcp_state(pcb)) {
    case TCP_TIME_WAIT:
        list_push(&tcp->time_wait, &pcb->on_queue);
        return;
    case TCP_FIN_WAIT_2:
        if (pcb->conf.linger2_ms) {
            tcp_keepalive_arm(tcp, pcb); /* not for ever (Linux's tcp_fin_timeout) */
            return;
        }
        tcp_reset_send(tcp, pcb); /* TCP_LINGER2 below 0: not at all */
        tcp_pcb_done(tcp, pcb, 0);
        return;
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_SYN_RECEIVED:
        tcp_user_send_fin(tcp, pcb);
        return;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        return;
    }
}

void tcp_close(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool unread = ring_len(&pcb->rcv) > 0 && pcb->state != TCP_TIME_WAIT;

    tcp->current = pcb;
    pcb->owner = NULL;
    if (pcb->state == TCP_CLOSED || pcb->state == TCP_LISTEN || pcb->state == TCP_SYN_SENT) {
        tcp_abort(tcp, pcb);
    } else if (unread || tcp->orphans >= TCP_MAX_ORPHANS) {
        tcp->stats.abort_on_close++; /* RFC 2525 2.17, RFC 9293 3.6.1: the peer should know */
        tcp_abort(tcp, pcb);
    } else {
        make_orphan(tcp, pcb);
    }
}

void tcp_addr_unlock(struct tcp_pcb *pcb)
{
    pcb->addr_locked = false;
}

void tcp_disconnect(struct tcp *tcp, struct tcp_pcb *pcb)
{
    bool told = tcp_user_needs_reset(pcb) || pcb->state == TCP_SYN_SENT;

    tcp->current = pcb;
    abandon(tcp, pcb);
    tcp_set_state(tcp, pcb, TCP_CLOSED);
    tcp_pcb_forget(tcp, pcb);
    if (told)
        pcb->error = ECONNRESET; /* as Linux */
    pcb->remote = (struct endpoint){.addr = tcp_any(pcb), .port = 0};
    if (!pcb->addr_locked)
        pcb->local.addr = tcp_any(pcb);
    if (pcb->port && pcb->port_locked)
        tcp_port_get(tcp, pcb); /* a listener moves among the others; the bucket is there */
    else
        tcp_port_put(tcp, pcb); /* getsockname() still tells it, as Linux */
    tcp_ready(tcp, pcb, tcp_poll(pcb));
}

/* ---- configuration ---- */

struct tcp_config *tcp_config(struct tcp_pcb *pcb)
{
    return &pcb->conf;
}

void tcp_config_changed(struct tcp *tcp, struct tcp_pcb *pcb)
{
    tcp->current = pcb;
    tcp_keepalive_arm(tcp, pcb);
    if (!tcp_state_sends(tcp_state(pcb)) && pcb->state != TCP_FIN_WAIT_2)
        return;
    tcp_mss_update(pcb);
    if (pcb->conf.nodelay || !pcb->conf.cork)
        pcb->more = false;
    tcp_output(tcp, pcb);
}

void tcp_set_quickack(struct tcp *tcp, struct tcp_pcb *pcb, bool on)
{
    pcb->pingpong = !on;
    pcb->quickacks = on ? TCP_QUICKACKS : 0;
    if (on && tcp_state_receives(tcp_state(pcb)) && pcb->rcv_nxt != pcb->last_ack_sent)
        tcp_output_ack_defer(tcp, pcb);
}
