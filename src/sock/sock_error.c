/*
 * The error queue (MSG_ERRQUEUE): what came back about what was sent.
 *
 * A UDP's is its pcb's, filled with IP_RECVERR only. A TCP gets ICMP errors about its SYN, whether
 * it asked for them or not, as in Linux; they stand in sock_rare, and so do the notes of
 * MSG_ZEROCOPY, which are no more than two numbers. Whoever takes an ICMP error from the queue
 * takes the pending error with it: the next one's takes its place (Linux's sock_dequeue_err_skb()).
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "sock/sock_msg.h"

#define ERRORS_MAX 64

static struct udp_error *first_of_tcp(const struct sock *so)
{
    struct list *n = so->rare ? list_first(&so->rare->errors) : NULL;
    return n ? container_of(n, struct udp_error, node) : NULL;
}

struct udp_error *sock_error_first(const struct sock *so)
{
    return so->tcp ? first_of_tcp(so) : udp_peek_error(so->udp);
}

bool sock_error_zerocopy(const struct sock *so)
{
    return so->rare && so->rare->zerocopy_first != so->rare->zerocopy_next;
}

uint32_t sock_error_poll(const struct sock *so)
{
    if (!sock_error_first(so) && !sock_error_zerocopy(so))
        return 0;
    return POLLERR | (sock_has(so, SOCK_BIT_SELECT_ERR_QUEUE) ? POLLPRI : 0);
}

void sock_error_icmp(struct sock *so, const struct icmp_error *icmp)
{
    struct sock_rare *r = sock_rare(so);
    size_t bytes = sizeof(struct udp_error) + icmp->l4_len;
    struct udp_error *e;
    if (!r || r->nerrors >= ERRORS_MAX)
        return;
    e = arena_alloc(so->stack->net.arena, bytes);
    if (!e)
        return;
    udp_error_init(e, icmp, so->stack->net.now_us);
    e->dst.port = tcp_remote(so->tcp)->port;
    e->block_bytes = (uint32_t)bytes;
    e->len = (uint32_t)icmp->l4_len;
    memcpy(e->data, icmp->l4, icmp->l4_len);
    list_push(&r->errors, &e->node);
    r->nerrors++;
}

static void drop_of_tcp(struct sock *so, struct udp_error *e)
{
    list_remove(&e->node);
    so->rare->nerrors--;
    arena_free(so->stack->net.arena, e, e->block_bytes);
}

void sock_error_drop(struct sock *so)
{
    struct udp_error *e = sock_error_first(so);
    if (so->udp) {
        udp_drop_first_error(&so->stack->udp, so->udp);
        return;
    }
    drop_of_tcp(so, e);
    e = first_of_tcp(so);
    tcp_set_error(so->tcp, e ? e->err : 0);
}

void sock_error_purge(struct sock *so)
{
    struct udp_error *e;
    if (so->udp) {
        int error = so->udp->error; /* stays */
        while (udp_peek_error(so->udp))
            udp_drop_first_error(&so->stack->udp, so->udp);
        so->udp->error = error;
    }
    while ((e = first_of_tcp(so)))
        drop_of_tcp(so, e);
    if (so->rare)
        so->rare->zerocopy_first = so->rare->zerocopy_next;
}
