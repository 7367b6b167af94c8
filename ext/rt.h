/* The real-time core: what happens on the audio thread, and the memory it shares with everybody else.
 *
 * Theory of operation.  A device calls ev_rt_process once a period with what it captured and gets what to play.  First the loudspeaker:
 * slots of the playback ring carry a generation; only the live one (cancel.h) is played, the sound of a dead one fades out and its
 * slots are thrown away.  Then the microphone: hops of a fixed size are filled in place in the capture ring, near end beside far
 * end under the same frame index, and published when full; a hop that finds the ring full is dropped whole and counted.
 *
 * Laws: rt.o, mixer.o, microphone.o, ring.o, dsp.o, stretch.o, playout.o and late.o hold no lock, allocate nothing, call neither the
 * system nor Python, and never wait.
 * A reply that is about to run dry is played slower (stretch.h), one that does is faded out and in again; a live stream whose queue grows
 * is played faster, where that was asked for.  `played`, `heard` and every event count the frames that were written: what is made up
 * counts as none of them, what is left out counts as played.
 * Invariants of the events: a `first` is followed by exactly one `end` or `silent`; a `paused` by `resumed` or by the generation's death;
 * a reply without a frame has an `end` and no `first`; of one that dies behind the gate nothing is told, and nothing of it sounds.
 * Ledger: captured == consumed + dropped + depth whenever neither `turn` nor `reads` is odd.
 */
#ifndef EV_RT_H
#define EV_RT_H

#include "cancel.h"
#include "late.h"
#include "ring.h"
#include "stretch.h"

/* Status bits that a device hands in with a period. */
#define EV_INPUT_OVERFLOW 1u
#define EV_OUTPUT_UNDERFLOW 2u

/* Bits of a hop's flags. */
#define EV_HOP_AFTER_XRUN 1u /* frames of unknown number were lost inside or just before it */
#define EV_HOP_DEAF 2u       /* the device gave no input for some of it; zeros stand there */
#define EV_HOP_MUTED 4u      /* some of it was muted; zeros stand there */

#define EV_SLOT_LAST 1u

/* After a reply ran dry this many times 5 ms must wait before it goes on. */
#define EV_REFILL 4

/* Generations whose heard frames are remembered. */
#define EV_HEARD 128

typedef enum ev_play_kind { EV_FIRST, EV_END, EV_SILENT, EV_UNDERRUN, EV_PAUSED, EV_RESUMED } ev_play_kind;

/* Whose volume a sound has. */
typedef enum ev_channel { EV_VOICE, EV_ANNOUNCEMENT, EV_ALARM, EV_EARCON, EV_CHANNELS } ev_channel;

typedef struct ev_hop {
    uint64_t index;   /* device frame of near[0] and far[0] */
    uint32_t flags;   /* EV_HOP_* */
    uint32_t unused;
    int16_t samples[]; /* near[hop], then far[hop] */
} ev_hop;

typedef struct ev_slot {
    uint64_t generation; /* 0 in the earcon ring, the order in the alarm ring */
    uint32_t frames;     /* up to a hop; 0 only with EV_SLOT_LAST */
    uint32_t flags;      /* EV_SLOT_* */
    int16_t samples[];
} ev_slot;

typedef struct ev_play_event {
    uint64_t generation;
    uint64_t sample; /* device frame */
    uint64_t frames; /* of the generation, played before `sample` */
    uint32_t kind;   /* ev_play_kind */
    uint32_t unused;
} ev_play_event;

typedef struct ev_heard {
    _Atomic uint64_t generation; /* callback; 0 while the entry changes hands */
    _Atomic uint64_t frames;     /* callback */
} ev_heard;

typedef struct ev_rt_config {
    uint32_t rate;           /* Hz */
    uint32_t hop;            /* frames */
    uint32_t capture_slots;  /* a power of two, as the next three */
    uint32_t playback_slots;
    uint32_t earcon_slots;   /* and alarm slots */
    uint32_t event_slots;
    uint64_t ring_start;     /* where all ring indices begin; not 0 only to test their overflow */
} ev_rt_config;

typedef struct ev_rt {
    ev_rt_config config; /* init only */
    uint32_t fade;       /* init only: frames in 5 ms */
    ev_live *live;       /* init only; the word is anybody's */

    ev_ring capture; /* of ev_hop; callback -> ears */
    ev_ring play;    /* of ev_slot; mouth -> callback */
    ev_ring earcons; /* of ev_slot; loop -> callback */
    ev_ring alarms;  /* of ev_slot; loop -> callback */
    ev_ring events;  /* of ev_play_event; callback -> ears */

    /* Orders to the callback. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t pause; /* any thread: the generation that shall be silent for now, or 0 */
    _Atomic uint64_t gate;                         /* any thread: the generation that may not begin to sound yet, or 0 */
    _Atomic int32_t gain;                          /* any thread: Q13, over all channels */
    _Atomic int32_t channel_gain[EV_CHANNELS];     /* any thread: Q13 */
    _Atomic int32_t duck;                          /* any thread: Q13, times the voice while something sounds over it */
    _Atomic uint64_t announcement;                 /* any thread: the generation that is no answer, or 0 */
    _Atomic uint32_t announced_as;                 /* any thread, before `announcement`: the channel whose volume it has */
    _Atomic uint64_t alarm_order;                  /* any thread: grows by one when the alarm is silenced; its slots carry it */
    _Atomic uint32_t muted;                        /* any thread: the microphone gives zeros */
    _Atomic uint32_t closed;                       /* any thread: waits end */
    _Atomic uint32_t stretch_below;                /* any thread: frames in the queue of a live reply, 0 for exact playback */
    _Atomic uint32_t shorten_above;                /* any thread: frames in the queue of a live stream, 0 to shorten nothing */
    _Atomic uint32_t hold;                         /* any thread: frames by which the start of a reply is late */
    _Atomic uint64_t poll_ns;                      /* device: how often the worker's ends look */
    struct ev_front *_Atomic front;                /* ears, once: who reads the capture ring in their place; NULL nobody */

    /* The callback's own. */
    alignas(EV_CACHE_LINE) uint64_t frame; /* index of the next frame */
    ev_hop *hop;                           /* the hop being filled; NULL while it is being dropped */
    uint32_t fill;                         /* frames of it done */
    uint32_t hop_flags;
    uint32_t after_xrun;    /* an xrun waits to be marked on a hop */
    uint32_t earcon_at;     /* frames of the front earcon slot done */
    uint32_t slot_at;       /* frames of the front playback slot done */
    uint32_t ramp;          /* 0 silent .. fade full */
    uint64_t sounding;      /* generation with `first` told and neither `end` nor `silent`; 0 none */
    uint64_t sounding_frames;
    uint64_t ended;         /* the last generation with `end` told */
    uint64_t paused;        /* generation with `paused` told and not yet `resumed`; 0 none */
    uint32_t starved;       /* the sounding generation has nothing to play, and that was told */
    int32_t gain_now, voice_now; /* Q13 */
    uint64_t voiced;        /* the generation that `voice_now` was set for */
    uint32_t alarm_at;      /* frames of the front alarm slot done */
    uint32_t earcon_ramp, alarm_ramp; /* 0 silent .. fade full */
    uint64_t heard_count;   /* entries of `heard` ever begun */
    ev_stretch stretch;     /* of the sounding generation */
    int32_t pace;           /* Q16: how much longer each frame becomes, or shorter where negative */
    uint64_t held;          /* the generation whose start was held back last */
    uint64_t held_to;       /* the frame at which it may begin */

    /* What the callback tells; stores by it alone, release. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t turn; /* odd while the callback runs */
    _Atomic uint64_t captured;
    _Atomic uint64_t dropped;
    _Atomic uint64_t partial; /* frames in the hop being filled; 0 while it is being dropped */
    _Atomic uint64_t xruns_in;
    _Atomic uint64_t xruns_out;
    _Atomic uint64_t callbacks;
    _Atomic uint64_t played;
    _Atomic uint64_t underruns;
    _Atomic uint64_t stale;
    _Atomic uint64_t events_lost;
    _Atomic uint64_t stretched;
    _Atomic uint64_t shortened;
    _Atomic uint64_t queue_least;
    _Atomic uint64_t zeroed; /* frames captured while muted */
    ev_heard heard[EV_HEARD];
    ev_late late; /* devices note it, on the audio thread, before ev_rt_process */

    /* What the ears tell, or the front end in their place. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t reads; /* odd while hops are being given back */
    _Atomic uint64_t consumed;

    /* What the mouth tells. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t written_generation; /* 0 while it changes */
    _Atomic uint64_t written_frames;
    uint64_t written_last; /* mouth: the last generation that was ended */
} ev_rt;

/* Bytes that ev_rt_init wants, aligned to EV_CACHE_LINE. */
size_t ev_rt_bytes(const ev_rt_config *config);
/* Lay the core out in zeroed `memory`. */
ev_rt *ev_rt_init(void *memory, const ev_rt_config *config, ev_live *live);

/* THE callback.  Audio thread only.  `in` NULL: the device gave no input.  Any number of frames; `status` of EV_INPUT_OVERFLOW … */
void ev_rt_process(ev_rt *rt, const int16_t *in, int16_t *out, uint32_t frames, uint32_t status);
/* Just before ev_rt_process, where the device knows the time: `now` in ns of a steady clock, or 0. */
static inline void ev_rt_note_time(ev_rt *rt, uint64_t now, uint32_t status)
{
    ev_late_note(&rt->late, now, rt->frame, rt->config.rate, status != 0);
}

static inline int16_t *ev_hop_near(ev_hop *hop)
{
    return hop->samples;
}

static inline int16_t *ev_hop_far(ev_hop *hop, uint32_t hop_frames)
{
    return hop->samples + hop_frames;
}

#endif
