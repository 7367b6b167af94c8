#include "vad.h"

#include <math.h>
#include <string.h>

#include "vad_kernels.h"

#define PI 3.14159265358979323846

/* Largest deviation of the file's basis from a Hann-windowed Fourier basis: its own rounding is 6e-8. */
#define BASIS_TOLERANCE 1e-5

static ev_vad_forward *forward_of(ev_vad_kernel kernel)
{
    switch (kernel) {
    case EV_VAD_SCALAR:
        return ev_vad_forward_scalar;
    case EV_VAD_VECTOR:
        return ev_vad_forward_vector;
#if EV_VAD_HAVE_NEON
    case EV_VAD_NEON:
        return ev_vad_forward_neon; /* every arm64 has it */
#endif
#if EV_VAD_HAVE_AVX2
    case EV_VAD_AVX2:
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? ev_vad_forward_avx2 : NULL;
#endif
    default:
        return NULL;
    }
}

static ev_vad_kernel best(void)
{
    ev_vad_kernel kernel = EV_VAD_KERNELS - 1;
    while (!forward_of(kernel))
        kernel--;
    return kernel;
}

bool ev_vad_has(ev_vad_kernel kernel)
{
    return kernel == EV_VAD_BEST || forward_of(kernel);
}

const char *ev_vad_kernel_name(ev_vad_kernel kernel)
{
    static const char *const names[EV_VAD_KERNELS] = {"best", "scalar", "vector", "neon", "avx2"};
    return (unsigned)kernel < EV_VAD_KERNELS ? names[kernel] : "unknown";
}

static double hann(int n)
{
    return 0.5 - 0.5 * cos(2 * PI * n / 256);
}

static bool is_spectrum(const float *basis)
{
    for (int k = 0; k < EV_VAD_BINS; k++)
        for (int n = 0; n < 256; n++) {
            double angle = 2 * PI * (k * n % 256) / 256;
            double real = basis[k * 256 + n] - hann(n) * cos(angle);
            double imaginary = basis[(EV_VAD_BINS + k) * 256 + n] + hann(n) * sin(angle);
            if (!(fabs(real) < BASIS_TOLERANCE && fabs(imaginary) < BASIS_TOLERANCE)) /* NaN too */
                return false;
        }
    return true;
}

/* exp(-2 pi i k / size) for k < count */
static void turns(float (*to)[2], int count, int size)
{
    for (int k = 0; k < count; k++) {
        to[k][0] = (float)cos(2 * PI * k / size);
        to[k][1] = (float)-sin(2 * PI * k / size);
    }
}

/* Taps `first`.. `first + taps - 1` of a [outputs][inputs][3] convolution as [outputs / row][inputs][taps][row]. */
static void pack_conv(float *to, const float *weight, int outputs, int inputs, int first, int taps, int row)
{
    for (int block = 0; block < outputs; block += row)
        for (int i = 0; i < inputs; i++)
            for (int tap = first; tap < first + taps; tap++)
                for (int o = block; o < block + row; o++)
                    *to++ = weight[(o * inputs + i) * 3 + tap];
}

/* Eight blocks of 16 units; in each, for each of the 256 inputs, the 64 weights of those units' gates i f g o. */
static void pack_lstm(ev_vad_net *net, const ev_vad_weights *weights)
{
    for (int block = 0; block < 8; block++)
        for (int lane = 0; lane < 64; lane++) {
            int row = lane / 16 * EV_VAD_UNITS + block * 16 + lane % 16;
            for (int i = 0; i < 256; i++)
                net->lstm[(block * 256 + i) * 64 + lane] =
                    i < EV_VAD_UNITS ? weights->input_weight[row * EV_VAD_UNITS + i] : weights->hidden_weight[row * EV_VAD_UNITS + i - EV_VAD_UNITS];
            net->lstm_bias[block * 64 + lane] = weights->input_bias[row] + weights->hidden_bias[row];
        }
}

ev_vad_status ev_vad_net_init(ev_vad_net *net, const ev_vad_weights *weights, ev_vad_kernel kernel)
{
    if (kernel == EV_VAD_BEST)
        kernel = best();
    if (!forward_of(kernel))
        return EV_VAD_NO_KERNEL;
    if (!is_spectrum(weights->basis))
        return EV_VAD_NOT_A_SPECTRUM;
    net->kernel = kernel;
    net->forward = forward_of(kernel);
    for (int n = 0; n < 256; n++)
        net->window[n] = (float)(hann(n) / 2);
    turns(net->turn64, 64, 64);
    turns(net->turn128, 64, 128);
    turns(net->turn256, 65, 256);
    pack_conv(net->conv0, weights->conv_weight[0], 128, EV_VAD_BINS, 0, 3, 16);
    pack_conv(net->conv1, weights->conv_weight[1], 64, 128, 0, 3, 32);
    /* Two columns in, one out: tap 0 meets only padding; taps 1 and 2 make one column of 128 inputs. */
    pack_conv(net->conv2, weights->conv_weight[2], 64, 64, 1, 1, 64);
    pack_conv(net->conv2 + 64 * 64, weights->conv_weight[2], 64, 64, 2, 1, 64);
    pack_conv(net->conv3, weights->conv_weight[3], 128, 64, 1, 1, 64); /* one column: only the middle tap meets it */
    pack_lstm(net, weights);
    memcpy(net->conv0_bias, weights->conv_bias[0], sizeof net->conv0_bias);
    memcpy(net->conv1_bias, weights->conv_bias[1], sizeof net->conv1_bias);
    memcpy(net->conv2_bias, weights->conv_bias[2], sizeof net->conv2_bias);
    memcpy(net->conv3_bias, weights->conv_bias[3], sizeof net->conv3_bias);
    memcpy(net->output, weights->output_weight, sizeof net->output);
    net->output_bias = *weights->output_bias;
    return EV_VAD_OK;
}

void ev_vad_init(ev_vad *vad, const ev_vad_net *net)
{
    vad->net = net;
    ev_vad_reset(vad);
}

void ev_vad_reset(ev_vad *vad)
{
    memset(vad->hidden, 0, sizeof vad->hidden);
    memset(vad->cell, 0, sizeof vad->cell);
    memset(vad->context, 0, sizeof vad->context);
}

/* `padded` has the frame at EV_VAD_CONTEXT; put the context before it and the mirror image behind, and run the network. */
static float run(ev_vad *vad, float *padded)
{
    float *end = padded + EV_VAD_CONTEXT + EV_VAD_FRAME;
    memcpy(padded, vad->context, sizeof vad->context);
    memcpy(vad->context, end - EV_VAD_CONTEXT, sizeof vad->context);
    for (int i = 0; i < EV_VAD_CONTEXT; i++)
        end[i] = end[-2 - i];
    return vad->net->forward(vad->net, padded, vad->hidden, vad->cell);
}

float ev_vad_frame(ev_vad *vad, const float *samples)
{
    _Alignas(64) float padded[EV_VAD_CONTEXT + EV_VAD_FRAME + EV_VAD_CONTEXT];
    for (int i = 0; i < EV_VAD_FRAME; i++) {
        float x = samples[i], size = fabsf(x);
        x = size >= EV_VAD_FLOOR ? x : 0.0f; /* NaN too */
        padded[EV_VAD_CONTEXT + i] = x > EV_VAD_LIMIT ? EV_VAD_LIMIT : x < -EV_VAD_LIMIT ? -EV_VAD_LIMIT : x;
    }
    return run(vad, padded);
}

float ev_vad_frame_i16(ev_vad *vad, const int16_t *samples)
{
    _Alignas(64) float padded[EV_VAD_CONTEXT + EV_VAD_FRAME + EV_VAD_CONTEXT];
    for (int i = 0; i < EV_VAD_FRAME; i++)
        padded[EV_VAD_CONTEXT + i] = (float)samples[i] * (1.0f / 32768.0f);
    return run(vad, padded);
}
