/*
 * The engine: one a process. It holds the process's view of the stack: the arena's mapping, the
 * lock, the libev loop with the links, the deadline timer, the last-close events and the doorbell,
 * and the service thread.
 *
 * Everything here calls libc. In libshim.so the caller must be marked as inside (shim/thread.h), so
 * that those calls go straight to the kernel.
 *
 * Waiting. Any thread may run the loop, one at a time. A thread that waits in a socket call waits
 * for the engine's descriptors itself and runs the loop when they are ready; when none waits, the
 * service thread does. The descriptors are registered with EPOLLEXCLUSIVE in every epoll instance
 * that somebody waits in, the service thread's last, so that the kernel wakes a waiting thread of
 * the program if there is one, and the service thread otherwise.
 */
#ifndef SHIM_IO_ENGINE_H
#define SHIM_IO_ENGINE_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "io/config.h"
#include "stack.h"

/*
 * What the engine tells the owner of the process's threads and descriptors (libshim.so); set before
 * engine_start().
 *
 * Sleeping. A thread that is about to sleep in the kernel (engine_wait, engine_poll; not the
 * service thread) holds nothing of the engine: no lock, no place in a count or a list that would
 * have to be undone. It calls sleep_begin(&timeout), then the system call itself with that very
 * timespec (not through libc's wrapper, which would copy it; without limit: a huge one), then
 * sleep_end(). Between the two the program's signal handlers run, and may never come back
 * (siglongjmp, thread cancellation). A handler that runs zeroes *timeout, so that none is missed
 * between the last look and the sleep. sleep_end() is true when a handler ran: the wait ends with
 * -EINTR.
 */
struct engine_hooks {
    void (*thread_start)(void); /* first thing in a thread that the engine made */
    void (*sleep_begin)(struct timespec *timeout);
    bool (*sleep_end)(void);
    void (*fd_private)(int fd,
                       bool is_private); /* fd became, or is no more, one of the engine's own */
};
void engine_set_hooks(
    const struct engine_hooks *hooks); /* borrowed for ever; without: none is called */

/* A name for a stack that relatives are to share, and a secret that lets them in; both not 0. */
struct engine_kin {
    uint64_t name, secret;
};
/* Relatives may know kin from now on (NULL: none does): a stack in host mode is theirs, too. */
void engine_set_kin(const struct engine_kin *kin);

/* Starts the stack of this process with c (first call), or joins the one inherited from a parent.
 * 0, or -errno with one line in why: -EPERM (no CAP_NET_RAW), -ENODEV (no such interface),
 * -ENETDOWN, -ENOMEM ... */
int engine_start(const struct config *c, char *why, size_t why_bytes);
bool engine_running(void);
const struct config *engine_config(void);
/* The range of addresses that the stack's memory takes, used or not. */
size_t engine_map_bytes(void);
/* Is the stack borrowing the kernel's addresses (ports are to be guarded)? */
bool engine_host_mode(void);
/* Must this destination, or local address to bind to, be left to the kernel (IPv6, loopback, and in
 * host mode the host's own addresses as destination)? */
bool engine_is_kernel_destination(const struct ip_addr *dst);

/* Takes the stack's lock, opens an entry at the present time, and takes in frames that have come.
 * Not recursive. Repairs the stack if the last owner died. */
struct stack *engine_enter(void);
/* Ends the entry: output, timer, unlock, then wakes fired waiters (futex; epoll through the notify
 * function). */
void engine_leave(void);
struct proc *engine_proc(void); /* this process's record; stable while it lives */
/* A thread that has waited is about to end. */
void engine_thread_end(void);

/* Waits until *word is not 0, the deadline (TIMER_NEVER: none) has passed, or a signal handler ran;
 * runs the stack meanwhile. Not inside an entry. 0, -ETIMEDOUT, -EINTR. A cancellation point. */
int engine_wait(uint32_t *word, uint64_t deadline_us);
/* The same while polling kernel descriptors. n may be 0. sigmask: as ppoll's, or NULL. The count of
 * ready ones (revents filled), 0 when *word was set or at the deadline, -EINTR, or poll's other
 * -errno. */
int engine_poll(struct pollfd *fds, nfds_t n, uint32_t *word, uint64_t deadline_us,
                const sigset_t *sigmask);

/* Makes a program's epoll instance wake for the engine: its descriptors are added with this tag as
 * data. The one who gets an event with the tag calls engine_run() and looks again. 0 or -errno. */
#define ENGINE_EPOLL_TAG 0x5348494d454e4731ull
int engine_epoll_attach(int epfd);
void engine_epoll_detach(int epfd);
/* A thread is about to sleep in such an instance. True: there is news already, which engine_run()
 * brings; *id is for engine_sleeps_no_more(), when the sleep is over. */
bool engine_sleeps(uint32_t *id);
void engine_sleeps_no_more(uint32_t id);
/* Is there such news? */
bool engine_is_rung(void);
/* From now on threads of this process sleep where they do not say engine_sleeps(). */
void engine_always_ring(void);
/* Runs the loop once without waiting: input, timers, last-close events, doorbell. */
void engine_run(void);
/* Called after the lock is released for each fired waiter of kind WAITER_EPOLL of this process
 * (w->item says which; w->fired holds the bits). The waiter may have been freed meanwhile: only the
 * item is passed. fn's answer: may this wake a thread that does not wait for the engine's
 * descriptors itself? */
void engine_set_epoll_notify(bool (*fn)(void *item, uint32_t fired));

/* The same for waiters of kind WAITER_SIGNAL, with the cookie of the socket, or 0 when it is
 * closed. */
void engine_set_signal_notify(void (*fn)(void *item, uint64_t cookie, uint32_t fired));

/* Moves fd to a high number that the program will not meet, close-on-exec, and remembers it as
 * private; the new number or -errno. */
int engine_fd_hide(int fd);
/* The same for what a system call has just returned: on failure fd is closed, and when it is
 * negative the answer is -errno. */
int engine_fd_take(int fd);
/* Closes a descriptor that engine_fd_hide() returned, and forgets it. Also in a child of fork(),
 * for an inherited one. */
void engine_fd_close(int fd);
bool engine_fd_is_private(int fd);

/* fork(): call prepare before, and parent or child after. The child gets a loop, a proc record and
 * a service thread of its own (the thread when it first needs one) on the shared stack. */
void engine_fork_prepare(void);
void engine_fork_parent(void);
void engine_fork_child(void);

/*
 * The process is about to enter a sandbox that may forbid it all system calls but the few that
 * hardly any program can do without (engine_confine.c). engine_unconfine(): it did not.
 * engine_settle(): it is about to lose rights; what a child of fork() has put off is done now.
 */
void engine_confine(void);
void engine_unconfine(void);
void engine_settle(void);

/* exec: the descriptors that the new image needs to go on with this stack. */
struct engine_heirloom {
    int arena, rx, tx;
};
/* Those of the running stack, or of the reserve; false: there is neither. */
bool engine_heirloom(struct engine_heirloom *h);
/* Is it a reserve, of which nobody has made a stack yet? */
bool engine_is_unmade(const struct engine_heirloom *h);

/*
 * The reserve: what engine_start() needs when the process may not open packet sockets any more.
 * engine_reserve() opens it, cheaply, unless there is a stack or a reserve: 0 or -errno.
 * engine_reserve_release() closes it. engine_reserve_adopt(): it was inherited (and hidden since:
 * engine_fd_adopt()). The caller keeps engine_start() from running at the same time.
 */
int engine_reserve(void);
void engine_reserve_release(void);
void engine_reserve_adopt(const struct engine_heirloom *h);
bool engine_reserve_is_held(void);
/* Starts with the stack of the image before exec, whose descriptors were inherited (and hidden
 * since: engine_fd_adopt()); the family's configuration holds. 0, or -errno with one line in why.
 */
int engine_join(const struct engine_heirloom *h, char *why, size_t why_bytes);
/*
 * Starts with the stack that the socket fd is of, if it lets us in: that of another process of this
 * user, in this network namespace; the family's configuration holds. One of this process's own is
 * given up for it, if nothing has come of that. 0; -ENOENT: it is no stack's socket, as far as can
 * be told; or, with one line in why, -EXDEV: it is of another stack than this process's own; or
 * another -errno.
 */
int engine_join_by(int fd, char *why, size_t why_bytes);
/* Remembers fd, at whatever number it is, as private; or leaves it to the program again. */
void engine_fd_adopt(int fd, bool is_private);
/*
 * Waits until no other thread of this process is in an entry, and keeps them out: exit and exec end
 * threads wherever they are, and one that ends in an entry leaves the stack to be repaired. The
 * calling thread may go on using the engine. engine_thaw(): exec failed.
 */
void engine_freeze(void);
void engine_thaw(void);
/*
 * The service thread ends, so that the process has the program's own threads only: around calls
 * that libc makes in every thread, or that the kernel refuses to a process with threads. True when
 * it did; then engine_service_resume() makes a new one, with the caller's identity. The caller
 * keeps fork and other starts away, and is in no entry.
 */
bool engine_service_pause(void);
void engine_service_resume(void);
/* exit: called with the process about to go. */
void engine_exit(void);

#endif
