/*
 * sendfile and splice with a socket of ours at one end.
 *
 * The kernel moves pages; we copy through a buffer, and take no byte out of the source before the
 * other side has accepted it: a file is read at its offset, a socket is peeked at, and a pipe is
 * looked into with tee().
 *
 * tee, vmsplice and copy_file_range do not work on sockets anyway: the kernel's answer on the
 * placeholder is right.
 */
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "call.h"

#define BUFFER_BYTES 65536

/* ---- the buffer: one is kept for the next call ---- */

static void *spare; /* atomic */

static void *buffer_take(void)
{
    void *p = __atomic_exchange_n(&spare, NULL, __ATOMIC_ACQUIRE);
    if (p)
        return p;
    p = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void buffer_give(void *p)
{
    void *none = NULL;
    if (!__atomic_compare_exchange_n(&spare, &none, p, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        munmap(p, BUFFER_BYTES);
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

static ssize_t send_buffer(int fd, void *buf, size_t len, int flags)
{
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return call_send(fd, &msg, flags);
}

/* ---- from a file ---- */

/* Sends [pos, pos + count) of in; the number of bytes, -errno or SHIM_KERNEL. */
static ssize_t copy_file(int out, int in, off_t pos, size_t count, char *buf)
{
    struct stat st;
    size_t done = 0;
    bool sized = fstat(in, &st) == 0 && S_ISREG(st.st_mode);

    while (done < count) {
        size_t want = at_most(count - done, BUFFER_BYTES);
        ssize_t n = pread(in, buf, want, pos + (off_t)done);
        if (n <= 0)
            return done ? (ssize_t)done : n < 0 ? -errno : 0;
        bool last = done + (size_t)n == count || (size_t)n < want ||
                    (sized && pos + (off_t)done + n >= st.st_size);
        ssize_t r = send_buffer(out, buf, (size_t)n, last ? 0 : MSG_MORE);
        if (r < 0)
            return done ? (ssize_t)done : r;
        done += (size_t)r;
        if (r < n)
            break;
    }
    return (ssize_t)done;
}

static ssize_t call_sendfile(int out, int in, off_t *offset, size_t count)
{
    /* The kernel says what is wrong with the arguments. */
    if (real.sendfile(out, in, offset, 0) < 0)
        return -errno;
    off_t here = lseek(in, 0, SEEK_CUR);
    if (here < 0)
        return -EINVAL;
    void *buf = buffer_take();
    if (!buf)
        return -ENOMEM;
    off_t pos = offset ? *offset : here;
    ssize_t r = copy_file(out, in, pos, at_most(count, 0x7ffff000), buf);
    buffer_give(buf);
    if (r > 0 && offset)
        *offset = pos + r;
    else if (r > 0)
        lseek(in, pos + r, SEEK_SET);
    return r;
}

/* ---- between a socket and a pipe ---- */

static bool is_pipe(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool has_room(int pipe_fd)
{
    struct pollfd p = {.fd = pipe_fd, .events = POLLOUT};
    return real.poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* Writes to a pipe: what there is room for, and for the first bytes waits if it may. */
static ssize_t fill_pipe(int pipe_fd, const char *buf, size_t len, bool may_wait)
{
    size_t done = 0;
    while (done < len) {
        if (!(may_wait && done == 0) && !has_room(pipe_fd))
            break;
        /* Up to PIPE_BUF bytes go in at once, or not at all. */
        ssize_t n = real.write(pipe_fd, buf + done, at_most(len - done, PIPE_BUF));
        if (n < 0)
            return done ? (ssize_t)done : -errno;
        done += (size_t)n;
    }
    return done ? (ssize_t)done : -EAGAIN;
}

static ssize_t socket_to_pipe(int in, int out, size_t len, unsigned flags, char *buf)
{
    struct iovec iov = {buf, at_most(len, BUFFER_BYTES)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    ssize_t n = call_recv(in, &msg, MSG_PEEK);
    if (n <= 0)
        return n;
    ssize_t r = fill_pipe(out, buf, (size_t)n, !(flags & SPLICE_F_NONBLOCK));
    if (r <= 0)
        return r;
    iov.iov_len = (size_t)r;
    call_recv(in, &msg, MSG_DONTWAIT);
    return r;
}

static ssize_t pipe_to_socket(int in, int out, size_t len, unsigned flags, char *buf)
{
    int copy[2];
    if (pipe2(copy, O_CLOEXEC) < 0)
        return -errno;
    ssize_t r = tee(in, copy[1], at_most(len, BUFFER_BYTES), flags & SPLICE_F_NONBLOCK);
    if (r < 0)
        r = -errno;
    if (r > 0)
        r = real.read(copy[0], buf, (size_t)r);
    real.close(copy[0]);
    real.close(copy[1]);
    if (r <= 0)
        return r;
    r = send_buffer(out, buf, (size_t)r, flags & SPLICE_F_MORE ? MSG_MORE : 0);
    if (r > 0 && real.read(in, buf, (size_t)r) < 0)
        return -errno;
    return r;
}

/* ---- the calls ---- */

static ssize_t call_splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
                           unsigned flags)
{
    bool from_socket = shim_ours(in);
    if (fd_kind(in) == FD_PRIVATE || fd_kind(out) == FD_PRIVATE)
        return -EBADF;
    if (!is_pipe(from_socket ? out : in) || in_at || out_at || len == 0)
        return SHIM_KERNEL; /* which refuses it */
    char *buf = buffer_take();
    if (!buf)
        return -ENOMEM;
    ssize_t r = from_socket ? socket_to_pipe(in, out, len, flags, buf)
                            : pipe_to_socket(in, out, len, flags, buf);
    buffer_give(buf);
    return r;
}

SHIM_EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len,
                           unsigned flags)
{
    if (shim_ours(in) || shim_ours(out)) {
        int saved = errno;
        ssize_t r = call_splice(in, in_at, out, out_at, len, flags);
        errno = saved;
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    shim_need();
    return real.splice(in, in_at, out, out_at, len, flags);
}

/* To a pipe, sendfile() is splice(). */
static ssize_t any_sendfile(int out, int in, off_t *offset, size_t count)
{
    if (fd_kind(in) == FD_PRIVATE || fd_kind(out) == FD_PRIVATE)
        return -EBADF;
    if (shim_ours(out))
        return call_sendfile(out, in, offset, count);
    if (offset || !is_pipe(out))
        return SHIM_KERNEL; /* which refuses a socket */
    return call_splice(in, NULL, out, NULL, count, 0);
}

SHIM_EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    if (shim_ours(out) || shim_ours(in)) {
        int saved = errno;
        ssize_t r = any_sendfile(out, in, offset, count);
        errno = saved;
        if (r != SHIM_KERNEL)
            return shim_ret(r);
    }
    shim_need();
    return real.sendfile(out, in, offset, count);
}

SHIM_EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    _Static_assert(sizeof(off_t) == sizeof(off64_t), "one sendfile for both");
    return sendfile(out, in, (off_t *)offset, count);
}
