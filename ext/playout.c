#include "playout.h"

#include <string.h>

uint64_t ev_playout_queued(ev_rt *rt, uint64_t live)
{
    if (atomic_load_explicit(&rt->written_generation, memory_order_acquire) != live)
        return 0;
    return atomic_load_explicit(&rt->written_frames, memory_order_acquire) - (rt->sounding == live ? rt->sounding_frames : 0);
}

bool ev_playout_last_waits(ev_rt *rt, uint64_t live)
{
    uint64_t waiting = ev_ring_waiting(&rt->play);
    if (!waiting)
        return false;
    ev_slot *newest = ev_ring_at(&rt->play, waiting - 1);
    return newest->generation == live && newest->flags & EV_SLOT_LAST;
}

int32_t ev_playout_slower(ev_rt *rt, uint64_t live, uint32_t below)
{
    uint64_t left = below ? ev_playout_queued(rt, live) : 0;
    if (left >= below || ev_playout_last_waits(rt, live))
        return 0;
    uint64_t lacking = below - left, half = (below + 1) / 2;
    return (int32_t)(EV_STRETCH_SLOWEST * (lacking < half ? lacking : half) / half);
}

bool ev_playout_peek(ev_rt *rt, uint64_t live, int16_t *to, uint32_t count)
{
    uint64_t waiting = ev_ring_waiting(&rt->play);
    uint32_t got = 0, at = rt->slot_at;
    for (uint64_t i = 0; i < waiting && got < count; i++, at = 0) {
        ev_slot *slot = ev_ring_at(&rt->play, i);
        if (slot->generation != live)
            return false;
        uint32_t some = slot->frames - at < count - got ? slot->frames - at : count - got;
        memcpy(to + got, slot->samples + at, some * sizeof *to);
        got += some;
    }
    return got == count;
}
