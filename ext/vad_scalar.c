/* The forward pass in plain C, for a machine without vectors and as the measure of the others. */
#define FORWARD ev_vad_forward_scalar
#define LANES 1
#define MULTIPLY_ADD(sum, weights, x) ((sum) + (weights) * (x))
#include "vad_kernel.h"
