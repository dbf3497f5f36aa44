/* The host's key: one for all who may have it, and never somebody else's. */
#include "test_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/host_key.h"

static char dir[] = "/tmp/libshim-key-XXXXXX";
static char path[64];

static void setup(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/key", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

static bool same(const struct siphash_key *a, const struct siphash_key *b)
{
    return a->k0 == b->k0 && a->k1 == b->k1;
}

static void put(const char *content, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, n), (ssize_t)n);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* Random ones are never the same twice. */
static void expect_random(void)
{
    struct siphash_key a = {0}, b = {0};
    ck_assert(!host_key_get(path, &a));
    ck_assert(!host_key_get(path, &b));
    ck_assert(!same(&a, &b));
}

START_TEST(is_made_and_found)
{
    struct siphash_key a = {0}, b = {0};
    struct stat st;

    ck_assert(host_key_get(path, &a));
    ck_assert(a.k0 != 0 && a.k1 != 0 && a.k0 != a.k1);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(st.st_size, sizeof(a));
    ck_assert(host_key_get(path, &b));
    ck_assert(same(&a, &b));
}
END_TEST

START_TEST(others_may_not_know_it)
{
    put("0123456789abcdef", 16, 0640);
    expect_random();
    put("0123456789abcdef", 16, 0602);
    expect_random();
    struct siphash_key key;
    put("0123456789abcdef", 16, 0600);
    ck_assert(host_key_get(path, &key));
    ck_assert_int_eq(memcmp(&key, "0123456789abcdef", 16), 0);
}
END_TEST

START_TEST(what_is_no_key)
{
    put("0123456789abcde", 15, 0600);
    expect_random();
    unlink(path);
    ck_assert_int_eq(symlink("/dev/zero", path), 0);
    expect_random();
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_random();
}
END_TEST

START_TEST(nowhere_to_put_it)
{
    snprintf(path, sizeof(path), "%s/none/key", dir);
    expect_random();
}
END_TEST

TCase *test_io_host_key(void)
{
    TCase *t = tcase_create("host key");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, is_made_and_found);
    tcase_add_test(t, others_may_not_know_it);
    tcase_add_test(t, what_is_no_key);
    tcase_add_test(t, nowhere_to_put_it);
    return t;
}
