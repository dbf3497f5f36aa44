/*
 * The lock of a family's stack: shared by processes, each of which may be killed while it holds it
 * or waits for it. Who comes next finds what it guards torn, and repairs it.
 */
#ifndef SHIM_IO_ROBUST_H
#define SHIM_IO_ROBUST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct robust {
    pthread_mutex_t mutex; /* process-shared, robust */
    bool torn;             /* an owner died; under the mutex */
};

/* Prepares r, in shared memory. 0 or -errno. */
int robust_init(struct robust *r);
/* Takes the lock. True: an owner died, and what r guards is to be repaired; said to everybody who
 * comes until robust_mended(). */
bool robust_lock(struct robust *r);
/* The same, for at most us microseconds, for somebody who only looks: what r->torn says is left to
 * others. 0 or -ETIMEDOUT. */
int robust_lock_within(struct robust *r, uint64_t us);
/* By the lock's owner: the repair is done. */
void robust_mended(struct robust *r);
void robust_unlock(struct robust *r);

/* Lets the other thread of this core go ahead, in a loop that waits. */
void robust_relax(void);

#endif
