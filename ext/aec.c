#include "aec_inside.h"

size_t ev_aec_bytes(void)
{
    return (sizeof(ev_aec) + 63) / 64 * 64;
}

static void doubt_all(ev_aec *aec, float each)
{
    for (int p = 0; p < PARTS; p++)
        for (int k = 0; k < BINS; k++)
            aec->doubt[p][k] = each;
}

ev_aec *ev_aec_init(void *memory)
{
    ev_aec *aec = memory;
    ev_fft_init(&aec->fft);
    for (int n = 0; n < 2 * B; n++)
        aec->window[n] = sinf(PI * ((float)n + 0.5f) / (2 * B)); /* a Hann window's root */
    for (int b = 0; b <= BANDS; b++) { /* as wide as the ear's: about 4 bins below 1.5 kHz, growing above */
        float at = (float)b / BANDS;
        aec->edge[b] = (uint16_t)(at * 80.0f + at * at * at * 177.0f);
    }
    for (int b = 0; b < BANDS; b++)
        aec->leak[b] = LEAK_MOST;
    for (int k = 0; k < BINS; k++)
        aec->gain[k] = 1.0f;
    for (int phase = 0; phase <= PHASES; phase++) {
        for (int n = 0; n < TAPS; n++) {
            float x = (float)(n - TAPS / 2 + 1) - (float)phase / PHASES;
            float sinc = fabsf(x) < 1e-6f ? 1.0f : sinf(PI * x) / (PI * x);
            aec->taps[phase][n] = fabsf(x) < TAPS / 2 ? sinc * (0.5f + 0.5f * cosf(PI * x / (TAPS / 2))) : 0.0f;
        }
    }
    aec->shift = SHIFT_LEAST + 7;
    doubt_all(aec, FIRST);
    aec->silent = PARTS + 1;
    aec->chance = 1;
    aec->nearness = 1.0f;
    aec->state.delay = -1;
    return aec;
}

/* prediction += filter * far */
static void predict(ev_spectrum *restrict to, const ev_spectrum *restrict w, const ev_spectrum *restrict x)
{
    for (int k = 0; k < ROOM; k++) {
        to->re[k] += w->re[k] * x->re[k] - w->im[k] * x->im[k];
        to->im[k] += w->re[k] * x->im[k] + w->im[k] * x->re[k];
    }
}

static void gather(float *restrict to, const float *restrict doubt, const ev_spectrum *restrict x)
{
    for (int k = 0; k < ROOM; k++)
        to[k] += doubt[k] * (x->re[k] * x->re[k] + x->im[k] * x->im[k]);
}

/* One partition learns: filter += doubt * conj(far) * step, where step = error / (all doubt + noise). */
static void learn(ev_spectrum *restrict w, float *restrict doubt, const ev_spectrum *restrict x, const ev_spectrum *restrict step,
                  const float *restrict weight)
{
    const float forget = FORGET * FORGET, grow = 1.0f - FORGET * FORGET;
    for (int k = 0; k < ROOM; k++) {
        float xr = x->re[k], xi = x->im[k], p = doubt[k];
        w->re[k] += p * (xr * step->re[k] + xi * step->im[k]);
        w->im[k] += p * (xr * step->im[k] - xi * step->re[k]);
        float known = 1.0f - KNOWN * p * (xr * xr + xi * xi) * weight[k];
        doubt[k] = forget * known * p + grow * (w->re[k] * w->re[k] + w->im[k] * w->im[k]) + LEAST_DOUBT;
    }
}

/* A partition's response is B samples long; what the learning put beyond is cut off. */
static void constrain(ev_aec *aec, ev_spectrum *w)
{
    float response[2 * B];
    ev_fft_inverse(&aec->fft, w, response);
    memset(response + B, 0, B * sizeof *response);
    ev_fft_forward(&aec->fft, response, w);
}

static void forget_path(ev_aec *aec)
{
    float sum = 0.0f;
    for (int p = 0; p < PARTS; p++)
        for (int k = 4; k < 128; k++)
            sum += aec->filter[p].re[k] * aec->filter[p].re[k] + aec->filter[p].im[k] * aec->filter[p].im[k];
    sum /= 124.0f;
    doubt_all(aec, fminf(fmaxf(2.0f * sum / 8.0f, 0.01f), 1.0f));
    memset(aec->filter, 0, sizeof aec->filter);
    for (int b = 0; b < BANDS; b++)
        aec->leak[b] = LEAK_MOST;
    aec->against = aec->along = aec->across = 0.0f;
    aec->mistrust = 0;
    aec->since = EVERY + 2;
    aec->wrong = 0;
    aec->state.changes++;
    aec->state.flags &= ~EV_AEC_CONVERGED;
    aec->near_power = aec->error_power = 0.0f;
}

/* The near end as it is. */
static uint32_t pass(ev_aec *aec, const float *near, float *clean, float *quiet)
{
    uint32_t blocks = 0;
    memcpy(clean, near, B * sizeof *near);
    if (aec->held) { /* the last window's second half, and what it lacks from this block's, which begins none */
        for (int n = 0; n < B; n++)
            quiet[n] = aec->late[n] + aec->error_last[n] * aec->window[n] * aec->window[n];
        quiet += B;
        blocks++;
        aec->held = 0;
    }
    memcpy(quiet, near, B * sizeof *near);
    memcpy(aec->near_last, near, B * sizeof *near);
    memcpy(aec->error_last, near, B * sizeof *near);
    memset(aec->echo_last, 0, sizeof aec->echo_last);
    aec->nearness = 1.0f;
    return blocks + 1;
}

static uint32_t asleep(ev_aec *aec, const float *near, float *clean, float *quiet)
{
    aec->state.flags &= ~EV_AEC_AWAKE;
    if (!aec->frozen && aec->looks++ % 4 == 0) {
        float frame[2 * B];
        ev_spectrum e;
        for (int n = 0; n < B; n++) {
            frame[n] = aec->near_last[n] * aec->window[n];
            frame[B + n] = near[n] * aec->window[B + n];
        }
        ev_fft_forward(&aec->fft, frame, &e);
        ev_aec_follow_floor(aec, &e);
    }
    return pass(aec, near, clean, quiet);
}

uint32_t ev_aec_block(ev_aec *aec, const float *near, const float *far, float *clean, float *quiet)
{
    float loud = 0.0f;
    for (int n = 0; n < B; n++)
        loud = fmaxf(loud, fabsf(far[n]));
    aec->silent = loud > SILENCE ? 0 : aec->silent + 1;
    int turns = ev_aec_take_far(aec, far);
    if (aec->silent > PARTS) {
        aec->shift += aec->rate * B + (float)(B * (1 - turns));
        return asleep(aec, near, clean, quiet);
    }
    bool woke = !(aec->state.flags & EV_AEC_AWAKE);
    if (woke) {
        memset(aec->far, 0, sizeof aec->far);
        memset(aec->far_last, 0, sizeof aec->far_last);
        aec->since = EVERY + 2;
        aec->levels = 0;
        aec->trust = 0.0f;
        memset(aec->power, 0, sizeof aec->power);
        memset(aec->spread, 0, sizeof aec->spread);
        aec->against = aec->along = aec->across = 0.0f;
        aec->mistrust = 0;
        aec->held = 0;
        memset(aec->late, 0, sizeof aec->late);
    }
    aec->state.flags |= EV_AEC_AWAKE;
    aec->state.blocks++;

    float frame[2 * B], error[B], echo[B], unsure[ROOM] = {0}, weight[ROOM];
    float start = aec->shift; /* of this block, before any jump */
    for (int turn = 0; turn < turns; turn++) {
        aec->shift = start - (float)(B * turn);
        memcpy(frame, aec->far_last, sizeof aec->far_last);
        ev_aec_read_far(aec, frame + B);
        memcpy(aec->far_last, frame + B, sizeof aec->far_last);
        aec->newest = (aec->newest + 1) % PARTS;
        ev_fft_forward(&aec->fft, frame, far_at(aec, 0));
    }
    aec->shift = start + aec->rate * B + (float)(B * (1 - turns));
    if (aec->frozen) {
        aec->since = EVERY + 2; /* the drift is measured anew */
        return pass(aec, near, clean, quiet);
    }
    ev_spectrum y;
    memset(&y, 0, sizeof y);
    for (uint32_t p = 0; p < PARTS; p++) {
        predict(&y, &aec->filter[p], far_at(aec, p));
        gather(unsure, aec->doubt[p], far_at(aec, p));
    }
    ev_fft_inverse(&aec->fft, &y, frame);
    float d = 0.0f, e = 0.0f, h = 0.0f;
    for (int n = 0; n < B; n++) {
        echo[n] = frame[B + n];
        error[n] = near[n] - echo[n];
        d += near[n] * near[n];
        e += error[n] * error[n];
        h += echo[n] * echo[n];
    }
    if (!(h <= LOUDEST * B)) { /* NaN too: the filter went astray, as on pure tones without an echo; before it takes the sound with it */
        forget_path(aec);
        memset(echo, 0, sizeof echo);
        memcpy(error, near, sizeof error);
        e = d;
        h = 0.0f;
    }
    memset(frame, 0, sizeof aec->far_last);
    memcpy(frame + B, error, sizeof error);
    ev_spectrum step;
    ev_fft_forward(&aec->fft, frame, &step);
    for (int k = 0; k < ROOM; k++) {
        float power = step.re[k] * step.re[k] + step.im[k] * step.im[k];
        float noise = fmaxf(power - NOISE_LESS * unsure[k], NOISE_MIN * power);
        aec->power[k] = NOISE_KEEP * aec->power[k] + (1.0f - NOISE_KEEP) * noise;
        weight[k] = 1.0f / (unsure[k] + 2.0f * aec->power[k] + FLOOR);
        step.re[k] *= weight[k];
        step.im[k] *= weight[k];
    }
    if (aec->levels > PARTS) { /* every partition has been heard: doubt of an echo that is plainly not there may go */
        float keep[ROOM];
        for (int k = 0; k < ROOM; k++)
            keep[k] = aec->power[k] < ABSENT * unsure[k] ? 0.8f : 1.0f;
        for (uint32_t p = 0; p < PARTS; p++)
            for (int k = 0; k < ROOM; k++)
                aec->doubt[p][k] *= keep[k];
    }
    for (uint32_t p = 0; p < PARTS; p++) {
        learn(&aec->filter[p], aec->doubt[p], far_at(aec, p), &step, weight);
        if ((p + aec->state.blocks) % 2 == 0)
            constrain(aec, &aec->filter[p]);
    }
    for (int k = 0; k < ROOM; k++)
        unsure[k] *= 0.5f; /* a Hann window's share of the power */
    aec->near_power = 0.98f * aec->near_power + d;
    aec->error_power = 0.98f * aec->error_power + e;
    aec->near_short = 0.75f * aec->near_short + d;
    aec->error_short = 0.75f * aec->error_short + e;
    aec->echo_short = 0.75f * aec->echo_short + h;
    float out[B];
    ev_aec_suppress(aec, error, echo, unsure, out);
    /* A prediction that makes it worse, as before the filter has learned or where there is no echo, is kept from the recognizer. */
    bool good = aec->error_short <= (aec->state.flags & EV_AEC_CONVERGED ? 1.0f : TRUST) * aec->near_short;
    float from = aec->trust, change = ((good ? 1.0f : 0.0f) - from) / B;
    for (int n = 0; n < B; n++)
        clean[n] = near[n] - (from + change * (float)(n + 1)) * echo[n];
    aec->trust = good ? 1.0f : 0.0f;
    uint32_t blocks = 0;
    if (aec->held) {
        memcpy(quiet, out, sizeof out);
        blocks = 1;
    }
    aec->held = 1;
    memcpy(aec->near_last, near, B * sizeof *near);
    memcpy(aec->error_last, error, sizeof error);
    memcpy(aec->echo_last, echo, sizeof echo);

    if (aec->near_power > 1e-4f) {
        aec->state.erle_db = 10.0 * log10((double)aec->near_power / ((double)aec->error_power + 1e-12));
        if (aec->state.erle_db > 6.0)
            aec->state.flags |= EV_AEC_CONVERGED;
    }
    if (wrongly(aec))
        aec->wrong++;
    else
        aec->wrong = 0;
    if (aec->wrong >= 3)
        forget_path(aec);
    float far_sum = 0.0f;
    for (int n = 0; n < B; n++)
        far_sum += far[n] * far[n];
    ev_aec_watch_reference(aec, d, far_sum);
    if (aec->state.blocks % EVERY == 0)
        ev_aec_find_delay(aec);
    ev_aec_follow_drift(aec);
    return blocks;
}

void ev_aec_freeze(ev_aec *aec, bool frozen)
{
    aec->frozen = frozen;
}

float ev_aec_nearness(const ev_aec *aec)
{
    return aec->nearness;
}

void ev_aec_look(const ev_aec *aec, ev_aec_state *state)
{
    *state = aec->state;
}
