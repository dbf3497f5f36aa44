/*
 * Scripts: a TCP in virtual time, driven step by step. A script is an array of steps; each is a
 * user call, a segment that comes in, or a segment that must go out, at a time given relative to
 * the step before. Whatever goes out without being expected, or at another time, fails the test.
 *
 * Sequence numbers are relative: ours to our ISS, the peer's to its. So SYN is 0, the first byte 1.
 * Every script runs several times with initial sequence numbers at the awkward places of the number
 * circle.
 *
 * Bytes carry a pattern that depends on their place in the stream; it is checked both ways.
 */
#ifndef TEST_SCRIPT_H
#define TEST_SCRIPT_H

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "tcp/tcp_int.h"

enum {
    ECE = TCP_ECE,
    CWR = TCP_CWR,
    SYN = TCP_SYN,
    ACK = TCP_ACK,
    FIN = TCP_FIN,
    RST = TCP_RST,
    PSH = TCP_PSH,
    URG = TCP_URG
};

#define MS(n)  ((uint64_t)(n)*1000)
#define SEC(n) ((uint64_t)(n)*1000000)

#define PEER_WND 65535u

struct script;

/* A segment in a script. */
struct sseg {
    uint8_t f;         /* flags */
    uint32_t seq, ack; /* relative */
    uint32_t len;
    int32_t win; /* wire value; in: 0 means PEER_WND, -1 means 0. Out: 0 means any, -1 means 0 */
    uint16_t urg;
    uint16_t mss; /* option; out: 0 not checked */
    uint8_t ws;   /* option + 1; out: 0 not checked */
    bool ts;      /* has the option; in: with ts_val and ts_ecr as given. Out: must be there */
    uint32_t ts_val, ts_ecr; /* in: ts_ecr relative to our clock's value at the start, ms; out:
                                ts_ecr checked if ts */
    uint16_t gso; /* out: must be a super-frame of this segment size; in: as the link told */
    uint8_t opts; /* out: bytes of options, if not 0 */
    bool sackok;  /* option; in: has it; out: must be there */
    struct {
        uint32_t start, end;
    } sack[4];      /* in this order; out: the peer's sequence numbers, in: ours */
    uint8_t nsack;  /* the number of blocks + 1; out: 0 not checked */
    bool bad_csum;  /* in */
    uint8_t ect;    /* in: the ECN field of the IP header; out: 1 + it, 0 not checked */
    uint8_t tfo;    /* Fast Open option: 1 a request, 2 with the right cookie; in: 3 a wrong one */
    uint16_t sport; /* in, out: of the peer; 0 the usual one */
};

enum step_kind {
    STEP_END,
    STEP_IN,
    STEP_OUT,
    STEP_QUIET,   /* nothing goes out until `after` has passed */
    STEP_LISTEN,  /* n: backlog */
    STEP_CONNECT, /* ret */
    STEP_FAST,    /* connect with Fast Open; n bytes; ret: so many go with the SYN */
    STEP_ACCEPT,  /* ret: 0, or -EAGAIN */
    STEP_SEND,    /* n bytes, flags; ret (0: n) */
    STEP_RECV,    /* n bytes, flags; ret (0: n) */
    STEP_EOF,     /* a recv that returns 0 */
    STEP_SHUTDOWN,
    STEP_CLOSE,
    STEP_ABORT,
    STEP_DISCONNECT,
    STEP_STATE,  /* n */
    STEP_POLL,   /* n: exactly these bits */
    STEP_EVENTS, /* n: these bits came since the last such step, and no others than n | n2 */
    STEP_ERROR,  /* n: pending error, taken */
    STEP_PCBS,   /* n: how many exist */
    STEP_DO,     /* fn */
};

struct step {
    enum step_kind kind;
    int line;
    uint64_t after; /* microseconds since the step before */
    struct sseg s;
    int64_t n, n2;
    int64_t ret;
    int flags;
    void (*fn)(struct script *);
};

#define IN(...)                                                                                    \
    {                                                                                              \
        .kind = STEP_IN, .line = __LINE__, .s = { __VA_ARGS__ }                                    \
    }
#define IN_AT(t, ...)                                                                              \
    {                                                                                              \
        .kind = STEP_IN, .line = __LINE__, .after = (t), .s = { __VA_ARGS__ }                      \
    }
#define OUT(...)                                                                                   \
    {                                                                                              \
        .kind = STEP_OUT, .line = __LINE__, .s = { __VA_ARGS__ }                                   \
    }
#define OUT_AT(t, ...)                                                                             \
    {                                                                                              \
        .kind = STEP_OUT, .line = __LINE__, .after = (t), .s = { __VA_ARGS__ }                     \
    }
#define QUIET(t)                                                                                   \
    {                                                                                              \
        .kind = STEP_QUIET, .line = __LINE__, .after = (t)                                         \
    }
#define LISTEN(b)                                                                                  \
    {                                                                                              \
        .kind = STEP_LISTEN, .line = __LINE__, .n = (b)                                            \
    }
#define CONNECT(r)                                                                                 \
    {                                                                                              \
        .kind = STEP_CONNECT, .line = __LINE__, .ret = (r)                                         \
    }
#define FAST(k, r)                                                                                 \
    {                                                                                              \
        .kind = STEP_FAST, .line = __LINE__, .n = (k), .ret = (r)                                  \
    }
#define ACCEPT(r)                                                                                  \
    {                                                                                              \
        .kind = STEP_ACCEPT, .line = __LINE__, .ret = (r)                                          \
    }
#define SEND(k)                                                                                    \
    {                                                                                              \
        .kind = STEP_SEND, .line = __LINE__, .n = (k)                                              \
    }
#define SEND_F(k, fl)                                                                              \
    {                                                                                              \
        .kind = STEP_SEND, .line = __LINE__, .n = (k), .flags = (fl)                               \
    }
#define SEND_R(k, r)                                                                               \
    {                                                                                              \
        .kind = STEP_SEND, .line = __LINE__, .n = (k), .ret = (r)                                  \
    }
#define RECV(k)                                                                                    \
    {                                                                                              \
        .kind = STEP_RECV, .line = __LINE__, .n = (k)                                              \
    }
#define RECV_F(k, fl)                                                                              \
    {                                                                                              \
        .kind = STEP_RECV, .line = __LINE__, .n = (k), .flags = (fl)                               \
    }
#define RECV_R(k, r)                                                                               \
    {                                                                                              \
        .kind = STEP_RECV, .line = __LINE__, .n = (k), .ret = (r)                                  \
    }
#define RECV_EOF                                                                                   \
    {                                                                                              \
        .kind = STEP_EOF, .line = __LINE__                                                         \
    }
#define SHUTDOWN(how)                                                                              \
    {                                                                                              \
        .kind = STEP_SHUTDOWN, .line = __LINE__, .n = (how)                                        \
    }
#define CLOSE                                                                                      \
    {                                                                                              \
        .kind = STEP_CLOSE, .line = __LINE__                                                       \
    }
#define ABORT                                                                                      \
    {                                                                                              \
        .kind = STEP_ABORT, .line = __LINE__                                                       \
    }
#define DISCONNECT                                                                                 \
    {                                                                                              \
        .kind = STEP_DISCONNECT, .line = __LINE__                                                  \
    }
#define STATE(x)                                                                                   \
    {                                                                                              \
        .kind = STEP_STATE, .line = __LINE__, .n = (x)                                             \
    }
#define POLLS(m)                                                                                   \
    {                                                                                              \
        .kind = STEP_POLL, .line = __LINE__, .n = (m)                                              \
    }
#define EVENTS(m, o)                                                                               \
    {                                                                                              \
        .kind = STEP_EVENTS, .line = __LINE__, .n = (m), .n2 = (o)                                 \
    }
#define ERROR(e)                                                                                   \
    {                                                                                              \
        .kind = STEP_ERROR, .line = __LINE__, .n = (e)                                             \
    }
#define PCBS(k)                                                                                    \
    {                                                                                              \
        .kind = STEP_PCBS, .line = __LINE__, .n = (k)                                              \
    }
#define DO(f)                                                                                      \
    {                                                                                              \
        .kind = STEP_DO, .line = __LINE__, .fn = (f)                                               \
    }
#define END                                                                                        \
    {                                                                                              \
        .kind = STEP_END                                                                           \
    }

/* The handshakes, 10 ms round trip, no options but MSS 1460 unless said otherwise. After either,
 * the next byte is 1 on both sides and the retransmission timeout 210 ms. */
#define PASSIVE_OPEN                                                                               \
    LISTEN(8), IN(.f = SYN, .mss = 1460), OUT(.f = SYN | ACK, .ack = 1, .mss = 1460),              \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0)
#define ACTIVE_OPEN                                                                                \
    CONNECT(0), OUT(.f = SYN, .mss = 1460), IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460),  \
        OUT(.f = ACK, .seq = 1, .ack = 1)

#define LOCAL_PORT 80
#define PEER_PORT  40000

#define CAPTURED_MAX 256
#define SCRIPT_BYTES 65536

/* A segment that went out. */
struct captured {
    uint64_t at_us;
    struct tcp_hdr h;
    struct tcp_options opt;
    uint32_t len, gso;
    size_t opt_bytes;
    uint16_t sport;
    uint8_t ttl, tos;
    bool df;
};

struct script {
    struct arena *arena;
    struct net *net;
    struct tcp *tcp;
    struct netif *nif;
    struct net_env env;
    struct tcp_pcb *pcb; /* of the connection, while the script owns one */
    struct tcp_pcb *listener;
    struct endpoint local, peer;
    uint32_t iss, irs; /* ours and the peer's */
    struct {
        uint16_t port;
        uint32_t iss;
    } others[8];             /* flows with other ports of the peer */
    uint64_t t0_us, at_us;   /* the start; the time of the last step */
    uint64_t sent, received; /* bytes that the user sent and received */
    uint32_t events;         /* POLL* bits told since the last look */
    int link_error;          /* what the link answers */
    struct captured out[CAPTURED_MAX];
    unsigned out_head, out_len;
    uint64_t out_total;
    void (*watch)(bool inside); /* called when the stack is entered and left */
    bool lenient;               /* nothing is compared: only survival counts */
    int line;
    const char *name;
};

/* What varies from run to run of the same script. */
struct script_setup {
    uint32_t mtu; /* 0: 1500 */
    uint32_t gso_max_bytes;
    bool borrowed;      /* the address is the host's too */
    bool guarded;       /* so it is, but its ports are left to us */
    bool peer_other_ts; /* reserved */
};

/* Runs the script from several initial sequence numbers, then with each of the first allocations
 * failing in turn. */
void script_run(const char *name, const struct step *steps, const struct script_setup *setup);

#define SCRIPT_SETUP(test_name, set, ...)                                                          \
    START_TEST(test_name)                                                                          \
    {                                                                                              \
        static const struct step steps_[] = {__VA_ARGS__, END};                                    \
        static const struct script_setup setup_ = set;                                             \
        script_run(#test_name, steps_, &setup_);                                                   \
    }                                                                                              \
    END_TEST
#define NO_SETUP                                                                                   \
    {                                                                                              \
        .mtu = 1500                                                                                \
    }
#define SCRIPT(test_name, ...)                                                                     \
    START_TEST(test_name)                                                                          \
    {                                                                                              \
        static const struct step steps_[] = {__VA_ARGS__, END};                                    \
        static const struct script_setup setup_ = NO_SETUP;                                        \
        script_run(#test_name, steps_, &setup_);                                                   \
    }                                                                                              \
    END_TEST

/* The parts of a run, for those who do more with it: begin in memory of the caller's (a page's
 * boundary, zeros), some steps; and the end of all that there is, whoever owns it. */
void script_begin(struct script *s, void *mem, size_t bytes);
void script_steps(struct script *s, const struct step *steps);
void script_survive(struct script *s);

/* For the functions of STEP_DO. */

/* The pcb of the connection, also before it is accepted and after it was closed; NULL when it is
 * gone. */
struct tcp_pcb *script_pcb(struct script *s);
/* Fails with the script's place unless cond; in lenient runs nothing. */
#define script_assert(s, cond)                                                                     \
    do {                                                                                           \
        if (!(s)->lenient && !(cond))                                                              \
            ck_abort_msg("%s, line %d: %s", (s)->name, (s)->line, #cond);                          \
    } while (0)
/* An ICMP error about the segment of ours with relative sequence number seq. */
void script_icmp(struct script *s, uint32_t seq, uint8_t type, uint8_t code, uint16_t mtu);
/* Our ISS towards the peer's port. */
uint32_t script_iss(const struct script *s, uint16_t port);
/* Injects a segment now, as IN. */
void script_in(struct script *s, const struct sseg *seg);
/* The same, but the batch is not over. */
void script_in_unflushed(struct script *s, const struct sseg *seg);
/* What went out so far was not of interest. */
void script_forget_out(struct script *s);
uint8_t script_pattern(uint64_t offset);

Suite *open_suite(void);
Suite *close_suite(void);
Suite *data_suite(void);
Suite *input_suite(void);
Suite *output_suite(void);
Suite *timer_suite(void);
Suite *recover_suite(void);
Suite *sack_suite(void);
Suite *rack_suite(void);
Suite *undo_suite(void);
Suite *death_suite(void);
Suite *listen_suite(void);
Suite *cookie_suite(void);
Suite *attack_suite(void);
Suite *ecn_suite(void);
Suite *fastopen_suite(void);
Suite *urgent_suite(void);
Suite *icmp_suite(void);
Suite *pace_suite(void);
Suite *probe_suite(void);
Suite *user_suite(void);

/* For DO(): a send buffer that is no bound. */
static inline void large_sndbuf(struct script *s)
{
    if (s->pcb) {
        tcp_config(s->pcb)->sndbuf_bytes = 2000000;
        tcp_config(s->pcb)->sndbuf_locked = true;
    }
}

#endif
