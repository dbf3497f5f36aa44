/* Starting the engine, and what may be wrong; descriptors out of the program's sight; the arena's
 * mapping. */
#include "test_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/engine_int.h"

static int try_start(const struct config *c, char *why)
{
    unsigned before = lab_open_fds();
    why[0] = '\0';
    int r = engine_start(c, why, 256);
    if (r < 0) {
        ck_assert(!engine_running());
        ck_assert_msg(why[0] && !strchr(why, '\n'), "what is wrong is said in one line: %s", why);
        ck_assert_msg(lab_open_fds() == before, "%s: left %d descriptors open", why,
                      (int)(lab_open_fds() - before));
    }
    return r;
}

START_TEST(runs)
{
    struct config c = own_config();
    struct ip_addr a;

    ck_assert(!engine_running());
    ck_assert(!engine_heirloom(&(struct engine_heirloom){0}));
    start(&c);
    ck_assert(engine_running());
    ck_assert_int_eq(engine_start(&c, NULL, 0), 0);
    ck_assert_str_eq(engine_config()->interface, "veth0");
    ck_assert(!engine_host_mode());
    ck_assert_int_eq(engine_proc()->pid, getpid());
    a = addr_v4(0x7f000001);
    ck_assert(engine_is_kernel_destination(&a));
    a = addr_any4();
    ck_assert(engine_is_kernel_destination(&a));
    a = addr_v4(PEER_V4);
    ck_assert(!engine_is_kernel_destination(&a));
    a = addr_v4(OUR_V4); /* the kernel does not have it */
    ck_assert(!engine_is_kernel_destination(&a));
    engine_enter();
    ck_assert_uint_eq(engine.link->nif->mtu, 1500);
    ck_assert_str_eq(engine.link->nif->name, "veth0");
    ck_assert(engine.link->nif->up);
    engine_leave();
}
END_TEST

/* One of the things that are wrong at a time; then all is well. */
START_TEST(configuration_that_cannot_work)
{
    struct config good = own_config(), c;
    char why[256];

    c = good;
    strcpy(c.interface, "nonesuch");
    ck_assert_int_eq(try_start(&c, why), -ENODEV);
    ck_assert_ptr_nonnull(strstr(why, "nonesuch"));

    lab_veth("veth1", "veth1");
    c = good;
    strcpy(c.interface, "veth1");
    ck_assert_int_eq(try_start(&c, why), -ENETDOWN);

    c = good;
    c.own_address = false;
    ck_assert_int_eq(try_start(&c, why), -EADDRNOTAVAIL);

    lab_addr(HOST, "veth0", OUR_V4, 24, true);
    ck_assert_int_eq(try_start(&good, why), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(why, "192.0.2.1"));
    lab_addr(HOST, "veth0", OUR_V4, 24, false);

    c = good;
    strcpy(c.trace, "/nonexistent/trace");
    ck_assert_int_eq(try_start(&c, why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "/nonexistent/trace"));

    c = good;
    c.memory_bytes = 4 << 10;
    ck_assert_int_eq(try_start(&c, why), -ENOMEM);

    c = good;
    c.has_gateway = true;
    c.gateway = addr_v4(0xcb007101); /* not on the link */
    ck_assert_int_eq(try_start(&c, why), -ENETUNREACH);
    ck_assert_ptr_nonnull(strstr(why, "veth0"));

    c.gateway = addr_v4(PEER_V4);
    start(&c);
}
END_TEST

/* As of somebody who has not the right to open packet sockets. */
START_TEST(without_the_capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    struct config c = own_config();
    char why[256];

    ck_assert_int_eq(syscall(SYS_capget, &head, caps), 0);
    caps[0].effective &= ~(1u << CAP_NET_RAW);
    ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
    ck_assert_int_eq(try_start(&c, why), -EPERM);
    ck_assert_ptr_nonnull(strstr(why, "CAP_NET_RAW"));
    caps[0].effective |= 1u << CAP_NET_RAW;
    ck_assert_int_eq(syscall(SYS_capset, &head, caps), 0);
    start(&c);
}
END_TEST

/* With room for 0, 1, 2 ... descriptors it fails at each of its steps in turn, and cleans up; soft
 * and hard limit are one. */
START_TEST(out_of_descriptors)
{
    const struct rlimit rl = {256, 256};
    struct config c = own_config();
    char why[256];
    int filler[256], n = 0, failures = 0, r;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    while ((filler[n] = dup(null)) >= 0)
        n++;
    for (;;) {
        /* Room for /proc/self/fd while it is counted, which the engine may use too. */
        close(filler[--n]);
        r = engine_start(&c, why, sizeof(why));
        if (r == 0)
            break;
        ck_assert_msg(r == -EMFILE, "%s: %s", strerror(-r), why);
        failures++;
        unsigned open = 0;
        for (int fd = 0; fd < 256; fd++)
            open += fcntl(fd, F_GETFD) >= 0;
        ck_assert_msg(open == 256u - (unsigned)failures, "%d descriptors are lost: %s",
                      (int)open - 256 + failures, why);
    }
    ck_assert_int_ge(failures, 6);
    close(null);
    while (n > 0)
        close(filler[--n]);
    int peer;
    struct end e = end_pair(&peer);
    end_send(&e, "hello", 5);
    char got[5];
    peer_recv(peer, got, 5);
}
END_TEST

START_TEST(address_space)
{
    struct config c = own_config();
    struct arena_map map, again;
    char why[256];

    /* Somebody is where the arena belongs. */
    ck_assert_int_eq(arena_map_create(&map), 0);
    void *at = map.base;
    close(map.fd);
    munmap(map.base, map.size);
    void *squatter =
        mmap(at, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ck_assert_ptr_eq(squatter, at);
    ck_assert_int_eq(try_start(&c, why), -EEXIST);
    munmap(squatter, 4096);

    /* Less memory than the arena would like. */
    const struct rlimit small = {1 << 30, RLIM_INFINITY}, tiny = {1 << 20, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(arena_map_create(&map), 0);
    ck_assert_uint_le(map.size, 1u << 30);
    ck_assert_uint_ge(map.size, 64u << 20);
    ck_assert_int_eq(arena_map_attach(&again, map.fd), -EEXIST);
    munmap(map.base, map.size);
    ck_assert_int_eq(arena_map_attach(&again, map.fd), 0);
    ck_assert_ptr_eq(again.base, at);
    ck_assert_uint_eq(again.size, map.size);
    munmap(again.base, again.size);
    close(map.fd);
    ck_assert_int_eq(arena_map_attach(&again, -1), -EBADF);

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    ck_assert_int_eq(try_start(&c, why), -ENOMEM);
}
END_TEST

/* What is not used any more goes back to the kernel. */
START_TEST(trims)
{
    struct arena_map map;
    struct stat st;

    ck_assert_int_eq(arena_map_create(&map), 0);
    struct arena *a = arena_init(map.base, map.size, 1ull << 30);
    char *big = arena_alloc(a, 32 << 20);
    ck_assert_ptr_nonnull(big);
    memset(big, 1, 32 << 20);
    ck_assert_int_eq(fstat(map.fd, &st), 0);
    ck_assert_int_ge(st.st_blocks * 512, 32 << 20);
    arena_free(a, big, 32 << 20);
    arena_map_trim(a, 64);
    ck_assert_int_eq(fstat(map.fd, &st), 0);
    ck_assert_int_lt(st.st_blocks * 512, 16 << 20);
}
END_TEST

/* ---- hidden descriptors ---- */

static unsigned told_private, told_public;

static void on_private(int fd, bool is_private)
{
    *(is_private ? &told_private : &told_public) += 1;
}

START_TEST(hidden_descriptors)
{
    static const struct engine_hooks hooks = {.fd_private = on_private};
    struct rlimit rl, now;

    engine_set_hooks(&hooks);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
    rl.rlim_cur = 256;
    ck_assert_uint_lt(rl.rlim_cur, rl.rlim_max);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
    int low = open("/dev/null", O_RDONLY);
    int high = engine_fd_hide(low);
    ck_assert_int_ge(high, (int)rl.rlim_cur);
    ck_assert_int_eq(fcntl(low, F_GETFD), -1);
    ck_assert_int_eq(fcntl(high, F_GETFD), FD_CLOEXEC);
    ck_assert(engine_fd_is_private(high));
    ck_assert(!engine_fd_is_private(low));
    ck_assert(!engine_fd_is_private(-1));
    ck_assert(!engine_fd_is_private(INT32_MAX));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
    ck_assert_uint_eq(now.rlim_cur, rl.rlim_cur);
    ck_assert_uint_eq(now.rlim_max, rl.rlim_max);
    ck_assert_uint_eq(told_private, 1);

    engine_fd_close(high);
    engine_fd_close(-1);
    ck_assert(!engine_fd_is_private(high));
    ck_assert_int_eq(fcntl(high, F_GETFD), -1);
    ck_assert_uint_eq(told_public, 1);

    ck_assert_int_eq(engine_fd_hide(high), -EBADF);
    ck_assert_uint_eq(told_private, 1);
    engine_fd_adopt(-1, true); /* of no effect */
    engine_fd_adopt(INT32_MAX, true);
    ck_assert_uint_eq(told_private, 1);
}
END_TEST

/* Soft and hard limit are one: the last numbers below it. */
START_TEST(hidden_below_the_limit)
{
    const struct rlimit rl = {512, 512}, tiny = {40, 40};
    int low, high;

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
    for (int i = 0; i < 100; i++) {
        low = open("/dev/null", O_RDONLY);
        high = engine_fd_hide(low);
        ck_assert_int_ge(high, 512 - 128);
        ck_assert(engine_fd_is_private(high));
    }
    /* With next to no numbers at all any must do. */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tiny), 0);
    low = open("/dev/null", O_RDONLY);
    high = engine_fd_hide(low);
    ck_assert_int_gt(high, low);
    ck_assert_int_lt(high, 40);
}
END_TEST

/* With a limit of many, a process had a table of descriptors of that length, which fork() copies;
 * and numbers of more than a million were not remembered as private. */
START_TEST(hidden_low_under_a_high_limit)
{
    struct rlimit rl;
    int low = open("/dev/null", O_RDONLY);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
    rl.rlim_cur = rl.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
    int high = engine_fd_hide(low);
    ck_assert_int_gt(high, low);
    ck_assert_int_lt(high, 17000);
    ck_assert(engine_fd_is_private(high));
}
END_TEST

/* ---- the trace ---- */

START_TEST(trace_to_a_file)
{
    char path[] = "/tmp/test_engine.XXXXXX", text[4096];
    struct config c = own_config();
    int fd = mkstemp(path), peer;

    ck_assert_int_ge(fd, 0);
    strcpy(c.trace, path);
    start(&c);
    struct end e = end_pair(&peer);
    end_send(&e, "x", 1);
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    unlink(path);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_msg(strstr(text, "SYN_SENT") != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "192.0.2.2"));
}
END_TEST

START_TEST(trace_to_stderr)
{
    char text[4096];
    struct config c = own_config();
    int out[2];

    /* A full pipe holds nobody up. */
    ck_assert_int_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    int saved = dup(STDERR_FILENO);
    dup2(out[1], STDERR_FILENO);
    strcpy(c.trace, "stderr");
    start(&c);
    dup2(saved, STDERR_FILENO);
    ssize_t n = read(out[0], text, sizeof(text) - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_ptr_nonnull(strstr(text, "192.0.2.1"));
    while (write(out[1], text, sizeof(text)) > 0)
        ;
    int peer;
    struct end e = end_pair(&peer);
    end_send(&e, "x", 1);
    peer_recv(peer, text, 1);
}
END_TEST

TCase *test_engine_start(void)
{
    TCase *tc = tcase_create("start");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, lab_enter, NULL);
    tcase_add_test(tc, runs);
    tcase_add_test(tc, configuration_that_cannot_work);
    tcase_add_test(tc, without_the_capability);
    tcase_add_test(tc, out_of_descriptors);
    tcase_add_test(tc, address_space);
    tcase_add_test(tc, trims);
    tcase_add_test(tc, hidden_descriptors);
    tcase_add_test(tc, hidden_below_the_limit);
    tcase_add_test(tc, hidden_low_under_a_high_limit);
    tcase_add_test(tc, trace_to_a_file);
    tcase_add_test(tc, trace_to_stderr);
    return tc;
}
