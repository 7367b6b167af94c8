# The time-stretch kernel on a whole sound.


def stretch(samples, int rate, double factor):
    """A whole sound ``factor`` times as long (0.9 to 1.25), pitch kept, by the kernel that the loudspeaker's side uses."""
    cdef const int16_t[::1] view = _samples(samples, "samples to stretch")
    if not 8000 <= rate <= 192000:
        raise ValueError(f"rate must be 8000 to 192000 Hz, not {rate}")
    if not 0.9 <= factor <= 1.25:
        raise ValueError(f"factor must be 0.9 to 1.25, not {factor}")
    cdef int32_t each = <int32_t>round((factor - 1.0) * EV_STRETCH_ONE)
    cdef size_t frames = view.shape[0], made
    cdef ev_stretch state
    if not frames:
        return np.empty(0, np.int16)
    scratch_array = np.empty(ev_stretch_bytes(rate), np.uint8)
    cdef unsigned char[::1] scratch = scratch_array
    out_array = np.empty(frames + frames // 2 + rate, np.int16)
    cdef int16_t[::1] out = out_array
    with nogil:
        ev_stretch_init(&state, &scratch[0], rate)
        made = ev_stretch_all(&state, &view[0], frames, &out[0], each)
    return out_array[:made].copy()
