/*
 * The simulation: a scenario a seed.
 *
 *   SIM_COUNT=n  how many scenarios (default: what fits into make check)
 *   SIM_FIRST=n  the first seed (default 1)
 *   SIM_JOBS=n   by so many processes (default 1)
 *   SIM_SEED=n   only this one
 *   SIM_TRACE=1  show the frames
 */
#include "config.h"
#include "sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SHIM_SANITIZE
#define COUNT_DEFAULT 4000 /* each takes long */
#else
#define COUNT_DEFAULT 20000
#endif
#define TELL_EVERY 100000u

static volatile uint64_t seed_now;

/* A crash tells its seed too. */
static void on_crash(int sig)
{
    char line[80];
    int n = snprintf(line, sizeof(line), "sim: signal %d in seed %llu\n", sig,
                     (unsigned long long)seed_now);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        _exit(3);
    signal(sig, SIG_DFL);
    raise(sig);
}

static uint32_t pick(struct rng *r, const uint32_t *values, uint32_t n)
{
    return values[rng_below(r, n)];
}
#define PICK(r, ...)                                                                               \
    pick((r), (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void make_impair(struct rng *r, struct link_wire_impair *m)
{
    *m = (struct link_wire_impair){
        .delay_us = PICK(r, 0, 20, 200, 3000, 40000, 300000),
        .loss_ppm = PICK(r, 0, 0, 0, 1000, 10000, 50000, 200000),
        .duplicate_ppm = PICK(r, 0, 0, 20000, 100000),
        .reorder_ppm = PICK(r, 0, 0, 50000, 300000),
        .corrupt_ppm = PICK(r, 0, 0, 0, 10000, 50000),
        .burst_ppm = PICK(r, 0, 0, 0, 0, 0, 3000),
        .burst_frames = 1 + rng_below(r, 12),
        .rate_bps = PICK(r, 0, 0, 0, 500000, 10000000, 1000000000),
        .queue_bytes = PICK(r, 0, 15000, 60000),
        .queue_refuses = rng_below(r, 2),
        .coalesce_us = PICK(r, 0, 0, 0, 50, 1000),
        .whole = rng_below(r, 2),
    };
    m->mark_ppm = PICK(r, 0, 0, 10000, 300000);
    if (rng_below(r, 100) < 6)
        m->path_mtu = PICK(r, 552, 1006, 1400);
    if (m->path_mtu)
        m->path_silent = rng_below(r, 2);
    m->jitter_us = rng_below(r, 2) ? m->delay_us / 4 : 0;
    m->reorder_us = m->delay_us ? 1 + rng_below(r, (uint32_t)m->delay_us * 3) : 500;
}

static void make_net(struct rng *r, struct sim_net *n)
{
    *n = (struct sim_net){
        .mtu = PICK(r, 1500, 1500, 1500, 576, 296, 9000),
        .gso_max_bytes = PICK(r, 0, 0, 16000, 65000),
        .csum_offload = rng_below(r, 2),
    };
    for (unsigned i = 0; i < SIM_HOSTS; i++)
        n->ecn[i] = (uint8_t)PICK(r, TCP_ECN_OFF, TCP_ECN_ON, TCP_ECN_ACCEPT);
    bool clean = rng_below(r, 100) < 20;
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        make_impair(r, &n->impair[i]);
        if (clean)
            n->impair[i] = (struct link_wire_impair){.delay_us = n->impair[i].delay_us,
                                                     .coalesce_us = n->impair[i].coalesce_us,
                                                     .whole = n->impair[i].whole};
        if (rng_below(r, 100) < 8)
            n->arena_limit[i] = PICK(r, 100000, 300000, 1000000);
    }
    for (unsigned i = 0; i < SIM_HOSTS; i++) {
        struct link_wire_impair *m = &n->impair[i];
        if (m->loss_ppm + m->corrupt_ppm >= 50000 || m->burst_ppm ||
            (m->rate_bps && m->rate_bps < 1000000))
            n->lossy = true;
        /* A router sees segments, not super-frames. */
        if (m->path_mtu)
            m->whole = false;
        /* Checksums left unfinished come with super-frames, and only from a sender that may. */
        if (!n->gso_max_bytes && !n->csum_offload)
            m->whole = false;
    }
}

static void run_one(uint64_t seed, bool trace)
{
    static struct sim s;
    struct sim_net net;
    struct rng r;
    seed_now = seed;
    memset(&s, 0, sizeof(s));
    rng_seed(&r, seed);
    make_net(&r, &net);
    rng_seed(&s.rng, rng_u64(&r));
    s.trace = trace;
    sim_init(&s, seed, &net);
    if (trace) {
        char line[200];
        sim_describe(&s, line, sizeof(line));
        printf("%s\n", line);
    }
    uint32_t kind = rng_below(&r, 100);
    if (kind < 70)
        sim_run_streams(&s);
    else if (kind < 80)
        sim_run_udp(&s);
    else
        sim_run_calls(&s);
    sim_fini(&s);
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *v = getenv(name);
    return v && *v ? strtoull(v, NULL, 10) : otherwise;
}

/* Every step-th of count seeds. */
static void run_some(uint64_t first, uint64_t count, uint64_t step, bool trace)
{
    for (uint64_t done = 0; done < count; done += step) {
        run_one(first + done, trace);
        if (done && done % TELL_EVERY < step)
            fprintf(stderr, "sim: %llu scenarios\n",
                    (unsigned long long)(done - done % TELL_EVERY));
    }
}

/* The same by so many processes; false: one of them found something. */
static bool run_jobs(uint64_t first, uint64_t count, uint64_t jobs, bool trace)
{
    uint64_t running = 0;
    bool ok = true;
    int status;
    for (; running < jobs && running < count; running++) {
        pid_t pid = fork();
        if (pid < 0)
            return false;
        if (pid == 0) {
            run_some(first + running, count - running, jobs, trace);
            _exit(0);
        }
    }
    for (; running; running--)
        ok = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && ok;
    return ok;
}

int main(void)
{
    uint64_t first = env_number("SIM_FIRST", 1), count = env_number("SIM_COUNT", COUNT_DEFAULT);
    uint64_t only = env_number("SIM_SEED", 0);
    uint64_t jobs = env_number("SIM_JOBS", 1);
    bool trace = env_number("SIM_TRACE", 0);
    const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        signal(signals[i], on_crash);
    sim_pattern_init();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (only) {
        run_one(only, trace);
        return 0;
    }
    if (jobs > 1 && !run_jobs(first, count, jobs, trace))
        return 1;
    if (jobs <= 1)
        run_some(first, count, 1, trace);
    printf("sim: %llu scenarios\n", (unsigned long long)count);
    return 0;
}
