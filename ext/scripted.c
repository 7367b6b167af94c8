/* The virtual device.  Its thread (or the caller of ev_scripted_step) stands in for the sound system's: it is not the callback, so it may
 * lock against ev_scripted_say and sleep until the next period; it does neither inside ev_rt_process.
 *
 * The loudspeaker is heard by the microphone one period later plus the impulse response: the signal of a period that is about to be
 * played cannot be in the input that is handed in with it.
 */
#define _GNU_SOURCE
#include "scripted.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define SECOND 1000000000u
#define LONGEST_NAP 20000000u /* ns: how soon a stop is noticed */

static uint64_t frames_that_sound(const ev_say *say, uint64_t position, uint32_t frames, uint64_t *from, uint32_t *at)
{
    if (say->start >= position + frames)
        return 0;
    *at = say->start > position ? (uint32_t)(say->start - position) : 0;
    *from = (say->start > position ? 0 : position - say->start) + say->lost;
    if (*from >= say->frames)
        return 0;
    uint64_t left = say->frames - *from, room = frames - *at;
    return left < room ? left : room;
}

static void mix_user(ev_scripted *self, uint64_t position, uint32_t frames)
{
    float *air = self->config.air;
    for (int i = 0; i < EV_SAYS; i++) {
        ev_say *say = &self->says[i];
        if (!say->frames)
            continue;
        if (self->lost && say->start <= position)
            say->lost += self->lost;
        uint64_t from;
        uint32_t at;
        uint64_t count = frames_that_sound(say, position, frames, &from, &at);
        for (uint64_t k = 0; k < count; k++)
            air[at + k] += say->samples[from + k];
        uint64_t end = say->start + say->frames;
        if (end <= position + frames + say->lost)
            say->frames = 0;
    }
}

static void mix_noise(ev_scripted *self, uint32_t frames)
{
    const ev_scripted_config *config = &self->config;
    if (!config->noise_frames)
        return;
    uint64_t at = (self->noise_at + self->lost) % config->noise_frames;
    for (uint32_t i = 0; i < frames; i++) {
        config->air[i] += config->noise[at];
        at = at + 1 == config->noise_frames ? 0 : at + 1;
    }
    self->noise_at = at;
}

/* echo_history holds the last `taps + 2 * period` played frames, the newest last.  Tap by tap over the whole period, because the
 * compiler may turn that into vectors and may not reorder a sum. */
static void mix_echo(ev_scripted *self, uint32_t frames)
{
    const ev_scripted_config *config = &self->config;
    float *restrict air = config->air;
    const float *newest = config->echo_history + config->echo_taps + config->period;
    for (uint32_t tap = 0; tap < config->echo_taps; tap++) {
        float weight = config->echo[tap];
        if (weight == 0.0f)
            continue;
        const float *restrict played = newest - tap;
        for (uint32_t i = 0; i < frames; i++)
            air[i] += weight * played[i];
    }
}

static void remember_played(ev_scripted *self, uint32_t frames)
{
    const ev_scripted_config *config = &self->config;
    if (!config->echo_taps)
        return;
    size_t length = (size_t)config->echo_taps + 2 * (size_t)config->period;
    memmove(config->echo_history, config->echo_history + frames, (length - frames) * sizeof(float));
    for (uint32_t i = 0; i < frames; i++)
        config->echo_history[length - frames + i] = config->out[i];
}

static void record(ev_scripted *self, uint64_t position, uint32_t frames)
{
    const ev_scripted_config *config = &self->config;
    if (position >= config->record_frames)
        return;
    uint64_t room = config->record_frames - position;
    size_t bytes = (room < frames ? room : frames) * sizeof(int16_t);
    memcpy(config->mic + position, config->in, bytes);
    memcpy(config->speaker + position, config->out, bytes);
}

/* Obey the cues that are due and say how long the next period is, `limit` at most; 0 once unplugged. */
static uint32_t next_period(ev_scripted *self, uint64_t limit)
{
    const ev_scripted_config *config = &self->config;
    uint64_t position = atomic_load_explicit(&self->position, memory_order_relaxed);
    for (; self->cue < config->cue_count && config->cues[self->cue].at <= position; self->cue++) {
        const ev_cue *cue = &config->cues[self->cue];
        switch ((ev_cue_kind)cue->kind) {
        case EV_CUE_LATE:
            self->late_ns += cue->amount;
            break;
        case EV_CUE_SHORT:
            self->short_frames = (uint32_t)cue->amount;
            self->short_left = cue->count;
            break;
        case EV_CUE_XRUN:
            self->lost += cue->amount;
            self->status |= EV_INPUT_OVERFLOW;
            break;
        case EV_CUE_UNDERFLOW:
            self->status |= EV_OUTPUT_UNDERFLOW;
            break;
        case EV_CUE_UNPLUG:
            atomic_store_explicit(&self->state, EV_UNPLUGGED, memory_order_release);
            return 0;
        }
    }
    uint64_t frames = config->period;
    if (self->short_left) {
        self->short_left--;
        frames = self->short_frames;
    }
    if (self->cue < config->cue_count && config->cues[self->cue].at - position < frames)
        frames = config->cues[self->cue].at - position;
    return (uint32_t)(frames < limit ? frames : limit);
}

static void run_period(ev_scripted *self, uint32_t frames)
{
    const ev_scripted_config *config = &self->config;
    uint64_t position = atomic_load_explicit(&self->position, memory_order_relaxed);
    memset(config->air, 0, frames * sizeof(float));
    pthread_mutex_lock(&self->lock);
    mix_user(self, position, frames);
    self->mixed = position + frames;
    pthread_mutex_unlock(&self->lock);
    mix_noise(self, frames);
    mix_echo(self, frames);
    for (uint32_t i = 0; i < frames; i++) {
        float sample = fminf(fmaxf(config->air[i], INT16_MIN), INT16_MAX);
        config->in[i] = (int16_t)lrintf(sample);
    }
    ev_rt_note_time(self->device.rt, config->realtime ? ev_now() : 0, self->status);
    ev_rt_process(self->device.rt, config->in, config->out, frames, self->status);
    self->lost = 0;
    self->status = 0;
    remember_played(self, frames);
    record(self, position, frames);
    atomic_store_explicit(&self->position, position + frames, memory_order_release);
}

static uint64_t monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static bool stopping(ev_scripted *self)
{
    return atomic_load_explicit(&self->stopping, memory_order_acquire);
}

static void sleep_until(ev_scripted *self, uint64_t when)
{
    for (uint64_t now; !stopping(self) && (now = monotonic()) < when;) {
        uint64_t until = when - now < LONGEST_NAP ? when : now + LONGEST_NAP;
        struct timespec at = {.tv_sec = (time_t)(until / SECOND), .tv_nsec = (long)(until % SECOND)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
            ;
    }
}

static void *device_thread(void *argument)
{
    ev_scripted *self = argument;
    double ns_per_frame = SECOND / (self->device.rt->config.rate * (1.0 + self->config.drift_ppm * 1e-6));
    uint64_t first = atomic_load_explicit(&self->position, memory_order_relaxed);
    uint64_t began = monotonic();
    while (!stopping(self)) {
        uint32_t frames = next_period(self, UINT64_MAX);
        if (!frames)
            break;
        uint64_t done = atomic_load_explicit(&self->position, memory_order_relaxed) - first + frames;
        sleep_until(self, began + (uint64_t)((double)done * ns_per_frame) + self->late_ns);
        self->late_ns = 0;
        if (stopping(self))
            break;
        run_period(self, frames);
    }
    return NULL;
}

static bool scripted_start(ev_device *device, char *error)
{
    ev_scripted *self = (ev_scripted *)device;
    int state = atomic_load_explicit(&self->state, memory_order_acquire);
    if (state == EV_RUNNING)
        return true;
    if (state == EV_UNPLUGGED) {
        snprintf(error, EV_ERROR_BYTES, "scripted device: was unplugged at frame %llu and does not come back",
                 (unsigned long long)atomic_load_explicit(&self->position, memory_order_acquire));
        return false;
    }
    atomic_store_explicit(&self->stopping, false, memory_order_release);
    atomic_store_explicit(&self->state, EV_RUNNING, memory_order_release);
    if (!self->config.realtime)
        return true;
    int failed = pthread_create(&self->thread, NULL, device_thread, self);
    if (failed) {
        atomic_store_explicit(&self->state, EV_STOPPED, memory_order_release);
        snprintf(error, EV_ERROR_BYTES, "scripted device: cannot start its thread: %s", strerror(failed));
        return false;
    }
    self->threaded = true;
    return true;
}

static void scripted_stop(ev_device *device)
{
    ev_scripted *self = (ev_scripted *)device;
    atomic_store_explicit(&self->stopping, true, memory_order_release);
    if (self->threaded)
        pthread_join(self->thread, NULL);
    self->threaded = false;
    int running = EV_RUNNING;
    atomic_compare_exchange_strong_explicit(&self->state, &running, EV_STOPPED, memory_order_acq_rel, memory_order_relaxed);
}

static bool scripted_running(ev_device *device)
{
    return atomic_load_explicit(&((ev_scripted *)device)->state, memory_order_acquire) == EV_RUNNING;
}

static bool scripted_error(ev_device *device, char *error)
{
    ev_scripted *self = (ev_scripted *)device;
    if (atomic_load_explicit(&self->state, memory_order_acquire) != EV_UNPLUGGED)
        return false;
    snprintf(error, EV_ERROR_BYTES, "scripted device: unplugged at frame %llu",
             (unsigned long long)atomic_load_explicit(&self->position, memory_order_acquire));
    return true;
}

static void scripted_close(ev_device *device)
{
    pthread_mutex_destroy(&((ev_scripted *)device)->lock);
    free(device);
}

static const ev_device_ops scripted_ops = {
    .name = "scripted",
    .start = scripted_start,
    .stop = scripted_stop,
    .running = scripted_running,
    .error = scripted_error,
    .close = scripted_close,
};

bool ev_scripted_init(ev_scripted *self, ev_rt *rt, const ev_scripted_config *config)
{
    memset(self, 0, sizeof *self);
    self->device.ops = &scripted_ops;
    self->device.rt = rt;
    self->config = *config;
    if (!config->realtime)
        atomic_store_explicit(&rt->poll_ns, 100000, memory_order_relaxed);
    return pthread_mutex_init(&self->lock, NULL) == 0;
}

int64_t ev_scripted_say(ev_scripted *self, const int16_t *samples, uint64_t frames, int64_t at)
{
    int64_t start = -2;
    pthread_mutex_lock(&self->lock);
    if (at >= 0 && (uint64_t)at < self->mixed) {
        start = -1;
    } else {
        for (int i = 0; i < EV_SAYS && start < 0; i++) {
            if (self->says[i].frames)
                continue;
            start = at < 0 ? (int64_t)self->mixed : at;
            self->says[i] = (ev_say){.start = (uint64_t)start, .samples = samples, .frames = frames};
        }
    }
    pthread_mutex_unlock(&self->lock);
    return start;
}

bool ev_scripted_saying(ev_scripted *self, const int16_t *samples)
{
    bool found = false;
    pthread_mutex_lock(&self->lock);
    for (int i = 0; i < EV_SAYS && !found; i++)
        found = self->says[i].frames && self->says[i].samples == samples;
    pthread_mutex_unlock(&self->lock);
    return found;
}

uint64_t ev_scripted_step(ev_scripted *self, uint64_t frames)
{
    uint64_t done = 0;
    while (done < frames && scripted_running(&self->device)) {
        uint32_t some = next_period(self, frames - done);
        if (!some)
            break;
        run_period(self, some);
        done += some;
    }
    return done;
}

uint64_t ev_scripted_position(ev_scripted *self)
{
    return atomic_load_explicit(&self->position, memory_order_acquire);
}
