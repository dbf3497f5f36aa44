/* A library that preload_prog opens with RTLD_DEEPBIND. */
#include <dlfcn.h>
#include <sys/socket.h>

#include "deep_module.h"

int deep_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

void *deep_open(const char *file)
{
    void *volatile lib = dlopen(file, RTLD_NOW); /* called, not jumped to: it looks at its caller */
    return lib;
}
