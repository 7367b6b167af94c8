/* The forward pass, written once and compiled for each instruction set by a file that defines
 *
 *   FORWARD     the function's name
 *   LANES       floats in a vector: 8, 4 or 1
 *   MULTIPLY_ADD(sum, weights, x)    sum + weights * x, `x` one float for all lanes
 *
 * Theory.  A weight is used once a frame, or for the four columns of a frame at most, so the packed order is the order of reading: a
 * block of outputs wide enough to fill the accumulators, and in it input after input.  No sum crosses lanes; the input is the one
 * that is spread.  The four windows of a frame are transformed side by side, one a lane; the even and the odd half of each (as complex
 * numbers) make eight.  The real spectrum out of the half-length complex one: Z(k) = E(k) + turn O(k), then
 * X(k) = S - i turn D and |X(128 - k)| = |S + i turn D| with S, D = Z(k) +- conj Z(128 - k), where the window has given the 1/2.
 */
#include "vad_kernels.h"
#include "vad_lanes.h"

#include <string.h>

#if LANES == 1
typedef float lanes;
typedef int32_t lane_bits;
#else
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t lane_bits __attribute__((vector_size(4 * LANES)));
#endif
typedef lanes lanes_in_memory __attribute__((aligned(4), may_alias));

/* Sums kept in registers by the inner loops: enough of them to hide a multiply-add's latency, and with their weights and inputs they
 * still fit the 16 registers of x86-64 (with twice as many, GCC spills even on arm64's 32). */
enum { ACCUMULATORS = 8 };

static inline lanes at(const float *from)
{
    return *(const lanes_in_memory *)from;
}

static inline void to(float *place, lanes value)
{
    *(lanes_in_memory *)place = value;
}

static inline lane_bits bits_of(lanes value)
{
    lane_bits bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline lanes of_bits(lane_bits bits)
{
    lanes value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline lanes larger(lanes a, lanes b)
{
#if LANES == 1
    return a > b ? a : b;
#else
    lane_bits first = a > b;
    return of_bits((bits_of(a) & first) | (bits_of(b) & ~first));
#endif
}

static inline lanes rectified(lanes x)
{
    return larger(x, (lanes){0});
}

/* 1 / (1 + exp(-x)) within 2e-7: exp as 2^n times a Taylor polynomial of the rest, which is under ln 2 / 2. */
static inline lanes sigmoid(lanes x)
{
    const float to_integer = 12582912.0f; /* 1.5 * 2^23: the sum's last bits are the rounded integer */
    lanes least = (lanes){0} - 87.0f;                /* beyond, exp leaves the normal floats */
    lanes y = larger(-larger(x, least), least);      /* -x, within 87 of 0 */
    lanes shifted = y * 1.44269504f + to_integer;
    lanes n = shifted - to_integer;
    lanes r = y - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts, the first one exact in n's products */
    lanes p = r * (1.0f / 5040) + (1.0f / 720);
    p = p * r + (1.0f / 120);
    p = p * r + (1.0f / 24);
    p = p * r + (1.0f / 6);
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    lanes power = of_bits((bits_of(shifted) - 0x4B400000 + 127) << 23);
    return 1.0f / (p * power + 1.0f);
}

/* Stages of a 64-point transform, decimated in time, on inputs in digit-reversed order; all eight lanes. */
static inline void transform(const float (*turn)[2], float (*re)[8], float (*im)[8])
{
    for (int quarter = 1; quarter < 64; quarter *= 4)
        for (int k = 0; k < quarter; k++) {
            const float *t1 = turn[k * 16 / quarter], *t2 = turn[k * 32 / quarter], *t3 = turn[k * 48 / quarter];
            for (int i = k; i < 64; i += 4 * quarter)
                for (int l = 0; l < 8; l += LANES) {
                    float *r = &re[i][l], *m = &im[i][l];
                    const int step = quarter * 8;
                    lanes r0 = at(r), r1 = at(r + step), r2 = at(r + 2 * step), r3 = at(r + 3 * step);
                    lanes m0 = at(m), m1 = at(m + step), m2 = at(m + 2 * step), m3 = at(m + 3 * step);
                    lanes br = r1 * t1[0] - m1 * t1[1], bm = r1 * t1[1] + m1 * t1[0];
                    lanes cr = r2 * t2[0] - m2 * t2[1], cm = r2 * t2[1] + m2 * t2[0];
                    lanes dr = r3 * t3[0] - m3 * t3[1], dm = r3 * t3[1] + m3 * t3[0];
                    lanes acr = r0 + cr, acm = m0 + cm, a_cr = r0 - cr, a_cm = m0 - cm;
                    lanes bdr = br + dr, bdm = bm + dm, b_dr = br - dr, b_dm = bm - dm;
                    to(r, acr + bdr), to(m, acm + bdm);
                    to(r + step, a_cr + b_dm), to(m + step, a_cm - b_dr);
                    to(r + 2 * step, acr - bdr), to(m + 2 * step, acm - bdm);
                    to(r + 3 * step, a_cr - b_dm), to(m + 3 * step, a_cm + b_dr);
                }
        }
}

/* Magnitudes of the four windows, [bin][window]. */
static void spectra(const ev_vad_net *net, const float *padded, float (*magnitude)[4])
{
    _Alignas(64) float re[64][8], im[64][8]; /* lanes: even half of the windows 0..3, odd half of the windows 0..3 */
    _Alignas(64) float zr[129][4], zi[129][4];
    for (int i = 0; i < 64; i++) {
        int place = i >> 4 | (i & 12) | (i & 3) << 4;
        four window = four_at(net->window + 4 * i), x[4];
        for (int t = 0; t < 4; t++)
            x[t] = four_at(padded + 128 * t + 4 * i) * window;
        four_transpose(x);
        four_to(re[place], x[0]), four_to(im[place], x[1]);
        four_to(re[place] + 4, x[2]), four_to(im[place] + 4, x[3]);
    }
    transform(net->turn64, re, im);
    for (int k = 0; k < 64; k++) {
        const float *turn = net->turn128[k];
        four er = four_at(re[k]), ei = four_at(im[k]), or = four_at(re[k] + 4), oi = four_at(im[k] + 4);
        four tr = or * turn[0] - oi * turn[1], ti = or * turn[1] + oi * turn[0];
        four_to(zr[k], er + tr), four_to(zi[k], ei + ti);
        four_to(zr[k + 64], er - tr), four_to(zi[k + 64], ei - ti);
    }
    memcpy(zr[128], zr[0], sizeof zr[0]), memcpy(zi[128], zi[0], sizeof zi[0]);
    for (int k = 0; k <= 64; k++) {
        const float *turn = net->turn256[k];
        four ar = four_at(zr[k]), ai = four_at(zi[k]), br = four_at(zr[128 - k]), bi = four_at(zi[128 - k]);
        four sr = ar + br, si = ai - bi, dr = ar - br, di = ai + bi;
        four tr = dr * turn[0] - di * turn[1], ti = dr * turn[1] + di * turn[0];
        four xr = sr + ti, xi = si - tr, yr = sr - ti, yi = si + tr;
        four_to(magnitude[k], four_roots(xr * xr + xi * xi));
        four_to(magnitude[128 - k], four_roots(yr * yr + yi * yi));
    }
}

/* 129 channels of four columns to 128 of four, a zero column on either side. */
static void conv0(const ev_vad_net *net, const float (*x)[4], float (*y)[128])
{
    enum { WIDE = ACCUMULATORS / 4 };
    for (int o = 0; o < 128; o += WIDE * LANES) {
        const float *weights = net->conv0 + o / 16 * (EV_VAD_BINS * 48) + o % 16;
        lanes sum[4][WIDE];
        for (int t = 0; t < 4; t++)
            for (int v = 0; v < WIDE; v++)
                sum[t][v] = at(net->conv0_bias + o + v * LANES);
        for (int i = 0; i < EV_VAD_BINS; i++, weights += 48) {
            const float x0 = x[i][0], x1 = x[i][1], x2 = x[i][2], x3 = x[i][3];
            for (int v = 0; v < WIDE; v++) {
                lanes before = at(weights + v * LANES), here = at(weights + 16 + v * LANES), after = at(weights + 32 + v * LANES);
                sum[0][v] = MULTIPLY_ADD(sum[0][v], here, x0);
                sum[1][v] = MULTIPLY_ADD(sum[1][v], here, x1);
                sum[2][v] = MULTIPLY_ADD(sum[2][v], here, x2);
                sum[3][v] = MULTIPLY_ADD(sum[3][v], here, x3);
                sum[1][v] = MULTIPLY_ADD(sum[1][v], before, x0);
                sum[2][v] = MULTIPLY_ADD(sum[2][v], before, x1);
                sum[3][v] = MULTIPLY_ADD(sum[3][v], before, x2);
                sum[0][v] = MULTIPLY_ADD(sum[0][v], after, x1);
                sum[1][v] = MULTIPLY_ADD(sum[1][v], after, x2);
                sum[2][v] = MULTIPLY_ADD(sum[2][v], after, x3);
            }
        }
        for (int t = 0; t < 4; t++)
            for (int v = 0; v < WIDE; v++)
                to(&y[t][o + v * LANES], rectified(sum[t][v]));
    }
}

/* 128 channels of four columns to 64 of two, a zero column before. */
static void conv1(const ev_vad_net *net, const float (*x)[128], float (*y)[64])
{
    enum { WIDE = ACCUMULATORS / 2 };
    for (int o = 0; o < 64; o += WIDE * LANES) {
        const float *weights = net->conv1 + o / 32 * (128 * 96) + o % 32;
        lanes sum[2][WIDE];
        for (int t = 0; t < 2; t++)
            for (int v = 0; v < WIDE; v++)
                sum[t][v] = at(net->conv1_bias + o + v * LANES);
        for (int i = 0; i < 128; i++, weights += 96) {
            const float x0 = x[0][i], x1 = x[1][i], x2 = x[2][i], x3 = x[3][i];
            for (int v = 0; v < WIDE; v++) {
                lanes before = at(weights + v * LANES), here = at(weights + 32 + v * LANES), after = at(weights + 64 + v * LANES);
                sum[0][v] = MULTIPLY_ADD(sum[0][v], here, x0);
                sum[1][v] = MULTIPLY_ADD(sum[1][v], here, x2);
                sum[0][v] = MULTIPLY_ADD(sum[0][v], after, x1);
                sum[1][v] = MULTIPLY_ADD(sum[1][v], after, x3);
                sum[1][v] = MULTIPLY_ADD(sum[1][v], before, x1);
            }
        }
        for (int t = 0; t < 2; t++)
            for (int v = 0; v < WIDE; v++)
                to(&y[t][o + v * LANES], rectified(sum[t][v]));
    }
}

/* y[64] = bias + weights[inputs][64] x */
static inline void column(const float *weights, const float *bias, const float *x, int inputs, float *y)
{
    for (int o = 0; o < 64; o += ACCUMULATORS * LANES) {
        lanes sum[ACCUMULATORS];
        for (int v = 0; v < ACCUMULATORS; v++)
            sum[v] = at(bias + o + v * LANES);
        for (int i = 0; i < inputs; i++)
            for (int v = 0; v < ACCUMULATORS; v++)
                sum[v] = MULTIPLY_ADD(sum[v], at(weights + i * 64 + o + v * LANES), x[i]);
        for (int v = 0; v < ACCUMULATORS; v++)
            to(y + o + v * LANES, sum[v]);
    }
}

static void rectify(float *x, int count)
{
    for (int i = 0; i < count; i += LANES)
        to(x + i, rectified(at(x + i)));
}

/* One step of the cell; `x` holds 128 inputs and then the 128 hidden values, which are replaced. */
static void lstm(const ev_vad_net *net, float *x, float *cell)
{
    _Alignas(64) float hidden[EV_VAD_UNITS], gates[64];
    for (int block = 0; block < 8; block++) {
        column(net->lstm + block * (256 * 64), net->lstm_bias + block * 64, x, 256, gates);
        for (int u = 0; u < 16; u += LANES) {
            lanes in = sigmoid(at(gates + u)), keep = sigmoid(at(gates + 16 + u)), out = sigmoid(at(gates + 48 + u));
            lanes fresh = 2.0f * sigmoid(2.0f * at(gates + 32 + u)) - 1.0f; /* tanh */
            lanes c = keep * at(cell + block * 16 + u) + in * fresh;
            to(cell + block * 16 + u, c);
            to(hidden + block * 16 + u, out * (2.0f * sigmoid(2.0f * c) - 1.0f));
        }
    }
    memcpy(x + EV_VAD_UNITS, hidden, sizeof hidden);
}

float FORWARD(const ev_vad_net *net, const float *padded, float *hidden, float *cell)
{
    _Alignas(64) float magnitude[EV_VAD_BINS][4], first[4][128], second[2][64], third[64], inputs[2 * EV_VAD_UNITS];
    spectra(net, padded, magnitude);
    conv0(net, (const float(*)[4])magnitude, first);
    conv1(net, (const float(*)[128])first, second);
    column(net->conv2, net->conv2_bias, second[0], 128, third);
    rectify(third, 64);
    column(net->conv3, net->conv3_bias, third, 64, inputs);
    column(net->conv3 + 64 * 64, net->conv3_bias + 64, third, 64, inputs + 64);
    rectify(inputs, EV_VAD_UNITS);
    memcpy(inputs + EV_VAD_UNITS, hidden, sizeof(float) * EV_VAD_UNITS);
    lstm(net, inputs, cell);
    memcpy(hidden, inputs + EV_VAD_UNITS, sizeof(float) * EV_VAD_UNITS);
    float sum[LANES], logit = net->output_bias;
    lanes dot = {0};
    for (int i = 0; i < EV_VAD_UNITS; i += LANES)
        dot += at(net->output + i) * rectified(at(hidden + i));
    memcpy(sum, &dot, sizeof sum);
    for (int i = 0; i < LANES; i++)
        logit += sum[i];
    lanes probability = sigmoid((lanes){0} + logit);
    memcpy(sum, &probability, sizeof sum);
    return sum[0];
}
