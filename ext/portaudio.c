/* Capture and playback are one stream, so one callback sees both under one frame index; or two streams, for cards with a clock each: then
 * capture's callback is the one that drives the core, and what it gets for the loudspeaker goes through asrc.h to playback's.  The far end
 * stays stamped with capture's index; the way through the converter is a constant part of the echo's delay.
 *
 * A sound system may die and keep its client's thread for ever (libpulse does, when its server is killed).  So a stream is closed on a
 * thread of its own; one that does not come back is abandoned with its memory, and `wanted` keeps its callback from the core.
 */
#if !__has_include(<portaudio.h>) || !__has_include(<pa_linux_alsa.h>)
#error "The C core needs PortAudio's headers: apt install portaudio19-dev"
#endif

#include "ev_portaudio.h"

#include <pa_linux_alsa.h>
#include <portaudio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define CLOSE_NS 2000000000u /* a sound system that lives closes a stream in a few ms */
#define STALL_NS 2000000000u /* a card that was silent for so long is gone, whatever the sound system says */

/* One channel of several, or their mean. */
static void pick(const int16_t *in, int16_t *to, uint32_t frames, uint32_t channels, uint32_t channel)
{
    if (channel) {
        for (uint32_t i = 0; i < frames; i++)
            to[i] = in[i * channels + channel - 1];
        return;
    }
    for (uint32_t i = 0; i < frames; i++) {
        int32_t sum = 0;
        for (uint32_t k = 0; k < channels; k++)
            sum += in[i * channels + k];
        to[i] = (int16_t)(sum / (int32_t)channels);
    }
}

/* Seconds of the clock that all callbacks share, or 0. */
static double seconds(const PaStreamCallbackTimeInfo *time)
{
    return time && time->currentTime > 0.0 ? time->currentTime : 0.0;
}

static int callback(const void *in, void *out, unsigned long frames, const PaStreamCallbackTimeInfo *time,
                    PaStreamCallbackFlags flags, void *argument)
{
    ev_portaudio *self = argument;
    atomic_store(&self->inside, true); /* sequentially consistent, as in `stop`: either sees the other */
    if (!atomic_load(&self->wanted)) {
        atomic_store(&self->inside, false);
        if (out)
            memset(out, 0, frames * sizeof(int16_t));
        return paAbort;
    }
    uint32_t status = 0;
    if (flags & paInputOverflow)
        status |= EV_INPUT_OVERFLOW;
    if (flags & paOutputUnderflow || atomic_exchange_explicit(&self->underflowed, false, memory_order_acq_rel))
        status |= EV_OUTPUT_UNDERFLOW;
    const ev_portaudio_config *config = &self->config;
    if (in && self->heard) {
        pick(in, self->heard, (uint32_t)frames, config->channels, config->channel);
        in = self->heard;
    }
    double now = seconds(time);
    ev_rt_note_time(self->device.rt, (uint64_t)(now * 1e9), status);
    ev_rt_process(self->device.rt, in, self->asrc ? self->played : out, (uint32_t)frames, status);
    if (self->asrc)
        ev_asrc_push(self->asrc, self->played, (uint32_t)frames, now);
    atomic_store(&self->inside, false);
    return paContinue;
}

static int playback(const void *in, void *out, unsigned long frames, const PaStreamCallbackTimeInfo *time,
                    PaStreamCallbackFlags flags, void *argument)
{
    (void)in;
    ev_portaudio *self = argument;
    atomic_store(&self->playing, true);
    if (!atomic_load(&self->wanted)) {
        atomic_store(&self->playing, false);
        memset(out, 0, frames * sizeof(int16_t));
        return paAbort;
    }
    if (flags & paOutputUnderflow)
        atomic_store_explicit(&self->underflowed, true, memory_order_release);
    ev_asrc_pull(self->asrc, out, (uint32_t)frames, seconds(time));
    atomic_store(&self->playing, false);
    return paContinue;
}

static void finished(void *argument)
{
    atomic_store_explicit(&((ev_portaudio *)argument)->finished, true, memory_order_release);
}

static void describe(PaError failure, char *text, size_t size)
{
    const PaHostErrorInfo *host = failure == paUnanticipatedHostError ? Pa_GetLastHostErrorInfo() : NULL;
    if (host && host->errorText && host->errorText[0])
        snprintf(text, size, "%s (%s)", Pa_GetErrorText(failure), host->errorText);
    else
        snprintf(text, size, "%s", Pa_GetErrorText(failure));
}

static PaStreamParameters one_end(int index, uint32_t channels, double latency)
{
    PaStreamParameters end = {.device = index, .channelCount = (int)channels, .sampleFormat = paInt16, .suggestedLatency = latency};
    return end;
}

/* One stream, opened and started; either end may be NULL. */
static PaError run(ev_portaudio *self, void **stream, const PaStreamParameters *in, const PaStreamParameters *out, PaStreamCallback *each)
{
    PaError failure = Pa_OpenStream(stream, in, out, self->device.rt->config.rate, self->config.period, paNoFlag, each, self);
    if (!failure) {
        if (Pa_GetHostApiInfo(Pa_GetDeviceInfo(in ? in->device : out->device)->hostApi)->type == paALSA)
            PaAlsa_EnableRealtimeScheduling(*stream, 1); /* only where allowed; PortAudio goes on without */
        failure = Pa_SetStreamFinishedCallback(*stream, finished);
        if (!failure)
            failure = Pa_StartStream(*stream);
        if (failure)
            Pa_CloseStream(*stream);
    }
    if (failure)
        *stream = NULL;
    return failure;
}

static void stop(ev_device *device);

static bool start(ev_device *device, char *error)
{
    ev_portaudio *self = (ev_portaudio *)device;
    const ev_portaudio_config *config = &self->config;
    if (self->stream)
        return true;
    ev_card input, output;
    if (!ev_portaudio_card(config->input, &input) || !ev_portaudio_card(config->output, &output)) {
        snprintf(error, EV_ERROR_BYTES, "sound device %d or %d does not exist", config->input, config->output);
        return false;
    }
    snprintf(self->card, sizeof self->card, "sound device \"%s\"%s%s%s", input.name, config->input == config->output ? "" : " with \"",
             config->input == config->output ? "" : output.name, config->input == config->output ? "" : "\"");
    PaStreamParameters in = one_end(config->input, config->channels, config->input_latency);
    PaStreamParameters out = one_end(config->output, 1, config->output_latency);
    atomic_store_explicit(&self->finished, false, memory_order_release);
    atomic_store_explicit(&self->captures.seen_ns, 0, memory_order_release);
    atomic_store_explicit(&self->plays.seen_ns, 0, memory_order_release);
    atomic_store_explicit(&self->underflowed, false, memory_order_release);
    if (self->asrc)
        ev_asrc_restart(self->asrc);
    atomic_store(&self->wanted, true);
    PaError failure = self->asrc ? run(self, &self->stream, &in, NULL, callback) : run(self, &self->stream, &in, &out, callback);
    if (!failure && self->asrc)
        failure = run(self, &self->playback, NULL, &out, playback);
    if (failure) {
        char why[512];
        describe(failure, why, sizeof why);
        snprintf(error, EV_ERROR_BYTES, "%s cannot be opened at %u Hz: %s", self->card, device->rt->config.rate, why);
        atomic_store(&self->wanted, false);
        stop(device);
        return false;
    }
    return true;
}

typedef struct closing {
    PaStream *stream;
    _Atomic bool done;
} closing;

static void *close_stream(void *argument)
{
    closing *job = argument;
    Pa_AbortStream(job->stream);
    Pa_CloseStream(job->stream);
    atomic_store(&job->done, true);
    return NULL;
}

/* False if the stream is still open after CLOSE_NS; then the job is the thread's for ever. */
static bool closed_in_time(PaStream *stream)
{
    closing *job = calloc(1, sizeof *job);
    pthread_t thread;
    if (!job)
        return false;
    job->stream = stream;
    if (pthread_create(&thread, NULL, close_stream, job)) {
        free(job);
        return false;
    }
    uint64_t deadline = ev_now() + CLOSE_NS;
    while (!atomic_load(&job->done)) {
        if (ev_now() > deadline) {
            pthread_detach(thread);
            return false;
        }
        ev_nap(1000000);
    }
    pthread_join(thread, NULL);
    free(job);
    return true;
}

static void stop(ev_device *device)
{
    ev_portaudio *self = (ev_portaudio *)device;
    if (!self->stream)
        return;
    atomic_store(&self->wanted, false);
    while (atomic_load(&self->inside) || atomic_load(&self->playing))
        ev_nap(50000);
    if (self->playback && !closed_in_time(self->playback))
        self->abandoned = true;
    if (!closed_in_time(self->stream))
        self->abandoned = true;
    self->stream = self->playback = NULL;
}

static bool stalled(ev_watch *watch, uint64_t callbacks)
{
    uint64_t since = atomic_load_explicit(&watch->seen_ns, memory_order_acquire);
    if (since && atomic_load_explicit(&watch->seen, memory_order_acquire) == callbacks)
        return ev_now() - since > STALL_NS;
    atomic_store_explicit(&watch->seen, callbacks, memory_order_release);
    atomic_store_explicit(&watch->seen_ns, ev_now(), memory_order_release);
    return false;
}

static bool lost(ev_device *device, char *error)
{
    ev_portaudio *self = (ev_portaudio *)device;
    if (!atomic_load_explicit(&self->wanted, memory_order_acquire))
        return false;
    if (atomic_load_explicit(&self->finished, memory_order_acquire)) {
        snprintf(error, EV_ERROR_BYTES, "%s stopped by itself: it was unplugged, or its sound server went away", self->card);
        return true;
    }
    bool deaf = stalled(&self->captures, atomic_load_explicit(&device->rt->callbacks, memory_order_acquire));
    bool dumb = self->asrc && stalled(&self->plays, atomic_load_explicit(&self->asrc->pulls, memory_order_acquire));
    if (deaf || dumb) {
        snprintf(error, EV_ERROR_BYTES, "%s has %s no sound for %u s: it was unplugged, or its sound server hangs", self->card,
                 deaf ? "given" : "taken", STALL_NS / 1000000000u);
        return true;
    }
    return false;
}

static bool running(ev_device *device)
{
    char unused[EV_ERROR_BYTES];
    return atomic_load_explicit(&((ev_portaudio *)device)->wanted, memory_order_acquire) && !lost(device, unused);
}

static void release(ev_device *device)
{
    ev_portaudio *self = (ev_portaudio *)device;
    if (self->abandoned) /* a callback may still come, and look at `wanted` */
        return;
    free(self->heard);
    free(self->played);
    free(self->asrc);
    free(self);
}

static const ev_device_ops portaudio_ops = {
    .name = "portaudio",
    .start = start,
    .stop = stop,
    .running = running,
    .error = lost,
    .close = release,
};

bool ev_portaudio_init(ev_portaudio *self, ev_rt *rt, const ev_portaudio_config *config)
{
    memset(self, 0, sizeof *self);
    self->device.ops = &portaudio_ops;
    self->device.rt = rt;
    self->config = *config;
    if (config->channels > 1 && !(self->heard = calloc(config->period, sizeof *self->heard)))
        return false;
    if (!config->two)
        return true;
    size_t size = ev_asrc_bytes(config->period);
    void *memory = aligned_alloc(EV_CACHE_LINE, size);
    self->played = calloc(config->period, sizeof *self->played);
    if (!self->played || !memory) {
        free(self->heard);
        free(self->played);
        free(memory);
        return false;
    }
    memset(memory, 0, size);
    self->asrc = ev_asrc_init(memory, rt->config.rate, config->period);
    return true;
}

bool ev_portaudio_open(char *error)
{
    PaError failure = Pa_Initialize();
    if (!failure)
        return true;
    char why[512];
    describe(failure, why, sizeof why);
    snprintf(error, EV_ERROR_BYTES, "the sound system cannot be reached: %s", why);
    return false;
}

void ev_portaudio_close(void)
{
    Pa_Terminate();
}

int ev_portaudio_cards(void)
{
    int count = Pa_GetDeviceCount();
    return count > 0 ? count : 0;
}

bool ev_portaudio_card(int index, ev_card *card)
{
    const PaDeviceInfo *info = index < 0 ? NULL : Pa_GetDeviceInfo(index);
    if (!info)
        return false;
    snprintf(card->name, sizeof card->name, "%s", info->name);
    snprintf(card->host, sizeof card->host, "%s", Pa_GetHostApiInfo(info->hostApi)->name);
    card->inputs = info->maxInputChannels;
    card->outputs = info->maxOutputChannels;
    card->rate = info->defaultSampleRate;
    card->default_input = Pa_GetDefaultInputDevice() == index;
    card->default_output = Pa_GetDefaultOutputDevice() == index;
    return true;
}

bool ev_portaudio_supports(int index, bool input, double rate)
{
    const PaDeviceInfo *info = index < 0 ? NULL : Pa_GetDeviceInfo(index);
    if (!info)
        return false;
    PaStreamParameters end = one_end(index, 1, input ? info->defaultHighInputLatency : info->defaultHighOutputLatency);
    return Pa_IsFormatSupported(input ? &end : NULL, input ? NULL : &end, rate) == paFormatIsSupported;
}
