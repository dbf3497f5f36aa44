/*
 * Relatives: a program and what it executes, with a Unix socket between them, hand sockets to each
 * other (the workers of node's cluster do), so they are to have one stack, whoever of them is the
 * first to need it. Before there is one, what is executed gets a name for it in its environment,
 * and a secret to be let in with.
 *
 * The name is of one process. A child of fork() has one of its own, in case it goes on by itself;
 * but when it executes a program, that is its parent's relative.
 */
#ifndef SHIM_KIN_H
#define SHIM_KIN_H

#include <stdbool.h>
#include <stddef.h>

/* In a new image: takes the name from the environment, or makes one. */
void kin_init(void);
/* Before fork(), and after it in the child. */
void kin_forks(void);
void kin_forked(void);
/* The variable for what is about to be executed, written to text (KIN_TEXT_BYTES); false: it is no
 * relative. spawns: by posix_spawn(), nobody knows with which descriptors. */
#define KIN_TEXT_BYTES 64
bool kin_tell(char *text, size_t bytes, bool spawns);
/* Is this string of an environment that variable? */
bool kin_is_variable(const char *text);

#endif
