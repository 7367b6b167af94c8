/* Which kernels this build has.  Each is vad_kernel.h compiled for one instruction set, in a file of its own. */
#ifndef EV_VAD_KERNELS_H
#define EV_VAD_KERNELS_H

#include "vad.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define EV_VAD_HAVE_AVX2 1
#endif
#if defined(__aarch64__) && defined(__GNUC__)
#define EV_VAD_HAVE_NEON 1
#endif

ev_vad_forward ev_vad_forward_scalar, ev_vad_forward_vector;
#if EV_VAD_HAVE_NEON
ev_vad_forward ev_vad_forward_neon;
#endif
#if EV_VAD_HAVE_AVX2
ev_vad_forward ev_vad_forward_avx2;
#endif

#endif
