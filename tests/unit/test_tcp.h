/* What the unit tests of tcp/ share. */
#ifndef TEST_TCP_H
#define TEST_TCP_H

#include <check.h>

#include "tcp/tcp_int.h"

/* A stack with TCP and one interface (192.0.2.1/24), and a pcb in no table. */
struct tcp_world {
    struct arena *arena;
    struct net net;
    struct tcp tcp;
    struct netif *nif;
    struct tcp_pcb *pcb;
};
extern struct tcp_world w;
void world_open(void);
void world_close(void);

TCase *test_tcp_cc(void);
TCase *test_tcp_cc_cubic(void);
TCase *test_tcp_cc_hystart(void);
TCase *test_tcp_cookie(void);
TCase *test_tcp_iss(void);
TCase *test_tcp_pcb(void);
TCase *test_tcp_rate(void);
TCase *test_tcp_rtt(void);
TCase *test_tcp_sent(void);
TCase *test_tcp_window(void);

#endif
