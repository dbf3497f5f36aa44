#include "test_engine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "io/keeper.h"

static int run_tests(void)
{
    Suite *s = suite_create("engine");
    suite_add_tcase(s, test_engine_start());
    suite_add_tcase(s, test_engine_link());
    suite_add_tcase(s, test_engine_frames());
    suite_add_tcase(s, test_engine_wait());
    suite_add_tcase(s, test_engine_poll());
    suite_add_tcase(s, test_engine_fork());
    suite_add_tcase(s, test_engine_guard());
    suite_add_tcase(s, test_engine_host());
    suite_add_tcase(s, test_engine_hostnet());
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_FORK); /* there is one engine a process */
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void end_keeper(int sig)
{
    lab_exit(0);
}

/* The housekeeper is the program that started it. This one lives as long as its test. */
static int keeper(const char *fds)
{
    struct sigaction sa = {.sa_handler = end_keeper};
    sigaction(SIGTERM, &sa, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return keeper_main(fds);
}

int main(int argc, char **argv)
{
    if (getenv(KEEPER_VARIABLE))
        return keeper(getenv(KEEPER_VARIABLE));
    if (argc > 1 && strcmp(argv[1], "heir") == 0)
        return heir_main(argv + 2);
    if (argc > 1 && strcmp(argv[1], "families") == 0)
        return families_main();
    int err = lab_impossible();
    if (err) {
        fprintf(stderr, "the engine is not tested: no user and network namespaces here (%s)\n",
                strerror(err));
        /* 77: automake's word for a skipped test. Where all is prepared for it, it must run. */
        return getenv("CI") ? EXIT_FAILURE : 77;
    }
    if (!lab_has_tun())
        fprintf(stderr, "links without a header are not tested: /dev/net/tun cannot be opened\n");
    return run_tests();
}
