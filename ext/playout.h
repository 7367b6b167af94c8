/* What the callback asks of the playback ring to see whether a reply is late.  Audio thread only; the laws of rt.h hold. */
#ifndef EV_PLAYOUT_H
#define EV_PLAYOUT_H

#include "rt.h"

/* Frames of the live generation that are written and not played. */
uint64_t ev_playout_queued(ev_rt *rt, uint64_t live);
/* Whether the end of the live generation waits in the ring. */
bool ev_playout_last_waits(ev_rt *rt, uint64_t live);
/* How much longer each frame shall become (Q16): nothing with `below` frames in the queue, all with half of them. */
int32_t ev_playout_slower(ev_rt *rt, uint64_t live, uint32_t below);
/* Look at `count` frames from the front slot's position on without taking them; false where fewer wait. */
bool ev_playout_peek(ev_rt *rt, uint64_t live, int16_t *to, uint32_t count);

#endif
