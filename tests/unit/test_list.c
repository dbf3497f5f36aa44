#include "base/list.h"
#include "base/seq.h"
#include "base/bytes.h"
#include "test_base.h"

struct item {
    int n;
    struct list link;
};

START_TEST(order)
{
    struct list l, *node;
    struct item items[4];
    int sum = 0, expect = 1;

    list_init(&l);
    ck_assert(list_empty(&l));
    ck_assert_ptr_null(list_first(&l));
    ck_assert_ptr_null(list_pop(&l));
    for (int i = 0; i < 4; i++) {
        items[i].n = i;
        list_init(&items[i].link);
    }
    list_push(&l, &items[2].link);
    list_push(&l, &items[3].link);
    list_push_front(&l, &items[0].link);
    list_insert_before(&items[2].link, &items[1].link);
    LIST_FOREACH (n, &l)
        sum = sum * 10 + container_of(n, struct item, link)->n;
    ck_assert_int_eq(sum, 123);
    list_remove(&items[0].link);
    list_remove(&items[0].link);
    ck_assert(list_empty(&items[0].link));
    LIST_FOREACH_SAFE (n, &l)
        if (n == &items[2].link)
            list_remove(n);
    while ((node = list_pop(&l)) != NULL) {
        ck_assert_int_eq(container_of(node, struct item, link)->n, expect);
        expect += 2;
    }
    ck_assert_int_eq(expect, 5);
    ck_assert(list_empty(&l));
}
END_TEST

/* RFC 9293 3.4 */
START_TEST(sequence_numbers)
{
    ck_assert(seq_lt(0xfffffff0, 5));
    ck_assert(seq_gt(5, 0xfffffff0));
    ck_assert(!seq_lt(5, 5));
    ck_assert(seq_le(5, 5) && seq_ge(5, 5));
    ck_assert_int_eq(seq_diff(3, 0xffffffff), 4);
    ck_assert_uint_eq(seq_max(0xfffffff0, 5), 5);
    ck_assert_uint_eq(seq_min(0xfffffff0, 5), 0xfffffff0);
    ck_assert(seq_in(2, 0xfffffffe, 5));
    ck_assert(!seq_in(3, 0xfffffffe, 5));
    ck_assert(!seq_in(0xfffffffd, 0xfffffffe, 5));
    ck_assert(!seq_in(7, 7, 0));
}
END_TEST

START_TEST(big_endian)
{
    uint8_t b[8] = {0, 0x81, 0x02, 0x83, 0x04};

    ck_assert_uint_eq(get_be16(b + 1), 0x8102);
    ck_assert_uint_eq(get_be32(b + 1), 0x81028304);
    put_be16(b, 0xfedc);
    put_be32(b + 3, 0x98765432);
    ck_assert_mem_eq(b, ((uint8_t[]){0xfe, 0xdc, 0x02, 0x98, 0x76, 0x54, 0x32, 0}), 8);
}
END_TEST

Suite *list_suite(void)
{
    Suite *s = suite_create("list, seq, bytes");
    TCase *tc = tcase_create("list");
    tcase_add_test(tc, order);
    tcase_add_test(tc, sequence_numbers);
    tcase_add_test(tc, big_endian);
    suite_add_tcase(s, tc);
    return s;
}
