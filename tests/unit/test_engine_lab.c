/* The laboratory: namespaces, interfaces, and frames by hand (test_engine.h). */
#include "test_engine.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/hostnet.h"
#include "io/rtnl.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

static int ns[2]; /* of HOST and PEER */
static const struct mac macs[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};

/* ---- namespaces ---- */

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* A user namespace, in which this user is root, and a network namespace. 0 or -errno. */
static int enter_namespaces(void)
{
    char map[32];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        /* In a chroot there are none of users; root does without. */
        if (uid != 0 || unshare(CLONE_NEWNET) < 0)
            return -errno;
        return 0;
    }
    snprintf(map, sizeof(map), "0 %u 1", uid);
    int r = write_file("/proc/self/uid_map", map);
    if (r == 0)
        r = write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "0 %u 1", gid);
    return r < 0 ? r : write_file("/proc/self/gid_map", map);
}

int lab_impossible(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(-enter_namespaces());
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                           : EAGAIN;
}

static int this_ns(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

void lab_go(enum lab_side side)
{
    ck_assert_int_eq(setns(ns[side], CLONE_NEWNET), 0);
}

static void quiet(void)
{
    /* No IPv6 chatter; where /proc/sys cannot be written, the tests bear it. */
    (void)write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    (void)write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

void lab_enter(void)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* of housekeepers */
    ck_assert_int_eq(enter_namespaces(), 0);
    ns[HOST] = this_ns();
    quiet();
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    ns[PEER] = this_ns();
    quiet();
    lab_go(HOST);
    lab_veth("veth0", "veth0");
    lab_link(HOST, "lo", true);
    lab_link(PEER, "lo", true);
    lab_link(PEER, "veth0", true);
    lab_link(HOST, "veth0", true);
    lab_addr(PEER, "veth0", PEER_V4, 24, true);
    UNTIL(hostnet_link(if_nametoindex("veth0"), &(struct hostnet_if){0}) == 0);
    for (int side = HOST; side <= PEER; side++) {
        struct hostnet_if hif;
        lab_go((enum lab_side)side);
        UNTIL(hostnet_link(if_nametoindex("veth0"), &hif) == 0 && hif.up);
    }
    lab_go(HOST);
}

/* ---- rtnetlink ---- */

static int ignore(const struct nlmsghdr *nlh, void *arg)
{
    return MNL_CB_OK;
}

static void ask(enum lab_side side, struct nlmsghdr *nlh)
{
    lab_go(side);
    int r = rtnl_ask(nlh, ignore, NULL);
    lab_go(HOST);
    ck_assert_msg(r == 0, "rtnetlink message %u: %s", nlh->nlmsg_type, strerror(-r));
}

static uint32_t index_of(enum lab_side side, const char *name)
{
    lab_go(side);
    uint32_t index = if_nametoindex(name);
    lab_go(HOST);
    ck_assert_msg(index > 0, "no interface %s", name);
    return index;
}

void lab_veth(const char *name, const char *peer_name)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES] = {0};
    struct nlmsghdr *nlh =
        rtnl_request(buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
    if (strcmp(name, "veth0") == 0)
        mnl_attr_put(nlh, IFLA_ADDRESS, 6, macs[HOST].b);
    struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
    mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(nlh, IFLA_IFNAME, peer_name);
    if (strcmp(name, "veth0") == 0)
        mnl_attr_put(nlh, IFLA_ADDRESS, 6, macs[PEER].b);
    mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)ns[PEER]);
    mnl_attr_nest_end(nlh, peer);
    mnl_attr_nest_end(nlh, data);
    mnl_attr_nest_end(nlh, info);
    ask(HOST, nlh);
}

static void change_link(enum lab_side side, const char *name, int type, unsigned flags,
                        unsigned mask, uint32_t mtu)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES] = {0};
    struct nlmsghdr *nlh = rtnl_request(buf, type, 0, sizeof(struct ifinfomsg));
    struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    ifi->ifi_index = (int)index_of(side, name);
    ifi->ifi_flags = flags;
    ifi->ifi_change = mask;
    if (mtu)
        mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
    ask(side, nlh);
}

void lab_link(enum lab_side side, const char *name, bool up)
{
    change_link(side, name, RTM_NEWLINK, up ? IFF_UP : 0, IFF_UP, 0);
}

void lab_link_gone(enum lab_side side, const char *name)
{
    change_link(side, name, RTM_DELLINK, 0, 0, 0);
}

void lab_mtu(enum lab_side side, const char *name, uint32_t mtu)
{
    change_link(side, name, RTM_NEWLINK, 0, 0, mtu);
}

void lab_addr(enum lab_side side, const char *name, uint32_t v4, uint8_t prefix_len, bool there)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES] = {0};
    struct nlmsghdr *nlh = rtnl_request(buf, there ? RTM_NEWADDR : RTM_DELADDR,
                                        there ? NLM_F_CREATE : 0, sizeof(struct ifaddrmsg));
    struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
    ifa->ifa_family = AF_INET;
    ifa->ifa_prefixlen = prefix_len;
    ifa->ifa_index = index_of(side, name);
    mnl_attr_put_u32(nlh, IFA_LOCAL, htonl(v4));
    mnl_attr_put_u32(nlh, IFA_ADDRESS, htonl(v4));
    ask(side, nlh);
}

void lab_route(enum lab_side side, uint32_t dst, uint8_t prefix_len, uint32_t gateway,
               const char *name, uint32_t metric, bool there)
{
    _Alignas(struct nlmsghdr) char buf[RTNL_REQUEST_BYTES] = {0};
    struct nlmsghdr *nlh = rtnl_request(buf, there ? RTM_NEWROUTE : RTM_DELROUTE,
                                        there ? NLM_F_CREATE : 0, sizeof(struct rtmsg));
    struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    rtm->rtm_family = AF_INET;
    rtm->rtm_dst_len = prefix_len;
    rtm->rtm_table = RT_TABLE_MAIN;
    rtm->rtm_protocol = RTPROT_STATIC;
    rtm->rtm_scope = there ? gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK : RT_SCOPE_NOWHERE;
    rtm->rtm_type = RTN_UNICAST;
    mnl_attr_put_u32(nlh, RTA_DST, htonl(dst));
    if (gateway)
        mnl_attr_put_u32(nlh, RTA_GATEWAY, htonl(gateway));
    if (name)
        mnl_attr_put_u32(nlh, RTA_OIF, index_of(side, name));
    if (metric)
        mnl_attr_put_u32(nlh, RTA_PRIORITY, metric);
    ask(side, nlh);
}

bool lab_has_tun(void)
{
    return getenv("CI") || access("/dev/net/tun", R_OK | W_OK) == 0;
}

int lab_tun(const char *name)
{
    struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    struct hostnet_if hif;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ck_assert_msg(fd >= 0, "/dev/net/tun: %s", strerror(errno));
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
    lab_link(HOST, name, true);
    UNTIL(hostnet_link(if_nametoindex(name), &hif) == 0 && hif.up);
    return fd;
}

/* ---- sockets and processes ---- */

struct sockaddr_in lab_name(uint32_t v4, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(v4), .sin_port = htons(port)};
}

static void set_options(int fd, int type)
{
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int one = 1;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    if (type == SOCK_STREAM)
        ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
}

int lab_socket(enum lab_side side, int type, uint16_t port)
{
    struct sockaddr_in name = lab_name(INADDR_ANY, port);
    lab_go(side);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    lab_go(HOST);
    ck_assert_int_ge(fd, 0);
    set_options(fd, type);
    if (port) {
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
        if (type == SOCK_STREAM)
            ck_assert_int_eq(listen(fd, 64), 0);
    }
    return fd;
}

int peer_accept(int fd)
{
    int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_msg(c >= 0, "accept: %s", strerror(errno));
    set_options(c, SOCK_STREAM);
    return c;
}

void peer_send(int fd, const void *data, size_t len)
{
    ck_assert_int_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static ssize_t peer_recv_some(int fd, void *data, size_t len)
{
    ssize_t n;
    do
        n = recv(fd, data, len, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

void peer_expect_end(int fd)
{
    char more;
    ssize_t n = peer_recv_some(fd, &more, 1);
    ck_assert_msg(n == 0, "recv: %s", n < 0 ? strerror(errno) : "more data");
}

void peer_recv(int fd, void *data, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = peer_recv_some(fd, (char *)data + got, len - got);
        ck_assert_msg(n > 0, "recv: %s", n < 0 ? strerror(errno) : "end of stream");
        got += (size_t)n;
    }
}

unsigned lab_open_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* gcc's, where coverage is counted: _exit() does not write the counters. */
extern void __gcov_dump(void) __attribute__((weak));

_Noreturn void lab_exit(int status)
{
    if (__gcov_dump)
        __gcov_dump();
    _exit(status);
}

int lab_reap(pid_t pid)
{
    int status;
    pid_t r;
    do
        r = waitpid(pid, &status, 0);
    while (r < 0 && errno == EINTR);
    ck_assert_int_eq(r, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- frames ---- */

int raw_open(bool vnet)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int one = 1, room = 8 << 20;
    ll.sll_ifindex = (int)index_of(PEER, "veth0");
    lab_go(PEER);
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    lab_go(HOST);
    ck_assert_int_ge(fd, 0);
    if (vnet)
        ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
    (void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
    return fd;
}

void raw_send(int fd, const void *frame, size_t len)
{
    ck_assert_int_eq(send(fd, frame, len, 0), (ssize_t)len);
}

size_t raw_take(int fd, uint16_t ethertype, uint8_t proto, void *frame, size_t room)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct eth_hdr eth;
        ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "no frame of type %#x came", ethertype);
        ssize_t n = recv(fd, frame, room, MSG_DONTWAIT);
        if (n < 0 || eth_parse(frame, (size_t)n, &eth) < 0 || eth.type != ethertype)
            continue;
        if (ethertype == ETHTYPE_IPV4 && ((uint8_t *)frame)[ETH_HDR_BYTES + 9] != proto)
            continue;
        return (size_t)n;
    }
}

size_t raw_udp(uint8_t *frame, uint16_t sport, uint16_t dport, const void *data, size_t len)
{
    struct eth_hdr eth = {.dst = macs[HOST], .src = macs[PEER], .type = ETHTYPE_IPV4};
    struct ipv4_hdr ip = {.src = PEER_V4,
                          .dst = OUR_V4,
                          .total_bytes = (uint16_t)(IPV4_HDR_MIN + UDP_HDR_BYTES + len),
                          .ttl = 64,
                          .proto = IPPROTO_NUM_UDP,
                          .hdr_bytes = IPV4_HDR_MIN};
    struct udp_hdr udp = {sport, dport, (uint16_t)(UDP_HDR_BYTES + len), 0};
    size_t at = eth_emit(&eth, frame);
    at += ipv4_emit(&ip, frame + at);
    at += udp_emit(&udp, frame + at);
    memcpy(frame + at, data, len);
    return at + len;
}
