/* Pure kernels on int16: no state, no allocation, no call.  Sums and products saturate; they never wrap. */
#ifndef EV_DSP_H
#define EV_DSP_H

#include <stdint.h>

/* Gains are Q13, so that 4.0 times full scale stays inside 32 bits. */
#define EV_UNITY 8192

/* to += from */
void ev_dsp_mix(int16_t *to, const int16_t *from, uint32_t frames);

/* to += from * gain */
void ev_dsp_mix_gain(int16_t *to, const int16_t *from, uint32_t frames, int32_t gain);

/* to *= gain, where `*gain` moves towards `target` by at most `step` a frame, so that a change makes no click. */
void ev_dsp_gain(int16_t *to, uint32_t frames, int32_t *gain, int32_t target, int32_t step);

/* Fade: the i-th frame is multiplied by (ramp -/+ (i + 1)) / length, rounded towards zero; returns the ramp reached.
 * The caller sees to it that the ramp stays within 0..length. */
uint32_t ev_dsp_fade_out(int16_t *to, uint32_t frames, uint32_t ramp, uint32_t length);
uint32_t ev_dsp_fade_in(int16_t *to, uint32_t frames, uint32_t ramp, uint32_t length);

#endif
