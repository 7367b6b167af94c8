/* From a device's rate to 16 kHz: a polyphase windowed sinc, sample by sample in, so that any hop will do.
 *
 * Laws: output k belongs to input k * rate / 16000 exactly (it comes later, when the window around it is whole); no allocation, no lock,
 * no system call; the table belongs to the caller and may serve several streams.
 */
#ifndef EV_DECIMATE_H
#define EV_DECIMATE_H

#include <stddef.h>
#include <stdint.h>

#define EV_DECIMATE_TAPS 480   /* most in a phase */
#define EV_DECIMATE_PHASES 512 /* most in a table; where more would be, two are interpolated */

typedef struct ev_decimator {
    uint32_t up, down;     /* rate * up == 16000 * down, without common factors */
    uint32_t taps, phases;
    float *table;          /* [phases + 1][taps] */
} ev_decimator;

typedef struct ev_decimation {
    float line[2 * EV_DECIMATE_TAPS]; /* the last inputs, twice, so that the newest `taps` always lie side by side */
    uint32_t at;
    uint64_t due;                     /* of the next output: inputs still to come, times `up` */
} ev_decimation;

/* Floats of table that `rate` wants; 0 for 16000, which needs no decimator. */
size_t ev_decimator_floats(uint32_t rate);
void ev_decimator_init(ev_decimator *decimator, uint32_t rate, float *table);
void ev_decimation_init(ev_decimation *stream, const ev_decimator *decimator);
/* One input; returns how many outputs it made (0, 1, or 2 from 8 kHz), written to `out`. */
uint32_t ev_decimate(ev_decimation *stream, const ev_decimator *decimator, float sample, float *out);

#endif
