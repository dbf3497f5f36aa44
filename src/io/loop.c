#include "io/loop.h"

#include <ev.h>
#include <stdlib.h>

#include "io/engine.h"

struct loop {
    struct ev_loop *ev;
    int hidden_fd; /* libev's own; -1: it was not hidden */
    struct source {
        ev_io io;
        void (*fn)(void);
    } sources[LOOP_SOURCES];
};

__thread int loop_creating;
static __thread int hidden_fd;

int loop_new_fd(int fd)
{
    int hidden = engine_fd_hide(fd);
    if (hidden < 0)
        return fd;
    hidden_fd = hidden;
    return hidden;
}

static void on_readable(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    (void)revents;
    struct source *s = (struct source *)w->data;
    s->fn();
}

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    hidden_fd = -1;
    loop_creating = 1;
    l->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    loop_creating = 0;
    l->hidden_fd = hidden_fd;
    if (!l->ev) {
        free(l);
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
    engine_fd_adopt(l->hidden_fd, false);
    ev_loop_destroy(l->ev);
    free(l);
}

void loop_watch(struct loop *l, enum loop_source s, int fd, void (*fn)(void))
{
    struct source *src = &l->sources[s];
    src->fn = fn;
    ev_io_init(&src->io, on_readable, fd, EV_READ);
    src->io.data = src;
    ev_io_start(l->ev, &src->io);
}

void loop_run(struct loop *l)
{
    ev_run(l->ev, EVRUN_NOWAIT);
}

void loop_dispatch(struct loop *l, enum loop_source s)
{
    if (!ev_is_active(&l->sources[s].io))
        return;
    ev_feed_event(l->ev, &l->sources[s].io, EV_READ);
    ev_invoke_pending(l->ev);
}
