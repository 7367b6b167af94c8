"""Keeps ALSA, JACK and PortAudio from writing to stderr about devices that are not there or do not fit."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import re
import sys
from collections.abc import Iterator

_HANDLERS = (
    ("libasound.so.2", "snd_lib_error_set_handler"),
    ("libjack.so.0", "jack_set_error_function"),
    ("libjack.so.0", "jack_set_info_function"),
)

_NOISE = re.compile(rb"Expression '.*' failed in '|ALSA lib |Cannot connect to server|jack server is not running|JackShm|connect\(2\) call")
"""Lines that those libraries write, PortAudio's without a way to ask it not to."""


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """While devices are probed and opened: what goes to stderr, from any thread, is held back, and then written but for the noise."""
    try:
        real = os.dup(2)
    except OSError:  # stderr is closed, so there is nothing to keep clean
        yield
        return
    sys.stderr.flush()
    held = os.memfd_create("stderr")
    os.dup2(held, 2)
    guarded = not faulthandler.is_enabled()
    if guarded:
        faulthandler.enable(real)  # a library that aborts takes what is held back with it; this still says where
    try:
        yield
    finally:
        if guarded:
            faulthandler.disable()
        sys.stderr.flush()
        os.dup2(real, 2)
        os.lseek(held, 0, os.SEEK_SET)
        with os.fdopen(held, "rb") as file:
            kept = [line for line in file if not _NOISE.match(line)]
        if kept:
            os.write(real, b"".join(kept))
        os.close(real)


def quiet() -> None:
    """Call it after the library that uses them was loaded, and before it is opened.  Does nothing where they are absent.

    The handler is a C function, since it may be called on the audio thread, which must not meet Python: ``abs`` stands in, as it has
    the calling convention, takes no notice of arguments beyond its first, and does nothing with that.
    """
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    nothing = ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)
    for library, setter in _HANDLERS:
        try:
            function = getattr(ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_NOW), setter)
        except (OSError, AttributeError):  # not loaded, so it says nothing either
            continue
        function.argtypes = [ctypes.c_void_p]
        function.restype = None
        function(nothing)
