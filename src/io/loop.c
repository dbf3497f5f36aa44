#include "io/loop.h"

#include <ev.h>
#include <stdlib.h>

#include "io/engine.h"

struct loop {
    struct ev_loop *ev;
    struct source {
        ev_io io;
        void (*fn)(void);
    } sources[LOOP_SOURCES];
};

__thread int loop_creating;

int loop_new_fd(int fd)
{
    int hidden = engine_fd_hide(fd);
    return hidden < 0 ? fd : hidden;
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
    loop_creating = 1;
    l->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    loop_creating = 0;
    if (!l->ev) {
        free(l);
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
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

void loop_unwatch(struct loop *l, enum loop_source s)
{
    if (ev_is_active(&l->sources[s].io))
        ev_io_stop(l->ev, &l->sources[s].io);
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
