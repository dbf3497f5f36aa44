/* Link drivers: where frames come from and go to. Process-private. */
#ifndef SHIM_IO_LINK_H
#define SHIM_IO_LINK_H

#include "stack.h"

struct link;

struct link_ops {
    const char *name;
    /* Feeds up to budget waiting frames to stack_input(); the number fed. Within an entry. */
    int (*receive)(struct link *l, struct stack *st, int budget);
    /* As net_env.output. */
    int (*output)(struct link *l, const struct frame *f);
    void (*close)(struct link *l);
};

struct link {
    const struct link_ops *ops;
    struct netif *nif; /* in the arena */
    int rx_fd;         /* readable when frames wait */
    int tx_fd;
    bool plain; /* only read() and write() may be called: the process is in a sandbox */
};

#endif
