/* How late callbacks come: a histogram of the time of each beyond the pace that the earliest ones set.
 *
 * Theory: a callback whose first frame is n is on time at a constant plus n / rate.  The constant is the least of `now - n / rate` over
 * the last two to four seconds, so that it follows the clocks' drift (200 ppm are 0.8 ms there), and what is later than that is what the
 * audio thread waited for the processor, or its sound system for itself.  After an xrun frames of unknown number are missing, so the pace
 * is taken anew.
 *
 * Laws: those of rt.h; only the callback calls ev_late_note.
 */
#ifndef EV_LATE_H
#define EV_LATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EV_LATE_BUCKETS 10
#define EV_LATE_WINDOW_NS 2000000000

/* ns: upper edges of all buckets but the last, which has none. */
#define EV_LATE_EDGES {1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000, 500000000}

typedef struct ev_late {
    int64_t earliest, before; /* callback: ns, the least of this window and of the last one */
    uint64_t window_end;      /* callback */
    bool known;               /* callback */
    _Atomic uint64_t counts[EV_LATE_BUCKETS]; /* callback */
    _Atomic uint64_t worst;   /* callback: ns */
} ev_late;

/* A callback came at `now` (ns of any steady clock; 0: it is not known) with device frame `frame`; `xrun`: the device reported one. */
void ev_late_note(ev_late *late, uint64_t now, uint64_t frame, uint32_t rate, bool xrun);

#endif
