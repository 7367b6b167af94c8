/* What is left of the echo is suppressed for the voice-activity path; the reference is watched. */
#include "aec_inside.h"

static float uniform(ev_aec *aec)
{
    aec->chance = aec->chance * 1664525u + 1013904223u;
    return (float)(int32_t)aec->chance / 2147483648.0f;
}

/* The noise's floor: falls at once, rises by 3 dB a second. */
void ev_aec_follow_floor(ev_aec *aec, const ev_spectrum *error)
{
    for (int k = 0; k < BINS; k++) {
        float power = error->re[k] * error->re[k] + error->im[k] * error->im[k];
        float smooth = aec->floor[k];
        aec->floor[k] = power < smooth ? smooth + 0.1f * (power - smooth) : fminf(power, smooth * 1.011f + 1e-12f);
    }
}

/* Suppress what is left of the echo in the window that ends with this block; `unsure` is the filter's uncertainty of it. */
void ev_aec_suppress(ev_aec *aec, const float *error, const float *echo, const float *unsure, float *out)
{
    float frame[2 * B];
    ev_spectrum e, y;
    for (int n = 0; n < B; n++) {
        frame[n] = aec->error_last[n] * aec->window[n];
        frame[B + n] = error[n] * aec->window[B + n];
    }
    ev_fft_forward(&aec->fft, frame, &e);
    for (int n = 0; n < B; n++) {
        frame[n] = aec->echo_last[n] * aec->window[n];
        frame[B + n] = echo[n] * aec->window[B + n];
    }
    ev_fft_forward(&aec->fft, frame, &y);
    float ep[BINS], yp[BINS], total = 0.0f, against = 0.0f, along = 0.0f, across = 0.0f;
    for (int k = 0; k < BINS; k++) {
        ep[k] = e.re[k] * e.re[k] + e.im[k] * e.im[k];
        yp[k] = y.re[k] * y.re[k] + y.im[k] * y.im[k];
        total += yp[k];
    }
    total *= 1e-4f / BINS; /* distortion makes sound where the far end has none */
    for (int k = 0; k < BINS; k++) {
        int a = k > 1 ? k - 2 : 0, z = k < BINS - 2 ? k + 2 : BINS - 1;
        float near = 0.0f;
        for (int j = a; j <= z; j++)
            near += yp[j];
        aec->spread[k] = fmaxf(0.7f * aec->spread[k], near / (float)(z - a + 1)) + total;
    }
    for (int k = 4; k < 200; k++) {
        float flat = 1.0f / (aec->spread[k] + FLOOR);
        against += (e.re[k] * y.re[k] + e.im[k] * y.im[k]) * flat;
        along += yp[k] * flat;
        across += ep[k] * flat;
    }
    aec->against = 0.75f * aec->against + against;
    aec->along = 0.75f * aec->along + along;
    aec->across = 0.75f * aec->across + across;
    if (shaken(aec))
        aec->mistrust = SHAKEN_HOLD;
    else if (aec->mistrust)
        aec->mistrust--;

    bool suspect = aec->mistrust || wrongly(aec) || wrong_now(aec, error, echo, against, along);
    float left = 0.0f, before = 0.0f;
    for (int b = 0; b < BANDS; b++) {
        float es = 0.0f, ys = 0.0f;
        for (int k = aec->edge[b]; k < aec->edge[b + 1]; k++) {
            es += ep[k];
            ys += aec->spread[k];
        }
        if (ys > 10.0f * FLOOR)
            aec->leak[b] *= es > aec->leak[b] * ys ? LEAK_UP : LEAK_DOWN;
        aec->leak[b] = fminf(fmaxf(aec->leak[b], LEAK_LEAST), LEAK_MOST);
        for (int k = aec->edge[b]; k < aec->edge[b + 1]; k++) {
            float residual = suspect ? aec->spread[k] + ep[k] : UNSURE * unsure[k] + aec->leak[b] * aec->spread[k];
            float gain = 1.0f - OVER * residual / (ep[k] + 1e-12f);
            gain = gain < GAIN_LEAST ? GAIN_LEAST : gain;
            aec->gain[k] = gain < aec->gain[k] ? gain : 0.5f * (gain + aec->gain[k]);
            if (k >= 8 && k < 128) {
                before += ep[k];
                left += aec->gain[k] * aec->gain[k] * ep[k];
            }
        }
    }
    aec->nearness = before > 0.0f ? left / before : 0.0f;
    for (int k = 0; k < BINS; k++) {
        float comfort = sqrtf(aec->floor[k] * fmaxf(0.0f, 1.0f - aec->gain[k] * aec->gain[k]));
        e.re[k] = e.re[k] * aec->gain[k] + 0.7f * comfort * uniform(aec);
        e.im[k] = e.im[k] * aec->gain[k] + 0.7f * comfort * uniform(aec);
    }
    e.im[0] = e.im[BINS - 1] = 0.0f;
    ev_fft_inverse(&aec->fft, &e, frame);
    for (int n = 0; n < B; n++) {
        out[n] = aec->late[n] + frame[n] * aec->window[n];
        aec->late[n] = frame[B + n] * aec->window[B + n];
    }
}

static float likeness(const ev_aec *aec, int lag)
{
    float n = 0.0f, near = 0.0f, far = 0.0f, nn = 0.0f, ff = 0.0f, nf = 0.0f;
    int skip = lag < 0 ? -lag : lag;
    for (int i = 0; i < ENVELOPE - skip; i++) {
        uint32_t first = aec->levels + (uint32_t)i; /* the oldest is where the next will be written */
        float a = aec->near_level[(first + (uint32_t)(lag > 0 ? lag : 0)) % ENVELOPE];
        float b = aec->far_level[(first + (uint32_t)(lag < 0 ? -lag : 0)) % ENVELOPE];
        n += 1.0f;
        near += a;
        far += b;
        nn += a * a;
        ff += b * b;
        nf += a * b;
    }
    float spread = (nn - near * near / n) * (ff - far * far / n);
    return spread > 1.0f ? (nf - near * far / n) / sqrtf(spread) : 0.0f;
}

/* Whether the far end can be heard, by its loudness over time, and whether it is heard before it is told; and what we make of it. */
void ev_aec_watch_reference(ev_aec *aec, float near_energy, float far_energy)
{
    uint32_t at = aec->levels++ % ENVELOPE;
    aec->near_level[at] = 10.0f * log10f(near_energy / B + 1e-8f);
    aec->far_level[at] = 10.0f * log10f(far_energy / B + 1e-8f);
    if (aec->levels < ENVELOPE || aec->levels % 64)
        return;
    float early = 0.0f, late = 0.0f;
    for (int lag = LAG_LEAST; lag <= LAG_MOST; lag++) {
        float like = likeness(aec, lag);
        if (lag < -1)
            early = fmaxf(early, like);
        else
            late = fmaxf(late, like);
    }
    aec->state.flags &= ~(EV_AEC_NONCAUSAL | EV_AEC_USELESS);
    if (early > PLAINLY && early > late + 0.05f)
        aec->state.flags |= EV_AEC_NONCAUSAL;
    if (fmaxf(early, late) > PLAINLY && aec->state.erle_db < 1.5)
        aec->state.flags |= EV_AEC_USELESS;
}
