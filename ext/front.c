#include "front.h"

#include <string.h>

#include "host.h"

#define START_LAG 256       /* samples at 16 kHz: the network reports an onset this late (dialog/speech.py) */
#define NEARNESS 0.15f      /* where so little of a frame's power is left after suppression, nobody is near ... */
#define DOUBT 0.2f          /* ... and the probability is no more than this */
#define ELSEWHERE 9.0f      /* a peak this high is the far end by another way: few users' speech has one, and most changed paths do */
#define FREEZE 2            /* blocks that a muted hop may reach into */
#define MOST_SILENCE_S 2    /* of lost frames, more is skipped */

static size_t rounded(size_t bytes)
{
    return (bytes + EV_CACHE_LINE - 1) / EV_CACHE_LINE * EV_CACHE_LINE;
}

static uint32_t clean_room(const ev_rt *rt)
{
    uint64_t samples = (uint64_t)rt->config.hop * EV_AEC_RATE / rt->config.rate + 2;
    return (uint32_t)((samples + EV_AEC_BLOCK - 1) / EV_AEC_BLOCK + 1) * EV_AEC_BLOCK;
}

static uint32_t frame_room(const ev_rt *rt)
{
    return (clean_room(rt) + EV_AEC_BLOCK) / EV_VAD_FRAME + 2;
}

static size_t judged_bytes(const ev_rt *rt)
{
    return rounded(sizeof(ev_judged) + (clean_room(rt) + frame_room(rt)) * sizeof(float) + 2 * rt->config.hop * sizeof(int16_t));
}

size_t ev_front_bytes(const ev_rt *rt)
{
    return rounded(sizeof(ev_front)) + rounded(ev_aec_bytes()) + rounded(sizeof(ev_phat)) +
           rounded(ev_decimator_floats(rt->config.rate) * sizeof(float)) +
           (rt->config.capture_slots + 1) * judged_bytes(rt);
}

ev_front *ev_front_init(void *memory, ev_rt *rt, const ev_front_config *config)
{
    ev_front *front = memory;
    unsigned char *at = (unsigned char *)memory + rounded(sizeof(ev_front));
    front->config = *config;
    front->rt = rt;
    front->clean_room = clean_room(rt);
    front->frame_room = frame_room(rt);
    front->aec = ev_aec_init(at);
    at += rounded(ev_aec_bytes());
    front->phat = (ev_phat *)(void *)at;
    ev_phat_init(front->phat);
    at += rounded(sizeof(ev_phat));
    if (rt->config.rate != EV_AEC_RATE) {
        ev_decimator_init(&front->decimator, rt->config.rate, (float *)(void *)at);
        ev_decimation_init(&front->near_stream, &front->decimator);
        ev_decimation_init(&front->far_stream, &front->decimator);
        at += rounded(ev_decimator_floats(rt->config.rate) * sizeof(float));
    }
    ev_ring_init(&front->out, at, rt->config.capture_slots, judged_bytes(rt), rt->config.ring_start);
    at += rt->config.capture_slots * judged_bytes(rt);
    front->spare = (ev_judged *)(void *)at;
    ev_vad_init(&front->vad, config->net);
    atomic_init(&front->delay, -1);
    atomic_init(&front->flags, config->cancel_echo ? 0 : EV_AEC_OFF);
    return front;
}

static void tell(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_release);
}

static uint64_t device_frame(const ev_front *front, uint64_t sample)
{
    return sample * front->rt->config.rate / EV_AEC_RATE;
}

static void reflex(ev_front *front, ev_judged *to, uint64_t began)
{
    uint64_t generation = atomic_load_explicit(&front->armed, memory_order_acquire);
    if (generation == 0 || !ev_host_pause(front->rt, generation))
        return;
    to->reflex = generation;
    uint64_t sample = began * EV_VAD_FRAME;
    to->onset = device_frame(front, sample > START_LAG ? sample - START_LAG : 0);
    tell(&front->reflexes, 1);
}

/* The hysteresis of dialog/speech.py, of which only the onset matters here. */
static void follow_speech(ev_front *front, ev_judged *to, float probability)
{
    const ev_front_config *config = &front->config;
    if (front->speaking) {
        front->quiet = probability >= config->offset ? 0 : front->quiet + 1;
        if (front->quiet >= config->hang_frames)
            front->speaking = front->run = 0;
        return;
    }
    if (probability < (front->run ? config->offset : config->onset)) {
        front->run = 0;
        return;
    }
    if (front->run++ == 0)
        front->candidate = front->judged;
    if (front->run < config->min_frames)
        return;
    front->speaking = 1;
    front->quiet = front->run = 0;
    reflex(front, to, front->candidate);
}

/* Whether a frame of this probability would make speech begin. */
static bool begins(const ev_front *front, float probability)
{
    const ev_front_config *config = &front->config;
    return !front->speaking && front->run + 1 >= config->min_frames && probability >= (front->run ? config->offset : config->onset);
}

static void judge(ev_front *front, ev_judged *to, const float *quiet, uint32_t samples, bool told)
{
    float near = ev_aec_nearness(front->aec);
    for (uint32_t done = 0; done < samples;) {
        uint32_t some = EV_VAD_FRAME - front->frame_fill;
        some = some < samples - done ? some : samples - done;
        memcpy(front->frame + front->frame_fill, quiet + done, some * sizeof *quiet);
        done += some;
        front->frame_fill += some;
        if (near > front->nearness)
            front->nearness = near;
        if (front->frame_fill < EV_VAD_FRAME)
            continue;
        front->frame_fill = 0;
        float probability = ev_vad_frame(&front->vad, front->frame);
        if (front->nearness < NEARNESS && probability > DOUBT)
            probability = DOUBT;
        front->nearness = 0.0f;
        if (probability < front->config.offset)
            front->doubted = false;
        else if (told && front->config.cancel_echo && !front->doubted && begins(front, probability)) {
            front->doubted = ev_phat_peak(front->phat) > ELSEWHERE;
            if (front->doubted)
                probability = DOUBT;
        }
        if (told) {
            if (to->frames == 0)
                to->frames_at = front->judged;
            ev_judged_probabilities(front, to)[to->frames++] = probability;
        }
        follow_speech(front, to, told ? probability : 0.0f);
        front->judged++;
    }
}

/* A pair of samples at 16 kHz. */
static void hear(ev_front *front, ev_judged *to, float near, float far, bool told)
{
    front->near[front->fill] = near;
    front->far[front->fill] = far;
    if (front->muted)
        front->frozen = FREEZE;
    if (++front->fill < EV_AEC_BLOCK)
        return;
    front->fill = 0;
    float spill[EV_AEC_BLOCK], quiet[2 * EV_AEC_BLOCK];
    float *clean = told ? to->data + to->clean : spill;
    uint32_t blocks;
    if (front->config.cancel_echo) {
        ev_aec_freeze(front->aec, front->frozen > 0);
        front->frozen -= front->frozen > 0;
        blocks = ev_aec_block(front->aec, front->near, front->far, clean, quiet);
        ev_phat_hear(front->phat, clean, front->far, EV_AEC_BLOCK);
    } else {
        memcpy(clean, front->near, sizeof front->near);
        memcpy(quiet, front->near, sizeof front->near);
        blocks = 1;
    }
    if (told) {
        if (to->clean == 0)
            to->clean_at = front->made;
        to->clean += EV_AEC_BLOCK;
    }
    front->made += EV_AEC_BLOCK;
    judge(front, to, quiet, blocks * EV_AEC_BLOCK, told);
}

static void hear_frame(ev_front *front, ev_judged *to, float near, float far, bool told)
{
    if (front->rt->config.rate == EV_AEC_RATE) {
        hear(front, to, near, far, told);
        return;
    }
    float nears[2], fars[2];
    uint32_t made = ev_decimate(&front->near_stream, &front->decimator, near, nears);
    ev_decimate(&front->far_stream, &front->decimator, far, fars);
    for (uint32_t i = 0; i < made; i++)
        hear(front, to, nears[i], fars[i], told);
}

/* Frames that nobody has: silence, as long as it may matter; the rest is skipped by whole frames of the network. */
static void miss(ev_front *front, ev_judged *to, uint64_t lost)
{
    uint64_t most = (uint64_t)MOST_SILENCE_S * front->rt->config.rate;
    if (lost > most) {
        uint64_t up = 1, down = 1;
        if (front->rt->config.rate != EV_AEC_RATE) {
            up = front->decimator.up;
            down = front->decimator.down;
        }
        uint64_t turns = (lost - most) / (down * EV_VAD_FRAME);
        front->made += turns * up * EV_VAD_FRAME;
        front->judged += turns * up;
        lost -= turns * down * EV_VAD_FRAME;
    }
    for (uint64_t i = 0; i < lost; i++)
        hear_frame(front, to, 0.0f, 0.0f, false);
}

static void tell_state(ev_front *front)
{
    ev_aec_state state;
    ev_aec_look(front->aec, &state);
    atomic_store_explicit(&front->blocks, state.blocks, memory_order_relaxed);
    atomic_store_explicit(&front->changes, state.changes, memory_order_relaxed);
    atomic_store_explicit(&front->erle_mdb, (int64_t)(state.erle_db * 1e3), memory_order_relaxed);
    atomic_store_explicit(&front->drift_ppb, (int64_t)(state.drift_ppm * 1e3), memory_order_relaxed);
    atomic_store_explicit(&front->delay, state.delay, memory_order_relaxed);
    atomic_store_explicit(&front->flags, front->config.cancel_echo ? state.flags : EV_AEC_OFF, memory_order_relaxed);
}

bool ev_front_step(ev_front *front)
{
    ev_rt *rt = front->rt;
    uint32_t hop_frames = rt->config.hop;
    ev_hop *hop = ev_ring_front(&rt->capture);
    if (!hop)
        return false;
    ev_judged *slot = ev_ring_acquire(&front->out), *to = slot ? slot : front->spare;
    memset(to, 0, sizeof *to);
    to->index = hop->index;
    to->flags = hop->flags;
    front->muted = hop->flags & (EV_HOP_MUTED | EV_HOP_DEAF);
    if (hop->index > front->next_index)
        miss(front, to, hop->index - front->next_index);
    front->next_index = hop->index + hop_frames;
    const int16_t *near = ev_hop_near(hop), *far = ev_hop_far(hop, hop_frames);
    memcpy(ev_judged_near(front, to), hop->samples, 2 * hop_frames * sizeof *near);
    for (uint32_t i = 0; i < hop_frames; i++)
        hear_frame(front, to, (float)near[i] / 32768.0f, (float)far[i] / 32768.0f, true);
    if (to->clean == 0)
        to->clean_at = front->made;
    if (to->frames == 0)
        to->frames_at = front->judged;
    tell_state(front);
    uint64_t reads = atomic_load_explicit(&rt->reads, memory_order_relaxed);
    atomic_store_explicit(&rt->reads, reads + 1, memory_order_relaxed);
    ev_ring_release(&rt->capture, 1);
    if (slot)
        ev_ring_commit(&front->out);
    else
        tell(&front->dropped, hop_frames);
    atomic_store_explicit(&rt->reads, reads + 2, memory_order_release);
    tell(&front->hops, 1);
    return true;
}
