/*
 * The address is one that nothing else uses: far above the heap of non-PIE programs and Java's
 * compressed heaps, far below PIE programs, libraries and stacks, outside of the ranges that Go and
 * the sanitizers reserve, and above the 2^46 bytes in which V8 (node) and others place mappings at
 * random. It must be the same in all processes of a family, before and after exec;
 * so it is not up to the kernel to choose it.
 */
#include "io/arena_map.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_ADDRESS 0x4a0000000000ull
#define ARENA_MAX     (64ull << 30)
#define ARENA_MIN     (64ull << 20)

static int map_at(struct arena_map *m)
{
    void *want = (void *)ARENA_ADDRESS;
    void *p = mmap(want, m->size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, m->fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    if (p != want) { /* a kernel older than MAP_FIXED_NOREPLACE took the address for a hint */
        munmap(p, m->size);
        return -EEXIST;
    }
    m->base = p;
    return 0;
}

/* What RLIMIT_FSIZE and RLIMIT_AS leave room for; half of the address space at most. */
static size_t allowed_size(void)
{
    struct rlimit rl;
    size_t size = ARENA_MAX;
    if (getrlimit(RLIMIT_FSIZE, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur < size)
        size = rl.rlim_cur;
    if (getrlimit(RLIMIT_AS, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur / 2 < size)
        size = rl.rlim_cur / 2;
    return size & ~(size_t)(ARENA_PAGE_BYTES - 1);
}

int arena_map_open(void)
{
    int fd = memfd_create("libshim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int arena_map_format(struct arena_map *m, int fd)
{
    int err = -ENOMEM;
    m->fd = fd;
    if (ftruncate(fd, 0) < 0) /* of an attempt that failed */
        return -errno;
    for (m->size = allowed_size(); m->size >= ARENA_MIN; m->size /= 2) {
        if (ftruncate(fd, (off_t)m->size) < 0)
            err = -errno;
        else if ((err = map_at(m)) == 0)
            return 0;
        if (err == -EEXIST)
            break;
    }
    return err;
}

int arena_map_create(struct arena_map *m)
{
    int fd = arena_map_open();
    int err = fd < 0 ? fd : arena_map_format(m, fd);
    if (err && fd >= 0)
        close(fd);
    if (err)
        m->fd = -1;
    return err;
}

int arena_map_attach(struct arena_map *m, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    m->fd = fd;
    m->size = (size_t)st.st_size;
    return map_at(m);
}

void arena_map_trim(struct arena *a, int max)
{
    void *mem;
    size_t len;
    while (max-- > 0 && arena_next_idle(a, &mem, &len))
        madvise(mem, len, MADV_REMOVE);
}
