/* Whether what is heard is the far end by a way that the canceller does not know: generalized cross-correlation with the phase transform
 * (Knapp and Carter, IEEE Transactions on Acoustics, Speech and Signal Processing 24, 1976).
 *
 * Theory of operation.  Where the path changes at once, the far end's next syllable arrives before the canceller has predicted it and looks
 * like somebody who speaks.  Of the last 128 ms of what is left after cancelling, the phase alone is correlated with the far end's at every
 * delay up to 300 ms.  A path, even a reverberant one, has a first arrival, which makes one peak of that; speech of somebody else makes
 * none.
 * It costs two transforms of 8192 points, so it is asked only when speech would otherwise begin.
 *
 * Laws: no lock, no allocation, no system call; memory belongs to the caller; audio is float at 16 kHz.
 */
#ifndef EV_PHAT_H
#define EV_PHAT_H

#include <stdbool.h>
#include <stdint.h>

#define EV_PHAT_SIZE 8192  /* points of a transform; holds the far end of the window and of the longest delay */
#define EV_PHAT_WINDOW 2048 /* samples of what is left */
#define EV_PHAT_LAGS 4800   /* samples: the delays looked at */

typedef struct ev_phat {
    float turn[EV_PHAT_SIZE / 2][2]; /* exp(-2 pi i k / EV_PHAT_SIZE); init only */
    float left[EV_PHAT_SIZE], far[EV_PHAT_SIZE]; /* rings */
    float re[2][EV_PHAT_SIZE], im[2][EV_PHAT_SIZE];
    uint32_t at;     /* the oldest sample of both rings */
    uint32_t silent; /* samples since the far end last sounded, as far as the rings reach */
} ev_phat;

void ev_phat_init(ev_phat *phat);
/* The next samples of what is left after cancelling and, of the same moments, of the far end. */
void ev_phat_hear(ev_phat *phat, const float *left, const float *far, uint32_t samples);
/* The highest peak over the root mean square of all delays: about 5 for other speech, 9 to 35 for the far end; 0 where that is silent. */
float ev_phat_peak(ev_phat *phat);

#endif
