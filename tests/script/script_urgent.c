/* Urgent data: RFC 9293 3.8.5, RFC 6093, and what sockets make of it. */
#include "script.h"

static void oobinline(struct script *s)
{
    if (s->pcb)
        tcp_config(s->pcb)->oobinline = true;
}
/* The urgent byte is left out of the stream that the reader sees. */
static void one_left_out(struct script *s)
{
    s->received++;
}
static void at_mark(struct script *s)
{
    script_assert(s, s->pcb && tcp_at_mark(s->pcb));
}
static void not_at_mark(struct script *s)
{
    script_assert(s, s->pcb && !tcp_at_mark(s->pcb));
}
static void four_readable(struct script *s)
{
    script_assert(s, s->pcb && tcp_readable_bytes(s->pcb) == 4);
}
static void oob_byte_is_the_fifth(struct script *s)
{
    uint8_t b = 0;
    struct iovec iov = {&b, 1};

    if (!s->pcb)
        return;
    script_assert(s, tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 1, TCP_IO_OOB | TCP_IO_PEEK, 0) == 1);
    script_assert(s, b == script_pattern(4));
    b = 0;
    script_assert(s, tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 1, TCP_IO_OOB, 0) == 1);
    script_assert(s, b == script_pattern(4));
}
static void no_oob_byte(struct script *s)
{
    uint8_t b = 0;
    struct iovec iov = {&b, 1};

    script_assert(s, s->pcb && tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 1, TCP_IO_OOB, 0) == -EINVAL);
}
static void oob_byte_not_yet(struct script *s)
{
    uint8_t b = 0;
    struct iovec iov = {&b, 1};

    script_assert(s, s->pcb && tcp_recv(s->tcp, s->pcb, &iov, 1, 0, 1, TCP_IO_OOB, 0) == -EAGAIN);
}

/* Ten bytes, the fifth is urgent. */
#define TEN_WITH_URGENT                                                                            \
    PASSIVE_OPEN, EVENTS(0, 0xffff), IN(.f = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urg = 5),  \
        OUT(.f = ACK, .seq = 1, .ack = 11)

/* RFC 6093 3.1 */
SCRIPT(urgent_byte_is_left_out, TEN_WITH_URGENT, EVENTS(POLLPRI, POLLIN | POLLRDNORM),
       DO(four_readable), POLLS(POLLIN | POLLRDNORM | POLLPRI | POLLOUT | POLLWRNORM),
       DO(not_at_mark), RECV_R(100, 4), DO(at_mark), DO(oob_byte_is_the_fifth), DO(no_oob_byte),
       DO(at_mark), DO(one_left_out), RECV_R(100, 5), DO(not_at_mark), POLLS(POLLOUT | POLLWRNORM))
SCRIPT(urgent_byte_that_nobody_wanted, TEN_WITH_URGENT, RECV_R(100, 4), DO(one_left_out),
       RECV_R(100, 5), DO(no_oob_byte))
SCRIPT(urgent_byte_inline, PASSIVE_OPEN, DO(oobinline),
       IN(.f = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urg = 5),
       OUT(.f = ACK, .seq = 1, .ack = 11), DO(no_oob_byte), RECV_R(100, 4), DO(at_mark),
       RECV_R(100, 6))
SCRIPT(reading_stops_at_the_mark_again_and_again, TEN_WITH_URGENT, RECV(2), RECV_R(100, 2),
       DO(at_mark))
SCRIPT(peek_stops_at_the_mark, TEN_WITH_URGENT,
       {.kind = STEP_RECV, .n = 100, .ret = 4, .flags = TCP_IO_PEEK}, RECV_R(100, 4))

SCRIPT(urgent_news_before_the_byte, PASSIVE_OPEN, EVENTS(0, 0xffff),
       IN(.f = ACK | URG, .seq = 1, .ack = 1, .len = 2, .urg = 5),
       OUT(.f = ACK, .seq = 1, .ack = 3), EVENTS(POLLPRI, POLLIN | POLLRDNORM),
       DO(oob_byte_not_yet), POLLS(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM),
       IN(.f = ACK | URG, .seq = 3, .ack = 1, .len = 8, .urg = 3),
       OUT(.f = ACK, .seq = 1, .ack = 11), EVENTS(POLLPRI, POLLIN | POLLRDNORM), RECV_R(100, 4),
       DO(oob_byte_is_the_fifth))
SCRIPT(urgent_news_without_text, PASSIVE_OPEN, EVENTS(0, 0xffff),
       IN(.f = ACK | URG, .seq = 1, .ack = 1, .urg = 5), EVENTS(POLLPRI, 0), DO(oob_byte_not_yet))
SCRIPT(urgent_byte_out_of_order, PASSIVE_OPEN,
       IN(.f = ACK | URG, .seq = 3, .ack = 1, .len = 8, .urg = 3),
       OUT(.f = ACK, .seq = 1, .ack = 1), DO(oob_byte_not_yet),
       IN(.f = ACK, .seq = 1, .ack = 1, .len = 2), OUT(.f = ACK, .seq = 1, .ack = 11),
       DO(oob_byte_is_the_fifth))
SCRIPT(urgent_pointer_again_is_old_news, TEN_WITH_URGENT, DO(oob_byte_is_the_fifth),
       EVENTS(0, 0xffff), IN(.f = ACK | URG, .seq = 1, .ack = 1, .len = 10, .urg = 5),
       OUT(.f = ACK, .seq = 1, .ack = 11), EVENTS(0, 0), DO(no_oob_byte))
SCRIPT(mark_moves_on, TEN_WITH_URGENT,
       IN(.f = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urg = 10),
       OUT(.f = ACK, .seq = 1, .ack = 21), RECV_R(100, 19), DO(at_mark))
SCRIPT(unread_urgent_byte_at_the_head_is_lost_to_a_new_one, TEN_WITH_URGENT, RECV_R(100, 4),
       IN(.f = ACK | URG, .seq = 11, .ack = 1, .len = 10, .urg = 10),
       OUT(.f = ACK, .seq = 1, .ack = 21), DO(one_left_out), RECV_R(100, 14), DO(at_mark))
SCRIPT(urgent_pointer_of_zero_means_nothing, PASSIVE_OPEN,
       IN(.f = ACK | URG, .seq = 1, .ack = 1, .len = 10), OUT(.f = ACK, .seq = 1, .ack = 11),
       DO(no_oob_byte), RECV(10))
SCRIPT(urgent_after_fin_is_ignored, PASSIVE_OPEN, IN(.f = FIN | ACK, .seq = 1, .ack = 1),
       EVENTS(0, 0xffff), OUT_AT(MS(40), .f = ACK, .seq = 1, .ack = 2),
       IN(.f = ACK | URG, .seq = 2, .ack = 1, .urg = 5), EVENTS(0, 0))
SCRIPT(oob_after_fin, PASSIVE_OPEN,
       IN(.f = FIN | ACK | URG, .seq = 1, .ack = 1, .len = 5, .urg = 5),
       OUT(.f = ACK, .seq = 1, .ack = 7), RECV_R(100, 4), DO(oob_byte_is_the_fifth))

/* ---- sending ---- */

SCRIPT(send_urgent, PASSIVE_OPEN, SEND_F(10, TCP_IO_OOB),
       OUT(.f = ACK | PSH | URG, .seq = 1, .ack = 1, .len = 10, .urg = 10),
       IN(.f = ACK, .seq = 1, .ack = 11), SEND(5),
       OUT(.f = ACK | PSH, .seq = 11, .ack = 1, .len = 5))
SCRIPT(urgent_pointer_is_in_every_segment_before_it, PASSIVE_OPEN, SEND_F(3000, TCP_IO_OOB),
       OUT(.f = ACK | URG, .seq = 1, .ack = 1, .len = 1460, .urg = 3000),
       OUT(.f = ACK | URG, .seq = 1461, .ack = 1, .len = 1460, .urg = 1540),
       OUT(.f = ACK | PSH | URG, .seq = 2921, .ack = 1, .len = 80, .urg = 80))
SCRIPT(urgent_is_not_held_by_nagle, PASSIVE_OPEN, SEND(10),
       OUT(.f = ACK | PSH, .seq = 1, .ack = 1, .len = 10), SEND_F(1, TCP_IO_OOB),
       OUT(.f = ACK | PSH | URG, .seq = 11, .ack = 1, .len = 1, .urg = 1))
SCRIPT(urgent_news_pass_a_closed_window, PASSIVE_OPEN, IN(.f = ACK, .seq = 1, .ack = 1, .win = -1),
       SEND_F(10, TCP_IO_OOB), OUT(.f = ACK | URG, .seq = 1, .ack = 1, .urg = 10),
       OUT_AT(MS(210), .f = ACK | URG, .seq = 0, .ack = 1, .urg = 11))
SCRIPT(urgent_is_urgent_when_sent_again, PASSIVE_OPEN, SEND_F(10, TCP_IO_OOB),
       OUT(.f = ACK | PSH | URG, .seq = 1, .ack = 1, .len = 10, .urg = 10),
       OUT_AT(MS(210), .f = ACK | PSH | URG, .seq = 1, .ack = 1, .len = 10, .urg = 10))
#define GSO_SETUP                                                                                  \
    {                                                                                              \
        .mtu = 1500, .gso_max_bytes = 65535                                                        \
    }
SCRIPT_SETUP(urgent_needs_single_segments, GSO_SETUP, PASSIVE_OPEN, SEND_F(3000, TCP_IO_OOB),
             OUT(.f = ACK | URG, .seq = 1, .ack = 1, .len = 1460, .urg = 3000),
             OUT(.f = ACK | URG, .seq = 1461, .ack = 1, .len = 1460, .urg = 1540),
             OUT(.f = ACK | PSH | URG, .seq = 2921, .ack = 1, .len = 80, .urg = 80),
             IN(.f = ACK, .seq = 1, .ack = 3001), SEND(2920),
             OUT(.f = ACK | PSH, .seq = 3001, .ack = 1, .len = 2920, .gso = 1460))
static void huge_sndbuf(struct script *s)
{
    if (s->pcb) {
        tcp_config(s->pcb)->sndbuf_bytes = 1000000;
        tcp_config(s->pcb)->sndbuf_locked = true;
    }
}
SCRIPT(urgent_pointer_too_far_for_its_field, LISTEN(1), IN(.f = SYN, .mss = 1460, .win = 1460),
       OUT(.f = SYN | ACK, .ack = 1), IN(.f = ACK, .seq = 1, .ack = 1, .win = 1460), ACCEPT(0),
       DO(huge_sndbuf), SEND_F(100000, TCP_IO_MORE), OUT(.f = ACK, .seq = 1, .ack = 1, .len = 1460),
       SEND_F(1, TCP_IO_OOB), OUT(.f = ACK | URG, .seq = 1461, .ack = 1, .urg = 65535))

Suite *urgent_suite(void)
{
    Suite *s = suite_create("urgent");
    TCase *t = tcase_create("in");

    tcase_add_test(t, urgent_byte_is_left_out);
    tcase_add_test(t, urgent_byte_that_nobody_wanted);
    tcase_add_test(t, urgent_byte_inline);
    tcase_add_test(t, reading_stops_at_the_mark_again_and_again);
    tcase_add_test(t, peek_stops_at_the_mark);
    tcase_add_test(t, urgent_news_before_the_byte);
    tcase_add_test(t, urgent_news_without_text);
    tcase_add_test(t, urgent_byte_out_of_order);
    tcase_add_test(t, urgent_pointer_again_is_old_news);
    tcase_add_test(t, mark_moves_on);
    tcase_add_test(t, unread_urgent_byte_at_the_head_is_lost_to_a_new_one);
    tcase_add_test(t, urgent_pointer_of_zero_means_nothing);
    tcase_add_test(t, urgent_after_fin_is_ignored);
    tcase_add_test(t, oob_after_fin);
    suite_add_tcase(s, t);
    t = tcase_create("out");
    tcase_add_test(t, send_urgent);
    tcase_add_test(t, urgent_pointer_is_in_every_segment_before_it);
    tcase_add_test(t, urgent_is_not_held_by_nagle);
    tcase_add_test(t, urgent_news_pass_a_closed_window);
    tcase_add_test(t, urgent_is_urgent_when_sent_again);
    tcase_add_test(t, urgent_needs_single_segments);
    tcase_add_test(t, urgent_pointer_too_far_for_its_field);
    suite_add_tcase(s, t);
    return s;
}
