/* What a receiver tells of what arrived out of order (RFC 2018) and twice (RFC 2883). */
#include "script.h"

#define SACK_OPEN                                                                                  \
    LISTEN(8), IN(.f = SYN, .mss = 1460, .sackok = true),                                          \
        OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .sackok = true),                                \
        IN_AT(MS(10), .f = ACK, .seq = 1, .ack = 1), ACCEPT(0)

/* RFC 2018 2: only to who has said so. */
SCRIPT(sack_is_not_sent_to_who_does_not_want_it, PASSIVE_OPEN,
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .nsack = 1))

SCRIPT(our_syn_offers_sack, CONNECT(0), OUT(.f = SYN, .mss = 1460, .sackok = true),
       IN_AT(MS(10), .f = SYN | ACK, .ack = 1, .mss = 1460, .sackok = true),
       OUT(.f = ACK, .seq = 1, .ack = 1), IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}}, .nsack = 2))

/* RFC 2018 4: the latest arrival first, then those before it; a range that grew is told as it is
 * now. */
SCRIPT(sack_latest_first, SACK_OPEN, IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}}, .nsack = 2),
       IN(.f = ACK, .seq = 501, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{501, 601}, {101, 201}}, .nsack = 3),
       IN(.f = ACK, .seq = 301, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{301, 401}, {501, 601}, {101, 201}}, .nsack = 4),
       IN(.f = ACK, .seq = 201, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{101, 401}, {501, 601}}, .nsack = 3),
       /* The gap closes: what is behind the next one is told on. */
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 401, .sack = {{501, 601}}, .nsack = 2),
       IN(.f = ACK, .seq = 401, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 601, .nsack = 1), RECV(600))

/* With timestamps three blocks fit. */
SCRIPT(sack_beside_timestamps, LISTEN(8),
       IN(.f = SYN, .mss = 1460, .sackok = true, .ts = true, .ts_val = 5),
       OUT(.f = SYN | ACK, .ack = 1, .mss = 1460, .sackok = true, .ts = true, .ts_ecr = 5),
       IN(.f = ACK, .seq = 1, .ack = 1, .ts = true, .ts_val = 6), ACCEPT(0),
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 100, .ts = true, .ts_val = 6),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}}, .nsack = 2, .opts = 24),
       IN(.f = ACK, .seq = 301, .ack = 1, .len = 100, .ts = true, .ts_val = 6),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{301, 401}, {101, 201}}, .nsack = 3, .opts = 32),
       IN(.f = ACK, .seq = 501, .ack = 1, .len = 100, .ts = true, .ts_val = 6),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{501, 601}, {301, 401}, {101, 201}}, .nsack = 4,
           .opts = 40),
       IN(.f = ACK, .seq = 701, .ack = 1, .len = 100, .ts = true, .ts_val = 6),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{701, 801}, {501, 601}, {301, 401}}, .nsack = 4))

/* RFC 2883 4.1: a whole segment again, below the window. */
SCRIPT(dsack_of_old_text, SACK_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101, .nsack = 1),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101, .sack = {{1, 101}}, .nsack = 2),
       /* told once */
       IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 201, .nsack = 1))

/* RFC 2883 4.1.2, 4.2.1: a duplicate beyond the gap, with the range that it lies in behind it. */
SCRIPT(dsack_inside_a_range, SACK_OPEN, IN(.f = ACK, .seq = 101, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{101, 201}}, .nsack = 2),
       IN(.f = ACK, .seq = 201, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{101, 301}}, .nsack = 2),
       IN(.f = ACK, .seq = 201, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 1, .sack = {{201, 301}, {101, 301}}, .nsack = 3))

/* RFC 2883 4.2.2: part of a segment is old. */
SCRIPT(dsack_of_a_part, SACK_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 101), IN(.f = ACK, .seq = 51, .ack = 1, .len = 100),
       OUT(.f = ACK, .seq = 1, .ack = 151, .sack = {{51, 101}}, .nsack = 2))

Suite *sack_suite(void)
{
    Suite *s = suite_create("sack");
    TCase *t = tcase_create("receiver");

    tcase_add_test(t, sack_is_not_sent_to_who_does_not_want_it);
    tcase_add_test(t, our_syn_offers_sack);
    tcase_add_test(t, sack_latest_first);
    tcase_add_test(t, sack_beside_timestamps);
    tcase_add_test(t, dsack_of_old_text);
    tcase_add_test(t, dsack_inside_a_range);
    tcase_add_test(t, dsack_of_a_part);
    suite_add_tcase(s, t);
    return s;
}
