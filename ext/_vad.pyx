# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""The voice-activity network in C (vad.h), as Python sees it: validates, owns memory, releases the GIL.

A ``Net`` is read only once made and may be shared; a ``Stream`` holds its ``Net`` and is used by one thread at a time.
"""

import numpy as np

from libc.stdint cimport int16_t
from libc.stdlib cimport free
from posix.mman cimport madvise
from posix.stdlib cimport posix_memalign

cdef extern from "vad.h" nogil:
    enum:
        EV_VAD_FRAME
        EV_VAD_KERNELS
    ctypedef struct ev_vad_weights:
        const float *basis
        const float *conv_weight[4]
        const float *conv_bias[4]
        const float *input_weight
        const float *hidden_weight
        const float *input_bias
        const float *hidden_bias
        const float *output_weight
        const float *output_bias
    ctypedef enum ev_vad_kernel:
        EV_VAD_BEST
    ctypedef enum ev_vad_status:
        EV_VAD_OK
        EV_VAD_NO_KERNEL
    ctypedef struct ev_vad_net:
        ev_vad_kernel kernel
    ctypedef struct ev_vad:
        pass
    bint ev_vad_has(ev_vad_kernel kernel)
    const char *ev_vad_kernel_name(ev_vad_kernel kernel)
    ev_vad_status ev_vad_net_init(ev_vad_net *net, const ev_vad_weights *weights, ev_vad_kernel kernel)
    void ev_vad_init(ev_vad *vad, const ev_vad_net *net)
    void ev_vad_reset(ev_vad *vad)
    float ev_vad_frame(ev_vad *vad, const float *samples)
    float ev_vad_frame_i16(ev_vad *vad, const int16_t *samples)

cdef extern from * nogil:
    """
    #include <sys/mman.h>
    #ifdef MADV_HUGEPAGE
    #define EV_VAD_ADVICE MADV_HUGEPAGE
    #else
    #define EV_VAD_ADVICE MADV_NORMAL
    #endif
    """
    enum:
        EV_VAD_ADVICE

# bytes: one huge page holds the net, so that a frame that comes after others have used the caches waits for no page table
# (36 us in place of 54 with everything evicted)
cdef size_t PAGE = 2 << 20

SIZES = (258 * 256, 128 * 129 * 3, 128, 64 * 128 * 3, 64, 64 * 64 * 3, 64, 128 * 64 * 3, 128,
         512 * 128, 512 * 128, 512, 512, 128, 1)


def kernels():
    """Names of the kernels that this machine can run, slowest first; the last one is the one that "best" means."""
    return tuple(ev_vad_kernel_name(<ev_vad_kernel>i).decode() for i in range(1, EV_VAD_KERNELS) if ev_vad_has(<ev_vad_kernel>i))


cdef class Net:
    """The network's weights, packed.  ``arrays``: float32, in the order of ``engines.silero_weights.SHAPES``.

    ``ValueError`` for arrays of other sizes, an unknown kernel, or weights whose first array is no Hann-windowed Fourier basis.
    """

    cdef ev_vad_net *net

    def __cinit__(self, arrays, str kernel="best"):
        cdef void *memory = NULL
        cdef ev_vad_weights weights
        cdef const float *places[15]
        cdef const float[::1] view
        cdef int chosen, i
        cdef ev_vad_status status
        names = ["best", *kernels()]
        if kernel not in names:
            raise ValueError(f"no voice-activity kernel {kernel!r} here: there are {', '.join(names)}")
        chosen = next(j for j in range(EV_VAD_KERNELS) if ev_vad_kernel_name(<ev_vad_kernel>j).decode() == kernel)
        flat = [np.ascontiguousarray(array, np.float32).reshape(-1) for array in arrays]
        if tuple(array.size for array in flat) != SIZES:
            raise ValueError(f"weights of sizes {tuple(array.size for array in flat)}, wants {SIZES}")
        for i in range(15):
            view = flat[i]
            places[i] = &view[0]
        weights.basis = places[0]
        for i in range(4):
            weights.conv_weight[i] = places[1 + 2 * i]
            weights.conv_bias[i] = places[2 + 2 * i]
        weights.input_weight = places[9]
        weights.hidden_weight = places[10]
        weights.input_bias = places[11]
        weights.hidden_bias = places[12]
        weights.output_weight = places[13]
        weights.output_bias = places[14]
        if posix_memalign(&memory, PAGE, (sizeof(ev_vad_net) + PAGE - 1) // PAGE * PAGE):
            raise MemoryError
        madvise(memory, PAGE, EV_VAD_ADVICE)  # only advice: small pages do as well
        self.net = <ev_vad_net *>memory
        with nogil:
            status = ev_vad_net_init(self.net, &weights, <ev_vad_kernel>chosen)
        if status != EV_VAD_OK:
            raise ValueError("the first array is not the basis of a Hann-windowed Fourier transform: another network")

    def __dealloc__(self):
        free(self.net)

    @property
    def kernel(self):
        """The kernel's name, never "best"."""
        return ev_vad_kernel_name(self.net.kernel).decode()

    @property
    def address(self):
        """``const ev_vad_net *`` for other C code; good for as long as this object lives."""
        return <size_t>self.net


cdef class Stream:
    """One stream of frames through a ``Net``."""

    cdef ev_vad *vad
    cdef Net net

    def __cinit__(self, Net net not None):
        cdef void *memory = NULL
        if posix_memalign(&memory, 64, (sizeof(ev_vad) + 63) // 64 * 64):
            raise MemoryError
        self.vad = <ev_vad *>memory
        self.net = net
        ev_vad_init(self.vad, net.net)

    def __dealloc__(self):
        free(self.vad)

    def process(self, samples):
        """Probability of speech in the next 512 samples: float32 with full scale 1, or int16; ``ValueError`` for all else."""
        cdef const float[::1] floats
        cdef const int16_t[::1] integers
        cdef float probability
        if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.shape[0] != EV_VAD_FRAME:
            raise ValueError(f"a frame of shape {np.shape(samples)}: wants ({EV_VAD_FRAME},)")
        if samples.dtype == np.float32:
            floats = np.ascontiguousarray(samples)
            with nogil:
                probability = ev_vad_frame(self.vad, &floats[0])
        elif samples.dtype == np.int16:
            integers = np.ascontiguousarray(samples)
            with nogil:
                probability = ev_vad_frame_i16(self.vad, &integers[0])
        else:
            raise ValueError(f"a frame of {samples.dtype}: wants float32 or int16")
        return probability

    def reset(self):
        """Forget everything heard."""
        ev_vad_reset(self.vad)
