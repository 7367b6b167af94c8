#include "dsp.h"

static int16_t saturate(int32_t value)
{
    return (int16_t)(value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value);
}

static int16_t scaled(int16_t sample, int32_t gain)
{
    return saturate((sample * gain + EV_UNITY / 2) >> 13);
}

void ev_dsp_mix(int16_t *to, const int16_t *from, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++)
        to[i] = saturate((int32_t)to[i] + from[i]);
}

void ev_dsp_mix_gain(int16_t *to, const int16_t *from, uint32_t frames, int32_t gain)
{
    if (gain == EV_UNITY) {
        ev_dsp_mix(to, from, frames);
        return;
    }
    for (uint32_t i = 0; i < frames; i++)
        to[i] = saturate((int32_t)to[i] + scaled(from[i], gain));
}

void ev_dsp_gain(int16_t *to, uint32_t frames, int32_t *gain, int32_t target, int32_t step)
{
    uint32_t i = 0;
    for (; i < frames && *gain != target; i++) {
        int32_t left = target - *gain;
        *gain += left > step ? step : left < -step ? -step : left;
        to[i] = scaled(to[i], *gain);
    }
    if (target == EV_UNITY)
        return;
    for (; i < frames; i++)
        to[i] = scaled(to[i], target);
}

uint32_t ev_dsp_fade_out(int16_t *to, uint32_t frames, uint32_t ramp, uint32_t length)
{
    for (uint32_t i = 0; i < frames; i++) {
        ramp--;
        to[i] = (int16_t)((int32_t)to[i] * (int32_t)ramp / (int32_t)length);
    }
    return ramp;
}

uint32_t ev_dsp_fade_in(int16_t *to, uint32_t frames, uint32_t ramp, uint32_t length)
{
    for (uint32_t i = 0; i < frames; i++) {
        ramp++;
        to[i] = (int16_t)((int32_t)to[i] * (int32_t)ramp / (int32_t)length);
    }
    return ramp;
}
