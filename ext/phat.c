#include "phat.h"

#include <math.h>
#include <string.h>

#define N EV_PHAT_SIZE
#define LOWEST (200 * N / 16000)   /* bins: below, rooms hum; above, there is little speech and much noise */
#define HIGHEST (5000 * N / 16000)

void ev_phat_init(ev_phat *phat)
{
    memset(phat, 0, sizeof *phat);
    for (int k = 0; k < N / 2; k++) {
        phat->turn[k][0] = (float)cos(-6.283185307179586 * k / N);
        phat->turn[k][1] = (float)sin(-6.283185307179586 * k / N);
    }
    phat->silent = N;
}

void ev_phat_hear(ev_phat *phat, const float *left, const float *far, uint32_t samples)
{
    for (uint32_t i = 0; i < samples; i++) {
        phat->left[phat->at] = left[i];
        phat->far[phat->at] = far[i];
        phat->at = (phat->at + 1) % N;
        phat->silent = far[i] != 0.0f ? 0 : phat->silent + (phat->silent < N);
    }
}

/* Stockham's radix 2 of re[0], im[0]; returns in which of the two halves the result is. */
static int transform(ev_phat *phat)
{
    int from = 0;
    for (int half = N / 2, stride = 1; half >= 1; half /= 2, stride *= 2, from ^= 1) {
        const float *restrict xr = phat->re[from], *restrict xi = phat->im[from];
        float *restrict yr = phat->re[from ^ 1], *restrict yi = phat->im[from ^ 1];
        for (int p = 0; p < half; p++) {
            float wr = phat->turn[p * stride][0], wi = phat->turn[p * stride][1];
            int a = stride * p, b = a + stride * half, to = 2 * a;
            for (int q = 0; q < stride; q++) {
                float dr = xr[a + q] - xr[b + q], di = xi[a + q] - xi[b + q];
                yr[to + q] = xr[a + q] + xr[b + q];
                yi[to + q] = xi[a + q] + xi[b + q];
                yr[to + stride + q] = wr * dr - wi * di;
                yi[to + stride + q] = wr * di + wi * dr;
            }
        }
    }
    return from;
}

/* The phases of left times conj(far), both of which one transform has, as left + i far. */
static void phases(ev_phat *phat, int from)
{
    const float *zr = phat->re[from], *zi = phat->im[from];
    float *re = phat->re[0], *im = phat->im[0];
    float made[HIGHEST - LOWEST][2];
    for (int k = LOWEST; k < HIGHEST; k++) {
        float ar = zr[k] + zr[N - k], ai = zi[k] - zi[N - k], br = zi[k] + zi[N - k], bi = zr[N - k] - zr[k];
        float r = ar * br + ai * bi, i = ai * br - ar * bi, size = sqrtf(r * r + i * i) + 1e-20f;
        made[k - LOWEST][0] = r / size;
        made[k - LOWEST][1] = i / size;
    }
    memset(re, 0, sizeof phat->re[0]);
    memset(im, 0, sizeof phat->im[0]);
    for (int k = LOWEST; k < HIGHEST; k++) { /* conjugated, so that a transform forward is one back */
        re[k] = re[N - k] = made[k - LOWEST][0];
        im[k] = -made[k - LOWEST][1];
        im[N - k] = made[k - LOWEST][1];
    }
}

float ev_phat_peak(ev_phat *phat)
{
    if (phat->silent >= EV_PHAT_WINDOW + EV_PHAT_LAGS)
        return 0.0f;
    memset(phat->re[0], 0, sizeof phat->re[0]);
    memset(phat->im[0], 0, sizeof phat->im[0]);
    for (uint32_t n = N - EV_PHAT_WINDOW - EV_PHAT_LAGS; n < N; n++) {
        uint32_t i = (phat->at + n) % N;
        phat->im[0][n] = phat->far[i];
        if (n >= N - EV_PHAT_WINDOW)
            phat->re[0][n] = phat->left[i];
    }
    phases(phat, transform(phat));
    const float *likeness = phat->re[transform(phat)];
    float most = 0.0f, power = 0.0f;
    for (int lag = 0; lag < EV_PHAT_LAGS; lag++) {
        most = fmaxf(most, likeness[lag]);
        power += likeness[lag] * likeness[lag];
    }
    return power > 0.0f ? most / sqrtf(power / EV_PHAT_LAGS) : 0.0f;
}
