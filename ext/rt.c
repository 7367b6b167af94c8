#include "rt.h"

#include <string.h>

#include "dsp.h"
#include "microphone.h"
#include "mixer.h"
#include "playout.h"
#include "rt_inside.h"

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
           ((size_t)config->playback_slots + 2 * (size_t)config->earcon_slots) * slot_bytes(config) +
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
    ev_ring_init(&rt->alarms, at, config->earcon_slots, slot_bytes(config), config->ring_start);
    at += config->earcon_slots * slot_bytes(config);
    ev_ring_init(&rt->events, at, config->event_slots, rounded(sizeof(ev_play_event)), config->ring_start);
    at += config->event_slots * rounded(sizeof(ev_play_event));
    ev_stretch_init(&rt->stretch, at, config->rate);
    rt->ramp = rt->fade;
    rt->gain_now = rt->voice_now = EV_UNITY;
    atomic_init(&rt->gain, EV_UNITY);
    atomic_init(&rt->duck, EV_UNITY);
    for (int channel = 0; channel < EV_CHANNELS; channel++)
        atomic_init(&rt->channel_gain[channel], EV_UNITY);
    atomic_init(&rt->poll_ns, (uint64_t)config->hop * 1000000000u / config->rate / 2);
    return rt;
}

static void event(ev_rt *rt, ev_play_kind kind, uint64_t generation, uint64_t sample, uint64_t frames)
{
    ev_play_event *slot = ev_ring_acquire(&rt->events);
    if (!slot) {
        ev_tell(&rt->events_lost, 1);
        return;
    }
    *slot = (ev_play_event){.kind = kind, .generation = generation, .sample = sample, .frames = frames};
    ev_ring_commit(&rt->events);
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
    ev_heard *entry = ev_heard_entry(rt);
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
        ev_tell(&rt->stale, slot->frames - rt->slot_at);
        rt->slot_at = 0;
        ev_ring_release(&rt->play, 1);
    }
}

/* Copy `frames` of the sounding generation's front slot to `to`, not beyond the slot's end. */
static void take(ev_rt *rt, ev_slot *slot, int16_t *to, uint32_t frames)
{
    memcpy(to, slot->samples + rt->slot_at, frames * sizeof *to);
    ev_stretch_pass(&rt->stretch, to, frames, rt->pace < 0 ? -rt->pace : rt->pace);
    rt->slot_at += frames;
    ev_count_heard(rt, frames);
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
    uint32_t frames = made_up(rt, to, ev_least(room, rt->ramp));
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
        uint32_t frames = ev_least(ev_least(room, rt->ramp), slot->frames - rt->slot_at);
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
            uint32_t frames = ev_least(ev_least(room, rt->ramp), slot->frames - rt->slot_at);
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
    ev_tell(&rt->underruns, 1);
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
    if (atomic_load_explicit(&rt->gate, memory_order_acquire) == live)
        return room;
    if (now >= rt->held_to || ev_playout_last_waits(rt, live))
        return 0;
    return rt->held_to - now < room ? (uint32_t)(rt->held_to - now) : room;
}

/* One stretch of the live generation, or silence.  Returns the frames written; 0 when only a mark was taken. */
static uint32_t speak(ev_rt *rt, uint64_t word, uint64_t live, int16_t *to, uint32_t room, uint64_t now)
{
    if (rt->paused && rt->paused == live)
        event(rt, EV_RESUMED, live, now, rt->sounding == live ? rt->sounding_frames : 0);
    rt->paused = 0;
    if (rt->sounding) {
        uint32_t made = rt->starved || rt->ramp == rt->fade ? made_up(rt, to, room) : made_up(rt, to, ev_least(room, rt->fade - rt->ramp));
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
    uint32_t frames = ev_least(room, slot->frames - rt->slot_at);
    if (frames) {
        if (!rt->sounding)
            begin_sound(rt, live, now);
        ev_playout_set_pace(rt, live, below);
        if (rt->ramp == rt->fade && (ev_playout_lengthen(rt, live) || ev_playout_shorten(rt, live)))
            return 0;
        rt->starved = 0;
        if (rt->ramp < rt->fade)
            frames = ev_least(frames, rt->fade - rt->ramp);
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

void ev_rt_process(ev_rt *rt, const int16_t *in, int16_t *out, uint32_t frames, uint32_t status)
{
    uint64_t turn = atomic_load_explicit(&rt->turn, memory_order_relaxed);
    atomic_store_explicit(&rt->turn, turn + 1, memory_order_relaxed);
    if (status & EV_INPUT_OVERFLOW) {
        ev_tell(&rt->xruns_in, 1);
        rt->after_xrun = 1;
    }
    if (status & EV_OUTPUT_UNDERFLOW) {
        ev_tell(&rt->xruns_out, 1);
        rt->after_xrun = 1; /* PortAudio restarts both ends after either, so that input is lost as well */
    }
    loudspeaker(rt, out, frames);
    ev_mixer_mix(rt, out, frames);
    ev_microphone_take(rt, in, out, frames);
    ev_tell(&rt->callbacks, 1);
    atomic_store_explicit(&rt->turn, turn + 2, memory_order_release);
}
