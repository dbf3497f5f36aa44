/* The mapping behind an arena: a memfd at the same address in every process of a family. */
#ifndef SHIM_IO_ARENA_MAP_H
#define SHIM_IO_ARENA_MAP_H

#include "base/arena.h"

struct arena_map {
    int fd; /* of the memfd; the holder hides and closes it */
    void *base;
    size_t size;
};

/* Makes a fresh mapping, sparse and zero-filled, at the fixed address, as large as the process's
 * limits allow (64 GB at most, 64 MB at least). 0; -ENOMEM, -EEXIST (the address is taken), or
 * another -errno. */
int arena_map_create(struct arena_map *m);
/* The same in two steps: an empty memfd, at any number (-errno: none), and its mapping, which may
 * be tried again. */
int arena_map_open(void);
int arena_map_format(struct arena_map *m, int fd);
/* Maps an existing memfd at its address. 0 or -errno. */
int arena_map_attach(struct arena_map *m, int fd);
/* Gives back the memory of idle page runs, at most max of them. Within an entry. */
void arena_map_trim(struct arena *a, int max);

#endif
