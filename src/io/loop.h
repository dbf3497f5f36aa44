/*
 * The libev loop: a watcher for each of the engine's descriptors. The only user of libev.
 *
 * Callbacks run under the stack's lock, within an entry: from loop_run(), or from loop_dispatch()
 * by a thread that knows already, from its own wait, which descriptors are ready.
 */
#ifndef SHIM_IO_LOOP_H
#define SHIM_IO_LOOP_H

struct loop;

enum loop_source { LOOP_LINK, LOOP_TIMER, LOOP_DOORBELL, LOOP_CLOSED, LOOP_HOSTNET, LOOP_SOURCES };

/* NULL when out of memory. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* fn runs when fd is readable. */
void loop_watch(struct loop *l, enum loop_source s, int fd, void (*fn)(void));
/* Asks the kernel which descriptors are ready, and runs their functions. */
void loop_run(struct loop *l);
/* Runs the function of one that is known to be ready. */
void loop_dispatch(struct loop *l, enum loop_source s);

/*
 * libev makes a descriptor of its own, which must not stay at a low number. While one is being made
 * in this thread, loop_creating is set, and libshim.so's epoll_create1() passes the new descriptor
 * through loop_new_fd().
 */
extern __thread int loop_creating;
int loop_new_fd(int fd);

#endif
