/* Questions to the kernel's routing tables (rtnetlink), one socket a question. No memory is
 * allocated. */
#ifndef SHIM_IO_RTNL_H
#define SHIM_IO_RTNL_H

#include <libmnl/libmnl.h>
#include <stddef.h>

#define RTNL_REQUEST_BYTES 256u

/* Starts a request of this type in buf (RTNL_REQUEST_BYTES): header and a zero-filled body of
 * body_bytes, which the caller may fill. flags: NLM_F_DUMP or 0. */
struct nlmsghdr *rtnl_request(void *buf, int type, int flags, size_t body_bytes);
/* Sends the request and calls fn with each message of the answer; fn returns MNL_CB_OK, or
 * MNL_CB_ERROR with errno set to end it. 0, or -errno: the kernel's, or fn's, or -EAGAIN when the
 * table changed while it was read (ask again; what fn has seen is worth nothing). */
int rtnl_ask(struct nlmsghdr *request, mnl_cb_t fn, void *arg);
/* rtnl_ask() for a dump of this type and family, asked again when the table changed meanwhile:
 * start(arg) is called before each attempt. */
int rtnl_dump(int type, int family, size_t body_bytes, void (*start)(void *arg), mnl_cb_t fn,
              void *arg);

#endif
