/*
 * The slow timer: keepalive (RFC 9293 3.8.4), the end of an orphan in FIN_WAIT_2, and 2 MSL.
 *
 * Keepalive is off unless asked for (MUST-25), probes after 2 hours (MUST-28) with an empty segment
 * below the window, and gives up only when several of them went unanswered (MUST-26). What still is
 * to be acknowledged makes it needless: retransmission finds out then.
 */
#include <errno.h>

#include "tcp/tcp_int.h"

/* FIN_WAIT_2 without an owner; as Linux not less than three and a half timeouts. */
static uint64_t linger2_us(const struct tcp_pcb *pcb)
{
    uint64_t want = (uint64_t)pcb->conf.linger2_ms * 1000, rto = pcb->rto_us;

    return want > rto * 7 / 2 ? want : rto * 7 / 2;
}

static void arm_in(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t us)
{
    timer_set(&tcp->net->timers, &pcb->slow, tcp->net->now_us + us);
}

void tcp_keepalive_arm(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->doomed) /* tcp_repair_finish() has the timer */
        return;
    switch (tcp_state(pcb)) {
    case TCP_TIME_WAIT:
        arm_in(tcp, pcb, TCP_MSL2_US);
        return;
    case TCP_FIN_WAIT_2:
        if (pcb->orphan) {
            arm_in(tcp, pcb, linger2_us(pcb));
            return;
        }
        break;
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        break;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
        timer_stop(&tcp->net->timers, &pcb->slow);
        return;
    }
    if (pcb->conf.keepalive)
        arm_in(tcp, pcb, (uint64_t)pcb->conf.keep_idle_ms * 1000);
    else
        timer_stop(&tcp->net->timers, &pcb->slow);
}

static bool is_dead(const struct tcp_pcb *pcb, uint64_t idle_us)
{
    if (pcb->conf.user_timeout_ms) /* RFC 5482 4.2 */
        return pcb->probes_out && idle_us >= (uint64_t)pcb->conf.user_timeout_ms * 1000;
    return pcb->probes_out >= pcb->conf.keep_cnt;
}

static void keepalive(struct tcp *tcp, struct tcp_pcb *pcb)
{
    uint64_t idle = tcp->net->now_us - pcb->last_rx_us;
    uint64_t idle_max = (uint64_t)pcb->conf.keep_idle_ms * 1000;

    if (!pcb->conf.keepalive)
        return;
    if (tcp_flight(pcb) || tcp_unsent_bytes(pcb)) {
        arm_in(tcp, pcb, idle_max);
        return;
    }
    if (idle < idle_max) {
        arm_in(tcp, pcb, idle_max - idle);
        return;
    }
    if (is_dead(pcb, idle)) {
        tcp->stats.abort_on_timeout++;
        tcp_reset_send(tcp, pcb);
        tcp_pcb_done(tcp, pcb, pcb->soft_error ? pcb->soft_error : ETIMEDOUT);
        return;
    }
    tcp->stats.keepalive_probes++;
    pcb->probes_out++;
    tcp_segment_probe(tcp, pcb);
    arm_in(tcp, pcb, (uint64_t)pcb->conf.keep_intvl_ms * 1000);
}

void tcp_keepalive_timeout(struct tcp *tcp, struct tcp_pcb *pcb)
{
    if (pcb->doomed) {
        tcp_repair_finish(tcp, pcb);
        return;
    }
    switch (tcp_state(pcb)) {
    case TCP_TIME_WAIT:
        tcp_pcb_done(tcp, pcb, 0);
        return;
    case TCP_FIN_WAIT_2:
        if (pcb->orphan) {
            tcp_pcb_done(tcp, pcb, 0);
            return;
        }
        keepalive(tcp, pcb);
        return;
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
    case TCP_FIN_WAIT_1:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
        keepalive(tcp, pcb);
        return;
    case TCP_CLOSED:
    case TCP_LISTEN:
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
        return;
    }
}
