/* The stack and the kernel's, over the link: both transports, both ways, with and without offload.
 */
#include "test_engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/engine_int.h"

#define BULK_BYTES (4u << 20)

/* The kernel's end of a bulk transfer, in a thread: reads, or writes, the pattern. */
struct bulk {
    int fd;
    bool writes;
    pthread_t thread;
};

static void *bulk_thread(void *arg)
{
    struct bulk *b = arg;
    uint8_t *buf = malloc(BULK_BYTES);
    if (b->writes) {
        pattern(buf, 0, BULK_BYTES);
        peer_send(b->fd, buf, BULK_BYTES);
    } else {
        peer_recv(b->fd, buf, BULK_BYTES);
        ck_assert(is_pattern(buf, 0, BULK_BYTES));
    }
    free(buf);
    return NULL;
}

static void bulk_start(struct bulk *b, int fd, bool writes)
{
    *b = (struct bulk){.fd = fd, .writes = writes};
    ck_assert_int_eq(pthread_create(&b->thread, NULL, bulk_thread, b), 0);
}

static void bulk_end(struct bulk *b)
{
    ck_assert_int_eq(pthread_join(b->thread, NULL), 0);
}

static void send_bulk(const struct end *e)
{
    uint8_t *buf = malloc(BULK_BYTES);
    pattern(buf, 0, BULK_BYTES);
    end_send(e, buf, BULK_BYTES);
    free(buf);
}

static void recv_bulk(const struct end *e)
{
    uint8_t *buf = malloc(BULK_BYTES);
    end_recv(e, buf, BULK_BYTES);
    ck_assert(is_pattern(buf, 0, BULK_BYTES));
    free(buf);
}

static struct config config_of(int i)
{
    struct config c = own_config();
    c.offload = i != 0;
    return c;
}

START_TEST(tcp_client)
{
    struct config c = config_of(_i);
    struct bulk b;
    int peer;
    char end;

    start(&c);
    struct end e = end_pair(&peer);
    struct netif_stats before = nif_stats();
    bulk_start(&b, peer, false);
    send_bulk(&e);
    bulk_end(&b);
    struct netif_stats sent = nif_stats();
    bulk_start(&b, peer, true);
    recv_bulk(&e);
    bulk_end(&b);
    struct netif_stats after = nif_stats();

    /* Large frames go out if they may; the kernel sends them in any case. */
    uint64_t mean = (sent.tx_bytes - before.tx_bytes) / (sent.tx_frames - before.tx_frames);
    if (c.offload)
        ck_assert_uint_gt(mean, 2000);
    else
        ck_assert_uint_le(mean, 1514);
    ck_assert_uint_gt((after.rx_bytes - sent.rx_bytes) / (after.rx_frames - sent.rx_frames), 1514);
    ck_assert_uint_eq(after.rx_bad, 0);
    ck_assert_uint_eq(after.tx_errors, 0);

    shutdown(peer, SHUT_WR);
    ck_assert_int_eq(end_recv_some(&e, &end, 1), 0);
    end_drop(&e);
    peer_expect_end(peer);
}
END_TEST

START_TEST(tcp_server)
{
    struct config c = config_of(_i);
    struct sockaddr_in us = lab_name(OUR_V4, 7000);
    struct bulk b;

    start(&c);
    struct end listener = end_open(SOCK_STREAM);
    end_bind(&listener, 7000);
    int peer = lab_socket(PEER, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(peer, (struct sockaddr *)&us, sizeof(us)), 0);
    struct end e = end_accept(&listener);
    bulk_start(&b, peer, true);
    recv_bulk(&e);
    bulk_end(&b);
    bulk_start(&b, peer, false);
    send_bulk(&e);
    bulk_end(&b);
}
END_TEST

START_TEST(udp_both_ways)
{
    struct config c = config_of(_i);
    struct sockaddr_in us = lab_name(OUR_V4, 7000), from;
    socklen_t len = sizeof(from);
    uint8_t out[1400], in[2000];

    start(&c);
    struct end e = end_open(SOCK_DGRAM);
    end_bind(&e, 7000);
    int peer = lab_socket(PEER, SOCK_DGRAM, 7001);
    for (uint64_t i = 0; i < 20; i++) {
        pattern(out, i, sizeof(out));
        ck_assert_int_eq(sendto(peer, out, sizeof(out), 0, (struct sockaddr *)&us, sizeof(us)),
                         sizeof(out));
        ck_assert_int_eq(end_recv_some(&e, in, sizeof(in)), sizeof(out));
        ck_assert(is_pattern(in, i, sizeof(out)));
        end_send_to(&e, in, 100 + i, PEER_V4, 7001);
        ck_assert_int_eq(recvfrom(peer, in, sizeof(in), 0, (struct sockaddr *)&from, &len),
                         (ssize_t)(100 + i));
        ck_assert_uint_eq(from.sin_addr.s_addr, us.sin_addr.s_addr);
        ck_assert_uint_eq(ntohs(from.sin_port), 7000);
    }
}
END_TEST

/* A frame much larger than a slot of the ring comes by the queue beside it, in order. */
START_TEST(jumbo_frames)
{
    struct config c = own_config();
    struct sockaddr_in us = lab_name(OUR_V4, 7000);
    uint8_t data[8000] = {0}, in[9000];

    lab_mtu(PEER, "veth0", 9000);
    lab_mtu(HOST, "veth0", 9000);
    start(&c);
    struct end e = end_open(SOCK_DGRAM);
    end_bind(&e, 7000);
    int peer = lab_socket(PEER, SOCK_DGRAM, 7001);
    /* One goes ahead: those that wait for the peer's ARP may be overtaken. */
    ck_assert_int_eq(sendto(peer, data, 1, 0, (struct sockaddr *)&us, sizeof(us)), 1);
    ck_assert_int_eq(end_recv_some(&e, in, sizeof(in)), 1);
    for (size_t i = 0; i < 40; i++) {
        size_t n = i % 2 ? 8000 - i : 100 + i;
        pattern(data, i, n);
        ck_assert_int_eq(sendto(peer, data, n, 0, (struct sockaddr *)&us, sizeof(us)), (ssize_t)n);
        if (i % 4 != 3) /* several at once */
            continue;
        for (size_t k = i - 3; k <= i; k++) {
            n = k % 2 ? 8000 - k : 100 + k;
            ck_assert_int_eq(end_recv_some(&e, in, sizeof(in)), (ssize_t)n);
            ck_assert(is_pattern(in, k, n));
        }
    }
    pattern(data, 7, 8000);
    end_send_to(&e, data, 8000, PEER_V4, 7001);
    ck_assert_int_eq(recv(peer, in, sizeof(in), 0), 8000);
    ck_assert(is_pattern(in, 7, 8000));
    ck_assert_uint_eq(nif_stats().rx_dropped, 0);
}
END_TEST

/* ---- the link changes ---- */

static bool is_up(void)
{
    engine_enter();
    bool up = engine.link->nif->up;
    engine_leave();
    return up;
}

static uint32_t mtu(void)
{
    engine_enter();
    uint32_t n = engine.link->nif->mtu;
    engine_leave();
    return n;
}

static int entries(void)
{
    engine_enter();
    int n = engine.tick;
    engine_leave();
    return n;
}

/* Nobody has anything to do: so nobody does anything. */
static void expect_quiet(void)
{
    uint32_t never = 0;
    int before = entries();
    ck_assert_int_eq(engine_wait(&never, clock_now_us() + 200000), -ETIMEDOUT);
    ck_assert_int_le(entries() - before, 100);
}

START_TEST(carrier_goes_and_comes)
{
    enum lab_side side = _i ? HOST : PEER; /* the cable is pulled, or our own end set down */
    struct config c = own_config();
    struct bulk b;
    int peer;
    char one;

    start(&c);
    struct end e = end_pair(&peer);
    end_send(&e, "1", 1);
    peer_recv(peer, &one, 1);
    lab_link(side, "veth0", false);
    UNTIL(!is_up());
    end_send(&e, "2", 1); /* lost, and sent again later */
    expect_quiet();
    lab_link(side, "veth0", true);
    UNTIL(is_up());
    peer_recv(peer, &one, 1);
    ck_assert_int_eq(one, '2');
    bulk_start(&b, peer, true);
    recv_bulk(&e);
    bulk_end(&b);
}
END_TEST

START_TEST(interface_goes)
{
    struct config c = own_config();
    int peer;

    start(&c);
    struct end e = end_pair(&peer);
    lab_link_gone(HOST, "veth0");
    UNTIL(!is_up());
    expect_quiet();
    struct end u = end_open(SOCK_DGRAM);
    struct sockaddr_in name = lab_name(PEER_V4, 7);
    char x = 0;
    struct iovec iov = {&x, 1};
    struct msghdr msg = {
        .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1};
    engine_enter();
    ssize_t r = sock_sendmsg(u.so, &msg, 0, 0);
    engine_leave();
    ck_assert_int_eq(r, -ENETDOWN);
    end_drop(&e);
    end_drop(&u);
    UNTIL(!end_lives(&u));
}
END_TEST

START_TEST(mtu_of_the_link)
{
    struct config c = own_config();
    int peer;

    start(&c);
    ck_assert_uint_eq(mtu(), 1500);
    lab_mtu(HOST, "veth0", 1400);
    UNTIL(mtu() == 1400);
    lab_mtu(HOST, "veth0", 1500);
    UNTIL(mtu() == 1500);
    struct end e = end_pair(&peer);
    end_send(&e, "x", 1);
}
END_TEST

START_TEST(mtu_of_the_configuration)
{
    struct config c = own_config();
    struct bulk b;
    int peer;

    c.mtu = 700;
    c.offload = false;
    start(&c);
    ck_assert_uint_eq(mtu(), 700);
    struct end e = end_pair(&peer);
    struct netif_stats before = nif_stats();
    bulk_start(&b, peer, false);
    send_bulk(&e);
    bulk_end(&b);
    struct netif_stats after = nif_stats();
    ck_assert_uint_le((after.tx_bytes - before.tx_bytes) / (after.tx_frames - before.tx_frames),
                      714);
    ck_assert_uint_gt((after.tx_bytes - before.tx_bytes) / (after.tx_frames - before.tx_frames),
                      400);
    /* The link's counts when it is the smaller. */
    lab_mtu(HOST, "veth0", 600);
    UNTIL(mtu() == 600);
    lab_mtu(HOST, "veth0", 1500);
    UNTIL(mtu() == 700);
}
END_TEST

TCase *test_engine_link(void)
{
    TCase *tc = tcase_create("link");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_loop_test(tc, tcp_client, 0, 2);
    tcase_add_loop_test(tc, tcp_server, 0, 2);
    tcase_add_loop_test(tc, udp_both_ways, 0, 2);
    tcase_add_test(tc, jumbo_frames);
    tcase_add_loop_test(tc, carrier_goes_and_comes, 0, 2);
    tcase_add_test(tc, interface_goes);
    tcase_add_test(tc, mtu_of_the_link);
    tcase_add_test(tc, mtu_of_the_configuration);
    return tc;
}
