/*
 * The host's key for initial sequence numbers and timestamps.
 *
 * They rise over all connections between the same two ends (RFC 6528 3, RFC 6191 2): a new
 * connection is then welcome to a peer that still has the old one in TIME_WAIT. The two often
 * belong to different programs, or to one that was started again; each has a stack of its own, but
 * borrows the same address and ports. So the secret behind those numbers is the host's, as it is in
 * a kernel: a file that lives as long as the boot, for the clock begins anew with it too.
 */
#include "io/host_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static bool is_safe(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077) &&
           (st.st_uid == 0 || st.st_uid == geteuid());
}

static int read_key(const char *path, struct siphash_key *key)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int err = 0;

    if (fd < 0)
        return -errno;
    if (!is_safe(fd)) {
        log_warn("%s is not used: it should be a file of root with mode 600", path);
        err = -EPERM;
    } else if (read(fd, key, sizeof(*key)) != (ssize_t)sizeof(*key)) {
        err = -EIO;
    }
    close(fd);
    return err;
}

/* The file appears under its name with all that is in it. -EEXIST: another was quicker. */
static int make_key(const char *path)
{
    struct siphash_key key;
    char dir[256], self[40];
    const char *slash = strrchr(path, '/');
    int err = 0;

    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key) ||
        write(fd, &key, sizeof(key)) != (ssize_t)sizeof(key))
        err = -EIO;
    else if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
        err = -errno;
    close(fd);
    return err;
}

bool host_key_get(const char *path, struct siphash_key *key)
{
    int err = read_key(path, key);

    if (err == -ENOENT) {
        err = make_key(path);
        if (err == 0 || err == -EEXIST)
            err = read_key(path, key);
    }
    if (err == 0)
        return true;
    log_info("no key of the host in %s (error %d): sequence numbers begin anew", path, -err);
    while (getrandom(key, sizeof(*key), 0) != (ssize_t)sizeof(*key))
        ;
    return false;
}
