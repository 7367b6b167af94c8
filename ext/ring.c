#include "ring.h"

void ev_ring_init(ev_ring *ring, void *memory, uint64_t slots, size_t slot_bytes, uint64_t start)
{
    atomic_init(&ring->head, start);
    atomic_init(&ring->tail, start);
    ring->tail_seen = start;
    ring->head_seen = start;
    ring->slots = memory;
    ring->slot_bytes = slot_bytes;
    ring->mask = slots - 1;
}

static void *slot(ev_ring *ring, uint64_t index)
{
    return ring->slots + (size_t)(index & ring->mask) * ring->slot_bytes;
}

void *ev_ring_acquire(ev_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head - ring->tail_seen > ring->mask) {
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (head - ring->tail_seen > ring->mask)
            return NULL;
    }
    return slot(ring, head);
}

void ev_ring_commit(ev_ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

uint64_t ev_ring_waiting(ev_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    return ring->head_seen - tail;
}

void *ev_ring_front(ev_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (ring->head_seen == tail) {
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (ring->head_seen == tail)
            return NULL;
    }
    return slot(ring, tail);
}

void *ev_ring_at(ev_ring *ring, uint64_t ahead)
{
    return slot(ring, atomic_load_explicit(&ring->tail, memory_order_relaxed) + ahead);
}

void ev_ring_release(ev_ring *ring, uint64_t count)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
}

uint64_t ev_ring_depth(ev_ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}
