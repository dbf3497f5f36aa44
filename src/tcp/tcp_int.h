/*
 * What TCP's files share. The names of RFC 9293 3.3.1 are kept (snd_una, rcv_nxt, iss ...).
 *
 * Sequence numbers and stream offsets. The rings count bytes from 0 in 64 bits; the first byte of
 * data has sequence number iss + 1 (irs + 1). tcp_snd_seq(), tcp_snd_off() and tcp_rcv_off()
 * convert. snd_nxt is always the end of what was ever sent: retransmission does not move it back.
 *
 * Ownership. A pcb with an owner is never freed by TCP. One without (an orphan, a child in the SYN
 * queue) is freed by tcp_pcb_done(): after any call that may have come to that, the pcb must not be
 * touched. Those calls say so.
 */
#ifndef SHIM_TCP_INT_H
#define SHIM_TCP_INT_H

#include "base/ranges.h"
#include "base/ring.h"
#include "base/seq.h"
#include "tcp/tcp.h"
#include "tcp/tcp_recover.h"
#include "tcp/tcp_sent.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

#define TCP_DEFAULT_MSS          536u      /* RFC 9293 3.7.1 MUST-15, IPv4 */
#define TCP_MIN_SEND_MSS         48u       /* against absurd MSS options, as Linux */
#define TCP_TS_BYTES             12u       /* the timestamps option with its padding */
#define TCP_IW_SEGMENTS          10u       /* RFC 6928 */
#define TCP_MSL2_US              60000000u /* 2 MSL */
#define TCP_RTO_INITIAL_US       1000000u  /* RFC 6298 2.1 */
#define TCP_RTO_FALLBACK_US      3000000u  /* RFC 6298 5.7 */
#define TCP_RTO_MIN_US           200000u   /* Linux; RFC 6298 2.4 would have 1 s */
#define TCP_RTO_MAX_US           120000000u
#define TCP_DELACK_US            40000u /* RFC 9293 3.8.6.3 bounds it to 500 ms */
#define TCP_DELACK_MAX_US        200000u
#define TCP_DELACK_MIN_US        1000u
#define TCP_QUICKACKS            16u
#define TCP_RETRIES_1            3u  /* R1: doubt the route */
#define TCP_RETRIES_2            15u /* R2, as a time: tcp_retransmit_r2_us() */
#define TCP_SYN_RETRIES          6u
#define TCP_SYN_LINEAR           4u /* Linux's tcp_syn_linear_timeouts */
#define TCP_SYNACK_RETRIES       5u
#define TCP_ORPHAN_RETRIES       8u
#define TCP_MAX_ORPHANS          65536u
#define TCP_SYN_QUEUE_MIN        256u
#define TCP_OFO_RANGES_MAX       1024u
#define TCP_CHALLENGE_PER_SECOND 1000u /* RFC 5961 7 */
#define TCP_INVALID_ACK_US                                                                         \
    500000u /* one ACK a connection for out-of-window segments without text */
#define TCP_PAWS_IDLE_US   2073600000000u /* 24 days (RFC 7323 5.5) */
#define TCP_RESOURCE_US    10000u         /* retry after the link had no room */
#define TCP_SNDBUF_DEFAULT 16384u         /* tcp_wmem */
#define TCP_SNDBUF_MAX     4194304u
#define TCP_RCVBUF_DEFAULT 131072u /* tcp_rmem */
#define TCP_RCVBUF_MAX     6291456u
#define TCP_WINDOW_MAX     (65535u << TCP_WSCALE_MAX)

enum tcp_timer_kind {
    TCP_TIMER_REXMT = TIMER_LAYER_TCP, /* retransmission, or persist */
    TCP_TIMER_DELACK,                  /* delayed ACK */
    TCP_TIMER_SLOW,                    /* keepalive, FIN_WAIT_2 of an orphan, 2 MSL */
    TCP_TIMER_PACE,                    /* the next frame may leave (tcp_pace.c) */
};

enum tcp_urgent { /* the urgent byte that came last */
                  TCP_URGENT_NONE,
                  TCP_URGENT_NOT_YET, /* announced; the byte itself has not come */
                  TCP_URGENT_VALID,   /* there to be read */
                  TCP_URGENT_READ,    /* taken by MSG_OOB; the mark still stands in the stream */
};

enum tcp_pushed { /* text that is not acknowledged yet, and after which the peer may wait */
                  TCP_PUSHED_NOT,
                  TCP_PUSHED_SMALL, /* the last segment was not full */
                  TCP_PUSHED_FULL,  /* it was, and PSH was set */
};

enum tcp_shut { TCP_SHUT_RD = 1, TCP_SHUT_WR = 2, TCP_SHUT_BOTH = 3 };

enum tcp_ecn_bit {
    TCP_ECN_OK = 1,      /* both sides do it */
    TCP_ECN_ASKED = 2,   /* the SYN asks for it */
    TCP_ECN_ECHO = 4,    /* CE came, and no CWR since */
    TCP_ECN_REDUCED = 8, /* CWR is due */
    TCP_ECN_SEEN = 16,   /* a segment came that was ECN-capable */
};

enum { IP_NOT_ECT = 0, IP_ECT_0 = 2, IP_CE = 3, IP_ECN_BITS = 3 }; /* RFC 3168 5 */

enum tcp_fastopen_syn { /* what goes with the SYN */
                        TCP_FASTOPEN_NONE,
                        TCP_FASTOPEN_REQUEST, /* for a cookie */
                        TCP_FASTOPEN_COOKIE,  /* and text */
                        TCP_FASTOPEN_BARE,    /* text without a cookie (TCP_FASTOPEN_NO_COOKIE) */
};

enum { /* why there was no fast open: tcpi_fastopen_client_fail, as Linux numbers it */
       TCP_FASTOPEN_FAIL_COOKIE = 1,
       TCP_FASTOPEN_FAIL_NOT_ACKED,
       TCP_FASTOPEN_FAIL_RETRANSMITTED,
};

enum tcp_cc_kind { TCP_CC_NEWRENO, TCP_CC_CUBIC, TCP_CC_BBR, TCP_CC_KINDS };

/* HyStart++ (tcp_cc_hystart.c). UINT32_MAX: nothing measured. */
struct tcp_hystart {
    uint32_t last_min_us, cur_min_us; /* shortest round trips of the last round and of this one */
    uint32_t rtt_us;                  /* a sample not counted yet, or 0 */
    uint32_t css_base_us;             /* what made us careful */
    uint32_t round_end;               /* the round ends when more than this is acknowledged */
    uint32_t round_us, train_us;      /* when the round began, and the last ACK of its train came */
    uint8_t samples, css_rounds, css_rest;
    bool css;   /* conservative slow start */
    bool train; /* ACKs have come without a gap since the round began */
};

/* A local port in use. */
struct tcp_port {
    struct hash_node node; /* in tcp->ports */
    struct list listeners; /* of tcp_pcb.on_port */
    struct list others;
    uint16_t port;
};

/* What only a listener has. */
struct tcp_listener {
    struct tcp_pcb *pcb;
    struct list syn_queue;    /* children in SYN_RECEIVED, by on_queue */
    struct list accept_queue; /* complete children */
    uint32_t syn_len, accept_len, backlog;
    uint64_t cookie_at_us; /* when it last answered with a cookie; 0: never */
};

/* Why the sender does not send more: Linux's "chronographs" of TCP_INFO. */
enum tcp_busy {
    TCP_BUSY_NOT,    /* nothing to send */
    TCP_BUSY,        /* the network is what takes time */
    TCP_BUSY_RWND,   /* the peer's window */
    TCP_BUSY_SNDBUF, /* the send buffer is too small for the user to keep it busy */
    TCP_BUSY_KINDS,
};

/* What only TCP_INFO asks for. */
struct tcp_counts {
    uint64_t bytes_sent, bytes_retrans;
    uint64_t busy_us[TCP_BUSY_KINDS], busy_since_us;
    uint64_t rto_since_us; /* of the timeout that is being recovered from; 0: none is */
    uint32_t rto_ms;       /* what all recoveries from timeouts took */
    uint16_t rtos, rto_recoveries;
    uint32_t segs_in, segs_out, data_segs_in, data_segs_out, ofo_segs;
    uint32_t delivered_ce; /* segments that ACKs with ECE delivered */
    uint32_t received_ce;  /* segments that came with CE */
    uint8_t busy;          /* enum tcp_busy, since busy_since_us */
};

struct tcp_pcb {
    struct hash_node by_flow; /* in tcp->flows */
    struct list on_port;      /* tcp_port's */
    struct list on_queue;     /* the listener's SYN or accept queue; tcp->time_wait */
    struct list on_flush;     /* tcp->ack_queue */
    struct timer rexmt, delack, slow, pace;
    void *owner;                   /* NULL: not accepted yet, or closed */
    struct tcp_port *port;         /* NULL: not bound */
    struct tcp_pcb *parent;        /* the listener, while not accepted */
    struct tcp_listener *listener; /* in LISTEN */
    struct tcp_fastopen *fastopen; /* of a listener that does it, or of its child */
    struct endpoint local, remote;
    struct ip_path path;
    struct tcp_config conf;

    struct ring snd; /* from the first unacknowledged byte to the last one queued */
    struct ring rcv; /* from the first unread byte to rcv_nxt, and beyond it what ofo says */
    struct ranges ofo;
    uint8_t *saved_syn; /* NULL: none */
    uint16_t saved_syn_bytes;
    uint64_t mem_bytes; /* of both rings, as counted in tcp->mem_bytes */

    /* send sequence space (RFC 9293 3.3.1) */
    uint32_t iss, snd_una, snd_nxt, snd_wnd, snd_wl1;
    uint32_t snd_up;      /* after the urgent byte; meaningful while snd_urgent */
    uint32_t snd_wnd_max; /* Max(SND.WND), RFC 9293 3.8.6.2.1 */
    uint32_t snd_sml;     /* end of the last segment sent that was not full (Minshall) */

    /* receive sequence space */
    uint32_t irs, rcv_nxt;
    uint32_t rcv_adv;        /* right edge of the window that was advertised */
    uint32_t last_ack_sent;  /* RFC 7323 4.3 */
    uint32_t rcv_fin;        /* sequence number of a FIN that came early; with rcv_fin_early */
    uint32_t sack_recent[3]; /* in the ranges to report first; the latest arrival is [0] */
    uint32_t dsack_start, dsack_end; /* arrived twice, not yet reported; equal: nothing */
    uint64_t urg_off;                /* stream offset of the urgent byte; with urgent */

    /* timestamps (RFC 7323) */
    uint32_t ts_recent, ts_offset;
    uint32_t rexmt_ts; /* our clock when the first unacknowledged segment was sent again */
    uint64_t ts_recent_at_us;

    /* congestion control (RFC 5681), bytes */
    uint32_t cwnd, ssthresh, cwnd_acked;
    uint32_t recover;    /* one past what was sent when the trouble was seen (RFC 6582) */
    uint32_t max_flight; /* most in flight lately: was cwnd used at all? */
    uint32_t max_flight_seq;
    uint32_t cwnd_used;    /* most in flight since cwnd_full_us */
    uint64_t cwnd_full_us; /* when cwnd was last made use of, or last cut because it was not */
    uint64_t cc[8];        /* the congestion control's own */
    struct tcp_hystart hystart;
    uint64_t delivery_rate; /* bytes/s, the last sample that counts (tcp_rate.c) */
    uint64_t pacing_rate;   /* bytes/s, of algorithms that pace; 0: as cwnd has it (tcp_pace.c) */
    uint64_t pace_at_ns;    /* when the next frame may leave; while paced */

    /* what is in flight (tcp_sent.c), and what is thought of it */
    struct list sent_seq, sent_time, sent_lost;
    struct tcp_sent *sent_hint;   /* near the last SACK block, or NULL ... */
    struct tcp_sent *sent_hint_2; /* ... and near one before it that was elsewhere */
    struct tcp_sent *sent_spare;  /* for the next frame; only within an entry */
    uint32_t sacked_bytes, sacked_segs, lost_bytes, retrans_bytes; /* with these flags */
    uint64_t delivered;                                            /* bytes, in all */
    uint64_t delivered_us, first_sent_us;
    uint64_t lost_total; /* bytes that were ever taken for lost */
    uint64_t
        app_limited; /* not 0: the program had nothing more to send, until delivered is there */
    uint32_t delivered_segs;
    struct tcp_rack rack;
    struct tcp_undo undo;
    uint32_t prr_delivered, prr_out, prr_flight; /* RFC 9937; prr_flight: RecoverFS */
    uint32_t tlp_end;                            /* RFC 8985 TLP.end_seq; with tlp_on */
    uint64_t rto_at_us, reo_at_us, pto_at_us;    /* what the rexmt timer is for; 0: nothing */

    /* round-trip time (RFC 6298) */
    uint32_t srtt_us, rttvar_us, rto_us;
    uint32_t min_rtt_us;                        /* of the last minutes; UINT32_MAX: no sample */
    uint32_t min_rtt_now_us, min_rtt_before_us; /* of this half of the window and the one before */
    uint64_t min_rtt_at_us;                     /* when this half began */
    uint32_t rtt_seq;                           /* the end of the SYN being timed */
    uint64_t rtt_at_us;

    uint64_t rexmt_at_us,
        delack_at_us;        /* what is wanted of the lazy timers; TIMER_NEVER: nothing */
    uint64_t first_rexmt_us; /* when this trouble began; 0: there is none */
    uint64_t last_tx_us, last_rx_us, last_rx_data_us;
    uint64_t last_invalid_ack_us, confirmed_us;

    /* receive buffer autotuning */
    uint64_t rcvq_at_us, rcvq_off, rcv_rtt_at_us;
    uint32_t rcvq_space, rcv_rtt_us, rcv_rtt_seq, rcv_rtt_ecr;

    /* search for what the path carries (RFC 4821); sizes as tcp_mss_most() */
    uint64_t probe_at_us;            /* not before this time */
    uint32_t probe_start, probe_end; /* sequence numbers of the probe in flight; equal: none */
    uint16_t probe_low, probe_high;  /* the largest that passes, 0: no search is on; the smallest
                                        that does not, 0: none known */

    struct tcp_counts counts;
    uint32_t retrans_total; /* segments */
    uint32_t dsacks;        /* segments that the peer said it got twice */
    uint16_t peer_mss;      /* from its option */
    uint16_t snd_mss;       /* payload of a full segment */
    uint16_t adv_mss;       /* what our option says */
    uint16_t rcv_mss;       /* estimate of the peer's full segment */
    uint8_t snd_wscale, rcv_wscale;
    uint8_t backoff, retransmits, probes_out, dup_acks;
    uint8_t quickacks;         /* ACKs that still go out without delay */
    uint8_t pushed;            /* enum tcp_pushed */
    uint8_t shut;              /* enum tcp_shut */
    uint8_t urgent;            /* enum tcp_urgent */
    uint8_t recovery;          /* enum tcp_recovery */
    uint8_t frto;              /* enum tcp_frto */
    uint8_t state;             /* enum tcp_state */
    uint8_t error, soft_error; /* positive errno */

    uint16_t fast_taken; /* text of the SYN that its sender does not know of yet */
    uint16_t syn_text;   /* bytes that went with the SYN, while it is not answered */
    uint8_t ecn;         /* enum tcp_ecn_bit */
    uint8_t fast_syn;    /* enum tcp_fastopen_syn */
    uint8_t fast_fail;   /* TCPI_FASTOPEN_CLIENT_FAIL */
    bool fast_wait;      /* in SYN_SENT: the SYN waits for text to go with it */
    bool fast_child;     /* in SYN_RECEIVED: text of the SYN was taken; it may be used */
    bool fast_reply;     /* the SYN,ACK brings a cookie */
    bool syn_text_acked;
    bool bare_acked; /* in SYN_RECEIVED: the ACK has come, but TCP_DEFER_ACCEPT waits for text */

    bool passive;     /* it began with a SYN of the peer's to a listener */
    bool hashed;      /* in tcp->flows */
    bool port_locked; /* bound by the user to this very port */
    bool addr_locked; /* bound by the user to this very address */
    bool orphan;      /* closed by its owner */
    bool accept_queued;
    bool wscale_ok, ts_ok, sack_ok;
    bool fin_queued; /* a FIN follows the data in snd */
    bool fin_sent;
    bool fin_rcvd; /* Linux's SOCK_DONE */
    bool rcv_fin_early;
    bool snd_urgent;
    bool more;    /* the last send said that more follows */
    bool nospace; /* a send left the buffer not writable */
    bool rtt_timing;
    bool persist; /* the rexmt timer is the persist timer */
    bool starved; /* output stopped for want of room in the link or in memory */
    bool cwnd_limited;
    bool paced;
    bool rate_app_limited; /* delivery_rate is what the program had to send */
    bool partial_seen;     /* in this recovery: its timer was restarted once (RFC 6582 3.2) */
    bool tlp_on;           /* a tail loss probe is out ... */
    bool tlp_again;        /* ... and was nothing new */
    bool tlp_patient;      /* one was not needed */
    bool ack_now;          /* an ACK goes out at the end of the batch */
    bool output_due;       /* so does what the window has room for now */
    bool doomed;    /* a process died while changing it: CLOSED, and its slow timer does the rest */
    bool reset_due; /* with doomed: the peer is to hear of it */
    bool pingpong;  /* answers carry the ACKs: delay them */
};

/* A sample of the delivery rate, with what else an ACK tells (tcp_rate.c). Bytes. */
struct tcp_rate {
    bool valid;               /* the first five are set */
    bool app_limited;         /* the program had no more to send */
    uint64_t prior_delivered; /* what was delivered when the frame was sent ... */
    uint64_t delivered;       /* ... and since then */
    uint64_t lost;            /* likewise */
    uint32_t tx_in_flight;    /* when the frame was sent, itself included */
    uint64_t delivery_rate;   /* bytes/s; 0: no sample */
    uint32_t rtt_us;          /* 0: no sample */
    uint32_t newly_acked, newly_lost;
};

/* A segment that came in, decoded; borrowed for the call. */
struct tcp_seg {
    const struct ip_packet *pkt;
    uint32_t seq, ack;
    uint32_t wnd; /* as on the wire, not scaled */
    uint16_t urg;
    uint16_t src_port, dst_port;
    uint8_t flags; /* enum tcp_flag */
    const uint8_t *data;
    uint32_t len; /* of the text */
    struct tcp_options opt;
};

/* SEG.LEN: text and controls (RFC 9293 3.4). */
static inline uint32_t tcp_seg_len(const struct tcp_seg *seg)
{
    return seg->len + ((seg->flags & TCP_SYN) != 0) + ((seg->flags & TCP_FIN) != 0);
}

static inline uint32_t tcp_snd_seq(const struct tcp_pcb *pcb, uint64_t off)
{
    return pcb->iss + 1 + (uint32_t)off;
}
/* The sequence number after the last byte queued, where the FIN will be. */
static inline uint32_t tcp_snd_end(const struct tcp_pcb *pcb)
{
    return tcp_snd_seq(pcb, pcb->snd.end);
}
static inline uint64_t tcp_snd_off(const struct tcp_pcb *pcb, uint32_t seq)
{
    return pcb->snd.end + (uint64_t)(int64_t)seq_diff(seq, tcp_snd_end(pcb));
}
static inline uint64_t tcp_rcv_off(const struct tcp_pcb *pcb, uint32_t seq)
{
    uint32_t end_seq = pcb->irs + 1 + (uint32_t)pcb->rcv.end;
    return pcb->rcv.end + (uint64_t)(int64_t)seq_diff(seq, end_seq);
}
/* What is left of the window that the peer knows of. */
static inline uint32_t tcp_rcv_wnd(const struct tcp_pcb *pcb)
{
    return seq_gt(pcb->rcv_adv, pcb->rcv_nxt) ? pcb->rcv_adv - pcb->rcv_nxt : 0;
}
/* How long an ACK may wait for others or for data. */
static inline uint32_t tcp_delack_us(const struct tcp_pcb *pcb)
{
    return pcb->conf.delack_max_us < TCP_DELACK_US ? pcb->conf.delack_max_us : TCP_DELACK_US;
}
static inline uint32_t tcp_flight(const struct tcp_pcb *pcb)
{
    return pcb->snd_nxt - pcb->snd_una;
}
static inline uint32_t u32_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}
static inline uint32_t u32_max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}
static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- tcp_pcb.c ---- */

/* A zero-filled pcb with defaults, in no table. Recycles the oldest TIME_WAIT when the arena is
 * full. */
struct tcp_pcb *tcp_pcb_new(struct tcp *tcp);
/* Takes pcb out of everything and frees it. */
void tcp_pcb_free(struct tcp *tcp, struct tcp_pcb *pcb);
/* Forgets all of a former connection: sequence space, rings, timers; the configuration stays. */
void tcp_pcb_forget(struct tcp *tcp, struct tcp_pcb *pcb);
/* The connection is over: CLOSED. err (positive errno, or 0) becomes the owner's pending error. May
 * free pcb. */
void tcp_pcb_done(struct tcp *tcp, struct tcp_pcb *pcb, int err);
/* The wildcard of the pcb's socket: 0.0.0.0 or ::. */
struct ip_addr tcp_any(const struct tcp_pcb *pcb);
/* The one place where a state changes: traces, counts, and checks that RFC 9293 Figure 5 has the
 * edge. */
void tcp_set_state(struct tcp *tcp, struct tcp_pcb *pcb, enum tcp_state to);
void tcp_flow_insert(struct tcp *tcp, struct tcp_pcb *pcb);
void tcp_flow_remove(struct tcp *tcp, struct tcp_pcb *pcb);
struct tcp_pcb *tcp_flow_find(struct tcp *tcp, const struct endpoint *local,
                              const struct endpoint *remote);
uint64_t tcp_flow_hash(const struct tcp *tcp, const struct endpoint *local,
                       const struct endpoint *remote);
/* Tells the owner, if there is one. */
void tcp_ready(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t mask);
/* Brings tcp->mem_bytes up to date with pcb's rings. */
void tcp_mem_update(struct tcp *tcp, struct tcp_pcb *pcb);
/* The states in which data and FIN go out, including again. */
bool tcp_state_sends(enum tcp_state s);
/* May data of pcb go out? In these states, and from a child that Fast Open let in early. */
static inline bool tcp_may_output(const struct tcp_pcb *pcb)
{
    return tcp_state_sends((enum tcp_state)pcb->state) || pcb->fast_child;
}
/* The states in which the user may still queue data. */
bool tcp_state_may_send(enum tcp_state s);
/* The states in which text is accepted. */
bool tcp_state_receives(enum tcp_state s);

/* ---- tcp_port.c ---- */

/* Puts pcb (with local.port set) into its port's bucket. 0 or -ENOMEM. */
int tcp_port_get(struct tcp *tcp, struct tcp_pcb *pcb);
void tcp_port_put(struct tcp *tcp, struct tcp_pcb *pcb);
/* Chooses an ephemeral port for a connection (remote set), or for bind (remote NULL). 0 or -errno.
 */
int tcp_port_pick(struct tcp *tcp, struct tcp_pcb *pcb, const struct endpoint *remote);
/* Would pcb's binding to local clash with another's (Linux's rules)? */
bool tcp_port_conflict(struct tcp *tcp, const struct tcp_pcb *pcb, const struct endpoint *local);
/* The listener for a segment to local from remote that came in on nif; NULL: none. */
struct tcp_pcb *tcp_port_listener(struct tcp *tcp, const struct netif *nif,
                                  const struct endpoint *local, const struct endpoint *remote);

/* ---- tcp_user.c ---- */

/* Sends the SYN of pcb, which is in SYN_SENT. */
void tcp_user_start(struct tcp *tcp, struct tcp_pcb *pcb);
/* Queues the FIN and changes state (RFC 9293 3.10.4). */
void tcp_user_send_fin(struct tcp *tcp, struct tcp_pcb *pcb);
/* Would the peer learn from a RST (RFC 9293 3.10.5)? */
bool tcp_user_needs_reset(const struct tcp_pcb *pcb);

/* ---- tcp_repair.c ---- */

/* Sends the RST of a pcb that a dying process left half done, and tells its owner. May free pcb. */
void tcp_repair_finish(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_listen.c, tcp_synsent.c ---- */

void tcp_listen_input(struct tcp *tcp, struct tcp_pcb *listener, struct tcp_seg *seg,
                      const struct tcp_pcb *time_wait);
/* Gives child the addresses of seg, and the way back. 0 or path_lookup()'s errors. */
int tcp_listen_address(struct tcp *tcp, struct tcp_pcb *child, const struct tcp_seg *seg);
/* Fills child, whose iss is set, from a SYN with sequence number irs and these options. */
void tcp_listen_start(struct tcp *tcp, struct tcp_pcb *child, uint32_t irs,
                      const struct tcp_options *opt);
/* Does TCP_DEFER_ACCEPT make nothing of seg, the last ACK of a child's handshake? */
bool tcp_listen_defers(const struct tcp_pcb *child, const struct tcp_seg *seg);
/* The handshake of a child is complete. False: the accept queue is full, the ACK counts as lost. */
bool tcp_listen_complete(struct tcp *tcp, struct tcp_pcb *child);
/* The children that were not accepted are reset or forgotten. */
void tcp_listen_stop(struct tcp *tcp, struct tcp_pcb *listener);
/* Takes a child out of its listener's queues. */
void tcp_listen_unlink(struct tcp_pcb *child);
/* May free pcb. True: text and FIN of seg are still to be looked at (RFC 9293 3.10.7.3, fourth). */
bool tcp_synsent_input(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg);
/* Takes the options of a SYN into pcb. */
void tcp_syn_options(struct tcp_pcb *pcb, const struct tcp_options *opt);
/* SYN_SENT or SYN_RECEIVED has come to ESTABLISHED with seg, which acknowledges our SYN. */
void tcp_established(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);

/* ---- tcp_cookie.c ---- */

/* The sequence number that stands for a SYN with number irs and this MSS. */
uint32_t tcp_cookie_make(const struct tcp *tcp, const struct endpoint *local,
                         const struct endpoint *remote, uint32_t irs, uint32_t mss);
/* The MSS in a cookie; 0: it is none of ours, or too old. */
uint32_t tcp_cookie_mss(const struct tcp *tcp, const struct endpoint *local,
                        const struct endpoint *remote, uint32_t irs, uint32_t cookie);
/* A value not ahead of clock (without the flow's offset) that carries the options of a SYN. */
uint32_t tcp_cookie_ts(uint32_t clock, const struct tcp_options *opt, bool ecn);
/* Window scale and SACK from such a value. Returns whether there is ECN. */
bool tcp_cookie_ts_options(uint32_t ts, struct tcp_options *opt);
/* Answers the SYN seg without keeping anything. */
void tcp_cookie_reply(struct tcp *tcp, struct tcp_pcb *listener, const struct tcp_seg *seg);
/* Does seg acknowledge a cookie of l's? Then *opt and *ecn are what the SYN had. */
bool tcp_cookie_check(struct tcp *tcp, const struct tcp_listener *l, const struct tcp_seg *seg,
                      struct tcp_options *opt, bool *ecn);

/* ---- tcp_ecn.c ---- */

/* pcb's SYN asks for ECN, if that is wanted. */
void tcp_ecn_ask(const struct tcp *tcp, struct tcp_pcb *pcb);
/* Does the SYN seg ask for it, and may it have it? */
bool tcp_ecn_wanted(const struct tcp *tcp, const struct tcp_seg *seg);
/* What the answer to our SYN says of it. */
void tcp_ecn_answered(struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* The TOS of a segment that goes out; its ECE and CWR are added to *flags. */
uint8_t tcp_ecn_send(struct tcp_pcb *pcb, uint32_t seq, uint32_t len, uint8_t *flags);
/* Text has come, marked or not. */
void tcp_ecn_text(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* seg is an acceptable ACK, not yet processed. */
void tcp_ecn_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* cwnd was reduced, for whatever reason: the peer is to hear of it. */
static inline void tcp_ecn_reduced(struct tcp_pcb *pcb)
{
    pcb->ecn |= pcb->ecn & TCP_ECN_OK ? TCP_ECN_REDUCED : 0;
}

/* ---- tcp_fastopen.c ---- */

int tcp_fastopen_init(struct tcp *tcp); /* 0 or -ENOMEM */
void tcp_fastopen_fini(struct tcp *tcp);
/* Puts the option, if there is to be one, into a SYN or SYN,ACK of pcb's. */
void tcp_fastopen_option(struct tcp *tcp, const struct tcp_pcb *pcb, struct tcp_options *opt);
/* pcb, with snd_una behind the SYN, is answered by seg: text that it does not acknowledge counts
 * as unsent. */
void tcp_fastopen_answered(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* pcb gives up. */
void tcp_fastopen_unanswered(struct tcp *tcp, struct tcp_pcb *pcb);
/* May child, new from the SYN seg, have its text now? */
bool tcp_fastopen_syn(struct tcp *tcp, struct tcp_pcb *listener, struct tcp_pcb *child,
                      const struct tcp_seg *seg);
/* Gives it to child. */
void tcp_fastopen_text(struct tcp *tcp, struct tcp_pcb *child, const struct tcp_seg *seg);
/* The handshake of child is over, well or not. Nothing for other pcbs. */
void tcp_fastopen_done(struct tcp *tcp, struct tcp_pcb *child, bool reset);
/* pcb goes. */
void tcp_fastopen_release(struct tcp *tcp, struct tcp_pcb *pcb);
/* The cookie for the pair of addresses by the listener's key number which, or the stack's (f NULL
 * or without keys); 8 bytes. */
void tcp_fastopen_cookie(const struct tcp *tcp, const struct tcp_fastopen *f, unsigned which,
                         const struct ip_addr *local, const struct ip_addr *remote, uint8_t *out);
/* The stack's own key. */
struct siphash_key tcp_fastopen_key(const struct tcp *tcp);
void tcp_fastopen_repair(struct tcp *tcp);

/* ---- tcp_input.c ---- */

/* A segment of pcb's flow. May free pcb. */
void tcp_input_flow(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg);

/* ---- tcp_receive.c, tcp_urgent.c ---- */

/* Text and FIN (RFC 9293 3.10.7.4, seventh and eighth). May free pcb. */
void tcp_receive(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg);
/* The user has taken bytes: an ACK may be due that the peer waits for. */
void tcp_receive_taken(struct tcp *tcp, struct tcp_pcb *pcb);
/* The highest offset that may hold bytes. */
uint64_t tcp_receive_high(const struct tcp_pcb *pcb);
/* The URG bit (sixth). */
void tcp_urgent_input(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* Bytes have come in order: is the urgent one among them? */
void tcp_urgent_arrived(struct tcp *tcp, struct tcp_pcb *pcb);
ssize_t tcp_urgent_recv(struct tcp_pcb *pcb, const struct iovec *iov, size_t niov, size_t skip,
                        size_t len, int flags);

/* ---- tcp_sack.c ---- */

/* A segment that starts at seq was stored out of order. */
void tcp_sack_arrived(struct tcp_pcb *pcb, uint32_t seq);
/* [start, end) arrived again (RFC 2883): told with the next ACK. */
void tcp_sack_duplicate(struct tcp_pcb *pcb, uint32_t start, uint32_t end);
/* Is there anything to tell, to a peer who wants to hear it? */
static inline bool tcp_sack_has_report(const struct tcp_pcb *pcb)
{
    return pcb->sack_ok && (pcb->ofo.len || pcb->dsack_start != pcb->dsack_end);
}
/* The blocks for an ACK. */
void tcp_sack_report(const struct tcp_pcb *pcb, struct tcp_options *opt);
/* The blocks of a->seg: marks what has arrived. */
void tcp_sack_input(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a);

/* ---- tcp_ack.c ---- */

/* The ACK field (fifth). False: the segment goes no further, and pcb may be gone. */
bool tcp_ack_input(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);

/* ---- tcp_timewait.c ---- */

void tcp_timewait_enter(struct tcp *tcp, struct tcp_pcb *pcb);
/* May free pcb. */
void tcp_timewait_input(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_seg *seg);

/* May a new connection of ours take pcb's flow over, if it cannot have another one; and if it can?
 */
bool tcp_timewait_yields(const struct tcp_pcb *pcb);
bool tcp_timewait_reusable(const struct tcp *tcp, const struct tcp_pcb *pcb);

/* ---- tcp_window.c ---- */

uint32_t tcp_window_capacity(const struct tcp_pcb *pcb);
/* The window for the next segment, in bytes; moves rcv_adv. syn: not scaled. */
uint16_t tcp_window_advertise(struct tcp_pcb *pcb, bool syn);
uint32_t tcp_window_select(const struct tcp_pcb *pcb);
/* Chooses the window scale for a SYN. */
void tcp_window_init(const struct tcp *tcp, struct tcp_pcb *pcb);
/* The user took bytes: tunes the buffer; true when the peer should hear of the new window at once.
 */
bool tcp_window_after_read(struct tcp *tcp, struct tcp_pcb *pcb);
/* Text came: estimates the round trip as a receiver sees it. */
void tcp_window_measure(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* Bytes that the user may still queue. */
uint32_t tcp_sndbuf_free(const struct tcp_pcb *pcb);
/* The same, as far as TCP_NOTSENT_LOWAT lets the user. */
uint32_t tcp_sndbuf_room(const struct tcp_pcb *pcb);
bool tcp_sndbuf_writable(const struct tcp_pcb *pcb);
void tcp_sndbuf_tune(struct tcp *tcp, struct tcp_pcb *pcb);
/* Tells whoever found no room that there is some again. */
void tcp_sndbuf_tell(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_mss.c ---- */

void tcp_mss_init(struct tcp_pcb *pcb);
/* Recomputes snd_mss from the path, the peer's option and our options. */
void tcp_mss_update(struct tcp_pcb *pcb);
/* The same, when the path may have changed. */
void tcp_mss_refresh(struct tcp *tcp, struct tcp_pcb *pcb);
/* The largest MSS that path, peer and user allow, options of the segment not counted. */
uint32_t tcp_mss_most(const struct tcp_pcb *pcb);
/* Do segments go with DF, and does pcb heed who says that they are too big (IP_MTU_DISCOVER)? */
bool tcp_mss_discovers(const struct tcp_pcb *pcb);
/* Payload of the largest frame to hand to the link: a multiple of snd_mss. */
uint32_t tcp_mss_frame_bytes(const struct tcp_pcb *pcb);

/* ---- tcp_info.c ---- */

/* len bytes of text are sent at seq; a segment came in. */
void tcp_info_sent(struct tcp_pcb *pcb, uint32_t seq, uint32_t len);
void tcp_info_received(struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* seg, acceptable, was processed; delivered_segs was `before` before that. */
void tcp_info_delivered(struct tcp_pcb *pcb, const struct tcp_seg *seg, uint32_t before);
/* The retransmission timer ran out, before retransmits counts it; something new was acknowledged.
 */
void tcp_info_timeout(struct tcp *tcp, struct tcp_pcb *pcb);
void tcp_info_timeout_over(struct tcp *tcp, struct tcp_pcb *pcb);
/* From now on the sender is in that condition. */
void tcp_info_busy(struct tcp *tcp, struct tcp_pcb *pcb, enum tcp_busy busy);

/* ---- tcp_probe.c ---- */

/* mss, or less when the path loses such large segments. */
uint32_t tcp_probe_clamp(struct tcp_pcb *pcb, uint32_t mss);
/* The same segment timed out several times: was it too big? To be called before it is sent again.
 */
void tcp_probe_blackhole(struct tcp *tcp, struct tcp_pcb *pcb);
/* Payload of the probe to be sent at snd_nxt now, with unsent bytes queued and room for as many in
 * both windows as told; 0: none. *wait: there will be one when ACKs have made room, so hold the
 * rest back. */
uint32_t tcp_probe_due(const struct tcp *tcp, const struct tcp_pcb *pcb, uint32_t unsent,
                       uint32_t wnd_room, uint32_t cwnd_room, bool *wait);
/* A probe of len bytes went out at seq. */
void tcp_probe_sent(struct tcp_pcb *pcb, uint32_t seq, uint32_t len);
/* snd_una has moved on. */
void tcp_probe_acked(struct tcp *tcp, struct tcp_pcb *pcb);
/* Bytes from seq on are sent again: a probe among them has failed. */
void tcp_probe_resent(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t seq, uint32_t len);
/* The first unacknowledged segment is lost: if it was a probe, it is sent again as smaller ones,
 * and that is all: true. */
bool tcp_probe_lost(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_output.c ---- */

/* Sends what may be sent, and arms the timers for what is in flight or may not. */
void tcp_output(struct tcp *tcp, struct tcp_pcb *pcb);
/* Sends one new segment, whatever cwnd says, if there is one and the window has room. */
bool tcp_output_one(struct tcp *tcp, struct tcp_pcb *pcb);
/* The override timeout of RFC 9293 3.8.6.2.1, and the zero-window probe. */
void tcp_output_probe(struct tcp *tcp, struct tcp_pcb *pcb);
/* At the end of the batch: output, and an ACK if none went with it. */
void tcp_output_defer(struct tcp *tcp, struct tcp_pcb *pcb);
void tcp_output_ack_defer(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_segment.c ---- */

/* Sends one segment (or super-frame) with len bytes of the send ring at seq. ip_output()'s errors.
 */
int tcp_segment_send(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t seq, uint32_t len,
                     uint8_t flags);
int tcp_segment_ack(struct tcp *tcp, struct tcp_pcb *pcb);
/* SYN or SYN,ACK by state. */
int tcp_segment_syn(struct tcp *tcp, struct tcp_pcb *pcb);
/* A segment below the window that asks for an ACK: keepalive and zero-window probe. */
int tcp_segment_probe(struct tcp *tcp, struct tcp_pcb *pcb);
uint32_t tcp_segment_ts_now(const struct tcp *tcp, const struct tcp_pcb *pcb);

/* ---- tcp_rtt.c ---- */

void tcp_rtt_init(struct tcp_pcb *pcb);
void tcp_rtt_sample(struct tcp_pcb *pcb, uint64_t rtt_us);
/* An exact sample that holds no waiting, for min_rtt_us. */
void tcp_rtt_min(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t rtt_us);
/* The SYN, which has no record, is sent for the first time; end is the number behind it. */
void tcp_rtt_start(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t end);
/* Something from seq on is sent again: what it timed is ambiguous (Karn). */
void tcp_rtt_cancel(struct tcp_pcb *pcb, uint32_t seq);
/* seg acknowledges our SYN: takes a sample if there is one in it. */
void tcp_rtt_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* The same for data, from what the records say. */
void tcp_rtt_acked(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a);
/* RTO with the backoff in it. */
uint64_t tcp_rtt_rto_us(const struct tcp_pcb *pcb);

/* ---- tcp_timer.c, tcp_keepalive.c ---- */

void tcp_timer_rexmt(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t deadline_us);
void tcp_timer_delack(struct tcp *tcp, struct tcp_pcb *pcb, uint64_t deadline_us);
void tcp_timer_stop_all(struct tcp *tcp, struct tcp_pcb *pcb);
/* Arms the slow timer for what pcb's state wants of it. */
void tcp_keepalive_arm(struct tcp *tcp, struct tcp_pcb *pcb);
/* May free pcb. */
void tcp_keepalive_timeout(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_iss.c ---- */

/* The keyed hash of a flow, another one for each purpose: 1 and 2 are tcp_iss.c's own. */
uint64_t tcp_iss_keyed(const struct tcp *tcp, const struct endpoint *local,
                       const struct endpoint *remote, uint8_t purpose);

uint32_t tcp_iss_choose(const struct tcp *tcp, const struct endpoint *local,
                        const struct endpoint *remote);
uint32_t tcp_iss_ts_offset(const struct tcp *tcp, const struct endpoint *local,
                           const struct endpoint *remote);

/* ---- tcp_cc.c ---- */

/* The hooks of an algorithm; those that may be NULL say so. */
struct tcp_cc_ops {
    const char *name; /* as Linux calls it */
    bool paces;       /* sets pcb->pacing_rate */
    /* A connection begins, or goes over to this one; pcb->cc is zero. False: no memory. */
    bool (*init)(struct tcp *tcp, struct tcp_pcb *pcb);
    /* NULL, or: frees what init() took. */
    void (*release)(struct tcp *tcp, struct tcp_pcb *pcb);
    /* acked bytes were delivered outside of recovery: grows cwnd. NULL with control(). */
    void (*ack)(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked);
    /* After a loss. */
    uint32_t (*ssthresh)(struct tcp *tcp, struct tcp_pcb *pcb);
    /* NULL, or: the last reduction was without need; sets cwnd from pcb->undo. NULL: as it was */
    void (*undo)(struct tcp *tcp, struct tcp_pcb *pcb);
    /* NULL, or: sets cwnd itself, with every ACK, in and out of recovery, instead of ack() and of
     * proportional rate reduction */
    void (*control)(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_rate *rs);
    /* NULL, or: r was taken for lost just now. */
    void (*lost)(struct tcp_pcb *pcb, const struct tcp_sent *r);
    /* NULL, or: something is to be sent while nothing is in flight; instead of RFC 5681 4.1. */
    void (*restart)(struct tcp *tcp, struct tcp_pcb *pcb);
};
extern const struct tcp_cc_ops tcp_cc_newreno, tcp_cc_cubic, tcp_cc_bbr_ops;
const struct tcp_cc_ops *tcp_cc(const struct tcp_pcb *pcb);
/* IW and the rest, when the connection is established. */
void tcp_cc_init(struct tcp *tcp, struct tcp_pcb *pcb);
/* Frees what the algorithm took; pcb does not send any more. */
void tcp_cc_release(struct tcp *tcp, struct tcp_pcb *pcb);
/* New data were acknowledged outside of recovery. */
void tcp_cc_ack(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked);
/* Nothing was sent for a while: RFC 5681 4.1. */
void tcp_cc_restart(struct tcp *tcp, struct tcp_pcb *pcb);
/* Output stopped; limited: by cwnd. */
void tcp_cc_sent(struct tcp *tcp, struct tcp_pcb *pcb, bool limited);
/* An ACK took this long, measured exactly. */
void tcp_cc_rtt(struct tcp_pcb *pcb, uint32_t rtt_us);
uint32_t tcp_cc_initial_window(uint32_t mss);
/* Slow start (RFC 5681 3.1) with what acked bytes allow; returns those that are left for congestion
 * avoidance. */
uint32_t tcp_cc_slow_start(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked);

/* ---- tcp_pace.c ---- */

/* Is pacing on? When a connection or an algorithm begins. */
void tcp_pace_init(struct tcp_pcb *pcb);
/* Bytes per second. */
uint64_t tcp_pace_rate(const struct tcp_pcb *pcb);
/* Must the next frame wait? Then output goes on by itself. */
bool tcp_pace_holds(struct tcp *tcp, struct tcp_pcb *pcb);
/* How large a frame may be, of max bytes. */
uint32_t tcp_pace_frame_bytes(const struct tcp_pcb *pcb, uint32_t max);
/* A frame with so many bytes of text left. */
void tcp_pace_sent(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t bytes);

/* ---- tcp_cc_bbr.c ---- */

size_t tcp_cc_bbr_bytes(void);
/* After a process died: frees what no pcb leads to. */
void tcp_cc_bbr_repair(struct tcp *tcp);

/* ---- tcp_rate.c ---- */

/* The sample of an ACK. */
void tcp_rate_acked(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a,
                    struct tcp_rate *rs);
/* What is in flight now tells nothing of the path. */
void tcp_rate_limit(struct tcp_pcb *pcb);
/* Output has come to an end: is it the program that has no more? */
void tcp_rate_output_done(struct tcp_pcb *pcb);

/* ---- tcp_cc_hystart.c ---- */

void tcp_cc_hystart_init(struct tcp_pcb *pcb);
void tcp_cc_hystart_rtt(struct tcp_pcb *pcb, uint32_t rtt_us);
/* What acked bytes add to cwnd in slow start; may end slow start by setting ssthresh. */
uint32_t tcp_cc_hystart_growth(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t acked);

/* ---- tcp_reset.c ---- */

/* Answers a segment that belongs to no connection with RST (RFC 9293 3.10.7.1). */
void tcp_reset_reply(struct tcp *tcp, const struct tcp_seg *seg);
/* RST to the peer of pcb. */
void tcp_reset_send(struct tcp *tcp, struct tcp_pcb *pcb);
/* A RST came that has passed its tests. May free pcb. */
void tcp_reset_input(struct tcp *tcp, struct tcp_pcb *pcb);
/* Challenge ACK (RFC 5961 3.2, 4.2, 5.2), limited by its section 7. */
void tcp_reset_challenge(struct tcp *tcp, struct tcp_pcb *pcb);
/* May an invalid segment of pcb's be answered now? One each half second (as Linux's
 * tcp_invalid_ratelimit); counts this one. */
bool tcp_reset_limit_ok(struct tcp *tcp, struct tcp_pcb *pcb);
/* An ACK for an unacceptable segment; those without text are limited, against ACK loops. */
void tcp_reset_dup_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_seg *seg);

#endif
