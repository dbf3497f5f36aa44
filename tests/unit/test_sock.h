/*
 * What the tests of sockets and of the stack share: two hosts on a wire that does no harm (the
 * simulation's), and the socket calls as a program sees them. Each call is an entry of its own.
 */
#ifndef SHIM_TEST_SOCK_H
#define SHIM_TEST_SOCK_H

#include <check.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/ip.h>
#include <poll.h>
#include <string.h>

#include "../sim/sim.h"
#include "sock/sock_int.h"

TCase *test_sock_create(void);
TCase *test_sock_call(void);
TCase *test_sock_connect(void);
TCase *test_sock_stream(void);
TCase *test_sock_dgram(void);
TCase *test_sock_cmsg(void);
TCase *test_sock_dual(void);
TCase *test_sock_opt(void);
TCase *test_sock_wait(void);
TCase *test_sock_memory(void);
TCase *test_stack(void);
TCase *test_stack_repair(void);

extern struct sim world;
#define HOST_A (&world.host[0])
#define HOST_B (&world.host[1])
#define ADDR_A 0xc0000201u
#define ADDR_B 0xc0000202u

/* Checked fixture: teardown fails the test when a socket, a pcb or memory is left. */
void world_setup(void);
void world_teardown(void);
/* A test case with the fixture. */
TCase *world_tcase(const char *name);

#define IN(h, expr)                                                                                \
    __extension__({                                                                                \
        link_wire_enter((h)->port);                                                                \
        __typeof__(expr) in_r_ = (expr);                                                           \
        link_wire_leave((h)->port);                                                                \
        in_r_;                                                                                     \
    })

struct sim_host *host_of(const struct sock *so);
void run_us(uint64_t us);

struct sock *t_socket(struct sim_host *h, int type);
void t_close(struct sock *so);
int t_bind(struct sock *so, uint32_t addr, uint16_t port);
int t_connect(struct sock *so, uint32_t addr, uint16_t port);
int t_listen(struct sock *so, int backlog);
/* NULL: there is none. */
struct sock *t_accept(struct sock *so);
int t_shutdown(struct sock *so, int how);
ssize_t t_send(struct sock *so, const void *data, size_t len, int flags);
ssize_t t_sendto(struct sock *so, const void *data, size_t len, uint32_t addr, uint16_t port);
ssize_t t_recv(struct sock *so, void *data, size_t len, int flags);
int t_set(struct sock *so, int level, int name, int v);
/* The value, or -errno. */
int t_get(struct sock *so, int level, int name);
uint32_t t_poll(struct sock *so);
uint16_t t_port(struct sock *so);

/* A listener on B's port, and connections to it. */
struct sock *t_listener(uint16_t port);
void t_pair(struct sock *listener, struct sock **a, struct sock **b);

#endif
