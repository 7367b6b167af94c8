/* Time-stretch of int16 mono by whole waveform periods: longer or shorter, pitch kept.
 *
 * Theory (WSOLA in the form of Malah's time-domain harmonic scaling; W. Verhelst and M. Roelands, "An overlap-add technique based on
 * waveform similarity", 1993): where the sound goes on at frame s, the lag L is searched for which what lies L before s is most like what
 * lies around s.  To lengthen, those L frames are played once more before s: the joint into them is a crossfade of `overlap` frames, the
 * joint back to s is the one that was always there.  To shorten, L frames after s are left out under such a crossfade.  Between such
 * places every frame goes through untouched, so that a factor of 1 is the identity, and nothing is late by an internal delay.
 * The similarity is the normalized cross-correlation over 2 * overlap frames around s, on every `stride`th frame, then on all of them
 * around the best lag.
 *
 * Laws: nothing is allocated after init; the cost of a search is bounded by the rate alone; integers but for one quotient of doubles,
 * so that every machine gives the same samples.
 */
#ifndef EV_STRETCH_H
#define EV_STRETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EV_OVERLAP_MOST 960      /* at 192 kHz, the highest rate */
#define EV_REACH_MOST 4800       /* overlap and longest lag, there */
#define EV_STRETCH_ONE 65536     /* Q16 */
#define EV_STRETCH_SLOWEST 16384 /* a quarter longer */
#define EV_STRETCH_FASTEST 6554  /* a tenth shorter */

typedef struct ev_stretch {
    uint32_t overlap;  /* init only: frames of a crossfade, 5 ms */
    uint32_t shortest; /* init only: lags, 5 to 20 ms */
    uint32_t longest;
    uint32_t stride;   /* init only: of the first search */
    uint32_t keep;     /* init only: frames of the past that are kept at least */
    int16_t *past;     /* the last frames that went out, 2 * keep at most */
    uint32_t past_end;
    int16_t *around;   /* scratch: longest + 2 * overlap */
    int16_t *thin;     /* scratch: as `around` */
    int16_t *extra;    /* what is to be played before the next frame goes out */
    uint32_t extra_at;
    uint32_t extra_end;
    int64_t owed;      /* Q16 frames still to insert (or, shortening, to leave out) */
    uint32_t wait;     /* frames that go out before the next search */
} ev_stretch;

size_t ev_stretch_bytes(uint32_t rate);
/* Lay the buffers out in `memory`, aligned to 2. */
void ev_stretch_init(ev_stretch *stretch, void *memory, uint32_t rate);
/* Forget the past: what comes is another sound. */
void ev_stretch_reset(ev_stretch *stretch);

/* `frames` of the source go out now, at this many Q16 frames to insert (or leave out) for each; 0 forgets what is owed. */
void ev_stretch_pass(ev_stretch *stretch, const int16_t *samples, uint32_t frames, int32_t owed_each);

/* Whether a lag's worth is owed and the last joint is far enough back. */
static inline bool ev_stretch_due(const ev_stretch *stretch)
{
    return stretch->wait == 0 && stretch->owed >= (int64_t)stretch->shortest * EV_STRETCH_ONE;
}

/* Frames to be taken before the next frame goes out. */
static inline uint32_t ev_stretch_extra(const ev_stretch *stretch)
{
    return stretch->extra_end - stretch->extra_at;
}

/* Make extra frames before ahead[0], of which `overlap` frames are given; how many, 0 where nothing alike is found and it can wait. */
uint32_t ev_stretch_lengthen(ev_stretch *stretch, const int16_t *ahead);
/* Make extra frames that carry on a sound whose next frame is missing and fade it out from `level`/`full`; `overlap` of them. */
void ev_stretch_conceal(ev_stretch *stretch, uint32_t level, uint32_t full);
/* Copy out up to `room` extra frames; how many. */
uint32_t ev_stretch_take(ev_stretch *stretch, int16_t *to, uint32_t room);

/* Leave frames of `ahead` (overlap + longest frames) out: `overlap` extra frames stand for as many of `ahead` as it says, 0 where nothing
 * alike is found and it can wait.  `owed_each` as for ev_stretch_pass. */
uint32_t ev_stretch_shorten(ev_stretch *stretch, const int16_t *ahead, int32_t owed_each);

/* A whole sound from reset on: `each` is what ev_stretch_pass takes, negative to shorten.  `to` has room for 1.5 times `frames`. */
size_t ev_stretch_all(ev_stretch *stretch, const int16_t *from, size_t frames, int16_t *to, int32_t each);

#endif
