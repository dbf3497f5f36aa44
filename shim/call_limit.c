/*
 * RLIMIT_AS. The arena takes a large range of addresses, most of which nobody ever touches, and the
 * kernel counts all of it. A server that limits itself, or its children, to some hundred megabytes
 * would have nothing left. So the limit that it means is set that much higher, and told that much
 * lower.
 */
#include <dlfcn.h>
#include <sys/resource.h>

#include "shim.h"

/* AddressSanitizer limits itself when it starts, before instrumented code can run: what it comes
 * by is not instrumented, and leaves the rest of libshim alone. */
#define EARLY __attribute__((no_sanitize("address", "undefined")))

static EARLY int early(pid_t pid, int resource, const struct rlimit *set, struct rlimit *get)
{
    int (*next)(pid_t, int, const struct rlimit *, struct rlimit *) =
        (__typeof__(next))dlsym(RTLD_NEXT, "prlimit");
    return next(pid, resource, set, get);
}

_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one body for both");

/* By how much a limit of this process's differs from what the program means. */
static rlim_t extra(pid_t pid, int resource)
{
    if (resource != RLIMIT_AS || shim_inside() || !engine_running())
        return 0;
    return pid == 0 || pid == getpid() ? engine_map_bytes() : 0;
}

static rlim_t add(rlim_t limit, rlim_t by)
{
    return limit < RLIM_INFINITY - by ? limit + by : RLIM_INFINITY;
}

/* (One that is lower is older than the stack.) */
static rlim_t subtract(rlim_t limit, rlim_t by)
{
    return limit == RLIM_INFINITY || limit < by ? limit : limit - by;
}

/* set, get: may be NULL. 0, or -1 and errno. */
static int limit_as(const struct rlimit *set, struct rlimit *get, rlim_t by)
{
    struct rlimit more = {0};
    if (set)
        more = (struct rlimit){add(set->rlim_cur, by), add(set->rlim_max, by)};
    int r = real.prlimit(0, RLIMIT_AS, set ? &more : NULL, get);
    if (r == 0 && get)
        *get = (struct rlimit){subtract(get->rlim_cur, by), subtract(get->rlim_max, by)};
    return r;
}

SHIM_EXPORT EARLY int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *set,
                              struct rlimit *get)
{
    if (!shim_ready)
        return early(pid, (int)resource, set, get);
    rlim_t by = extra(pid, (int)resource);
    return by ? limit_as(set, get, by) : real.prlimit(pid, resource, set, get);
}

SHIM_EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *set,
                          struct rlimit64 *get)
{
    return prlimit(pid, resource, (const struct rlimit *)set, (struct rlimit *)get);
}

SHIM_EXPORT EARLY int getrlimit(__rlimit_resource_t resource, struct rlimit *get)
{
    if (!shim_ready)
        return early(0, (int)resource, NULL, get);
    rlim_t by = extra(0, (int)resource);
    return by ? limit_as(NULL, get, by) : real.getrlimit(resource, get);
}

SHIM_EXPORT int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *get)
{
    return getrlimit(resource, (struct rlimit *)get);
}

SHIM_EXPORT EARLY int setrlimit(__rlimit_resource_t resource, const struct rlimit *set)
{
    if (!shim_ready)
        return early(0, (int)resource, set, NULL);
    rlim_t by = extra(0, (int)resource);
    return by ? limit_as(set, NULL, by) : real.setrlimit(resource, set);
}

SHIM_EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *set)
{
    return setrlimit(resource, (const struct rlimit *)set);
}
