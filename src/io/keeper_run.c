/*
 * The housekeeper.
 *
 * The kernel goes on with a connection after its process is gone: what was written is sent, then
 * FIN, TIME_WAIT is observed. Here the stack runs in the processes themselves, so somebody must be
 * left when they are not: a process without a terminal, a parent or a place in the file system,
 * which holds the arena, the packet sockets and the port guards.
 *
 * It watches the family's processes: each sends it one end of a pipe, the lifeline, and keeps the
 * other, which is closed when the process ends, or executes another image (of which nobody knows
 * whether it will ever take the stack up; if so, it says hello). While a process lives, that one
 * runs the stack, and the housekeeper sleeps but for messages and its guards. When none is left it
 * runs the stack itself: frames, timers, and the last-close events that tell it which sockets
 * nobody holds any more. It ends when no socket is open and TCP has nothing left to do.
 *
 *                    a process says hello
 *          +---------------------------------------+
 *          v                                       |
 *      watching  --- the last process is gone --> running --- nothing left ---> exit
 *
 * A process in a sandbox (engine_confine.c) uses the stack, but cannot set a timer or ring a bell:
 * while there is one, both are done here. If there are none but such, the stack is run here
 * altogether.
 *
 * Processes may be stopped, all of them (SIGSTOP, a debugger), and the peers must not notice. So
 * while they run the stack, the housekeeper stands by: it waits for frames too, but as the last, so
 * that the kernel wakes it only when nobody else sleeps there. Most often they are just awake, and
 * will look themselves: then it rests for REST_US. If nobody has entered the stack since it looked
 * last, it goes on for them, until somebody does. (One that was stopped within an entry has the
 * lock.)
 *
 * The last-close socket is one with that of the process that started us (its queue is shared), so
 * it is read here only when that process is gone: then nothing was missed, and nothing is done
 * twice. If events were lost, because a great many sockets were closed at once, and no process has
 * the arena open any more, then nobody holds any socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/door.h"
#include "io/family.h"
#include "io/guard.h"
#include "io/keeper_int.h"
#include "io/unixsock.h"

#define EVENTS_MAX         32
#define GUEST_US           2000000u
#define ABANDONED_EVERY_US 500000u
#define REST_US            250000u /* before it stands by again */

#define VISITORS_MAX 64 /* let in at once */

/* What an event is of, in its data; of the last two in its upper half, with a process's id or a
 * visitor's descriptor. */
enum { EVENT_MAIL, EVENT_LINK, EVENT_CLOSED, EVENT_DOOR, EVENT_PROCESS, EVENT_VISITOR };

/* A process of the family. */
struct member {
    uint32_t id;   /* proc.id */
    int lifeline;  /* or a pidfd, until it says hello; -1: cannot be watched */
    bool confined; /* it cannot run the stack (engine_confine.c) */
};

static struct keeper {
    int epfd, mail, rx, closed, door;
    struct engine_heirloom stack;
    struct member *members;
    size_t nmembers, room;
    size_t guards_room; /* that guards in advance may fill */
    uint32_t starter;   /* whose last-close socket ours is */
    bool starter_gone;  /* so we read it */
    bool running;
    bool stands_by;   /* rx is watched, as the last of all */
    bool substitutes; /* nobody else seems to run the stack */
    uint32_t entries; /* of others, when it looked last */
    uint64_t rest_until_us;
    uint64_t next_abandoned_us; /* while running */
    uint64_t guest_until_us;    /* somebody was let in, and has not said hello yet */
} k;

/* ---- members ---- */

static void watch(int fd, uint64_t data)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};

    if (epoll_ctl(k.epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
        log_warn("housekeeper: a descriptor cannot be watched: %s", strerrorname_np(errno));
}

static struct member *member_of(uint32_t id)
{
    for (size_t i = 0; i < k.nmembers; i++) {
        if (k.members[i].id == id)
            return &k.members[i];
    }
    return NULL;
}

static size_t confined(void)
{
    size_t n = 0;

    for (size_t i = 0; i < k.nmembers; i++)
        n += k.members[i].confined;
    return n;
}

static struct proc *proc_of(struct stack *st, uint32_t id)
{
    struct proc *p = slab_next(&st->procs, NULL);

    while (p != NULL && p->id != id)
        p = slab_next(&st->procs, p);
    return p;
}

static struct member *member_new(uint32_t id)
{
    if (k.nmembers == k.room) {
        size_t more = k.room > 0 ? 2 * k.room : 8;
        struct member *m = realloc(k.members, more * sizeof(*m));
        if (m == NULL)
            return NULL;
        k.members = m;
        k.room = more;
    }
    k.members[k.nmembers] = (struct member){.id = id, .lifeline = -1};
    return &k.members[k.nmembers++];
}

static void stand_by(bool yes)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = EVENT_LINK};

    if (k.stands_by)
        epoll_ctl(k.epfd, EPOLL_CTL_DEL, k.rx, NULL);
    k.stands_by = yes && epoll_ctl(k.epfd, EPOLL_CTL_ADD, k.rx, &ev) == 0;
}

/* Has another process entered the stack since this was asked last? */
static bool others_are_there(void)
{
    uint32_t entries = __atomic_load_n(&engine.sh->entries, __ATOMIC_RELAXED);
    bool there = entries != k.entries;

    k.entries = entries;
    return there;
}

/* A round beside processes that should run the stack. True: it is to be run here, this time. */
static bool look_after_others(bool frame)
{
    uint64_t now_us = clock_now_us();
    bool rested = !k.stands_by && now_us >= k.rest_until_us;

    if (!frame && !rested && !k.substitutes)
        return false;
    bool there = others_are_there();
    k.substitutes = !there;
    if (frame || rested) {
        stand_by(!frame || !there);
        k.rest_until_us = now_us + REST_US;
    }
    return frame || k.substitutes;
}

static void begin_to_run(void)
{
    stand_by(false);
    k.running = true;
    k.next_abandoned_us = 0;
    watch(k.rx, EVENT_LINK);
}

/* The stack is run here when there is no process, or only such as cannot. */
static void run_or_not(void)
{
    bool run = confined() == k.nmembers;

    keeper_guards_alone(k.nmembers == 0);

    if (run && !k.running) {
        begin_to_run();
    } else if (!run && k.running) {
        k.running = k.substitutes = false;
        k.rest_until_us = 0;
        epoll_ctl(k.epfd, EPOLL_CTL_DEL, k.rx, NULL);
    }
}

/* The process whose last-close socket ours is does not read it any more. */
static void take_closed_over(uint32_t id)
{
    if (id != k.starter || k.starter_gone)
        return;
    k.starter_gone = true;
    if (k.closed != k.mail)
        watch(k.closed, EVENT_CLOSED);
}

static void member_confined(uint32_t id)
{
    struct member *m = member_of(id);

    if (m == NULL)
        return;
    m->confined = true;
    take_closed_over(id);
    run_or_not();
}

/* lifeline is the member's from now on. */
static void member_add(uint32_t id, int lifeline)
{
    struct member *m = member_of(id);

    if (m == NULL)
        m = member_new(id);
    if (m == NULL) {
        if (lifeline >= 0)
            close(lifeline);
        return;
    }
    if (m->lifeline >= 0)
        close(m->lifeline);
    m->lifeline = lifeline;
    if (lifeline >= 0)
        watch(lifeline, (uint64_t)EVENT_PROCESS << 32 | id);
    m->confined = false;
    run_or_not();
}

/* It has ended, or runs something else. */
static void member_gone(uint32_t id)
{
    struct member *m = member_of(id);
    struct stack *st;
    struct proc *p;

    if (m == NULL)
        return;
    if (m->lifeline >= 0)
        close(m->lifeline);
    *m = k.members[--k.nmembers];
    st = engine_enter();
    p = proc_of(st, id);
    if (p != NULL)
        stack_proc_remove(st, p);
    stack_ring_all(st);
    engine_leave();
    take_closed_over(id);
    keeper_guards_hurry(clock_now_us(), true);
    run_or_not();
}

/* Processes that ran the stack before we were started. Within an entry. */
static void find_members(struct stack *st)
{
    for (struct proc *p = slab_next(&st->procs, NULL); p != NULL; p = slab_next(&st->procs, p)) {
        if (member_of(p->id) == NULL)
            member_add(p->id, (int)syscall(SYS_pidfd_open, p->pid, 0));
    }
}

/* ---- messages ---- */

static void answer(int fd)
{
    uint64_t one = 1;

    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
        log_debug("housekeeper: nobody waits for the answer");
}

static void look(uint16_t port)
{
    uint64_t now_us = clock_now_us();

    if (port == 0) {
        keeper_guards_hurry(now_us, false);
        return;
    }
    struct stack *st = engine_enter();
    keeper_guards_look(st, port, now_us);
    engine_leave();
}

/* fd: what came with it, or -1. True: it is kept. */
static bool obey(const struct keeper_message *m, int fd)
{
    switch ((enum keeper_word)m->word) {
    case KEEPER_HELLO:
        if (k.starter == UINT32_MAX)
            k.starter = m->value;
        member_add(m->value, fd);
        return true;
    case KEEPER_GUARD:
        if (fd >= 0)
            (void)keeper_guards_add((uint16_t)m->value, fd);
        return fd >= 0;
    case KEEPER_FILL:
        (void)guard_pool_fill(m->value, k.guards_room, keeper_guards_add);
        return false;
    case KEEPER_CONFINED:
        member_confined(m->value);
        return false;
    case KEEPER_LOOK:
        look((uint16_t)m->value);
        answer(fd);
        return false;
    }
    return false;
}

/* One message; false: there is none. */
static bool read_message(void)
{
    const uint64_t *secret = engine.sh->keeper.secret;
    struct keeper_message m = {0};
    struct iovec iov = {&m, sizeof(m)};
    UNIXSOCK_CONTROL(1) control;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int fd = -1;
    ssize_t n = recvmsg(k.mail, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0)
        return errno == EINTR;
    (void)unixsock_take(&msg, &fd, 1);
    bool ours = n == (ssize_t)sizeof(m) && m.secret[0] == secret[0] && m.secret[1] == secret[1];
    if (!(ours && obey(&m, fd)) && fd >= 0)
        close(fd);
    return true;
}

/* ---- running the stack ---- */

/* Does any process still have the arena? */
static bool is_abandoned(void)
{
    struct stat s;

    return fstat(KEEPER_FD_ARENA, &s) == 0 && !family_has_process(s.st_ino);
}

static void close_all(struct stack *st)
{
    struct sock *next;

    for (struct sock *so = slab_next(&st->socks, NULL); so != NULL; so = next) {
        next = slab_next(&st->socks, so);
        sock_close(so);
    }
}

static void run_stack(void)
{
    struct stack *st = engine_enter();
    uint64_t now_us = st->net.now_us;

    engine_on_link();
    stack_poll(st);
    if (k.nmembers == 0 && st->socks.live > 0 && engine.sh->closed_lost &&
        now_us >= k.next_abandoned_us) {
        k.next_abandoned_us = now_us + ABANDONED_EVERY_US;
        if (is_abandoned())
            close_all(st);
    }
    if (st->tcp.port_ends != engine.sh->guards.ends)
        keeper_guards_hurry(now_us, false);
    engine_leave();
}

static void sweep_guards(void)
{
    bool more = keeper_guards_deadline() <= clock_now_us();

    while (more) {
        struct stack *st = engine_enter();
        more = keeper_guards_sweep(st, st->net.now_us);
        engine_leave();
    }
}

/* The effective user of a process; -1: it is gone. (The owner of /proc/PID can be another one.) */
static uid_t user_of(pid_t pid)
{
    char path[32], line[128];
    unsigned user = UINT_MAX;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "Uid: %*u %u", &user) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return (uid_t)user;
}

/* Does one of the family's processes run as this user? */
static bool is_users_family(uid_t user)
{
    struct stack *st = engine_enter();
    pid_t *pids = calloc(st->procs.live + 1, sizeof(*pids));
    size_t n = 0;
    bool is = false;

    for (struct proc *p = slab_next(&st->procs, NULL); pids != NULL && p != NULL;
         p = slab_next(&st->procs, p))
        pids[n++] = p->pid;
    engine_leave();
    for (size_t i = 0; i < n && !is; i++)
        is = user != (uid_t)-1 && user_of(pids[i]) == user;
    free(pids);
    return is;
}

/* Those at the door may come nearer, and say what they want. True: somebody has come. */
static bool open_door(void)
{
    int came = 0;

    for (int i = 0; i < VISITORS_MAX && k.door != k.mail; i++) {
        int fd = door_accept(k.door, is_users_family);
        if (fd >= 0) {
            watch(fd, (uint64_t)EVENT_VISITOR << 32 | (uint32_t)fd);
            came++;
        } else if (fd != -EACCES) {
            break;
        }
    }
    if (came > 0)
        k.guest_until_us = clock_now_us() + GUEST_US;
    return came > 0;
}

/* A visitor has said it, or gone. The address of a stack is reason enough to join it; otherwise it
 * takes a socket, or kinship. */
static void answer_visitor(int fd)
{
    const uint64_t ours = engine.sh->kin.secret;
    uint64_t cookie, secret;
    int r = door_hear(fd, &cookie, &secret);
    bool welcome =
        door_is_same_user(fd) && (engine_config()->own_address || (ours != 0 && secret == ours));

    if (r == -EAGAIN)
        return;
    if (r == 0 && cookie != 0) {
        struct stack *st = engine_enter();
        welcome = sock_by_cookie(st, cookie) != NULL;
        engine_leave();
    }
    if (r == 0)
        door_answer(fd, &k.stack, welcome);
    close(fd);
}

/* Nothing is left to do? Then nobody is told that we are there any more. */
static bool is_done(void)
{
    struct stack *st;
    bool done;

    if (k.nmembers > 0 || clock_now_us() < k.guest_until_us)
        return false;
    st = engine_enter();
    done = st->socks.live == 0 && !tcp_busy(&st->tcp);
    if (done)
        __atomic_store_n(&engine.sh->keeper.state, KEEPER_NONE, __ATOMIC_RELEASE);
    engine_leave();
    if (done && (open_door() || read_message())) { /* somebody has just come in */
        __atomic_store_n(&engine.sh->keeper.state, KEEPER_RUNNING, __ATOMIC_RELEASE);
        return false;
    }
    return done;
}

/* ---- the loop ---- */

static int timeout_ms(void)
{
    uint64_t now_us = clock_now_us(), at_us = keeper_guards_deadline();

    if (k.running || k.substitutes || confined() > 0) {
        struct stack *st = engine_enter();
        uint64_t stack_us = stack_next_deadline(st);
        if (stack_us < at_us)
            at_us = stack_us;
        engine.sh->keeper.armed_us = at_us;
        if (k.nmembers == 0 && st->socks.live > 0 && engine.sh->closed_lost &&
            k.next_abandoned_us < at_us)
            at_us = k.next_abandoned_us;
        engine_leave();
    }
    if (k.running && k.guest_until_us > now_us && k.guest_until_us < at_us)
        at_us = k.guest_until_us;
    if (!k.running && !k.stands_by && k.rest_until_us < at_us)
        at_us = k.rest_until_us;
    if (at_us == TIMER_NEVER)
        return -1;
    return at_us <= now_us ? 0 : (int)((at_us - now_us) / 1000 + 1);
}

/* A byte in the lifeline asks to look at the stack, which is done in each round; an end is an end.
 */
static void hear(uint32_t id)
{
    char bytes[256];
    struct member *m = member_of(id);
    ssize_t n = m != NULL ? read(m->lifeline, bytes, sizeof(bytes)) : 0;

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) /* a pidfd cannot be read */
        member_gone(id);
}

/* True: it is a frame. */
static bool handle(const struct epoll_event *ev)
{
    if (ev->data.u64 >> 32 == EVENT_PROCESS) {
        hear((uint32_t)ev->data.u64);
    } else if (ev->data.u64 >> 32 == EVENT_VISITOR) {
        answer_visitor((int)(uint32_t)ev->data.u64);
    } else if (ev->data.u64 == EVENT_CLOSED) {
        engine_enter();
        engine_on_closed();
        engine_leave();
    }
    /* Messages are looked for in each round anyway. */
    return ev->data.u64 == EVENT_LINK;
}

static void loop(void)
{
    struct epoll_event ev[EVENTS_MAX];

    do {
        int n = epoll_wait(k.epfd, ev, EVENTS_MAX, timeout_ms());
        while (read_message())
            continue;
        bool frame = false;
        for (int i = 0; i < n; i++)
            frame |= handle(&ev[i]);
        (void)open_door();
        bool here = k.running || look_after_others(frame);
        if (here || confined() > 0)
            run_stack();
        sweep_guards();
    } while (!is_done());
}

/* ---- start ---- */

static bool parse(const char *s, int fds[6])
{
    return sscanf(s, "%d,%d,%d,%d,%d,%d", &fds[0], &fds[1], &fds[2], &fds[3], &fds[4], &fds[5]) ==
           6;
}

/* A guard is a descriptor: as many as may be. How many guards may be made in advance: half of that.
 */
static size_t raise_limit(void)
{
    struct rlimit rl = {0};

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
        rl.rlim_cur = rl.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &rl);
    }
    return rl.rlim_cur / 2;
}

int keeper_main(const char *fds)
{
    char why[256];
    int n[6];

    if (!parse(fds, n))
        return 2;
    prctl(PR_SET_NAME, KEEPER_NAME);
    size_t room = raise_limit();
    k = (struct keeper){.stack = {n[0], n[1], n[2]},
                        .rx = n[1],
                        .closed = n[3],
                        .mail = n[4],
                        .door = n[5],
                        .guards_room = room,
                        .starter = UINT32_MAX};
    k.epfd = epoll_create1(EPOLL_CLOEXEC);
    if (k.epfd < 0 || engine_join_as_keeper(&k.stack, k.closed != k.mail ? k.closed : -1, k.mail,
                                            why, sizeof(why)) < 0)
        return 1;
    if (chdir("/") < 0)
        log_debug("housekeeper: no way to /");
    watch(k.mail, EVENT_MAIL);
    if (k.door != k.mail)
        watch(k.door, EVENT_DOOR);
    while (read_message())
        continue;
    struct stack *st = engine_enter();
    engine.sh->keeper.starts = 0;
    engine.sh->guards.told = engine.sh->guards.asked = false;
    find_members(st);
    guard_restore(st, false, keeper_guards_add);
    engine_leave();
    loop();
    return 0;
}
