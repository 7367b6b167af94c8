/* A ring of fixed-size slots between one producer thread and one consumer thread, filled and emptied in place.
 *
 * Laws: the number of slots is a power of two; indices are 64-bit, only grow, and may start anywhere and wrap; the producer alone
 * stores `head`, the consumer alone `tail`; a full ring refuses (NULL), it never overwrites.  Nothing here locks, allocates, or calls
 * the system.  Each side looks at the other's index only when its cached copy says full or empty.
 */
#ifndef EV_RING_H
#define EV_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EV_CACHE_LINE 64

typedef struct ev_ring {
    alignas(EV_CACHE_LINE) _Atomic uint64_t head; /* producer: slots ever committed, plus the start */
    uint64_t tail_seen;                           /* producer: its copy of `tail` */
    alignas(EV_CACHE_LINE) _Atomic uint64_t tail; /* consumer: slots ever released, plus the start */
    uint64_t head_seen;                           /* consumer: its copy of `head` */
    alignas(EV_CACHE_LINE) unsigned char *slots;  /* init only */
    size_t slot_bytes;                            /* init only */
    uint64_t mask;                                /* init only: slots - 1 */
} ev_ring;

/* `memory` holds `slots` (a power of two) times `slot_bytes`; both indices begin at `start`. */
void ev_ring_init(ev_ring *ring, void *memory, uint64_t slots, size_t slot_bytes, uint64_t start);

/* Producer: the next free slot, or NULL when full.  Asking twice gives the same slot. */
void *ev_ring_acquire(ev_ring *ring);
/* Producer: publish the acquired slot. */
void ev_ring_commit(ev_ring *ring);

/* Consumer: committed slots that wait. */
uint64_t ev_ring_waiting(ev_ring *ring);
/* Consumer: the oldest waiting slot, or NULL when empty. */
void *ev_ring_front(ev_ring *ring);
/* Consumer: the slot `ahead` places behind the oldest; the caller knows from ev_ring_waiting that it waits. */
void *ev_ring_at(ev_ring *ring, uint64_t ahead);
/* Consumer: give back the oldest `count` slots. */
void ev_ring_release(ev_ring *ring, uint64_t count);

/* Any thread: slots between the indices, for a snapshot that checks by itself that neither moved. */
uint64_t ev_ring_depth(ev_ring *ring);

#endif
