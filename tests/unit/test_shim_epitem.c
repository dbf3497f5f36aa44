/* The items of epoll sets and their ready lists; ranges of descriptors. */
#include "test_shim.h"

#include "epitem.h"
#include "fd_range.h"

/* Sets are only compared here. */
static struct epset *set_a(void)
{
    return (struct epset *)0x1000;
}
static struct epset *set_b(void)
{
    return (struct epset *)0x2000;
}

static uint32_t conditions[64]; /* what poll says, by descriptor */
static int dead = -1;           /* this one is freed when it is looked at */
static int spent_fd;

static uint32_t poll_item(struct epitem *it)
{
    if (it->fd == dead) {
        epitem_free(it);
        return 0;
    }
    return conditions[it->fd];
}

static void spent_item(struct epitem *it)
{
    spent_fd = it->fd;
}

static struct epitem *item(int fd, uint32_t events)
{
    struct epitem *it = epitem_new(set_a(), 7, fd);
    ck_assert_ptr_nonnull(it);
    it->events = events | EPOLLERR | EPOLLHUP;
    it->data = (uint64_t)fd;
    return it;
}

START_TEST(an_item_is_found_by_its_whole_key)
{
    struct epitem *one = epitem_new(set_a(), 1, 5), *other = epitem_new(set_a(), 2, 5),
                  *third = epitem_new(set_b(), 1, 5);
    ck_assert_ptr_eq(epitem_find(set_a(), 1, 5), one);
    ck_assert_ptr_eq(epitem_find(set_a(), 2, 5), other);
    ck_assert_ptr_eq(epitem_find(set_b(), 1, 5), third);
    ck_assert_ptr_null(epitem_find(set_a(), 1, 6));
    ck_assert_ptr_null(epitem_find(set_a(), 3, 5));
    ck_assert_ptr_null(epitem_find(set_a(), 1, 1 << 30));
    epitem_free(other);
    ck_assert_ptr_null(epitem_find(set_a(), 2, 5));
    ck_assert_ptr_eq(epitem_find(set_a(), 1, 5), one);
    ck_assert_ptr_eq(epitem_find(set_b(), 1, 5), third);
}
END_TEST

START_TEST(a_handle_dies_with_its_item)
{
    struct epitem *it = epitem_new(set_a(), 1, 5);
    void *handle = epitem_handle(it);
    ck_assert_ptr_nonnull(handle);
    ck_assert_ptr_eq(epitem_of(handle), it);
    epitem_free(it);
    ck_assert_ptr_null(epitem_of(handle));
    ck_assert_ptr_eq(epitem_new(set_a(), 1, 5), it); /* the memory is used again */
    ck_assert_ptr_null(epitem_of(handle));
    ck_assert_ptr_null(epitem_of(NULL));
    ck_assert_ptr_null(epitem_of((void *)(uintptr_t)99999999));
}
END_TEST

START_TEST(many_items)
{
    enum { N = 5000 };
    static struct epitem *all[N];
    for (int i = 0; i < N; i++)
        all[i] = epitem_new(set_a(), (uint64_t)i, i * 3);
    for (int i = 0; i < N; i++)
        ck_assert_ptr_eq(epitem_find(set_a(), (uint64_t)i, i * 3), all[i]);
    for (int i = 0; i < N; i += 2)
        epitem_free(all[i]);
    for (int i = 0; i < N; i++)
        ck_assert_ptr_eq(epitem_find(set_a(), (uint64_t)i, i * 3), i % 2 ? all[i] : NULL);
}
END_TEST

START_TEST(level_triggered_items_take_turns)
{
    struct epready r;
    struct epoll_event ev[8];
    epready_init(&r);
    for (int i = 0; i < 5; i++) {
        conditions[i] = EPOLLIN | EPOLLOUT;
        ck_assert(epready_push(&r, item(i, EPOLLIN)));
    }
    ck_assert_int_eq(epready_take(&r, ev, 2, poll_item, spent_item), 2);
    ck_assert_int_eq((int)ev[0].data.u64, 0);
    ck_assert_int_eq((int)ev[1].data.u64, 1);
    ck_assert_uint_eq(ev[0].events, EPOLLIN);
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 5);
    ck_assert_int_eq((int)ev[0].data.u64, 2);
    ck_assert_int_eq((int)ev[4].data.u64, 1);
    ck_assert_uint_eq(r.count, 5);
    conditions[3] = EPOLLOUT;
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 4);
    ck_assert_uint_eq(r.count, 4);
}
END_TEST

START_TEST(edge_triggered_items_are_reported_once)
{
    struct epready r;
    struct epoll_event ev[8];
    struct epitem *it = item(9, EPOLLIN | EPOLLET);
    epready_init(&r);
    conditions[9] = EPOLLIN;
    ck_assert(epready_push(&r, it));
    ck_assert(!epready_push(&r, it));
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 1);
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 0);
    ck_assert(epready_push(&r, it));
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 1);
}
END_TEST

START_TEST(a_spent_oneshot_is_silent)
{
    struct epready r;
    struct epoll_event ev[8];
    struct epitem *it = item(9, EPOLLIN | EPOLLONESHOT);
    epready_init(&r);
    conditions[9] = EPOLLIN | EPOLLHUP;
    spent_fd = -1;
    epready_push(&r, it);
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 1);
    ck_assert_uint_eq(ev[0].events, EPOLLIN | EPOLLHUP);
    ck_assert_int_eq(spent_fd, 9);
    ck_assert_uint_eq(it->events, EPOLLONESHOT);
    epready_push(&r, it);
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 0);
    ck_assert_uint_eq(r.count, 0);
}
END_TEST

START_TEST(an_item_may_die_when_it_is_looked_at)
{
    struct epready r;
    struct epoll_event ev[8];
    epready_init(&r);
    for (int i = 0; i < 3; i++) {
        conditions[i] = EPOLLIN;
        epready_push(&r, item(i, EPOLLIN));
    }
    dead = 1;
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 2);
    ck_assert_uint_eq(r.count, 2);
    dead = 0;
    ck_assert(epready_check(&r, poll_item));
    ck_assert_uint_eq(r.count, 1);
    conditions[2] = 0;
    ck_assert(!epready_check(&r, poll_item));
    ck_assert_uint_eq(r.count, 0);
    dead = -1;
}
END_TEST

START_TEST(a_check_leaves_what_is_ready)
{
    struct epready r;
    struct epoll_event ev[8];
    epready_init(&r);
    conditions[1] = 0;
    conditions[2] = EPOLLIN;
    epready_push(&r, item(1, EPOLLIN));
    epready_push(&r, item(2, EPOLLIN | EPOLLET));
    ck_assert(epready_check(&r, poll_item));
    ck_assert(epready_check(&r, poll_item));
    ck_assert_int_eq(epready_take(&r, ev, 8, poll_item, spent_item), 1);
    ck_assert(!epready_check(&r, poll_item));
}
END_TEST

/* ---- ranges ---- */

static const int *gaps; /* ascending, ended by -1 */

static int next_gap(int n)
{
    const int *g = gaps;
    while (*g >= 0 && *g < n)
        g++;
    return *g;
}

static void expect_pieces(unsigned first, unsigned last, const int *leave_out,
                          const unsigned *pieces, size_t count)
{
    struct fd_range r = {.first = first, .last = last};
    unsigned from, to;
    gaps = leave_out;
    for (size_t i = 0; i < count; i++) {
        ck_assert(fd_range_next(&r, next_gap, &from, &to));
        ck_assert_uint_eq(from, pieces[2 * i]);
        ck_assert_uint_eq(to, pieces[2 * i + 1]);
    }
    ck_assert(!fd_range_next(&r, next_gap, &from, &to));
}

START_TEST(ranges_leave_gaps_out)
{
    const int none[] = {-1}, some[] = {10, 11, 20, INT_MAX, -1};
    expect_pieces(3, 100, none, (const unsigned[]){3, 100}, 1);
    expect_pieces(0, UINT_MAX, none, (const unsigned[]){0, UINT_MAX}, 1);
    expect_pieces(3, 9, some, (const unsigned[]){3, 9}, 1);
    expect_pieces(3, 10, some, (const unsigned[]){3, 9}, 1);
    expect_pieces(3, 15, some, (const unsigned[]){3, 9, 12, 15}, 2);
    expect_pieces(10, 11, some, NULL, 0);
    expect_pieces(10, 20, some, (const unsigned[]){12, 19}, 1);
    expect_pieces(21, UINT_MAX, some, (const unsigned[]){21, INT_MAX - 1u, INT_MAX + 1u, UINT_MAX},
                  2);
    expect_pieces(5, 4, some, NULL, 0);
    expect_pieces(UINT_MAX, UINT_MAX, some, (const unsigned[]){UINT_MAX, UINT_MAX}, 1);
}
END_TEST

Suite *shim_epitem_suite(void)
{
    Suite *s = suite_create("shim epitem");
    TCase *t = tcase_create("epitem");
    tcase_add_test(t, an_item_is_found_by_its_whole_key);
    tcase_add_test(t, a_handle_dies_with_its_item);
    tcase_add_test(t, many_items);
    tcase_add_test(t, level_triggered_items_take_turns);
    tcase_add_test(t, edge_triggered_items_are_reported_once);
    tcase_add_test(t, a_spent_oneshot_is_silent);
    tcase_add_test(t, an_item_may_die_when_it_is_looked_at);
    tcase_add_test(t, a_check_leaves_what_is_ready);
    tcase_add_test(t, ranges_leave_gaps_out);
    suite_add_tcase(s, t);
    return s;
}
