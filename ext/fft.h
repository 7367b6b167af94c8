/* Fourier transform of 512 real samples, for whoever keeps its tables.  Stockham's radix 4 on separate real and imaginary parts, which
 * a compiler turns into vectors.  No state but the tables; no allocation. */
#ifndef EV_FFT_H
#define EV_FFT_H

#define EV_FFT_SIZE 512
#define EV_FFT_BINS 257
#define EV_FFT_ROOM 264 /* floats kept for the bins, a whole number of vectors */

typedef struct ev_fft {
    float turn[4][3][64][2]; /* a stage's three factors */
    float real[129][2];      /* exp(-2 pi i k / 512) */
} ev_fft;

typedef struct ev_spectrum {
    _Alignas(64) float re[EV_FFT_ROOM];
    _Alignas(64) float im[EV_FFT_ROOM];
} ev_spectrum;

void ev_fft_init(ev_fft *fft);
void ev_fft_forward(const ev_fft *fft, const float *samples, ev_spectrum *spectrum);
/* Scaled so that it undoes `forward`. */
void ev_fft_inverse(const ev_fft *fft, const ev_spectrum *spectrum, float *samples);

#endif
