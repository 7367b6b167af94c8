#include "decimate.h"

#include <math.h>
#include <string.h>

#define RATE 16000
#define CROSSINGS 16.0 /* of the sinc on each side, at the slower of the two rates */
#define CUT 0.92       /* of the slower rate's half */

static uint32_t common(uint32_t a, uint32_t b)
{
    return b ? common(b, a % b) : a;
}

static void shape(ev_decimator *decimator, uint32_t rate)
{
    uint32_t factor = common(rate, RATE);
    decimator->up = RATE / factor;
    decimator->down = rate / factor;
    double wide = rate > RATE ? (double)rate / RATE : 1.0;
    uint32_t taps = 2 * (uint32_t)ceil(CROSSINGS * wide);
    decimator->taps = taps < EV_DECIMATE_TAPS ? taps : EV_DECIMATE_TAPS;
    decimator->phases = decimator->up < EV_DECIMATE_PHASES ? decimator->up : EV_DECIMATE_PHASES;
}

size_t ev_decimator_floats(uint32_t rate)
{
    ev_decimator decimator;
    if (rate == RATE)
        return 0;
    shape(&decimator, rate);
    return (size_t)(decimator.phases + 1) * decimator.taps;
}

void ev_decimator_init(ev_decimator *decimator, uint32_t rate, float *table)
{
    const double pi = 3.141592653589793;
    shape(decimator, rate);
    decimator->table = table;
    double cut = CUT * (rate > RATE ? (double)RATE / rate : 1.0), half = decimator->taps / 2.0;
    for (uint32_t phase = 0; phase <= decimator->phases; phase++) {
        double sum = 0.0;
        float *row = table + (size_t)phase * decimator->taps;
        for (uint32_t n = 0; n < decimator->taps; n++) {
            double x = (double)n + 1.0 - half - (double)phase / decimator->phases;
            double weight = fabs(x) < half ? 0.42 + 0.5 * cos(pi * x / half) + 0.08 * cos(2.0 * pi * x / half) : 0.0;
            double sinc = fabs(x) < 1e-9 ? cut : sin(pi * cut * x) / (pi * x);
            row[n] = (float)(weight * sinc);
            sum += row[n];
        }
        for (uint32_t n = 0; n < decimator->taps; n++)
            row[n] = (float)(row[n] / sum);
    }
}

void ev_decimation_init(ev_decimation *stream, const ev_decimator *decimator)
{
    memset(stream, 0, sizeof *stream);
    stream->due = (uint64_t)(decimator->taps / 2 + 1) * decimator->up; /* half a window is zeros before the first sample */
}

uint32_t ev_decimate(ev_decimation *stream, const ev_decimator *decimator, float sample, float *out)
{
    uint32_t taps = decimator->taps, made = 0;
    stream->line[stream->at] = stream->line[stream->at + taps] = sample;
    stream->at = stream->at + 1 == taps ? 0 : stream->at + 1;
    stream->due -= decimator->up;
    while (stream->due < decimator->up) {
        /* the output lies `due` (in units of an input over `up`) behind the middle's next input, that is so far into this step */
        double phase = (double)stream->due * decimator->phases / decimator->up;
        uint32_t whole = (uint32_t)phase;
        float more = (float)(phase - whole);
        const float *from = stream->line + stream->at, *a = decimator->table + (size_t)whole * taps, *b = a + taps;
        float sum = 0.0f;
        for (uint32_t n = 0; n < taps; n++)
            sum += from[n] * (a[n] + more * (b[n] - a[n]));
        out[made++] = sum;
        stream->due += decimator->down;
    }
    return made;
}
