/* What the callback's own sources share.  Audio thread only; the laws of rt.h hold. */
#ifndef EV_RT_INSIDE_H
#define EV_RT_INSIDE_H

#include "rt.h"

/* Only the callback stores these, so a plain load and a release store are an increment.  Release, because the snapshot takes a value it
 * sees as proof that it sees `turn` too. */
static inline void ev_tell(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_release);
}

static inline uint32_t ev_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline ev_heard *ev_heard_entry(ev_rt *rt)
{
    return &rt->heard[(rt->heard_count - 1) % EV_HEARD];
}

/* `frames` more of the sounding generation are played. */
static inline void ev_count_heard(ev_rt *rt, uint32_t frames)
{
    rt->sounding_frames += frames;
    atomic_store_explicit(&ev_heard_entry(rt)->frames, rt->sounding_frames, memory_order_release);
    ev_tell(&rt->played, frames);
}

#endif
