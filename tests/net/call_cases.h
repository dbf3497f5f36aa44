/* What the tables of calls (call_cases, socket_cases) share. */
#ifndef SHIM_TESTS_NET_CALL_CASES_H
#define SHIM_TESTS_NET_CALL_CASES_H

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

extern const char *peer_ip, *own_ip;

/* Prints the call as it is written, its value and errno. */
#define R(expr)                                                                                    \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long ret_ = (long)(expr);                                                                  \
        printf("  %s = %ld %s\n", #expr, ret_, ret_ < 0 ? err_name(errno) : "");                   \
        fflush(stdout);                                                                            \
    } while (0)

const char *err_name(int e);
struct sockaddr_in at(const char *ip, int port);
int conn_to(int s, const char *ip, int port);
int bind_to(int s, const char *ip, int port);
int tcp(void);
int udp(void);
/* A connection to the peer. */
int peer(int port);
/* What poll() says of s within twenty seconds: long enough for whatever is sure to come. */
int wait_for(int s, short events);
/* The value of an option, or -errno. */
int opt_int(int s, int level, int name);
int set_int(int s, int level, int name, int v);

struct call_case {
    const char *name;
    void (*run)(void);
};
/* What main() does: PEER OWN [CASE]. The exit status. */
int call_main(int argc, char **argv, const struct call_case *cases, size_t n);

/* call_dual.c */
void call_dual(void);
void call_dual_names(void);
void call_dual_loopback(void);

/* A connection to the puppet, and a line of commands for it. */
int puppet(void);
__attribute__((format(printf, 2, 3))) void puppet_say(int s, const char *format, ...);

/* call_signal.c */
void call_signals(void);

/* call_state.c */
void call_state_each(void);
void call_state_ports(void);
void call_state_backlog(void);
void call_state_urgent(void);
void call_state_lowat(void);
void call_state_loopback(void);

/* call_error.c */
void call_error_udp(void);
void call_error_tcp(void);
void call_error_zerocopy(void);
void call_error_cmsg_in(void);
void call_error_cmsg_out(void);

/* call_info.c */
void call_info_traffic(void);
void call_info_server(void);
void call_info_waiting(void);
void call_info_pacing(void);

/* call_wrong.c */
void call_wrong_addresses(void);
void call_wrong_times(void);
void call_wrong_cork(void);
void call_wrong_accept(void);

/* call_sweep.c */
void call_sweep_new(void);
void call_sweep_listening(void);
void call_sweep_tcp(void);
void call_sweep_udp(void);

#endif
