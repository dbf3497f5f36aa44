/* The link, against frames that the test sends and takes itself. */
#include "test_engine.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine_int.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"
#include "wire/udp.h"

#define RING_SLOTS 1024u

static const struct mac host_mac = {{2, 0, 0, 0, 0, 1}}, peer_mac = {{2, 0, 0, 0, 0, 2}};

static struct end udp_socket(uint16_t port)
{
    struct end e = end_open(SOCK_DGRAM);
    end_bind(&e, port);
    return e;
}

/* A datagram comes to e after whatever was sent before it; so all of that has been handled. */
static void ping(const struct end *e, int raw, uint16_t port)
{
    uint8_t frame[100], got[16];
    static uint8_t count;
    count++;
    raw_send(raw, frame, raw_udp(frame, 9, port, &count, 1));
    while (end_recv_some(e, got, sizeof(got)) != 1 || got[0] != count)
        ;
}

/* ---- ARP ---- */

static size_t arp_frame(uint8_t *frame, uint16_t op, uint32_t tpa)
{
    struct eth_hdr eth = {
        .dst = {{255, 255, 255, 255, 255, 255}}, .src = peer_mac, .type = ETHTYPE_ARP};
    struct arp a = {.op = op, .sha = peer_mac, .spa = PEER_V4, .tpa = tpa};
    size_t at = eth_emit(&eth, frame);
    return at + arp_emit(&a, frame + at);
}

static struct arp take_arp(int raw)
{
    uint8_t frame[2000];
    struct arp a;
    size_t n = raw_take(raw, ETHTYPE_ARP, 0, frame, sizeof(frame));
    ck_assert_int_eq(arp_parse(frame + ETH_HDR_BYTES, n - ETH_HDR_BYTES, &a), 0);
    return a;
}

START_TEST(arp)
{
    struct config c = own_config();
    uint8_t frame[100];
    struct arp a;
    int raw = raw_open(false);

    lab_addr(PEER, "veth0", PEER_V4, 24, false); /* the kernel there is silent */
    start(&c);
    a = take_arp(raw); /* the address is announced (RFC 5227) */
    ck_assert_uint_eq(a.spa, OUR_V4);
    ck_assert_uint_eq(a.tpa, OUR_V4);
    ck_assert(mac_eq(&a.sha, &host_mac));

    raw_send(raw, frame, arp_frame(frame, ARP_REQUEST, OUR_V4));
    do
        a = take_arp(raw);
    while (a.op != ARP_REPLY);
    ck_assert_uint_eq(a.spa, OUR_V4);
    ck_assert_uint_eq(a.tpa, PEER_V4);
    ck_assert(mac_eq(&a.sha, &host_mac));
    ck_assert(mac_eq(&a.tha, &peer_mac));

    /* It asks in its turn for somebody whom it does not know. */
    struct end e = udp_socket(7000);
    end_send_to(&e, "x", 1, 0xc0000263, 7);
    do
        a = take_arp(raw);
    while (a.op != ARP_REQUEST || a.spa == a.tpa);
    ck_assert_uint_eq(a.tpa, 0xc0000263);
}
END_TEST

/* ---- what is not for us ---- */

START_TEST(frames_for_others)
{
    struct config c = own_config();
    uint8_t frame[200], got[16];
    int raw = raw_open(false);

    start(&c);
    struct end e = udp_socket(7000);
    ping(&e, raw, 7000);
    struct netif_stats before = nif_stats();
    for (int i = 0; i < 4; i++) {
        size_t n = raw_udp(frame, 9, 7000, "not ours", 8);
        switch (i) {
        case 0: /* to another host */
            frame[5] = 9;
            break;
        case 1: /* IPv6 */
            frame[12] = 0x86;
            frame[13] = 0xdd;
            break;
        case 2: /* of a VLAN, which would be an interface of its own */
            memmove(frame + 16, frame + 12, n - 12);
            memcpy(frame + 12, "\x81\x00\x00\x05", 4);
            n += 4;
            break;
        case 3: /* cut off */
            n = 20;
            break;
        }
        raw_send(raw, frame, n);
    }
    ping(&e, raw, 7000);
    struct netif_stats after = nif_stats();
    ck_assert_uint_eq(after.rx_not_for_us - before.rx_not_for_us, 1);
    ck_assert_uint_eq(after.rx_frames - before.rx_frames, 2);
    ck_assert_int_eq(end_try_recv(&e, got, sizeof(got)), -EAGAIN);
}
END_TEST

/* ---- checksums and super-frames ---- */

/* Frames of PEER come with a description of what is left to do (struct virtio_net_hdr). */
static size_t take_described(int raw, uint8_t proto, struct virtio_net_hdr *vnet, uint8_t *frame,
                             size_t room)
{
    for (;;) {
        struct pollfd p = {.fd = raw, .events = POLLIN};
        struct iovec iov[2] = {{vnet, sizeof(*vnet)}, {frame, room}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
        ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
        ssize_t n = recvmsg(raw, &msg, MSG_DONTWAIT);
        if (n < (ssize_t)(sizeof(*vnet) + ETH_HDR_BYTES + IPV4_HDR_MIN) || frame[12] != 8 ||
            frame[13] != 0 || frame[ETH_HDR_BYTES + 9] != proto)
            continue;
        return (size_t)n - sizeof(*vnet);
    }
}

/* The sum over a transport segment of PEER's frame and its pseudo-header: 0 when right. */
static uint16_t sum_of(const uint8_t *frame, uint8_t proto)
{
    struct ipv4_hdr ip;
    struct csum sum = {0};
    ck_assert_int_eq(ipv4_parse(frame + ETH_HDR_BYTES, 65535, &ip), 0);
    uint32_t len = (uint32_t)ip.total_bytes - ip.hdr_bytes;
    struct ip_addr src = addr_v4(ip.src), dst = addr_v4(ip.dst);
    csum_add_pseudo(&sum, &src, &dst, proto, len);
    csum_add(&sum, frame + ETH_HDR_BYTES + ip.hdr_bytes, len);
    return csum_finish(&sum);
}

START_TEST(checksums_of_what_we_send)
{
    struct config c = own_config();
    struct virtio_net_hdr vnet;
    uint8_t frame[2000];
    int raw = raw_open(true);

    c.offload = _i != 0;
    start(&c);
    struct end e = udp_socket(7000);
    lab_socket(PEER, SOCK_DGRAM, 7001);
    end_send_to(&e, "hello", 5, PEER_V4, 7001);
    take_described(raw, IPPROTO_NUM_UDP, &vnet, frame, sizeof(frame));
    bool unfinished = vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
    ck_assert(unfinished == c.offload);
    if (unfinished) { /* the device begins with what stands in the field */
        ck_assert_uint_eq(vnet.csum_start, ETH_HDR_BYTES + IPV4_HDR_MIN);
        ck_assert_uint_eq(vnet.csum_offset, 6);
        uint16_t sum = csum(frame + vnet.csum_start, UDP_HDR_BYTES + 5);
        put_be16(frame + vnet.csum_start + vnet.csum_offset, sum);
    }
    ck_assert_uint_eq(sum_of(frame, IPPROTO_NUM_UDP), 0);
}
END_TEST

START_TEST(checksums_of_what_comes)
{
    struct config c = own_config();
    struct virtio_net_hdr vnet = {0};
    uint8_t buf[200], got[16], *frame = buf + sizeof(vnet);
    int raw = raw_open(true);

    start(&c);
    struct end e = udp_socket(7000);
    for (int i = 0; i < 3; i++) {
        size_t n = raw_udp(frame, 9, 7000, "hello", 5);
        uint8_t *field = frame + ETH_HDR_BYTES + IPV4_HDR_MIN + 6;
        vnet = (struct virtio_net_hdr){0};
        put_be16(field, 0x1234); /* wrong */
        if (i == 1) {            /* finished: right */
            put_be16(field, 0);
            put_be16(field, sum_of(frame, IPPROTO_NUM_UDP));
        }
        if (i == 2) { /* left to the device */
            vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
            vnet.csum_start = ETH_HDR_BYTES + IPV4_HDR_MIN;
            vnet.csum_offset = 6;
        }
        memcpy(buf, &vnet, sizeof(vnet));
        raw_send(raw, buf, sizeof(vnet) + n);
        if (i > 0)
            ck_assert_int_eq(end_recv_some(&e, got, sizeof(got)), 5);
    }
    engine_enter();
    ck_assert_uint_eq(engine.st->net.stats.udp_in_bad, 1);
    engine_leave();
    ck_assert_int_eq(end_try_recv(&e, got, sizeof(got)), -EAGAIN);
}
END_TEST

/* A TCP stream leaves as super-frames, each with its segment size. */
START_TEST(super_frames)
{
    static uint8_t frame[70000];
    struct config c = own_config();
    struct virtio_net_hdr vnet;
    uint64_t largest = 0, bytes = 0;
    static uint8_t data[300000];
    int peer, raw = raw_open(true);

    start(&c);
    struct end e = end_pair(&peer);
    int room = 1 << 20;
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    end_send(&e, data, sizeof(data));
    while (bytes < sizeof(data)) {
        size_t n = take_described(raw, IPPROTO_NUM_TCP, &vnet, frame, sizeof(frame));
        size_t head =
            ETH_HDR_BYTES + IPV4_HDR_MIN + (frame[ETH_HDR_BYTES + IPV4_HDR_MIN + 12] >> 4) * 4u;
        size_t payload = get_be16(frame + ETH_HDR_BYTES + 2) + ETH_HDR_BYTES - head;
        if (n > 1514) {
            ck_assert_uint_eq(vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
            ck_assert_uint_le(vnet.gso_size + head, 1514);
            ck_assert_uint_gt(vnet.gso_size, 1000);
            ck_assert_uint_ge(vnet.hdr_len, head);
        }
        largest = n > largest ? n : largest;
        bytes += payload;
    }
    ck_assert_uint_gt(largest, 1514);
}
END_TEST

/* ---- more than there is room for ---- */

static uint64_t nobodys(void)
{
    struct stack *st = engine_enter();
    uint64_t n = st->net.stats.udp_in_no_port;
    engine_leave();
    return n;
}

/* The ring has room for 1024 frames; what comes while nobody takes any is lost, and counted. */
START_TEST(ring_overflow)
{
    const uint64_t sent = 3 * RING_SLOTS;
    struct config c = own_config();
    uint8_t frame[100];
    int raw = raw_open(false);

    start(&c);
    struct end e = udp_socket(7000);
    size_t n = raw_udp(frame, 9, 9999, "x", 1); /* nobody's port */
    engine_enter();                             /* whoever would take frames waits */
    for (uint64_t i = 0; i < sent; i++)
        raw_send(raw, frame, n);
    engine_leave();
    UNTIL((engine_run(), nobodys() + nif_stats().rx_dropped >= sent));
    ck_assert_uint_le(nobodys() + nif_stats().rx_dropped, sent + 20); /* ARP may be among them */
    ck_assert_uint_ge(nobodys(), RING_SLOTS);
    ck_assert_uint_gt(nif_stats().rx_dropped, 0);
    ping(&e, raw, 7000); /* all is well again */
}
END_TEST

/* Large frames for which there is no room in the queue are lost, and counted; those that fit into
 * the ring's slots are not. */
START_TEST(no_room_for_large_frames)
{
    static uint8_t frame[9000], data[8000];
    struct config c = own_config();
    struct engine_heirloom h;
    int tiny = 0, raw;
    uint8_t got[9000];

    lab_mtu(PEER, "veth0", 9000);
    lab_mtu(HOST, "veth0", 9000);
    raw = raw_open(false);
    start(&c);
    struct end e = udp_socket(7000);
    ck_assert(engine_heirloom(&h));
    ck_assert_int_eq(setsockopt(h.rx, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
    engine_enter(); /* whoever would take frames waits */
    for (int i = 0; i < 8; i++) {
        raw_send(raw, frame, raw_udp(frame, 9, 7000, data, i % 2 ? 100 : sizeof(data)));
    }
    engine_leave();
    for (int i = 0; i < 4;) {
        ssize_t n = end_recv_some(&e, got, sizeof(got));
        ck_assert(n == 100 || n == (ssize_t)sizeof(data));
        i += n == 100;
    }
    /* One is queued however large it is. */
    ck_assert_uint_eq(nif_stats().rx_dropped, 3);
}
END_TEST

/* ---- bare IP ---- */

#define TUN_OUR_V4  0xcb007101u /* 203.0.113.1 */
#define TUN_PEER_V4 0xcb007102u

START_TEST(bare_ip)
{
    struct config c = own_config();
    uint8_t packet[2000], data[1000];
    struct ipv4_hdr ip;
    struct udp_hdr udp;

    strcpy(c.interface, "tun0");
    c.address = addr_v4(TUN_OUR_V4);
    c.offload = _i != 0;
    int tun = lab_tun("tun0");
    start(&c);
    struct end e = udp_socket(7000);
    for (int i = 0; i < 20; i++) {
        pattern(data, (uint64_t)i, sizeof(data));
        end_send_to(&e, data, sizeof(data), TUN_PEER_V4, 7001);
        do {
            struct pollfd p = {.fd = tun, .events = POLLIN};
            ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
            ssize_t n = read(tun, packet, sizeof(packet));
            ck_assert_int_gt(n, 0);
            if (packet[0] >> 4 == 4) /* the kernel may say something over IPv6 */
                ck_assert_int_eq(ipv4_parse(packet, (size_t)n, &ip), 0);
        } while (packet[0] >> 4 != 4 || ip.src != TUN_OUR_V4);
        ck_assert_uint_eq(ip.dst, TUN_PEER_V4);
        ck_assert_int_eq(udp_parse(packet + ip.hdr_bytes, sizeof(data) + UDP_HDR_BYTES, &udp), 0);
        ck_assert_uint_eq(udp.dst_port, 7001);
        ck_assert(is_pattern(packet + ip.hdr_bytes + UDP_HDR_BYTES, (uint64_t)i, sizeof(data)));

        /* Back, at other ports and addresses; without a checksum. */
        ip.src = TUN_PEER_V4;
        ip.dst = TUN_OUR_V4;
        udp = (struct udp_hdr){7001, 7000, udp.len_bytes, 0};
        ipv4_emit(&ip, packet);
        udp_emit(&udp, packet + ip.hdr_bytes);
        ck_assert_int_eq(write(tun, packet, ip.total_bytes), ip.total_bytes);
        memset(data, 0, sizeof(data));
        ck_assert_int_eq(end_recv_some(&e, data, sizeof(data)), sizeof(data));
        ck_assert(is_pattern(data, (uint64_t)i, sizeof(data)));
    }
    close(tun); /* and the interface is gone */
    UNTIL(!(engine_enter(), engine_leave(), engine.link->nif->up));
}
END_TEST

TCase *test_engine_frames(void)
{
    TCase *tc = tcase_create("frames");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, arp);
    tcase_add_test(tc, frames_for_others);
    tcase_add_loop_test(tc, checksums_of_what_we_send, 0, 2);
    tcase_add_test(tc, checksums_of_what_comes);
    tcase_add_test(tc, super_frames);
    tcase_add_test(tc, ring_overflow);
    tcase_add_test(tc, no_room_for_large_frames);
    if (lab_has_tun())
        tcase_add_loop_test(tc, bare_ip, 0, 2);
    return tc;
}
