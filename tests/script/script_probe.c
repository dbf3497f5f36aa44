/* Paths that lose large segments without a word: RFC 2923 2.1, RFC 4821. */
#include "script.h"

/* 3 segments time out three times (210 ms, doubled each time); the fourth time they are smaller. */
#define INTO_THE_HOLE                                                                              \
    PASSIVE_OPEN, SEND(4380), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),                      \
        OUT(.f = ACK, .seq = 1461, .ack = 1, .len = 1460),                                         \
        OUT(.f = ACK | PSH, .seq = 2921, .ack = 1, .len = 1460),                                   \
        OUT_AT(MS(210), .f = ACK, .seq = 1, .ack = 1, .len = 1460),                                \
        OUT_AT(MS(420), .f = ACK, .seq = 1, .ack = 1, .len = 1460),                                \
        OUT_AT(MS(840), .f = ACK, .seq = 1, .ack = 1, .len = 1024)

/* RFC 4821 7.2 */
SCRIPT(large_segments_that_vanish_become_smaller, INTO_THE_HOLE,
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1025),
       OUT(.f = ACK, .seq = 1025, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 2049, .ack = 1, .len = 1024),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 3073),
       OUT(.f = ACK, .seq = 3073, .ack = 1, .len = 1024),
       OUT(.f = ACK | PSH, .seq = 4097, .ack = 1, .len = 284))
SCRIPT(and_smaller_still, INTO_THE_HOLE, OUT_AT(MS(1680), .f = ACK, .seq = 1, .ack = 1, .len = 512),
       OUT_AT(MS(3360), .f = ACK, .seq = 1, .ack = 1, .len = 512))
/* What times out is small: size is not what ails it. */
SCRIPT(small_segments_that_vanish_say_nothing, PASSIVE_OPEN, SEND(512),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 512),
       OUT_AT(MS(210), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 512),
       OUT_AT(MS(420), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 512),
       OUT_AT(MS(840), .f = ACK | PSH, .seq = 1, .ack = 1, .len = 512), SEND(948),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 513),
       OUT(.f = ACK | PSH, .seq = 513, .ack = 1, .len = 948))

/* Out of the hole, with an initial window's worth and more acknowledged. */
static void wide_window(struct script *s)
{
    if (script_pcb(s))
        script_pcb(s)->cwnd = script_pcb(s)->ssthresh = 100000;
}
#define OUT_OF_THE_HOLE                                                                            \
    INTO_THE_HOLE, IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 4381), DO(wide_window)

/* First what the path ought to carry: it was another trouble. */
SCRIPT(probe_of_the_full_size_succeeds, OUT_OF_THE_HOLE, SEND(1460 + 4 * 1024),
       OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 5841, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 6865, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 7889, .ack = 1, .len = 1024),
       OUT(.f = ACK | PSH, .seq = 8913, .ack = 1, .len = 1024),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 9937), SEND(2920),
       OUT(.f = ACK, .seq = 9937, .ack = 1, .len = 1460),
       OUT(.f = ACK | PSH, .seq = 11397, .ack = 1, .len = 1460))
SCRIPT(too_little_to_probe_with, OUT_OF_THE_HOLE, SEND(1459 + 4 * 1024),
       OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 5405, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 6429, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 7453, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 8477, .ack = 1, .len = 1024),
       OUT(.f = ACK | PSH, .seq = 9501, .ack = 1, .len = 435))

/* A probe that is lost is sent again in pieces, and costs no window (RFC 4821 7.5); the next is
 * halfway between what passes and what does not. */
#define LOST_PROBE                                                                                 \
    OUT_OF_THE_HOLE, SEND(1460 + 4 * 1024), OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 1460),     \
        OUT(.f = ACK, .seq = 5841, .ack = 1, .len = 1024),                                         \
        OUT(.f = ACK, .seq = 6865, .ack = 1, .len = 1024),                                         \
        OUT(.f = ACK, .seq = 7889, .ack = 1, .len = 1024),                                         \
        OUT(.f = ACK | PSH, .seq = 8913, .ack = 1, .len = 1024),                                   \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 4381), IN(.f = ACK, .seq = 1, .ack = 4381),       \
        IN(.f = ACK, .seq = 1, .ack = 4381), OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 1024),    \
        OUT(.f = ACK, .seq = 5405, .ack = 1, .len = 436),                                          \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 9937)
static void window_is_whole(struct script *s)
{
    script_assert(s, script_pcb(s)->ssthresh == 100000);
}
SCRIPT(lost_probe_costs_no_window, LOST_PROBE, DO(window_is_whole), SEND(1242 + 4 * 1024),
       OUT(.f = ACK, .seq = 9937, .ack = 1, .len = 1242),
       OUT(.f = ACK, .seq = 11179, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 12203, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 13227, .ack = 1, .len = 1024),
       OUT(.f = ACK | PSH, .seq = 14251, .ack = 1, .len = 1024),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 15275), SEND(1242),
       OUT(.f = ACK | PSH, .seq = 15275, .ack = 1, .len = 1242))

/* Nearly found: nothing more for ten minutes, then the whole again. */
static void nearly_found(struct script *s)
{
    if (script_pcb(s))
        script_pcb(s)->probe_high = script_pcb(s)->probe_low + 20;
}
SCRIPT(search_ends_and_begins_again, LOST_PROBE, DO(nearly_found), SEND(1034 + 4 * 1024),
       OUT(.f = ACK, .seq = 9937, .ack = 1, .len = 1034),
       OUT(.f = ACK, .seq = 10971, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 11995, .ack = 1, .len = 1024),
       OUT(.f = ACK, .seq = 13019, .ack = 1, .len = 1024),
       OUT(.f = ACK | PSH, .seq = 14043, .ack = 1, .len = 1024),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 15067), SEND(1039 + 4 * 1034),
       OUT(.f = ACK, .seq = 15067, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 16106, .ack = 1, .len = 1034),
       OUT(.f = ACK, .seq = 17140, .ack = 1, .len = 1034),
       OUT(.f = ACK, .seq = 18174, .ack = 1, .len = 1034),
       OUT(.f = ACK | PSH, .seq = 19208, .ack = 1, .len = 1034),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 20242), SEND(7 * 1039),
       OUT(.f = ACK, .seq = 20242, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 21281, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 22320, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 23359, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 24398, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 25437, .ack = 1, .len = 1039),
       OUT(.f = ACK | PSH, .seq = 26476, .ack = 1, .len = 1039),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 27515), QUIET(SEC(601)), DO(wide_window),
       SEND(1460 + 4 * 1039), OUT(.f = ACK, .seq = 27515, .ack = 1, .len = 1460),
       OUT(.f = ACK, .seq = 28975, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 30014, .ack = 1, .len = 1039),
       OUT(.f = ACK, .seq = 31053, .ack = 1, .len = 1039),
       OUT(.f = ACK | PSH, .seq = 32092, .ack = 1, .len = 1039))
/* A router that speaks after all makes the search needless. */
static void too_big_1000(struct script *s)
{
    script_icmp(s, 1, ICMP_UNREACHABLE, ICMP_UNREACH_FRAG_NEEDED, 1000);
}
SCRIPT(message_ends_the_search, INTO_THE_HOLE, DO(too_big_1000),
       OUT(.f = ACK, .seq = 1, .ack = 1, .len = 960),
       IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 4381), DO(wide_window), SEND(6 * 960),
       OUT(.f = ACK, .seq = 4381, .ack = 1, .len = 960),
       OUT(.f = ACK, .seq = 5341, .ack = 1, .len = 960),
       OUT(.f = ACK, .seq = 6301, .ack = 1, .len = 960),
       OUT(.f = ACK, .seq = 7261, .ack = 1, .len = 960),
       OUT(.f = ACK, .seq = 8221, .ack = 1, .len = 960),
       OUT(.f = ACK | PSH, .seq = 9181, .ack = 1, .len = 960))

Suite *probe_suite(void)
{
    Suite *s = suite_create("probe");
    TCase *t = tcase_create("black holes");

    tcase_add_test(t, large_segments_that_vanish_become_smaller);
    tcase_add_test(t, and_smaller_still);
    tcase_add_test(t, small_segments_that_vanish_say_nothing);
    tcase_add_test(t, message_ends_the_search);
    suite_add_tcase(s, t);
    t = tcase_create("search");
    tcase_add_test(t, probe_of_the_full_size_succeeds);
    tcase_add_test(t, too_little_to_probe_with);
    tcase_add_test(t, lost_probe_costs_no_window);
    tcase_add_test(t, search_ends_and_begins_again);
    suite_add_tcase(s, t);
    return s;
}
