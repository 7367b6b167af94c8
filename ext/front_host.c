/* What front.h says may sleep: the front end's thread, and the ears' end of its ring. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "host.h"

#define PRIORITY 5 /* SCHED_FIFO, below every sound device's own */
#define REST 4     /* looks that are left out while nothing goes on: two hops, a fraction of the shortest speech that counts */
#define HURRY 1000000u /* ns; who looks more often than this has a device that waits for it */

struct ev_front_thread {
    pthread_t thread;
    ev_front *front;
};

/* Until the next look.  While nobody is heard and no reply lives, what comes next may wait a little. */
static uint64_t nap_ns(const ev_front *front)
{
    uint64_t poll = atomic_load_explicit(&front->rt->poll_ns, memory_order_relaxed);
    bool quiet = !front->speaking && !front->run && ev_live_current(front->rt->live) == 0;
    return quiet && poll >= HURRY ? REST * poll : poll;
}

static void *drive(void *argument)
{
    ev_front *front = ((ev_front_thread *)argument)->front;
    while (!atomic_load_explicit(&front->stop, memory_order_acquire)) {
        uint64_t start = ev_now();
        while (ev_front_step(front)) {
            uint64_t now = ev_now(), took = now - start;
            start = now;
            uint64_t sum = atomic_load_explicit(&front->busy_ns, memory_order_relaxed);
            atomic_store_explicit(&front->busy_ns, sum + took, memory_order_relaxed);
            if (took > atomic_load_explicit(&front->busy_most_ns, memory_order_relaxed))
                atomic_store_explicit(&front->busy_most_ns, took, memory_order_relaxed);
        }
        ev_nap(nap_ns(front));
    }
    return NULL;
}

ev_front_thread *ev_front_start(ev_front *front, int *error)
{
    ev_front_thread *thread = calloc(1, sizeof *thread);
    if (!thread) {
        *error = 12;
        return NULL;
    }
    thread->front = front;
    *error = pthread_create(&thread->thread, NULL, drive, thread);
    if (*error) {
        free(thread);
        return NULL;
    }
    pthread_setname_np(thread->thread, "edgevoice-front");
    struct sched_param parameter = {.sched_priority = PRIORITY};
    if (pthread_setschedparam(thread->thread, SCHED_FIFO, &parameter) == 0)
        atomic_fetch_or_explicit(&front->modes, EV_FRONT_FIFO, memory_order_relaxed);
    return thread;
}

void ev_front_stop(ev_front_thread *thread)
{
    if (!thread)
        return;
    atomic_store_explicit(&thread->front->stop, 1, memory_order_release);
    pthread_join(thread->thread, NULL);
    free(thread);
}

void ev_front_attach(ev_front *front)
{
    atomic_store_explicit(&front->rt->front, front, memory_order_release);
}

void ev_front_arm(ev_front *front, uint64_t generation)
{
    atomic_store_explicit(&front->armed, generation, memory_order_release);
}

void ev_front_look(ev_front *front, ev_front_state *state)
{
    state->hops = atomic_load_explicit(&front->hops, memory_order_acquire);
    state->blocks = atomic_load_explicit(&front->blocks, memory_order_relaxed);
    state->changes = atomic_load_explicit(&front->changes, memory_order_relaxed);
    state->reflexes = atomic_load_explicit(&front->reflexes, memory_order_relaxed);
    state->dropped = atomic_load_explicit(&front->dropped, memory_order_relaxed);
    state->busy_ns = atomic_load_explicit(&front->busy_ns, memory_order_relaxed);
    state->busy_most_ns = atomic_load_explicit(&front->busy_most_ns, memory_order_relaxed);
    state->erle_mdb = atomic_load_explicit(&front->erle_mdb, memory_order_relaxed);
    state->drift_ppb = atomic_load_explicit(&front->drift_ppb, memory_order_relaxed);
    state->delay = atomic_load_explicit(&front->delay, memory_order_relaxed);
    state->flags = atomic_load_explicit(&front->flags, memory_order_relaxed) |
                   atomic_load_explicit(&front->modes, memory_order_relaxed);
}

uint64_t ev_front_wait(ev_front *front, uint64_t timeout_ns)
{
    ev_rt *rt = front->rt;
    uint64_t deadline = ev_now() + timeout_ns, waiting;
    while (!(waiting = ev_ring_waiting(&front->out))) {
        uint64_t now = ev_now();
        if (now >= deadline || atomic_load_explicit(&rt->closed, memory_order_acquire))
            return 0;
        uint64_t poll = atomic_load_explicit(&rt->poll_ns, memory_order_relaxed);
        ev_nap(poll < deadline - now ? poll : deadline - now);
    }
    uint64_t first = ((ev_judged *)ev_ring_at(&front->out, 0))->index, run = 1;
    while (run < waiting && ((ev_judged *)ev_ring_at(&front->out, run))->index == first + run * rt->config.hop)
        run++;
    return run;
}

void ev_front_take(ev_front *front, uint64_t count, int16_t *near, int16_t *far, float *clean, float *probabilities, ev_judged *first)
{
    uint32_t hop = front->rt->config.hop;
    *first = *(ev_judged *)ev_ring_at(&front->out, 0);
    first->clean = first->frames = 0;
    for (uint64_t i = 0; i < count; i++) {
        ev_judged *judged = ev_ring_at(&front->out, i);
        const int16_t *samples = ev_judged_near(front, judged);
        memcpy(near + i * hop, samples, hop * sizeof *near);
        memcpy(far + i * hop, samples + hop, hop * sizeof *far);
        memcpy(clean + first->clean, judged->data, judged->clean * sizeof *clean);
        memcpy(probabilities + first->frames, ev_judged_probabilities(front, judged), judged->frames * sizeof *probabilities);
        first->clean += judged->clean;
        first->frames += judged->frames;
        if (judged->reflex) {
            first->reflex = judged->reflex;
            first->onset = judged->onset;
        }
    }
    uint64_t takes = atomic_load_explicit(&front->takes, memory_order_relaxed);
    uint64_t consumed = atomic_load_explicit(&front->consumed, memory_order_relaxed);
    atomic_store_explicit(&front->takes, takes + 1, memory_order_relaxed);
    ev_ring_release(&front->out, count);
    atomic_store_explicit(&front->consumed, consumed + count * hop, memory_order_release);
    atomic_store_explicit(&front->takes, takes + 2, memory_order_release);
}
