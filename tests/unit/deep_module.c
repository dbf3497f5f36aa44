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
    return dlopen(file, RTLD_NOW);
}
