"""Builds the C core and the voice-activity kernel; everything else about the package is in pyproject.toml.

The build fails loudly: there is no optional extension here.  Portable machine code by default; EDGEVOICE_NATIVE=1 lets the compiler use
this machine's own instruction set, for a build that never leaves it.
"""

from __future__ import annotations

import os
import sys

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError as error:
    sys.exit(f"setup.py: the C core needs Cython to build (pip install cython): {error}")

SOURCES = ["ring", "dsp", "stretch", "playout", "mixer", "microphone", "late", "rt", "host", "scripted", "portaudio", "asrc",
           "asrc_pace", "asrc_sinc", "fft", "aec", "aec_far", "aec_residue", "phat", "decimate", "front", "front_host"]
HEADERS = ["ring.h", "cancel.h", "dsp.h", "stretch.h", "playout.h", "mixer.h", "microphone.h", "late.h", "rt_inside.h", "rt.h", "host.h",
           "device.h", "scripted.h", "ev_portaudio.h", "asrc.h", "fft.h", "aec.h", "aec_inside.h", "phat.h", "decimate.h", "front.h",
           "_core.pxd", "_devices.pxi", "_stretch.pxi", "_asrc.pxi", "_live.pxi", "_checks.pxi"]
VAD_SOURCES = ["vad", "vad_scalar", "vad_vector", "vad_neon", "vad_avx2"]  # each kernel has its own target, chosen at run time
VAD_HEADERS = ["vad.h", "vad_kernel.h", "vad_kernels.h", "vad_lanes.h"]
FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"]
if os.environ.get("EDGEVOICE_NATIVE") == "1":
    FLAGS.append("-march=native")

core = Extension(
    "edgevoice.rt._core",
    ["ext/_core.pyx", *(f"ext/{name}.c" for name in SOURCES + VAD_SOURCES)],
    include_dirs=["ext"],
    depends=[f"ext/{name}" for name in HEADERS + VAD_HEADERS],
    libraries=["portaudio", "m", "pthread"],
    extra_compile_args=FLAGS,
)

vad = Extension(
    "edgevoice.rt._vad",
    ["ext/_vad.pyx", *(f"ext/{name}.c" for name in VAD_SOURCES)],
    include_dirs=["ext"],
    depends=[f"ext/{name}" for name in VAD_HEADERS],
    libraries=["m"],
    extra_compile_args=FLAGS,
)

setup(ext_modules=cythonize([core, vad], include_path=["ext"], language_level=3))
