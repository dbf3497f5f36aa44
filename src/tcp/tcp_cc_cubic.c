/*
 * CUBIC (RFC 9438). After a loss the window grows along a cubic function of the time since then,
 * not of the ACKs:
 *
 *   cwnd                      W_cubic(t) = C (t - K)^3 + W_max
 *    |               /
 *  W_max ------_____/          concave up to W_max, where the loss was: the wire held that much;
 *    |      /                  then convex, to find out whether there is more.
 *    |    /
 *    +---+------K------- t
 *
 * It is never slower than Reno would be (4.3), and gives way faster when W_max shrinks (fast
 * convergence, 4.7).
 *
 * Everything is in bytes and milliseconds and in integers: C = 0.4 segments/s^3, beta = 0.7.
 */
#include "tcp/tcp_int.h"

#define BETA_10 7u /* beta_cubic, tenths */
#define DELTA_MAX_MS                                                                               \
    100000 /* beyond this the cube is clamped: the bound of 1.5 cwnd holds anyway */

struct curve {
    uint64_t epoch_us; /* start of this period of congestion avoidance; 0: not begun */
    uint32_t w_max;    /* bytes */
    uint32_t k_ms;
    uint32_t w_est;      /* what Reno would have, bytes */
    uint32_t cwnd_prior; /* cwnd when the last loss was seen */
};

struct cubic {
    struct curve now, prior; /* prior: before the last loss, should it turn out to be none */
    uint64_t last_ack_us;    /* when the window last grew, to leave out times of not sending */
    uint64_t est_acked;      /* bytes acknowledged that w_est has not counted yet, times 9 */
};

_Static_assert(sizeof(struct cubic) <= sizeof(((struct tcp_pcb *)NULL)->cc), "fits into the pcb");

static struct cubic *state(struct tcp_pcb *pcb)
{
    return (struct cubic *)(void *)pcb->cc;
}

/* The integer cube root. */
static uint32_t cube_root(uint64_t n)
{
    uint32_t root = 0;
    for (int bit = 20; bit >= 0; bit--) { /* 2^21 cubed is near 2^63 */
        uint64_t with = root | 1u << bit;
        if (with * with * with <= n)
            root = (uint32_t)with;
    }
    return root;
}

/* RFC 9438 4.2: K^3 = (W_max - cwnd_epoch) / C, here in ms^3: 2.5e9 for each segment. */
static void begin_epoch(struct tcp_pcb *pcb, struct cubic *c, uint64_t now_us)
{
    c->now.epoch_us = now_us;
    c->now.w_est = pcb->cwnd;
    c->est_acked = 0;
    if (c->now.w_max > pcb->cwnd) {
        uint64_t missing = c->now.w_max - pcb->cwnd;
        c->now.k_ms = cube_root(missing * 2500000000u / pcb->snd_mss);
    } else {
        c->now.k_ms = 0;
        c->now.w_max = pcb->cwnd;
    }
}

/* W_cubic at t milliseconds of the epoch, bytes. */
static int64_t w_cubic(const struct tcp_pcb *pcb, const struct cubic *c, uint64_t t_ms)
{
    int64_t d = (int64_t)t_ms - (int64_t)c->now.k_ms;
    if (d > DELTA_MAX_MS)
        d = DELTA_MAX_MS;
    if (d < -DELTA_MAX_MS)
        d = -DELTA_MAX_MS;
    /* 0.4 segments for each s^3: d^3 * mss * 4 / 10^10 */
    return (int64_t)c->now.w_max + d * d * d / 1000 * (int64_t)pcb->snd_mss / 2500000;
}

/* RFC 9438 4.3: alpha = 3 (1 - beta) / (1 + beta) = 9/17 segments a window, and 1 from cwnd_prior
 * on. */
static void grow_reno(const struct tcp_pcb *pcb, struct cubic *c, uint32_t acked)
{
    bool prior = c->now.w_est >= c->now.cwnd_prior;
    c->est_acked += (uint64_t)acked * (prior ? 17 : 9);
    uint64_t a_window = (uint64_t)c->now.w_est * 17;
    while (c->est_acked >= a_window) {
        c->est_acked -= a_window;
        c->now.w_est += pcb->snd_mss;
        a_window = (uint64_t)c->now.w_est * 17;
    }
}

static void avoid(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    struct cubic *c = state(pcb);
    uint64_t now = tcp->net->now_us;

    /* 5.8: time in which nothing was sent, or not enough, is not time to grow in. */
    if (c->now.epoch_us && now - c->last_ack_us > pcb->rto_us)
        c->now.epoch_us += now - c->last_ack_us;
    c->last_ack_us = now;
    if (!c->now.epoch_us)
        begin_epoch(pcb, c, now);

    uint64_t t_ms = (now - c->now.epoch_us) / 1000;
    int64_t target = w_cubic(pcb, c, t_ms + pcb->srtt_us / 1000); /* 4.2 */
    if (target > (int64_t)pcb->cwnd + pcb->cwnd / 2)
        target = (int64_t)pcb->cwnd + pcb->cwnd / 2;
    grow_reno(pcb, c, acked);
    if (w_cubic(pcb, c, t_ms) < (int64_t)c->now.w_est) { /* 4.3: the Reno-friendly region */
        pcb->cwnd = u32_max(pcb->cwnd, c->now.w_est);
        return;
    }
    if (target <= (int64_t)pcb->cwnd)
        return;
    /* 4.4, 4.5: (target - cwnd) / cwnd for each segment acknowledged */
    uint64_t step = (uint64_t)(target - (int64_t)pcb->cwnd) * acked;
    pcb->cwnd_acked += (uint32_t)(step / pcb->cwnd);
    if (pcb->cwnd_acked >= pcb->snd_mss) { /* whole segments: fractions are never sent */
        uint32_t grow = pcb->cwnd_acked - pcb->cwnd_acked % pcb->snd_mss;
        pcb->cwnd += grow;
        pcb->cwnd_acked -= grow;
    }
}

static bool init(struct tcp *tcp, struct tcp_pcb *pcb)
{
    return true;
}

static void ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked)
{
    if (pcb->cwnd < pcb->ssthresh)
        acked = tcp_cc_slow_start(tcp, pcb, acked);
    if (acked)
        avoid(tcp, pcb, acked);
}

/* RFC 9438 4.6, 4.7. */
static uint32_t ssthresh(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct cubic *c = state(pcb);
    /* A window that was not used says nothing of the path (4.6). */
    uint32_t flight = pcb->cwnd_limited ? pcb->cwnd : u32_min(tcp_flight(pcb), pcb->cwnd);

    c->prior = c->now;
    c->now.cwnd_prior = flight;
    if (flight < c->now.w_max) /* somebody else needs room */
        c->now.w_max = (uint32_t)((uint64_t)flight * (10 + BETA_10) / 20);
    else
        c->now.w_max = flight;
    c->now.epoch_us = 0;
    return u32_max((uint32_t)((uint64_t)flight * BETA_10 / 10), 2u * pcb->snd_mss);
}

/* RFC 9438 4.9.1, 4.9.2: back on the curve as if nothing had happened. */
static void undo(struct tcp *tcp, struct tcp_pcb *pcb)
{
    struct cubic *c = state(pcb);

    pcb->cwnd = u32_max(pcb->cwnd, pcb->undo.cwnd);
    c->now = c->prior;
}

const struct tcp_cc_ops tcp_cc_cubic = {
    .name = "cubic",
    .init = init,
    .ack = ack,
    .ssthresh = ssthresh,
    .undo = undo,
};
