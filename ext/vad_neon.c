/* The forward pass with NEON and its fused multiply-add. */
#include "vad_kernels.h"

#if EV_VAD_HAVE_NEON
#include <arm_neon.h>

#define FORWARD ev_vad_forward_neon
#define LANES 4
#define MULTIPLY_ADD(sum, weights, x) ((lanes)vfmaq_n_f32((float32x4_t)(sum), (float32x4_t)(weights), (x)))
#include "vad_kernel.h"
#endif
