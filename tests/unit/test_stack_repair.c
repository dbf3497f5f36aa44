/*
 * A process may die at any instruction inside the stack. Here a child makes one entry of host A
 * step by step, on an arena that it shares with the parent. Every so many steps a second child
 * looks at a copy of what a death at that moment would have left behind: it repairs A and then uses
 * it in earnest.
 *
 * STACK_DEATHS=n looks at n moments of each entry.
 */
#include "config.h"
#include "test_sock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS      3
#define LEAK_MAX   (64u << 10) /* blocks that were on their way in or out are lost */
#define COPY_BYTES (4u << 20)  /* the arena is used up to here */
#ifdef SHIM_SANITIZE
#define DEATHS 3u /* each takes long */
#else
#define DEATHS 12u
#endif
#define FIRST_SPARE 100000u /* cookies of sockets that the dying child makes */

/* What is open on A when the entry begins; a[i] is connected to b[i]. */
static struct sock *a[PAIRS], *b[PAIRS], *listener_a, *listener_b, *knocking, *udp_a, *udp_b;
static struct waiter *waiter;
static char data[30000];

static void open_everything(void)
{
    world_setup();
    listener_b = t_listener(80);
    listener_a = t_socket(HOST_A, SOCK_STREAM);
    t_bind(listener_a, 0, 81);
    t_listen(listener_a, 5);
    for (int i = 0; i < PAIRS; i++)
        t_pair(listener_b, &a[i], &b[i]);
    knocking = t_socket(HOST_B, SOCK_STREAM);
    t_connect(knocking, ADDR_A, 81);
    udp_a = t_socket(HOST_A, SOCK_DGRAM);
    udp_b = t_socket(HOST_B, SOCK_DGRAM);
    t_bind(udp_a, 0, 53);
    t_bind(udp_b, 0, 53);
    waiter = IN(HOST_A, sock_waiter_new(HOST_A->st));
    waiter->proc = HOST_A->proc;
    waiter->kind = WAITER_EPOLL;
    waiter->mask = POLLIN;
    sock_wait_add(a[1], waiter);
    t_sendto(udp_b, "datagram", 8, ADDR_A, 53);
    run_us(100000);
    /* Something is on its way, and something waits to be read. */
    t_send(b[0], data, 5000, 0);
    run_us(50000);
    t_send(a[0], data, 20000, 0);
    run_us(1500);
    t_send(b[0], data, 5000, 0);
    t_sendto(udp_b, "datagram", 8, ADDR_A, 53);
}

/* ---- the entries ---- */

/* What the dying process sends does not matter, and what B does with it takes long. */
static bool drop_all(void *arg, struct link_wire_port *from, const uint8_t *bytes, size_t len)
{
    return false;
}

static void do_input(void)
{
    world.wire.filter = drop_all;
    link_wire_run(&world.wire, world.wire.now_us + 1500);
}
static void do_send(void)
{
    t_send(a[0], data, sizeof(data), 0);
}
static void do_recv(void)
{
    t_recv(a[0], data, sizeof(data), 0);
}
static void do_close(void)
{
    t_close(a[0]);
}
static void do_close_idle(void)
{
    t_close(a[2]);
}
static void do_close_listener(void)
{
    t_close(listener_a);
}
static void do_shutdown(void)
{
    t_shutdown(a[0], SHUT_WR);
}
static void do_dissolve(void)
{
    struct sockaddr in = {.sa_family = AF_UNSPEC};
    IN(HOST_A, sock_connect(a[0], &in, sizeof(in)));
}
static void do_connect(void)
{
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    t_set(so, SOL_IP, IP_MULTICAST_TTL, 1);
    t_set(so, IPPROTO_TCP, TCP_SAVE_SYN, 1);
    t_connect(so, ADDR_B, 80);
}
static void do_accept(void)
{
    t_accept(listener_a);
}
static void do_listen(void)
{
    struct sock *so = t_socket(HOST_A, SOCK_STREAM);
    t_bind(so, 0, 90);
    t_listen(so, 5);
}
static void do_dgram(void)
{
    struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xe0000105), .imr_ifindex = 1};
    struct sock *so = t_socket(HOST_A, SOCK_DGRAM);
    IN(HOST_A, sock_setsockopt(so, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
    t_sendto(so, data, 4000, ADDR_B, 53);
    t_send(udp_a, data, 100, MSG_MORE);
    t_recv(udp_a, data, 100, 0);
    t_close(so);
}
static void do_wait(void)
{
    struct waiter *w = IN(HOST_A, sock_waiter_new(HOST_A->st));
    w->proc = IN(HOST_A, stack_proc_add(HOST_A->st, 9));
    w->mask = POLLIN | POLLOUT;
    sock_wait_add(a[0], w);
    t_send(a[0], "x", 1, 0);
    link_wire_enter(HOST_A->port);
    sock_waiter_free(HOST_A->st, waiter);
    stack_proc_remove(HOST_A->st, w->proc);
    link_wire_leave(HOST_A->port);
}
static void do_timers(void)
{
    /* All frames are lost: retransmissions. */
    world.wire.filter = drop_all;
    t_send(a[0], data, 3000, 0);
    link_wire_run(&world.wire, world.wire.now_us + 1000000);
}

static const struct {
    const char *name;
    void (*run)(void);
    unsigned steps; /* about so many; no more are looked at */
} entries[] = {
    {"input", do_input, 15000},
    {"send", do_send, 4700},
    {"recv", do_recv, 2400},
    {"close", do_close, 4700},
    {"close of what is idle", do_close_idle, 1500},
    {"close of a listener", do_close_listener, 4300},
    {"shutdown", do_shutdown, 1500},
    {"dissolve", do_dissolve, 4700},
    {"connect", do_connect, 12000},
    {"accept", do_accept, 2700},
    {"listen", do_listen, 4400},
    {"datagrams", do_dgram, 16000},
    {"waiters", do_wait, 2700},
    {"timers", do_timers, 15000},
};

/* ---- after the repair ---- */

/* Do x and y still talk to each other? What was under way may come first. */
static bool still_talk(struct sock *x, struct sock *y)
{
    char buf[4000];
    ssize_t n;
    if (tcp_state(x->tcp) != TCP_ESTABLISHED || tcp_state(y->tcp) != TCP_ESTABLISHED)
        return false;
    while ((n = t_recv(y, buf, sizeof(buf), 0)) > 0)
        run_us(300000);
    if (n != -EAGAIN)
        return false;
    if (t_send(x, "hello, other side", 17, 0) != 17)
        return false;
    run_us(3000000);
    return t_recv(y, buf, sizeof(buf), 0) == 17 && memcmp(buf, "hello, other side", 17) == 0;
}

/* The process had sent its RST, which is lost with it: nothing more is owed. */
static bool rst_was_sent;

/* B must not be left in the belief that a connection is there of which A knows nothing. */
static void peer_knows(void)
{
    if (rst_was_sent)
        return;
    for (int i = 0; i < PAIRS; i++) {
        struct sock *so = sock_by_cookie(HOST_A->st, a[i]->cookie);
        bool gone = so != a[i] || !so->tcp || tcp_state(so->tcp) == TCP_CLOSED;
        ck_assert_msg(!gone || tcp_state(b[i]->tcp) != TCP_ESTABLISHED,
                      "the peer of connection %d was not told of its end", i);
    }
}

static void use_connections(const struct sock *victim)
{
    int broken = 0;
    for (int i = 0; i < PAIRS; i++) {
        struct sock *so = sock_by_cookie(HOST_A->st, a[i]->cookie);
        bool talks = so == a[i] && so->tcp && still_talk(a[i], b[i]) && still_talk(b[i], a[i]);
        if (!talks && (!victim || a[i] == victim))
            broken++;
        else
            ck_assert_msg(talks, "connection %d was not touched, and is broken", i);
    }
    ck_assert_int_le(broken, 1);
}

static void use_new_sockets(void)
{
    struct sock *x = t_socket(HOST_A, SOCK_STREAM), *y;
    struct sock *l = t_socket(HOST_A, SOCK_STREAM);
    ck_assert_int_eq(t_connect(x, ADDR_B, 80), -EINPROGRESS);
    ck_assert_int_eq(t_bind(l, 0, 91), 0);
    ck_assert_int_eq(t_listen(l, 5), 0);
    run_us(8000000);
    ck_assert_int_eq(t_connect(x, ADDR_B, 80), 0);
    while ((y = t_accept(listener_b)) && t_port(x) != ntohs(0)) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        if (sock_getpeername(y, (struct sockaddr *)&peer, &len) == 0 &&
            ntohs(peer.sin_port) == t_port(x))
            break;
        t_close(y);
    }
    ck_assert_ptr_nonnull(y);
    ck_assert(still_talk(x, y));
    t_close(x);
    t_close(y);
    x = t_socket(HOST_B, SOCK_STREAM);
    ck_assert_int_eq(t_connect(x, ADDR_A, 91), -EINPROGRESS);
    run_us(8000000);
    y = t_accept(l);
    ck_assert_ptr_nonnull(y);
    y->nonblock = 1;
    ck_assert(still_talk(x, y));
    ck_assert(still_talk(y, x));
    t_close(x);
    t_close(y);
    t_close(l);
    /* The datagram socket that was there. */
    char buf[100];
    while (t_recv(udp_b, buf, sizeof(buf), 0) >= 0)
        ;
    t_set(udp_a, IPPROTO_UDP, 1, 0); /* no longer corked */
    ck_assert_int_eq(t_sendto(udp_a, "there", 5, ADDR_B, 53), 5);
    run_us(3000000);
    ck_assert_int_eq(t_recv(udp_b, buf, sizeof(buf), 0), 5);
}

static void close_cookies(struct sim_host *h, uint64_t first, uint64_t end)
{
    link_wire_enter(h->port);
    for (uint64_t c = first; c < end; c++) {
        struct sock *so = sock_by_cookie(h->st, c);
        if (so)
            sock_close(so);
    }
    link_wire_leave(h->port);
}

static void close_everything(void)
{
    for (int i = 0; i < 2; i++) {
        struct sim_host *h = &world.host[i];
        close_cookies(h, 1, world.next_cookie);
        close_cookies(h, FIRST_SPARE, FIRST_SPARE + 100);
    }
    world.leak_max = LEAK_MAX;
    world_teardown();
}

static void after_death(const struct sock *victim)
{
    if (HOST_A->st->net.env) {
        stack_repair(HOST_A->st);
        /* Whoever waits looks again. */
        for (struct waiter *w = NULL; (w = slab_next(&HOST_A->st->waiters, w));)
            ck_assert(!w->sock || !w->proc || !list_empty(&w->on_fired));
    }
    for (struct waiter *w; (w = slab_next(&HOST_A->st->waiters, NULL));)
        sock_waiter_free(HOST_A->st, w);
    run_us(5000000);
    peer_knows();
    use_connections(victim);
    use_new_sockets();
    close_everything();
}

/* ---- the death ---- */

/* Gives this process a copy of A's arena of its own, in the same place. */
static void take_copy(void)
{
    void *copy = malloc(COPY_BYTES);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, HOST_A->mem, COPY_BYTES);
    ck_assert_ptr_eq(mmap(HOST_A->mem, SIM_ARENA_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0),
                     HOST_A->mem);
    memcpy(HOST_A->mem, copy, COPY_BYTES);
    free(copy);
}

static void look(const char *name, unsigned step, const struct sock *victim)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        take_copy();
        after_death(victim);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "dead at step %u of %s: status %#x", step, name, (unsigned)status);
}

/* Runs the entry step by step. every > 0: looks every so many steps, at random. Returns the steps.
 */
static unsigned walk(unsigned entry, unsigned every, const struct sock *victim)
{
    struct rng r;
    int status;
    unsigned steps = 0, next;
    rng_seed(&r, entry + 1);
    next = 1 + rng_below(&r, 2 * every);
    world.next_cookie = FIRST_SPARE;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        entries[entry].run();
        _exit(0);
    }
    world.next_cookie = 1000;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
    for (; steps < entries[entry].steps * 6 / 5; steps++) {
        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        if (waitpid(pid, &status, 0) != pid || WIFEXITED(status))
            break;
        if (!(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP))
            ck_abort_msg("the child stopped for %#x", (unsigned)status);
        if (steps != next)
            continue;
        look(entries[entry].name, steps, victim);
        next += 1 + rng_below(&r, 2 * every);
    }
    if (!WIFEXITED(status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return steps;
}

START_TEST(dead_inside)
{
    const char *wanted = getenv("STACK_DEATHS");
    unsigned deaths = wanted ? (unsigned)atoi(wanted) : DEATHS;
    /* Input and timers may be at work on any one connection; calls only on theirs. */
    bool any = entries[_i].run == do_input || entries[_i].run == do_timers;
    int theirs = entries[_i].run == do_close_idle ? 2 : 0;
    sim_arena_shared = true;
    rst_was_sent = entries[_i].run == do_dissolve;
    open_everything();
    unsigned steps = walk((unsigned)_i, entries[_i].steps / deaths + 1, any ? NULL : a[theirs]);
    ck_assert_msg(steps > entries[_i].steps / 4, "%s takes only %u steps", entries[_i].name, steps);
}
END_TEST

TCase *test_stack_repair(void)
{
    TCase *tc = tcase_create("repair");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, dead_inside, 0, sizeof(entries) / sizeof(*entries));
    return tc;
}
