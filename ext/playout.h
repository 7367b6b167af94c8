/* Whether a reply is late, or a live stream early, by what waits in the playback ring; and what is done about it.
 *
 * Audio thread only; the laws of rt.h hold.
 */
#ifndef EV_PLAYOUT_H
#define EV_PLAYOUT_H

#include "rt.h"

/* Frames of the live generation that are written and not played. */
uint64_t ev_playout_queued(ev_rt *rt, uint64_t live);
/* Whether the end of the live generation waits in the ring. */
bool ev_playout_last_waits(ev_rt *rt, uint64_t live);
/* Settle how much longer each frame shall become: nothing with `below` frames in the queue, all with half of them; and how much shorter:
 * nothing with as many as the order to shorten says, all with twice that. */
void ev_playout_set_pace(ev_rt *rt, uint64_t live, uint32_t below);
/* Look at `count` frames from the front slot's position on without taking them; false where fewer wait. */
bool ev_playout_peek(ev_rt *rt, uint64_t live, int16_t *to, uint32_t count);
/* Make the sound longer before the next frame, where that is due and enough of it waits to be joined to. */
bool ev_playout_lengthen(ev_rt *rt, uint64_t live);
/* Make it shorter there: frames are taken from the ring, and extra ones stand for them. */
bool ev_playout_shorten(ev_rt *rt, uint64_t live);

#endif
