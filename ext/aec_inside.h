/* The echo canceller's inside: what aec.c (the filter), aec_far.c (the far end, its delay and its drift) and aec_residue.c (what is left of
   the echo, and the watch over the reference) share.  For nobody else. */
#ifndef EV_AEC_INSIDE_H
#define EV_AEC_INSIDE_H

#include "aec.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "fft.h"

#define B EV_AEC_BLOCK
#define BINS EV_FFT_BINS
#define ROOM EV_FFT_ROOM
#define PARTS EV_AEC_PARTITIONS
#define BANDS 20
#define TAPS 16   /* of the far end's interpolator */
#define PI 3.14159265f
#define PHASES 32 /* of its table; between two of them the taps are interpolated */
#define PAST 1024 /* samples of far end kept */
#define FOLLOW 3  /* partitions in which the drift is watched */
#define EVERY 16  /* blocks between two looks at it */
#define SHIFT_LEAST (TAPS / 2 + 1)

/* The filter.  Tuned on simulated rooms of other seeds than the benchmark's. */
#define FORGET 0.9985f   /* of the filter a block: how fast rooms are thought to change */
#define FIRST 0.5f       /* |H|^2 of each partition thought possible before anything was heard */
#define KNOWN 0.25f      /* of what one block could teach, doubt falls: half of what white noise would allow, since speech is not white */
#define LEAST_DOUBT 1e-12f /* never a denormal number */
#define NOISE_KEEP 0.5f  /* smoothing of the near end's power, a block */
#define NOISE_LESS 0.5f  /* of the uncertain echo's power is no near end's ... */
#define NOISE_MIN 0.1f   /* ... but this share of what is left always is */
#define FLOOR 2e-7f      /* a bin's power: -90 dB of full scale, so that nothing is ever divided by zero */
#define SILENCE 3e-5f    /* a far end below -90 dB is asleep */
#define PULL 0.3f        /* of the drift seen is corrected at each look */
#define RATE_MOST 5e-4f
#define ABSENT 1e-3f     /* of the uncertain echo's power: less than this is no echo */
#define TRUST 0.8f       /* an untried filter is trusted once it leaves no more power than this */
#define TURN 0.4f        /* correlation against the prediction that shows a changed path ... */
#define TURN_NOW 0.35f   /* ... in one window */
#define SHAKEN 0.38f     /* cosine between residual and prediction that shows it sooner ... */
#define SHAKEN_HOLD 8    /* ... for so many windows */
#define THROUGH 0.25f    /* of the near end's power: less than 6 dB taken off */
#define LOUDEST 1.0f     /* mean square of a prediction: full scale, which no microphone can hear more of */
/* The suppressor. */
#define OVER 4.0f        /* residual echo's power is subtracted so many times */
#define UNSURE 3.0f      /* weight of the filter's own uncertainty */
#define LEAK_UP 1.06f    /* a quantile of 47 % */
#define LEAK_DOWN 0.95f
#define LEAK_MOST 1.0f
#define LEAK_LEAST 1e-4f
#define GAIN_LEAST 0.01f
/* The watch over the reference. */
#define ENVELOPE 256     /* blocks: 4 s */
#define LAG_LEAST (-12)
#define LAG_MOST 60
#define PLAINLY 0.6f     /* correlation of the envelopes */

struct ev_aec {
    ev_fft fft;
    ev_spectrum far[PARTS];    /* a ring; `newest` is the present block's */
    ev_spectrum filter[PARTS];
    float doubt[PARTS][ROOM];  /* the filter's variance */
    float power[ROOM];         /* of what is no echo, smoothed */
    float window[2 * B];
    float taps[PHASES + 1][TAPS];
    float past[PAST];          /* the far end as told */
    float shift, rate;         /* the far end is read so many samples late, and more of them with every sample */
    ev_spectrum before[FOLLOW]; /* the filter EVERY blocks ago, from partition `watched` on */
    uint32_t watched, since;
    float far_last[B], near_last[B], error_last[B], echo_last[B];
    float late[B];             /* second half of the last synthesis window's output */
    float spread[ROOM];        /* predicted echo's power, smeared in frequency and time */
    float leak[BANDS];
    float floor[ROOM];         /* the noise's power */
    float gain[ROOM];
    uint16_t edge[BANDS + 1];
    uint32_t newest, silent;   /* silent: blocks since the far end last sounded */
    bool frozen;               /* the near end says nothing about the path */
    uint32_t held;             /* a block of quiet output waits for its second half */
    uint32_t chance;
    uint32_t looks;            /* blocks asleep; the noise's floor is looked at in every fourth */
    uint32_t wrong;            /* blocks in a row that the prediction made worse */
    float against, along, across; /* correlation of residual and prediction, the prediction's power, and the residual's */
    uint32_t mistrust;         /* windows for which a shaken path is still suspected */
    float near_power, error_power;          /* decaying in a second */
    float near_short, error_short, echo_short; /* decaying in 64 ms */
    float nearness;
    float trust;               /* 1 where the prediction is taken off, 0 where it is not */
    float near_level[ENVELOPE], far_level[ENVELOPE]; /* dB, rings */
    uint32_t levels;           /* ever written since the canceller woke */
    ev_aec_state state;
};

static inline ev_spectrum *far_at(ev_aec *aec, uint32_t ago)
{
    return &aec->far[(aec->newest + PARTS - ago) % PARTS];
}
/* Whether the prediction makes it worse, as no near speech can: it is not in the microphone's signal. */
static inline bool wrongly(const ev_aec *aec)
{
    return aec->state.flags & EV_AEC_CONVERGED && aec->error_short > 0.9f * aec->near_short &&
           aec->echo_short > 0.1f * aec->near_short && aec->near_short > 0.01f * aec->near_power && aec->against < -TURN * aec->along;
}

/* A path that changed just now.  The residual is then what is heard less what was predicted, whose cosine with the prediction is about
   -0.7 whatever the levels; near speech's is about 0.  Enough to mistrust what is left, too little to forget the path by. */
static inline bool shaken(const ev_aec *aec)
{
    return aec->state.flags & EV_AEC_CONVERGED && aec->error_short > THROUGH * aec->near_short &&
           aec->near_short > 0.001f * aec->near_power && aec->against < -SHAKEN * sqrtf(aec->along * aec->across);
}

/* The same of one window alone: too little to forget the path by, enough to mistrust it. */
static inline bool wrong_now(const ev_aec *aec, const float *error, const float *echo, float against, float along)
{
    float near_sum = 0.0f, error_sum = 0.0f, echo_sum = 0.0f;
    for (int n = 0; n < B; n++) {
        float near = error[n] + echo[n];
        near_sum += near * near;
        error_sum += error[n] * error[n];
        echo_sum += echo[n] * echo[n];
    }
    return aec->state.flags & EV_AEC_CONVERGED && error_sum > 0.9f * near_sum && echo_sum > 0.2f * near_sum &&
           near_sum > 0.01f * aec->near_power && against < -TURN_NOW * along;
}
/* aec_far.c */
void ev_aec_find_delay(ev_aec *aec);
void ev_aec_read_far(ev_aec *aec, float *to);
int ev_aec_take_far(ev_aec *aec, const float *far);
void ev_aec_follow_drift(ev_aec *aec);

/* aec_residue.c */
void ev_aec_follow_floor(ev_aec *aec, const ev_spectrum *error);
void ev_aec_suppress(ev_aec *aec, const float *error, const float *echo, const float *unsure, float *out);
void ev_aec_watch_reference(ev_aec *aec, float near_energy, float far_energy);

#endif
