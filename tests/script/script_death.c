/*
 * A process dies inside the stack: at many places of a few scripts, tcp_repair() must leave a TCP
 * in which everything can be ended in order.
 *
 * The script runs in a child, one instruction at a time, on shared memory. At each place tried the
 * parent does what the next owner would do, then puts the memory back as it was.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "script.h"

#define WORLD_BYTES  (2u << 20)
#define USED_BYTES   (1u << 20) /* what a script touches, at most */
#define STEP_OF_OURS 61         /* instructions between the places tried */

static const struct step life[] = {
    PASSIVE_OPEN,
    IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
    OUT(.f = ACK, .seq = 1, .ack = 1),
    IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
    OUT(.f = ACK, .seq = 1, .ack = 201),
    RECV(150),
    SEND(2000),
    OUT(.f = ACK, .seq = 1, .ack = 201, .len = 1460),
    OUT(.f = ACK | PSH, .seq = 1461, .ack = 201, .len = 540),
    IN(.f = ACK, .seq = 201, .ack = 1461),
    RECV(50),
    CLOSE,
    OUT(.f = FIN | ACK, .seq = 2001, .ack = 201),
    IN(.f = FIN | ACK, .seq = 201, .ack = 2002),
    OUT(.f = ACK, .seq = 2002, .ack = 202),
    QUIET(SEC(60)),
    CLOSE,
    END,
};
static const struct step opening[] = {
    CONNECT(0),
    OUT(.f = SYN),
    OUT_AT(SEC(1), .f = SYN),
    IN(.f = SYN | ACK, .ack = 1, .mss = 1460),
    OUT(.f = ACK, .seq = 1, .ack = 1),
    IN(.f = FIN | ACK, .seq = 1, .ack = 1),
    SHUTDOWN(SHUT_WR),
    OUT(.f = FIN | ACK, .seq = 1, .ack = 2),
    IN(.f = RST, .seq = 2),
    CLOSE,
    END,
};
static const struct step listening[] = {
    LISTEN(5),
    IN(.f = SYN, .mss = 1460, .sport = 1000),
    OUT(.f = SYN | ACK, .ack = 1, .sport = 1000),
    IN(.f = SYN, .mss = 1460, .sport = 1001),
    OUT(.f = SYN | ACK, .ack = 1, .sport = 1001),
    IN(.f = ACK, .seq = 1, .ack = 1, .sport = 1000),
    CLOSE,
    OUT(.f = RST | ACK, .seq = 1, .ack = 1, .sport = 1000),
    END,
};

static void use_bbr(struct script *s)
{
    if (s->listener)
        tcp_config(s->listener)->congestion = TCP_CC_BBR;
}
/* The state of BBR comes and goes with the connection. */
static const struct step modelled[] = {
    LISTEN(5),
    DO(use_bbr),
    IN(.f = SYN, .mss = 1460),
    OUT(.f = SYN | ACK, .ack = 1),
    IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1),
    ACCEPT(0),
    SEND(2000),
    OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
    OUT(.f = ACK | PSH, .seq = 1461, .ack = 1, .len = 540),
    IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 2001),
    CLOSE,
    OUT(.f = FIN | ACK, .seq = 2001, .ack = 1),
    IN(.f = FIN | ACK, .seq = 1, .ack = 2002),
    OUT(.f = ACK, .seq = 2002, .ack = 2),
    QUIET(SEC(60)),
    CLOSE,
    END,
};

/* In the child: asks to be watched, or left alone. */
static void watch(bool inside)
{
    raise(inside ? SIGUSR1 : SIGUSR2);
}

static void child_main(struct script *s, const struct step *steps)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    s->watch = watch;
    script_steps(s, steps);
    _exit(0);
}

/* What the next owner does. */
static void repair(struct script *s)
{
    arena_rebuild(s->arena);
    s->net->timers = (struct timers){0};
    s->net->env = NULL;
    net_repair(s->net);
    tcp_repair(s->tcp);
    s->net->env = &s->env;
}

/* That, and then the end of everything. */
static void survive(struct script *s)
{
    repair(s);
    script_survive(s);
}

/* Lets the child go on: one instruction, or until it asks for something. False: it is done. */
static bool go_on(pid_t pid, bool *inside)
{
    int status;

    if (ptrace(*inside ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, NULL) ||
        waitpid(pid, &status, 0) != pid)
        ck_abort_msg("the child is lost");
    if (WIFEXITED(status)) {
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        return false;
    }
    if (!WIFSTOPPED(status))
        ck_abort_msg("the child was killed by signal %d", WTERMSIG(status));
    if (WSTOPSIG(status) == SIGUSR1)
        *inside = true;
    else if (WSTOPSIG(status) == SIGUSR2)
        *inside = false;
    else if (WSTOPSIG(status) != SIGTRAP)
        ck_abort_msg("the child was stopped by signal %d", WSTOPSIG(status));
    return true;
}

static unsigned die_often(struct script *s, const struct step *steps, uint8_t *world)
{
    static uint8_t seen[USED_BYTES];
    unsigned places = 0;
    bool inside = false;
    uint64_t n = 0;
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        child_main(s, steps);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
    while (go_on(pid, &inside)) {
        if (!inside || ++n % STEP_OF_OURS || memcmp(seen, world, USED_BYTES) == 0)
            continue;
        memcpy(seen, world, USED_BYTES);
        survive(s);
        memcpy(world, seen, USED_BYTES);
        places++;
    }
    return places;
}

static void die(const struct step *steps)
{
    static struct script s;
    uint8_t *world =
        mmap(NULL, WORLD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(world, MAP_FAILED);
    s.name = "death";
    script_begin(&s, world, WORLD_BYTES);
    ck_assert_uint_gt(die_often(&s, steps, world), 50);
    munmap(world, WORLD_BYTES);
}

START_TEST(death_in_a_life)
{
    die(life);
}
END_TEST
START_TEST(death_while_opening)
{
    die(opening);
}
END_TEST
START_TEST(death_while_listening)
{
    die(listening);
}
END_TEST
START_TEST(death_with_a_model)
{
    die(modelled);
}
END_TEST

/* An option that was set after the death stopped the timer that tells both sides of it. */
static void die_and_set_keepalive(struct script *s)
{
    struct tcp_pcb *pcb = s->pcb;

    if (!pcb)
        return; /* no memory */
    s->tcp->current = pcb;
    repair(s);
    tcp_config(pcb)->keepalive = true;
    tcp_config_changed(s->tcp, pcb);
}
#define RESET_AND_PROBE(t) OUT_AT(t, .f = RST | ACK, .seq = 1, .ack = 1), OUT(.f = ACK, .ack = 1)
SCRIPT(death_and_an_option, PASSIVE_OPEN, DO(die_and_set_keepalive), RESET_AND_PROBE(0),
       EVENTS(POLLERR | POLLHUP, 0xffff), RESET_AND_PROBE(MS(200)), RESET_AND_PROBE(MS(400)),
       RESET_AND_PROBE(MS(800)), QUIET(SEC(2)), ERROR(ECONNRESET), CLOSE, PCBS(1))

Suite *death_suite(void)
{
    Suite *s = suite_create("death");
    TCase *t = tcase_create("death");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, death_in_a_life);
    tcase_add_test(t, death_while_opening);
    tcase_add_test(t, death_while_listening);
    tcase_add_test(t, death_with_a_model);
    tcase_add_test(t, death_and_an_option);
    suite_add_tcase(s, t);
    return s;
}
