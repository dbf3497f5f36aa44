#ifndef DEEP_MODULE_H
#define DEEP_MODULE_H

/* Makes a TCP socket. */
__attribute__((visibility("default"))) int deep_socket(void);

/* Opens a library; its name alone is looked for beside this one, too. */
__attribute__((visibility("default"))) void *deep_open(const char *file);

#endif
