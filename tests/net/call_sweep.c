/*
 * Every option of every level on sockets that are in use (option_cases does it on new ones), got
 * into room of every length, and set from values of every length: one line an option and way, with
 * the errno, or the length and the bytes. Options that answer "no such option" both ways are passed
 * over.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call_cases.h"

enum state { TCP_NEW, TCP_LISTENS, TCP_OPEN, UDP_NEW, UDP_OPEN };
static const char *const state_name[] = {"new TCP", "listening TCP", "connected TCP", "new UDP",
                                         "connected UDP"};

struct level {
    int level, names;
    const char *name;
};
static const struct level levels[] = {
    {SOL_SOCKET, 90, "SOCKET"},
    {SOL_IP, 56, "IP"},
    {IPPROTO_TCP, 50, "TCP"},
    {IPPROTO_UDP, 110, "UDP"},
};

/* What each answers differently for a reason that is not ours, or that man pages tell. why: V the
 * value, L the value and its length, A the whole option. */
struct known {
    int level, name;
    char how;
    const char *why;
};
static const struct known known[] = {
    {SOL_SOCKET, 7, 'V', "SO_SNDBUF is autotuned"},
    {SOL_SOCKET, 8, 'V', "SO_RCVBUF is autotuned"},
    {SOL_SOCKET, 20, 'V', "time is not rounded to the kernel's ticks"},
    {SOL_SOCKET, 21, 'V', "time is not rounded to the kernel's ticks"},
    {SOL_SOCKET, 66, 'V', "time is not rounded to the kernel's ticks"},
    {SOL_SOCKET, 67, 'V', "time is not rounded to the kernel's ticks"},
    {SOL_SOCKET, 49, 'V', "SO_INCOMING_CPU"},
    {SOL_SOCKET, 55, 'V', "SO_MEMINFO: the kernel's own accounts"},
    {SOL_SOCKET, 57, 'V', "SO_COOKIE"},
    {SOL_SOCKET, 56, 'V', "SO_INCOMING_NAPI_ID"},
    {SOL_SOCKET, 28, 'V', "SO_PEERNAME: a port that was chosen"},
    {SOL_SOCKET, 26, 'A', "filters cannot be attached"},
    {SOL_SOCKET, 50, 'A', "filters cannot be attached"},
    {SOL_SOCKET, 51, 'A', "filters cannot be attached"},
    {SOL_SOCKET, 52, 'A', "filters cannot be attached"},
    {SOL_SOCKET, 68, 'A', "filters cannot be attached"},
    {SOL_SOCKET, 62, 'A', "SO_BINDTOIFINDEX: to another interface than the stack's"},
    {SOL_SOCKET, 80, 'A', "device memory"},
    {SOL_IP, 52, 'V', "IP_PROTOCOL: a port that was chosen"},
    {IPPROTO_TCP, 10, 'V', "TCP_WINDOW_CLAMP: by default, what is right"},
    {IPPROTO_TCP, 11, 'V', "TCP_INFO"},
    {IPPROTO_TCP, 13, 'V', "TCP_CONGESTION"},
    {IPPROTO_TCP, 19, 'A', "repair mode is refused"},
    {IPPROTO_TCP, 24, 'V', "TCP_TIMESTAMP: another clock"},
    {IPPROTO_TCP, 26, 'L', "TCP_CC_INFO: of the congestion control"},
};

static char how_known(int level, int name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i].level == level && known[i].name == name)
            return known[i].how;
    return 0;
}

static int make(enum state state)
{
    struct linger now = {1, 0};
    int s = state < UDP_NEW ? tcp() : udp();

    switch (state) {
    case TCP_NEW:
    case UDP_NEW:
        break;
    case TCP_LISTENS:
        bind_to(s, own_ip, 4200);
        listen(s, 5);
        break;
    case TCP_OPEN:
        conn_to(s, peer_ip, 11);
        setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        break;
    case UDP_OPEN:
        conn_to(s, peer_ip, 7);
        break;
    }
    return s;
}

/* What getsockopt() says with room for so many bytes, in words. */
static void got(char *out, size_t size, int s, const struct level *l, int name, socklen_t room)
{
    uint8_t v[300];
    socklen_t len = room;
    char how = how_known(l->level, name);
    int at;

    memset(v, 0xee, sizeof(v));
    if (getsockopt(s, l->level, name, v, &len) < 0) {
        snprintf(out, size, "%s", err_name(errno));
        return;
    }
    at = how == 'L' ? snprintf(out, size, "ok") : snprintf(out, size, "%u:", len);
    for (socklen_t i = 0; !how && i < len && i < 40; i++)
        at += snprintf(out + at, size - (size_t)at, "%02x", v[i]);
}

/* Answers with the lengths for which each was given, equal ones together. */
static char last[200];
static unsigned from, upto;
static void flush(const char *what, unsigned next)
{
    if (last[0])
        printf(" %s %u-%u %s;", what, from, upto, last);
    last[0] = '\0';
    from = next;
}
static void note(const char *what, unsigned len, const char *text)
{
    if (strcmp(text, last) != 0)
        flush(what, len);
    snprintf(last, sizeof(last), "%s", text);
    upto = len;
}

static bool is_there(enum state state, const struct level *l, int name)
{
    uint8_t v[300] = {0};
    socklen_t len = sizeof(v);
    int s = state < UDP_NEW ? tcp() : udp();
    bool got_it = getsockopt(s, l->level, name, v, &len) == 0 ||
                  (errno != ENOPROTOOPT && errno != EOPNOTSUPP);
    bool set_it = setsockopt(s, l->level, name, v, 4) == 0 || errno != ENOPROTOOPT;

    close(s);
    return how_known(l->level, name) != 'A' && (got_it || set_it);
}

static void sweep(enum state state, const struct level *l, int name)
{
    static const socklen_t more[] = {64, 300, (socklen_t)-1};
    char text[200];
    int s = make(state);

    printf("  %s %s %d:", state_name[state], l->name, name);
    for (socklen_t room = 0; room <= 16; room++) {
        got(text, sizeof(text), s, l, name, room);
        note("get", room, text);
    }
    for (size_t i = 0; i < 3; i++) {
        got(text, sizeof(text), s, l, name, more[i]);
        note("get", more[i], text);
    }
    flush("get", 0);
    for (socklen_t len = 0; len <= 16; len++) {
        uint8_t one[16] = {1};
        int r = setsockopt(s, l->level, name, one, len);
        note("set", len, r < 0 ? err_name(errno) : "ok");
    }
    flush("set", 0);
    got(text, sizeof(text), s, l, name, 64);
    printf(" then %s\n", text);
    close(s);
}

static void sweep_state(enum state state)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
        for (int name = 0; name <= levels[i].names; name++)
            if (is_there(state, &levels[i], name))
                sweep(state, &levels[i], name);
}

void call_sweep_new(void)
{
    sweep_state(TCP_NEW);
    sweep_state(UDP_NEW);
}
void call_sweep_listening(void)
{
    sweep_state(TCP_LISTENS);
}
void call_sweep_tcp(void)
{
    sweep_state(TCP_OPEN);
}
void call_sweep_udp(void)
{
    sweep_state(UDP_OPEN);
}
