#include <stdlib.h>
#include <sys/mman.h>

#include "test_base.h"

struct arena *test_arena(size_t size, size_t limit_bytes)
{
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(mem, MAP_FAILED);
    struct arena *a = arena_init(mem, size, limit_bytes);
    arena_watch(a, true);
    return a;
}

void test_arena_free(struct arena *a)
{
    arena_watch(a, false);
    munmap(a, arena_stats(a).size_bytes);
}

int main(void)
{
    SRunner *runner = srunner_create(addr_suite());
    srunner_add_suite(runner, arena_suite());
    srunner_add_suite(runner, death_suite());
    srunner_add_suite(runner, hash_suite());
    srunner_add_suite(runner, list_suite());
    srunner_add_suite(runner, log_suite());
    srunner_add_suite(runner, ranges_suite());
    srunner_add_suite(runner, ring_suite());
    srunner_add_suite(runner, rng_suite());
    srunner_add_suite(runner, slab_suite());
    srunner_add_suite(runner, timer_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
