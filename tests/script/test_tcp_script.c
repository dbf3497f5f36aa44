/* TCP against scripts, in virtual time. */
#include "script.h"

#include <stdlib.h>

int main(void)
{
    SRunner *r = srunner_create(open_suite());
    int failed;

    srunner_add_suite(r, close_suite());
    srunner_add_suite(r, input_suite());
    srunner_add_suite(r, data_suite());
    srunner_add_suite(r, output_suite());
    srunner_add_suite(r, pace_suite());
    srunner_add_suite(r, timer_suite());
    srunner_add_suite(r, recover_suite());
    srunner_add_suite(r, sack_suite());
    srunner_add_suite(r, rack_suite());
    srunner_add_suite(r, undo_suite());
    srunner_add_suite(r, listen_suite());
    srunner_add_suite(r, cookie_suite());
    srunner_add_suite(r, attack_suite());
    srunner_add_suite(r, ecn_suite());
    srunner_add_suite(r, fastopen_suite());
    srunner_add_suite(r, urgent_suite());
    srunner_add_suite(r, icmp_suite());
    srunner_add_suite(r, probe_suite());
    srunner_add_suite(r, user_suite());
    srunner_add_suite(r, death_suite());

    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
