/* The forward pass with vectors of four as the compiler's target has them: SSE2 on any x86-64. */
#define FORWARD ev_vad_forward_vector
#define LANES 4
#define MULTIPLY_ADD(sum, weights, x) ((sum) + (weights) * (x))
#include "vad_kernel.h"
