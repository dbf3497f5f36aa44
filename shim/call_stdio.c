/*
 * stdio on sockets of ours.
 *
 * libc's streams read and write with system calls of their own, which do not come by us. So a
 * stream on a socket is one with functions of our choice (fopencookie), which come by. It also gets
 * the descriptor's number, for fileno().
 *
 * When a socket is put in the place of 0, 1 or 2 (as inetd does it), stdin, stdout or stderr
 * becomes such a stream, and the old one again when something else comes to that place.
 */
#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>

#include "lock.h"
#include "shim.h"
#include "streams.h"

struct stream {
    struct stream *next;
    FILE *file;
    int fd;
};

static struct stream *streams; /* those that are open */
static struct lock streams_lock;
static bool program_ends; /* streams_flush() is in the list without its lock: it stays as it is */

static void *cookie_of(int fd)
{
    return (void *)(intptr_t)fd;
}

/* ---- what the streams call; errno as they expect it ---- */

static ssize_t stream_read(void *cookie, char *buf, size_t len)
{
    return read((int)(intptr_t)cookie, buf, len);
}

static ssize_t stream_write(void *cookie, const char *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = write((int)(intptr_t)cookie, buf + done, len - done);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int stream_seek(void *cookie, off64_t *at, int whence)
{
    errno = ESPIPE;
    return -1;
}

/* Forgets the stream of fd. */
static void forget(int fd, const FILE *file)
{
    shim_in();
    lock_take(&streams_lock);
    struct stream **p = &streams;
    while (*p && ((*p)->fd != fd || (file && (*p)->file != file)))
        p = &(*p)->next;
    struct stream *s = program_ends ? NULL : *p;
    if (s)
        *p = s->next;
    lock_give(&streams_lock);
    free(s);
    shim_out();
}

static int stream_close(void *cookie)
{
    int fd = (int)(intptr_t)cookie;
    forget(fd, NULL);
    return close(fd);
}

static const cookie_io_functions_t functions = {stream_read, stream_write, stream_seek,
                                                stream_close};

/* A stream on fd; NULL and errno. mode is valid. */
static FILE *stream_open(int fd, const char *mode)
{
    char m[3] = {mode[0], strchr(mode, '+') ? '+' : 0, 0};
    struct stream *s = malloc(sizeof(*s));
    if (!s)
        return NULL;
    FILE *f = fopencookie(cookie_of(fd), m, functions);
    if (!f) {
        free(s);
        return NULL;
    }
    f->_fileno = fd;
    *s = (struct stream){.file = f, .fd = fd};
    shim_in();
    lock_take(&streams_lock);
    s->next = streams;
    streams = s;
    lock_give(&streams_lock);
    shim_out();
    return f;
}

/* ---- fdopen ---- */

SHIM_EXPORT FILE *fdopen(int fd, const char *mode)
{
    if (!shim_ours(fd)) {
        shim_need();
        return real.fdopen(fd, mode);
    }
    if (fd_kind(fd) == FD_PRIVATE) {
        errno = EBADF;
        return NULL;
    }
    if (!strchr("rwa", mode[0]) || !mode[0]) {
        errno = EINVAL;
        return NULL;
    }
    return stream_open(fd, mode);
}

SHIM_EXPORT FILE *_IO_fdopen(int fd, const char *mode)
{
    return fdopen(fd, mode);
}

/* ---- dprintf ---- */

static int write_text(int fd, const char *text, int len)
{
    return stream_write(cookie_of(fd), text, (size_t)len) == len ? len : -1;
}

/* flag: as __vsnprintf_chk()'s. */
__attribute__((format(printf, 3, 0))) static int print(int fd, int flag, const char *format,
                                                       va_list ap)
{
    char small[1024];
    va_list again;
    va_copy(again, ap);
    int len = __vsnprintf_chk(small, sizeof(small), flag, sizeof(small), format, ap);
    char *text = small;
    if (len >= (int)sizeof(small)) {
        text = malloc((size_t)len + 1);
        if (text)
            len = __vsnprintf_chk(text, (size_t)len + 1, flag, (size_t)len + 1, format, again);
    }
    va_end(again);
    int r = len < 0 || !text ? -1 : write_text(fd, text, len);
    if (text != small)
        free(text);
    return r;
}

SHIM_EXPORT int vdprintf(int fd, const char *format, va_list ap)
{
    if (shim_ours(fd))
        return print(fd, 0, format, ap);
    shim_need();
    return real.vdprintf(fd, format, ap);
}

SHIM_EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int r = vdprintf(fd, format, ap);
    va_end(ap);
    return r;
}

SHIM_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list ap)
{
    if (shim_ours(fd))
        return print(fd, flag, format, ap);
    shim_need();
    return real.__vdprintf_chk(fd, flag, format, ap);
}

SHIM_EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int r = __vdprintf_chk(fd, flag, format, ap);
    va_end(ap);
    return r;
}

/* ---- stdin, stdout, stderr ---- */

void streams_follow(int fd)
{
    static FILE *before[3]; /* libc's own, while ours stands in its place */
    FILE **const std[3] = {&stdin, &stdout, &stderr};
    static const char *const modes[3] = {"r", "w", "w"};

    if (fd < 0 || fd > 2)
        return;
    bool ours = fd_kind(fd) == FD_STACK;
    if (ours == (before[fd] != NULL))
        return;
    if (!ours) {
        FILE *f = *std[fd];
        forget(fd, f);
        *std[fd] = before[fd];
        before[fd] = NULL;
        return;
    }
    FILE *f = stream_open(fd, modes[fd]);
    if (!f)
        return;
    if (fd == 2)
        setvbuf(f, NULL, _IONBF, 0);
    before[fd] = *std[fd];
    *std[fd] = f;
}

void streams_flush(void)
{
    lock_take(&streams_lock);
    struct stream *s = program_ends ? NULL : streams;
    program_ends = true;
    lock_give(&streams_lock);
    for (; s; s = s->next) {
        if (__fpending(s->file) == 0 || ftrylockfile(s->file) != 0)
            continue; /* somebody who is in it will not come back */
        fflush_unlocked(s->file);
        funlockfile(s->file);
    }
}

void streams_fork_child(void)
{
    streams_lock.word = 0; /* of a thread that this process does not have */
}
