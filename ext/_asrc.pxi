# The converter between two cards' clocks: its state, and the kernel by itself.


cdef object _clocks(ev_asrc *asrc, int rate):
    cdef ev_asrc_state state
    ev_asrc_look(asrc, &state)
    return Clocks(drift_ppm=state.drift_ppm, fill_ms=1000.0 * state.fill / rate, wanted_ms=1000.0 * state.wanted / rate,
                  underruns=state.underruns, overruns=state.overruns)


cdef class Asrc:
    """What lies between two streams on clocks of their own.  One thread may push, another pull; periods of about ``period`` frames."""

    cdef ev_asrc *asrc
    cdef readonly int rate

    def __cinit__(self, int rate, int period):
        if not 8000 <= rate <= 192000 or not 16 <= period <= rate // 5:
            raise ValueError(f"rate must be 8000 to 192000 Hz and period 16 to 200 ms of it, not {rate} and {period}")
        cdef void *memory = NULL
        cdef size_t size = ev_asrc_bytes(period)
        if posix_memalign(&memory, EV_CACHE_LINE, size):
            raise MemoryError(f"{size} bytes for a converter")
        memset(memory, 0, size)
        self.rate = rate
        self.asrc = ev_asrc_init(memory, rate, period)

    def __dealloc__(self):
        free(self.asrc)

    def push(self, samples, double now_s=0.0):
        cdef const int16_t[::1] view = _samples(samples, "samples to play")
        cdef uint32_t frames = view.shape[0]
        if frames:
            with nogil:
                ev_asrc_push(self.asrc, &view[0], frames, now_s)

    def pull(self, int frames, double now_s=0.0):
        if frames < 1:
            raise ValueError(f"a period has at least one frame, not {frames}")
        out_array = np.empty(frames, np.int16)
        cdef int16_t[::1] out = out_array
        with nogil:
            ev_asrc_pull(self.asrc, &out[0], frames, now_s)
        return out_array

    def restart(self):
        ev_asrc_restart(self.asrc)

    @property
    def clocks(self):
        return _clocks(self.asrc, self.rate)
