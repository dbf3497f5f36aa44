/* The secret that all stacks of this host share, so that one goes on where another ended. */
#ifndef SHIM_IO_HOST_KEY_H
#define SHIM_IO_HOST_KEY_H

#include <stdbool.h>

#include "base/rng.h"

#define HOST_KEY_PATH "/run/libshim.key"

/*
 * Reads the key from path, and makes it first if it is not there. The file must belong to the
 * caller or to root, and be nobody else's to read or write. Never fails: where there is no such
 * file and none can be made, the key is random, and *key good for this stack alone. False then.
 */
bool host_key_get(const char *path, struct siphash_key *key);

#endif
