/* What sounds together: the reply under its own volume, lowered while an alarm or an earcon plays over it, and those mixed over it.
 *
 * Audio thread only; the laws of rt.h hold.  The voice glides down within 5 ms where it is ducked and up within 200 ms.  Sums saturate.
 */
#ifndef EV_MIXER_H
#define EV_MIXER_H

#include "rt.h"

/* `out` holds the reply's sound, and gets all of it. */
void ev_mixer_mix(ev_rt *rt, int16_t *out, uint32_t frames);

#endif
