/* What was captured, beside what was played meanwhile, into hops of the capture ring.
 *
 * Audio thread only; the laws of rt.h hold.
 */
#ifndef EV_MICROPHONE_H
#define EV_MICROPHONE_H

#include "rt.h"

/* Moves rt->frame on by `frames`.  `in` NULL: the device gave no input. */
void ev_microphone_take(ev_rt *rt, const int16_t *in, const int16_t *out, uint32_t frames);

#endif
