# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The C core, as Python sees it: validates, owns memory, releases the GIL, and decides nothing.

Contracts are in edgevoice/rt/contract.py; this satisfies them.  The types' memory outlives every C pointer to it: a device holds its
core, a core its ``Live``, a token its ``Live``, an utterance is held until it was played.
"""

import threading

import numpy as np

from _core cimport *
from cpython.exc cimport PyErr_CheckSignals
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

cdef extern from "<sys/mman.h>" nogil:
    int mlock(const void *memory, size_t size)
    int munlock(const void *memory, size_t size)

from edgevoice.errors import DeviceError
from edgevoice.rt import script as cues
from edgevoice.rt.contract import (Clocks, Counters, FrontState, Hops, Lateness, PlayEvent, channel_number, fixed_gain, front_frames,
                                   playout_frames)

KINDS = ("first", "end", "silent", "underrun", "paused", "resumed")

# ns: a long wait is cut into pieces so that Ctrl-C breaks it
cdef uint64_t SLICE = 100_000_000
cdef uint64_t FOREVER = 0x7fffffffffffffff


include "_checks.pxi"
include "_live.pxi"


cdef class Core:
    """The rings and the callback.  ``capture_ms`` and ``playback_ms`` are the least the rings hold; they are rounded up to a power of
    two of hops.  ``ring_start`` is where the rings' 64-bit indices begin: tests of their overflow set it."""

    cdef ev_rt *rt
    cdef readonly int rate
    cdef readonly int hop
    cdef readonly Live live
    cdef readonly int capture_frames
    cdef readonly int playback_frames
    cdef ev_front *front_end
    cdef ev_front_thread *front_thread
    cdef object net  # held: the front end has its address
    cdef object reader, writer, ringer
    cdef bint is_closed
    cdef size_t size
    cdef readonly bint locked
    cdef object __weakref__

    def __cinit__(self, int rate, int hop, *, int capture_ms=4000, int playback_ms=1000, ring_start=0):
        if not 8000 <= rate <= 192000:
            raise ValueError(f"rate must be 8000 to 192000 Hz, not {rate}")
        if not 16 <= hop <= rate // 5:
            raise ValueError(f"hop must be 16 to {rate // 5} frames (200 ms), not {hop}")
        if not 0 < capture_ms <= 600000 or not 0 < playback_ms <= 600000:
            raise ValueError(f"capture_ms and playback_ms must be 1 to 600000, not {capture_ms} and {playback_ms}")
        cdef ev_rt_config config
        config.rate = rate
        config.hop = hop
        config.capture_slots = _slots(capture_ms * 0.001 * rate, hop)
        config.playback_slots = _slots(playback_ms * 0.001 * rate, hop)
        config.earcon_slots = _slots(2.0 * rate, hop)
        config.event_slots = 256
        config.ring_start = ring_start
        cdef size_t size = ev_rt_bytes(&config)
        cdef void *memory = NULL
        if posix_memalign(&memory, EV_CACHE_LINE, size):
            raise MemoryError(f"{size} bytes for the audio rings")
        memset(memory, 0, size)  # and so every page is there before the audio thread touches it
        self.size = size
        self.locked = mlock(memory, size) == 0  # where permitted: then no page of it is ever swapped out
        self.live = Live()
        self.rt = ev_rt_init(memory, &config, self.live.live)
        self.rate = rate
        self.hop = hop
        self.capture_frames = config.capture_slots * hop
        self.playback_frames = config.playback_slots * hop
        self.reader = threading.Lock()
        self.writer = threading.Lock()
        self.ringer = threading.Lock()

    def __dealloc__(self):
        with nogil:
            ev_front_stop(self.front_thread)
        free(self.front_end)
        if self.locked:
            munlock(self.rt, self.size)
        free(self.rt)

    cdef int _enter(self, object end, str what) except -1:
        if self.is_closed:
            raise ValueError("the audio core is closed")
        if not end.acquire(False):
            raise RuntimeError(f"{what} is called by two threads at once; it belongs to one")
        return 0

    def read(self, timeout_s):
        cdef uint64_t left = _nanoseconds(timeout_s), piece, count = 0, index
        cdef int16_t[::1] near, far
        self._enter(self.reader, "Core.read")
        try:
            if self.front_end != NULL:
                return self._read_judged(left)
            while True:
                piece = min(left, SLICE)
                with nogil:
                    count = ev_host_wait(self.rt, piece)
                PyErr_CheckSignals()
                left -= piece
                if count or not left or self.is_closed:
                    break
            if not count:
                return None
            near_array = np.empty(count * self.hop, np.int16)
            far_array = np.empty(count * self.hop, np.int16)
            near = near_array
            far = far_array
            with nogil:
                index = ev_host_take(self.rt, count, &near[0], &far[0])
            return Hops(index, near_array, far_array)
        finally:
            self.reader.release()

    cdef object _read_judged(self, uint64_t left):
        cdef uint64_t piece, count
        cdef ev_judged first
        cdef int16_t[::1] near, far
        cdef float[::1] clean, probabilities
        while True:
            piece = min(left, SLICE)
            with nogil:
                count = ev_front_wait(self.front_end, piece)
            PyErr_CheckSignals()
            left -= piece
            if count or not left or self.is_closed:
                break
        if not count:
            return None
        near_array = np.empty(count * self.hop, np.int16)
        far_array = np.empty(count * self.hop, np.int16)
        clean_array = np.empty(count * self.front_end.clean_room, np.float32)
        probability_array = np.empty(count * self.front_end.frame_room, np.float32)
        near, far, clean, probabilities = near_array, far_array, clean_array, probability_array
        with nogil:
            ev_front_take(self.front_end, count, &near[0], &far[0], &clean[0], &probabilities[0], &first)
        reflex = (first.reflex, first.onset) if first.reflex else None
        return Hops(first.index, near_array, far_array, clean_array[:first.clean].copy(), first.clean_at,
                    probability_array[:first.frames].copy(), first.frames_at * EV_VAD_FRAME, reflex)

    def start_front(self, vad, *, double onset=0.5, double offset=0.35, double min_speech_ms=64, double hangover_ms=160,
                    bint cancel_echo=True, bint threaded=True):
        cdef ev_front_config config
        cdef void *memory = NULL
        cdef size_t size, address
        cdef int error = 0
        if self.front_end != NULL:
            raise RuntimeError("the front end was already started")
        min_frames, hang_frames = front_frames(onset, offset, min_speech_ms, hangover_ms)
        net = getattr(vad, "net", None)
        if net is None:
            return False
        self._enter(self.reader, "Core.read")
        try:
            address = net.address
            config.net = <const ev_vad_net *>address
            config.cancel_echo = cancel_echo
            config.onset, config.offset = onset, offset
            config.min_frames, config.hang_frames = min_frames, hang_frames
            size = ev_front_bytes(self.rt)
            if posix_memalign(&memory, EV_CACHE_LINE, size):
                raise MemoryError(f"{size} bytes for the front end")
            memset(memory, 0, size)
            self.net = net
            self.front_end = ev_front_init(memory, self.rt, &config)
            ev_front_attach(self.front_end)
            if threaded:
                self.front_thread = ev_front_start(self.front_end, &error)
                if self.front_thread == NULL:
                    raise OSError(error, "no thread for the front end")
        finally:
            self.reader.release()
        return True

    def step_front(self):
        """Judge every hop that waits, in this thread; for a front end that was started without one.  The hops judged."""
        cdef uint64_t done = 0
        if self.front_end == NULL or self.front_thread != NULL:
            raise RuntimeError("the front end was not started with threaded=False")
        self._enter(self.reader, "Core.read")
        try:
            with nogil:
                while ev_front_step(self.front_end):
                    done += 1
        finally:
            self.reader.release()
        return done

    def arm(self, generation):
        cdef uint64_t number = _generation(generation)
        if self.front_end != NULL:
            ev_front_arm(self.front_end, number)

    def disarm(self):
        if self.front_end != NULL:
            ev_front_arm(self.front_end, 0)

    def front(self):
        cdef ev_front_state c
        if self.front_end == NULL:
            return None
        ev_front_look(self.front_end, &c)
        return FrontState(
            hops=c.hops, blocks=c.blocks, path_changes=c.changes, reflexes=c.reflexes, dropped=c.dropped,
            erle_db=c.erle_mdb / 1000.0, delay_ms=None if c.delay < 0 else c.delay * 1000.0 / EV_AEC_RATE,
            drift_ppm=c.drift_ppb / 1000.0, busy_s=c.busy_ns * 1e-9, slowest_s=c.busy_most_ns * 1e-9,
            cancelling=not c.flags & EV_AEC_OFF, awake=bool(c.flags & EV_AEC_AWAKE), converged=bool(c.flags & EV_AEC_CONVERGED),
            noncausal=bool(c.flags & EV_AEC_NONCAUSAL), useless=bool(c.flags & EV_AEC_USELESS), fifo=bool(c.flags & EV_FRONT_FIFO))

    def write(self, generation, samples, *, bint last=False, timeout_s=None):
        """As the contract says; an empty ``last`` that found no room in ``timeout_s`` is a ``TimeoutError``, as 0 frames say nothing."""
        cdef uint64_t number = _generation(generation), left = _nanoseconds(timeout_s), piece, taken = 0, some
        cdef const int16_t[::1] view = _samples(samples, "samples to play")
        cdef uint64_t frames = view.shape[0]
        cdef const int16_t *data = &view[0] if frames else NULL
        cdef ev_write_state state
        self._enter(self.writer, "Core.write")
        try:
            while True:
                piece = min(left, SLICE)
                with nogil:
                    state = ev_host_write(self.rt, number, data + taken, frames - taken, last, piece, &some)
                taken += some
                left -= piece
                PyErr_CheckSignals()
                if state != EV_WRITE_FULL or not left:
                    break
        finally:
            self.writer.release()
        if state == EV_WRITE_ENDED:
            raise ValueError(f"generation {number} was already ended by last=True")
        if state == EV_WRITE_FULL and frames == 0:
            raise TimeoutError(f"no room for the end of generation {number} in {timeout_s} s")
        return taken

    def queued(self, generation):
        return ev_host_queued(self.rt, _generation(generation))

    @property
    def full(self):
        return ev_host_full(self.rt)

    def heard(self, generation):
        return ev_host_heard(self.rt, _generation(generation))

    def pause(self, generation):
        return ev_host_pause(self.rt, _generation(generation))

    def resume(self, generation):
        return ev_host_resume(self.rt, _generation(generation))

    def gate(self, generation):
        ev_host_gate(self.rt, _generation(generation))

    def open(self, generation):
        return ev_host_open(self.rt, _generation(generation))

    def earcon(self, samples):
        cdef const int16_t[::1] view = _samples(samples, "an earcon")
        if not view.shape[0]:
            return 0
        self._enter(self.ringer, "Core.earcon")
        try:
            return ev_host_earcon(self.rt, &view[0], view.shape[0])
        finally:
            self.ringer.release()

    def alarm(self, samples):
        cdef const int16_t[::1] view = _samples(samples, "an alarm")
        if not view.shape[0]:
            return 0
        self._enter(self.ringer, "Core.earcon")
        try:
            return ev_host_alarm(self.rt, &view[0], view.shape[0])
        finally:
            self.ringer.release()

    def stop_alarm(self):
        ev_host_alarm_stop(self.rt)

    def set_volume(self, double gain, channel=None):
        cdef int32_t fixed = fixed_gain(gain)
        cdef int number = 0 if channel is None else channel_number(channel)
        if channel is None:
            ev_host_gain(self.rt, fixed)
        else:
            ev_host_channel_gain(self.rt, <ev_channel>number, fixed)

    def set_ducking(self, double gain):
        if not 0.0 <= gain <= 1.0:
            raise ValueError(f"ducking must be 0 to 1, not {gain}")
        ev_host_duck(self.rt, fixed_gain(gain))

    def announce(self, generation, channel="announcement"):
        cdef int number = channel_number(channel)
        ev_host_announce(self.rt, _generation(generation), <ev_channel>number)

    def mute(self, bint muted):
        ev_host_mute(self.rt, muted)

    @property
    def muted(self):
        return ev_host_muted(self.rt)

    def set_playout(self, double stretch_below_s, double hold_s=0.0, double shorten_above_s=0.0):
        below, hold, above = playout_frames(self.rate, stretch_below_s, hold_s, shorten_above_s)
        ev_host_playout(self.rt, below, hold, above)

    def events(self):
        cdef ev_play_event found[64]
        cdef uint32_t count = 64, i
        self._enter(self.reader, "Core.events")
        events = []
        try:
            while count == 64:
                count = ev_host_events(self.rt, found, 64)
                for i in range(count):
                    events.append(PlayEvent(KINDS[found[i].kind], found[i].generation, found[i].sample, found[i].frames))
        finally:
            self.reader.release()
        return events

    def counters(self):
        cdef ev_counters c
        with nogil:
            ev_host_counters(self.rt, &c)
        return Counters(c.captured, c.consumed, c.dropped, c.depth, c.xruns_in, c.xruns_out, c.callbacks, c.played, c.underruns,
                        c.stale, c.events_lost, stretched=c.stretched, shortened=c.shortened, queue=c.queue, queue_least=c.queue_least,
                        zeroed=c.zeroed)

    def lateness(self):
        return Lateness(tuple([self.rt.late.counts[i] for i in range(EV_LATE_BUCKETS)]), self.rt.late.worst * 1e-9)

    def process(self, near, int frames, *, bint overflow=False, bint underflow=False, double now_s=0.0):
        """The callback itself, for a device written in Python: ``frames`` captured (``None`` for no input) against ``frames`` to play."""
        cdef const int16_t[::1] view
        cdef const int16_t *data = NULL
        if frames < 1:
            raise ValueError(f"a period has at least one frame, not {frames}")
        if near is not None:
            view = _samples(near, "captured audio")
            if view.shape[0] != frames:
                raise ValueError(f"{frames} frames were announced and {view.shape[0]} given")
            data = &view[0]
        out_array = np.empty(frames, np.int16)
        cdef int16_t[::1] out = out_array
        cdef uint32_t status = (1 if overflow else 0) | (2 if underflow else 0)
        if not now_s >= 0.0:
            raise ValueError(f"now_s must be 0 or more seconds, not {now_s}")
        with nogil:
            ev_rt_note_time(self.rt, <uint64_t>(now_s * 1e9), status)
            ev_rt_process(self.rt, data, &out[0], frames, status)
        return out_array

    def close(self):
        """Waits in progress end as if their time had run out; ``read`` and ``write`` refuse from now on.  Stop the device first."""
        self.is_closed = True
        ev_host_close(self.rt)
        cdef ev_front_thread *thread = self.front_thread
        self.front_thread = NULL
        with nogil:
            ev_front_stop(thread)


include "_stretch.pxi"
include "_asrc.pxi"
include "_devices.pxi"
