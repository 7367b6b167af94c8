/* What a pass through the ring costs:  bench_ring one SAMPLES SLOTS ROUNDS | stream SAMPLES SLOTS ITEMS | echo SAMPLES SLOTS TRIPS
 *
 * A block of SAMPLES int16 is copied into a slot in place, published, and copied out.  `one`: one thread; each line is "ring memcpy", ns an
 * item, of a round of 2000, the two taking turns, so that both meet the same disturbances; the memcpys go into the same slots in the same
 * order and out of them.  `stream`: one line, ns an item from one thread to another that checks the order.  `echo`: a line a trip, ns there
 * and back by two rings, each thread on a processor of its own.  Threads spin and give way now and then: a peer may be off its processor.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../ring.h"

#define ROUND 2000
#define SPINS 4096 /* looks before giving way */

static ev_ring there, back;
static size_t bytes;
static uint64_t slots, items;
static unsigned char *source, *sink;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static unsigned char *zeros(size_t size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, EV_CACHE_LINE, size)) {
        fprintf(stderr, "bench_ring: no memory\n");
        exit(1);
    }
    return memset(memory, 0, size);
}

static size_t slot_bytes(void)
{
    return (bytes + EV_CACHE_LINE - 1) / EV_CACHE_LINE * EV_CACHE_LINE;
}

static void open_ring(ev_ring *ring)
{
    ev_ring_init(ring, zeros(slots * slot_bytes()), slots, slot_bytes(), 0);
}

/* The compiler must neither drop a copy that nobody reads nor look through it. */
static void keep(void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static void wait_a_little(uint32_t *looks)
{
    if (++*looks % SPINS == 0)
        sched_yield();
}

static void push(ev_ring *ring, const void *block)
{
    void *slot;
    for (uint32_t looks = 0; !(slot = ev_ring_acquire(ring));)
        wait_a_little(&looks);
    memcpy(slot, block, bytes);
    ev_ring_commit(ring);
}

static void pop(ev_ring *ring, void *block)
{
    void *slot;
    for (uint32_t looks = 0; !(slot = ev_ring_front(ring));)
        wait_a_little(&looks);
    memcpy(block, slot, bytes);
    ev_ring_release(ring, 1);
}

static void one(uint64_t rounds)
{
    unsigned char *plain = zeros(slots * slot_bytes());
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t began = now();
        for (int k = 0; k < ROUND; k++) {
            push(&there, source);
            keep(source);
            pop(&there, sink);
            keep(sink);
        }
        uint64_t middle = now();
        for (uint64_t k = 0; k < ROUND; k++) {
            unsigned char *slot = plain + (k & (slots - 1)) * slot_bytes();
            memcpy(slot, source, bytes);
            keep(slot);
            memcpy(sink, slot, bytes);
            keep(sink);
        }
        uint64_t ended = now();
        printf("%.3f %.3f\n", (double)(middle - began) / ROUND, (double)(ended - middle) / ROUND);
    }
    free(plain);
}

static void on_cpu(int which)
{
    cpu_set_t allowed, mine;
    if (sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) < 2)
        return;
    CPU_ZERO(&mine);
    for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && seen++ == which)
            CPU_SET(cpu, &mine);
    }
    pthread_setaffinity_np(pthread_self(), sizeof mine, &mine);
}

static void *take_all(void *unused)
{
    (void)unused;
    for (uint64_t i = 0; i < items; i++) {
        uint64_t number;
        pop(&there, sink);
        memcpy(&number, sink, sizeof number);
        if (number != i) {
            fprintf(stderr, "bench_ring: item %" PRIu64 " came as %" PRIu64 "\n", i, number);
            exit(1);
        }
    }
    return NULL;
}

static void *answer_all(void *unused)
{
    (void)unused;
    on_cpu(1);
    for (uint64_t i = 0; i < items; i++) {
        pop(&there, sink);
        push(&back, sink);
    }
    return NULL;
}

static void between(bool echo)
{
    pthread_t thread;
    unsigned char *answer = zeros(slot_bytes());
    if (pthread_create(&thread, NULL, echo ? answer_all : take_all, NULL)) {
        fprintf(stderr, "bench_ring: no thread\n");
        exit(1);
    }
    if (echo)
        on_cpu(0);
    uint64_t began = now();
    for (uint64_t i = 0; i < items; i++) {
        uint64_t sent = echo ? now() : 0;
        memcpy(source, &i, sizeof i);
        push(&there, source);
        if (echo) {
            pop(&back, answer);
            printf("%" PRIu64 "\n", now() - sent);
        }
    }
    pthread_join(thread, NULL);
    if (!echo)
        printf("%.3f\n", (double)(now() - began) / (double)items);
    free(answer);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "bench_ring: wants one|stream|echo SAMPLES SLOTS COUNT\n");
        return 2;
    }
    bytes = 2 * strtoul(argv[2], NULL, 10);
    slots = strtoull(argv[3], NULL, 10);
    items = strtoull(argv[4], NULL, 10);
    if (bytes < sizeof(uint64_t) || !slots || slots & (slots - 1) || !items) {
        fprintf(stderr, "bench_ring: wants at least 4 samples, a power of two of slots, and a count\n");
        return 2;
    }
    source = zeros(slot_bytes());
    sink = zeros(slot_bytes());
    open_ring(&there);
    open_ring(&back);
    if (!strcmp(argv[1], "one"))
        one(items);
    else
        between(!strcmp(argv[1], "echo"));
    return 0;
}
