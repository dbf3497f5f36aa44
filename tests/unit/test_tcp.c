/* Unit tests of the parts of TCP that stand for themselves; the whole is tested by tests/script. */
#include "test_tcp.h"

#include <stdlib.h>
#include <sys/mman.h>

#define ARENA_BYTES (16u << 20)

struct tcp_world w;

static int no_link(void *ctx, struct netif *nif, const struct frame *f)
{
    return 0;
}
static void no_ready(struct net *net, void *owner, uint32_t mask) {}

static const struct net_upcalls upcalls = {.sock_ready = no_ready};
static const struct net_env env = {.up = &upcalls, .output = no_link};

void world_open(void)
{
    struct netif desc = {.index = 1, .name = "test", .type = NETIF_IP, .mtu = 1500, .up = true};
    struct ip_addr addr = addr_v4(0xc0000201);
    void *mem = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ck_assert_ptr_ne(mem, MAP_FAILED);
    memset(&w, 0, sizeof(w));
    w.arena = arena_init(mem, ARENA_BYTES, 0);
    ck_assert_int_eq(net_init(&w.net, w.arena, 1), 0);
    w.net.env = &env;
    w.net.now_us = 1000000000;
    ck_assert_int_eq(tcp_init(&w.tcp, &w.net), 0);
    w.nif = netif_add(&w.net, &desc);
    ck_assert_int_eq(netif_add_addr(&w.net, w.nif, &addr, 24, false, false), 0);
    w.pcb = tcp_open(&w.tcp, &w);
    w.pcb->local = (struct endpoint){.addr = addr, .port = 80};
    w.pcb->remote = (struct endpoint){.addr = addr_v4(0xc0000202), .port = 40000};
    ck_assert_int_eq(path_lookup(&w.net, &w.pcb->remote.addr, &addr, NULL, &w.pcb->path), 0);
    tcp_mss_init(w.pcb);
    tcp_rtt_init(w.pcb);
}

void world_close(void)
{
    tcp_close(&w.tcp, w.pcb);
    ck_assert_uint_eq(w.tcp.pcbs.live, 0);
    munmap((void *)w.arena, ARENA_BYTES);
}

int main(void)
{
    Suite *s = suite_create("tcp");
    SRunner *r;
    int failed;

    suite_add_tcase(s, test_tcp_cc());
    suite_add_tcase(s, test_tcp_cc_cubic());
    suite_add_tcase(s, test_tcp_cc_hystart());
    suite_add_tcase(s, test_tcp_cookie());
    suite_add_tcase(s, test_tcp_iss());
    suite_add_tcase(s, test_tcp_pcb());
    suite_add_tcase(s, test_tcp_rate());
    suite_add_tcase(s, test_tcp_rtt());
    suite_add_tcase(s, test_tcp_sent());
    suite_add_tcase(s, test_tcp_window());
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
