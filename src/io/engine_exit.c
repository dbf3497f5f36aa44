/* The end of a process: what its connections still have to send is sent. */

#include "io/clock.h"
#include "io/engine_int.h"

#define LINGER_US 20000000u

/* Does a connection still wait for the peer to acknowledge data or FIN? */
static bool unfinished(const struct tcp *tcp)
{
    for (struct tcp_pcb *p = slab_next(&tcp->pcbs, NULL); p; p = slab_next(&tcp->pcbs, p)) {
        enum tcp_state s = tcp_state(p);
        if (s == TCP_FIN_WAIT_1 || s == TCP_CLOSING || s == TCP_LAST_ACK)
            return true;
    }
    return false;
}

void engine_exit(void)
{
    struct stack *st;
    uint64_t deadline;
    bool more;

    if (!engine.running || engine.stale || keeper_is_running(&engine.sh->keeper))
        return;
    st = engine_enter();
    deadline = clock_now_us() + LINGER_US;
    if (st->procs.live == 1) { /* nobody else can hold a descriptor of ours */
        struct sock *so, *next;
        for (so = slab_next(&st->socks, NULL); so; so = next) {
            next = slab_next(&st->socks, so);
            sock_close(so);
        }
    }
    more = unfinished(&st->tcp);
    engine_leave();
    while (more && clock_now_us() < deadline) {
        uint32_t never = 0;
        (void)engine_wait(&never, clock_now_us() + 1000);
        st = engine_enter();
        more = unfinished(&st->tcp);
        engine_leave();
    }
}
