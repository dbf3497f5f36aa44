/* Host mode: the stack borrows the kernel's addresses and routes. And the stacks of this machine as
 * seen from outside. */
#include "test_engine.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "io/family.h"
#include "io/guard.h"

/* Binds a socket of the stack to a port that the kernel guards. */
static struct end guarded(int type, uint16_t port)
{
    struct sockaddr_in name = lab_name(OUR_V4, port);
    ck_assert_int_ge(guard_open(type, &name, false), 0);
    struct end e = end_open(type);
    engine_enter();
    ck_assert_int_eq(sock_bind(e.so, (struct sockaddr *)&name, sizeof(name)), 0);
    engine_leave();
    return e;
}

START_TEST(borrowed_address)
{
    struct config c = host_config();
    struct sockaddr_in us = lab_name(OUR_V4, 7000);
    struct ip_addr a;
    char got[10];

    start(&c);
    ck_assert(engine_host_mode());
    a = addr_v4(OUR_V4);
    ck_assert(engine_is_kernel_destination(&a));
    a = addr_v4(PEER_V4);
    ck_assert(!engine_is_kernel_destination(&a));

    /* A client of ours: the kernel of this host does not reset what it knows nothing of. */
    int listener = lab_socket(PEER, SOCK_STREAM, 5000);
    struct end e = guarded(SOCK_STREAM, 7000);
    end_connect(&e, PEER_V4, 5000);
    int peer = peer_accept(listener);
    end_send(&e, "hello", 5);
    peer_recv(peer, got, 5);
    peer_send(peer, "back", 4);
    end_recv(&e, got, 4);

    /* Datagrams. */
    struct end u = guarded(SOCK_DGRAM, 7000);
    int udp = lab_socket(PEER, SOCK_DGRAM, 7001);
    ck_assert_int_eq(sendto(udp, "hello", 5, 0, (struct sockaddr *)&us, sizeof(us)), 5);
    ck_assert_int_eq(end_recv_some(&u, got, sizeof(got)), 5);
    end_send_to(&u, "back", 4, PEER_V4, 7001);
    ck_assert_int_eq(recv(udp, got, sizeof(got), 0), 4);

    /* The kernel's own sockets work as before, beside ours. */
    int here = lab_socket(HOST, SOCK_STREAM, 7002);
    int there = lab_socket(PEER, SOCK_STREAM, 0);
    us = lab_name(OUR_V4, 7002);
    ck_assert_int_eq(connect(there, (struct sockaddr *)&us, sizeof(us)), 0);
    int conn = peer_accept(here);
    peer_send(conn, "kernel", 6);
    peer_recv(there, got, 6);
}
END_TEST

/* A port that nobody guards is the kernel's: what comes there is none of the stack's business. */
START_TEST(ports_of_the_kernel)
{
    struct config c = host_config();
    struct sockaddr_in us = lab_name(OUR_V4, 7999);

    start(&c);
    int peer = lab_socket(PEER, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(peer, (struct sockaddr *)&us, sizeof(us)), -1);
    ck_assert_int_eq(errno, ECONNREFUSED); /* by the kernel's word */
    engine_enter();
    ck_assert_uint_eq(engine.st->tcp.stats.out_rsts, 0);
    engine_leave();
}
END_TEST

START_TEST(guards)
{
    struct sockaddr_in name = lab_name(OUR_V4, 7000), other = lab_name(0xc6336401, 7000);

    lab_addr(HOST, "veth0", OUR_V4, 24, true);
    for (int i = 0; i < 2; i++) {
        int type = i ? SOCK_STREAM : SOCK_DGRAM;
        int fd = guard_open(type, &name, false);
        ck_assert_int_ge(fd, 0);
        ck_assert(engine_fd_is_private(fd));
        ck_assert_int_eq(guard_open(type, &name, false), -EADDRINUSE);
        ck_assert_int_eq(guard_open(type, &other, false), -EADDRNOTAVAIL);
        engine_fd_close(fd);
        fd = guard_open(type, &name, false);
        ck_assert_int_ge(fd, 0);
        engine_fd_close(fd);
    }
    ck_assert_int_eq(guard_open(12345, &name, false), -EINVAL);
}
END_TEST

/* ---- changes ---- */

static bool has_addr(uint32_t v4)
{
    struct stack *st = engine_enter();
    struct ip_addr a = addr_v4(v4);
    bool has = netif_find_addr(&st->net, &a) != NULL;
    engine_leave();
    return has;
}

/* The gateway to dst; 0: on the link; UINT32_MAX: no route. */
static uint32_t gateway_to(uint32_t dst)
{
    struct stack *st = engine_enter();
    struct ip_addr a = addr_v4(dst), any = addr_any4();
    struct ip_path path;
    int r = path_lookup(&st->net, &a, &any, NULL, &path);
    engine_leave();
    if (r < 0)
        return UINT32_MAX;
    return addr_eq(&path.next_hop, &a) ? 0 : addr_get_v4(&path.next_hop);
}

START_TEST(changes_are_followed)
{
    struct config c = host_config();
    const uint32_t extra = 0xc0000205, far = 0xcb007101, gateway = 0xc00002fe;

    start(&c);
    ck_assert(has_addr(OUR_V4));
    ck_assert(!has_addr(extra));
    ck_assert_uint_eq(gateway_to(PEER_V4), 0);
    ck_assert_uint_eq(gateway_to(far), UINT32_MAX);
    lab_addr(HOST, "veth0", extra, 24, true);
    UNTIL(has_addr(extra));
    lab_addr(HOST, "veth0", extra, 24, false);
    UNTIL(!has_addr(extra));
    ck_assert(has_addr(OUR_V4));
    lab_route(HOST, 0, 0, gateway, NULL, 0, true);
    UNTIL(gateway_to(far) == gateway);
    lab_route(HOST, 0, 0, gateway, NULL, 0, false);
    UNTIL(gateway_to(far) == UINT32_MAX);
    /* A connection outlives all of that. */
    int listener = lab_socket(PEER, SOCK_STREAM, 5000);
    struct end e = guarded(SOCK_STREAM, 7000);
    end_connect(&e, PEER_V4, 5000);
    int peer = peer_accept(listener);
    char got;
    lab_addr(HOST, "veth0", extra, 24, true);
    UNTIL(has_addr(extra));
    end_send(&e, "x", 1);
    peer_recv(peer, &got, 1);
    lab_link(HOST, "veth0", false);
    UNTIL(gateway_to(PEER_V4) == UINT32_MAX);
    lab_link(HOST, "veth0", true);
    UNTIL(gateway_to(PEER_V4) == 0);
    end_send(&e, "y", 1);
    peer_recv(peer, &got, 1);
    ck_assert_int_eq(got, 'y');
}
END_TEST

/* ---- seen from outside ---- */

struct seen {
    int stacks, listening, connected, udp;
};

static void on_row(void *arg, const struct stack_row *row)
{
    struct seen *seen = arg;
    if (row->proto == IPPROTO_UDP)
        seen->udp++;
    else if (strcmp(row->state, "LISTEN") == 0)
        seen->listening++;
    else
        seen->connected += strcmp(row->state, "ESTABLISHED") == 0;
}

static void on_stack(void *arg, struct stack *st)
{
    struct seen *seen = arg;
    seen->stacks++;
    stack_list(st, on_row, seen);
}

/* Another program, in which the arena's address is free: its exit status says what it saw. */
int families_main(void)
{
    struct seen seen = {0};
    int n = family_each(on_stack, &seen);
    if (n != seen.stacks)
        return 255;
    return seen.stacks << 6 | seen.listening << 4 | seen.connected << 2 | seen.udp;
}

static int families_seen(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test_engine", "families", NULL);
        _exit(127);
    }
    return lab_reap(pid);
}

START_TEST(families)
{
    struct config c = own_config();
    const int one_of_each = 1 << 6 | 1 << 4 | 1 << 2 | 1;
    int peer;

    /* Processes of other user namespaces cannot be looked into. */
    ck_assert_int_eq(families_seen(), 0);
    start(&c);
    struct end e = end_pair(&peer), listener = end_open(SOCK_STREAM), u = end_open(SOCK_DGRAM);
    (void)e;
    end_bind(&listener, 80);
    end_bind(&u, 53);
    ck_assert_int_eq(families_seen(), one_of_each);
    /* Two processes are one family. */
    engine_fork_prepare();
    pid_t pid = fork();
    if (pid == 0) {
        engine_fork_child();
        for (;;)
            pause();
    }
    engine_fork_parent();
    ck_assert_int_eq(families_seen(), one_of_each);
    kill(pid, SIGKILL);
    lab_reap(pid);
    /* One that is held for long is passed over. */
    engine_enter();
    ck_assert_int_eq(families_seen(), 0);
    engine_leave();
}
END_TEST

TCase *test_engine_host(void)
{
    TCase *tc = tcase_create("host");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, borrowed_address);
    tcase_add_test(tc, ports_of_the_kernel);
    tcase_add_test(tc, guards);
    tcase_add_test(tc, changes_are_followed);
    tcase_add_test(tc, families);
    return tc;
}
