/* The front end: every captured hop goes through echo canceller and voice activity, and out by a ring with what they made of it.
 *
 * Theory of operation.  A hop's near and far end become 16 kHz (decimate.h) and fill blocks of the canceller (aec.h).  Its linear output
 * goes out as `clean`; its suppressed output fills the frames of the voice-activity network (vad.h).  Probabilities become edges of
 * speech by hysteresis in level and time, as dialog/speech.py does it; an onset while a generation is armed pauses that generation at
 * once.  That is the reflex: whoever armed it decides later what it was.  What is the far end by a way that the canceller does not
 * know yet (phat.h) begins no speech: the probability is lowered, once, so that a user who is mistaken for it is heard two frames later.
 *
 * Frame k of the probabilities is about samples 512 k .. 512 k + 511 of `clean`; sample j of `clean` belongs to device frame
 * j * rate / 16000.  Lost frames are silence here, so that this holds for ever; what silence made is not handed out.
 *
 * Laws: front.o, aec.o, phat.o, fft.o and decimate.o hold no lock, allocate nothing, call neither the system nor Python, and never wait;
 * the thread that drives them is in front_host.c.  A full ring never stops the reflex: the hop is dropped whole, and counted.  Ledger:
 * captured == consumed + dropped + depth whenever none of `turn`, `reads`, `takes` is odd; depth counts both rings.
 */
#ifndef EV_FRONT_H
#define EV_FRONT_H

#include "aec.h"
#include "decimate.h"
#include "phat.h"
#include "rt.h"
#include "vad.h"

#define EV_FRONT_FIFO 256u /* beside EV_AEC_*: the thread runs under SCHED_FIFO */

typedef struct ev_front_config {
    const ev_vad_net *net; /* outlives the front end */
    bool cancel_echo;
    float onset, offset;   /* probabilities */
    uint32_t min_frames;   /* at or above offset, the first at or above onset: speech begins */
    uint32_t hang_frames;  /* below offset: speech is over */
} ev_front_config;

/* One hop, judged. */
typedef struct ev_judged {
    uint64_t index;      /* device frame of near[0] and far[0] */
    uint64_t clean_at;   /* 16 kHz sample of clean[0] */
    uint64_t frames_at;  /* number of the first frame that probabilities has */
    uint64_t reflex;     /* the generation that was paused in this hop; 0 none */
    uint64_t onset;      /* device frame at which the speech began that paused it */
    uint32_t flags;      /* EV_HOP_* */
    uint32_t clean;      /* samples of it */
    uint32_t frames;     /* probabilities of it */
    uint32_t unused;
    float data[];        /* clean[clean_room], probabilities[frame_room], then near and far as int16 */
} ev_judged;

typedef struct ev_front {
    ev_front_config config; /* init only */
    ev_rt *rt;              /* init only */
    uint32_t clean_room, frame_room; /* init only */
    ev_ring out;            /* of ev_judged; front -> ears */

    /* The front end's own. */
    ev_aec *aec;
    ev_phat *phat;
    ev_decimator decimator;
    ev_decimation near_stream, far_stream;
    ev_vad vad;
    ev_judged *spare;       /* for a hop that finds the ring full */
    float near[EV_AEC_BLOCK], far[EV_AEC_BLOCK], frame[EV_VAD_FRAME];
    float nearness;         /* the most in the present frame */
    uint32_t fill, frame_fill;
    bool muted;             /* the present hop holds zeros that the room did not make */
    uint32_t frozen;        /* blocks that the canceller does not learn from */
    uint64_t next_index;    /* device frame expected next */
    uint64_t made, judged;  /* 16 kHz samples cancelled, frames judged */
    uint32_t run, quiet, speaking;
    bool doubted;           /* this stretch of sound was taken for the far end once: the canceller knows it by now, or it is a user */
    uint64_t candidate;     /* first frame of a run that may become speech */

    /* What it tells; stores by it alone. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t dropped;
    _Atomic uint64_t hops;
    _Atomic uint64_t blocks;
    _Atomic uint64_t changes;
    _Atomic uint64_t reflexes;
    _Atomic int64_t erle_mdb;  /* dB / 1000 */
    _Atomic int64_t drift_ppb;
    _Atomic int64_t delay;     /* samples at 16 kHz; -1 unknown */
    _Atomic uint64_t flags;
    _Atomic uint64_t busy_ns, busy_most_ns; /* of the thread, in hops */

    /* What others tell it. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t armed; /* any thread: the generation that speech pauses; 0 none */
    _Atomic uint32_t stop;
    _Atomic uint32_t modes; /* EV_FRONT_*, by who started the thread */

    /* What the ears tell. */
    alignas(EV_CACHE_LINE) _Atomic uint64_t takes; /* odd while hops are being given back */
    _Atomic uint64_t consumed;
} ev_front;

/* Bytes that ev_front_init wants, aligned to EV_CACHE_LINE. */
size_t ev_front_bytes(const ev_rt *rt);
/* Lay the front end out in zeroed `memory`. */
ev_front *ev_front_init(void *memory, ev_rt *rt, const ev_front_config *config);
/* Judge the oldest captured hop; false if none waits.  One thread. */
bool ev_front_step(ev_front *front);

static inline float *ev_judged_probabilities(const ev_front *front, ev_judged *judged)
{
    return judged->data + front->clean_room;
}

static inline int16_t *ev_judged_near(const ev_front *front, ev_judged *judged)
{
    return (int16_t *)(judged->data + front->clean_room + front->frame_room);
}

/* What the front end tells of itself; each figure by itself. */
typedef struct ev_front_state {
    uint64_t hops, blocks, changes, reflexes, dropped, busy_ns, busy_most_ns;
    int64_t erle_mdb, drift_ppb, delay;
    uint64_t flags; /* EV_AEC_*, EV_FRONT_* */
} ev_front_state;

/* front_host.c: the thread, and the ears' end.  These may sleep. */
typedef struct ev_front_thread ev_front_thread;

/* `NULL` and the reason's number in *error if no thread could be had. */
ev_front_thread *ev_front_start(ev_front *front, int *error);
/* Idempotent for NULL; when it returns, the thread has ended and is freed. */
void ev_front_stop(ev_front_thread *thread);
/* From now on the front end reads the core's capture ring, and nobody else may. */
void ev_front_attach(ev_front *front);
/* Any thread: an onset of speech pauses `generation` while that is live; 0 for none. */
void ev_front_arm(ev_front *front, uint64_t generation);
void ev_front_look(ev_front *front, ev_front_state *state);
/* As ev_host_wait and ev_host_take, for judged hops.  `clean` has room for `count * clean_room`, `probabilities` for
 * `count * frame_room`; `*first` is the first hop with its counts summed up, and the last reflex among them. */
uint64_t ev_front_wait(ev_front *front, uint64_t timeout_ns);
void ev_front_take(ev_front *front, uint64_t count, int16_t *near, int16_t *far, float *clean, float *probabilities, ev_judged *first);

#endif
