/* The other ends of the core's rings: what workers call.  These may sleep; none of it ever runs on the audio thread.
 *
 * One thread each: ev_host_wait and ev_host_take (ears), ev_host_events (ears), ev_host_write (mouth), ev_host_earcon and ev_host_alarm
 * (loop).
 * Anything else: any thread.
 */
#ifndef EV_HOST_H
#define EV_HOST_H

#include "rt.h"

typedef struct ev_counters {
    uint64_t captured, consumed, dropped, depth;
    uint64_t xruns_in, xruns_out, callbacks;
    uint64_t played, underruns, stale, events_lost;
    uint64_t stretched, shortened, queue, queue_least, zeroed;
} ev_counters;

typedef enum ev_write_state {
    EV_WRITE_DONE,   /* all taken, the end marked if asked */
    EV_WRITE_DEAD,   /* the generation is not live */
    EV_WRITE_FULL,   /* no room came in time */
    EV_WRITE_CLOSED,
    EV_WRITE_ENDED   /* the generation was ended before: misuse */
} ev_write_state;

/* Sleep; the only clock here is the system's monotonic one. */
void ev_nap(uint64_t nanoseconds);
uint64_t ev_now(void);

/* Hops that wait and have no gap between them; looks until there is one, or `timeout_ns` passed (0), or the core was closed (0). */
uint64_t ev_host_wait(ev_rt *rt, uint64_t timeout_ns);
/* Copy the oldest `count` waiting hops to near and far (count * hop frames each) and give them back; the index of the first. */
uint64_t ev_host_take(ev_rt *rt, uint64_t count, int16_t *near, int16_t *far);

/* Queue samples, waiting for room up to `timeout_ns`; `*taken` says how many went in. */
ev_write_state ev_host_write(ev_rt *rt, uint64_t generation, const int16_t *samples, uint64_t frames, bool last, uint64_t timeout_ns,
                             uint64_t *taken);
/* Frames written and not yet played; 0 for a generation that is not live. */
uint64_t ev_host_queued(ev_rt *rt, uint64_t generation);
/* Any thread: whether a write would have to wait for the callback, whatever it is that fills the ring. */
bool ev_host_full(ev_rt *rt);
uint64_t ev_host_heard(ev_rt *rt, uint64_t generation);
bool ev_host_pause(ev_rt *rt, uint64_t generation);
bool ev_host_resume(ev_rt *rt, uint64_t generation);
/* `generation`, whose sound has not begun, may not begin before it is opened.  Called before it lives; one gate, the last one closed. */
void ev_host_gate(ev_rt *rt, uint64_t generation);
/* One atomic; whether it lives. */
bool ev_host_open(ev_rt *rt, uint64_t generation);
/* Frames taken; never waits. */
uint64_t ev_host_earcon(ev_rt *rt, const int16_t *samples, uint64_t frames);
/* As ev_host_earcon, for a sound that rings until it is stopped or over. */
uint64_t ev_host_alarm(ev_rt *rt, const int16_t *samples, uint64_t frames);
/* Fade the alarm out and throw away what of it waits. */
void ev_host_alarm_stop(ev_rt *rt);
/* Copy out up to `room` events, oldest first; how many. */
uint32_t ev_host_events(ev_rt *rt, ev_play_event *events, uint32_t room);
/* Q13; the callback glides there. */
void ev_host_gain(ev_rt *rt, int32_t gain);
void ev_host_channel_gain(ev_rt *rt, ev_channel channel, int32_t gain);
/* Q13: the voice's share while an earcon or alarm sounds over it. */
void ev_host_duck(ev_rt *rt, int32_t gain);
/* The generation whose volume is another channel's than the voice's; before it begins. */
void ev_host_announce(ev_rt *rt, uint64_t generation, ev_channel channel);
/* From the next period on the microphone gives zeros, whatever the device captures. */
void ev_host_mute(ev_rt *rt, bool muted);
bool ev_host_muted(ev_rt *rt);
/* Frames: slow a live reply down below this many in its queue (0: play exactly what came), begin one so much later, and hurry it above
 * this many (0: never). */
void ev_host_playout(ev_rt *rt, uint32_t stretch_below, uint32_t hold, uint32_t shorten_above);
/* Every wait ends, now and later. */
void ev_host_close(ev_rt *rt);
/* One consistent snapshot: looks again until neither the callback nor the ears moved meanwhile. */
void ev_host_counters(ev_rt *rt, ev_counters *counters);

#endif
