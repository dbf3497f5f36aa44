/* Options of SOL_TCP (tcp(7)) and SOL_UDP (udp(7)). */
#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>
#include <string.h>

#include "sock/sock_int.h"

#define TCP_OPT_MIN_MSS    88
#define TCP_OPT_MAX_MSS    32767
#define TCP_OPT_MAX_KEEP_S 32767
#define TCP_OPT_MAX_COUNT  127
#define TCP_OPT_FIN_S      60  /* FIN_WAIT_2 by default ... */
#define TCP_OPT_FIN_MAX_S  120 /* ... and at most */
#define TCP_OPT_MIN_CLAMP  1152
#define TCP_OPT_NAME_BYTES 16
/* Of newer headers, with the bounds of 2 ticks of 1 ms and TCP_RTO_MIN, TCP_DELACK_MAX. */
#define TCP_OPT_RTO_MAX_MS    44
#define TCP_OPT_RTO_MIN_US    45
#define TCP_OPT_DELACK_MAX_US 46
#define TCP_OPT_TIMEOUT_US    2000
#define TCP_OPT_IS_MPTCP      43 /* TCP_IS_MPTCP of newer headers */

/* ---- whole values ---- */

static int set_maxseg(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (v != 0 && (v < TCP_OPT_MIN_MSS || v > TCP_OPT_MAX_MSS))
        return -EINVAL;
    tcp_config(so->tcp)->user_mss = (uint16_t)v;
    tcp_config_changed(&so->stack->tcp, so->tcp);
    return 0;
}

static int get_maxseg(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    uint16_t user = tcp_config(so->tcp)->user_mss;
    enum tcp_state s = tcp_state(so->tcp);
    bool open = s != TCP_CLOSED && s != TCP_LISTEN;
    return sock_opt_put_int(user && !open ? user : (int)tcp_mss(so->tcp), val, len);
}

/* TCP_NODELAY: what waits goes out, even from a corked socket; not what comes after it. */
static int set_nodelay(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    bool on = sock_opt_int(val) != 0;
    sock_set_bit(so, SOCK_BIT_NODELAY, on);
    tcp_config(so->tcp)->nodelay = on;
    if (on)
        tcp_push(&so->stack->tcp, so->tcp);
    return 0;
}

/* TCP_LINGER2: 0 is the default, below it never, and there is a most. */
static int set_linger2(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    if (v < 0)
        v = -1;
    else if (v == 0)
        v = TCP_OPT_FIN_S;
    else if (v > TCP_OPT_FIN_MAX_S)
        v = TCP_OPT_FIN_MAX_S;
    r->value[SOCK_SLOT_LINGER2_S] = v;
    tcp_config(so->tcp)->linger2_ms = v < 0 ? 0 : (uint32_t)v * 1000;
    return 0;
}

/* TCP_DEFER_ACCEPT is kept as a number of retransmissions, as in the kernel: from 1 s, doubling up
 * to 120 s. */
static int defer_seconds(int retrans)
{
    int period = 0, timeout = 1;
    for (int i = 0; i < retrans; i++) {
        period += timeout;
        timeout = timeout * 2 < 120 ? timeout * 2 : 120;
    }
    return period;
}

static int set_defer(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val), retrans = 0;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    if (v > 0)
        retrans = 1;
    while (retrans < UINT8_MAX && defer_seconds(retrans) < v)
        retrans++;
    r->value[SOCK_SLOT_DEFER_RETRANS] = retrans;
    tcp_config(so->tcp)->defer_accept = (uint8_t)retrans;
    return 0;
}

static int get_defer(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(defer_seconds(sock_value(so, SOCK_SLOT_DEFER_RETRANS)), val, len);
}

static int set_clamp(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val);
    if (v == 0 && tcp_state(so->tcp) != TCP_CLOSED)
        return -EINVAL;
    if (v != 0 && v < TCP_OPT_MIN_CLAMP)
        v = TCP_OPT_MIN_CLAMP;
    tcp_config(so->tcp)->window_clamp = (uint32_t)v;
    tcp_config_changed(&so->stack->tcp, so->tcp);
    return 0;
}

static int get_clamp(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int((int)tcp_window_clamp(so->tcp), val, len);
}

static int set_quickack(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    tcp_set_quickack(&so->stack->tcp, so->tcp, sock_opt_int(val) != 0);
    return 0;
}

static int get_quickack(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(tcp_quickack(so->tcp), val, len);
}

static int set_notsent_lowat(struct sock *so, const struct sock_opt *opt, const void *val,
                             socklen_t len)
{
    tcp_config(so->tcp)->notsent_lowat = (uint32_t)sock_opt_int(val);
    tcp_config_changed(&so->stack->tcp, so->tcp);
    sock_ready(so, sock_poll(so));
    return 0;
}

static int get_notsent_lowat(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int((int)tcp_config(so->tcp)->notsent_lowat, val, len);
}

static int get_info(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    *len = (socklen_t)tcp_info_fill(&so->stack->tcp, so->tcp, val, *len);
    return 0;
}

/* TCP_TIMESTAMP: the clock of the timestamps option; it can be set only under repair. */
static int get_timestamp_clock(struct sock *so, const struct sock_opt *opt, void *val,
                               socklen_t *len)
{
    return sock_opt_put_int((int)(uint32_t)(so->stack->net.now_us / 1000), val, len);
}

/* TCP_SAVED_SYN: once. A value of 2 for TCP_SAVE_SYN would have the link's header too, which TCP
 * never sees. */
static int get_saved_syn(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    size_t n;
    const uint8_t *syn = tcp_saved_syn(so->tcp, &n);
    bool fits = n <= *len;
    if (fits && syn)
        memcpy(val, syn, n);
    *len = (socklen_t)n;
    if (!fits)
        return -EINVAL;
    tcp_drop_saved_syn(&so->stack->tcp, so->tcp);
    return 0;
}

/* ---- names ---- */

static int set_congestion(struct sock *so, const struct sock_opt *opt, const void *val,
                          socklen_t len)
{
    char name[TCP_OPT_NAME_BYTES] = "";
    if (len < 1)
        return -EINVAL;
    memcpy(name, val, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
    int kind = tcp_cc_by_name(name);
    if (kind < 0)
        return kind;
    return tcp_set_congestion(&so->stack->tcp, so->tcp, kind);
}

static int get_congestion(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    char name[TCP_OPT_NAME_BYTES] = "";
    const char *s = tcp_cc_name(tcp_config(so->tcp)->congestion);
    size_t n = strlen(s);
    memcpy(name, s, n < sizeof(name) ? n : sizeof(name) - 1);
    return sock_opt_put(name, sizeof(name), val, len);
}

static int get_cc_info(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    uint8_t info[64];
    size_t n = tcp_cc_info(so->tcp, info, sizeof(info));
    return sock_opt_put(info, n, val, len);
}

/* TCP_ULP: there are no upper layer protocols, as in a kernel without the module. */
static int set_ulp(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    return len < 1 ? -EINVAL : -ENOENT;
}

static int get_nothing(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    *len = 0;
    return 0;
}

/* ---- Fast Open (RFC 7413) ---- */

static bool is_closed_or_listening(const struct sock *so)
{
    enum tcp_state s = tcp_state(so->tcp);
    return s == TCP_CLOSED || s == TCP_LISTEN;
}

static int set_fastopen(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    int v = sock_opt_int(val), most = (int)so->stack->limits.somaxconn;
    if (v < 0 || !is_closed_or_listening(so))
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    r->value[SOCK_SLOT_FASTOPEN_QLEN] = v < most ? v : most;
    return tcp_fastopen_listen(&so->stack->tcp, so->tcp, (uint32_t)(v < most ? v : most));
}

static int set_fastopen_bit(struct sock *so, const struct sock_opt *opt, const void *val,
                            socklen_t len)
{
    int v = sock_opt_int(val);
    bool state_ok = opt->at == SOCK_BIT_FASTOPEN_NO_COOKIE ? is_closed_or_listening(so)
                                                           : tcp_state(so->tcp) == TCP_CLOSED;
    if (v < 0 || v > 1 || !state_ok)
        return -EINVAL;
    sock_set_bit(so, (enum sock_bit)opt->at, v);
    if (opt->at == SOCK_BIT_FASTOPEN_NO_COOKIE)
        tcp_config(so->tcp)->fastopen_no_cookie = v;
    return 0;
}

static int set_fastopen_key(struct sock *so, const struct sock_opt *opt, const void *val,
                            socklen_t len)
{
    if (len != 16 && len != 32)
        return -EINVAL;
    struct sock_rare *r = sock_rare(so);
    if (!r)
        return -ENOMEM;
    memcpy(r->fastopen_key, val, len);
    r->fastopen_key_bytes = (uint8_t)len;
    return tcp_fastopen_keys(&so->stack->tcp, so->tcp, r->fastopen_key, len / 16);
}

static int get_fastopen_key(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    if (!so->rare) {
        *len = 0;
        return 0;
    }
    return sock_opt_put(so->rare->fastopen_key, so->rare->fastopen_key_bytes, val, len);
}

/* ---- what is refused ---- */

/* Repair mode (checkpoint and restore) is the kernel's: nobody may enter it here. */
static int set_not_permitted(struct sock *so, const struct sock_opt *opt, const void *val,
                             socklen_t len)
{
    return -EPERM;
}

static int set_invalid(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    return -EINVAL;
}

/* TCP_MD5SIG (RFC 2385): signatures are not made; so no key can be given for a peer. */
static int set_md5(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    struct tcp_md5sig key;
    struct sockaddr_storage peer;
    if (len < sizeof(key))
        return -EINVAL;
    memcpy(&key, val, sizeof(key));
    memcpy(&peer, &key.tcpm_addr, sizeof(peer));
    return peer.ss_family == so->domain ? -ENOPROTOOPT : -EINVAL;
}

static int set_queue_seq(struct sock *so, const struct sock_opt *opt, const void *val,
                         socklen_t len)
{
    return tcp_state(so->tcp) == TCP_CLOSED ? -EINVAL : -EPERM;
}

static int get_invalid(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return -EINVAL;
}

static int get_int_zero(struct sock *so, const struct sock_opt *opt, void *val, socklen_t *len)
{
    return sock_opt_put_int(0, val, len);
}

static int set_thin_dupack(struct sock *so, const struct sock_opt *opt, const void *val,
                           socklen_t len)
{
    int v = sock_opt_int(val);
    return v < 0 || v > 1 ? -EINVAL : 0; /* accepted and forgotten, as in the kernel */
}

#define BIT(name, bit)                                                                             \
    {                                                                                              \
        name, OPT_TCP, OPT_BIT, bit, .min = INT_MIN, .max = INT_MAX                                \
    }
#define BIT01(name, bit)                                                                           \
    {                                                                                              \
        name, OPT_TCP, OPT_BIT, bit, .min = 0, .max = 1                                            \
    }
#define SLOT(name, slot, lo, hi)                                                                   \
    {                                                                                              \
        name, OPT_TCP, OPT_SLOT, slot, .min = lo, .max = hi                                        \
    }
#define CONFIG(name, field, k, lo, hi)                                                             \
    {                                                                                              \
        name, OPT_TCP, OPT_CONFIG, .width = sizeof(((struct tcp_config *)0)->field),               \
                                   .offset = offsetof(struct tcp_config, field), .scale = k,       \
                                   .min = lo, .max = hi                                            \
    }
#define FN(name, set_fn, get_fn)                                                                   \
    {                                                                                              \
        name, OPT_TCP, OPT_FN, .set = set_fn, .get = get_fn                                        \
    }
#define BYTES(name, n, set_fn, get_fn)                                                             \
    {                                                                                              \
        name, OPT_TCP, OPT_BYTES, .min_len = n, .set = set_fn, .get = get_fn                       \
    }

/* "kept" and "later": see sock_opt_socket.c. */
const struct sock_opt sock_opt_tcp[] = {
    {TCP_NODELAY, OPT_TCP, OPT_BIT, SOCK_BIT_NODELAY, .set = set_nodelay},
    FN(TCP_MAXSEG, set_maxseg, get_maxseg),
    BIT(TCP_CORK, SOCK_BIT_CORK),
    CONFIG(TCP_KEEPIDLE, keep_idle_ms, 1000, 1, TCP_OPT_MAX_KEEP_S),
    CONFIG(TCP_KEEPINTVL, keep_intvl_ms, 1000, 1, TCP_OPT_MAX_KEEP_S),
    CONFIG(TCP_KEEPCNT, keep_cnt, 1, 1, TCP_OPT_MAX_COUNT),
    CONFIG(TCP_SYNCNT, syn_retries, 1, 1, TCP_OPT_MAX_COUNT),
    {TCP_LINGER2, OPT_TCP, OPT_SLOT, SOCK_SLOT_LINGER2_S, .set = set_linger2},
    FN(TCP_DEFER_ACCEPT, set_defer, get_defer),
    FN(TCP_WINDOW_CLAMP, set_clamp, get_clamp),
    BYTES(TCP_INFO, 4, NULL, get_info),
    FN(TCP_QUICKACK, set_quickack, get_quickack),
    BYTES(TCP_CONGESTION, 0, set_congestion, get_congestion),
    BYTES(TCP_MD5SIG, 4, set_md5, NULL),
    BYTES(TCP_MD5SIG_EXT, 4, set_md5, NULL),
    BIT01(TCP_THIN_LINEAR_TIMEOUTS, SOCK_BIT_THIN_LINEAR),
    FN(TCP_THIN_DUPACK, set_thin_dupack, get_int_zero),
    CONFIG(TCP_USER_TIMEOUT, user_timeout_ms, 1, 0, INT_MAX),
    FN(TCP_REPAIR, set_not_permitted, get_int_zero),
    FN(TCP_REPAIR_QUEUE, set_not_permitted, get_invalid),
    FN(TCP_QUEUE_SEQ, set_queue_seq, get_invalid),
    FN(TCP_REPAIR_OPTIONS, set_invalid, NULL),
    FN(TCP_REPAIR_WINDOW, set_not_permitted, get_invalid),
    FN(TCP_TIMESTAMP, set_not_permitted, get_timestamp_clock),
    {TCP_FASTOPEN, OPT_TCP, OPT_SLOT, SOCK_SLOT_FASTOPEN_QLEN, .set = set_fastopen},
    {TCP_FASTOPEN_CONNECT, OPT_TCP, OPT_BIT, SOCK_BIT_FASTOPEN_CONNECT, .set = set_fastopen_bit},
    {TCP_FASTOPEN_NO_COOKIE, OPT_TCP, OPT_BIT, SOCK_BIT_FASTOPEN_NO_COOKIE,
     .set = set_fastopen_bit},
    BYTES(TCP_FASTOPEN_KEY, 0, set_fastopen_key, get_fastopen_key),
    FN(TCP_NOTSENT_LOWAT, set_notsent_lowat, get_notsent_lowat),
    BYTES(TCP_CC_INFO, 4, NULL, get_cc_info),
    SLOT(TCP_SAVE_SYN, SOCK_SLOT_SAVE_SYN, 0, 2),
    BYTES(TCP_SAVED_SYN, 4, NULL, get_saved_syn),
    BYTES(TCP_ULP, 0, set_ulp, get_nothing),
    FN(TCP_ZEROCOPY_RECEIVE, NULL, get_invalid),
    BIT01(TCP_INQ, SOCK_BIT_INQ),
    SLOT(TCP_TX_DELAY, SOCK_SLOT_TX_DELAY, 0, INT_MAX), /* kept */
    FN(TCP_OPT_IS_MPTCP, NULL, get_int_zero),
    CONFIG(TCP_OPT_RTO_MAX_MS, rto_max_ms, 1, 1000, 120000),
    CONFIG(TCP_OPT_RTO_MIN_US, rto_min_us, 1, TCP_OPT_TIMEOUT_US, 200000),
    CONFIG(TCP_OPT_DELACK_MAX_US, delack_max_us, 1, TCP_OPT_TIMEOUT_US, 200000),
    {0},
};

/* UDP_ENCAP: no encapsulation is known but none. */
static int set_encap(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    return sock_opt_int(val) == 0 ? 0 : -ENOPROTOOPT;
}

static int set_udp_cork(struct sock *so, const struct sock_opt *opt, const void *val, socklen_t len)
{
    bool on = sock_opt_int(val) != 0;
    sock_set_bit(so, SOCK_BIT_CORK, on);
    return on ? 0 : sock_msg_uncork(so);
}

const struct sock_opt sock_opt_udp[] = {
    {UDP_CORK, OPT_UDP, OPT_BIT, SOCK_BIT_CORK, .set = set_udp_cork},
    {UDP_ENCAP, OPT_UDP, OPT_FN, .set = set_encap, .get = get_int_zero},
    {UDP_NO_CHECK6_TX, OPT_UDP, OPT_BIT, SOCK_BIT_NO_CHECK6_TX, .min = INT_MIN, .max = INT_MAX},
    {UDP_NO_CHECK6_RX, OPT_UDP, OPT_BIT, SOCK_BIT_NO_CHECK6_RX, .min = INT_MIN, .max = INT_MAX},
    {UDP_SEGMENT, OPT_UDP, OPT_SLOT, SOCK_SLOT_UDP_SEGMENT, .min = 0, .max = UINT16_MAX},
    /* Datagrams are never joined, which is always allowed. */
    {UDP_GRO, OPT_UDP, OPT_BIT, SOCK_BIT_GRO, .min = INT_MIN, .max = INT_MAX},
    {0},
};
