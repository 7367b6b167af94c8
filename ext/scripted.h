/* A device without a sound card: a user who speaks from memory, on a clock that follows a script. */
#ifndef EV_SCRIPTED_H
#define EV_SCRIPTED_H

#include <pthread.h>

#include "device.h"

#define EV_SAYS 1024 /* utterances that may wait or sound at once */

typedef enum ev_cue_kind {
    EV_CUE_LATE,    /* the period comes `amount` ns late */
    EV_CUE_SHORT,   /* from here `count` periods have `amount` frames */
    EV_CUE_XRUN,    /* `amount` frames of input are lost, and the next period says so */
    EV_CUE_UNDERFLOW, /* the period reports an output underflow */
    EV_CUE_UNPLUG   /* the device is gone before this frame */
} ev_cue_kind;

typedef struct ev_cue {
    uint64_t at; /* device frame; a period is cut so that one begins exactly there */
    uint32_t kind;
    uint32_t count;
    uint64_t amount;
} ev_cue;

typedef struct ev_say {
    uint64_t start;        /* device frame of its first sample */
    const int16_t *samples;
    uint64_t frames;       /* 0: the entry is free */
    uint64_t lost;         /* frames of it that an xrun swallowed */
} ev_say;

typedef struct ev_scripted_config {
    bool realtime;
    uint32_t period;        /* longest period, frames */
    double drift_ppm;       /* the device's clock is faster than the system's by this much */
    const int16_t *noise;   /* played round and round into the microphone */
    uint64_t noise_frames;
    const float *echo;      /* impulse response from loudspeaker to microphone, beyond one period of latency */
    uint32_t echo_taps;
    float *echo_history;    /* echo_taps + 2 * period, zeroed */
    float *air;             /* period */
    const ev_cue *cues;     /* by rising `at` */
    uint32_t cue_count;
    uint64_t record_frames; /* room in the recordings */
    int16_t *mic;
    int16_t *speaker;
    int16_t *in;            /* period */
    int16_t *out;           /* period */
} ev_scripted_config;

typedef enum ev_scripted_state { EV_STOPPED, EV_RUNNING, EV_UNPLUGGED } ev_scripted_state;

typedef struct ev_scripted {
    ev_device device;
    ev_scripted_config config; /* init only; the memory is the maker's */
    pthread_t thread;          /* start and stop */
    bool threaded;             /* start and stop */
    pthread_mutex_t lock;      /* guards says and mixed */
    ev_say says[EV_SAYS];
    uint64_t mixed;            /* frames whose microphone signal is settled */
    uint32_t cue;              /* device thread: the next cue */
    uint32_t short_frames;     /* device thread */
    uint32_t short_left;       /* device thread: periods */
    uint64_t late_ns;          /* device thread */
    uint64_t lost;             /* device thread: input frames lost before the next period */
    uint64_t noise_at;         /* device thread */
    uint32_t status;           /* device thread: for the next period */
    _Atomic uint64_t position; /* device thread: frames done */
    _Atomic int state;         /* device thread and start: ev_scripted_state */
    _Atomic bool stopping;     /* stop */
} ev_scripted;

/* With memory of malloc, which its `close` frees. */
bool ev_scripted_init(ev_scripted *scripted, ev_rt *rt, const ev_scripted_config *config);
/* Let the user speak, from device frame `at` on, or at once where `at` is negative.  Any thread.  Returns the frame of the first sample;
 * -1: that frame is past, -2: too many utterances wait. */
int64_t ev_scripted_say(ev_scripted *scripted, const int16_t *samples, uint64_t frames, int64_t at);
/* True while an utterance with these samples waits or sounds: then they may not be freed. */
bool ev_scripted_saying(ev_scripted *scripted, const int16_t *samples);
/* Only where not realtime: run `frames` in the caller's thread, as fast as it goes.  Returns the frames run, fewer once unplugged. */
uint64_t ev_scripted_step(ev_scripted *scripted, uint64_t frames);
/* Frames done.  Any thread. */
uint64_t ev_scripted_position(ev_scripted *scripted);

#endif
