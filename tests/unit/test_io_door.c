/* Doors: who is let in, and with what. */
#include "test_io.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/door.h"
#include "io/guard.h"

#define KEEPERS_MAX 4

static pid_t keepers[KEEPERS_MAX];
static int nkeepers;

static void setup(void)
{
    nkeepers = 0;
}

static void teardown(void)
{
    while (nkeepers > 0) {
        kill(keepers[--nkeepers], SIGKILL);
        waitpid(keepers[nkeepers], NULL, 0);
    }
}

static struct door any_door(void)
{
    uint64_t id;

    ck_assert_int_eq(getrandom(&id, sizeof(id), 0), sizeof(id));
    return door_of_stack(id);
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);

    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
    return cookie;
}

static ino_t inode_of(int fd)
{
    struct stat s;

    ck_assert_int_eq(fstat(fd, &s), 0);
    return s.st_ino;
}

static void wait_for(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (poll(&p, 1, -1) < 0)
        ;
}

/* Keeps the door of a stack that has the socket known (0: lets in who shows none); *arena: what
 * those get who are let in. */
static struct door start_keeper(uint64_t known, ino_t *arena)
{
    struct door door = any_door();
    struct engine_heirloom h = {memfd_create("arena", MFD_CLOEXEC), dup(0), dup(0)};
    int fd = door_open(&door);

    ck_assert_int_ge(fd, 0);
    ck_assert(engine_fd_is_private(fd));
    *arena = inode_of(h.arena);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    while (pid == 0) {
        uint64_t cookie, secret;
        wait_for(fd);
        int visitor = door_accept(fd, NULL);
        if (visitor < 0)
            continue;
        wait_for(visitor);
        if (door_hear(visitor, &cookie, &secret) == 0)
            door_answer(visitor, &h, cookie == known);
        close(visitor);
    }
    keepers[nkeepers++] = pid;
    engine_fd_close(fd);
    close(h.arena);
    close(h.rx);
    close(h.tx);
    return door;
}

static void drop(const struct engine_heirloom *h)
{
    ck_assert_int_ne(h->rx, h->tx);
    ck_assert_int_eq(close(h->arena), 0);
    ck_assert_int_eq(close(h->rx), 0);
    ck_assert_int_eq(close(h->tx), 0);
}

START_TEST(knocking)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct engine_heirloom h;
    ino_t arena;
    struct door door = start_keeper(0, &arena);

    ck_assert_int_eq(door_open(&door), -EADDRINUSE);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(door_knock(&door, -1, 0, &h), 0);
        ck_assert(inode_of(h.arena) == arena);
        drop(&h);
        ck_assert_int_eq(door_knock(&door, fd, 0, &h), -ENOENT);
    }
    teardown();
    ck_assert_int_eq(door_knock(&door, -1, 0, &h), -ECONNREFUSED);
    int again = door_open(&door);
    ck_assert_int_ge(again, 0);
    ck_assert_int_eq(door_accept(again, NULL), -EAGAIN);
    engine_fd_close(again);
}
END_TEST

START_TEST(finding)
{
    int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_DGRAM, 0);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    ino_t arenas[2];
    struct engine_heirloom h;

    ck_assert_int_eq(door_find(first, &h), -ENOENT);
    start_keeper(cookie_of(first), &arenas[0]);
    start_keeper(cookie_of(second), &arenas[1]);
    ck_assert_int_eq(door_find(first, &h), 0);
    ck_assert(inode_of(h.arena) == arenas[0]);
    drop(&h);
    ck_assert_int_eq(door_find(second, &h), 0);
    ck_assert(inode_of(h.arena) == arenas[1]);
    drop(&h);
    ck_assert_int_eq(door_find(other, &h), -ENOENT);
    teardown();
    ck_assert_int_eq(door_find(first, &h), -ENOENT);
    close(first);
    close(second);
    close(other);
}
END_TEST

/* One that says something else, or goes without a word. */
START_TEST(nonsense)
{
    struct door door = any_door();
    int fd = door_open(&door);
    uint64_t cookie, secret;

    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < 2; i++) {
        int guest = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        ck_assert_int_eq(connect(guest, (struct sockaddr *)&door.name, door.len), 0);
        int visitor = door_accept(fd, NULL);
        ck_assert_int_ge(visitor, 0);
        ck_assert_int_eq(door_hear(visitor, &cookie, &secret), -EAGAIN);
        if (i == 0)
            ck_assert_int_eq(send(guest, "?", 1, 0), 1);
        close(guest);
        ck_assert_int_eq(door_hear(visitor, &cookie, &secret), -ECONNRESET);
        close(visitor);
    }
    engine_fd_close(fd);
}
END_TEST

/* Closed with an answer, before the request was read, or sent. */
START_TEST(sent_away)
{
    const uint64_t strangers_answer[2] = {0, 0};
    struct door door = any_door();
    int fd = door_open(&door);
    struct engine_heirloom h;

    ck_assert_int_ge(fd, 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    while (pid == 0) {
        wait_for(fd);
        int visitor = door_accept(fd, NULL);
        if (send(visitor, strangers_answer, sizeof(strangers_answer), 0) < 0)
            _exit(1);
        close(visitor);
    }
    keepers[nkeepers++] = pid;
    engine_fd_close(fd);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(door_knock(&door, -1, 0, &h), -EPROTO);
}
END_TEST

START_TEST(guards)
{
    struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 65535);
    const struct sock_fprog program = {.len = 1, .filter = &all};
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int guard = guard_open(SOCK_DGRAM, &any, false), fd = socket(AF_INET, SOCK_DGRAM, 0);

    ck_assert_int_ge(guard, 0);
    ck_assert(guard_drops_all(guard));
    ck_assert(!guard_drops_all(fd));
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
    ck_assert(!guard_drops_all(fd));
    ck_assert(!guard_drops_all(-1));
    engine_fd_close(guard);
    close(fd);
}
END_TEST

TCase *test_io_door(void)
{
    TCase *tc = tcase_create("door");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, knocking);
    tcase_add_test(tc, finding);
    tcase_add_test(tc, nonsense);
    tcase_add_test(tc, sent_away);
    tcase_add_test(tc, guards);
    return tc;
}
