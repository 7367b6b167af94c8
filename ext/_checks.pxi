# What comes from Python, checked: part of _core.pyx.

cdef const int16_t[::1] _samples(object array, str what):
    if not isinstance(array, np.ndarray) or array.dtype != np.int16 or array.ndim != 1:
        raise ValueError(f"{what} must be a one-dimensional array of int16, not {_describe(array)}")
    return np.ascontiguousarray(array)


cdef str _describe(object array):
    if isinstance(array, np.ndarray):
        return f"{array.ndim}-dimensional {array.dtype}"
    return type(array).__name__


cdef uint64_t _generation(object generation) except 0:
    number = int(generation)
    if not 0 < number < 2**63:
        raise ValueError(f"a generation is a number from 1 to 2**63 - 1, not {number}")
    return <uint64_t>number


cdef uint64_t _nanoseconds(object seconds) except? 0:
    if seconds is None:
        return FOREVER
    if not seconds >= 0:
        raise ValueError(f"a timeout is 0 or more seconds, not {seconds}")
    return <uint64_t>min(seconds * 1e9, 9e18)
