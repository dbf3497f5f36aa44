/*
 * Configuration: one table of the variables, each with its parser and a phrase that says what it
 * wants. config_load() walks the environment once, so that a name that is not in the table (a
 * misspelt one) is noticed; what the variables say together is checked at the end.
 *
 * A wrong value is never guessed at or ignored: the program would run on a network that its user
 * did not mean.
 */
#include "io/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tcp/tcp.h"

#define PREFIX          "SHIM_"
#define INTERNAL_PREFIX "SHIM_INTERNAL_"

#define MTU_MIN            68u /* RFC 791 3.2 */
#define MTU_MAX            65535u
#define BUSY_POLL_MAX_US   1000000u
#define MEMORY_MIN_BYTES   (1ull << 20)
#define MEMORY_DEFAULT     (4ull << 30)
#define SHOWN_VALUE_BYTES  40u /* of a wrong value, in a message */
#define BITS_OF_V4         32u
#define FIRST_OCTET(v4)    ((v4) >> 24)
#define CLASS_E_AND_HIGHER 240u

struct variable {
    const char *name;
    bool (*parse)(struct config *c, const char *value);
    const char *wants;
};

/* ---- values ---- */

/* Decimal digits alone, at most max. */
static bool parse_number(const char *s, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;

    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        uint64_t digit = (uint64_t)(*s - '0');
        if (digit > max || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

static uint32_t prefix_mask(uint8_t prefix_len)
{
    return prefix_len == 0 ? 0 : UINT32_MAX << (BITS_OF_V4 - prefix_len);
}

/* An address that a host may have (RFC 1122 3.2.1.3): not of "this network", loopback, multicast or
 * broadcast. */
static bool parse_host(const char *s, struct ip_addr *out)
{
    struct ip_addr a;

    if (!addr_parse(s, &a) || !addr_is_v4(&a))
        return false;
    uint32_t v4 = addr_get_v4(&a);
    if (FIRST_OCTET(v4) == 0 || FIRST_OCTET(v4) >= CLASS_E_AND_HIGHER || addr_is_loopback(&a) ||
        addr_is_multicast(&a))
        return false;
    *out = a;
    return true;
}

/* Is v4 the network's own address or its broadcast address? A prefix of 31 bits has neither
 * (RFC 3021). */
static bool is_net_or_broadcast(uint32_t v4, uint8_t prefix_len)
{
    uint32_t host = v4 & ~prefix_mask(prefix_len);

    return prefix_len < 31 && (host == 0 || host == ~prefix_mask(prefix_len));
}

static bool parse_interface(struct config *c, const char *value)
{
    size_t n = strlen(value);

    /* The kernel's dev_valid_name(). */
    if (n == 0 || n >= sizeof(c->interface) || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
        return false;
    if (strpbrk(value, "/: \t\n\v\f\r") != NULL)
        return false;
    memcpy(c->interface, value, n + 1);
    return true;
}

static bool parse_address(struct config *c, const char *value)
{
    const char *slash = strchr(value, '/');
    char host[ADDR_STR_MAX];
    uint64_t len;

    if (slash == NULL || (size_t)(slash - value) >= sizeof(host))
        return false;
    memcpy(host, value, (size_t)(slash - value));
    host[slash - value] = '\0';
    if (!parse_host(host, &c->address) || !parse_number(slash + 1, BITS_OF_V4, &len) || len == 0 ||
        is_net_or_broadcast(addr_get_v4(&c->address), (uint8_t)len))
        return false;
    c->prefix_len = (uint8_t)len;
    c->own_address = true;
    return true;
}

static bool parse_gateway(struct config *c, const char *value)
{
    c->has_gateway = parse_host(value, &c->gateway);
    return c->has_gateway;
}

static bool parse_mtu(struct config *c, const char *value)
{
    uint64_t n;

    if (!parse_number(value, MTU_MAX, &n) || n < MTU_MIN)
        return false;
    c->mtu = (uint32_t)n;
    return true;
}

static bool parse_fallback(struct config *c, const char *value)
{
    c->fallback_kernel = strcmp(value, "kernel") == 0;
    return c->fallback_kernel;
}

static bool parse_log(struct config *c, const char *value)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"off", LOG_LEVEL_OFF},   {"error", LOG_LEVEL_ERROR}, {"warn", LOG_LEVEL_WARN},
        {"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG},
    };

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(value, levels[i].name) == 0) {
            c->log_level = levels[i].level;
            return true;
        }
    }
    return false;
}

static bool parse_trace(struct config *c, const char *value)
{
    size_t n = strlen(value);

    if (n == 0 || n >= sizeof(c->trace))
        return false;
    memcpy(c->trace, value, n + 1);
    return true;
}

static bool parse_busy_poll(struct config *c, const char *value)
{
    uint64_t n;

    if (!parse_number(value, BUSY_POLL_MAX_US, &n))
        return false;
    c->busy_poll_us = (uint32_t)n;
    return true;
}

static bool parse_memory(struct config *c, const char *value)
{
    static const char suffixes[] = "KMG";
    char digits[24];
    size_t n = strlen(value);
    unsigned shift = 0;
    uint64_t count;

    if (n == 0 || n >= sizeof(digits))
        return false;
    memcpy(digits, value, n + 1);
    const char *suffix = strchr(suffixes, digits[n - 1]);
    if (suffix != NULL) {
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        digits[n - 1] = '\0';
    }
    if (!parse_number(digits, UINT64_MAX >> shift, &count) || count << shift < MEMORY_MIN_BYTES)
        return false;
    c->memory_bytes = count << shift;
    return true;
}

static bool parse_congestion(struct config *c, const char *value)
{
    c->congestion = tcp_cc_by_name(value);
    return c->congestion >= 0;
}

static bool parse_ecn(struct config *c, const char *value)
{
    uint64_t n;

    if (!parse_number(value, TCP_ECN_ACCEPT, &n))
        return false;
    c->ecn = (uint8_t)n;
    return true;
}

static bool parse_offload(struct config *c, const char *value)
{
    c->offload = strcmp(value, "on") == 0;
    return c->offload || strcmp(value, "off") == 0;
}

/* It is looked at where programs are executed, also before there is a stack. */
static bool parse_hand_down(struct config *c, const char *value)
{
    (void)c;
    return strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
}

static const struct variable variables[] = {
    {"SHIM_ADDRESS", parse_address,
     "a host's IPv4 address with its prefix length, as 192.0.2.7/24"},
    {"SHIM_BUSY_POLL", parse_busy_poll, "microseconds, 0 to 1000000"},
    {"SHIM_CONGESTION", parse_congestion, "cubic, bbr or reno"},
    {"SHIM_ECN", parse_ecn,
     "0 (off), 1 (asked for and accepted) or 2 (accepted), as the kernel's tcp_ecn"},
    {"SHIM_FALLBACK", parse_fallback, "\"kernel\""},
    {"SHIM_GATEWAY", parse_gateway, "a host's IPv4 address, as 192.0.2.1"},
    {"SHIM_HAND_DOWN", parse_hand_down, "on or off"},
    {"SHIM_INTERFACE", parse_interface, "an interface's name, 1 to 15 characters"},
    {"SHIM_LOG", parse_log, "off, error, warn, info or debug"},
    {"SHIM_MEMORY", parse_memory, "a size of at least 1M, as 512M or 4G"},
    {"SHIM_MTU", parse_mtu, "bytes, 68 to 65535"},
    {"SHIM_OFFLOAD", parse_offload, "on or off"},
    {"SHIM_TRACE", parse_trace, "a file's name of at most 255 characters, or \"stderr\""},
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* ---- messages ---- */

static int refuse(char *why, size_t why_bytes, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Always -EINVAL; why is one line whatever the environment holds. */
static int refuse(char *why, size_t why_bytes, const char *fmt, ...)
{
    va_list args;

    if (why_bytes == 0)
        return -EINVAL;
    va_start(args, fmt);
    vsnprintf(why, why_bytes, fmt, args);
    va_end(args);
    for (char *p = why; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    return -EINVAL;
}

static int refuse_unknown(char *why, size_t why_bytes, const char *name, size_t name_bytes)
{
    char known[VARIABLES * 20] = "";
    size_t at = 0;

    for (size_t i = 0; i < VARIABLES; i++)
        at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i > 0 ? ", " : "",
                               variables[i].name);
    return refuse(why, why_bytes, "%.*s is unknown; there are %s",
                  (int)(name_bytes > SHOWN_VALUE_BYTES ? SHOWN_VALUE_BYTES : name_bytes), name,
                  known);
}

/* ---- the whole ---- */

static const struct variable *find(const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < VARIABLES; i++) {
        if (strlen(variables[i].name) == name_bytes &&
            memcmp(variables[i].name, name, name_bytes) == 0)
            return &variables[i];
    }
    return NULL;
}

static int check_together(const struct config *c, char *why, size_t why_bytes)
{
    char gateway[ADDR_STR_MAX], address[ADDR_STR_MAX];

    if (!c->has_gateway)
        return 0;
    addr_str(&c->gateway, gateway);
    if (!c->own_address)
        return refuse(why, why_bytes,
                      "SHIM_GATEWAY=%s needs SHIM_ADDRESS: without it the kernel's routes are used",
                      gateway);
    addr_str(&c->address, address);
    if (addr_eq(&c->gateway, &c->address))
        return refuse(why, why_bytes,
                      "SHIM_GATEWAY=%s is SHIM_ADDRESS itself; it must be another host's", gateway);
    if (!addr_in_prefix(&c->gateway, &c->address, c->prefix_len))
        return refuse(why, why_bytes,
                      "SHIM_GATEWAY=%s is not in the prefix of SHIM_ADDRESS=%s/%u; it must be",
                      gateway, address, c->prefix_len);
    if (is_net_or_broadcast(addr_get_v4(&c->gateway), c->prefix_len))
        return refuse(why, why_bytes,
                      "SHIM_GATEWAY=%s is no host's address in the prefix of SHIM_ADDRESS=%s/%u",
                      gateway, address, c->prefix_len);
    return 0;
}

int config_load(struct config *c, char *why, size_t why_bytes)
{
    bool seen[VARIABLES] = {false};

    *c = (struct config){
        .log_level = LOG_LEVEL_ERROR,
        .memory_bytes = MEMORY_DEFAULT,
        .offload = true,
        .congestion = -1,
        .ecn = TCP_ECN_ACCEPT,
    };
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        if (strncmp(*e, PREFIX, strlen(PREFIX)) != 0 ||
            strncmp(*e, INTERNAL_PREFIX, strlen(INTERNAL_PREFIX)) == 0)
            continue;
        const char *equals = strchr(*e, '=');
        size_t name_bytes = equals != NULL ? (size_t)(equals - *e) : strlen(*e);
        const struct variable *v = find(*e, name_bytes);
        if (v == NULL)
            return refuse_unknown(why, why_bytes, *e, name_bytes);
        /* Twice the same name: the first counts, as in getenv(). */
        if (equals == NULL || seen[v - variables])
            continue;
        seen[v - variables] = true;
        if (!v->parse(c, equals + 1))
            return refuse(why, why_bytes, "%s=%.*s makes no sense; it must be %s", v->name,
                          (int)SHOWN_VALUE_BYTES, equals + 1, v->wants);
    }
    return check_together(c, why, why_bytes);
}
