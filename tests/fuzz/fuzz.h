/*
 * Fuzz targets.
 *
 * A target is a function of bytes that must neither crash nor break an invariant:
 *
 *      FUZZ_TARGET(udp)
 *      {
 *          ... data, len ...
 *          FUZZ_CHECK(what must hold);
 *          return 0;
 *      }
 *
 * It runs in two frames. `make check` links all targets into one program, fuzz_corpus, which gives
 * each of them the files of corpus/NAME and mutations of them, the same ones every time. `make
 * fuzz` builds each one as a program of its own with libFuzzer, which searches from the same files.
 *
 * To add a target: write fuzz_NAME.c, name it in targets.def and in Makefile.am, and put at least
 * one input into corpus/NAME (make_corpus.py). A target keeps nothing from one call to the next.
 */
#ifndef SHIM_FUZZ_H
#define SHIM_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_LIBFUZZER
#define FUZZ_ENTRY(name) LLVMFuzzerTestOneInput
#else
#define FUZZ_ENTRY(name) fuzz_##name
#endif

/* Opens the body of a target, which has const uint8_t *data and size_t len. */
#define FUZZ_TARGET(name)                                                                          \
    int FUZZ_ENTRY(name)(const uint8_t *data, size_t len);                                         \
    int FUZZ_ENTRY(name)(const uint8_t *data, size_t len)

#define FUZZ_CHECK(cond)                                                                           \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
