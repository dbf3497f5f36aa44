/* Signals: the trampoline, and what sigaction() and its kin report. */
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "test_shim.h"

static volatile sig_atomic_t ran, inside_seen, depth, deepest;
static siginfo_t last_info;
static int order[8], values[8];
static sigjmp_buf jump;

static void count(int sig)
{
    order[ran++ & 7] = sig;
}

static void note(int sig, siginfo_t *info, void *context)
{
    last_info = *info;
    inside_seen = shim_inside();
    values[ran & 7] = info->si_value.sival_int;
    order[ran++ & 7] = sig;
}

static void nested(int sig)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (++ran == 1)
        raise(sig);
    depth--;
}

static void leave(int sig)
{
    siglongjmp(jump, 1);
}

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction act = {.sa_sigaction = fn, .sa_flags = flags | SA_SIGINFO};
    ck_assert_int_eq(sigaction(sig, &act, NULL), 0);
}

START_TEST(the_old_action_is_told)
{
    struct sigaction act = {.sa_handler = count, .sa_flags = SA_RESTART}, old;
    sigaddset(&act.sa_mask, SIGUSR2);
    ck_assert_int_eq(sigaction(SIGUSR1, &act, &old), 0);
    ck_assert_ptr_eq(old.sa_handler, SIG_DFL);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    ck_assert_ptr_eq(old.sa_handler, count);
    ck_assert_int_eq(old.sa_flags & (SA_SIGINFO | SA_RESTART), SA_RESTART);
    ck_assert_int_eq(sigismember(&old.sa_mask, SIGUSR2), 1);
    act.sa_handler = SIG_IGN;
    ck_assert_int_eq(sigaction(SIGUSR1, &act, &old), 0);
    ck_assert_ptr_eq(old.sa_handler, count);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    ck_assert_ptr_eq(old.sa_handler, SIG_IGN);
    install(SIGUSR1, note, (int)SA_RESETHAND);
    ck_assert_int_eq(sigaction(SIGUSR1, NULL, &old), 0);
    ck_assert_ptr_eq(old.sa_sigaction, note);
    ck_assert(old.sa_flags & SA_SIGINFO && old.sa_flags & (int)SA_RESETHAND);
}
END_TEST

START_TEST(bad_signals_are_refused)
{
    struct sigaction act = {.sa_handler = count};
    ck_assert_int_eq(sigaction(SIGKILL, &act, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(sigaction(0, &act, NULL), -1);
    ck_assert_int_eq(sigaction(65, &act, NULL), -1);
    ck_assert_ptr_eq(signal(-1, count), SIG_ERR);
    ck_assert_ptr_eq(signal(SIGSTOP, count), SIG_ERR);
    ck_assert_int_eq(sigaction(SIGKILL, NULL, &act), 0);
    ck_assert_ptr_eq(act.sa_handler, SIG_DFL);
}
END_TEST

START_TEST(outside_a_handler_runs_at_once)
{
    install(SIGUSR1, note, 0);
    ck_assert_int_eq(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42}), 0);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(last_info.si_value.sival_int, 42);
}
END_TEST

START_TEST(inside_a_handler_waits)
{
    sigset_t mask;
    install(SIGUSR1, note, 0);
    install(SIGRTMIN, note, 0);
    shim_in();
    shim_in();
    ck_assert_int_eq(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42}), 0);
    shim_out();
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 2});
    ck_assert_int_eq(ran, 0);
    errno = 77;
    shim_self.saved_errno = 77;
    shim_out();
    ck_assert_int_eq(errno, 77);
    ck_assert_int_eq(ran, 3);
    ck_assert_int_eq(inside_seen, 0);
    for (int i = 0, next = 1; i < 3; i++) /* as the kernel orders them */
        ck_assert_int_eq(values[i], order[i] == SIGUSR1 ? 42 : next++);
    ck_assert_int_eq(last_info.si_code, SI_QUEUE);
    ck_assert_int_eq(last_info.si_pid, getpid());
    sigprocmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGUSR1), 0);
    ck_assert_int_eq(sigismember(&mask, SIGRTMIN), 0);
}
END_TEST

START_TEST(one_that_may_nest_waits_too)
{
    install(SIGUSR1, note, SA_NODEFER);
    shim_in();
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 0);
    shim_out();
    ck_assert_int_eq(ran, 1);
}
END_TEST

START_TEST(blocked_signals_stay_blocked)
{
    sigset_t one, mask;
    install(SIGUSR1, note, 0);
    install(SIGUSR2, note, 0);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigprocmask(SIG_BLOCK, &one, NULL);
    shim_in();
    raise(SIGUSR1);
    raise(SIGUSR2);
    shim_out();
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(order[0], SIGUSR2);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGUSR1), 1);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(nodefer_nests_and_others_do_not)
{
    struct sigaction act = {.sa_handler = nested, .sa_flags = SA_NODEFER};
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 2);
    ck_assert_int_eq(deepest, 2);
    ran = deepest = 0;
    act.sa_flags = 0;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 2);
    ck_assert_int_eq(deepest, 1);
}
END_TEST

START_TEST(resethand_resets_also_what_was_held_back)
{
    struct sigaction old;
    install(SIGCHLD, note, (int)SA_RESETHAND);
    shim_in();
    raise(SIGCHLD);
    sigaction(SIGCHLD, NULL, &old);
    ck_assert_ptr_ne(old.sa_handler, SIG_DFL);
    shim_out();
    ck_assert_int_eq(ran, 1);
    sigaction(SIGCHLD, NULL, &old);
    ck_assert_ptr_eq(old.sa_handler, SIG_DFL);
    raise(SIGCHLD); /* ignored by default */
    ck_assert_int_eq(ran, 1);
}
END_TEST

START_TEST(faults_are_not_held_back)
{
    char *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(bad, MAP_FAILED);
    signal(SIGSEGV, leave);
    shim_in();
    if (!sigsetjmp(jump, 1)) {
        *(volatile char *)bad = 1;
        ck_abort_msg("no fault");
    }
    shim_self.inside = 0;
}
END_TEST

START_TEST(signal_has_the_flags_of_bsd)
{
    struct sigaction old;
    ck_assert_ptr_eq(signal(SIGUSR1, count), SIG_DFL);
    ck_assert_ptr_eq(signal(SIGUSR1, count), count);
    sigaction(SIGUSR1, NULL, &old);
    ck_assert_int_eq(old.sa_flags & (SA_RESTART | (int)SA_RESETHAND | SA_NODEFER), SA_RESTART);
    ck_assert_int_eq(siginterrupt(SIGUSR1, 1), 0);
    sigaction(SIGUSR1, NULL, &old);
    ck_assert(!(old.sa_flags & SA_RESTART));
    signal(SIGUSR1, count);
    sigaction(SIGUSR1, NULL, &old);
    ck_assert(!(old.sa_flags & SA_RESTART));
    ck_assert_int_eq(siginterrupt(SIGUSR1, 0), 0);
    sigaction(SIGUSR1, NULL, &old);
    ck_assert(old.sa_flags & SA_RESTART);
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 1);
}
END_TEST

START_TEST(sysv_signal_is_for_once)
{
    ck_assert_ptr_eq(sysv_signal(SIGCHLD, count), SIG_DFL);
    raise(SIGCHLD);
    raise(SIGCHLD);
    ck_assert_int_eq(ran, 1);
    ck_assert_ptr_eq(sysv_signal(SIGCHLD, count), SIG_DFL);
}
END_TEST

START_TEST(sigset_holds_and_releases)
{
    ck_assert_ptr_eq(sigset(SIGUSR1, count), SIG_DFL);
    ck_assert_ptr_eq(sigset(SIGUSR1, SIG_HOLD), count);
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 0);
    ck_assert_ptr_eq(sigset(SIGUSR1, count), SIG_HOLD);
    ck_assert_int_eq(ran, 1);
    ck_assert_int_eq(sigignore(SIGUSR1), 0);
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 1);
}
END_TEST

START_TEST(a_child_of_vfork_leaves_our_table_alone)
{
    struct sigaction old;
    ck_assert_ptr_eq(signal(SIGUSR1, count), SIG_DFL);
    pid_t pid = vfork();
    if (pid == 0) {
        struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO}, was;
        int ok = sigaction(SIGUSR1, &act, &was) == 0 && was.sa_handler == count;
        raise(SIGUSR1);
        real._exit(ok ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(ran, 1); /* its memory is ours */
    sigaction(SIGUSR1, NULL, &old);
    ck_assert_ptr_eq(old.sa_handler, count);
    raise(SIGUSR1);
    ck_assert_int_eq(ran, 2);
}
END_TEST

Suite *shim_signal_suite(void)
{
    Suite *s = suite_create("shim signal");
    TCase *tc = tcase_create("signal");
    tcase_add_test(tc, the_old_action_is_told);
    tcase_add_test(tc, bad_signals_are_refused);
    tcase_add_test(tc, outside_a_handler_runs_at_once);
    tcase_add_test(tc, inside_a_handler_waits);
    tcase_add_test(tc, one_that_may_nest_waits_too);
    tcase_add_test(tc, blocked_signals_stay_blocked);
    tcase_add_test(tc, nodefer_nests_and_others_do_not);
    tcase_add_test(tc, resethand_resets_also_what_was_held_back);
    tcase_add_test(tc, faults_are_not_held_back);
    tcase_add_test(tc, signal_has_the_flags_of_bsd);
    tcase_add_test(tc, sysv_signal_is_for_once);
    tcase_add_test(tc, sigset_holds_and_releases);
    tcase_add_test(tc, a_child_of_vfork_leaves_our_table_alone);
    suite_add_tcase(s, tc);
    return s;
}
