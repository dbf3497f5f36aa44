/* The calls, on a stack that talks to itself. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_shim.h"

START_TEST(every_call_has_a_real_one)
{
    shim_need();
#define CALL(name) ck_assert_msg(real.name != NULL, #name);
#include "calls.def"
#undef CALL
}
END_TEST

START_TEST(what_is_not_ours_is_the_kernels)
{
    ck_assert_int_eq(fd_kind(socket(AF_UNIX, SOCK_STREAM, 0)), FD_KERNEL);
    ck_assert_int_eq(fd_kind(socket(AF_UNIX, SOCK_DGRAM, 0)), FD_KERNEL);
    ck_assert_int_eq(socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP), -1);
    ck_assert(!engine_running()); /* none of these starts the stack */
    ck_assert_int_eq(socket(AF_INET, 77, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -1);
    ck_assert_int_eq(errno, EPROTONOSUPPORT);
    shim_in();
    ck_assert_int_eq(fd_kind(socket(AF_INET, SOCK_STREAM, 0)), FD_KERNEL);
    shim_out();
}
END_TEST

START_TEST(a_socket_looks_like_one)
{
    struct stat st;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    ck_assert_int_eq(fd_kind(fd), FD_STACK);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_int_eq(real.fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(real.fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(fd_kind(fd), FD_KERNEL);
    ck_assert_int_eq(close(fd), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(a_stack_that_does_not_start_is_an_error)
{
    fake_start_result = -EPERM;
    ck_assert_int_eq(socket(AF_INET, SOCK_STREAM, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    setenv("SHIM_FALLBACK", "kernel", 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_kind(fd), FD_KERNEL);
    setenv("SHIM_FALLBACK", "nonsense", 1);
    ck_assert_int_eq(socket(AF_INET, SOCK_STREAM, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static struct sockaddr_in6 name6(const char *addr, uint16_t port)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    ck_assert_int_eq(inet_pton(AF_INET6, addr, &name.sin6_addr), 1);
    return name;
}

static int bind6(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in6 name = name6(addr, port);
    return bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
}

static int connect6(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in6 name = name6(addr, port);
    return connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
}

/* An AF_INET6 socket can be had without a stack, for IPv6 alone. */
START_TEST(without_a_stack_ipv6_is_the_kernels)
{
    struct sockaddr_in6 to = name6("::ffff:192.0.2.1", 53);
    struct sockaddr_in to4 = fake_name(FAKE_ADDRESS, 53);
    struct iovec iov = {NULL, 0};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1};
    struct mmsghdr mmsg = {.msg_hdr = msg};
    int one = 1;
    fake_start_result = -EPERM;
    int fd = socket(AF_INET6, SOCK_STREAM, 0), udp = socket(AF_INET6, SOCK_DGRAM, 0);
    ck_assert_int_eq(fd_kind(fd), FD_IPV6);
    ck_assert_int_eq(bind6(fd, "::", 0), -EPERM);
    ck_assert_int_eq(connect6(fd, "::ffff:192.0.2.1", 80), -EPERM);
    int copy = dup(fd);
    ck_assert_int_eq(bind6(copy, "::ffff:127.0.0.1", 0), -EPERM);
    ck_assert_int_eq(close(copy), 0);
    ck_assert_int_eq(fd_kind(copy), FD_KERNEL);
    ck_assert_int_eq(sendto(udp, "", 0, 0, (struct sockaddr *)&to4, sizeof(to4)), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(sendmsg(udp, &msg, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(sendmmsg(udp, &mmsg, 1, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
    ck_assert_int_eq(bind6(fd, "::", 0), 0);
    /* Starting late is too late for this one. */
    fake_start_result = 0;
    ck_assert_int_eq(connect6(udp, "::ffff:192.0.2.1", 80), -EADDRNOTAVAIL);
    ck_assert_int_eq(fd_kind(socket(AF_INET6, SOCK_DGRAM, 0)), FD_STACK);
}
END_TEST

START_TEST(the_fallback_is_for_ipv6_too)
{
    fake_start_result = -EPERM;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    ck_assert_int_eq(fd_kind(fd), FD_IPV6);
    setenv("SHIM_FALLBACK", "kernel", 1);
    ck_assert_int_eq(fd_kind(socket(AF_INET6, SOCK_STREAM, 0)), FD_KERNEL);
    ck_assert_int_eq(bind6(fd, "::", 0), 0);
    ck_assert_int_eq(fd_kind(fd), FD_KERNEL);
}
END_TEST

START_TEST(a_dual_stack_server)
{
    struct sockaddr_in6 name, want = name6("::ffff:192.0.2.1", 80);
    socklen_t len = sizeof(name);
    char buf[8];
    int domain = 0;
    int listener = socket(AF_INET6, SOCK_STREAM, 0), client = socket(AF_INET6, SOCK_STREAM, 0);
    ck_assert_int_eq(fd_kind(listener), FD_STACK);
    ck_assert_int_eq(bind6(listener, "::", 80), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(connect6(client, "::ffff:192.0.2.1", 80), 0);
    int fd = accept(listener, (struct sockaddr *)&name, &len);
    ck_assert_int_eq(fd_kind(fd), FD_STACK);
    ck_assert_uint_eq(len, sizeof(name));
    want.sin6_port = name.sin6_port;
    ck_assert_mem_eq(&name, &want, sizeof(name));
    len = sizeof(domain);
    ck_assert_int_eq(real.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len), 0);
    ck_assert_int_eq(domain, AF_INET6); /* the placeholder's */
    ck_assert_int_eq(send(client, "abc", 3, 0), 3);
    ck_assert_int_eq(recv(fd, buf, sizeof(buf), 0), 3);
}
END_TEST

/* What is of IPv6 becomes the kernel's, with the options that were set. */
START_TEST(ipv6_goes_to_the_kernel)
{
    struct sockaddr_in6 name;
    int value = 7;
    socklen_t len = sizeof(value);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0), only = socket(AF_INET6, SOCK_STREAM, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_IPV6, IPV6_UNICAST_HOPS, &value, sizeof(value)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_IPV6, IPV6_AUTOFLOWLABEL, &value, sizeof(value)), 0);
    ck_assert_int_eq(getsockopt(fd, SOL_IPV6, IPV6_AUTOFLOWLABEL, &value, &len), 0);
    ck_assert_int_eq(value, 1); /* the placeholder's */
    ck_assert_int_eq(setsockopt(fd, SOL_IPV6, 9999, &value, sizeof(value)), -1);
    ck_assert_int_eq(errno, ENOPROTOOPT);
    (void)connect6(fd, "::1", 9); /* fails where there is no IPv6 */
    ck_assert_int_eq(fd_kind(fd), FD_KERNEL);
    ck_assert_int_eq(getsockopt(fd, SOL_IPV6, IPV6_UNICAST_HOPS, &value, &len), 0);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(setsockopt(only, SOL_IPV6, IPV6_V6ONLY, &value, sizeof(value)), 0);
    ck_assert_int_eq(connect6(only, "::ffff:192.0.2.1", 80), -ENETUNREACH);
    ck_assert_int_eq(fd_kind(only), FD_STACK);
    ck_assert_int_eq(listen(only, 1), 0);
    ck_assert_int_eq(fd_kind(only), FD_KERNEL);
    len = sizeof(name);
    ck_assert_int_eq(getsockname(only, (struct sockaddr *)&name, &len), 0);
    ck_assert_uint_ne(name.sin6_port, 0);
}
END_TEST

START_TEST(a_connection_carries_bytes)
{
    int fds[2];
    char buf[64] = "";
    struct sockaddr_in name, peer;
    socklen_t len = sizeof(name);
    test_tcp_pair(fds);
    ck_assert_int_eq(getsockname(fds[0], (struct sockaddr *)&name, &len), 0);
    ck_assert_int_eq(getpeername(fds[1], (struct sockaddr *)&peer, &len), 0);
    ck_assert_mem_eq(&name, &peer, sizeof(name));
    errno = 0;
    char hello[] = "hello, ", world[] = "world";
    struct iovec out[2] = {{hello, 7}, {world, 5}};
    ck_assert_int_eq(writev(fds[0], out, 2), 12);
    struct iovec in[2] = {{buf, 3}, {buf + 3, 60}};
    ck_assert_int_eq(readv(fds[1], in, 2), 12);
    ck_assert_str_eq(buf, "hello, world");
    ck_assert_int_eq(write(fds[1], "back", 4), 4);
    ck_assert_int_eq(read(fds[0], buf, sizeof(buf)), 4);
    ck_assert_int_eq(read(fds[0], buf, 0), 0);
    ck_assert_int_eq(shutdown(fds[0], SHUT_WR), 0);
    ck_assert_int_eq(read(fds[1], buf, sizeof(buf)), 0);
    ck_assert_int_eq(errno, 0);
}
END_TEST

START_TEST(the_file_calls_with_an_offset)
{
    int fds[2];
    char buf[4];
    struct iovec iov = {buf, 4};
    test_tcp_pair(fds);
    ck_assert_int_eq(send(fds[0], "abcd", 4, 0), 4);
    ck_assert_int_eq(pread(fds[1], buf, 4, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    ck_assert_int_eq(preadv2(fds[1], &iov, 1, 0, 0), -1);
    ck_assert_int_eq(errno, ESPIPE);
    ck_assert_int_eq(preadv2(fds[1], &iov, 1, -1, 0), 4);
    ck_assert_int_eq(preadv2(fds[1], &iov, 1, -1, RWF_NOWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(pwritev2(fds[0], &iov, 1, -1, 0), 4);
}
END_TEST

static volatile sig_atomic_t pipes;
static void on_pipe(int sig, siginfo_t *info, void *context)
{
    pipes += info->si_pid == getpid() ? 1 : 100;
}

START_TEST(sigpipe_comes_with_epipe)
{
    int fds[2];
    struct sigaction act = {.sa_sigaction = on_pipe, .sa_flags = SA_SIGINFO};
    test_tcp_pair(fds);
    sigaction(SIGPIPE, &act, NULL);
    ck_assert_int_eq(shutdown(fds[0], SHUT_WR), 0);
    ck_assert_int_eq(send(fds[0], "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(pipes, 0);
    ck_assert_int_eq(send(fds[0], "x", 1, 0), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(pipes, 1);
    ck_assert_int_eq(write(fds[0], "x", 1), -1);
    ck_assert_int_eq(pipes, 2);
}
END_TEST

START_TEST(datagrams_have_names)
{
    int a = test_socket(SOCK_DGRAM, 7), b = test_socket(SOCK_DGRAM, 8);
    struct sockaddr_in to = fake_name(FAKE_ADDRESS, 7), from;
    socklen_t len = sizeof(from);
    char buf[8];
    ck_assert_int_eq(sendto(b, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
    ck_assert_int_eq(recvfrom(a, buf, 2, MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&from, &len), 3);
    ck_assert_int_eq(ntohs(from.sin_port), 8);
    ck_assert_uint_eq(len, sizeof(from));
    len = 4; /* too short: cut, and the true length told */
    memset(&from, 0, sizeof(from));
    ck_assert_int_eq(recvfrom(a, buf, 8, 0, (struct sockaddr *)&from, &len), 3);
    ck_assert_uint_eq(len, sizeof(from));
    ck_assert_int_eq(ntohs(from.sin_port), 8);
    ck_assert_uint_eq(from.sin_addr.s_addr, 0);
    ck_assert_int_eq(connect(b, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(send(b, "", 0, 0), 0);
    ck_assert_int_eq(recv(a, buf, 8, 0), 0);
}
END_TEST

START_TEST(many_messages_in_one_call)
{
    int a = test_socket(SOCK_DGRAM, 7), b = test_socket(SOCK_DGRAM, 8);
    struct sockaddr_in to = fake_name(FAKE_ADDRESS, 7);
    char text[] = "122333";
    struct iovec out[3] = {{text, 1}, {text + 1, 2}, {text + 3, 3}};
    char buf[4][4];
    struct mmsghdr vec[4] = {0}, in[4] = {0};
    struct iovec iov[4];
    for (int i = 0; i < 4; i++) {
        iov[i] = (struct iovec){buf[i], 4};
        in[i].msg_hdr.msg_iov = &iov[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    for (int i = 0; i < 3; i++)
        vec[i].msg_hdr = (struct msghdr){
            .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &out[i], .msg_iovlen = 1};
    ck_assert_int_eq(sendmmsg(b, vec, 3, 0), 3);
    ck_assert_uint_eq(vec[2].msg_len, 3);
    ck_assert_int_eq(recvmmsg(a, in, 4, MSG_WAITFORONE, NULL), 3);
    ck_assert_uint_eq(in[1].msg_len, 2);
    ck_assert_mem_eq(buf[2], "333", 3);
    ck_assert_int_eq(recvmmsg(a, in, 4, MSG_DONTWAIT, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(accept_without_a_free_number_leaves_the_connection)
{
    int listener = test_socket(SOCK_STREAM, 80), fd = test_socket(SOCK_STREAM, 0);
    struct sockaddr_in name = fake_name(FAKE_ADDRESS, 80), peer;
    socklen_t len = sizeof(peer);
    struct rlimit was, now;
    ck_assert_int_eq(accept(listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(listen(listener, 4), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), -1);
    ck_assert_int_eq(errno, EISCONN);
    getrlimit(RLIMIT_NOFILE, &was);
    now = was;
    now.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &now);
    ck_assert_int_eq(accept(listener, NULL, NULL), -1);
    ck_assert_int_eq(errno, EMFILE);
    setrlimit(RLIMIT_NOFILE, &was);
    int got = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_assert_int_ge(got, 0);
    ck_assert_uint_eq(peer.sin_addr.s_addr, htonl(FAKE_ADDRESS));
    ck_assert_int_eq(real.fcntl(got, F_GETFD), FD_CLOEXEC);
    char c;
    ck_assert_int_eq(recv(got, &c, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(accept4(listener, NULL, NULL, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(loopback_is_the_kernels)
{
    /* A connection over the kernel's loopback, from a socket that was ours until it was connected.
     */
    struct sockaddr_in name = fake_name(INADDR_LOOPBACK, 0);
    socklen_t len = sizeof(name);
    int one = 1, value = 0;
    int listener = test_socket(SOCK_STREAM, 0), fd = test_socket(SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(fd_kind(listener), FD_KERNEL);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &len), 0);
    ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one)), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(fd_kind(fd), FD_KERNEL);
    len = sizeof(value);
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, 1, &value, &len), 0);
    ck_assert_int_eq(value, 1);
    int udp = test_socket(SOCK_DGRAM, 0);
    ck_assert_int_eq(sendto(udp, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)), 1);
    ck_assert_int_eq(fd_kind(udp), FD_KERNEL);
}
END_TEST

START_TEST(options_are_set_on_both)
{
    int fd = test_socket(SOCK_STREAM, 0), one = 1, value = 0;
    socklen_t len = sizeof(value);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &len), 0);
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(real.getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &len), 0);
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len), 0);
    ck_assert_int_eq(value, SOCK_STREAM);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 1), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* Pointers that cannot be meant. The compiler need not know. */
static void *volatile nowhere, *volatile low = (void *)8;

START_TEST(null_pointers_are_efault)
{
    int fds[2];
    char c;
    test_tcp_pair(fds);
    ck_assert_int_eq(recv(fds[1], nowhere, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN); /* nothing to put there */
    ck_assert_int_eq(send(fds[0], "ab", 2, 0), 2);
    ck_assert_int_eq(recv(fds[1], nowhere, 1, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(recv(fds[1], nowhere, 1, MSG_TRUNC), 1); /* not put anywhere */
    ck_assert_int_eq(recv(fds[1], &c, 1, 0), 1);
    ck_assert_int_eq(c, 'b');
    errno = 0;
    ck_assert_int_eq(write(fds[0], low, 1), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(readv(fds[0], nowhere, 1), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(sendmsg(fds[0], nowhere, 0), -1);
    ck_assert_int_eq(errno, EFAULT);
    int fd = test_socket(SOCK_STREAM, 0);
    errno = 0;
    ck_assert_int_eq(bind(fd, nowhere, 16), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(connect(fd, low, 16), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(getsockname(fd, nowhere, nowhere), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, nowhere, 4), -1);
    ck_assert_int_eq(errno, EFAULT);
    errno = 0;
    ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, low, low), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(fd_kind(fd), FD_STACK);
}
END_TEST

START_TEST(private_numbers_are_closed_to_the_program)
{
    char c;
    int fd = dup(test_socket(SOCK_DGRAM, 0));
    ck_assert_int_eq(fd_set_kind(fd, FD_PRIVATE), 0);
    ck_assert_int_eq(read(fd, &c, 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(close(fd), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_ge(real.fcntl(fd, F_GETFD), 0);
}
END_TEST

Suite *shim_call_suite(void)
{
    Suite *s = suite_create("shim call");
    TCase *tc = tcase_create("call");
    tcase_add_test(tc, every_call_has_a_real_one);
    tcase_add_test(tc, what_is_not_ours_is_the_kernels);
    tcase_add_test(tc, a_socket_looks_like_one);
    tcase_add_test(tc, a_stack_that_does_not_start_is_an_error);
    tcase_add_test(tc, without_a_stack_ipv6_is_the_kernels);
    tcase_add_test(tc, the_fallback_is_for_ipv6_too);
    tcase_add_test(tc, a_dual_stack_server);
    tcase_add_test(tc, ipv6_goes_to_the_kernel);
    tcase_add_test(tc, a_connection_carries_bytes);
    tcase_add_test(tc, the_file_calls_with_an_offset);
    tcase_add_test(tc, sigpipe_comes_with_epipe);
    tcase_add_test(tc, datagrams_have_names);
    tcase_add_test(tc, many_messages_in_one_call);
    tcase_add_test(tc, accept_without_a_free_number_leaves_the_connection);
    tcase_add_test(tc, loopback_is_the_kernels);
    tcase_add_test(tc, options_are_set_on_both);
    tcase_add_test(tc, null_pointers_are_efault);
    tcase_add_test(tc, private_numbers_are_closed_to_the_program);
    suite_add_tcase(s, tc);
    return s;
}
