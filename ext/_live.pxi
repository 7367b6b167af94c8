# The one atomic, and the right of a generation to go on.


cdef class Token:
    """One generation's right to go on."""

    cdef ev_token token
    cdef Live owner
    cdef readonly object generation

    def __init__(self):
        raise TypeError("a token comes from Live.begin()")

    def cancelled(self):
        return ev_abort(&self.token)

    def abort_pointers(self):
        """(address of a C ``bool (*)(void *)``, its argument), both good for as long as this token lives."""
        return <size_t><void *>&ev_abort, <size_t><void *>&self.token


cdef class Live:
    """The one atomic: which generation may be heard."""

    cdef ev_live *live
    cdef object __weakref__

    def __cinit__(self):
        cdef void *memory = NULL
        if posix_memalign(&memory, EV_CACHE_LINE, sizeof(ev_live)):
            raise MemoryError
        memset(memory, 0, sizeof(ev_live))
        self.live = <ev_live *>memory

    def __dealloc__(self):
        free(self.live)

    def begin(self, generation):
        cdef uint64_t number = _generation(generation)
        if not ev_live_begin(self.live, number):
            raise ValueError(f"generation {number} is not greater than every one before it")
        cdef Token token = Token.__new__(Token)
        token.owner = self
        token.generation = number
        ev_token_init(&token.token, self.live, number)
        return token

    def cancel(self, generation):
        return ev_live_cancel(self.live, _generation(generation))

    def current(self):
        return ev_live_current(self.live)


cdef uint32_t _slots(double frames, int hop):
    cdef uint32_t slots = 2
    while slots * <double>hop < frames:
        slots *= 2
    return slots
