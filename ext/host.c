#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include "front.h"

#include <string.h>
#include <time.h>

void ev_nap(uint64_t nanoseconds)
{
    struct timespec left = {.tv_sec = (time_t)(nanoseconds / 1000000000u), .tv_nsec = (long)(nanoseconds % 1000000000u)};
    nanosleep(&left, NULL);
}

uint64_t ev_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool closed(ev_rt *rt)
{
    return atomic_load_explicit(&rt->closed, memory_order_acquire);
}

/* Nap until the next look, false once `deadline` passed. */
static bool patience(ev_rt *rt, uint64_t deadline)
{
    uint64_t now = ev_now();
    if (now >= deadline)
        return false;
    uint64_t poll = atomic_load_explicit(&rt->poll_ns, memory_order_relaxed);
    ev_nap(poll < deadline - now ? poll : deadline - now);
    return true;
}

uint64_t ev_host_wait(ev_rt *rt, uint64_t timeout_ns)
{
    uint64_t deadline = ev_now() + timeout_ns;
    uint64_t waiting;
    while (!(waiting = ev_ring_waiting(&rt->capture))) {
        if (closed(rt) || !patience(rt, deadline))
            return 0;
    }
    uint64_t first = ((ev_hop *)ev_ring_at(&rt->capture, 0))->index;
    uint64_t run = 1;
    while (run < waiting && ((ev_hop *)ev_ring_at(&rt->capture, run))->index == first + run * rt->config.hop)
        run++;
    return run;
}

uint64_t ev_host_take(ev_rt *rt, uint64_t count, int16_t *near, int16_t *far)
{
    uint32_t hop_frames = rt->config.hop;
    size_t bytes = hop_frames * sizeof *near;
    uint64_t index = ((ev_hop *)ev_ring_at(&rt->capture, 0))->index;
    for (uint64_t i = 0; i < count; i++) {
        ev_hop *hop = ev_ring_at(&rt->capture, i);
        memcpy(near + i * hop_frames, ev_hop_near(hop), bytes);
        memcpy(far + i * hop_frames, ev_hop_far(hop, hop_frames), bytes);
    }
    uint64_t reads = atomic_load_explicit(&rt->reads, memory_order_relaxed);
    uint64_t consumed = atomic_load_explicit(&rt->consumed, memory_order_relaxed);
    atomic_store_explicit(&rt->reads, reads + 1, memory_order_relaxed);
    ev_ring_release(&rt->capture, count);
    atomic_store_explicit(&rt->consumed, consumed + count * hop_frames, memory_order_release);
    atomic_store_explicit(&rt->reads, reads + 2, memory_order_release);
    return index;
}

static void count_written(ev_rt *rt, uint64_t generation, uint64_t frames)
{
    if (atomic_load_explicit(&rt->written_generation, memory_order_relaxed) != generation) {
        atomic_store_explicit(&rt->written_generation, 0, memory_order_release);
        atomic_store_explicit(&rt->written_frames, 0, memory_order_release);
        atomic_store_explicit(&rt->written_generation, generation, memory_order_release);
    }
    uint64_t before = atomic_load_explicit(&rt->written_frames, memory_order_relaxed);
    atomic_store_explicit(&rt->written_frames, before + frames, memory_order_release);
}

ev_write_state ev_host_write(ev_rt *rt, uint64_t generation, const int16_t *samples, uint64_t frames, bool last, uint64_t timeout_ns,
                             uint64_t *taken)
{
    uint64_t deadline = ev_now() + timeout_ns;
    *taken = 0;
    while (*taken < frames || last) {
        if (closed(rt))
            return EV_WRITE_CLOSED;
        if (ev_live_current(rt->live) != generation)
            return EV_WRITE_DEAD;
        if (rt->written_last == generation)
            return EV_WRITE_ENDED;
        ev_slot *slot = ev_ring_acquire(&rt->play);
        if (!slot) {
            if (!patience(rt, deadline))
                return EV_WRITE_FULL;
            continue;
        }
        uint64_t left = frames - *taken;
        slot->generation = generation;
        slot->frames = left < rt->config.hop ? (uint32_t)left : rt->config.hop;
        slot->flags = last && slot->frames == left ? EV_SLOT_LAST : 0;
        memcpy(slot->samples, samples + *taken, slot->frames * sizeof *samples);
        count_written(rt, generation, slot->frames);
        *taken += slot->frames;
        bool ended = slot->flags & EV_SLOT_LAST;
        ev_ring_commit(&rt->play);
        if (ended) {
            rt->written_last = generation;
            break;
        }
    }
    return EV_WRITE_DONE;
}

uint64_t ev_host_heard(ev_rt *rt, uint64_t generation)
{
    if (generation == 0)
        return 0;
    for (int i = 0; i < EV_HEARD; i++) {
        ev_heard *entry = &rt->heard[i];
        if (atomic_load_explicit(&entry->generation, memory_order_acquire) != generation)
            continue;
        uint64_t frames = atomic_load_explicit(&entry->frames, memory_order_acquire);
        if (atomic_load_explicit(&entry->generation, memory_order_relaxed) == generation)
            return frames;
    }
    return 0;
}

uint64_t ev_host_queued(ev_rt *rt, uint64_t generation)
{
    uint64_t heard = ev_host_heard(rt, generation); /* first, so that the difference is never negative */
    for (;;) {
        if (generation == 0 || atomic_load_explicit(&rt->written_generation, memory_order_acquire) != generation)
            return 0;
        uint64_t written = atomic_load_explicit(&rt->written_frames, memory_order_acquire);
        if (atomic_load_explicit(&rt->written_generation, memory_order_relaxed) != generation || ev_live_current(rt->live) != generation)
            return 0;
        uint64_t now = ev_host_heard(rt, generation); /* a thread that was held up between the two would see too many */
        if (now == heard)
            return written - heard;
        heard = now;
    }
}

bool ev_host_full(ev_rt *rt)
{
    return ev_ring_depth(&rt->play) > rt->play.mask;
}

bool ev_host_pause(ev_rt *rt, uint64_t generation)
{
    if (generation == 0 || ev_live_current(rt->live) != generation)
        return false;
    atomic_store_explicit(&rt->pause, generation, memory_order_release);
    return true;
}

bool ev_host_resume(ev_rt *rt, uint64_t generation)
{
    if (generation == 0 || ev_live_current(rt->live) != generation)
        return false;
    uint64_t held = generation;
    atomic_compare_exchange_strong_explicit(&rt->pause, &held, 0, memory_order_acq_rel, memory_order_relaxed);
    return true;
}

void ev_host_gate(ev_rt *rt, uint64_t generation)
{
    atomic_store_explicit(&rt->gate, generation, memory_order_release);
}

bool ev_host_open(ev_rt *rt, uint64_t generation)
{
    uint64_t shut = generation;
    if (generation == 0)
        return false;
    atomic_compare_exchange_strong_explicit(&rt->gate, &shut, 0, memory_order_acq_rel, memory_order_relaxed);
    return ev_live_current(rt->live) == generation;
}

static uint64_t put_over(ev_rt *rt, ev_ring *ring, uint64_t order, const int16_t *samples, uint64_t frames)
{
    uint64_t taken = 0;
    while (taken < frames) {
        ev_slot *slot = ev_ring_acquire(ring);
        if (!slot)
            break;
        uint64_t left = frames - taken;
        slot->generation = order;
        slot->frames = left < rt->config.hop ? (uint32_t)left : rt->config.hop;
        slot->flags = 0;
        memcpy(slot->samples, samples + taken, slot->frames * sizeof *samples);
        taken += slot->frames;
        ev_ring_commit(ring);
    }
    return taken;
}

uint64_t ev_host_earcon(ev_rt *rt, const int16_t *samples, uint64_t frames)
{
    return put_over(rt, &rt->earcons, 0, samples, frames);
}

uint64_t ev_host_alarm(ev_rt *rt, const int16_t *samples, uint64_t frames)
{
    return put_over(rt, &rt->alarms, atomic_load_explicit(&rt->alarm_order, memory_order_acquire), samples, frames);
}

void ev_host_alarm_stop(ev_rt *rt)
{
    atomic_fetch_add_explicit(&rt->alarm_order, 1, memory_order_acq_rel);
}

uint32_t ev_host_events(ev_rt *rt, ev_play_event *events, uint32_t room)
{
    uint32_t count = 0;
    ev_play_event *slot;
    while (count < room && (slot = ev_ring_front(&rt->events))) {
        events[count++] = *slot;
        ev_ring_release(&rt->events, 1);
    }
    return count;
}

void ev_host_gain(ev_rt *rt, int32_t gain)
{
    atomic_store_explicit(&rt->gain, gain, memory_order_relaxed);
}

void ev_host_channel_gain(ev_rt *rt, ev_channel channel, int32_t gain)
{
    atomic_store_explicit(&rt->channel_gain[channel], gain, memory_order_relaxed);
}

void ev_host_duck(ev_rt *rt, int32_t gain)
{
    atomic_store_explicit(&rt->duck, gain, memory_order_relaxed);
}

void ev_host_announce(ev_rt *rt, uint64_t generation, ev_channel channel)
{
    atomic_store_explicit(&rt->announced_as, (uint32_t)channel, memory_order_relaxed);
    atomic_store_explicit(&rt->announcement, generation, memory_order_release);
}

void ev_host_mute(ev_rt *rt, bool muted)
{
    atomic_store_explicit(&rt->muted, muted, memory_order_release);
}

bool ev_host_muted(ev_rt *rt)
{
    return atomic_load_explicit(&rt->muted, memory_order_acquire);
}

void ev_host_playout(ev_rt *rt, uint32_t stretch_below, uint32_t hold, uint32_t shorten_above)
{
    atomic_store_explicit(&rt->stretch_below, stretch_below, memory_order_relaxed);
    atomic_store_explicit(&rt->hold, hold, memory_order_relaxed);
    atomic_store_explicit(&rt->shorten_above, shorten_above, memory_order_relaxed);
}

void ev_host_close(ev_rt *rt)
{
    atomic_store_explicit(&rt->closed, 1, memory_order_release);
}

static uint64_t look(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_acquire);
}

void ev_host_counters(ev_rt *rt, ev_counters *counters)
{
    ev_front *front = atomic_load_explicit(&rt->front, memory_order_acquire);
    for (uint32_t attempt = 0;; attempt++) {
        uint64_t turn = look(&rt->turn);
        uint64_t reads = look(&rt->reads);
        uint64_t takes = front ? look(&front->takes) : 0;
        if (!((turn | reads | takes) & 1)) {
            counters->consumed = look(&rt->consumed);
            counters->captured = look(&rt->captured);
            counters->dropped = look(&rt->dropped);
            counters->depth = ev_ring_depth(&rt->capture) * rt->config.hop + look(&rt->partial);
            counters->xruns_in = look(&rt->xruns_in);
            counters->xruns_out = look(&rt->xruns_out);
            counters->callbacks = look(&rt->callbacks);
            counters->played = look(&rt->played);
            counters->underruns = look(&rt->underruns);
            counters->stale = look(&rt->stale);
            counters->events_lost = look(&rt->events_lost);
            if (front) {
                counters->consumed += look(&front->consumed);
                counters->dropped += look(&front->dropped);
                counters->depth += ev_ring_depth(&front->out) * rt->config.hop;
            }
            counters->stretched = look(&rt->stretched);
            counters->shortened = look(&rt->shortened);
            counters->queue = ev_host_queued(rt, ev_live_current(rt->live));
            counters->queue_least = look(&rt->queue_least);
            counters->zeroed = look(&rt->zeroed);
            if (atomic_load_explicit(&rt->turn, memory_order_relaxed) == turn &&
                atomic_load_explicit(&rt->reads, memory_order_relaxed) == reads &&
                (!front || atomic_load_explicit(&front->takes, memory_order_relaxed) == takes))
                return;
        }
        if (attempt >= 64)
            ev_nap(20000);
    }
}
