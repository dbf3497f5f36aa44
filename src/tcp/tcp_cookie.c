/*
 * SYN cookies (RFC 4987 3.6): how a listener goes on when its SYN queue is full.
 *
 * Nothing of such a SYN is kept. What must be known again when the handshake's last ACK comes is in
 * our initial sequence number, which that ACK acknowledges:
 *
 *      31 30    29 .. 27   26 .. 0
 *      period   MSS        hash of the flow, the peer's ISS, the period and the MSS
 *
 * The hash is keyed, so only who has received the SYN,ACK can answer it. The period, of 64 s, is
 * part of what is hashed in full; its low bits only save trying. A cookie is good in the period of
 * its making and in the next. The upper five bits are masked with another hash of the flow, so that
 * the number as a whole tells no more than any other (RFC 6528).
 *
 * The MSS is rounded down to one of eight. The other options would be lost, were it not for the
 * timestamps: when the peer sends them, the low six bits of ours carry its window scale and whether
 * it takes SACK and ECN, and come back in the echo. The value is never ahead of the clock, so what
 * follows does not run backwards. These bits are not hashed: they are the peer's own to spoil.
 *
 * A cookie is believed only while the listener has been out of room lately, so that at all other
 * times there is nothing to guess at.
 */
#include "base/log.h"
#include "tcp/tcp_int.h"

#define PERIOD_US     64000000u
#define PERIODS_GOOD  2u /* this one and the one before */
#define MAC_BITS      27
#define MAC_MASK      ((1u << MAC_BITS) - 1)
#define TS_BITS       6
#define TS_MASK       ((1u << TS_BITS) - 1)
#define TS_WSCALE     0x0fu
#define TS_WSCALE_NO  0x0fu /* no such shift count: the option was not there */
#define TS_SACK       0x10u
#define TS_ECN        0x20u
#define PURPOSE_MAC   3
#define PURPOSE_MASK  4
#define MSS_INDEX_MAX 7

/* Ascending. What tunnels, PPPoE, IPv6 and Ethernet leave, and jumbo frames. */
static const uint16_t mss_table[MSS_INDEX_MAX + 1] = {
    TCP_MIN_SEND_MSS, 536, 1220, 1360, 1400, 1440, 1460, 8960};

static uint64_t period_now(const struct tcp *tcp)
{
    return tcp->net->now_us / PERIOD_US;
}

static uint32_t mac(const struct tcp *tcp, const struct endpoint *local,
                    const struct endpoint *remote, uint32_t irs, uint64_t period, uint8_t index)
{
    uint8_t in[ENDPOINT_FLOW_BYTES + 14];

    endpoint_flow(local, remote, in);
    put_be32(in + 36, irs);
    put_be32(in + 40, (uint32_t)(period >> 32));
    put_be32(in + 44, (uint32_t)period);
    in[48] = index;
    in[49] = PURPOSE_MAC;
    return (uint32_t)siphash(&tcp->isn_key, in, sizeof(in)) & MAC_MASK;
}

static uint32_t mask(const struct tcp *tcp, const struct endpoint *local,
                     const struct endpoint *remote)
{
    return (uint32_t)tcp_iss_keyed(tcp, local, remote, PURPOSE_MASK) & ~MAC_MASK;
}

uint32_t tcp_cookie_make(const struct tcp *tcp, const struct endpoint *local,
                         const struct endpoint *remote, uint32_t irs, uint32_t mss)
{
    uint64_t period = period_now(tcp);
    uint8_t index = MSS_INDEX_MAX;

    while (index && mss_table[index] > mss)
        index--;
    return (((uint32_t)(period & 3) << 30 | (uint32_t)index << MAC_BITS) ^
            mask(tcp, local, remote)) |
           mac(tcp, local, remote, irs, period, index);
}

uint32_t tcp_cookie_mss(const struct tcp *tcp, const struct endpoint *local,
                        const struct endpoint *remote, uint32_t irs, uint32_t cookie)
{
    uint32_t top = cookie ^ mask(tcp, local, remote);
    uint64_t now = period_now(tcp), age = (now - (top >> 30)) & 3;
    uint8_t index = top >> MAC_BITS & MSS_INDEX_MAX;

    if (age >= PERIODS_GOOD || age > now)
        return 0;
    if ((cookie & MAC_MASK) != mac(tcp, local, remote, irs, now - age, index))
        return 0;
    return mss_table[index];
}

uint32_t tcp_cookie_ts(uint32_t clock, const struct tcp_options *opt, bool ecn)
{
    uint32_t bits = opt->has_wscale ? opt->wscale : TS_WSCALE_NO, ts;

    if (opt->sack_permitted)
        bits |= TS_SACK;
    if (ecn)
        bits |= TS_ECN;
    ts = (clock & ~TS_MASK) | bits;
    return seq_gt(ts, clock) ? ts - (1u << TS_BITS) : ts;
}

bool tcp_cookie_ts_options(uint32_t ts, struct tcp_options *opt)
{
    opt->has_wscale = (ts & TS_WSCALE) != TS_WSCALE_NO;
    opt->wscale = opt->has_wscale ? ts & TS_WSCALE : 0;
    opt->sack_permitted = ts & TS_SACK;
    return ts & TS_ECN;
}

/* Says once in a while that it has come to this. */
static void tell(const struct tcp *tcp, const struct tcp_listener *l)
{
    if (!l->cookie_at_us || tcp->net->now_us - l->cookie_at_us > PERIODS_GOOD * PERIOD_US)
        log_warn("tcp: the SYN queue of port %u is full: answering with SYN cookies",
                 l->pcb->local.port);
}

void tcp_cookie_reply(struct tcp *tcp, struct tcp_pcb *listener, const struct tcp_seg *seg)
{
    struct tcp_listener *l = listener->listener;
    struct tcp_options opt = seg->opt;
    struct tcp_pcb once = {.conf = listener->conf}; /* for this one segment */
    uint32_t clock = (uint32_t)(tcp->net->now_us / 1000);

    if (!opt.has_ts)
        opt.has_wscale = opt.sack_permitted = false; /* nobody would remember them */
    else if (tcp_ecn_wanted(tcp, seg))
        once.ecn = TCP_ECN_OK;
    if (tcp_listen_address(tcp, &once, seg))
        return;
    once.iss = tcp_cookie_make(tcp, &once.local, &once.remote, seg->seq,
                               opt.has_mss ? opt.mss : TCP_DEFAULT_MSS);
    tcp_listen_start(tcp, &once, seg->seq, &opt);
    once.ts_offset += tcp_cookie_ts(clock, &opt, once.ecn) - clock;
    tell(tcp, l);
    l->cookie_at_us = tcp->net->now_us ? tcp->net->now_us : 1;
    tcp->stats.cookies_sent++;
    tcp_segment_send(tcp, &once, once.iss, 0, TCP_SYN | TCP_ACK);
}

bool tcp_cookie_check(struct tcp *tcp, const struct tcp_listener *l, const struct tcp_seg *seg,
                      struct tcp_options *opt, bool *ecn)
{
    struct endpoint local = {.addr = seg->pkt->dst, .port = seg->dst_port};
    struct endpoint remote = {.addr = seg->pkt->src, .port = seg->src_port};
    uint32_t mss;

    if (seg->flags & (TCP_SYN | TCP_RST) || !l->cookie_at_us ||
        tcp->net->now_us - l->cookie_at_us > PERIODS_GOOD * PERIOD_US)
        return false;
    mss = tcp_cookie_mss(tcp, &local, &remote, seg->seq - 1, seg->ack - 1);
    if (!mss) {
        tcp->stats.cookies_failed++;
        return false;
    }
    tcp->stats.cookies_received++;
    *opt = (struct tcp_options){.has_mss = true, .mss = (uint16_t)mss};
    opt->has_ts = seg->opt.has_ts && seg->opt.ts_ecr;
    *ecn = false;
    if (opt->has_ts) {
        opt->ts_val = seg->opt.ts_val;
        *ecn =
            tcp_cookie_ts_options(seg->opt.ts_ecr - tcp_iss_ts_offset(tcp, &local, &remote), opt);
    }
    return true;
}
