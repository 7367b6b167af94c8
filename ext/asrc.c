#include "asrc.h"

#include <math.h>
#include <string.h>

#define HALF (EV_ASRC_TAPS / 2)

#define STALE 0.25      /* s: a line so old says nothing */
#define MARGIN 0.5      /* periods in the ring at the worst moment, where callbacks come evenly */
#define LEAST_SPARE 0.25 /* periods: below that at the worst moment more is wanted */
#define AMPLE_SPARE 1.0 /* periods: where more than that was left for CALM, less is wanted, if something asked for more before */
#define WINDOW 2.0      /* s over which the worst moment is looked for */
#define CALM 300.0      /* s: longer than the phases of two cards take to pass through a bunch, but for the slowest drifts */
#define SETTLE 0.6      /* s of callbacks before the first sound, so that their pace is known */
#define EXTRA_MOST 12.0 /* periods */
#define TOO_MUCH 4.0    /* periods beyond the wanted fill: something is left out */
#define PERIODS 64      /* in the ring, at least */

static uint64_t power(uint64_t least)
{
    uint64_t size = 1;
    while (size < least)
        size *= 2;
    return size;
}

static size_t rounded(size_t bytes)
{
    return (bytes + EV_CACHE_LINE - 1) / EV_CACHE_LINE * EV_CACHE_LINE;
}

static uint64_t ring_samples(uint32_t period)
{
    return power((uint64_t)PERIODS * period + EV_ASRC_TAPS);
}

size_t ev_asrc_bytes(uint32_t period)
{
    return rounded(sizeof(ev_asrc)) + rounded(ring_samples(period) * sizeof(int16_t)) +
           rounded(sizeof(float) * (EV_ASRC_PHASES + 1) * EV_ASRC_TAPS);
}

ev_asrc *ev_asrc_init(void *memory, uint32_t rate, uint32_t period)
{
    ev_asrc *asrc = memory;
    unsigned char *at = (unsigned char *)memory + rounded(sizeof(ev_asrc));
    asrc->rate = rate;
    asrc->period = period;
    asrc->fade = rate / 200;
    asrc->mask = ring_samples(period) - 1;
    asrc->ring = (int16_t *)at;
    asrc->table = (float *)(at + rounded(ring_samples(period) * sizeof(int16_t)));
    ev_asrc_table(asrc->table);
    ev_asrc_restart(asrc);
    return asrc;
}

void ev_asrc_restart(ev_asrc *asrc)
{
    memset(asrc->ring, 0, (asrc->mask + 1) * sizeof *asrc->ring);
    asrc->pace_in = asrc->pace_out = (ev_pace){0};
    atomic_store_explicit(&asrc->line_time, 0.0, memory_order_release);
    asrc->begun = asrc->playing = false;
    asrc->ramp = 0;
    asrc->last = 0.0f;
    asrc->error = asrc->extra = asrc->settled = asrc->window = asrc->calm = 0.0;
    asrc->spare = INFINITY;
    asrc->ratio = 1.0 + asrc->drift; /* the cards may be the same */
}

static void more(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_release);
}

void ev_asrc_push(ev_asrc *asrc, const int16_t *samples, uint32_t frames, double now)
{
    uint64_t head = atomic_load_explicit(&asrc->head, memory_order_relaxed);
    uint64_t room = asrc->mask + 1 - (head - atomic_load_explicit(&asrc->tail, memory_order_acquire));
    uint32_t fit = frames < room ? frames : (uint32_t)room;
    for (uint32_t n = 0; n < fit; n++)
        asrc->ring[(head + n) & asrc->mask] = samples[n];
    atomic_store_explicit(&asrc->head, head + fit, memory_order_release);
    if (fit < frames)
        more(&asrc->lost, frames - fit); /* after `head`: who sees it sees the place of the tear as well */
    ev_pace_note(&asrc->pace_in, now, asrc->pushed, frames, asrc->rate);
    asrc->pushed += frames;
    uint64_t turn = atomic_load_explicit(&asrc->turn, memory_order_relaxed);
    atomic_store_explicit(&asrc->turn, turn + 1, memory_order_relaxed);
    atomic_store_explicit(&asrc->line_head, head + fit - (asrc->pushed - asrc->pace_in.frame), memory_order_release);
    atomic_store_explicit(&asrc->line_time, asrc->pace_in.known ? asrc->pace_in.time : 0.0, memory_order_release);
    atomic_store_explicit(&asrc->line_per_frame, asrc->pace_in.per_frame, memory_order_release);
    atomic_store_explicit(&asrc->turn, turn + 2, memory_order_release);
}

/* Samples that capture has delivered by the time of this pull, as its straight line has it. */
static double delivered(ev_asrc *asrc, uint64_t head)
{
    for (int attempt = 0; attempt < 8; attempt++) {
        uint64_t turn = atomic_load_explicit(&asrc->turn, memory_order_acquire);
        uint64_t line_head = atomic_load_explicit(&asrc->line_head, memory_order_acquire);
        double time = atomic_load_explicit(&asrc->line_time, memory_order_acquire);
        double per_frame = atomic_load_explicit(&asrc->line_per_frame, memory_order_acquire);
        if (turn & 1 || atomic_load_explicit(&asrc->turn, memory_order_relaxed) != turn)
            continue;
        if (time <= 0.0 || !asrc->pace_out.known)
            break;
        double at = asrc->pace_out.time + (double)(asrc->pulled - asrc->pace_out.frame) * asrc->pace_out.per_frame;
        double beyond = (at - time) / per_frame;
        if (fabs(beyond) > STALE * asrc->rate)
            break;
        return (double)line_head + beyond;
    }
    return (double)head + 0.5 * asrc->period;
}

static double wanted(const ev_asrc *asrc, uint32_t frames)
{
    return asrc->period + frames + HALF + 1 + MARGIN * asrc->period + asrc->extra;
}

static double clamped(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

/* One step of the controller; `fill` now, `seconds` since the last. */
static void steer(ev_asrc *asrc, double fill, double target, double seconds)
{
    double most = EV_ASRC_MOST_PPM * 1e-6, omega = 2.0 * EV_PI * ev_pace_gear(asrc->settled);
    asrc->error += (1.0 - exp(-EV_PACE_LEAD * omega * seconds)) * (fill - target - asrc->error);
    double ratio = clamped(asrc->drift + 2.0 * omega / asrc->rate * asrc->error, -most, most);
    asrc->drift += 0.5 * omega * (ratio - asrc->drift) * seconds; /* what is integrated is what was done, so that nothing winds up */
    asrc->ratio = 1.0 + ratio;
    asrc->settled += seconds;
}

/* What was left at the worst moment of the last seconds decides whether more is wanted. */
static void weigh(ev_asrc *asrc, double left, double seconds)
{
    double period = asrc->period;
    asrc->spare = left < asrc->spare ? left : asrc->spare;
    asrc->window += seconds;
    asrc->calm = left > AMPLE_SPARE * period ? asrc->calm + seconds : 0.0;
    asrc->calm_spare = asrc->calm > 0.0 && asrc->calm_spare < left ? asrc->calm_spare : left;
    if (asrc->calm > CALM) {
        asrc->extra -= 0.5 * (asrc->calm_spare - LEAST_SPARE * period);
        asrc->calm = 0.0;
    }
    if (asrc->window >= WINDOW || asrc->spare <= 0.0) {
        if (asrc->spare < LEAST_SPARE * period)
            asrc->extra += LEAST_SPARE * period - asrc->spare;
        asrc->spare = INFINITY;
        asrc->window = 0.0;
    }
    asrc->extra = clamped(asrc->extra, 0.0, EXTRA_MOST * period);
}

/* Before the first sound: what would be left if it played.  So bunches are met with a ring that is deep enough from the beginning. */
static void foresee(ev_asrc *asrc, double left)
{
    if (left < LEAST_SPARE * asrc->period)
        asrc->extra = clamped(asrc->extra + LEAST_SPARE * asrc->period - left, 0.0, 0.5 * EXTRA_MOST * asrc->period);
}

static int16_t rounded_sample(float value)
{
    return (int16_t)(value >= 32767.0f ? 32767 : value <= -32768.0f ? -32768 : lrintf(value));
}

/* Output frames that the ring has the samples for. */
static uint32_t possible(const ev_asrc *asrc, uint64_t head, uint32_t frames)
{
    if (head < asrc->at + HALF + 2)
        return 0;
    double can = ((double)(head - asrc->at - HALF - 1) - asrc->between) / asrc->ratio;
    return can >= frames ? frames : can <= 0.0 ? 0 : (uint32_t)can;
}

/* Go to where the fill is `fill` when capture has delivered `in`. */
static void place(ev_asrc *asrc, uint64_t head, double in, double fill)
{
    double to = in - fill, most = (double)head - HALF - 2 - asrc->fade, least = (double)atomic_load_explicit(&asrc->tail, memory_order_relaxed) + HALF;
    to = to > most ? most : to < least ? least : to;
    asrc->at = (uint64_t)to;
    asrc->between = to - (double)asrc->at;
}

static void write_out(ev_asrc *asrc, int16_t *out, uint32_t frames)
{
    for (uint32_t k = 0; k < frames; k++) {
        if (asrc->ramp < asrc->fade)
            asrc->made[k] *= (float)++asrc->ramp / (float)asrc->fade;
        out[k] = rounded_sample(asrc->made[k]);
        asrc->last = asrc->made[k];
    }
}

/* Silence, to which the last sound falls within a fade. */
static void silence(ev_asrc *asrc, int16_t *out, uint32_t frames)
{
    for (uint32_t k = 0; k < frames; k++) {
        asrc->last = fabsf(asrc->last) < 0.5f ? 0.0f : asrc->last * (1.0f - 6.0f / (float)asrc->fade);
        out[k] = rounded_sample(asrc->last);
    }
}

/* Frames left out: from the old place to the one where the fill is right, in a cross-fade over the first chunk. */
static uint32_t leap(ev_asrc *asrc, int16_t *out, uint32_t frames, uint64_t head, double in, double target)
{
    uint32_t across = frames < asrc->fade ? frames : asrc->fade;
    across = across < EV_ASRC_CHUNK ? across : EV_ASRC_CHUNK;
    across = possible(asrc, head, across);
    if (!across)
        return 0;
    ev_asrc_interpolate(asrc, &asrc->at, &asrc->between, asrc->old, across);
    place(asrc, head, in, target);
    across = possible(asrc, head, across);
    if (!across)
        return 0;
    ev_asrc_interpolate(asrc, &asrc->at, &asrc->between, asrc->made, across);
    for (uint32_t k = 0; k < across; k++) {
        float share = (float)(k + 1) / (float)across;
        asrc->made[k] = asrc->old[k] + share * (asrc->made[k] - asrc->old[k]);
    }
    write_out(asrc, out, across);
    asrc->error = 0.0;
    more(&asrc->overruns, 1);
    return across;
}

/* The ring has `can` of `frames`; the last of them falls silent. */
static void run_dry(ev_asrc *asrc, int16_t *out, uint32_t can, uint32_t frames)
{
    for (uint32_t done = 0; done < can;) {
        uint32_t chunk = can - done < EV_ASRC_CHUNK ? can - done : EV_ASRC_CHUNK;
        ev_asrc_interpolate(asrc, &asrc->at, &asrc->between, asrc->made, chunk);
        write_out(asrc, out + done, chunk);
        done += chunk;
    }
    silence(asrc, out + can, frames - can);
    asrc->playing = false;
    asrc->ramp = 0;
    asrc->error = 0.0;
    more(&asrc->underruns, 1);
}

/* Whether capture found the ring full since the last pull. */
static bool full(ev_asrc *asrc)
{
    uint64_t lost = atomic_load_explicit(&asrc->lost, memory_order_acquire);
    bool more_lost = lost != asrc->lost_seen;
    asrc->lost_seen = lost;
    return more_lost && asrc->begun;
}

/* What is in the ring has a tear in it: none of it is played. */
static void start_over(ev_asrc *asrc, uint64_t head)
{
    atomic_store_explicit(&asrc->tail, head, memory_order_release);
    if (asrc->playing)
        more(&asrc->overruns, 1);
    asrc->playing = false;
    asrc->ramp = 0;
    asrc->error = 0.0;
}

static void give_back(ev_asrc *asrc)
{
    uint64_t tail = atomic_load_explicit(&asrc->tail, memory_order_relaxed);
    uint64_t needed = asrc->at < tail + HALF ? tail : asrc->at - HALF;
    atomic_store_explicit(&asrc->tail, needed, memory_order_release);
}

static void tell(ev_asrc *asrc, double fill, double target)
{
    atomic_store_explicit(&asrc->drift_ppb, (int64_t)(asrc->drift * 1e9), memory_order_release);
    atomic_store_explicit(&asrc->fill_milli, (int64_t)(1000.0 * fill), memory_order_release);
    atomic_store_explicit(&asrc->wanted_milli, (int64_t)(1000.0 * target), memory_order_release);
    more(&asrc->pulls, 1);
}

/* Whether there is sound to begin with; what was in the ring before playback's first callback is old, and none of it is played. */
static bool may_begin(ev_asrc *asrc, uint64_t head, double in, double target)
{
    if (!asrc->begun) {
        asrc->begun = true;
        atomic_store_explicit(&asrc->tail, head, memory_order_release);
        return false;
    }
    double waiting = (double)(head - atomic_load_explicit(&asrc->tail, memory_order_relaxed));
    if (waiting < target + HALF || in - (double)head > target || /* the line does not know yet that sound was lost */
        (asrc->settled == 0.0 && asrc->pace_out.known && asrc->pace_out.since < SETTLE))
        return false;
    place(asrc, head, in, target);
    asrc->playing = true;
    return true;
}

void ev_asrc_pull(ev_asrc *asrc, int16_t *out, uint32_t frames, double now)
{
    bool torn = full(asrc);
    uint64_t head = atomic_load_explicit(&asrc->head, memory_order_acquire);
    double seconds = (double)frames / asrc->rate, target = wanted(asrc, frames);
    ev_pace_note(&asrc->pace_out, now, asrc->pulled, frames, asrc->rate);
    asrc->pulled += frames;
    double in = delivered(asrc, head);
    if (torn)
        start_over(asrc, head);
    if (asrc->begun && asrc->settled == 0.0 && asrc->pace_out.since > 0.5 * SETTLE) {
        foresee(asrc, (double)head - in + target - frames - HALF - 1.0);
        target = wanted(asrc, frames);
    }
    if (!asrc->playing && !may_begin(asrc, head, in, target)) {
        silence(asrc, out, frames);
        tell(asrc, (double)(head - atomic_load_explicit(&asrc->tail, memory_order_relaxed)), target);
        return;
    }
    double fill = in - (double)asrc->at - asrc->between;
    uint32_t done = 0;
    if (fill - target > TOO_MUCH * asrc->period && (double)(head - asrc->at) - target > (TOO_MUCH - 1.0) * asrc->period)
        done = leap(asrc, out, frames, head, in, target);
    else
        steer(asrc, fill, target, seconds);
    uint32_t can = done + possible(asrc, head, frames - done);
    if (can < frames) {
        run_dry(asrc, out + done, can - done, frames - done);
        weigh(asrc, 0.0, seconds);
    } else {
        while (done < frames) {
            uint32_t chunk = frames - done < EV_ASRC_CHUNK ? frames - done : EV_ASRC_CHUNK;
            ev_asrc_interpolate(asrc, &asrc->at, &asrc->between, asrc->made, chunk);
            write_out(asrc, out + done, chunk);
            done += chunk;
        }
        weigh(asrc, (double)head - (double)asrc->at - HALF - 1.0, seconds);
    }
    give_back(asrc);
    tell(asrc, target + asrc->error, target);
}

void ev_asrc_look(ev_asrc *asrc, ev_asrc_state *state)
{
    state->drift_ppm = (double)atomic_load_explicit(&asrc->drift_ppb, memory_order_acquire) * 1e-3;
    state->fill = (double)atomic_load_explicit(&asrc->fill_milli, memory_order_acquire) * 1e-3;
    state->wanted = (double)atomic_load_explicit(&asrc->wanted_milli, memory_order_acquire) * 1e-3;
    state->pulls = atomic_load_explicit(&asrc->pulls, memory_order_acquire);
    state->underruns = atomic_load_explicit(&asrc->underruns, memory_order_acquire);
    state->overruns = atomic_load_explicit(&asrc->overruns, memory_order_acquire);
}
