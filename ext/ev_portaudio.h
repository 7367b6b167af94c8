/* Sound cards, by PortAudio linked directly: the callback is C and never asks for the GIL. */
#ifndef EV_PORTAUDIO_H
#define EV_PORTAUDIO_H

#include "asrc.h"
#include "device.h"

typedef struct ev_card {
    char name[256];
    char host[64];           /* the sound system behind it: ALSA, JACK … */
    int inputs;              /* channels */
    int outputs;
    double rate;             /* Hz; its own default */
    bool default_input;
    bool default_output;
} ev_card;

typedef struct ev_portaudio_config {
    int input;               /* PortAudio's index */
    int output;
    uint32_t channels;       /* captured, 1 to 32 */
    uint32_t channel;        /* of them heard, the first being 1; 0 for their mean */
    uint32_t period;         /* frames */
    double input_latency;    /* s, asked of the sound system */
    double output_latency;
    bool two;                /* a stream each, on clocks of their own */
} ev_portaudio_config;

/* Whether callbacks still come. */
typedef struct ev_watch {
    _Atomic uint64_t seen;       /* callbacks at `seen_ns` */
    _Atomic uint64_t seen_ns;
} ev_watch;

typedef struct ev_portaudio {
    ev_device device;
    ev_portaudio_config config;
    void *stream;                /* start, stop: of capture, and of playback where it is one */
    void *playback;              /* start, stop: where there are two */
    ev_asrc *asrc;               /* between the two; NULL for one stream */
    int16_t *played;             /* capture's callback: a period for the loudspeaker, where there are two */
    int16_t *heard;              /* callback: a period of the one channel, where several are captured */
    char card[600];              /* start: how messages name it */
    bool abandoned;              /* stop: the sound system did not let go of the stream */
    _Atomic bool finished;       /* PortAudio's thread: no callback will come any more */
    _Atomic bool wanted;         /* start, stop: it shall run; the callback touches nothing else without it */
    _Atomic bool inside;         /* callback: it is running */
    _Atomic bool playing;        /* playback's callback, where there are two: it is running */
    _Atomic bool underflowed;    /* playback's callback: to be told by capture's, which owns the counters */
    ev_watch captures, plays;    /* anybody who asks for the error */
} ev_portaudio;

/* The library itself, counted: each `open` that succeeded wants one `close`.  One thread at a time.  Devices are looked for by the first. */
bool ev_portaudio_open(char *error);
void ev_portaudio_close(void);

/* Between open and close. */
int ev_portaudio_cards(void);
bool ev_portaudio_card(int index, ev_card *card);
/* Can it capture (or play) int16 mono at `rate`? */
bool ev_portaudio_supports(int index, bool input, double rate);

/* With memory of malloc, which its `close` frees.  False without memory for a period. */
bool ev_portaudio_init(ev_portaudio *portaudio, ev_rt *rt, const ev_portaudio_config *config);

#endif
