/*
 * Runs every fuzz target over the files of its corpus and over mutations of them. Nothing here is
 * left to chance: the mutations of a file follow from its bytes, so a failure comes back on the
 * next run.
 *
 *      fuzz_corpus [TARGET [FILE]...]
 *
 * Without arguments all targets run over $srcdir/tests/fuzz/corpus/TARGET. With files, these run,
 * without mutations. An input on which a target dies is left in the file crash-TARGET.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#define INPUT_MAX (1u << 20)

#define FUZZ(name, mutations) int fuzz_##name(const uint8_t *data, size_t len);
#include "targets.def"
#undef FUZZ

static const struct target {
    const char *name;
    int (*run)(const uint8_t *data, size_t len);
    unsigned mutations;
} targets[] = {
#define FUZZ(name, mutations) {#name, fuzz_##name, mutations},
#include "targets.def"
#undef FUZZ
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

/* What is running, for the report of a crash. */
static struct {
    const char *target, *file;
    unsigned mutation; /* 0: the file as it is */
    const uint8_t *data;
    size_t len;
} running;

static void report_crash(void)
{
    char line[512];
    int fd, n;

    if (running.target == NULL)
        return;
    n = snprintf(line, sizeof(line), "fuzz_corpus: %s died on %s, mutation %u\n", running.target,
                 running.file, running.mutation);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
    snprintf(line, sizeof(line), "crash-%s", running.target);
    fd = open(line, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return;
    if (write(fd, running.data, running.len) == (ssize_t)running.len)
        running.target = NULL; /* once is enough */
    close(fd);
}

/* The handler is gone when it runs (SA_RESETHAND), so that the signal, raised or met again, then
 * kills. */
static void on_signal(int sig)
{
    report_crash();
    raise(sig);
}

/* In a build with sanitizers their runtime tells of what it finds; the symbol is missing elsewhere.
 */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void catch_crashes(void)
{
    static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND | SA_NODEFER};

    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(report_crash);
        sigaction(SIGABRT, &action, NULL);
        return;
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
}

/* The target sees a copy of exactly len bytes, so that a sanitizer sees a read beyond it. */
static void run_one(const struct target *t, const char *file, unsigned mutation,
                    const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, len);
    running.target = t->name;
    running.file = file;
    running.mutation = mutation;
    running.data = data;
    running.len = len;
    t->run(copy, len);
    FUZZ_CHECK(memcmp(copy, data, len) == 0); /* the input is const */
    running.target = NULL;
    free(copy);
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n)
{
    return (size_t)(next_random(state) % n);
}

static uint64_t seed_of(const uint8_t *data, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ data[i]) * 0x100000001b3u;
    return h;
}

/* One change to p, which holds len bytes and has room for twice as many; returns the new length. */
static size_t mutate(uint8_t *p, size_t len, uint64_t *state)
{
    static const uint8_t odd_bytes[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    size_t at, n;

    if (len == 0) {
        p[0] = (uint8_t)next_random(state);
        return 1;
    }
    at = below(state, len);
    n = 1 + below(state, len - at);
    switch (below(state, 8)) {
    case 0: /* turn a bit */
        p[at] ^= (uint8_t)(1u << below(state, 8));
        return len;
    case 1: /* any byte */
        p[at] = (uint8_t)next_random(state);
        return len;
    case 2: /* a byte at an edge */
        p[at] = odd_bytes[below(state, sizeof(odd_bytes))];
        return len;
    case 3: /* one more or less, as a length that is off by one */
        p[at] += (uint8_t)(below(state, 2) ? 1 : -1);
        return len;
    case 4: /* cut the end off */
        return at;
    case 5: /* take a piece out */
        memmove(p + at, p + at + n, len - at - n);
        return len - n;
    case 6: /* repeat a piece */
        memmove(p + at + n, p + at, len - at);
        return len + n;
    default: /* put a piece somewhere else */
        memmove(p + below(state, len - n + 1), p + at, n);
        return len;
    }
}

static unsigned run_mutations(const struct target *t, const char *file, const uint8_t *data,
                              size_t len)
{
    uint64_t state = seed_of(data, len);
    uint8_t *p = malloc(16 * (len + 1)); /* four mutations can double it four times */

    if (p == NULL)
        abort();
    for (unsigned i = 1; i <= t->mutations; i++) {
        size_t n = len;

        memcpy(p, data, len);
        for (size_t changes = 1 + below(&state, 4); changes > 0; changes--)
            n = mutate(p, n, &state);
        run_one(t, file, i, p, n);
    }
    free(p);
    return t->mutations;
}

/* Returns the number of inputs run, or 0 when the file could not be read. */
static unsigned run_file(const struct target *t, const char *path, bool with_mutations)
{
    uint8_t *data = malloc(INPUT_MAX);
    FILE *f = fopen(path, "rb");
    unsigned inputs = 1;
    size_t len;

    if (data == NULL || f == NULL) {
        fprintf(stderr, "fuzz_corpus: %s: %s\n", path, strerror(errno));
        free(data);
        if (f != NULL)
            fclose(f);
        return 0;
    }
    len = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    run_one(t, path, 0, data, len);
    if (with_mutations)
        inputs += run_mutations(t, path, data, len);
    free(data);
    return inputs;
}

static int is_input(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* A target without a corpus is a failure: it would test nothing. */
static bool run_corpus(const struct target *t)
{
    const char *srcdir = getenv("srcdir");
    char dir[2048], path[sizeof(dir) + 256];
    struct dirent **entries;
    unsigned inputs = 0;
    bool ok = true;
    int n;

    snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".", t->name);
    n = scandir(dir, &entries, is_input, alphasort);
    if (n < 0) {
        fprintf(stderr, "fuzz_corpus: %s: %s\n", dir, strerror(errno));
        return false;
    }
    for (int i = 0; i < n; i++) {
        unsigned ran;

        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        ran = run_file(t, path, true);
        ok = ok && ran > 0;
        inputs += ran;
        free(entries[i]);
    }
    free(entries);
    printf("%-12s %4d files %7u inputs\n", t->name, n, inputs);
    return ok && inputs > 0;
}

int main(int argc, char **argv)
{
    bool ok = true, known = argc < 2;

    setvbuf(stdout, NULL, _IOLBF, 0);
    catch_crashes();
    for (size_t i = 0; i < TARGETS; i++) {
        if (argc > 1 && strcmp(argv[1], targets[i].name) != 0)
            continue;
        known = true;
        if (argc <= 2)
            ok = run_corpus(&targets[i]) && ok;
        for (int arg = 2; arg < argc; arg++)
            ok = run_file(&targets[i], argv[arg], false) > 0 && ok;
    }
    if (!known)
        fprintf(stderr, "fuzz_corpus: no such target: %s\n", argv[1]);
    return ok && known ? EXIT_SUCCESS : EXIT_FAILURE;
}
