#include "microphone.h"

#include <string.h>

#include "rt_inside.h"

void ev_microphone_take(ev_rt *rt, const int16_t *in, const int16_t *out, uint32_t frames)
{
    uint32_t hop = rt->config.hop;
    bool muted = atomic_load_explicit(&rt->muted, memory_order_acquire);
    if (muted)
        in = NULL; /* what the device captured is not even looked at: nobody after this sees anything but zeros */
    for (uint32_t done = 0; done < frames;) {
        if (rt->fill == 0) {
            rt->hop = ev_ring_acquire(&rt->capture);
            rt->hop_flags = 0;
            if (rt->hop)
                rt->hop->index = rt->frame;
        }
        uint32_t some = ev_least(frames - done, hop - rt->fill);
        if (rt->after_xrun) {
            rt->after_xrun = 0;
            rt->hop_flags |= EV_HOP_AFTER_XRUN;
        }
        if (!in)
            rt->hop_flags |= muted ? EV_HOP_MUTED : EV_HOP_DEAF;
        if (rt->hop) {
            int16_t *near = ev_hop_near(rt->hop) + rt->fill;
            if (in)
                memcpy(near, in + done, some * sizeof *near);
            else
                memset(near, 0, some * sizeof *near);
            memcpy(ev_hop_far(rt->hop, hop) + rt->fill, out + done, some * sizeof *near);
        } else {
            ev_tell(&rt->dropped, some);
        }
        done += some;
        rt->fill += some;
        rt->frame += some;
        if (rt->fill == hop) {
            if (rt->hop) {
                rt->hop->flags = rt->hop_flags;
                ev_ring_commit(&rt->capture);
            }
            rt->hop = NULL;
            rt->fill = 0;
        }
    }
    ev_tell(&rt->captured, frames);
    if (muted)
        ev_tell(&rt->zeroed, frames);
    atomic_store_explicit(&rt->partial, rt->hop ? rt->fill : 0, memory_order_release);
}
