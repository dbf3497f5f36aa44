/* Calls that move data between descriptors, and stdio. */
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "cases.h"

/* A pair of connected sockets with a puppet in between would only echo: what is sent is counted by
 * the puppet, which answers with the number and a checksum. */
static int counter(void)
{
    int s = puppet();
    tell(s, "n");
    return s;
}

/* Ends what is sent on s, and prints what the puppet got. */
static void counted(int s)
{
    char b[64] = "";
    shutdown(s, SHUT_WR);
    for (size_t n = 0; n < sizeof(b) - 1;) {
        ssize_t r = recv(s, b + n, sizeof(b) - 1 - n, 0);
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    printf("  the peer got %s", b);
    fflush(stdout);
    close(s);
}

static int file_of(size_t bytes)
{
    char *text = malloc(bytes);
    int fd = memfd_create("cases", 0);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)(i * 2654435761u >> 24);
    if (write(fd, text, bytes) != (ssize_t)bytes)
        printf("  no file\n");
    free(text);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void sending_files(void)
{
    enum { BYTES = 1000003 };
    int f = file_of(BYTES), s = counter(), p[2];
    off_t at = 5;
    char b[64];
    R(pipe(p));
    R(sendfile(s, f, NULL, BYTES));
    R(lseek(f, 0, SEEK_CUR));
    R(sendfile(s, f, NULL, 10));
    R(sendfile(s, f, &at, 100));
    R(at);
    R(lseek(f, 7, SEEK_SET));
    R(sendfile(s, f, NULL, 3));
    R(lseek(f, 0, SEEK_CUR));
    R(sendfile64(s, f, &at, 1L << 40));
    R(at);
    R(sendfile(s, f, &at, 0));
    R(sendfile(s, 900, NULL, 10));
    R(sendfile(900, f, NULL, 10));
    R(sendfile(s, p[0], NULL, 10));
    R(sendfile(s, p[0], &at, 10));
    R(sendfile(s, s, NULL, 10));
    at = -1;
    R(sendfile(s, f, &at, 10));
    counted(s);

    s = puppet();
    tell(s, "s 30");
    R(sendfile(p[1], s, NULL, 10));
    R(read(p[0], b, sizeof(b)));
    R(sendfile(p[1], s, &at, 10));
    R(sendfile(f, s, NULL, 10));
    R(drain(s));
    close(s);

    /* What does not fit stays in the file. */
    s = puppet();
    fcntl(s, F_SETFL, O_NONBLOCK);
    at = 0;
    long sum = 0;
    ssize_t n;
    tell(s, "d 500 n");
    while ((n = sendfile(s, f, &at, BYTES)) > 0) {
        sum += n;
        if (at == BYTES)
            at = 0;
    }
    R(n == -1 && sum > 0);
    R(at == sum % BYTES);
    close(s);
    s = tcp();
    signal(SIGPIPE, SIG_IGN);
    R(sendfile(s, f, NULL, 10));
    close(s);
    close(f);
    close(p[0]);
    close(p[1]);
}

static void splicing(void)
{
    int s = puppet(), t = counter(), p[2], q[2];
    char b[300];
    off64_t at = 0;
    long sum = 0;
    R(pipe(p));
    R(pipe(q));
    R(fcntl(s, F_SETFL, O_NONBLOCK));
    R(splice(s, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
    R(splice(s, NULL, p[1], NULL, 100, 0));
    tell(s, "s 1000");
    wait_for(s, POLLIN);
    R(splice(s, NULL, p[1], NULL, 100, SPLICE_F_MOVE));
    R(read(p[0], b, sizeof(b)));
    R(splice(s, NULL, p[1], NULL, 5000, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
    R(splice(s, NULL, p[1], NULL, 5000, SPLICE_F_NONBLOCK));
    R(splice(p[0], NULL, t, NULL, 200, SPLICE_F_MORE));
    R(splice(p[0], NULL, t, NULL, 5000, SPLICE_F_NONBLOCK));
    R(splice(p[0], NULL, t, NULL, 5000, SPLICE_F_NONBLOCK));
    R(fcntl(s, F_SETFL, 0));
    tell(s, "s 500000 f");
    for (ssize_t n; (n = splice(s, NULL, p[1], NULL, 65536, 0)) > 0;)
        while (n > 0) {
            ssize_t m = splice(p[0], NULL, t, NULL, (size_t)n, 0);
            n -= m > 0 ? m : n;
            sum += m;
        }
    R(sum);
    R(splice(s, NULL, t, NULL, 10, 0));
    R(splice(s, &at, p[1], NULL, 10, 0));
    R(splice(s, NULL, p[1], &at, 10, 0));
    R(splice(p[0], NULL, s, &at, 10, 0));
    R(splice(s, NULL, 900, NULL, 10, 0));
    R(splice(s, NULL, p[1], NULL, 0, 0));
    R(tee(s, p[1], 10, 0));
    R(tee(p[0], s, 10, 0));
    R(close(p[1]));
    R(splice(p[0], NULL, t, NULL, 10, 0));
    counted(t);
    close(s);
    close(p[0]);
    close(q[0]);
    close(q[1]);
}

static void streams(void)
{
    int s = puppet(), t = counter();
    char line[64];
    FILE *f = fdopen(s, "r+"), *g = fdopen(t, "w");
    R(f != NULL && g != NULL);
    R(fileno(f) == s);
    R(fdopen(s, "x") == NULL);
    R(fdopen(900, "r") == NULL);
    R(fprintf(f, "s %d d 10 s %d o f\n", 5, 20));
    R(fflush(f));
    memset(line, 0, sizeof(line));
    R(fread(line, 1, 12, f));
    R(strlen(line));
    R(fgetc(f));
    R(ungetc('q', f));
    R(fgetc(f));
    R(fseek(f, 0, SEEK_SET));
    R(ftell(f));
    R(fread(line, 1, sizeof(line), f));
    R(feof(f) != 0);
    R(ferror(f));
    R(fclose(f));
    R(fcntl(s, F_GETFD));
    for (int i = 0; i < 3000; i++)
        fprintf(g, "line %d\n", i);
    R(fputs("end", g) >= 0);
    R(fflush(g));
    R(dprintf(t, "%s-%d-%.3f", "dprintf", 42, 1.5));
    R(dprintf(t, "%2000d", 7));
    R(fcntl(t, F_GETFD));
    counted(t);
    R(dprintf(t, "x"));
}

/* As inetd does it: the connection in the place of the standard streams. */
static void standard_streams(void)
{
    int s = puppet(), status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char line[64] = "";
        FILE *report = fdopen(dup(1), "w");
        dup2(s, 0);
        dup2(s, 1);
        close(s);
        printf("n\nthrough %s\n", "stdout");
        fflush(stdout);
        puts("and puts");
        fflush(stdout);
        shutdown(1, SHUT_WR);
        if (fgets(line, sizeof(line), stdin))
            fprintf(report, "  the peer got %s", line);
        fflush(report);
        _exit(line[0] ? 0 : 1);
    }
    int pid_done = waitpid(pid, &status, 0);
    R(pid_done == pid);
    R(status);
    char b[16];
    R(recv(s, b, sizeof(b), 0));
    close(s);

    s = puppet();
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(s, 0);
        dup2(s, 1);
        close(s);
        execl("/proc/self/exe", "poll_epoll_cases", "--stdio", (char *)NULL);
        _exit(9);
    }
    pid_done = waitpid(pid, &status, 0);
    R(pid_done == pid);
    R(status);
    counted(s);
}

const struct named_case data_cases[] = {
    {"data: sendfile", sending_files},
    {"data: splice", splicing},
    {"data: stdio", streams},
    {"data: standard streams", standard_streams},
    {NULL, NULL},
};
