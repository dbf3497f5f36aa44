/* The engine's own descriptors: at numbers that the program does not meet. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/engine_int.h"

#define PRIVATE_MAX (1u << 20)
/* With a limit above this, the numbers from here on: the kernel's table of descriptors, which
 * fork() copies, is as long as the highest number. */
#define HIGH_ENOUGH 16384u
static uint64_t private_bits[PRIVATE_MAX / 64];

bool engine_fd_is_private(int fd)
{
    return fd >= 0 && (unsigned)fd < PRIVATE_MAX &&
           (__atomic_load_n(&private_bits[fd / 64], __ATOMIC_RELAXED) >> (fd % 64) & 1);
}

void engine_fd_adopt(int fd, bool is_private)
{
    if (fd < 0 || (unsigned)fd >= PRIVATE_MAX)
        return;
    uint64_t bit = 1ull << (fd % 64);
    if (is_private)
        __atomic_or_fetch(&private_bits[fd / 64], bit, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&private_bits[fd / 64], ~bit, __ATOMIC_RELAXED);
    if (engine.hooks && engine.hooks->fd_private)
        engine.hooks->fd_private(fd, is_private);
}

int engine_fd_hide(int fd)
{
    /* Above the soft limit the program will never be given the number; the limit is raised only for
     * the moment of the duplication. Where soft and hard limit are one, the last numbers below must
     * do. */
    struct rlimit rl, up;
    int high = -1;
    if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
        return -errno;
    if (rl.rlim_cur > HIGH_ENOUGH)
        high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_ENOUGH);
    if (high < 0 && rl.rlim_max > rl.rlim_cur) {
        up = rl;
        up.rlim_cur = rl.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &up) == 0) {
            high = fcntl(fd, F_DUPFD_CLOEXEC, (int)rl.rlim_cur);
            setrlimit(RLIMIT_NOFILE, &rl);
        }
    }
    rlim_t back = rl.rlim_cur < 128 ? rl.rlim_cur / 2 : 64;
    for (; high < 0 && back > 0 && back <= 4096 && back < rl.rlim_cur; back *= 2)
        high = fcntl(fd, F_DUPFD_CLOEXEC, (int)(rl.rlim_cur - back));
    if (high < 0)
        return -errno;
    close(fd);
    engine_fd_adopt(high, true);
    return high;
}

int engine_fd_take(int fd)
{
    int hidden = fd < 0 ? -errno : engine_fd_hide(fd);
    if (fd >= 0 && hidden < 0)
        close(fd);
    return hidden;
}

void engine_fd_close(int fd)
{
    if (fd < 0)
        return;
    engine_fd_adopt(fd, false);
    close(fd);
}
