#include "test_io.h"

#include <stdlib.h>

int main(void)
{
    Suite *s = suite_create("io");
    SRunner *r;
    int failed;

    suite_add_tcase(s, test_io_config());
    suite_add_tcase(s, test_io_door());
    suite_add_tcase(s, test_io_host_key());
    suite_add_tcase(s, test_io_host_limits());
    suite_add_tcase(s, test_io_robust());
    suite_add_tcase(s, test_io_trace());
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
