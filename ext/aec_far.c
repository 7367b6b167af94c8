/* The far end: read at the near end's rate, its delay found and its drift followed. */
#include "aec_inside.h"

/* Where the response peaks, a partition at a time of the strongest. */
void ev_aec_find_delay(ev_aec *aec)
{
    int best = 0;
    float most = 0.0f;
    for (int p = 0; p < PARTS; p++) {
        float sum = 0.0f;
        for (int k = 4; k < 128; k++)
            sum += aec->filter[p].re[k] * aec->filter[p].re[k] + aec->filter[p].im[k] * aec->filter[p].im[k];
        if (sum > most) {
            most = sum;
            best = p;
        }
    }
    float response[2 * B], peak = 0.0f;
    int at = 0;
    ev_fft_inverse(&aec->fft, &aec->filter[best], response);
    for (int n = 0; n < B; n++) {
        if (fabsf(response[n]) > peak) {
            peak = fabsf(response[n]);
            at = n;
        }
    }
    if (peak > 1e-4f)
        aec->state.delay = best * B + at + (int)aec->shift;
}

/* The far end of one block, read `shift` samples late at the near end's rate. */
void ev_aec_read_far(ev_aec *aec, float *to)
{
    for (int n = 0; n < B; n++) {
        float late = aec->shift + aec->rate * (float)n;
        int whole = (int)late;
        float part = 1.0f - (late - (float)whole); /* of the way from the sample before */
        float phase = part * PHASES;
        int step = (int)phase < PHASES ? (int)phase : PHASES - 1;
        float more = phase - (float)step;
        const float *from = aec->past + PAST - B + n - whole - 1 - (TAPS / 2 - 1);
        float sum = 0.0f;
        for (int i = 0; i < TAPS; i++)
            sum += from[i] * (aec->taps[step][i] + more * (aec->taps[step + 1][i] - aec->taps[step][i]));
        to[n] = sum;
    }
}

/* Take in a block as told.  The shift moves with the drift; beyond its bounds it jumps by a block and the filter by a partition the other
 * way, if the filter has a partition to spare.  Returns the blocks to be read now: 1, or 2 or 0 after a jump. */
int ev_aec_take_far(ev_aec *aec, const float *far)
{
    memmove(aec->past, aec->past + B, (PAST - B) * sizeof *far);
    memcpy(aec->past + PAST - B, far, B * sizeof *far);
    float next = aec->shift + aec->rate * B;
    if (next > SHIFT_LEAST + B + 16) {
        memmove(aec->filter + 1, aec->filter, (PARTS - 1) * sizeof *aec->filter);
        memmove(aec->doubt + 1, aec->doubt, (PARTS - 1) * sizeof *aec->doubt);
        memset(aec->filter, 0, sizeof *aec->filter);
        aec->since = 0;
        return 2;
    }
    if (next < SHIFT_LEAST && aec->state.delay < (int)next + B + 2 * TAPS) {
        aec->rate = 0.0f; /* the echo is too near to read the far end any later: the filter has to follow by itself */
        return 1;
    }
    if (next < SHIFT_LEAST) {
        memmove(aec->filter, aec->filter + 1, (PARTS - 1) * sizeof *aec->filter);
        memmove(aec->doubt, aec->doubt + 1, (PARTS - 1) * sizeof *aec->doubt);
        memset(aec->filter + PARTS - 1, 0, sizeof *aec->filter);
        aec->since = 0;
        return 0;
    }
    return 1;
}

/* How far the filter's response moved since the last look, in samples, goes into the far end's rate. */
void ev_aec_follow_drift(ev_aec *aec)
{
    if (++aec->since >= EVERY + 1 && aec->state.erle_db > 2.0) {
        float along = 0.0f, across = 0.0f;
        for (int k = 6; k < 90; k++) {
            float re = 0.0f, im = 0.0f;
            for (int i = 0; i < FOLLOW; i++) {
                const ev_spectrum *now = &aec->filter[aec->watched + i], *then = &aec->before[i];
                re += now->re[k] * then->re[k] + now->im[k] * then->im[k];
                im += now->im[k] * then->re[k] - now->re[k] * then->im[k];
            }
            across -= im * (float)k;
            along += sqrtf(re * re + im * im) * (float)(k * k);
        }
        if (along > 0.0f) {
            float moved = across / along * (2 * B) / (2.0f * PI);
            aec->rate += PULL * moved / (EVERY * B);
            aec->rate = fminf(fmaxf(aec->rate, -RATE_MOST), RATE_MOST);
        }
        aec->since = 0;
    }
    if (aec->since == 0 || aec->since > EVERY + 1) {
        int first = (aec->state.delay - (int)aec->shift) / B - 1;
        first = first < 0 ? 0 : first > PARTS - FOLLOW ? PARTS - FOLLOW : first;
        aec->watched = (uint32_t)first;
        memcpy(aec->before, aec->filter + first, sizeof aec->before);
        aec->since = 1;
    }
    aec->state.drift_ppm = 1e6 * (double)aec->rate;
}
