/* The forward pass with AVX2 and FMA.  The file's own target: the rest of the build stays what any x86-64 can run. */
#include "vad_kernels.h"

#if EV_VAD_HAVE_AVX2
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include <immintrin.h>

#define FORWARD ev_vad_forward_avx2
#define LANES 8
#define MULTIPLY_ADD(sum, weights, x) ((lanes)_mm256_fmadd_ps((__m256)(weights), _mm256_set1_ps(x), (__m256)(sum)))
#include "vad_kernel.h"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
