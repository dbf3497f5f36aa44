/*
 * Initial sequence numbers (RFC 6528, RFC 9293 3.4.1 MUST-8, MUST-9) and timestamp offsets (RFC
 * 7323 5.4 and 7.1).
 *
 * ISS = M + F(local, remote, secret): M is a clock that ticks every 4 microseconds, F a keyed hash
 * of the flow. So numbers of one flow rise with time, which protects a new incarnation from the old
 * one's segments, and tell nobody else anything. The timestamp offset is the same for every
 * connection of a flow, so that its clock too rises across incarnations (RFC 6191).
 */
#include "tcp/tcp_int.h"

uint64_t tcp_iss_keyed(const struct tcp *tcp, const struct endpoint *local,
                       const struct endpoint *remote, uint8_t purpose)
{
    uint8_t in[ENDPOINT_FLOW_BYTES + 1];

    endpoint_flow(local, remote, in);
    in[ENDPOINT_FLOW_BYTES] = purpose;
    return siphash(&tcp->isn_key, in, sizeof(in));
}

uint32_t tcp_iss_choose(const struct tcp *tcp, const struct endpoint *local,
                        const struct endpoint *remote)
{
    return (uint32_t)(tcp->net->now_us / 4 + tcp_iss_keyed(tcp, local, remote, 1));
}

uint32_t tcp_iss_ts_offset(const struct tcp *tcp, const struct endpoint *local,
                           const struct endpoint *remote)
{
    return (uint32_t)tcp_iss_keyed(tcp, local, remote, 2);
}
