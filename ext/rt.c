#include "rt.h"

#include <string.h>

#include "dsp.h"
#include "playout.h"

static size_t rounded(size_t bytes)
{
    return (bytes + EV_CACHE_LINE - 1) / EV_CACHE_LINE * EV_CACHE_LINE;
}

static size_t hop_bytes(const ev_rt_config *config)
{
    return rounded(sizeof(ev_hop) + 2 * sizeof(int16_t) * config->hop);
}

static size_t slot_bytes(const ev_rt_config *config)
{
    return rounded(sizeof(ev_slot) + sizeof(int16_t) * config->hop);
}

size_t ev_rt_bytes(const ev_rt_config *config)
{
    return rounded(sizeof(ev_rt)) + config->capture_slots * hop_bytes(config) +
           ((size_t)config->playback_slots + config->earcon_slots) * slot_bytes(config) +
           config->event_slots * rounded(sizeof(ev_play_event)) + rounded(ev_stretch_bytes(config->rate));
}

ev_rt *ev_rt_init(void *memory, const ev_rt_config *config, ev_live *live)
{
    ev_rt *rt = memory;
    unsigned char *at = (unsigned char *)memory + rounded(sizeof(ev_rt));
    rt->config = *config;
    rt->fade = config->rate / 200;
    rt->live = live;
    ev_ring_init(&rt->capture, at, config->capture_slots, hop_bytes(config), config->ring_start);
    at += config->capture_slots * hop_bytes(config);
    ev_ring_init(&rt->play, at, config->playback_slots, slot_bytes(config), config->ring_start);
    at += config->playback_slots * slot_bytes(config);
    ev_ring_init(&rt->earcons, at, config->earcon_slots, slot_bytes(config), config->ring_start);
    at += config->earcon_slots * slot_bytes(config);
    ev_ring_init(&rt->events, at, config->event_slots, rounded(sizeof(ev_play_event)), config->ring_start);
    at += config->event_slots * rounded(sizeof(ev_play_event));
    ev_stretch_init(&rt->stretch, at, config->rate);
    rt->ramp = rt->fade;
    rt->gain_now = EV_UNITY;
    atomic_init(&rt->gain, EV_UNITY);
    atomic_init(&rt->poll_ns, (uint64_t)config->hop * 1000000000u / config->rate / 2);
    return rt;
}

/* Only the callback stores these, so a plain load and a release store are an increment.  Release, because the snapshot takes a value it
 * sees as proof that it sees `turn` too. */
static void tell(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_release);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void event(ev_rt *rt, ev_play_kind kind, uint64_t generation, uint64_t sample, uint64_t frames)
{
    ev_play_event *slot = ev_ring_acquire(&rt->events);
    if (!slot) {
        tell(&rt->events_lost, 1);
        return;
    }
    *slot = (ev_play_event){.kind = kind, .generation = generation, .sample = sample, .frames = frames};
    ev_ring_commit(&rt->events);
}

static ev_heard *heard_entry(ev_rt *rt)
{
    return &rt->heard[(rt->heard_count - 1) % EV_HEARD];
}

static void begin_sound(ev_rt *rt, uint64_t generation, uint64_t now)
{
    rt->sounding = generation;
    rt->sounding_frames = 0;
    rt->starved = 0;
    rt->ramp = rt->fade;
    ev_stretch_reset(&rt->stretch);
    atomic_store_explicit(&rt->queue_least, ev_playout_queued(rt, generation), memory_order_release);
    rt->heard_count++;
    ev_heard *entry = heard_entry(rt);
    atomic_store_explicit(&entry->generation, 0, memory_order_release);
    atomic_store_explicit(&entry->frames, 0, memory_order_release);
    atomic_store_explicit(&entry->generation, generation, memory_order_release);
    event(rt, EV_FIRST, generation, now, 0);
}

/* The front slot of the playback ring, after what is dead and not `keep` was thrown away; NULL when nothing waits that may be played.
 * A slot newer than `word` was written after this period began: it stays for the next one. */
static ev_slot *front(ev_rt *rt, uint64_t word, uint64_t keep)
{
    for (;;) {
        ev_slot *slot = ev_ring_front(&rt->play);
        if (!slot || slot->generation == keep)
            return slot;
        if (slot->generation > word >> 1)
            return NULL;
        if (ev_live_word(slot->generation) == word)
            return slot;
        tell(&rt->stale, slot->frames - rt->slot_at);
        rt->slot_at = 0;
        ev_ring_release(&rt->play, 1);
    }
}

/* Copy `frames` of the sounding generation's front slot to `to`, not beyond the slot's end. */
static void take(ev_rt *rt, ev_slot *slot, int16_t *to, uint32_t frames)
{
    memcpy(to, slot->samples + rt->slot_at, frames * sizeof *to);
    ev_stretch_pass(&rt->stretch, to, frames, rt->slower);
    rt->slot_at += frames;
    rt->sounding_frames += frames;
    atomic_store_explicit(&heard_entry(rt)->frames, rt->sounding_frames, memory_order_release);
    tell(&rt->played, frames);
}

/* Give a slot back whose frames are all played; `now` is the frame after its last. */
static void finish_slot(ev_rt *rt, ev_slot *slot, uint64_t now)
{
    if (rt->slot_at < slot->frames)
        return;
    uint64_t generation = slot->generation;
    uint32_t last = slot->flags & EV_SLOT_LAST;
    rt->slot_at = 0;
    ev_ring_release(&rt->play, 1);
    if (last) {
        event(rt, EV_END, generation, now, rt->sounding == generation ? rt->sounding_frames : 0);
        rt->sounding = 0;
        rt->ended = generation;
    }
}

/* What was made up for the sounding generation; returns the frames written, 0 when there is nothing (more) of it.  The tail of a reply that
 * ran dry carries its own fade and is never cut. */
static uint32_t made_up(ev_rt *rt, int16_t *to, uint32_t room)
{
    if (!ev_stretch_extra(&rt->stretch))
        return 0;
    return ev_stretch_take(&rt->stretch, to, room);
}

static uint32_t made_up_fading(ev_rt *rt, int16_t *to, uint32_t room)
{
    if (rt->starved)
        return made_up(rt, to, room);
    if (!rt->ramp)
        return 0;
    uint32_t frames = made_up(rt, to, least(room, rt->ramp));
    rt->ramp = ev_dsp_fade_out(to, frames, rt->ramp, rt->fade);
    return frames;
}

/* One stretch of a cancelled generation's fade; returns the frames written, 0 once it is silent. */
static uint32_t die(ev_rt *rt, uint64_t word, int16_t *to, uint32_t room, uint64_t now)
{
    uint32_t made = rt->paused != rt->sounding ? made_up_fading(rt, to, room) : 0;
    if (made)
        return made;
    ev_slot *slot = rt->ramp && rt->paused != rt->sounding ? front(rt, word, rt->sounding) : NULL;
    if (slot && slot->generation == rt->sounding && slot->frames > rt->slot_at) {
        uint32_t frames = least(least(room, rt->ramp), slot->frames - rt->slot_at);
        take(rt, slot, to, frames);
        rt->ramp = ev_dsp_fade_out(to, frames, rt->ramp, rt->fade);
        if (rt->slot_at == slot->frames) {
            rt->slot_at = 0;
            ev_ring_release(&rt->play, 1);
        }
        return frames;
    }
    event(rt, EV_SILENT, rt->sounding, now, rt->sounding_frames);
    rt->sounding = 0;
    return 0;
}

/* One stretch of a pause: the fade, then silence.  Returns the frames written. */
static uint32_t hold(ev_rt *rt, uint64_t word, uint64_t live, int16_t *to, uint32_t room, uint64_t now)
{
    if (rt->paused != live) {
        uint32_t made = rt->sounding == live ? made_up_fading(rt, to, room) : 0;
        if (made)
            return made;
        ev_slot *slot = rt->sounding == live && rt->ramp ? front(rt, word, live) : NULL;
        if (slot && slot->frames > rt->slot_at) {
            uint32_t frames = least(least(room, rt->ramp), slot->frames - rt->slot_at);
            take(rt, slot, to, frames);
            rt->ramp = ev_dsp_fade_out(to, frames, rt->ramp, rt->fade);
            finish_slot(rt, slot, now + frames);
            return frames;
        }
        rt->paused = live;
        rt->ramp = 0;
        event(rt, EV_PAUSED, live, now, rt->sounding == live ? rt->sounding_frames : 0);
    }
    memset(to, 0, room * sizeof *to);
    return room;
}

/* The live generation has nothing to play: tell it once, and carry the sound on into a fade. */
static void starve(ev_rt *rt, uint64_t now, uint32_t below)
{
    if (!rt->sounding || rt->starved)
        return;
    rt->starved = 1;
    tell(&rt->underruns, 1);
    event(rt, EV_UNDERRUN, rt->sounding, now, rt->sounding_frames);
    if (below) {
        ev_stretch_conceal(&rt->stretch, rt->ramp, rt->fade);
        rt->ramp = 0;
    }
}

/* Frames of silence before the live generation may begin, or may go on after it ran dry; 0 when it may at once. */
static uint32_t late_start(ev_rt *rt, uint64_t live, uint32_t below, uint32_t room, uint64_t now)
{
    if (rt->sounding) {
        bool refilling = rt->starved && below && ev_playout_queued(rt, live) < EV_REFILL * (uint64_t)rt->fade && !ev_playout_last_waits(rt, live);
        return refilling ? room : 0;
    }
    if (rt->held != live) {
        rt->held = live;
        rt->held_to = now + atomic_load_explicit(&rt->hold, memory_order_relaxed);
    }
    if (now >= rt->held_to || ev_playout_last_waits(rt, live))
        return 0;
    return rt->held_to - now < room ? (uint32_t)(rt->held_to - now) : room;
}

/* Make the sound longer before the next frame, where that is due and enough of it waits to be joined to. */
static bool lengthened(ev_rt *rt, uint64_t live)
{
    int16_t ahead[EV_OVERLAP_MOST];
    if (!rt->slower || !ev_stretch_due(&rt->stretch) || !ev_playout_peek(rt, live, ahead, rt->stretch.overlap))
        return false;
    uint32_t frames = ev_stretch_lengthen(&rt->stretch, ahead);
    tell(&rt->stretched, frames);
    return frames != 0;
}

/* One stretch of the live generation, or silence.  Returns the frames written; 0 when only a mark was taken. */
static uint32_t speak(ev_rt *rt, uint64_t word, uint64_t live, int16_t *to, uint32_t room, uint64_t now)
{
    if (rt->paused && rt->paused == live)
        event(rt, EV_RESUMED, live, now, rt->sounding == live ? rt->sounding_frames : 0);
    rt->paused = 0;
    if (rt->sounding) {
        uint32_t made = rt->starved || rt->ramp == rt->fade ? made_up(rt, to, room) : made_up(rt, to, least(room, rt->fade - rt->ramp));
        if (made && !rt->starved && rt->ramp < rt->fade)
            rt->ramp = ev_dsp_fade_in(to, made, rt->ramp, rt->fade);
        if (made)
            return made;
    }
    ev_slot *slot = front(rt, word, 0);
    uint32_t below = atomic_load_explicit(&rt->stretch_below, memory_order_relaxed);
    if (!slot) {
        uint32_t was = rt->starved;
        starve(rt, now, below);
        if (rt->starved != was && ev_stretch_extra(&rt->stretch))
            return 0;
        memset(to, 0, room * sizeof *to);
        return room;
    }
    uint32_t silent = late_start(rt, live, below, room, now);
    if (silent) {
        memset(to, 0, silent * sizeof *to);
        return silent;
    }
    uint32_t frames = least(room, slot->frames - rt->slot_at);
    if (frames) {
        if (!rt->sounding)
            begin_sound(rt, live, now);
        rt->slower = ev_playout_slower(rt, live, below);
        if (rt->ramp == rt->fade && lengthened(rt, live))
            return 0;
        rt->starved = 0;
        if (rt->ramp < rt->fade)
            frames = least(frames, rt->fade - rt->ramp);
        take(rt, slot, to, frames);
        if (rt->ramp < rt->fade)
            rt->ramp = ev_dsp_fade_in(to, frames, rt->ramp, rt->fade);
    }
    finish_slot(rt, slot, now + frames);
    return frames;
}

static void loudspeaker(ev_rt *rt, int16_t *out, uint32_t frames)
{
    uint64_t word = atomic_load_explicit(&rt->live->word, memory_order_acquire);
    uint64_t live = word & 1 ? word >> 1 : 0;
    uint64_t pause = atomic_load_explicit(&rt->pause, memory_order_acquire);
    for (uint32_t done = 0; done < frames;) {
        int16_t *to = out + done;
        uint32_t room = frames - done;
        uint64_t now = rt->frame + done;
        if (rt->sounding && rt->sounding != live)
            done += die(rt, word, to, room, now);
        else if (live && pause == live && rt->ended != live)
            done += hold(rt, word, live, to, room, now);
        else
            done += speak(rt, word, live, to, room, now);
    }
    if (live && rt->sounding == live && rt->paused != live && !ev_playout_last_waits(rt, live)) {
        uint64_t left = ev_playout_queued(rt, live);
        if (left < atomic_load_explicit(&rt->queue_least, memory_order_relaxed))
            atomic_store_explicit(&rt->queue_least, left, memory_order_release);
    }
}

static void mix_earcons(ev_rt *rt, int16_t *out, uint32_t frames)
{
    for (uint32_t done = 0; done < frames;) {
        ev_slot *slot = ev_ring_front(&rt->earcons);
        if (!slot)
            return;
        uint32_t some = least(frames - done, slot->frames - rt->earcon_at);
        ev_dsp_mix(out + done, slot->samples + rt->earcon_at, some);
        done += some;
        rt->earcon_at += some;
        if (rt->earcon_at == slot->frames) {
            rt->earcon_at = 0;
            ev_ring_release(&rt->earcons, 1);
        }
    }
}

static void microphone(ev_rt *rt, const int16_t *in, const int16_t *out, uint32_t frames)
{
    uint32_t hop = rt->config.hop;
    for (uint32_t done = 0; done < frames;) {
        if (rt->fill == 0) {
            rt->hop = ev_ring_acquire(&rt->capture);
            rt->hop_flags = 0;
            if (rt->hop)
                rt->hop->index = rt->frame;
        }
        uint32_t some = least(frames - done, hop - rt->fill);
        if (rt->after_xrun) {
            rt->after_xrun = 0;
            rt->hop_flags |= EV_HOP_AFTER_XRUN;
        }
        if (!in)
            rt->hop_flags |= EV_HOP_DEAF;
        if (rt->hop) {
            int16_t *near = ev_hop_near(rt->hop) + rt->fill;
            if (in)
                memcpy(near, in + done, some * sizeof *near);
            else
                memset(near, 0, some * sizeof *near);
            memcpy(ev_hop_far(rt->hop, hop) + rt->fill, out + done, some * sizeof *near);
        } else {
            tell(&rt->dropped, some);
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
    tell(&rt->captured, frames);
    atomic_store_explicit(&rt->partial, rt->hop ? rt->fill : 0, memory_order_release);
}

void ev_rt_process(ev_rt *rt, const int16_t *in, int16_t *out, uint32_t frames, uint32_t status)
{
    uint64_t turn = atomic_load_explicit(&rt->turn, memory_order_relaxed);
    atomic_store_explicit(&rt->turn, turn + 1, memory_order_relaxed);
    if (status & EV_INPUT_OVERFLOW) {
        tell(&rt->xruns_in, 1);
        rt->after_xrun = 1;
    }
    if (status & EV_OUTPUT_UNDERFLOW)
        tell(&rt->xruns_out, 1);
    loudspeaker(rt, out, frames);
    mix_earcons(rt, out, frames);
    int32_t gain = atomic_load_explicit(&rt->gain, memory_order_relaxed);
    if (gain != EV_UNITY || rt->gain_now != EV_UNITY) {
        int32_t step = EV_UNITY / (int32_t)rt->fade;
        ev_dsp_gain(out, frames, &rt->gain_now, gain, step > 0 ? step : 1);
    }
    microphone(rt, in, out, frames);
    tell(&rt->callbacks, 1);
    atomic_store_explicit(&rt->turn, turn + 2, memory_order_release);
}
