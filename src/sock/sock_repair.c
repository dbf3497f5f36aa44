/*
 * After a process died inside an entry: tables and lists of the sockets are built anew.
 *
 * What is trusted is the order in which a socket is made and let go. A pcb has its owner from its
 * first moment to the call that takes it away, and a socket is freed after that; so the pcbs say
 * which sockets have one, not the other way round. A socket without a pcb was being made or closed,
 * and nobody knows it any more. In the same way a waiter's socket is there as long as the waiter
 * names it, and a sock_rare's as long as both name each other.
 *
 * Everybody who waits is woken and looks again: readiness may have been told to nobody.
 */
#include <poll.h>

#include "sock/sock_int.h"

/* Only the way forward of a list is whole at any moment. */
static void list_mend(struct list *l)
{
    struct list *prev = l;
    for (struct list *n = l->next; n != l; n = n->next) {
        n->prev = prev;
        prev = n;
    }
    l->prev = prev;
}

/* Leads each pcb's owner back to it. */
static void join_pcbs(struct stack *st)
{
    for (struct sock *so = NULL; (so = slab_next(&st->socks, so));) {
        so->tcp = NULL;
        so->udp = NULL;
    }
    for (struct tcp_pcb *p = NULL; (p = slab_next(&st->tcp.pcbs, p));) {
        struct sock *so = tcp_owner(p);
        if (so)
            so->tcp = p;
    }
    for (struct udp_pcb *p = NULL; (p = slab_next(&st->udp.pcbs, p));) {
        struct sock *so = p->owner;
        if (so)
            so->udp = p;
    }
}

static void repair_rares(struct stack *st)
{
    struct sock_rare *next;
    for (struct sock_rare *r = slab_next(&st->rares, NULL); r; r = next) {
        next = slab_next(&st->rares, r);
        if (!r->so || r->so->rare != r) { /* being made, or let go */
            slab_free(&st->rares, r);
            continue;
        }
        list_mend(&r->groups);
        list_mend(&r->errors);
        r->nerrors = 0;
        LIST_FOREACH (n, &r->errors)
            r->nerrors++;
        /* A datagram that was being put together is lost. */
        ring_clear(&r->cork);
        r->corked = false;
    }
}

/* Sockets without a pcb still count here: their waiters are left as after sock_close(). */
static void repair_waiters(struct stack *st)
{
    for (struct proc *p = NULL; (p = slab_next(&st->procs, p));)
        list_init(&p->fired);
    for (struct sock *so = NULL; (so = slab_next(&st->socks, so));)
        list_init(&so->waiters);
    for (struct waiter *w = NULL; (w = slab_next(&st->waiters, w));) {
        list_init(&w->on_sock);
        list_init(&w->on_fired);
        if (!w->sock || !w->proc)
            continue;
        if (w->sock->tcp || w->sock->udp)
            list_push(&w->sock->waiters, &w->on_sock);
        else
            w->sock = NULL;
        w->fired |= POLLIN | POLLOUT;
        list_push(&w->proc->fired, &w->on_fired);
        w->proc->doorbell = true;
        st->any_doorbell = true;
    }
}

static void repair_socks(struct stack *st)
{
    struct sock *next;
    hash_reset(&st->by_cookie);
    for (struct sock *so = slab_next(&st->socks, NULL); so; so = next) {
        next = slab_next(&st->socks, so);
        if (so->tcp || so->udp) {
            sock_insert(so);
            continue;
        }
        if (so->stack)
            sock_opt_release(so);
        slab_free(&st->socks, so);
        st->sock_frees++;
    }
}

void sock_repair(struct stack *st)
{
    slab_rebuild(&st->socks);
    slab_rebuild(&st->rares);
    slab_rebuild(&st->waiters);
    slab_rebuild(&st->procs);
    join_pcbs(st);
    repair_rares(st);
    repair_waiters(st);
    repair_socks(st);
}
