#include "playout.h"

#include <string.h>

#include "rt_inside.h"

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

static int32_t share(int32_t most, uint64_t part, uint64_t whole)
{
    return (int32_t)((uint64_t)most * (part < whole ? part : whole) / whole);
}

void ev_playout_set_pace(ev_rt *rt, uint64_t live, uint32_t below)
{
    uint32_t above = atomic_load_explicit(&rt->shorten_above, memory_order_relaxed);
    int32_t pace = 0;
    if ((below || above) && !ev_playout_last_waits(rt, live)) {
        uint64_t left = ev_playout_queued(rt, live);
        if (left < below)
            pace = share(EV_STRETCH_SLOWEST, below - left, (below + 1) / 2);
        else if (above && left > above)
            pace = -share(EV_STRETCH_FASTEST, left - above, above);
    }
    if ((pace < 0) != (rt->pace < 0))
        rt->stretch.owed = 0; /* of the other kind */
    rt->pace = pace;
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

bool ev_playout_lengthen(ev_rt *rt, uint64_t live)
{
    int16_t ahead[EV_OVERLAP_MOST];
    if (rt->pace <= 0 || !ev_stretch_due(&rt->stretch) || !ev_playout_peek(rt, live, ahead, rt->stretch.overlap))
        return false;
    uint32_t frames = ev_stretch_lengthen(&rt->stretch, ahead);
    ev_tell(&rt->stretched, frames);
    return frames != 0;
}

bool ev_playout_shorten(ev_rt *rt, uint64_t live)
{
    int16_t ahead[EV_REACH_MOST + 1];
    uint32_t reach = rt->stretch.overlap + rt->stretch.longest;
    /* One frame more than can be left out, so that no slot is given back here with which the reply ends. */
    if (rt->pace >= 0 || !ev_stretch_due(&rt->stretch) || !ev_playout_peek(rt, live, ahead, reach + 1))
        return false;
    uint32_t frames = ev_stretch_shorten(&rt->stretch, ahead, -rt->pace);
    for (uint32_t left = frames; left;) {
        ev_slot *slot = ev_ring_front(&rt->play);
        uint32_t some = ev_least(left, slot->frames - rt->slot_at);
        left -= some;
        rt->slot_at += some;
        if (rt->slot_at == slot->frames) {
            rt->slot_at = 0;
            ev_ring_release(&rt->play, 1);
        }
    }
    if (!frames)
        return false;
    ev_tell(&rt->shortened, frames - rt->stretch.overlap);
    ev_count_heard(rt, frames);
    return true;
}
