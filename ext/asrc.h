/* From the clock of one sound card to that of another: an asynchronous sample rate converter between two callbacks.
 *
 * Theory: what the capture callback makes for the loudspeaker goes into a ring of samples; the playback callback reads it at a ratio that
 * keeps the ring's fill where it is wanted.  Fill is not what lies in the ring at some moment, which moves by a whole period with the
 * phase of the two callbacks, but the distance between two straight lines: when capture delivers a frame, and when playback takes one.
 * Each line is a delay-locked loop over the callbacks' times (F. Adriaensen, "Using a DLL to filter time", 2005), so neither late
 * callbacks nor a period's phase move the pitch.  A PI controller on the distance sets the ratio, within EV_ASRC_MOST_PPM (2.6 cents,
 * half of what a trained ear notices); it is quick for the first seconds and then narrow, and its integral is the clocks' drift.  Between
 * samples a Kaiser-windowed sinc interpolates; there is nothing to keep from folding, as the ratio is 1 but for the drift.
 *
 * The wanted fill is what one period of each side, half a window and a margin of half a period need; a sound system whose callbacks come
 * in bunches leaves less in the ring than that, and then the wanted fill grows until a quarter of a period is left at the worst moment.
 * When playback finds too little, the sound fades out, the ring fills up to where it is wanted, and the sound fades in; when capture ran
 * far ahead, what is too much is left out in a cross-fade.  Both are counted.
 *
 * Laws: those of rt.h for ev_asrc_push (capture's callback) and ev_asrc_pull (playback's); counters: any thread.
 */
#ifndef EV_ASRC_H
#define EV_ASRC_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring.h"

#define EV_ASRC_TAPS 48
#define EV_ASRC_PHASES 256
#define EV_ASRC_MOST_PPM 1500.0
#define EV_PACE_LEAD 4.0
#define EV_PI 3.141592653589793
#define EV_ASRC_CHUNK 256 /* output frames that are made at once */

/* When the callbacks of one card come, without their jitter.  Its callback's own. */
typedef struct ev_pace {
    bool known;
    uint64_t frame;   /* done … */
    double time;      /* … at this time in s, filtered */
    double last;      /* s: of the last callback, as it came */
    double per_frame; /* s */
    double since;     /* s of sound since it was taken anew */
    double usual;     /* s: how far callbacks were off lately */
    uint32_t strange; /* callbacks in a row that were off much farther */
} ev_pace;

typedef struct ev_asrc {
    uint32_t rate, period, fade; /* init only */
    uint64_t mask;               /* init only */
    int16_t *ring;               /* init only: mask + 1 samples */
    float *table;                /* init only: [EV_ASRC_PHASES + 1][EV_ASRC_TAPS] */

    /* Capture's. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t head; /* samples ever put in */
    _Atomic uint64_t turn;                        /* odd while the next three change */
    _Atomic uint64_t line_head;                   /* `head` … */
    _Atomic double line_time;                     /* … at this time in s, filtered; 0: unknown */
    _Atomic double line_per_frame;                /* s */
    _Atomic uint64_t lost;                        /* samples that found the ring full */
    uint64_t pushed;
    ev_pace pace_in;

    /* Playback's. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t tail; /* samples before it are not needed any more */
    uint64_t at;                                  /* the next output lies between samples `at` and `at` + 1 … */
    double between;                               /* … so far after the first, 0..1 */
    uint64_t pulled;
    uint64_t lost_seen;
    ev_pace pace_out;
    bool begun, playing;
    uint32_t ramp;         /* 0 silent .. fade full */
    float last;            /* the last output */
    double error;          /* samples: fill beyond the wanted one, smoothed */
    double drift;          /* the controller's integral: capture's clock over playback's, less 1 */
    double ratio;          /* samples an output frame */
    double settled;        /* s of sound since playback began or jumped */
    double spare;          /* samples left in the ring at the worst moment of this window */
    double window;         /* s of it */
    double calm, calm_spare; /* s since less than ample was left, and the least since then */
    double extra;          /* samples wanted beyond the least, for callbacks in bunches */
    float span[EV_ASRC_CHUNK + EV_ASRC_CHUNK / 64 + EV_ASRC_TAPS + 4];
    float made[EV_ASRC_CHUNK], old[EV_ASRC_CHUNK];

    /* What playback tells. */
    alignas(EV_CACHE_LINE) _Atomic int64_t drift_ppb;
    _Atomic int64_t fill_milli;   /* samples / 1000, smoothed */
    _Atomic int64_t wanted_milli;
    _Atomic uint64_t pulls;       /* playback callbacks */
    _Atomic uint64_t underruns;   /* times that playback found too little */
    _Atomic uint64_t overruns;    /* times that something was left out, or found the ring full */
} ev_asrc;

typedef struct ev_asrc_state {
    double drift_ppm, fill, wanted; /* samples */
    uint64_t pulls, underruns, overruns;
} ev_asrc_state;

/* Bytes that ev_asrc_init wants for callbacks of about `period` frames, aligned to EV_CACHE_LINE. */
size_t ev_asrc_bytes(uint32_t period);
/* In zeroed `memory`. */
ev_asrc *ev_asrc_init(void *memory, uint32_t rate, uint32_t period);
/* Both streams are opened anew: nothing of the old sound.  While neither callback runs. */
void ev_asrc_restart(ev_asrc *asrc);

/* Capture's callback made `frames` samples; `now` in s of a steady clock, which both callbacks share, or 0 where it is not known. */
void ev_asrc_push(ev_asrc *asrc, const int16_t *samples, uint32_t frames, double now);
/* Playback's callback wants `frames`. */
void ev_asrc_pull(ev_asrc *asrc, int16_t *out, uint32_t frames, double now);
/* Any thread. */
void ev_asrc_look(ev_asrc *asrc, ev_asrc_state *state);

/* What its own sources share.  A callback comes at `now` for `frames`, after `frame`.  Of several in a bunch the last one tells most: what the
 * card had ready then was all taken, so that the line is off by a period at most.  Which was the last is known from the callback after it. */
void ev_pace_note(ev_pace *pace, double now, uint64_t frame, uint32_t frames, uint32_t rate);
/* Hz: the controller's bandwidth after so many seconds. */
double ev_pace_gear(double since);
/* The window's table, and `frames` outputs from sample `at` + `between` on into `to`, which both move on. */
void ev_asrc_table(float *table);
void ev_asrc_interpolate(ev_asrc *asrc, uint64_t *at, double *between, float *to, uint32_t frames);

#endif
