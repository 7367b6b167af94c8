#include "mixer.h"

#include "dsp.h"
#include "rt_inside.h"

#define UP 40 /* times slower than down: 200 ms */

static int32_t gain_of(ev_rt *rt, ev_channel channel)
{
    return atomic_load_explicit(&rt->channel_gain[channel], memory_order_relaxed);
}

static int32_t glide(const ev_rt *rt, uint32_t times)
{
    int32_t step = EV_UNITY / (int32_t)(rt->fade * times);
    return step > 0 ? step : 1;
}

/* The reply's own volume: its channel's, and lower while something sounds over it. */
static void voice(ev_rt *rt, int16_t *out, uint32_t frames, bool ducked)
{
    uint64_t announced = atomic_load_explicit(&rt->announcement, memory_order_acquire);
    ev_channel channel = EV_VOICE;
    if (announced && announced == rt->sounding)
        channel = (ev_channel)atomic_load_explicit(&rt->announced_as, memory_order_relaxed);
    int32_t target = gain_of(rt, channel);
    if (ducked)
        target = (int32_t)((int64_t)target * atomic_load_explicit(&rt->duck, memory_order_relaxed) / EV_UNITY);
    if (rt->sounding && rt->sounding != rt->voiced) { /* a reply begins with its own volume */
        rt->voiced = rt->sounding;
        rt->voice_now = target;
    }
    if (target == EV_UNITY && rt->voice_now == EV_UNITY)
        return;
    ev_dsp_gain(out, frames, &rt->voice_now, target, glide(rt, target < rt->voice_now ? 1 : UP));
}

/* Mix what a ring over the reply holds.  Slots that are not of `order` were silenced since: what sounds fades out, the rest is thrown away.
 * `ramp` is the length of a fade while something sounds, 0 while nothing does. */
static void over(ev_ring *ring, uint32_t *at, uint32_t *ramp, uint64_t order, uint32_t length, int16_t *out, uint32_t frames, int32_t gain)
{
    ev_slot *slot;
    for (uint32_t done = 0; (slot = ev_ring_front(ring)) && done < frames;) {
        uint32_t some = ev_least(frames - done, slot->frames - *at);
        bool silenced = slot->generation != order;
        if (silenced) {
            some = ev_least(some, *ramp);
            *ramp = ev_dsp_fade_out(slot->samples + *at, some, *ramp, length);
        } else {
            *ramp = length;
        }
        ev_dsp_mix_gain(out + done, slot->samples + *at, some, gain);
        done += some;
        *at += some;
        if (*at == slot->frames || (silenced && !*ramp)) {
            *at = 0;
            ev_ring_release(ring, 1);
        }
    }
    if (!slot)
        *ramp = 0;
}

void ev_mixer_mix(ev_rt *rt, int16_t *out, uint32_t frames)
{
    voice(rt, out, frames, ev_ring_waiting(&rt->earcons) || ev_ring_waiting(&rt->alarms));
    over(&rt->earcons, &rt->earcon_at, &rt->earcon_ramp, 0, rt->fade, out, frames, gain_of(rt, EV_EARCON));
    uint64_t order = atomic_load_explicit(&rt->alarm_order, memory_order_acquire);
    over(&rt->alarms, &rt->alarm_at, &rt->alarm_ramp, order, rt->fade, out, frames, gain_of(rt, EV_ALARM));
    int32_t gain = atomic_load_explicit(&rt->gain, memory_order_relaxed);
    if (gain != EV_UNITY || rt->gain_now != EV_UNITY)
        ev_dsp_gain(out, frames, &rt->gain_now, gain, glide(rt, 1));
}
