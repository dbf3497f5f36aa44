/* The SHIM_* variables: every good form, and the message for every bad one. */
#include "test_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/config.h"
#include "tcp/tcp.h"

/* Loads with exactly these variables, separated by single spaces. */
static int load(const char *vars, struct config *c, char *why, size_t why_bytes)
{
    static char text[1024];
    static char *env[16];
    char **saved = environ;
    size_t n = 0;

    ck_assert_uint_lt(strlen(vars), sizeof(text));
    memset(text, 0, sizeof(text));
    memcpy(text, vars, strlen(vars));
    for (char *p = strtok(text, " "); p != NULL; p = strtok(NULL, " "))
        env[n++] = p;
    env[n] = NULL;
    environ = env;
    why[0] = '\0';
    int r = config_load(c, why, why_bytes);
    environ = saved;
    return r;
}

static struct config good(const char *vars)
{
    struct config c;
    char why[256];

    memset(&c, 0x5a, sizeof(c));
    int r = load(vars, &c, why, sizeof(why));
    ck_assert_msg(r == 0, "%s: %s", vars, why);
    return c;
}

static uint32_t v4(const struct ip_addr *a)
{
    ck_assert(addr_is_v4(a));
    return addr_get_v4(a);
}

START_TEST(defaults)
{
    struct config c = good("PATH=/bin HOME=/ SHIMMER=1");

    ck_assert_str_eq(c.interface, "");
    ck_assert(!c.own_address);
    ck_assert(!c.has_gateway);
    ck_assert_uint_eq(c.mtu, 0);
    ck_assert(!c.fallback_kernel);
    ck_assert_int_eq(c.log_level, LOG_LEVEL_ERROR);
    ck_assert_str_eq(c.trace, "");
    ck_assert_uint_eq(c.busy_poll_us, 0);
    ck_assert_uint_eq(c.memory_bytes, 4ull << 30);
    ck_assert(c.offload);
    ck_assert_int_lt(c.congestion, 0);
    ck_assert_uint_eq(c.ecn, TCP_ECN_ACCEPT);
}
END_TEST

START_TEST(no_environment)
{
    char **saved = environ, why[64];
    struct config c;

    environ = NULL; /* what clearenv() leaves */
    int r = config_load(&c, why, sizeof(why));
    environ = saved;
    ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(everything)
{
    struct config c =
        good("SHIM_INTERFACE=a-name_of.15chr SHIM_ADDRESS=192.0.2.7/24 "
             "SHIM_GATEWAY=192.0.2.1 SHIM_MTU=1400 SHIM_FALLBACK=kernel SHIM_LOG=debug "
             "SHIM_TRACE=stderr SHIM_BUSY_POLL=50 SHIM_MEMORY=512M SHIM_OFFLOAD=off "
             "SHIM_CONGESTION=reno SHIM_ECN=1 SHIM_HAND_DOWN=on");

    ck_assert_str_eq(c.interface, "a-name_of.15chr");
    ck_assert(c.own_address);
    ck_assert_uint_eq(v4(&c.address), 0xc0000207);
    ck_assert_uint_eq(c.prefix_len, 24);
    ck_assert(c.has_gateway);
    ck_assert_uint_eq(v4(&c.gateway), 0xc0000201);
    ck_assert_uint_eq(c.mtu, 1400);
    ck_assert(c.fallback_kernel);
    ck_assert_int_eq(c.log_level, LOG_LEVEL_DEBUG);
    ck_assert_str_eq(c.trace, "stderr");
    ck_assert_uint_eq(c.busy_poll_us, 50);
    ck_assert_uint_eq(c.memory_bytes, 512ull << 20);
    ck_assert(!c.offload);
    ck_assert_str_eq(tcp_cc_name(c.congestion), "reno");
    ck_assert_uint_eq(c.ecn, TCP_ECN_ON);
}
END_TEST

START_TEST(values)
{
    ck_assert_uint_eq(good("SHIM_ECN=0").ecn, TCP_ECN_OFF);
    ck_assert_uint_eq(good("SHIM_ECN=2").ecn, TCP_ECN_ACCEPT);
    ck_assert_uint_eq(good("SHIM_MTU=68").mtu, 68);
    ck_assert_uint_eq(good("SHIM_MTU=65535").mtu, 65535);
    ck_assert_uint_eq(good("SHIM_MEMORY=1048576").memory_bytes, 1u << 20);
    ck_assert_uint_eq(good("SHIM_MEMORY=1024K").memory_bytes, 1u << 20);
    ck_assert_uint_eq(good("SHIM_MEMORY=1M").memory_bytes, 1u << 20);
    ck_assert_uint_eq(good("SHIM_MEMORY=17179869183G").memory_bytes, 17179869183ull << 30);
    ck_assert_uint_eq(good("SHIM_BUSY_POLL=0").busy_poll_us, 0);
    ck_assert_uint_eq(good("SHIM_BUSY_POLL=1000000").busy_poll_us, 1000000);
    ck_assert(good("SHIM_OFFLOAD=on").offload);
    ck_assert_int_eq(good("SHIM_LOG=off").log_level, LOG_LEVEL_OFF);
    ck_assert_int_eq(good("SHIM_LOG=error").log_level, LOG_LEVEL_ERROR);
    ck_assert_int_eq(good("SHIM_LOG=warn").log_level, LOG_LEVEL_WARN);
    ck_assert_int_eq(good("SHIM_LOG=info").log_level, LOG_LEVEL_INFO);
    ck_assert_uint_eq(good("SHIM_ADDRESS=10.1.2.3/1").prefix_len, 1);
    ck_assert_uint_eq(good("SHIM_ADDRESS=192.0.2.7/32").prefix_len, 32);
    /* RFC 3021: both addresses of a 31-bit prefix are hosts. */
    struct config c = good("SHIM_ADDRESS=192.0.2.6/31 SHIM_GATEWAY=192.0.2.7");
    ck_assert_uint_eq(v4(&c.address), 0xc0000206);
    /* The order of the variables does not matter, and of two the first counts. */
    ck_assert(good("SHIM_GATEWAY=192.0.2.1 SHIM_ADDRESS=192.0.2.7/24").has_gateway);
    ck_assert_uint_eq(good("SHIM_MTU=1000 SHIM_MTU=2000").mtu, 1000);
    /* The project's own. */
    good("SHIM_INTERNAL_KEEPER=3,4,5 SHIM_INTERNAL_");
}
END_TEST

/* What is refused, and what the message must hold. */
static const struct {
    const char *vars, *says;
} refused[] = {
    {"SHIM_ECN=3", "SHIM_ECN=3"},
    {"SHIM_ECN=", "SHIM_ECN"},
    {"SHIM_ECN=on", "0 (off), 1"},
    {"SHIM_INTERFACE=", "SHIM_INTERFACE="},
    {"SHIM_INTERFACE=sixteen-letters-", "SHIM_INTERFACE=sixteen-letters- "},
    {"SHIM_INTERFACE=a/b", "SHIM_INTERFACE=a/b "},
    {"SHIM_INTERFACE=a:b", "an interface's name"},
    {"SHIM_INTERFACE=.", "an interface's name"},
    {"SHIM_INTERFACE=..", "an interface's name"},
    {"SHIM_ADDRESS=", "SHIM_ADDRESS="},
    {"SHIM_HAND_DOWN=yes", "on or off"},
    {"SHIM_ADDRESS=192.0.2.7", "192.0.2.7/24"},
    {"SHIM_ADDRESS=192.0.2.7/", "prefix length"},
    {"SHIM_ADDRESS=192.0.2.7/0", "prefix length"},
    {"SHIM_ADDRESS=192.0.2.7/33", "prefix length"},
    {"SHIM_ADDRESS=192.0.2.7/24x", "prefix length"},
    {"SHIM_ADDRESS=192.0.2.7/-1", "prefix length"},
    {"SHIM_ADDRESS=/24", "prefix length"},
    {"SHIM_ADDRESS=192.0.2/24", "prefix length"},
    {"SHIM_ADDRESS=192.0.2.256/24", "prefix length"},
    {"SHIM_ADDRESS=host.example/24", "prefix length"},
    {"SHIM_ADDRESS=192.0.2.0/24", "a host's"},   /* the network */
    {"SHIM_ADDRESS=192.0.2.255/24", "a host's"}, /* its broadcast address */
    {"SHIM_ADDRESS=0.0.0.1/8", "a host's"},
    {"SHIM_ADDRESS=127.0.0.1/8", "a host's"},
    {"SHIM_ADDRESS=224.0.0.1/4", "a host's"},
    {"SHIM_ADDRESS=255.255.255.255/32", "a host's"},
    {"SHIM_ADDRESS=2001:db8::7/64", "IPv4"},
    {"SHIM_ADDRESS=192.0.2.7.192.0.2.7.192.0.2.7.192.0.2.7.192.0.2.7/24", "SHIM_ADDRESS="},
    {"SHIM_GATEWAY=192.0.2.1", "needs SHIM_ADDRESS"},
    {"SHIM_GATEWAY=192.0.2.1/24 SHIM_ADDRESS=192.0.2.7/24", "SHIM_GATEWAY=192.0.2.1/24 "},
    {"SHIM_GATEWAY=198.51.100.1 SHIM_ADDRESS=192.0.2.7/24", "not in the prefix"},
    {"SHIM_GATEWAY=192.0.2.7 SHIM_ADDRESS=192.0.2.7/24", "another host's"},
    {"SHIM_GATEWAY=192.0.2.255 SHIM_ADDRESS=192.0.2.7/24", "no host's"},
    {"SHIM_GATEWAY=192.0.2.0 SHIM_ADDRESS=192.0.2.7/24", "no host's"},
    {"SHIM_GATEWAY=127.0.0.1 SHIM_ADDRESS=192.0.2.7/24", "a host's"},
    {"SHIM_MTU=", "68 to 65535"},
    {"SHIM_MTU=67", "68 to 65535"},
    {"SHIM_MTU=65536", "68 to 65535"},
    {"SHIM_MTU=0x500", "68 to 65535"},
    {"SHIM_MTU=+1500", "68 to 65535"},
    {"SHIM_MTU=99999999999999999999999999", "68 to 65535"},
    {"SHIM_FALLBACK=yes", "\"kernel\""},
    {"SHIM_FALLBACK=", "\"kernel\""},
    {"SHIM_LOG=verbose", "off, error, warn, info or debug"},
    {"SHIM_LOG=DEBUG", "off, error"},
    {"SHIM_TRACE=", "a file's name"},
    {"SHIM_BUSY_POLL=-1", "microseconds"},
    {"SHIM_BUSY_POLL=1000001", "microseconds"},
    {"SHIM_BUSY_POLL=50us", "microseconds"},
    {"SHIM_MEMORY=", "a size"},
    {"SHIM_MEMORY=M", "a size"},
    {"SHIM_MEMORY=1048575", "at least 1M"},
    {"SHIM_MEMORY=4GB", "a size"},
    {"SHIM_MEMORY=4T", "a size"},
    {"SHIM_MEMORY=17179869184G", "a size"},
    {"SHIM_MEMORY=18446744073709551616", "a size"},
    {"SHIM_MEMORY=-1G", "a size"},
    {"SHIM_OFFLOAD=yes", "on or off"},
    {"SHIM_OFFLOAD=", "on or off"},
    {"SHIM_CONGESTION=vegas", "SHIM_CONGESTION=vegas makes no sense; it must be cubic, bbr"},
    {"SHIM_CONGESTION=", "reno"},
    {"SHIM_CONGESTION=Cubic", "reno"},
    {"SHIM_ADRESS=192.0.2.7/24", "SHIM_ADRESS is unknown; there are SHIM_ADDRESS, "},
    {"SHIM_", "SHIM_ is unknown"},
    {"SHIM_LOGS=off", "SHIM_LOGS is unknown"},
    {"SHIM_LO=off", "SHIM_LO is unknown"},
    {"SHIM_UNSET", "SHIM_UNSET is unknown"},
    {"SHIM_INTERNA=1", "SHIM_INTERNA is unknown"},
    {"SHIM_LOG=\033[31m\n", "SHIM_LOG=?[31m? "}, /* one line, and nothing for a terminal to obey */
};

START_TEST(refusal)
{
    struct config c;
    char why[256];
    int r = load(refused[_i].vars, &c, why, sizeof(why));

    ck_assert_msg(r == -EINVAL, "%s: taken", refused[_i].vars);
    ck_assert_msg(strstr(why, refused[_i].says) != NULL, "%s: \"%s\" does not say \"%s\"",
                  refused[_i].vars, why, refused[_i].says);
    ck_assert_ptr_null(strchr(why, '\n'));
    /* The message is cut to any room. */
    for (size_t n = 1; n < 40; n++) {
        char *small = malloc(n);
        ck_assert_int_eq(load(refused[_i].vars, &c, small, n), -EINVAL);
        ck_assert_uint_lt(strlen(small), n);
        free(small);
    }
}
END_TEST

START_TEST(long_values)
{
    struct config c;
    char why[256], vars[700] = "SHIM_TRACE=";

    memset(vars + strlen("SHIM_TRACE="), 'x', 255);
    c = good(vars);
    ck_assert_uint_eq(strlen(c.trace), 255);
    vars[strlen("SHIM_TRACE=") + 255] = 'x';
    ck_assert_int_eq(load(vars, &c, why, sizeof(why)), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "255 characters")); /* the value is cut, the advice is not */
    memset(vars, 'S', 600);
    memcpy(vars, "SHIM_", 5);
    ck_assert_int_eq(load(vars, &c, why, sizeof(why)), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "SHIM_TRACE"));
}
END_TEST

TCase *test_io_config(void)
{
    TCase *t = tcase_create("config");

    tcase_add_test(t, defaults);
    tcase_add_test(t, no_environment);
    tcase_add_test(t, everything);
    tcase_add_test(t, values);
    tcase_add_loop_test(t, refusal, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(t, long_values);
    return t;
}
