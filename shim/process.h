/* The life of the process: fork, exec, exit. */
#ifndef SHIM_PROCESS_H
#define SHIM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Hangs our hooks into fork and the end of threads. Once. */
void process_init(void);
/* In a new image: finds the stack that the environment names, and what descriptors were inherited.
 */
void exec_init(void);
/* Was a stack inherited, and not joined yet? */
bool exec_is_heir(void);
/* Did sockets come with exec that may be of a stack? */
bool exec_has_inherited(void);
/* Joins it. 0, or -errno with one line in why. */
int exec_join(char *why, size_t why_bytes);
/* Has the process the right to open packet sockets? And would what it executes have it? */
bool privilege_is_held(void);
bool privilege_survives_exec(void);
/* Reserves what it would then be without. */
void privilege_reserve_for_exec(void);
/* A system call that may take it away, by its number. */
long privilege_syscall(long n, long a, long b, long c);
/* prctl() or seccomp(), by its number: it may lock the process into a sandbox. */
long privilege_sandbox(long n, long a, long b, long c, long d, long e);
/* Is it a fork that the program makes by a system call's number and arguments? And makes it. */
bool process_syscall_forks(long n, long a, long b);
long process_fork_syscall(long n, long a, long b, long c, long d, long e);
/* Keeps others from starting the stack at the same time, and fork from happening meanwhile. */
void process_lock(void);
void process_unlock(void);
/* engine_hooks.fd_private */
void process_fd_private(int fd, bool is_private);
/* Has this thread its waiter freed when it ends. */
void process_watch_thread(void);

#endif
