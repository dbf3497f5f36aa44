#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "test_base.h"

static char last_line[LOG_LINE_MAX + 1];
static enum log_level last_level;
static int lines, evaluated;

static void sink(enum log_level level, const char *line)
{
    ck_assert_uint_lt(strlen(line), LOG_LINE_MAX);
    strcpy(last_line, line);
    last_level = level;
    lines++;
    errno = EINVAL;
}

static int evaluate(void)
{
    return ++evaluated;
}

START_TEST(levels)
{
    log_error("no sink: %d", evaluate());
    ck_assert_int_eq(evaluated, 0);
    log_to(sink, LOG_LEVEL_WARN);
    errno = ENOENT;
    log_warn("%s %d", "count", 7);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(last_line, "count 7");
    ck_assert_int_eq(last_level, LOG_LEVEL_WARN);
    log_info("not wanted: %d", evaluate());
    log_debug("not wanted: %d", evaluate());
    ck_assert_int_eq(lines, 1);
    ck_assert_int_eq(evaluated, 0);
    log_error("wanted: %d", evaluate());
    ck_assert_int_eq(lines, 2);
    ck_assert_str_eq(last_line, "wanted: 1");
    log_to(sink, LOG_LEVEL_OFF);
    log_error("off");
    log_to(NULL, LOG_LEVEL_DEBUG);
    log_error("no sink");
    log_write(LOG_LEVEL_ERROR, "no sink");
    ck_assert_int_eq(lines, 2);
}
END_TEST

START_TEST(long_line_is_cut)
{
    char longer[2 * LOG_LINE_MAX];

    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    log_to(sink, LOG_LEVEL_DEBUG);
    log_debug("%s", longer);
    ck_assert_uint_eq(strlen(last_line), LOG_LINE_MAX - 1);
}
END_TEST

Suite *log_suite(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_test(tc, levels);
    tcase_add_test(tc, long_line_is_cut);
    suite_add_tcase(s, tc);
    return s;
}
