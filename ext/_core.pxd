# What the C headers declare, as far as _core.pyx uses it.
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t

cdef extern from "<stdbool.h>" nogil:
    ctypedef bint c_bool "bool"

cdef extern from "cancel.h" nogil:
    ctypedef struct ev_live:
        pass
    ctypedef struct ev_token:
        pass
    void ev_token_init(ev_token *token, ev_live *live, uint64_t generation)
    uint64_t ev_live_current(ev_live *live)
    c_bool ev_live_begin(ev_live *live, uint64_t generation)
    c_bool ev_live_cancel(ev_live *live, uint64_t generation)
    c_bool ev_abort(void *token)

cdef extern from "dsp.h" nogil:
    enum:
        EV_UNITY

cdef extern from "stretch.h" nogil:
    enum:
        EV_STRETCH_ONE
        EV_STRETCH_SLOWEST
        EV_STRETCH_FASTEST
    ctypedef struct ev_stretch:
        uint32_t overlap
    size_t ev_stretch_bytes(uint32_t rate)
    void ev_stretch_init(ev_stretch *stretch, void *memory, uint32_t rate)
    size_t ev_stretch_all(ev_stretch *stretch, const int16_t *source, size_t frames, int16_t *to, int32_t each)

cdef extern from "rt.h" nogil:
    enum:
        EV_CACHE_LINE
    ctypedef enum ev_channel:
        EV_VOICE
    ctypedef struct ev_play_event:
        uint64_t generation
        uint64_t sample
        uint64_t frames
        uint32_t kind
    ctypedef struct ev_rt_config:
        uint32_t rate
        uint32_t hop
        uint32_t capture_slots
        uint32_t playback_slots
        uint32_t earcon_slots
        uint32_t event_slots
        uint64_t ring_start
    enum:
        EV_LATE_BUCKETS
    ctypedef struct ev_late:
        uint64_t counts[10]
        uint64_t worst
    ctypedef struct ev_rt:
        ev_late late
    size_t ev_rt_bytes(const ev_rt_config *config)
    ev_rt *ev_rt_init(void *memory, const ev_rt_config *config, ev_live *live)
    void ev_rt_note_time(ev_rt *rt, uint64_t now, uint32_t status)
    void ev_rt_process(ev_rt *rt, const int16_t *inward, int16_t *out, uint32_t frames, uint32_t status)

cdef extern from "host.h" nogil:
    ctypedef struct ev_counters:
        uint64_t captured
        uint64_t consumed
        uint64_t dropped
        uint64_t depth
        uint64_t xruns_in
        uint64_t xruns_out
        uint64_t callbacks
        uint64_t played
        uint64_t underruns
        uint64_t stale
        uint64_t events_lost
        uint64_t stretched
        uint64_t shortened
        uint64_t queue
        uint64_t queue_least
        uint64_t zeroed
    ctypedef enum ev_write_state:
        EV_WRITE_DONE
        EV_WRITE_DEAD
        EV_WRITE_FULL
        EV_WRITE_CLOSED
        EV_WRITE_ENDED
    uint64_t ev_host_wait(ev_rt *rt, uint64_t timeout_ns)
    uint64_t ev_host_take(ev_rt *rt, uint64_t count, int16_t *near, int16_t *far)
    ev_write_state ev_host_write(ev_rt *rt, uint64_t generation, const int16_t *samples, uint64_t frames, c_bool last,
                                 uint64_t timeout_ns, uint64_t *taken)
    uint64_t ev_host_queued(ev_rt *rt, uint64_t generation)
    bint ev_host_full(ev_rt *rt)
    uint64_t ev_host_heard(ev_rt *rt, uint64_t generation)
    c_bool ev_host_pause(ev_rt *rt, uint64_t generation)
    c_bool ev_host_resume(ev_rt *rt, uint64_t generation)
    void ev_host_gate(ev_rt *rt, uint64_t generation)
    c_bool ev_host_open(ev_rt *rt, uint64_t generation)
    uint64_t ev_host_earcon(ev_rt *rt, const int16_t *samples, uint64_t frames)
    uint64_t ev_host_alarm(ev_rt *rt, const int16_t *samples, uint64_t frames)
    void ev_host_alarm_stop(ev_rt *rt)
    void ev_host_channel_gain(ev_rt *rt, ev_channel channel, int32_t gain)
    void ev_host_duck(ev_rt *rt, int32_t gain)
    void ev_host_announce(ev_rt *rt, uint64_t generation, ev_channel channel)
    void ev_host_mute(ev_rt *rt, c_bool muted)
    c_bool ev_host_muted(ev_rt *rt)
    uint32_t ev_host_events(ev_rt *rt, ev_play_event *events, uint32_t room)
    void ev_host_counters(ev_rt *rt, ev_counters *counters)
    void ev_host_gain(ev_rt *rt, int32_t gain)
    void ev_host_playout(ev_rt *rt, uint32_t stretch_below, uint32_t hold, uint32_t shorten_above)
    void ev_host_close(ev_rt *rt)
    uint64_t ev_now()

cdef extern from "vad.h" nogil:
    enum:
        EV_VAD_FRAME
    ctypedef struct ev_vad_net:
        pass

cdef extern from "front.h" nogil:
    enum:
        EV_AEC_RATE
        EV_AEC_AWAKE
        EV_AEC_CONVERGED
        EV_AEC_NONCAUSAL
        EV_AEC_USELESS
        EV_AEC_OFF
        EV_FRONT_FIFO
    ctypedef struct ev_front_config:
        const ev_vad_net *net
        c_bool cancel_echo
        float onset
        float offset
        uint32_t min_frames
        uint32_t hang_frames
    ctypedef struct ev_judged:
        uint64_t index
        uint64_t clean_at
        uint64_t frames_at
        uint64_t reflex
        uint64_t onset
        uint32_t clean
        uint32_t frames
    ctypedef struct ev_front:
        uint32_t clean_room
        uint32_t frame_room
    ctypedef struct ev_front_state:
        uint64_t hops
        uint64_t blocks
        uint64_t changes
        uint64_t reflexes
        uint64_t dropped
        uint64_t busy_ns
        uint64_t busy_most_ns
        int64_t erle_mdb
        int64_t drift_ppb
        int64_t delay
        uint64_t flags
    ctypedef struct ev_front_thread:
        pass
    size_t ev_front_bytes(const ev_rt *rt)
    ev_front *ev_front_init(void *memory, ev_rt *rt, const ev_front_config *config)
    ev_front_thread *ev_front_start(ev_front *front, int *error)
    void ev_front_stop(ev_front_thread *thread)
    c_bool ev_front_step(ev_front *front)
    void ev_front_arm(ev_front *front, uint64_t generation)
    void ev_front_attach(ev_front *front)
    uint64_t ev_front_wait(ev_front *front, uint64_t timeout_ns)
    void ev_front_take(ev_front *front, uint64_t count, int16_t *near, int16_t *far, float *clean, float *probabilities,
                       ev_judged *first)
    void ev_front_look(ev_front *front, ev_front_state *state)

cdef extern from "device.h" nogil:
    enum:
        EV_ERROR_BYTES
    ctypedef struct ev_device:
        const ev_device_ops *ops
        ev_rt *rt
    ctypedef struct ev_device_ops:
        const char *name
        c_bool (*start)(ev_device *device, char *error) noexcept nogil
        void (*stop)(ev_device *device) noexcept nogil
        c_bool (*running)(ev_device *device) noexcept nogil
        c_bool (*error)(ev_device *device, char *error) noexcept nogil
        void (*close)(ev_device *device) noexcept nogil

cdef extern from "scripted.h" nogil:
    ctypedef struct ev_cue:
        uint64_t at
        uint32_t kind
        uint32_t count
        uint64_t amount
    ctypedef struct ev_scripted_config:
        c_bool realtime
        uint32_t period
        double drift_ppm
        const int16_t *noise
        uint64_t noise_frames
        const float *echo
        uint32_t echo_taps
        float *echo_history
        float *air
        const ev_cue *cues
        uint32_t cue_count
        uint64_t record_frames
        int16_t *mic
        int16_t *speaker
        int16_t *inward "in"
        int16_t *out
    ctypedef struct ev_scripted:
        ev_device device
    c_bool ev_scripted_init(ev_scripted *scripted, ev_rt *rt, const ev_scripted_config *config)
    int64_t ev_scripted_say(ev_scripted *scripted, const int16_t *samples, uint64_t frames, int64_t at)
    c_bool ev_scripted_saying(ev_scripted *scripted, const int16_t *samples)
    uint64_t ev_scripted_step(ev_scripted *scripted, uint64_t frames)
    uint64_t ev_scripted_position(ev_scripted *scripted)
    enum:
        EV_CUE_LATE
        EV_CUE_SHORT
        EV_CUE_XRUN
        EV_CUE_UNDERFLOW
        EV_CUE_UNPLUG

cdef extern from "asrc.h" nogil:
    ctypedef struct ev_asrc:
        pass
    ctypedef struct ev_asrc_state:
        double drift_ppm
        double fill
        double wanted
        uint64_t underruns
        uint64_t overruns
    size_t ev_asrc_bytes(uint32_t period)
    ev_asrc *ev_asrc_init(void *memory, uint32_t rate, uint32_t period)
    void ev_asrc_restart(ev_asrc *asrc)
    void ev_asrc_push(ev_asrc *asrc, const int16_t *samples, uint32_t frames, double now)
    void ev_asrc_pull(ev_asrc *asrc, int16_t *out, uint32_t frames, double now)
    void ev_asrc_look(ev_asrc *asrc, ev_asrc_state *state)

cdef extern from "ev_portaudio.h" nogil:
    ctypedef struct ev_card:
        char *name
        char *host
        int inputs
        int outputs
        double rate
        c_bool default_input
        c_bool default_output
    ctypedef struct ev_portaudio_config:
        uint32_t channels
        uint32_t channel
        int input
        int output
        uint32_t period
        double input_latency
        double output_latency
        c_bool two
    ctypedef struct ev_portaudio:
        ev_device device
        ev_asrc *asrc
        c_bool abandoned
    c_bool ev_portaudio_open(char *error)
    void ev_portaudio_close()
    int ev_portaudio_cards()
    c_bool ev_portaudio_card(int index, ev_card *card)
    c_bool ev_portaudio_supports(int index, c_bool input, double rate)
    c_bool ev_portaudio_init(ev_portaudio *portaudio, ev_rt *rt, const ev_portaudio_config *config)
