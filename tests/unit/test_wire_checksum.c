/* The Internet checksum against known values and against a sum taken word by word. */
#include "wire/checksum.h"

#include <stdlib.h>

#include "test_wire.h"

START_TEST(known_vectors)
{
    /* The example of RFC 1071 3. */
    static const uint8_t rfc1071[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    /* An IPv4 header, its checksum 0xb861 left out. */
    static const uint8_t ipv4[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                   0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

    ck_assert_uint_eq(csum(rfc1071, sizeof(rfc1071)), 0x220d);
    ck_assert_uint_eq(csum(ipv4, sizeof(ipv4)), 0xb861);
    ck_assert_uint_eq(csum("\xab", 1), 0x54ff);
    ck_assert_uint_eq(csum("\x00\xab", 2), 0xff54);
}
END_TEST

START_TEST(partial_is_the_complement)
{
    static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    struct csum c = {0};

    csum_add(&c, data, sizeof(data));
    ck_assert_uint_eq(csum_partial(&c), 0xddf2);
    ck_assert_uint_eq(csum_finish(&c), 0x220d);
}
END_TEST

/* Zero comes out of nothing but zero bytes; every other multiple of 0xffff is the other zero. */
START_TEST(two_zeros)
{
    static const uint8_t zero[100];
    uint8_t ones[1024];

    ck_assert_uint_eq(csum(NULL, 0), 0xffff);
    for (size_t n = 0; n <= sizeof(zero); n++)
        ck_assert_uint_eq(csum(zero, n), 0xffff);
    memset(ones, 0xff, sizeof(ones));
    for (size_t n = 2; n <= sizeof(ones); n += 2)
        ck_assert_uint_eq(csum(ones, n), 0);
    ck_assert_uint_eq(csum("\xff\xfe\x00\x01", 4), 0);
    ck_assert_uint_eq(csum("\x80\x00\x7f\xff", 4), 0);
}
END_TEST

/* Carries out of the 64-bit sum must come back in, in each of the parallel sums. */
START_TEST(carries)
{
    uint8_t data[160];

    for (size_t n = 0; n <= sizeof(data); n++) {
        for (size_t i = 0; i < n; i++) {
            memset(data, 0xff, sizeof(data));
            data[i] = 0xfe;
            ck_assert_uint_eq(csum(data, n), wire_slow_checksum(data, n));
        }
    }
}
END_TEST

START_TEST(every_length_and_alignment)
{
    uint8_t data[256];
    uint64_t seed = 1;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)wire_random(&seed);
    for (size_t at = 0; at < 16; at++) {
        for (size_t n = 0; n <= sizeof(data) - at; n++) {
            uint8_t *p = wire_exact(data + at, n);

            ck_assert_uint_eq(csum(data + at, n), wire_slow_checksum(data + at, n));
            ck_assert_uint_eq(csum(p, n), wire_slow_checksum(data + at, n));
            free(p);
        }
    }
}
END_TEST

/* However the bytes are cut, odd and empty pieces included, the sum is that of the whole. */
/* RFC 1071 2 */
START_TEST(random_splits)
{
    static uint8_t data[70000];
    uint64_t seed = 2;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(wire_random(&seed) | (i % 3 == 0 ? 0xf0 : 0));
    for (int round = 0; round < 500; round++) {
        size_t len = wire_random(&seed) % (round % 10 == 0 ? sizeof(data) : 300);
        uint32_t piece_max = 1 + wire_random(&seed) % (round % 10 == 0 ? 3000 : 40);
        struct csum c = {0};

        for (size_t at = 0; at < len;) {
            size_t n = wire_random(&seed) % (piece_max + 1);

            if (n > len - at)
                n = len - at;
            csum_add(&c, data + at, n);
            at += n;
        }
        ck_assert_uint_eq(c.odd, len % 2);
        ck_assert_uint_eq(csum_finish(&c), wire_slow_checksum(data, len));
    }
}
END_TEST

START_TEST(pieces_of_iov)
{
    static uint8_t data[] = "An odd piece, then an even one, an empty one, then the rest of it";
    struct iovec iov[] = {{data, 13}, {data + 13, 18}, {NULL, 0}, {data + 31, 1}, {data + 32, 33}};
    struct csum c = {0};

    csum_add_iov(&c, iov, 5);
    ck_assert_uint_eq(csum_finish(&c), wire_slow_checksum(data, 65));
}
END_TEST

START_TEST(pseudo_ipv4)
{
    static const uint8_t head[] = {192, 0, 2, 1, 198, 51, 100, 2, 0, 17, 0xfd, 0xe9};
    struct ip_addr src = addr_v4(0xc0000201), dst = addr_v4(0xc6336402);
    struct csum c = {0};

    csum_add_pseudo(&c, &src, &dst, 17, 0xfde9);
    ck_assert_uint_eq(csum_finish(&c), wire_slow_checksum(head, sizeof(head)));
}
END_TEST

/* RFC 8200 8.1 */
START_TEST(pseudo_ipv6)
{
    static const uint8_t head[40] = {0x20, 0x01,        0x0d, 0xb8, [15] = 1, 0x20, 0x01,    0x0d,
                                     0xb8, [31] = 0xff, 0x00, 0x01, 0x86,     0xa0, [39] = 6};
    struct ip_addr src, dst;
    struct csum c = {0};

    memcpy(src.b, head, 16);
    memcpy(dst.b, head + 16, 16);
    csum_add_pseudo(&c, &src, &dst, 6, 100000);
    ck_assert_uint_eq(csum_finish(&c), wire_slow_checksum(head, sizeof(head)));
}
END_TEST

/* The pseudo-header counts the same wherever it is added, behind an odd number of bytes too. */
START_TEST(pseudo_anywhere)
{
    static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7};
    struct ip_addr src = addr_v4(0xc0000201), dst = addr_v4(0xcb007109);
    struct csum first = {0};

    csum_add_pseudo(&first, &src, &dst, 6, sizeof(data));
    csum_add(&first, data, sizeof(data));
    for (size_t at = 0; at <= sizeof(data); at++) {
        struct csum c = {0};

        csum_add(&c, data, at);
        csum_add_pseudo(&c, &src, &dst, 6, sizeof(data));
        csum_add(&c, data + at, sizeof(data) - at);
        ck_assert_uint_eq(csum_finish(&c), csum_finish(&first));
    }
}
END_TEST

/* Data that hold their checksum sum to 0; with any one bit turned they do not. */
START_TEST(verifies)
{
    uint8_t data[61];
    uint64_t seed = 3;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)wire_random(&seed);
    wire_fix_checksum(data, sizeof(data), 10);
    ck_assert_uint_eq(csum(data, sizeof(data)), 0);
    for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_uint_ne(csum(data, sizeof(data)), 0);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

/* A device completes a header whose field holds the pseudo-header's partial sum by summing on from
 * it. */
START_TEST(partial_is_completed_by_a_device)
{
    uint8_t udp[] = {0x30, 0x39, 0x00, 0x35, 0, 11, 0, 0, 'a', 'b', 'c'};
    struct ip_addr src = addr_v4(0xc0000201), dst = addr_v4(0xc0000202);
    struct csum pseudo = {0}, all = {0};

    csum_add_pseudo(&pseudo, &src, &dst, 17, sizeof(udp));
    put_be16(udp + 6, csum_partial(&pseudo));
    put_be16(udp + 6, wire_slow_checksum(udp, sizeof(udp)));
    csum_add_pseudo(&all, &src, &dst, 17, sizeof(udp));
    csum_add(&all, udp, sizeof(udp));
    ck_assert_uint_eq(csum_finish(&all), 0);
}
END_TEST

TCase *test_wire_checksum(void)
{
    TCase *t = tcase_create("checksum");

    tcase_add_test(t, known_vectors);
    tcase_add_test(t, partial_is_the_complement);
    tcase_add_test(t, two_zeros);
    tcase_add_test(t, carries);
    tcase_add_test(t, every_length_and_alignment);
    tcase_add_test(t, random_splits);
    tcase_add_test(t, pieces_of_iov);
    tcase_add_test(t, pseudo_ipv4);
    tcase_add_test(t, pseudo_ipv6);
    tcase_add_test(t, pseudo_anywhere);
    tcase_add_test(t, verifies);
    tcase_add_test(t, partial_is_completed_by_a_device);
    return t;
}
