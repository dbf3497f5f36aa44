/*
 * Seats: where threads sleep.
 *
 * A seat is an epoll instance with the sources that any thread may serve (ring, timer, bell) and
 * with a kick, an eventfd of its own. Whoever handles the frame that another thread waits for
 * writes to the kick of that thread's seat. Nobody else reads it: a kick that one thread could take
 * from another would be a lost wake-up.
 *
 * Seats are made as they are needed, and given back at fork only. A thread takes the first free one
 * for the time of a call. One that leaves its call by siglongjmp keeps its seat until its next
 * call, or its end (engine_thread_end).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/engine_int.h"

/* Seats lie in chunks, each twice as large as the one before, so that none ever moves. */
#define FIRST_CHUNK 32u
#define CHUNKS      27u
#define SEATS_MADE  4u /* by engine_seats_make() */

static struct seat *chunks[CHUNKS];
static uint32_t used; /* seats that were ever handed out */

/* The seat of this thread. */
static __thread struct seat *own __attribute__((tls_model("initial-exec")));

static unsigned chunk_of(uint32_t i)
{
    return 31 - (unsigned)__builtin_clz(i / FIRST_CHUNK + 1);
}

/* NULL: there was no memory for it. */
static struct seat *seat_at(uint32_t i)
{
    unsigned k = chunk_of(i);
    struct seat *chunk = __atomic_load_n(&chunks[k], __ATOMIC_ACQUIRE);
    return chunk ? &chunk[i - FIRST_CHUNK * ((1u << k) - 1)] : NULL;
}

static void make_chunk(unsigned k)
{
    uint32_t n = FIRST_CHUNK << k;
    struct seat *none = NULL;
    struct seat *c =
        mmap(NULL, n * sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        return;
    for (uint32_t i = 0; i < n; i++)
        c[i].epfd = c[i].kick = -1;
    if (!__atomic_compare_exchange_n(&chunks[k], &none, c, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        munmap(c, n * sizeof(*c));
}

/* ---- an epoll instance's sources ---- */

static const enum loop_source shared_sources[] = {LOOP_LINK, LOOP_TIMER, LOOP_DOORBELL};
#define SHARED_SOURCES (sizeof(shared_sources) / sizeof(*shared_sources))

/* tagged: all with ENGINE_EPOLL_TAG as data; otherwise each with its enum loop_source. */
static int add_sources(int epfd, bool tagged)
{
    for (size_t i = 0; i < SHARED_SOURCES; i++) {
        struct epoll_event ev = {
            .events = EPOLLIN | EPOLLEXCLUSIVE,
            .data.u64 = tagged ? ENGINE_EPOLL_TAG : (uint64_t)shared_sources[i],
        };
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, engine.fds[shared_sources[i]], &ev) < 0 &&
            errno != EEXIST)
            return -errno;
    }
    return 0;
}

static void remove_sources(int epfd)
{
    for (size_t i = 0; i < SHARED_SOURCES; i++)
        epoll_ctl(epfd, EPOLL_CTL_DEL, engine.fds[shared_sources[i]], NULL);
}

static int add_plain(int epfd, int fd, uint64_t data)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};
    if (fd < 0)
        return 0;
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int engine_service_last(void)
{
    remove_sources(engine.service_epfd);
    return add_sources(engine.service_epfd, false);
}

void engine_service_listen(bool on)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = LOOP_LINK};
    epoll_ctl(engine.service_epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, engine.fds[LOOP_LINK], &ev);
}

bool engine_service_rouse(bool on)
{
    /* The source that is here alone; it can always be written to. */
    struct epoll_event ev = {.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.u64 = LOOP_HOSTNET};
    return epoll_ctl(engine.service_epfd, EPOLL_CTL_MOD, engine.fds[LOOP_HOSTNET], &ev) == 0;
}

int engine_service_open(void)
{
    engine.service_epfd = engine_fd_take(epoll_create1(EPOLL_CLOEXEC));
    if (engine.service_epfd < 0)
        return engine.service_epfd;
    int err = add_sources(engine.service_epfd, false);
    if (!err)
        err = add_plain(engine.service_epfd, engine.fds[LOOP_CLOSED], LOOP_CLOSED);
    if (!err)
        err = add_plain(engine.service_epfd, engine.fds[LOOP_HOSTNET], LOOP_HOSTNET);
    return err;
}

int engine_epoll_attach(int epfd)
{
    int err = add_sources(epfd, true);
    engine.attached = true;
    return err ? err : engine_service_last();
}

void engine_epoll_detach(int epfd)
{
    remove_sources(epfd);
}

/* ---- seats ---- */

static void close_seat(struct seat *s)
{
    engine_fd_close(s->epfd);
    engine_fd_close(s->kick);
    s->epfd = s->kick = -1;
}

static bool open_seat(struct seat *s)
{
    s->kick = engine_fd_take(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    s->epfd = engine_fd_take(epoll_create1(EPOLL_CLOEXEC));
    if (s->kick >= 0 && s->epfd >= 0 && add_sources(s->epfd, false) == 0 &&
        add_plain(s->epfd, s->kick, ENGINE_KICK) == 0 && engine_service_last() == 0)
        return true;
    close_seat(s);
    return false;
}

static bool try_take(struct seat *s)
{
    bool no = false;
    return !__atomic_load_n(&s->taken, __ATOMIC_RELAXED) &&
           __atomic_compare_exchange_n(&s->taken, &no, true, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* A free seat among the first max, or NULL. */
static struct seat *find(uint32_t max)
{
    for (;;) {
        uint32_t n = __atomic_load_n(&used, __ATOMIC_ACQUIRE);
        for (uint32_t i = 0; i < n && i < max; i++)
            if (try_take(seat_at(i)))
                return seat_at(i);
        if (n >= max || chunk_of(n) >= CHUNKS)
            return NULL;
        if (!seat_at(n))
            make_chunk(chunk_of(n));
        if (!seat_at(n))
            return NULL;
        /* Known to those who wake before anybody can sleep there. Somebody may be quicker to take
         * it. */
        if (__atomic_compare_exchange_n(&used, &n, n + 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED) &&
            try_take(seat_at(n)))
            return seat_at(n);
    }
}

struct seat *engine_seat_take(uint32_t max)
{
    struct seat *s = own;
    if (!s)
        s = own = find(max);
    if (s && s->epfd < 0 && !open_seat(s)) {
        engine_seat_release();
        return NULL;
    }
    return s;
}

void engine_seats_make(void)
{
    struct seat *mine[SEATS_MADE] = {NULL};
    for (uint32_t i = 0; i < SEATS_MADE; i++) {
        mine[i] = find(SEATS_MADE);
        if (mine[i] && mine[i]->epfd < 0)
            (void)open_seat(mine[i]);
    }
    for (uint32_t i = 0; i < SEATS_MADE; i++)
        if (mine[i])
            __atomic_store_n(&mine[i]->taken, false, __ATOMIC_RELEASE);
}

bool engine_seat_is_own(const struct seat *s)
{
    return own == s;
}

void engine_seat_release(void)
{
    struct seat *s = own;
    own = NULL;
    if (!s)
        return;
    __atomic_store_n(&s->word, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&s->taken, false, __ATOMIC_RELEASE);
}

void engine_thread_end(void)
{
    engine_seat_release();
}

bool engine_seat_kick(const uint32_t *word)
{
    bool found = false;
    uint32_t n = __atomic_load_n(&used, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < n; i++) {
        const struct seat *s = seat_at(i);
        if (__atomic_load_n(&s->word, __ATOMIC_SEQ_CST) == word) {
            uint64_t one = 1;
            ssize_t done = write(s->kick, &one, sizeof(one));
            (void)done; /* full: it is readable anyway */
            found = true;
        }
    }
    return found;
}

void engine_seats_forget(void)
{
    own = NULL;
    for (uint32_t i = 0; i < used; i++) {
        struct seat *s = seat_at(i);
        close_seat(s);
        s->word = NULL;
        s->taken = false;
    }
}
