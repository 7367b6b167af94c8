#include <math.h>

#include "asrc.h"

#define BETA 9.0 /* of the Kaiser window: what leaks lies 90 dB below */

static double bessel(double x)
{
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 40; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

void ev_asrc_table(float *table)
{
    const double pi = 3.141592653589793, half = EV_ASRC_TAPS / 2;
    for (uint32_t phase = 0; phase <= EV_ASRC_PHASES; phase++) {
        float *row = table + (size_t)phase * EV_ASRC_TAPS;
        double weights[EV_ASRC_TAPS], sum = 0.0;
        for (uint32_t n = 0; n < EV_ASRC_TAPS; n++) {
            double x = (double)n + 1.0 - half - (double)phase / EV_ASRC_PHASES, u = x / half;
            double window = fabs(u) < 1.0 ? bessel(BETA * sqrt(1.0 - u * u)) / bessel(BETA) : 0.0;
            weights[n] = window * (fabs(x) < 1e-9 ? 1.0 : sin(pi * x) / (pi * x));
            sum += weights[n];
        }
        for (uint32_t n = 0; n < EV_ASRC_TAPS; n++)
            row[n] = (float)(weights[n] / sum);
    }
}

void ev_asrc_interpolate(ev_asrc *asrc, uint64_t *at, double *between, float *to, uint32_t frames)
{
    uint64_t first = *at + 1 - EV_ASRC_TAPS / 2;
    uint32_t count = (uint32_t)(*between + (frames - 1) * asrc->ratio) + EV_ASRC_TAPS;
    for (uint32_t n = 0; n < count; n++)
        asrc->span[n] = asrc->ring[(first + n) & asrc->mask];
    double position = *between;
    for (uint32_t k = 0; k < frames; k++) {
        uint32_t whole = (uint32_t)position;
        double phase = (position - whole) * EV_ASRC_PHASES;
        uint32_t row = (uint32_t)phase;
        float more = (float)(phase - row), low = 0.0f, high = 0.0f;
        const float *from = asrc->span + whole, *a = asrc->table + (size_t)row * EV_ASRC_TAPS, *b = a + EV_ASRC_TAPS;
        for (uint32_t n = 0; n < EV_ASRC_TAPS; n++) {
            low += from[n] * a[n];
            high += from[n] * b[n];
        }
        to[k] = low + more * (high - low);
        position += asrc->ratio;
    }
    uint64_t whole = (uint64_t)position;
    *at += whole;
    *between = position - (double)whole;
}
