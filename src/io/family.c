/*
 * A family is found by the mapping of its arena in /proc/PID/maps, and reached through the memfd
 * among /proc/PID/fd. The arena is mapped where the family has it, one family at a time, and read
 * under its lock.
 */
#include "io/family.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/engine_int.h"

#define MEMFD_NAME  "/memfd:libshim (deleted)"
#define PATIENCE_US 1000000u /* for the lock */

struct seen {
    ino_t *inodes;
    size_t n;
};

static bool seen_before(struct seen *seen, ino_t inode)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->inodes[i] == inode)
            return true;
    ino_t *more = realloc(seen->inodes, (seen->n + 1) * sizeof(*more));
    if (!more)
        return true;
    seen->inodes = more;
    seen->inodes[seen->n++] = inode;
    return false;
}

/* The arena's memfd among the descriptors of a process, opened; -1: it has none, or may not be
 * looked into. */
static int open_arena_of(const char *pid)
{
    char path[64], target[64];
    int found = -1;
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *d = opendir(path);
    if (!d)
        return -1;
    for (struct dirent *e; found < 0 && (e = readdir(d));) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (strcmp(target, MEMFD_NAME) == 0)
            found = openat(dirfd(d), e->d_name, O_RDWR | O_CLOEXEC);
    }
    closedir(d);
    return found;
}

static bool visit(int fd, void (*fn)(void *arg, struct stack *st), void *arg)
{
    struct arena_map map;
    bool done = false;
    if (arena_map_attach(&map, fd) < 0)
        return false;
    struct stack *st = stack_of(map.base);
    struct engine_shared *sh = st ? st->io : NULL;
    if (sh && robust_lock_within(&sh->lock, PATIENCE_US) == 0) {
        done = !sh->lock.torn; /* else it is the family's to repair */
        if (done)
            fn(arg, st);
        robust_unlock(&sh->lock);
    }
    munmap(map.base, map.size);
    return done;
}

int family_each(void (*fn)(void *arg, struct stack *st), void *arg)
{
    struct seen seen = {NULL, 0};
    int count = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return -errno;
    for (struct dirent *e; (e = readdir(proc));) {
        struct stat s;
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        int fd = open_arena_of(e->d_name);
        if (fd < 0)
            continue;
        if (fstat(fd, &s) == 0 && !seen_before(&seen, s.st_ino) && visit(fd, fn, arg))
            count++;
        close(fd);
    }
    closedir(proc);
    free(seen.inodes);
    return count;
}

bool family_has_process(ino_t arena)
{
    bool found = false;
    DIR *proc = opendir("/proc");
    if (!proc)
        return false;
    for (struct dirent *e; !found && (e = readdir(proc));) {
        struct stat s;
        if (!isdigit((unsigned char)e->d_name[0]) || atoi(e->d_name) == getpid())
            continue;
        int fd = open_arena_of(e->d_name);
        if (fd < 0)
            continue;
        found = fstat(fd, &s) == 0 && s.st_ino == arena;
        close(fd);
    }
    closedir(proc);
    return found;
}
