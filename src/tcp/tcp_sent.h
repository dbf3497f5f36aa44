/*
 * The record of what was sent and is not yet acknowledged (tcp_sent.c), and what one ACK brought.
 *
 * The records of a pcb cover [SND.UNA, SND.NXT) without gaps, in order: one for each frame sent,
 * however many segments it was cut into; a record is split where a SACK or a loss ends within it.
 * A SYN has none.
 */
#ifndef SHIM_TCP_TCP_SENT_H
#define SHIM_TCP_TCP_SENT_H

#include "base/list.h"
#include "base/seq.h"
#include "tcp/tcp.h"

enum tcp_sent_flag {
    TCP_SENT_SACKED = 1,       /* the peer says that it has it; it may still forget it */
    TCP_SENT_LOST = 2,         /* the first transmission is taken for lost */
    TCP_SENT_RETRANS = 4,      /* was sent again, and that is taken to be under way */
    TCP_SENT_EVER = 8,         /* was ever sent again */
    TCP_SENT_FIN = 16,         /* the last number is a FIN's */
    TCP_SENT_NO_TIME = 32,     /* sent in pieces at several times: not to be measured by */
    TCP_SENT_APP_LIMITED = 64, /* sent while the program had no more to send */
    TCP_SENT_SEEN = 128,       /* tcp_repair() has met it */
};

struct tcp_sent {
    struct list by_seq;  /* in pcb->sent_seq */
    struct list by_time; /* in pcb->sent_time or pcb->sent_lost; neither while SACKED */
    uint32_t seq, end;
    uint64_t xmit_us; /* of the last transmission */
    /* draft-ietf-ccwg-bbr 4.1.2.2: as they were at the last transmission */
    uint64_t delivered, delivered_us, first_sent_us, lost_at_send;
    uint32_t tx_in_flight; /* bytes, this record included */
    uint32_t segs;         /* segments in it */
    uint16_t mss;          /* payload of each but the last */
    uint8_t flags;         /* enum tcp_sent_flag */
    uint8_t retrans;       /* how often it was sent again, 255 at most */
};

/* What one ACK brought. Bytes are of sequence space. */
struct tcp_acked {
    const struct tcp_seg *seg;
    uint32_t prior_una, prior_fack, prior_pipe;
    uint32_t acked;     /* by which SND.UNA moved */
    uint32_t delivered; /* acknowledged or SACKed for the first time */
    uint32_t lost;      /* marked as lost because of this ACK */
    uint32_t dsack_segs;
    bool pure;           /* an ACK of what is acknowledged already, and nothing else */
    bool dup;            /* so, and something is in flight: a duplicate by RFC 5681 2 */
    bool dsack;          /* the peer got something twice (RFC 2883) */
    bool dsack_tlp;      /* ... namely the tail loss probe */
    bool sacked;         /* some were SACKed for the first time */
    bool orig_delivered; /* some of what was in flight at the timeout, and never sent again */
    bool again_acked;    /* some that was sent again was acknowledged, never SACKed before */
    bool lost_again;     /* some that was sent again is lost again */
    uint64_t first_us, last_us; /* when the first and the last newly acknowledged record were sent
                                   that were sent once; 0: there is none */
    uint64_t sacked_us, sacked_last_us; /* the same of those newly SACKed */
    bool has_newest;                    /* newest is set */
    struct tcp_sent newest; /* a copy of the delivered record that was sent last: for samples of
                               the delivery rate. Its lists mean nothing. */
};

static inline uint32_t tcp_sent_len(const struct tcp_sent *r)
{
    return r->end - r->seq;
}

struct tcp_pcb;

/* The memory of records, and the few that are kept for hard times. False: there is none; stop all
 * the same. */
bool tcp_sent_start(struct tcp *tcp);
void tcp_sent_stop(struct tcp *tcp);
void tcp_sent_init(struct tcp_pcb *pcb);
/* Forgets all records. */
void tcp_sent_clear(struct tcp *tcp, struct tcp_pcb *pcb);
/* Can the next frame be recorded? Takes memory ahead, which tcp_sent_add() uses. */
bool tcp_sent_reserve(struct tcp *tcp, struct tcp_pcb *pcb);
/* Gives back what was taken ahead. */
void tcp_sent_release(struct tcp *tcp, struct tcp_pcb *pcb);
/* [SND.NXT, end) was sent just now. After tcp_sent_reserve() it cannot fail. */
void tcp_sent_add(struct tcp *tcp, struct tcp_pcb *pcb, uint32_t end, bool fin);
/* The record that holds seq; NULL: none. */
struct tcp_sent *tcp_sent_find(struct tcp_pcb *pcb, uint32_t seq);
struct tcp_sent *tcp_sent_first(const struct tcp_pcb *pcb);
struct tcp_sent *tcp_sent_last(const struct tcp_pcb *pcb);
struct tcp_sent *tcp_sent_next(const struct tcp_pcb *pcb, const struct tcp_sent *r);
struct tcp_sent *tcp_sent_prev(const struct tcp_pcb *pcb, const struct tcp_sent *r);
/* Cuts r at `at`, inside it: r keeps the first part. Returns the second; NULL: no memory. */
struct tcp_sent *tcp_sent_split(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r,
                                uint32_t at);
/* Makes one of r and the record behind it. */
void tcp_sent_join(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r);
/* What is set and what is cleared of LOST, RETRANS and SACKED; keeps counters and lists. */
void tcp_sent_mark(struct tcp_pcb *pcb, struct tcp_sent *r, uint8_t set, uint8_t clear);
/* r is taken for lost, its last transmission too. */
void tcp_sent_lose(struct tcp_pcb *pcb, struct tcp_sent *r);
/* Nothing is lost after all. */
void tcp_sent_unlose(struct tcp_pcb *pcb);
/* r was sent again just now. */
void tcp_sent_again(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r);
/* r was delivered, as far as it was not before. */
void tcp_sent_delivered(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_sent *r,
                        struct tcp_acked *a);
/* SND.UNA has moved: takes what is below it out. */
void tcp_sent_acked(struct tcp *tcp, struct tcp_pcb *pcb, struct tcp_acked *a);
/* What is in the network: RFC 6675's pipe, from the marks. */
uint32_t tcp_sent_pipe(const struct tcp_pcb *pcb);
/* For tests: does everything agree? NULL, or what does not. */
const char *tcp_sent_check(const struct tcp_pcb *pcb);
/* After a process died: frees what no pcb leads to. */
void tcp_sent_repair(struct tcp *tcp);

#endif
