/* Four float lanes at a time, one for each window of a frame: the compiler's own vectors, and by hand only what they lack. */
#ifndef EV_VAD_LANES_H
#define EV_VAD_LANES_H

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#include <math.h>
#endif

typedef float four __attribute__((vector_size(16)));
typedef float four_in_memory __attribute__((vector_size(16), aligned(4), may_alias));

static inline four four_at(const float *from)
{
    return *(const four_in_memory *)from;
}

static inline void four_to(float *to, four value)
{
    *(four_in_memory *)to = value;
}

static inline four four_roots(four x)
{
#if defined(__SSE2__)
    return (four)_mm_sqrt_ps((__m128)x);
#elif defined(__aarch64__)
    return (four)vsqrtq_f32((float32x4_t)x);
#else
    return (four){sqrtf(x[0]), sqrtf(x[1]), sqrtf(x[2]), sqrtf(x[3])};
#endif
}

/* Rows become columns. */
static inline void four_transpose(four row[4])
{
#if defined(__SSE2__)
    __m128 a = (__m128)row[0], b = (__m128)row[1], c = (__m128)row[2], d = (__m128)row[3];
    _MM_TRANSPOSE4_PS(a, b, c, d);
    row[0] = (four)a, row[1] = (four)b, row[2] = (four)c, row[3] = (four)d;
#else
    four a = row[0], b = row[1], c = row[2], d = row[3];
    row[0] = (four){a[0], b[0], c[0], d[0]};
    row[1] = (four){a[1], b[1], c[1], d[1]};
    row[2] = (four){a[2], b[2], c[2], d[2]};
    row[3] = (four){a[3], b[3], c[3], d[3]};
#endif
}

#endif
