/* What the stress programs share: a check that names its place, a small random source, and a deadline. */
#ifndef EV_STRESS_H
#define EV_STRESS_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../host.h"

#define CHECK(condition, ...)                                                                                                           \
    do {                                                                                                                                \
        if (!(condition)) {                                                                                                             \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                             \
            fprintf(stderr, __VA_ARGS__);                                                                                               \
            fputc('\n', stderr);                                                                                                        \
            exit(1);                                                                                                                    \
        }                                                                                                                               \
    } while (0)

static inline uint32_t chance(uint32_t *state) /* xorshift32 */
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static inline double seconds_asked(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2.0;
    CHECK(seconds > 0, "usage: %s [SECONDS]", argv[0]);
    return seconds;
}

static inline void *aligned_zeros(size_t bytes)
{
    size_t whole = (bytes + EV_CACHE_LINE - 1) / EV_CACHE_LINE * EV_CACHE_LINE;
    unsigned char *memory = aligned_alloc(EV_CACHE_LINE, whole);
    CHECK(memory, "no memory");
    for (size_t i = 0; i < whole; i++)
        memory[i] = 0;
    return memory;
}

#endif
