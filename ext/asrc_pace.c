#include <math.h>

#include "asrc.h"

/* Hz: the controller's bandwidth at first and at last; the loops before it are EV_PACE_LEAD times wider. */
#define QUICK 0.1
#define NARROW 0.01
#define GEAR 0.8 /* the bandwidth is this over the seconds since the start, between those two */

#define FAR_OFF 0.03    /* s: a callback so far from its pace, beyond twice what is usual, is strange … */
#define STRANGE 3       /* … and after so many a new pace begins: sound was lost */
#define BUNCH 0.25      /* periods: callbacks that follow faster are of one bunch */
#define USUAL_S 3.0     /* s in which what is usual is forgotten */

double ev_pace_gear(double since)
{
    double hertz = GEAR / (since + 1e-3);
    return hertz > QUICK ? QUICK : hertz < NARROW ? NARROW : hertz;
}

/* The card had done `frame` frames at `time`. */
static void follow(ev_pace *pace, double time, uint64_t frame, uint32_t rate)
{
    double passed = (double)(frame - pace->frame), step = passed / rate;
    double due = pace->time + passed * pace->per_frame, late = time - due;
    if (pace->known && fabs(late) > FAR_OFF + 2.0 * pace->usual && pace->strange++ < STRANGE)
        return; /* a late callback; frames that are gone for good stay gone */
    if (!pace->known || fabs(late) > FAR_OFF + 2.0 * pace->usual) {
        double per_frame = pace->known ? pace->per_frame : 1.0 / rate;
        *pace = (ev_pace){.known = true, .frame = frame, .time = time, .per_frame = per_frame, .usual = FAR_OFF, .last = pace->last};
        return;
    }
    double omega = 2.0 * EV_PI * EV_PACE_LEAD * ev_pace_gear(pace->since) * step;
    if (omega > 0.5)
        omega = 0.5;
    pace->time = due + sqrt(2.0) * omega * late;
    if (passed > 0.0)
        pace->per_frame += omega * omega * late / passed;
    pace->frame = frame;
    pace->strange = 0;
    pace->since += step;
    pace->usual -= pace->usual * step / USUAL_S;
    pace->usual = fabs(late) > pace->usual ? fabs(late) : pace->usual;
}

void ev_pace_note(ev_pace *pace, double now, uint64_t frame, uint32_t frames, uint32_t rate)
{
    double last = pace->last;
    pace->last = now;
    if (now <= 0.0)
        pace->known = false;
    else if (last > 0.0 && now - last > BUNCH * frames / rate)
        follow(pace, last, frame, rate);
}
