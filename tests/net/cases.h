/*
 * What the parts of poll_epoll_cases share: each case makes calls and prints what they returned.
 * The program runs once on the kernel and once on the stack, and both must print the same: so
 * nothing that is printed may depend on time or chance.
 */
#ifndef SHIM_TESTS_NET_CASES_H
#define SHIM_TESTS_NET_CASES_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS  10000 /* for what is sure to come */
#define SHORT_MS 40    /* for what must not come */

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
/* The conditions in a mask of POLL* or EPOLL* bits, as text (one of a few buffers). */
const char *bits(unsigned mask);

struct sockaddr_in at(const char *ip, int port);
int tcp(void);
int udp(void);
int tcp_nonblock(void);
int conn_to(int s, const char *ip, int port);
/* A connection to the puppet. */
int puppet(void);
/* Tells the puppet on s what to do (printf). */
void tell(int s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A listener on own_ip, on a port that the kernel chose. */
int listener(int *port);
int so_error(int s);
/* Reads and throws away what is there; the number of bytes, or -errno. */
long drain(int s);
/* Until s is ready for one of events, and if a connection ended with an error, all of that is
 * there: what poll says, at most LONG_MS. */
unsigned wait_for(int s, int events);
/* Until the peer has acknowledged everything: what was sent can cause no further event. */
void settle(int s);
long now_ms(void);
/* A handler that counts, for sig; *count is set to 0. */
void count_signal(int sig, int flags);
extern volatile sig_atomic_t signals;
/* A thread that calls fn(arg) after ms. */
void later(int ms, void (*fn)(long arg), long arg);
/* Waits for all of those. */
void later_join(void);

/* epoll_wait() with max events, printed in the order of their data. */
void print_wait(const char *what, int epfd, int max, int timeout_ms);
int add(int epfd, int fd, unsigned events, uint64_t data);
int mod(int epfd, int fd, unsigned events, uint64_t data);
int del(int epfd, int fd);

struct named_case {
    const char *name;
    void (*run)(void);
};
/* Each ends with an entry without a name. */
extern const struct named_case poll_cases[], epoll_cases[], thread_cases[], fd_cases[],
    data_cases[], process_cases[];

/* What another image of the program does for process_cases; its exit status. */
int process_helper(const char *what, const char *name);

#endif
