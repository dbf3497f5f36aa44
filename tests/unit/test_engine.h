/*
 * Tests of the engine and the link, against the kernel.
 *
 * Each test has a laboratory of its own, which needs no privilege: a user namespace, and in it two
 * hosts, which are network namespaces joined by a veth pair. The engine runs in the first (HOST);
 * the second (PEER) is the kernel's, or the test plays it on a packet socket. The test's threads
 * live in HOST, and go to PEER to make a socket there.
 *
 *     HOST  veth0 02:00:00:00:00:01                PEER  veth0 02:00:00:00:00:02
 *           192.0.2.1: the stack's, or borrowed          192.0.2.2: the kernel's
 *
 * Nothing here depends on time: what is waited for comes, or the test fails after PATIENCE_US.
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "io/clock.h"
#include "io/config.h"
#include "io/engine.h"

#define PATIENCE_US 30000000u
#define PATIENCE_MS 30000

#define OUR_V4  0xc0000201u /* 192.0.2.1 */
#define PEER_V4 0xc0000202u /* 192.0.2.2 */

TCase *test_engine_start(void);
TCase *test_engine_link(void);
TCase *test_engine_frames(void);
TCase *test_engine_wait(void);
TCase *test_engine_poll(void);
TCase *test_engine_fork(void);
TCase *test_engine_guard(void);
TCase *test_engine_host(void);
TCase *test_engine_hostnet(void);

/* The other programs that this one is, by its first argument. */
int heir_main(char **argv);
int families_main(void);

/* Until cond holds; it is looked at a thousand times a second. */
#define UNTIL(cond)                                                                                \
    do {                                                                                           \
        uint64_t until_us = clock_now_us() + PATIENCE_US;                                          \
        while (!(cond)) {                                                                          \
            ck_assert_msg(clock_now_us() < until_us, "never: %s", #cond);                          \
            poll(NULL, 0, 1);                                                                      \
        }                                                                                          \
    } while (0)

/* ---- the laboratory ---- */

enum lab_side { HOST, PEER };

/* Can namespaces be made here? In a child; 0 or an errno. */
int lab_impossible(void);
/* A fixture: makes the laboratory. */
void lab_enter(void);
/* Moves the calling thread to that host. */
void lab_go(enum lab_side side);
/* A kernel socket of that host, blocking, with a receive timeout of PATIENCE_MS. Bound to port if
 * that is not 0, and listening if it is TCP then. */
int lab_socket(enum lab_side side, int type, uint16_t port);
struct sockaddr_in lab_name(uint32_t v4, uint16_t port);
/* What the kernel's files say and do, as the `ip` command would. */
void lab_veth(const char *name, const char *peer_name);
void lab_link(enum lab_side side, const char *name, bool up);
void lab_link_gone(enum lab_side side, const char *name);
void lab_mtu(enum lab_side side, const char *name, uint32_t mtu);
void lab_addr(enum lab_side side, const char *name, uint32_t v4, uint8_t prefix_len, bool there);
/* gateway 0: none; name NULL: by the gateway. */
void lab_route(enum lab_side side, uint32_t dst, uint8_t prefix_len, uint32_t gateway,
               const char *name, uint32_t metric, bool there);
/* A tun device of HOST, up; the descriptor of its far end. */
int lab_tun(const char *name);
/* May this user open tun devices? (True where all must be tested: CI is set.) */
bool lab_has_tun(void);
/* Descriptors that are open in this process. */
unsigned lab_open_fds(void);
/* Ends a child process, keeping its coverage counters. */
_Noreturn void lab_exit(int status);
/* Waits for a child; its exit status, or 128 + the signal that ended it. */
int lab_reap(pid_t pid);

/* ---- frames, played by hand ---- */

/* A packet socket on veth0 of PEER, which sees all frames. vnet: with struct virtio_net_hdr. */
int raw_open(bool vnet);
void raw_send(int fd, const void *frame, size_t len);
/* The next frame of this Ethernet type and, for IPv4, protocol; its length. */
size_t raw_take(int fd, uint16_t ethertype, uint8_t proto, void *frame, size_t room);
/* A frame from PEER to us with a UDP datagram; its length. */
size_t raw_udp(uint8_t *frame, uint16_t sport, uint16_t dport, const void *data, size_t len);

/* ---- the stack under test ---- */

/* The stack has 192.0.2.1/24 of its own on veth0. */
struct config own_config(void);
/* It borrows the kernel's, which gets 192.0.2.1/24. */
struct config host_config(void);
/* Starts the engine, and fails the test if it does not start. */
void start(const struct config *c);
struct netif_stats nif_stats(void);

/* A socket of the stack, with its placeholder. */
struct end {
    int fd;
    uint64_t cookie;
    struct sock *so; /* good within an entry, as long as it lives */
};

struct end end_open(int type);
/* Is the control block still there? */
bool end_lives(const struct end *e);
/* Closes the placeholder alone, as a program's death would. */
void end_drop(struct end *e);
void end_bind(const struct end *e, uint16_t port); /* and listens, if it is TCP */
/* Waits until the socket is ready for any of mask, with the thread's own waiter; engine_wait()'s
 * answer, or 0. */
int end_wait(const struct end *e, uint32_t mask, uint64_t deadline_us);
/* Blocking calls, which fail the test instead of returning an error. */
void end_connect(const struct end *e, uint32_t v4, uint16_t port);
struct end end_accept(const struct end *e);
void end_send(const struct end *e, const void *data, size_t len);
void end_recv(const struct end *e, void *data, size_t len); /* all of it */
ssize_t end_recv_some(const struct end *e, void *data, size_t len);
void end_send_to(const struct end *e, const void *data, size_t len, uint32_t v4, uint16_t port);
/* One look, without waiting: what recv() says. */
ssize_t end_try_recv(const struct end *e, void *data, size_t len);
/* A connection from the stack to the kernel of PEER; *peer gets the other end. */
struct end end_pair(int *peer);
/* In the child of a fork: its threads' waiters are the parent's. */
void end_forked(void);
/* The thread's waiter, made on first use; its word is *word. */
struct waiter *end_waiter(uint32_t **word);

/* ---- sleeping, and signals that end it ---- */

/* Sets hooks like libshim.so's: a handler that runs while its thread sleeps ends the sleep. Before
 * start(). */
void sleep_hooks(void);
/* Sleeps of all threads so far, and since sleep_count_reset(). */
unsigned sleep_count(void);
void sleep_count_reset(void);
/* Catches SIGUSR1 with the hooks' handler; or with one that leaves a sleep by siglongjmp to
 * sleep_away. flags: as in struct sigaction. */
void sleep_catch(int flags);
void sleep_catch_and_leave(void);
extern sigjmp_buf sleep_away;
/* From another thread: sends SIGUSR1 to this one until one has met it asleep. */
void sleep_interrupter_start(void);
void sleep_interrupter_join(void);

/* The kernel's ends. */
void peer_send(int fd, const void *data, size_t len);
void peer_recv(int fd, void *data, size_t len);
void peer_expect_end(int fd);
int peer_accept(int fd);

/* Byte i of the streams that the tests send. */
void pattern(uint8_t *out, uint64_t from, size_t len);
bool is_pattern(const uint8_t *data, uint64_t from, size_t len);

#endif
