"""Keeps ALSA and JACK from writing to stderr about devices that are not there."""

from __future__ import annotations

import ctypes
import os

_HANDLERS = (
    ("libasound.so.2", "snd_lib_error_set_handler"),
    ("libjack.so.0", "jack_set_error_function"),
    ("libjack.so.0", "jack_set_info_function"),
)


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
