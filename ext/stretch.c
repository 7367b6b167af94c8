#include "stretch.h"

#include <string.h>

#define SIMILAR 0.25 /* squared correlation from which on two pieces may be joined */
#define QUIET 100    /* peak below which any two pieces may */
#define PEAK 2047    /* of the frames that are correlated: the sum of 511 products stays inside 32 bits */

static uint32_t overlap_of(uint32_t rate)
{
    return rate / 200;
}

static uint32_t longest_of(uint32_t rate)
{
    return rate / 50;
}

size_t ev_stretch_bytes(uint32_t rate)
{
    size_t around = longest_of(rate) + 2 * (size_t)overlap_of(rate), keep = longest_of(rate) + (size_t)overlap_of(rate);
    return sizeof(int16_t) * (2 * keep + 2 * around + longest_of(rate));
}

void ev_stretch_init(ev_stretch *stretch, void *memory, uint32_t rate)
{
    stretch->overlap = overlap_of(rate);
    stretch->shortest = stretch->overlap;
    stretch->longest = longest_of(rate);
    stretch->stride = rate < 32000 ? 1 : rate / 16000;
    stretch->keep = stretch->longest + stretch->overlap;
    stretch->past = memory;
    stretch->around = stretch->past + 2 * (size_t)stretch->keep;
    stretch->thin = stretch->around + stretch->keep + stretch->overlap;
    stretch->extra = stretch->thin + stretch->keep + stretch->overlap;
    ev_stretch_reset(stretch);
}

void ev_stretch_reset(ev_stretch *stretch)
{
    memset(stretch->past, 0, stretch->keep * sizeof *stretch->past);
    stretch->past_end = stretch->keep;
    stretch->extra_at = stretch->extra_end = 0;
    stretch->owed = 0;
    stretch->wait = 0;
}

static void remember(ev_stretch *stretch, const int16_t *samples, uint32_t frames)
{
    uint32_t keep = stretch->keep;
    if (frames > keep) {
        samples += frames - keep;
        frames = keep;
    }
    if (stretch->past_end + frames > 2 * keep) {
        memmove(stretch->past, stretch->past + stretch->past_end - keep, keep * sizeof *samples);
        stretch->past_end = keep;
    }
    memcpy(stretch->past + stretch->past_end, samples, frames * sizeof *samples);
    stretch->past_end += frames;
}

void ev_stretch_pass(ev_stretch *stretch, const int16_t *samples, uint32_t frames, int32_t owed_each)
{
    int64_t most = 2 * (int64_t)stretch->longest * EV_STRETCH_ONE; /* no burst makes up for a long wait */
    remember(stretch, samples, frames);
    stretch->wait -= frames < stretch->wait ? frames : stretch->wait;
    stretch->owed = owed_each ? stretch->owed + (int64_t)frames * owed_each : 0;
    if (stretch->owed > most)
        stretch->owed = most;
}

static const int16_t *last_frames(const ev_stretch *stretch, uint32_t frames)
{
    return stretch->past + stretch->past_end - frames;
}

static double quality(int64_t product, int64_t energy)
{
    return product > 0 && energy > 0 ? (double)product * (double)product / (double)energy : 0.0;
}

static int32_t dot(const int16_t *a, const int16_t *b, uint32_t count)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += (int32_t)a[i] * b[i];
    return sum;
}

static int64_t long_dot(const int16_t *a, const int16_t *b, uint32_t count)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += (int32_t)a[i] * b[i];
    return sum;
}

/* The lag L, for which the `count` frames at `here` + side * L are most like those at `here`, all within the `frames` of `around`.  The
 * longest where everything is alike or nothing is. */
static uint32_t best_lag(ev_stretch *stretch, uint32_t frames, uint32_t here, uint32_t count, int side, bool *alike)
{
    int16_t *around = stretch->around, *thin = stretch->thin;
    uint32_t stride = stretch->stride, first = here % stride;
    int32_t peak = 0;
    for (uint32_t i = 0; i < frames; i++) {
        int32_t size = around[i] < 0 ? -around[i] : around[i];
        peak = size > peak ? size : peak;
    }
    uint32_t shift = 0;
    while (peak >> shift > PEAK)
        shift++;
    for (uint32_t i = 0; i < frames; i++)
        around[i] = (int16_t)(around[i] >> shift);
    uint32_t thins = 0;
    for (uint32_t i = first; i < frames; i += stride)
        thin[thins++] = around[i];

    uint32_t some = count / stride, at = here / stride, best = stretch->longest;
    double highest = 0.0;
    const int16_t *reference = thin + at;
    for (uint32_t lag = (stretch->shortest + stride - 1) / stride; lag * stride <= stretch->longest; lag++) {
        const int16_t *other = side < 0 ? reference - lag : reference + lag;
        double value = quality(dot(reference, other, some), dot(other, other, some));
        if (value > highest) {
            highest = value;
            best = lag * stride;
        }
    }
    if (stride > 1 && highest > 0.0) {
        uint32_t from = best - stride + 1 > stretch->shortest ? best - stride + 1 : stretch->shortest;
        uint32_t to = best + stride - 1 < stretch->longest ? best + stride - 1 : stretch->longest;
        highest = 0.0;
        for (uint32_t lag = from; lag <= to; lag++) {
            const int16_t *other = side < 0 ? around + here - lag : around + here + lag;
            double value = quality(long_dot(around + here, other, count), long_dot(other, other, count));
            if (value > highest) {
                highest = value;
                best = lag;
            }
        }
    }
    int64_t own = stride > 1 ? long_dot(around + here, around + here, count) : dot(reference, reference, some);
    *alike = peak < QUIET || highest >= SIMILAR * (double)own;
    return best;
}

/* to = from `a` over to `b` within `overlap` frames. */
static void crossfade(int16_t *to, const int16_t *a, const int16_t *b, int32_t overlap)
{
    for (int32_t i = 0; i < overlap; i++)
        to[i] = (int16_t)((a[i] * (overlap - i) + b[i] * i) / overlap);
}

/* Settle what a search came to: a joint of `lag` frames, or none. */
static bool joined(ev_stretch *stretch, uint32_t lag, bool alike)
{
    if (!alike && stretch->owed < (int64_t)stretch->longest * EV_STRETCH_ONE) {
        stretch->wait = 2 * stretch->overlap;
        return false;
    }
    stretch->owed -= (int64_t)lag * EV_STRETCH_ONE;
    stretch->wait = 2 * lag;
    return true;
}

uint32_t ev_stretch_lengthen(ev_stretch *stretch, const int16_t *ahead)
{
    uint32_t overlap = stretch->overlap, keep = stretch->keep;
    bool alike;
    memcpy(stretch->around, last_frames(stretch, keep), keep * sizeof *ahead);
    memcpy(stretch->around + keep, ahead, overlap * sizeof *ahead);
    uint32_t lag = best_lag(stretch, keep + overlap, keep - overlap, 2 * overlap, -1, &alike);
    if (!joined(stretch, lag, alike))
        return 0;
    const int16_t *again = last_frames(stretch, lag);
    memcpy(stretch->extra, again, lag * sizeof *again);
    crossfade(stretch->extra, ahead, again, (int32_t)overlap);
    stretch->extra_at = 0;
    stretch->extra_end = lag;
    return lag;
}

void ev_stretch_conceal(ev_stretch *stretch, uint32_t level, uint32_t full)
{
    uint32_t keep = stretch->keep;
    int32_t overlap = (int32_t)stretch->overlap;
    bool alike;
    memcpy(stretch->around, last_frames(stretch, keep), keep * sizeof *stretch->around);
    uint32_t lag = best_lag(stretch, keep, keep - stretch->overlap, stretch->overlap, -1, &alike);
    const int16_t *again = last_frames(stretch, lag);
    int32_t held = last_frames(stretch, 1)[0];
    for (int32_t i = 0; i < overlap; i++) {
        int32_t left = overlap - 1 - i;
        int32_t value = (held * left + again[i] * (overlap - left)) / overlap; /* so that it begins where the sound stopped */
        stretch->extra[i] = (int16_t)(value * left / overlap * (int32_t)level / (int32_t)full);
    }
    stretch->extra_at = 0;
    stretch->extra_end = stretch->overlap;
}

uint32_t ev_stretch_take(ev_stretch *stretch, int16_t *to, uint32_t room)
{
    uint32_t frames = ev_stretch_extra(stretch);
    frames = frames < room ? frames : room;
    memcpy(to, stretch->extra + stretch->extra_at, frames * sizeof *to);
    stretch->extra_at += frames;
    return frames;
}

uint32_t ev_stretch_shorten(ev_stretch *stretch, const int16_t *ahead, int32_t owed_each)
{
    uint32_t overlap = stretch->overlap, reach = overlap + stretch->longest;
    bool alike;
    memcpy(stretch->around, last_frames(stretch, overlap), overlap * sizeof *ahead);
    memcpy(stretch->around + overlap, ahead, reach * sizeof *ahead);
    uint32_t lag = best_lag(stretch, overlap + reach, 0, 2 * overlap, 1, &alike);
    if (!joined(stretch, lag, alike))
        return 0;
    crossfade(stretch->extra, ahead, ahead + lag, (int32_t)overlap);
    remember(stretch, stretch->extra, overlap);
    stretch->extra_at = 0;
    stretch->extra_end = overlap;
    stretch->owed += (int64_t)(overlap + lag) * owed_each;
    return overlap + lag;
}

size_t ev_stretch_all(ev_stretch *stretch, const int16_t *from, size_t frames, int16_t *to, int32_t each)
{
    const uint32_t piece = stretch->overlap;
    const int32_t owed_each = each < 0 ? -each : each;
    const size_t reach = each < 0 ? (size_t)stretch->overlap + stretch->longest : stretch->overlap;
    size_t made = 0, at = 0;
    ev_stretch_reset(stretch);
    while (at < frames) {
        if (ev_stretch_due(stretch) && frames - at >= reach) {
            if (each < 0)
                at += ev_stretch_shorten(stretch, from + at, owed_each);
            else
                ev_stretch_lengthen(stretch, from + at);
            made += ev_stretch_take(stretch, to + made, stretch->longest);
            if (each < 0)
                continue;
        }
        uint32_t some = frames - at < piece ? (uint32_t)(frames - at) : piece;
        memcpy(to + made, from + at, some * sizeof *to);
        ev_stretch_pass(stretch, from + at, some, owed_each);
        made += some;
        at += some;
    }
    return made;
}
