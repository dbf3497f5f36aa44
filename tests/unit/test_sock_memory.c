/* Running out of memory at every single allocation, and what an idle connection costs. */
#include "test_sock.h"

#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>

/* Uses everything once; what fails for lack of memory is passed over. */
static void play_stream(void)
{
    uint8_t buf[5000] = {0};
    int one = 1;
    struct sock *a = NULL, *b = NULL, *l;
    struct sockaddr_in at = sim_addr(0, 80), to = sim_addr(ADDR_B, 80);
    link_wire_enter(HOST_B->port);
    l = sim_socket(&world, HOST_B, SOCK_STREAM);
    if (l) {
        sock_setsockopt(l, SOL_IP, IP_MULTICAST_TTL, &one, sizeof(one));
        sock_setsockopt(l, IPPROTO_TCP, TCP_SAVE_SYN, &one, sizeof(one));
        sock_setsockopt(l, IPPROTO_TCP, TCP_CONGESTION, "bbr", 3);
        if (sock_bind(l, (struct sockaddr *)&at, sizeof(at)) == 0)
            sock_listen(l, 5);
    }
    link_wire_leave(HOST_B->port);
    link_wire_enter(HOST_A->port);
    a = sim_socket(&world, HOST_A, SOCK_STREAM);
    if (a)
        sock_connect(a, (struct sockaddr *)&to, sizeof(to));
    link_wire_leave(HOST_A->port);
    run_us(20000000);
    link_wire_enter(HOST_B->port);
    if (l && sock_accept(l, world.next_cookie++, 1, &b) == -ENOBUFS)
        ck_assert_int_eq(sock_accept(l, world.next_cookie++, 1, &b), 0); /* it was left there */
    link_wire_leave(HOST_B->port);
    for (int i = 0; i < 3 && a && b; i++) {
        t_send(a, buf, sizeof(buf), 0);
        t_send(b, buf, sizeof(buf), 0);
        run_us(3000000);
        t_recv(a, buf, sizeof(buf), 0);
        t_recv(b, buf, sizeof(buf), 0);
    }
    if (a)
        t_close(a);
    if (b)
        t_close(b);
    if (l)
        t_close(l);
    run_us(200000000);
}

static void play_dgram(void)
{
    uint8_t buf[5000] = {0}, control[64];
    int one = 1;
    struct sockaddr_in at = sim_addr(0, 53), to = sim_addr(ADDR_B, 53);
    struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xe0000105), .imr_ifindex = 1};
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1};
    for (int h = 0; h < 2; h++) {
        struct sim_host *host = &world.host[h];
        link_wire_enter(host->port);
        struct sock *u = sim_socket(&world, host, SOCK_DGRAM);
        struct waiter *w = sock_waiter_new(host->st);
        if (u) {
            sock_setsockopt(u, SOL_IP, IP_PKTINFO, &one, sizeof(one));
            sock_setsockopt(u, SOL_IP, IP_RECVERR, &one, sizeof(one));
            sock_setsockopt(u, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m));
            sock_bind(u, (struct sockaddr *)&at, sizeof(at));
            sock_sendmsg(u, &msg, 0, MSG_MORE);
            sock_sendmsg(u, &msg, 0, 0);
            sock_sendmsg(u, &msg, 0, 0);
        }
        link_wire_leave(host->port);
        run_us(2000000);
        link_wire_enter(host->port);
        struct msghdr in = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control)};
        if (u) {
            sock_recvmsg(u, &in, 0, 0);
            sock_recvmsg(u, &in, 0, MSG_ERRQUEUE);
            sock_close(u);
        }
        if (w)
            sock_waiter_free(host->st, w);
        link_wire_leave(host->port);
    }
}

/* The n-th allocation fails, for every n, on one host and then on the other. */
static void sweep(void (*play)(void))
{
    for (int h = 0; h < 2; h++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            ck_assert_uint_lt(n, 1000);
            world_setup();
            uint64_t before = arena_stats(world.host[h].arena).failures;
            arena_fail_at(world.host[h].arena, n);
            play();
            arena_fail_at(world.host[h].arena, 0);
            failed = arena_stats(world.host[h].arena).failures > before;
            world_teardown();
        }
    }
}

START_TEST(every_allocation_of_streams)
{
    sweep(play_stream);
}
END_TEST

START_TEST(every_allocation_of_datagrams)
{
    sweep(play_dgram);
}
END_TEST

/* As many idle connections as a busy server has, and what each takes on each side. */
#define IDLE_CONNECTIONS 10000u
#define IDLE_BYTES_MAX   2048u

START_TEST(idle_connections)
{
    static struct sock *a[IDLE_CONNECTIONS], *b[IDLE_CONNECTIONS];
    size_t before[2], after[2];
    char byte = 0;
    world_setup();
    struct sock *l = t_listener(80);
    t_listen(l, 4096);
    for (int h = 0; h < 2; h++)
        before[h] = arena_stats(world.host[h].arena).used_bytes;
    for (unsigned i = 0; i < IDLE_CONNECTIONS; i++) {
        a[i] = t_socket(HOST_A, SOCK_STREAM);
        ck_assert_int_eq(t_connect(a[i], ADDR_B, 80), -EINPROGRESS);
        if (i % 1000 == 999 || i + 1 == IDLE_CONNECTIONS)
            run_us(100000);
        if (i % 1000 != 999 && i + 1 != IDLE_CONNECTIONS)
            continue;
        for (unsigned k = i / 1000 * 1000; k <= i; k++)
            ck_assert_ptr_nonnull(b[k] = t_accept(l));
    }
    /* They have all said something, and are silent now. */
    for (unsigned i = 0; i < IDLE_CONNECTIONS; i++) {
        ck_assert_int_eq(t_send(a[i], "x", 1, 0), 1);
        ck_assert_int_eq(t_send(b[i], "y", 1, 0), 1);
        if (i % 1000 == 999)
            run_us(100000);
    }
    run_us(1000000);
    for (unsigned i = 0; i < IDLE_CONNECTIONS; i++) {
        ck_assert_int_eq(t_recv(a[i], &byte, 1, 0), 1);
        ck_assert_int_eq(t_recv(b[i], &byte, 1, 0), 1);
    }
    run_us(1000000);
    for (int h = 0; h < 2; h++) {
        after[h] = arena_stats(world.host[h].arena).used_bytes;
        printf("an idle connection takes %zu bytes on the %s's side (pcb %zu, socket %zu)\n",
               (after[h] - before[h]) / IDLE_CONNECTIONS, h ? "server" : "client", tcp_pcb_bytes(),
               sizeof(struct sock));
        ck_assert_uint_le((after[h] - before[h]) / IDLE_CONNECTIONS, IDLE_BYTES_MAX);
    }
    for (unsigned i = 0; i < IDLE_CONNECTIONS; i++) {
        t_close(a[i]);
        t_close(b[i]);
    }
    t_close(l);
    world_teardown();
}
END_TEST

TCase *test_sock_memory(void)
{
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_allocation_of_streams);
    tcase_add_test(tc, every_allocation_of_datagrams);
    tcase_add_test(tc, idle_connections);
    return tc;
}
