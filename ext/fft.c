#include "fft.h"

#include <math.h>

#define HALF (EV_FFT_SIZE / 2)
#define STAGES 4 /* 256 is 4 to the 4th */

void ev_fft_init(ev_fft *fft)
{
    const double turn = -6.283185307179586;
    int size = HALF;
    for (int stage = 0; stage < STAGES; stage++, size /= 4) {
        for (int p = 0; p < size / 4; p++) {
            for (int j = 0; j < 3; j++) {
                fft->turn[stage][j][p][0] = (float)cos(turn * p * (j + 1) / size);
                fft->turn[stage][j][p][1] = (float)sin(turn * p * (j + 1) / size);
            }
        }
    }
    for (int k = 0; k <= HALF / 2; k++) {
        fft->real[k][0] = (float)cos(turn * k / EV_FFT_SIZE);
        fft->real[k][1] = (float)sin(turn * k / EV_FFT_SIZE);
    }
}

static void stage(const float (*turn)[64][2], int size, int stride, const float *restrict xr, const float *restrict xi,
                  float *restrict yr, float *restrict yi)
{
    int quarter = size / 4;
    for (int p = 0; p < quarter; p++) {
        float w1r = turn[0][p][0], w1i = turn[0][p][1], w2r = turn[1][p][0], w2i = turn[1][p][1], w3r = turn[2][p][0], w3i = turn[2][p][1];
        int a = stride * p, b = a + stride * quarter, c = b + stride * quarter, d = c + stride * quarter, to = stride * 4 * p;
        for (int q = 0; q < stride; q++) {
            float sr = xr[a + q] + xr[c + q], si = xi[a + q] + xi[c + q];
            float tr = xr[a + q] - xr[c + q], ti = xi[a + q] - xi[c + q];
            float ur = xr[b + q] + xr[d + q], ui = xi[b + q] + xi[d + q];
            float vr = xi[d + q] - xi[b + q], vi = xr[b + q] - xr[d + q]; /* i (b - d) */
            yr[to + q] = sr + ur;
            yi[to + q] = si + ui;
            float r1 = tr - vr, i1 = ti - vi, r2 = sr - ur, i2 = si - ui, r3 = tr + vr, i3 = ti + vi;
            yr[to + stride + q] = w1r * r1 - w1i * i1;
            yi[to + stride + q] = w1r * i1 + w1i * r1;
            yr[to + 2 * stride + q] = w2r * r2 - w2i * i2;
            yi[to + 2 * stride + q] = w2r * i2 + w2i * r2;
            yr[to + 3 * stride + q] = w3r * r3 - w3i * i3;
            yi[to + 3 * stride + q] = w3r * i3 + w3i * r3;
        }
    }
}

static void transform(const ev_fft *fft, float *xr, float *xi, float *yr, float *yi)
{
    stage(fft->turn[0], 256, 1, xr, xi, yr, yi);
    stage(fft->turn[1], 64, 4, yr, yi, xr, xi);
    stage(fft->turn[2], 16, 16, xr, xi, yr, yi);
    stage(fft->turn[3], 4, 64, yr, yi, xr, xi);
}

void ev_fft_forward(const ev_fft *fft, const float *samples, ev_spectrum *spectrum)
{
    _Alignas(64) float zr[HALF], zi[HALF], yr[HALF], yi[HALF];
    for (int n = 0; n < HALF; n++) {
        zr[n] = samples[2 * n];
        zi[n] = samples[2 * n + 1];
    }
    transform(fft, zr, zi, yr, yi);
    spectrum->re[0] = zr[0] + zi[0];
    spectrum->re[HALF] = zr[0] - zi[0];
    spectrum->im[0] = spectrum->im[HALF] = 0.0f;
    for (int k = 1; k <= HALF / 2; k++) {
        float er = 0.5f * (zr[k] + zr[HALF - k]), ei = 0.5f * (zi[k] - zi[HALF - k]);
        float or = 0.5f * (zi[k] + zi[HALF - k]), oi = -0.5f * (zr[k] - zr[HALF - k]);
        float tr = fft->real[k][0] * or - fft->real[k][1] * oi, ti = fft->real[k][0] * oi + fft->real[k][1] * or;
        spectrum->re[k] = er + tr;
        spectrum->im[k] = ei + ti;
        spectrum->re[HALF - k] = er - tr;
        spectrum->im[HALF - k] = ti - ei;
    }
}

void ev_fft_inverse(const ev_fft *fft, const ev_spectrum *spectrum, float *samples)
{
    _Alignas(64) float zr[HALF], zi[HALF], yr[HALF], yi[HALF];
    const float *re = spectrum->re, *im = spectrum->im, scale = 1.0f / HALF;
    /* the conjugate is transformed forward, and its result conjugated */
    zr[0] = 0.5f * (re[0] + re[HALF]) * scale;
    zi[0] = -0.5f * (re[0] - re[HALF]) * scale;
    for (int k = 1; k <= HALF / 2; k++) {
        float er = 0.5f * (re[k] + re[HALF - k]), ei = 0.5f * (im[k] - im[HALF - k]);
        float dr = 0.5f * (re[k] - re[HALF - k]), di = 0.5f * (im[k] + im[HALF - k]);
        float or = fft->real[k][0] * dr + fft->real[k][1] * di, oi = fft->real[k][0] * di - fft->real[k][1] * dr;
        zr[k] = (er - oi) * scale;
        zi[k] = -(ei + or) * scale;
        zr[HALF - k] = (er + oi) * scale;
        zi[HALF - k] = -(or - ei) * scale;
    }
    transform(fft, zr, zi, yr, yi);
    for (int n = 0; n < HALF; n++) {
        samples[2 * n] = zr[n];
        samples[2 * n + 1] = -zi[n];
    }
}
