/* Questions to the kernel's routing tables (rtnetlink), one socket a question. No memory is
 * allocated. */
#ifndef SHIM_IO_RTNL_H
#define SHIM_IO_RTNL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
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

/* Walks the attributes within n bytes at p, and those behind the body of a message. */
#define RTNL_FOREACH_IN(attr, p, n)                                                                \
    for (const struct nlattr *attr = (const void *)(p), *attr##_end = rtnl_after(attr, (n));       \
         rtnl_attr_ok(attr, attr##_end); attr = mnl_attr_next(attr))
#define RTNL_FOREACH(attr, nlh, body_bytes)                                                        \
    RTNL_FOREACH_IN (attr, mnl_nlmsg_get_payload_offset((nlh), (body_bytes)),                      \
                     mnl_nlmsg_get_payload_len(nlh) - MNL_ALIGN(body_bytes))

static inline const void *rtnl_after(const void *p, size_t n)
{
    return (const char *)p + n;
}
static inline bool rtnl_attr_ok(const struct nlattr *attr, const struct nlattr *end)
{
    return mnl_attr_ok(attr, (int)((const char *)end - (const char *)attr));
}

#endif
