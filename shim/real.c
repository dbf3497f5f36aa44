/* The look-up of the real calls: the next definition after ours in the order of the program's
 * libraries. */
#include <dlfcn.h>
#include <string.h>

#include "real.h"

struct real_calls real;

static void look_up(const char *name, void *pointer)
{
    void *call = dlsym(RTLD_NEXT, name);
    memcpy(pointer, &call, sizeof(call)); /* POSIX: the representations are the same */
}

void real_init(void)
{
#define CALL(name) look_up(#name, &real.name);
#include "calls.def"
#undef CALL
}
