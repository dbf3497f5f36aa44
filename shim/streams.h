/* stdio on sockets of ours. */
#ifndef SHIM_STREAMS_H
#define SHIM_STREAMS_H

/* The descriptor fd became something else: keeps stdin, stdout and stderr in step with 0, 1 and 2.
 * The caller is not inside. */
void streams_follow(int fd);
/* At exit, before the stack goes: sends what is still in the buffers. */
void streams_flush(void);
/* After fork(), in the child. */
void streams_fork_child(void);

#endif
