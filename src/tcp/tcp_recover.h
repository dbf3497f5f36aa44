/*
 * Loss recovery of the sender: what it keeps in a pcb, and the functions of tcp_retransmit.c,
 * tcp_recover.c, tcp_rack.c, tcp_tlp.c and tcp_undo.c. What is in flight is in tcp_sent.h.
 */
#ifndef SHIM_TCP_TCP_RECOVER_H
#define SHIM_TCP_TCP_RECOVER_H

#include "tcp/tcp_sent.h"

struct tcp_seg;

enum tcp_recovery {
    TCP_RECOVERY_NONE,
    TCP_RECOVERY_CWR,  /* cwnd is reduced without a loss: until recover is acknowledged */
    TCP_RECOVERY_FAST, /* something was lost: likewise */
    TCP_RECOVERY_LOSS, /* after a timeout: likewise */
};

enum tcp_frto { /* RFC 5682: was the timeout needed? */
                TCP_FRTO_OFF,
                TCP_FRTO_ON,  /* watching */
                TCP_FRTO_NEW, /* new data are to go out before old ones */
};

/* RACK (tcp_rack.c); RFC 8985 5.3 in its names. */
struct tcp_rack {
    uint64_t xmit_us; /* RACK.xmit_ts: of what was sent last among what was delivered; 0: none */
    uint32_t end_seq, rtt_us, fack;
    uint32_t dsack_round;  /* with dsack_round_on */
    uint32_t reordering;   /* segments, the most seen */
    uint32_t reord_seen;   /* how often */
    uint8_t mult, persist; /* RACK.reo_wnd_mult, RACK.reo_wnd_persist */
    bool dsack_round_on;
};

/* What the last reduction of cwnd can be taken back to (tcp_undo.c). */
struct tcp_undo {
    uint32_t start;          /* SND.UNA when it began */
    uint32_t cwnd, ssthresh; /* before it */
    uint32_t bytes;          /* sent again since, and not reported as D-SACK */
    uint32_t ts;             /* our clock at the first retransmission; with has_ts */
    bool on, sent, has_ts;
    bool fast; /* a fast recovery, not a timeout */
};

/* ---- tcp_retransmit.c ---- */

/* The rexmt timer went off, and it was not for persist. May free pcb. */
void tcp_retransmit_timer(struct tcp *tcp, struct tcp_pcb *pcb);
/* The retransmission timer went off (RFC 6298 5.4 to 5.7). May free pcb. */
void tcp_retransmit_timeout(struct tcp *tcp, struct tcp_pcb *pcb);
/* The persist timer went off. May free pcb. */
void tcp_retransmit_persist(struct tcp *tcp, struct tcp_pcb *pcb);
/* Arms the timer for the first of rto_at_us, reo_at_us and pto_at_us. */
void tcp_retransmit_arm(struct tcp *tcp, struct tcp_pcb *pcb);
/* Sends the first unacknowledged segment again, as lost. */
void tcp_retransmit_head(struct tcp *tcp, struct tcp_pcb *pcb);
/* What of [snd_una, upto) was sent in segments larger than the MSS that is right by now was lost,
 * but not for congestion: sends it again at once; cwnd counts as many of them as before. */
void tcp_retransmit_resize(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t upto, uint32_t old_mss);
/* Sends r, of at most a segment, again. False: the link had no room. */
bool tcp_retransmit_one(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r);
/* Sends what is lost again as far as cwnd allows. */
void tcp_retransmit_lost(struct tcp *tcp, struct tcp_pcb *pcb);
/* The time after which to give up (R2 of RFC 9293 3.8.3). */
uint64_t tcp_retransmit_r2_us(const struct tcp_pcb *pcb);

/* ---- tcp_recover.c ---- */

/* The connection is established. */
void tcp_recover_init(struct tcp_pcb *pcb);
/* Begins a, for seg, before anything is done about it. */
void tcp_recover_seen(struct tcp_pcb *pcb, const struct tcp_seg *seg, struct tcp_acked *a);
/* Everything that an ACK does to recovery and cwnd, when the records know of it. */
void tcp_recover_ack(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a);
/* The retransmission timeout: marks what is lost, and cwnd. */
void tcp_recover_timeout(struct tcp *tcp, struct tcp_pcb *pcb);
/* RACK's reordering window is over. */
void tcp_recover_reorder_timeout(struct tcp *tcp, struct tcp_pcb *pcb);
/* Segments larger than snd_mss do not pass: those up to upto count as lost, which is no sign of
 * congestion. */
void tcp_recover_too_big(struct tcp_pcb *pcb, uint32_t upto);
/* The network asks for a lower rate (ECN): once a window. */
void tcp_recover_reduce(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_rack.c (RFC 8985 6) ---- */

void tcp_rack_init(struct tcp_pcb *pcb);
/* r was delivered. */
void tcp_rack_delivered(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_sent *r,
                        const struct tcp_acked *a);
/* An ACK brought a D-SACK. */
void tcp_rack_dsack(struct tcp_pcb *pcb, const struct tcp_acked *a);
/* a told that what a fast recovery sent again was not lost but late. */
void tcp_rack_late(struct tcp_pcb *pcb, const struct tcp_acked *a);
/* Does the path reorder by more than three segments? */
bool tcp_rack_is_reordered(const struct tcp_pcb *pcb);
/* A recovery is over. */
void tcp_rack_left(struct tcp_pcb *pcb);
uint32_t tcp_rack_reo_wnd_us(const struct tcp_pcb *pcb);
/* Would r be lost, had something sent later arrived? */
bool tcp_rack_is_due(struct tcp *tcp, const struct tcp_pcb *pcb, const struct tcp_sent *r);
/* Marks what is lost, and sets reo_at_us for what may be soon. True: some of it had been sent
 * again. */
bool tcp_rack_detect(struct tcp *tcp, struct tcp_pcb *pcb);

/* ---- tcp_tlp.c (RFC 8985 7) ---- */

/* Sets pto_at_us: new data were sent or acknowledged. */
void tcp_tlp_schedule(struct tcp *tcp, struct tcp_pcb *pcb);
/* The probe is due. */
void tcp_tlp_send(struct tcp *tcp, struct tcp_pcb *pcb);
void tcp_tlp_ack(struct tcp *tcp, struct tcp_pcb *pcb, const struct tcp_acked *a);

/* ---- tcp_undo.c ---- */

/* cwnd is about to be reduced. */
void tcp_undo_begin(struct tcp_pcb *pcb);
/* len bytes were sent again at ts. */
void tcp_undo_sent(struct tcp_pcb *pcb, uint32_t len, uint32_t ts);
/* The peer received [start, end) twice. */
void tcp_undo_dsack(struct tcp_pcb *pcb, uint32_t start, uint32_t end);
/* Was the reduction without need? By D-SACK, by the echoed timestamp, by either. */
bool tcp_undo_by_dsack(const struct tcp_pcb *pcb);
bool tcp_undo_by_echo(const struct tcp_pcb *pcb, const struct tcp_seg *seg);
bool tcp_undo_may(const struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* Takes it back; all: what is marked as lost is lost no more. */
void tcp_undo(struct tcp *tcp, struct tcp_pcb *pcb, bool all);

#endif
