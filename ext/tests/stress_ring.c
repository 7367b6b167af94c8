/* One producer and one consumer on a ring whose indices overflow on the way: every slot arrives once, in order, whole. */
#include "stress.h"

#define SLOTS 8
#define WORDS 24

typedef struct item {
    uint64_t number;
    uint64_t words[WORDS];
} item;

static ev_ring ring;
static _Atomic bool over;
static uint64_t produced, refused, consumed;

static void *producer(void *unused)
{
    (void)unused;
    uint32_t random = 1;
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        item *slot = ev_ring_acquire(&ring);
        if (!slot) {
            refused++;
            ev_nap(1000);
            continue;
        }
        slot->number = produced;
        for (int i = 0; i < WORDS; i++)
            slot->words[i] = produced * 31 + (uint64_t)i;
        CHECK(slot == ev_ring_acquire(&ring), "acquiring twice gave another slot");
        ev_ring_commit(&ring);
        produced++;
        if (chance(&random) % 1000 == 0)
            ev_nap(chance(&random) % 200000);
    }
    return NULL;
}

static void check(const item *slot, uint64_t number)
{
    CHECK(slot->number == number, "slot %llu came as %llu", (unsigned long long)number, (unsigned long long)slot->number);
    for (int i = 0; i < WORDS; i++)
        CHECK(slot->words[i] == number * 31 + (uint64_t)i, "slot %llu is torn", (unsigned long long)number);
}

static void drain(uint32_t *random)
{
    if (chance(random) % 2) {
        uint64_t waiting = ev_ring_waiting(&ring);
        CHECK(waiting <= SLOTS, "%llu slots wait in a ring of %d", (unsigned long long)waiting, SLOTS);
        for (uint64_t i = 0; i < waiting; i++)
            check(ev_ring_at(&ring, i), consumed + i);
        ev_ring_release(&ring, waiting);
        consumed += waiting;
    } else {
        item *slot = ev_ring_front(&ring);
        if (!slot)
            return;
        check(slot, consumed);
        ev_ring_release(&ring, 1);
        consumed++;
    }
}

static void *consumer(void *unused)
{
    (void)unused;
    uint32_t random = 2;
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        drain(&random);
        if (chance(&random) % 1000 == 0)
            ev_nap(chance(&random) % 200000);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double seconds = seconds_asked(argc, argv);
    uint64_t start = UINT64_MAX - 1000;
    void *memory = aligned_zeros(SLOTS * sizeof(item));
    ev_ring_init(&ring, memory, SLOTS, sizeof(item), start);
    pthread_t threads[2];
    CHECK(!pthread_create(&threads[0], NULL, producer, NULL), "no thread");
    CHECK(!pthread_create(&threads[1], NULL, consumer, NULL), "no thread");
    ev_nap((uint64_t)(seconds * 1e9));
    atomic_store(&over, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (uint32_t random = 3; ev_ring_front(&ring);)
        drain(&random);
    CHECK(produced == consumed, "%llu produced, %llu consumed", (unsigned long long)produced, (unsigned long long)consumed);
    CHECK(produced > 2000, "only %llu slots: the overflow was not reached", (unsigned long long)produced);
    CHECK(refused > 0, "the ring was never full");
    printf("ring: %llu slots, full %llu times\n", (unsigned long long)produced, (unsigned long long)refused);
    free(memory);
    return 0;
}
