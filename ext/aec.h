/* The echo canceller: what the loudspeaker said is taken out of what the microphone heard, for a thread that must never wait.
 *
 * Theory of operation.  A partitioned frequency-domain Kalman filter (Enzner and Vary, Signal Processing 86, 2006; Kuech, Mabande and
 * Enzner, ICASSP 2014): blocks of 256 samples, 28 partitions, so that the filter spans 448 ms and finds by itself where in them the echo
 * lies: a bulk delay up to 250 ms leaves a tail of 200 ms.  Its step size is the filter's own uncertainty against the noise's power, per
 * bin and partition, so that near speech slows it and nothing needs to be told.  The process noise grows with the filter's own power: an
 * empty partition stays still.  The delay told is where the filter's response peaks.
 *
 * Drift between the two clocks turns the filter's phase at a rate that grows with frequency.  That rate is measured by comparing the filter
 * with itself 16 blocks before, and fed back into a fractional resampler of the far end until the filter stands still.
 *
 * A changed path shows in the correlation of what is left with what was predicted: near speech is not correlated with it, a wrong
 * prediction is, with -1.  Then the filter is uncertain of everything again.
 *
 * For voice activity alone, what is left is suppressed: the power that the Kalman filter is uncertain of, and a leak (distortion, late
 * reverberation) followed by bands as a quantile of residual over prediction; comfort noise at the noise's floor stands in its place.
 * The recognizer's signal has only the prediction taken off.
 *
 * Laws: no lock, no allocation, no system call; memory belongs to the caller, aligned to 64 bytes; all audio is float, full scale 1, at
 * 16 kHz.  Asleep (no far end for the filter's length), both outputs are the near end itself, bit for bit, and nothing waits.
 */
#ifndef EV_AEC_H
#define EV_AEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EV_AEC_RATE 16000
#define EV_AEC_BLOCK 256
#define EV_AEC_PARTITIONS 28

#define EV_AEC_AWAKE 1u     /* the far end sounds, or did within the filter's length */
#define EV_AEC_CONVERGED 2u /* ERLE of 6 dB was reached since the last change of path */
#define EV_AEC_NONCAUSAL 4u /* the microphone hears the far end before we are told of it: nothing can be cancelled */
#define EV_AEC_USELESS 8u   /* the far end is plainly in the microphone's signal, and none of it is taken off */
#define EV_AEC_OFF 16u      /* switched off by configuration */

typedef struct ev_aec ev_aec;

typedef struct ev_aec_state {
    uint64_t blocks;  /* cancelled, asleep ones not counted */
    uint64_t changes; /* of the path, noticed */
    double erle_db;   /* of the last seconds of far-end sound; 0 before any */
    double drift_ppm; /* the far end's clock against the near end's, estimated */
    int32_t delay;    /* samples at 16 kHz from far to near; -1 while unknown */
    uint32_t flags;   /* EV_AEC_* */
} ev_aec_state;

size_t ev_aec_bytes(void);
/* Lay the canceller out in zeroed `memory`. */
ev_aec *ev_aec_init(void *memory);

/* One block of near and far end.  `clean` gets EV_AEC_BLOCK samples.  `quiet`, of 2 * EV_AEC_BLOCK, gets the suppressed signal, which is
 * one block late while awake; returns how many samples of it came: 0, one block, or two. */
uint32_t ev_aec_block(ev_aec *aec, const float *near, const float *far, float *clean, float *quiet);

/* While `frozen`, nothing is learned and blocks pass as they are, as asleep: the near end is not the microphone's. */
void ev_aec_freeze(ev_aec *aec, bool frozen);

/* How far the last block can be trusted to be near speech: power left after suppression over power before, 0..1; 1 asleep. */
float ev_aec_nearness(const ev_aec *aec);
void ev_aec_look(const ev_aec *aec, ev_aec_state *state);

#endif
