#include "kin.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "io/engine.h"
#include "process.h"
#include "shim.h"

#define NAME     "LIBSHIM_KIN="
#define NAME_LEN (sizeof(NAME) - 1)
#define LOOK_AT  64 /* descriptors among which a channel is looked for */

static struct engine_kin own;     /* of this process */
static struct engine_kin parents; /* of the process that forked it */
static bool is_forked;            /* then the next image is the parent's child */

static void make(struct engine_kin *kin)
{
    if (getrandom(kin, sizeof(*kin), GRND_NONBLOCK) != sizeof(*kin))
        *kin = (struct engine_kin){0};
}

void kin_init(void)
{
    const char *value = getenv("LIBSHIM_KIN");
    unsigned long long name, secret;

    if (value && sscanf(value, "%16llx%16llx", &name, &secret) == 2) {
        own = (struct engine_kin){name, secret};
        engine_set_kin(&own);
    } else {
        make(&own);
    }
    if (value)
        unsetenv("LIBSHIM_KIN");
}

void kin_forks(void)
{
    engine_set_kin(&own);
}

void kin_forked(void)
{
    parents = own;
    is_forked = true;
    make(&own);
    engine_set_kin(NULL);
}

/* Is there a socket to talk to other processes among what the next image inherits? spawns: of what
 * is close-on-exec it may get copies. */
static bool passes_channel_on(bool spawns)
{
    for (int fd = 0; fd < LOOK_AT; fd++) {
        int domain = 0, flags = real.fcntl(fd, F_GETFD);
        socklen_t len = sizeof(domain);
        if (flags >= 0 && (spawns || !(flags & FD_CLOEXEC)) &&
            real.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX)
            return true;
    }
    return false;
}

bool kin_tell(char *text, size_t bytes, bool spawns)
{
    bool child_of_ours = spawns || shim_is_vfork_child();
    const struct engine_kin *kin = is_forked && !child_of_ours ? &parents : &own;
    int saved = errno;
    bool tell = kin->name != 0 && passes_channel_on(spawns);

    errno = saved;
    if (!tell)
        return false;
    if (child_of_ours)
        engine_set_kin(&own);
    snprintf(text, bytes, NAME "%016llx%016llx", (unsigned long long)kin->name,
             (unsigned long long)kin->secret);
    return true;
}

bool kin_is_variable(const char *text)
{
    return strncmp(text, NAME, NAME_LEN) == 0;
}
