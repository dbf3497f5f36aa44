/* The host's limits for sockets: taken where they make sense. */
#include "test_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/host_limits.h"

static const char *const names[] = {
    "core/rmem_max",  "core/wmem_max", "core/rmem_default", "core/wmem_default",
    "core/somaxconn", "ipv4/tcp_rmem", "ipv4/tcp_wmem",     "ipv4/tcp_abort_on_overflow",
};
#define NAMES (sizeof(names) / sizeof(*names))

static char dir[] = "/tmp/libshim-limits-XXXXXX";
static struct stack st;

static const char *path(const char *name)
{
    static char p[128];
    snprintf(p, sizeof(p), "%s/%s", dir, name);
    return p;
}

static void setup(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(mkdir(path("core"), 0700), 0);
    ck_assert_int_eq(mkdir(path("ipv4"), 0700), 0);
    memset(&st, 0, sizeof(st));
    st.limits.rmem_max = st.tcp.limits.rcvbuf_max = 7;
}

static void teardown(void)
{
    for (size_t i = 0; i < NAMES; i++)
        unlink(path(names[i]));
    rmdir(path("core"));
    rmdir(path("ipv4"));
    rmdir(dir);
}

static void put(const char *name, const char *content)
{
    FILE *f = fopen(path(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs(content, f);
    fclose(f);
}

START_TEST(everything_there)
{
    put("core/rmem_max", "4194304\n");
    put("core/wmem_max", "4194305\n");
    put("core/rmem_default", "212992\n");
    put("core/wmem_default", "212993\n");
    put("core/somaxconn", "128\n");
    put("ipv4/tcp_rmem", "4096\t131072\t33554432\n");
    put("ipv4/tcp_wmem", "4096\t16384\t4194304\n");
    put("ipv4/tcp_abort_on_overflow", "1\n");
    host_limits_read(dir, &st);
    ck_assert(st.tcp.limits.abort_on_overflow);
    ck_assert_uint_eq(st.limits.rmem_max, 4194304);
    ck_assert_uint_eq(st.limits.wmem_max, 4194305);
    ck_assert_uint_eq(st.limits.rmem_default, 212992);
    ck_assert_uint_eq(st.limits.wmem_default, 212993);
    ck_assert_uint_eq(st.limits.somaxconn, 128);
    ck_assert_uint_eq(st.tcp.limits.rcvbuf_default, 131072);
    ck_assert_uint_eq(st.tcp.limits.rcvbuf_max, 33554432);
    ck_assert_uint_eq(st.tcp.limits.sndbuf_default, 16384);
    ck_assert_uint_eq(st.tcp.limits.sndbuf_max, 4194304);
}
END_TEST

START_TEST(nothing_there)
{
    host_limits_read(dir, &st);
    ck_assert_uint_eq(st.limits.rmem_max, 7);
    ck_assert_uint_eq(st.tcp.limits.rcvbuf_max, 7);
}
END_TEST

START_TEST(nonsense)
{
    static const char *const bad[] = {"",  "\n",          "x",     "-1",
                                      "0", "99999999999", "1 2 3", "4096 9999999 6000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        for (size_t k = 0; k < NAMES; k++)
            put(names[k], bad[i]);
        put("core/rmem_max", i == 7 ? "0" : bad[i]);
        host_limits_read(dir, &st);
        ck_assert_uint_eq(st.limits.rmem_max, 7);
        ck_assert_uint_eq(st.tcp.limits.rcvbuf_max, 7);
    }
}
END_TEST

TCase *test_io_host_limits(void)
{
    TCase *tc = tcase_create("host limits");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, everything_there);
    tcase_add_test(tc, nothing_there);
    tcase_add_test(tc, nonsense);
    return tc;
}
