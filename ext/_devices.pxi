# The devices, as Python sees them: part of _core.pyx.

cdef class _Device:
    """What all devices of the table share."""

    cdef ev_device *device
    cdef readonly Core core
    cdef object lock
    cdef object __weakref__

    def start(self):
        cdef char error[EV_ERROR_BYTES]
        cdef c_bool ok
        with self.lock:
            with nogil:
                ok = self.device.ops.start(self.device, error)
        if not ok:
            raise DeviceError(error.decode("utf-8", "replace"))

    def stop(self):
        with self.lock:
            with nogil:
                self.device.ops.stop(self.device)

    @property
    def running(self):
        return self.device.ops.running(self.device)

    @property
    def error(self):
        cdef char error[EV_ERROR_BYTES]
        cdef c_bool found
        with nogil:
            found = self.device.ops.error(self.device, error)
        return error.decode("utf-8", "replace") if found else None

    @property
    def clocks(self):
        return None

    def __dealloc__(self):
        if self.device != NULL and self.device.ops != NULL:
            with nogil:
                self.device.ops.stop(self.device)
            self.device.ops.close(self.device)


cdef class ScriptedDevice(_Device):
    """A user who speaks from memory, through the real callback: in real time on a thread of its own, or stepped by the caller.

    ``noise`` (int16) is played round and round into the microphone; ``echo`` (float32) is the impulse response from loudspeaker to
    microphone, on top of one ``period`` of latency; ``script`` is a tuple of cues (``edgevoice.rt.script``).  Microphone and
    loudspeaker are recorded up to ``max_seconds``; the device itself goes on.
    """

    cdef ev_scripted *scripted
    cdef readonly bint realtime
    cdef readonly int period
    cdef object memory
    cdef object mic
    cdef object speaker
    cdef list said    # utterances that may not be freed yet, and some that may
    cdef int crowd    # so many of them that it is worth to look which may

    def __init__(self, Core core not None, *, bint realtime=True, int period=160, noise=None, echo=None, double max_seconds=600.0,
                 script=(), double drift_ppm=0.0):
        if self.scripted != NULL:
            raise RuntimeError("a device is made once")
        if not 1 <= period <= core.rate:
            raise ValueError(f"period must be 1 to {core.rate} frames, not {period}")
        if not 0.0 <= max_seconds <= 86400.0:
            raise ValueError(f"max_seconds must be 0 to 86400, not {max_seconds}")
        if not -100000.0 <= drift_ppm <= 100000.0:
            raise ValueError(f"drift_ppm must be within 100000 of 0, not {drift_ppm}")
        noise = np.zeros(0, np.int16) if noise is None else np.array(_checked(noise, np.int16, "noise"))
        echo = np.zeros(0, np.float32) if echo is None else np.array(_checked(echo, np.float32, "echo"))
        if len(echo) > 10 * core.rate:
            raise ValueError(f"echo must be at most 10 s long, not {len(echo)} taps")
        rows = _cues(script, period)
        frames = int(max_seconds * core.rate)
        self.mic = np.zeros(frames, np.int16)
        self.speaker = np.zeros(frames, np.int16)
        history = np.zeros(len(echo) + 2 * period, np.float32)
        air = np.zeros(period, np.float32)
        inward = np.zeros(period, np.int16)
        out = np.zeros(period, np.int16)
        self.memory = (noise, echo, history, air, inward, out, rows)
        self.said = []
        self.crowd = 64
        self.core = core
        self.lock = threading.Lock()
        self.realtime = realtime
        self.period = period
        cdef ev_scripted_config config
        config.realtime = realtime
        config.period = period
        config.drift_ppm = drift_ppm
        config.noise = <const int16_t *><size_t>noise.ctypes.data
        config.noise_frames = len(noise)
        config.echo = <const float *><size_t>echo.ctypes.data
        config.echo_taps = len(echo)
        config.echo_history = <float *><size_t>history.ctypes.data
        config.air = <float *><size_t>air.ctypes.data
        config.cues = <const ev_cue *><size_t>rows.ctypes.data
        config.cue_count = len(rows)
        config.record_frames = frames
        config.mic = <int16_t *><size_t>self.mic.ctypes.data
        config.speaker = <int16_t *><size_t>self.speaker.ctypes.data
        config.inward = <int16_t *><size_t>inward.ctypes.data
        config.out = <int16_t *><size_t>out.ctypes.data
        self.scripted = <ev_scripted *>calloc(1, sizeof(ev_scripted))
        if self.scripted == NULL:
            raise MemoryError("the scripted device's state")
        if not ev_scripted_init(self.scripted, core.rt, &config):
            free(self.scripted)
            self.scripted = NULL
            raise MemoryError("the scripted device's lock")
        self.device = &self.scripted.device

    def say(self, samples, at=None):
        """Let the user speak ``samples`` (int16), mixed with whatever else sounds, from device frame ``at`` on or from the next
        period on.  Returns the device frame of the first sample; ``ValueError`` if that frame is past."""
        cdef int64_t start
        cdef int64_t wanted = -1 if at is None else at
        if at is not None and at < 0:
            raise ValueError(f"at must be a device frame, not {at}")
        copy = np.array(_checked(samples, np.int16, "the user's audio"))
        cdef const int16_t *data = <const int16_t *><size_t>copy.ctypes.data
        cdef uint64_t frames = len(copy)
        if not frames:
            raise ValueError("the user's audio is empty")
        if len(self.said) >= self.crowd:
            self.said = [old for old in self.said if self._saying(old)]
            self.crowd = max(64, 2 * len(self.said))
        self.said.append(copy)
        with nogil:
            start = ev_scripted_say(self.scripted, data, frames, wanted)
        if start == -1:
            raise ValueError(f"frame {at} is past: the device is at {self.position}")
        if start == -2:
            raise RuntimeError("too many utterances wait to be spoken")
        return start

    cdef bint _saying(self, object samples):
        cdef const int16_t *data = <const int16_t *><size_t>samples.ctypes.data
        return ev_scripted_saying(self.scripted, data)

    def step(self, frames):
        """Run ``frames`` in this thread, now.  Returns the frames run: fewer once unplugged.  Not for a device in real time."""
        if self.realtime:
            raise RuntimeError("a device in real time runs by itself; make it with realtime=False to step it")
        cdef int64_t wanted = frames
        if wanted < 0:
            raise ValueError(f"frames must be 0 or more, not {frames}")
        cdef uint64_t done
        with self.lock:
            with nogil:
                done = ev_scripted_step(self.scripted, wanted)
        return done

    @property
    def position(self):
        """Device frames done so far."""
        return ev_scripted_position(self.scripted)

    def recording(self):
        """(microphone, loudspeaker) from device frame 0 until now, int16, of equal length; copies."""
        length = min(self.position, len(self.mic))
        return self.mic[:length].copy(), self.speaker[:length].copy()


_sound_library = threading.Lock()


cdef class SoundLibrary:
    """PortAudio, open between ``__enter__`` and ``__exit__``: what cards there are and what they can do.  Cards are looked for anew only
    when nobody else holds the library open."""

    def __enter__(self):
        cdef char error[EV_ERROR_BYTES]
        cdef c_bool ok
        with _sound_library:
            with nogil:
                ok = ev_portaudio_open(error)
        if not ok:
            raise DeviceError(error.decode("utf-8", "replace"))
        return self

    def __exit__(self, *unused):
        with _sound_library:
            with nogil:
                ev_portaudio_close()

    def cards(self):
        """(index, name, sound system, input channels, output channels, default rate, default input, default output) of each."""
        cdef ev_card card
        found = []
        for index in range(ev_portaudio_cards()):
            if ev_portaudio_card(index, &card):
                found.append((index, card.name.decode("utf-8", "replace"), card.host.decode("utf-8", "replace"), card.inputs,
                              card.outputs, card.rate, card.default_input, card.default_output))
        return found

    def supports(self, int index, direction, double rate):
        """Whether the card can do int16 mono at ``rate``; ``direction`` is "input" or "output"."""
        cdef c_bool can, inward = direction == "input"
        with _sound_library:
            with nogil:
                can = ev_portaudio_supports(index, inward, rate)
        return can


cdef class PortAudioStream(_Device):
    """A microphone and a loudspeaker by their indices, while a ``SoundLibrary`` is open: one stream, or with ``two`` one for each."""

    cdef ev_portaudio *portaudio
    cdef size_t locked

    def __init__(self, Core core not None, *, int input, int output, int period, double input_latency_s, double output_latency_s,
                 int channels=1, int channel=0, bint two=False):
        if self.device != NULL:
            raise RuntimeError("a device is made once")
        if not 1 <= period <= core.rate:
            raise ValueError(f"period must be 1 to {core.rate} frames, not {period}")
        if not 0 <= channel <= channels <= 32 or channels < 1:
            raise ValueError(f"channel must be 0 to channels, which is 1 to 32, not {channel} of {channels}")
        cdef ev_portaudio_config config
        config.channels, config.channel = channels, channel
        config.input = input
        config.output = output
        config.period = period
        config.input_latency = input_latency_s
        config.output_latency = output_latency_s
        config.two = two
        cdef ev_portaudio *portaudio = <ev_portaudio *>calloc(1, sizeof(ev_portaudio))
        if portaudio == NULL:
            raise MemoryError("the stream's state")
        if not ev_portaudio_init(portaudio, core.rt, &config):
            free(portaudio)
            raise MemoryError("a period of the heard channel")
        self.core = core
        self.lock = _sound_library
        self.portaudio = portaudio
        self.device = &portaudio.device
        if two and mlock(portaudio.asrc, ev_asrc_bytes(period)) == 0:
            self.locked = ev_asrc_bytes(period)

    def __dealloc__(self):
        if self.locked:
            munlock(self.portaudio.asrc, self.locked)

    @property
    def clocks(self):
        """How the two clocks do; ``None`` for one stream."""
        return None if self.portaudio.asrc == NULL else _clocks(self.portaudio.asrc, self.core.rate)

    @property
    def abandoned(self):
        """After ``stop``: the sound system died and did not give the stream back.  The library must then stay open."""
        return self.portaudio.abandoned


def _checked(array, dtype, what):
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
        raise ValueError(f"{what} must be a one-dimensional array of {np.dtype(dtype).name}, not {_describe(array)}")
    return np.ascontiguousarray(array)


def _cues(script, period):
    rows = []
    for cue in cues.validated(script, period):
        if isinstance(cue, cues.Late):
            rows.append((cue.at, EV_CUE_LATE, 0, round(cue.ms * 1e6)))
        elif isinstance(cue, cues.Short):
            rows.append((cue.at, EV_CUE_SHORT, cue.count, cue.frames))
        elif isinstance(cue, cues.Xrun):
            rows.append((cue.at, EV_CUE_XRUN, 0, cue.lost))
        elif isinstance(cue, cues.Underflow):
            rows.append((cue.at, EV_CUE_UNDERFLOW, 0, 0))
        else:
            rows.append((cue.at, EV_CUE_UNPLUG, 0, 0))
    layout = np.dtype([("at", "u8"), ("kind", "u4"), ("count", "u4"), ("amount", "u8")])
    if layout.itemsize != sizeof(ev_cue):
        raise RuntimeError("the layout of ev_cue changed")
    return np.array(rows, layout)
