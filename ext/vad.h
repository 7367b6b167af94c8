/* Voice activity: the forward pass of Silero's network (v6, 16 kHz), for a thread that must never wait.
 *
 * Theory of operation.  Each frame of 512 samples is preceded by the last 64 of the frame before and followed by the mirror image of
 * its own last 64.  Four Hann windows of 256 samples, 128 apart, give 129 magnitudes each; four convolutions of width 3 over time
 * (129-128-64-64-128 channels, strides 1 2 2 1, ReLU) leave one column; an LSTM cell of 128 units, ReLU, a dot product and a sigmoid
 * make the probability.  What the zero padding of the convolutions multiplies is left out, so is every tap that only ever meets it.
 * The spectrum is computed by an FFT in place of the 258 x 256 matrix that the file holds; the two agree to 1e-6 of the frame's level.
 *
 * The weights are packed once in the order in which a frame reads them (vad_kernel.h), 886 KB; after that a net is read only and may be
 * shared by any number of threads.  All memory belongs to the caller and is aligned to 64 bytes; a frame takes 20 KB of stack.  A net in a
 * huge page costs a third less when the caches are cold.
 *
 * Cost of a frame, counted: 353,664 multiply-adds over 886,272 bytes of weights, each read once (convolutions 165,120 + 40,960 + 8,192 +
 * 8,192, LSTM 131,072, output 128); 22,000 operations of the FFTs; 15,000 of the sigmoids.  The matrix in place of the FFTs would be
 * 264,192 multiply-adds and bytes more.  The weights are float32: with int16 ones for the LSTM a frame is as fast when warm and 30 %
 * faster when cold, but probabilities move by up to 4.5e-4 (float32: 1.6e-5); 16 bits in the convolutions move them by 1e-2.
 *
 * Laws: no lock, no allocation, no system call, no Python, no table but the net's.  The same samples give the same probability on
 * every kernel within 1e-4.  Whatever the samples are, the probability is a number in [0, 1] and the state stays finite: NaN counts as
 * silence, what exceeds EV_VAD_LIMIT is clipped there, what lies under EV_VAD_FLOOR is zero (so no denormal ever slows a frame).
 */
#ifndef EV_VAD_H
#define EV_VAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EV_VAD_RATE 16000   /* Hz */
#define EV_VAD_FRAME 512    /* samples: 32 ms */
#define EV_VAD_CONTEXT 64   /* samples of the frame before that the network sees again */
#define EV_VAD_LIMIT 32.0f  /* 30 dB over full scale: no sound device makes that, a runaway filter does */
#define EV_VAD_FLOOR 1e-10f /* 200 dB under full scale; its square is still no denormal */

#define EV_VAD_BINS 129
#define EV_VAD_UNITS 128

/* The network as its file holds it: float32, row-major, in PyTorch's order of dimensions and gates (i f g o). */
typedef struct ev_vad_weights {
    const float *basis;          /* [258][256]: 129 windowed cosines, 129 windowed negative sines */
    const float *conv_weight[4]; /* [128][129][3], [64][128][3], [64][64][3], [128][64][3] */
    const float *conv_bias[4];   /* [128], [64], [64], [128] */
    const float *input_weight;   /* [512][128] */
    const float *hidden_weight;  /* [512][128] */
    const float *input_bias;     /* [512] */
    const float *hidden_bias;    /* [512] */
    const float *output_weight;  /* [128] */
    const float *output_bias;    /* [1] */
} ev_vad_weights;

typedef enum ev_vad_kernel {
    EV_VAD_BEST, /* the fastest one that this machine has */
    EV_VAD_SCALAR,
    EV_VAD_VECTOR, /* four lanes: SSE2 on x86-64, NEON without fused multiply-add on arm64 */
    EV_VAD_NEON,
    EV_VAD_AVX2, /* and FMA */
    EV_VAD_KERNELS
} ev_vad_kernel;

struct ev_vad_net;
typedef float ev_vad_forward(const struct ev_vad_net *net, const float *padded, float *hidden, float *cell);

/* Packed weights, written by ev_vad_net_init and by nobody afterwards. */
typedef struct ev_vad_net {
    _Alignas(64) float conv0[EV_VAD_BINS * 3 * 128];
    float conv1[128 * 3 * 64];
    float conv2[128 * 64];
    float conv3[64 * 128];
    float lstm[256 * 512];
    float conv0_bias[128];
    float conv1_bias[64];
    float conv2_bias[64];
    float conv3_bias[128];
    float lstm_bias[512];
    float output[128];
    float window[256];      /* half of Hann's: the other factor of 2 falls out of the real spectrum's formula */
    float turn64[64][2];    /* exp(-2 pi i k / 64) */
    float turn128[64][2];   /* exp(-2 pi i k / 128) */
    float turn256[65][2];   /* exp(-2 pi i k / 256) */
    float output_bias;
    ev_vad_kernel kernel;
    ev_vad_forward *forward;
} ev_vad_net;

/* One stream.  Written by the thread that feeds it. */
typedef struct ev_vad {
    _Alignas(64) float hidden[EV_VAD_UNITS];
    float cell[EV_VAD_UNITS];
    float context[EV_VAD_CONTEXT]; /* end of the last frame */
    const ev_vad_net *net;
} ev_vad;

typedef enum ev_vad_status {
    EV_VAD_OK,
    EV_VAD_NO_KERNEL,     /* this machine or this build cannot run the kernel asked for */
    EV_VAD_NOT_A_SPECTRUM /* the basis is not that of a Hann-windowed Fourier transform: another network */
} ev_vad_status;

bool ev_vad_has(ev_vad_kernel kernel);
const char *ev_vad_kernel_name(ev_vad_kernel kernel);

/* Pack the weights; they are not needed afterwards.  Any thread, before the net is shared. */
ev_vad_status ev_vad_net_init(ev_vad_net *net, const ev_vad_weights *weights, ev_vad_kernel kernel);

/* Begin a stream; `net` must outlive it. */
void ev_vad_init(ev_vad *vad, const ev_vad_net *net);

/* Forget everything heard. */
void ev_vad_reset(ev_vad *vad);

/* Probability of speech, 0..1, in the next EV_VAD_FRAME samples (full scale is 1); frames come in order, without gaps. */
float ev_vad_frame(ev_vad *vad, const float *samples);

/* The same for int16 samples (full scale is 32768). */
float ev_vad_frame_i16(ev_vad *vad, const int16_t *samples);

#endif
