/*
 * TCP_INFO of a client after the same traffic on the kernel and on the stack: what must be equal is
 * printed; of what depends on time or on the machine, only whether it is sound.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "call_cases.h"

#ifndef TCP_INFO
#define TCP_INFO 11
#endif

static struct tcp_info info_of(int s)
{
    struct tcp_info ti;
    socklen_t len = sizeof(ti);
    memset(&ti, 0, sizeof(ti));
    if (getsockopt(s, IPPROTO_TCP, TCP_INFO, &ti, &len) < 0)
        printf("  TCP_INFO: %s\n", err_name(errno));
    return ti;
}

/* Until all is acknowledged, at most two seconds. */
static void settle(int s)
{
    struct tcp_info ti = info_of(s);
    for (int ms = 0; ms < 2000 && (ti.tcpi_unacked || ti.tcpi_notsent_bytes); ms++) {
        usleep(1000);
        ti = info_of(s);
    }
}

static void between(const char *what, uint64_t v, uint64_t least, uint64_t most)
{
    if (v >= least && v <= most)
        printf("  %s is sound\n", what);
    else
        printf("  %s is %llu\n", what, (unsigned long long)v);
}

#define FIELD(f) printf("  %s %llu\n", #f, (unsigned long long)ti.tcpi_##f)

static void show(const char *when, int s)
{
    struct tcp_info ti = info_of(s);
    printf(" %s:\n", when);
    FIELD(state);
    FIELD(ca_state);
    FIELD(retransmits);
    FIELD(probes);
    FIELD(backoff);
    FIELD(options);
    FIELD(snd_wscale);
    FIELD(rcv_wscale);
    FIELD(fastopen_client_fail);
    FIELD(snd_mss);
    FIELD(unacked);
    FIELD(sacked);
    FIELD(lost);
    FIELD(retrans);
    FIELD(fackets);
    FIELD(pmtu);
    FIELD(snd_ssthresh);
    FIELD(advmss);
    FIELD(reordering);
    FIELD(total_retrans);
    FIELD(max_pacing_rate);
    FIELD(bytes_acked);
    FIELD(bytes_received);
    FIELD(notsent_bytes);
    FIELD(delivered_ce);
    FIELD(bytes_sent);
    FIELD(bytes_retrans);
    FIELD(dsack_dups);
    FIELD(reord_seen);
    FIELD(rcv_ooopack);
    FIELD(rwnd_limited);
    FIELD(sndbuf_limited);
    between("rto", ti.tcpi_rto, 200000, 2000000);
    between("ato", ti.tcpi_ato, 0, 200000);
    between("rtt", ti.tcpi_rtt, 1, 1000000);
    between("rttvar", ti.tcpi_rttvar, 0, 1000000);
    between("min_rtt", ti.tcpi_min_rtt, 1, 1000000);
    between("snd_cwnd", ti.tcpi_snd_cwnd, 10, 10000);
    between("rcv_mss", ti.tcpi_rcv_mss, 88, 1460);
    between("rcv_ssthresh", ti.tcpi_rcv_ssthresh, 10000, 10000000);
    between("rcv_space", ti.tcpi_rcv_space, 10000, 10000000);
    between("snd_wnd", ti.tcpi_snd_wnd, 20000, 10000000);
    between("busy_time", ti.tcpi_busy_time, 0, 5000000);
    between("last_data_sent", ti.tcpi_last_data_sent, 0, 2000);
    between("last_ack_recv", ti.tcpi_last_ack_recv, 0, 2000);
    between("delivered less data_segs_out", 10 + ti.tcpi_delivered - ti.tcpi_data_segs_out, 10, 11);
    between("segs_out", ti.tcpi_segs_out, ti.tcpi_data_segs_out,
            ti.tcpi_data_segs_out + ti.tcpi_data_segs_in + 3);
    between("segs_in", ti.tcpi_segs_in, ti.tcpi_data_segs_in + 1,
            ti.tcpi_data_segs_in + ti.tcpi_data_segs_out + 3);
}

static void show_small(const char *when, int s)
{
    struct tcp_info ti = info_of(s);
    printf(" %s:\n", when);
    FIELD(delivered);
    FIELD(data_segs_in);
    FIELD(data_segs_out);
}

void call_info_traffic(void)
{
    static char b[100000];
    int s = peer(7);
    settle(s);
    show("opened", s);
    show_small("opened", s);
    R(send(s, b, 10, 0));
    R(recv(s, b, 10, MSG_WAITALL));
    settle(s);
    show("10 bytes there and back", s);
    show_small("10 bytes there and back", s);
    for (int i = 0; i < 20; i++) {
        send(s, b, 100, 0);
        recv(s, b, 100, MSG_WAITALL);
    }
    settle(s);
    show_small("20 times 100 bytes", s);
    for (int i = 0; i < 5; i++) {
        send(s, b, 50000, 0);
        recv(s, b, 50000, MSG_WAITALL);
    }
    settle(s);
    show("5 times 50000 bytes", s);
    R(set_int(s, SOL_SOCKET, SO_MAX_PACING_RATE, 1000000));
    R((int)info_of(s).tcpi_max_pacing_rate);
    R(info_of(s).tcpi_pacing_rate <= 1000000);
    R(shutdown(s, SHUT_WR));
    R(recv(s, b, 1, 0));
    usleep(50000);
    show("after the end", s);
    close(s);
}

/* The other side of connect(). */
void call_info_server(void)
{
    static char b[20000];
    int control = puppet(), l = tcp();
    set_int(l, SOL_SOCKET, SO_REUSEADDR, 1);
    R(bind_to(l, own_ip, 4340));
    R(listen(l, 5));
    puppet_say(control, "k %s 4340 1\n", own_ip);
    int s = accept(l, NULL, NULL);
    show("accepted", s);
    show_small("accepted", s);
    puppet_say(control, "p 12345\n");
    R(recv(s, b, 5, MSG_WAITALL));
    puppet_say(control, "e 20000\n");
    R(send(s, b, sizeof(b), 0));
    settle(s);
    show("5 bytes in, 20000 out", s);
    puppet_say(control, "z\n");
    R(recv(s, b, 1, 0));
    show("the other side closed", s);
    close(s);
    close(l);
    close(control);
}

/* A peer that does not read: what waits. */
void call_info_waiting(void)
{
    static char b[4000000];
    int s = peer(11), n = 0;
    R(set_int(s, SOL_SOCKET, SO_SNDBUF, 200000));
    for (ssize_t r; (r = send(s, b, sizeof(b), MSG_DONTWAIT)) > 0;)
        usleep(10000);
    usleep(300000);
    struct tcp_info ti = info_of(s);
    R(ti.tcpi_state);
    R(ti.tcpi_unacked);
    R(ti.tcpi_ca_state);
    R(ti.tcpi_notsent_bytes > 50000);
    R(ti.tcpi_snd_wnd < 1460);
    R(ti.tcpi_rwnd_limited > 100000);
    R(ti.tcpi_busy_time >= ti.tcpi_rwnd_limited);
    R(ti.tcpi_bytes_sent - ti.tcpi_bytes_acked < 3000);
    R(ioctl(s, 0x5411, &n));
    R(n - (int)ti.tcpi_notsent_bytes < 3000);
    close(s);
}

/* A rate that the user set: 100,000 bytes at 500,000 a second. */
void call_info_pacing(void)
{
    static char b[100000];
    struct timespec a, z;
    int s = peer(12);
    R(set_int(s, SOL_SOCKET, SO_MAX_PACING_RATE, 500000));
    clock_gettime(CLOCK_MONOTONIC, &a);
    R(send(s, b, sizeof(b), 0));
    R(shutdown(s, SHUT_WR));
    R(recv(s, b, 100, 0));
    clock_gettime(CLOCK_MONOTONIC, &z);
    long ms = (z.tv_sec - a.tv_sec) * 1000 + (z.tv_nsec - a.tv_nsec) / 1000000;
    between("the time in milliseconds", (uint64_t)ms, 100, 3000);
    close(s);
}
